"""Warnings about files and parameters that are likely mistaken."""

import math
from pathlib import Path

from .._tensors import even_rows
from .._validation import warn_user
from ..measurement import way_of_counts
from ._beside import say
from ._numbered import gap_in

OFF = 0.25  # pixels; a larger offset of zero frequency from the nearest pixel causes a warning
AMPLITUDES = "magnitude", "amplitude", "modulus"
MANY_NEGATIVE = 0.01  # fraction of readings; more negative readings than this are read-out noise
MOST_BELOW = 0.9  # fraction of readings; a dark frame above more of them is of another exposure
NARROW = 4  # ratio of the sides; narrower frames are seldom
FEW = 5  # maximum number of frames that a message lists
PATTERNS = 2  # number of patterns, evenly spaced, that are looked at for logarithms
# fraction of a window; one of twice the size of a stack, about its corner, has 1/64 on it
LEAST_MEASURED = 1 / 64
MOST = 0.5  # fraction of pixels; a mask that hides more, and most counts, may mark the good pixels


def warn_of_content(series, content):
    """Warn if a square root is about to be taken of magnitudes."""
    if content == "auto" and series.content == "counts" and _is_named_amplitude(series):
        warn_user(
            f"{series.names[0]!r} in {series.first_name} is read as counts, whose square roots "
            "are taken; pass content='magnitudes' if they already are magnitudes, or "
            "content='counts' if they are counts"
        )


def _is_named_amplitude(series):
    last = series.names[0].rpartition("/")[2].lower() if series.names else ""
    return any(word in last for word in AMPLITUDES)


def warn_of_roots(readings, content, name):
    """Warn if the readings are square roots of counts already."""
    if (
        content == "auto"
        and readings.content == "counts"
        and readings.holds_roots
        and not _is_named_amplitude(readings.series)  # which has been said
    ):
        warn_user(
            f"the readings of {name} are square roots of whole numbers, as magnitudes are, and "
            "are read as counts, whose square roots are taken; pass content='magnitudes' if they "
            "are magnitudes, or content='counts' if they are counts"
        )


def warn_of_logarithms(values, name):
    """Warn if a square root is about to be taken of logarithms of counts."""
    some = values[even_rows(len(values), PATTERNS)]
    way = next(filter(None, map(way_of_counts, some)), None)
    if way is not None:
        warn_user(
            f"the values of {name} look like logarithms: undone, they are counts; give the raw "
            f"counts, or magnitudes {way} of these values X with content='magnitudes'"
        )


def warn_of_numbers(series, dataset, frames):
    """Warn about frames that are probably missing.

    Names with a gap in their numbers show it: the files of a rocking curve, and the parts of a
    master file.
    """
    gaps = (
        [gap_in([path.name for path in series.paths if isinstance(path, Path)])]
        if frames == "volume"
        else []
    )
    gaps += [gap_in(series.names)] if dataset is None else []
    for gap in filter(None, gaps):
        warn_user(
            f"frames may be missing between {gap}: other names follow each other in smaller steps"
        )


def warn_of_axes(series, name):
    """Warn if frames seem to lie along the last axis of an array.

    Read as usual, they are many narrow strips.
    """
    n_frames, height, width = series.shape
    if (
        len(series.paths) == 1
        and NARROW * width <= min(n_frames, height)
        and max(n_frames, height) <= 2 * min(n_frames, height)
    ):
        warn_user(
            f"{name} is read as {n_frames} frames of {height} x {width} pixels; if it holds "
            f"{width} frames of {n_frames} x {height}, pass the array with its frames first, "
            f"np.moveaxis(values, -1, 0)"
        )


def warn_of_remainder(found, resample, has_bins):
    """Warn if zero frequency lies between pixels."""
    if resample is None and max(map(abs, found.remainder)) > OFF:
        place = "the middle of the binned pattern" if has_bins else f"pixel {found.center.pixel}"
        warn_user(
            f"zero frequency lies {found.remainder} pixels from {place}: retrieved objects carry "
            "a phase ramp, which non-negative objects cannot have; resample=True moves the "
            "pattern, resample=False leaves it"
            + ("; blocks of an odd number of pixels are centred on a pixel" if has_bins else "")
        )


def warn_of_window(found, name):
    """Warn if nearly all of the window lies beyond the detector."""
    shape = found.intensities.shape[1:]
    inside = [part.stop - part.start for part in found.region]
    share = math.prod(inside) / math.prod(shape)
    if share < LEAST_MEASURED:
        warn_user(
            f"only {share:.2g} of the window of {' x '.join(map(str, shape))} pixels lies on the "
            f"frames of {name}, and all else is unmeasured; give a smaller crop="
        )


def warn_of_readings(readings, name, negative):
    """Warn about readings and options that are probably a mistake."""
    say(readings.notes)
    planes = [readings.options[one] for one in ("mask", "dark", "flat", "detector")]
    if (
        readings.options["roi"] is not None
        and not readings.used
        and all(one is None or one is False for one in planes)
    ):
        warn_user(
            f"roi={readings.options['roi']!r} changes nothing: there is no mask, dark frame or "
            f"flat field to crop"
        )
    n_read = max(readings.n_read, 1)
    if readings.never:
        numbers = sorted(readings.never)
        listed = ", ".join(map(str, numbers[:FEW])) + (" and more" if len(numbers) > FEW else "")
        warn_user(
            f"{len(numbers)} of {len(readings.selected)} frames of {name} were never written "
            f"({listed}), for instance because the scan was aborted, and are unmeasured; leave "
            "them out by select="
        )
    tally = readings.tally
    if tally.below > MOST_BELOW * tally.n_counted and tally.net < 0:
        warn_user(
            f"{tally.below / tally.n_counted:.0%} of the readings of {name} are below the dark "
            "frame, which holds more counts than they do: it belongs to another exposure, or was "
            "subtracted already; dark=False ignores the file's own dark frames"
        )
    elif tally.n_counted and not tally.above and readings.ceiling.value > 0:
        warn_user(
            f"no reading of {name} exceeds the dark frame, which leaves no count: it is the "
            "pattern itself, belongs to another exposure, or was subtracted already; dark=False "
            "ignores the file's own dark frames"
        )
    n_negative = readings.tally.reasons.get("negative", 0)
    if negative == "unmeasured" and n_negative > MANY_NEGATIVE * n_read and readings.has_noise:
        warn_user(
            f"{n_negative / n_read:.0%} of the readings of {name} are negative and treated as "
            "unmeasured; negative='keep' treats them as noise around zero, negative='zero' as zero"
        )
    n_masked = readings.tally.reasons.get("masked", 0)
    if n_masked > MOST * n_read and readings.tally.hidden > readings.tally.seen:
        warn_user(
            f"masks hide {n_masked / n_read:.0%} of the pixels of {name}, and most of its counts; "
            "if a mask marks the good pixels, pass it (or its name in the file) as mask= with "
            "mask_marks='measured'"
        )
    if readings.options["saturation"] is not None:
        return
    ceiling, words = readings.ceiling, readings.ceiling.words()
    if words and not readings.at_end and readings.content == "counts":
        warn_user(
            f"{ceiling.number} readings of {name} are {ceiling.value:.17g}, {words}, and may be "
            f"saturated or mark gaps; saturation={ceiling.value:.17g} marks them as unmeasured"
        )
    if readings.at_end:
        warn_user(
            f"{readings.at_end} readings of {name} are 255, the largest value of a byte, and may "
            "be saturated; saturation=255 marks them as unmeasured"
        )

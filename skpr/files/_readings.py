"""Corrected frames of files, read one at a time."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from .._counts import are_roots_of_counts
from .._progress import progress_bar, shows_progress
from .._tensors import even_rows
from ._beside import announced_frames
from ._ceiling import Ceiling
from ._corrections import Corrections, Tally, corrected, relative_sensitivity, working_type
from ._dataset import DatasetFrames
from ._planes import Masks, as_array, detector_gaps, given_frames, is_named, marks_of, mean_plane
from ._unwritten import unwritten

MOST_FLAGS = 3  # different negative whole numbers; more of them are noise around zero
LOOKED_AT = 3  # frames of a pass, evenly spaced, that are searched for square roots of counts


class Readings:
    """Corrected frames of a series of files, in the order of the pattern.

    Parameters
    ----------
    series : Series
        Files that hold the frames.
    select : slice, sequence of int or None
        Frames to read; None for all.
    options : dict
        Parameters `mask`, `mask_marks`, `dark`, `flat`, `roi`, `detector`, `saturation`,
        `negative`, `monitor`, `content`, `centered` of :func:`read_diffraction`.
    shifted_frames : bool
        Whether frames are planes along an axis of the pattern, which is then in FFT order if the
        frames are.
    verbose : bool or "auto"
        Whether to show progress.

    Attributes
    ----------
    shape : tuple of int
        Number of selected frames, height, width.
    dtype : numpy.dtype
        Floating-point type of intensities.
    tally : Tally
        Statistics of the last pass.
    used : dict of str to str
        Names of the planes of the file that were applied, by "mask", "dark" and "flat".
    """

    def __init__(self, series, select, options, shifted_frames=False, verbose="auto"):
        self.series, self.verbose = series, verbose
        n_frames = series.shape[0]
        self.selected = chosen_frames(select, n_frames)
        self.shape = (len(self.selected), *series.shape[1:])
        self.dtype = working_type(series.dtype)
        self.content = (
            options["content"] if options["content"] != "auto" else series.agreed("content")
        )
        self.centered = (
            options["centered"] if options["centered"] != "auto" else series.agreed("centered")
        )
        order = np.arange(len(self.selected))
        self.order = order if self.centered or not shifted_frames else np.fft.fftshift(order)
        self.options, self.tally, self.notes = options, Tally(), []
        self.at_end, self.n_read, self.has_noise, self.used = 0, 0, False, {}
        self.ceiling, self.holds_roots = Ceiling(), False
        self.planes_of, self.planes, self.file_masks = None, Corrections(), None
        self.never, self.whole, self.over = set(), select is None, None
        source = series.source(0)
        planes = {name: options[name] for name in ("mask", "dark", "flat")}
        self.by_file = {
            name for name, one in planes.items() if len(series.paths) > 1 and is_named(one, source)
        }
        self._take(source)
        # every file must hold the planes that are given by name: check it before reading
        for number in range(len(series.paths) if self.by_file else 0):
            for name in self.by_file:
                given_frames(name, options[name], series.source(number))
        self.factors = monitor_factors(options["monitor"], self.selected, n_frames, series)

    def _take(self, source):
        """Load the planes that are given as arguments.

        This is done once, or for each of several files if planes are given by name.
        """
        self.taken_from = source
        options, detector, roi = self.options, self.series.shape[1:], self.options["roi"]
        counts = (
            (source.frames.shape[0],)
            if "mask" in self.by_file
            else (self.series.shape[0], len(self.selected))
        )
        mask = given_frames("mask", options["mask"], source)
        self.mask = mask and Masks(
            mask, detector, roi, counts, **marks_of(options["mask"], options["mask_marks"], source)
        )
        self.dark = _counted_plane(
            given_frames("dark", options["dark"], source), detector, roi, "dark"
        )
        self.flat = _counted_plane(
            given_frames("flat", options["flat"], source), detector, roi, "flat"
        )
        self.gaps = None
        if options["detector"] is not None:
            self.gaps = detector_gaps(options["detector"], detector, roi)
        if self.content == "magnitudes" and (self.dark is not None or self.flat is not None):
            raise ValueError(
                "content='magnitudes' excludes dark= and flat=, which correct counts; pass "
                "content='counts', or leave them out"
            )

    def corrections(self, source, number, selected):
        """Return the corrections of a frame of an open file."""
        if self.by_file and self.taken_from is not source:
            self._take(source)
        if self.planes_of is not source:
            self.planes_of, self.planes, self.file_masks = (
                source,
                self._of_file(source),
                self._masks_of_file(source),
            )
        mask, gaps = (
            self.gaps,
            None if source.beside.gaps is None else source.beside.gaps.of(number),
        )
        if gaps is not None:
            mask = _either(mask, gaps)
            if gaps.all():
                self.never.add(int(self.selected[selected]))
        if self.file_masks is not None:
            mask = _either(mask, self.file_masks.of(number))
        if self.mask is not None:
            own = (
                int(self.selected[selected])
                if self.mask.n_planes == self.series.shape[0]
                else selected
            )
            mask = _either(mask, self.mask.of(number if "mask" in self.by_file else own))
        return self.planes._replace(mask=mask)

    def _of_file(self, source):
        options, detector, roi, beside = (
            self.options,
            self.series.shape[1:],
            self.options["roi"],
            source.beside,
        )
        dark, flat = self.dark, self.flat
        if self.whole and source.parts and self.series.dataset is None:
            self._compare_with_announced(source)
        if (
            dark is None
            and options["dark"] is None
            and beside.dark is not None
            and self.content == "counts"
        ):
            dark = _counted_plane(beside.dark, detector, roi, beside.dark.name)
            self.used["dark"] = beside.dark.name
        told = [note for kind, note in beside.left_out.items() if options.get(kind) is None]
        self.notes += [note for note in told if note not in self.notes]
        if flat is None and options["flat"] is None:
            self.notes += [note for note in beside.notes if note not in self.notes]
            if beside.flat is not None:
                flat = _counted_plane(beside.flat, detector, roi, beside.flat.name)
                self.used["flat"] = beside.flat.name
                if beside.flat_multiplies:
                    flat = np.divide(1.0, flat, out=np.zeros(flat.shape), where=flat > 0)
        limits = [n for n in (options["saturation"], beside.flagged) if n is not None]
        return Corrections(
            dark=dark,
            sensitivity=None if flat is None else relative_sensitivity(flat, self.dtype),
            saturation=min(limits) if limits else None,
            highest=beside.highest if beside.highest and beside.highest > 0 else None,
            negative=options["negative"],
            content=self.content,
        )

    def _compare_with_announced(self, source):
        n_announced, n_there = announced_frames(source.file, source.parts), source.frames.shape[0]
        if n_announced is not None and n_announced > n_there:
            note = (
                f"{source.path} announces {n_announced} frames and holds {n_there}: the scan was "
                f"aborted, or files are missing; select=slice({n_there}) reads these without this "
                f"warning"
            )
            self.notes += [note] * (note not in self.notes)

    def _masks_of_file(self, source):
        mask = source.beside.mask
        given = self.options["mask"]
        # a mask that is given by name replaces the file's own mask
        if mask is None or given is False or is_named(given, source):
            return None
        self.used["mask"] = mask.name
        counts = (source.frames.shape[0],)
        return Masks(
            mask,
            self.series.shape[1:],
            self.options["roi"],
            counts,
            bad_bits=source.beside.bad_bits,
            name=mask.name,
        )

    def frame(self, position, rows=slice(None), columns=slice(None), looks=False):
        """Return the intensities in a window of one frame.

        Unmeasured pixels are NaN. If it `looks`, square roots of counts are noticed.
        """
        selected = int(self.order[position])
        source, number = self.series.locate(int(self.selected[selected]))
        corrections = self.corrections(source, number, selected)
        read = (rows, columns) if self.centered else (slice(None), slice(None))
        raw = source.frames.frame(number, *read)
        self.n_read += raw.size
        self.has_noise |= raw.dtype.kind == "f" or (
            raw.dtype.kind == "i" and len(np.unique(raw[raw < 0])) > MOST_FLAGS
        )
        if raw.dtype == np.uint8:
            self.at_end += int(np.count_nonzero(raw == 255))
        values = corrected(raw, corrections.cut(*read), self.dtype, self.tally)
        self.ceiling.add(raw, ~np.isnan(values))
        if looks and raw.dtype.kind == "f" and not self.holds_roots:
            self.holds_roots = are_roots_of_counts(np.where(np.isnan(values), np.nan, raw))
        if self.tally.over is not None:
            self._note_over(self.tally.over, rows, columns)
        if self.factors is not None:
            values = values / self.dtype.type(self.factors[selected])
        return values if self.centered else np.fft.fftshift(values)[rows, columns]

    def _note_over(self, over, rows, columns):
        """Mark pixels that exceeded the range of the detector in some frame."""
        over = over if self.centered else np.fft.fftshift(over)[rows, columns]
        if self.over is not None and self.over.shape == over.shape:
            self.over |= over
        else:
            self.over = over.copy()

    def frames(self, rows=slice(None), columns=slice(None), positions=None):
        """Iterate over windows of frames, showing progress."""
        positions = range(len(self.selected)) if positions is None else positions
        self.tally = Tally()
        self.at_end, self.n_read, self.ceiling = 0, 0, Ceiling()
        bar = progress_bar(
            len(positions), "reading frames", shows_progress(self.verbose), unit="frame"
        )
        looked_at = set(even_rows(len(positions), LOOKED_AT).tolist())
        try:
            for number, position in enumerate(positions):
                yield self.frame(position, rows, columns, number in looked_at)
                bar.update()
        finally:
            bar.close()


class _Counted:
    """Dark frames or flat fields without flags and unwritten pixels."""

    def __init__(self, frames):
        self.frames, self.shape, self.name = frames, frames.shape, frames.name
        self.gaps = None
        if isinstance(frames, DatasetFrames) and frames.array is not None:
            self.gaps = unwritten(frames.array)

    def mean(self):
        """Return the mean over measured readings, NaN where there are none."""
        total, known = 0.0, 0
        for number in range(self.shape[0]):
            values = corrected(self.frames.frame(number), Corrections(negative="keep"), np.float64)
            gaps = None if self.gaps is None else self.gaps.of(number)
            if gaps is not None:
                values[gaps] = np.nan
            measured = ~np.isnan(values)
            total, known = total + np.where(measured, values, 0), known + measured
        return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def _counted_plane(frames, detector, roi, name):
    """Return the mean of dark frames or flat fields without flags."""
    return mean_plane(None if frames is None else _Counted(frames), detector, roi, name)


def _either(mask, other):
    return other if mask is None else mask | other


def chosen_frames(select, n_frames):
    """Return the numbers of the selected frames.

    Examples
    --------
    >>> chosen_frames(slice(None, None, 2), 5)
    array([0, 2, 4])
    """
    numbers = np.arange(n_frames)
    if select is None:
        return numbers
    if isinstance(select, slice):
        chosen = numbers[select]
    else:
        wanted = as_array("select", select, "the numbers of frames")
        is_mask = wanted.dtype == bool and wanted.shape == (n_frames,)
        if not is_mask and not (
            wanted.ndim == 1 and wanted.dtype.kind in "iu" and (abs(wanted + 0.5) < n_frames).all()
        ):
            raise ValueError(
                f"select={select!r} is not valid; give a slice or a list of frames from 0 to "
                f"{n_frames - 1}, or None"
            )
        chosen = numbers[wanted]
    if len(chosen) == 0:
        raise ValueError(f"select={select!r} is not valid; it leaves none of {n_frames} frames")
    return chosen


def monitor_factors(monitor, selected, n_frames, series):
    """Return the relative beam intensity in each selected frame."""
    if monitor is None:
        return None
    values = monitor
    if isinstance(monitor, str):
        values = series.values(monitor)
        if values is None:
            raise ValueError(
                f"monitor={monitor!r} is not a name in {series.first_name}; give a name in the "
                f"file, or one number for each frame"
            )
    values = np.squeeze(as_array("monitor", values, "one number for each frame"))
    values = values[None] if values.ndim == 0 else values
    if (
        values.ndim != 1
        or values.dtype.kind not in "uif"
        or len(values) not in (n_frames, len(selected))
    ):
        raise ValueError(
            f"monitor has shape {values.shape}; give one number for each of {n_frames} frames, "
            f"the beam intensity"
        )
    values = values[selected] if len(values) == n_frames else values
    values = values.astype(float)
    if not (np.isfinite(values) & (values > 0)).all():
        first = int(np.argmin(np.isfinite(values) & (values > 0)))
        raise ValueError(
            f"monitor={float(values[first])} in frame {selected[first]} is not valid; give "
            "intensities > 0, and leave out frames without beam by select="
        )
    return values / values.mean()


def check_counts(name, value):
    """Refuse anything but a positive number of counts or None."""
    if value is not None and not (
        isinstance(value, Real) and not isinstance(value, bool) and value > 0
    ):
        raise ValueError(f"{name}={value!r} is not valid; give counts > 0 or None")


def check_verbose(verbose):
    """Refuse anything but "auto" and booleans."""
    if not (
        isinstance(verbose, Integral | np.bool_) or (isinstance(verbose, str) and verbose == "auto")
    ):
        raise ValueError(f"verbose={verbose!r} is not valid; choose True, False or 'auto'")

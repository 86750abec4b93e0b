"""Values of options, as they are typed."""

from __future__ import annotations

import argparse
import math
import re
import unicodedata

UNITS = {
    **{"m": 1.0, "mm": 1e-3, "um": 1e-6, "\N{GREEK SMALL LETTER MU}m": 1e-6, "nm": 1e-9},
    **{"A": 1e-10, "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}": 1e-10, "pm": 1e-12},
}  # in the normal form of Unicode that compatible characters share: NFKC
PLANCK_LIGHT = 1.23984198e-9  # keV m: energy times wavelength
PLAUSIBLE = {"wavelength": (1e-13, 1e-5), "distance": (1e-4, 200.0), "pixel-size": (1e-8, 1e-2)}
SEEDS = "give a whole number from 0 to 4294967295"
CENTERS = "auto", "middle", "max", "mass", "friedel"


def selected(text):
    """Return the frames that a text selects: a slice, or a list of numbers.

    Examples
    --------
    >>> selected("10:20"), selected("::2"), selected("3,5"), selected("7")
    (slice(10, 20, None), slice(None, None, 2), [3, 5], [7])
    """
    if ":" not in text:
        return list(_all_whole(text, "give a number such as 7, numbers 3,5,9 or a range 10:20"))
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 3 or not all(re.fullmatch(r"-?\d*", part) and part != "-" for part in parts):
        raise _refused(text, "give a range such as 10:20 or 10:60:2")
    if len(parts) == 3 and parts[2] and int(parts[2]) == 0:
        raise _refused(text, "the step of a range must not be 0")
    return slice(*(int(part) if part else None for part in parts))


def center(text):
    """Return a rule for zero frequency, or its index.

    Examples
    --------
    >>> center("max"), center("99,126.5,127")
    ('max', (99.0, 126.5, 127.0))
    """
    if text in CENTERS:
        return text
    found = _numbers(text)
    if found is None or len(found) not in (2, 3):
        raise _refused(text, f"give one of {', '.join(CENTERS)}, or an index such as 126,127")
    return found


def window(text):
    """Return the size of a window: a word, or one or several numbers.

    Examples
    --------
    >>> window("128"), window("64,128,128"), window("whole")
    (128, (64, 128, 128), 'whole')
    """
    return text if text in ("auto", "whole") else integers(text)


def integers(text):
    """Return a whole number, or one for each axis."""
    found = _all_whole(text, "give a size such as 128, or one for each axis, 64,128,128")
    return found[0] if len(found) == 1 else found


def pair(text):
    """Return a row and a column."""
    found = _all_whole(text, "give a row and a column, such as 0,256")
    if len(found) != 2:
        raise _refused(text, "give a row and a column, such as 0,256")
    return found


def file_name(text):
    """Return the name of a file; refuse blanks."""
    if not text.strip():
        raise _refused(text, "give the name of a file")
    return text


def seed(text):
    """Return a seed of random numbers."""
    found = _all_whole(text, SEEDS)
    if len(found) != 1 or not 0 <= found[0] < 2**32:
        raise _refused(text, SEEDS)
    return found[0]


def plane(text):
    """Return the file or name of a plane; False for none."""
    return False if text == "none" else text


def positive(text):
    """Return a whole number from 1 on."""
    found = _all_whole(text, "give a whole number from 1 on")
    if len(found) != 1 or found[0] < 1:
        raise _refused(text, "give a whole number from 1 on")
    return found[0]


def length(name):
    """Return a function that reads the lengths of a name.

    Examples
    --------
    >>> length("wavelength")("1.38A"), length("distance")("0.5")
    (1.38e-10, 0.5)
    """
    lowest, highest = PLAUSIBLE[name]

    def read(text):
        plain = unicodedata.normalize("NFKC", text)
        found = re.fullmatch(r"\s*([-+.\deE]+?)\s*([^\W\d_]*)\s*", plain)
        numbers = _numbers(found[1]) if found else None
        unit = UNITS.get(found[2] or "m") if found else None
        if numbers is None or unit is None:
            raise _refused(text, f"give a number with one of the units {', '.join(UNITS)}")
        value = float(f"{numbers[0] * unit:.12g}")
        if not lowest <= value <= highest:
            raise _refused(
                text,
                f"it is {value:g} m, and {lowest:g} to {highest:g} m are plausible; give the unit",
            )
        return value

    read.__name__ = name
    return read


def wavelength(text):
    """Return the wavelength, in metres, of photons of an energy in keV.

    Examples
    --------
    >>> wavelength("9")
    1.37760e-10
    """
    found = _numbers(text.removesuffix("keV").strip())
    if found is None or len(found) != 1 or not 1e-3 <= found[0] <= 1e3:
        raise _refused(text, "give the energy in keV, from 0.001 to 1000")
    return PLANCK_LIGHT / found[0]


def _all_whole(text, advice):
    if not re.fullmatch(r"\s*-?\d+\s*(,\s*-?\d+\s*)*", text):
        raise _refused(text, advice)
    return tuple(int(part) for part in text.split(","))


def _numbers(text):
    """Return finite numbers that commas divide; None for other text."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) else None


def _refused(text, advice):
    return argparse.ArgumentTypeError(f"{text!r} is not valid; {advice}")

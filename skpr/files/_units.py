"""Conversion of physical quantities in files to SI units."""

import math
import re
from functools import cache

import numpy as np

from .._validation import warn_user

METRES = "m"
JOULES = "J"
RADIANS = "rad"
# unit and plausible range of each quantity
QUANTITIES = {
    "wavelength": (METRES, 1e-13, 1e-2),
    "energy": (JOULES, 1e-23, 1e-12),
    "distance": (METRES, 1e-6, 200.0),
    "pixel size": (METRES, 1e-9, 0.02),
    "angle": (RADIANS, -20 * math.pi, 20 * math.pi),
}
# largest plausible values without a unit; larger ones are more likely in nanometres or millimetres
HIGHEST_BARE = {"wavelength": 1e-4, "distance": 40.0, "pixel size": 2e-3}
SPELLINGS = {  # spellings that pint lacks or reads otherwise: A is an ampere there
    METRES: dict.fromkeys(
        ("a", "å", "ang", "angs", "angstroms", "angstroem", "angstroems", "angström", "ångström"),
        "angstrom",
    ),
    JOULES: {"ev": "eV", "kev": "keV", "j": "J"},
    RADIANS: {"degs": "degree"},
}
LONGEST = 40  # maximum length of a unit


def si(value, unit, quantity):
    """Convert a value to SI units: metres, joules, radians.

    Parameters
    ----------
    value : float
        Value in the given unit.
    unit : str, bytes or None
        Unit in any spelling that pint knows; None for SI units.
    quantity : {"wavelength", "energy", "distance", "pixel size", "angle"}
        Physical quantity.

    Returns
    -------
    float or None
        Value in SI units; None if it is not finite, not plausible, or its unit is unknown.

    Raises
    ------
    ImportError
        If the unit is not an SI unit and pint is not installed.

    Warns
    -----
    UserWarning
        If the unit is unknown, or the value is not plausible.

    Examples
    --------
    >>> si(75, "um", "pixel size"), si(1.5, "A", "wavelength"), si(2.0, None, "distance")
    (7.5e-05, 1.5e-10, 2.0)
    """
    target, lowest, highest = QUANTITIES[quantity]
    unit = decoded(unit).strip() if isinstance(unit, bytes | str) else None
    if not math.isfinite(value):
        return None
    if not unit:
        highest = HIGHEST_BARE.get(quantity, highest)
    factor = 1.0 if not unit or unit == target else factor_of(unit, target)
    if factor is None:
        warn_user(
            f"the unit {unit[:LONGEST]!r} of the {quantity} {value:g} is not known; the "
            f"{quantity} is ignored"
        )
        return None
    converted = float(value) if factor == 1 else _rounded(value * factor)
    if not lowest <= converted <= highest:
        given = f"{value:g} {unit}" if unit else f"{value:g}, without a unit and so in {target},"
        warn_user(
            f"the {quantity} {given} is not plausible (plausible values are {lowest:.2g} to "
            f"{highest:.2g} {target}); it is ignored"
        )
        return None
    return converted


def factor_of(unit, target):
    """Return the value of a unit in SI units.

    None if the unit is unknown or has another dimension.
    """
    if len(unit) > LONGEST:
        return None
    try:
        import pint
    except ImportError as error:
        raise ImportError(
            f"reading the unit {unit!r} needs pint: pip install 'skpr[io]'"
        ) from error
    plain = unit.rstrip(".").replace("μ", "µ")
    folded = plain.casefold().replace("μ", "µ")
    spelling = SPELLINGS[target].get(folded)
    for candidate in [spelling] if spelling else [plain, folded]:
        try:
            return float(_registry().Quantity(1.0, candidate).to(target).magnitude)
        except (
            pint.PintError,
            AttributeError,
            TypeError,
            ValueError,
            ArithmeticError,
            SyntaxError,
            AssertionError,
        ):
            continue
        # errors of the tokenizer, whose classes differ between versions of Python
        except Exception as error:
            if type(error).__module__ not in ("tokenize", "_tokenize"):
                raise
    return None


def with_unit(text):
    """Return the first number of a text and the unit after it.

    The result is None without a number, and the unit is None if it is missing.

    Examples
    --------
    >>> with_unit("172e-6 m x 172e-6 m"), with_unit("0.2_m"), with_unit("twelve")
    ((0.000172, 'm'), (0.2, 'm'), None)
    """
    found = re.match(
        r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[\s_]*([A-Za-zµμÅ°]+)?", str(text)
    )
    return (float(found[1]), found[2]) if found else None


def decoded(text):
    r"""Return bytes as text, in Latin-1 if they are not UTF-8.

    Examples
    --------
    >>> decoded("µm".encode()), decoded(b"\xb5m"), decoded("mm")
    ('µm', 'µm', 'mm')
    """
    if not isinstance(text, bytes):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def unit_of(attributes):
    """Return the unit among the attributes of a data set, or None.

    NeXus calls it `units`; `unit` and other cases of the letters are common, too.
    """
    names = [name for name in attributes if name.lower() in ("units", "unit")]
    for name in sorted(names, key=lambda one: one != "units"):
        value = attributes[name]
        value = value.flat[0] if isinstance(value, np.ndarray) and value.size else value
        if isinstance(value, bytes | str):
            return decoded(value)
    return None


def _rounded(value):
    """Round a value to 15 digits, to remove errors of conversion."""
    return float(f"{value:.15g}")


@cache
def _registry():
    import pint

    return pint.UnitRegistry()

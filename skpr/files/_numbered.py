"""Numbered names: their order, and gaps between them."""

from __future__ import annotations

import re
from decimal import Decimal


def natural(name):
    """Return a sort key for names, by which 10 comes after 9."""
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part)
        for part in re.split(r"(\d+)", str(name))
    ]


def in_order(names):
    """Sort names by the numbers in them.

    A sign belongs to a number unless it follows a letter or another number, as a hyphen does. A
    point or comma belongs to a number unless the names number parts and their parts, as 1.9 and
    1.10 do.

    Examples
    --------
    >>> in_order(["th_0", "th_-1", "th_-2", "th_10"]), in_order(["f-10", "f-2"])
    (['th_-2', 'th_-1', 'th_0', 'th_10'], ['f-2', 'f-10'])
    >>> in_order(["a_1.0", "a_0.5", "a_0.25"]), in_order(["s1.10", "s1.9"])
    (['a_0.25', 'a_0.5', 'a_1.0'], ['s1.9', 's1.10'])
    """
    number = _number_in([str(name) for name in names])
    return sorted(names, key=lambda name: _key(str(name), number))


def gap_in(names):
    """Return the names around the first gap in numbered names, or "".

    Examples
    --------
    >>> gap_in(["f_1.tif", "f_2.tif", "f_4.tif", "f_5.tif"])
    'f_2.tif and f_4.tif'
    >>> gap_in(["f_10.tif", "f_20.tif", "f_30.tif"]), gap_in(["a.tif", "b.tif", "c.tif"])
    ('', '')
    """
    names = [str(name) for name in names]
    number = _number_in(names)
    names = sorted(dict.fromkeys(names), key=lambda name: _key(name, number))
    parts = [number.split(name) for name in names]
    if len(parts) < 3 or len({len(part) for part in parts}) > 1:
        return ""
    places = [i for i in range(len(parts[0])) if len({part[i] for part in parts}) > 1]
    if len(places) != 1 or places[0] % 2 == 0:  # names must differ in one number only
        return ""
    numbers = [_decimal(part[places[0]]) for part in parts]
    steps = [b - a for a, b in zip(numbers[:-1], numbers[1:], strict=True)]
    first = next((i for i, step in enumerate(steps) if step > min(steps)), None)
    return "" if first is None else f"{names[first]} and {names[first + 1]}"


def _key(name, number):
    return [
        (1, _decimal(part), "") if place % 2 else (0, Decimal(0), part)
        for place, part in enumerate(number.split(name))
    ]


def _decimal(text):
    return Decimal(text.replace(",", "."))


def _number_in(names):
    """Return the regular expression of a number in these names."""
    joined = {re.sub(r"\d+", "#", name) for name in names}
    with_signs = {re.sub(r"[-+]?\d+", "#", name) for name in names}
    # some names have a sign where others have none: then a sign may also follow a letter
    before = r"\d" if len(with_signs) < len(joined) else r"[^\W_]"
    fractions = [part for name in names for part in re.findall(r"\d[.,](\d+)", name)]
    are_parts = any(re.search(r"\d[.,]\d+[.,]\d", name) for name in names) or (
        len(set(map(len, fractions))) > 1
        and any(len(part) > 1 and part.endswith("0") for part in fractions)
    )
    fraction = "" if are_parts else r"(?:[.,]\d+)?(?:e[-+]\d+)?"
    return re.compile(rf"((?:(?<!{before})[-+])?\d+{fraction})", re.ASCII)

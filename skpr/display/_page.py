"""Full page on one retrieved pattern: pictures, curves and words."""

from __future__ import annotations

import math
import textwrap
from typing import Any, NamedTuple

import numpy as np

from ._pictures import extent_of, new_mosaic, scales, with_grey_gaps

CONTENT = 0.05  # fraction of the largest modulus from which a pixel belongs to the content
MARGIN = 0.15  # of the content's size, around it
DARK = 0.1  # fraction of the largest modulus below which a phase says nothing
LEAST_PHASE, WRAPS = (
    0.1,
    3.0,
)  # range of phases that is shown at least, and from which it is a circle
DECADES = 1e5  # range of magnitudes that is shown
SMALL, MEDIUM = 8, 10  # sizes of letters
WIDTH = 46  # letters in a line of the words
SIDE = 3.2  # inches of a picture's side
AXES = "plane of axes 1 and 2", "plane of axes 0 and 2", "plane of axes 0 and 1"


class Row(NamedTuple):
    """Planes of one picture that share a colour map."""

    title: str
    planes: list
    style: dict
    extents: list
    unit: str  # of the lengths along the sides


def draw_page(display, cmap, title="", notes=()):
    """Draw a full page.

    Parameters
    ----------
    display : RetrievalDisplay
        With its combination.
    cmap : str or matplotlib colour map
    title : str
    notes : sequence of str
        Sentences after the verdict.

    Returns
    -------
    dict of str to matplotlib.axes.Axes
        "pattern 0", "modulus 0" and so on for the planes of the pictures, "agreement", "starts" and
        "words".
    """
    rows = _rows(display, cmap)
    n_planes, names = len(rows[0].planes), [row.title.split(" [")[0] for row in rows]
    sides = ["agreement", "starts", "words"]
    if n_planes == 1:
        names = [f"{name} 0" for name in names]
        # a mosaic whose rows are divided by 3 and by the number of pictures alike
        layout = [
            [name for name in names for _ in range(3)],
            [name for name in sides for _ in range(len(names))],
        ]
        size = SIDE * len(names) * 1.25, SIDE * 2.1
    else:
        spread = [sides[min(i * 3 // len(names), 2)] for i in range(len(names))]
        layout = [
            [*(f"{name} {i}" for i in range(n_planes)), side]
            for name, side in zip(names, spread, strict=True)
        ]
        size = SIDE * (n_planes + 1) * 1.05, SIDE * len(names) * 0.95
    figure, axes = new_mosaic(layout, figsize=size)
    for row in rows:
        _draw_row(row, [axes[f"{row.title.split(' [')[0]} {i}"] for i in range(n_planes)])
    _draw_agreement(axes["agreement"], display)
    _draw_starts(axes["starts"], display)
    _write(axes["words"], display, notes)
    if title:
        figure.suptitle(_drawable(title), fontsize=12, fontweight="bold", parse_math=False)
    return axes


def _rows(display, cmap):
    """Return the pictures of the page, from the pattern to the deviations."""
    x, pattern = display.object, display.magnitudes
    momentum, size = scales(display.geometry, pattern.shape)
    modulus = np.abs(x)
    window = content_window(modulus)
    place = [int(round(c)) for c in _middle(modulus[window] ** 2)]
    top = float(modulus.max()) or 1.0
    shown = np.ma.masked_invalid(pattern)
    lit = np.asarray(shown[shown > 0].compressed())
    cut = [modulus[window], np.asarray(display.deviations)[window] / top * 100]
    logarithmic = {"norm": _logarithmic(lit), "cmap": with_grey_gaps(cmap)}
    middle = [n // 2 for n in pattern.shape]
    rows = [_row("pattern [log magnitude]", shown, middle, logarithmic, momentum, True)]
    style = {"cmap": with_grey_gaps(cmap), "vmin": min(0.0, float(x.real.min())), "vmax": top}
    if np.iscomplexobj(x):
        style["vmin"] = 0.0
        rows.append(_row("modulus", cut[0], place, style, size, False))
        phase = np.ma.masked_where(modulus < DARK * top, np.angle(x * _global_phase(x)))[window]
        most = min(max(float(np.abs(phase).max() or 0), LEAST_PHASE), math.pi)
        turn = {"cmap": "RdBu_r" if most < WRAPS else "twilight", "vmin": -most, "vmax": most}
        rows.append(_row("phase [rad]", phase, place, turn, size, False))
    else:
        rows.append(_row("object", x[window], place, style, size, False))
    spread = {"cmap": "viridis", "vmin": 0.0}
    known = cut[1][np.isfinite(cut[1])]
    spread["vmax"] = float(known.max()) if known.size and known.max() > 0 else 1.0
    title = "standard deviation [% of the peak]"
    return [*rows, _row(title, np.ma.masked_invalid(cut[1]), place, spread, size, False)]


def _row(title, values, place, style, step, centered):
    """Return planes through a place, with what their sides measure."""
    if values.ndim == 1:
        return Row(title, [values], style, [None], "")
    if values.ndim == 2:
        extent = None if step is None else extent_of(values.shape, step, centered)
        return Row(title, [values], style, [extent], "" if step is None else _unit(centered))
    planes = [values.take(i, axis=axis) for axis, i in enumerate(place)]
    extents = [None if step is None else extent_of(planes[0].shape, step, centered), None, None]
    return Row(title, planes, style, extents, "" if step is None else _unit(centered))


def _unit(centered):
    return "q [1/nm]" if centered else "nm"


def _draw_row(row, axes):
    """Draw the planes of one picture, one an axes."""
    if row.planes[0].ndim == 1:
        axes[0].plot(row.planes[0])
        axes[0].set_title(row.title, fontsize=MEDIUM)
        axes[0].set_xlabel("pixels", fontsize=SMALL)
        if row.title.startswith("pattern"):
            axes[0].set_yscale("log", nonpositive="clip")
        return
    for number, (ax, plane, extent) in enumerate(zip(axes, row.planes, row.extents, strict=True)):
        image = ax.imshow(plane, extent=extent, aspect="equal", **row.style)
        if number == 0:
            ax.set_title(row.title, fontsize=MEDIUM)
        elif row.title.startswith("pattern"):
            ax.set_title(AXES[number], fontsize=SMALL)
        ax.tick_params(labelsize=SMALL - 1)
        if extent is None:
            ax.locator_params(nbins=4)
            if number == 0 or len(axes) == 3:
                ax.set_xlabel("pixels", fontsize=SMALL)
        else:
            ax.set_xlabel(row.unit, fontsize=SMALL)
    bar = axes[0].figure.colorbar(image, ax=axes, shrink=0.85, aspect=25)
    # a logarithmic bar of less than two decades labels its minor ticks
    bar.ax.tick_params(which="both", labelsize=SMALL - 1)


def _draw_agreement(ax, display):
    """Draw the transfer function of the starts and what it must exceed."""
    found = display.combination
    ax.set_title("agreement of the starts", fontsize=MEDIUM)
    if found.transfer_function is not None:
        ax.plot(found.frequencies, found.transfer_function, label="PRTF")
        ax.plot(found.frequencies, found.floor, ":", color="0.5", label="needed: not by chance")
        if np.isfinite(found.resolution):
            ax.axvline(0.5 / found.resolution, color="C2", lw=1, label="resolved up to here")
            text = f"agreement: half period {found.resolution:.2f} pixels"
            ax.set_title(text, fontsize=MEDIUM)
        ax.legend(fontsize=SMALL - 1, loc="lower left")
    ax.set_ylim(0, 1.05)
    ax.set_xlabel("frequency [cycles per pixel]", fontsize=SMALL)
    ax.tick_params(labelsize=SMALL)


def _draw_starts(ax, display):
    """Draw the errors of all starts, the consistent ones filled."""
    errors, found = np.asarray(display.errors), display.combination
    known = np.isfinite(errors)
    consistent = found.consistent & known
    order = np.argsort(np.where(known, errors, np.inf), kind="stable")[: int(known.sum())]
    for wanted, face, label in ((True, "C0", "agree"), (False, "none", "others")):
        places = np.flatnonzero(consistent[order] == wanted)
        if len(places):
            values = errors[order][places]
            ax.plot(places + 1, values, "o", color="C0", markerfacecolor=face, label=label)
    ax.set_title("starts, best first", fontsize=MEDIUM)
    ax.set_ylabel(display.errors_name, fontsize=SMALL)
    ax.set_ylim(0, 1.1 * float(errors[known].max(initial=0)) or 1.0)
    ax.xaxis.get_major_locator().set_params(integer=True)
    if known.any():
        ax.legend(fontsize=SMALL - 1, loc="lower right")
    ax.tick_params(labelsize=SMALL)


def _write(ax, display, notes):
    """Write the verdict and the notes."""
    ax.axis("off")
    colours = {"good": "tab:green", "doubtful": "tab:orange", "failed": "tab:red"}
    verdict, _, reasons = display.verdict.partition(": ")[2].partition(": ")
    if not reasons:
        verdict, reasons = "undecided", display.verdict.partition(": ")[2]
    ax.text(
        0, 1, verdict, fontsize=16, fontweight="bold", va="top", transform=ax.transAxes,
        color=colours.get(verdict, "0.4"),
    )  # fmt: skip
    paragraphs = [reasons, display.combination.summary(), *notes]
    bullets = {"width": WIDTH, "initial_indent": "- ", "subsequent_indent": "   "}
    lines = [line for text in paragraphs for line in textwrap.wrap(text, **bullets)]
    ax.text(
        0, 0.88, _drawable("\n".join(lines)), fontsize=SMALL, va="top", transform=ax.transAxes,
        parse_math=False,
    )  # fmt: skip


def _drawable(text):
    r"""Return a text without halves of characters.

    Names of files may hold them.

    Examples
    --------
    >>> _drawable("scan_\udcc3.h5")
    'scan_?.h5'
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def content_window(modulus):
    """Return the window of an object that holds its content, with a margin.

    Examples
    --------
    >>> x = np.zeros((20, 20))
    >>> x[8:12, 5:10] = 1
    >>> content_window(x)
    (slice(7, 13, None), slice(4, 11, None))
    """
    bright = modulus > CONTENT * modulus.max() if modulus.any() else np.ones(modulus.shape, bool)
    window = []
    for axis, n in enumerate(modulus.shape):
        (lit,) = np.nonzero(bright.any(axis=tuple(a for a in range(modulus.ndim) if a != axis)))
        margin = max(1, round(MARGIN * (lit[-1] + 1 - lit[0])))
        window.append(slice(int(max(lit[0] - margin, 0)), int(min(lit[-1] + 1 + margin, n))))
    return tuple(window)


def _middle(weights):
    """Return the centre of mass, in pixels."""
    total = float(weights.sum()) or 1.0
    places: list[Any] = []
    for axis, n in enumerate(weights.shape):
        marginal = weights.sum(axis=tuple(a for a in range(weights.ndim) if a != axis))
        places.append(float(marginal @ np.arange(n)) / total)
    return places


def _global_phase(x):
    """Return the factor that takes the mean phase away."""
    total = complex((x * np.abs(x)).sum())
    return np.conj(total) / abs(total) if total else 1.0


def _logarithmic(lit):
    """Return a logarithmic scale for the magnitudes that are not zero."""
    from matplotlib.colors import LogNorm

    peak = float(lit.max()) if lit.size else 1.0
    lowest = max(float(lit.min()), peak / DECADES) if lit.size else peak / DECADES
    return LogNorm(min(lowest, peak / 2), peak, clip=True)

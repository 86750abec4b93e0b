"""Results of the command line: sentences, CXI, page and volume."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..display import RetrievalDisplay
from ..files import object_pixel_size, write_reconstruction, write_vti
from ._outputs import Outputs
from ._pattern import Pattern
from ._reconstruction import Reconstruction

NANOMETRE = 1e-9
DOTS = 130  # per inch of the page
ADVICE = (
    "the values are not whole numbers of photons: pass --content magnitudes if they are "
    "magnitudes; if they are logarithms, or something was subtracted or divided out, give the raw "
    "counts"
)
VOXELS = (
    "the VTI volume has the voxels of the measurement, drawn as cubes of one nanometre; "
    "skpr.laboratory converts it to the laboratory's axes"
)


def in_sentences(pattern: Pattern, made: Reconstruction) -> list[str]:
    """Return facts about the pattern and the object in sentences.

    Parameters
    ----------
    pattern : Pattern
    made : Reconstruction

    Returns
    -------
    list of str
        Facts about the pattern and the object.
    """
    found, (x,) = made.found, made.found.objects
    kind = {"non_negative": "non-negative", "real": "real", "complex": "complex"}[made.kind]
    is_counted = found.photons is not None and found.photons[0] > 0
    noise = "noise of photon counts" if is_counted else "noise other than that of photon counts"
    lines = [*pattern.notes, f"{kind} object, {_beam(made)}, {noise}"]
    lines.append(f"Fourier error {found.errors[0]:.3g}")
    sizes = object_pixel_size(pattern.geometry, pattern.magnitudes.shape[1:])
    known = [size / NANOMETRE for size in sizes if size is not None]
    if known:
        lines.append(f"pixels of the object: {' x '.join(f'{size:.3g}' for size in known)} nm")
    resolution = made.combination.resolution
    if resolution is not None and math.isfinite(resolution) and len(known) == x.ndim:
        lines.append(f"half-period resolution: {resolution * max(known):.3g} nm")
    return [*lines, _spread(made), *([VOXELS] if x.ndim == 3 else [])]


def in_a_verdict(made: Reconstruction) -> list[str]:
    """Return how far the starts agree, and the verdict."""
    found, lines = made.found, [made.combination.summary()]
    verdict = found.summary().partition(": ")[2]
    if found.verdicts[0] == "failed" and found.photons is not None and not found.photons[0] > 0:
        lines.append(ADVICE)
    return [*lines, f"verdict: {verdict}"]


def _beam(made):
    """Return words on the coherence of the beam."""
    kernels = made.found.coherence
    if kernels is None or not np.any(kernels):
        return "coherent beam"
    best = int(np.nanargmin(made.found.start_errors[0]))
    widths = np.sqrt(np.diagonal(kernels[0, best]))
    return (
        f"partially coherent beam (blur of {', '.join(f'{width:.2f}' for width in widths)} "
        f"pixels of the pattern)"
    )


def _spread(made):
    """Return words on the standard deviations."""
    if made.deviations is None:
        return "no standard deviations: the page shows the scatter of all starts"
    modulus = np.abs(made.found.objects[0])
    inside = modulus > 0.5 * modulus.max()
    share = float(np.median(made.deviations[0][inside] / modulus[inside])) if inside.any() else 0
    return f"standard deviation of a bright pixel: {share:.1%} of its value"


def write_results(
    names: Outputs, pattern: Pattern, made: Reconstruction, title: str, lines: list[str]
) -> None:
    """Write the CXI file, the page and, for a volume, the VTI file.

    Parameters
    ----------
    names : Outputs
    pattern : Pattern
    made : Reconstruction
    title : str
        Title of the page.
    lines : list of str
        Sentences on the page.
    """
    objects, geometry = made.found.objects, pattern.geometry
    write_reconstruction(
        names.object,
        objects,
        supports=made.support,
        magnitudes=pattern.magnitudes,
        geometry=geometry,
    )
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")  # no window is opened
    page = RetrievalDisplay.from_retrieval(
        made.found,
        pattern.magnitudes,
        deviations=made.deviations,
        combination=made.combination,
        geometry=geometry,
        title=title,
        notes=lines,
    )
    with warnings.catch_warnings():  # about names of files in other scripts than the font has
        warnings.filterwarnings("ignore", "Glyph .* missing")
        page.figure_.savefig(names.report, dpi=DOTS)
    plt.close(page.figure_)
    if objects.ndim == 4:
        # a scan of angles has no voxel size along its axis, and its axes are oblique
        fields = {} if made.deviations is None else {"standard_deviation": made.deviations}
        write_vti(names.volume, objects, voxel_size=NANOMETRE, fields=fields)

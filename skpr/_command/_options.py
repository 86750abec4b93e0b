"""Options of the command line, with their defaults and their help."""

from __future__ import annotations

import argparse
import sys

from .. import __version__
from ._trouble import TroubleError
from ._values import (
    center,
    file_name,
    integers,
    length,
    pair,
    plane,
    positive,
    seed,
    selected,
    wavelength,
    window,
)

DESCRIPTION = """\
Reconstruct the object of one diffraction pattern.

The input is one pattern, the frames of a rocking curve, which form one three-dimensional pattern,
or several exposures of one pattern, which are summed. HDF5 (NeXus, CXI, Eiger), TIFF, NumPy's npy
and npz, EDF, CBF and other formats are recognized by their content.

The results are NAME_object.cxi (the object, its support and the pattern), NAME_report.png (one
page: pattern, object, agreement of independent starts, resolution, standard deviations, verdict)
and, for a volume, NAME_object.vti for ParaView. The verdict is printed in words."""
EPILOG = """\
examples:
  skpr pattern.h5
  skpr scan.npz --flat whitefield.tif --roi 0,0
  skpr "scan/*.tif" --dark dark.tif --mask bad.npy -o results/
  skpr scan.h5 --select 20:80 --center 50,126,127 --crop 96

Give raw counts, and pass dark frames, flat field and mask separately: the noise is then known.
"""


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one sentence."""

    def error(self, message):
        """End with the message and status 2."""
        raise TroubleError(f"{message}; skpr --help lists the options")

    def parse_intermixed_args(self, args=None, namespace=None):
        """Parse arguments; all after `--` are files, whatever they begin with."""
        args = list(sys.argv[1:] if args is None else args)
        if "--" in args:  # which argparse loses if files may follow options
            place = args.index("--")
            files = [f"./{one}" if one.startswith("-") else one for one in args[place + 1 :]]
            args = args[:place] + files
        return super().parse_intermixed_args(args, namespace)


def parser():
    """Return the parser of the command line.

    Examples
    --------
    >>> parser().parse_args(["a.h5", "--select", "3:9", "--crop", "64,32"]).select
    slice(3, 9, None)
    """
    made = Parser(
        prog="skpr",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "files",
        nargs="+",
        type=file_name,
        metavar="FILE",
        help="one file, or several files with one or more frames each",
    )
    made.add_argument("--version", action="version", version=f"skpr {__version__}")
    _add_output(made.add_argument_group("output"))
    _add_reading(made.add_argument_group("reading"))
    _add_corrections(
        made.add_argument_group("corrections (dark, flat, mask: none ignores those in the file)")
    )
    _add_retrieval(made.add_argument_group("reconstruction"))
    _add_geometry(made.add_argument_group("geometry, where the file does not state it"))
    return made


def _add_output(group):
    group.add_argument(
        "-o",
        "--output",
        metavar="NAME",
        default="",
        help="folder for the results (existing, or ending in /), or beginning of their names; by "
        "default the name of the first file, in the current folder",
    )
    group.add_argument("--overwrite", action="store_true", help="replace existing results")
    group.add_argument(
        "--report", choices=("png", "pdf", "svg"), default="png", help="format of the page (png)"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def _add_reading(group):
    group.add_argument(
        "--frames",
        choices=("auto", "volume", "sum"),
        default="auto",
        help="whether several frames are planes of one three-dimensional pattern (volume) or "
        "exposures to be summed (sum); by default decided by their counts",
    )
    group.add_argument(
        "--select", type=selected, metavar="N|A:B|A,B,...", help="frames to read, counted from 0"
    )
    group.add_argument("--dataset", metavar="NAME", help="array in an HDF5 or npz file")
    group.add_argument(
        "--format", metavar="NAME", default="auto", help="name of a registered reader"
    )
    group.add_argument(
        "--content",
        choices=("auto", "counts", "magnitudes"),
        default="auto",
        help="whether values are counts or their square roots; counts by default, unless the file "
        "states otherwise",
    )
    group.add_argument(
        "--centered",
        choices=("auto", "yes", "no"),
        default="auto",
        help="no: zero frequency is at index 0, as an FFT gives it",
    )
    group.add_argument(
        "--center",
        type=center,
        default="auto",
        metavar="RULE|R,C|N,R,C",
        help="place of zero frequency: middle, max (brightest), mass, friedel (centre of symmetry) "
        "or an index; by default the centre of symmetry, or the brightest spot if there is none or "
        "the pattern is a volume",
    )
    group.add_argument(
        "--resample",
        choices=("yes", "no"),
        help="whether to shift the pattern so that a centre between pixels falls on a pixel",
    )
    group.add_argument(
        "--crop",
        "--window",
        type=window,
        default="auto",
        metavar="N|N,N,...",
        help="size of the window about the centre, or whole; by default a size that reconstructs "
        "in minutes, at most 1024 x 1024 or 80 x 80 x 80 pixels",
    )
    group.add_argument(
        "--binning", type=integers, default=1, metavar="N|N,N,...", help="pixels per block"
    )


def _add_corrections(group):
    shared = {"type": plane, "metavar": "FILE"}
    group.add_argument(
        "--dark", **shared, help="counts without beam: a file, or a name in the file of the data"
    )
    group.add_argument("--flat", **shared, help="sensitivity: a file or a name")
    group.add_argument(
        "--mask", **shared, help="nonzero where pixels are not measured: a file or a name"
    )
    group.add_argument(
        "--mask-marks",
        choices=("unmeasured", "measured"),
        default="unmeasured",
        help="meaning of nonzero pixels of the mask (unmeasured)",
    )
    group.add_argument(
        "--roi",
        type=pair,
        metavar="ROW,COLUMN",
        help="position of the frames' first pixel on the chip, if dark, flat or mask show all of "
        "the chip",
    )
    group.add_argument(
        "--detector", metavar="NAME", help="detector in pyFAI's list, whose gaps are not measured"
    )
    group.add_argument(
        "--saturation",
        type=float,
        metavar="COUNTS",
        help="readings of this value or more are not measured",
    )
    group.add_argument(
        "--threshold",
        type=float,
        metavar="COUNTS",
        help="readings below this are background, and set to zero",
    )
    group.add_argument(
        "--negative",
        choices=("unmeasured", "zero", "keep"),
        default="unmeasured",
        help="treatment of negative readings (unmeasured)",
    )
    group.add_argument(
        "--hot-pixels",
        choices=("auto", "none"),
        default="auto",
        help="none: keep isolated bright pixels",
    )
    group.add_argument("--monitor", metavar="NAME", help="name of the beam intensity in the file")


def _add_retrieval(group):
    group.add_argument(
        "--constraints",
        choices=("auto", "non_negative", "real", "complex"),
        default="auto",
        help="kind of object; by default decided by the symmetry of the pattern",
    )
    group.add_argument(
        "--coherence",
        choices=("auto", "full", "gaussian"),
        default="auto",
        help="coherence of the beam; by default decided by pixels that are held out",
    )
    group.add_argument("--starts", type=positive, metavar="N", help="independent starts (8)")
    group.add_argument("--iterations", type=positive, metavar="N", help="per start (500)")
    group.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="seed of the starts; the same seed gives the same object (0)",
    )
    group.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="processor cores to use (all); no more than there are",
    )
    group.add_argument(
        "--device", default="auto", help="cpu, cuda and so on (a GPU if there is one)"
    )


def _add_geometry(group):
    beam = group.add_mutually_exclusive_group()
    beam.add_argument(
        "--energy", type=wavelength, dest="wavelength", metavar="KEV", help="photon energy in keV"
    )
    for name, example in (("wavelength", "1.38A"), ("distance", "0.5m"), ("pixel-size", "55um")):
        (beam if name == "wavelength" else group).add_argument(
            f"--{name}", type=length(name), metavar="LENGTH", help=f"with a unit, such as {example}"
        )

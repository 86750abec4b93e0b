"""Reader of measured diffraction patterns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._validation import check_choice, check_flag, check_shape
from ._assemble import Recipe, assembled
from ._corrections import NEGATIVE
from ._doubts import (
    warn_of_axes,
    warn_of_content,
    warn_of_logarithms,
    warn_of_numbers,
    warn_of_readings,
    warn_of_remainder,
    warn_of_roots,
    warn_of_window,
)
from ._planes import check_marks, check_roi
from ._readings import Readings, check_counts, check_verbose
from ._resample import binned
from ._series import Series
from ._times import warn_of_times

if TYPE_CHECKING:
    from .._typing import FilePath

FRAMES = "patterns", "volume", "sum"
CONTENTS = "auto", "counts", "magnitudes"


def read_diffraction(
    path: FilePath | list[FilePath] | np.ndarray,
    dataset: Any = None,
    *,
    frames: Any = "patterns",
    select: Any = None,
    mask: Any = None,
    mask_marks: Any = "unmeasured",
    detector: Any = None,
    dark: Any = None,
    flat: Any = None,
    roi: Any = None,
    saturation: Any = None,
    negative: Any = "unmeasured",
    hot_pixels: Any = "auto",
    monitor: Any = None,
    threshold: Any = None,
    content: Any = "auto",
    centered: Any = "auto",
    center: Any = None,
    resample: Any = None,
    crop: Any = None,
    binning: Any = 1,
    format: str = "auto",
    verbose: Any = "auto",
) -> Bunch:
    r"""Read measured counts and return magnitudes, ready for retrieval.

    The format is recognized by the content of the file, not by its name: HDF5 (NeXus, CXI, master
    files of Eiger detectors, with linked files, virtual data sets and compression), TIFF, NumPy's
    npy and npz, and all formats that fabio reads, among them EDF, CBF and MAR. Frames are read one
    at a time, and only the requested window of each. The sum or a window of a stack larger than
    memory therefore needs little memory.

    Corrections are applied in this order: unmeasured readings are marked; dark frames are
    subtracted; the flat field and the monitor are divided out; frames are combined; counts below
    the threshold are set to zero; hot pixels are marked; the centre of the beam is moved to the
    middle; the pattern is cropped and binned. Unmeasured pixels are NaN.

    **Data set.** In an HDF5 file, the first of these rules that applies finds the frames:

    1. The name that `dataset` gives.
    2. The declaration of the file: the data of the detector or an image in diffraction space (CXI;
       Maia, 2012), or the attributes `default` and `signal` (NeXus).
    3. The usual names: `data`, or `data_000001` and all that follow it in the same group.
    4. The only array of frames in the file.

    Arrays named after a mask, a flat field, dark frames, a table, positions and the like are never
    read unless `dataset` names them. If no rule applies, an error lists the candidates.

    **Unmeasured readings** are those that are negative, saturated or not finite, and those with the
    largest value of an integer type of 16 bits or more, which marks gaps and overflows (with 16
    bits, it is a count if `saturation` is larger). Unmeasured pixels are those of the file's mask,
    of `mask` and of the gaps of `detector`, pixels that were never written, pixels whose flat field
    is below 5 % of its median, and hot pixels.

    **Formats of other packages.** A package registers a reader as an entry point of the group
    `skpr.readers`. The name of the entry point is the name of the format, and the ending of its
    files without the point::

        [project.entry-points."skpr.readers"]
        sxr = "mylab.files:read_sxr"

    The reader is a function of one path. It returns readings of shape (height, width) or (n_frames,
    height, width), or a dict with these as `data` and, where the file says so, `mask` (nonzero
    where unmeasured), `dark`, `flat`, `wavelength`, `distance` and `pixel_size` (a pair) in metres,
    `content` ("counts" or "magnitudes") and `centered`, each as the parameter or the result of that
    name. Everything else, from `select` to `binning`, works as for other files.

    Parameters
    ----------
    path : path-like, list of path-like or ndarray
        One file; several files, as a list or a pattern such as "scan/\*.tif", each holding one
        frame or a stack; or readings in memory. A list is read in its order. The files of a pattern
        are read in the order of the numbers in their names: `frame_9` before `frame_10`,
        `angle_-1` before `angle_0.5`.
    dataset : str or list of str, optional
        Name of the array in an HDF5 or npz file, or names of several arrays whose frames are read
        one after the other.
    frames : {"patterns", "volume", "sum"}, default="patterns"
        Meaning of a stack of frames: one pattern each; planes of one three-dimensional pattern (a
        rocking curve); or exposures of one pattern, which are summed. Pixels that only some
        exposures measured are divided by the share of the counts in these exposures. The result is
        too low where the brightest exposures are missing because they were saturated.
    select : slice or list of int, optional
        Frames to read; all by default.
    mask : array-like, path-like, str or False, optional
        Unmeasured pixels in addition to the file's own mask: an array of shape (height, width) or
        (n_frames, height, width), a file, or a name in the file of the data. A name replaces the
        file's own mask; False ignores it.
    mask_marks : {"unmeasured", "measured"}, default="unmeasured"
        Meaning of nonzero values in `mask`, which must be given for "measured". The file's own mask
        follows NeXus and CXI, where nonzero values are unmeasured.
    detector : str, optional
        Name of a detector in pyFAI's list, such as "Pilatus 1M", whose gaps are unmeasured.
    dark : array-like, path-like, str or False, optional
        Counts without beam: an array of shape (height, width) or (n_darks, height, width), a file,
        or a name in the file of the data. Several frames are averaged. By default the file's own
        dark frames; False for none.
    flat : array-like, path-like, str or False, optional
        Sensitivity in any unit: an array of shape (height, width) or (n_flats, height, width), a
        file, or a name in the file of the data. Counts are divided by its ratio to the median. By
        default the file's own flat field if the file says that it has not been applied yet; False
        for none.
    roi : (int, int), optional
        Row and column, on the whole chip, of the first pixel of the frames. Masks, dark frames and
        flat fields of the whole chip are cropped accordingly.
    saturation : float, optional
        Saturation of the detector; readings of this value and above are unmeasured.
    negative : {"unmeasured", "zero", "keep"}, default="unmeasured"
        Treatment of negative readings: as flags of unmeasured pixels; as zero; or as read-out noise
        around zero, which enters sums and bins unchanged. Intensities that are negative at the end
        give magnitude zero. Values that become negative by subtracting dark frames always enter
        sums and bins unchanged.
    hot_pixels : {"auto", None}, default="auto"
        Treatment of isolated pixels that are much brighter than their neighbours and their Friedel
        mates: "auto" finds them as :func:`hot_pixels` does, marks them as unmeasured and counts
        them; None keeps them. The beam at a known centre, or in the middle, is never hot.
    monitor : array-like of shape (n_frames,) or str, optional
        Beam intensity in each frame, in any unit, or its name in the file. Frames are divided by
        its ratio to the mean.
    threshold : float, optional
        Background level: corrected counts below this value are set to zero; with `frames="sum"`,
        counts of the sum.
    content : {"auto", "counts", "magnitudes"}, default="auto"
        Kind of values in the file. The square root is taken of counts, but not of magnitudes.
        "auto" means counts unless the file says otherwise.
    centered : {"auto", True, False}, default="auto"
        Whether the pattern is stored as the detector recorded it. False means FFT order, with zero
        frequency at index 0. "auto" means True unless the file says otherwise.
    center : {"max", "mass", "friedel"} or tuple of float, optional
        Position of zero frequency: the brightest spot, the centre of mass, the centre of symmetry
        under inversion, or its index along each axis of a pattern. It is moved to index `m // 2`;
        pixels beyond the detector are NaN. The middle of the frame by default.
    resample : bool, optional
        Whether to move patterns by a fraction of a pixel if the centre lies between pixels, so that
        zero frequency lies on a pixel of the binned pattern. Whole patterns are moved and then
        cropped. By default they are not moved, and a warning is issued if the offset matters.
    crop : int, tuple of int or "fast", optional
        Size of the window around the centre, for all axes or for each; "fast" is the largest window
        on the detector with a fast transform. The size of the frame by default.
    binning : int or tuple of int, default=1
        Number of pixels per block, for all axes or for each; blocks are summed as by
        :class:`skpr.detector.Binning`.
    format : str, default="auto"
        Name of a reader that another package registers, see below. "auto" recognizes formats by
        content, and asks a registered reader for files that end in its name.
    verbose : bool or "auto", default="auto"
        Whether to show progress; "auto" shows it on a terminal.

    Returns
    -------
    Bunch
        `data`: magnitudes, float32 or float64 of shape (n_patterns, \*fourier_shape), NaN where
        unmeasured, zero frequency in the middle. `center`: index of zero frequency in the selected
        frames. `subpixel`: offset of zero frequency from the middle of `data`, in pixels of `data`,
        which gives objects a phase ramp. `confidence`: confidence in a centre by symmetry, from 0
        to 1; None for other rules. `wavelength`, `distance` and `pixel_size`: lengths in metres,
        the last a pair, after binning; None if the file does not state them. `geometry`: these and
        the angles of the diffractometer, in radians, with their sources. `files` and `dataset`:
        names of the files and data sets. `frames`: numbers of the frames; of a volume, those inside
        the window. `planes`: names of the mask, dark frames and flat field of the file that were
        applied. `unmeasured`: number of unmeasured readings by reason. `hot_pixels`: bool array of
        shape (height, width), True for hot pixels; None if the parameter `hot_pixels` is None.
        `DESCR`: a description.

    Raises
    ------
    OSError
        If a file is missing, truncated, damaged or in use by another process, or refers to missing
        files.
    ValueError
        If a parameter is invalid, the format is unknown, the data are not frames, or several data
        sets could be the frames.
    MemoryError
        If the patterns are larger than the free memory.
    ImportError
        If a library that the format needs is not installed, or a registered reader cannot be
        loaded.

    Warns
    -----
    UserWarning
        If a mask hides most of the counts or is not used, many readings are negative, 8-bit
        readings reach 255, several readings share a limit of the camera or a flag, values look like
        logarithms or square roots of counts, frames are missing or were never written, planes of a
        volume were exposed for different times, dark frames exceed the readings, nearly all of a
        window lies beyond the detector, exposures of a sum are saturated or cannot be compared, a
        TIFF file is marked as a negative, MATLAB wrote the file, zero frequency lies between
        pixels, or something in the file is not used.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/counts.npy", np.arange(16).reshape(4, 4))
    ...     read_diffraction(folder + "/counts.npy", crop=2).data ** 2
    array([[[ 5.,  6.],
            [ 9., 10.]]])
    """
    check_choice("frames", frames, FRAMES)
    check_choice("negative", negative, NEGATIVE)
    check_choice("hot_pixels", hot_pixels, ("auto", None))
    check_choice("content", content, CONTENTS)
    check_marks(mask_marks, mask)
    if centered != "auto":
        check_flag("centered", centered)
    check_flag("resample", resample, optional=True)
    check_counts("saturation", saturation)
    check_counts("threshold", threshold)
    check_verbose(verbose)
    n_axes = 3 if frames == "volume" else 2
    blocks = check_shape(
        "binning", binning.tolist() if isinstance(binning, np.ndarray) else binning, n_axes
    )
    has_bins = set(blocks) != {1}
    options = {
        "mask": mask,
        "mask_marks": mask_marks,
        "detector": detector,
        "dark": dark,
        "flat": flat,
        "roi": check_roi(roi),
        "saturation": saturation,
        "negative": negative,
        "monitor": monitor,
        "content": content,
        "centered": centered,
    }
    with Series(path, dataset, select, frames == "volume", format) as series:
        name = (
            series.first_name
            if len(series.paths) == 1
            else f"{len(series.paths)} files with {series.first_name}"
        )
        if frames == "volume" and series.shape[0] < 2:
            raise ValueError(
                f"frames='volume' needs a stack of frames; {name} holds one of shape "
                f"{series.shape[1:]}"
            )
        readings = Readings(series, select, options, frames == "volume", verbose)
        if center is not None and not readings.centered:
            raise ValueError(
                f"center={center!r} is not valid for patterns in FFT order, with zero frequency "
                f"at index 0; give None"
            )
        warn_of_axes(series, name)
        warn_of_content(series, content)
        warn_of_numbers(series, dataset, frames)
        keep, equal = has_bins or bool(resample), monitor is not None
        recipe = Recipe(
            frames, center, crop, threshold, hot_pixels, keep, resample, blocks, equal, name
        )
        found = assembled(readings, recipe)
        numbers = readings.selected
        if frames == "volume":
            numbers = numbers[readings.order][found.region[0]]
            if monitor is None and readings.content == "counts":
                warn_of_times(series.times, numbers, name)
        geometry = series.geometry().of_frames(numbers, series.shape[0])
    warn_of_readings(readings, name, negative)
    warn_of_remainder(found, resample, has_bins)
    warn_of_window(found, name)
    warn_of_roots(readings, content, name)
    if readings.content == "counts":
        warn_of_logarithms(found.intensities, name)
    hot, reasons = None, dict(readings.tally.reasons)
    if found.hot is not None:
        reasons["hot"] = int(np.count_nonzero(found.hot))
        hot = np.zeros(series.shape[1:], dtype=bool)
        hot[found.region[-2:]] = found.hot
    magnitudes = binned(found.intensities, blocks)
    if has_bins:
        geometry = geometry.binned(blocks)
    return Bunch(
        data=magnitudes,
        center=found.center.pixel,
        subpixel=found.remainder,
        confidence=found.center.confidence,
        wavelength=geometry.wavelength,
        distance=geometry.distance,
        pixel_size=geometry.pixel_size,
        geometry=geometry,
        files=[str(one) for one in series.paths if not isinstance(one, np.ndarray)],
        dataset=series.names,
        frames=numbers,
        planes=readings.used,
        unmeasured={reason: n for reason, n in reasons.items() if n},
        hot_pixels=hot,
        DESCR=f"{len(magnitudes)} diffraction patterns of shape {magnitudes.shape[1:]} from "
        f"{_short(series)}",
    )


def _short(series):
    first = series.first_name
    name = first.name if isinstance(first, Path) else first
    return name if len(series.paths) == 1 else f"{len(series.paths)} files, {name} and following"

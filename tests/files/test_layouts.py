"""The same three frames in the layouts that others write, read to the same magnitudes."""

import os

import fabio
import h5py
import hdf5plugin
import numpy as np
import pytest
import silx.io.nxdata
import tifffile

from skpr.files import read_diffraction

COUNTS = np.random.default_rng(0).poisson(50, (3, 20, 24)).astype(np.uint32)
SIZE = COUNTS.shape[1:]
DETECTOR = "entry_1/instrument_1/detector_1"


def nexus_group(file, name, kind, **attributes):
    """A group with its class, as NeXus wants it."""
    group = file.require_group(name)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def distractions(file, entry="entry"):
    """Arrays that are no frames, as files of beamlines hold them."""
    file[f"{entry}/instrument/detector/flatfield"] = np.ones(SIZE, "f4")
    file[f"{entry}/instrument/detector/pixel_mask"] = np.zeros(SIZE, "u4")
    file[f"{entry}/instrument/detector/detectorSpecific/countrate_correction_table"] = np.ones(
        (5, 100)
    )
    file[f"{entry}/sample/orientation_matrix"] = np.eye(3)
    file[f"{entry}/sample/unit_cell"] = np.ones((3, 6))
    file[f"{entry}/sample/positions"] = np.ones((30, 30))


# --- HDF5


def plain(file):
    file["scan/counts"] = COUNTS


def entry_data(file):
    file["entry/data"] = COUNTS


def data_data(file):
    file["entry/data/data"] = COUNTS
    distractions(file)


def detector_data(file):
    file["entry/instrument/detector/data"] = COUNTS
    distractions(file)


def one_in_two_places(file):
    file["entry/instrument/detector/data"] = COUNTS
    file["entry/data/data"] = h5py.SoftLink("/entry/instrument/detector/data")
    file["entry/measurement/data"] = file["entry/instrument/detector/data"]
    distractions(file)


def default_and_signal(file):
    file.attrs["default"] = "scan"
    nexus_group(file, "scan", "NXentry", default="plot")
    nexus_group(file, "scan/plot", "NXdata", signal="eiger")["eiger"] = COUNTS
    file["scan/other/frames"] = COUNTS + 1
    distractions(file, "scan")


def default_as_bytes_from_the_root(file):
    file.attrs["default"] = np.bytes_("/scan")
    nexus_group(file, "scan", "NXentry", default=np.bytes_("/scan/plot"))
    nexus_group(file, "scan/plot", "NXdata", signal=np.bytes_("eiger"))["eiger"] = COUNTS
    file["scan/other/frames"] = COUNTS + 1


def signal_without_default(file):
    nexus_group(file, "scan/plot", "NXdata", signal="eiger")["eiger"] = COUNTS
    file["scan/other/frames"] = COUNTS + 1


def signal_of_older_files(file):
    nexus_group(file, "scan/plot", "NXdata")["frames"] = COUNTS
    file["scan/plot/frames"].attrs["signal"] = 1
    file["scan/plot/other"] = COUNTS + 1


def default_is_a_curve(file):
    file.attrs["default"] = "scan"
    nexus_group(file, "scan", "NXentry", default="plot")
    nexus_group(file, "scan/plot", "NXdata", signal="sum")["sum"] = np.ones(3)
    nexus_group(file, "scan/instrument/detector", "NXdetector")["data"] = COUNTS


def silx_writes(path):
    silx.io.nxdata.save_NXdata(
        str(path), COUNTS, [np.arange(3.0), np.arange(20.0), np.arange(24.0)]
    )


def numbered(file):
    for number in range(3):
        file[f"entry/data/data_{number + 1:06d}"] = COUNTS[number : number + 1]
    distractions(file)


def numbered_beyond_nine(file):
    for number, frame in zip((9, 10, 11), COUNTS, strict=True):
        file[f"entry/data/data_{number}"] = frame
    distractions(file)


def numbered_and_virtual(file):
    numbered(file)
    layout = h5py.VirtualLayout(COUNTS.shape, COUNTS.dtype)
    for number in range(3):
        layout[number] = h5py.VirtualSource(".", f"entry/data/data_{number + 1:06d}", (1, *SIZE))[0]
    file.create_virtual_dataset("entry/data/data", layout)


def signal_is_the_first_of_several(file):
    numbered(file)
    file.attrs["default"] = "entry"
    nexus_group(file, "entry", "NXentry", default="data")
    nexus_group(file, "entry/data", "NXdata", signal="data_000001")


def eiger_master(file, **compression):
    for number in range(2):
        name = f"{file.filename}_data_{number + 1:06d}.h5"
        with h5py.File(name, "w") as linked:
            linked.create_dataset(
                "entry/data/data", data=COUNTS[2 * number : 2 * number + 2], **compression
            )
        file[f"entry/data/data_{number + 1:06d}"] = h5py.ExternalLink(
            os.path.basename(name), "/entry/data/data"
        )
    file["entry/instrument/detector/detectorSpecific/flatfield"] = np.ones(SIZE, "f4")
    file["entry/instrument/detector/detectorSpecific/pixel_mask"] = np.zeros(SIZE, "u4")
    file["entry/instrument/detector/detectorSpecific/countrate_correction_table"] = np.ones(
        (2, 100), "f4"
    )
    nexus_group(file, "entry", "NXentry")
    nexus_group(file, "entry/data", "NXdata", signal="data_000001")


def eiger_lz4(file):
    eiger_master(file, chunks=(1, *SIZE), **hdf5plugin.LZ4())


def eiger_bitshuffle(file):
    eiger_master(file, chunks=(1, *SIZE), **hdf5plugin.Bitshuffle(cname="lz4"))


def older_eiger(file):
    file["entry/data_01"] = COUNTS[:2]
    file["entry/data_02"] = COUNTS[2:]


def fabio_eiger(path):
    image = fabio.eigerimage.EigerImage(data=COUNTS)
    image.write(str(path))


def virtual(file):
    layout = h5py.VirtualLayout(COUNTS.shape, COUNTS.dtype)
    for number in range(3):
        name = f"{file.filename}_{number}.h5"
        with h5py.File(name, "w") as source:
            source.create_dataset("frames", data=COUNTS[number], **hdf5plugin.Blosc())
        layout[number] = h5py.VirtualSource(os.path.basename(name), "frames", SIZE)
    file.create_virtual_dataset("entry/data/data", layout)
    distractions(file)


def external_storage(file):
    name = f"{file.filename}.raw"
    COUNTS.tofile(name)
    file.create_dataset("data", COUNTS.shape, COUNTS.dtype, external=[(name, 0, COUNTS.nbytes)])


def bliss(file):
    file.attrs.update(NX_class="NXroot", default="1.1")
    nexus_group(file, "1.1", "NXentry")
    nexus_group(file, "1.1/instrument/eiger", "NXdetector")["data"] = COUNTS
    nexus_group(file, "1.1/instrument/monitor", "NXdetector")["data"] = np.ones(3)
    file["1.1/measurement/eiger"] = h5py.SoftLink("/1.1/instrument/eiger/data")
    nexus_group(file, "2.1", "NXentry")
    nexus_group(file, "2.1/instrument/eiger", "NXdetector")["data"] = COUNTS + 1


def data_exchange(file):
    file["exchange/data"] = COUNTS + 7
    file["exchange/data_dark"] = np.full((4, *SIZE), 7)


def cxi(file):
    file["cxi_version"] = 150
    file[f"{DETECTOR}/data"] = COUNTS
    file["entry_1/data_1/data"] = h5py.SoftLink(f"/{DETECTOR}/data")


def cxi_with_dark(file):
    file[f"{DETECTOR}/data"] = COUNTS + 9.0
    file[f"{DETECTOR}/data_dark"] = np.full((5, *SIZE), 9.0)


def cxi_of_two_detectors(file):
    file[f"{DETECTOR}/data"] = COUNTS + 1
    file["entry_1/instrument_1/detector_2/data"] = COUNTS
    file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_2/data")


def cxi_image_of_intensity(file):
    file["entry_1/image_1/data"] = COUNTS
    file["entry_1/image_1/data_space"] = "diffraction"
    file["entry_1/image_1/data_type"] = "intensity"
    file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")


def cxi_image_of_amplitudes(file):
    file["entry_1/image_1/data"] = np.sqrt(COUNTS.astype("f4"))
    file["entry_1/image_1/data_space"] = "diffraction"
    file["entry_1/image_1/data_type"] = "unphased amplitude"


def cxi_image_in_fft_order(file):
    file["entry_1/image_1/data"] = np.fft.ifftshift(COUNTS, axes=(1, 2))
    file["entry_1/image_1/data_space"] = "reciprocal"
    file["entry_1/image_1/is_fft_shifted"] = 1


def further_axes(file):
    file["data"] = COUNTS[None, :, None]


def many_frames_a_chunk(file):
    file.create_dataset(
        "data", data=COUNTS, chunks=(2, 8, 8), compression="gzip", shuffle=True, fletcher32=True
    )


def behind_a_block_of_the_user(path):
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["data"] = COUNTS


def newest_version(path):
    with h5py.File(path, "w", libver="latest") as file:
        file["data"] = COUNTS


# --- TIFF, NumPy, formats of detectors


def tiff_stack(path):
    tifffile.imwrite(path, COUNTS, photometric="minisblack")


def tiff_page_by_page(path):
    with tifffile.TiffWriter(path) as file:
        for frame in COUNTS:
            file.write(frame, photometric="minisblack")


def tiff_imagej(path):
    tifffile.imwrite(path, COUNTS.astype(np.float32), imagej=True)


def tiff_compressed(path):
    tifffile.imwrite(path, COUNTS, photometric="minisblack", compression="zlib", tile=(16, 16))


def tiff_big_and_big_endian(path):
    tifffile.imwrite(path, COUNTS, photometric="minisblack", bigtiff=True, byteorder=">")


def tiff_appended(path):
    for frame in COUNTS:
        tifffile.imwrite(path, frame, append=True, photometric="minisblack")


def npy(path):
    np.save(path, COUNTS)


def npy_by_columns(path):
    np.save(path, np.asfortranarray(COUNTS))


def npy_big_endian(path):
    np.save(path, COUNTS.astype(">i4"))


def npz(path):
    np.savez(path, counts=COUNTS)


def npz_compressed(path):
    np.savez_compressed(path, COUNTS)


def edf(path):
    image = fabio.edfimage.EdfImage(data=COUNTS[0])
    for frame in COUNTS[1:]:
        image.append_frame(data=frame)
    image.write(str(path))


def edf_gzipped(path):
    edf(path)


HDF5 = (
    plain, entry_data, data_data, detector_data, one_in_two_places, default_and_signal,
    default_as_bytes_from_the_root, signal_without_default, signal_of_older_files,
    default_is_a_curve, numbered, numbered_beyond_nine, numbered_and_virtual,
    signal_is_the_first_of_several, eiger_lz4, eiger_bitshuffle, older_eiger, virtual,
    external_storage, bliss, data_exchange, cxi, cxi_with_dark, cxi_of_two_detectors,
    cxi_image_of_intensity, cxi_image_of_amplitudes, cxi_image_in_fft_order, further_axes,
    many_frames_a_chunk,
)  # fmt: skip
WHOLE_FILES = {
    silx_writes: ".nxs", fabio_eiger: ".h5", behind_a_block_of_the_user: ".emd",
    newest_version: ".nx5", tiff_stack: ".tif", tiff_page_by_page: ".tiff", tiff_imagej: ".tif",
    tiff_compressed: ".tif", tiff_big_and_big_endian: ".tif", tiff_appended: ".tif", npy: ".npy",
    npy_by_columns: ".npy", npy_big_endian: ".npy", npz: ".npz", npz_compressed: ".npz",
    edf: ".edf", edf_gzipped: ".edf.gz",
}  # fmt: skip


@pytest.mark.parametrize("write", [*HDF5, *WHOLE_FILES], ids=lambda write: write.__name__)
def test_the_same_frames_in_every_layout_have_the_same_magnitudes(tmp_path, write):
    path = tmp_path / f"scan{WHOLE_FILES.get(write, '.hdf')}"
    if write in WHOLE_FILES:
        write(path)
    else:
        with h5py.File(path, "w") as file:
            write(file)
    found = read_diffraction(path)
    np.testing.assert_allclose(found.data, np.sqrt(COUNTS), rtol=1e-6)
    total = read_diffraction(path, frames="sum", crop=(8, 10), select=slice(1, None)).data
    np.testing.assert_allclose(total[0] ** 2, COUNTS[1:, 6:14, 7:17].sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("ending", [".tif", ".npy", ".npz", ".edf", ".cbf", ".h5"])
def test_one_frame_a_file_is_a_stack_in_natural_order(tmp_path, ending):
    paths = [tmp_path / f"scan_{number}{ending}" for number in (9, 10, 11)]
    for path, frame in zip(paths, COUNTS.astype(np.int32), strict=True):
        if ending in (".edf", ".cbf"):
            kind = fabio.edfimage.EdfImage if ending == ".edf" else fabio.cbfimage.CbfImage
            kind(data=frame).write(str(path))
        elif ending == ".h5":
            with h5py.File(path, "w") as file:
                file["entry/data/data"] = frame
        else:
            {".tif": tifffile.imwrite, ".npy": np.save, ".npz": np.savez}[ending](path, frame)
    for given in (str(tmp_path / f"scan_*{ending}"), paths):
        found = read_diffraction(given, frames="volume")
        np.testing.assert_allclose(found.data[0], np.sqrt(COUNTS), rtol=1e-6)
        assert found.files == [str(path) for path in paths]

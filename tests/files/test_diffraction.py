import io
import os
import zipfile
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
import tifffile

from skpr.files import read_diffraction

CXI_DETECTOR = "entry_1/instrument_1/detector_1"


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    row, column = np.ogrid[:20, :24]
    envelope = 500 * np.exp(-((row - 8) ** 2 + (column - 13) ** 2) / 20)
    return rng.poisson(envelope, size=(3, 20, 24)).astype(np.int32)


def saved(folder, name, counts):
    """Counts in a file of the format that the name says."""
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, counts)
    elif path.suffix == ".npz":
        np.savez_compressed(path, frames=counts)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, counts, photometric="minisblack")
    else:
        with h5py.File(path, "w") as file:
            file[f"{CXI_DETECTOR}/data" if path.suffix == ".cxi" else "scan/counts"] = counts
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.tif", "a.h5", "a.cxi"])
def test_every_format_gives_square_roots_of_its_counts(tmp_path, counts, name):
    found = read_diffraction(saved(tmp_path, name, counts))
    np.testing.assert_array_equal(found.data, np.sqrt(counts.astype(np.float32)))
    assert found.wavelength is None
    one = read_diffraction(saved(tmp_path, f"one_{name}", counts[0]))
    assert one.data.shape == (1, 20, 24)


def test_a_stack_is_patterns_a_volume_or_exposures(tmp_path, counts):
    path = saved(tmp_path, "a.npy", counts)
    assert read_diffraction(path).data.shape == (3, 20, 24)
    assert read_diffraction(path, frames="volume").data.shape == (1, 3, 20, 24)
    total = read_diffraction(path, frames="sum").data
    np.testing.assert_allclose(total[0] ** 2, counts.sum(axis=0), rtol=1e-5)


def test_cxi_mask_and_geometry_are_honoured(tmp_path, counts):
    mask = np.zeros((20, 24), dtype=np.uint32)
    mask[0, 0], mask[0, 1], mask[0, 2] = (
        1,
        2 | 0x800,
        0x800,
    )  # invalid, saturated, and one merely corrected
    path = saved(tmp_path, "a.cxi", counts)
    with h5py.File(path, "a") as file:
        file[f"{CXI_DETECTOR}/mask"] = mask
        file[f"{CXI_DETECTOR}/distance"] = 0.5
        file[f"{CXI_DETECTOR}/x_pixel_size"] = 55e-6
        file[f"{CXI_DETECTOR}/y_pixel_size"] = 50e-6
        file["entry_1/instrument_1/source_1/energy"] = 9000 * 1.602176634e-19
    found = read_diffraction(path, binning=2)
    assert np.isnan(found.data[:, 0, 0]).all()
    assert np.isnan(read_diffraction(path).data[0, 0, :3]).tolist() == [True, True, False]
    assert found.wavelength == pytest.approx(1.3776e-10, rel=1e-4)
    assert (found.distance, found.pixel_size) == (0.5, (1e-4, 1.1e-4))


def test_a_colour_picture_is_no_pattern(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 3), dtype=np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match="holds a picture with 3 colours per pixel, not counts"):
        read_diffraction(tmp_path / "a.tif")


def test_the_data_set_is_named_where_there_are_several(tmp_path, counts):
    path = tmp_path / "a.npz"
    np.savez(path, first=counts, second=counts + 1)
    np.testing.assert_array_equal(
        read_diffraction(path, "second").data, np.sqrt((counts + 1).astype(np.float32))
    )
    with pytest.raises(
        ValueError, match=r"holds 2 arrays; name one of them, .* 'first' \(.*\), 'second' \("
    ):
        read_diffraction(path)
    with pytest.raises(
        ValueError, match="dataset='third' is not in .*; there are 'first' .*, 'second'"
    ):
        read_diffraction(path, "third")


def test_a_name_in_a_file_of_one_array_is_refused(tmp_path, counts):
    with pytest.raises(
        ValueError,
        match=r"dataset='frames' cannot be used with .*a\.npy: a \.npy file holds one array",
    ):
        read_diffraction(saved(tmp_path, "a.npy", counts), "frames")


def test_a_quick_window_is_on_the_detector(tmp_path, counts):
    assert not np.isnan(
        read_diffraction(saved(tmp_path, "a.npy", counts), center=(8, 13), crop="fast").data
    ).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": "stack"}, "frames='stack' is not valid; choose 'patterns', 'volume' or 'sum'"),
        (
            {"center": "middle"},
            "center='middle' is not valid; choose 'friedel', 'max', 'mass' or None",
        ),
        (
            {"center": (3, 99)},
            r"center=\(3, 99\) is not valid; choose 'friedel', 'max', 'mass', None or one index",
        ),
        ({"crop": 0}, "crop=0 is not valid"),
        ({"crop": "quick"}, "crop='quick' is not valid"),
        ({"binning": 0}, "binning=0 is not valid"),
        (
            {"binning": 30},
            r"binning=\(30, 30\) is not valid; it leaves no block of patterns of shape \(20, 24\)",
        ),
        ({"crop": True}, "crop=True is not valid"),
        ({"verbose": "no"}, "verbose='no' is not valid; choose True, False or 'auto'"),
        ({"threshold": -1}, "threshold=-1 is not valid; give counts > 0 or None"),
        (
            {"mask": np.zeros((3, 3))},
            r"mask has shape \(3, 3\); give one value per pixel of the frames, of shape",
        ),
        ({"saturation": 1e-9}, "has no measured pixel"),
    ],
    ids=str,
)
def test_what_is_not_valid_is_said_with_what_is(tmp_path, counts, options, message):
    with pytest.raises(ValueError, match=message):
        read_diffraction(saved(tmp_path, "a.npy", counts + 1), **options)


def damaged(counts, folder):
    """Files that are no diffraction, each with the error it should meet."""
    whole = {}
    for ending in ("npy", "npz", "tif", "h5", "cxi"):
        path = saved(folder, f"whole.{ending}", counts)
        whole[ending] = path.read_bytes()
        path.unlink()
    for ending, content in whole.items():
        yield f"short.{ending}", content[: len(content) // 2], OSError
        yield f"header_only.{ending}", content[:9], OSError
        yield f"empty.{ending}", b"", OSError
        yield f"text.{ending}", b"these are no counts\n" * 40, OSError
        yield f"noise.{ending}", np.random.default_rng(1).bytes(500), OSError
    flipped = bytearray(whole["npz"])
    flipped[len(flipped) // 2] ^= 0xFF
    yield "flipped.npz", bytes(flipped), OSError
    yield (
        "flipped.npy",
        bytes(b ^ 0x55 if 6 <= i < 60 else b for i, b in enumerate(whole["npy"])),
        OSError,
    )
    yield "flipped.h5", bytes(b ^ 0xFF if i < 64 else b for i, b in enumerate(whole["h5"])), OSError
    for name, array in {
        "line.npy": counts[0, 0],
        "complex.npy": counts * 1j,
        "nothing.npy": counts[:0],
        "five_axes.npy": np.ones((2, 2, 3, 20, 24)),
        "unmeasured.npy": np.full((4, 4), np.nan),
        "negative.npy": -counts - 1,
        "words.npy": np.array([["a", "b"]]),
    }.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        yield name, buffer.getvalue(), ValueError
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}, None]), allow_pickle=True)
    yield "pickle.npy", buffer.getvalue(), OSError
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    yield "no_arrays.npz", buffer.getvalue(), ValueError
    with h5py.File(folder / "layout.h5", "w") as file:
        file["a/b"] = 3
    yield "layout.h5", (folder / "layout.h5").read_bytes(), ValueError
    (folder / "layout.h5").unlink()
    yield "counts.jpg", b"jpeg", ValueError


def test_damaged_files_meet_one_clear_error_and_leave_no_trace(tmp_path, counts):
    files = list(damaged(counts, tmp_path))
    assert len(files) >= 35
    for name, content, error in files:
        path = tmp_path / name
        path.write_bytes(content)
        n_open = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
        with pytest.raises(
            error, match="cannot be read|is empty|holds|has no|none of the formats"
        ) as caught:
            read_diffraction(path)
        assert name in str(caught.value)
        if n_open:
            assert len(os.listdir("/proc/self/fd")) == n_open, name
        assert path.read_bytes() == content
        assert [p.name for p in tmp_path.iterdir()] == [name]
        path.unlink()


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(OSError, match=r"gone\.npz does not exist"):
        read_diffraction(tmp_path / "gone.npz")
    with pytest.raises(OSError, match="is a folder; give a file"):
        read_diffraction(tmp_path)


@pytest.mark.skipif(
    "SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no measured crystal"
)
def test_the_measured_rocking_curve_becomes_the_prepared_volume_from_files_of_every_kind(tmp_path):
    folder = Path(os.environ["SKPR_DATA"]) / "bragg-cdi"
    frames = np.load(folder / "S0054_rocking.npz")["frames"]
    for number, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"S0054_{number}.tif", frame)
    with h5py.File(tmp_path / "S0054.nxs", "w") as file:
        file.attrs["default"] = "entry"
        file.create_group("entry").attrs.update(NX_class="NXentry", default="plot")
        file.create_group("entry/plot").attrs.update(NX_class="NXdata", signal="counts")
        file["entry/plot/counts"] = frames
    with h5py.File(tmp_path / "S0054_master.h5", "w") as file:
        for number, part in enumerate(np.array_split(frames.astype("u4"), 3), start=1):
            with h5py.File(tmp_path / f"S0054_data_{number:06d}.h5", "w") as linked:
                filters = hdf5plugin.Bitshuffle(cname="lz4")
                linked.create_dataset("entry/data/data", data=part, chunks=(1, 256, 256), **filters)
            link = h5py.ExternalLink(f"S0054_data_{number:06d}.h5", "/entry/data/data")
            file[f"entry/data/data_{number:06d}"] = link
        file["entry/instrument/detector/detectorSpecific/pixel_mask"] = np.zeros((256, 256), "u4")
    options = {"frames": "volume", "flat": folder / "whitefield.tif", "roi": (0, 0), "threshold": 2}
    options |= {"center": (99, 126, 127), "crop": 128}
    found = read_diffraction(folder / "S0054_rocking.npz", **options).data[0]
    for name in ("S0054_*.tif", "S0054.nxs", "S0054_master.h5"):
        np.testing.assert_array_equal(
            read_diffraction(str(tmp_path / name), **options).data[0], found
        )
    prepared = np.load(folder / "bcdi_S0054_128.npz")["volume"]
    measured = ~np.isnan(found)
    same = np.isclose((found**2)[measured], prepared[measured], rtol=1e-4)
    assert (~same).sum() < 30  # a pixel or two that the prepared volume takes for dead
    assert measured.mean() > 0.999


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"crop": 4.0}, r"crop=4.0 is not valid; give an integer >= 1"),
        ({"center": (7.6, 4)}, r"center=\(7.6, 4\) is not valid"),
        ({"center": "mass"}, "center='mass' is not defined: every count is zero"),
    ],
)
def test_a_window_that_is_none_is_refused(tmp_path, parameters, message):
    with pytest.raises(ValueError, match=message):
        read_diffraction(saved(tmp_path, "a.npy", np.zeros((8, 8))), **parameters)


@pytest.mark.parametrize("name", ["entry/data/data", "/entry/data/data", "hard", "elsewhere"])
def test_data_sets_are_found_through_links(tmp_path, counts, name):
    saved(tmp_path, "other.h5", counts)
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["raw/data"] = counts
        file["entry/data/data"] = h5py.SoftLink("/raw/data")
        file["hard"] = file["raw/data"]
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/scan/counts")
        file["nowhere"] = h5py.SoftLink("/nothing")
    assert read_diffraction(tmp_path / "a.nxs", name).data.shape == counts.shape
    with pytest.raises(ValueError, match="dataset='nowhere' is not in"):
        read_diffraction(tmp_path / "a.nxs", "nowhere")


def test_what_a_cxi_file_says_oddly_does_not_hide_its_data(tmp_path, counts):
    path = saved(tmp_path, "a.cxi", counts)
    mask = np.zeros(counts.shape)
    mask[0, 0, 0], mask[1, 0, 1] = 1, np.nan
    with h5py.File(path, "r+") as file:
        file[f"{CXI_DETECTOR}/mask"] = mask
        file[f"{CXI_DETECTOR}/distance"] = np.zeros(0)
        file["entry_1/instrument_1/source_1/energy"] = "8 keV"
        file["entry_1/data_1/data"] = h5py.SoftLink("/nothing")
    found = read_diffraction(path)
    assert np.isnan(found.data[:, 0, :3]).tolist() == [
        [True, False, False],
        [False, True, False],
        [False] * 3,
    ]
    assert found.distance is None
    assert found.wavelength == pytest.approx(1.5498e-10, rel=1e-5)


def test_an_open_bracket_in_a_numpy_header_is_damage(tmp_path):
    path = saved(tmp_path, "a.npy", np.ones((8, 8)))
    path.write_bytes(path.read_bytes().replace(b"(8, 8)", b"(8, 8 "))
    with pytest.raises(OSError, match="its header is damaged"):
        read_diffraction(path)

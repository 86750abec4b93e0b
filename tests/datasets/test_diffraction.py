import io
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from skpr.datasets import read_diffraction
from skpr.datasets._corrections import beam_center, corrected, cut_around, summed, window_shape

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
    mask[0, 0], mask[0, 1], mask[0, 2] = 1, 2 | 0x800, 0x800  # invalid, saturated, and one merely corrected
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
    with pytest.raises(ValueError, match="holds a picture of 3 colours a pixel, not counts"):
        read_diffraction(tmp_path / "a.tif")


def test_the_data_set_is_named_where_there_are_several(tmp_path, counts):
    path = tmp_path / "a.npz"
    np.savez(path, first=counts, second=counts + 1)
    np.testing.assert_array_equal(read_diffraction(path, "second").data, np.sqrt((counts + 1).astype(np.float32)))
    with pytest.raises(ValueError, match="holds 2 arrays; say which is the data set: 'first', 'second'"):
        read_diffraction(path)
    with pytest.raises(ValueError, match="dataset='third' is not in .*; there are 'first', 'second'"):
        read_diffraction(path, "third")


def test_a_name_in_a_file_of_one_array_is_refused(tmp_path, counts):
    with pytest.raises(ValueError, match=r"dataset='frames' names nothing in .*a\.npy: a \.npy file holds one array"):
        read_diffraction(saved(tmp_path, "a.npy", counts), "frames")


def test_corrections_come_in_order(counts):
    dark, flat, mask = np.full((20, 24), 2.0), np.ones((20, 24)), np.zeros((20, 24), dtype=bool)
    flat[8, 13], flat[0, 0], mask[5, 5] = 2.0, 0.0, True
    frames = counts.astype(float)
    frames[0, 1, 1], frames[1, 2, 2], frames[2, 3, 3] = -1, np.inf, 1e5
    intensities = corrected(frames, dark=dark, flat=flat, mask=mask, saturation=9e4, threshold=3)
    for index in ((0, 1, 1), (1, 2, 2), (2, 3, 3), (0, 0, 0), (1, 5, 5)):
        assert np.isnan(intensities[index])
    np.testing.assert_allclose(intensities[:, 8, 13], (counts[:, 8, 13] - 2) / 2)
    expected = counts[0, 10:] - 2.0
    np.testing.assert_allclose(intensities[0, 10:], np.where(expected >= 3, expected, 0))


def test_exposures_with_gaps_add_up_as_if_without():
    frames = np.stack([np.full((4, 4), 10.0), np.full((4, 4), 30.0)])
    frames[0, 0, 0] = frames[:, 1, 1] = np.nan
    total = summed(frames)[0]
    assert total[0, 0] == pytest.approx(40, rel=0.01)
    assert total[2, 2] == 40
    assert np.isnan(total[1, 1])


def test_a_hot_pixel_is_no_beam(counts):
    frames = counts.astype(float)
    frames[0, 18, 2] = 1e6
    assert beam_center(frames, "max") == pytest.approx((8, 13), abs=1)
    assert beam_center(counts.astype(float), "mass") == (8, 13)


@pytest.mark.parametrize("sizes", [(9, 10), (20, 24), (31, 30)])
def test_the_centre_goes_to_the_middle_and_nothing_wraps_around(counts, sizes):
    window = cut_around(counts.astype(float), (8, 13), sizes)
    np.testing.assert_array_equal(window[:, sizes[0] // 2, sizes[1] // 2], counts[:, 8, 13])
    assert np.nansum(window) <= counts.sum()
    inside = [min(8, n // 2) + min(20 - 8, n - n // 2) for n in sizes[:1]]
    assert (~np.isnan(window[0])).any(axis=1).sum() == inside[0]


def test_a_quick_window_is_on_the_detector(tmp_path, counts):
    assert window_shape((20, 24), (8, 13), "fast") == (16, 20)
    assert not np.isnan(read_diffraction(saved(tmp_path, "a.npy", counts), center=(8, 13), crop="fast").data).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": "stack"}, "frames='stack' is not valid; choose 'patterns', 'volume' or 'sum'"),
        ({"center": "middle"}, "center='middle' is not valid; choose 'max', 'mass' or None"),
        ({"center": (3, 99)}, r"center=\(3, 99\) is not valid; choose 'max', 'mass', None or one index inside"),
        ({"crop": 0}, "crop=0 is not valid"),
        ({"crop": "quick"}, "crop='quick' is not valid"),
        ({"binning": 0}, "factor=0 is not valid"),
        ({"threshold": -1}, "threshold=-1 is not valid; give counts > 0 or None"),
        ({"mask": np.zeros((3, 3))}, r"mask has shape \(3, 3\); give one value a pixel of the frames, of shape"),
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
    yield "flipped.npy", bytes(b ^ 0x55 if 6 <= i < 60 else b for i, b in enumerate(whole["npy"])), OSError
    yield "flipped.h5", bytes(b ^ 0xFF if i < 64 else b for i, b in enumerate(whole["h5"])), OSError
    for name, array in {
        "line.npy": counts[0, 0],
        "complex.npy": counts * 1j,
        "nothing.npy": counts[:0],
        "five_axes.npy": counts[None, None],
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
        with pytest.raises(error, match="cannot be read|is empty|holds|has no|none of the formats") as caught:
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


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no measured crystal")
def test_the_measured_rocking_curve_becomes_the_prepared_volume():
    folder = Path(os.environ["SKPR_DATA"]) / "bragg-cdi"
    flat = tifffile.imread(folder / "whitefield.tif")[:256, :256]
    found = read_diffraction(
        folder / "S0054_rocking.npz", frames="volume", flat=flat, threshold=2, center=(99, 126, 127), crop=128
    )
    prepared = np.load(folder / "bcdi_S0054_128.npz")["volume"]
    measured = ~np.isnan(found.data[0])
    same = np.isclose((found.data[0] ** 2)[measured], prepared[measured], rtol=1e-4)
    assert (~same).sum() < 30  # a pixel or two that the prepared volume takes for dead
    assert measured.mean() > 0.999


@pytest.mark.parametrize("size", [7, 8, 9, 64, 100])
def test_the_fast_window_is_the_largest_on_the_detector(size):
    for center in range(size):
        (found,) = window_shape((size,), (center,), "fast")
        fits = [n for n in range(1, size + 1) if center >= n // 2 and center - n // 2 + n <= size]
        fast = [n for n in fits if n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 25, 27, 30, 32, 36, 40)]
        assert found >= max(fast)
        assert found in fits
    assert window_shape((64, 100), (32, 50), "fast") == (64, 100)


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


def test_a_frame_that_measured_nothing_does_not_count_as_an_exposure():
    frames = np.ones((3, 4, 4))
    frames[2] = np.nan
    np.testing.assert_array_equal(summed(frames), np.full((1, 4, 4), 2.0))


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
    assert np.isnan(found.data[:, 0, :3]).tolist() == [[True, True, False]] * 3
    assert found.distance is None
    assert found.wavelength is None


def test_an_open_bracket_in_a_numpy_header_is_damage(tmp_path):
    path = saved(tmp_path, "a.npy", np.ones((8, 8)))
    path.write_bytes(path.read_bytes().replace(b"(8, 8)", b"(8, 8 "))
    with pytest.raises(OSError, match="its header is damaged"):
        read_diffraction(path)

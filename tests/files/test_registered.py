import re
import sys
from pathlib import Path

import numpy as np
import pytest

from skpr.files import read_diffraction

ROOT = Path(__file__).parents[2]
COUNTS = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u2")
READERS = """
import numpy as np


def read(path):
    return np.fromfile(path, "u2").reshape(3, 8, 9)


def describe(path):
    mask = np.zeros((8, 9), bool)
    mask[0, 1] = True
    lengths = {"wavelength": 1e-10, "distance": 2.0, "pixel_size": (50e-6, 55e-6)}
    return {"data": read(path), "mask": mask, "dark": np.ones((2, 8, 9)), "flat": None} | lengths


def roots(path):
    return {"data": np.sqrt(read(path)), "content": "magnitudes", "centered": False}


def fail(path):
    raise KeyError("no\\nheader")


words = "no function"
returned = None


def give(path):
    return returned
"""


@pytest.fixture
def register(tmp_path, monkeypatch):
    """A function that installs a distribution with readers, by their names."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "mylab_files.py").write_text(READERS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "mylab_files", raising=False)

    def write(package="mylab", **readers):
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in readers.items()]
        (info / "entry_points.txt").write_text("\n".join(["[skpr.readers]", *lines]))

    yield write
    sys.modules.pop("mylab_files", None)


@pytest.fixture
def scan(tmp_path):
    """Counts in a format that nobody knows."""
    path = tmp_path / "scan.sxr"
    COUNTS.tofile(path)
    return path


def test_files_that_end_in_the_name_of_a_reader_are_read_by_it(register, scan):
    register(sxr="mylab_files:read")
    found = read_diffraction(scan)
    np.testing.assert_allclose(found.data**2, COUNTS, rtol=1e-5)
    assert found.files == [str(scan)]
    volume = read_diffraction(scan, frames="volume", select=slice(1, 3)).data
    np.testing.assert_allclose(volume[0] ** 2, COUNTS[1:], rtol=1e-5)


def test_mask_dark_frames_and_lengths_of_a_reader_are_honoured(register, scan):
    register(sxr="mylab_files:describe")
    found = read_diffraction(scan, binning=1)
    assert np.isnan(found.data[:, 0, 1]).all()
    np.testing.assert_allclose(found.data[:, 1:] ** 2, COUNTS[:, 1:] - 1.0, rtol=1e-5)
    assert (found.wavelength, found.distance, found.pixel_size) == (1e-10, 2.0, (50e-6, 55e-6))
    assert set(found.planes) == {"mask", "dark"}
    assert read_diffraction(scan, dark=False).data[0, 1, 1] > found.data[0, 1, 1]


def test_a_reader_says_that_values_are_magnitudes_in_fft_order(register, scan):
    register(sxr="mylab_files:roots")
    found = read_diffraction(scan).data
    np.testing.assert_allclose(np.fft.ifftshift(found, (1, 2)) ** 2, COUNTS, rtol=1e-4)


def test_a_format_that_is_named_reads_files_of_any_ending_and_several(register, scan):
    register(sxr="mylab_files:read")
    for number in (1, 2):
        COUNTS.tofile(scan.with_name(f"run_{number}.h5"))
    found = read_diffraction(str(scan.with_name("run_*.h5")), format="sxr").data
    assert found.shape == (6, 8, 9)


def test_what_skpr_reads_itself_asks_no_reader_but_one_that_is_named(register, tmp_path):
    register(npy="mylab_files:fail", dat="mylab_files:fail")
    np.save(tmp_path / "a.npy", COUNTS)
    assert read_diffraction(tmp_path / "a.npy").data.shape == (3, 8, 9)
    with pytest.raises(OSError, match=r"the reader 'npy' \(mylab_files:fail\): KeyError: .*header"):
        read_diffraction(tmp_path / "a.npy", format="npy")


def test_the_longest_ending_decides(register, scan):
    register(gz="mylab_files:fail", **{"sxr.gz": "mylab_files:read"})
    path = scan.rename(scan.with_name("scan.SXR.gz"))
    assert read_diffraction(path).data.shape == (3, 8, 9)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("mylab_gone:read", ImportError, r"cannot be loaded: ModuleNotFoundError: .*mylab_gone"),
        ("mylab_files:gone", ImportError, r"cannot be loaded: AttributeError: .*gone"),
        ("mylab_files:words", ImportError, "is str; register a function of a path"),
        ("mylab_files:fail", OSError, "KeyError: 'no"),
        ("mylab_files:give", ValueError, "returned NoneType for .*; a reader returns readings of"),
    ],
)
def test_a_broken_reader_is_named_in_one_sentence(register, scan, value, error, message):
    register(sxr=value)
    with pytest.raises(error, match=message) as caught:
        read_diffraction(scan)
    text = str(caught.value)
    assert f"the reader 'sxr' ({value})" in text
    assert str(scan) in text
    assert "\n" not in text


def test_masked_readings_are_not_measured_and_flags_are_those_of_numpy_too(register, scan):
    register(sxr="mylab_files:give")
    import mylab_files

    masked = np.ma.masked_where(np.indices(COUNTS.shape)[1] == 2, COUNTS)
    mylab_files.returned = {"data": masked, "centered": np.bool_(True)}
    found = read_diffraction(scan).data
    assert np.isnan(found[:, 2]).all()
    np.testing.assert_allclose(found[:, 3:] ** 2, COUNTS[:, 3:], rtol=1e-5)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([[1, 2], [3]], "returned lists of different lengths"),
        (np.ones(5), r"array of shape \(5,\)"),
        (COUNTS * 1j, "returned an array of complex128 for"),
        (
            {"counts": COUNTS},
            "returned a dict with 'counts' for .*; 'data' is needed, and 'mask', ",
        ),
        ({"data": COUNTS, "energy": 9}, "with 'data', 'energy' for"),
        ({"data": COUNTS, "wavelength": 1.4}, "wavelength=1.4 is not plausible"),
        ({"data": COUNTS, "pixel_size": 5e-5}, "pixel_size=5e-05 is not valid; give a pair"),
        ({"data": COUNTS, "content": "photons"}, "content='photons' is not valid"),
        ({"data": COUNTS, "mask": "all"}, "returned str for the mask of"),
    ],
    ids=["ragged", "line", "complex", "no data", "unknown", "angstrom", "side", "content", "mask"],
)
def test_a_wrong_return_is_named_in_one_sentence(register, scan, returned, message):
    register(sxr="mylab_files:give")
    import mylab_files

    mylab_files.returned = returned
    with pytest.raises(ValueError, match=message) as caught:
        read_diffraction(scan)
    assert "the reader 'sxr' (mylab_files:give)" in str(caught.value)


def test_formats_that_nobody_registered_and_two_of_one_name_are_refused(register, scan):
    register(sxr="mylab_files:read", other="mylab_files:read")
    with pytest.raises(ValueError, match=r"format='sxt' .* registered reader \('other', 'sxr'\)"):
        read_diffraction(scan, format="sxt")
    with pytest.raises(ValueError, match="dataset='a' cannot be used with .*scan.sxr"):
        read_diffraction(scan, "a")
    with pytest.raises(ValueError, match="format='sxr' cannot be used with an array in memory"):
        read_diffraction(COUNTS, format="sxr")
    register("theirs", sxr="mylab_files:roots")
    with pytest.raises(ValueError, match="'sxr' is registered twice, as mylab_files:read and myl"):
        read_diffraction(scan)


def test_the_reader_of_the_guide_reads(register, tmp_path):
    guide = (ROOT / "examples/guide/own_reader.md").read_text()
    code = re.search(r"```python\n(.*?)```", guide, re.DOTALL)[1]
    registered = re.search(r'entry-points."skpr.readers"\]\n(\w+) = "([\w.]+):(\w+)"', guide)
    (tmp_path / "site/mylab_files.py").write_text(code)
    register(**{registered[1]: f"mylab_files:{registered[3]}"})
    with open(tmp_path / "scan.sxr", "wb") as file:
        np.array([8, 9], "<u4").tofile(file)
        COUNTS.astype("<u2").tofile(file)
    found = read_diffraction(tmp_path / "scan.sxr")
    np.testing.assert_allclose(found.data**2, COUNTS, rtol=1e-5)
    assert found.wavelength == 1.24e-9

import warnings

import h5py
import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.files import (
    Geometry,
    _results,
    read_diffraction,
    read_reconstruction,
    write_reconstruction,
)
from tests.conftest import DTYPES, SHAPES, random_objects


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_written_is_read_bit_for_bit(tmp_path, shape, dtype):
    objects = random_objects(shape, dtype, 3)
    magnitudes = (
        np.random.default_rng(0).random((3, *(2 * n for n in shape))).astype(objects.real.dtype)
    )
    magnitudes[:, 0] = np.nan
    path = tmp_path / "found.cxi"
    geometry = {"wavelength": 1.3776e-10, "distance": 0.635, "pixel_size": (55e-6, 50e-6)}
    write_reconstruction(path, objects, supports=objects != 0, magnitudes=magnitudes, **geometry)
    found = read_reconstruction(path)
    for given, back in (
        (objects, found.data),
        (objects != 0, found.supports),
        (magnitudes, found.magnitudes),
    ):
        assert back.dtype == given.dtype
        assert back.tobytes() == np.ascontiguousarray(given).tobytes()
    assert {name: found[name] for name in geometry} == geometry


def test_what_was_not_written_is_none(tmp_path):
    write_reconstruction(tmp_path / "found.cxi", np.ones((1, 4, 4)))
    found = read_reconstruction(tmp_path / "found.cxi")
    assert [
        found[name] for name in ("supports", "magnitudes", "wavelength", "distance", "pixel_size")
    ] == [None] * 5


def test_the_layout_is_that_of_cxi(tmp_path):
    objects = random_objects((6, 8), "complex64", 2)
    write_reconstruction(tmp_path / "found.cxi", objects, wavelength=1e-10)
    with h5py.File(tmp_path / "found.cxi") as file:
        assert file["cxi_version"][()] >= 100
        np.testing.assert_array_equal(file["entry_1/image_2/data"], objects[1])
        np.testing.assert_array_equal(file["entry_1/data_1/data"], objects[0])
        np.testing.assert_array_equal(file["entry_1/image_1/image_center"], [4.5, 3.5])
        assert file["entry_1/image_1/data_space"][()] == b"real"
        assert file["entry_1/instrument_1/source_1/energy"][()] == pytest.approx(1.98644586e-15)


def test_the_umask_decides_who_may_read(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    write_reconstruction(tmp_path / "found.cxi", np.ones((1, 4)))
    assert (tmp_path / "found.cxi").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch, failure):
    path = tmp_path / "found.cxi"
    write_reconstruction(path, np.ones((1, 4)))
    before = path.read_bytes()
    write = _results._write

    def fails(*arguments):
        write(*arguments)
        raise failure

    monkeypatch.setattr(_results, "_write", fails)
    with pytest.raises(type(failure)):
        write_reconstruction(path, np.zeros((1, 4)))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["found.cxi"]


def test_a_reconstruction_is_no_diffraction_and_the_reverse(tmp_path):
    path = tmp_path / "found.cxi"
    for dtype in ("complex64", "float32"):
        write_reconstruction(path, random_objects((6, 8), dtype, 2))
        with pytest.raises(
            ValueError,
            match="holds reconstructions, not counts; read_reconstruction reads",
        ):
            read_diffraction(path)
    with h5py.File(tmp_path / "data.cxi", "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = np.ones((4, 4))
    with pytest.raises(
        ValueError, match="holds no reconstructions: there is no entry_1/image_1/data"
    ):
        read_reconstruction(tmp_path / "data.cxi")


@pytest.mark.parametrize("content", [b"", b"text " * 400, None], ids=["empty", "text", "truncated"])
def test_a_damaged_reconstruction_is_refused(tmp_path, content):
    path = tmp_path / "found.cxi"
    write_reconstruction(path, np.ones((1, 64, 64)))
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(OSError, match=r"found\.cxi cannot be read as HDF5"):
        read_reconstruction(path)
    with pytest.raises(OSError, match=r"gone\.cxi does not exist"):
        read_reconstruction(tmp_path / "gone.cxi")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("found.h5", np.ones((1, 4))), {}, "does not end in .cxi"),
        (("found.cxi", np.ones(4)), {}, "Expected 2D array|Reshape your data"),
        (("found.cxi", np.full((1, 4), np.nan)), {}, "contains NaN"),
        (
            ("found.cxi", np.ones((1, 4))),
            {"supports": np.ones((1, 3))},
            r"supports have shape \(1, 3\)",
        ),
        (
            ("found.cxi", np.ones((1, 4))),
            {"magnitudes": np.ones((2, 8))},
            "2 magnitudes do not match 1 objects",
        ),
        (
            ("found.cxi", np.ones((1, 4))),
            {"distance": -1},
            "distance=-1 is not valid; give metres > 0",
        ),
        (
            ("found.cxi", np.ones((1, 4))),
            {"pixel_size": (1, 2, 3)},
            "pixel_size=.* is not valid; give a pair",
        ),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(tmp_path, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        write_reconstruction(tmp_path / arguments[0], arguments[1], **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="cannot be written"):
        write_reconstruction(tmp_path / "gone" / "found.cxi", np.ones((1, 4)))


@pytest.mark.parametrize("geometry", [{"pixel_size": 75e-6}, {"distance": "1 m"}])
def test_a_geometry_that_is_none_is_refused(tmp_path, geometry):
    ((name, value),) = geometry.items()
    with pytest.raises(ValueError, match=f"{name}={value!r} is not valid; give"):
        write_reconstruction(tmp_path / "a.cxi", np.ones((1, 4, 4)), **geometry)


def test_the_whole_geometry_goes_into_the_file_and_comes_back(tmp_path):
    angles = {"eta": (0.1, 0.1234567890123456), "delta": 0.5}
    geometry = Geometry(
        1.3776e-10,
        0.635,
        (55e-6, 50e-6),
        angles,
        {"wavelength": "entry/beam/energy", "eta": "motor_pos"},
    )
    write_reconstruction(tmp_path / "a.cxi", np.ones((2, 4, 4)), geometry=geometry, distance=0.7)
    found = read_reconstruction(tmp_path / "a.cxi").geometry
    assert (found.wavelength, found.distance, found.pixel_size) == (1.3776e-10, 0.7, (55e-6, 50e-6))
    assert found.angles == angles
    assert (found.sources["wavelength"], found.sources["eta"], found.sources["distance"]) == (
        *("entry/beam/energy", "motor_pos"),
        "given",
    )
    with h5py.File(tmp_path / "a.cxi") as file:
        assert file["entry_1/instrument_1/detector_1/distance"].attrs["units"] == "m"


def test_the_geometry_of_a_measurement_is_that_of_its_reconstruction(tmp_path):
    with h5py.File(tmp_path / "data.cxi", "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = np.ones((1, 16, 16))
        file["entry_1/instrument_1/detector_1/distance"] = 500.0
        file["entry_1/instrument_1/detector_1/distance"].attrs["units"] = "mm"
        file["entry_1/instrument_1/source_1/energy"] = 9000.0
        file["entry_1/instrument_1/source_1/energy"].attrs["units"] = "eV"
    measured = read_diffraction(tmp_path / "data.cxi")
    write_reconstruction(tmp_path / "a.cxi", np.ones((1, 4, 4)), geometry=measured.geometry)
    found = read_reconstruction(tmp_path / "a.cxi")
    assert (found.wavelength, found.distance, found.pixel_size) == (measured.wavelength, 0.5, None)
    assert found.geometry.sources == measured.geometry.sources


def test_swapped_arguments_are_told_in_one_sentence(tmp_path):
    with pytest.raises(
        TypeError,
        match=r"give write_reconstruction\(path, objects\), in this order: the two are swapped",
    ):
        write_reconstruction(np.ones((1, 4, 4)), tmp_path / "a.cxi")
    with pytest.raises(TypeError, match="path=int is not the name of a file"):
        write_reconstruction(3, np.ones((1, 4, 4)))


@pytest.mark.parametrize("space", ["diffraction", "reciprocal"])
def test_a_pattern_that_is_called_an_image_is_no_reconstruction(tmp_path, space):
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/image_1/data"] = np.ones((4, 32, 32))
        file["entry_1/image_1/data_space"] = space
    with pytest.raises(
        ValueError, match=f"image_1 is a pattern in {space} space; read_diffraction reads it"
    ):
        read_reconstruction(tmp_path / "a.cxi")


def test_reconstructions_of_different_shapes_are_no_batch(tmp_path):
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/image_1/data"] = np.ones((4, 4))
        file["entry_1/image_2/data"] = np.ones((4, 5))
    with pytest.raises(
        ValueError, match=r"reconstructions of different shapes: \(4, 4\), \(4, 5\)"
    ):
        read_reconstruction(tmp_path / "a.cxi")


def test_any_name_of_an_angle_comes_back(tmp_path):
    angles = {"phi": 0.1, "stage/top": 0.2, "..": 0.3, "": 0.4, "50%/2F": (0.1, 0.2), "50%": 0.6}
    geometry = Geometry(angles=angles, sources={"stage/top": "motors/1", "phi": "motors/2"})
    write_reconstruction(tmp_path / "a.cxi", np.ones((2, 4, 4)), geometry=geometry)
    found = read_reconstruction(tmp_path / "a.cxi").geometry
    assert found.angles == angles
    assert (found.sources["stage/top"], found.sources["phi"]) == ("motors/1", "motors/2")


@pytest.mark.parametrize(
    "supports", [np.full((2, 4, 4), np.nan), np.full((2, 4, 4), "in"), np.ones((2, 4, 4)) * 1j]
)
def test_supports_that_say_nothing_are_refused(tmp_path, supports):
    with pytest.raises(
        ValueError, match="supports hold values that are neither inside nor outside"
    ):
        write_reconstruction(tmp_path / "a.cxi", np.ones((2, 4, 4)), supports=supports)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(OSError, match=r"a\.cxi cannot be written: there is no folder .*gone$"):
        write_reconstruction(tmp_path / "gone" / "a.cxi", np.ones((2, 4, 4)))


def test_files_of_another_kind_are_not_called_damaged(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 4, 4)))
    with pytest.raises(
        OSError,
        match=r"a\.npy cannot be read as HDF5, the format of CXI: it begins with b'\\x93NUMPY",
    ) as caught:
        read_reconstruction(tmp_path / "a.npy")
    assert str(caught.value).count("cannot be read") == 1
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/image_1/data"], file["entry_1/image_1/data_space"] = np.ones((4, 4)), 3
    assert read_reconstruction(tmp_path / "a.cxi").data.shape == (1, 4, 4)


CRYSTALS = make_crystals(6, shape=(24, 24), max_phase=3.0, random_state=0).data
MAGNITUDES = FourierMagnitude().fit_transform(CRYSTALS)


@pytest.mark.parametrize("n_samples", [1, 6])
@pytest.mark.parametrize(
    ("mistake", "way"),
    [
        (np.square, r"pass np.sqrt\(magnitudes\)"),
        (
            lambda X: np.fft.ifftshift(X, axes=(1, 2)),
            r"pass np.fft.fftshift\(magnitudes, axes=\(1, 2\)\)",
        ),
        (
            lambda X: np.fft.ifftshift(X**2, axes=(1, 2)),
            r"pass np.fft.fftshift\(np.sqrt\(magnitudes\), axes=\(1, 2\)\)",
        ),
    ],
    ids=["intensities", "corner", "both"],
)
def test_magnitudes_that_are_not_those_of_the_objects_are_pointed_out(
    tmp_path, n_samples, mistake, way
):
    magnitudes = mistake(MAGNITUDES[:n_samples])
    with pytest.warns(
        UserWarning, match=f"^magnitudes are clearly not those of the objects.*{way}"
    ):
        write_reconstruction(tmp_path / "a.cxi", CRYSTALS[:n_samples], magnitudes=magnitudes)
    np.testing.assert_array_equal(read_reconstruction(tmp_path / "a.cxi").magnitudes, magnitudes)


@pytest.mark.parametrize(
    "magnitudes",
    [
        MAGNITUDES,
        MAGNITUDES * 1e30,
        *(PhotonNoise(n, random_state=0).fit_transform(MAGNITUDES) for n in (100, 1e4, 1e7)),
        BeamStop().fit_transform(MAGNITUDES),
        MAGNITUDES[::-1],
        np.full_like(MAGNITUDES, np.nan),
        np.ones_like(MAGNITUDES),
        MAGNITUDES[:, :20],
        np.random.default_rng(0).random((6, 48, 48)),
    ],
    ids=[
        "own",
        "scaled",
        "few",
        "more",
        "many",
        "stop",
        "others",
        "none",
        "flat",
        "cropped",
        "noise",
    ],
)
def test_magnitudes_that_may_be_those_of_the_objects_are_written(tmp_path, magnitudes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_reconstruction(tmp_path / "a.cxi", CRYSTALS, magnitudes=magnitudes)

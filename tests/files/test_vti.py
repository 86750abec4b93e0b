import builtins
import re
import sys

import numpy as np
import pytest
import torch

from skpr.files import _vti, write_vti
from skpr.laboratory import displacement, strain, to_laboratory
from tests.conftest import random_objects

pytest.importorskip("pyevtk")
TYPES = {"Float32": "f4", "Float64": "f8", "UInt8": "u1", "Int64": "i8"}


def read_vti(path):
    """Attributes of the grid, and values by name, as VTK documents the format."""
    head, _, raw = path.read_bytes().partition(b'<AppendedData encoding="raw">')
    raw, head = raw[raw.index(b"_") + 1 :], head.decode()
    grid = dict(re.findall(r'(\w+)="([^"]*)"', re.search(r"<ImageData ([^>]*)>", head)[1]))
    low, high = np.reshape(np.array(grid["WholeExtent"].split(), dtype=int), (3, 2)).T
    values = {}
    points = re.search(r"<PointData[^>]*>(.*)</PointData>", head, flags=re.DOTALL)[1]
    for array in re.findall(r"<DataArray ([^>]*)/>", points):
        about = dict(re.findall(r'(\w+)="([^"]*)"', array))
        start, dtype = int(about["offset"]), np.dtype(TYPES[about["type"]])
        length = int(np.frombuffer(raw, "<u8", 1, start)[0])
        flat = np.frombuffer(raw, dtype, length // dtype.itemsize, start + 8)
        values[about["Name"]] = flat.reshape(high - low + 1, order="F")  # x is fastest
    return grid, values


def numbers(text):
    return [float(word) for word in text.split()]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_amplitudes_and_phases_are_at_their_places(tmp_path, dtype):
    objects = random_objects((4, 5, 6), dtype, 1)
    write_vti(tmp_path / "crystal.vti", objects, voxel_size=(5e-9, 6e-9, 7e-9))
    grid, values = read_vti(tmp_path / "crystal.vti")
    assert numbers(grid["Spacing"]) == pytest.approx([5, 6, 7])  # nanometres
    assert numbers(grid["Origin"]) == pytest.approx([-10, -12, -21])
    assert list(values) == ["amplitude", "phase"]
    np.testing.assert_array_equal(values["amplitude"], np.abs(objects[0]))
    np.testing.assert_array_equal(values["phase"], np.angle(objects[0]))
    assert values["phase"].dtype == objects.real.dtype


def test_real_objects_have_no_phase_and_several_have_numbers(tmp_path):
    objects = random_objects((4, 5, 6), "float32", 2)
    mask = objects > 0.5
    write_vti(
        tmp_path / "o.vti", objects, voxel_size=1e-9, origin=(0, 1e-9, -2e-9), fields={"in": mask}
    )
    grid, values = read_vti(tmp_path / "o.vti")
    assert numbers(grid["Origin"]) == pytest.approx([0, 1, -2])
    assert list(values) == ["amplitude_1", "amplitude_2", "in_1", "in_2"]
    np.testing.assert_array_equal(values["amplitude_2"], objects[1])
    np.testing.assert_array_equal(values["in_1"], mask[0])


def test_a_reconstruction_goes_from_oblique_voxels_to_the_file(tmp_path):
    objects = torch.from_numpy(random_objects((8, 9, 10), "complex64", 1))
    found = to_laboratory(objects, 1e-8 * np.array([[2.0, 0, 1], [0, 2, 0], [0, 0, 2]]))
    q = (0, 0, 2e10)
    fields = {
        "strain": strain(found.objects, found.voxel_size, q),
        "displacement": displacement(found.objects, q),
    }
    write_vti(
        tmp_path / "c.vti",
        found.objects,
        voxel_size=found.voxel_size,
        origin=found.origin,
        fields=fields,
    )
    grid, values = read_vti(tmp_path / "c.vti")
    assert numbers(grid["Origin"]) == pytest.approx([1e9 * one for one in found.origin])
    assert np.isnan(values["strain"]).any()
    for name, field in fields.items():
        np.testing.assert_array_equal(values[name], field[0])


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch, failure):
    path = tmp_path / "crystal.vti"
    write_vti(path, np.ones((1, 2, 3, 4)), voxel_size=1e-9)
    before, writer = path.read_bytes(), _vti._import_pyevtk()

    def fails(*arguments, **options):
        writer(*arguments, **options)
        raise failure

    monkeypatch.setattr(_vti, "_import_pyevtk", lambda: fails)
    with pytest.raises(type(failure)):
        write_vti(path, np.zeros((1, 2, 3, 4)), voxel_size=1e-9)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_replaced_as_cxi_files_are(tmp_path):
    for value in (1.0, 2.0):
        write_vti(tmp_path / "crystal.vti", np.full((1, 2, 3, 4), value), voxel_size=1e-9)
    assert (read_vti(tmp_path / "crystal.vti")[1]["amplitude"] == 2).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "crystal.vtk"}, "path='crystal.vtk' does not end in .vti"),
        ({"objects": np.ones((1, 4, 4))}, r"objects have shape \(1, 4, 4\); a VTK image has three"),
        ({"objects": np.full((1, 2, 2, 2), np.nan)}, "Input objects contains NaN"),
        ({"voxel_size": 0}, "voxel_size=0 is not valid; give metres > 0"),
        ({"voxel_size": (1e-9, 1e-9)}, "voxel_size=.* is not valid; give three numbers"),
        ({"voxel_size": 5.0}, "voxel_size=5.0 is in metres; give 0.01 or less"),
        ({"origin": 0.0}, "origin=0.0 is not valid; give three numbers of metres"),
        ({"origin": (0, 0, np.inf)}, "origin=inf is not valid"),
        (
            {"fields": {"phase": np.ones((1, 4, 4, 4))}},
            "fields has the name 'phase'; .* other than",
        ),
        ({"fields": {"a<b": np.ones((1, 4, 4, 4))}}, "fields has the name 'a<b'"),
        ({"fields": {"u": np.ones((4, 4, 4))}}, r"fields\['u'\] has shape \(4, 4, 4\) and type"),
        ({"fields": {"u": 1j * np.ones((1, 4, 4, 4))}}, r"fields\['u'\] has .* type complex128"),
    ],
    ids=str,
)
def test_mistakes_are_told(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    given = {"path": "c.vti", "objects": np.ones((1, 4, 4, 4)) * 1j, "voxel_size": 1e-9} | change
    with pytest.raises(ValueError, match=message):
        write_vti(given.pop("path"), given.pop("objects"), **given)
    assert not list(tmp_path.iterdir())


def test_fields_have_names(tmp_path):
    objects = np.ones((1, 4, 4, 4))
    with pytest.raises(TypeError, match="fields=.* is not valid; give a dict of names and values"):
        write_vti(tmp_path / "c.vti", objects, voxel_size=1e-9, fields=objects)


def test_paths_are_names():
    with pytest.raises(TypeError, match="path=ndarray is not the name of a file; give write_vti"):
        write_vti(np.ones((1, 4, 4, 4)), "crystal.vti", voxel_size=1e-9)


def test_a_missing_pyevtk_is_told_in_one_sentence(tmp_path, monkeypatch):
    original = builtins.__import__

    def missing(name, *arguments, **options):
        if name.startswith("pyevtk"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    for name in [name for name in sys.modules if name.startswith("pyevtk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        ImportError, match=r"writing VTK images needs pyevtk: pip install 'skpr\[io\]'"
    ):
        write_vti(tmp_path / "crystal.vti", np.ones((1, 4, 4, 4)), voxel_size=1e-9)

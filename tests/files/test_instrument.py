import h5py
import numpy as np
import pytest

from skpr.files._instrument import read_geometry

DETECTOR = "entry_1/instrument_1/detector_1"


def put(file, name, value, units=None, **attributes):
    file[name] = value
    for key, attribute in {"units": units, **attributes}.items():
        if attribute is not None:
            file[name].attrs[key] = attribute


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        yield file


def cxi(file):
    put(file, f"{DETECTOR}/data", np.ones((1, 8, 8)))
    put(file, f"{DETECTOR}/distance", 1500.0, "mm")
    for axis in "xy":
        put(file, f"{DETECTOR}/{axis}_pixel_size", 75.0, "um")
    put(file, "entry_1/instrument_1/source_1/energy", 9.0, "keV")


def test_units_of_a_cxi_file_are_respected(file):
    cxi(file)
    found = read_geometry(file, f"{DETECTOR}/data")
    assert (found.distance, found.pixel_size) == (1.5, (7.5e-5, 7.5e-5))
    assert found.wavelength == pytest.approx(1.3776e-10, rel=1e-5)
    assert found.sources["wavelength"] == "entry_1/instrument_1/source_1/energy"
    assert found.sources["distance"] == f"{DETECTOR}/distance"


def test_links_to_the_frames_lead_to_their_detector(file):
    cxi(file)
    put(file, "entry_1/instrument_1/detector_2/data", np.zeros((1, 8, 8)))
    put(file, "entry_1/instrument_1/detector_2/distance", 3.0)
    for number in (1, 2):
        file[f"entry_1/data_{number}/data"] = h5py.SoftLink(
            f"/entry_1/instrument_1/detector_{number}/data"
        )
    assert read_geometry(file, "entry_1/data_1/data").distance == 1.5
    assert read_geometry(file, "entry_1/data_2/data").distance == 3.0
    assert read_geometry(file, "entry_1/data_2/data").pixel_size is None


def test_an_eiger_master_says_it_without_its_frames(file):
    file["entry/data/data_000001"] = h5py.ExternalLink("missing.h5", "/entry/data/data")
    put(file, "entry/instrument/beam/incident_wavelength", np.float32(1.033), "angstrom")
    put(file, "entry/instrument/detector/detector_distance", np.float32(0.15), "m")
    put(file, "entry/instrument/detector/detectorSpecific/photon_energy", 12002.0, "eV")
    for axis in "xy":
        put(file, f"entry/instrument/detector/{axis}_pixel_size", np.float32(7.5e-5), "m")
    put(file, "entry/sample/goniometer/omega", np.arange(3.0), "degree")
    found = read_geometry(file, "entry/data/data_000001")
    assert (found.wavelength, found.distance, found.pixel_size) == (
        1.033e-10,
        0.15,
        (7.5e-5, 7.5e-5),
    )
    assert found.angles == {"omega": pytest.approx(tuple(np.deg2rad([0, 1, 2])))}


def test_nexus_goes_by_classes_not_by_names(file):
    put(file, "scan/eiger/counts", np.ones((2, 8, 8)))
    put(file, "scan/lab/mono/energy", 8.0, "keV")
    put(file, "scan/lab/ring/energy", 6.0, "GeV")
    put(file, "scan/lab/ring/probe", "x-ray")
    put(
        file,
        "scan/eiger/transformations/back",
        200.0,
        "mm",
        transformation_type="translation",
        vector=[0, 0, 1],
    )
    put(
        file,
        "scan/eiger/transformations/turn",
        30.0,
        "deg",
        transformation_type="rotation",
        vector=[0, 1, 0],
    )
    for name, kind in (
        ("eiger", "NXdetector"),
        ("lab/mono", "NXmonochromator"),
        ("lab/ring", "NXsource"),
    ):
        file[f"scan/{name}"].attrs["NX_class"] = kind
    found = read_geometry(file, "scan/eiger/counts")
    assert found.wavelength == pytest.approx(1.5498e-10, rel=1e-4)
    assert found.distance == 0.2
    assert found.angles["turn"] == pytest.approx(np.pi / 6)
    del file["scan/lab/mono"]
    assert read_geometry(file, "scan/eiger/counts").wavelength is None


def test_electrons_are_no_photons(file):
    put(file, "entry/data/data", np.ones((8, 8)))
    put(file, "entry/source/energy", 300.0, "keV")
    put(file, "entry/source/probe", "electron")
    assert read_geometry(file, "entry/data/data").wavelength is None
    put(file, "entry/source/wavelength", 1.97, "pm")
    assert read_geometry(file, "entry/data/data").wavelength == 1.97e-12


def test_contradictions_and_nonsense_are_said(file):
    cxi(file)
    put(file, "entry_1/instrument_1/source_1/wavelength", 2.0, "A")
    with pytest.warns(
        UserWarning, match="states a wavelength of 2e-10 m, .* corresponds to 1.3776e-10 m"
    ):
        assert read_geometry(file, f"{DETECTOR}/data").wavelength == 2e-10
    file[f"{DETECTOR}/distance"].attrs["units"] = "parsecs and more"
    del file["entry_1/instrument_1/source_1"]
    with pytest.warns(
        UserWarning, match="the unit 'parsecs and more' of the distance 1500 is not known"
    ):
        assert read_geometry(file, f"{DETECTOR}/data").distance is None


def test_a_scan_of_the_energy_has_no_one_wavelength(file):
    put(file, "entry/instrument/beam/incident_wavelength", np.array([1.0, 1.1, 1.2]), "angstrom")
    assert read_geometry(file).wavelength is None
    del file["entry/instrument/beam/incident_wavelength"]
    put(file, "entry/instrument/beam/incident_wavelength", np.array([1.0, 1.00001]), "angstrom")
    assert read_geometry(file).wavelength == pytest.approx(1e-10, rel=1e-4)


@pytest.mark.parametrize("name", [None, "data", "nowhere/at/all"])
def test_files_that_say_nothing_have_an_empty_geometry(file, name):
    file["data"] = np.ones((8, 8))
    file["loop/again"] = h5py.SoftLink("/loop")
    file["broken"] = h5py.SoftLink("/nothing")
    file["detector/distance"] = "far"
    file["detector/x_pixel_size"] = np.ones((2, 0))
    found = read_geometry(file, name)
    assert (found.wavelength, found.distance, found.pixel_size, found.angles) == (
        None,
        None,
        None,
        {},
    )


def test_instruments_beside_the_entry_of_the_frames_are_found(file):
    put(file, "exchange/data", np.ones((2, 8, 8)))
    put(file, "measurement/instrument/detector/pixel_size_x", 5.0, "um")
    put(file, "measurement/instrument/detector/pixel_size_y", 6.0, "um")
    put(file, "measurement/instrument/monochromator/energy", 9000.0, "eV")
    found = read_geometry(file, "exchange/data")
    assert found.pixel_size == (6e-6, 5e-6)
    assert found.wavelength == pytest.approx(1.3776e-10, rel=1e-5)


def test_positions_of_motors_say_the_angles_frame_by_frame(file):
    put(file, "1.1/instrument/detector/data", np.ones((3, 8, 8)))
    put(file, "1.1/instrument/positioners/eta", 10.0, "deg")
    put(file, "1.1/instrument/positioners/delta", 30.0, "deg")
    put(file, "1.1/instrument/positioners/nrj", 9.0, "keV")
    put(file, "1.1/measurement/eta", np.array([10.0, 10.1, 10.2]), "deg")
    put(file, "1.2/instrument/positioners/nrj", 8.0, "keV")
    found = read_geometry(file, "1.1/instrument/detector/data")
    assert found.angles == {
        "eta": pytest.approx(tuple(np.deg2rad([10, 10.1, 10.2]))),
        "delta": pytest.approx(np.pi / 6),
    }
    assert found.wavelength == pytest.approx(1.3776e-10, rel=1e-5)


def test_a_translation_beside_the_detector_is_its_distance(file):
    put(file, "entry/instrument/detector/data", np.ones((8, 8)))
    put(
        file,
        "entry/instrument/transformations/det_z",
        289.3,
        "mm",
        transformation_type="translation",
        vector=[0, 0, 1],
    )
    put(
        file,
        "entry/sample/transformations/sam_z",
        1.0,
        "mm",
        transformation_type="translation",
        vector=[0, 0, 1],
    )
    assert read_geometry(file, "entry/instrument/detector/data").distance == 0.2893


def test_point_detectors_say_no_distance(file):
    cxi(file)
    file["entry_1/copy"] = np.ones((1, 8, 8))
    for name in ("detector_2", "detector_diode"):
        put(file, f"entry_1/instrument_1/{name}/distance", 7.0, "m")
    file["entry_1/instrument_1/detector_2/data"] = np.ones(5)
    assert read_geometry(file, "entry_1/copy").distance == 1.5


@pytest.mark.parametrize("name", ["unit", "Units", "UNITS"])
@pytest.mark.parametrize("spelled", ["mm", b"mm", np.array([b"mm"]), np.array(["mm"], "O")])
def test_the_attribute_of_the_unit_may_have_another_name(file, name, spelled):
    put(file, f"{DETECTOR}/distance", 50.0, **{name: spelled})
    file[f"{DETECTOR}/data"] = np.ones((1, 8, 8))
    assert read_geometry(file, f"{DETECTOR}/data").distance == 0.05


@pytest.mark.parametrize(
    ("text", "units"), [("500 mm", None), (b"0.5", "m"), (np.array([b"0.5"]), None)]
)
def test_lengths_may_be_written_as_text(file, text, units):
    put(file, f"{DETECTOR}/distance", text, units)
    file[f"{DETECTOR}/data"] = np.ones((1, 8, 8))
    assert read_geometry(file, f"{DETECTOR}/data").distance == 0.5

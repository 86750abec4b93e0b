import builtins

import pytest

from skpr.files._units import si, with_unit


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "expected"),
    [
        (1.5, None, "distance", 1.5),
        (1.5, "", "distance", 1.5),
        (1.5, b"m", "distance", 1.5),
        (1.5, "metre", "distance", 1.5),
        (1500, "mm", "distance", 1.5),
        (150, "cm.", "distance", 1.5),
        (75, "um", "pixel size", 7.5e-5),
        (75, "µm", "pixel size", 7.5e-5),
        (75, "\u03bcm", "pixel size", 7.5e-5),
        (75, "microns", "pixel size", 7.5e-5),
        (0.15, "nm", "wavelength", 1.5e-10),
        (1.5, "A", "wavelength", 1.5e-10),
        (1.5, "Angstrom", "wavelength", 1.5e-10),
        (1.5, "\u00c5", "wavelength", 1.5e-10),
        (1, "J", "energy", None),
        (1e-15, "joule", "energy", 1e-15),
        (9000, "eV", "energy", 1.44195897060e-15),
        (9, "keV", "energy", 1.44195897060e-15),
        (9, "KeV", "energy", 1.44195897060e-15),
        (1.5, "Angstroem", "wavelength", 1.5e-10),
        (1.5, "\u00c5".encode("latin-1"), "wavelength", 1.5e-10),
        (75, b"\xb5m", "pixel size", 7.5e-5),
        (150, "m", "distance", 150.0),
        (180, "deg", "angle", 3.14159265358979),
        (180, "degrees", "angle", 3.14159265358979),
    ],
)
@pytest.mark.filterwarnings("ignore:the energy 1 J is not plausible")
def test_units_of_every_spelling_become_si(value, unit, quantity, expected):
    assert si(value, unit, quantity) == (
        None if expected is None else pytest.approx(expected, rel=1e-12)
    )


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "message"),
    [
        (75, None, "pixel size", "the pixel size 75, without a unit and so in m, is not plausible"),
        (1500, None, "distance", "the distance 1500, without a unit and so in m, is not plausible"),
        # plausible in metres, but more likely in other units if the file does not say
        (150, None, "distance", "the distance 150, without a unit and so in m, is not plausible"),
        (0.013, None, "pixel size", "0.013, without a unit and so in m, is not plausible"),
        (0.00135, "", "wavelength", "0.00135, without a unit and so in m, is not plausible"),
        (2.2e-26, "m", "wavelength", "the wavelength 2.2e-26 m is not plausible"),
        (9000, None, "energy", "the energy 9000, without a unit and so in J, is not plausible"),
        (1, "V", "distance", "the unit 'V' of the distance 1 is not known"),
        (
            1,
            "furlongs per (",
            "distance",
            r"the unit 'furlongs per \(' of the distance 1 is not known",
        ),
        (1, "m" * 500, "distance", "the unit 'm{40}' of the distance 1 is not known"),
        (1, "1/angstrom", "wavelength", "the unit '1/angstrom' of the wavelength 1 is not known"),
    ],
)
def test_what_is_no_length_is_left_out_with_a_word(value, unit, quantity, message):
    with pytest.warns(UserWarning, match=message):
        assert si(value, unit, quantity) is None


def test_pint_is_asked_for_only_where_a_unit_needs_it(monkeypatch):
    imported = builtins.__import__

    def without_pint(name, *arguments, **options):
        if name == "pint":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_pint)
    assert si(1.5, "m", "distance") == 1.5
    with pytest.raises(ImportError, match=r"the unit 'mm' needs pint: pip install 'skpr\[io\]'"):
        si(1.5, "mm", "distance")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.25 m", (0.25, "m")),
        ("1e-6_m", (1e-6, "m")),
        ("-.5", (-0.5, None)),
        (7, (7.0, None)),
        ("none", None),
        ("", None),
    ],
)
def test_numbers_of_headers_come_with_their_unit(text, expected):
    assert with_unit(text) == expected

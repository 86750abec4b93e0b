import numpy as np
import pytest
import torch

from skpr.laboratory import displacement, strain, to_laboratory
from skpr.laboratory._strain import phase_slope
from tests.laboratory.simulated import Crystal, places, setting

Q = np.array([1.2e10, -0.8e10, 2.1e10])
SIZES = (4e-9, 5e-9, 6e-9)


def strained(value, shape=(9, 8, 10), phase=0.3):
    """A crystal with one strain everywhere: `u = strain * r` along Q, `x = exp(-i Q . u)`."""
    r = places(np.diag(SIZES), shape)
    return np.exp(1j * (phase - value * r @ Q))[None]


@pytest.mark.parametrize("value", [2e-4, -5e-3, 0.0])
def test_uniform_strain_is_found_everywhere_whatever_wraps(value):
    found = strain(strained(value), SIZES, Q)
    np.testing.assert_allclose(found, value, atol=1e-12)


def test_a_stretched_lattice_has_its_peak_at_a_smaller_momentum_transfer():
    """The sign: the far field of a crystal with strain e is that without, moved by -e Q."""
    shape, value = (32,), 4e-3
    r = (np.arange(32) - 16) * 4e-9
    crystal = np.exp(-1j * value * 2e10 * r)[None]
    frequencies = np.fft.fftfreq(32, 4e-9) * 2 * np.pi
    peak = frequencies[np.abs(np.fft.fft(crystal[0])).argmax()]
    assert peak == pytest.approx(-value * 2e10, abs=np.pi / (32 * 4e-9))
    assert strain(crystal, 4e-9, (2e10,)).mean() == pytest.approx(value)
    assert strain(crystal.conj(), 4e-9, (2e10,), exponent=1).mean() == pytest.approx(value)
    assert strain(crystal, 4e-9, (-2e10,)).mean() == pytest.approx(-value)
    assert shape == crystal.shape[1:]


def test_the_twin_has_the_same_strain_at_the_mirrored_place():
    rng = np.random.default_rng(0)
    phase = np.cumsum(rng.uniform(-1, 1, size=(1, 12, 8, 9)), axis=1)
    crystal = np.exp(1j * phase)
    twin = crystal[:, ::-1, ::-1, ::-1].conj()
    np.testing.assert_allclose(
        strain(twin, SIZES, Q)[:, ::-1, ::-1, ::-1], strain(crystal, SIZES, Q), atol=1e-12
    )


def test_slopes_are_the_smallest_among_three_offsets_of_the_phase():
    phase = np.random.default_rng(1).uniform(-20, 20, size=(2, 40))
    x = torch.from_numpy(np.exp(1j * phase))
    versions = [
        np.diff(np.angle(np.exp(1j * (phase + offset))), axis=1)
        for offset in (0, 2 * np.pi / 3, -2 * np.pi / 3)
    ]
    differences = np.stack(versions)
    smallest = np.take_along_axis(differences, np.abs(differences).argmin(axis=0)[None], axis=0)[0]
    slopes = phase_slope(x, 1, torch.ones_like(x, dtype=torch.bool)).numpy()
    np.testing.assert_allclose(slopes[:, 1:-1], (smallest[:, 1:] + smallest[:, :-1]) / 2)
    np.testing.assert_allclose(slopes[:, [0, -1]], smallest[:, [0, -1]])


def test_strain_is_unknown_outside_of_the_crystal_and_untouched_by_what_is_there():
    crystal, noise = strained(1e-3), np.random.default_rng(0)
    inside = np.zeros(crystal.shape, dtype=bool)
    inside[:, 2:7, 1:6, 3:9] = True
    outside = 0.2 * np.exp(2j * np.pi * noise.random(crystal.shape))
    found = strain(np.where(inside, crystal, outside), SIZES, Q, threshold=0.25)
    np.testing.assert_array_equal(np.isfinite(found), inside)
    np.testing.assert_allclose(found[inside], 1e-3, atol=1e-12)


def test_voxels_without_neighbours_are_unknown():
    crystal = strained(1e-3) * 0
    crystal[0, 4, 4, 4] = 1
    assert np.isnan(strain(crystal, SIZES, Q)).all()
    assert np.isnan(strain(crystal * 0, SIZES, Q, threshold=0)).all()
    assert np.isnan(strain(np.ones((1, 1, 4), dtype=complex), 1e-9, (1e10, 0))).all()
    assert (strain(np.ones((1, 1, 4), dtype=complex), 1e-9, (0, 1e10)) == 0).all()


def test_each_object_has_its_own_threshold():
    crystals = np.concatenate([strained(1e-3), 1e-3 * strained(1e-3)])
    np.testing.assert_allclose(strain(crystals, SIZES, Q), 1e-3, atol=1e-12)


@pytest.mark.parametrize("phase", [0.4, -3.0])
def test_displacement_is_minus_the_phase_over_the_momentum_transfer(phase):
    crystal = 2 * np.exp(1j * phase) * np.ones((2, 3, 4, 5))
    found = displacement(crystal, Q)
    np.testing.assert_allclose(found, -phase / np.linalg.norm(Q))
    np.testing.assert_allclose(displacement(crystal, Q, exponent=1), -found)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_tensors_come_back_as_tensors_and_keep_gradients(dtype):
    crystal = torch.from_numpy(strained(1e-3)).to(dtype).requires_grad_()
    for found in (strain(crystal, SIZES, Q), displacement(crystal, Q)):
        assert found.dtype == crystal.real.dtype
        (gradient,) = torch.autograd.grad(found.square().nansum() * 1e6, crystal)
        assert torch.isfinite(gradient).all()
    assert strain(strained(1e-3).astype("complex64"), SIZES, Q).dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objects": np.ones((1, 4, 4, 4))}, "objects are real, of float64, and have no phase"),
        ({"objects": strained(np.nan)}, "Input objects contains NaN"),
        ({"voxel_size": -1}, "voxel_size=-1 is not valid; give metres > 0"),
        ({"q": 2e10}, "q=20000000000.0 is not valid; give 3 finite numbers"),
        ({"q": (0, 0, 0)}, "q=.* is not valid; give 3 finite numbers that are not all zero"),
        ({"threshold": 1.0}, "threshold=1.0 is not valid; give a number with 0 <= threshold < 1"),
        ({"exponent": 0}, "exponent=0 is not valid; choose -1 or 1"),
        ({"exponent": True}, "exponent=True is not valid"),
        ({"exponent": np.array([1, 1])}, "exponent=array.* is not valid; choose -1 or 1"),
        ({"q": np.array(Q) * 1e-9}, "voxel_size=.* and q=.* do not fit: a voxel would hold .*e-0"),
        ({"voxel_size": 5.0}, r"voxel_size=5.0 and q=.* do not fit: a voxel would hold .*e\+"),
    ],
    ids=str,
)
def test_mistakes_are_told(change, message):
    given = {"objects": strained(0.0), "voxel_size": SIZES, "q": Q} | change
    objects, voxel_size, q = given.pop("objects"), given.pop("voxel_size"), given.pop("q")
    with pytest.raises(ValueError, match=message):
        strain(objects, voxel_size, q, **given)


@pytest.mark.parametrize("rocking_step", [1.87e-4, -1.87e-4])
def test_strain_of_a_simulated_crystal_comes_out_to_five_percent(rocking_step):
    shape = (48, 60, 60)
    axes, q = setting(shape, rocking_step=rocking_step)
    crystal = Crystal(2.8e-7, q, max_phase=5.0)
    found = to_laboratory(crystal(places(axes, shape)).astype(np.complex64)[None], axes)
    strains = strain(found.objects, found.voxel_size, q)[0]
    r = places(np.diag(found.voxel_size), strains.shape)
    inside = np.isfinite(strains)
    errors, truth = strains[inside] - crystal.strain(r)[inside], crystal.strain(r)[inside]
    assert np.sqrt((errors**2).mean() / (truth**2).mean()) < 0.05
    bright = np.abs(found.objects[0]) >= 0.25 * np.abs(found.objects).max()
    assert not (inside & ~bright).any()
    assert inside.sum() > 0.99 * bright.sum()  # few have no neighbour
    assert np.ptp(np.angle(found.objects[0][inside])) > 6.2  # phases wrap


def test_units_that_agree_with_each_other_give_the_same_strain():
    expected = strain(strained(1e-3), SIZES, Q)
    in_nanometres = strain(strained(1e-3), tuple(np.array(SIZES) * 1e9), np.array(Q) * 1e-9)
    np.testing.assert_allclose(in_nanometres, expected, rtol=1e-6)


def test_a_momentum_transfer_that_no_lattice_has_is_doubted():
    with pytest.warns(UserWarning, match="planes .* m apart, which no lattice has"):
        displacement(strained(1e-3), np.array(Q) * 1e-9)

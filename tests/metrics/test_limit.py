import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.detector import PhotonNoise
from skpr.metrics import noise_limit, relative_error
from skpr.metrics._limit import MOST_UNKNOWNS

GRIDS = [
    ((7,), (15,)),
    ((6,), (12,)),
    ((5, 6), (11, 12)),
    ((5, 5), (6, 12)),
    ((3, 4, 4), (6, 9, 8)),
]


def tight_object(shape, dtype, seed=0):
    """An object that cannot move within its support, and the support, which has holes."""
    rng = np.random.default_rng(seed)
    x = rng.random(shape) + 0.2
    if np.dtype(dtype).kind == "c":
        x = x * np.exp(2j * rng.random(shape))
    support = rng.random(shape) < 0.8
    support[(0,) * len(shape)] = support[(-1,) * len(shape)] = True
    return (x * support).astype(dtype), support


def columns(support, fourier_shape, is_complex):
    """Transforms of the unknowns, one by one."""
    basis = np.zeros((support.sum(), *support.shape))
    basis[:, support] = np.eye(len(basis))
    transforms = (
        np.fft.fftn(basis, s=fourier_shape, axes=tuple(range(1, basis.ndim)))
        .reshape(len(basis), -1)
        .T
    )
    return np.hstack([transforms, 1j * transforms]) if is_complex else transforms


def by_brute_force(x, support, fourier_shape, n_photons, known, added):
    """Relative error, squared error a pixel and deviations from the pseudo-inverse of the Fisher
    matrix.
    """
    is_complex = x.dtype.kind == "c"
    F = columns(support, fourier_shape, is_complex)
    values = np.hstack([x[support].real, x[support].imag]) if is_complex else x[support]
    z = F @ values
    s = n_photons / (np.abs(z) ** 2).sum()
    J = ((z / np.abs(z)).conj()[:, None] * F).real
    counts = s * np.abs(z) ** 2
    weights = known.ravel() * counts / (counts + added)
    covariance = np.linalg.pinv(4 * s * J.T @ (weights[:, None] * J), rcond=1e-10, hermitian=True)
    energy = values @ values
    error = (np.trace(covariance) - values @ covariance @ values / energy) / energy
    std = np.zeros(x.shape)
    std[support] = np.sqrt(np.diag(covariance).reshape(-1, support.sum()).sum(axis=0))
    return error, np.trace(covariance) / x.size, std


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("shape", "fourier_shape"), GRIDS)
def test_limit_is_that_of_the_explicit_matrix(shape, fourier_shape, dtype):
    x, support = tight_object(shape, dtype)
    for missing, background, readout_noise in [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0), (0.05, 7.0, 9.0)]:
        unmeasured = np.random.default_rng(3).random(fourier_shape) < missing
        common = {
            "support": support,
            "fourier_shape": fourier_shape,
            "unmeasured": unmeasured,
            "centered": False,
        }
        found = noise_limit(
            x[None], n_photons=1e5, background=background, readout_noise=readout_noise, **common
        )
        expected = by_brute_force(
            x, support, fourier_shape, 1e5, ~unmeasured, background + readout_noise**2
        )
        assert found.relative_error[0] == pytest.approx(expected[0], rel=1e-6)
        assert found.mean_squared_error[0] == pytest.approx(expected[1], rel=1e-6)
        np.testing.assert_allclose(found.std[0], expected[2], rtol=1e-6, atol=1e-12)


def estimates(x, fourier_shape, n_photons, readout_noise, n_draws):
    """Maximum-likelihood estimates from draws of the counts, by Gauss-Newton steps that start at
    the truth.
    """
    rng = np.random.default_rng(0)
    is_complex = x.dtype.kind == "c"
    F = columns(np.ones(x.shape, bool), fourier_shape, is_complex)
    truth = np.hstack([x.real.ravel(), x.imag.ravel()]) if is_complex else x.ravel()
    spectrum = F @ truth
    s = n_photons / (np.abs(spectrum) ** 2).sum()
    expected = s * np.abs(spectrum) ** 2
    shape = (n_draws, len(expected))
    counts = rng.poisson(expected, shape) + readout_noise * rng.standard_normal(shape)
    found = np.tile(truth, (n_draws, 1))
    for _ in range(4):
        z = found @ F.T
        slopes = 2 * s * (z.conj()[:, :, None] * F).real
        weights = 1 / (expected + readout_noise**2)
        matrices = np.swapaxes(slopes, 1, 2) @ (weights[:, None] * slopes)
        right = np.einsum("dka,dk->da", slopes, weights * (counts - s * np.abs(z) ** 2))
        if is_complex:  # no step along the global phase
            n = x.size
            phase = np.hstack([-found[:, n:], found[:, :n]])
            matrices += (
                np.trace(matrices, axis1=1, axis2=2)[:, None, None]
                * phase[:, :, None]
                * phase[:, None]
            )
        found = found + np.linalg.solve(matrices, right[..., None])[..., 0]
    found = found[:, : x.size] + 1j * found[:, x.size :] if is_complex else found
    return found.reshape(n_draws, *x.shape)


@pytest.mark.parametrize("readout_noise", [0.0, 300.0])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("shape", "fourier_shape"), [((5, 5), (10, 11)), ((3, 3, 3), (6, 6, 7))])
def test_estimates_of_maximum_likelihood_scatter_by_the_limit(
    shape, fourier_shape, dtype, readout_noise
):
    rng = np.random.default_rng(1)
    x = rng.random(shape) + 0.3
    x = x * np.exp(2j * rng.random(shape)) if dtype == "complex128" else x
    found = estimates(x, fourier_shape, 1e9, readout_noise, n_draws=200)
    common = {"n_photons": 1e9, "fourier_shape": fourier_shape, "readout_noise": readout_noise}
    limit = noise_limit(x[None], **common)
    truth = np.broadcast_to(x, found.shape)
    assert relative_error(truth, found, flip=False, shift=False) == pytest.approx(
        limit.relative_error[0], rel=0.2
    )
    spread = np.sqrt((np.abs(found - x) ** 2).mean(axis=0))
    np.testing.assert_allclose(spread, limit.std[0], rtol=0.35)


def test_limit_of_each_object_goes_with_its_photons_and_not_with_its_unit():
    x = np.stack([tight_object((6, 7), "float64", seed)[0] for seed in range(3)])
    one = noise_limit(x, n_photons=1e5, support="content")
    more = noise_limit(1e200 * x, n_photons=[1e5, 2e5, 4e5], support="content")
    np.testing.assert_allclose(more.relative_error * [1, 2, 4], one.relative_error)
    np.testing.assert_allclose(more.std * np.sqrt([1, 2, 4])[:, None, None], 1e200 * one.std)
    np.testing.assert_allclose(one.psnr(2.0), 10 * np.log10(4 / one.mean_squared_error))


def test_no_object_has_a_smaller_limit_than_a_photon_an_element():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 10, 10)) + 1j * rng.normal(size=(4, 10, 10))
    # eigenvalues are 1 along the object and 1/2 on average, over 2 n - 1 real unknowns that
    # magnitudes show
    elements = noise_limit(x, n_photons=1e6, oversampling=3.0).relative_error * 1e6
    assert (elements > 99).all()
    assert (elements < 5 * 99).all()
    elements = noise_limit(np.abs(x), n_photons=1e6, oversampling=3.0).relative_error * 1e6
    assert (elements > 49).all()
    assert (elements < 5 * 49).all()


@pytest.mark.parametrize("method", ["matrix", "sampling"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_loose_frame_is_said_to_determine_nothing(dtype, method):
    x = np.zeros((1, 12, 12), dtype)
    x[0, 3:8, 4:9] = tight_object((5, 5), dtype)[0]
    with pytest.warns(
        UserWarning, match=r"objects\[0\] is not determined.*can move within its support"
    ):
        found = noise_limit(x, n_photons=1e6, method=method)
    assert found.is_singular.all()
    assert found.n_null > 1
    assert np.isinf(found.relative_error).all()
    assert np.isinf(found.std).all()
    assert found.psnr(1.0) == -np.inf
    assert not noise_limit(x, n_photons=1e6, support="content", method=method).is_singular.any()


def test_moves_that_no_magnitude_shows_are_counted_as_the_matrix_counts_them():
    x = np.zeros((1, 8, 7))
    x[0, 2:6, 2:5] = np.random.default_rng(0).random((4, 3)) + 0.1
    with pytest.warns(UserWarning, match="can move"):
        moves = noise_limit(x, n_photons=1e6).n_null[0]
    F = columns(np.ones((8, 7), bool), (16, 14), False)
    z = F @ x.ravel()
    J = ((z / np.abs(z)).conj()[:, None] * F).real
    assert moves == (np.linalg.eigvalsh(J.T @ J) < 1e-8).sum() > 0


@pytest.mark.parametrize("method", ["matrix", "sampling"])
def test_what_the_numbers_alone_show_to_be_singular_is_said_to_be(method):
    x = np.random.default_rng(0).random((1, 10, 10))
    stop = np.zeros((20, 20), bool)
    stop[2:18, 2:18] = True
    for objects, settings in [
        (x + x[:, ::-1, ::-1], {}),
        (x, {"unmeasured": stop}),
        (x, {"oversampling": 1.2}),
    ]:
        with pytest.warns(
            UserWarning, match="some change of it changes no measured magnitude by more"
        ):
            found = noise_limit(objects, n_photons=1e6, method=method, **settings)
        assert found.is_singular.all()
        assert found.condition[0] == np.inf


@pytest.mark.parametrize(
    "worse",
    [
        {"unmeasured": np.pad(np.ones((5, 5), bool), ((8, 7), (8, 7)))},
        {"background": 50.0},
        {"readout_noise": 5.0},
        {"fourier_shape": 17},
        {"support": np.ones((10, 12), bool)},
    ],
    ids=lambda worse: next(iter(worse)),
)
def test_what_is_not_known_or_drowned_makes_the_limit_worse(worse):
    x = np.zeros((1, 10, 12))
    x[..., :10] = np.random.default_rng(0).random((10, 10)) + 0.1
    common = {"n_photons": 1e5, "support": "content", "fourier_shape": 20}
    assert (
        noise_limit(x, **common | worse).relative_error
        > 1.05 * noise_limit(x, **common).relative_error
    )


@pytest.mark.parametrize("centered", [True, False])
def test_measured_patterns_tell_photons_grid_and_missing_pixels(centered):
    x = np.random.default_rng(0).random((2, 9, 10))
    magnitudes = FourierMagnitude(centered=centered).fit_transform(x)
    measured = PhotonNoise(1e7, random_state=0).fit_transform(magnitudes)
    measured[:, 8:11, 9:12] = np.nan
    found = noise_limit(x, magnitudes=torch.from_numpy(measured), centered=centered)
    expected = noise_limit(
        torch.from_numpy(x), n_photons=1e7, unmeasured=measured, centered=centered
    )
    np.testing.assert_allclose(found.relative_error, expected.relative_error, rtol=0.01)
    other = noise_limit(x, n_photons=1e7, unmeasured=measured, centered=not centered)
    assert not np.allclose(found.relative_error, other.relative_error, rtol=0.02)


def test_background_of_each_pixel_is_in_the_layout_of_the_pattern():
    x = np.random.default_rng(0).random((1, 6, 7))
    light = 100 * np.random.default_rng(1).random((12, 14))
    found = noise_limit(x, n_photons=1e5, background=light)
    same = noise_limit(x, n_photons=1e5, background=np.fft.ifftshift(light), centered=False)
    assert found.relative_error == pytest.approx(same.relative_error)
    assert found.relative_error != pytest.approx(
        noise_limit(x, n_photons=1e5, background=50.0).relative_error
    )


def test_large_objects_are_sampled(monkeypatch):
    x = np.random.default_rng(0).random((1, 8, 8))
    exact = noise_limit(x, n_photons=1e5)
    monkeypatch.setattr("skpr.metrics._limit.MOST_UNKNOWNS", 63)
    assert MOST_UNKNOWNS > 63
    found = noise_limit(x, n_photons=1e5, n_draws=100)
    assert found.relative_error == pytest.approx(exact.relative_error, rel=0.15)
    assert found.relative_error != exact.relative_error


@pytest.mark.parametrize("method", ["matrix", "sampling"])
def test_one_pixel_and_a_uniform_object_have_a_limit(method):
    for dtype in ("float64", "complex128"):
        x = np.zeros((1, 5), dtype)
        x[0, 2] = 3
        found = noise_limit(x, n_photons=100, support="content", method=method, n_draws=3000)
        assert found.relative_error == pytest.approx(0, abs=1e-12)
        assert found.std[0, 2] == pytest.approx(
            3 / 20, rel=0.1
        )  # half a count's root, relative to the amplitude
    assert 0 < noise_limit(np.ones((1, 6, 6)), n_photons=1e4, method=method).relative_error < 0.1


def test_a_retrieved_object_in_a_loose_frame_is_told_by_its_bright_pixels():
    rng = np.random.default_rng(0)
    x = 1e-5 * rng.random((1, 12, 12))
    x[0, 3:9, 3:9] += rng.random((6, 6)) + 0.1
    with pytest.warns(
        UserWarning, match="above 1. Reason for the first: it can move within its support"
    ):
        found = noise_limit(np.repeat(x, 2, axis=0), n_photons=1e6)
    assert (found.relative_error > 1).all()


def test_too_few_photons_are_said_to_determine_nothing():
    x = np.random.default_rng(0).random((1, 10, 10)) + 0.1
    with pytest.warns(UserWarning, match="photons are too few"):
        found = noise_limit(x, n_photons=20)
    assert not found.is_singular.any()


def test_a_pattern_marks_its_missing_pixels_and_a_complete_one_has_none():
    x = np.random.default_rng(0).random((1, 6, 6))
    pattern = FourierMagnitude().fit_transform(x)[0]
    every = noise_limit(x, n_photons=1e5, unmeasured=pattern)
    assert every.relative_error == noise_limit(x, n_photons=1e5).relative_error
    pattern[6, 6] = np.nan
    assert noise_limit(x, n_photons=1e5, unmeasured=pattern).relative_error > every.relative_error


def test_a_dark_object_is_refused():
    with pytest.raises(ValueError, match=r"objects\[1\] is zero everywhere"):
        noise_limit(np.stack([np.ones((4, 4)), np.zeros((4, 4))]), n_photons=1e5)

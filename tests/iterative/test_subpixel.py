"""Registration to fractions of a pixel."""

import numpy as np
import pytest

from skpr.iterative import combine_reconstructions


@pytest.mark.parametrize("shape", [(24,), (20, 22), (12, 13, 14)], ids=str)
@pytest.mark.parametrize("is_complex", [False, True])
def test_fractions_of_a_pixel_are_brought_together(shape, is_complex):
    centre = [(n - 1) / 2 for n in shape]
    coordinates = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")

    def blob(offset):
        distance = sum(
            ((x - c - offset) / (n / 10)) ** 2
            for x, c, n in zip(coordinates, centre, shape, strict=True)
        )
        values = np.exp(-distance / 2) * (1 + 0.3 * np.sin(coordinates[0] - offset))
        return (
            values * np.exp(1j * (offset + 0.2 * (coordinates[-1] - offset)))
            if is_complex
            else values
        )

    runs = np.stack([blob(offset) for offset in (0.0, 0.3, -0.45, 1.25)])
    errors = [0.1, 0.2, 0.2, 0.2]
    whole = combine_reconstructions(runs, errors=errors, min_correlation=0.5)
    fine = combine_reconstructions(runs, errors=errors, min_correlation=0.5, subpixel=True)
    assert (whole.correlations[1:] < 0.995).any()
    assert (fine.correlations > 0.998).all()
    assert fine.registered.dtype == runs.dtype
    np.testing.assert_allclose(
        fine.registered[1:], np.broadcast_to(runs[0], fine.registered[1:].shape), atol=0.06
    )


def test_what_agrees_already_is_left_as_it_is():
    runs = np.repeat(np.random.default_rng(0).random((1, 8, 9)), 3, axis=0)
    np.testing.assert_array_equal(
        combine_reconstructions(runs, errors=[0, 1, 1], subpixel=True).registered, runs
    )

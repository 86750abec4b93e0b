import numpy as np
import pytest

from skpr.metrics import noise_limit


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({}, "n_photons is missing; give photons per pattern, or magnitudes"),
        ({"n_photons": 0}, "n_photons=0 is not valid"),
        ({"n_photons": "many"}, "n_photons='many' is not valid"),
        ({"n_photons": [1.0, 2.0, 3.0]}, "one number or 2"),
        (
            {"n_photons": 1e5, "magnitudes": np.ones((2, 8, 8))},
            "n_photons and magnitudes are both given",
        ),
        (
            {"magnitudes": np.random.default_rng(0).random((2, 8, 8))},
            r"squares of magnitudes\[0\] are not counts",
        ),
        ({"magnitudes": np.ones((3, 8, 8))}, "2 objects and 3 magnitudes"),
        ({"n_photons": 1e5, "support": "box"}, "support='box' is not valid"),
        ({"n_photons": 1e5, "support": np.ones((3, 4), bool)}, r"support has shape \(3, 4\)"),
        (
            {"n_photons": 1e5, "support": np.eye(4, dtype=bool)},
            r"objects\[0\] is not 0 outside its support",
        ),
        ({"n_photons": 1e5, "fourier_shape": 3}, "do not fit"),
        ({"n_photons": 1e5, "oversampling": 0.5}, "oversampling=0.5 is not valid"),
        ({"n_photons": 1e5, "unmeasured": np.ones((8, 8))}, "True where nothing was measured"),
        (
            {"n_photons": 1e5, "unmeasured": np.ones((8, 8), bool)},
            "no pixel of pattern 0 was measured",
        ),
        ({"n_photons": 1e5, "unmeasured": np.ones((8, 7), bool)}, r"unmeasured has shape \(8, 7\)"),
        ({"n_photons": 1e5, "background": -1.0}, "background=-1.0 is not valid"),
        ({"n_photons": 1e5, "readout_noise": -1.0}, "readout_noise=-1.0 is not valid"),
        ({"n_photons": 1e5, "method": "cg"}, "method='cg' is not valid"),
    ],
)
def test_what_is_not_valid_is_refused(parameters, match):
    x = np.random.default_rng(0).random((2, 4, 4)) + 0.1
    with pytest.raises(ValueError, match=match):
        noise_limit(x, **parameters)

import numpy as np
import pytest
import torch

from skpr.canonicalization import Strategies
from skpr.canonicalization._search import near_unit_scale, search_copy
from tests.conftest import random_objects


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_only_objects_of_extreme_scale_are_scaled_and_by_powers_of_two(dtype):
    x = torch.from_numpy(random_objects((6, 7), dtype, n_samples=6))
    assert near_unit_scale(x) is x
    info = torch.finfo(x.dtype)
    scales = torch.tensor(
        [1e-20, info.tiny, info.tiny * 2**-10, 1e20, info.max / 4, 1.0], dtype=torch.float64
    )
    extreme = (x.to(torch.complex128) * scales[:, None, None]).to(torch.complex128)
    extreme = (extreme if x.is_complex() else extreme.real).to(x.dtype)
    scaled = near_unit_scale(extreme)
    peaks = scaled.abs().flatten(1).amax(dim=1)
    assert ((peaks > 0.2) & (peaks < 2)).all()
    ratio = np.log2((extreme.abs().flatten(1).amax(dim=1) / peaks).double().numpy())
    np.testing.assert_allclose(
        ratio, ratio.round(), atol=1e-3
    )  # the smallest numbers have few digits
    assert torch.equal(scaled[-1], extreme[-1])


@pytest.mark.parametrize(
    ("shift", "boundary", "cut"),
    [
        ("template", "zero", True),
        (None, "zero", True),
        ("box", "circular", True),
        ("template", "circular", False),
    ],
)
def test_the_search_sees_the_content_alone_where_it_matters(shift, boundary, cut):
    x = torch.zeros(3, 8, 8, dtype=torch.float64)
    x[:, 2:5, 3:6] = 1
    noisy = x + 0.01
    seen = search_copy(noisy, Strategies(shift, "moment", None, (boundary,) * 2, background=0.01))
    assert ((seen != 0) == (x != 0)).all() if cut else seen is noisy
    assert search_copy(noisy, Strategies(shift, "moment", None, (boundary,) * 2)) is noisy

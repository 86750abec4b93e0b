import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skpr import FourierMagnitude, GaussianMagnitude, ShiftFlipAugmenter, SymmetryCanonicalizer
from skpr._base import BatchTransformer
from skpr.augmentation import RandomDeformation
from skpr.detector import BeamStop, PhotonNoise

TRANSFORMERS = [
    FourierMagnitude(),
    GaussianMagnitude(random_state=0),
    ShiftFlipAugmenter(random_state=0),
    RandomDeformation(random_state=0),
    SymmetryCanonicalizer(),
    PhotonNoise(random_state=0),
]
every_transformer = pytest.mark.parametrize(
    "transformer", TRANSFORMERS, ids=lambda t: type(t).__name__
)


@every_transformer
def test_transformers_of_batches_share_one_base(transformer):
    assert isinstance(transformer, BatchTransformer)
    tags = get_tags(transformer)
    assert tags.input_tags.three_d_array
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]


@pytest.mark.filterwarnings("ignore:the objects fill their frame")
@every_transformer
def test_a_transformer_is_fitted_once_fit_has_ended(transformer):
    objects = np.random.default_rng(0).random((4, 5, 6))
    with pytest.raises(NotFittedError):
        type(transformer)(**transformer.get_params()).transform(objects)
    assert len(transformer.fit(objects).transform(objects)) == 4


@pytest.mark.parametrize("step", [GaussianMagnitude, PhotonNoise, BeamStop])
def test_a_transformer_without_a_seed_says_that_it_is_not_deterministic(step):
    assert get_tags(step()).non_deterministic
    assert not get_tags(step(random_state=0)).non_deterministic

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import check_orientation

OBJECTS = {
    "image": make_crystals(16, shape=(24, 24), random_state=0).data,
    "complex": make_crystals(16, shape=(24, 24), max_phase=6.0, random_state=0).data,
    "volume": make_crystals(16, shape=(12, 12, 12), random_state=0).data,
    "oblong": np.random.default_rng(0).random((16, 12, 20)),
}
TURNS = {
    "transposed": lambda y: y.swapaxes(1, 2),
    "mirrored": lambda y: np.flip(y, 1),
    "turned": lambda y: np.rot90(y, 1, (1, 2)),
}


def found(X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_orientation(X, y, "a network")
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_what_is_advised_sets_turned_objects_right(kind, turn):
    objects = OBJECTS[kind]
    turned = turn(objects)
    if turned.shape != objects.shape:
        pytest.skip("axes of different lengths cannot be swapped")
    X = FourierMagnitude().fit_transform(objects)
    for pattern in (X, np.fft.ifftshift(X, tuple(range(1, X.ndim)))):
        (message,) = found(pattern, turned)
        advised = eval(
            message.split("give ")[1].split(" in place of y")[0], {"np": np, "y": turned}
        )  # noqa: S307
        assert found(pattern, advised) == []


@pytest.mark.parametrize("kind", OBJECTS)
def test_pairs_as_they_lie_are_ordinary(kind):
    y = OBJECTS[kind]
    X = FourierMagnitude().fit_transform(y)
    noisy = (PhotonNoise(n, random_state=0).fit_transform(X) for n in (30, 1000, 1e5))
    for pattern in (X, *noisy, BeamStop().fit_transform(X), X[:, 4:-4], X[::-1]):
        assert found(pattern, y) == []


@pytest.mark.parametrize(
    "make", [PhaseRetrievalRegressor, lambda **k: make_phase_retriever(simulate=False, **k)]
)
def test_trainings_look_at_the_axes_once(make):
    y = OBJECTS["image"]
    X = FourierMagnitude().fit_transform(y)
    model = make(max_epochs=1, module__hidden_width=8, device="cpu", random_state=0)
    with pytest.warns(UserWarning, match="plainly differ in orientation") as caught:
        model.fit(X, y.swapaxes(1, 2))
    assert len([one for one in caught if "plainly differ" in str(one.message)]) == 1

"""Loading of weights into a network that was never fitted."""

import io

import numpy as np
import pytest
import torch
from skorch.callbacks import Checkpoint

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.detector import BeamStop
from tests import scripts
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 7), "float32", n_samples=40)
    return 3 * FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize("module", ["mlp", "unet"])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_new_network_predicts_what_the_saved_one_did(module, dtype, tmp_path):
    objects = random_objects((8, 7), dtype, n_samples=24)
    magnitudes = BeamStop(3, centered=False).fit_transform(
        FourierMagnitude(centered=False).fit_transform(objects)
    )
    parameters = SMALL | {"magnitude_scaling": "log", "centered": False, "symmetries": "phase"}
    net = PhaseRetrievalRegressor(module, **parameters).fit(magnitudes, objects)
    net.save_params(f_params=tmp_path / "weights.pt", f_optimizer=tmp_path / "optimizer.pt")
    other = PhaseRetrievalRegressor(module, **parameters)
    other.load_params(f_params=tmp_path / "weights.pt", f_optimizer=tmp_path / "optimizer.pt")
    np.testing.assert_array_equal(other.predict(magnitudes), net.predict(magnitudes))
    assert other.score(magnitudes, objects) == net.score(magnitudes, objects)
    fitted = {
        name: value
        for name, value in vars(net).items()
        if name.endswith("_") and not name.startswith("history")
    }
    assert {name for name in fitted if name not in vars(other)} <= {"fit_seed_"}
    trained_on = [one.partial_fit(magnitudes, objects).predict(magnitudes) for one in (net, other)]
    np.testing.assert_array_equal(*trained_on)


@pytest.mark.slow
def test_in_a_new_process(pairs, tmp_path):
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    net.save_params(f_params=tmp_path / "weights.pt")
    np.save(tmp_path / "X.npy", pairs[0])
    script = f"""
import numpy as np
from skpr import PhaseRetrievalRegressor
net = PhaseRetrievalRegressor(module__hidden_width=8)
net.load_params(f_params=r"{tmp_path / "weights.pt"}")
np.save(r"{tmp_path / "found.npy"}", net.predict(np.load(r"{tmp_path / "X.npy"}")))
"""
    (tmp_path / "script.py").write_text(script)
    scripts.run(tmp_path / "script.py", folder=tmp_path)
    np.testing.assert_allclose(
        np.load(tmp_path / "found.npy"), net.predict(pairs[0]), rtol=1e-4, atol=1e-5
    )


def test_from_an_open_file_and_from_a_checkpoint_of_skorch(pairs, tmp_path):
    file = io.BytesIO()
    checkpoint = Checkpoint(monitor="train_loss_best", dirname=tmp_path)
    net = PhaseRetrievalRegressor(callbacks=[checkpoint], **SMALL).fit(*pairs)
    net.save_params(f_params=file)
    file.seek(0)
    first, second = PhaseRetrievalRegressor(**SMALL), PhaseRetrievalRegressor(**SMALL)
    first.load_params(f_params=file)
    second.load_params(checkpoint=checkpoint)
    np.testing.assert_array_equal(first.predict(pairs[0]), net.predict(pairs[0]))
    np.testing.assert_array_equal(second.predict(pairs[0]), net.predict(pairs[0]))
    assert len(second.history) == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"module__hidden_width": 6},
            r"weights do not belong to the network of module='mlp' .*size mismatch",
        ),
        (
            {"magnitude_scaling": "log"},
            "network with magnitude_scaling='sqrt', and cannot be loaded into one with",
        ),
        (
            {"centered": False},
            "of a network with centered=True, and cannot be loaded into one with centered=False",
        ),
    ],
)
@pytest.mark.parametrize("fitted", [False, True])
def test_weights_of_another_network_are_refused(parameters, message, fitted, pairs, tmp_path):
    PhaseRetrievalRegressor(**SMALL).fit(*pairs).save_params(f_params=tmp_path / "weights.pt")
    other = PhaseRetrievalRegressor(**SMALL | parameters)
    if fitted:
        X = pairs[0] if other.centered else np.fft.ifftshift(pairs[0], axes=(1, 2))
        other.fit(X, pairs[1])
    with pytest.raises(ValueError, match=message):
        other.load_params(f_params=tmp_path / "weights.pt")


@pytest.mark.filterwarnings("ignore:X and y passed to")
def test_weights_of_other_shapes_are_refused(pairs, tmp_path):
    PhaseRetrievalRegressor(**SMALL).fit(*pairs).save_params(f_params=tmp_path / "weights.pt")
    other = PhaseRetrievalRegressor(**SMALL).fit(
        pairs[0], np.ascontiguousarray(pairs[1].transpose(0, 2, 1))[:, :, :7]
    )
    with pytest.raises(
        ValueError, match=r"with object_shape=\(8, 7\), and cannot be loaded into one with"
    ):
        other.load_params(f_params=tmp_path / "weights.pt")


def test_files_without_shapes_fit_a_network_that_has_them(pairs, tmp_path):
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    state = {
        name: value for name, value in net.module_.state_dict().items() if name != "_extra_state"
    }
    torch.save(state, tmp_path / "weights.pt")
    other = PhaseRetrievalRegressor(**SMALL | {"random_state": 1})
    with pytest.raises(
        ValueError, match="holds no shapes, .* fit the network before weights are loaded into it"
    ):
        other.load_params(f_params=tmp_path / "weights.pt")
    other.fit(*pairs).load_params(f_params=tmp_path / "weights.pt")
    np.testing.assert_array_equal(other.predict(pairs[0]), net.predict(pairs[0]))

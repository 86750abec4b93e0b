"""Searches and reconstructions on a real cluster of processes, and what becomes of them when one
dies.
"""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.neural._parallel import SharedOrder
from tests import scripts
from tests.conftest import same_seeds_in_workers

SEARCH = """
import json, os, signal, threading
import joblib, numpy as np
from dask.distributed import Client, LocalCluster, SchedulerPlugin
from sklearn.model_selection import GridSearchCV
from skpr import make_phase_retriever


class KillAWorker(SchedulerPlugin):
    # after the sixth computed task, once: data that are being scattered cannot be recovered
    def __init__(self, pids):
        self.pids, self.left, self.killed = pids, 6, None

    def transition(self, key, start, finish, *args, worker=None, **kwargs):
        self.left -= (start, finish) == ("processing", "memory")
        if self.left == 0 and self.killed is None and worker in self.pids:
            self.killed = self.pids[worker]
            os.kill(self.killed, signal.SIGKILL)


def search():
    parameters = {"max_epochs": 10, "module__hidden_width": 64, "device": "cpu"}
    model = make_phase_retriever(**parameters, random_state=0)
    grid = {
        "retrieve__regressor__lr": [1e-4, 3e-4, 1e-3, 3e-3],
        "retrieve__transformer__canonicalize__flip": [None, "moment"],
    }
    return GridSearchCV(model, grid, cv=2, n_jobs=-1, refit=False, error_score="raise")


if __name__ == "__main__":
    x = np.random.default_rng(0).random((200, 8, 8)).astype("float32")
    workers = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with workers as cluster, Client(cluster) as client:
        plugin = KillAWorker(client.run(os.getpid))
        cluster.scheduler.add_plugin(plugin)
        with joblib.parallel_config("dask"):
            scores = search().fit(x, x).cv_results_["mean_test_score"]
    expected = search().set_params(n_jobs=1).fit(x, x).cv_results_["mean_test_score"]
    print(json.dumps([plugin.killed is not None, scores.tolist(), expected.tolist()]))
"""


@pytest.mark.slow
def test_a_search_whose_worker_dies_has_the_same_scores(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "search.py").write_text(SEARCH)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "search.py")],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as in the workers
    )
    assert done.returncode == 0, done.stderr
    killed, scores, expected = json.loads(done.stdout.splitlines()[-1])
    assert killed
    assert len(scores) == 8
    np.testing.assert_array_equal(scores, expected)


TRAINING = """
import json, os, sys
import numpy as np, torch
from torch import distributed
from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.augmentation import RandomDeformation
from skpr.detector import PhotonNoise

torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank = distributed.get_rank()
objects = np.load(sys.argv[1])
parameters = json.loads(sys.argv[2])
if parameters.pop("deform", False):
    parameters["augmenter"] = RandomDeformation()
if parameters.pop("noise", False):
    parameters["detector"] = PhotonNoise(30)
os.environ["STEPS_TO_LIVE"] = str(parameters.pop("dies_after", 10**9))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(256, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.Linear(16, 64),
        )

    def forward(self, features):
        return self.layers(features).view(-1, 1, 8, 8)


class Regressor(PhaseRetrievalRegressor):
    def train_step_single(self, batch, **fit_params):
        # a global variable would be a setting of the training
        left = int(os.environ["STEPS_TO_LIVE"]) - 1
        os.environ["STEPS_TO_LIVE"] = str(left)
        if left < 0:
            os._exit(0)
        return super().train_step_single(batch, **fit_params)


if parameters.pop("normalised", False):
    parameters |= {"module": Network}
    parameters.pop("module__hidden_width")
net = Regressor(device="cpu", mixed_precision=False, **parameters)
net.fit(FourierMagnitude().fit_transform(objects), objects)
values = net.module_.network.state_dict().values()
weights = torch.cat([value.flatten().double() for value in values])
np.savez(f"{sys.argv[3]}/{rank}.npz", weights=weights.numpy(), losses=net.history[:, "train_loss"])
distributed.barrier()
distributed.destroy_process_group()
"""
SMALL = {"module__hidden_width": 16, "max_epochs": 4, "batch_size": 8}


@pytest.fixture
def objects(tmp_path):
    objects = np.random.default_rng(0).random((50, 8, 8)).astype(np.float32)
    np.save(tmp_path / "objects.npy", objects)
    return objects


def train_in_two_processes(folder, **parameters):
    """Weights and losses of each process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "training.py").write_text(TRAINING)
    processes = [
        scripts.start(
            folder / "training.py",
            folder / "objects.npy",
            json.dumps(SMALL | parameters),
            folder,
            folder=folder,
            name=f"process {rank}",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
            WORLD_SIZE="2",
            RANK=str(rank),
        )
        for rank in range(2)
    ]
    for rank, process in enumerate(processes):
        scripts.finish(process, folder, f"process {rank}", timeout=120)
    files = [folder / f"{rank}.npz" for rank in range(2)]
    return [dict(np.load(file)) for file in files if file.exists()]


@pytest.mark.slow
@same_seeds_in_workers
def test_two_processes_come_to_the_weights_of_one(objects, tmp_path):
    np.save(tmp_path / "objects.npy", objects[:48])  # whole batches
    first, second = train_in_two_processes(tmp_path, random_state=0, iterator_train__shuffle=False)
    np.testing.assert_array_equal(first["weights"], second["weights"])
    net = PhaseRetrievalRegressor(
        device="cpu", mixed_precision=False, random_state=0, iterator_train__shuffle=False, **SMALL
    )
    net.fit(FourierMagnitude().fit_transform(objects[:48]), objects[:48])
    alone = torch.cat(
        [value.flatten() for value in net.module_.network.state_dict().values()]
    ).numpy()
    np.testing.assert_allclose(first["weights"], alone, atol=1e-4 * np.abs(alone).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"normalised": True, "batch_size": 10},
        {
            "random_state": 0,
            "early_stopping": True,
            "n_iter_no_change": 2,
            "max_epochs": 40,
            "deform": True,
            "noise": True,
        },
    ],
    ids=["no seed", "early stopping"],
)
def test_two_processes_stay_in_step(parameters, objects, tmp_path):
    first, second = train_in_two_processes(tmp_path, **parameters)
    np.testing.assert_array_equal(first["weights"], second["weights"])
    np.testing.assert_array_equal(first["losses"], second["losses"])
    assert len(first["losses"]) < 40


@pytest.mark.slow
def test_processes_that_were_killed_come_to_the_same_weights(objects, tmp_path):
    parameters = {"random_state": 0, "deform": True, "noise": True, "module__dropout": 0.2}
    whole = train_in_two_processes(tmp_path, **parameters)
    parameters["checkpoint"] = str(tmp_path / "run.checkpoint")
    train_in_two_processes(tmp_path, **parameters, dies_after=17)
    again = train_in_two_processes(tmp_path, **parameters)
    np.testing.assert_array_equal(again[0]["weights"], whole[0]["weights"])
    np.testing.assert_array_equal(again[1]["weights"], whole[0]["weights"])


@pytest.mark.parametrize("n_samples", [7, 8])
def test_shares_hold_every_sample_and_are_equally_long(n_samples, monkeypatch):
    shares = []
    for rank in range(3):
        monkeypatch.setattr("skpr.neural._parallel.n_processes", lambda: 3)
        monkeypatch.setattr("skpr.neural._parallel.process_rank", lambda rank=rank: rank)
        monkeypatch.setattr("skpr.neural._parallel.of_first_process", lambda value: 5)
        shares.append(list(SharedOrder(torch.utils.data.RandomSampler(range(n_samples)))))
    assert {len(share) for share in shares} == {3}
    assert {i for share in shares for i in share} == set(range(n_samples))

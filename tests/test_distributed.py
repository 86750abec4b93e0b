"""Searches and reconstructions on a real cluster of processes, and what becomes of them when one dies."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("distributed")

PROGRAM = """
import json, os, signal, threading
import joblib, numpy as np
from dask.distributed import Client, LocalCluster, SchedulerPlugin
from sklearn.model_selection import GridSearchCV
from skpr import make_phase_retriever


class KillAWorker(SchedulerPlugin):
    # after the second task has ended, once
    def __init__(self, pids):
        self.pids, self.left, self.killed = pids, 2, None

    def transition(self, key, start, finish, *args, worker=None, **kwargs):
        self.left -= finish == "memory"
        if self.left == 0 and self.killed is None and worker in self.pids:
            self.killed = self.pids[worker]
            os.kill(self.killed, signal.SIGKILL)


def search():
    model = make_phase_retriever(max_epochs=30, module__hidden_width=64, random_state=0, device="cpu")
    grid = {
        "retrieve__regressor__lr": [1e-4, 3e-4, 1e-3, 3e-3],
        "retrieve__transformer__canonicalize__flip": [None, "moment"],
    }
    return GridSearchCV(model, grid, cv=2, n_jobs=-1, refit=False, error_score="raise")


if __name__ == "__main__":
    x = np.random.default_rng(0).random((200, 8, 8)).astype("float32")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        plugin = KillAWorker(client.run(os.getpid))
        cluster.scheduler.add_plugin(plugin)
        with joblib.parallel_config("dask"):
            scores = search().fit(x, x).cv_results_["mean_test_score"]
    expected = search().set_params(n_jobs=1).fit(x, x).cv_results_["mean_test_score"]
    print(json.dumps([plugin.killed is not None, scores.tolist(), expected.tolist()]))
"""


def test_a_search_whose_worker_dies_has_the_same_scores(tmp_path):
    (tmp_path / "search.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(tmp_path / "search.py")], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    killed, scores, expected = json.loads(done.stdout.splitlines()[-1])
    assert killed
    assert len(scores) == 8
    np.testing.assert_array_equal(scores, expected)

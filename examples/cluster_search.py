"""Grid search and out-of-core reconstruction on a dask cluster.

The script searches for the best model, then reconstructs patterns that need not fit into memory.
Without arguments, the cluster consists of two processes on this machine. On your own cluster, start
a scheduler and workers, one for each GPU, and give this script the scheduler file::

    dask scheduler --scheduler-file scheduler.json &
    CUDA_VISIBLE_DEVICES=0 dask worker --scheduler-file scheduler.json --nthreads 1 &
    CUDA_VISIBLE_DEVICES=1 dask worker --scheduler-file scheduler.json --nthreads 1 &
    python examples/cluster_search.py --scheduler-file scheduler.json

With SLURM, `dask-jobqueue` starts the workers. Replace the local cluster below by::

    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        queue="gpu",
        cores=4,
        processes=1,
        memory="32GB",
        walltime="04:00:00",
        job_extra_directives=["--gres=gpu:1"],
    )
    cluster.scale(jobs=8)  # eight workers with one GPU each

If a worker dies, nothing is lost: other workers fit its candidates again. Models are seeded, so the
scores are those of a search on one machine.
"""

import argparse
import contextlib
import time

import dask.array
import joblib
import numpy as np
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from skpr import ShiftFlipAugmenter, SymmetryCanonicalizer, make_phase_retriever
from skpr.datasets import load_digit_objects
from skpr.metrics import neg_relative_error_scorer, relative_error


def search(objects, epochs):
    """Compare four ways to break the symmetries at two learning rates."""
    model = make_phase_retriever(max_epochs=epochs, random_state=0)
    grid = {
        "retrieve__transformer__canonicalize": [
            "passthrough",
            SymmetryCanonicalizer("box", "moment"),
            SymmetryCanonicalizer("centroid", "principal"),
            SymmetryCanonicalizer("template", "template"),
        ],
        "retrieve__regressor__lr": [3e-4, 1e-3],
    }
    return GridSearchCV(model, grid, scoring=neg_relative_error_scorer, cv=2, n_jobs=-1).fit(
        objects, objects
    )


def reconstruct(client, retriever, magnitudes):
    """Reconstruct a dask array of patterns block by block, on all workers.

    The result is a lazy dask array of objects.
    """
    sizes = ((n,) for n in retriever.regressor_.object_shape_)
    return magnitudes.map_blocks(
        predict,
        client.scatter(retriever, broadcast=True),
        dtype=np.float32,
        chunks=(magnitudes.chunks[0], *sizes),
    )


def predict(magnitudes, retriever):
    """Reconstruct one block on a worker."""
    return retriever.predict(magnitudes)


def main():
    """Search, then reconstruct."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--scheduler-file", help="scheduler file of a running cluster; default: two local processes"
    )
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    digits = load_digit_objects().data
    objects = ShiftFlipAugmenter(frame_shape=24, random_state=0).fit_transform(digits)
    train, test = objects[: arguments.train], objects[-300:]
    with contextlib.ExitStack() as stack:
        if arguments.scheduler_file:
            client = stack.enter_context(Client(scheduler_file=arguments.scheduler_file))
        else:
            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        start = time.perf_counter()
        with joblib.parallel_config("dask"):
            found = search(train, arguments.epochs)
        workers = len(client.scheduler_info()["workers"])
        print(
            f"{len(found.cv_results_['params'])} candidates on {workers} workers: "
            f"{time.perf_counter() - start:.0f} s"
        )
        for rank in np.argsort(found.cv_results_["rank_test_score"]):
            params = found.cv_results_["params"][rank]
            print(
                f"{-found.cv_results_['mean_test_score'][rank]:.4f}  "
                f"{' '.join(str(v) for v in params.values())}"
            )
        # for patterns on disk, use dask.array.from_zarr(...) or from_array(h5py_dataset)
        patterns = dask.array.from_array(
            found.best_estimator_[:1].transform(test), chunks=(100, -1, -1)
        )
        reconstructions = reconstruct(client, found.best_estimator_[-1], patterns).compute()
        print(
            f"relative error of {len(test)} reconstructions: "
            f"{relative_error(test, reconstructions):.4f}"
        )


if __name__ == "__main__":
    main()

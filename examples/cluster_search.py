"""A grid search, and a reconstruction of more patterns than fit into memory, on a dask cluster.

Without arguments, the cluster is two processes of this machine. On a cluster of yours, start a
scheduler and workers, one for each GPU, and give this script the scheduler's address::

    dask scheduler --scheduler-file scheduler.json &
    CUDA_VISIBLE_DEVICES=0 dask worker --scheduler-file scheduler.json --nthreads 1 &
    CUDA_VISIBLE_DEVICES=1 dask worker --scheduler-file scheduler.json --nthreads 1 &
    python examples/cluster_search.py --scheduler-file scheduler.json

With SLURM, `dask-jobqueue` starts the workers; in place of the local cluster below, write::

    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        queue="gpu",
        cores=4,
        processes=1,
        memory="32GB",
        walltime="04:00:00",
        job_extra_directives=["--gres=gpu:1"],
    )
    cluster.scale(jobs=8)  # eight workers, a GPU each

A worker that dies takes nothing with it: its candidates are fitted again by others. Models are
seeded, so the scores are those of a search on one machine."""

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
    """Eight candidates: four ways to break the symmetries, at two learning rates."""
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
    """Reconstructions of a dask array of patterns, block by block, wherever there is a worker: a
    dask array.
    """
    sizes = ((n,) for n in retriever.regressor_.object_shape_)
    return magnitudes.map_blocks(
        predict,
        client.scatter(retriever, broadcast=True),
        dtype=np.float32,
        chunks=(magnitudes.chunks[0], *sizes),
    )


def predict(magnitudes, retriever):
    """What a worker does with a block."""
    return retriever.predict(magnitudes)


def main():
    """Search, then reconstruct."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--scheduler-file", help="of a running cluster; two local processes if not given"
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
        # patterns on disk or in a store would be dask.array.from_zarr(...) or
        # from_array(h5py_dataset)
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

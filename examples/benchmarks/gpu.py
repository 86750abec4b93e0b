"""Figures of a GPU: iterations, training, prediction, transformers and whole experiments.

Every figure is printed as one line of JSON as soon as it is known. `--only` names the parts to
measure, so that a run that was cut off can be continued. Without a GPU all sizes are tiny, and the
figures only show that the command works.

An iteration is the difference of two retrievals divided by their difference in length, so it
contains the tests of convergence. It is given beside the real FFT pair of the same batch, and in
passes: the traffic that the bandwidth of a copy would allow in that time, in units of one pass over
the batch. Experiments run the commands of the other benchmarks, side by side, and print their
output.

    PYTHONPATH=. python examples/benchmarks/gpu.py --only copy iterations training
    SKPR_DATA=path/to/data PYTHONPATH=. python examples/benchmarks/gpu.py --only experiments
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
)
from skpr.datasets import load_digit_objects, make_crystals
from skpr.metrics import relative_error

HERE = Path(__file__).parent
IS_GPU = torch.cuda.is_available()
DEVICE = "cuda" if IS_GPU else "cpu"
REPEATS = 5 if IS_GPU else 1
TABLE = "--data fashion-mnist --module unet --trainings canonical --iterations 300"
EXPERIMENTS = {  # commands that run side by side
    "table": f"plot_02_symmetry_breaking.py {TABLE} --train 60000 --test 10000 --epochs 8",
    "not oversampled": "benchmarks/not_oversampled.py --train 59000",
    "complex crystals": "benchmarks/complex_crystals.py --side 128 --train 20000 --epochs 10"
    " --share 1 --jobs 12 --device cuda --trainings canonical",
}
TINY = {
    "table": "plot_02_symmetry_breaking.py --train 64 --test 8 --epochs 1 --iterations 2",
    "not oversampled": "benchmarks/gaussian.py --n 3 --samples 200 --test 50 --epochs 1",
    "complex crystals": "benchmarks/complex_crystals.py --train 64 --test 4 --epochs 1"
    " --iterations 2 --module mlp",
}


def report(figure, **values):
    """Print a figure as a line of JSON."""
    rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}
    print(json.dumps({"figure": figure, **rounded}), flush=True)


def wait():
    """Wait until the GPU has finished all work."""
    if IS_GPU:
        torch.cuda.synchronize()


def seconds(function, calls=1, repeats=REPEATS):
    """Return the median time of a call over some repeats, after a first call."""
    function()
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            function()
        wait()
        times.append((time.perf_counter() - start) / calls)
    return float(np.median(times))


def copy_bandwidth():
    """Return the bandwidth of a copy in bytes per second, reads and writes together."""
    source = torch.zeros(1 << (28 if IS_GPU else 20), device=DEVICE)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / seconds(lambda: target.copy_(source), 10)


def measure_copy():
    """Measure the bandwidth of a copy."""
    report("copy", gigabytes_per_second=copy_bandwidth() / 1e9)


def measure_iterations():
    """Measure iterations beside the FFT pair of their batch."""
    cases = (
        ((1, 128, 2), (64, 128, 2), (1024, 128, 2), (16, 256, 2), (1, 256, 3))
        if IS_GPU
        else ((1, 16, 2), (2, 8, 3))
    )
    bandwidth, few, more = copy_bandwidth(), *((20, 220) if IS_GPU else (10, 20))
    for algorithm in ("hio", "er", "raar", "apg"):
        for n_patterns, side, n_axes in cases:
            shape, axes = [side] * n_axes, tuple(range(1, n_axes + 1))
            objects = torch.rand(n_patterns, *[side // 2] * n_axes, device=DEVICE)
            X = FourierMagnitude(oversampling=2).fit_transform(objects)
            batch = torch.rand(n_patterns, *shape, device=DEVICE)

            def pair(batch=batch, axes=axes, shape=shape):
                return torch.fft.irfftn(torch.fft.rfftn(batch, dim=axes), s=shape, dim=axes)

            unit, times = seconds(pair, 20 if IS_GPU else 1), []
            for n_iter in (few, more):
                model = IterativePhaseRetrieval(
                    [(algorithm, n_iter)],
                    object_shape=objects.shape[1:],
                    constraints="non_negative",
                    n_starts=1,
                    tol=0,
                    random_state=0,
                    device=DEVICE,
                ).fit(X)
                times.append(seconds(lambda model=model, X=X: model.retrieve(X)))
            step = (times[1] - times[0]) / (more - few)
            report(
                f"{algorithm}, {n_patterns} of {side}^{n_axes}",
                microseconds=1e6 * step,
                pairs=step / unit,
                pattern_iterations_per_second=n_patterns / step,
                passes=step * bandwidth / (4 * batch.numel()),
            )


def measure_starts():
    """Measure many starts of one pattern with shrinkwrap."""
    side, n_starts = (256, 16) if IS_GPU else (16, 2)
    objects = np.zeros((1, side // 2, side // 2), np.float32)
    objects[0, 20 * side // 256 :, 30 * side // 256 :] = 1.0
    X, times = FourierMagnitude().fit_transform(objects), []
    lengths = (100, 600) if IS_GPU else (10, 20)
    for n_iter in lengths:
        model = IterativePhaseRetrieval(
            "hio", support="shrinkwrap", n_iter=n_iter, n_starts=n_starts, tol=0, device=DEVICE
        ).fit(X)
        times.append(seconds(lambda model=model: model.retrieve(X)))
    rate = n_starts * (lengths[1] - lengths[0]) / (times[1] - times[0])
    report(f"{n_starts} starts of {side}^2, shrinkwrap", start_iterations_per_second=rate)


def shifted_digits(n_samples):
    """Digits in random places, as arrays of 42 x 42, and their patterns."""
    digits = load_digit_objects(image_size=24).data
    chosen = digits[np.random.default_rng(0).integers(len(digits), size=n_samples)]
    y = ShiftFlipAugmenter(frame_shape=42, random_state=0).fit_transform(chosen)
    return FourierMagnitude().fit_transform(y), y


def by_hand(net, X, y):
    """Train a copy of a network in a plain loop over data on the device, and time an epoch."""
    module = net.module_.train()
    X, y = (torch.from_numpy(values).to(DEVICE) for values in (X, y))
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    size = net.batch_size

    def epoch(n_samples):
        order = torch.randperm(len(X), device=DEVICE)[:n_samples]
        for start in range(0, n_samples, size):
            rows = order[start : start + size]
            with torch.autocast(DEVICE, torch.bfloat16, enabled=net.uses_bfloat16()):
                outputs = module(X[rows])
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            loss = sum((part.float() - y[rows][: len(part)]).square().mean() for part in outputs)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    epoch(min(3 * size, len(X)))
    wait()
    start = time.perf_counter()
    epoch(len(X))
    wait()
    return time.perf_counter() - start


def measure_training():
    """Measure epochs beside a loop written by hand, and predictions."""
    X, y = shifted_digits(20_000 if IS_GPU else 64)
    width = {} if IS_GPU else {"module__hidden_width": 16}
    for module in ("mlp", "unet"):
        net = PhaseRetrievalRegressor(
            module, max_epochs=4, device=DEVICE, random_state=0, verbose=0, **width
        )
        start = time.perf_counter()
        net.fit(X, y)
        whole = time.perf_counter() - start
        # the first epoch also compiles and records
        epoch, loop = float(np.median(net.history[1:, "dur"])), by_hand(net, X, y)
        report(
            f"epoch of {module}",
            seconds=epoch,
            loop_seconds=loop,
            ratio=loop / epoch,
            fit_of_four_seconds=whole,
        )
        time_of_all = seconds(lambda net=net: net.predict(X), repeats=min(REPEATS, 3))
        report(f"predict with {module}", images_per_second=len(X) / time_of_all)


def measure_transformers():
    """Measure the canonicalization of arrays and tensors, and a metric."""
    _, y = shifted_digits(100_000 if IS_GPU else 64)
    crystals = make_crystals(2_000 if IS_GPU else 8, shape=(24, 24), max_phase=3.0, random_state=0)
    crystals = np.pad(crystals.data, ((0, 0), (0, 8), (8, 0)))
    for name, objects in (("digits of 42 x 42", y), ("complex crystals of 32 x 32", crystals)):
        model = SymmetryCanonicalizer().fit(objects[:2_000])
        of_arrays = seconds(lambda model=model, objects=objects: model.transform(objects))
        tensor = torch.from_numpy(objects).to(DEVICE)
        of_tensors = seconds(lambda model=model, tensor=tensor: model.transform(tensor))
        expected = model.transform(torch.from_numpy(objects)).numpy()
        found = model.transform(objects)
        errors = np.abs(found - expected).reshape(len(objects), -1).max(axis=1)
        report(
            f"canonicalize {name}",
            objects_per_second=len(objects) / of_arrays,
            objects_per_second_on_device=len(objects) / of_tensors,
            unlike_cpu=int((errors > 1e-3 * np.abs(expected).max()).sum()),
        )
    part = y[:10_000]
    report(
        f"relative_error of {len(part)}",
        seconds=seconds(lambda: relative_error(part, part[:, ::-1])),
    )


def measure_experiments():
    """Run whole experiments side by side."""
    commands = EXPERIMENTS if IS_GPU else TINY
    start, running = time.perf_counter(), {}
    for name, command in commands.items():
        script, *options = command.split()
        running[name] = subprocess.Popen(
            [sys.executable, HERE.parent / script, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"MPLBACKEND": "agg"},
        )
    for name, process in running.items():
        output, errors = process.communicate()
        report(
            name,
            command=commands[name],
            seconds=time.perf_counter() - start,
            returncode=process.returncode,
            output=(output if process.returncode == 0 else output + errors).splitlines()[-40:],
        )


PARTS = {
    "copy": measure_copy,
    "iterations": measure_iterations,
    "starts": measure_starts,
    "training": measure_training,
    "transformers": measure_transformers,
    "experiments": measure_experiments,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    name = torch.cuda.get_device_name() if IS_GPU else "CPU, tiny sizes"
    report("device", name=name, torch=torch.__version__)
    for part in arguments.only:
        start = time.perf_counter()
        PARTS[part]()
        report("time", part=part, seconds=time.perf_counter() - start)

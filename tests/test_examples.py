"""Every example runs as a user would run it, on little data and few epochs."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests import scripts

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = pytest.mark.slow


def run(script, *options):
    """The standard output of an example."""
    with tempfile.TemporaryDirectory() as folder:
        return scripts.run(EXAMPLES / script, *options, folder=Path(folder))


def run_alone(script, *options):
    """The same of one that starts processes itself or measures memory: a script run in a process of
    its own.
    """
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script if script == "-m" else str(EXAMPLES / script), *map(str, options)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_quick_start(tmp_path):
    printed = run("plot_01_quick_start.py", "--epochs", 2, "--figures", tmp_path)
    assert "after symmetry breaking" in printed
    assert (tmp_path / "plot_01_quick_start.png").stat().st_size > 10_000


def test_symmetry_breaking(tmp_path):
    small = ("--train", 64, "--test", 16, "--epochs", 1, "--figures", tmp_path)
    printed = run("plot_02_symmetry_breaking.py", *small)
    assert printed.count("canonical") == 4
    assert (tmp_path / "plot_02_symmetry_breaking_digits.png").stat().st_size > 5_000


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no Fashion-MNIST")
def test_symmetry_breaking_on_the_papers_data(tmp_path):
    small = (
        "--data",
        "fashion-mnist",
        "--module",
        "unet",
        "--variants",
        "both",
        "--train",
        64,
        "--test",
        16,
    )
    printed = run(
        "plot_02_symmetry_breaking.py",
        *small,
        "--epochs",
        1,
        "--iterations",
        2,
        "--figures",
        tmp_path,
    )
    assert "0.161" in printed
    assert "refined" in printed


def test_symmetry_breaking_of_crystals_has_a_phase_to_break(tmp_path):
    small = ("--data", "crystals", "--train", 48, "--test", 8, "--epochs", 1, "--figures", tmp_path)
    assert run("plot_02_symmetry_breaking.py", *small).count("canonical") == 5


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no cells")
def test_symmetry_breaking_of_cells(tmp_path):
    small = ("--data", "cells", "--train", 48, "--test", 8, "--epochs", 1, "--figures", tmp_path)
    assert run("plot_02_symmetry_breaking.py", *small).count("canonical") == 4


def test_choose_a_strategy(tmp_path):
    small = ("--train", 60, "--epochs", 1, "--folds", 2, "--figures", tmp_path)
    printed = run_alone("plot_03_choose_a_strategy.py", *small)
    assert printed.count("\n") == 10
    assert (tmp_path / "plot_03_choose_a_strategy.png").stat().st_size > 5_000


def test_speed_benchmark():
    printed = run("benchmarks/speed.py", "--objects", 64, "--repeats", 1, "--train", 64)
    assert printed.count("bound") == 3


def test_steps_benchmark():
    options = ("--sizes", "1 of 128^2", "--algorithms", "hio", "er")
    lines = run("benchmarks/steps.py", *options, "--repeats", 1, "--seconds", 0.01).splitlines()
    assert [line.split(",")[0] for line in lines[2:]] == ["real", "complex"]


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no Fashion-MNIST")
@pytest.mark.parametrize("options", [(), ("--dtype", "float64"), ("--phase",)])
def test_invariance_benchmark_counts_no_failure(options):
    assert "failures in all: 0" in run("benchmarks/invariance.py", "--images", 200, *options)


@pytest.mark.parametrize("data", ["digits", "crystals"])
def test_targets_benchmark(data):
    small = "--train", 24, "--test", 4, "--epochs", 2, "--seeds", 0, "--frame", 24
    rows = run("benchmarks/targets.py", "--data", data, *small).splitlines()[2:]
    assert len(rows) == 6
    for row in rows:
        plain, adjusted = (float(value) for value in row[28:].split()[:2])
        assert 0 < adjusted < 1.05
        assert plain > 0


def test_fractions_benchmark():
    small = "--train", 40, "--test", 5, "--epochs", 1, "--blur", 0.6, "--seeds", 0
    rows = [line.split() for line in run("benchmarks/subpixel.py", *small).splitlines()[2:]]
    assert [row[1] for row in rows] == ["raw", "whole", "fractions"]
    assert float(rows[2][2]) < float(rows[1][2])  # variance
    assert float(rows[1][3]) == 0 < float(rows[2][3]) < 0.02  # change of magnitudes


def test_refine(tmp_path):
    printed = run(
        "plot_04_refine.py", "--train", 64, "--test", 8, "--epochs", 1, "--figures", tmp_path
    )
    assert printed.count("symmetry-broken network") == 6
    assert printed.count("random starts") == 5
    assert (tmp_path / "plot_04_refine_digits.png").stat().st_size > 5_000


def test_measured_crystal_says_when_it_is_simulated(tmp_path, monkeypatch):
    monkeypatch.setenv("SKPR_DATA", str(tmp_path))
    small = (
        "--size",
        32,
        "--starts",
        3,
        "--iterations",
        40,
        "--train",
        32,
        "--epochs",
        1,
        "--figures",
        tmp_path,
    )
    printed = run("plot_05_measured_crystal.py", *small)
    assert printed.startswith("SIMULATED, for want of data: pattern of shape (32, 32, 32)")
    assert printed.count("on held-out pixels") == 3
    assert (tmp_path / "plot_05_measured_crystal.png").stat().st_size > 10_000


@pytest.mark.skipif(
    "SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no measured crystal"
)
def test_measured_crystal(tmp_path):
    small = ("--size", 64, "--starts", 3, "--iterations", 20, "--train", 0, "--figures", tmp_path)
    assert run("plot_05_measured_crystal.py", *small).startswith(
        "measured: pattern of shape (64, 64, 64)"
    )


def test_photons_and_beam_stop(tmp_path):
    small = ("--train", 48, "--test", 6, "--epochs", 1, "--iterations", 10, "--photons", 1e4, 1e6)
    printed = run("plot_06_photons_and_beam_stop.py", *small, "--figures", tmp_path)
    assert "symmetry-broken network, refined" in printed
    assert "nan" not in printed
    assert (tmp_path / "plot_06_photons_and_beam_stop_digits.png").stat().st_size > 10_000


def test_complex_crystals_benchmark(tmp_path):
    small = (
        "--train",
        32,
        "--test",
        4,
        "--size",
        16,
        "--epochs",
        1,
        "--iterations",
        10,
        "--module",
        "mlp",
    )
    first, again = (
        run("benchmarks/complex_crystals.py", *small, "--keep", tmp_path) for _ in range(2)
    )
    assert first.count("random starts") == 3
    # the second run loads what the first has trained
    assert [line.split()[:-1] for line in first.splitlines()] == [
        line.split()[:-1] for line in again.splitlines()
    ]


def test_crystals_may_be_drawn_when_they_are_read():
    small = ("--train", 60, "--test", 4, "--size", 16, "--epochs", 1, "--iterations", 5)
    small += ("--module", "mlp", "--starts", "--trainings", "canonical", "--drawn")
    printed = run("benchmarks/complex_crystals.py", *small)
    assert "1 epochs, drawn when read" in printed
    assert printed.count("symmetry-broken network") == 2
    assert "nan" not in printed


def test_sizes_benchmark():
    printed = run("benchmarks/sizes.py", "--shapes", "12x12", "56x56", "--train", 8, "--batch", 4)
    small, large = (line.split() for line in printed.splitlines()[2:])
    assert (small[3], large[3]) == ("1", "2")  # levels
    assert 0 < float(small[4]) <= float(large[4]) <= 30  # million weights


@pytest.mark.gpu
def test_gpu_benchmark():
    printed = run("benchmarks/gpu.py")
    figures = {line["figure"]: line for line in map(json.loads, printed.splitlines())}
    parts = "copy", "iterations", "starts", "training", "transformers", "experiments"
    assert [f["part"] for f in map(json.loads, printed.splitlines()) if "part" in f] == [*parts]
    assert figures["complex crystals"]["returncode"] == 0
    assert figures["canonicalize digits of 42 x 42"]["unlike_cpu"] == 0
    assert figures["epoch of mlp"]["ratio"] > 0
    only = run("benchmarks/gpu.py", "--only", "copy").splitlines()
    assert [json.loads(line)["figure"] for line in only] == ["device", "copy", "time"]


def test_gaussian_benchmark():
    printed = run("benchmarks/gaussian.py", "--n", 3, "--samples", 200, "--test", 50, "--epochs", 1)
    assert len(printed.splitlines()) == 10


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no blobs")
def test_photons_benchmark():
    printed = run("benchmarks/photons.py", "--objects", 2, "--photons", 1e5, "--iterations", 20)
    assert printed.count("of 2") == 6


def test_benchmark_without_objects():
    options = ("--data", "digits", "--photons", 0, "--train", 64, "--test", 16, "--epochs", 1)
    lines = run("benchmarks/without_objects.py", *options).splitlines()
    assert "64 good" in lines[1] or "doubtful" in lines[1]
    for targets, line in zip(("canonical", "orbit"), lines[2:4], strict=True):
        with_objects, without, quotient, guessed = map(float, line.split(targets)[1].split())
        assert quotient == pytest.approx(without / with_objects, abs=0.01)
        assert guessed == pytest.approx(without, abs=0.05)


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no images")
def test_natural_benchmark(tmp_path):
    small = ("--sizes", 16, "--crops", 2, "--alphas", 3, "--train-crops", 8, "--epochs", 1)
    model = ("--model", tmp_path / "natural.model", "--starts", 2, "--rounds", 1)
    printed = run("benchmarks/natural.py", *small, *model)
    assert printed.count("  16      3") == 9
    again = run("benchmarks/natural.py", *small, *model, "--rows", "network, 2 starts")
    assert "min" not in again  # the network is read, not trained again
    assert again.count("  16      3") == 1


def test_blind_benchmark():
    printed = run(
        "benchmarks/blind.py", "--patterns", 6, "--settings", "0.1,1.5", "--iterations", 20
    ).splitlines()
    assert [line.split("  ")[0] for line in printed[1:]] == [
        "no setting",
        "threshold 0.1, width 1.5",
    ]


@pytest.mark.skipif(
    "SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no measured crystal"
)
def test_measured_benchmark():
    printed = run("benchmarks/measured.py", "--starts", 2, "--iterations", 5, "--size", 32)
    assert printed.count("agree by .95") == 5
    assert "registered to the best" in printed


def test_laboratory_benchmark():
    small = ("--shape", 32, 40, 40, "--phases", 3, "--ramps", 0)
    printed = run("benchmarks/laboratory.py", *small).splitlines()[2:]
    assert [line.split()[2] for line in printed] == ["to_laboratory", "linear", "cubic"]
    facets, _, worst, strain, deep, _ = map(float, printed[0].split()[4:])
    assert facets == 8
    assert worst < 0.5  # degrees
    assert deep < strain < 0.05


def test_coverage_benchmark():
    printed = run("benchmarks/coverage.py", "--objects", 1, "--photons", 1e5, "--iterations", 20)
    assert len(printed.splitlines()) == 3


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no blobs")
def test_iterative_benchmark():
    printed = run("benchmarks/iterative.py", "--iterations", 10, "--repeats", 1)
    assert "complex objects" in printed
    assert "cohere_core" in printed  # its figures, or that it is not installed


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no Fashion-MNIST")
def test_published_setting_benchmark():
    assert ".0646" in run("benchmarks/not_oversampled.py", "--images", 16, "--iterations", 20)


def test_published_setting_benchmark_on_other_images(tmp_path):
    small = ("--images", 4, "--iterations", 2, "--train", 96, "--held-out", 4, "--epochs", 1)
    steps = ("--steps", 0, 5)
    images = np.random.default_rng(0).integers(0, 256, (120, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, x_test=images[:8])
    for _ in range(2):  # trained, and kept
        printed = run(
            "benchmarks/not_oversampled.py",
            *small,
            *steps,
            "--data",
            tmp_path / "images.npz",
            "--keep",
            tmp_path,
        )
        assert "network, fine-tuned" in printed
        assert "network trained on 96 images" in printed
        assert "by steps of fine-tuning: 0: " in printed


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no Fashion-MNIST")
def test_generalization_benchmark(tmp_path):
    small = (
        "--train",
        48,
        "--images",
        4,
        "--epochs",
        1,
        "--iterations",
        3,
        "--module",
        "mlp",
        "--keep",
        tmp_path,
    )
    first, again = (run("benchmarks/generalization.py", *small) for _ in range(2))
    assert first.count("random starts, iterated") == 3
    assert "nan" not in first
    assert first.split("fashion,")[1] == again.split("fashion,")[1]


@pytest.mark.skipif("SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no Fashion-MNIST")
def test_cost_benchmark():
    printed = run(
        "benchmarks/cost.py", "--train", 48, "--images", 8, "--epochs", 1, "--iterations", 3
    )
    assert "unet, single pass" in printed
    assert "hio, " in printed


def test_backgrounds_benchmark():
    printed = run(
        "benchmarks/backgrounds.py",
        "--objects",
        40,
        "--iterations",
        20,
        "--kinds",
        "crystals",
        "crystals 1-D",
    )
    assert printed.count("exact darkness") == 2
    assert "retrieved, 1e+05 photons" in printed


def test_cluster_search():
    pytest.importorskip("distributed")
    printed = run_alone("cluster_search.py", "--train", 48, "--epochs", 1)
    assert "8 candidates on 2 workers" in printed
    assert printed.count("SymmetryCanonicalizer(") == 6
    assert 0 < float(printed.split()[-1]) < 1


def test_distributed_training():
    small = ("--train", 64, "--epochs", 1)
    engine = ("-m", "torch.distributed.run", "--nproc-per-node", 2)
    printed = run_alone(*engine, EXAMPLES / "distributed_training.py", *small)
    first, second = sorted(line for line in printed.splitlines() if line.startswith("process "))
    assert first.split(":")[1] == second.split(":")[1]


def test_larger_than_memory_benchmark(tmp_path):
    for name in ("objects.npy", "objects.h5"):
        small = ("--file", tmp_path / name, "--gigabytes", 0.02, "--width", 8, "--limit", 3)
        printed = run_alone("benchmarks/larger_than_memory.py", *small)
        assert "1310 objects of (64, 64)" in printed
        assert "limit: " in printed


def test_stack_larger_than_memory_benchmark(tmp_path):
    printed = run_alone(
        "benchmarks/stack_larger_than_memory.py", "--folder", tmp_path, "--gigabytes", 1
    ).splitlines()[1:]
    assert len(printed) == 3
    for line in printed:
        imported, most = map(float, line.split()[-2:])
        assert most - imported < 0.2  # of one gigabyte
    assert not list(tmp_path.iterdir())


def test_endurance_benchmark():
    pytest.importorskip("skops")
    printed = run_alone(
        "benchmarks/endurance.py", "--predictions", 20000, "--inputs", 300, "--files", 30
    )
    assert "accepted" not in printed
    assert printed.count("Error") == 2  # of two kinds, and nothing else was raised
    assert "30 of 30 damaged model files refused" in printed
    memory = [float(mark) for mark in printed.split("[MiB]: ")[1].splitlines()[0].split()]
    assert memory[-1] < 1.1 * memory[1]

import numpy as np
import torch

from skpr.datasets import make_crystals
from skpr.iterative._loop import Shrinkwrap, run_schedule
from skpr.measurement import Measurement


def crystals(n_samples=4):
    """Normalised problem, and the crystals it is made of: on the grid, and in their units."""
    objects = torch.from_numpy(make_crystals(n_samples, shape=(16, 16), random_state=0).data)
    magnitudes = torch.from_numpy(
        np.abs(np.fft.fft2(objects.numpy(), s=(32, 32))).astype(np.float32)
    )
    problem = Measurement(magnitudes, (16, 16), "non_negative")
    x = torch.zeros(n_samples, 32, 32)
    x[problem.inside] = problem.to_normalized(objects)
    return problem, x, objects


def test_every_sample_is_stored_once_and_in_its_place():
    problem, x, objects = crystals()
    x[1], x[3] = torch.rand((32, 32)), torch.rand((32, 32))
    found, stored = torch.zeros_like(objects), []

    def store(index, values, errors, n_done, kernels, supports):
        stored.extend((int(i), n_done) for i in index)
        found[index] = values

    run_schedule(problem, problem.from_grid(x), [("er", 25, 1.0)], 1e-4, store)
    assert sorted(stored) == [(0, 1), (1, 25), (2, 1), (3, 25)]
    torch.testing.assert_close(found[::2], objects[::2], rtol=0, atol=1e-3)


def test_samples_that_leave_do_not_disturb_those_that_stay():
    for name in ("hio", "apg", "admm"):
        found = {}
        for label, keep in (("together", [0, 1, 2, 3]), ("alone", [1, 3])):
            problem, x, objects = crystals()
            generator = torch.Generator().manual_seed(0)
            x[1], x[3] = torch.rand((2, 32, 32), generator=generator)
            problem.keep(torch.tensor(keep))
            values = torch.zeros_like(objects)

            def store(index, done, errors, n_done, kernels, supports, values=values, keep=keep):
                values[torch.tensor(keep)[index]] = done

            run_schedule(problem, problem.from_grid(x[keep]), [(name, 30, 0.9)], 1e-4, store)
            found[label] = values[[1, 3]]
        torch.testing.assert_close(found["together"], found["alone"], rtol=0, atol=1e-3)


def test_shrinkwrap_narrows_its_blur_down_to_the_last_width():
    problem, x, _ = crystals(1)
    wrap = Shrinkwrap(*torch.tensor([[3.0], [1.0], [0.2]]))
    sizes = []
    for n_updates in (1, 50, 500, 5000):
        wrap.update(problem, x[problem.inside], n_updates)
        sizes.append(int(problem.support.sum()))
    assert sizes[0] > sizes[1] > sizes[2] == sizes[3]

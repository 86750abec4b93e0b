"""Drivers of other packages for the benchmark of iterative algorithms.

Each function runs one package on the whole set. It takes centred magnitudes (n, 128, 128), supports
(n, 64, 64), a number of iterations and a seed, and returns objects (n, 64, 64). QoraPhase, which
needs JAX and Python 3.12, is not included.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import torch


def on_grid(supports, grid):
    """Pad supports to the Fourier grid, in its corner."""
    return np.pad(
        supports, [(0, 0)] + [(0, m - n) for m, n in zip(grid, supports.shape[1:], strict=True)]
    )


def cropped(found, supports):
    """Return the modulus inside the supports, cropped to their frame."""
    height, width = supports.shape[1:]
    return (np.abs(np.asarray(found))[:, :height, :width] * supports).astype(np.float32)


def scaled(image, pattern):
    """Scale an image, normalised in any way, to the units of its pattern."""
    return np.asarray(image) * np.linalg.norm(pattern) / np.linalg.norm(np.fft.fft2(image))


def deepinv(magnitudes, supports, n_iter, seed):
    """Run projected gradient with positivity and support by deepinv.

    It uses deepinv's AmplitudeLoss and PhaseRetrieval physics, on all objects as one batch.
    """
    import deepinv as package

    grid = magnitudes.shape[1:]
    mask = torch.from_numpy(on_grid(supports, grid))[:, None]
    physics = package.physics.PhaseRetrieval(
        package.physics.LinearPhysics(
            A=lambda v, **_: torch.fft.fft2(v, norm="ortho"),
            A_adjoint=lambda v, **_: torch.fft.ifft2(v, norm="ortho"),
        )
    )
    loss = package.optim.data_fidelity.AmplitudeLoss()
    scale = float(np.sqrt(np.prod(grid)))
    intensity = torch.from_numpy(np.fft.ifftshift(magnitudes / scale, axes=(1, 2)))[
        :, None
    ].square()
    x = torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed)) * mask
    with torch.no_grad():
        for _ in range(n_iter):
            # the gradient of the squared moduli is twice the distance to the projection
            x = (x - 0.5 * loss.grad(x.to(torch.complex64), intensity, physics).real).clamp_min(
                0
            ) * mask
    return cropped(x[:, 0].numpy(), supports)


def cohere_core(magnitudes, supports, n_iter, seed):
    """Run HIO, and error reduction for the last tenth, by cohere_core.

    Objects are retrieved one by one by the NumPy back end. The package does not offer positivity.
    """
    from cohere_core.controller.phasing import Rec

    found = []
    np.random.seed(seed)  # noqa: NPY002 - its own generator is the global one
    for pattern, mask in zip(magnitudes, on_grid(supports, magnitudes.shape[1:]), strict=True):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            np.save(Path(folder) / "data.npy", pattern)
            np.save(Path(folder) / "support.npy", mask.astype(np.float32))
            last = n_iter // 10
            settings = {"algorithm_sequence": f"{n_iter - last}*HIO+{last}*ER", "hio_beta": 0.9}
            run = Rec(settings, str(Path(folder) / "data.npy"), "np", debug=True)
            run.init_dev(-1)
            run.init_iter_loop(folder)
            run.iterate()
            found.append(scaled(run.ds_image, pattern))
    return cropped(found, supports)


def skbeam(magnitudes, supports, n_iter, seed):
    """Run the difference map by scikit-beam, one object after another.

    The mode is complex, without shrinkwrap.
    """
    from skbeam.core.cdi import cdi_recon

    rng = np.random.default_rng(seed)
    found = []
    for pattern, mask in zip(magnitudes, on_grid(supports, magnitudes.shape[1:]), strict=True):
        start = mask * np.exp(2j * np.pi * rng.random(mask.shape))
        with contextlib.redirect_stdout(io.StringIO()):
            image, _ = cdi_recon(
                pattern, start, mask.astype(int), sw_flag=False, n_iterations=n_iter
            )
        found.append(scaled(image, pattern))
    return cropped(found, supports)


PEERS = {"deepinv": deepinv, "cohere_core": cohere_core, "skbeam": skbeam}

"""Data-parallel training in several processes.

A process is one of several where `torch.distributed.init_process_group` has been called, as under
`torchrun`. Each process takes its share of every batch, and gradients are averaged, so that all
processes hold the same weights at every step. Where only the order of the samples is random, these
are the weights that one process with whole batches would reach, up to rounding.
"""

import contextlib
import gc

import torch
from skorch.callbacks import Callback
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Sampler

from ._generators import drawn_seed, seeded


def n_processes():
    """Return the number of processes; 1 without a group."""
    return (
        distributed.get_world_size()
        if distributed.is_available() and distributed.is_initialized()
        else 1
    )


def process_rank():
    """Return the index of this process; 0 without a group."""
    return distributed.get_rank() if n_processes() > 1 else 0


def of_first_process(value):
    """Return the first process's value in every process."""
    if n_processes() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def parallel_forward(module):
    """Return a forward pass with gradients averaged over processes.

    With one process only, return None.
    """
    if n_processes() == 1:
        return None
    device = next(module.parameters()).device
    # the bound method, not the wrapper: skorch would register a module attribute a second time
    return DistributedDataParallel(
        module, device_ids=[device] if device.type == "cuda" else None
    ).__call__


@contextlib.contextmanager
def in_step(net):
    """Train in step with other processes inside a context."""
    net._parallel = parallel_forward(net.module_)
    if net._parallel is not None:
        # dropout must differ between processes
        torch.manual_seed(torch.initial_seed() % 2**31 + process_rank())
    try:
        yield
    finally:
        if vars(net).pop("_parallel", None) is not None:
            # otherwise the engine keeps the process group alive beyond the end of the process
            gc.collect()


def drawn_seed_of_all(random_state):
    """Draw one seed for all processes."""
    return of_first_process(drawn_seed(random_state))


def of_all_processes(value):
    """Return the values of all processes in every process."""
    if n_processes() == 1:
        return [value]
    values = [None] * n_processes()
    distributed.all_gather_object(values, value)
    return values


class InStep(Callback):
    """Callback that shares losses and buffers among processes.

    Each process computes losses and batch statistics from its own share of the data and its own
    noise. After every epoch all processes take over those of the first one, so that early stopping
    and learning-rate schedules act alike in all of them.
    """

    def on_epoch_end(self, net, **kwargs):
        """Copy the losses and buffers."""
        if n_processes() == 1:
            return
        names = [name for name in ("train_loss", "valid_loss") if name in net.history[-1]]
        for name, value in of_first_process(
            {name: net.history[-1, name] for name in names}
        ).items():
            net.history.record(name, value)
        for buffer in net.module_.buffers():
            distributed.broadcast(buffer, src=0)


class SharedOrder(Sampler):
    """Share of one process in a common order of samples.

    Every process gets the same number of samples. If they do not divide evenly, the first ones are
    repeated.

    Parameters
    ----------
    order : torch.utils.data.Sampler
        Order of all samples; its random draws, if any, must come from torch's generator.
    """

    def __init__(self, order):
        self.order = order

    def __len__(self):
        return -(-len(self.order) // n_processes())

    def __iter__(self):
        seed = of_first_process(int(torch.randint(2**31 - 1, ())))
        with seeded(seed):
            samples = list(self.order)
        samples += samples[: len(self) * n_processes() - len(samples)]
        return iter(samples[process_rank() :: n_processes()])

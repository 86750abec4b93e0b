"""Training in several processes at once by PyTorch's data-parallel engine.

A process is one of several where `torch.distributed.init_process_group` has been called, as under
`torchrun`. Each takes its share of every batch, and gradients are averaged, so that all have the
same weights at every step: those of one process with whole batches but for rounding, where nothing
is drawn at random but the order of samples."""

import contextlib
import gc

import torch
from skorch.callbacks import Callback
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Sampler

from ._generators import drawn_seed, seeded


def n_processes():
    """Number of processes that train together; 1 outside of a group."""
    return (
        distributed.get_world_size()
        if distributed.is_available() and distributed.is_initialized()
        else 1
    )


def process_rank():
    """Index of this process; 0 for the only one."""
    return distributed.get_rank() if n_processes() > 1 else 0


def of_first_process(value):
    """Send a value of the first process to all; any object that pickles."""
    if n_processes() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def parallel_forward(module):
    """Forward pass whose gradients are averaged over the processes.

    None where there is one process only.
    """
    if n_processes() == 1:
        return None
    device = next(module.parameters()).device
    # skorch keeps a book of the modules that are attributes, in which this one is already
    return DistributedDataParallel(
        module, device_ids=[device] if device.type == "cuda" else None
    ).__call__


@contextlib.contextmanager
def in_step(net):
    """Let a network train in step with those of other processes."""
    net._parallel = parallel_forward(net.module_)
    if net._parallel is not None:
        torch.manual_seed(torch.initial_seed() % 2**31 + process_rank())  # for dropout
    try:
        yield
    finally:
        if vars(net).pop("_parallel", None) is not None:
            gc.collect()  # the engine would hold on to the process group until the process ends, and beyond


def drawn_seed_of_all(random_state):
    """Draw a seed, the same in all processes."""
    return of_first_process(drawn_seed(random_state))


def of_all_processes(value):
    """Gather the values of all processes, in order, in all of them."""
    if n_processes() == 1:
        return [value]
    values = [None] * n_processes()
    distributed.all_gather_object(values, value)
    return values


class InStep(Callback):
    """Copies losses and buffers of the first process to all after an epoch.

    All then stop and slow down as one.

    Losses are those of a process's own share and its own draws of noise, and statistics of batches
    likewise."""

    def on_epoch_end(self, net, **kwargs):
        """Take them over."""
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
    """This process's share of an order of samples that all have in common.

    Every process gets equally many: the first ones come again where they do not divide.

    Parameters
    ----------
    order : torch.utils.data.Sampler
        Draws from torch's generator, if it draws.
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

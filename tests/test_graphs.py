"""Recording of graphs, with a stand-in for CUDA that records its calls."""

import contextlib

import pytest
import torch

from skpr import _graphs


class Stream:
    """Stream that belongs to the device on which it was made, as those of CUDA do."""

    device = None

    def __init__(self):
        self.device = Cuda.device

    def wait_stream(self, other):
        pass


class Cuda:
    """Notes about devices, streams and recordings."""

    device, recorded = 0, None

    @classmethod
    @contextlib.contextmanager
    def entered(cls, device):
        before, cls.device = cls.device, device
        yield
        cls.device = before

    @classmethod
    @contextlib.contextmanager
    def graph(cls, graph, stream=None, **options):
        stream = cls.default if stream is None else stream
        cls.recorded.append((cls.device, stream.device))
        yield


class Graph:
    def replay(self):
        pass


class Tensor(torch.Tensor):
    """Tensor of a GPU in name only."""

    number = 0

    @property
    def device(self):
        return self.number

    def clone(self):
        return self


@pytest.fixture
def cuda(monkeypatch):
    Cuda.device, Cuda.recorded, Cuda.default = 0, [], Stream()
    for name, value in {
        "CUDAGraph": Graph,
        "device": Cuda.entered,
        "graph": Cuda.graph,
        "Stream": Stream,
        "current_stream": Stream,
        "stream": contextlib.nullcontext,
        "get_rng_state": lambda: None,
        "set_rng_state": lambda state: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return Cuda


def test_every_gpu_records_on_a_stream_of_its_own(cuda):
    for number in (0, 1):
        tensor = torch.zeros(2).as_subclass(Tensor)
        tensor.number = number
        _graphs.recorded(lambda values: [values], [tensor])
    assert cuda.recorded == [(0, 0), (1, 1)]

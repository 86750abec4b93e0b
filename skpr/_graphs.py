"""CUDA graphs of functions of tensors.

A graph launches all kernels of a function at once. Where kernels are short, Python would take
longer to launch them than a GPU to run them.
"""

import warnings

import torch


def recorded(function, tensors):
    """Record a function of tensors as a CUDA graph.

    Parameters
    ----------
    function : callable
        Function of tensors that returns a list of tensors, and never waits for the device. Random
        numbers must come from the default generator.
    tensors : list of torch.Tensor
        Tensors like those it will be called with.

    Returns
    -------
    callable
        The same function of tensors of the same shapes. Its results are overwritten by the next
        call. If the GPU cannot record the function, it is returned as it is, with a warning.
    """
    device = tensors[0].device  # streams and graphs belong to the current one
    places = [tensor.clone() for tensor in tensors]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        drawn = torch.cuda.get_rng_state()
        with torch.cuda.stream(stream):  # plans and working arrays are made before the recording
            function(*(tensor.clone() for tensor in tensors))
        current.wait_stream(stream)
        torch.cuda.set_rng_state(drawn)
        try:
            # PyTorch's own stream belongs to the first GPU that recorded, and on another one it
            # would record nothing
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                results = function(*places)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(
                f"this GPU cannot record a CUDA graph here ({error}); kernels are launched one by "
                "one, which is slower for small batches",
                UserWarning,
                stacklevel=2,
            )
            return function

    def replayed(*tensors):
        with torch.cuda.device(device):
            for place, tensor in zip(places, tensors, strict=True):
                place.copy_(tensor)
            graph.replay()
        return results

    return replayed

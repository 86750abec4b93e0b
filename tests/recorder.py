"""A recorder of graphs that runs on the CPU."""


class Recorder:
    """A graph in name only: inputs and outputs stay at fixed places, as those of a graph do."""

    def __init__(self):
        self.n_recorded = self.n_replayed = 0

    def __call__(self, function, tensors):
        self.n_recorded += 1
        places = [tensor.clone() for tensor in tensors]
        results = [result.clone() for result in function(*(tensor.clone() for tensor in tensors))]

        def replayed(*tensors):
            self.n_replayed += 1
            for place, tensor in zip(places, tensors, strict=True):
                place.copy_(tensor)
            for result, value in zip(results, function(*places), strict=True):
                result.copy_(value)
            return results

        return replayed

"""Whole course of a fit, from the first check to the last epoch."""

from .._lazy import LazyBatch
from .._tensors import even_rows, picked, resolve_device
from ..measurement import form_of
from ._building import NetworkBuilder
from ._generators import kept_generators, seed_generators
from ._monitors import check_monitors
from ._parallel import drawn_seed_of_all, in_step
from ._recorded_step import recorded_steps
from ._resumption import ResumableFit
from ._sampling import BatchSampler
from ._steps import BatchSteps, usual_torch
from ._validation import MANY, check_training_data


class NetworkFit(ResumableFit, BatchSampler, NetworkBuilder, BatchSteps):
    """Training of a new network or of the present one, after all checks."""

    def _fit(self, X, y, sample_weight, fit_params, *, anew, resumable):
        """Train a new network (`anew`) or the present one.

        Only a `resumable` training of a new network reads and writes the checkpoint.
        """
        if not anew:
            self.check_unchanged()
        with usual_torch(resolve_device(self.device)):
            X, y, weights = check_training_data(self, X, y, sample_weight, fit_params, reset=anew)
            if anew:
                self._form = form_of(picked(X, even_rows(len(X), MANY)))
            seed = drawn_seed_of_all(self.random_state)
            with kept_generators(), self._running(fit_params, sample_weight=weights):
                if resumable and anew:
                    seed = self._open_checkpoint(X, y, seed)
                seed_generators(seed)
                with self.weighted(weights):
                    self._prepare(X, y, anew)
                    self._train(X, y, fit_params)
        return self

    def _train(self, X, y, fit_params):
        """Run skorch's training, in step with any other processes."""
        check_monitors(self, on_disk=isinstance(X, LazyBatch) or isinstance(y, LazyBatch))
        with in_step(self), recorded_steps(self):
            super().partial_fit(X, y, **fit_params)

"""Adaptation of skorch's regressor to scikit-learn's conventions."""

import contextlib

import torch
from skorch import NeuralNetRegressor

from .._base import MagnitudesMixin
from .._tensors import resolve_device
from .._validation import short, warn_user


class SkorchRegressor(MagnitudesMixin, NeuralNetRegressor):
    """Regressor of skorch with nested parameters and `device="auto"`."""

    def set_params(self, **params):
        """Set parameters, including nested ones."""
        steps = ("augmenter", "detector")
        nested = {
            name: params.pop(name)
            for name in list(params)
            if name.startswith(tuple(f"{s}__" for s in steps))
        }
        for name in [
            name
            for name in params
            if name.split("__")[0] in ("dataset", "iterator_train", "iterator_valid")
        ]:
            setattr(self, name, params.pop(name))
        before = vars(self).get("module_")
        super().set_params(**params)
        if before is not None and self.module_ is not before and len(self.history):
            names = ", ".join(name for name in params if name.startswith("module"))
            warn_user(
                f"{names} set after fit built a new network, with new weights: call fit again "
                "before predict"
            )
        if self.initialized_ and {"early_stopping", "n_iter_no_change"} & set(params):
            self._initialize_callbacks()
        for step in steps:
            own = {
                name.removeprefix(f"{step}__"): nested[name]
                for name in nested
                if name.startswith(f"{step}__")
            }
            if own and getattr(self, step) is None:
                raise ValueError(
                    f"{step}=None has no parameters, but {', '.join(f'{step}__{n}' for n in own)} "
                    "was given"
                )
            if own:
                getattr(self, step).set_params(**own)
        return self

    def resolved(self, name, choices):
        """Return the class or instance that a parameter stands for."""
        value = getattr(self, name)
        if isinstance(value, str) and value in choices:
            return choices[value]
        is_other_class = isinstance(value, type) and not issubclass(value, torch.nn.Module)
        if isinstance(value, str) or not callable(value) or is_other_class:
            valid = ", ".join(repr(choice) for choice in choices)
            raise ValueError(
                f"{name}={short(value)} is not valid; choose {valid} or a torch.nn.Module class"
            )
        return value

    def _get_param_names(self):
        """Return the names of the parameters, without private attributes."""
        return [name for name in super()._get_param_names() if not name.startswith("_")]

    def check_data(self, X, y):
        """Do nothing: `fit` has checked all data before skorch calls this."""

    @property
    def predict_proba(self):
        """Unavailable: `predict` already returns the raw output of a regressor."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba; use predict")

    @contextlib.contextmanager
    def _resolved(self):
        """Set `device` and `verbose` to values that skorch understands."""
        device, verbose = self.device, self.verbose
        self.device, self.verbose = resolve_device(device), False
        try:
            yield
        finally:
            self.device, self.verbose = device, verbose

    def _initialize_module(self, reason=None):
        with self._resolved():
            return super()._initialize_module(reason)

    def _initialize_criterion(self, reason=None):
        with self._resolved():
            return super()._initialize_criterion(reason)

    def __sklearn_is_fitted__(self):
        return self.initialized_

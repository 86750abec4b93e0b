"""Construction of network, loss, optimizer and callbacks."""

import copy
import inspect
from functools import partial

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EpochTimer, GradientNormClipping, PassthroughScoring

from .._base import check_unchanged
from .._tensors import resolve_device
from .._validation import short
from ._augmented import detected, fitted_augmenter, fitted_detector
from ._losses import CRITERIA, arguments_from_data, takes_weights
from ._multilevel import MODULES
from ._parallel import InStep, process_rank
from ._scaling import ScaledNetwork, learn_scaling
from ._skorch import SkorchRegressor
from ._training import Divergence, OneCycle, ProgressLine, best_weights_kept
from ._tuning import tunable_layers

# At the peak learning rate, one gradient far larger than the others can undo epochs of training.
# Clipping keeps its direction and limits its length.
MAX_GRADIENT_NORM = 0.5
WEIGHT_DECAY = 0.2


class NetworkBuilder(SkorchRegressor):
    """Construction of a network and its training tools."""

    usual_weight_decay = WEIGHT_DECAY

    def _prepare(self, X, y, anew):
        """Build a new network, or prepare the present one for more training."""
        if anew:
            self._learn(X, y)
            self.initialize()
        else:
            self._fit_steps(X, y)
        if self.tuning_steps:
            tunable_layers(self.module_.network, self.tuning_steps)
        if self._sample_weight is not None and not takes_weights(self.criterion_):
            raise ValueError(
                f"sample_weight cannot be used with criterion={self.criterion!r}: its forward "
                "takes no sample_weight, and it has no reduction='mean' as torch's losses have"
            )

    def _learn(self, X, y):
        """Learn the statistics that the network's scaling needs."""
        self.generator_ = None
        self.centered_, self.magnitude_scaling_ = self.centered, self.magnitude_scaling
        self._fit_steps(X, y)
        detect = None if self.detector_ is None else partial(detected, self.detector_)
        statistics = learn_scaling(X, y, self.magnitude_scaling, detect, self._sample_weight)
        self.unmeasured_ = statistics.pop("unmeasured")
        self.scaling_statistics_ = {name: value.cpu() for name, value in statistics.items()}

    def _fit_steps(self, X, y):
        """Refit augmenter and detector, whose random draws continue."""
        if self.generator_ is None and (self.augmenter is not None or self.detector is not None):
            seed = int(torch.randint(2**31 - 1, ()))
            self.generator_ = np.random.RandomState((seed + process_rank()) % (2**31 - 1))
        self.augmenter_ = fitted_augmenter(
            self.augmenter, self.generator_, X, y, self.at_fit("centered")
        )
        self.detector_ = fitted_detector(self.detector, self.generator_, X)

    def at_fit(self, name):
        """Return the value of a parameter when the network was built.

        A value set later is refused, or takes effect at the next `fit`.
        """
        return vars(self).get(f"{name}_", getattr(self, name))

    def check_unchanged(self):
        """Refuse parameters changed since the network was built with them."""
        check_unchanged(
            self, {name: self.at_fit(name) for name in ("centered", "magnitude_scaling")}
        )

    def initialize(self):
        """Build network, loss, optimizer and callbacks."""
        if not hasattr(self, "scaling_statistics_"):
            raise NotFittedError(
                f"{type(self).__name__} learns its shapes from data: call fit, partial_fit or "
                "load_params first"
            )
        with self._resolved():
            return super().initialize()

    def initialize_module(self):
        """Construct the network, and wrap it in its scaling."""
        n_channels = 2 if self.is_complex_ else 1
        offered = {
            "fourier_shape": self.fourier_shape_,
            "object_shape": self.object_shape_,
            "n_channels": n_channels,
            "non_negative": self.is_non_negative_,
            "unmeasured": self.unmeasured_,
            "centered": self.at_fit("centered"),
        }
        facts = {
            name: offered[name]
            for name in ("fourier_shape", "non_negative", "unmeasured", "centered")
        }
        module = self.resolved("module", MODULES)
        given = self.get_params_for("module")
        if not isinstance(module, torch.nn.Module):
            given = accepted_arguments(module, offered) | given
        network = in_single_precision(module, given, self.initialized_instance)
        if next(network.parameters(), None) is None:
            raise ValueError(
                f"module={short(self.module)} has no weights to train; define its layers in "
                "__init__, which is given fourier_shape and object_shape if it names them"
            )
        self.module_ = ScaledNetwork(
            network,
            self.object_shape_,
            n_channels,
            self.at_fit("magnitude_scaling"),
            self.scaling_statistics_,
            facts | {"symmetries": self.at_fit("symmetries")},
        )
        return self

    def initialize_criterion(self):
        """Construct the loss."""
        criterion = self.resolved("criterion", CRITERIA)
        given = arguments_from_data(criterion, self) | self.get_params_for("criterion")
        self.criterion_ = in_single_precision(criterion, given, self.initialized_instance)
        return self

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Collect the optimizer's arguments, with a shorter memory for Adam.

        With the usual second beta of 0.999, wide networks diverge near the peak learning rate. The
        fused implementation is chosen where possible, because it reads every weight only once per
        step.
        """
        named_parameters = list(named_parameters)
        groups, given = super().get_params_for_optimizer(prefix, named_parameters)
        # the default of this class must not reach optimizers without weight decay
        if given.get("weight_decay") == self.usual_weight_decay:
            usual = {"weight_decay": given.pop("weight_decay")}
            given |= accepted_arguments(self.optimizer, usual)
        if self.optimizer in (torch.optim.Adam, torch.optim.AdamW):
            given.setdefault("betas", (0.9, 0.99))
            on_device = torch.device(resolve_device(self.device)).type in ("cpu", "cuda")
            is_real = all(parameter.is_floating_point() for _, parameter in named_parameters)
            if (
                on_device
                and is_real
                and not {"foreach", "capturable", "differentiable"} & set(given)
            ):
                given.setdefault("fused", True)
        return groups, given

    def get_default_callbacks(self):
        """Return the default callbacks in their order of action."""
        callbacks = [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
            ("in_step", InStep()),
            ("gradient_clipping", GradientNormClipping(MAX_GRADIENT_NORM)),
            ("schedule", OneCycle()),
            ("progress", ProgressLine()),
        ]
        if self.early_stopping:
            callbacks.append(("early_stopping", best_weights_kept(self.n_iter_no_change)))
        callbacks.append(("divergence", Divergence()))
        if self._checkpoint is not None and self.checkpoint is not None:
            callbacks.append(("checkpoint", self._checkpoint))
        return callbacks


def accepted_arguments(module, offered):
    """Select the arguments that a constructor accepts."""
    # torch's own constructor has **kwargs in its signature, but refuses them
    if isinstance(module, type) and module.__init__ is torch.nn.Module.__init__:
        return {}
    parameters = inspect.signature(module).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(offered)
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in offered.items() if name in names}


def in_single_precision(module, given, build):
    """Build a module in float32, or copy an instance of one.

    The result does not depend on PyTorch's default precision.

    Parameters
    ----------
    module : torch.nn.Module class or instance
        Class to build, or instance to copy.
    given : dict
        Arguments of the constructor.
    build : callable
        Function of `module` and `given` that builds the module.
    """
    if isinstance(module, torch.nn.Module) and not given:
        module = copy.deepcopy(module)  # training must not change the user's own instance
        types = {
            parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()
        }
        return module.float() if types == {torch.float64} else module
    default = torch.get_default_dtype()
    if default == torch.float32:
        return build(module, given)
    torch.set_default_dtype(torch.float32)
    try:
        return build(module, given)
    finally:
        torch.set_default_dtype(default)

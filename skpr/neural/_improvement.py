"""Regressor from magnitudes and estimates to better objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from .._arrays import is_complex
from .._tensors import resolve_device
from ..measurement import boundary_of
from ..metrics import squared_correlation
from ._building import NetworkBuilder, accepted_arguments, in_single_precision
from ._copies import cube_group
from ._estimates import AveragedCopies, EstimateUNet
from ._generators import drawn_seed, kept_generators, seed_generators
from ._improvement_input import (
    LOSSES,
    check_estimate_parameters,
    check_known,
    check_real,
    checked_parts,
    checked_targets,
    improved,
    packed,
    packed_validation_set,
    turned_batch,
    unpacked,
)
from ._improvement_looks import look_at_parts, look_at_training_parts
from ._loading import BatchDataset, whole_batch
from ._losses import arguments_from_data
from ._monitors import check_monitors
from ._prediction import has_cached_predictions
from ._resumption import ResumableFit
from ._state import plain_state, restore_plain_state
from ._steps import BatchSteps, usual_torch
from ._training import check_finite
from ._validation import check_is_fitted

if TYPE_CHECKING:
    from .._typing import Batch, FilePath, Seed, Self


class EstimateRegressor(ResumableFit, NetworkBuilder, BatchSteps):
    r"""Network that makes better objects from magnitudes and estimates.

    The class is a skorch regressor. Its input is a dictionary of batches: the magnitudes and the
    statistics of several starts (:func:`skpr.iterative.combine_starts`). For scikit-learn's
    searches and cross-validation, which cannot split a `dict`, give a
    :class:`skorch.helper.SliceDict` of these batches.
    Targets must be registered to the starts; otherwise the network learns an average over the
    symmetries. :class:`skpr.composition.NetworkRefiner` makes starts and targets itself.

    Parameters
    ----------
    module : torch.nn.Module class or instance, default=EstimateUNet
        Network with the `forward` of :class:`EstimateUNet`. A class receives those of the arguments
        `object_shape`, `n_channels`, `non_negative` and `centered` that its constructor names.
    criterion : {"distance", "relative", "mse", "orbit"} or class, default="distance"
        Loss, summed over the stages: the distance relative to each object's norm ("distance"), or
        one of those of :class:`skpr.PhaseRetrievalRegressor`. Under a squared error, few samples
        with wrong starts would dominate the training.
    optimizer : torch.optim.Optimizer class, default=torch.optim.AdamW
        Optimizer, with options as `optimizer__...`.
    lr : float, default=1e-3
        Peak learning rate of the one-cycle schedule.
    max_epochs : int, default=20
        Number of epochs.
    batch_size : int, default=16
        Number of samples per batch.
    copies : bool, default=True
        Whether each training batch is turned and mirrored at random, over the axes of equal length.
        Magnitudes, estimates and objects turn together.
    average : bool, default=False
        Whether `predict` averages over all turned and mirrored copies of its input. Their number
        multiplies the cost: 2 in 1-D, 8 for squares, 48 for cubes.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    mixed_precision : bool, default=True
        Whether to train in bfloat16 on hardware that has instructions for it.
    checkpoint : path-like, optional
        Checkpoint file. Calling the same `fit` again after a crash resumes the training; see
        :class:`skpr.neural.TrainingCheckpoint`.
    device : str or torch.device, default="auto"
        Device of the network; "auto" chooses a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, order of samples and copies.
    verbose : "auto", bool or int, default="auto"
        Whether to show a progress line.
    optimizer__weight_decay : float, default=0.02
        Weight decay.
    iterator_train__shuffle : bool, default=True
        Whether to shuffle the samples in every epoch.
    callbacks : list, optional
        Further callbacks of skorch.
    warm_start : bool, default=False
        Whether another `fit` starts from the present weights.
    train_split, dataset, iterator_train, iterator_valid
        Validation set and loading of batches; see :class:`skorch.NeuralNet`.
    iterator_train__collate_fn, iterator_valid__collate_fn, **kwargs
        See :class:`skorch.NeuralNetRegressor`.

    Attributes
    ----------
    fourier_shape_, object_shape_ : tuple of int
        Shapes of one magnitude and one object in training.
    boundary_ : tuple of {"zero", "circular"}
        Boundary of shifts along each axis in training.
    is_complex_, is_non_negative_ : bool
        Whether the targets are complex, and whether they are real and non-negative.
    module_ : torch.nn.Module
        Trained network.
    interrupted_ : bool
        Whether the user interrupted the last training (Ctrl-C).
    history : skorch.history.History
        Losses and times of the epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> rng = np.random.default_rng(0)
    >>> objects = rng.random((8, 8, 8))
    >>> starts = objects + 0.1 * rng.standard_normal((2, 8, 8, 8))
    >>> X = {
    ...     "magnitudes": FourierMagnitude().fit_transform(objects),
    ...     "best": starts[0],
    ...     "mean": starts.mean(axis=0),
    ...     "spread": starts.std(axis=0),
    ... }
    >>> net = EstimateRegressor(max_epochs=2, module__width=8, random_state=0, device="cpu")
    >>> net.fit(X, objects).predict(X).shape
    (8, 8, 8)
    """

    # members of the base classes that this regressor has no use for
    augmenter_ = detector_ = augmenter = detector = generator_ = None
    early_stopping, tuning_steps, n_iter_no_change = False, 0, 1
    usual_weight_decay = 0.02  # the default below

    def __init__(
        self,
        module: Any = EstimateUNet,
        *,
        criterion: Any = "distance",
        optimizer: Any = torch.optim.AdamW,
        lr: float = 1e-3,
        max_epochs: int = 20,
        batch_size: int = 16,
        copies: bool = True,
        average: bool = False,
        centered: bool = True,
        mixed_precision: bool = True,
        checkpoint: FilePath | None = None,
        device: str | torch.device = "auto",
        random_state: Seed = None,
        verbose: bool | int | str = "auto",
        optimizer__weight_decay: Any = 0.02,
        iterator_train__shuffle: Any = True,
        callbacks: Any = None,
        warm_start: bool = False,
        train_split: Any = None,
        dataset: Any = BatchDataset,
        iterator_train: Any = DataLoader,
        iterator_valid: Any = DataLoader,
        iterator_train__collate_fn: Any = whole_batch,
        iterator_valid__collate_fn: Any = whole_batch,
        **kwargs: Any,
    ) -> None:
        self.copies = copies
        self.average = average
        self.centered = centered
        self.mixed_precision = mixed_precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        super().__init__(
            module,
            criterion=criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            verbose=verbose,
            optimizer__weight_decay=optimizer__weight_decay,
            iterator_train__shuffle=iterator_train__shuffle,
            callbacks=callbacks,
            warm_start=warm_start,
            train_split=train_split,
            dataset=dataset,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            iterator_train__collate_fn=iterator_train__collate_fn,
            iterator_valid__collate_fn=iterator_valid__collate_fn,
            **kwargs,
        )

    def fit(self, X: dict[str, Batch], y: Batch, **fit_params: Any) -> Self:
        r"""Train from new weights, or with `warm_start=True` from the present ones.

        Parameters
        ----------
        X : dict of array-like or torch.Tensor
            `"magnitudes"` of shape (n_samples, \*fourier_shape), NaN where unmeasured; `"best"`,
            `"mean"` and `"spread"` of shape (n_samples, \*object_shape), in the unit of objects
            under an unnormalised transform.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            Real or complex objects, registered to the starts, in the same unit.
        **fit_params
            Number of `epochs`, in place of `max_epochs`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an invalid parameter, a missing part of `X`, or values or shapes that do not fit.
        TypeError
            If `X` is not a dictionary.

        Warns
        -----
        UserWarning
            If `y` is not registered to the starts, if the starts, `y` and the magnitudes have
            different units, and if the magnitudes show an obvious mistake.
        """
        anew = not (self.warm_start and self.initialized_)
        return self._fit(X, y, fit_params, anew=anew, resumable=True)

    def partial_fit(
        self, X: dict[str, Batch], y: Batch, classes: Any = None, **fit_params: Any
    ) -> Self:
        """Train for `max_epochs` more epochs; parameters are those of `fit`."""
        return self._fit(X, y, fit_params, anew=not self.initialized_, resumable=False)

    def _fit(self, X, y, fit_params, *, anew, resumable):
        """Train a new network (`anew`) or the present one."""
        check_estimate_parameters(self, anew=anew)
        check_known(fit_params)
        parts = checked_parts(self, X, trains=True)
        y, is_non_negative = checked_targets(self, parts, y, anew=anew)
        if anew:
            self.fourier_shape_ = tuple(parts["magnitudes"].shape[1:])
            self.object_shape_ = tuple(y.shape[1:])
            self.boundary_ = boundary_of(self.object_shape_, self.fourier_shape_)
            self.symmetries_ = "fourier"
            self.is_complex_ = is_complex(y) or any(is_complex(part) for part in parts.values())
            self.is_non_negative_ = not self.is_complex_ and is_non_negative
            self.centered_ = self.centered
        look_at_training_parts(self, parts, y)
        X, y = packed(self, parts, y)
        with usual_torch(resolve_device(self.device)):
            seed = drawn_seed(self.random_state)
            with kept_generators(), self._running(fit_params) as run:
                if anew and resumable:
                    seed = self._open_checkpoint(X, y, seed)
                seed_generators(seed)
                if anew:
                    self.initialize()
                check_monitors(self, on_disk=True, what="estimates")
                super().partial_fit(X, y, **fit_params)
        self.interrupted_ = run.interrupted
        return self

    def predict(self, X: dict[str, Batch]) -> Any:
        r"""Improve estimates.

        Parameters
        ----------
        X : dict of array-like or torch.Tensor
            Parts as in :meth:`fit`, of any size. `"estimate"` may be the estimate to improve, such
            as an earlier prediction; it is the mean otherwise.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape), float32 or complex64
            Improved objects, as `X["magnitudes"]` is an array or a tensor.

        Raises
        ------
        ValueError
            For invalid parts of `X`, a parameter changed after `fit`, and a diverged training.
        """
        check_is_fitted(self)
        if has_cached_predictions(self):  # of a callback that scores
            made = [m[0] if isinstance(m, tuple) else m for m in self.forward_iter(X)]
            return torch.cat(made).cpu().numpy()
        check_estimate_parameters(self)
        parts = checked_parts(self, X, trains=False)
        n_axes = parts["best"].ndim - 1
        if n_axes != len(self.object_shape_):
            raise ValueError(
                f"X has objects with {n_axes} axes, but {type(self).__name__} was fitted on "
                f"objects of shape {self.object_shape_}"
            )
        if not self.is_complex_:
            check_real(self, parts.values())
        look_at_parts(self, parts)
        given = X["magnitudes"]
        place = given.device if isinstance(given, torch.Tensor) else "cpu"
        network = self.module_.eval()
        if self.average:
            shapes = (tuple(parts[name].shape[1:]) for name in ("best", "magnitudes"))
            network = AveragedCopies(network, cube_group(*shapes), self.centered_)
        with usual_torch(self.network_device), torch.no_grad():
            objects = check_finite(self, improved(self, network, parts).to(place))
        return objects if isinstance(given, torch.Tensor) else objects.numpy()

    def score(
        self, X: dict[str, Batch], y: Batch | None = None, sample_weight: Any = None
    ) -> float:
        r"""Return the mean squared correlation with the true objects.

        It is `1 - relative_error`, modulo symmetries; 1 is perfect.

        Parameters
        ----------
        X : dict of array-like or torch.Tensor
            Parts as in :meth:`predict`.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            True objects.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample in the mean.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        boundary = self.boundary_
        if not has_cached_predictions(self):  # with these X is the data set of a callback
            parts = checked_parts(self, X, trains=False)
            shapes = (part.shape[1:] for part in (parts["best"], parts["magnitudes"]))
            boundary = boundary_of(*shapes)
        return squared_correlation(self, X, y, boundary=boundary, sample_weight=sample_weight)

    @property
    def network_device(self):
        """Device that the network is on."""
        return next(self.module_.parameters()).device

    def get_split_datasets(self, X, y=None, **fit_params):
        """Split off a validation set by `train_split`."""
        train, valid = super().get_split_datasets(X, y, **fit_params)
        return train, packed_validation_set(self, train, valid)

    # --- construction -----------------------------------------------------------------------------

    def initialize(self):
        """Build network, loss, optimizer and callbacks."""
        with self._resolved():
            return super(NetworkBuilder, self).initialize()

    def initialize_module(self):
        """Construct the network."""
        module = self.resolved("module", {})
        given = self.get_params_for("module")
        offered = {
            "object_shape": self.object_shape_,
            "n_channels": 2 if self.is_complex_ else 1,
            "non_negative": self.is_non_negative_,
            "centered": self.centered_,
        }
        if not isinstance(module, torch.nn.Module):
            given = accepted_arguments(module, offered) | given
        self.module_ = in_single_precision(module, given, self.initialized_instance)
        return self

    def initialize_criterion(self):
        """Construct the loss."""
        criterion = self.resolved("criterion", LOSSES)
        given = arguments_from_data(criterion, self) | self.get_params_for("criterion")
        self.criterion_ = in_single_precision(criterion, given, self.initialized_instance)
        return self

    # --- steps ------------------------------------------------------------------------------------

    def infer(self, x, **fit_params):
        """Pass a packed batch through the network on its own device."""
        with self.autocast(self.module_.training):
            return self.module_(*unpacked(self, x.to(self.network_device, non_blocking=True)))

    def _seen(self, iterator, training):
        """Yield batches, turned and mirrored at random in training."""
        group = cube_group(self.object_shape_, self.fourier_shape_)
        for X, y in iterator:
            if training and self.copies:
                element = group[int(torch.randint(len(group), ()))]
                X, y = turned_batch(self, X, y, element)
            yield X, y

    def __getstate__(self):
        """Return plain data that other machines and later versions can read."""
        return plain_state(self)

    def __setstate__(self, state):
        restore_plain_state(self, state, EstimateRegressor)

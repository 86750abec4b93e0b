"""Regressor from Fourier magnitudes to objects by a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from .._lazy import LazyBatch, is_on_disk
from ..metrics import squared_correlation
from ._fitting import NetworkFit
from ._loading import BatchDataset, unpacked, whole_batch
from ._prediction import has_cached_predictions, predicted
from ._state import plain_state, restore_plain_state
from ._validation import check_is_fitted
from ._weights import WeightFiles

if TYPE_CHECKING:
    from .._typing import Batch, FilePath, Seed, Self


class PhaseRetrievalRegressor(NetworkFit, WeightFiles):
    r"""Network that reconstructs objects from Fourier magnitudes.

    The class is a skorch regressor with defaults for phase retrieval. Train it on magnitudes and
    one representative of each object's orbit (:class:`skpr.SymmetryCanonicalizer`); trained on raw
    objects, it learns the average of all representatives. Each magnitude is divided by its norm,
    scaled and standardised inside the model, so that exposure does not matter.

    All tools of skorch are available: nested parameters such as `module__hidden_width=512` or
    `optimizer__betas=...` (also in grids), callbacks, data sets, `history`, `partial_fit`,
    `save_params` and `load_params`.

    Parameters
    ----------
    module : {"mlp", "unet"}, torch.nn.Module class or instance, default="mlp"
        Network: :class:`skpr.neural.MLP`, :class:`skpr.neural.UNet` (for large patterns
        :class:`skpr.neural.MultiLevelUNet`), or one of your own. A class receives those of the
        arguments `fourier_shape`, `object_shape`, `n_channels` (1 for real objects, 2 for complex
        ones), `non_negative`, `unmeasured` (whether pixels may be unmeasured) and `centered` that
        its constructor names. An instance is copied, and never trained itself. `forward` takes
        scaled magnitudes of shape (n_samples, \*fourier_shape), 0 where unmeasured, and returns
        images of shape (n_samples, n_channels, \*object_shape). Networks compute in float32.
    criterion : {"relative", "mse", "orbit"} or torch.nn.Module class, default="relative"
        Loss: squared error relative to each object's energy ("relative"), mean squared error in the
        unit of the objects ("mse"), or squared error minimised over the symmetries ("orbit", see
        :class:`skpr.neural.OrbitLoss`). Options are passed as `criterion__flip=...`.
    optimizer : torch.optim.Optimizer class, default=torch.optim.AdamW
        Optimizer, with options such as `optimizer__weight_decay=...`. The default `betas` of Adam
        and AdamW are (0.9, 0.99); the schedule varies the first one by up to 0.05 either way.
    lr : float, default=7e-4
        Peak learning rate of the one-cycle schedule, which spans the whole training. A
        learning-rate schedule of your own among the `callbacks`
        (:class:`skorch.callbacks.LRScheduler`) replaces it; `callbacks__schedule=None` keeps the
        rate constant.
    max_epochs : int, default=20
        Number of epochs.
    batch_size : int, default=128
        Number of samples per batch; -1 for all samples at once.
    augmenter : transformer, optional
        Data augmentation, such as :class:`skpr.augmentation.RandomDeformation`, redrawn for every
        batch. It is fitted on the first eight objects, as tensors or, if it accepts only these, as
        arrays. The magnitudes of the new objects are simulated. Those in `X` must therefore be the
        magnitudes of `y` without detector effects, which belong in `detector`; each sample may have
        a unit of its own. Keep deformations small: a strongly deformed canonical object is no
        longer canonical. An augmenter that moves objects within their orbits, such as
        :class:`skpr.ShiftFlipAugmenter`, is refused; it belongs before the canonicalizer.
    detector : transformer, optional
        Detector model applied to the training magnitudes: a step of :mod:`skpr.detector` or a
        pipeline of several. Noise and missing pixels are redrawn for every batch. A transformer
        that accepts only arrays receives arrays. `predict` does not apply the detector model.
    magnitude_scaling : {"sqrt", "log"} or None, default="sqrt"
        Function that compresses the dynamic range.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries over which `score` registers: shift, flip and phase ("fourier"), or the phase
        alone. "auto" chooses at `fit` by :func:`skpr.measurement.symmetries_of`.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the training set, stop when its loss has not
        improved for `n_iter_no_change` epochs, and keep the best weights.
    validation_fraction : float, default=0.1
        Fraction of the training set held out for early stopping.
    n_iter_no_change : int, default=10
        Patience of early stopping, in epochs.
    tuning_steps : int, default=0
        Number of gradient steps by which `predict` fine-tunes the network to each sample (see
        Notes). Only `predict` reads it: changing it needs no new training.
    tuning_rate : float, default=3e-3
        Learning rate of these steps, in units of a hidden unit's input.
    mixed_precision : bool, default=True
        Whether to train and fine-tune in bfloat16, on a GPU or a CPU (AMX or AVX512-BF16) that has
        instructions for it. Transforms and losses stay in float32. A GPU also predicts in bfloat16.
    checkpoint : path-like, optional
        Checkpoint file, to which the state of the training is written after every epoch. Calling
        the same `fit` again after a crash resumes the training and ends at the weights an
        uninterrupted run would have reached. This parameter adds the callback
        :class:`skpr.neural.TrainingCheckpoint`.
    device : str or torch.device, default="auto"
        Device of the network; "auto" chooses a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, order of samples and dropout; None draws one from torch's generator. The
        generators of torch, NumPy and Python are seeded for the training and restored afterwards.
        Because they belong to the process, trainings in several threads run one after the other;
        trainings in several processes run side by side.
    verbose : "auto", bool or int, default="auto"
        Whether to show a progress line; "auto" shows it on a terminal, but not inside a search.
    optimizer__weight_decay : float, default=0.2
        Weight decay, for optimizers that support it.
    iterator_train__shuffle : bool, default=True
        Whether to shuffle the samples in every epoch.
    callbacks : list, optional
        Further callbacks, which act after those of this class, such as
        :class:`skpr.neural.SymmetricError` or skorch's `EpochScoring`. A callback that monitors a
        validation set needs `early_stopping` or `train_split`. A search copies all callbacks. One
        that cannot be copied, such as `TensorBoard` with its writer, must be set on the estimator
        that the search has found.
    warm_start : bool, default=False
        Whether another `fit` starts from the present weights.
    train_split, dataset, iterator_train, iterator_valid
        Validation set and loading of batches; see :class:`skorch.NeuralNet`. There is no validation
        set by default.
    iterator_train__collate_fn, iterator_valid__collate_fn
        Functions that collate samples to a batch; see :class:`skorch.NeuralNet`.
    compile, predict_nonlinearity, use_caching, torch_load_kwargs, **kwargs
        See :class:`skorch.NeuralNetRegressor`.

    Attributes
    ----------
    fourier_shape_, object_shape_ : tuple of int
        Shapes of one magnitude and one object.
    boundary_ : tuple of {"zero", "circular"}
        Boundary of shifts along each object axis, see :func:`skpr.measurement.boundary_of`.
    symmetries_ : {"fourier", "phase"}
        Symmetries over which `score` registers.
    is_complex_, is_non_negative_ : bool
        Whether the targets are complex, and whether they are real and non-negative up to rounding.
    unmeasured_ : bool
        Whether the training set had unmeasured pixels. If not, `predict` refuses them.
    centered_, magnitude_scaling_
        Values of these parameters at `fit`.
    detector_ : transformer or None
        Fitted detector model.
    module_ : torch.nn.Module
        Network inside its scaling.
    history : skorch.history.History
        Losses and times of the epochs.

    Notes
    -----
    In a `torch.distributed` group of processes, as under `torchrun`, every process takes its share
    of each batch, and gradients are averaged. `fit` must be called in all processes with the same
    data. The first process writes the checkpoint.

    Fine-tuning adds an offset per sample, initially 0, to the output of every linear layer. Adam
    adjusts these offsets to minimise `||F x| - b|^2 / |b|^2`, where `x` is the network's image and
    `b` the magnitude on measured pixels. For non-negative objects, negative values count as misfit,
    too. Unlike iterations started from the prediction, the images stay near those that the network
    can make. A better fit to the magnitudes need not mean a better object: choose the number of
    steps on held-out training data.

    Fine-tuning is meant for spectra that are not oversampled. On oversampled ones, iterations from
    the prediction (:class:`skpr.RefinedRegressor`) can be exact, and the unrolled iterations of
    `"unet"` pass no gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((64, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> net = PhaseRetrievalRegressor(
    ...     max_epochs=2, module__hidden_width=32, random_state=0, device="cpu"
    ... )
    >>> net.fit(magnitudes, objects).predict(magnitudes).shape
    (64, 8, 8)
    """

    def __init__(
        self,
        module: Any = "mlp",
        *,
        criterion: Any = "relative",
        optimizer: Any = torch.optim.AdamW,
        lr: float = 7e-4,
        max_epochs: int = 20,
        batch_size: int = 128,
        augmenter: Any = None,
        detector: Any = None,
        magnitude_scaling: str | None = "sqrt",
        centered: bool = True,
        symmetries: str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tuning_steps: int = 0,
        tuning_rate: float = 3e-3,
        mixed_precision: bool = True,
        checkpoint: FilePath | None = None,
        device: str | torch.device = "auto",
        random_state: Seed = None,
        verbose: bool | int | str = "auto",
        optimizer__weight_decay: Any = 0.2,
        iterator_train__shuffle: Any = True,
        callbacks: Any = None,
        warm_start: bool = False,
        train_split: Any = None,
        dataset: Any = BatchDataset,
        iterator_train: Any = DataLoader,
        iterator_valid: Any = DataLoader,
        iterator_train__collate_fn: Any = whole_batch,
        iterator_valid__collate_fn: Any = whole_batch,
        compile: bool = False,
        predict_nonlinearity: Any = "auto",
        use_caching: Any = "auto",
        torch_load_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.augmenter = augmenter
        self.detector = detector
        self.magnitude_scaling = magnitude_scaling
        self.centered = centered
        self.symmetries = symmetries
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tuning_steps = tuning_steps
        self.tuning_rate = tuning_rate
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
            compile=compile,
            predict_nonlinearity=predict_nonlinearity,
            use_caching=use_caching,
            torch_load_kwargs=torch_load_kwargs,
            **kwargs,
        )

    def fit(
        self, X: Batch, y: Batch | None = None, sample_weight: Any = None, **fit_params: Any
    ) -> Self:
        r"""Train from new weights, or with `warm_start=True` from the present ones.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape), or a data set
            Non-negative magnitudes; NaN where unmeasured. A skorch `Dataset`, a torch
            `TensorDataset` or a `Subset` of one may hold both magnitudes and objects.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            Real or complex objects; those of the data set by default.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample in losses and scaling. The criterion must accept `sample_weight`,
            as those of this package do, or have `reduction="mean"`, as those of PyTorch do.
        **fit_params
            Number of `epochs`, in place of `max_epochs`, and `groups` for `train_split`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For infinite or negative magnitudes, a pattern without a measured pixel, NaN or infinity
            in the objects, values outside the range of float32, batches of different lengths,
            objects larger than their magnitudes, an invalid parameter, or a module whose output
            does not fit the objects.
        TypeError
            For a data set of another kind, and for unknown arguments of `fit`.

        Warns
        -----
        UserWarning
            For magnitudes whose zero frequency is plainly not where `centered` says, and for a
            training that diverges.

        Notes
        -----
        Ctrl-C ends training and leaves a usable estimator with the weights reached so far. Inside a
        search or a cross-validation it ends the whole search, because a half-trained network must
        not be compared with others.
        """
        anew = not (self.warm_start and self.initialized_)
        return self._fit(X, y, sample_weight, fit_params, anew=anew, resumable=True)

    def partial_fit(
        self,
        X: Batch,
        y: Batch | None = None,
        classes: Any = None,
        sample_weight: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train for `max_epochs` more epochs from the present weights.

        Parameters are those of :meth:`fit`; `classes` are ignored.
        """
        return self._fit(
            X, y, sample_weight, fit_params, anew=not self.initialized_, resumable=False
        )

    def predict(self, X: Batch) -> Any:
        r"""Reconstruct objects from magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape), or a data set
            Non-negative magnitudes. Unmeasured pixels are NaN; they are accepted if the training
            set had some, too.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape), float32 or complex64
            Objects. For a tensor `X`, a tensor on its device, without a gradient.

        Raises
        ------
        ValueError
            For invalid magnitudes, and for predictions that are not finite because the training has
            diverged.

        Warns
        -----
        UserWarning
            For magnitudes whose zero frequency is plainly not where `centered` says.
        """
        return predicted(self, X)

    def score(self, X: Batch, y: Batch | None = None, sample_weight: Any = None) -> float:
        r"""Return the mean squared correlation with the truth, modulo symmetries.

        The score is `1 - relative_error`, with the boundary and symmetries of the measurement that
        `fit` found. The best value is 1.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape), or a data set
            Non-negative magnitudes.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            True objects; those of the data set by default.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.

        Returns
        -------
        float
            Score.
        """
        check_is_fitted(self)
        if not has_cached_predictions(self):
            X, y = (LazyBatch(batch) if is_on_disk(batch) else batch for batch in unpacked(X, y))
        boundary, symmetries = vars(self).get("boundary_"), vars(self).get("symmetries_", "fourier")
        return squared_correlation(
            self, X, y, boundary=boundary, symmetries=symmetries, sample_weight=sample_weight
        )

    def __getstate__(self):
        """Return plain data that other machines and later versions can read."""
        return plain_state(self)

    def __setstate__(self, state):
        restore_plain_state(self, state, PhaseRetrievalRegressor)

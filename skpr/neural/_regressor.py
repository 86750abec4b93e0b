"""The estimator that trains a network to map Fourier magnitudes to objects."""

from __future__ import annotations

import contextlib
import gc
import inspect
import math
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetRegressor
from skorch.callbacks import EpochTimer, GradientNormClipping, PassthroughScoring
from skorch.dataset import ValidSplit
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from .._arrays import check_batch, check_choice, check_fitted_magnitudes, check_some_measured
from .._lazy import LazyBatch, is_on_disk, summary_of
from .._tensors import resolve_device
from ..metrics import squared_correlation
from ._checkpoint import TrainingCheckpoint, fit_identity, found_checkpoint, restore
from ._loading import BatchDataset, BlockShuffle, whole_batch
from ._losses import CRITERIA
from ._networks import MODULES
from ._parallel import InStep, SharedOrder, n_processes, of_first_process, parallel_forward, process_rank
from ._scaling import SCALINGS, ScaledNetwork, learn_scaling
from ._state import plain_state, restore_plain_state
from ._training import (
    OneCycle,
    ProgressLine,
    best_weights_kept,
    detected,
    drawn_seed,
    fitted_augmenter,
    fitted_detector,
    multiplies_bfloat16,
    seeded,
)
from ._tuning import tuned_offsets

if TYPE_CHECKING:
    from .._typing import Batch, FilePath, Seed, Self

# At the peak rate one gradient far larger than the others can undo epochs of training: it keeps its direction only.
MAX_GRADIENT_NORM = 0.5


class PhaseRetrievalRegressor(NeuralNetRegressor):
    r"""A network that reconstructs objects from Fourier magnitudes: a skorch regressor with this field's defaults.

    Train it on magnitudes and one representative of each object's orbit (:class:`skpr.SymmetryCanonicalizer`); on raw
    objects it learns the average of all representatives. Each magnitude is divided by its norm, scaled and
    standardised inside the model, so that exposure does not matter. Everything skorch knows works here too:
    `module__hidden_width=512` or `optimizer__betas=...` as parameters and in grids, callbacks, `history`,
    `partial_fit`, `save_params`.

    Parameters
    ----------
    module : {"mlp", "unet"} or torch.nn.Module class, default="mlp"
        The network: :class:`skpr.neural.MLP`, :class:`skpr.neural.UNet`, or a class of your own. Of the keyword
        arguments `fourier_shape`, `object_shape`, `n_channels` (1 real, 2 complex), `non_negative`, `unmeasured`
        (whether pixels may be) and `centered`, its constructor is given those it names; `forward` takes a batch of
        scaled magnitudes (n_samples, \*fourier_shape), 0 where unmeasured, and returns
        (n_samples, n_channels, \*object_shape).
    criterion : {"relative", "mse", "orbit"} or torch.nn.Module class, default="relative"
        Squared error relative to each object's energy; plain mean squared error; or the squared error minimised
        over the symmetries (:class:`skpr.neural.OrbitLoss`, options as `criterion__boundary=...`).
    optimizer : torch.optim.Optimizer class, default=torch.optim.AdamW
        Options as `optimizer__weight_decay=...`. `betas` of Adam and AdamW are (0.9, 0.99) unless given.
    lr : float, default=7e-4
        Peak of the one-cycle schedule.
    max_epochs : int, default=20
    batch_size : int, default=128
    augmenter : transformer, optional
        What makes new objects of the training set's, such as :class:`skpr.augmentation.RandomDeformation`, anew for
        every batch: it is fitted on the first eight objects, and transforms tensors. The magnitudes of new objects are
        simulated, so what `fit` is given must be magnitudes of its objects, free of detector effects (leave those to
        `detector`), in one unit or one for each sample. A new object need not be the canonical member of its orbit
        where the one that it was made of is: deform a little.
    detector : transformer, optional
        What happens to magnitudes before the network sees them in training: steps of :mod:`skpr.detector`, or a
        pipeline of them. Noise and missing pixels are drawn anew for every batch, so that no two epochs see the same.
        Predictions are made from magnitudes as they are.
    magnitude_scaling : {"sqrt", "log"} or None, default="sqrt"
        What tames the dynamic range.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the training set, stop when its loss has not improved for
        `n_iter_no_change` epochs, and keep the best weights.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=10
    tuning_steps : int, default=0
        Steps by which `predict` fine-tunes the network to each sample on its own, by gradient on the amplitude loss
        (see Notes). Read by `predict` alone: no new training for another value.
    tuning_rate : float, default=3e-3
        Length of these steps, in units of a hidden unit's input.
    mixed_precision : bool, default=True
        Whether to train and fine-tune in bfloat16 on a GPU or a CPU (Intel AMX) that multiplies matrices in it;
        transforms and losses stay in float32. On a GPU predictions are computed so too.
    checkpoint : path-like, optional
        File for the state of the training, written whole after every epoch. A `fit` that was killed, or interrupted,
        goes on from there when it is called again with the same parameters and data, to the weights it would have come
        to; one that had ended is not repeated. Of callbacks of your own it holds numbers, text, tensors, lists and
        dictionaries of them, and what has a `state_dict`. `partial_fit`, and a `fit` with `warm_start` after the first,
        neither read nor write it.
    device : str or torch.device, default="auto"
        "auto" takes a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, order of batches and dropout. torch's own generators are left as they were.
    verbose : "auto", bool or int, default="auto"
        Whether to show a line of progress; "auto" shows it on a terminal and not inside a search.
    optimizer__weight_decay : float, default=0.2
    iterator_train__shuffle : bool, default=True
    callbacks : list, optional
        Callbacks of skorch, such as :class:`skpr.neural.SymmetricError`, or skorch's `TensorBoard`, after those of this
        class.
    warm_start : bool, default=False
        Whether a further `fit` starts from the present weights.
    train_split, dataset, iterator_train, iterator_valid, iterator_train__collate_fn, iterator_valid__collate_fn
        Where batches come from; see :class:`skorch.NeuralNet`.
    compile, predict_nonlinearity, use_caching, torch_load_kwargs, **kwargs
        As in :class:`skorch.NeuralNetRegressor`.

    Attributes
    ----------
    fourier_shape_, object_shape_ : tuple of int
        Shapes of one magnitude and one object.
    is_complex_, is_non_negative_ : bool
        Whether the targets are complex, and whether they are real and non-negative.
    unmeasured_ : bool
        Whether there were unmeasured pixels in training; only then may there be some in what is predicted.
    detector_ : transformer or None
    module_ : torch.nn.Module
        The network inside its scaling.
    history : skorch.history.History
        Losses and times of the epochs.

    Notes
    -----
    In one of several processes of a `torch.distributed` group, as under `torchrun`, every process takes its share of
    each batch, and gradients are averaged; `fit` is to be called in all of them with the same data. The first one
    writes the checkpoint.

    Fine-tuning adds to the output of every linear layer of the network an offset for each sample, at first 0, and moves
    these offsets by Adam against `||F x| - b|^2 / |b|^2` of the network's image `x` on measured pixels, and against
    negative values where objects have none. Images stay near those the network can make, which iterations from its
    prediction do not. Magnitudes that are fitted ever better need not mean better objects: choose the number of steps
    on held-out training data. It is for spectra that are not oversampled: where they are, iterations from the
    prediction (:class:`skpr.RefinedRegressor`) can be exact, and the unrolled steps of `"unet"` pass no gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((64, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> net = PhaseRetrievalRegressor(max_epochs=2, module__hidden_width=32, random_state=0, device="cpu")
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

    _checkpoint = _parallel = None  # during a fit

    # --- fit and predict ---------------------------------------------------------------------------------------

    def fit(self, X: Batch, y: Batch, **fit_params: Any) -> Self:
        r"""Train from new weights (or, with `warm_start=True`, from the present ones).

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Non-negative magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            Real or complex objects.
        **fit_params
            As in skorch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For infinity or negative values in the magnitudes, a pattern with no measured pixel, NaN or infinity in the
            objects, batches of different lengths, or an invalid parameter.

        Notes
        -----
        Ctrl-C ends training and leaves a usable estimator with the weights it had reached.
        """
        again = self.warm_start and self.initialized_
        X, y = self._checked_data(X, y, reset=not again)
        self.fit_seed_ = of_first_process(self._drawn_seed())
        if again:
            with seeded(self.fit_seed_):
                self._fit_steps(X, y)
                self._train(X, y, fit_params)
            return self
        if self.checkpoint is not None:
            self._prepare_checkpoint(X, y)
        try:
            with seeded(self.fit_seed_):
                self._learn(X, y)
                self.initialize()
                self._train(X, y, fit_params)
        finally:
            vars(self).pop("_checkpoint", None)
        return self

    def partial_fit(self, X: Batch, y: Batch, **fit_params: Any) -> Self:
        """Train on for `max_epochs` from the present weights; parameters as in :meth:`fit`."""
        first = not self.initialized_
        X, y = self._checked_data(X, y, reset=first)
        with seeded(of_first_process(self._drawn_seed())):
            if first:
                self._learn(X, y)
                self.initialize()
            else:
                self._fit_steps(X, y)
            self._train(X, y, fit_params)
        return self

    def _drawn_seed(self):
        """A seed for torch; None leaves its generators alone, which one of several processes must not."""
        if self.random_state is None and n_processes() > 1:
            return int(torch.randint(2**31 - 1, ()))
        return drawn_seed(self.random_state)

    def _train(self, X, y, fit_params):
        """skorch's training, in step with the other processes where there are any."""
        self._parallel = parallel_forward(self.module_)
        if self._parallel is not None:
            torch.manual_seed(torch.initial_seed() % 2**31 + process_rank())  # for dropout
        try:
            super().partial_fit(X, y, **fit_params)
        finally:
            if vars(self).pop("_parallel", None) is not None:
                gc.collect()  # the engine would hold on to the process group until the process ends, and beyond

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """skorch's, for the epochs that are left of a fit that goes on from a checkpoint."""
        saved = None if self._checkpoint is None else self._checkpoint.saved
        if saved is None:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        if saved["finished"] or saved["n_epochs"] >= self.max_epochs:
            restore(self, saved)
            return self
        return super().fit_loop(X, y, epochs=self.max_epochs - saved["n_epochs"], **fit_params)

    def _prepare_checkpoint(self, X, y):
        """Look for the state of this fit."""
        if not isinstance(self.checkpoint, str | PathLike):
            raise TypeError(f"checkpoint={self.checkpoint!r} is not valid; give a path or None")
        identity = fit_identity(self, X, y)
        saved = found_checkpoint(self.checkpoint, identity)
        if saved is not None:
            self.fit_seed_ = saved["seed"]
        elif self.fit_seed_ is None:
            self.fit_seed_ = int(torch.randint(2**31 - 1, ()))
        self._checkpoint = TrainingCheckpoint(self.checkpoint, identity, saved)

    def predict(self, X: Batch) -> np.ndarray:
        r"""Reconstruct objects.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured, if there were such pixels in training.

        Returns
        -------
        ndarray of shape (n_samples, \*object_shape), float32 or complex64
        """
        if not self.initialized_:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate arguments before "
                "using this estimator."
            )
        self._check_tuning()
        X = self._checked_magnitudes(X, reset=False)
        self._check_unmeasured(X)
        batches = self._tuned(X) if self.tuning_steps else self.forward_iter(X)
        return np.concatenate([objects.numpy() for objects in batches])

    @property
    def predict_proba(self):
        """Not offered: skorch's name for raw output, which for a regressor is what `predict` returns."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba; use predict")

    def score(self, X: Batch, y: Batch) -> float:
        """Mean squared correlation with the truth modulo symmetries, `1 - relative_error`: 1 is perfect."""
        X, y = (LazyBatch(batch) if is_on_disk(batch) else batch for batch in (X, y))
        return squared_correlation(self, X, y)

    # --- validation --------------------------------------------------------------------------------------------

    def _checked_data(self, X, y, reset):
        self._check_parameters()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X = self._checked_magnitudes(X, reset=reset)
        if not reset:
            self._check_unmeasured(X)
        y = check_batch(y, name="y")
        if len(X) != len(y):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {[len(X), len(y)]}")
        shape, is_complex = tuple(y.shape[1:]), _is_complex(y)
        if reset:
            self.object_shape_, self.is_complex_ = shape, is_complex
            self.is_non_negative_ = not is_complex and summary_of(y).minimum >= 0
        elif (shape, is_complex) != (self.object_shape_, self.is_complex_):
            raise ValueError(
                f"y has {'complex' if is_complex else 'real'} objects of shape {shape}, but the network was built for "
                f"{'complex' if self.is_complex_ else 'real'} ones of shape {self.object_shape_}"
            )
        return X, y

    def _checked_magnitudes(self, X, reset):
        X = check_fitted_magnitudes(self, X, reset=reset)
        check_some_measured(X)
        return X

    def _check_unmeasured(self, X):
        unmeasured = 0 if self.unmeasured_ else summary_of(X).n_nan
        if unmeasured:
            raise ValueError(
                f"X contains NaN, {unmeasured} unmeasured pixels, but the network was trained on complete patterns; "
                "train it on patterns like these, or with detector=BeamStop(...) or MissingPixels(...)"
            )

    def _check_tuning(self):
        if not isinstance(self.tuning_steps, Integral) or isinstance(self.tuning_steps, bool) or self.tuning_steps < 0:
            raise ValueError(f"tuning_steps={self.tuning_steps!r} is not valid; give an integer >= 0")
        rate = self.tuning_rate
        if not (isinstance(rate, Real) and not isinstance(rate, bool) and 0 < rate < math.inf):
            raise ValueError(f"tuning_rate={self.tuning_rate!r} is not valid; give a number > 0")

    def _check_parameters(self):
        self._check_tuning()
        for name, choices in (("module", MODULES), ("criterion", CRITERIA)):
            value = getattr(self, name)
            if not (isinstance(value, torch.nn.Module) or callable(value)) and value not in choices:
                valid = ", ".join(repr(choice) for choice in choices)
                raise ValueError(f"{name}={value!r} is not valid; choose {valid} or a torch.nn.Module class")
        for name in ("augmenter", "detector"):
            step = getattr(self, name)
            if step is not None and (isinstance(step, type) or not hasattr(step, "transform")):
                raise TypeError(f"{name}={step!r} is not a transformer; give an instance of one, or None")
        check_choice("magnitude_scaling", self.magnitude_scaling, tuple(SCALINGS))
        for name in ("max_epochs", "batch_size", "n_iter_no_change"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value == 0 or (value < 0 and name != "batch_size"):
                raise ValueError(f"{name}={value!r} is not valid; give an integer >= 1")
        if not (isinstance(self.validation_fraction, Real) and 0 < self.validation_fraction < 1):
            raise ValueError(f"validation_fraction={self.validation_fraction!r} is not valid; give a number in (0, 1)")

    def check_data(self, X, y):
        """Nothing to do: skorch calls this after :meth:`fit` has checked everything."""

    # --- building ----------------------------------------------------------------------------------------------

    def _learn(self, X, y):
        self.generator_ = None
        self._fit_steps(X, y)
        detect = None if self.detector_ is None else partial(detected, self.detector_)
        statistics = learn_scaling(X, y, self.magnitude_scaling, detect)
        self.unmeasured_ = statistics.pop("unmeasured")
        self.scaling_statistics_ = {name: value.cpu() for name, value in statistics.items()}

    def _fit_steps(self, X, y):
        """Augmenter and detector as the parameters say now; their draws go on where they were."""
        if self.generator_ is None and (self.augmenter is not None or self.detector is not None):
            seed = int(torch.randint(2**31 - 1, ()))
            self.generator_ = np.random.RandomState((seed + process_rank()) % (2**31 - 1))
        self.augmenter_ = fitted_augmenter(self.augmenter, self.generator_, X, y, self.centered)
        self.detector_ = fitted_detector(self.detector, self.generator_, X)

    def initialize(self):
        """Build network, loss, optimizer and callbacks; `fit` calls it when it has learned the shapes."""
        if not hasattr(self, "scaling_statistics_"):
            raise NotFittedError(f"{type(self).__name__} learns its shapes from data: call fit or partial_fit first")
        with self._resolved():
            return super().initialize()

    def initialize_module(self):
        """Construct the network with the fitted shapes and wrap it in its scaling."""
        n_channels = 2 if self.is_complex_ else 1
        offered = {
            "fourier_shape": self.fourier_shape_,
            "object_shape": self.object_shape_,
            "n_channels": n_channels,
            "non_negative": self.is_non_negative_,
            "unmeasured": self.unmeasured_,
            "centered": self.centered,
        }
        module = MODULES.get(self.module, self.module) if isinstance(self.module, str) else self.module
        given = self.get_params_for("module")
        if not isinstance(module, torch.nn.Module):
            given = _accepted(module, offered) | given
        network = self.initialized_instance(module, given)
        self.module_ = ScaledNetwork(
            network, self.object_shape_, n_channels, self.magnitude_scaling, self.scaling_statistics_
        )
        return self

    def initialize_criterion(self):
        """Construct the loss."""
        criterion = CRITERIA.get(self.criterion, self.criterion) if isinstance(self.criterion, str) else self.criterion
        self.criterion_ = self.initialized_instance(criterion, self.get_params_for("criterion"))
        return self

    def set_params(self, **params):
        """scikit-learn's; skorch's own would take `detector__...` for an attribute."""
        steps = ("augmenter", "detector")
        nested = {name: params.pop(name) for name in list(params) if name.startswith(tuple(f"{s}__" for s in steps))}
        super().set_params(**params)
        for step in steps:
            own = {name.removeprefix(f"{step}__"): nested[name] for name in nested if name.startswith(f"{step}__")}
            if own and getattr(self, step) is None:
                raise ValueError(
                    f"{step}=None has no parameters, but {', '.join(f'{step}__{n}' for n in own)} was given"
                )
            if own:
                getattr(self, step).set_params(**own)
        return self

    def get_params_for_optimizer(self, prefix, named_parameters):
        """skorch's, with a shorter memory for Adam: with the usual 0.999, wide networks diverge near the peak rate.

        Also with its fused form, which reads every weight once a step.
        """
        named_parameters = list(named_parameters)
        groups, given = super().get_params_for_optimizer(prefix, named_parameters)
        if self.optimizer in (torch.optim.Adam, torch.optim.AdamW):
            given.setdefault("betas", (0.9, 0.99))
            on_device = torch.device(resolve_device(self.device)).type in ("cpu", "cuda")
            is_real = all(parameter.is_floating_point() for _, parameter in named_parameters)
            if on_device and is_real and not {"foreach", "capturable", "differentiable"} & set(given):
                given.setdefault("fused", True)
        return groups, given

    def get_default_callbacks(self):
        """Timer, losses, clipping, schedule, progress and early stopping, in the order in which they act."""
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
        if self._checkpoint is not None:
            callbacks.append(("checkpoint", self._checkpoint))
        return callbacks

    def get_dataset(self, X, y=None):
        """skorch's, which computes what comes from disk where the network is."""
        dataset = super().get_dataset(X, y)
        if isinstance(dataset, BatchDataset) and not self.get_params_for("iterator_train").get("num_workers"):
            dataset.device = next(self.module_.buffers()).device if self.initialized_ else resolve_device(self.device)
        return dataset

    def get_iterator(self, dataset, training=False):
        """skorch's, which shuffles what comes from disk so that neighbours are read together."""
        held = getattr(dataset, "dataset", dataset)  # the training part of one
        on_disk = [data for data in (getattr(held, "X", None), getattr(held, "y", None)) if isinstance(data, LazyBatch)]
        given = self.get_params_for("iterator_train")
        pool = min((batch.pool_rows for batch in on_disk), default=len(dataset))
        in_blocks = given.get("shuffle") and pool < len(dataset)
        if not training or "sampler" in given or not (in_blocks or n_processes() > 1):
            return super().get_iterator(dataset, training)
        order = RandomSampler(dataset) if given.get("shuffle") else SequentialSampler(dataset)
        if in_blocks:
            numbers = on_disk[0].block_numbers
            order = BlockShuffle(numbers if held is dataset else numbers[dataset.indices], pool)
        length = given.pop("batch_size", self._batch_length(dataset))
        if n_processes() > 1:
            if length % n_processes():
                raise ValueError(f"batch_size={length} cannot be shared evenly among {n_processes()} processes")
            order, length = SharedOrder(order), length // n_processes()
        return self.iterator_train(dataset, **given | {"batch_size": length, "shuffle": False, "sampler": order})

    def _batch_length(self, dataset):
        return self.batch_size if self.batch_size > 0 else len(dataset)

    def get_split_datasets(self, X, y=None, **fit_params):
        """Hold out a validation set where early stopping needs one and `train_split` gives none."""
        if self.train_split is not None or not self.early_stopping:
            return super().get_split_datasets(X, y, **fit_params)
        n_samples = len(X)
        if not 1 <= math.ceil(self.validation_fraction * n_samples) < n_samples:
            raise ValueError(
                f"early_stopping needs samples to hold out: validation_fraction={self.validation_fraction} of "
                f"{n_samples} leaves none to train on"
            )
        seed = of_first_process(int(torch.randint(2**31 - 1, ())))
        parts = ValidSplit(float(self.validation_fraction), random_state=seed)(self.get_dataset(X, y))
        for part in parts:  # neighbours stay neighbours: batches are shuffled later
            part.indices = np.sort(part.indices)
        return parts

    # --- device, precision and persistence -----------------------------------------------------------------------

    def train_step(self, batch, **fit_params):
        """skorch's, on new objects where there is an augmenter, as the detector sees them this time."""
        if self.augmenter_ is not None:
            batch = self.augmenter_(*batch)
        return super().train_step(self._detected(batch), **fit_params)

    def validation_step(self, batch, **fit_params):
        """skorch's, on a batch as the detector sees it this time."""
        return super().validation_step(self._detected(batch), **fit_params)

    def _detected(self, batch):
        if self.detector_ is None:
            return batch
        X, *rest = batch
        return detected(self.detector_, X), *rest

    def infer(self, x, **fit_params):
        """One forward pass on the network's device, in mixed precision where asked for and possible."""
        device = next(self.module_.buffers()).device
        training = self.module_.training
        forward = self._parallel if training and self._parallel is not None else self.module_
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._uses_bfloat16(device, training)):
            return forward(x.to(device, non_blocking=True), **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Loss in float32 on the prediction's device, summed over a network's outputs where it has several."""
        outputs = y_pred if isinstance(y_pred, tuple) else (y_pred,)
        y_true = y_true.to(outputs[0].device, non_blocking=True)
        return sum(self.criterion_(output, y_true[: len(output)]) for output in outputs)

    def _tuned(self, X):
        """Batches of objects from the network, fine-tuned to each sample."""
        device = next(self.module_.buffers()).device
        kind = "complex" if self.is_complex_ else "non_negative" if self.is_non_negative_ else "real"
        self.module_.eval()
        for batch, _ in self.get_iterator(self.get_dataset(X), training=False):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._uses_bfloat16(device, training=True)):
                offsets = tuned_offsets(
                    self.module_, batch.to(device), kind, self.centered, self.tuning_steps, self.tuning_rate
                )
            with torch.no_grad(), offsets:
                yield self.infer(batch).cpu()

    def _uses_bfloat16(self, device, training):
        if not self.mixed_precision:
            return False
        if device.type == "cuda":
            return torch.cuda.is_bf16_supported()
        return training and device.type == "cpu" and multiplies_bfloat16()

    def _initialize_module(self, reason=None):
        with self._resolved():
            return super()._initialize_module(reason)

    def _initialize_criterion(self, reason=None):
        with self._resolved():
            return super()._initialize_criterion(reason)

    @contextlib.contextmanager
    def _resolved(self):
        """skorch reads `device` and `verbose` as they are: lend it their meaning, and keep the user's values."""
        device, verbose = self.device, self.verbose
        self.device, self.verbose = resolve_device(device), False
        try:
            yield
        finally:
            self.device, self.verbose = device, verbose

    def __getstate__(self):
        """Plain data: arrays, numbers and text, which come back on another machine and in another year."""
        return plain_state(self)

    def __setstate__(self, state):
        restore_plain_state(self, state, PhaseRetrievalRegressor)

    # --- scikit-learn ------------------------------------------------------------------------------------------

    def _get_param_names(self):
        """skorch's, without what it remembers for itself: representations show these."""
        return [name for name in super()._get_param_names() if not name.startswith("_")]

    def __sklearn_is_fitted__(self):
        return self.initialized_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        tags.non_deterministic = self.random_state is None
        return tags


def _accepted(module, offered):
    """Those of the offered keyword arguments that a constructor names, or all where it takes any."""
    parameters = inspect.signature(module).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(offered)
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in offered.items() if name in names}


def _is_complex(batch):
    return batch.is_complex() if isinstance(batch, torch.Tensor) else batch.dtype.kind == "c"

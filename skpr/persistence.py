"""Save models to durable files, and load them safely.

Loading a pickle or a joblib file executes code from the file. :func:`load_model` does not: it only
builds known types (:data:`TRUSTED_TYPES`, and those of NumPy and scikit-learn that skops trusts).
It refuses files that name other types, are damaged, or were written by a later version.
:func:`save_model` writes only models that can be read in this way. Both use
`skops <https://skops.readthedocs.io>`_, an extra.
"""

from __future__ import annotations

import functools
import json
import os
import warnings
from typing import TYPE_CHECKING, Any

import skorch
import torch
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from . import augmentation, detector, neural
from ._files import read_sealed, write_sealed
from ._validation import short
from .canonicalization import Strategies, SymmetryCanonicalizer
from .composition import (
    NetworkRefiner,
    PhaseRetrievalPipeline,
    PosteriorRefiner,
    RefinedRegressor,
    RetrievedTargetRegressor,
    SymmetryBreakingRegressor,
)
from .exceptions import ModelFileError, VersionWarning
from .fourier import FourierMagnitude
from .gaussian import GaussianMagnitude
from .iterative import IterativePhaseRetrieval
from .measurement import CountingNoise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._typing import FilePath

__all__ = ["TRUSTED_TYPES", "load_model", "save_model"]


def _subclasses(module, base):
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base)
    ]


_TYPES = (
    CountingNoise,
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    NetworkRefiner,
    PhaseRetrievalPipeline,
    PosteriorRefiner,
    RefinedRegressor,
    RetrievedTargetRegressor,
    Strategies,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    augmentation.RandomDeformation,
    augmentation.ShiftFlipAugmenter,
    *(getattr(detector, name) for name in detector.__all__),
    *(getattr(neural, name) for name in neural.__all__),
)
# types of other libraries among the parameters of networks; building one runs no code of the file
_OF_LIBRARIES = (
    functools.partial,
    print,
    torch.device,
    *_subclasses(torch.optim, torch.optim.Optimizer),
    *_subclasses(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler),
    *(getattr(torch.nn.modules.loss, name) for name in torch.nn.modules.loss.__all__),
    skorch.callbacks.EarlyStopping,
    skorch.callbacks.EpochScoring,
    skorch.callbacks.GradientNormClipping,
    skorch.callbacks.LRScheduler,
    skorch.callbacks.PassthroughScoring,
    skorch.dataset.Dataset,
    skorch.dataset.ValidSplit,
    skorch.utils.noop,
    skorch.utils.to_numpy,
)
# packages whose types without `fit` are not models; other packages may have models of another kind
_NO_STRANGERS = "builtins", "numpy", "torch", "skpr"
# names of the classes in the first files
_FORMER = (
    "skpr.canonicalization._canonicalizer.SymmetryCanonicalizer",
    "skpr.canonicalization._search.Strategies",
    *(
        f"skpr.detector._counting.{name}"
        for name in ("PartialCoherence", "PhotonNoise", "Quantization")
    ),
    *(f"skpr.detector._counting.{name}" for name in ("ReadoutNoise", "Saturation")),
    *(f"skpr.detector._missing.{name}" for name in ("BeamStop", "MissingPixels")),
    *(f"skpr.detector._window.{name}" for name in ("Binning", "Cropping")),
    "skpr.iterative._retrieval.IterativePhaseRetrieval",
    "skpr.neural._regressor.PhaseRetrievalRegressor",
    "skpr.neural._training.SymmetricError",
)
TRUSTED_TYPES = tuple(
    sorted(
        {f"{t.__module__}.{t.__qualname__}" for t in _TYPES + _OF_LIBRARIES if callable(t)}
        | {*_FORMER}
    )
)


def save_model(model: Any, path: FilePath, trusted: Sequence[str] = ()) -> None:
    """Save a fitted estimator to a file.

    The file is written completely or not at all.

    Parameters
    ----------
    model : estimator
        Estimator of this package, or a pipeline of scikit-learn around one. For a search, save its
        `best_estimator_`. A network is written as arrays, and is loaded on whatever device is then
        available.
    path : path-like
        Name of the file. An existing file is replaced.
    trusted : sequence of str, default=()
        Further types that the file may contain, as "module.Class", such as your own network. Pass
        the same names to :func:`load_model`.

    Raises
    ------
    TypeError
        If the model is not an estimator, holds types that :func:`load_model` would refuse, or
        cannot be written, or if `trusted` is not a sequence of names.
    OSError
        If the file cannot be written.
    ImportError
        If skops is not installed.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skpr import SymmetryCanonicalizer
    >>> model = SymmetryCanonicalizer().fit(np.eye(4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, folder + "/model.skpr")
    ...     load_model(folder + "/model.skpr").variance_ == model.variance_
    True
    """
    from . import __version__

    if not isinstance(path, str | os.PathLike):
        hint = ": they are swapped" if isinstance(model, str | os.PathLike) else ""
        raise TypeError(
            f"save_model takes a model and a path, but path is a {type(path).__name__}{hint}"
        )
    if isinstance(model, type):
        raise TypeError(f"{model.__name__} is a class, not a model; give a fitted instance")
    home = type(model).__module__.partition(".")[0]
    if not hasattr(model, "fit") and home in _NO_STRANGERS:
        raise TypeError(
            f"model is a {type(model).__name__}, not an estimator: it has no method fit; "
            f"{_way(model)}"
        )
    skops = _import_skops()
    _names(trusted)
    try:
        content = skops.dumps(model)
    except Exception as error:  # skops raises many kinds
        raise TypeError(
            f"{type(model).__name__} cannot be written to a model file: {error}"
        ) from error
    unknown = _unknown_types(skops, content, trusted)
    if unknown:
        raise TypeError(_refusal(model, unknown))
    header = json.dumps({"skpr": __version__, "model": type(model).__name__})
    write_sealed(path, "model", f"{header}\n".encode() + content)


def load_model(path: FilePath, trusted: Sequence[str] = ()) -> Any:
    """Load an estimator from a file of :func:`save_model`.

    Nothing in the file is executed.

    Parameters
    ----------
    path : path-like
        Name of the file.
    trusted : sequence of str, default=()
        Further types to build, as "module.Class", such as your own network.

    Returns
    -------
    estimator

    Raises
    ------
    ModelFileError
        If the file is damaged, not a model, of a later format, or holds types that are not trusted.
    TypeError
        If `trusted` is not a sequence of names.
    OSError
        If the file is missing.
    ImportError
        If skops is not installed.

    Warns
    -----
    VersionWarning
        If another version of the package wrote the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(FourierMagnitude(oversampling=3), folder + "/model.skpr")
    ...     load_model(folder + "/model.skpr")
    FourierMagnitude(oversampling=3)
    """
    from . import __version__

    skops = _import_skops()
    _names(trusted)
    header, _, content = read_sealed(path, "model").partition(b"\n")
    try:
        version = json.loads(header)["skpr"]
        unknown = _unknown_types(skops, content, trusted)
    except Exception as error:  # damaged content raises many kinds
        raise ModelFileError(f"{path} is not a model file: {error}") from error
    if unknown:
        raise ModelFileError(
            f"{path} holds types that are not trusted: {', '.join(unknown)}; if you know where it "
            f"comes from, pass trusted={unknown}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionWarning)  # raised once, below
        try:
            model = skops.loads(content, trusted=[*TRUSTED_TYPES, *_names(trusted)])
        except Exception as error:
            raise ModelFileError(
                f"{path}, written by skpr {version}, cannot be read by {__version__}: {error}"
            ) from error
    if version != __version__:
        warnings.warn(
            f"{path} was written by skpr {version} and is read by {__version__}: its predictions "
            "may differ",
            VersionWarning,
            stacklevel=2,
        )
    return model


def _way(model):
    """Return how something else than an estimator is saved."""
    if hasattr(model, "starts"):
        return "give the fitted retriever, or save its objects by skpr.files.write_reconstruction"
    if hasattr(model, "dtype") and hasattr(model, "shape"):
        return "save arrays by numpy.save"
    return "give a fitted one"


def _names(trusted):
    if not isinstance(trusted, str) and not (
        isinstance(trusted, list | tuple | set | frozenset)
        and all(isinstance(name, str) for name in trusted)
    ):
        raise TypeError(
            f"trusted={short(trusted)} is not valid; give names of types, such as ['module.Class']"
        )
    return (trusted,) if isinstance(trusted, str) else tuple(trusted)


def _unknown_types(skops, content, trusted):
    """Return the types in a file that are not trusted.

    Functions that cannot be found by their names, such as lambdas, are never trusted.
    """
    found = set(skops.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)
    return sorted(name for name in found if name not in _names(trusted) or "<" in name)


def _refusal(model, unknown):
    """Return the message about a model that cannot be saved."""
    begin = (
        f"{type(model).__name__} holds types that load_model does not trust: {', '.join(unknown)}"
    )
    if isinstance(model, GridSearchCV | RandomizedSearchCV) or hasattr(model, "best_estimator_"):
        return f"{begin}; save its best_estimator_"
    if any("<" in name for name in unknown):
        return (
            f"{begin}; functions without a name of their own cannot be found again: define them in "
            "a module"
        )
    return (
        f"{begin}; if others may trust them, pass trusted={unknown} to save_model and to load_model"
    )


def _import_skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError("model files need skops: pip install 'skpr[persist]'") from error
    return skops.io

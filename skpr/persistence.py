"""Models in files that can be loaded next year, by whoever does not trust them.

Pickle and joblib execute what a file says. :func:`load_model` does not: it builds the types it knows
(:data:`TRUSTED_TYPES`, and those of NumPy and scikit-learn that skops trusts) and refuses a file that names others,
that is damaged, or that a later version wrote. The engine is `skops <https://skops.readthedocs.io>`_, an extra.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from . import augmentation, detector
from ._files import read_sealed, write_sealed
from .canonicalization import SymmetryCanonicalizer
from .canonicalization._search import Strategies
from .composition import RefinedRegressor, SymmetryBreakingRegressor
from .exceptions import ModelFileError
from .fourier import FourierMagnitude
from .gaussian import GaussianMagnitude
from .iterative import IterativePhaseRetrieval
from .neural import PhaseRetrievalRegressor, SymmetricError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._typing import FilePath

__all__ = ["TRUSTED_TYPES", "load_model", "save_model"]

_TYPES = (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    Strategies,
    SymmetricError,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    augmentation.RandomDeformation,
    augmentation.ShiftFlipAugmenter,
    *(getattr(detector, name) for name in detector.__all__),
)
TRUSTED_TYPES = tuple(sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in _TYPES if isinstance(cls, type)))


def save_model(model: Any, path: FilePath) -> None:
    """Write a fitted estimator to a file, whole or not at all.

    Parameters
    ----------
    model : estimator
        Of this package, or a pipeline of scikit-learn's around one; of a search, its `best_estimator_`. A network goes
        to the file as arrays, and comes back on whatever device there is then.
    path : path-like
        An existing file is replaced.

    Raises
    ------
    TypeError
        For what cannot be written down, such as a `torch.nn.Module` that is a parameter.
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

    skops = _import_skops()
    try:
        content = skops.dumps(model)
    except Exception as error:  # of many kinds
        raise TypeError(f"{type(model).__name__} cannot be written to a model file: {error}") from error
    header = json.dumps({"skpr": __version__, "model": type(model).__name__})
    write_sealed(path, "model", f"{header}\n".encode() + content)


def load_model(path: FilePath, trusted: Sequence[str] = ()) -> Any:
    """Read an estimator that :func:`save_model` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : path-like
    trusted : sequence of str, default=()
        Further types to build, as "module.Class": a network of your own, for instance.

    Returns
    -------
    estimator

    Raises
    ------
    ModelFileError
        For a file that is damaged, no model, of a later format, or that holds types that are not trusted.
    OSError
        If it is missing.
    ImportError
        If skops is not installed.

    Warns
    -----
    UserWarning
        If another version of the package wrote it.

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
    trusted = (trusted,) if isinstance(trusted, str) else tuple(trusted)
    header, _, content = read_sealed(path, "model").partition(b"\n")
    try:
        version = json.loads(header)["skpr"]
        unknown = sorted(set(skops.get_untrusted_types(data=content)) - set(TRUSTED_TYPES) - set(trusted))
    except Exception as error:  # of many kinds
        raise ModelFileError(f"{path} is no model file: {error}") from error
    if unknown:
        raise ModelFileError(
            f"{path} holds types that are not trusted: {', '.join(unknown)}; if you know where it comes from, pass "
            f"trusted={unknown}"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = skops.loads(content, trusted=[*TRUSTED_TYPES, *trusted])
        except Exception as error:
            raise ModelFileError(
                f"{path}, written by skpr {version}, cannot be read by {__version__}: {error}"
            ) from error
    for warning in caught:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return model


def _import_skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError("model files need skops: pip install 'skpr[persist]'") from error
    return skops.io

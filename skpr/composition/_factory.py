"""Factory of the whole pipeline, and its presets."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._validation import check_choice
from ..augmentation import RandomDeformation
from ..canonicalization import SymmetryCanonicalizer
from ..fourier import FourierMagnitude
from ..neural import MODULES, NETWORKS, PhaseRetrievalRegressor
from ._parts import check_layouts
from ._pipeline import PhaseRetrievalPipeline
from ._posterior import PosteriorRefiner
from ._refined import RefinedRegressor
from ._symmetry_breaking import SymmetryBreakingRegressor

if TYPE_CHECKING:
    import torch

    from .._typing import Seed

PRESETS = {
    "fast": {"module": "mlp"},
    "accurate": {
        "module": "unet",
        "module__hidden_width": 2048,
        "module__n_hidden_layers": 4,
        "module__n_stages": 3,
        "module__width": 64,
        "augmenter": RandomDeformation(),
        "lr": 1e-3,
        "max_epochs": 36,
        "batch_size": 256,
    },
}
OF_STEPS = "augmenter__", "detector__"  # set on the built parts, which may be pipelines
FREE = *OF_STEPS, "callbacks__", "optimizer__param_groups"  # parameters that are not checked here
BUILT = "module", "criterion", "optimizer", "iterator_train", "iterator_valid", "dataset"


def make_phase_retriever(
    module: Any = None,
    *,
    preset: str = "fast",
    simulate: bool = True,
    oversampling: float | None = None,
    fourier_shape: int | tuple[int, ...] | None = None,
    centered: bool = True,
    shift: str | None = "template",
    flip: str | None = "template",
    phase: str | None = "auto",
    boundary: Any = "auto",
    refiner: Any = None,
    device: str | torch.device = "auto",
    random_state: Seed = None,
    **regressor_params: Any,
) -> PhaseRetrievalPipeline:
    """Build a pipeline that simulates, breaks symmetries and trains a network.

    Parameters
    ----------
    module : {"mlp", "unet"} or torch.nn.Module class, optional
        Network, see :class:`skpr.PhaseRetrievalRegressor`; by default that of the preset.
    preset : {"fast", "accurate"}, default="fast"
        Defaults for the regressor's unset parameters. "fast" is a perceptron with its defaults.
        "accurate" is a larger `"unet"`, trained for 36 epochs on objects that are deformed
        differently in each (:class:`skpr.augmentation.RandomDeformation`), at many times the cost.
        It is the most accurate without oversampling; with oversampling, `module="unet"` alone is
        better for the time it takes.
    simulate : bool, default=True
        Whether the pipeline simulates the magnitudes of its training objects. Otherwise it is
        fitted on measured pairs, as `fit(magnitudes, objects)`.
    oversampling : float, optional
        Number of Fourier pixels per object pixel along each axis, see
        :class:`skpr.FourierMagnitude`; 2 if neither this nor `fourier_shape` is given.
    fourier_shape : int or tuple of int, optional
        Shape of the Fourier grid, instead of `oversampling`.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes, for all steps.
    shift, flip, phase
        Strategies of :class:`skpr.SymmetryCanonicalizer`.
    boundary : {"auto", "zero", "circular"} or sequence of the last two, default="auto"
        Boundary of the shifts. "auto" follows from the shapes at `fit`: "circular" along an axis
        without oversampling, else "zero".
    refiner : PosteriorRefiner, IterativePhaseRetrieval, "auto" or None, default=None
        Estimator that refines predictions. Unless it is None, the step `retrieve` is a
        :class:`RefinedRegressor` around the symmetry-breaking regressor. "auto" is a
        :class:`PosteriorRefiner`. A refiner without a `random_state` or `device` of
        its own takes the ones given here.
    device, random_state, **regressor_params
        Parameters of :class:`skpr.PhaseRetrievalRegressor`, such as `max_epochs` or
        `module__hidden_width`. Its `detector` redraws noise and missing pixels for every batch.

    Returns
    -------
    PhaseRetrievalPipeline
        Pipeline with the steps `magnitude` and `retrieve`. Fit it as `fit(objects, objects)`, and
        pass measured magnitudes to its method `reconstruct`. The canonicalizer is its parameter
        `retrieve__transformer__canonicalize`.

    Raises
    ------
    TypeError
        If no part of the pipeline has a given parameter.
    ValueError
        If the preset is unknown, or parameters contradict each other.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.pad(np.random.default_rng(0).random((64, 6, 6)), ((0, 0), (1, 1), (1, 1)))
    >>> model = make_phase_retriever(
    ...     max_epochs=2, module__hidden_width=32, random_state=0, device="cpu"
    ... )
    >>> model.fit(objects, objects).predict(objects).shape
    (64, 8, 8)

    Measured magnitudes must not be simulated again:

    >>> measured = FourierMagnitude().fit_transform(objects[:5])
    >>> model.reconstruct(measured).shape
    (5, 8, 8)
    """
    check_choice("preset", preset, tuple(PRESETS))
    chosen = dict(PRESETS[preset])
    if module is not None and module not in (chosen["module"], *NETWORKS[chosen["module"]]):
        # the sizes in a preset apply only to its own network
        chosen = {
            name: value for name, value in chosen.items() if not name.startswith("module__")
        } | {"module": module}
    chosen |= {
        "device": device,
        "random_state": random_state,
        "centered": centered,
    } | regressor_params
    _check_names(chosen)
    of_steps = {name: chosen.pop(name) for name in list(chosen) if name.startswith(OF_STEPS)}
    network = clone(PhaseRetrievalRegressor(**chosen)).set_params(**of_steps)
    symmetries = regressor_params.get("symmetries", "auto")
    canonicalizer = SymmetryCanonicalizer(
        shift, flip, phase, boundary="auto" if boundary is None else boundary
    )
    retriever = SymmetryBreakingRegressor(
        network, Pipeline([("canonicalize", canonicalizer)]), symmetries=symmetries
    )
    if refiner is not None:
        refiner = _seeded(refiner, random_state, device, centered)
        retriever = RefinedRegressor(retriever, refiner, symmetries=symmetries)
    steps = [("retrieve", retriever)]
    if simulate:
        steps.insert(0, ("magnitude", _forward_model(oversampling, fourier_shape, centered)))
    else:
        _check_no_grid(oversampling=oversampling, fourier_shape=fourier_shape)
    model = PhaseRetrievalPipeline(steps)
    check_layouts(model.get_params())
    return model


def _check_no_grid(**given):
    """Refuse parameters of the simulation where nothing is simulated."""
    named = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    if named:
        raise ValueError(
            f"simulate=False takes the grid from the magnitudes; leave out {' and '.join(named)}"
        )


def _forward_model(oversampling, fourier_shape, centered):
    if oversampling is not None and fourier_shape is not None:
        raise ValueError(
            f"oversampling={oversampling!r} and fourier_shape={fourier_shape!r} both choose the "
            "Fourier grid; give one"
        )
    oversampling = 2.0 if oversampling is None else oversampling
    return FourierMagnitude(
        oversampling=oversampling, fourier_shape=fourier_shape, centered=centered
    )


def _seeded(refiner, random_state, device, centered):
    """Return a refiner with the seed and device of the pipeline, unless set."""
    if isinstance(refiner, str) and refiner == "auto":
        refiner = PosteriorRefiner(centered=centered, device=device)
        return refiner if random_state is None else refiner.set_params(random_state=random_state)
    if isinstance(refiner, str | type) or not hasattr(refiner, "get_params"):  # refused by fit
        return refiner
    own = refiner.get_params(deep=False)
    unset = {"random_state": None, "device": "auto"}
    given = {"random_state": random_state, "device": device}
    missing = {name: given[name] for name in given if name in own and own[name] == unset[name]}
    return clone(refiner).set_params(**missing)


def _check_names(params):
    """Refuse parameters unknown to the factory, the regressor and its parts."""
    regressor = inspect.signature(PhaseRetrievalRegressor).parameters
    named = (*inspect.signature(make_phase_retriever).parameters.values(), *regressor.values())
    own = {one.name for one in named if one.kind != one.VAR_KEYWORD}
    of_parts = {f"{part}__": _named_by(params.get(part, regressor[part].default)) for part in BUILT}
    valid = own | {prefix + name for prefix, names in of_parts.items() for name in names or ()}
    for name in params:
        prefix = next((prefix for prefix in of_parts if name.startswith(prefix)), None)
        if (
            name in valid
            or name.startswith(FREE)
            or (prefix is not None and of_parts[prefix] is None)
        ):
            continue
        near = difflib.get_close_matches(name, valid, n=1)
        choice = own if prefix is None else {prefix + one for one in of_parts[prefix]}
        raise TypeError(
            f"{name!r} is not a parameter of "
            f"make_phase_retriever{f', did you mean {near[0]!r}?' if near else ';'} valid are "
            f"{', '.join(sorted(choice))}"
        )


def _named_by(part):
    """Return the names of a callable's parameters, or None if it accepts any.

    `part` is a function, a class, a module or the name of a network.
    """
    part = MODULES.get(part, part) if isinstance(part, str) else part
    if isinstance(part, str):
        return None
    try:
        parameters = inspect.signature(
            type(part) if hasattr(part, "forward") and not isinstance(part, type) else part
        )
    except (TypeError, ValueError):  # has no signature
        return None
    parameters = parameters.parameters.values()
    return (
        None
        if any(one.kind == one.VAR_KEYWORD for one in parameters)
        else [one.name for one in parameters]
    )

"""Estimators inside composed estimators, and checks of these parts."""

from numbers import Number

from sklearn.pipeline import Pipeline

from .._validation import short

PLAIN = Number, str, type(None)  # types of parameters that can be compared by value


def check_part(name, value, methods, valid):
    """Refuse a part of an estimator that is a class or lacks a method."""
    if isinstance(value, type):
        raise TypeError(
            f"{name}={value.__name__} is a class; give an instance, {name}={value.__name__}(...)"
        )
    missing = [method for method in methods if not hasattr(value, method)]
    if missing:
        raise TypeError(f"{name}={short(value)} has no method {', '.join(missing)}; give {valid}")


def is_clone_of(fitted, given):
    """Return whether a fitted estimator has the structure of a given one.

    Types and names of parameters are compared, not the values of parameters.
    """
    return type(fitted) is type(given) and given.get_params().keys() <= fitted.get_params().keys()


def changed_parameters(fitted, given):
    """Return the plain parameters that differ from those of the fitted clone.

    Plain parameters are numbers, strings and None.
    """
    known = fitted.get_params()
    values = {name: value for name, value in given.get_params().items() if isinstance(value, PLAIN)}
    return {
        name: v
        for name, v in values.items()
        if not isinstance(known[name], PLAIN) or known[name] != v
    }


def is_direct(estimator):
    """Return whether all parts of an estimator receive the magnitudes.

    They do not if a pipeline inside the estimator has a step before its last one.
    """
    return not any(
        isinstance(part, Pipeline) and len(part.steps) > 1 for part in parts_of(estimator)
    )


def check_layouts(parameters):
    """Refuse parameters `centered` that contradict each other.

    All of them must describe the same magnitudes.
    """
    found = {
        name: value for name, value in parameters.items() if name.split("__")[-1] == "centered"
    }
    centered, other = (
        next((name for name, value in found.items() if bool(value) is kind), None)
        for kind in (True, False)
    )
    if centered is not None and other is not None:
        raise ValueError(
            f"{centered}={found[centered]} and {other}={found[other]} contradict each other, "
            "because both describe the same magnitudes; give both the same value"
        )


def told(estimator, name, default=None, *, fitted=False):
    """Return a parameter or attribute of the first part that has it.

    Parts are those of :func:`parts_of`; `default` is returned if none of them has it.
    """
    return next(
        (getattr(part, name) for part in parts_of(estimator, fitted=fitted) if hasattr(part, name)),
        default,
    )


def parts_of(estimator, *, fitted=False):
    """Generate an estimator and the estimators inside it, outermost first.

    Inside are the last step of a pipeline, the `regressor` of a meta-estimator and the `estimator`
    of a search.

    Parameters
    ----------
    estimator : estimator
    fitted : bool
        Whether to prefer fitted parts, such as the best estimator of a search.
    """
    inside = ("best_estimator_", "regressor_", "estimator_") if fitted else ()
    while estimator is not None and not isinstance(estimator, type):
        yield estimator
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        else:
            parts = (getattr(estimator, part, None) for part in (*inside, "regressor", "estimator"))
            estimator = next((part for part in parts if part is not None), None)

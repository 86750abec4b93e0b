"""Estimators inside composed estimators."""

import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skpr import (
    PhaseRetrievalRegressor,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    make_phase_retriever,
)
from skpr.composition._parts import (
    changed_parameters,
    check_layouts,
    check_part,
    is_clone_of,
    is_direct,
    parts_of,
    told,
)


def test_parts_are_listed_from_the_outside_to_the_inside():
    ridge = Ridge()
    breaking = SymmetryBreakingRegressor(ridge)
    search = GridSearchCV(RefinedRegressor(breaking), {})
    expected = [search, search.estimator, breaking, ridge]
    assert all(one is other for one, other in zip(parts_of(search), expected, strict=True))


def test_parameters_of_a_regressor_are_found_in_what_is_around_it():
    net = PhaseRetrievalRegressor(centered=False)
    for model in (
        net,
        make_phase_retriever(centered=False),
        RefinedRegressor(SymmetryBreakingRegressor(net)),
        GridSearchCV(SymmetryBreakingRegressor(net), {}),
        FrozenEstimator(net),
    ):
        assert told(model, "centered") is False
    assert told(Ridge(), "centered", "unknown") == "unknown"


def test_clones_have_the_type_and_the_names_of_parameters():
    assert is_clone_of(Ridge(alpha=2.0), Ridge())
    assert not is_clone_of(Ridge(), Lasso())
    assert not is_clone_of(make_pipeline(Ridge()), make_pipeline(StandardScaler(), Ridge()))


def test_changed_parameters_are_those_with_another_plain_value():
    fitted, given = Ridge(alpha=2.0, solver="svd"), Ridge(alpha=1.0, solver="svd")
    assert changed_parameters(fitted, given) == {"alpha": 1.0}
    assert changed_parameters(fitted, fitted) == {}


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (SymmetryBreakingRegressor(Ridge()), True),
        (make_pipeline(Ridge()), True),
        (SymmetryBreakingRegressor(make_pipeline(StandardScaler(), Ridge())), False),
    ],
    ids=["direct", "one step", "scaled"],
)
def test_magnitudes_reach_all_parts_unless_a_step_changes_them(estimator, expected):
    assert is_direct(estimator) is expected


def test_layouts_of_all_parts_agree():
    check_layouts({"a__centered": True, "b__c__centered": True, "d": False})
    message = "a__centered=True and b__centered=False contradict each other"
    with pytest.raises(ValueError, match=message):
        check_layouts({"a__centered": True, "b__centered": False})


def test_classes_and_missing_methods_are_refused():
    check_part("regressor", Ridge(), ("fit", "predict"), "a regressor")
    with pytest.raises(TypeError, match=r"part=Ridge is a class; give an instance, part=Ridge\("):
        check_part("part", Ridge, ("fit",), "a regressor")
    with pytest.raises(TypeError, match=r"part=Ridge\(\) has no method transform; give a step"):
        check_part("part", Ridge(), ("fit", "transform"), "a step")

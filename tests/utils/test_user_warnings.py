"""Tests that warnings point at the user's line, whatever chain of calls leads from that line into ash."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed

import ash

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(np.arange(60) == 7, "rare", np.where(X[:, 0] > 0, "yes", "no"))
SMALL = ash.Space(learning_rate=ash.choice(0.01, 0.02))


def classifier() -> Any:
    return ash.ASHClassifier(candidates=2, validation=0.2, random_state=0, n_jobs=1)


CALLS: dict[str, Callable[[], object]] = {
    "tune": lambda: ash.tune(X, Y, SMALL, candidates=2, random_state=0, n_jobs=1, verbose=0, validation=0.2),
    "estimator": lambda: classifier().fit(X, Y),
    "pipeline": lambda: make_pipeline(StandardScaler(), classifier()).fit(X, Y),
    "cross_val_score": lambda: cross_val_score(classifier(), X, Y, cv=[(np.arange(50), np.arange(50, 60))]),
    "space": lambda: SMALL.sample(5, random_state=0),
    "tune_function": lambda: ash.tune_function(
        lambda params, epochs, state: (params["a"], None), {"a": [1, 2]}, candidates=3, random_state=0, verbose=0
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_warning_points_at_the_line_of_the_user(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name]()
    assert [(warning.filename, warning.category) for warning in caught] == [(__file__, UserWarning)]


def test_tasks_of_scikit_learn_keep_the_filters_in_tests() -> None:
    before = warnings.filters
    assert Parallel()(delayed(lambda: warnings.filters is before)() for _ in range(2)) == [True, True]

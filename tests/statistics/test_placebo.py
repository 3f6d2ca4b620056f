"""Tests that no way of giving a table lets a row that scores candidates take part in their training.

Three families of tests need no knowledge of the code. Placebo: if labels are independent of the columns, the estimated
score is that of chance. Signal: if labels follow from the columns, each way of giving the table finds this. Same
quality: it depends neither on the order of rows and columns, nor on the names of labels or the unit of a column.

The mean of a placebo's deviations has a standard error of about 0.25 over 20 runs. All seeds are fixed, so no test
fails by chance. test_planted_faults.py plants faults that these tests find.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from placebo_help import (
    NEW_ROWS,
    WAYS,
    Estimate,
    Given,
    by_command,
    by_estimator,
    by_tune,
    is_regression,
)

RUNS, SLOW_RUNS = 20, 40
"""The number of runs per way of giving a table, in quick and in slow tests."""
MOST = 0.7
"""The maximum of the mean deviation from chance, in standard errors."""
LEAST_OF_SIGNAL, LEAST_OF_NUMBERS = 0.75, 0.25
"""The minimum AUC and the minimum R2 of a model of a signal on new rows; a linear model has an R2 of 0.33."""
LEAST_ESTIMATES = {"a tuned decision": 0.65, "a target of numbers": 0.15, "several targets": 0.25}
"""The minimum estimated score of ways whose score is not the AUC: balanced accuracy (0.5 by chance), or R2 (0)."""
SAME = 0.02
"""The maximum difference of two AUC of the same quality."""
OF_TUNE = [name for name in WAYS if "class weights" not in name and name != "one network"]
OF_COMMAND = (
    *("the default split", "cv as number", "groups, the default split", "groups, cv as number", "whole weights"),
    *("a category of 2 levels", "a category of 40 levels", "texts", "dates", "missing cells"),
)
QUICK = (
    *("the default split", "validation as share", "cv as number", "a splitter that draws rows again"),
    *("groups, the default split", "groups, cv as number", "whole weights", "rows repeated by hand"),
    *("a category of 40 levels", "a category of 40 levels, whole weights", "neighbors", "networks and boosted trees"),
)
"""Ways that are tested in each run of the tests; `pytest -m slow` tests all."""
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Fit = Callable[..., Estimate]


def all_ways(names: Any) -> list[Any]:
    """Return the names as parameters of a test, of which those that are not in QUICK are slow."""
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in names]


def deviation(name: str, seed: int, fit: Fit) -> float:
    """Return how far the estimated score of a placebo is from that of chance, in standard errors."""
    random = np.random.default_rng([seed, len(name)])
    found = fit(WAYS[name](random, False), seed)
    return (found.score - chance(name, random, found)) / found.error


def chance(name: str, random: np.random.Generator, found: Estimate) -> float:
    """Return the score of a placebo on new rows: 0.5 for AUC; measured on new rows for R2, which is negative."""
    new = WAYS[name](random, False)
    if not is_regression(new):
        return 0.5
    more = [WAYS[name](random, False) for _ in range(NEW_ROWS // len(new.y))]
    return float(np.mean([found.model.score(each.X, each.y) for each in more]))


def mean_deviation(name: str, fit: Fit, runs: int = SLOW_RUNS) -> float:
    """Return the mean deviation of this many runs."""
    return float(np.mean([deviation(name, seed, fit) for seed in range(runs)]))


@pytest.mark.parametrize("name", all_ways(WAYS))
def test_the_estimated_score_of_a_placebo_is_that_of_chance(name: str) -> None:
    assert abs(mean_deviation(name, by_estimator, RUNS if name in QUICK else SLOW_RUNS)) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TUNE)
def test_the_estimated_score_of_a_placebo_by_tune_is_that_of_chance(name: str) -> None:
    assert abs(mean_deviation(name, by_tune)) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_COMMAND)
def test_the_estimated_score_of_a_placebo_by_the_command_is_that_of_chance(name: str, tmp_path: Path) -> None:
    assert abs(mean_deviation(name, lambda given, seed: by_command(given, seed, tmp_path))) <= MOST


@pytest.mark.parametrize("name", all_ways(WAYS))
def test_a_signal_is_found(name: str) -> None:
    random = np.random.default_rng(len(name))
    found = by_estimator(WAYS[name](random, True), 0, candidates=16)
    new = WAYS[name](random, True)
    least = LEAST_OF_NUMBERS if is_regression(new) else LEAST_OF_SIGNAL
    assert found.score >= LEAST_ESTIMATES.get(name, least)
    assert score_on(found.model, new) >= least


def score_on(model: Any, given: Given) -> float:
    """Return the R2 or the AUC of a model on new rows, without those of little weight."""
    rows = np.flatnonzero(given.of_fit.get("sample_weight", np.ones(len(given.y))) > 0.1)
    given = Given(given.X.iloc[rows] if hasattr(given.X, "iloc") else given.X[rows], given.y[rows])
    return model.score(given.X, given.y) if is_regression(given) else model.model_.score(given.X, given.y, "roc_auc")


# Same quality


def fitted(X: Any, y: Any) -> Estimate:
    """Fit an estimator to a table of real numbers."""
    return by_estimator(Given(X, y), 0, candidates=12)


@pytest.fixture(scope="module")
def cancer() -> tuple[pd.DataFrame, Any]:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X.iloc[:, :10], y.to_numpy()


def test_the_order_of_rows_changes_nothing(cancer: tuple[pd.DataFrame, Any]) -> None:
    X, y = cancer
    order = np.random.default_rng(0).permutation(len(y))
    one, other = fitted(X[:300], y[:300]), fitted(X[:300].iloc[order[order < 300]], y[:300][order[order < 300]])
    assert (one.score, one.error) == (other.score, other.error)
    assert np.array_equal(one.model.predict_proba(X[300:]), other.model.predict_proba(X[300:]))


@pytest.mark.parametrize("change", ["columns", "labels", "unit"])
def test_the_quality_depends_on_no_order_name_or_unit(cancer: tuple[pd.DataFrame, Any], change: str) -> None:
    X, y = cancer
    changed, labels = X, y
    if change == "columns":
        changed = X[X.columns[::-1]]
    elif change == "labels":
        labels = np.where(y == 1, "a", "b")  # the order of the classes is reversed
    else:
        changed = X.assign(**{X.columns[0]: 1000 * X.iloc[:, 0]})
    one, other = fitted(X[:300], y[:300]), fitted(changed[:300], labels[:300])
    scores = (
        found.model.model_.score(table[300:], target[300:], "roc_auc")
        for found, table, target in ((one, X, y), (other, changed, labels))
    )
    assert np.subtract(*scores) == pytest.approx(0, abs=SAME)
    assert one.score == pytest.approx(other.score, abs=SAME)

"""Tests that no way of giving a table lets a row that scores candidates take part in their training.

Three families of tests need no knowledge of the code. Placebo: if labels are independent of the columns, the estimated
score is that of chance. Signal: if labels follow from the columns, each way of giving the table finds this. Same
quality: it depends neither on the order of rows and columns, nor on the names of labels or the unit of a column.

The mean of a placebo's deviations has a standard error of about 0.22 over 20 runs. All seeds are fixed, so no test
fails by chance.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from placebo_help import (
    NEW_ROWS,
    WAYS,
    Estimate,
    Given,
    by_estimator,
    by_tune,
    is_regression,
)

RUNS = 20
MOST = 0.7
"""The maximum of the mean deviation from chance, in standard errors."""
LEAST_OF_SIGNAL = 0.75
OF_TUNE = [name for name, draw in WAYS.items() if "class weights" not in name and name != "one network"]
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


def mean_deviation(name: str, fit: Fit) -> float:
    """Return the mean deviation of RUNS runs."""
    return float(np.mean([deviation(name, seed, fit) for seed in range(RUNS)]))


@pytest.mark.parametrize("name", all_ways(WAYS))
def test_the_estimated_score_of_a_placebo_is_that_of_chance(name: str) -> None:
    assert abs(mean_deviation(name, by_estimator)) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TUNE)
def test_the_estimated_score_of_a_placebo_by_tune_is_that_of_chance(name: str) -> None:
    assert abs(mean_deviation(name, by_tune)) <= MOST


@pytest.mark.parametrize("name", all_ways(WAYS))
def test_a_signal_is_found(name: str) -> None:
    random = np.random.default_rng(len(name))
    given = WAYS[name](random, True)
    found = by_estimator(given, 0, candidates=16)
    new = WAYS[name](random, True)
    assert found.score >= LEAST_OF_SIGNAL - 0.2 * is_regression(given)
    assert score_on(found.model, new) >= LEAST_OF_SIGNAL - 0.2 * is_regression(given)


def score_on(model: Any, given: Given) -> float:
    """Return the R2 or the AUC of a model on new rows."""
    return model.score(given.X, given.y) if is_regression(given) else model.model_.score(given.X, given.y, "roc_auc")

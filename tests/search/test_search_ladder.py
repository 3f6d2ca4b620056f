"""The rungs of a search, and the epochs that its estimators have after each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from ash.sklearn.resumable.choose import way_of
from ash.sklearn.search_ladder import LEAST_ROWS, MOST_RATIO, Rungs, rungs_of
from continuing_help import Y
from search_help import fitted, forest


def rungs(epochs: int, eta: int, restart: bool = False, candidates: int | None = None, **given: Any) -> Rungs:
    asked = {"min_epochs": None, "max_epochs": epochs, "max_rungs": None, **given}
    return rungs_of(way_of(forest()), eta, **asked, candidates=candidates, restart=restart, rows=len(Y), classes=3)


def totals(found: Rungs, eta: int, restart: bool) -> list[int]:
    """Return the epochs of a candidate after each rung, by doing its jobs."""
    assert found.max_rungs is not None
    done = [0]
    for rung in range(found.max_rungs):
        job = found.min_epochs * eta**rung
        before = 0 if restart else done[-1]
        done.append(before + found.missing(job, before))
    return done[1:]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("eta", [2, 3, 4, 7])
def test_the_top_rung_ends_at_the_whole(eta: int, restart: bool) -> None:
    for epochs in range(1, 300):
        found = rungs(epochs, eta, restart)
        after = totals(found, eta, restart)
        trained = np.array(after) if restart else np.diff([0, *after])
        assert after[-1] == epochs and (np.diff(trained) > 0).all(), (epochs, after)
        assert after[0] >= max(1, epochs // MOST_RATIO)


def test_the_usual_rungs() -> None:
    assert totals(rungs(100, 4), 4, False) == [4, 20, 100]
    assert totals(rungs(100, 3), 3, False) == [7, 28, 100]
    assert totals(rungs(100, 2, restart=True), 2, True) == [6, 12, 24, 48, 100]
    assert totals(rungs(100, 4, candidates=64), 4, False) == [4, 20, 100]
    assert totals(rungs(100, 4, candidates=63), 4, False) == [20, 100]
    assert totals(rungs(100, 4, candidates=15), 4, False) == [100]


def test_rungs_of_the_user_are_as_they_are() -> None:
    assert rungs(100, 3, min_epochs=2) == Rungs(2, 4)
    assert rungs(5, 3, max_epochs=None, min_epochs=2, max_rungs=3) == Rungs(2, 3)
    assert totals(rungs(100, 3, max_rungs=4), 3, False) == [2, 8, 26, 100]
    assert rungs(12, 3, max_rungs=4).max_rungs == 2  # 13 epochs would be needed for three


def test_estimators_have_these_epochs() -> None:
    ours = fitted(forest(n_estimators=10), eta=2)
    assert [rung["epochs"] for rung in ours.result_.rungs] == [1, 2, 4]
    table = ours.cv_results_
    assert set(table["resource"][table["rung"] == 2]) <= {10} and set(table["resource"][table["rung"] == 0]) <= {1}
    state = ours.result_.best_state
    assert {len(under.estimator.estimators_) for under in state} == {ours.best_epochs_}
    assert ours.trained_ == 8 * 1 + 4 * 2 + 2 * 7


def test_all_rows_are_the_whole_of_rows() -> None:
    ours = fitted(DecisionTreeClassifier(), {"max_depth": [2, 4, 8, 16], "ccp_alpha": [0.0, 0.001]}, cv=2)
    table = ours.cv_results_
    assert ours.resource_ == "n_samples" and table["resource"].min() >= LEAST_ROWS
    top = table["resource"][table["rung"] == table["rung"].max()]
    assert table["rung"].max() > 0 and set(top) == {len(Y) // 2}


def test_anew_from_the_first_rung_as_much() -> None:
    ours = fitted(forest(n_estimators=10), eta=2, training="restart")
    table = ours.cv_results_
    assert set(table["resource"][table["rung"] == table["rung"].max()]) == {10} and not ours.continued_

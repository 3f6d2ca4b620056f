"""Tests `ASHSearchCV(record=)`: a search ended by a time limit is repeated, with equal predictions at the end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import make_scorer

import ash
from ash._utils.machine import default_threads
from callback_help import Stopper, TimeIsUp
from config_help import configured
from fault_help import HANG_SECONDS
from search_help import SPACE, X, Y, forest, lightgbm, search


def timed(estimator: Any, space: Any, y: Any = Y, **changes: Any) -> ash.ASHSearchCV:
    given = {"candidates": None, "time_limit": HANG_SECONDS, "cv": 3, "random_state": 0, **changes}
    return ash.ASHSearchCV(estimator, space, **configured(given)).fit(X, y)


def check_repeated(first: ash.ASHSearchCV, again: ash.ASHSearchCV) -> None:
    assert again.result_.record == first.result_.record and again.result_.digest == first.result_.digest
    assert (again.best_params_, again.best_score_) == (first.best_params_, first.best_score_)
    assert again.predict_proba(X).tobytes() == first.predict_proba(X).tobytes()


@pytest.mark.filterwarnings("ignore:the search ended .time_limit. before a candidate")
@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (forest, {**SPACE, "max_depth": [2, 3, 4, 5, 6, 7, 8]}),
        (
            lambda: SGDClassifier(loss="log_loss"),
            {"alpha": ash.loguniform(1e-6, 1e-1), "eta0": ash.loguniform(1e-3, 1)},
        ),
        (lightgbm, {"num_leaves": ash.integers(4, 64), "learning_rate": ash.loguniform(0.01, 0.3)}),
    ],
    ids=["forest", "SGD", "LightGBM"],
)
def test_a_timed_search_is_repeated_on_other_threads(
    estimator: Any, space: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = timed(estimator(), space, n_jobs=2, callbacks=TimeIsUp(monkeypatch, HANG_SECONDS, 9))
    assert first.result_.ended == "time_limit" and first.result_.record.by == "ASHSearchCV"
    for jobs in (1, 2):
        check_repeated(first, timed(estimator(), space, n_jobs=jobs, record=first.result_.record))


@pytest.mark.filterwarnings("ignore:the search ended")
def test_a_clone_of_a_search_repeats_it() -> None:
    """Use random_state=None. The clone takes the seed that was drawn for the first search from the record."""
    first = search(candidates=12, random_state=None, callbacks=Stopper(9)).fit(X, Y)
    again = clone(first).set_params(record=first.result_.record, callbacks=None).fit(X, Y)
    assert again.result_.ended == "stopped"
    check_repeated(first, again)


def test_a_job_has_the_recorded_number_of_threads() -> None:
    first = search(candidates=4, n_jobs=1).fit(X, Y)
    assert first.result_.record.plan["threads of a job"] == default_threads().count
    other = replace(first.result_.record, plan={**first.result_.record.plan, "threads of a job": 3})
    again = search(candidates=4, n_jobs=2, record=other).fit(X, Y)
    assert again.result_.record == other


@pytest.mark.filterwarnings("ignore:the search ended")
def test_a_halving_search_is_repeated() -> None:
    def halving(jobs: int, **changes: Any) -> ash.HalvingRandomSearchCV:
        given = {"resource": "n_estimators", "max_resources": 40, "n_candidates": 12, "random_state": 0, **changes}
        return ash.HalvingRandomSearchCV(forest(), SPACE, n_jobs=jobs, cv=2, **given).fit(X, Y)

    first = halving(2, callbacks=Stopper(9))
    assert first.result_.ended == "stopped" and first.result_.record.by == "HalvingRandomSearchCV"
    check_repeated(first, halving(1, record=first.result_.record))


def test_records_of_other_entry_points_are_refused() -> None:
    fit = ash.ASHClassifier(candidates=2).fit(X, Y)
    with pytest.raises(ash.SettingError, match=r"record comes from ASHClassifier: repeat its run with"):
        search(record=fit.result_.record).fit(X, Y)
    with pytest.raises(ash.SettingError, match=r"record comes from ASHSearchCV: repeat its run with"):
        ash.ASHClassifier(record=search(candidates=4).fit(X, Y).result_.record).fit(X, Y)
    with pytest.raises(ash.SettingError, match=r"record must be an ash\.RunRecord"):
        search(record=1, random_state=None).fit(X, Y)
    with pytest.raises(ash.SettingError, match="threads of a job in the record must be"):
        record = search(candidates=4).fit(X, Y).result_.record
        search(candidates=4, record=replace(record, plan={})).fit(X, Y)


def test_a_search_that_cannot_be_hashed_has_no_record() -> None:
    class Unpicklable:
        def __call__(self, truth: Any, found: Any) -> float:
            return float(np.mean(truth == found))

        def __reduce__(self) -> Any:
            raise TypeError("never")

    scoring = make_scorer(Unpicklable())
    assert search(candidates=4, scoring=scoring).fit(X, Y).result_.record is None
    record = search(candidates=4).fit(X, Y).result_.record
    with pytest.raises(ash.SettingError, match="scoring cannot be pickled, as journal= and record= require"):
        search(candidates=4, scoring=scoring, record=record).fit(X, Y)


def test_a_search_that_ends_before_the_top_rung_causes_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the warning that the refit has only the rounds of the best candidate, which did not reach the top rung."""
    given: dict[str, Any] = {"n_jobs": 1, "time_limit": 100.0, "callbacks": [TimeIsUp(monkeypatch, 100.0, jobs=2)]}
    words = (
        r"the search ended \(time_limit\) before .* trained with n_estimators=40; the best one, .* has \d: raise time"
    )
    with pytest.warns(UserWarning, match=words) as told:
        first = timed(forest(n_estimators=40), {**SPACE, "max_depth": [2, 3, 4, 5, 6, 7, 8]}, **given)
    assert first.result_.ended == "time_limit" and first.best_estimator_.n_estimators == first.best_epochs_ < 40
    assert len(told) == 1
    repeated = timed(
        forest(n_estimators=40), {**SPACE, "max_depth": [2, 3, 4, 5, 6, 7, 8]}, record=first.result_.record
    )
    check_repeated(first, repeated)

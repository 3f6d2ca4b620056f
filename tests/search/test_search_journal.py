"""Tests that a search with a journal resumes where it ended, and that the memory of waiting estimators is limited."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ash
from callback_help import After, Diary
from function_journal_help import keys, looked_at
from search_help import X, Y, fitted, forest, search

TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time", "fit_time")


@pytest.fixture(autouse=True)
def every_job_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at(monkeypatch)


def ended_early(journal: Path, jobs: int, **changes: Any) -> list[Any]:
    """Start a search, end it early, and return the reported jobs."""
    diary = Diary()
    with pytest.raises(SystemExit):
        search(journal=journal, callbacks=[diary, After(jobs, sys.exit)], **changes).fit(X, Y)
    return [job for job, _ in diary.jobs]


def check_equal(one: ash.ASHSearchCV, other: ash.ASHSearchCV) -> None:
    """Check that the results and the models are equal."""
    assert one.result_.digest == other.result_.digest
    assert one.cv_results_.keys() == other.cv_results_.keys()
    for name in one.cv_results_.keys() - {*TIMES, "params"}:
        np.testing.assert_array_equal(one.cv_results_[name], other.cv_results_[name])
    assert one.cv_results_["params"] == other.cv_results_["params"]
    for name in ("best_params_", "best_score_", "best_epochs_"):
        assert getattr(one, name) == getattr(other, name)
    assert one.predict_proba(X).tobytes() == other.predict_proba(X).tobytes()


@pytest.mark.parametrize("jobs", [1, 5, 9, 13])
def test_a_resumed_search_equals_an_uninterrupted_one(jobs: int, tmp_path: Path) -> None:
    # jobs are decided one by one, so that a run can end between any two jobs
    drawn: dict[str, Any] = {"sampler": "random"}
    whole = fitted(**drawn)
    before = ended_early(tmp_path / "run.ash", jobs, **drawn)
    told = Diary()
    again = fitted(journal=tmp_path / "run.ash", callbacks=[told], **drawn)
    check_equal(again, whole)
    assert set(keys(before)).isdisjoint(keys(job for job, _ in told.jobs)), "each job is told once"
    assert len(before) + len(told.jobs) == len(whole.result_.jobs)


def test_a_finished_search_is_read_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(journal=tmp_path / "run.ash")
    calls: list[Any] = []
    fit = type(forest()).fit
    monkeypatch.setattr(type(forest()), "fit", lambda *given, **more: calls.append(1) or fit(*given, **more))
    again = fitted(journal=tmp_path / "run.ash")
    check_equal(again, whole)
    best = 2 * (again.result_.best_rung + 1)  # fits for `best_state`: two folds in each rung of the best candidate
    assert len(calls) == best + 1
    assert again.trained_ == whole.trained_ + again.result_.memory["retrained_epochs"]


def test_a_search_without_random_state_continues_with_the_seed_of_the_journal(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"sampler": "random", "random_state": None}
    ended_early(tmp_path / "run.ash", 5, **settings)
    again = fitted(journal=tmp_path / "run.ash", **settings)
    check_equal(again, fitted(**settings | {"random_state": again.result_.seed}))
    with pytest.raises(ash.JournalError, match="random_state: "):
        fitted(journal=tmp_path / "run.ash", **settings | {"random_state": again.result_.seed + 1})


def test_the_time_of_each_fold_is_recorded(tmp_path: Path) -> None:
    first, again = (fitted(journal=tmp_path / "run.ash") for _ in range(2))
    for name in TIMES[:4]:
        np.testing.assert_array_equal(first.cv_results_[name], again.cv_results_[name])


@pytest.mark.parametrize("first", [False, True])
def test_return_train_score_may_change(first: bool, tmp_path: Path) -> None:
    ended_early(tmp_path / "run.ash", 5, return_train_score=first)
    again = fitted(journal=tmp_path / "run.ash", return_train_score=not first)
    known = ~np.isnan(again.cv_results_["mean_train_score"])
    assert known.any() and not known.all()
    np.testing.assert_array_equal(again.cv_results_["mean_test_score"], fitted().cv_results_["mean_test_score"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cv": 3}, "cv"),
        ({"scoring": "neg_log_loss"}, "scoring"),
        ({"resource": "n_samples", "min_epochs": 2, "max_rungs": 3}, "resource"),
        ({"estimator": forest(criterion="entropy")}, "estimator"),
        ({"estimator": forest(), "rows": (X + 1, Y)}, "data"),
        ({"estimator": forest(), "rows": (X, 2 - Y)}, "data"),
        ({"random_state": 1}, "random_state"),
        ({"max_epochs": 9}, "max_epochs"),
    ],
    ids=["cv", "scoring", "resource", "estimator", "rows", "labels", "seed", "epochs"],
)
def test_a_different_search_is_refused(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    fitted(journal=tmp_path / "run.ash")
    rows = changes.get("rows", (X, Y))
    given = {name: value for name, value in changes.items() if name != "rows"}
    other = search(given.pop("estimator", None), journal=tmp_path / "run.ash", **given)
    with pytest.raises(ash.JournalError, match=named):
        other.fit(*rows)


def test_a_journal_refuses_a_scorer_that_cannot_be_pickled(tmp_path: Path) -> None:
    scorer = make_scorer(lambda y, predicted: float((y == predicted).mean()))
    with pytest.raises(ash.SettingError, match="scoring cannot be pickled, as journal= and record= require"):
        search(scoring=scorer, journal=tmp_path / "run.ash").fit(X, Y)
    assert fitted(scoring=scorer).best_score_ > 0.5


def test_a_resumed_search_may_have_more_candidates(tmp_path: Path) -> None:
    fitted(candidates=4, journal=tmp_path / "run.ash", min_epochs=2, max_rungs=3)
    more = fitted(candidates=8, journal=tmp_path / "run.ash", min_epochs=2, max_rungs=3)
    check_equal(more, fitted(candidates=8, min_epochs=2, max_rungs=3))


@pytest.mark.parametrize(
    "estimator", [forest(), make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss"))], ids=["forest", "pipeline"]
)
def test_memory_of_waiting_estimators_is_limited(estimator: Any) -> None:
    space = None if hasattr(estimator, "n_estimators") else {"sgdclassifier__alpha": ash.loguniform(1e-5, 1e-1)}
    whole = fitted(estimator, space)
    bounded = fitted(estimator, space, memory_limit=1)
    assert bounded.result_.memory["spilled"] > 0 == bounded.result_.memory["dropped"]
    check_equal(bounded, whole)

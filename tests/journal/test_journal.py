"""Tests the journal: a run interrupted in any way resumes to the same result as an uninterrupted run."""

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold

import ash
from ash.errors import JournalError, NothingFinishedError
from ash.journal.database import with_checksum
from ash.journal.network_journal import scores_of
from callback_help import After, Diary, Failing, Stopper, TimeIsUp, X, Y
from estimator_help import classifier
from fault_help import small_space
from journal_help import JOBS, change, copy, outcome, regression, rows, run, stopped, with_states

pytestmark = pytest.mark.core

DIVERGING = {"space": small_space(learning_rate=ash.choice(1e-3, 1e-2, 1e6, 1e7), optimizer="sgd", hidden=(6,))}
KINDS: dict[str, dict[str, Any]] = {
    "resume": {},
    "restart": {"training": "restart"},
    "sh": {"algorithm": "sh"},
    "random": {"algorithm": "random", "max_rungs": 2},
    "paper": {"promotion": "paper"},
    "regression": regression(),
    "diverging": {**regression(), **DIVERGING, "candidates": 4},
    "folds": {"cv": 3, "candidates": 8},
    "weights": {"sample_weight": np.linspace(0.5, 2, len(Y))},
    "tight": {"memory_limit": 1},
    "held out": {"validation": (X[::3], Y[::3])},
    "stream": {"candidates": None, "max_total_epochs": 480},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_has_the_same_result_as_an_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    changes = KINDS[kind]
    expected = run(None, **changes)
    for number, jobs in enumerate((1, 4, len(expected.jobs) // 2)):
        path = tmp_path / f"{number}.ash"
        first = stopped(path, jobs, **changes)
        assert first.ended == "max_total_epochs" and len(first.jobs) < len(expected.jobs)
        again = run(path, n_jobs=1 + number % 2, **changes)
        assert outcome(again) == outcome(expected)
        assert rows(path, "SELECT count(*) FROM jobs") == [(len(expected.jobs),)]


def test_f73_a_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    path = tmp_path / "run.ash"
    first = run(path)
    diary = Diary()
    again = run(path, diary)
    assert outcome(again) == outcome(first)
    assert (again.jobs, again.memory["retrained_epochs"]) == (first.jobs, 0)  # including times and threads
    assert diary.jobs == [] and diary.pages[0][1].resumed == JOBS
    assert (again.model.predict_proba(X) == first.model.predict_proba(X)).all()
    assert (again.ensemble().predict_proba(X) == first.ensemble().predict_proba(X)).all()


def test_adding_candidates_gives_the_same_run_as_starting_with_all(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    run(path, candidates=8)
    assert outcome(run(path, candidates=16)) == outcome(run(None))
    assert rows(path, "SELECT count(*) FROM jobs")[0][0] >= JOBS
    with pytest.raises(JournalError, match=r"holds a run of 16 candidates; candidates=8 would lose results"):
        run(path, candidates=8)


def test_the_time_limit_covers_all_calls_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.ash"
    endless = {"candidates": None, "space": small_space(learning_rate=ash.loguniform(1e-3, 1e-1, levels=20_000))}
    first = run(path, TimeIsUp(monkeypatch, 100), **endless, time_limit=100)
    assert first.ended == "time_limit"
    over = run(path, **endless, time_limit=100)
    assert over.ended == "time_limit" and len(over.jobs) == len(first.jobs)
    longer = run(path, TimeIsUp(monkeypatch, 100), **endless, time_limit=200)
    assert longer.ended == "time_limit" and len(longer.jobs) >= len(first.jobs) + 5
    assert max(job.end for job in longer.jobs) <= longer.wall_seconds


def test_a_greedy_run_keeps_every_result_and_repeats_running_jobs(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = stopped(path, 12, schedule="greedy")
    again = run(path, schedule="greedy", n_jobs=1)
    kept = [(job.candidate, job.rung, job.weights_hash) for job in first.jobs]
    assert [(job.candidate, job.rung, job.weights_hash) for job in again.jobs][: len(kept)] == kept
    assert (len(again.jobs), again.ended) == (JOBS, "finished")
    expected = {(job.candidate, job.rung): job.weights_hash for job in run(None, algorithm="random").jobs}
    assert all(expected[job.candidate, job.rung] == job.weights_hash for job in again.jobs)


def test_a_planned_run_continues_with_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.ash"
    first = run(path, TimeIsUp(monkeypatch, 20), candidates="auto", min_epochs=None, time_limit=20.0)
    longer = run(path, TimeIsUp(monkeypatch, 60), candidates="auto", min_epochs=None, time_limit=60.0)
    for name in ("min_epochs", "max_rungs", "epoch_rows", "keep", "schedule"):
        assert longer.settings[name] == first.settings[name]
    assert len(longer.jobs) > len(first.jobs)


def test_written_states_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    path = tmp_path / "run.ash"
    slow = {"min_epochs": 40}
    expected = run(None, **slow)
    stopped(path, 20, **slow)
    assert rows(path, "SELECT count(*) FROM states")[0][0] > 3
    copy(path, tmp_path / "copied.ash")
    again = run(path, **slow)
    assert outcome(again) == outcome(expected)
    without = copy(tmp_path / "copied.ash", tmp_path / "without.ash")
    shutil.rmtree(tmp_path / "without.ash-states")
    with pytest.warns(UserWarning, match="and are trained again"):
        later = run(without, **slow)
    assert outcome(later) == outcome(expected)
    assert later.memory["retrained_epochs"] > again.memory["retrained_epochs"]
    files = {file.name for file in (tmp_path / "run.ash-states").iterdir()}
    assert files == {name for (name,) in rows(path, "SELECT DISTINCT file FROM states")}


def test_f46_a_failing_callback_leaves_its_job_in_the_journal(tmp_path: Path) -> None:
    path, diary = tmp_path / "run.ash", Diary()

    def fails(run: ash.Run) -> None:
        raise SystemExit("third")

    with pytest.raises(SystemExit, match="third"):
        run(path, diary, After(3, fails))
    there = rows(path, "SELECT candidate, rung FROM jobs ORDER BY number")
    assert there[:3] == [(job.candidate, job.rung) for job, _ in diary.jobs]
    assert outcome(run(path)) == outcome(run(None))


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_callbacks_failing_before_or_after_a_run_lose_nothing(method: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run(path, Failing(method, LookupError("now")))
        except LookupError:
            assert method == "on_start"
    assert outcome(run(path)) == outcome(run(None))


def test_a_journal_without_finished_jobs_can_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    with pytest.raises(NothingFinishedError):
        run(path, Stopper(0))
    with pytest.raises(NothingFinishedError):
        run(path, time_limit=0)
    assert outcome(run(path)) == outcome(run(None))


def test_the_seed_of_the_journal_is_used_if_none_is_given(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = run(path, random_state=None)
    assert outcome(run(path, random_state=None)) == outcome(first)
    assert first.seed == run(path, random_state=first.seed).seed


def test_estimators_continue_from_a_journal(tmp_path: Path) -> None:
    settings = {"space": small_space(), "candidates": 8, "min_epochs": 20, "random_state": 0, "n_jobs": 2}
    expected = classifier(**settings).fit(X, Y)
    path = tmp_path / "run.ash"
    classifier(**settings, journal=path, max_total_epochs=100).fit(X, Y)
    again = classifier(**settings, journal=path).fit(X, Y)
    assert again.result_.digest == expected.result_.digest
    assert (again.predict_proba(X) == expected.predict_proba(X)).all()  # including ensemble and refit
    with pytest.raises(JournalError, match=r"was started by ASHClassifier: fit the same estimator again"):
        ash.resume(path, X, Y)


def test_an_estimator_without_random_state_continues_with_the_seed_of_the_journal(tmp_path: Path) -> None:
    settings = {"space": small_space(), "candidates": 8, "n_jobs": 2, "random_state": None}
    path = tmp_path / "run.ash"
    first = classifier(**settings, journal=path, max_total_epochs=10).fit(X, Y)
    again = classifier(**settings, journal=path).fit(X, Y)
    assert 0 < len(first.result_.jobs) < len(again.result_.jobs)
    expected = classifier(**settings | {"random_state": first.result_.seed}).fit(X, Y)
    assert again.result_.digest == expected.result_.digest
    with pytest.raises(JournalError, match="random_state: "):
        classifier(**settings | {"random_state": np.random.RandomState(0)}, journal=path).fit(X, Y)


def test_a_scorer_is_called_once_per_job_and_its_error_is_not_recorded(tmp_path: Path) -> None:
    path, calls, failing = tmp_path / "run.ash", [], [True]

    def share_right(estimator: Any, x: Any, y: Any) -> float:
        calls.append(1)
        if failing:
            raise OSError("the disk of the scorer is full")
        return float((estimator.predict(x) == y).mean())

    settings = {"space": small_space(), "candidates": 8, "random_state": 0, "scoring": share_right}
    with pytest.raises(OSError, match="the disk of the scorer is full"):
        classifier(**settings, journal=path).fit(X, Y)
    assert rows(path, "SELECT count(*) FROM jobs WHERE score = 'nan'") == [(0,)]
    failing.clear()
    expected = classifier(**settings).fit(X, Y).result_.digest
    assert classifier(**settings, journal=path).fit(X, Y).result_.digest == expected
    before = len(calls)
    assert classifier(**settings, journal=path).fit(X, Y).result_.digest == expected
    assert len(calls) == before + 2  # no job is scored again; the estimated score of a single split needs two calls


def test_numpy_numbers_are_accepted_as_settings(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = run(path, candidates=np.int64(8), validation=np.float64(0.25), min_epochs=np.int32(4))
    assert outcome(ash.resume(path, X, Y, verbose=0)) == outcome(first)


def test_folds_and_their_scores_are_restored(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    groups = np.arange(len(Y)) % 7
    settings = {"cv": GroupKFold(3), "groups": groups, "candidates": 8}
    expected = run(None, **settings)
    stopped(path, 6, **settings)
    again = run(path, **settings)
    assert outcome(again) == outcome(expected)
    assert scores_of(again.fold_scores) == scores_of(expected.fold_scores)  # sorted by the end times of the jobs
    with pytest.raises(ash.SettingError, match="cv=None: pass the splitter that the run started with"):
        ash.resume(path, X, Y)
    assert outcome(
        ash.resume(
            path, X, Y, cv=GroupKFold(3), groups=groups, verbose=0, config=ash.SearchConfig(max_total_epochs=10**6)
        )
    ) == outcome(expected)


def test_resume_needs_only_the_data(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    settings = {"promotion": "paper", "eta": 3, "candidates": 18, "scoring": "log_loss", "validation": 0.3}
    stopped(path, 7, **settings)
    assert ash.resume(path, X, Y, verbose=0).ended == "max_total_epochs"  # the original limit still applies
    again = ash.resume(path, X, Y, n_jobs=1, verbose=0, config=ash.SearchConfig(max_total_epochs=10**6))
    assert outcome(again) == outcome(run(None, **settings))
    more = ash.resume(str(path), X, Y, candidates=27, verbose=0, config=ash.SearchConfig(max_total_epochs=10**6))
    assert outcome(more) == outcome(run(None, **{**settings, "candidates": 27}))
    assert outcome(ash.resume(path, X, Y, verbose=0)) == outcome(more)  # the new limit is now stored
    with pytest.raises(JournalError, match=re.escape(f"{tmp_path / 'none.ash'} is not a file")):
        ash.resume(tmp_path / "none.ash", X, Y)


def test_a_journal_of_a_version_with_other_defaults_is_resumed(tmp_path: Path) -> None:
    """Change a journal to what earlier versions wrote: "auto" was 128 candidates, and the default was one split."""
    path, given = tmp_path / "run.ash", {"candidates": 128, "min_epochs": None}
    whole, part = run(None, **given), run(path, max_total_epochs=30, **given)
    begun = json.loads(rows(path, "SELECT value FROM facts WHERE name = 'begun'")[0][0])
    begun["arguments"] |= {"candidates": "auto", "validation": None, "max_total_epochs": None}
    change(path, "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", *with_checksum("facts", ("begun", json.dumps(begun))))
    again = run(copy(path, tmp_path / "same.ash"), validation=None, **given)
    assert part.ended == "max_total_epochs" and outcome(again) == outcome(whole)
    assert outcome(ash.resume(path, X, Y, verbose=0)) == outcome(whole)


def test_the_default_space_is_restored_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = run(path, space=None)
    assert ash.resume(path, X, Y, verbose=0).digest == first.digest

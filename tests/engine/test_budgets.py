"""Tests the limits of a run (epochs, a score, seconds, memory): finished jobs are kept, and no decision changes."""

import importlib
import itertools
import math
import re
import time

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_wine

import ash
from ash._utils import machine
from ash.engine import deadline, run
from ash.engine.deadline import Deadline
from ash.engine.refit import Refit
from callback_help import TimeIsUp, shifted_clock
from config_help import configured, split_once

pytestmark = pytest.mark.core

WINE = load_wine(return_X_y=True)
SPACE = ash.Space(
    hidden=ash.choice((8,), (), (12, 6)), learning_rate=ash.loguniform(1e-3, 1e-1), batch_size=ash.choice(16, 32)
)


def quick(X=WINE[0], y=WINE[1], space=SPACE, **settings):
    return ash.tune(X, y, space, **configured(split_once({"candidates": 16, "n_jobs": 2, "verbose": 0, **settings})))


# Epochs


def test_all_jobs_together_stay_within_the_epoch_limit():
    whole = quick()
    assert whole.ended == "finished" and whole.epochs == 64
    for limit in (1, 2, 17, 63):
        result = quick(max_total_epochs=limit)
        assert result.ended == "max_total_epochs" and 0 < result.epochs <= limit
        assert "epoch" in repr(result).splitlines()[2]
    assert quick(max_total_epochs=64).digest == quick(max_total_epochs=10**18).digest


def test_a_run_with_an_epoch_limit_is_the_start_of_the_full_run():
    whole, part = quick(n_jobs=1), quick(n_jobs=1, max_total_epochs=40)
    assert 0 < len(part.jobs) < len(whole.jobs)
    scores = {(job.candidate, job.rung): job.score for job in whole.jobs}
    assert all(scores[job.candidate, job.rung] == job.score for job in part.jobs)


def test_an_epoch_limit_can_allow_a_single_job():
    result = quick(min_epochs=7, max_total_epochs=7)
    assert [(job.candidate, job.rung, job.epochs) for job in result.jobs] == [(0, 0, 7)]
    assert result.best_candidate == 0 and result.ended == "max_total_epochs"


# Work


def test_no_job_starts_once_the_work_limit_is_reached():
    whole = quick()
    costs = [job.virtual_end - job.virtual_start for job in whole.jobs]
    assert whole.work == sum(costs)
    for share in (1e-6, 0.3, 0.6):
        result = quick(work_limit=share * whole.work)
        assert result.ended == "work_limit" and "work limit reached" in repr(result).splitlines()[2]
        assert share * whole.work <= result.work < share * whole.work + max(costs)
        assert result.digest == quick(work_limit=share * whole.work, n_jobs=1).digest
        assert result.digest == quick(work_limit=result.work).digest
    assert quick(work_limit=2 * whole.work).digest == whole.digest
    assert quick(candidates=None, work_limit=whole.work).ended == "work_limit"
    assert quick(schedule="greedy", work_limit=0.3 * whole.work).ended == "work_limit"


def test_a_ladder_for_a_work_limit_is_planned_without_a_clock(monkeypatch):
    def timed(*_):
        raise AssertionError("the speed of the machine was asked for")

    monkeypatch.setattr("ash.engine.planning._seconds_a_cost", timed)
    given = {"random_state": 0, "config": ash.SearchConfig(work_limit=3e9)}
    digests = {ash.ASHClassifier(**given, n_jobs=threads).fit(*WINE).model_.digest for threads in (1, 2)}
    fit = ash.ASHClassifier(**given).fit(*WINE)
    assert digests == {fit.model_.digest}
    assert fit.result_.ended == "work_limit" and fit.result_.work >= 3e9
    assert fit.result_.options.virtual_workers == 8 and fit.result_.options.schedule == "reproducible"
    more = ash.ASHClassifier(random_state=0, config=ash.SearchConfig(work_limit=2e10)).fit(*WINE).result_
    assert len(more.params) > len(fit.result_.params)


@pytest.mark.parametrize("work", [0, -1.0, math.inf, math.nan, "much", True])
def test_an_invalid_work_limit_is_refused(work):
    with pytest.raises(ash.SettingError, match="work_limit must be a number of multiply-adds above 0, got"):
        ash.SearchConfig(work_limit=work)


# A stop score


def test_the_first_score_that_reaches_the_stop_score_ends_the_run():
    whole = quick()
    stop_score = sorted(job.score for job in whole.jobs)[-3]
    result = quick(stop_score=stop_score)
    assert result.ended == "stop_score" and "stop score reached" in repr(result).splitlines()[2]
    decided = list(itertools.takewhile(lambda job: job.score < stop_score, whole.jobs))
    assert [(job.candidate, job.rung, job.score) for job in result.jobs[:-1]] == [
        (job.candidate, job.rung, job.score) for job in decided
    ]
    assert result.jobs[-1].score == result.best_score >= stop_score


def test_an_unreached_stop_score_changes_nothing():
    result = quick(stop_score=1.5)
    assert result.ended == "finished" and result.digest == quick().digest


def test_stop_scores_of_errors_are_negative():
    result = quick(scoring="log_loss", stop_score=-0.5)
    assert result.ended == "stop_score" and -0.5 <= result.best_score <= 0
    assert quick(scoring="log_loss", stop_score=0.5).ended == "finished"


def test_a_stop_score_can_be_any_kind_of_number():
    for stop_score in (0, np.float32(0.25)):
        assert quick(stop_score=stop_score).ended == "stop_score"


# Patience


def test_a_run_without_improvement_ends_by_patience():
    whole = quick()
    best, without = -np.inf, []
    for job in whole.jobs:
        without.append(0 if job.score > best else without[-1] + 1)
        best = max(best, job.score)
    patience = max(without)
    assert patience > 2
    result = quick(patience=patience)
    assert result.ended == "patience" and "no better score" in repr(result).splitlines()[2]
    assert len(result.jobs) == without.index(patience) + 1
    assert [job.score for job in result.jobs] == [job.score for job in whole.jobs[: len(result.jobs)]]
    assert quick(patience=patience + 1).digest == whole.digest
    assert quick(patience=patience, n_jobs=2).digest == result.digest
    assert quick(candidates=None, patience=5).ended == "patience"  # even without a maximum number of candidates


def test_patience_must_be_an_integer():
    for patience in (0, 2.5, True):
        with pytest.raises(ash.SettingError, match="patience must be"):
            quick(patience=patience)


# Seconds


@pytest.mark.parametrize("schedule", ["reproducible", "greedy"])
def test_jobs_finished_before_the_time_limit_are_kept(schedule, monkeypatch):
    X, y = load_digits(return_X_y=True)
    validation = (X[1500:], y[1500:])
    limit = {"candidates": None, "time_limit": 1000, "callbacks": [TimeIsUp(monkeypatch, 1000)]}
    result = quick(X[:1500], y[:1500], None, validation=validation, schedule=schedule, **limit)
    assert result.ended == "time_limit" and not result.interrupted
    assert result.wall_seconds > 0 and "time limit" in repr(result)
    assert result.best_score == max(job.score for job in result.jobs if not job.diverged)
    assert result.model.score(*validation) == pytest.approx(result.best_score, abs=1e-6)


def test_the_time_limit_includes_the_preparation(monkeypatch):
    module, left = importlib.import_module("ash.engine.run"), []
    read, planned = module.read_table, module.planned
    monkeypatch.setattr(module, "read_table", lambda *given: time.sleep(0.5) or read(*given))
    monkeypatch.setattr(module, "planned", lambda *given: left.append(given[-1]) or planned(*given))
    quick(candidates=4, time_limit=100)
    (seconds,) = left
    assert seconds <= 100 - deadline.LONGEST_REST - 0.5


def test_the_jobs_of_a_run_ended_by_time_are_those_of_the_full_run(monkeypatch):
    """Check that decisions made before the deadline equal those of a run without a time limit."""
    settings = {"candidates": None, "min_epochs": 50}
    with monkeypatch.context() as patch:
        part = quick(time_limit=1000, callbacks=[TimeIsUp(patch, 1000, 20)], **settings)
    whole = quick(max_total_epochs=2 * part.epochs, **settings)
    assert part.ended == "time_limit" and 20 <= len(part.jobs) < len(whole.jobs)
    jobs = [{(job.candidate, job.rung, job.score, job.weights_hash) for job in run.jobs} for run in (part, whole)]
    assert jobs[0] < jobs[1]


@pytest.mark.parametrize("schedule", ["reproducible", "greedy"])
@pytest.mark.parametrize("candidates", [4, None])
def test_a_time_limit_too_short_for_one_job_is_an_error(schedule, candidates):
    with pytest.raises(ash.NothingFinishedError, match=r"^time_limit=0 was over before the first job ended") as caught:
        quick(candidates=candidates, time_limit=0, schedule=schedule)
    said = re.search(
        r"reading 178 rows took (.*) s, and a job takes about (.*) s; .* at least (.*)$", str(caught.value)
    )
    prepared, job, needed = map(float, said.groups())
    assert needed > prepared + job > 0


def test_a_time_limit_used_up_by_reading_is_an_error_at_once(monkeypatch):
    """Check that the error is raised before rows are encoded, and that its message names a sufficient time limit."""
    split, encoded, ahead = run.split_table, [], shifted_clock(monkeypatch)

    def slow(*given, **more):
        ahead[0] += 300
        return split(*given, **more)

    monkeypatch.setattr(run, "split_table", slow)
    with monkeypatch.context() as patch:
        patch.setattr(run, "prepare_all", lambda *given: encoded.append(given))
        with pytest.raises(
            ash.NothingFinishedError, match=r"^time_limit=200 was over .* reading 178 rows took"
        ) as caught:
            ash.ASHClassifier(time_limit=200, n_jobs=1).fit(*WINE)
    assert not encoded
    needed = float(str(caught.value).rpartition(" ")[2])
    enough = {"time_limit": needed, "config": ash.SearchConfig(max_total_epochs=20)}
    assert 300 < needed < 1000 and ash.ASHClassifier(**enough, n_jobs=1).fit(*WINE).result_.jobs


def test_the_network_of_a_fold_predicts_if_no_time_is_left_to_train_on_all_rows(monkeypatch):
    """Check that a time limit shorter than the estimated refit time holds, even if the user sets the ladder."""
    given = {"cv": 3, "ensemble": 1, "candidates": 8, "min_epochs": 2, "random_state": 0, "n_jobs": 1}
    monkeypatch.setattr(Refit, "_shared_out", lambda *_: 1000.0)
    with pytest.warns(UserWarning, match="no time is left to train the best network on all rows: the model is"):
        fit = ash.ASHClassifier(**configured({**given, "time_limit": 100})).fit(*WINE)
    assert fit.result_.record.refit == (0,) and fit.model_.digest == fit.result_.model.digest
    monkeypatch.undo()
    assert ash.ASHClassifier(record=fit.result_.record).fit(*WINE).result_.record == fit.result_.record


def test_the_tightest_of_several_limits_ends_the_run(monkeypatch):
    assert quick(candidates=None, time_limit=100, max_total_epochs=30, stop_score=2.0).ended == "max_total_epochs"
    assert quick(candidates=None, time_limit=100, max_total_epochs=10**6, stop_score=0.5).ended == "stop_score"
    limits = {"time_limit": 100, "max_total_epochs": 10**9, "stop_score": 2.0}
    result = quick(space=None, candidates=None, callbacks=[TimeIsUp(monkeypatch, 100)], **limits)
    assert result.ended == "time_limit"


# The deadline reserves no more time than a refit needs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: now[0])
    return now


def train(clock: list[float], given: Deadline, needed: list[float]) -> float:
    """Advance the clock until the deadline leaves no time, and return the clock's time.

    `needed` lists the estimated refit times, one for each time that the deadline asks.
    """
    looks = iter(needed)
    while (left := given.left(lambda: next(looks))) > 0:
        clock[0] += left
    return clock[0]


def test_without_a_limit_the_deadline_is_infinite(clock: list[float]) -> None:
    assert Deadline(100.0, None).left() == math.inf


def test_the_deadline_keeps_the_rest_and_the_reserve_free(clock: list[float]) -> None:
    assert Deadline(100.0, 10.0).left() == pytest.approx(10 * (1 - deadline.REST - deadline.RESERVE))
    assert Deadline(100.0, 1000.0, 0.04).left() == pytest.approx(1000 * 0.96 - deadline.LONGEST_REST)


@pytest.mark.parametrize(
    ("needed", "kept"),
    [([60.0], 100 * deadline.RESERVE), ([4.0, 3.5], 4.0), ([8.0, 2.0, 2.0], 2.0), ([8.0, 12.0], 8.0)],
    ids=["all the reserve", "less", "less and less", "more than before"],
)
def test_training_ends_when_a_refit_needs_the_time_that_is_left(
    needed: list[float], kept: float, clock: list[float]
) -> None:
    given = Deadline(100.0, 100.0)
    assert train(clock, given, needed) == pytest.approx(given.end - kept)


def test_time_is_counted_from_the_call(clock: list[float]) -> None:
    assert Deadline(90.0, 20.0, 0.0).left() == pytest.approx(20 * (1 - deadline.REST) - 10)


# Memory of waiting candidates: a limit makes runs slower but does not change the outcome


def wide(X=WINE[0], y=WINE[1], **settings):
    space = ash.Space(hidden=ash.choice((32,), (16, 8)), learning_rate=ash.loguniform(1e-3, 1e-1))
    settings = split_once({"candidates": 32, "n_jobs": 2, "keep": 1, "verbose": 0, **settings})
    return ash.tune(X, y, space, **configured(settings))


@pytest.mark.parametrize(("left", "limit"), [(1001, 500), (1, 1), (0, 1), (None, None)])
def test_the_default_memory_limit_is_half_of_the_available_memory(left, limit, monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: left)
    assert machine.default_limit() == limit


def test_the_result_contains_the_memory_limit(monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: 10**9)
    assert wide().settings["memory_limit"] == 500_000_000 == wide().memory["limit"]
    assert wide(memory_limit=12_345).settings["memory_limit"] == 12_345
    monkeypatch.setattr(machine, "available_bytes", lambda: None)
    assert wide().settings["memory_limit"] is None and wide().memory["limit"] == 0


@pytest.mark.parametrize("data", [WINE, load_diabetes(return_X_y=True)], ids=["classes", "targets"])
def test_a_tight_memory_limit_retrains_to_the_same_outcome(data):
    loose = wide(*data, n_jobs=1)
    assert loose.memory["dropped"] == loose.memory["retrained_epochs"] == 0 < loose.memory["peak_bytes"]
    for threads in (1, 2):
        tight = wide(*data, n_jobs=threads, memory_limit=1)
        assert tight.digest == loose.digest and tight.best_params == loose.best_params
        assert tight.memory["dropped"] > 0 and tight.memory["retrained_epochs"] > 0
        # With more threads, the peak depends on timing: a finished job may keep its state until all jobs that must be
        # decided before it have finished.
        assert threads > 1 or tight.memory["peak_bytes"] < loose.memory["peak_bytes"]


def test_networks_kept_for_an_ensemble_are_counted_and_never_dropped():
    few, many = (wide(n_jobs=1, memory_limit=1, keep=keep) for keep in (1, 32))
    assert few.digest == many.digest
    assert many.memory["dropped"] < few.memory["dropped"] and many.memory["peak_bytes"] > few.memory["peak_bytes"]
    arenas = sum(part.nbytes for network in many.kept.networks for part in network.core.weights)
    assert many.memory["peak_bytes"] > arenas


def test_retrained_epochs_do_not_count_and_restarts_retrain_nothing():
    assert wide(memory_limit=1).epochs == wide().epochs == wide(memory_limit=1, max_total_epochs=10**6).epochs
    assert wide(training="restart", memory_limit=1).memory["retrained_epochs"] == 0


def test_an_endless_stream_respects_a_memory_limit():
    free, tight = (wide(candidates=None, max_total_epochs=300, memory_limit=limit) for limit in (None, 10_000))
    assert free.digest == tight.digest and tight.memory["dropped"] > 0

"""Tests `ash.tune_function(..., record=)`: runs ended by a time limit are repeated exactly, without a clock."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ash
import needs
from ash.cli.show import journal_lines
from ash.function.answers import DIED, LATE
from ash.run_record import RunRecord
from callback_help import INTERRUPTED, After, Stopper, TimeIsUp, press_ctrl_c
from fault_help import HANG_SECONDS
from function_help import FAILURES, SPACE, cost, pass_limit_of_last_job, run, train, wait

pytestmark = pytest.mark.core

TIMED: dict[str, Any] = {"candidates": None, "time_limit": HANG_SECONDS, "costs": cost}


def record_of(result: ash.FunctionResult) -> RunRecord:
    assert result.record is not None
    return result.record


def check_repeated(first: ash.FunctionResult, again: ash.FunctionResult) -> None:
    assert again.record == first.record and again.digest == first.digest == record_of(first).digest
    assert (again.ended, again.best_params, again.best_state) == (first.ended, first.best_params, first.best_state)
    assert len(again.jobs) == len(first.jobs) == len(record_of(first).decisions)


# The same outcome


@pytest.mark.parametrize(
    "case",
    [
        {"n_jobs": 2},
        {"n_jobs": 1},
        {"n_jobs": 2, "candidates": 4_000},
        {"n_jobs": 2, "candidates": 4_000, "promotion": "improving", "eta": 3},
        {"n_jobs": 2, "sampler": "sobol"},
        {"n_jobs": 2, "sampler": "random"},
        {"n_jobs": 2, "training": "restart", "first": [{"x": 0.5, "depth": 1, "kind": "a"}]},
        {"n_jobs": 2, "executor": "processes"},
    ],
    ids=lambda case: " ".join(map(str, case.values())),
)
def test_a_timed_run_is_repeated_on_other_threads(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(wait, **{**TIMED, **case}, callbacks=TimeIsUp(monkeypatch, HANG_SECONDS, 50))
    assert first.ended == "time_limit" and record_of(first).by == "ash.tune_function"
    for threads in (1, 2):
        own = {**case, "executor": None, "n_jobs": threads}
        check_repeated(first, run(wait, **{**TIMED, **own, "record": first.record}))
    with ThreadPoolExecutor(2) as pool:
        others = {name: value for name, value in {**TIMED, **case}.items() if name not in ("time_limit", "threads")}
        check_repeated(first, run(wait, **{**others, "executor": pool, "record": first.record}))


def test_a_learning_sampler_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    needs.package("optuna")
    import optuna

    def sampled(**changes: Any) -> ash.FunctionResult:
        return run(wait, **TIMED, sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=4), **changes)

    first = sampled(n_jobs=2, callbacks=TimeIsUp(monkeypatch, HANG_SECONDS, 50))
    assert len(first.params) > 8
    check_repeated(first, sampled(n_jobs=1, record=first.record))


@pytest.mark.parametrize(
    ("limit", "ended"),
    [
        ({"callbacks": Stopper(30)}, "stopped"),
        ({"stop_score": 0.9}, "stop_score"),
        ({"max_total_epochs": 60}, "max_total_epochs"),
        ({}, "finished"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_run_ended_for_any_reason_is_repeated(limit: dict[str, Any], ended: str) -> None:
    first = run(wait, costs=cost, n_jobs=2, candidates=100, **limit)
    assert first.ended == ended
    again = {name: value for name, value in limit.items() if name != "callbacks"}
    check_repeated(first, run(wait, costs=cost, n_jobs=1, candidates=100, record=first.record, **again))


def test_a_run_ended_by_ctrl_c_is_repeated() -> None:
    given: dict[str, Any] = {"costs": cost, "candidates": 100}
    with pytest.warns(UserWarning, match=f"^the run was {INTERRUPTED}$"):
        first = run(wait, **given, n_jobs=2, callbacks=After(30, press_ctrl_c))
    assert first.ended == "interrupted" and len(first.jobs) >= 30
    check_repeated(first, run(wait, **given, n_jobs=1, record=first.record))


def test_an_interrupted_repeat_gives_no_result(tmp_path: Path) -> None:
    is_told = threading.Event()  # set by a callback, which may come late, since each job is first written to the disk
    is_told.set()
    begun: list[int] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        begun.append(epochs)
        if len(begun) > 100:
            is_told.wait(HANG_SECONDS)
        return train(params, epochs, state)

    def press(run: ash.Run) -> None:
        is_told.set()
        press_ctrl_c(run)

    given: dict[str, Any] = {"costs": cost, "candidates": 300}
    first = run(function, **given)
    begun.clear()
    is_told.clear()
    again: dict[str, Any] = {**given, "record": first.record, "journal": tmp_path / "run.ash"}
    with pytest.raises(KeyboardInterrupt, match="interrupted before it had repeated the recorded one"):
        run(function, **again, callbacks=After(9, press))
    check_repeated(first, run(function, **again))


def test_a_repeat_interrupted_after_its_last_job_is_complete() -> None:
    first = run(costs=cost)
    last = After(len(first.jobs), press_ctrl_c)
    check_repeated(first, run(costs=cost, record=first.record, callbacks=last))
    assert last.left == 0


@pytest.mark.filterwarnings(*FAILURES)
def test_a_run_ended_by_failures_is_repeated() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        score = wait(params, epochs, state)
        if params["depth"] > 1:
            raise ValueError("too far")
        return score

    with pytest.warns(UserWarning, match="3 of 6 jobs failed, 3 in a row, which ended the run"):
        first = run(function, costs=cost, n_jobs=2, max_failures=3)
    assert first.ended == "failures" and len(first.failures) >= 3
    with pytest.warns(UserWarning, match="3 of 6 jobs failed, 3 in a row, which ended the run"):
        again = run(function, costs=cost, n_jobs=1, max_failures=3, record=first.record)
    check_repeated(first, again)
    assert [(each.candidate, each.kind) for each in again.failures] == [
        (each.candidate, each.kind) for each in first.failures
    ]


@pytest.mark.filterwarnings(*FAILURES)
def test_late_jobs_fail_at_once_in_a_repetition() -> None:
    hangs = threading.Event()  # set after the first run, so that the late job would be fast in the repeated run
    slow: list[float] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if epochs > 1 and not slow:
            slow.append(params["x"])
            hangs.wait(HANG_SECONDS)
        return train(params, epochs, state)

    with pytest.MonkeyPatch.context() as patch, pytest.warns(UserWarning, match="the run has one thread fewer"):
        pass_limit_of_last_job(patch, lambda: slow)
        first = run(function, costs=cost, n_jobs=2, job_limit=HANG_SECONDS, candidates=12)
    late = [(each.candidate, each.rung) for each in first.failures if each.kind == LATE]
    hangs.set()
    assert len(late) == 1 and record_of(first).arguments["lost"] == [list(job) for job in late]
    again = run(function, costs=cost, n_jobs=1, candidates=12, record=first.record)
    check_repeated(first, again)
    assert [(each.candidate, each.rung) for each in again.failures] == late
    assert "the job failed in the recorded run: it exceeded job_limit" in again.failures[0].text


def dies_once(params: dict[str, Any], epochs: int, state: Any) -> Any:
    """Kill this process in jobs with certain parameters, as long as the file named in ASH_TEST_DIES exists."""
    if params["depth"] == 2 and params["x"] < 0.4 and Path(os.environ["ASH_TEST_DIES"]).is_file():
        os.kill(os.getpid(), signal.SIGKILL)
    return train(params, epochs, state)


@pytest.mark.filterwarnings(*FAILURES)
def test_jobs_of_dead_processes_fail_at_once_in_a_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dies").touch()
    monkeypatch.setenv("ASH_TEST_DIES", str(tmp_path / "dies"))
    first = run(dies_once, costs=cost, n_jobs=2, executor="processes", candidates=12)
    assert {each.kind for each in first.failures} == {DIED}
    (tmp_path / "dies").unlink()
    check_repeated(first, run(dies_once, costs=cost, n_jobs=1, candidates=12, record=first.record))


@pytest.mark.filterwarnings("ignore:best_state is None")  # the best job may be one of the first call
def test_a_resumed_run_is_repeated(tmp_path: Path) -> None:
    given: dict[str, Any] = {"costs": cost, "candidates": 5_000, "sampler": "random"}
    first = run(wait, **given, journal=tmp_path / "run.ash", n_jobs=2, callbacks=Stopper(20))
    resumed = run(wait, **given, journal=tmp_path / "run.ash", n_jobs=2, callbacks=Stopper(40))
    assert first.ended == resumed.ended == "stopped" and len(first.jobs) < len(resumed.jobs)
    assert record_of(resumed).decisions[: len(first.jobs)] == record_of(first).decisions
    again = run(wait, **given, journal=tmp_path / "again.ash", n_jobs=1, record=resumed.record)
    assert again.record == resumed.record and again.best_state is not None


def test_a_drawn_seed_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(**{**TIMED, "random_state": None}, callbacks=TimeIsUp(monkeypatch, HANG_SECONDS, 50))
    assert first.ended == "time_limit"
    check_repeated(first, run(**{**TIMED, "random_state": None}, record=first.record))


def test_stopping_at_the_same_decision_gives_the_same_digest() -> None:
    whole, stopped = run(wait, costs=cost, n_jobs=2), run(wait, costs=cost, n_jobs=2, callbacks=Stopper(9))
    count = len(stopped.jobs)
    cut = replace(record_of(whole), decisions=record_of(whole).decisions[:count], ended="stopped")
    assert run(costs=cost, n_jobs=1, record=cut, function=wait).record == stopped.record


# Contents of the record


def test_a_record_is_restored_from_a_file(tmp_path: Path) -> None:
    result = run(costs=cost, journal=tmp_path / "run.ash")
    document = json.loads(result.to_json() or "")
    assert RunRecord.from_json(document["record"]) == result.record
    assert f"record    {result.record!r}" in list(journal_lines(str(tmp_path / "run.ash")))
    assert (
        repr(result.record)
        == f"RunRecord(ash.tune_function, {len(result.jobs)} decisions, digest {result.digest[:16]})"
    )


# Refused records


ANOTHER: dict[str, tuple[dict[str, Any], str]] = {
    "candidates": ({"candidates": 39}, "candidates: 40 in the record, 39 in this call"),
    "seed": ({"random_state": 4}, "random_state: 3 in the record, 4 in this call"),
    "eta": ({"eta": 3}, "eta: 2 in the record, 3 in this call"),
    "limit": ({"max_total_epochs": 60}, "max_total_epochs: None in the record, 60 in this call"),
    "score": ({"stop_score": 0.5}, r"stop_score: None in the record, 0\.5 in this call"),
    "virtual_workers": ({"virtual_workers": 5}, "virtual_workers: 8 in the record, 5 in this call"),
    "function": ({"function": wait}, "function: 'train' in the record, 'wait' in this call"),
    "costs": ({"costs": lambda params, epochs: 1.0}, "costs: 'cost' in the record, "),
    "first": ({"first": [{"x": 0.5, "depth": 1, "kind": "a"}]}, "first: None in the record"),
    "sampler": ({"sampler": "sobol"}, "sampler: 'adaptive' in the record, 'sobol' in this call"),
}


@pytest.mark.parametrize("name", ANOTHER)
def test_a_different_call_is_refused_before_anything_runs(name: str) -> None:
    changes, words = ANOTHER[name]
    record = run(costs=cost).record

    def never(*_: Any) -> Any:
        raise AssertionError("a job was done")

    never.__qualname__ = "train"
    with pytest.raises(ash.SettingError, match=f"the record is of another run: .*{words}"):
        run(**{"function": never, "costs": cost, **changes}, record=record)


def test_a_different_space_is_refused() -> None:
    record = run(costs=cost).record
    with pytest.raises(ash.SettingError, match=r"another run: .*depth has other levels or conditions in the space"):
        ash.tune_function(train, {**SPACE, "depth": [1, 2]}, candidates=40, random_state=3, costs=cost, record=record)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: "record", "record must be an ash.RunRecord, such as result.record or model.record, got a str"),
        (lambda: run(schedule="greedy").record, "schedule='greedy', which cannot .*can$"),
        (lambda: replace(record_of(run(costs=cost)), decisions=()), "record has no decisions to repeat"),
        (lambda: replace(record_of(run(costs=cost)), arguments={"lost": [[1]]}), "record is damaged: its lost cannot"),
        (lambda: replace(record_of(run(costs=cost)), space={"x": 1}), "the record is of another run"),
        (
            lambda: replace(record_of(run(costs=cost)), settings={"task": "function", "schedule": "reproducible"}),
            "work",
        ),
    ],
)
def test_unrepeatable_records_are_refused(made: Any, words: str) -> None:
    with pytest.raises(ash.SettingError, match=words):
        run(costs=cost, record=made())


def test_records_of_functions_and_tables_are_not_interchangeable() -> None:
    X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, [0, 1, 1, 0] * 10
    table = ash.tune(X, y, candidates=2, validation=0.2).record
    with pytest.raises(ash.SettingError, match=r"record comes from ash\.tune: repeat its run with ash\.tune\(X, y"):
        run(costs=cost, record=table)
    with pytest.raises(ash.SettingError, match=r"comes from ash\.tune_function: repeat its run with"):
        ash.tune(X, y, record=run(costs=cost).record)


def test_a_function_with_other_scores_causes_a_warning() -> None:
    record = record_of(run(costs=cost))

    def other(params: dict[str, Any], epochs: int, state: Any) -> Any:
        score, done = train(params, epochs, state)
        return score - (done > 1), done

    other.__qualname__ = "train"
    with pytest.warns(UserWarning, match="the repeated run differs from the one recorded, from decision [1-9]"):
        assert run(other, costs=cost, record=record).record != record


def test_a_repeated_run_does_not_wait_for_undecided_jobs() -> None:
    whole = run(costs=cost, sampler="random")  # with random draws there is always another job to start
    count = 20
    cut = replace(record_of(whole), decisions=record_of(whole).decisions[:count], ended="stopped")
    numbers = {tuple(params.items()): number for number, params in enumerate(whole.params)}
    needed = {(job.candidate, job.epochs) for job in whole.jobs[:count]}
    begun: list[tuple[int, int]] = []
    lock, other, over = threading.Lock(), threading.Event(), threading.Event()

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        job = numbers[tuple(params.items())], epochs
        with lock:
            begun.append(job)
            is_last = len(begun) == count
        if job not in needed:
            other.set()
            over.wait(HANG_SECONDS)
        elif is_last:  # the last needed job waits until the other thread starts an unneeded job
            other.wait(HANG_SECONDS)
        return train(params, epochs, state)

    function.__qualname__ = "train"
    began = time.monotonic()
    with pytest.warns(UserWarning, match="training goes on in the background"):
        again = run(function, costs=cost, n_jobs=2, record=cut, sampler="random")
    took = time.monotonic() - began
    over.set()
    assert other.is_set() and record_of(again).decisions == cut.decisions and took < HANG_SECONDS / 2

"""Tests a function's journal: an interrupted run resumes as if uninterrupted, on any kind of worker."""

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest

import ash
from ash.function.run import FunctionRun
from callback_help import INTERRUPTED, Diary, TimeIsUp
from fault_help import wait_until
from function_help import FAILURES, cost, train, wait
from function_journal_help import GREEDY, Counted, broken, keys, looked_at, outcome, tune
from journal_help import copy, recorded, rows

KINDS: dict[str, dict[str, Any]] = {
    "virtual": {},
    "greedy": GREEDY,
    "restart": {"training": "restart"},
    "sh": {"algorithm": "sh"},
    "random": {"algorithm": "random", "max_rungs": 2},
    "paper": {"promotion": "paper", "eta": 3},
    "sobol": {"sampler": "sobol"},
    "first": {"first": [{"x": 0.31, "depth": 2, "kind": "b"}]},
    "stream": {"candidates": None, "max_total_epochs": 300},
    "greedy stream": {"candidates": None, "max_total_epochs": 300, **GREEDY},
    "tight": {"memory_limit": 1},
    "target": {"stop_score": 0.97},
    "patience": {"patience": 9},
}


@pytest.fixture(autouse=True)
def every_job_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at(monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_has_the_same_result_as_an_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    changes = KINDS[kind]
    expected = tune(None, **changes)
    for jobs in (1, 9, len(expected.jobs) // 2):
        path = tmp_path / f"{jobs}.ash"
        told = broken(path, jobs, **changes)
        assert len(told) == jobs <= rows(path, "SELECT count(*) FROM jobs")[0][0]
        last = Diary()
        again = tune(path, last, **changes)
        assert outcome(again) == outcome(expected)
        order, later = list(keys(expected.jobs)), list(keys(job for job, _ in last.jobs))
        assert list(keys(told)) == order[:jobs] and later == order[len(order) - len(later) :]
        assert last.pages[0][1].resumed == len(order) - len(later) >= jobs
        found = rows(path, "SELECT candidate, rung FROM jobs")
        on_record = set(found)
        assert len(found) == len(on_record)
        held_back = on_record - set(order)  # results recorded but not yet decided when the run ended
        assert on_record >= set(order) and (kind in ("target", "patience") or not held_back)


def test_recorded_jobs_are_not_repeated(tmp_path: Path) -> None:
    path, first, second = tmp_path / "run.ash", Counted(), Counted()
    told = broken(path, 20, function=first, training="restart")
    result = tune(path, function=second, config=ash.SearchConfig(training="restart"))
    best = (tuple(result.best_params.values()), 2**result.best_rung, None)
    assert len(told) == 20 and len(first.calls) + len(second.calls) - len(result.jobs) == (best in first.calls)
    assert result.best_state == 2**result.best_rung


def test_lost_states_are_recomputed(tmp_path: Path) -> None:
    path, first, second = tmp_path / "run.ash", Counted(), Counted()
    broken(path, 45, function=first)
    there = set(recorded(path))
    result = tune(path, function=second)
    assert outcome(result) == outcome(tune(None, function=Counted()))
    after = [job for job in result.jobs if (job.candidate, job.rung) not in there]
    # per candidate, the epochs of the rungs below its first job in this call
    below = {job.candidate: 2**job.rung - 1 for job in reversed(after)}
    again = sum(below.values())
    assert (result.best_candidate, result.best_rung) not in there
    assert result.memory["retrained_epochs"] == again > 0
    done = sum(epochs for _, epochs, _ in second.calls)
    assert done == sum(job.epochs for job in after) + again


def test_a_function_without_state_needs_no_recomputation(tmp_path: Path) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        return -abs(params["x"] - 0.3) - 0.1 / epochs

    path = tmp_path / "run.ash"
    broken(path, 45, function=function)
    result = tune(path, function=function)
    assert result.memory["retrained_epochs"] == 0 and result.best_state is None
    assert outcome(result) == outcome(tune(None, function=function))


def test_f73_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    path, function = tmp_path / "run.ash", Counted()
    first = tune(path, function=function)
    again, diary = Counted(), Diary()
    second = tune(path, diary, function=again)
    assert outcome(second) == outcome(first) and repr(second.jobs) == repr(first.jobs)  # including times
    assert sum(epochs for _, epochs, _ in again.calls) == first.best_state == second.memory["retrained_epochs"]
    assert diary.jobs == [] and diary.pages[0][1].resumed == len(first.jobs)
    assert second.started == first.started


def test_f74_ten_interruptions_in_a_row_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    expected = tune(None)
    told: list[tuple[int, int]] = []
    for number in range(10):
        told += keys(broken(path, 4, function=wait, n_jobs=1 + number % 2))
        moved = tmp_path / str(number) / "run.ash"
        moved.parent.mkdir()
        path = copy(path, moved)
    last = Diary()
    assert outcome(tune(path, last, function=wait, n_jobs=2)) == outcome(expected)
    told += keys(job for job, _ in last.jobs)
    assert len(told) == len(set(told)) and sorted(told, key=list(keys(expected.jobs)).index) == told


def test_the_rows_of_short_jobs_are_written_while_a_long_job_runs_in_the_calling_thread(tmp_path: Path) -> None:
    """Without a thread of the journal, kill -9 in the long job would lose them, however long it runs."""
    path, found = tmp_path / "run.ash", []

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        candidate = ash.current_job().candidate
        if candidate == 30:
            wait_until(lambda: rows(path, "SELECT max(candidate) FROM candidates") == [(30,)])
            found.extend(recorded(path))
        return params["x"]

    tune(path, function=function, candidates=40, config=ash.SearchConfig(max_rungs=1))
    assert found == [(number, 0) for number in range(30)]


def test_adding_candidates_gives_the_same_run_as_starting_with_all(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    tune(path, candidates=20)
    assert outcome(tune(path, candidates=40)) == outcome(tune(None))
    with pytest.raises(ash.JournalError, match=r"holds a run of 40 candidates; candidates=20 would lose results"):
        tune(path, candidates=20)


def test_adding_candidates_to_a_greedy_run_loses_nothing(tmp_path: Path) -> None:
    path, second = tmp_path / "run.ash", Counted()
    first = tune(path, candidates=20, config=ash.SearchConfig(training="restart"), **GREEDY)
    longer = tune(path, candidates=40, function=second, config=ash.SearchConfig(training="restart"), **GREEDY)
    there = {(job.candidate, job.rung): job.score for job in longer.jobs}
    assert all(there[job.candidate, job.rung] == job.score for job in first.jobs)
    done = {(params, epochs) for params, epochs, _ in second.calls}
    best = (tuple(longer.best_params.values()), 2**longer.best_rung)
    assert not done & {(tuple(first.params[job.candidate].values()), job.epochs) for job in first.jobs} - {best}
    last = tune(path, candidates=40, config=ash.SearchConfig(training="restart"), **GREEDY)
    assert outcome(last) == outcome(longer)


@pytest.mark.parametrize(
    "changes", [{"max_total_epochs": 40}, {"max_rungs": 2}, {"stop_score": 0.8}, {"patience": 4}], ids=str
)
@pytest.mark.parametrize("schedule", [{}, GREEDY], ids=("virtual", "greedy"))
def test_a_run_continues_with_a_larger_limit(changes: dict[str, Any], schedule: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    if "max_rungs" in changes:  # fewer rungs change the ranks, and thereby adaptive draws
        schedule = {**schedule, "sampler": "random"}
    expected = tune(None, **schedule)
    assert len(tune(path, **changes, **schedule).jobs) < len(expected.jobs)
    assert sorted(keys(tune(path, **schedule).jobs)) == sorted(keys(expected.jobs))
    if "virtual_workers" not in schedule:
        assert outcome(tune(path, **schedule)) == outcome(expected)


def test_the_time_limit_covers_all_calls_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.ash"
    endless = {"candidates": None, "function": wait}
    first = tune(path, TimeIsUp(monkeypatch, 100), time_limit=100, **endless)
    again = Counted()
    with pytest.warns(UserWarning, match=r"best_state is None.*ended with 'time_limit'"):
        over = tune(path, time_limit=100, candidates=None, function=again)
    assert over.ended == "time_limit" and outcome(over)[:2] == outcome(first)[:2] and not again.calls
    assert over.best_state is None and over.best_score == first.best_score
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        longer = tune(path, TimeIsUp(monkeypatch, 100), time_limit=200, **endless)
    assert longer.ended == "time_limit" and len(longer.jobs) >= len(first.jobs) + 5
    assert max(job.end for job in longer.jobs) <= longer.wall_seconds and longer.wall_seconds >= 200


def test_a_greedy_run_in_threads_keeps_every_result(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    seen: list[tuple[int, int]] = []
    for jobs in (5, 9, 13):
        told = list(keys(broken(path, jobs, function=wait, n_jobs=2, **GREEDY)))
        order = rows(path, "SELECT candidate, rung FROM steps WHERE finished ORDER BY number")
        assert not set(told) & set(seen) and set(told) <= set(order) and order[: len(seen)] == seen
        seen = order
    result = tune(path, function=wait, n_jobs=2, **GREEDY)
    assert list(keys(result.jobs))[: len(seen)] == seen and result.ended == "finished"
    again = tune(path, function=wait, n_jobs=1, **GREEDY)
    assert outcome(again) == outcome(result)


@pytest.mark.filterwarnings(*FAILURES)
def test_failures_are_recorded_as_results(tmp_path: Path) -> None:
    calls = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        calls.append(tuple(params.values()))
        if params["depth"] == 2:
            raise ValueError(f"deep \udce4: {params['x']}")
        return float("nan") if params["depth"] == 3 else train(params, epochs, state)

    path = tmp_path / "run.ash"
    expected = tune(None, function=function)
    calls.clear()
    broken(path, 20, function=function)
    failed = {tuple(expected.params[failure.candidate].values()) for failure in expected.failures}
    before = set(calls)
    calls.clear()
    result = tune(path, function=function)
    assert outcome(result) == outcome(expected)
    assert before & failed and not before & set(calls) & failed
    texts = {failure.text.strip().splitlines()[-1].partition(":")[0] for failure in result.failures}
    assert texts == {"ValueError", "the score is nan"}
    lines = [[each.text.strip().splitlines()[-1] for each in run.failures] for run in (expected, result)]
    assert lines[0] == lines[1] and "\\udce4" in str(expected.to_polars("failures")["text"].to_list())


def test_f43_many_failures_in_a_row_end_the_run_again_unless_more_are_allowed(tmp_path: Path) -> None:
    function, path = Counted(), tmp_path / "run.ash"

    def fails(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if len(function.calls) >= 10:
            raise OSError("the disk is gone")
        return function(params, epochs, state)

    for _ in range(2):
        with pytest.warns(UserWarning) as warned:
            result = tune(path, function=fails, config=ash.SearchConfig(max_failures=5, virtual_workers=1))
        said = "\n".join(str(each.message) for each in warned)
        assert re.search("5 in a row, which ended the run:(.|\n)*5 *failed *OSError: the disk is gone", said)
        assert result.ended == "failures" and len(result.jobs) == 15 and result.best_score > 0
    function.calls.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = tune(path, function=fails, config=ash.SearchConfig(max_failures=7, virtual_workers=1))
    assert len(more.jobs) > 15 and sum(failure.rung == 0 for failure in more.failures) >= 5


def test_ctrl_c_leaves_a_journal_that_can_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    raised = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if epochs == 2 and not raised:
            raised.append(params)
            raise KeyboardInterrupt
        return train(params, epochs, state)

    with pytest.warns(UserWarning, match=f"{INTERRUPTED}; the same call continues from the journal"):
        first = tune(path, function=function)
    assert first.ended == "interrupted" and rows(path, "SELECT value FROM facts WHERE name='ended'") == [
        ('"interrupted"',)
    ]
    assert outcome(tune(path, function=function)) == outcome(tune(None))


def test_ctrl_c_while_the_best_state_is_recomputed_keeps_the_result(tmp_path: Path) -> None:
    path, over = tmp_path / "run.ash", []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if over:
            raise KeyboardInterrupt
        return train(params, epochs, state)

    first = tune(path, function=function)
    over.append(True)
    with pytest.warns(UserWarning, match=f"best_state is None|{INTERRUPTED}; the same call continues") as said:
        again = tune(path, function=function)
    assert len(said) == 2 and again.best_state is None and first.best_state is not None
    assert (first.ended, again.ended) == ("finished", "interrupted") and again.digest == first.digest
    over.clear()
    assert outcome(tune(path, function=function)) == outcome(first)


@pytest.mark.parametrize("schedule", [{}, GREEDY], ids=("virtual", "greedy"))
def test_a_seeded_sampler_continues_where_it_stopped(schedule: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.ash"

    def settings() -> dict[str, Any]:
        return {"sampler": optuna.samplers.TPESampler(seed=7, n_startup_trials=5), **schedule}

    broken(path, 21, **settings())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome(tune(path, **settings())) == outcome(tune(None, **settings()))


def test_a_sampler_without_a_seed_keeps_the_recorded_candidates(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    broken(path, 21, sampler=optuna.samplers.RandomSampler())
    there = {number: json.loads(text) for number, text, _ in rows(path, "SELECT * FROM candidates")}
    with pytest.warns(UserWarning, match="other candidates than those on record.* has a seed and the schedule"):
        result = tune(path, sampler=optuna.samplers.RandomSampler())
    assert len(there) > 10 and all(result.params[number] == params for number, params in there.items())
    assert len(result.params) == 40 and len({params["x"] for params in result.params}) > 30


def test_costs_can_be_an_earlier_run(tmp_path: Path) -> None:
    earlier, path = tune(None, function=wait), tmp_path / "run.ash"
    broken(path, 15, costs=earlier)
    assert tune(path, costs=earlier).digest == tune(None, costs=earlier).digest
    with pytest.raises(ash.JournalError, match=r"costs: 'result [0-9a-f]+' in the journal, 'cost' in this call"):
        tune(path, costs=cost)


@pytest.mark.parametrize("schedule", [{}, GREEDY], ids=("virtual", "greedy"))
def test_ctrl_c_while_the_journal_is_read_changes_nothing(schedule: dict[str, Any], tmp_path: Path) -> None:
    path, expected = tmp_path / "run.ash", tune(None, **schedule)
    broken(path, 30, **schedule)
    tables = "jobs", "steps", "candidates", "answers"
    before = [rows(path, f"SELECT * FROM {table}") for table in tables]
    real, left = FunctionRun._keep, [10]

    def keep(self: Any, key: Any, answer: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(self, key, answer)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(FunctionRun, "_keep", keep)
        assert tune(path, **schedule).ended == "interrupted"
    assert [rows(path, f"SELECT * FROM {table}") for table in tables] == before
    assert outcome(tune(path, **schedule)) == outcome(expected)


def test_undecided_answers_are_reported_even_after_an_interrupted_resume(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    slow = {"costs": lambda params, epochs: epochs * (1 if params["x"] == 0.5 else 9), "virtual_workers": 8}
    expected = list(keys(tune(None, **slow).jobs))
    told: list[tuple[int, int]] = []
    for jobs in (3, 9):
        told += keys(broken(path, jobs, function=wait, n_jobs=2, **slow))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FunctionRun, "_keep", lambda self, key, answer: sys.exit())
            with pytest.raises(SystemExit):
                tune(path, function=wait, n_jobs=2, **slow)
    last = Diary()
    tune(path, last, function=wait, **slow)
    told += keys(job for job, _ in last.jobs)
    assert len(told) == len(set(told)) and set(told) <= set(expected)

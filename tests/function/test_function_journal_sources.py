"""The journal of a function whose candidates, costs and places come from elsewhere: samplers, results, executors."""

from __future__ import annotations

import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ash
from ash.function.function_journal import FunctionJournal
from callback_help import Diary
from function_help import cost, wait
from function_journal_help import GREEDY, broken, keys, looked_at, outcome, tune
from journal_help import rows


@pytest.fixture(autouse=True)
def every_job_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at(monkeypatch)


@pytest.mark.parametrize("schedule", [{}, GREEDY], ids=("virtual", "greedy"))
def test_a_sampler_with_a_seed_stands_where_it_stood(schedule: dict[str, Any], tmp_path: Path) -> None:
    import optuna

    path = tmp_path / "run.ash"

    def settings() -> dict[str, Any]:
        return {"sampler": optuna.samplers.TPESampler(seed=7, n_startup_trials=5), **schedule}

    broken(path, 21, **settings())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome(tune(path, **settings())) == outcome(tune(None, **settings()))


def test_a_sampler_without_a_seed_keeps_the_candidates_that_there_are(tmp_path: Path) -> None:
    import optuna

    path = tmp_path / "run.ash"
    broken(path, 21, sampler=optuna.samplers.RandomSampler())
    there = {number: json.loads(text) for number, text, _ in rows(path, "SELECT * FROM candidates")}
    with pytest.warns(UserWarning, match="the sampler does not propose what is on record"):
        result = tune(path, sampler=optuna.samplers.RandomSampler())
    assert len(there) > 10 and all(result.params[number] == params for number, params in there.items())
    assert len(result.params) == 40 and len({params["x"] for params in result.params}) > 30


def test_an_executor_and_the_calling_thread_may_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    broken(path, 15, executor="processes", threads=2)
    with ThreadPoolExecutor(2) as pool:
        broken(path, 15, executor=pool, threads=2)
    assert outcome(tune(path)) == outcome(tune(None))


def test_costs_of_an_earlier_run(tmp_path: Path) -> None:
    earlier, path = tune(None, function=wait), tmp_path / "run.ash"
    broken(path, 15, costs=earlier)
    assert tune(path, costs=earlier).digest == tune(None, costs=earlier).digest
    with pytest.raises(ash.JournalError, match=r"costs: 'result [0-9a-f]+' there, 'cost' here"):
        tune(path, costs=cost)


def test_a_seed_that_is_left_open_is_the_one_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = tune(path, seed=None)
    assert outcome(tune(path, seed=None)) == outcome(first)


@pytest.mark.parametrize("schedule", [{}, GREEDY], ids=("virtual", "greedy"))
def test_ctrl_c_while_it_is_read_again_changes_nothing(schedule: dict[str, Any], tmp_path: Path) -> None:
    path, expected = tmp_path / "run.ash", tune(None, **schedule)
    broken(path, 30, **schedule)
    tables = "jobs", "steps", "candidates", "answers"
    before = [rows(path, f"SELECT * FROM {table}") for table in tables]
    real, left = FunctionJournal.recall, [10]

    def recall(self: Any, task: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return real(self, task)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(FunctionJournal, "recall", recall)
        assert tune(path, **schedule).ended == "interrupted"
    assert [rows(path, f"SELECT * FROM {table}") for table in tables] == before
    assert outcome(tune(path, **schedule)) == outcome(expected)


def test_what_was_held_back_is_told_though_a_call_did_not_come_to_it(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    slow = {"costs": lambda params, epochs: epochs * (1 if params["x"] == 0.5 else 9), "workers": 8}
    expected = list(keys(tune(None, **slow).jobs))
    told: list[tuple[int, int]] = []
    for jobs in (3, 9):
        told += keys(broken(path, jobs, function=wait, threads=2, **slow))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FunctionJournal, "recall", lambda self, task: sys.exit())
            with pytest.raises(SystemExit):
                tune(path, function=wait, threads=2, **slow)
    last = Diary()
    tune(path, last, function=wait, **slow)
    told += keys(job for job, _ in last.jobs)
    assert len(told) == len(set(told)) and set(told) <= set(expected)

"""Tests that a function's journal is refused if it is from a different run or was changed by another program."""

import importlib.util
import os
import pickle
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ash
from ash.cli.show import journal_lines
from ash.errors import JournalCorruptError, JournalError
from ash.function.journal import FunctionJournal
from ash.journal.database import with_checksum
from fault_help import Canary
from function_help import FAILURES, SPACE, cost, train, wait
from function_journal_help import GREEDY, Counted, outcome, tune
from journal_help import change, rows
from journal_help import run as run_networks


def half(params: dict[str, Any], epochs: int) -> float:
    return epochs / 2


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"random_state": 4}, "random_state: 3 in the journal, 4 in this call"),
    "eta": ({"eta": 3}, "eta: 2 in the journal, 3 in this call"),
    "training": ({"training": "restart"}, "training: 'resume' in the journal, 'restart' in this call"),
    "promotion": ({"promotion": "paper"}, "promotion: 'capped' in the journal, 'paper' in this call"),
    "virtual_workers": ({"virtual_workers": 5}, "virtual_workers: 4 in the journal, 5 in this call"),
    "costs": ({"costs": half}, "costs: 'cost' in the journal, 'half' in this call"),
    "schedule": (GREEDY, "schedule: 'reproducible' in the journal, 'greedy' in this call"),
    "sampler": ({"sampler": "sobol"}, "sampler: 'adaptive' in the journal, 'sobol' in this call"),
    "first": ({"first": [{"x": 0.3, "depth": 1, "kind": None}]}, "first: None in the journal, '1 configurations, "),
    "function": ({"function": wait}, "function: 'train' in the journal, 'wait' in this call"),
    "level": ({"space": {**SPACE, "depth": [1, 2]}}, "depth has 3 in the journal, which is not in 1, 2 in this call"),
    "name": ({"space": {"x": SPACE["x"], "depth": [1, 2, 3]}}, "kind is in the space only in the journal"),
}


@pytest.mark.parametrize("name", OTHERS, ids=lambda name: f"F66-{name}")
def test_a_different_run_is_refused_with_the_difference(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    tune(ash.Journal(path), candidates=8)
    before = path.read_bytes()
    changes, difference = OTHERS[name]
    with pytest.raises(JournalError) as caught:
        tune(ash.Journal(path), candidates=8, **changes)
    assert str(caught.value).startswith(f"{path} holds another run: ") and difference in str(caught.value)
    assert path.read_bytes() == before
    told = (("eta: 2", 3), ("random_state: 3", 4), ("virtual_workers: 4", 5))
    everything = {**OTHERS["seed"][0], **OTHERS["eta"][0], **OTHERS["virtual_workers"][0]}
    found = [f"{name} in the journal, {given} in this call" for name, given in told]
    with pytest.raises(JournalError, match="; ".join(found)):
        tune(ash.Journal(path), candidates=8, **everything)


@pytest.mark.parametrize(
    ("changes", "allowed", "names"),
    [
        ({"function": wait}, [], ["function"]),
        ({"function": wait, "virtual_workers": 5, "eta": 3}, [], ["virtual_workers", "function"]),
        ({"function": wait, "virtual_workers": 5}, ["virtual_workers"], ["virtual_workers", "function"]),
        ({"eta": 3}, [], None),
        ({"eta": 3, "virtual_workers": 5}, ["virtual_workers"], None),
    ],
    ids=["function", "function and more", "function beside workers", "eta", "eta beside workers"],
)
def test_an_error_names_the_changes_that_can_be_allowed(
    changes: dict[str, Any], allowed: list[str], names: list[str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "run.ash"
    tune(path, candidates=8)
    with pytest.raises(JournalError) as caught:
        tune(ash.Journal(path, allow_change=allowed), candidates=8, **changes)
    others = [name for name in names or [] if name not in allowed]
    call = f"the change of {' and '.join(others)}, pass journal=ash.Journal({str(path)!r}, allow_change={names})"
    assert str(caught.value).endswith(call if names else "give another path for the journal")
    if names and "eta" not in changes:
        tune(ash.Journal(path, allow_change=names), candidates=8, **changes)


def test_options_in_allow_change_may_change(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = tune(ash.Journal(path))
    allowed = ash.Journal(path, allow_change=["costs", "function", "promotion", "virtual_workers", "schedule"])
    other = tune(allowed, costs=half, function=wait, config=ash.SearchConfig(virtual_workers=2, promotion="paper"))
    there = {(job.candidate, job.rung): job.score for job in other.jobs}
    shared = [job for job in first.jobs if (job.candidate, job.rung) in there]
    assert len(shared) > 60 and all(there[job.candidate, job.rung] == job.score for job in shared)
    greedy = tune(allowed, **GREEDY, function=wait)
    assert greedy.schedule == "greedy" and len(greedy.jobs) > 60


def test_journals_of_networks_and_functions_are_not_interchangeable(tmp_path: Path) -> None:
    networks, function = tmp_path / "networks.ash", tmp_path / "function.ash"
    run_networks(networks, candidates=2)
    tune(function, candidates=2)
    with pytest.raises(JournalError, match="holds a run of networks"):
        tune(networks)
    with pytest.raises(JournalError, match="holds a run of a function"):
        run_networks(function, candidates=2)
    with pytest.raises(JournalError, match=r"was started by ash\.tune_function: make the same call again to resume it"):
        ash.resume(function, [[1.0]] * 9, [0] * 9)


def module(path: Path, body: str) -> ModuleType:
    path.write_text(f"def train(params, epochs, state):\n    {body}\n")
    spec = importlib.util.spec_from_file_location("changing", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_a_changed_function_continues_with_a_warning(tmp_path: Path) -> None:
    import linecache

    journal, source = ash.Journal(tmp_path / "run.ash"), tmp_path / "changing.py"
    first = tune(
        journal, function=module(source, "return params['x']").train, config=ash.SearchConfig(max_total_epochs=30)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tune(journal, function=module(source, "return params['x']").train, config=ash.SearchConfig(max_total_epochs=30))
    linecache.checkcache()
    with pytest.warns(UserWarning, match="the source of train has changed"):
        result = tune(journal, function=module(source, "return params['x'] + 1.0").train)
    there = {(job.candidate, job.rung): job.score for job in result.jobs}
    assert all(there[job.candidate, job.rung] == job.score for job in first.jobs)
    assert max(job.score for job in result.jobs) > 1


def test_f70_a_reader_sees_the_progress_of_a_run_and_does_not_disturb_it(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.ash", []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if path.exists():
            seen.append([line for line in journal_lines(str(path)) if line.startswith(("state", "finished"))])
        return wait(params, epochs, state)

    assert outcome(tune(path, function=function)) == outcome(tune(None))
    assert all(f"in use by process {os.getpid()}, this one" in state for state, _ in seen)
    assert len({found for _, found in seen}) > 1
    text = "\n".join(journal_lines(str(path)))
    assert "ended: finished" in text and ".function" in text and "best score" in text and "failures  none" in text


def test_f103_states_of_an_earlier_process_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.ash"
    tune(path, config=ash.SearchConfig(max_total_epochs=40))
    left = tmp_path / "run.ash-states" / "waiting-left"
    left.mkdir(parents=True)
    for number in range(40):
        (left / f"{number:06d}").write_bytes(pickle.dumps(Canary()))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (left.parent / "waiting-link").symlink_to(elsewhere)
    assert outcome(tune(path, config=ash.SearchConfig(memory_limit=1))) == outcome(tune(None))
    assert not left.exists() and elsewhere.exists() and not (tmp_path / "canary").exists()


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_f75_a_journal_with_many_results_is_read_again(count: int, tmp_path: Path) -> None:
    path, again = tmp_path / "run.ash", Counted()
    settings = {"space": {"x": ash.uniform(0, 1, levels=20_001), "depth": 1, "kind": "a"}, "candidates": count}
    first = tune(path, config=ash.SearchConfig(max_rungs=1), **settings)
    assert tune(path, function=again, config=ash.SearchConfig(max_rungs=1), **settings).digest == first.digest
    assert len(again.calls) == 1, "but for the state of the best one"
    assert rows(path, "SELECT count(*) FROM jobs") == [(count,)]


def test_the_source_of_costs_is_compared_too(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    tune(ash.Journal(path), costs=lambda params, epochs: epochs, config=ash.SearchConfig(max_total_epochs=20))
    with pytest.warns(UserWarning, match="the source of costs has changed"):
        tune(ash.Journal(path), costs=lambda params, epochs: epochs * 2)
    assert cost({"depth": 1}, 1) == 1


# Damage


def fails(params: dict[str, Any], epochs: int, state: Any) -> Any:
    return None if params["depth"] == 2 else train(params, epochs, state)


FORGED: dict[str, tuple[str, int, dict[int, Any], str]] = {
    "epochs": ("jobs", 3, {3: 77}, "has other epochs"),
    "score": ("jobs", 3, {7: "0.5"}, "has no outcome"),  # this is the row of a failed job
    "no number": ("jobs", 3, {7: "high"}, "could not convert"),
    "rung": ("jobs", 3, {2: 80}, "rungs that no ladder has"),
    "candidate": ("jobs", 3, {1: 10**6}, "no run can have reached"),
    "params": ("candidates", 3, {1: '{"x": 0.1}'}, "has other hyperparameters"),
    "no params": ("candidates", 3, {1: "["}, "damaged"),
    "kind": ("answers", 0, {2: "lost"}, "has no outcome"),
}


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.parametrize("name", FORGED, ids=lambda name: f"F61-{name}")
def test_impossible_records_are_damage_even_with_a_correct_hash(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    tune(path, function=fails)
    table, place, values, message = FORGED[name]
    row = list(rows(path, f"SELECT * FROM {table} ORDER BY 1, 2")[place][:-1])
    key = tuple(row[:2])
    for column, value in values.items():
        row[column] = value
    names = [found[1] for found in rows(path, f"PRAGMA table_info({table})")]
    settings = ", ".join(f'"{each}" = ?' for each in names)
    change(
        path,
        f'UPDATE {table} SET {settings} WHERE "{names[0]}" = ? AND "{names[1]}" = ?',
        *with_checksum(table, tuple(row)),
        *key,
    )
    with pytest.raises(JournalCorruptError, match=message):
        tune(path, function=fails)


def test_a_lost_journal_asks_for_no_look_after_a_job(tmp_path: Path) -> None:
    with FunctionJournal(ash.Journal(tmp_path / "run.ash", on_error="continue")) as journal:
        journal._file.close()
        with journal.starting(elsewhere=True):
            assert not journal.is_urgent

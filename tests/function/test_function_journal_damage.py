"""The journal of a function that was changed behind its back, or cannot be written."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import ash
from ash.errors import JournalCorrupt, JournalError
from ash.journal.database import Changes, Database, with_checksum
from function_help import train
from function_journal_help import looked_at, outcome, tune
from journal_help import change, rows

CHANGES: dict[str, tuple[str, str]] = {
    "score": ("UPDATE jobs SET score = '0.5' WHERE number = 3", "a row of jobs is damaged"),
    "row": ("DELETE FROM jobs WHERE number = 3", "jobs has"),
    "answer": ("DELETE FROM answers WHERE candidate = (SELECT min(candidate) FROM answers)", "answers has"),
    "params": ("UPDATE candidates SET params = '{}' WHERE candidate = 3", "a row of candidates is damaged"),
    "table": ("CREATE TABLE other (a)", "its tables are not those of a journal"),
}


def fails(params: dict[str, Any], epochs: int, state: Any) -> Any:
    return None if params["depth"] == 2 else train(params, epochs, state)


@pytest.mark.parametrize("name", CHANGES, ids=lambda name: f"F61-{name}")
def test_what_was_changed_is_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    tune(path, function=fails)
    statement, message = CHANGES[name]
    change(path, statement)
    with pytest.raises(JournalCorrupt, match=message):
        tune(path, function=fails)


FORGED: dict[str, tuple[str, int, dict[int, Any], str]] = {
    "epochs": ("jobs", 3, {3: 77}, "has other epochs"),
    "score": ("jobs", 3, {7: "0.5"}, "has no outcome"),  # of a failure
    "no number": ("jobs", 3, {7: "high"}, "could not convert"),
    "rung": ("jobs", 3, {2: 80}, "rungs that no ladder has"),
    "candidate": ("jobs", 3, {1: 10**6}, "cannot have had a turn"),
    "params": ("candidates", 3, {1: '{"x": 0.1}'}, "has other hyperparameters"),
    "no params": ("candidates", 3, {1: "["}, "damaged"),
    "kind": ("answers", 0, {2: "lost"}, "has no outcome"),
}


@pytest.mark.parametrize("name", FORGED, ids=lambda name: f"F61-{name}")
def test_what_cannot_be_is_damage_though_its_hash_is_right(name: str, tmp_path: Path) -> None:
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
    with pytest.raises(JournalCorrupt, match=message):
        tune(path, function=fails)


def test_f62_the_nth_commit_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at(monkeypatch)
    real, expected = Database.write, tune(None)
    for number in (1, 2, 5, 20):
        path, count = tmp_path / f"{number}.ash", itertools.count(1)

        def write(self: Database, changes: Changes, count: Any = count, number: int = number) -> None:
            if next(count) >= number:
                raise JournalError(f"{self.path} cannot be used as a journal: database or disk is full")
            real(self, changes)

        with monkeypatch.context() as patch:
            patch.setattr(Database, "write", write)
            with pytest.raises(JournalError, match="disk is full"):
                tune(path)
        there = rows(path, "SELECT count(*) FROM jobs") if number > 1 else []
        assert number == 1 or there[0][0] <= number
        assert outcome(tune(path)) == outcome(expected)


def test_f62_a_run_may_go_on_without_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, real = itertools.count(1), Database.write

    def write(self: Database, changes: Changes) -> None:
        if next(count) > 2:
            raise JournalError("the disk is full")
        real(self, changes)

    looked_at(monkeypatch)
    monkeypatch.setattr(Database, "write", write)
    with pytest.warns(UserWarning, match="the disk is full; the run goes on without its journal") as warned:
        result = tune(ash.Journal(tmp_path / "run.ash", on_error="continue"))
    assert outcome(result) == outcome(tune(None)) and len(warned) == 1

"""Tests journals in which one value is replaced and the hash is made to match: they are refused, or they work.

Each fact (a row of the table `facts`) and each part of a fact is replaced by JSON values of each kind and size. Each
column of a row is replaced by values of each kind that the column's table accepts. By default, a random sample of these
forgeries is tried; slow tests try all.
"""

import json
import math
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ash
from ash.cli.show import journal_lines
from ash.errors import AshError
from ash.journal.database import TABLES, with_checksum
from callback_help import Stopper, X, Y
from function_help import SPACE, train
from function_journal_help import GREEDY, VIRTUAL, broken
from function_journal_help import tune as tune_function
from journal_help import change, copy, run, stopped, with_states

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("ignore:.*the space has grown"),  # since a forged space may be smaller than the run's
]

EVERY = pytest.mark.parametrize("each", [180, pytest.param(1, marks=pytest.mark.slow)])
"""The stride: one in this many forgeries is tried."""
HUGE = "huge"
"""A placeholder for an integer larger than any float, which json.dumps cannot write."""
DEEP = "[" * 100_000
FACTS: list[Any] = [
    *(None, True, 0, -1, 1, 2**31, 2**63 - 1, 2**64, HUGE, 0.5, math.nan, math.inf, 1e308),
    *("", "x", "1", "\ud800", "9" * 5000, [], [1], [[]], ["x"], {}, {"a": 1}, [[[[1]]]]),
]
COLUMNS: dict[str, list[Any]] = {
    "TEXT": [
        *("", "x", "nan", "inf", "1e999", "[]", "{}", "[[1]]", "null", "0" * 16, "f" * 17, "-1", "9" * 5000, DEEP),
        *('"\\ud800"', '["nan"]', '["x"]', "[1e999]", '{"a": 1}', "é", "000001.safetensors", "../run.ash"),
    ],
    "INTEGER": [-(2**63), -1, 0, 1, 2, 63, 2**31 - 1, 2**31, 2**62, 2**63 - 1],
    "REAL": [-1.0, 0.0, -0.0, 0.5, 1e308, math.inf, -math.inf],
}
Forgery = tuple[str, tuple[Any, ...]]
"""An SQL statement and its values."""


def forgeries(path: Path) -> Iterator[Forgery]:
    connection = sqlite3.connect(path)
    facts = {name: json.loads(text) for name, text, _ in connection.execute("SELECT * FROM facts")}
    rows = {name: connection.execute(f"SELECT rowid, * FROM {name} LIMIT 2").fetchall() for name in TABLES}
    connection.close()
    insert = "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)"
    for name, value in facts.items():
        yield "DELETE FROM facts WHERE name = ?", (name,)
        yield insert, with_checksum("facts", (name, DEEP))
        for place in places(value):
            for new in FACTS:
                text = json.dumps(replaced(value, place, new)).replace(f'"{HUGE}"', "1" + "0" * 400)
                yield insert, with_checksum("facts", (name, text))
    for table in TABLES.keys() - {"facts"}:
        for number, *row in rows[table]:
            for place, column in enumerate(TABLES[table]):
                name, kind, *_ = column.split()
                for new in COLUMNS[kind]:
                    forged = with_checksum(table, (*row[:place], new, *row[place + 1 : -1]))
                    statement = f"UPDATE OR IGNORE {table} SET {name} = ?, checksum = ? WHERE rowid = ?"
                    yield statement, (new, forged[-1], number)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path `at` of a value, then the paths of all values inside it.

    Only the first two items of each list are used.
    """
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, part in parts:
        yield from places(part, (*at, name))


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[place[0]] = replaced(value[place[0]], place[1:], new)
    return changed


def survives(path: Path, each: int, **calls: Callable[[Path], Any]) -> None:
    """Check that each call accepts a forged journal or refuses it with an ash error, and that both happen."""
    outcomes = {name: Counter[bool]() for name in calls}
    chosen, folder = random.Random(0), path.parent / "forged"
    for statement, values in forgeries(path):
        for name, call in calls.items():
            if chosen.randrange(each):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            forged = copy(path, folder / path.name)
            change(forged, statement, *values)
            try:
                call(forged)
                outcomes[name][True] += 1
            except AshError:
                outcomes[name][False] += 1
            except BaseException as error:
                error.add_note(f"{name}, {statement}: {[str(value)[:300] for value in values]}")
                raise
    assert all(both[True] and both[False] for both in outcomes.values()), outcomes


def show(path: Path) -> None:
    assert list(journal_lines(str(path)))


@EVERY
@pytest.mark.parametrize("changes", [{}, {"cv": 3}, {"schedule": "greedy"}], ids=["plain", "folds", "greedy"])
@pytest.mark.filterwarnings("ignore:.*are damaged or missing and are trained again")
@pytest.mark.filterwarnings("ignore:candidates=.* exceeds the .* configurations of the space")  # in some forgeries
def test_f61_a_forged_journal_of_networks_raises_only_ash_errors(
    changes: dict[str, Any], each: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_states(monkeypatch)
    settings = {"n_jobs": 1, **changes}
    path = tmp_path / "run.ash"
    stopped(path, 20, **settings)
    limit = ash.SearchConfig(max_total_epochs=320)  # ends runs that would be longer because of forged arguments

    def resume(forged: Path) -> None:
        ash.resume(forged, X, Y, n_jobs=1, verbose=0, config=limit)

    survives(path, each, run=lambda forged: run(forged, **settings), resume=resume, show=show)


@EVERY
def test_f61_a_forged_plan_raises_only_ash_errors(each: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(forged: Path) -> None:
        ash.tune(
            X,
            Y,
            time_limit=5,
            n_jobs=1,
            verbose=0,
            random_state=0,
            callbacks=Stopper(2),
            journal=forged,
            validation=0.2,
        )

    path, now = tmp_path / "run.ash", time.monotonic()
    with monkeypatch.context() as patch:  # on a slow disk, opening the journal may take longer than the limit
        patch.setattr("ash.engine.deadline.monotonic", lambda: now)
        call(path)
    survives(path, 4 * each, call=call)  # fewer forgeries, since the test above tries all facts but the plan


@EVERY
@pytest.mark.parametrize("changes", [VIRTUAL, GREEDY], ids=["reproducible", "greedy"])
@pytest.mark.filterwarnings("ignore:.*the source of", "ignore:first. .* configurations of the earlier run are not in")
def test_f61_a_forged_journal_of_a_function_raises_only_ash_errors(
    changes: dict[str, Any], each: int, tmp_path: Path
) -> None:
    path = tmp_path / "run.ash"
    broken(path, 9, **changes)

    def first(forged: Path) -> None:
        ash.tune_function(train, SPACE, candidates=4, first=forged, n_jobs=1, verbose=0, random_state=0)

    survives(path, each, call=lambda forged: tune_function(forged, **changes), show=show, first=first)

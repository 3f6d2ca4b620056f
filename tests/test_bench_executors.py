"""The bench of executors: what it plans, what it counts, and what its tables say."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import executors, executors_coordinator, executors_places
from bench.executors_traffic import counted
from bench_help import options
from executor_help import Wrapped, expected, tuned


def test_what_is_planned(tmp_path: Path) -> None:
    cases = executors.bench(replace(options(tmp_path), quick=False)).cases
    assert bench.COMMANDS["executors"] == ("executors",)
    kinds = [case.key.split()[0] for case in cases]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "place": 9,
        "traffic": 5,
        "decisions": 1,
        "kills": 2,
        "wire": 1,
        "host": 1,
    }


def test_jobs_that_do_nothing_are_decided_alike() -> None:
    found = executors_coordinator.measure(200, 2, 2)
    assert found["decisions"] == sum(200 // 2**rung for rung in range(7))
    assert all(rate["min"] > 0 for rate in found["rates"].values())


def test_a_place_is_compared_with_threads() -> None:
    found = executors.overhead("ThreadPoolExecutor", 8, 1)
    assert found["digest"] == executors_places.tuned(8, threads=1).digest and found["overhead"] > 0


def test_another_digest_is_not_timed() -> None:
    digests = iter("ab")
    runs = dict.fromkeys(("one", "other"), lambda: {"seconds": 1.0, "digest": next(digests)})
    with pytest.raises(SystemExit, match="other: another digest than in threads here"):
        executors._compared(runs, "other", 1)


def test_what_is_missing_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(executors_places.NEEDS, "loky", ("no_such_package",))
    skipped = {"skipped": "no_such_package is not installed"}
    assert executors.overhead("loky", 8, 1) == executors.traffic("loky", 8) == skipped
    keys = ("place loky", "traffic loky", "kills segfault", "wire", "host")
    tables = executors.sections(dict.fromkeys(keys, skipped))
    places, traffic, *_ = tables
    assert all(len(row) == len(table.header) for table in tables for row in table.rows)
    assert places.rows[0][:2] == traffic.rows[0][:2] == ["loky", skipped["skipped"]]


def test_what_is_sent_is_counted() -> None:
    with_states = []

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        with_states.append(bool(arguments[-1].states))
        future: Future[Any] = threads.submit(function, *arguments)
        return future

    executor = Wrapped(submit)
    found = counted(executor, lambda: tuned(executor=executor, threads=2))
    assert found["digest"] == expected()
    assert found["file"] == found["processes"] == 1 and "data" not in found
    assert found["jobs"] == found["results"] == len(with_states) and found["states out"] == sum(with_states)
    assert found["file bytes"] > found["states back bytes"] / found["states back"] > found["jobs bytes"] / found["jobs"]


def test_what_tables_say() -> None:
    line = {"min": 1.0, "median": 2.0, "max": 3.0}
    results = {
        "place 1 thread": {"digest": "a", "seconds": line, "overhead": 1.5},
        "place MPI": {"digest": "b", "seconds": line, "overhead": 2.5},
        "traffic MPI": {"way": "broadcast", "broadcast": 1, "broadcast bytes": 1234, "processes": 2, "jobs": 3},
        "decisions": {"decisions": 10, "threads": 2, "rates": {"mailbox": line, "executor": {**line, "median": 3e4}}},
        "kills segfault": {"kills": 25, "runs": 2, "jobs": 126, "unlike": 0, "wrong": 0},
        "wire": {"held": 20.0, "runs": 1, "jobs": 126, "unlike": 0, "wrong": 0},
        "host": {"cut": 20.0, "delay": 0.02, "loss": 0.01, "runs": 1, "jobs": 126, "unlike": 0, "wrong": 0},
    }
    places, traffic, decisions, faults = executors.sections(results)
    assert places.rows == [
        ["1 thread", "1.000 / 2.000 / 3.000", "1.50", "222.22", "NO"],
        ["MPI", *places.rows[0][1:2], "2.50", "400.00", "NO"],
    ]
    assert traffic.rows == [["MPI", "1,234 (broadcast)", "2", "3: 0", *["0: 0"] * 4]]
    assert [row[-1] for row in decisions.rows] == [">= 20000 NO", ">= 20000 yes"]
    assert [row[1] for row in faults.rows] == [
        "25 workers",
        "dead for 20 s",
        "cut off for 20 s; frames 20 ms late, 1 % lost",
    ]
    assert faults.rows[0][-2:] == ["0", "0"]

"""The bench `executors`: what it plans, that digests are compared, and what its table says."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from bench import executors
from bench.figures import Table


def table(values: dict[str, Any]) -> Table:
    [found] = executors.sections(values)
    assert isinstance(found, Table)
    return found


def test_what_is_planned() -> None:
    keys = [case.key for case in executors.cases(Namespace(quick=False))]
    assert keys == ["2 threads", "1 thread", *executors.PLACES]


def test_a_place_is_compared_with_threads() -> None:
    found = executors.measure("ThreadPoolExecutor", 8, 1)
    assert found["jobs"] == 14 and found["overhead"]["median"] > 0
    [row] = table({"ThreadPoolExecutor": found}).rows
    assert row[0] == "ThreadPoolExecutor" and row[3] == " / ".join([f"{found['more']['median']:.2f}"] * 3)


def test_another_digest_is_not_timed() -> None:
    runs = {name: lambda name=name: {"seconds": 1.0, "digest": name, "jobs": 2} for name in (executors.BASE, "other")}
    with pytest.raises(SystemExit, match="other: another digest than in threads"):
        executors.compared(runs, "other", 1)


def test_what_is_missing_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(executors.NEEDS, "loky", "no_such_package")
    found = executors.measure("loky", 8, 1)
    assert table({"loky": found}).rows == [["loky", "no_such_package is not installed", "", ""]]

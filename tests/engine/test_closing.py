"""When training ends: never later than leaves what a refit needs, and later than it must be where less is needed."""

from __future__ import annotations

import math

import pytest

from ash.engine import deadline
from ash.engine.deadline import Deadline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: now[0])
    return now


def train(clock: list[float], given: Deadline, needed: list[float]) -> float:
    """Train until nothing is left, and return when that was; what is needed changes with every look."""
    looks = iter(needed)
    while (left := given.left(lambda: next(looks))) > 0:
        clock[0] += left
    return clock[0]


def test_without_a_limit_there_is_no_end(clock: list[float]) -> None:
    assert Deadline(100.0, None, refit=True).left() == math.inf


def test_without_a_refit_only_the_rest_is_kept_free(clock: list[float]) -> None:
    assert Deadline(100.0, 10.0, refit=False).left() == pytest.approx(10 * (1 - deadline.REST))
    assert Deadline(100.0, 1000.0, refit=False).left() == pytest.approx(1000 - deadline.LONGEST_REST)


def test_a_refit_that_needs_all_gets_all(clock: list[float]) -> None:
    given = Deadline(100.0, 100.0, refit=True)
    assert train(clock, given, [60.0]) == pytest.approx(given.end - 100 * deadline.REFIT)


def test_what_is_not_needed_is_trained_on(clock: list[float]) -> None:
    given = Deadline(100.0, 100.0, refit=True)
    assert train(clock, given, [4.0, 3.5]) == pytest.approx(given.end - 4.0)
    given = Deadline(clock[0], 100.0, refit=True)
    assert train(clock, given, [8.0, 2.0, 2.0]) == pytest.approx(given.end - 2.0)


def test_more_needed_than_before_ends_it_at_once(clock: list[float]) -> None:
    given = Deadline(100.0, 100.0, refit=True)
    assert train(clock, given, [8.0, 12.0]) == pytest.approx(given.end - 8.0)


def test_the_time_of_the_call_counts(clock: list[float]) -> None:
    assert Deadline(90.0, 20.0, refit=False).left() == pytest.approx(20 * (1 - deadline.REST) - 10)

"""Folds in threads that no job uses."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sklearn

from ash.sklearn.search_threads import IdleThreads
from search_help import fitted, forest

SOON = 30.0  # seconds, within which all others come if they come at all


def test_folds_of_the_only_job_are_done_at_a_time() -> None:
    spare, meet = IdleThreads(3), threading.Barrier(3)
    with spare.job():
        assert spare.each(lambda item: (meet.wait(SOON), item)[1], [4, 5, 6]) == [4, 5, 6]


def test_no_more_than_there_are_threads() -> None:
    spare, lock, busy, most = IdleThreads(3), threading.Lock(), [0], [0]

    def fold(item: int) -> int:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.001)
        with lock:
            busy[0] -= 1
        return item

    def job(_: int) -> list[int]:
        with spare.job():
            return spare.each(fold, range(7))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(job, range(20))) == [list(range(7))] * 20
    # A job that begins while a helper has a fold is one more until then.
    assert most[0] <= 5
    assert spare._busy == 0


def test_where_every_thread_has_a_job_nobody_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IdleThreads, "_help", lambda self, work: pytest.fail("a helper was started"))
    spare, own = IdleThreads(2), threading.get_ident()
    with spare.job(), spare.job():
        assert spare.each(lambda _: threading.get_ident(), range(5)) == [own] * 5
    assert spare._busy == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_is_raised(threads: int) -> None:
    spare, done = IdleThreads(threads), []

    def fold(item: int) -> None:
        done.append(item)
        if item:
            raise SystemExit(item)
        time.sleep(0.05)

    with pytest.raises(SystemExit, match="1"), spare.job():
        spare.each(fold, range(50))
    assert spare._busy == 0 and len(done) <= 2 * threads


def test_elsewhere_it_is_one_thread() -> None:
    own = threading.get_ident()
    spare = pickle.loads(pickle.dumps(IdleThreads(8)))
    with spare.job():
        assert spare.each(lambda _: threading.get_ident(), range(4)) == [own] * 4


def test_a_search_is_the_same_however_its_folds_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = fitted(candidates=3, cv=4, n_jobs=1)
    helped: list[Any] = []
    own = IdleThreads._help
    monkeypatch.setattr(IdleThreads, "_help", lambda self, work: (helped.append(1), own(self, work)))
    together = fitted(candidates=3, cv=4, n_jobs=3)
    assert helped and alone.result_.digest == together.result_.digest
    names = [name for name in alone.cv_results_ if name.startswith("split")]
    assert len(names) == 4
    for name in names:
        np.testing.assert_array_equal(alone.cv_results_[name], together.cv_results_[name])


def test_helpers_have_the_configuration_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[int, bool]] = set()
    kind = type(forest())
    own = kind.fit

    def fit(self: Any, *given: Any, **more: Any) -> Any:
        time.sleep(0.02)  # others may come
        seen.add((threading.get_ident(), sklearn.get_config()["assume_finite"]))
        return own(self, *given, **more)

    monkeypatch.setattr(kind, "fit", fit)
    with sklearn.config_context(assume_finite=True):
        fitted(candidates=1, cv=6, n_jobs=3)
    assert len(seen) > 1 and all(finite for _, finite in seen)

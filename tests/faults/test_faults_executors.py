"""Tests the faults of executors other than clusters (F97, F98, F100): slow workers, bad pickles, failing pools.

The cases come from the executor tests of mpi4py and loky. No run may hang: each run ends with an error that
explains why, and its journal can be continued.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ash
from ash.executors import job_pool
from executor_help import BAD, Wrapped, expected, tuned
from fault_help import HANG_SECONDS

ENDED = r"^(candidate \d+ failed in rung 0 on 3 workers|the executor (is broken|accepts no more jobs: \w*Broken))"


def cannot_begin() -> None:
    raise ValueError("this worker cannot begin")


def processes(**given: Any) -> Executor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), **given)


def of_loky(**given: Any) -> Executor:
    import loky

    executor: Executor = loky.ProcessPoolExecutor(1, **given)
    return executor


POOLS: dict[str, Callable[..., Executor]] = {"processes": processes, "loky": of_loky}


@pytest.mark.parametrize("make", POOLS.values(), ids=[f"F100-{name}" for name in POOLS])
def test_bad_pickles_end_the_run_with_a_clear_error(
    make: Callable[..., Executor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad, function in BAD.items():
        monkeypatch.setattr(job_pool, "do", function)
        with make() as executor, pytest.raises(ash.ExecutorFailedError, match=ENDED) as ended:
            tuned(executor=executor, journal=tmp_path / "run.ash")
        assert "pickle" in str(ended.value).lower() or "broken" in str(ended.value).lower(), bad
    assert tuned(n_jobs=2, journal=tmp_path / "run.ash").digest == expected()


@pytest.mark.parametrize(
    "make", [*POOLS.values(), lambda **given: ThreadPoolExecutor(2, **given)], ids=[*POOLS, "threads"]
)
@pytest.mark.faults
def test_f100_a_pool_that_cannot_start_ends_the_run(make: Callable[..., Executor]) -> None:
    with make(initializer=cannot_begin) as executor, pytest.raises(ash.ExecutorFailedError, match=r"is broken|no more"):
        tuned(executor=executor)


def test_f97_cancelled_jobs_are_repeated() -> None:
    cancelled = set()

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if number % 4 or arguments[-1][:2] in cancelled:  # cancel no job twice: three failures end the run
            future = threads.submit(function, *arguments)
            return future
        cancelled.add(arguments[-1][:2])
        future.cancel()
        future.set_running_or_notify_cancel()
        return future

    assert tuned(executor=Wrapped(submit), n_jobs=2).digest == expected() and cancelled


def test_f97_late_unordered_and_repeated_answers_do_not_change_the_result() -> None:
    """Use an executor that returns results late, several at a time in reverse order, and runs each job twice."""
    kept: list[tuple[Future[Any], Any]] = []
    lock = threading.Lock()

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with lock:
            kept.append((future, lambda: function(*arguments)))
        return future

    def answer() -> None:
        while not over.wait(0.02):
            with lock:
                found, kept[:] = kept[::-1], []
            for future, do in found:
                do()
                future.set_result(do())

    over = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()
    try:
        assert tuned(executor=Wrapped(submit), n_jobs=2).digest == expected()
    finally:
        over.set()
        thread.join()


def test_f98_a_job_that_does_not_end_holds_up_no_others_in_greedy_runs() -> None:
    """Let one job wait until nearly all other jobs have finished."""
    greedy: dict[str, Any] = {"schedule": "greedy", "virtual_workers": None}
    needed, lock, release = 0.9 * len(tuned(n_jobs=1, **greedy).jobs), threading.Lock(), threading.Event()
    finished: list[Any] = []

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        def slow() -> Any:
            assert release.wait(HANG_SECONDS)
            return function(*arguments)

        def quick() -> Any:
            answer = function(*arguments)
            with lock:
                finished.append(number)
                if len(finished) >= needed:
                    release.set()
            return answer

        return own.submit(slow) if number == 1 else threads.submit(quick)

    with ThreadPoolExecutor(1) as own:
        result = tuned(executor=Wrapped(submit), n_jobs=2, **greedy)
    assert release.is_set() and result.ended == "finished"


def test_f98_a_slow_worker_does_not_change_the_result() -> None:
    """Let every third job take a hundred times as long as the others."""

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        def timed() -> Any:
            began = time.monotonic()
            answer = function(*arguments)
            if number % 3 == 0:
                time.sleep(min(1.0, 100 * (time.monotonic() - began)))
            return answer

        future: Future[Any] = threads.submit(timed)
        return future

    assert tuned(executor=Wrapped(submit), n_jobs=3).digest == expected()

"""Tests MPI as `executor=`, with processes started by mpiexec and ranks of several threads. One rank decides."""

import json
import pickle
import threading
from collections import Counter
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from ash.executors.jobs import DONE, JobAnswer, Order, Shared
from ash.executors.mpi_pool import MPIPool, RankThreads
from executor_help import BadPickle, BadUnpickle, expected, raises
from fault_help import HANG_SECONDS
from mpi_help import run_script

SCRIPT = """
import functools, json, pickle, sys
from mpi4py.futures import MPIPoolExecutor
from executor_help import do_after_meeting, raises, tuned

def left():
    import threading
    from ash.executors import jobs, mpi_pool
    threads = [each for each in threading.enumerate() if each.name.startswith("ash-rank")]
    return len(jobs._known) + len(mpi_pool._runs) + len(threads)

if __name__ == "__main__":
    import ash
    from ash.executors import job_pool, jobs
    given = json.loads(sys.argv[1])
    with MPIPoolExecutor() as executor:
        submit, broadcasts, attached = executor.submit, [], 0
        def told(function, *arguments):
            global attached
            if function.__name__ in ("read", "receive"):
                broadcasts.append(function.__name__)
            elif function.__name__ == "exchange":
                attached += sum(pickle.loads(packed)[2] is not None for _, packed in arguments[1])
            return submit(function, *arguments)
        executor.submit = told
        if len(sys.argv) > 2:
            job_pool.do = functools.partial(do_after_meeting, sys.argv[2], given["n_jobs"])
        tuned(executor=executor, max_total_epochs=30, **given)
        job_pool.do = jobs.do
        result = tuned(executor=executor, max_total_epochs=10**6, **given)
        found = {
            "digest": result.digest,
            "threads": result.threads,
            "numbers": len(set(result.columns["thread"])),
            "broadcasts": broadcasts,
            "attached": attached,
            "left": [future.result() for future in [submit(left) for _ in range(4)]],
        }
        job_pool.do = functools.partial(raises, ValueError("this job cannot be done"))
        try:
            tuned(executor=executor, n_jobs=given.get("n_jobs"))
        except ash.ExecutorFailedError as error:
            found["failed"] = str(error), error.__cause__.__notes__[0]
        print(json.dumps({**found, "left then": [future.result() for future in [submit(left) for _ in range(4)]]}))
"""


@pytest.mark.parametrize(
    ("processes", "threads", "each"), [(1, None, 1), (3, None, 1), (1, 3, 3), (2, 3, 3), (3, 4, 2)]
)
def test_the_digest_matches_a_run_in_threads(processes: int, threads: int | None, each: int, tmp_path: Path) -> None:
    """Interrupt and resume the run. If ranks have more than one thread, no job ends until every thread has a job."""
    given = {"journal": str(tmp_path / "run.ash"), **({} if threads is None else {"n_jobs": threads})}
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    done = run_script(processes, SCRIPT, tmp_path, json.dumps(given), *([str(meeting)] if each > 1 else []))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    ranks = max(1, processes - 1)
    assert found["digest"] == expected() and found["threads"] == (threads or ranks)
    assert found["broadcasts"] == ["read"] * ranks * 3 and found["attached"] == 0
    assert each <= found["numbers"] <= each * ranks
    assert [*Counter(file.name.partition("-")[0] for file in meeting.iterdir()).values()] == [each] * ranks or each == 1
    assert found["left"] == found["left then"] == [0] * 4
    words, note = found["failed"]
    assert "failed in rung 0 on 3 workers: ValueError: this job cannot be done" in words and "in raises" in note


def packed(number: int, *call: Any) -> tuple[int, bytes]:
    return number, pickle.dumps(call)


def answers(found: list[tuple[int, bytes]]) -> list[Any]:
    return [(number, pickle.loads(each)) for number, each in found]


_go_on = threading.Event()


def wait_to_go_on(value: int) -> int:
    _go_on.wait(HANG_SECONDS)
    return value


@pytest.mark.parametrize("bad", [BadPickle, BadUnpickle])
def test_an_error_that_cannot_be_pickled_is_still_reported(bad: Any) -> None:
    threads = RankThreads(1)
    try:
        [(_, error)] = answers(threads.exchange([packed(0, raises, bad)], 0.0)[1])
    finally:
        threads.end()
    assert type(error) is pickle.PicklingError and f"its error, {bad.__name__}, cannot be sent: " in str(error)
    assert "in raises" in error.__notes__[0], "where it was raised"


def test_a_rank_with_a_free_thread_returns_while_other_jobs_continue() -> None:
    _go_on.clear()
    threads = RankThreads(3)
    try:
        assert threads.exchange([packed(0, wait_to_go_on, 7), packed(1, wait_to_go_on, 8)], 0.001) == (1, [])
        free, found = threads.exchange([packed(2, abs, -9)], HANG_SECONDS)
        assert (free, answers(found)) == (1, [(2, 9)])
        _go_on.set()
        found = []
        while len(found) < 2:
            free, more = threads.exchange([], HANG_SECONDS)
            found += more
        assert free == 3 and sorted(answers(found)) == [(0, 7), (1, 8)]
    finally:
        _go_on.set()
        threads.end()


class Played:
    """An executor with one simulated rank. It records the jobs that it receives and their futures."""

    num_workers = 1

    def __init__(self) -> None:
        self.exchanges: list[tuple[list[int], Future[Any]]] = []
        self.over = False

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        if self.over:
            raise RuntimeError("it is over")
        future: Future[Any] = Future()
        if function.__name__ == "exchange":
            self.exchanges.append(([number for number, _ in arguments[1]], future))
        else:
            future.set_result(None)
        return future


@pytest.fixture
def played() -> tuple[Played, list[Future[JobAnswer]]]:
    """Return an executor that has received the first of four jobs, and the jobs' futures. Its rank has two threads."""
    executor = Played()
    pool = MPIPool(executor, 2)
    pool.open(Shared("token", [], {}))
    futures = [pool.submit(Order(number, 0, 1, {}, ())) for number in range(4)]
    assert [numbers for numbers, _ in executor.exchanges] == [[0]]
    return executor, futures


def test_a_rank_has_one_exchange_at_a_time_and_jobs_for_its_free_threads(
    played: tuple[Played, list[Future[JobAnswer]]],
) -> None:
    executor, futures = played
    executor.exchanges[0][1].set_result((1, []))
    assert futures[2].cancel()
    executor.exchanges[1][1].set_result((2, [(0, pickle.dumps(JobAnswer(DONE)))]))
    assert futures[0].result(0) == JobAnswer(DONE)
    executor.exchanges[2][1].set_result((1, [(3, pickle.dumps(KeyError(3)))]))
    assert isinstance(futures[3].exception(0), KeyError) and not futures[1].done()
    executor.exchanges[3][1].set_result((2, [(1, b"no pickle")]))
    assert isinstance(futures[1].exception(0), pickle.UnpicklingError)
    assert [numbers for numbers, _ in executor.exchanges] == [[0], [1], [3], []]  # the last sends no job


@pytest.mark.parametrize(
    ("how", "error"), [("fails", OSError), ("is cancelled", CancelledError), ("is the last", RuntimeError)]
)
def test_a_failed_or_final_exchange_fails_all_jobs(
    how: str, error: type[Exception], played: tuple[Played, list[Future[JobAnswer]]]
) -> None:
    executor, futures = played
    _, exchange = executor.exchanges[0]
    executor.over = how == "is the last"
    if how == "fails":
        exchange.set_exception(OSError("the rank is lost"))
    elif how == "is cancelled":
        exchange.cancel()
    else:
        exchange.set_result((1, []))
    assert [type(future.exception(0)) for future in futures] == [error] * 4
    assert len(executor.exchanges) == 1

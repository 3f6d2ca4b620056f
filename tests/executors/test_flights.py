"""Tests which jobs are submitted again, for runs on tables and of functions."""

from concurrent.futures import CancelledError, Executor, Future
from typing import Any

import pytest

import ash
from ash.executors.flights import MOST_LOST, Flights
from ash.executors.job_pool import Pool
from ash.executors.jobs import JobAnswer
from executor_help import Wrapped, climb
from fault_help import wait_until


class Idle(Executor):
    """An executor that starts no job."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, *call: Any, **keywords: Any) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]


@pytest.fixture
def idle() -> Idle:
    return Idle()


@pytest.fixture
def flights(idle: Idle) -> Flights:
    return Flights(Pool(idle, 1), 2, lambda: None)


def landed(flights: Flights) -> list[Any]:
    return [(flight.key, answer) for flight, answer in flights.land()]


def test_a_failed_job_is_submitted_again_until_its_last_attempt(idle: Idle, flights: Flights) -> None:
    errors = OSError("the first worker is lost"), OSError("the second worker is lost")
    flights.submit("job", None)
    idle.futures[0].set_exception(errors[0])
    assert landed(flights) == []
    wait_until(lambda: flights.land() == [] and len(idle.futures) == 2)
    idle.futures[1].set_exception(errors[1])
    assert landed(flights) == [("job", errors[1])] and flights.status.underway == 0


def test_a_worker_that_lacks_the_data_gets_them_with_the_job(
    idle: Idle, flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached: list[bool] = []
    monkeypatch.setattr(flights.pool, "_call", lambda order, attach: attached.append(attach) or (order,))
    flights.submit("job", None)
    idle.futures[0].set_result(JobAnswer("lacks"))
    assert landed(flights) == [] and attached == [False, True]
    idle.futures[1].set_result(JobAnswer("done", 7))
    assert [answer.result for _, answer in landed(flights)] == [7]


def test_a_job_that_was_cancelled_on_purpose_is_not_submitted_again(idle: Idle, flights: Flights) -> None:
    flights.submit("job", None)
    flights.cancel("job")
    [(key, answer)] = landed(flights)
    assert key == "job" and isinstance(answer, CancelledError) and len(idle.futures) == 1


def test_a_failed_job_that_is_cancelled_before_its_next_attempt_is_answered(idle: Idle) -> None:
    failed: list[Any] = []
    pool = Pool(idle, 1)
    pool.count = lambda: 0  # type: ignore[method-assign]  # there is no worker for the next attempt
    flights = Flights(pool, 2, lambda: None, lambda *told: failed.append(told))
    error = OSError("the worker is lost")
    flights.submit("job", None)
    idle.futures[0].set_exception(error)
    assert landed(flights) == [] and failed == [("job", error)] and len(idle.futures) == 1
    flights.cancel("job")
    assert landed(flights) == [("job", error)] and len(idle.futures) == 1


@pytest.mark.filterwarnings("ignore")
def test_a_job_of_a_function_that_is_always_cancelled_has_died() -> None:
    cancelled: list[int] = []

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        if arguments[-1].job[:2] != (3, 0):
            future: Future[Any] = threads.submit(function, *arguments)
            return future
        cancelled.append(number)
        future = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future

    space = {"x": [number / 7 for number in range(8)]}
    result = ash.tune_function(climb, space, executor=Wrapped(submit), n_jobs=2, candidates=8)
    [failure] = result.failures
    assert (failure.candidate, failure.kind) == (3, "died") and len(cancelled) == MOST_LOST
    assert failure.text.startswith("the executor cancelled the job")

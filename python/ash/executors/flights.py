"""Submits the jobs of a run to a pool, submits failed jobs again, and returns one answer for each job.

    submit --> future --done--> queue --land--> answer, or the error of the last attempt
                  | if it failed: submit again once there is a worker, while attempts are left
                  | if the worker lacks the data: submit again with the data

A failed job is not an error of the run; the caller decides what follows from it. The run ends with ExecutorFailedError
if the executor accepts no more jobs, has had no worker for too long, or has workers with other versions.
Invariants: (1) a job runs again only if its future has failed, for example because its worker was lost; (2) each job
gets one answer, since a job is submitted again only after its previous future has completed.
Threads: a future may complete in any thread; that thread puts the job's key into the queue and calls `wake`. One thread
at a time calls the methods. Other threads may read `status`.
"""

import queue
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

from ash.errors import ExecutorFailedError
from ash.executors.job_pool import Pool, border, is_broken, no_worker
from ash.executors.jobs import LACKS, REFUSED, Where

MOST_LOST = 20
"""Maximum number of attempts if the job was cancelled. Dask cancels jobs whose data were lost, which is rarely the
job's fault."""
LOOK_SECONDS = 0.05
COUNT_SECONDS = 1.0
"""Seconds between checks of the number of workers while jobs are submitted and unanswered."""


class Status(NamedTuple):
    """The status of an executor's workers, and of the jobs submitted to them."""

    workers: int  # number of Dask worker processes; for other executors, the maximum number of concurrent jobs
    lost: int  # number of workers that no longer exist
    underway: int  # number of submitted jobs without an answer
    moved: int  # bytes of all networks' states that were sent with jobs or received with results


class Flight(NamedTuple):
    """A job submitted to the executor; `key` is the caller's, `attempt` counts from 1."""

    key: Any
    order: Any
    attempt: int
    attached: bool
    future: Any


class Flights:
    """The submitted jobs of a run; a job that fails is submitted at most `attempts` times.

    `again` is called before a job is submitted again: with its key, and with the error, or the answer LACKS.
    """

    def __init__(
        self,
        pool: Pool,
        attempts: int,
        wake: Callable[[], None],
        again: Callable[[Any, Any], None] = lambda key, answer: None,
    ) -> None:
        self.pool, self._attempts, self._wake, self._again = pool, attempts, wake, again
        self._flights: dict[Hashable, Flight] = {}
        self._failed: dict[Hashable, Flight] = {}  # failed jobs, to be submitted again when there is a worker
        self._landed: queue.SimpleQueue[Hashable] = queue.SimpleQueue()
        self._workers = pool.workers
        self._looked = time.monotonic()
        self._alone: float | None = None  # when a check first found no worker; None if the last check found a worker

    @property
    def status(self) -> Status:
        """Return the status of the workers."""
        return Status(self._workers, self.pool.lost, len(self._flights), 0)

    def open(self, shared: Any) -> Where:
        """Make what the jobs share available to the workers, and return where they find it."""
        where = self.pool.open(shared)
        self._count()
        return where

    def close(self) -> list[Flight]:
        """Cancel all jobs, drop the data, and return the jobs that had no answer."""
        left = self.cancel_all()
        self.pool.close()
        return left

    def submit(self, key: Hashable, order: Any, attempt: int = 1, *, attach: bool = False) -> None:
        """Submit a job.

        Raises ExecutorFailedError if the executor accepts no more jobs.
        """
        with border("the executor accepts no more jobs"):
            future = self.pool.submit(order, is_retry=attempt > 1, attach=attach)
            self._flights[key] = Flight(key, order, attempt, attach, future)
            future.add_done_callback(lambda _: self._tell(key))

    def cancel(self, key: Hashable) -> None:
        """Cancel a job, which frees its worker if the job has not started; it is not submitted again."""
        if key in self._failed:  # its future is done, and its error is the answer
            self._flights[key] = self._failed.pop(key)
            self._tell(key)
        flight = self._flights[key] = self._flights[key]._replace(attempt=MOST_LOST)
        self.pool.cancel([flight.future])

    def cancel_all(self) -> list[Flight]:
        """Cancel and return all jobs without an answer."""
        left = list(self._flights.values())
        self.pool.cancel([flight.future for flight in left])
        self._flights.clear()
        return left

    def land(self) -> list[tuple[Flight, Any]]:
        """Return all available answers, which are exceptions for jobs that have failed for the last time.

        Raises ExecutorFailedError if the executor has failed. It must be called at least every second.
        """
        landed = []
        while not self._landed.empty():
            landed.append(self._flights.pop(self._landed.get()))
        answers: list[Any] = []
        if landed:
            with border("the executor does not return the results of its jobs"):
                answers = self.pool.answers([flight.future for flight in landed])
        ended = [each for each in zip(landed, answers, strict=True) if not self._goes_on(*each)]
        if self._has_worker():
            failed, self._failed = self._failed, {}
            for flight in failed.values():
                self.submit(flight.key, flight.order, flight.attempt + 1, attach=flight.attached)
        return ended

    def _tell(self, key: Hashable) -> None:
        self._landed.put(key)
        self._wake()

    def _goes_on(self, flight: Flight, answer: Any) -> bool:
        """Return whether the job is submitted again instead of being answered."""
        if isinstance(answer, BaseException):
            if is_broken(answer):
                cause = f"{type(answer).__name__}: {answer}"
                raise ExecutorFailedError(f"the executor is broken and accepts no more jobs: {cause}") from answer
            if flight.attempt >= (MOST_LOST if isinstance(answer, CancelledError) else self._attempts):
                return False
            self._again(flight.key, answer)
            self._failed[flight.key] = flight
        elif answer.kind == REFUSED:
            raise ExecutorFailedError(answer.text)
        elif answer.kind == LACKS:
            self._again(flight.key, answer)
            self.submit(flight.key, flight.order, flight.attempt, attach=True)
        else:
            self.pool.done(flight.order, flight.future)
            return False
        return True

    def _has_worker(self) -> bool:
        """Check for workers if a check is due; return True only if the check found a worker.

        Raises ExecutorFailedError if there has been no worker for `worker_timeout` seconds.
        """
        waited = time.monotonic() - self._looked
        if waited < LOOK_SECONDS or (not self._failed and (waited < COUNT_SECONDS or not self._flights)):
            return False
        if self._count() != 0:
            self._alone = None
            return True
        self._alone = self._looked if self._alone is None else self._alone
        if self._looked - self._alone >= self.pool.timeout:
            raise ExecutorFailedError(no_worker(self.pool.executor, self.pool.timeout))
        return False

    def _count(self) -> int:
        """Ask the executor for its number of workers, and return it."""
        found = self.pool.count()
        self._looked = time.monotonic()
        self._workers = self.pool.workers if found is None else found
        return self._workers

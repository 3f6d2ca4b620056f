"""MPI: an `mpi4py.futures.MPIPoolExecutor`. The data go out once, in a broadcast; a rank does jobs in several threads.

    read --one task a rank--> each waits for the others; one sees the file of the data, all have them then

    submit --> queue --exchange: jobs, as many as a rank has free threads--> a rank (mpi_worker.py)
                     <--answers that are there, and how many are free now--

Since each task of a collective waits until all have begun, every rank gets one; the same way they are told to drop the
data. Where no rank sees the file, being on other machines all of them, the data go piece by piece with such tasks. An
exchange goes to a rank that has none. Where its jobs fill the rank, as one does that has one thread, it lasts
until there is an answer. Else it comes back soon, for more jobs; and while answers are to come that no exchange waits
for, there is one with each rank, without jobs if need be.

Invariants: (1) jobs are in the queue only while each rank has an exchange: so the next one is for the rank that has
just come back, and brings no more than that has threads; (2) jobs and answers are packed one by one: an exchange fails
with the executor only, and then all that is unanswered has failed.
Threads: `_lock` guards all that changes. `_land` is called by a thread of mpi4py, or by whoever shuts the executor down
and holds that one's lock then: so nothing is submitted after an exchange that has failed, nor ever under `_lock`.
Cost: an exchange is a message each way. Exchanges that wait with free threads come back one in LOOK_SECONDS from all
ranks together: so long a new job may have to wait for one.
"""

import contextlib
import itertools
import pickle
import threading
from collections import deque
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from typing import Any

from ash.executors.job_pool import Pool, border
from ash.executors.jobs import JobAnswer, Order, Shared
from ash.executors.mpi_worker import PIECE, begin, exchange, leave, read, receive

LOOK_SECONDS = 0.001
_together = threading.Lock()  # two collectives at once would wait for each other


class MPIPool(Pool):
    """An executor of MPI.

    Parameters
    ----------
    executor : mpi4py.futures.MPIPoolExecutor
    workers : int
        Jobs that it does at a time, which its ranks share evenly.
    """

    def __init__(self, executor: Any, workers: int) -> None:
        super().__init__(executor, workers)
        self._ranks = 0
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._futures: dict[int, Future[JobAnswer]] = {}  # of what is unanswered, by number
        self._queue: deque[tuple[int, bytes]] = deque()
        self._exchanges = 0
        self._carried = 0  # jobs whose exchange has not come back

    def bring(self, shared: Shared) -> str | None:
        """Have the data broadcast among the ranks, by one that sees their file, else from here."""
        with border("the executor does not take the data"):
            self._ranks = int(self.executor.num_workers or 1)  # none where it is broken: then it says why below
            threads = -(-self.workers // self._ranks)
            path = Path(str(super().bring(shared)))
            if not all(self._all(read, [(shared.token, str(path))] * self._ranks)):
                self._send(shared.token, path)
            self._all(begin, [(shared.token, threads)] * self._ranks)
        return None

    def close(self) -> None:
        """Drop the data everywhere, after the jobs that are underway."""
        ranks, self._ranks = self._ranks, 0  # so there is no further exchange
        if self._shared is not None:
            with contextlib.suppress(Exception):  # it is broken, or was shut down
                self._all(leave, [(self._shared.token,)] * ranks)
        super().close()

    def submit(self, order: Order, *, again: bool = False, attach: bool = False) -> Future[JobAnswer]:
        """Submit a job, and return the future of its answer."""
        future: Future[JobAnswer] = Future()
        try:
            packed = pickle.dumps(self._call(order, attach), protocol=5)
        except Exception as error:
            future.set_exception(error)
            return future
        number = next(self._numbers)
        with self._lock:
            self._futures[number] = future
            self._queue.append((number, packed))
        self._fill(1)
        return future

    def _fill(self, free: int) -> None:
        """Have an exchange with each rank while jobs or answers wait for one; one rank has so many free threads."""
        while (jobs := self._next(free)) is not None:
            free = 1
            try:
                sent = self.executor.submit(exchange, self._where.token, jobs, LOOK_SECONDS * self._exchanges)
            except Exception:  # it was shut down, and will refuse the next one too
                self._end_exchange(len(jobs))
                raise
            sent.add_done_callback(partial(self._land, len(jobs)))

    def _next(self, free: int) -> list[tuple[int, bytes]] | None:
        """Return the jobs of the next exchange, None where there is to be none."""
        with self._lock:
            if self._exchanges >= self._ranks or len(self._futures) <= self._carried:
                return None
            jobs: list[tuple[int, bytes]] = []
            while self._queue and len(jobs) < free:
                job = self._queue.popleft()
                if self._futures[job[0]].cancelled():  # the run has ended
                    del self._futures[job[0]]
                else:
                    jobs.append(job)
            self._exchanges += 1
            self._carried += len(jobs)
            return jobs

    def _land(self, carried: int, sent: Any) -> None:
        """Take what an exchange has come to."""
        error = CancelledError() if sent.cancelled() else sent.exception()
        free, found = (0, []) if error is not None else sent.result()
        for number, packed in found:
            with self._lock:
                future = self._futures.pop(number, None)
            _settle(future, _unpacked(packed))
        self._end_exchange(carried)
        if error is not None:
            self._lose(error)
            return
        try:
            self._fill(free)
        except Exception as refused:  # it was shut down
            self._lose(refused)

    def _end_exchange(self, carried: int) -> None:
        with self._lock:
            self._exchanges -= 1
            self._carried -= carried

    def _lose(self, error: BaseException) -> None:
        with self._lock:
            futures = list(self._futures.values())
            self._futures.clear()
            self._queue.clear()
        for future in futures:
            _settle(future, error)

    def _send(self, token: str, path: Path) -> None:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                self._all(receive, [(token, piece), *[(token, None)] * (self._ranks - 1)])

    def _all(self, function: Any, arguments: list[tuple[Any, ...]]) -> list[Any]:
        with _together:
            return [future.result() for future in [self.executor.submit(function, *each) for each in arguments]]


def _settle(future: Future[JobAnswer] | None, answer: JobAnswer | BaseException) -> None:
    """Set what a future has come to, unless it was lost before, or the run has ended."""
    if future is None or not future.set_running_or_notify_cancel():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _unpacked(packed: bytes) -> Any:
    try:
        return pickle.loads(packed)
    except Exception as error:
        return error

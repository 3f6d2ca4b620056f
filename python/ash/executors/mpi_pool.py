"""Runs jobs on MPI ranks (`mpi4py.futures.MPIPoolExecutor`), in several threads per rank.

    read --one task per rank--> each waits for the others; one rank reads the file and broadcasts the data

    submit --> queue --exchange: at most as many jobs as free threads--> threads of a rank
                     <--available answers, and the number of free threads--

Data are sent once, by collectives. A collective is a set of tasks, one per rank. Each task waits until all of them have
started, so no rank gets two tasks. Another collective tells the ranks to drop the data. If no rank sees the file,
because all ranks are on other machines, the data are sent in pieces, with one collective per piece.
An exchange is a task that takes jobs to a rank and returns answers. A rank has at most one exchange at a time. If the
jobs use all threads of the rank, the exchange lasts until there is an answer. If the rank has a free thread, the
exchange returns soon, to fetch more jobs. A rank with one thread runs its job within the exchange. While there are
unanswered jobs that no current exchange carries, each rank has an exchange, if necessary one without jobs.

Invariants: (1) jobs are in the queue only while each rank has an exchange, so the next exchange goes to the rank whose
exchange has just returned, and carries at most as many jobs as that rank has free threads; (2) jobs and answers are
pickled one by one, so an exchange fails only if the executor fails, and then all unanswered jobs have failed. An
answer, which may be an error, is pickled in the rank that computed it.
Threads: `_lock` guards all attributes that change. `_land` is called by an mpi4py thread, or by the thread that shuts
the executor down and meanwhile holds the executor's lock. So nothing is submitted after an exchange has failed, nor
while `_lock` is held. In a rank, everything except `RankThreads._do` is called in the thread that serves the executor.
That thread owns all data except `_done`, where the rank's other threads put answers.
Cost: an exchange is one message each way. Some exchanges wait although their ranks have free threads. Every
LOOK_SECONDS seconds one of them returns, so a new job may have to wait that long.
"""

import contextlib
import itertools
import math
import pickle
import queue
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ash.executors.job_pool import Pool, border
from ash.executors.jobs import JobAnswer, forget, know, read_data

LOOK_SECONDS = 0.001
PIECE = 2**24
"""Bytes of data sent at a time. MPI limits the size of a message, and each piece takes memory while it is sent."""
_together = threading.Lock()  # held during a collective operation, since two at once would deadlock
_runs: dict[str, "RankThreads"] = {}  # in a rank: the threads of each run, by token
_arriving: dict[str, bytearray] = {}  # in a rank: packed data received so far, by token


class MPIPool(Pool):
    """A pool for an MPI executor; its ranks share the concurrent jobs evenly."""

    def __init__(self, executor: Any, workers: int, timeout: float = math.inf) -> None:
        super().__init__(executor, workers, timeout)
        self._ranks = 0
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._futures: dict[int, Future[JobAnswer]] = {}  # futures of unanswered jobs, by job number
        self._queue: deque[tuple[int, bytes]] = deque()
        self._exchanges = 0
        self._carried = 0  # number of jobs sent in exchanges that have not returned

    def bring(self, shared: Any) -> str | None:
        """Send the data to all ranks.

        A rank that can read the file with the data broadcasts them; without such a rank, this process sends them.
        """
        with border("the executor does not accept the data"):
            self._ranks = int(self.executor.num_workers or 1)  # 0 if broken; then the calls below raise an error
            threads = -(-self.workers // self._ranks)
            path = Path(str(super().bring(shared)))
            if not all(self._all(read, [(shared.token, str(path))] * self._ranks)):
                self._send(shared.token, path)
            self._all(begin, [(shared.token, threads)] * self._ranks)
        return None

    def close(self) -> None:
        """Drop the data in all ranks, after the running jobs have ended."""
        ranks, self._ranks = self._ranks, 0  # without ranks, no further exchange starts
        if self._shared is not None:
            with contextlib.suppress(Exception):  # the executor is broken or was shut down
                self._all(leave, [(self._shared.token,)] * ranks)
        super().close()

    def submit(self, order: Any, *, is_retry: bool = False, attach: bool = False) -> Future[JobAnswer]:
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
        """Start exchanges, at most one per rank, while they are needed.

        The first exchange carries at most `free` jobs, and each further exchange carries at most one job.
        """
        while (jobs := self._next(free)) is not None:
            free = 1
            try:
                sent = self.executor.submit(exchange, self._where.token, jobs, LOOK_SECONDS * self._exchanges)
            except Exception:  # the executor was shut down, and would also refuse the next exchange
                self._end_exchange(len(jobs))
                raise
            sent.add_done_callback(partial(self._land, len(jobs)))

    def _next(self, free: int) -> list[tuple[int, bytes]] | None:
        """Return the jobs of the next exchange, or None if no exchange is needed."""
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
        """Process the results of an exchange that has returned."""
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
        except Exception as refused:  # the executor was shut down
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
    """Set the result or the error of a future, unless the job was lost earlier or the run has ended."""
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


class RankThreads:
    """The threads in which a rank runs the jobs of one run."""

    def __init__(self, count: int) -> None:
        self._count, self._underway = count, 0
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="ash-rank")
        self._done: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def exchange(self, jobs: Sequence[tuple[int, bytes]], seconds: float) -> tuple[int, list[tuple[int, bytes]]]:
        """Accept jobs (numbers and packed calls); return the number of free threads and the available answers.

        The exchange waits for an answer: at most `seconds` if a thread is free, otherwise until there is an answer.
        """
        if self._count == 1:  # this thread would only wait, so it runs the job itself, which saves two wake-ups
            return 1, [(number, _answer(packed)) for number, packed in jobs]
        for number, packed in jobs:
            self._underway += 1
            self._threads.submit(self._do, number, packed)
        found = []
        try:
            found.append(self._done.get(timeout=None if self._underway >= self._count else seconds))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            self._underway -= len(found)
        return self._count - self._underway, found

    def end(self) -> None:
        """Wait for the running jobs, and end the threads."""
        self._threads.shutdown()

    def _do(self, number: int, packed: bytes) -> None:
        self._done.put((number, _answer(packed)))


def read(token: str, path: str) -> bool:
    """Receive a run's packed data from a file that one rank reads for all; return False if no rank sees the file."""
    from mpi4py.futures import get_comm_workers

    ranks = get_comm_workers()
    seen = Path(path).is_file()
    root = max(ranks.allgather(ranks.Get_rank() if seen else -1))
    if root < 0:
        return False
    data = _arriving.setdefault(token, bytearray())
    pieces = _pieces_of(path) if ranks.Get_rank() == root else itertools.repeat(None)
    while piece := ranks.bcast(next(pieces), root):
        if isinstance(piece, OSError):
            raise piece
        data.extend(piece)
    return True


def _pieces_of(path: str) -> Iterator[bytes | OSError]:
    """Yield the pieces of a file and then an empty piece, or the error that prevents reading the file."""
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
        yield b""
    except OSError as error:
        yield error


def receive(token: str, piece: bytes | None) -> None:
    """Receive the next piece of a run's packed data.

    One rank gets the piece as `piece`, and broadcasts it; other ranks get None.
    """
    from mpi4py.futures import get_comm_workers

    ranks = get_comm_workers()
    root = max(ranks.allgather(-1 if piece is None else ranks.Get_rank()))
    _arriving.setdefault(token, bytearray()).extend(ranks.bcast(piece, root))


def begin(token: str, threads: int) -> None:
    """Unpickle the received data of a run, and start the threads for its jobs."""
    from mpi4py.futures import get_comm_workers

    get_comm_workers().Barrier()  # first, so that no rank waits for a rank that cannot unpickle the data
    know(read_data(_arriving.pop(token)), notified=True)
    _runs[token] = RankThreads(threads)


def exchange(token: str, jobs: Sequence[tuple[int, bytes]], seconds: float) -> tuple[int, list[tuple[int, bytes]]]:
    """Exchange jobs of a run for answers; see `RankThreads.exchange`."""
    return _runs[token].exchange(jobs, seconds)


def leave(token: str) -> None:
    """End the threads of a run, and drop its data."""
    from mpi4py.futures import get_comm_workers

    get_comm_workers().Barrier()
    _arriving.pop(token, None)
    if token in _runs:  # a run has no threads here if its data never arrived completely
        _runs.pop(token).end()
    forget(token)


def _answer(packed: bytes) -> bytes:
    """Return the pickled result of a packed call, or its pickled error."""
    try:
        function, *arguments = pickle.loads(packed)
        return pickle.dumps(function(*arguments), protocol=5)
    except BaseException as error:
        trace = traceback.format_exc()  # sent as a note, since a pickled error loses its traceback
        error.add_note(trace)
        try:
            sent = pickle.dumps(error)
            pickle.loads(sent)  # test this here, since the calling process would see only the error of unpickling
        except Exception as why:
            kind, cause = type(error).__name__, f"{type(why).__name__}: {why}"
            lost = pickle.PicklingError(f"its error, {kind}, cannot be sent: {cause}")
            lost.add_note(trace)
            return pickle.dumps(lost)
        return sent

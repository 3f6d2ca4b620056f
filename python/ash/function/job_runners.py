"""Runs jobs in the calling thread, in other threads, or in a user's executor.

    start(job) -> ... -> wait(seconds) -> [(job, answer), ...]

Invariants: (1) every started job is answered once, or dropped at the end of the run; (2) the caller starts at most
`free` jobs; (3) a job that exceeds its limit gets the answer LATE, and its later outcome is ignored.
Threads: all public methods must be called by the same thread.
Cost: a microsecond per job if jobs run in the calling thread.
"""

import queue
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ash._utils.aliases import Key
from ash._utils.threads import at_work, start_threads
from ash._utils.user_warnings import warn_user
from ash.executors.executor_argument import DASK, is_of
from ash.executors.flights import Flights, Status
from ash.executors.job_pool import Pool
from ash.function.answers import (
    DIED,
    FAILED,
    FINISHED,
    LATE,
    Answer,
    FunctionOrder,
    SharedFunction,
    Train,
    attempt,
    unpack,
)
from ash.function.current_job import Job
from ash.function.directories import leave

LOOK_SECONDS = 0.01
"""How often to look whether a job has started that has been queued for longer than `job_limit`."""
GRACE_SECONDS = 0.2
"""How long a run waits at its end for jobs in threads that it has abandoned."""
Answers = list[tuple[Key, Answer]]


class JobRunners(AbstractContextManager["JobRunners"]):
    """Runs jobs: a context manager that ends the threads and processes that it has started."""

    free: int
    """The number of jobs that may be started now."""
    running: dict[Key, float]
    """The start time of each job that `wait` has not answered yet, in order of start."""
    packed = False
    """Whether the states in answers are bytes that `open` unpacks."""

    @property
    def status(self) -> Status | None:
        """Return the status of the workers of an executor, or None without an executor."""
        return None

    def __exit__(self, *error: object) -> None:
        """Drop jobs that are still running."""

    def start(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Start a job."""
        raise NotImplementedError

    def wait(self, seconds: float) -> Answers:
        """Wait until there is an answer, at most `seconds`, and return all available answers."""
        raise NotImplementedError

    def open(self, state: Any) -> Any:
        """Convert the state in an answer to the state that the function returned."""
        return state


class CallingThread(JobRunners):
    """Runs each job in the calling thread when it is started."""

    def __init__(self, train: Train) -> None:
        self._train = train
        self._answers: Answers = []
        self.free = 1
        self.running = {}  # a job ends before `start` returns

    def start(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Run a job to its end."""
        began = time.monotonic()
        with at_work():
            answer = attempt(self._train, job, params, state)
        self.free = 0
        self._answers.append((job[:2], answer._replace(start=began, end=time.monotonic())))

    def wait(self, seconds: float) -> Answers:
        """Return the available answer."""
        answers, self._answers = self._answers, []
        self.free = 1
        return answers


class ConcurrentRunners(JobRunners):
    """Runs jobs concurrently, and detects late jobs.

    At most `count` jobs run at the same time, and each may take `limit` seconds.
    """

    def __init__(self, count: int, limit: float | None) -> None:
        self.free = count
        self._limit = limit
        self.running = {}
        self._lost: set[Key] = set()  # late jobs that cannot be stopped and are still running

    def start(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Start a job."""
        self.free -= 1
        self.running[job[:2]] = time.monotonic()
        self.hand_out(job, params, state)

    def hand_out(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Pass a job to a runner; `receive` yields its answer when it has ended."""
        raise NotImplementedError

    def receive(self, seconds: float) -> Iterable[tuple[Key, Answer | BaseException]]:
        """Wait until a job has ended, at most `seconds`, and return all jobs that have ended."""
        raise NotImplementedError

    def wait(self, seconds: float) -> Answers:
        """Wait for an answer or a late job, at most `seconds`, and return all available answers."""
        answers: Answers = []
        for done in self.receive(max(0.0, min(seconds, self._next_late()))):
            self._take(done, answers)
        self._find_late(answers)
        return answers

    def _take(self, done: tuple[Key, Answer | BaseException], answers: Answers) -> None:
        job, answer = done
        self.free += 1
        if job in self._lost:
            self._lost.remove(job)
            return
        if isinstance(answer, BaseException):
            raise answer
        answers.append((job, answer._replace(start=self.running.pop(job), end=answer.end or time.monotonic())))

    def _next_late(self) -> float:
        if self._limit is None or not self.running:
            return float("inf")
        return max(LOOK_SECONDS, min(self.running.values()) + self._limit - time.monotonic())

    def _find_late(self, answers: Answers) -> None:
        if self._limit is None:
            return
        now = time.monotonic()
        for job, began in list(self.running.items()):
            if now < began + self._limit or (exact := self.begun(job)) is None:
                continue
            began = self.running[job] = exact
            if now >= began + self._limit:
                del self.running[job]
                self._lost.add(job)
                self.cancel(job)
                answers.append((job, Answer(LATE, text=self.late(job), start=began, end=now)))

    def begun(self, job: Key) -> float | None:
        """Return when a job has started on its worker, or None if it is still queued there."""
        return self.running[job]

    def cancel(self, job: Key) -> None:
        """Cancel a late job if that is possible."""

    def late(self, job: Key) -> str:
        """Return the message with which a job that exceeded the limit is answered."""
        return f"the job took longer than job_limit={self._limit:g} seconds"


class RunnerThreads(ConcurrentRunners):
    """Runs jobs in threads of this process.

    A thread cannot be ended. So a job that hangs, or that still runs at the end of the run, is abandoned.
    """

    def __init__(self, train: Train, count: int, limit: float | None) -> None:
        self._train = train
        self._done: queue.SimpleQueue[tuple[Key, Answer | BaseException]] = queue.SimpleQueue()
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._busy: dict[Key, Job] = {}  # jobs that a thread runs, even if the run no longer waits for them
        self._over = False
        self._threads = start_threads(count, self._work, "ash")
        super().__init__(len(self._threads), limit)

    def __exit__(self, *error: object) -> None:
        self.end_threads()
        until = time.monotonic() + GRACE_SECONDS
        while self._busy.keys() - self._lost and time.monotonic() < until:
            time.sleep(GRACE_SECONDS / 100)
        left = list(self._busy.values())
        for job in left:
            leave(job, partial(self._busy.__contains__, job[:2]))
        if untold := [job for job in left if job[:2] not in self._lost]:
            names = " and ".join(f"candidate {job[0]} in rung {job[1]}" for job in untold)
            text = (
                f"{names}: training goes on in the background until the function returns, since a thread cannot be "
                'stopped. The result does not depend on it; executor="processes" ends such jobs'
            )
            if isinstance(error[1], BaseException):  # a warning that a filter turns into an error would replace it
                error[1].add_note(text)
            else:
                warn_user(text)

    def end_threads(self) -> None:
        """Let each thread end after its job."""
        self._over = True
        for _ in self._threads:
            self._tasks.put(None)

    def hand_out(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Put the job into the queue of the threads."""
        self._tasks.put((job, params, state))

    def receive(self, seconds: float) -> Iterator[tuple[Key, Answer | BaseException]]:
        """Wait for an answer, at most `seconds`, and yield all available answers."""
        with suppress(queue.Empty):
            yield self._done.get(timeout=seconds)
            while True:
                yield self._done.get_nowait()

    def late(self, job: Key) -> str:
        """Return the message for a job that exceeded the limit, and warn that the job's thread is lost."""
        warn_user(
            f"candidate {job[0]} exceeded job_limit in rung {job[1]}; a thread cannot be stopped, so the run has one "
            'thread fewer until the job returns; executor="processes" kills jobs that exceed job_limit'
        )
        return super().late(job)

    def _work(self, number: int) -> None:
        while (task := self._tasks.get()) is not None and not self._over:
            key = task[0][:2]
            self._busy[key] = task[0]
            answer: Answer | BaseException
            try:
                with at_work():
                    done = attempt(self._train, *task)
                answer = done._replace(thread=number, end=time.monotonic())
            except BaseException as error:  # for example SystemExit, to be raised in the calling thread
                answer = error
            del task, self._busy[key]
            self._done.put((key, answer))


def is_running(future: Any) -> bool:
    """Return whether a future is neither done nor cancelled."""
    return not future.done()


def start_file(folder: str, job: Key) -> Path:
    """Return the file by which a worker on this machine announces that a job has started."""
    return Path(folder, f"started-{job[0]}-{job[1]}")


def announce_by_file(folder: str, job: Job) -> None:
    """Write the time on the machine's clock into a file, unless the folder is on another machine."""
    with suppress(OSError):
        start_file(folder, job[:2]).write_text(repr(time.monotonic()))


def announce_by_event(topic: str, job: Job) -> None:
    """Tell Dask's scheduler, and so the client, that a job has started."""
    from distributed import get_worker

    get_worker().log_event(topic, list(job[:2]))


class Submitted(ConcurrentRunners):
    """Runs jobs in a user's executor: from concurrent.futures, loky, Dask or MPI, or any other object with `submit`.

    ash cannot end the executor's processes. A process that hangs is abandoned, and its slot is lost. A job that the
    executor cannot complete gets the answer DIED or FAILED. A job that Dask has cancelled is submitted again.

    Raises
    ------
    SettingError
        The function cannot be pickled.
    ExecutorFailedError
        The executor does not accept the function. While the run goes on: the executor accepts no more jobs, or has had
        no worker for too long.
    """

    def __init__(self, train: Train, pool: Pool, limit: float | None) -> None:
        super().__init__(pool.workers, limit)
        executor = pool.executor
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()  # one per future that is done
        self._flights = Flights(pool, 1, partial(self._done.put, None), self._again)
        self.packed = not isinstance(executor, ThreadPoolExecutor)
        self._began: dict[Key, float] = {}  # when each job has started on its worker, as far as known
        self._announce: Callable[[Job], None] | None = None  # called there; None if `limit` counts from the submission
        self._folder: Path | None = None  # workers of this machine announce starts by files in this folder
        shared = SharedFunction(train, repr(executor))
        is_dask = is_of(executor, DASK)
        where = self._flights.open(shared.copy() if is_dask else shared)  # Dask's workers may be in this process
        if not self.packed:
            self._announce = self._note_start
        elif limit is not None and is_dask:
            topic = f"ash-{shared.token}"
            executor.subscribe_topic(topic, lambda event: self._note_start(event[1]))
            self._announce = partial(announce_by_event, topic)
        elif limit is not None and where.path is not None:
            self._folder = Path(where.path).parent
            self._announce = partial(announce_by_file, str(self._folder))

    def __exit__(self, *error: object) -> None:
        for flight in self._flights.close():
            if is_running(flight.future):
                leave(flight.order.job, partial(is_running, flight.future))
        if isinstance(self._announce, partial) and self._announce.func is announce_by_event:
            with suppress(Exception):  # the client is closed, or its scheduler does not answer
                self._flights.pool.executor.unsubscribe_topic(*self._announce.args)

    @property
    def status(self) -> Status:
        """Return the status of the workers."""
        return self._flights.status

    def hand_out(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Submit a job."""
        self._flights.submit(job[:2], FunctionOrder(job, params, state, self._announce))

    def open(self, state: Any) -> Any:
        """Return the state, unpacked from bytes if it is from another process."""
        return unpack(state) if self.packed else state

    def begun(self, job: Key) -> float | None:
        """Return when a job has started on its worker, or None if it is still queued there."""
        if self._announce is None:
            return self.running[job]
        if self._folder is not None:
            with suppress(OSError, ValueError):  # there is no such file, or it has no content yet
                self._began[job] = float(start_file(str(self._folder), job).read_text())
        return self._began.get(job)

    def cancel(self, job: Key) -> None:
        """Cancel a late job, which frees its worker if it has not started."""
        self._flights.cancel(job)

    def receive(self, seconds: float) -> Iterator[tuple[Key, Answer]]:
        """Wait for an answer, at most `seconds`, and yield all available answers."""
        with suppress(queue.Empty):
            self._done.get(timeout=seconds)
            while True:
                self._done.get_nowait()
        for flight, found in self._flights.land():
            answer = found if isinstance(found, Answer) else failure_of(found)
            if answer.kind == FINISHED and self._folder is not None:
                self._expect_file(flight.key)
            self._forget_start(flight.key)
            yield flight.key, answer._replace(end=time.monotonic())

    def _note_start(self, job: Job) -> None:
        self._began[job[0], job[1]] = time.monotonic()

    def _forget_start(self, job: Key) -> None:
        self._began.pop(job, None)
        if self._folder is not None:
            start_file(str(self._folder), job).unlink(missing_ok=True)

    def _again(self, job: Key, answer: Any) -> None:
        """Forget the start of a job that is submitted again; a worker that lacks the function is on another machine."""
        self._forget_start(job)
        if not isinstance(answer, BaseException) and self._folder is not None:
            self._announce = self._folder = None  # no files can be expected from there

    def _expect_file(self, job: Key) -> None:
        """Stop waiting for files if a finished job wrote none, since it ran on another machine."""
        if not start_file(str(self._folder), job).exists():
            self._announce = self._folder = None


def failure_of(error: BaseException) -> Answer:
    """Return the answer for a job whose future has this error."""
    if isinstance(error, CancelledError):
        return Answer(DIED, text=f"the executor cancelled the job ({str(error) or 'no reason given'})")
    kind = DIED if type(error).__name__ == "KilledWorker" else FAILED
    return Answer(kind, text=f"the executor raised {type(error).__name__}: {error}")

"""Runs jobs in the calling thread, in other threads, or in a user's executor.

    start(job) -> ... -> wait(seconds) -> [(job, answer), ...]

Invariants: (1) every started job is answered once, or dropped at the end of the run; (2) the caller starts at most
`free` jobs; (3) a job that exceeds its limit gets the answer LATE, and its later outcome is ignored.
Threads: all public methods must be called by the same thread.
Cost: a microsecond per job if jobs run in the calling thread.
"""

import queue
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ash._utils.threads import at_work, start_threads
from ash._utils.user_warnings import warn_user
from ash.errors import ExecutorFailed
from ash.executors.dask_pool import ask, cancel_all, closed, is_closed
from ash.executors.dispatcher import COUNT_SECONDS, Status
from ash.executors.executor_argument import DASK, is_of, pool_of
from ash.executors.job_pool import border, cancel_each, is_broken
from ash.executors.jobs import LACKS
from ash.function.answers import (
    DIED,
    FAILED,
    FINISHED,
    LATE,
    Answer,
    SharedFunction,
    Train,
    attempt,
    do,
    do_shared,
    unpack,
)
from ash.function.current_job import Job
from ash.function.directories import leave

LOOK_SECONDS = 0.01
"""How often to look whether a job has started that has been queued for longer than `job_limit`."""
GRACE_SECONDS = 0.2
"""How long a run waits at its end for jobs in threads that it has abandoned."""
Key = tuple[int, int]
"""The candidate and rung that identify a job."""
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
    """Runs jobs concurrently: answers arrive in a queue, and late jobs are detected.

    At most `count` jobs run at the same time, and each may take `limit` seconds.
    """

    def __init__(self, count: int, limit: float | None) -> None:
        self.free = count
        self._limit = limit
        self.running = {}
        self._lost: set[Key] = set()  # late jobs that cannot be stopped and are still running
        self._done: queue.SimpleQueue[tuple[Key, Answer | BaseException]] = queue.SimpleQueue()

    def start(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Start a job."""
        self.free -= 1
        self.running[job[:2]] = time.monotonic()
        self.hand_out(job, params, state)

    def hand_out(self, job: Job, params: dict[str, Any], state: Any) -> None:
        """Pass a job to a runner, which puts the job's key and answer into the queue when the job ends."""
        raise NotImplementedError

    def wait(self, seconds: float) -> Answers:
        """Wait for an answer or a late job, at most `seconds`, and return all available answers."""
        answers: Answers = []
        try:
            self._take(self._done.get(timeout=max(0.0, min(seconds, self._next_late()))), answers)
            while True:
                self._take(self._done.get_nowait(), answers)
        except queue.Empty:
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


MOST_TIMES = 3
"""Maximum number of times that a job is submitted to Dask if Dask cancels the job."""


class _Cancelled(Answer):
    """The answer of a job that Dask has cancelled, which happens when data that the job needs are lost."""


class _Lacking(Answer):
    """The answer of a process that lacks the function."""


class _Handed(NamedTuple):
    """A submitted job: its arguments, `Submitted._sent` at the last submission, and the number of submissions."""

    job: Job
    params: dict[str, Any]
    state: Any
    sent: int
    times: int


def is_running(future: "Future[Any]") -> bool:
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

    ash cannot end the executor's processes. A process that hangs is abandoned, and its slot is lost. If a process dies,
    an executor of the standard library fails all its jobs, so all these jobs get the answer DIED.
    Threads: futures complete in any thread. The thread that removes the future of a job from `_futures` answers the
    job.

    Raises
    ------
    SettingError
        The function cannot be pickled.
    ExecutorFailed
        A Dask client is closed, or does not accept the function.
    """

    def __init__(self, train: Train, count: int, limit: float | None, executor: Any) -> None:
        super().__init__(count, limit)
        self._futures: dict[Key, Future[Any]] = {}
        self._handed: dict[Key, _Handed] = {}  # jobs submitted and not answered
        self.packed = not isinstance(executor, ThreadPoolExecutor)
        self._train, self._executor = train, executor
        self._sent = 0  # how many times the function was sent to Dask
        self._client: Any = executor if is_of(executor, DASK) else None
        self._workers = count
        self._seen: set[str] = set()  # addresses of Dask's workers
        self._counted = float("-inf")
        self._began: dict[Key, float] = {}  # when each job has started on its worker, as far as known
        self._announce: Callable[[Job], None] | None = None  # called there; None if `limit` counts from the submission
        self._folder: Path | None = None  # workers of this machine announce starts by files in this folder
        self._pool = pool_of(executor, count, do)
        if self._client is not None:
            self._shared = SharedFunction(train, repr(executor)).copy()  # workers may be threads of this process
            self._send_function()
            if limit is not None:
                topic = f"ash-{self._shared.token}"
                self._client.subscribe_topic(topic, lambda event: self._note_start(event[1]))
                self._announce = partial(announce_by_event, topic)
        elif self.packed:
            where = self._pool.open(SharedFunction(train, repr(executor)))
            if limit is not None and where.path is not None:
                self._folder = Path(where.path).parent
                self._announce = partial(announce_by_file, str(self._folder))
        else:
            self._announce = self._note_start

    def __exit__(self, *error: object) -> None:
        items = list(self._futures.items())  # futures that complete meanwhile remove themselves
        futures = [future for _, future in items]
        if self._client is None:
            cancel_each(futures)
            for job, future in items:
                leave(self._handed[job].job, partial(is_running, future))
            self._pool.close()
            return
        cancel_all(self._client, futures)
        if self._announce is not None:
            with suppress(Exception):  # the client is closed, or its scheduler does not answer
                self._client.unsubscribe_topic(f"ash-{self._shared.token}")

    @property
    def status(self) -> Status:
        """Return the status of the workers; Dask is asked at most once per second."""
        if self._client is not None and time.monotonic() - self._counted >= COUNT_SECONDS:
            self._count()
        return Status(self._workers, max(0, len(self._seen) - self._workers), len(self._futures), 0)

    def hand_out(self, job: Job, params: dict[str, Any], state: Any, *, attach: bool = False) -> None:
        """Submit a job; `attach` sends the function with it."""
        key = job[:2]
        try:
            with border("the executor accepts no more jobs"):
                future = self._submitted(job, params, state, attach=attach)
                self._futures[key] = future
                times = self._handed[key].times if key in self._handed else 0
                self._handed[key] = _Handed(job, params, state, self._sent, times + 1)
                future.add_done_callback(lambda done: self._land(key, done))
        except ExecutorFailed as error:
            self._futures.pop(key, None)
            self._done.put((key, Answer(DIED, text=str(error), end=time.monotonic())))

    def wait(self, seconds: float) -> Answers:
        """Return answers as the base class does. If a Dask client is closed, all its jobs get the answer DIED."""
        answers = super().wait(seconds)
        if not answers and self._client is not None and is_closed(self._client):
            for job in list(self._futures):
                self._put(job, Answer(DIED, text=closed(self._client), end=time.monotonic()))
        return answers

    def open(self, state: Any) -> Any:
        """Return the state, unpacked from bytes if it is from another process."""
        return unpack(state) if self.packed else state

    def _submitted(self, job: Job, params: dict[str, Any], state: Any, *, attach: bool) -> Any:
        self._forget_start(job[:2])
        if not self.packed:
            return self._executor.submit(self._attempt, job, params, state)
        order = job, params, state, self._announce
        if self._client is not None:  # pure=False, since Dask otherwise runs equal jobs only once
            return self._client.submit(do_shared, self._function, order, pure=False)
        return self._pool.submit(order, attach=attach)

    def _attempt(self, job: Job, params: dict[str, Any], state: Any) -> Answer:
        self._note_start(job)
        return attempt(self._train, job, params, state)

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
        if (future := self._futures.get(job)) is not None:
            cancel_each([future])

    def _note_start(self, job: Job) -> None:
        self._began[job[0], job[1]] = time.monotonic()

    def _forget_start(self, job: Key) -> None:
        self._began.pop(job, None)
        if self._folder is not None:
            start_file(str(self._folder), job).unlink(missing_ok=True)

    def _take(self, done: tuple[Key, Answer | BaseException], answers: Answers) -> None:
        """Process an answer.

        A job is submitted again, with the function, if its process lacked the function. A job that Dask has cancelled
        is submitted again, too. The function is sent again first, unless this was done since the job's last submission.
        """
        job, answer = done
        handed = self._handed.get(job)
        is_late = job in self._lost
        if self._announce is not None and isinstance(answer, Answer):
            has_run = answer.kind == FINISHED or isinstance(answer, _Lacking)
            if has_run and self._folder is not None and not start_file(str(self._folder), job).exists():
                self._announce = self._folder = None  # on another machine: from now on, starts are not known
            self._forget_start(job)
        if isinstance(answer, _Lacking) and handed is not None and not is_late:
            return self.hand_out(handed.job, handed.params, handed.state, attach=True)
        if not isinstance(answer, _Cancelled) or handed is None or is_late or handed.times >= MOST_TIMES:
            self._handed.pop(job, None)
            super()._take(done, answers)
            return
        try:
            if handed.sent == self._sent:
                self._send_function()
        except ExecutorFailed as error:
            super()._take((job, Answer(DIED, text=str(error), end=time.monotonic())), answers)
            return
        self.hand_out(handed.job, handed.params, handed.state)

    def _send_function(self) -> None:
        """Send the function once to each Dask worker. The function is lost if all workers that have it are lost."""
        client = self._client
        with border("the executor does not accept the function"):
            self._function = ask(client, client.scatter, self._shared, broadcast=True, hash=False)
        self._sent += 1

    def _count(self) -> None:
        try:
            present = set(ask(self._client, self._client.nthreads))
        except Exception:  # there is no scheduler
            present = set()
        self._seen |= present
        self._workers, self._counted = len(present), time.monotonic()

    def _land(self, job: Key, future: "Future[Any]") -> None:
        answer: Answer | BaseException
        try:
            found = future.result() if self._client is None else ask(self._client, future.result)
            is_lacking = tuple(found) == (LACKS,)
            answer = _Lacking(DIED, text=LACKS) if is_lacking else Answer(*found)._replace(end=time.monotonic())
        except ExecutorFailed as error:
            answer = Answer(DIED, text=str(error), end=time.monotonic())
        except CancelledError as error:  # Dask also raises this if it has lost data that the job needs
            text = f"the executor cancelled the job ({str(error) or 'no reason given'})"
            answer = (Answer if self._client is None else _Cancelled)(DIED, text=text)
        except Exception as error:
            is_gone = self._client is not None and is_closed(self._client)
            kind = DIED if is_gone or is_broken(error, "KilledWorker") else FAILED
            answer = Answer(kind, text=f"the executor raised {type(error).__name__}: {error}", end=time.monotonic())
        except BaseException as error:
            answer = error
        self._put(job, answer)

    def _put(self, job: Key, answer: Answer | BaseException) -> None:
        if self._futures.pop(job, None) is not None:
            self._done.put((job, answer))

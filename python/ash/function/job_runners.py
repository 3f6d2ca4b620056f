"""Where jobs are done: in the calling thread, or in threads beside it.

    start(job) -> ... -> wait(seconds) -> [(job, answer), ...]

Invariants: (1) every job that was started is answered once, or dropped at the end; (2) no more than `free` jobs may be
started; (3) a job that is late is answered LATE, and what becomes of it after all is of no account.
Threads: all methods are for one thread. Cost: in the calling thread a microsecond a job.
"""

import queue
import threading
import time
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ash.function.answers import LATE, Answer, Train, attempt

if TYPE_CHECKING:
    from ash.executors.dispatcher import Status

Key = tuple[int, int]
"""What a job is known by: candidate and rung."""
Answers = list[tuple[Key, Answer]]


class JobRunners(Protocol):
    """Somewhere jobs are done: a context manager that ends with what it has started."""

    free: int
    packed: bool
    """Whether the state of an answer is bytes, which `open` unpacks."""

    @property
    def status(self) -> "Status | None":
        """Return how it stands with the workers of an executor, None where there is none."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what still runs."""

    def start(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Begin a job."""

    def wait(self, seconds: float) -> Answers:
        """Return the answers that are there, as soon as there is one, or after so many seconds."""

    def open(self, state: Any) -> Any:
        """Return what the function gave back as a state, of what an answer has."""


class CallingThread:
    """The calling thread: a job is done when it is started."""

    packed = False
    status: "Status | None" = None

    def __init__(self, train: Train) -> None:
        self._train = train
        self._answers: Answers = []
        self.free = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers = []

    def start(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Do a job."""
        began = time.monotonic()
        answer = attempt(self._train, params, epochs, state)
        self.free = 0
        self._answers.append((job, answer._replace(start=began, end=time.monotonic())))

    def wait(self, seconds: float) -> Answers:
        """Return the answer that is there."""
        answers, self._answers = self._answers, []
        self.free = 1
        return answers

    def open(self, state: Any) -> Any:
        """Return the state as it is."""
        return state


class Beside:
    """Jobs that others do, who put what comes of them into a queue; and the watch over those that take too long.

    Parameters
    ----------
    count : int
        How many are done at a time.
    limit : float or None
        Seconds that a job may take.
    """

    packed = False

    @property
    def status(self) -> "Status | None":
        """Return how it stands with the workers of an executor, None where there is none."""
        return None

    def __init__(self, count: int, limit: float | None) -> None:
        self.free = count
        self._limit = limit
        self._begun: dict[Key, float] = {}  # of each job that is not answered
        self._lost: set[Key] = set()  # late ones that nobody can stop, and that have not ended yet
        self._done: queue.SimpleQueue[tuple[Key, Answer | BaseException]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def start(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Begin a job."""
        self.free -= 1
        self._begun[job] = time.monotonic()
        self.hand_out(job, params, epochs, state)

    def hand_out(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Let somebody do a job, and put (job, answer) into the queue."""
        raise NotImplementedError

    def wait(self, seconds: float) -> Answers:
        """Return the answers that are there, as soon as there is one, or one is late, or after so many seconds."""
        answers: Answers = []
        try:
            self._take(self._done.get(timeout=max(0.0, min(seconds, self._next_late()))), answers)
            while True:
                self._take(self._done.get_nowait(), answers)
        except queue.Empty:
            self._find_late(answers)
        return answers

    def open(self, state: Any) -> Any:
        """Return the state as it is."""
        return state

    def _take(self, done: tuple[Key, Answer | BaseException], answers: Answers) -> None:
        job, answer = done
        self.free += 1
        if job in self._lost:
            self._lost.remove(job)
            return
        if isinstance(answer, BaseException):
            raise answer
        answers.append((job, answer._replace(start=self._begun.pop(job), end=answer.end or time.monotonic())))

    def _next_late(self) -> float:
        if self._limit is None or not self._begun:
            return float("inf")
        return next(iter(self._begun.values())) + self._limit - time.monotonic()

    def _find_late(self, answers: Answers) -> None:
        now = time.monotonic()
        while self._limit is not None and self._begun:
            job, began = next(iter(self._begun.items()))
            if now < began + self._limit:
                return
            del self._begun[job]
            self._lost.add(job)
            answers.append((job, Answer(LATE, text=self.late(), start=began, end=now)))

    def late(self) -> str:
        """Return what is told of a job that is late."""
        return f"the job took longer than job_limit={self._limit:g} seconds"


class RunnerThreads(Beside):
    """Threads of this process. One that does not come back cannot be ended: it is left alone, and its place with it."""

    def __init__(self, train: Train, count: int, limit: float | None) -> None:
        super().__init__(count, limit)
        self._train = train
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for number in range(count):
            threading.Thread(target=self._work, args=(number,), name=f"ash-{number}", daemon=True).start()
        self._count = count

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in range(self._count):
            self._tasks.put(None)

    def hand_out(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Put it where the next thread that is free takes it."""
        self._tasks.put((job, params, epochs, state))

    def late(self) -> str:
        """Return and warn what a late job costs."""
        text = f"{super().late()}; a thread cannot be stopped: the run has one less until it comes back"
        warnings.warn(text, UserWarning, stacklevel=2)
        return text

    def _work(self, number: int) -> None:
        while (task := self._tasks.get()) is not None:
            job, *arguments = task
            try:
                answer: Answer | BaseException = attempt(self._train, *arguments)._replace(
                    place=number, end=time.monotonic()
                )
            except BaseException as error:  # SystemExit and the like: for the calling thread
                answer = error
            del task, arguments
            self._done.put((job, answer))

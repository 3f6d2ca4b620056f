"""Jobs in an executor of the user's: of concurrent.futures, loky, Dask, MPI, or anything else with `submit`.

Its processes are not ours: one that hangs is left alone, and its place with it. Where one dies, an executor of the
standard library gives up all that it was doing: those jobs have died as well.
Threads: futures are done in any thread; all else is the calling one's. A job is answered by what takes its future out.
"""

import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

from ash.errors import ExecutorFailed
from ash.executors.dask_client import ask, cancel_all, closed, is_closed
from ash.executors.dispatcher import COUNT_SECONDS, Status
from ash.executors.executor_argument import DASK, is_of
from ash.executors.job_pool import border, cancel_each
from ash.function.answers import DIED, FAILED, Answer, Train, attempt
from ash.function.job_runners import Answers, Beside, Key
from ash.function.packing import do, pack_function, unpack


class Submitted(Beside):
    """An executor.

    Raises
    ------
    SettingError
        The function cannot be pickled.
    ExecutorFailed
        A client of Dask is closed, or does not take the function.
    """

    def __init__(self, train: Train, count: int, limit: float | None, executor: Any) -> None:
        super().__init__(count, limit)
        self._futures: dict[Key, Future[Any]] = {}
        self._here = isinstance(executor, ThreadPoolExecutor)
        self.packed = not self._here
        self._function: Any = train
        self._submit: Any = executor.submit
        self._client: Any = executor if is_of(executor, DASK) else None
        self._workers = count
        self._seen: set[str] = set()  # addresses of Dask's workers
        self._counted = float("-inf")
        if not self._here:
            self._function = pack_function(train, executor)
        if self._client is not None:  # once to each worker; and two jobs that look alike are two
            with border("the executor does not take the function"):
                self._function = ask(executor, executor.scatter, self._function, broadcast=True, hash=False)
            self._submit = partial(executor.submit, pure=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        futures = list(self._futures.values())
        if self._client is None:
            cancel_each(futures)
        else:
            cancel_all(self._client, futures)

    @property
    def status(self) -> Status:
        """Return how it stands with the workers; of Dask it is asked once a second."""
        if self._client is not None and time.monotonic() - self._counted >= COUNT_SECONDS:
            self._count()
        return Status(self._workers, max(0, len(self._seen) - self._workers), len(self._futures), 0)

    def hand_out(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Submit it."""
        try:
            with border("the executor takes no more jobs"):
                future = self._submit(attempt if self._here else do, self._function, params, epochs, state)
                self._futures[job] = future
                future.add_done_callback(lambda done: self._land(job, done))
        except ExecutorFailed as error:
            self._futures.pop(job, None)
            self._done.put((job, Answer(DIED, text=str(error), end=time.monotonic())))

    def wait(self, seconds: float) -> Answers:
        """Return answers as elsewhere; where a client of Dask is closed, all its jobs have died."""
        answers = super().wait(seconds)
        if not answers and self._is_closed():
            for job in list(self._futures):
                self._put(job, Answer(DIED, text=closed(self._client), end=time.monotonic()))
        return answers

    def open(self, state: Any) -> Any:
        """Return the state, of its bytes where it has been in another process."""
        return state if self._here else unpack(state)

    def _count(self) -> None:
        try:
            present = set(ask(self._client, self._client.nthreads))
        except Exception:  # there is no scheduler
            present = set()
        self._seen |= present
        self._workers, self._counted = len(present), time.monotonic()

    def _is_closed(self) -> bool:
        return self._client is not None and is_closed(self._client)

    def _land(self, job: Key, future: "Future[Any]") -> None:
        answer: Answer | BaseException
        try:
            found = future.result() if self._client is None else ask(self._client, future.result)
            answer = Answer(*found)._replace(end=time.monotonic())
        except ExecutorFailed as error:
            answer = Answer(DIED, text=str(error), end=time.monotonic())
        except CancelledError:
            answer = Answer(DIED, text="the executor has cancelled the job")
        except Exception as error:
            kind = DIED if _is_broken(error) else FAILED
            answer = Answer(kind, text=f"the executor says: {type(error).__name__}: {error}", end=time.monotonic())
        except BaseException as error:
            answer = error
        self._put(job, answer)

    def _put(self, job: Key, answer: Answer | BaseException) -> None:
        if self._futures.pop(job, None) is not None:
            self._done.put((job, answer))


def _is_broken(error: Exception) -> bool:
    """Return whether the worker has died: loky, Dask and the standard library each have a class of their own for it."""
    return any(each.__name__ in ("BrokenExecutor", "KilledWorker") for each in type(error).__mro__)

"""Jobs in an executor of the user's: of concurrent.futures, loky, Dask, MPI, or anything else with `submit`.

Its processes are not ours: one that hangs is left alone, and its place with it. Where one dies, an executor of the
standard library gives up all that it was doing: those jobs have died as well.
"""

import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

from ash.executor.argument import DASK, is_of
from ash.executor.carrier import COUNT_SECONDS, Status
from ash.function.answers import DIED, FAILED, Answer, Train, attempt
from ash.function.packing import do, pack_function, unpack
from ash.function.places import Beside, Key


class Submitted(Beside):
    """An executor.

    Raises
    ------
    SettingError
        The function cannot be pickled.
    """

    def __init__(self, train: Train, count: int, limit: float | None, executor: Executor) -> None:
        super().__init__(count, limit)
        self._futures: dict[Key, Future[Any]] = {}
        self._here = isinstance(executor, ThreadPoolExecutor)
        self.packed = not self._here
        self._function: Any = train
        self._submit: Any = executor.submit
        self._executor, self._workers = executor, count
        self._seen: set[str] = set()  # addresses of Dask's workers
        self._counted = float("-inf")
        if not self._here:
            self._function = pack_function(train, executor)
        if is_of(executor, DASK):  # once to each worker; and two jobs that look alike are two
            self._function = executor.scatter(self._function, broadcast=True, hash=False)  # type: ignore[attr-defined]
            self._submit = partial(executor.submit, pure=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in list(self._futures.values()):
            future.cancel()

    @property
    def status(self) -> Status:
        """Return how it stands with the workers; of Dask it is asked once a second."""
        if is_of(self._executor, DASK) and time.monotonic() - self._counted >= COUNT_SECONDS:
            self._count(self._executor)
        return Status(self._workers, max(0, len(self._seen) - self._workers), len(self._futures), 0)

    def hand_out(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Submit it."""
        try:
            future = self._submit(attempt if self._here else do, self._function, params, epochs, state)
        except Exception as error:
            text = f"the executor takes no more jobs: {type(error).__name__}: {error}"
            self._done.put((job, Answer(DIED, text=text, end=time.monotonic())))
            return
        self._futures[job] = future
        future.add_done_callback(lambda done: self._put(job, done))

    def open(self, state: Any) -> Any:
        """Return the state, of its bytes where it has been in another process."""
        return state if self._here else unpack(state)

    def _count(self, client: Any) -> None:
        try:
            present = set(client.nthreads())
        except Exception:  # there is no scheduler
            present = set()
        self._seen |= present
        self._workers, self._counted = len(present), time.monotonic()

    def _put(self, job: Key, future: "Future[Any]") -> None:
        answer: Answer | BaseException
        try:
            answer = Answer(*future.result())._replace(end=time.monotonic())
        except CancelledError:
            answer = Answer(DIED, text="the executor has cancelled the job")
        except Exception as error:
            kind = DIED if _is_broken(error) else FAILED
            answer = Answer(kind, text=f"the executor says: {type(error).__name__}: {error}", end=time.monotonic())
        except BaseException as error:
            answer = error
        self._futures.pop(job, None)
        self._done.put((job, answer))


def _is_broken(error: Exception) -> bool:
    """Return whether the worker has died: loky, Dask and the standard library each have a class of their own for it."""
    return any(each.__name__ in ("BrokenExecutor", "KilledWorker") for each in type(error).__mro__)

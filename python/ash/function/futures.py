"""Jobs in an executor of the user's: of concurrent.futures, loky, Dask, MPI, or anything else with `submit`.

Its processes are not ours: one that hangs is left alone, and its place with it. Where one dies, an executor of the
standard library gives up all that it was doing: those jobs have died as well.
"""

import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from ash.errors import SettingError
from ash.function.answers import DIED, FAILED, Answer, Train, attempt
from ash.function.packing import do, pack, unpack
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
        self._executor = executor
        self._futures: dict[Key, Future[Any]] = {}
        self._here = isinstance(executor, ThreadPoolExecutor)
        self.packed = not self._here
        self._function: Any = train
        if not self._here:
            try:
                self._function = pack(train)
            except Exception as error:
                raise SettingError(f"train={train!r} cannot be pickled for executor={executor!r}: {error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in list(self._futures.values()):
            future.cancel()

    def hand_out(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Submit it."""
        try:
            future = self._executor.submit(attempt if self._here else do, self._function, params, epochs, state)
        except Exception as error:
            text = f"the executor takes no more jobs: {type(error).__name__}: {error}"
            self._done.put((job, Answer(DIED, text=text, end=time.monotonic())))
            return
        self._futures[job] = future
        future.add_done_callback(lambda done: self._put(job, done))

    def open(self, state: Any) -> Any:
        """Return the state, of its bytes where it has been in another process."""
        return state if self._here else unpack(state)

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

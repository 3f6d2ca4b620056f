"""Defines `Pool`, which runs jobs in any executor with `submit` (threads, processes, loky).

Such an executor does not let the caller choose where a job runs. So a job's state is returned with its answer, and sent
with the candidate's next job. A `ThreadPoolExecutor` uses the data in memory. For other executors, the data are in a
file that each process on this machine reads once. A worker that cannot read the file reports this, and gets its job
again together with the data. `Pool` is the base class of the pools for Dask and MPI. All pools run the jobs of tables
and of functions; the data of a function's run are the function.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ash._utils.scratch import Scratch
from ash.errors import AshError, ExecutorFailedError
from ash.executors.jobs import Where, do, forget, know, versions, write_data


class Pool:
    """Runs jobs in an executor.

    `workers` is the number of jobs that the executor runs at the same time. A run ends if there is no worker for
    `timeout` seconds. A worker calls `do` with a `Where`, the packed data or None, and a job that `submit` was given.
    Here `done`, `keep` and `drop` do nothing, since states are returned with the answers. With Dask, states stay on the
    workers, so `DaskPool` overrides these methods.
    """

    lost = 0
    """Number of workers that were counted earlier and no longer exist."""

    def __init__(self, executor: Any, workers: int, timeout: float = math.inf) -> None:
        self.executor, self.workers, self.timeout = executor, workers, timeout
        self._shared: Any = None
        self._where = Where("", versions(), None)
        self._packed: bytes | None = None
        self._scratch = Scratch()

    def open(self, shared: Any) -> Where:
        """Make what the jobs share available to the workers, and return where they find it."""
        self._shared, path = shared, None
        if isinstance(self.executor, ThreadPoolExecutor):
            know(shared, notified=True)
        else:
            try:
                path = self.bring(shared)
            except BaseException:
                self.close()
                raise
        self._where = Where(shared.token, versions(), path)
        return self._where

    def bring(self, shared: Any) -> str | None:
        """Write the data into a file that only this user can read, and return its path."""
        try:
            path = self._scratch.make() / "data"
            write_data(path, shared)
        except OSError as error:
            raise ExecutorFailedError(
                f"the data cannot be written for the workers: {error}; set TMPDIR to a folder with enough space"
            ) from error
        return str(path)

    def close(self) -> None:
        """Drop the data."""
        if self._shared is not None:
            forget(self._shared.token)
        self._scratch.__exit__()

    def submit(self, order: Any, *, is_retry: bool = False, attach: bool = False) -> Any:
        """Submit a job, and return its future.

        `is_retry` says that the job failed before. `attach` sends the data with the job, since a worker lacked the
        data.
        """
        return self.executor.submit(*self._call(order, attach))

    def answers(self, futures: Sequence[Any]) -> list[Any]:
        """Return the results or errors of completed futures."""
        return [answer_of(future.result) for future in futures]

    def cancel(self, futures: Sequence[Any]) -> None:
        """Cancel jobs whose results are no longer wanted."""
        for future in futures:
            with contextlib.suppress(Exception):  # an executor that does not answer will not run the job either
                future.cancel()

    def count(self) -> int | None:
        """Return the current number of workers, or None if the executor does not report it."""
        return None

    def done(self, order: Any, future: Any) -> None:
        """Record that the answer to the job `order` was received and will be used."""

    def keep(self, candidate: int) -> None:
        """Keep the state from the candidate's last job until the run ends."""

    def drop(self, candidate: int) -> None:
        """Drop the state of a candidate that will not have another job."""

    def states(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Any]:
        """Return the wanted states by (candidate, rung); states that no worker has any more are left out."""
        return {}

    def _call(self, order: Any, attach: bool) -> tuple[Any, ...]:
        """Return the function that a worker calls for a job, followed by its arguments."""
        if attach and self._packed is None:
            self._packed = Path(str(self._where.path)).read_bytes()
        return do, self._where, self._packed if attach else None, order


def answer_of(result: Callable[[], Any]) -> Any:
    """Call `result`, and return its answer or the error that it raises; ExecutorFailedError is not caught."""
    try:
        return result()
    except ExecutorFailedError:
        raise
    except Exception as error:
        return error


@contextlib.contextmanager
def border(failure: str) -> Iterator[None]:
    """Raise ExecutorFailedError in place of an exception of an executor's library in this context; keep an AshError.

    `failure` is the start of the message, such as "the executor accepts no more jobs".
    """
    try:
        yield
    except AshError:
        raise
    except Exception as error:
        raise ExecutorFailedError(f"{failure}: {type(error).__name__}: {error}") from error


def is_broken(error: BaseException) -> bool:
    """Return whether an error means that an executor accepts no more jobs.

    The error is recognized by the name of its class or of a base class, since loky has a BrokenExecutor of its own.
    """
    return any(each.__name__ == "BrokenExecutor" for each in type(error).__mro__)


def no_worker(executor: Any, timeout: float) -> str:
    """Return the error message for an executor without a worker."""
    return (
        f"executor={executor!r} has had no worker for worker_timeout={timeout:g} seconds; start some, and repeat the "
        "call; with a journal, the run resumes from here"
    )

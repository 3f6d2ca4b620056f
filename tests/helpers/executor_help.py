"""The run of 32 networks on digits that all tests of executors use, and jobs and executors that fail."""

import functools
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

import ash
from ash.executors import jobs
from config_help import configured, split_once
from fault_help import wait_until

SPACE = ash.Space(
    hidden=ash.choice((16,), (32,), (16, 16)),
    learning_rate=ash.loguniform(1e-3, 1e-1, levels=21),
    optimizer=ash.choice("sgd", "adam"),
    batch_size=ash.choice(32, 64),
)


@functools.cache
def digits() -> tuple[Any, Any]:
    X, y = load_digits(return_X_y=True)
    return X, y


def tuned(**given: Any) -> ash.Result:
    """Do the run with these arguments of `ash.tune` and return the result."""
    given = split_once({"candidates": 32, "random_state": 0, "virtual_workers": 8, "verbose": 0, **given})
    return ash.tune(*digits(), SPACE, **configured(given))


@functools.cache
def expected() -> str:
    """Return the digest that the run must have on every executor."""
    return tuned(n_jobs=1).digest


class Wrapped(Executor):
    """Runs jobs on two threads; starts each job by the given `submit(threads, job number, function, arguments)`."""

    def __init__(self, submit: Callable[..., Future[Any]]) -> None:
        self._submit, self._threads, self._count = submit, ThreadPoolExecutor(2), 0
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        with self._lock:
            self._count += 1
        return self._submit(self._threads, self._count, function, arguments)


def failing(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


class ForOneRank:
    """An object that only the first of the ranks that do jobs can unpickle."""

    def __reduce__(self) -> Any:
        return _for_one_rank, ()


def _for_one_rank() -> None:
    from mpi4py.futures import get_comm_workers

    if get_comm_workers().Get_rank() > 0:
        raise ValueError("not for this rank")


def hide_files() -> None:
    """Hide all files from this rank, and wait until all ranks have done the same."""
    from mpi4py.futures import get_comm_workers

    from ash.executors import mpi_pool

    class Nowhere:
        def __init__(self, path: str) -> None: ...

        def is_file(self) -> bool:
            return False

    mpi_pool.Path = Nowhere  # type: ignore[assignment, misc]
    get_comm_workers().Barrier()


def deadly_job(where: Any, shared: Any, before: Any, order: Any) -> Any:
    """Do a job on Dask; a job of candidate 20 kills its worker."""
    from ash.executors import dask_pool

    if order.candidate == 20:
        os._exit(1)
    return dask_pool._train(where, shared, before, order)


def climb(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, int]:
    """Return a score that grows with the number of epochs, and is higher the closer x is to 0.3."""
    behind = epochs + (state or 0)
    return -abs(params["x"] - 0.3) - 1 / behind, behind


def deadly(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    """Kill the worker process if x is 13, else return x as the score."""
    if params["x"] == 13:
        os._exit(1)
    return float(params["x"]), state


def do_after_meeting(folder: str, count: int, *arguments: Any) -> Any:
    """Do a job once `count` threads (of any processes) have arrived here; each creates a file in the folder."""
    Path(folder, f"{os.getpid()}-{threading.get_ident()}").touch()
    wait_until(lambda: len(os.listdir(folder)) >= count)
    return jobs.do(*arguments)


class BadPickle(Exception):
    """An object that cannot be pickled. It may be returned, raised or submitted as a function."""

    def __reduce__(self) -> Any:
        raise pickle.PicklingError("it is not to be pickled")

    def __call__(self, *arguments: Any) -> Any:
        raise AssertionError("it cannot have arrived")


class BadUnpickle(Exception):
    """An object that can be pickled but not unpickled."""

    def __reduce__(self) -> Any:
        return _unpickled, ()


def _unpickled() -> Any:
    raise pickle.UnpicklingError("it is not to be unpickled")


def returns(kind: type[Exception], *arguments: Any) -> Any:
    return kind()


def raises(error: Exception | type[Exception], *arguments: Any) -> Any:
    raise error


BAD: dict[str, Callable[..., Any]] = {
    "returns bad pickle": functools.partial(returns, BadPickle),
    "returns bad unpickle": functools.partial(returns, BadUnpickle),
    "raises bad pickle": functools.partial(raises, BadPickle),
    "raises bad unpickle": functools.partial(raises, BadUnpickle),
    "is bad pickle": BadPickle(),
}
"""Faulty functions that a worker gets in place of a job, as in mpi4py's own tests of its executor."""

"""The arguments `executor` and `worker_timeout`: what is allowed, and how many jobs an executor does at a time."""

import math
from typing import Any

from ash._utils.checks import read_seconds, whole
from ash._utils.machine import resolve_threads
from ash.errors import SettingError
from ash.executors.dispatcher import Elsewhere
from ash.executors.job_pool import Pool
from ash.options import MOST_WORKERS

DASK, MPI = "distributed", "mpi4py"


def check_submit(executor: Any) -> None:
    """Raise SettingError unless jobs can be submitted to it."""
    if not callable(getattr(executor, "submit", None)):
        raise SettingError(
            f"executor={executor!r} is not allowed; give a distributed.Client, an executor of concurrent.futures, "
            "loky or mpi4py, anything else with submit, or None"
        )
    if is_of(executor, DASK) and executor.asynchronous:
        raise SettingError(f"executor={executor!r} is asynchronous; give a distributed.Client(asynchronous=False)")


def is_of(executor: Any, package: str) -> bool:
    """Return whether an object is of a class of this package."""
    return any(each.__module__.partition(".")[0] == package for each in type(executor).__mro__)


def workers_of(executor: Any, threads: int | None, timeout: float = 0.0) -> int:
    """Return how many jobs an executor does at a time: `threads`, or what it says, or as many as there are CPUs here.

    Parameters
    ----------
    executor : object
    threads : int, optional
    timeout : float
        Seconds to wait for a first worker of Dask.
    """
    if threads is not None:
        return whole("threads", threads, 1, MOST_WORKERS)
    if is_of(executor, DASK):
        return _dask_threads(executor, timeout)
    found = getattr(executor, "num_workers" if is_of(executor, MPI) else "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else resolve_threads(None)


def pool_of(executor: Any, threads: int | None, worker_timeout: float) -> Pool:
    """Return how jobs of `ash.tune` go to an executor.

    Raises
    ------
    SettingError
        It is none.
    ExecutorFailed
        A cluster of Dask has no worker in time.
    """
    check_submit(executor)
    workers = workers_of(executor, threads, worker_timeout)
    if is_of(executor, DASK):
        from ash.executors.dask_pool import DaskPool

        return DaskPool(executor, workers, worker_timeout)
    if is_of(executor, MPI):
        from ash.executors.mpi_pool import MPIPool

        return MPIPool(executor, workers)
    return Pool(executor, workers)


def read_elsewhere(executor: Any, threads: int | None, worker_timeout: Any) -> Elsewhere | None:
    """Return where the jobs of a run of `ash.tune` are done; None: here. Errors as of `pool_of`."""
    seconds = read_seconds("worker_timeout", worker_timeout)
    if executor is None:
        return None
    timeout = math.inf if seconds is None else seconds
    return Elsewhere(pool_of(executor, threads, timeout), timeout)


def _dask_threads(client: Any, timeout: float) -> int:
    from ash.executors.dask_client import wait_for_workers

    return sum(wait_for_workers(client, timeout).values())

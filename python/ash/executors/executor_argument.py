"""Checks the argument `executor`, and chooses the pool that runs the jobs."""

import math
from typing import Any

from ash._utils.checks import whole
from ash._utils.machine import check_n_jobs, threads_of
from ash.errors import SettingError
from ash.executors.job_pool import Pool
from ash.options import MOST_WORKERS

DASK, MPI = "distributed", "mpi4py"


def check_submit(executor: Any) -> None:
    """Raise SettingError unless jobs can be submitted to the executor."""
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise SettingError(
            "executor must be a distributed.Client, an executor of concurrent.futures, loky or mpi4py, another object "
            f"with submit, or None, got {executor!r}"
        )
    if is_of(executor, DASK) and executor.asynchronous:
        raise SettingError(
            f"executor must be a distributed.Client(asynchronous=False), got the asynchronous {executor!r}"
        )


def is_of(executor: Any, package: str) -> bool:
    """Return whether the class of an executor, or one of its base classes, is defined in the package `package`."""
    return any(each.__module__.partition(".")[0] == package for each in type(executor).__mro__)


def workers_of(executor: Any, n_jobs: int | None, timeout: float | None) -> int:
    """Return the number of jobs that an executor runs at the same time.

    This is `n_jobs` if it is positive, otherwise the executor's own number of workers (with Dask, the number of all
    their threads). If the executor does not report this number, that of this machine's CPUs is used. Dask gets up to
    `timeout` seconds to start its first worker; None means no limit.
    """
    check_n_jobs("n_jobs", n_jobs)
    if n_jobs is not None and n_jobs > 0:
        return whole("n_jobs", n_jobs, 1, MOST_WORKERS)
    if is_of(executor, DASK):
        from ash.executors.dask_pool import wait_for_workers

        return sum(wait_for_workers(executor, math.inf if timeout is None else timeout).values())
    found = getattr(executor, "num_workers" if is_of(executor, MPI) else "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else threads_of("n_jobs", None)


def pool_of(executor: Any, n_jobs: int | None, timeout: float | None) -> Pool:
    """Return the pool that runs jobs in an executor; `timeout` is the option `worker_timeout`.

    Raises
    ------
    SettingError
        `executor` is not an executor, or is an asynchronous Dask client, or `n_jobs` is out of range.
    ExecutorFailedError
        A Dask cluster has no worker within the timeout.
    """
    check_submit(executor)
    settings = executor, workers_of(executor, n_jobs, timeout), math.inf if timeout is None else timeout
    if is_of(executor, DASK):
        from ash.executors.dask_pool import DaskPool

        return DaskPool(*settings)
    if is_of(executor, MPI):
        from ash.executors.mpi_pool import MPIPool

        return MPIPool(*settings)
    return Pool(*settings)

"""Chooses where the command runs its jobs: in its own threads, on a Dask cluster or on MPI ranks.

    ash-tune DATA --dask ADDRESS                            a Dask client of this scheduler, closed at the end
    mpiexec -n 4 python -m mpi4py.futures -m ash DATA       rank 0 is the command, ranks 1 to 3 are its workers,
                                                            --threads-per-worker N: with N threads each

mpi4py.futures runs the module only in rank 0, so a single process reads, decides, prints and writes. An exit status
other than 0 ends all ranks by MPI_Abort. A rank that dies ends the whole MPI job; --journal keeps all finished jobs.
Ctrl-C and SIGTERM reach all ranks. Workers ignore them, so rank 0 can still write the files.
"""

import argparse
import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from typing import Any, cast

from ash._utils.checks import read_seconds, whole
from ash._utils.installation import require_extra
from ash.cli.streams import Parser
from ash.errors import SettingError
from ash.options import MOST_WORKERS, WORKER_TIMEOUT

MPI_POOL = "mpi4py.futures"


def add_executor_options(parser: Parser) -> None:
    """Add the options that choose where jobs run."""
    parser.option(
        "--dask",
        "ADDRESS",
        "run the jobs on the workers of the Dask scheduler at this address, such as tcp://HOST:8786; --threads is "
        "the number of jobs at a time. For MPI: mpiexec -n 4 python -m mpi4py.futures -m ash DATA",
    )
    parser.option(
        "--worker-timeout",
        "SECONDS",
        "end the run after this many seconds without a Dask scheduler or worker (default: 60)",
        float,
    )
    parser.option(
        "--threads-per-worker",
        "N",
        "under MPI, the number of jobs that each worker rank runs at a time (default: 1)",
        int,
    )


def n_jobs_of(args: argparse.Namespace) -> int | None:
    """Return the number of jobs that run at the same time, or None if no option sets it.

    Raises
    ------
    SettingError
        --threads-per-worker is given without MPI, or together with --threads.
    """
    if args.threads_per_worker is None:
        return cast(int | None, args.threads)
    count = whole("--threads-per-worker", args.threads_per_worker, 1, MOST_WORKERS)
    ranks = _ranks()
    if ranks == 0:
        raise SettingError(
            f"--threads-per-worker {count} is for MPI ranks: start ash-tune with mpiexec, or give --threads"
        )
    if args.threads is not None:
        raise SettingError(
            f"--threads-per-worker {count} and --threads {args.threads} exclude each other: give one of them"
        )
    return count * max(1, ranks - 1)  # rank 0 runs no jobs, unless it is the only rank


@contextlib.contextmanager
def open_executor(args: argparse.Namespace) -> Iterator[Any]:
    """Yield the executor of a run, or None if jobs run in threads of this process.

    Raises
    ------
    SettingError
        No scheduler answers at the address, or an address is given under MPI.
    MissingExtraError
        Dask is not installed.
    """
    timeout = read_seconds("worker_timeout", args.worker_timeout or WORKER_TIMEOUT)
    ranks = _ranks()
    if args.dask is not None and ranks > 1:
        raise SettingError(f"--dask {args.dask} and {ranks} MPI ranks exclude each other: use one of them")
    if args.dask is not None:
        with _dask_client(args.dask, timeout) as client:
            yield client
    elif ranks > 1:
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor(main=False, initializer=_hear_no_signals) as executor:
            yield executor
    else:
        yield None


def _ranks() -> int:
    """Return the number of ranks that mpi4py.futures started, including this process; 0 without MPI."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is None or not any(word.removeprefix("-m") == MPI_POOL for word in sys.orig_argv):
        return 0
    return int(mpi.COMM_WORLD.Get_size())


def _hear_no_signals() -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def _dask_client(address: str, timeout: float | None) -> Any:
    require_extra("--dask", "distributed", "dask")
    from distributed import Client

    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # no log messages, since ash reports the error in one line
    try:
        return Client(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise SettingError(
            f"--dask {address}: no scheduler answers there ({str(error).partition(chr(10))[0]}); give its address, "
            "such as tcp://HOST:8786"
        ) from error

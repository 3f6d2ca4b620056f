"""The places of the bench of executors: each is opened once, and does the same run of digit networks as often as asked.

    opened(place) ──> run() ──> seconds, digest           mpiexec: a process anew for each run; its time is taken there

What is sent is counted on the way, by pickling it once more: so a run is either timed or counted.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from sklearn.datasets import load_digits

import ash
from bench.executors_traffic import counted
from bench.figures import timed
from bench.machine import ROOT
from bench.peers_space import SPACES

WORKERS = 2
Run = Callable[[], dict[str, Any]]
MPI, MPI_THREADS = "MPI", "MPI, a rank of two threads"
NEEDS = {"loky": ("loky",), "Dask": ("distributed",), MPI: ("mpi4py",), MPI_THREADS: ("mpi4py",)}


def tuned(candidates: int, **where: Any) -> ash.Result:
    """Return the result of the run."""
    x, y = load_digits(return_X_y=True)
    return ash.tune(x, y, SPACES["small networks"].ours(), candidates=candidates, seed=0, progress=False, **where)


def once(candidates: int, count: bool = False, **where: Any) -> dict[str, Any]:
    """Do it once: seconds and digest, or what was sent."""
    if count:
        return counted(where["executor"], lambda: tuned(candidates, **where))
    seconds, result = timed(lambda: tuned(candidates, **where))
    return {"seconds": seconds, "digest": result.digest}


def missing(place: str) -> str | None:
    """Return what a place lacks here, if anything."""
    for package in NEEDS.get(place, ()):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return "there is no mpiexec" if place in (MPI, MPI_THREADS) and mpiexec() is None else None


def mpiexec() -> str | None:
    """Return where the command is: beside Python, or on the path."""
    return shutil.which("mpiexec", path=f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")


@contextmanager
def opened(place: str, candidates: int, count: bool = False) -> Iterator[Run]:
    """Open a place and do the run once, so that what is loaded once is loaded."""
    with PLACES[place](partial(once, candidates, count), candidates, count) as run:
        run()
        yield run


Once = Callable[..., dict[str, Any]]


@contextmanager
def _threads(run: Once, candidates: int, count: bool) -> Iterator[Run]:
    with ThreadPoolExecutor(WORKERS) as executor:
        yield lambda: run(executor=executor)


@contextmanager
def _processes(run: Once, candidates: int, count: bool) -> Iterator[Run]:
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as executor:
        yield lambda: run(executor=executor)


@contextmanager
def _loky(run: Once, candidates: int, count: bool) -> Iterator[Run]:
    from loky import ProcessPoolExecutor as LokyExecutor

    with LokyExecutor(WORKERS) as executor:
        yield lambda: run(executor=executor)


@contextmanager
def _dask(run: Once, candidates: int, count: bool) -> Iterator[Run]:
    from distributed import Client, LocalCluster

    shape: dict[str, Any] = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(silence_logs=50, **shape) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(WORKERS)
        yield lambda: run(executor=client)


@contextmanager
def _mpi(ranks: int, run: Once, candidates: int, count: bool) -> Iterator[Run]:
    command = [str(mpiexec()), "-n", str(ranks + 1), sys.executable, "-m", "mpi4py.futures"]
    command += ["-m", "bench.executors_mpi", str(candidates), "count" if count else "time", str(WORKERS)]

    def in_ranks() -> dict[str, Any]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"mpiexec: {done.stderr.strip()[-500:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    yield in_ranks


PLACES: dict[str, Callable[[Once, int, bool], Any]] = {
    "ThreadPoolExecutor": _threads,
    "ProcessPoolExecutor": _processes,
    "loky": _loky,
    "Dask": _dask,
    MPI: partial(_mpi, WORKERS),
    MPI_THREADS: partial(_mpi, 1),
}

"""The same run of 128 small networks on digits, in threads of this process and on two workers of each kind of executor.

The executors are standard-library processes, loky processes, two Dask processes, two MPI ranks, and one MPI rank with
two threads. All are opened and do the run once before the clock starts. `mpiexec` starts new processes for each
measurement; they do the run twice, and the second run counts. Runs on an executor alternate with runs on two threads of
this process that form no teams. All digests must be equal.

The bench favors executors, since all processes are on one machine, without a real network. It disfavors them, since
the deciding process shares two cores with the workers, and jobs take about a millisecond, which is the worst case.

    mpiexec -n 3 python -m mpi4py.futures -m bench.executors 128 2      an MPI case with 128 candidates and 2 threads
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import ash
from bench.figures import Section, Table, interleaved, ratios, shown, spread, timed
from bench.machine import CORE, ROOT
from bench.peers.task import SPACES
from bench.record import Bench, Case

CANDIDATES, QUICK_CANDIDATES = 128, 16
ROUNDS, QUICK_ROUNDS = 5, 1
WORKERS = 2
BASE = "2 threads, no teams"
HERE = {
    BASE: {"n_jobs": 2, "config": ash.SearchConfig(teams=False)},
    "2 threads": {"n_jobs": 2},
    "1 thread": {"n_jobs": 1},
}
Run = Callable[[], dict[str, Any]]


def once(candidates: int, **where: Any) -> dict[str, Any]:
    """Run `ash.tune` once, on the executor or threads in `where`; return its seconds, digest and number of jobs."""
    from sklearn.datasets import load_digits

    given = *load_digits(return_X_y=True), SPACES["small networks"].ours()
    seconds, result = timed(lambda: ash.tune(*given, candidates=candidates, validation=0.2, verbose=0, **where))
    return {"seconds": seconds, "digest": result.digest, "jobs": len(result.jobs)}


def _loky() -> AbstractContextManager[Any]:
    from loky import ProcessPoolExecutor as LokyExecutor

    return LokyExecutor(WORKERS)  # type: ignore[no-any-return]


@contextmanager
def _dask() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    shape: dict[str, Any] = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(silence_logs=50, **shape) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(WORKERS)
        yield client


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "ThreadPoolExecutor": partial(ThreadPoolExecutor, WORKERS),
    "ProcessPoolExecutor": partial(ProcessPoolExecutor, WORKERS, multiprocessing.get_context("spawn")),
    "loky": _loky,
    "Dask": _dask,
}
"""Context managers that open and close an executor, by place."""


@contextmanager
def _within(name: str, candidates: int) -> Iterator[Run]:
    with EXECUTORS[name]() as executor:
        yield partial(once, candidates, executor=executor)


@contextmanager
def _mpi(ranks: int, candidates: int) -> Iterator[Run]:
    command = [str(mpiexec()), "-n", str(ranks + 1), sys.executable, "-m", "mpi4py.futures"]
    command += ["-m", "bench.executors", str(candidates), str(WORKERS)]

    def in_ranks() -> dict[str, Any]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"mpiexec: {done.stderr.strip()[-500:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    yield in_ranks


def mpiexec() -> str | None:
    """Return the path of `mpiexec`, from Python's own folder or the PATH; None if it is not found."""
    return shutil.which("mpiexec", path=f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")


PLACES: dict[str, Callable[[int], Any]] = {
    **{name: partial(_within, name) for name in EXECUTORS},
    "MPI": partial(_mpi, WORKERS),
    "MPI, a rank of two threads": partial(_mpi, 1),
}
NEEDS = {"loky": "loky", "Dask": "distributed", "MPI": "mpi4py", "MPI, a rank of two threads": "mpi4py"}


def missing(place: str) -> str | None:
    """Return which package or program is missing, in a few words; None if nothing is missing."""
    package = NEEDS.get(place, "sklearn")
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    return "there is no mpiexec" if package == "mpi4py" and mpiexec() is None else None


def measure(place: str, candidates: int, rounds: int) -> dict[str, Any]:
    """Time the run in turn on an executor and on this process's threads; end the bench if a digest differs."""
    if (why := missing(place)) is not None:
        return {"skipped": why}
    base = partial(once, candidates, **HERE[BASE])
    base()
    if place in HERE:
        return compared({BASE: base, place: partial(once, candidates, **HERE[place])}, place, rounds)
    with PLACES[place](candidates) as run:
        run()
        return compared({BASE: base, place: run}, place, rounds)


def compared(runs: Mapping[str, Run], place: str, rounds: int) -> dict[str, Any]:
    """Return the executor's seconds, their ratio to those of threads, and the extra milliseconds per job."""
    found = interleaved(runs, rounds)
    if len({each["digest"] for own in found.values() for each in own}) > 1:
        raise SystemExit(f"{place}: another digest than in threads of this process: nothing to time")
    seconds, base = ([each["seconds"] for each in found[name]] for name in (place, BASE))
    more = spread([1e3 * (own - other) / found[BASE][0]["jobs"] for own, other in zip(seconds, base, strict=True)])
    return {"seconds": spread(seconds), "overhead": ratios(seconds, base), "more": more, "jobs": found[BASE][0]["jobs"]}


def cases(options: Namespace) -> Sequence[Case]:
    """Return one case per kind of executor."""
    told = (QUICK_CANDIDATES, QUICK_ROUNDS) if options.quick else (CANDIDATES, ROUNDS)
    return [Case(place, partial(measure, place, *told)) for place in (*HERE, *PLACES) if place != BASE]


def sections(values: Mapping[str, Any]) -> Sequence[Section]:
    """Return the table of all executors."""
    rows = [
        [name, value["skipped"], "", ""]
        if "skipped" in value
        else [name, shown(value["seconds"]), shown(value["overhead"], ".2f"), shown(value["more"], ".2f")]
        for name, value in values.items()
    ]
    jobs = max((value.get("jobs", 0) for value in values.values()), default=0)
    note = (
        f"Minimum / median / maximum. Overhead: seconds as a multiple of those of {BASE}, measured in turns. Ms per "
        f"job: the difference by the {jobs} jobs of the run. All digests were equal."
    )
    return [Table("The same run in other places", ["place", "seconds", "overhead", "ms per job"], rows, note)]


BENCHES = (
    Bench(
        name="executors",
        title="The same run in other places",
        measures=CORE,
        cases=cases,
        sections=sections,
        packages=("distributed", "loky", "mpi4py", "mpich"),
    ),
)

if __name__ == "__main__":
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as ranks:
        again = partial(once, int(sys.argv[1]), executor=ranks, n_jobs=int(sys.argv[2]))
        again()  # warm-up: loads code that is loaded only once
        print(json.dumps(again()))

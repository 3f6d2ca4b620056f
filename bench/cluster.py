"""Runs on up to 4,096 threads of a cluster, simulated: how the speed-up grows, where it saturates, and what bounds it.

Nothing is trained, and nothing of a cluster is measured: the tuner's own ladder and clock run between a coordinator
and processes that are numbers. Three kinds of networks (what an epoch takes, the bytes of a state and of the data) on
four kinds of clusters, each with a ladder of seven rungs, so that the longest chain is the same for any number of
candidates: a whole ladder of a million would be bound by its chain alone. Candidates differ by a lognormal factor, of
which one in six is above 2 and one in six below 1/2, jobs by noise of 10 %. There are no teams.

"Dask-like" decides greedily, as results come; the others keep to the reproducible schedule, with a virtual worker for
each place in flight. Beside them stands what others have published of their own limits (bench/published.py).
"""

from __future__ import annotations

import pickle
import statistics
from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ash import Cluster
from ash.simulate import simulate
from bench.cluster_sections import sections
from bench.figures import timed
from bench.simulate import varied
from bench.suite import Bench, Case, Options

__all__ = ["bench", "sections"]

THREADS = tuple(2**power for power in range(13))
MANY = 1_000_000
CANDIDATES = (128, 1_024, 16_384, MANY)
FEWER = THREADS[::2]
"""For so many candidates: each run takes seconds."""
RUNGS = 7
NOISE = 0.1
WORKERS = 2 * THREADS[-1]  # of the reproducible schedule: as many as there are places in flight
GIGABIT = 1e9 / 8
CALLS = 21
"""Of `partial_fit`, which are timed; their median counts."""

DASK = {"latency": 0.005, "bandwidth": GIGABIT, "process_bandwidth": GIGABIT, "decision_seconds": 0.001}
OURS = {**DASK, "threads_per_process": 16, "in_flight": 2}
CLUSTERS: dict[str, dict[str, Any]] = {
    "threads": {"threads_per_process": THREADS[-1]},
    "Dask-like": DASK,
    "ours over Dask": OURS,
    "ours, 20,000 decisions a second": {**OURS, "decision_seconds": 1 / 20_000},
}
GREEDY = "Dask-like"
"""Whoever decides as results come."""


class Kind(NamedTuple):
    """What is trained: seconds an epoch of a candidate in the middle, bytes of its state, bytes of the data."""

    seconds: float
    state: float
    data: float


def digits() -> Kind:
    """Return 64-64-10 with both moments of Adam, on the 1,797 rows of scikit-learn's digits."""
    weights = (64 + 1) * 64 + (64 + 1) * 10
    return Kind(0.01, 3 * 4 * weights, 4 * 1797 * (64 + 1))


@cache
def perceptron() -> Kind:
    """Return Dask-ML's example: 12 neurons, 50,000 of 60,000 rows of 6 features, an epoch of as many as its calls have.

    The seconds are those of scikit-learn's `partial_fit`, measured here.
    """
    from sklearn.neural_network import MLPClassifier

    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(50_000, 6)), generator.integers(4, size=50_000)
    rows = 50 * len(X) // 299
    network = MLPClassifier((12,), solver="sgd", batch_size=128, random_state=0)
    network.partial_fit(X[:rows], y[:rows], classes=range(4))
    calls = [timed(lambda: network.partial_fit(X[:rows], y[:rows]))[0] for _ in range(CALLS)]
    return Kind(statistics.median(calls), len(pickle.dumps(network)), X.nbytes + y.nbytes)


def minute() -> Kind:
    """Return a network of a minute an epoch: a million weights with both moments, a gigabyte of data."""
    return Kind(60.0, 3 * 4 * 1e6, 1e9)


KINDS = {"digits, 10 ms": digits, "12 neurons": perceptron, "a minute": minute}


def check() -> None:
    """End unless the simulator gives what can be computed by hand, and a cluster that costs nothing is threads."""
    by_hand = {"costs": 10.0, "max_rungs": 1, "schedule": "greedy", "threads": 2}
    found = [
        simulate(4, cluster=Cluster(latency=1.0, decision_seconds=0.5, in_flight=places), **by_hand).rows[0]["makespan"]
        for places in (1, 2)
    ]
    here = simulate(1000, threads=THREADS, teams=False, noise=NOISE).rows
    there = simulate(1000, threads=THREADS, cluster=Cluster(**CLUSTERS["threads"]), noise=NOISE).rows
    if found != [25.5, 23.0] or [row["makespan"] for row in here] != [row["makespan"] for row in there]:
        raise SystemExit("the simulator contradicts what can be computed by hand: nothing to show")


def measure(kind: str, cluster: str, candidates: int, threads: Sequence[int]) -> dict[str, Any]:
    """Simulate one kind of network on one kind of cluster, and time that."""
    own = KINDS[kind]()
    given = Cluster(**CLUSTERS[cluster], state_bytes=own.state, data_bytes=own.data)
    seconds, found = timed(
        lambda: simulate(
            candidates,
            max_rungs=RUNGS,
            threads=threads,
            costs=lambda generator, count: own.seconds * varied(generator, count),
            schedule="greedy" if cluster == GREEDY else "reproducible",
            workers=WORKERS,
            noise=NOISE,
            cluster=given,
        )
    )
    kept = ("threads", "makespan", "speedup", "utilization", "bytes", "moves", "bounded_by")
    kept += ("work_per_thread", "chain", "coordinator", "line", "latency", "jobs")
    return {
        **{"kind": kind, "cluster": cluster, "candidates": candidates, **own._asdict()},
        "seconds a run": seconds / (len(threads) + 1),  # one more, on one thread, is what it is compared with
        "rows": [{name: row[name] for name in kept} for row in found.rows],
    }


def bookkeeping(trials: int, cpus: int) -> dict[str, Any]:
    """Simulate what Ray Tune measures its bookkeeping by: trials of a second and one result each, on one machine."""
    given = {"max_rungs": 1, "costs": 1.0, "threads": cpus, "workers": WORKERS}
    own = {name: value for name, value in OURS.items() if "bandwidth" not in name}
    row = simulate(trials, cluster=Cluster(**own), **given).rows[0]
    return {"trials": trials, "makespan": row["makespan"], "bounded_by": row["bounded_by"]}


def bench(options: Options) -> Bench:
    """Make a case of each kind, cluster and number of candidates."""
    threads, candidates = (THREADS[::4], CANDIDATES[:2]) if options.quick else (THREADS, CANDIDATES)
    cases = [
        Case(f"{kind}; {cluster}; {count}", partial(measure, kind, cluster, count, threads if count < MANY else FEWER))
        for kind in KINDS
        for count in candidates
        for cluster in CLUSTERS
    ]
    return Bench([*cases, Case("bookkeeping", partial(bookkeeping, 10_000, 16))], sections, check)

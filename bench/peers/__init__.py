"""Whole searches by `ash.tune` and by its peers, each as its users run it, on the same rows, split and space.

The split holds out 20 % of each class for validation, by seed. There are 128 candidates, halved from 1 to 64 epochs.
scikit-learn's halving, Optuna and Ray Tune get the same candidates as `ash`. Peers run with as many workers as there
are CPUs (one thread each), and with their defaults. Each search has a separate process and is paired with a search by
`ash` immediately before or after it.

The bench favors the peers. Their rows are standardized in single precision before the clock starts, while `ash` gets
raw numbers and its scaling is timed. Their candidates are scored only at the ends of rungs. Their modules are loaded,
and their workers, clients and `ray.init` are started, before the clock starts. scikit-learn may stop a training early.
In one way the bench favors `ash`: its learning rate follows half a cosine in each job, while the peers' rates are
constant, which is their default. The processes of Ray's trials start while the clock runs, as for users. Optuna and Ray
prune as results arrive, so their epochs vary. Random search is the baseline: 14 fully trained candidates take as many
epochs as the ladder.

Settings that can take minutes have one seed. The second space, of small networks, has two seeds.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from bench.arguments import Parser, folder
from bench.datasets import FILES
from bench.figures import one_round
from bench.machine import CORE, cpus
from bench.peers import ash
from bench.peers.page import OURS, readme, sections, summary
from bench.peers.task import SPACES, Task, in_child
from bench.record import Bench, Case

CANDIDATES, SEEDS = 128, 5
QUICK_CANDIDATES = 16
SECOND_SEEDS = 2  # seeds for the second space
MAIN, SECOND = SPACES
PACKAGES = {"optuna": "optuna", "torch": "torch", "ray": "ray[tune]", "pyarrow": "ray[tune]", "dask_ml": "dask-ml"}


@dataclass(frozen=True)
class Way:
    """A peer with one of its settings, such as a number of worker processes."""

    name: str
    module: str  # bench/peers/MODULE.py
    setting: str
    threads: int | None  # threads of BLAS and PyTorch per process; None for their defaults
    seeds: int
    required: float | None = None  # required ratio of the peer's time to ash's
    needs: tuple[str, ...] = ()
    quick: bool = False
    second: bool = False  # whether the peer also runs on the second space

    def missing(self) -> str | None:
        """Return which package is missing, in a few words; None if nothing is missing."""
        absent = [PACKAGES[module] for module in self.needs if find_spec(module) is None]
        return f"{absent[0]} is not installed (pip install '.[peers]')" if absent else None


def ways(workers: int) -> list[Way]:
    """Return the peers in all their settings, each peer's best setting first."""
    halving, optuna, ray = "scikit-learn halving", "Optuna halving, PyTorch", "Ray Tune ASHA, PyTorch"
    dask, floor = "Dask-ML Hyperband, MLPClassifier", "scikit-learn random search"
    best = f"1 thread x {workers} workers"
    torch, tune, client = ("optuna", "torch"), ("ray", "pyarrow", "torch"), ("dask_ml",)
    return [
        Way(OURS, "ash", "default", None, SEEDS, quick=True, second=True),
        Way(halving, "sklearn", f"one split, {best}", 1, SEEDS, 40, quick=True, second=True),
        Way(halving, "sklearn", "one split, default (n_jobs=None)", None, 1, 40),
        Way(halving, "sklearn", f"5 folds, {best}", 1, 1, 40, second=True),
        Way(optuna, "optuna", f"1 thread x {workers} processes", 1, SEEDS, 60, torch, second=True),
        Way(optuna, "optuna", f"1 thread x {workers} threads", 1, 1, 60, torch, quick=True),
        Way(optuna, "optuna", "default (n_jobs=1)", None, 1, 60, torch),
        Way(ray, "ray", f"{best}, reused", None, SEEDS, None, tune),
        Way(ray, "ray", f"default ({best})", None, 1, None, tune),
        Way(dask, "dask", best, 1, SEEDS, None, client),
        Way(dask, "dask", "default (LocalCluster)", None, 1, None, client),
        Way(floor, "sklearn", f"random, one split, {best}", 1, SEEDS),
    ]


def cases(options: Namespace) -> Sequence[Case]:
    """Return one case, over all seeds, per space, peer and setting."""
    made = []
    for space in (MAIN,) if options.quick else SPACES:
        for way in ways(cpus()):
            if (way.quick or not options.quick) and (way.second or space == MAIN):
                seeds = 1 if options.quick else min(way.seeds, SEEDS if space == MAIN else SECOND_SEEDS)
                task = {"data": options.data, "space": space, "workers": cpus()}
                task["candidates"] = QUICK_CANDIDATES if options.quick else CANDIDATES
                key = f"{space}; {way.name}; {way.setting}"
                made.append(Case(key, partial(_run, way, task, seeds), {"full digits": True} if options.data else {}))
    return made


def _run(way: Way, task: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Run a peer's searches, each paired with ash's search of the same seed; return a summary, or why it is missing."""
    whose = {"space": task["space"], "name": way.name, "setting": way.setting, "required": way.required}
    if (missing := way.missing()) is not None:
        return {**whose, "skipped": missing}
    pairs = []
    for seed in range(seeds):
        searches: dict[str, Callable[[], Any]] = {
            "ash": partial(in_child, "ash", {**task, "seed": seed, "setting": "default"}, None),
            "peer": partial(in_child, way.module, {**task, "seed": seed, "setting": way.setting}, way.threads),
        }
        pairs.append(one_round(searches, seed))
    return {**whose, **summary([pair["peer"] for pair in pairs], [pair["ash"] for pair in pairs])}


def check(options: Namespace) -> None:
    """End the bench unless ash learns from the peers' candidates, and two runs have the same result.

    bench/peers/task.py checks the predictions of a peer's final model in each search.
    """
    task = Task(options.data, MAIN, 0, QUICK_CANDIDATES, "default", cpus())
    tables = task.tables()
    first, second = (ash.tune(task, tables, task.candidates) for _ in range(2))
    accuracy = float((first.model.predict(tables.x_test) == tables.y_test).mean())
    if accuracy < 0.9:
        raise SystemExit(f"ash: a test accuracy of {accuracy:.4f}: nothing to time")
    if first.digest != second.digest:
        raise SystemExit("ash: two runs with the same arguments differ: nothing to time")
    if list(first.params) != task.configurations:
        raise SystemExit("ash: the candidates are not those of Space.sample: the peers would get others")


def arguments(parser: Parser) -> None:
    """Add this subject's own option."""
    parser.add_argument("--data", type=folder(*FILES), help="folder with the full optical digits (else scikit-learn's)")


BENCHES = (
    Bench(
        name="peers",
        title="Whole searches",
        measures=CORE,
        cases=cases,
        sections=sections,
        check=check,
        packages=("scikit-learn", "scipy", "joblib", "torch", "optuna", "ray", "dask-ml", "distributed"),
        readme=readme,
    ),
)

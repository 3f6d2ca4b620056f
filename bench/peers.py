"""Whole searches by `ash.tune` and by its peers: time, test accuracy, epochs and memory, each as its users run it.

The same rows, the same split (20 % of each class for validation, by seed), the same space and as many candidates: 128,
halved from 1 to 64 epochs. scikit-learn's halving, Optuna and Ray Tune get the very candidates of `ash`. Each peer runs
with one thread for each of as many workers as there are CPUs, and with its defaults. Each search has a process of its
own; runs of `ash` lie between those of the peers, so that a slower hour of the machine is everybody's.

What favours whom. The peers: standardized rows in single precision, made before the clock (ash gets raw numbers and
counts its scaling); scores at the ends of rungs only; modules loaded, joblib's workers, `ray.init`, Dask's client and
Optuna's further processes started before the clock; scikit-learn's early stopping. `ash`: a cosine cycle of the
learning rate in each job, where the peers' rates are constant as their defaults are; the processes of Ray's trials
start within the clock, as they do for users. Whoever prunes in place (Optuna, Ray) spends the epochs that order of
arrival makes it spend. RandomizedSearchCV is the floor: 14 candidates at full length, which are the epochs of the
ladder.

What can take minutes has one seed: the slower settings, and 5 folds. A second space, of small networks, shows those for
whom a ratio is required, with two seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from bench import peers_ash
from bench.machine import cpus
from bench.peers_common import Task, in_child
from bench.peers_space import SPACES
from bench.peers_summary import OURS, sections, summary
from bench.suite import Bench, Case, Options

__all__ = ["bench", "summary"]

CANDIDATES, SEEDS, ROUNDS = 128, 5, 3  # rounds: runs of ash for each seed
QUICK_CANDIDATES = 16
SECOND_SEEDS = 2  # of the second space
MAIN, SECOND = SPACES
PACKAGES = {"optuna": "optuna", "torch": "torch", "ray": "ray[tune]", "pyarrow": "ray[tune]", "dask_ml": "dask-ml"}


@dataclass(frozen=True)
class Way:
    """A peer in a setting."""

    name: str
    module: str  # bench/peers_MODULE.py
    setting: str
    threads: int | None  # of BLAS and PyTorch in a process; None: what they take by themselves
    seeds: int
    required: float | None = None  # times the time of ash
    needs: tuple[str, ...] = ()
    quick: bool = False
    second: bool = False  # shown for the second space too

    def missing(self) -> str | None:
        """Return what is to be said where a package is not there."""
        absent = [PACKAGES[module] for module in self.needs if find_spec(module) is None]
        return f"{absent[0]} is not installed: pip install '.[bench]'" if absent else None


def ways(workers: int) -> list[Way]:
    """Return the peers, each in its best setting first."""
    halving, optuna, ray = "scikit-learn halving", "Optuna halving, PyTorch", "Ray Tune ASHA, PyTorch"
    dask, floor = "Dask-ML Hyperband, MLPClassifier", "scikit-learn random search"
    best = f"1 thread x {workers} workers"
    torch, tune, client = ("optuna", "torch"), ("ray", "pyarrow", "torch"), ("dask_ml",)
    return [
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


def bench(options: Options) -> Bench:
    """Return the bench: a case is one search."""
    data = None if options.data is None else str(options.data)
    workers = cpus()
    cases = list(_cases(data, MAIN, workers, options.quick))
    if not options.quick:
        cases += _cases(data, SECOND, workers, False)
    packages = ("scikit-learn", "scipy", "joblib", "torch", "optuna", "ray", "dask-ml", "distributed")
    return Bench(cases, sections, lambda: _check(data), packages)


def _cases(data: str | None, space: str, workers: int, quick: bool) -> Iterator[Case]:
    """Yield the cases of a space, seed by seed, those of ash before, amid and after the others."""
    ours = Way(OURS, "ash", "default", None, SEEDS, quick=True, second=True)
    candidates = QUICK_CANDIDATES if quick else CANDIDATES
    shown = [way for way in ways(workers) if (way.quick or not quick) and (way.second or space != SECOND)]
    for seed in range(1 if quick else SECOND_SEEDS if space == SECOND else SEEDS):
        task = {"data": data, "space": space, "seed": seed, "candidates": candidates, "workers": workers}
        now = [way for way in shown if seed < way.seeds]
        middle = len(now) // 2
        for number, part in enumerate((now[:middle], now[middle:], [])):
            yield _case(ours, task, f", round {number}")
            yield from (_case(way, task) for way in part)


def _case(way: Way, task: dict[str, Any], suffix: str = "") -> Case:
    name = way.name if way.name == OURS else f"{way.name}, {way.setting}"
    space = "" if task["space"] == MAIN else f", {task['space']}"
    return Case(f"{name}{space}, seed {task['seed']}{suffix}", partial(_run, way, task))


def _run(way: Way, task: dict[str, Any]) -> dict[str, Any]:
    """Return one search with whose it was, or why there is none."""
    whose = {"space": task["space"], "name": way.name, "setting": way.setting, "required": way.required}
    missing = way.missing()
    found = {"skipped": missing} if missing else in_child(way.module, {**task, "setting": way.setting}, way.threads)
    return {**whose, "seed": task["seed"], **found}


def _check(data: str | None) -> None:
    """End the script unless ash learns, twice the same, from the candidates that the others get.

    What a peer's final model predicts is looked at in each of its runs: bench/peers_common.py.
    """
    task = Task(data, MAIN, 0, QUICK_CANDIDATES, "default", cpus())
    tables = task.tables()
    run: Callable[[], Any] = partial(peers_ash.tune, task, tables, task.candidates)
    first, second = run(), run()
    accuracy = float((first.model.predict(tables.x_test) == tables.y_test).mean())
    if accuracy < 0.9:
        raise SystemExit(f"ash: a test accuracy of {accuracy:.4f}: nothing to time")
    if first.digest != second.digest:
        raise SystemExit("ash: two runs with the same arguments differ: nothing to time")
    if list(first.params) != task.configurations:
        raise SystemExit("ash: the candidates are not those of Space.sample: the peers would get others")

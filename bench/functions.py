"""How many jobs a second a tuner gets through where the function itself takes no time, beside Optuna.

    ash        20,000 candidates through `tune_function`, in the calling thread, without and with a journal, in two
               threads, and in two processes
    Optuna     trials that report a score for each rung, pruned by successive halving (in memory, random sampler)

A job is one candidate in one rung: of Optuna a report and the question whether to prune. Required: 20,000 jobs a second
in the calling thread. What favours whom: Optuna's trials read their parameters one by one, and keep more of each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ash
from bench.figures import interleaved, shown, spread, timed, verdict
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

CANDIDATES, QUICK_CANDIDATES = 20_000, 200
PROCESS_CANDIDATES, TRIALS = 2_000, 2_000
RUNGS = 5
ROUNDS, QUICK_ROUNDS = 5, 2
LEAST_RATE = 20_000.0
SPACE = ash.FunctionSpace(x=ash.uniform(0, 1, levels=20_001), depth=[1, 2, 3])


def train(params: dict[str, Any], epochs: int, state: int | None) -> tuple[float, int]:
    """Return a score that costs nothing, and count the epochs."""
    done = epochs + (state or 0)
    return params["x"] - params["depth"] / done, done


def of_ash(candidates: int, **places: Any) -> int:
    """Run it, and return how many jobs there were."""
    settings = {"max_rungs": RUNGS, "promotion": "paper", "progress": False, "seed": 0}
    return len(ash.tune_function(train, SPACE, candidates=candidates, **settings, **places).columns["rung"])


def with_journal(candidates: int) -> int:
    """Run it with a journal, and return how many jobs there were."""
    with tempfile.TemporaryDirectory() as folder:
        return of_ash(candidates, threads=1, journal=Path(folder) / "run.ash")


def of_optuna(trials: int) -> int:
    """Run as many trials, and return how many scores were reported."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    reports = 0

    def objective(trial: Any) -> float:
        nonlocal reports
        params = {"x": trial.suggest_float("x", 0, 1), "depth": trial.suggest_int("depth", 1, 3)}
        done: int | None = None
        for rung in range(RUNGS):
            score, done = train(params, 2**rung, done)
            trial.report(score, done)
            reports += 1
            if trial.should_prune():
                raise optuna.TrialPruned
        return score

    sampler = optuna.samplers.RandomSampler(seed=0)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner).optimize(objective, n_trials=trials)
    return reports


def measure(run: Callable[[], int], rounds: int) -> dict[str, Any]:
    """Return jobs and jobs a second, over the rounds."""
    found = interleaved({"run": lambda: timed(run)}, rounds)["run"]
    return {"jobs": found[0][1], "rate": spread([jobs / seconds for seconds, jobs in found])}


def _measure_optuna(trials: int, rounds: int) -> dict[str, Any]:
    try:
        import optuna  # noqa: F401
    except ImportError:
        return {"skipped": "optuna is not installed"}
    return measure(lambda: of_optuna(trials), rounds)


def check() -> None:
    """End unless the reproducible schedule decides alike in one thread and in two."""

    def digest(threads: int) -> str:
        costs = {"costs": lambda params, epochs: epochs * params["depth"], "progress": False}
        return ash.tune_function(train, SPACE, candidates=500, threads=threads, **costs).digest

    if digest(1) != digest(2):
        raise SystemExit("tune_function: two threads decide otherwise than one: nothing to measure")


def bench(options: Options) -> Bench:
    """Make a case of each place where jobs are done, and of Optuna."""
    many, rounds = (QUICK_CANDIDATES, QUICK_ROUNDS) if options.quick else (CANDIDATES, ROUNDS)
    few, trials = (QUICK_CANDIDATES, QUICK_CANDIDATES) if options.quick else (PROCESS_CANDIDATES, TRIALS)
    runs: dict[str, Callable[[], Any]] = {
        "ash, the calling thread": lambda: measure(lambda: of_ash(many, threads=1), rounds),
        "ash, the calling thread, with a journal": lambda: measure(lambda: with_journal(many), rounds),
        "ash, two threads": lambda: measure(lambda: of_ash(many, threads=2), rounds),
        "ash, two processes": lambda: measure(lambda: of_ash(few, threads=2, executor="processes"), rounds),
        "Optuna": lambda: _measure_optuna(trials, rounds),
    }
    return Bench([Case(name, run) for name, run in runs.items()], sections, check, ("optuna",))


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return the table."""
    rows = []
    for name, value in results.items():
        if "skipped" in value:
            rows.append([name, value["skipped"], "", ""])
            continue
        required = LEAST_RATE if name == "ash, the calling thread" else None
        rate = verdict(value["rate"]["median"], ">=", required)
        rows.append([name, str(value["jobs"]), shown(value["rate"], ",.0f"), rate])
    note = "Minimum, median and maximum of five runs; starting processes and making the candidates are in them."
    return [
        Table("Jobs a second of a function that takes no time", ["", "jobs", "jobs a second", "required"], rows, note)
    ]

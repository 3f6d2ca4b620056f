"""Measures SH and ASH by number of threads, the schedules, and one epoch of the student project's network.

A round runs each number of threads in a fresh process; every other round starts with the most threads. Ratios are
taken within a round. The bench ends unless an algorithm's outcomes are bit-identical on all numbers of threads.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from bench.core import core_data, core_settings, oracle
from bench.figures import one_round, ratios, spread, timed
from bench.processes import call
from bench.tables.settings import SETTINGS, read, tune

WARM_UP = 16  # candidates of the untimed first run
VARIANTS = {
    "sh": {"algorithm": "sh", "teams": False},
    "ash": {"algorithm": "ash", "teams": False},
    "teams": {"algorithm": "ash", "teams": True},
}
LINES = (  # recorded simulations: name, simulated run, and key in `simulated` of that run
    ("ash", "ash 1", "apart"),
    ("teams", "ash 1", "teams"),
    ("bound", "ash 1", "bound"),
    ("sh", "sh 1", "apart"),
)
SEEDS, SCHEDULE_MODELS = 5, 128
EPOCHS_CHECKED = 3
LEAST_ACCURACY = 0.85


def check(folder: str | None) -> None:
    """End the bench unless networks in both settings learn."""
    table = read(folder)
    for setting in SETTINGS:
        result = tune(setting, 64, folder, n_jobs=1)
        accuracy = float((result.model.predict(table.x_test) == table.y_test).mean())
        if accuracy < LEAST_ACCURACY:
            raise SystemExit(f"{setting}: the best of 64 networks has a test accuracy of {accuracy:.3f} only")


def measure(
    setting: str, models: int, folder: str | None, rounds: int, threads: Sequence[int], more: Sequence[int]
) -> dict[str, Any]:
    """Return the spreads of wall times and speed-ups, job times by rung, and simulated seconds on more threads."""
    found: list[dict[str, Any]] = []
    for number in range(rounds):
        one: dict[str, Any] = {}
        for count in threads[:: -1 if number % 2 else 1]:
            given = {"setting": setting, "models": models, "folder": folder, "more": [*more]}
            own = call("bench.tables.measure", "run_all", given, {"OMP_NUM_THREADS": str(count)})
            one |= {f"{variant} {count}": run for variant, run in own.items()}
        check_digests(f"{setting}, {models} models", one)
        found.append(one)
    alone = [one["ash 1"] for one in found]
    walls = {name: [one[name]["wall"] for one in found] for name in found[0]}
    simulated = {name: _medians([one[of]["simulated"][line] for one in found]) for name, of, line in LINES}
    return {
        "rounds": rounds,
        "epochs": alone[0]["epochs"],
        "jobs": alone[0]["jobs"],
        "test": alone[0]["test"],
        "runs": {name: _run(walls, [one[name] for one in found], alone, name) for name in walls},
        "simulated": simulated,
    }


def check_digests(what: str, runs: Mapping[str, Any]) -> None:
    """End the bench unless all runs of an algorithm have the same outcome."""
    for algorithm in ("sh", "ash"):
        names = [name for name in runs if VARIANTS[name.split()[0]]["algorithm"] == algorithm]
        if len({runs[name]["digest"] for name in names}) > 1:
            raise SystemExit(f"{what}, {algorithm}: the outcome depends on threads or teams")


def _run(walls: Mapping[str, list[float]], own: Sequence[Any], alone: Sequence[Any], name: str) -> dict[str, Any]:
    jobs = [[run["job_ms"] for run in runs] for runs in (own, alone)]
    return {
        "wall": spread(walls[name]),
        "over_sh": ratios(walls["sh 1"], walls[name]),
        "over_ash": ratios(walls["ash 1"], walls[name]),
        "job_ms": [statistics.median(rung) for rung in zip(*jobs[0], strict=True)],
        "job_ratio": [
            ratios(*rung)["median"] for rung in zip(*(zip(*each, strict=True) for each in jobs), strict=True)
        ],
    }


def _medians(lines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {threads: statistics.median(line[threads] for line in lines) for threads in lines[0]}


def run_all(setting: str, models: int, folder: str | None, more: list[int]) -> dict[str, Any]:
    """Run SH and ASH in this process, on OMP_NUM_THREADS threads."""
    tune(setting, WARM_UP, folder)
    found = {}
    for variant, options in VARIANTS.items():
        result = tune(setting, models, folder, **options)
        if variant != "teams" or result.threads > 1:
            found[variant] = _kept(result, folder, more)
    return found


def _kept(result: ash.Result, folder: str | None, more: list[int]) -> dict[str, Any]:
    """Return the recorded values of a run; a run on one thread includes its simulation on more threads."""
    table, columns = read(folder), result.columns
    rungs = [columns["rung"] == rung for rung in range(len(result.rungs))]
    milliseconds = 1e3 * (columns["end"] - columns["start"])
    kept = {
        "wall": result.wall_seconds,
        "digest": result.digest,
        "job_ms": [float(milliseconds[own].mean()) for own in rungs],
    }
    if result.threads > 1:
        return kept
    apart, teams = (result.simulate(threads=more, teams=shared).rows if more else [] for shared in (False, True))
    lines = {"apart": (apart, "makespan"), "teams": (teams, "makespan"), "bound": (apart, "bound")}
    return kept | {
        "epochs": [int(columns["epochs"][own][0]) for own in rungs],
        "jobs": [int(own.sum()) for own in rungs],
        "test": float((result.model.predict(table.x_test) == table.y_test).mean()),
        "simulated": {
            name: {str(row["threads"]): row[column] for row in rows} for name, (rows, column) in lines.items()
        },
    }


def schedules(folder: str | None, threads: int, seeds: int, rounds: int) -> Any:
    """Compare the reproducible schedule with the greedy one, in a fresh process with this many threads."""
    given = {"folder": folder, "seeds": seeds, "rounds": rounds}
    return call("bench.tables.measure", "run_schedules", given, {"OMP_NUM_THREADS": str(threads)})


def run_schedules(folder: str | None, seeds: int, rounds: int) -> dict[str, Any]:
    """Return the ratio of the schedules' wall times, and the share of the threads' time that each spends in jobs."""
    names = ("reproducible", "greedy")
    found = [
        one_round(
            {
                name: lambda name=name, seed=seed: tune(
                    "mini-batch", SCHEDULE_MODELS, folder, random_state=seed, schedule=name
                )
                for name in names
            },
            number,
        )
        for number in range(rounds)
        for seed in range(seeds)
    ]
    return {
        "threads": found[0]["greedy"].threads,
        "seeds": seeds,
        "wall": ratios(*([one[name].wall_seconds for one in found] for name in names)),
        "used": {name: spread([one[name].utilization for one in found]) for name in names},
    }


def network_epoch(folder: str | None, repeats: int) -> dict[str, Any]:
    """Check the losses of a full-batch 64-64-10 network against the oracle's, and return the seconds per epoch."""
    table = read(folder)
    x = (table.x / 16).astype(np.float32).astype(np.float64)  # the features are counts from 0 to 16
    data = core_data(x, table.y, 10, standardize=False)
    settings = core_settings(
        hidden=[64], activations=["relu"], optimizer="sgd", learning_rate=0.1, batch_size=0, initialization="auto"
    )
    difference = _difference(data, settings, x, table.y)
    few, many = 10, 210
    seconds = []
    for _ in range(repeats):
        start, _ = timed(lambda: _core.train(data, settings, few))
        end, _ = timed(lambda: _core.train(data, settings, many))
        seconds.append((end - start) / (many - few))  # the difference excludes the start-up of a call
    return {"rows": len(table.x), "seconds": spread(seconds), "difference": difference}


def _difference(data: _core.Data, settings: _core.Settings, x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the largest relative difference from the oracle's losses; end the bench if it exceeds 1e-4."""
    reference = oracle()
    initial, _ = _core.train(data, settings, 0)
    chosen = reference.Hyperparameters((64,), ("relu",), "sgd", settings.learning_rate)
    weights, biases = ([part.astype(np.float64) for part in parts] for parts in (initial.weights, initial.biases))
    network = reference.Network(weights, biases, chosen, 10)
    expected = reference.Trainer(network, chosen).job(x, y[:, None].astype(float), EPOCHS_CHECKED)
    _, losses = _core.train(data, settings, EPOCHS_CHECKED)
    worst = float(np.abs(losses / np.array(expected) - 1).max())
    if not worst <= 1e-4:
        raise SystemExit(f"losses differ from the double-precision ones by {worst:.2g}: nothing to time")
    return worst

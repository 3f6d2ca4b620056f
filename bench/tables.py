"""The seed's tables: SH on one thread against ASH on many, what a job takes, core hours; in its setting and in ours.

    seed       networks like 64-64-10, full batch, plain gradient descent, each rung trained from scratch
    default    plain networks (plain_space.py); each rung goes on from where the last one ended

For every number of models, every number of threads in OMP_NUM_THREADS (1, 2, 4, ... all CPUs where it is not set) runs
in a fresh process: SH and ASH, and on several threads with and without teams. The outcomes of an algorithm must be
equal bit for bit on all of them, or the bench ends. Rounds repeat this; speed-ups are ratios within a round.

More threads than the machine has cores are not measured but simulated, from what the jobs of the run on one thread took
(`Result.simulate`: the tuner's own ladder and clock). Such figures have a * and their lines are dashed. Simulated teams
are as good as the one that bench/teams.py has measured, and no larger than a step of the candidate is worth.
Published figures are those of the student project (bench/published.py), on another machine: ratios compare, seconds do
not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ash
from bench import child
from bench.datasets import Digits, digits
from bench.machine import cpus
from bench.sections import Section
from bench.seed_network import measure_network, network_table
from bench.suite import Bench, Case, Options
from bench.sweep import SETTINGS, options, settings
from bench.tables_data import DATA, NETWORK, from_rounds
from bench.tables_sections import sections_of

ROUNDS = {128: 5, 256: 5, 512: 5}  # further numbers of models: 3
MORE_THREADS = (4, 8, 16, 32)  # simulated at least, where the machine has not so many
FEW = 16  # candidates that warm a process up


def bench(options: Options) -> Bench:
    """Return the bench: a case for each setting, number of models and round."""
    folder = None if options.data is None else str(options.data)
    measured, simulated = thread_counts(options.threads, cpus())
    cases = [
        Case(f"{setting}, {models}, round {number}", _round(setting, models, measured, simulated, folder))
        for models in options.models
        for setting in SETTINGS
        for number in range(1 if options.quick else ROUNDS.get(models, 3))
    ]
    return Bench(
        cases=[
            Case(DATA, lambda: _digits(folder).name),
            Case(NETWORK, lambda: measure_network(_digits(folder), options.quick)),
            *cases,
        ],
        sections=sections,
        check=lambda: check(folder),
        packages=("scikit-learn",),
    )


def thread_counts(asked: Sequence[int], cores: int) -> tuple[list[int], list[int]]:
    """Return the numbers of threads to measure, and those to simulate, which the machine may not have."""
    measured = sorted({1, *(threads for threads in asked if threads <= cores)})
    return measured, sorted({*measured, *asked, *MORE_THREADS})


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return the seed's network, then its tables and figures."""
    return [network_table(results[NETWORK]), *sections_of(from_rounds(results), "tables")]


def check(folder: str | None) -> None:
    """End the bench unless networks of both settings learn."""
    table = _digits(folder)
    for setting in SETTINGS:
        result = _tune(setting, 64, "ash", True, folder, threads=1)
        accuracy = float((result.model.predict(table.x_test) == table.y_test).mean())
        if accuracy < 0.85:
            raise SystemExit(
                f"{setting}: the best of 64 networks gets {accuracy:.3f} of the test rows right: no use timing"
            )


@cache
def _digits(folder: str | None) -> Digits:
    return digits(None if folder is None else Path(folder))


def _round(setting: str, models: int, threads: list[int], more: list[int], folder: str | None) -> Callable[[], Any]:
    def run() -> dict[str, Any]:
        found = {}
        for count in threads:
            given = {"setting": setting, "models": models, "folder": folder, "more": more}
            found[str(count)] = child.call("bench.tables", "measure", given, {"OMP_NUM_THREADS": str(count)})
        for algorithm in ("sh", "ash"):
            digests = {
                variant["digest"]
                for own in found.values()
                for name, variant in own.items()
                if name.startswith(f"{algorithm},")
            }
            if len(digests) > 1:
                raise SystemExit(f"{setting}, {models} models, {algorithm}: the outcome depends on threads or teams")
        return found

    return run


def measure(setting: str, models: int, folder: str | None, more: list[int]) -> dict[str, Any]:
    """Run SH and ASH in this process, which has its number of threads from OMP_NUM_THREADS."""
    _tune(setting, FEW, "ash", True, folder)
    found = {}
    for algorithm in ("sh", "ash"):
        for teams in (False, True):
            result = _tune(setting, models, algorithm, teams, folder)
            if teams and result.threads == 1:
                continue
            found[f"{algorithm}, {'teams' if teams else 'no teams'}"] = _kept(result, folder, more)
    return found


def _kept(result: ash.Result, folder: str | None, more: list[int]) -> dict[str, Any]:
    """Return what the tables need of a run, and on one thread its simulation on more."""
    table, columns = _digits(folder), result.columns
    rungs = range(len(result.rungs))
    seconds = columns["end"] - columns["start"]
    return {
        "wall": result.wall_seconds,
        "core_seconds": result.core_seconds,
        "epochs": result.epochs,
        "jobs": len(result.jobs),
        "digest": result.digest,
        "rung_seconds": {str(k): float(seconds[columns["rung"] == k].mean()) for k in rungs},
        "rung_epochs": {str(k): int(columns["epochs"][columns["rung"] == k][0]) for k in rungs},
        "rung_jobs": {str(k): int((columns["rung"] == k).sum()) for k in rungs},
        "states_peak_bytes": result.memory["peak_bytes"],
        "process_peak_bytes": child.peak_bytes(),
        "test": float((result.model.predict(table.x_test) == table.y_test).mean()),
        "simulated": _simulated(result, more) if result.threads == 1 else None,
    }


def _simulated(result: ash.Result, threads: list[int]) -> dict[str, dict[str, float]]:
    """Return seconds by threads of the lines that are not measured."""
    alone = result.simulate(threads=threads, teams=False).rows
    shared = result.simulate(threads=threads, teams=True).rows
    lines = {"no teams": ("makespan", alone), "teams": ("makespan", shared)}
    lines |= {"W/p": ("work_per_thread", alone), "max(W/p, D)": ("bound", alone)}
    return {name: {str(row["threads"]): row[column] for row in rows} for name, (column, rows) in lines.items()}


def _tune(setting: str, models: int, algorithm: str, teams: bool, folder: str | None, **more: Any) -> ash.Result:
    table = _digits(folder)
    return ash.tune(
        *(table.x, table.y, settings(setting)),
        candidates=models,
        algorithm=algorithm,
        teams=teams,
        progress=False,
        **options(setting),
        **more,
    )

"""Runs of the sweep as its tables read them, from rounds of fresh processes or from the C++ program."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.figures import ratios

DATA = "data"  # the key under which the table's name stands
NETWORK = "64-64-10"  # the key of the seed's network alone
BARRIERS = "SH with barriers"


@dataclass(frozen=True)
class Variant:
    """How a run was made."""

    algorithm: str
    teams: bool
    threads: int


@dataclass
class Runs:
    """All runs of one setting and number of models; lists have an entry a round."""

    walls: dict[Variant, list[float]] = field(default_factory=dict)  # seconds
    core_seconds: dict[Variant, list[float]] = field(default_factory=dict)
    jobs: dict[Variant, list[dict[int, float]]] = field(default_factory=dict)  # mean seconds of a job, by rung
    rung_epochs: dict[int, int] = field(default_factory=dict)
    rung_jobs: dict[int, int] = field(default_factory=dict)
    lines: dict[str, dict[int, list[float]]] = field(default_factory=dict)  # simulated seconds by threads
    test: float | None = None

    def add(self, variant: Variant, wall: float, core_seconds: float, jobs: Mapping[str, float]) -> None:
        """Take a round."""
        self.walls.setdefault(variant, []).append(wall)
        self.core_seconds.setdefault(variant, []).append(core_seconds)
        self.jobs.setdefault(variant, []).append({int(rung): seconds for rung, seconds in jobs.items()})

    def wall(self, variant: Variant) -> float:
        """Return the median seconds."""
        return statistics.median(self.walls[variant])

    def speedup(self, variant: Variant, base: Variant) -> dict[str, float]:
        """Return how much faster it is than another: the spread of ratios within rounds."""
        return ratios(self.walls[base], self.walls[variant])

    def simulated(self, line: str, threads: int) -> float | None:
        """Return the median seconds of a simulated line; None where it was not simulated."""
        seconds = self.lines.get(line, {}).get(threads)
        return statistics.median(seconds) if seconds else None

    def threads(self) -> list[int]:
        """Return the numbers of threads that were measured."""
        return sorted({variant.threads for variant in self.walls})


@dataclass(frozen=True)
class Sweep:
    """The whole of it: runs by (setting, models), in the order measured."""

    data: str
    runs: Mapping[tuple[str, int], Runs]


def from_rounds(results: Mapping[str, Any]) -> Sweep:
    """Read the JSON of bench/tables.py."""
    runs: dict[tuple[str, int], Runs] = {}
    for key, found in results.items():
        if key in (DATA, NETWORK):
            continue
        setting, models, _ = key.split(", ")
        own = runs.setdefault((setting, int(models)), Runs())
        for threads, variants in found.items():
            for name, run in variants.items():
                algorithm, teams = name.split(", ")
                own.add(
                    Variant(algorithm, teams == "teams", int(threads)),
                    *(run["wall"], run["core_seconds"], run["rung_seconds"]),
                )
                if name == "ash, no teams":
                    own.test = run["test"]
                    own.rung_epochs = {int(k): epochs for k, epochs in run["rung_epochs"].items()}
                    own.rung_jobs = {int(k): jobs for k, jobs in run["rung_jobs"].items()}
                _keep_simulated(own, name, run["simulated"])
    return Sweep(results[DATA], runs)


def _keep_simulated(own: Runs, name: str, lines: Mapping[str, Mapping[str, float]] | None) -> None:
    """Keep ASH's lines by their names, and SH's without teams as that with barriers."""
    for line, seconds in (lines or {}).items():
        if not name.startswith("ash") and line != "no teams":
            continue
        kept = own.lines.setdefault(line if name.startswith("ash") else BARRIERS, {})
        for threads, value in seconds.items():
            kept.setdefault(int(threads), []).append(value)


def from_program(results: Mapping[str, Any], data: str) -> Sweep:
    """Read the JSON of `ash_bench`: a key a variant, a list entry a round; nothing is simulated."""
    runs: dict[tuple[str, int], Runs] = {}
    for key, found in results.items():
        setting, models, algorithm, teams, threads = key.split(", ")
        own = runs.setdefault((setting, int(models)), Runs())
        variant = Variant(algorithm, teams == "teams", int(threads))
        own.rung_epochs = {int(rung): epochs for rung, epochs in found["rung_epochs"].items()}
        own.rung_jobs = {int(rung): jobs for rung, jobs in found["rung_jobs"].items()}
        for wall, core_seconds, jobs in zip(found["wall"], found["core_seconds"], found["rung_seconds"], strict=True):
            own.add(variant, wall, core_seconds, jobs)
    return Sweep(data, runs)

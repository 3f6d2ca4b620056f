"""The reproducible schedule against the greedy one, and measured runs against simulated ones, on the optical digits.

128 candidates of the plain space. Runs of both schedules, on 1 thread and on 2 with teams and without, take turns
within a round, each other round backwards; ratios are those of a round. The two schedules promote other candidates, and
so train other networks, larger or smaller. Therefore three figures:

    wall             seconds of the whole run, reproducible by greedy: what a user waits. Required on 2 threads.
    wall a work      seconds a multiply-add of the jobs that were trained, reproducible by greedy: what the schedule
                     costs when chance is taken out, as far as networks of all sizes train at one speed
    utilization      the share of the threads' time that went into jobs, of each: what the schedule leaves idle

Then each run is simulated on its own recorded jobs, for 1 and 2 threads, and compared with what was measured there.
Last, one run is simulated on its recorded jobs for up to 64 threads: strong scaling beyond the cores of this machine.

The wall time favours whichever schedule happens to promote smaller networks; with 128 candidates that is chance, which
a few seeds do not take out. Greedy on several threads decides otherwise from run to run, reproducible never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import ash
from ash.simulate import TEAM_EFFICIENCY
from ash.splits import split_rows
from bench.core import prediction_cost, training_cost
from bench.datasets import Digits, digits
from bench.figures import one_round
from bench.plain_space import plain_space
from bench.schedule_places import ALONE, PLACES, Place
from bench.schedule_sections import IDEAL, SCHEDULES, sections, summary
from bench.suite import Bench, Case, Options

__all__ = ["bench", "sections", "summary"]

CANDIDATES, VALIDATION = 128, 0.2
SEEDS, ROUNDS = 5, 3
MANY = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Runs:
    """The runs on one table."""

    table: Digits

    def tune(self, schedule: str, place: Place, seed: int) -> ash.Result:
        """Run it."""
        return ash.tune(
            self.table.x,
            self.table.y,
            plain_space(),
            candidates=CANDIDATES,
            validation=VALIDATION,
            schedule=schedule,
            seed=seed,
            progress=False,
            **place.arguments,
        )

    def costs(self, result: ash.Result) -> np.ndarray:
        """Return the multiply-adds of each job, as cpp/ash/cost.hpp counts them."""
        x, y = self.table.x, self.table.y
        training, validation = split_rows(y.astype(np.float64), len(x), VALIDATION, result.seed)
        sizes = [(x.shape[1], *params["hidden"], len(np.unique(y))) for params in result.params]
        return np.array(
            [
                job.epochs * len(training) * training_cost(sizes[job.candidate])
                + len(validation) * prediction_cost(sizes[job.candidate])
                for job in result.jobs
            ]
        )

    def measure(self, schedule: str, place: Place, seed: int) -> dict[str, Any]:
        """Run it, and simulate it on its own jobs for 1 and 2 threads."""
        result = self.tune(schedule, place, seed)
        simulated = result.simulate(threads=[1, 2]).rows
        return {
            "wall": result.wall_seconds,
            "work": float(self.costs(result).sum()),
            "utilization": result.utilization,
            "digest": result.digest,
            "test": float((result.model.predict(self.table.x_test) == self.table.y_test).mean()),
            "makespans": {str(row["threads"]): row["makespan"] for row in simulated},
        }

    def round(self, seed: int, number: int) -> dict[str, Any]:
        """Run all variants in turn; reproducible digests that differ end the bench."""
        functions: dict[str, Callable[[], Any]] = {
            f"{schedule}, {place.name}": partial(self.measure, schedule, place, seed)
            for place in PLACES
            for schedule in SCHEDULES
        }
        found = one_round(functions, number)
        if len({found[f"reproducible, {place.name}"]["digest"] for place in PLACES}) > 1:
            raise SystemExit(f"seed {seed}: the digest depends on threads or teams: nothing to compare")
        return {"data": self.table.name, "rows": len(self.table.x), "seed": seed, "round": number, "runs": found}

    def scaling(self) -> dict[str, Any]:
        """Simulate the run of seed 0 on one thread for many threads, without teams and with."""
        result = self.tune("reproducible", ALONE, 0)
        lines = {"SH with barriers, no teams": result.simulate(threads=MANY, algorithm="sh", teams=False)}
        for schedule in SCHEDULES:
            own = partial(result.simulate, threads=MANY, schedule=schedule)
            lines[f"{schedule}, no teams"] = own(teams=False)
            lines[f"{schedule}, teams of {TEAM_EFFICIENCY}"] = own(teams=True, team_efficiency=TEAM_EFFICIENCY)
            lines[f"{schedule}, {IDEAL}"] = own(teams=True, team_efficiency=1.0)
        alone = lines["reproducible, no teams"]
        return {"W": alone.W, "D": alone.D, "lines": {name: simulation.rows for name, simulation in lines.items()}}

    def check(self) -> None:
        """End unless digests are equal on 1 and 2 threads, and work is counted as the core counts it."""
        results = [self.tune("reproducible", place, 0) for place in PLACES]
        if len({result.digest for result in results}) > 1:
            raise SystemExit("the digest depends on threads or teams: nothing to time")
        virtual = results[0].columns["virtual_end"] - results[0].columns["virtual_start"]
        if not np.allclose(virtual, self.costs(results[0]), rtol=1e-9):
            raise SystemExit("multiply-adds differ from those of the virtual clock: nothing to compare")


def bench(options: Options) -> Bench:
    """Make a case of each round of each seed, and one of what is simulated for many threads."""
    runs = Runs(digits(options.data))
    seeds, rounds = (1, 1) if options.quick else (SEEDS, ROUNDS)
    cases = [
        Case(f"seed {seed}, round {number}", partial(runs.round, seed, number))
        for number in range(rounds)
        for seed in range(seeds)
    ]
    return Bench([*cases, Case("scaling", runs.scaling)], sections, runs.check)

"""The reproducible schedule against the greedy one, and measured runs against simulated ones, on the optical digits.

128 candidates of the default space. Runs of both schedules take turns, seed by seed; ratios are those of neighbours.
The two promote other candidates, and so train other networks, larger or smaller. Therefore three figures:

    wall             seconds of the whole run, reproducible by greedy: what a user waits. Required on 2 threads.
    wall a work      seconds a multiply-add of the jobs that were trained, reproducible by greedy: what the schedule
                     costs when chance is taken out, as far as networks of all sizes train at one speed
    utilization      the share of the threads' time that went into jobs, of each: what the schedule leaves idle

Then each run is simulated on its own recorded jobs, for 1 and 2 threads, and compared with what was measured there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    arguments,
    digits,
    interleaved,
    machine,
    prediction_cost,
    print_table,
    ratios,
    save,
    show,
    shown,
    spread,
    training_cost,
    verdict,
)

import ash
from ash.splits import split_rows

CANDIDATES, VALIDATION = 128, 0.2
REQUIRED_RATIO, REQUIRED_ERROR = 1.03, 0.05
MANY = (1, 2, 4, 8, 16, 32, 64)
EFFICIENCY = 0.85  # of a team's further threads, beside the ideal 1


@dataclass(frozen=True)
class Variant:
    """How a run is scheduled."""

    schedule: str
    threads: int
    teams: bool

    @property
    def place(self) -> str:
        """Threads and teams, as tables write them."""
        if self.threads == 1:
            return "1 thread"
        return f"{self.threads} threads, {'teams' if self.teams else 'no teams'}"


PLACES = [(1, False), (2, False), (2, True)]
VARIANTS = [Variant(schedule, *place) for place in PLACES for schedule in ("reproducible", "greedy")]


@dataclass(frozen=True)
class Run:
    """What is kept of a run."""

    wall: float
    work: float  # multiply-adds of its jobs
    utilization: float
    digest: str
    test: float
    makespans: dict[int, float]  # simulated, by threads


class Digits:
    """The table, and the runs on it."""

    def __init__(self, x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> None:
        self.x, self.y, self.x_test, self.y_test = x, y, x_test, y_test

    def tune(self, variant: Variant, seed: int) -> ash.Result:
        """Run it."""
        return ash.tune(
            self.x,
            self.y,
            candidates=CANDIDATES,
            validation=VALIDATION,
            schedule=variant.schedule,
            threads=variant.threads,
            teams=variant.teams,
            seed=seed,
            progress=False,
        )

    def costs(self, result: ash.Result) -> np.ndarray:
        """Return the multiply-adds of each job, as cpp/ash/cost.hpp counts them."""
        training, validation = split_rows(self.y, len(self.x), VALIDATION, result.seed)
        classes = len(np.unique(self.y))
        sizes = [(self.x.shape[1], *params["hidden"], classes) for params in result.params]
        return np.array(
            [
                job.epochs * len(training) * training_cost(sizes[job.candidate])
                + len(validation) * prediction_cost(sizes[job.candidate])
                for job in result.jobs
            ]
        )

    def run(self, variant: Variant, seed: int) -> Run:
        """Run it, and simulate it on its own jobs for 1 and 2 threads."""
        result = self.tune(variant, seed)
        simulated = result.simulate(threads=[1, 2]).rows
        return Run(
            wall=result.wall_seconds,
            work=float(self.costs(result).sum()),
            utilization=result.utilization,
            digest=result.digest,
            test=float((result.model.predict(self.x_test) == self.y_test).mean()),
            makespans={row["threads"]: row["makespan"] for row in simulated},
        )

    def check(self) -> None:
        """End the script unless digests are equal on 1 and 2 threads, and work is counted as the core counts it."""
        results = [self.tune(Variant("reproducible", *place), 0) for place in PLACES]
        if len({result.digest for result in results}) > 1:
            raise SystemExit("the digest depends on threads or teams: nothing to time")
        virtual = results[0].columns["virtual_end"] - results[0].columns["virtual_start"]
        if not np.allclose(virtual, self.costs(results[0]), rtol=1e-9):
            raise SystemExit("multiply-adds differ from those of the virtual clock: nothing to compare")


Runs = dict[Variant, list[list[Run]]]  # [seed][round]


def measure(table: Digits, seeds: int, rounds: int) -> Runs:
    """Run all variants in turn; digests that differ within a seed end the script."""
    runs: Runs = {variant: [] for variant in VARIANTS}
    for seed in range(seeds):
        functions: dict[Any, Callable[[], Run]] = {
            variant: lambda variant=variant, seed=seed: table.run(variant, seed) for variant in VARIANTS
        }
        found: dict[Any, list[Run]] = interleaved(functions, rounds)
        for variant in VARIANTS:
            runs[variant].append(found[variant])
        digests = {run.digest for v in VARIANTS if v.schedule == "reproducible" for run in runs[v][-1]}
        if len(digests) > 1:
            raise SystemExit(f"seed {seed}: the digest depends on threads or teams: nothing to compare")
        print(f"seed {seed}: {rounds} rounds measured, one digest", flush=True)
    return runs


def flat(runs: Sequence[Sequence[Run]]) -> list[Run]:
    """Return the runs of all seeds in one list."""
    return [run for own in runs for run in own]


def compare_schedules(runs: Runs) -> list[dict[str, Any]]:
    """Reproducible by greedy, for each place, over all seeds and for each."""
    results, rows = [], []
    for threads, teams in PLACES:
        ours, theirs = (runs[Variant(schedule, threads, teams)] for schedule in ("reproducible", "greedy"))
        place = Variant("", threads, teams).place
        seeds = [("all seeds", flat(ours), flat(theirs))]
        seeds += [(f"seed {seed}", *pair) for seed, pair in enumerate(zip(ours, theirs, strict=True))]
        for name, mine, other in seeds:
            result: dict[str, Any] = {
                "place": place,
                "seeds": name,
                "wall": {"reproducible": spread([r.wall for r in mine]), "greedy": spread([r.wall for r in other])},
                "wall_ratio": ratios([r.wall for r in mine], [r.wall for r in other]),
                "work_ratio": ratios([r.work for r in mine], [r.work for r in other]),
                "wall_a_work_ratio": ratios([r.wall / r.work for r in mine], [r.wall / r.work for r in other]),
                "utilization": {
                    "reproducible": spread([r.utilization for r in mine]),
                    "greedy": spread([r.utilization for r in other]),
                },
                "test": {"reproducible": spread([r.test for r in mine]), "greedy": spread([r.test for r in other])},
                "required": REQUIRED_RATIO if threads == 2 and name == "all seeds" else None,
            }
            results.append(result)
            rows.append(
                [
                    f"{place}, {name}",
                    *(f"{result['wall'][schedule]['median']:.3f}" for schedule in ("reproducible", "greedy")),
                    shown(result["wall_ratio"]),
                    verdict(result["wall_ratio"]["median"], "<=", result["required"]),
                    f"{result['work_ratio']['median']:.3f}",
                    shown(result["wall_a_work_ratio"]),
                    *(f"{result['utilization'][schedule]['median']:.3f}" for schedule in ("reproducible", "greedy")),
                ]
            )
    header = ["", "rep. s", "greedy s", "wall min/med/max", "required", "work", "wall a work", "used, rep.", "greedy"]
    print()
    print_table(header, rows)
    return results


def compare_simulations(runs: Runs) -> list[dict[str, Any]]:
    """Measured by simulated makespan, on the recorded jobs of the run itself and of the other number of threads."""
    results, rows = [], []
    for variant, own in runs.items():
        for threads in (1, 2):
            teams = variant.teams and threads == 2
            measured = flat(runs[Variant(variant.schedule, threads, teams)])
            ratio = ratios([run.wall for run in measured], [run.makespans[threads] for run in flat(own)])
            itself = threads == variant.threads
            error = abs(ratio["median"] - 1)
            results.append(
                {
                    "jobs_of": f"{variant.schedule}, {variant.place}",
                    "threads": threads,
                    "measured_by_simulated": ratio,
                    "required_error": REQUIRED_ERROR if itself else None,
                }
            )
            required = verdict(error, "<=", REQUIRED_ERROR if itself else None)
            cells = [f"{variant.schedule}, {variant.place}", str(threads), shown(ratio), f"{error:.3f}", required]
            rows.append(cells)
    print()
    print_table(["jobs of", "threads", "measured by simulated", "error of median", "required"], rows)
    return results


def scaling(table: Digits) -> list[dict[str, Any]]:
    """Speed-ups of the run of seed 0 on one thread, simulated for many threads.

    The work of each simulation by its makespan: greedy decides otherwise on other numbers of threads, so its work is
    not that of one thread.
    """
    result = table.tune(Variant("reproducible", 1, False), 0)
    lines = {
        "reproducible, no teams": result.simulate(threads=MANY, teams=False),
        f"reproducible, teams of {EFFICIENCY}": result.simulate(threads=MANY, teams=True, team_efficiency=EFFICIENCY),
        "reproducible, ideal teams": result.simulate(threads=MANY, teams=True),
        "greedy, no teams": result.simulate(threads=MANY, teams=False, schedule="greedy"),
        "greedy, ideal teams": result.simulate(threads=MANY, teams=True, schedule="greedy"),
    }
    rows = [[name, *(f"{row['work'] / row['makespan']:.2f}" for row in found.rows)] for name, found in lines.items()]
    work = lines["reproducible, no teams"]
    rows.append(["bound without teams", *(f"{work.W / row['bound']:.2f}" for row in work.rows)])
    rows.append(["SH with barriers, jobs of a rung alike", *(f"{work.W / row['halving']:.2f}" for row in work.rows)])
    print(
        f"\nseed 0 simulated on its recorded jobs: W {work.W:.3f} s, longest chain {work.D:.3f} s; speed-up by threads"
    )
    print_table(["", *map(str, MANY)], rows)
    return [{"line": name, "rows": found.rows} for name, found in lines.items()]


def main() -> None:
    options = arguments(__doc__.splitlines()[0] if __doc__ else "", data=True)
    facts = machine()
    show(facts)
    name, *tables = digits(Path(options.data))
    table = Digits(*tables)
    print(f"{name}: {len(table.x)} rows; {CANDIDATES} candidates of the default space\n")
    table.check()
    runs = measure(table, 2 if options.quick else 5, 1 if options.quick else 5)
    results = {
        "data": name,
        "schedules": compare_schedules(runs),
        "simulations": compare_simulations(runs),
        "scaling": scaling(table),
    }
    save("schedule", facts, results)


if __name__ == "__main__":
    main()

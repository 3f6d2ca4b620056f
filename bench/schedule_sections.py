"""The tables and the plot of schedule.py, from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import ratios, shown, spread, verdict
from bench.schedule_places import ALONE, APART, PLACES, TOGETHER, Place
from bench.sections import Line, Plot, Section, Table

SCHEDULES = ("reproducible", "greedy")
REQUIRED_RATIO, REQUIRED_ERROR = 1.03, 0.05
ALL, IDEAL, BOUND = "all seeds", "ideal teams", "reproducible, bound without teams"
Run = Mapping[str, Any]
Rounds = Sequence[Mapping[str, Any]]


def summary(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return reproducible by greedy over all seeds, for each place, as "2 threads, teams": wall_ratio and others."""
    rounds = _rounds(results)
    return {place.name: _compared(rounds, place) for place in PLACES}


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return both schedules, measured beside simulated, and strong scaling."""
    rounds = _rounds(results)
    return [_schedules(rounds), _simulations(rounds), *_scaling(results["scaling"], rounds)]


def _rounds(results: Mapping[str, Any]) -> Rounds:
    return [value for key, value in results.items() if key != "scaling"]


def _runs(rounds: Rounds, schedule: str, place: Place) -> list[Run]:
    return [each["runs"][f"{schedule}, {place.name}"] for each in rounds]


def _compared(rounds: Rounds, place: Place) -> dict[str, Any]:
    """Return reproducible by greedy, round by round, and the seconds and utilization of both."""
    both = {schedule: _runs(rounds, schedule, place) for schedule in SCHEDULES}
    columns = {
        "wall": {schedule: [run["wall"] for run in runs] for schedule, runs in both.items()},
        "work": {schedule: [run["work"] for run in runs] for schedule, runs in both.items()},
        "wall_a_work": {schedule: [run["wall"] / run["work"] for run in runs] for schedule, runs in both.items()},
        "utilization": {schedule: [run["utilization"] for run in runs] for schedule, runs in both.items()},
        "test": {schedule: [run["test"] for run in runs] for schedule, runs in both.items()},
    }
    return {
        **{f"{name}_ratio": ratios(*(column[schedule] for schedule in SCHEDULES)) for name, column in columns.items()},
        **{name: {schedule: spread(column[schedule]) for schedule in SCHEDULES} for name, column in columns.items()},
    }


def _schedules(rounds: Rounds) -> Table:
    seeds = sorted({each["seed"] for each in rounds})
    groups = {f"seed {seed}": [own for own in rounds if own["seed"] == seed] for seed in seeds}
    shown_groups = {ALL: rounds, **(groups if len(groups) > 1 else {})}
    rows = [_schedule_row(place, name, own) for place in PLACES for name, own in shown_groups.items()]
    first, equal = rounds[0], all(_one_digest(own) for own in groups.values())
    return Table(
        f"Reproducible by greedy: 128 candidates of the plain space on {first['data']} ({first['rows']} rows), "
        f"rounds a seed: {len(rounds) // len(seeds)}",
        ["", "rep. s", "greedy s", "wall min/med/max", "required", "work", "wall a work", "used, rep.", "used, greedy"],
        rows,
        f"Ratios below 1: reproducible takes less. Digests of all reproducible runs of a seed equal: "
        f"{'yes' if equal else 'NO'}.",
    )


def _one_digest(rounds: Rounds) -> bool:
    return len({run["digest"] for place in PLACES for run in _runs(rounds, "reproducible", place)}) == 1


def _schedule_row(place: Place, name: str, rounds: Rounds) -> list[str]:
    found = _compared(rounds, place)
    required = REQUIRED_RATIO if place.threads == 2 and name == ALL else None
    return [
        f"{place.name}, {name}",
        *(f"{found['wall'][schedule]['median']:.3f}" for schedule in SCHEDULES),
        shown(found["wall_ratio"]),
        verdict(found["wall_ratio"]["median"], "<=", required),
        f"{found['work_ratio']['median']:.3f}",
        shown(found["wall_a_work_ratio"]),
        *(f"{found['utilization'][schedule]['median']:.3f}" for schedule in SCHEDULES),
    ]


def _simulations(rounds: Rounds) -> Table:
    """Measured by simulated makespan, on the recorded jobs of the run itself and of the other number of threads."""
    rows = []
    for place in PLACES:
        for schedule in SCHEDULES:
            for there in (ALONE, place if place.threads == 2 else APART):
                measured = [run["wall"] for run in _runs(rounds, schedule, there)]
                simulated = [run["makespans"][str(there.threads)] for run in _runs(rounds, schedule, place)]
                ratio = ratios(measured, simulated)
                error = abs(ratio["median"] - 1)
                required = verdict(error, "<=", REQUIRED_ERROR if there == place else None)
                rows.append([f"{schedule}, {place.name}", there.name, shown(ratio), f"{error:.3f}", required])
    return Table(
        "Measured by simulated seconds",
        ["jobs recorded in", "measured on", "min/med/max", "error of median", "required"],
        rows,
        "Required of runs simulated on their own jobs. Jobs recorded elsewhere took as long as they did there.",
    )


def _scaling(found: Mapping[str, Any], rounds: Rounds) -> list[Section]:
    """Return speed-ups by threads as a table, and as a plot with what was measured.

    A speed-up is the work of a simulation by its makespan: greedy decides otherwise on other numbers of threads, so its
    work is not that of one thread.
    """
    own, work = found["lines"]["reproducible, no teams"], found["W"]
    simulated = {
        name: {row["threads"]: row["work"] / row["makespan"] for row in rows} for name, rows in found["lines"].items()
    }
    bound = {row["threads"]: work / row["bound"] for row in own}
    sums = {row["threads"]: work / row["halving"] for row in own}
    table = {**simulated, BOUND: bound, "SH with barriers, jobs of a rung alike": sums}
    return [
        Table(
            f"Speed-up by threads, seed 0 simulated on its recorded jobs: W {work:.3f} s, longest chain D "
            f"{found['D']:.3f} s",
            ["", *(f"{threads}" for threads in bound)],
            [[name, *(f"{speedup:.2f}" for speedup in line.values())] for name, line in table.items()],
            "The bound is W / max(W/p, D), since the jobs of one candidate follow each other; it holds for the jobs of "
            "the reproducible run. Greedy trains others for each number of threads, and so does SH. Teams are as large "
            "as the tuner would form them: most steps of these networks are too small to be shared.",
        ),
        Plot(
            "scaling",
            "Strong scaling of 128 candidates, simulated on the recorded jobs of one run",
            "threads",
            "speed-up",
            [
                Line("ideal", {threads: threads for threads in bound}, "bound"),
                Line(BOUND, bound, "bound"),
                *(Line(name, line, "simulated") for name, line in simulated.items() if not name.endswith(IDEAL)),
                Line("measured, reproducible, no teams", _measured(rounds, APART)),
                Line("measured, reproducible, teams", _measured(rounds, TOGETHER)),
            ],
            ("x", "y"),
        ),
    ]


def _measured(rounds: Rounds, place: Place) -> dict[float, float]:
    """Return the median speed-up over the rounds of all seeds."""
    alone, together = (_runs(rounds, "reproducible", each) for each in (ALONE, place))
    return {1: 1.0, 2: ratios([run["wall"] for run in alone], [run["wall"] for run in together])["median"]}

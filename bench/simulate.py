"""What threads, virtual workers, orders of outstanding jobs and teams are worth, simulated; a million candidates timed.

Nothing is trained: the tuner's own ladder and clock run on threads that are numbers. Figures are means over seeds, each
with its own scores, costs and timing noise of 10 %. "equal" candidates cost the same an epoch; "varied" ones differ by
a lognormal factor, of which one in six is above 2 and one in six below 1/2. No thread slows another down here, as
memory shared by many does: that favours us beside figures that others have measured. Teams share every job, also where
the tuner forms none because a step is too small: that flatters teams.

Beside ours stand the speed-ups of the student project from which this one grew (bench/published.py, Table 2): ASH on
many threads by SH on one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ash import _core
from ash.simulate import TEAM_EFFICIENCY, simulate
from bench.figures import shown, spread, timed
from bench.published import ASH_SECONDS, speedup
from bench.sections import Line, Plot, Section, Table
from bench.suite import Bench, Case, Options

THREADS = (1, 2, 4, 8, 16, 32, 64)
SEEDS = 50
NOISE = 0.1
WORKERS = (8, 16, 24, 32, 48, 64, 128)
EFFICIENCIES = (0.25, 0.5, TEAM_EFFICIENCY, 0.7, 0.8, 0.9, 1.0)
CANDIDATES = (128, 256, 512)
MILLION = 1_000_000
BOUND, SUM = "bound without teams", "the student project's sum, barriers"
PUBLISHED: dict[int, dict[float, float]] = {
    models: {threads: found for threads in ASH_SECONDS[models] if (found := speedup(models, threads)) is not None}
    for models in ASH_SECONDS
}
Lines = dict[str, dict[float, float]]  # a value for each number of threads


def varied(generator: np.random.Generator, candidates: int) -> np.ndarray:
    return generator.lognormal(0, np.log(2), candidates)


COSTS: dict[str, Any] = {"equal": None, "varied": varied}


def check() -> None:
    """End unless the simulator gives what can be computed by hand."""
    found = simulate(128, threads=[1, 2, 64], teams=False)
    helped = simulate(128, threads=[64], noise=NOISE, team_efficiency=1.0)
    correct = (found.W, found.D, found.rows[0]["makespan"]) == (896, 127, 896)
    correct &= all(row["makespan"] >= row["bound"] for row in found.rows)
    correct &= abs(helped.rows[0]["makespan"] * 64 / helped.W - 1) < 1e-9
    if not correct:
        raise SystemExit("the simulator contradicts what can be computed by hand: nothing to show")


def means(column: str, seeds: int, **given: Any) -> dict[float, float]:
    """Return the mean of a column over the seeds for each number of threads."""
    runs = [simulate(seed=seed, noise=NOISE, threads=THREADS, **given).rows for seed in range(seeds)]
    return {rows[0]["threads"]: statistics.mean(row[column] for row in rows) for rows in zip(*runs, strict=True)}


def speedups(candidates: int, seeds: int) -> Lines:
    """Speed-ups of equal candidates, and what bounds them."""
    rows = simulate(candidates, threads=THREADS, teams=False).rows
    return {
        "greedy": means("speedup", seeds, candidates=candidates, schedule="greedy", teams=False),
        "reproducible": means("speedup", seeds, candidates=candidates, teams=False),
        f"reproducible, teams {TEAM_EFFICIENCY}": means("speedup", seeds, candidates=candidates),
        "SH with barriers": means("speedup", seeds, candidates=candidates, algorithm="sh", teams=False),
        BOUND: {row["threads"]: rows[0]["work"] / row["bound"] for row in rows},
        SUM: {row["threads"]: rows[0]["work"] / row["halving"] for row in rows},
    }


def workers_and_orders(kind: str, seeds: int) -> Lines:
    """256 candidates: speed-up of greedy and of W virtual workers, and of the orders of outstanding jobs."""
    common = {"candidates": 256, "costs": COSTS[kind], "teams": False}
    lines = {"greedy": means("makespan", seeds, schedule="greedy", **common)}
    lines |= {f"W = {workers}": means("makespan", seeds, workers=workers, **common) for workers in WORKERS}
    lines |= {f"W = 32, by {order}": means("makespan", seeds, order=order, **common) for order in ("start", "rung")}
    alone = lines["greedy"][1]
    return {name: {threads: alone / seconds for threads, seconds in line.items()} for name, line in lines.items()}


def teams(kind: str, seeds: int) -> Lines:
    """256 candidates: speed-up with teams of several efficiencies."""
    common = {"candidates": 256, "costs": COSTS[kind]}
    lines = {"no teams": means("speedup", seeds, teams=False, **common)}
    for efficiency in EFFICIENCIES:
        lines[f"efficiency {efficiency:g}"] = means("speedup", seeds, team_efficiency=efficiency, **common)
    return lines


def many(candidates: int, schedule: str, helped: bool, repeats: int) -> dict[str, Any]:
    """Time runs on 64 threads, without the one on one thread that a Simulation needs for its speed-up."""
    given: dict[str, Any] = {"schedule": schedule, "teams": helped, "team_efficiency": TEAM_EFFICIENCY, "noise": NOISE}
    found = [timed(lambda: _core.simulate(candidates, np.ones(1), threads=64, **given)) for _ in range(repeats)]
    return {
        "candidates": candidates,
        "schedule": f"{schedule}, {'teams' if helped else 'no teams'}",
        "seconds": spread([seconds for seconds, _ in found]),
        "jobs": found[0][1][0]["jobs"],
    }


def bench(options: Options) -> Bench:
    """Make a case of each table, and one of each schedule of a million candidates."""
    seeds, repeats, most = (3, 1, MILLION // 100) if options.quick else (SEEDS, 3, MILLION)

    def lines(make: Callable[[Any, int], Lines], subject: Any) -> dict[str, Any]:
        return {"subject": subject, "seeds": seeds, "lines": make(subject, seeds)}

    cases = [Case(f"speed-up, {count}", partial(lines, speedups, count)) for count in CANDIDATES]
    cases += [Case(f"workers, {kind}", partial(lines, workers_and_orders, kind)) for kind in COSTS]
    cases += [Case(f"teams, {kind}", partial(lines, teams, kind)) for kind in COSTS]
    cases += [
        Case(
            f"million, {schedule}, {'teams' if helped else 'no teams'}",
            partial(many, most, schedule, helped, repeats),
        )
        for schedule in ("greedy", "reproducible")
        for helped in (False, True)
    ]
    return Bench(cases, sections, check)


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return speed-ups with a plot each for what was published, workers and orders, teams, and the million."""
    found: dict[str, list[Any]] = {}
    for key, value in results.items():
        found.setdefault(key.split(", ")[0], []).append(value)
    shown_sections: list[Section] = []
    for each in found["speed-up"]:
        shown_sections += _speedups(each)
    shown_sections += [
        _table(
            f"256 {each['subject']} candidates, no teams: greedy on one thread by the mean makespan",
            each,
            "W: virtual workers. 'by start' and 'by rung': other orders in which threads take outstanding jobs.",
        )
        for each in found["workers"]
    ]
    shown_sections += [
        _table(
            f"256 {each['subject']} candidates, reproducible: speed-up with teams",
            each,
            "Efficiency: what each thread of a team adds beyond the first; here every job is shared, large or small.",
        )
        for each in found["teams"]
    ]
    return [*shown_sections, _many(found["million"])]


def _read(lines: Mapping[str, Mapping[str, float]]) -> Lines:
    """Return lines as they were before JSON made strings of the numbers of threads."""
    return {name: {int(threads): value for threads, value in line.items()} for name, line in lines.items()}


def _table(title: str, found: Mapping[str, Any], note: str, further: Lines | None = None) -> Table:
    lines = {**_read(found["lines"]), **(further or {})}
    rows = [[name, *(f"{line[p]:.2f}" if p in line else "" for p in THREADS)] for name, line in lines.items()]
    return Table(f"{title} (simulated, {found['seeds']} seeds)", ["threads", *map(str, THREADS)], rows, note)


def _speedups(found: Mapping[str, Any]) -> list[Section]:
    candidates, lines = found["subject"], _read(found["lines"])
    title = f"{candidates} equal candidates: speed-up by threads"
    if not PUBLISHED.get(candidates):
        return [_table(title, found, "No speed-up was published: SH on one thread had not ended after 15 minutes.")]
    published: Lines = {"published, ASH": PUBLISHED[candidates]}
    drawn = [Line("ideal", {threads: threads for threads in THREADS}, "bound")]
    drawn += [
        Line(name, line, "bound" if name == BOUND else "simulated") for name, line in lines.items() if name != SUM
    ]
    drawn += [Line("published, ASH (Han and Jiang, Table 2)", published["published, ASH"], "published")]
    note = "Published: measured by Han and Jiang, Table 2, by SH on one thread; ours by ours on one thread."
    return [
        _table(title, found, note, published),
        Plot(f"speedup_{candidates}", title, "threads", "speed-up", drawn, ("x", "y"), note),
    ]


def _many(found: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [each["schedule"], shown(each["seconds"], ".2f"), f"{1e6 * each['seconds']['median'] / each['jobs']:.2f}"]
        for each in found
    ]
    return Table(
        f"{found[0]['candidates']:,} candidates simulated on 64 threads",
        ["", "seconds min/med/max", "us a job"],
        rows,
        "What the simulator itself takes, on one core.",
    )

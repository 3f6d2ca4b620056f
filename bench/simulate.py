"""What threads, virtual workers, orders of outstanding jobs and teams are worth, simulated; a million candidates timed.

Figures are means over seeds, each with its own scores, costs and timing noise of 10 %. "equal" candidates cost the same
an epoch; "varied" ones differ by a lognormal factor, of which one in six is above 2 and one in six below 1/2.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from common import arguments, machine, print_table, save, show, timed

from ash.simulate import simulate

THREADS = (1, 2, 4, 8, 16, 32, 64)
NOISE = 0.1
WORKERS = (8, 16, 24, 32, 48, 64, 128)
PUBLISHED = {128: {4: 1.21, 8: 1.60, 16: 2.74, 32: 3.02}, 256: {4: 1.27, 8: 1.84, 16: 3.19, 32: 3.57}}
MILLION = 1_000_000


def varied(generator: np.random.Generator, candidates: int) -> np.ndarray:
    return generator.lognormal(0, np.log(2), candidates)


COSTS: dict[str, Any] = {"equal": None, "varied": varied}


def check() -> None:
    """End the script unless the simulator gives what can be computed by hand."""
    found = simulate(128, threads=[1, 2, 64], teams=False)
    helped = simulate(128, threads=[64], noise=NOISE, team_efficiency=1.0)
    correct = (found.W, found.D, found.rows[0]["makespan"]) == (896, 127, 896)
    correct &= all(row["makespan"] >= row["bound"] for row in found.rows)
    correct &= abs(helped.rows[0]["makespan"] * 64 / helped.W - 1) < 1e-9
    if not correct:
        raise SystemExit("the simulator contradicts what can be computed by hand: nothing to show")


def means(column: str, seeds: int, **given: Any) -> dict[int, float]:
    """Return the mean of a column over the seeds for each number of threads."""
    runs = [simulate(seed=seed, noise=NOISE, threads=THREADS, **given).rows for seed in range(seeds)]
    return {rows[0]["threads"]: statistics.mean(row[column] for row in rows) for rows in zip(*runs, strict=True)}


def table(title: str, lines: dict[str, dict[int, float]], threads: Sequence[int]) -> None:
    print(f"\n{title}")
    rows = [[name, *(f"{line[p]:.2f}" if p in line else "" for p in threads)] for name, line in lines.items()]
    print_table(["", *(str(p) for p in threads)], rows)


def tables_of_the_seed(seeds: int) -> dict[str, Any]:
    """Speed-up of 128, 256 and 512 candidates, and what the student project has published."""
    result: dict[str, Any] = {}
    for candidates in (128, 256, 512):
        lines = {
            "greedy": means("speedup", seeds, candidates=candidates, schedule="greedy", teams=False),
            "reproducible": means("speedup", seeds, candidates=candidates, teams=False),
            "reproducible, teams 0.8": means("speedup", seeds, candidates=candidates, team_efficiency=0.8),
            "SH with barriers": means("speedup", seeds, candidates=candidates, algorithm="sh", teams=False),
        }
        rows = simulate(candidates, threads=THREADS, teams=False).rows
        lines["bound without teams"] = {row["threads"]: rows[0]["work"] / row["bound"] for row in rows}
        lines["the seed's sum, barriers"] = {row["threads"]: rows[0]["work"] / row["halving"] for row in rows}
        if candidates in PUBLISHED:
            lines["published, ASH"] = PUBLISHED[candidates]
        table(f"{candidates} equal candidates: speed-up by threads", lines, THREADS)
        result[str(candidates)] = lines
    return result


def workers_and_orders(seeds: int) -> dict[str, Any]:
    """256 candidates: speed-up of greedy and of W virtual workers, and of the orders of outstanding jobs."""
    result: dict[str, Any] = {}
    for kind, costs in COSTS.items():
        common = {"candidates": 256, "costs": costs, "teams": False}
        lines = {"greedy": means("makespan", seeds, schedule="greedy", **common)}
        lines |= {f"W = {workers}": means("makespan", seeds, workers=workers, **common) for workers in WORKERS}
        lines |= {f"W = 32, by {order}": means("makespan", seeds, order=order, **common) for order in ("start", "rung")}
        alone = lines["greedy"][1]
        speedups = {name: {p: alone / seconds for p, seconds in line.items()} for name, line in lines.items()}
        table(f"256 {kind} candidates, no teams: greedy on one thread by the mean makespan", speedups, THREADS)
        result[kind] = speedups
    return result


def teams(seeds: int) -> dict[str, Any]:
    """256 candidates: speed-up with teams of several efficiencies."""
    result: dict[str, Any] = {}
    for kind, costs in COSTS.items():
        common = {"candidates": 256, "costs": costs}
        lines = {"no teams": means("speedup", seeds, teams=False, **common)}
        for efficiency in (0.25, 0.5, 0.7, 0.8, 0.9, 1.0):
            lines[f"efficiency {efficiency:g}"] = means("speedup", seeds, team_efficiency=efficiency, **common)
        table(f"256 {kind} candidates, reproducible: speed-up with teams", lines, THREADS)
        result[kind] = lines
    return result


def million(candidates: int) -> dict[str, Any]:
    """Time one run on 64 threads, without the one on one thread that a Simulation needs for its speed-up."""
    from ash import _core

    costs, result = np.ones(1), {}
    for schedule in ("greedy", "reproducible"):
        for helped in (False, True):
            given = {"schedule": schedule, "teams": helped, "team_efficiency": 0.8, "threads": 64, "noise": NOISE}
            seconds, (totals, _, _) = timed(lambda given=given: _core.simulate(candidates, costs, **given))
            result[f"{schedule}, {'teams' if helped else 'no teams'}"] = {"seconds": seconds, "jobs": totals["jobs"]}
    print(f"\n{candidates} candidates on 64 threads")
    print_table(
        ["", "seconds", "us a job"],
        [[k, f"{v['seconds']:.2f}", f"{1e6 * v['seconds'] / v['jobs']:.2f}"] for k, v in result.items()],
    )
    return result


def main() -> None:
    options = arguments(__doc__.splitlines()[0] if __doc__ else "")
    facts = machine()
    show(facts)
    check()
    seeds = 3 if options.quick else 50
    results = {
        "seeds": seeds,
        "noise": NOISE,
        "speedup": tables_of_the_seed(seeds),
        "workers": workers_and_orders(seeds),
        "teams": teams(seeds),
        "million": million(MILLION // 100 if options.quick else MILLION),
    }
    save("simulate", facts, results)


if __name__ == "__main__":
    main()

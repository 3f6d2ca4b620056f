"""What the simulated clusters show: speed-ups and where they saturate, pictures, and what others have published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench import published
from bench.sections import Line, Plot, Section, Table

DRAWN = 16_384
"""Candidates of the pictures, or the most that there are below."""
SATURATED = 0.9
"""Of the largest speed-up: who has it on fewer threads gains nothing from more."""
SHOWN = tuple(4**power for power in range(7))
Case = Mapping[str, Any]  # one kind of network on one kind of cluster


def saturation(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the fewest threads with nearly the largest speed-up."""
    most = max(row["speedup"] for row in rows)
    return min(row["threads"] for row in rows if row["speedup"] >= SATURATED * most)


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return a table and a picture of each kind of network, then what was published, and what simulating took."""
    cases = [value for key, value in results.items() if key != "bookkeeping"]
    kinds = list(dict.fromkeys(case["kind"] for case in cases))
    made: list[Section] = []
    for kind in kinds:
        own = [case for case in cases if case["kind"] == kind]
        made += [_speedups(kind, own), _picture(kind, own)]
    return [*made, _saturations(cases), _ray(results["bookkeeping"]), _cost(cases)]


def _speedups(kind: str, cases: Sequence[Case]) -> Table:
    def cells(case: Case) -> list[str]:
        speedups = {row["threads"]: row["speedup"] for row in case["rows"]}
        last = case["rows"][-1]
        shown = [_number(speedups[threads]) if threads in speedups else "" for threads in SHOWN]
        return [f"{case['candidates']:,}; {case['cluster']}", *shown, str(saturation(case["rows"])), last["bounded_by"]]

    one = cases[0]
    return Table(
        f"{kind}: speed-up by threads (simulated)",
        ["candidates; cluster", *map(str, SHOWN), "saturates at", "bounded by"],
        [cells(case) for case in cases],
        f"An epoch takes {one['seconds']:.3g} s, a state has {one['state']:,.0f} bytes, the data {one['data']:,.0f}. "
        f"Saturates at: the fewest threads with {SATURATED:.0%} of the most speed-up. Bounded by: on the most threads.",
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _picture(kind: str, cases: Sequence[Case]) -> Plot:
    candidates = max(case["candidates"] for case in cases if case["candidates"] <= DRAWN)
    own = [case for case in cases if case["candidates"] == candidates]
    bound = {row["threads"]: row["threads"] / max(1.0, row["chain"] / row["work_per_thread"]) for row in own[0]["rows"]}
    lines = [Line("the bound of these jobs on threads, max(W/p, D)", bound, "bound")]
    for case in own:
        label = f"{case['cluster']}: {case['rows'][-1]['bounded_by']}"
        lines.append(Line(label, {row["threads"]: row["speedup"] for row in case["rows"]}, "simulated"))
    name = "cluster-" + kind.split(",")[0].replace(" ", "-")
    title = f"{kind}, {candidates:,} candidates: speed-up by threads"
    note = "In the legend behind each cluster: what bounds it on the most threads."
    return Plot(name, title, "threads", "speed-up", lines, ("x", "y"), note)


def _saturations(cases: Sequence[Case]) -> Table:
    rows = [
        [each.source, f"{each.low} to {each.high}" if each.low < each.high else f"about {each.low}", "not told"]
        for each in published.DASK_ML
    ]
    rows += [
        [
            f"simulated: {case['kind']}, {case['candidates']:,} candidates, {case['cluster']}",
            str(saturation(case["rows"])),
            case["rows"][-1]["bounded_by"],
        ]
        for case in cases
        if case["kind"] == "12 neurons" and case["cluster"] != "threads"
    ]
    return Table(
        "Where it saturates: Dask-ML's Hyperband as published, and ours simulated",
        ["", "workers", "bounded by"],
        rows,
        "The documentation describes networks of 12 neurons on 60,000 rows, and varies the workers in another "
        "experiment; by the post that one denoises images with PyTorch. So the same search was not measured.",
    )


def _ray(simulated: Mapping[str, Any]) -> Table:
    def cells(run: published.RayRun) -> list[str]:
        ours = ""
        if run.trials == simulated["trials"]:
            ours = f"{simulated['makespan']:.0f} s: {simulated['bounded_by']}"
        shown = [f"{run.trials:,}", _number(run.results_a_second()), f"{run.nodes} x {run.cpus}", f"{run.ideal():g}"]
        return [run.what, *shown, f"{run.observed:g}", f"{run.observed / run.ideal():.2f}", ours]

    limits = "; ".join(f"{where} {results}" for where, results in published.RAY_TUNE_LIMITS.items())
    return Table(
        "Ray Tune's own table of its limits, as published",
        ["", "trials", "results a second", "CPUs", "ideal seconds", "seconds", "by ideal", "ours over Dask, simulated"],
        [cells(run) for run in published.RAY_TUNE],
        f"docs.ray.io, Tune, Scalability and Overhead Benchmarks. Acceptable by that page, results a second: {limits}. "
        "Simulated is what has one result a trial.",
    )


def _cost(cases: Sequence[Case]) -> Table:
    most = max(case["candidates"] for case in cases)
    own = [case for case in cases if case["candidates"] == most]
    return Table(
        f"What the simulator itself takes: {most:,} candidates",
        ["", "seconds a run", "jobs"],
        [
            [f"{case['kind']}; {case['cluster']}", f"{case['seconds a run']:.2f}", f"{case['rows'][-1]['jobs']:,}"]
            for case in own
        ],
        "Mean over the numbers of threads, on one core.",
    )

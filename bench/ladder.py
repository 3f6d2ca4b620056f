"""Decisions of the ladder a second, from a hundred candidates to ten million, beside the schedulers of others.

`ash` and `sh` are measured in C++ (bench/ladder.cpp), one process a size; `ash.Ladder` is what a Python user pays for
the same by ask and tell. Optuna, Ray Tune and Syne Tune are fed the same scores from Python (bench/ladder_peers.py says
how, and whom that favours). What a decision costs them grows with the candidates, so each goes up in size until the
next run would take more than 20 s by its own growth. What is compared is the price of an answer, not its worth: a peer
decides once about a trial that runs, ours lets candidates wait and takes the best.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench import build, child
from bench.figures import verdict
from bench.ladder_peers import PEERS, hashed_scores
from bench.sections import Line, Plot, Section, Table
from bench.suite import Bench, Case, Options

KINDS = {"ash capped": "ash-capped", "ash paper": "ash-paper", "sh": "sh"}
PYTHON = "ash.Ladder"
PACKAGES = {"optuna": "optuna", "ray": "ray", "syne-tune": "syne_tune", "syne-tune with suggest": "syne_tune"}
POWERS, QUICK_POWERS = range(2, 8), range(2, 5)
MOST_IN_PYTHON = 1_000_000  # of ours
LONGEST_RUN = 20.0  # seconds that the next run of a peer may take by what the smaller ones took
RUNS, RUNS_OF_LARGEST, LARGEST = 5, 2, 10_000_000
REQUIRED_AT, REQUIRED_SECONDS, REQUIRED_NS, REQUIRED_MEGABYTES = 1_000_000, 2.0, 1000.0, 200.0


@cache
def program() -> Path:
    return build.program("bench_ladder")


def run_program(kind: str, candidates: int, runs: int) -> dict[str, Any]:
    """Return what the C++ program prints for one kind and size."""
    command = [str(program()), "--kind", KINDS[kind], "--sizes", str(candidates), "--runs", str(runs)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise SystemExit(f"bench_ladder: {found.stderr.strip() or found.returncode}")
    return json.loads(found.stdout)


def check() -> None:
    """End unless Python and C++ make the same scores; counts are checked in every run."""
    for candidate, rung, score in run_program("ash capped", 100, 1)["scores"]:
        ours = float(hashed_scores(np.array([candidate], dtype=np.uint64), rung)[0])
        if ours != score:
            raise SystemExit(
                f"candidate {candidate}, rung {rung}: {score} in C++, {ours} in Python: nothing to compare"
            )


class Upwards:
    """A peer from the smallest size up, until the next run would take too long."""

    def __init__(self, scheduler: str, sizes: Sequence[int]) -> None:
        self.scheduler, self.sizes = scheduler, sizes
        self.rows: dict[int, dict[str, Any]] = {}

    def run(self, candidates: int) -> dict[str, Any]:
        """Return the row of a size; smaller ones are measured first where this process has not yet done so."""
        if candidates not in self.rows:
            smaller = [self.run(size) for size in self.sizes if size < candidates]
            self.rows[candidates] = self._skipped(smaller, candidates) or self._measured(candidates)
        return self.rows[candidates]

    def _measured(self, candidates: int) -> dict[str, Any]:
        return child.call("bench.ladder_peers", "measure", {"scheduler": self.scheduler, "candidates": candidates})

    def _skipped(self, smaller: Sequence[Mapping[str, Any]], candidates: int) -> dict[str, Any] | None:
        package = PACKAGES[self.scheduler]
        if importlib.util.find_spec(package) is None:
            return {"skipped": f"{package.replace('_', '-')} is not installed: pip install '.[bench]'"}
        rows = [row for row in smaller if "skipped" not in row]
        if smaller and not rows:
            return dict(smaller[0])
        expected = expected_seconds(rows, candidates)
        if expected <= LONGEST_RUN:
            return None
        return {"skipped": f"would take about {float(f'{expected:.1e}'):,.0f} s", "expected_seconds": expected}


def expected_seconds(rows: Sequence[Mapping[str, Any]], candidates: int) -> float:
    """Return what a run would take: the time of a candidate grows linearly, as it did between the last two sizes."""
    if not rows:
        return 0.0
    (last, each), slope = _each(rows[-1]), 0.0
    if len(rows) > 1:
        before, each_before = _each(rows[-2])
        slope = max(0.0, (each - each_before) / (last - before))
    return candidates * (each + slope * (candidates - last))


def _each(row: Mapping[str, Any]) -> tuple[int, float]:
    return row["candidates"], row["seconds"] / row["candidates"]


def cpp_case(kind: str, candidates: int, quick: bool) -> Callable[[], dict[str, Any]]:
    """Return what measures a kind of ours in C++."""
    runs = 1 if quick else RUNS_OF_LARGEST if candidates >= LARGEST else RUNS
    return lambda: dict(run_program(kind, candidates, runs)["rows"][0])


def cases(quick: bool) -> list[Case]:
    """Return a case for each ladder and size."""
    sizes = [10**power for power in (QUICK_POWERS if quick else POWERS)]
    found = [Case(f"{kind}, {size}", cpp_case(kind, size, quick)) for kind in KINDS for size in sizes]
    for size in sizes:
        if size <= MOST_IN_PYTHON:
            told = {"scheduler": PYTHON, "candidates": size}
            found.append(Case(f"{PYTHON}, {size}", lambda told=told: child.call("bench.ladder_peers", "measure", told)))
    for peer in PEERS:
        steps = Upwards(peer, sizes[:1] if quick else sizes)
        found += [Case(f"{peer}, {size}", lambda steps=steps, size=size: steps.run(size)) for size in steps.sizes]
    return found


def by_scheduler(results: Mapping[str, Any]) -> dict[str, dict[int, Any]]:
    """Return the rows by scheduler and number of candidates, in the order of the cases."""
    found: dict[str, dict[int, Any]] = {}
    for key, row in results.items():
        scheduler, candidates = key.rsplit(", ", 1)
        found.setdefault(scheduler, {})[int(candidates)] = row
    return found


def label(scheduler: str) -> str:
    """Return the name with its language or package."""
    return f"{scheduler} (C++)" if scheduler in KINDS else f"{scheduler} (Python)"


def lines_of_table(scheduler: str, rows: Mapping[int, Any], ours: Mapping[int, Any]) -> list[list[str]]:
    """Return a line a size; one for all where the package is missing."""
    found = []
    for candidates, row in rows.items():
        if "skipped" not in row:
            own = row["peak_megabytes"] - row.get("before_megabytes", 0.0)
            ratio = row["ns_median"] / ours[candidates]["ns_median"] if candidates in ours else None
            figures = [f"{row['decisions']:,}", f"{1e9 / row['ns_median']:,.0f}"]
            figures += [" / ".join(f"{row[key]:,.0f}" for key in ("ns_min", "ns_median", "ns_max"))]
            figures += ["-" if ratio is None else f"{ratio:.3g}", f"{own:.1f}", str(row["runs"])]
            found.append([label(scheduler), f"{candidates:,}", *figures, ""])
        elif "expected_seconds" in row:
            found.append([label(scheduler), f"{candidates:,}", *["-"] * 6, f"not run: {row['skipped']}"])
        else:
            return [[label(scheduler), *["-"] * 7, row["skipped"]]]
    return found


def required(rows: Mapping[str, Mapping[int, Any]]) -> list[Section]:
    """Return the table of what is required of a million candidates, where they were measured."""
    lines = []
    for kind in KINDS:
        row = rows.get(kind, {}).get(REQUIRED_AT)
        if row:
            given = ((row["seconds"], REQUIRED_SECONDS, ".2f"), (row["ns_median"], REQUIRED_NS, ".0f"))
            given += ((row["peak_megabytes"], REQUIRED_MEGABYTES, ".1f"),)
            cells = [cell for value, most, form in given for cell in (format(value, form), verdict(value, "<=", most))]
            lines.append([label(kind), *cells])
    header = ["", "seconds", "required", "ns a decision", "required", "peak MB", "required"]
    title = f"{REQUIRED_AT:,} candidates: what is required"
    return [Table(title, header, lines, "Medians; the peak is that of the whole program.")] if lines else []


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return the table of all ladders, what is required, and the plot."""
    rows = by_scheduler(results)
    ours = rows.get(PYTHON, {})
    lines = [line for scheduler, sizes in rows.items() for line in lines_of_table(scheduler, sizes, ours)]
    header = ["ladder", "candidates", "decisions", "decisions a second", "ns a decision: min / median / max"]
    header += [f"by {PYTHON}", "MB", "runs", "remark"]
    note = (
        f"A decision is one answer to one reported score; random scores, the same for all. By {PYTHON}: how many times "
        "its time a decision takes. MB: the peak of a run; in Python beyond interpreter, imports and scores, in C++ of "
        "the whole program. A peer is not run where the growth between its last two sizes predicts more than "
        f"{LONGEST_RUN:.0f} s; only its scheduler is called, without the tuner around it."
    )
    plotted = [
        Line(label(scheduler), {n: 1e9 / row["ns_median"] for n, row in sizes.items() if "skipped" not in row})
        for scheduler, sizes in rows.items()
    ]
    title = "Decisions a second"
    plot = Plot(
        "ladder", title, "candidates", "decisions a second", [line for line in plotted if line.points], ("x", "y")
    )
    return [Table(title, header, lines, note), *required(rows), plot]


def bench(options: Options) -> Bench:
    return Bench(cases(options.quick), sections, check, ("optuna", "ray", "syne-tune"))

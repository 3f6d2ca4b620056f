"""Decisions of the ladder per second, from a hundred candidates to ten million, beside the schedulers of other tuners.

`ash` and `sh` are measured in C++ (bench/ladder/ladder.cpp), with one process per size. `ash.Ladder` is the same ladder
in Python, with ask and tell. If installed (`pip install '.[peers]'`), Optuna and Ray Tune get the same scores from
Python; bench/ladder/peers.py describes how they are called, and why this favors them. The cost of their decisions grows
with the number of candidates, so a peer gets no further size once its next run is expected to take more than 20 s. The
bench compares the cost of answers, not their quality: a peer decides once whether a running trial continues, while our
ladder lets candidates wait and promotes the best.
"""

from __future__ import annotations

import importlib.util
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bench.figures import Line, Picture, Plot, Section, Table, shown, verdict
from bench.ladder.peers import KINDS, PEERS, PYTHON, hashed_scores, library
from bench.machine import CORE
from bench.processes import call
from bench.record import Bench, Case

POWERS, QUICK_POWERS = range(2, 8), range(2, 5)
MOST_IN_PYTHON = 1_000_000  # maximum number of candidates for ash.Ladder
LONGEST_RUN = 20.0  # limit in seconds for a peer's next run, extrapolated from its smaller runs
REQUIRED_AT, REQUIRED_NS = 1_000_000, 1000.0  # requirement for our C++ ladders: candidates, ns per decision


def arguments(parser: ArgumentParser) -> None:
    """Do nothing: this subject has no options of its own."""


def check(options: Namespace) -> None:
    """End the bench unless Python and C++ generate the same scores. Each measurement checks its number of jobs."""
    for candidate, rung in ((0, 0), (1, 0), (99, 5), (9_999_999, 22)):
        ours = float(hashed_scores(np.array([candidate], dtype=np.uint64), rung)[0])
        if ours != library().bench_score(candidate, rung):
            raise SystemExit(f"candidate {candidate}, rung {rung}: another score in C++ than in Python")


def measure_peer(scheduler: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Measure a peer from the smallest size until the next run would take too long; return one row per size."""
    rows: dict[str, Any] = {}
    for candidates in sizes:
        expected = expected_seconds(list(rows.values()), candidates)
        if expected > LONGEST_RUN:
            return {"rows": rows, "not_run": candidates, "expected_seconds": expected}
        told = {"scheduler": scheduler, "candidates": candidates}
        rows[str(candidates)] = call("bench.ladder.peers", "measure", told)
    return {"rows": rows}


def expected_seconds(rows: Sequence[Mapping[str, Any]], candidates: int) -> float:
    """Return the expected seconds of a run; the time per candidate is extrapolated linearly from the last two sizes."""
    if not rows:
        return 0.0
    (last, each), slope = _each(rows[-1]), 0.0
    if len(rows) > 1:
        before, each_before = _each(rows[-2])
        slope = max(0.0, (each - each_before) / (last - before))
    return candidates * (each + slope * (candidates - last))


def _each(row: Mapping[str, Any]) -> tuple[int, float]:
    return row["candidates"], row["seconds"] / row["candidates"]


def cases(options: Namespace) -> list[Case]:
    """Return one case for each of our ladders and sizes, and one for each installed peer."""
    sizes = [10**power for power in (QUICK_POWERS if options.quick else POWERS)]
    found = [
        Case(f"{kind}, {size}", partial(call, "bench.ladder.peers", "measure", {"scheduler": kind, "candidates": size}))
        for kind in (*KINDS, PYTHON)
        for size in sizes
        if kind in KINDS or size <= MOST_IN_PYTHON
    ]
    for peer in PEERS:
        if importlib.util.find_spec(peer) is not None:
            run = partial(measure_peer, peer, sizes[: 1 if options.quick else None])
            found.append(Case(peer, run, measures=("bench/ladder/peers.py",), packages=(peer,)))
    return found


def by_scheduler(values: Mapping[str, Any]) -> dict[str, dict[int, Any]]:
    """Return the rows by scheduler and number of candidates, in the order of the cases."""
    found: dict[str, dict[int, Any]] = {}
    for key, value in values.items():
        if key in PEERS:
            found[key] = {int(candidates): row for candidates, row in value["rows"].items()}
        else:
            scheduler, candidates = key.rsplit(", ", 1)
            found.setdefault(scheduler, {})[int(candidates)] = value
    return found


def label(scheduler: str) -> str:
    """Return a scheduler's name with its language."""
    return f"{scheduler} (C++)" if scheduler in KINDS else f"{scheduler} (Python)"


def lines_of(scheduler: str, rows: Mapping[int, Any], ours: Mapping[int, Any]) -> list[list[str]]:
    """Return one table row per size."""
    found = []
    for candidates, row in rows.items():
        ratio = row["ns"]["median"] / ours[candidates]["ns"]["median"] if candidates in ours else None
        figures = [f"{row['decisions']:,}", f"{1e9 / row['ns']['median']:,.0f}", shown(row["ns"], ",.0f")]
        figures += ["-" if ratio is None else f"{ratio:.3g}", f"{row['megabytes']:.1f}", str(row["runs"])]
        most = REQUIRED_NS if scheduler in KINDS and candidates == REQUIRED_AT else None
        found.append([label(scheduler), f"{candidates:,}", *figures, verdict(row["ns"]["median"], "<=", most)])
    return found


def _left_out(peer: str, found: Mapping[str, Any] | None) -> str:
    """Return a text that says which sizes of a peer were not run, and why."""
    if found is None:
        return f"{peer}, which is not on record"
    if "not_run" not in found:
        return ""
    expected = float(format(found["expected_seconds"], ".1e"))
    return f"{found['not_run']:,} with {peer}, which would take about {expected:,.0f} s"


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return the table of all ladders with the requirements, and the picture."""
    rows = by_scheduler(values)
    ours = rows.get(PYTHON, {})
    lines = [line for scheduler, sizes in rows.items() for line in lines_of(scheduler, sizes, ours)]
    header = ["ladder", "candidates", "decisions", "decisions per second", "ns per decision: min / median / max"]
    header += [f"by {PYTHON}", "MB", "runs", "required ns"]
    left_out = [words for peer in PEERS if (words := _left_out(peer, values.get(peer)))]
    note = (
        f"A decision is one answer to one reported score; random scores, the same for all. By {PYTHON}: how many times "
        "its time a decision takes. MB: the peak of a run, beyond interpreter, imports and scores. Of a peer "
        "only its scheduler is called, without the tuner around it. Not run: "
        f"{'; '.join(left_out) or 'nothing'}."
    )
    points = {name: {n: 1e9 / row["ns"]["median"] for n, row in sizes.items()} for name, sizes in rows.items()}
    plot = Plot(
        "Decisions per second",
        "candidates",
        "decisions per second",
        [Line(label(name), line) for name, line in points.items() if line],
        ("x", "y"),
    )
    return [Table("Decisions per second", header, lines, note), Picture("ladder", [plot])]


BENCHES = (
    Bench(
        "ladder",
        "Decisions of the ladder",
        (*CORE, "bench/ladder"),
        cases,
        sections,
        check=check,
    ),
)

"""Compares the fits of `ash` in two records of the bench `quality`, to show whether a change has improved `ash`.

    python -m bench quality --contenders ash --limits 60 --results AFTER      # BEFORE for the code before the change
    python -m bench.quality.compare BEFORE/quality.json AFTER/quality.json

A change is an improvement if, on both halves of the tables, the interval of the geometric mean of the ratios is below
1. page.py defines the ratios and intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Table
from bench.quality.contenders import OURS
from bench.quality.page import Fits, geometric_mean, mean_error, mean_ratio, shared, shown_mean
from bench.quality.plan import LIMIT
from bench.quality.tables import TABLES
from bench.record import Record


def compared(before: Fits, after: Fits, limit: float = LIMIT) -> Table:
    """Return a table of the ratios (error after / error before), largest first. Its note says whether ash improved."""
    ratios = {
        table: ratio
        for table in TABLES
        if (ratio := mean_ratio(table, after.of(table, OURS, limit), before.of(table, OURS))) is not None
    }
    rows = []
    for table in sorted(ratios, key=lambda table: -ratios[table]):
        runs = [before.of(table, OURS), after.of(table, OURS, limit)]
        errors = [f"{mean_error(table, each, shared(*runs)):.4g}" for each in runs]
        rows.append([table, str(len(shared(*runs))), *errors, f"{ratios[table]:.3f}"])
    halves = [[ratio for table, ratio in ratios.items() if list(TABLES).index(table) % 2 == half] for half in (0, 1)]
    better = all(half and geometric_mean(half)[2] < 1 for half in halves)
    parts = {"All": list(ratios.values()), "every other table": halves[0], "the rest": halves[1]}
    means = "; ".join(f"{words} {shown_mean(part)}" for words, part in parts.items())
    note = f"Geometric means: {means}. {'Better' if better else 'Not better'} on both halves."
    return Table(
        f"ash after, {limit:g} s, and before, {LIMIT:g} s", ["table", "seeds", "before", "after", "ratio"], rows, note
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality.compare", description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="a record of the bench")
    parser.add_argument("after", type=Path, help="another one")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds of the fits after (default: {LIMIT:g})")
    options = parser.parse_args(arguments)
    before, after = (Fits(Record(path).values(anywhere=True)) for path in (options.before, options.after))
    print(compared(before, after, options.limit).as_text())


if __name__ == "__main__":
    main()

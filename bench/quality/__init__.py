"""`ash` beside other networks and boosted trees, each fitted to three quarters of a table and scored on the rest.

Errors are shares of wrong classes, or roots of mean squared errors in the units of the target. A case is one fit in a
process of its own, on all CPUs; the split is by seed. The seconds are those of the fit; a first one on few rows loads
what is loaded once. The limit is 60 seconds for contenders that take one; `ash` and the tuned trees are also given 5,
15 and 240 seconds on the larger tables.

What this favours. The others: RealMLP takes its own time, TabM may take three limits, and the last fit of the tuned
trees comes on top of their limit and uses all rows, where networks hold some out. `ash`, FLAML and the tuned trees
choose by the metric that is compared here. TabM would often train for longer. About a quarter of the held-out rows of
winequality_white are in training too, with the same target, and `ash` looks for such rows
(python/ash/encoding/neighbors.py).

It takes hours. --tables, --contenders, --limits and --seeds choose what to measure now; the rest stays on record.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.arguments import Parser, folder, integer, names
from bench.machine import CORE, cpus, processor
from bench.processes import call
from bench.quality.contenders import CONTENDERS, OURS, PERCEPTRON
from bench.quality.page import readme, sections
from bench.quality.plan import SECONDS, SEEDS, Fit, fits
from bench.quality.tables import TABLES, split
from bench.record import Bench, Case

LEAST_ACCURACY = 0.9


def cases(options: Namespace) -> Sequence[Case]:
    """Return the cases of the fits that were chosen."""
    return [
        Case(
            fit.key,
            partial(_run, fit, options.data),
            measures=CORE if fit.contender == OURS else (),
            packages=("scikit-learn",) if fit.contender == PERCEPTRON else CONTENDERS[fit.contender].modules,
        )
        for fit in fits(options.quick)
        if fit.table in (options.tables or TABLES)
        and fit.contender in (options.contenders or CONTENDERS)
        and f"{fit.limit:g}" in (options.limits or SECONDS)
        and fit.seed < (options.seeds or fit.seed + 1)
    ]


def _run(fit: Fit, folder: Path | None) -> dict[str, Any]:
    """Return a fit, or why there is none; a peer may fail, `ash` may not."""
    missing = CONTENDERS[fit.contender].missing() or TABLES[fit.table].missing(folder)
    if missing is not None:
        return {"skipped": missing}
    told = {**vars(fit), "folder": None if folder is None else str(folder), "threads": cpus()}
    environment = {"OMP_NUM_THREADS": str(cpus()), "PYTHONWARNINGS": "ignore"}
    try:
        return {"on": processor(), **call("bench.quality.measure", "measure", told, environment)}
    except SystemExit as error:
        if fit.contender == OURS:
            raise
        return {"failed": str(error.code)}


def check(_: Namespace) -> None:
    """End the bench unless ash learns, and twice the same where no clock decides."""
    from ash import ASHClassifier

    rows = split("digits", None, 0, categories=False)
    first, second = (ASHClassifier(candidates=8, random_state=0).fit(rows.x, rows.y) for _ in range(2))
    accuracy = first.score(rows.x_test, rows.y_test)
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"ash: an accuracy of {accuracy:.4f} on the digits: nothing to compare")
    if first.result_.digest != second.result_.digest:
        raise SystemExit("ash: two fits with the same arguments differ: nothing to compare")


def arguments(parser: Parser) -> None:
    """Add the options that only this subject has."""
    parser.add_argument("--data", type=folder(), help="folder of the CSV files (else ../shared/data)")
    parser.add_argument("--tables", type=names(TABLES), help=f"some of {','.join(TABLES)} (all)")
    parser.add_argument("--contenders", type=names(CONTENDERS), help=f"some of {','.join(CONTENDERS)} (all)")
    parser.add_argument("--limits", type=names(SECONDS), help=f"seconds: some of {','.join(SECONDS)} (all)")
    parser.add_argument("--seeds", type=integer(SEEDS), help="only so many seeds, from 0 (all)")


BENCHES = (
    Bench("quality", "How good a model a minute brings", CORE, cases, sections, check, anywhere=True, readme=readme),
)

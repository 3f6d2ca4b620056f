"""`ash` beside AutoML, trees and another network: each fits three quarters of a table and is scored on the rest.

The errors are 1 - AUC for two classes, the log loss for more classes, and the root mean squared error for numeric
targets, in the units of the target. All contenders are told the metric. A case is one fit in a separate process, pinned
to one core; as many cases run at once as there are cores. The seed determines the split. Only `ash` has more than one,
for compare.py. A first fit on a few rows, which is not timed, loads the code. The limit is 60 seconds. `ash` is also
fitted with 2, 5 and 15 seconds, and both `ash` and AutoGluon with 300 seconds on every third table.

The bench favors the peers in some ways. CatBoost and RealMLP have no time limit. The last fit of the tuned trees
exceeds their limit and uses all rows, while networks hold some rows out. The best of six peers on a table is the best
partly by luck. In one way it favors `ash`, which was developed on many of these tables.

The bench takes hours. --tables, --contenders, --limits and --seeds choose what to measure now; other results are kept.
"""

from __future__ import annotations

import os
import queue
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from bench.arguments import Parser, folder, integer, names
from bench.machine import CORE, cpus
from bench.processes import ONE_THREAD, call
from bench.quality.contenders import CONTENDERS, OURS
from bench.quality.page import readme, sections
from bench.quality.plan import SECONDS, SEEDS, Fit, fits
from bench.quality.tables import TABLES, split
from bench.record import Bench, Case

LEAST_ACCURACY = 0.9
MOST_SECONDS = 900.0  # limit for a fit and the untimed first fit together; a peer that takes longer has failed


def cases(options: Namespace) -> Sequence[Case]:
    """Return the cases of the chosen fits."""
    return [
        Case(
            fit.key,
            partial(_run, fit, options.data),
            measures=CORE if fit.contender == OURS else (),
            packages=CONTENDERS[fit.contender].packages,
        )
        for fit in fits(options.quick)
        if fit.table in (options.tables or TABLES)
        and fit.contender in (options.contenders or CONTENDERS)
        and f"{fit.limit:g}" in (options.limits or SECONDS)
        and fit.seed < (options.seeds or fit.seed + 1)
    ]


def _run(fit: Fit, folder: str | None) -> dict[str, Any]:
    """Measure a fit; return its values, or why it has none. If `ash` fails, the bench ends; a peer may fail."""
    missing = CONTENDERS[fit.contender].missing() or TABLES[fit.table].missing(folder)
    if missing is not None:
        return {"skipped": missing}
    told = {**vars(fit), "folder": folder, "threads": 1}
    environment = {**ONE_THREAD, "PYTHONWARNINGS": "ignore"}
    try:
        with _own_core():
            return dict(call("bench.quality.measure", "measure", told, environment, MOST_SECONDS))
    except SystemExit as error:
        if fit.contender == OURS:
            raise
        return {"failed": str(error.code)}


@contextmanager
def _own_core() -> Iterator[None]:
    """Pin this thread and the processes that it starts to a core that no other case uses."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before, core = os.sched_getaffinity(0), _cores().get()
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        _cores().put(core)


@cache
def _cores() -> queue.SimpleQueue[int]:
    """Return a queue of the cores that no case uses."""
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for core in sorted(os.sched_getaffinity(0)):
        free.put(core)
    return free


def check(_: Namespace) -> None:
    """End the bench unless ash learns, and two fits without a time limit have the same result."""
    from ash import ASHClassifier

    rows = split("digits", None, 0, categories=False)
    first, second = (ASHClassifier(candidates=8, random_state=0).fit(rows.x, rows.y) for _ in range(2))
    accuracy = first.score(rows.x_test, rows.y_test)
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"ash: an accuracy of {accuracy:.4f} on the digits: nothing to compare")
    if first.result_.digest != second.result_.digest:
        raise SystemExit("ash: two fits with the same arguments differ: nothing to compare")


def arguments(parser: Parser) -> None:
    """Add this subject's own options."""
    parser.add_argument("--data", type=folder(), help="folder of the CSV files (else ../shared/data)")
    parser.add_argument("--tables", type=names(TABLES), help=f"some of {','.join(TABLES)} (all)")
    parser.add_argument("--contenders", type=names(CONTENDERS), help=f"some of {','.join(CONTENDERS)} (all)")
    parser.add_argument("--limits", type=names(SECONDS), help=f"seconds: some of {','.join(SECONDS)} (all)")
    parser.add_argument("--seeds", type=integer(len(SEEDS)), help="the number of seeds, counted from 0 (all)")


BENCHES = (
    Bench(
        *("quality", "How good a model a minute brings", CORE, cases, sections, check),
        anywhere=True,
        at_once=cpus,
        readme=readme,
    ),
)

"""The estimated score of `ash` beside its score on held-out rows: the fits of the bench `quality`, with a short limit.

Each fit sees three quarters of a table. The model's estimated score and the best score of the search are compared with
the model's score on the other rows: (estimated - held out) / root of the sum of both squared standard errors. An honest
estimate has a mean of about 0 and a standard deviation of about 1. The best score is optimistic. The standard error
that it is compared with is that of the estimate, since it has none.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean, stdev
from typing import Any

from bench.arguments import Parser, folder, integer, names
from bench.figures import Section, Table, Text
from bench.machine import CORE, cpus
from bench.quality import run_fit
from bench.quality.contenders import CONTENDERS, OURS
from bench.quality.measure import COMPARED
from bench.quality.plan import QUICK_TABLES, SEEDS, Fit
from bench.quality.tables import TABLES
from bench.record import Bench, Case

LIMIT, QUICK_LIMIT = 10.0, 2.0
MEAN, SPREAD = (-0.5, 0.2), (0.8, 1.3)
"""The required ranges of the mean and of the standard deviation for the estimated score."""
ESTIMATES = {"estimated score": "estimated", "best score": "best"}
"""For each row of the summary, the name of its error in a measured fit."""


def key_of(table: str, seed: int) -> str:
    """Return the key under which a fit is recorded."""
    return f"{table}, seed {seed}"


def cases(options: Namespace) -> Sequence[Case]:
    """Return a case per table and seed."""
    limit = QUICK_LIMIT if options.quick else LIMIT
    tables = options.tables or (QUICK_TABLES if options.quick else TABLES)
    seeds = SEEDS[: 1 if options.quick else options.seeds or len(SEEDS)]
    packages = CONTENDERS[OURS].packages
    return [
        Case(key_of(table, seed), partial(run_fit, Fit(table, OURS, limit, seed), options.data), packages=packages)
        for seed in seeds
        for table in tables
    ]


def deviations(table: str, run: Mapping[str, Any]) -> dict[str, float]:
    """Return how far the estimated and the best score are above the held-out one, in standard errors."""
    error = run[COMPARED[TABLES[table].kind]]
    both = math.hypot(run["estimated_deviation"], run["deviation"])
    return {name: (error - run[own]) / both for name, own in ESTIMATES.items()}


def sections(values: Mapping[str, Any]) -> Sequence[Section]:
    """Return the summary, and a table of all tables."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for seed in SEEDS:
        for table in TABLES:
            run = values.get(key_of(table, seed), {})
            if "estimated" in run:
                found.setdefault(table, []).append(run)
    runs = sum(map(len, found.values()))
    if runs < 2:
        return [Text("Fewer than two fits are on record.")]
    each = {table: [deviations(table, run) for run in own] for table, own in found.items()}
    summary = []
    for name in ESTIMATES:
        units = [one[name] for own in each.values() for one in own]
        is_met = MEAN[0] <= fmean(units) <= MEAN[1] and SPREAD[0] <= stdev(units) <= SPREAD[1]
        summary.append([name, f"{fmean(units):+.2f}", f"{stdev(units):.2f}", "yes" if is_met else "NO"])
    rows = [
        [
            table,
            str(own[0]["rows"]),
            *(f"{fmean(run[name] for run in own):.4g}" for name in (*ESTIMATES.values(), COMPARED[TABLES[table].kind])),
            *(f"{fmean(one[name] for one in each[table]):+.2f}" for name in ESTIMATES),
        ]
        for table, own in found.items()
    ]
    ranges = f"mean {MEAN[0]} to {MEAN[1]}, standard deviation {SPREAD[0]} to {SPREAD[1]}"
    note = f"Over {runs} fits of {len(found)} tables. Required of the estimated score: {ranges}."
    header = ["table", "rows", "estimated", "best", "held out", "estimated - held out", "best - held out"]
    about = "Errors, as in `quality`, and differences of scores in standard errors; means over the seeds."
    return [
        Table("Estimated and best score, above the held-out one", ["", "mean", "sd", "required"], summary, note),
        Table("Table by table", header, rows, about),
    ]


def arguments(parser: Parser) -> None:
    """Add this subject's own options."""
    parser.add_argument("--data", type=folder(), help="folder of the CSV files (else ../shared/data)")
    parser.add_argument("--tables", type=names(TABLES), help=f"some of {','.join(TABLES)} (all)")
    parser.add_argument("--seeds", type=integer(len(SEEDS)), help="the number of seeds, counted from 0 (all)")


BENCHES = (Bench("honest", "How honest the estimated score is", CORE, cases, sections, anywhere=True, at_once=cpus),)

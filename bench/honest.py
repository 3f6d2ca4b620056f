"""The estimated score of `ash` beside its score on held-out rows.

Each fit sees three quarters of a table of the bench `quality`, and is scored on the rest, in the metric of that bench.
The page shows (estimated - held out) / root of the sum of both squared standard errors, for the model's estimated score
and for the best score of its search. An honest estimate has a mean of about 0 and a standard deviation of about 1. The
best score has no standard error, so that of the estimate is used. Fits end by work, not by seconds, so they have the
same results on all machines.
"""

from __future__ import annotations

import math
import warnings
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean, stdev
from typing import Any

from bench.arguments import Parser, folder, integer, names
from bench.figures import Section, Table, Text
from bench.machine import CORE, cpus
from bench.processes import call
from bench.quality.contenders import Task
from bench.quality.measure import COMPARED, scores
from bench.quality.plan import QUICK_TABLES, SEEDS
from bench.quality.tables import BINARY, TABLES, split
from bench.record import Bench, Case

WORK, QUICK_WORK = 5e11, 2e10  # operations; the first takes 10 to 30 seconds on one core
MEAN, SPREAD = (-0.5, 0.2), (0.8, 1.3)  # required of the estimated score
NAMES = ("estimated", "best")


def measure(table: str, seed: int, work: float, data: str | None) -> dict[str, Any]:
    """Return the held-out, the estimated and the best score of one fit, and their standard error."""
    import ash

    warnings.simplefilter("ignore")
    rows, kind = split(table, data, seed, categories=False), TABLES[table].kind
    scoring = Task(kind, seed, 0.0, 1).metric("roc_auc", "neg_log_loss", "neg_root_mean_squared_error")
    told = {"scoring": scoring, "config": ash.SearchConfig(work_limit=work, models=["network", "lightgbm"])}
    estimator = ash.ASHClassifier if rows.classes else ash.ASHRegressor
    model = estimator(random_state=seed, n_jobs=1, **told).fit(rows.x, rows.y)
    found = scores(model, rows)
    return {
        "rows": len(rows.y),
        "held out": (kind == BINARY) - found[COMPARED[kind]],
        "estimated": model.estimated_score_,
        "best": model.best_score_,
        "std_error": math.hypot(model.estimated_score_std_error_, found["deviation"]),
    }


def cases(options: Namespace) -> Sequence[Case]:
    """Return a case per seed and table."""
    tables, work = options.tables or (QUICK_TABLES if options.quick else TABLES), QUICK_WORK if options.quick else WORK
    return [
        Case(f"{table}, seed {seed}", partial(_run, {"table": table, "seed": seed, "work": work, "data": options.data}))
        for seed in SEEDS[: options.seeds or (1 if options.quick else None)]
        for table in tables
    ]


def _run(told: Mapping[str, Any]) -> dict[str, Any]:
    missing = TABLES[told["table"]].missing(told["data"])
    return {"skipped": missing} if missing else dict(call("bench.honest", "measure", told))


def sections(values: Mapping[str, Any]) -> Sequence[Section]:
    """Return the summary, and a row per table."""
    found: dict[str, list[Mapping[str, float]]] = {}
    for key, run in values.items():
        if "estimated" in run:
            above = {f"above {name}": (run[name] - run["held out"]) / run["std_error"] for name in NAMES}
            found.setdefault(key.partition(",")[0], []).append({**run, **above})
    runs, shown = [run for own in found.values() for run in own], (*NAMES, "held out")
    if len(runs) < 2:
        return [Text("Fewer than two fits are on record.")]
    summary = []
    for name in NAMES:
        units = [run[f"above {name}"] for run in runs]
        is_met = MEAN[0] <= fmean(units) <= MEAN[1] and SPREAD[0] <= stdev(units) <= SPREAD[1]
        summary.append([f"{name} score", f"{fmean(units):+.2f}", f"{stdev(units):.2f}", "yes" if is_met else "NO"])
    rows = [
        [table, str(each[0]["rows"]), *(f"{fmean(run[name] for run in each):.4g}" for name in shown)]
        + [f"{fmean(run[f'above {name}'] for run in each):+.2f}" for name in NAMES]
        for table, each in sorted(found.items(), key=lambda item: -fmean(run["above estimated"] for run in item[1]))
    ]
    note = f"In standard errors, over {len(runs)} fits of {len(found)} tables. Required of the estimated score: a mean "
    note += f"from {MEAN[0]} to {MEAN[1]} and a standard deviation from {SPREAD[0]} to {SPREAD[1]}."
    header = ["table", "rows", *shown, "estimated - held out", "best - held out"]
    return [
        Table("Scores above the held-out one", ["", "mean", "standard deviation", "required"], summary, note),
        Table("Table by table", header, rows, "Means over the seeds; the differences are in standard errors."),
    ]


def arguments(parser: Parser) -> None:
    """Add this subject's own options."""
    parser.add_argument("--data", type=folder(), help="folder of the CSV files (else ../shared/data)")
    parser.add_argument("--tables", type=names(TABLES), help=f"some of {','.join(TABLES)} (all)")
    parser.add_argument("--seeds", type=integer(len(SEEDS)), help="the number of seeds, counted from 0 (all)")


_ABOUT = ("honest", "How honest the estimated score is", CORE, cases, sections)
BENCHES = (Bench(*_ABOUT, packages=("lightgbm", "scikit-learn"), anywhere=True, at_once=cpus),)

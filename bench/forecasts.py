"""What it is worth to rank candidates by what their score will be after the next rung, and not by the score.

On four tables, of which adult and california have played a part in how forecasts were made and the others have not,
every candidate is trained through all rungs of `ASHSearchCV`: 4, 20 and 100 trees or rounds, three folds. Then halving
with barriers is played on these scores, on draws of the candidates: each rung keeps the best quarter, by score or by
forecast, and who is best at the top is compared with the best of the draw.

    regret     how much worse that is, as a share of the best score, mean over the draws
    rank       Spearman's correlation of what ranks in a rung with the scores at the top

The epochs are the same for both. 4,000 rows of a table at most, and two threads.
What favours whom: few rows and accuracy leave much to chance, and forecasts add to what chance there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.child import call
from bench.datasets import table_file
from bench.forecasts_run import FAMILIES
from bench.searches import missing
from bench.searches_models import MODELS
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

TABLES = {
    "adult": "classification",
    "california": "regression",
    "optdigits_train": "classification",
    "winequality_white": "regression",
}
CANDIDATES, QUICK_CANDIDATES = 32, 6


def check() -> None:
    """End unless the laws of learning curves foretell scores that follow them."""
    from ash.search.forecast import AVERAGE, ROUNDS, forecast

    curves = {
        (AVERAGE, (2, 4)): lambda t: 0.9 - 0.3 / t,
        (ROUNDS, (0, 2, 5)): lambda t: 0.9 - 0.4 * 0.83**t,
        (ROUNDS, (4, 20)): lambda t: 0.1 * np.log(t),
    }
    for (law, epochs), curve in curves.items():
        if abs(forecast(law, [(t, curve(t)) for t in epochs], 60) - curve(60)) > 1e-9:
            raise SystemExit(f"a learning curve by the law {law!r} is not foretold")


def bench(options: Options) -> Bench:
    """Make a case of each table and family of models."""
    candidates = QUICK_CANDIDATES if options.quick else CANDIDATES
    families, tables = (FAMILIES[:1], list(TABLES)[:1]) if options.quick else (FAMILIES, list(TABLES))
    cases = [
        Case(f"{table}, {model}", partial(_run, table_file(options.data, f"{table}.csv.gz"), table, model, candidates))
        for table in tables
        for model in families
    ]
    return Bench(cases, sections, check, ("scikit-learn", "lightgbm", "xgboost"))


def _run(file: Path, table: str, model: str, candidates: int) -> dict[str, Any]:
    whose = {"table": table, "model": model}
    why = missing(file, MODELS[model].package)
    if why is not None:
        return {**whose, "skipped": why}
    given = {"file": str(file), "classifies": TABLES[table] == "classification", "model": model}
    return {**whose, **call("bench.forecasts_run", "measure", {**given, "candidates": candidates})}


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return the table."""
    header = [
        "table and model",
        "best",
        "regret by score",
        "by forecast",
        "rank in rung 0",
        "forecast",
        "in rung 1",
        "forecast",
    ]
    rows = [_row(run) for run in results.values()]
    found = [run for run in results.values() if "skipped" not in run]
    note = "Regrets in percent of the best score: accuracy, or root mean squared error, negated."
    if found:
        means = [np.mean([run["regret"][by] for run in found]) for by in ("score", "forecast")]
        note += f" Mean regret: {means[0]:.3f} % by score, {means[1]:.3f} % by forecast."
    return [Table("Ranking by score and by forecast", header, rows, note)]


def _row(run: Mapping[str, Any]) -> list[str]:
    label = f"{run['table']}, {run['model']}"
    if "skipped" in run:
        return [label, run["skipped"], *[""] * 6]
    regrets = [f"{run['regret'][by]:.3f}" for by in ("score", "forecast")]
    ranks = [f"{rank:.2f}" for rung in run["ranks"] for rank in (rung["score"], rung["forecast"])]
    return [label, f"{run['best']:.4f}", *regrets, *ranks]

"""Searches over models as people tune them, by ASHSearchCV, scikit-learn's halving and Optuna: how good, in what time.

A random forest, LightGBM, XGBoost, a pipeline with categories and a PyTorch module, on adults and Californian houses:
64 candidates of the same grid, three folds, two threads, the best fitted to all rows; a quarter of them is held out.
What favours whom: halving takes only a few candidates near the top; Optuna learns from its trials, which have all their
epochs but where those of the first folds are worse than the median's. Required: as good as the others by less than half
a percent of the metric, in less time. One seed unless `--seeds` says more.

It takes most of an hour, so what results/searches.json holds stays on record: a search of others counts until their
packages have other versions, one of ours until its code has changed; on another processor all begin anew.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.child import call
from bench.datasets import table_file
from bench.machine import ROOT, package_commit, versions_of
from bench.searches_models import MODELS, TABLES
from bench.searches_run import CONTENDERS, NEEDS, OURS
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

CANDIDATES, QUICK_CANDIDATES = 64, 4
QUICK_MODELS = ("random forest", "LightGBM")
THREADS = 2
AS_GOOD = 0.005  # of the metric


def check() -> None:
    """End unless the score of a search is that of one fit by the same parameters, fold by fold."""
    from sklearn.base import clone
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    import ash

    x, y = load_wine(return_X_y=True)
    search = ash.ASHSearchCV(
        RandomForestClassifier(n_estimators=30), {"max_depth": [2, 4, 8]}, candidates=3, cv=3, random_state=0
    ).fit(x, y)
    alone = cross_val_score(clone(search.best_estimator_), x, y, cv=3)
    if list(alone) != [search.cv_results_[f"split{fold}_test_score"][search.best_index_] for fold in range(3)]:
        raise SystemExit("ASHSearchCV: a forest that was trained on is not the one that is trained at once")


def bench(options: Options) -> Bench:
    """Make a case of each search; those that are compared follow each other."""
    seeds = range(1 if options.quick else options.seeds or 1)
    tables, models = (list(TABLES)[:1], QUICK_MODELS) if options.quick else (list(TABLES), tuple(MODELS))
    candidates = QUICK_CANDIDATES if options.quick else CANDIDATES
    cases = [
        _case(table_file(options.data, f"{table}.csv.gz"), table, model, contender, seed, candidates)
        for seed in seeds
        for table in tables
        for model in models
        for contender in CONTENDERS
    ]
    packages = ("scikit-learn", "lightgbm", "xgboost", "torch", "skorch", "optuna")
    return Bench(cases, sections, check, packages, kept=not options.quick)


def missing(file: Path, *packages: str) -> str | None:
    """Return what a search on a file needs and has not."""
    for package in ("pandas", *packages):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return None if file.is_file() else f"no file {os.path.relpath(file, ROOT)}"


def _case(file: Path, table: str, model: str, contender: str, seed: int, candidates: int) -> Case:
    of = depends_on(model, contender)
    return Case(
        f"{table}, {model}, {contender}, seed {seed}",
        partial(_run, file, table, model, contender, seed, candidates, of),
        lambda value: "skipped" not in value and value["of"] == of,
    )


def depends_on(model: str, contender: str) -> dict[str, str]:
    """Return what a search depends on besides its arguments: the processor, packages, and the commit of ours."""
    packages = {"scikit-learn", MODELS[model].package, NEEDS.get(contender, "scikit-learn")} - {"sklearn"}
    found = versions_of(sorted(packages | ({"torch"} if "skorch" in packages else set())))
    return {**found, "ash": package_commit()} if contender == OURS else found


def _run(
    file: Path, table: str, model: str, contender: str, seed: int, candidates: int, of: Mapping[str, str]
) -> dict[str, Any]:
    whose = {"table": table, "model": model, "contender": contender, "seed": seed}
    why = missing(file, MODELS[model].package, NEEDS.get(contender, "sklearn"))
    if why is not None:
        return {**whose, "of": of, "skipped": why}
    given = {"file": str(file), "candidates": candidates, "threads": THREADS, **whose}
    return {**whose, "of": of, **call("bench.searches_run", "measure", given)}


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return a table for each table of data."""
    return [_table(name, [each for each in results.values() if each["table"] == name]) for name in TABLES]


def _table(name: str, found: Sequence[Mapping[str, Any]]) -> Table:
    header = ["model and search", "seed", "held out", "folds", "seconds", "by ash", "epochs of a fold", "required"]
    ours = {(run["model"], run["seed"]): run for run in found if run["contender"] == OURS and "skipped" not in run}
    rows = [_row(run, ours.get((run["model"], run["seed"]))) for run in found]
    metric = "accuracy" if TABLES[name] == "classification" else "root mean squared error, negated"
    rows_of = max((f", {run['rows']:,} rows to search on" for run in found if "rows" in run), default="")
    note = (
        f"The metric is {metric}{rows_of}. Epochs are trees, rounds or passes, all candidates together, for each fold. "
        "By ash: the ratio of seconds. Required: ash takes less time and its score over the folds is as good."
    )
    return Table(f"Searches on {name}", header, rows, note)


def _row(run: Mapping[str, Any], ours: Mapping[str, Any] | None) -> list[str]:
    label = f"{run['model']}, {run['contender']}"
    if "skipped" in run:
        return [label, str(run["seed"]), run["skipped"], *[""] * 5]
    held = "-"
    if ours is not None and run is not ours:
        good = ours["score"] >= run["score"] - AS_GOOD * abs(run["score"])
        held = "yes" if good and ours["seconds"] < run["seconds"] else "NO"
    return [
        label,
        str(run["seed"]),
        f"{run['test']:.4f}",
        f"{run['score']:.4f}",
        f"{run['seconds']:.1f}",
        "-" if ours is None else f"{run['seconds'] / ours['seconds']:.2f}",
        f"{run['epochs']:,.0f}",
        held,
    ]

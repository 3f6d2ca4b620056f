"""Searches over models as people tune them, by ASHSearchCV, scikit-learn's halving and Optuna, on two threads.

A random forest, LightGBM, XGBoost, a pipeline with categories and a PyTorch module are tuned on four tables (adult,
california, optdigits_train and winequality_white). Each search has 64 candidates from the same grid and three folds,
and fits the best candidate to all rows. A quarter of the table is held out.

The searches differ in how they spend time. Halving trains only a few candidates to the top rungs. Optuna learns from
its trials, which train in full unless their first folds (or rounds) are worse than the median. `ash` ranks forests and
boosting by forecasts of their scores (python/ash/sklearn/forecast.py). Required of `ash`:
a score within 0.5 % of each peer's score, in less time.

"ash in the same time" has 95 % of the time that "Optuna by rounds" took. All searches take about two hours per seed.
"""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.arguments import Parser, folder, integer, names
from bench.datasets import table_file
from bench.figures import Section, Table
from bench.machine import CORE
from bench.processes import call
from bench.record import Bench, Case, Record
from bench.searches.measure import AS_LONG, BY_ROUNDS, CONTENDERS, NEEDS, OURS
from bench.searches.models import MODELS, TABLES

CANDIDATES, QUICK_CANDIDATES = 64, 4
QUICK_MODELS = ("random forest", "LightGBM")
THREADS, MOST_SEEDS = 2, 10
AS_GOOD, SHARE_OF_TIME = 0.005, 0.95  # allowed difference to a peer's score; see the docstring


def check(_: Namespace) -> None:
    """End the bench unless a search's scores equal those of single fits with the same parameters, fold by fold."""
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
        raise SystemExit("ASHSearchCV: a forest that was trained further is not the one that is trained at once")


def cases(options: Namespace) -> Sequence[Case]:
    """Return one case per search; compared searches follow each other."""
    return [
        Case(
            f"{table}, {model}, {contender}, seed {seed}",
            partial(_run, options, table, model, contender, seed),
            measures=CORE if contender in (OURS, AS_LONG) else (),
            packages=packages(model, contender),
        )
        for seed in range(1 if options.quick else options.seeds)
        for table in options.tables or (list(TABLES)[:1] if options.quick else TABLES)
        for model in options.models or (QUICK_MODELS if options.quick else MODELS)
        for contender in options.contenders or CONTENDERS
    ]


def packages(model: str, contender: str) -> tuple[str, ...]:
    """Return the packages, without ash, whose versions affect a search."""
    found = {"scikit-learn", MODELS[model].package, NEEDS.get(contender, "scikit-learn")} - {"sklearn"}
    return tuple(sorted(found | ({"torch"} if "skorch" in found else set())))


def _run(options: Namespace, table: str, model: str, contender: str, seed: int) -> dict[str, Any]:
    file = table_file(options.data, f"{table}.csv.gz")
    whose = {"table": table, "model": model, "contender": contender, "seed": seed}
    if (why := missing(file, MODELS[model].package, NEEDS.get(contender, "sklearn"))) is not None:
        return {**whose, "skipped": why}
    given = {"file": str(file), "candidates": QUICK_CANDIDATES if options.quick else CANDIDATES, "limit": 0.0}
    if contender == AS_LONG:
        others = Record(options.results / "searches.json").values()
        other = others.get(f"{table}, {model}, {BY_ROUNDS}, seed {seed}", {})
        if "seconds" not in other:
            return {**whose, "skipped": f"{BY_ROUNDS} is not on record"}
        given["limit"] = SHARE_OF_TIME * other["seconds"]
    return {**whose, **call("bench.searches.measure", "measure", {**given, **whose, "threads": THREADS})}


def missing(file: Path, *needed: str) -> str | None:
    """Return which package or file is missing, in a few words; None if nothing is missing."""
    for package in ("pandas", *needed):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (pip install '.[peers]')"
    return None if file.is_file() else f"no file {file.name}; --data says where"


def sections(values: Mapping[str, Any]) -> Sequence[Section]:
    """Return a table of paired comparisons of ash with each other search, and one results table per data table."""
    found = {name: [each for each in values.values() if each["table"] == name] for name in TABLES}
    pairs = _pairs([run for run in values.values() if "skipped" not in run])
    return [pairs] * bool(pairs.rows) + [_table(name, runs) for name, runs in found.items() if runs]


def _case(run: Mapping[str, Any]) -> tuple[str, str, int]:
    return run["table"], run["model"], run["seed"]


def _pairs(runs: Sequence[Mapping[str, Any]]) -> Table:
    ours = {name: {_case(run): run for run in runs if run["contender"] == name} for name in (OURS, AS_LONG)}
    rows = []
    for name in [each for each in CONTENDERS if each not in ours and each in {run["contender"] for run in runs}]:
        rows.append([name])
        for by, share in ((OURS, AS_GOOD), (OURS, 0.0), (AS_LONG, 0.0)):
            if by == AS_LONG and name != BY_ROUNDS:
                rows[-1].append("-")
                continue
            pairs = [(ours[by][_case(run)], run) for run in runs if run["contender"] == name and _case(run) in ours[by]]
            rows[-1].append(f"{sum(_is_better(own, other, share) for own, other in pairs)} of {len(pairs)}")
    header = ["search", f"{OURS}, as required", f"{OURS}, score at least equal", f"{AS_LONG}, score at least equal"]
    return Table("Pairs won by ash in less time, by the score over the folds", header, rows)


def _is_better(own: Mapping[str, Any], other: Mapping[str, Any], share: float) -> bool:
    return bool(own["score"] >= other["score"] - share * abs(other["score"]) and own["seconds"] < other["seconds"])


def _table(name: str, found: Sequence[Mapping[str, Any]]) -> Table:
    header = ["model and search", "seed", "held out", "folds", "seconds", "by ash", "epochs per fold", "required"]
    ours = {_case(run): run for run in found if run["contender"] == OURS and "skipped" not in run}
    rows = [_row(run, ours.get(_case(run))) for run in found]
    metric = "accuracy" if TABLES[name] == "classification" else "root mean squared error, negated"
    note = (
        f"The metric is {metric}. Epochs are trees, rounds or passes per fold, of all candidates together. By ash: the "
        "ratio of seconds. Required: ash takes less time and its score over the folds is as good."
    )
    return Table(f"Searches on {name}", header, rows, note)


def _row(run: Mapping[str, Any], ours: Mapping[str, Any] | None) -> list[str]:
    label = f"{run['model']}, {run['contender']}"
    if "skipped" in run:
        return [label, str(run["seed"]), run["skipped"], *[""] * 5]
    is_ours = run["contender"] in (OURS, AS_LONG)
    held = "-" if ours is None or is_ours else "yes" if _is_better(ours, run, AS_GOOD) else "NO"
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


def arguments(parser: Parser) -> None:
    """Add this subject's own options."""
    parser.add_argument("--data", type=folder(), help="folder of the CSV files (else ../shared/data)")
    parser.add_argument("--tables", type=names(TABLES), help=f"some of {','.join(TABLES)} (all)")
    parser.add_argument("--models", type=names(MODELS), help=f"some of {','.join(MODELS)} (all)")
    parser.add_argument("--contenders", type=names(CONTENDERS), help=f"some of {','.join(CONTENDERS)} (all)")
    parser.add_argument("--seeds", type=integer(MOST_SEEDS), default=1, help="the number of seeds, counted from 0 (1)")


BENCHES = (Bench("searches", "Searches over models", CORE, cases, sections, check),)

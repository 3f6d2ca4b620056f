"""A fit on raw columns: `ASHClassifier` on the UCI adults as pandas reads them, beside gradient boosting of trees.

A seed is that of the split and of the fit: a quarter of the rows, by class, is held out and tested on. A first fit on
few rows loads what is loaded once. Boosting is shown on one thread too: its threads wait for each other thousands of
times a second, which costs more than it brings wherever another process uses their cores.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.child import call
from bench.datasets import adult_file
from bench.figures import ratios, shown, spread, timed
from bench.machine import ROOT, cpus
from bench.sections import Section, Table
from bench.suite import Case, Options

SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
CANDIDATES, QUICK_CANDIDATES = 128, 8
SCORINGS = {"ash": None, "ash, neg_log_loss": "neg_log_loss", "ash, roc_auc": "roc_auc"}
LIGHTGBM, HISTOGRAMS = "LightGBM", "HistGradientBoosting"
TREES = (LIGHTGBM, HISTOGRAMS)
FIRST_ROWS = 1_000


def _model(name: str, seed: int, candidates: int, threads: int) -> Any:
    if name == LIGHTGBM:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(verbose=-1, n_jobs=threads, random_state=seed)
    if name == HISTOGRAMS:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    from ash import ASHClassifier

    return ASHClassifier(candidates=candidates, scoring=SCORINGS[name], random_state=seed)


def measure(file: str, name: str, seed: int, candidates: int, threads: int) -> dict[str, float]:
    """Return the error on the rows held out, and what the fit took; for a process of its own."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    table = pd.read_csv(file)
    y = table.pop("target")
    if name in TREES:
        table = table.assign(**{each: table[each].astype("category") for each in table.select_dtypes(exclude="number")})
    x, x_test, y, y_test = train_test_split(table, y, test_size=0.25, random_state=seed, stratify=y)
    _model(name, seed, 2, threads).fit(x[:FIRST_ROWS], y[:FIRST_ROWS])
    seconds, model = timed(lambda: _model(name, seed, candidates, threads).fit(x, y))
    return {"seconds": seconds, "error": 1 - float(model.score(x_test, y_test)), "test_rows": len(y_test)}


def _missing(file: Path, name: str) -> str | None:
    """Return what is not there, in a few words."""
    for package in ("pandas", *(["lightgbm"] if name == LIGHTGBM else [])):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return None if file.is_file() else f"no file {os.path.relpath(file, ROOT)}"


def _case(file: Path, name: str, threads: int, seed: int, candidates: int) -> dict[str, Any]:
    whose = {"name": name, "threads": threads, "seed": seed}
    missing = _missing(file, name)
    if missing is not None:
        return {**whose, "skipped": missing}
    found = call(
        "bench.frames_adult",
        "measure",
        {"file": str(file), "candidates": candidates, **whose},
        {"OMP_NUM_THREADS": str(threads)},
    )
    return {**whose, "candidates": candidates, **found}


def cases(options: Options) -> list[Case]:
    """Return a case for each fit; those of one seed follow each other, since they are compared."""
    seeds, candidates = (QUICK_SEEDS, QUICK_CANDIDATES) if options.quick else (SEEDS, CANDIDATES)
    fits = [(name, cpus()) for name in SCORINGS]
    fits += [(name, threads) for name in TREES for threads in sorted({cpus(), 1}, reverse=True)]
    file = adult_file(options.data)
    return [
        Case(f"adult, {name}, {_threads(threads)}, seed {seed}", partial(_case, file, name, threads, seed, candidates))
        for seed in seeds
        for name, threads in fits
    ]


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def sections(results: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Return errors and seconds, a row a fit, over the seeds."""
    fits: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for result in results:
        fits.setdefault((result["name"], result["threads"]), []).append(result)
    header = ["fit", "seeds", "test error %", "to LightGBM's", "seconds", "by ash"]
    rows = [_row(found, fits) for found in fits.values()]
    candidates = max((result["candidates"] for result in results if "candidates" in result), default=CANDIDATES)
    tested = max(
        (f", {result['test_rows']:,} rows to test on" for result in results if "test_rows" in result), default=""
    )
    note = (
        f"Minimum / median / maximum over the seeds; each has a split of its own{tested}. To "
        "LightGBM's: median of the differences for the same split, in percentage points; above 0 is worse. By ash: "
        f"the ratio of seconds for the same seed. ash: {candidates} candidates, scored by accuracy unless said."
    )
    return [Table("Adults, raw columns: held-out error and seconds of the fit", header, rows, note)]


def _row(found: Sequence[Mapping[str, Any]], fits: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]]) -> list[str]:
    name, threads = found[0]["name"], found[0]["threads"]
    label = f"{name}, {_threads(threads)}"
    if any("skipped" in run for run in found):
        return [label, "", next(run["skipped"] for run in found if "skipped" in run), "", "", ""]
    errors = [100 * run["error"] for run in found]
    seconds = [run["seconds"] for run in found]
    boosted, ours = (_of(fits, other) for other in (LIGHTGBM, "ash"))
    apart = [100 * (run["error"] - other["error"]) for run, other in zip(found, boosted, strict=bool(boosted))]
    return [
        label,
        str(len(found)),
        shown(spread(errors), ".2f"),
        f"{median(apart):+.2f}" if apart else "-",
        shown(spread(seconds), ".3g"),
        shown(ratios(seconds, [run["seconds"] for run in ours]), ".2f"),
    ]


def _of(fits: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]], name: str) -> Sequence[Mapping[str, Any]]:
    """Return the runs of the fit of this name on the most threads; none if they were skipped."""
    runs = fits[max(fit for fit in fits if fit[0] == name)]
    return [] if any("skipped" in run for run in runs) else runs

"""What calibration is worth to an ensemble: searches, each averaged in three ways.

    search -> networks kept -> as trained -> greedy selection, by which the others are shown
                            -> calibrated -> greedy selection: what ash does
                            -> calibrated -> greedy selection where it is better by more than noise, else the best alone

A search is trained once, without a refit, so all three have the same networks. Compared by error and log loss on the
rows held out. Only labels are scored here, so of numbers calibration changes nothing and is left out. One thread, in a
process of its own, and no time limit, so nothing depends on seconds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import selection
from ash.calibration import sharpened
from ash.ensemble import average
from ash.kept import Kept
from bench.ablation_figures import ERROR, LOG_LOSS, Run, fits_of_searches, ratio_rows
from bench.ablation_final import Search
from bench.ablation_variants import SELECTION
from bench.quality_data import Split, split
from bench.quality_run import log_loss, root_mean_square
from bench.sections import Section, Table

TABLES = ("diabetes", "breast_cancer", "digits", "winequality_white", "optdigits", "california", "letter", "adult")
SEEDS = 4
RAW, GREEDY, CAUTIOUS, BEST = "raw", "greedy", "cautious", "best"
KINDS: Mapping[str, str] = {  # in tables
    GREEDY: "what ash does: calibrated, greedy",
    CAUTIOUS: "the same, but the best network alone unless that is better by more than noise",
    BEST: "the best network alone, calibrated",
}
TITLES = {ERROR: "Error", LOG_LOSS: "Log loss"}


def selections(quick: bool, seeds: int | None = None) -> Iterator[Search]:
    """Yield a search a table; of the first seeds only where that is said."""
    if quick:
        yield Search("wine", 1, part=SELECTION, candidates=8, first=2, rungs=2)
        return
    most = SEEDS if seeds is None else min(seeds, SEEDS)
    yield from (Search(table, most, part=SELECTION) for table in TABLES)


def measure(
    table: str, seeds: int, candidates: int, first: int, rungs: int, draws: int, folder: str | None
) -> dict[str, Any]:
    """Return error and log loss of each kind, a search a seed."""
    warnings.simplefilter("ignore")
    found = []
    for seed in range(seeds):
        data = split(table, None if folder is None else Path(folder), seed, categories=False)
        estimator = ash.ASHClassifier if data.classes else ash.ASHRegressor
        told = {"candidates": candidates, "min_epochs": first, "max_rungs": rungs}
        fitted = estimator(**told, refit=False, n_jobs=1, random_state=seed).fit(data.x, data.y)
        found.append({"seed": seed, "test_rows": len(data.y_test), "losses": losses(fitted.result_.kept, data, draws)})
    return {"searches": found}


def losses(kept: Kept, data: Split, draws: int) -> dict[str, dict[str, float]]:
    """Return error and log loss of each kind of average, and of the best network."""
    outputs = [_outputs(network, data) for network in kept.networks]
    sure = kept._parts()
    counts = kept.best_counts(draws)
    gains = selection.row_losses(sure[0]) - selection.row_losses(selection.mean_parts(sure, counts))
    own = _averaged(outputs, counts, data)
    best = _scores(outputs[0], data)
    found = {BEST: best, CAUTIOUS: own if is_beyond_noise(gains) else best}
    if not data.classes:
        return {**found, RAW: own}
    labels = kept.targets[:, 0].astype(np.int64)
    back = [1 / factor for factor in kept.factors]
    seen = [sharpened(each, factor) for each, factor in zip(kept.predictions, back, strict=True)]
    trained = selection.class_errors(np.stack(seen), labels)
    even = [sharpened(each, factor) for each, factor in zip(outputs, back, strict=True)]
    return {**found, GREEDY: own, RAW: _averaged(even, selection.select(trained, kept.weights, draws), data)}


def is_beyond_noise(gains: NDArray[np.float64]) -> bool:
    """Return whether the mean over rows of how much lower the loss is exceeds its standard error."""
    return bool(gains.mean() > gains.std(ddof=1) / math.sqrt(len(gains)))


def _outputs(network: ash.Network, data: Split) -> NDArray[np.float32]:
    found = network.predict_proba(data.x_test) if data.classes else network.predict(data.x_test)
    return np.asarray(found, np.float32)


def _averaged(outputs: Sequence[NDArray[np.float32]], counts: NDArray[np.int64], data: Split) -> dict[str, float]:
    drawn = np.flatnonzero(counts)
    return _scores(average((outputs[place] for place in drawn.tolist()), counts[drawn] / counts.sum()), data)


def _scores(outputs: NDArray[np.float32], data: Split) -> dict[str, float]:
    if not data.classes:
        return {ERROR: root_mean_square(outputs.astype(np.float64) - data.y_test)}
    wrong = float(np.mean(outputs.argmax(axis=1) != data.y_test))
    return {ERROR: wrong, LOG_LOSS: log_loss(outputs.astype(np.float64), data.y_test, data.classes)}


def selection_sections(cases: Sequence[Run]) -> list[Section]:
    """Return a table of errors and one of log losses; nothing where nothing was measured."""
    measured = [case for case in cases if "searches" in case]
    return [_table(what, measured) for what in TITLES] if measured else []


def _table(what: str, cases: Sequence[Run]) -> Table:
    """Return a row a kind, a column a table and one for all of them."""
    fits = fits_of_searches(cases, RAW)
    tables = [case["table"] for case in cases if fits.log_ratios(case["table"], CAUTIOUS, what)]
    rows = ratio_rows(fits, KINDS, tables, what)
    seeds = ", ".join(f"{case['table']} {len(case['searches'])}" for case in cases)
    commits = ", ".join(sorted({case["of"] for case in cases}))
    note = (
        "On the rows held out, of numbers the root of the mean squared error; geometric means over the seeds of the "
        "ratio to a greedy selection of the networks as trained, with 95 % intervals. Below 1 is better than that. "
        f"Seeds: {seeds}. ash: commit {commits}."
    )
    title = f"{TITLES[what]} of an ensemble, by that of a greedy selection without calibration"
    return Table(title, ["selection", *tables, "all"], rows, note)

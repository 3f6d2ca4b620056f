"""How good is the model that a minute brings? `ash` beside other networks and boosted trees.

A case is one fit in a process of its own, on all CPUs: three quarters of the rows to fit, the others held out, by seed.
Errors are shares of wrong classes, or roots of mean squared errors in the units of the target. The seconds are those of
the fit; a first one on few rows loads what is loaded once. The limit is 60 seconds for contenders that take one; `ash`
and the tuned trees are also given 5, 15 and 240 seconds on the larger tables.

Whom this favours. The others: RealMLP takes its own time, TabM may take three limits, and the last fit of the tuned
trees comes on top of their limit and uses all rows, where networks hold some out. `ash`, FLAML and the tuned trees
choose by the metric that is compared here. TabM would often train for longer. About a quarter of the held-out rows of
winequality_white are in training too, with the same target, and `ash` looks for such rows (python/ash/neighbors.py).

It takes hours. --tables, --contenders, --limits and --seeds choose what to measure now; the rest stays on record.
"""

from __future__ import annotations

import os
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.arguments import Parser, folder, integer, names
from bench.child import call
from bench.figures import timed
from bench.machine import CORE, cpus
from bench.quality.contenders import CONTENDERS, OURS, PERCEPTRON, TUNED, Task
from bench.quality.page import LIMIT, readme, sections
from bench.quality.tables import FILES, SMALL, TABLES, Split, split
from bench.record import Bench, Case

SMALL_SEEDS = 2
CURVE_SEEDS, CURVE_LIMITS, CURVES = 3, (5.0, 15.0, 240.0), (OURS, TUNED)
QUICK_LIMIT = 5.0
SECONDS = tuple(f"{limit:g}" for limit in sorted({LIMIT, *CURVE_LIMITS, QUICK_LIMIT}))
FEW_ROWS, FEW_SECONDS = 1_000, 1.0
LEAST_PROBABILITY = 1e-7  # what is less counts as this: a rounding in single precision
LEAST_ACCURACY = 0.9


@dataclass(frozen=True)
class Fit:
    """A case: which contender fits which table, with which seed and limit."""

    table: str
    contender: str
    limit: float
    seed: int

    @property
    def key(self) -> str:
        """Return its name on record."""
        limit = f", {self.limit:g} s" if CONTENDERS[self.contender].limited else ""
        return f"{self.table}, {CONTENDERS[self.contender].name}{limit}, seed {self.seed}"


def fits(quick: bool = False) -> Iterator[Fit]:
    """Yield all fits, seed by seed, those with other limits last; those of a table follow each other."""
    tables, most, limit = (SMALL, 1, QUICK_LIMIT) if quick else (tuple(TABLES), 5, LIMIT)
    for seed in range(most):
        for table in tables:
            for name, contender in CONTENDERS.items():
                if seed < (min(contender.seeds, SMALL_SEEDS) if table in SMALL else contender.seeds):
                    yield Fit(table, name, limit, seed)
    for seed in range(0 if quick else CURVE_SEEDS):
        for table in FILES:
            yield from (Fit(table, each, limit, seed) for limit in CURVE_LIMITS for each in CURVES)


def cases(options: Namespace) -> Sequence[Case]:
    """Return the cases of the fits that were chosen."""
    return [
        Case(
            fit.key,
            partial(_run, fit, options.data),
            measures=CORE if fit.contender == OURS else (),
            packages=(*_packages(fit), *(["pandas"] if fit.table in FILES else [])),
        )
        for fit in fits(options.quick)
        if fit.table in (options.tables or TABLES)
        and fit.contender in (options.contenders or CONTENDERS)
        and f"{fit.limit:g}" in (options.limits or SECONDS)
        and fit.seed < (options.seeds or fit.seed + 1)
    ]


def _packages(fit: Fit) -> tuple[str, ...]:
    """Return whose versions a fit depends on, beside ash."""
    return ("scikit-learn",) if fit.contender == PERCEPTRON else CONTENDERS[fit.contender].modules


def _run(fit: Fit, folder: Path | None) -> dict[str, Any]:
    """Return a fit, or why there is none; a peer may fail, `ash` may not."""
    missing = CONTENDERS[fit.contender].missing() or TABLES[fit.table].missing(folder)
    if missing is not None:
        return {"skipped": missing}
    told = {**vars(fit), "folder": None if folder is None else str(folder), "threads": cpus()}
    environment = {"OMP_NUM_THREADS": str(cpus()), "PYTHONWARNINGS": "ignore"}
    try:
        return dict(call("bench.quality", "measure", told, environment))
    except SystemExit as error:
        if fit.contender == OURS:
            raise
        return {"failed": str(error.code)}


def measure(contender: str, table: str, folder: str | None, seed: int, limit: float, threads: int) -> dict[str, Any]:
    """Return what one fit took and how good it is; utilization: the share of the threads' time that it computed."""
    warnings.simplefilter("ignore")
    chosen = CONTENDERS[contender]
    rows = split(table, None if folder is None else Path(folder), seed, chosen.categories)
    task = Task(rows.classes > 0, seed, limit, threads)
    chosen.fit(replace(task, limit=min(limit, FEW_SECONDS), few=True), rows.x[:FEW_ROWS], rows.y[:FEW_ROWS])
    before = _processor_seconds()
    seconds, model = timed(lambda: chosen.fit(task, rows.x, rows.y))
    used = (_processor_seconds() - before) / (seconds * threads)
    return {**scores(model, rows), "seconds": seconds, "utilization": used}


def _processor_seconds() -> float:
    """Return the processor time of this process and of those that it has started and ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def scores(model: Any, rows: Split) -> dict[str, float]:
    """Return the error and the log loss on the held-out rows, or the root of the mean squared error."""
    predicted = np.asarray(model.predict(rows.x_test))
    if predicted.shape != rows.y_test.shape:
        raise SystemExit(f"{predicted.shape} predictions for {rows.y_test.shape} rows")
    if not rows.classes:
        return {"error": root_mean_square(predicted - rows.y_test)}
    loss = log_loss(np.asarray(model.predict_proba(rows.x_test)), rows.y_test, rows.classes)
    return {"error": float(np.mean(predicted != rows.y_test)), "log_loss": loss}


def root_mean_square(differences: NDArray[Any]) -> float:
    """Return it, if all differences are finite."""
    value = float(np.sqrt(np.mean(np.square(differences, dtype=np.float64))))
    if not np.isfinite(value):
        raise SystemExit("a prediction is not finite")
    return value


def log_loss(probabilities: NDArray[Any], y: NDArray[Any], classes: int) -> float:
    """Return the mean of -log of the probability of the true class; rows are made to sum to 1."""
    if probabilities.shape != (len(y), classes) or not np.isfinite(probabilities).all():
        raise SystemExit(f"{probabilities.shape} is no table of finite probabilities of {classes} classes")
    exact = probabilities.astype(np.float64)
    own = exact[np.arange(len(y)), y] / exact.sum(axis=1)
    return float(-np.log(np.maximum(own, LEAST_PROBABILITY)).mean())


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
    parser.add_argument("--seeds", type=integer(5), help="only so many seeds, from 0 (all)")


BENCHES = (
    Bench("quality", "How good a model a minute brings", CORE, cases, sections, check, anywhere=True, readme=readme),
)

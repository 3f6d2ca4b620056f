"""One fit of the bench `quality`, in a process of its own: errors on the held-out rows, seconds, and cores in use."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import timed
from bench.quality.contenders import CONTENDERS, Task
from bench.quality.tables import Split, split

FEW_ROWS, FEW_SECONDS = 1_000, 1.0
LEAST_PROBABILITY = 1e-7  # what is less counts as this: a rounding in single precision


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

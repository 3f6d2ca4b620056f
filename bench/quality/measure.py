"""Measures one fit of the bench `quality` in a separate process: held-out errors, seconds, and utilization of cores.

It also measures the milliseconds to predict 1,000 rows, and the size of the saved model in bytes.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import timed
from bench.quality.contenders import CONTENDERS, Task
from bench.quality.tables import BINARY, CLASSES, REGRESSION, TABLES, Split, split

FEW_ROWS, FEW_SECONDS = 1_000, 1.0
PREDICTED, CALLS = 1_000, 5  # rows per timed call, and number of timed calls
PARTS = 10  # parts of the held-out rows; the jackknife computes the compared error without each part
LEAST_PROBABILITY = 1e-7  # lower bound of probabilities: about the rounding error of single precision
COMPARED = {BINARY: "auc_error", CLASSES: "log_loss", REGRESSION: "error"}
"""The error by which contenders are compared, by kind of target."""


def measure(contender: str, table: str, folder: str | None, seed: int, limit: float, threads: int) -> dict[str, Any]:
    """Return the cost and the errors of one fit; `utilization` is the share of the threads' time spent computing.

    ms     milliseconds to predict PREDICTED rows
    bytes  size of the saved model
    """
    warnings.simplefilter("ignore")
    chosen = CONTENDERS[contender]
    rows = split(table, folder, seed, chosen.categories)
    task = Task(TABLES[table].kind, seed, limit, threads)
    chosen.fit(replace(task, limit=min(limit, FEW_SECONDS), few=True), rows.x[:FEW_ROWS], rows.y[:FEW_ROWS])
    seconds, used, model = timed_use(lambda: chosen.fit(task, rows.x, rows.y), threads)
    found = {**scores(model, rows), **facts(rows), "seconds": seconds, "utilization": used}
    return {**found, "ms": prediction_ms(model, rows), "bytes": saved_bytes(model)}


def timed_use(function: Callable[[], Any], threads: int) -> tuple[float, float, Any]:
    """Return the seconds of a call, the share of the threads' time that it spent computing, and its result.

    The computing time of child processes that have ended is included.
    """
    before = os.times()
    seconds, result = timed(function)
    return seconds, (sum(os.times()[:4]) - sum(before[:4])) / (seconds * threads), result


def prediction_ms(model: Any, rows: Split) -> float:
    """Return the median milliseconds to predict PREDICTED rows (probabilities, for classes), rounded to 3 digits.

    The rows are the first held-out rows, repeated if there are too few. A first call is not timed.
    """
    if hasattr(model, "persist"):
        model.persist()
    x = rows.x_test.iloc[np.arange(PREDICTED) % len(rows.x_test)].reset_index(drop=True)
    answer = model.predict_proba if rows.classes else model.predict
    answer(x)
    return float(f"{1e3 * median(timed(lambda: answer(x))[0] for _ in range(CALLS)):.3g}")


def saved_bytes(model: Any) -> int:
    """Return the total file size of a saved model, by its own method `save` or else by pickle."""
    with tempfile.TemporaryDirectory() as folder:
        if hasattr(model, "save"):
            model.save(Path(folder) / "model")
        else:
            (Path(folder) / "model").write_bytes(pickle.dumps(model, pickle.HIGHEST_PROTOCOL))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def facts(rows: Split) -> dict[str, float]:
    """Return the number of rows of a table, the share of text columns, and the skewness of the target."""
    text = len(rows.x.select_dtypes(exclude="number").columns) / rows.x.shape[1]
    y = rows.y.astype(np.float64)
    skew = 0.0 if rows.classes else float(np.mean(((y - y.mean()) / y.std()) ** 3))
    return {"rows": len(rows.y) + len(rows.y_test), "text": text, "skew": skew}


def scores(model: Any, rows: Split) -> dict[str, float]:
    """Return the errors on the held-out rows, and the standard error and jackknife of the compared error.

    deviation  the standard error
    without    PARTS values of the compared error, each without one part of the rows; all contenders have the same parts
    error      the share of wrong classes, or the root mean squared error
    log_loss   for classes: the log loss
    auc_error  for two classes: 1 - AUC
    """
    predicted = np.asarray(model.predict(rows.x_test))
    if predicted.shape != rows.y_test.shape:
        raise SystemExit(f"{predicted.shape} predictions for {rows.y_test.shape} rows")
    if not rows.classes:
        squares = np.square(predicted - rows.y_test, dtype=np.float64)
        error = root_mean_square(predicted - rows.y_test)
        deviation = _mean_deviation(squares) / max(2 * error, np.finfo(float).tiny)
        without = without_parts(lambda kept: float(np.sqrt(squares[kept].mean())), len(squares))
        return {"error": error, "deviation": deviation, "without": without}
    probabilities = np.asarray(model.predict_proba(rows.x_test))
    losses = log_losses(probabilities, rows.y_test, rows.classes)
    found = {"error": float(np.mean(predicted != rows.y_test)), "log_loss": float(losses.mean())}
    if rows.classes > 2:
        without = without_parts(lambda kept: float(losses[kept].mean()), len(losses))
        return {**found, "deviation": _mean_deviation(losses), "without": without}
    error, deviation = auc_error(probabilities[:, 1], rows.y_test)
    without = without_parts(lambda kept: auc_error(probabilities[kept, 1], rows.y_test[kept])[0], len(losses))
    return {**found, "auc_error": error, "deviation": deviation, "without": without}


def without_parts(error: Callable[[NDArray[np.bool_]], float], rows: int) -> list[float]:
    """Return, for each part, the error of the rows outside the part; a part has every PARTS-th row."""
    return [error(np.arange(rows) % PARTS != part) for part in range(PARTS)]


def root_mean_square(differences: NDArray[Any]) -> float:
    """Return the root mean square of these differences; end the script if it is not finite."""
    value = float(np.sqrt(np.mean(np.square(differences, dtype=np.float64))))
    if not np.isfinite(value):
        raise SystemExit("a prediction is not finite")
    return value


def log_losses(probabilities: NDArray[Any], y: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Return -log of the probability of each row's true class, after scaling the probabilities to sum to 1."""
    if probabilities.shape != (len(y), classes) or not np.isfinite(probabilities).all():
        raise SystemExit(f"{probabilities.shape} is no table of finite probabilities of {classes} classes")
    exact = probabilities.astype(np.float64)
    own = exact[np.arange(len(y)), y] / exact.sum(axis=1)
    return np.asarray(-np.log(np.maximum(own, LEAST_PROBABILITY)))


def auc_error(scores: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """Return 1 - AUC and its standard error (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988)."""
    ones, zeros = np.sort(scores[y == 1]), np.sort(scores[y == 0])

    def share_below(values: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
        """Return, for each value, the share of `others` that is below it; ties count half."""
        both = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
        return np.asarray(both / (2 * len(others)))

    of_ones, of_zeros = share_below(ones, zeros), share_below(zeros, ones)
    deviation = np.hypot(_mean_deviation(of_ones), _mean_deviation(of_zeros))
    return float(1 - of_ones.mean()), float(deviation)


def _mean_deviation(values: NDArray[np.float64]) -> float:
    """Return the standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))

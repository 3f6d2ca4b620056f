"""Turns the probabilities of a classifier into labels, and tunes the weights of the classes by which it does so.

    label of a row = the class with the largest weight * probability; the first one in a tie
    two classes    = the positive class if its probability exceeds the threshold t, with the weights 1 - t and t

With equal weights, the label is the most probable class. This is best for accuracy. For f1, balanced accuracy and
accuracy with weights of classes, other weights are better. They are tuned on predictions for held-out rows:

    start        the weights that are best if the probabilities are right: 1 / rows of the class for balanced accuracy,
                 and the mean weight of the rows of the class for all other metrics
    one class    its weight is multiplied by each factor 2^(k / 4) within bounds; the factor with the best score wins
    two classes  only the weight of the positive class is tuned
    more         the weights are tuned one after the other, until none changes, in at most `MOST_PASSES` passes

With few rows, the score as a function of the factor has many chance peaks. So it is smoothed over neighboring factors,
and a penalty favors factors near 1: the negative log density of a normal distribution of their logarithm, divided by
the number of rows of the rarest class.

Order:   rows are summed by NumPy in their order on one thread, and factors are constants, so the weights depend only on
         the arguments.
Cost:    per weight that is tuned, a few passes over rows * classes.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash._utils.checks import is_number
from ash.errors import SettingError
from ash.metrics import OF_LABELS

AUTO = "auto"
TUNED = tuple(metric for metric in OF_LABELS if metric not in ("accuracy", "matthews_corrcoef"))
"""The metrics for which the decision is always tuned; for accuracy it is tuned only with weights of classes."""
STEPS = 4
"""The number of factors per octave."""
OCTAVES_OF_TWO, OCTAVES = 12, 4
"""The bounds of a factor in octaves, for two classes and for more. With more, each pass goes on from the last."""
MOST_PASSES = 4
MOST_CELLS = 2**21
"""The maximum number of rows times classes; of larger predictions, evenly spaced rows are used."""
SPREAD = 3.0
"""Standard deviation of the prior of a factor, in octaves."""
KERNEL = (1.0, 2.0, 3.0, 2.0, 1.0)
"""The weights with which the scores of neighboring factors are averaged."""
_ROOT = math.sqrt(math.sqrt(2.0))  # square roots are exact on all platforms, other powers are not


def read_threshold(name: str, value: Any) -> str | float | None:
    """Return the argument `decision_threshold`: "auto", None, or a float between 0 and 1."""
    if value is None or (isinstance(value, str) and value == AUTO):
        return value
    if not is_number(value) or not 0 < value < 1:
        raise SettingError(f"{name} must be {AUTO!r}, a probability between 0 and 1, or None for 0.5, got {value!r}")
    return float(value)


def decide(probabilities: NDArray[np.floating[Any]], decision_weights: Numbers | None) -> NDArray[np.int64]:
    """Return the class number of each row: the largest product of weight and probability, the first one in a tie."""
    shares = probabilities if decision_weights is None else probabilities.astype(np.float64) * decision_weights
    return np.asarray(shares.argmax(axis=1))


def decision_of(
    threshold: str | float | None,
    metric: str,
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    weights: Numbers | None,
    positive: int | None,
    factors: Numbers | None,
) -> Numbers | None:
    """Return the weights of the decision that the argument `decision_threshold` asks for; None for equal weights.

    "auto" tunes for metrics of labels, but for accuracy only if there are `factors` [classes] (`class_weight`). For
    other metrics the factors are the weights. The other arguments are those of `tune_decision`.
    """
    found = None
    if threshold == AUTO:
        if metric in TUNED or (metric == "accuracy" and factors is not None):
            found = tune_decision(probabilities, labels, weights, metric, positive)
        elif factors is not None:
            found = factors / factors.sum()
    elif isinstance(threshold, float):
        found = np.array([threshold, 1 - threshold] if positive != 0 else [1 - threshold, threshold])
    return None if found is None or (found == found[0]).all() else found


def factors_of(octaves: int) -> Numbers:
    """Return the factors from 2^-octaves to 2^octaves."""
    roots = [1.0, _ROOT, _ROOT * _ROOT, _ROOT * _ROOT * _ROOT]
    steps = range(-octaves * STEPS, octaves * STEPS + 1)
    return np.array([math.ldexp(roots[step % STEPS], step // STEPS) for step in steps])


def tune_decision(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    weights: Numbers | None,
    metric: str,
    positive: int | None,
) -> Numbers:
    """Return the weights [classes], with the sum 1, by which the labels of held-out rows score best.

    `probabilities` [rows, classes] are predictions for these rows, `labels` [rows] their class numbers, and `weights`
    [rows] their weights in the `metric`, a metric of labels. Of two classes, `positive` is the number of the positive
    one, by default 1.
    """
    classes = probabilities.shape[1]
    step = -(-probabilities.size // MOST_CELLS)
    probabilities, labels = probabilities[::step], labels[::step]
    row_weights = np.ones(len(labels)) if weights is None else weights[::step]
    counts = np.bincount(labels, minlength=classes)
    sums = np.asarray(np.bincount(labels, row_weights, classes), np.float64)
    start = _start(metric, counts, sums)
    is_binary = classes == 2
    factors = factors_of(OCTAVES_OF_TWO if is_binary else OCTAVES)
    steps = np.zeros(classes, np.int64)
    shares, rarest = probabilities.astype(np.float64) * start, int(counts[counts > 0].min())
    tuned = [1 if positive is None else positive] if is_binary else np.flatnonzero(counts).tolist()
    if np.count_nonzero(counts) < 2:  # labels of one class show nothing about the decision
        tuned = []
    for _ in range(1 if is_binary else MOST_PASSES):
        before = steps.copy()
        for place in tuned:
            scores = _smoothed(_scores(shares, labels, row_weights, place, factors, metric, positive))
            middle = len(factors) // 2
            octaves = (np.arange(len(factors)) - middle + steps[place]) / STEPS
            scores -= np.square(octaves / SPREAD) / (2 * rarest)
            best = int(np.argmax(scores))
            if scores[best] > scores[middle] + 1e-12:
                steps[place] += best - middle
                shares[:, place] *= factors[best]
                start[place] *= factors[best]
        if (steps == before).all():
            break
    return np.asarray(start / start.sum())


def _start(metric: str, counts: NDArray[np.int64], sums: Numbers) -> Numbers:
    """Return the weights that are best if the probabilities are right; the least of them for classes without rows."""
    known, rows = counts > 0, np.maximum(counts, 1)
    weights = 1.0 / rows if metric == "balanced_accuracy" else sums / rows
    return np.where(known, weights, weights[known].min())


def _scores(
    shares: Numbers,
    labels: NDArray[np.int64],
    weights: Numbers,
    place: int,
    factors: Numbers,
    metric: str,
    positive: int | None,
) -> Numbers:
    """Return the score of the labels for each factor on the shares [rows, classes] of the class at index `place`."""
    classes, size = shares.shape[1], len(factors) + 1
    others = shares.copy()
    others[:, place] = -1.0
    rival = others.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = others[np.arange(len(labels)), rival] / shares[:, place]
    first = np.searchsorted(factors, needed)  # from this factor on, the row gets the label `place`
    cells = first * classes + rival

    def total(where: NDArray[np.int64], rows: Numbers, columns: int) -> Numbers:
        return np.bincount(where, rows, size * columns).reshape(size, columns)[:-1].cumsum(axis=0)

    hit = weights * (rival == labels)
    hits = np.bincount(rival, hit, classes) - total(cells, hit, classes)
    predicted = np.bincount(rival, weights, classes) - total(cells, weights, classes)
    hits[:, place] += total(first, weights * (labels == place), 1)[:, 0]
    predicted[:, place] += total(first, weights, 1)[:, 0]
    rows = np.asarray(np.bincount(labels, weights, classes), np.float64)
    return _metric(metric, hits, predicted, rows, positive)


def _metric(metric: str, hits: Numbers, predicted: Numbers, rows: Numbers, positive: int | None) -> Numbers:
    """Return scores [n] by the definitions in cpp/ash/train/metrics.hpp.

    `hits` and `predicted` [n, classes] and `rows` [classes] are sums of weights: of the rows that are predicted
    correctly, of the rows that are predicted to be of a class, and of the rows of a class.
    """
    if metric == "accuracy":
        return np.asarray(hits.sum(axis=1) / rows.sum())
    if metric == "balanced_accuracy":
        known = rows > 0
        return np.asarray((hits[:, known] / rows[known]).mean(axis=1))
    f1 = 2 * hits / np.maximum(rows + predicted, np.finfo(float).tiny)
    if metric == "f1":
        return np.asarray(f1[:, 1 if positive is None else positive])
    shares = np.broadcast_to(rows, hits.shape) if metric == "f1_weighted" else (rows + predicted > 0).astype(float)
    return np.asarray((shares * f1).sum(axis=1) / shares.sum(axis=1))


def _smoothed(scores: Numbers) -> Numbers:
    margin = len(KERNEL) // 2
    padded = np.pad(scores, margin, mode="edge")
    total = sum(weight * padded[place : place + len(scores)] for place, weight in enumerate(KERNEL))
    return np.asarray(total / sum(KERNEL))

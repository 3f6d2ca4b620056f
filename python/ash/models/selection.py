"""Which networks to average: greedy selection with replacement by their predictions of the validation rows.

    draw 1: the best network; draw t + 1: the network that, averaged with the t before, gives the lowest loss
    after `size` draws: back to the draw with the lowest loss (ties: the earlier); the weights are shares of the draws

Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble Selection from Libraries of Models, ICML 2004. We start from the one
best network, not from several, and do not bag.

Loss:        of a row, the squared error of probabilities (Brier's score) or of standardized targets, their mean over
             outputs; for the metric log_loss the logarithm of the label's probability, negated. The mean over rows,
             each as often as it counts. Squares, since smoothed labels make networks less sure, some more than others,
             which the logarithm would mistake for a worse network.
Order:       of equal losses the network that comes first. Sums run over rows in NumPy's fixed order on one thread, so
             the outcome depends on the predictions alone.
Cost:        size * networks passes over the rows; 8 bytes a network, row and, for regression, target.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_LEAST_PROBABILITY = np.finfo(np.float32).tiny
"""As in the core's log_loss: a probability of 0 costs 87, not infinity."""


def label_probabilities(predictions: NDArray[np.float32], labels: NDArray[np.int64]) -> Numbers:
    """Return [networks, rows]: what each network gives the label of each row.

    Parameters
    ----------
    predictions : array [networks, rows, classes]
    labels : array [rows]
        Class numbers.
    """
    return predictions[:, np.arange(len(labels)), labels].astype(np.float64)


def class_errors(predictions: NDArray[np.float32], labels: NDArray[np.int64]) -> Numbers:
    """Return [networks, rows, classes]: the probabilities less those of one who knows.

    Parameters
    ----------
    predictions : array [networks, rows, classes]
    labels : array [rows]
        Class numbers.
    """
    return np.asarray(predictions - np.eye(predictions.shape[2])[labels])


def target_errors(predictions: NDArray[np.float32], targets: Numbers, scale: Numbers) -> Numbers:
    """Return [networks, rows, outputs]: the errors of each network in units of `scale`.

    Parameters
    ----------
    predictions : array [networks, rows, outputs]
    targets : array [rows, outputs]
    scale : array [outputs]
    """
    return np.asarray((predictions - targets) / scale)


def row_losses(averaged: Numbers) -> Numbers:
    """Return the loss of each row for the mean of label probabilities [rows] or of target errors [rows, outputs]."""
    if averaged.ndim == 1:
        return np.asarray(-np.log(np.maximum(averaged, _LEAST_PROBABILITY)))
    return np.asarray(np.square(averaged).mean(axis=1))


def mean_loss(losses: Numbers, weights: Numbers | None) -> float:
    """Return the mean over rows, each as often as it counts."""
    return float(losses.mean() if weights is None else (weights * losses).sum() / weights.sum())


def select(parts: Numbers, weights: Numbers | None, size: int) -> NDArray[np.int64]:
    """Return how often each network was drawn: int64 [networks], the first at least once.

    Parameters
    ----------
    parts : array [networks, rows, ...]
        `label_probabilities` or `target_errors`, of the best network first.
    weights : array [rows] or None
    size : int
        Most draws.
    """
    total = parts[0].copy()
    counts = np.zeros(len(parts), np.int64)
    counts[0] = 1
    best, lowest = counts.copy(), mean_loss(row_losses(total), weights)
    for draws in range(2, size + 1):
        losses = [mean_loss(row_losses((total + part) / draws), weights) for part in parts]
        chosen = int(np.argmin(losses))
        total += parts[chosen]
        counts[chosen] += 1
        if losses[chosen] < lowest:
            best, lowest = counts.copy(), losses[chosen]
    return best


def mean_parts(parts: Numbers, counts: NDArray[np.int64]) -> Numbers:
    """Return what `row_losses` reads of the average of networks that were drawn so often."""
    total = np.zeros_like(parts[0])
    for place in np.flatnonzero(counts).tolist():
        total += counts[place] * parts[place]
    return np.asarray(total / counts.sum())

"""Computes target statistics: a level of a category is encoded as the mean target of the rows where it occurred.

Let W be the total weight of a level's rows. Let each of these rows have target y and weight w. The level's statistic is

    (sum of w y + prior) / (W + 1)          prior: weighted mean of y over all training rows

For a training row, both sums (W and the sum of w y) run over the level's rows before it in a given order, so no row
sees its own target or that of a later row. For all other rows, they run over all training rows of the level. Source:
ordered target statistics of CatBoost (Prokhorenkova et al. 2018, arXiv:1706.09516). Unlike in CatBoost, there is one
order instead of one per tree. The order should be random, since an order by the target would reveal the target.

The code sums w (y - prior), in order of rows within a level. In exact arithmetic the result is the same; in floating
point it is more accurate.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_STATISTICS = 16
"""The maximum number of statistics per column; they describe the first outputs or the most frequent classes."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The training rows and their targets, in the order and the form that statistics need.

    Attributes
    ----------
    rows : int64 array [training]
    weights : array [training]
    deviations : array [training, k]
        Weight times (target - prior).
    priors : array [k]
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    deviations: NDArray[np.float64]
    priors: NDArray[np.float64]


def choose_targets(
    targets: NDArray[np.float64], classes: int, training: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> tuple[int, ...]:
    """Return the sorted outputs, or classes above 0, that have statistics; at most MOST_STATISTICS.

    These are the first outputs, or the classes with the largest weight in training (ties are broken in order of
    number). Class 0 needs no statistics, since its share follows from the others.
    """
    if not classes:
        return tuple(range(min(targets.shape[1], MOST_STATISTICS)))
    labels = targets[training, 0].astype(np.int64)
    counts = np.bincount(labels, weights=_weights(weights, training), minlength=classes)
    return tuple(sorted(sorted(range(1, classes), key=lambda label: (-counts[label], label))[:MOST_STATISTICS]))


def prepare_targets(
    targets: NDArray[np.float64],
    classes: int,
    chosen: tuple[int, ...],
    training: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
) -> Targets:
    """Return the weighted deviations of the training rows' targets from their means, the basis of statistics."""
    if classes:
        values = (targets[training, :1] == np.array(chosen, np.float64)).astype(np.float64)
    else:
        values = targets[training][:, list(chosen)]
    own = _weights(weights, training)
    total = own.cumsum()[-1]  # added in row order, unlike NumPy's sum()
    sums = (values * own[:, None]).cumsum(axis=0)[-1]
    priors = sums / total if total > 0 else np.zeros(len(chosen))
    return Targets(training, own, (values - priors) * own[:, None], priors)


def total_statistics(targets: Targets, codes: NDArray[np.int32], levels: int) -> NDArray[np.float64]:
    """Return a column's table of statistics; its last two rows are for missing and for unknown levels.

    Parameters
    ----------
    codes : int32 array [rows]
        The level of each row of the table: 0, 1, ..., then `levels` for missing and `levels + 1` for unknown.

    Returns
    -------
    array [levels + 2, k + 1]
        k statistics and log(1 + weight of the level's training rows). For an unknown level these are the priors and 0.
    """
    own = codes[targets.rows]
    unknown = levels + 1
    counts = np.bincount(own, weights=targets.weights, minlength=levels + 2)
    counts[unknown] = 0.0
    table = np.empty((levels + 2, len(targets.priors) + 1))
    for place, prior in enumerate(targets.priors):
        sums = np.bincount(own, weights=targets.deviations[:, place], minlength=levels + 2)
        sums[unknown] = 0.0
        table[:, place] = prior + sums / (counts + 1.0)
    table[:, -1] = [math.log1p(count) for count in counts.tolist()]  # NumPy's log1p varies with the CPU
    return table


def ordered_statistics(targets: Targets, codes: NDArray[np.int32], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the statistics for training [rows, k]; those of a training row use only earlier rows of its level."""
    statistics = table[codes, :-1]
    own = codes[targets.rows]
    order = np.argsort(own, kind="stable")
    own = own[order]
    is_first = np.diff(own, prepend=-1) != 0
    start = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]  # the first position of each row's level
    before = _sums_before(targets.weights[order, None], start)
    sums = _sums_before(targets.deviations[order], start)
    ordered = targets.priors + sums / (before + 1.0)
    ordered[own == len(table) - 1] = targets.priors
    statistics[targets.rows[order]] = ordered
    return statistics


def _sums_before(values: NDArray[np.float64], start: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for each row i and each column, the sum of `values` from row start[i] to row i - 1."""
    sums = np.zeros_like(values)
    np.cumsum(values[:-1], axis=0, out=sums[1:])
    return sums - sums[start]


def _weights(weights: NDArray[np.float64] | None, training: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.ones(len(training)) if weights is None else weights[training].astype(np.float64)

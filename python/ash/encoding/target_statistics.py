"""Computes target statistics: a level of a category is encoded as the mean target of the rows where it occurred.

Let W be the total weight of a level's rows. Let each of these rows have target y and weight w. The level's statistic is

    (sum of w y + prior) / (W + 1)          prior: weighted mean of y over all training rows

It stands beside the level's count, log(1 + W). An unseen level has the prior and a count of 0.

For a training row, both sums (W and the sum of w y) are cross-fitted: the training rows are dealt out into PARTS parts,
and a row's sums run over the rows of the other parts. They are scaled to the whole training part, by the factor
PARTS / (PARTS - 1) if all parts have the same weight. So no row sees its own target, and the count of a training row is
on average that of a new row. Rows of one group are in one part, so no row sees the target of a row of its group. For
all other rows, the sums run over all training rows of the level.

    part             0  1  2  3  4  0  1  2  3  4 ...      of the training rows, in random order
    sums of a row    over the rows of the four other parts, times 5/4

A level that occurs in one part only is unseen for the rows of this part. This happens to rare levels, and it happens to
training rows as often as to new rows. In addition, one training row in MASKED sees its level as unseen, so that a
network knows the features of an unseen level even if all levels are frequent.

The code sums w (y - prior), in order of rows within a level and a part, then in order of parts. In exact arithmetic the
result is the same; in floating point it is more accurate.

Cost:   PARTS sums per level and target, and a pass over the training rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.table import numbered

MOST_STATISTICS = 16
"""The maximum number of statistics per column; they describe the first outputs or the most frequent classes."""
PARTS = 5
"""The number of parts of the training rows for cross-fitting. With more parts, a row's statistics use more rows. But
then the statistics of a level's rows reveal more about their own targets."""
MASKED = 64
"""One training row in this many sees the level of a column as unseen."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The training rows and their targets, in the order and the form that statistics need.

    Attributes
    ----------
    chosen : tuple of int
        The sorted outputs, or classes above 0, that have statistics: the first outputs, or the classes with the largest
        weight in training (ties are broken in order of number). Class 0 needs no statistics, since its share follows
        from the others.
    rows : int64 array [training]
    parts : int64 array [training]
        The part of each row for cross-fitting, from 0 to PARTS - 1.
    weights : array [training]
    deviations : array [training, k]
        Weight times (target - prior).
    priors : array [k]
    """

    chosen: tuple[int, ...]
    rows: NDArray[np.int64]
    parts: NDArray[np.int64]
    weights: NDArray[np.float64]
    deviations: NDArray[np.float64]
    priors: NDArray[np.float64]


def prepare_targets(
    targets: NDArray[np.float64],
    classes: int,
    training: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Targets:
    """Return the weighted deviations of the training rows' targets from their means, the basis of statistics.

    `groups` [rows] are the groups of the table's rows. They are kept in one part, and dealt out in the order in which
    they first occur.
    """
    own = np.ones(len(training)) if weights is None else weights[training].astype(np.float64)
    if classes:
        labels = targets[training, 0]
        counts = np.bincount(labels.astype(np.int64), weights=own, minlength=classes)
        chosen = sorted(sorted(range(1, classes), key=lambda label: (-counts[label], label))[:MOST_STATISTICS])
        values = (labels[:, None] == np.array(chosen, np.float64)).astype(np.float64)
    else:
        chosen = list(range(min(targets.shape[1], MOST_STATISTICS)))
        values = targets[training][:, chosen]
    total = own.cumsum()[-1]  # added in row order, unlike NumPy's sum()
    sums = (values * own[:, None]).cumsum(axis=0)[-1]
    priors = sums / total if total > 0 else np.zeros(len(chosen))
    parts = (np.arange(len(training)) if groups is None else numbered(groups[training])) % PARTS
    return Targets(tuple(chosen), training, parts, own, (values - priors) * own[:, None], priors)


def level_statistics(
    targets: Targets, codes: NDArray[np.int32], levels: int, place: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a column's table of statistics, and the statistics of each row for training.

    Parameters
    ----------
    codes : int32 array [rows]
        The level of each row of the table: 0, 1, ..., then `levels` for missing and `levels + 1` for unknown.
    place : int
        The index of the column, so that the columns of a row are not masked together.

    Returns
    -------
    array [levels + 2, k + 1]
        k statistics and log(1 + weight of the level's training rows), for each level, then for missing cells and for
        unknown levels. For an unknown level these are the priors and 0.
    array [rows, k + 1]
        The same of each row's level; those of a training row are sums over the other parts.
    """
    own, size = codes[targets.rows], levels + 2
    sums = [_sums(own, deviations, size) for deviations in targets.deviations.T]
    table = _table(targets, _sums(own, targets.weights, size), sums)
    places = targets.parts * size + own
    weights = _of_other_parts(_sums(targets.parts, targets.weights, PARTS)[:, None])
    scale = np.divide(targets.weights.cumsum()[-1], weights, out=np.ones((PARTS, 1)), where=weights > 0)

    def scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = _of_other_parts(_sums(places, values, PARTS * size).reshape(PARTS, size))
        return np.asarray(scale * sums, np.float64)

    counts, deviations = scaled(targets.weights), [scaled(values) for values in targets.deviations.T]
    parts = np.stack([_table(targets, *each) for each in zip(counts, zip(*deviations, strict=True), strict=True)])
    found = parts[targets.parts, own]
    found[(np.arange(len(own)) + place) % MASKED == MASKED - 1] = table[-1]
    statistics = table[codes]
    statistics[targets.rows] = found
    return table, statistics


def _table(targets: Targets, counts: NDArray[np.float64], sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the statistics [levels + 2, k + 1] for the weights and the sums of deviations [levels + 2] of levels."""
    table = np.empty((len(counts), len(targets.priors) + 1))
    for place, (prior, each) in enumerate(zip(targets.priors, sums, strict=True)):
        table[:, place] = prior + each / (counts + 1.0)
    table[:, -1] = [math.log1p(count) for count in counts.tolist()]  # NumPy's log1p varies with the CPU
    table[-1] = [*targets.priors, 0.0]
    return table


def _sums(places: NDArray[Any], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the sum of the values at each place, added in order: [size]."""
    return np.asarray(np.bincount(places, values, size), np.float64)


def _of_other_parts(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each part, the sum over all other parts, [PARTS, ...] like `sums`.

    The other parts are added up, not subtracted from the total, so that no bit depends on a row's own part.
    """
    others = np.zeros_like(sums)
    for part in range(PARTS):
        for other in range(PARTS):
            if other != part:
                others[part] += sums[other]
    return others

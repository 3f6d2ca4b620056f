"""The parts of an axis that a click chooses: every level of a choice, stretches of a scale, and "not set"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import show
from ash.history.chart_data import ABSENT, BELOW, ParameterAxis

STRETCHES = 5
"""Of the scale of a number that has more values than that."""


@dataclass(frozen=True, eq=False)
class Bins:
    """The parts of one axis.

    Attributes
    ----------
    labels : list of str
        What each part holds.
    ends : list of (float, float)
        Where it lies: shares of the axis.
    of_candidate : int64 array [candidates]
        Which part each candidate is in; -1: none.
    """

    labels: list[str]
    ends: list[tuple[float, float]]
    of_candidate: NDArray[np.int64]


def parameter_bins(axis: ParameterAxis) -> Bins:
    """Return the parts of the axis of a hyperparameter."""
    if axis.kind == "levels" or len(axis.values) <= STRETCHES:
        ends = [(float(share),) * 2 for share in axis.shares]
        bins = Bins(axis.texts, ends, axis.level)
    else:
        bins = _stretches(axis.of_candidates(axis.shares), axis.texts, axis.level)
    if (axis.level >= 0).all():
        return bins
    of_candidate = np.where(axis.level < 0, len(bins.labels), bins.of_candidate)
    return Bins([*bins.labels, ABSENT], [*bins.ends, (BELOW, BELOW)], of_candidate)


def score_bins(scores: NDArray[np.float64], shares: NDArray[np.float64]) -> Bins:
    """Return the parts of the axis of scores; who has none is in no part."""
    known, levels = np.unique(scores[~np.isnan(scores)], return_inverse=True)
    level = np.full(len(scores), -1)
    level[~np.isnan(scores)] = levels
    return _stretches(np.where(level < 0, np.nan, shares), [show(float(score)) for score in known], level)


def _stretches(shares: NDArray[np.float64], texts: list[str], level: NDArray[np.int64]) -> Bins:
    """Return those stretches that hold a candidate; `texts` and `level` name the values, the lowest first."""
    stretch = np.clip((np.nan_to_num(shares) * STRETCHES).astype(np.int64), 0, STRETCHES - 1)
    known = level >= 0
    held, place = np.unique(stretch[known], return_inverse=True)
    of_candidate = np.full(len(level), -1)
    of_candidate[known] = place
    labels = []
    for part in range(len(held)):
        own = level[of_candidate == part]
        low, high = texts[own.min()], texts[own.max()]
        labels.append(low if low == high else f"{low} to {high}")
    return Bins(labels, [(part / STRETCHES, (part + 1) / STRETCHES) for part in held.tolist()], of_candidate)

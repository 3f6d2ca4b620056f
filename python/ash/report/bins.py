"""The parts of an axis that a click chooses: every level of a choice, five stretches of a scale, and "not set"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ash.parallel_lines import BELOW
from ash.parameter_axes import ABSENT, ParameterAxis
from ash.text_table import show

STRETCHES = 5
"""Of the scale of a number."""


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
    of_value = np.arange(len(axis.values)) if axis.kind == "levels" else _stretch(axis.shares)
    of_candidate = np.append(of_value, -1)[axis.level]
    labels, ends = [], []
    for part in range(len(axis.values) if axis.kind == "levels" else STRETCHES):
        own = np.flatnonzero(of_value == part)
        labels.append(_span([axis.texts[place] for place in own]))
        ends.append((axis.shares[part],) * 2 if axis.kind == "levels" else _ends(part))
    if (axis.level < 0).any():
        of_candidate = np.where(axis.level < 0, len(labels), of_candidate)
        labels, ends = [*labels, ABSENT], [*ends, (BELOW, BELOW)]
    return Bins(labels, ends, of_candidate)


def score_bins(scores: NDArray[np.float64], shares: NDArray[np.float64]) -> Bins:
    """Return the parts of the axis of scores; who has none is in no part."""
    known = ~np.isnan(scores)
    of_candidate = np.where(known, _stretch(np.where(known, shares, 0.0)), -1)
    labels = []
    for part in range(STRETCHES):
        own = np.sort(scores[of_candidate == part])
        labels.append(_span([show(float(score)) for score in own]))
    return Bins(labels, [_ends(part) for part in range(STRETCHES)], of_candidate)


def _stretch(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip((shares * STRETCHES).astype(np.int64), 0, STRETCHES - 1)


def _ends(part: int) -> tuple[float, float]:
    return part / STRETCHES, (part + 1) / STRETCHES


def _span(texts: list[str]) -> str:
    if not texts:
        return "nothing"
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"

"""Parallel coordinates of a run: a place for each candidate on each hyperparameter and on the score."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import show
from ash.history.ladder_points import score_limits
from ash.history.parameter_axes import ABSENT, ParameterAxis, varying_axes
from ash.history.ranking import Standing, standing_of

if TYPE_CHECKING:
    from ash.history.history import History

MOST_LEVELS, MOST_NUMBERS = 14, 6
"""Values that are named on an axis of levels, and on one of numbers."""

BELOW = -0.12
"""Where a candidate stands that does not have a hyperparameter, in lengths of the axis."""


def lines_of(result: "History") -> tuple[list[ParameterAxis], NDArray[np.float64], Standing]:
    """Return the axes, where each candidate stands on them and on that of the score, and how it has done.

    Returns
    -------
    axes : list of ParameterAxis
        Hyperparameters in which the candidates differ.
    places : float64 array [candidates, axes + 1]
        0 at the lowest value, 1 at the highest one, `BELOW` where there is none. The last column is the best score,
        from one of `score_limits` to the other; what is lower stands at 0.
    standing : Standing
    """
    axes = varying_axes(result)
    standing = standing_of(result.columns, len(result.params))
    score = standing.best_score
    low, high = score_limits(result.columns, result.options.eta)
    shares = np.maximum((score - low) / (high - low), 0.0)
    places = np.column_stack([*(axis.of_candidates(axis.shares) for axis in axes), shares])
    return axes, np.where(np.isnan(places), BELOW, places), standing


def score_labels(result: "History", standing: Standing) -> list[tuple[float, str]]:
    """Return what is written on the axis of the score."""
    low, high = score_limits(result.columns, result.options.eta)
    lower = float(np.nanmin(standing.best_score)) < low
    return [(0.0, show(low) + " or less" * lower), (1.0, show(high))]


def axis_labels(axis: ParameterAxis) -> list[tuple[float, str]]:
    """Return where values are named on an axis, and how: the ends among them."""
    count = len(axis.values)
    most = MOST_LEVELS if axis.kind == "levels" else MOST_NUMBERS
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    named = [(float(axis.shares[place]), axis.texts[place]) for place in chosen]
    return [*named, (BELOW, ABSENT)] if (axis.level < 0).any() else named

"""Where the jobs of a run stand on the picture of its ladder: a point each, by score and rung.

What is further below the cut of the lowest rung than the best is above it stands at the left edge: one bad regression
would squeeze all others together. The diverged, which have no score, stand further left.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns
from ash.history.rung_stats import promoted, survivors

if TYPE_CHECKING:
    from ash.history.history import History

Numbers = NDArray[np.float64]

FORECAST = ", below the top rung as expected after the next one"
"""What the axis says behind the name of the score where it is a forecast."""

GOLDEN = 0.6180339887498949
"""Its multiples, modulo 1, never fall close together: they spread the points of a rung."""

SPREAD = 0.36
"""How far above or below its rung a point may stand, in rungs."""

KINDS = ("waiting", "promoted", "worse than shown", "diverged")


@dataclass(frozen=True, eq=False)
class LadderPoints:
    """A point for each job, in order of decision.

    Attributes
    ----------
    x, y : float64 arrays [jobs]
        Score by which the ladder has ranked, and rung with a spread by the number of the candidate.
    kind : int64 array [jobs]
        What has become of it: a place in `KINDS`.
    low, high : float
        The lowest and the highest score that stand at their place.
    left, right : float
        The ends of the axis of scores.
    forecast : bool
        Whether the scores are those that are expected after the next rung, but for the top one.
    """

    x: Numbers
    y: Numbers
    kind: NDArray[np.int64]
    low: float
    high: float
    left: float
    right: float
    forecast: bool


def ladder_points(result: "History") -> LadderPoints:
    """Return the points of a run."""
    columns = result.ranking
    diverged = columns["diverged"].astype(bool)
    low, high = score_limits(columns, result.options.eta)
    margin = 0.03 * (high - low)
    worse = ~diverged & (columns["score"] < low)
    x = np.where(diverged, low - 4 * margin, np.where(worse, low - 2 * margin, columns["score"]))
    y = columns["rung"] + SPREAD * (2 * (columns["candidate"] * GOLDEN % 1.0) - 1)
    kind = np.where(diverged, 3, np.where(worse, 2, went_up(result)))
    forecast = bool((columns["score"] != result.columns["score"])[~diverged].any())
    return LadderPoints(x, y, kind, low, high, float(x.min()) - margin, high + margin, forecast)


def score_limits(columns: Columns, eta: int) -> tuple[float, float]:
    """Return the lowest and highest score that are shown at their place."""
    scores = columns["score"][~columns["diverged"].astype(bool)]
    low, high = float(scores.min()), float(scores.max())
    best = survivors(columns, 0, eta)
    cut = float(columns["score"][best[-1]]) if len(best) else high
    if cut < high:
        low = float(scores[scores >= cut - (high - cut)].min())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def went_up(result: "History") -> NDArray[np.bool_]:
    """Return for each job whether its candidate has a job in the next rung."""
    up = np.zeros(len(result.columns["rung"]), dtype=bool)
    for rung in result.rungs:
        up[result.columns["rung"] == rung["rung"]] = promoted(result.columns, rung["rung"])
    return up


def barrier_cuts(result: "History") -> dict[int, float]:
    """Return for each rung but the last the score of the last candidate that a barrier would have promoted."""
    cuts, columns = {}, result.ranking
    for rung in result.rungs:
        best = survivors(columns, rung["rung"], result.options.eta)
        if len(best) and not math.isnan(rung["recall"]):
            cuts[rung["rung"]] = float(columns["score"][best[-1]])
    return cuts


def way_of_the_best(result: "History") -> NDArray[np.int64]:
    """Return the rows of the jobs of the best candidate that have not diverged."""
    columns = result.columns
    own: NDArray[np.int64] = np.flatnonzero(
        (columns["candidate"] == result.best_candidate) & ~columns["diverged"].astype(bool)
    )
    return own

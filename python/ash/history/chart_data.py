"""Computes the data of a run's charts: ladder points, axes and parallel coordinates.

Ladder: one point per job, by score and rung. Scores are drawn at their own positions down to a limit. The limit is as
far below the lowest rung's cut (the lowest score that a barrier would promote) as the best score is above the cut.
Lower scores are drawn at the left edge, since one very bad score would squeeze all other points together. Diverged
jobs, which have no score, are drawn even further left.

Hyperparameter axes: the values that occur in a run, their order, and the position of each candidate. Numbers are
ordered by size, layer widths by their sum, text alphabetically.

    learning_rate   0.001 ----- 0.01 ----- 0.1      log:     ash.loguniform, and ash.integers with log=True
    dropout         0.0 -- 0.1 -- 0.2 -- 0.3        linear:  ash.uniform and ash.integers
    optimizer       adam | momentum                 levels:  a choice, equally spaced
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash._utils.cached import cached_property
from ash._utils.checks import is_number
from ash._utils.display import counted, show, show_param
from ash.history.records import Columns, Standing, promoted, standing_of, survivors
from ash.space.domains import LOG_INTEGERS, Domain
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    from ash.history.history import History


FORECAST = " (below the top rung: forecast for the next rung)"
"""Suffix of the score axis's name if scores are forecasts."""

GOLDEN = 0.6180339887498949
"""The golden ratio minus 1; its multiples modulo 1 are well separated, which spreads the points of a rung."""

SPREAD = 0.36
"""The maximum distance of a point from its rung's line, as a fraction of the distance between rungs."""

KINDS = ("waiting", "promoted", "worse than shown", "diverged")

ABSENT = "not set"
"""Label for a hyperparameter that a candidate does not have because its condition does not hold."""

MOST_LEVELS, MOST_NUMBERS = 14, 6
"""The maximum number of values that are labeled on an axis of levels, and on an axis of numbers."""

BELOW = -0.12
"""Position of a candidate that does not have the hyperparameter, on an axis that ranges from 0 to 1."""


@dataclass(frozen=True, eq=False)
class LadderPoints:
    """One point per job, in order of decision.

    Attributes
    ----------
    x, y : float64 arrays [jobs]
        x is the score by which the ladder ranked the job, or a fixed position left of `low` if the score is lower or
        the job diverged. y is the rung, with an offset that depends on the candidate's number.
    kind : int64 array [jobs]
        The outcome of the job, as an index into `KINDS`.
    low, high : float
        The range of scores that are drawn at their own positions.
    left, right : float
        The ends of the score axis.
    forecast : bool
        Whether the scores below the top rung are forecasts for the next rung.
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
    """Return the points of a run's jobs on the ladder."""
    columns = result.ranking
    diverged = columns["diverged"].astype(bool)
    low, high = score_limits(columns, result.options.eta)
    margin = 0.03 * (high - low)
    worse = ~diverged & (columns["score"] < low)
    x = np.where(diverged, low - 4 * margin, np.where(worse, low - 2 * margin, columns["score"]))
    y = columns["rung"] + SPREAD * (2 * (columns["candidate"] * GOLDEN % 1.0) - 1)
    kind = np.where(diverged, 3, np.where(worse, 2, was_promoted(result)))
    forecast = bool((columns["score"] != result.columns["score"])[~diverged].any())
    return LadderPoints(x, y, kind, low, high, float(x.min()) - margin, high + margin, forecast)


def score_limits(columns: Columns, eta: int) -> tuple[float, float]:
    """Return the lowest and the highest score that plots distinguish; lower scores share one position."""
    scores = columns["score"][~columns["diverged"].astype(bool)]
    low, high = float(scores.min()), float(scores.max())
    best = survivors(columns, 0, eta)
    cut = float(columns["score"][best[-1]]) if len(best) else high
    if cut < high:
        low = float(scores[scores >= cut - (high - cut)].min())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def was_promoted(result: "History") -> NDArray[np.bool_]:
    """Return for each job whether its candidate has a job in the next rung."""
    found = np.zeros(len(result.columns["rung"]), dtype=bool)
    for rung in result.rungs:
        found[result.columns["rung"] == rung["rung"]] = promoted(result.columns, rung["rung"])
    return found


def epochs_of_rung(result: "History", rung: Mapping[str, Any]) -> str:
    """Return the epochs of a rung's jobs as text; a plus sign means that they are added to those of lower rungs."""
    if rung["rung"] and result.options.training == "resume":
        return f"+{rung['epochs']:,} epochs"
    return counted(rung["epochs"], "epoch")


def barrier_cuts(result: "History") -> dict[int, float]:
    """Return the lowest score that a barrier would have promoted, keyed by rung; rungs with NaN recall are left out."""
    cuts, columns = {}, result.ranking
    for rung in result.rungs:
        best = survivors(columns, rung["rung"], result.options.eta)
        if len(best) and not math.isnan(rung["recall"]):
            cuts[rung["rung"]] = float(columns["score"][best[-1]])
    return cuts


def way_of_the_best(result: "History") -> NDArray[np.int64]:
    """Return the row numbers of those jobs of the best candidate that have not diverged."""
    is_best = result.columns["candidate"] == result.best_candidate
    return np.flatnonzero(is_best & ~result.columns["diverged"].astype(bool))


@dataclass(frozen=True, eq=False)
class ParameterAxis:
    """The axis of one hyperparameter, with the values of all candidates.

    Attributes
    ----------
    name : str
        The hyperparameter.
    kind : {"linear", "log", "levels"}
        The scale of the axis; "levels" are equally spaced.
    values : tuple
        The distinct values, in order.
    level : int64 array [candidates]
        The index of each candidate's value in `values`; -1 if the candidate does not have the hyperparameter.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    level: NDArray[np.int64]

    @property
    def varies(self) -> bool:
        """Return whether candidates differ in this hyperparameter; not having it counts as a value."""
        return len(self.values) + bool((self.level < 0).any()) > 1

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Return the positions of the values in the units of the axis: the numbers, or 0, 1, 2, ... for levels."""
        return np.arange(len(self.values), dtype=float) if self.kind == "levels" else np.array(self.values, float)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Return the values' positions, scaled to 0 for the lowest and 1 for the highest; a single value is at 0.5."""
        positions = np.log(self.positions) if self.kind == "log" else self.positions
        span = positions[-1] - positions[0]
        return (positions - positions[0]) / span if span > 0 else np.full(len(positions), 0.5)

    def of_candidates(self, of_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return, for each candidate, the entry of `of_values` for its value; NaN if it lacks the hyperparameter."""
        return np.append(of_values, np.nan)[self.level]

    @cached_property
    def texts(self) -> list[str]:
        """Return the values of the hyperparameter as text."""
        return [show_param(value) for value in self.values]


def parameter_axes(history: "History", rows: Sequence[int] | None = None) -> list[ParameterAxis]:
    """Return one axis per hyperparameter of these candidates (default: all), in order of first occurrence."""
    params = history.params if rows is None else [history.params[row] for row in rows]
    domains = history.space.domains
    return [_axis(name, params, domains) for name in dict.fromkeys(chain.from_iterable(params))]


def varying_axes(history: "History", rows: Sequence[int] | None = None) -> list[ParameterAxis]:
    """Return the axes in which the candidates differ."""
    return [axis for axis in parameter_axes(history, rows) if axis.varies]


def _axis(name: str, params: Sequence[Params], domains: Mapping[str, tuple[Domain, ...]]) -> ParameterAxis:
    keys = [(type(one[name]), one[name]) if name in one else None for one in params]  # the type tells True from 1
    levels = sorted(dict.fromkeys(key for key in keys if key is not None), key=lambda key: _sort_key(key[1]))
    numbers: dict[Any, int] = {None: -1, **{key: number for number, key in enumerate(levels)}}
    values, kinds = tuple(value for _, value in levels), {domain.kind for domain in domains.get(name, ())}
    if not kinds - {"choice"} or not all(map(is_number, values)):
        kind = "levels"
    else:
        kind = "log" if kinds & {"log", LOG_INTEGERS} and values[0] > 0 else "linear"
    return ParameterAxis(name, kind, values, np.array([numbers[key] for key in keys], np.int64))


def _sort_key(value: Any) -> tuple[int, float, str]:
    """Return a sort key that orders values of different types."""
    if is_number(value):
        return 1, float(value), ""
    if isinstance(value, tuple) and all(map(is_number, value)):
        return 2, float(sum(value)), repr(value)
    return (0, float(value), "") if isinstance(value, bool) else (3, 0.0, str(value))


def lines_of(result: "History") -> tuple[list[ParameterAxis], NDArray[np.float64], Standing]:
    """Return the data of parallel coordinates: axes, positions on them, and the standing of the candidates.

    Returns
    -------
    axes : list of ParameterAxis
        The axes of the hyperparameters in which the candidates differ.
    heights : float64 array [candidates, axes + 1]
        The position of each candidate on each axis: 0 for the lowest value, 1 for the highest, `BELOW` if the
        candidate does not have the hyperparameter. The last column is the candidate's best score, scaled to 0..1 by the
        `score_limits`. It is 0 for a score below these limits, and `BELOW` for a candidate without a score.
    standing : Standing
        The standing of the candidates.
    """
    axes = varying_axes(result)
    standing = standing_of(result.columns, len(result.params))
    score = standing.best_score
    low, high = score_limits(result.columns, result.options.eta)
    shares = np.maximum((score - low) / (high - low), 0.0)
    heights = np.column_stack([*(axis.of_candidates(axis.shares) for axis in axes), shares])
    return axes, np.where(np.isnan(heights), BELOW, heights), standing


def score_labels(result: "History", standing: Standing) -> list[tuple[float, str]]:
    """Return the positions and texts of the labels of the score axis."""
    low, high = score_limits(result.columns, result.options.eta)
    return [(0.0, show(low) + " or less" * bool(np.nanmin(standing.best_score) < low)), (1.0, show(high))]


def axis_labels(axis: ParameterAxis) -> list[tuple[float, str]]:
    """Return the positions and texts of an axis's labels, including both ends."""
    count = len(axis.values)
    most = MOST_LEVELS if axis.kind == "levels" else MOST_NUMBERS
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    named = [(float(axis.shares[level]), axis.texts[level]) for level in chosen]
    return [*named, (BELOW, ABSENT)] if (axis.level < 0).any() else named

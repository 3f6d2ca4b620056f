"""Hyperparameters as axes: which values a run has seen, in what order, and where on an axis each candidate stands.

    learning_rate   0.001 ----- 0.01 ----- 0.1      log:     numbers whose middle is nearer to the geometric mean
                                                             of the ends than to the arithmetic one
    dropout         0.0 -- 0.1 -- 0.2 -- 0.3        linear:  other numbers
    optimizer       adam | momentum                 levels:  all else, and numbers of few values, equally far apart

A result does not keep its space, so the kind is read off the values. Numbers are ordered by size, widths of layers by
their sum, text by the alphabet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.domains import distinct, encode
from ash.scalars import is_number
from ash.settings import Params
from ash.text_table import show_param

FEW = 8
"""Numbers of no more values than that are levels: 0, 1e-5 and 1e-3 have no common scale."""

DECADE = 10.0
"""The least ratio of the highest value to the lowest one on a log axis."""

ABSENT = "not set"
"""What stands for a hyperparameter that a candidate does not have, since its condition does not hold."""


@dataclass(frozen=True, eq=False)
class ParameterAxis:
    """One hyperparameter of all candidates.

    Attributes
    ----------
    name : str
    kind : {"linear", "log", "levels"}
    values : tuple
        The distinct values, in order.
    level : int64 array [candidates]
        The place in `values` of what each candidate has; -1 where it has none.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    level: NDArray[np.int64]

    @property
    def varies(self) -> bool:
        """Return whether candidates differ in it: two values, or one that not all have."""
        return len(self.values) + bool((self.level < 0).any()) > 1

    @property
    def positions(self) -> NDArray[np.float64]:
        """Return where the values stand, in units of the axis: the numbers themselves, or 0, 1, 2, ... for levels."""
        return np.arange(len(self.values), dtype=float) if self.kind == "levels" else np.array(self.values, float)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Return where the values stand between the lowest, 0, and the highest, 1; 0.5 where there is one."""
        places = np.log(self.positions) if self.kind == "log" else self.positions
        span = places[-1] - places[0]
        return (places - places[0]) / span if span > 0 else np.full(len(places), 0.5)

    def of_candidates(self, of_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each candidate what belongs to its value, NaN where it has none."""
        return np.append(of_values, np.nan)[self.level]

    @property
    def texts(self) -> list[str]:
        """Return the values as they are shown."""
        return [show_param(value) for value in self.values]


def parameter_axes(params: Sequence[Params]) -> list[ParameterAxis]:
    """Return an axis for each hyperparameter, in the order in which they occur."""
    return [_axis(name, params) for name in dict.fromkeys(chain.from_iterable(params))]


def varying_axes(params: Sequence[Params]) -> list[ParameterAxis]:
    """Return those in which the candidates differ."""
    return [axis for axis in parameter_axes(params) if axis.varies]


def _axis(name: str, params: Sequence[Params]) -> ParameterAxis:
    values = sorted(distinct(one[name] for one in params if name in one), key=_order)
    place = {encode(value): number for number, value in enumerate(values)}
    level = np.array([place[encode(one[name])] if name in one else -1 for one in params], np.int64)
    return ParameterAxis(name, _kind(values), tuple(values), level)


def _kind(values: Sequence[Any]) -> str:
    if len(values) <= FEW or not all(map(is_number, values)):
        return "levels"
    low, middle, high = float(values[0]), float(np.median(values)), float(values[-1])
    if low <= 0 or high / low < DECADE:
        return "linear"
    geometric, arithmetic = math.sqrt(low * high), (low + high) / 2
    return "log" if middle - geometric < arithmetic - middle else "linear"


def _order(value: Any) -> tuple[int, float, str]:
    """Return a key that orders values of any type."""
    if is_number(value):
        return 1, float(value), ""
    if isinstance(value, tuple) and all(map(is_number, value)):
        return 2, float(sum(value)), repr(value)
    return (0, float(value), "") if isinstance(value, bool) else (3, 0.0, str(value))

"""Hyperparameters as axes: which values a run has seen, in what order, and where on an axis each candidate stands.

    learning_rate   0.001 ----- 0.01 ----- 0.1      log:     levels of ash.log
    dropout         0.0 -- 0.1 -- 0.2 -- 0.3        linear:  levels of ash.uniform and ash.integers
    optimizer       adam | momentum                 levels:  a choice, all equally far apart

Numbers are ordered by size, widths of layers by their sum, text by the alphabet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import is_number
from ash._utils.display import show_param
from ash.space.domains import Domain
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    from ash.history.history import History

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

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Return where the values stand, in units of the axis: the numbers themselves, or 0, 1, 2, ... for levels."""
        return np.arange(len(self.values), dtype=float) if self.kind == "levels" else np.array(self.values, float)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Return where the values stand between the lowest, 0, and the highest, 1; 0.5 where there is one."""
        places = np.log(self.positions) if self.kind == "log" else self.positions
        span = places[-1] - places[0]
        return (places - places[0]) / span if span > 0 else np.full(len(places), 0.5)

    def of_candidates(self, of_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each candidate what belongs to its value, NaN where it has none."""
        return np.append(of_values, np.nan)[self.level]

    @cached_property
    def texts(self) -> list[str]:
        """Return the values as they are shown."""
        return [show_param(value) for value in self.values]


def parameter_axes(history: "History", rows: Sequence[int] | None = None) -> list[ParameterAxis]:
    """Return an axis for each hyperparameter, in the order in which they occur.

    Parameters
    ----------
    history : History
    rows : sequence of int, optional
        Numbers of the candidates to look at; all by default.
    """
    params = history.params if rows is None else [history.params[row] for row in rows]
    domains = history.space.domains
    return [_axis(name, params, domains) for name in dict.fromkeys(chain.from_iterable(params))]


def varying_axes(history: "History", rows: Sequence[int] | None = None) -> list[ParameterAxis]:
    """Return those in which the candidates differ."""
    return [axis for axis in parameter_axes(history, rows) if axis.varies]


def _axis(name: str, params: Sequence[Params], domains: Mapping[str, tuple[Domain, ...]]) -> ParameterAxis:
    keys = [(type(one[name]), one[name]) if name in one else None for one in params]  # True is not 1
    values = sorted(dict.fromkeys(key for key in keys if key is not None), key=lambda key: _order(key[1]))
    place = {key: number for number, key in enumerate(values)}
    level = np.array([-1 if key is None else place[key] for key in keys], np.int64)
    kinds = {domain.kind for domain in domains.get(name, ())}
    found = tuple(value for _, value in values)
    return ParameterAxis(name, _kind(found, kinds), found, level)


def _kind(values: Sequence[Any], kinds: set[str]) -> str:
    """Return the kind of an axis of values of these kinds of domains."""
    if not kinds - {"choice"} or not all(map(is_number, values)):
        return "levels"
    return "log" if "log" in kinds and values[0] > 0 else "linear"


def _order(value: Any) -> tuple[int, float, str]:
    """Return a key that orders values of any type."""
    if is_number(value):
        return 1, float(value), ""
    if isinstance(value, tuple) and all(map(is_number, value)):
        return 2, float(sum(value)), repr(value)
    return (0, float(value), "") if isinstance(value, bool) else (3, 0.0, str(value))

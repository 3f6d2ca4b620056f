"""What a run needs of the data: the table, which rows train and which validate, the metric, the candidates."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.data import Table, read_features, read_training, split
from ash.errors import SettingError
from ash.metrics import metric_of
from ash.network import read_targets
from ash.options import LARGEST, Options
from ash.settings import Params, to_settings
from ash.space import Space, default_space

CHUNK = 1024
"""Candidates of a stream that are drawn together: some 25 ms on one core of 2026, so that nothing waits for them."""


@dataclass(frozen=True)
class Parts:
    """The table with its rows for training and those for validation, as row numbers."""

    table: Table
    training: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass
class Candidates:
    """The hyperparameters of the candidates: all from the beginning, or a stream that is drawn as the core asks.

    `params` are those drawn so far, by number; `count` is how many there are in all; `rest` gives the others.
    """

    params: list[Params]
    count: int
    rest: Iterator[Params]

    def first(self) -> list[_core.Settings]:
        """Return the settings of all that are drawn."""
        return [to_settings(params) for params in self.params]

    def more(self, wanted: int) -> list[_core.Settings]:
        """Draw at least so many more, as far as there are, and return their settings."""
        drawn = list(islice(self.rest, max(wanted, CHUNK)))
        self.params += drawn
        return [to_settings(params) for params in drawn]


def read_parts(X: Any, y: Any, validation: Any, options: Options) -> Parts:
    """Read and split the data; a validation table of its own is joined below the training rows."""
    table = read_training(X, y, options.task)
    if not isinstance(validation, tuple):
        return Parts(table, *split(table, validation, options.seed))
    if len(validation) != 2:
        raise SettingError(f"validation holds {len(validation)} parts; a tuple must be (X, y)")
    x = read_features(validation[0], table.x.shape[1], table.feature_names)
    targets = read_targets(validation[1], x.shape[0], table.classes_, table.y.shape[1])
    rows, more = table.x.shape[0], x.shape[0]
    whole_table = replace(table, x=np.concatenate([table.x, x]), y=np.concatenate([table.y, targets]))
    return Parts(whole_table, np.arange(rows, dtype=np.int64), np.arange(rows, rows + more, dtype=np.int64))


def usable_metric(parts: Parts, options: Options) -> str:
    """Return the metric; a default that is undefined on these validation rows gives way, a wish is refused."""
    table = parts.table
    metric = metric_of(table.task, options.metric)
    classes = table.classes
    targets = table.y[parts.validation]
    guess = np.full((len(targets), classes), 1 / classes) if classes else targets
    constant = metric == "r2" and bool((targets == targets[0]).all())  # all candidates would score 0, or 1
    if not constant and not np.isnan(_core.score(metric, targets, guess.astype(np.float32), classes)):
        return metric
    why = f"metric {metric!r} is undefined on the {len(targets)} validation rows (all of one class or value)"
    if options.metric is not None or options.target is not None:  # a target is meant for this metric
        raise SettingError(f"{why}; choose another metric or a larger validation part")
    warnings.warn(f"{why}; candidates are ranked by 'rmse' instead", UserWarning, stacklevel=3)
    return "rmse"


def draw(space: Space | None, parts: Parts, options: Options) -> Candidates:
    """Return the candidates: a number of them, fewer when the space holds fewer, or the beginning of a stream."""
    table = parts.table
    if space is None:
        space = default_space(len(parts.training), table.x.shape[1], table.y.shape[1], table.classes)
    if options.candidates is not None:
        params = space.sample(options.candidates, options.seed)
        return Candidates(params, len(params), iter(()))
    count = min(space.size, LARGEST)
    stream = islice(space.stream(options.seed), count)
    return Candidates(list(islice(stream, CHUNK)), count, stream)

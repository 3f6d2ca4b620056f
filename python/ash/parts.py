"""What a run needs of the data: the table, which rows train and which validate, the metric, the candidates."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.data import Table, read_features, read_training, split
from ash.errors import SettingError
from ash.metrics import metric_of
from ash.network import read_targets
from ash.options import Options
from ash.space import Space, default_space


@dataclass(frozen=True)
class Parts:
    """The table with its rows for training and those for validation, as row numbers."""

    table: Table
    training: NDArray[np.int64]
    validation: NDArray[np.int64]


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
    if options.metric is not None:
        raise SettingError(f"{why}; choose another metric or a larger validation part")
    warnings.warn(f"{why}; candidates are ranked by 'rmse' instead", UserWarning, stacklevel=3)
    return "rmse"


def draw(space: Space | None, parts: Parts, options: Options) -> list[dict[str, Any]]:
    """Return the hyperparameters of the candidates; fewer than asked for when the space holds fewer."""
    table = parts.table
    if space is None:
        space = default_space(len(parts.training), table.x.shape[1], table.y.shape[1], table.classes)
    return space.sample(options.candidates, options.seed)

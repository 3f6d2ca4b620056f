"""What a run needs of the data: the table, which rows train and which validate, the metric, the candidates."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.arrays import Matrix
from ash.data import Table, read_training, split
from ash.default_space import default_space
from ash.epoch_rows import default_epoch_rows
from ash.errors import SettingError
from ash.frames import Frame, read_frame
from ash.kept import networks_to_keep
from ash.metrics import metric_of
from ash.neighbors import may_have_neighbors, with_neighbors
from ash.options import LARGEST, Options, RunOptions
from ash.planning import TYPICAL, plan
from ash.recurring import with_recurring
from ash.row_order import sort_rows
from ash.schema import Schema, learn_schema
from ash.settings import Params, to_settings
from ash.space import Space
from ash.targets import read_targets
from ash.training_encoding import TrainingEncoding, learn_encoding
from ash.weights import of_mean_one

PREDICTING = 0.04
"""Of the time of a planned run: what the predictions of the kept networks take at most, which come after it."""
CHUNK = 1024
"""Candidates of a stream that are drawn together: some 25 ms on one core of 2026, so that nothing waits for them."""
_STREAM = 3  # spawn key of the order of target statistics; the draw of candidates has 1, the split 2


@dataclass(frozen=True, eq=False)
class Parts:
    """The table with its rows for training and those for validation.

    Attributes
    ----------
    table : Table
    held_out : Frame or None
        The columns of a validation table of its own, whose rows are numbered on from those of `table`.
    encoding : TrainingEncoding
        Of the columns of both.
    y : array [rows, outputs]
        Of all rows, as in `Table`.
    weights : array [rows] or None
    training, validation : int64 arrays
        Row numbers.
    """

    table: Table
    held_out: Frame | None
    encoding: TrainingEncoding
    y: Matrix
    weights: NDArray[np.float64] | None
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


def read_parts(table: Table, schema: Schema, validation: Any, options: Options) -> Parts:
    """Split and encode a table; the rows of a validation table of its own follow those to train on."""
    if isinstance(validation, tuple):
        return _beside(table, schema, validation, options)
    return parts_of(table, schema, *split(table, validation, options.seed), options.seed)


def read_table(X: Any, y: Any, options: Options, sample_weight: Any, sort: bool) -> tuple[Table, Schema]:
    """Read the data, and learn what its columns are.

    Parameters
    ----------
    sort : bool
        Whether rows are sorted by what they hold, and repeated by their weights; see row_order.py.
    """
    table = read_training(X, y, options.task, sample_weight)
    weighted = table.weights is not None and np.ptp(table.weights) > 0  # rows repeated for that do not recur
    schema = learn_schema(table.frame, missing=options.missing, unknown=options.unknown)
    if sort:
        table = sort_rows(table, schema)
    schema = with_recurring(schema, table.frame)
    if not weighted and may_have_neighbors(schema, table.rows, table.classes):
        schema = with_neighbors(schema, table.frame.all_numbers(), table.y)
    return replace(table, weights=None if table.weights is None else of_mean_one(table.weights)), schema


def parts_of(
    table: Table, schema: Schema, training: NDArray[np.int64], validation: NDArray[np.int64], seed: int
) -> Parts:
    """Return the parts of a table by row numbers, encoded by what the training rows tell."""
    encoding = _learn_encoding(table, schema, training, seed, validation)
    return Parts(table, None, encoding, table.y, table.weights, training, validation)


def _beside(table: Table, schema: Schema, validation: tuple[Any, ...], options: Options) -> Parts:
    if len(validation) != 2:
        raise SettingError(f"validation holds {len(validation)} parts; a tuple must be (X, y)")
    held_out = read_frame(validation[0], "validation X")
    schema.check(held_out, "the table to train on", "validation X")
    targets = read_targets(validation[1], held_out.rows, table.classes_, table.y.shape[1])
    training = np.arange(table.rows, dtype=np.int64)
    encoding = _learn_encoding(table, schema, training, options.seed)
    rows = table.rows + np.arange(held_out.rows, dtype=np.int64)
    weights = None if table.weights is None else np.concatenate([table.weights, np.ones(held_out.rows)])
    return Parts(table, held_out, encoding, np.concatenate([table.y, targets]), weights, training, rows)


def _learn_encoding(
    table: Table, schema: Schema, training: NDArray[np.int64], seed: int, validation: NDArray[np.int64] | None = None
) -> TrainingEncoding:
    """Learn from the training rows, in a random order: the one of the table may tell the target."""
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,))).permutation(training)
    return learn_encoding(
        schema,
        table.frame,
        targets=table.y,
        classes=table.classes,
        training=order,
        weights=table.weights,
        validation=validation,
    )


def usable_metric(parts: Parts, options: Options) -> str:
    """Return the metric; a default that is undefined on these validation rows gives way, a wish is refused."""
    table = parts.table
    metric = metric_of(table.task, options.metric)
    classes = table.classes
    targets = parts.y[parts.validation]
    guess = np.full((len(targets), classes), 1 / classes) if classes else targets
    constant = metric == "r2" and bool((targets == targets[0]).all())  # all candidates would score 0, or 1
    if not constant and not np.isnan(_core.score(metric, targets, guess.astype(np.float32), classes)):
        return metric
    why = f"metric {metric!r} is undefined on the {len(targets)} validation rows (all of one class or value)"
    if options.metric is not None or options.target is not None:  # a target is meant for this metric
        raise SettingError(f"{why}; choose another metric or a larger validation part")
    warnings.warn(f"{why}; candidates are ranked by 'rmse' instead", UserWarning, stacklevel=3)
    return "rmse"


def space_of(parts: Parts, options: Options) -> Space:
    """Return the default space of a table."""
    table, encoding = parts.table, parts.encoding.encoding
    return default_space(
        len(parts.training),
        encoding.features,
        table.y.shape[1],
        table.classes,
        numbers=int(encoding.scaled.sum()),
        metric=str(options.metric),
    )


def planned(options: Options, space: Space, folds: Sequence[Parts], seconds: float) -> Options:
    """Return the options with a ladder for so many seconds of training and the rows of an epoch, where left open.

    Decisions are then taken as jobs end: what has ended when the time is over depends on timing in any case, and on a
    virtual clock of many workers no candidate would come to the end of the ladder in time.
    """
    table, encoding = folds[0].table, folds[0].encoding.encoding
    rows = len(folds[0].training)
    if not options.planned:
        return replace(options, epoch_rows=options.epoch_rows or default_epoch_rows(rows))
    found = plan(
        rows,
        encoding.features,
        space.sample(min(TYPICAL, space.size), options.seed),
        time_limit=seconds / len(folds),  # the folds are alike, and a job trains each
        threads=options.threads,
        outputs=table.y.shape[1],
        classes=table.classes,
        numbers=int(encoding.scaled.sum()),
        eta=options.eta,
        epoch_rows=options.epoch_rows,
        validation=len(folds[0].validation),
    )
    return replace(
        options,
        min_epochs=found.min_epochs,
        max_rungs=found.max_rungs,
        epoch_rows=options.epoch_rows or (found.epoch_rows if found.epoch_rows < rows else None),
        keep=options.keep or _keep(found.scoring_seconds, PREDICTING * seconds * options.threads, folds[0]),
        schedule="greedy",
    )


def _keep(scoring_seconds: float, held: float, parts: Parts) -> int:
    """Return how many networks a run keeps whose predictions may take so many seconds of threads."""
    usual = networks_to_keep(None, len(parts.validation), parts.table.classes or parts.y.shape[1])
    return max(1, int(min(usual, held / scoring_seconds)))


def draw(space: Space, options: RunOptions, least: int = 0) -> Candidates:
    """Return the candidates: a number of them, fewer when the space holds fewer, or the beginning of a stream.

    Parameters
    ----------
    least : int
        How many of a stream at least, and some more that they may be followed by.
    """
    if options.candidates is not None:
        params = space.sample(options.candidates, options.seed)
        return Candidates(params, len(params), iter(()))
    count = min(space.size, LARGEST)
    stream = islice(space.stream(options.seed), count)
    return Candidates(list(islice(stream, least + CHUNK)), count, stream)

"""Splits a table: decides which rows train and which validate, and learns the encoding of each fold.

    validation = 0.2    -> a split of the rows (ash/data/row_split.py)
    validation = (X, y) -> validation rows, numbered after the training rows
    cv = 5              -> shuffled folds of the rows (row_split.py)
    cv = splitter, ...  -> the user's folds (row_split.py)
    neither             -> five folds for a small table (`has_folds`), else a fifth of the rows

If the table has groups (ash/data/table.py), rows of one group are never in both parts of a fold: the first and third
kind of split draw whole groups. The last kind raises an error if it divides a group that the user gave.

A job trains a candidate on all folds, and the candidate's score is the mean over the folds
(cpp/ash/run/candidates.hpp). ash/engine/refit.py describes when the final model is trained on all rows.

Memory: each fold of cross-validation has its own float32 matrix, and a refit on all rows has another one. So K folds
        take up to K + 1 times the memory of one matrix.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash._utils.checks import is_integer
from ash._utils.user_warnings import warn_user
from ash.data.arrays import Matrix, check_memory, table_bytes
from ash.data.columns import blocks
from ash.data.frames import Frame, read_frame
from ash.data.row_split import drawn_folds, given_folds, most_folds, split
from ash.data.table import Table, of_mean_one, read_training, read_weights, weigh_classes, weighted
from ash.data.targets import positive_class, read_targets
from ash.encoding.encoding import Encoding, TrainingEncoding, learn_encoding
from ash.encoding.equal_rows import copied_rows, sort_rows
from ash.encoding.neighbors import with_neighbors
from ash.encoding.schema import Schema, learn_schema, with_recurring
from ash.errors import DataError, SettingError
from ash.metrics import NEED_ALL_CLASSES
from ash.options import Options

VALIDATION = 0.2
"""The default share of the rows on which candidates are scored."""
FOLDS = 5
FEW_ROWS = 5_000
"""If a table has fewer rows, a fifth of them is too few to select candidates. So folds are the default."""
ROWS_A_SECOND = 250
"""A run whose ladder is planned from `time_limit` has folds only for tables with fewer rows than this number times the
seconds of its limit, since with five folds a candidate takes five times as long. On eight tables of 1,700 to 4,800
rows, the errors with folds were 1.25 times those of a single split after about 2 seconds, and 1.13 times after 5."""
MOST_UNEQUAL = 2
"""Folds are of similar size if the largest validation part has at most this many times the rows of the smallest."""
FEWEST_IN_ORDER = 20
"""Tables with fewer rows may be in the order of a date column by chance."""
NEARLY_ALL = 0.9
"""The minimum share of rows that have a date, and of dates that differ from the previous one."""
_STREAM = 3  # spawn key of the row order for target statistics; drawing candidates uses 1, the split 2


@dataclass(frozen=True, eq=False)
class Fold:
    """A table with its training and validation rows, and the encoding learned from the training rows.

    Attributes
    ----------
    table : Table
    held_out : Frame or None
        The columns of a separate validation table, or None without one. Its row numbers follow those of `table`.
    encoding : TrainingEncoding
        The encoding of the columns of both tables.
    y : array [rows, outputs]
        Targets of all rows, as in `Table`.
    weights : array [rows] or None
        Weights of all rows; None if all count equally.
    training, validation : int64 arrays
        Row numbers of the training rows and of the validation rows.
    """

    table: Table
    held_out: Frame | None
    encoding: TrainingEncoding
    y: Matrix
    weights: NDArray[np.float64] | None
    training: NDArray[np.int64]
    validation: NDArray[np.int64]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of features, of outputs of a network, and of numeric features."""
        return self.encoding.features, self.table.classes or self.y.shape[1], int(self.encoding.scaled.sum())

    def core_bytes(self, rows: int) -> int:
        """Return the approximate bytes that the core takes for this many rows of the table."""
        return table_bytes(rows, self.encoding.features, self._stored(rows))

    @property
    def sparse_cells(self) -> int:
        """Return the approximate number of cells that the core stores sparsely; 0 if it stores the table densely."""
        rows = len(self.y)
        stored = self._stored(rows)
        is_less = self.core_bytes(rows) < table_bytes(rows, self.encoding.features)
        return max(1, stored) if stored is not None and is_less else 0

    def _stored(self, rows: int) -> int | None:
        if (stored := self.table.frame.stored) is None:
            return None
        tables = sum(int(table.shape[1]) for table in self.encoding.statistics if table is not None)
        return round(stored * rows / self.table.rows) + tables * rows

    def blocks(self, cells: int) -> Iterator[NDArray[np.float64]]:
        """Yield encoded rows in blocks of at most `cells` cells: first those of `table`, then those of `held_out`."""
        encoding = self.encoding
        size = max(1, cells // encoding.features)
        for first, stop in blocks(self.table.rows, size):
            yield encoding.fitting_block(slice(first, stop))
        if self.held_out is not None:
            for first, stop in blocks(self.held_out.rows, size):
                yield encoding.block(self.held_out, slice(first, stop), encoding.schema.unknown)


@dataclass(frozen=True, eq=False)
class Split:
    """How a run uses the rows of its table.

    Attributes
    ----------
    folds : tuple of Fold
        The folds on which candidates are trained and scored: a single fold, or the folds of cross-validation.
    whole : Fold or None
        With cross-validation, a fold in which all rows train, for training on all rows; else None.
    """

    folds: tuple[Fold, ...]
    whole: Fold | None = None

    @property
    def table(self) -> Table:
        """The table that is split."""
        return self.folds[0].table

    @cached_property
    def is_tiled(self) -> bool:
        """Whether there is a single fold, or each fold trains on all rows but its own validation part.

        The validation parts must be of similar size and cover each row equally often. Rows that no fold validates must
        be fewer than a part. Only then is the mean of the folds' models as good as models that are trained on all rows.
        """
        if self.whole is None:
            return True
        rows, sizes = np.arange(self.table.rows), [len(fold.validation) for fold in self.folds]
        times = np.bincount(np.concatenate([fold.validation for fold in self.folds]), minlength=len(rows))
        beside = (np.setdiff1d(rows, fold.validation, assume_unique=True) for fold in self.folds)
        return (
            len(self.folds) > 1
            and set(times.tolist()) <= {0, int(times.max())}
            and int((times == 0).sum()) < min(sizes)
            and max(sizes) <= MOST_UNEQUAL * min(sizes)
            and all(np.array_equal(own, fold.training) for own, fold in zip(beside, self.folds, strict=True))
        )

    @property
    def stand_in(self) -> int:
        """The index of the fold whose models predict if none can be trained on all rows.

        It is the fold with the most training rows, or the first of folds of similar size.
        """
        return 0 if self.is_tiled else int(np.argmax([len(fold.training) for fold in self.folds]))

    @cached_property
    def predicting(self) -> tuple[Encoding, ...]:
        """The encoding with which each fold's models predict: what it has learned comes from the fold's own rows.

        A model was trained beside these statistics and their counts. Neighbors are those of all rows. Folds share one
        encoding if no column has learned anything.
        """
        if self.whole is None:
            return (self.folds[0].encoding.predicting,)
        shared, own = self.whole.encoding.predicting, [fold.encoding for fold in self.folds]
        if not any(map(shared.differs_between_folds, range(len(shared.schema.columns)))):
            return (shared,) * len(own)
        return tuple(
            replace(shared, statistics=each.statistics, targets=each.targets, learned=each.learned) for each in own
        )


def read_table(
    X: Any, y: Any, options: Options, sample_weight: Any, sort: bool, groups: Any = None
) -> tuple[Table, Schema]:
    """Read the data, and learn the schema of its columns.

    Parameters
    ----------
    sort : bool
        Whether rows are brought into canonical order and repeated by their weights; see equal_rows.py.
    groups : array-like [rows], optional
        As for `read_groups`.
    """
    table = read_training(X, y, options.task, sample_weight, options.categorical_features, groups)
    table = replace(table, positive=positive_class(table.classes_, options.pos_label))
    if options.loss == "poisson":
        check_counts(table.y, "y", table.frame)
    # A weighted table gets no neighbors, since rows that `sort_rows` repeats for their weight would count as recurring.
    has_weights = table.weights is not None
    frame, schema = learn_schema(
        table.frame, missing=options.missing, unknown=options.unknown, infinite=options.infinite
    )
    table = replace(table, frame=frame)
    if groups is None:
        table = replace(table, groups=copied_rows(table, schema))
    if sort:
        table = sort_rows(table, schema)
    if options.class_weight is not None:
        table = weigh_classes(table, options.class_weight)
    schema = with_recurring(schema, table.frame)
    if not has_weights:
        schema = with_neighbors(schema, table)
    return replace(table, weights=None if table.weights is None else of_mean_one(table.weights)), schema


def warn_of_time_order(table: Table, schema: Schema) -> None:
    """Warn if the user's rows are in the order of a date column, ascending or descending, with few repeated dates.

    A random split scores a candidate on rows between its training rows. If the rows to predict are later than all of
    these, the score is too good, and the candidates that follow the last weeks best may lose.
    """
    _, rows = np.unique(table.frame.numbers_of(np.arange(table.rows)), return_index=True)  # in the user's order
    if len(rows) < FEWEST_IN_ORDER:
        return
    for given, column in zip(table.frame.columns, schema.columns, strict=True):
        if column.kind != "date":
            continue
        days = given.numbers(slice(None))[rows]
        steps = np.diff(days[~np.isnan(days)])
        is_in_order = bool((steps >= 0).all() or (steps <= 0).all())
        if is_in_order and np.count_nonzero(steps) >= NEARLY_ALL * len(rows) - 1:
            warn_user(
                f"the rows are in the order of the dates in {given.label}, but they are split at random. If the model "
                "has to predict later dates, pass cv=TimeSeriesSplit() of scikit-learn; otherwise pass cv=5 or "
                "validation=0.2"
            )
            return


def split_table(
    table: Table,
    schema: Schema,
    options: Options,
    validation: Any,
    cv: Any = None,
    *,
    needs_all_classes: bool = False,
    **given: Any,
) -> Split:
    """Decide which rows train and which validate, and learn the encoding of each fold.

    Parameters
    ----------
    table, schema
        As `read_table` returns them.
    validation : float, int, (X, y), (X, y, weights) or None
        By default `options.folds` folds; if that is None, five folds for a small table (`has_folds`), else a fifth of
        the rows.
    cv : int, splitter of scikit-learn, iterable of (training rows, validation rows) or None
    needs_all_classes : bool
        Whether a user's scorer may be undefined on a fold without one of the classes.
    **given
        The user's X, y and groups, which are passed to a splitter.

    Raises
    ------
    DataError, SettingError
        `validation` or `cv` is not allowed, or a fold has an empty part.
    """
    if cv is None and validation is None:
        count = options.folds or (FOLDS if has_folds(table, options, needs_all_classes) else 1)
        if table.groups is not None:
            count = min(count, most_folds(table))
        cv = count if count > 1 else None
    if cv is not None:
        found = _cross_validated(table, schema, options, cv, given)
    elif isinstance(validation, tuple):
        if given.get("groups") is not None:
            raise SettingError(
                "groups have no effect with validation=(X, y), since no row of it is in the table to train on: leave "
                "groups out, or pass all rows in one table"
            )
        found = Split((_beside(table, schema, validation, options),))
    else:
        rows = split(table, VALIDATION if validation is None else validation, options.seed)
        found = Split((_fold(table, schema, *rows, options.seed),))
    for place, fold in enumerate(found.folds):
        if options.loss == "poisson" and not fold.y[fold.training].any():
            where = f"the training part of fold {place}" if len(found.folds) > 1 else "the training part"
            raise DataError(
                f"loss='poisson' needs a target above 0, but all targets of {where} are 0: choose another loss"
            )
    return found


def _cross_validated(table: Table, schema: Schema, options: Options, cv: Any, given: dict[str, Any]) -> Split:
    if is_integer(cv):
        pairs = drawn_folds(table, cv, options.seed, counts=options.loss == "poisson")
    else:
        pairs = list(given_folds(table, cv, **given))
    copies, stored = len(pairs) + 1, table.frame.stored
    check_memory(copies * table.rows, len(schema.columns), "X", None if stored is None else copies * stored)
    folds = tuple(_fold(table, schema, training, validating, options.seed) for training, validating in pairs)
    everything = np.arange(table.rows, dtype=np.int64)
    return Split(folds, _fold(table, schema, everything, everything[:1], options.seed))


def _fold(table: Table, schema: Schema, training: NDArray[np.int64], validation: NDArray[np.int64], seed: int) -> Fold:
    """Return the fold with these `training` and `validation` row numbers; its encoding is learned from `training`."""
    encoding = _learn_encoding(table, schema, training, seed, validation)
    return Fold(table, None, encoding, table.y, table.weights, training, validation)


def _beside(table: Table, schema: Schema, validation: tuple[Any, ...], options: Options) -> Fold:
    """Return the fold that trains on all rows of `table` and validates on a separate table."""
    if len(validation) not in (2, 3):
        allowed = "a share, a number of rows, or a tuple (X, y) or (X, y, weights)"
        raise SettingError(f"validation must be {allowed}, got a tuple of {len(validation)} parts")
    held_out = read_frame(validation[0], "validation X", schema.names)
    held_out = schema.read(held_out, "the table to train on", "validation X")
    held_out = schema.checked(held_out, "validation X")
    targets = read_targets(validation[1], held_out.rows, table.classes_, table.y.shape[1])
    own = read_weights(validation[2] if len(validation) == 3 else None, held_out.rows)
    if own is not None and not own.all():  # rows of weight 0 are left out
        used = np.flatnonzero(own)
        held_out, targets, own = held_out.take(used), targets[used], own[used]
    if options.loss == "poisson":
        check_counts(targets, "validation y", held_out)
    training = np.arange(table.rows, dtype=np.int64)
    encoding = _learn_encoding(table, schema, training, options.seed)
    rows = table.rows + np.arange(held_out.rows, dtype=np.int64)
    if table.factors is not None:
        own = weighted(own, table.factors[targets[:, 0].astype(np.int64)])
    weights = None
    if own is not None or table.weights is not None:
        parts = (np.ones(table.rows) if table.weights is None else table.weights, np.ones(held_out.rows))
        weights = np.concatenate([parts[0], parts[1] if own is None else of_mean_one(own)])
    return Fold(table, held_out, encoding, np.concatenate([table.y, targets]), weights, training, rows)


def check_counts(y: Matrix, name: str, frame: Frame) -> None:
    """Raise DataError unless y suits the Poisson loss; the frame supplies the row number for the message."""
    if y.shape[1] > 1:
        raise DataError(f"loss='poisson' takes one target, but {name} has {y.shape[1]} columns: pass one of them")
    negative = np.flatnonzero(y[:, 0] < 0)
    if len(negative):
        row = int(frame.numbers_of(negative[:1])[0])
        raise DataError(
            f"loss='poisson' takes targets of at least 0, but {name} has {y[negative[0], 0]:g} in row {row}: choose "
            "another loss"
        )


def _learn_encoding(
    table: Table, schema: Schema, training: NDArray[np.int64], seed: int, validation: NDArray[np.int64] | None = None
) -> TrainingEncoding:
    """Learn the encoding from the training rows in random order, since the table's order may reveal the target.

    A row that `cv` repeats becomes one row of higher weight. Otherwise its copies would see its target.
    """
    times = np.bincount(training, minlength=table.rows)
    if times.max() > 1:
        repeated = np.maximum(times, 1).astype(np.float64)
        training, table = np.flatnonzero(times), replace(table, weights=weighted(table.weights, repeated))
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,))).permutation(training)
    return learn_encoding(table, schema, order, validation)


def has_folds(table: Table, options: Options, needs_all_classes: bool) -> bool:
    """Return whether a table gets five folds by default: it has at least five rows, and fewer than `FEW_ROWS`.

    A run that is planned for a short `time_limit` has no time for folds (see `ROWS_A_SECOND`). At least one class must
    have a row for each fold, or all classes if the chosen score may be undefined on a fold without one of them.
    """
    seconds = options.time_limit if options.planned else None
    if not FOLDS <= table.rows < min(FEW_ROWS, ROWS_A_SECOND * (math.inf if seconds is None else seconds)):
        return False
    if not table.classes:
        return True
    counts = np.bincount(table.y[:, 0].astype(np.int64))
    needs_all_classes |= options.metric in NEED_ALL_CLASSES
    return int(counts.min() if needs_all_classes else counts.max()) >= FOLDS

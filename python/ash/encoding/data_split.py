"""Which rows of a table train and which validate: a part of them, a table of their own, or folds; and their encoding.

    validation = 0.2    -> a split of the rows (ash/data/splits.py)
    validation = (X, y) -> rows that follow those to train on
    cv = 5              -> shuffled folds of the rows, by class for classification
    cv = splitter, ...  -> its row numbers in the user's table ---> rows of the table to train on (sorted, repeated)

A candidate is trained on all folds as the parts of one job, and its score is their mean (cpp/ash/run/candidates.hpp).
What predicts is trained on all rows: ash/engine/refit.py.

Memory: each fold has a float32 matrix of its own, so K folds take K times what one run takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import is_integer
from ash.data.arrays import Matrix, check_memory
from ash.data.frames import Frame, read_frame
from ash.data.splits import Rows, split_state
from ash.data.table import Table, read_training, split
from ash.data.targets import read_targets
from ash.data.weights import of_mean_one
from ash.encoding.canonical_order import sort_rows
from ash.encoding.neighbors import may_have_neighbors, with_neighbors
from ash.encoding.schema import Schema, learn_schema
from ash.encoding.spiked_numbers import with_recurring
from ash.encoding.training_encoding import TrainingEncoding, learn_encoding
from ash.errors import DataError, SettingError
from ash.options import Options

Pair = tuple[Rows, Rows]

FOLDS = 5
FEW_ROWS = 1_000
"""Of a table below it, a fifth is too few rows to choose among the many candidates that a minute holds."""
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
        Whether rows are sorted by what they hold, and repeated by their weights; see canonical_order.py.
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


def read_folds(
    table: Table, schema: Schema, X: Any, y: Any, cv: Any, groups: Any, options: Options
) -> tuple[list[Parts], Parts]:
    """Return the parts of each fold, and all rows to train on.

    Parameters
    ----------
    table, schema
        Of X and y: `read_table`.
    cv : int, splitter of scikit-learn or iterable of (training rows, validation rows)
    groups : array-like [rows] or None
        Passed to the splitter.

    Raises
    ------
    DataError, SettingError
        `cv` is none, or a fold has an empty part.
    """
    pairs = list(_drawn(table, cv, options.seed) if is_integer(cv) else _given(table, X, y, cv, groups))
    check_memory((len(pairs) + 1) * table.rows, len(schema.columns), "X")
    folds = [parts_of(table, schema, training, validation, options.seed) for training, validation in pairs]
    everything = np.arange(table.rows, dtype=np.int64)
    return folds, parts_of(table, schema, everything, everything[:1], options.seed)


def has_folds(table: Table) -> bool:
    """Return whether a table is so small that folds score better than a part of its rows: see FEW_ROWS."""
    if not FOLDS <= table.rows < FEW_ROWS:
        return False
    return not table.classes or int(np.bincount(table.y[:, 0].astype(np.int64)).min()) >= FOLDS


def _drawn(table: Table, cv: int, seed: int) -> Iterator[Pair]:
    """Yield shuffled folds of the table."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if not 2 <= cv <= table.rows:
        raise SettingError(f"cv={cv} is not allowed: a number of folds from 2 to {table.rows}, a splitter, or pairs.")
    kind = StratifiedKFold if table.classes else KFold
    splitter = kind(int(cv), shuffle=True, random_state=split_state(seed))
    try:
        for training, validation in splitter.split(np.empty((table.rows, 0)), table.y[:, 0]):
            yield np.asarray(training, np.int64), np.asarray(validation, np.int64)
    except ValueError as error:
        raise SettingError(f"cv={cv} is not allowed: {error}") from None


def _given(table: Table, X: Any, y: Any, cv: Any, groups: Any) -> Iterator[Pair]:
    """Yield the folds of a splitter, as rows of the table."""
    from sklearn.model_selection import check_cv

    count = len(y)
    try:
        pairs = list(check_cv(cv, y, classifier=table.classes > 0).split(X, y, groups))
    except (TypeError, ValueError) as error:
        raise SettingError(f"cv={cv!r} is not allowed: {error}") from error
    numbers = table.frame.numbers_of(np.arange(table.rows))
    for place, pair in enumerate(pairs):
        yield tuple(_rows(given, numbers, count, f"fold {place} of cv") for given in pair)  # type: ignore[misc]


def _rows(given: Any, numbers: NDArray[np.int64], count: int, where: str) -> Rows:
    """Return the rows of the table that come from the given rows of the user, each as often as it is given."""
    try:
        chosen = np.arange(count)[given] if len(given) else np.empty(0, np.int64)
        times = np.bincount(chosen, minlength=count)
    except (IndexError, TypeError, ValueError) as error:
        raise SettingError(f"{where} has no row numbers of a table of {count} rows ({error})") from None
    rows = np.repeat(np.arange(len(numbers)), times[numbers])
    if len(rows) == 0:
        raise DataError(f"{where} has a part without rows (n_samples=0): give each fold rows to train and to validate.")
    return rows

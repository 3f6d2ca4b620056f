"""Cross-validation: which rows each fold trains on and validates on.

    cv = 5              -> shuffled folds of the rows, by class for classification
    cv = splitter, ...  -> its row numbers in the user's table ---> rows of the table to train on (sorted, repeated)

A candidate is trained on all folds as the parts of one job, and its score is their mean (cpp/ash/folds.hpp). What
predicts is trained on all rows: all_rows.py.

Memory: each fold has a float32 matrix of its own, so K folds take K times what one run takes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.arrays import check_memory
from ash.data import Table
from ash.errors import DataError, SettingError
from ash.options import Options
from ash.parts import Parts, parts_of
from ash.scalars import is_integer
from ash.schema import Schema
from ash.splits import Rows, split_state

Pair = tuple[Rows, Rows]

FOLDS = 5
FEW_ROWS = 1_000
"""Of a table below it, a fifth is too few rows to choose among the many candidates that a minute holds."""


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

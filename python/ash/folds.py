"""Cross-validation: which rows each fold trains on and validates on, and the network of the best hyperparameters.

    cv = 5              -> shuffled folds of the rows, by class for classification
    cv = splitter, ...  -> its row numbers in the user's table ---> rows of the table to train on (sorted, repeated)

A candidate is trained on all folds as the parts of one job, and its score is their mean (cpp/ash/folds.hpp). The model
is trained on all rows, through the same rungs as the candidate, with the seed of fold 0.

Memory: each fold has a float32 matrix of its own, so K folds take K times what one run takes.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.arrays import check_memory
from ash.data import Table
from ash.errors import DataError, SettingError
from ash.options import Options
from ash.parts import Parts, parts_of, read_table
from ash.preparation import prepare
from ash.scalars import is_integer
from ash.settings import Params, to_settings
from ash.splits import Rows, split_state

Pair = tuple[Rows, Rows]


def read_folds(
    X: Any, y: Any, cv: Any, groups: Any, options: Options, sample_weight: Any = None, sort: bool = False
) -> tuple[list[Parts], Parts]:
    """Return the parts of each fold, and all rows to train on.

    Parameters
    ----------
    cv : int, splitter of scikit-learn or iterable of (training rows, validation rows)
    groups : array-like [rows] or None
        Passed to the splitter.

    Raises
    ------
    DataError, SettingError
        As `read_parts`; `cv` is none, or a fold has an empty part.
    """
    table, schema = read_table(X, y, options, sample_weight, sort)
    pairs = list(_drawn(table, cv, options.seed) if is_integer(cv) else _given(table, X, y, cv, groups))
    check_memory((len(pairs) + 1) * table.rows, len(schema.columns), "X")
    folds = [parts_of(table, schema, training, validation, options.seed) for training, validation in pairs]
    everything = np.arange(table.rows, dtype=np.int64)
    return folds, parts_of(table, schema, everything, everything[:1], options.seed)


def refit(
    whole: Parts, params: Params, candidate: int, rung: int, options: Options, of_fold: _core.Network
) -> _core.Network:
    """Return a network of these hyperparameters, trained on all rows up to a rung.

    Warns
    -----
    UserWarning
        It has diverged, which none of the folds did; the network of fold 0 is returned instead.
    """
    cycles, epochs = (rung + 1, options.min_epochs)
    if options.training == "restart":
        cycles, epochs = 1, options.min_epochs * options.eta**rung
    network, losses = _core.train(
        prepare(whole, epoch_rows=options.epoch_rows),
        to_settings(params),
        epochs,
        options.seed,
        candidate,
        cycles,
        options.eta,
    )
    if np.isfinite(losses).all():
        return network
    text = "training on all rows has diverged, which no fold did: the model is the network of the first fold"
    warnings.warn(text, UserWarning, stacklevel=3)
    return of_fold


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

"""Which rows train and which validate: a seeded shuffle, by class where there are classes.

scikit-learn draws the split (StratifiedShuffleSplit, ShuffleSplit). Every class keeps a row to train on: a class of one
row goes to training, and where a part is too small to hold all classes, one row of each class is set aside for training
and the rest is shuffled as it comes. A class without a validation row is fine.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import check_seed, is_integer, is_number
from ash.errors import DataError, SettingError

Rows = NDArray[np.int64]

_STREAM = 2  # spawn key of the split; the draw of candidates has 1


def split_rows(labels: NDArray[np.float64] | None, rows: int, validation: float, seed: int) -> tuple[Rows, Rows]:
    """Return the sorted numbers of the training and of the validation rows.

    Parameters
    ----------
    labels : array [rows], optional
        Class numbers to keep the shares of; None for a plain shuffle.
    rows : int
        Rows of the table.
    validation : float or int
        A share between 0 and 1 (rounded up to whole rows), or a number of rows.
    seed : int
        Same seed, same split.
    """
    count = _validation_rows(validation, rows)
    state = split_state(seed)
    everything = np.arange(rows, dtype=np.int64)
    validating = _shuffled(everything, count, None, state) if labels is None else _by_class(labels, count, state)
    return np.setdiff1d(everything, validating, assume_unique=True), np.sort(validating)


def split_state(seed: int) -> int:
    """Return the random state of splits that belongs to the seed of a run."""
    return int(np.random.SeedSequence(check_seed(seed), spawn_key=(_STREAM,)).generate_state(1)[0])


def _validation_rows(validation: float, rows: int) -> int:
    if rows < 2:
        raise DataError(f"n_samples={rows}: at least 2 rows are needed, one to train and one to validate.")
    if is_integer(validation):
        if not 1 <= validation < rows:
            raise SettingError(f"validation={validation} is not allowed: from 1 to {rows - 1} of the {rows} rows.")
        return int(validation)
    if not is_number(validation) or not 0 < validation < 1:
        raise SettingError(f"validation={validation!r} is not allowed: a share between 0 and 1, or a number of rows.")
    return min(rows - 1, int(np.ceil(validation * rows)))


def _shuffled(rows: Rows, count: int, labels: NDArray[np.float64] | None, state: int) -> Rows:
    """Return a draw of ``count`` of these rows, with the shares of the labels if there are any."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = ShuffleSplit if labels is None else StratifiedShuffleSplit
    splitter = kind(n_splits=1, test_size=count, random_state=state)
    _, drawn = next(splitter.split(rows.reshape(-1, 1), labels))
    return np.asarray(rows[drawn], np.int64)


def _by_class(labels: NDArray[np.float64], count: int, state: int) -> Rows:
    members = np.bincount(labels.astype(np.int64))
    single = members[labels.astype(np.int64)] == 1
    if single.any():
        text = f"{int(single.sum())} classes have one row only; these rows train, and are not validated on."
        warnings.warn(text, UserWarning, stacklevel=4)
    rows = np.flatnonzero(~single)
    classes, training = int((members > 1).sum()), len(labels) - count
    if training < int((members > 0).sum()):
        raise SettingError(
            f"validation leaves {training} rows to train, fewer than the {int((members > 0).sum())} classes: "
            "validate on fewer rows."
        )
    if classes <= count and classes <= len(rows) - count:
        drawn = _shuffled(rows, count, labels[rows], state)
        if len(np.unique(labels[np.setdiff1d(rows, drawn)])) == classes:
            return drawn
    return _beside_one_of_each(rows, labels[rows], count, state)


def _beside_one_of_each(rows: Rows, labels: NDArray[np.float64], count: int, state: int) -> Rows:
    """Return a plain draw from the rows, once a random one of each class is set aside for training."""
    order = _order(rows, state)
    kept = np.unique(labels[order], return_index=True)[1]
    return rows[np.delete(order, kept)[:count]]


def _order(rows: Rows, state: int) -> NDArray[np.int64]:
    from sklearn.utils import check_random_state

    return np.asarray(check_random_state(state).permutation(len(rows)), np.int64)

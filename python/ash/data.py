"""The border of the data: what the user passes becomes a ``Table``, or a ``DataError`` before anything runs.

    X, y  ->  read_training  ->  Table  ->  split  ->  row numbers       (tune)
    X     ->  read_features  ->  array                                   (predict)

Arrays are read by arrays.py, targets by targets.py, rows are split by splits.py. A table owns its arrays: the input is
never changed, and a thread that changes it later changes nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ash.arrays import Matrix, read_matrix
from ash.errors import DataError
from ash.splits import Rows, split_rows
from ash.targets import Task, read_target


@dataclass(frozen=True)
class Table:
    """A table to train on; float64, C-ordered, finite and within the range of float32.

    Attributes
    ----------
    x : array [rows, features]
    y : array [rows, outputs]
        Class numbers 0, 1, ... in one column for classification.
    classes_ : array [classes] or None
        The sorted labels in the user's words; None for regression.
    feature_names, target_names : tuple of str or None
        Column names, where the input had any.
    task : "classification" or "regression"
    """

    x: Matrix
    y: Matrix
    classes_: NDArray[Any] | None
    feature_names: tuple[str, ...] | None
    task: Task
    target_names: tuple[str, ...] | None = None

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return 0 if self.classes_ is None else len(self.classes_)


def read_training(X: Any, y: Any, task: str | None = None) -> Table:
    """Return the table to train on.

    Parameters
    ----------
    X : array-like [rows, features]
        Real numbers: NumPy arrays of any dtype and order, lists, pandas or polars frames.
    y : array-like [rows] or [rows, outputs]
        Labels (text, booleans, numbers) or numbers.
    task : "classification", "regression" or None
        None: regression for several columns and for numbers that are not whole; classification for text, booleans,
        categories, and whole numbers that have two distinct values, or few of them (at most 20, or one in 200 rows
        up to 50) of which each is seen twice on average; else regression.

    Raises
    ------
    DataError
        What cannot be trained on, in one sentence that names the column and what to do.
    SettingError
        ``task`` is no task.

    Warns
    -----
    sklearn.exceptions.DataConversionWarning
        ``y`` has one column in two dimensions; it is flattened.
    UserWarning
        Integers beyond 2**53 in ``X``; a ``y`` that looks one-hot.
    """
    x, feature_names = read_matrix(X)
    target = read_target(y, len(x), task)
    if len(x) < 2:
        raise DataError(f"n_samples={len(x)}: at least 2 rows are needed, one to train and one to validate.")
    return Table(x, target.y, target.classes, feature_names, target.task, target.names)


def read_features(X: Any, n_features: int, feature_names: Sequence[str] | None = None) -> Matrix:
    """Return the features to predict from: a new float64 array [rows, features].

    Raises
    ------
    DataError
        Not a table of finite numbers, another number of columns than in training, or other names.
    """
    x, names = read_matrix(X)
    if x.shape[1] != n_features:
        raise DataError(f"X has {x.shape[1]} features, but the network is expecting {n_features} features as input.")
    if names is not None and feature_names is not None and names != tuple(feature_names):
        place = next(i for i in range(n_features) if names[i] != feature_names[i])
        raise DataError(
            f"The feature names should match those that were passed during fit: column {place} is {names[place]!r}, "
            f"not {feature_names[place]!r}; pass the same columns in the same order."
        )
    return x


def split(table: Table, validation: float, seed: int) -> tuple[Rows, Rows]:
    """Return the sorted row numbers (int64) to train and to validate on; by class for classification.

    Parameters
    ----------
    validation : float or int
        A share between 0 and 1, or a number of rows.
    seed : int
        At least 0. Same seed, same split.

    Raises
    ------
    SettingError
        ``validation`` leaves a part empty, or fewer training rows than classes.

    Warns
    -----
    UserWarning
        Classes with a single row, which goes to training.
    """
    labels = table.y[:, 0] if table.task == "classification" else None
    return split_rows(labels, len(table.x), validation, seed)

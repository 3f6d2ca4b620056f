"""The border of the data: what the user passes becomes a ``Table``, or a ``DataError`` before anything runs.

    X, y, sample_weight  ->  read_training  ->  Table  ->  split  ->  row numbers

Tables are read by frames.py, targets by targets.py, weights by weights.py; rows are split by splits.py. A table looks
at the user's X, which is never changed, and owns its y and weights; what the core trains on is its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.arrays import Matrix
from ash.data.frames import Frame, read_frame
from ash.data.splits import Rows, split_rows
from ash.data.targets import read_target
from ash.data.weights import read_weights
from ash.errors import DataError
from ash.metrics import Task


@dataclass(frozen=True, eq=False)
class Table:
    """A table to train on.

    Attributes
    ----------
    frame : Frame
        The columns of X.
    y : array [rows, outputs]
        Class numbers 0, 1, ... in one column for classification; float64, C-ordered, finite.
    classes_ : array [classes] or None
        The sorted labels in the user's words; None for regression.
    task : "classification" or "regression"
    target_names : tuple of str or None
    weights : array [rows] or None
        Above 0; None: all rows count alike.
    """

    frame: Frame
    y: Matrix
    classes_: NDArray[Any] | None
    task: Task
    target_names: tuple[str, ...] | None = None
    weights: NDArray[np.float64] | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.frame.rows

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return 0 if self.classes_ is None else len(self.classes_)


def read_training(X: Any, y: Any, task: str | None = None, sample_weight: Any = None) -> Table:
    """Return the table to train on, without the rows of weight 0.

    Parameters
    ----------
    X : array-like [rows, features]
        Numbers, booleans, text and categories: NumPy arrays of any dtype and order, lists, frames of pandas or polars,
        pyarrow tables.
    y : array-like [rows] or [rows, outputs]
        Labels (text, booleans, numbers) or numbers.
    task : "classification", "regression" or None
        None: regression for several columns and for numbers that are not whole; classification for text, booleans,
        categories, and whole numbers that have two distinct values, or few of them (at most 20, or one in 200 rows
        up to 50) of which each is seen twice on average; else regression.
    sample_weight : array-like [rows], optional

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
        A ``y`` that looks one-hot.
    """
    frame = read_frame(X)
    weights = read_weights(sample_weight, frame.rows)
    kept = None if weights is None or weights.all() else np.flatnonzero(weights)
    target = read_target(y, frame.rows, task, kept)
    if weights is not None and kept is not None:
        frame, weights = frame.take(kept), weights[kept]
    if frame.rows < 2:
        raise DataError(f"n_samples={frame.rows}: at least 2 rows are needed, one to train and one to validate.")
    return Table(frame, target.y, target.classes, target.task, target.names, weights)


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
    return split_rows(labels, table.rows, validation, seed)

"""Reads a training table: columns, targets, weights and groups.

    X, y, sample_weight, groups  ->  read_training  ->  Table  ->  split (row_split.py)  ->  row numbers

Unusable data raise ``DataError`` before anything runs. A table refers to the user's X, which is never changed, and owns
its y and weights. The core trains on its own copy.

Rows of one group are never on two sides of a split. There are three kinds of groups: those that the user gives, equal
rows that chance does not explain, and the copies of a row that stand for its weight (ash/encoding/equal_rows.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.arrays import Matrix, as_array, is_missing
from ash.data.frames import Frame, read_frame, spelled_frame
from ash.data.targets import read_target
from ash.errors import DataError, SettingError
from ash.metrics import Task
from ash.options import BALANCED

Rows = NDArray[np.int64]
Codes = NDArray[np.int64]
MOST_NAMED = 5
"""The maximum number of classes that a warning names."""


@dataclass(frozen=True, eq=False)
class Table:
    """A training table.

    Attributes
    ----------
    frame : Frame
        The columns of X.
    y : array [rows, outputs]
        The targets, float64, C-ordered and finite. For classification, class numbers 0, 1, ... in one column.
    classes_ : array [classes] or None
        The user's labels, sorted; None for regression.
    task : "classification" or "regression"
    target_names : tuple of str or None
    weights : array [rows] or None
        Row weights above 0; None if all rows count equally.
    factors : array [classes] or None
        The factor by which the row weights of each class were multiplied; `weights` already includes it. None if all
        factors are equal.
    groups : int64 array [rows] or None
        The group of each row, numbered 0, 1, ...; None if each row is a group of its own. Rows of one group are never
        on two sides of a split.
    positive : int or None
        Of two classes, the number of the positive class, if it is known (`positive_class`).
    """

    frame: Frame
    y: Matrix
    classes_: NDArray[Any] | None
    task: Task
    target_names: tuple[str, ...] | None = None
    weights: NDArray[np.float64] | None = None
    factors: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | None = None
    positive: int | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.frame.rows

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return 0 if self.classes_ is None else len(self.classes_)

    @property
    def labels(self) -> NDArray[np.float64] | None:
        """The class numbers [rows]; None for regression."""
        return None if self.classes_ is None else self.y[:, 0]


def read_training(
    X: Any,
    y: Any,
    task: str | None = None,
    sample_weight: Any = None,
    categorical: Sequence[str | int | bool] | None = None,
    groups: Any = None,
) -> Table:
    """Read a training table; rows of weight 0 are left out, and weights too if all others are equal.

    Parameters
    ----------
    X : array-like [rows, features]
        As for `read_frame`.
    y : array-like [rows] or [rows, outputs]
        Labels (text, booleans or numbers), or numbers to predict.
    task : "classification", "regression" or None
        None to infer it from y, by the rules in ash/data/targets.py.
    sample_weight : array-like [rows], optional
    categorical : sequence of names, of positions or of one bool per column, optional
        Columns to treat as categories, even if their cells look like numbers.
    groups : array-like [rows], optional
        As for `read_groups`.

    Raises
    ------
    DataError
        The data cannot be used for training; the message names the column and what to do.
    SettingError
        ``task`` is not a task, or a column in `categorical` does not exist.

    Warns
    -----
    sklearn.exceptions.DataConversionWarning
        ``y`` has one column in two dimensions; it is flattened.
    UserWarning
        As for `read_target` and `spelled_frame`; or column names are repeated; or a sparse matrix holds integers beyond
        2**53.
    """
    frame = read_frame(X)
    weights = read_weights(sample_weight, frame.rows)
    kept = None if weights is None or weights.all() else np.flatnonzero(weights)
    target, codes = read_target(y, frame.rows, task, kept), read_groups(groups, frame.rows)
    if weights is not None and kept is not None:
        frame, weights = frame.take(kept), _checked(weights[kept])
        codes = None if codes is None else numbered(codes[kept])
    frame = spelled_frame(frame, categorical=categorical)
    if frame.rows < 2:
        raise DataError(f"n_samples={frame.rows}: at least 2 rows are needed, one to train and one to validate")
    if codes is not None and count_groups(codes) == frame.rows:
        codes = None
    return Table(frame, target.y, target.classes, target.task, target.names, weights, groups=codes)


def read_weights(sample_weight: Any, rows: int) -> NDArray[np.float64] | None:
    """Return a weight for each row, or None if all rows count equally.

    Parameters
    ----------
    sample_weight : array-like [rows], a number or None
        Finite weights of at least 0; a row with weight 0 is ignored.

    Raises
    ------
    DataError
        The shape is wrong, there is text, a negative weight, NaN or infinity, or all weights are 0.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str | dict):
        raise DataError(
            f"sample_weight must be one number per row, got {sample_weight!r}; weights of classes are "
            f"class_weight={sample_weight!r} of ASHClassifier"
        )
    array = as_array(sample_weight, "sample_weight")
    if array.ndim > 1:
        raise DataError(f"Sample weights must be 1D array or scalar, not of shape {array.shape}: pass one per row of X")
    if array.ndim == 1 and len(array) != rows:
        raise DataError(f"sample_weight.shape == {array.shape}, expected {(rows,)}: pass one weight per row of X")
    try:
        if array.dtype.kind in "mM":
            raise TypeError(f"its dtype is {array.dtype}")
        weights = np.broadcast_to(array.astype(np.float64), (rows,)).copy()
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"sample_weight must hold numbers of at least 0, got another value ({error})") from None
    return _checked(weights)


def _checked(weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
    for bad, fact in (
        (np.isnan(weights), "Input sample_weight contains NaN"),
        (np.isinf(weights), "Input sample_weight contains infinity"),
        (weights < 0, "Negative values in data passed to `sample_weight`"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{fact}: {weights[row]} in row {row}; pass finite numbers of at least 0")
    if not weights.any():
        raise DataError("Sample weights must contain at least one non-zero number: there is no row to learn from")
    return None if (weights == weights[0]).all() else weights


def read_groups(groups: Any, rows: int) -> Codes | None:
    """Return the group of each row as a number from 0, in order of first occurrence; None without groups.

    `groups` has one label per row of the table: text, or a number. DataError is raised if the shape is wrong or a label
    is missing.
    """
    if groups is None:
        return None
    array = as_array(groups, "groups")
    if array.shape != (rows,):
        raise DataError(f"groups has the shape {array.shape}, but X has {rows} rows: pass one group per row of X")
    labels, unset = array.tolist(), np.isnat(array).tolist() if array.dtype.kind in "mM" else None
    for row, label in enumerate(labels):
        if is_missing(label) or (unset and unset[row]):
            raise DataError(f"groups is missing in row {row}: give each row a group, if necessary one of its own")
    try:
        numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    except TypeError as error:
        raise DataError(f"groups must hold text or numbers ({error}): pass one group per row of X") from None
    return np.array([numbers[label] for label in labels], np.int64)


def numbered(codes: NDArray[Any]) -> Codes:
    """Return codes renumbered 0, 1, ... in order of first occurrence, so that they do not depend on labels."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    places = np.empty(len(first), np.int64)
    places[np.argsort(first)] = np.arange(len(first))
    return np.asarray(places[inverse.reshape(-1)], np.int64)


def count_groups(groups: Codes) -> int:
    """Return the number of groups, which are numbered 0, 1, ..."""
    return int(groups.max()) + 1


def weigh_classes(table: Table, class_weight: Any) -> Table:
    """Return the table with the weight of each row multiplied by the factor of its class.

    Parameters
    ----------
    class_weight : "balanced" or sequence of (label, weight)
        With "balanced", all classes get the same total weight. A class that the sequence does not name has factor 1.

    Raises
    ------
    SettingError
        A label is not a class of the table.
    DataError
        A product is not finite, or all are 0.
    """
    assert table.classes_ is not None
    factors, known, labels = np.ones(table.classes), table.classes_.tolist(), table.y[:, 0].astype(np.int64)
    if class_weight == BALANCED:
        counts = np.bincount(labels, table.weights, table.classes)
        with np.errstate(over="ignore", invalid="ignore"):  # `weighted` refuses products that are not finite
            factors = np.asarray(counts.sum() / (table.classes * counts))
    else:
        for label, factor in class_weight:
            if label not in known:
                shown = named(table.classes_)
                raise SettingError(f"class_weight has {label!r}, which is not a class of y; the classes are {shown}")
            factors[known.index(label)] = factor
    weights = weighted(table.weights, factors[labels])
    return replace(table, weights=weights, factors=None if (factors == factors[0]).all() else factors)


def weighted(weights: NDArray[np.float64] | None, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights times the factors of their rows; raise DataError if a product is not finite, or all are 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = factors if weights is None else weights * factors
    if not np.isfinite(product).all() or not product.any():
        raise DataError("sample_weight times class_weight exceeds the range of float64: scale the weights to about 1")
    return product


def of_mean_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights, which must all be above 0, scaled to a mean of 1; no result overflows or becomes 0."""
    shares: NDArray[np.float64] = np.maximum(weights / weights.max(), np.finfo(np.float64).tiny)
    return shares / float(shares.mean())


def named(labels: NDArray[Any]) -> str:
    """Return the first labels as text."""
    return ", ".join(map(repr, labels[:MOST_NAMED].tolist())) + ", ..." * (len(labels) > MOST_NAMED)

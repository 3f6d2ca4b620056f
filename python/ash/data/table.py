"""Reads a training table (columns, targets, weights) and splits it by a seeded shuffle.

    X, y, sample_weight  ->  read_training  ->  Table  ->  split  ->  row numbers

Unusable data raise ``DataError`` before anything runs. A table refers to the user's X, which is never changed, and owns
its y and weights. The core trains on its own copy.

scikit-learn draws the split, by StratifiedShuffleSplit for classification and by ShuffleSplit for regression. Every
class keeps at least one training row, so the only row of a class goes to training. If the training or the validation
part is too small for all classes, or the stratified split leaves a class without a training row, one row of each class
is reserved for training, and all other rows are shuffled regardless of class. In that case, a class may have no
validation row.

If rows have groups, whole groups are drawn instead (group_split.py). There are three kinds of groups: those that the
user gives, equal rows that chance does not explain (ash/encoding/equal_rows.py), and the copies of a row that stand
for its weight (ash/encoding/equal_rows.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import check_seed, is_integer, is_number
from ash._utils.user_warnings import warn_user
from ash.data.arrays import Matrix, as_array, refuse_type
from ash.data.frames import Frame, declared, read_frame, spelled_frame
from ash.data.group_split import count_groups, grouped_split, numbered, read_groups
from ash.data.targets import read_target
from ash.errors import DataError, SettingError
from ash.metrics import Task
from ash.options import BALANCED

Rows = NDArray[np.int64]
MOST_NAMED = 5
"""The maximum number of classes that a warning names."""
_STREAM = 2  # spawn key of the split's random numbers; the draw of candidates uses key 1


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
    frame = spelled_frame(frame if categorical is None else declared(frame, categorical))
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
    refuse_type(sample_weight, "sample_weight")
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


def class_factors(table: Table, class_weight: Any) -> NDArray[np.float64]:
    """Return, for each class, the factor by which the weights of its rows are multiplied.

    Parameters
    ----------
    class_weight : "balanced" or sequence of (label, weight)
        With "balanced", all classes get the same total weight. A class that the sequence does not name has factor 1.

    Raises
    ------
    SettingError
        A label is not a class of the table.
    """
    assert table.classes_ is not None
    if class_weight == BALANCED:
        counts = np.bincount(table.y[:, 0].astype(np.int64), table.weights, table.classes)
        with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses products that are not finite
            return np.asarray(counts.sum() / (table.classes * counts))
    factors, known = np.ones(table.classes), table.classes_.tolist()
    for label, factor in class_weight:
        if label not in known:
            shown = named(table.classes_)
            raise SettingError(f"class_weight has {label!r}, which is not a class of y; the classes are {shown}")
        factors[known.index(label)] = factor
    return factors


def of_mean_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights, which must all be above 0, scaled to a mean of 1; no result overflows or becomes 0."""
    shares: NDArray[np.float64] = np.maximum(weights / weights.max(), np.finfo(np.float64).tiny)
    return shares / float(shares.mean())


def split(table: Table, validation: float, seed: int) -> tuple[Rows, Rows]:
    """Split the rows at random, and return the sorted row numbers (int64) for training and for validation.

    For classification the split is stratified by class. Rows of one group are in the same part.

    Parameters
    ----------
    validation : float or int
        A share between 0 and 1 (rounded up to whole rows), or a number of rows. With groups of several rows, the number
        of validation rows is close to that, since whole groups are drawn.
    seed : int
        A non-negative integer. The same seed gives the same split.

    Raises
    ------
    SettingError
        ``validation`` leaves a part empty, or leaves fewer training rows than classes.
    DataError
        The groups cannot be split.

    Warns
    -----
    UserWarning
        There are classes with a single row or in a single group; these rows go to training.
    """
    labels = table.y[:, 0] if table.task == "classification" else None
    parts = split_rows(labels, table.rows, validation, seed, table.groups)
    warn_of_sole_rows(table)
    return parts


def warn_of_sole_rows(table: Table) -> None:
    """Warn about classes whose only row, or only group, is in each training part."""
    if table.classes_ is None:
        return
    labels = table.y[:, 0].astype(np.int64)

    def are_sole(numbers: Rows) -> NDArray[np.bool_]:
        distinct = np.unique(numbers * table.classes + labels)
        return np.asarray(np.bincount(distinct % table.classes, minlength=table.classes) == 1)

    is_single = are_sole(table.frame.numbers_of(np.arange(table.rows)))  # copies that stand for a weight count once
    if count := int(is_single.sum()):
        which = named(table.classes_[is_single])
        have = f"class {which} has a single row" if count == 1 else f"{count} classes ({which}) have a single row each"
        warn_user(f"{have}, which is used for training only")
    if table.groups is None:
        return
    is_sole = are_sole(table.groups) & ~is_single
    if count := int(is_sole.sum()):
        which = named(table.classes_[is_sole])
        whose = f"class {which} are in one group" if count == 1 else f"{count} classes ({which}) are in one group each"
        warn_user(
            f"all rows of {whose} or are copies of one row, so they are used for training only: how well "
            f"{'this class is' if count == 1 else 'these classes are'} predicted is not estimated"
        )


def named(labels: NDArray[Any]) -> str:
    """Return the first labels as text."""
    return ", ".join(map(repr, labels[:MOST_NAMED].tolist())) + ", ..." * (len(labels) > MOST_NAMED)


def split_rows(
    labels: NDArray[np.float64] | None, rows: int, validation: float, seed: int, groups: Rows | None = None
) -> tuple[Rows, Rows]:
    """Split `rows` rows in the same way as `split`, given their class numbers and groups instead of a table.

    Parameters
    ----------
    labels : array [rows], optional
        Class numbers, by which the split is stratified; None for a plain shuffle.
    groups : int64 array [rows], optional
        Group numbers 0, 1, ...
    """
    count = _validation_rows(validation, rows)
    state = split_state(seed)
    everything = np.arange(rows, dtype=np.int64)
    if groups is not None:
        if count_groups(groups) < 2:
            raise DataError("groups has the same group in all rows: at least 2 are needed, to train and to validate")
        validates = grouped_split(groups, labels, count / rows, state)
        return np.flatnonzero(~validates), np.flatnonzero(validates)
    validating = _shuffled(everything, count, None, state) if labels is None else _by_class(labels, count, state)
    return np.setdiff1d(everything, validating, assume_unique=True), np.sort(validating)


def split_state(seed: int) -> int:
    """Return the random state with which a run of this seed splits its rows."""
    return int(np.random.SeedSequence(check_seed(seed), spawn_key=(_STREAM,)).generate_state(1)[0])


def _validation_rows(validation: Any, rows: int) -> int:
    if rows < 2:
        raise DataError(f"n_samples={rows}: at least 2 rows are needed, one to train and one to validate")
    if is_integer(validation):
        if not 1 <= validation < rows:
            raise SettingError(f"validation must be from 1 to {rows - 1} of the {rows} rows, got {validation}")
        return int(validation)
    if not is_number(validation) or not 0 < validation < 1:
        given = repr(validation) if isinstance(validation, float | str) else f"a {type(validation).__name__}"
        raise SettingError(
            f"validation must be a share between 0 and 1, a number of rows, or a tuple (X, y), got {given}"
        )
    return min(rows - 1, int(np.ceil(validation * rows)))


def _shuffled(rows: Rows, count: int, labels: NDArray[np.float64] | None, state: int) -> Rows:
    """Draw ``count`` of these rows at random, stratified by the labels if they are given."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = ShuffleSplit if labels is None else StratifiedShuffleSplit
    splitter = kind(n_splits=1, test_size=count, random_state=state)
    _, drawn = next(splitter.split(rows.reshape(-1, 1), labels))
    return np.asarray(rows[drawn], np.int64)


def _by_class(labels: NDArray[np.float64], count: int, state: int) -> Rows:
    """Draw ``count`` rows, stratified by class if possible; otherwise keep a random row of each class for training."""
    from sklearn.utils import check_random_state

    members = np.bincount(labels.astype(np.int64))
    single = members[labels.astype(np.int64)] == 1
    rows = np.flatnonzero(~single)
    classes, training = int((members > 1).sum()), len(labels) - count
    if training < int((members > 0).sum()):
        raise SettingError(
            f"validation leaves {training} rows to train, fewer than the {int((members > 0).sum())} classes: "
            "validate on fewer rows"
        )
    if classes <= count and classes <= len(rows) - count:
        drawn = _shuffled(rows, count, labels[rows], state)
        if len(np.unique(labels[np.setdiff1d(rows, drawn)])) == classes:
            return drawn
    order: Rows = check_random_state(state).permutation(len(rows))
    kept = np.unique(labels[rows][order], return_index=True)[1]
    return rows[np.delete(order, kept)[:count]]

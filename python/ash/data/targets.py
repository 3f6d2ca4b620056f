"""Reads the target y: infers its task, and returns its classes or numbers.

Rules that infer the task if the caller does not name it:
    two or more columns                                            regression for each column
    booleans                                                       classification
    text that spells numbers, not all of them plain whole numbers such as "11"
                                                                   by the rules below for these numbers
    other text                                                     classification
    numbers that are not all whole                                 regression
    whole numbers with at most two distinct values                 classification
    whole numbers with few distinct values, and at least two rows per value on average
                                                                   classification
    other whole numbers                                            regression

Few means at most 20, or in longer tables at most one value per 200 rows, but never more than 50. So letters numbered
from 1 to 26 are classes in 20,000 rows, but 90 distinct years in 500,000 rows are not. If y is categorical, the rules
apply to its cells, which are text, booleans or numbers.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.user_warnings import warn_user
from ash.data.arrays import Matrix, as_array, column_names, finite_numbers, is_missing
from ash.data.spelling import is_number_gap, learn_spelling
from ash.errors import DataError, SettingError
from ash.metrics import TASKS, Task

_FEW_CLASSES, _ROWS_A_CLASS, _MANY_CLASSES = 20, 200, 50


class Target(NamedTuple):
    """The target in the form that the core takes: class numbers in one column, or numbers in one or more columns."""

    y: Matrix  # [rows, outputs]
    classes: NDArray[Any] | None  # sorted labels; None for regression
    task: Task
    names: tuple[str, ...] | None


def read_target(y: Any, rows: int, task: str | None, kept: NDArray[np.int64] | None = None) -> Target:
    """Read the target of a table with `rows` rows, and return it for the rows in `kept` (None for all).

    Raises
    ------
    DataError
        The number of rows is wrong, values are missing or infinite, values do not suit the task, or there is only one
        class.
    SettingError
        ``task`` is not a task.

    Warns
    -----
    sklearn.exceptions.DataConversionWarning
        ``y`` has one column in two dimensions; it is flattened.
    UserWarning
        ``y`` looks one-hot encoded; its text is read as numbers; it holds integers beyond 2**53, which float64 rounds;
        or, if ``task`` is None, its floats with more than two distinct values are treated as classes.
    """
    if task is not None and task not in TASKS:
        raise SettingError(f"task must be one of {', '.join(map(repr, TASKS))}, or None to decide by y, got {task!r}")
    if y is None:
        raise DataError("ash.tune requires y to be passed, but the target y is None")
    values, name = _flat(as_array(y, "y"), rows), getattr(y, "name", None)
    names = (name,) if isinstance(name, str) else column_names(y, "y")
    values = _plain(values if kept is None else values[kept])
    if task != "classification" and values.dtype.kind == "U":
        values = _spelled(values, task)
    chosen = next((one for one in TASKS if one == task), None) or infer_task(values)
    if chosen == "classification":
        numbers, labels = _read_classes(values)
        # Floats with more than two distinct values may be meant as numbers.
        if task is None and labels.dtype.kind == "f" and len(labels) > 2:
            warn_user(
                f"the {len(labels)} whole floats in y are treated as classes: pass task='regression' to predict "
                "numbers, or task='classification'"
            )
        return Target(numbers, labels, chosen, names)
    return Target(_read_numbers(values, names), None, chosen, names)


def positive_class(classes: NDArray[Any] | None, pos_label: Any) -> int | None:
    """Return the number of the positive class: of `pos_label`, or by default of the label 1 (True), as in scikit-learn.

    The result is None if there are not two classes, or if none of them is 1 and `pos_label` is None. SettingError is
    raised if `pos_label` is not one of two labels. `classes` are the sorted labels; None for regression.
    """
    labels = [] if classes is None else classes.tolist()
    if len(labels) != 2:
        if pos_label is None:
            return None
        there = "y has numbers to predict" if classes is None else f"y has {len(labels)} classes"
        raise SettingError(f"pos_label={pos_label!r} names one of two classes, but {there}: leave it out")
    wanted = 1 if pos_label is None else pos_label
    if wanted in labels:
        return labels.index(wanted)
    if pos_label is None:
        return None
    raise SettingError(f"pos_label={pos_label!r} is not a label of y: give {labels[0]!r} or {labels[1]!r}")


def no_positive_class(what: str, classes: NDArray[Any]) -> SettingError:
    """Return the error for something that needs a positive class, if neither of the two classes is known to be it."""
    first, second = classes.tolist()
    return SettingError(
        f"{what} needs a positive class, but y has the labels {first!r} and {second!r}, and neither is 1: "
        f"pass pos_label={first!r} or pos_label={second!r}"
    )


def infer_task(y: NDArray[Any]) -> Task:
    """Infer the task of a target by the rules at the top of this module."""
    if y.ndim == 2:
        if y.dtype.kind in "biuf" and np.all((y == 0) | (y == 1)) and np.all(y.sum(axis=1) == 1):
            warn_user(
                f"y looks like {y.shape[1]} one-hot encoded classes, but is read as {y.shape[1]} numbers: for "
                "classification pass class labels, for example y.argmax(axis=1)"
            )
        return "regression"
    if y.dtype.kind not in "fiu":
        return "classification"
    known = y[np.isfinite(y)] if y.dtype.kind == "f" else y
    if y.dtype.kind == "f" and np.any(known != np.floor(known)):
        return "regression"
    distinct = len(np.unique(known))
    few = max(_FEW_CLASSES, min(_MANY_CLASSES, len(y) // _ROWS_A_CLASS))
    return "classification" if distinct <= 2 or (distinct <= few and 2 * distinct <= len(y)) else "regression"


def _plain(y: NDArray[Any]) -> NDArray[Any]:
    """Convert an array of objects to text, booleans or numbers; refuse missing cells and mixed types."""
    if y.dtype.kind in "mMV":
        raise DataError(f"y has dtype {y.dtype}: turn it into numbers or text first")
    if y.dtype.kind == "S":
        raise DataError("y holds bytes: decode the labels to text first, for example by y.astype(str)")
    if y.dtype.kind == "T":  # NumPy's StringDType, which may have missing cells
        y = y.astype(object)
    if y.dtype.kind != "O":
        return y
    cells = list(y.flat)
    for row, cell in enumerate(cells):
        if is_missing(cell):
            raise DataError(f"Label contains NaN: y is missing in row {row}; drop the rows without a target")
    if all(isinstance(cell, str) for cell in cells):
        return y.astype(str)
    alike = _alike(cells)
    if alike is None or alike.dtype.kind not in "biuf":
        kinds = sorted({type(cell).__name__ for cell in cells})
        raise DataError(f"Unknown label type: y holds objects of type {', '.join(kinds)}; pass all text or all numbers")
    return alike.reshape(y.shape)


def _spelled(y: NDArray[Any], task: str | None) -> NDArray[Any]:
    """Return the numbers that text spells; see spelling.py.

    The text itself is returned if a cell spells no number, or if the text may be labels.
    """
    texts, spelling, example = {str(text) for text in y.flat}, None, ""
    try:
        numbers = y.astype(np.float64)
    except ValueError:
        learned = learn_spelling(texts)
        spelling, example = learned.spelling, learned.example
        if spelling is None or any(map(is_number_gap, texts)):
            return y
        numbers = np.array([spelling.number(text) for text in y.flat]).reshape(y.shape)
    is_plain = spelling is None and bool(np.all(numbers == np.floor(numbers)))  # text such as "11" may be labels
    if task is None and (is_plain or infer_task(numbers) == "classification"):
        return y
    if spelling is not None or task is None:
        example = example or max(texts, key=len)
        todo = "" if task else ": pass task='classification' to take it as labels"
        warn_user(f"y holds text that is read as numbers ({example!r} is {numbers[y == example].flat[0]:.12g}){todo}")
    return numbers


def _alike(cells: list[Any]) -> NDArray[Any] | None:
    """Return the cells as an array; None if a cell is text, if only some are booleans, or if NumPy refuses them."""
    if len({isinstance(cell, (bool, np.bool_)) for cell in cells}) > 1 or any(isinstance(cell, str) for cell in cells):
        return None
    try:
        return np.array(cells)
    except (ValueError, TypeError):
        return None


def _flat(y: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return y after checking its shape; a single column is flattened, with scikit-learn's warning."""
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] == 0):
        raise DataError(f"y should be a 1d array, got an array of shape {y.shape} instead: pass one value per row")
    if len(y) != rows:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: [{rows}, {len(y)}]; pass one y per row"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning

        text = (
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), "
            "for example using ravel()"
        )
        warn_user(text, DataConversionWarning)
        return y[:, 0]
    return y


def _read_classes(y: NDArray[Any]) -> tuple[Matrix, NDArray[Any]]:
    """Return class numbers [rows, 1] and the sorted labels."""
    if y.ndim == 2:
        raise DataError(f"Unknown label type: y has {y.shape[1]} columns; classification takes one label per row")
    if y.dtype.kind == "f":
        for bad, fact in ((np.isnan(y), "NaN"), (np.isinf(y), "infinity")):
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise DataError(f"Label contains {fact}: y is {y[row]} in row {row}; drop the rows without a target")
        if np.any(y != np.floor(y)):
            odd = y[np.flatnonzero(y != np.floor(y))[0]]
            raise DataError(
                f"Unknown label type: continuous. y holds {odd:g}, which is not a class: pass whole labels. To predict "
                "numbers, use ash.ASHRegressor, or task='regression' in ash.tune"
            )
    labels, numbers = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise DataError(
            f"y has only one class ({labels[0]}, n_samples={len(y)}); classification needs rows of at least 2 classes"
        )
    return numbers.astype(np.float64).reshape(-1, 1), labels


def _read_numbers(y: NDArray[Any], names: tuple[str, ...] | None) -> Matrix:
    if y.dtype.kind == "U":
        try:
            y = y.astype(np.float64)
        except ValueError as error:
            raise DataError(
                f"y holds text that is not a number ({error}): pass numbers. To predict classes, use "
                "ash.ASHClassifier, or task='classification' in ash.tune"
            ) from None
    return finite_numbers(y.reshape(len(y), -1), "y", names)


def read_targets(y: Any, rows: int, classes: NDArray[Any] | None, outputs: int) -> Matrix:
    """Return y in the form that the core takes for scoring.

    Parameters
    ----------
    y : array-like of shape (rows,) or (rows, outputs)
        Labels from `classes`, or finite targets.
    rows : int
        The required number of rows.
    classes : ndarray of shape (classes,) or None
        The sorted labels; None for regression.
    outputs : int
        The required number of columns.

    Returns
    -------
    ndarray of shape (rows, outputs), float64, C-contiguous
        Class numbers in one column, or targets.

    Raises
    ------
    DataError
        The shape is wrong, a label is not in `classes`, or a target is not a finite number.
    """
    if classes is not None:
        labels = read_labels(y, rows)
        known = np.isin(labels, classes)
        if not known.all():
            unknown = [str(label) for label in np.unique(labels[~known])[:5]]
            raise DataError(f"y holds labels that were not in training: {', '.join(unknown)}")
        return np.searchsorted(classes, labels).astype(np.float64).reshape(rows, 1)
    targets = _known_array(y)
    if targets.shape != (rows, outputs) and (outputs != 1 or targets.shape != (rows,)):
        raise DataError(f"y must have shape ({rows}, {outputs}), one target per row of X, got {targets.shape}")
    return finite_numbers(targets.reshape(rows, outputs), "y", None)


def _known_array(y: Any) -> NDArray[Any]:
    values = as_array(y, "y")
    return np.array(values.tolist()) if values.dtype.kind in "OT" else values


def read_labels(y: Any, rows: int) -> NDArray[Any]:
    """Return one label per row, of any dtype; raise DataError if the shape of y does not fit."""
    labels = _known_array(y)
    if labels.shape not in ((rows,), (rows, 1)):
        raise DataError(f"y must have shape ({rows},), one label per row of X, got {labels.shape}")
    return labels.reshape(rows)

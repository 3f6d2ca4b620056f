"""Contains `ash.describe`, which shows how ash would encode the columns of a table, without training."""

from typing import Any

from ash.data.frames import read_frame, spelled_frame
from ash.encoding.data_split import read_table
from ash.encoding.schema import learn_schema, with_recurring
from ash.encoding.table_summary import TableSummary, frame_summary, summary_of
from ash.options import read_options


def describe(X: Any, y: Any = None, *, task: str | None = None, categorical_features: Any = None) -> TableSummary:
    """Return a summary of each column: its kind, its encoding, the reason for the encoding, and anything suspicious.

    Parameters
    ----------
    X : array-like or DataFrame of shape (rows, features)
        As for `ash.tune`.
    y : array-like of shape (rows,) or (rows, outputs), optional
        The target. If it is given, columns whose values correspond to it one to one are reported as copies.
    task : {"classification", "regression"}, optional
        The task; by default it is inferred from y.
    categorical_features : list of str, int or bool, "from_dtype" or None
        As for `ash.tune`.

    Returns
    -------
    TableSummary
        The summary; printing it shows a table.

    Raises
    ------
    DataError, SettingError
        The errors that `ash.tune` raises before training.

    Warns
    -----
    UserWarning
        A text column is read as numbers or dates.

    Examples
    --------
    >>> import ash
    >>> print(ash.describe([[1.5, "red", 7], [2.5, "blue", 7], [None, "red", 7]]))
    3 rows, 3 columns
    column      kind   dtype  levels  missing  features  why
        x0    number  object       -        1         2  scaled
        x1  category  object       2        0         2  one-hot encoded: at most 32 levels
        x2    number  object       -        0         1  scaled; constant: tells nothing
    """
    given = {"task": task, "categorical_features": categorical_features}
    options = read_options("tune", {**given, **dict.fromkeys(("config", "cv", "validation", "executor"))})
    if y is not None:
        return summary_of(*read_table(X, y, options, None, sort=False))
    frame = spelled_frame(read_frame(X), categorical=options.categorical_features)
    frame, schema = learn_schema(frame, missing=options.missing, unknown=options.unknown)
    return frame_summary(frame, with_recurring(schema, frame))

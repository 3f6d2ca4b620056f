"""Reads the tables given on the command line: CSV (also .gz) and Parquet files, and four of scikit-learn's data sets.

All of them become Arrow tables, which frames.py reads. A category remains a category for any selection of rows, even if
all selected texts spell numbers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import near_names
from ash._utils.user_warnings import warn_user
from ash.data.arrays import EXACT
from ash.data.columns import ArrayColumn, CellColumn, Column, as_category
from ash.data.csv import Choose, CsvFormat, read_csv
from ash.data.frames import Frame, read_frame, spelled_frame
from ash.data.sentences import is_free_text
from ash.data.spelling import is_gap, learn_spelling
from ash.data.table import read_weights
from ash.errors import DataError, SettingError

if TYPE_CHECKING:
    import pyarrow

INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives an unnamed index in a Parquet file; such an index is not a column of the table."""
BUILT_IN = {"digits": "classification", "breast_cancer": "classification", "wine": "classification"} | {
    "diabetes": "regression"
}
"""scikit-learn's tables, with their tasks."""


@dataclass(frozen=True)
class Labels:
    """A column that was read as a target: the values that are not missing, and their row numbers."""

    values: NDArray[Any]
    rows: NDArray[np.int64]


class FileTable:
    """The columns that were read from a file, in the file's order.

    Attributes
    ----------
    names : tuple of str
    rows : int
    """

    def __init__(self, arrow: "pyarrow.Table", where: str) -> None:
        self.names, self.rows = tuple(arrow.column_names), arrow.num_rows
        self._arrow, self._where = arrow, where

    def frame(self, names: Sequence[str]) -> Frame:
        """Return a frame with these columns, in this order."""
        chosen = self._arrow.select(list(names))
        frame = read_frame(chosen, self._where)
        columns = map(_contiguous, frame.columns, chosen.columns)
        return replace(frame, columns=tuple(columns))

    def labels(self, name: str) -> Labels:
        """Return a column as a target; floats become integers if all are whole, and other values are unchanged."""
        from pyarrow import types

        values, column = self._arrow.column(name), self.frame([name]).columns[0]
        if column.natural == "date":
            raise DataError(f"{self._where}: the target {name!r} holds dates: turn it into numbers or text first")
        if isinstance(column, CellColumn):
            cells = column.cells(slice(None))
            there = [row for row, cell in enumerate(cells) if cell is not None and not is_gap(cell)]
            return Labels(np.array([cells[row] for row in there]), np.array(there, np.int64))
        if not types.is_boolean(values.type) and not types.is_integer(values.type):
            numbers = column.numbers(slice(None))
            rows = np.flatnonzero(~np.isnan(numbers))
            return Labels(whole_if_possible(numbers[rows]), rows)
        rows = np.flatnonzero(values.is_valid().to_numpy())
        return Labels(np.asarray(values.drop_null().to_numpy()), rows)


def _contiguous(column: Column, values: "pyarrow.ChunkedArray") -> Column:
    """Convert a column of numbers without missing cells to an ArrayColumn, from which rows are selected faster."""
    from pyarrow import types

    if not types.is_integer(values.type) and not types.is_floating(values.type):
        return column
    return column if values.null_count else ArrayColumn(column.label, column.dtype, values.to_numpy())


@dataclass(frozen=True)
class DataTable:
    """A table with its target `y`, an array of booleans, integers, floats or text.

    `groups` and `weights` come from their own columns, if requested; these columns are not in X.
    """

    X: Frame
    y: NDArray[Any]
    target: str
    task: str | None = None  # the task, if the table is one of scikit-learn's; otherwise None
    groups: NDArray[np.str_] | None = None
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Roles:
    """The roles of a table's columns: which one is the target, and which ones are not features.

    Attributes
    ----------
    target : str or None
        None selects the column named "target", or the last column if no column has that name.
    groups, weight : str or None
        The columns that contain the groups for splitting and the row weights.
    ignore : sequence of str
        Columns that are not used.
    categorical : sequence of str
        Columns to treat as categories, even if their cells look like numbers.
    """

    target: str | None = None
    groups: str | None = None
    weight: str | None = None
    ignore: Sequence[str] = ()
    categorical: Sequence[str] = ()


def read_table(name: str, roles: Roles | None = None, form: CsvFormat | None = None) -> DataTable:
    """Read a training table.

    Parameters
    ----------
    name : str
        As for `read_file`.
    roles : Roles, optional
    form : CsvFormat, optional
        As for `read_file`.

    Raises
    ------
    DataError
        As for `read_file`; or a column has neither numbers, dates nor text; or the target has missing cells or dates;
        or the roles leave no column as a feature.
    SettingError
        A column of `roles` does not exist, or is both needed and ignored.
    OSError
        The file cannot be read.

    Warns
    -----
    UserWarning
        As for `spelled_frame`; or the first column has no name and contains row numbers, as written by
        `DataFrame.to_csv`, and is left out; or the first line of a CSV file has repeated names or a name that is a
        number.
    """
    roles = roles or Roles()
    beside = [each for each in (roles.groups, roles.weight) if each is not None]

    def all_of(names: Sequence[str]) -> dict[str, bool]:
        target = target_of(names, roles.target, name)
        unused = {target, *beside, *roles.ignore}
        for each in (*beside, *roles.ignore, *roles.categorical):
            check_name(names, each, name)
        if both := {target, *beside} & {*roles.ignore}:
            raise SettingError(f"{both.pop()!r} is needed, so it cannot be ignored: leave one of the options out")
        if not set(names) - unused:
            raise DataError(f"{name} must have a target and at least one more column, got {len(names)} column(s)")
        return {each: each in roles.categorical for each in names if each not in roles.ignore}

    if name in BUILT_IN and roles.target not in (None, "target"):
        raise SettingError(f"{name} has no target column {roles.target!r}, only 'target'")
    table = read_file(name, all_of, form)
    target = target_of(table.names, roles.target, name)
    labels = table.labels(target)
    if missing := table.rows - len(labels.rows):
        fact = f"the target {target!r} is missing in {missing} of {table.rows} rows"
        raise DataError(f"{name}: {fact}; fill these cells or drop their rows first")
    features = [each for each in table.names if each not in (target, *beside)]
    if features[0] == "" and _numbers_rows(table.frame([""]).columns[0]) and len(features) > 1:
        warn_user(f"{name}: the first column has no name and numbers the rows; it is ignored")
        features = features[1:]
    X = table.frame(features)
    places = [place for place, each in enumerate(features) if each in roles.categorical]
    decimal = "," if form is not None and form.decimal == "," else None
    X = spelled_frame(X, name, decimal, places or None)
    are_categories = (column.natural == "category" and not is_free_text(column) for column in X.columns)
    columns = (as_category(each) if is_one else each for each, is_one in zip(X.columns, are_categories, strict=True))
    known = {each: table.frame([each]).columns[0] for each in beside}
    return DataTable(
        replace(X, columns=tuple(columns)),
        labels.values if decimal is None else _with_comma(labels.values),
        target,
        BUILT_IN.get(name),
        None if roles.groups is None else _groups(known[roles.groups], roles.groups, name),
        None if roles.weight is None else _weights(known[roles.weight], roles.weight, name),
    )


def _with_comma(y: NDArray[Any]) -> NDArray[Any]:
    """Return text that spells numbers with a decimal comma as numbers; return other labels unchanged."""
    if y.dtype.kind != "U":
        return y
    spelling = learn_spelling(set(y.tolist()), ",").spelling
    return y if spelling is None else whole_if_possible(np.array(list(map(spelling.number, y.tolist()))))


def _numbers_rows(column: Column) -> bool:
    """Return whether the cells of a column are the row numbers 0, 1, 2, ..."""
    return column.natural == "number" and bool((column.numbers(slice(None)) == np.arange(column.rows)).all())


def _groups(column: Column, name: str, where: str) -> NDArray[np.str_]:
    cells = column.cells(slice(None))
    if missing := sum(cell is None or is_gap(cell) for cell in cells):
        fact = f"the group {name!r} is missing in {missing} of {len(cells)} rows"
        raise DataError(f"{where}: {fact}; give each of these rows a group, if necessary one of its own")
    return np.array(cells, str)


def _weights(column: Column, name: str, where: str) -> NDArray[np.float64] | None:
    """Return the weights in a column, read by `read_weights`; if a DataError is raised, it names the column."""
    if column.natural != "number":
        raise DataError(f"{where}: the weights in {name!r} must be numbers, got {column.dtype}")
    try:
        return read_weights(column.numbers(slice(None)), column.rows)
    except DataError as error:
        raise DataError(f"{where}: the weights in {name!r} cannot be used: {error}") from None


def target_of(names: Sequence[str], target: str | None, where: str) -> str:
    """Return the name of the target column."""
    if target is None:
        return "target" if "target" in names else names[-1] if names else ""
    return check_name(names, target, where)


def check_name(names: Sequence[str], name: str, where: str) -> str:
    """Return the name of a column, or raise SettingError if there is no such column."""
    if name not in names:
        near = " or ".join(map(repr, near_names(name, names)))
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        hint = f"did you mean {near}? " if near else ""
        raise SettingError(f"{where} has no column {name!r}; {hint}its columns are {shown}")
    return name


def read_file(name: str, choose: Choose, form: CsvFormat | None = None) -> FileTable:
    """Read columns of a file, or of one of scikit-learn's tables.

    Parameters
    ----------
    name : str
        A path, or a key of BUILT_IN (use ./name for a file with such a name).
    choose : callable
        Returns the columns to read, at least one; see `Choose` in csv.py.
    form : CsvFormat, optional
        The format of a CSV file.

    Raises
    ------
    DataError
        The file is malformed; the message says what to do.
    OSError
        The file cannot be read.
    """
    if name in BUILT_IN:
        return FileTable(_read_built_in(name, choose), name)
    if is_parquet(name):
        return FileTable(_read_parquet(name, choose), name)
    return FileTable(read_csv(name, choose, form or CsvFormat()), name)


def is_parquet(name: str) -> bool:
    """Return whether a file is a Parquet file, judged by its name."""
    return name.lower().endswith((".parquet", ".pq"))


def _read_built_in(name: str, choose: Choose) -> "pyarrow.Table":
    import pyarrow
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    names = (*map(str, bunch.feature_names), "target")
    columns = dict(zip(names, [*bunch.data.T, bunch.target], strict=True))
    chosen = choose(names)
    return pyarrow.table({column: np.ascontiguousarray(columns[column]) for column in names if column in chosen})


def _read_parquet(name: str, choose: Choose) -> "pyarrow.Table":
    from pyarrow import ArrowException, parquet

    with Path(name).open("rb") as file:
        try:
            names = [each for each in parquet.read_schema(file).names if not INDEX.fullmatch(each)]
            _check_names(names, name)
            chosen = choose(names)
            file.seek(0)
            promised = parquet.read_metadata(file).num_rows
            file.seek(0)
            columns = [column for column in names if column in chosen]
            table = parquet.read_table(file, columns=columns, page_checksum_verification=True)
            table.validate(full=True)  # pyarrow checks neither UTF-8 nor the indices of categories on reading
        except (ArrowException, OSError, UnicodeDecodeError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # not raised by pyarrow
                raise
            raise DataError(
                f"{name} is not a valid Parquet file ({str(error).splitlines()[0]}): write it again"
            ) from error
    if table.num_rows != promised:
        raise DataError(
            f"{name} must have {promised} rows by its metadata, but it has {table.num_rows}: write it again"
        )
    return table


def _check_names(names: Sequence[str], where: str) -> None:
    """Raise DataError unless all names differ, since pyarrow reads columns by name."""
    if twice := sorted(column for column, count in Counter(names).items() if count > 1):
        raise DataError(f"{where} has more than one column named {twice[0]!r}: rename them")


def whole_if_possible(numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Return the numbers as integers if all are whole and exact in float64."""
    whole = np.abs(numbers).max(initial=0) < EXACT and bool((numbers == np.floor(numbers)).all())
    return numbers.astype(np.int64) if whole else numbers

"""The tables that the command line reads: CSV (also .gz), Parquet, and four of scikit-learn's.

    CSV              csv.py: numbers, text and gaps by what the cells spell
    Parquet          pyarrow and frames.py: numbers, booleans, text and gaps by the types of the columns
    scikit-learn     numbers

A column of text stays one whichever rows are taken, though those that are left may spell numbers only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import near_names
from ash._utils.installation import require_extra
from ash.data.arrays import EXACT, column_label
from ash.data.columns import ArrayColumn, CellColumn, Column
from ash.data.csv import Choose, as_text, check_names, read_as, read_csv
from ash.data.frames import Frame, read_frame, spelled_frame
from ash.errors import DataError, SettingError

BUILT_IN = {"digits": "classification", "breast_cancer": "classification", "wine": "classification"} | {
    "diabetes": "regression"
}
"""Tables of scikit-learn, with their task."""


@dataclass(frozen=True)
class Labels:
    """A column as a target: the values that are there, and the numbers of their rows."""

    values: NDArray[Any]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class FileTable:
    """Columns of a file, in its order; `arrow` is where they come from in Parquet."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    arrow: Any = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.columns[0].rows

    def frame(self, names: Sequence[str]) -> Frame:
        """Return these columns, in this order."""
        columns = tuple(self.columns[self.names.index(name)] for name in names)
        return Frame(self.rows, tuple(names), columns, None)

    def labels(self, name: str) -> Labels:
        """Return a column as a target: whole numbers as integers; booleans and text as they are."""
        column = self.columns[self.names.index(name)]
        if self.arrow is not None:
            return _arrow_labels(self.arrow.column(name), column)
        return _number_labels(column) if column.natural == "number" else _text_labels(column)


@dataclass(frozen=True)
class DataTable:
    """A table with its target: booleans, integers and text are labels, other numbers are targets."""

    X: Frame
    y: NDArray[Any]
    target: str
    task: str | None = None  # known for scikit-learn's only


def read_table(name: str, target: str | None) -> DataTable:
    """Read a table to learn from.

    Parameters
    ----------
    name : str
        As for `read_file`.
    target : str, optional
        The column to predict; the one named "target", else the last one, by default.

    Raises
    ------
    DataError
        As of `read_file`, or cells of the target are missing, or there is no other column.
    SettingError
        There is no such column.
    MissingExtra
        A Parquet file, and pyarrow is not installed.
    OSError
        The file cannot be read.
    """

    def all_of(names: Sequence[str]) -> dict[str, bool]:
        if len(names) < 2:
            raise DataError(f"{name} must have a target and at least one more column, got {len(names)} column(s)")
        target_place(names, target, name)
        return dict.fromkeys(names, False)

    if name in BUILT_IN and target not in (None, "target"):
        raise SettingError(f"{name} has no target column {target!r}, only 'target'")
    table = read_file(name, all_of)
    place = target_place(table.names, target, name)
    chosen, labels = table.names[place], table.labels(table.names[place])
    missing = table.rows - len(labels.rows)
    if missing:
        fact = f"the target {chosen!r} lacks {missing} of {table.rows} cells"
        raise DataError(f"{name}: {fact}; fill these cells or drop their rows first")
    X = spelled_frame(table.frame(table.names[:place] + table.names[place + 1 :]), name)
    X = replace(X, columns=tuple(as_text(column) if column.natural == "category" else column for column in X.columns))
    return DataTable(X, labels.values, chosen, BUILT_IN.get(name))


def target_place(names: Sequence[str], target: str | None, where: str) -> int:
    """Return the place of the target column."""
    if target is None:
        return names.index("target") if "target" in names else len(names) - 1
    if target not in names:
        near = " or ".join(map(repr, near_names(target, names)))
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        hint = f"did you mean {near}? " if near else ""
        raise SettingError(f"{where} has no column {target!r}; {hint}its columns are {shown}")
    return names.index(target)


def read_file(name: str, choose: Choose) -> FileTable:
    """Read columns by the name of a file or of one of scikit-learn's tables.

    Parameters
    ----------
    name : str
        A path, or a key of BUILT_IN (a file of such a name is meant by ./name).
    choose : callable
        As of csv.py. At least one column is read.

    Raises
    ------
    DataError
        The file is malformed, or a column that is read holds neither numbers nor text; it is named, with what to do.
    MissingExtra
        A Parquet file, and pyarrow is not installed.
    OSError
        The file cannot be read.
    """
    if name in BUILT_IN:
        return _read_built_in(name, choose)
    if name.lower().endswith((".parquet", ".pq")):
        return _read_parquet(name, choose)
    return FileTable(*read_csv(name, choose))


def _read_built_in(name: str, choose: Choose) -> FileTable:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    names = (*map(str, bunch.feature_names), "target")
    values = [*bunch.data.T, bunch.target]
    chosen = choose(names)
    places = [place for place, column in enumerate(names) if column in chosen]
    columns = tuple(
        ArrayColumn(column_label(place, names), str(values[place].dtype), values[place]) for place in places
    )
    return FileTable(tuple(names[place] for place in places), columns)


def _read_parquet(name: str, choose: Choose) -> FileTable:
    require_extra("Parquet", "pyarrow", "tables")
    from pyarrow import ArrowException, parquet

    with Path(name).open("rb") as file:
        try:
            names = parquet.read_schema(file).names
            check_names(names, name)
            chosen = choose(names)
            file.seek(0)
            table = parquet.read_table(file, columns=[column for column in names if column in chosen])
        except ArrowException as error:
            raise DataError(f"{name} is not a Parquet file, or a damaged one ({str(error).splitlines()[0]})") from error
    frame = read_frame(table, name)
    kept = tuple(table.column_names)
    columns = tuple(read_as(column, chosen[each], name) for each, column in zip(kept, frame.columns, strict=True))
    return FileTable(kept, columns, table)


def _number_labels(column: Column) -> Labels:
    numbers = column.numbers(slice(None))
    rows = np.flatnonzero(~np.isnan(numbers))
    return Labels(whole_if_possible(numbers[rows]), rows)


def _text_labels(column: Column) -> Labels:
    cells = column.cells(slice(None))
    rows = np.array([row for row, cell in enumerate(cells) if cell is not None], np.int64)
    return Labels(np.array([cell for cell in cells if cell is not None]), rows)


def _arrow_labels(values: Any, column: Column) -> Labels:
    """Return exact integers and booleans of Arrow, not the float64 that the column would give."""
    from pyarrow import types

    if isinstance(column, CellColumn):
        return _text_labels(column)
    if not types.is_boolean(values.type) and not types.is_integer(values.type):
        return _number_labels(column)
    rows = np.flatnonzero(values.is_valid().to_numpy())
    return Labels(np.asarray(values.drop_null().to_numpy()), rows)


def whole_if_possible(numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Return the numbers as integers if nothing is lost."""
    whole = np.abs(numbers).max(initial=0) < EXACT and bool((numbers == np.floor(numbers)).all())
    return numbers.astype(np.int64) if whole else numbers

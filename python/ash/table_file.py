"""The tables that the command line reads: CSV (also .gz), Parquet, and four of scikit-learn's.

CSV: the delimiter is the most frequent of comma, semicolon and tab in the first line; names come from the first line,
unless all of its cells are numbers. Cost: about 0.2 us a cell; the text of BLOCK rows is in memory at once, not more.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ash.errors import DataError, MissingExtra, SettingError

BUILT_IN = {"digits": "classification", "breast_cancer": "classification", "wine": "classification"} | {
    "diabetes": "regression"
}
"""Tables of scikit-learn, with their task."""

BLOCK = 8192
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
DROP_OR_ENCODE = "drop the column, or encode it as numbers (a column of 0 and 1 for each value)"
DROP_OR_FILL = "fill these cells or drop their rows first"


class Features:
    """Numbers with column names, which `ash.tune` reads as it reads a data frame."""

    def __init__(self, values: NDArray[np.float64], columns: tuple[str, ...]) -> None:
        self.values = values
        self.columns = columns

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (rows, columns)."""
        return self.values.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, where: Any) -> NDArray[np.float64]:
        return np.asarray(self.values[where])

    def take(self, rows: NDArray[np.int64]) -> "Features":
        """Return some of the rows."""
        return Features(self.values[rows], self.columns)


@dataclass(frozen=True)
class DataTable:
    """A table with its target: integers or text are labels, other numbers are targets."""

    X: Features
    y: NDArray[Any]
    target: str
    task: str | None = None  # known for scikit-learn's only


def read_table(name: str, target: str | None) -> DataTable:
    """Read a table by the name of a file or of one of scikit-learn's.

    Parameters
    ----------
    name : str
        A path, or a key of BUILT_IN (a file of such a name is meant by ./name).
    target : str, optional
        The column to predict; the one named "target", else the last one, by default.

    Raises
    ------
    DataError
        The file is malformed, or a column holds text or missing cells; it is named, with what to do.
    SettingError
        There is no such column.
    MissingExtra
        A Parquet file, and pyarrow is not installed.
    OSError
        The file cannot be read.
    """
    if name in BUILT_IN:
        return _built_in(name, target)
    if name.lower().endswith((".parquet", ".pq")):
        return _read_parquet(name, target)
    with _open_text(name) as file:
        try:
            return _read_csv(file, name, target)
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is no text in UTF-8 ({error.reason})") from error
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is no CSV file ({error})") from error


def target_place(names: Sequence[str], target: str | None, where: str) -> int:
    """Return the place of the target column."""
    if target is None:
        return names.index("target") if "target" in names else len(names) - 1
    if target not in names:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise SettingError(f"{where} has no column {target!r}; there are {shown}")
    return names.index(target)


def _built_in(name: str, target: str | None) -> DataTable:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    if target not in (None, "target"):
        raise SettingError(f"{name} has no target column {target!r}, only 'target'")
    columns = tuple(map(str, bunch.feature_names))
    return DataTable(Features(bunch.data.astype(np.float64), columns), bunch.target, "target", BUILT_IN[name])


def _open_text(name: str) -> IO[str]:
    if name.lower().endswith(".gz"):
        return gzip.open(name, "rt", encoding="utf-8-sig", newline="")
    return Path(name).open(encoding="utf-8-sig", newline="")


def _read_csv(file: IO[str], name: str, target: str | None) -> DataTable:
    first = file.readline()
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(chain([first], file), delimiter=delimiter)
    names = next(reader, [])
    lines: Iterator[tuple[int, list[str]]] = ((reader.line_num, row) for row in reader if row)
    if names and all(_is_number(cell) for cell in names):
        lines, names = chain([(1, names)], lines), [f"column_{number}" for number in range(len(names))]
    check_names(names, name)
    place = target_place(names, target, name)
    columns = tuple(names[:place] + names[place + 1 :])
    blocks, labels = [], []
    while block := list(islice(lines, BLOCK)):
        for line, row in block:
            if len(row) != len(names):
                raise DataError(f"{name}, line {line}: {len(row)} cells instead of {len(names)}")
        labels += [row.pop(place) for _, row in block]
        blocks.append(_to_numbers(block, columns, name))
    if not labels:
        raise DataError(f"{name} holds no rows below its line of names")
    return DataTable(Features(np.concatenate(blocks), columns), _read_labels(labels, names[place], name), names[place])


def check_names(names: Sequence[str], where: str) -> None:
    """Raise DataError unless there are two columns at least and all names differ."""
    if len(names) < 2:
        raise DataError(f"{where} has {len(names)} column(s); a target and one more are the least")
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise DataError(f"{where} has more than one column named {twice[0]!r}: rename them")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def _to_numbers(block: list[tuple[int, list[str]]], columns: Sequence[str], where: str) -> NDArray[np.float64]:
    rows = [row for _, row in block]
    try:
        numbers = np.array(rows, dtype=np.float64)
    except ValueError:
        numbers = None
    if numbers is not None and not np.isnan(numbers).any():
        return numbers
    for place, column in enumerate(columns):
        bad = [(line, row[place]) for line, row in block if not _is_number(row[place]) or _is_missing(row[place])]
        text = [(line, cell) for line, cell in bad if not _is_missing(cell)]
        if text:
            line, cell = text[0]
            raise DataError(f"{where}: column {column!r} holds text ({cell!r} in line {line}): {DROP_OR_ENCODE}")
        if bad:
            raise DataError(f"{where}: column {column!r} has missing cells (first in line {bad[0][0]}): {DROP_OR_FILL}")
    raise DataError(f"{where}: lines {block[0][0]} to {block[-1][0]} hold a cell that cannot be read as a number")


def _read_labels(cells: list[str], column: str, where: str) -> NDArray[Any]:
    """Return integers if all cells are, else floats if all are numbers, else text."""
    missing = sum(map(_is_missing, cells))
    if missing:
        raise DataError(f"{where}: the target {column!r} misses {missing} of {len(cells)} cells: {DROP_OR_FILL}")
    try:
        return whole_if_possible(np.array(cells, dtype=np.float64))
    except ValueError:
        return np.array(cells)


def whole_if_possible(numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Return the numbers as integers if nothing is lost."""
    whole = np.abs(numbers).max(initial=0) < 2**53 and bool((numbers == np.floor(numbers)).all())
    return numbers.astype(np.int64) if whole else numbers


def _read_parquet(name: str, target: str | None) -> DataTable:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtra("Parquet needs pyarrow; install it by: pip install 'ash-tune[tables]'") from error
    with Path(name).open("rb") as file:
        try:
            table = parquet.read_table(file)
        except ArrowException as error:
            raise DataError(f"{name} is no Parquet file ({str(error).splitlines()[0]})") from error
    names = list(table.column_names)
    check_names(names, name)
    place = target_place(names, target, name)
    columns = tuple(names[:place] + names[place + 1 :])
    values = np.empty((table.num_rows, len(columns)), dtype=np.float64)
    for number, column in enumerate(columns):
        values[:, number] = _arrow_numbers(table.column(column), column, name)
    return DataTable(Features(values, columns), _arrow_labels(table.column(place), names[place], name), names[place])


def _arrow_numbers(column: Any, name: str, where: str) -> NDArray[np.float64]:
    if column.null_count:
        raise DataError(f"{where}: column {name!r} has {column.null_count} missing cells: {DROP_OR_FILL}")
    values = column.to_numpy()
    if values.dtype.kind not in "fiub":
        raise DataError(f"{where}: column {name!r} holds {column.type}, not numbers: {DROP_OR_ENCODE}")
    numbers = values.astype(np.float64)
    missing = int(np.isnan(numbers).sum())
    if missing:
        raise DataError(f"{where}: column {name!r} has {missing} missing cells: {DROP_OR_FILL}")
    return np.asarray(numbers)


def _arrow_labels(column: Any, name: str, where: str) -> NDArray[Any]:
    if column.null_count:
        raise DataError(f"{where}: the target {name!r} misses {column.null_count} cells: {DROP_OR_FILL}")
    values = np.asarray(column.to_pylist())
    if values.dtype.kind not in "fiubU":
        raise DataError(f"{where}: the target {name!r} holds {column.type}: neither labels nor numbers")
    return whole_if_possible(values) if values.dtype.kind == "f" else values

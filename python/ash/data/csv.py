"""CSV files as columns: any of the usual delimiters, quoted cells, text and gaps, also packed by gzip.

    first pass     each block of BLOCK rows -> the columns that grow
    second pass    only the first blocks of those columns that turned out to be text after some blocks of numbers

The delimiter is the most frequent of comma, semicolon and tab in the first line, outside of quotes. The names come from
the first line, unless it holds numbers only, or numbers and gaps. Blank lines are skipped. Cost: about 0.2 us a cell,
and memory for the columns and for the text of one block.

    all cells so far are numbers or missing     8 bytes a cell
    any other column                            4 bytes a cell, and each text once

A column may turn out to be text after blocks of numbers. How they were written ("007") is then unknown, so the column
says how many blocks it has to see again.
"""

import csv
import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash._utils.user_warnings import warn_user
from ash.data.arrays import column_label
from ash.data.columns import ArrayColumn, CellColumn, Column, Order
from ash.data.spelling import Spelling
from ash.errors import DataError

SAVE, UNPACK, RENAME = "save the table as CSV or Parquet", "unpack it first", "rename it"
EXCEL = "an Excel file"
OTHER_FILES = {
    b"PK\x03\x04": ("a zip archive", UNPACK),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (EXCEL, SAVE),
    b"FEA1": ("a Feather file", SAVE),
    b"ARROW1": ("a Feather file", SAVE),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", SAVE),
    b"\x93NUMPY": ("a file of NumPy", SAVE),
    b"\x80\x04\x95": ("a pickle", SAVE),
    b"\x80\x05\x95": ("a pickle", SAVE),
    b"SQLite format 3\x00": ("an SQLite database", SAVE),
    b"PAR1": ("a Parquet file without the ending .parquet", RENAME),
    b"\x1f\x8b": ("packed by gzip without the ending .gz", RENAME),
    b"BZh": ("packed by bzip2", UNPACK),
    b"\xfd7zXZ\x00": ("packed by xz", UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", UNPACK),
    b"\xff\xfe": ("text in UTF-16", "save it in UTF-8"),
    b"\xfe\xff": ("text in UTF-16", "save it in UTF-8"),
}
"""What a file is by its first bytes, and what to do with it: those that are no CSV."""
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""Cells without a value, in upper or lower case, with or without blanks around."""


def is_missing(cell: str) -> bool:
    """Whether a cell holds no value."""
    return cell.strip().lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell holds a number; "nan" is one, too."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


class _LevelBook(dict[str, int]):
    """The number of each text, from 0 on as they come; -1 for what is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[str] = []

    def __missing__(self, text: str) -> int:
        code = -1
        if not is_missing(text):
            code = len(self.levels)
            self.levels.append(text)
        self[text] = code
        return code

    def read(self, cells: Sequence[str]) -> NDArray[np.int32]:
        """Return the numbers of some cells."""
        return np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))


class ColumnBuilder:
    """A column that grows by blocks of cells.

    Parameters
    ----------
    as_text : bool
        Whether it is text even if all of its cells are numbers.

    Attributes
    ----------
    unread : int
        So many blocks, the first ones, have to be shown again by `add_again`.
    """

    def __init__(self, as_text: bool) -> None:
        self.unread = 0
        self._book = _LevelBook() if as_text else None
        self._numbers: list[NDArray[np.float64]] = []
        self._codes: list[NDArray[np.int32]] = []
        self._again: list[NDArray[np.int32]] = []

    def add(self, cells: Sequence[str]) -> None:
        """Take the cells of the next block."""
        if self._book is None:
            numbers = _to_numbers(cells)
            if numbers is not None:
                self._numbers.append(numbers)
                return
            self.unread = len(self._numbers)
            self._numbers.clear()
            self._book = _LevelBook()
        self._codes.append(self._book.read(cells))

    def add_again(self, cells: Sequence[str]) -> None:
        """Take the cells of the next of the blocks that were numbers."""
        assert self._book is not None
        self._again.append(self._book.read(cells))

    def build(self, label: str) -> Column:
        """Return the column, which the builder forgets."""
        if self._book is None:
            values = np.concatenate(self._numbers)
            self._numbers.clear()
            return ArrayColumn(label, "float64", values)
        codes = np.concatenate(self._again + self._codes)
        levels = np.array([*self._book.levels, None], object)
        self._again.clear()
        self._codes.clear()
        self._book = None
        return CellColumn(label, "text", len(codes), lambda rows: levels[codes[rows]].tolist())


def _to_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Return a block of numbers, NaN where missing; None if a cell is text."""
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        gaps = set(filter(is_missing, set(cells)))
    if not gaps:
        return None
    try:
        return np.fromiter((float("nan" if cell in gaps else cell) for cell in cells), np.float64, len(cells))
    except ValueError:
        return None


BLOCK = 2048  # rows whose text stays in the cache
Choose: TypeAlias = Callable[[Sequence[str]], Mapping[str, bool | Spelling]]
"""Takes the names of all columns and returns those to read, each with one of: True, it is text even if it looks like
numbers; False, it is what it looks like; or how its text spells numbers."""


def read_csv(name: str, choose: Choose) -> tuple[tuple[str, ...], tuple[Column, ...]]:
    """Return the names and the columns that are chosen, in their order in the file.

    Raises
    ------
    DataError
        The file is no text in UTF-8, malformed, or without rows.
    OSError
        The file cannot be read.
    """
    with _open_text(name) as file:
        try:
            return _read(file, name, choose)
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is not text in UTF-8 ({error.reason}): save it as CSV in UTF-8") from error
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is not a CSV file, or a damaged one ({error}): write it again") from error


def check_names(names: Sequence[str], where: str) -> None:
    """Raise DataError unless all names differ."""
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise DataError(f"{where} has more than one column named {twice[0]!r}: rename them")


@contextmanager
def _open_text(name: str) -> Iterator[IO[str]]:
    """Open a file so that it can be read twice; a pipe is copied to the disk first."""
    with Path(name).open("rb") as given, tempfile.TemporaryFile() as spare:
        raw: IO[bytes] = given
        if not given.seekable():
            shutil.copyfileobj(given, spare)
            spare.seek(0)
            raw = spare
        packed = name.lower().endswith(".gz")
        if not packed:
            _refuse_other_files(raw, name)
        binary: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        yield io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")


def _refuse_other_files(file: IO[bytes], name: str) -> None:
    """Raise DataError where the first bytes are those of another kind of file."""
    head = file.read(max(map(len, OTHER_FILES)))
    file.seek(0)
    for start, (what, todo) in OTHER_FILES.items():
        if head.startswith(start):
            if name.lower().endswith((".xlsx", ".xlsm", ".ods")):
                what, todo = EXCEL, SAVE
            raise DataError(f"{name} is {what}, which is not read: {todo}")


def _read(file: IO[str], name: str, choose: Choose) -> tuple[tuple[str, ...], tuple[Column, ...]]:
    rows = _Rows(file, name)
    rows.warn_of_numbers()
    check_names(rows.names, name)
    chosen = choose(rows.names)
    kept = {place: ColumnBuilder(bool(chosen[column])) for place, column in enumerate(rows.names) if column in chosen}
    read = 0
    for block in rows.blocks():
        read += 1
        for place, builder in kept.items():
            builder.add(block[place])
    if not read:
        raise DataError(f"{name} has no rows below its line of names: add some")
    _read_again(file, name, kept)
    names = tuple(rows.names[place] for place in kept)
    built = (builder.build(column_label(place, rows.names)) for place, builder in kept.items())
    return names, tuple(read_as(column, chosen[each], name) for each, column in zip(names, built, strict=True))


def read_as(column: Column, how: bool | Spelling, name: str) -> Column:
    """Return a column of a file as it is to be read, by `Choose`."""
    if how is True:
        return as_text(column)
    return column.spelled(how, name) if isinstance(how, Spelling) and isinstance(column, CellColumn) else column


def as_text(column: Column) -> Column:
    """Return a column that is text in any choice of its rows; a column of numbers as it is."""
    if not isinstance(column, CellColumn):
        return column

    def read(rows: slice | Order) -> list[str | None]:
        return column.cells(rows) if isinstance(rows, slice) else column.with_order(rows).cells(slice(None))

    return CellColumn(column.label, column.dtype, column.rows, read, is_text=False)


def _read_again(file: IO[str], name: str, builders: Mapping[int, ColumnBuilder]) -> None:
    """Show the first blocks to those columns that were no numbers after all."""
    most = max((builder.unread for builder in builders.values()), default=0)
    if not most:
        return
    file.seek(0)
    for number, block in enumerate(islice(_Rows(file, name).blocks(), most)):
        for place, builder in builders.items():
            if number < builder.unread:
                builder.add_again(block[place])


class _Rows:
    """The rows of a CSV file from where it stands, and its names."""

    def __init__(self, file: IO[str], where: str) -> None:
        first = file.readline()
        unquoted = re.sub(r'"[^"]*("|$)', "", first)
        delimiter = max(",;\t", key=unquoted.count)
        self._reader = csv.reader(chain([first], file), delimiter=delimiter)
        self._where = where
        self.names = next(self._reader, [])
        self._first: list[list[str]] = []
        if any(map(is_number, self.names)) and all(is_number(cell) or is_missing(cell) for cell in self.names):
            self._first = [self.names]
            self.names = [f"column_{number}" for number in range(len(self.names))]

    def warn_of_numbers(self) -> None:
        """Warn of a line of names that may be one of cells."""
        odd = [] if self._first else [name for name in self.names if is_number(name)]
        if odd:
            text = f"{self._where}: the first line is read as names, though {odd[0]!r} is a number"
            warn_user(f"{text}; if it holds data, put a line of names above it")

    def blocks(self) -> Iterator[list[tuple[str, ...]]]:
        """Yield blocks of at most BLOCK rows, each as the cells of one column after the other."""
        rows = chain(self._first, self._checked())
        while block := list(islice(rows, BLOCK)):
            yield list(zip(*block, strict=True))

    def _checked(self) -> Iterator[list[str]]:
        width = len(self.names)
        for row in self._reader:
            if len(row) == width:
                yield row
            elif row:
                where = f"{self._where}, line {self._reader.line_num}"
                raise DataError(f"{where}: {len(row)} cells in place of {width}; quote cells that hold the delimiter")

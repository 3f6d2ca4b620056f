"""Reads CSV files, plain or compressed by gzip, as Arrow tables.

pyarrow reads the cells, which may be quoted, and recognizes numbers, booleans and dates. Other text is treated as in
any other table. Unless the delimiter is given, it is the comma, semicolon or tab, whichever is most frequent outside
quotes in the first line. Column names come from the first line, unless it consists of numbers, or of numbers and
missing cells. But in tables with at least three columns, the numbers 0, 1, 2, ... count as names, also after an empty
first cell, since pandas writes them for columns without names. Blank lines are skipped.
"""

import codecs
import csv
import gzip
import io
import re
import shutil
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ash._utils.user_warnings import warn_user
from ash.data.arrays import unique_names
from ash.data.spelling import PLAIN_GAPS, is_gap
from ash.errors import DataError, SettingError

if TYPE_CHECKING:
    import pyarrow

SAVE, UNPACK, RENAME = "save the table as CSV or Parquet", "unpack it first", "rename it"
EXCEL = "an Excel file"
UTF_16 = "text in UTF-16"
OTHER_FILES = {
    b"PK\x03\x04": ("a zip archive", UNPACK),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (EXCEL, SAVE),
    b"FEA1": ("a Feather file", SAVE),
    b"ARROW1": ("a Feather file", SAVE),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", SAVE),
    b"\x93NUMPY": ("a NumPy file", SAVE),
    b"\x80\x04\x95": ("a pickle", SAVE),
    b"\x80\x05\x95": ("a pickle", SAVE),
    b"SQLite format 3\x00": ("an SQLite database", SAVE),
    b"PAR1": ("a Parquet file without the extension .parquet", RENAME),
    b"\x1f\x8b": ("a gzip file without the extension .gz", RENAME),
    b"BZh": ("a bzip2 file", UNPACK),
    b"\xfd7zXZ\x00": ("an xz file", UNPACK),
    b"\x28\xb5\x2f\xfd": ("a zstd file", UNPACK),
    b"\xff\xfe": (UTF_16, "pass --encoding utf-16, or save it in UTF-8"),
    b"\xfe\xff": (UTF_16, "pass --encoding utf-16, or save it in UTF-8"),
}
"""The first bytes of files that are not CSV, each with the kind of file and the advice for the message."""
BLOCKS = (2**20, 2**24, 2**28)
"""The bytes that pyarrow reads at a time. The larger blocks are for files whose lines do not fit into the first."""
_LONG = re.compile("straddling object|cannot infer number of columns|header is larger than block size")
_NUMBER = re.compile(r"([+-]?)(?=[.\d])(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
_SHOWN = 50  # maximum number of characters of a row that a message shows

Choose: TypeAlias = Callable[[Sequence[str]], Mapping[str, bool]]
"""A function that takes the names of all columns, and returns a dict whose keys are the names of the columns to read.
The value of a name is True if the column's cells must stay text even if they look like numbers, such as "007"."""


@dataclass(frozen=True)
class CsvFormat:
    """The format of a CSV file: delimiter, decimal point and encoding.

    Attributes
    ----------
    sep : str or None
        The delimiter, one character; None if it is inferred from the first line.
    decimal : str
        The decimal point of numbers.
    encoding : str
        Python's name for the encoding.
    like_pandas : bool
        Whether numbers have the last bits that pandas.read_csv reads by default before pandas 3.1. Else they are the
        nearest float64 numbers.
    """

    sep: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    like_pandas: bool = False

    def __post_init__(self) -> None:
        if self.sep is not None and (len(self.sep) != 1 or self.sep in '"\r\n'):
            raise SettingError(f"sep must be one character, such as ';' or a tab, got {self.sep!r}")
        if self.decimal not in (".", ","):
            raise SettingError(f"decimal must be '.' or ',', got {self.decimal!r}")
        try:
            "".encode(self.encoding)
        except LookupError:  # the encoding is unknown, or is not for text
            raise SettingError(f"encoding must be one that Python knows, got {self.encoding!r}") from None

    @property
    def is_utf_8(self) -> bool:
        """Whether the encoding is UTF-8."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")


def read_csv(name: str, choose: Choose, form: CsvFormat) -> "pyarrow.Table":
    """Read the chosen columns of a CSV file, in the order of the file.

    Raises
    ------
    DataError
        The file is malformed, is not text in the given encoding, or has no rows.
    OSError
        The file cannot be read.
    """
    import pyarrow

    with _open(name, form) as file:
        try:
            head = _Head(file, name, form)
            chosen = choose(head.names)
            texts = [column for column in head.names if chosen.get(column)]
            table = _read(file, head, name, list(chosen), texts)
            if times := [field.name for field in table.schema if _is_better_as_text(field.type)]:
                table = _read(file, head, name, list(chosen), [*texts, *times])
            floats = [field.name for field in table.schema if pyarrow.types.is_floating(field.type)]
            if form.like_pandas and floats:
                written = _read(file, head, name, floats, floats)
                for column in floats:
                    cells = (cell.replace(form.decimal, ".") for cell in written[column].to_pylist())
                    numbers = pyarrow.array([None if cell in PLAIN_GAPS else _pandas_number(cell) for cell in cells])
                    table = table.set_column(table.column_names.index(column), column, numbers)
        except UnicodeError as error:
            raise DataError(_wrong_encoding(name, form, str(error))) from error
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is not a valid CSV file ({error}): write it again") from error
    if not table.num_rows:
        raise DataError(_no_rows(name))
    if any(pyarrow.types.is_binary(field.type) for field in table.schema):
        raise DataError(_wrong_encoding(name, form, "invalid bytes"))
    return table.select([column for column in head.names if column in chosen])


def _pandas_number(text: str) -> float:
    """Return the number that pandas reads by default before version 3.1.

    pandas takes the first 17 digits, with the zeros in front, and rounds after each operation.
    """
    parts = _NUMBER.fullmatch(text.strip())
    if parts is None:  # such as "inf"
        return float(text)
    sign, whole, decimals, power = parts[1], parts[2], parts[3] or "", int(parts[4] or 0)
    digits = (whole + decimals)[:17]
    number = float(int(digits[:15]))  # exact
    for digit in digits[15:]:
        number = number * 10.0 + int(digit)
    power += len(whole) - len(digits)
    if power < -308:
        number, power = number / float(f"1e{-308 - power}"), -308
    number = number * float(f"1e{power}") if power > 0 else number / float(f"1e{-power}")
    return -number if sign == "-" else number


def _is_better_as_text(kind: "pyarrow.DataType") -> bool:
    """Return whether it is a time of day, which is neither a date nor a number, or a time whose zone pyarrow drops."""
    from pyarrow import types

    return types.is_time(kind) or (types.is_timestamp(kind) and kind.tz is not None)


def _no_rows(name: str) -> str:
    return f"{name} has no rows below its header line: add some"


def _wrong_encoding(name: str, form: CsvFormat, reason: str) -> str:
    called = "UTF-8" if form.is_utf_8 else form.encoding
    return f"{name} is not valid {called} text ({reason}): pass its --encoding, or save it as CSV in UTF-8"


@contextmanager
def _open(name: str, form: CsvFormat) -> Iterator[IO[bytes]]:
    """Open a file so that it can be read twice; a pipe is first copied to disk."""
    with Path(name).open("rb") as given, tempfile.TemporaryFile() as spare:
        raw: IO[bytes] = given
        if not given.seekable():
            shutil.copyfileobj(given, spare)
            spare.seek(0)
            raw = spare
        packed = name.lower().endswith(".gz")
        if not packed:
            _refuse_other_files(raw, name, form)
        yield gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[misc]


def _refuse_other_files(file: IO[bytes], name: str, form: CsvFormat) -> None:
    """Raise DataError if the first bytes are those of a file that is not CSV (see OTHER_FILES)."""
    head = file.read(max(map(len, OTHER_FILES)))
    file.seek(0)
    for start, (what, todo) in OTHER_FILES.items():
        if head.startswith(start) and (what != UTF_16 or form.is_utf_8):
            if name.lower().endswith((".xlsx", ".xlsm", ".ods")):
                what, todo = EXCEL, SAVE
            raise DataError(f"{name} is {what}, which ash cannot read: {todo}")


class _FromStart(io.RawIOBase):
    """A file read from its start with a place of its own, since threads of pyarrow may read on after an error."""

    _reading = threading.Lock()

    def __init__(self, file: IO[bytes]) -> None:
        self.place = 0
        self._file = file

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer, and return their number."""
        with self._reading:
            self._file.seek(self.place)
            read = self._file.read(len(buffer))
        buffer[: len(read)] = read
        self.place += len(read)
        return len(read)


class _Head:
    """The column names and the delimiter of a CSV file, from its first line."""

    def __init__(self, file: IO[bytes], where: str, form: CsvFormat) -> None:
        self.form = form
        text = io.TextIOWrapper(file, encoding="utf-8-sig" if form.is_utf_8 else form.encoding, newline="")
        first = text.readline()
        self.blank = 0
        while first and not first.strip():
            self.blank += 1
            first = text.readline()
        unquoted = re.sub(r'"[^"]*("|$)', "", first)
        self.sep = form.sep or max(",;\t", key=unquoted.count)
        self.names = next(csv.reader(chain([first], text), delimiter=self.sep), [])
        text.detach()
        numbers = [cell for cell in self.names if _is_number(cell, form.decimal)]
        count = range(len(self.names))  # pandas writes 0, 1, 2, ... if columns have no names
        is_counted = len(count) > 2 and self.names in (list(map(str, count)), ["", *map(str, count[:-1])])
        are_cells = all(cell in numbers or is_gap(cell) for cell in self.names)
        self.is_missing = bool(numbers) and are_cells and not is_counted
        if self.is_missing:
            self.names = [f"column_{number}" for number in range(len(self.names))]
        elif numbers and not is_counted:
            text_of = f"{where}: the first line is read as column names, though {numbers[0]!r} is a number"
            warn_user(f"{text_of}; if it holds data, add a header line above it")
        unique = list(unique_names(self.names, where))
        self.is_renamed, self.names = unique != self.names, unique


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return True


def _read(file: IO[bytes], head: _Head, name: str, columns: list[str], texts: Sequence[str]) -> "pyarrow.Table":
    """Return the given columns of a file; raise DataError if a row has more or fewer cells than the others."""
    import pyarrow
    from pyarrow import csv as arrow

    form = head.form
    convert = arrow.ConvertOptions(
        column_types=dict.fromkeys(texts, pyarrow.string()),
        include_columns=columns,
        null_values=sorted(PLAIN_GAPS),
        decimal_point=form.decimal,
    )
    parse = arrow.ParseOptions(delimiter=head.sep, newlines_in_values=True)
    # After an error, read again with one thread: its errors name the row. A row must fit into a block.
    for block, threads in ((BLOCKS[0], True), *((each, False) for each in BLOCKS)):
        reading = arrow.ReadOptions(
            column_names=head.names if head.is_missing or head.is_renamed else None,
            skip_rows=head.blank,
            skip_rows_after_names=1 if head.is_renamed else 0,
            encoding="utf-8" if form.is_utf_8 else form.encoding,
            use_threads=threads,
            block_size=block,
        )
        try:
            return arrow.read_csv(_FromStart(file), read_options=reading, parse_options=parse, convert_options=convert)
        except pyarrow.ArrowException as error:
            problem = error
        if not threads and not _LONG.search(str(problem)):
            break
    else:
        rest = _FromStart(file)
        rest.place = BLOCKS[-1]
        if not rest.read(1):
            raise DataError(_no_rows(name)) from problem
        raise DataError(
            f"{name} has a line of more than {BLOCKS[-1] >> 20} MiB, or a quotation mark without a second one: shorten "
            "the line, or close the quotation"
        ) from problem
    found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)(?:: (.*))?", str(problem), re.DOTALL)
    if found is None:
        raise DataError(f"{name} is not a valid CSV file ({problem}): write it again") from problem
    row, expected, actual, text = found.groups()
    fact = f"{actual} cells instead of {expected} ({(text or '')[:_SHOWN]!r})"
    raise DataError(f"{name}, row {row}: {fact}; quote cells that hold the delimiter") from problem

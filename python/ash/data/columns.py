"""Columns of a table from any library (numbers, dates or text), read in blocks of rows.

    NumPy numbers                       ArrayColumn     a view of the user's array
    series of numbers, maybe with nulls SeriesColumn    cast block by block
    dates and times                     DateColumn      days since 1970-01-01
    text, categories, objects           CellColumn      the text of each cell, or the number that it spells

A column can be read block by block, without a copy of the whole column. Selecting rows copies no cells either: the
column gets an order, which lists the indices of its rows in the user's data. Columns refer to the user's data. These
data must not change during a run, since they are read before training starts, and again if a model is trained on all
rows after cross-validation.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.data.arrays import EXACT, is_missing, is_rounded
from ash.data.dates import (
    DAY,
    OWN,
    TOO_DISTANT,
    DateSpelling,
    OwnOffsets,
    TimeZone,
    clocks_of_objects,
    date_text,
    days_of,
    days_of_datetimes,
    days_of_objects,
    is_date_type,
    zone_named,
    zone_of_objects,
    zone_of_offsets,
)
from ash.data.spelling import Spelling, is_gap, number_text, plain_text
from ash.errors import DataError

if TYPE_CHECKING:
    import narwhals as nw
Kind: TypeAlias = Literal["number", "category", "date"]
Order: TypeAlias = NDArray[np.int64]

_NUMBERS_TODO = "turn it into numbers first, for example seconds"
_SPLIT_TODO = "split it into several columns"
_TEXT_TODO = "decode it to text first"
SCALARS_TODO = "turn it into text or real numbers, or split it into several columns"
_BLOCK = 2**16


def blocks(rows: int, size: int = _BLOCK) -> Iterator[tuple[int, int]]:
    """Yield (first, stop) of consecutive blocks of rows."""
    for first in range(0, rows, size):
        yield first, min(first + size, rows)


class Column(ABC):
    """A column of a table.

    Attributes
    ----------
    label : str
        The column's name in messages: "column 3" or "column 3 ('age')".
    dtype : str
        The name of the column's type in its library, such as "int64", "String" or "category".
    rows : int
        Number of rows.
    order : int64 array [rows] or None
        The index of each row in the user's data; None if the column has all rows in their original order.
    spelling : Spelling or None
        How the numbers or dates are spelled in the original text of the column; None if they do not come from text.
    """

    spelling: Spelling | None = None

    def __init__(self, label: str, dtype: str, rows: int) -> None:
        self.label, self.dtype, self.rows = label, dtype, rows
        self.order: Order | None = None

    def with_order(self, order: Order) -> Self:
        """Return a column with the rows of the user's data whose indices are in `order`, in that order."""
        taken = copy.copy(self)
        taken.__dict__.pop("_is_numeric", None)  # cached for the old rows
        taken.rows, taken.order = len(order), order
        return taken

    def with_numbers(self, numbers: NDArray[np.float64], spelling: Spelling | None = None) -> "Column":
        """Return a column with the same rows but the values `numbers`."""
        numbers = self._in_users_order(numbers)
        made = ArrayColumn(self.label, self.dtype, numbers, spelling)
        return made if self.order is None else made.with_order(self.order)

    def _in_users_order(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.order is None:
            return numbers
        placed = np.full(int(self.order.max()) + 1, np.nan)
        placed[self.order] = numbers
        return placed

    def _at(self, rows: slice) -> slice | Order:
        """Return the indices that these rows of the column have in the user's data."""
        return rows if self.order is None else self.order[rows]

    @property
    @abstractmethod
    def natural(self) -> Kind:
        """The kind that the values look like; text and categories without values count as numbers."""

    @abstractmethod
    def can_be(self, kind: Kind) -> bool:
        """Return whether the column can be read as `kind`.

        Text that spells numbers can be read as numbers or as categories, and a column without values as any kind.
        """

    @abstractmethod
    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers (days for dates) of a block of rows as a new array, NaN where missing.

        The column must be readable as numbers or dates.
        """

    @abstractmethod
    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows, None where missing."""

    def is_rounded(self) -> bool:
        """Return whether the column holds integers that float64 may round."""
        return False


class _NumberColumn(Column):
    """A column whose type is real numbers or booleans."""

    natural: Kind = "number"

    def can_be(self, kind: Kind) -> bool:
        """Return whether the column can be read as `kind`.

        It can always be read as numbers. It can be read as another kind only if all its cells are missing.
        """
        return kind == "number" or _is_empty(self)

    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows, None where missing."""
        return list(map(_text, self._objects(rows)))

    @abstractmethod
    def _objects(self, rows: slice) -> list[Any]:
        """Return the cells of a block of rows as exact Python numbers or booleans."""


class ArrayColumn(_NumberColumn):
    """Real numbers or booleans in a one-dimensional NumPy array of any dtype, byte order and stride."""

    def __init__(self, label: str, dtype: str, values: NDArray[Any], spelling: Spelling | None = None) -> None:
        super().__init__(label, dtype, len(values))
        self.values, self.spelling = values, spelling

    def _objects(self, rows: slice) -> list[Any]:
        values = self.values[self._at(rows)]
        if values.dtype.kind == "f" and values.itemsize < 8:
            return [float(str(value)) for value in values]  # the shortest decimal that rounds to the value
        cells: list[Any] = values.tolist()
        return cells

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array(self.values[self._at(rows)], np.float64)

    def is_rounded(self) -> bool:
        """Return whether the column holds integers that float64 may round."""
        return is_rounded(self.values[self._at(slice(None))])


class SeriesColumn(_NumberColumn):
    """Real numbers or booleans, possibly with nulls, in a series that narwhals reads."""

    def __init__(self, label: str, dtype: str, series: "nw.Series[Any]") -> None:
        super().__init__(label, dtype, len(series))
        self._series = series

    def _objects(self, rows: slice) -> list[Any]:
        series = self._series[self._at(rows)]
        word = str(series.dtype).lower()
        if word in ("float16", "float32"):
            return [float(str(value)) for value in _floats_of(series).astype(word)]  # as in ArrayColumn
        return series.to_list()

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing."""
        return _floats_of(self._series[self._at(rows)])

    def is_rounded(self) -> bool:
        """Return whether the column holds integers that float64 may round."""
        if not self._series.dtype.is_integer():
            return False
        series = self._series[self._at(slice(None))]
        least, most = series.min(), series.max()
        return any(not is_missing(end) and abs(int(end)) > EXACT for end in (least, most))


def _floats_of(series: "nw.Series[Any]") -> NDArray[np.float64]:
    """Return a series of numbers, rounded to float64, as a new array with NaN for missing cells."""
    import narwhals as nw

    try:
        return np.array(series.cast(nw.Float64).to_numpy(), np.float64)
    except ValueError:  # Arrow refuses to round large integers
        return np.array([float("nan") if cell is None else float(cell) for cell in series.to_list()], np.float64)


class DateColumn(Column):
    """Dates and times.

    Parameters
    ----------
    read : callable
        Takes indices of rows in the user's data, and returns their days since 1970-01-01 (of the instant in UTC, for
        times with a time zone) as a new array, NaN where missing.
    zone : str or None
        The name of the time zone; OWN if each time has its own offset from UTC, None if times have no zone.
    read_clock : callable, optional
        As `read`, but on the wall clock of each time; needed if `zone` is OWN.
    """

    natural: Kind = "date"

    def __init__(
        self,
        label: str,
        dtype: str,
        rows: int,
        read: Callable[[slice | Order], NDArray[np.float64]],
        spelling: Spelling | None = None,
        zone: str | None = None,
        read_clock: Callable[[slice | Order], NDArray[np.float64]] | None = None,
    ) -> None:
        super().__init__(label, dtype, rows)
        self._read, self.spelling, self.zone, self._read_clock = read, spelling, zone, read_clock

    def can_be(self, kind: Kind) -> bool:
        """Return whether the column can be read as `kind`.

        It can always be read as dates. It can be read as another kind only if all its cells are missing.
        """
        return kind == "date" or _is_empty(self)

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the days since 1970-01-01 in a block of rows as a new array, NaN where missing."""
        return self._read(self._at(rows))

    def clock(self, rows: slice) -> NDArray[np.float64]:
        """Return the days since 1970-01-01 on the wall clock of each time of a block of rows, NaN where missing."""
        if self.zone == OWN and self._read_clock is not None:
            return self._read_clock(self._at(rows))
        return zone_named(self.zone).local(self.numbers(rows)) if self.zone else self.numbers(rows)

    def offsets(self) -> tuple[int, int]:
        """Return the smallest and the largest offset from UTC, in seconds; 0 without dates."""
        offsets = np.rint((self.clock(slice(None)) - self.numbers(slice(None))) * 86_400)
        known = offsets[~np.isnan(offsets)]
        return (int(known.min()), int(known.max())) if len(known) else (0, 0)

    @property
    def full_zone(self) -> TimeZone | OwnOffsets | None:
        """The time zone with its table of offsets, or with their range if each time has its own; None for no zone."""
        if self.zone == OWN:
            return OwnOffsets(*self.offsets())
        return None if self.zone is None else zone_named(self.zone)

    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows in ISO 8601, None where missing."""
        return [None if days != days else date_text(days) for days in self.numbers(rows).tolist()]


class CellColumn(Column):
    """A column of text, categories or scalar objects.

    Parameters
    ----------
    read : callable
        Takes indices of rows in the user's data, and returns their cells as a list of text, scalars or missing values.
    is_text : bool
        Whether text that spells a number may be read as a number; False for categories.
    """

    def __init__(
        self, label: str, dtype: str, rows: int, read: Callable[[slice | Order], list[Any]], is_text: bool = True
    ) -> None:
        super().__init__(label, dtype, rows)
        self._read, self.is_text = read, is_text

    def _blocks(self) -> Iterator[list[Any]]:
        """Yield the cells of consecutive blocks of rows."""
        return (self._read(self._at(slice(*block))) for block in blocks(self.rows))

    def texts(self) -> set[str]:
        """Return the distinct texts among the cells; an empty set for categories, which are not converted."""
        return set(filter(_is_str, chain.from_iterable(self._blocks()))) if self.is_text else set()

    def share_of_numbers(self) -> float:
        """Return the share of Python or NumPy numbers among the cells that are not missing."""
        are_text = [_is_str(cell) for cell in chain.from_iterable(self._blocks()) if not _is_missing(cell)]
        return are_text.count(False) / len(are_text) if are_text else 0.0

    def spelled(self, spelling: Spelling, name: str = "X") -> Column:
        """Return a column of the numbers or dates that the cells spell; raise DataError for another spelling."""
        known: dict[str, float] = {}
        parts = []
        for cells in self._blocks():
            for text in dict.fromkeys(filter(_is_str, cells)):  # keeps the order, so an error names the first bad cell
                if text in known:
                    continue
                try:
                    known[text] = spelling.number(text)
                except ValueError:
                    like = f"{spelling.kind} written like {spelling.example!r}"
                    fact = f"{text!r}, which is not a {like}, as in training"
                    todo = "correct such cells or make them missing"
                    raise DataError(f"{name} in {self.label} holds {fact}: {todo}") from None
            if spelling.kind == "date" and (
                odd := [cell for cell in cells if not (_is_str(cell) or _is_missing(cell))]
            ):
                raise DataError(f"{name} in {self.label} holds {odd[0]!r} among dates: make such cells missing or text")
            parts.append(np.array([known[cell] if _is_str(cell) else _number(cell) for cell in cells], np.float64))
        numbers = np.concatenate(parts)
        if not isinstance(spelling, DateSpelling):
            return self.with_numbers(numbers, spelling)
        return self._of_dates(self._in_users_order(numbers), known, spelling, name)

    def _of_dates(
        self, days: NDArray[np.float64], known: dict[str, float], spelling: DateSpelling, name: str
    ) -> Column:
        """Return the column of dates, in the user's order; `known` has the days of each text."""
        offsets = {text: spelling.offset(text) for text, number in known.items() if number == number}
        zone = zone_of_offsets(set(offsets.values()), f"{name} in {self.label}")
        read_clock = None
        if zone == OWN:
            clocks = {text: spelling.clock(text) for text in offsets}
            cells = chain.from_iterable(self._blocks())
            clock = np.array([clocks.get(cell, np.nan) if _is_str(cell) else np.nan for cell in cells], np.float64)
            read_clock = partial(_numbers_at, self._in_users_order(clock))
        read = partial(_numbers_at, days)
        made = DateColumn(self.label, self.dtype, len(days), read, spelling, zone, read_clock)
        return made if self.order is None else made.with_order(self.order)

    @property
    def natural(self) -> Kind:
        """The kind that the values look like: numbers if the column can be read as numbers, else a category."""
        return "number" if self._is_numeric else "category"

    def can_be(self, kind: Kind) -> bool:
        """Return whether the column can be read as `kind`.

        It can always be read as categories, and as any kind if all cells are missing. Unless it is a category, it can
        be read as numbers if each cell is missing, is a number or spells a number.
        """
        if kind == "date":
            return all(map(_all_missing, self._blocks()))
        return kind == "category" or self._is_numeric

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing."""
        return np.array([_number(cell) for cell in self._read(self._at(rows))], np.float64)

    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows, None where missing."""
        return [cell if type(cell) is str else _text(cell) for cell in self._read(self._at(rows))]

    def check_cells(self, name: str) -> None:
        """Raise DataError for the first cell that is not text, a real number or missing."""
        for first, stop in blocks(self.rows):
            cells = self._read(self._at(slice(first, stop)))
            if all(map(_is_scalar, set(map(type, cells)))):
                continue
            row, cell = next((row, cell) for row, cell in enumerate(cells) if not _is_scalar(type(cell)))
            where = f"{name} in {self.label}"
            if isinstance(cell, (complex, np.complexfloating)):
                fact = f"{where} holds {cell!r} in row {first + row}"
                raise DataError(f"Complex data not supported: {fact}; pass real numbers")
            fact = f"argument must be a string or a real number, not {type(cell).__name__!r}"
            raise DataError(f"{where}, row {first + row}: {fact}; {SCALARS_TODO}")

    @cached_property
    def _is_numeric(self) -> bool:
        return all(map(_spells_numbers if self.is_text else _all_missing, self._blocks()))


def array_column(values: NDArray[Any], label: str, dtype: str, name: str) -> Column:
    """Return a one-dimensional array as a column."""
    refuse_dtype(values.dtype, f"{name} in {label}")
    if values.dtype.kind in "fiub":
        return ArrayColumn(label, dtype, values)
    if values.dtype.kind == "M":
        return DateColumn(label, dtype, len(values), lambda rows: days_of_datetimes(values[rows]))
    if values.dtype.kind == "O" and any(map(is_date_type, set(map(type, values.tolist())))):
        moments = [cell for cell in values.tolist() if not is_missing(cell)]
        if all(is_date_type(type(cell)) for cell in moments):
            return DateColumn(
                label,
                dtype,
                len(values),
                lambda rows: days_of_objects(values[rows].tolist()),
                zone=zone_of_objects(moments, f"{name} in {label}"),
                read_clock=lambda rows: clocks_of_objects(values[rows].tolist()),
            )
    column = CellColumn(label, dtype, len(values), lambda rows: values[rows].tolist())
    if values.dtype.kind == "O":
        column.check_cells(name)
    return column


def refuse_dtype(dtype: np.dtype[Any], where: str) -> None:
    """Raise DataError for arrays of this dtype, unless they hold numbers, dates, text or objects."""
    if dtype.kind == "c":
        raise DataError(f"Complex data not supported: {where} has dtype {dtype}; pass real numbers")
    if dtype.kind in "mVS":
        todo = {"V": _SPLIT_TODO, "S": _TEXT_TODO}.get(dtype.kind, _NUMBERS_TODO)
        raise DataError(f"{where} has dtype {dtype}: {todo}")


def pandas_column(series: Any, label: str, name: str) -> Column:
    """Return a pandas series as a column."""
    if isinstance(series.dtype, np.dtype):
        return array_column(series.to_numpy(), label, str(series.dtype), name)
    import narwhals as nw

    return series_column(nw.from_native(series, series_only=True), label, name)


def series_column(series: "nw.Series[Any]", label: str, name: str) -> Column:
    """Return a series as a column, according to its narwhals type."""
    import narwhals as nw

    native = series.to_native()
    word = str(getattr(native, "dtype", None) or native.type)
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        return SeriesColumn(label, word, series)
    if series.dtype == nw.Date or series.dtype == nw.Datetime:
        zone = getattr(series.dtype, "time_zone", None)
        return DateColumn(label, word, len(series), lambda rows: _days(series[rows]), zone=zone)
    if series.dtype == nw.String or series.dtype in (nw.Categorical, nw.Enum):
        is_text = series.dtype == nw.String
        return CellColumn(label, word, len(series), lambda rows: _to_list(series[rows]), is_text)
    if series.dtype == nw.Object:
        return array_column(np.asarray(series.to_numpy(), object), label, word, name)
    todo = _SPLIT_TODO if series.dtype.is_nested() else _NUMBERS_TODO
    if series.dtype == nw.Unknown:  # unknown to narwhals, such as sparse numbers
        with suppress(DataError):
            return array_column(series.to_numpy(), label, word, name)
    raise DataError(f"{name} in {label} has dtype {word}: {_TEXT_TODO if series.dtype == nw.Binary else todo}")


def _days(series: "nw.Series[Any]") -> NDArray[np.float64]:
    """Return the days since 1970-01-01 of a series of dates."""
    most = series.dt.timestamp("ms").abs().max()
    if not is_missing(most) and most > 2**63 // 1000:  # the microseconds would wrap around
        raise DataError(TOO_DISTANT.format(f"one {most / DAY * 1000 / 365.2425:,.0f} years away"))
    return days_of(_floats_of(series.dt.timestamp("us")))


def _to_list(series: "nw.Series[Any]") -> list[Any]:
    """Return the cells of a series of text or categories.

    Arrow data are converted in one call, which is ten times as fast as `series.to_list`.
    """
    native = series.to_native()
    arrow = series.to_arrow() if str(getattr(native, "dtype", "")).endswith("[pyarrow]") else native
    if not hasattr(arrow, "type"):
        return series.to_list()
    levels = getattr(arrow.type, "value_type", None)
    cells: list[Any] = (arrow if levels is None else arrow.cast(levels)).to_pylist()
    return cells


def _is_empty(column: Column) -> bool:
    """Return whether all cells of a column of numbers or dates are missing."""
    return all(np.isnan(column.numbers(slice(*block))).all() for block in blocks(column.rows))


def as_category(column: Column) -> Column:
    """Return the column as a category; any selection of its rows is a category too, even if these cells spell numbers.

    If all cells are numbers or booleans, or spell them, their levels are the texts that `plain_text` returns: "1"
    for both 1.0 and "01".
    """
    if isinstance(column, DateColumn):
        raise DataError(f"{column.label} holds dates, which cannot be categories: turn them into text first")
    is_text = isinstance(column, CellColumn) and column.is_text
    texts = {text for text in column.texts() if not is_gap(text)} if isinstance(column, CellColumn) else set()
    is_plain = all(plain_text(text) is not None for text in texts)

    def level(cell: str | None) -> str | None:
        return None if cell is None or is_gap(cell) else plain_text(cell) if is_plain else cell

    def read(rows: slice | Order) -> list[str | None]:
        cells = column.cells(rows) if isinstance(rows, slice) else column.with_order(rows).cells(slice(None))
        return list(map(level, cells)) if is_text else cells

    made = CellColumn(column.label, column.dtype, column.rows, read, is_text=False)
    return made if column.order is None else made.with_order(column.order)


def copied(column: Column, kind: Kind) -> Column:
    """Return a picklable copy of the column, read as this kind, without references to the user's data."""
    if kind == "category":
        cells = np.array(column.cells(slice(None)), object)
        return CellColumn(column.label, column.dtype, column.rows, partial(_cells_at, cells), is_text=False)
    numbers = column.numbers(slice(None))
    if isinstance(column, DateColumn):
        read_clock = partial(_numbers_at, column.clock(slice(None))) if column.zone == OWN else None
        read = partial(_numbers_at, numbers)
        return DateColumn(column.label, column.dtype, column.rows, read, zone=column.zone, read_clock=read_clock)
    return ArrayColumn(column.label, column.dtype, numbers)


def _cells_at(cells: NDArray[Any], rows: slice | Order) -> list[Any]:
    found: list[Any] = cells[rows].tolist()
    return found


def _numbers_at(numbers: NDArray[np.float64], rows: slice | Order) -> NDArray[np.float64]:
    return numbers[rows].copy()


def _is_scalar(kind: type) -> bool:
    """Return whether cells of this type are scalars: text, real numbers or missing values."""
    if issubclass(kind, str) or kind in (type(None), float, int, bool):
        return True
    if issubclass(kind, (complex, np.complexfloating, np.datetime64, np.timedelta64)) or hasattr(kind, "__len__"):
        return False
    return hasattr(kind, "__float__") or hasattr(kind, "__index__") or kind.__name__ in ("NAType", "NaTType")


def _is_str(cell: Any) -> bool:
    return isinstance(cell, str)


def _spells_numbers(cells: list[Any]) -> bool:
    try:
        for cell in filter(_is_str, cells):
            float(cell)
    except ValueError:
        return False
    return True


def _all_missing(cells: list[Any]) -> bool:
    return all(map(_is_missing, cells))


def _is_missing(cell: Any) -> bool:
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return is_missing(cell) or (isinstance(cell, np.floating) and bool(cell != cell))


def _text(cell: Any) -> str | None:
    if _is_missing(cell):
        return None
    if isinstance(cell, str):
        return str.__str__(cell)  # turns a member of a str Enum into its plain text
    if isinstance(cell, (int, np.integer, np.bool_)):
        return str(cell)
    try:
        return number_text(float(str(cell) if isinstance(cell, np.floating) else cell))  # as in ArrayColumn
    except (TypeError, ValueError):  # a category that is an interval or a date
        return str(cell)


def _number(cell: Any) -> float:
    if _is_missing(cell):
        return float("nan")
    try:
        return float(cell)
    except OverflowError:
        return float("inf")

"""One column of a table: numbers or text, from any library, read in blocks of rows.

    NumPy numbers                       ArrayColumn     a view of the user's array
    numbers of a series, with nulls     SeriesColumn    cast block by block
    text, categories, objects           CellColumn      the text of each cell, or the number that it spells

No column is copied as a whole, only block by block. Columns refer to the user's data, so they are read before anything
else runs. Rows are selected without a copy as well: a column may have an order, which lists its rows in the user's
data.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.data.arrays import EXACT, is_missing, is_rounded
from ash.data.spelling import Spelling
from ash.errors import DataError

if TYPE_CHECKING:
    import narwhals as nw
Kind: TypeAlias = Literal["number", "category"]
Order: TypeAlias = NDArray[np.int64]

SCALARS_TODO = "turn it into text or real numbers, or split it into columns of its own"
_BLOCK = 2**16


def blocks(rows: int, size: int = _BLOCK) -> Iterator[tuple[int, int]]:
    """Yield (first, stop) of consecutive blocks of rows."""
    for first in range(0, rows, size):
        yield first, min(first + size, rows)


class Column(ABC):
    """A column of so many rows.

    Attributes
    ----------
    label : str
        Its name in messages: "column 3" or "column 3 ('age')".
    dtype : str
        The name of its type in its library, such as "int64", "String" or "category".
    rows : int
    spelling : Spelling or None
        How numbers were written in the text that they were read from; None for numbers, or text as Python writes it.
    """

    spelling: Spelling | None = None

    def __init__(self, label: str, dtype: str, rows: int) -> None:
        self.label, self.dtype, self.rows = label, dtype, rows
        self._order: Order | None = None

    def with_order(self, order: Order) -> Self:
        """Return the column of these rows of the user's data, in this order."""
        taken = copy.copy(self)
        taken.__dict__.pop("_is_numeric", None)  # known of the other rows
        taken.rows, taken._order = len(order), order
        return taken

    def _at(self, rows: slice) -> slice | Order:
        """Return where rows of the column are in the user's data."""
        return rows if self._order is None else self._order[rows]

    @property
    @abstractmethod
    def natural(self) -> Kind:
        """What the values look like; a column without values counts as numbers."""

    @abstractmethod
    def can_be(self, kind: Kind) -> bool:
        """Return whether it can be read as `kind`: text that spells numbers as both, as can a column without values."""

    @abstractmethod
    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing; only if it can be numbers."""

    @abstractmethod
    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows, None where missing."""

    def is_rounded(self) -> bool:
        """Return whether it holds integers that float64 rounds."""
        return False


class _NumberColumn(Column):
    """A column of a real numeric type."""

    natural: Kind = "number"

    def can_be(self, kind: Kind) -> bool:
        """Return whether it can be read as `kind`: as categories only if all cells are missing."""
        return kind == "number" or all(np.isnan(self.numbers(slice(*block))).all() for block in blocks(self.rows))

    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows, None where missing."""
        return [None if number != number else str(number) for number in self.numbers(rows).tolist()]


class ArrayColumn(_NumberColumn):
    """Real numbers or booleans in a one-dimensional NumPy array of any dtype, byte order and stride."""

    def __init__(self, label: str, dtype: str, values: NDArray[Any], spelling: Spelling | None = None) -> None:
        super().__init__(label, dtype, len(values))
        self.values, self.spelling = values, spelling

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array(self.values[self._at(rows)], np.float64)

    def is_rounded(self) -> bool:
        """Return whether it holds integers that float64 rounds."""
        return is_rounded(self.values[self._at(slice(None))])


class SeriesColumn(_NumberColumn):
    """Real numbers or booleans, some perhaps null, in a series that narwhals reads."""

    def __init__(self, label: str, dtype: str, series: "nw.Series[Any]") -> None:
        super().__init__(label, dtype, len(series))
        self._series = series

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing."""
        import narwhals as nw

        return np.array(self._series[self._at(rows)].cast(nw.Float64).to_numpy(), np.float64)

    def is_rounded(self) -> bool:
        """Return whether it holds integers that float64 rounds."""
        if not self._series.dtype.is_integer():
            return False
        series = self._series[self._at(slice(None))]
        least, most = series.min(), series.max()
        return any(not is_missing(end) and abs(int(end)) > EXACT for end in (least, most))


class CellColumn(Column):
    """Text, categories or scalar objects, cell by cell.

    Parameters
    ----------
    read : callable
        Returns the cells of some rows of the user's data as a list: text, scalars or missing values.
    is_text : bool
        Whether text that spells a number may be read as a number: not if the user declared categories.
    """

    def __init__(
        self, label: str, dtype: str, rows: int, read: Callable[[slice | Order], list[Any]], is_text: bool = True
    ) -> None:
        super().__init__(label, dtype, rows)
        self._read, self.is_text = read, is_text

    def texts(self) -> set[str]:
        """Return the distinct texts among its cells; none of categories, which stay what they are."""
        if not self.is_text:
            return set()
        cells: set[Any] = set()
        for first, stop in blocks(self.rows):
            cells.update(filter(_is_str, self._read(self._at(slice(first, stop)))))
        return cells

    def spelled(self, spelling: Spelling, name: str = "X") -> "ArrayColumn":
        """Return the column as numbers, its text read by a spelling; raise DataError for other text."""
        known: dict[str, float] = {}
        parts = []
        for first, stop in blocks(self.rows):
            cells = self._read(self._at(slice(first, stop)))
            for text in dict.fromkeys(filter(_is_str, cells)):  # in order, so that an error names the first
                if text in known:
                    continue
                try:
                    known[text] = spelling.number(text)
                except ValueError:
                    fact = f"{text!r}, which is no number written like {spelling.example!r}, as in training"
                    todo = "correct such cells or make them missing"
                    raise DataError(f"{name} in {self.label} holds {fact}: {todo}") from None
            parts.append(np.array([known[cell] if _is_str(cell) else _number(cell) for cell in cells], np.float64))
        numbers = np.concatenate(parts)
        if self._order is None:
            return ArrayColumn(self.label, self.dtype, numbers, spelling)
        everywhere = np.full(int(self._order.max()) + 1, np.nan)
        everywhere[self._order] = numbers
        return ArrayColumn(self.label, self.dtype, everywhere, spelling).with_order(self._order)

    @property
    def natural(self) -> Kind:
        """What the values look like: numbers if each cell is a number, spells one or is missing."""
        return "number" if self._is_numeric else "category"

    def can_be(self, kind: Kind) -> bool:
        """Return whether it can be read as `kind`; as categories always."""
        return kind == "category" or self._is_numeric

    def numbers(self, rows: slice) -> NDArray[np.float64]:
        """Return the numbers of a block of rows as a new array, NaN where missing."""
        return np.array([_number(cell) for cell in self._read(self._at(rows))], np.float64)

    def cells(self, rows: slice) -> list[str | None]:
        """Return the text of each cell of a block of rows, None where missing."""
        return [cell if type(cell) is str else _text(cell) for cell in self._read(self._at(rows))]

    def check_cells(self, name: str) -> None:
        """Raise DataError for the first cell that is neither text nor a real number nor missing."""
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
        spells = _spells_numbers if self.is_text else _all_missing
        return all(spells(self._read(self._at(slice(first, stop)))) for first, stop in blocks(self.rows))


def _is_scalar(kind: type) -> bool:
    """Return whether a cell of this type is text, a real number or missing; types with a length are containers."""
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
    return str.__str__(cell) if isinstance(cell, str) else str(cell)  # the text itself, also of a str that is an Enum


def _number(cell: Any) -> float:
    if _is_missing(cell):
        return float("nan")
    try:
        return float(cell)
    except OverflowError:
        return float("inf")

"""The levels of a column as numbers from 0 on, then one number for missing and one for unknown."""

from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ash.data.columns import Column
from ash.encoding.schema import ColumnSchema
from ash.errors import DataError
from ash.options import Unknown

Codes: TypeAlias = NDArray[np.int32]
_SHOWN = 50  # characters of a level in a message


class LevelCodes(dict[str | None, int]):
    """The number of each level, of missing (None) and, for every other text, of unknown."""

    def __init__(self, levels: tuple[str, ...]) -> None:
        super().__init__(zip(levels, range(len(levels)), strict=True))
        self[None] = len(levels)

    def __missing__(self, level: str | None) -> int:
        return len(self)

    def read(self, column: Column, rows: slice, unknown: Unknown = "bucket") -> Codes:
        """Return the number of the level in each of some rows of a column: int32 [rows].

        Raises
        ------
        DataError
            An unknown level, if unknown is "error"; names the first.
        """
        cells = column.cells(rows)
        codes = np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))
        if unknown == "error" and codes.max(initial=0) == len(self):
            row = int(codes.argmax())
            where = f"X in {column.label}, row {(rows.start or 0) + row}"
            level = repr(str(cells[row])[:_SHOWN])
            raise DataError(f"{where}: level {level} was not seen in training; replace it by one that was.")
        return codes


class ValueCodes:
    """The number of each level of a column of numbers."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        self._levels = np.array([*levels, np.nan])  # whatever is above them all finds NaN, which equals nothing

    def read(self, column: Column, rows: slice, unknown: Unknown = "bucket") -> Codes:
        """Return the number of the level in each of some rows of a column: int32 [rows]; a new number is no error."""
        return self.of(column.numbers(rows))

    def of(self, numbers: NDArray[np.float64]) -> Codes:
        """Return the number of the level that each of some numbers is: int32, of their shape."""
        missing = len(self._levels) - 1
        places = np.searchsorted(self._levels[:-1], numbers)
        others = np.where(np.isnan(numbers), missing, missing + 1)
        return np.where(self._levels[places] == numbers, places, others).astype(np.int32)


def codes_of(column: ColumnSchema) -> LevelCodes | ValueCodes:
    """Return what gives the numbers of the levels of a column."""
    if column.kind == "number":
        return ValueCodes(cast(tuple[float, ...], column.levels))
    return LevelCodes(cast(tuple[str, ...], column.levels))


def put_ones(block: NDArray[np.float64], codes: Codes, known: int) -> None:
    """Put a 1 into the column of each code below `known`."""
    rows = np.flatnonzero(codes < known)
    block[rows, codes[rows]] = 1.0

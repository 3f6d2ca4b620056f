"""The texts of a category as numbers: its levels from 0 on, then one number for missing and one for unknown."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash.columns import Column
from ash.errors import DataError
from ash.schema import Unknown

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


def put_ones(block: NDArray[np.float64], codes: Codes, known: int) -> None:
    """Put a 1 into the column of each code below `known`."""
    rows = np.flatnonzero(codes < known)
    block[rows, codes[rows]] = 1.0

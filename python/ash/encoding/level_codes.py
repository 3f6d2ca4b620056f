"""Numbers the levels of a column: the texts of a category, or the recurring values of a column of numbers."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash.data.columns import Column
from ash.data.spelling import is_gap, plain_text
from ash.errors import DataError
from ash.options import Unknown

Codes: TypeAlias = NDArray[np.int32]
_SHOWN = 50  # maximum number of characters of a level that a message shows


def _plain_codes(levels: tuple[str, ...]) -> dict[str, int]:
    """Return a dict that maps the plain text of each level that is a number or boolean to the level's code.

    The levels "1" and "01" have the same plain text; it gets the code of "1". If only one of "True" and "1" is the
    plain text of a level, the other gets the same code. The same holds for "False" and "0".
    """
    codes: dict[str, int] = {}
    for code, level in enumerate(levels):
        plain = plain_text(level)
        if plain is not None and (plain == level or plain not in codes):
            codes[plain] = code
    for word, digit in (("True", "1"), ("False", "0")):
        if (word in codes) != (digit in codes):
            codes[word] = codes[digit] = codes.get(word, codes.get(digit, 0))
    return codes


class LevelCodes(dict[str | None, int]):
    """Maps each level to its number, missing cells to the number for "missing", and other text to that for "unknown".

    A number or boolean in another notation, such as "1.0" for the level "1", has the number of its level.
    """

    def __init__(self, levels: tuple[str, ...]) -> None:
        super().__init__(zip(levels, range(len(levels)), strict=True))
        self.missing = len(levels)
        self[None] = self.missing
        self._plain = _plain_codes(levels)

    def __missing__(self, level: str | None) -> int:
        assert level is not None
        if is_gap(level):
            return self.missing
        plain = plain_text(level) if self._plain else None
        return len(self) if plain is None else self._plain.get(plain, len(self))

    def read(self, column: Column, rows: slice, unknown: Unknown = "bucket") -> Codes:
        """Return the level number of each given row of a column: int32 [rows].

        Raises
        ------
        DataError
            There is an unknown level, and `unknown` is "error"; the message names the first unknown level.
        """
        cells = column.cells(rows)
        codes = np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))
        if unknown == "error" and codes.max(initial=0) == len(self):
            row = int(codes.argmax())
            where = f"X in {column.label}, row {(rows.start or 0) + row}"
            level = repr(str(cells[row])[:_SHOWN])
            raise DataError(f"{where}: level {level} was not seen in training; replace it by one that was")
        return codes


class ValueCodes:
    """Maps the values of a numeric column to their level numbers."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        # A sentinel at the end: a number above all levels is compared with it, and NaN equals no number.
        self._levels = np.array([*levels, np.nan])

    def read(self, column: Column, rows: slice, unknown: Unknown = "bucket") -> Codes:
        """Return the level number of each given row of a column: int32 [rows]; unseen numbers are always allowed."""
        return self.of(column.numbers(rows))

    def of(self, numbers: NDArray[np.float64]) -> Codes:
        """Return the level number of each of these numbers: int32, in the shape of `numbers`."""
        missing = len(self._levels) - 1
        places = np.searchsorted(self._levels[:-1], numbers)
        others = np.where(np.isnan(numbers), missing, missing + 1)
        return np.where(self._levels[places] == numbers, places, others).astype(np.int32)

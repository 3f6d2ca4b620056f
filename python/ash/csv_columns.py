"""The columns of a CSV file while it is read, block by block: numbers as float64, text as the numbers of its levels.

    all cells so far are numbers or missing     8 bytes a cell
    any other column                            4 bytes a cell, and each text once

A column may turn out to be text after blocks of numbers. How they were written ("007") is then unknown, so the column
says how many blocks it has to see again.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ash.columns import ArrayColumn, CellColumn, Column

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
        return CellColumn(label, "text", len(codes), lambda rows: levels[codes[rows]].tolist(), is_text=False)


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

"""Adds levels to spiked columns of numbers, in which one value is so frequent that both quartiles are equal.

    capital gain     0 0 0 0 0 0 7298 0 0 0 0 0 0 0 15024 0 ...      quartiles 0 and 0, levels 0, 594, ..., 7298, ...

The target is rarely a smooth function of such a number, and a smooth function cannot give neighboring values effects of
their own. So its values get target statistics (target_statistics.py) in addition to the number,
like the levels of a category. The levels are the values that occur at least twice. There must be more than
ONE_HOT_LEVELS of them. They must also be sparse in their range (see FILLED), as amounts of money are. Gray levels and
counts fill most of their range, and are better without levels. A table with more than MOST_COLUMNS such columns is not
changed: it is sparse and would become much wider. It has not been measured whether levels help in such tables.

Quartiles are computed on at most SEEN_ROWS evenly spaced rows, and levels on all rows. A row that was repeated for its
weight (canonical_order.py) counts each time. Weights that remain weights of the loss have no effect.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ash.data.columns import blocks
from ash.data.frames import Frame
from ash.encoding.schema import MOST_LEVELS, ONE_HOT_LEVELS, Schema

SEEN_ROWS = 4096
"""The maximum number of rows on which the columns with equal quartiles are found."""
_SEEN_CELLS = 2**20  # cells read at a time
MOST_COLUMNS = 32
"""If more columns than this have equal quartiles and more than ONE_HOT_LEVELS distinct values, none gets levels."""
FILLED = 1 / 8
"""The range of the levels is divided into steps as long as the shortest distance between two levels. At most this share
of the steps may be levels."""
_OFTEN = 2  # minimum occurrences of a value that becomes a level; a unique value says nothing about other rows


def with_recurring(schema: Schema, frame: Frame) -> Schema:
    """Return the schema of the training table, with recurring values as levels of the numeric columns that qualify."""
    places = _with_equal_quartiles(schema, frame)
    if len(places) > MOST_COLUMNS:
        return schema
    columns = list(schema.columns)
    for place in places:
        levels = _recurring(frame.columns[place].numbers(slice(None)))
        if len(levels) > ONE_HOT_LEVELS and _is_sparse(levels):
            columns[place] = replace(columns[place], levels=tuple(levels.tolist()))
    return replace(schema, columns=tuple(columns))


def _with_equal_quartiles(schema: Schema, frame: Frame) -> list[int]:
    """Return the positions of numeric columns with equal quartiles and more than ONE_HOT_LEVELS distinct values."""
    numbers = [place for place, kind in enumerate(schema.kinds) if kind == "number"]
    rows = np.linspace(0, frame.rows - 1, min(frame.rows, SEEN_ROWS)).astype(np.int64)
    found: list[int] = []
    for first, stop in blocks(len(numbers), max(1, _SEEN_CELLS // len(rows))):
        places = numbers[first:stop]
        seen = np.sort(np.stack(list(_columns(frame, rows, places))), axis=1)  # missing cells come last
        there = len(rows) - np.isnan(seen).sum(axis=1)
        column = np.arange(len(places))
        equal = seen[column, there // 4] == seen[column, 3 * there // 4]  # False for NaN
        distinct = 1 + (np.diff(seen, axis=1) > 0).sum(axis=1)
        found += np.array(places)[equal & (distinct > ONE_HOT_LEVELS)].tolist()
    return found


def _columns(frame: Frame, rows: NDArray[np.int64], places: list[int]) -> Iterator[NDArray[np.float64]]:
    order = frame.numbers_of(rows)
    if frame.matrix is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            yield from np.asarray(frame.matrix[order[:, None], np.array(places)]).T.astype(np.float64)
        return
    for place in places:
        yield frame.columns[place].with_order(order).numbers(slice(None))


def _is_sparse(levels: NDArray[np.float64]) -> bool:
    """Return whether the sorted levels fill at most the share FILLED of the steps in their range; see FILLED."""
    smaller = levels / levels.size  # avoids overflow in differences
    return bool(levels.size * np.diff(smaller).min() <= FILLED * np.ptp(smaller))


def _recurring(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sorted values that occur at least twice; at most the MOST_LEVELS most frequent of them."""
    found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    often = np.flatnonzero(counts >= _OFTEN)
    kept = often[np.argsort(-counts[often], kind="stable")[:MOST_LEVELS]]
    return found[np.sort(kept)] + 0.0  # turns -0.0 into 0.0

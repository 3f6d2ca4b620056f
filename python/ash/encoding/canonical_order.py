"""Sorts rows by a hash of their content, and repeats them by their weight: a row with weight 3 occurs three times.

    rows, weights        hash of x and y        sorted, repeated
    a 2                  a 71                   b
    b 1                  b 13                   a
    a 1                  a 71                   a
                                                a

So a fit is bit-identical for any order of the rows. It is also bit-identical if a row occurs three times instead of
once with weight 3. There are three exceptions. A weighted table never has neighbor features (neighbors.py), which a
table with recurring rows may have. If all rows have the same weight, this weight has no effect. And the copies that
stand for a weight are one group (ash/data/table.py), so they are always on the same side of a split, while equal rows
that the user gives are one group only if chance does not explain them (repeated_rows.py).

If some weights are not integers, or their sum is too large, no row is repeated, and all weights remain weights of the
loss. Different rows with the same 64-bit hash keep their order. About one in 3e7 tables of a million rows has such
rows.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.data.arrays import Matrix
from ash.data.columns import blocks
from ash.data.dates import OwnOffsets
from ash.data.frames import Frame
from ash.data.group_split import numbered
from ash.data.sparse import SparseMatrix
from ash.data.table import Table
from ash.encoding.encoding import Encoding
from ash.encoding.schema import Schema

MOST_COPIES = 10
"""The maximum factor by which repeated rows may increase the number of rows; beyond it, no row is repeated."""
_CELLS = 2**20  # cells that are hashed at a time


def sort_rows(table: Table, schema: Schema) -> Table:
    """Return the rows of a table in the order of their hashes, repeated by weight if all weights are small integers.

    The copies of a row are one group, unless the table has groups already.
    """
    hashes = row_hashes(table.frame, schema, table.y)
    keys = [each for each in (table.groups, table.weights) if each is not None]
    order, weights = np.lexsort((*keys, hashes)), table.weights
    if weights is not None:
        weights = weights[order]
        most = MOST_COPIES * table.rows
        if np.all(weights == np.floor(weights)) and weights.max() <= most and weights.sum() <= most:  # no sum overflows
            times, weights = weights.astype(np.int64), None
            if table.groups is None:
                table = replace(table, groups=np.arange(table.rows, dtype=np.int64))
            order = np.repeat(order, times)
    groups = None if table.groups is None else numbered(table.groups[order])
    return replace(table, frame=table.frame.take(order), y=table.y[order], weights=weights, groups=groups)


def column_hashes(frame: Frame, schema: Schema) -> NDArray[np.uint64]:
    """Return a hash of each column's numbers or levels, which does not depend on the order of the rows.

    A sparse table has the hashes of the equal dense table; only its stored cells are visited.
    """
    if isinstance(frame.matrix, SparseMatrix):
        stored = frame.matrix.rows if frame.order is None else frame.matrix.rows[frame.order]
        zeros = np.uint64(frame.rows) - np.bincount(stored.indices, minlength=stored.shape[1]).astype(np.uint64)
        sums: NDArray[np.uint64] = zeros * cell_hashes(np.zeros((1, 1)))
        np.add.at(sums, stored.indices, _core.row_digests(stored.data.reshape(-1, 1)))
        return sums
    encoding = Encoding(schema, (None,) * len(schema.columns), ())
    width = len(schema.columns)
    hashes = np.zeros(width, np.uint64)
    for first, stop in blocks(frame.rows, max(1, _CELLS // width)):
        values = np.empty((stop - first, width))
        encoding.put_values(frame, slice(first, stop), values)
        hashes += cell_hashes(values)
    return hashes


def cell_hashes(values: Matrix) -> NDArray[np.uint64]:
    """Return the sum of the hashes of the cells of each column of `values` [rows, columns], modulo 2^64."""
    sums: NDArray[np.uint64] = _core.row_digests(values.reshape(-1, 1)).reshape(values.shape).sum(0)
    return sums


def row_hashes(frame: Frame, schema: Schema, y: Matrix | None = None) -> NDArray[np.uint64]:
    """Return a hash of each row's numbers and levels, and of its targets `y` [rows, outputs] if they are given."""
    encoding = Encoding(schema, (None,) * len(schema.columns), ())
    own = [place for place, column in enumerate(schema.columns) if isinstance(column.zone, OwnOffsets)]
    columns = len(schema.columns) + len(own)
    width = columns + (0 if y is None else y.shape[1])
    hashes = np.empty(frame.rows, np.uint64)
    for first, stop in blocks(frame.rows, max(1, _CELLS // width)):
        values = np.empty((stop - first, width))
        encoding.put_values(frame, slice(first, stop), values)
        for at, place in enumerate(own, len(schema.columns)):
            column, rows = frame.columns[place], slice(first, stop)
            values[:, at] = schema.columns[place].clock(column, rows, column.numbers(rows))
        if y is not None:
            values[:, columns:] = y[first:stop]
        hashes[first:stop] = _core.row_digests(values)
    return hashes

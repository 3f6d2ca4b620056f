"""Sorts rows by a hash of their content, and repeats them by their weight: a row with weight 3 occurs three times.

    rows, weights        hash of x and y        sorted, repeated
    a 2                  a 71                   b
    b 1                  b 13                   a
    a 1                  a 71                   a
                                                a

So a fit is bit-identical for any order of the rows. It is also bit-identical if a row occurs three times instead of
once with weight 3. There are two exceptions. A weighted table never has neighbor features (neighbors.py), which a table
with recurring rows may have. And if all rows have the same weight, this weight has no effect.

If some weights are not integers, or their sum is too large, no row is repeated, and all weights remain weights of the
loss. Different rows with the same 64-bit hash keep their order. About one in 3e7 tables of a million rows has such
rows.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.data.columns import blocks
from ash.data.table import Table
from ash.data.time_zone import OwnOffsets
from ash.encoding.encoding import Encoding
from ash.encoding.schema import Schema

MOST_COPIES = 10
"""The maximum factor by which repeated rows may increase the number of rows; beyond it, no row is repeated."""
_CELLS = 2**20  # cells that are hashed at a time


def sort_rows(table: Table, schema: Schema) -> Table:
    """Return the rows of a table in the order of their hashes, repeated by weight if all weights are small integers."""
    hashes = _row_hashes(table, schema)
    if table.weights is None:
        return _taken(table, np.argsort(hashes, kind="stable"), None)
    order = np.lexsort((table.weights, hashes))
    weights = table.weights[order]
    most = MOST_COPIES * table.rows
    if np.all(weights == np.floor(weights)) and weights.max() <= most and weights.sum() <= most:  # no sum overflows
        return _taken(table, np.repeat(order, weights.astype(np.int64)), None)
    return _taken(table, order, weights)


def _taken(table: Table, rows: NDArray[np.int64], weights: NDArray[np.float64] | None) -> Table:
    return replace(table, frame=table.frame.take(rows), y=table.y[rows], weights=weights)


def _row_hashes(table: Table, schema: Schema) -> NDArray[np.uint64]:
    """Return a hash of each row's numbers, levels and target."""
    encoding = Encoding(schema, (None,) * len(schema.columns), ())
    own = [place for place, column in enumerate(schema.columns) if isinstance(column.zone, OwnOffsets)]
    width = len(schema.columns) + len(own) + table.y.shape[1]
    hashes = np.empty(table.rows, np.uint64)
    for first, stop in blocks(table.rows, max(1, _CELLS // width)):
        values = np.empty((stop - first, width))
        encoding.put_values(table.frame, slice(first, stop), values)
        for at, place in enumerate(own, len(schema.columns)):
            column, rows = table.frame.columns[place], slice(first, stop)
            values[:, at] = schema.columns[place].clock(column, rows, column.numbers(rows))
        values[:, len(schema.columns) + len(own) :] = table.y[first:stop]
        hashes[first:stop] = _core.row_digests(values)
    return hashes

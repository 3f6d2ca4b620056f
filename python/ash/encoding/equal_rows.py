"""Hashes rows: sorts them by a hash of their content, repeats them by their weight, and finds copies.

A row with weight 3 occurs three times:

    rows, weights        hash of x and y        sorted, repeated
    a 2                  a 71                   b
    b 1                  b 13                   a
    a 1                  a 71                   a
                                                a

So a fit is bit-identical for any order of the rows. It is also bit-identical if a row occurs three times instead of
once with weight 3. There are three exceptions. A weighted table never has neighbor features (neighbors.py), which a
table with recurring rows may have. If all rows have the same weight, this weight has no effect. And the copies that
stand for a weight are one group (ash/data/table.py), so they are always on the same side of a split, while equal rows
that the user gives are one group only if chance does not explain them.

If some weights are not integers, or their sum is too large, no row is repeated, and all weights remain weights of the
loss. Different rows with the same 64-bit hash keep their order. About one in 3e7 tables of a million rows has such
rows.

Rows that were copied, such as those of a bootstrap sample, must be on one side of a split. But
equal rows need not be copies. In a table of a few columns with few values, rows are equal by chance, and new rows will
be equal to them as well. Such rows are independent. Equal rows count as copies if chance does not explain them, and if
they have equal targets, as copies do. Rows that are equal by chance have equal targets only if X determines y.

Chance leaves near misses: if rows agree in all columns by chance, many more agree in all columns but one. Copies have
no near misses. Let a row have h1 rows that differ from it in one column, and h2 rows that differ in two. If the last
two columns agree independently of each other, at most about h1^2 / (2 h2) rows are equal to it by chance. Apart from
that, the columns may depend on each other in any way. The sum over all rows is compared with the number of equal rows.
If several columns always change together, as one-hot columns do, the smallest difference that occurs takes the place of
one column, and twice this difference that of two. If rows differ in most columns, there are no near misses.

Chance is never even: let n(k) be the number of distinct rows that occur k times. For rows drawn independently from any
distribution, the expected n(k)^2 is at most (k + 1) / k n(k - 1) n(k + 1). A table in which each row occurs twice has
no row that occurs once or three times, so chance does not explain it, even if there are near misses.

A regression with neighbor features (neighbors.py) is an exception: its rows recur, similar rows have similar targets,
and new rows are expected to be equal to known ones as often. Its rows are independent.

Copies are grouped by X alone. With groups of X and y, validation rows would differ in y from equal rows in training.

Of 54 real tables, 22 have no equal rows, and in 29 chance explains them: their number is at most 2.4 times as large as
the number explained, or their targets differ. Three tables have more: winequality_white, segment and libras. All three
contain copies. Bootstrap samples are recognized as well, unless their columns have so few values that any sample has
equal rows.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.user_warnings import warn_user
from ash.data.arrays import Matrix, SparseMatrix
from ash.data.columns import blocks
from ash.data.dates import OwnOffsets
from ash.data.frames import Frame
from ash.data.table import Table, numbered
from ash.encoding.neighbors import with_neighbors
from ash.encoding.schema import Schema

MOST_COPIES = 10
"""The maximum factor by which repeated rows may increase the number of rows; beyond it, no row is repeated.

If the distinct rows of a table occur more often than this on average, its columns have few values, and equal rows are
not copies."""
EXCESS = 2.5
"""Near misses do not explain equal rows if there are more than this many times as many as near misses explain."""
AGREEING = 0.5
"""Equal rows are copies only if this share of them has equal targets, beyond the share that any two rows have."""
SURE = 3.0
"""How many standard errors a count of rows must be above its bound, so that chance does not explain it."""
_SAMPLE = 256  # rows that are compared with others, of those that recur and of those that do not
_MOST_COMPARED = 2**16  # rows with which each of them is compared
_COMPARED = 2**28  # cells that are compared in all
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
    if not isinstance(frame.matrix, SparseMatrix):
        return np.asarray(sum(cell_hashes(values) for _, values in value_blocks(frame, schema)), np.uint64)
    stored = frame.matrix.rows if frame.order is None else frame.matrix.rows[frame.order]
    zeros = np.uint64(frame.rows) - np.bincount(stored.indices, minlength=stored.shape[1]).astype(np.uint64)
    sums: NDArray[np.uint64] = zeros * cell_hashes(np.zeros((1, 1)))
    np.add.at(sums, stored.indices, _core.row_digests(stored.data.reshape(-1, 1)))
    return sums


def cell_hashes(values: Matrix) -> NDArray[np.uint64]:
    """Return the sum of the hashes of the cells of each column of `values` [rows, columns], modulo 2^64."""
    sums: NDArray[np.uint64] = _core.row_digests(values.reshape(-1, 1)).reshape(values.shape).sum(0)
    return sums


def row_hashes(frame: Frame, schema: Schema, y: Matrix | None = None) -> NDArray[np.uint64]:
    """Return a hash of each row's numbers and levels, and of its targets `y` [rows, outputs] if they are given."""
    own = [place for place, column in enumerate(schema.columns) if isinstance(column.zone, OwnOffsets)]
    first = len(schema.columns) + len(own)
    hashes = np.empty(frame.rows, np.uint64)
    for rows, values in value_blocks(frame, schema, len(own) + (0 if y is None else y.shape[1])):
        for at, place in enumerate(own, len(schema.columns)):
            column = frame.columns[place]
            values[:, at] = schema.columns[place].clock(column, rows, column.numbers(rows))
        if y is not None:
            values[:, first:] = y[rows]
        hashes[rows] = _core.row_digests(values)
    return hashes


def value_blocks(frame: Frame, schema: Schema, more: int = 0) -> Iterator[tuple[slice, Matrix]]:
    """Yield blocks of rows with their numbers and level numbers: [rows, columns + more], the last columns unset."""
    columns = schema.columns
    for first, stop in blocks(frame.rows, max(1, _CELLS // (len(columns) + more))):
        rows, values = slice(first, stop), np.empty((stop - first, len(columns) + more))
        if frame.matrix is not None and schema.is_numeric:
            with np.errstate(over="ignore", invalid="ignore"):
                values[:, : len(columns)] = frame.matrix_rows(rows)
        else:
            for place, (given, column) in enumerate(zip(frame.columns, columns, strict=True)):
                values[:, place] = column.rules.values(column, given, rows)
        yield rows, values


def copied_rows(table: Table, schema: Schema, *, tell: bool = True) -> NDArray[np.int64] | None:
    """Return a group for each row, the same for equal rows; None unless rows were copied.

    None is returned for a table with neighbor features as well (neighbors.py), since it assumes that rows recur. If
    `tell`, a warning says how many rows chance does not explain.
    """
    if (groups := _copies(table, schema)) is None:
        return None
    counts, recur = np.bincount(groups), False
    if table.weights is None:
        recur = with_neighbors(schema, replace(table, groups=None)).neighbors
    number = f"{int(counts[counts > 1].sum())} of {table.rows} rows"
    assumed = (
        "ash expects that new rows will also be equal to known ones, and uses their targets. If equal rows are copies, "
        "remove them, or pass groups= with the same group for equal rows"
        if recur
        else "equal rows are kept together when rows are split. If new rows will also be equal to known ones, pass "
        "groups=range(len(X)), which gives each row a group of its own"
    )
    if tell:
        warn_user(f"{number} are equal to other rows, which chance does not explain; {assumed}")
    return None if recur else groups


def _copies(table: Table, schema: Schema) -> NDArray[np.int64] | None:
    """Return a group for each row, the same for equal rows; None unless chance does not explain them."""
    hashes = row_hashes(table.frame, schema)
    _, group, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    if len(schema.columns) < 2 or len(counts) == table.rows or table.rows > MOST_COPIES * len(counts):
        return None
    equal = int((counts * (counts - 1)).sum())  # ordered pairs of equal rows
    if _agreement(group, table.y, equal) < AGREEING:
        return None
    if not _is_even(counts) and equal <= EXCESS * _explained(table, schema, hashes, counts[group]):
        return None
    return numbered(group)


def _agreement(group: NDArray[np.int64], y: NDArray[np.float64], equal: int) -> float:
    """Return the share of pairs of equal rows with equal targets: 0 if it is that of all pairs, 1 if it is 1."""
    targets = np.unique(_core.row_digests(y), return_inverse=True)[1].reshape(-1)
    shares = np.bincount(targets) / len(targets)
    both = np.unique(group * (int(targets.max()) + 1) + targets, return_counts=True)[1]
    by_chance = float((shares**2).cumsum()[-1])  # added in order, unlike NumPy's sum()
    alike = float((both * (both - 1)).sum()) / equal
    return (alike - by_chance) / (1.0 - by_chance) if by_chance < 1.0 else 0.0


def _is_even(counts: NDArray[np.int64]) -> bool:
    """Return whether chance does not explain how often the distinct rows occur."""
    rows = np.bincount(counts, minlength=int(counts.max()) + 2).astype(np.float64)
    error = SURE * np.sqrt(rows)
    least, most = np.maximum(rows - error, 0.0), rows + error + SURE
    times = np.arange(2, len(rows) - 1)
    return bool((least[2:-1] ** 2 > (times + 1) / times * most[1:-2] * most[3:]).any())


def _explained(table: Table, schema: Schema, hashes: NDArray[np.uint64], times: NDArray[np.int64]) -> float:
    """Return about how many ordered pairs of equal rows chance explains at most, estimated from a sample of rows.

    `times` [rows] says how often each row occurs.
    """
    width = len(schema.columns)
    size = int(min(_SAMPLE, max(16, (_COMPARED / width) ** 0.5)))
    order = np.argsort(hashes, kind="stable")  # random, but the same for any order of the rows
    compared = _spread(order, min(_MOST_COMPARED, max(size, _COMPARED // (2 * size * width))))
    others, scale = _sample(table, schema, compared), table.rows / len(compared)
    recurring = times[order] > 1
    parts = [part for part in (order[recurring], order[~recurring]) if len(part)]
    found = [_differences(_sample(table, schema, _spread(part, size)), others) * scale for part in parts]
    differ = np.concatenate(found)[:, 1:].any(axis=0)
    step = 1 + int(np.flatnonzero(differ)[0]) if differ.any() else width
    total = table.rows / size  # what a single pair in the sample would add
    if width < 2 * step:
        return total  # rows differ in most columns: there are no near misses
    for part, distances in zip(parts, found, strict=True):
        near, far = distances[:, step], distances[:, 2 * step]
        explained = np.divide(near**2, 2 * far, out=near.copy(), where=far > 0)
        total += math.fsum(explained.tolist()) * len(part) / len(distances)
    return total


def _sample(table: Table, schema: Schema, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cells of some rows as numbers: array [columns, rows], without NaN."""
    values = np.concatenate([values for _, values in value_blocks(table.frame.take(rows), schema)])
    values[np.isnan(values)] = np.finfo(np.float64).max
    return np.ascontiguousarray(values.T)


def _differences(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many of the others differ from each row in 0, 1, ... columns: array [rows, columns + 1]."""
    unequal = np.zeros((rows.shape[1], others.shape[1]), np.uint32)
    for own, other in zip(rows, others, strict=True):
        unequal += own[:, None] != other
    counts = [np.bincount(each, minlength=len(rows) + 1) for each in unequal]
    return np.array(counts, np.float64).reshape(rows.shape[1], len(rows) + 1)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` of the rows, at equal distances."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]

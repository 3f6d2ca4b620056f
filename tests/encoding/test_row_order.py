"""Tests that rows are ordered by content, not by their given order, and repeated by integer weights (F18)."""

from typing import Any

import numpy as np
import pytest

from ash.data.frames import read_frame
from ash.data.table import Table, read_training
from ash.encoding import equal_rows
from ash.encoding.equal_rows import MOST_COPIES, sort_rows
from ash.encoding.schema import learn_schema
from data_help import mixed_columns, values

pytestmark = pytest.mark.core

NAN = float("nan")
X = np.array([[0.5, 1.0], [NAN, 1.0], [0.5, 1.0], [0.0, 2.0], [-0.0, 2.0], [0.5, NAN], [NAN, NAN], [7.0, 7.0]])
Y = np.array([0.5, 1, 2, 3, 3, 4, 5, 6])


def table(X: Any, y: Any, weights: Any = None) -> Table:
    return read_training(X, y, "regression", weights)


def ordered(X: Any, y: Any, weights: Any = None) -> Table:
    read = table(X, y, weights)
    return sort_rows(read, learn_schema(read.frame, missing="indicator")[1])


def rows_of(read: Table) -> list[tuple[str, ...]]:
    """Return the rows as text, so that NaN equals NaN."""
    cells = [column.cells(slice(0, read.rows)) for column in read.frame.columns]
    return list(zip(*([str(cell) for cell in column] for column in [*cells, *read.y.T.tolist()]), strict=True))


def test_rows_are_sorted_into_an_order_independent_of_the_given_one() -> None:
    columns = mixed_columns(300)
    mixed, y = np.array(list(zip(*columns.values(), strict=True)), object), np.arange(300.0)
    numbers = np.random.default_rng(0).normal(size=(300, 3))
    for x in (mixed, numbers):
        expected = ordered(x, y)
        assert sorted(rows_of(expected)) == sorted(rows_of(table(x, y)))
        assert rows_of(expected) != rows_of(table(x, y))
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(300)
            assert rows_of(ordered(x[order], y[order])) == rows_of(expected)


def test_rows_are_distinguished_by_their_targets() -> None:
    x = np.zeros((50, 1))
    forward, backward = ordered(x, np.arange(50.0)), ordered(x, np.arange(50.0)[::-1])
    assert forward.y.tolist() == backward.y.tolist()
    assert forward.y.tolist() != sorted(forward.y.tolist())
    several = np.stack([np.zeros(50), np.arange(50.0)], axis=1)
    assert ordered(x, several).y.tolist() == ordered(x, several[::-1]).y.tolist()


def test_the_table_is_neither_changed_nor_copied() -> None:
    x = np.random.default_rng(1).normal(size=(20, 2))
    read = table(x, np.arange(20.0))
    taken = sort_rows(read, learn_schema(read.frame, missing="indicator")[1])
    assert taken.frame.matrix is x
    assert np.array_equal(values(read.frame), x)
    assert np.array_equal(x[taken.y[:, 0].astype(int)], values(taken.frame))


@pytest.mark.parametrize("cells", [1, 7, 100])
def test_blocks_of_any_size_give_the_same_order(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = mixed_columns(100)
    x, y = np.array(list(zip(*columns.values(), strict=True)), object), np.arange(100.0)
    expected = rows_of(ordered(x, y))
    monkeypatch.setattr(equal_rows, "_CELLS", cells)
    assert rows_of(ordered(x, y)) == expected


def test_missing_cells_are_equal_and_so_are_signed_zeros() -> None:
    other = X.copy()
    other[1, 0] = other[6, 1] = -NAN
    other[[3, 4]] = X[[4, 3]]
    hashes = hashes_of(X, Y)
    assert np.array_equal(hashes_of(other, Y), hashes)
    assert hashes[3] == hashes[4]
    assert len(set(hashes.tolist())) == len(Y) - 1
    assert ordered(other, Y).y.tolist() == ordered(X, Y).y.tolist()


def test_values_are_numbers_and_level_numbers() -> None:
    frame = read_frame(np.array([[1.5, "red", 1], [NAN, "blue", 2], [2.0, None, 3]], object))
    schema = learn_schema(frame, missing="indicator")[1]
    ((_, values),) = equal_rows.value_blocks(frame, schema, 2)
    assert values.shape == (3, 5)
    assert np.array_equal(values[:, :3], [[1.5, 1, 1], [NAN, 0, 2], [2, 2, 3]], equal_nan=True)
    other = read_frame(np.array([["3", "green", None]], object))
    ((_, values),) = equal_rows.value_blocks(other, schema)
    assert np.array_equal(values, [[3, 3, NAN]], equal_nan=True)


def hashes_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    read = table(x, y)
    return equal_rows.row_hashes(read.frame, learn_schema(read.frame, missing="indicator")[1], read.y)


def test_rows_with_equal_hashes_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_rows, "row_hashes", lambda frame, schema, y: np.zeros(frame.rows, np.uint64))
    assert ordered(X, Y).y[:, 0].tolist() == Y.tolist()
    weights = [3, 1.5, 3, 1, 1, 2, 1, 3]
    assert ordered(X, Y, weights).y[:, 0].tolist() == [3, 3, 5, 1, 4, 0.5, 2, 6]


def test_integer_weights_repeat_rows() -> None:
    weights = np.array([2, 1, 3, 0, 1, 1, 4, 1])
    read = ordered(X, Y, weights)
    assert (read.weights, read.rows) == (None, 13)
    assert rows_of(read) == rows_of(ordered(np.repeat(X, weights, axis=0), np.repeat(Y, weights)))
    assert sorted(read.y[:, 0].tolist()) == np.repeat(Y, weights).tolist()


def test_other_weights_stay_with_their_rows() -> None:
    weights = Y + 0.25
    for order in (np.arange(8), np.arange(8)[::-1]):
        read = ordered(X[order], Y[order], weights[order])
        assert (read.weights - read.y[:, 0]).tolist() == [0.25] * 8
        assert read.y.tolist() == ordered(X, Y, weights).y.tolist()


def test_repetition_by_weights_is_limited() -> None:
    most = np.ones(8)
    most[2] = 8 * MOST_COPIES - 7
    assert ordered(X, Y, most).rows == 8 * MOST_COPIES
    most[5] += 1
    read = ordered(X, Y, most)
    assert (read.rows, read.weights.sum()) == (8, 8 * MOST_COPIES + 1)
    assert read.weights[read.y[:, 0] == 2].tolist() == [8 * MOST_COPIES - 7]

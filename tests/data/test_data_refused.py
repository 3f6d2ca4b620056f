"""Features that are refused, in training and in prediction (F01-F03, F06, F07, F13-F16, F26, F28, F31, F32)."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from scipy import sparse

import ash
from ash._utils import machine
from ash.data.arrays import check_memory
from ash.data.table import read_training
from ash.errors import DataError
from data_help import parts_from, values
from fault_help import quick

pytestmark = pytest.mark.core

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
Y = np.array([0, 1, 0, 1, 0, 1])
NAN = float("nan")


def with_cell(value: Any, dtype: Any = float) -> np.ndarray:
    changed = X.astype(dtype)
    changed[3, 1] = value
    return changed


@pytest.fixture(scope="module")
def model() -> ash.Network:
    return quick(X, Y, candidates=1, validation=2).model


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1"),
        (np.zeros((6, 0)), r"0 feature\(s\) \(shape=\(6, 0\)\) while a minimum of 1"),
        ([[]] * 6, r"0 feature\(s\)"),
        (X[:, 0], "Expected 2D array, got 1D array instead. Reshape your data"),
        (3.0, "Expected 2D array, got scalar array instead. Reshape your data"),
        (X[None], "Found array with dim 3, while dim <= 2 is required"),
        (X + 1j, "Complex data not supported"),
        (with_cell(1j, object), "Complex data not supported"),
        (with_cell({"a": 1}, object), r"column 1, row 3: argument must be a string or a real number, not 'dict'"),
        (with_cell([1], object), "argument must be a string or a real number"),
        (with_cell(np.inf), r"Input X contains infinity .* in column 1 \(1 of 6 rows, first row 3\)"),
        (np.where(X == 1, np.inf, np.where(X == 2, NAN, X)), r"infinity .* in column 1 \(2 of 6 rows, first row 0\)"),
        (with_cell("inf", "U9"), "Input X contains infinity .* in column 1"),
        (with_cell(-np.inf, "f2"), "Input X contains infinity .* in column 1"),
        (with_cell(10**400, object), "Input X contains infinity .* in column 1"),
        (with_cell(-1e300), r"a value too large for dtype\('float32'\) in column 1 .*: rescale"),
        (X.astype("M8[s]"), r"X has dtype datetime64\[s\]: turn it into numbers"),
        (X.astype("m8[s]"), r"X has dtype timedelta64\[s\]"),
        (np.zeros(6, [("a", float)]), "Expected 2D array"),
        (np.zeros((6, 2), [("a", float)]), "X has dtype"),
        ([[1, 2], [3]], "its rows must have equal lengths"),
        (None, "X is None"),
        ("table.csv", "X is text or a path"),
        (b"table.csv", "X is text or a path"),
        (Path("table.csv"), "X is text or a path .*read_csv"),
        (iter(X), "X is a .*iterator"),
        ((row for row in X), "X is a generator"),
        ({"a": [1, 2]}, "X is a dict"),
        (np.ma.masked_equal(X, 2), "X is a masked array"),
        (object(), "Expected 2D array, got scalar"),
    ],
)
def test_what_is_neither_trained_on_nor_predicted_from(model: ash.Network, bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parts_from(bad, Y)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(DataError, match=message):
        model.predict(bad)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "dok", "lil"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_is_refused(kind: str, index: Any) -> None:
    for make in (getattr(sparse, f"{kind}_matrix"), getattr(sparse, f"{kind}_array")):
        matrix = make(X)
        for name in ("indices", "indptr"):
            if hasattr(matrix, name):
                setattr(matrix, name, getattr(matrix, name).astype(index))
        with pytest.raises(DataError, match="Sparse data was passed for X, but dense data is required"):
            read_training(matrix, Y)
        with pytest.raises(DataError, match="Sparse data was passed for y"):
            read_training(X, matrix)


def test_bad_columns_of_frames_are_named() -> None:
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    for column, message in [
        (pandas.date_range("2026-01-01", periods=6), r"X in column 1 \('b'\) has dtype datetime64"),
        (pandas.to_timedelta(range(6), "s"), r"X in column 1 \('b'\) has dtype timedelta64"),
        (
            pandas.Series([[1]] * 6),
            r"X in column 1 \('b'\), row 0: argument must be a string or a real number, not 'li",
        ),
        ([1, np.inf, 3, 4, 5, 6], r"infinity .* in column 1 \('b'\) \(1 of 6 rows, first row 1\)"),
        ([1, None, 3, 4, 5, 6], r"NaN in column 1 \('b'\) \(1 of 6 rows, first row 1\)"),
        (pandas.array([1, None, 3, 4, 5, 6], dtype="Int64"), r"NaN in column 1 \('b'\)"),
        (pandas.Categorical(["u", None, "v"] * 2), r"NaN in column 1 \('b'\) \(2 of 6 rows, first row 1\)"),
    ]:
        with pytest.raises(DataError, match=message):
            parts_from(frame.assign(b=column), Y, missing="error")
    with pytest.raises(DataError, match="more than one column named 'a'"):
        read_training(frame.set_axis(["a", "a", "c"], axis=1), Y)
    with pytest.raises(DataError, match=re.escape("names that are no text ([2])")):
        read_training(frame.set_axis(["a", "b", 2], axis=1), Y)
    with pytest.raises(DataError, match=r"0 sample\(s\)"):
        read_training(frame.iloc[:0], Y[:0])


def test_integers_beyond_exact_floats_are_rounded_with_a_warning() -> None:
    big = X.astype(np.int64)
    big[0, 0] = 2**53 + 1
    with pytest.warns(UserWarning, match=r"beyond 2\*\*53"):
        assert values(parts_from(big, Y).table.frame)[0, 0] == 2.0**53
    unsigned = X.astype(np.uint64)
    unsigned[0, 0] = 2**64 - 1
    with pytest.warns(UserWarning, match=r"beyond 2\*\*53"):
        assert values(parts_from(unsigned, Y).table.frame)[0, 0] == 2.0**64


def test_a_table_beyond_memory_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda: 6 * 64 - 1)
    with pytest.raises(DataError, match=r"X of shape \(6, 3\) needs about 3.58e-07 GiB .* only 3.57e-07 GiB are left"):
        read_training(X, Y)
    monkeypatch.setattr(machine, "available_bytes", lambda: 6 * 64)  # a row is padded to a cache line
    assert read_training(X, Y).rows == 6
    monkeypatch.setattr(machine, "available_bytes", lambda: None)
    assert read_training(X, Y).rows == 6


def test_sizes_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda: 2**50)
    rows, columns = np.int32(2**30), np.int32(2**30)
    with pytest.raises(DataError, match=r"needs about 4.29e\+09 GiB"):
        check_memory(rows, columns, "X")  # type: ignore[arg-type]
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (2**36, 2**20), (0, 0))
    with pytest.raises(DataError, match=r"X of shape \(68719476736, 1048576\) needs about"):
        read_training(huge, Y)

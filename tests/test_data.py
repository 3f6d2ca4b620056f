"""Features: all that can be trained on is read, all else refused (F01-F03, F05-F07, F13-F16, F21, F28-F32)."""

import re
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ash import _core, memory
from ash.arrays import check_memory
from ash.data import read_features, read_training
from ash.errors import DataError

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
Y = np.array([0, 1, 0, 1, 0, 1])


def with_cell(value: Any, dtype: Any = float) -> np.ndarray:
    changed = X.astype(dtype)
    changed[3, 1] = value
    return changed


# Features that can be read


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i2", ">f8", "O", "U9"]
)
@pytest.mark.parametrize("layout", ["C", "F", "reversed", "slice", "read-only", "transposed"])
def test_dtype_order_and_stride_make_no_difference(dtype: str, layout: str) -> None:
    given = {
        "C": lambda: X.astype(dtype),
        "F": lambda: np.asfortranarray(X.astype(dtype)),
        "reversed": lambda: X[::-1, ::-1].astype(dtype).copy()[::-1, ::-1],
        "slice": lambda: np.repeat(np.repeat(X.astype(dtype), 2, axis=0), 3, axis=1)[::2, ::3],
        "read-only": lambda: X.astype(dtype),
        "transposed": lambda: X.T.astype(dtype).copy().T,
    }[layout]()
    given.flags.writeable = layout != "read-only"
    before = given.copy()
    table = read_training(given, Y)
    assert np.array_equal(table.x, X)
    assert (table.x.dtype, table.x.flags.c_contiguous) == (np.dtype(np.float64), True)
    assert np.array_equal(given, before)
    assert not np.shares_memory(table.x, given)


def test_bool_longdouble_and_memmap(tmp_path: Path) -> None:
    assert np.array_equal(read_training(X > 2, Y).x, (X > 2).astype(float))
    assert np.array_equal(read_training(X.astype(np.longdouble), Y).x, X)
    np.save(tmp_path / "x.npy", X)
    assert np.array_equal(read_training(np.load(tmp_path / "x.npy", mmap_mode="r"), Y).x, X)


def test_lists_and_objects_of_numbers() -> None:
    assert np.array_equal(read_training(X.tolist(), Y.tolist()).x, X)
    assert np.array_equal(read_training([[str(cell) for cell in row] for row in X], Y).x, X)
    mixed = X.astype(object)
    mixed[0, 0], mixed[1, 1], mixed[2, 2] = "0.0", Decimal(4), np.float32(8)
    assert np.array_equal(read_training(mixed, Y).x, X)


def test_array_protocol() -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return X

    table = read_training(Wrapped(), Y)
    assert np.array_equal(table.x, X)
    assert not np.shares_memory(table.x, X)


def test_frames_give_their_column_names() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=[7, 7, 7, 1, 2, 3])
    frame["b"] = frame["b"].astype("int8")
    frame["c"] = frame["c"] > 2
    table = read_training(frame, pandas.Series(Y, name="label", index=range(10, 16)))
    assert table.feature_names == ("a", "b", "c")
    assert table.target_names == ("label",)
    assert np.array_equal(table.x, np.column_stack([X[:, :2], X[:, 2] > 2]))
    assert read_training(pandas.DataFrame(X), Y).feature_names is None
    assert read_training(pandas.DataFrame(X).convert_dtypes(), Y).x.tolist() == X.tolist()


def test_frames_of_polars() -> None:
    polars = pytest.importorskip("polars")
    table = read_training(polars.DataFrame(X, schema=["a", "b", "c"]), polars.Series("label", Y))
    assert table.feature_names == ("a", "b", "c")
    assert np.array_equal(table.x, X)
    assert table.target_names == ("label",)


def test_a_change_during_training_changes_nothing() -> None:
    given = X.copy()
    labels = Y.astype(float)
    table = read_training(given, labels, task="regression")
    writer = threading.Thread(target=lambda: (given.fill(99.0), labels.fill(99.0)))
    writer.start()
    writer.join()
    assert np.array_equal(table.x, X)
    assert np.array_equal(table.y[:, 0], Y)


def test_constant_and_duplicate_columns_do_no_harm() -> None:
    x = np.column_stack([X[:, 0], np.full(6, 5.0), X[:, 0], np.array([0.0, -0.0] * 3)])
    table = read_training(x, Y)
    data = _core.Data(table.x, table.y, table.classes, np.arange(4), np.arange(4, 6))
    assert list(data.constant_features) == [1, 3]
    network, losses = _core.train(data, _core.Settings(), 2)
    assert np.isfinite(losses).all()
    assert np.isfinite(network.predict(table.x)).all()


def test_large_and_small_numbers_within_float32_are_fine() -> None:
    assert read_training(X * 1e30, Y).x.max() == 9e30
    assert read_training(X * 1e-300, Y).x.max() == 9e-300


# Features that cannot


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
        (with_cell("abc", object), "column 1, row 3: could not convert string to float: 'abc'"),
        (X.astype("U9").astype(object) + "x", "could not convert string to float: '0.0x'"),
        (with_cell(np.nan), r"Input X contains NaN in column 1 \(1 of 6 rows, first row 3\)"),
        (with_cell(None, object), "contains NaN in column 1"),
        (with_cell("nan", "U9"), "contains NaN in column 1"),
        (with_cell(np.inf), "Input X contains infinity .* in column 1"),
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
def test_what_cannot_be_trained_on(bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_training(bad, Y)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(DataError, match=message):
        read_features(bad, 3)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "dok", "lil"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_is_refused(kind: str, index: Any) -> None:
    sparse = pytest.importorskip("scipy.sparse")
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
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    for column, message in [
        (pandas.date_range("2026-01-01", periods=6), r"X in column 1 \('b'\) has dtype datetime64"),
        (list("uvwxyz"), r"X in column 1 \('b'\), row 0: could not convert string to float: 'u'"),
        (pandas.Categorical(list("uvuvuv")), r"X in column 1 \('b'\), row 0"),
        ([1, None, 3, 4, 5, 6], r"NaN in column 1 \('b'\) \(1 of 6 rows, first row 1\)"),
        (pandas.array([1, None, 3, 4, 5, 6], dtype="Int64"), r"NaN in column 1 \('b'\)"),
    ]:
        with pytest.raises(DataError, match=message):
            read_training(frame.assign(b=column), Y)
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
        assert read_training(big, Y).x[0, 0] == 2.0**53
    unsigned = X.astype(np.uint64)
    unsigned[0, 0] = 2**64 - 1
    with pytest.warns(UserWarning, match=r"beyond 2\*\*53"):
        assert read_training(unsigned, Y).x[0, 0] == 2.0**64


def test_a_table_beyond_memory_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(DataError, match=r"X of shape \(6, 3\) needs about 2.01e-07 GiB .* only 9.31e-08 GiB are left"):
        read_training(X, Y)
    monkeypatch.setattr(memory, "available_bytes", lambda: 6 * 3 * 12)
    assert read_training(X, Y).x.shape == (6, 3)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert read_training(X, Y).x.shape == (6, 3)


def test_sizes_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**50)
    rows, columns = np.int32(2**30), np.int32(2**30)
    with pytest.raises(DataError, match=r"needs about 1.29e\+10 GiB"):
        check_memory(rows, columns, "X")  # type: ignore[arg-type]
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (2**36, 2**20), (0, 0))
    with pytest.raises(DataError, match=r"X of shape \(68719476736, 1048576\) needs about"):
        read_training(huge, Y)


# Features to predict from


def test_features_to_predict_from() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    assert np.array_equal(read_features(X, 3, ("a", "b", "c")), X)
    assert np.array_equal(read_features(frame, 3, None), X)
    assert np.array_equal(read_features(frame, 3, ("a", "b", "c")), X)
    assert read_features(X[:1], 3).shape == (1, 3)
    with pytest.raises(DataError, match="X has 2 features, but the network is expecting 3 features"):
        read_features(X[:, :2], 3)
    with pytest.raises(DataError, match=r"feature names should match .* column 0 is 'b', not 'a'"):
        read_features(frame[["b", "a", "c"]], 3, ("a", "b", "c"))

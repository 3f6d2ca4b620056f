"""Tables that cannot be trained on: each is refused with the column, what it holds and what to do."""

import datetime
import re
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from ash._utils import machine
from ash.data.frames import check_numbers, read_frame
from ash.errors import DataError

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
NAN = float("nan")


def with_cell(cell: Any, dtype: Any = object) -> np.ndarray:
    changed = X.astype(dtype)
    changed[3, 1] = cell
    return changed


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1"),
        (np.zeros((6, 0)), r"0 feature\(s\) \(shape=\(6, 0\)\) while a minimum of 1"),
        (X[:, 0], "Expected 2D array, got 1D array instead. Reshape your data"),
        (3.0, "Expected 2D array, got scalar array instead. Reshape your data"),
        (X[None], "Found array with dim 3, while dim <= 2 is required"),
        (X + 1j, "Complex data not supported"),
        (with_cell(1j), "Complex data not supported: X in column 1 holds 1j in row 3"),
        (with_cell(np.complex64(1)), "Complex data not supported"),
        (with_cell({"a": 1}), r"column 1, row 3: argument must be a string or a real number, not 'dict'; turn it into"),
        (with_cell([1]), "argument must be a string or a real number, not 'list'"),
        (with_cell(b"a"), "argument must be a string or a real number, not 'bytes'"),
        (with_cell(object()), "argument must be a string or a real number, not 'object'"),
        (with_cell(datetime.date(2020, 1, 1)), "argument must be a string or a real number, not 'date'"),
        (with_cell(np.datetime64("2020-01-01")), "argument must be a string or a real number, not 'datetime64'"),
        (X.astype("M8[s]"), r"X has dtype datetime64\[s\]: turn it into numbers first, for example seconds"),
        (X.astype("m8[s]"), r"X has dtype timedelta64\[s\]"),
        (X.astype("S3"), r"X has dtype \|S3: decode it to text first"),
        (np.zeros((6, 2), [("a", float)]), r"X has dtype \[\('a', '<f8'\)\]: split it into columns of its own"),
        ([[1, 2], [3]], "its rows must have equal lengths"),
        (None, "X is None"),
        ("table.csv", "X is text or a path"),
        (iter(X), "X is a .*iterator"),
        ({"a": [1, 2]}, "X is a dict"),
        (np.ma.masked_equal(X, 2), "X is a masked array"),
    ],
)
def test_what_is_no_table(bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_frame(bad)


def test_columns_of_neither_numbers_nor_text_are_named() -> None:
    day = datetime.date(2020, 1, 1)
    numbers, split = "turn it into numbers first, for example seconds or days since a date", "split it into columns"
    for column, dtype, todo in [
        (pandas.date_range("2020-01-01", periods=1), "datetime64", numbers),
        (pandas.date_range("2020-01-01", periods=1, tz="UTC"), "datetime64", numbers),
        (pandas.to_timedelta([1], "s"), "timedelta64", numbers),
        (pandas.period_range("2020", periods=1, freq="D"), "period[D]", numbers),
        (pandas.interval_range(0, 1), "interval[int64, right]", numbers),
        (np.array([1j]), "complex128", "pass real numbers"),
    ]:
        with pytest.raises(DataError, match=rf"X in column 1 \('b'\) has dtype {re.escape(dtype)}.*: {todo}|Complex"):
            read_frame(pandas.DataFrame({"a": [1], "b": column}))
    for cell, dtype, todo in [
        (day, "Date", numbers),
        (datetime.datetime(2020, 1, 1), "Datetime(", numbers),
        (datetime.timedelta(1), "Duration(", numbers),
        (datetime.time(1), "Time", numbers),
        ([1], "List(Int64)", split),
        ({"c": 1}, "Struct(", split),
        (b"a", "Binary", "decode it to text"),
    ]:
        with pytest.raises(DataError, match=rf"X in column 1 \('b'\) has dtype {re.escape(dtype)}.*: {todo}"):
            read_frame(polars.DataFrame({"a": [1], "b": [cell]}))
        with pytest.raises(DataError, match=rf"X in column 1 \('b'\) has dtype .*: {todo}"):
            read_frame(pyarrow.table({"a": [1], "b": [cell]}))


def test_frames_without_one_name_a_column_are_refused() -> None:
    twice = pandas.DataFrame(X, columns=["a", "a", "c"])
    for given in (twice, pyarrow.Table.from_arrays([pyarrow.array([1])] * 2, names=["a", "a"])):
        with pytest.raises(DataError, match="more than one column named 'a'"):
            read_frame(given)
    with pytest.raises(DataError, match=re.escape("names that are no text ([2])")):
        read_frame(twice.set_axis(["a", "b", 2], axis=1))
    assert read_frame(twice.set_axis([("a", 1), ("a", 1), ("b", 1)], axis=1)).names is None
    for empty in (twice.iloc[:0, 1:], pyarrow.table({"a": pyarrow.array([], pyarrow.int8())})):
        with pytest.raises(DataError, match=r"0 sample\(s\)"):
            read_frame(empty)
    with pytest.raises(DataError, match=r"0 feature\(s\)"):
        read_frame(twice.iloc[:, :0])


def test_a_lazy_frame_is_to_be_collected() -> None:
    lazy = polars.LazyFrame({"a": [1]})
    with pytest.raises(DataError, match=r"X is lazy \(LazyFrame\): collect it first, by X.collect\(\)"):
        read_frame(lazy)


def test_numbers_beyond_float32_are_refused_and_missing_ones_are_not() -> None:
    for make in (lambda x: x, lambda x: polars.DataFrame(x), lambda x: x.astype(object)):
        for bad, fact in [
            (np.inf, r"infinity or a value too large for dtype\('float64'\)"),
            (-np.inf, "infinity or"),
            (-1e300, r"a value too large for dtype\('float32'\)"),
        ]:
            x = with_cell(bad, float)
            x[0, 1] = NAN
            with pytest.raises(
                DataError, match=rf"Input X contains {fact}.* in column 1.* \(1 of 6 rows, first row 3\)"
            ):
                check_numbers(read_frame(make(x)))
            assert check_numbers(read_frame(make(x[:3]))).tolist() == [False, True, False]
    assert not check_numbers(read_frame(with_cell("inf")), ["number", "category", "number"]).any()
    with pytest.raises(DataError, match="infinity"):
        check_numbers(read_frame(with_cell(10**400)))


def test_integers_beyond_exact_floats_are_rounded_with_a_warning() -> None:
    for big in (2**53 + 1, -(2**53) - 1, 2**63 - 1):
        x = with_cell(big, np.int64)
        for given in (
            x,
            polars.DataFrame(x),
            pandas.DataFrame(x).convert_dtypes(),
            pandas.DataFrame({"a": x[:, 1], "b": 0.5}),
        ):
            with pytest.warns(UserWarning, match=r"X holds integers beyond 2\*\*53"):
                assert not check_numbers(read_frame(given)).any()
    assert not check_numbers(read_frame(with_cell(2**53, np.int64))).any()
    assert check_numbers(read_frame(polars.DataFrame({"a": [None, 2**53]}))).tolist() == [True]


def test_a_table_beyond_memory_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda: 100)
    for given in (X, X.tolist(), pandas.DataFrame(X)):
        with pytest.raises(DataError, match=r"X of shape \(6, 3\) needs about 3.58e-07 GiB"):
            read_frame(given)
    monkeypatch.setattr(machine, "available_bytes", lambda: 2**50)
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (2**36, 2**20), (0, 0))
    with pytest.raises(DataError, match=r"X of shape \(68719476736, 1048576\) needs about"):
        read_frame(huge)

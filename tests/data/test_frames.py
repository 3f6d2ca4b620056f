"""Tests tables: the same cells are read from every library, and errors name the cells that cannot be used."""

import datetime
import enum
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from ash.data.frames import Frame, checked_numbers, read_frame
from ash.errors import DataError
from data_help import LAYOUTS

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
NAN = float("nan")


def values(frame: Frame) -> list[list[Any]]:
    """Return the columns as lists: floats in number columns, text in other columns, None for a missing cell."""
    return [
        [None if number != number else number for number in column.numbers(slice(0, frame.rows)).tolist()]
        if column.natural == "number"
        else column.cells(slice(0, frame.rows))
        for column in frame.columns
    ]


# Arrays and lists


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i2", ">f8", "O", "U9"]
)
@pytest.mark.parametrize("layout", [*LAYOUTS, "read-only"])
def test_dtype_order_and_strides_make_no_difference(dtype: str, layout: str) -> None:
    given = LAYOUTS.get(layout, np.copy)(X.astype(dtype))
    given.flags.writeable = layout != "read-only"
    frame = read_frame(given)
    assert values(frame) == X.T.tolist()
    assert not checked_numbers(frame)[1].any()
    assert (frame.matrix is given) == (given.dtype.kind in "fiu")
    block = frame.columns[1].numbers(slice(2, 4))
    assert (block.tolist(), block.dtype, block.flags.writeable) == ([7.0, 1.0], np.dtype(float), True)
    assert not np.shares_memory(block, given)


def test_booleans_lists_files_and_the_array_protocol_are_read(tmp_path: Path) -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return X

    assert values(read_frame(X > 2)) == (X.T > 2).astype(float).tolist()
    np.save(tmp_path / "x.npy", X)
    for given in (X.tolist(), np.load(tmp_path / "x.npy", mmap_mode="r")):
        assert values(read_frame(given)) == X.T.tolist()
    assert read_frame(Wrapped()).matrix is X


def test_numbers_beside_text_in_a_list_stay_numbers() -> None:
    frame = read_frame([[1, "a", 0.1, True], [2, "b", None, False]])
    assert values(frame) == [[1.0, 2.0], ["a", "b"], [0.1, None], [1.0, 0.0]]
    assert values(read_frame([[1, "a", 0.1], [2, "b", NAN]])) == [[1.0, 2.0], ["a", "b"], [0.1, None]]


def test_number_like_text_can_be_read_as_numbers_or_as_categories() -> None:
    column = read_frame(np.array([["1"], ["2.50"], [None], [" -3e2 "]], object)).columns[0]
    assert (column.natural, column.can_be("number"), column.can_be("category")) == ("number", True, True)
    assert column.numbers(slice(0, 3)).tolist()[:2] == [1.0, 2.5]
    assert column.cells(slice(0, 4)) == ["1", "2.50", None, " -3e2 "]
    column = read_frame(np.array([["1"], [""]], object)).columns[0]
    assert (column.natural, column.can_be("number")) == ("category", False)


def test_number_objects_are_numbers_but_become_text_beside_text() -> None:
    numbers = [1, True, Decimal("2.5"), np.float32(3), Fraction(1, 2), np.bool_(False), None, NAN, Decimal("nan")]
    numbers += [np.float32("nan"), Decimal("sNaN")]
    column = read_frame(np.array(numbers, object)[:, None]).columns[0]
    assert column.natural == "number"
    assert column.can_be("category")
    assert np.array_equal(column.numbers(slice(0, 11)), [1, 1, 2.5, 3, 0.5, 0] + [NAN] * 5, equal_nan=True)
    column = read_frame(np.array([*numbers, "x"], object)[:, None]).columns[0]
    assert column.natural == "category"
    assert column.cells(slice(0, 12)) == ["1", "True", "2.5", "3", "0.5", "False", None, None, None, None, None, "x"]


def test_text_is_kept_unchanged() -> None:
    class Color(enum.StrEnum):
        RED = "red"

    texts = ["nul\0byte", "\N{PILE OF POO}", "", "x" * 10_000, "\ud800", "nan", "None", " a "]
    column = read_frame(np.array([*texts, Color.RED, np.str_("b")], object)[:, None]).columns[0]
    assert column.cells(slice(0, 10)) == [*texts, "red", "b"]
    assert {type(cell) for cell in column.cells(slice(0, 10))} == {str}


def test_an_empty_column_can_be_a_number_or_a_category() -> None:
    for given in (np.full((2, 1), NAN), np.full((2, 1), None), [[None], [NAN]]):
        column = read_frame(given).columns[0]
        assert (column.natural, column.can_be("number"), column.can_be("category")) == ("number", True, True)
        assert np.isnan(column.numbers(slice(0, 2))).all()
        assert column.cells(slice(0, 2)) == [None, None]
    column = read_frame([[1.0], [NAN]]).columns[0]
    assert (column.can_be("number"), column.can_be("category")) == (True, False)


# Frames


def of_numpy() -> Any:
    rows = [[1, 0.5, True, "u", "p", "7"], [None, None, None, None, None, None], [3, NAN, False, "v", "q", "8"]]
    return np.array(rows, object)


def of_pandas() -> Any:
    return pandas.DataFrame(
        {
            "n": pandas.array([1, None, 3], dtype="Int64"),
            "f": pandas.array([0.5, None, None], dtype="Float64"),
            "b": pandas.array([True, None, False], dtype="boolean"),
            "s": pandas.array(["u", None, "v"], dtype="string"),
            "c": pandas.Categorical(["p", None, "q"]),
            "t": pandas.Series(["7", None, "8"], dtype=object),
        }
    ).set_index(pandas.Index([5, 5, 5]))


def of_pandas_arrow() -> Any:
    table = of_pyarrow()
    return table.to_pandas(types_mapper=pandas.ArrowDtype).astype(
        {"c": pandas.ArrowDtype(pyarrow.dictionary(pyarrow.int8(), pyarrow.string()))}
    )


def of_polars() -> Any:
    return polars.DataFrame(
        {
            "n": [1, None, 3],
            "f": [0.5, None, NAN],
            "b": [True, None, False],
            "s": ["u", None, "v"],
            "c": polars.Series(["p", None, "q"], dtype=polars.Enum(["q", "p", "unused"])),
            "t": ["7", None, "8"],
        }
    )


def of_pyarrow() -> Any:
    chunks = {
        "n": [[1], [None, 3]],
        "f": [[0.5, None], [NAN]],
        "b": [[True], [None], [False]],
        "s": [["u"], [None, "v"]],
        "c": [pyarrow.array(["p", None]).dictionary_encode(), pyarrow.array(["q"]).dictionary_encode()],
        "t": [["7", None, "8"]],
    }
    return pyarrow.table({name: pyarrow.chunked_array(parts) for name, parts in chunks.items()})


@pytest.mark.parametrize("make", [of_numpy, of_pandas, of_pandas_arrow, of_polars, of_pyarrow])
def test_all_libraries_give_the_same_cells(make: Callable[[], Any]) -> None:
    frame = read_frame(make())
    assert values(frame) == [
        [1.0, None, 3.0],
        [0.5, None, None],
        [1.0, None, 0.0],
        ["u", None, "v"],
        ["p", None, "q"],
        [7.0, None, 8.0],
    ]
    assert frame.names == (None if make is of_numpy else tuple("nfbsct"))
    assert frame.columns[4].label == ("column 4" if make is of_numpy else "column 4 ('c')")
    assert frame.columns[3].cells(slice(1, 3)) == [None, "v"]
    assert frame.columns[0].numbers(slice(2, 3)).tolist() == [3.0]
    assert frame.columns[2].numbers(slice(0, 3)).flags.writeable
    assert checked_numbers(frame)[1].tolist() == [True, True, True, False, False, True]
    assert (frame.rows, frame.matrix) == (3, None)


def test_column_types_use_the_names_of_the_library() -> None:
    assert [column.dtype for column in read_frame(of_polars()).columns][:4] == ["Int64", "Float64", "Boolean", "String"]
    words = ["Int64", "Float64", "boolean", "string", "category", "object"]
    assert [column.dtype for column in read_frame(of_pandas()).columns] == words
    assert [column.dtype for column in read_frame(of_pyarrow()).columns][:3] == ["int64", "double", "bool"]


def test_declared_categories_are_not_numbers() -> None:
    dictionary = pyarrow.array([2, 1, None], pyarrow.int8()).dictionary_encode()
    for given, cells in [
        (pandas.DataFrame({"a": pandas.Categorical([2, 1, None])}), ["2", "1", None]),
        (pandas.DataFrame({"a": pandas.Categorical([2.0, 1.5, None], ordered=True)}), ["2", "1.5", None]),
        (pandas.DataFrame({"a": pandas.Categorical(["2", "1", None])}), ["2", "1", None]),
        (polars.DataFrame({"a": polars.Series(["2", "1", None], dtype=polars.Categorical)}), ["2", "1", None]),
        (pyarrow.table({"a": dictionary}), ["2", "1", None]),
        (pyarrow.table({"a": dictionary.cast(pyarrow.dictionary(pyarrow.int8(), pyarrow.float64()))}), ["2", "1"]),
    ]:
        column = read_frame(given).columns[0]
        assert (column.natural, column.can_be("number"), column.can_be("category")) == ("category", False, True)
        assert column.cells(slice(0, len(cells))) == cells
    column = read_frame(pandas.DataFrame({"a": pandas.Categorical([None, None])})).columns[0]
    assert (column.natural, column.can_be("number"), column.can_be("category")) == ("number", True, True)


def test_decimals_sparse_nulls_and_half_floats_are_numbers() -> None:
    decimals = [Decimal("0.5"), None]
    for given, expected in [
        (polars.DataFrame({"a": decimals, "b": [None, None]}), [[0.5, None], [None, None]]),
        (pyarrow.table({"a": decimals, "b": pyarrow.nulls(2)}), [[0.5, None], [None, None]]),
        (pyarrow.table({"a": pyarrow.array(decimals, pyarrow.decimal256(50, 2))}), [[0.5, None]]),
        (pandas.DataFrame({"a": pandas.arrays.SparseArray([0.0, 1.0])}), [[0.0, 1.0]]),
        (pandas.DataFrame({"a": np.array([0.5, NAN], "f2")}), [[0.5, None]]),
        (
            pandas.DataFrame({"a": [pandas.NA, pandas.NaT], "b": [pandas.NA, 1]}, dtype=object),
            [[None, None], [None, 1]],
        ),
    ]:
        assert values(read_frame(given)) == expected


def test_a_pandas_frame_of_one_block_is_a_matrix_without_a_copy() -> None:
    for given in (X, X.astype("f4"), np.asfortranarray(X), X[:, :1], X.astype(bool)):
        frame = pandas.DataFrame(given)
        read = read_frame(frame)
        assert read.matrix is not None
        assert np.array_equal(read.matrix, given)
        assert np.shares_memory(read.matrix, frame.iloc[:, 0].to_numpy())
    blocks = pandas.DataFrame({"z": X[:, 0]}).assign(a=X[:, 1], b=np.arange(6))
    assert read_frame(blocks).matrix is None
    assert read_frame(blocks[["z", "a"]]).matrix is None
    assert values(read_frame(blocks.set_axis([0, 0, 0], axis=1))) == [*X[:, :2].T.tolist(), [0, 1, 2, 3, 4, 5]]


def test_a_frame_unknown_to_narwhals_is_read_as_an_array() -> None:
    class Other:
        columns, shape = ("a", "b", "c"), X.shape

        def __getitem__(self, place: int) -> np.ndarray:
            return X[:, place]

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return X

    frame = read_frame(Other())
    assert (frame.names, frame.matrix is X) == (("a", "b", "c"), True)


# Rows of a frame


@pytest.mark.parametrize("make", [of_numpy, of_pandas, of_pandas_arrow, of_polars, of_pyarrow])
def test_rows_can_be_taken_from_every_table(make: Callable[[], Any]) -> None:
    frame = read_frame(make())
    whole = values(frame)
    for rows in ([2, 0], [1, 1, 2, 0], [1], []):
        taken = frame.take(np.array(rows, np.int64))
        assert (taken.rows, taken.names) == (len(rows), frame.names)
        assert values(taken) == [[column[row] for row in rows] for column in whole]
        assert [column.cells(slice(0, 9)) for column in taken.columns[3:5]] == [
            [column[row] for row in rows] for column in whole[3:5]
        ]
    again = frame.take(np.array([2, 1, 0])).take(np.array([0, 0, 2]))
    assert values(again) == [[column[row] for row in (2, 2, 0)] for column in whole]
    assert again.numbers_of(np.array([0, 2])).tolist() == [2, 0]
    assert frame.numbers_of(np.array([0, 2])).tolist() == [0, 2]
    assert checked_numbers(again)[1].tolist() == [False, True, False, False, False, False]
    assert values(frame) == whole


def test_taking_rows_does_not_copy_the_matrix() -> None:
    x = X.astype("i8")
    x[3, 1] = 2**53 + 1
    taken = read_frame(x).take(np.array([5, 0]))
    assert taken.matrix is x
    assert taken.matrix_rows(slice(1, 2)).tolist() == X[:1].tolist()
    assert values(taken) == X[[5, 0]].T.tolist()
    assert not checked_numbers(taken)[1].any()  # no warning about 2**53 + 1, since the row with it is not taken


def test_the_kind_of_a_column_is_inferred_from_the_rows_taken() -> None:
    frame = read_frame([["1", NAN], ["x", 1.0]])
    assert [column.natural for column in frame.columns] == ["category", "number"]
    taken = frame.take(np.array([0]))
    assert taken.columns[0].natural == "number"
    assert taken.columns[1].can_be("category")
    assert frame.columns[0].natural == "category"


# Refused tables


def with_cell(cell: Any, dtype: Any = object) -> np.ndarray:
    changed = X.astype(dtype)
    changed[3, 1] = cell
    return changed


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1"),
        (np.zeros((6, 0)), r"0 feature\(s\) \(shape=\(6, 0\)\) while a minimum of 1"),
        ([[]] * 6, r"0 feature\(s\)"),
        (X[:, 0], "Expected 2D array, got 1D array instead. Reshape your data"),
        (3.0, "Expected 2D array, got scalar array instead. Reshape your data"),
        (X + 1j, "Complex data not supported"),
        (with_cell(1j), "Complex data not supported: X in column 1 holds 1j in row 3"),
        (with_cell({"a": 1}), r"column 1, row 3: argument must be a string or a real number, not 'dict'; turn it into"),
        (with_cell(b"a"), "argument must be a string or a real number, not 'bytes'"),
        (with_cell(datetime.date(2020, 1, 1)), "argument must be a string or a real number, not 'date'"),
        (with_cell(np.datetime64("2020-01-01")), "argument must be a string or a real number, not 'datetime64'"),
        (X.astype("m8[s]"), r"X has dtype timedelta64\[s\]: turn it into numbers first, for example seconds"),
        (X.astype("S3"), r"X has dtype \|S3: decode it to text first"),
        (np.zeros(6, [("a", float)]), "Expected 2D array"),
        (np.zeros((6, 2), [("a", float)]), r"X has dtype \[\('a', '<f8'\)\]: split it into several columns"),
        (b"table.csv", "X is text or a path"),
        (Path("table.csv"), "X is text or a path .*read_csv"),
        (iter(X), "X is a .*iterator"),
        (object(), "Expected 2D array, got scalar"),
    ],
)
def test_invalid_tables_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_frame(bad)


def test_columns_with_neither_numbers_nor_text_are_named() -> None:
    numbers, split = "turn it into numbers first, for example seconds", "split it into several columns"
    for column, dtype, todo in [
        (pandas.to_timedelta([1], "s"), "timedelta64", numbers),
        (pandas.period_range("2020", periods=1, freq="D"), "period[D]", numbers),
        (pandas.interval_range(0, 1), "interval[int64, right]", numbers),
        (np.array([1j]), "complex128", "pass real numbers"),
    ]:
        with pytest.raises(DataError, match=rf"X in column 1 \('b'\) has dtype {re.escape(dtype)}.*: {todo}|Complex"):
            read_frame(pandas.DataFrame({"a": [1], "b": column}))
    for cell, dtype, todo in [
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


def test_frames_with_invalid_names_and_empty_frames_are_refused() -> None:
    twice = pandas.DataFrame(X, columns=["a", "a", "c"])
    with pytest.raises(DataError, match=re.escape("names that are not text ([2])")):
        read_frame(twice.set_axis(["a", "b", 2], axis=1))
    assert read_frame(twice.set_axis([("a", 1), ("a", 1), ("b", 1)], axis=1)).names is None
    for empty in (twice.iloc[:0, 1:], pyarrow.table({"a": pyarrow.array([], pyarrow.int8())})):
        with pytest.raises(DataError, match=r"0 sample\(s\)"):
            read_frame(empty)
    with pytest.raises(DataError, match=r"0 feature\(s\)"):
        read_frame(twice.iloc[:, :0])


def test_numbers_beyond_float32_are_refused_and_missing_numbers_are_not() -> None:
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
                checked_numbers(read_frame(make(x)))
            assert checked_numbers(read_frame(make(x[:3])))[1].tolist() == [False, True, False]
    assert not checked_numbers(read_frame(with_cell("inf")), ["number", "category", "number"])[1].any()
    with pytest.raises(DataError, match="infinity"):
        checked_numbers(read_frame(with_cell(10**400)))


def test_integers_beyond_exact_floats_are_rounded_with_a_warning() -> None:
    for big, dtype in ((2**53 + 1, "i8"), (-(2**53) - 1, "i8"), (2**63 - 1, "i8"), (2**64 - 1, "u8")):
        x = with_cell(big, dtype)
        for given in (
            x,
            polars.DataFrame(x),
            pandas.DataFrame(x).convert_dtypes(),
            pandas.DataFrame({"a": 0.5, "b": x[:, 1]}),
        ):
            frame = read_frame(given)
            with pytest.warns(UserWarning, match=r"X holds integers beyond 2\*\*53"):
                assert not checked_numbers(frame)[1].any()
            assert frame.columns[1].numbers(slice(3, 4)) == float(big)
    assert not checked_numbers(read_frame(with_cell(2**53, np.int64)))[1].any()
    assert checked_numbers(read_frame(polars.DataFrame({"a": [None, 2**53]})))[1].tolist() == [True]

"""Features of the network: what columns become, the same from each library and from a file."""

import json
from typing import Any

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray

from ash.data.frames import Frame, read_frame
from ash.encoding.encoding import Encoding
from ash.encoding.schema import ONE_HOT_LEVELS
from ash.encoding.serialize import encoding_from_parts, encoding_parts
from ash.errors import DataError
from encoding_help import ROWS, cities, learned, mixed

pytestmark = pytest.mark.core

NAN = float("nan")


def test_features_come_column_by_column() -> None:
    frame = mixed([[1.5, "red", 1, "u"], [NAN, "blue", 2, None], [2.0, "red", 3, "v"]])
    encoding = learned(frame)
    names = ("x0", "x0 is missing", "x1=blue", "x1=red", "x2", "x3=u", "x3=v", "x3 is missing")
    assert (encoding.names, encoding.features) == (names, 8)
    assert encoding.scaled.tolist() == [True, False, False, False, True, False, False, False]
    expected = np.array([[1.5, 0, 0, 1, 1, 1, 0, 0], [NAN, 1, 1, 0, 2, 0, 0, 1], [2, 0, 0, 1, 3, 0, 1, 0]])
    block = encoding.block(frame, slice(0, 3))
    assert np.array_equal(block, expected, equal_nan=True)
    assert (block.dtype, block.flags.c_contiguous, block.flags.writeable) == (np.dtype(float), True, True)
    for first, stop in ((0, 0), (0, 1), (1, 3), (2, 3)):
        assert np.array_equal(encoding.block(frame, slice(first, stop)), expected[first:stop], equal_nan=True)


def test_names_of_columns_are_in_names_of_features() -> None:
    frame = read_frame(pandas.DataFrame({"age": [1.0, None], "color": ["red", "blue"]}))
    assert learned(frame).names == ("age", "age is missing", "color=blue", "color=red")


def test_unknown_levels_and_new_gaps_are_zeros() -> None:
    encoding = learned(mixed([["u", "p", 1.0], ["v", None, 2.0]]))
    assert encoding.names == ("x0=u", "x0=v", "x1=p", "x1 is missing", "x2")
    later = mixed([["w", "q", 3.0], [None, None, None], ["v", "p", "4"]])
    expected = [[0, 0, 0, 0, 3], [0, 0, 0, 1, NAN], [0, 1, 1, 0, 4]]
    assert np.array_equal(encoding.block(later, slice(0, 3)), expected, equal_nan=True)
    message = r"X in column 1, row 3: level 'qqq' was not seen in training; replace it by"
    later = mixed([["u", "p", 3.0]] * 2 + [["v", None, 3.0], ["u", "qqq", 3.0]])
    with pytest.raises(DataError, match=message):
        encoding.block(later, slice(1, 4), unknown="error")
    assert encoding.block(later, slice(1, 3), unknown="error").shape == (2, 5)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i1", "u8", "?"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_matrix_is_encoded_as_its_columns_are(dtype: str, layout: Any) -> None:
    x = np.random.default_rng(0).integers(0, 9, (50, 7)).astype(dtype).copy(layout)
    if x.dtype.kind == "f":
        x[3, 0] = x[4, 3] = x[5, 4] = x[:, 5] = NAN
    frame = read_frame(x)
    encoding = learned(frame)
    columns = Frame(frame.rows, None, frame.columns, None)
    block = encoding.block(frame, slice(2, 40))
    assert block.flags.c_contiguous
    assert not np.shares_memory(block, x)
    assert np.array_equal(block, encoding.block(columns, slice(2, 40)), equal_nan=True)
    assert encoding.features == (11 if x.dtype.kind == "f" else 7)
    assert np.array_equal(block[:, encoding.starts], x[2:40], equal_nan=True)


def test_up_to_32_levels_have_features_of_their_own() -> None:
    levels = [f"{number:02d}a" for number in range(ONE_HOT_LEVELS + 1)]
    few, many = learned(mixed([[level] for level in levels[:-1]])), learned(mixed([[level] for level in levels]))
    assert few.names == tuple(f"x0={level}" for level in levels[:-1])
    assert np.array_equal(few.fitting_block(slice(0, ONE_HOT_LEVELS)), np.eye(ONE_HOT_LEVELS))
    assert many.names == ("x0: target mean", "x0: log count")
    assert many.scaled.all()


def test_values_are_numbers_and_numbers_of_levels() -> None:
    frame = mixed([[1.5, "red", 1], [NAN, "blue", 2], [2.0, None, 3]])
    encoding, values = learned(frame), np.full((2, 5), 7.0)
    encoding.put_values(frame, slice(1, 3), values)
    assert np.array_equal(values, [[NAN, 0, 2, 7, 7], [2, 2, 3, 7, 7]], equal_nan=True)
    encoding.put_values(mixed([["3", "green", None]]), slice(0, 1), values[:1])
    assert np.array_equal(values[0], [3, 3, NAN, 7, 7], equal_nan=True)


def test_rows_that_were_taken_are_encoded_as_the_table_of_them() -> None:
    x = np.random.default_rng(1).normal(size=(9, 3))
    x[4, 1] = NAN
    rows = np.array([8, 4, 4, 0])
    for make in (
        lambda x: x,
        lambda x: x.astype(object),
        lambda x: np.column_stack([x.astype(object), list("abcabcabc")]),
    ):
        frame = read_frame(make(x))
        taken, encoding = frame.take(rows), learned(frame)
        assert np.array_equal(
            encoding.block(taken, slice(0, 4)), encoding.block(frame, slice(0, 9))[rows], equal_nan=True
        )
        assert np.array_equal(
            learned(taken).fitting_block(slice(1, 3)), encoding.block(taken, slice(1, 3)), equal_nan=True
        )


# Libraries


def tables() -> list[Any]:
    """Return the same table of numbers, few and many levels, as each library would hold it."""
    import polars
    import pyarrow

    random = np.random.default_rng(8)
    numbers = [None if number == 0 else number for number in random.integers(0, 9, ROWS).tolist()]
    colors = [("red", "green", "blue", None)[number] for number in random.integers(0, 4, ROWS)]
    columns = {"n": numbers, "color": colors, "city": cities(9)}
    kept = sorted(set(columns["city"]) - {None})
    frame = pandas.DataFrame({name: pandas.Series(cells, dtype=object) for name, cells in columns.items()})
    arrow = pyarrow.table({name: pyarrow.chunked_array([cells[:99], cells[99:]]) for name, cells in columns.items()})
    coded = pyarrow.chunked_array([arrow["city"].chunk(number).dictionary_encode() for number in range(2)])
    return [
        np.array(list(zip(*columns.values(), strict=True)), object),
        frame,
        frame.astype({"n": "Int64", "color": "string", "city": "category"}),
        frame.astype({"n": "float64", "color": "category", "city": "str" if pandas.__version__ >= "3" else "string"}),
        arrow.to_pandas(types_mapper=pandas.ArrowDtype),
        polars.DataFrame(columns),
        polars.DataFrame(columns, schema_overrides={"color": polars.Categorical, "city": polars.Enum(kept)}),
        arrow,
        arrow.set_column(2, "city", coded),
    ]


def test_all_libraries_give_the_same_features() -> None:
    y, training = np.random.default_rng(9).normal(size=(ROWS, 2)), np.random.default_rng(10).permutation(ROWS)[:300]
    frames = [read_frame(table) for table in tables()]
    encodings = [learned(frame, y, training=training) for frame in frames]
    fitting, predicting = (
        encodings[0].fitting_block(slice(5, ROWS)),
        encodings[0].block(frames[0], slice(5, ROWS)),
    )
    assert fitting.shape == (ROWS - 5, 9)
    for fitted in encodings[1:]:
        assert np.array_equal(fitted.fitting_block(slice(5, ROWS)), fitting, equal_nan=True)
        for frame in frames:
            fitted.schema.check(frame)
            assert np.array_equal(fitted.block(frame, slice(5, ROWS)), predicting, equal_nan=True)


# In a file


def saved() -> tuple[Encoding, Frame, dict[str, Any], dict[str, NDArray[np.float64]]]:
    frame = mixed([[1.0, cell, "few"] for cell in cities()])
    encoding = learned(frame, np.random.default_rng(11).normal(size=(ROWS, 2)))
    data, arrays = encoding_parts(encoding)
    return encoding, frame, json.loads(json.dumps(data)), arrays


def test_an_encoding_comes_back_from_its_parts() -> None:
    encoding, frame, data, arrays = saved()
    assert set(arrays) == {"statistics.1"}
    read = encoding_from_parts(data, arrays)
    assert (read.names, read.schema, read.targets) == (encoding.names, encoding.schema, encoding.targets)
    assert np.array_equal(read.scaled, encoding.scaled)
    assert np.array_equal(read.block(frame, slice(0, ROWS)), encoding.block(frame, slice(0, ROWS)))
    numbers = learned(read_frame(np.eye(3)))
    assert encoding_from_parts(*encoding_parts(numbers)).names == ("x0", "x1", "x2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"more": 1}, "other entries"),
        ({"schema": None}, "the schema has other entries"),
        ({"targets": None}, "no list of targets"),
        ({"targets": list(range(17))}, "no list of targets"),
        ({"targets": [0, True]}, "a target is no number of one"),
        ({"targets": [-1, 0]}, "a target is no number of one"),
        ({"targets": [1, 0]}, "not sorted and unique"),
        ({"targets": [0, 0]}, "not sorted and unique"),
        ({"targets": []}, "targets do not fit the columns"),
        ({"targets": [0]}, "statistics.1 is float64 of shape"),
    ],
)
def test_what_is_no_encoding(changes: dict[str, Any], reason: str) -> None:
    _, _, data, arrays = saved()
    with pytest.raises(ValueError, match=reason):
        encoding_from_parts(data | changes, arrays)


def test_arrays_that_are_no_statistics() -> None:
    _, _, data, arrays = saved()
    table = arrays["statistics.1"]
    for bad, reason in [
        ({}, r"arrays \[\] are not those of the columns with many levels"),
        ({"statistics.1": table, "statistics.2": table}, "are not those"),
        ({"statistics.1": table[:-1]}, "of shape"),
        ({"statistics.1": table.astype("f4")}, "statistics.1 is float32"),
        ({"statistics.1": np.where(table == table[0, 0], NAN, table)}, "NaN or infinity"),
        ({"statistics.1": -np.abs(table) - 1}, "negative count"),
    ]:
        with pytest.raises(ValueError, match=reason):
            encoding_from_parts(data, bad)

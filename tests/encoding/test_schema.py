"""Tests the schema of the training table, and which tables a model accepts for prediction."""

import json
import re
import warnings
from typing import Any

import numpy as np
import pandas
import pytest

from ash.data.frames import Frame, read_frame
from ash.encoding.kinds import MOST_LEVELS, ColumnSchema
from ash.encoding.schema import Schema, learn_schema, schema_from_json
from ash.errors import DataError

NAN = float("nan")
ROWS = [[1.5, "red", None, "7"], [NAN, "blue", None, None], [2.0, None, None, "8"], [2.5, "red", None, "9"]]
NAMES = ("size", "color", "empty", "text")


def mixed(rows: list[list[Any]] = ROWS) -> Frame:
    return read_frame(np.array(rows, object))


def named(*names: str, rows: list[list[Any]] = ROWS) -> Frame:
    return read_frame(pandas.DataFrame(rows, columns=list(names)))


def learned(frame: Frame) -> Schema:
    return learn_schema(frame, missing="indicator")[1]


def fit(schema: Schema, frame: Frame, *expecting: str) -> Frame:
    read = schema.read(frame, *expecting)
    schema.checked(read)
    return read


def test_a_schema_is_learned() -> None:
    expected = (
        ColumnSchema("number", "object", (), True),
        ColumnSchema("category", "object", ("blue", "red"), True),
        ColumnSchema("number", "object", (), True),
        ColumnSchema("number", "object", (), True),
    )
    assert learned(mixed()) == Schema(expected, None)
    assert learned(read_frame(np.eye(2))) == Schema((ColumnSchema("number", "float64"),) * 2)
    schema = learned(named(*NAMES))
    assert schema.names == NAMES
    text = "str" if pandas.__version__ >= "3" else "object"
    assert [column.dtype for column in schema.columns[:2]] == ["float64", text]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, NAN], [2.0, 1.0]], r"Input X contains NaN in column 1 \(1 of 2 rows, first row 0\): fill or drop"),
        ([["u", 1.0], ["v", None]], r"Input X contains NaN in column 1 \(1 of 2 rows, first row 1\)"),
        ([["u", 1.0], [None, 1.0]], r"Input X contains NaN in column 0 \(1 of 2 rows, first row 1\)"),
        ([[None, 1.0], [None, 1.0]], r"Input X contains NaN in column 0 \(2 of 2 rows, first row 0\)"),
    ],
)
def test_missing_cells_can_be_refused(rows: list[list[Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        learn_schema(mixed(rows), missing="error")
    assert learn_schema(mixed(rows), missing="indicator")[1].columns


def test_a_question_mark_is_missing_in_text_but_not_in_categories() -> None:
    cells = ["?", "b", "b", None, "b", "?"]
    for given, count in (
        (pandas.Series(cells, dtype=object), "3 of 6 rows, first row 0"),
        (pandas.Categorical(cells), "1 of 6 rows, first row 3"),
    ):
        with pytest.raises(DataError, match=count):
            learn_schema(read_frame(pandas.DataFrame({"x": given})), missing="error")


def test_numbers_beyond_float32_are_refused_in_training_and_prediction() -> None:
    with pytest.raises(DataError, match="Input X contains infinity"):
        learned(mixed([["a", np.inf]]))
    schema = learned(mixed([["a", 1.0]]))
    with pytest.raises(DataError, match=r"Input X contains a value too large for dtype\('float32'\) in column 1"):
        fit(schema, mixed([["a", 1e300]]))
    fit(schema, mixed([[None, None]]))


def test_unusual_levels_are_kept_unchanged() -> None:
    levels = ["\0", "a\0b", "\N{PILE OF POO}", "\ud800", "x" * 10_000, " a ", "-", "1"]
    gaps = ["", "nan", "None", "NA", "?", "n/a"]
    schema = learned(read_frame(np.array(levels + gaps, object)[:, None]))
    assert schema.columns[0].levels == tuple(sorted(levels)) and schema.columns[0].missing
    assert schema_from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_the_most_frequent_levels_are_kept() -> None:
    cells = np.array(["d", "c", "b", "a", "c", "e", "e", None, None, None], object)[:, None]
    schemas = [learn_schema(read_frame(cells), missing="indicator", most_levels=n)[1] for n in (1, 2, 3, 4)]
    kept = [schema.columns[0].levels for schema in schemas]
    assert kept == [("c",), ("c", "e"), ("a", "c", "e"), ("a", "b", "c", "e")]


def test_the_number_of_levels_is_bounded() -> None:
    cells = np.array([f"level {number:06d}" for number in range(100_000)] + ["level 099999"], object)
    levels = learned(read_frame(cells[:, None])).columns[0].levels
    assert len(levels) == MOST_LEVELS
    assert levels == tuple([*cells[: MOST_LEVELS - 1], "level 099999"])


# Tables for prediction


def test_a_wrong_number_of_columns_is_refused() -> None:
    schema = learned(mixed())
    message = "X has 3 features, but the network is expecting 4 features as input"
    with pytest.raises(DataError, match=re.escape(message)):
        fit(schema, mixed([row[:3] for row in ROWS]))
    with pytest.raises(DataError, match="but Classifier is expecting 4 features"):
        fit(schema, mixed([row[:3] for row in ROWS]), "Classifier")


@pytest.mark.parametrize(
    "given",
    [
        ("size", "color", "empty", "new"),
        ("size", "color", "empty"),
        ("f", "e", "d", "c", "b", "a", "g"),
    ],
)
def test_the_message_for_wrong_names_matches_scikit_learn(given: tuple[str, ...]) -> None:
    from sklearn.preprocessing import StandardScaler

    trained = pandas.DataFrame(np.eye(4), columns=list(NAMES))
    frame = pandas.DataFrame(np.zeros((1, len(given))), columns=list(given))
    with pytest.raises(ValueError, match="The feature names should match") as theirs:
        StandardScaler().fit(trained).transform(frame)
    with pytest.raises(DataError) as ours:
        fit(learned(read_frame(trained)), read_frame(frame))
    assert str(ours.value) == str(theirs.value)


def test_columns_are_matched_by_name_in_any_order() -> None:
    schema = learned(named(*NAMES))
    rows = [[None, "7", 8, 1.5, "red"]]
    frames = [named("empty", "text", "more", "size", "color", rows=rows), named(*NAMES, rows=[[1.5, "red", None, "7"]])]
    for frame in frames:
        read = fit(schema, frame)
        assert read.names == NAMES
        assert [column.cells(slice(None)) for column in read.columns] == [["1.5"], ["red"], [None], ["7"]]
    numbers = pandas.DataFrame(np.arange(6.0).reshape(2, 3), columns=["c", "a", "b"])
    read = fit(learned(read_frame(numbers[["a", "b"]])), read_frame(numbers))
    assert read.all_numbers().tolist() == [[1, 2], [4, 5]]


def test_numbers_of_any_type_can_be_levels() -> None:
    schema = learned(mixed([["1"], ["2.5"], ["x"], ["True"]]))
    assert schema.columns[0].levels == ("1", "2.5", "True", "x")
    for given, first in [([[1], [2]], "1"), ([[1.0], [2.5]], "1"), ([[True], [False]], "True")]:
        for frame in (read_frame(np.array(given)), read_frame(pandas.DataFrame(given))):
            assert fit(schema, frame).columns[0].cells(slice(None))[0] == first
    with pytest.raises(DataError, match="was category"):
        fit(learned(mixed([["1 a"], ["x"]])), read_frame(np.eye(1)))


def test_names_in_only_one_of_the_tables_are_accepted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(learned(mixed()), named(*NAMES))
        fit(learned(named(*NAMES)), mixed())


@pytest.mark.parametrize("trained", [1.0, True, "7"])
def test_number_like_text_fits_number_columns(trained: Any) -> None:
    schema = learned(mixed([[trained], [trained]]))
    for cell in (2, 2.5, False, "3", None, NAN):
        fit(schema, mixed([[cell]]))
    with pytest.raises(DataError, match=r"X in column 0 has dtype object \(category\), but was number of dtype object"):
        fit(schema, mixed([["red"]]))


def test_floats_do_not_fit_categories() -> None:
    schema = learned(mixed([["red", 1.0], ["blue", 2.0]]))
    for cell in ("red", "7", 7, True, None):
        fit(schema, mixed([[cell, "1"]]))
    fit(schema, read_frame([[NAN, 1.0]]))
    message = (
        "X in column 0 has dtype float64 (number), but was category of dtype object in training: data type doesn't "
        "match; pass the columns with the types that they had in training"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        fit(schema, read_frame(np.eye(2)))


def test_at_most_five_mismatched_columns_are_listed() -> None:
    schema = learned(mixed([["u"] * 7]))
    with pytest.raises(DataError) as caught:
        fit(schema, read_frame(np.zeros((1, 7))))
    found = re.findall(r"column (\d) has dtype float64", str(caught.value))
    assert found == ["0", "1", "2", "3", "4"]
    assert "; ...: data type doesn't match" in str(caught.value)
    with pytest.raises(DataError) as caught:
        fit(learned(mixed([["u"] * 2])), read_frame(np.zeros((1, 2))))
    assert str(caught.value).count("column") == 3
    assert "..." not in str(caught.value)


# Schemas in files


def test_a_schema_is_restored_from_json() -> None:
    strict = learn_schema(read_frame(np.eye(2)), missing="error", unknown="error")[1]
    for schema in (learned(mixed()), learned(named(*NAMES)), learned(read_frame(np.eye(2))), strict):
        assert schema_from_json(json.loads(json.dumps(schema.to_json()))) == schema


def column(**changes: Any) -> dict[str, Any]:
    return {"kind": "category", "dtype": "str", "levels": ["a", "b"], "missing": False} | changes


def saved(columns: Any, names: Any = None) -> dict[str, Any]:
    return {"columns": columns, "names": names, "missing": "indicator", "unknown": "bucket"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "the schema has missing or unexpected entries"),
        ([], "the schema has missing or unexpected entries"),
        ({"columns": [column()]}, "the schema has missing or unexpected entries"),
        (saved([column()]) | {"more": 1}, "the schema has missing or unexpected entries"),
        (saved([column()]) | {"missing": "mean"}, "does not say how to treat missing cells"),
        (saved([column()]) | {"missing": None}, "does not say how to treat missing cells"),
        (saved([column()]) | {"unknown": ["bucket"]}, "does not say how to treat unknown levels"),
        (saved([]), "no list of columns"),
        (saved({}), "no list of columns"),
        (saved([column()], []), "no name for each column"),
        (saved([column()], "a"), "no name for each column"),
        (saved([column()], [1]), "no name for each column"),
        (saved([column(), column()], ["a", "a"]), "a name twice"),
        (saved([None]), "column 0 of the schema has missing or unexpected entries"),
        (saved([column(), column(more=1)]), "column 1 of the schema has missing or unexpected entries"),
        (saved([column(kind="sound")]), "has an unknown kind: 'sound'"),
        (saved([column(kind=["number"])]), "has an unknown kind"),
        (saved([column(dtype=1)]), "no dtype"),
        (saved([column(missing=1)]), "whether cells were missing"),
        (saved([column(levels="ab")]), "levels that are not texts"),
        (saved([column(levels=["a", 1])]), "levels that are not texts"),
        (saved([column(levels=["a"] * (MOST_LEVELS + 1))]), "or too many"),
        (saved([column(levels=[])]), "a category with 0 levels"),
        (saved([column(kind="number")]), "levels that are not numbers"),
        (saved([column(kind="number", levels=[0.0, 1.0])]), "a number with 2 levels"),
        (saved([column(levels=["b", "a"])]), "not sorted and unique"),
        (saved([column(levels=["a", "a"])]), "not sorted and unique"),
    ],
)
def test_invalid_schemas_are_refused(data: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        schema_from_json(data)

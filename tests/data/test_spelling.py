"""Tests numbers written as text: which text is read, warnings, and that new tables are read like the training table."""

import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from numpy.typing import NDArray

import ash
from ash.data.files import read_table
from ash.data.frames import Frame, read_frame, spelled_frame
from ash.data.spelling import NumberSpelling, learn_spelling, spelling_from_json
from ash.data.targets import read_target, read_targets

ROWS = 300
RANDOM = np.random.default_rng(0)
NUMBERS = np.round(RANDOM.normal(scale=3e4, size=ROWS), 2)
LABELS = (NUMBERS > 0).astype(int)


def german(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


WRITTEN: dict[str, tuple[Callable[[float], str], NumberSpelling]] = {
    "decimal comma": (lambda number: f"{number:.2f}".replace(".", ","), NumberSpelling(",")),
    "thousands": (lambda number: f"{number:,.2f}", NumberSpelling(".", ",")),
    "thousands and decimal comma": (german, NumberSpelling(",", ".")),
    "blanks": (lambda number: f"{number:,.2f}".replace(",", "\u202f"), NumberSpelling(".", " ")),
    "blanks and decimal comma": (lambda number: german(number).replace(".", "\u00a0"), NumberSpelling(",", " ")),
    "apostrophes": (lambda number: f"{number:,.2f}".replace(",", "\u2019"), NumberSpelling(".", "'")),
    "dollars": (lambda number: f"-${-number:,.2f}" if number < 0 else f"${number:,.2f}", NumberSpelling(".", ",", "$")),
    "sign inside": (lambda number: f"$ {number:.2f}".replace(" -", "-"), NumberSpelling(".", "", "$")),
    "euros": (lambda number: f"{german(number)} \u20ac", NumberSpelling(",", ".", "\u20ac")),
    "code before": (lambda number: f"USD {number:,.2f}", NumberSpelling(".", ",", "USD")),
    "code behind": (lambda number: f"{german(number)} EUR", NumberSpelling(",", ".", "EUR")),
    "brackets": (
        lambda number: f"({-number:,.2f})" if number < 0 else f"{number:,.2f}",
        NumberSpelling(".", ","),
    ),
    "percent": (lambda number: f" {number:.2f} %", NumberSpelling(".", "", "%")),
    "minus sign alone": (lambda number: f"{number:.2f}".replace("-", "\u2212"), NumberSpelling(".")),
    "minus sign": (lambda number: f"{number:.2f}".replace("-", "\u2212").replace(".", ","), NumberSpelling(",")),
}


def spelled(cells: list[Any]) -> Frame:
    return spelled_frame(read_frame(pd.DataFrame({"x": np.array(cells, object)})))


def numbers_of(frame: Frame) -> list[float]:
    return frame.columns[0].numbers(slice(None)).tolist()


# Reading


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_are_read_in_every_spelling(name: str) -> None:
    write, spelling = WRITTEN[name]
    with pytest.warns(UserWarning, match=r"^X holds text that is read as numbers \(column 0 \('x'\): '.*' is -?\d"):
        frame = spelled([*map(write, NUMBERS.tolist()), None])
    assert frame.columns[0].natural == "number" and frame.columns[0].spelling == spelling
    assert np.array_equal(numbers_of(frame), [*NUMBERS, np.nan], equal_nan=True)


@pytest.mark.parametrize("gap", ["?", "N/A", " - ", "#N/A", "Unknown"])
def test_placeholders_for_missing_cells_do_not_make_a_category(gap: str) -> None:
    with pytest.warns(UserWarning, match=f"read as numbers .*: '{gap}' is missing".replace("?", r"\?")):
        frame = spelled(["1.5", gap, "1e3", "-2"])
    assert np.array_equal(numbers_of(frame), [1.5, np.nan, 1000, -2], equal_nan=True)


@pytest.mark.parametrize(
    "cells",
    [
        ["a", "b"],
        ["$", "$$", "$$$"],
        ["$5", "\u20ac5"],
        ["5 %", "5"],
        ["12:30", "08:15"],
        ["1,2,3", "4,5,6"],
        ["0,123.5", "1"],
        ["1 2", "3 4"],
        ["18-25", "26-35"],
        ["--5", "3"],
        ["$5$", "$6$"],
    ],
)
def test_other_text_stays_a_category(cells: list[str]) -> None:
    frame = spelled(cells * 3)
    assert frame.columns[0].natural == "category" and frame.columns[0].cells(slice(2)) == cells[:2]


def test_declared_categories_stay_categories() -> None:
    frame = spelled_frame(read_frame(pd.DataFrame({"x": pd.Categorical(["1,5", "2,5", "1,5"])})))
    assert frame.columns[0].natural == "category"


@pytest.mark.parametrize(
    ("cells", "number"),
    [
        (["1,234", "5,678"], 1234),
        (["1,234", "56"], 1234),
        (["1,234", "5678"], 1234),
        (["$1,234", "$7"], 1234),
        (["1.234 \u20ac", "980 \u20ac"], 1.234),
        (["1.234", "?"], 1.234),
    ],
)
def test_an_ambiguous_column_is_announced(cells: list[str], number: float) -> None:
    words = r"can be read as different numbers \(column 0 \('x'\): .* is .*\): if another number is meant, pass numbers"
    with pytest.warns(UserWarning, match=words):
        frame = spelled(cells)
    assert numbers_of(frame)[0] == number


@pytest.mark.parametrize(("cells", "first"), [(["0,123", "0,456"], 0.123), (["1,234", "0,5"], 1.234)])
def test_an_unambiguous_column_is_not_announced_as_ambiguous(cells: list[str], first: float) -> None:
    with pytest.warns(UserWarning, match="read as numbers") as said:
        assert numbers_of(spelled(cells))[0] == first
    assert len(said) == 1


@pytest.mark.parametrize("count", [50, 5000])
@pytest.mark.parametrize("odd", ["abc", "5 %"])
def test_a_column_with_almost_only_numbers_is_announced(count: int, odd: str) -> None:
    words = (
        rf"columns of numbers or dates with other text \(column 0 \('x'\): '{odd}'\): they are categories; to change"
    )
    with pytest.warns(UserWarning, match=words):
        assert spelled([*map(str, range(count)), odd]).columns[0].natural == "category"


def test_at_most_five_columns_are_named() -> None:
    table = pd.DataFrame({f"x{place}": ["0,5", "1,5"] for place in range(9)})
    with pytest.warns(UserWarning, match=r"'x4'\): '0,5' is 0.5; \.\.\.\)"):
        spelled_frame(read_frame(table))


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        lambda cells: pd.DataFrame(cells, dtype="string"),
        polars.DataFrame,
        pyarrow.table,
        lambda cells: np.array(list(cells.values()), object).T,
        lambda cells: np.array([["0,5", "a"], ["1,5", "b"], ["2,5", "a"]]),
    ],
    ids=["pandas", "string", "polars", "pyarrow", "objects", "text"],
)
def test_every_library_is_read_alike(make: Callable[[Any], Any]) -> None:
    with pytest.warns(UserWarning, match="read as numbers"):
        frame = spelled_frame(read_frame(make({"x": ["0,5", "1,5", "2,5"], "c": ["a", "b", "a"]})))
    assert numbers_of(frame) == [0.5, 1.5, 2.5] and [column.natural for column in frame.columns] == [
        "number",
        "category",
    ]
    taken = frame.take(np.array([2, 0]))
    assert numbers_of(taken) == [2.5, 0.5] and taken.columns[0].spelling == NumberSpelling(",")


def test_numbers_are_learned_from_the_rows_taken() -> None:
    frame = read_frame(pd.DataFrame({"x": ["a", "0,5", "1,5", "2,5"]})).take(np.array([3, 1]))
    with pytest.warns(UserWarning, match="read as numbers"):
        frame = spelled_frame(frame)
    assert numbers_of(frame) == [2.5, 0.5] and numbers_of(frame.take(np.array([1]))) == [0.5]


# Models


def fitted() -> tuple[ash.ASHClassifier, pd.DataFrame]:
    table = pd.DataFrame({"x": [*map(german, NUMBERS.tolist())], "c": RANDOM.choice(["a", "b"], ROWS)})
    table.loc[3, "x"] = "?"
    with pytest.warns(UserWarning, match="read as numbers"):
        model = ash.ASHClassifier(candidates=4, random_state=0).fit(table, LABELS)
    return model, table


def test_a_model_reads_other_tables_in_the_spelling_of_its_training(tmp_path: Path) -> None:
    model, table = fitted()
    assert model.score(table, LABELS) > 0.9
    as_numbers = table.assign(x=np.where(np.arange(ROWS) == 3, np.nan, NUMBERS))
    model.model_.save(tmp_path / "model.safetensors")
    loaded = ash.load(tmp_path / "model.safetensors")
    expected = model.model_.predict_proba(table)
    for one in (model.model_, loaded):
        for given in (table, as_numbers, polars.from_pandas(table)):
            assert one.predict_proba(given).tobytes() == expected.tobytes()
    assert loaded.encoding.schema == model.model_.encoding.schema.without_dtypes
    few = table.iloc[:1].assign(x="1.234")  # in the training table, "1.234" meant 1234
    many = table.iloc[:1].assign(x=1234.0)
    assert loaded.predict_proba(few).tobytes() == loaded.predict_proba(many).tobytes()


@pytest.mark.parametrize("cells", [["large"], ["1.5"], ["1.234", "1.5"], ["1.234", "1e5"], ["5 %"]])
def test_text_in_another_spelling_is_refused_in_predict(cells: list[str]) -> None:
    model, table = fitted()
    words = (
        rf"^X in column 0 \('x'\) holds '{cells[-1]}', which is not a number written like '1\.234,5', as in training"
    )
    with pytest.raises(ash.DataError, match=words):
        model.predict(table[: len(cells)].assign(x=cells))


def test_placeholders_for_missing_cells_are_read_even_if_training_had_none() -> None:
    table = pd.DataFrame({"x": NUMBERS, "c": RANDOM.choice(["a", "b"], ROWS)})
    model = ash.ASHClassifier(candidates=2, random_state=0).fit(table, LABELS)
    few, gap = table[:2].assign(x=["?", "1.5"]), table[:2].assign(x=[np.nan, 1.5])
    assert model.predict_proba(few).tobytes() == model.predict_proba(gap).tobytes()
    with pytest.raises(ash.DataError, match=r"column 0 \('x'\) has dtype .* \(category\), but was number"):
        model.predict(table[:2].assign(x=["?", "large"]))


def test_spellings_are_learned_with_a_validation_table_and_weights_of_zero() -> None:
    table, spoiled = pd.DataFrame({"x": [*map(german, NUMBERS.tolist())]}), pd.DataFrame({"x": ["large"]})
    weights = np.array([*np.ones(ROWS), 0])
    with pytest.warns(UserWarning, match="read as numbers"):
        result = ash.tune(
            pd.concat([table, spoiled]),
            [*LABELS, 0],
            sample_weight=weights,
            candidates=2,
            validation=(table[:50], LABELS[:50]),
            verbose=0,
        )
    assert result.model.encoding.schema.columns[0].spelling == NumberSpelling(",", ".")


# Files


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_are_read_alike(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ash.cli.command import main

    table = pd.DataFrame({"x": [*map(german, NUMBERS.tolist())], "y": [f"{2 * number:.2f} %" for number in NUMBERS]})

    def written(rows: pd.DataFrame, name: str) -> str:
        path = tmp_path / f"{name}.{kind}"
        if kind == "csv":
            rows.to_csv(path, index=False, sep=";")
        else:
            rows.to_parquet(path)
        return str(path)

    words = r"^.*table\..* holds text that is read as numbers \(column 0 \('x'\): '.*' is -?\d"
    with pytest.warns(UserWarning, match=words):
        read = read_table(written(table, "table"), None)
    assert np.array_equal(read.X.columns[0].numbers(slice(None)), NUMBERS)
    with pytest.warns(UserWarning, match=r"^y holds text that is read as numbers \('.* %' is"):
        target = read_target(read.y, ROWS, None)
    assert np.array_equal(target.y[:, 0], np.round(2 * NUMBERS, 2))
    made = str(tmp_path / "out" / "model.safetensors")
    given = str(tmp_path / f"table.{kind}")
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # the command must print the warnings
        assert main([given, "--candidates", "4", "--quiet", "--out", str(tmp_path / "out")]) == 0
        assert capsys.readouterr().err.count("holds text that is read as numbers") == 2
        assert main(["repeat", made, given]) == 0
    assert capsys.readouterr().out.startswith("identical") and ash.load(made).task == "regression"
    model = ash.ASHRegressor(candidates=2, random_state=0).fit(read.X, target.y[:, 0]).model_
    model.save(tmp_path / "model.safetensors")
    one = written(pd.DataFrame({"x": ["1.234"]}), "one")
    assert main(["predict", str(tmp_path / "model.safetensors"), one]) == 0
    expected = model.predict(pd.DataFrame({"x": [1234.0]}))
    assert float(capsys.readouterr().out.splitlines()[1]) == pytest.approx(expected[0])


# Targets


def test_a_target_is_read_like_a_column() -> None:
    X = np.arange(4.0)[:, None]
    with pytest.warns(UserWarning, match=r"^y holds text that is read as numbers \('-?1,25 \u20ac' is 1.25\)"):
        target = read_target(["0,5 \u20ac", "1,25 \u20ac", "2 \u20ac", "3 \u20ac"], len(X), "regression")
    assert target.y[:, 0].tolist() == [0.5, 1.25, 2, 3]
    with pytest.raises(ash.DataError, match="could not convert string to float: '0,5 \u20ac'"):
        read_targets(["0,5 \u20ac", "1,25 \u20ac"], 2, None, 1)
    for y in (["0,5", "1,5", "2,5", "3,5"], ["0.5", "1.5", "2.5", "3.5"]):
        with pytest.warns(UserWarning, match="read as numbers"):
            assert read_target(y, len(X), None).task == "regression"


@pytest.mark.parametrize(
    "y", [["1", "2", "1", "2"], ["1,000", "2,000", "1,000", "2,000"], ["a", "b", "a", "b"], [*map(str, range(90))]]
)
def test_text_that_can_be_labels_is_used_as_labels(y: list[str]) -> None:
    for task in (None, "classification"):
        target = read_target(y, len(y), task)
        assert target.classes is not None and target.classes.tolist() == sorted(set(y))


def test_a_target_with_missing_cells_is_refused() -> None:
    with pytest.raises(ash.DataError, match="y holds text that is not a number"):
        read_target(["0,5", "?", "1,5"], 3, "regression")


# Spellings from files


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"decimal": ",", "thousands": "", "unit": "", "more": 1},
        {"decimal": ";", "thousands": "", "unit": ""},
        {"decimal": ".", "thousands": ".", "unit": ""},
        {"decimal": ".", "thousands": "", "unit": "kg"},
        {"decimal": ".", "thousands": "", "unit": 5},
        {"decimal": ["."], "thousands": "", "unit": ""},
    ],
)
def test_invalid_spellings_are_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="a spelling"):
        spelling_from_json(data)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_spelling_survives_json(name: str) -> None:
    spelling = WRITTEN[name][1]
    assert spelling_from_json(asdict(spelling)) == spelling and spelling.number(spelling.example) == 1234.5


def test_a_spelling_reads_only_its_own_numbers() -> None:
    spelling = learn_spelling({"1.234,5", "6"}).spelling
    assert spelling == NumberSpelling(",", ".")
    found: list[NDArray[Any] | float] = [spelling.number(text) for text in ("1.234", "-1.234.567,25", "?")]
    assert found[:2] == [1234, -1234567.25] and np.isnan(found[2])
    for text in ("1,234.5", "1.23", "12.3456", "1e5", "5 %", "+-5", "one"):
        with pytest.raises(ValueError, match="is not a number in this spelling"):
            spelling.number(text)


# Warnings for numbers that may have another meaning


def test_leading_zeros_are_announced() -> None:
    with pytest.warns(UserWarning, match=r"leading zeros .*'01067' is 1067\): if it is a code, declare it in categori"):
        frame = spelled(["01067", "80331", "20095"])
    assert frame.columns[0].natural == "number"
    declared = ash.describe(pd.DataFrame({"x": ["01067", "80331"] * 9}), categorical_features=["x"])
    assert declared.columns[0].levels == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spelled(["0", "0.5", "10"])


def test_text_of_thousands_of_digits_is_refused_as_infinite() -> None:
    cells = ["0" + 5000 * "9", "1"] * 9
    with pytest.raises(ash.DataError, match=r"contains infinity or a value too large .* in column 0 \('x'\)"):
        ash.tune(pd.DataFrame({"x": cells}), [0, 1] * 9, candidates=2, verbose=0)


def test_a_word_among_python_numbers_is_announced() -> None:
    with pytest.warns(UserWarning, match=r"columns of numbers or dates with other text \(column 0.*: 'unclear'\)"):
        frame = spelled([*range(50), "unclear"])
    assert frame.columns[0].natural == "category"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spelled([*range(5), *["red", "blue"] * 9]).columns[0].natural == "category"


def test_two_currencies_are_not_numbers() -> None:
    assert learn_spelling({"USD 5", "EUR 5", "7 EUR"}).spelling is None
    assert learn_spelling({"USD EUR 5", "USD EUR 6"}).spelling is None
    assert learn_spelling({"(5)", "(-5)"}).spelling is None
    assert not NumberSpelling(".", "", "USD").reads("5 $")

"""Tests the description of columns by `ash.describe`, and where a run shows it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash
from ash.encoding.schema import SEEN_ROWS
from ash.encoding.table_summary import model_summary

ROWS = 300
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "area": np.where(RANDOM.random(ROWS) < 0.1, np.nan, RANDOM.normal(100, 20, ROWS)),
        "color": np.where(RANDOM.random(ROWS) < 0.1, None, RANDOM.choice(["red", "blue"], ROWS)),
        "city": [f"city {number}" for number in RANDOM.integers(0, 40, ROWS)],
        "price": [f"{number:.2f}".replace(".", ",") for number in RANDOM.normal(size=ROWS)],
        "sold": pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 700, ROWS), unit="D"),
    }
)
Y = RANDOM.normal(size=ROWS)


@pytest.mark.filterwarnings("ignore:X holds text that is read as numbers")
def test_columns_are_described() -> None:
    summary = ash.describe(FRAME, Y)
    told = [(each.name, each.kind, each.levels, each.missing, each.features) for each in summary.columns]
    assert told == [
        ("area", "number", None, int(FRAME["area"].isna().sum()), 2),
        ("color", "category", 2, int(FRAME["color"].isna().sum()), 3),
        ("city", "category", 40, 0, 2),
        ("price", "number", None, 0, 1),
        ("sold", "date", None, 0, 1 + 12 + 7 + 3),
    ]
    whys = [each.why for each in summary.columns]
    assert whys[1:3] == ["one-hot encoded: at most 32 levels", "statistics of the target: more than 32 levels"]
    assert whys[3:] == ["scaled; text like '1234,5'", "days since 1970 and month, weekday, day, year, day of year"]
    assert summary.rows == ROWS and summary.target == "regression of 1 target" and not summary.odd
    assert sum(each.features for each in summary.columns) == len(fitted().encoding.names)


def fitted() -> Any:
    return ash.tune(FRAME, Y, candidates=1, verbose=0, n_jobs=1, validation=0.2).model


@pytest.mark.filterwarnings("ignore:X holds text that is read as numbers")
def test_a_model_describes_its_columns_like_the_table() -> None:
    table, model = ash.describe(FRAME, Y).columns, tuple(model_summary(fitted().encoding))
    for one, other in zip(table, model, strict=True):
        assert (one.name, one.kind, one.levels, one.features, one.why) == (
            other.name,
            other.kind,
            other.levels,
            other.features,
            other.why,
        )
        assert bool(one.missing) is other.missing


@pytest.mark.parametrize("rows", [ROWS, 3 * SEEN_ROWS])
def test_suspicious_columns_are_named(rows: int) -> None:
    x, labels = RANDOM.normal(size=rows), RANDOM.choice(["a", "b", "c"], rows)
    odd = pd.DataFrame(
        {
            "x": x,
            "one": 1,
            "none": None,
            "nan": np.nan,
            "word": "a",
            "number": np.arange(rows) * 3 + 7,
            "key": [f"{value:.9f} k" for value in x],
            "twin": x,
            "label": labels,
            "other": labels,
            "fine": RANDOM.integers(0, 9, rows),
            "leak": pd.Series(labels).map({"a": 2, "b": 5, "c": 3}),
        }
    )
    summary = ash.describe(odd, labels)
    assert {each.name: each.notes[0] for each in summary.odd} == {
        "one": "constant: tells nothing",
        "none": "constant: tells nothing",
        "nan": "constant: tells nothing",
        "word": "constant: tells nothing",
        "number": "looks like an id: a different value in each row",
        "key": "looks like an id: a different value in each row",
        "twin": "copy of x",
        "label": "copy of the target",
        "other": "copy of label",
        "leak": "copy of the target",
    }
    nearly = odd.assign(one=[2] + [1] * (rows - 1), twin=[0.0, *x[1:]], other=["z", *labels[1:]])
    nearly["leak"] = [9, *nearly["leak"][1:]]
    assert {each.name for each in ash.describe(nearly, labels).odd} == {
        *("none", "nan", "word", "number", "key", "label")
    }


def test_distinct_numbers_are_not_a_copy_of_a_distinct_target() -> None:
    x, y = RANDOM.normal(size=(2, ROWS))
    table = pd.DataFrame(
        {"x": x, "order": RANDOM.permutation(ROWS), "grows": y**3, "falls": -y, "days": [f"d{v}" for v in x]}
    )
    assert {each.name: each.notes for each in ash.describe(table, y).odd} == {
        "grows": ("copy of the target",),
        "falls": ("copy of the target",),
        "days": ("looks like an id: a different value in each row",),
    }


def test_a_table_is_described_without_target_and_names() -> None:
    summary = ash.describe(np.array([[1, "a"], [1, "b"], [1, "a"]], object), categorical_features=[0])
    assert [each.name for each in summary.columns] == ["x0", "x1"] and summary.target == ""
    assert summary.columns[0].kind == "category" and summary.columns[0].notes
    with pytest.raises(ash.DataError, match="X is None"):
        ash.describe(None)
    with pytest.raises(ash.SettingError, match="task must be one of"):
        ash.describe(FRAME, Y, task="clustering")


def test_the_description_is_shown_as_text_and_html() -> None:
    wide = pd.DataFrame(RANDOM.normal(size=(99, 60)), columns=[f"<c{place}>" for place in range(60)])
    lines = repr(ash.describe(wide)).splitlines()
    assert lines[0] == "99 rows, 60 columns" and "<c0> ... <c59> (60 columns)" in lines[2] and len(lines) == 3
    for place in range(2, 60):
        wide.iloc[:place, place] = np.nan
    lines = repr(ash.describe(wide)).splitlines()
    assert "<c0>, <c1>" in lines[2] and "<c2>" in lines[3]
    assert lines[-1] == "... and 19 more columns" and len(lines) == 43
    assert ash.describe(wide)._repr_html_().count("&lt;c59&gt;") == 1


@pytest.mark.filterwarnings("ignore:X holds text that is read as numbers")
def test_progress_output_starts_with_the_description(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    result = ash.tune(FRAME, Y, candidates=2, verbose=2, n_jobs=1, validation=0.2)
    assert capsys.readouterr().err.startswith(f"{ROWS} rows, 5 columns; regression of 1 target\ncolumn ")
    ash.tune(FRAME, Y, candidates=2, verbose=0, n_jobs=1, validation=0.2)
    assert capsys.readouterr().err == ""
    page = result.report(tmp_path / "report.html").read_text()
    assert "Columns of the table" in page and "days since 1970 and month, weekday, day" in page

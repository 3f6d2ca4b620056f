"""Tests columns declared as categories.

Columns are declared by name, index or mask, in arrays, frames and files. Models and records keep the declaration.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

import ash
from ash.cli.command import main
from ash.data.table import read_training
from ash.errors import DataError, SettingError

pytestmark = pytest.mark.usefixtures("empty_folder")
ROWS = 120
RANDOM = np.random.default_rng(0)
CODES = RANDOM.integers(1, 6, ROWS)
X = np.column_stack([CODES, RANDOM.normal(size=ROWS)])
FRAME = pd.DataFrame({"code": CODES, "x": X[:, 1], "flag": CODES > 2})
Y = np.isin(CODES, (2, 4)).astype(int)
RUN: dict[str, Any] = {"candidates": 2, "validation": 0.2, "verbose": 0, "n_jobs": 1}


def kinds(given: Any, categorical: Any) -> list[str]:
    return [column.natural for column in read_training(given, Y, categorical=categorical).frame.columns]


@pytest.mark.parametrize("categorical", [["code"], [0], [-3], [True, False, False], np.array([0]), pd.Index(["code"])])
def test_columns_are_declared_by_name_index_or_mask(categorical: Any) -> None:
    model = ash.tune(FRAME, Y, categorical_features=categorical, **RUN).model
    assert [column.kind for column in model.encoding.schema.columns] == ["category", "number", "number"]
    assert model.encoding.schema.columns[0].levels == tuple("12345")
    assert model.encoding.names[:2] == ("code=1", "code=2")


def test_no_column_is_declared_by_default() -> None:
    for categorical in (None, "from_dtype", [], [False] * 3):
        model = ash.tune(FRAME, Y, categorical_features=categorical, **RUN).model
        assert all(column.kind == "number" for column in model.encoding.schema.columns)


def test_a_model_accepts_declared_columns_of_any_type(tmp_path: Path) -> None:
    model = ash.tune(FRAME, Y, categorical_features=["code", "flag"], **RUN).model
    assert model.encoding.schema.columns[2].levels == ("False", "True")
    expected = model.predict_proba(FRAME)
    text = FRAME.assign(code=FRAME["code"].astype(str), flag=FRAME["flag"].astype(str).str.lower())
    floats = FRAME.assign(code=FRAME["code"].astype(float))
    levels = FRAME.astype({"code": "category", "flag": "category"})
    arrow = pyarrow.Table.from_pandas(FRAME)
    for given in (FRAME, text, floats, levels, polars.from_pandas(FRAME), arrow, FRAME.to_numpy(object)):
        assert np.array_equal(model.predict_proba(given), expected)
    model.save(tmp_path / "m.safetensors")
    for name, table in {"a.csv": FRAME, "b.csv": text, "c.csv": floats}.items():
        table.to_csv(tmp_path / name, index=False)
        assert (
            main(["predict", str(tmp_path / "m.safetensors"), str(tmp_path / name), "--out", str(tmp_path / "p")]) == 0
        )
        assert (pd.read_csv(tmp_path / "p").iloc[:, 0] == model.predict(FRAME)).all()
    unseen = model.predict_proba(FRAME.assign(code=9))
    assert np.array_equal(unseen, model.predict_proba(FRAME.assign(code="nine")))
    assert np.array_equal(model.predict_proba(FRAME.assign(code=None)), model.predict_proba(FRAME.assign(code="NA")))


def test_number_like_text_is_the_same_category_as_the_number() -> None:
    zips = [f"{code:05}" for code in CODES]
    models = [
        ash.tune(FRAME.assign(code=codes), Y, categorical_features=["code"], **RUN).model
        for codes in (zips, CODES, CODES.astype(float), list(map(str, CODES)))
    ]
    assert len({model.digest for model in models}) == 1
    odd = ash.tune(FRAME.assign(code=[*zips[1:], "x"]), Y, categorical_features=["code"], **RUN).model
    assert odd.encoding.schema.columns[0].levels[:2] == ("00001", "00002")


def test_single_precision_numbers_have_the_same_levels_in_all_libraries() -> None:
    tenths = np.where(np.arange(ROWS) == 0, np.nan, CODES / 10).astype(np.float32)
    frame = pd.DataFrame({"x": tenths})
    objects = pd.DataFrame({"x": list(tenths)}, dtype=object)
    for table in (frame, frame.convert_dtypes(), objects, polars.from_pandas(frame), pyarrow.Table.from_pandas(frame)):
        column = read_training(table, Y, categorical=["x"]).frame.columns[0]
        assert column.cells(slice(0, ROWS)) == [None, *(f"{code / 10}" for code in CODES[1:])]


def test_an_array_can_have_declared_categories() -> None:
    assert kinds(X, [0]) == ["category", "number"]
    fit = ash.ASHClassifier(categorical_features=[0], candidates=4, random_state=0, n_jobs=1).fit(X, Y)
    assert fit.model_.encoding.names[:5] == tuple(f"x0={code}" for code in range(1, 6))
    assert np.array_equal(fit.predict(X), fit.model_.predict(pd.DataFrame(X)))
    again = ash.ASHClassifier(record=fit.result_.record, n_jobs=1).fit(X, Y)
    assert again.model_.digest == fit.model_.digest


def test_unknown_columns_are_refused() -> None:
    for categorical, message in [
        (["kode"], "categorical_features has 'kode', which is not a column of X; did you mean 'code'"),
        (["zzz"], "which is not a column of X; its columns are code, x, flag"),
        ([3], "categorical_features has 3, but X has columns 0 to 2"),
        ([True], "categorical_features has 1 bools, but X has 3 columns"),
        ("code", "categorical_features must be a list of names, .* got 'code'"),
        (["code", 1], "must be a list of names"),
        ([0.5], "must be a list of names"),
        (7, "must be a list of names"),
    ]:
        with pytest.raises(SettingError, match=message):
            ash.tune(FRAME, Y, categorical_features=categorical, **RUN)
    with pytest.raises(SettingError, match="categorical_features has names, but X has none"):
        ash.tune(X, Y, categorical_features=["code"], **RUN)
    with pytest.raises(DataError, match="holds dates, which cannot be categories"):
        ash.tune(FRAME.assign(code=pd.Timestamp(0)), Y, categorical_features=["code"], **RUN)


def test_the_command_declares_categories_and_repeats_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FRAME.assign(y=Y).to_csv(tmp_path / "a.csv", index=False)
    run = [str(tmp_path / "a.csv"), "--categorical", "code", "--categorical", "flag", "--candidates", "2", "--quiet"]
    assert main([*run, "--out", str(tmp_path)]) == 0
    model = str(tmp_path / "model.safetensors")
    assert [column.kind for column in ash.load(model).encoding.schema.columns] == ["category", "number", "category"]
    assert main(["repeat", model, str(tmp_path / "a.csv")]) == 0
    assert "identical" in capsys.readouterr().out
    assert main([*run[:1], "--categorical", "kode", "--out", str(tmp_path / "b")]) == 2
    assert "did you mean 'code'" in capsys.readouterr().err


def test_declared_text_is_kept_without_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = [f"2024-01-{day:02}" for day in CODES]
    FRAME.assign(day=days, cost=[f"${code}" for code in CODES], y=Y).to_csv(tmp_path / "a.csv", index=False)
    words = [str(tmp_path / "a.csv"), "--candidates", "2", "--quiet", "--out", str(tmp_path)]
    assert main([*words, "--categorical", "day", "--categorical", "cost"]) == 0
    assert capsys.readouterr().err == ""
    columns = ash.load(tmp_path / "model.safetensors").encoding.schema.columns
    assert columns[3].levels == tuple(sorted(set(days))) and columns[4].kind == "category"
    assert main(["check", str(tmp_path / "model.safetensors"), str(tmp_path / "a.csv")]) == 0


def test_a_column_with_conflicting_roles_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FRAME.assign(day=pd.Timestamp("2024-01-01"), word="a", y=Y).to_csv(tmp_path / "a.csv", index=False)
    for words, message in [
        (["--target", "y", "--ignore", "y"], "'y' is needed, so it cannot be ignored"),
        (["--target", "day"], "the target 'day' holds dates: turn it into numbers or text first"),
        (["--target", "y", "--weight", "word"], "the weights in 'word' must be numbers, got string"),
        (["--target", "y", "--ignore", "kode"], "has no column 'kode'; did you mean 'code'?"),
    ]:
        assert main([str(tmp_path / "a.csv"), *words]) == 2
        assert message in capsys.readouterr().err


def test_the_csv_format_can_be_specified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = FRAME.assign(x=FRAME["x"].round(3), größe=Y)
    table.to_csv(tmp_path / "a.csv", index=False, sep="|", decimal=",", encoding="latin-1")
    form = ["--sep", "|", "--decimal", ",", "--encoding", "latin-1"]
    run = [str(tmp_path / "a.csv"), "--target", "größe", "--candidates", "2", "--quiet", "--out", str(tmp_path)]
    assert main([*run, *form]) == 0
    model = str(tmp_path / "model.safetensors")
    assert main(["predict", model, str(tmp_path / "a.csv"), *form, "--out", str(tmp_path / "p.csv")]) == 0
    assert (pd.read_csv(tmp_path / "p.csv")["größe"] == ash.load(model).predict(table)).all()
    assert main(["check", model, str(tmp_path / "a.csv"), *form]) == 0
    capsys.readouterr()
    for more, message in [
        (["--encoding", "latin-1"], "must have a target and at least one more column"),
        ([], "is not valid UTF-8 text"),
        (["--sep", "ab"], "sep must be one character"),
        (["--encoding", "latin-99"], "encoding must be one that Python knows"),
    ]:
        assert main([*run[:1], *more]) == 2
        assert message in capsys.readouterr().err

"""Tests tables that were once misread or caused a traceback."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from sklearn.metrics import roc_auc_score

import ash
from ash.cli.command import main
from ash.data.csv import CsvFormat
from ash.data.files import Roles, read_table
from ash.data.frames import read_frame, spelled_frame
from ash.errors import DataError, SettingError

ROWS = 80
RANDOM = np.random.default_rng(0)
RUN: dict[str, Any] = {"candidates": 2, "validation": 0.2, "verbose": 0, "n_jobs": 1}
pytestmark = pytest.mark.usefixtures("empty_folder")


def written(folder: Path, text: str) -> str:
    (folder / "a.csv").write_text(text)
    return str(folder / "a.csv")


def numbers(path: str, *form: str) -> list[list[float]]:
    X = read_table(path, None, CsvFormat(*form) if form else None).X
    return [column.numbers(slice(None)).tolist() for column in X.columns]


# Sentinels


def score_of_networks(cells: float = 1.0) -> float:
    """Return the AUC on new rows if the first column decides and three of its training cells are `cells`."""
    random = np.random.default_rng(0)
    decides = (random.random(1600) < 0.2).astype(float)
    labels = random.random(1600) < np.where(decides == 1, 0.85, 0.1)
    x = np.column_stack([decides, random.normal(size=(1600, 3))])
    training = x[:1200].copy()
    training[np.flatnonzero(decides[:1200])[:3], 0] = cells
    fitted = ash.ASHClassifier(candidates=8, random_state=0, n_jobs=1).fit(training, labels[:1200])
    return float(roc_auc_score(labels[1200:], fitted.predict_proba(x[1200:])[:, 1]))


def test_three_sentinels_do_not_hide_the_column_that_decides() -> None:
    plain = score_of_networks()
    for sentinel in (9999.0, -1e30):
        assert score_of_networks(sentinel) > plain - 0.05 > 0.85


def test_whole_numbers_may_be_integers_or_floats() -> None:
    random = np.random.default_rng(1)
    counts = pd.DataFrame({"a": random.poisson(0.2, 400), "b": random.poisson(3, 400)})
    labels = counts["a"] + random.integers(0, 2, 400) > 0
    digests = [ash.tune(counts.astype(kind), labels, **RUN).digest for kind in (np.int8, int, np.float32, float)]
    assert len(set(digests)) == 1


# Numbers as categories


def test_long_ids_are_separate_levels() -> None:
    ids = np.arange(6).repeat(20) + 2**60
    y = ids % 2 == 0
    frames = [pd.DataFrame({"id": ids}), pd.DataFrame({"id": ids.astype(str)}), polars.DataFrame({"id": ids})]
    for frame in [*frames, pd.DataFrame({"id": pd.Categorical(ids)})]:
        model = ash.tune(frame, y, categorical_features=["id"], **RUN).model
        assert model.encoding.schema.columns[0].levels == tuple(map(str, sorted(set(ids.tolist()))))
        for other in frames:
            assert np.array_equal(model.predict_proba(other), model.predict_proba(frame))


@pytest.mark.parametrize(
    ("trained", "given"),
    [
        ([1.0, 2.0, 10.0, "A"], ["1.0", "2.0", "10.0", "A"]),
        (["1", "2", "A", "10"], [1.0, 2.0, np.nan, 10.0]),
        (["01", "02", "2A", "10"], [1, 2, 10, 10]),
    ],
)
def test_a_level_is_recognized_however_its_number_is_written(trained: list[Any], given: list[Any]) -> None:
    cells = np.array(trained * 20, object)
    model = ash.tune(pd.DataFrame({"x": cells}), np.arange(80) % 4 > 1, **RUN).model
    expected = model.predict_proba(pd.DataFrame({"x": cells[:4]}))
    seen = model.predict_proba(pd.DataFrame({"x": given}))
    known = [number for number, cell in enumerate(given) if cell == cell and str(trained[number]) not in ("A", "2A")]
    assert np.array_equal(seen[known], expected[known])
    assert len(np.unique(expected[known][:, 0])) > 1


@pytest.mark.filterwarnings("ignore:X has columns that cannot help")
def test_booleans_and_single_precision_numbers_can_be_levels() -> None:
    flags = np.arange(ROWS) % 2 == 0
    model = ash.tune(pd.DataFrame({"x": flags}), flags, categorical_features=[0], **RUN).model
    assert np.array_equal(
        model.predict_proba(pd.DataFrame({"x": flags.astype(int)})), model.predict_proba(flags[:, None])
    )
    tenths = (np.arange(ROWS) % 3 / 10).astype(np.float32)
    model = ash.tune(tenths[:, None], flags, categorical_features=[0], **RUN).model
    assert model.encoding.schema.columns[0].levels == ("0", "0.1", "0.2")


def test_dates_are_refused_as_levels_but_intervals_are_accepted() -> None:
    cells = np.array(["01", "02", "2A", "10"] * 20, object)
    model = ash.tune(pd.DataFrame({"x": cells}), np.arange(80) % 2 == 0, **RUN).model
    with pytest.raises(DataError, match=r"\(date\), but was category"):
        model.predict(pd.DataFrame({"x": pd.to_datetime(["2024-01-01"])}))
    for levels in (pd.cut(np.arange(10), 3), pd.Categorical(pd.to_datetime(["2024-01-01", "2024-02-01"] * 5))):
        assert ash.describe(pd.DataFrame({"x": levels})).columns[0].kind == "category"


# Numbers and dates that Arrow cannot cast


def test_large_numbers_that_arrow_refuses_to_round_are_read() -> None:
    large = [1234567890123456789, 5, None]
    for table in (pyarrow.table({"x": large}), pd.DataFrame({"x": pd.array(large, dtype="int64[pyarrow]")})):
        assert np.array_equal(read_frame(table).columns[0].numbers(slice(2)), [1234567890123456768, 5])


def test_dates_in_the_distant_past_and_future_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "d,y\n9999-12-31,1\n0001-01-01,2\n2020-05-05,3\n")
    assert numbers(path) == [[2932896, -719162, 18387]]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["Marker-1-15", "Market-2-15"], "category"),
        (["Decision-5-20", "Junction-7-19"], "category"),
        (["2024-01-01T10:00+25:99", "2024-01-02T10:00+01:00"], "category"),
        (["Sept-1-2020", "September-2-2020"], "date"),
    ],
)
@pytest.mark.filterwarnings("ignore:X holds text that is read as dates")
def test_only_month_names_are_read_as_months(cells: list[str], kind: str) -> None:
    assert spelled_frame(read_frame(pd.DataFrame({"x": cells}))).columns[0].natural == kind


def test_fractions_of_seconds_do_not_settle_the_order_of_day_and_month() -> None:
    cells = ["03/04/2026 10:00:00.000", "05/06/2026 11:30:00.500"]
    with pytest.warns(UserWarning, match="can be read as different dates"):
        frame = spelled_frame(read_frame(pd.DataFrame({"x": cells})))
    assert frame.columns[0].cells(slice(1)) == ["2026-03-04T10:00:00"]


# Files


def test_a_decimal_comma_applies_to_text_columns_too(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b;y\n1.234;2,5;1.000\n980;4;2.500\n12.500;1,0;7\n")
    assert numbers(path, ";", ",") == [[1234, 980, 12500], [2.5, 4, 1]]
    assert read_table(path, None, CsvFormat(";", ",")).y.tolist() == [1000, 2500, 7]


def test_names_generated_by_pandas_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(RANDOM.normal(size=(5, 3)))
    for index in (False, True):
        frame.to_csv(tmp_path / "a.csv", index=index)
        data = read_table(str(tmp_path / "a.csv"), Roles("2", ignore=[""] if index else []))
        assert data.X.names == ("0", "1") and data.X.rows == 5
    frame.add_prefix("x").sample(frac=1, random_state=0).to_parquet(tmp_path / "a.parquet")
    assert read_table(str(tmp_path / "a.parquet")).X.names == ("x0", "x1")


def test_blank_lines_and_encodings_are_handled(tmp_path: Path) -> None:
    assert numbers(written(tmp_path, "\n\na,y\n1,2\n\n3,4\n")) == [[1, 3]]
    with pytest.raises(DataError, match="is not valid utf-16 text"):
        read_table(written(tmp_path, "a,y\n1,2\n"), None, CsvFormat(encoding="utf-16"))
    for encoding in ("base64", "latin-99"):
        with pytest.raises(SettingError, match="encoding must be one that Python knows"):
            CsvFormat(encoding=encoding)


def test_one_long_text_does_not_multiply_memory_use() -> None:
    cells = np.array(["a", "b"] * 10_000, object)
    cells[7] = "x" * 100_000
    assert ash.describe(pd.DataFrame({"x": cells}), np.arange(20_000) % 3).columns[0].kind == "category"


# The command line


@pytest.fixture
def table(tmp_path: Path) -> str:
    x = RANDOM.normal(size=200)
    y = np.where(x + RANDOM.normal(scale=0.3, size=200) > 0, "yes", "no")
    pd.DataFrame({"x": x, "w": RANDOM.integers(0, 3, 200), "y": y}).to_csv(tmp_path / "a.csv", index=False)
    return str(tmp_path / "a.csv")


@pytest.mark.parametrize("metric", ["matthews_corrcoef", "jaccard_macro", "f1", "roc_auc"])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_metric_works_with_and_without_weights(
    metric: str, weighted: bool, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--weight", "w"] if weighted else ["--ignore", "w"]
    more += ["--positive", "yes"] if metric == "f1" else []
    assert main([table, "--metric", metric, "--candidates", "4", "--out", str(tmp_path / "out"), *more]) == 0
    shown = rf"^{metric} on new rows: (\d\.\d+) on the test part; estimated (\d\.\d+) \(standard error (\d\.\d+)\)$"
    found = re.search(shown, capsys.readouterr().out, re.MULTILINE)
    assert found is not None
    score, estimated, error = map(float, found.groups())
    assert all(0.4 < each <= 1 for each in (estimated, score)) and 0 < error < 0.2


def test_invalid_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for weight, shown in (("", "contains NaN: nan in row 7"), ("-1", "`sample_weight`: -1.0 in row 7")):
        rows = "".join(f"{row},{weight if row == 7 else 1},{row % 2}\n" for row in range(40))
        assert main([written(tmp_path, f"x,w,y\n{rows}"), "--weight", "w"]) == 2
        said = capsys.readouterr().err
        assert "the weights in 'w' cannot be used: " in said and shown in said


def test_an_empty_journal_does_not_allow_overwriting_a_model(table: str, tmp_path: Path) -> None:
    (tmp_path / "run.ash").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_text("precious")
    words = [table, "--candidates", "2", "--out", str(tmp_path / "out"), "--journal", str(tmp_path / "run.ash")]
    assert main(words) == 2
    assert (tmp_path / "out" / "model.safetensors").read_text() == "precious"


# Infinite numbers and duplicate names


def infinite(frame: Any, place: int = 0) -> Any:
    changed = frame.copy()
    changed[3, place], changed[9, place] = np.inf, -np.inf
    return changed


@pytest.mark.parametrize("kind", ["float64", "float32", "Fortran", "object", "pandas", "polars", "pyarrow"])
def test_infinite_numbers_are_treated_as_missing_on_request(kind: str) -> None:
    x = RANDOM.normal(size=(ROWS, 2)).round(3)
    y, given, gaps = x[:, 0] > 0, infinite(x), x.copy()
    gaps[[3, 9], 0] = np.nan
    make: Any = {
        "float64": lambda x: x,
        "float32": np.float32,
        "Fortran": np.asfortranarray,
        "object": lambda x: x.astype(object),
        "pandas": lambda x: pd.DataFrame(x, columns=["a", "b"]),
        "polars": lambda x: polars.DataFrame(x, ["a", "b"]),
        "pyarrow": lambda x: pyarrow.table({"a": x[:, 0], "b": x[:, 1]}),
    }[kind]
    config = ash.SearchConfig(infinite="missing")
    told = r"X holds infinite numbers, which are treated as missing \(column 0.*: 2 of 80 rows\)"
    with pytest.warns(UserWarning, match=told):
        found = ash.tune(make(given), y, config=config, **RUN)
    expected = ash.tune(make(gaps), y, config=config, **RUN)
    assert found.digest == expected.digest and found.model.digest == expected.model.digest
    with pytest.warns(UserWarning, match=told):
        predicted = found.model.predict_proba(make(given))
    assert np.array_equal(predicted, expected.model.predict_proba(make(gaps)))


def test_infinite_numbers_in_validation_rows_and_row_subsets_are_handled() -> None:
    x = RANDOM.normal(size=(ROWS, 2))
    y, config = x[:, 0] > 0, ash.SearchConfig(infinite="missing")
    weights = np.arange(ROWS) % 4 > 0
    with pytest.warns(UserWarning, match="validation X holds infinite numbers"):
        ash.tune(x, y, config=config, **{**RUN, "validation": (infinite(x), y)})
    with pytest.warns(UserWarning, match="X holds infinite numbers"):
        found = ash.tune(infinite(x), y, sample_weight=weights, config=config, **RUN)
    with pytest.warns(UserWarning, match="X holds infinite numbers"):
        kept = ash.tune(infinite(x)[weights], y[weights], config=config, **RUN)
    assert found.digest == kept.digest


def test_infinite_numbers_are_refused_by_default(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(ROWS, 2))
    todo = re.escape("replace or drop it, or pass config=ash.SearchConfig(infinite='missing')")
    with pytest.raises(DataError, match=todo):
        ash.tune(infinite(x), x[:, 1] > 0, **RUN)
    trained = ash.tune(x, x[:, 1] > 0, **RUN).model
    later = re.escape("replace or drop it, or train with config=ash.SearchConfig(infinite='missing')")
    with pytest.raises(DataError, match=later):
        trained.predict(infinite(x))
    strict = ash.SearchConfig(infinite="missing", missing="error")
    with pytest.warns(UserWarning, match="infinite"), pytest.raises(DataError, match="NaN in column 0"):
        ash.tune(infinite(x), x[:, 1] > 0, config=strict, **RUN)
    config = ash.SearchConfig(infinite="missing")
    ash.tune(x, x[:, 1] > 0, config=config, **RUN).model.save(tmp_path / "m.safetensors")
    again = ash.load(tmp_path / "m.safetensors")
    assert again.encoding.schema.infinite == "missing"
    with pytest.warns(UserWarning, match="infinite"):
        again.predict(infinite(x))


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "csv"])
def test_duplicate_names_are_numbered(kind: str, tmp_path: Path) -> None:
    x = RANDOM.normal(size=(ROWS, 4)).round(3)
    names = ["a", "a", "a.1", "a"]
    told = r"has repeated column names: later columns are renamed 'a.2', 'a.3'"
    if kind == "csv":
        text = ",".join([*names, "y"]) + "\n"
        rows = [[*row, int(row[0] > 0)] for row in x.tolist()]
        path = written(tmp_path, text + "".join(",".join(map(str, row)) + "\n" for row in rows))
        with pytest.warns(UserWarning, match=told):
            table = read_table(path)
        assert table.X.names == ("a", "a.2", "a.1", "a.3")
        assert np.array_equal(table.X.all_numbers(), x)
        return
    frame: Any = pd.DataFrame(x, columns=names)
    if kind == "pyarrow":
        frame = pyarrow.Table.from_arrays([pyarrow.array(column) for column in x.T], names=names)
    with pytest.warns(UserWarning, match="X " + told):
        model = ash.tune(frame, x[:, 0] > 0, **RUN).model
    assert model.feature_names == ("a", "a.2", "a.1", "a.3")
    with pytest.warns(UserWarning, match="X " + told):
        proba = model.predict_proba(frame)
    assert np.array_equal(proba, model.predict_proba(pd.DataFrame(x, columns=["a", "a.2", "a.1", "a.3"])))

"""Tests that the command produces the same model as the estimator: equal record and bytes for an equal budget."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

import ash
from ash.cli.command import main
from ash.data.row_split import split
from ash.data.table import read_training
from fault_help import refused

pytestmark = pytest.mark.usefixtures("empty_folder")
RANDOM = np.random.default_rng(0)
ROWS = 200


def mixed(regression: bool) -> pd.DataFrame:
    """Return a table with all kinds of columns, as read from a CSV file."""
    size = RANDOM.normal(size=ROWS)
    color = RANDOM.choice(["red", "blue", "green"], ROWS)
    score = size + (color == "red") + RANDOM.normal(scale=0.3, size=ROWS)
    return pd.DataFrame(
        {
            "size": np.where(RANDOM.random(ROWS) < 0.1, np.nan, size),
            "color": color,
            "ok": RANDOM.random(ROWS) < 0.5,
            "sold": (pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 700, ROWS), unit="D")).astype(str),
            "price": [f"{number:,.2f} \u20ac" for number in RANDOM.normal(1e4, 3e3, ROWS)],
            "code": RANDOM.integers(1, 6, ROWS),
            "target": score.round(6) if regression else np.where(score > 0, "yes", "no"),
        }
    )


def bunch(name: str) -> pd.DataFrame:
    return getattr(datasets, f"load_{name}")(as_frame=True).frame


TABLES: dict[str, tuple[Any, list[str], dict[str, Any]]] = {
    "wine": (bunch("wine"), [], {}),
    "breast_cancer": (bunch("breast_cancer"), ["--metric", "roc_auc"], {"scoring": "roc_auc"}),
    "diabetes": (bunch("diabetes"), ["--task", "regression", "--cv", "3"], {"cv": 3}),
    "mixed classes": (mixed(False), ["--categorical", "code"], {"categorical_features": ["code"]}),
    "mixed targets": (mixed(True), ["--ensemble", "2"], {"ensemble": 2}),
    "digits": (bunch("digits"), ["--work-limit", "3e9", "--candidates", "auto"], {"candidates": "auto"}),
}


@pytest.mark.filterwarnings("ignore:.*holds text that")
@pytest.mark.parametrize("name", TABLES)
def test_the_command_and_the_estimator_write_the_same_bytes(name: str, tmp_path: Path) -> None:
    table, words, settings = TABLES[name]
    table.to_csv(tmp_path / "a.csv", index=False)
    assert main([str(tmp_path / "a.csv"), "--candidates", "8", "--quiet", "--out", str(tmp_path), *words]) == 0
    frame = pd.read_csv(tmp_path / "a.csv")
    task = "regression" if name in ("diabetes", "mixed targets") else "classification"
    rest, _ = split(read_training(frame.drop(columns="target"), frame["target"], task), 0.2, 0)
    kind = ash.ASHRegressor if task == "regression" else ash.ASHClassifier
    config = ash.SearchConfig(work_limit=3e9) if name == "digits" else None
    fit = kind(**{"candidates": 8, "random_state": 0, "config": config, **settings})
    fit.fit(frame.drop(columns="target").iloc[rest], frame["target"].iloc[rest]).save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


@pytest.mark.filterwarnings("ignore:.*holds text that")
@pytest.mark.filterwarnings("default:.*numbers the rows")
def test_groups_weights_and_dropped_columns_are_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = mixed(False).assign(who=RANDOM.integers(0, 20, ROWS), heavy=RANDOM.integers(1, 4, ROWS) / 2)
    table.to_csv(tmp_path / "a.csv")  # with row numbers as the first column
    words = [str(tmp_path / "a.csv"), "--target", "target", "--ignore", "price", "--ignore", "sold"]
    words += ["--weight", "heavy", "--groups", "who", "--cv", "3", "--candidates", "4", "--out", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "the first column has no name and numbers the rows; it is ignored" in said.err
    frame = pd.read_csv(tmp_path / "a.csv", index_col=0)
    rest, test = split(read_training(frame[["size"]], frame["target"], groups=frame["who"].astype(str)), 0.2, 0)
    assert not set(frame["who"].iloc[rest]) & set(frame["who"].iloc[test])
    features = frame.drop(columns=["target", "price", "sold", "heavy", "who"])
    fit = ash.ASHClassifier(candidates=4, random_state=0, cv=3)
    weights, groups = frame["heavy"].iloc[rest], frame["who"].astype(str).iloc[rest]
    fit.fit(features.iloc[rest], frame["target"].iloc[rest], weights, groups)
    fit.save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()
    assert f"{len(rest)} rows to tune on, {len(test)} held out" in said.out


@pytest.mark.filterwarnings("default:no score of the test part")
def test_a_model_is_written_even_if_its_test_part_cannot_be_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.arange(100)
    table = pd.DataFrame({"x": x, "y": np.where(x % 10 == 3, "new", np.where(x < 50, "a", "b"))})
    _, test = split(read_training(table[["x"]], table["y"]), 0.2, 0)
    table["heavy"] = np.where((table["y"] == "new") & ~np.isin(x, test), 0, 1)  # no row of this class to train on
    table.to_csv(tmp_path / "a.csv", index=False)
    words = ["--target", "y", "--weight", "heavy", "--metric", "f1_macro", "--candidates", "2", "--out", str(tmp_path)]
    assert main([str(tmp_path / "a.csv"), *words]) == 0
    said = capsys.readouterr()
    assert "no score of the test part: y holds labels that were not in training: new" in said.err
    assert "f1_macro on new rows: nan on the test part" in said.out and (tmp_path / "model.safetensors").exists()


@pytest.mark.filterwarnings("ignore:.*holds text that")
def test_weights_are_not_passed_to_a_test_score_that_takes_none(tmp_path: Path) -> None:
    table = mixed(True)
    table.assign(heavy=1 + np.arange(len(table)) % 3).to_csv(tmp_path / "a.csv", index=False)
    words = ["--weight", "heavy", "--metric", "neg_max_error", "--candidates", "2", "--quiet", "--out", str(tmp_path)]
    assert main([str(tmp_path / "a.csv"), *words, "--json", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["test_score"] < 0


@pytest.mark.filterwarnings("ignore:.*holds text that")
@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        (1, "--groups needs at least 2 groups"),
        (["a", None] * (ROWS // 2), f"the group 'who' is missing in {ROWS // 2} of {ROWS} rows"),
    ],
)
def test_unusable_groups_are_refused(
    groups: Any, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed(False).assign(who=groups).to_csv(tmp_path / "a.csv", index=False)
    words = [str(tmp_path / "a.csv"), "--target", "target", "--groups", "who", "--cv", "2", "--quiet"]
    assert complaint in refused(capsys, *words)


def test_outputs_are_checked_before_training_and_models_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["wine", "--candidates", "4", "--quiet", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert main([*words, "--seed", "1"]) == 2
    assert "already exists: pass --force to overwrite it, or another --out" in capsys.readouterr().err
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    assert main([*words, "--seed", "1", "--force"]) == 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() != before
    (tmp_path / "file").touch()
    for more in (["--out", str(tmp_path / "file")], ["--json", str(tmp_path / "none" / "s.json"), "--force"]):
        assert main([*words, *more]) == 2
        assert "ash: " not in capsys.readouterr().err  # the prefix of messages at the end of a run


def test_configurations_from_an_earlier_journal_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Let the later run train only one candidate, which must be the best configuration of the earlier run."""
    words, journal = ["wine", "--quiet", "--ensemble", "1", "--candidates"], str(tmp_path / "run.ash")
    assert main([*words, "8", "--journal", journal, "--out", str(tmp_path / "earlier")]) == 0
    assert main([*words, "1", "--first", journal, "--seed", "1", "--out", str(tmp_path / "later")]) == 0
    earlier, later = (ash.load(tmp_path / name / "model.safetensors") for name in ("earlier", "later"))
    assert later.params == earlier.params and len(later.record.settings["first"]) == 1
    capsys.readouterr()
    assert main([*words, "1", "--first", str(tmp_path / "none.ash"), "--out", str(tmp_path / "none")]) == 2
    assert "none.ash' cannot be read: " in capsys.readouterr().err


def test_a_run_ended_by_its_limit_explains_how_to_continue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["wine", "--candidates", "16", "--out", str(tmp_path)]
    assert main([*words, "--max-total-epochs", "20"]) == 0
    said = capsys.readouterr().out
    assert (
        "stopped by its limit: raise --max-total-epochs to search longer; --journal FILE makes a run resumable" in said
    )
    journal = ["--journal", str(tmp_path / "run.ash")]
    assert main([*words, *journal, "--max-total-epochs", "20", "--force"]) == 0
    assert "the same command with a larger --max-total-epochs resumes it" in capsys.readouterr().out
    assert main([*words, *journal, "--max-total-epochs", "1000"]) == 0  # a run may overwrite its own earlier model
    assert "the same command resumes it" in capsys.readouterr().out

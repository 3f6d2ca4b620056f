"""Tests `ash-tune check` and `ash-tune repeat`, which tell whether a model came from these rows and this code."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

import ash
from ash.cli.command import main
from ash.data.csv import CsvFormat
from ash.data.files import read_table
from callback_help import TimeIsUp
from data_help import mixed_columns, mixed_target
from fault_help import HANG_SECONDS
from model_file_help import read, write

pytestmark = pytest.mark.usefixtures("empty_folder")


def run(capfd: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str]:
    """Run the command and return its exit status and its output."""
    capfd.readouterr()
    status = main([str(word) for word in words])
    told = capfd.readouterr()
    return status, told.out + told.err


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a CSV file with numbers, text and missing cells."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    columns = mixed_columns()
    frame = pd.DataFrame({name: values for name, values in columns.items() if not isinstance(values[0], bool)})
    frame.assign(label=np.where(mixed_target(columns) > 0, "yes", "no")).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def made(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the model that the command trains on `table`."""
    folder = tmp_path_factory.mktemp("made")
    assert main([str(table), "--candidates", "8", "--out", str(folder), "--quiet", "--seed", "3"]) == 0
    return folder / "model.safetensors"


def changed(model: Path, folder: Path, change: Any) -> Path:
    """Copy the model, let `change` modify the copy's record in place, and return the copy's path."""
    tensors, about = read(model)
    change(about["record"])
    write(folder / "changed.safetensors", tensors, about)
    return folder / "changed.safetensors"


def test_the_command_repeats_its_own_model(
    table: Path, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for threads in (1, 2):
        again = tmp_path / f"{threads}.safetensors"
        status, said = run(capfd, "repeat", made, table, "--threads", threads, "--out", again)
        assert (status, said.splitlines()[0]) == (0, "identical")
        assert said.splitlines()[1] == repr(ash.load(made).record)
        assert ash.load(again).digest == ash.load(made).digest
    status, said = run(capfd, "check", made, table)
    assert (status, said.splitlines()[0]) == (0, "the same rows and the same model, by their hashes")
    assert "the rows that were held out for the test score have no hash" in said.splitlines()[-1]


def test_a_timed_fit_is_repeated_from_its_file(
    table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(table)
    ended = TimeIsUp(monkeypatch, HANG_SECONDS, 20)
    fit = ash.ASHClassifier(time_limit=HANG_SECONDS, random_state=0, callbacks=ended)
    fit.fit(frame.drop(columns="label"), frame["label"])
    assert fit.result_.ended == "time_limit"
    fit.model_.save(tmp_path / "model.safetensors")
    again = tmp_path / "again.safetensors"
    status, said = run(capfd, "repeat", tmp_path / "model.safetensors", table, "--threads", 1, "--out", again)
    assert (status, said.splitlines()[0]) == (0, "identical")
    assert ash.load(again).digest == fit.model_.digest and ash.load(again).record == fit.model_.record
    status, said = run(capfd, "check", tmp_path / "model.safetensors", table)
    assert status == 0 and "held out" not in said


def test_an_ensemble_and_a_regression_are_repeated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    columns = mixed_columns()
    frame = pd.DataFrame({name: values for name, values in columns.items() if not isinstance(values[0], bool)})
    frame.insert(1, "price", mixed_target(columns).astype(float))
    frame.assign(unused=1.0).to_csv(tmp_path / "table.csv", index=False)
    frame = pd.read_csv(tmp_path / "table.csv")
    features = frame.drop(columns=["price", "unused"])
    ash.tune(features, frame["price"], candidates=8, task="regression", validation=0.2).ensemble(4).save(
        tmp_path / "m.safetensors"
    )
    status, said = run(capfd, "repeat", tmp_path / "m.safetensors", tmp_path / "table.csv")
    assert (status, said.splitlines()[0]) == (0, "identical")


@pytest.mark.parametrize("models", [["network"], ["lightgbm"]])
@pytest.mark.parametrize("is_tune", [True, False])
def test_a_model_fitted_to_numbers_rounded_by_pandas_is_repeated(
    models: list[str], is_tune: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, model = tmp_path / "table.csv", tmp_path / "model.safetensors"
    values = np.random.default_rng(0).normal(size=(100, 3))
    pd.DataFrame(values, columns=["a", "b", "price"]).to_csv(path, index=False)
    exact, read = (read_table(str(path), form=CsvFormat(like_pandas=each)) for each in (False, True))
    frame = pd.DataFrame({column.label: column.numbers(slice(None)) for column in read.X.columns})
    frame.columns = ["a", "b"]
    assert not np.array_equal(exact.y, read.y) and np.allclose(exact.y, read.y)
    config = ash.SearchConfig(models=models)
    target = pd.Series(read.y, name="price")
    if is_tune:
        ash.tune(frame, target, candidates=2, random_state=0, config=config).model.save(model)
    else:
        ash.ASHRegressor(candidates=2, random_state=0, config=config).fit(frame, target).model_.save(model)
    for command, first in (("check", "the same rows and the same model, by their hashes"), ("repeat", "identical")):
        status, said = run(capfd, command, model, path)
        assert (status, said.splitlines()[0]) == (0, first)
        assert said.splitlines()[-1].startswith("numbers were read as pandas.read_csv reads them")


@pytest.mark.parametrize("models", [["network"], ["lightgbm"]])
def test_rows_with_other_last_bits_are_different(
    models: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, model = tmp_path / "table.csv", tmp_path / "model.safetensors"
    values = np.random.default_rng(0).normal(size=(100, 3))
    pd.DataFrame(values, columns=["a", "b", "price"]).to_csv(path, index=False)
    frame = pd.DataFrame(values, columns=["a", "b", "price"])
    frame["b"] = np.nextafter(frame["b"], np.inf)
    config = ash.SearchConfig(models=models)
    ash.tune(frame[["a", "b"]], frame["price"], candidates=2, random_state=0, config=config).model.save(model)
    for command in ("check", "repeat"):
        status, said = run(capfd, command, model, path)
        assert status == 1 and "X has another scale, or other last bits (column 1)" in said
        assert "if pandas.read_csv reads them before pandas 3.1" in said
    ash.ASHRegressor(candidates=2, random_state=0, config=config).fit(frame[["a", "b"]], frame["price"]).model_.save(
        model
    )
    status, said = run(capfd, "check", model, path)
    assert status == 1 and "other values of X in the rows for training and validation (column 1)" in said
    assert "other values of y in the rows for training and validation (the same values in another order)" in said


def test_other_rows_are_reported_as_different(
    table: Path, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = table.read_text().splitlines()
    (tmp_path / "less.csv").write_text("\n".join(lines[:-1]) + "\n")
    frame = pd.read_csv(table)
    numbers = frame.select_dtypes("number").columns[0]
    frame.loc[frame[numbers].first_valid_index(), numbers] += 1.5
    frame.to_csv(tmp_path / "other.csv", index=False)
    for name in ("less.csv", "other.csv"):
        status, said = run(capfd, "check", made, tmp_path / name)
        assert status == 1 and said.startswith("different\nrows: ")
        status, said = run(capfd, "repeat", made, tmp_path / name)
        assert status == 1 and said.startswith(
            "different from the first decision on\nthe rows differ from those of the recorded run"
        )


@pytest.mark.filterwarnings("default:the repeated run")
def test_a_different_decision_and_a_different_model_are_named(
    table: Path, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def other_decision(record: dict[str, Any]) -> None:
        record["decisions"] = record["decisions"][:24] + "00000000" + record["decisions"][32:]

    def older(record: dict[str, Any]) -> None:
        other_decision(record)
        record["version"]["version of ash"] = "0.1.0"

    def other_model(record: dict[str, Any]) -> None:
        record["model"] = "0" * 64

    status, said = run(capfd, "repeat", changed(made, tmp_path, other_decision), table)
    assert status == 1 and said.startswith("different from decision 3 of 14 on\nrows and version are the same: please")
    status, said = run(capfd, "repeat", changed(made, tmp_path, older), table)
    assert status == 1 and "the likely reason is a different version: version of ash: '0.1.0' in the record" in said
    status, said = run(capfd, "check", changed(made, tmp_path, other_model), table)
    assert status == 1 and "model: its hash is " in said and "but the record has 0000" in said
    without_cells = changed(made, tmp_path, lambda record: record["data"].pop("cells"))  # as in earlier versions
    status, said = run(capfd, "check", without_cells, table)
    assert status == 0 and said.startswith("the same rows and the same model")


def test_a_forged_setting_is_an_error(
    table: Path, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def without_promotion(record: dict[str, Any]) -> None:
        record["settings"]["promotion"] = None

    status, said = run(capfd, "repeat", changed(made, tmp_path, without_promotion), table)
    assert status == 2 and "record is damaged: it must hold promotion" in said


@pytest.mark.parametrize("command", ["check", "repeat"])
def test_a_comparison_that_is_impossible_is_an_error(
    command: str, table: Path, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(table)
    X, y = frame.drop(columns="label"), frame["label"]
    ash.tune(X, y, candidates=4, cv=KFold(3)).model.save(tmp_path / "folds.safetensors")
    alone = ash.tune(X, y, candidates=4, validation=0.2).model
    alone.record = None
    alone.save(tmp_path / "alone.safetensors")
    for model, text in (
        ("folds.safetensors", "folds.safetensors lacks cv, which a file cannot store: repeat the run in Python"),
        ("alone.safetensors", "has no record of its run"),
        ("none.safetensors", "no such file"),
    ):
        status, said = run(capfd, command, tmp_path / model, table)
        assert status == 2 and text in said
    frame.drop(columns=X.columns[0]).to_csv(tmp_path / "narrow.csv", index=False)
    ash.tune(X, y, candidates=4, validation=0.2).model.save(tmp_path / "whole.safetensors")
    status, said = run(capfd, command, tmp_path / "whole.safetensors", tmp_path / "narrow.csv")
    assert status == 2 and f"lacks 1 of the columns of the model: {X.columns[0]}" in said


@pytest.mark.filterwarnings("always::UserWarning")
def test_a_warning_about_the_table_is_printed_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Check for one warning, although the target is read twice: to compare the rows and to repeat the run."""
    size = np.random.default_rng(0).uniform(10, 99, 60).round(2)
    lines = [f"{number};{2 * number:.2f}" for number in size.tolist()]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["size;price", *lines]).replace(".", ","))
    status, told = run(capfd, path, "--candidates", "2", "--out", tmp_path / "out", "--quiet", "--sep", ";")
    assert status == 0 and told.count("y holds text that is read as numbers") == 1
    for command in ("check", "repeat"):
        status, told = run(capfd, command, tmp_path / "out" / "model.safetensors", path, "--sep", ";")
        assert status == 0 and told.count("y holds text that is read as numbers") == 1

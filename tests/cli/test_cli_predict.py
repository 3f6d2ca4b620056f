"""Tests `ash-tune predict` and `ash-tune show`: predictions for a file, and the description of a model."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from sklearn.metrics import f1_score

import ash
from ash.cli.command import main
from ash.data.files import read_table
from fault_help import refused

pytestmark = pytest.mark.usefixtures("empty_folder")


def make_rows(count, seed=0):
    """Return a table's rows with text, missing cells and codes; the target depends on three of the columns."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        age, color, code = int(rng.integers(20, 60)), rng.choice(["red", "blue", "a, b"]), rng.choice(["007", "7", "x"])
        label = "no, never" if (age < 40) == (color == "red") else "yes"
        cells = {"age": age, "color": color, "code": code, "target": label}
        rows.append(cells | ({"age": "NA"} if rng.random() < 0.05 else {}) | ({"color": ""} if age == 30 else {}))
    return rows


def write(path, rows, columns=None):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data.csv and the model.safetensors that the command trained on it."""
    path = tmp_path_factory.mktemp("model")
    data = write(path / "data.csv", make_rows(300))
    assert main([data, "--candidates", "6", "--ensemble", "1", "--quiet", "--out", str(path)]) == 0
    return path


@pytest.fixture
def model(folder):
    return str(folder / "model.safetensors")


def predicted(capsys, *arguments):
    """Run `ash-tune predict`; return the header and the rows of its output, and what it printed on stderr."""
    capsys.readouterr()
    assert main(["predict", *arguments]) == 0
    out, err = capsys.readouterr()
    header, *rows = csv.reader(io.StringIO(out, newline=""))
    return header, rows, err


def test_predictions_match_the_model(folder, model, capsys):
    header, rows, err = predicted(capsys, model, str(folder / "data.csv"))
    network, data = ash.load(model), read_table(str(folder / "data.csv"), None)
    assert header == ["target"] == list(network.target_names)
    assert [row[0] for row in rows] == network.predict(data.X).tolist()
    assert {"no, never", "yes"} == {row[0] for row in rows}
    assert err == f"accuracy {network.score(data.X, data.y):.4f} on 300 rows\n"


def test_probabilities_are_exact_and_in_order(folder, model, capsys):
    header, rows, _ = predicted(capsys, model, str(folder / "data.csv"), "--proba")
    frame = read_table(str(folder / "data.csv"), None).X
    assert header == ["target", "probability_no, never", "probability_yes"]
    probabilities = np.array([row[1:] for row in rows], float)
    assert (probabilities == ash.load(model).predict_proba(frame)).all()


def test_columns_are_matched_by_name(folder, model, tmp_path, capsys):
    rows = [row | {"day": "2020-01-01", "n": 1} for row in make_rows(300)]
    data = write(tmp_path / "b.csv", rows, ["n", "code", "day", "color", "age"])
    _, expected, _ = predicted(capsys, model, str(folder / "data.csv"))
    _, given, err = predicted(capsys, model, data)
    assert given == expected and err == ""
    frame = pandas.read_csv(folder / "data.csv", dtype={"code": str})[["code", "target", "age", "color"]]
    frame.assign(day=pandas.Timestamp(0)).to_parquet(tmp_path / "c.parquet")
    _, given, err = predicted(capsys, model, str(tmp_path / "c.parquet"))
    assert given == expected and err.endswith("on 300 rows\n")


def test_missing_columns_are_listed(model, tmp_path, capsys):
    data = write(tmp_path / "a.csv", make_rows(3), ["color", "target"])
    assert "a.csv lacks 2 of the 3 columns of the model: add 'age', 'code'" in refused(capsys, "predict", model, data)


def test_text_that_looks_like_numbers_stays_text(model, tmp_path, capsys):
    rows = [{"age": 25, "color": "5", "code": code} for code in ("007", "7", "8", "")]
    _, given, _ = predicted(capsys, model, write(tmp_path / "a.csv", rows), "--proba")
    lists = [[25.0, "5", code or None] for code in ("007", "7", "8", "")]
    frame = pandas.DataFrame(lists, columns=["age", "color", "code"])
    assert (np.array([row[1:] for row in given], float) == ash.load(model).predict_proba(frame)).all()
    assert given[0] != given[1]


def test_text_in_a_number_column_is_refused(model, tmp_path, capsys):
    data = write(tmp_path / "a.csv", [{"age": "old", "color": "red", "code": "7"}])
    assert re.search(r"column 0 \('age'\) has dtype string .*was number", refused(capsys, "predict", model, data))


def test_rows_without_a_target_are_predicted_but_not_scored(model, tmp_path, capsys):
    rows = make_rows(20)
    rows[3]["target"] = "?"
    _, given, err = predicted(capsys, model, write(tmp_path / "a.csv", rows))
    assert len(given) == 20 and err.endswith("on 19 rows\n")
    _, given, err = predicted(capsys, model, write(tmp_path / "b.csv", rows[3:4]))
    assert len(given) == 1 and err == ""


@pytest.mark.filterwarnings("default:no score")
def test_rows_whose_target_is_not_a_boolean_of_the_model_are_not_scored(tmp_path, capsys):
    x = np.arange(20.0)
    ash.tune(
        pandas.DataFrame({"x": x}), pandas.Series(x > 9, name="y"), candidates=2, verbose=0, validation=0.2
    ).model.save("m")
    refusal = "no score: the model's classes are True and False, but the target contains 'no'"
    for labels, said in ((["TRUE", "false"], "on 2 rows"), (["yes", "no"], refusal)):
        data = write(tmp_path / "a.csv", [{"x": place, "y": label} for place, label in enumerate(labels)])
        assert said in predicted(capsys, "m", data)[2]


def test_predictions_are_written_to_a_file(folder, model, tmp_path, capsys):
    expected = predicted(capsys, model, str(folder / "data.csv"))
    assert main(["predict", model, str(folder / "data.csv"), "--out", str(tmp_path / "p.csv")]) == 0
    assert capsys.readouterr() == ("", expected[2])
    there = str(tmp_path / "none" / "p.csv")
    assert "no such file or folder" in refused(capsys, "predict", model, str(folder / "data.csv"), "--out", there)
    with open(tmp_path / "p.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [expected[0], *expected[1]]


def test_folders_and_other_output_formats_are_refused(folder, model, capsys):
    assert "is a folder: give the model in it" in refused(capsys, "predict", str(folder), str(folder / "data.csv"))
    complaint = refused(capsys, "predict", model, str(folder / "data.csv"), "--out", "p.xlsx")
    assert "--out must be a CSV or .parquet file, got p.xlsx" in complaint


def test_predictions_are_written_as_parquet(folder, model, tmp_path, capsys):
    header, rows, _ = predicted(capsys, model, str(folder / "data.csv"), "--proba")
    path = tmp_path / "p.parquet"
    assert main(["predict", model, str(folder / "data.csv"), "--proba", "--out", str(path)]) == 0
    table = pandas.read_parquet(path)
    assert list(table.columns) == header and table.iloc[:, 0].tolist() == [row[0] for row in rows]
    assert (table.iloc[:, 1:].to_numpy() == np.array([row[1:] for row in rows], float)).all()


@pytest.mark.filterwarnings("ignore:X has columns that cannot help")
def test_columns_are_matched_by_position_if_the_model_has_no_names(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.column_stack([X[:, 0], X[:, 1] + X[:, 2]])
    network = ash.tune(X, y, candidates=2, verbose=0, validation=0.2).model
    network.save(tmp_path / "m.safetensors")
    np.savetxt(tmp_path / "a.csv", X, delimiter=",", fmt="%.17g")
    header, rows, err = predicted(capsys, str(tmp_path / "m.safetensors"), str(tmp_path / "a.csv"))
    assert header == ["prediction_0", "prediction_1"] and err == ""
    assert (np.array(rows, float) == network.predict(X)).all()
    np.savetxt(tmp_path / "b.csv", np.column_stack([X, y]), delimiter=",")
    complaint = refused(capsys, "predict", str(tmp_path / "m.safetensors"), str(tmp_path / "b.csv"))
    assert "5 features, but the network is expecting 3" in complaint
    assert "leave it out" in refused(capsys, "predict", str(tmp_path / "m.safetensors"), "digits", "--proba")


@pytest.mark.filterwarnings("always:no score")
def test_several_named_targets_are_scored(tmp_path, capsys):
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    frame["d"] = frame["a"] + frame["b"]
    network = ash.tune(frame[["a", "b"]], frame[["d", "c"]], candidates=2, verbose=0, validation=0.2).model
    network.save(tmp_path / "m.safetensors")
    frame.to_csv(tmp_path / "a.csv", index=False)
    header, rows, err = predicted(capsys, str(tmp_path / "m.safetensors"), str(tmp_path / "a.csv"))
    assert header == ["d", "c"] and len(rows) == 60
    assert err.startswith("r2 ") and err.endswith(" on 60 rows\n")
    frame.assign(d="many").to_csv(tmp_path / "b.csv", index=False)
    _, given, err = predicted(capsys, str(tmp_path / "m.safetensors"), str(tmp_path / "b.csv"))
    assert given == rows and err.startswith("ash-tune: warning: no score: ") and err.count("\n") == 1


def leaving(path, count):
    """Write a table in which about a tenth of the rows have the label "left"."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3))
    label = np.where(1.5 * x[:, 0] + rng.logistic(size=count) > 3.2, "left", "stay")
    pandas.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "label": label}).to_csv(path, index=False)
    return str(path)


def test_the_positive_class_and_the_tuned_threshold_are_those_of_the_command(tmp_path, capsys):
    data, model = leaving(tmp_path / "a.csv", 600), str(tmp_path / "model.safetensors")
    asked = [data, "--metric", "f1", "--candidates", "4", "--threads", "1", "--out", str(tmp_path)]
    for refused_label in ([], ["--positive", "gone"]):
        assert main([*asked, *refused_label]) == 2
        assert re.search("--positive left or --positive stay|--positive must be left or stay", capsys.readouterr().err)
    assert main([*asked, "--positive", "left", "--json", str(tmp_path / "run.json")]) == 0
    printed, kept = capsys.readouterr().out, ash.load(model)
    assert kept.positive == 0 and kept.decision_threshold < 0.5
    assert f"decision: 'left' if its probability is above {kept.decision_threshold:.4f}" in printed
    assert json.loads((tmp_path / "run.json").read_text())["decision_threshold"] == kept.decision_threshold
    table = read_table(data, None)
    _, rows, err = predicted(capsys, model, data)
    assert [row[0] for row in rows] == kept.predict(table.X).tolist()
    score = f1_score(table.y, kept.predict(table.X), pos_label="left")
    assert err == f"f1 {score:.4f} on 600 rows\n" and score > 0.3
    main(["show", model])
    assert f"labels  'left' if its probability is above {kept.decision_threshold:.4f}" in capsys.readouterr().out
    assert main(["repeat", model, data, "--threads", "1"]) == 0


def test_parquet_booleans_are_labels(tmp_path, capsys):
    frame = pandas.DataFrame({"x": np.arange(40.0), "y": np.arange(40) % 2 == 1})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert main([str(tmp_path / "a.parquet"), "--candidates", "2", "--quiet", "--out", str(tmp_path)]) == 0
    model = str(tmp_path / "model.safetensors")
    assert ash.load(model).classes_.tolist() == [False, True]
    of_parquet = predicted(capsys, model, str(tmp_path / "a.parquet"), "--proba")
    assert of_parquet == predicted(capsys, model, str(tmp_path / "a.csv"), "--proba")
    assert of_parquet[0] == ["y", "probability_False", "probability_True"]


def test_closed_streams_do_not_fail_a_prediction(folder, model):
    for end, lines in (("| head -1", 1), (">&-", 0), ("2>&-", 301)):
        script = f"'{sys.executable}' -m ash predict '{model}' '{folder / 'data.csv'}' {end}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        assert done.returncode == 0 and len(done.stdout.splitlines()) == lines
        assert "Broken" not in done.stderr and "Traceback" not in done.stderr


def test_files_that_are_not_models_are_refused(folder, tmp_path, capsys):
    for command in (["show"], ["predict"]):
        data = [str(folder / "data.csv")] * (command == ["predict"])
        allowed = "FILE must be a model that .* wrote, or a journal" if command == ["show"] else "MODEL must be a file"
        assert re.search(f"none: no such file; {allowed}", refused(capsys, *command, str(tmp_path / "none"), *data))
        assert "not a valid safetensors file" in refused(capsys, *command, str(folder / "data.csv"), *data)
    for arguments in (["predict", "model"], ["show"], ["show", "a", "b"], ["predict", "a", "b", "--target", "c"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        err = capsys.readouterr().err
        assert err.startswith(f"ash-tune {arguments[0]}: error: ") and err.count("\n") == 1


def test_a_file_named_like_a_command_is_tuned(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "show", make_rows(40))
    assert main(["./show", "--candidates", "2", "--quiet", "--out", str(tmp_path)]) == 0
    assert predicted(capsys, "model.safetensors", "./show")[0] == ["target"]


def test_show_describes_the_model(model, capsys):
    assert main(["show", model]) == 0
    out = capsys.readouterr().out
    network = ash.load(model)
    assert re.search(r"^task    classification of 'target', 2 classes: no, never, yes$", out, re.MULTILINE)
    estimated = f"{network.estimated_score:.4f} (standard error {network.estimated_score_std_error:.2g})"
    assert f"score   estimated accuracy {estimated}, validation accuracy {network.validation_score:.4f}\n" in out
    assert re.search(rf"^layers  9(-\d+)*-2, {network.params['activation']}$", out, re.MULTILINE)
    assert hashlib.sha256(Path(model).read_bytes()).hexdigest() in out
    assert re.search(r"^optimizer +\w+$", out, re.MULTILINE)
    table = [line.split() for line in out.splitlines()[-4:]]
    assert table[0] == ["column", "kind", "dtype", "levels", "missing", "features", "why"]
    assert table[1] == ["age", "number", "-", "-", "yes", "2", "scaled"]
    assert table[2][:7] == ["color", "category", "-", "3", "yes", "4", "one-hot"]
    assert table[3][:7] == ["code", "category", "-", "3", "no", "3", "one-hot"]


def test_show_escapes_control_characters(tmp_path, capsys):
    frame = pandas.DataFrame({"\x1b[2J\n": np.arange(20.0), "ü\u202e": ["a", "b"] * 10})
    ash.tune(frame, ["\x1b]0;x\x07", "b"] * 10, candidates=2, verbose=0, validation=0.2).model.save(tmp_path / "m")
    assert main(["show", str(tmp_path / "m")]) == 0
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert "\n\\x1b[2J\\n  " in out and "ü\\u202e  " in out and "\\x1b]0;x\\x07" in out


@pytest.mark.filterwarnings("always:left out")
def test_a_column_filled_only_in_the_test_part_is_left_out(tmp_path, capsys):
    rows = make_rows(40)
    _, test = ash.data.row_split.split(
        ash.data.table.read_training(np.zeros((40, 1)), [row["target"] for row in rows]), 0.2, 0
    )
    rows = [row | {"note": "rare" if place == test[0] else ""} for place, row in enumerate(rows)]
    data = write(tmp_path / "a.csv", rows, ["note", "age", "color", "code", "target"])
    assert main([data, "--candidates", "2", "--quiet", "--out", str(tmp_path)]) == 0
    assert "warning: left out: column 0 ('note')" in capsys.readouterr().err
    assert ash.load(tmp_path / "model.safetensors").feature_names == ("age", "color", "code")


@pytest.mark.filterwarnings("always:left out")
def test_a_column_filled_only_in_rows_of_weight_0_is_left_out(tmp_path, capsys):
    rows = [{"note": "old" if age < 9 else "", "heavy": int(age >= 9), "age": age, "y": age % 2} for age in range(60)]
    data = write(tmp_path / "a.csv", rows)
    assert main([data, "--weight", "heavy", "--candidates", "2", "--quiet", "--out", str(tmp_path)]) == 0
    assert "warning: left out: column 0 ('note')" in capsys.readouterr().err
    assert ash.load(tmp_path / "model.safetensors").feature_names == ("age",)

"""Tests the command line: it reads real tables, writes files and a report, and prints one line for each mistake."""

import argparse
import csv
import functools
import gzip
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

import ash
from ash.cli.command import _bytes, main
from ash.cli.report import cell, write_csv
from ash.data.files import read_file
from fault_help import refused

pytestmark = pytest.mark.usefixtures("empty_folder")
WINE = load_wine(as_frame=True).frame


def run(*arguments, **settings):
    return subprocess.run([sys.executable, "-m", "ash", *arguments], capture_output=True, text=True, **settings)


@pytest.fixture
def wine_csv(tmp_path):
    WINE.to_csv(tmp_path / "wine.csv", index=False)
    return str(tmp_path / "wine.csv")


def test_digits_are_tuned_in_an_empty_folder(tmp_path):
    done = run("digits", "--candidates", "32", "--json", "summary.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    score, files, command = done.stdout.splitlines()[-3:]
    shown = r"accuracy on new rows: (0\.\d+) on the test part; estimated (0\.\d+) \(standard error 0\.\d+\)"
    found = re.fullmatch(shown, score)
    assert float(found[1]) > 0.93 and float(found[2]) > 0.95
    assert files.startswith("files: ash-tune-out/model.safetensors, ") and "ash-tune-out/report.html" in files
    assert command == "predict new rows: ash-tune predict ash-tune-out/model.safetensors NEW.csv"
    assert "1437 rows to tune on, 360 held out as the test part; 64 columns, 10 classes" in done.stdout
    rungs = [line.split()[:4] for line in done.stdout.splitlines() if re.match(r" +\d", line)]
    assert rungs[0] == ["0", "1", "32", "32"] and len(rungs) == 5
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [
        "candidates.csv",
        "jobs.csv",
        "model.safetensors",
        "report.html",
        "summary.json",
    ]
    assert {file.name for file in tmp_path.iterdir()} == {"ash-tune-out", "summary.json"}


def test_files_hold_candidates_jobs_and_the_summary(tmp_path, capsys):
    assert main(["wine", "--candidates", "8", "--out", str(tmp_path), "--json", str(tmp_path / "s.json")]) == 0
    summary = json.loads((tmp_path / "s.json").read_text())
    candidates, jobs = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("candidates", "jobs"))
    assert list(candidates["candidate"]) == list(range(8)) and len(jobs) == 8 + 4 + 2 == summary["jobs"]
    assert jobs["score"].max() == summary["validation_score"]
    best = candidates.iloc[summary["best_candidate"]]
    assert best["score"] == summary["validation_score"]
    assert list(summary).index("estimated_score") < list(summary).index("validation_score")
    assert 0.5 < summary["estimated_score"] <= 1 and 0 < summary["estimated_score_std_error"] < 0.2
    assert json.loads(best["hidden"]) == summary["best_params"]["hidden"]
    assert best["learning_rate"] == summary["best_params"]["learning_rate"]
    assert summary["settings"]["seed"] == 0 and summary["versions"]["numpy"] == np.__version__
    assert summary["rows"] + summary["test_rows"] == 178 and summary["ended"] == "finished"
    model = ash.load(tmp_path / "model.safetensors").members[0]
    assert model.params == {**summary["best_params"], "hidden": tuple(summary["best_params"]["hidden"])}
    assert f"accuracy on new rows: {summary['test_score']:.4f} on the test part" in capsys.readouterr().out


def test_the_test_part_is_never_used_for_tuning(tmp_path, monkeypatch):
    """Check that the rows used for tuning and for the test score are disjoint, and are together all rows."""
    seen = []

    def see(X):
        seen.append(np.column_stack([column.numbers(slice(None)) for column in X.columns]))

    class Spy(ash.ASHClassifier):
        def fit(self, X, *given):
            see(X)
            super().fit(X, *given)
            monkeypatch.setattr(type(self.model_), "score", lambda self, X, y, metric: see(X) or 0.5)
            return self

    monkeypatch.setattr("ash.sklearn.estimators.ASHClassifier", Spy)
    assert main(["digits", "--candidates", "2", "--quiet", "--out", str(tmp_path)]) == 0
    tuned, tested = ({row.tobytes() for row in part} for part in seen)
    assert len(seen[0]) + len(seen[1]) == 1797 and not tuned & tested


def test_seed_threads_and_algorithm_are_passed_on(tmp_path):
    arguments = ["wine", "--candidates", "4", "--threads", "1", "--algorithm", "sh", "--quiet", "--force"]
    arguments += ["--out", str(tmp_path)]
    tables = []
    for seed in ("7", "7", "8"):
        assert main([*arguments, "--seed", seed]) == 0
        tables.append((tmp_path / "candidates.csv").read_text())
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_scikit_learn_tables_are_tuned(name, tmp_path, capsys):
    assert main([name, "--candidates", "4", "--out", str(tmp_path)]) == 0
    assert ("r2" if name == "diabetes" else "accuracy") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("x,y\n1,1\n2,NA\n3,?\n", r"target 'y' is missing in 2 of 3 rows"),
        ("x,y\ninf,1\n2,0\n3,1\n4,0\n5,1\n6,0\n", r"infinity .*column 0 \('x'\)"),
        ("x,y\n1,a\n2,a\n3,a\n", r"only one class"),
    ],
)
def test_tables_that_cannot_be_learned_from_are_refused(content, complaint, tmp_path, capsys):
    (tmp_path / "bad.csv").write_text(content)
    assert re.search(complaint, refused(capsys, str(tmp_path / "bad.csv")))


def test_unreadable_files_are_refused(tmp_path, capsys):
    (tmp_path / "a.csv").write_bytes(b"x,y\n\xff\xfe\x00,1\n")
    (tmp_path / "b.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"x,y\n1,2\n" * 1000, mtime=0)[:-20])
    for name, complaint in (("a.csv", "UTF-8"), ("b.csv.gz", "CSV"), ("c.parquet", "Parquet"), ("d.csv.gz", "CSV")):
        assert complaint in refused(capsys, str(tmp_path / name))
    assert "no such file" in refused(capsys, str(tmp_path / "none.csv"))
    assert "directory" in refused(capsys, str(tmp_path))


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("a.xlsx", b"PK\x03\x04", "an Excel file, which ash cannot read: save the table as CSV or Parquet"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file"),
        ("a.zip", b"PK\x03\x04", "a zip archive, which ash cannot read: unpack it first"),
        ("a.csv", b"PAR1", "a Parquet file without the extension .parquet, which ash cannot read: rename it"),
        ("a.csv", gzip.compress(b"x,y\n1,2\n", mtime=0), "a gzip file without the extension .gz"),
        ("a.pkl", pickle.dumps([1, 2, 3], protocol=5), "a pickle"),
        ("a.db", b"SQLite format 3\x00", "an SQLite database"),
        ("a.feather", b"ARROW1\x00\x00", "a Feather file"),
        ("a.csv", "x,y\n1,2\n".encode("utf-16"), "text in UTF-16, which ash cannot read: pass --encoding utf-16"),
    ],
)
def test_unsupported_file_formats_are_named(name, head, said, tmp_path, capsys):
    (tmp_path / name).write_bytes(head + b"\x00" * 40)
    assert f"{tmp_path / name} is {said}" in refused(capsys, str(tmp_path / name))
    with pytest.raises(ash.DataError, match=re.escape(said)):
        read_file(str(tmp_path / name), dict.fromkeys)


def test_a_misspelled_target_is_corrected_in_the_message(wine_csv, capsys):
    said = refused(capsys, wine_csv, "--target", "Alcohol")
    assert "has no column 'Alcohol'; did you mean 'alcohol'" in said and "its columns are alcohol, malic_acid, " in said
    assert "did you mean" not in refused(capsys, wine_csv, "--target", "qqqqqq")


def test_numbers_treated_as_classes_are_announced(wine_csv, tmp_path, capsys):
    settings = ["--force", "--candidates", "2", "--out", str(tmp_path / "out")]
    told = "ash-tune: the 3 numbers in 'target' are treated as classes; pass --task regression to predict numbers\n"
    assert main([wine_csv, *settings]) == 0
    assert told in capsys.readouterr().err
    for more in (["--quiet"], ["--task", "classification"], ["--task", "regression"], ["--target", "alcohol"]):
        assert main([wine_csv, *settings, *more]) == 0
        assert "treated as classes" not in capsys.readouterr().err
    WINE.assign(target=WINE["target"].map(str) + "x").to_csv(wine_csv, index=False)
    assert main([wine_csv, *settings]) == 0
    assert "treated as classes" not in capsys.readouterr().err


def test_parquet_columns_that_cannot_be_learned_from_are_refused(tmp_path, capsys):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "s": pd.to_timedelta([1, 2, 3], unit="s"), "y": [0, 1, 0]})
    for cells, todo in ((frame["s"], "numbers first"), ([[1], [2], [3]], "split it"), ([b"a"] * 3, "decode it")):
        frame.assign(s=cells).to_parquet(tmp_path / "a.parquet")
        assert re.search(f"column 1 \\('s'\\) has dtype .*: .*{todo}", refused(capsys, str(tmp_path / "a.parquet")))
    for cells in (["a", None, "b"], [1, None, 0], [0.5, None, 1], [True, None, False]):
        frame.assign(s=1, y=pd.Series(cells, dtype=object)).to_parquet(tmp_path / "c.parquet")
        assert "target 'y' is missing in 1 of 3" in refused(capsys, str(tmp_path / "c.parquet"))


def test_invalid_options_are_refused(wine_csv, capsys, tmp_path):
    assert "no column 'price'" in refused(capsys, wine_csv, "--target", "price")
    assert "no target column" in refused(capsys, "digits", "--target", "price")
    assert "seed must be an integer" in refused(capsys, "wine", "--seed", "-1")
    assert "threads must be a positive integer" in refused(capsys, "wine", "--threads", "0")
    assert "time_limit" in refused(capsys, "wine", "--time-limit", "-3")
    assert "worker_timeout must be a number of seconds" in refused(capsys, "wine", "--worker-timeout", "-1")
    assert "--candidates all never ends by itself" in refused(capsys, "wine", "--candidates", "all")
    assert "memory_limit must be an integer from 1" in refused(capsys, "wine", "--memory-limit", "0M")
    assert "stop_score must be a finite score" in refused(capsys, "wine", "--stop-score", "nan")
    assert "time_limit=0 was over" in refused(capsys, "wine", "--time-limit", "0", "--quiet")
    (tmp_path / "file").write_text("")
    assert "file" in refused(capsys, "wine", "--candidates", "2", "--quiet", "--out", str(tmp_path / "file"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["wine", "--candidates", "few"],
        ["wine", "--algorithm", "x"],
        ["wine", "--memory-limit", "2 GB"],
        ["wine", "--x"],
    ],
)
def test_invalid_arguments_are_refused_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("ash-tune: error: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "suggested"),
    [
        ("--time-limt", "--time-limit"),
        ("--timeout=5", "--time-limit"),
        ("--n-jobs", "--threads"),
        ("--scoring", "--metric"),
        ("--random-state", "--seed"),
    ],
)
def test_the_nearest_option_is_suggested_for_an_unknown_one(option, suggested, capsys):
    with pytest.raises(SystemExit):
        main(["wine", option])
    assert f"unrecognized arguments: {option}; did you mean {suggested}?" in capsys.readouterr().err


def test_nothing_is_suggested_for_an_argument_like_no_option(capsys):
    for word in ("--zzz", "other.csv"):
        with pytest.raises(SystemExit):
            main(["wine", word])
        assert f"unrecognized arguments: {word} (see" in capsys.readouterr().err


def test_a_warning_is_one_line(tmp_path):
    done = run("wine", "--candidates", "4", "--quiet", "--threads", "4096", cwd=tmp_path)
    assert done.returncode == 0
    err = done.stderr
    assert err.startswith("ash-tune: warning: --threads=4096") and err.count("\n") == 1


def test_version_and_help_are_printed():
    assert re.fullmatch(r"ash-tune \d+\.\d+\.\d+\n", run("--version").stdout)
    help_text = run("--help").stdout
    limits = "time-limit max-total-epochs stop-score memory-limit worker-timeout threads-per-worker dask"
    others = (
        "target task candidates seed algorithm schedule virtual-workers threads no-teams out json quiet dashboard dask"
    )
    assert all(f"--{option}" in help_text for option in f"{limits} {others}".split())


def test_quiet_prints_nothing(tmp_path):
    done = run("wine", "--candidates", "4", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("end", ["| true; exit ${PIPESTATUS[0]}", ">&-", "2>&-", ">&- 2>&-"])
def test_f118_closed_streams_do_not_fail_the_run(end, tmp_path):
    script = f"'{sys.executable}' -m ash wine --candidates 4 {end}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "Broken" not in done.stderr and "Traceback" not in done.stderr
    assert {"jobs.csv", "model.safetensors"} <= {file.name for file in (tmp_path / "ash-tune-out").iterdir()}


@pytest.mark.parametrize(
    "variables",
    [
        {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"HOME": "/proc", "XDG_CACHE_HOME": "/proc"},
    ],
    ids=["F118-dumb", "F118-ascii", "F118-ascii-streams", "F118-home"],
)
def test_restricted_environments_are_supported(variables, tmp_path):
    WINE.rename(columns={"target": "größe"}).to_csv(tmp_path / "wein.csv", index=False)
    done = run("wein.csv", "--candidates", "4", cwd=tmp_path, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout and "Traceback" not in done.stderr and "\x1b" not in done.stdout
    assert (tmp_path / "ash-tune-out" / "model.safetensors").exists()


def test_csv_cells_are_safe_for_spreadsheets_and_can_be_read_back(tmp_path):
    assert all(cell(text) == f"'{text}" for text in ("=1+1", "+1", "-1", "@x", "\tx"))
    assert all(cell(text) == text for text in ("plain", "a=b"))
    assert [cell(value) for value in (-0.1, 3, (64, 32), ())] == ["-0.1", "3", "[64, 32]", "[]"]
    assert [cell(value) for value in (None, float("nan"), True)] == ["", "", "True"]
    write_csv(tmp_path / "a.csv", [{"x": 0.1, "text": 'a,"b"\n'}, {"x": 1 / 3, "more": "=cmd|' /C calc'!A0"}])
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["x"]) for row in rows] == [0.1, 1 / 3]
    assert rows[0]["text"] == 'a,"b"\n' and rows[0]["more"] == "" and rows[1]["more"].startswith("'=cmd")


def test_the_reasons_for_divergence_are_shown_in_full(monkeypatch, capsys):
    wild = ash.Space(learning_rate=1e20, optimizer="sgd", activation="relu", batch_size=ash.choice(16, 32))
    monkeypatch.setattr("ash.sklearn.estimators.ASHRegressor", functools.partial(ash.ASHRegressor, wild))
    assert main(["diabetes", "--candidates", "2", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "diverged" in err.splitlines()[0]
    assert "learning_rate" in err and "1e+20" in err


def test_schedule_and_limits_are_passed_on(tmp_path):
    def summary(*arguments):
        words = ["wine", "--quiet", "--force", "--out", str(tmp_path), "--json", str(tmp_path / "s.json")]
        assert main([*words, *arguments]) == 0
        return json.loads((tmp_path / "s.json").read_text())

    stream = summary(
        "--candidates", "all", "--max-total-epochs", "40", "--memory-limit", "3k", "--virtual-workers", "8"
    )
    assert stream["ended"] == "max_total_epochs" and stream["epochs"] <= 40
    for name, value in {"candidates": None, "max_total_epochs": 40, "memory_limit": 3072, "virtual_workers": 8}.items():
        assert stream["settings"][name] == value
    aimed = summary("--candidates", "all", "--stop-score", "0.5", "--schedule", "greedy", "--no-teams")
    assert aimed["ended"] == "stop_score" and aimed["validation_score"] >= 0.5
    for name, value in {"stop_score": 0.5, "schedule": "greedy", "teams": False}.items():
        assert aimed["settings"][name] == value


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("2K", 2048), ("500m", 500 << 20), ("2G", 2 << 30), ("1T", 1 << 40)]
)
def test_sizes_in_bytes_are_parsed(text, size):
    assert _bytes(text) == size


@pytest.mark.parametrize("text", ["", "M", "2GB", "1.5G", "-1", "2 G", "\u0661"])
def test_invalid_sizes_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="K, M, G or T"):
        _bytes(text)

"""Tests that journals of another run, another program or another process are refused, with an error that says why."""

import json
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_val_score

import ash
from ash.errors import JournalCorruptError, JournalError, SettingError
from ash.journal.database import VERSION, Changes, Database, with_checksum
from callback_help import X, Y
from estimator_help import classifier
from fault_help import small_space
from journal_help import change, outcome, regression, rows, run, stopped, with_states

pytestmark = pytest.mark.core

OTHER_X = X.copy()
OTHER_X[3, 4] += 0.5
DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"random_state": 6}, "random_state: 5 in the journal, 6 in this call"),
    "eta": ({"eta": 3}, "eta: 2 in the journal, 3 in this call"),
    "min_epochs": ({"min_epochs": 2}, "min_epochs: 8 in the journal, 2 in this call"),
    "metric": ({"scoring": "auc"}, "scoring: 'accuracy' in the journal, 'roc_auc' in this call"),
    "training": ({"training": "restart"}, "training: 'resume' in the journal, 'restart' in this call"),
    "promotion": ({"promotion": "paper"}, "promotion: 'capped' in the journal, 'paper' in this call"),
    "virtual_workers": ({"virtual_workers": 3}, "virtual_workers: 32 in the journal, 3 in this call"),
    "levels": ({"space": small_space(batch_size=8)}, "batch_size has 16 in the journal, which is not in 8 "),
    "names": ({"space": small_space(dropout=0.1)}, "dropout is in the space only in this call"),
    "values": ({"data": (OTHER_X, Y)}, "other values of X in the rows for training"),
    "order of rows": ({"data": (X[::-1], Y[::-1])}, "training and validation (the same values in another order)"),
    "labels": ({"data": (X, Y + 1)}, "y has other labels"),
    "classes": ({"data": (X, np.minimum(Y, 1))}, "classes: 3 in the journal, 2 in this call"),
    "targets": ({"data": (X, np.roll(Y, 1))}, "other values of y in the rows for"),
    "rows": ({"data": (X[:-1], Y[:-1])}, "rows: "),
    "columns": ({"data": (X[:, 1:], Y)}, "columns of X: 13 in the journal, 12 in this call"),
    "weights": ({"sample_weight": np.linspace(1, 2, len(Y))}, "other sample weights in the rows for"),
    "validation": ({"validation": 0.3}, "validation rows: "),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("begun") / "run.ash"
    stopped(path, 5)
    return path


@pytest.mark.parametrize("what", DIFFERENT)
def test_f66_a_different_run_is_refused_with_the_difference(what: str, begun: Path) -> None:
    changes, difference = DIFFERENT[what]
    before = begun.read_bytes()
    with pytest.raises(JournalError) as caught:
        run(begun, **changes)
    assert str(caught.value).startswith(f"{begun} holds another run: ") and difference in str(caught.value)
    assert begun.read_bytes() == before


REGRESSION = regression()["data"]
FRAME = pandas.DataFrame(X, columns=[f"c{number}" for number in range(X.shape[1])])
DOMAINS = {"hidden": ash.choice((4,), ()), "learning_rate": ash.loguniform(1e-3, 1e-1, levels=50)}
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "units": ({"data": REGRESSION}, {"data": (REGRESSION[0], 1000 * REGRESSION[1])}, "y has another scale"),
    "units of X": ({}, {"data": (2 * X, Y)}, "X has another scale, or other last bits"),
    "order of names": (
        {"space": ash.Space(**DOMAINS)},
        {"space": ash.Space(**dict(reversed(DOMAINS.items())))},
        "the space has its names in another order",
    ),
    "column names": (
        {"data": (FRAME, Y)},
        {"data": (FRAME.rename(columns={"c0": "d0"}), Y)},
        "columns with other names",
    ),
}


@pytest.mark.parametrize("what", PAIRS)
def test_f66_a_run_with_a_hidden_difference_is_refused(what: str, tmp_path: Path) -> None:
    first, second, difference = PAIRS[what]
    stopped(tmp_path / "run.ash", 5, **first)
    with pytest.raises(JournalError, match=difference):
        run(tmp_path / "run.ash", **second)


def test_f66_a_different_function_with_the_same_name_is_refused(tmp_path: Path) -> None:
    settings = {"space": small_space(), "candidates": 4, "random_state": 0, "journal": tmp_path / "run.ash"}
    classifier(**settings, scoring=lambda estimator, x, y: float((estimator.predict(x) == y).mean())).fit(X, Y)
    with pytest.raises(JournalError, match="scoring: "):
        classifier(**settings, scoring=lambda estimator, x, y: float((estimator.predict(x) != y).mean())).fit(X, Y)
    classifier(**settings, scoring=lambda estimator, x, y: float((estimator.predict(x) == y).mean())).fit(X, Y)


def test_f66_impossible_results_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    stopped(path, 5, candidates=None)
    found = rows(path, "SELECT * FROM jobs")[0]
    for candidate, rung in ((2**31 - 2, 0), (-1, 0), (0, 70), (2**62, 1)):
        row = with_checksum("jobs", (found[0], candidate, rung, *found[3:-1]))
        change(
            path, "UPDATE jobs SET candidate = ?, rung = ?, checksum = ? WHERE number = ?", *row[1:3], row[-1], row[0]
        )
        with pytest.raises(JournalCorruptError, match="is damaged"):
            run(path, candidates=None, max_total_epochs=500)


def test_f66_a_different_version_is_refused_unless_allowed(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    stopped(path, 5)
    database = Database(path)
    facts = database.read().facts
    facts["run"]["version"]["version of ash"] = "0.0.9"
    changes = Changes()
    changes.facts = {"run": facts["run"]}
    database.write(changes)
    database.close()
    with pytest.raises(JournalError, match=r"version of ash: '0\.0\.9' in the journal"):
        run(path)
    assert outcome(run(ash.Journal(path, allow_change=["version"]))) == outcome(run(None))


def test_options_in_allow_change_may_change(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    stopped(path, 9)
    result = run(ash.Journal(path, allow_change=("promotion", "virtual_workers")), promotion="paper", virtual_workers=2)
    assert outcome(result) == outcome(run(None, promotion="paper", virtual_workers=2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run(3), "journal must be the path of a file, or None, got 3"),
        (lambda: run(""), "journal must be the path of a file, or None, got ''"),
        (lambda: run(True), "journal must be the path of a file, or None, got True"),
        (
            lambda: ash.Journal("a", on_error="ignore"),
            "on_error must be one of 'raise', 'continue', got 'ignore'",
        ),
        (lambda: ash.Journal("a", allow_change=["seed"]), "allow_change must be one of "),
        (
            lambda: ash.Journal("a", allow_change="virtual_workers"),
            "allow_change must be a list of names, got 'virtual_workers'",
        ),
        (lambda: ash.resume(None, X, Y), "journal must be a path or an ash.Journal, got None"),
    ],
)
def test_invalid_journal_arguments_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        call()


def _of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE jobs (a)")
    connection.commit()
    connection.close()


PLACES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "text": (lambda path: path.write_text("not a database at all, but a text"), "is not an ash journal"),
    "random": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)), "is not an ash journal"),
    "another program": (_of_another_program, "is a database of another program"),
    "dangling link": (
        lambda path: path.symlink_to(path.with_name("nothing")),
        "is a link to a file that does not exist",
    ),
    "log alone": (lambda path: path.with_name(f"{path.name}-wal").write_bytes(b"x"), r".* belongs to"),
}
FACTS = {
    "progress": ["[]", '{"seconds": "soon"}', '{"seconds": {}}', '{"seconds": NaN}', '{"seconds": -1}'],
    "run": ["{}", "[]", '{"settings": 1, "space": 2, "data": 3, "version": 4}', '"run"'],
    "begun": ["{}", '{"date": 3}', "[]"],
    "before": ["3", "[[0]]", '[[0, {"hidden": [3]}]]', '[["a", 3]]'],
    "began": ["3", "[]", '{"hidden": 1}'],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FACTS.items() for text in texts])
def test_f105_forged_facts_are_refused(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    stopped(path, 5)
    *_, hashed = with_checksum("facts", (name, text))
    change(path, "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", name, text, hashed)
    with pytest.raises(JournalCorruptError, match="is damaged"):
        run(path)
    if name != "progress":
        with pytest.raises(JournalCorruptError, match="is damaged"):
            ash.resume(path, X, Y)


@pytest.mark.parametrize("place", PLACES)
def test_f64_invalid_journals_are_left_unchanged(place: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    make, message = PLACES[place]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    names = {file.name for file in tmp_path.iterdir()}
    with pytest.raises(JournalError, match=message):
        run(path)
    assert {file.name for file in tmp_path.iterdir()} - {"run.ash-lock"} == names
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize(
    "name", [":memory:/a", "n" * 300, "no/such/folder/run.ash", "a\0b"], ids=["memory", "long", "folder", "nul"]
)
def test_f64_impossible_paths_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        run(f"{tmp_path}/{name}")


def test_f64_memory_is_an_ordinary_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(":memory:")
    assert (tmp_path / ":memory:").stat().st_size > 0


def test_f64_a_link_is_followed_to_the_journal(tmp_path: Path) -> None:
    stopped(tmp_path / "run.ash", 5)
    (tmp_path / "link.ash").symlink_to(tmp_path / "run.ash")
    assert outcome(run(tmp_path / "link.ash")) == outcome(run(None))
    assert not (tmp_path / "link.ash-lock").exists()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0"], ids=["empty", "header"])
def test_f60_an_empty_file_is_used_and_an_incomplete_header_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    path.write_bytes(content)
    if content:
        with pytest.raises(JournalError):
            run(path)
    else:
        assert outcome(run(path)) == outcome(run(None))


def test_f60_a_database_without_tables_is_used(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert path.stat().st_size > 0
    assert outcome(run(path)) == outcome(run(None))


def test_f65_a_newer_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    run(path)
    change(path, f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(JournalError, match=rf"written by a newer ash, as version {VERSION + 1}"):
        run(path)
    change(path, "PRAGMA user_version=0")
    with pytest.raises(JournalCorruptError, match="tables but no version"):
        run(path)


def test_files_are_accessible_only_to_their_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    path = tmp_path / "run.ash"
    mask = os.umask(0)
    try:
        run(path)
    finally:
        os.umask(mask)
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert modes == {"run.ash": "0o600", "run.ash-lock": "0o600", "run.ash-states": "0o700"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in (tmp_path / "run.ash-states").iterdir())


def test_the_facts_are_readable(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    run(path)
    facts = {name: json.loads(text) for name, text, _ in rows(path, "SELECT * FROM facts")}
    assert facts["ended"] == "finished" and facts["begun"]["by"] == "ash.tune"
    assert facts["run"]["settings"]["seed"] == 5 and facts["progress"]["seconds"] > 0


def test_folds_cannot_share_a_journal(tmp_path: Path) -> None:
    """Check that scikit-learn's output for the failing folds explains why, and what to do."""
    estimator = classifier(candidates=2, journal=tmp_path / "run.ash")
    with pytest.warns(FitFailedWarning, match="A journal belongs to one fit: leave out journal= in cross_val_score"):
        scores = cross_val_score(estimator, X, Y, cv=3)
    assert np.isfinite(scores[0]) and np.isnan(scores[1:]).all()
    with pytest.raises(JournalError, match="A journal belongs to one fit"):
        cross_val_score(estimator, X, Y, cv=3, error_score="raise")

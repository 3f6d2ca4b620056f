"""Tests that damage to journals and states is reported or harmless: no wrong results, no records of lost files."""

import os
import random
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import ash
from ash.cli.show import journal_lines
from ash.errors import JournalCorruptError, JournalError, JournalUnwritableError
from ash.journal.database import read_contents, with_checksum
from ash.journal.state_cache import StateFolder
from callback_help import X, Y
from fault_help import python
from journal_help import change, copy, outcome, rows, run, stopped, with_states

pytestmark = pytest.mark.core

SLOW = {"min_epochs": 40}
DAMAGED = (JournalCorruptError, JournalError)


@pytest.fixture(scope="module")
def expected() -> list[Any]:
    return outcome(run(None))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("begun") / "run.ash"
    stopped(path, 12)
    return path


@pytest.fixture
def left_with_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the journal of a run that was stopped halfway, with states beside it."""
    with_states(monkeypatch)
    path = tmp_path / "states.ash"
    stopped(path, 20, **SLOW)
    assert rows(path, "SELECT count(*) FROM states")[0][0] > 1
    return path


def ended_well(path: Path, expected: list[Any]) -> bool:
    """Resume a journal that may be damaged. Return False if damage is reported; otherwise check the result."""
    try:
        result = run(path)
    except DAMAGED as error:
        assert str(path) in str(error)
        return False
    assert outcome(result) == expected
    return True


def test_f61_truncation_anywhere_is_detected(begun: Path, tmp_path: Path, expected: list[Any]) -> None:
    size = begun.stat().st_size
    generator = random.Random(0)
    for number, length in enumerate(sorted({*range(0, 110, 11), *generator.sample(range(size), 25), size - 1})):
        path = copy(begun, tmp_path / f"{number}.ash")
        os.truncate(path, length)
        ended_well(path, expected)


def test_f61_bits_flipped_anywhere_are_detected(begun: Path, tmp_path: Path, expected: list[Any]) -> None:
    content = begun.read_bytes()
    generator = random.Random(1)
    said = 0
    for number in range(80):
        path = copy(begun, tmp_path / f"{number}.ash")
        damaged = bytearray(content)
        for _ in range(1 + number % 3):
            damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        said += not ended_well(path, expected)
    assert said > 10  # damage that is not reported is in bytes outside of all rows


def test_f61_a_truncated_or_changed_log_is_detected(tmp_path: Path, expected: list[Any]) -> None:
    path = tmp_path / "run.ash"
    code = """
import os, sys
from callback_help import After
from journal_help import run
run(sys.argv[1], After(9, lambda run: os._exit(9)))
"""
    assert python(code, str(path)).returncode == 9
    log = path.with_name("run.ash-wal").read_bytes()
    assert log
    generator = random.Random(2)
    for number in range(30):
        there = copy(path, tmp_path / f"{number}.ash")
        changed = bytearray(log)
        if number % 2:
            del changed[generator.randrange(len(changed)) :]
        else:
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
        there.with_name(f"{number}.ash-wal").write_bytes(changed)
        ended_well(there, expected)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM jobs WHERE number = 4",
        "UPDATE jobs SET score = '0.5' WHERE number = 4",
        "UPDATE jobs SET weights_hash = '0000000000000001' WHERE number = 4",
        "UPDATE facts SET value = '{}' WHERE name = 'run'",
        "DELETE FROM facts WHERE name = 'counts'",
        "DELETE FROM candidates",
        "DELETE FROM facts WHERE name = 'run'",
        "CREATE TRIGGER forgetful BEFORE INSERT ON jobs BEGIN SELECT RAISE(IGNORE); END",
        "ALTER TABLE jobs ADD COLUMN large TEXT GENERATED ALWAYS AS (hex(zeroblob(5)))",
        "DROP TABLE assists",
    ],
)
def test_f61_rows_changed_from_outside_are_detected(statement: str, begun: Path, tmp_path: Path) -> None:
    path = copy(begun, tmp_path / "run.ash")
    change(path, statement)
    with pytest.raises(JournalCorruptError, match="damaged"):
        run(path)


def test_f72_damaged_states_are_recomputed(left_with_states: Path, tmp_path: Path) -> None:
    expected = outcome(run(None, **SLOW))
    generator = random.Random(3)
    for number, damage in enumerate(("cut", "flip", "gone", "empty", "link")):
        path = copy(left_with_states, tmp_path / f"{number}.ash")
        files = sorted((tmp_path / f"{number}.ash-states").iterdir())
        for file in files:
            content = bytearray(file.read_bytes())
            file.unlink()
            if damage == "cut":
                file.write_bytes(content[: generator.randrange(len(content))])
            elif damage == "flip":
                content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
                file.write_bytes(content)
            elif damage == "empty":
                file.write_bytes(b"")
            elif damage == "link":
                file.symlink_to(tmp_path / "elsewhere")
        with pytest.warns(UserWarning, match="are damaged or missing and are trained again"):
            result = run(path, **SLOW)
        assert outcome(result) == expected


def test_states_no_longer_needed_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    stopped(tmp_path / "run.ash", 20, **SLOW, keep=1)
    # the stopped run has kept the states of all candidates that may still be promoted
    assert rows(tmp_path / "run.ash", "SELECT count(*) FROM states")[0][0] > 1
    result = run(tmp_path / "run.ash", **SLOW, keep=1)
    left = [(result.best_candidate, result.best_rung)]
    assert rows(tmp_path / "run.ash", "SELECT candidate, rung FROM states") == left
    assert len(list((tmp_path / "run.ash-states").iterdir())) == 1


def test_f59_a_file_without_its_row_is_removed(left_with_states: Path) -> None:
    folder = left_with_states.with_name("states.ash-states")
    for name in ("000777.safetensors", ".000778.safetensors-x1", "notes.txt"):
        (folder / name).write_bytes(b"left over")
    result = run(left_with_states, **SLOW)
    assert outcome(result) == outcome(run(None, **SLOW))
    assert {file.name for file in folder.iterdir()} == {
        "notes.txt",  # not a file of ash
        *(name for (name,) in rows(left_with_states, "SELECT DISTINCT file FROM states")),
    }


@pytest.mark.parametrize("place", ["file", "row"])
def test_f59_a_kill_between_the_file_and_its_row_loses_nothing(place: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    code = """
import os, sys
from pathlib import Path
import ash.journal.state_cache as state_cache
from ash.journal.database import Database
from ash.journal.state_cache import StateFolder
from journal_help import run
state_cache.SHARE, state_cache.WORTH = 1e6, 0.0
write, commit = StateFolder.write, Database.write
written = []
def count(*arguments):
    written.append(write(*arguments))
    if sys.argv[2] == "file":
        os.kill(os.getpid(), 9)
    return written[-1]
def die(database, changes):
    commit(database, changes)
    if written and sys.argv[2] == "row":
        os.kill(os.getpid(), 9)
StateFolder.write, Database.write = count, die
run(Path(sys.argv[1]), min_epochs=40)
"""
    assert python(code, str(path), place).returncode == -9
    named = {name for (name,) in rows(path, "SELECT DISTINCT file FROM states")}
    there = {file.name for file in (tmp_path / "run.ash-states").iterdir()}
    assert named <= there and len(there - named) == (place == "file")
    assert outcome(run(path, **SLOW)) == outcome(run(None, **SLOW))


def test_results_of_other_data_are_noticed_when_a_network_is_recomputed(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    run(path)
    for row in rows(path, "SELECT * FROM jobs"):
        forged = with_checksum("jobs", (*row[:10], f"{int(row[10], 16) ^ 1:016x}", *row[11:-1]))
        change(path, "UPDATE jobs SET weights_hash = ?, checksum = ? WHERE number = ?", forged[10], forged[-1], row[0])
    with pytest.raises(JournalCorruptError, match="other weights than its result says"):
        run(path)


def test_a_folder_of_states_behind_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    (tmp_path / "run.ash-states").symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="is a link: replace it by a folder, .*; the run continues without"):
        assert outcome(run(tmp_path / "run.ash")) == outcome(run(None))
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["mine.txt"]


def test_f62_a_run_continues_without_writing_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    (tmp_path / "run.ash-states").write_text("a file, where the folder should be")
    with pytest.warns(UserWarning, match="the run continues without writing more states"):
        first = run(tmp_path / "run.ash")
    assert outcome(first) == outcome(run(None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a run without a state to write does not warn
        assert outcome(run(tmp_path / "run.ash")) == outcome(first)


def test_names_that_lead_out_of_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    folder = StateFolder(tmp_path / "states")
    (tmp_path / "states").mkdir()
    assert folder.read("../secret", 1, "any") is None
    assert ash.Journal(tmp_path / "run.ash").file == tmp_path / "run.ash"


@pytest.mark.parametrize("refused", ["state_cache._states", "open_journal.job_columns", "identity.space_of_facts"])
def test_refused_memory_is_not_reported_as_damage(
    refused: str, left_with_states: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(left_with_states.with_name("states.ash-states").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(f"ash.journal.{refused}", mock.Mock(side_effect=MemoryError))
        with pytest.raises(MemoryError):
            ash.resume(left_with_states, X, Y, verbose=0)
        if "job_columns" in refused:
            patch.setattr("ash.cli.show._best", mock.Mock(side_effect=MemoryError))
            with pytest.raises(MemoryError):
                list(journal_lines(str(left_with_states)))
    assert sorted(left_with_states.with_name("states.ash-states").iterdir()) == files
    assert outcome(run(left_with_states, **SLOW)) == outcome(run(None, **SLOW))


@pytest.mark.parametrize(("code", "error"), [(7, MemoryError), (10, JournalUnwritableError), (11, JournalCorruptError)])
def test_an_unreadable_page_is_reported_by_its_cause(code: int, error: type[Exception]) -> None:
    """Let SQLite's `quick_check` fail with SQLITE_NOMEM, SQLITE_IOERR and SQLITE_CORRUPT. The message must be shown."""
    connection = mock.MagicMock()
    connection.execute.return_value = [(f"Tree 5 page 23: unable to get the page. error code={code}",)]
    with pytest.raises(error, match="unable to get the page"):
        read_contents(connection)

"""Tests a journal on full, read-only and failing disks (the first, second, ... system call fails), and after kills."""

import contextlib
import errno
import itertools
import json
import os
import re
import resource
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import ash
import needs
from ash.cli.command import main
from ash.errors import JournalError, JournalUnwritableError
from ash.journal import database
from callback_help import After, Diary, X, Y
from fault_help import LONG, environment_of_tests, python, python_file
from function_journal_help import outcome as function_outcome
from function_journal_help import tune as tune_function
from journal_help import EPOCHS, JOBS, copy, outcome, rows, run, stopped

STEPS = pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
"""The stride of failing calls. By default, only every third call is made to fail; slow tests try every call."""


@pytest.fixture
def small_files() -> Iterator[Any]:
    """Yield a function that limits the size of files, to imitate a full disk. Python ignores the signal SIGXFSZ."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Any]:
    """Yield a function that mounts a small disk of the given size in KiB and returns its folder."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        _mount(folder, "-t", "tmpfs", "-o", f"size={size}k", "tmpfs")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(folder: Path, *words: str) -> None:
    done = subprocess.run([needs.program("mount"), *words, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        needs.not_here(f"a disk cannot be mounted: {done.stderr.strip()}")


def _fill(folder: Path) -> None:
    with (folder / "rest").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def _make_read_only(folder: Path) -> None:
    _mount(folder, "-o", "remount,ro")


NOT_WRITTEN = {"full": _fill, "read-only": _make_read_only}
"""The ways to make a disk unwritable."""


def test_f62_a_disk_that_fills_up_at_any_time_loses_nothing(tmp_path: Path, small_files: Any) -> None:
    expected = outcome(run(None))
    failed = partials = 0
    for number, size in enumerate([0, 1, 4096, 8192, *range(12_000, 200_000, 13_000)]):
        path = tmp_path / f"{number}.ash"
        diary = Diary()
        small_files(size)
        try:
            assert outcome(run(path, diary)) == expected
        except JournalError as error:
            failed += 1
            assert str(path) in str(error)
            if (partial := getattr(error, "result", None)) is not None:
                partials += 1
                assert partial.ended == "interrupted" and 0 < len(partial.jobs) <= JOBS
        finally:
            small_files(resource.RLIM_INFINITY)
        told = {(job.candidate, job.rung) for job, _ in diary.jobs}
        there = set(rows(path, "SELECT candidate, rung FROM jobs")) if diary.pages else set()
        assert told <= there  # each reported job is in the file
        assert outcome(run(path)) == expected
    assert failed > 4 and partials > 0


@pytest.mark.parametrize(("jobs", "number"), [(5, 3), (30, 1)], ids=["begun", "over"])
def test_f62_a_run_may_continue_without_its_journal(jobs: int, number: int, tmp_path: Path) -> None:
    """Make one insert fail. If the run had already finished, nothing is trained or lost, so there is no warning."""
    path, diary, calls, real = tmp_path / "run.ash", Diary(), itertools.count(1), database._insert
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR

    def insert(*arguments: Any) -> int:
        if next(calls) == number:
            raise failure
        return real(*arguments)

    first = stopped(path, jobs) if jobs < JOBS else run(path)
    words = "disk I/O error; the run continues without its journal"
    told = pytest.warns(UserWarning, match=words) if jobs < JOBS else contextlib.nullcontext()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_insert", insert)
        with told:
            result = run(ash.Journal(path, on_error="continue"), diary)
    assert outcome(result) == outcome(run(None)) and len(diary.jobs) == JOBS - len(first.jobs)
    assert outcome(run(path)) == outcome(result)


@pytest.mark.parametrize("size", [4, 16], ids=["first byte", "first commit"])
def test_f62_a_disk_that_is_full_from_the_start_is_reported(size: int, disk: Any) -> None:
    path = disk(size) / "run.ash"
    with pytest.raises(JournalUnwritableError, match=re.escape(str(path))):
        run(path)
    diary = Diary()
    with pytest.warns(UserWarning, match="the run continues without its journal") as told:
        result = run(ash.Journal(path, on_error="continue"), diary)
    assert len(told) == 1 and outcome(result) == outcome(run(None))
    assert len(diary.jobs) == JOBS and diary.pages[0][1].resumed == 0
    with pytest.warns(UserWarning, match="the run continues without its journal"):
        found = tune_function(ash.Journal(path.with_name("function.ash"), on_error="continue"))
    assert function_outcome(found) == function_outcome(tune_function(None))


@pytest.mark.parametrize("what", NOT_WRITTEN)
def test_f62_a_finished_run_can_be_read_from_an_unwritable_disk(what: str, disk: Any, capsys: Any) -> None:
    folder = disk(1024)
    path, function = folder / "run.ash", folder / "function.ash"
    greedy = {"schedule": "greedy", "n_jobs": 1}
    result, found = run(path), tune_function(function)
    run(folder / "greedy.ash", **greedy)
    copy(path, folder / "copied.ash")
    (folder / "copied.ash-lock").unlink()
    NOT_WRITTEN[what](folder)
    before = path.read_bytes()
    for journal in (path, folder / "copied.ash"):
        assert main(["show", str(journal)]) == 0 and "ended: finished" in capsys.readouterr().out
        assert outcome(ash.resume(journal, X, Y)) == outcome(run(journal)) == outcome(result)
    assert len(run(folder / "greedy.ash", **greedy).jobs) == JOBS
    assert function_outcome(tune_function(function)) == function_outcome(found)
    with pytest.raises(JournalUnwritableError):
        run(path, candidates=32)
    with pytest.warns(UserWarning, match="the run continues without its journal"):
        more = run(ash.Journal(path, on_error="continue"), diary := Diary(), candidates=32)
    assert outcome(more) == outcome(run(None, candidates=32))
    assert diary.pages[0][1].resumed == JOBS and len(diary.jobs) < len(more.jobs)
    assert path.read_bytes() == before


@pytest.mark.parametrize("what", NOT_WRITTEN)
def test_f62_new_results_of_a_finished_run_are_not_lost_silently(what: str, disk: Any) -> None:
    """A function's journal does not store where its run ends, so only a new job shows that the run continues."""
    folder = disk(1024)
    tune_function(folder / "run.ash", max_rungs=1)
    NOT_WRITTEN[what](folder)
    with pytest.raises(JournalUnwritableError):
        tune_function(folder / "run.ash")


@pytest.mark.parametrize("what", NOT_WRITTEN)
def test_f62_an_interrupted_run_on_an_unwritable_disk_uses_its_results(what: str, disk: Any) -> None:
    folder, given = disk(1024), {**LONG, "max_total_epochs": 100 * EPOCHS}
    whole = run(None, **given)
    path = folder / "run.ash"
    code = "import os; from callback_help import After; from ash import SearchConfig; from journal_help import run; "
    assert python(f"{code} run({str(path)!r}, After(5, lambda _: os._exit(9)), **{given})").returncode == 9
    known = rows(path, "SELECT count(*) FROM jobs")[0][0]
    assert known < len(whole.jobs)
    NOT_WRITTEN[what](folder)
    with pytest.raises(JournalUnwritableError):
        run(path, first := Diary(), **given)
    assert first.pages == [], "it was noticed late"
    with pytest.warns(UserWarning, match="the run continues without its journal"):
        result = run(ash.Journal(path, on_error="continue"), diary := Diary(), **given)
    assert outcome(result) == outcome(whole)
    assert diary.pages[0][1].resumed == known and len(diary.jobs) == len(whole.jobs) - known
    with pytest.warns(UserWarning), pytest.raises(JournalError, match="holds another run"):
        run(ash.Journal(path, on_error="continue"), random_state=6, **given)


def test_f62_an_unreadable_journal_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.ash"
    run(path)
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR
    monkeypatch.setattr(database, "_check", mock.Mock(side_effect=failure))
    for seed in (5, None):
        with pytest.raises(JournalUnwritableError, match="disk I/O error"):
            run(path, random_state=seed)
        with pytest.warns(UserWarning, match="disk I/O error; the run continues without its journal"):
            result = run(ash.Journal(path, on_error="continue"), random_state=seed)
        assert outcome(result) == outcome(run(None, random_state=result.settings["seed"]))


MOVED = {
    "deleted": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("moved.ash")),
    "replaced": lambda path: path.with_name("other.ash").replace(path),
}


@pytest.mark.parametrize("on_error", ["raise", "continue"])
@pytest.mark.parametrize("what", MOVED)
def test_f62_deleting_or_moving_a_journal_during_a_run_is_noticed(
    what: str, on_error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ash.engine.event_loop.WAKE_SECONDS", 1e-3)
    long = {"min_epochs": 400}  # so long that callbacks are called before the run ends
    path = tmp_path / "run.ash"
    stopped(tmp_path / "other.ash", 5)

    def move(_: Any) -> None:
        MOVED[what](path)
        monkeypatch.undo()

    callbacks, words = (After(3, move), diary := Diary()), f"{path} was deleted, moved or replaced during the run"
    if on_error == "raise":
        with pytest.raises(JournalUnwritableError, match=re.escape(words)):
            run(path, *callbacks, **long)
        told = {(job.candidate, job.rung) for job, _ in diary.jobs}
        if what == "moved":
            assert told <= set(rows(tmp_path / "moved.ash", "SELECT candidate, rung FROM jobs"))
    else:
        with pytest.warns(UserWarning, match=f"{re.escape(words)}.*; the run continues without its journal"):
            assert outcome(run(ash.Journal(path, on_error=on_error), *callbacks, **long)) == outcome(run(None, **long))
    assert list(tmp_path.glob("run.ash-[ws]*")) == [], "what is left would be taken for that of the next journal here"
    assert outcome(run(path)) == outcome(run(None))


POINTS = {
    "write": ("posix/io/rw/pwrite", errno.ENOSPC, True),
    "short write": ("posix/io/rw/pwrite/reduce", 1, False),
    "fdatasync": ("posix/io/sync/fdatasync", errno.EIO, True),
    "fsync": ("posix/io/sync/fsync", errno.EIO, False),
    "truncation": ("posix/io/rw/ftruncate", errno.EIO, True),
    "open": ("posix/io/oc/open", errno.EMFILE, True),
    "rename": ("posix/io/dir/rename", errno.EIO, False),
    "unlink": ("posix/io/dir/unlink", errno.EACCES, False),
}
"""Calls that libfiu makes fail: libfiu's name, the system's error, and whether some failures end the run."""


@STEPS
@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"F62-{point}")
def test_the_nth_failing_call_of_sqlite_or_ash_loses_nothing(point: str, step: int, tmp_path: Path) -> None:
    library = Path("/usr/lib/fiu/fiu_posix_preload.so")
    if not library.exists():
        needs.lacks("libfiu")
    name, code, needed = POINTS[point]
    step = 1 if point == "truncation" else step  # only three truncations occur, so each is tried
    done = python_file("fail_calls.py", name, str(code), str(step), str(tmp_path), LD_PRELOAD=str(library))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failed"] > 0 and (found["ended"] > 0) == needed, found


def test_f64_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    # Root may write to any folder unless it lacks this capability.
    forbidden = [needs.program("setpriv"), "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    code = f"from journal_help import run; run({str(folder / 'run.ash')!r})"
    done = subprocess.run(
        [*forbidden, sys.executable, "-c", code],
        env=environment_of_tests(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search("JournalUnwritableError: .*Permission denied", done.stderr), done.stderr


@pytest.mark.parametrize("on_error", ["raise", "continue"])
def test_f64_devices_pipes_sockets_and_folders_are_refused(on_error: str, tmp_path: Path) -> None:
    devices = set(os.listdir("/dev"))
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in ("/dev/null", "/dev/full", tmp_path / "pipe", tmp_path / "socket"):
            words = f"{path} is a device, a pipe or a socket: give the path of a file"
            with pytest.raises(JournalError, match=words):
                run(ash.Journal(path, on_error=on_error))
    with pytest.raises(JournalError, match=f"{tmp_path} is a folder: give the path of a file"):
        run(ash.Journal(tmp_path, on_error=on_error))
    assert not [name for name in set(os.listdir("/dev")) - devices if name.startswith(("null", "full"))]
    assert {file.name for file in tmp_path.iterdir()} == {"pipe", "socket"}


def test_f71_changes_of_the_system_clock_have_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    path = tmp_path / "run.ash"
    expected = outcome(run(None))

    class Back(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.datetime.now(tz) - datetime.timedelta(hours=1)

    stopped(path, 7)
    monkeypatch.setattr("ash.journal.open_journal.datetime", Back)
    result = run(path)
    assert outcome(result) == expected
    assert all(0 <= job.start <= job.end <= result.wall_seconds for job in result.jobs)


def test_f75_a_journal_with_many_results_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    space = ash.Space(hidden=(), learning_rate=ash.loguniform(1e-3, 1e-1, levels=5000), batch_size=128)
    settings = {"space": space, "candidates": 3000, "max_rungs": 1}
    first = run(path, **settings)
    moved = copy(path, tmp_path / "again.ash")
    assert outcome(run(moved, **settings)) == outcome(first)
    assert rows(moved, "SELECT count(*) FROM jobs") == [(3000,)]


KILLS = [("networks", 40), ("functions", 10)]
SOAK = [("networks", 1000), ("functions", 100)]


@pytest.mark.parametrize(("what", "kills"), KILLS + [pytest.param(*soak, marks=pytest.mark.slow) for soak in SOAK])
def test_f58_kills_at_random_times_lose_nothing(what: str, kills: int) -> None:
    words = [sys.executable, "kill_runs.py", "--kills", str(kills), "--what", what]
    done = subprocess.run(words, cwd=Path(__file__).parents[1] / "soak", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    wrong = {name: found[name] for name in ("lost", "changed", "twice", "unlike", "stray")}
    assert not any(wrong.values()), found
    assert found["kills"] >= kills and found["runs"] > kills / 4 and found["acknowledged"] > 30 * found["runs"]

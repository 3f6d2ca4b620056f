"""A disk that fails a journal, full or read-only, at the first call of the system, the second, and so on; and kills."""

import errno
import itertools
import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ash
import needs
from ash.errors import JournalError
from ash.journal import database
from callback_help import Diary
from fault_help import environment_of_tests, python_file
from journal_help import JOBS, copy, outcome, rows, run, stopped

STEPS = pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
"""By default every third call fails in turn; the slow tests let every call fail."""


@pytest.fixture
def small_files() -> Iterator[Any]:
    """A limit of the bytes of a file, which the system answers like a full disk; Python ignores its signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_f62_a_disk_that_is_full_at_any_time(tmp_path: Path, small_files: Any) -> None:
    expected = outcome(run(None))
    failed = 0
    for number, size in enumerate([0, 1, 4096, 8192, *range(12_000, 200_000, 13_000)]):
        path = tmp_path / f"{number}.ash"
        diary = Diary()
        small_files(size)
        try:
            assert outcome(run(path, diary)) == expected
        except JournalError as error:
            failed += 1
            assert str(path) in str(error)
        finally:
            small_files(resource.RLIM_INFINITY)
        told = {(job.candidate, job.rung) for job, _ in diary.jobs}
        there = set(rows(path, "SELECT candidate, rung FROM jobs")) if diary.pages else set()
        assert told <= there  # whoever was told of a job finds it in the file
        assert outcome(run(path)) == expected
    assert failed > 4


@pytest.mark.parametrize(("jobs", "number"), [(5, 3), (30, 1)], ids=["begun", "over"])
def test_f62_a_run_may_go_on_without_its_journal(jobs: int, number: int, tmp_path: Path) -> None:
    """What is known counts: a run that is over is not trained again."""
    path, diary, calls, real = tmp_path / "run.ash", Diary(), itertools.count(1), database._insert

    def insert(*arguments: Any) -> int:
        if next(calls) == number:
            raise sqlite3.OperationalError("disk I/O error")
        return real(*arguments)

    first = stopped(path, jobs) if jobs < JOBS else run(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_insert", insert)
        with pytest.warns(UserWarning, match="disk I/O error; the run continues without its journal"):
            result = run(ash.Journal(path, on_error="continue"), diary)
    assert outcome(result) == outcome(run(None)) and len(diary.jobs) == JOBS - len(first.jobs)
    assert outcome(run(path)) == outcome(result)


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
"""Calls that libfiu lets fail: its name of each, the error of the system, and whether rows are lost without it."""


@STEPS
@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"F62-{point}")
def test_the_nth_call_of_sqlite_or_ours_fails(point: str, step: int, tmp_path: Path) -> None:
    library = Path("/usr/lib/fiu/fiu_posix_preload.so")
    if not library.exists():
        needs.lacks("libfiu")
    name, code, needed = POINTS[point]
    done = python_file("fail_calls.py", name, str(code), str(step), str(tmp_path), LD_PRELOAD=str(library))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failed"] > 0 and (found["ended"] > 0) == needed, found


def test_f64_a_folder_that_must_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    # Root may write everywhere, but for this right.
    forbidden = [needs.program("setpriv"), "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    code = f"from journal_help import run; run({str(folder / 'run.ash')!r})"
    done = subprocess.run(
        [*forbidden, sys.executable, "-c", code],
        env=environment_of_tests(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search("JournalError: .*Permission denied", done.stderr), done.stderr


def test_f64_a_device_is_no_journal() -> None:
    with pytest.raises(JournalError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run("/dev/full")


def test_f71_the_clock_of_the_wall_is_of_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_f75_a_journal_of_many_results_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    space = ash.Space(hidden=(), learning_rate=ash.log(1e-3, 1e-1, levels=5000), batch_size=128)
    settings = {"space": space, "candidates": 3000, "max_rungs": 1}
    first = run(path, **settings)
    moved = copy(path, tmp_path / "again.ash")
    assert outcome(run(moved, **settings)) == outcome(first)
    assert rows(moved, "SELECT count(*) FROM jobs") == [(3000,)]


def test_the_command_goes_on_from_its_journal(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ash", "wine", "--candidates", "16", "--journal", "run.ash"]
    first = subprocess.run([*words, "--epoch-limit", "20"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "journal" in first.stdout
    count = rows(tmp_path / "run.ash", "SELECT count(*) FROM jobs")[0][0]
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert rows(tmp_path / "run.ash", "SELECT count(*) FROM jobs")[0][0] > count
    fresh = subprocess.run(words[:-2], cwd=tmp_path, capture_output=True, text=True, check=True)
    digests = [re.search(r"digest (\w+)", each.stdout) for each in (again, fresh)]
    assert digests[0] and digests[1] and digests[0][1] == digests[1][1]
    shown = subprocess.run([*words[:3], "show", "run.ash"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for words_shown in ("ended: finished", "30 jobs of 16 candidates", "best      accuracy", "hidden"):
        assert words_shown in shown.stdout
    refused = subprocess.run([*words, "--seed", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "seed: 0 there, 1 here" in refused.stderr


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

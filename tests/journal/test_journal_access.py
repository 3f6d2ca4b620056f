"""Tests access to a journal, and its location: one writer at a time, readers, forks, file systems."""

import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import ash
from ash.errors import JournalError, JournalLockedError
from ash.journal.database import NETWORK, Changes, Database, file_system, log_works
from callback_help import Stopper
from fault_help import HANG_SECONDS, LONG
from journal_help import EPOCHS, outcome, rows, run, stopped

HOLDER = """
import ctypes, sys, time
import ash
from ash.journal.journal import Journal
from ash.journal.network_journal import NetworkJournal
with NetworkJournal(Journal(sys.argv[1])):
    if child := ctypes.CDLL(None).fork():  # as a C library forks, without Python's handlers
        print(child, flush=True)
    time.sleep(600)
"""


def test_f67_f68_a_journal_has_one_writer_and_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    stopped(path, 5)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(JournalLockedError, match=rf"in use by process {holder.pid} on "):
                run(path)
            assert holder.poll() is None, "it was waited for"
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            assert outcome(run(path)) == outcome(run(None))
        finally:
            os.kill(child, signal.SIGKILL)


def test_f67_a_second_run_in_the_same_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"

    class Inner(Stopper):
        def on_start(self, run_: ash.Run) -> None:
            super().on_start(run_)
            with pytest.raises(JournalLockedError, match=rf"another run of this process, {os.getpid()}"):
                run(path)

    assert outcome(run(path, Inner(99))) == outcome(run(None))


def _in_child(path: Path, queue: Any) -> None:
    try:
        run(path, n_jobs=1)
        queue.put("ran")
    except JournalError as error:
        queue.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_f69_a_forked_child_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    context = multiprocessing.get_context("fork")
    database = Database(tmp_path / "other.ash")
    told: list[str] = []

    class Forks(Stopper):
        def on_start(self, run_: ash.Run) -> None:
            super().on_start(run_)
            queue = context.Queue()
            child = context.Process(target=_in_child, args=(path, queue))
            child.start()
            told.append(queue.get(timeout=HANG_SECONDS))
            child.join()

    assert outcome(run(path, Forks(99))) == outcome(run(None))
    assert re.search(rf"in use by process {os.getpid()} on ", told[0])
    child = os.fork()
    if child == 0:  # the child must not use the parent's connection
        try:
            database.write(Changes())
        except JournalError as error:
            os._exit(0 if "before this process was forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    database.close()


MOUNTS = """
21 1 0:20 / / rw - ext4 /dev/root rw
22 21 0:21 / /home rw shared:1 - nfs4 server:/home rw
23 22 0:22 / /home/a\\040b rw - xfs /dev/x rw
24 21 0:23 / /home/share rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/tmp", "ext4"), ("/home", "nfs4"), ("/home/a b/c", "xfs"), ("/home/share/x", "cifs"), ("/homer", "ext4")],
)
def test_f69_the_file_system_of_a_path_is_found(folder: str, kind: str) -> None:
    assert file_system(Path(folder) / "run.ash", MOUNTS) == kind


def test_f69_file_systems_of_several_machines_are_known() -> None:
    shared = "nfs nfs4 cifs smb3 9p virtiofs ceph lustre beegfs gpfs wekafs panfs pvfs2 orangefs gfs2 ocfs2 fuse.sshfs"
    for kind in (*shared.split(), "fuse.juicefs", "fuse.blobfuse2", "fuse.ceph"):
        assert NETWORK.fullmatch(kind), kind
    for kind in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuseblk", "fuse.portal", "fuse"):
        assert not NETWORK.fullmatch(kind), kind


def test_f69_a_log_that_sqlite_refuses_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def without_shared_memory(path: Any, **given: Any) -> sqlite3.Connection:
        return connect(f"{Path(path).as_uri()}?vfs=unix-dotfile", uri=True, **given)

    monkeypatch.setattr("ash.journal.database.sqlite3.connect", without_shared_memory)
    with pytest.warns(UserWarning, match="has no write-ahead log, since SQLite cannot use one there"):
        database = Database(tmp_path / "run.ash")
    assert database._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    database.close()


def test_f69_a_network_file_system_gets_no_log_and_causes_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("1 1 0:1 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr("ash.journal.database.MOUNTS", mounts)
    path = tmp_path / "run.ash"
    with pytest.warns(UserWarning, match=r"a network file system \(nfs4\)"):
        assert not log_works(path)
    with pytest.warns(UserWarning, match="a network file system"):
        stopped(path, 5)
    assert rows(path, "PRAGMA journal_mode") == [("delete",)]
    with pytest.warns(UserWarning, match="a network file system"):
        assert outcome(run(path)) == outcome(run(None))


def test_each_commit_is_synced(tmp_path: Path) -> None:
    database = Database(tmp_path / "run.ash")
    full = 2  # synchronous=FULL; a power failure cannot be tested
    assert database._connection.execute("PRAGMA synchronous").fetchone() == (full,)
    database.close()


def test_f69_a_local_file_system_gets_a_log(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    seen: list[bool] = []

    class Looks(Stopper):
        def on_job(self, job: Any, params: Any) -> None:
            super().on_job(job, params)
            seen.append((tmp_path / "run.ash-wal").exists())

    run(path, Looks(99))
    assert seen and all(seen)


def test_f70_a_reader_sees_reported_jobs_and_blocks_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    given = {**LONG, "max_total_epochs": 100 * EPOCHS}
    open_while_it_runs = []
    seen: list[bool] = []
    there: list[int] = []

    class Reads(Stopper):
        def on_start(self, run_: ash.Run) -> None:
            super().on_start(run_)
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM jobs").fetchone()  # the reader holds its snapshot from now on
            open_while_it_runs.append(reader)

        def on_job(self, job: Any, params: Any) -> None:
            super().on_job(job, params)
            found = rows(path, f"SELECT score FROM jobs WHERE candidate = {job.candidate} AND rung = {job.rung}")
            seen.append(found == [(repr(job.score),)])
            there.extend(rows(path, "SELECT count(*) FROM jobs")[0])

    with mock.patch("ash.engine.event_loop.WAKE_SECONDS", 1e-3):
        result = run(path, Reads(999), **given)
    assert len(seen) == len(result.jobs) and all(seen)
    assert there[0] < len(result.jobs) / 2
    (reader,) = open_while_it_runs
    assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (len(result.jobs),)
    reader.close()
    assert outcome(result) == outcome(run(None, **given))

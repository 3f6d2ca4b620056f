"""Tests the command with jobs on executors: with `--dask`, and started on several MPI ranks."""

import contextlib
import gc
import json
import logging
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ash.cli.command import main
from fault_help import HANG_SECONDS, refused, wait_until
from mpi_help import under_mpi

pytestmark = pytest.mark.usefixtures("empty_folder")
DIGITS = ("digits", "--candidates", "16", "--virtual-workers", "4")


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("threads")
    assert main([*DIGITS, "--quiet", "--out", str(folder / "threads"), "--json", str(folder / "threads.json")]) == 0
    found: str = json.loads((folder / "threads.json").read_text())["digest"]
    return found


def ran(folder: Path, processes: int, *words: str) -> subprocess.CompletedProcess[str]:
    command = under_mpi(processes, "-m", "ash", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)


def jobs_in(journal: Path) -> int:
    """Return the number of results in a journal; 0 if the journal is still being created."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    import distributed

    quiet = {"dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster:
        yield cluster.scheduler_address


def test_dask_runs_the_jobs(scheduler: str, digest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*DIGITS, "--dask", scheduler, "--out", str(tmp_path), "--json", str(tmp_path / "summary.json")]
    assert main(words) == 0
    out, err = capsys.readouterr()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["digest"] == digest and summary["settings"]["threads"] == 2
    assert "16 candidates" in out and err.splitlines()[-1].startswith("ash: ")
    assert main([*words, "--quiet", "--force", "--threads", "1", "--virtual-workers", "1", "--candidates", "2"]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads((tmp_path / "summary.json").read_text())["settings"]["threads"] == 1


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    return refused(capsys, "wine", "--candidates", "2", "--quiet", *words)


@pytest.mark.filterwarnings("ignore")  # dropping a partly created Dask client causes warnings
def test_an_unreachable_scheduler_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("distributed").setLevel(logging.INFO)  # Dask's default
    with socket.socket() as silent:  # reserves a port on which nothing listens
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        found = complaint(capsys, "--dask", f"tcp://127.0.0.1:{port}", "--worker-timeout", "1")
    assert f"--dask tcp://127.0.0.1:{port}: no scheduler answers there (" in found and "tcp://HOST:8786" in found
    assert "--dask 127.0.0.1: no scheduler answers there (" in complaint(capsys, "--dask", "127.0.0.1")
    assert not logging.getLogger("distributed.batched").isEnabledFor(logging.ERROR), "Dask logs beside our one line"
    gc.collect()  # a collection during the start of Dask would make it fail, since both need the same lock


def test_a_scheduler_without_workers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    import distributed

    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as cluster:
        found = complaint(capsys, "--dask", cluster.scheduler_address, "--worker-timeout", "0.5")
    assert "has had no worker for worker_timeout=0.5 seconds; start some" in found


def test_dask_without_its_package_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "--dask needs distributed; install it with: pip install 'ash-tune[dask]'" in complaint(capsys, "--dask", "x")


def test_threads_per_worker_is_only_for_mpi_ranks(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--threads-per-worker must be an integer from 1 to 65536, got 0" in complaint(
        capsys, "--threads-per-worker", "0"
    )
    found = complaint(capsys, "--threads-per-worker", "2")
    assert found.endswith("--threads-per-worker 2 is for MPI ranks: start ash-tune with mpiexec, or give --threads\n")


@pytest.mark.parametrize(
    ("processes", "words", "threads"),
    [(1, "--threads 1", 1), (1, "--threads-per-worker 2", 2), (3, "--threads 2", 2), (3, "--threads-per-worker 2", 4)],
)
def test_mpi_ranks_run_the_jobs(processes: int, words: str, threads: int, digest: str, tmp_path: Path) -> None:
    """Check that only one process prints and writes. With a single process, the command trains in threads."""
    done = ran(tmp_path, processes, *DIGITS, *words.split(), "--json", "summary.json")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["digest"] == digest and summary["settings"]["threads"] == threads
    assert done.stdout.count("16 candidates, ") == 1 and done.stdout.splitlines()[-2].startswith("files: ash-tune-out/")
    assert len(re.findall(r"^ash: 64 of 64 epochs in .+ s, best accuracy \S+$", done.stderr, re.MULTILINE)) == 1
    lines_of_progress = len(re.findall(r"^ash: \d+ of ", done.stderr, re.MULTILINE))
    is_quick = lines_of_progress == 1  # the run ended before another was due
    assert f"workers: {threads}, jobs on their way: " in done.stderr or processes == 1 or is_quick


def test_an_error_under_mpi_is_one_line_from_ash_tune(tmp_path: Path) -> None:
    for words, line in [
        (["wine", "--dask", "x"], "ash-tune: error: --dask x and 2 MPI ranks exclude each other: use one of them"),
        (["wine", "--threads", "3", "--threads-per-worker", "2"], "ash-tune: error: --threads-per-worker 2 and"),
        (["none.csv"], "ash-tune: error: none.csv: no such file (and none of "),
    ]:
        done = ran(tmp_path, 2, *words)
        assert done.returncode == 2 and done.stdout == ""
        assert [each.startswith(line) for each in done.stderr.splitlines() if "MPI_Abort" not in each] == [True]


LONG = ("digits", "--candidates", "20000", "--journal", "run.ash", "--json", "summary.json")


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background, with its stderr in a file, and terminate it when the context is left."""
    with (folder / "err").open("w") as err, subprocess.Popen(words, cwd=folder, stderr=err, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def ended_by(number: int, process: subprocess.Popen[str], folder: Path) -> int:
    """Send signal `number` to a running command, check that its files were written, and return its exit status."""
    wait_until(lambda: jobs_in(folder / "run.ash") >= 4)
    process.send_signal(number)
    status = process.wait(HANG_SECONDS)
    assert json.loads((folder / "summary.json").read_text())["ended"] == "interrupted"
    assert (folder / "ash-tune-out" / "report.html").exists() and "Traceback" not in (folder / "err").read_text()
    return status


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_mpiexec_forwards_to_all_ranks_ends_a_run_with_its_files(
    number: int, status: int, tmp_path: Path
) -> None:
    with running(tmp_path, *under_mpi(3, "-m", "ash", *LONG)) as process:
        assert ended_by(number, process, tmp_path) == status


def test_ctrl_c_ends_a_dask_run_with_its_files(scheduler: str, tmp_path: Path) -> None:
    with running(tmp_path, sys.executable, "-m", "ash", *LONG, "--dask", scheduler) as process:
        assert ended_by(signal.SIGINT, process, tmp_path) == 130


def test_a_run_in_threads_imports_neither_dask_nor_mpi(tmp_path: Path) -> None:
    code = "import sys; from ash.cli.command import main;"
    code += "main(['wine', '--candidates', '2', '--quiet', '--out', sys.argv[1]]);"
    code += "sys.exit(any(each.partition('.')[0] in ('distributed', 'mpi4py') for each in sys.modules))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=HANG_SECONDS)

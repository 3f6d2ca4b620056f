"""Tests the faults of MPI (F94, F100, F101): ranks that die, and the faults that mpi4py tests for its futures.

mpiexec ends all ranks when one dies. Running the same command again resumes from the journal.
"""

import re
from pathlib import Path

import pytest

import needs
from ash._utils.machine import available_bytes
from ash.executors.mpi_pool import PIECE
from cluster_help import jobs_in
from executor_help import BAD, expected, tuned
from fault_help import LONG
from mpi_help import run_script

KILLED = """
import os, signal, sys
from mpi4py import MPI
from mpi4py.futures import MPIPoolExecutor
from callback_help import After
from executor_help import tuned
from fault_help import LONG

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        victim = {"worker": executor.submit(os.getpid).result(), "decides": os.getpid(), "none": 0}[sys.argv[2]]
        callbacks = [After(12, lambda run: os.kill(victim, signal.SIGKILL))] if victim else []
        threads = int(sys.argv[3])
        print(tuned(executor=executor, n_jobs=threads, journal=sys.argv[1], callbacks=callbacks, **LONG).digest)
"""


@pytest.mark.parametrize(("who", "threads"), [("worker", 2), ("worker", 4), ("decides", 2)])
def test_f101_a_dead_rank_ends_the_job_and_the_same_command_resumes_it(who: str, threads: int, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    dead = run_script(3, KILLED, tmp_path, str(path), who, str(threads))
    assert dead.returncode != 0
    there = jobs_in(path)
    again = run_script(3, KILLED, tmp_path, str(path), "none", str(threads))
    wanted = tuned(n_jobs=2, journal=tmp_path / "threads.ash", **LONG)
    assert again.returncode == 0 and again.stdout.split()[-1] == wanted.digest, again.stderr
    rows = jobs_in(tmp_path / "threads.ash")
    assert 0 < len(there) < len(rows) and there == rows[: len(there)] and jobs_in(path) == rows


FAILS = """
import sys
from mpi4py.futures import MPIPoolExecutor
import ash
from ash.executors import job_pool
from callback_help import After
from executor_help import BAD, tuned
from fault_help import LONG

def fails():
    raise ValueError("this rank cannot begin")

def ended(*callbacks):
    try:
        tuned(executor=executor, n_jobs=int(sys.argv[3]), journal=sys.argv[2], callbacks=callbacks, **LONG)
    except ash.ExecutorFailedError as error:
        print("ended:", error)

if __name__ == "__main__":
    executor = MPIPoolExecutor(initializer=fails if sys.argv[1] == "initializer" else None)
    right = job_pool.do
    if sys.argv[1] == "pickles":
        for job_pool.do in BAD.values():
            ended()
        job_pool.do = right
    ended(After(1, lambda run: executor.shutdown(wait=False, cancel_futures=True)))
"""


LARGE = """
import sys
import numpy as np
from mpi4py.futures import MPIPoolExecutor
from ash.executors import jobs, mpi_pool

def size():
    return jobs._known["large"].shared.data[0].nbytes

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        pool = mpi_pool.MPIPool(executor, 1)
        pool.open(jobs.Shared("large", [np.zeros(int(sys.argv[1]), np.uint8)], {}))
        print(executor.submit(size).result())
        pool.close()
"""

UNREADABLE = """
from mpi4py.futures import MPIPoolExecutor
import ash
from ash.executors import jobs, mpi_pool
from executor_help import ForOneRank

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        pool = mpi_pool.MPIPool(executor, 2)
        try:
            pool.open(jobs.Shared("unreadable", [ForOneRank()], {}))
        except ash.ExecutorFailedError as error:
            print(error)
        pool.close()
"""

UNSEEN = """
from mpi4py.futures import MPIPoolExecutor
from ash.executors import jobs, mpi_pool
from executor_help import hide_files, tuned

if __name__ == "__main__":
    mpi_pool.PIECE = 100_000
    with MPIPoolExecutor() as executor:
        mpi_pool.MPIPool(executor, 2)._all(hide_files, [()] * 2)
        print(tuned(executor=executor).digest)
"""


@pytest.mark.parametrize(
    ("what", "ends"),
    [
        (
            "pickles",
            ["candidate [0-9]+ failed in rung 0 on 3 workers: "] * len(BAD) + ["the executor accepts no more"],
        ),
        ("initializer", ["the executor does not accept the data: BrokenExecutor"]),
    ],
    ids=lambda text: f"F100-{text}" if isinstance(text, str) else "",
)
@pytest.mark.parametrize("threads", [2, 4])
def test_errors_in_a_rank_end_the_run_with_a_clear_error(
    what: str, ends: list[str], threads: int, tmp_path: Path
) -> None:
    path = tmp_path / "run.ash"
    done = run_script(3, FAILS, tmp_path, what, str(path), str(threads))
    told = [line for line in done.stdout.splitlines() if line.startswith("ended: ")]
    assert len(told) == len(ends), done.stdout + done.stderr
    for line, words in zip(told, ends, strict=True):
        assert re.match(f"ended: {words}", line)
    assert tuned(n_jobs=2, journal=path, **LONG).digest == tuned(n_jobs=2, **LONG).digest


@pytest.mark.faults
@pytest.mark.parametrize("size", [3 * PIECE + 1, pytest.param(2**31 + 2**20, marks=pytest.mark.slow)])
def test_f101_data_are_sent_in_many_pieces(size: int, tmp_path: Path) -> None:
    """Send the data in pieces, since an MPI executor would wait forever for a single argument larger than 2 GiB."""
    free = available_bytes()
    if free is None or free < 6 * size:
        needs.not_here(f"{(free or 0) / 2**30:.0f} GiB of free memory, of {6 * size / 2**30:.0f} that this takes")
    done = run_script(2, LARGE, tmp_path, str(size))
    assert done.stdout.split() == [str(size)], done.stderr


def test_f101_data_are_sent_if_no_rank_can_read_the_file(tmp_path: Path) -> None:
    done = run_script(3, UNSEEN, tmp_path)
    assert done.stdout.split() == [expected()], done.stderr


@pytest.mark.faults
def test_f99_data_that_one_rank_cannot_read_end_the_run_with_a_clear_error(tmp_path: Path) -> None:
    """Let one rank fail, as if another version were installed there. The other rank must not wait for it."""
    done = run_script(3, UNREADABLE, tmp_path)
    assert done.stdout.strip() == "the executor does not accept the data: ValueError: not for this rank", done.stderr

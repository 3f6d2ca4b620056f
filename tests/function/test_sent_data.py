"""Tests that data are sent once to each process, and that nothing is left of a process that was killed."""

import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from joblib.externals import loky
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import ash
from ash._utils.scratch import LOCK, Scratch
from ash.executors.executor_argument import pool_of
from ash.executors.jobs import LACKS, JobAnswer, read_data, write_data
from ash.function import child, directories, job_runners
from ash.function.answers import SharedFunction
from ash.function.job_runners import Submitted
from fault_help import HANG_SECONDS, python, wait_until
from function_help import job_of, train

MEGABYTES = 400
SPACE = {"place": list(range(1000))}


def bulky() -> Callable[..., Any]:
    """Return a function that refers to 8 MB."""
    numbers = np.random.default_rng(0).normal(size=2**20)

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        done = epochs + (state or 0)
        return numbers[params["place"]] - 1 / done, done

    return function


@contextmanager
def counted_pool() -> Iterator[tuple[Any, list[tuple[int, int]]]]:
    """Yield a pool of two processes, and the rung and the bytes of each job that is submitted to it."""
    sent: list[tuple[int, int]] = []
    with ProcessPoolExecutor(2) as pool:

        class Counted:
            _max_workers = 2

            def submit(self, *arguments: Any) -> Future[Any]:
                rung = arguments[-1].rung
                sent.append((rung, len(pickle.dumps(arguments))))
                return pool.submit(*arguments)

        yield Counted(), sent


def test_jobs_of_a_function_carry_no_data() -> None:
    wanted = ash.tune_function(bulky(), SPACE, candidates=20, random_state=0, costs=lambda params, epochs: epochs)
    with counted_pool() as (executor, sent):
        result = ash.tune_function(
            bulky(), SPACE, candidates=20, random_state=0, costs=lambda params, epochs: epochs, executor=executor
        )
    assert result.digest == wanted.digest
    assert len(sent) == len(result.jobs) and all(size < 2_000 for _, size in sent)


def test_jobs_of_a_search_carry_no_rows() -> None:
    X, y = load_digits(return_X_y=True)
    given: dict[str, Any] = {"candidates": 4, "random_state": 0, "cv": 2, "refit": False}
    space = {"max_depth": ash.integers(2, 9)}
    estimator = RandomForestClassifier(8, random_state=0)
    with counted_pool() as (executor, sent):
        search = ash.ASHSearchCV(estimator, space, executor=executor, **given).fit(X, y)
    wanted = ash.ASHSearchCV(estimator, space, n_jobs=2, **given).fit(X, y)
    assert search.result_.digest == wanted.result_.digest
    first = [size for rung, size in sent if rung == 0]  # later jobs carry their forests
    assert len(first) == 4 and max(first) < 10_000 < X.nbytes


EXECUTORS: dict[str, Callable[[], Any]] = {
    "processes": lambda: "processes",
    "pool of processes": lambda: ProcessPoolExecutor(2, multiprocessing.get_context("spawn")),
    "loky": lambda: loky.get_reusable_executor(2),
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_processes_share_the_memory_of_the_data(name: str, tmp_path: Path) -> None:
    numbers = np.zeros(MEGABYTES * 2**17)

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        total = float(numbers.sum()) if params["place"] else 0.0
        [own] = re.findall(r"Anonymous: +(\d+) kB", Path("/proc/self/smaps_rollup").read_text())
        (tmp_path / f"{os.getpid()} {params['place']}").write_text(str(own))
        return total

    executor = EXECUTORS[name]()
    ash.tune_function(function, {"place": [0, 1, 2, 3]}, candidates=4, executor=executor, n_jobs=2, random_state=0)
    if isinstance(executor, Executor):
        executor.shutdown()
    own = [int(file.read_text()) for file in tmp_path.iterdir()]  # kB that are in no file
    assert own and max(own) < MEGABYTES * 2**10 / 2


def test_a_function_may_change_its_data_in_place() -> None:
    """Check that arrays in a mapped file can be written, and that a change stays in its process."""
    numbers = np.zeros(100_000)

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        numbers[params["place"]] += 1
        return float(numbers.sum())

    result = ash.tune_function(function, SPACE, candidates=8, executor="processes", n_jobs=2, random_state=0)
    assert not result.failures and result.best_score >= 1 and numbers.sum() == 0


def test_data_are_written_and_read_in_parts(tmp_path: Path) -> None:
    value = {
        "plain": [1, "two"],
        "array": np.arange(1000.0).reshape(40, 25),
        "Fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "strided": np.arange(10)[::2],
        "empty": np.empty((0, 3)),
        "objects": np.array([None, "x"], object),
    }
    write_data(tmp_path / "data", value)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o600
    found = read_data(bytearray((tmp_path / "data").read_bytes()))
    assert found["plain"] == value["plain"]
    for name in ("array", "Fortran", "strided", "empty", "objects"):
        assert np.array_equal(found[name], value[name]) and found[name].flags.writeable


def test_a_shared_function_is_unpickled_once_in_a_process(tmp_path: Path) -> None:
    write_data(tmp_path / "data", SharedFunction(bulky(), "pool"))
    shared = read_data(bytearray((tmp_path / "data").read_bytes()))
    assert shared.open() is shared.open()
    assert shared.copy().open() is not shared.open()


def pass_limit(patch: pytest.MonkeyPatch) -> None:
    """Let more time than `job_limit` pass for the runners."""
    now = time.monotonic
    patch.setattr("ash.function.job_runners.time", SimpleNamespace(monotonic=lambda: now() + 2 * HANG_SECONDS))


def wait_for(file: Path) -> float:
    wait_until(file.exists)
    return 1.0


def dask_client() -> Any:
    import distributed

    return distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0")


POOLS: dict[str, Callable[[], Any]] = {
    "threads": lambda: ThreadPoolExecutor(1),
    "pool of processes": lambda: ProcessPoolExecutor(1),
    "loky": lambda: loky.ProcessPoolExecutor(1),
    "Dask": dask_client,
}


@pytest.mark.parametrize("name", POOLS)
def test_job_limit_counts_from_the_start_of_the_job(name: str, tmp_path: Path) -> None:
    """Let the limit pass while a job waits behind other work, and then while it runs."""

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        return wait_for(tmp_path / "job")

    with POOLS[name]() as executor, ExitStack() as stack:
        for file in ("other", "job"):  # so that the executor can end if an assertion fails
            stack.callback((tmp_path / file).touch)
        other = executor.submit(wait_for, tmp_path / "other")
        with Submitted(function, pool_of(executor, 1, 60.0), HANG_SECONDS) as runners:
            runners.start(job_of(), {}, None)
            with pytest.MonkeyPatch.context() as patch:
                pass_limit(patch)
                assert runners.wait(0.0) == [] and list(runners.running) == [(0, 0)]
            (tmp_path / "other").touch()
            assert other.result() == 1.0
            wait_until(lambda: runners.begun((0, 0)) is not None)
            runners.running[0, 0] -= 2 * HANG_SECONDS  # as if it had been submitted long before it started
            assert runners.wait(0.0) == [] and runners.running[0, 0] == runners.begun((0, 0))
            with pytest.MonkeyPatch.context() as patch:
                pass_limit(patch)
                [(key, answer)] = runners.wait(0.0)
            assert key == (0, 0) and answer.kind == "late" and answer.start < time.monotonic()


def test_job_limit_counts_from_the_submission_on_another_machine() -> None:
    """Let a worker lack the function, as on another machine, and then hang."""
    futures: list[Future[Any]] = []

    class Far:
        def submit(self, *call: Any) -> Future[Any]:
            futures.append(Future())
            return futures[-1]

    with Submitted(train, pool_of(Far(), 1, 60.0), HANG_SECONDS) as runners, pytest.MonkeyPatch.context() as patch:
        runners.start(job_of(), {}, None)
        futures[0].set_result(JobAnswer(LACKS))
        assert runners.wait(0.0) == [] and len(futures) == 2
        pass_limit(patch)
        [(key, answer)] = runners.wait(0.0)
        assert key == (0, 0) and answer.kind == "late" and futures[1].cancelled()


KILLED = """
import os, signal, sys
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import ash

rows = np.zeros(1000)

def train(params, epochs, state):
    ash.current_job().directory.joinpath("checkpoint").touch()
    if params["x"] == 5:
        os.kill(int(sys.argv[1]) or os.getpid(), signal.SIGKILL)
    return rows[0] + params["x"], np.zeros(1000)

if __name__ == "__main__":
    if sys.argv[2] == "pool":
        sys.argv[1] = str(os.getpid())
    executor = {"pool": lambda: ProcessPoolExecutor(1), "thread": lambda: None}[sys.argv[2]]()
    ash.tune_function(train, {"x": list(range(6))}, candidates=6, n_jobs=1, executor=executor, random_state=0,
                      config=ash.SearchConfig(memory_limit=1))
"""


def test_folders_of_a_killed_process_are_deleted_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    done = python(KILLED, "0", "thread", TMPDIR=str(folder))
    assert done.returncode == -signal.SIGKILL and list(folder.iterdir())
    foreign = folder / "ash-of-another-program"
    foreign.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with Scratch() as living:
        living.make()
        with Scratch() as scratch:
            scratch.make()
            assert set(folder.iterdir()) == {scratch.path, living.path, foreign}
    assert list(folder.iterdir()) == [foreign]


def test_a_folder_in_use_by_another_process_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import sys
from ash._utils.scratch import Scratch
with Scratch() as scratch:
    print(scratch.make(), flush=True)
    sys.stdin.read()
"""
    words = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdin is not None and other.stdout is not None
        path = Path(other.stdout.readline().strip())
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with Scratch() as scratch:
            scratch.make()
            assert (path / LOCK).exists()
        other.kill()
        other.wait()
        assert (path / LOCK).exists()
        with Scratch() as scratch:
            scratch.make()
            assert not path.exists()


def test_a_repeated_call_waits_for_the_jobs_that_an_earlier_call_has_left(tmp_path: Path) -> None:
    """Stop a run while a job writes into its directory, and check that no second job writes there meanwhile."""
    writers: list[int] = []
    most: list[int] = []
    release, begun = job_runners.queue.SimpleQueue(), job_runners.queue.SimpleQueue()

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        job = ash.current_job()
        writers.append(job.candidate)
        most.append(writers.count(job.candidate))
        (job.directory / "checkpoint").write_text(str(job.total_epochs))
        if not begun.qsize() and job.candidate == 1:
            begun.put(True)
            release.get(timeout=HANG_SECONDS)
        writers.remove(job.candidate)
        return params["x"]

    class Stop(ash.Callback):
        def on_job(self, job: Any, params: Any) -> None:
            if begun.qsize():
                self.run.stop()

        def on_start(self, run: Any) -> None:
            self.run = run

    given: dict[str, Any] = {"candidates": 4, "n_jobs": 2, "journal": tmp_path / "run.ash", "random_state": 0}
    space = {"x": ash.uniform(0, 1)}
    with pytest.warns(UserWarning, match="candidate 1 in rung 0: training goes on in the background"):
        first = ash.tune_function(function, space, callbacks=[Stop()], **given)
    assert first.ended == "stopped"
    with pytest.warns(UserWarning, match="an earlier call has left jobs running: candidate 1 in rung 0. This call"):
        start = job_runners.start_threads(1, lambda number: (time.sleep(0.3), release.put(True)), "release")
        result = ash.tune_function(function, space, **given)
    start[0].join()
    assert max(most) == 1 and result.ended == "finished"


def test_an_abandoned_job_cannot_create_a_directory_again() -> None:
    found: list[BaseException] = []
    release, over = job_runners.queue.SimpleQueue(), job_runners.queue.SimpleQueue()

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        job = ash.current_job()
        folder = job.directory.parent
        if params["x"] == 1:
            release.get(timeout=HANG_SECONDS)
            try:
                over.put((job.directory, folder))
            except ash.Retired as error:
                found.append(error)
                over.put((None, folder))
        return params["x"]

    with pytest.warns(UserWarning, match="training goes on in the background"):
        ash.tune_function(function, {"x": [0, 1]}, candidates=2, n_jobs=2, time_limit=1.0)
    release.put(True)
    directory, folder = over.get(timeout=HANG_SECONDS)
    assert directory is None and not folder.exists() and len(found) == 1


def test_the_server_does_not_wait_for_a_child_that_ends_slowly() -> None:
    """Check that asking for a child that is ending returns at once."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as process:
        assert child._status(process.pid) == child.RUNNING
        process.kill()
        wait_until(lambda: child._status(process.pid) == -signal.SIGKILL)
        assert child._status(process.pid) == child.GONE
        process.returncode = -signal.SIGKILL  # `_status` has waited for it


def test_ctrl_c_does_not_reach_the_server_of_processes() -> None:
    """Check that the server is in a process group of its own, to which a terminal sends no Ctrl-C."""

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        return float(os.getpgid(os.getppid()))

    result = ash.tune_function(function, {"x": [0, 1]}, candidates=2, executor="processes", n_jobs=1)
    assert result.best_score != os.getpgid(0)


class FakeCUDA:
    """Stands for torch in the server, since CUDA may not be installed: only its answer is needed."""

    def __init__(self, started: bool) -> None:
        self.cuda = self
        self.is_initialized = lambda: started


@pytest.mark.parametrize("started", [True, False])
def test_a_server_that_has_started_cuda_is_not_forked(started: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", FakeCUDA(started))
    assert child._uses_cuda() == started


def test_a_folder_that_cannot_be_written_is_an_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(ash.ExecutorFailedError, match=r"the data cannot be written for the workers: .*; set TMPDIR"):
        ash.tune_function(train, {"x": [0.1, 0.2], "depth": [1]}, candidates=2, executor="processes")


def test_jobs_left_in_temporary_folders_are_not_kept() -> None:
    """Check that the table of abandoned jobs, which hold futures with states, does not grow without journals."""
    release = job_runners.queue.SimpleQueue()

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        if params["x"]:
            release.get(timeout=HANG_SECONDS)
        return 0.5

    before = dict(directories._left)
    with pytest.warns(UserWarning, match="training goes on in the background"):
        ash.tune_function(function, {"x": [0, 1]}, candidates=2, n_jobs=2, time_limit=1.0)
    release.put(True)
    assert directories._left == before

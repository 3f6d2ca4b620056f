"""Tests the rows of the table "What each executor can do" (docs/guide/cluster.md) for all kinds of jobs."""

import functools
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import distributed
import loky
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier

import ash
from ash.executors import jobs
from config_help import configured
from executor_help import climb
from mpi_help import run_script

GUIDE = Path(__file__).parents[2] / "docs/guide/cluster.md"
WINE = load_wine(return_X_y=True)


def of_a_table(model: str, **given: Any) -> ash.Result:
    given = {"candidates": 12, "min_epochs": 4, "validation": 0.3, "random_state": 0, "models": [model], **given}
    return ash.ASHClassifier(**configured(given)).fit(*WINE).result_


def of_a_function(**given: Any) -> ash.FunctionResult:
    space = {"x": [number / 15 for number in range(16)]}
    return ash.tune_function(climb, space, **configured({"candidates": 16, "verbose": 0, **given}))


def of_a_search(**given: Any) -> ash.FunctionResult:
    space = {"alpha": ash.loguniform(1e-5, 1e-1)}
    given = configured({"candidates": 8, "random_state": 0, "cv": 2, "refit": False, **given})
    return ash.ASHSearchCV(SGDClassifier(random_state=0), space, **given).fit(*WINE).result_


KINDS: dict[str, Callable[..., Any]] = {
    "networks": functools.partial(of_a_table, "network"),
    "trees": functools.partial(of_a_table, "lightgbm"),
    "functions": of_a_function,
    "searches": of_a_search,
}
POOLS: dict[str, Callable[[], Any]] = {
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(2, multiprocessing.get_context("spawn")),
    "loky": lambda: loky.ProcessPoolExecutor(2),
}


@functools.cache
def wanted(kind: str) -> str:
    """Return the digest of a run in one thread."""
    return KINDS[kind](n_jobs=1).digest


@pytest.fixture(scope="module")
def executors() -> Iterator[dict[str, Any]]:
    given: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": 50}
    with ExitStack() as stack:
        found = {name: stack.enter_context(make()) for name, make in POOLS.items()}
        cluster = stack.enter_context(distributed.LocalCluster(n_workers=2, threads_per_worker=1, **given))
        found["Dask"] = stack.enter_context(distributed.Client(cluster, set_as_default=False))
        found["Dask"].wait_for_workers(2)
        yield found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*POOLS, "Dask"])
def test_the_result_is_that_of_one_thread(name: str, kind: str, executors: dict[str, Any]) -> None:
    assert KINDS[kind](executor=executors[name]).digest == wanted(kind)


SCRIPT = """
import json
from mpi4py.futures import MPIPoolExecutor
from test_capabilities import KINDS

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        print(json.dumps({kind: call(executor=executor, n_jobs=4).digest for kind, call in KINDS.items()}))
"""


def test_the_result_is_that_of_one_thread_with_mpi(tmp_path: Path) -> None:
    """Train on two ranks of two threads each."""
    done = run_script(3, SCRIPT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {kind: wanted(kind) for kind in KINDS}


class ShutDown:
    """A mix-in for an executor that is shut down before its sixth job."""

    count = 0

    def submit(self, *call: Any, **keywords: Any) -> Any:
        self.count += 1
        if self.count == 6:
            self.shutdown(wait=False)  # type: ignore[attr-defined]
        return super().submit(*call, **keywords)  # type: ignore[misc]


class ShutDownThreads(ShutDown, ThreadPoolExecutor):
    """Two threads."""


class ShutDownProcesses(ShutDown, ProcessPoolExecutor):
    """Two processes."""


@pytest.mark.filterwarnings("ignore:an earlier call has left jobs running")  # a shut-down pool finishes its jobs
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [ShutDownThreads, ShutDownProcesses])
def test_an_executor_that_is_shut_down_ends_the_run_and_its_journal_can_be_continued(
    make: Any, kind: str, tmp_path: Path
) -> None:
    journal = tmp_path / "run.ash"
    words = "the executor accepts no more jobs: RuntimeError: cannot schedule new futures after shutdown"
    with make(2) as executor, pytest.raises(ash.ExecutorFailedError, match=words):
        KINDS[kind](executor=executor, journal=journal)
    assert KINDS[kind](n_jobs=1, journal=journal).digest == wanted(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_with_other_versions_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = jobs.versions()
    monkeypatch.setattr(jobs, "versions", lambda: own._replace(numpy="1.0"))
    words = r"the worker .* has ash .* and numpy 1\.0, this process ash .*; install the same versions there"
    with ThreadPoolExecutor(1) as executor, pytest.raises(ash.ExecutorFailedError, match=words):
        KINDS[kind](executor=executor)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dask_cluster_without_workers_ends_the_run(kind: str) -> None:
    given: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": 50, "processes": False}
    words = "has had no worker for worker_timeout=0.2 seconds; start some"
    with (
        distributed.LocalCluster(n_workers=0, **given) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        pytest.raises(ash.ExecutorFailedError, match=words),
    ):
        KINDS[kind](executor=client, worker_timeout=0.2)


@pytest.mark.parametrize("kind", ["functions", "searches"])
def test_worker_timeout_without_an_executor_is_refused(kind: str) -> None:
    with pytest.raises(ash.SettingError, match=r"worker_timeout=3\.0 has no effect with executor=None; leave it out"):
        KINDS[kind](worker_timeout=3.0)


def test_the_guide_has_a_row_for_each_of_these_tests() -> None:
    rows = GUIDE.read_text().partition("## What each executor can do")[2].partition("\n## ")[0]
    for row in (
        "the result is that of one thread",
        "the executor is shut down or closed",
        "workers with other versions",
        "no worker for `worker_timeout` seconds",
    ):
        assert f"| {row} |" in rows

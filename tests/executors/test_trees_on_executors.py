"""Tests boosted trees with `executor=`: the same digest and the same model file as in threads of this process."""

import functools
import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import distributed
import loky
import pandas as pd
import pytest
from sklearn.datasets import load_wine

import ash
from ash._utils.installation import is_installed
from ash.executors import jobs
from ash.space.hyperparameters import model_of
from callback_help import INTERRUPTED, After, press_ctrl_c
from config_help import configured
from data_help import mixed_columns, mixed_target
from mpi_help import run_script

ALL = ["network", "lightgbm", *filter(is_installed, ("catboost", "xgboost"))]
FEW: dict[str, Any] = {"candidates": 12, "models": ALL, "random_state": 0, "min_epochs": 4, "validation": 0.3}
RUNS: dict[str, dict[str, Any]] = {
    "one split": {},
    "folds": {"validation": None, "cv": 3},
    "folds, no refit": {"validation": None, "cv": 3, "refit": False, "models": ALL[1:]},
    "columns of all kinds": {"models": ALL[1:]},
}


def fitted(run: str, **given: Any) -> Any:
    given = {**FEW, **RUNS[run], **given}
    if run == "columns of all kinds":
        columns = mixed_columns()
        return ash.ASHRegressor(**configured(given)).fit(pd.DataFrame(columns), mixed_target(columns))
    return ash.ASHClassifier(**configured(given)).fit(*load_wine(return_X_y=True))


def outcome(model: Any, folder: Path) -> tuple[str, str]:
    """Return the digest of the search and a hash of the model's file."""
    model.model_.save(folder / "model.safetensors")
    return model.result_.digest, hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that returns the outcome of a run on one thread."""
    return functools.cache(lambda run: outcome(fitted(run, n_jobs=1), tmp_path_factory.mktemp("wanted")))


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, Any]]:
    with (
        ThreadPoolExecutor(2) as threads,
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes,
        loky.ProcessPoolExecutor(2) as of_loky,
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        yield {"threads": threads, "processes": processes, "loky": of_loky, "dask": client}


@pytest.mark.parametrize("run", RUNS)
def test_the_model_is_that_of_one_thread_on_every_executor(
    run: str, wanted: Any, pools: dict[str, Any], tmp_path: Path
) -> None:
    found = {name: outcome(fitted(run, executor=pool), tmp_path) for name, pool in pools.items()}
    assert {**found, "two threads": outcome(fitted(run, n_jobs=2), tmp_path)} == dict.fromkeys(
        [*pools, "two threads"], wanted(run)
    )
    assert jobs._known == {}


SCRIPT = """
import json, sys
from pathlib import Path
from mpi4py.futures import MPIPoolExecutor
from test_trees_on_executors import RUNS, fitted, outcome

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        print(json.dumps({run: outcome(fitted(run, executor=executor, n_jobs=4), Path(sys.argv[1])) for run in RUNS}))
"""


def test_the_model_is_that_of_one_thread_with_mpi(wanted: Any, tmp_path: Path) -> None:
    """Train on two ranks of two threads each."""
    done = run_script(3, SCRIPT, tmp_path, str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {run: list(wanted(run)) for run in RUNS}


def test_the_default_call_has_the_same_models_on_an_executor(
    pools: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ash.engine.run.default_work", lambda rows: 2e8)
    given: dict[str, Any] = dict.fromkeys(("models", "min_epochs", "validation")) | {"candidates": "auto"}
    alone, elsewhere = fitted("one split", n_jobs=2, **given), fitted("one split", executor=pools["processes"], **given)
    kinds = {model_of(elsewhere.result_.params[job.candidate]) for job in elsewhere.result_.jobs}
    assert kinds == {"network", "lightgbm"}
    assert outcome(elsewhere, tmp_path) == outcome(alone, tmp_path)


def test_a_run_is_repeated_from_its_record_on_an_executor(wanted: Any, pools: dict[str, Any], tmp_path: Path) -> None:
    record = fitted("folds", n_jobs=2).model_.record
    again = ash.ASHClassifier(record=record, executor=pools["processes"]).fit(*load_wine(return_X_y=True))
    assert outcome(again, tmp_path) == wanted("folds")


def test_an_interrupted_run_is_resumed_on_another_executor(pools: dict[str, Any], tmp_path: Path) -> None:
    given: dict[str, Any] = {"candidates": 64, "models": ALL[1:]}
    journal = tmp_path / "run.ash"
    for pool in ("processes", "dask"):  # when a callback gets its first job, others have finished too
        with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
            fitted("folds", executor=pools[pool], callbacks=After(1, press_ctrl_c), journal=journal, **given)
    wanted = outcome(fitted("folds", n_jobs=1, **given), tmp_path)
    for pool in ("loky", "threads"):
        assert outcome(fitted("folds", executor=pools[pool], journal=journal, **given), tmp_path) == wanted
    assert outcome(fitted("folds", n_jobs=1, journal=journal, **given), tmp_path) == wanted


@pytest.mark.faults
def test_f93_dead_dask_workers_do_not_change_trees(wanted: Any, tmp_path: Path) -> None:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)

        def kill(_: ash.Run) -> None:
            for nanny in cluster.workers.values():  # with both workers, all copies of the data are lost
                os.kill(nanny.pid, signal.SIGKILL)

        assert outcome(fitted("folds", executor=client, callbacks=After(5, kill)), tmp_path) == wanted("folds")


@pytest.mark.faults
def test_f95_a_dead_process_ends_a_run_of_trees_and_its_journal_is_continued(wanted: Any, tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:

        def kill(_: ash.Run) -> None:
            next(iter(executor._processes.values())).kill()

        with pytest.raises(ash.ExecutorFailedError, match="BrokenProcessPool"):
            fitted("folds", executor=executor, callbacks=After(5, kill), journal=journal)
    assert outcome(fitted("folds", n_jobs=2, journal=journal), tmp_path) == wanted("folds")


@pytest.mark.faults
def test_f99_another_version_of_a_tree_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "installed_version", lambda package: "0.1")
    words = r"has lightgbm 0\.1, this process lightgbm .*; install the same version there"
    with ThreadPoolExecutor(1) as executor, pytest.raises(ash.ExecutorFailedError, match=words):
        fitted("one split", models=["lightgbm"], executor=executor)


def test_the_memory_of_trees_is_counted_with_an_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {"n_jobs": 1, "candidates": 4, "models": ["lightgbm"]}
    monkeypatch.setattr("ash._utils.machine.available_bytes", lambda: 500_000)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ash.DataError, match="the run needs about") as elsewhere:
        fitted("one split", executor=executor, **given)
    with pytest.raises(ash.DataError) as alone:
        fitted("one split", **given)
    assert str(elsewhere.value) == str(alone.value)

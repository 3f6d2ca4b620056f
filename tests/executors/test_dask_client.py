"""Tests a Dask cluster as `executor=`: a scheduler, and worker processes on this machine."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import numpy as np
import pytest

import ash
from ash.executors import dask_pool
from config_help import configured
from executor_help import climb, digits, expected, tuned
from fault_help import wait_until


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import dask

    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=":0", silence_logs=50) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def test_the_digest_matches_a_run_in_threads(client: Any, tmp_path: Path) -> None:
    result = tuned(executor=client, journal=tmp_path / "run.ash")
    assert result.digest == expected() and result.threads == 4
    assert 2 <= len(set(result.columns["thread"])) <= 4
    assert ash.resume(tmp_path / "run.ash", *digits(), executor=client).digest == expected()


def test_kept_results_are_fetched_and_all_others_released(client: Any) -> None:
    found, wanted = tuned(executor=client).kept, tuned(n_jobs=2).kept
    assert found is not None and wanted is not None and found.candidates == wanted.candidates
    assert np.array_equal(found.predictions, wanted.predictions)
    wait_until(lambda: not any("ash-" in str(key) for keys in client.has_what().values() for key in keys))


def test_states_stay_on_the_workers_and_data_are_sent_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scattered, orders = [], []
    scatter, submit = client.scatter, client.submit
    monkeypatch.setattr(client, "scatter", lambda *given, **more: scattered.append(given) or scatter(*given, **more))

    def told(function: Any, *given: Any, **more: Any) -> Any:
        orders.extend(given[-1:] if function is dask_pool._train else [])
        return submit(function, *given, **more)

    monkeypatch.setattr(client, "submit", told)
    assert tuned(executor=client, training="resume").digest == expected()
    assert len(scattered) == 1
    assert {order.rung for order in orders} > {0} and not any(order.states for order in orders)


@pytest.mark.parametrize("given", [{"training": "restart"}, {"cv": 3}])
def test_other_options_give_the_same_digest_as_in_threads(client: Any, given: dict[str, Any]) -> None:
    assert tuned(executor=client, **given).digest == tuned(n_jobs=2, **given).digest


def test_an_estimator_refits_networks_whose_states_are_on_workers(client: Any) -> None:
    given: dict[str, Any] = {"candidates": 16, "random_state": 0}
    found = ash.ASHClassifier(**configured(given), executor=client).fit(*digits())
    wanted = ash.ASHClassifier(**configured(given)).fit(*digits())
    assert np.array_equal(found.predict_proba(digits()[0]), wanted.predict_proba(digits()[0]))


@pytest.mark.faults
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("most", [1, 2])
def test_f93_dead_workers_do_not_change_the_result(most: int) -> None:
    """Twice in a run, kill one or both of the two worker processes. If both die, all copies of the data are lost."""
    given: dict[str, Any] = {"candidates": 64, "min_epochs": 4}
    wanted = tuned(n_jobs=2, **given)

    class Kill(ash.Callback):
        def __init__(self) -> None:
            self.jobs = 0
            self.killed: list[int] = []

        def on_job(self, job: Any, params: Any) -> None:
            self.jobs += 1
            if self.jobs not in (10, 60):
                return
            nannies = list(cluster.workers.values())
            wait_until(lambda: all(nanny.pid not in (None, *self.killed) for nanny in nannies))
            client.wait_for_workers(2)
            for nanny in nannies[:most]:
                self.killed.append(nanny.pid)
                os.kill(nanny.pid, signal.SIGKILL)

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        kill = Kill()
        result = tuned(executor=client, callbacks=[kill], **given)
    assert result.digest == wanted.digest and len(kill.killed) == 2 * most
    assert result.kept is not None and np.array_equal(result.kept.predictions, wanted.kept.predictions)
    columns = result.columns
    assert len(set(zip(columns["candidate"], columns["rung"], strict=True))) == len(columns["rung"])


def test_lost_workers_are_counted() -> None:
    present = {"tcp://a": 1, "tcp://b": 1}
    data = SimpleNamespace(status="finished")
    client = SimpleNamespace(
        status="running",
        nthreads=lambda: present,
        scatter=lambda *_, **__: data,
        who_has=lambda _: {"data": list(present)},
    )
    pool = dask_pool.DaskPool(client, 2, 1.0)
    assert (pool.count(), pool.lost) == (2, 0)
    present = {"tcp://b": 1, "tcp://c": 1, "tcp://d": 1}
    assert (pool.count(), pool.lost) == (3, 1)
    present = {"tcp://a": 1}
    assert (pool.count(), pool.lost) == (1, 3)


@pytest.mark.faults
def test_f99_another_version_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = dask_pool.versions()
    monkeypatch.setattr(dask_pool, "versions", lambda: own._replace(numpy="1.0"))
    with pytest.raises(ash.ExecutorFailedError, match=r"the worker .* has ash .* this process ash .* and numpy 1\.0"):
        tuned(executor=client)


def napping(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, int]:
    time.sleep(0.25)
    return climb(params, epochs, state)


def test_the_workers_of_a_function_are_shown(
    client: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ash.progress.board.BoardView.period", 0.0)
    ash.tune_function(napping, {"x": ash.uniform(0, 1)}, executor=client, candidates=6, verbose=2)
    lines = [line for line in capfd.readouterr().err.splitlines() if "; workers: 2, jobs on their way: " in line]
    assert max(int(line.split("on their way: ")[1].split(";")[0]) for line in lines) == 4

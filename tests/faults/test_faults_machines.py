"""Tests faults of many machines with Dask (F93 to F102): workers, schedulers and connections that fail during a run.

The outcome must equal that of threads on this machine: the same digest and the same rows of the journal.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest

import ash
from ash.executors import dask_pool
from callback_help import After
from cluster_help import Cluster, cluster, jobs_in
from cluster_runs import held, killed
from executor_help import BAD, climb, deadly, deadly_job, tuned
from fault_help import HANG_SECONDS, LONG

pytestmark = pytest.mark.filterwarnings("ignore")

LOST = (
    r"has had no worker for worker_timeout=2 seconds; start some|is closed, by its close\(\) or because its scheduler"
)
"""Errors that end a run without a scheduler. Which of the two comes first depends on timing."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Any]]:
    path = tmp_path_factory.mktemp("undisturbed") / "run.ash"
    return tuned(n_jobs=2, journal=path, **LONG).digest, jobs_in(path)


def gone_on(journal: Path, **given: Any) -> tuple[str, list[Any]]:
    """Resume a failed run from its journal and return the outcome. Jobs are sorted, since their order may differ."""
    return in_any_order((tuned(journal=journal, **LONG, **given).digest, jobs_in(journal)))


def in_any_order(outcome: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    digest, jobs = outcome
    return digest, sorted(jobs)


def connected(started: Cluster, workers: int = 2, **given: Any) -> Any:
    client = distributed.Client(started.wire.address, set_as_default=False, **given)
    client.wait_for_workers(workers, timeout=60)
    return client


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Let Dask give up connecting after 5 seconds instead of 30."""
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "5s"}):
        yield


@pytest.mark.parametrize("mode", ["segfault", "sys.exit"])
def test_f93_randomly_dying_workers_do_not_change_the_result(mode: str) -> None:
    found = killed(2, mode)
    assert found["kills"] >= 2
    assert (found["unlike"], found["wrong"]) == (0, 0), found


def test_f94_a_candidate_that_kills_its_workers_ends_the_run_and_is_named(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Allow the error to name another job, since Dask blames a worker's death on all tasks queued on the worker."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    monkeypatch.setattr(dask_pool, "_train", deadly_job)
    path = tmp_path / "run.ash"
    with cluster(tmp_path, workers=4) as started, connected(started, 4) as client:
        with pytest.raises(ash.ExecutorFailedError, match=r"^candidate \d+ failed in rung \d on 3 workers: Kill"):
            tuned(executor=client, journal=path, **LONG)
        assert client.status == "running" and client.nthreads()
    assert gone_on(path, n_jobs=2) == in_any_order(undisturbed)


def test_f94_a_function_that_kills_its_workers_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "1")
    with cluster(tmp_path, workers=4) as started, connected(started, 4) as client:
        result = ash.tune_function(deadly, {"x": list(range(16))}, executor=client, candidates=16, verbose=0)
    died = {result.params[each.candidate]["x"] for each in result.failures}
    scored = {row["params"]["x"] for row in result.candidates if math.isfinite(row["score"])}
    assert 13 in died - scored and died | scored == set(range(16))  # Dask also names some queued jobs as died
    assert [each for each in result.failures if each.kind != "died" or "KilledWorker" not in each.text] == []
    assert result.ended == "finished" and result.best_params == {"x": max(scored)}


def test_f95_a_late_worker_continues_the_run(undisturbed: Any, tmp_path: Path) -> None:
    """Kill the only worker; another worker joins a few seconds later."""
    with cluster(tmp_path, workers=1) as started, connected(started, 1) as client:

        def leave() -> None:
            started.workers.pop().kill()
            time.sleep(2)
            started.add_worker()

        result = tuned(executor=client, journal=tmp_path / "run.ash", callbacks=[After(9, lambda run: leave())], **LONG)
    assert (result.digest, jobs_in(tmp_path / "run.ash")) == undisturbed


def test_f95_a_job_of_a_function_lost_with_the_only_worker_is_sent_again(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=1) as started, connected(started, 1, timeout=HANG_SECONDS) as client:

        def leave() -> None:
            started.workers.pop().kill()
            started.add_worker()

        callbacks = [After(3, lambda run: leave())]
        space = {"x": [number / 15 for number in range(16)]}
        result = ash.tune_function(climb, space, executor=client, candidates=16, callbacks=callbacks, verbose=0)
    assert (result.ended, result.failures) == ("finished", ())
    assert result.best_params["x"] == pytest.approx(0.3, abs=0.04) and len(result.columns["rung"]) > 16


def test_f96_a_dead_scheduler_ends_the_run_and_a_new_cluster_can_continue_it(undisturbed: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    with cluster(tmp_path) as started, connected(started) as client:

        def kill() -> None:
            started.scheduler.kill()
            started.wire.close()

        with pytest.raises(ash.ExecutorFailedError, match=LOST):
            tuned(executor=client, worker_timeout=2, journal=path, callbacks=[After(9, lambda run: kill())], **LONG)
    assert 9 <= len(jobs_in(path)) < len(undisturbed[1])
    (tmp_path / "scheduler.json").unlink()
    with cluster(tmp_path) as started, connected(started) as client:
        assert gone_on(path, executor=client) == in_any_order(undisturbed)


def test_f102_a_short_interruption_of_the_connection_changes_nothing() -> None:
    """Pause all data from and to the scheduler for a while; the outcome stays the same."""
    found = held(3)
    assert found["seconds"] >= 3
    assert (found["unlike"], found["wrong"]) == (0, 0), found


def test_f102_a_cut_connection_ends_the_run(tmp_path: Path) -> None:
    with cluster(tmp_path) as started, connected(started) as client, pytest.raises(ash.ExecutorFailedError, match=LOST):
        tuned(executor=client, worker_timeout=2, callbacks=[After(9, lambda run: started.wire.close())], **LONG)


def test_f100_bad_pickles_end_the_run_with_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster(tmp_path) as started, connected(started) as client:
        for bad, function in BAD.items():
            monkeypatch.setattr(dask_pool, "_tell", function)
            with pytest.raises(ash.ExecutorFailedError, match=r"candidate \d+ failed in rung 0|accepts no more jobs"):
                tuned(executor=client, worker_timeout=10)
            assert client.status == "running", bad


def test_f99_workers_without_ash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*given: Any, **more: Any) -> Any:
        return {"worker": ModuleNotFoundError("No module named 'ash'")}

    with cluster(tmp_path, workers=1) as started, connected(started, 1) as client:
        monkeypatch.setattr(client, "run", missing)
        with pytest.raises(ash.ExecutorFailedError, match="the workers cannot run ash: ModuleNotFoundError: No module"):
            tuned(executor=client)

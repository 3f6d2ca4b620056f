"""Tests `executor=` of `ash.tune`: the same bits as in threads, even after failures."""

import os
import pickle
import re
import shutil
import signal
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import ash
from ash import _core
from ash.executors import jobs
from ash.executors.jobs import JobAnswer, Order, Shared, Where, versions
from ash.journal.database import read_only
from ash.models.file import BOUNDS, VECTORS, core_parts
from callback_help import Diary, TimeIsUp
from config_help import configured
from executor_help import SPACE, Wrapped, digits, expected, failing, tuned
from fault_help import LONG, wait_until


def run_here(function: Any, arguments: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future


def test_a_thread_pool_gives_the_same_digest() -> None:
    with ThreadPoolExecutor(3) as executor:
        result = tuned(executor=executor)
    assert result.digest == expected() == tuned(n_jobs=2).digest
    assert result.threads == 3 and set(result.columns["thread"]) <= {0, 1, 2}
    assert (result.columns["team"] == 1).all()
    assert jobs._known == {}


@pytest.mark.parametrize("given", [{"training": "restart"}, {"cv": 3}, {"algorithm": "sh"}, {"memory_limit": 1}])
def test_other_options_give_the_same_results_as_in_threads(given: dict[str, Any]) -> None:
    with ThreadPoolExecutor(2) as executor:
        found = tuned(executor=executor, **given)
    wanted = tuned(n_jobs=2, **given)
    assert found.digest == wanted.digest
    for name, scores in wanted.fold_scores.items():
        assert np.array_equal(np.sort(scores, axis=0), np.sort(found.fold_scores[name], axis=0))
    X, _ = digits()
    assert np.array_equal(found.model.predict_proba(X), wanted.model.predict_proba(X))


def test_kept_networks_match_those_of_a_run_in_threads() -> None:
    with ThreadPoolExecutor(2) as executor:
        found, wanted = tuned(executor=executor).kept, tuned(n_jobs=2).kept
    assert found is not None and wanted is not None and found.candidates == wanted.candidates
    assert np.array_equal(found.predictions, wanted.predictions)


def test_data_are_sent_once_to_each_process_that_lacks_them() -> None:
    """Simulate two processes that run two jobs each, in turn.

    A dict holds the data that a process keeps. Neither process can read the data file.
    """
    memories: list[dict[str, Any]] = [{}, {}]
    sent = []

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        where, packed, order = arguments
        sent.append(0 if packed is None else len(packed))
        jobs._known.clear()
        jobs._known.update(memories[number // 2 % 2])
        future = run_here(function, (where._replace(path=None), packed, order))
        memories[number // 2 % 2] = dict(jobs._known)
        return future

    result = tuned(executor=Wrapped(submit), n_jobs=1, virtual_workers=1)  # one job at a time
    jobs._known.clear()
    assert result.digest == tuned(n_jobs=1, virtual_workers=1).digest
    assert len([size for size in sent if size]) == 2 and len(sent) == len(result.columns["score"]) + 2


def test_the_data_file_is_removed_at_the_end_of_the_run() -> None:
    seen: list[Path] = []

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        seen.append(Path(arguments[0].path))
        assert seen[-1].stat().st_mode & 0o77 == 0 and seen[-1].parent.stat().st_mode & 0o77 == 0
        return threads.submit(function, *arguments)

    assert tuned(executor=Wrapped(submit), n_jobs=2).digest == expected()
    assert len(set(seen)) == 1 and not seen[0].parent.exists()
    assert seen[0].parent.parent == Path(tempfile.gettempdir())


def test_states_are_sent_only_with_promoted_candidates() -> None:
    orders: list[Order] = []

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        orders.append(arguments[-1])
        return threads.submit(function, *arguments)

    tuned(executor=Wrapped(submit), n_jobs=2)
    assert {order.rung for order in orders} > {0}
    assert all(bool(order.states) == (order.rung > 0) for order in orders)


def test_the_workers_of_the_executor_are_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ash.progress.board.BoardView.period", 0.0)
    with ThreadPoolExecutor(2) as executor:
        tuned(executor=executor, verbose=2, **LONG)
    lines = capfd.readouterr().err.splitlines()
    found = [re.search(r"; workers: 2, jobs on their way: (\d+)(?:, states moved: (\S+) MB)?;", line) for line in lines]
    jobs = [int(each[1]) for each in found if each]
    moved = [float(each[2] or 0) for each in found if each]
    assert 0 < max(jobs) <= 4 and moved == sorted(moved) and moved[-1] > 0


def test_results_whose_decision_waits_survive_a_crash(tmp_path: Path) -> None:
    """Delay the first job until the journal holds three later results, and copy the files as a crash would leave them.

    The resumed run must not do these jobs again.
    """
    path, crash = tmp_path / "run.ash", tmp_path / "crash"
    crash.mkdir()
    held: list[tuple[int, int]] = []
    resumed: list[tuple[int, int]] = []

    def delayed(function: Any, arguments: Any) -> Any:
        wait_until(lambda: len(read_only(path).facts.get("held", ())) >= 3)
        for file in path.parent.glob("run.ash*"):
            if file.is_file():
                shutil.copy(file, crash)
        held.extend((row[1], row[2]) for row in read_only(crash / "run.ash").facts["held"])
        return function(*arguments)

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        is_first = arguments[-1][:2] == (0, 0)
        return threads.submit(delayed, function, arguments) if is_first else threads.submit(function, *arguments)

    def note(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        resumed.append(arguments[-1][:2])
        return threads.submit(function, *arguments)

    diary = Diary()
    assert tuned(executor=Wrapped(submit), n_jobs=2, journal=path).digest == expected()
    again = tuned(executor=Wrapped(note), n_jobs=2, journal=crash / "run.ash", callbacks=[diary])
    assert again.digest == expected() and (0, 0) in resumed
    assert len(held) >= 3 and not set(held) & set(resumed)
    assert set(held) <= {(job.candidate, job.rung) for job, _ in diary.jobs}  # callbacks receive them once decided


@pytest.mark.faults
def test_f97_a_failed_job_is_repeated_and_late_results_are_ignored() -> None:
    late = {}

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        future, job = threads.submit(function, *arguments), arguments[-1][:2]
        if number % 5 or job in late:  # a job fails only once here; after failing on three workers it would end the run
            return future
        late[job] = future  # the job is executed, but its future does not say so yet
        return failing(OSError("the worker is lost"))

    result = tuned(executor=Wrapped(submit), n_jobs=2)
    assert result.digest == expected() and len(late) > 5


@pytest.mark.faults
def test_f94_a_job_that_always_fails_ends_the_run_and_is_named(tmp_path: Path) -> None:
    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        if arguments[-1][:2] == (3, 0):
            return failing(OSError("the worker is lost"))
        return threads.submit(function, *arguments)

    with pytest.raises(ash.ExecutorFailedError, match="candidate 3 failed in rung 0 on 3 workers: OSError: the worker"):
        tuned(executor=Wrapped(submit), n_jobs=2, journal=tmp_path / "run.ash")
    assert tuned(n_jobs=2, journal=tmp_path / "run.ash").digest == expected()


@pytest.mark.faults
def test_f95_a_broken_executor_ends_the_run_and_its_journal_can_be_continued(tmp_path: Path) -> None:
    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        if number == 20:
            return failing(BrokenProcessPool("a process has died"))
        return threads.submit(function, *arguments)

    with pytest.raises(ash.ExecutorFailedError, match="accepts no more jobs: BrokenProcessPool: a process") as caught:
        tuned(executor=Wrapped(submit), n_jobs=2, journal=tmp_path / "run.ash")
    partial = caught.value.result  # type: ignore[attr-defined]
    assert partial.ended == "interrupted" and 0 < len(partial.jobs) <= 20
    assert partial.best_score == max(job.score for job in partial.jobs)
    assert len(partial.model.predict(digits()[0])) == len(digits()[1])
    diary = Diary()
    again = tuned(n_jobs=2, journal=tmp_path / "run.ash", callbacks=[diary])
    assert again.digest == expected() and diary.pages[0][1].resumed > 0


@pytest.mark.faults
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ash": "9.9"}, r"has ash 9\.9 and numpy .*, this process ash .*; install the same versions there"),
        ({"numpy": "1.0"}, r"and numpy 1\.0, this process"),
        ({"fused": False}, "and this process must both have fused multiply-add, or both lack it"),
    ],
)
def test_f99_another_version_is_refused(change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = versions()
    monkeypatch.setattr(jobs, "versions", lambda: own._replace(**change))
    with ThreadPoolExecutor(2) as executor, pytest.raises(ash.ExecutorFailedError, match=words):
        tuned(executor=executor)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenProcessPool("a process has died")], ids=repr)
def test_ctrl_c_that_also_interrupts_the_workers_leaves_the_results_so_far(error: BaseException) -> None:
    """On a terminal, Ctrl-C reaches the processes of a pool, too: their jobs fail, or the pool is broken."""

    def submit(threads: Any, number: int, function: Any, arguments: Any) -> Future[Any]:
        if number < 20:
            return threads.submit(function, *arguments)
        os.kill(os.getpid(), signal.SIGINT)
        future: Future[Any] = Future()
        future.set_exception(error)
        return future

    with pytest.warns(UserWarning, match="the run was interrupted after"):
        result = tuned(executor=Wrapped(submit), n_jobs=2)
    assert result.ended == "interrupted" and len(result.jobs) > 0


def test_time_limits_and_stop_scores_end_a_run_with_an_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(2) as executor:
        limit = {"time_limit": 1000, "callbacks": [TimeIsUp(monkeypatch, 1000)]}
        assert tuned(executor=executor, candidates=128, min_epochs=64, **limit).ended == "time_limit"
        found = tuned(executor=executor, stop_score=0.8)
    assert found.ended == "stop_score" and found.digest == tuned(n_jobs=1, stop_score=0.8).digest


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"executor": 3}, r"executor must be a distributed\.Client, an executor of concurrent\.futures, loky"),
        ({"executor": Wrapped(run_here), "n_jobs": 0}, "n_jobs must be a positive integer"),
        ({"worker_timeout": -1}, "worker_timeout must be a number of seconds, 0 or more, or None for no limit, got -1"),
    ],
)
def test_invalid_executor_arguments_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ash.SettingError, match=words):
        tuned(**given)


def test_a_scoring_function_is_refused_with_an_executor() -> None:
    with ThreadPoolExecutor(2) as executor, pytest.raises(ash.SettingError, match=r"scoring=.* cannot be sent"):
        ash.ASHClassifier(SPACE, executor=executor, scoring="f1_micro").fit(*digits())


def test_a_clone_shares_the_executor_but_not_its_callbacks() -> None:
    with ThreadPoolExecutor(2) as executor:
        told: dict[str, Any] = {"candidates": 4, "min_epochs": 1, "random_state": 0}
        estimator = ash.ASHClassifier(SPACE, callbacks=[ash.Callback()], executor=executor, **configured(told))
        twin = clone(estimator)
        assert twin.executor is estimator.executor is executor
        assert twin.callbacks[0] is not estimator.callbacks[0] and twin.get_params()["candidates"] == 4
        X, y = digits()
        assert np.isfinite(cross_val_score(estimator, X[:200], y[:200], cv=2)).all()


# Data sent to the workers, and data that a worker keeps


def digits_data(classes: int = 10) -> _core.Data:
    X, y = digits()
    targets = y[:, None].astype(float) if classes else X[:, 20:23]
    rows = np.arange(len(X), dtype=np.int64)
    return _core.Data(*map(np.ascontiguousarray, (X, targets)), classes, rows[:1000], rows[1000:])


@pytest.mark.parametrize("classes", [10, 0])
def test_dense_data_are_unchanged_by_pickling(classes: int) -> None:
    data = digits_data(classes)
    again = pickle.loads(pickle.dumps(data))
    assert again.digests() == data.digests()
    assert (again.features, again.outputs, again.epoch_rows) == (data.features, data.outputs, data.epoch_rows)
    assert again.constant_features == data.constant_features


def test_epochs_of_a_part_of_the_rows_are_unchanged_by_pickling() -> None:
    X, y = (np.ascontiguousarray(each[:202], np.float64) for each in digits())
    rows = np.arange(202, dtype=np.int64)
    builder = _core.DataBuilder([True] * X.shape[1], y[:, None], 10, rows[:101], rows[101:], epoch_rows=30)
    builder.observe(X)
    builder.fill(X)
    data = builder.finish()
    assert (data.epoch_rows, pickle.loads(pickle.dumps(data)).epoch_rows) == (25, 25)


def counted_data(loss: str, is_sparse: bool) -> _core.Data:
    """Return pixels as features and a count as the target."""
    X, y = (np.ascontiguousarray(each, np.float64) for each in digits())
    rows = np.arange(len(X), dtype=np.int64)
    builder = _core.DataBuilder(
        [True] * X.shape[1],
        y[:, None],
        0,
        rows[:1000],
        rows[1000:],
        loss=loss,
        level=0.9,
        sparse_cells=50_000 if is_sparse else 0,
    )
    builder.observe(X)
    builder.fill(X)
    return builder.finish()


@pytest.mark.parametrize("loss", ["squared_error", "pinball", "poisson"])
def test_losses_and_sparse_rows_are_unchanged_by_pickling(loss: str) -> None:
    settings = _core.Settings()
    settings.hidden = [16]
    trained = []
    for data in (counted_data(loss, is_sparse=False), counted_data(loss, is_sparse=True)):
        for each in (data, pickle.loads(pickle.dumps(data))):
            network, losses = _core.train(each, settings, 3)
            trained.append((each.digests(), losses.tolist(), [weights.tobytes() for weights in network.weights]))
    assert trained[1:] == trained[:-1]


def test_logarithms_of_targets_are_unchanged_by_pickling() -> None:
    X, y = (np.ascontiguousarray(each, np.float64) for each in digits())
    rows = np.arange(len(X), dtype=np.int64)
    data = _core.Data(X, np.exp(y[:, None]), 0, rows[:1000], rows[1000:])
    settings = _core.Settings()
    settings.hidden, settings.target_transform = [16], "log"
    networks = [_core.train(each, settings, 3)[0] for each in (data, pickle.loads(pickle.dumps(data)))]
    one, other = (core_parts(network) for network in networks)
    assert one["exponential"] and one["target_most"] == 2 * np.exp(9.0)
    assert all(np.array_equal(one[name], other[name]) for name in (*VECTORS, *BOUNDS))
    assert [weights.tobytes() for weights in one["weights"]] == [weights.tobytes() for weights in other["weights"]]


@pytest.mark.parametrize(
    ("place", "inner", "wrong", "words"),
    [
        (6, 6, np.zeros(7, np.float32), "data: logarithms"),
        (11, 0, True, "data: link"),
        (11, 2, [5.0, 5.0], "targets: bounds"),
        (12, 3, [-1.0], "targets: bounds"),
        (12, 0, False, "data: logarithms"),
    ],
)
def test_inconsistent_units_of_targets_are_refused(place: int, inner: int, wrong: Any, words: str) -> None:
    X, y = (np.ascontiguousarray(each, np.float64) for each in digits())
    rows = np.arange(len(X), dtype=np.int64)
    parts = _core.Data(X, np.exp(y[:, None]), 0, rows[:1000], rows[1000:]).__getstate__()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=words):
        _core.Data.__new__(_core.Data).__setstate__(wrong_parts(parts, place, inner, wrong))


def wrong_parts(parts: Any, place: int, inner: int, wrong: Any) -> Any:
    """Return a copy of the parts in which `wrong` replaces entry `inner` of part `place`."""
    own = (*parts[place][:inner], wrong, *parts[place][inner + 1 :])
    return (*parts[:place], own, *parts[place + 1 :])


def test_inconsistent_data_are_refused() -> None:
    parts = digits_data().__getstate__()  # type: ignore[attr-defined]
    for place, wrong in ((0, 65), (1, 5), (4, [99]), (6, (*parts[6][:3], parts[6][3][:-1], *parts[6][4:]))):
        with pytest.raises(ValueError, match=r"data: |standardization: "):
            _core.Data.__new__(_core.Data).__setstate__((*parts[:place], wrong, *parts[place + 1 :]))


def test_inconsistent_sparse_rows_are_refused() -> None:
    parts = counted_data("poisson", is_sparse=True).__getstate__()  # type: ignore[attr-defined]
    first, size, columns, values = sparse = parts[6][8]
    for place, wrong, words in [
        (0, first[:-1], "sparse rows"),
        (0, np.where(first == first.max(), len(values), first), "a sparse row"),
        (0, first - 1, "a sparse row"),
        (1, size + np.uint32(len(values)), "a sparse row"),
        (2, columns + 64, "a sparse column"),
        (3, values[:-1], "sparse cells"),
    ]:
        state = wrong_parts(parts, 6, 8, (*sparse[:place], wrong.astype(sparse[place].dtype), *sparse[place + 1 :]))
        with pytest.raises(ValueError, match=f"data: {words}"):
            _core.Data.__new__(_core.Data).__setstate__(state)
    for place, wrong, words in [(9, "gamma", "gamma"), (10, 1.0, "loss: the level")]:
        with pytest.raises(ValueError, match=words):
            _core.Data.__new__(_core.Data).__setstate__((*parts[:place], wrong, *parts[place + 1 :]))
    dense = counted_data("poisson", is_sparse=False).__getstate__()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="only one of the parts is sparse"):
        _core.Data.__new__(_core.Data).__setstate__((*parts[:7], dense[7], *parts[8:]))


def test_settings_that_do_not_match_the_data_are_refused() -> None:
    """Check that settings are validated where the job runs, since they come from another process."""
    rules = {"min_epochs": 1, "eta": 2, "training": "resume", "metric": "r2", "seed": 0}
    dense, sparse = (counted_data("squared_error", is_sparse=each) for each in (False, True))
    for data, params, change, words in [
        (dense, {"target_transform": "log"}, {}, "target_transform: log takes one target"),
        (sparse, {"batch_size": "full"}, {}, "batch_size: sparse rows cannot be one batch"),
        (dense, {}, {"metric": "neg_mean_poisson_deviance"}, "_deviance scores networks of the Poisson"),
        (dense, {}, {"metric": "accuracy"}, "accuracy does not score this task"),
    ]:
        with pytest.raises(ValueError, match=words):
            Shared("token", [data], {**rules, **change}).do(Order(0, 0, 1, {"hidden": (16,), **params}, ()))


def test_states_of_other_networks_are_refused() -> None:
    rules = {"min_epochs": 1, "eta": 2, "training": "resume", "metric": "accuracy", "seed": 0}
    shared = Shared("token", [digits_data()], rules)
    first = shared.do(Order(0, 0, 1, {"hidden": (16,)}, ()))
    shared.do(Order(0, 1, 2, {"hidden": (16,)}, first.states))
    with pytest.raises(ValueError, match="candidate 0 has states of other sizes"):
        shared.do(Order(0, 1, 2, {"hidden": (32,)}, first.states))


def test_a_process_keeps_the_data_of_only_a_few_runs() -> None:
    for number in range(5):
        jobs.know(Shared(str(number), [], {}))
    assert list(jobs._known) == ["3", "4"]
    jobs.know(Shared("5", [], {}), "/nowhere/at/all")
    jobs.know(Shared("6", [], {}))
    assert list(jobs._known) == ["4", "6"]
    jobs._known.clear()
    assert jobs.do(Where("7", versions(), "/nowhere/at/all"), None, Order(0, 0, 1, {}, ())) == JobAnswer(jobs.LACKS)


def test_the_process_of_a_run_keeps_its_data_regardless_of_other_runs() -> None:
    for token in ("own", "first", "second", "third"):
        jobs.know(Shared(token, [], {}), notified=token == "own")
    assert list(jobs._known) == ["own", "second", "third"]
    jobs.forget("own")
    assert list(jobs._known) == ["second", "third"]
    jobs._known.clear()

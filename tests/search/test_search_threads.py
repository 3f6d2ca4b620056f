"""Tests that jobs and their libraries never use more threads than CPUs, and that idle threads run other jobs' folds."""

import importlib
import importlib.util
import os
import pickle
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

import ash
import needs
from ash.errors import SettingError
from ash.sklearn.search_threads import IdleThreads, capped
from config_help import set_cpus
from search_help import SPACE, X, Y, fitted, forest

Cpus = Callable[[int], None]


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> Cpus:
    """Return a function that sets the number of CPUs that ash sees."""

    def claim(count: int) -> None:
        set_cpus(count, monkeypatch)

    return claim


class BaseForest:
    """An estimator that ash treats as a forest, because its class has this name."""


class Look(BaseForest, ClassifierMixin, BaseEstimator):
    """An estimator whose score is ten times the largest number of threads that a library may use, plus `n_jobs`."""

    def __init__(self, n_estimators: int = 7, warm_start: bool = False, n_jobs: int | None = None, x: int = 0) -> None:
        self.n_estimators = n_estimators
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.x = x

    def fit(self, X: Any, y: Any) -> Any:
        HistGradientBoostingClassifier(max_iter=1, max_depth=1).fit(X[:40], y[:40])  # loads OpenMP and BLAS
        self.classes_ = np.unique(y)
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] in ("openmp", "blas")]
        self.most_ = max(pools)
        self.asked_ = self.n_jobs or 0
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        torch: Any = sys.modules.get("torch")
        assert torch is None or torch.get_num_threads() == self.asked_
        return float(10 * self.most_ + self.asked_)


LOOKS = {"x": list(range(8))}


@pytest.mark.parametrize(("jobs", "inner"), [(1, 4), (2, 2), (3, 1), (4, 1)])
def test_threads_inside_a_job_are_limited(jobs: int, inner: int, cpus: Cpus) -> None:
    before = [pool["num_threads"] for pool in threadpool_info()]
    cpus(4)
    ours = fitted(Look(), LOOKS, n_jobs=jobs, refit=False)
    assert {int(job.score) // 10 for job in ours.result_.jobs} <= set(range(1, inner + 1))
    assert {int(job.score) % 10 for job in ours.result_.jobs} == {inner}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def boosted(**changes: Any) -> Any:
    """Return a search over an estimator that needs processes, with a scorer that cannot be sent to other processes."""
    lock = threading.Lock()

    def score(model: Any, X: Any, y: Any) -> float:
        with lock:
            places.add((os.getpid(), threading.current_thread().name))
        return float(model.score(X, y))

    places: set[tuple[int, str]] = set()
    estimator = HistGradientBoostingClassifier(max_iter=4, max_depth=2, early_stopping=False)
    space = {"learning_rate": [0.1, 0.2, 0.3, 0.4]}
    return fitted(estimator, space, candidates=4, n_jobs=2, scoring=score, **changes), places


def test_a_search_that_cannot_be_pickled_stays_in_threads() -> None:
    ours, places = boosted()
    assert {process for process, _ in places} == {os.getpid()} and ours.best_score_ > 0.5
    with pytest.raises(SettingError, match=r"train must be picklable for executor='processes', got .*: cannot"):
        boosted(executor="processes")


def test_processes_are_used_if_threads_would_wait_for_each_other(tmp_path: Any) -> None:
    def score(model: Any, X: Any, y: Any) -> float:
        if not isinstance(model, DummyClassifier):  # before the first job, this process scores a constant prediction
            (tmp_path / str(os.getpid())).touch()
        return float(model.score(X, y))

    for estimator, apart in (
        (HistGradientBoostingClassifier(max_iter=4, early_stopping=False), True),
        (forest(), False),
    ):
        fitted(estimator, {"max_depth": [1, 2, 3, 4]}, candidates=4, n_jobs=2, scoring=score)
        found = {int(path.name) for path in tmp_path.iterdir()}
        assert (os.getpid() not in found) if apart else (os.getpid() in found)


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_threads_inside_an_executor_are_limited(executor: str, cpus: Cpus) -> None:
    cpus(4)
    with ThreadPoolExecutor(4) as pool:
        where = (
            {"executor": "processes", "n_jobs": 4} if executor == "processes" else {"executor": pool, "n_jobs": None}
        )
        ours = fitted(Look(), LOOKS, refit=False, **where)
    assert {job.score for job in ours.result_.jobs} == {11.0}


def test_threads_are_capped_in_nested_estimators() -> None:
    forest = RandomForestClassifier()
    assert capped(forest, 3) == {"n_jobs": 3}
    assert capped(RandomForestClassifier(n_jobs=2), 3) == {}
    assert capped(RandomForestClassifier(n_jobs=-1), 3) == {"n_jobs": 3}
    assert capped(HistGradientBoostingClassifier(), 3) == {} == capped(BaggingClassifier(), 3)
    assert capped(BaggingClassifier(forest, n_jobs=-1), 3) == {"n_jobs": 1, "estimator__n_jobs": 3}
    columns = ColumnTransformer([("scaler", StandardScaler(), [0])], n_jobs=-1)
    pipeline = make_pipeline(columns, forest)
    wanted = {"columntransformer__n_jobs": 1, "randomforestclassifier__n_jobs": 2}
    assert capped(pipeline, 2) == wanted


@pytest.mark.parametrize(
    ("package", "kind", "name"),
    [
        ("lightgbm", "LGBMClassifier", "n_jobs"),
        ("xgboost", "XGBClassifier", "n_jobs"),
        ("catboost", "CatBoostClassifier", "thread_count"),
    ],
)
def test_threads_of_libraries_are_capped(package: str, kind: str, name: str) -> None:
    estimator = getattr(needs.package(package), kind)()
    assert capped(estimator, 3) == {name: 3}
    assert capped(estimator.set_params(**{name: 2}), 3) == {}


def test_the_best_estimator_keeps_the_users_n_jobs() -> None:
    ours = fitted(forest(), SPACE, n_jobs=2)
    assert ours.best_estimator_.n_jobs is None and ours.estimator.n_jobs is None
    with pytest.raises(AttributeError):
        ours.estimator.classes_  # noqa: B018
    assert ours.predict(X).shape == Y.shape


# Folds in idle threads

SOON = 30.0  # maximum seconds to wait for the other threads at a barrier


def test_folds_of_the_only_job_run_in_parallel() -> None:
    idle, meet = IdleThreads(3), threading.Barrier(3)
    with idle.job():
        assert idle.each(lambda item: (meet.wait(SOON), item)[1], [4, 5, 6]) == [4, 5, 6]


def test_folds_never_run_in_more_threads_than_given() -> None:
    idle, lock, busy, most = IdleThreads(3), threading.Lock(), [0], [0]

    def fold(item: int) -> int:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.001)
        with lock:
            busy[0] -= 1
        return item

    def job(_: int) -> list[int]:
        with idle.job():
            return idle.each(fold, range(7))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(job, range(20))) == [list(range(7))] * 20
    # Each job that starts while a helper thread runs a fold adds one running thread until that fold ends.
    assert most[0] <= 5
    assert idle._busy == 0


def test_there_are_no_helpers_if_every_thread_has_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IdleThreads, "_help", lambda self, work: pytest.fail("a helper was started"))
    idle, own = IdleThreads(2), threading.get_ident()
    with idle.job(), idle.job():
        assert idle.each(lambda _: threading.get_ident(), range(5)) == [own] * 5
    assert idle._busy == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_is_raised(threads: int) -> None:
    idle, done = IdleThreads(threads), []

    def fold(item: int) -> None:
        done.append(item)
        if item:
            raise SystemExit(item)
        time.sleep(0.05)

    with pytest.raises(SystemExit, match="1"), idle.job():
        idle.each(fold, range(50))
    assert idle._busy == 0 and len(done) <= 2 * threads


def test_an_unpickled_pool_has_one_thread() -> None:
    own = threading.get_ident()
    idle = pickle.loads(pickle.dumps(IdleThreads(8)))
    with idle.job():
        assert idle.each(lambda _: threading.get_ident(), range(4)) == [own] * 4


def test_parallel_folds_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = fitted(candidates=3, cv=4, n_jobs=1)
    helped: list[Any] = []
    monkeypatch.setattr(
        IdleThreads, "_help", lambda self, work, own=IdleThreads._help: (helped.append(1), own(self, work))
    )
    together = fitted(candidates=3, cv=4, n_jobs=2)
    assert helped and alone.result_.digest == together.result_.digest
    names = [name for name in alone.cv_results_ if name.startswith("split")]
    assert len(names) == 4
    for name in names:
        np.testing.assert_array_equal(alone.cv_results_[name], together.cv_results_[name])


def test_helpers_have_the_configuration_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[int, bool]] = set()
    kind = type(forest())
    own = kind.fit

    def fit(self: Any, *given: Any, **more: Any) -> Any:
        time.sleep(0.02)  # lets other threads start
        seen.add((threading.get_ident(), sklearn.get_config()["assume_finite"]))
        return own(self, *given, **more)

    monkeypatch.setattr(kind, "fit", fit)
    with sklearn.config_context(assume_finite=True):
        fitted(candidates=1, cv=6, n_jobs=2)
    assert len(seen) > 1 and all(finite for _, finite in seen)


class Turns(ash.Callback):
    """Begins a run when all runs have begun, and ends it after the run before it has ended."""

    def __init__(self, number: int, began: list[threading.Event], ended: list[threading.Event]) -> None:
        self.number, self.began, self.ended = number, began, ended

    def on_start(self, run: ash.Run) -> None:
        self.began[self.number].set()
        self.began[-1].wait()

    def on_end(self, result: Any) -> None:
        if self.number:
            self.ended[self.number - 1].wait()


def settings_of_process() -> list[Any]:
    """Return the limits that a new thread and this one see, and the filters of warnings."""
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None

    def limits() -> list[tuple[str, int]]:
        pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
        return sorted(pools) + ([] if torch is None else [("torch", torch.get_num_threads())])

    with ThreadPoolExecutor(1) as other:
        return [limits(), other.submit(limits).result(), list(warnings.filters)]


def test_overlapping_searches_restore_the_limits_and_filters_of_the_process() -> None:
    began, ended = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def search(number: int) -> None:
        if number:
            began[number - 1].wait()
        given = {"candidates": 3, "cv": 2, "n_jobs": 2 - number % 2, "random_state": 0}
        turns = Turns(number, began, ended)
        ash.ASHSearchCV(RandomForestClassifier(4), {"max_depth": [2, 3, 4]}, callbacks=turns, **given).fit(X, Y)
        ended[number].set()

    before = settings_of_process()
    threads = [threading.Thread(target=search, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    search(0)
    for thread in threads:
        thread.join()
    assert settings_of_process() == before

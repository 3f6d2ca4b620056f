"""Tests the estimate of a run's memory: if too little is available, fewer threads are used or the run is refused."""

import re
import sys
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine

import ash
from ash._utils import machine
from ash.engine import run
from ash.engine.needed_memory import Needs, fitted
from ash.errors import DataError
from ash.models.model_pool import prediction_bytes
from config_help import configured, set_cpus, split_once
from fault_help import python

pytestmark = pytest.mark.core

WINE = load_wine(return_X_y=True)
GIB = 2**30


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> list[Needs]:
    """Return a list to which each run appends its estimate of the memory it needs."""
    collected: list[Needs] = []

    def collect(needs: Needs, *arguments: Any) -> Any:
        collected.append(needs)
        return fitted(needs, *arguments)

    monkeypatch.setattr(run, "fitted", collect)
    return collected


def leave(monkeypatch: pytest.MonkeyPatch, left: int | None) -> None:
    """Pretend that only `left` bytes are available."""
    monkeypatch.setattr(machine, "available_bytes", lambda: left)


def quick(X: Any = WINE[0], y: Any = WINE[1], **changes: Any) -> ash.Result:
    space = ash.Space(hidden=ash.choice((32,), (16, 8)), learning_rate=ash.loguniform(1e-3, 1e-1))
    given = split_once({"candidates": 8, "n_jobs": 2, "verbose": 0, **changes})
    return ash.tune(X, y, **configured({"space": space, **given}))


# Refused runs


def test_100_000_classes_on_200_000_rows_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, 64 * GIB)
    monkeypatch.setattr(run, "prepare_all", lambda *_: pytest.fail("the run has begun"))
    X, y = np.zeros((200_000, 2), np.float32), np.arange(200_000) % 100_000
    X[:, 0] = np.arange(len(X))
    for metric in ("accuracy", "neg_log_loss", "neg_brier_score"):  # the last metric is a scorer of scikit-learn
        tracemalloc.start()
        with pytest.raises(DataError, match=r"needs about (19|2[0-9])\d GiB .*only 64 GiB are left: validate on fewer"):
            ash.tune(X, y, task="classification", candidates=128, scoring=metric, verbose=0)
        assert tracemalloc.get_traced_memory()[1] < 2**28
        tracemalloc.stop()


def test_a_run_that_does_not_fit_on_one_thread_is_refused(needs: list[Needs], monkeypatch: pytest.MonkeyPatch) -> None:
    quick()
    monkeypatch.setattr(run, "prepare_all", lambda *_: pytest.fail("the run has begun"))
    leave(monkeypatch, needs[0].total(1) - 1)
    with pytest.raises(DataError, match=r"on one thread \(table .* GiB, scratch .*, states .*, predictions .*\)"):
        quick()


@pytest.mark.parametrize(
    ("part", "changes", "advice"),
    [
        ("scratch", {"space": {"batch_size": "full", "hidden": [(256,), (255,)]}}, "or smaller batches"),
        ("states", {"space": {"hidden": [(2048, 2048), (2048, 2047)]}}, "narrower layers, or keep fewer"),
        ("predictions", {"validation": 0.9, "space": {"hidden": [(), (1,)], "batch_size": 1}}, "validate on fewer"),
    ],
)
def test_the_advice_concerns_the_largest_part(
    part: str, changes: dict[str, Any], advice: str, needs: list[Needs], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = np.repeat(WINE[0], 20, axis=0), np.repeat(WINE[1], 20)
    leave(monkeypatch, 100_000)
    monkeypatch.setattr("ash.data.arrays.check_memory", lambda *_: None)  # else this check would refuse the table first
    with pytest.raises(DataError, match=re.escape(advice)):
        quick(X, y, **{"candidates": 2, **changes})
    parts = needs[0].parts(1)
    assert max(parts, key=parts.__getitem__) == part


# Fewer threads


@pytest.mark.parametrize("schedule", ["reproducible", "greedy"])
def test_fewer_threads_are_used_if_the_run_then_fits(
    schedule: str, needs: list[Needs], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cpus(3, monkeypatch)
    expected = quick(n_jobs=3, schedule=schedule)
    for threads in (2, 1):
        leave(monkeypatch, needs[0].total(threads))
        with pytest.warns(UserWarning, match=rf"n_jobs=3 would need about .* are left; using {threads}$"):
            result = quick(n_jobs=3, schedule=schedule)
        assert result.settings["threads"] == threads
        assert schedule == "greedy" or result.digest == expected.digest
        assert max(job.thread for job in result.jobs) < threads


def test_a_run_that_fits_is_not_changed(needs: list[Needs], monkeypatch: pytest.MonkeyPatch) -> None:
    quick()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for left in (needs[0].total(2), None):
            leave(monkeypatch, left)
            assert quick().settings["threads"] == 2


def test_the_memory_limit_leaves_room_for_other_needs(needs: list[Needs], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = quick()
    leave(monkeypatch, needs[0].total(2))
    result = quick(memory_limit=GIB)
    assert result.memory["limit"] == needs[0].parts(2)["states"] == result.settings["memory_limit"]
    assert result.digest == expected.digest
    assert quick(memory_limit=1000).memory["limit"] == 1000
    leave(monkeypatch, None)
    assert quick(memory_limit=GIB).memory["limit"] == GIB


def test_the_refit_is_skipped_if_no_memory_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken(ash.Callback):
        def on_job(self, *_: Any) -> None:
            leave(monkeypatch, 100)

    x, y = (np.concatenate([part] * 100) for part in WINE)
    estimator = ash.ASHClassifier({"hidden": (8,)}, candidates=1, n_jobs=1, validation=0.2, callbacks=Taken())
    with pytest.warns(UserWarning, match=r"not refitted on all rows: X of shape \(17800, 13\) needs about"):
        estimator.fit(x, y)
    assert np.array_equal(estimator.model_.core.weights[0], estimator.result_.model.core.weights[0])


# Parts counted in the estimate


def test_scratch_and_states_are_counted_per_thread_and_candidate(needs: list[Needs]) -> None:
    quick(candidates=1, n_jobs=1)
    quick(candidates=8, n_jobs=1)
    one, many = needs
    assert one.parts(1)["scratch"] == one.parts(2)["scratch"] < many.parts(2)["scratch"] == 2 * many.parts(1)["scratch"]
    assert one.parts(1)["states"] == 2 * one.states[0]  # one state in training, one kept
    assert many.parts(1)["states"] == 2 * sum(many.states)  # each candidate may have a state in training and a kept one
    assert list(many.states) == sorted(many.states, reverse=True)
    quick(candidates=8, n_jobs=1, schedule="greedy", keep=2)
    assert needs[2].parts(2)["states"] == 2 * sum(many.states[:2])


def test_folds_a_refit_and_a_scorer_are_counted(needs: list[Needs]) -> None:
    def fit(**changes: Any) -> Needs:
        estimator = ash.ASHClassifier({"hidden": [(8,), (4,)]}, candidates=2, n_jobs=1, **changes)
        estimator.fit(*WINE)
        return needs[-1]

    plain, alone = fit(validation=0.2), fit(validation=0.2, refit=False)
    folds = fit(cv=3, refit=False)
    assert plain.scratch == 2 * alone.scratch
    assert folds.table == 4 * alone.table  # three folds, and the refit on all rows
    assert folds.states[0] == 3 * alone.states[0]
    scored = fit(validation=0.2, refit=False, scoring="f1_micro")
    rows = alone.predictions // prediction_bytes(alone.kept, 3, classifies=True)
    assert scored.scratch == alone.scratch + 16 * 3 * rows


@pytest.mark.parametrize("metric", ["accuracy", "neg_log_loss", None])
def test_predictions_use_no_more_memory_than_estimated(metric: str | None) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4000, 3))
    y = draw.normal(size=(4000, 40)) if metric is None else draw.integers(40, size=4000).astype(str)
    result = quick(X, y, scoring=metric, candidates=8, keep=8, validation=0.8, max_rungs=1)
    kept = result.kept
    assert kept is not None
    assert kept.predictions.shape == (8, 3200, 40)
    tracemalloc.start()
    result.ensemble(4)
    peak = kept.predictions.nbytes + tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= prediction_bytes(8, 3200 * 40, classifies=metric is not None) + 2**20


PEAK = """
import re, numpy as np, ash
from ash.engine import run
def fitted(needs, threads, limit, fitted=run.fitted):
    global needed
    needed = needs
    return fitted(needs, threads, limit)
run.fitted = fitted
def tune(rows, **changes):
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(rows, 4)), draw.integers(3, size=rows)
    space = {"hidden": [(256,), (255,)], **changes}
    result = ash.tune(X, y, space, candidates=2, validation=0.2, n_jobs=2, verbose=0)
    return len({job.thread for job in result.jobs})  # 1 if the other thread was not scheduled in time
def most():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
tune(40_000)  # all is imported, and compiled where that is new
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the most that was used is from now on
before = most()
threads = tune(40_000, batch_size="full", optimizer="sgd")
grown, foretold = most() - before, needed.total(threads)
assert foretold > 2**26, foretold
print(0.6 * foretold < grown < 1.1 * foretold + 2**24, grown, foretold)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_run_uses_about_the_estimated_memory() -> None:
    done = python(PEAK)
    assert done.stdout.startswith("True"), done.stdout + done.stderr


# Metrics


def test_whether_a_metric_is_defined_depends_only_on_the_targets() -> None:
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(UserWarning, match="metric 'r2' is undefined"):
        assert quick(X, y, validation=(X[:5], np.full(5, y[0]))).metric == "neg_root_mean_squared_error"
    X, y = WINE
    with pytest.raises(ash.SettingError, match="metric 'roc_auc' is undefined on the 2 validation rows"):
        quick(X, y, scoring="roc_auc", validation=(X[[0, -1]], y[[0, -1]]))
    assert quick(X, y, scoring="roc_auc").metric == "roc_auc"

"""Tests runs with boosted trees and networks: the ladder, the ensemble, records, journals, and refused settings."""

import importlib.util
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import balanced_accuracy_score, make_scorer

import ash
import needs
from ash.engine import candidates
from ash.engine import run as run_module
from ash.engine.candidates import PRIOR, AdaptiveCandidates, draw
from ash.engine.catboost_boosting import LEAST_DRAWN, CatBoostRows, round_cost_of_catboost
from ash.engine.core_data import prepare
from ash.engine.event_loop import EventLoop
from ash.engine.portfolio import RECIPE, portfolio
from ash.engine.tree_table import TreeTable
from ash.engine.tree_trainer import MOST_RATE, MOST_ROUNDS, TreeFolds, TreeJob, TreeTrainer, boost_trees
from ash.errors import JournalCorruptError, JournalError, SettingError
from ash.history.json_files import space_story
from ash.journal.identity import from_json, space_of_facts
from ash.models import model_pool
from ash.models.ensemble import select
from ash.models.lightgbm_text import read_trees
from ash.models.trees import core_of
from ash.sampling import sobol
from ash.space.defaults import default_space
from ash.space.domains import key_of
from ash.space.hyperparameters import check_params, model_of
from ash.space.space import Space
from callback_help import INTERRUPTED, After, TimeIsUp, press_ctrl_c, press_ctrl_c_until
from config_help import configured, split_once
from data_help import mixed_columns, mixed_target, options, parts_from
from fault_help import HANG_SECONDS
from journal_help import change

pytestmark = pytest.mark.core

WINE, DIABETES = load_wine(return_X_y=True), load_diabetes(return_X_y=True)
MIXED = pd.DataFrame(mixed_columns()), mixed_target(mixed_columns())
BOTH, TREES, CATBOOST, ALL = ["network", "lightgbm"], ["lightgbm"], ["catboost"], ["network", "lightgbm", "catboost"]
FEW: dict[str, Any] = {"candidates": 12, "validation": 0.3, "models": BOTH, "random_state": 0, "min_epochs": 4}


def fitted(kind: Any = ash.ASHClassifier, X: Any = WINE[0], y: Any = WINE[1], **given: Any) -> Any:
    weight = given.pop("sample_weight", None)
    for model in ("catboost", "xgboost"):
        if model in str(given.get("models")):
            needs.installed(model)
    return kind(**configured({**FEW, **given})).fit(X, y, sample_weight=weight)


def kinds(result: ash.Result) -> Counter[str]:
    """Return the number of jobs of each kind of model."""
    return Counter(model_of(result.params[job.candidate]) for job in result.jobs)


def content(model: Any, folder: Path) -> bytes:
    model.save(folder / "model.safetensors")
    return (folder / "model.safetensors").read_bytes()


CASES = {
    "classes": {},
    "two classes": {"y": WINE[1] > 0, "scoring": "roc_auc"},
    "targets": {"kind": ash.ASHRegressor, "X": DIABETES[0], "y": DIABETES[1]},
    "folds": {"validation": None, "cv": 3},
    "folds, one model": {"validation": None, "cv": 3, "ensemble": 1, "candidates": 16},
    "weights": {"sample_weight": np.arange(len(WINE[0])) % 3},
    "a scorer": {"scoring": make_scorer(balanced_accuracy_score)},
    "columns of all kinds": {"kind": ash.ASHRegressor, "X": MIXED[0], "y": MIXED[1]},
    "logarithms": {"kind": ash.ASHRegressor, "X": DIABETES[0], "y": np.exp(DIABETES[1] / 40)},
    "no refit": {"refit": False},
    "trees alone": {"models": TREES},
    "absolute errors": {"kind": ash.ASHRegressor, "X": DIABETES[0], "y": DIABETES[1], "loss": "absolute_error"},
    "a quantile": {
        **{"kind": ash.ASHRegressor, "X": DIABETES[0], "y": DIABETES[1]},
        **{"loss": "quantile", "quantile": 0.9},
    },
    "counts": {"kind": ash.ASHRegressor, "X": DIABETES[0], "y": np.floor(DIABETES[1] / 40), "loss": "poisson"},
}
CASES |= {
    "all kinds": {"models": ALL, "candidates": 16},
    **{
        f"{name}, catboost": {**CASES[name], "models": CATBOOST, "candidates": 6}
        for name in CASES
        if name != "trees alone"
    },
    **{
        f"{name}, xgboost": {**CASES[name], "models": ["xgboost"], "candidates": 6}
        for name in ("classes", "folds", "columns of all kinds", "logarithms", "counts")
    },
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_the_same_on_any_number_of_threads_and_from_its_record(case: str, tmp_path: Path) -> None:
    given = CASES[case]
    first, second = fitted(**given, n_jobs=1), fitted(**given, n_jobs=2)
    wanted = {"network": 4, "lightgbm": 3} if "models" not in given else dict.fromkeys(given["models"], 1)
    assert all(kinds(first.result_)[kind] >= least for kind, least in wanted.items())
    assert first.result_.digest == second.result_.digest
    assert content(first.model_, tmp_path) == content(second.model_, tmp_path)
    kind, again = (
        given.get("kind", ash.ASHClassifier),
        {"scoring": given["scoring"]} if case.startswith("a scorer") else {},
    )
    repeated = kind(record=first.model_.record, n_jobs=2, **again)
    repeated.fit(given.get("X", WINE[0]), given.get("y", WINE[1]), sample_weight=given.get("sample_weight"))
    assert content(repeated.model_, tmp_path) == content(first.model_, tmp_path)


@pytest.mark.parametrize("models", [TREES, CATBOOST, ["xgboost"]], ids="".join)
@pytest.mark.parametrize("case", ["classes", "targets", "columns of all kinds", "folds"])
def test_a_saved_ensemble_of_trees_can_be_read_by_lightgbm(case: str, models: list[str], tmp_path: Path) -> None:
    given = {**CASES[case], "refit": False}
    model = fitted(**given, scoring=given.get("scoring"), models=models, ensemble=4)
    X = given.get("X", WINE[0])
    members = getattr(model.model_, "members", (model.model_,))
    assert all(isinstance(member, ash.Trees) for member in members)
    model.save(tmp_path / "model.safetensors")
    loaded = ash.load(tmp_path / "model.safetensors")
    assert (loaded.predict(X) == model.predict(X)).all() and loaded.digest == model.model_.digest
    for member in members:
        booster = lightgbm.Booster(model_str=member.text)
        assert booster.num_trees() == len(member.core.leaf_starts) - 1


def test_kept_predictions_match_those_of_the_members() -> None:
    result = ash.tune(*WINE, **configured({"candidates": 12, "models": BOTH, "validation": 0.3}))
    kept, rows = result.kept, result.sample
    assert kept is not None and rows is not None
    found = {type(network).__name__ for network in kept.networks}
    assert found == {"Network", "Trees"}
    scores = [network.validation_score for network in kept.networks]
    assert scores == sorted(scores, reverse=True)
    for network, predictions in zip(kept.networks, kept.predictions, strict=True):
        right = np.average(predictions.argmax(axis=1) == kept.targets[:, 0])
        assert right == pytest.approx(network.validation_score)


def test_the_best_member_of_the_other_kind_is_tried_in_the_first_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, found = fitted(refit=False).result_.kept, []
    monkeypatch.setattr(model_pool, "select", lambda *given: found.append(given[4]) or select(*given))
    kept.ensemble(8)
    kinds_of_kept = [type(member) for member in kept.networks]
    assert found == [[kinds_of_kept.index(ash.Trees if kinds_of_kept[0] is ash.Network else ash.Network)]]
    assert found[0] != [0]


def test_catboost_runs_one_job_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that no two fits overlap, since CatBoost's logger is not thread-safe."""
    kind = needs.package("catboost").CatBoost
    fit, running, most = kind.fit, [], []

    def watched(self: Any, *given: Any, **more: Any) -> Any:
        running.append(self)
        most.append(len(running))
        time.sleep(0.02)
        try:
            return fit(self, *given, **more)
        finally:
            running.remove(self)

    monkeypatch.setattr(kind, "fit", watched)
    fitted(models=CATBOOST, n_jobs=2, refit=True)
    assert len(most) >= 12 and max(most) == 1


def test_more_rounds_come_with_a_smaller_shrinkage() -> None:
    params = {"model": "lightgbm", "shrinkage": 6.0, "num_leaves": 4, "min_data_in_leaf": 5}
    result = ash.tune(
        *WINE,
        {name: [value] for name, value in params.items()},
        candidates=1,
        validation=0.3,
        verbose=0,
        config=ash.SearchConfig(min_epochs=32),
    )
    model = result.model
    assert isinstance(model, ash.Trees)
    rounds = lightgbm.Booster(model_str=model.text).current_iteration()
    assert 1 <= rounds <= MOST_ROUNDS
    rates = {float(line.partition("=")[2]) for line in model.text.splitlines() if line.startswith("shrinkage=")}
    assert min(MOST_RATE, 6.0 / rounds) == pytest.approx(min(rates), rel=1e-4)


def test_a_rung_costs_trees_about_as_much_as_networks_on_the_virtual_clock() -> None:
    result = ash.tune(*WINE, **configured({"candidates": 24, "models": BOTH, "validation": 0.3}))
    costs: dict[str, list[float]] = {"network": [], "lightgbm": []}
    for job in result.jobs:
        cost = (job.virtual_end - job.virtual_start) / job.epochs
        costs[model_of(result.params[job.candidate])].append(cost)
    assert np.ptp(costs["lightgbm"]) <= 1e-9 * costs["lightgbm"][0]
    assert 0.2 < np.mean(costs["network"]) / costs["lightgbm"][0] < 5


@pytest.mark.parametrize("models", [BOTH, ALL], ids=len)
def test_a_run_with_trees_is_resumed_from_its_journal(models: list[str], tmp_path: Path) -> None:
    given = {**FEW, "candidates": 24, "random_state": 3, "models": models}
    whole = fitted(**given)
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        fitted(**given, journal=tmp_path / "run.ash", callbacks=After(9, press_ctrl_c))
    resumed = fitted(**given, journal=tmp_path / "run.ash")
    assert resumed.result_.digest == whole.result_.digest
    assert content(resumed.model_, tmp_path) == content(whole.model_, tmp_path)


def finished_journal(tmp_path: Path, **given: Any) -> Any:
    return fitted(**{"models": TREES, "candidates": 6, **given}, journal=tmp_path / "run.ash")


def test_trees_from_a_journal_are_retrained_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finished_journal(tmp_path)
    assert content(finished_journal(tmp_path).model_, tmp_path) == content(whole.model_, tmp_path)
    monkeypatch.setattr("ash.engine.tree_trainer._hash_of", lambda folds: 7)
    with pytest.raises(ash.JournalCorruptError, match=r"has other trees in rung \d+ than its result says"):
        finished_journal(tmp_path)


@pytest.fixture(params=[True, False])
def ctrl_c_ends_waits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let SIGINT end the system's waits, as Python's handler does, or not, as the one that `import polars` sets."""
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    signal.siginterrupt(signal.SIGINT, request.param)
    yield
    signal.siginterrupt(signal.SIGINT, True)


@pytest.mark.usefixtures("ctrl_c_ends_waits")
def test_ctrl_c_ends_the_retraining_of_trees_from_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished_journal(tmp_path)
    begun: list[int] = []

    def wait(self: Any, candidate: int, rung: int, epochs: int, is_stopped: Any) -> None:
        begun.append(candidate)
        press_ctrl_c_until(is_stopped)

    monkeypatch.setattr(TreeTrainer, "_train", wait)
    with pytest.raises(KeyboardInterrupt):
        finished_journal(tmp_path, n_jobs=1)
    assert len(begun) < 6


def test_a_model_is_available_after_ctrl_c_during_retraining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**FEW, "candidates": 40, "models": TREES, "ensemble": 1, "refit": False, "n_jobs": 1}
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        fitted(**given, journal=tmp_path / "run.ash", callbacks=After(9, press_ctrl_c))

    def wait(self: Any, candidate: int, rung: int, epochs: int, is_stopped: Any) -> None:
        while not is_stopped():
            time.sleep(0.001)

    monkeypatch.setattr(TreeTrainer, "__call__", wait)
    monkeypatch.setattr(EventLoop, "_watch", lambda *_: "interrupted")
    again = ash.ASHClassifier(**configured(given), journal=tmp_path / "run.ash")
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        again.fit(*WINE)
    assert isinstance(again.model_, ash.Trees)


@pytest.mark.parametrize("models", [BOTH, TREES, ["network"]])
def test_a_model_is_available_if_a_resumed_run_is_interrupted_at_once(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**FEW, "models": models, "n_jobs": 1, "journal": tmp_path / "run.ash", "max_total_epochs": 40}
    whole = fitted(**given).result_
    monkeypatch.setattr(EventLoop, "_watch", lambda *_: "interrupted")
    again = ash.ASHClassifier(**configured(given))
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        again.fit(*WINE)
    assert again.result_.best_candidate == whole.best_candidate
    assert isinstance(again.model_, ash.Trees) == (model_of(whole.best_params) == "lightgbm")


@pytest.mark.parametrize("models", [BOTH, TREES, ["network"]])
@pytest.mark.parametrize("has_best", [False, True])
def test_a_model_is_available_after_ctrl_c_during_the_retraining_of_kept_models(
    models: list[str], has_best: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ash.journal.state_cache.StateCache.write_kept", lambda *_: None)
    whole, complete = finished_journal(tmp_path, models=models), EventLoop._complete

    def interrupted(loop: EventLoop, ended: str) -> None:
        monkeypatch.setattr(EventLoop, "_complete", complete)
        if has_best:
            loop._complete("interrupted")
        raise KeyboardInterrupt

    monkeypatch.setattr(EventLoop, "_complete", interrupted)
    given = {**FEW, "models": models, "candidates": 6, "journal": tmp_path / "run.ash"}
    again = ash.ASHClassifier(**configured(given))
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        again.fit(*WINE)
    assert again.result_.best_candidate == whole.result_.best_candidate
    assert content(finished_journal(tmp_path, models=models).model_, tmp_path) == content(whole.model_, tmp_path)


def test_a_second_ctrl_c_ends_the_retraining_of_the_best_model(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def interrupted(_: EventLoop, ended: str) -> None:
        calls.append(ended)
        raise KeyboardInterrupt

    monkeypatch.setattr(EventLoop, "_complete", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fitted()
    monkeypatch.setattr(EventLoop, "_watch", lambda *_: "interrupted")
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fitted()
    assert calls == ["finished", "interrupted", "interrupted"]


@pytest.mark.usefixtures("ctrl_c_ends_waits")
def test_ctrl_c_ends_the_refit_of_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[float] = []

    def slow(table: Any, params: Any, rounds: int, seed: int, is_stopped: Any) -> Any:
        if threading.current_thread() is threading.main_thread() or "ThreadPool" in threading.current_thread().name:
            began.append(time.monotonic())
            press_ctrl_c_until(is_stopped)
            return None
        return boost_trees(table, params, rounds, seed, is_stopped)

    monkeypatch.setattr("ash.engine.tree_trainer.boost_trees", slow)
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        fitted(models=TREES, ensemble=1)
    assert len(began) == 1


def test_trees_without_a_finite_score_have_diverged(tmp_path: Path) -> None:
    given = {"models": TREES, "scoring": lambda *_: math.nan, "journal": tmp_path / "run.ash"}
    with pytest.raises(ash.AllDivergedError, match="returned no finite number"):
        fitted(**given)
    with pytest.raises(ash.AllDivergedError, match=r"all \d+ finished candidates diverged"):
        fitted(**given)


def test_the_memory_of_histograms_limits_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(400, 50))
    bins = 50 * 255
    monkeypatch.setattr("ash._utils.machine.available_bytes", lambda: int(1.6 * 16 * 256 * bins))
    with pytest.warns(UserWarning, match="n_jobs=2 would need about"):
        fitted(X=X, y=X[:, 0] > 0, n_jobs=2)


@pytest.mark.parametrize(("rows", "fraction"), [(2, 0.9), (60, 0.01)])
def test_lightgbm_uses_all_rows_if_the_bagging_fraction_is_less_than_one_row(rows: int, fraction: float) -> None:
    given: dict[str, Any] = {"task": "regression", "scoring": "neg_mean_absolute_error", "candidates": 1, "cv": 2}
    bagged, whole = (
        ash.tune(DIABETES[0][:rows], DIABETES[1][:rows], {"model": ["lightgbm"], "bagging_fraction": [each]}, **given)
        for each in (fraction, 1.0)
    )
    assert bagged.best_score == whole.best_score


@pytest.mark.parametrize(("library", "part", "models"), [("lightgbm", "Booster", BOTH), ("catboost", "Pool", CATBOOST)])
def test_an_error_in_a_library_of_trees_ends_the_run(
    library: str, part: str, models: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("no room for rows")

    monkeypatch.setattr(needs.package(library), part, fail)
    with pytest.raises(MemoryError, match="no room for rows"):
        fitted(models=models)


@pytest.mark.parametrize("given", [{}, {"cv": 3, "ensemble": 1}, {"schedule": "greedy"}])
def test_a_timed_run_has_networks_and_trees_and_is_repeated(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ash.engine.refit.LATE", math.inf)
    timed = {"time_limit": HANG_SECONDS, "callbacks": TimeIsUp(monkeypatch, HANG_SECONDS, 20)}
    model = fitted(candidates="auto", validation=None, min_epochs=None, n_jobs=2, **timed, **given)
    assert model.result_.ended == "time_limit" and min(kinds(model.result_)[kind] for kind in BOTH) > 0
    if "schedule" not in given:
        again = ash.ASHClassifier(record=model.model_.record, n_jobs=1).fit(*WINE)
        assert content(again.model_, tmp_path) == content(model.model_, tmp_path)


MUST_BE = "models must be 'network' or 'lightgbm' or 'catboost' or 'xgboost', or a list of them"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"models": ["forest"]}, rf"{MUST_BE}, got \['forest'\]"),
        ({"models": []}, rf"{MUST_BE}, got \[\]"),
        ({"models": 3}, f"{MUST_BE}, got 3"),
        (
            {"kind": ash.ASHRegressor, "X": DIABETES[0], "y": np.stack([DIABETES[1]] * 2, 1), "models": TREES},
            "boosted trees support one target, but y has 2 columns; add 'network' to models",
        ),
    ],
)
def test_untrainable_models_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        fitted(**given)


def resolved(kind: Any = ash.ASHClassifier, X: Any = WINE[0], y: Any = WINE[1], **given: Any) -> list[str]:
    """Return the kinds of model listed in the record of a fit."""
    model = kind(**configured({"random_state": 0, "n_jobs": 2, **given})).fit(X, y)
    models: list[str] = model.model_.record.settings["models"]
    assert set(kinds(model.result_)) <= set(models)
    return models


TWO_TARGETS = np.stack([DIABETES[1], -DIABETES[1]], axis=1)
TIMED: dict[str, Any] = {"time_limit": 60, "max_total_epochs": 8}

ALONE: dict[str, dict[str, Any]] = {
    "candidates": {"candidates": 4},
    "a limit and candidates": {**TIMED, "candidates": 12},
    "work": {"work_limit": 2e9},
    "work and time": {"work_limit": 2e9, "time_limit": 60},
    "a sparse table": {**TIMED, "X": csr_array(WINE[0])},
    "two targets": {**TIMED, "kind": ash.ASHRegressor, "X": DIABETES[0], "y": TWO_TARGETS},
    "networks": {**TIMED, "models": ["network"]},
}


@pytest.mark.parametrize("case", ALONE)
def test_only_networks_are_searched(case: str) -> None:
    assert resolved(**ALONE[case]) == ["network"]


def test_a_timed_run_searches_networks_and_trees_and_shows_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert resolved(**TIMED, verbose=2) == BOTH
    assert "models: network, lightgbm\n" in capfd.readouterr().err


def test_a_given_space_determines_the_kinds_of_model() -> None:
    result = ash.tune(
        *WINE,
        {"hidden": [(8,), (16,)]},
        time_limit=60,
        random_state=0,
        config=ash.SearchConfig(max_total_epochs=8),
        validation=0.2,
    )
    assert result.record.settings["models"] == ["network"]


def test_only_networks_are_trained_on_several_targets() -> None:
    model = fitted(ash.ASHRegressor, DIABETES[0], np.stack([DIABETES[1], -DIABETES[1]], axis=1))
    assert set(kinds(model.result_)) == {"network"}


def test_hyperparameters_of_absent_models_are_refused() -> None:
    with pytest.raises(SettingError, match="num_leaves does not apply to model='network', only"):
        Space(num_leaves=[7, 31])
    with pytest.raises(SettingError, match="hidden does not apply to model='lightgbm', only to model='network'"):
        Space(model="lightgbm", hidden=[(8,)])
    space = Space(model=["network", "lightgbm"], num_leaves=ash.choice(7, 31).when(model="lightgbm"))
    assert space.size == 3


# Drawing of candidates


def jobs_of(scores: dict[int, float]) -> Any:
    columns = {"candidate": np.array(list(scores), dtype=np.int64), "score": np.array(list(scores.values()))}
    return lambda: columns


SPACE = default_space(1000, 10, 1, 2, numbers=8, metric="roc_auc", models=BOTH)
FEW_TREES = [{"model": "lightgbm", "num_leaves": 7, "shrinkage": 30.0}, {"model": "lightgbm", "num_leaves": 90}]
A_NETWORK = {"hidden": (256, 256), "learning_rate": 0.113, "dropout": 0.3}
BEGIN: list[dict[str, Any]] = [*FEW_TREES, A_NETWORK]


def adaptive(known: Any = (), space: Space = SPACE, first: int = 4) -> AdaptiveCandidates:
    return AdaptiveCandidates(space, 0, BEGIN, known, first)


def drawn(scores: dict[int, float]) -> str:
    """Return one letter per candidate, the initial of its kind of model, in the order of drawing.

    First 16 candidates are drawn, and then 40 more, after the candidates in `scores` have been given these scores.
    """
    made = adaptive(first=16)
    made.more(40, jobs_of(scores))
    return "".join(model_of(params)[0] for params in made.params)


def test_the_better_kind_gets_more_of_the_next_candidates() -> None:
    start = drawn({})[:16]
    assert start == "nlnnnlnnnlnnnlnn"
    trees, networks = ([place for place, kind in enumerate(start) if kind == each] for each in "ln")
    counts = {}
    for name, better in (("trees", trees), ("networks", networks)):
        scores = {place: 1.0 if place in better else 0.5 for place in range(16)}
        counts[name] = drawn(scores)[16:].count("l")
    same = drawn({place: math.nan for place in range(16)})[16:].count("l")
    assert counts["trees"] > same == 10 > counts["networks"] > 0


def test_each_kind_starts_with_its_default_and_the_portfolio() -> None:
    made = adaptive(first=60)
    trees, networks = (
        [params for params in made.params if model_of(params) == kind] for kind in ("lightgbm", "network")
    )
    assert networks[0] == SPACE.default and trees[0] == SPACE.of_models(TREES).default
    assert [
        {name: params[name] for name in own} for params, own in zip(trees[1:], FEW_TREES, strict=False)
    ] == FEW_TREES
    assert networks[1] == {**SPACE.default, **A_NETWORK}
    assert len(set(map(key_of, made.params))) == 60


def test_every_second_later_draw_is_near_a_good_candidate() -> None:
    made = adaptive(first=32)
    good = next(params for params in made.params[8:] if model_of(params) == "network")
    made._share, made._good = 0.0, {False: [good]}
    made.draw(200)
    names = ("hidden", "activation", "learning_rate", "weight_decay", "dropout", "batch_size", "label_smoothing")
    shared = np.array([sum(params[name] == good[name] for name in names) for params in made.params[32:]])
    fresh, near = sorted((shared[::2], shared[1::2]), key=np.mean)
    assert fresh.mean() < 0.3 * len(names) and np.median(near) >= 0.7 * len(names)
    assert len(set(map(key_of, made.params))) == 232


def test_the_best_quarter_of_each_kind_counts_as_good() -> None:
    made = adaptive(first=40)
    made.more(1, jobs_of({place: place % 10 - 10 * (place < 20) for place in range(40)}))
    for of_trees, count in ((False, 7), (True, 4)):
        own = [place for place in range(40) if (model_of(made.params[place]) == "lightgbm") == of_trees]
        best = sorted(own, key=lambda place: (-(place % 10 - 10 * (place < 20)), place))[:count]
        assert made._good[of_trees] == [made.params[place] for place in best]


def test_the_cost_of_a_draw_does_not_grow_with_the_number_of_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count how often a candidate's kind is looked up. A request for candidates ranks all earlier candidates once."""
    asked = []
    monkeypatch.setattr(candidates, "is_boosted", lambda params: asked.append(1) or model_of(params) != "network")
    made, requests = adaptive(first=8), 0
    while len(made.params) < 3_000:
        made.more(1, jobs_of({place: place % 97 for place in range(len(made.params))}))
        requests += 1
    assert requests < 60 and len(asked) < 40 * len(made.params)
    monkeypatch.setattr(candidates, "LEARNS", 3_000)
    made.more(1, jobs_of({}))
    assert (made._share, made._good) == (PRIOR, {})


@pytest.mark.parametrize("scores", [{}, {place: place % 7 / 7 for place in range(30)}])
def test_a_resumed_run_draws_the_same_candidates(scores: dict[int, float]) -> None:
    made = adaptive(first=30)
    made.more(30, jobs_of(scores))
    assert adaptive(json_of(made.params[:45])).params == made.params[:45]
    whole = adaptive(json_of(made.params))
    for one in (made, whole):
        one.more(25, jobs_of(scores))
    assert whole.params == made.params


def json_of(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return candidates in the form in which a journal stores them."""
    return [from_json(json.loads(json.dumps(each))) for each in params]


def test_a_portfolio_is_used_where_it_fits_the_space() -> None:
    few = {"hidden": (256, 256), "dropout": 0.3}
    assert Space(hidden=[(256, 256), (8,)], dropout=[0.0, 0.3], l2=[0.0, 0.1]).completed(few) == {**few, "l2": 0.0}
    assert Space(hidden=[(256, 256)], dropout=[0.0, 0.1]).completed(few) is None
    assert Space(hidden=[(256, 256), (8,)]).completed(few) is None, "networks without dropout are others"
    assert Space(hidden=[(256, 256), (8,)]).completed({"hidden": (8,), "dropout": 0.0}) == {"hidden": (8,)}
    for levels, found in ((None, 0.2), (3, None)):
        full = Space(learning_rate=ash.loguniform(0.2, 1, levels=levels)).completed({"learning_rate": 0.113})
        assert full == (found and {"learning_rate": found})
    assert Space(hidden=[(256, 256)]).completed(FEW_TREES[0]) is None
    skewed = default_space(1000, 10, 1, 0, numbers=8, metric="r2", models=BOTH, skewed=True)
    trees = [params for params in adaptive(space=skewed, first=30).params if model_of(params) == "lightgbm"]
    assert [params["target_transform"] for params in trees[:3]] == ["none", "none", "log"]


def test_networks_of_another_recipe_do_not_start_with_the_portfolio() -> None:
    first = portfolio("classification", 500)
    all_else = default_space(500, 20, 1, 2, numbers=20, metric="roc_auc").domains.items()
    few = Space(hidden=[(128, 128, 128), (8,)], learning_rate=ash.loguniform(1e-4, 1))
    for own in (few, Space(**{name: list(domains) for name, domains in all_else if name not in RECIPE})):
        assert AdaptiveCandidates(own, 0, first, (), 8).params == list(islice(own.stream(0), 8))
    default = default_space(500, 20, 1, 2, numbers=20, metric="roc_auc")
    without = default_space(500, 20, 1, 2, numbers=0, metric="roc_auc")
    for space in (default, without):
        drawn_first = AdaptiveCandidates(space, 0, first, (), 6).params
        assert drawn_first != list(islice(space.stream(0), 6)) and drawn_first[0] == space.default


TWO_DOMAINS = {
    "optimizer": ["momentum", "adamw"],
    "learning_rate": [ash.loguniform(1e-3, 1e-1).when(optimizer="momentum"), ash.loguniform(1e-4, 1e-2)],
    "dropout": ash.uniform(0, 0.5),
}


def test_a_space_contains_configurations_of_the_applicable_domain() -> None:
    space = Space(**TWO_DOMAINS)
    assert all(space.has(params) for params in islice(space.stream(0), 300))
    assert not space.has({"optimizer": "adamw", "learning_rate": 0.05, "dropout": 0.1})
    assert not space.has({"optimizer": "adamw", "dropout": 0.1})
    assert not space.has({"optimizer": "momentum", "learning_rate": 0.05, "dropout": 0.1, "l2": 0.0})
    both = default_space(1000, 10, 1, 2, numbers=8, metric="roc_auc", models=ALL)
    assert all(both.has(params) for params in islice(both.stream(0), 300))


@pytest.mark.parametrize(
    "space",
    [
        {
            "model": ["lightgbm", "catboost"],
            "shrinkage": [ash.loguniform(6, 100).when(model="catboost"), ash.loguniform(3, 60)],
        },
        {
            "model": BOTH,
            "target_transform": [ash.choice("none", "log").when(model="network"), ash.choice("none")],
            "hidden": [(4,)],
        },
    ],
)
def test_a_hyperparameter_can_have_one_domain_per_kind_of_model(space: dict[str, Any]) -> None:
    whole = Space(**space)
    found = AdaptiveCandidates(whole, 0, first=min(whole.size, 20)).params
    assert {model_of(params) for params in found} == whole.models and all(map(whole.has, found))
    for model in whole.models:
        part = whole.of_models([model])
        assert all(whole.has(params) for params in islice(part.stream(0), 20))


def test_the_adaptive_sampler_needs_a_stream() -> None:
    with pytest.raises(SettingError, match="sampler='adaptive' needs an endless stream, but candidates=12: pass"):
        fitted(config=ash.SearchConfig(sampler="adaptive"))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("rows", [100, 3_000, 1_000_000])
def test_the_default_space_contains_the_whole_portfolio(task: str, rows: int) -> None:
    classes = 2 * (task == "classification")
    space = default_space(rows, 20, 1, classes, numbers=20, metric="roc_auc" if classes else "r2", models=BOTH)
    configurations = portfolio(task, rows)
    assert len(configurations) >= 6 and {model_of(params) for params in configurations} == set(BOTH)
    for params in configurations:
        found = space.completed(params)
        assert found is not None
        assert {name for name in params if found[name] != params[name]} <= {"min_data_in_leaf"}


def test_trees_of_both_libraries_share_one_source_of_candidates() -> None:
    space = default_space(1000, 10, 1, 2, numbers=8, metric="roc_auc", models=ALL)
    made = adaptive(space=space, first=160)
    trees = [params for params in made.params if model_of(params) != "network"]
    assert trees[:2] == [space.of_models([model]).default for model in ("lightgbm", "catboost")]
    assert [params["num_leaves"] for params in trees[2:4]] == [7, 90]
    drawn_kinds = Counter(map(model_of, trees[4:]))
    assert len(drawn_kinds) == 2 and min(drawn_kinds.values()) >= 10
    made._share, made._good = 1.0, {True: trees[:4]}
    made.draw(40)
    for params in made.params:
        assert ("depth" in params) == (model_of(params) == "catboost") and params.keys() <= space.domains.keys()
        assert ("num_leaves" in params) == (model_of(params) == "lightgbm") != (model_of(params) == "catboost") or (
            model_of(params) == "network"
        )


def test_boosting_continues_after_a_round_without_a_split() -> None:
    random = np.random.default_rng(0)
    number = random.normal(size=200)
    X = np.column_stack([number, random.random((200, 6)) < 0.1])
    fold = parts_from(X, number + 0.1 * random.normal(size=200), task="regression")
    table, asked = TreeTable(fold, prepare(fold), options(task="regression")), itertools.count()

    def boosted(**params: Any) -> int:
        """Return the number of trees after 60 rounds."""
        given = check_params({"model": "lightgbm", "min_data_in_leaf": 60, **params})
        found = boost_trees(table, given, 60, 3, lambda: next(asked) < 0)
        assert found is not None
        return len(found.core.leaf_starts) - 1

    assert boosted(feature_fraction=0.15) >= 5, "most rounds draw only columns that have no split"
    before = next(asked)
    assert boosted(min_data_in_leaf=100) == 1
    assert next(asked) - before < 5, "all rounds would be equal, since nothing is drawn at random"


def test_results_are_freed_once_they_are_decided_and_not_kept() -> None:
    trainer = TreeTrainer(TreeFolds([], [], options(), 1.0), [], [])
    result = TreeJob(0.5, (), np.zeros((0, 1), np.float32))
    trainer._jobs = dict.fromkeys([(0, 0), (1, 0), (2, 0)], result)
    trainer.forget([(0, 0), (1, 0)], [(1, 0)])
    assert trainer._jobs.keys() == {(1, 0), (2, 0)}
    trainer.forget([], [(3, 0)])  # job (3, 0) is kept instead of (1, 0); (2, 0) is still undecided
    assert trainer._jobs.keys() == {(2, 0)}


SMALL: dict[str, Any] = {"model": BOTH, "hidden": [(4,), (8,)], "optimizer": "sgd"}


@pytest.mark.parametrize(
    "space",
    [
        {**SMALL, "shrinkage": ash.loguniform(3, 60)},
        {"model": BOTH, "learning_rate": ash.loguniform(1e-3, 1), "num_leaves": [7, 9]},
        {**SMALL, "num_leaves": [4, 6, 9, 12], "min_data_in_leaf": [1, 3, 9]},
    ],
)
def test_drawing_continues_with_the_other_kind_once_one_is_used_up(space: dict[str, Any]) -> None:
    made = adaptive(space=Space(**space), first=14)
    random = draw(Space(**space), options(candidates=14))
    for params in (made.params, random.params):
        assert len(set(map(key_of, params))) == 14
        assert min(Counter(map(model_of, params)).values()) in (2, 4)


def test_fewer_candidates_are_the_first_of_more() -> None:
    space = Space(**SMALL, num_leaves=[4, 6, 9, 12])
    few, all_of_them = (draw(space, options(candidates=count)).params for count in (4, 6))
    assert all_of_them[:4] == few and len(set(map(key_of, all_of_them))) == 6 == space.size
    with pytest.warns(UserWarning, match="candidates=9 exceeds the 6 configurations of the space"):
        assert draw(space, options(candidates=9)).params == all_of_them


def test_the_adaptive_sampler_draws_each_configuration_once() -> None:
    space = Space(model=BOTH, hidden=[(4,), (8,), (16,)], num_leaves=[7, 8, 9], shrinkage=[5.0, 30.0])
    made = adaptive(space=space)
    while len(made.params) < space.size:
        made.more(1, jobs_of({place: -place for place in range(len(made.params))}))
    assert len(set(map(key_of, made.params))) == space.size == made.count == 9


def test_hyperparameters_apply_only_to_their_kinds_of_model() -> None:
    space = Space(model=BOTH, hidden=[(4,)], num_leaves=[7, 9], target_transform=["none", "log"])
    assert space.size == 6
    for params in space.stream(0):
        assert ("hidden" in params) == (params["model"] == "network") != ("num_leaves" in params)
    assert space.of_models(["lightgbm"]).size == 4 and space.of_models(["network"]).size == 2
    assert space_of_facts(json.loads(json.dumps(space_story(space))), ash.Space).size == 6


def test_a_small_space_with_both_kinds_is_used_up() -> None:
    space = {"model": ["network", "lightgbm"], "num_leaves": ash.choice(4, 8, 16).when(model="lightgbm")}
    result = ash.tune(*WINE, space, candidates=None, time_limit=20.0, validation=0.3, verbose=0)
    assert result.ended == "finished" and len(result.params) == 4
    assert kinds(result)["lightgbm"] >= 3


FORGED = [{"model": "forest"}, {"hidden": [3]}, {"model": "lightgbm", "num_leaves": "many"}]


@pytest.mark.parametrize("kill", [9, 30])
def test_an_adaptive_stream_is_resumed_from_its_journal(kill: int, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        **{"candidates": None, "models": BOTH, "validation": 0.3, "random_state": 5, "max_total_epochs": 700},
        **{"min_epochs": 2, "virtual_workers": 6, "config": ash.SearchConfig(sampler="adaptive")},
    }
    whole = fitted(**given)
    assert len(whole.result_.jobs) > 60
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED):
        fitted(**given, journal=tmp_path / "run.ash", callbacks=After(kill, press_ctrl_c))
    for number, forged in enumerate(FORGED):
        copy = shutil.copy(tmp_path / "run.ash", tmp_path / f"{number}.ash")
        change(Path(copy), "UPDATE candidates SET params = ? WHERE candidate = 1", json.dumps(forged))
        with pytest.raises(JournalCorruptError, match="damaged"):
            fitted(**given, journal=copy)
    resumed = fitted(**given, journal=tmp_path / "run.ash", n_jobs=1)
    assert resumed.result_.digest == whole.result_.digest
    assert resumed.result_.params == whole.result_.params
    assert content(resumed.model_, tmp_path) == content(whole.model_, tmp_path)


def adaptive_run(space: Any = TWO_DOMAINS, X: Any = WINE[0], sampler: str = "adaptive", **given: Any) -> ash.Result:
    sampled = ash.SearchConfig(sampler=sampler)
    config = {"config": sampled, "max_total_epochs": 60, "virtual_workers": 3, "candidates": None, "random_state": 3}
    return ash.tune(X, WINE[1], space, verbose=0, **configured(split_once({**config, **given})))


@pytest.mark.parametrize("space", [TWO_DOMAINS, None])
def test_an_adaptive_run_is_extended_from_its_journal(space: Any, tmp_path: Path) -> None:
    needs.installed("catboost")
    given = {"space": space} | ({} if space else {"models": ["lightgbm", "catboost"]})
    adaptive_run(**given, journal=tmp_path / "run.ash")
    longer = adaptive_run(**given, max_total_epochs=100, journal=tmp_path / "run.ash", n_jobs=1)
    whole = adaptive_run(**given, max_total_epochs=100)
    assert longer.digest == whole.digest and longer.params == whole.params and len(whole.params) > 20


def test_a_journal_of_another_adaptive_run_is_refused_with_the_differences(tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    adaptive_run(journal=journal)
    for given, words in (
        (
            {"space": {**TWO_DOMAINS, "dropout": 0.1}},
            "dropout is uniform: 0.0 to 0.5 in the journal, which is not within",
        ),
        ({"X": WINE[0] ** 2}, "other values of X in the rows"),
        ({"sampler": "random"}, "sampler: 'adaptive' in the journal, 'random' in this call"),
    ):
        with pytest.raises(JournalError, match=f"holds another run: .*{words}.*Nothing was changed"):
            adaptive_run(**given, journal=journal)


@pytest.mark.parametrize(
    "given", [{"schedule": "greedy", "virtual_workers": None}, {"cv": 3}, {"algorithm": "random", "max_rungs": 2}]
)
def test_the_adaptive_sampler_works_with_other_options(given: dict[str, Any]) -> None:
    first, second = (adaptive_run(**given, n_jobs=threads) for threads in (1, 2))
    assert min(len(first.params), len(second.params)) >= 5
    if "schedule" not in given:
        assert first.digest == second.digest
        again = ash.tune(*WINE, record=second.record, n_jobs=1, verbose=0)
        assert again.record == second.record


@pytest.mark.parametrize("size", [{"candidates": None}, {"candidates": 20}])
def test_sobol_points_on_any_number_of_threads_and_in_a_resumed_run(size: dict[str, Any], tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    whole = adaptive_run(sampler="sobol", n_jobs=1, **size)
    with pytest.warns(UserWarning, match="the run was interrupted"):
        adaptive_run(sampler="sobol", **size, journal=journal, callbacks=After(7, press_ctrl_c))
    resumed = adaptive_run(sampler="sobol", **size, journal=journal, n_jobs=2)
    assert resumed.digest == whole.digest and resumed.params == whole.params
    assert list(whole.params) == list(islice(sobol(Space(**TWO_DOMAINS), 3), len(whole.params)))
    assert len(whole.params) >= 18 and ash.tune(*WINE, record=whole.record, verbose=0).record == whole.record


def test_memory_is_checked_for_candidates_that_are_not_yet_drawn() -> None:
    large = {"hidden": [(8,)] * 1 + [(4_000,) * 3], "learning_rate": ash.loguniform(1e-4, 1)}
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "fitted", lambda needs, *_: asked.append(needs.scratch) or (1, 1 << 34))
        adaptive_run(space=large, virtual_workers=1, max_total_epochs=1)
    assert asked[0] > 10**7


def test_a_library_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(run_module, "import_module", fail)
    with pytest.raises(SettingError, match=r"installed but cannot be imported \(libgomp\.so.*\): repair it, or"):
        ash.ASHClassifier(time_limit=5).fit(*WINE)


def test_python_without_docstrings_trains_networks_and_refuses_lightgbm_with_the_reason() -> None:
    code = """
import ash
from sklearn.datasets import load_wine
X, y = load_wine(return_X_y=True)
ash.ASHClassifier(candidates=2, config=ash.SearchConfig(models=["network"])).fit(X, y).predict(X)
try:
    ash.ASHClassifier(candidates=2, config=ash.SearchConfig(models=["lightgbm"])).fit(X, y)
except ash.SettingError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True)
    # A LightGBM that can be imported is no error.
    assert done.stdout == "" or "run Python without -OO, or search without it" in done.stdout


# Bit-identical results

MASKED = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-AVX512DQ,-AVX512BW"
"""Without these instructions, glibc computes exponentials and logarithms with other algorithms."""
CHILD = """
import sys
import ash, numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

config = ash.SearchConfig(models=[sys.argv[1]], min_epochs=16)
for load in (load_wine, load_breast_cancer, load_diabetes):
    X, y = load(return_X_y=True)
    result = ash.tune(X, y, candidates=4, validation=0.2, config=config, verbose=0, random_state=3)
    print(result.digest, result.model.digest)
"""


@pytest.mark.parametrize("model", ["lightgbm", "catboost", "xgboost"])
def test_models_are_equal_without_avx_and_fma_in_glibc(model: str) -> None:
    needs.installed(model)
    found = []
    for mask in ("", MASKED):
        child = subprocess.run(
            [sys.executable, "-c", CHILD, model],
            env={**os.environ, "GLIBC_TUNABLES": mask},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(child.stdout)
    assert found[0] == found[1] and len(set(found[0].split())) == 6


def test_spaces_runs_and_repetitions_with_catboost_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    record = fitted().model_.record
    assert record.settings["models"] == BOTH
    record = replace(record, settings={**record.settings, "models": ["network", "catboost"]})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ash.MissingExtraError, match=r"models=.* needs catboost; install it with: pip install 'ash-tune\[catboost\]'"
    ):
        ash.ASHClassifier(record=record).fit(*WINE)
    with pytest.raises(ash.MissingExtraError, match="needs catboost"):
        ash.SearchConfig(models=["catboost"])
    with pytest.raises(ash.MissingExtraError, match="model='catboost' needs catboost"):
        ash.tune(*WINE, {"model": ["catboost"], "depth": [4]}, candidates=1)


def test_the_summary_counts_kinds_and_the_record_names_the_lightgbm_version() -> None:
    result = fitted().result_
    counts = Counter(model_of(params) for params in result.params)
    assert f"12 candidates ({counts['network']} network, {counts['lightgbm']} lightgbm), " in repr(result)
    assert "lightgbm" not in repr(fitted(models=["network"]).result_)
    assert result.record.version["version of lightgbm"] == lightgbm.__version__
    record = replace(result.record, version={**result.record.version, "version of lightgbm": "4.0.0"})
    told = f"version of lightgbm: '4.0.0' in the record, '{lightgbm.__version__}' in this call"
    with pytest.warns(UserWarning, match=told):
        ash.ASHClassifier(record=record).fit(*WINE)


def test_runs_with_catboost_need_it_and_name_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    record = fitted(models=["network", "catboost"]).model_.record
    assert "version of lightgbm" not in record.version
    assert record.version["version of catboost"] == needs.package("catboost").__version__
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "catboost" else find(name))
    with pytest.raises(
        ash.MissingExtraError, match=r"needs catboost; install it with: pip install 'ash-tune\[catboost\]'"
    ):
        ash.ASHClassifier(record=record).fit(*WINE)
    with pytest.raises(ash.MissingExtraError, match="model='catboost' needs catboost"):
        ash.tune(*WINE, {"model": ["catboost"], "depth": [4]}, candidates=1)


# CatBoost


def catboost_rows(rows: Any, targets: Any, classes: int = 0) -> CatBoostRows:
    needs.installed("catboost")
    return CatBoostRows(np.asarray(rows, float), np.asarray(targets, np.float32), None, classes)


def boosted(
    rows: CatBoostRows, rounds: int = 20, rate: float = 0.1, is_stopped: Any = lambda: False, **params: Any
) -> str | None:
    given = {"depth": 4, "l2_leaf_reg": 3.0, "feature_fraction": 1.0, "bagging_fraction": 1.0, **params}
    return rows.boost(given, rounds, rate, 1, options(), is_stopped)


def test_catboost_stops_after_the_round_in_which_it_is_asked_to() -> None:
    asked: list[int] = []

    def is_stopped() -> bool:
        asked.append(threading.get_ident())
        return len(asked) >= 3

    assert boosted(catboost_rows(*DIABETES), 10**6, is_stopped=is_stopped) is None
    assert len(asked) == 4 and set(asked) == {threading.get_ident()}  # asked in each of three rounds and at the end


def test_catboost_jobs_on_two_threads_get_equal_trees() -> None:
    """Check that a job that waits for its turn asks whether it was stopped, and that both jobs get equal trees."""
    rows = catboost_rows(*DIABETES)
    alone = boosted(rows)
    inside = threading.Barrier(2, timeout=60)
    first = threading.local()

    def is_stopped() -> bool:
        if not hasattr(first, "passed"):
            first.passed = inside.wait()  # one job is in its first round; the other one waits for its turn
        return False

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: boosted(rows, is_stopped=is_stopped), range(2)))
    assert found == [alone, alone]


@pytest.mark.parametrize("rows", [1, 2, 60])
def test_catboost_accepts_few_rows_and_constant_columns(rows: int) -> None:
    random = np.random.default_rng(0)
    for cells in (np.ones((rows, 3)), random.normal(size=(rows, 3))):
        for classes, targets in ((0, np.ones(rows)), (0, np.arange(rows)), (2, np.zeros(rows)), (3, np.full(rows, 2))):
            for fraction in (1e-6, 0.5, LEAST_DRAWN / 60):
                text = boosted(catboost_rows(cells, targets, classes), 50, bagging_fraction=fraction)
                assert text is not None and text.count("\nTree=") >= 20


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_smallest_regularization_of_catboost_is_sufficient(classes: int) -> None:
    least = 1e-3
    assert check_params({"model": "catboost", "l2_leaf_reg": least})["l2_leaf_reg"] == least
    targets = np.argsort(np.argsort(DIABETES[1])) * classes // len(DIABETES[1])
    text = boosted(catboost_rows(DIABETES[0], targets, classes), 200, MOST_RATE, l2_leaf_reg=least, depth=2)
    assert text is not None and read_trees(text).tables["leaf_starts"].size > 200


def test_the_prediction_for_constant_columns_is_the_mean() -> None:
    y = np.array([3.0, 4.0, 8.0] * 20)
    model = fitted(ash.ASHRegressor, np.ones((60, 2)), y, models=CATBOOST, validation=None, cv=3)
    assert model.predict(np.ones((1, 2))) == pytest.approx(5, rel=1e-3)


def test_a_class_that_catboost_has_not_seen_is_the_least_likely() -> None:
    text = boosted(catboost_rows(WINE[0], np.where(WINE[1] == 1, 3, WINE[1]), 4), 100)
    assert text is not None
    probabilities = core_of(text, classes=4).predict(WINE[0])
    assert (probabilities[:, 1] < 1e-9).all()
    assert np.array_equal(probabilities.argmax(axis=1), np.where(WINE[1] == 1, 3, WINE[1]))


@pytest.mark.parametrize("lighter", [0, 1])
@pytest.mark.parametrize("weight", [2.0**-24, 2.0**-26, 1e-30])
def test_catboost_accepts_a_class_of_almost_no_weight(lighter: int, weight: float) -> None:
    needs.installed("catboost")
    targets = np.arange(60, dtype=np.float32) % 2
    weights = np.where(targets == lighter, weight, 1.0).astype(np.float32)
    text = boosted(CatBoostRows(np.arange(180.0).reshape(60, 3), targets, weights, 2))
    assert text is not None
    assert core_of(text, classes=2).predict(np.zeros((1, 3))).argmax() == 1 - lighter


def test_the_estimated_cost_of_a_catboost_round_grows_with_each_size() -> None:
    shape = {"rows": 200, "features": 5, "bins": 1000, "depth": 2, "trees": 1, "steps": 1}
    least = round_cost_of_catboost(**shape)
    assert all(round_cost_of_catboost(**{**shape, name: 2 * most}) > least for name, most in shape.items())

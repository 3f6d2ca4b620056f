"""Tests the ladder planned for a limit of time or work: its arithmetic, the effect of the machine, and its use."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

import ash
from ash import _core
from ash.encoding.data_split import FEW_ROWS
from ash.engine import planning as plans
from ash.engine.planning import WORK, default_epoch_rows, default_work, rows_of_epoch
from ash.errors import SettingError
from ash.options import Caller, read_options
from ash.space.defaults import default_space
from ash.space.hyperparameters import to_settings
from callback_help import TimeIsUp
from config_help import configured

pytestmark = pytest.mark.core

SPACE = default_space(2_000, 10, 1, 3, numbers=10, metric="accuracy")
DRAWN = SPACE.sample(8, 0)


@pytest.mark.parametrize("finishers", [4, 32])
@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("updates", [1, 40, 3_000])
@pytest.mark.parametrize("epochs", [0.0, 0.5, 10, 300, 5_000, 1e7])
def test_the_ladder_satisfies_its_constraints(epochs: float, updates: float, eta: int, finishers: int) -> None:
    least = plans.shortest_job(plans.LEAST_UPDATES, updates)
    assert least * updates >= plans.LEAST_UPDATES
    first, rungs = plans.ladder(epochs, least, eta, finishers=finishers)
    assert first >= 1 and 1 <= rungs <= plans.MOST_RUNGS
    if rungs == 1:
        assert first <= least
        return
    highest = first * eta ** (rungs - 1)
    assert first >= least and highest <= plans.MOST_EPOCHS
    assert finishers * rungs * highest <= epochs  # `epochs` suffices to train `finishers` candidates in the top rung
    more = min(plans.MOST_EPOCHS, epochs / (finishers * (rungs + 1))) / eta**rungs
    assert rungs == plans.MOST_RUNGS or more < least  # with one more rung, rung 0 would have too few epochs


def test_more_time_never_makes_the_ladder_lower() -> None:
    heights = [first * 2 ** (rungs - 1) for first, rungs in (plans.ladder(e, 3, 2) for e in (1, 50, 500, 5e3, 5e4))]
    assert heights == sorted(heights) and heights[0] < heights[-1]


@pytest.mark.parametrize("validation", [0, 500])
def test_a_plan_with_one_rung_says_how_much_time_allows_two(validation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1e-9)

    def plan(seconds: float) -> ash.Plan:
        return ash.plan(2_000, 10, DRAWN, time_limit=seconds, threads=2, classes=3, validation=validation)

    short = plan(0.1)
    enough = 0.1 * short.two_rungs / short.epochs
    assert short.max_rungs == plan(0.999 * enough).max_rungs == 1 and plan(1.001 * enough).max_rungs == 2


def test_a_plan_depends_on_the_cost_of_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1e-9)
    found = ash.plan(2_000, 10, DRAWN, time_limit=100, threads=2, classes=3)
    twice = ash.plan(4_000, 10, DRAWN, time_limit=100, threads=2, classes=3)
    assert twice.epoch_seconds == pytest.approx(2 * found.epoch_seconds)
    assert found.epochs == pytest.approx(200 / found.epoch_seconds) and found.epoch_rows == 2_000
    assert found.eta == 2
    assert ash.plan(2_000, 10, DRAWN, time_limit=0, threads=1, classes=3).max_rungs == 1


def test_more_threads_never_make_the_longest_job_longer_than_on_two_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1e-11)
    for threads in (1, 2, 4, 16, 64):
        found = ash.plan(20_000, 10, DRAWN, time_limit=60, threads=threads, classes=3)
        highest = found.min_epochs * found.eta ** (found.max_rungs - 1) * found.epoch_seconds
        assert found.max_rungs * highest <= 60 * (1 / 4 if threads == 1 else 1 / 2)


LARGE = default_space(10**6, 10, 1, 3, numbers=10, metric="accuracy").sample(64, 0)
BATCH = sum(params["batch_size"] for params in LARGE) / len(LARGE)


@pytest.mark.parametrize("validation", [0, 500, 250_000])
@pytest.mark.parametrize("rows", [900, 5_000, 100_000, 100_001, 10**6])
@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.3, 5, 60, 3_600])
def test_the_first_job_leaves_time_for_more_jobs(
    seconds: float, rows: int, validation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1e-11)
    found = ash.plan(rows, 10, LARGE, time_limit=seconds, threads=2, classes=3, validation=validation)
    usual = rows_of_epoch(rows, default_epoch_rows(rows))
    own = rows_of_epoch(rows, found.epoch_rows)
    row_seconds = found.epoch_seconds / own
    of_scoring = plans.SCORING * validation * row_seconds
    share = plans.FIRST_SHARE * seconds * 2
    fewest = min(rows, max(plans.FEWEST_ROWS, plans.FEWEST_UPDATES * BATCH, plans.SCORING * validation))
    assert usual >= own >= min(usual, int(fewest))
    if own < usual:  # epochs are shortened only if an epoch of the usual length is too long for the first job
        assert found.min_epochs == 1 and usual * row_seconds + of_scoring > share
        longer = rows // (rows // own - 1)
        assert longer * row_seconds + of_scoring > share or longer >= usual
    if own * row_seconds + of_scoring > share:
        assert rows // (rows // own + 1) < fewest
    if found.max_rungs > 1:  # the time limit allows FINISHERS candidates to be trained and scored up to the top rung
        jobs = [2**k for k in range(found.max_rungs)]
        spent = sum(found.min_epochs * found.epoch_seconds * jobs[-1] + of_scoring * many for many in jobs)
        assert plans.FINISHERS * spent <= seconds * 2
        assert found.min_epochs * jobs[-1] * own <= plans.MOST_EPOCHS * rows


def test_a_few_seconds_on_a_million_rows_allow_comparisons() -> None:
    """Use the speed of a core in 2026. At this speed, one epoch of all rows would take the whole time limit."""
    given = {"threads": 2, "classes": 3, "validation": 1_000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "_seconds_a_cost", lambda *_: 2e-11)
        found = ash.plan(10**6, 10, LARGE, time_limit=5, **given)
        fixed = ash.plan(10**6, 10, LARGE, time_limit=5, epoch_rows=10**6, **given)
    assert found.max_rungs >= 3 and found.epochs > 60
    assert fixed.max_rungs == 1 and fixed.epochs < 2 and fixed.epoch_rows == 10**6


def test_full_batches_use_all_rows_per_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1e-9)
    full = [{"hidden": (8,), "batch_size": "full"}]
    found = ash.plan(10**6, 10, full, time_limit=1, threads=1)
    work = _core.training_cost(to_settings(full[0]), 10, 1, 10)
    assert found.epoch_seconds == pytest.approx(10**6 * work * 1e-9)


def test_a_step_is_timed_on_this_machine() -> None:
    found = ash.plan(2_000, 10, DRAWN, time_limit=10, threads=1, classes=3)
    assert 1e-6 < found.epoch_seconds < 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rows", 0), ("features", 0), ("candidates", []), ("time_limit", "60"), ("threads", 0), ("outputs", 0)),
        *(("classes", -1), ("numbers", 11), ("eta", 1), ("epoch_rows", 0), ("validation", -1)),
    ],
)
def test_arguments_of_plan_are_checked(name: str, value: Any) -> None:
    given = {"rows": 100, "features": 10, "candidates": DRAWN, "time_limit": 1, "threads": 1, name: value}
    with pytest.raises(SettingError, match=f"{name} must be .*, got "):
        ash.plan(**given)


@pytest.mark.parametrize("eta", [2, 2**31 - 1])
@pytest.mark.parametrize("time_limit", [1e300, 1.7e308])
def test_a_time_limit_has_no_upper_bound(time_limit: float, eta: int) -> None:
    found = ash.plan(100_000, 10, DRAWN, time_limit=time_limit, threads=2, eta=eta)
    assert found.min_epochs >= 1 and found.epochs > 1e290


def test_the_timed_table_has_the_right_numbers_and_a_limited_number_of_cells() -> None:
    """Check that only numbers are embedded, not 0/1 features. An embedding takes about 600 multiply-adds per number."""
    data = plans._random_table(50, (12, 3, 5), 3)
    assert (data.features, data.outputs, list(data.constant_features)) == (12, 3, [])
    params = {**SPACE.default, "embedding": "periodic"}
    network, _ = _core.train(data, to_settings(params), 0)
    assert network.numbers == [0, 1, 2, 3, 4]
    assert ash.plan(1_000, 200_000, [{"hidden": (4,)}], time_limit=10, threads=1, numbers=0).epochs > 0


def test_a_run_with_only_a_time_limit_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that only the time limit ends the run."""
    up = TimeIsUp(monkeypatch, 60, 30)
    result = ash.tune(*load_wine(return_X_y=True), time_limit=60, n_jobs=2, verbose=0, callbacks=[up], validation=0.2)
    assert result.ended == "time_limit" and len(result.jobs) >= 30
    options = result.options
    assert options.planned and options.candidates is None
    assert (options.min_epochs > 1) and len(result.rungs) <= (options.max_rungs or 0)
    assert (options.schedule, options.promotion) == ("reproducible", "improving")


def test_a_planned_first_rung_has_at_most_the_epochs_of_the_epoch_limit() -> None:
    wine, work = load_wine(return_X_y=True), 3e9
    assert ash.tune(*wine, verbose=0, config=ash.SearchConfig(work_limit=work), validation=0.2).options.min_epochs > 1
    result = ash.tune(*wine, verbose=0, config=ash.SearchConfig(work_limit=work, max_total_epochs=1), validation=0.2)
    assert result.options.planned and result.ended == "max_total_epochs" and result.epochs == 1


@pytest.mark.parametrize(
    ("split", "rows", "expected"), [({"validation": 0.2}, 1437, 479), ({"cv": 2}, 898, 449)], ids=["share", "folds"]
)
def test_rows_per_epoch_are_planned_unless_given(
    split: dict[str, float], rows: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1000.0)
    monkeypatch.setattr(plans, "FEWEST_ROWS", 400)
    space = ash.Space(hidden=(4,), learning_rate=ash.loguniform(1e-3, 1e-1, levels=200), batch_size=6)
    given = {"time_limit": 1000.0, "max_total_epochs": 4, "n_jobs": 1, "verbose": 0, **split}
    found = ash.tune(*load_digits(return_X_y=True), space, **configured(given))
    assert found.options.planned and found.settings["epoch_rows"] == expected == -(-rows // (rows // 400))
    own = ash.tune(*load_digits(return_X_y=True), space, **configured({**given, "epoch_rows": 300}))
    assert own.options.planned and own.settings["epoch_rows"] == 300


@pytest.mark.parametrize(("cost_seconds", "expected"), [(1e-9, 32), (1000.0, 1)])
def test_the_number_of_kept_networks_depends_on_the_time_to_predict(
    cost_seconds: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: cost_seconds)
    space = ash.Space(hidden=(4,), learning_rate=ash.loguniform(1e-3, 1e-1, levels=200))
    given = {"time_limit": 1000.0, "max_total_epochs": 4, "n_jobs": 1, "validation": 0.2, "verbose": 0}
    for changes, keep in (({}, expected), ({"keep": 3}, 3)):
        found = ash.tune(*load_wine(return_X_y=True), space, **configured({**given, **changes}))
        assert found.settings["keep"] == keep


# Without a limit, the ladder is planned for an amount of work


def test_without_a_limit_an_estimator_is_planned_for_a_fixed_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "WORK", 3e9)
    X, y = load_breast_cancer(return_X_y=True)
    one, two = (ash.ASHClassifier(random_state=0, n_jobs=threads).fit(X[:400], y[:400]) for threads in (1, 2))
    result = one.result_
    assert result.digest == two.result_.digest
    assert one.predict_proba(X).tobytes() == two.predict_proba(X).tobytes()
    assert (result.ended, result.options.planned, result.options.work_limit) == ("work_limit", True, 3e9)
    assert {params["model"] for params in result.params} == {"network", "lightgbm"}
    assert result.fold_scores["scores"].shape[1] == 5
    again = ash.ASHClassifier(record=result.record).fit(X[:400], y[:400])
    assert again.result_.digest == result.digest


def test_without_a_limit_ash_tune_is_planned_for_a_fixed_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "WORK", 3e9)
    X, y = (each[:400] for each in load_breast_cancer(return_X_y=True))
    one, two = (ash.tune(X, y, n_jobs=threads, verbose=0) for threads in (1, 2))
    assert one.digest == two.digest and one.model.digest == two.model.digest
    assert (one.ended, one.options.planned, one.options.work_limit) == ("work_limit", True, 3e9)
    assert {params["model"] for params in one.params} == {"network", "lightgbm"}
    assert one.fold_scores["scores"].shape[1] == 5
    again = ash.tune(X, y, record=one.record, verbose=0)
    assert (again.record, again.digest) == (one.record, one.digest)
    path = tmp_path / "run.ash"
    low, high = (ash.SearchConfig(stop_score=score) for score in (0.5, 2.0))
    part = ash.tune(X, y, journal=path, verbose=0, config=low)
    assert part.ended == "stop_score" and len(part.jobs) < len(one.jobs)
    for given in ({"candidates": 64}, {"candidates": None}, {"config": ash.SearchConfig(max_total_epochs=99)}):
        with pytest.raises(SettingError, match="cannot extend a run whose ladder is planned for a limit"):
            ash.resume(path, X, y, verbose=0, **given)
    for resumed in (ash.resume(path, X, y, verbose=0, config=high), ash.tune(X, y, journal=path, verbose=0)):
        assert (resumed.digest, resumed.model.digest) == (one.digest, one.model.digest)


def test_the_default_work_grows_with_a_large_table() -> None:
    assert default_work(10) == default_work(FEW_ROWS) == WORK
    assert default_work(10 * FEW_ROWS) == 10 * WORK


SIZES: list[dict[str, Any]] = [{"candidates": 4}, {"min_epochs": 1}, {"max_rungs": 1}, {"algorithm": "sh"}]


@pytest.mark.parametrize(
    "given", [{"max_total_epochs": 4}, *SIZES, *({**size, "time_limit": 60} for size in SIZES)], ids=str
)
@pytest.mark.parametrize("caller", ["tune", "estimators"])
def test_a_given_size_is_not_planned(caller: Caller, given: dict[str, Any]) -> None:
    estimator = ash.ASHClassifier(random_state=0)
    options = read_options(caller, configured({**estimator.get_params(deep=False), **given, "task": "classification"}))
    assert not options.planned and options.candidates == given.get("candidates", 128)
    assert options.models == ("network",)


def test_the_default_score_of_a_small_table_is_not_far_from_that_of_new_rows() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    scores, found = [], []
    for seed in range(4):
        rows = np.random.default_rng(seed).permutation(len(y))
        model = ash.ASHClassifier(random_state=seed, candidates=8).fit(X[rows[:400]], y[rows[:400]])
        scores.append(model.best_score_)
        found.append(model.score(X[rows[400:]], y[rows[400:]]))
    assert max(scores) < 1.0
    assert abs(np.mean(scores) - np.mean(found)) < 0.02

"""Tests splits whose training parts are not the table less one part each: the final models see all rows."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, RepeatedKFold, ShuffleSplit, TimeSeriesSplit

import ash
from ash import _core
from ash.encoding.data_split import Split, read_table, split_table
from ash.space.hyperparameters import to_settings
from config_help import configured
from data_help import options
from ensemble_help import YR, X, space

pytestmark = pytest.mark.core

REFIT = importlib.import_module("ash.engine.refit")
IN_TIME = TimeSeriesSplit(5)


def trend(rows: int = 1300) -> tuple[pd.DataFrame, Any]:
    """Return a table whose target rises with time."""
    random = np.random.default_rng(0)
    x = pd.DataFrame({"time": np.arange(rows) / 100, "other": random.normal(size=rows)})
    return x, (x.time + 0.5 * x.other + random.normal(0, 0.25, rows)).to_numpy()


def levels(rows: int = 600) -> tuple[pd.DataFrame, Any]:
    """Return a table whose target is a number for each of five levels."""
    random = np.random.default_rng(0)
    level = random.integers(0, 5, rows)
    x = pd.DataFrame({"level": np.array(list("abcde"))[level], "noise": random.normal(size=rows)})
    return x, np.array([0.0, 1.0, -1.0, 2.0, -2.0])[level] + random.normal(0, 0.02, rows)


def rmse(model: Any, x: Any, y: Any) -> float:
    return float(np.sqrt(np.mean((model.predict(x) - y) ** 2)))


def fitted(**changes: Any) -> Any:
    given = {"space": space(), "candidates": 16, "min_epochs": 4, "random_state": 2, "cv": IN_TIME, **changes}
    return ash.ASHRegressor(**configured(given)).fit(X, YR)


def members(model: Any) -> tuple[Any, ...]:
    return model.members if isinstance(model, ash.Ensemble) else (model,)


def split_of(cv: Any, rows: int = 60) -> Split:
    """Return the split of a table of this many rows."""
    x = np.random.default_rng(0).normal(size=(rows, 2))
    table, schema = read_table(x, x[:, 0], options(), None, sort=False)
    groups = np.arange(rows) % 6 if isinstance(cv, GroupKFold) else None
    return split_table(table, schema, options(), None, cv, X=x, y=x[:, 0], groups=groups)


def pairs(*parts: int) -> list[tuple[Any, Any]]:
    """Return folds whose validation parts have these numbers of rows, and whose training parts are all other rows."""
    place = np.repeat(np.arange(len(parts)), parts)
    return [(np.flatnonzero(place != fold), np.flatnonzero(place == fold)) for fold in range(len(parts))]


@pytest.mark.parametrize(
    ("cv", "is_tiled"),
    [
        (5, True),
        (KFold(7), True),
        (GroupKFold(3), True),
        (RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), True),
        (pairs(20, 20, 10, 10), True),
        (pairs(30, 10, 10, 10), False),
        (pairs(20, 20, 20)[:1], False),
        (pairs(15, 15, 15, 15)[:2], False),
        (IN_TIME, False),
        (ShuffleSplit(3, random_state=0), False),
        (PredefinedSplit([-1] * 45 + [0] * 15), False),
        ([(own[::2], held) for own, held in pairs(20, 20, 20)], False),
        ([(np.r_[own, own[:1]], held) for own, held in pairs(20, 20, 20)], False),
    ],
    ids=str,
)
def test_folds_tile_a_table_if_each_trains_on_all_rows_but_its_part(cv: Any, is_tiled: bool) -> None:
    assert split_of(cv).is_tiled is is_tiled


def test_the_model_after_a_split_in_time_has_seen_the_newest_rows() -> None:
    x, y = trend()
    given: dict[str, Any] = {"candidates": 16, "random_state": 0}
    in_time = ash.ASHRegressor(**given, cv=IN_TIME).fit(x[:1000], y[:1000])
    at_random = ash.ASHRegressor(**given, cv=5).fit(x[:1000], y[:1000])
    assert rmse(in_time, x[1000:], y[1000:]) < 1.5 * rmse(at_random, x[1000:], y[1000:])
    assert rmse(in_time, x[900:1000], y[900:1000]) < 0.35


@pytest.mark.parametrize("ensemble", [1, 16])
def test_the_model_knows_categories_that_a_single_pair_leaves_out(ensemble: int) -> None:
    x, y = levels()
    is_old = x.level.isin(list("abc")).to_numpy()
    old = np.flatnonzero(is_old)
    pair = [(old[: len(old) * 4 // 5], old[len(old) * 4 // 5 :])]
    model = ash.ASHRegressor(candidates=16, random_state=0, cv=pair, ensemble=ensemble).fit(x, y)
    assert rmse(model, x, y) < 0.1


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_each_member_is_its_candidate_trained_on_all_rows(training: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[Any] = []
    prepare = REFIT.prepare

    def told(parts: Any, **more: Any) -> Any:
        whole.append(prepare(parts, **more))
        return whole[-1]

    monkeypatch.setattr(REFIT, "prepare", told)
    model = fitted(training=training)
    record, options = model.result_.record, model.result_.options
    params = [each.params for each in members(model.model_)]
    own = [candidate for candidate in record.kept if model.result_.params[candidate] in params]
    assert len(own) == len(members(model.model_)) == len(record.refit) > 1
    for candidate, epochs, member in zip(own, record.refit, model.model_.members, strict=True):
        settings = to_settings(member.params)
        rungs = {options.min_epochs * (2**count - 1): count for count in range(1, 8)}
        first, cycles = (options.min_epochs, rungs[epochs]) if training == "resume" else (epochs, 1)
        core, _ = _core.train(whole[0], settings, first, options.seed, candidate, cycles, 2)
        rows = np.ascontiguousarray(X)
        assert core.predict(rows, 1).tobytes() == member.core.predict(rows, 1).tobytes()


def test_the_bits_do_not_depend_on_threads_journals_executors_or_records(tmp_path: Path) -> None:
    whole = fitted(n_jobs=1)
    assert len(members(whole.model_)) > 1
    fitted(journal=tmp_path / "run.ash", max_total_epochs=40)
    with ThreadPoolExecutor(2) as pool:
        others = [fitted(n_jobs=2), fitted(journal=tmp_path / "run.ash"), fitted(executor=pool)]
    record = whole.result_.record
    assert len(record.refit) == len(members(whole.model_)) and all(record.refit)
    others.append(ash.ASHRegressor(record=record, cv=IN_TIME).fit(X, YR))
    for other in others:
        assert other.predict(X).tobytes() == whole.predict(X).tobytes()
        assert other.model_.record.digest == record.digest


def test_without_refit_the_models_of_all_folds_predict() -> None:
    model = fitted(refit=False)
    assert len(members(model.model_)) % IN_TIME.n_splits == 0
    assert model.result_.record.refit == ()


def test_ash_tune_trains_the_best_candidate_on_all_rows_after_a_split_in_time() -> None:
    x, y = trend()
    result = ash.tune(x[:1000], y[:1000], candidates=16, cv=IN_TIME, verbose=0)
    assert rmse(result.model, x[900:1000], y[900:1000]) < 0.35
    for size in (1, 8):
        with pytest.raises(ash.SettingError, match="an ensemble needs folds that each train on all rows but their own"):
            result.ensemble(size)


def slowed(monkeypatch: pytest.MonkeyPatch, fits: int) -> None:
    """Let training on all rows seem so slow that only the best `fits` candidates fit into the time limit."""

    def fitting(self: Any, drawn: Any, limit: float) -> Any:
        return np.arange(len(drawn)) < fits

    monkeypatch.setattr(REFIT.Refit, "fitting", fitting)


def test_the_ensemble_has_fewer_members_if_time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted()
    slowed(monkeypatch, 2)
    short = fitted()
    assert [each.params for each in members(short.model_)] == [each.params for each in members(whole.model_)[:2]]
    record = short.result_.record
    assert [bool(epochs) for epochs in record.refit] == [True, True] + [False] * (len(record.refit) - 2)
    monkeypatch.undo()
    again = ash.ASHRegressor(record=record, cv=IN_TIME).fit(X, YR)
    assert again.predict(X).tobytes() == short.predict(X).tobytes()
    assert again.result_.record == record


def test_the_models_of_the_largest_fold_predict_if_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(monkeypatch, 0)
    words = "no time is left to train any network on all rows: the model is that of fold 4, which has the most training"
    with pytest.warns(UserWarning, match=words):
        model = fitted()
    record = model.result_.record
    assert not any(record.refit)
    monkeypatch.undo()
    assert ash.ASHRegressor(record=record, cv=IN_TIME).fit(X, YR).predict(X).tobytes() == model.predict(X).tobytes()


def test_a_candidate_that_diverges_on_all_rows_leaves_the_ensemble(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted()

    class Diverging(_core.Tuner):
        def retrain(self, data: Any, candidates: list[int], seconds: float) -> Any:
            networks, stopped = super().retrain(data, candidates, seconds)
            return [None, *networks[1:]], stopped

    monkeypatch.setattr("ash._core.Tuner", Diverging)
    assert [each.params for each in fitted().model_.members] == [each.params for each in whole.model_.members[1:]]


def test_ctrl_c_while_candidates_are_trained_on_all_rows_leaves_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(_core.Tuner):
        def retrain(self, data: Any, candidates: list[int], seconds: float) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr("ash._core.Tuner", Interrupted)
    model = ash.ASHRegressor(space(), candidates=16, cv=IN_TIME)
    with pytest.warns(UserWarning, match="training on all rows was interrupted"), pytest.raises(KeyboardInterrupt):
        model.fit(X, YR)
    assert np.isfinite(model.predict(X)).all()


def test_trees_are_trained_on_all_rows_after_a_split_in_time() -> None:
    x, y = trend()
    config = ash.SearchConfig(models=["lightgbm"])
    model = ash.ASHRegressor(candidates=4, random_state=0, cv=IN_TIME, config=config).fit(x[:1000], y[:1000])
    assert rmse(model, x[900:1000], y[900:1000]) < 0.35
    again = ash.ASHRegressor(record=model.result_.record, cv=IN_TIME).fit(x[:1000], y[:1000])
    assert again.predict(x).tobytes() == model.predict(x).tobytes()


# Rows in the order of a date


def daily(rows: int = 60) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=rows)
    return pd.DataFrame({"number": np.random.default_rng(0).normal(size=rows), "day": days})


def test_a_table_in_the_order_of_a_date_gets_one_warning() -> None:
    x = daily()
    for table in (x, x[::-1].reset_index(drop=True), x.assign(day=x.day.dt.strftime("%Y-%m-%d"))):
        with pytest.warns(UserWarning, match=r"dates in column 1 \('day'\), .* cv=TimeSeriesSplit\(\)") as told:
            ash.ASHRegressor(candidates=1, random_state=0).fit(table, x.number.abs())
        assert len([each for each in told if "in the order of" in str(each.message)]) == 1
        with pytest.warns(UserWarning, match="order of the dates") as told:
            ash.tune(table, x.number.abs(), candidates=1, verbose=0)
        assert len([each for each in told if "in the order of" in str(each.message)]) == 1


def test_no_warning_if_the_rows_are_shuffled_or_the_split_is_given() -> None:
    x = daily()
    given: dict[str, Any] = {"candidates": 1, "random_state": 0}
    shuffled = x.sample(frac=1, random_state=0)
    same_day = x.assign(day=x.day.dt.to_period("M").dt.to_timestamp())
    for table in (shuffled, same_day, x[:10]):
        ash.ASHRegressor(**given).fit(table, table.number.abs())
    for cv in (IN_TIME, 3):
        ash.ASHRegressor(**given, cv=cv).fit(x, x.number.abs())
    for validation in (0.2, (x[40:], x.number[40:].abs())):
        ash.ASHRegressor(**given, validation=validation).fit(x[:40], x.number[:40].abs())

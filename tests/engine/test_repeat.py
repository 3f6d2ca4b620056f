"""Tests `ash.RunRecord`: a run ended by a time limit is repeated without a clock, with equal digest and model bytes."""

import contextlib
import json
import math
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import GroupKFold, KFold

import ash
import needs
from ash.cli.show import journal_lines
from ash.run_record import DIGITS, RunRecord
from callback_help import INTERRUPTED, After, Diary, Stopper, TimeIsUp, endless, press_ctrl_c
from config_help import configured
from data_help import mixed_columns, mixed_target
from fault_help import HANG_SECONDS, LONG

pytestmark = pytest.mark.core

WINE, DIABETES = load_wine(return_X_y=True), load_diabetes(return_X_y=True)
MIXED = pd.DataFrame(mixed_columns()), mixed_target(mixed_columns())
TIMED: dict[str, Any] = {"time_limit": HANG_SECONDS, "virtual_workers": 4}


def content(model: Any, folder: Path) -> bytes:
    """Return the bytes of a model's file."""
    path = folder / "model.safetensors"
    model.save(path)
    return path.read_bytes()


def fitted(kind: Any, X: Any, y: Any, sample_weight: Any = None, groups: Any = None, **given: Any) -> Any:
    return kind(**configured(given)).fit(X, y, sample_weight=sample_weight, groups=groups)


# The same outcome


@pytest.mark.parametrize(
    "case",
    [
        {"X": WINE},
        {"X": WINE, "cv": 3},
        {"X": WINE, "cv": 3, "ensemble": 1},
        {"X": WINE, "validation": 0.3, "scoring": "neg_log_loss"},
        {"X": WINE, "validation": 0.3, "refit": False},
        {"X": WINE, "validation": 0.3, "sample_weight": np.arange(len(WINE[0])) % 3},
        {"X": DIABETES, "validation": 0.3},
        {"X": DIABETES, "validation": 0.3, "scoring": "neg_max_error"},
        {"X": DIABETES},
        {"X": MIXED, "validation": 0.25},
        {"X": MIXED},
    ],
    ids=lambda case: " ".join(name for name in case if name != "X"),
)
def test_a_timed_fit_is_repeated_bit_for_bit(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ash.engine.refit.LATE", math.inf)
    given = dict(case)
    X, y = given.pop("X")
    weights = {name: given.pop(name) for name in ("sample_weight",) if name in given}
    kind = ash.ASHRegressor if y.dtype.kind == "f" else ash.ASHClassifier
    first = fitted(kind, X, y, **weights, **TIMED, **given, callbacks=TimeIsUp(monkeypatch, HANG_SECONDS, 20))
    again = fitted(kind, X, y, **weights, record=first.result_.record, n_jobs=1)
    assert first.result_.ended == again.result_.ended == "time_limit"
    assert again.result_.digest == first.result_.digest == first.result_.record.digest
    assert again.result_.record == first.result_.record == first.model_.record
    assert content(again.model_, tmp_path) == content(first.model_, tmp_path)
    assert again.predict(X).tobytes() == first.predict(X).tobytes()


def test_a_record_is_the_same_on_any_number_of_threads() -> None:
    record = ash.tune(*WINE, candidates=16, n_jobs=2, validation=0.2).record
    assert all(ash.tune(*WINE, record=record, n_jobs=threads).record == record for threads in (1, 2))
    with ThreadPoolExecutor(2) as pool:
        assert ash.tune(*WINE, record=record, executor=pool).record == record


def test_stopping_at_the_same_decision_gives_the_same_digest(tmp_path: Path) -> None:
    """Stop one run by a callback and one by a shortened record, both after the same number of decisions."""
    stopped = endless(Stopper(9))
    count = len(stopped.jobs)
    whole = endless(Stopper(count + 1))
    assert stopped.ended == "stopped" and 9 <= count < len(whole.jobs)
    assert stopped.record.decisions == whole.record.decisions[:count]
    cut = ash.tune(
        *WINE, record=replace(whole.record, decisions=whole.record.decisions[:count], ended="stopped", kept=())
    )
    assert cut.record == stopped.record and content(cut.model, tmp_path) == content(stopped.model, tmp_path)
    assert ash.tune(*WINE, record=stopped.record).record == stopped.record


def test_a_run_ended_by_ctrl_c_is_repeated(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=f"^the run was {INTERRUPTED}$"):
        first = ash.tune(*WINE, candidates=5_000, verbose=0, callbacks=After(40, press_ctrl_c), validation=0.2)
    assert first.ended == "interrupted" and 0 < len(first.jobs) < 5_000
    again = ash.tune(*WINE, record=first.record, n_jobs=1)
    assert again.ended == "interrupted" and again.record == first.record
    assert content(again.model, tmp_path) == content(first.model, tmp_path)
    assert content(again.ensemble(8), tmp_path) == content(first.ensemble(8), tmp_path)


def test_an_interrupted_fit_is_repeated(tmp_path: Path) -> None:
    first = ash.ASHRegressor(candidates=5_000, validation=0.2, callbacks=After(40, press_ctrl_c))
    with pytest.raises(
        KeyboardInterrupt, match=f"^ASHRegressor.fit was {INTERRUPTED}; the results so far are in result_ and model_"
    ):
        first.fit(*DIABETES)
    assert first.result_.ended == "interrupted" and set(first.result_.record.refit) == {0}
    again = fitted(ash.ASHRegressor, *DIABETES, record=first.result_.record)
    assert content(again.model_, tmp_path) == content(first.model_, tmp_path)


@pytest.mark.parametrize(
    "limit", [{"stop_score": 0.97}, {"max_total_epochs": 100}, {"max_total_epochs": 10}, {"work_limit": 1e8}]
)
def test_runs_ended_by_other_limits_are_repeated(limit: dict[str, Any]) -> None:
    first = ash.tune(*WINE, candidates=64, config=ash.SearchConfig(**limit), validation=0.2)
    assert first.ended in limit
    again = ash.tune(*WINE, record=first.record)
    assert again.ended in limit and again.record == first.record


def test_a_run_with_a_journal_is_repeated(tmp_path: Path) -> None:
    first = endless(Stopper(20), journal=tmp_path / "run.ash")
    resumed = endless(Stopper(40), journal=tmp_path / "run.ash")
    assert len(first.jobs) < len(resumed.jobs)
    again = ash.tune(*WINE, record=resumed.record, journal=tmp_path / "again.ash")
    assert again.record == resumed.record
    assert content(again.model, tmp_path) == content(resumed.model, tmp_path)
    assert f"record    {again.record!r}" in list(journal_lines(str(tmp_path / "again.ash")))
    with pytest.raises(ash.JournalError, match=r"was started by ash\.tune with record=: make the same call"):
        ash.resume(tmp_path / "again.ash", *WINE)


def test_a_resumed_run_selects_from_all_kept_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that networks missing from the journal are retrained, even if the run was ended early."""
    for name in ("write_some", "write_kept"):
        monkeypatch.setattr(f"ash.journal.state_cache.StateCache.{name}", lambda *_: None)
    first = endless(Stopper(30), journal=tmp_path / "run.ash")
    assert not (tmp_path / "run.ash-states").exists()
    resumed = endless(Stopper(2), journal=tmp_path / "run.ash")
    assert resumed.ended == "stopped" and len(first.jobs) < len(resumed.jobs) and len(resumed.record.kept) == 32
    again = ash.tune(*WINE, record=resumed.record)
    assert again.record == resumed.record
    assert content(again.ensemble(8), tmp_path) == content(resumed.ensemble(8), tmp_path)


@pytest.fixture
def slow_to_decide() -> RunRecord:
    """Return the record of a run whose repetition decides only a few jobs between two commits of its journal."""
    return ash.tune(*WINE, **configured({**LONG, "max_total_epochs": 2_000, "validation": 0.2})).record


def test_an_interrupted_repeat_gives_no_result(tmp_path: Path, slow_to_decide: RunRecord) -> None:
    record = slow_to_decide
    given: dict[str, Any] = {"record": record, "journal": tmp_path / "run.ash"}
    with pytest.raises(KeyboardInterrupt, match="interrupted before it had repeated the recorded one"):
        ash.tune(*WINE, **given, callbacks=[told := Diary(), After(9, press_ctrl_c)])
    assert 9 <= len(told.jobs) < len(record.decisions) / 2
    assert ash.tune(*WINE, **given).record == record


def test_a_repeat_stopped_by_a_callback_continues_from_its_journal(tmp_path: Path, slow_to_decide: RunRecord) -> None:
    record = slow_to_decide
    part = ash.tune(*WINE, record=record, journal=tmp_path / "run.ash", callbacks=Stopper(9))
    assert part.ended == "stopped" and part.record.first_difference(record) == len(part.jobs) < len(record.decisions)
    assert ash.tune(*WINE, record=record, journal=tmp_path / "run.ash").record == record


# Arguments that must be passed again


def test_arguments_that_a_record_cannot_hold_are_passed_again(tmp_path: Path) -> None:
    def scorer(model: Any, X: Any, y: Any) -> float:
        return float(np.mean(model.predict(X) == y))

    folds, groups = GroupKFold(3), np.arange(len(WINE[0])) % 7
    first = ash.tune(*WINE, candidates=8, scoring=scorer, cv=folds, groups=groups)
    assert first.record.missing == ("cv", "metric")
    with pytest.raises(ash.SettingError, match="cv=None: pass the splitter of the run, which a record does not hold"):
        ash.tune(*WINE, record=first.record, scoring=scorer, groups=groups)
    with pytest.raises(ash.SettingError, match="scoring=None: pass the function that scores of the run"):
        ash.tune(*WINE, record=first.record, cv=folds, groups=groups)
    again = ash.tune(*WINE, record=first.record, cv=folds, groups=groups, scoring=scorer)
    assert again.record == first.record
    table = (WINE[0][:40], WINE[1][:40])
    beside = ash.tune(*WINE, candidates=8, validation=table)
    assert beside.record.missing == ("validation",)
    assert ash.tune(*WINE, record=beside.record, validation=table).record == beside.record


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"candidates": 8}, "candidates"),
        ({"random_state": 3, "time_limit": 4.0}, "time_limit, random_state"),
        ({"scoring": "accuracy"}, "scoring"),
        ({"cv": KFold(3)}, "cv"),
        ({"space": ash.Space(hidden=(4,))}, "space"),
        ({"config": ash.SearchConfig(eta=3, teams=False)}, "eta"),
    ],
)
def test_recorded_arguments_cannot_be_given_again(given: dict[str, Any], held: str) -> None:
    record = ash.tune(*WINE, candidates=4, validation=0.2).record
    with pytest.raises(ash.SettingError, match=f"{held}.* cannot be given with record=.*: leave it out"):
        ash.tune(*WINE, record=record, **given)
    allowed = ash.SearchConfig(teams=False, memory_limit=10**8)
    assert ash.tune(*WINE, record=record, config=allowed, verbose=0).record == record


def test_records_of_other_entry_points_and_greedy_runs_are_refused() -> None:
    of_tune = ash.tune(*WINE, candidates=4, validation=0.2).record
    of_fit = ash.ASHClassifier(candidates=4).fit(*WINE).result_.record
    for call in (ash.ASHClassifier(record=of_tune).fit, ash.ASHRegressor(record=of_tune).fit):
        with pytest.raises(ash.SettingError, match=r"record comes from ash\.tune: repeat its run with ash\.tune\(X"):
            call(*WINE)
    for wrong in (lambda: ash.tune(*WINE, record=of_fit), lambda: ash.ASHRegressor(record=of_fit).fit(*WINE)):
        with pytest.raises(ash.SettingError, match=r"comes from ASHClassifier: repeat its run with ASHClassifier\(rec"):
            wrong()
    greedy = ash.tune(*WINE, candidates=4, config=ash.SearchConfig(schedule="greedy"), validation=0.2).record
    with pytest.raises(ash.SettingError, match="schedule='greedy', which cannot be repeated; only 'reproducible'"):
        ash.tune(*WINE, record=greedy)
    with pytest.raises(
        ash.SettingError, match=r"record must be an ash\.RunRecord, such as result\.record or model\.record, got a str"
    ):
        ash.tune(*WINE, record="run.json")


# Other rows, other versions


def test_other_rows_are_refused_with_the_differences() -> None:
    X, y = WINE
    record = ash.tune(X, y, candidates=4, validation=0.2).record
    other = X.copy()
    other[5, 2] += 1
    for rows, text in (
        ((X[:-1], y[:-1]), "training rows: 142 in the record, 141 in this call"),
        ((other, y), "other values of X in the rows for"),
        ((X[:, :-1], y), "columns of X: 13 in the record, 12 in this call"),
    ):
        with pytest.raises(ash.DataError, match=f"the rows differ from those of the recorded run: .*{text}"):
            ash.tune(*rows, record=record)


def test_a_record_from_another_version_causes_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    record = ash.tune(*WINE, candidates=4, validation=0.2).record
    old = replace(record, version={**record.version, "version of ash": "0.1.0"})
    with pytest.warns(UserWarning, match=r"the repeated run may differ .*version of ash: '0.1.0' in the record"):
        again = ash.tune(*WINE, record=old)
    assert again.record == record


# The record itself


def test_a_record_is_saved_with_models_and_results(tmp_path: Path) -> None:
    result = ash.tune(*WINE, candidates=8, validation=0.2)
    fit = ash.ASHClassifier(candidates=8).fit(*WINE)
    for number, model in enumerate((result.model, result.ensemble(3), fit.model_)):
        model.save(tmp_path / f"{number}.safetensors")
        assert ash.load(tmp_path / f"{number}.safetensors").record == model.record is not None
        assert model.record.model == model.digest == pickle.loads(pickle.dumps(model)).record.model
    assert result.ensemble(3).record.arguments["ensemble"] == 3
    assert RunRecord.from_json(json.loads(result.to_json() or "")["record"]) == result.record
    assert repr(result.record).startswith("RunRecord(ash.tune, 14 decisions, digest ") and "\n" not in repr(
        result.record
    )


def test_hashes_of_decisions_show_the_first_difference() -> None:
    one = ash.tune(*WINE, candidates=8, validation=0.2).record
    assert len(one.decisions) == 14 and {len(each) for each in one.decisions} == {DIGITS}
    assert one.first_difference(one) is None
    other = ("0" * DIGITS,)
    assert one.first_difference(replace(one, decisions=one.decisions[:5] + other + one.decisions[6:])) == 5
    assert one.first_difference(replace(one, decisions=one.decisions[:5])) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"decisions": "xyz"},
        {"decisions": 3},
        {"kept": [1, -2]},
        {"kept": ["a"]},
        {"refit": None},
        {"by": 3},
        {"settings": []},
        {"more": 1},
    ],
)
def test_a_damaged_record_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    facts = ash.tune(*WINE, candidates=4, validation=0.2).record.to_json()
    with pytest.raises(ValueError, match="the record of the run is damaged"):
        RunRecord.from_json({**facts, **change})


def test_a_forged_record_raises_an_ash_error(tmp_path: Path) -> None:
    record = ash.tune(*WINE, candidates=4, validation=0.2).record
    for change in (
        {"space": {"hidden": [{"kind": "x"}]}},
        {"settings": {**record.settings, "eta": "many"}},
        {"settings": {**record.settings, "metric": "no such"}},
        {"plan": {**record.plan, "candidates": -3}},
        {"arguments": {**record.arguments, "cv": "all"}},
        {"arguments": {**record.arguments, "ensemble": "many"}},
        {"data": {}},
        {"data": {**record.data, "training": 3}},
        {"missing": ("seed",)},
    ):
        with pytest.raises(ash.AshError):
            ash.tune(*WINE, record=replace(record, **change))
    with pytest.raises(ash.AshError):
        ash.tune(*WINE, record=replace(record, decisions=()))


@pytest.mark.parametrize("value", [None, [1]])
def test_each_forged_setting_raises_an_ash_error_or_has_no_effect(value: Any) -> None:
    record = ash.tune(*WINE, candidates=2, validation=0.2).record
    for name in record.settings:
        with contextlib.suppress(ash.AshError):
            ash.tune(*WINE, record=replace(record, settings={**record.settings, name: value}))
    for name in ("min_epochs", "promotion", "schedule", "seed"):
        with pytest.raises(ash.SettingError, match=name):
            ash.tune(*WINE, record=replace(record, settings={**record.settings, name: None}))


@pytest.mark.parametrize("models", [["network"], ["lightgbm"]])
def test_forged_epochs_of_the_refit_are_bounded(models: list[str]) -> None:
    config = ash.SearchConfig(models=models)
    record = ash.ASHClassifier(candidates=2, validation=0.2, config=config).fit(*WINE).result_.record
    assert record.refit[0] > 0
    forged = replace(record, refit=tuple(10**15 for _ in record.refit))
    assert ash.ASHClassifier(record=forged).fit(*WINE).result_.record == record


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    model = ash.ASHClassifier(candidates=8).fit(*WINE).model_
    assert len({content(model, tmp_path) for _ in range(20)}) == 1


BITS = """
import hashlib, numpy as np, ash
from sklearn.datasets import load_digits
from ash.models.ensemble import row_losses
from ash.models.model_pool import sharpened

def bits(values):
    return hashlib.blake2b(values.tobytes(), digest_size=8).hexdigest()

shares = np.random.default_rng(0).dirichlet(np.ones(5), 2000).astype(np.float32)
print(bits(np.exp(shares)))
print(bits(sharpened(shares, 2**0.25)), bits(row_losses(shares[:, 0].astype(float))))
X, y = load_digits(return_X_y=True)
for scoring in ("neg_log_loss", None):
    print(ash.ASHClassifier(candidates=12, scoring=scoring, random_state=0).fit(X[:600], y[:600]).model_.digest)
"""


def test_calibration_and_selection_have_the_same_bits_on_older_processors() -> None:
    """Check that ash does not use NumPy's exponential function, whose bits differ between processors."""
    features = np.show_config(mode="dicts")["SIMD Extensions"]["found"]  # optional CPU features that NumPy uses
    printed = []
    for disabled in ("", " ".join(features)):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled}
        words = [sys.executable, "-c", BITS]
        printed.append(
            subprocess.run(words, capture_output=True, text=True, env=environment, check=True).stdout.split()
        )
    if printed[0][0] == printed[1][0]:
        needs.not_here("a processor on which NumPy computes as on the least one")
    assert printed[0][1:] == printed[1][1:] and len(printed[0]) == 5

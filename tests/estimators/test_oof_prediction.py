"""Tests the out-of-fold predictions of estimators and `ash.tune`: their order, shape, and rows without a value."""

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import RepeatedKFold

import ash
from ash.engine import run
from ash.models.estimated_score import held_out_prediction
from ensemble_help import YR, X, Y, space

pytestmark = pytest.mark.core

FEW: dict[str, Any] = {"space": space(), "candidates": 6, "random_state": 2, "n_jobs": 1}


def test_classes_have_probabilities_of_every_row_in_the_users_order() -> None:
    fitted = ash.ASHClassifier(cv=4, **FEW).fit(X, Y)
    found = fitted.oof_prediction_
    assert found.shape == (len(X), 3) and found.dtype == np.float64
    assert np.allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == Y).mean() == pytest.approx(fitted.estimated_score_, abs=0.1)
    assert np.corrcoef(found[:, 0], fitted.predict_proba(X)[:, 0])[0, 1] > 0.8


def test_targets_have_a_value_per_row_and_target() -> None:
    several = ash.ASHRegressor(cv=3, **FEW).fit(X, YR).oof_prediction_
    alone = ash.ASHRegressor(cv=3, **FEW).fit(X, YR[:, 1]).oof_prediction_
    assert several.shape == YR.shape and alone.shape == (len(X),)
    assert np.isfinite(several).all() and abs(alone.mean() - YR[:, 1].mean()) < YR[:, 1].std() / 4


def test_rows_that_were_never_held_out_are_nan() -> None:
    fitted = ash.ASHRegressor(validation=0.25, **FEW).fit(X, YR)
    known = np.isfinite(fitted.oof_prediction_).all(axis=1)
    assert known.sum() == len(X) // 4 and np.isnan(fitted.oof_prediction_[~known]).all()
    beside = ash.ASHRegressor(validation=(X[:90], YR[:90]), **FEW).fit(X[90:], YR[90:])
    assert beside.oof_prediction_.shape == YR[90:].shape and np.isnan(beside.oof_prediction_).all()
    assert np.isfinite([beside.estimated_score_, beside.estimated_score_std_error_]).all()


@pytest.mark.parametrize("factor", [1, 1.1], ids=["copies", "weights"])
def test_a_weighted_row_has_one_value_and_a_row_of_weight_zero_none(factor: float) -> None:
    weights = factor * (np.arange(len(X)) % 4)
    found = ash.ASHClassifier(cv=4, **FEW).fit(X, Y, sample_weight=weights).oof_prediction_
    assert found.shape == (len(X), 3)
    assert np.array_equal(np.isnan(found).any(axis=1), weights == 0)


def test_a_row_that_was_held_out_twice_has_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def spy(kept: Any, size: int, rows: Any, count: int) -> Any:
        calls.append((kept, size))
        return held_out_prediction(kept, size, rows, count)

    monkeypatch.setattr(run, "held_out_prediction", spy)
    pairs = list(RepeatedKFold(n_splits=3, n_repeats=2, random_state=0).split(X))
    result = ash.tune(X, YR, space(), candidates=4, cv=pairs, verbose=0)
    ((kept, size),) = calls
    outputs, place = kept.outputs_of(kept.best_counts(size), 1.0), 0
    sums = np.zeros(YR.shape)
    for _, held_out in pairs:
        sums[held_out] += outputs[place : place + len(held_out)]
        place += len(held_out)
    assert np.allclose(result.oof_prediction, sums / 2, rtol=1e-12)


def test_the_result_of_tune_predicts_by_its_best_candidate() -> None:
    result = ash.tune(X, Y, space(), candidates=6, cv=3, verbose=0)
    found = result.oof_prediction
    assert (found.argmax(axis=1) == Y).mean() == pytest.approx(result.best_score, abs=0.01)

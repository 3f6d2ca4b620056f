"""Tests the estimated score: its parts, its cross-fitted selection, the gain of the search, and the standard error."""

import dataclasses
import json
import math
import pickle
import statistics
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, make_scorer

import ash
from ash.engine import run
from ash.models.estimated_score import BLOCKS, Estimate, cross_fitted, estimate, parts_of, std_error
from ash.models.model_pool import Kept
from ensemble_help import YR, X, Y, space
from model_file_help import read, write

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(5)
FEW = {"space": space(), "candidates": 8, "random_state": 2, "n_jobs": 1}


def caught(monkeypatch: pytest.MonkeyPatch, estimator: Any, x: Any = X, y: Any = Y) -> tuple[Any, Kept, Any]:
    """Fit an estimator; return it, the kept candidates and the fold scores from which its score was estimated."""
    calls: list[Any] = []

    def spy(kept: Kept, size: int, fold_scores: Any, scorers: Any) -> Estimate:
        calls.append((kept, fold_scores))
        return estimate(kept, size, fold_scores, scorers)

    monkeypatch.setattr(run, "estimate", spy)
    return (estimator.fit(x, y), *calls[0])


def mean_scores(fold_scores: Any, folds: list[int]) -> dict[tuple[int, int], float]:
    """Return the mean score of each (candidate, rung) in these folds."""
    jobs = zip(fold_scores["candidate"].tolist(), fold_scores["rung"].tolist(), strict=True)
    return {job: statistics.fmean(row[folds]) for job, row in zip(jobs, fold_scores["scores"], strict=True)}


def best_per_candidate(scores: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Return the best job of each candidate, the best first; ties in the order of the jobs."""
    found: dict[int, tuple[int, int]] = {}
    for job in sorted(scores, key=lambda each: -scores[each]):
        found.setdefault(job[0], job)
    return list(found.values())


def oracle(kept: Kept, size: int, fold_scores: Any) -> tuple[Any, float]:
    """Return the cross-fitted outputs, and the gain of the search, by the rules of the module in plain Python."""
    outputs, gains = np.zeros(kept.predictions.shape[1:], kept.predictions.dtype), []
    folds = sorted(set(kept.folds.tolist()))
    for fold in folds:
        others = [each for each in folds if each != fold]
        by, within = mean_scores(fold_scores, others), mean_scores(fold_scores, [fold])
        own = list(zip(kept.candidates, kept.rungs, strict=True))
        places = sorted(range(len(own)), key=lambda place: -by[own[place]])
        rows = [row for row, each in enumerate(kept.folds.tolist()) if each != fold]
        chosen = kept.restricted(places, np.array(rows)).best_counts(size)
        for row in np.flatnonzero(kept.folds == fold):
            total = [
                np.float64(count) / chosen.sum() * kept.predictions[place, row].astype(np.float64)
                for place, count in zip(places, chosen, strict=True)
                if count
            ]
            outputs[row] = sum(total[1:], total[0])
        count = int((chosen > 0).sum())
        best = best_per_candidate(by)[:count]
        gains.append(
            statistics.fmean(within[own[place]] for place in places[:count])
            - statistics.fmean(within[job] for job in best)
        )
    return outputs, statistics.fmean(gains)


def test_selection_and_gain_match_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    _, kept, scores = caught(monkeypatch, ash.ASHRegressor(cv=4, **FEW), y=YR)
    found = cross_fitted(kept, 16, scores)
    outputs, gain = oracle(kept, 16, scores)
    assert found is not None and np.array_equal(found[0], outputs)
    assert found[1] == pytest.approx(gain, abs=1e-12)
    estimated = estimate(kept, 16, scores)
    assert estimated.score == pytest.approx(kept.native_score(outputs) - gain)
    assert estimated.std_error == pytest.approx(math.hypot(std_error(kept, outputs), gain))


def test_folds_are_the_parts_and_one_fold_is_divided_by_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    _, kept, _ = caught(monkeypatch, ash.ASHClassifier(cv=10, **{**FEW, "candidates": 2}))
    assert np.array_equal(parts_of(kept), kept.folds % 5)
    rows = 60
    alone = kept.restricted([0], np.arange(rows))
    alone = dataclasses.replace(alone, folds=np.zeros(rows, np.int64), units=np.arange(rows) // 3)
    parts = parts_of(alone)
    assert all(len(set(parts[alone.units == unit])) == 1 for unit in alone.units)
    assert np.bincount(parts).tolist() == [12] * 5
    assert cross_fitted(dataclasses.replace(alone, units=np.zeros(rows, np.int64)), 4, {}) is None


def test_the_standard_error_suits_the_metric_and_counts_a_group_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _, kept, _ = caught(monkeypatch, ash.ASHClassifier(cv=4, **{**FEW, "candidates": 2}))
    outputs, rows = kept.predictions[0], len(kept.targets)
    right = outputs.argmax(axis=1) == kept.targets[:, 0]
    assert std_error(kept, outputs) == pytest.approx(right.std() / math.sqrt(rows), rel=0.3)
    twice = kept.restricted([0], np.tile(np.arange(rows), 2))
    assert std_error(twice, np.tile(outputs, (2, 1))) == pytest.approx(std_error(kept, outputs))
    perfect = np.eye(3, dtype=np.float32)[kept.targets[:, 0].astype(int)]
    assert std_error(kept, perfect) == 1 / rows and rows > BLOCKS


def test_the_estimate_has_the_same_bits_for_any_threads_and_order_of_rows() -> None:
    order = RANDOM.permutation(len(X))
    one, two = ash.ASHClassifier(cv=4, **FEW).fit(X, Y), ash.ASHClassifier(cv=4, **{**FEW, "n_jobs": 2})
    two.fit(X[order], Y[order])
    assert (one.estimated_score_, one.estimated_score_std_error_) == (
        two.estimated_score_,
        two.estimated_score_std_error_,
    )
    assert np.array_equal(one.oof_prediction_[order], two.oof_prediction_)
    assert one.model_.estimated_score == one.result_.estimated_score == one.estimated_score_


def test_a_repeated_and_a_resumed_run_have_the_same_estimate(tmp_path: Any) -> None:
    settings = {"space": space(), "candidates": 6, "random_state": 3, "verbose": 0, "cv": 3}
    first = ash.tune(X, Y, **settings)
    again = ash.tune(X, Y, record=first.record, verbose=0)
    for _ in range(2):
        resumed = ash.tune(X, Y, **settings, journal=tmp_path / "run.ash")
        for other in (again, resumed):
            assert other.estimated_score == first.estimated_score
            assert np.array_equal(other.oof_prediction, first.oof_prediction)


def test_a_function_of_the_user_scores_the_cross_fitted_predictions_of_each_fold() -> None:
    own = ash.ASHClassifier(cv=4, scoring=make_scorer(accuracy_score), **FEW).fit(X, Y)
    native = ash.ASHClassifier(cv=4, scoring="accuracy", **FEW).fit(X, Y)
    assert own.estimated_score_ == pytest.approx(native.estimated_score_, abs=0.02)
    assert 0 < own.estimated_score_std_error_ < 0.2
    assert math.isnan(own.model_.estimated_score) and own.model_.metric == "neg_log_loss"
    alone = ash.ASHClassifier(validation=0.3, scoring=make_scorer(accuracy_score), **FEW).fit(X, Y)
    assert alone.estimated_score_ < 1 and math.isnan(alone.estimated_score_std_error_)


def test_files_and_pickles_keep_the_estimate_and_older_files_have_none(tmp_path: Any) -> None:
    fitted = ash.ASHClassifier(cv=4, **FEW).fit(X, Y)
    known = fitted.estimated_score_, fitted.estimated_score_std_error_
    fitted.save(tmp_path / "model.safetensors")
    models = [ash.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(fitted.model_))]
    for model in models:
        assert (model.estimated_score, model.estimated_score_std_error) == known
        assert model.digest == fitted.model_.digest
    twin = pickle.loads(pickle.dumps(fitted))
    assert (twin.estimated_score_, twin.result_.estimated_score) == known[:1] * 2
    assert np.array_equal(twin.oof_prediction_, fitted.oof_prediction_)
    tensors, about = read(tmp_path / "model.safetensors")
    del about["estimated_score"]
    write(tmp_path / "model.safetensors", tensors, about)
    assert math.isnan(ash.load(tmp_path / "model.safetensors").estimated_score)


def test_results_pickled_by_earlier_versions_are_shown_and_give_ensembles() -> None:
    result = ash.tune(X, Y, space(), candidates=4, random_state=2, verbose=0)
    wanted = result.ensemble(4)
    new = {result: ["estimated_score", "estimated_score_std_error"], result.options: ["pos_label"]}
    for holder, names in {**new, result.kept: ["folds", "units"]}.items():
        for name in names:
            del vars(holder)[name]
    old = pickle.loads(pickle.dumps(result))
    assert str(old).startswith("best accuracy") and "pos_label" in str(old.to_json())
    assert np.array_equal(old.ensemble(4).predict_proba(X), wanted.predict_proba(X))


def test_an_estimated_share_is_not_below_zero() -> None:
    x, y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) >= 197
    fitted = ash.ASHClassifier(scoring="roc_auc", candidates=4, random_state=0).fit(x, y)
    assert fitted.best_score_ > fitted.estimated_score_ == 0


def test_the_estimate_is_shown_before_the_best_score(tmp_path: Any) -> None:
    result = ash.tune(X, Y, space(), candidates=6, cv=3, verbose=0)
    shown = f"{result.estimated_score:.4f} (standard error {result.estimated_score_std_error:.2g})"
    first, second = str(result).splitlines()[:2]
    assert first == f"estimated accuracy on new rows {shown}"
    assert second.startswith(f"best accuracy {result.best_score:.4f} by candidate")
    page = result.report(tmp_path / "report.html").read_text()
    assert f"estimated accuracy {shown}" in page
    assert page.index(shown) < page.index(f"has accuracy {result.best_score:.4f}")
    about = json.loads(str(result.to_json()))["estimated"]
    assert about == {"score": result.estimated_score, "std_error": result.estimated_score_std_error}
    assert repr(result.model).endswith(f"estimated accuracy {shown})")


@pytest.mark.parametrize(("settings", "most"), [({"cv": 5}, 0.2), ({"validation": 0.2}, 0.5)], ids=["folds", "part"])
def test_the_estimate_of_a_search_on_few_rows_is_far_less_optimistic(settings: Any, most: float) -> None:
    errors, optimism = [], []
    for seed in range(8):
        random = np.random.default_rng(seed)
        x, noise = random.normal(size=(3000, 8)), random.normal(size=3000)
        y = x[:, 0] + 2 * noise > 0 if seed % 2 else noise > 0
        fitted = ash.ASHClassifier(candidates=32, random_state=seed, **settings).fit(x[:160], y[:160])
        new = fitted.score(x[160:], y[160:])
        errors.append(fitted.estimated_score_ - new)
        optimism.append(fitted.best_score_ - new)
    assert statistics.fmean(optimism) > 0.05
    assert abs(statistics.fmean(errors)) < most * statistics.fmean(optimism)

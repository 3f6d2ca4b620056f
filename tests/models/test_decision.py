"""Tests how classifiers turn probabilities into labels, and their probabilities in spite of class weights."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

import ash
from ash.errors import SettingError
from ash.models.decision import decide, tune_decision
from model_file_help import changed, check_refused, read

pytestmark = pytest.mark.core

Numbers = NDArray[np.float64]


def rare(rows: int, seed: int) -> tuple[Numbers, NDArray[np.int64]]:
    """Return a table in which about 6 % of the rows are of class 1."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 4))
    odds = np.exp(1.8 * X[:, 0] + 1.0 * X[:, 1] - 4.2)
    return X, (random.random(rows) < odds / (1 + odds)).astype(np.int64)


X, Y = rare(1500, 0)
X_NEW, Y_NEW = rare(6000, 1)


def fitted(**given: Any) -> ash.ASHClassifier:
    y = given.pop("y", Y)
    return ash.ASHClassifier(**{"candidates": 16, "random_state": 0, "n_jobs": 1, **given}).fit(X, y)


# The tuned decision of estimators


@pytest.mark.filterwarnings("ignore:Precision is ill-defined")
@pytest.mark.parametrize("split", [{"validation": 0.2}, {"cv": 5}])
def test_the_estimate_by_a_function_decides_as_the_model_does(split: dict[str, Any]) -> None:
    """With weights of classes, the most probable class is rarely the rare one, whose recall would be about 0."""
    model = fitted(class_weight={0: 1.0, 1: 9.0}, candidates=4, scoring="recall", **split)
    assert model.best_score_ > 0.3
    assert model.estimated_score_ == pytest.approx(model.best_score_, abs=0.3)


def test_labels_for_f1_are_decided_by_a_tuned_threshold() -> None:
    """With 6 % positive rows, the most probable class has an F1 score of about 0.1, the best threshold of 0.43."""
    tuned, usual = fitted(scoring="f1"), fitted(scoring="f1", decision_threshold=None)
    assert np.array_equal(tuned.predict_proba(X_NEW), usual.predict_proba(X_NEW)), "only the labels differ"
    assert tuned.best_score_ == usual.best_score_ and tuned.result_.digest == usual.result_.digest
    best = max(f1_score(Y_NEW, usual.predict_proba(X_NEW)[:, 1] > t) for t in np.linspace(0.05, 0.5, 46))
    scores = [f1_score(Y_NEW, model.predict(X_NEW)) for model in (usual, tuned)]
    assert scores[0] < 0.3 and scores[1] > 0.38 and scores[1] > best - 0.03
    assert usual.decision_threshold_ == 0.5 and 0.1 < tuned.decision_threshold_ < 0.4
    assert ((tuned.predict_proba(X_NEW)[:, 1] > tuned.decision_threshold_) == tuned.predict(X_NEW)).all()
    assert tuned.model_.score(X_NEW, Y_NEW, "f1") == pytest.approx(scores[1], abs=1e-9)


def test_ash_tune_decides_by_a_tuned_threshold() -> None:
    result = ash.tune(X, Y, candidates=16, scoring="f1", n_jobs=1, cv=3)
    usual = result.model.with_decision(None)
    scores = [f1_score(Y_NEW, model.predict(X_NEW)) for model in (usual, result.model)]
    assert scores[0] < 0.3 and scores[1] > 0.35 and 0.1 < result.model.decision_threshold < 0.4
    again = ash.tune(X, Y, record=result.record, n_jobs=2)
    assert again.model.digest == result.model.digest == again.record.model


def test_labels_for_balanced_accuracy_are_decided_by_the_shares_of_the_classes() -> None:
    model = fitted(scoring="balanced_accuracy")
    assert 0.02 < model.decision_threshold_ < 0.15
    assert balanced_accuracy_score(Y_NEW, model.predict(X_NEW)) > 0.78
    assert balanced_accuracy_score(Y_NEW, fitted(scoring="accuracy").predict(X_NEW)) < 0.7


def test_the_decision_is_the_most_probable_class_by_default() -> None:
    for given in ({}, {"scoring": "roc_auc"}, {"scoring": "accuracy"}):
        model = fitted(candidates=4, **given)
        assert model.decision_threshold_ == 0.5 and model.model_.decision_weights is None


def test_a_given_threshold_is_that_of_the_positive_class() -> None:
    text = np.where(Y == 1, "left", "stay")
    for labels, given, positive in ((Y, None, 1), (Y, 0, 0), (text, "left", "left"), (text, "stay", "stay")):
        model = fitted(candidates=4, decision_threshold=0.2, pos_label=given, y=labels)
        share = model.predict_proba(X_NEW)[:, model.classes_.tolist().index(positive)]
        assert ((share > 0.2) == (model.predict(X_NEW) == positive)).all()
        assert model.decision_threshold_ == 0.2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decision_threshold": 1.0}, "decision_threshold must be 'auto', a probability between 0 and 1, or None"),
        ({"decision_threshold": "best"}, "decision_threshold must be 'auto', .* got 'best'"),
        ({"decision_threshold": 0.3, "y": np.where(Y == 1, "left", "stay")}, "decision_threshold=0.3 needs a positive"),
        ({"decision_threshold": 0.3, "y": np.arange(len(Y)) % 3}, "decision_threshold=0.3 is the probability of one"),
    ],
)
def test_thresholds_that_have_no_meaning_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        fitted(**given)


def test_a_tuned_decision_is_kept_by_files_pickles_and_records(tmp_path: Path) -> None:
    given = {"scoring": "f1", "y": np.where(Y == 1, "left", "stay"), "pos_label": "left", "candidates": 8}
    for more in ({}, {"ensemble": 1}, {"cv": 3}):
        model = fitted(**given, **more)
        assert model.decision_threshold_ < 0.5
        model.save(tmp_path / "model")
        record = model.result_.record
        again = ash.ASHClassifier(record=record, n_jobs=2).fit(X, given["y"])
        for other in (ash.load(tmp_path / "model"), pickle.loads(pickle.dumps(model)).model_, again.model_):
            assert (other.predict(X_NEW) == model.predict(X_NEW)).all() and other.digest == model.model_.digest
            assert (other.positive, other.decision_threshold) == (0, model.decision_threshold_)
        assert again.result_.record == record
    with pytest.raises(SettingError, match="decision_threshold cannot be given with record="):
        ash.ASHClassifier(record=record, decision_threshold=0.5).fit(X, given["y"])


def test_a_tuned_decision_of_an_ensemble_is_repeated_by_its_record(tmp_path: Path) -> None:
    result = ash.tune(X, Y, candidates=4, scoring="f1", n_jobs=1, validation=0.2)
    ensemble = result.ensemble(4)
    assert ensemble.decision_threshold < 0.4 and ensemble.record.model == ensemble.digest
    assert ash.tune(X, Y, record=ensemble.record).ensemble(4).digest == ensemble.digest


def test_workers_score_the_positive_class() -> None:
    given = {"candidates": 4, "validation": 0.2, "scoring": "average_precision", "pos_label": 0, "verbose": 0}
    with ThreadPoolExecutor(2) as executor:
        elsewhere = ash.tune(X, Y, executor=executor, **given)
    here = ash.tune(X, Y, **given)
    assert elsewhere.digest == here.digest != ash.tune(X, Y, **{**given, "pos_label": 1}).digest
    assert elsewhere.best_score > 0.9


def test_malformed_decisions_in_files_are_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "model", fitted(scoring="f1", candidates=4)
    model.save(path)
    assert read(path)[1]["version"] == 4
    for bad in ([0.5], [0.5, 0.0], [0.5, "x"], "x", [0.5, 1]):
        model.save(path)
        check_refused(path, changed("decision_weights", bad), "decision_weights are not one per class")
    for number in (2, -1, True, "x", None):
        model.save(path)
        check_refused(path, changed("positive", number), "positive is .* which is not one of two classes")


def test_files_without_a_decision_have_the_version_that_earlier_versions_read(tmp_path: Path) -> None:
    fitted(candidates=4).save(tmp_path / "model")
    about = read(tmp_path / "model")[1]
    assert about["version"] == 1 and not {"decision_weights", "positive"} & about.keys()
    assert ash.load(tmp_path / "model").positive == 1


# Probabilities in spite of class weights


@pytest.mark.parametrize("models", [["network"], ["lightgbm"]], ids="-".join)
@pytest.mark.parametrize("more", [{}, {"ensemble": 1, "cv": 3}], ids=str)
def test_probabilities_are_those_of_the_data_in_spite_of_class_weights(
    models: list[str], more: dict[str, Any], tmp_path: Path
) -> None:
    """Before, the mean probability of the 6 % of class 1 was about 0.24."""
    model = fitted(class_weight="balanced", candidates=8, config=ash.SearchConfig(models=models), **more)
    share = model.predict_proba(X_NEW)[:, 1]
    assert abs(share.mean() - Y_NEW.mean()) < 0.035
    assert recall_score(Y_NEW, model.predict(X_NEW)) > 0.65 and model.decision_threshold_ < 0.2
    model.save(tmp_path / "model")
    assert (ash.load(tmp_path / "model").predict_proba(X_NEW) == model.predict_proba(X_NEW)).all()


@pytest.mark.filterwarnings("ignore:Precision is ill-defined")  # parts of the rows without a predicted positive
def test_class_weights_decide_for_scores_without_labels() -> None:
    factors = {0: 1.0, 1: 9.0}
    for scoring in ("roc_auc", "precision"):
        model = fitted(class_weight=factors, candidates=4, scoring=scoring)
        assert model.decision_threshold_ == pytest.approx(0.1)
    assert fitted(class_weight=factors, candidates=4, decision_threshold=None).decision_threshold_ == 0.5


def test_class_weights_of_several_classes_keep_probabilities_and_recall() -> None:
    random = np.random.default_rng(0)
    X3, X3_new = random.normal(size=(1200, 4)), random.normal(size=(4000, 4))
    y3, y3_new = (np.digitize(x[:, 0] + 0.7 * random.normal(size=len(x)), [-1.9, 1.6]) for x in (X3, X3_new))
    labels = np.array(["low", "middle", "high"])
    made = {"candidates": 8, "random_state": 0, "n_jobs": 1}
    weighted = ash.ASHClassifier(class_weight="balanced", **made).fit(X3, labels[y3])
    usual = ash.ASHClassifier(**made).fit(X3, labels[y3])
    truth = labels[y3_new]
    shares = [np.mean(truth == label) for label in weighted.classes_]
    assert np.abs(weighted.predict_proba(X3_new).mean(axis=0) - shares).max() < 0.05
    scores = [balanced_accuracy_score(truth, model.predict(X3_new)) for model in (usual, weighted)]
    assert scores[1] > 0.7 > scores[0] + 0.05
    assert weighted.decision_threshold_.shape == (3,) and weighted.decision_threshold_.sum() == pytest.approx(1)
    assert usual.decision_threshold_.tolist() == [1 / 3] * 3


def test_equal_class_weights_have_no_effect() -> None:
    model, usual = fitted(class_weight={0: 3.0, 1: 3.0}, candidates=4), fitted(candidates=4)
    assert model.model_.digest == usual.model_.digest and model.decision_threshold_ == 0.5


# The function that tunes


def drawn(rows: int, seed: int, classes: int = 2) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return calibrated probabilities, the later the class the rarer, and labels drawn from them."""
    random = np.random.default_rng(seed)
    odds = np.exp(1.5 * random.normal(size=(rows, classes)) - 1.7 * np.linspace(0, 1, classes))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    return probabilities.astype(np.float32), labels


METRICS = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "f1_macro": lambda *y: f1_score(*y, average="macro"),
    "f1_weighted": lambda *y: f1_score(*y, average="weighted"),
}


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("metric", METRICS)
def test_a_tuned_decision_is_nearly_best_on_new_rows(metric: str, classes: int) -> None:
    p, y = drawn(600, 0, classes)
    weights = tune_decision(p, y, None, metric, None)
    p_new, y_new = drawn(20_000, 1, classes)
    best = tune_decision(p_new, y_new, None, metric, None)
    score = METRICS[metric]
    scores = [score(y_new, decide(p_new, each)) for each in (None, weights, best)]
    assert scores[1] > scores[0] - 0.01 and scores[1] > scores[2] - 0.03
    assert weights.sum() == pytest.approx(1) and (weights > 0).all()


@pytest.mark.parametrize("rows", [20, 60, 200, 2000])
def test_few_rows_give_no_freak_threshold(rows: int) -> None:
    """Over many draws, a tuned threshold is as good as the most probable class, and far better with more rows."""
    gains = []
    p_new, y_new = drawn(20_000, 99)
    usual = f1_score(y_new, decide(p_new, None))
    for seed in range(20):
        p, y = drawn(rows, seed)
        gains.append(f1_score(y_new, decide(p_new, tune_decision(p, y, None, "f1", 1))) - usual)
    assert np.mean(gains) > (-0.01 if rows < 100 else 0.02) and min(gains) > -0.2


def test_the_first_class_may_be_the_positive_one() -> None:
    p, y = drawn(500, 4)
    mirrored = tune_decision(p[:, ::-1].copy(), 1 - y, None, "f1", 0)
    assert np.allclose(mirrored, tune_decision(p, y, None, "f1", 1)[::-1])


def test_labels_of_one_class_leave_the_decision_as_it_is() -> None:
    p, y = drawn(50, 5)
    for label in (0, 1):
        weights = tune_decision(p, np.full(50, label), None, "f1", 1)
        assert weights.tolist() == [0.5, 0.5]
    certain = np.eye(2, dtype=np.float32)[y]
    assert (decide(certain, tune_decision(certain, y, None, "f1", 1)) == y).all()

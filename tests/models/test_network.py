"""Tests the public methods of a network: predictions, scores, refused input, copies."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.datasets import load_diabetes, load_wine

import ash
from result_help import network

pytestmark = pytest.mark.core

X, Y = load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def model():
    return ash.tune(X, Y, candidates=8, verbose=0, validation=0.2).model


@pytest.fixture(scope="module")
def regression():
    return ash.tune(*load_diabetes(return_X_y=True), candidates=8, verbose=0, validation=0.2).model


def test_probabilities_are_valid(model):
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), 3) and probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(X)), abs=1e-12)
    assert (model.classes_[probabilities.argmax(axis=1)] == model.predict(X)).all()


def test_predictions_depend_neither_on_threads_nor_on_other_rows(model):
    many = np.tile(X, (20, 1))
    expected = model.predict_proba(many, n_jobs=1)
    assert (model.predict_proba(many, n_jobs=2) == expected).all()
    assert (model.predict_proba(many[5:6]) == expected[5:6]).all()


def test_several_threads_may_share_a_network(model):
    expected = model.predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        for prediction in pool.map(lambda _: model.predict_proba(X), range(40)):
            assert (prediction == expected).all()


def test_scores_match_scikit_learn(model):
    probabilities = model.predict_proba(X)
    expected = {
        "accuracy": metrics.accuracy_score(Y, model.predict(X)),
        "balanced_accuracy": metrics.balanced_accuracy_score(Y, model.predict(X)),
        "log_loss": -metrics.log_loss(Y, probabilities),
        "auc": metrics.roc_auc_score(Y, probabilities, multi_class="ovr"),
    }
    for metric, value in expected.items():
        assert model.score(X, Y, metric) == pytest.approx(value, abs=1e-5)
    assert model.score(X, Y) == expected["accuracy"]


def test_regression_scores_match_scikit_learn(regression):
    data, target = load_diabetes(return_X_y=True)
    prediction = regression.predict(data)
    expected = {
        "r2": metrics.r2_score(target, prediction),
        "rmse": -metrics.root_mean_squared_error(target, prediction),
        "mae": -metrics.mean_absolute_error(target, prediction),
    }
    for metric, value in expected.items():
        assert regression.score(data, target, metric) == pytest.approx(value, rel=1e-5)
    assert regression.score(data, target) == regression.score(data, target, "r2")


def test_unseen_labels_count_as_wrong_or_are_refused(model):
    strange = np.where(Y == 0, 9, Y)
    assert model.score(X, strange) == pytest.approx(np.mean(model.predict(X) == strange))
    assert model.score(X, np.array(["wine"] * len(X))) == 0.0
    with pytest.raises(ash.DataError, match="y holds labels that were not in training: 9"):
        model.score(X, strange, "log_loss")


def test_labels_in_any_container_can_be_scored(model):
    expected = model.score(X, Y, "balanced_accuracy")
    for labels in (Y.tolist(), pd.Series(Y), Y.astype(float), Y.astype(object), Y.reshape(-1, 1)):
        assert model.score(X, labels, "balanced_accuracy") == expected


def test_an_undefined_score_is_nan_with_a_warning(model, regression):
    with pytest.warns(UserWarning, match="auc is undefined on these 3 rows"):
        assert np.isnan(model.score(X[:3], Y[:3], "auc"))
    data, target = load_diabetes(return_X_y=True)
    with pytest.warns(UserWarning, match="r2 is undefined on these 1 rows"):
        assert np.isnan(regression.score(data[:1], target[:1]))


def test_invalid_scores_are_refused(model, regression):
    with pytest.raises(ash.DataError, match=r"y must have shape \(178,\), one label per row of X, got \(5,\)"):
        model.score(X, Y[:5])
    with pytest.raises(ash.SettingError, match="does not fit classification"):
        model.score(X, Y, "r2")
    with pytest.raises(ash.SettingError, match="not known"):
        model.score(X, Y, "jaccard")
    data, target = load_diabetes(return_X_y=True)
    with pytest.raises(ash.DataError, match="NaN"):
        regression.score(data, np.full(len(target), np.nan))
    with pytest.raises(ash.DataError, match=r"y must have shape \(442, 1\), one target per row of X, got \(442, 2\)"):
        regression.score(data, np.column_stack([target, target]))


def test_the_first_of_equally_probable_classes_is_predicted():
    even = network(0.5, {})
    assert even.predict(np.zeros((3, 2))).tolist() == [0] * 3
    assert even.predict_proba(np.zeros((1, 2))).tolist() == [[0.5, 0.5]]
    assert repr(even) == "Network(2-2, linear, 2 classes, validation accuracy 0.5)"

"""Compares the metrics of the core with those of scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics

from ash import _core
from ash.metrics import METRICS

pytestmark = pytest.mark.core

ROWS = [1, 2, 10, 65, 1000]


def labels_and_probabilities(rows, classes, levels, seed):
    """Draw labels [rows], with every class at least once, and float32 probabilities [rows, classes] with ties."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.concatenate([np.arange(classes), draw.integers(classes, size=rows - classes)]))
    weights = draw.integers(1, levels + 1, size=(rows, classes)).astype(np.float64)
    weights[np.arange(rows), labels] += levels / 4
    return labels, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def native(metric, y, predictions, classes=0, **more):
    """Call the core with y as float64 columns, as the Python side does."""
    columns = np.ascontiguousarray(y, dtype=np.float64).reshape(len(predictions), -1)
    return _core.score(metric, columns, np.ascontiguousarray(predictions, dtype=np.float32), classes, **more)


def as_sklearn(probabilities):
    """Return the probabilities in float64, normalized so that their sums are closer to 1 than float32 allows."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("levels", [3, 1000], ids=["ties", "distinct"])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("rows", [rows for rows in ROWS if rows >= 10])
def test_classification(rows, classes, levels):
    y, p = labels_and_probabilities(rows, classes, levels, seed=1)
    labels = p.argmax(axis=1)
    assert native("accuracy", y, p, classes) == metrics.accuracy_score(y, labels)
    balanced = metrics.balanced_accuracy_score(y, labels)
    assert native("balanced_accuracy", y, p, classes) == pytest.approx(balanced, rel=1e-14)
    loss = metrics.log_loss(y, as_sklearn(p), labels=range(classes))
    assert native("neg_log_loss", y, p, classes) == pytest.approx(-loss, rel=1e-6)
    each = [metrics.roc_auc_score(y == k, p[:, k]) for k in range(classes)]
    auc = each[1] if classes == 2 else np.mean(each)
    assert native("roc_auc", y, p, classes) == pytest.approx(auc, rel=1e-13)
    each = [metrics.average_precision_score(y == k, p[:, k]) for k in range(classes)]
    expected = each[1] if classes == 2 else np.mean(each)
    assert native("average_precision", y, p, classes) == pytest.approx(expected, rel=1e-13)
    for average in ("macro", "weighted"):
        expected = metrics.f1_score(y, labels, average=average, zero_division=0)
        assert native(f"f1_{average}", y, p, classes) == pytest.approx(expected, rel=1e-13)
    expected = metrics.matthews_corrcoef(y, labels)
    assert native("matthews_corrcoef", y, p, classes) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    if classes == 2:
        assert native("f1", y, p, 2) == pytest.approx(metrics.f1_score(y, labels), rel=1e-14)
        first = metrics.f1_score(y, labels, pos_label=0)
        assert native("f1", y, p, 2, positive=0) == pytest.approx(first, rel=1e-14)
        assert native("average_precision", y, p, 2, positive=0) == pytest.approx(each[0], rel=1e-13)
        assert native("roc_auc", y, p, 2, positive=0) == native("roc_auc", y, p, 2)
    if classes > 2:  # as_sklearn() rounds again, which may split or create ties
        ovr = metrics.roc_auc_score(y, as_sklearn(p), multi_class="ovr", average="macro")
        assert ovr == pytest.approx(auc, abs=0.01)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(
    ("metric", "sign", "expected"),
    [
        ("r2", 1, metrics.r2_score),
        ("neg_root_mean_squared_error", -1, metrics.root_mean_squared_error),
        ("neg_mean_absolute_error", -1, metrics.mean_absolute_error),
    ],
)
def test_regression(metric, sign, expected, rows, outputs):
    draw = np.random.default_rng(5)
    y = draw.normal(3.0, 2.0, size=(rows, outputs)).astype(np.float32)
    predictions = (y + draw.normal(size=y.shape)).astype(np.float32)
    if metric == "r2" and rows == 1:
        assert math.isnan(native(metric, y, predictions))
        return
    wide = y.astype(np.float64), predictions.astype(np.float64)
    assert native(metric, y, predictions) == pytest.approx(sign * expected(*wide), rel=1e-12)


def test_predictions_of_64_bits_are_not_rounded_to_float_where_targets_are_far_from_zero():
    draw = np.random.default_rng(7)
    y = 2.0**30 + 128.0 * draw.integers(0, 9, size=(50, 1))  # float holds all of them
    predictions = y + draw.normal(size=y.shape)  # float rounds them to multiples of 64 or 128
    expected = metrics.mean_absolute_error(y, predictions)
    found = _core.score("neg_mean_absolute_error", y, predictions, 0)
    assert found == pytest.approx(-expected, rel=1e-4)


@pytest.mark.parametrize("met", [True, False])
def test_r2_of_a_constant_output(met):
    y = np.column_stack([np.full(50, 0.1, dtype=np.float32), np.arange(50, dtype=np.float32)])
    predictions = y if met else y + np.float32(0.5)
    expected = metrics.r2_score(y.astype(np.float64), predictions.astype(np.float64))
    assert native("r2", y, predictions) == pytest.approx(expected, rel=1e-12)


def test_classes_that_do_not_occur():
    y = np.array([0, 0, 2, 2])
    p = np.array([[0.5, 0.2, 0.3], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7]], dtype=np.float32)
    assert native("balanced_accuracy", y, p, 3) == metrics.balanced_accuracy_score(y, p.argmax(axis=1)) == 0.75
    assert math.isnan(native("roc_auc", y, p, 3)) and math.isnan(native("average_precision", y, p, 3))
    assert native("f1_macro", y, p, 3) == metrics.f1_score(y, p.argmax(axis=1), average="macro") == (2 / 3 + 0.8) / 2
    assert native("f1_weighted", y, p, 3) == metrics.f1_score(y, p.argmax(axis=1), average="weighted")
    assert math.isnan(native("f1", y, p, 3))


@pytest.mark.parametrize(("y", "rows"), [([1, 1, 1], 3), ([0, 0], 2), ([1], 1)])
def test_auc_of_one_class_is_undefined(y, rows):
    p = np.tile(np.array([[0.4, 0.6]], dtype=np.float32), (rows, 1))
    assert math.isnan(native("roc_auc", np.array(y), p, 2))


@pytest.mark.parametrize("metric", METRICS["classification"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_predictions_that_are_not_finite(metric, value):
    y, p = labels_and_probabilities(20, 2, 1000, seed=6)
    p[7, 0] = value
    assert math.isnan(native(metric, y, p, 2))


def test_an_unknown_metric_is_refused_with_a_list_of_metrics():
    with pytest.raises(ValueError, match=r"accuracy.*neg_log_loss.*roc_auc.*r2.*neg_root_mean"):
        native("f2", np.zeros(2), np.zeros((2, 1)))

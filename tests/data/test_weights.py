"""Tests sample weights: valid values, and that a row of integer weight k counts as k equal rows (F17, F18, F10)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn import metrics

import ash
from ash.data.row_split import split
from ash.data.table import read_training, read_weights
from ash.errors import DataError
from data_help import mixed_columns, mixed_target, parts_from
from fault_help import quick, small_space, table, targets

pytestmark = pytest.mark.core

NAN = float("nan")
X, Y = table()
XR, YR = targets()


# Valid and invalid weights


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, 2], r"sample_weight\.shape == \(2,\), expected \(3,\): pass one weight per row of X"),
        (np.ones(4), r"sample_weight.shape == \(4,\), expected \(3,\)"),
        ([], r"sample_weight.shape == \(0,\), expected \(3,\)"),
        (np.ones((3, 1)), r"Sample weights must be 1D array or scalar, not of shape \(3, 1\): pass one per row of X"),
        (np.ones((1, 3)), "Sample weights must be 1D array or scalar"),
        ([1, -0.5, 2], r"Negative values in data passed to `sample_weight`: -0.5 in row 1; pass finite numbers"),
        (-1, "Negative values in data passed to `sample_weight`: -1.0 in row 0"),
        ([1, 2, NAN], "Input sample_weight contains NaN: nan in row 2; pass finite numbers of at least 0"),
        ([1, None, 2], "Input sample_weight contains NaN: nan in row 1"),
        (NAN, "Input sample_weight contains NaN"),
        ([1, np.inf, 2], "Input sample_weight contains infinity: inf in row 1"),
        ([1, -np.inf, 2], "Input sample_weight contains infinity: -inf in row 1"),
        ([0, 0, 0], "Sample weights must contain at least one non-zero number: there is no row to learn from"),
        (0.0, "Sample weights must contain at least one non-zero number"),
        (-0.0, "Sample weights must contain at least one non-zero number"),
        (
            ["a", "b", "c"],
            r"sample_weight must hold numbers of at least 0, got another value \(could not convert string",
        ),
        ([1, {}, 2], r"sample_weight must hold numbers of at least 0, got another value \(float\(\) argument must be"),
        pytest.param(
            [1, 10**400, 2],
            r"sample_weight must hold numbers of at least 0, got another value \(int too large to convert",
            id="huge",
        ),
        (
            np.array([1, 2, 3], "M8[s]"),
            r"sample_weight must hold numbers of at least 0, got another value \(its dtype is",
        ),
        ([1j, 1, 1], "Complex data not supported"),
        ([1, [2, 3], 4], "sample_weight cannot be read as an array"),
        (
            "balanced",
            "must be one number per row, got 'balanced'; weights of classes are class_weight='balanced' of",
        ),
        ({0: 1.0, 1: 2.0}, r"must be one number per row, got \{0: 1.0, 1: 2.0\}; weights of classes are"),
        (iter([1, 2, 3]), "sample_weight is a .*iterator"),
        (np.ma.masked_equal([1, 2, 3], 2), "sample_weight is a masked array"),
    ],
)
def test_invalid_weights_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_weights(bad, 3)


def test_weights_can_be_in_any_container() -> None:
    import polars
    import pyarrow

    expected = [1.0, 0.0, 2.5]
    for given in (
        expected,
        tuple(expected),
        np.array(expected, ">f4"),
        np.array([1, 9, 0, 9, 2.5, 9])[::2],
        np.array(expected, object),
        pandas.Series(expected, index=[7, 7, 1]),
        pandas.Series(expected, dtype="Float64"),
        polars.Series(expected),
        pyarrow.array(expected),
    ):
        weights = read_weights(given, 3)
        assert weights is not None
        assert (weights.tolist(), weights.dtype, weights.flags.writeable) == (expected, np.dtype(float), True)
        assert not np.shares_memory(weights, np.asarray(given))
    assert read_weights([True, False, True], 3).tolist() == [1, 0, 1]


def test_equal_weights_count_as_no_weights() -> None:
    for given in (None, 1, 0.25, np.float32(7), np.array(3), [2, 2, 2], np.ones(3)):
        assert read_weights(given, 3) is None
    assert quick(X, Y, sample_weight=3).digest == quick(X, Y).digest == quick(X, Y, sample_weight=[0.1] * 60).digest


# Weights of zero


@pytest.mark.parametrize("weight", [1, 2, 0.1])
def test_equal_weights_beside_zeros_count_as_no_weights(weight: float) -> None:
    weights = np.where(np.arange(60) < 50, weight, 0)
    assert quick(X, Y, sample_weight=weights).digest == quick(X[:50], Y[:50]).digest
    estimator = ash.ASHRegressor(small_space(), candidates=4, random_state=0)
    digest = estimator.fit(XR, YR, weights).result_.digest
    assert digest == estimator.fit(XR[:50], YR[:50]).result_.digest


@pytest.mark.parametrize("seed", [0, 1])
def test_a_row_of_weight_zero_is_ignored(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.permutation([0] * 30 + [1] * 90 + [2] * 30)
    columns = mixed_columns(150)
    x = np.array(list(zip(*columns.values(), strict=True)), object)
    y, labels = mixed_target(columns), np.array(["u", "v", "w"])[random.integers(0, 3, 150)]
    # rows of weight zero get a number out of range, text that is not a boolean, and a level that no other row has
    x[weights == 0, 1:4] = [[10**400, "yes", "violet"]]
    labels[weights == 0] = "x"
    there = weights > 0
    for given, estimator in ((y, ash.ASHRegressor), (labels, ash.ASHClassifier)):
        fits = [
            estimator(small_space(), candidates=8, random_state=0).fit(*data)
            for data in ((x, given, weights), (x[there], given[there], weights[there]))
        ]
        assert fits[0].result_.digest == fits[1].result_.digest
        assert fits[0].result_.model.encoding.names == fits[1].result_.model.encoding.names
    assert fits[0].classes_.tolist() == ["u", "v", "w"]
    schemas = [
        quick(*data, sample_weight=weight).model.encoding.schema
        for *data, weight in ((x, labels, weights), (x[there], labels[there], weights[there]))
    ]
    assert schemas[0] == schemas[1]


def test_classes_task_and_row_count_ignore_rows_of_weight_zero() -> None:
    weights = np.where(Y == 1, 0.0, 1.0)
    with pytest.raises(DataError, match=r"y has only one class \(0, n_samples=\d+\)"):
        read_training(X, Y, sample_weight=weights)
    three = np.where(np.arange(60) < 9, 2, Y)
    read = read_training(X, three, sample_weight=three != 2)
    assert (read.classes_.tolist(), read.rows, read.weights) == ([0, 1], 51, None)
    halves = np.where(np.arange(60) == 5, 0.5, Y)
    assert read_training(X, halves).task == "regression"
    assert read_training(X, halves, sample_weight=np.arange(60) != 5).task == "classification"
    with pytest.raises(DataError, match="n_samples=1: at least 2 rows"):
        read_training(XR, YR, sample_weight=np.arange(60) == 5)


@pytest.mark.parametrize("cell", [NAN, np.inf, None, "unknown"])
def test_a_row_of_weight_zero_needs_no_target(cell: Any) -> None:
    there, y = np.arange(60) != 5, YR.astype(type(cell) if isinstance(cell, float) else object)
    y[5] = cell
    fit, expected = (
        ash.ASHRegressor(small_space(), candidates=4, random_state=0).fit(*data)
        for data in ((XR, y, there), (XR[there], YR[there]))
    )
    assert fit.result_.digest == expected.result_.digest


@pytest.mark.parametrize("metric", ["r2", metrics.make_scorer(metrics.max_error)])
def test_a_validation_row_of_weight_zero_is_ignored(metric: Any) -> None:
    weights = np.arange(30) % 3
    there = weights > 0
    weighted, expected = (
        quick(XR[30:], YR[30:], scoring=metric, validation=data)
        for data in ((XR[:30], YR[:30], weights), (XR[:30][there], YR[:30][there], weights[there]))
    )
    assert weighted.digest == expected.digest


# Integer weights equal repeated rows


def fitted(estimator: Callable[..., Any], *data: Any) -> Any:
    return estimator(candidates=8, random_state=0).fit(*data)


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
@pytest.mark.parametrize("estimator", [ash.ASHClassifier, ash.ASHRegressor])
@pytest.mark.parametrize("kind", ["numbers", "mixed"])
def test_f18_integer_weights_equal_repeated_rows_in_any_order(estimator: Callable[..., Any], kind: str) -> None:
    columns = mixed_columns(120)
    x = np.array(list(zip(*columns.values(), strict=True)), object)
    y = mixed_target(columns)
    if kind == "numbers":
        x = np.random.default_rng(7).normal(size=(120, 4))
    if estimator is ash.ASHClassifier:
        y = np.array(["low", "middle", "high"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]
    weights = np.random.default_rng(8).integers(0, 4, 120)
    expected = fitted(estimator, x, y, weights)
    repeated = np.repeat(np.arange(120), weights)
    for seed in (0, 1):
        order = np.random.default_rng(seed).permutation(120)
        rows = np.random.default_rng(seed).permutation(repeated)
        for given in ((x[order], y[order], weights[order]), (x[rows], y[rows]), (x[rows], y[rows], np.ones(len(rows)))):
            fit = fitted(estimator, *given)
            assert fit.result_.digest == expected.result_.digest
            assert np.array_equal(fit.predict(x), expected.predict(x))
    assert fitted(estimator, x, y).result_.digest != expected.result_.digest


@pytest.mark.parametrize("scale", [0.37, 1000.0], ids=["parts", "too many to repeat"])
def test_other_weights_do_not_depend_on_the_order_of_rows(scale: float) -> None:
    weights = np.random.default_rng(9).integers(1, 9, 60) * scale
    expected = fitted(ash.ASHRegressor, XR, YR, weights)
    order = np.random.default_rng(10).permutation(60)
    assert fitted(ash.ASHRegressor, XR[order], YR[order], weights[order]).result_.digest == expected.result_.digest
    assert fitted(ash.ASHRegressor, XR, YR, weights[order]).result_.digest != expected.result_.digest
    assert parts_from(XR, YR, sample_weight=weights, sort=True).table.rows == 60


# Scores


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        ("accuracy", metrics.accuracy_score),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("log_loss", lambda *given, **w: -metrics.log_loss(*given, **w)),
        ("auc", lambda y, p, **w: metrics.roc_auc_score(y, p[:, 1], **w)),
        ("average_precision", lambda y, p, **w: metrics.average_precision_score(y, p[:, 1], **w)),
        ("f1", metrics.f1_score),
        ("f1_macro", lambda *given, **w: metrics.f1_score(*given, average="macro", **w)),
        ("f1_weighted", lambda *given, **w: metrics.f1_score(*given, average="weighted", **w)),
        ("r2", metrics.r2_score),
        ("rmse", lambda *given, **w: -metrics.root_mean_squared_error(*given, **w)),
        ("mae", lambda *given, **w: -metrics.mean_absolute_error(*given, **w)),
    ],
)
def test_the_score_is_weighted(metric: str, theirs: Callable[..., float]) -> None:
    is_regression = metric in ("r2", "rmse", "mae")
    x, y = (XR, YR) if is_regression else (X, Y)
    weights = np.random.default_rng(11).uniform(0.1, 5, 60)
    result = quick(x, y, sample_weight=weights, scoring=metric, validation=0.5)
    rows = split(read_training(x, y), 0.5, 3)[1]
    probabilities = metric in ("log_loss", "auc", "average_precision")
    model = result.model.with_decision(None)  # the decision with which candidates are scored
    guess = (model.predict_proba if probabilities else model.predict)(x[rows])
    weighted = theirs(y[rows], guess, sample_weight=weights[rows])
    assert result.best_score == pytest.approx(weighted, rel=1e-5)
    assert abs(theirs(y[rows], guess) - weighted) > (1e-4 if metric == "average_precision" else 1e-3)


def test_rows_of_a_validation_table_have_equal_weights() -> None:
    weights = np.random.default_rng(12).uniform(0.1, 5, 60)
    result = quick(XR, YR, sample_weight=weights, scoring="mae", validation=(XR[:20], YR[:20]))
    assert result.best_score == pytest.approx(-np.abs(result.model.predict(XR[:20]) - YR[:20]).mean(), rel=1e-5)
    assert result.digest != quick(XR, YR, scoring="mae", validation=(XR[:20], YR[:20])).digest


# Class weights, and weights of a validation table


SKEWED = np.where(np.arange(len(Y)) % 4 == 0, "rare", "usual")
FIT: dict[str, Any] = {"space": small_space(), "candidates": 4, "random_state": 0, "n_jobs": 1}


def weighted_fit(**given: Any) -> Any:
    weight = given.pop("sample_weight", None)
    return ash.ASHClassifier(**{**FIT, **given}).fit(X, SKEWED, sample_weight=weight)


def test_class_weights_act_as_row_weights() -> None:
    by_hand = weighted_fit(sample_weight=np.where(SKEWED == "rare", 2.5, 1.0))
    for class_weight in ({"rare": 2.5}, {"rare": 2.5, "usual": 1}, {"usual": np.float32(1), np.str_("rare"): 2.5}):
        assert weighted_fit(class_weight=class_weight).result_.digest == by_hand.result_.digest
    assert weighted_fit(class_weight={"usual": 7.0, "rare": 7.0}).result_.digest == weighted_fit().result_.digest
    counts = {label: int(np.count_nonzero(label == SKEWED)) for label in ("rare", "usual")}
    balanced = {label: len(Y) / (2 * count) for label, count in counts.items()}
    assert weighted_fit(class_weight="balanced").result_.digest == weighted_fit(class_weight=balanced).result_.digest


def test_class_weights_multiply_row_weights() -> None:
    weights = np.random.default_rng(0).random(len(Y)) + 0.5
    both = weighted_fit(class_weight={"rare": 3.0}, sample_weight=weights)
    by_hand = weighted_fit(sample_weight=weights * np.where(SKEWED == "rare", 3.0, 1.0))
    assert both.result_.digest == by_hand.result_.digest
    assert weighted_fit(class_weight="balanced", cv=3).best_score_ != weighted_fit(cv=3).best_score_


@pytest.mark.parametrize(
    ("weight", "class_weight"),
    [(1e307, "balanced"), (1e300, {"rare": 1e10}), (1e-300, {"rare": 1e-50, "usual": 1e-50})],
)
def test_products_of_weights_out_of_range_are_refused(weight: float, class_weight: Any) -> None:
    with pytest.raises(DataError, match="sample_weight times class_weight exceeds the range of float64: scale"):
        weighted_fit(class_weight=class_weight, sample_weight=np.linspace(0.5, 1, len(Y)) * weight)


def test_a_fit_with_class_weights_is_repeated() -> None:
    fit = weighted_fit(class_weight={"rare": 3.0})
    again = ash.ASHClassifier(record=fit.result_.record, n_jobs=1).fit(X, SKEWED)
    assert again.model_.digest == fit.model_.digest and again.result_.options.class_weight == (("rare", 3.0),)
    with pytest.raises(ash.SettingError, match="class_weight cannot be given with record="):
        ash.ASHClassifier(record=fit.result_.record, class_weight="balanced").fit(X, SKEWED)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("even", "class_weight must be 'balanced' or a dict of a weight for each label, got 'even'"),
        ([2.0, 1.0], "class_weight must be 'balanced' or a dict"),
        ({"rare": 0}, "class_weight must hold weights above 0, got 0 for 'rare'"),
        ({"rare": NAN}, "class_weight must hold weights above 0"),
        ({"rare": "2"}, "class_weight must hold weights above 0"),
        ({"rar": 2.0}, "class_weight has 'rar', which is not a class of y; the classes are 'rare', 'usual'"),
    ],
)
def test_invalid_class_weights_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(ash.SettingError, match=message):
        weighted_fit(class_weight=bad)


def test_a_validation_table_can_have_weights() -> None:
    held_out = np.arange(len(Y)) % 3 == 0
    rows, labels = X[held_out], SKEWED[held_out]
    weights = np.random.default_rng(1).random(len(rows)) + 0.1
    plain = weighted_fit(validation=(rows, labels), ensemble=1)
    weighted = weighted_fit(validation=(rows, labels, weights), ensemble=1)
    for fit, given in ((plain, None), (weighted, weights)):
        predicted = fit.result_.model.predict(rows)
        assert fit.best_score_ == pytest.approx(metrics.accuracy_score(labels, predicted, sample_weight=given))
    assert (
        weighted_fit(validation=(rows, labels, np.full(len(rows), 2.0)), ensemble=1).model_.digest
        == plain.model_.digest
    )
    with pytest.raises(DataError, match=r"sample_weight.shape == \(2,\)"):
        weighted_fit(validation=(rows, labels, [1.0, 2.0]))
    with pytest.raises(ash.SettingError, match=r"a tuple \(X, y\) or \(X, y, weights\), got a tuple of 4 parts"):
        weighted_fit(validation=(rows, labels, weights, weights))

"""Tests the metrics that rank candidates: built-in metrics, scikit-learn scorers, and user functions (F48)."""

import math
import re
import threading
import time
from typing import Any

import numpy as np
import pandas
import pytest
import sklearn
from sklearn import metrics
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer

import ash
import needs
from ash.errors import AllDivergedError, SettingError
from ash.metrics import ALIASES, METRICS
from estimator_help import cells, classifier, digest, framed, regressor
from fault_help import small_space, table, targets

pytestmark = pytest.mark.core

X, Y = table(120)
X3, Y3 = X, np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])
XR, YR = targets(120)
TRAIN, HELD_OUT = slice(0, 80), slice(80, 120)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 2, 120)


CLASSIFICATION = [*METRICS["classification"], "roc_auc_ovr"]
REGRESSION = [*METRICS["regression"][:3]]
"""The metrics of the squared error. Those of other losses are in test_losses.py."""
DATA: dict[str, tuple[Any, Any, Any]] = {
    "two classes": (classifier, X, Y),
    "two texts": (classifier, X, np.array(["no", "yes"])[Y]),
    "three classes": (classifier, X3, Y3),
    "three texts": (classifier, X3, np.array(["x", "y", "z"])[Y3]),
    "numbers": (regressor, XR, YR),
    "two targets": (regressor, XR, np.column_stack([YR, 10 * np.sin(YR)])),
}
OTHERS = {
    "two classes": [
        *("f1_micro", "matthews_corrcoef", "neg_brier_score", "roc_auc_ovo", "jaccard"),
        *("d2_log_loss_score", "precision", "recall"),
    ],
    "three texts": ["f1_micro", "roc_auc_ovo", "roc_auc_ovr_weighted"],
    "numbers": ["neg_median_absolute_error", "explained_variance", "neg_max_error", "neg_mean_squared_error"],
}
"""scikit-learn scorers that the core does not implement."""
SCORED = [
    *(("two classes", name) for name in CLASSIFICATION),
    *(("two texts", name) for name in CLASSIFICATION if name not in ("f1", "average_precision")),
    *(("three classes", name) for name in CLASSIFICATION if name not in ("f1", "roc_auc")),
    *((kind, name) for kind in ("numbers", "two targets") for name in REGRESSION),
    *((kind, name) for kind, names in OTHERS.items() for name in names),
]


@pytest.mark.parametrize(("kind", "name"), SCORED)
def test_scores_on_held_out_rows_match_scikit_learn(kind: str, name: str) -> None:
    if name not in get_scorer_names():
        needs.not_here(f"this scikit-learn has no scorer {name}")
    make, x, y = DATA[kind]
    usual = {"decision_threshold": None} if make is classifier else {}
    best = make(scoring=name, ensemble=1, validation=(x[HELD_OUT], y[HELD_OUT]), **usual).fit(x[TRAIN], y[TRAIN])
    assert best.best_score_ == pytest.approx(get_scorer(name)(best, x[HELD_OUT], y[HELD_OUT]), abs=1e-6)
    assert best.result_.metric == ALIASES.get(name, name)


def test_native_metrics_are_computed_by_the_core() -> None:
    for name, metric in ALIASES.items():
        estimator, data = (regressor(), (XR, YR)) if metric in REGRESSION else (classifier(), (X, Y))
        assert estimator.set_params(scoring=name).fit(*data).result_.metric == metric
        direct = clone(estimator).set_params(scoring=metric)
        assert digest(direct, *data) == estimator.result_.digest


# The positive class

LABELS: dict[str, tuple[Any, Any, list[Any]]] = {
    "text, the first": (np.array(["no", "yes"]), "no", ["f1", "average_precision", "recall"]),
    "text, the second": (np.array(["no", "yes"]), "yes", ["f1", "average_precision", "precision", "recall"]),
    "0 of 0 and 1": (np.array([0, 1]), 0, ["f1", "average_precision", "jaccard"]),
    "1 of 1 and 2": (np.array([1, 2]), None, ["f1", "average_precision", "recall"]),
    "2 of 1 and 2": (np.array([1, 2]), 2, ["f1", "average_precision"]),
    "True": (np.array([False, True]), None, ["f1", "average_precision"]),
    "False": (np.array([False, True]), False, ["f1", "average_precision"]),
}
"""Labels, `pos_label`, and metrics of the positive class."""
OF_POSITIVE = [(kind, name) for kind, (_, _, names) in LABELS.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), OF_POSITIVE)
def test_the_positive_class_is_that_of_scikit_learn(kind: str, name: str) -> None:
    labels, given, _ = LABELS[kind]
    y, positive = labels[Y], 1 if given is None else given
    best = classifier(
        scoring=name, pos_label=given, ensemble=1, validation=(X[HELD_OUT], y[HELD_OUT]), decision_threshold=None
    ).fit(X[TRAIN], y[TRAIN])
    score = getattr(metrics, f"{name}_score")
    column = best.classes_.tolist().index(positive)
    ranks = name == "average_precision"
    predicted = best.predict_proba(X[HELD_OUT])[:, column] if ranks else best.predict(X[HELD_OUT])
    assert best.best_score_ == pytest.approx(score(y[HELD_OUT], predicted, pos_label=positive), abs=1e-6)
    if name in METRICS["classification"]:
        assert best.model_.score(X[HELD_OUT], y[HELD_OUT], name) == pytest.approx(best.best_score_, abs=1e-6)
    tuned = ash.tune(
        X[TRAIN], y[TRAIN], scoring=name, pos_label=given, validation=(X[HELD_OUT], y[HELD_OUT]), candidates=4
    )
    assert (tuned.model.positive, tuned.metric) == (column, name)


@pytest.mark.parametrize("name", ["f1", "average_precision", "recall"])
def test_text_labels_need_a_positive_class(name: str) -> None:
    _, x, y = DATA["two texts"]
    with pytest.raises(SettingError, match=r"pos_label"):
        classifier(scoring=name).fit(x, y)
    with pytest.raises(SettingError, match=r"pos_label"):
        ash.tune(x, y, scoring=name)
    model = ash.tune(x, y, candidates=4, validation=0.2).model
    if name in METRICS["classification"]:
        with pytest.raises(SettingError, match=r"needs a positive class, .* pass pos_label='no' or pos_label='yes'"):
            model.score(x, y, name)
        assert model.score(x, y, name, pos_label="no") != model.score(x, y, name, pos_label="yes")


def test_a_positive_class_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingError, match=r"pos_label='x' is not a label of y: give 'no' or 'yes'"):
        classifier(pos_label="x").fit(X, np.array(["no", "yes"])[Y])
    with pytest.raises(SettingError, match=r"pos_label='1' is not a label of y: give 0 or 1"):
        ash.tune(X, Y, pos_label="1")
    with pytest.raises(SettingError, match=r"pos_label=1 names one of two classes, but y has 3 classes: leave it out"):
        classifier(pos_label=1).fit(X3, Y3)
    with pytest.raises(SettingError, match=r"pos_label=1 names .* but y has numbers to predict"):
        ash.tune(XR, YR, task="regression", pos_label=1)
    with pytest.raises(SettingError, match=r"pos_label must be a label of y .*, got \[1\]"):
        classifier(pos_label=[1]).fit(X, Y)


# User functions


def test_a_scorer_receives_the_users_rows() -> None:
    frame, labels = framed("pandas"), np.array(["no", "yes"])[np.arange(200) % 2]
    seen = []

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        seen.append((X, y))
        assert set(estimator.classes_) == {"no", "yes"} and estimator.n_features_in_ == 5
        return float(np.mean(estimator.predict(X) == y))

    classifier(scoring=scorer, candidates=2, validation=0.25).fit(frame, labels)
    rows, known = seen[0]
    assert len(rows) == len(known) == 50 and list(rows.columns) == list(frame.columns)
    assert (labels[rows.index.to_numpy()] == known).all()
    pandas.testing.assert_frame_equal(rows, frame.loc[rows.index])


@pytest.mark.parametrize("library", ["numpy", "list", "pandas", "polars", "pyarrow"])
def test_a_scorer_may_predict_other_rows(library: str) -> None:
    table = cells() if library == "numpy" else cells().tolist() if library == "list" else framed(library)
    whole = {}

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        whole["mine"] = estimator.predict_proba(X)
        whole["all"] = estimator.predict_proba(table)
        assert (estimator.predict(table) == estimator.classes_[whole["all"].argmax(axis=1)]).all()
        return -float(np.square(whole["all"][:, 1] - labels).mean())

    labels = np.arange(200) % 2
    fitted = classifier(scoring=scorer, candidates=1, max_rungs=1, refit=False).fit(table, labels)
    assert np.array_equal(fitted.predict_proba(table), whole["all"])
    assert fitted.best_score_ == pytest.approx(-np.square(whole["all"][:, 1] - labels).mean())
    rows = {row.tobytes() for row in whole["all"].round(5)}
    assert {row.tobytes() for row in whole["mine"].round(5)} <= rows


@pytest.mark.parametrize("name", ["f1_micro", "f1_macro", "balanced_accuracy"])
@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
def test_weights_are_used_in_the_score(name: str) -> None:
    """Check that fractional weights are passed to the scorer, while integer weights leave out or repeat rows."""
    seen = []

    def metric(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        seen.append(None if sample_weight is None else len(sample_weight))
        return float(np.average(y_true == y_pred, weights=sample_weight))

    scorer = make_scorer(metric)
    ours = classifier(scoring=scorer).fit(X, Y, WEIGHTS)
    assert set(seen) == {24} and ours.best_score_ != classifier(scoring=scorer).fit(X, Y).best_score_
    assert set(seen) == {24, None}
    by_core = classifier(scoring="accuracy").fit(X, Y, WEIGHTS)
    assert by_core.best_score_ == pytest.approx(ours.best_score_, abs=1e-6)
    counts = np.arange(120) % 4
    weighted = classifier(scoring=name).fit(X, Y, counts)
    repeated = classifier(scoring=name).fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts))
    assert weighted.result_.digest == repeated.result_.digest


def test_a_metric_without_sample_weight_is_called_without_weights() -> None:
    fitted = regressor(scoring="neg_max_error").fit(XR, YR, WEIGHTS)
    assert math.isfinite(fitted.best_score_)
    assert 0 <= classifier(scoring=make_scorer(lambda a, b: np.mean(a == b))).fit(X, Y, WEIGHTS).best_score_ <= 1


def test_a_scorer_is_called_for_each_fold() -> None:
    ours, native = (classifier(scoring=scoring, cv=3).fit(X, Y) for scoring in (get_scorer("accuracy"), "accuracy"))
    assert ours.best_score_ == pytest.approx(native.best_score_, abs=1e-6)
    assert [job.candidate for job in ours.result_.jobs] == [job.candidate for job in native.result_.jobs]


@pytest.mark.parametrize("cv", [None, 3])
def test_a_scorer_is_never_called_twice_at_once(cv: int | None) -> None:
    inside: list[int] = []
    most: list[int] = []

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        inside.append(1)
        time.sleep(0.002)
        most.append(len(inside))
        inside.pop()
        return 0.5

    classifier(scoring=scorer, cv=cv, n_jobs=2).fit(X, Y)
    assert len(most) >= 8 and max(most) == 1


def test_a_scorer_sees_the_scikit_learn_configuration_of_the_caller() -> None:
    seen = set()

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        seen.add(sklearn.get_config()["assume_finite"])
        return 0.5

    with sklearn.config_context(assume_finite=True):
        classifier(candidates=2, scoring=scorer).fit(X, Y)
    assert seen == {True}


# Errors


@pytest.mark.parametrize(
    "error", [RuntimeError("mine"), KeyboardInterrupt(), SystemExit(3), StopIteration(), GeneratorExit()]
)
def test_an_error_in_a_scorer_ends_the_run(error: BaseException) -> None:
    """F48, F86: check that the error is raised at once, the scorer is not called again, and no thread keeps running."""
    before = threading.active_count()
    calls = []

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise error
        return 0.5

    estimator = classifier(scoring=scorer, candidates=500, space=small_space(hidden=ash.integers(2, 64)), n_jobs=2)
    with pytest.raises(type(error)) as raised:
        estimator.fit(X, Y)
    assert raised.value is error and len(calls) == 3
    assert threading.active_count() == before and not hasattr(estimator, "result_")
    assert classifier().fit(X, Y).best_score_ > 0


@pytest.mark.parametrize(
    ("returned", "shown"), [("good", "'good' [(]str"), ("0.5", "'0.5' [(]str"), (None, "None"), (1j, "1j"), ({}, "{}")]
)
def test_a_score_must_be_a_number(returned: Any, shown: str) -> None:
    with pytest.raises(SettingError, match=f"scoring must return a number, got {shown}"):
        classifier(scoring=lambda estimator, X, y: returned).fit(X, Y)


@pytest.mark.parametrize("returned", [1, True, np.float32(1), np.array(1.0), np.array([1.0])])
def test_anything_convertible_to_one_number_is_a_score(returned: Any) -> None:
    assert classifier(candidates=2, scoring=lambda estimator, X, y: returned).fit(X, Y).best_score_ == 1.0


@pytest.mark.parametrize("returned", [math.nan, math.inf, -math.inf])
def test_non_finite_scores_rank_last(returned: float) -> None:
    """F56: check that finite scores rank higher, and that a search without any finite score raises an error."""
    with pytest.raises(
        AllDivergedError, match="scoring='<lambda>' returned no finite number for any of the candidates"
    ):
        classifier(scoring=lambda estimator, X, y: returned).fit(X, Y)
    calls = []

    def mostly(estimator: Any, X: Any, y: Any) -> float:
        calls.append(1)
        return 0.25 if len(calls) == 2 else returned

    assert classifier(scoring=mostly, algorithm="sh", n_jobs=1).fit(X, Y).best_score_ == 0.25


@pytest.mark.parametrize("name", ["explained_variance", "neg_median_absolute_error"])
def test_a_diverged_network_is_not_scored(name: str) -> None:
    space = ash.Space(
        hidden=(4,), learning_rate=ash.choice(1e-2, 1e20, 1e25), optimizer="sgd", learning_rate_schedule="constant"
    )
    scores = regressor(space=space, candidates=3, scoring=name).fit(XR, YR).cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [False, True, True]


@pytest.mark.parametrize("scoring", ["accuracyy", "", ["accuracy"], {"a": "accuracy"}, 3])
def test_invalid_scorers_are_refused(scoring: Any) -> None:
    with pytest.raises(SettingError, match=r"scoring must be one of accuracy, .*, got "):
        classifier(scoring=scoring).fit(X, Y)


@pytest.mark.parametrize(
    ("estimator", "data", "message"),
    [
        (regressor(scoring="neg_log_loss"), (XR, YR), "scoring='neg_log_loss' does not fit regression; give one of r2"),
        (classifier(scoring="r2"), (X, Y), "scoring='r2' does not fit classification; give one of accuracy"),
        (regressor(scoring="neg_brier_score"), (XR, YR), "scoring='neg_brier_score' cannot score these rows: "),
        (classifier(scoring="recall"), (X, np.array(["no", "yes"])[Y]), "cannot score these rows: pos_label=1 is"),
        (classifier(scoring="recall"), (X3, Y3), "scoring='recall' cannot score these rows: Target is multiclass"),
        (classifier(scoring="f1"), (X3, Y3), "metric 'f1' is for 2 classes, but y has 3; give 'f1_macro'"),
        (classifier(scoring="f1"), (X, Y + 2), "'f1' needs a positive class, but y has the labels 2 and 3"),
    ],
)
def test_a_scorer_that_does_not_fit_the_table_is_refused_before_training(
    estimator: Any, data: tuple[Any, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        estimator.set_params(callbacks=[Never()]).fit(*data)


class Never(ash.Callback):
    """A callback that fails when a run starts."""

    def on_start(self, run: ash.Run) -> None:
        raise AssertionError("the run has begun")


def test_a_stop_score_ends_the_run() -> None:
    assert classifier(scoring="f1_micro", stop_score=0.01).fit(X, Y).result_.ended == "stop_score"


@pytest.mark.parametrize("metric", [metrics.accuracy_score, lambda y, predicted: 0.5])
def test_a_metric_in_place_of_a_scorer_is_refused(metric: Any) -> None:
    x, y = load_wine(return_X_y=True)
    match = "must be a function of estimator, X and y, got .*: wrap a metric .* by sklearn.metrics.make_scorer"
    with pytest.raises(SettingError, match=f"scoring {match}"):
        ash.ASHClassifier(candidates=2, scoring=metric).fit(x, y)
    with pytest.raises(SettingError, match=f"scoring {match}"):
        ash.tune(x, y, candidates=2, scoring=metric)

"""Tests estimators that are trained further.

Training for k epochs and then for l more gives the same estimator as k + l epochs at once, and repeats no epoch.
Earlier stages of an estimator can be scored.
"""

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import get_scorer
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ash.errors import SettingError
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS, Rows
from search_help import TARGETS, X, Y, catboost, lightgbm, predicted, rows_for, trained, xgboost

OURS: dict[str, Any] = {
    "forest": RandomForestClassifier(random_state=0),
    "weighted forest": RandomForestClassifier(random_state=0, class_weight="balanced"),
    "extra trees": ExtraTreesRegressor(random_state=0, bootstrap=True),
    "bagging": BaggingClassifier(random_state=0),
    "boosting": GradientBoostingClassifier(random_state=0, subsample=0.7, max_features=3),
    "histograms": HistGradientBoostingRegressor(random_state=0, early_stopping=False),
    "histograms that sample": HistGradientBoostingClassifier(random_state=0, max_features=0.5),
    "linear": SGDClassifier(random_state=0, loss="log_loss"),
    "linear regression": SGDRegressor(random_state=0),
    "network": MLPClassifier((8,), random_state=0),
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.filterwarnings("ignore:class_weight presets")  # a search ignores this warning during the whole run
def test_resumed_scikit_learn_estimators_equal_ones_trained_at_once(name: str) -> None:
    at_once, on = trained(OURS[name], 9), trained(OURS[name], 2, 3, 4)
    assert on.done == 9 and not on.why
    if "histograms" in name or name == "boosting":  # a continued fit sums trees in another order than one fit
        np.testing.assert_allclose(predicted(on), predicted(at_once), rtol=1e-9)
    else:
        np.testing.assert_array_equal(predicted(on), predicted(at_once))


def test_each_estimator_has_a_resource() -> None:
    found = {name: way_of(estimator).resource for name, estimator in OURS.items()}
    assert set(found.values()) == {"n_estimators", "max_iter", "epochs"}
    assert found["histograms"] == "max_iter" and found["network"] == "epochs"
    assert way_of(RandomForestClassifier(40)).usual == 40 and way_of(HistGradientBoostingRegressor()).usual == 100
    rows = [DecisionTreeClassifier(), Ridge(), LogisticRegression(), GaussianNB(), MLPClassifier(early_stopping=True)]
    assert {way_of(each).resource for each in rows} == {"n_samples"}


def test_estimators_whose_partial_fit_needs_more_than_rows_are_retrained() -> None:
    both = np.column_stack([Y > 0, Y > 1]).astype(int)
    for estimator, y in ((SGDClassifier(class_weight="balanced"), Y), (MultiOutputClassifier(SGDClassifier()), both)):
        assert not way_of(estimator).kind and not way_of(estimator, "n_samples").kind
        under = way_of(estimator).begin(estimator)
        under.more(Rows(X, y, {}, np.unique(y)), 200)
        assert under.why and under.estimator.predict(X).shape == y.shape


def test_trees_are_kept() -> None:
    under = trained(OURS["forest"], 5)
    before = list(under.estimator.estimators_)
    under.more(rows_for(under.estimator), 3)
    assert under.estimator.estimators_[:5] == before and len(under.estimator.estimators_) == 8


def test_estimators_without_labels_are_trained_further() -> None:
    under = way_of(IsolationForest()).begin(IsolationForest(random_state=0))
    for _ in range(2):
        under.more(Rows(X, None), 4)
    alone = IsolationForest(n_estimators=8, random_state=0).fit(X)
    np.testing.assert_array_equal(under.estimator.score_samples(X), alone.score_samples(X))


def test_boosting_that_stopped_early_stops_again_when_trained_further() -> None:
    for make in (
        lambda: GradientBoostingClassifier(learning_rate=1.0, n_iter_no_change=2, random_state=0),
        lambda: HistGradientBoostingClassifier(
            learning_rate=1.0, early_stopping=True, n_iter_no_change=2, random_state=0
        ),
    ):
        under = trained(make(), 60, 60)
        rounds = getattr(under.estimator, "n_iter_", None) or under.estimator.n_estimators_
        assert under.done == 120 and rounds < 40


def test_each_pass_uses_all_rows_in_a_different_order() -> None:
    class Counting(SGDClassifier):
        def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
            seen.append((X[:, 0].copy(), y.copy(), classes, sample_weight))
            return super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)

    seen: list[Any] = []
    weights = np.arange(len(Y), dtype=float) + 1
    trained(Counting(random_state=0), 1, 2, sample_weight=weights)
    assert len(seen) == 3 and [each[2] is None for each in seen] == [False, True, True]
    for column, labels, _, weight in seen:
        places = (weight - 1).astype(int)
        assert sorted(places) == list(range(len(Y)))
        assert (column == X[places, 0]).all() and (labels == Y[places]).all()
    assert len({tuple(weight) for *_, weight in seen}) == 3
    seen.clear()
    trained(Counting(shuffle=False), 2)
    assert all((column == X[:, 0]).all() for column, *_ in seen)


def test_naive_bayes_counts_each_row_once() -> None:
    on, alone = trained(GaussianNB(), 40, 100, 999), GaussianNB().fit(X, Y)
    assert on.done == len(Y) and not on.why
    np.testing.assert_allclose(on.estimator.class_count_, alone.class_count_)
    np.testing.assert_allclose(on.estimator.theta_, alone.theta_)


def test_a_single_tree_is_retrained_on_more_rows() -> None:
    class Tree(DecisionTreeRegressor):
        def fit(self, X: Any, y: Any, **params: Any) -> Any:
            sizes.append(len(X))
            return super().fit(X, y, **params)

    sizes: list[int] = []
    under = trained(Tree(random_state=0), 20, 40, 999)
    assert sizes == [20, 60, 300] and under.done == 300
    assert under.why == "Tree cannot be trained further with more rows"
    np.testing.assert_array_equal(predicted(under), DecisionTreeRegressor(random_state=0).fit(X, TARGETS).predict(X))


def test_a_small_sample_of_rows_contains_all_classes() -> None:
    rare = np.where(np.arange(len(Y)) == 250, 7, Y % 2)
    under = way_of(DecisionTreeClassifier()).begin(DecisionTreeClassifier())
    under.more(Rows(X, rare, {}, np.unique(rare)), 5)
    assert list(under.estimator.classes_) == [0, 1, 7]


def test_estimators_that_cannot_be_trained_further_are_retrained() -> None:
    logistic = trained(LogisticRegression(random_state=0), 100, 200, resource="max_iter")
    assert (
        logistic.estimator.max_iter == 300
        and logistic.why == "LogisticRegression cannot be trained further with more max_iter"
    )
    alone = LogisticRegression(max_iter=300, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(predicted(logistic), alone.predict_proba(X))
    bagging = trained(BaggingClassifier(oob_score=True, n_estimators=30, random_state=0), 20, 30)
    assert (
        len(bagging.estimator.estimators_) == 50 and bagging.why == "bagging with oob_score does not support warm_start"
    )
    forest = trained(OURS["forest"], 50, 100, resource="n_samples")
    assert forest.done == 150 and len(forest.estimator.estimators_) == 100


@pytest.mark.filterwarnings("ignore:class_weight presets")
def test_a_state_is_small_and_can_be_pickled() -> None:
    for name, estimator in OURS.items():
        under = trained(estimator, 2)
        under.rest()
        packed = pickle.dumps(under)
        again = pickle.loads(packed)
        again.more(rows_for(estimator), 3)
        np.testing.assert_allclose(predicted(again), predicted(trained(estimator, 5)), rtol=1e-9, err_msg=name)
    tree = trained(DecisionTreeClassifier(), 100)
    tree.rest()
    assert len(pickle.dumps(tree)) < 1000


@pytest.mark.parametrize(
    ("estimator", "resource", "words"),
    [
        (SGDClassifier(), 3, "resource must be 'auto', 'n_samples' or the name of a parameter, got 3"),
        (RandomForestClassifier(), "n_trees", "resource='n_trees' is not a parameter of RandomForestClassifier"),
        (RandomForestClassifier(), "criterion", "'criterion' must name a parameter that counts, but it is 'gini'"),
        (RandomForestClassifier(), "epochs", "resource='epochs' needs an estimator with partial_fit"),
    ],
)
def test_invalid_resources_are_refused(estimator: Any, resource: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        way_of(estimator, resource)


def test_a_candidate_without_partial_fit_is_refused() -> None:
    with pytest.raises(SettingError, match="MLPClassifier with these parameters has no partial_fit"):
        way_of(MLPClassifier()).begin(MLPClassifier(solver="lbfgs"))


# An ensemble truncated to its first trees predicts and scores like a model trained with only that many trees

ALL, FEW = 7, 3


STAGED: dict[str, Any] = {
    "forest": lambda: RandomForestClassifier(random_state=0),
    "boosting": lambda: GradientBoostingClassifier(random_state=0, subsample=0.7),
    "histograms": lambda: HistGradientBoostingClassifier(random_state=0, early_stopping=False),
    "pipeline": lambda: make_pipeline(StandardScaler(), HistGradientBoostingClassifier(random_state=0)),
    "extra trees": lambda: ExtraTreesRegressor(random_state=0),
    "boosting of numbers": lambda: GradientBoostingRegressor(random_state=0),
    "histograms of numbers": lambda: HistGradientBoostingRegressor(random_state=0),
}
LIBRARIES: dict[str, Any] = {
    kind: partial(library, kind, random_state=0, **params)
    for library, kinds, params in (
        (lightgbm, ("LGBMClassifier", "LGBMRegressor"), {"min_child_samples": 5, "colsample_bytree": 0.5}),
        (xgboost, ("XGBClassifier", "XGBRegressor"), {"n_estimators": 100, "subsample": 0.7}),
        (catboost, ("CatBoostClassifier", "CatBoostRegressor"), {"learning_rate": 0.3}),
    )
    for kind in kinds
}


@pytest.mark.parametrize("make", [*STAGED.values(), *LIBRARIES.values()], ids=[*STAGED, *LIBRARIES])
def test_earlier_stages_score_as_they_did_then(make: Any) -> None:
    estimator = make()
    whole, few = trained(estimator, ALL), trained(estimator, FEW)
    assert whole.at(FEW) is not None
    names, y = ("neg_root_mean_squared_error",), TARGETS
    if is_classifier(estimator):
        names, y = ("accuracy", "neg_log_loss", "roc_auc_ovr"), Y
        np.testing.assert_allclose(whole.at(FEW).predict_proba(X), few.estimator.predict_proba(X), rtol=1e-5, atol=1e-6)
    for score in (*map(get_scorer, names), lambda each, x, y: each.score(x, y)):
        assert score(whole.at(FEW), X, y) == pytest.approx(score(few.estimator, X, y), rel=1e-5)
        assert score(whole.at(ALL), X, y) == score(whole.estimator, X, y)


def test_each_estimator_has_a_law_of_its_learning_curve() -> None:
    laws = {name: way_of(make()).begin(make()).law for name, make in STAGED.items()}
    averages = {name: AVERAGE for name in ("forest", "extra trees")}
    assert laws == {**dict.fromkeys(STAGED, ROUNDS), **averages}
    for estimator in (BaggingClassifier(), SGDClassifier()):
        under = trained(estimator, 2)
        assert under.law == "" and under.at(1) is None


def test_a_stage_does_not_change_the_whole_estimator() -> None:
    for make in (STAGED["forest"], STAGED["boosting"], STAGED["histograms"]):
        whole = trained(make(), ALL)
        before = whole.estimator.predict_proba(X)
        whole.at(FEW).predict(X)
        np.testing.assert_array_equal(whole.estimator.predict_proba(X), before)
        assert getattr(whole.estimator, str(whole.parameter)) == ALL


def test_a_stage_lacks_methods_that_it_cannot_provide() -> None:
    stage = trained(STAGED["histograms"](), ALL).at(FEW)
    assert not hasattr(stage, "predict_log_proba") and list(stage.classes_) == [0, 1, 2]
    with pytest.raises(NotImplementedError):
        stage.fit(X, Y)


def test_an_estimator_with_its_own_score_method_has_no_stages() -> None:
    class Own(HistGradientBoostingClassifier):
        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
            return 0.25

    assert trained(Own(), ALL).at(FEW) is None

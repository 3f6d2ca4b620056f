"""An ensemble as it was after its first trees: it predicts and scores like one that was trained for no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import needs
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS
from continuing_help import TARGETS, X, Y, trained

ALL, FEW = 7, 3


def lightgbm(kind: str) -> Any:
    params = {"random_state": 0, "n_jobs": 1, "min_child_samples": 5, "colsample_bytree": 0.5}
    return getattr(needs.package("lightgbm"), kind)(**params)


def xgboost(kind: str) -> Any:
    return getattr(needs.package("xgboost"), kind)(random_state=0, n_jobs=1, n_estimators=100, subsample=0.7)


def catboost(kind: str) -> Any:
    params = {"random_state": 0, "learning_rate": 0.3, "thread_count": 1, "verbose": False}
    return getattr(needs.package("catboost"), kind)(**params)


CLASSIFIERS: dict[str, Any] = {
    "forest": lambda: RandomForestClassifier(random_state=0),
    "boosting": lambda: GradientBoostingClassifier(random_state=0, subsample=0.7),
    "histograms": lambda: HistGradientBoostingClassifier(random_state=0, early_stopping=False),
    "pipeline": lambda: make_pipeline(StandardScaler(), HistGradientBoostingClassifier(random_state=0)),
    "LightGBM": lambda: lightgbm("LGBMClassifier"),
    "XGBoost": lambda: xgboost("XGBClassifier"),
    "CatBoost": lambda: catboost("CatBoostClassifier"),
}
REGRESSORS: dict[str, Any] = {
    "extra trees": lambda: ExtraTreesRegressor(random_state=0),
    "boosting": lambda: GradientBoostingRegressor(random_state=0),
    "histograms": lambda: HistGradientBoostingRegressor(random_state=0),
    "LightGBM": lambda: lightgbm("LGBMRegressor"),
    "XGBoost": lambda: xgboost("XGBRegressor"),
    "CatBoost": lambda: catboost("CatBoostRegressor"),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr", None])
def test_classifiers_score_as_they_did(name: str, scoring: str | None) -> None:
    estimator = CLASSIFIERS[name]()
    whole, few = trained(estimator, ALL), trained(estimator, FEW)
    scorer = get_scorer(scoring) if scoring else lambda each, x, y: each.score(x, y)
    assert scorer(whole.at(FEW), X, Y) == pytest.approx(scorer(few.estimator, X, Y), rel=1e-6)
    assert scorer(whole.at(ALL), X, Y) == scorer(whole.estimator, X, Y)
    np.testing.assert_allclose(whole.at(FEW).predict_proba(X), few.estimator.predict_proba(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("scoring", ["neg_root_mean_squared_error", None])
def test_regressors_score_as_they_did(name: str, scoring: str | None) -> None:
    estimator = REGRESSORS[name]()
    whole, few = trained(estimator, ALL), trained(estimator, FEW)
    scorer = get_scorer(scoring) if scoring else lambda each, x, y: each.score(x, y)
    assert scorer(whole.at(FEW), X, TARGETS) == pytest.approx(scorer(few.estimator, X, TARGETS), rel=1e-5)


def test_nothing_of_the_whole_is_changed() -> None:
    for make in (CLASSIFIERS["forest"], CLASSIFIERS["boosting"], CLASSIFIERS["histograms"]):
        whole = trained(make(), ALL)
        before = whole.estimator.predict_proba(X)
        whole.at(FEW).predict(X)
        np.testing.assert_array_equal(whole.estimator.predict_proba(X), before)
        assert getattr(whole.estimator, str(whole.parameter)) == ALL


def test_laws() -> None:
    laws = {name: way_of(make()).begin(clone(make())).law for name, make in CLASSIFIERS.items() if name in OURS}
    assert laws == {"forest": AVERAGE, "boosting": ROUNDS, "histograms": ROUNDS, "pipeline": ROUNDS}
    for estimator in (BaggingClassifier(), SGDClassifier()):
        under = trained(estimator, 2)
        assert under.law == "" and under.at(1) is None


OURS = ("forest", "boosting", "histograms", "pipeline")


def test_what_an_earlier_stage_cannot_tell_is_not_there() -> None:
    stage = trained(CLASSIFIERS["histograms"](), ALL).at(FEW)
    assert not hasattr(stage, "predict_log_proba") and list(stage.classes_) == [0, 1, 2]
    with pytest.raises(NotImplementedError):
        stage.fit(X, Y)


def test_an_estimator_with_a_score_of_its_own_has_no_stages() -> None:
    class Own(HistGradientBoostingClassifier):
        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
            return 0.25

    assert trained(Own(), ALL).at(FEW) is None

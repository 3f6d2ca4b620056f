"""Weights, groups and other metadata of a search: whom they reach, with metadata routing and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from continuing_help import X, Y
from search_help import SPACE, fitted, forest, search

WEIGHTS = np.where(Y == 0, 5.0, np.linspace(0.1, 1, len(Y)))
GROUPS = np.arange(len(Y)) % 4


def weighted(estimator: Any, folds: Any) -> list[float]:
    """Scores of fits by weights, by weights."""
    scores = []
    for train, test in folds:
        made = sklearn.clone(estimator).fit(X[train], Y[train], sample_weight=WEIGHTS[train])
        scores.append(accuracy_score(Y[test], made.predict(X[test]), sample_weight=WEIGHTS[test]))
    return scores


def of_best(ours: Any) -> list[float]:
    return [ours.cv_results_[f"split{fold}_test_score"][ours.best_index_] for fold in range(ours.n_splits_)]


def best(ours: Any) -> Any:
    return sklearn.clone(ours.best_estimator_)


def test_weights_train_and_score() -> None:
    folds = list(sklearn.model_selection.StratifiedKFold(2).split(X, Y))
    for scoring in (None, "accuracy"):
        ours = search(scoring=scoring).fit(X, Y, sample_weight=WEIGHTS)
        np.testing.assert_allclose(of_best(ours), weighted(best(ours), folds))
        alone = best(ours).fit(X, Y, sample_weight=WEIGHTS)
        np.testing.assert_array_equal(ours.predict_proba(X), alone.predict_proba(X))
    assert search().fit(X, Y, sample_weight=None).result_.digest == fitted().result_.digest


def test_a_scorer_that_knows_no_weights() -> None:
    plain = search(scoring=lambda estimator, X, y: accuracy_score(y, estimator.predict(X)))
    plain.fit(X, Y, sample_weight=WEIGHTS)
    several = search(scoring={"plain": plain.scoring, "known": "accuracy"}, refit="plain")
    several.fit(X, Y, sample_weight=WEIGHTS)
    assert several.cv_results_["mean_test_plain"][several.best_index_] == several.best_score_
    np.testing.assert_array_equal(several.cv_results_["mean_test_plain"], several.cv_results_["mean_test_known"])


def test_parameters_of_a_step() -> None:
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=7, max_depth=4))
    space = {"randomforestclassifier__max_features": [1, 2, 4]}
    ours = search(pipeline, space, candidates=3).fit(X, Y, randomforestclassifier__sample_weight=WEIGHTS)
    alone = best(ours).fit(X, Y, randomforestclassifier__sample_weight=WEIGHTS)
    np.testing.assert_array_equal(ours.predict_proba(X), alone.predict_proba(X))
    assert ours.continued_


def test_routing_gives_each_what_it_asks_for() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        asks = forest().set_fit_request(sample_weight=True)
        ours = search(asks, cv=GroupKFold(2), scoring=scorer).fit(X, Y, sample_weight=WEIGHTS, groups=GROUPS)
        np.testing.assert_allclose(of_best(ours), weighted(best(ours), GroupKFold(2).split(X, Y, GROUPS)))
        expected = scorer(ours.best_estimator_, X, Y, sample_weight=WEIGHTS)
        assert ours.score(X, Y, sample_weight=WEIGHTS) == expected
        unweighted = search(forest().set_fit_request(sample_weight=False), scoring=scorer)
        unweighted.fit(X, Y, sample_weight=WEIGHTS)
        np.testing.assert_array_equal(unweighted.predict_proba(X), best(unweighted).fit(X, Y).predict_proba(X))
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            search(scoring=scorer).fit(X, Y, sample_weight=WEIGHTS)


def test_a_search_is_routed_through() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        inner = search(forest().set_fit_request(sample_weight=True), SPACE, candidates=2, scoring=scorer)
        found = cross_validate(
            inner,
            X,
            Y,
            params={"sample_weight": WEIGHTS},
            cv=2,
            return_estimator=True,
            error_score="raise",
            scoring=scorer,
        )
        assert (found["test_score"] > 0.5).all()
        requests = inner.get_metadata_routing()
        assert requests.consumes("fit", ["sample_weight", "groups"]) == {"sample_weight"}


def test_without_routing_score_takes_no_more() -> None:
    with pytest.raises(ValueError, match=r"score got \['sample_weight'\], which need metadata routing"):
        fitted().score(X, Y, sample_weight=WEIGHTS)

"""Small estimators that can be trained further, of every supported library, with rows and searches for them."""

from typing import Any

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier

import ash
import needs
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import Resumable, Rows
from config_help import configured

X, Y = make_classification(300, 10, n_informative=6, n_classes=3, random_state=0)
TARGETS = make_regression(300, 10, noise=5.0, random_state=0)[1]


def lightgbm(kind: str = "LGBMClassifier", **params: Any) -> Any:
    return getattr(needs.package("lightgbm"), kind)(verbose=-1, n_jobs=1, **params)


def xgboost(kind: str = "XGBClassifier", **params: Any) -> Any:
    return getattr(needs.package("xgboost"), kind)(n_jobs=1, **params)


def catboost(kind: str = "CatBoostClassifier", **params: Any) -> Any:
    made = {"verbose": False, "allow_writing_files": False, "thread_count": 1, **params}
    return getattr(needs.package("catboost"), kind)(**made)


def rows_for(estimator: Any, **params: Any) -> Rows:
    """Return the rows for an estimator, with numeric targets for a regressor and labels otherwise."""
    if is_regressor(estimator):
        return Rows(X, TARGETS, params)
    return Rows(X, Y, params, np.unique(Y))


def trained(estimator: Any, *epochs: int, resource: str = "auto", **params: Any) -> Resumable:
    """Return the training of the estimator after jobs with these numbers of epochs; the training can be continued."""
    under = way_of(estimator, resource).begin(clone(estimator))
    for count in epochs:
        under.more(rows_for(estimator, **params), count)
    return under


def predicted(under: Resumable) -> Any:
    """Return the estimator's probabilities if it has them, else its predictions."""
    method = "predict_proba" if hasattr(under.estimator, "predict_proba") else "predict"
    return getattr(under.estimator, method)(X)


SPACE = {"max_features": [1, 2, 4, 8], "min_samples_leaf": [1, 2, 5]}


def forest(**params: Any) -> RandomForestClassifier:
    """Return a small random forest."""
    return RandomForestClassifier(**{"n_estimators": 14, "max_depth": 5, **params})


def search(estimator: Any = None, space: Any = None, **changes: Any) -> ash.ASHSearchCV:
    """Return a search over eight candidates with two folds."""
    settings: dict[str, Any] = {"candidates": 8, "eta": 2, "cv": 2, "random_state": 0, "n_jobs": 1, **changes}
    return ash.ASHSearchCV(forest() if estimator is None else estimator, space or SPACE, **configured(settings))


def fitted(*given: Any, **changes: Any) -> ash.ASHSearchCV:
    """Create a search with `search`, and return it fitted."""
    return search(*given, **changes).fit(X, Y)

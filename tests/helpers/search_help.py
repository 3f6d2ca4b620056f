"""Searches for tests: cheap ones."""

from typing import Any

from sklearn.ensemble import RandomForestClassifier

import ash
from continuing_help import X, Y

SPACE = {"max_features": [1, 2, 4, 8], "min_samples_leaf": [1, 2, 5]}


def forest(**params: Any) -> RandomForestClassifier:
    """A small one."""
    return RandomForestClassifier(**{"n_estimators": 14, "max_depth": 5, **params})


def search(estimator: Any = None, space: Any = None, **changes: Any) -> ash.ASHSearchCV:
    """A search of eight candidates in two folds."""
    settings: dict[str, Any] = {"candidates": 8, "eta": 2, "cv": 2, "random_state": 0, "n_jobs": 1, **changes}
    return ash.ASHSearchCV(forest() if estimator is None else estimator, space or SPACE, **settings)


def fitted(*given: Any, **changes: Any) -> ash.ASHSearchCV:
    """The same, fitted."""
    return search(*given, **changes).fit(X, Y)

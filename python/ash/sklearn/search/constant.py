"""The score of a constant: where the learning curve of boosting begins, before its first round."""

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _num_samples

from ash.sklearn.resumable.protocol import params_at
from ash.sklearn.search.search_scorers import Scorers
from ash.sklearn.search.trainer import SearchTable, Split


def constant_score(estimator: Any, table: SearchTable, split: Split, scorers: Scorers) -> float | None:
    """Return the score of what predicts the mean of the training rows, or how often each class is among them.

    None where the estimator neither classifies nor regresses, or the scorer asks for more than predictions.
    """
    if table.y is None or not (is_classifier(estimator) or is_regressor(estimator)):
        return None
    constant = DummyClassifier(strategy="prior") if is_classifier(estimator) else DummyRegressor()
    (train, test), count = split, _num_samples(table.X)
    _, y = _safe_split(estimator, table.X, table.y, train)
    X_test, y_test = _safe_split(estimator, table.X, table.y, test, train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of measures that a constant leaves undefined
        constant.fit(np.zeros((len(train), 1)), y)
        return scorers.ranking_of_other(constant, X_test, y_test, params_at(table.score, test, count))

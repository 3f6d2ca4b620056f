"""Estimators that are trained on, for tests: small ones of each library, and the rows they learn from."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression

from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import Continued, Rows

X, Y = make_classification(300, 10, n_informative=6, n_classes=3, random_state=0)
TARGETS = make_regression(300, 10, noise=5.0, random_state=0)[1]


def rows_for(estimator: Any, **params: Any) -> Rows:
    """The rows: labels for a classifier, else numbers."""
    from sklearn.base import is_regressor

    if is_regressor(estimator):
        return Rows(X, TARGETS, params)
    return Rows(X, Y, params, np.unique(Y))


def trained(estimator: Any, *epochs: int, resource: str = "auto", **params: Any) -> Continued:
    """The estimator after jobs of so many epochs."""
    under = way_of(estimator, resource).begin(clone(estimator))
    for count in epochs:
        under.more(rows_for(estimator, **params), count)
    return under


def predicted(under: Continued) -> Any:
    """What it predicts: probabilities where it can."""
    method = "predict_proba" if hasattr(under.estimator, "predict_proba") else "predict"
    return getattr(under.estimator, method)(X)

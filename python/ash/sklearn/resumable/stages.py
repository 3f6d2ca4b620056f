"""An ensemble as it was after its first trees or rounds, for scorers: what the second half has brought tells more.

    forests, boosting of trees in Python   a copy with the first of `estimators_`
    histograms                             the stages that scikit-learn gives: staged_predict, staged_predict_proba, ...
    LightGBM, XGBoost, CatBoost            the argument of `predict` that takes so many rounds

Nothing is trained, and nothing of the ensemble is changed. What cannot be had as it was is not there: None, or an
AttributeError of the scorer's.
Cost: that of a prediction by so many trees.
"""

import copy
from itertools import islice
from typing import Any

from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score

METHODS = ("predict", "predict_proba", "decision_function")
SCORES_USUALLY = ("sklearn.base", "catboost.core")
"""Where `score` is defined that is accuracy or R2."""


def first_trees(ensemble: Any, count: int) -> Any:
    """Return an ensemble of the first trees of one that keeps them in `estimators_`."""
    made = copy.copy(ensemble)
    made.estimators_ = ensemble.estimators_[:count]
    return made.set_params(n_estimators=count)


class Stage:
    """A fitted estimator that predicts as it did after its first rounds, and says of itself what it says.

    Parameters
    ----------
    estimator : estimator
        With rounds; it is not changed.
    count : int
        How many of them.
    argument : str or None
        The parameter of its methods that limits the rounds; None: it has staged ones.
    """

    def __init__(self, estimator: Any, count: int, argument: str | None) -> None:
        self._estimator, self._count, self._argument = estimator, count, argument

    def __getattr__(self, name: str) -> Any:
        if name == "_estimator":  # of a copy that is being made
            raise AttributeError(name)
        if name.startswith("predict") and name not in METHODS:
            raise AttributeError(f"{name} of an earlier stage is not known")
        if name not in METHODS:
            return getattr(self._estimator, name)
        return self._limited(name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Any:
        """Raise: it is there since a scorer asks for it."""
        raise NotImplementedError("an earlier stage is not fitted again")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy or R2, as the estimator's own method does."""
        metric = accuracy_score if is_classifier(self) else r2_score
        return float(metric(y, self.predict(X), sample_weight=sample_weight))

    def _limited(self, name: str) -> Any:
        """Return a method of this name, which scorers look at, for the first rounds."""
        if self._argument is None:
            staged = getattr(self._estimator, f"staged_{name}")

            def method(X: Any) -> Any:
                *_, last = islice(staged(X), self._count)
                return last

        else:
            found = getattr(self._estimator, name)
            limit = {self._argument: (0, self._count) if "range" in self._argument else self._count}

            def method(X: Any) -> Any:
                return found(X, **limit)

        method.__name__ = name
        return method


def stage(estimator: Any, count: int, argument: str | None = None) -> Any:
    """Return a `Stage`, None where the estimator has a `score` of its own."""
    usual = getattr(getattr(type(estimator), "score", None), "__module__", "") in SCORES_USUALLY
    return Stage(estimator, count, argument) if usual else None

"""What a search does after `fit`, all of it by the estimator that was fitted to all rows: `best_estimator_`."""

import copy
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ash.sklearn.search.routing import is_on
from ash.sklearn.search.search_scorers import read_scorers


def _has(name: str) -> Callable[[Any], bool]:
    """Return a check whether the estimator of a search has a method; AttributeError says why not."""

    def check(search: Any) -> bool:
        if not search.refit:
            raise AttributeError(
                f"This {type(search).__name__} instance was initialized with `refit={search.refit!r}`: {name} is "
                "available only after refitting on the best parameters; fit an estimator by `best_params_` yourself"
            )
        getattr(search.best_estimator_ if hasattr(search, "best_estimator_") else search.estimator, name)
        return True

    return check


def _delegated(name: str, what: str) -> Any:
    """Return a method that is there where the estimator has one of this name."""

    def method(self: Any, X: Any) -> Any:
        check_is_fitted(self)
        return getattr(self.best_estimator_, name)(X)

    method.__name__ = name
    method.__doc__ = f"""Return {what}, by the best estimator.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            As the estimator takes it.

        Returns
        -------
        ndarray or DataFrame
            What `best_estimator_` gives back. Only with `refit`, and of estimators that have this method.
        """
    return available_if(_has(name))(method)


class Delegates(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """The methods and attributes of a fitted search."""

    predict = _delegated("predict", "predictions")
    predict_proba = _delegated("predict_proba", "the probability of each class")
    predict_log_proba = _delegated("predict_log_proba", "the logarithm of the probability of each class")
    decision_function = _delegated("decision_function", "the values of the decision function")
    score_samples = _delegated("score_samples", "a score of each row")
    transform = _delegated("transform", "transformed rows")
    inverse_transform = _delegated("inverse_transform", "rows that would be transformed to these")

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the score of the best estimator, by `scoring`; of several scores the one that `refit` names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
        **params
            For the scorer, with metadata routing.

        Returns
        -------
        float
        """
        _has("score" if self.scoring is None else "fit")(self)
        check_is_fitted(self)
        if params and not is_on():
            raise ValueError(
                f"score got {sorted(params)}, which need metadata routing: "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        given = dict(process_routing(self, "score", **params).scorer.score) if is_on() else {}
        scorers = read_scorers(self.estimator, self.scoring, self.refit)
        return scorers.measure(self.best_estimator_, X, y, given)[scorers.ranks]

    @property
    def n_features_in_(self) -> int:
        """Return how many columns `fit` has seen, as the best estimator says."""
        try:
            check_is_fitted(self)
        except NotFittedError as error:
            raise AttributeError(f"{type(self).__name__} object has no n_features_in_ attribute.") from error
        return int(self.best_estimator_.n_features_in_)

    @property
    def classes_(self) -> Any:
        """Return the labels, of a classifier."""
        _has("classes_")(self)
        return self.best_estimator_.classes_

    def get_metadata_routing(self) -> Any:
        """Return which parameters of `fit` and `score` go to estimator, scorer and splitter: a MetadataRouter."""
        router = MetadataRouter(owner=self)
        router.add(estimator=self.estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
        scoring = MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score")
        router.add(scorer=read_scorers(self.estimator, self.scoring, self.refit).scorer, method_mapping=scoring)
        router.add(splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        return router

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = copy.deepcopy(inner.classifier_tags)
        tags.regressor_tags = copy.deepcopy(inner.regressor_tags)
        tags.target_tags = copy.deepcopy(inner.target_tags)
        tags.input_tags = copy.deepcopy(inner.input_tags)
        return tags

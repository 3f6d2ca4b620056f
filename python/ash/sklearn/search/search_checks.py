"""Arguments of a search, checked before anything is trained."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from ash.errors import DataError, SettingError
from ash.space.function_space import FunctionSpace, function_space


def check_arguments(estimator: Any, refit: Any, error_score: Any) -> None:
    """Raise SettingError unless estimator, refit and error_score are what they may be."""
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params") or isinstance(estimator, type):
        raise SettingError(f"estimator={estimator!r} is not allowed; give an instance with fit and get_params")
    if not isinstance(refit, bool | str | np.bool_) and not callable(refit):
        raise SettingError(f"refit={refit!r} is not allowed; give True, False, a name of a score, or a function")
    if not (error_score == "raise" if isinstance(error_score, str) else isinstance(error_score, Real)):
        raise SettingError(f"error_score={error_score!r} is not allowed; give a number, or 'raise'")


def checked_space(space: Any, estimator: Any) -> FunctionSpace:
    """Return the argument `space`, or raise SettingError unless the estimator has all its hyperparameters."""
    read = function_space(space)
    for name, domains in read.domains.items():
        try:
            clone(estimator).set_params(**{name: domains[0].levels[0]})
        except (ValueError, TypeError, AttributeError) as error:
            listed = ", ".join(sorted(estimator.get_params(deep=True)))[:400]
            who = type(estimator).__name__
            raise SettingError(
                f"space has {name!r}, which is no parameter of {who} ({error}); it has {listed}"
            ) from None
    return read


def labels_of(estimator: Any, y: Any) -> Any:
    """Return all labels of a classifier's y, None where there are none; raise DataError unless y is of its kind."""
    if y is None and get_tags(estimator).target_tags.required:
        raise DataError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    if y is None or not is_classifier(estimator):
        return None
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise DataError(f"y: {error}") from None
    kinds = ("binary", "multiclass", "multilabel-indicator")
    return unique_labels(y) if type_of_target(y) in kinds else None

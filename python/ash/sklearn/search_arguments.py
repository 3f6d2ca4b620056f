"""Checks the arguments of a search before anything is trained, and routes the parameters of its `fit`.

With metadata routing (`sklearn.set_config(enable_metadata_routing=True)`) the estimator, the scorer and the splitter
each get the parameters that they have requested. Without it, the split gets `groups`, the estimator gets all other
parameters, and scorers that accept `sample_weight` get it, too, as in scikit-learn since 1.9. So weighted training is
scored with the same weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Number, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import _num_samples

from ash._utils.checks import is_integer
from ash.data.row_split import divided, is_apart
from ash.data.table import Codes, count_groups, read_groups
from ash.errors import DataError, SettingError
from ash.metrics import did_you_mean
from ash.scoring.scorers import takes_weights
from ash.sklearn.estimator_space import EstimatorSpace
from ash.sklearn.resumable.choose import Way
from ash.sklearn.search_ladder import Rungs
from ash.space.hyperparameters import Params

SCORE = "score"


def check_arguments(estimator: Any, refit: Any, error_score: Any) -> None:
    """Raise SettingError unless the arguments `estimator`, `refit` and `error_score` are valid."""
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params") or isinstance(estimator, type):
        raise SettingError(f"estimator must be an instance with fit and get_params, got {estimator!r}")
    if not isinstance(refit, bool | str | np.bool_) and not callable(refit):
        raise SettingError(f"refit must be True, False, the name of a score, or a function, got {refit!r}")
    if not (error_score == "raise" if isinstance(error_score, str) else isinstance(error_score, Real)):
        raise SettingError(f"error_score must be a number, or 'raise', got {error_score!r}")


def labels_of(estimator: Any, y: Any) -> Any:
    """Return all class labels in y, or None if there are none; raise DataError if y does not fit the estimator."""
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


@dataclass(frozen=True)
class Scorers:
    """The scores to measure, and the name of the score that ranks the candidates."""

    scorer: Any
    """A function ``scorer(estimator, X, y)`` that returns a number, or a dict of numbers by name."""
    ranks: str
    """The name of the score that ranks the candidates; "score" if there is a single score without a name."""

    def measure(self, estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the scores of an estimator by name.

        Raises
        ------
        SettingError
            The scorer returned values that are not numbers, or a dict without the score that ranks candidates.
        """
        given = self.scorer(estimator, X, **params) if y is None else self.scorer(estimator, X, y, **params)
        if not isinstance(given, dict):
            return {SCORE: _number(given, self.scorer)}
        if self.ranks not in given:
            raise SettingError(_which_ranks(self.ranks if self.ranks != SCORE else True, list(given)))
        return {name: _number(value, name) for name, value in given.items()}

    def ranking_of_other(self, other: Any, X: Any, y: Any, params: Mapping[str, Any]) -> float | None:
        """Return the ranking score of `other`, which can only predict; None if the scorer needs other methods."""
        try:
            return self.ranking(self.measure(other, X, y, params))
        except Exception:  # a user's scorer may use any attribute of an estimator
            return None

    def ranking(self, scores: Mapping[str, float]) -> float:
        """Return the score that ranks the candidates."""
        return scores[self.ranks] if self.ranks in scores else next(iter(scores.values()))


def read_scorers(estimator: Any, scoring: Any, refit: Any) -> Scorers:
    """Return the scorers for the arguments `scoring` and `refit`.

    Raises
    ------
    SettingError
        `scoring` is not a scorer, or it has several scores and `refit` does not name one of these.
    """
    named = isinstance(refit, str)
    if callable(scoring):
        return Scorers(scoring, refit if named else SCORE)
    _check_names(scoring)
    try:
        scorer = check_scoring(estimator, scoring=scoring)
    except (ValueError, TypeError) as error:
        raise SettingError(f"scoring={scoring!r} cannot be used: {error}") from None
    if scoring is None or isinstance(scoring, str):
        return Scorers(scorer, SCORE)
    names = list(scoring)
    if not named or refit not in names:
        raise SettingError(_which_ranks(refit, names))
    return Scorers(scorer, refit)


def _check_names(scoring: Any) -> None:
    """Raise SettingError if scikit-learn has no scorer with a given name; the message suggests similar names."""
    listed = list(scoring.values()) if isinstance(scoring, Mapping) else scoring
    known = get_scorer_names()
    for name in listed if isinstance(listed, list | tuple | set) else [listed]:
        if isinstance(name, str) and name not in known:
            raise SettingError(
                f"scoring={scoring!r} cannot be used: scikit-learn has no scorer {name!r}; give a name that "
                "sklearn.metrics.get_scorer_names() lists, or a function of estimator, X and y"
                f"{did_you_mean(name, known)}"
            )


class SearchPlan(NamedTuple):
    """The plan of a search: its space, way of training, number of candidates, first candidates, ladder and seed."""

    space: EstimatorSpace
    way: Way
    candidates: int | None
    first: Sequence[Params] | None
    rungs: Rungs
    seed: int


class Routed(NamedTuple):
    """The parameters of `fit` for the estimator, the scorer and the splitter."""

    fit: dict[str, Any]
    score: dict[str, Any]
    split: dict[str, Any]


def is_on() -> bool:
    """Return whether metadata routing is enabled."""
    return bool(get_config()["enable_metadata_routing"])


def routed(search: Any, scorer: Any, params: dict[str, Any]) -> Routed:
    """Route the parameters of a search's `fit`; parameters that are None are left out."""
    params = {name: value for name, value in params.items() if value is not None}
    if is_on():
        found = process_routing(search, "fit", **params)
        return Routed(dict(found.estimator.fit), dict(found.scorer.score), dict(found.splitter.split))
    groups = params.pop("groups", None)
    weights = params.get("sample_weight")
    weighed = weights is not None and _accepts_weights(scorer, search.estimator)
    return Routed(params, {"sample_weight": weights} if weighed else {}, {} if groups is None else {"groups": groups})


def splits_of(
    cv: Any, X: Any, y: Any, params: Mapping[str, Any], *, classifies: bool
) -> tuple[list[Any], Codes | None]:
    """Return the training and test rows of each fold, and the groups, for `cv` and the parameters of the split.

    Groups are kept together. For a number of folds, this is done by StratifiedGroupKFold for classes, else GroupKFold.

    Raises
    ------
    SettingError
        There are no folds, or `cv` divides a group.
    """
    codes = read_groups(params.get("groups"), _num_samples(X))
    splitter = check_cv(cv, y, classifier=classifies)
    if codes is not None and (cv is None or is_integer(cv)):
        by_class, folds = isinstance(splitter, StratifiedKFold), splitter.get_n_splits()
        if folds > count_groups(codes):
            raise SettingError(
                f"cv={cv} needs {folds} groups, one per fold, but there are {count_groups(codes)}: lower cv"
            )
        splitter = (StratifiedGroupKFold if by_class else GroupKFold)(folds)
    splits = list(splitter.split(X, y, **params))
    if not splits:
        raise SettingError(f"cv must give at least one pair of training and test rows, got {cv!r}")
    for fold, (training, test) in enumerate(splits):
        if codes is not None and not is_apart(codes, training, test):
            raise divided(fold)
    return splits, codes


def _accepts_weights(scorer: Any, estimator: Any) -> bool:
    """Return whether a scorer accepts `sample_weight`; for a combination of scorers, whether all accept it."""
    parts = getattr(scorer, "_scorers", None)
    if isinstance(parts, dict):
        return all(_accepts_weights(part, estimator) for part in parts.values())
    return takes_weights(scorer, estimator)


def _number(given: Any, what: Any) -> float:
    value = given.item() if hasattr(given, "item") and getattr(given, "size", 1) == 1 else given
    if not isinstance(value, Number) or isinstance(value, complex):
        raise SettingError(f"scoring must return a number, got {given!r} ({type(given).__name__}) instead ({what})")
    return float(value)  # type: ignore[arg-type]


def _which_ranks(refit: Any, names: list[str]) -> str:
    listed = ", ".join(map(repr, names))
    return f"refit={refit!r} does not say which of several scores ranks the candidates: give one of {listed}"

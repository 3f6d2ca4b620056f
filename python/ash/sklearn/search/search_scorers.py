"""`scoring` and `refit` of a search: one scorer or several, and which of them ranks the candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

from sklearn.metrics import check_scoring

from ash.errors import SettingError
from ash.scoring.scorers import takes_weights

SCORE = "score"


@dataclass(frozen=True)
class Scorers:
    """What is measured of an estimator.

    Attributes
    ----------
    scorer : callable
        ``scorer(estimator, X, y) -> number``, or a dict of numbers by name.
    ranks : str
        The name of the one that ranks; "score" where there is a single one without a name.
    """

    scorer: Any
    ranks: str

    def measure(self, estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> dict[str, float]:
        """Return its scores by name.

        Raises
        ------
        SettingError
            It gives no number, or none of the name that ranks.
        """
        given = self.scorer(estimator, X, **params) if y is None else self.scorer(estimator, X, y, **params)
        if not isinstance(given, dict):
            return {SCORE: _number(given, self.scorer)}
        if self.ranks not in given:
            raise SettingError(_which_ranks(self.ranks if self.ranks != SCORE else True, list(given)))
        return {name: _number(value, name) for name, value in given.items()}

    def ranking_of_other(self, other: Any, X: Any, y: Any, params: Mapping[str, Any]) -> float | None:
        """Return which ranks of the scores of what is not the estimator, but predicts; None where that does not do."""
        try:
            return self.ranking(self.measure(other, X, y, params))
        except Exception:  # a scorer of the user's may ask for anything that an estimator has
            return None

    def ranking(self, scores: Mapping[str, float]) -> float:
        """Return which of them ranks candidates."""
        return scores[self.ranks] if self.ranks in scores else next(iter(scores.values()))


def read_scorers(estimator: Any, scoring: Any, refit: Any) -> Scorers:
    """Return the arguments `scoring` and `refit`.

    Raises
    ------
    SettingError
        It is no scorer, or of several none is named that ranks.
    """
    named = isinstance(refit, str)
    if callable(scoring):
        return Scorers(scoring, refit if named else SCORE)
    try:
        scorer = check_scoring(estimator, scoring=scoring)
    except (ValueError, TypeError) as error:
        raise SettingError(f"scoring={scoring!r} is not allowed: {error}") from None
    if scoring is None or isinstance(scoring, str):
        return Scorers(scorer, SCORE)
    names = list(scoring)
    if not named or refit not in names:
        raise SettingError(_which_ranks(refit, names))
    return Scorers(scorer, refit)


def accepts_weights(scorer: Any, estimator: Any) -> bool:
    """Return whether a scorer takes `sample_weight`, each of several where there are some."""
    parts = getattr(scorer, "_scorers", None)
    if isinstance(parts, dict):
        return all(accepts_weights(part, estimator) for part in parts.values())
    return takes_weights(scorer, estimator)


def _number(given: Any, what: Any) -> float:
    value = given.item() if hasattr(given, "item") and getattr(given, "size", 1) == 1 else given
    if not isinstance(value, Number) or isinstance(value, complex):
        raise SettingError(f"scoring must return a number, got {given!r} ({type(given).__name__}) instead ({what}).")
    return float(value)  # type: ignore[arg-type]


def _which_ranks(refit: Any, names: list[str]) -> str:
    listed = ", ".join(map(repr, names))
    return f"refit={refit!r} does not say which of several scores ranks the candidates; give one of {listed}"

"""The importance of each hyperparameter for the rank of a candidate: permutation importance of a random forest.

    candidates -> fifths -> a forest on the other four predicts the ranks of one -> the same with one hyperparameter
                            shuffled among the candidates of that fifth: by how much is the squared error larger?

The forest (Breiman, Random Forests, Machine Learning 45, 2001, section 10) predicts candidates that it has not seen. An
importance of splits, or a shuffle of the training candidates, would credit noise to hyperparameters with many values
(Strobl et al., BMC Bioinformatics 8:25, 2007). Functional analysis of variance (Hutter et al., ICML 2014) averages over
the whole space, most of which is bad; here only the candidates of the run count. Except for conditions, the
hyperparameters of a candidate are drawn independently, so a shuffle makes configurations that could have been drawn. A
conditional hyperparameter is shuffled among the candidates that have it; the effect of its presence counts for the
hyperparameter that decides on it.

Order: seeded, one thread, no times, so equal recorded jobs give equal shares.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash.history.chart_data import ParameterAxis, varying_axes
from ash.history.records import standing_of

if TYPE_CHECKING:
    from ash.history.history import History

LEAST = 20
"""The least candidates with a job; with fewer, a fifth would be too small."""

MOST = 1024
"""The most candidates on which a forest is grown; more are evenly subsampled."""

FOLDS, TREES, SHUFFLES = 5, 100, 5
SEED = 0

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Importance:
    """The importances that a forest has found.

    Attributes
    ----------
    shares : dict of str to float
        For each hyperparameter, in the order of the space; they add up to 1, or are NaN if nothing can be said.
    explained : float
        The share of the variance of the ranks that the forest explains for candidates that it has not seen (R2); NaN if
        there was no forest.
    candidates : int
        The number of candidates used.
    """

    shares: dict[str, float]
    explained: float
    candidates: int


def importance_of(result: "History") -> Importance:
    """Return the importance of the hyperparameters of a run; see `Result.importance`."""
    names = list(dict.fromkeys(name for params in result.params for name in params))
    ranks = standing_of(result.columns, len(result.params)).rank
    rows = np.flatnonzero(~np.isnan(ranks))
    rows = rows[:: max(1, math.ceil(len(rows) / MOST))]
    axes = varying_axes(result, rows.tolist())
    unknown = dict.fromkeys(names, math.nan)
    if len(rows) < LEAST or not axes or np.ptp(ranks[rows]) == 0:
        return Importance(unknown, math.nan, len(rows))
    shuffled, error = _errors(_table(axes), ranks[rows], [axis.level >= 0 for axis in axes])
    explained = 1.0 - error / float(ranks[rows].var())
    gains = np.maximum(shuffled - error, 0.0)
    if explained <= 0 or gains.sum() == 0:
        return Importance(unknown, explained, len(rows))
    shares = {axis.name: float(share) for axis, share in zip(axes, gains / gains.sum(), strict=True)}
    return Importance(unknown | shares, explained, len(rows))


def _table(axes: list[ParameterAxis]) -> Numbers:
    """Return a column for each hyperparameter, from 0 to 1; 0.5 if a candidate does not have it."""
    columns = np.column_stack([axis.of_candidates(axis.shares) for axis in axes])
    return np.where(np.isnan(columns), 0.5, columns)


def _errors(X: Numbers, y: Numbers, has: list[NDArray[np.bool_]]) -> tuple[Numbers, float]:
    """Return the mean squared error [columns] on held-out rows with each column shuffled, and without shuffling."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold

    generator = np.random.default_rng(SEED)
    shuffled, error = np.zeros(X.shape[1]), 0.0
    for training, held_out in KFold(FOLDS, shuffle=True, random_state=SEED).split(X):
        forest = RandomForestRegressor(TREES, max_features=1 / 3, min_samples_leaf=2, n_jobs=1, random_state=SEED)
        forest.fit(X[training], y[training])
        tables = [X[held_out]]
        for column, own in enumerate(has):
            tables += [_shuffle(X[held_out], column, own[held_out], generator) for _ in range(SHUFFLES)]
        losses = ((forest.predict(np.concatenate(tables)).reshape(len(tables), -1) - y[held_out]) ** 2).sum(axis=1)
        error += float(losses[0])
        shuffled += losses[1:].reshape(-1, SHUFFLES).mean(axis=1)
    return shuffled / len(y), error / len(y)


def _shuffle(rows: Numbers, column: int, own: NDArray[np.bool_], generator: Any) -> Numbers:
    """Return the rows with a column shuffled among those that have it."""
    changed = rows.copy()
    changed[own, column] = generator.permutation(rows[own, column])
    return changed

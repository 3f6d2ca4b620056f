"""Computes the importance of each hyperparameter for a candidate's rank, by permutation with a random forest.

The candidates are split into five folds. A forest trained on four folds predicts the ranks in the fifth. Then each
hyperparameter is shuffled among the held-out candidates, and its importance is the increase in squared error.

The forest (Breiman, Random Forests, Machine Learning 45, 2001, section 10) predicts held-out candidates. Split-based
importance, or shuffling the training candidates, would favor hyperparameters with many values even if they are noise
(Strobl et al., BMC Bioinformatics 8:25, 2007). Functional analysis of variance (Hutter et al., ICML 2014) averages over
the whole space, most of which has bad scores. This module uses only the run's candidates. Apart from conditions, the
hyperparameters of a candidate are drawn independently, so shuffling gives configurations that could have been drawn. A
conditional hyperparameter is shuffled among the candidates that have it. The effect of its presence is credited to the
hyperparameter in its condition.

Determinism: the forest is seeded, runs on one thread and does not depend on times, so equal recorded jobs give equal
shares.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash.history.chart_data import varying_axes
from ash.history.records import standing_of

if TYPE_CHECKING:
    from ash.history.history import History

LEAST = 20
"""The minimum number of candidates with a job. With fewer, a fold would be too small, so no importance is computed."""

MOST = 1024
"""The maximum number of candidates that are used; larger runs are evenly subsampled."""

FOLDS, TREES, SHUFFLES = 5, 100, 5
SEED = 0


@dataclass(frozen=True, eq=False)
class Importance:
    """The importances of the hyperparameters of a run.

    Attributes
    ----------
    shares : dict of str to float
        The share of each hyperparameter, in order of first occurrence. Shares add up to 1. A share is NaN if the
        hyperparameter has only one value; all are NaN if no importance can be computed.
    explained : float
        The share of the variance of the ranks that the forests explain for held-out candidates (R2); NaN if no forest
        was trained.
    candidates : int
        The number of candidates used.
    """

    shares: dict[str, float]
    explained: float
    candidates: int


def importance_of(result: "History") -> Importance:
    """Return the importance of the hyperparameters of a run; see `Result.hyperparameter_importance`."""
    names = list(dict.fromkeys(name for params in result.params for name in params))
    ranks = standing_of(result.columns, len(result.params)).rank
    rows = np.flatnonzero(~np.isnan(ranks))
    rows = rows[:: max(1, math.ceil(len(rows) / MOST))]
    axes = varying_axes(result, rows.tolist())
    unknown = dict.fromkeys(names, math.nan)
    if len(rows) < LEAST or not axes or np.ptp(ranks[rows]) == 0:
        return Importance(unknown, math.nan, len(rows))
    positions = np.column_stack([axis.of_candidates(axis.shares) for axis in axes])
    # A candidate that does not have the hyperparameter is put in the middle of its axis.
    table = np.where(np.isnan(positions), 0.5, positions)
    shuffled, error = _errors(table, ranks[rows], [axis.level >= 0 for axis in axes])
    explained = 1.0 - error / float(ranks[rows].var())
    gains = np.maximum(shuffled - error, 0.0)
    if explained <= 0 or gains.sum() == 0:
        return Importance(unknown, explained, len(rows))
    shares = {axis.name: float(share) for axis, share in zip(axes, gains / gains.sum(), strict=True)}
    return Importance(unknown | shares, explained, len(rows))


def _errors(X: Numbers, y: Numbers, has: list[NDArray[np.bool_]]) -> tuple[Numbers, float]:
    """Return the mean squared errors of forests on held-out rows, with one column shuffled and without shuffling.

    The first result has one error per column, for rows in which only this column is shuffled.
    """
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
    """Return the rows with one column shuffled among the rows that have a value in it."""
    changed = rows.copy()
    changed[own, column] = generator.permutation(rows[own, column])
    return changed

"""How each candidate of a run has done: how far it came, how well, and its place among the others.

    order, worst first:   diverged < lower rung < lower score in the same rung;   equals share the mean of their ranks

Scores of different rungs are of different training, so a rung counts before a score. Cost: O(jobs log jobs).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns


@dataclass(frozen=True, eq=False)
class Standing:
    """An entry for each candidate, at its number.

    Attributes
    ----------
    rung : int64 array
        The highest one in which it has finished a job; -1 where it has none.
    last_score : float64 array
        Of that job; NaN where it diverged or there is none.
    best_score : float64 array
        The highest of all its jobs; NaN likewise.
    diverged : bool array
        Whether its last job did.
    rank : float64 array
        0 is the worst of those with a job; NaN where there is none.
    """

    rung: NDArray[np.int64]
    last_score: NDArray[np.float64]
    best_score: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    rank: NDArray[np.float64]


def standing_of(columns: Columns, candidates: int) -> Standing:
    """Return how each candidate has done.

    Parameters
    ----------
    columns : dict of str to ndarray
        `Result.columns`: candidate, rung, score, diverged.
    candidates : int
        How many entries.
    """
    gone = columns["diverged"].astype(bool)
    scores = np.where(gone, np.nan, columns["score"])
    upwards = np.argsort(columns["rung"], kind="stable")  # so that the highest rung is written last
    number = columns["candidate"][upwards]
    rung, last, diverged = np.full(candidates, -1), np.full(candidates, np.nan), np.zeros(candidates, bool)
    rung[number], last[number], diverged[number] = columns["rung"][upwards], scores[upwards], gone[upwards]
    best = np.full(candidates, -np.inf)
    np.maximum.at(best, columns["candidate"][~gone], scores[~gone])
    return Standing(
        rung=rung.astype(np.int64),
        last_score=last,
        best_score=np.where(np.isfinite(best), best, np.nan),
        diverged=diverged,
        rank=_ranks(rung, last, diverged),
    )


def _ranks(rung: NDArray[np.int64], last: NDArray[np.float64], diverged: NDArray[np.bool_]) -> NDArray[np.float64]:
    keys = np.column_stack([~diverged, rung, np.where(np.isnan(last), 0.0, last)])
    ranks = np.full(len(rung), np.nan)
    ran = rung >= 0
    _, place, counts = np.unique(keys[ran], axis=0, return_inverse=True, return_counts=True)
    ranks[ran] = (counts.cumsum() - (counts + 1) / 2)[place.ravel()]
    return ranks

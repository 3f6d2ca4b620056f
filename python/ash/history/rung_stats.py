"""The rungs of a run: what became of each, and how well it has promoted, beside a barrier at the end of the rung.

    rung k:  finished, best first   a  b  c  d | e  f  g  h        eta = 2: a barrier promotes the best floor(8 / 2)
             promoted               *  *     *   *                 recall = 3 of 4

Order: higher score, then lower loss, then lower candidate, as in the ladder; diverged candidates come last and are
never promoted, so they are not missed either.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns

LEAST_PAIRS = 3
"""With two candidates a rank correlation is 1 or -1."""


def rung_rows(
    columns: Columns, ladder: Sequence[dict[str, int]], eta: int, endless: bool, ranking: Columns
) -> list[dict[str, Any]]:
    """Return a row for each rung: see `Result.rungs`. `ranking` has the scores that the ladder has ranked by.

    An endless run has more rungs and places than anyone will ever take: its places are None, and rungs that nobody has
    reached are left out.
    """
    if endless:
        ladder = [rung for rung in ladder if rung["finished"] + rung["running"] > 0]
    rows = []
    for number, rung in enumerate(ladder):
        own = columns["rung"] == number
        scores = columns["score"][own & ~columns["diverged"].astype(bool)]
        row: dict[str, Any] = {"rung": number}
        row |= {name: rung[name] for name in ("epochs", "places", "finished", "promoted", "diverged")}
        row["places"] = None if endless else rung["places"]
        row["best_score"] = float(scores.max()) if len(scores) else math.nan
        known = number + 1 < len(ladder) and ladder[number + 1]["running"] == 0
        row["rank_correlation"] = rank_correlation(columns, number)
        row["recall"] = recall(ranking, number, eta) if known else math.nan
        row["spent_epochs"] = int(columns["epochs"][own].sum())
        rows.append(row)
    return rows


def rank_correlation(columns: Columns, rung: int) -> float:
    """Return Spearman's correlation of the scores in a rung with the last ones of the candidates that went beyond it.

    NaN where fewer than three did, or all scores of one kind are equal.
    """
    kept = ~columns["diverged"].astype(bool)
    last: dict[int, tuple[int, float]] = {}
    for candidate, height, score in zip(
        *(columns[name][kept].tolist() for name in ("candidate", "rung", "score")), strict=True
    ):
        last[candidate] = max(last.get(candidate, (-1, 0.0)), (height, score))
    own = kept & (columns["rung"] == rung)
    pairs = [
        (score, last[candidate][1])
        for candidate, score in zip(columns["candidate"][own].tolist(), columns["score"][own].tolist(), strict=True)
        if last[candidate][0] > rung
    ]
    if len(pairs) < LEAST_PAIRS:
        return math.nan
    here, there = (_ranks(np.array(scores)) for scores in zip(*pairs, strict=True))
    if (here == here[0]).all() or (there == there[0]).all():
        return math.nan
    return float(np.corrcoef(here, there)[0, 1])


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each score, equal ones sharing the mean of theirs."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts + 1) / 2)[place])


def survivors(columns: Columns, rung: int, eta: int) -> NDArray[np.int64]:
    """Return the rows of the jobs that a barrier at the end of the rung would have promoted, best first."""
    rows: NDArray[np.int64] = np.flatnonzero(columns["rung"] == rung)
    kept: NDArray[np.int64] = rows[~columns["diverged"][rows].astype(bool)]
    order = np.lexsort((columns["candidate"][kept], columns["loss"][kept], -columns["score"][kept]))
    return kept[order[: len(rows) // eta]]


def promoted(columns: Columns, rung: int) -> NDArray[np.bool_]:
    """Return for each job of the rung, in order of decision, whether its candidate has a job in the next one."""
    below, above = (columns["candidate"][columns["rung"] == number] for number in (rung, rung + 1))
    return np.isin(below, above)


def recall(columns: Columns, rung: int, eta: int) -> float:
    """Return the share of `survivors` that has a finished job in the next rung; NaN if there are none.

    REQUIRES: no job of the next rung was still running when the run ended; nobody knows whose it was.
    """
    best = columns["candidate"][survivors(columns, rung, eta)]
    above = columns["candidate"][columns["rung"] == rung + 1]
    return float(np.isin(best, above).mean()) if len(best) else math.nan

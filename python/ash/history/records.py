"""Tables made from the columns of `_core.Tuner.jobs`: jobs, candidates, learning curves, rungs and ranks.

Rungs are compared with a barrier at their end, which would have promoted the best of all that finished:

    rung k:  finished, best first   a  b  c  d | e  f  g  h        eta = 2: a barrier promotes the best floor(8 / 2)
             promoted               *  *     *   *                 recall = 3 of 4

Order: higher score, then lower loss, then lower candidate, as in the ladder. Diverged candidates come last and are
never promoted, so recall does not count them. Across rungs, a higher rung ranks before a higher score, since scores in
different rungs come from different amounts of training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.installation import require_extra
from ash.errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import polars

Columns = dict[str, NDArray[Any]]
"""The result of `_core.Tuner.jobs`: one array per field, one row per finished job in order of decision."""

LEAST_PAIRS = 3
"""With two candidates a rank correlation is 1 or -1."""

METRICS, STORY = "metrics", "suggested"
"""The entries of the info of a job: its further metrics, and the suggestions of a trial of Optuna."""
OBJECTIVE = "objective"
"""The name in a journal for the source of an objective of Optuna, which also defines the space. Its scores in different
rungs are not comparable, so scores of the highest rung rank first."""


class JobRecord(NamedTuple):
    """One candidate trained for one rung.

    Higher `score` is better. `loss` is that of the validation rows, `training_loss` the mean over the last epoch.
    `start` and `end` are seconds since the start of the run. `team` is the most threads that shared the job at once,
    `core_seconds` the time that all of them spent in it, and `team_limit` the most threads that could have shared it: 1
    if its steps are too small for a team. `worker` is the virtual worker of the job, `virtual_start` and `virtual_end`
    are multiply-adds on the virtual clock; all are 0 in the greedy schedule. `weights_hash` is an unsigned 64-bit hash
    of all weights and biases after the job; 0 if it diverged.
    """

    candidate: int
    rung: int
    epochs: int
    score: float
    loss: float
    training_loss: float
    thread: int
    start: float
    end: float
    team: int
    diverged: bool
    worker: int
    virtual_start: float
    virtual_end: float
    core_seconds: float
    weights_hash: int
    team_limit: int


def job_rows(columns: Columns) -> list[JobRecord]:
    """Return a record for each finished job, in order of decision."""
    fields = [columns[name].tolist() for name in JobRecord._fields]
    return [JobRecord(*row) for row in zip(*fields, strict=True)]


def candidate_rows(columns: Columns, params: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each candidate: see `History.candidates`."""
    rows: list[dict[str, Any]] = [
        dict(candidate=number, rungs=0, epochs=0, score=math.nan, loss=math.nan, diverged=False, params=own)
        for number, own in enumerate(params)
    ]
    for job in job_rows(columns):
        row = rows[job.candidate]
        row["rungs"] += 1
        row["epochs"] += job.epochs
        row["diverged"] = row["diverged"] or job.diverged
        is_first = math.isnan(row["score"])
        if not job.diverged and (is_first or (job.score, -job.loss) > (row["score"], -row["loss"])):
            row["score"], row["loss"] = job.score, job.loss
    return rows


class Point(NamedTuple):
    """Score and loss of a candidate after `epochs` epochs, and the second of the run at which they were known."""

    epochs: int
    score: float
    loss: float
    seconds: float


def curves(jobs: Sequence[JobRecord], training: str) -> dict[int, list[Point]]:
    """Return the points of each candidate that has a job which did not diverge.

    Epochs are those for which a network of the candidate has been trained: the sum over its rungs if training was
    resumed, those of the rung if it was restarted.
    """
    points: dict[int, list[Point]] = {}
    epochs: dict[int, int] = {}
    for job in jobs:
        epochs[job.candidate] = job.epochs + (epochs.get(job.candidate, 0) if training == "resume" else 0)
        if not job.diverged:
            point = Point(epochs[job.candidate], job.score, job.loss, job.end)
            points.setdefault(job.candidate, []).append(point)
    return points


def rung_rows(
    columns: Columns, ladder: Sequence[dict[str, int]], eta: int, endless: bool, ranking: Columns
) -> list[dict[str, Any]]:
    """Return a row for each rung: see `Result.rungs`. `ranking` has the scores by which the ladder ranked.

    An endless run has more rungs and places than are ever used, so its places are None, and rungs that no candidate has
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
        is_complete = number + 1 < len(ladder) and ladder[number + 1]["running"] == 0
        row["rank_correlation"] = rank_correlation(columns, number)
        row["recall"] = recall(ranking, number, eta) if is_complete else math.nan
        row["spent_epochs"] = int(columns["epochs"][own].sum())
        rows.append(row)
    return rows


def rank_correlation(columns: Columns, rung: int) -> float:
    """Return Spearman's correlation of the scores in a rung with the last ones of the candidates promoted from it.

    NaN if there are fewer than three, or if all scores on one side are equal.
    """
    scored = np.flatnonzero(~columns["diverged"].astype(bool))
    by_rung = scored[np.argsort(columns["rung"][scored], kind="stable")]  # the highest rung is written last
    candidate, rungs, scores = (columns[name][by_rung] for name in ("candidate", "rung", "score"))
    last = np.zeros(candidate.max(initial=-1) + 1, np.int64)
    last[candidate] = np.arange(len(by_rung))
    own = np.flatnonzero((rungs == rung) & (rungs[last[candidate]] > rung))
    if len(own) < LEAST_PAIRS:
        return math.nan
    ranks, last_ranks = _mean_ranks(scores[own]), _mean_ranks(scores[last[candidate[own]]])
    if (ranks == ranks[0]).all() or (last_ranks == last_ranks[0]).all():
        return math.nan
    return float(np.corrcoef(ranks, last_ranks)[0, 1])


def survivors(columns: Columns, rung: int, eta: int) -> NDArray[np.int64]:
    """Return the rows of the jobs that a barrier at the end of the rung would have promoted, best first."""
    rows: NDArray[np.int64] = np.flatnonzero(columns["rung"] == rung)
    scored: NDArray[np.int64] = rows[~columns["diverged"][rows].astype(bool)]
    order = np.lexsort((columns["candidate"][scored], columns["loss"][scored], -columns["score"][scored]))
    return scored[order[: len(rows) // eta]]


def promoted(columns: Columns, rung: int) -> NDArray[np.bool_]:
    """Return for each job of the rung, in order of decision, whether its candidate has a job in the next one."""
    below, above = (columns["candidate"][columns["rung"] == number] for number in (rung, rung + 1))
    return np.isin(below, above)


def recall(columns: Columns, rung: int, eta: int) -> float:
    """Return the share of `survivors` that has a finished job in the next rung; NaN if there are none.

    REQUIRES: no job of the next rung was still running when the run ended, since its candidate is not known.
    """
    best = columns["candidate"][survivors(columns, rung, eta)]
    above = columns["candidate"][columns["rung"] == rung + 1]
    return float(np.isin(best, above).mean()) if len(best) else math.nan


@dataclass(frozen=True, eq=False)
class Standing:
    """The highest rung, the scores and the rank of each candidate, indexed by its number.

    The worst candidates are those whose last job diverged, then come lower rungs, then lower scores in the same rung.

    Attributes
    ----------
    rung : int64 array
        The highest rung in which it has finished a job; -1 if it has none.
    last_score : float64 array
        The score of that job; NaN if it diverged or there is none.
    best_score : float64 array
        The highest score of all its jobs; NaN likewise.
    diverged : bool array
        Whether its last job diverged.
    rank : float64 array
        0 is the worst of the candidates with a job; equal ones share the mean of their ranks. NaN without a job.
    """

    rung: NDArray[np.int64]
    last_score: NDArray[np.float64]
    best_score: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    rank: NDArray[np.float64]


def standing_of(columns: Columns, candidates: int) -> Standing:
    """Return the standing of each candidate from `Result.columns`, in O(jobs log jobs)."""
    job_diverged = columns["diverged"].astype(bool)
    scores = np.where(job_diverged, np.nan, columns["score"])
    by_rung = np.argsort(columns["rung"], kind="stable")  # the highest rung is written last
    candidate = columns["candidate"][by_rung]
    rung, last, diverged = np.full(candidates, -1), np.full(candidates, np.nan), np.zeros(candidates, bool)
    rung[candidate], last[candidate] = columns["rung"][by_rung], scores[by_rung]
    diverged[candidate] = job_diverged[by_rung]
    has_job = rung >= 0
    rank = np.full(candidates, np.nan)
    rank[has_job] = _mean_ranks(np.column_stack([~diverged, rung, np.where(np.isnan(last), 0.0, last)])[has_job])
    best = np.full(candidates, -np.inf)
    np.maximum.at(best, columns["candidate"][~job_diverged], scores[~job_diverged])
    return Standing(
        rung=rung.astype(np.int64),
        last_score=last,
        best_score=np.where(np.isfinite(best), best, np.nan),
        diverged=diverged,
        rank=rank,
    )


def _mean_ranks(keys: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each row of the keys, 0 for the lowest; equal rows share the mean of their ranks."""
    _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts + 1) / 2)[group.ravel()])


def to_frame(rows: Sequence[dict[str, Any]]) -> "pandas.DataFrame":
    """Return rows as a DataFrame, or raise MissingExtra if pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra(
            "to_pandas needs pandas; install it by: pip install pandas (or 'ash-tune[tables]')"
        ) from error
    return pandas.DataFrame.from_records(rows)


def to_polars(columns: Mapping[str, Any]) -> "polars.DataFrame":
    """Return columns as a polars DataFrame, or raise MissingExtra if polars is not installed.

    If a column has text or tuples as well as other values, all its values become text.
    """
    require_extra("to_polars", "polars", "polars")
    import polars

    return polars.DataFrame({name: _of_one_type(values) for name, values in columns.items()}, strict=False)


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns, one for every key that occurs, with None if a row lacks it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _of_one_type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        return [None if value is None else str(value) for value in values]
    return [list(value) if isinstance(value, tuple) else value for value in values]

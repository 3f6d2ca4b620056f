"""Builds tables from the columns of `_core.Tuner.jobs`: jobs, candidates, learning curves, rungs and ranks.

The promotions of each rung are compared with those of a barrier, which would promote the best jobs at the rung's end:

    rung k:  finished, best first   a  b  c  d | e  f  g  h        eta = 2: a barrier promotes the best floor(8 / 2)
             promoted               *  *     *   *                 recall = 3 of 4

Order: higher score, then lower loss, then lower candidate number, as in the ladder. Diverged candidates come last and
are never promoted, so recall does not count them. Across rungs, a higher rung ranks before a higher score, since scores
in different rungs come from different amounts of training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.installation import require_extra
from ash.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas
    import polars

Columns = dict[str, NDArray[Any]]
"""The result of `_core.Tuner.jobs`: one array per field, one row per finished job in order of decision."""

LEAST_PAIRS = 3
"""The minimum number of candidates for a rank correlation; with two, the correlation could only be 1 or -1."""

METRICS, STORY = "metrics", "suggested"
"""Keys in the info of a job: its further metrics, and the parameters that an Optuna trial suggested."""
PRUNED = "TrialPruned: the objective has pruned the trial"
"""The text of a failure that is not an error: an Optuna objective has pruned its own trial."""
OBJECTIVE = "objective"
"""The name under which a journal keeps the source code of an Optuna objective. The objective also defines the space.
An objective's scores in different rungs are not comparable, so candidates rank by their highest rung first."""


class JobRecord(NamedTuple):
    """The record of one job: one candidate trained for one rung.

    Higher `score` is better. `loss` is computed on the validation rows; `training_loss` is the mean over the last
    epoch. `start` and `end` are seconds since the start of the run. `team` is the largest number of threads that shared
    the job at once, and `core_seconds` is the sum of the seconds that each thread spent in the job. `team_limit` is the
    maximum number of threads that could have shared the job; it is 1 if the steps are too small for a team. `worker` is
    the virtual worker of the job. `virtual_start` and `virtual_end` are times on the virtual clock, in multiply-adds
    (for functions, in the unit of `costs`). These three fields are 0 in the greedy schedule. `weights_hash` is an
    unsigned 64-bit hash of all weights and biases after the job; it is 0 if the job diverged. For functions, `loss` is
    the negated value by which the ladder ranked the job, `training_loss` is NaN and `weights_hash` is 0.
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


def keys_of(columns: Columns) -> list[tuple[int, int]]:
    """Return the candidate and rung of each row; none for columns without names."""
    return list(zip(columns["candidate"].tolist(), columns["rung"].tolist(), strict=True)) if columns else []


def job_rows(columns: Columns) -> list[JobRecord]:
    """Return a record for each finished job, in order of decision."""
    return list(map(JobRecord._make, zip(*(columns[name].tolist() for name in JobRecord._fields), strict=True)))


def candidate_rows(columns: Columns, params: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per candidate; see `History.candidates`."""
    rows: list[dict[str, Any]] = [
        dict(candidate=number, rungs=0, epochs=0, score=math.nan, loss=math.nan, diverged=False, params=own)
        for number, own in enumerate(params)
    ]
    for job in job_rows(columns):
        row = rows[job.candidate]
        row["rungs"] += 1
        row["epochs"] += job.epochs
        row["diverged"] |= job.diverged
        if not job.diverged and (math.isnan(row["score"]) or (job.score, -job.loss) > (row["score"], -row["loss"])):
            row["score"], row["loss"] = job.score, job.loss
    return rows


class Point(NamedTuple):
    """Score and loss of a candidate after `epochs` epochs; `seconds` counts from the run's start to the job's end."""

    epochs: int
    score: float
    loss: float
    seconds: float


def curves(jobs: Sequence[JobRecord], training: str) -> dict[int, list[Point]]:
    """Return the learning curve of each candidate that has at least one job without divergence.

    A point's `epochs` is the number of epochs for which the network at this point has been trained. With
    `training="resume"` this is the sum over the rungs up to the point's rung; with "restart", it is only the epochs of
    the point's rung.
    """
    points: dict[int, list[Point]] = {}
    epochs: dict[int, int] = {}
    for job in jobs:
        epochs[job.candidate] = job.epochs + (epochs.get(job.candidate, 0) if training == "resume" else 0)
        if not job.diverged:
            points.setdefault(job.candidate, []).append(Point(epochs[job.candidate], job.score, job.loss, job.end))
    return points


def rung_rows(
    columns: Columns, ladder: Sequence[dict[str, int]], eta: int, endless: bool, ranking: Columns
) -> list[dict[str, Any]]:
    """Return one row per rung; see `Result.rungs`. `ranking` has the scores by which the ladder ranked jobs.

    In an endless run, the number of places is None, and rungs that no candidate has reached are left out, since the
    ladder has more rungs and places than are ever used.
    """
    if endless:
        ladder = [rung for rung in ladder if rung["finished"] + rung["running"] > 0]
    rows: list[dict[str, Any]] = []
    for number, rung in enumerate(ladder):
        own = columns["rung"] == number
        scores = columns["score"][own & ~columns["diverged"].astype(bool)]
        is_complete = number + 1 < len(ladder) and ladder[number + 1]["running"] == 0
        counts = {name: rung[name] for name in ("epochs", "places", "finished", "promoted", "diverged")}
        rows.append({"rung": number, **counts, **({"places": None} if endless else {})})
        rows[-1] |= {
            "best_score": float(scores.max()) if len(scores) else math.nan,
            "rank_correlation": rank_correlation(columns, number),
            "recall": recall(ranking, number, eta) if is_complete else math.nan,
            "spent_epochs": int(columns["epochs"][own].sum()),
        }
    return rows


def rank_correlation(columns: Columns, rung: int) -> float:
    """Return Spearman's correlation between a rung's scores and the last scores of the candidates promoted from it.

    The result is NaN if fewer than three promoted candidates have scores, or if one of the two sets of scores is
    constant.
    """
    scored = np.flatnonzero(~columns["diverged"].astype(bool))
    by_rung = scored[np.argsort(columns["rung"][scored], kind="stable")]  # so that the highest rung is assigned last
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
    """Return the row numbers of the jobs that a barrier at the end of the rung would have promoted, best first."""
    rows: NDArray[np.int64] = np.flatnonzero(columns["rung"] == rung)
    scored: NDArray[np.int64] = rows[~columns["diverged"][rows].astype(bool)]
    order = np.lexsort((columns["candidate"][scored], columns["loss"][scored], -columns["score"][scored]))
    return scored[order[: len(rows) // eta]]


def promoted(columns: Columns, rung: int) -> NDArray[np.bool_]:
    """Return for each job of the rung, in order of decision, whether its candidate has a job in the next rung."""
    below, above = (columns["candidate"][columns["rung"] == number] for number in (rung, rung + 1))
    return np.isin(below, above)


def recall(columns: Columns, rung: int, eta: int) -> float:
    """Return the share of `survivors` that has a finished job in the next rung; NaN without survivors.

    REQUIRES: no job of the next rung was still running when the run ended, since `columns` has only finished jobs.
    """
    best = columns["candidate"][survivors(columns, rung, eta)]
    above = columns["candidate"][columns["rung"] == rung + 1]
    return float(np.isin(best, above).mean()) if len(best) else math.nan


@dataclass(frozen=True, eq=False)
class Standing:
    """The highest rung, the scores and the rank of each candidate, indexed by the candidate's number.

    Candidates whose last job diverged rank lowest. The other candidates rank by their highest rung and then by
    their score in it.

    Attributes
    ----------
    rung : int64 array
        The highest rung in which the candidate has a job; -1 without jobs.
    last_score : float64 array
        The score of the candidate's job in that rung; NaN if that job diverged or the candidate has no job.
    best_score : float64 array
        The highest score of all jobs of the candidate; NaN if it has no score.
    diverged : bool array
        Whether the candidate's last job diverged.
    rank : float64 array
        The rank among the candidates with a job, 0 for the worst; ties share their mean rank. NaN without jobs.
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
    by_rung = np.argsort(columns["rung"], kind="stable")  # so that the highest rung is assigned last
    candidate = columns["candidate"][by_rung]
    rung, last, diverged = np.full(candidates, -1), np.full(candidates, np.nan), np.zeros(candidates, bool)
    rung[candidate], last[candidate] = columns["rung"][by_rung], scores[by_rung]
    diverged[candidate] = job_diverged[by_rung]
    has_job = rung >= 0
    rank = np.full(candidates, np.nan)
    rank[has_job] = _mean_ranks(np.column_stack([~diverged, rung, np.where(np.isnan(last), 0.0, last)])[has_job])
    best = np.full(candidates, -np.inf)
    np.maximum.at(best, columns["candidate"][~job_diverged], scores[~job_diverged])
    return Standing(rung.astype(np.int64), last, np.where(np.isfinite(best), best, np.nan), diverged, rank)


def _mean_ranks(keys: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each row of `keys`, 0 for the lowest; equal rows share the mean of their ranks."""
    _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts + 1) / 2)[group.ravel()])


def to_frame(rows: Sequence[dict[str, Any]]) -> "pandas.DataFrame":
    """Return rows as a DataFrame, or raise MissingExtraError if pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError(
            "to_pandas needs pandas; install it with: pip install pandas (or 'ash-tune[tables]')"
        ) from error
    return pandas.DataFrame.from_records(rows)


def to_polars(columns: Mapping[str, Any]) -> "polars.DataFrame":
    """Return columns as a polars DataFrame, or raise MissingExtraError if polars is not installed.

    If a column mixes types other than integers and floats, all its values are converted to text.
    """
    require_extra("to_polars", "polars", "polars")
    import polars

    return polars.DataFrame({name: _of_one_type(values) for name, values in columns.items()}, strict=False)


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns, one column for every key that occurs, with None where a row lacks the key."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _of_one_type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        return [None if value is None else str(value) for value in values]
    return [list(value) if isinstance(value, tuple) else value for value in values]

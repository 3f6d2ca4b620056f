"""The rows that a Result is read in: jobs, candidates and rungs, made out of the core's columns when asked for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
"""What `_core.Tuner.jobs` returns: one array a field, a row a finished job in order of finishing."""


class JobRecord(NamedTuple):
    """One candidate trained for one rung.

    `score` is higher-is-better; `loss` is that of the validation rows, `training_loss` the mean of the last epoch;
    `start` and `end` are seconds since the start of the run; `team` is the number of threads that shared the job.
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


def job_rows(columns: Columns) -> list[JobRecord]:
    """Return a record for each finished job, in order of finishing."""
    teams = np.ones(len(columns["candidate"]), dtype=np.int64)
    fields = [teams if name == "team" else columns[name] for name in JobRecord._fields]
    return [JobRecord(*row) for row in zip(*(field.tolist() for field in fields), strict=True)]


def candidate_rows(columns: Columns, params: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each candidate: its best job, how far it came, and its hyperparameters.

    `score` and `loss` are those of its best job (NaN if it has none), `rungs` and `epochs` count what it finished,
    `diverged` says that its last job did.
    """
    rows: list[dict[str, Any]] = [
        {
            "candidate": number,
            "rungs": 0,
            "epochs": 0,
            "score": np.nan,
            "loss": np.nan,
            "diverged": False,
            "params": own,
        }
        for number, own in enumerate(params)
    ]
    for job in job_rows(columns):
        row = rows[job.candidate]
        row["rungs"] += 1
        row["epochs"] += job.epochs
        row["diverged"] = row["diverged"] or job.diverged
        if not job.diverged and not _before((row["score"], row["loss"]), (job.score, job.loss)):
            row["score"], row["loss"] = job.score, job.loss
    return rows


def _before(kept: tuple[float, float], other: tuple[float, float]) -> bool:
    """Return whether the kept (score, loss) is no worse: higher score, then lower loss; NaN is worse than any."""
    if kept[0] != other[0]:
        return kept[0] > other[0]
    return kept[1] <= other[1]


def rung_rows(columns: Columns, ladder: Sequence[dict[str, int]]) -> list[dict[str, Any]]:
    """Return a row for each rung: its epochs a job, its places, what became of them, and the best score in it."""
    rows = []
    for number, rung in enumerate(ladder):
        scores = columns["score"][(columns["rung"] == number) & ~columns["diverged"].astype(bool)]
        counts = {name: rung[name] for name in ("epochs", "places", "finished", "promoted", "diverged")}
        rows.append({"rung": number, **counts, "best_score": float(scores.max()) if len(scores) else np.nan})
    return rows

"""The rows that a Result is read in: jobs and candidates, made out of the core's columns when asked for."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.installation import require_extra
from ash.errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import polars

Columns = dict[str, NDArray[Any]]
"""What `_core.Tuner.jobs` returns: one array a field, a row a finished job in order of decision."""


class JobRecord(NamedTuple):
    """One candidate trained for one rung.

    `score` is higher-is-better; `loss` is that of the validation rows, `training_loss` the mean of the last epoch;
    `start` and `end` are seconds since the start of the run; `team` is the most threads that shared the job at once,
    `core_seconds` what all of them spent in it, `team_limit` the most that would have shared it with teams and threads
    enough: 1 where steps are too small for a team to pay. `worker` is the virtual worker that the job was given to,
    `virtual_start` and `virtual_end` are multiply-adds on the virtual clock: all 0 under the greedy schedule.
    `weights_hash` is one of all weights and biases after the job, an unsigned number of 64 bits; 0 when it diverged.
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


class Point(NamedTuple):
    """Score and loss of a candidate after so many epochs, and at which second of the run they were known."""

    epochs: int
    score: float
    loss: float
    seconds: float


def curves(jobs: Sequence[JobRecord], training: str) -> dict[int, list[Point]]:
    """Return the points of each candidate that has a job which did not diverge.

    Epochs are those a network of the candidate has behind it: added up over its rungs when training was resumed, those
    of the rung when it was restarted.
    """
    found: dict[int, list[Point]] = {}
    behind: dict[int, int] = {}
    for job in jobs:
        behind[job.candidate] = job.epochs + (behind.get(job.candidate, 0) if training == "resume" else 0)
        if not job.diverged:
            point = Point(behind[job.candidate], job.score, job.loss, job.end)
            found.setdefault(job.candidate, []).append(point)
    return found


def _before(kept: tuple[float, float], other: tuple[float, float]) -> bool:
    """Return whether the kept (score, loss) is no worse: higher score, then lower loss; NaN is worse than any."""
    if kept[0] != other[0]:
        return kept[0] > other[0]
    return kept[1] <= other[1]


def to_frame(rows: Sequence[dict[str, Any]]) -> "pandas.DataFrame":
    """Return rows as a DataFrame, or raise MissingExtra where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra(
            "to_pandas needs pandas; install it by: pip install pandas (or 'ash-tune[tables]')"
        ) from error
    return pandas.DataFrame.from_records(rows)


def to_polars(columns: Mapping[str, Any]) -> "polars.DataFrame":
    """Return columns as a DataFrame of polars, or raise MissingExtra where it is not installed.

    Where a column holds both text or tuples and something else, all its values become text.
    """
    require_extra("to_polars", "polars", "polars")
    import polars

    return polars.DataFrame({name: _of_one_type(values) for name, values in columns.items()}, strict=False)


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns, one for every key that occurs, None where a row lacks it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _of_one_type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        return [None if value is None else str(value) for value in values]
    return [list(value) if isinstance(value, tuple) else value for value in values]


def finite(value: Any) -> Any:
    """Return a value as JSON knows it: NaN and infinity become None, in dicts and sequences too."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

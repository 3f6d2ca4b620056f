"""Results of jobs between the core, which has them as columns, and a journal, which has them as rows."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns
from ash.journal.rows import Row

JOB = (
    *("candidate", "rung", "epochs", "thread", "team", "team_limit", "score", "loss", "training_loss", "weights_hash"),
    *("start", "end"),
)
"""The columns of a job that a journal keeps, in the order of its table; virtual times follow from the decisions."""
ASSIST = ("candidate", "rung", "thread", "start", "end", "busy")
TYPES = {"score": np.float64, "loss": np.float64, "training_loss": np.float64, "start": np.float64, "end": np.float64}
EXACT = ("score", "loss", "training_loss")
"""Numbers that come back bit for bit; SQLite would lose NaN and the sign of zero."""

Scores = dict[tuple[int, int], list[float]]
"""By candidate and rung: the score of each fold."""


def job_rows(columns: Columns, first: int, fold_scores: Scores) -> list[Row]:
    """Return the rows of jobs that are numbered from `first` on; `fold_scores` of all that have not diverged."""
    fields = [[_to_text(name, value) for value in columns[name].tolist()] for name in JOB]
    rows = zip(*fields, strict=True)
    return [
        (number, *row, json.dumps([repr(score) for score in fold_scores.get((row[0], row[1]), ())]))
        for number, row in enumerate(rows, first)
    ]


def job_columns(rows: Sequence[Row], folds: int) -> tuple[Columns, NDArray[np.float64]]:
    """Return the columns of jobs and their scores [jobs, folds], NaN where one has diverged."""
    values = list(zip(*rows, strict=True)) or [()] * (len(JOB) + 2)
    columns = {name: _array(name, values[place]) for place, name in enumerate(JOB, 1)}
    scores = np.full((len(rows), folds), np.nan)
    for place, text in enumerate(values[-1]):
        found = [float(score) for score in json.loads(text)]
        if found:
            scores[place] = found
    return columns, scores


def assist_rows(columns: Columns, first: int) -> list[Row]:
    """Return the rows of assists that are numbered from `first` on."""
    fields = [columns[name].tolist() for name in ASSIST]
    return [(number, *row) for number, row in enumerate(zip(*fields, strict=True), first)]


def assist_columns(rows: Sequence[Row]) -> Columns:
    """Return the columns of assists."""
    values = list(zip(*rows, strict=True)) or [()] * (len(ASSIST) + 1)
    types = {**TYPES, "busy": np.float64}
    return {name: np.array(values[place], types.get(name, np.int64)) for place, name in enumerate(ASSIST, 1)}


def scores_of(columns: Columns) -> Scores:
    """Return the scores of folds that the core has recorded."""
    keys = zip(columns["candidate"].tolist(), columns["rung"].tolist(), strict=True)
    return dict(zip(keys, columns["scores"].tolist(), strict=True))


def _to_text(name: str, value: Any) -> Any:
    if name == "weights_hash":
        return f"{value:016x}"
    return repr(value) if name in EXACT else value


def _array(name: str, values: Sequence[Any]) -> NDArray[Any]:
    if name == "weights_hash":
        return np.array([int(value, 16) for value in values], np.uint64)
    if name in EXACT:
        return np.array([float(value) for value in values], np.float64)
    return np.array(values, TYPES.get(name, np.int64))

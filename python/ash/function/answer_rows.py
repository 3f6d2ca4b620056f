"""Jobs of a function as rows of `JobRecord`, and those as the columns that the core has of networks."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ash import _core
from ash.function.answers import FINISHED, Answer
from ash.history.records import Columns, JobRecord

Row = tuple[Any, ...]

DTYPES: dict[str, Any] = {
    **dict.fromkeys(JobRecord._fields, np.int64),
    **dict.fromkeys(("score", "loss", "training_loss", "start", "end"), np.float64),
    **dict.fromkeys(("virtual_start", "virtual_end", "core_seconds"), np.float64),
    "diverged": np.bool_,
    "weights_hash": np.uint64,
}
END = JobRecord._fields.index("end")


def row_of(task: _core.Task, answer: Answer, started: float) -> Row:
    """Return the fields of a `JobRecord`: the loss is what it ranks by, negated; what only networks have is nothing."""
    start, end = answer.start - started, answer.end - started
    what = (task.candidate, task.rung, task.epochs, answer.score, -answer.rank, math.nan)
    where = (answer.place, start, end, 1, answer.kind != FINISHED, task.worker, task.start, task.finish)
    return *what, *where, end - start, 0, 1


def columns_of(rows: Sequence[Row]) -> Columns:
    """Return an array for each field."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(JobRecord._fields)
    return {name: np.array(column, DTYPES[name]) for name, column in zip(DTYPES, columns, strict=True)}

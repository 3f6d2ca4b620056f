"""Converts the core's records of a search into rows of a journal, and back.

The core stores results as columns, the journal stores them as rows. Networks, boosted trees and functions have the same
rows; functions have rows in the table `answers`, too (function/journal.py).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.aliases import Key
from ash.history.records import Columns, keys_of
from ash.journal.database import Changes, Row
from ash.space.hyperparameters import Params

Search = _core.Tuner | _core.Search
HELD = "held"
"""The fact that holds the rows of jobs that have ended, but are not decided: the virtual clock waits for others."""
JOB = (
    *("candidate", "rung", "epochs", "thread", "team", "team_limit", "score", "loss", "training_loss", "weights_hash"),
    *("start", "end"),
)
"""The columns of a job that a journal stores, in the order of its table; virtual times are left out, since they follow
from the decisions."""
ASSIST = ("candidate", "rung", "thread", "start", "end", "busy")
TYPES = dict.fromkeys(("score", "loss", "training_loss", "start", "end", "busy"), np.float64)
EXACT = ("score", "loss", "training_loss")
"""Numbers that must be restored bit for bit; they are stored as text, since SQLite loses NaN and the sign of zero."""


@dataclass(frozen=True)
class Batch:
    """The rows of one commit, and what is on record after it.

    Attributes
    ----------
    begun : int
        All candidates with lower numbers are recorded.
    steps, jobs, assists : int
        How many of the core's steps, jobs and assists are recorded.
    held : sequence of tuple
        The rows of the jobs that have ended undecided.
    read, new : dict of ndarray
        The columns of the decided jobs in this batch, and of those that the journal did not have.
    names : sequence of int
        The candidates that this batch records.
    """

    begun: int = 0
    steps: int = 0
    jobs: int = 0
    assists: int = 0
    held: Sequence[Row] = field(default_factory=list)
    read: Columns = field(default_factory=dict)
    new: Columns = field(default_factory=dict)
    names: Sequence[int] = ()


class PendingRows:
    """The core's records since the last commit, as rows that the journal does not have yet.

    Only `committed`, which is called after a commit, changes `last`. So if `take` or the commit is interrupted, for
    example by Ctrl-C, the next call takes the same rows again. Rows that already exist are not added twice.

    `details` returns what the last column of a job's row holds: the scores of the folds if there are several, or the
    info of a function's failed job. The core also reports jobs that the journal already has; these are not new.
    `params` are the hyperparameters of the candidates drawn so far, by number; the sequence may grow. Candidates that
    have started are recorded, so that they are kept if the space grows. With `keeps_drawn` all drawn candidates are
    recorded, which is needed if draws depend on results. In a greedy run decisions depend on the order of steps, so all
    steps are written from the first one on. The core first repeats the steps of the restored jobs, and these steps
    replace the journal's.
    """

    def __init__(
        self,
        search: Search,
        rows: dict[str, list[Row]],
        params: Sequence[Params],
        details: Callable[[Search], Mapping[Key, list[Any]]],
        *,
        greedy: bool,
        keeps_drawn: bool,
    ) -> None:
        self.search = search
        self._known = {(row[1], row[2]) for row in rows["jobs"]}  # (candidate, rung) of each recorded job
        self._named = {row[0] for row in rows["candidates"]}
        self._params = params
        self._details, self._greedy, self._keeps_drawn = details, greedy, keeps_drawn
        self.last = Batch(assists=len(rows["assists"]))  # the last batch that was committed

    def take(self, changes: Changes) -> Batch:
        """Add new rows to `changes`, and return them as the next batch."""
        search, last = self.search, self.last
        held = search.held()  # before the decided jobs, so that a job that is decided meanwhile is in one of them
        steps = search.steps(last.steps)
        if self._greedy and len(steps):
            if last.steps == 0:
                changes.delete("steps")
            changes.add("steps", [(number, *step) for number, step in enumerate(steps.tolist(), last.steps)])
        first_rung = search.rungs[0]
        begun = len(self._params) if self._keeps_drawn else first_rung["running"] + first_rung["finished"]
        has_ended = steps[:, 2].any() or keys_of(held) != [(row[1], row[2]) for row in last.held]
        counted = last.steps + len(steps)
        if not has_ended and begun == last.begun:
            return replace(last, steps=counted, read={}, new={}, names=())
        read = search.jobs(last.jobs)
        keys = keys_of(read)
        is_new = np.array([key not in self._known for key in keys], bool)
        new = {name: column[is_new] for name, column in read.items()}
        assists = _rows(search.assists(last.assists), ASSIST, last.assists)
        details = self._details(search)
        # Unrecorded candidates: those of new and held jobs, and all others that must be recorded.
        ended = {*new["candidate"].tolist(), *held["candidate"].tolist()}
        names = sorted({*ended, *range(last.begun, begun)} - self._named)
        changes.add("jobs", job_rows(new, len(self._known), details))
        changes.add("candidates", [(each, json.dumps(self._params[each])) for each in names])
        changes.add("assists", assists)
        ends = counted, last.jobs + len(keys), last.assists + len(assists)
        return Batch(begun, *ends, job_rows(held, 0, details), read, new, names)

    def committed(self, batch: Batch) -> None:
        """Note that a batch is in the file."""
        self._named.update(batch.names)
        self._known.update(keys_of(batch.read))
        self.last = batch


def job_rows(columns: Columns, first: int, details: Mapping[Key, list[Any]]) -> list[Row]:
    """Return the rows of jobs, numbered from `first` on; `details` are as for `PendingRows`."""
    return [(*row, json.dumps(details.get((row[1], row[2]), []))) for row in _rows(columns, JOB, first)]


def _rows(columns: Columns, names: Sequence[str], first: int) -> list[Row]:
    fields = [[_to_text(name, value) for value in columns[name].tolist()] for name in names]
    return [(number, *row) for number, row in enumerate(zip(*fields, strict=True), first)]


def job_columns(rows: Sequence[Row], folds: int) -> tuple[Columns, NDArray[np.float64]]:
    """Return the columns of jobs, and their fold scores [jobs, folds]; NaN for jobs without recorded fold scores.

    The score of a single fold is the score of the job.
    """
    columns = read_columns(rows, JOB)
    if folds == 1:
        return columns, np.ascontiguousarray(columns["score"][:, None])
    scores = [list(map(float, json.loads(row[-1]))) or [np.nan] * folds for row in rows]
    return columns, np.array(scores, np.float64).reshape(len(rows), folds)


def read_columns(rows: Sequence[Row], names: Sequence[str]) -> Columns:
    """Return the columns with these names, converted from the recorded rows of jobs or assists."""
    return {name: _array(name, [row[place] for row in rows]) for place, name in enumerate(names, 1)}


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

"""Converts the core's records of a search into rows of a journal, and back.

The core stores results as columns, the journal stores them as rows. Networks, boosted trees and functions have the same
rows; functions have rows in the table `answers`, too (function_journal.py).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.history.records import Columns, keys_of
from ash.journal.database import Changes, Row
from ash.space.hyperparameters import Params

Search = _core.Tuner | _core.Search
Key = tuple[int, int]
"""A candidate and a rung."""
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


class PendingRows:
    """The core's records since the last commit, as rows that the journal does not have yet.

    Only `committed`, which is called after a commit, advances the counters. So if `take` or the commit is interrupted,
    for example by Ctrl-C, the next call takes the same rows again. Rows that already exist are not added twice.

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
        # All candidates with numbers below `_passed` are recorded; the next commit records those below `_begun`.
        self._passed = self._begun = 0
        self.held: list[Row] = []  # rows of the jobs that had ended undecided in the last call of `take`
        self.held_before: list[Row] = []  # these rows in the last commit
        self._steps = self.jobs = 0  # the numbers of the core's committed steps and jobs
        self._assists = len(rows["assists"])
        self._naming: list[Any] = []  # candidates that the next commit records
        self._next = (0, 0, 0)  # the numbers of steps, jobs and assists after the next commit
        self.read: Columns = {}  # the jobs that the last call of `take` read
        self.new: Columns = {}  # the part of `read` that the journal does not have

    def take(self, changes: Changes) -> bool:
        """Add new rows to `changes`, and return whether a job was decided since the last commit."""
        search = self.search
        held = search.held()  # before the decided jobs, so that a job that is decided meanwhile is in one of them
        steps = search.steps(self._steps)
        self._next = (self._steps + len(steps), self.jobs, self._assists)
        if self._greedy and len(steps):
            if self._steps == 0:
                changes.delete("steps")
            changes.add("steps", [(number, *step) for number, step in enumerate(steps.tolist(), self._steps)])
        first_rung = search.rungs[0]
        self._begun = len(self._params) if self._keeps_drawn else first_rung["running"] + first_rung["finished"]
        has_ended = steps[:, 2].any() or keys_of(held) != [(row[1], row[2]) for row in self.held_before]
        if not has_ended and self._begun == self._passed:
            self.read = self.new = {}
            return False
        self.read = search.jobs(self.jobs)
        keys = keys_of(self.read)
        is_new = np.array([key not in self._known for key in keys], bool)
        self.new = {name: column[is_new] for name, column in self.read.items()}
        assists = _rows(search.assists(self._assists), ASSIST, self._assists)
        details = self._details(search)
        self.held = job_rows(held, 0, details)
        # Unrecorded candidates: those of new and held jobs, and all others that must be recorded.
        ended = {*self.new["candidate"].tolist(), *held["candidate"].tolist()}
        self._naming = sorted({*ended, *range(self._passed, self._begun)} - self._named)
        changes.add("jobs", job_rows(self.new, len(self._known), details))
        changes.add("candidates", [(each, json.dumps(self._params[each])) for each in self._naming])
        changes.add("assists", assists)
        self._next = (self._next[0], self.jobs + len(keys), self._assists + len(assists))
        return bool(keys)

    def committed(self) -> None:
        """Update the counters after the rows that `take` added have been committed."""
        if self.read:
            self._named.update(self._naming)
            self._passed = self._begun
            self._known.update(keys_of(self.read))
        self.held_before = self.held
        self._steps, self.jobs, self._assists = self._next


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

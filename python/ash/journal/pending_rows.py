"""What the core has recorded since the last commit, as rows that a journal does not have yet.

Reading changes nothing here: only `committed` does, after the commit. So a look that is interrupted, by Ctrl-C say, is
made again by the next one, and rows that were committed after all are there already.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ash import _core
from ash.history.records import Columns
from ash.journal.database import Changes
from ash.journal.results import assist_rows, job_rows, scores_of
from ash.journal.rows import Row
from ash.space.hyperparameters import Params


class News:
    """The records of one run.

    Parameters
    ----------
    rows : dict of str to list of tuple
        What the journal has: the jobs among them are told by the core again, and are no news.
    params : sequence
        Of the candidates so far, by number; it may grow.
    greedy : bool
        Whether the order of steps decides. They are written from the first on: those of the restored jobs, which the
        core goes through before any other, take the place of what the journal has.
    folds : int

    Attributes
    ----------
    jobs : int
        How many of the core's, in its order, are in the journal.
    read, new : Columns
        The jobs that were read last, and those of them that the journal does not have.
    """

    def __init__(self, rows: dict[str, list[Row]], params: Sequence[Params], *, greedy: bool, folds: int) -> None:
        self._known = {(row[1], row[2]) for row in rows["jobs"]}  # candidate, rung
        self._named = {row[0] for row in rows["candidates"]}
        self._params = params
        self._greedy, self._folds = greedy, folds
        self._steps = self.jobs = 0  # how far the records are committed
        self._assists = len(rows["assists"])
        self._next = (0, 0, 0)  # steps, jobs, assists after the next commit
        self.read: Columns = {}
        self.new: Columns = {}

    def take(self, tuner: _core.Tuner, changes: Changes) -> bool:
        """Add to `changes` what is new, and return whether a job has ended since the last commit."""
        steps = tuner.steps(self._steps)
        self._next = (self._steps + len(steps), self.jobs, self._assists)
        if self._greedy and len(steps):
            if self._steps == 0:
                changes.delete("steps")
            changes.add("steps", [(number, *step) for number, step in enumerate(steps.tolist(), self._steps)])
        if not steps[:, 2].any():
            return False
        self.read = tuner.jobs(self.jobs)
        keys = _keys(self.read)
        is_new = np.array([key not in self._known for key in keys], bool)
        self.new = {name: column[is_new] for name, column in self.read.items()}
        assists = assist_rows(tuner.assists(self._assists), self._assists)
        scores = scores_of(tuner.fold_scores()) if self._folds > 1 else {}  # of a single fold they are the jobs' own
        changes.add("jobs", job_rows(self.new, len(self._known), scores))
        changes.add("candidates", [(each, json.dumps(self._params[each])) for each in self._unnamed()])
        changes.add("assists", assists)
        self._next = (self._next[0], self.jobs + len(keys), self._assists + len(assists))
        return True

    def committed(self) -> None:
        """Take notice that what `take` has added is in the journal."""
        if self._next[1] > self.jobs:
            self._named.update(self._unnamed())
            self._known.update(_keys(self.read))  # before the counter: rows are numbered by these
        self._steps, self.jobs, self._assists = self._next

    def _unnamed(self) -> list[Any]:
        return sorted(set(self.new["candidate"].tolist()) - self._named)


def _keys(columns: Columns) -> list[tuple[int, int]]:
    return list(zip(columns["candidate"].tolist(), columns["rung"].tolist(), strict=True))

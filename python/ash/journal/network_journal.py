"""The journal of a run of networks: it passes recorded results to the core and writes new ones.

    open, agree             see open_journal.py
    restore                 passes results and states to the core, which uses them when it reaches these jobs
    look, every 40 ms       writes new results and states (state_cache.py) in one commit, before callbacks are called
    finish                  writes the remaining results, and as many networks of the result as time allows

The core stores results as columns, the journal stores them as rows.
Threads: used only by the calling thread; the other threads continue training while it writes.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.checks import whole
from ash._utils.user_warnings import warn_user
from ash.errors import JournalCorrupt, SettingError
from ash.history.json_files import space_story
from ash.history.records import Columns
from ash.journal.database import Changes, Row
from ash.journal.identity import PLANNED, space_of_facts
from ash.journal.journal import Facts, Journal, sound
from ash.journal.open_journal import OpenJournal
from ash.journal.state_cache import StateCache, StateFolder
from ash.options import LARGEST, Options, RunOptions
from ash.space.hyperparameters import Params
from ash.space.space import Space

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

HELD = "held"
"""The fact that holds the rows of jobs that have ended, but are not decided: the virtual clock waits for others."""
Scores = dict[tuple[int, int], list[float]]
"""The score of each fold, by candidate and rung."""


class NetworkJournal(OpenJournal):
    """The journal of one run of networks; as a context manager it closes itself."""

    def __init__(self, journal: Journal) -> None:
        self._tuner: _core.Tuner | None = None
        super().__init__(journal)
        self._folder = StateFolder(self._path.with_name(f"{self._path.name}-states"))

    def planned(self, options: Options) -> Options | None:
        """Return the options with the ladder of the journal's plan; None without a plan or if not `options.planned`."""
        plan = self._facts.get("plan")
        if plan is None or not options.planned:
            return None
        with sound(self._path):
            known: Any = {each: None if plan[each] is None else whole(each, plan[each], 1, LARGEST) for each in PLANNED}
            return replace(options, **known)

    def folds(self) -> int | None:
        """Return the number of folds with which the run was begun, or None for a new run."""
        with sound(self._path):
            data = self._facts.get("run", {}).get("data")  # None also for a run of a function
            return None if data is None else whole("folds", data["folds"], 1, LARGEST)

    def agree(self, identity: Facts, options: RunOptions, call: Facts, code: Facts | None = None) -> None:
        """Write the identity of the run, or compare it with the recorded one."""
        is_planned = isinstance(options, Options) and options.planned
        plan = {name: getattr(options, name) for name in PLANNED} if is_planned else None
        began = None if self.began is None else space_story(self.began)
        self._agree(identity, options, call, {"plan": plan, "began": began})

    def grow(self, space: Space) -> None:
        """Load the candidates drawn from smaller spaces, and the smallest of these spaces."""
        self._grow(space_story(space))
        if not self._is_of_space:
            return
        with sound(self._path):
            began = self._facts.get("began")
            if began is None and self._has_grown:
                began = self._facts["run"]["space"]
            self.began = None if began is None else space_of_facts(began, Space)
            try:
                space.size_with(list(self.before.values()))
            except SettingError as error:
                raise ValueError(f"a candidate of a smaller space is not in the space: {error}") from error

    def drawn(self, space: Space) -> list[Params]:
        """Return the recorded candidates from number 0 up to the first gap; none if the journal has another space."""
        if not self._is_of_space:
            return []  # `agree` will report that the spaces differ
        with sound(self._path):
            there = self._on_record()
            found = [there[number] for number in takewhile(there.__contains__, count())]
            for number, params in enumerate(found):
                if number not in self.before and not space.has(params):
                    raise ValueError(f"candidate {number} is not in the space")
            return found

    def restore(
        self,
        tuner: _core.Tuner,
        params: Sequence[Params],
        options: Options,
        folds: int,
        failed: Callable[[], bool],
        *,
        keeps_drawn: bool = False,
    ) -> None:
        """Pass the recorded results to the tuner."""
        is_greedy = options.schedule == "greedy"
        self._pending = PendingRows(self._rows, params, greedy=is_greedy, folds=folds, keeps_drawn=keeps_drawn)
        self._states = StateCache(self._folder, options.memory_limit, self._rows["states"])
        self._tuner, self._failed = tuner, failed
        if self._database is not None:
            self._folder.tidy(row[2] for row in self._rows["states"])
        with sound(self._path):
            for candidate, text, *_ in self._rows["candidates"]:
                if candidate < len(params) and json.loads(text) != json.loads(json.dumps(params[candidate])):
                    raise ValueError(f"candidate {candidate} has other hyperparameters")
            self._restore_states(tuner)
            self._restore_jobs(tuner, folds)
        self._rows = {}

    def _restore_states(self, tuner: _core.Tuner) -> None:
        changes, unread = Changes(), []
        for name, size, text in sorted({row[2:5] for row in self._rows["states"]}):
            found = self._folder.read(name, size, text)
            if found is None:
                unread.append(name)
                self._states.forget(name, changes)
                continue
            for (candidate, rung), parts in found.items():
                if (candidate, rung) in self.restored:
                    tuner.restore_state(candidate, rung, parts)
        if unread:
            text = f"{self._path}: states in {', '.join(unread)} are damaged or missing and are trained again"
            warn_user(text)
            with self._failing():
                if self._is_kept and self._save(changes):
                    self._states.committed()

    def _restore_jobs(self, tuner: _core.Tuner, folds: int) -> None:
        known = {(row[1], row[2]) for row in self._rows["jobs"]}
        held = [row for row in map(tuple, self._facts.get(HELD, [])) if (row[1], row[2]) not in known]
        columns, scores = job_columns([*self._rows["jobs"], *held], folds)
        if folds == 1:
            scores = np.ascontiguousarray(columns["score"][:, None])
        steps = np.array([row[1:] for row in self._rows["steps"]], np.int64).reshape(-1, 3)
        tuner.restore(columns, scores, steps, assist_columns(self._rows["assists"]), self._training_seconds)

    @property
    def written(self) -> int | None:
        """Return how many of the core's jobs are in the file."""
        return self._pending.jobs if self._is_kept else None

    @contextmanager
    def completing(self) -> Iterator[None]:
        """Write new results; in the context, raise JournalCorrupt if a retrained network differs from its record."""
        self._try_to_write()
        try:
            yield
        except RuntimeError as error:
            raise JournalCorrupt(f"{self._path} does not fit these data: {error}") from error

    def _write(self, ended: str | None = None) -> None:
        tuner = self._tuner
        if tuner is None:
            return
        changes, now = Changes(), time.monotonic()
        has_new_jobs = self._pending.take(tuner, changes)
        if self._pending.held != self._pending.held_before:
            changes.facts[HELD] = self._pending.held
        if self._failed():  # checked after reading the jobs, so that no job affected by a failure is written
            return
        if has_new_jobs:
            self._states.note(self._pending.read, self._pending.new)
        if ended is not None:
            changes.facts["ended"] = ended
            self._states.write_kept(tuner, changes)
        elif has_new_jobs:
            self._states.write_some(tuner, changes)
        if not changes and not self._is_time(now):
            return
        self._states.drop(tuner, changes)
        if self._commit(changes, now):
            self._states.committed()
        self._pending.committed()


class PendingRows:
    """The core's records since the last commit, as rows that the journal does not have yet.

    Only `committed`, which is called after a commit, advances the counters. So if `take` or the commit is interrupted,
    for example by Ctrl-C, the next call takes the same rows again. Rows that already exist are not added twice.

    The core also reports jobs that the journal already has; these are not new. `params` are the hyperparameters of the
    candidates drawn so far, by number; the sequence may grow. Candidates that have started are recorded, so that they
    are kept if the space grows. With `keeps_drawn` all drawn candidates are recorded, which is needed if draws depend
    on results. In a greedy run decisions depend on the order of steps, so all steps are written from the first one on.
    The core first repeats the steps of the restored jobs, and these steps replace the journal's.
    """

    def __init__(
        self,
        rows: dict[str, list[Row]],
        params: Sequence[Params],
        *,
        greedy: bool,
        folds: int,
        keeps_drawn: bool = False,
    ) -> None:
        self._known = {(row[1], row[2]) for row in rows["jobs"]}  # (candidate, rung) of each recorded job
        self._named = {row[0] for row in rows["candidates"]}
        self._params = params
        self._greedy, self._folds, self._keeps_drawn = greedy, folds, keeps_drawn
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

    def take(self, tuner: _core.Tuner, changes: Changes) -> bool:
        """Add new rows to `changes`, and return whether a job was decided since the last commit."""
        held = tuner.held()  # before the decided jobs, so that a job that is decided meanwhile is in one of them
        steps = tuner.steps(self._steps)
        self._next = (self._steps + len(steps), self.jobs, self._assists)
        if self._greedy and len(steps):
            if self._steps == 0:
                changes.delete("steps")
            changes.add("steps", [(number, *step) for number, step in enumerate(steps.tolist(), self._steps)])
        if not steps[:, 2].any() and _keys(held) == [(row[1], row[2]) for row in self.held_before]:
            return False
        self.read = tuner.jobs(self.jobs)
        keys, first_rung = _keys(self.read), tuner.rungs[0]
        self._begun = len(self._params) if self._keeps_drawn else first_rung["running"] + first_rung["finished"]
        is_new = np.array([key not in self._known for key in keys], bool)
        self.new = {name: column[is_new] for name, column in self.read.items()}
        assists = assist_rows(tuner.assists(self._assists), self._assists)
        scores = scores_of(tuner.fold_scores()) if self._folds > 1 else {}  # a single fold's score is in the job's row
        self.held = job_rows(held, 0, scores)
        self._naming = self._unnamed(held)
        changes.add("jobs", job_rows(self.new, len(self._known), scores))
        changes.add("candidates", [(each, json.dumps(self._params[each])) for each in self._naming])
        changes.add("assists", assists)
        self._next = (self._next[0], self.jobs + len(keys), self._assists + len(assists))
        return bool(keys)

    def committed(self) -> None:
        """Update the counters after the rows that `take` added have been committed."""
        if self.read:
            self._named.update(self._naming)
            self._passed = self._begun
            self._known.update(_keys(self.read))  # before the counters change, since rows are numbered from len(_known)
        self.held_before = self.held
        self._steps, self.jobs, self._assists = self._next

    def _unnamed(self, held: Columns) -> list[Any]:
        """Return the unrecorded candidates: those of new and held jobs, and all others that must be recorded."""
        ended = {*self.new["candidate"].tolist(), *held["candidate"].tolist()}
        return sorted({*ended, *range(self._passed, self._begun)} - self._named)


def _keys(columns: Columns) -> list[tuple[int, int]]:
    return list(zip(columns["candidate"].tolist(), columns["rung"].tolist(), strict=True))


def job_rows(columns: Columns, first: int, fold_scores: Scores) -> list[Row]:
    """Return the rows of jobs, numbered from `first` on.

    `fold_scores` has the scores of all jobs that have not diverged; it is empty if there is only one fold.
    """
    fields = [[_to_text(name, value) for value in columns[name].tolist()] for name in JOB]
    rows = zip(*fields, strict=True)
    return [
        (number, *row, json.dumps([repr(score) for score in fold_scores.get((row[0], row[1]), ())]))
        for number, row in enumerate(rows, first)
    ]


def job_columns(rows: Sequence[Row], folds: int) -> tuple[Columns, NDArray[np.float64]]:
    """Return the columns of jobs, and their fold scores [jobs, folds]; NaN for jobs without recorded fold scores."""
    values = list(zip(*rows, strict=True)) or [()] * (len(JOB) + 2)
    columns = {name: _array(name, values[place]) for place, name in enumerate(JOB, 1)}
    scores = np.full((len(rows), folds), np.nan)
    for place, text in enumerate(values[-1]):
        found = [float(score) for score in json.loads(text)]
        if found:
            scores[place] = found
    return columns, scores


def assist_rows(columns: Columns, first: int) -> list[Row]:
    """Return the rows for these assists in the journal's table, numbered from `first` on."""
    fields = [columns[name].tolist() for name in ASSIST]
    return [(number, *row) for number, row in enumerate(zip(*fields, strict=True), first)]


def assist_columns(rows: Sequence[Row]) -> Columns:
    """Return the columns of assists, converted from their recorded rows."""
    values = list(zip(*rows, strict=True)) or [()] * (len(ASSIST) + 1)
    return {name: _array(name, values[place]) for place, name in enumerate(ASSIST, 1)}


def scores_of(columns: Columns) -> Scores:
    """Convert the core's columns of fold scores into a dict keyed by (candidate, rung)."""
    return dict(zip(_keys(columns), columns["scores"].tolist(), strict=True))


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

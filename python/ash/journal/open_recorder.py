"""A run and its journal: what was there is told to the core, what the core finds is written down.

    open: lock, database            another process, another program's file -> JournalError, before any data are read
    agree: facts of the run         the first time written, later compared
    restore: results, states        to the core, which takes them up as it comes to them
    look, every 50 ms               new results, one commit; with it states (upkeep.py); then callbacks are told; not
                                    yet where the last commit was just now, and slow
    finish                          the rest, and the networks that the result holds

Durability: a result is in the file before a callback hears of it. Threads: the calling thread alone; the others train
on while it writes. Cost: a commit, with a sync of the disk, for a look in which a job has ended; COMMIT_SHARE of the
time of the calling thread at most, but one for each HEARTBEAT whatever it takes.
"""

import contextlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import numpy as np

from ash import _core
from ash.errors import AshError, JournalCorrupt, JournalError
from ash.journal.argument import Journal
from ash.journal.database import Changes, Database, check_head, check_place, real_path
from ash.journal.file_system import log_works
from ash.journal.identity import PLANNED, Facts, check_same, plan_of
from ash.journal.lock import Lock
from ash.journal.news import News
from ash.journal.recorder import Recorder
from ash.journal.results import assist_columns, job_columns
from ash.journal.states import StateFolder
from ash.journal.upkeep import Upkeep
from ash.options import LARGEST, MOST_WORKERS, Options, whole
from ash.settings import Params

MOST_RUNGS = 63
"""Epochs at least double from one to the next, and are counted in 63 bits."""
HEARTBEAT = 1.0
"""Seconds after which the time that the run has taken is written down, though no job has ended or the disk is slow."""
COMMIT_SHARE = 0.01
"""Of the time of the calling thread: what commits may take. So a crash costs what ended in the time of a hundred."""


class OpenRecorder(Recorder):
    """The journal of one run: a context manager that closes it.

    Parameters
    ----------
    journal : Journal
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._started = self._training_started = time.monotonic()
        self._committed = self._rests = 0.0  # when the last commit was, and until when there is none
        self._tuner: _core.Tuner | None = None
        self._path = path = real_path(journal.file)
        check_place(path)
        self._lock = Lock(path.with_name(f"{path.name}-lock"), path)
        self._database: Database | None = None
        try:
            check_head(path)  # with the lock: closing a file drops the locks that SQLite holds on it in this process
            self._database = Database(path, log=log_works(path))
            self._load(self._database)
        except BaseException:
            self._close()
            raise

    def _load(self, database: Database) -> None:
        contents = database.read()
        self._facts: Facts = dict(contents.facts)
        self._rows: dict[str, list[Any]] = contents.rows
        self._folder = StateFolder(self._path.with_name(f"{self._path.name}-states"))
        self.restored = frozenset((row[1], row[2]) for row in self._rows["jobs"])
        with self._sound():
            progress = self._facts.get("progress", {})
            self.seconds = _seconds(progress.get("seconds", 0.0))
            self._training_seconds = _seconds(progress.get("training seconds", 0.0))
            self._check_restored()

    def _check_restored(self) -> None:
        """Raise ValueError where the results cannot be those of a run: before anything is drawn or made for them."""
        candidates = {candidate for candidate, _ in self.restored}
        if candidates and not {"run", "begun", "progress"} <= self._facts.keys():
            raise ValueError("it has results and does not say of what")
        if max(candidates, default=0) >= len(candidates) + MOST_WORKERS or min(candidates, default=0) < 0:
            raise ValueError("it has results of candidates that cannot have had a turn")
        if any(not 0 <= rung < MOST_RUNGS for _, rung in self.restored):
            raise ValueError("it has results of rungs that no ladder has")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None and self._tuner is not None and self._database is not None:
                self._write(self._database, self._tuner)
        except JournalError as other:
            if error is not None and str(other) != str(error):
                error.add_note(f"the journal does not have everything: {other}")
        finally:
            self._close()

    def planned(self, options: Options) -> Options | None:
        """Return the options with the ladder of the journal."""
        plan = self._facts.get("plan")
        if plan is None or not options.planned:
            return None
        with self._sound():
            known: Any = {each: None if plan[each] is None else whole(each, plan[each], 1, LARGEST) for each in PLANNED}
            return replace(options, **known, schedule="greedy")

    def agree(self, identity: Facts, options: Options, asked: Facts) -> None:
        """Write down what the run is, or compare."""
        if self._database is None:
            return
        if "run" in self._facts:
            with self._sound():
                check_same(str(self._path), self._facts["run"], identity, self._journal.allow_change)
                self._check_candidates(options)
                datetime.fromisoformat(self._facts["begun"]["date"])
        date = self._facts["begun"]["date"] if "begun" in self._facts else datetime.now(UTC).isoformat()
        changes = Changes()
        changes.facts = {
            "run": identity,
            "begun": {**asked, "date": date},
            "plan": plan_of(options) if options.planned else None,
            "candidates": options.candidates,
            "ended": None,
        }
        self._facts |= changes.facts
        with self._failing():
            self._database.write(changes)

    def _check_candidates(self, options: Options) -> None:
        before = max(self._facts.get("candidates") or 0, *(1 + candidate for candidate, _ in self.restored), 0)
        if options.candidates is not None and options.candidates < before:
            raise JournalError(
                f"{self._path} holds a run of {before} candidates; candidates={options.candidates} would lose results: "
                "give as many or more, or another path for the journal"
            )

    def restore(
        self,
        tuner: _core.Tuner,
        params: Sequence[Params],
        options: Options,
        folds: int,
        failed: Callable[[], bool],
    ) -> None:
        """Tell the tuner what there is."""
        self._news = News(self._rows, params, greedy=options.schedule == "greedy", folds=folds)
        self._upkeep = Upkeep(self._folder, options.memory_limit, self._rows["states"])
        self._tuner, self._failed = tuner, failed
        if self._database is not None:
            self._folder.tidy(row[2] for row in self._rows["states"])
        with self._sound():
            for candidate, text, *_ in self._rows["candidates"]:
                if json.loads(text) != json.loads(json.dumps(params[candidate])):
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
                self._upkeep.forget(name, changes)
                continue
            for (candidate, rung), parts in found.items():
                if (candidate, rung) in self.restored:
                    tuner.restore_state(candidate, rung, parts)
        if unread:
            text = f"{self._path}: states in {', '.join(unread)} are damaged or missing; they are trained again"
            warnings.warn(text, UserWarning, stacklevel=2)
            with self._failing():
                if self._database is not None:
                    self._database.write(changes)
                    self._upkeep.committed()

    def _restore_jobs(self, tuner: _core.Tuner, folds: int) -> None:
        columns, scores = job_columns(self._rows["jobs"], folds)
        if folds == 1:
            scores = np.ascontiguousarray(columns["score"][:, None])
        steps = np.array([row[1:] for row in self._rows["steps"]], np.int64).reshape(-1, 3)
        tuner.restore(columns, scores, steps, assist_columns(self._rows["assists"]), self._training_seconds)

    def start(self) -> tuple[datetime, float]:
        """Return when it was begun, and the seconds so far."""
        self._training_started = time.monotonic()
        with self._sound():
            return datetime.fromisoformat(self._facts["begun"]["date"]), self._training_seconds

    @property
    def written(self) -> int | None:
        """Return how many of the core's jobs are in the file."""
        return None if self._database is None else self._news.jobs

    def look(self, tuner: _core.Tuner) -> None:
        """Write down what is new, unless the last commit was just now."""
        if time.monotonic() >= self._rests:
            self._try_to_write(tuner)

    def finish(self, tuner: _core.Tuner, ended: str) -> None:
        """Complete the networks that are kept, and write down all."""
        self._try_to_write(tuner)  # first what there is, then what takes time
        self._complete(tuner, ended)
        self._try_to_write(tuner, ended)

    def _try_to_write(self, tuner: _core.Tuner, ended: str | None = None) -> None:
        if self._database is not None:
            with self._failing():
                self._write(self._database, tuner, ended)

    def _complete(self, tuner: _core.Tuner, ended: str) -> None:
        kept = [there for *_, there in tuner.kept_jobs()]
        if all(kept):
            return
        most = kept.count(False)
        if ended in ("interrupted", "stopped", "time_limit"):
            most = 0 if any(kept) and (ended == "interrupted" or kept[0]) else 1
        try:
            tuner.complete(most)
        except RuntimeError as error:
            raise JournalCorrupt(f"{self._path} does not fit these data: {error}") from error

    def _write(self, database: Database, tuner: _core.Tuner, ended: str | None = None) -> None:
        changes, now = Changes(), time.monotonic()
        news = self._news.take(tuner, changes)
        if self._failed():  # asked after the jobs were read: a failed score of them is known by now
            return
        if news:
            self._upkeep.note(self._news.read, self._news.new)
        if ended is not None:
            changes.facts["ended"] = ended
            self._upkeep.write_kept(tuner, changes)
        elif news:
            self._upkeep.write_some(tuner, changes)
        if not changes and now - self._committed < HEARTBEAT:
            return
        self._upkeep.drop(tuner, changes)
        changes.facts["progress"] = self._progress(now)
        began = time.monotonic()
        database.write(changes)
        self._committed = time.monotonic()
        self._rests = self._committed + min((self._committed - began) / COMMIT_SHARE, HEARTBEAT)
        self._upkeep.committed()
        self._news.committed()

    def _progress(self, now: float) -> Facts:
        return {
            "seconds": self.seconds + now - self._started,
            "training seconds": self._training_seconds + now - self._training_started,
            "process": os.getpid(),
        }

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        """Take what is not as it must be for damage, though its hash is right."""
        try:
            yield
        except AshError:
            raise
        except Exception as error:
            raise JournalCorrupt(f"{self._path} is damaged: {type(error).__name__}: {error}") from error

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Do as `on_error` says."""
        try:
            yield
        except JournalError as error:
            if self._journal.on_error == "raise":
                raise
            warnings.warn(f"{error}; the run goes on without its journal", UserWarning, stacklevel=4)
            self._close()

    def _close(self) -> None:
        database, self._database = self._database, None
        try:
            if database is not None:
                database.close()
        finally:
            self._lock.release()


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} are no seconds")
    return float(value)

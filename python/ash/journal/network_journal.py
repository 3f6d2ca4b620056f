"""A run and its journal: what was there is told to the core, what the core finds is written down.

    open, agree                     open_journal.py
    restore: results, states        to the core, which takes them up as it comes to them
    look, every 50 ms               new results, one commit; with it states (state_cache.py); then callbacks are told
    finish                          the rest, and the networks that the result holds

Threads: the calling thread alone; the others train on while it writes.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from ash import _core
from ash._utils.checks import whole
from ash.errors import JournalCorrupt
from ash.journal.database import Changes, Database
from ash.journal.identity import PLANNED, Facts, plan_of
from ash.journal.journal import Journal
from ash.journal.null_journal import NullJournal
from ash.journal.open_journal import OpenJournal
from ash.journal.pending_rows import News
from ash.journal.results import assist_columns, job_columns
from ash.journal.state_cache import Upkeep
from ash.journal.state_files import StateFolder
from ash.options import LARGEST, Options, RunOptions
from ash.space.hyperparameters import Params


class NetworkJournal(OpenJournal, NullJournal):
    """The journal of one run: a context manager that closes it.

    Parameters
    ----------
    journal : Journal
    """

    def __init__(self, journal: Journal) -> None:
        self._tuner: _core.Tuner | None = None
        super().__init__(journal)
        self._folder = StateFolder(self._path.with_name(f"{self._path.name}-states"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._closing(error):
            if error is not None and self._tuner is not None and self._database is not None:
                self._write(self._database, self._tuner)

    def planned(self, options: Options) -> Options | None:
        """Return the options with the ladder of the journal."""
        plan = self._facts.get("plan")
        if plan is None or not options.planned:
            return None
        with self._sound():
            known: Any = {each: None if plan[each] is None else whole(each, plan[each], 1, LARGEST) for each in PLANNED}
            return replace(options, **known, schedule="greedy")

    def agree(self, identity: Facts, options: RunOptions, asked: Facts, code: Facts | None = None) -> None:
        """Write down what the run is, or compare."""
        plan = plan_of(options) if isinstance(options, Options) and options.planned else None
        self._agree(identity, options, asked, {"plan": plan})

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

    @property
    def written(self) -> int | None:
        """Return how many of the core's jobs are in the file."""
        return None if self._database is None else self._news.jobs

    def look(self) -> None:
        """Write down what is new, unless the last commit was just now."""
        if self._may_commit():
            self._try_to_write()

    @contextmanager
    def completing(self) -> Iterator[None]:
        """Write down what there is; a network that comes out different is the fault of the journal."""
        self._try_to_write()
        try:
            yield
        except RuntimeError as error:
            raise JournalCorrupt(f"{self._path} does not fit these data: {error}") from error

    def finish(self, ended: str) -> None:
        """Write down all."""
        self._try_to_write(ended)

    def _try_to_write(self, ended: str | None = None) -> None:
        if self._database is not None and self._tuner is not None:
            with self._failing():
                self._write(self._database, self._tuner, ended)

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
        if not changes and not self._is_time(now):
            return
        self._upkeep.drop(tuner, changes)
        self._commit(database, changes, now)
        self._upkeep.committed()
        self._news.committed()

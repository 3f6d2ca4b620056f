"""The base class of open journals: the facts of the run, its recorded results, and the timing of commits.

    open     opens the file (journal_file.py). If another process has the lock, or the file is not a journal,
             JournalError is raised before any data are read. If the disk refuses writing, `on_error` says what happens;
             in any case a completed run can still be read
    agree    writes the facts of the run, after comparing them with those that an earlier call has written
    restore  passes recorded results to the core, which replays them
    write    writes new results in one commit; the calling thread calls it every LOOK_SECONDS

Durability: a result is in the file before callbacks receive it, and LOOK_SECONDS and a commit after its job ended.
Threads: used only by the calling thread, except as the subclasses say.
Cost: each time `write` finds new results, there is one commit, which syncs the disk.
"""

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ash._utils.aliases import Facts, Key
from ash._utils.checks import whole
from ash._utils.display import counted
from ash._utils.hashes import hash_of
from ash._utils.user_warnings import warn_user
from ash.errors import JournalError
from ash.history.records import PRUNED, keys_of
from ash.journal.database import Changes, Row
from ash.journal.identity import check_same, differences, from_json
from ash.journal.journal import CANDIDATE, EPOCHS, RUNG, SCORE, Journal, NullJournal, sound
from ash.journal.journal_file import JournalFile
from ash.journal.pending_rows import ASSIST, HELD, Batch, PendingRows, Search, job_columns, read_columns
from ash.options import ADAPTIVE, MOST_WORKERS, RunOptions, RunPlan
from ash.run_record import RunRecord
from ash.space.hyperparameters import Params

MOST_RUNGS = 63
"""The maximum number of rungs: epochs at least double from one rung to the next, and are counted in 63 bits."""
HEARTBEAT = 1.0
"""The number of seconds after a commit from which on `write` writes the elapsed time even if no job has ended."""


class Elapsed:
    """The seconds of a run over all of its calls, and the time of the last commit.

    `before` and `trained` are the seconds of earlier calls, in all and of training.
    """

    def __init__(self) -> None:
        self.before = self.trained = 0.0
        self._started = self._training_started = time.monotonic()
        self.committed = self.commit_seconds = 0.0  # the time of the last commit, and how long it took

    def read(self, facts: Facts) -> None:
        """Read the seconds of earlier calls, or raise ValueError."""
        found = facts.get("progress", {})
        for value in (seconds := [found.get(name, 0.0) for name in ("seconds", "training seconds")]):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{value!r} is not a number of seconds")
        self.before, self.trained = map(float, seconds)
        self._training_started = time.monotonic()

    def start_training(self) -> None:
        """Count the seconds of training from now on."""
        self._training_started = time.monotonic()

    def facts(self) -> Facts:
        """Return the seconds so far, as `read` reads them."""
        now = time.monotonic()
        training = self.trained + now - self._training_started
        return {"seconds": self.before + now - self._started, "training seconds": training, "process": os.getpid()}


class OpenJournal(NullJournal):
    """The journal of one run; as a context manager it closes itself. Subclasses add what only their jobs have."""

    def __init__(self, journal: Journal) -> None:
        self._file, self._allow_change = JournalFile(journal), journal.allow_change
        self._pending: PendingRows | None = None  # None before the run begins
        self._elapsed = Elapsed()
        self._has_grown: bool | None = None  # None: the space is not known, or not that of the journal
        self.before: Mapping[int, Params] = {}
        self.key: str | None = None
        try:
            facts, rows = self._file.open()
            self._facts: Facts = dict(facts)
            self._rows: dict[str, list[Any]] = rows
            self._file.is_done = facts.get("ended") not in (None, "interrupted")
            with sound(self._file.path):
                self._elapsed.read(facts)
                self._recorded = {row[0]: from_json(dict(json.loads(row[1]))) for row in rows["candidates"]}
                self.restored = {
                    (row[CANDIDATE], row[RUNG]): (int(row[EPOCHS]), float(row[SCORE])) for row in rows["jobs"]
                }
                self.begun = self._count_of_begun()
        except BaseException:
            self._file.close()
            raise
        with self._file.failing():
            self._file.check()

    @property
    def seconds(self) -> float:
        """Return the time in seconds that earlier calls of this run took."""
        return self._elapsed.before

    def _count_of_begun(self) -> int:
        """Return how many candidates were begun; raise ValueError if that is impossible, before it is used."""
        candidates = {candidate for candidate, _ in self.restored}
        if candidates and not {"run", "begun", "progress"} <= self._facts.keys():
            raise ValueError("it has results, but no description of their run")
        candidates |= self._recorded.keys()
        if max(candidates, default=0) >= len(candidates) + MOST_WORKERS or min(candidates, default=0) < 0:
            raise ValueError("it has candidate numbers that no run can have reached")
        if any(not 0 <= rung < MOST_RUNGS for _, rung in self.restored):
            raise ValueError("it has results of rungs that no ladder has")
        return 1 + max(candidates, default=-1)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close the journal. If an error ended the run, commit first; if the commit fails, the error gets a note."""
        try:
            if error is not None and self._file.is_kept:
                self._write()
        except JournalError as other:
            if error is not None and str(other) != str(error):
                error.add_note(f"the journal is incomplete: {other}")
        finally:
            self._file.close()

    def virtual_workers(self) -> int | None:
        """Return the number of virtual workers with which the run was begun, or None for a new run."""
        if "run" not in self._facts:
            return None
        with sound(self._file.path):
            return whole("virtual_workers", self._facts["run"]["settings"]["virtual_workers"], 1, MOST_WORKERS)

    def _grow(self, space: Facts) -> None:
        """Load the candidates drawn from smaller spaces; these are all recorded ones if `space` has grown."""
        if "run" not in self._facts:
            return
        with sound(self._file.path):
            there, here = ({"space": facts} for facts in (self._facts["run"]["space"], json.loads(json.dumps(space))))
            if differences(there, here, may_grow=True):
                return  # `_agree` will report that the spaces differ
            self.before = self._recorded if there != here else dict(from_json(self._facts.get("before", [])))
            self._has_grown = there != here and bool(self.before)

    def _agree(self, identity: Facts, options: RunOptions, call: Facts, more: Facts) -> None:
        """Write or compare the identity of the run; `more` are facts that may differ between calls."""
        if "run" in self._facts:
            with sound(self._file.path):
                check_same(str(self._file.path), self._facts["run"], identity, self._allow_change)
                before = max(self._facts.get("candidates") or 0, *(1 + candidate for candidate, _ in self.restored), 0)
                if options.candidates is not None and options.candidates < before:
                    raise JournalError(
                        f"{self._file.path} holds a run of {counted(before, 'candidate')}; "
                        f"candidates={options.candidates} would lose results: give at least as many, or another path "
                        "for the journal"
                    )
                datetime.fromisoformat(self._facts["begun"]["date"])
        date = self._facts["begun"]["date"] if "begun" in self._facts else datetime.now(UTC).isoformat()
        facts: Facts = {
            "run": identity,
            "begun": {**call, "date": date},
            "candidates": options.candidates,
            "ended": None,
            "record": None,
            "before": list(self.before.items()),
            **more,
        }
        self._file.is_done = self._file.is_done and self._facts.get("candidates") == options.candidates
        self._facts |= facts
        self.key = hash_of(f"{date} {identity['settings']['seed']}")
        self._save_if_kept(Changes(facts=facts))
        if self._has_grown:
            text = f"{len(self.before)} candidates on record are kept; new ones are drawn from the larger space"
            warn_user(f"{self._file.path}: the space has grown: {text}")

    def check_drawn(self, params: Sequence[Params], first: int = 0) -> None:
        """Raise JournalCorruptError if a drawn candidate with a number from `first` on differs from the record."""
        with sound(self._file.path):
            for candidate in range(first, len(params)):
                if self._recorded.get(candidate, params[candidate]) != params[candidate]:
                    raise ValueError(f"candidate {candidate} has other hyperparameters")

    def restore(self, search: Search, params: Sequence[Params], plan: RunOptions) -> dict[Key, Any]:
        """Pass the recorded results to the core, and return the recorded answers."""
        folds, keeps_drawn = (plan.folds, plan.sampler == ADAPTIVE) if isinstance(plan, RunPlan) else (1, False)
        greedy = plan.schedule == "greedy"
        with sound(self._file.path):
            self.check_drawn(params)
            known = {(row[1], row[2]) for row in self._rows["jobs"]}
            held = [tuple(row) for row in self._facts.get(HELD, [])]
            rows = [*self._rows["jobs"], *(row for row in held if (row[1], row[2]) not in known)]
            columns, scores = job_columns(rows, folds)
            epochs = [rung["epochs"] for rung in search.rungs]
            for rung, own in zip(columns["rung"].tolist(), columns["epochs"].tolist(), strict=True):
                if rung < len(epochs) and epochs[rung] != own:
                    raise ValueError(f"a candidate has other epochs in rung {rung}")
            answers = self._answers(rows)
            pruned = {key for key, answer in answers.items() if answer.text == PRUNED}
            columns["pruned"] = np.array([key in pruned for key in keys_of(columns)], bool)
            steps = np.array([row[1:] for row in self._rows["steps"]], np.int64).reshape(-1, 3)
            search.restore(columns, scores, steps, read_columns(self._rows["assists"], ASSIST), self._elapsed.trained)
        self._pending = PendingRows(search, self._rows, params, self._details, greedy=greedy, keeps_drawn=keeps_drawn)
        self._rows = {}
        return answers

    def _answers(self, rows: Sequence[Row]) -> dict[Key, Any]:
        """Return the answers of the jobs in these rows, if they are jobs of a function."""
        return {}

    def _details(self, search: Search) -> dict[Key, list[Any]]:
        """Return what the last column of jobs' rows holds, as `PendingRows` takes it."""
        return {}

    def start(self) -> tuple[datetime, float]:
        """Return when the run was begun, and its training seconds so far."""
        self._elapsed.start_training()
        with sound(self._file.path):
            return datetime.fromisoformat(self._facts["begun"]["date"]), self._elapsed.trained

    def sign(self, record: RunRecord) -> None:
        """Write the record of the run."""
        self._save_if_kept(Changes(facts={"record": record.to_json()}))

    def _save_if_kept(self, changes: Changes) -> None:
        if self._file.is_kept:
            with self._file.failing():
                self._file.save(changes)

    def write(self, ended: str | None = None) -> None:
        """Write new results and, if it is given, how the run ended."""
        if self._file.is_kept:
            with self._file.failing():
                self._write(ended)

    @property
    def written(self) -> int | None:
        """Return the number of decided jobs in the file, or None if no file is kept."""
        return self._pending.last.jobs if self._file.is_kept and self._pending is not None else None

    def _write(self, ended: str | None = None) -> None:
        """Write new results if the run has begun, and how the run ended if `ended` is given."""
        pending = self._pending
        if pending is None:
            return
        changes, elapsed = Changes(), self._elapsed
        batch = pending.take(changes)
        if batch.held != pending.last.held:
            changes.facts[HELD] = batch.held
        if not self._add(pending.search, batch, changes, ended):
            return
        if ended is not None:
            changes.facts["ended"] = ended
        if changes or time.monotonic() - elapsed.committed >= HEARTBEAT:
            changes.facts["progress"] = elapsed.facts()
            began = time.monotonic()
            is_saved = self._file.save(changes)
            elapsed.committed = time.monotonic()
            elapsed.commit_seconds = elapsed.committed - began
            pending.committed(batch)
            self._noted(batch, is_saved)

    def _add(self, search: Search, batch: Batch, changes: Changes, ended: str | None) -> bool:
        """Add a subclass's rows to the changes; return False if nothing may be written."""
        return True

    def _noted(self, batch: Batch, is_saved: bool) -> None:
        """Take note of a commit, even if the results could not be saved and are not needed."""

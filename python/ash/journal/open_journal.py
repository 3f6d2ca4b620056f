"""The base class of open journals: the lock, the database, the facts of the run, and the timing of commits.

    open     takes the lock and opens the database. If another process has the lock, or the file is not a journal,
             JournalError is raised before any data are read. If the disk refuses writing, `on_error` says what happens;
             in any case a completed run can still be read
    agree    writes the facts of the run, after comparing them with those that an earlier call has written
    look     writes new results in one commit; the calling thread looks every LOOK_SECONDS

Durability: a result is in the file before callbacks receive it, and LOOK_SECONDS and a commit after its job ended.
Threads: used only by the calling thread, except as the subclasses say.
Cost: each time `look` finds new results, there is one commit, which syncs the disk.
"""

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ash._utils.checks import whole
from ash._utils.display import counted
from ash._utils.user_warnings import warn_user
from ash.errors import JournalError, JournalUnwritable
from ash.journal.database import (
    Changes,
    Contents,
    Database,
    check_head,
    check_place,
    log_works,
    nothing,
    read_only,
    real_path,
)
from ash.journal.identity import check_same, differences, from_json
from ash.journal.journal import CANDIDATE, EPOCHS, RUNG, SCORE, Facts, Journal, NullJournal, sound
from ash.journal.lock import Lock
from ash.options import MOST_WORKERS, RunOptions
from ash.run_record import RunRecord
from ash.space.hyperparameters import Params

MOST_RUNGS = 63
"""The maximum number of rungs: epochs at least double from one rung to the next, and are counted in 63 bits."""
HEARTBEAT = 1.0
"""The number of seconds after a commit from which on `look` writes the elapsed time even if no job has ended."""


class OpenJournal(NullJournal):
    """The journal of one run; as a context manager it closes itself. A subclass writes new results in `_write`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._started = self._training_started = time.monotonic()
        self._committed = self._commit_seconds = 0.0  # time of the last commit, and how long it took
        self._path = path = real_path(journal.file)
        check_place(path)
        self._lock: Lock | None = None
        self._database: Database | None = None
        self._refusal: JournalUnwritable | None = None  # the error after which nothing more can be written
        try:
            self._load(self._opened())
        except BaseException:
            self._close()
            raise
        with self._failing():
            self._check_refusal()

    def _opened(self) -> Contents:
        """Open the file and return its contents, which may be readable even if the file cannot be written."""
        path = self._path
        try:
            self._lock = Lock(path.with_name(f"{path.name}-lock"), path)
            check_head(path)  # under the lock: closing the file releases all locks on it that this process has
            self._database = Database(path, log=log_works(path))
            return self._database.read()
        except JournalUnwritable as error:
            self._close()
            self._refusal = error
        with contextlib.suppress(JournalUnwritable):
            return read_only(path)
        return nothing()

    def _load(self, contents: Contents) -> None:
        self._facts: Facts = dict(contents.facts)
        self._rows: dict[str, list[Any]] = contents.rows
        self._had_ended = self._facts.get("ended") not in (None, "interrupted")
        self._is_of_space = self._has_grown = False
        with sound(self._path):
            self.restored = {
                (row[CANDIDATE], row[RUNG]): (int(row[EPOCHS]), float(row[SCORE])) for row in self._rows["jobs"]
            }
            progress = self._facts.get("progress", {})
            self.seconds = _seconds(progress.get("seconds", 0.0))
            self._training_seconds = _seconds(progress.get("training seconds", 0.0))
            self._check_restored()

    def _check_restored(self) -> None:
        """Raise ValueError if the results are impossible, before anything is drawn or allocated for them."""
        candidates = {candidate for candidate, _ in self.restored}
        if candidates and not {"run", "begun", "progress"} <= self._facts.keys():
            raise ValueError("it has results, but no description of their run")
        candidates.update(candidate for candidate, *_ in self._rows["candidates"])
        if max(candidates, default=0) >= len(candidates) + MOST_WORKERS or min(candidates, default=0) < 0:
            raise ValueError("it has candidate numbers that no run can have reached")
        self.begun = 1 + max(candidates, default=-1)
        if any(not 0 <= rung < MOST_RUNGS for _, rung in self.restored):
            raise ValueError("it has results of rungs that no ladder has")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close the journal. If an error ended the run, commit first; if the commit fails, the error gets a note."""
        try:
            if error is not None and self._is_kept:
                self._write()
        except JournalError as other:
            if error is not None and str(other) != str(error):
                error.add_note(f"the journal is incomplete: {other}")
        finally:
            self._close()

    def workers(self) -> int | None:
        """Return the number of virtual workers with which the run was begun, or None for a new run."""
        if "run" not in self._facts:
            return None
        with sound(self._path):
            return whole("workers", self._facts["run"]["settings"]["workers"], 1, MOST_WORKERS)

    def _grow(self, space: Facts) -> None:
        """Load the candidates drawn from smaller spaces; these are all recorded ones if `space` has grown."""
        if "run" not in self._facts:
            return
        with sound(self._path):
            there, here = ({"space": facts} for facts in (self._facts["run"]["space"], json.loads(json.dumps(space))))
            self._is_of_space = not differences(there, here, may_grow=True)
            if not self._is_of_space:
                return  # `_agree` will report that the spaces differ
            self.before = dict(from_json(self._facts.get("before", [])))
            if there != here:
                self.before = self._on_record()
                self._has_grown = bool(self.before)

    def _on_record(self) -> dict[int, Params]:
        """Return the recorded candidates, by number."""
        return {candidate: from_json(dict(json.loads(text))) for candidate, text, *_ in self._rows["candidates"]}

    def _agree(self, identity: Facts, options: RunOptions, call: Facts, more: Facts) -> None:
        """Write or compare the identity of the run; `more` are facts that may differ between calls."""
        if "run" in self._facts:
            with sound(self._path):
                check_same(str(self._path), self._facts["run"], identity, self._journal.allow_change)
                self._check_candidates(options)
                datetime.fromisoformat(self._facts["begun"]["date"])
        date = self._facts["begun"]["date"] if "begun" in self._facts else datetime.now(UTC).isoformat()
        changes = Changes()
        changes.facts = {
            "run": identity,
            "begun": {**call, "date": date},
            "candidates": options.candidates,
            "ended": None,
            "record": None,
            "before": list(self.before.items()),
            **more,
        }
        self._had_ended = self._had_ended and self._facts.get("candidates") == options.candidates
        self._facts |= changes.facts
        self.key = hashlib.blake2b(f"{date} {identity['settings']['seed']}".encode(), digest_size=8).hexdigest()
        if self._is_kept:
            with self._failing():
                self._save(changes)
        if self._has_grown:
            text = f"{len(self.before)} candidates on record are kept; new ones are drawn from the larger space"
            warn_user(f"{self._path}: the space has grown: {text}")

    def _check_candidates(self, options: RunOptions) -> None:
        before = max(self._facts.get("candidates") or 0, *(1 + candidate for candidate, _ in self.restored), 0)
        if options.candidates is not None and options.candidates < before:
            raise JournalError(
                f"{self._path} holds a run of {counted(before, 'candidate')}; candidates={options.candidates} would "
                "lose results: give at least as many, or another path for the journal"
            )

    def start(self, run: Any = None) -> tuple[datetime, float]:
        """Return when the run was begun, and its training seconds so far."""
        self._training_started = time.monotonic()
        with sound(self._path):
            return datetime.fromisoformat(self._facts["begun"]["date"]), self._training_seconds

    def look(self) -> None:
        """Write new results."""
        self._try_to_write()

    def finish(self, ended: str) -> None:
        """Write all remaining results, and how the run ended."""
        self._try_to_write(ended)

    def sign(self, record: RunRecord) -> None:
        """Write the record of the run."""
        if self._is_kept:
            changes = Changes()
            changes.facts = {"record": record.to_json()}
            with self._failing():
                self._save(changes)

    def _try_to_write(self, ended: str | None = None) -> None:
        if self._is_kept:
            with self._failing():
                self._write(ended)

    def _write(self, ended: str | None = None) -> None:
        """Write new results if the run has begun, and how the run ended if `ended` is given."""
        raise NotImplementedError

    @property
    def _is_kept(self) -> bool:
        """Return whether the run still has its journal, even if the journal can only be read."""
        return self._database is not None or self._refusal is not None

    def _is_time(self, now: float) -> bool:
        """Return whether to commit without new results, only to record the seconds that the run has taken."""
        return now - self._committed >= HEARTBEAT

    def _commit(self, changes: Changes, now: float) -> bool:
        """Write the changes, and the seconds that the run has taken; return whether they were saved."""
        changes.facts["progress"] = {
            "seconds": self.seconds + now - self._started,
            "training seconds": self._training_seconds + now - self._training_started,
            "process": os.getpid(),
        }
        began = time.monotonic()
        is_saved = self._save(changes)
        self._committed = time.monotonic()
        self._commit_seconds = self._committed - began
        return is_saved

    def _save(self, changes: Changes) -> bool:
        """Commit the changes and return True; return False if they cannot be written but no result is lost."""
        if self._refusal is None and self._database is not None:
            try:
                self._database.write(changes)
                return True
            except JournalUnwritable as error:
                self._refusal = error
        self._check_refusal(changes)
        return False

    def _check_refusal(self, changes: Changes | None = None) -> None:
        """Raise the error that prevents writing, unless the run ended in an earlier call and there is no new result."""
        is_new = not self._had_ended or (changes is not None and "jobs" in changes.rows)
        if self._refusal is not None and is_new:
            raise self._refusal

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Handle JournalUnwritable as specified by `Journal.on_error`: raise it, or warn and continue."""
        try:
            yield
        except JournalUnwritable as error:
            if self._journal.on_error == "raise":
                raise
            warn_user(f"{error}; the run continues without its journal; later results are not written to it")
            self._close()

    def _close(self) -> None:
        database, lock = self._database, self._lock
        self._database = self._lock = self._refusal = None
        try:
            if database is not None:
                database.close()
        finally:
            if lock is not None:
                lock.release()


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is not a number of seconds")
    return float(value)

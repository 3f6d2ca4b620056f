"""Records a function's run in a journal: every answer is in the file before callbacks receive it.

    agree       also compares the source of the function with that of earlier calls
    restore     also returns the recorded answers
    starting    writes candidates and answers before a job starts, unless jobs are short

So a job finds after a crash what it knew when it started: its candidate is drawn again, and no job of a lower rung runs
again on its checkpoint. If jobs are shorter than SHORT commits, their rows are written within LOOK_SECONDS: by the
calling thread between jobs, and by a thread of the journal while the calling thread runs a job. A job that asks for its
directory (`settle`) or runs in another process waits for the rows even then.
States that functions return are not recorded, because loading a pickle runs code, so files of earlier processes cannot
be trusted.
Threads: the calling thread, and in the context `starting` also the journal's thread. `_writing` admits one of them at a
time. Any thread may call `settle`.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Event, Lock, Thread, get_ident
from typing import Any

from ash._utils.aliases import Facts, Key
from ash._utils.user_warnings import warn_user
from ash.errors import JournalError, SettingError
from ash.function.answers import FINISHED, KINDS, Answer
from ash.function.directories import CANDIDATE
from ash.function.state_store import LOST, WAITING
from ash.history.records import OBJECTIVE, keys_of
from ash.journal.database import Changes, Row
from ash.journal.journal import LOOK_SECONDS, Journal, NullFunctionJournal, sound
from ash.journal.open_journal import OpenJournal
from ash.journal.pending_rows import Batch, Search
from ash.options import RunOptions
from ash.space.hyperparameters import Params
from ash.space.space import Space

SHORT = 10
"""Jobs that take less time than this many commits do not wait for them. So waiting takes at most a tenth of the time,
except for jobs in other processes."""


class FunctionJournal(OpenJournal, NullFunctionJournal):
    """The journal of one run of a function: a context manager that closes the journal."""

    def __init__(self, journal: Journal) -> None:
        self._ended: dict[Key, Answer] = {}  # answers without their states, until they are in the file
        self._has_row: set[Key] = set()  # jobs whose answers are in the file, or need no row
        self._is_replaying, self._is_behind = True, False  # whether nothing may be written; whether something is new
        self._is_flood = False  # whether the last job was short
        self._caller = os.getpid(), get_ident()  # the process and the calling thread
        self._writing = Lock()
        self._is_away = False  # whether the calling thread runs a job, so that nothing but `settle` changes the journal
        self._follower = Follower(self._write_away)
        self._passed = Condition()
        self._passes = 0  # guarded by `_passed`: how often something was written
        super().__init__(journal)
        self.folder = self._file.path.with_name(f"{self._file.path.name}-states") if self._file.is_writable else None

    @property
    def params(self) -> Mapping[int, Params]:
        """Return the hyperparameters of candidates that earlier calls started, keyed by candidate number."""
        return self._recorded

    @property
    def is_urgent(self) -> bool:
        """Return whether the result of a job that was not short waits to be written."""
        return self._is_behind and not self._is_flood and self._file.is_kept

    def agree(self, identity: Facts, options: RunOptions, call: Facts, code: Facts | None = None) -> None:
        """Write the identity of the run, or compare it with the recorded identity; then read the recorded results."""
        code = code or {}
        before, is_new = self._facts.get("code", code), "run" not in self._facts
        with sound(self._file.path):
            both = {name: (before.get(name), now) for name, now in code.items() if name not in self._allowed}
            changed = sorted(name for name, pair in both.items() if None not in pair and pair[0] != pair[1])
        path = str(self._file.path)
        if OBJECTIVE in changed:
            raise JournalError(
                f"{path}: the objective has changed, and may suggest other hyperparameters than those on record. "
                f"Use another journal, with first={path!r} to start with the best configurations; if it suggests the "
                f"same, pass journal=ash.Journal({path!r}, allow_change=['function'])"
            )
        self._grow(identity.get("space", {}))
        self._agree(identity, options, call, {"code": code})
        if changed:
            what = " and of ".join("train" if name == "function" else name for name in changed)
            text = f"{path}: the source of {what} has changed; jobs on record keep their results"
            warn_user(text)
        if self.folder is not None:
            tidy(self.folder, WAITING, *([CANDIDATE] if is_new else []))

    def check_params(self, space: Space) -> None:
        """Raise JournalCorruptError unless all recorded candidates are valid in a space."""
        with sound(self._file.path):
            for candidate, params in self.params.items():
                try:
                    space.read(params)
                except SettingError as error:
                    raise ValueError(f"candidate {candidate} has other hyperparameters: {error}") from None

    @property
    def _allowed(self) -> set[str]:
        """Return the names of the facts in `code_of` that may change."""
        own = set(self._allow_change)
        return own | {OBJECTIVE} if "function" in own else own

    def replayed(self) -> None:
        """Allow writing: candidates that were needed for the replay have been drawn, and all steps are repeated."""
        self._is_replaying = False

    def _answers(self, rows: Sequence[Row]) -> dict[Key, Answer]:
        others = {(candidate, rung): rest for candidate, rung, *rest in self._rows["answers"]}
        self._has_row = set(others)
        found = {(row[1], row[2]): _answer(row, *others.get((row[1], row[2]), (FINISHED, "", 1))) for row in rows}
        for key in found.keys() - self.restored.keys():  # not decided
            self._ended[key] = found[key]._replace(state=found[key].state is not None)
        return found

    def ended(self, key: Key, answer: Answer) -> None:
        """Note an answer without its state."""
        if self._file.is_kept:
            self._ended[key] = answer._replace(state=answer.state is not None)
            self._is_behind = True
            self._is_flood = answer.end - answer.start < SHORT * self._elapsed.commit_seconds

    @contextmanager
    def starting(self, *, elsewhere: bool) -> Iterator[None]:
        """Write what is new, unless jobs are short and the last commit was within LOOK_SECONDS.

        In the context the journal's thread may write. Its error is raised at the end.
        """
        self._is_behind = True  # a job that starts may be the first of its candidate
        if elsewhere or not self._is_flood or time.monotonic() - self._elapsed.committed >= LOOK_SECONDS:
            self.write()
        elif self._file.is_kept:
            self._follower.start()
        self._is_away = True
        try:
            yield
        finally:
            self._is_away = False
            with self._writing:  # wait until the journal's thread does not write
                self._follower.check()

    def settle(self) -> None:
        """Return when all rows so far are in the file, or when nothing more is written."""
        process, thread = self._caller
        if not self._is_behind or os.getpid() != process:
            return
        if get_ident() == thread:
            return self.write()
        with self._passed:
            before = self._passes
            while self._passes == before and self._file.is_kept and not self._follower.closing.is_set():
                self._passed.wait(LOOK_SECONDS)

    def _write_away(self) -> None:
        """Write what is new if the calling thread is away."""
        if self._is_away and self._is_behind:
            self.write(only_away=True)

    def write(self, ended: str | None = None, *, only_away: bool = False) -> None:
        """Write new results; with `only_away`, only while the calling thread runs a job."""
        try:
            with self._writing:
                if self._is_away or not only_away:
                    super().write(ended)
        finally:
            with self._passed:
                self._passes += 1
                self._passed.notify_all()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End the journal's thread, and close the journal as the base class does."""
        self._follower.close()
        super().__exit__(kind, error, trace)

    def _write(self, ended: str | None = None) -> None:
        if not self._is_replaying:
            super()._write(ended)
            self._is_behind = False

    def _details(self, search: Search) -> dict[Key, list[Any]]:
        """Return the infos of failed jobs."""
        return {
            key: [answer.info]
            for key, answer in list(self._ended.items())
            if answer.kind != FINISHED and answer.info is not None
        }

    def _add(self, search: Search, batch: Batch, changes: Changes, ended: str | None) -> bool:
        """Write the answers of the jobs of this commit that are not plain scores."""
        written = [*keys_of(batch.new), *((row[1], row[2]) for row in batch.held)]
        answers = {key: self._ended[key] for key in written if key in self._ended and key not in self._has_row}
        rows = {
            key: (*key, answer.kind, _text(answer), int(answer.state))
            for key, answer in answers.items()
            if answer.kind != FINISHED or not answer.state or answer.info is not None
        }
        changes.add("answers", list(rows.values()))
        return True

    def _noted(self, batch: Batch, is_saved: bool) -> None:
        """Forget the answers of decided jobs, which will not be written again."""
        self._has_row.update((row[1], row[2]) for row in batch.held)
        for key in keys_of(batch.new):
            self._ended.pop(key, None)


class Follower:
    """A thread that calls `write` every LOOK_SECONDS; if that fails, the thread ends and `check` raises the error."""

    def __init__(self, write: Callable[[], None]) -> None:
        self.closing = Event()
        self._write = write
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        """Start the thread, unless it was started before."""
        if self._thread is None:
            self._thread = Thread(target=self._follow, name="ash-journal", daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        while not self.closing.wait(LOOK_SECONDS):
            try:
                self._write()
            except BaseException as error:  # raised in the calling thread
                self._error = error
                return

    def check(self) -> None:
        """Raise the error that ended the thread; only once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """End the thread."""
        self.closing.set()
        if self._thread is not None:
            self._thread.join()


def tidy(folder: Path, *kinds: str) -> None:
    """Delete leftover folders whose names begin with one of `kinds`.

    This process cannot load states that an earlier process wrote. Candidates' directories are leftovers only if the
    journal is new.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for each in folder.iterdir():
        if each.name.startswith(kinds) and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)


def _answer(row: Row, kind: str, text: str, state: int) -> Answer:
    score, rank = float(row[7]), -float(row[8])
    if kind not in KINDS or (kind == FINISHED) != math.isfinite(score) or math.isfinite(score) != math.isfinite(rank):
        raise ValueError(f"candidate {row[1]} has no outcome in rung {row[2]}")
    details: dict[str, Any] = {"info": json.loads(text)} if kind == FINISHED and text else {"text": text}
    if kind != FINISHED:
        details["info"] = next(iter(json.loads(row[13])), None)
    details["forecast"] = None if kind != FINISHED or rank == score else rank
    return Answer(kind, score, LOST if state else None, start=row[11], end=row[12], thread=row[4], **details)


def _text(answer: Answer) -> str:
    """Return the info or traceback as text that SQLite accepts; a traceback may contain lone surrogates."""
    if answer.kind == FINISHED:
        return "" if answer.info is None else json.dumps(answer.info)
    return answer.text.encode("utf-8", "backslashreplace").decode()

"""Records a function's run in a journal: every answer is in the file before callbacks receive it.

    agree       writes the identity of the run in the first call, and compares it with that of each later call
    recall      returns the answer of a recorded job, which does not run again
    log         jobs handed out and their answers, in order -> rows -> one commit per call of `look`
    before_job  commits the log before a job starts, unless jobs are short

So a job finds after a crash what it knew when it started: its candidate is drawn again, and no job of a lower rung runs
again on its checkpoint. If jobs are shorter than SHORT commits, their rows are written within LOOK_SECONDS: by the
calling thread between jobs, and by a thread of the journal while the calling thread runs a job. A job that asks for its
directory (`settle`) or runs in another process waits for the rows even then.
An answer is recorded as soon as its job has ended, even if the virtual clock cannot use it for a decision yet. For a
greedy run the order of jobs and answers is recorded, too, since decisions depend on it. States that functions return
are not recorded, because loading a pickle runs code, so files of earlier processes cannot be trusted.
Invariant: the log is one object, and a commit replaces it by an empty log in a single assignment. So rows are
consistent even if Ctrl-C arrives between two steps.
Threads: the calling thread, and between `leave` and `come_back` also the journal's thread. `_writing` admits one of
them at a time. Any thread may call `settle`.
"""

import json
import math
import os
import shutil
import time
from datetime import datetime
from pathlib import Path
from threading import Condition, Event, Lock, Thread, get_ident
from typing import Any

from ash import _core
from ash._utils.user_warnings import warn_user
from ash.errors import JournalCorrupt, JournalError, SettingError
from ash.function.answers import FINISHED, KINDS, Answer
from ash.function.directories import CANDIDATE
from ash.function.function_run import FunctionRun
from ash.function.job_runners import Key
from ash.function.state_store import LOST, WAITING
from ash.history.records import OBJECTIVE
from ash.journal.database import Changes, Row
from ash.journal.journal import LOOK_SECONDS, Facts, Journal, sound
from ash.journal.open_journal import OpenJournal
from ash.options import RunOptions
from ash.space.hyperparameters import Params
from ash.space.space import Space

NO_HASH = "0" * 16
"""Recorded in place of the hash of weights, since functions have no weights."""
ALONE = (1, 1)
"""The recorded `team` and `team_limit` of a job, since each job runs on one thread."""


SHORT = 10
"""Jobs that take less time than this many commits do not wait for them. So waiting takes at most a tenth of the time,
except for jobs in other processes."""


class Log:
    """The tasks handed out or ended since the last commit, and the next row numbers in tables `jobs` and `steps`."""

    def __init__(self, jobs: int, steps: int, entries: list[tuple[_core.Task, Any]] | None = None) -> None:
        self.jobs, self.steps = jobs, steps
        # (task, params or answer); None if the answer was recalled
        self.entries: list[tuple[_core.Task, Any]] = entries or []


class FunctionJournal(OpenJournal):
    """The journal of one run of a function: a context manager that closes the journal."""

    def __init__(self, journal: Journal) -> None:
        self._run: FunctionRun | None = None
        self._written = 0
        self._known: dict[Key, tuple[int, Answer]] = {}  # epochs and answer of each recorded job not yet recalled
        self._greedy = self._anew = False  # whether steps are recorded, and whether they must be replaced
        self._retraces = False  # whether recorded steps are being retraced; nothing is written meanwhile
        self._held: list[list[int]] = []
        self._is_flood = False  # whether the last job was short
        self._process, self._thread = os.getpid(), get_ident()
        self._writing = Lock()
        self._is_away = False  # whether the calling thread runs a job, so that nothing but `settle` changes the journal
        self._follower: Thread | None = None  # writes while the calling thread is away
        self._error: BaseException | None = None  # the follower's error
        self._closing = Event()
        self._passed = Condition()
        self._passes = 0  # guarded by `_passed`: how often the log was written
        super().__init__(journal)
        self._log = Log(len(self._rows["jobs"]), len(self._rows["steps"]))
        if self._database is not None:
            self.folder = self._path.with_name(f"{self._path.name}-states")

    @property
    def written(self) -> int | None:
        """Return the number of decided jobs in the file, or None if no file is kept."""
        return self._written if self._is_kept else None

    def agree(self, identity: Facts, options: RunOptions, call: Facts, code: Facts | None = None) -> None:
        """Write the identity of the run, or compare it with the recorded identity; then read the recorded results."""
        code = code or {}
        before, is_new = self._facts.get("code", code), "run" not in self._facts
        with sound(self._path):
            both = {name: (before.get(name), now) for name, now in code.items() if name not in self._allowed}
            changed = sorted(name for name, pair in both.items() if None not in pair and pair[0] != pair[1])
        if OBJECTIVE in changed:
            raise JournalError(
                f"{self._path}: the objective has changed, and may suggest other hyperparameters than those on record. "
                f"Use another journal, with first={str(self._path)!r} to start with the best configurations; if it "
                f"suggests the same, pass journal=ash.Journal({str(self._path)!r}, allow_change=['function'])"
            )
        self._grow(identity.get("space", {}))
        self._agree(identity, options, call, {"code": code})
        self._greedy = options.schedule == "greedy"
        with sound(self._path):
            self._read()
        self._retraces = self._greedy and bool(self.params)
        if changed:
            what = " and of ".join("train" if name == "function" else name for name in changed)
            text = f"{self._path}: the source of {what} has changed; jobs on record keep their results"
            warn_user(text)
        if self.folder is not None:
            tidy(self.folder, WAITING, *([CANDIDATE] if is_new else []))

    def check_params(self, space: Space) -> None:
        """Raise JournalCorrupt unless all recorded candidates are valid in a space."""
        with sound(self._path):
            for candidate, params in self.params.items():
                try:
                    space.read(params)
                except SettingError as error:
                    raise ValueError(f"candidate {candidate} has other hyperparameters: {error}") from None

    @property
    def _allowed(self) -> set[str]:
        """Return the names of the facts in `code_of` that may change."""
        own = set(self._journal.allow_change)
        return own | {OBJECTIVE} if "function" in own else own

    def _read(self) -> None:
        """Read the rows; raise ValueError if no run could have written them."""
        others = {(candidate, rung): rest for candidate, rung, *rest in self._rows["answers"]}
        for row in self._rows["jobs"]:
            key, epochs = (row[1], row[2]), row[3]
            self._known[key] = epochs, _answer(row, *others.get(key, (FINISHED, "", 1)))
        self.params = self._on_record()
        self.steps = [(candidate, rung, bool(ended)) for _, candidate, rung, ended in self._rows["steps"]]
        held = self._held = self._facts.get("held", [])
        undecided = {(candidate, rung) for candidate, rung in held}
        self.restored = {key: job for key, job in self.restored.items() if key not in undecided}
        self._rows = {}

    def start(self, run: FunctionRun | None = None) -> tuple[datetime, float]:
        """Return when training began, and the seconds that training took in earlier calls."""
        self._run = run
        return super().start()

    def knows(self, key: Key) -> bool:
        """Return whether a job is recorded and has not been recalled yet."""
        return key in self._known

    def recall(self, task: _core.Task) -> Answer | None:
        """Return the recorded answer of a job, or None if there is none or it was recalled before."""
        found = self._known.pop((task.candidate, task.rung), None)
        if found is None:
            return None
        epochs, answer = found
        if epochs != task.epochs:
            raise JournalCorrupt(
                f"{self._path} is damaged: candidate {task.candidate} has other epochs in rung {task.rung}"
            )
        return answer

    def retraced(self, exactly: bool) -> None:
        """End retracing.

        Keep the recorded steps if they were followed exactly, otherwise replace them by the steps of this call.
        """
        self._retraces = False
        if self._greedy and exactly:
            self._log = Log(self._log.jobs, self._log.steps)
        elif self._greedy:
            self._anew, self._log.steps = True, 0

    def handed_out(self, task: _core.Task, params: Params) -> None:
        """Log a job; raise JournalCorrupt if its candidate's hyperparameters differ from the recorded ones."""
        if task.rung == 0 and self.params.get(task.candidate, params) != params:
            raise JournalCorrupt(f"{self._path} is damaged: candidate {task.candidate} has other hyperparameters")
        if self._is_kept:
            self._log.entries.append((task, params))

    def ended(self, task: _core.Task, answer: Answer | None) -> None:
        """Log an answer without its state; `answer` is None if it was recalled from the journal."""
        if self._is_kept:
            what = answer if answer is None else answer._replace(state=answer.state is not None)
            self._log.entries.append((task, what))
            if answer is not None:
                self._is_flood = answer.end - answer.start < SHORT * self._commit_seconds
                self.is_urgent = not self._is_flood

    def before_job(self, *, elsewhere: bool) -> None:
        """Write the log, unless jobs are short and the last commit was within LOOK_SECONDS."""
        if not self._log.entries:
            return
        if elsewhere or not self._is_flood or time.monotonic() - self._committed >= LOOK_SECONDS:
            self._try_to_write()
        elif self._follower is None and self._is_kept:
            self._follower = Thread(target=self._follow, name="ash-journal", daemon=True)
            self._follower.start()

    def leave(self) -> None:
        """Allow the journal's thread to write."""
        self._is_away = True

    def come_back(self) -> None:
        """Wait until the journal's thread does not write; raise its error, if any."""
        self._is_away = False
        with self._writing:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def settle(self) -> None:
        """Return when all rows so far are in the file, or when nothing more is written."""
        if not self._log.entries or os.getpid() != self._process:
            return
        if get_ident() == self._thread:
            return self._try_to_write()
        with self._passed:
            before = self._passes
            while self._passes == before and self._is_kept and not self._closing.is_set():
                self._passed.wait(LOOK_SECONDS)

    def _follow(self) -> None:
        """Write the log every LOOK_SECONDS if the calling thread is away."""
        while not self._closing.wait(LOOK_SECONDS):
            if self._is_away and self._log.entries:
                try:
                    self._try_to_write(only_away=True)
                except BaseException as error:  # raised in the calling thread
                    self._error = error
                    return

    def _try_to_write(self, ended: str | None = None, *, only_away: bool = False) -> None:
        try:
            with self._writing:
                if self._is_away or not only_away:
                    super()._try_to_write(ended)
        finally:
            with self._passed:
                self._passes += 1
                self._passed.notify_all()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End the journal's thread, and close the journal as the base class does."""
        self._closing.set()
        if self._follower is not None:
            self._follower.join()
        super().__exit__(kind, error, trace)

    def _write(self, ended: str | None = None) -> None:
        run = self._run
        if run is None or self._retraces:
            return
        changes, now = Changes(), time.monotonic()
        decided, held = run.decided, self._held_of(run)
        after = self._take(changes, run.started)
        if held != self._held:
            changes.facts["held"] = held
        if ended is not None:
            changes.facts["ended"] = ended
        if changes or self._is_time(now):
            self._commit(changes, now)
            self._log, self._anew, self._held = after, False, held
        self._written, self.is_urgent = decided, False

    def _held_of(self, run: FunctionRun) -> list[list[int]]:
        """Return the recorded jobs that callbacks have not received, because they are undecided or not recalled yet."""
        new = [list(key) for key in run.held if key not in self.restored]
        return new + [key for key in self._held if (key[0], key[1]) in self._known]

    def _take(self, changes: Changes, started: float) -> Log:
        """Add the rows of the log to the changes; return a log that continues the row numbers, without these rows."""
        entries = self._log.entries[:]
        jobs: list[Row] = []
        answers: list[Row] = []
        candidates: list[Row] = []
        steps: list[tuple[int, int, int]] = []
        for task, what in entries:
            is_answer = isinstance(what, Answer)
            steps.append((task.candidate, task.rung, int(is_answer or what is None)))
            if is_answer:
                jobs.append(_job(self._log.jobs + len(jobs), task, what, started))
                if what.kind != FINISHED or not what.state or what.info is not None:
                    answers.append((task.candidate, task.rung, what.kind, _text(what), int(what.state)))
            elif what is not None and task.rung == 0 and task.candidate not in self.params:
                candidates.append((task.candidate, json.dumps(what)))
        if self._anew:
            changes.delete("steps")
        if self._greedy:
            changes.add("steps", [(number, *step) for number, step in enumerate(steps, self._log.steps)])
        changes.add("jobs", jobs)
        changes.add("answers", answers)
        changes.add("candidates", candidates)
        later = self._log.entries[len(entries) :]
        return Log(self._log.jobs + len(jobs), self._log.steps + len(steps), later)


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


def _job(number: int, task: _core.Task, answer: Answer, started: float) -> Row:
    """Return the row of a job. Its last column (for networks, fold scores) holds the `info` of a failed job."""
    what = (task.candidate, task.rung, task.epochs, answer.thread, *ALONE)
    scores = (repr(answer.score), repr(-answer.rank), repr(math.nan), NO_HASH)
    rest = [] if answer.kind == FINISHED or answer.info is None else [answer.info]
    return number, *what, *scores, answer.start - started, answer.end - started, json.dumps(rest)


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

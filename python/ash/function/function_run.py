"""Runs `ash.tune_function` in the calling thread: asks the clock for jobs, hands them out, and reports their answers.

    source -> Clock.next -> runners.start -> train(params, epochs, state) -> runners.wait -> Clock.finish -> records

The ladder and both clocks (virtual and greedy) are in the core, and their rules are not described here. A state is kept
(state_store.py) from the end of a job until its candidate is trained further or retired. The best state is kept until
there is a better state. With a journal, recorded results are replayed first (clock.py), and candidates whose states
were in an earlier process are trained again (retraining.py). Jobs are recorded as rows of `JobRecord`, which become the
same columns as for networks.
Invariants: (1) each job is recorded once, and jobs are recorded in order of decision; (2) a failure of the function is
recorded, and ends the run only with `error="raise"`, after too many failures in a row, or by `patience`, but it is
an error if the first job returns no score; (3) a reproducible run does not depend on the kind, number or speed of
runners.
Threads: only the calling thread. Cost: about 10 us per job, in addition to journal, callbacks and progress.
"""

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import accumulate
from typing import Any

import numpy as np

from ash import _core
from ash._utils.user_warnings import warn_user
from ash.callbacks.dispatch import Reporter
from ash.errors import JobFailed, SettingError
from ash.function.answers import FAILED, FINISHED, LATE, PRUNED, WRONG, Answer, Train, failure, opened_error
from ash.function.clock import Cost, catch_up, clock_of, retrace
from ash.function.current_job import Job
from ash.function.directories import Directories, wait_for_left
from ash.function.forms import final_state
from ash.function.function_repeat import Repeat
from ash.function.job_runners import JobRunners, Key
from ash.function.objective import space_of
from ash.function.retraining import Best, Retraining, state_of
from ash.function.sources import Source
from ash.function.state_store import LOST, States
from ash.history.records import STORY, Columns, JobRecord
from ash.journal.journal import LOOK_SECONDS, NullJournal
from ash.options import MINIMIZE, FunctionOptions
from ash.progress.board import Event, View
from ash.progress.views import open_view
from ash.result import FailureRecord, FunctionResult, causes, no_score
from ash.run_record import RunRecord
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params

WAKE_SECONDS = LOOK_SECONDS
CUTS = ("failures", "patience")
"""Values of `ended` after which no more jobs are decided."""
LOST_BEFORE = "the job failed in the recorded run: it exceeded job_limit, or its process died"

Row = tuple[Any, ...]

DTYPES: dict[str, Any] = {
    **dict.fromkeys(JobRecord._fields, np.int64),
    **dict.fromkeys(("score", "loss", "training_loss", "start", "end"), np.float64),
    **dict.fromkeys(("virtual_start", "virtual_end", "core_seconds"), np.float64),
    "diverged": np.bool_,
    "weights_hash": np.uint64,
}
END = JobRecord._fields.index("end")
FIRST_FAILURES, MOST_FAILURES = 10, 100
"""A run that has no score yet is ended by FIRST_FAILURES consecutive failures, any other run by MOST_FAILURES. The
option `most_failures` replaces both numbers."""


class FunctionRun:
    """One run of a function: `runners` run the jobs, and `source` provides the candidates.

    With `repeat` the run ends after as many decisions as the recorded run made. `recorded` is `record_of` with those
    arguments filled in that are known before the run. `train` may have these attributes:

    - `given_rungs`: the rungs for `clock_of`.
    - `is_objective`: whether `train` is an Optuna objective, whose scores in different rungs are not comparable. So
      `patience` waits for a better score in the highest rung, and only a score in the last rung ends the run.
    - `failure_warning`: the category of warnings about failures.
    - `refit_seconds`: a function that takes the infos of the best candidate's jobs, and returns how many seconds of the
      time limit to reserve for the refit.
    """

    def __init__(
        self,
        runners: JobRunners,
        source: Source,
        space: FunctionSpace,
        options: FunctionOptions,
        cost: Cost | None,
        journal: NullJournal,
        train: Train,
        repeat: Repeat | None = None,
        recorded: Callable[..., RunRecord] | None = None,
    ) -> None:
        self._runners, self._space, self._options = runners, space, options
        self._source, self._journal, self._repeat, self._recorded = source, journal, repeat, recorded
        rungs = getattr(train, "given_rungs", ())
        self._clock = clock_of(options, source, cost, rungs, 0 if repeat is None else repeat.decisions)
        self._pending: deque[_core.Task] = deque()  # handed out by the clock, not yet started in this call
        self._running: dict[Key, _core.Task] = {}
        # Undecided answers. The float is subtracted from an answer's start and end, to count them from the run's start.
        self._answers: dict[Key, tuple[_core.Task, Answer, float]] = {}
        self._states = States(options.memory_limit, journal.folder, packed=runners.packed)
        self._directories = Directories(journal.folder, journal.settle, elsewhere=runners.packed)
        epochs = [rung["epochs"] for rung in self.rungs]
        totals = epochs if options.training == "restart" else accumulate(epochs)
        self._of_rungs = [(*each, self._directories.folder) for each in zip(epochs, totals, strict=True)]
        self._retraining = Retraining(runners, self._states, source.params, self._job_of, self._begin)
        self._rows: list[Row] = []
        self._failures: list[FailureRecord] = []
        self._infos: list[Any] = []  # `Answer.info` of the job in each of `_rows`
        self._stories: dict[int, dict[str, Any]] = {}  # suggestions of Optuna trials, keyed by candidate
        self._suggested: list[Params] = []  # params of all candidates, {} while unknown
        self._in_a_row = self._new_in_a_row = 0  # consecutive failures: in all calls, and in this call
        self._has_warned, self._category = False, getattr(train, "failure_warning", UserWarning)
        self._best: Best | None = None
        self._copies_fail = False  # whether a state could not be copied
        self._is_objective = getattr(train, "is_objective", False)
        self._highest: tuple[int, float] | None = None  # the highest score, for an objective in the highest rung
        reserved = getattr(train, "refit_seconds", None)
        self._reserved, self._reserved_seconds = reserved if callable(reserved) else None, 0.0
        self._without_better = 0  # the number of decisions since a job was better than all before
        self._events: list[Event] = []
        self._ended: str | None = None
        self.started = 0.0  # the start of the run on the monotonic clock

    @property
    def rungs(self) -> list[dict[str, int]]:
        """Return the rungs with their epochs and job counts, as the core reports them."""
        return self._clock.rungs

    @property
    def count(self) -> int:
        """Return the maximum number of candidates."""
        return self._source.count

    @property
    def params(self) -> list[Params]:
        """Return the hyperparameters of the candidates so far; for Optuna trials, the values suggested so far."""
        if not self._stories:
            return self._source.params
        self._suggested += ({} for _ in range(len(self._source.params) - len(self._suggested)))
        return self._suggested

    @property
    def _has_failed_enough(self) -> bool:
        """Return whether consecutive failures end the run. FIRST_FAILURES limits only the failures in this call."""
        most = self._options.most_failures or MOST_FAILURES
        is_first = self._best is None and self._options.most_failures is None
        return self._in_a_row >= most or (is_first and self._new_in_a_row >= FIRST_FAILURES)

    @property
    def decided(self) -> int:
        """Return the number of jobs decided so far."""
        return len(self._rows)

    @property
    def held(self) -> list[Key]:
        """Return the jobs that have ended but are not decided yet."""
        return list(self._answers)

    def jobs(self, first: int = 0) -> Columns:
        """Return the records from number `first` on, in order of decision, as `_core.Tuner.jobs` does."""
        rows = self._rows[first:]
        columns = zip(*rows, strict=True) if rows else ((),) * len(JobRecord._fields)
        return {name: np.array(column, DTYPES[name]) for name, column in zip(DTYPES, columns, strict=True)}

    def run(self, reporter: Reporter) -> FunctionResult:
        """Run all jobs and return the result.

        Raises
        ------
        AllFailed, NothingFinished, KeyboardInterrupt
            No job has a score. KeyboardInterrupt is also raised if Ctrl-C ends a repeated run early.
        BaseException
            An error of a job (with ``error="raise"``), of a callback or of the journal. Its attribute `result` is the
            result so far, if a job has a score.
        """
        if self._journal.folder is not None:
            wait_for_left(self._journal.folder)
        began, before = self._journal.start(self)
        self.started = time.monotonic() - before
        with self._directories, self._states:  # at exit, waiting functions end, and temporary folders are deleted
            with open_view(self._options, self.rungs, lambda: self._runners.status) as view:
                try:
                    self._go(view, reporter)
                except KeyboardInterrupt:
                    self._end("interrupted")
                except BaseException as error:
                    self._attach_result(error, began)
                    raise
                self._decide_the_rest()
                self._clock.release()
                view.update(self._events)
            seconds = time.monotonic() - self.started
            ended = self._ended or self._clock.ending or "finished"
            self._journal.finish(ended)
            if reporter.finish(self, self.params) and self._repeat is None:  # a repeated run is already complete
                ended = "interrupted"
            result = self._result(ended, began, seconds)
            self._tidy()
            self._answers.clear()
            self._best = None  # only the best state outlives the run, in the result
            return result

    def _attach_result(self, error: BaseException, began: datetime) -> None:
        """Give an error that ends the run the attribute `result`, unless no job has a score."""
        self._end("interrupted")
        if self._best is not None and self._repeat is None:
            if self._best.state is LOST:
                self._best = self._best._replace(state=None)
            seconds = time.monotonic() - self.started
            partial = self._result("interrupted", began, seconds, warns=False)
            error.result = partial  # type: ignore[attr-defined]

    def _go(self, view: View, reporter: Reporter) -> None:
        looked = time.monotonic()
        if reporter.stopped:
            self._end("stopped")
        replay = catch_up if self._options.schedule == "reproducible" else retrace
        if self._journal.params:
            self._pending.extend(replay(self._journal, self._next, self._start, lambda: self._ended is not None))
        while True:
            self._hand_out()
            if self._ended is not None or not self._running:
                return self._check_runners()
            if self._journal.is_urgent:
                self._look(view, reporter)
            for key, answer in self._runners.wait(min(WAKE_SECONDS, self._seconds_left())):
                if (found := self._retraining.step(key, answer)) is not None:
                    self._finish(*found)
            now = time.monotonic()
            if now - looked >= WAKE_SECONDS:
                looked = now
                self._look(view, reporter)

    def _decide_the_rest(self) -> None:
        """After an early end, decide the jobs that have ended but whose decision waits for more candidates to be drawn.

        The virtual clock gets these candidates, but their jobs are not started. A later call with the journal will draw
        the same candidates, and make the same decisions.
        """
        if self._ended in (None, *CUTS) or self._options.schedule != "reproducible":
            return
        while (task := self._next()) is not None:
            self._pending.append(task)

    def _check_runners(self) -> None:
        if self._ended is None and not self._clock.finished:
            warn_user("all threads exceeded job_limit: the run ends with partial results")
            self._end("failures")

    def _look(self, view: View, reporter: Reporter) -> None:
        events, self._events = self._events, []
        view.update(events)
        self._journal.look()
        self._tidy()
        reporter.look(self, self.params, events, self._journal.written)
        if reporter.stopped:
            self._end("stopped")

    def _tidy(self) -> None:
        self._directories.tidy(None if self._best is None else self._best.candidate)

    def _end(self, why: str) -> None:
        """Stop handing out jobs because of `why`; if it is called again, the first reason is kept."""
        self._ended = self._ended or why

    def _seconds_left(self) -> float:
        if self._options.time_limit is None:
            return math.inf
        return max(0.0, self.started + self._options.time_limit - self._reserved_seconds - time.monotonic())

    def _hand_out(self) -> None:
        """Start jobs while runners are free."""
        if self._seconds_left() == 0:
            self._end("time_limit")
        while self._runners.free > 0 and self._ended is None:
            if not self._pending:
                if (task := self._next()) is None:
                    return
                self._pending.append(task)
            self._start(self._pending.popleft())

    def _next(self) -> _core.Task | None:
        """Return the clock's next task, or None if there is none now."""
        while (task := self._clock.next()) is None:
            if not self._draw():
                return None
        self._journal.handed_out(task, self._source.params[task.candidate])
        is_new = task.rung == 0 and task.candidate not in self._journal.params
        if is_new and self._source.learns(task.candidate):
            self._directories.delete(task.candidate)  # an earlier call may have drawn other hyperparameters
        return task

    def _draw(self) -> bool:
        """Draw more candidates if the clock is waiting for them; return whether any were drawn."""
        if not self._clock.starved or not self._source.more():
            return False
        self._decide(self._clock.provide(len(self._source.params)))
        return True

    def _start(self, task: _core.Task) -> None:
        key = task.candidate, task.rung
        self._running[key] = task
        now = time.monotonic() - self.started
        if task.rung:
            self._events.append(("promoted", task.candidate, task.rung - 1, now, 0.0))
        self._events.append(("started", task.candidate, task.rung, now, 0.0))
        if (known := self._journal.recall(task)) is not None:
            return self._finish(key, known, is_known=True)
        if self._repeat is not None and key in self._repeat.lost:
            began = time.monotonic()
            return self._finish(key, Answer(LATE, text=LOST_BEFORE, start=began, end=began))
        try:
            state = self._state(task.candidate)
        except Exception as error:
            self._finish(key, failure(error)._replace(start=time.monotonic(), end=time.monotonic()))
            return
        if state is LOST:
            self._retraining.begin(task)
        else:
            self._begin(self._job_of(key), dict(self._source.params[task.candidate]), state)

    def _begin(self, job: Job, params: Params, state: Any) -> None:
        """Start a job, which may run to its end in the calling thread."""
        journal = self._journal
        journal.before_job(elsewhere=self._runners.packed)
        journal.leave()
        try:
            self._runners.start(job, params, state)
        finally:
            journal.come_back()

    def _job_of(self, key: Key) -> Job:
        """Return the description of a job that is passed to its runner."""
        return (*key, *self._of_rungs[key[1]])

    def _state(self, candidate: int) -> Any:
        """Return the state that the candidate's last job returned, or LOST if the state is lost.

        A function may change the state in place. So if this is also the best state, a copy is kept as the best. If the
        state cannot be copied, the best state is lost, and `state_of` may train its candidate again at the end.
        """
        if self._options.training == "restart":
            return None
        state = self._states.take(candidate)
        if self._best is not None and self._best.state is state and state is not None:
            try:
                kept = copy.deepcopy(state)
            except Exception as error:  # whatever the user's objects raise
                kept = LOST
                self._warn_of_copy(error)
            self._best = self._best._replace(state=kept)
        return state

    def _warn_of_copy(self, error: Exception) -> None:
        """Warn, once per run, that a state cannot be copied."""
        if not self._copies_fail:
            self._copies_fail = True
            warn_user(
                f"a state cannot be copied ({type(error).__name__}: {error}), so the best one may have to be trained "
                "again at the end of the run. Return states that copy.deepcopy accepts, such as model.state_dict()"
            )

    def _finish(self, key: Key, answer: Answer, *, is_known: bool = False) -> None:
        task = self._running.pop(key)
        good = answer.kind == FINISHED
        if not good:
            answer = self._checked_failure(key, answer, is_known)
        elif self._options.direction == MINIMIZE and not is_known:
            answer = answer._replace(score=-answer.score)
        self._journal.ended(task, None if is_known else answer)
        if good and self._options.training == "resume" and answer.state is not None:
            self._states.keep(task.candidate, task.rung, answer.rank, answer.state)
        self._answers[key] = task, answer, 0.0 if is_known else self.started
        rank = answer.rank_for(self._options.least_score, self._may_reach(task.rung))
        self._decide(self._clock.finish(task, rank, -answer.rank))
        for candidate in self._clock.take_retired():
            self._states.drop(candidate)
            self._directories.retire(candidate)

    def _checked_failure(self, key: Key, answer: Answer, is_known: bool) -> Answer:
        """Return the answer of a failed job for the record.

        Warn of the first failure, and raise JobFailed if the option `error` is "raise". Raise SettingError if the first
        job did not return a score. Failures that are known from a journal or record cause no warning. A trial that its
        own objective has pruned causes neither a warning nor JobFailed.
        """
        if answer.kind == WRONG:
            if key == (0, 0):  # the first job, on any number of threads
                raise SettingError(answer.text)
            answer = answer._replace(kind=FAILED)
        story = _story_of(answer) or self._stories.get(key[0])
        params = self._source.params[key[0]] if story is None else story["params"]
        text = f"candidate {key[0]} failed in rung {key[1]}, with {params}:\n{answer.text}"
        if self._options.error == "raise" and answer.text != PRUNED:
            raise JobFailed(text) from opened_error(answer.error)
        is_lost = self._repeat is not None and key in self._repeat.lost
        if not (self._has_warned or is_known or is_lost or answer.text == PRUNED):
            self._has_warned = True
            warn_user(f"{text.rstrip()}\nThe run continues; `failures` of the result has all of them", self._category)
        return answer._replace(error=None)

    def _decide(self, decisions: Iterable[_core.Decision]) -> None:
        """Record the ladder's decisions, up to a decision that ends the run."""
        for decision in decisions:
            if self._ended in CUTS:
                return
            task, answer, started = self._answers.pop((decision.candidate, decision.rung))
            good = answer.kind == FINISHED
            row = _row_of(task, answer, started)
            self._rows.append(row)
            self._infos.append(answer.info)
            if (story := _story_of(answer)) is not None:
                self._stories[task.candidate] = story
                self.params[task.candidate] = story["params"]
            self._events.append(("finished" if good else "diverged", task.candidate, task.rung, row[END], answer.score))
            story = self._stories.get(task.candidate)
            self._source.tell(task.candidate, task.rung, answer.rank if good else None, story)
            is_better = good and self._compare(task, answer)
            self._without_better = 0 if is_better else self._without_better + 1
            if good:
                self._in_a_row = self._new_in_a_row = 0
            else:
                text = answer.text.encode("utf-8", "backslashreplace").decode()  # without lone surrogates
                self._failures.append(FailureRecord(task.candidate, task.rung, task.epochs, answer.kind, text))
                self._in_a_row += answer.text != PRUNED
                self._new_in_a_row += answer.text != PRUNED and started != 0  # negative soon after a boot
                if self._has_failed_enough and self._repeat is None:
                    self._end("failures")
            if self._without_better == self._options.patience:
                self._end("patience")
        if self._repeat is not None and len(self._rows) == self._repeat.decisions:
            self._end(self._repeat.ended)

    def _may_reach(self, rung: int) -> bool:
        """Return whether a score in this rung can end the run."""
        return not self._is_objective or rung == len(self.rungs) - 1

    def _compare(self, task: _core.Task, answer: Answer) -> bool:
        """Store a decided job if it is the best so far; return whether its score is the highest so far."""
        target = self._options.least_score
        reaches = target is not None and answer.score >= target and self._may_reach(task.rung)
        best = Best(reaches, task.rung, answer.score, task.candidate, answer.state)
        if self._best is None or self._best.is_behind(best):
            self._best = best
            if self._reserved is not None:
                jobs = zip(self._rows, self._infos, strict=True)
                self._reserved_seconds = self._reserved([info for row, info in jobs if row[0] == task.candidate])
        score = task.rung if self._is_objective else 0, answer.score
        is_highest = self._highest is None or score > self._highest
        self._highest = score if is_highest else self._highest
        return is_highest

    def _result(self, ended: str, began: datetime, seconds: float, *, warns: bool = True) -> FunctionResult:
        best = self._best
        if ended == "interrupted" and self._repeat is not None and len(self._rows) < self._repeat.decisions:
            raise KeyboardInterrupt("the run was interrupted before it had repeated the recorded one")
        if best is None:
            raise no_score(ended, self._failures, seconds)
        if warns and (errors := [each for each in self._failures if each.text != PRUNED]):
            is_end = ended == "failures" and self._has_failed_enough
            why = f", {self._in_a_row} in a row, which ended the run" if is_end else ""
            text = f"{len(errors)} of {len(self._rows)} jobs failed{why}:\n{causes(errors)}"
            warn_user(text, self._category)
        ladder, params = self.rungs, self.params
        if self._options.candidates is None:
            params = params[: ladder[0]["running"] + ladder[0]["finished"]]
        try:
            state = state_of(best, self._retraining, ended, self._options.training)
        except KeyboardInterrupt:
            if self._repeat is not None:
                raise
            ended = "interrupted"
            state = state_of(best, self._retraining, ended, self._options.training)
        columns = self.jobs()
        record = None
        if self._recorded is not None:
            found = {"failures": self._failures, "best": (best.candidate, best.rung), "ended": ended}
            record = self._recorded(params=params, columns=columns, **found)
        return FunctionResult(
            best_candidate=best.candidate,
            best_rung=best.rung,
            best_state=final_state(self._runners.open(state)),
            failures=tuple(self._failures),
            memory=self._states.memory,
            infos=tuple(self._infos),
            params=tuple(params),
            columns=columns,
            assists={name: np.empty(0, np.float64) for name in ("candidate", "rung", "thread", "start", "end")},
            ladder=ladder,
            options=self._options,
            space=space_of(self._stories.values()) if self._stories else self._space,
            ended=ended,
            started=began,
            wall_seconds=seconds,
            record=record,
        )


def _story_of(answer: Answer) -> dict[str, Any] | None:
    """Return the suggestions of an Optuna trial, or None if the answer has none."""
    return answer.info.get(STORY) if isinstance(answer.info, dict) else None


def _row_of(task: _core.Task, answer: Answer, started: float) -> Row:
    """Return the fields of a `JobRecord`.

    The loss is the negated ranking value. Fields that only networks have get placeholders (NaN, 0 or 1).
    """
    start, end = answer.start - started, answer.end - started
    what = (task.candidate, task.rung, task.epochs, answer.score, -answer.rank, math.nan)
    where = (answer.thread, start, end, 1, answer.kind != FINISHED, task.worker, task.start, task.finish)
    return *what, *where, end - start, 0, 1

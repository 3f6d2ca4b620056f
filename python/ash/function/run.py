"""Runs `ash.tune_function` in the calling thread: asks the core for jobs, hands them out, and reports their answers.

    source -> Search.next -> runners.start -> train(params, epochs, state) -> runners.wait -> Search.finish

The core decides, replays recorded results, and records jobs (cpp/ash/search/search.hpp), as for networks. A state is
kept (state_store.py) from the end of a job until its candidate is trained further or retired. The best state is kept
until there is a better state. Candidates whose states were in an earlier process are trained again (retraining.py).
Invariants: (1) each job is recorded once, and jobs are recorded in order of decision; (2) a failure of the function is
recorded, and ends the run only with `error="raise"`, after too many failures in a row, or by `patience`, but it is
an error if the first job returns no score; (3) a reproducible run does not depend on the kind, number or speed of
runners.
Threads: only the calling thread. Cost: about 10 us per job, in addition to journal, callbacks and progress.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import numpy as np

from ash import _core
from ash._utils.aliases import Key
from ash._utils.threads import ContextsOfProcess
from ash._utils.user_warnings import warn_user
from ash.callbacks.dispatch import Reporter
from ash.engine.repeat import LOST as LOST_JOBS
from ash.engine.repeat import Repeat
from ash.errors import JobFailedError, SettingError
from ash.function.answers import DIED, FAILED, FINISHED, LATE, WRONG, Answer, Tunable, failure, opened_error
from ash.function.clock import Cost, search_of
from ash.function.current_job import Job
from ash.function.directories import Directories, wait_for_left
from ash.function.forms import final_state
from ash.function.job_runners import JobRunners
from ash.function.objective import space_of
from ash.function.outcomes import Outcomes, story_of
from ash.function.retraining import Retraining, state_of
from ash.function.state_store import LOST, States
from ash.history.records import PRUNED
from ash.journal.journal import LOOK_SECONDS, NullFunctionJournal
from ash.options import MINIMIZE, FunctionPlan
from ash.progress.board import View
from ash.progress.views import open_view
from ash.result import FunctionResult, no_score
from ash.run_record import RunRecord
from ash.sampling import Source
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params

WAKE_SECONDS = LOOK_SECONDS
CUTS = ("failures", "patience")
"""The core's endings that end the run although jobs are running."""
LOST_BEFORE = "the job failed in the recorded run: it exceeded job_limit, or its process died"


@dataclass(frozen=True, eq=False)
class Planned:
    """A run of a function that is ready to start: all that was given or decided.

    Attributes
    ----------
    train : Tunable
    space : FunctionSpace
    plan : FunctionPlan
    cost : callable or None
        The duration of a job on the virtual clock.
    source : Source
        Provides the candidates.
    journal : NullFunctionJournal
        The open journal, which records nothing if the user gave none.
    repeat : Repeat or None
        If given, the run ends after as many decisions as the recorded run made.
    recorded : callable or None
        `record_of` with those arguments filled in that are known before the run; None if the run has no identity.
    """

    train: Tunable
    space: FunctionSpace
    plan: FunctionPlan
    cost: Cost | None
    source: Source
    journal: NullFunctionJournal
    repeat: Repeat | None
    recorded: Callable[..., RunRecord] | None


class FunctionRun:
    """One run of a function, as planned; `runners` run its jobs."""

    def __init__(self, run: Planned, runners: JobRunners) -> None:
        self._run, self._runners = run, runners
        train, plan, source, journal = run.train, run.plan, run.source, run.journal
        decisions = 0 if run.repeat is None else run.repeat.decisions
        self._search = search_of(plan, source, run.cost, train.given_rungs, decisions, by_rung=train.is_objective)
        self._running: dict[Key, _core.Task] = {}
        self._answers: dict[Key, Answer] = {}  # those that are not decided yet, also of earlier calls
        self._states = States(plan.memory_limit, journal.folder, packed=runners.packed)
        self._directories = Directories(journal.folder, journal.settle, elsewhere=runners.packed)
        epochs = [rung["epochs"] for rung in self.rungs]
        totals = epochs if plan.training == "restart" else accumulate(epochs)
        self._of_rungs = [(*each, self._directories.folder) for each in zip(epochs, totals, strict=True)]
        self._retraining = Retraining(runners, self._states, source.params, self._job_of, self._begin)
        self._outcomes = Outcomes(train, plan, epochs)
        self._ended: str | None = None
        self.started = 0.0  # the start of the run on the monotonic clock

    @property
    def rungs(self) -> list[dict[str, int]]:
        """Return the rungs with their epochs and job counts, as the core reports them."""
        return self._search.rungs

    @property
    def count(self) -> int:
        """Return the maximum number of candidates."""
        return self._run.source.count

    @property
    def params(self) -> list[Params]:
        """Return the hyperparameters of the candidates so far; for Optuna trials, the values suggested so far."""
        return self._outcomes.params(self._run.source.params)

    def run(self, reporter: Reporter) -> FunctionResult:
        """Run all jobs and return the result.

        Raises
        ------
        AllFailedError, NothingFinishedError, KeyboardInterrupt
            No job has a score. KeyboardInterrupt is also raised if Ctrl-C ends a repeated run early.
        BaseException
            An error of a job (with ``error="raise"``), of a callback or of the journal. Its attribute `result` is the
            result so far, if a job has a score.
        """
        if self._run.journal.folder is not None:
            wait_for_left(self._run.journal.folder)
        began, before = self._run.journal.start()
        self.started = time.monotonic() - before
        with ContextsOfProcess() as contexts:  # at exit, waiting functions end, and temporary folders are deleted
            contexts.enter_context(self._directories)
            contexts.enter_context(self._states)
            with open_view(self._run.plan, self.rungs, lambda: self._runners.status) as view:
                try:
                    self._go(view, reporter, contexts)
                except KeyboardInterrupt:
                    self._end("interrupted")
                except BaseException as error:
                    if not contexts.is_forked:
                        self._attach_result(error, began)
                    raise
                self._decide_the_rest()
                self._search.release()
                view.update(self._search.events())
            seconds = time.monotonic() - self.started
            ended = self._ended or self._search.ended or "finished"
            self._run.journal.write(ended)
            is_cut = reporter.finish(self._search, self.params)
            if is_cut and self._run.repeat is None:  # a repeated run is already complete
                ended = "interrupted"
            result = self._result(ended, began, seconds)
            self._tidy()
            self._answers.clear()
            self._outcomes.best = None  # only the best state outlives the run, in the result
            return result

    def _attach_result(self, error: BaseException, began: datetime) -> None:
        """Give an error that ends the run the attribute `result`, unless no job has a score."""
        self._end("interrupted")
        try:
            self._decide_the_rest()
        except Exception as other:  # it must not replace the error that ended the run
            error.add_note(f"the result lacks the jobs that were not decided: {type(other).__name__}: {other}")
        best = self._outcomes.best
        if best is not None and self._run.repeat is None:
            if best.state is LOST:
                self._outcomes.keep(None)
            seconds = time.monotonic() - self.started
            partial = self._result("interrupted", began, seconds, warns=False)
            error.result = partial  # type: ignore[attr-defined]

    def _go(self, view: View, reporter: Reporter, contexts: ContextsOfProcess) -> None:
        looked = time.monotonic()
        if reporter.stopped:
            self._end("stopped")
        self._replay()
        while True:
            contexts.check()
            self._hand_out()
            if self._ended is not None or not self._running:
                return self._check_runners()
            if self._run.journal.is_urgent:
                self._look(view, reporter)
            for key, answer in self._runners.wait(min(WAKE_SECONDS, self._seconds_left())):
                if (found := self._retraining.step(key, answer)) is not None:
                    self._finish(*found)
            now = time.monotonic()
            if now - looked >= WAKE_SECONDS:
                looked = now
                self._look(view, reporter)

    def _replay(self) -> None:
        """Decide what earlier calls have recorded, drawing the same candidates, before anything is written."""
        run = self._run
        self._answers = run.journal.restore(self._search, run.source.params, run.plan)
        self._decide()
        while self._answers and self._ended is None and self._draw():
            pass
        self._run.journal.replayed()

    def _decide_the_rest(self) -> None:
        """After an early end, decide the jobs that have ended but whose decision waits for more candidates to be drawn.

        The virtual clock gets these candidates, but their jobs are not started. A later call with the journal will draw
        the same candidates, and make the same decisions.
        """
        if self._ended is not None and self._run.plan.schedule == "reproducible":
            while not self._search.finished and self._draw():
                pass

    def _check_runners(self) -> None:
        if self._ended is None and not self._search.finished:
            warn_user("all threads exceeded job_limit: the run ends with partial results")
            self._end("failures")

    def _look(self, view: View, reporter: Reporter) -> None:
        events = self._search.events()
        view.update(events)
        self._run.journal.write()
        self._tidy()
        reporter.look(self._search, self.params, events, self._run.journal.written)
        if reporter.stopped:
            self._end("stopped")

    def _tidy(self) -> None:
        best = self._outcomes.best
        self._directories.tidy(None if best is None else best.candidate)

    def _end(self, why: str) -> None:
        """Stop handing out jobs because of `why`; if it is called again, the first reason is kept."""
        self._ended = self._ended or why

    def _seconds_left(self) -> float:
        if self._run.plan.time_limit is None:
            return math.inf
        return max(0.0, self.started + self._run.plan.time_limit - self._outcomes.refit_seconds - time.monotonic())

    def _hand_out(self) -> None:
        """Start jobs while runners are free."""
        if self._seconds_left() == 0:
            self._end("time_limit")
        while self._runners.free > 0 and self._ended is None:
            task = self._search.next()
            self._decide()  # `next` may have replayed recorded results
            if task is not None:
                self._start(task)
            elif not self._draw():
                return

    def _draw(self) -> bool:
        """Draw more candidates if the clock is waiting for them; return whether any were drawn."""
        known = len(self._run.source.params)
        if not self._search.starved or not self._run.source.more():
            return False
        self._run.journal.check_drawn(self._run.source.params, known)
        self._search.provide(len(self._run.source.params))
        self._decide()
        return True

    def _start(self, task: _core.Task) -> None:
        key = task.candidate, task.rung
        self._running[key] = task
        is_new = task.rung == 0 and task.candidate not in self._run.journal.params
        if is_new and self._run.source.learns(task.candidate):
            self._directories.delete(task.candidate)  # an earlier call may have drawn other hyperparameters
        if self._run.repeat is not None and key in self._run.repeat.lost:
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
            self._begin(self._job_of(key), dict(self._run.source.params[task.candidate]), state)

    def _begin(self, job: Job, params: Params, state: Any) -> None:
        """Start a job, which may run to its end in the calling thread."""
        with self._run.journal.starting(elsewhere=self._runners.packed):
            self._runners.start(job, params, state)

    def _job_of(self, key: Key) -> Job:
        """Return the description of a job that is passed to its runner."""
        return (*key, *self._of_rungs[key[1]])

    def _state(self, candidate: int) -> Any:
        """Return the state that the candidate's last job returned, or LOST if the state is lost.

        A function may change the state in place. So if this is also the best state, a copy is kept as the best. If the
        state cannot be copied, the best state is lost, and `state_of` may train its candidate again at the end.
        """
        if self._run.plan.training == "restart":
            return None
        state = self._states.take(candidate)
        best = self._outcomes.best
        if best is not None and best.state is state and state is not None:
            try:
                kept = copy.deepcopy(state)
            except Exception as error:  # whatever the user's objects raise
                kept = LOST
                text = (
                    f"a state cannot be copied ({type(error).__name__}: {error}), so the best one may have to be "
                    "trained again at the end of the run. Return states that copy.deepcopy accepts, such as "
                    "model.state_dict()"
                )
                self._outcomes.warn_once("copy", text)
            self._outcomes.keep(kept)
        return state

    def _finish(self, key: Key, answer: Answer) -> None:
        if answer.kind != FINISHED:
            answer = self._checked_failure(key, answer)
        elif self._run.plan.direction == MINIMIZE:
            answer = answer._replace(score=-answer.score)
        task, is_pruned = self._running.pop(key), answer.text == PRUNED
        self._run.journal.ended(key, answer)
        self._keep(key, answer)
        self._answers[key] = answer
        start, end = answer.start - self.started, answer.end - self.started
        self._search.finish(
            task, answer.score, -answer.rank, pruned=is_pruned, thread=answer.thread, start=start, end=end
        )
        self._decide()

    def _keep(self, key: Key, answer: Answer) -> None:
        """Keep the state of a job, from which its candidate may be trained further."""
        if answer.kind == FINISHED and self._run.plan.training == "resume" and answer.state is not None:
            self._states.keep(*key, answer.rank, answer.state)

    def _checked_failure(self, key: Key, answer: Answer) -> Answer:
        """Return the answer of a failed job for the record.

        Warn of the first failure, and raise JobFailedError if the option `error` is "raise". Raise SettingError if the
        first job did not return a score. Failures that a record lists cause no warning. A trial that its own objective
        has pruned causes neither a warning nor JobFailedError.
        """
        if answer.kind == WRONG:
            if key == (0, 0):  # the first job, on any number of threads
                raise SettingError(answer.text)
            answer = answer._replace(kind=FAILED)
        story = story_of(answer) or self._outcomes.stories.get(key[0])
        params = self._run.source.params[key[0]] if story is None else story["params"]
        text = f"candidate {key[0]} failed in rung {key[1]}, with {params}:\n{answer.text}"
        if self._run.plan.error == "raise" and answer.text != PRUNED:
            raise JobFailedError(text) from opened_error(answer.error)
        is_lost = self._run.repeat is not None and key in self._run.repeat.lost
        if not (is_lost or answer.text == PRUNED):
            text = f"{text.rstrip()}\nThe run continues; `failures` of the result has all of them"
            self._outcomes.warn_once("failure", text, self._run.train.failure_warning)
        return answer._replace(error=None)

    def _decide(self) -> None:
        """Take note of the core's new decisions."""
        keys = self._search.decided(len(self._outcomes))
        for key in keys:
            candidate, rung = key
            answer = self._answers[key]
            self._outcomes.add(key, answer)  # first, so that Ctrl-C does not decide it again
            del self._answers[key]
            if answer.state is LOST:  # of an earlier call
                self._keep(key, answer)
            rank = answer.rank if answer.kind == FINISHED else None
            self._run.source.tell(candidate, rung, rank, self._outcomes.stories.get(candidate))
        if self._search.ended in CUTS:
            self._end(self._search.ended)
        if self._run.repeat is not None and len(self._outcomes) == self._run.repeat.decisions:
            self._end(self._run.repeat.ended)
        for candidate in self._search.retired().tolist() if keys else ():
            self._states.drop(candidate)
            self._directories.retire(candidate)

    def _result(self, ended: str, began: datetime, seconds: float, *, warns: bool = True) -> FunctionResult:
        outcomes, best = self._outcomes, self._outcomes.best
        if ended == "interrupted" and self._run.repeat is not None and len(outcomes) < self._run.repeat.decisions:
            raise KeyboardInterrupt("the run was interrupted before it had repeated the recorded one")
        if best is None:
            raise no_score(ended, outcomes.failures, seconds)
        if warns:  # if the search has not finished, all threads exceeded job_limit
            outcomes.warn_of_errors(are_the_end=ended == "failures" and self._search.finished)
        ladder, params = self.rungs, self.params
        if self._run.plan.candidates is None:
            params = params[: ladder[0]["running"] + ladder[0]["finished"]]
        try:
            state = state_of(best, self._retraining, ended, self._run.plan.training)
        except KeyboardInterrupt:
            if self._run.repeat is not None:
                raise
            ended = "interrupted"
            state = state_of(best, self._retraining, ended, self._run.plan.training)
        columns = self._search.jobs()
        record = None
        if self._run.recorded is not None:
            lost = [[each.candidate, each.rung] for each in outcomes.failures if each.kind in (LATE, DIED)]
            about = {"best": (best.candidate, best.rung), "ended": ended, "before": self._run.journal.before}
            record = self._run.recorded({LOST_JOBS: lost}, params=params, columns=columns, **about)
        return FunctionResult(
            best_candidate=best.candidate,
            best_rung=best.rung,
            best_state=final_state(self._runners.open(state)),
            failures=tuple(outcomes.failures),
            memory=self._states.memory,
            infos=outcomes.infos,
            params=tuple(params),
            columns=columns,
            assists={name: np.empty(0, np.float64) for name in ("candidate", "rung", "thread", "start", "end")},
            ladder=ladder,
            options=self._run.plan,
            space=space_of(outcomes.stories.values()) if outcomes.stories else self._run.space,
            ended=ended,
            started=began,
            wall_seconds=seconds,
            record=record,
        )

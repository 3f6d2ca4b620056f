"""Contains the loop that the calling thread runs while the core trains.

The thread sleeps in the core without the GIL. It wakes every 40 ms, or sooner when the core needs more candidates. It
then lets Python deliver signals, provides candidates, draws the progress, writes the journal, calls the callbacks, and
checks the deadline, in this order.

Threads: the core's threads run Python only to call a user's scoring function and to boost trees. No signal handler is
installed, so a run works in any thread. Ctrl-C interrupts only the main thread.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ash import _core
from ash._utils.threads import warn_of_fewer
from ash.callbacks.dispatch import Reporter
from ash.engine.candidates import Candidates
from ash.engine.tree_trainer import TreeTrainer
from ash.executors.dispatcher import NoDispatcher
from ash.history.records import Columns
from ash.journal.journal import LOOK_SECONDS, NullNetworkJournal
from ash.options import RunPlan
from ash.progress.board import Event, View
from ash.progress.views import open_view
from ash.run_record import RunRecord

if TYPE_CHECKING:
    from ash.scoring.scorers import ValidationScorer

REPORT_LIMIT = "report_limit"
"""The core's name for the ending of a run that repeats a record and has reached the record's last decision."""
WAKE_SECONDS = LOOK_SECONDS
"""How long the calling thread sleeps at a time. It notices Ctrl-C and the time limit when it wakes."""


@dataclass(frozen=True)
class Ending:
    """How a run ended (see `Result.ended`), when it was started, and how many seconds it took."""

    ended: str
    started: datetime
    wall_seconds: float


@dataclass(frozen=True, eq=False)
class EventLoop:
    """The event loop of one run; `run` returns when the run has ended.

    `tuner` must not have been started. `journal` records the run, `reporter` calls the callbacks, and `dispatcher`
    sends jobs to an executor. `scorers` has one object per fold that calls the user's scoring function; it is empty if
    the core computes the metric. `recorded` is the record of the run to repeat.
    """

    tuner: _core.Tuner
    candidates: Candidates
    plan: RunPlan
    journal: NullNetworkJournal
    reporter: Reporter
    dispatcher: NoDispatcher
    scorers: Sequence["ValidationScorer"]
    trees: TreeTrainer
    recorded: RunRecord | None = None

    def run(self, seconds_left: Callable[[bool], float]) -> Ending:
        """Let the core run until it has finished, or until the time limit, a callback, Ctrl-C or an error ends the run.

        `seconds_left` returns the seconds left for training. Its argument is True if the next job would end too late.
        """
        tuner, dispatcher = self.tuner, self.dispatcher
        ladder = tuner.rungs
        began, before = self.journal.start()
        started = time.monotonic()
        if seconds_left(False) <= 0 or self.reporter.stopped:
            tuner.stop()  # stop the tuner before it starts, so that no job finishes
        dispatcher.start()
        tuner.start()  # before opening the view, so that threads train while `rich` is imported
        try:
            warn_of_fewer(*tuner.threads)
            with open_view(self.plan, ladder, lambda: dispatcher.status) as view:
                stopped_by = self._watch(view, seconds_left)
                _end(tuner)
                dispatcher.finish(tuner, is_interrupted=stopped_by == "interrupted")
                if self.trees.error is not None:
                    raise self.trees.error
                wall_seconds = before + time.monotonic() - started
                view.update(tuner.events())
            ended, is_cut = stopped_by or tuner.ended, False
            with self.journal.completing():
                try:
                    self._complete(ended)
                except KeyboardInterrupt as error:
                    if ended == "interrupted" or isinstance(error.__context__, KeyboardInterrupt):
                        raise  # the second Ctrl-C
                    is_cut = True
                    self._complete("interrupted")
            self.journal.write(self.recorded.ended if self.recorded and ended == REPORT_LIMIT else ended)
            if self.reporter.finish(tuner, self.candidates.params) or is_cut:
                ended = "interrupted"
        except Exception as error:
            _end_behind(error, tuner)
            raise
        finally:
            tuner.stop()  # so that no thread continues training, even after a second Ctrl-C
        return Ending(ended, began, wall_seconds)

    def _watch(self, view: View, seconds_left: Callable[[bool], float]) -> str | None:
        """Loop until the run ends.

        Return "time_limit" or "interrupted", or None if the core, a callback or an error ended the run.
        """
        tuner = self.tuner
        watched: tuple[Any, ...] = (self.trees, self.dispatcher, *self.scorers)  # an error of one ends the run
        try:
            while (left := seconds_left(tuner.short_of_time)) > 0:
                if left < math.inf:
                    tuner.limit(left)
                if tuner.out_of_time:
                    break
                if tuner.wait(min(WAKE_SECONDS, left)):
                    return None
                if wanted := tuner.wanted:
                    tuner.provide(self.candidates.more(wanted, tuner.jobs))
                events = tuner.events()
                view.update(events)
                self._forget_trees(events)
                self.journal.write()
                self.reporter.look(tuner, self.candidates.params, events, self.journal.written)
                if self.reporter.stopped or any(each.error is not None for each in watched):
                    return None
        except KeyboardInterrupt:
            return "interrupted"
        return "time_limit"

    def _forget_trees(self, events: Sequence[Event]) -> None:
        """Free the boosted trees of decided jobs that are not kept."""
        decided = [(candidate, rung) for kind, candidate, rung, *_ in events if kind in ("finished", "diverged")]
        if decided:
            self.trees.forget(decided, [(candidate, rung) for candidate, rung, _ in self.tuner.kept_jobs()])

    def _complete(self, ended: str) -> None:
        """Retrain the kept models that are missing: networks without a state, and the boosted trees of earlier calls.

        A network's state is missing if the journal did not store it, or if a worker with the state was lost. A journal
        stores no trees. After Ctrl-C only the best model is retrained, and only if all models are missing.
        """
        tuner = self.tuner
        networks = sum(not there for *_, there in tuner.kept_jobs())
        trees = lacking_trees(tuner, self.trees)
        if ended == "interrupted":
            kept = [(candidate, rung) for candidate, rung, _ in tuner.kept_jobs()]
            all_missing = networks + len(trees) == len(kept)
            trees = trees[: int(all_missing and kept[:1] == trees[:1])]
            networks = int(all_missing and networks > 0 and not trees)
        if networks:
            tuner.complete(networks)
        if not trees:
            return
        columns, epochs = tuner.jobs(), [rung["epochs"] for rung in tuner.rungs]
        jobs = [(*key, epochs[key[1]], int(columns["weights_hash"][_row_of(columns, key)])) for key in trees]
        self.trees.complete(jobs, tuner.threads[0])


def lacking_trees(tuner: _core.Tuner, trees: TreeTrainer) -> list[tuple[int, int]]:
    """Return the kept boosted-tree jobs, as (candidate, rung), whose trees were trained in an earlier call."""
    kept = [(candidate, rung) for candidate, rung, _ in tuner.kept_jobs()]
    return [key for key in kept if trees.is_of_trees(key[0]) and trees.job(*key) is None]


def completion_seconds(tuner: _core.Tuner, threads: int, trees: TreeTrainer) -> float:
    """Return the estimated seconds for retraining the missing models of kept jobs if the run ended now."""
    lacking = {candidate: rung for candidate, rung, there in tuner.kept_jobs() if not there}
    boosted = lacking_trees(tuner, trees)
    if not lacking and not boosted:
        return 0.0
    jobs = tuner.jobs()
    last = np.array([lacking.get(candidate, -1) for candidate in jobs["candidate"].tolist()])
    seconds = float(jobs["core_seconds"][jobs["rung"] <= last].sum())
    return (seconds + sum(float(jobs["core_seconds"][_row_of(jobs, key)]) for key in boosted)) / threads


def _row_of(columns: Columns, key: tuple[int, int]) -> int:
    """Return the row number in `columns` of the job with this key, which is (candidate, rung)."""
    return int(np.flatnonzero((columns["candidate"] == key[0]) & (columns["rung"] == key[1]))[0])


def _end(tuner: _core.Tuner) -> None:
    """Stop the threads, and wait until each has finished its current block of rows or boosting round."""
    tuner.stop()
    while not tuner.wait(WAKE_SECONDS):
        continue


def _end_behind(error: Exception, tuner: _core.Tuner) -> None:
    """Stop the threads after `error` has ended the run; if they raise another error, add it to `error` as a note."""
    try:
        _end(tuner)
    except Exception as other:
        if (type(other), other.args) != (type(error), error.args):  # the core may raise `error` again
            error.add_note(f"the threads raised {type(other).__name__}: {other}")

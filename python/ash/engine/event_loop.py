"""What the calling thread does while a run goes on.

Threads: the core's threads train and never touch Python, unless the candidates are scored by a function of the user.
The calling thread sleeps in the core without the GIL, wakes every 50 ms to look at the clock, to let Python deliver
signals (in the main thread), to draw the progress, to write the journal and then to call the user's callbacks, and
sooner when an endless stream has to be drawn further. No signal handler is installed, so it runs as well in any other
thread.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ash import _core
from ash.callbacks.dispatch import Reporter
from ash.engine.build_result import Ending
from ash.engine.candidates import Candidates
from ash.executors.dispatcher import NoDispatcher
from ash.journal.journal import NullJournal
from ash.options import Options
from ash.progress.board import View
from ash.progress.views import open_view

if TYPE_CHECKING:
    from ash.scoring.scorers import ValidationScorer

WAKE_SECONDS = 0.05
"""How long the calling thread sleeps in the core: the delay of Ctrl-C and of the time limit."""


class EventLoop:
    """The calling thread of one run: `run` returns when the run has ended.

    Parameters
    ----------
    tuner : Tuner
        That has not started.
    candidates, options
        Of the run.
    journal, reporter, carrier
        What writes the run down, who is told of it, and what does its jobs elsewhere.
    scorers : sequence
        The user's functions that score it.
    """

    def __init__(
        self,
        tuner: _core.Tuner,
        candidates: Candidates,
        options: Options,
        journal: NullJournal,
        reporter: Reporter,
        carrier: NoDispatcher,
        scorers: Sequence["ValidationScorer"],
    ) -> None:
        self._tuner, self._candidates, self._options = tuner, candidates, options
        self._journal, self._reporter, self._carrier, self._scorers = journal, reporter, carrier, scorers

    def run(self, seconds_left: Callable[[], float]) -> Ending:
        """Let the core run to its end, to the time limit, a callback's stop or the first Ctrl-C."""
        tuner, carrier = self._tuner, self._carrier
        ladder = tuner.rungs
        began, before = self._journal.start()
        started = time.monotonic()
        if seconds_left() <= 0 or self._reporter.stopped:
            tuner.stop()  # beforehand: not even a short job ends
        carrier.start()
        tuner.start()  # before the view, so that they train while rich is imported
        try:
            with open_view(self._options, ladder, lambda: carrier.status) as view:
                stopped_by = self._watch(view, seconds_left)
                _end(tuner)
                carrier.finish(tuner)
                wall_seconds = before + time.monotonic() - started
                view.update(tuner.events())
            ended = stopped_by or tuner.ended
            with self._journal.completing():
                _complete(tuner, ended)
            self._journal.finish(ended)
            self._reporter.finish(tuner, self._candidates.params)
        except Exception as error:
            _end_behind(error, tuner)
            raise
        finally:
            tuner.stop()  # a second Ctrl-C too: nobody trains on behind it
        return Ending(ended, began, wall_seconds)

    def _watch(self, view: View, seconds_left: Callable[[], float]) -> str | None:
        """Return what ended the run from outside, None if it came to its own end."""
        tuner = self._tuner
        try:
            while (left := seconds_left()) > 0:
                if tuner.wait(min(WAKE_SECONDS, left)):
                    return None
                if wanted := tuner.wanted:
                    tuner.provide(self._candidates.more(wanted))
                events = tuner.events()
                view.update(events)
                self._journal.look()
                self._reporter.look(tuner, self._candidates.params, events, self._journal.written)
                if self._reporter.stopped or self._failed:
                    return None
        except KeyboardInterrupt:
            return "interrupted"
        return "time_limit"

    @property
    def _failed(self) -> bool:
        """Return whether there is an error that ends the run."""
        return self._carrier.error is not None or any(scorer.error is not None for scorer in self._scorers)


def _complete(tuner: _core.Tuner, ended: str) -> None:
    """Train again the networks that the result is to hold, but that earlier runs have not left, or a worker has lost.

    Of a run that was ended from outside only the best one is trained, or none if another one is there.
    """
    kept = [there for *_, there in tuner.kept_jobs()]
    if all(kept):
        return
    most = kept.count(False)
    if ended in ("interrupted", "stopped", "time_limit"):
        most = 0 if any(kept) and (ended == "interrupted" or kept[0]) else 1
    tuner.complete(most)


def _end(tuner: _core.Tuner) -> None:
    """Return once the threads have ended, within a block of rows."""
    tuner.stop()
    while not tuner.wait(WAKE_SECONDS):
        continue


def _end_behind(error: Exception, tuner: _core.Tuner) -> None:
    """Return once the threads have ended; what they have raised besides is a note of the error."""
    try:
        _end(tuner)
    except Exception as other:
        if (type(other), other.args) != (type(error), error.args):  # the core raises its own error again
            error.add_note(f"the threads have raised {type(other).__name__}: {other}")

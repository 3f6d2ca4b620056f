"""What the calling thread does while a run goes on.

Threads: the core's threads train and never touch Python, unless the candidates are scored by a function of the user.
The calling thread sleeps in the core without the GIL, wakes every 50 ms to look at the clock, to let Python deliver
signals (in the main thread), to draw the progress, to write the journal and then to call the user's callbacks, and
sooner when an endless stream has to be drawn further. No signal handler is installed, so it runs as well in any other
thread.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ash import _core
from ash.executor.carrier import Here
from ash.journal.recorder import Recorder
from ash.open_view import open_view
from ash.options import Options
from ash.outcome import Ending
from ash.parts import Candidates
from ash.progress import View
from ash.reporting import Reporter

if TYPE_CHECKING:
    from ash.scoring import ValidationScorer

WAKE_SECONDS = 0.05
"""How long the calling thread sleeps in the core: the delay of Ctrl-C and of the time limit."""


class Told(NamedTuple):
    """Who writes a run down, who is told of it, who does its jobs elsewhere, and the user's functions that score it."""

    recorder: Recorder
    reporter: Reporter
    carrier: Here
    scorers: Sequence["ValidationScorer"]

    @property
    def failed(self) -> bool:
        """Return whether there is an error that ends the run."""
        return self.carrier.error is not None or any(scorer.error is not None for scorer in self.scorers)


def wait(
    tuner: _core.Tuner,
    candidates: Candidates,
    options: Options,
    seconds_left: Callable[[], float],
    told: Told,
) -> Ending:
    """Let the core run to its end, to the time limit, a callback's stop or the first Ctrl-C; its threads have ended."""
    recorder, reporter, carrier, _ = told
    ladder = tuner.rungs
    began, before = recorder.start()
    started = time.monotonic()
    if seconds_left() <= 0 or reporter.stopped:
        tuner.stop()  # beforehand: not even a short job ends
    carrier.start()
    tuner.start()  # before the view, so that they train while rich is imported
    try:
        with open_view(options, ladder, lambda: carrier.status) as view:
            stopped_by = _watch(tuner, candidates, view, seconds_left, told)
            _end(tuner)
            carrier.finish(tuner)
            wall_seconds = before + time.monotonic() - started
            view.update(tuner.events())
        ended = stopped_by or tuner.ended
        recorder.finish(tuner, ended)
        reporter.finish(tuner, candidates.params)
    except Exception as error:
        _end_behind(error, tuner)
        raise
    finally:
        tuner.stop()  # a second Ctrl-C too: nobody trains on behind it
    return Ending(ended, began, wall_seconds)


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


def _watch(
    tuner: _core.Tuner,
    candidates: Candidates,
    view: View,
    seconds_left: Callable[[], float],
    told: Told,
) -> str | None:
    """Return what ended the run from outside, None if it came to its own end."""
    try:
        while (left := seconds_left()) > 0:
            if tuner.wait(min(WAKE_SECONDS, left)):
                return None
            if wanted := tuner.wanted:
                tuner.provide(candidates.more(wanted))
            events = tuner.events()
            view.update(events)
            told.recorder.look(tuner)
            told.reporter.look(tuner, candidates.params, events, told.recorder.written)
            if told.reporter.stopped or told.failed:
                return None
    except KeyboardInterrupt:
        return "interrupted"
    return "time_limit"

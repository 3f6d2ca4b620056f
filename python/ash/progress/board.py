"""Defines `Board`, the counts that all views of a run show, and `View`, which shows them.

    core threads -> events -> calling thread: Board (counts) -> View (silent | plain lines | live table) -> stderr
                                                                     (notebook: HTML table) -> output of the cell

Threads: everything runs in the thread that called `ash.tune`, on batches of events. No core thread waits for the
display. A view that can no longer write (closed terminal, broken pipe) becomes silent, so a display error does not end
a run.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

from ash._utils.display import counted, show, show_seconds
from ash.options import MINIMIZE, RunOptions
from ash.run_record import FUNCTION

if TYPE_CHECKING:
    from ash.executors.flights import Status

Event = tuple[str, int, int, float, float]
"""(kind, candidate, rung, seconds since the start, score): see `_core.Tuner.events`."""

LINE_SECONDS = 5.0
"""Seconds between plain lines."""
BAR = 40
"""Width of a bar in characters. rich's own bar is not used: it shows the unfinished part only by color, and writes no
line end."""


@dataclass
class RungCounts:
    """Counts of the jobs in one rung so far; `finished` includes diverged jobs."""

    epochs: int
    running: int = 0
    finished: int = 0
    promoted: int = 0
    diverged: int = 0
    best_score: float = -math.inf

    @property
    def waiting(self) -> int:
        """Return the number of jobs that are scored but not promoted."""
        return self.finished - self.promoted - self.diverged

    @property
    def reached(self) -> bool:
        """Return whether any candidate has reached this rung."""
        return self.running + self.finished > 0


class Board:
    """The counts of all rungs, updated by events. Cost: O(1) per event.

    `total_epochs` is the number of epochs of the whole ladder, or the epoch limit if that is less; None for an endless
    ladder without such a limit. `status` returns the status of the executor's workers, or None without an executor.
    """

    def __init__(
        self,
        ladder: Sequence[dict[str, int]],
        options: RunOptions,
        status: "Callable[[], Status | None]" = lambda: None,
    ) -> None:
        self.rungs = [RungCounts(rung["epochs"]) for rung in ladder]
        is_negated = getattr(options, "direction", None) == MINIMIZE
        self.metric = "value" if is_negated else str(options.metric)
        self._sign = -1 if is_negated else 1  # factor that turns scores into the shown values
        self.without_score = "failed" if options.task == FUNCTION else "diverged"
        self.time_limit = options.time_limit
        self.endless = options.candidates is None
        totals = [] if self.endless else [sum(rung["epochs"] * rung["places"] for rung in ladder)]
        totals += [] if options.max_total_epochs is None else [options.max_total_epochs]
        self.total_epochs = min(totals, default=None)
        self.done_epochs = 0
        self.fuller: float | None = getattr(options, "fuller", None)
        self.status = status
        self.started = time.monotonic()

    def apply(self, events: Sequence[Event]) -> None:
        """Count a batch of events."""
        for kind, _, number, _, score in events:
            rung = self.rungs[number]
            if kind == "started":
                rung.running += 1
            elif kind == "promoted":
                rung.promoted += 1
            else:
                rung.running -= 1
                rung.finished += 1
                self.done_epochs += rung.epochs
                if kind == "diverged":
                    rung.diverged += 1
                else:
                    rung.best_score = max(rung.best_score, score)

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    @property
    def seconds_left(self) -> float | None:
        """Return the estimated seconds left, at most those until the time limit; None without estimate and limit."""
        left = [] if self.time_limit is None else [max(0.0, self.time_limit - self.elapsed)]
        if self.done_epochs and self.total_epochs is not None:
            left.append(self.elapsed * max(0, self.total_epochs - self.done_epochs) / self.done_epochs)
        return min(left, default=None)

    def time_left(self) -> str:
        """Return the time left as text, or empty text if the time left is unknown."""
        left = self.seconds_left
        return "" if left is None else f"about {show_seconds(left)} left"

    @property
    def share(self) -> float | None:
        """Return the finished share of all epochs. If `total_epochs` is None, return the used share of the time limit.

        The result is None if there is no time limit either.
        """
        if self.total_epochs is not None:
            return min(1.0, self.done_epochs / self.total_epochs)
        return min(1.0, self.elapsed / self.time_limit) if self.time_limit else None

    @property
    def shown_rungs(self) -> list[tuple[int, RungCounts]]:
        """Return the rungs with their numbers; for an endless ladder, only rung 0 and the rungs that were reached."""
        return [
            (number, rung) for number, rung in enumerate(self.rungs) if not (self.endless and number) or rung.reached
        ]

    @property
    def header(self) -> tuple[str, ...]:
        """Return the column names of a table of rungs."""
        return "rung", "epochs", "running", "waiting", "promoted", f"best {self.metric}"

    def cells(self, number: int, rung: RungCounts) -> tuple[str, ...]:
        """Return the row of a rung in the table of rungs."""
        best = show(self._sign * rung.best_score) if rung.finished > rung.diverged else "-"
        counts = (number, rung.epochs, rung.running, rung.waiting, rung.promoted)
        return *map(str, counts), best

    def headline(self) -> str:
        """Return the finished epochs, the elapsed time, the best score, and the number of jobs without a score.

        If the plan has one rung, so that no candidate is promoted, the line also says how long a fuller search takes.
        """
        score = max(rung.best_score for rung in self.rungs)
        best = f"best {self.metric} {show(self._sign * score)}" if score > -math.inf else "no score"
        done, total = self.done_epochs, self.total_epochs
        epochs = counted(done, "epoch") if total is None else f"{done} of {total} epochs"
        failures = sum(rung.diverged for rung in self.rungs)
        lost = f", {failures} {self.without_score}" if failures else ""
        more = ""
        if self.fuller is not None:
            limit = self.time_limit
            times = show_seconds(self.fuller * limit) if limit else f"{self.fuller:.2g} times as long"
            more = f" (a search with promotions takes about {times})"
        return f"{epochs} in {show_seconds(self.elapsed)}, {best}{lost}{more}"

    def workers(self) -> str:
        """Return the status of the executor's workers as text, or empty text without an executor."""
        status = self.status()
        if status is None:
            return ""
        lost = f" ({status.lost} lost)" if status.lost else ""
        moved = f", states moved: {status.moved / 1e6:.3g} MB" if status.moved else ""
        return f"workers: {status.workers}{lost}, jobs on their way: {status.underway}{moved}"

    def line(self) -> str:
        """Return the headline, the time left, the workers and the counts of each rung that has been reached."""
        rungs = [
            f"rung {number}: {rung.running} running, {rung.waiting} waiting, {rung.promoted} promoted"
            for number, rung in enumerate(self.rungs)
            if rung.reached
        ]
        return "; ".join(filter(None, [self.headline(), self.time_left(), self.workers(), *rungs]))

    def footer(self) -> str:
        """Return the headline and the time left."""
        return ", ".join(filter(None, [self.headline(), self.time_left()]))


def bar_of(share: float) -> str:
    """Return a progress bar as text; `share` is from 0 to 1."""
    done = int(BAR * share)
    return "#" * done + "." * (BAR - done)


class View:
    """A context manager that receives batches of events. It shows nothing; the other views are derived from it."""

    def __enter__(self) -> Self:
        """Begin the display."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the display, even after an error."""

    def update(self, events: Sequence[Event]) -> None:
        """Process a batch of events."""


class BoardView(View):
    """A view that draws the board every `period` seconds and once more at the end."""

    period = LINE_SECONDS

    def __init__(self, board: Board, stream: TextIO) -> None:
        self.board = board
        self.stream = stream
        self._drawn = time.monotonic()
        self._writable = True

    def __exit__(self, *error: object) -> None:
        """Draw the final state."""
        self.guard(self.finish)

    def update(self, events: Sequence[Event]) -> None:
        """Process a batch of events; draw if the period has passed."""
        self.board.apply(events)
        if time.monotonic() - self._drawn >= self.period:
            self._drawn = time.monotonic()
            self.guard(self.draw)

    def guard(self, write: Callable[[], None]) -> None:
        """Call `write`, but never again after the stream has failed (OSError if it is broken, ValueError if closed)."""
        if not self._writable:
            return
        try:
            write()
        except (OSError, ValueError):
            self._writable = False

    def draw(self) -> None:
        """Write a line."""
        self._write(self.board.line())

    def finish(self) -> None:
        """Write the last line."""
        self._write(self.board.headline())

    def _write(self, line: str) -> None:
        self.stream.write(f"ash: {line}\n")
        self.stream.flush()

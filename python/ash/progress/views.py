"""Chooses the view of a run: silent, plain lines, a live table (live_view.py), or a table in a notebook.

A bar is shown while a large table is prepared. The view in a notebook needs only IPython, which every notebook has;
frontends without HTML show the plain line. Names from users are escaped. No threads are started.
"""

import contextlib
import html
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TextIO

from ash._utils.display import in_notebook, is_terminal, moves_cursor
from ash.options import Options, RunOptions
from ash.progress.board import LINE_SECONDS, Board, BoardView, View, bar_of

if TYPE_CHECKING:
    from ash.executors.flights import Status

QUIET_SECONDS = 1.0
"""Seconds before the preparation bar appears; most tables are prepared sooner."""
BAR_SECONDS = 0.1
"""Seconds between two drawings of the preparation bar."""


def open_view(
    options: RunOptions, ladder: Sequence[dict[str, int]], status: "Callable[[], Status | None]" = lambda: None
) -> View:
    """Return the view that the option `verbose` selects; the view also shows what `status` returns.

    1: a live view on a terminal, and nothing elsewhere. 2 or more: also a table in a notebook, and plain lines in every
    other output. 0 or less: nothing. A terminal that cannot move its cursor (TERM=dumb) gets plain lines instead of the
    live view.
    """
    stream, moves = _stream_of(options.verbose)
    if stream is None:
        return View()
    board = Board(ladder, options, status)
    if in_notebook():
        return NotebookView(board)
    if not moves:
        return BoardView(board, stream)
    from ash.progress.live_view import LiveView  # imported late, since it imports rich

    return LiveView(board, stream)


def _stream_of(verbose: int) -> tuple[TextIO | None, bool]:
    """Return stderr, or None if no progress should be shown, and whether stderr is a terminal with a movable cursor."""
    stream = sys.stderr
    terminal = is_terminal(stream)
    shown = terminal if verbose == 1 else verbose > 1
    return (stream if shown else None), terminal and moves_cursor()


def announce(options: Options, lines: Callable[[], Sequence[str]]) -> None:
    """Write the result of `lines` to stderr if a run shows its progress on stderr, but not in a notebook."""
    stream, _ = _stream_of(options.verbose)
    if stream is None or in_notebook():
        return
    text = "\n".join(lines())
    with contextlib.suppress(OSError, ValueError):  # errors of a broken or closed stream
        print(text, file=stream)


class PreparationBar:
    """Shows the progress of preparing a table: a context manager that is called with the finished share, 0 to 1.

    It shows a bar on a terminal that can move its cursor, and plain lines elsewhere, both only after a second. It
    becomes silent if the stream cannot be written to.
    """

    def __init__(self, options: Options, rows: int) -> None:
        self.rows = rows
        self._stream, self._moves = _stream_of(options.verbose)
        self._next = time.monotonic() + QUIET_SECONDS
        self._drawn = False

    def __enter__(self) -> Self:
        """Return the bar."""
        return self

    def __exit__(self, *error: object) -> None:
        """Erase the bar from the terminal, even after an error."""
        if self._drawn and self._moves:
            self._write("\r\x1b[K")

    def __call__(self, share: float) -> None:
        """Show the finished share if it is time to draw."""
        if self._stream is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (BAR_SECONDS if self._moves else LINE_SECONDS)
        text = f"ash: preparing {self.rows:,} rows {bar_of(share)} {100 * share:.0f} %"
        self._write(f"\r{text}" if self._moves else f"{text}\n")
        self._drawn = True

    def _write(self, text: str) -> None:
        """Write text, but never again after the stream has failed (OSError if it is broken, ValueError if closed)."""
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class NotebookView(BoardView):
    """Shows a table in a notebook, updated in place twice per second."""

    period = 0.5

    def __init__(self, board: Board) -> None:
        super().__init__(board, sys.stderr)
        self._handle: Any = None

    def __enter__(self) -> Self:
        """Create the output and draw the empty ladder."""
        from IPython.display import display

        self._handle = display(self._bundle(render(self.board)), raw=True, display_id=True)
        return self

    def draw(self) -> None:
        """Redraw the board."""
        self._handle.update(self._bundle(render(self.board)), raw=True)

    def finish(self) -> None:
        """Replace the table with the last line."""
        self._handle.update(self._bundle(f"<div>ash: {html.escape(self.board.headline())}</div>"), raw=True)

    def _bundle(self, page: str) -> dict[str, str]:
        return {"text/html": page, "text/plain": f"ash: {self.board.line()}"}


def render(board: Board) -> str:
    """Return the table of rungs, the highest first, above the progress bar."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in board.header)
    rows = "".join(_row(board.cells(number, rung), rung.reached) for number, rung in reversed(board.shown_rungs))
    bar = "" if board.share is None else f'<progress value="{board.share:.4f}" max="1"></progress> '
    workers = board.workers()
    last = f"<div>{html.escape(workers)}</div>" if workers else ""
    return f"<table><tr>{head}</tr>{rows}</table><div>{bar}{html.escape(board.footer())}</div>{last}"


def _row(cells: Sequence[str], reached: bool) -> str:
    style = "" if reached else ' style="opacity: 0.4"'
    return f"<tr{style}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"

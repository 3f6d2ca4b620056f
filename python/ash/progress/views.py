"""The view of a run while it goes on: silent, plain lines, a live table (live_view.py), or a table in a notebook.

In a notebook IPython alone is needed, which a notebook has; frontends that know no HTML show the plain line. A user's
names are escaped. No thread of its own.
"""

import html
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from ash._utils.display import in_notebook, is_terminal, moves_cursor, show_seconds
from ash.options import RunOptions
from ash.progress.board import Board, BoardView, View

if TYPE_CHECKING:
    from ash.executors.dispatcher import Status


def open_view(
    options: RunOptions, ladder: Sequence[dict[str, int]], status: "Callable[[], Status | None]" = lambda: None
) -> View:
    """Return the view for `progress` of the options, which shows `status` too.

    None: on a terminal only. True: a table in a notebook, plain lines where there is neither. A terminal that cannot
    move its cursor (TERM=dumb) gets plain lines. False: silent.
    """
    stream = sys.stderr
    terminal = is_terminal(stream)
    if stream is None or options.progress is False or (options.progress is None and not terminal):
        return View()
    board = Board(ladder, options, status)
    if in_notebook():
        from ash.progress.views import NotebookView

        return NotebookView(board)
    if not terminal or not moves_cursor():
        return BoardView(board, stream)
    from ash.progress.live_view import LiveView  # here: it imports rich

    return LiveView(board, stream)


class NotebookView(BoardView):
    """Updated in place twice a second."""

    period = 0.5

    def __init__(self, board: Board) -> None:
        super().__init__(board, sys.stderr)
        self._handle: Any = None

    def __enter__(self) -> Self:
        """Make the output and draw the empty ladder."""
        from IPython.display import display

        self._handle = display(self._bundle(render(self.board)), raw=True, display_id=True)
        return self

    def draw(self) -> None:
        """Draw the board anew."""
        self._handle.update(self._bundle(render(self.board)), raw=True)

    def finish(self) -> None:
        """Leave the last line."""
        self._handle.update(self._bundle(f"<div>ash: {html.escape(self.board.headline())}</div>"), raw=True)

    def _bundle(self, page: str) -> dict[str, str]:
        return {"text/html": page, "text/plain": f"ash: {self.board.line()}"}


def render(board: Board) -> str:
    """Return the table of rungs, the highest first, above the bar of what is done."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in board.header)
    rows = "".join(_row(board.cells(number, rung), rung.reached) for number, rung in reversed(board.shown_rungs))
    bar = "" if board.share is None else f'<progress value="{board.share:.4f}" max="1"></progress> '
    left = board.seconds_left
    ending = "" if left is None else f", about {show_seconds(left)} left"
    workers = board.workers()
    last = f"<div>{html.escape(workers)}</div>" if workers else ""
    return f"<table><tr>{head}</tr>{rows}</table><div>{bar}{html.escape(board.headline() + ending)}</div>{last}"


def _row(cells: Sequence[str], reached: bool) -> str:
    style = "" if reached else ' style="opacity: 0.4"'
    return f"<tr{style}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"

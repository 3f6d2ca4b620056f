"""The live view of a run in a notebook: an output of the cell in HTML, a row for each rung, that ends as one line.

IPython alone is needed, which a notebook has; frontends that know no HTML show the plain line. A user's names are
escaped. No thread of its own.
"""

import html
import sys
from collections.abc import Sequence
from typing import Any, Self

from ash.progress import Board, BoardView
from ash.text_table import show_seconds


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

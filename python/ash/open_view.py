"""Which view a run has: silent, plain lines, a live table, or a notebook's."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ash.options import RunOptions
from ash.progress import Board, BoardView, View
from ash.terminal import in_notebook, is_terminal, moves_cursor

if TYPE_CHECKING:
    from ash.executor.carrier import Status


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
        from ash.notebook_view import NotebookView

        return NotebookView(board)
    if not terminal or not moves_cursor():
        return BoardView(board, stream)
    from ash.live_view import LiveView  # here: it imports rich

    return LiveView(board, stream)

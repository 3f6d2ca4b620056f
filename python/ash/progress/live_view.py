"""Shows a run live on a terminal, with rich: one row per rung, a bar of epochs or time, time left, workers."""

from typing import NoReturn, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ash.progress.board import Board, BoardView, bar_of


class _Console(Console):
    """rich's console, except that a broken pipe raises an error that a view can catch; rich would end the process."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise the BrokenPipeError that is being handled."""
        raise


class LiveView(BoardView):
    """Draws the board in place ten times per second, and leaves only one line at the end.

    It starts no thread: rich's refresh thread is disabled, and stdout and stderr are not redirected.
    """

    period = 0.1

    def __init__(self, board: Board, stream: TextIO) -> None:
        super().__init__(board, stream)
        self._live = Live(
            console=_Console(file=stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        """Hide the cursor and draw the empty ladder."""
        self.guard(self._live.start)
        self.guard(self.draw)
        return self

    def __exit__(self, *error: object) -> None:
        """Erase the table, show the cursor again and write the last line."""
        self.guard(self._live.stop)
        super().__exit__(*error)

    def draw(self) -> None:
        """Redraw the board."""
        self._live.update(render(self.board), refresh=True)


def render(board: Board) -> RenderableType:
    """Return the table of rungs, the highest first, above the progress bar."""
    table = Table(box=None, pad_edge=False)
    for name in board.header:
        # Long texts are cropped, since rich would mark them with an ellipsis, which is not ASCII.
        table.add_column(name, justify="right", no_wrap=True, overflow="crop")
    for number, rung in reversed(board.shown_rungs):
        table.add_row(*board.cells(number, rung), style="" if rung.reached else "dim")
    share, workers = board.share, board.workers()
    bar = Text("" if share is None else bar_of(share), no_wrap=True, overflow="crop")
    return Group(table, bar, Text(board.footer()), *([Text(workers)] if workers else []))

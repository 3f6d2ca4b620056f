"""What is seen while a large table is prepared: a bar on a terminal, plain lines elsewhere, nothing for a second.

Shown where the progress of the run is shown (board.py). A stream that cannot be written to falls silent.
"""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from ash._utils.display import is_terminal, moves_cursor
from ash.options import Options
from ash.progress.board import LINE_SECONDS

BAR = 40
QUIET_SECONDS = 1.0
"""Most tables are prepared sooner."""
BAR_SECONDS = 0.1


class PreparationBar:
    """A context manager; call it with the share that is done, 0 to 1."""

    def __init__(self, options: Options, rows: int) -> None:
        self.rows = rows
        stream = sys.stderr
        terminal = is_terminal(stream)
        shown = options.progress if options.progress is not None else terminal
        self._stream: TextIO | None = stream if shown else None
        self._moves = terminal and moves_cursor()
        self._next = time.monotonic() + QUIET_SECONDS
        self._drawn = False

    def __enter__(self) -> Self:
        """Begin to count the seconds."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the bar, whatever has happened."""
        if self._drawn and self._moves:
            self._write("\r\x1b[K")

    def __call__(self, share: float) -> None:
        """Show how much is done, when it is time."""
        if self._stream is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (BAR_SECONDS if self._moves else LINE_SECONDS)
        done = int(BAR * share)
        text = f"ash: preparing {self.rows:,} rows {'#' * done}{'.' * (BAR - done)} {100 * share:.0f} %"
        self._write(f"\r{text}" if self._moves else f"{text}\n")
        self._drawn = True

    def _write(self, text: str) -> None:
        """Write, and never again after the stream has failed: OSError when it broke, ValueError when it is closed."""
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

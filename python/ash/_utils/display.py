"""Formats numbers, durations, hyperparameters and tables as text, and detects terminals and notebooks."""

import html
import math
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO


def format_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table: right-aligned columns, two spaces between them, a dash for NaN and None."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in cells]


def html_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as escaped HTML, without a header row if the header is empty."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(_cell(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' * bool(header)}{body}</table>"


def _cell(value: Any) -> str:
    return "-" if value is None or (isinstance(value, float) and math.isnan(value)) else show(value)


def show(value: Any) -> str:
    """Return a value as text; a float gets four decimals if it is in 0.1..1000, else four significant digits."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 0.1 or abs(value) >= 1000 else f"{value:.4f}"
    return str(value)


def shown_estimate(score: float, std_error: float) -> str:
    """Return an estimate and its standard error as text; without a standard error, only the estimate."""
    return show(score) if math.isnan(std_error) else f"{show(score)} (standard error {std_error:.2g})"


def show_param(value: Any) -> str:
    """Return a hyperparameter as text: a float in its short form, layer widths as 64-32, other values by str."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "-".join(map(str, value)) or "none"
    return str(value)


def show_params(params: dict[str, Any]) -> list[str]:
    """Return a line for each hyperparameter, with the names aligned."""
    width = max(map(len, params), default=0)
    return [f"{name.ljust(width)}  {show_param(value)}" for name, value in params.items()]


def printable(text: str) -> str:
    r"""Return text with each control character replaced by its Python escape, such as \x1b."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def counted(number: int, what: str) -> str:
    """Return a number with its noun: 1 candidate, 2,048 candidates."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def show_seconds(seconds: float) -> str:
    """Return a duration as 0.41 s, 12.3 s, 4 min 05 s or 2 h 03 min."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether the stream is an open terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def in_notebook() -> bool:
    """Return whether this process is a notebook kernel, without importing anything."""
    kernel, ipython = sys.modules.get("ipykernel.zmqshell"), sys.modules.get("IPython")
    if kernel is None or ipython is None:
        return False
    return isinstance(ipython.get_ipython(), kernel.ZMQInteractiveShell)


def moves_cursor() -> bool:
    """Return whether terminals can move the cursor, according to the environment variable TERM."""
    return os.environ.get("TERM") not in ("dumb", "unknown")

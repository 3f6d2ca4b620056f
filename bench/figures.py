"""Spreads of repeated measurements, and the tables and pictures for the terminal and for a page.

A table's first column names the row and is left-aligned; the other columns are right-aligned. In pictures, simulated
lines are dashed, published lines dotted and bounds dash-dotted.
"""

from __future__ import annotations

import statistics
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COUNTS = ("threads", "rows of a batch", "time limit in seconds")  # axis labels; all numbers on these axes get a tick
MARKERS = "osD^vPX*<"  # one marker fewer than colors, so that a repeated color has another marker
STYLES = {"measured": "-", "simulated": "--", "published": ":", "bound": "-."}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def shown(line: Mapping[str, float], form: str = ".3f") -> str:
    """Format a spread as "minimum / median / maximum"."""
    return " / ".join(format(line[name], form) for name in ("min", "median", "max"))


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Return the spread of the ratios `above[i] / below[i]`."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def verdict(value: float, relation: str, required: float | None) -> str:
    """Return the requirement as text, and whether the value meets it ("yes" or "NO"); `relation` is ">=" or "<="."""
    if required is None:
        return "-"
    held = value >= required if relation == ">=" else value <= required
    return f"{relation} {required:g} {'yes' if held else 'NO'}"


def one_round(functions: Mapping[str, Callable[[], Any]], number: int) -> dict[str, Any]:
    """Call each function once and return the results; if the round's `number` is odd, call them in reverse."""
    return {name: functions[name]() for name in list(functions)[:: -1 if number % 2 else 1]}


def interleaved(functions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Call all functions in turn in each round, in reverse in every other round; return the results by name."""
    results = [one_round(functions, number) for number in range(rounds)]
    return {name: [result[name] for result in results] for name in functions}


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Call the function; return the seconds it took and its result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def item_lines(text: str) -> list[str]:
    """Return the lines of a text, indented and wrapped as an item of a Markdown list."""
    return textwrap.wrap(text, 120, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


@dataclass(frozen=True)
class Table:
    """Rows of text under a header. The note explains the table in a sentence or two."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def as_text(self) -> str:
        """Return the table as plain text with aligned columns."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        shown = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *shown, *([self.note] if self.note else [])])

    def as_markdown(self) -> str:
        """Return the table in Markdown."""
        first, *others = (
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (self.header, *self.rows)
        )
        body = "\n".join([first, "|---|" + "--:|" * (len(self.header) - 1), *others])
        return "\n\n".join([f"**{self.title}**", body, *([self.note] if self.note else [])]) + "\n"


@dataclass(frozen=True)
class Text:
    """A paragraph of a page."""

    words: str

    def as_text(self) -> str:
        """Return the paragraph unchanged."""
        return self.words

    def as_markdown(self) -> str:
        """Return the paragraph with a final newline."""
        return f"{self.words}\n"


@dataclass(frozen=True)
class Line:
    """A line of a plot: measured, simulated, published or bound. A line without a label looks like the previous one."""

    label: str
    points: Mapping[float, float]
    kind: str = "measured"


@dataclass(frozen=True)
class Plot:
    """Lines over a common axis, drawn as one panel of a picture."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    logarithmic: Sequence[str] = ()  # logarithmic axes: "x", "y" or both

    def draw(self, axes: Any) -> None:
        """Draw the lines on matplotlib axes."""
        number = -1
        for line in self.lines:
            number += bool(line.label)
            marker = "" if line.kind == "bound" else MARKERS[number % len(MARKERS)]
            style = {"color": f"C{number % 10}", "marker": marker, "markersize": 4, "linestyle": STYLES[line.kind]}
            xs = sorted(line.points)
            axes.plot(xs, [line.points[x] for x in xs], label=line.label or None, **style)
        for axis in self.logarithmic:
            getattr(axes, f"set_{axis}scale")("log", base=2 if self.x in COUNTS else 10)
        if self.x in COUNTS:
            axes.set_xticks(sorted({x for line in self.lines for x in line.points}))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_major_formatter("{x:g}")
        axes.set(title=self.title, xlabel=self.x, ylabel=self.y)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")


@dataclass(frozen=True)
class Dots:
    """A plot with one dot per name on a logarithmic axis, from top to bottom; each dot has a note."""

    title: str
    x: str
    values: Mapping[str, float]
    notes: Mapping[str, str]

    def draw(self, axes: Any) -> None:
        """Draw the dots and notes on matplotlib axes."""
        for name, value in reversed(self.values.items()):
            axes.plot([value], [name], "o", color="C0")
            axes.annotate(
                self.notes[name], (value, name), (8, 0), textcoords="offset points", va="center", fontsize="small"
            )
        axes.set_xscale("log")
        axes.set_xlim(min(self.values.values()) / 2, 60 * max(self.values.values()))  # room for the notes
        axes.grid(axis="x", alpha=0.3)
        axes.set(title=self.title, xlabel=self.x)


@dataclass(frozen=True)
class Picture:
    """A PNG file called `name` with plots side by side, `columns` in a row."""

    name: str
    plots: Sequence[Plot | Dots]
    note: str = ""
    columns: int = 2

    @property
    def title(self) -> str:
        """Return the joined titles of the plots."""
        return "; ".join(dict.fromkeys(plot.title for plot in self.plots))

    def as_text(self) -> str:
        """Return only the title, since a nearby table has the figures."""
        return f"picture {self.name}: {self.title}"

    def as_markdown(self) -> str:
        """Return a Markdown link to the picture, which is stored beside the page."""
        return f"![{self.title}]({self.name}.png)\n" + (f"\n{self.note}\n" if self.note else "")

    def draw(self, folder: Path) -> None:
        """Write folder/NAME.png."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        columns = min(self.columns, len(self.plots))
        rows = -(-len(self.plots) // columns)
        figure = Figure(figsize=(6.5 * columns, 4.6 * rows), layout="constrained")
        canvas: Any = FigureCanvasAgg(figure)
        for number, plot in enumerate(self.plots, 1):
            plot.draw(canvas.figure.add_subplot(rows, columns, number))
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{self.name}.png", dpi=90, metadata={"Software": None})


Section = Table | Text | Picture

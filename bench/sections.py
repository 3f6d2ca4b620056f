"""What a bench shows: tables and plots, once for the terminal and for the report.

A bench turns its JSON into sections; here they become text, Markdown and PNG. A table's first column names the row and
stands to the left, the others to the right. `simulated` lines of a plot are dashed, published ones dotted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COUNTS = ("threads", "rows of a batch", "time limit in seconds")  # axes of few whole numbers, which are all written
MARKERS = "osD^vPX*<"  # one less than there are colours, so that a colour comes back with another marker
STYLES = {"measured": "-", "simulated": "--", "published": ":", "bound": "-."}


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the note says how to read it, in a sentence or two."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def as_text(self) -> str:
        """Return it with aligned columns."""
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
        """Return it as a table of Markdown."""
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return "\n\n".join([f"**{self.title}**", body, *([self.note] if self.note else [])]) + "\n"


@dataclass(frozen=True)
class Line:
    """One line of a plot; kind is measured, simulated, published or bound. No label: it goes on from the last line."""

    label: str
    points: Mapping[float, float]
    kind: str = "measured"


@dataclass(frozen=True)
class Plot:
    """Lines over one axis; name is that of the file."""

    name: str
    title: str
    x: str
    y: str
    lines: Sequence[Line]
    logarithmic: Sequence[str] = field(default_factory=tuple)  # "x", "y" or both
    note: str = ""

    def as_text(self) -> str:
        """Return its title; its figures are in a table beside it."""
        return f"plot {self.name}: {self.title}"

    def as_markdown(self) -> str:
        """Return the picture, as it lies beside the report."""
        return f"![{self.title}](plots/{self.name}.png)\n" + (f"\n{self.note}\n" if self.note else "")

    def draw(self, folder: Path) -> None:
        """Write folder/NAME.png."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 5), layout="constrained")
        axes: Any = FigureCanvasAgg(figure).figure.add_subplot()
        number = -1
        for line in self.lines:
            number += bool(line.label)
            marker = "" if line.kind == "bound" else MARKERS[number % len(MARKERS)]
            style = {"color": f"C{number}", "marker": marker, "markersize": 5, "linestyle": STYLES[line.kind]}
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
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{self.name}.png", dpi=110, metadata={"Software": None})


Section = Table | Plot

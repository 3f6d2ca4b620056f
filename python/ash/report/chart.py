"""Draws charts: scales and ticks, marks that can be distinguished without color, grid, axes, legend, and `Chart`.

    Chart ---> figure > div.chart > svg[role=img] > title, desc, grid, axes, marks     figcaption, ul.legend, table
          ---> a file: svg > style of chart.css with the light colors, the same picture, legend

    o waiting   * (filled) promoted   x diverged   < worse than shown   star: the best

Sizes are in pixels of an unscaled page. A `wide` or `medium` chart keeps a minimum width and scrolls in its own box. A
`natural` chart is never scaled, a `cell` chart fills its place, and a `plain` chart shrinks with the page.
"""

import base64
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ash._utils.atomic_file import replace_file
from ash.errors import SettingError
from ash.report.markup import Child, Markup, asset, join, num, short, tag

Key = tuple[Markup, str]
"""An entry of a legend: a mark whose coordinates range from -8 to 8, and its meaning."""

Tick = tuple[float, str]
"""A position on an axis, and its label."""

STEPS = (1.0, 2.0, 5.0)
"""The possible distances between ticks, apart from a factor that is a power of ten."""

SHADES = 8
"""Number of shades for rungs, from pale to strong; if there are more rungs, some share a shade."""


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic scale that maps low..high to the pixels start..stop.

    `ticks` is meant for low < high. Otherwise, a linear scale has a single tick.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return the pixel of each value, or the middle of the scale if low equals high."""
        low, high, own = self._flat(self.low), self._flat(self.high), self._flat(value)
        share = (own - low) / (high - low) if high != low else np.full_like(own, 0.5)
        return np.asarray(self.start + share * (self.stop - self.start))

    def at(self, value: float) -> float:
        """Return the pixel of one value."""
        return float(self(value))

    def ticks(self, most: int = 6) -> list[Tick]:
        """Return round numbers between low and high with their labels."""
        values = _log_ticks(self.low, self.high, most) if self.log else _linear_ticks(self.low, self.high, most)
        return [(value, f"{value:.10g}") for value in values]

    def _flat(self, value: ArrayLike) -> NDArray[np.float64]:
        numbers = np.asarray(value, np.float64)
        return np.log(numbers) if self.log else numbers


@dataclass(frozen=True)
class Canvas:
    """The size of a picture and its margins; axes and marks are drawn inside the margins."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    def across(self, low: float, high: float, room: float = 0.0, log: bool = False) -> Scale:
        """Return a horizontal scale; `room` is the space beyond each end as a fraction of the range."""
        return Scale(*_padded(low, high, room, log), self.left, self.width - self.right, log)

    def upwards(self, low: float, high: float, room: float = 0.0, log: bool = False) -> Scale:
        """Return a vertical scale, from the bottom to the top."""
        return Scale(*_padded(low, high, room, log), self.height - self.bottom, self.top, log)


EDGE, LINE = 20.0, 22.0
"""The place of the first mark of a legend below a picture, and the height of the legend's lines."""
LETTER = 7.0
"""Approximate width of a character."""

PANEL = Canvas(width=300.0, height=200.0, left=52.0, right=12.0, top=30.0, bottom=28.0)
"""The size of a small chart beside others."""
BARS = Canvas(width=560.0, height=16.0, left=190.0, right=60.0, top=8.0, bottom=8.0)
"""The size of a bar chart before the height of its bars is added."""
BAR = 26.0
"""Height of a bar, including the gap to the next bar."""


def _padded(low: float, high: float, share: float, log: bool) -> tuple[float, float]:
    if log:
        bottom, top = _padded(math.log(low), math.log(high), share, False)
        return math.exp(bottom), math.exp(top)
    room = (high - low) * share if high > low or not share else abs(high) * share or 1.0
    return low - room, high + room


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    if not high > low:
        return [low]
    step = next(one for one in _steps((high - low) / most) if (high - low) / one <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(place * step, digits) + 0.0 for place in range(first, last + 1)]


def _steps(least: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10(least))
    return [step * power * factor for factor in (1.0, 10.0) for step in STEPS]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for digits in (STEPS, (1.0, 3.0), (1.0,)):
        found = [float(f"{digit:g}e{power}") for power in powers for digit in digits]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            return found or [low, high]
    return found[:: math.ceil(len(found) / most)]


def level_ticks(texts: Sequence[str], x: Scale) -> list[Tick]:
    """Return a tick for each text at 0, 1, 2, ..., or for every second, third, ... if they would overlap."""
    every = math.ceil(len(texts) * LETTER * (1 + max(map(len, texts))) / (x.stop - x.start))
    return [(float(place), texts[place]) for place in range(0, len(texts), every)]


def shade(rung: int, rungs: int) -> str:
    """Return the CSS class for the shade of a rung."""
    return f"r{round((SHADES - 1) * rung / max(rungs - 1, 1))}"


def circle(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a filled circle, the mark of a point."""
    return tag("circle", cx=x, cy=y, r=radius, data_c=candidate)


def cross(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a diagonal cross."""
    a, b, c, d = num(x - radius), num(x + radius), num(y - radius), num(y + radius)
    return tag("path", d=f"M{a} {c}L{b} {d}M{a} {d}L{b} {c}", class_="cross", data_c=candidate)


def arrow(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a triangle that points to the left."""
    corners = ((x - radius, y), (x + radius, y - radius), (x + radius, y + radius))
    return tag("polygon", points=coordinates(corners), class_="arrow", data_c=candidate)


def star(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a five-pointed star, which marks the best candidate."""
    corners = []
    for corner in range(10):
        length, angle = radius * (1.0 if corner % 2 == 0 else 0.42), math.pi * corner / 5
        corners.append((x + length * math.sin(angle), y - length * math.cos(angle)))
    return tag("polygon", points=coordinates(corners), class_="star", data_c=candidate)


def square(x: float, y: float, radius: float) -> Markup:
    """Return a square."""
    return tag("rect", x=x - radius, y=y - radius, width=2.0 * radius, height=2.0 * radius)


def triangle(x: float, y: float, radius: float) -> Markup:
    """Return a triangle that points upwards."""
    return tag("polygon", points=coordinates(((x, y - radius), (x + radius, y + radius), (x - radius, y + radius))))


def polyline(places: Iterable[tuple[float, float]], candidate: int | None = None) -> Markup:
    """Return a line from each place to the next."""
    return tag("polyline", points=coordinates(places), data_c=candidate)


def coordinates(places: Iterable[tuple[float, float]]) -> str:
    """Return the value of the SVG attribute `points` for a line through these places."""
    return " ".join(f"{num(x)},{num(y)}" for x, y in places)


def grouped(marks: Iterable[tuple[str, Markup]]) -> list[Markup]:
    """Return one SVG group per CSS class, sorted by class; `marks` are pairs (CSS class, mark)."""
    groups: dict[str, list[Markup]] = {}
    for classes, mark in marks:
        groups.setdefault(classes, []).append(mark)
    return [tag("g", *own, class_=classes) for classes, own in sorted(groups.items())]


STAR = tag("g", star(0, 0, 8), class_="winner")
"""The mark of the best candidate in a legend."""


@dataclass(frozen=True, repr=False, eq=False)
class Chart:
    """A chart of a run. Methods of a result such as `Result.plot_ladder` return it, and the report contains it.

    A notebook shows the chart with its caption.

    Attributes
    ----------
    name : str
        A name that is unique in the report.
    canvas : Canvas
        The size of the picture.
    title : str
        What the chart shows, in a few words.
    description : str
        The main numbers of the chart, for screen readers.
    marks : sequence of Markup
        The picture, in the order in which it is drawn.
    caption : str
        How to read the chart.
    keys : sequence of tuple
        The legend: pairs of a mark and its meaning.
    kind : {"wide", "medium", "natural", "cell", "plain"}
        How the report scales the chart.
    more : str, int or Iterable of Markup, optional
        What the report shows below the chart, such as a table of the same numbers.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> result = ash.tune(*load_wine(return_X_y=True), candidates=8)
    >>> path = result.plot_ladder().save("ladder.svg")
    """

    name: str
    canvas: Canvas
    title: str
    description: str
    marks: Sequence[Markup]
    caption: str
    keys: Sequence[Key] = ()
    kind: str = "plain"
    more: Child = None

    def svg(self) -> str:
        """Return the chart as an SVG file with its legend, in light colors and without its caption."""
        top = self.canvas.height
        keys = []
        x, y = EDGE, top + LINE / 2
        for mark, text in self.keys:
            width = 36.0 + LETTER * len(text)
            if x + width > self.canvas.width:
                x, y = EDGE, y + LINE
            keys.append(tag("g", mark, tag("text", text, x=14, y=4), transform=f"translate({num(x)} {num(y)})"))
            x += width
        canvas = replace(self.canvas, height=y + LINE) if keys else self.canvas
        colors = dict(re.findall(r"--(\w+): ([^;]+);", asset("style.css").partition("}")[0]))
        style = re.sub(r"var\(--(\w+)\)", lambda found: colors[found[1]], asset("chart.css"))
        ground = tag("rect", width="100%", height="100%", fill=colors["sheet"])
        marks = [tag("style", Markup(style)), ground, *self.marks, tag("g", *keys, class_="ticks")]
        return self._picture(canvas, marks)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the chart to an SVG file, and return the file's path.

        Parameters
        ----------
        path : path-like
            A path that ends in ".svg".

        Raises
        ------
        SettingError
            `path` does not end in ".svg".
        OSError
            The file cannot be written.
        """
        target = Path(path)
        if target.suffix != ".svg":
            raise SettingError(
                f"path must end in '.svg', got {str(target)!r}; a browser or Inkscape converts SVG files"
            )
        replace_file(target, self.svg().encode("utf-8"))
        return target

    def box(self) -> Markup:
        """Return the picture in its box. A box that scrolls sideways can be focused by keyboard."""
        scrolls = {"tabindex": "0", "role": "region", "aria_label": f"{self.title}, scrolls sideways"}
        given = scrolls if self.kind in ("wide", "medium", "natural") else {}
        return tag("div", self._picture(self.canvas, self.marks), class_=f"chart {self.kind}", **given)

    def figure(self) -> Markup:
        """Return the chart as a part of a page."""
        keys = legend(self.keys) if self.keys else None
        return tag("figure", self.box(), tag("figcaption", self.caption), keys, self.more)

    def _picture(self, canvas: Canvas, marks: Sequence[Child]) -> Markup:
        """Return the picture with a title and a description for screen readers."""
        return tag(
            "svg",
            tag("title", self.title, id=f"{self.name}-title"),
            tag("desc", self.description, id=f"{self.name}-desc"),
            *marks,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {num(canvas.width)} {num(canvas.height)}",
            width=canvas.width,
            height=canvas.height,
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-desc",
        )

    def __repr__(self) -> str:
        return f"<Chart {self.title!r}: {self.description}>"

    def _repr_html_(self) -> str:
        """Return the chart for a notebook: as an image, so that its style has no effect on other cells."""
        data = base64.b64encode(self.svg().encode("utf-8")).decode("ascii")
        image = tag("img", src=f"data:image/svg+xml;base64,{data}", alt=f"{self.title}: {self.description}")
        return tag("figure", image, tag("figcaption", self.caption))


def axes(
    x: Scale,
    y: Scale,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[Tick] | None = None,
    y_ticks: Sequence[Tick] | None = None,
) -> Markup:
    """Return grid, ticks and names of the axes; ticks are at round numbers by default."""
    bottom, left = y.start, x.start
    lines, texts = [], []
    for value, text in x.ticks() if x_ticks is None else x_ticks:
        place = x.at(value)
        lines.append(tag("line", x1=place, x2=place, y1=y.stop, y2=bottom))
        texts.append(tag("text", text, x=place, y=bottom + 18, text_anchor="middle"))
    for value, text in y.ticks() if y_ticks is None else y_ticks:
        place = y.at(value)
        lines.append(tag("line", x1=left, x2=x.stop, y1=place, y2=place))
        texts.append(tag("text", text, x=left - 8, y=place + 4, text_anchor="end"))
    base = tag("line", x1=left, x2=x.stop, y1=bottom, y2=bottom, class_="base")
    names = [
        tag("text", x_label, x=(left + x.stop) / 2, y=bottom + 38, text_anchor="middle", class_="name"),
        tag("text", y_label, x=0, y=y.stop - 12, class_="name"),
    ]
    return join(tag("g", *lines, base, class_="grid"), tag("g", *texts, *names, class_="ticks"))


def bars(name: str, title: str, values: Sequence[tuple[str, float, str]], caption: str, more: Child) -> Chart:
    """Return a chart with one bar per (name, length, text); a negative length is drawn like 0."""
    canvas = replace(BARS, height=BARS.height + BAR * len(values))
    x = canvas.across(0.0, max([value for _, value, _ in values if value > 0], default=1.0))
    marks = []
    for place, (what, value, text) in enumerate(values):
        top, end = canvas.top + BAR * place, x.at(max(value, 0.0))
        marks.append(tag("text", short(what, 24), x=x.start - 10, y=top + 14, text_anchor="end"))
        marks.append(tag("rect", x=x.start, y=top, width=max(end - x.start, 1.0), height="18", rx="2", class_="bar"))
        marks.append(tag("text", text, x=end + 8, y=top + 14))
    description = ", ".join(f"{what} {text}" for what, _, text in values)
    return Chart(name, canvas, title, description, [tag("g", *marks, class_="ticks")], caption, (), "medium", more)


def legend(keys: Sequence[Key]) -> Markup:
    """Return a legend as a list, which wraps on narrow screens."""
    items = []
    for mark, text in keys:
        shape = tag("svg", mark, viewBox="-10 -8 20 16", width="20", height="16", aria_hidden="true")
        items.append(tag("li", shape, tag("span", text)))
    return tag("ul", *items, class_="legend")

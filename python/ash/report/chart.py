"""Draws charts: scales and ticks, marks that can be distinguished without color, grid, axes, legend and figure.

    figure > div.chart > svg[role=img] > title, desc, grid, axes, marks        figcaption        details > table

    o waiting   * (filled) promoted   x diverged   < worse than shown   star: the best

Sizes are in pixels of an unscaled page. A `wide` or `medium` chart keeps a minimum width and scrolls in its own box. A
`natural` chart is never scaled, a `cell` chart fills its place, and a `plain` chart shrinks with the page.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ash.report.markup import Child, Markup, join, num, short, tag

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


def svg(name: str, canvas: Canvas, title: str, description: str, *marks: Child) -> Markup:
    """Return a picture with a title and a description for screen readers; `name` is unique on the page."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {num(canvas.width)} {num(canvas.height)}",
        width=canvas.width,
        height=canvas.height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def figure(picture: Markup, caption: Child, *more: Child, kind: str = "plain", label: str = "") -> Markup:
    """Return a picture in its box, with a caption and further content; a scrolling box can be focused by keyboard."""
    scrolls = kind in ("wide", "medium", "natural")
    box = tag(
        "div",
        picture,
        class_=f"chart {kind}",
        tabindex="0" if scrolls else None,
        role="region" if scrolls else None,
        aria_label=f"{label}, scrolls sideways" if scrolls else None,
    )
    return tag("figure", box, tag("figcaption", caption), *more)


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


def bars(name: str, title: str, values: Sequence[tuple[str, float, str]]) -> Markup:
    """Return a chart with one bar per (name, length, text); a negative length is drawn like 0."""
    canvas = replace(BARS, height=BARS.height + BAR * len(values))
    most = max(value for _, value, _ in values)
    x = canvas.across(0.0, most if most > 0 else 1.0)
    marks = []
    for place, (what, value, text) in enumerate(values):
        top, end = canvas.top + BAR * place, x.at(max(value, 0.0))
        marks.append(tag("text", short(what, 24), x=x.start - 10, y=top + 14, text_anchor="end"))
        marks.append(tag("rect", x=x.start, y=top, width=max(end - x.start, 1.0), height="18", rx="2", class_="bar"))
        marks.append(tag("text", text, x=end + 8, y=top + 14))
    description = ", ".join(f"{what} {text}" for what, _, text in values)
    return svg(name, canvas, title, description, tag("g", *marks, class_="ticks"))


def legend(entries: Sequence[tuple[Markup, str]]) -> Markup:
    """Return a list of marks and their meanings; the coordinates of each mark range from -8 to 8."""
    items = []
    for mark, text in entries:
        picture = tag("svg", mark, viewBox="-10 -8 20 16", width="20", height="16", aria_hidden="true")
        items.append(tag("li", picture, tag("span", text)))
    return tag("ul", *items, class_="legend")

"""The marks of all charts: shapes that differ without colour, and the shades of rungs.

o waiting   * (filled) promoted   x diverged   < worse than shown   star: the best
"""

import math
from collections.abc import Iterable

from ash.report.markup import Markup, num, tag

SHADES = 8
"""Of rungs, pale below and strong above; a ladder of more shares them."""


def shade(rung: int, rungs: int) -> str:
    """Return the class of the shade of a rung."""
    return f"r{round((SHADES - 1) * rung / max(rungs - 1, 1))}"


def circle(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a point."""
    return tag("circle", cx=num(x), cy=num(y), r=num(radius), data_c=candidate)


def cross(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a diagonal cross."""
    a, b, c, d = num(x - radius), num(x + radius), num(y - radius), num(y + radius)
    return tag("path", d=f"M{a} {c}L{b} {d}M{a} {d}L{b} {c}", class_="cross", data_c=candidate)


def arrow(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a triangle that points to the left."""
    points = ((x - radius, y), (x + radius, y - radius), (x + radius, y + radius))
    return tag("polygon", points=polygon(points), class_="arrow", data_c=candidate)


def star(x: float, y: float, radius: float, candidate: int | None = None) -> Markup:
    """Return a star of five points, for the best."""
    corners = []
    for corner in range(10):
        length, angle = radius * (1.0 if corner % 2 == 0 else 0.42), math.pi * corner / 5
        corners.append((x + length * math.sin(angle), y - length * math.cos(angle)))
    return tag("polygon", points=polygon(corners), class_="star", data_c=candidate)


def square(x: float, y: float, radius: float) -> Markup:
    """Return a square."""
    return tag("rect", x=num(x - radius), y=num(y - radius), width=num(2 * radius), height=num(2 * radius))


def triangle(x: float, y: float, radius: float) -> Markup:
    """Return a triangle that points upwards."""
    return tag("polygon", points=polygon(((x, y - radius), (x + radius, y + radius), (x - radius, y + radius))))


def polygon(points: Iterable[tuple[float, float]]) -> str:
    """Return the attribute `points`."""
    return " ".join(f"{num(x)},{num(y)}" for x, y in points)

"""Returns SVG elements as text. Colors are CSS classes: _static/ash.css defines them for light and dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDE = 640
"""A picture wider than this is not scaled down to a phone's width, because its text would become too small."""


def picture(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """Return an inline picture with a title for screen readers; a wide picture can be scrolled on a phone."""
    size = "wide" if width > WIDE else "narrow"
    return (
        f'<div class="drawing {size}"><svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width:g} {height:g}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg></div>'
    )


def text(x: float, y: float, words: str, style: str = "", anchor: str = "middle") -> str:
    """Return text that is centered vertically at `y`."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}" dominant-baseline="central">'
        f"{escape(words)}</text>"
    )


def box(x: float, y: float, width: float, height: float, style: str, hint: str = "") -> str:
    """Return a rectangle; the hint appears under the mouse pointer."""
    title = f"<title>{escape(hint)}</title>" if hint else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" class="{style}">{title}</rect>'
    )


def dot(x: float, y: float, radius: float, style: str, hint: str = "") -> str:
    """Return a circle; the hint appears under the mouse pointer."""
    title = f"<title>{escape(hint)}</title>" if hint else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{style}">{title}</circle>'


def line(x1: float, y1: float, x2: float, y2: float, style: str = "line") -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def rise(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Return a curve that starts and ends vertically."""
    middle = (y1 + y2) / 2
    return (
        f'<path d="M{x1:.1f} {y1:.1f} C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}" class="{style}"/>'
    )

"""Builds HTML and SVG in which text is escaped exactly once: everything except `Markup` is escaped as text.

    tag("td", "<b>", class_="name")   ->   <td class="name">&lt;b&gt;</td>

Characters that HTML or XML forbids (controls, lone surrogates) become U+FFFD.
The package `markupsafe` would replace only `Markup` and `html.escape`.
"""

import html
import math
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from ash._utils.display import show

Child: TypeAlias = "str | int | Iterable[Child] | None"
"""The content of an element: `Markup` stays unchanged, other text is escaped, None adds nothing."""

Value = str | int | float | bool | None
"""The value of an attribute. False and None omit the attribute, True makes its value empty, a float is a coordinate."""

EMPTY = frozenset(
    ("br", "circle", "ellipse", "img", "input", "line", "link", "meta", "path", "polygon", "polyline", "rect", "use")
)
"""Elements without content or end tag, written with a slash, which both HTML and XML allow."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Markup(str):
    """Text that is already HTML or SVG."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Return text escaped for an element or a quoted attribute."""
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True))


def join(*children: Child) -> Markup:
    """Return the children, concatenated."""
    return Markup("".join(_texts(children)))


def tag(name: str, *children: Child, **attributes: Value) -> Markup:
    """Return an element. Underscores in attribute names become hyphens; a trailing underscore is dropped."""
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{head}/>") if name in EMPTY else Markup(f"<{head}>{join(*children)}</{name}>")


def _texts(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str | int):
            yield escape(str(child))
        elif child is not None:
            yield from _texts(child)


def _attribute(key: str, value: Value) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f' {name}=""'
    return f' {name}="{escape(num(value) if isinstance(value, float) else str(value))}"'


def num(value: float) -> str:
    """Return a coordinate, rounded to a tenth of a pixel."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def shown(value: float, digits: int | None = None) -> str:
    """Return a number as `show` formats it, or with `digits` digits after the point; a dash for NaN."""
    if math.isnan(value):
        return "\u2013"
    return show(value) if digits is None else f"{value:.{digits}f}"


def short(text: str, most: int) -> str:
    """Return the text, truncated to at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def shares(value: float) -> str:
    """Return a share as a percentage, such as "43 %" for 0.43."""
    return f"{100 * value:.0f}\u202f%"


def table(header: Sequence[str], rows: Sequence[Sequence[Child]], caption: str, classes: str = "") -> Markup:
    """Return a table in a scrolling box; the first cell of each row is its header."""
    body = [tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest)) for first, *rest in rows]
    return boxed_table(header, body, caption, classes)


def boxed_table(
    header: Sequence[str], body: Sequence[Markup], caption: str, classes: str, box: str = "table"
) -> Markup:
    """Return a table of rows that are already elements, in a scrolling box with the CSS classes `box`."""
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in header)))
    named = tag("caption", caption, class_="unseen")
    whole = tag("table", named, head, tag("tbody", *body), class_=classes or None)
    return tag("div", whole, class_=box, tabindex="0", role="region", aria_label=caption)


def pairs(items: Iterable[tuple[str, Child]], classes: str = "pairs") -> Markup:
    """Return a description list of names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in items), class_=classes)


def same_as_table(header: Sequence[str], rows: Sequence[Sequence[Child]], caption: str) -> Markup:
    """Return a table with the numbers of a chart. The table is folded until the reader unfolds it."""
    return folded("The same as a table", table(header, rows, caption, "numbers"))


def folded(summary: str, *content: Child) -> Markup:
    """Return content that is hidden until a click on the summary shows it; this needs no JavaScript."""
    return tag("details", tag("summary", summary), *content)


@cache
def asset(name: str, package: str = "ash.report") -> str:
    """Return the text of a file in a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")

"""The frame of a chart: an SVG with its title and description, a grid, axes, a legend; and the figure around it.

    figure > div.chart > svg[role=img] > title, desc, grid, axes, marks        figcaption        details > table

Sizes are pixels of a page at rest. A `wide` or `medium` chart keeps a least width and scrolls in its own box, a
`natural` one is never scaled, a `cell` fills its place, a `plain` one shrinks with the page.
"""

from collections.abc import Sequence

from ash.report.markup import Child, Markup, join, num, tag
from ash.report.scale import Scale

Tick = tuple[float, str]


def svg(name: str, width: float, height: float, title: str, description: str, *marks: Child) -> Markup:
    """Return a picture with what a screen reader says of it; `name` is unique on the page."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {num(width)} {num(height)}",
        width=num(width),
        height=num(height),
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def figure(picture: Markup, caption: Child, *more: Child, kind: str = "plain", label: str = "") -> Markup:
    """Return a picture in its box, with a caption and what follows it; a box that scrolls takes the keyboard."""
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
    """Return grid, ticks and names of the axes; round numbers where no ticks are given."""
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


def legend(entries: Sequence[tuple[Markup, str]]) -> Markup:
    """Return a list of marks, each drawn within -8..8 by -8..8, and what they mean."""
    items = [
        tag(
            "li",
            tag("svg", mark, viewBox="-10 -8 20 16", width="20", height="16", aria_hidden="true"),
            tag("span", text),
        )
        for mark, text in entries
    ]
    return tag("ul", *items, class_="legend")


def table(
    header: Sequence[str], rows: Sequence[Sequence[Child]], caption: str, classes: str = "", head_column: bool = True
) -> Markup:
    """Return a table in a box that scrolls; the first cell of a row names it."""
    head = tag("tr", *(tag("th", name, scope="col") for name in header))
    body = []
    for first, *rest in rows:
        named = tag("th", first, scope="row") if head_column else tag("td", first)
        body.append(tag("tr", named, *(tag("td", cell) for cell in rest)))
    whole = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head),
        tag("tbody", *body),
        class_=classes or None,
    )
    return tag("div", whole, class_="table", tabindex="0", role="region", aria_label=caption)


def folded(summary: str, *content: Child) -> Markup:
    """Return content that a click unfolds, without JavaScript too."""
    return tag("details", tag("summary", summary), *content)


def counted(number: int, what: str) -> str:
    """Return how many there are of something: 1 candidate, 2,048 candidates."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def shares(value: float) -> str:
    """Return a share as a percentage: 43 %."""
    return f"{100 * value:.0f}\u202f%"

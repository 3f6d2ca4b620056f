"""The section of parallel coordinates: a line for each candidate across all hyperparameters, whose parts filter."""

import numpy as np
from numpy.typing import NDArray

from ash.history.chart_data import BELOW, axis_labels, lines_of, score_labels
from ash.report.bins import Bins
from ash.report.chart import figure, svg
from ash.report.facts import Facts, Section
from ash.report.marks import polygon, shade
from ash.report.markup import Markup, join, num, short, tag
from ash.report.selection import parts_of

WIDTH, LEFT, RIGHT, TOP, HEIGHT, BOTTOM = 920.0, 12.0, 110.0, 58.0, 300.0, 24.0
LEAST_STEP, MOST_STEP = 84.0, 180.0
"""Between two axes."""
LEVEL = 18.0
"""Height of the part of a level."""
LETTER = 6.4
"""Width of a character on an axis, roughly."""


def parallel(facts: Facts) -> Section:
    """Return the section."""
    title = "Parallel coordinates"
    if not facts.varying:
        return Section("parallel", title, tag("p", "All candidates have the same hyperparameters."))
    caption = join(
        "A line is a candidate; it crosses each axis at its value, the last one at its best score, stronger and "
        "thicker the higher it came. ",
        tag("span", "Choose parts of the axes to see only the candidates that go through them. ", class_="scripted"),
        facts.drawn_remark,
    )
    status = tag(
        "p",
        tag("span", "", id="filter-text", role="status"),
        tag("button", "Show all", type="button", id="filter-clear", hidden=True),
        class_="filter",
    )
    drawn = figure(_picture(facts), caption, status, kind="natural", label="Parallel coordinates")
    return Section("parallel", title, drawn)


def _picture(facts: Facts) -> Markup:
    axes, places, standing = lines_of(facts.history)
    names = [*(axis.name for axis in axes), f"best {facts.history.metric}"]
    labels = [*map(axis_labels, axes), score_labels(facts.history, standing)]
    step = min(max((WIDTH - LEFT - RIGHT) / len(axes), LEAST_STEP), MOST_STEP)
    bottom = _y(BELOW if any((axis.level < 0).any() for axis in axes) else 0.0)
    rooms = [*[step] * len(axes), RIGHT]
    frame = [_axis(place, step, rooms[place], names[place], labels[place]) for place in range(len(names))]
    hits = [_parts(place, step, name, bins) for place, (name, bins) in enumerate(parts_of(facts))]
    ends = [f"{axis.name}: {axis.texts[0]} to {axis.texts[-1]}" for axis in axes]
    description = f"{len(facts.drawn):,} lines over {len(axes)} hyperparameters and the score; {'; '.join(ends)}"
    lines = [tag("g", *group, class_=f"lines {name}") for name, group in _lines(facts, places, step).items()]
    best = facts.history.best_candidate
    winner = tag("g", tag("polyline", points=_line(places[best], step), data_c=best), class_="winner")
    width, marks = LEFT + step * len(axes) + RIGHT, [*lines, winner, *frame, *hits]
    return svg("parallel-chart", width, bottom + BOTTOM, "Parallel coordinates", description, *marks)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1.0 - share)


def _line(shares: NDArray[np.float64], step: float) -> str:
    return polygon((LEFT + step * place, _y(float(share))) for place, share in enumerate(shares))


def _lines(facts: Facts, places: NDArray[np.float64], step: float) -> dict[str, list[Markup]]:
    groups: dict[str, list[Markup]] = {}
    for number in facts.drawn.tolist()[::-1]:
        if number != facts.history.best_candidate:
            name = shade(int(facts.standing.rung[number]), facts.rungs)
            groups.setdefault(name, []).append(tag("polyline", points=_line(places[number], step), data_c=number))
    return dict(sorted(groups.items()))


def _axis(place: int, step: float, room: float, name: str, labels: list[tuple[float, str]]) -> Markup:
    """Return an axis with `room` beside it; the names of every second one stand higher, so that they have room too."""
    x = LEFT + step * place
    title = tag(
        "text",
        short(name, int(2 * step / (LETTER + 1))),
        x=num(x),
        y=num(TOP - (22 if place % 2 else 40)),
        text_anchor="middle" if place else "start",
        class_="name",
    )
    most = int((room - 8) / LETTER)
    texts = [tag("text", short(text, most), x=num(x + 6), y=num(_y(share) + 4)) for share, text in labels]
    line = tag("line", x1=num(x), x2=num(x), y1=num(_y(1.0)), y2=num(_y(0.0)), class_="base")
    return tag("g", line, title, *texts, class_="ticks axis")


def _parts(place: int, step: float, name: str, bins: Bins) -> Markup:
    """Return the areas of an axis that a click chooses; the script makes buttons of them."""
    areas = []
    for part, (label, (low, high)) in enumerate(zip(bins.labels, bins.ends, strict=True)):
        top, bottom = (_y(high), _y(low)) if high > low else (_y(high) - LEVEL / 2, _y(high) + LEVEL / 2)
        box = {"y": num(top), "width": num(step - 14), "height": num(bottom - top)}
        box |= {"data_axis": str(place), "data_part": str(part), "aria_label": f"{name}: {label}"}
        areas.append(tag("rect", x=num(LEFT + step * place - 4), **box, class_="part"))
    return tag("g", *areas, class_="parts")

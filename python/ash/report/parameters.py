"""The section of hyperparameters: the best score against each of them, a small chart each."""

import math

import numpy as np
from numpy.typing import NDArray

from ash.history.chart_data import GOLDEN, ParameterAxis, score_limits
from ash.report.chart import axes, legend, svg
from ash.report.facts import Facts, Section
from ash.report.marks import circle, cross, shade, star
from ash.report.markup import Markup, join, num, short, tag
from ash.report.scale import Scale, padded, padded_log

Numbers = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300.0, 200.0, 52.0, 12.0, 30.0, 28.0
SPREAD = 0.24
SMALLEST, LARGEST = 1.9, 5.0
"""Radius of a point of the lowest and of the highest rung."""
LETTER = 7.0
"""Width of a character on an axis, roughly."""


def parameters(facts: Facts) -> Section:
    """Return the section of small charts."""
    title = "Score by hyperparameter"
    if not facts.varying:
        return Section("parameters", title, tag("p", "All candidates have the same hyperparameters."))
    charts = [tag("li", _panel(facts, axis, place)) for place, axis in enumerate(facts.varying)]
    entries = [
        (
            tag("g", circle(0, 0, _radius(rung, facts.rungs)), class_=f"points {shade(rung, facts.rungs)}"),
            f"rung {rung}",
        )
        for rung in range(facts.rungs)
    ]
    best = (tag("g", star(0, 0, 8), class_="winner"), f"the best, candidate {facts.history.best_candidate}")
    lost = (tag("g", cross(0, 0, 4), class_="marks diverged"), "diverged")
    text = (
        "Best score of each candidate against the values of a hyperparameter. A point is larger and stronger, the "
        "higher the rung that its candidate reached: it had more epochs. Scores below the axis stand at its lower end."
    )
    caption = tag("p", text, facts.drawn_remark, class_="note")
    keys = legend([*entries, best, *([lost] if facts.standing.diverged.any() else [])])
    return Section("parameters", title, join(caption, keys, tag("ul", *charts, class_="panels")))


def _radius(rung: int, rungs: int) -> float:
    return SMALLEST + (LARGEST - SMALLEST) * rung / max(rungs - 1, 1)


def _panel(facts: Facts, axis: ParameterAxis, place: int) -> Markup:
    low, high = score_limits(facts.history.columns, facts.history.options.eta)
    y = Scale(*padded(low, high, 0.08), HEIGHT - BOTTOM, TOP)
    x, ticks = _across(axis)
    px = x(axis.of_candidates(axis.positions))
    if axis.kind == "levels":
        px = px + SPREAD * abs(x.at(1) - x.at(0)) * (2 * (np.arange(len(px)) * GOLDEN % 1.0) - 1)
    py = y(np.maximum(np.where(np.isnan(facts.standing.best_score), low, facts.standing.best_score), low))
    absent = int((axis.level[facts.ranked] < 0).sum())
    note = f"{absent:,} without it" if absent else ""
    frame = axes(x, y, "", short(axis.name, 26), ticks, y.ticks(4))
    aside = tag("text", note, x=num(WIDTH - RIGHT), y=num(TOP - 12), text_anchor="end")
    values = f"{len(axis.texts):,} values from {axis.texts[0]} to {axis.texts[-1]}"
    description = f"{values}, {axis.kind}; {note or 'all candidates have it'}"
    marks = [frame, tag("g", aside, class_="ticks"), *_marks(facts, axis, px, py)]
    picture = svg(f"parameter-{place}", WIDTH, HEIGHT, f"Score against {axis.name}", description, *marks)
    return tag("div", picture, class_="chart cell")


def _marks(facts: Facts, axis: ParameterAxis, px: Numbers, py: Numbers) -> list[Markup]:
    groups: dict[str, list[Markup]] = {}
    standing, best = facts.standing, facts.history.best_candidate
    for number in facts.drawn.tolist()[::-1]:
        if axis.level[number] < 0 or number == best:
            continue
        rung = int(standing.rung[number])
        if math.isnan(standing.best_score[number]):
            groups.setdefault("marks diverged", []).append(cross(px[number], py[number], 3, number))
        else:
            point = circle(px[number], py[number], _radius(rung, facts.rungs), number)
            groups.setdefault(f"points {shade(rung, facts.rungs)}", []).append(point)
    drawn = [tag("g", *marks, class_=name) for name, marks in sorted(groups.items())]
    winner = [star(px[best], py[best], 8, best)] if axis.level[best] >= 0 else []
    return [*drawn, tag("g", *winner, class_="winner")]


def _across(axis: ParameterAxis) -> tuple[Scale, list[tuple[float, str]] | None]:
    """Return the scale of a hyperparameter, and what is written on it."""
    positions = axis.positions
    if axis.kind != "levels":
        ends = (padded_log if axis.kind == "log" else padded)(positions[0], positions[-1])
        x = Scale(*ends, LEFT, WIDTH - RIGHT, log=axis.kind == "log")
        return x, x.ticks(4)
    x = Scale(-0.5, len(positions) - 0.5, LEFT, WIDTH - RIGHT)
    texts = [short(text, 14) for text in axis.texts]
    every = math.ceil(len(texts) * LETTER * (1 + max(map(len, texts))) / (WIDTH - RIGHT - LEFT))
    return x, [(float(place), texts[place]) for place in range(0, len(texts), every)]

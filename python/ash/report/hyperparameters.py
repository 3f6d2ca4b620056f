"""Draws the report's two sections on hyperparameters: their importance, and a chart of scores per hyperparameter."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import counted
from ash.history.chart_data import GOLDEN, ParameterAxis, score_limits
from ash.history.importance import LEAST, importance_of
from ash.report.chart import STAR, Canvas, Scale, Tick, axes, bars, circle, cross, figure, grouped, legend, star, svg
from ash.report.facts import Facts, Section
from ash.report.markup import Markup, join, same_as_table, shares, short, tag

Numbers = NDArray[np.float64]

PANEL = Canvas(width=300.0, height=200.0, left=52.0, right=12.0, top=30.0, bottom=28.0)
SPREAD = 0.24
"""The maximum distance of a point from its level, in units of the distance between two levels."""
SMALLEST, LARGEST = 1.9, 5.0
"""Radius of a point in the lowest and the highest rung."""
LETTER = 7.0
"""Approximate width of a character on an axis."""


def importance(facts: Facts) -> Section:
    """Return the section on importance, with one bar per hyperparameter."""
    title = "Importance of hyperparameters"
    if not facts.over:
        return Section("importance", title, tag("p", "Importance is computed once the run has ended."))
    found = importance_of(facts.history)
    known = sorted(
        ((share, name) for name, share in found.shares.items() if not math.isnan(share)),
        key=lambda one: (-one[0], one[1]),
    )
    if not known:
        few = found.candidates < LEAST
        reason = f"at least {LEAST} are needed" if few else "a forest cannot predict their ranks from hyperparameters"
        text = f"Importance cannot be computed from {counted(found.candidates, 'candidate')}: {reason}."
        return Section("importance", title, tag("p", text))
    caption = (
        "How much worse a random forest predicts the ranks of unseen candidates when a hyperparameter is shuffled "
        f"among them, as shares of the sum. The forest of {found.candidates:,} candidates explains "
        f"{shares(found.explained)} of the variance of the ranks. The less it explains, the less these bars mean."
    )
    rows = [[name, shares(share)] for share, name in known]
    listed = same_as_table(["hyperparameter", "share"], rows, title)
    picture = bars("importance-chart", title, [(name, share, shares(share)) for share, name in known])
    drawn = figure(picture, caption, kind="medium", label=title)
    return Section("importance", title, join(drawn, listed))


def parameters(facts: Facts) -> Section:
    """Return the section with a small chart per hyperparameter, which shows the best score of each candidate."""
    title = "Score by hyperparameter"
    if not facts.varying:
        return Section("parameters", title, tag("p", "All candidates have the same hyperparameters."))
    charts = [tag("li", _panel(facts, axis, place)) for place, axis in enumerate(facts.varying)]
    entries = [
        (tag("g", circle(0, 0, _radius(facts, rung)), class_=f"points {facts.shade(rung)}"), f"rung {rung}")
        for rung in range(len(facts.history.rungs))
    ]
    best = (STAR, f"the best, candidate {facts.history.best_candidate}")
    lost = (tag("g", cross(0, 0, 4), class_="marks diverged"), "diverged")
    text = (
        "Best score of each candidate against each hyperparameter. A point is larger and stronger the higher the rung "
        "that its candidate reached, since it was trained longer. Scores below the axis are drawn at its lower end."
    )
    caption = tag("p", text, facts.drawn_remark, class_="note")
    keys = legend([*entries, best, *([lost] if facts.standing.diverged.any() else [])])
    return Section("parameters", title, join(caption, keys, tag("ul", *charts, class_="panels")))


def _radius(facts: Facts, rung: int) -> float:
    return SMALLEST + (LARGEST - SMALLEST) * rung / max(len(facts.history.rungs) - 1, 1)


def _panel(facts: Facts, axis: ParameterAxis, place: int) -> Markup:
    low, high = score_limits(facts.history.columns, facts.history.options.eta)
    y = PANEL.upwards(low, high, room=0.08)
    x, ticks = _across(axis)
    px = x(axis.of_candidates(axis.positions))
    if axis.kind == "levels":
        px = px + SPREAD * abs(x.at(1) - x.at(0)) * (2 * (np.arange(len(px)) * GOLDEN % 1.0) - 1)
    py = y(np.maximum(np.where(np.isnan(facts.standing.best_score), low, facts.standing.best_score), low))
    absent = int((axis.level[facts.ranked] < 0).sum())
    note = f"{absent:,} without it" if absent else ""
    frame = axes(x, y, "", short(axis.name, 26), ticks, y.ticks(4))
    aside = tag("text", note, x=x.stop, y=PANEL.top - 12, text_anchor="end")
    values = f"{len(axis.texts):,} values from {axis.texts[0]} to {axis.texts[-1]}"
    description = f"{values}, {axis.kind}; {note or 'all candidates have it'}"
    best = facts.history.best_candidate
    winner = tag("g", star(px[best], py[best], 8, best) if axis.level[best] >= 0 else None, class_="winner")
    marks = [frame, tag("g", aside, class_="ticks"), *grouped(_marks(facts, axis, px, py)), winner]
    picture = svg(f"parameter-{place}", PANEL, f"Score against {axis.name}", description, *marks)
    return tag("div", picture, class_="chart cell")


def _across(axis: ParameterAxis) -> tuple[Scale, list[Tick]]:
    """Return the horizontal scale of a hyperparameter, and its ticks."""
    positions, log = axis.positions, axis.kind == "log"
    if axis.kind != "levels":
        x = PANEL.across(positions[0], positions[-1], room=0.04, log=log)
        return x, x.ticks(4)
    x = PANEL.across(-0.5, len(positions) - 0.5)
    texts = [short(text, 14) for text in axis.texts]
    every = math.ceil(len(texts) * LETTER * (1 + max(map(len, texts))) / (x.stop - x.start))
    return x, [(float(place), texts[place]) for place in range(0, len(texts), every)]


def _marks(facts: Facts, axis: ParameterAxis, px: Numbers, py: Numbers) -> Iterator[tuple[str, Markup]]:
    """Yield (CSS classes, mark) for each drawn candidate that has this hyperparameter, except the winner."""
    for number in facts.others:
        if axis.level[number] < 0:
            continue
        if math.isnan(facts.standing.best_score[number]):
            yield "marks diverged", cross(px[number], py[number], 3, number)
        else:
            radius = _radius(facts, int(facts.standing.rung[number]))
            yield f"points {facts.shade_of(number)}", circle(px[number], py[number], radius, number)

"""The section of learning curves: score against epochs, a line for each candidate."""

import numpy as np
from numpy.typing import NDArray

from ash.ladder_points import score_limits
from ash.records import curves as points_of
from ash.report.chart import axes, figure, svg
from ash.report.facts import Facts, Section
from ash.report.marks import circle, polygon, shade, star
from ash.report.markup import Markup, join, tag
from ash.report.scale import Scale, padded, padded_log
from ash.text_table import show

Numbers = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 880.0, 420.0, 64.0, 20.0, 34.0, 50.0
MOST_TICKS = 10


def curves(facts: Facts) -> Section:
    """Return the section."""
    every = points_of(facts.course.jobs, facts.course.options.training)
    found = {number: np.array([point[:2] for point in points]) for number, points in every.items()}
    low, high = score_limits(facts.course)
    below = sum(bool((curve[:, 1] < low).any()) for curve in found.values())
    edge = f" {below:,} candidates start below {show(low)}; there they stand at the lower edge." if below else ""
    caption = join(
        "Score on the validation rows after each job; a line joins the jobs of a candidate, stronger and thicker the "
        "higher it came. Epochs are on a logarithmic scale.",
        edge,
        facts.drawn_remark,
    )
    picture = _picture(facts, found, low, high)
    return Section("curves", "Learning curves", figure(picture, caption, kind="wide", label="Learning curves"))


def _picture(facts: Facts, found: dict[int, Numbers], low: float, high: float) -> Markup:
    course = facts.course
    epochs = np.concatenate([curve[:, 0] for curve in found.values()])
    x = Scale(*padded_log(float(epochs.min()), float(epochs.max()), 0.02), LEFT, WIDTH - RIGHT, log=True)
    y = Scale(*padded(low, high), HEIGHT - BOTTOM, TOP)
    ticks = np.unique(epochs)
    ticks = ticks[:: 1 + (len(ticks) - 1) // MOST_TICKS]
    frame = axes(x, y, "epochs", f"validation {course.metric}", [(float(tick), f"{tick:g}") for tick in ticks])
    lines: dict[str, list[Markup]] = {}
    for number in facts.drawn.tolist()[::-1]:
        if number in found and number != course.best_candidate:
            points = _points(found[number], low, x, y)
            group = lines.setdefault(shade(int(facts.standing.rung[number]), facts.rungs), [])
            single = [circle(*points[0], 1.6, number)] if len(points) == 1 else []
            group += single or [tag("polyline", points=polygon(points), data_c=number)]
    best = _points(found[course.best_candidate], low, x, y)
    way = [tag("polyline", points=polygon(best), data_c=course.best_candidate)]
    way += [circle(*point, 3.5, course.best_candidate) for point in best]
    top = best[int(np.argmax(found[course.best_candidate][:, 1]))]
    description = (
        f"{len(found):,} candidates; the best, candidate {course.best_candidate}, goes "
        f"{', '.join(show(float(score)) for score in found[course.best_candidate][:, 1])} over "
        f"{', '.join(f'{epoch:g}' for epoch in found[course.best_candidate][:, 0])} epochs"
    )
    groups = [tag("g", *marks, class_=f"lines {name}") for name, marks in sorted(lines.items())]
    winner = tag("g", *way, star(*top, 9, course.best_candidate), class_="winner")
    return svg("curves-chart", WIDTH, HEIGHT, "Score against epochs", description, frame, *groups, winner)


def _points(curve: Numbers, low: float, x: Scale, y: Scale) -> list[tuple[float, float]]:
    return list(zip(x(curve[:, 0]).tolist(), y(np.maximum(curve[:, 1], low)).tolist(), strict=True))

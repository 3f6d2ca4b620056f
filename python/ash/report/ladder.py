"""The section of the ladder: every job by score and rung, and what each rung has done as a table."""

import math
from typing import Any

import numpy as np

from ash._utils.display import show
from ash.history.chart_data import FORECAST, KINDS, LadderPoints, barrier_cuts, ladder_points, way_of_the_best
from ash.report.chart import axes, counted, figure, legend, svg, table
from ash.report.facts import Facts, Section
from ash.report.marks import arrow, circle, cross, polygon, star
from ash.report.markup import Markup, join, num, tag
from ash.report.scale import Scale

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 880.0, 96.0, 150.0, 30.0, 48.0
RUNG = 58.0
"""Height of a rung."""

FEW = 600
"""With more points than that they are drawn smaller."""


def ladder(facts: Facts) -> Section:
    """Return the section."""
    points = ladder_points(facts.history)
    caption = join(
        "Each mark is a job: one candidate trained for one rung. Filled ones were promoted, hollow ones wait. A dashed "
        "line is where a barrier at the end of the rung would have cut: recall is the share of those to its right that "
        "went up.",
        _edge_remark(points),
        _known_remark(facts),
    )
    drawn = figure(_picture(facts, points), caption, _legend(facts, points), kind="wide", label="The ladder")
    return Section("ladder", "Ladder", join(drawn, _table(facts)))


def _picture(facts: Facts, points: LadderPoints) -> Markup:
    history = facts.history
    rungs = len(history.rungs)
    height = TOP + RUNG * rungs + BOTTOM
    x = Scale(points.left, points.right, LEFT, WIDTH - RIGHT)
    y = Scale(-0.5, rungs - 0.5, height - BOTTOM, TOP)
    names = [(float(row["rung"]), f"rung {row['rung']}") for row in history.rungs]
    shown = [(value, text) for value, text in x.ticks() if value >= points.low - 1e-12]
    frame = axes(x, y, facts.scored + FORECAST * points.forecast, "", shown, names)
    epochs = [
        _beside(LEFT - 8, y.at(row["rung"]) + 18, "end", counted(row["epochs"], "epoch")) for row in history.rungs
    ]
    notes = [_beside(WIDTH - RIGHT + 12, y.at(row["rung"]), "start", *_done(row)) for row in history.rungs]
    cuts = [
        tag("line", x1=x.at(cut), x2=x.at(cut), y1=y.at(rung - 0.45), y2=y.at(rung + 0.45), class_="cut")
        for rung, cut in barrier_cuts(history).items()
    ]
    description = "; ".join(f"rung {row['rung']}: {', '.join(_done(row))}" for row in history.rungs)
    marks = [tag("g", *epochs, *notes, class_="ticks"), *cuts, *_marks(facts, points, x, y), _best(facts, points, x, y)]
    return svg("ladder-chart", WIDTH, height, "Scores by rung", description, frame, *marks)


def _marks(facts: Facts, points: LadderPoints, x: Scale, y: Scale) -> list[Markup]:
    """Return a group of marks for each kind."""
    candidates = facts.history.columns["candidate"]
    px, py = x(points.x), y(points.y)
    few = len(px) <= FEW
    radius = 3.6 if few else 2.2
    groups = []
    for kind, name in enumerate(KINDS):
        rows = np.flatnonzero((points.kind == kind) & facts.is_known)
        draw = (circle, circle, arrow, cross)[kind]
        marks = [draw(px[row], py[row], radius, int(candidates[row])) for row in rows]
        groups.append(tag("g", *marks, class_=f"marks {name.split()[0]}"))
    return groups


def _best(facts: Facts, points: LadderPoints, x: Scale, y: Scale) -> Markup:
    own = way_of_the_best(facts.history)
    way = list(zip(x(points.x[own]).tolist(), y(points.y[own]).tolist(), strict=True))
    top = own[facts.history.columns["rung"][own] == facts.history.best_rung]
    best = facts.history.best_candidate
    stars = [star(x.at(points.x[row]), y.at(points.y[row]), 10, best) for row in top]
    dots = [circle(px, py, 4.0, best) for px, py in way]
    return tag("g", tag("polyline", points=polygon(way), data_c=best), *dots, *stars, class_="winner")


def _beside(x: float, y: float, anchor: str, *lines: str) -> Markup:
    spans = [tag("tspan", line, x=num(x), dy="1.25em" if place else "0") for place, line in enumerate(lines)]
    return tag("text", *spans, x=x, y=y - 6.0 * (len(lines) - 1) + 4, text_anchor=anchor)


def _done(row: dict[str, Any]) -> list[str]:
    if not row["promoted"]:
        return [f"{row['finished']:,} finished"]
    recall = [] if math.isnan(row["recall"]) else [f"recall {row['recall']:.2f}"]
    return [f"{row['promoted']:,} of {row['finished']:,} went up", *recall]


def _edge_remark(points: LadderPoints) -> str:
    worse, gone = int((points.kind == 2).sum()), int((points.kind == 3).sum())
    parts = [f"{worse:,} far worse" * (worse > 0), f"{gone:,} diverged" * (gone > 0)]
    return f" At the left edge stand {' and '.join(part for part in parts if part)}." if worse + gone else ""


def _known_remark(facts: Facts) -> str:
    left_out = int((~facts.is_known).sum())
    return f" {left_out:,} jobs of candidates that are not listed are left out." if left_out else ""


def _legend(facts: Facts, points: LadderPoints) -> Markup:
    dot = tag("circle", cx="0", cy="0", r="4")
    marks = {"promoted": dot, "waiting": dot, "worse than shown": arrow(0, 0, 4), "diverged": cross(0, 0, 4)}
    entries = [
        (tag("g", mark, class_=f"marks {name.split()[0]}"), name)
        for name, mark in marks.items()
        if (points.kind == KINDS.index(name)).any()
    ]
    best = tag("g", star(0, 0, 8), class_="winner")
    return legend([*entries, (best, f"the best, candidate {facts.history.best_candidate}")])


def _table(facts: Facts) -> Markup:
    names = ["rung", "epochs", "places", "finished", "promoted", "diverged", "recall", "rank correlation", "best score"]
    rows = []
    for row in facts.history.rungs:
        places = "unlimited" if row["places"] is None else f"{row['places']:,}"
        counts = [f"{row[name]:,}" for name in ("finished", "promoted", "diverged")]
        rates = [_number(row[name], 2) for name in ("recall", "rank_correlation")]
        rows.append([str(row["rung"]), f"{row['epochs']:,}", places, *counts, *rates, _number(row["best_score"])])
    remark = tag(
        "p",
        "Rank correlation is Spearman's, of the scores of a rung with the last scores of those that went beyond it.",
        class_="note",
    )
    return join(table(names, rows, "What became of each rung", "numbers"), remark)


def _number(value: float, digits: int | None = None) -> str:
    if math.isnan(value):
        return "\u2013"
    return show(value) if digits is None else f"{value:.{digits}f}"

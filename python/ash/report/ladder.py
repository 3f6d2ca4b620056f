"""Draws the report's sections about the ladder (each job by score and rung) and learning curves (score by epochs)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ash._utils.display import counted, show
from ash.history.chart_data import (
    FORECAST,
    KINDS,
    LadderPoints,
    barrier_cuts,
    epochs_of_rung,
    ladder_points,
    score_limits,
    way_of_the_best,
)
from ash.history.records import curves as points_of
from ash.report.chart import STAR, Canvas, Chart, Key, arrow, axes, circle, cross, grouped, polyline, star
from ash.report.markup import Markup, join, shown, table, tag
from ash.report.story import Section, Story

Place = tuple[float, float]
"""The position (x, y) of a mark in pixels."""

LADDER = Canvas(width=880.0, height=78.0, left=96.0, right=150.0, top=30.0, bottom=48.0)
"""The size of the picture before the height of its rungs is added."""
RUNG = 58.0
"""Height of a rung."""
SHAPES = (circle, circle, arrow, cross)
"""Shapes of the marks in the order of `KINDS`; waiting and promoted jobs differ in their fill."""
FEW = 600
"""If there are more points than this, they are drawn smaller."""

CURVES = Canvas(width=880.0, height=420.0, left=64.0, right=20.0, top=34.0, bottom=50.0)
MOST_TICKS = 10


def ladder(story: Story) -> Section:
    """Return the section on the ladder: a chart, and a table of the rungs."""
    return Section("ladder", "Ladder", join(ladder_chart(story).figure(), _table(story)))


def ladder_chart(story: Story) -> Chart:
    """Return the chart of the ladder; see `Result.plot_ladder`."""
    history, points = story.history, ladder_points(story.history)
    worse, gone, left_out = (int(each.sum()) for each in (points.kind == 2, points.kind == 3, ~story.is_known))
    edge = " and ".join([f"{worse:,} far worse"] * (worse > 0) + [f"{gone:,} diverged"] * (gone > 0))
    caption = (
        "Each mark is a job: one candidate trained for one rung. Filled marks were promoted, hollow ones wait. A "
        "dashed line shows where a barrier at the end of the rung would have cut. Recall is the share of the "
        "candidates to its right that were promoted."
        + f" Drawn at the left edge: {edge}." * bool(edge)
        + f" {left_out:,} jobs of candidates that are not listed are left out." * (left_out > 0)
    )
    rungs = len(history.rungs)
    canvas = replace(LADDER, height=LADDER.height + RUNG * rungs)
    x, y = canvas.across(points.left, points.right), canvas.upwards(-0.5, rungs - 0.5)
    names = [(float(row["rung"]), f"rung {row['rung']}") for row in history.rungs]
    ticks = [(value, text) for value, text in x.ticks() if value >= points.low - 1e-12]
    frame = axes(x, y, story.scored + FORECAST * points.forecast, "", ticks, names)
    epochs = [
        _beside(x.start - 8, y.at(row["rung"]) + 18, "end", epochs_of_rung(history, row)) for row in history.rungs
    ]
    notes = [_beside(x.stop + 12, y.at(row["rung"]), "start", *_done(row)) for row in history.rungs]
    cuts = [
        tag("line", x1=x.at(cut), x2=x.at(cut), y1=y.at(rung - 0.45), y2=y.at(rung + 0.45), class_="cut")
        for rung, cut in barrier_cuts(history).items()
    ]
    places = list(zip(x(points.x).tolist(), y(points.y).tolist(), strict=True))
    own = way_of_the_best(history).tolist()
    tops = [places[row] for row in own if history.columns["rung"][row] == history.best_rung]
    best = _best(history.best_candidate, [places[row] for row in own], tops, 4.0, 10)
    description = "; ".join(f"rung {row['rung']}: {', '.join(_done(row))}" for row in history.rungs)
    marks = [tag("g", *epochs, *notes, class_="ticks"), *cuts, *_marks(story, points, places), best]
    keys: list[Key] = [
        (tag("g", SHAPES[kind](0, 0, 4), class_=f"marks {KINDS[kind].split()[0]}"), KINDS[kind])
        for kind in (1, 0, 2, 3)  # indices into KINDS, with promoted jobs first
        if (points.kind == kind).any()
    ]
    keys.append((STAR, f"the best, candidate {history.best_candidate}"))
    title = "Scores by rung"
    return Chart("ladder-chart", canvas, title, description, [frame, *marks], caption, keys, "wide")


def _marks(story: Story, points: LadderPoints, places: Sequence[Place]) -> list[Markup]:
    """Return one group of marks per job outcome, in the order of `KINDS`."""
    candidates = story.history.columns["candidate"]
    radius = 3.6 if len(places) <= FEW else 2.2
    groups = []
    for kind, name in enumerate(KINDS):
        rows = np.flatnonzero((points.kind == kind) & story.is_known)
        marks = [SHAPES[kind](*places[row], radius, int(candidates[row])) for row in rows.tolist()]
        groups.append(tag("g", *marks, class_=f"marks {name.split()[0]}"))
    return groups


def _best(candidate: int, way: Sequence[Place], tops: Sequence[Place], dot: float, size: float) -> Markup:
    """Return the best candidate's path: a line, a dot per job, and a star at its best job."""
    dots = [circle(*place, dot, candidate) for place in way]
    stars = [star(*place, size, candidate) for place in tops]
    return tag("g", polyline(way, candidate), *dots, *stars, class_="winner")


def _beside(x: float, y: float, anchor: str, *lines: str) -> Markup:
    spans = [tag("tspan", line, x=x, dy="1.25em" if place else "0") for place, line in enumerate(lines)]
    return tag("text", *spans, x=x, y=y - 6.0 * (len(lines) - 1) + 4, text_anchor=anchor)


def _done(row: dict[str, Any]) -> list[str]:
    if not row["promoted"]:
        return [f"{row['finished']:,} finished"]
    recall = [] if math.isnan(row["recall"]) else [f"recall {row['recall']:.2f}"]
    return [f"{row['promoted']:,} of {row['finished']:,} promoted", *recall]


def _table(story: Story) -> Markup:
    names = ["rung", "epochs", "places", "finished", "promoted", "diverged", "recall", "rank correlation", "best score"]
    rows = []
    for row in story.history.rungs:
        places = "unlimited" if row["places"] is None else f"{row['places']:,}"
        counts = [f"{row[name]:,}" for name in ("finished", "promoted", "diverged")]
        rates = [shown(row[name], 2) for name in ("recall", "rank_correlation")]
        rows.append([str(row["rung"]), f"{row['epochs']:,}", places, *counts, *rates, shown(row["best_score"])])
    remark = tag(
        "p",
        "Rank correlation is Spearman's, between the scores in a rung and the last scores of the candidates that were "
        "promoted from it.",
        class_="note",
    )
    return join(table(names, rows, "Results of each rung", "numbers"), remark)


def curves(story: Story) -> Section:
    """Return the section on learning curves, with one line per candidate."""
    return Section("curves", "Learning curves", curves_chart(story).figure())


def curves_chart(story: Story) -> Chart:
    """Return the chart of the learning curves; see `Result.plot`."""
    found = points_of(story.history.jobs, story.history.options.training)
    low, high = score_limits(story.history.columns, story.history.options.eta)
    below = sum(any(point.score < low for point in points) for points in found.values())
    edge = f" Scores below {show(low)} ({counted(below, 'candidate')}) are drawn at the lower edge." if below else ""
    caption = (
        f"Score{story.where} after each job. A line joins the jobs of a candidate; it is stronger and thicker the "
        f"higher the rung that the candidate reached. Epochs are on a logarithmic scale.{edge}{story.drawn_remark}"
    )
    epochs = sorted({point.epochs for points in found.values() for point in points})
    x = CURVES.across(epochs[0], epochs[-1], room=0.02, log=True)
    y = CURVES.upwards(low, high, room=0.04)
    ticks = [(float(tick), f"{tick:,}") for tick in epochs[:: 1 + (len(epochs) - 1) // MOST_TICKS]]
    frame = axes(x, y, "epochs", story.scored, ticks)

    def places(candidate: int) -> list[Place]:
        return [(x.at(point.epochs), y.at(max(point.score, low))) for point in found[candidate]]

    def line(candidate: int) -> Markup:
        """Return the line of a candidate, or a dot if it has a single job."""
        way = places(candidate)
        return polyline(way, candidate) if len(way) > 1 else circle(*way[0], 1.6, candidate)

    best = story.history.best_candidate
    own, way = found[best], places(best)
    top = own.index(min(own, key=lambda point: (-point.score, point.loss)))
    description = (
        f"{counted(len(found), 'candidate')}; the best, candidate {best}, goes "
        f"{', '.join(show(point.score) for point in own)} over {', '.join(str(point.epochs) for point in own)} epochs"
    )
    lines = grouped((f"lines {story.shade_of(row)}", line(row)) for row in story.others if row in found)
    winner = _best(best, way, [way[top]], 3.5, 9)
    marks = [frame, *lines, winner]
    return Chart("curves-chart", CURVES, "Score against epochs", description, marks, caption, kind="wide")

"""Draws the report's two sections on hyperparameters: their importance, and a chart of scores per hyperparameter."""

import math

import numpy as np

from ash._utils.aliases import Numbers
from ash._utils.display import counted
from ash.errors import SettingError
from ash.history.chart_data import GOLDEN, ParameterAxis, score_limits
from ash.history.importance import LEAST, importance_of
from ash.report.chart import PANEL, STAR, Canvas, Chart, axes, bars, circle, cross, grouped, legend, level_ticks, star
from ash.report.markup import Markup, join, same_as_table, shares, short, tag
from ash.report.story import Section, Story

IMPORTANCE = "Importance of hyperparameters"
SPREAD = 0.24
"""The maximum distance of a point from its level, in units of the distance between two levels."""
SMALLEST, LARGEST = 1.9, 5.0
"""Radius of a point in the lowest and the highest rung."""
WIDE = Canvas(width=640.0, height=420.0, left=64.0, right=16.0, top=34.0, bottom=50.0)
"""The size of the chart of a single hyperparameter."""


def importance(story: Story) -> Section:
    """Return the section on importance, with one bar per hyperparameter."""
    if not story.over:
        return Section("importance", IMPORTANCE, tag("p", "Importance is computed once the run has ended."))
    chart = importance_chart(story)
    return Section("importance", IMPORTANCE, chart.figure() if chart.more else tag("p", chart.caption))


def importance_chart(story: Story) -> Chart:
    """Return the chart of importance, without bars if no importance can be computed; see `Result.plot_importance`."""
    found = importance_of(story.history)
    known = [(share, name) for name, share in found.shares.items() if not math.isnan(share)]
    known.sort(key=lambda one: (-one[0], one[1]))
    if not known:
        few = found.candidates < LEAST
        reason = f"at least {LEAST} are needed" if few else "a forest cannot predict their ranks from hyperparameters"
        caption = f"Importance cannot be computed from {counted(found.candidates, 'candidate')}: {reason}."
        return bars("importance-chart", IMPORTANCE, [], caption, None)
    caption = (
        "How much worse a random forest predicts the ranks of unseen candidates when a hyperparameter is shuffled "
        f"among them, as shares of the sum. The forest of {found.candidates:,} candidates explains "
        f"{shares(found.explained)} of the variance of the ranks. The less it explains, the less these bars mean."
    )
    rows = [[name, shares(share)] for share, name in known]
    listed = same_as_table(["hyperparameter", "share"], rows, IMPORTANCE)
    values = [(name, share, shares(share)) for share, name in known]
    return bars("importance-chart", IMPORTANCE, values, caption, listed)


def parameters(story: Story) -> Section:
    """Return the section with a small chart per hyperparameter, which shows the best score of each candidate."""
    title = "Score by hyperparameter"
    if not story.varying:
        return Section("parameters", title, tag("p", "All candidates have the same hyperparameters."))
    charts = [parameter_chart(story, axis.name, place) for place, axis in enumerate(story.varying)]
    caption, keys = tag("p", charts[0].caption, class_="note"), legend(charts[0].keys)
    panels = tag("ul", *(tag("li", chart.box()) for chart in charts), class_="panels")
    return Section("parameters", title, join(caption, keys, panels))


def _radius(story: Story, rung: int) -> float:
    return SMALLEST + (LARGEST - SMALLEST) * rung / max(len(story.history.rungs) - 1, 1)


def parameter_chart(story: Story, name: str, panel: int | None = None) -> Chart:
    """Return the chart of a hyperparameter, large or as the panel of this number; see `Result.plot_parameter`."""
    names = [axis.name for axis in story.axes]
    if name not in names:
        known = ", ".join(map(repr, names))
        raise SettingError(f"name must be a hyperparameter of this run, one of {known}, got {name!r}")
    axis = story.axes[names.index(name)]
    history, standing, best = story.history, story.standing, story.history.best_candidate
    canvas = WIDE if panel is None else PANEL
    low, high = score_limits(history.columns, history.options.eta)
    y = canvas.upwards(low, high, room=0.08)
    if axis.kind == "levels":
        x = canvas.across(-0.5, len(axis.positions) - 0.5)
        ticks = level_ticks([short(text, 14) for text in axis.texts], x)
    else:
        x = canvas.across(axis.positions[0], axis.positions[-1], room=0.04, log=axis.kind == "log")
        ticks = x.ticks(4)
    px = x(axis.of_candidates(axis.positions))
    if axis.kind == "levels":
        px = px + SPREAD * abs(x.at(1) - x.at(0)) * (2 * (np.arange(len(px)) * GOLDEN % 1.0) - 1)
    py = y(np.maximum(np.where(np.isnan(standing.best_score), low, standing.best_score), low))
    absent = int((axis.level[story.ranked] < 0).sum())
    note = f"{absent:,} without it" if absent else ""
    labels = (axis.name, story.scored) if panel is None else ("", short(axis.name, 26))
    aside = tag("text", note, x=x.stop, y=canvas.top - 12, text_anchor="end")
    winner = tag("g", star(px[best], py[best], 8, best) if axis.level[best] >= 0 else None, class_="winner")
    values = f"{len(axis.texts):,} values from {axis.texts[0]} to {axis.texts[-1]}"
    keys = [
        (tag("g", circle(0, 0, _radius(story, rung)), class_=f"points {story.shade(rung)}"), f"rung {rung}")
        for rung in range(len(history.rungs))
    ]
    keys.append((STAR, f"the best, candidate {best}"))
    if standing.diverged.any():
        keys.append((tag("g", cross(0, 0, 4), class_="marks diverged"), "diverged"))
    return Chart(
        f"parameter-{panel or 0}",
        canvas,
        f"Score against {axis.name}",
        f"{values}, {axis.kind}; {note or 'all candidates have it'}",
        [axes(x, y, *labels, ticks, y.ticks(4)), tag("g", aside, class_="ticks"), *_marks(story, axis, px, py), winner],
        "Best score of each candidate against each hyperparameter. A point is larger and stronger the higher the rung "
        "that its candidate reached, since it was trained longer. Scores below the axis are drawn at its lower end."
        f"{story.drawn_remark}",
        keys,
        "medium" if panel is None else "cell",
    )


def _marks(story: Story, axis: ParameterAxis, px: Numbers, py: Numbers) -> list[Markup]:
    """Return the marks of the drawn candidates that have this hyperparameter, except the winner."""
    marks = []
    for number in story.others:
        if axis.level[number] < 0:
            continue
        if math.isnan(story.standing.best_score[number]):
            marks.append(("marks diverged", cross(px[number], py[number], 3, number)))
        else:
            radius = _radius(story, int(story.standing.rung[number]))
            marks.append((f"points {story.shade_of(number)}", circle(px[number], py[number], radius, number)))
    return grouped(marks)

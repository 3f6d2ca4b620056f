"""The picture of a ladder: each candidate's score in each rung, what went up and what a barrier would have taken."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ash.history.chart_data import FORECAST, KINDS, LadderPoints, barrier_cuts, ladder_points, way_of_the_best
from ash.plots.axes import BLUE, GREEN, GREY, RED, axes_for, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.history.history import History

FEW = 1000
"""With more points than that they are drawn smaller."""

STYLES: tuple[dict[str, Any], ...] = (
    {"marker": "o", "facecolors": "none", "edgecolors": GREY},
    {"marker": "o", "color": BLUE, "linewidths": 0},
    {"marker": "<", "color": GREY, "linewidths": 0},
    {"marker": "x", "color": "black", "linewidths": 1},
)
"""In the order of `KINDS`."""


def plot_rungs(result: "History", ax: "Axes | None" = None) -> "Axes":
    """Draw the ladder and return the axes; see `Result.plot_ladder`."""
    ax = axes_for("plot_ladder", ax, (7.5, 1.7 + 0.75 * len(result.rungs)))
    points = ladder_points(result)
    size = 18 if len(points.x) < FEW else 5
    for kind, (label, style) in enumerate(zip(KINDS, STYLES, strict=True)):
        which = points.kind == kind
        if which.any():
            ax.scatter(points.x[which], points.y[which], s=size, label=label, **style)
    ax.set_xlim(points.left, points.right)
    _draw_cuts(result, ax)
    _draw_best(result, points, ax)
    _label_rungs(result, ax)
    ax.set_xlabel(f"validation {result.metric}{FORECAST * points.forecast}")
    return ax


def _draw_cuts(result: "History", ax: "Axes") -> None:
    """Draw for each rung but the last the score of the last one that a barrier would have promoted."""
    cuts = barrier_cuts(result)
    if cuts:
        low, high = np.array([*cuts]) - 0.45, np.array([*cuts]) + 0.45
        label = "a barrier's cut"
        ax.vlines([*cuts.values()], low, high, color=GREEN, linewidth=2, linestyle="--", label=label, zorder=0.5)


def _draw_best(result: "History", points: LadderPoints, ax: "Axes") -> None:
    own = way_of_the_best(result)
    label = f"the best, candidate {result.best_candidate}"
    star = own[result.columns["rung"][own] == result.best_rung]
    x, y = points.x, points.y
    ax.plot(x[own], y[own], color=RED, linewidth=1.5, marker="o", markersize=5)
    ax.plot(x[star], y[star], color=RED, linewidth=1.5, marker="*", markersize=15, markeredgecolor="white", label=label)


def _label_rungs(result: "History", ax: "Axes") -> None:
    """Write what the rungs are on the left and what they have done on the right."""
    numbers = [rung["rung"] for rung in result.rungs]
    ax.set_yticks(
        numbers, [f"rung {rung['rung']}\n{rung['epochs']} epoch{'s' * (rung['epochs'] > 1)}" for rung in result.rungs]
    )
    ax.set_ylim(-0.6, len(numbers) - 0.4)
    right = ax.secondary_yaxis("right")
    right.set_yticks(numbers, [_summary(rung) for rung in result.rungs])
    right.tick_params(length=0)
    legend_below(ax, columns=3)


def _summary(rung: dict[str, Any]) -> str:
    if not rung["promoted"]:
        return f"{rung['finished']} finished"
    recall = "" if math.isnan(rung["recall"]) else f"\nrecall {rung['recall']:.2f}"
    return f"{rung['promoted']} of {rung['finished']} went up{recall}"

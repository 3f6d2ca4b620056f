"""Plots scores: against epochs with one line per candidate, and on the ladder with one mark per job."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ash._utils.display import show
from ash.history.chart_data import (
    FORECAST,
    KINDS,
    LadderPoints,
    barrier_cuts,
    epochs_of_rung,
    ladder_points,
    way_of_the_best,
)
from ash.history.history import History
from ash.history.records import curves
from ash.plots.axes import BLUE, GREEN, GREY, RED, axes_for, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 1000
"""If there are at least this many points, they are drawn smaller."""

STYLES: tuple[dict[str, Any], ...] = (
    {"marker": "o", "facecolors": "none", "edgecolors": GREY},
    {"marker": "o", "color": BLUE, "linewidths": 0},
    {"marker": "<", "color": GREY, "linewidths": 0},
    {"marker": "x", "color": "black", "linewidths": 1},
)
"""The style of the marks of each kind of job, in the order of `KINDS`."""


def plot_scores(result: History, ax: "Axes | None" = None) -> "Axes":
    """Draw the score against epochs, with one line per candidate, and return the axes; see `Result.plot`.

    Epochs are counted as in `ash.history.records.curves`. All lines are in one matplotlib collection, so 10,000
    candidates are drawn in a second.
    """
    ax = axes_for("plot", ax, (6.4, 4.8))
    from matplotlib.collections import LineCollection

    found = curves(result.jobs, result.options.training)
    lines = {candidate: np.array(curve)[:, :2] for candidate, curve in found.items()}
    ax.add_collection(LineCollection([*lines.values()], colors=GREY, linewidths=0.6))
    points = np.concatenate([*lines.values()])
    ax.scatter(points[:, 0], points[:, 1], s=4, color=GREY)
    best = lines[result.best_candidate]
    label = f"candidate {result.best_candidate}: {show(result.best_score)}"
    ax.plot(best[:, 0], best[:, 1], marker="o", color=RED, linewidth=2, label=label)
    ax.set_xscale("log", base=max(2, result.options.eta))
    ax.set_xlabel("epochs")
    ax.set_ylabel(f"validation {result.metric}")
    ax.legend(loc="lower right")
    return ax


def plot_rungs(result: History, ax: "Axes | None" = None) -> "Axes":
    """Draw jobs by score and rung, the cuts (see `_draw_cuts`) and the winner's path; see `Result.plot_ladder`."""
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


def _draw_cuts(result: History, ax: "Axes") -> None:
    """Draw the lowest score that a barrier would have promoted in each rung whose recall is known."""
    cuts = barrier_cuts(result)
    if cuts:
        low, high = np.array([*cuts]) - 0.45, np.array([*cuts]) + 0.45
        label = "a barrier's cut"
        ax.vlines([*cuts.values()], low, high, color=GREEN, linewidth=2, linestyle="--", label=label, zorder=0.5)


def _draw_best(result: History, points: LadderPoints, ax: "Axes") -> None:
    own = way_of_the_best(result)
    label = f"the best, candidate {result.best_candidate}"
    star = own[result.columns["rung"][own] == result.best_rung]
    x, y = points.x, points.y
    ax.plot(x[own], y[own], color=RED, linewidth=1.5, marker="o", markersize=5)
    ax.plot(x[star], y[star], color=RED, linewidth=1.5, marker="*", markersize=15, markeredgecolor="white", label=label)


def _label_rungs(result: History, ax: "Axes") -> None:
    """Label each rung with its number and epochs on the left, and with its counts on the right."""
    numbers = [rung["rung"] for rung in result.rungs]
    ax.set_yticks(numbers, [f"rung {rung['rung']}\n{epochs_of_rung(result, rung)}" for rung in result.rungs])
    ax.set_ylim(-0.6, len(numbers) - 0.4)
    right = ax.secondary_yaxis("right")
    right.set_yticks(numbers, [_summary(rung) for rung in result.rungs])
    right.tick_params(length=0)
    legend_below(ax, columns=3)


def _summary(rung: dict[str, Any]) -> str:
    if not rung["promoted"]:
        return f"{rung['finished']} finished"
    recall = "" if math.isnan(rung["recall"]) else f"\nrecall {rung['recall']:.2f}"
    return f"{rung['promoted']} of {rung['finished']} promoted{recall}"

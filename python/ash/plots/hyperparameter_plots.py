"""Plots hyperparameters: their importance, the score against one hyperparameter, and all hyperparameters at once."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ash.errors import SettingError
from ash.history.chart_data import BELOW, GOLDEN, ParameterAxis, axis_labels, lines_of, parameter_axes, score_labels
from ash.history.history import History
from ash.history.importance import importance_of
from ash.history.records import Standing, standing_of
from ash.plots.axes import BLUE, GREY, RED, axes_for, legend_beside, rung_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPREAD = 0.2
"""The maximum distance of a point from its level, in units of the distance between two levels."""
SMALLEST, LARGEST = 8.0, 60.0
"""The areas, in square points, of candidates in the lowest and the highest rung."""
LABEL: dict[str, Any] = {
    "fontsize": "small",
    "va": "center",
    "zorder": 3,
    "bbox": {"facecolor": "white", "alpha": 0.86, "lw": 0, "pad": 1},
}
"""The style of a value on an axis; the background hides lines behind it."""
MOST_LETTERS = 48
"""The names of levels are rotated if the length of the longest name times the number of levels exceeds this."""


def plot_shares(result: History, ax: "Axes | None" = None) -> "Axes":
    """Draw a bar for the importance of each hyperparameter and return the axes; see `Result.plot_importance`."""
    found = importance_of(result)
    shares = sorted((share, name) for name, share in found.shares.items() if not math.isnan(share))
    ax = axes_for("plot_importance", ax, (6.4, 1.8 + 0.3 * max(len(shares), 1)))
    bars = ax.barh([name for _, name in shares], [share for share, _ in shares], color=BLUE)
    ax.bar_label(bars, [f"{share:.0%}" for share, _ in shares], padding=3)
    ax.set_xlim(0, max([share for share, _ in shares], default=1.0) * 1.15)
    ax.set_xlabel("importance (share of the sum)")
    told = (
        "too few for an estimate"
        if not shares
        else f"the forest explains {found.explained:.0%} of the variance of their ranks"
    )
    ax.set_title(f"Importance of hyperparameters\n{found.candidates} candidates, {told}", fontsize="medium")
    return ax


def plot_score_by(result: History, name: str, ax: "Axes | None" = None) -> "Axes":
    """Draw the best score of each candidate against a hyperparameter; see `Result.plot_parameter`.

    Raises
    ------
    SettingError
        No candidate has a hyperparameter of that name.
    """
    axis = _axis_named(result, name)
    ax = axes_for("plot_parameter", ax, (6.4, 4.6))
    standing = standing_of(result.columns, len(result.params))
    x = axis.of_candidates(axis.positions)
    if axis.kind == "levels":
        x = x + SPREAD * (2 * (np.arange(len(x)) * GOLDEN % 1.0) - 1)
    highest = int(standing.rung.max())
    colors, sizes = rung_colors(highest + 1), np.linspace(SMALLEST, LARGEST, highest + 1)
    for rung in range(highest + 1):
        which = (standing.rung == rung) & ~np.isnan(standing.best_score) & ~np.isnan(x)
        if which.any():
            label = f"rung {rung}"
            ax.scatter(x[which], standing.best_score[which], sizes[rung], color=colors[rung], linewidths=0, label=label)
    lost = standing.diverged & np.isnan(standing.best_score) & ~np.isnan(x)
    if lost.any():
        bottom = float(np.nanmin(standing.best_score))
        ax.scatter(x[lost], np.full(lost.sum(), bottom), 20, color=GREY, marker="x", label="diverged")
    if axis.level[result.best_candidate] >= 0:
        place = x[result.best_candidate], standing.best_score[result.best_candidate]
        ax.plot(*place, "*", color=RED, markersize=14, markeredgecolor="white", label="the best")
    _label_parameter(axis, result.metric, ax)
    return ax


def _axis_named(result: History, name: str) -> ParameterAxis:
    axes = {axis.name: axis for axis in parameter_axes(result)}
    if name not in axes:
        raise SettingError(
            f"name must be a hyperparameter of this run, one of {', '.join(map(repr, axes))}, got {name!r}"
        )
    return axes[name]


def _label_parameter(axis: ParameterAxis, metric: str, ax: "Axes") -> None:
    absent = int((axis.level < 0).sum())
    ax.set_xlabel(axis.name + (f" ({absent} candidates do not have it)" if absent else ""))
    ax.set_ylabel(f"best validation {metric}")
    if axis.kind == "levels":
        turned = 45 if max(map(len, axis.texts)) * len(axis.texts) > MOST_LETTERS else 0
        ax.set_xticks(axis.positions, axis.texts, rotation=turned)
    else:
        ax.set_xscale(axis.kind)
    legend_beside(ax)


def plot_lines(result: History, ax: "Axes | None" = None) -> "Axes":
    """Draw one line per candidate across all hyperparameters and the score; see `Result.plot_parallel`."""
    axes, places, standing = lines_of(result)
    ax = axes_for("plot_parallel", ax, (4.0 + 1.3 * len(axes), 4.8))
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    highest = int(standing.rung.max())
    colors = rung_colors(highest + 1)
    order = [row for row in np.argsort(standing.rung, kind="stable").tolist() if standing.rung[row] >= 0]
    x = np.arange(places.shape[1])
    widths = [0.4 + 1.6 * standing.rung[row] / max(highest, 1) for row in order]
    lines = [np.column_stack([x, places[row]]) for row in order]
    ax.add_collection(LineCollection(lines, colors=[colors[standing.rung[row]] for row in order], linewidths=widths))
    best = result.best_candidate
    ahead = ax.plot(x, places[best], color=RED, linewidth=2.5, marker="o", label=f"the best, candidate {best}")
    handles = [Line2D([], [], color=color, label=f"rung {rung}") for rung, color in enumerate(colors)]
    _label_lines(result, axes, standing, ax)
    legend_beside(ax, [*ahead, *handles])
    return ax


def _label_lines(result: History, axes: list[ParameterAxis], standing: Standing, ax: "Axes") -> None:
    for place, labels in enumerate([*map(axis_labels, axes), score_labels(result, standing)]):
        ax.axvline(place, color="0.8", linewidth=1, zorder=0)
        for share, text in labels:
            ax.annotate(text, (place, share), xytext=(6, 0), textcoords="offset points", **LABEL)
    names = [*(axis.name for axis in axes), f"best validation\n{result.metric}"]
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right")
    ax.set_xlim(-0.2, len(names) - 0.3)
    ax.set_ylim(BELOW - 0.05, 1.05)
    ax.set_yticks([])
    ax.set_ylabel("lowest to highest value")

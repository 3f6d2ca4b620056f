"""The picture of all hyperparameters at once: an axis each and one for the score, a line for each candidate."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ash.parameter_axes import ABSENT, ParameterAxis, varying_axes
from ash.plot_axes import RED, axes_for, legend_beside, rung_colors
from ash.standing import Standing, standing_of
from ash.text_table import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.course import Course

MOST_LABELS = 8
"""Values that are named on an axis."""

BELOW = -0.12
"""Where a candidate stands that does not have a hyperparameter, in lengths of the axis."""


def lines_of(result: "Course") -> tuple[list[ParameterAxis], NDArray[np.float64], Standing]:
    """Return the axes, where each candidate stands on them and on that of the score, and how it has done.

    Returns
    -------
    axes : list of ParameterAxis
        Hyperparameters in which the candidates differ.
    places : float64 array [candidates, axes + 1]
        0 at the lowest value, 1 at the highest one, `BELOW` where there is none: the last column is the best score.
    standing : Standing
    """
    axes = varying_axes(result.params)
    standing = standing_of(result.columns, len(result.params))
    score = standing.best_score
    low, high = float(np.nanmin(score)), float(np.nanmax(score))
    shares = (score - low) / (high - low) if high > low else np.where(np.isnan(score), np.nan, 0.5)
    places = np.column_stack([*(axis.of_candidates(axis.shares) for axis in axes), shares])
    return axes, np.where(np.isnan(places), BELOW, places), standing


def axis_labels(axis: ParameterAxis) -> list[tuple[float, str]]:
    """Return where values are named on an axis, and how: at most `MOST_LABELS`, the ends among them."""
    count = len(axis.values)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_LABELS)).round().astype(int))
    named = [(float(axis.shares[place]), axis.texts[place]) for place in chosen]
    return [*named, (BELOW, ABSENT)] if (axis.level < 0).any() else named


def plot_lines(result: "Course", ax: "Axes | None" = None) -> "Axes":
    """Draw the lines and return the axes; see `Result.plot_parallel`."""
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
    _label(result, axes, standing, ax)
    legend_beside(ax, [*ahead, *handles])
    return ax


def _label(result: "Course", axes: list[ParameterAxis], standing: Standing, ax: "Axes") -> None:
    low, high = (show(float(end(standing.best_score))) for end in (np.nanmin, np.nanmax))
    for place, labels in enumerate([*map(axis_labels, axes), [(0.0, low), (1.0, high)]]):
        ax.axvline(place, color="0.8", linewidth=1, zorder=0)
        for share, text in labels:
            ax.text(place, share, text, fontsize="small", zorder=3, bbox={"facecolor": "white", "alpha": 0.7, "lw": 0})
    names = [*(axis.name for axis in axes), f"best validation\n{result.metric}"]
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right")
    ax.set_xlim(-0.2, len(names) - 0.3)
    ax.set_ylim(BELOW - 0.05, 1.05)
    ax.set_yticks([])
    ax.set_ylabel("lowest to highest value")

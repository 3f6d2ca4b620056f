"""The picture of all hyperparameters at once: an axis each and one for the score, a line for each candidate."""

from typing import TYPE_CHECKING

import numpy as np

from ash.history.chart_data import BELOW, ParameterAxis, axis_labels, lines_of, score_labels
from ash.history.records import Standing
from ash.plots.axes import RED, axes_for, legend_beside, rung_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.history.history import History


def plot_lines(result: "History", ax: "Axes | None" = None) -> "Axes":
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


def _label(result: "History", axes: list[ParameterAxis], standing: Standing, ax: "Axes") -> None:
    for place, labels in enumerate([*map(axis_labels, axes), score_labels(result, standing)]):
        ax.axvline(place, color="0.8", linewidth=1, zorder=0)
        for share, text in labels:
            ax.text(place, share, text, fontsize="small", zorder=3, bbox={"facecolor": "white", "alpha": 0.7, "lw": 0})
    names = [*(axis.name for axis in axes), f"best validation\n{result.metric}"]
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right")
    ax.set_xlim(-0.2, len(names) - 0.3)
    ax.set_ylim(BELOW - 0.05, 1.05)
    ax.set_yticks([])
    ax.set_ylabel("lowest to highest value")

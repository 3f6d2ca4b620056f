"""The picture of one hyperparameter: the best score of each candidate against it."""

from typing import TYPE_CHECKING

import numpy as np

from ash.errors import SettingError
from ash.history.chart_data import ParameterAxis, parameter_axes
from ash.history.records import standing_of
from ash.plots.axes import GREY, RED, axes_for, legend_beside, rung_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.history.history import History

GOLDEN = 0.6180339887498949
"""Its multiples, modulo 1, spread the points of a level."""
SPREAD = 0.2
"""How far from its level a point may stand."""
SMALLEST, LARGEST = 8.0, 60.0
"""Square points: of a candidate of the lowest rung, and of the highest one."""
TURNED = 12
"""With more characters than that the names of levels are turned."""


def axis_named(result: "History", name: str) -> ParameterAxis:
    """Return the axis of a hyperparameter, or raise SettingError where no candidate has it."""
    axes = {axis.name: axis for axis in parameter_axes(result)}
    if name not in axes:
        raise SettingError(f"name={name!r} is no hyperparameter of this run; it has {', '.join(map(repr, axes))}")
    return axes[name]


def plot_score_by(result: "History", name: str, ax: "Axes | None" = None) -> "Axes":
    """Draw a hyperparameter and return the axes; see `Result.plot_parameter`."""
    axis = axis_named(result, name)
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
    _label(axis, result.metric, ax)
    return ax


def _label(axis: ParameterAxis, metric: str, ax: "Axes") -> None:
    absent = int((axis.level < 0).sum())
    ax.set_xlabel(axis.name + (f" ({absent} candidates are without it)" if absent else ""))
    ax.set_ylabel(f"best validation {metric}")
    if axis.kind == "levels":
        turned = 45 if max(map(len, axis.texts)) * len(axis.texts) > TURNED * 4 else 0
        ax.set_xticks(axis.positions, axis.texts, rotation=turned)
    else:
        ax.set_xscale(axis.kind)
    legend_beside(ax)

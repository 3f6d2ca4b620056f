"""The picture of a run: score against epochs, a line for each candidate."""

from typing import TYPE_CHECKING

import numpy as np

from ash._utils.display import show
from ash.history.records import curves
from ash.plots.axes import GREY, RED, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.history.history import History


def plot_scores(result: "History", ax: "Axes | None" = None) -> "Axes":
    """Draw the run and return the axes; see `Result.plot`.

    Epochs as those of `ash.history.records.curves`. One collection holds all lines, so 10,000
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

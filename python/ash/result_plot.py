"""The picture of a run: score against epochs, a line for each candidate."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ash.plot_axes import GREY, RED, axes_for
from ash.text_table import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.result import Result


def plot_scores(result: "Result", ax: "Axes | None" = None) -> "Axes":
    """Draw the run and return the axes; see `Result.plot`.

    Epochs are those a network of the candidate has behind it: added up over its rungs when training was resumed, those
    of the rung when it was restarted. One collection holds all lines, so 10,000 candidates are drawn in a second.
    """
    ax = axes_for("plot", ax, (6.4, 4.8))
    from matplotlib.collections import LineCollection

    curves = _curves(result)
    ax.add_collection(LineCollection([*curves.values()], colors=GREY, linewidths=0.6))
    points = np.concatenate([*curves.values()])
    ax.scatter(points[:, 0], points[:, 1], s=4, color=GREY)
    best = curves[result.best_candidate]
    label = f"candidate {result.best_candidate}: {show(result.best_score)}"
    ax.plot(best[:, 0], best[:, 1], marker="o", color=RED, linewidth=2, label=label)
    ax.set_xscale("log", base=max(2, result.options.eta))
    ax.set_xlabel("epochs")
    ax.set_ylabel(f"validation {result.metric}")
    ax.legend(loc="lower right")
    return ax


def _curves(result: "Result") -> dict[int, NDArray[np.float64]]:
    """Return [(epochs, score), ...] of each candidate that has a job which did not diverge."""
    curves: dict[int, list[tuple[float, float]]] = {}
    behind: dict[int, int] = {}
    for job in result.jobs:
        before = behind.get(job.candidate, 0) if result.options.training == "resume" else 0
        behind[job.candidate] = before + job.epochs
        if not job.diverged:
            curves.setdefault(job.candidate, []).append((before + job.epochs, job.score))
    return {candidate: np.array(curve) for candidate, curve in curves.items()}

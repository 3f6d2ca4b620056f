"""Plots the winner on its validation rows: confusion matrix and calibration of classes, or predictions of targets."""

from typing import TYPE_CHECKING

import numpy as np

from ash._utils.display import show
from ash.history.history import History
from ash.history.validation import calibration_of, check_output, confusion_of, residuals_of, winner_on_held_out
from ash.plots.axes import BLUE, GREY, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DARK = 0.6
"""If a cell contains more than this share of its row, it is so dark that its number is drawn in white."""

MOST_NUMBERS = 12
"""With more classes than this, the cells are too small for numbers."""


def plot_winner(result: History, output: int = 0, ax: "Axes | None" = None) -> "Axes":
    """Draw the confusion matrix or the predictions and return the axes; see `Result.plot_held_out`."""
    kept = winner_on_held_out(result, "plot_held_out")
    check_output(kept, output)
    regression = kept.networks[0].classes_ is None
    return _plot_residuals(result, output, ax) if regression else _plot_confusion(result, ax)


def _plot_confusion(result: History, ax: "Axes | None") -> "Axes":
    found = confusion_of(result)
    size = 2.5 + 0.35 * len(found.labels)
    ax = axes_for("plot_held_out", ax, (size, size))
    totals = found.counts.sum(axis=1, keepdims=True)
    shares = np.divide(found.counts, totals, out=np.zeros_like(found.counts), where=totals > 0)
    ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for true, predicted in np.argwhere(found.counts > 0) if len(found.labels) <= MOST_NUMBERS else ():
        color = "white" if shares[true, predicted] > DARK else "black"
        text = f"{found.counts[true, predicted]:g}"
        ax.text(predicted, true, text, ha="center", va="center", color=color)
    places = range(len(found.labels))
    ax.set_xticks(places, found.labels, rotation=90 if max(map(len, found.labels)) > 2 else 0)
    ax.set_yticks(places, found.labels)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    return ax


def _plot_residuals(result: History, output: int, ax: "Axes | None") -> "Axes":
    found = residuals_of(result, output)
    ax = axes_for("plot_held_out", ax, (5.5, 5.5))
    ends = [min(found.true.min(), found.predicted.min()), max(found.true.max(), found.predicted.max())]
    ax.plot(ends, ends, ":", color="black", linewidth=1, label="right")
    ax.scatter(found.true, found.predicted, 10, color=BLUE, alpha=0.5, linewidths=0, label="validation rows")
    ax.set_xlabel(f"true {found.name}")
    ax.set_ylabel(f"predicted {found.name}")
    ax.set_title(f"root mean squared error {show(found.rmse)}", fontsize="medium")
    ax.legend(loc="upper left")
    return ax


def plot_reliability(result: History, ax: "Axes | None" = None) -> "Axes":
    """Draw the calibration and return the axes; see `Result.plot_calibration`."""
    found = calibration_of(result)
    ax = axes_for("plot_calibration", ax, (5.5, 5.0))
    ax.plot([0, 1], [0, 1], ":", color="black", linewidth=1, label="perfect calibration")
    ax.plot(found.confidence, found.right, color=BLUE, linewidth=1)
    sizes = 20 + 180 * found.weight / found.weight.max()
    ax.scatter(
        found.confidence, found.right, sizes, color=BLUE, edgecolors="white", label="the winner; size shows rows"
    )
    for x, y, weight in zip(found.confidence, found.right, found.weight, strict=True):
        ax.annotate(f"{weight:g}", (x, y), (0, -16), textcoords="offset points", ha="center", color=GREY)
    ax.set_xlabel("mean probability of the predicted class")
    ax.set_ylabel("share of rows predicted correctly")
    ax.set_title(f"expected calibration error {show(found.error)}", fontsize="medium")
    ax.legend(loc="upper left")
    return ax

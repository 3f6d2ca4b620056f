"""The picture of a ladder: each candidate's score in each rung, what went up and what a barrier would have taken."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash.plot_axes import BLUE, GREEN, GREY, RED, axes_for, legend_below
from ash.recall import promoted, survivors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.result import Result

Numbers = NDArray[np.float64]

GOLDEN = 0.6180339887498949
"""Its multiples, modulo 1, never fall close together: they spread the points of a rung."""

SPREAD = 0.36
"""How far above or below its rung a point may stand, in rungs."""

FEW = 1000
"""With more points than that they are drawn smaller."""


def plot_rungs(result: "Result", ax: "Axes | None" = None) -> "Axes":
    """Draw the ladder and return the axes; see `Result.plot_ladder`.

    What is further below the cut of the lowest rung than the best is above it stands at the left edge: one bad
    regression would squeeze all others together. The diverged, which have no score, stand further left.
    """
    ax = axes_for("plot_ladder", ax, (7.5, 1.7 + 0.75 * len(result.rungs)))
    columns = result.columns
    diverged = columns["diverged"].astype(bool)
    low, high = _limits(result, columns["score"][~diverged])
    margin = 0.03 * (high - low)
    worse = ~diverged & (columns["score"] < low)
    x = np.where(diverged, low - 4 * margin, np.where(worse, low - 2 * margin, columns["score"]))
    y = columns["rung"] + SPREAD * (2 * (columns["candidate"] * GOLDEN % 1.0) - 1)
    up = _went_up(result)
    size = 18 if len(x) < FEW else 5
    for label, which, style in (
        ("waiting", ~up & ~diverged & ~worse, {"marker": "o", "facecolors": "none", "edgecolors": GREY}),
        ("promoted", up & ~worse, {"marker": "o", "color": BLUE, "linewidths": 0}),
        ("worse than shown", worse, {"marker": "<", "color": GREY, "linewidths": 0}),
        ("diverged", diverged, {"marker": "x", "color": "black", "linewidths": 1}),
    ):
        if which.any():
            ax.scatter(x[which], y[which], s=size, label=label, **style)
    ax.set_xlim(float(x.min()) - margin, high + margin)
    _draw_cuts(result, ax)
    _draw_best(result, x, y, ax)
    _label_rungs(result, ax)
    return ax


def _limits(result: "Result", scores: Numbers) -> tuple[float, float]:
    """Return the lowest and highest score that are shown at their place."""
    low, high = float(scores.min()), float(scores.max())
    best = survivors(result.columns, 0, result.options.eta)
    cut = float(result.columns["score"][best[-1]]) if len(best) else high
    if cut < high:
        low = float(scores[scores >= cut - (high - cut)].min())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _went_up(result: "Result") -> NDArray[np.bool_]:
    up = np.zeros(len(result.columns["rung"]), dtype=bool)
    for rung in result.rungs:
        up[result.columns["rung"] == rung["rung"]] = promoted(result.columns, rung["rung"])
    return up


def _draw_cuts(result: "Result", ax: "Axes") -> None:
    """Draw for each rung but the last the score of the last one that a barrier would have promoted."""
    rungs, cuts = [], []
    for rung in result.rungs:
        best = survivors(result.columns, rung["rung"], result.options.eta)
        if len(best) and not math.isnan(rung["recall"]):
            rungs.append(rung["rung"])
            cuts.append(result.columns["score"][best[-1]])
    if cuts:
        low, high = np.array(rungs) - 0.45, np.array(rungs) + 0.45
        ax.vlines(cuts, low, high, color=GREEN, linewidth=2, linestyle="--", label="a barrier's cut", zorder=0.5)


def _draw_best(result: "Result", x: Numbers, y: Numbers, ax: "Axes") -> None:
    columns = result.columns
    own = np.flatnonzero((columns["candidate"] == result.best_candidate) & ~columns["diverged"].astype(bool))
    label = f"the best, candidate {result.best_candidate}"
    star = own[columns["rung"][own] == result.best_rung]
    ax.plot(x[own], y[own], color=RED, linewidth=1.5, marker="o", markersize=5)
    ax.plot(x[star], y[star], color=RED, linewidth=1.5, marker="*", markersize=15, markeredgecolor="white", label=label)


def _label_rungs(result: "Result", ax: "Axes") -> None:
    """Write what the rungs are on the left and what they have done on the right."""
    numbers = [rung["rung"] for rung in result.rungs]
    ax.set_yticks(
        numbers, [f"rung {rung['rung']}\n{rung['epochs']} epoch{'s' * (rung['epochs'] > 1)}" for rung in result.rungs]
    )
    ax.set_ylim(-0.6, len(numbers) - 0.4)
    ax.set_xlabel(f"validation {result.metric}")
    right = ax.secondary_yaxis("right")
    right.set_yticks(numbers, [_summary(rung) for rung in result.rungs])
    right.tick_params(length=0)
    legend_below(ax, columns=3)


def _summary(rung: dict[str, Any]) -> str:
    if not rung["promoted"]:
        return f"{rung['finished']} finished"
    recall = "" if math.isnan(rung["recall"]) else f"\nrecall {rung['recall']:.2f}"
    return f"{rung['promoted']} of {rung['finished']} went up{recall}"

"""Plots the threads: the rungs that each thread trained or helped with over time, and the speed-up by more threads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import show_seconds
from ash.history.history import History
from ash.history.records import Columns
from ash.plots.axes import BLUE, GREEN, ORANGE, RED, axes_for, legend_below, legend_beside, rung_colors
from ash.simulation.simulate import TEAM_EFFICIENCY, speedups_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 0.8
"""The height of a bar; the distance between threads is 1."""
HATCH = "/////"
MOST_TICKS = 16
"""The maximum number of ticks on the thread axis, and of rungs in a column of the legend."""
FEW = 60
"""With at least this many jobs per thread there is no room for white lines between their bars."""


def plot_threads(result: History, ax: "Axes | None" = None) -> "Axes":
    """Draw the jobs of each thread over time, and return the axes; see `Result.plot_timeline`.

    All jobs are in one matplotlib collection and all assists in another, so 10,000 jobs are drawn in a second.
    """
    ax = axes_for("plot_timeline", ax, (8.0, 1.5 + 0.35 * min(max(result.threads, 2), 24)))
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    jobs, assists = result.columns, result.assists
    rungs = sorted(set(jobs["rung"].tolist()) | set(assists["rung"].tolist()))
    colors = np.array(rung_colors(rungs[-1] + 1))
    line = 0.5 if len(jobs["rung"]) < FEW * result.threads else 0.0
    bars = PolyCollection(_bars(jobs), facecolors=colors[jobs["rung"]], edgecolors="white", linewidths=line)
    ax.add_collection(bars)
    handles = [Patch(facecolor=colors[rung], label=f"rung {rung}") for rung in rungs]
    if len(assists["rung"]):
        pale = (colors + 1.0) / 2
        of_rung = pale[assists["rung"]]
        bars = PolyCollection(_bars(assists), facecolors=of_rung, edgecolors="white", linewidths=line, hatch=HATCH)
        ax.add_collection(bars)
        handles.append(Patch(facecolor=pale[-1], edgecolor="white", hatch=HATCH, label="in a team"))
    ax.set_xlim(0.0, max(result.wall_seconds, float(jobs["end"].max())))
    ax.set_ylim(result.threads - 0.5, -0.5)
    ax.set_yticks(range(0, result.threads, 1 + (result.threads - 1) // MOST_TICKS))
    ax.set_xlabel("seconds")
    ax.set_ylabel("thread")
    threads = f"{result.threads} thread{'s' * (result.threads > 1)}"
    ax.set_title(f"{threads}, {result.utilization:.0%} busy for {show_seconds(result.wall_seconds)}", fontsize="medium")
    legend_beside(ax, handles, columns=1 + (len(handles) - 1) // MOST_TICKS)
    return ax


def _bars(table: Columns) -> list[NDArray[np.float64]]:
    """Return a rectangle for each row (job or assist) of the table: the 4 corners as (seconds, thread)."""
    low, high = table["thread"] - HEIGHT / 2, table["thread"] + HEIGHT / 2
    x = np.stack([table["start"], table["start"], table["end"], table["end"]], axis=1)
    return [*np.stack([x, np.stack([low, high, high, low], axis=1)], axis=2)]


def plot_speedup(result: History, threads: int | Sequence[int] | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draw the measured speed-up and the speed-up simulated with the run's costs; see `Result.plot_scaling`."""
    ax = axes_for("plot_scaling", ax, (6.4, 5.2))
    found = speedups_of(result, threads)
    x = found.threads
    ax.plot(x, x, ":", color="black", linewidth=1, zorder=3, label="bound with teams, W/p")
    ax.plot(x, found.bound, "-.", color=ORANGE, label="bound without teams, max(W/p, D)")
    ax.plot(x, found.halving, "s--", color=GREEN, markersize=4, label="SH with barriers, equal jobs")
    ax.plot(x, found.alone, "o-", color=BLUE, markersize=5, linewidth=2.5, label="simulated without teams")
    if found.shared is not None:
        label = f"simulated with teams of {TEAM_EFFICIENCY:.0%}"
        ax.plot(x, found.shared, "^-", color=BLUE, markersize=5, linewidth=1, label=label)
    star = f"this run, measured on {result.threads}"
    ax.plot([result.threads], [found.measured], "*", color=RED, markersize=14, markeredgecolor="white", label=star)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("threads p")
    ax.set_ylabel("speed-up")
    legend_below(ax, columns=2)
    return ax

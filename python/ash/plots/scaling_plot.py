"""The picture of speed-up by threads: simulated on the costs of a run, beside its bounds and the run itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ash.plots.axes import BLUE, GREEN, ORANGE, RED, axes_for, legend_below
from ash.simulation.simulate import TEAM_EFFICIENCY
from ash.simulation.speedups import speedups_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.history.history import History


def plot_speedup(result: "History", threads: int | Sequence[int] | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draw the speed-ups and return the axes; see `Result.plot_scaling`."""
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

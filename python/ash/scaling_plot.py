"""The picture of speed-up by threads: simulated on the costs of a run, beside its bounds and the run itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ash.plot_axes import BLUE, GREEN, ORANGE, RED, axes_for, legend_below
from ash.simulate import TEAM_EFFICIENCY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.result import Result


def plot_speedup(result: "Result", threads: int | Sequence[int] | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draw the speed-ups and return the axes; see `Result.plot_scaling`."""
    ax = axes_for("plot_scaling", ax, (6.4, 5.2))
    rows = result.simulate(threads=threads, teams=False).rows
    x = [row["threads"] for row in rows]
    ax.plot(x, x, ":", color="black", linewidth=1, zorder=3, label="bound with teams, W/p")
    ax.plot(x, _speedups(rows, "bound"), "-.", color=ORANGE, label="bound without teams, max(W/p, D)")
    ax.plot(x, _speedups(rows, "halving"), "s--", color=GREEN, markersize=4, label="SH with barriers, equal jobs")
    speedups = [row["speedup"] for row in rows]
    ax.plot(x, speedups, "o-", color=BLUE, markersize=5, linewidth=2.5, label="simulated without teams")
    if result.options.teams:
        shared = result.simulate(threads=threads, teams=True, team_efficiency=TEAM_EFFICIENCY).rows
        label = f"simulated with teams of {TEAM_EFFICIENCY:.0%}"
        ax.plot(x, [row["speedup"] for row in shared], "^-", color=BLUE, markersize=5, linewidth=1, label=label)
    measured = result.core_seconds / result.wall_seconds
    star = f"this run, measured on {result.threads}"
    ax.plot([result.threads], [measured], "*", color=RED, markersize=14, markeredgecolor="white", label=star)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("threads p")
    ax.set_ylabel("speed-up")
    legend_below(ax, columns=2)
    return ax


def _speedups(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    """Return the work W by the seconds in a column of the simulation."""
    return [row["threads"] * row["work_per_thread"] / row[name] for row in rows]

"""The picture of what mattered: a bar for the importance of each hyperparameter."""

import math
from typing import TYPE_CHECKING

from ash.history.importance import importance_of
from ash.plots.axes import BLUE, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ash.history.history import History


def plot_shares(result: "History", ax: "Axes | None" = None) -> "Axes":
    """Draw the bars and return the axes; see `Result.plot_importance`."""
    found = importance_of(result)
    shares = sorted(
        ((share, name) for name, share in found.shares.items() if not math.isnan(share)),
        key=lambda pair: (pair[0], pair[1]),
    )
    ax = axes_for("plot_importance", ax, (6.4, 1.8 + 0.3 * max(len(shares), 1)))
    bars = ax.barh([name for _, name in shares], [share for share, _ in shares], color=BLUE)
    ax.bar_label(bars, [f"{share:.0%}" for share, _ in shares], padding=3)
    ax.set_xlim(0, max([share for share, _ in shares], default=1.0) * 1.15)
    ax.set_xlabel("share of what a forest loses when it is shuffled")
    told = "nothing can be told" if not shares else f"the forest explains {found.explained:.0%} of the ranks"
    ax.set_title(f"{found.candidates} candidates, {told}", fontsize="medium")
    return ax

"""Shared parts of all plots: default axes, legends, and colors that everyone can distinguish."""

from typing import TYPE_CHECKING, Any

from ash.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "0.6"
"""Colors of Okabe and Ito's palette, which people with any kind of color blindness can distinguish."""


def axes_for(method: str, ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Return the given axes, or the axes of a new figure with the given size in inches.

    Raises
    ------
    MissingExtra
        matplotlib, which `method` needs, is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtra(f"{method} needs matplotlib; install it with: pip install 'ash-tune[plot]'") from error
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def rung_colors(rungs: int) -> list[Any]:
    """Return one RGBA color per rung, from dark to bright.

    The order of the colors is visible in grayscale and to color-blind people.
    """
    from matplotlib import colormaps

    return [colormaps["viridis"](number / max(rungs - 1, 1) * 0.95) for number in range(rungs)]


def legend_below(ax: "Axes", columns: int) -> None:
    """Put the legend below the label of the x axis, where it hides no data."""
    from matplotlib.transforms import ScaledTranslation

    below = ax.transAxes + ScaledTranslation(0.0, -0.5, ax.figure.dpi_scale_trans)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=below, ncols=columns, frameon=False)


def legend_beside(ax: "Axes", handles: list[Any] | None = None, columns: int = 1) -> None:
    """Put the legend to the right of the axes, where it hides no data."""
    given = {} if handles is None else {"handles": handles}
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), ncols=columns, frameon=False, **given)

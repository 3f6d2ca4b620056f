"""Shared parts of all plots: axes if none were given, and colours that everyone can tell apart."""

from typing import TYPE_CHECKING, Any

from ash.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "0.6"
"""Colours of the palette of Okabe and Ito, which people with any kind of colour blindness can tell apart."""


def axes_for(method: str, ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Return the given axes, or those of a new figure of this size in inches.

    Raises
    ------
    MissingExtra
        matplotlib is not installed; `method` is what needs it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtra(f"{method} needs matplotlib; install it by: pip install 'ash-tune[plot]'") from error
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def rung_colors(rungs: int) -> list[Any]:
    """Return an RGBA colour for each rung, from dark to bright, even in greyscale and to the colour-blind."""
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

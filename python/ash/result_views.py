"""What one can look at of the winner of a run of networks; `course_views.py` has what every run has."""

from typing import TYPE_CHECKING

from ash.result_outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Views(Outcome):
    """Those methods of `Result`; the data that they draw lie in modules of their own, which the report reads too."""

    def plot_held_out(self, output: int = 0, ax: "Axes | None" = None) -> "Axes":
        """Draw the winner on the validation rows: which class it takes for which, or predicted against true targets.

        These rows chose it, so it looks better there than on new ones.

        Parameters
        ----------
        output : int
            Which column of several targets; classes have one.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        SettingError
            The run was cross-validated, or there is no such output.
        """
        from ash.held_out_plot import plot_winner

        return plot_winner(self, output, ax)

    def plot_calibration(self, ax: "Axes | None" = None) -> "Axes":
        """Draw how often the predicted class was right by how probable it was to the winner, on the validation rows.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        SettingError
            The run was cross-validated, or one of regression.
        """
        from ash.held_out_plot import plot_reliability

        return plot_reliability(self, ax)

"""What one can look at after a run beside its course: pictures of hyperparameters and winner, and the report."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ash.result_outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Views(Outcome):
    """Those methods of `Result`; the data that they draw lie in modules of their own, which the report reads too."""

    def importance(self) -> dict[str, float]:
        """Return how much each hyperparameter told of how well a candidate does.

        Permutation importance of a random forest (Breiman, Machine Learning 45, 2001; scikit-learn's, seeded, one
        thread) that predicts the rank of a candidate by its hyperparameters: by the rung that it reached, then its
        score there, the diverged last. It is asked about candidates that it has not seen (five folds), so that noise
        has no importance, whatever number of values it comes in. A hyperparameter under a condition is shuffled among
        the candidates that have it; that it is there belongs to what decides on it. See ash/importance.py for why.

        Returns
        -------
        dict of str to float
            Shares that add up to 1. NaN for a hyperparameter of one value, and for all where nothing can be told: fewer
            than 20 candidates with a job, or a forest that explains nothing. Empty where there are no hyperparameters.
            A function of the jobs on record: where `digest` is equal, so is this.
        """
        from ash.importance import importance_of

        return importance_of(self).shares

    def plot_importance(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the shares of `importance`, the largest on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        from ash.importance_plot import plot_shares

        return plot_shares(self, ax)

    def plot_parameter(self, name: str, ax: "Axes | None" = None) -> "Axes":
        """Draw the best score of each candidate against a hyperparameter: larger and brighter, the higher it came.

        Parameters
        ----------
        name : str
            Of the hyperparameter. Levels of `ash.log` have a logarithmic axis, those of a choice stand side by side.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        SettingError
            No candidate has such a hyperparameter.
        """
        from ash.parameter_plot import plot_score_by

        return plot_score_by(self, name, ax)

    def plot_parallel(self, ax: "Axes | None" = None) -> "Axes":
        """Draw an axis for each hyperparameter that varies and one for the best score, a line for each candidate.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        from ash.parallel_plot import plot_lines

        return plot_lines(self, ax)

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

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole run as one HTML file that any browser opens, without a network.

        Ladder, learning curves, hyperparameters and their importance, the winner on the validation rows, candidates,
        threads, scaling, settings. The same result gives the same bytes on the same installation; of two runs with the
        same digest, only times, threads, machine and settings differ.

        Parameters
        ----------
        path : path-like
            The file; one that is there is replaced, whole or not at all.

        Returns
        -------
        Path
            The same path.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        from ash.report import write_report

        return write_report(self, path)

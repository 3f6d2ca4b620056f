"""What the results of all runs have in common: a history, and what shows it or takes it elsewhere.

The data that are drawn lie in ash/history, which the report reads too.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ash._utils.checks import yes_or_no
from ash.history.history import History

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

    from ash.simulation.simulate import Simulation


class RunResult(History):
    """The methods of `Result` and `FunctionResult`."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw score against epochs, a line for each candidate, the winner on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        from ash.plots.score_plots import plot_scores

        return plot_scores(self, ax)

    def plot_timeline(self, ax: "Axes | None" = None) -> "Axes":
        """Draw which thread trained which rung when: a bar a job, hatched and pale where a thread was in a team.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        from ash.plots.thread_plots import plot_threads

        return plot_threads(self, ax)

    def plot_ladder(self, ax: "Axes | None" = None) -> "Axes":
        """Draw each candidate's score in each rung: what went up, what stayed, and where a barrier would have cut.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        from ash.plots.score_plots import plot_rungs

        return plot_rungs(self, ax)

    def plot_scaling(self, threads: int | Sequence[int] | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw the speed-up by threads: simulated on the costs of this run, its bounds, barriers, and this run itself.

        The work W is that of all jobs, D that of the candidate with most. SH with barriers waits for each rung to end,
        without teams; the jobs of a rung count as equal there, so it may come out above the bound. The speed-up of this
        run itself is `core_seconds / wall_seconds`.

        Parameters
        ----------
        threads : int or sequence of int, optional
            Numbers of threads; powers of two by default.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        from ash.plots.thread_plots import plot_speedup

        return plot_speedup(self, threads, ax)

    def simulate(self, threads: int | Sequence[int] | None = None, **changes: Any) -> "Simulation":
        """Run the same ladder and schedule on a clock, with the costs and scores of this run, for any threads.

        Teams are simulated if this run had any; the core seconds on record then hold what sharing costs.

        Parameters
        ----------
        threads : int or sequence of int, optional
            Numbers of threads; powers of two by default.
        **changes
            Other arguments of `ash.simulate` that are to differ from those of this run.

        Raises
        ------
        SettingError
            An argument is not allowed.
        """
        from ash.simulation.simulate import simulate_result

        chosen = changes if threads is None else {"threads": threads, **changes}
        return simulate_result(self, **chosen)

    def trace(self, path: str | os.PathLike[str]) -> None:
        """Write the run as a file that Perfetto (ui.perfetto.dev) and chrome://tracing open.

        A row a thread with its jobs and where it helped (category "team"); for the reproducible schedule the virtual
        workers too, their clock scaled to the length of the run.

        Parameters
        ----------
        path : path-like
            The file, in the Trace Event Format (JSON); one that is there is replaced, whole or not at all.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        from ash.history.trace import write_trace

        write_trace(self, path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return the whole story of the run as JSON, or write it to a file: ash/history/json.py has the keys.

        Settings, space, candidates, jobs, rungs, what was best, digest, costs, versions; not the weights, which
        `model.save` writes. NaN and infinity are null.

        Parameters
        ----------
        path : path-like, optional
            The file; one that is there is replaced, whole or not at all. None: the text is returned.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        from ash.history.json import to_json

        return to_json(self, path)

    def to_optuna(self, storage: Any = None, study_name: str | None = None, *, pruned: bool = True) -> "optuna.Study":
        """Return the run as a study of Optuna, for its plots, importances, storages and dashboard.

        Each candidate that has finished a job is a trial: hyperparameters, scores by epochs, the best of them as its
        value, the times of its jobs; user attributes candidate, rung, loss and digest (of its last weights). The study
        says how the run was made. Its direction is "maximize". A trial takes some 20 ms to write into SQLite.

        Parameters
        ----------
        storage : str or optuna storage, optional
            Where it is written, such as "sqlite:///study.db"; in memory by default.
        study_name : str, optional
            One that is not in the storage; Optuna makes one by default.
        pruned : bool
            Whether candidates that were not promoted to the highest rung are PRUNED, which importances and most plots
            leave out. False: they are COMPLETE too, though scored after fewer epochs.

        Raises
        ------
        MissingExtra
            optuna is not installed.
        SettingError
            The name is in the storage already. Nothing is left there whatever is raised.
        """
        from ash.history.optuna_study import to_study

        return to_study(self, storage, study_name, yes_or_no("pruned", pruned))

    def importance(self) -> dict[str, float]:
        """Return how much each hyperparameter told of how well a candidate does.

        Permutation importance of a random forest (Breiman, Machine Learning 45, 2001; scikit-learn's, seeded, one
        thread) that predicts the rank of a candidate by its hyperparameters: by the rung that it reached, then its
        score there, the diverged last. It is asked about candidates that it has not seen (five folds), so that noise
        has no importance, whatever number of values it comes in. A hyperparameter under a condition is shuffled among
        the candidates that have it; that it is there belongs to what decides on it. See
        ash/history/importance.py for why.

        Returns
        -------
        dict of str to float
            Shares that add up to 1. NaN for a hyperparameter of one value, and for all where nothing can be told: fewer
            than 20 candidates with a job, or a forest that explains nothing. Empty where there are no hyperparameters.
            A function of the jobs on record: where `digest` is equal, so is this.
        """
        from ash.history.importance import importance_of

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
        from ash.plots.hyperparameter_plots import plot_shares

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
        from ash.plots.hyperparameter_plots import plot_score_by

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
        from ash.plots.hyperparameter_plots import plot_lines

        return plot_lines(self, ax)

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

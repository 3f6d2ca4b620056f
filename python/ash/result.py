"""What `ash.tune` returns: the winner, and the whole story of the run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ash.ensemble import Ensemble
from ash.errors import SettingError
from ash.kept import MOST_DRAWS
from ash.options import whole, yes_or_no
from ash.result_text import result_html, result_text
from ash.result_views import Views

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

    from ash.simulate import Simulation


@dataclass(frozen=True, repr=False, eq=False)
class Result(Views):
    """The outcome of `ash.tune`. Immutable; it can be pickled.

    Attributes
    ----------
    model : Network
        That of the highest score (ties: lower loss, candidate, rung); with `cv` trained again, as long, on all rows.
    kept : ash.kept.Kept or None
        Networks of the best candidates with their validation predictions, for `ensemble`; None with `cv`.
    best_candidate, best_rung : int
        Whose it is, and after which rung.
    params : tuple of dict
        The hyperparameters of every candidate, at its number.
    columns : dict of str to ndarray
        The fields of `jobs`, an array each, a row a finished job in order of decision.
    assists : dict of str to ndarray
        When a thread helped with another's job: candidate, rung, thread, start, end (seconds since the start).
    memory : dict of str to int
        Of waiting states: `limit`, `peak_bytes`, how many were `dropped`, and the `retrained_epochs` that this cost.
    fold_scores : dict of str to ndarray
        Of each job that has not diverged: candidate, rung, scores [jobs, folds].
    ladder : list of dict
        Counts of each rung, as the core reports them.
    options : Options
        The checked arguments of the run.
    space : Space
        Where the candidates were drawn from.
    ended : str
        "finished", "target", "epoch_limit", "time_limit", "stopped" (by a callback) or "interrupted".
    started : datetime
        When the threads were started, in UTC: second 0 of all jobs.
    wall_seconds : float
        From the start of the threads to the end of the last one.
    """

    def ensemble(self, size: int = 16) -> Ensemble:
        """Return a weighted mean of the networks that the run has kept, selected by their validation predictions.

        Greedy selection with replacement (Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004): from
        `model` on, the network is drawn that lowers the squared validation loss of the average most (logarithmic for
        log_loss), and of all draws the first ones with the lowest loss count. A network that is drawn twice weighs
        twice as much.
        Its score on the validation rows flatters; it predicts as slowly as its members together.

        Parameters
        ----------
        size : int
            Most draws, 1 to 1024; 1: the best network alone.

        Returns
        -------
        Ensemble
            A function of the jobs on record: where `digest` is equal, so is this, bit for bit.

        Raises
        ------
        SettingError
            `size` is not allowed, or the run was cross-validated.
        """
        size = whole("size", size, 1, MOST_DRAWS)
        if self.kept is None:
            raise SettingError(
                "an ensemble is selected by predictions of rows that no network was trained on, which a run with cv= "
                "does not keep: pass validation= instead of cv= to ash.tune"
            )
        return self.kept.ensemble(size)

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
        from ash.result_plot import plot_scores

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
        from ash.timeline_plot import plot_threads

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
        from ash.ladder_plot import plot_rungs

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
        from ash.scaling_plot import plot_speedup

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
        from ash.simulate import simulate_result

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
        from ash.trace import write_trace

        write_trace(self, path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return the whole story of the run as JSON, or write it to a file: result_json.py has the keys.

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
        from ash.result_json import to_json

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
        from ash.optuna_study import to_study

        return to_study(self, storage, study_name, yes_or_no("pruned", pruned))

    def __repr__(self) -> str:
        """Return a few lines: the winner, what it cost, its digest, its hyperparameters, the ladder."""
        return result_text(self)

    def _repr_html_(self) -> str:
        return result_html(self)

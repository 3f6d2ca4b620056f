"""What `ash.tune` returns: the winner, and the whole story of the run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ash._utils.checks import whole
from ash.errors import SettingError
from ash.history.records import Columns
from ash.history.text import result_html, result_text
from ash.models.ensemble import Ensemble
from ash.models.network import Network
from ash.models.pool import MOST_DRAWS, Kept
from ash.options import Options
from ash.result.run_result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False, eq=False)
class Result(RunResult):
    """The outcome of `ash.tune`. Immutable; it can be pickled.

    Attributes
    ----------
    model : Network
        That of the highest score (ties: lower loss, candidate, rung); with `cv` trained again, as long, on all rows.
    kept : ash.models.pool.Kept or None
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

    options: Options
    model: Network
    kept: Kept | None
    memory: dict[str, int]
    fold_scores: Columns

    @property
    def best_score(self) -> float:
        """Return the validation score of `model` in `metric`; higher is better, errors are negated."""
        return self.model.validation_score

    @property
    def validation_pool(self) -> Kept | None:
        """Return `kept`."""
        return self.kept

    def own_story(self) -> dict[str, Any]:
        """Return what only runs of networks tell in JSON."""
        return {"memory": self.memory}

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
        from ash.plots.held_out_plot import plot_winner

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
        from ash.plots.held_out_plot import plot_reliability

        return plot_reliability(self, ax)

    def __repr__(self) -> str:
        """Return a few lines: the winner, what it cost, its digest, its hyperparameters, the ladder."""
        return result_text(self, self.memory)

    def _repr_html_(self) -> str:
        return result_html(self, self.memory)

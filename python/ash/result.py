"""What `ash.tune` returns: the winner, and the whole story of the run."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ash.digest import digest_run
from ash.errors import SettingError
from ash.network import Network
from ash.options import Options
from ash.recall import rung_rows
from ash.records import Columns, JobRecord, candidate_rows, job_rows, to_frame
from ash.result_text import result_html, result_text

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from ash.simulate import Simulation

TABLES = ("candidates", "jobs", "rungs")


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """The outcome of `ash.tune`. Immutable; it can be pickled.

    Attributes
    ----------
    model : Network
        That of the highest score (ties: lower loss, candidate, rung); with `cv` trained again, as long, on all rows.
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
    ended : str
        "finished", "target", "epoch_limit", "time_limit" or "interrupted".
    wall_seconds : float
        From the start of the threads to the end of the last one.
    """

    model: Network
    best_candidate: int
    best_rung: int
    params: tuple[dict[str, Any], ...]
    columns: Columns
    assists: Columns
    memory: dict[str, int]
    fold_scores: Columns
    ladder: list[dict[str, int]]
    options: Options
    ended: str
    wall_seconds: float

    @property
    def best_params(self) -> dict[str, Any]:
        """Return the hyperparameters of the best candidate."""
        return dict(self.params[self.best_candidate])

    @property
    def best_score(self) -> float:
        """Return the validation score of `model` in `metric`; higher is better, errors are negated."""
        return self.model.validation_score

    @cached_property
    def candidates(self) -> list[dict[str, Any]]:
        """Return a row for each candidate: candidate, rungs, epochs, score, loss, diverged, params.

        `score` and `loss` are those of its best job, NaN if none ended; `rungs` and `epochs` are what it finished.
        """
        return candidate_rows(self.columns, self.params)

    @cached_property
    def jobs(self) -> list[JobRecord]:
        """Return a record for each finished job, in order of decision (greedy: of finishing)."""
        return job_rows(self.columns)

    @cached_property
    def rungs(self) -> list[dict[str, Any]]:
        """Return a row for each rung, lowest first.

        rung; epochs of a job; places (None for `candidates=None`, whose rungs count once somebody is there); how many
        finished, were promoted, diverged; best_score; recall; spent_epochs of all its finished jobs. `recall` is the
        quality of the promotions: of those that a barrier at the end of the rung would have promoted, the best
        finished // eta without the diverged, the share that went up, NaN for the last rung or if there are none.
        """
        return rung_rows(self.columns, self.ladder, self.options.eta, endless=self.options.candidates is None)

    @cached_property
    def digest(self) -> str:
        """Return a hash of the whole outcome, 64 hexadecimal digits; see ash/digest.py for the exact bytes.

        Hyperparameters, the jobs in order of decision with their scores, losses and weights, and which was the best:
        no times, threads, teams or memory. Equal for two runs of the same data, space, settings and seed on any number
        of threads and any machine with fused multiply-add, if the schedule was "reproducible", or "greedy" on one
        thread, and neither a time limit nor Ctrl-C ended them. Other runs differ by chance, and so do their digests.
        """
        return digest_run(self.params, self.columns, (self.best_candidate, self.best_rung))

    @property
    def epochs(self) -> int:
        """Return the epochs of all finished jobs together."""
        return int(self.columns["epochs"].sum())

    @property
    def core_seconds(self) -> float:
        """Return the seconds that threads spent in finished jobs, helpers included, added up."""
        return float(self.columns["core_seconds"].sum())

    @property
    def utilization(self) -> float:
        """Return the share of the threads' time that went into finished jobs, 0 to 1."""
        return self.core_seconds / (self.threads * self.wall_seconds) if self.wall_seconds > 0 else 0.0

    @property
    def threads(self) -> int:
        """Return how many threads there were."""
        return self.options.threads

    @property
    def seed(self) -> int:
        """Return the seed, the one drawn if None was given."""
        return self.options.seed

    @property
    def metric(self) -> str:
        """Return the metric that the candidates were scored by."""
        return self.model.metric

    @property
    def interrupted(self) -> bool:
        """Return whether Ctrl-C ended the run."""
        return self.ended == "interrupted"

    @property
    def settings(self) -> dict[str, Any]:
        """Return the checked arguments of the run by name."""
        return asdict(self.options)

    def to_pandas(self, table: str = "candidates") -> "pandas.DataFrame":
        """Return a table as a DataFrame.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            In "candidates" every hyperparameter is a column of its own.

        Raises
        ------
        MissingExtra
            pandas is not installed.
        SettingError
            There is no such table.
        """
        if table not in TABLES:
            raise SettingError(f"table={table!r} is not allowed; it must be one of {', '.join(map(repr, TABLES))}")
        return to_frame(self.rows(table))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return "candidates", "jobs" or "rungs" as flat rows: numbers, strings and, for widths, tuples."""
        if table == "candidates":
            return [{**{key: row[key] for key in row if key != "params"}, **row["params"]} for row in self.candidates]
        return [job._asdict() for job in self.jobs] if table == "jobs" else self.rungs

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

    def __repr__(self) -> str:
        """Return a few lines: the winner, what it cost, its digest, its hyperparameters, the ladder."""
        return result_text(self)

    def _repr_html_(self) -> str:
        return result_html(self)

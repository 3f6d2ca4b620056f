"""The history of a run: its jobs, their times and outcomes, and the tables derived from them.

A run that is still going on has a history too. `ash.result` adds what is known at the end.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from ash._utils.cached import cached_property
from ash._utils.checks import one_of
from ash.history.digest import digest_run
from ash.history.record_table import RecordTable
from ash.history.records import Columns, JobRecord, candidate_rows, columns_of, job_rows, rung_rows, to_frame, to_polars
from ash.options import RunOptions
from ash.space.space import Space

if TYPE_CHECKING:
    import pandas
    import polars

    from ash.models.ensemble import Member
    from ash.models.inspection import Sample
    from ash.models.model_pool import Kept

RUNNING = "running"
"""`History.ended` of a run that has not ended yet."""


class WithOptions:
    """Properties that follow from the options of a run, before and after it."""

    options: RunOptions

    @property
    def settings(self) -> dict[str, Any]:
        """Return the checked arguments of the run by name."""
        return asdict(self.options)

    @property
    def task(self) -> str:
        """Return "classification" or "regression", or "function" if a user's function is tuned."""
        return str(self.options.task)

    @property
    def metric(self) -> str:
        """Return the metric that scores candidates; higher is better, errors are negated."""
        return str(self.options.metric)

    @property
    def seed(self) -> int:
        """Return the seed, the one drawn if None was given."""
        return self.options.seed


@dataclass(frozen=True, repr=False, eq=False)
class History(WithOptions):
    """The fields of a `Result` that every run has from its first finished job on; see `Result`."""

    TABLES: ClassVar[tuple[str, ...]] = ("candidates", "jobs", "rungs")

    best_candidate: int
    best_rung: int
    params: tuple[dict[str, Any], ...]
    columns: Columns
    assists: Columns
    ladder: list[dict[str, int]]
    options: RunOptions
    space: Space
    ended: str
    started: datetime
    wall_seconds: float

    @property
    def best_params(self) -> dict[str, Any]:
        """Return the hyperparameters of the best candidate."""
        return dict(self.params[self.best_candidate])

    @property
    def best_score(self) -> float:
        """Return the score of the best job; higher is better, errors are negated."""
        columns = self.columns
        own = (columns["candidate"] == self.best_candidate) & (columns["rung"] == self.best_rung)
        return float(columns["score"][own][0])

    @property
    def best_epochs(self) -> int:
        """Return for how many epochs the best candidate was trained, in all jobs up to the best one."""
        columns = self.columns
        own = (columns["candidate"] == self.best_candidate) & (columns["rung"] <= self.best_rung)
        epochs = columns["epochs"][own]
        return int(epochs.max() if self.options.training == "restart" else epochs.sum())

    @property
    def ranking(self) -> Columns:
        """Return `columns` with the scores by which the ladder ranked, which may be forecasts for functions."""
        return self.columns if self.task != "function" else {**self.columns, "score": -self.columns["loss"]}

    @cached_property
    def candidates(self) -> RecordTable[dict[str, Any]]:
        """Return a row for each candidate: candidate, rungs, epochs, score, loss, diverged, params.

        `score` and `loss` are those of its best job, NaN if none finished; `rungs` and `epochs` count finished ones;
        `diverged` says whether its last job diverged.
        """
        return RecordTable(candidate_rows(self.columns, self.params), "candidates")

    @cached_property
    def jobs(self) -> RecordTable[JobRecord]:
        """Return a record for each finished job, in order of decision (greedy: of finishing)."""
        return RecordTable(job_rows(self.columns), "jobs")

    @cached_property
    def rungs(self) -> RecordTable[dict[str, Any]]:
        """Return a row for each rung, lowest first.

        The columns are rung; epochs of a job; places (None for `candidates=None`, which lists only rungs that a
        candidate has reached); how many finished, were promoted, diverged; best_score; rank_correlation; recall;
        spent_epochs of all its finished jobs. `rank_correlation` is Spearman's, between the scores here and the last
        ones of the candidates that were promoted; NaN for fewer than three. `recall` is the quality of the promotions:
        a barrier at the end of the rung would have promoted the best finished // eta, without the diverged; `recall` is
        the share of these that was promoted, NaN for the last rung or if there are none.
        """
        endless = self.options.candidates is None
        rows = rung_rows(self.columns, self.ladder, self.options.eta, endless=endless, ranking=self.ranking)
        return RecordTable(rows, "rungs")

    @property
    def epochs(self) -> int:
        """Return the epochs of all finished jobs together."""
        return int(self.columns["epochs"].sum())

    @property
    def core_seconds(self) -> float:
        """Return the total seconds that threads spent in finished jobs, including helpers."""
        return float(self.columns["core_seconds"].sum())

    @property
    def utilization(self) -> float:
        """Return the share of the threads' time that went into finished jobs, 0 to 1."""
        return self.core_seconds / (self.threads * self.wall_seconds) if self.wall_seconds > 0 else 0.0

    @property
    def threads(self) -> int:
        """Return the number of threads."""
        return self.options.threads

    @property
    def interrupted(self) -> bool:
        """Return whether Ctrl-C ended the run."""
        return self.ended == "interrupted"

    @cached_property
    def digest(self) -> str:
        """Return a hash of the whole outcome, 64 hexadecimal digits; see ash/history/digest.py for the exact bytes.

        It covers hyperparameters, the jobs in order of decision with their scores, losses and weights, and the best
        job, but no times, threads, teams or memory, and no states of functions. It is equal for two runs with the same
        data, space, settings and seed, on any number of threads and any machine with fused multiply-add, if the
        schedule was "reproducible", or "greedy" on one thread, and if neither a time limit nor Ctrl-C ended them. A
        function must also return equal scores. Other runs differ by chance, and so do their digests.
        """
        return digest_run(self.params, self.columns, (self.best_candidate, self.best_rung))

    def to_pandas(self, table: str = "candidates") -> "pandas.DataFrame":
        """Return a table as a DataFrame.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            In "candidates" every hyperparameter has its own column.

        Raises
        ------
        MissingExtra
            pandas is not installed.
        SettingError
            There is no such table.
        """
        return to_frame(self.rows(one_of("table", table, self.TABLES)))

    def to_polars(self, table: str = "candidates") -> "polars.DataFrame":
        """Return a table as a polars DataFrame; widths are lists, and missing hyperparameters are null.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            In "candidates" every hyperparameter has its own column.

        Raises
        ------
        MissingExtra
            polars is not installed.
        SettingError
            There is no such table.
        """
        jobs = one_of("table", table, self.TABLES) == "jobs"
        columns = {name: self.columns[name] for name in JobRecord._fields} if jobs else columns_of(self.rows(table))
        return to_polars(columns)

    @property
    def validation_pool(self) -> "Kept | None":
        """Return the best networks with their predictions of the validation rows, or None if there are none."""
        return None

    @property
    def inspected(self) -> "tuple[Member, Sample] | tuple[None, None]":
        """Return the model and the rows on which it can be inspected, or None if there are none."""
        return None, None

    def own_story(self) -> dict[str, Any]:
        """Return the entries of the JSON that only runs of this kind have."""
        return {}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table as flat rows: numbers, strings and, for widths, tuples.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            As for `to_pandas`.
        """
        if table == "candidates":
            return [{**{key: row[key] for key in row if key != "params"}, **row["params"]} for row in self.candidates]
        return [job._asdict() for job in self.jobs] if table == "jobs" else self.rungs

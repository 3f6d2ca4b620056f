"""Contains `History`: the jobs of a run, their times and outcomes, and the tables derived from them.

The history is available during the run as well. `ash.result` adds the facts that are known only at the end.
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
"""The value of `History.ended` for a run that has not ended yet."""


class WithOptions:
    """Properties that follow from a run's options and are therefore known before the run starts."""

    options: RunOptions

    @property
    def settings(self) -> dict[str, Any]:
        """Return the checked arguments of the run by name."""
        return asdict(self.options)

    @property
    def task(self) -> str:
        """Return "classification", "regression", or "function" if a user's function is tuned."""
        return str(self.options.task)

    @property
    def metric(self) -> str:
        """Return the metric that scores candidates; higher is better, errors are negated."""
        return str(self.options.metric)

    @property
    def seed(self) -> int:
        """Return the seed of the run; if None was given, this is the seed that was drawn."""
        return self.options.seed


@dataclass(frozen=True, repr=False, eq=False)
class History(WithOptions):
    """The fields of `Result` that are known from the first finished job on; `Result` describes them."""

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
        """Return the number of epochs for which the best candidate was trained up to its best rung."""
        columns = self.columns
        own = (columns["candidate"] == self.best_candidate) & (columns["rung"] <= self.best_rung)
        epochs = columns["epochs"][own]
        return int(epochs.max() if self.options.training == "restart" else epochs.sum())

    @property
    def ranking(self) -> Columns:
        """Return `columns` with the scores that the ladder used to rank jobs; for functions they may be forecasts."""
        return self.columns if self.task != "function" else {**self.columns, "score": -self.columns["loss"]}

    @cached_property
    def candidates(self) -> RecordTable[dict[str, Any]]:
        """Return one row per candidate, with candidate, rungs, epochs, score, loss, diverged and params.

        `score` and `loss` are those of the candidate's best job, or NaN if the candidate has no score. `rungs` and
        `epochs` are totals over its finished jobs. `diverged` says whether its last job diverged.
        """
        return RecordTable(candidate_rows(self.columns, self.params), "candidates")

    @cached_property
    def jobs(self) -> RecordTable[JobRecord]:
        """Return one record per finished job, in order of decision (in the greedy schedule: in order of finishing)."""
        return RecordTable(job_rows(self.columns), "jobs")

    @cached_property
    def rungs(self) -> RecordTable[dict[str, Any]]:
        """Return one row per rung, lowest first.

        The keys are rung, epochs, places, finished, promoted, diverged, best_score, rank_correlation, recall and
        spent_epochs. `epochs` counts the epochs of one job, `spent_epochs` those of all finished jobs. `finished`,
        `promoted` and `diverged` count candidates. With `candidates=None`, `places` is None and only rungs that a
        candidate has reached are listed. `rank_correlation` is Spearman's correlation between the promoted candidates'
        scores in this rung and their last scores. It is NaN for fewer than three such candidates, or if one of the two
        sets of scores is constant. `recall` measures the quality of the promotions. With a barrier at the end of the
        rung, the best candidates that have not diverged would have been promoted, ``finished // eta`` of them. `recall`
        is the share of these candidates that was promoted. It is NaN for the last rung, if jobs of the next rung are
        unfinished, or if a barrier would promote no candidate.
        """
        endless = self.options.candidates is None
        rows = rung_rows(self.columns, self.ladder, self.options.eta, endless=endless, ranking=self.ranking)
        return RecordTable(rows, "rungs")

    @property
    def epochs(self) -> int:
        """Return the total number of epochs of all finished jobs."""
        return int(self.columns["epochs"].sum())

    @property
    def core_seconds(self) -> float:
        """Return the total seconds that threads, including helping threads, spent in finished jobs."""
        return float(self.columns["core_seconds"].sum())

    @property
    def utilization(self) -> float:
        """Return the share of the threads' time that was spent in finished jobs, from 0 to 1."""
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
        """Return a hash of the whole outcome, 64 hexadecimal digits; ash/history/digest.py defines the exact bytes.

        The hash covers the hyperparameters, the jobs in order of decision with their scores, losses and weights, and
        the best job. It does not cover times, threads, teams, memory or the states of functions. Two runs with the same
        data, space, settings and seed have equal digests, on any number of threads and any machine with fused
        multiply-add, under two conditions: (1) the schedule was "reproducible", or "greedy" on one thread; (2) no
        time limit, callback or Ctrl-C ended the runs. A tuned function must also return equal scores. Otherwise
        outcomes depend on timing, and so do digests.
        """
        return digest_run(self.params, self.columns, (self.best_candidate, self.best_rung))

    def to_pandas(self, table: str = "candidates") -> "pandas.DataFrame":
        """Return a table as a DataFrame.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            In "candidates" every hyperparameter has its own column. If another column has the same name, it is called
            `params.<name>`. A `FunctionResult` also has the table "failures".

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        SettingError
            There is no such table.
        """
        return to_frame(self.rows(one_of("table", table, self.TABLES)))

    def to_polars(self, table: str = "candidates") -> "polars.DataFrame":
        """Return a table as a polars DataFrame; layer widths are lists, and missing hyperparameters are null.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            In "candidates" every hyperparameter has its own column. If another column has the same name, it is called
            `params.<name>`. A `FunctionResult` also has the table "failures".

        Raises
        ------
        MissingExtraError
            polars is not installed.
        SettingError
            There is no such table.
        """
        columns = columns_of(self.rows(one_of("table", table, self.TABLES)))
        arrays = {name: self.columns[name] for name in JobRecord._fields} if table == "jobs" else {}  # keep the dtypes
        return to_polars({**columns, **arrays})

    @property
    def validation_pool(self) -> "Kept | None":
        """Return the best models with their predictions for the validation rows, or None if there are none."""
        return None

    @property
    def inspected(self) -> "tuple[Member, Sample] | tuple[None, None]":
        """Return the model and the rows for inspecting it; (None, None) if the run has no such rows."""
        return None, None

    def own_story(self) -> dict[str, Any]:
        """Return the entries of the JSON document that depend on the kind of run (on a table or of a function)."""
        return {}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table as flat rows of numbers, strings and, for layer widths, tuples.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            As for `to_pandas`.
        """
        if table == "candidates":
            return list(map(_flat, self.candidates))
        return [job._asdict() for job in self.jobs] if table == "jobs" else self.rungs


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate's row with a column for each hyperparameter."""
    facts = {key: value for key, value in row.items() if key != "params"}
    return facts | {f"params.{name}" if name in facts else name: value for name, value in row["params"].items()}

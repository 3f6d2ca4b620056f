"""What a run has left, and what can be read off it: tables, costs, settings. `Result` is this with its methods."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ash.course import Course
from ash.digest import digest_run
from ash.kept import Kept
from ash.network import Network
from ash.options import Options, one_of
from ash.records import Columns, JobRecord, columns_of, to_frame, to_polars

if TYPE_CHECKING:
    import pandas
    import polars

TABLES = ("candidates", "jobs", "rungs")


@dataclass(frozen=True, repr=False, eq=False)
class Outcome(Course):
    """The fields of a `Result`, which says what they are, and what they add up to: a course and its end."""

    options: Options
    model: Network
    kept: Kept | None
    memory: dict[str, int]
    fold_scores: Columns

    @property
    def best_score(self) -> float:
        """Return the validation score of `model` in `metric`; higher is better, errors are negated."""
        return self.model.validation_score

    @cached_property
    def digest(self) -> str:
        """Return a hash of the whole outcome, 64 hexadecimal digits; see ash/digest.py for the exact bytes.

        Hyperparameters, the jobs in order of decision with their scores, losses and weights, and which was the best:
        no times, threads, teams or memory. Equal for two runs of the same data, space, settings and seed on any number
        of threads and any machine with fused multiply-add, if the schedule was "reproducible", or "greedy" on one
        thread, and neither a time limit nor Ctrl-C ended them. Other runs differ by chance, and so do their digests.
        """
        return digest_run(self.params, self.columns, (self.best_candidate, self.best_rung))

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
        return to_frame(self.rows(one_of("table", table, TABLES)))

    def to_polars(self, table: str = "candidates") -> "polars.DataFrame":
        """Return a table as a DataFrame of polars; widths are lists, and what a candidate has not is null.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs"}
            In "candidates" every hyperparameter is a column of its own.

        Raises
        ------
        MissingExtra
            polars is not installed.
        SettingError
            There is no such table.
        """
        jobs = one_of("table", table, TABLES) == "jobs"
        columns = {name: self.columns[name] for name in JobRecord._fields} if jobs else columns_of(self.rows(table))
        return to_polars(columns)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return "candidates", "jobs" or "rungs" as flat rows: numbers, strings and, for widths, tuples."""
        if table == "candidates":
            return [{**{key: row[key] for key in row if key != "params"}, **row["params"]} for row in self.candidates]
        return [job._asdict() for job in self.jobs] if table == "jobs" else self.rungs

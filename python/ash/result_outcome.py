"""What a run has left, and what can be read off it: tables, costs, settings. `Result` is this with its methods."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ash.course import Course
from ash.digest import digest_run
from ash.errors import SettingError
from ash.kept import Kept
from ash.network import Network
from ash.records import Columns, to_frame

if TYPE_CHECKING:
    import pandas

TABLES = ("candidates", "jobs", "rungs")


@dataclass(frozen=True, repr=False, eq=False)
class Outcome(Course):
    """The fields of a `Result`, which says what they are, and what they add up to: a course and its end."""

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
        if table not in TABLES:
            raise SettingError(f"table={table!r} is not allowed; it must be one of {', '.join(map(repr, TABLES))}")
        return to_frame(self.rows(table))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return "candidates", "jobs" or "rungs" as flat rows: numbers, strings and, for widths, tuples."""
        if table == "candidates":
            return [{**{key: row[key] for key in row if key != "params"}, **row["params"]} for row in self.candidates]
        return [job._asdict() for job in self.jobs] if table == "jobs" else self.rungs

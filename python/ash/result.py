"""What `ash.tune` returns: the winner, and the whole story of the run."""

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ash.errors import MissingExtra, SettingError
from ash.network import Network
from ash.options import Options
from ash.records import Columns, JobRecord, candidate_rows, job_rows, rung_rows
from ash.text_table import format_table, show, show_param, show_params, show_seconds

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

TABLES = ("candidates", "jobs", "rungs")


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """The outcome of `ash.tune`. Immutable; it can be pickled.

    Attributes
    ----------
    model : Network
        The network of the highest score (ties: lower loss, lower candidate, lower rung), as it stood then.
    best_candidate, best_rung : int
        Whose it is, and after which rung.
    params : tuple of dict
        The hyperparameters of every candidate, at its number.
    columns : dict of str to ndarray
        The fields of `jobs`, an array each, a row a finished job in order of finishing.
    ladder : list of dict
        Counts of each rung, as the core reports them.
    options : Options
        The checked arguments of the run.
    ended : str
        "finished", "time_limit" or "interrupted".
    wall_seconds : float
        From the start of the threads to the end of the last one.
    """

    model: Network
    best_candidate: int
    best_rung: int
    params: tuple[dict[str, Any], ...]
    columns: Columns
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
        """Return a record for each finished job, in order of finishing."""
        return job_rows(self.columns)

    @cached_property
    def rungs(self) -> list[dict[str, Any]]:
        """Return a row for each rung: rung, epochs (of a job), places, finished, promoted, diverged, best_score."""
        return rung_rows(self.columns, self.ladder)

    @property
    def epochs(self) -> int:
        """Return the epochs of all finished jobs together."""
        return int(self.columns["epochs"].sum())

    @property
    def core_seconds(self) -> float:
        """Return the seconds that threads spent in finished jobs, added up."""
        return float((self.columns["end"] - self.columns["start"]).sum())

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
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra(
                "to_pandas needs pandas; install it by: pip install pandas (or 'ash-tune[tables]')"
            ) from error
        return pandas.DataFrame.from_records(self.rows(table))

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

    def __repr__(self) -> str:
        """Return a few lines: the winner, what it cost, its hyperparameters, the ladder."""
        lines = [*self._headlines(), "", *show_params(self.best_params), "", *format_table(*self._ladder_table())]
        return "\n".join(lines)

    def _headlines(self) -> list[str]:
        ended = {"finished": "", "time_limit": ", stopped by the time limit", "interrupted": ", interrupted"}
        return [
            f"{self.metric} {show(self.best_score)} by candidate {self.best_candidate} in rung {self.best_rung}",
            f"{len(self.params)} candidates, {len(self.columns['rung'])} jobs, {self.epochs} epochs"
            f" in {show_seconds(self.wall_seconds)} on {self.threads} thread{'s' * (self.threads > 1)}"
            f" ({self.utilization:.0%} busy), seed {self.seed}{ended[self.ended]}",
        ]

    def _ladder_table(self) -> tuple[list[str], list[list[Any]]]:
        header = ["rung", "epochs", "places", "finished", "promoted", "diverged", f"best {self.metric}"]
        return header, [list(row.values()) for row in self.rungs]

    def _repr_html_(self) -> str:
        params = [[name, show_param(value)] for name, value in self.best_params.items()]
        header, rows = self._ladder_table()
        headlines = "<br>".join(map(html.escape, self._headlines()))
        return f"<p>{headlines}</p>{_html_table([], params)}{_html_table(header, rows)}"


def _html_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(show(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' * bool(header)}{body}</table>"

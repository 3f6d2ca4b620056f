"""What `ash.tune_function` returns: the best hyperparameters and state, and the whole story of the run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ash._utils.display import format_table, show, show_params, show_seconds
from ash.errors import AllFailed, NothingFinished
from ash.history.digest import SHORT_DIGEST
from ash.options import FunctionOptions
from ash.result.run_result import RunResult

CAUSES_SHOWN = 10


class FailureRecord(NamedTuple):
    """A job that has no score: what kind of end it had, and the traceback, or what is known.

    `kind` is "failed" (the function raised, or gave back what is no score), "late" or "died".
    """

    candidate: int
    rung: int
    epochs: int
    kind: str
    text: str


@dataclass(frozen=True, repr=False, eq=False)
class FunctionResult(RunResult):
    """The outcome of `ash.tune_function`. Immutable; it can be pickled if the state can.

    Attributes
    ----------
    best_candidate, best_rung : int
        Whose score is the highest (ties: lower candidate, lower rung), and after which rung.
    best_state : object
        What the function gave back with that score.
    failures : tuple of FailureRecord
        The jobs without a score, in order of decision.
    memory : dict of str to int
        Of waiting states: `limit` and `peak_bytes` of those in memory, how many were `spilled` to files, how many
        `dropped` since there was no room for them either, and the `retrained_epochs` of all that was trained again,
        also since its state was of an earlier process.
    infos : tuple
        What else is told of each of `jobs`: by `ash.ASHSearchCV` the scores of the folds, None by other
        functions; out of a journal as JSON has it.
    params : tuple of dict
        The hyperparameters of every candidate, at its number.
    columns : dict of str to ndarray
        The fields of `jobs`, an array each, a row a finished job in order of decision. `loss` is what
        the ladder has ranked by, negated: the score, or what `ash.ASHSearchCV` expects it to be after the next rung.
    ladder : list of dict
        Counts of each rung, as the core reports them.
    options : FunctionOptions
        The checked arguments of the run.
    space : FunctionSpace
        Where the candidates were drawn from.
    ended : str
        "finished", "target", "epoch_limit", "time_limit", "stopped" (by a callback), "interrupted", or "failures" (too
        many in a row).
    started : datetime
        When it began, in UTC: second 0 of all jobs.
    wall_seconds : float
        To the end of the last job.
    """

    TABLES: ClassVar[tuple[str, ...]] = (*RunResult.TABLES, "failures")

    options: FunctionOptions
    best_state: Any
    failures: tuple[FailureRecord, ...]
    memory: dict[str, int]
    infos: tuple[Any, ...]

    @property
    def schedule(self) -> str:
        """Return "reproducible" where the outcome depends on no timing, else "greedy"."""
        return self.options.schedule

    def own_story(self) -> dict[str, Any]:
        """Return what only runs of functions tell in JSON."""
        return {"failures": self.rows("failures")}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return "candidates", "jobs", "rungs" or "failures" as flat rows."""
        return [failure._asdict() for failure in self.failures] if table == "failures" else super().rows(table)

    def __repr__(self) -> str:
        """Return a few lines: the best, what it cost, its digest, its hyperparameters, ladder, causes of failures."""
        names = ["rung", "epochs", "finished", "promoted", "diverged", "best_score"]
        table = format_table(names, [[rung[name] for name in names] for rung in self.rungs])
        failed = ["", causes(self.failures)] if self.failures else []
        return "\n".join([*self._headlines(), "", *show_params(self.best_params), "", *table, *failed])

    def _headlines(self) -> list[str]:
        ended = "" if self.ended == "finished" else f", ended: {self.ended}"
        return [
            f"score {show(self.best_score)} by candidate {self.best_candidate} in rung {self.best_rung}",
            f"{len(self.params)} candidates, {len(self.columns['rung'])} jobs, {self.epochs} epochs in "
            f"{show_seconds(self.wall_seconds)}, {self.threads} at a time, seed {self.seed}{ended}",
            f"digest {self.digest[:SHORT_DIGEST]}, schedule {self.schedule}, {len(self.failures)} failures",
        ]


def causes(failures: Sequence[FailureRecord]) -> str:
    """Return a table of the causes, the most frequent first: how often, what kind, the last line of the text."""
    found = Counter((failure.kind, (failure.text.strip().splitlines() or [""])[-1][:200]) for failure in failures)
    shown = [(count, kind, line) for (kind, line), count in found.most_common(CAUSES_SHOWN)]
    more = [f"and {len(found) - CAUSES_SHOWN} other causes"] if len(found) > CAUSES_SHOWN else []
    return "\n".join([*format_table(["jobs", "end", "cause"], shown), *more])


def no_score(ended: str, failures: Sequence[FailureRecord], seconds: float) -> BaseException:
    """Return what to raise for a run of so many seconds that has no score, by how it ended."""
    if ended == "interrupted":
        return KeyboardInterrupt()
    if failures:
        return AllFailed(f"all {len(failures)} jobs have failed:\n{causes(failures)}")
    why = "a callback has stopped the run" if ended == "stopped" else "the time limit was over"
    return NothingFinished(f"{why} after {seconds:.3g} s, before the first job ended")

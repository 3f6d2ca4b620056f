"""The decided jobs of a function's run, as its result reports them: the best one, the failures, and the infos.

Threads: only the calling thread. Cost: about a microsecond per job.
"""

from typing import Any, NamedTuple

from ash._utils.aliases import Key
from ash._utils.user_warnings import warn_user
from ash.function.answers import FINISHED, Answer, Tunable
from ash.history.records import PRUNED, STORY
from ash.options import FunctionPlan
from ash.result import FailureRecord, causes
from ash.space.hyperparameters import Params


class Best(NamedTuple):
    """The best job so far.

    This is the job with the highest score in the highest rung; of equal scores, the lowest candidate number is best.
    Scores in lower rungs are those of less training, and of more candidates, so the highest of them owes more to luck.
    A job that reaches the score at which the run ends (`reaches`) is better than jobs in higher rungs.
    """

    reaches: bool
    rung: int
    score: float
    candidate: int
    state: Any

    def is_behind(self, other: "Best") -> bool:
        """Return whether another job is better than this job."""
        return (*other[:3], -other.candidate) > (*self[:3], -self.candidate)


class Outcomes:
    """The outcomes of a run's jobs in order of decision.

    `epochs` lists the epochs of a job in each rung. `best` is None until a job has a score. `stories` has the
    suggestions of Optuna trials, keyed by candidate.
    """

    def __init__(self, train: Tunable, plan: FunctionPlan, epochs: list[int]) -> None:
        self._train, self._plan, self._epochs = train, plan, epochs
        self._decided: list[tuple[int, Any]] = []  # the candidate and `Answer.info` of each job
        self._in_a_row = 0  # consecutive failures
        self._warned: set[str] = set()
        self.failures: list[FailureRecord] = []
        self.stories: dict[int, dict[str, Any]] = {}
        self.best: Best | None = None
        self.refit_seconds = 0.0  # expected for the best candidate

    def __len__(self) -> int:
        return len(self._decided)

    @property
    def infos(self) -> tuple[Any, ...]:
        """Return `Answer.info` of each job."""
        return tuple(info for _, info in self._decided)

    def warn_once(self, about: str, text: str, category: type[Warning] = UserWarning) -> None:
        """Warn, but only once per run about the same thing."""
        if about not in self._warned:
            self._warned.add(about)
            warn_user(text, category)

    def params(self, drawn: list[Params]) -> list[Params]:
        """Return the hyperparameters of the candidates so far; for Optuna trials, the values suggested so far."""
        if not self.stories:
            return drawn
        return [self.stories[number]["params"] if number in self.stories else {} for number in range(len(drawn))]

    def add(self, key: Key, answer: Answer) -> None:
        """Add a decided job."""
        candidate, rung = key
        self._decided.append((candidate, answer.info))
        if (story := story_of(answer)) is not None:
            self.stories[candidate] = story
        if answer.kind == FINISHED:
            self._in_a_row = 0
            self._compare(key, answer)
        else:
            text = answer.text.encode("utf-8", "backslashreplace").decode()  # without lone surrogates
            self.failures.append(FailureRecord(candidate, rung, self._epochs[rung], answer.kind, text))
            self._in_a_row += answer.text != PRUNED

    def _compare(self, key: Key, answer: Answer) -> None:
        """Store a job if it is the best so far."""
        candidate, rung = key
        target = self._plan.least_score
        may_reach = not self._train.is_objective or rung == len(self._epochs) - 1
        reaches = target is not None and answer.score >= target and may_reach
        best = Best(reaches, rung, answer.score, candidate, answer.state)
        if self.best is None or self.best.is_behind(best):
            self.best = best
            self.refit_seconds = self._train.refit_seconds([info for each, info in self._decided if each == candidate])

    def keep(self, state: Any) -> None:
        """Replace the state of the best job."""
        if self.best is not None:
            self.best = self.best._replace(state=state)

    def warn_of_errors(self, *, are_the_end: bool) -> None:
        """Warn of failed jobs; `are_the_end` says that too many failures in a row have ended the run."""
        if errors := [each for each in self.failures if each.text != PRUNED]:
            why = f", {self._in_a_row} in a row, which ended the run" if are_the_end else ""
            text = f"{len(errors)} of {len(self)} jobs failed{why}:\n{causes(errors)}"
            warn_user(text, self._train.failure_warning)


def story_of(answer: Answer) -> dict[str, Any] | None:
    """Return the suggestions of an Optuna trial, or None if the answer has none."""
    return answer.info.get(STORY) if isinstance(answer.info, dict) else None

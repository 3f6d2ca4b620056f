"""The rules of the ladder in plain Python: the oracle for every other ladder.

Nothing is clever here. What finished in a rung is kept in one list, sorted anew whenever somebody asks, so that each
rule can be read off its sentence. The interface is that of `ash._core.Ladder`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """One candidate to be trained for one rung."""

    candidate: int
    rung: int
    epochs: int


@dataclass(frozen=True)
class Outcome:
    """How one candidate ended in one rung."""

    candidate: int
    score: float
    loss: float

    @property
    def diverged(self) -> bool:
        """A non-finite score or loss."""
        return not (math.isfinite(self.score) and math.isfinite(self.loss))

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """Sorts the best first: diverged last, then higher score, lower loss, lower candidate."""
        if self.diverged:
            return True, 0.0, 0.0, self.candidate
        return False, -self.score, self.loss, self.candidate


@dataclass
class Rung:
    """Who runs, who finished and who was promoted out of here."""

    places: int
    epochs: int
    running: list[int] = field(default_factory=list)
    finished: list[Outcome] = field(default_factory=list)
    promoted: list[int] = field(default_factory=list)

    def ranking(self) -> list[Outcome]:
        """All that finished, the best first."""
        return sorted(self.finished, key=lambda outcome: outcome.rank)

    def waiting(self) -> list[Outcome]:
        """Scored, not diverged and not promoted, the best first."""
        return [each for each in self.ranking() if not each.diverged and each.candidate not in self.promoted]


def rung_sizes(candidates: int, eta: int) -> list[int]:
    """Return floor(n / eta^k) of every rung; the last one is the highest with at least eta places."""
    sizes = [candidates]
    k = 1
    while candidates // eta**k >= eta:
        sizes.append(candidates // eta**k)
        k += 1
    return sizes


class ReferenceLadder:
    """Rungs, promotions and the next job, by ask and tell."""

    def __init__(
        self,
        candidates: int,
        *,
        eta: int = 2,
        min_epochs: int = 1,
        max_rungs: int = 0,
        algorithm: str = "ash",
        promotion: str = "capped",
    ) -> None:
        if candidates < 1 or candidates >= 2**31 or eta < 2 or min_epochs < 1 or max_rungs < 0:
            raise ValueError("candidates 1..2^31-1, eta >= 2, min_epochs >= 1, max_rungs >= 0")
        if algorithm not in ("ash", "sh", "random") or promotion not in ("capped", "paper"):
            raise ValueError("no such algorithm or promotion")
        sizes = rung_sizes(candidates, eta)
        if max_rungs > 0:
            sizes = sizes[:max_rungs]
        if min_epochs * eta ** (len(sizes) - 1) >= 2**63:
            raise ValueError("the epochs of the last rung exceed 2^63 - 1")
        if algorithm == "random":
            sizes = [candidates] * len(sizes)
        self._eta = eta
        self._algorithm = algorithm
        self._promotion = promotion
        self._candidates = list(range(candidates))
        self._rungs = [Rung(places, min_epochs * eta**k) for k, places in enumerate(sizes)]

    def next(self) -> Job | None:
        """From the highest rung down the first promotable; else the next of `candidates`; else nothing."""
        for k, outcome in self._promotable():
            self._rungs[k].promoted.append(outcome.candidate)
            return self._start(outcome.candidate, k + 1)
        if self._candidates:
            return self._start(self._candidates.pop(0), 0)
        return None

    def report(self, job: Job, score: float, loss: float) -> None:
        """Take a result; ValueError when the job is not running."""
        if not 0 <= job.rung < len(self._rungs) or job.candidate not in self._rungs[job.rung].running:
            raise ValueError(f"{job} is not running")
        self._rungs[job.rung].running.remove(job.candidate)
        self._rungs[job.rung].finished.append(Outcome(job.candidate, score, loss))

    @property
    def finished(self) -> bool:
        """Nothing runs and nothing can be had."""
        can_be_had = self._candidates or any(True for _ in self._promotable())
        return not can_be_had and not any(rung.running for rung in self._rungs)

    @property
    def rungs(self) -> list[dict[str, int]]:
        """A row of counts a rung."""
        return [
            {
                "places": rung.places,
                "epochs": rung.epochs,
                "running": len(rung.running),
                "finished": len(rung.finished),
                "promoted": len(rung.promoted),
                "diverged": sum(outcome.diverged for outcome in rung.finished),
            }
            for rung in self._rungs
        ]

    def _start(self, candidate: int, k: int) -> Job:
        self._rungs[k].running.append(candidate)
        return Job(candidate, k, self._rungs[k].epochs)

    def _promotable(self) -> Iterator[tuple[int, Outcome]]:
        for k in reversed(range(len(self._rungs) - 1)):
            waiting = self._rungs[k].waiting()
            if waiting and self._may_go_up(k, waiting[0]):
                yield k, waiting[0]

    def _may_go_up(self, k: int, best_waiting: Outcome) -> bool:
        rung = self._rungs[k]
        m = len(rung.finished) // self._eta
        if self._algorithm == "random":
            return True
        if self._algorithm == "sh":
            # The barrier: nobody below, nobody running here, so all of this rung have finished.
            below = any(self._stays_below(j) for j in range(k))
            everyone = not self._candidates and not below and not rung.running
            return everyone and len(rung.promoted) < self._rungs[k + 1].places
        if self._promotion == "paper":
            return best_waiting in rung.ranking()[:m]
        return len(rung.promoted) < m

    def _stays_below(self, j: int) -> bool:
        """Whether rung j still runs a job or still has somebody to send up."""
        rung = self._rungs[j]
        return bool(rung.running) or (bool(rung.waiting()) and len(rung.promoted) < self._rungs[j + 1].places)

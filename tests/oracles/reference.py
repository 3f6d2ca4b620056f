"""Implements the rules of the ladder in plain Python, as the oracle with which the core's ladder is compared.

The code is deliberately naive, so that each rule reads like its definition. For example, the results of a rung are in
one list, which is sorted again for each query. The interface is that of `ash._core.Ladder`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

PROMOTIONS = ("capped", "paper", "improving")


@dataclass(frozen=True)
class Job:
    """One candidate to be trained for one rung."""

    candidate: int
    rung: int
    epochs: int


@dataclass(frozen=True)
class Outcome:
    """The result of one candidate in one rung."""

    candidate: int
    score: float
    loss: float
    fallen: bool = False  # whether the result is no better than in the rung below (rule "improving")

    @property
    def diverged(self) -> bool:
        """Return whether the score or the loss is not finite."""
        return not (math.isfinite(self.score) and math.isfinite(self.loss))

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """Return a sort key: by score (highest first), loss, and candidate; diverged and fallen results are last."""
        if self.diverged or self.fallen:
            return True, 0.0, 0.0, self.candidate
        return False, -self.score, self.loss, self.candidate


@dataclass
class Rung:
    """The candidates that are running in this rung, have finished it, or were promoted from it."""

    places: int
    epochs: int
    running: list[int] = field(default_factory=list)
    finished: list[Outcome] = field(default_factory=list)
    promoted: list[int] = field(default_factory=list)

    def ranking(self) -> list[Outcome]:
        """Return all finished candidates, the best first."""
        return sorted(self.finished, key=lambda outcome: outcome.rank)

    def waiting(self) -> list[Outcome]:
        """Return the candidates that were scored (not diverged or fallen) and not promoted, the best first."""
        promoted = set(self.promoted)
        return [each for each in self.ranking() if not each.rank[0] and each.candidate not in promoted]


def rung_sizes(candidates: int, eta: int) -> list[int]:
    """Return floor(n / eta^k) for every rung k; the last rung is the highest with at least eta places."""
    sizes = [candidates]
    k = 1
    while candidates // eta**k >= eta:
        sizes.append(candidates // eta**k)
        k += 1
    return sizes


class ReferenceLadder:
    """A ladder that chooses the next job and receives results, with the interface of the core's ladder."""

    def __init__(
        self,
        candidates: int,
        *,
        eta: int = 2,
        min_epochs: int = 1,
        max_rungs: int = 0,
        algorithm: str = "ash",
        promotion: str = "capped",
        max_total_epochs: int = 0,
        stop_score: float = math.nan,
        patience: int = 0,
    ) -> None:
        if candidates < 1 or candidates >= 2**31 or eta < 2 or min_epochs < 1 or max_rungs < 0 or max_total_epochs < 0:
            raise ValueError("candidates 1..2^31-1, eta >= 2, min_epochs >= 1, max_rungs >= 0, max_total_epochs >= 0")
        if algorithm not in ("ash", "sh", "random") or promotion not in PROMOTIONS:
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
        self._epoch_limit = max_total_epochs
        self._target = stop_score
        self._patience = patience
        self._told: list[float] = []
        self._ended: str | None = None
        self._count = candidates
        self._given: list[Job] = []
        self._taken: set[int] = set()
        self._candidates = list(range(candidates))
        self._rungs = [Rung(places, min_epochs * eta**k) for k, places in enumerate(sizes)]

    def next(self) -> Job | None:
        """Return a job for a promotable candidate (highest rung first), else for a new candidate, else None."""
        job = self._next_job()
        if job is None or self._exceeds_limit(job):
            return None
        if job.rung == 0:
            self._candidates.remove(job.candidate)
        else:
            self._rungs[job.rung - 1].promoted.append(job.candidate)
        self._rungs[job.rung].running.append(job.candidate)
        self._given.append(job)
        return job

    def has_job(self) -> bool:
        """Return whether `next` would return a job."""
        job = self._next_job()
        return job is not None and not self._exceeds_limit(job)

    def report(self, job: Job, score: float, loss: float) -> None:
        """Store the result of a job, or raise ValueError if the job is not running."""
        if not 0 <= job.rung < len(self._rungs) or job.candidate not in self._rungs[job.rung].running:
            raise ValueError(f"{job} is not running")
        self._rungs[job.rung].running.remove(job.candidate)
        outcome = Outcome(job.candidate, score, loss, self._has_fallen(job, score, loss))
        self._rungs[job.rung].finished.append(outcome)
        self._told.append(-math.inf if outcome.diverged else score)
        if self._ended is None and self._told[-1] >= self._target:
            self._ended = "stop_score"
        elif self._ended is None and self._is_fruitless():
            self._ended = "patience"

    def _is_fruitless(self) -> bool:
        """Return whether none of the last `patience` scores is higher than all scores before it."""
        new = [max(self._told[:place], default=-math.inf) < score for place, score in enumerate(self._told)]
        return 0 < self._patience <= len(new) and not any(new[-self._patience :])

    def _has_fallen(self, job: Job, score: float, loss: float) -> bool:
        if self._promotion != "improving" or self._algorithm != "ash" or job.rung == 0:
            return False
        before = next(each for each in self._rungs[job.rung - 1].finished if each.candidate == job.candidate)
        return not (score > before.score or (score == before.score and loss < before.loss))

    @property
    def finished(self) -> bool:
        """Return whether the ladder has ended: no job runs or is left, or the stop score or patience ended it."""
        return self.ending is not None

    @property
    def ending(self) -> str | None:
        """Return why the ladder has ended; None if it has not ended."""
        if self._ended is not None:
            return self._ended
        if self.has_job() or any(rung.running for rung in self._rungs):
            return None
        return "max_total_epochs" if self._next_job() is not None else "finished"

    def take_retired(self) -> list[int]:
        """Return, in ascending order, the newly retired candidates: those that no earlier call has returned."""
        retired = self._retired()
        new = sorted(retired - self._taken)
        self._taken |= retired
        return new

    @property
    def rungs(self) -> list[dict[str, int]]:
        """Return one dict of counts per rung."""
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

    def _next_job(self) -> Job | None:
        """Return the next job, regardless of the epoch limit."""
        if self._ended is not None:
            return None
        for k, outcome in self._promotable():
            return Job(outcome.candidate, k + 1, self._rungs[k + 1].epochs)
        return Job(self._candidates[0], 0, self._rungs[0].epochs) if self._candidates else None

    def _exceeds_limit(self, job: Job) -> bool:
        return self._epoch_limit > 0 and sum(each.epochs for each in [*self._given, job]) > self._epoch_limit

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
            # The barrier opens if no job of this rung is running and no candidate can still come from a lower rung.
            below = any(self._stays_below(j) for j in range(k))
            everyone = not self._candidates and not below and not rung.running
            return everyone and len(rung.promoted) < self._rungs[k + 1].places
        if self._promotion != "capped":
            return best_waiting in rung.ranking()[:m]
        return len(rung.promoted) < m

    def _stays_below(self, j: int) -> bool:
        """Return whether rung j has a running job or a candidate that will be promoted."""
        rung = self._rungs[j]
        return bool(rung.running) or (bool(rung.waiting()) and len(rung.promoted) < self._rungs[j + 1].places)

    def _retired(self) -> set[int]:
        """Return the candidates that diverged, are `fallen`, finished the last rung, or wait but can never be promoted.

        The loop goes from the lowest rung up; `most` is the maximum number of candidates that can ever finish in the
        rung. A newcomer is a candidate that has not finished in the rung yet but still can.
        """
        retired = {each.candidate for rung in self._rungs for each in rung.finished if each.rank[0]}
        most = self._count
        for rung, above in zip(self._rungs, self._rungs[1:], strict=False):
            waiting = [outcome.candidate for outcome in rung.waiting()]
            if self._algorithm == "ash" and self._promotion != "capped":
                most, hopeful = self._paper_future(rung, most)
            else:
                limit = most // self._eta if self._algorithm == "ash" else above.places
                hopeful = waiting[: limit - len(rung.promoted)]
                newcomers = most - len(rung.finished)
                most = min(limit, len(rung.promoted) + len(waiting) + newcomers)
            retired.update(each for each in waiting if each not in hopeful)
        return retired | {each.candidate for each in self._rungs[-1].finished}

    def _paper_future(self, rung: Rung, most: int) -> tuple[int, list[int]]:
        """Return the maximum number of candidates that this rung can promote, and its promotable scored candidates."""
        ranking = [each.candidate for each in rung.ranking() if not each.rank[0]]
        finished = len(rung.finished)
        goes_up = [each for each in ranking[: finished // self._eta] if each not in rung.promoted]
        # A newcomer that becomes the best can be promoted, unless fewer than eta candidates have finished. This
        # exception does not matter, since it ends before any candidate reaches the rung above.
        return len(rung.promoted) + len(goes_up) + most - finished, ranking[: most // self._eta]

"""Tests, in all futures of small ladders, that a candidate retires exactly when it can no longer be promoted.

A state contains, per rung, only the facts on which the future depends: the ranking of the finished candidates, and how
many candidates are running or have diverged. All futures are followed from each reachable state. In each step a job is
requested or a running job ends. A job that ends either diverges or takes any place in the ranking. The rules of
promotion are implemented again here, for such states. Every state is then reproduced in a real ladder.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pytest

from ash import _core
from reference import PROMOTIONS, ReferenceLadder, Rung

WAITING, PROMOTED = "w", "p"


class Standing(NamedTuple):
    """A rung's state: a letter per scored candidate, best first, and the numbers of diverged and running candidates."""

    ranking: str = ""
    diverged: int = 0
    running: int = 0

    @property
    def finished(self) -> int:
        return len(self.ranking) + self.diverged

    @property
    def promoted(self) -> int:
        return self.ranking.count(PROMOTED)


class State(NamedTuple):
    entered: int
    rungs: tuple[Standing, ...]


class Move(NamedTuple):
    """A request ("ask") or report: the state after it, and the rung and place of the promoted or reported candidate."""

    after: State
    kind: Literal["ask", "report"]
    rung: int | None = None
    place: int | None = None  # None if no candidate was promoted or the job diverged


class Futures:
    """All reachable states, and for each state the candidates that are promoted in at least one of its futures."""

    def __init__(self, candidates: int, *, eta: int, rungs: int, rule: str, workers: int) -> None:
        self.candidates, self.eta, self.rule, self.workers = candidates, eta, rule, workers
        self.places = [candidates // eta**k for k in range(rungs)]
        self.hopeful: dict[State, frozenset[tuple[int, int]]] = {}  # (rung, place) of candidates that may be promoted
        self.origin: dict[State, tuple[State, Move]] = {}
        self.start = State(0, (Standing(),) * rungs)
        self.look(self.start)

    def look(self, state: State) -> frozenset[tuple[int, int]]:
        if state in self.hopeful:
            return self.hopeful[state]
        found: set[tuple[int, int]] = set()
        for move in self.moves(state):
            self.origin.setdefault(move.after, (state, move))
            later = self.look(move.after)
            if move.kind == "report" and move.place is not None:
                later = frozenset(before(each, move.rung, move.place) for each in later) - {None}
            elif move.place is not None:
                found.add((move.rung, move.place))
            found |= later
        self.hopeful[state] = frozenset(found)
        return self.hopeful[state]

    def moves(self, state: State) -> Iterator[Move]:
        if sum(rung.running for rung in state.rungs) < self.workers:
            yield from self.ask(state)
        for k, rung in enumerate(state.rungs):
            if rung.running == 0:
                continue
            rest = rung._replace(running=rung.running - 1)
            last = k + 1 == len(state.rungs)  # the ranking in the last rung does not matter
            for place in range(1 if last else len(rung.ranking) + 1):
                ranking = rung.ranking[:place] + WAITING + rung.ranking[place:]
                yield Move(replaced(state, k, rest._replace(ranking=ranking)), "report", k, place)
            yield Move(replaced(state, k, rest._replace(diverged=rung.diverged + 1)), "report", k)

    def ask(self, state: State) -> Iterator[Move]:
        for k in reversed(range(len(state.rungs) - 1)):
            rung, above = state.rungs[k], state.rungs[k + 1]
            place = rung.ranking.find(WAITING)
            if place < 0 or not self.may_go_up(state, k, place):
                continue
            ranking = rung.ranking[:place] + PROMOTED + rung.ranking[place + 1 :]
            after = replaced(state, k, rung._replace(ranking=ranking))
            yield Move(replaced(after, k + 1, above._replace(running=above.running + 1)), "ask", k, place)
            return
        if state.entered < self.candidates:
            bottom = state.rungs[0]
            after = replaced(state, 0, bottom._replace(running=bottom.running + 1))
            yield Move(after._replace(entered=state.entered + 1), "ask")

    def may_go_up(self, state: State, k: int, place: int) -> bool:
        rung = state.rungs[k]
        if self.rule == "random":
            return True
        if self.rule == "sh":
            through = all(
                each.running == 0 and (WAITING not in each.ranking or each.promoted == self.places[j + 1])
                for j, each in enumerate(state.rungs[:k])
            )
            settled = state.entered == self.candidates and through and rung.running == 0
            return settled and rung.promoted < self.places[k + 1]
        best = rung.finished // self.eta
        return rung.promoted < best if self.rule == "capped" else place < best

    def history(self, state: State) -> list[Move]:
        """Return moves that lead from the initial state to this one."""
        moves = []
        while state != self.start:
            state, move = self.origin[state]
            moves.append(move)
        return moves[::-1]


def before(stand: tuple[int, int], rung: int, newcomer: int) -> tuple[int, int] | None:
    """Return the (rung, place) that the entry now at `stand` had before the newcomer; None if it is the newcomer."""
    if stand == (rung, newcomer):
        return None
    behind = stand[0] == rung and stand[1] > newcomer
    return (rung, stand[1] - 1) if behind else stand


def replaced(state: State, k: int, rung: Standing) -> State:
    return state._replace(rungs=(*state.rungs[:k], rung, *state.rungs[k + 1 :]))


class Replay:
    """Brings a real ladder into a state, by the moves that lead from the initial state to it."""

    def __init__(self, ladder: Any, futures: Futures, state: State) -> None:
        self.ladder, self.futures = ladder, futures
        self.running: list[list[Any]] = [[] for _ in state.rungs]
        self.rankings: list[list[tuple[float, int]]] = [[] for _ in state.rungs]
        for move in futures.history(state):
            if move.kind == "ask":
                self.ask(move)
            else:
                self.report(move)

    def ask(self, move: Move) -> None:
        job = self.ladder.next()
        if move.rung is None:
            assert job.rung == 0
        else:
            assert (job.rung, job.candidate) == (move.rung + 1, self.rankings[move.rung][move.place][1])
        self.running[job.rung].append(job)

    def report(self, move: Move) -> None:
        job = self.running[move.rung].pop(0)
        if move.place is None:  # the job diverged, or its score is no better than that in the rung below
            worse = self.futures.rule == "improving" and move.rung > 0
            self.ladder.report(job, -1.0 if worse else math.nan, 0.0)
            return
        ranking = self.rankings[move.rung]
        higher = ranking[move.place - 1][0] if move.place > 0 else 1.0
        lower = ranking[move.place][0] if move.place < len(ranking) else 0.0
        score = (higher + lower) / 2
        ranking.insert(move.place, (score, job.candidate))
        self.ladder.report(job, move.rung + score, 0.0)  # better than all scores in lower rungs


def check_all_states(futures: Futures, make: Any) -> None:
    """Check each state: a candidate has retired if and only if it does not run and is promoted in no future."""
    for state, hopeful in futures.hopeful.items():
        replay = Replay(make(), futures, state)
        expected = set(range(state.entered))
        expected -= {job.candidate for jobs in replay.running for job in jobs}
        expected -= {replay.rankings[rung][place][1] for rung, place in hopeful}
        assert sorted(replay.ladder.take_retired()) == sorted(expected), state


def arguments(rule: str, eta: int) -> dict[str, Any]:
    ash = rule in PROMOTIONS
    return {"eta": eta, "algorithm": "ash" if ash else rule, "promotion": rule if ash else "capped"}


def reference(rule: str, candidates: int, eta: int, rungs: int) -> ReferenceLadder:
    """Return the reference ladder with this number of rungs, even if it normally has fewer for so few candidates."""
    ladder = ReferenceLadder(candidates, **arguments(rule, eta))
    for k in range(len(ladder._rungs), rungs):
        ladder._rungs.append(Rung(candidates if rule == "random" else candidates // eta**k, eta**k))
    return ladder


def core(rule: str, candidates: int, eta: int, rungs: int) -> _core.Ladder:
    ladder = _core.Ladder(candidates, **arguments(rule, eta))
    assert len(ladder.rungs) == rungs
    return ladder


@pytest.mark.parametrize(
    ("make", "rule", "candidates", "eta", "rungs", "workers"),
    [
        (reference, "capped", 6, 2, 3, 6),
        (reference, "capped", 7, 2, 3, 1),
        (reference, "capped", 8, 3, 3, 8),
        (reference, "paper", 5, 2, 3, 5),
        (reference, "paper", 6, 2, 3, 2),
        (reference, "paper", 6, 3, 3, 6),
        (reference, "paper", 7, 3, 3, 1),
        (reference, "improving", 6, 2, 3, 3),
        (reference, "sh", 7, 2, 3, 7),
        (reference, "random", 3, 2, 3, 3),
        (core, "capped", 8, 2, 3, 8),
        (core, "capped", 8, 2, 3, 1),
        (core, "capped", 10, 3, 2, 3),
        (core, "paper", 8, 2, 3, 2),
        (core, "paper", 8, 2, 3, 1),
        (core, "paper", 9, 3, 2, 3),
        (core, "improving", 8, 2, 3, 2),
        (core, "sh", 8, 2, 3, 8),
        (core, "random", 4, 2, 2, 4),
    ],
)
def test_exactly_the_candidates_that_no_future_promotes_retire(
    make: Any, rule: str, candidates: int, eta: int, rungs: int, workers: int
) -> None:
    futures = Futures(candidates, eta=eta, rungs=rungs, rule=rule, workers=workers)
    check_all_states(futures, lambda: make(rule, candidates, eta, rungs))

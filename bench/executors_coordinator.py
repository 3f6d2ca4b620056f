"""Decisions a second where jobs take no time: what it costs to decide and to carry.

    mailbox    letters are taken and answered by a loop of Python: the core, and its bindings
    executor   the carrier between the core and a ThreadPoolExecutor, whose threads return at once

Scores are hashes of candidate and rung, so both must decide alike, whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from ash import _core
from ash.executor.carrier import Carrier, Elsewhere
from ash.executor.jobs import DONE, Answer, Order, Where
from ash.executor.pool import Pool
from ash.settings import to_settings
from bench.figures import interleaved, spread, timed

PLACES = 32
"""Jobs on their way at once."""
HIDDEN = ((8,), (16,), (32,), (16, 16))
WAIT_SECONDS = 0.005
Decisions = list[tuple[int, int]]


class Idle(Pool):
    """An executor whose jobs do nothing."""

    def submit(self, order: Order, *, again: bool = False, attach: bool = False) -> Any:
        """Submit one."""
        return self.executor.submit(nothing, self._where, None, order)


def nothing(where: Where, packed: bytes | None, order: Order) -> Answer:
    """Return at once what a job might have found."""
    return Answer(DONE, hashed(order.candidate, order.rung), (), 0.0, "here")


def hashed(candidate: int, rung: int) -> tuple[float, float, float, int, list[float]]:
    """Return a score and losses that look like chance, a hash of weights and the score of the one fold."""
    score = (candidate * 2654435761 + rung * 40503) % 2**32 / 2**32
    return score, 1 - score, 1 - score, candidate, [score]


class Run:
    """The parts of a run of so many candidates, on data that nobody reads."""

    def __init__(self, candidates: int) -> None:
        x, y = load_digits(return_X_y=True)
        rows = np.arange(len(x), dtype=np.int64)
        self.data = [_core.Data(np.ascontiguousarray(x), y[:, None].astype(float), 10, rows[:1000], rows[1000:])]
        self.params: list[dict[str, Any]] = [{"hidden": HIDDEN[n % len(HIDDEN)]} for n in range(candidates)]
        self.settings = [to_settings(each) for each in self.params]

    def tuner(self, mailbox: _core.Mailbox) -> _core.Tuner:
        """Return what decides."""
        return _core.Tuner(self.data, self.settings, workers=PLACES, teams=False, mailbox=mailbox)

    def mailbox(self) -> tuple[float, Decisions]:
        """Answer each letter at once; return the seconds and what was decided."""
        mailbox = _core.Mailbox(PLACES)
        tuner = self.tuner(mailbox)

        def answer() -> None:
            while True:
                _, letters = mailbox.take(WAIT_SECONDS)
                if not letters and tuner.wait(0):
                    return
                for number, candidate, rung, _, _ in letters:
                    mailbox.answer(number, hashed(candidate, rung), [], 0, 0.0)

        tuner.start()
        seconds, _ = timed(answer)
        return seconds, decisions(tuner)

    def executor(self, threads: int) -> tuple[float, Decisions]:
        """Carry jobs to so many threads; return the seconds and what was decided."""
        with ThreadPoolExecutor(threads) as executor:
            elsewhere = Elsewhere(Idle(executor, threads), math.inf)
            with Carrier(elsewhere, self.data, {}, self.params, PLACES) as carrier:
                tuner = self.tuner(carrier.mailbox)

                def carry() -> None:
                    carrier.start()
                    tuner.start()
                    while not tuner.wait(WAIT_SECONDS):
                        continue

                seconds, _ = timed(carry)
                carrier.finish(tuner)
        return seconds, decisions(tuner)


def decisions(tuner: _core.Tuner) -> Decisions:
    """Return candidate and rung of each job, in order of decision."""
    jobs = tuner.jobs()
    return list(zip(jobs["candidate"].tolist(), jobs["rung"].tolist(), strict=True))


def measure(candidates: int, threads: int, rounds: int) -> dict[str, Any]:
    """Return how many decisions a second each way takes; ends where two decide otherwise."""
    run = Run(candidates)
    ways: dict[str, Callable[[], tuple[float, Decisions]]] = {
        "mailbox": run.mailbox,
        "executor": lambda: run.executor(threads),
    }
    found = interleaved(ways, rounds)
    first = found["mailbox"][0][1]
    if any(decided != first for each in found.values() for _, decided in each):
        raise SystemExit("jobs that do nothing are decided otherwise through an executor: nothing to measure")
    rates = {way: spread([len(first) / seconds for seconds, _ in each]) for way, each in found.items()}
    return {"candidates": candidates, "decisions": len(first), "threads": threads, "rates": rates}

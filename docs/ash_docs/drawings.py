"""Draws the pictures of the pages as inline SVG. All except `team` show real decisions of the ladder or a real run.

    rungs        16 candidates on `ash.Ladder`, one job at a time
    promotion    the same eight candidates under the three promotion rules, one job at a time
    clock        a run of `ash.tune` with three virtual workers and two threads, on the virtual and the real clock
    team         a training step that two threads share; a sketch, not a recorded run

The first two use invented scores, which are the same for all rules; the ladder decides which candidates are promoted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import ash
from ash_docs.svg import box, dot, line, picture, rise, text

WIDTH = 760.0


class Step(NamedTuple):
    """One job in the order of a run: its candidate, rung and score, and whether the candidate was promoted later."""

    candidate: int
    rung: int
    score: float
    promoted: bool


def climb(candidates: int, score: Callable[[int, int], float], promotion: str = "capped") -> list[Step]:
    """Run a ladder with a single worker and return its jobs in order."""
    ladder = ash.Ladder(candidates, promotion=promotion)
    jobs = []
    while (job := ladder.ask()) is not None:
        jobs.append((job, score(job.candidate, job.rung)))
        ladder.tell(job, jobs[-1][1])
    reached = {(job.candidate, job.rung) for job, _ in jobs}
    return [Step(job.candidate, job.rung, value, (job.candidate, job.rung + 1) in reached) for job, value in jobs]


@cache
def rungs() -> str:
    """Draw a ladder of 16 candidates: one row per rung, one dot per candidate, and one curve per promotion."""
    steps = climb(16, lambda candidate, rung: (candidate * 7 + 3) % 16 + rung / 2)
    rows: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        rows[step.rung].append(step)
    left, width, gap = 4.0, 500.0, 88.0
    height = gap * len(rows)

    def place(rung: int, candidate: int) -> tuple[float, float]:
        order = [step.candidate for step in rows[rung]].index(candidate)
        return left + width * (order + 0.5) / len(rows[rung]), height - gap * (rung + 0.5)

    best = max(rows[max(rows)], key=lambda step: step.score).candidate
    curves, dots = [], []
    for rung, row in rows.items():
        for step in row:
            x, y = place(rung, step.candidate)
            style = "best" if step.candidate == best else f"rung{rung}" if step.promoted else "waiting"
            hint = f"candidate {step.candidate}, score {step.score:g}{', promoted' if step.promoted else ''}"
            dots.append(dot(x, y, 11 if step.candidate == best else 9, style, hint))
            if step.promoted:
                above = place(rung + 1, step.candidate)
                curves.append(rise(x, y, *above, "climb best" if step.candidate == best else "climb"))
        x, y = left + width + 16, place(rung, row[0].candidate)[1]
        words = f"{len(row)} x {2**rung} epoch{'s' * (rung > 0)}"
        dots += [text(x, y - 10, f"rung {rung}", "strong", "start"), text(x, y + 10, words, "small", "start")]
    return picture("A ladder of four rungs: the better half of each is promoted", x + 110, height, [*curves, *dots])


SCORES = ((4, 2, 8, 10, 6, 14, 12, 16), (6, 2, 7, 9, 12, 16, 14, 18), (8, 4, 9, 11, 14, 18, 16, 20))
"""Scores of the candidates A to H, by rung; C and D score lower in rung 1 than in rung 0."""


@cache
def promotion() -> str:
    """Draw what the three promotion rules decide on the same scores: one column per job in order, one row per rung."""
    rules = {
        "capped": "never more than half of those that have finished",
        "paper": "all among the better half so far",
        "improving": "the same, unless no better than in the rung below",
    }
    climbs = {rule: climb(8, lambda candidate, rung: SCORES[rung][candidate], promotion=rule) for rule in rules}
    pace = (WIDTH - 74) / max(map(len, climbs.values()))
    parts, gap, top = [], 34.0, 0.0
    for rule, steps in climbs.items():
        highest = max(step.rung for step in steps)
        parts += [text(8, top + 16, rule, "strong", "start"), text(96, top + 16, rules[rule], "small", "start")]
        for rung in range(highest + 1):
            y = top + 48 + gap * (highest - rung)
            parts += [text(8, y, f"rung {rung}", "small", "start"), line(62, y + 16, WIDTH - 8, y + 16)]
        for order, step in enumerate(steps):
            parts += _job(step, 66 + order * pace, top + 48 + gap * (highest - step.rung), pace - 4)
        top += 52 + gap * (highest + 1)
    return picture("Three rules of promotion on the same scores", WIDTH, top, parts)


def _job(step: Step, x: float, y: float, width: float) -> list[str]:
    """Return a box with the candidate's letter and score, filled if the candidate was promoted."""
    words = f"{'ABCDEFGH'[step.candidate]} {step.score:g}"
    parts = [box(x, y - 13, width, 26, f"rung{step.rung}" if step.promoted else "waiting")]
    return [*parts, text(x + width / 2, y, words, "inside" if step.promoted else "small")]


@cache
def clock() -> str:
    """Draw a run on the virtual clock, and below it the same jobs on the real threads."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    space = ash.Space(hidden=ash.choice((64,), (128,), (192, 96)), learning_rate=ash.loguniform(1e-3, 3e-2))
    run = ash.tune(
        x,
        y,
        space,
        candidates=8,
        n_jobs=2,
        verbose=0,
        config=ash.SearchConfig(min_epochs=8, virtual_workers=3, teams=False),
        validation=0.2,
    )
    virtual = [(f"worker {job.worker}", job.virtual_start, job.virtual_end) for job in run.jobs]
    real = [(f"thread {job.thread}", job.start, job.end) for job in run.jobs]
    names = [(job.candidate, job.rung) for job in run.jobs]
    parts, top = [], 0.0
    for title, bars in (("virtual time: decides", virtual), ("real time: may be anything", real)):
        parts.append(text(8, top + 14, title, "strong", "start"))
        parts += _lanes(bars, names, top + 28)
        top += 52 + 34 * len({lane for lane, _, _ in bars})
    return picture("The same jobs on the virtual clock and on the threads", WIDTH, top, parts)


def _lanes(bars: list[tuple[str, float, float]], names: list[tuple[int, int]], top: float) -> list[str]:
    """Return one row per lane, with one bar per job from its start to its end."""
    lanes = sorted({lane for lane, _, _ in bars})
    last = max(end for _, _, end in bars)
    scale = (WIDTH - 90) / last
    parts = [text(8, top + 34 * row + 14, lane, "small", "start") for row, lane in enumerate(lanes)]
    for (lane, start, end), (candidate, rung) in zip(bars, names, strict=True):
        x, y, width = 80 + start * scale, top + 34 * lanes.index(lane), max(3.0, (end - start) * scale - 1.5)
        parts.append(box(x, y, width, 28, f"rung{rung}", f"candidate {candidate}, rung {rung}"))
        if width > 13:
            parts.append(text(x + width / 2, y + 14, str(candidate), "inside"))
    return parts


@cache
def team() -> str:
    """Draw a training step that two threads share, an owner and a member that joins later and is slightly slower."""
    halves = {"rows": (4, (0.0, 62.0), (84.0, 98.0), 0), "w": (12, (300.0, 306.0), (46.0, 50.0), 1)}
    parts = [
        text(80, 14, "(1) rows: forward and back, in blocks", "strong", "start"),
        text(380, 14, "(2) weights: gradient and update, in blocks", "strong", "start"),
        *(text(8, 49 + 40 * row, lane, "small", "start") for row, lane in enumerate(("owner", "member"))),
    ]
    for name, (blocks, starts, widths, color) in halves.items():
        for block, (thread, start) in enumerate(_claims(blocks, starts, widths)):
            parts.append(box(80 + start, 34 + 40 * thread, widths[thread] - 3, 30, f"rung{color}"))
            parts.append(text(80 + start + (widths[thread] - 3) / 2, 49 + 40 * thread, f"{name} {block}", "inside"))
    for x, words in ((80 + 280, "all rows are done"), (80 + 630, "next step")):
        parts += [line(x, 28, x, 116, "barrier"), text(x, 128, words, "small")]
    return picture("Two threads share a step: blocks are claimed one by one", WIDTH, 140, parts)


def _claims(blocks: int, starts: Sequence[float], widths: Sequence[float]) -> list[tuple[int, float]]:
    """Return each block's thread and the time of its claim. The thread that is free first claims the next block."""
    free, claims = list(starts), []
    for _ in range(blocks):
        thread = min(range(len(free)), key=free.__getitem__)
        claims.append((thread, free[thread]))
        free[thread] += widths[thread]
    return claims


DRAWINGS: dict[str, Callable[[], str]] = {"rungs": rungs, "promotion": promotion, "clock": clock, "team": team}

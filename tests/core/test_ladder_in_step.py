"""The native ladder and the reference in step on random histories: jobs, counts, retirement and ending agree."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ash import _core
from reference import PROMOTIONS, ReferenceLadder

NAN = math.nan
INFINITY = math.inf
ALGORITHMS = ("ash", "sh", "random")

SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.5, 1.0, -1.0, NAN, INFINITY]) | st.floats(0, 1)
LOSSES = st.sampled_from([0.0, 0.0, 0.1, 0.1, 2.0, NAN])
LADDERS = st.fixed_dictionaries(
    {
        "candidates": st.integers(1, 60),
        "eta": st.integers(2, 5),
        "min_epochs": st.integers(1, 3),
        "max_rungs": st.integers(0, 4),
        "algorithm": st.sampled_from(ALGORITHMS),
        "promotion": st.sampled_from(PROMOTIONS),
        "epoch_limit": st.just(0) | st.integers(1, 400),
        "target": st.sampled_from([NAN, NAN, 0.9, 1.0]),
    }
)


def as_tuple(job: Any) -> tuple[int, int, int] | None:
    """Return a job of any ladder as something to compare."""
    return None if job is None else (job.candidate, job.rung, job.epochs)


def agree(core: Any, oracle: Any, retired: list[int]) -> None:
    """Compare all that two ladders tell of themselves, and add to those who retired before."""
    assert core.rungs == oracle.rungs
    assert (core.ending, core.finished, core.has_job()) == (oracle.ending, core.ending is not None, oracle.has_job())
    new = core.take_retired()
    assert sorted(new) == oracle.take_retired()
    assert len(new) <= 1 + len(core.rungs)  # who diverged, and one a rung
    retired += new


def walk_in_step(arguments: dict[str, Any], workers: int, choose: Callable[[Sequence[Any]], int], outcome: Any) -> None:
    """Ask and tell both ladders the same; all that they say must agree until nothing runs and nothing can be had."""
    core, oracle = _core.Ladder(**arguments), ReferenceLadder(**arguments)
    running: list[tuple[Any, Any]] = []
    retired: list[int] = []
    while running or not core.finished:
        # choose() names a running job to report, or one more than that: ask.
        place = choose(range(len(running) + (len(running) < workers)))
        if place == len(running):
            jobs = core.next(), oracle.next()
            assert as_tuple(jobs[0]) == as_tuple(jobs[1])
            if jobs[0] is not None:
                assert jobs[0].candidate not in retired
                running.append(jobs)
                continue
            place = choose(range(len(running)))
        score, loss = outcome()
        for ladder, job in zip((core, oracle), running.pop(place), strict=True):
            ladder.report(job, score, loss)
        agree(core, oracle, retired)
    agree(core, oracle, retired)
    assert len(retired) == len(set(retired))
    if core.ending == "finished":
        assert sorted(retired) == list(range(arguments["candidates"]))


@given(arguments=LADDERS, workers=st.integers(1, 40), data=st.data())
def test_core_and_reference_agree_on_drawn_histories(arguments, workers, data):
    walk_in_step(
        arguments,
        workers,
        choose=lambda places: data.draw(st.sampled_from(places)),
        outcome=lambda: (data.draw(SCORES), data.draw(LOSSES)),
    )


@pytest.mark.parametrize("promotion", PROMOTIONS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("candidates", "eta"), [(128, 2), (81, 3), (100, 10), (57, 4)])
def test_core_and_reference_agree_on_long_histories(algorithm, promotion, candidates, eta):
    for workers in (1, 2, 7, 32, 1000):
        draw = random.Random(f"{algorithm} {promotion} {candidates} {workers}")
        scores = [draw.random(), NAN, 0.5, *(level / 20 for level in range(20))]
        walk_in_step(
            {"candidates": candidates, "eta": eta, "algorithm": algorithm, "promotion": promotion},
            workers,
            choose=draw.choice,
            outcome=lambda draw=draw, scores=scores: (draw.choice(scores), draw.choice([0.0, 0.1, NAN, 0.1, 0.2])),
        )

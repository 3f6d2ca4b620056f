"""Tests the rules of promotion, retirement and ending on the reference ladder and the native one.

tests/cpp/test_ladder.cpp and test_retirement.cpp test more histories that were computed by hand.
"""

import math
import pickle
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ash import SettingError, _core
from ash.ladder import Job, Ladder
from reference import PROMOTIONS, ReferenceLadder

pytestmark = pytest.mark.core

NAN = math.nan
INFINITY = math.inf
ALGORITHMS = ("ash", "sh", "random")


def run_all(ladder: Any, score: Callable[[Any], float], workers: int = 1) -> list[tuple[int, int, int]]:
    """Run a ladder to its end with `workers` jobs at a time, of which the oldest ends first; return all jobs."""
    running: list[Any] = []
    history = []
    while not ladder.finished:
        while len(running) < workers and (job := ladder.next()) is not None:
            running.append(job)
            history.append((job.candidate, job.rung, job.epochs))
        job = running.pop(0)
        ladder.report(job, score(job), 0.0)
    return history


def start(ladder: Any, count: int) -> list[Any]:
    """Request `count` jobs of rung 0."""
    jobs = [ladder.next() for _ in range(count)]
    assert [(job.candidate, job.rung) for job in jobs] == [(each, 0) for each in range(count)]
    return jobs


def column(ladder: Any, name: str) -> list[int]:
    """Return the count of this name, such as "running", in every rung."""
    return [rung[name] for rung in ladder.rungs]


@pytest.mark.parametrize("make", [ReferenceLadder, _core.Ladder], ids=["reference", "core"])
class TestConformance:
    """Tests of the rules that every ladder must pass."""

    def test_random_eliminates_no_candidate(self, make):
        ladder = make(16, algorithm="random")
        assert column(ladder, "places") == [16, 16, 16, 16]
        run_all(ladder, lambda job: NAN if (job.candidate, job.rung) == (5, 1) else 0.0, workers=3)
        assert column(ladder, "finished") == [16, 16, 15, 15]

    def test_the_highest_rung_has_priority(self, make):
        ladder = make(16)
        jobs = start(ladder, 6)
        for job in jobs[:4]:
            ladder.report(job, 1.0, 0.0)
        climbers = [ladder.next(), ladder.next()]
        for job in climbers:
            ladder.report(job, 1.0, 0.0)
        for job in jobs[4:]:
            ladder.report(job, 1.0, 0.0)
        assert [ladder.next().rung for _ in range(3)] == [2, 1, 0]

    @pytest.mark.parametrize("eta", [2, 3, 5])
    def test_equal_scores_promote_by_number(self, make, eta):
        ladder = make(50, eta=eta, algorithm="sh")
        history = run_all(ladder, lambda job: 0.5, workers=4)
        promoted = [candidate for candidate, rung, _ in history if rung == 1]
        assert promoted == list(range(50 // eta))
        assert history == run_all(make(50, eta=eta, algorithm="sh"), lambda job: 0.5, workers=4)

    def test_ties_go_to_the_lower_loss_then_the_lower_number(self, make):
        ladder = make(4, algorithm="sh")
        for job, loss in zip(start(ladder, 4), [0.3, 0.2, 0.1, 0.2], strict=True):
            ladder.report(job, 1.0, loss)
        assert [ladder.next().candidate for _ in range(2)] == [2, 1]

    @pytest.mark.parametrize("promotion", PROMOTIONS)
    @pytest.mark.parametrize(
        ("score", "loss"), [(NAN, 0.0), (1.0, NAN), (INFINITY, 0.0), (-INFINITY, 0.0), (9.0, INFINITY)]
    )
    def test_diverged_counts_as_finished_and_is_never_promoted(self, make, promotion, score, loss):
        ladder = make(8, promotion=promotion)
        jobs = start(ladder, 4)
        ladder.report(jobs[0], 0.1, 0.0)
        for job in jobs[1:]:
            ladder.report(job, score, loss)
        climber = ladder.next()
        assert (climber.candidate, climber.rung) == (0, 1)
        assert ladder.next().rung == 0
        assert (column(ladder, "finished")[0], column(ladder, "diverged")[0]) == (4, 3)

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_all_diverged_ends(self, make, algorithm):
        ladder = make(20, algorithm=algorithm)
        run_all(ladder, lambda job: NAN, workers=3)
        assert column(ladder, "finished") == [20, 0, 0, 0]

    def test_a_ladder_without_a_job_now_is_not_finished(self, make):
        ladder = make(2)
        first, second = start(ladder, 2)
        assert ladder.next() is None
        assert not ladder.finished
        ladder.report(first, 1.0, 0.0)
        assert not ladder.finished
        ladder.report(second, 1.0, 0.0)
        assert ladder.finished
        assert ladder.next() is None


def report(ladder, jobs, scores):
    """Report the jobs in order and return the candidates that retired at each report."""
    retired = []
    for job, score in zip(jobs, scores, strict=True):
        ladder.report(job, score, 0.0)
        retired.append(sorted(ladder.take_retired()))
    return retired


@pytest.mark.parametrize("make", [ReferenceLadder, _core.Ladder], ids=["reference", "core"])
class TestBudgets:
    """Tests of the epoch limit, the stop score, patience, and how a ladder reports its ending."""

    def test_a_limit_met_exactly(self, make):
        ladder = make(4, max_total_epochs=8)
        while (job := ladder.next()) is not None:
            ladder.report(job, 0.0, 0.0)
        assert ladder.ending == "finished"
        assert [rung["finished"] for rung in ladder.rungs] == [4, 2]

    def test_a_limit_below_one_job(self, make):
        ladder = make(4, min_epochs=3, max_total_epochs=2)
        assert ladder.next() is None
        assert (ladder.finished, ladder.ending) == (True, "max_total_epochs")

    def test_waiting_for_a_report_is_not_the_limit(self, make):
        ladder = make(2, max_total_epochs=2)
        jobs = start(ladder, 2)
        assert ladder.next() is None
        report(ladder, jobs, [0.0, 0.0])
        assert ladder.ending == "finished"

    @pytest.mark.parametrize(("score", "loss"), [(math.inf, 0.0), (0.9, NAN)])
    def test_a_diverged_candidate_has_not_reached_the_stop_score(self, make, score, loss):
        ladder = make(8, stop_score=0.9)
        ladder.report(ladder.next(), score, loss)
        assert ladder.ending is None
        assert ladder.has_job()

    def test_the_stop_score_in_a_higher_rung(self, make):
        ladder = make(4, stop_score=0.5)
        report(ladder, start(ladder, 2), [0.4, 0.3])
        ladder.report(ladder.next(), 0.5, 0.0)
        assert ladder.ending == "stop_score"

    def test_the_stop_score_takes_precedence_over_the_limit(self, make):
        ladder = make(4, stop_score=0.5, max_total_epochs=2)
        report(ladder, start(ladder, 2), [0.4, 0.6])
        assert ladder.ending == "stop_score"

    def test_patience_ends_the_ladder_after_reports_without_a_better_score(self, make):
        ladder = make(16, patience=3)
        jobs = start(ladder, 8)
        report(ladder, jobs[:4], [0.5, 0.5, 0.4, 0.6])  # after the first: two reports without a better score, one with
        assert ladder.ending is None
        report(ladder, jobs[4:7], [0.6, NAN, 0.1])
        assert (ladder.ending, ladder.finished, ladder.next()) == ("patience", True, None)
        report(ladder, jobs[7:], [0.9])  # the result of a job that was still running changes nothing
        assert ladder.ending == "patience"

    def test_patience_counts_from_the_first_report(self, make):
        ladder = make(8, patience=2)
        report(ladder, start(ladder, 2), [NAN, NAN])
        assert ladder.ending == "patience"

    def test_the_stop_score_takes_precedence_over_patience(self, make):
        ladder = make(8, patience=1, stop_score=0.5)
        report(ladder, start(ladder, 1), [0.7])
        assert ladder.ending == "stop_score"


# Both ladders get the same random histories, and must agree in jobs, counts, retirement and ending

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
        "max_total_epochs": st.just(0) | st.integers(1, 400),
        "stop_score": st.sampled_from([NAN, NAN, 0.9, 1.0]),
        "patience": st.sampled_from([0, 0, 0, 1, 2, 5, 12]),
    }
)


def as_tuple(job: Any) -> tuple[int, int, int] | None:
    """Return a job of either ladder as a tuple that can be compared."""
    return None if job is None else (job.candidate, job.rung, job.epochs)


def agree(core: Any, oracle: Any, retired: list[int]) -> None:
    """Compare everything that two ladders report, and add newly retired candidates to `retired`."""
    assert core.rungs == oracle.rungs
    assert (core.ending, core.finished, core.has_job()) == (oracle.ending, core.ending is not None, oracle.has_job())
    new = core.take_retired()
    assert sorted(new) == oracle.take_retired()
    assert len(new) <= 1 + len(core.rungs)  # at most one candidate per rung, and one that has diverged
    retired += new


def walk_in_step(arguments: dict[str, Any], workers: int, choose: Callable[[Sequence[Any]], int], outcome: Any) -> None:
    """Send the same requests and reports to both ladders until no job is running or left, and check that they agree."""
    core, oracle = _core.Ladder(**arguments), ReferenceLadder(**arguments)
    running: list[tuple[Any, Any]] = []
    retired: list[int] = []
    while running or not core.finished:
        # choose() returns the index of the running job to report; the index after the last one requests a new job.
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
    if arguments["promotion"] == "capped":
        assert all(rung["finished"] <= rung["places"] for rung in core.rungs)
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


@pytest.mark.parametrize(
    ("algorithm", "promotion"), [*(("ash", each) for each in PROMOTIONS), ("sh", "capped"), ("random", "capped")]
)
@pytest.mark.parametrize(("candidates", "eta"), [(128, 2), (57, 4)])
def test_core_and_reference_agree_on_long_histories(algorithm, promotion, candidates, eta):
    for workers in (1, 7, 1000):
        draw = random.Random(f"{algorithm} {promotion} {candidates} {workers}")
        scores = [draw.random(), NAN, 0.5, *(level / 20 for level in range(20))]
        walk_in_step(
            {"candidates": candidates, "eta": eta, "algorithm": algorithm, "promotion": promotion},
            workers,
            choose=draw.choice,
            outcome=lambda draw=draw, scores=scores: (draw.choice(scores), draw.choice([0.0, 0.1, NAN, 0.1, 0.2])),
        )


# `ash.Ladder`: jobs can be compared, and error messages are sentences


def test_jobs_are_values():
    ladder = Ladder(2)
    job = ladder.ask()
    assert job == Job(candidate=0, rung=0, epochs=1)
    ladder.tell(pickle.loads(pickle.dumps(job)), 0.5)
    assert ladder.rungs[0]["finished"] == 1
    assert repr(ladder) == "<ash.Ladder finished 1/2>"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"candidates": 0}, "candidates must be an integer from 1 to 2147483647, got 0"),
        ({"candidates": 10.0}, r"candidates must be an integer from 1 to 2147483647, got 10\.0"),
        ({"candidates": True}, "candidates must be an integer from 1 to 2147483647, got True"),
        ({"eta": 1}, "eta must be an integer from 2 to 9223372036854775807, got 1"),
        ({"eta": 2.5}, r"eta must be an integer from 2 to 9223372036854775807, got 2\.5"),
        ({"min_epochs": 0}, "min_epochs must be an integer from 1 to 9223372036854775807, got 0"),
        ({"max_rungs": 0}, "max_rungs must be an integer from 1 to 9223372036854775807, got 0"),
        ({"min_epochs": 2**60}, r"min_epochs=\d+ is too large: the last rung, 4,"),
        ({"algorithm": "asha"}, "algorithm must be one of 'ash', 'sh', 'random', got 'asha'"),
        ({"promotion": None}, "promotion must be one of 'capped', 'paper', 'improving', got None"),
        ({"max_total_epochs": 0}, "max_total_epochs must be an integer from 1 to 9223372036854775807, got 0"),
        (
            {"max_total_epochs": 1e6},
            r"max_total_epochs must be an integer from 1 to 9223372036854775807, got 1000000\.0",
        ),
        (
            {"max_total_epochs": 9, "min_epochs": 10},
            "max_total_epochs=9 allows no job: raise it to min_epochs=10 or more",
        ),
        ({"stop_score": "0.9"}, r"stop_score must be a finite score, or None, got '0\.9'"),
        ({"stop_score": True}, "stop_score must be a finite score, or None, got True"),
        ({"patience": 0}, r"patience must be an integer from 1 to \d+, got 0"),
        ({"stop_score": math.nan}, "stop_score must be a finite score, or None, got nan"),
        ({"stop_score": 10**400}, "stop_score must be a finite score, or None, got"),
    ],
)
def test_errors_are_whole_sentences(arguments, sentence):
    with pytest.raises(SettingError, match=sentence):
        Ladder(**{"candidates": 32, **arguments})


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (Job(1, 0, 1), "told before, or is not one of its jobs"),
        *((job, "is not running in this ladder") for job in (Job(3, 0, 1), Job(0, 1, 1), Job(0, 0, 7), Job(-1, 0, 1))),
        *((job, r"job must be a Job that Ladder\.ask\(\) returned, got") for job in (None, 0, (0, 0, 1))),
    ],
)
def test_only_a_running_job_of_the_ladder_can_be_reported(job, sentence):
    ladder = Ladder(4)
    jobs = [ladder.ask() for _ in range(2)]
    ladder.tell(jobs[1], 1.0)
    with pytest.raises(SettingError, match=sentence):
        ladder.tell(job, 1.0)


@pytest.mark.parametrize("value", [None, "0.5", True, [0.5], 1j])
@pytest.mark.parametrize("name", ["score", "loss"])
def test_a_result_that_is_not_a_number_leaves_the_job_running(name, value):
    ladder = Ladder(4)
    job = ladder.ask()
    with pytest.raises(SettingError, match=f"{name} must be a number, .* got "):
        ladder.tell(job, **{"score": 1.0, name: value})
    ladder.tell(job, 1.0)


def test_scores_of_other_numeric_types():
    ladder = Ladder(4)
    for score in (1, np.float32(0.5), np.int64(2), 10**400):
        ladder.tell(ladder.ask(), score)
    assert ladder.rungs[0] == {"places": 4, "epochs": 1, "running": 0, "finished": 3, "promoted": 1, "diverged": 1}


def test_threads_may_share_a_ladder():
    """Check that every job is given to only one thread, and that all places are filled."""
    ladder = Ladder(500)

    def work(seed):
        draw = random.Random(seed)
        while not ladder.finished:
            job = ladder.ask()
            if job is not None:
                ladder.tell(job, draw.random())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [rung["finished"] for rung in ladder.rungs] == [500, 250, 125, 62, 31, 15, 7, 3]


def test_checkpoints_of_the_retired_can_be_deleted():
    """Check that checkpoints exist whenever a job needs them, and that all are deleted at the end."""
    ladder = Ladder(100, eta=3)
    draw = random.Random(5)
    checkpoints = {}
    most = 0
    while (job := ladder.ask()) is not None:
        assert (job.candidate in checkpoints) == (job.rung > 0)
        checkpoints[job.candidate] = job.rung
        ladder.tell(job, draw.random())
        for candidate in ladder.take_retired():
            del checkpoints[candidate]
        most = max(most, len(checkpoints))
    assert not checkpoints
    assert most < 40


def test_ends_at_the_stop_score_while_a_job_runs():
    ladder = Ladder(8, stop_score=np.float32(0.5))
    first, second = ladder.ask(), ladder.ask()
    ladder.tell(first, 0.5)
    assert (ladder.ending, ladder.finished, ladder.ask()) == ("stop_score", True, None)
    ladder.tell(second, 0.7)
    assert ladder.rungs[0]["finished"] == 2

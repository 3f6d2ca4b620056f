"""Who retires when, and what ends a ladder early, as sentences that the reference ladder and the native one pass."""

import math
import random

import pytest

from ash import _core
from reference import PROMOTIONS, ReferenceLadder

pytestmark = pytest.mark.core

NAN = math.nan


def start(ladder, count):
    jobs = [ladder.next() for _ in range(count)]
    assert [(job.candidate, job.rung) for job in jobs] == [(each, 0) for each in range(count)]
    return jobs


def report(ladder, jobs, scores):
    """Report these, and return who retired at each."""
    retired = []
    for job, score in zip(jobs, scores, strict=True):
        ladder.report(job, score, 0.0)
        retired.append(sorted(ladder.take_retired()))
    return retired


@pytest.mark.parametrize("make", [ReferenceLadder, _core.Ladder], ids=["reference", "core"])
class TestRetirement:
    """Places of 8 candidates with eta 2: 8, 4, 2."""

    def test_capped_keeps_as_many_as_may_still_go_up(self, make):
        ladder = make(8)
        jobs = start(ladder, 8)
        assert report(ladder, jobs[:4], [0.4, 0.1, 0.3, 0.2]) == [[], [], [], []]
        assert report(ladder, jobs[4:6], [0.0, 0.35]) == [[4], [1]]  # four may go up: 0, 5, 2, 3
        assert [ladder.next().candidate for _ in range(3)] == [0, 5, 2]
        assert ladder.take_retired() == []  # going up leaves those behind it where they were
        assert report(ladder, jobs[6:], [0.9, NAN]) == [[3], [7]]

    def test_capped_retires_higher_up_when_fewer_can_come(self, make):
        ladder = make(8)
        jobs = start(ladder, 8)
        report(ladder, jobs[:4], [0.4, 0.3, 0.2, 0.1])
        climbers = [ladder.next(), ladder.next()]
        assert report(ladder, climbers, [0.4, 0.3]) == [[], []]
        assert ladder.next().rung == 2
        # 1 waits in rung 1, where four must have finished: 2 and 3 can still come, whoever diverges here.
        assert report(ladder, jobs[4:7], [NAN] * 3) == [[4], [5], [6]]
        assert report(ladder, jobs[7:], [NAN]) == [[7]]
        climbers = [ladder.next(), ladder.next()]
        assert [(job.candidate, job.rung) for job in climbers] == [(2, 1), (3, 1)]
        assert report(ladder, climbers, [NAN, 0.1]) == [[2], [3]]
        assert ladder.next().candidate == 1

    def test_capped_retires_higher_up_when_too_many_diverge(self, make):
        ladder = make(8)
        jobs = start(ladder, 8)
        report(ladder, jobs[:4], [0.4, 0.3, 0.2, NAN])
        climbers = [ladder.next(), ladder.next()]
        report(ladder, climbers, [0.4, 0.3])
        assert ladder.next().rung == 2
        assert report(ladder, jobs[4:], [NAN] * 4) == [[4], [5], [6], [1, 7]]  # three are left: 1 waits for a fourth

    def test_paper_ranks_the_promoted_as_well(self, make):
        ladder = make(8, promotion="paper")
        jobs = start(ladder, 8)
        report(ladder, jobs[:2], [0.2, 0.1])
        assert ladder.next().candidate == 0
        assert report(ladder, jobs[2:5], [0.5, 0.4, 0.3]) == [[], [], [1]]  # fourth at best of all that finish: 0
        assert [ladder.next().candidate for _ in range(2)] == [2, 3]
        assert report(ladder, jobs[5:], [0.25, 0.24, 0.23]) == [[], [6], [7]]
        assert ladder.next().candidate == 4
        assert ladder.take_retired() == []
        assert ladder.next().candidate == 5

    def test_paper_lets_fewer_come_than_finish_below(self, make):
        ladder = make(8, promotion="paper")
        jobs = start(ladder, 8)
        report(ladder, jobs[:4], [0.4, 0.3, NAN, NAN])
        climbers = [ladder.next(), ladder.next()]
        report(ladder, climbers, [0.4, 0.3])
        assert ladder.next().rung == 2
        # 1 is second in rung 1, where four must have finished: the four newcomers may all come, then three, two, one.
        assert report(ladder, jobs[4:7], [NAN] * 3) == [[4], [5], [1, 6]]

    def test_barrier_keeps_as_many_as_there_are_places(self, make):
        ladder = make(8, algorithm="sh")
        jobs = start(ladder, 8)
        assert report(ladder, jobs[:4], [0.4, 0.1, 0.3, 0.2]) == [[], [], [], []]
        assert report(ladder, jobs[4:], [0.0, 0.35, NAN, 1.0]) == [[4], [1], [6], [3]]
        climbers = [ladder.next() for _ in range(4)]
        assert [job.candidate for job in climbers] == [7, 0, 5, 2]
        assert report(ladder, climbers, [0.1, 0.2, 0.3, 0.4]) == [[], [], [7], [0]]

    def test_random_retires_the_diverged_and_the_last_rung(self, make):
        ladder = make(4, algorithm="random")
        jobs = start(ladder, 4)
        assert report(ladder, jobs, [0.1, 0.2, NAN, 0.0]) == [[], [], [2], []]
        climbers = [ladder.next() for _ in range(3)]
        assert report(ladder, climbers, [0.3, NAN, 0.1]) == [[1], [0], [3]]

    @pytest.mark.parametrize("promotion", PROMOTIONS)
    def test_one_rung_is_the_last(self, make, promotion):
        ladder = make(8, max_rungs=1, promotion=promotion)
        jobs = start(ladder, 8)
        assert report(ladder, jobs, [1.0, 2.0, NAN, 0.0, 3.0, 3.0, 3.0, 1.0]) == [[each] for each in range(8)]

    def test_taken_together(self, make):
        ladder = make(8)
        jobs = start(ladder, 8)
        for job in jobs:
            ladder.report(job, -job.candidate, 0.0)
        assert sorted(ladder.take_retired()) == [4, 5, 6, 7]
        assert ladder.take_retired() == []


@pytest.mark.parametrize("make", [ReferenceLadder, _core.Ladder], ids=["reference", "core"])
class TestBudgets:
    """The epoch limit, the target and how a ladder says that it has come to an end."""

    def test_nothing_smaller_is_given_than_what_exceeds_the_limit(self, make):
        ladder = make(8, epoch_limit=5)
        jobs = start(ladder, 4)
        report(ladder, jobs[:2], [1.0, 0.5])
        assert not ladder.has_job()  # rung 1 takes 2 epochs and one is left
        assert ladder.next() is None
        assert ladder.ending is None
        report(ladder, jobs[2:], [0.0, 0.0])
        assert ladder.next() is None
        assert (ladder.finished, ladder.ending) == (True, "epoch_limit")

    def test_a_limit_met_exactly(self, make):
        ladder = make(4, epoch_limit=8)
        while (job := ladder.next()) is not None:
            ladder.report(job, 0.0, 0.0)
        assert ladder.ending == "finished"
        assert [rung["finished"] for rung in ladder.rungs] == [4, 2]

    def test_a_limit_below_one_job(self, make):
        ladder = make(4, min_epochs=3, epoch_limit=2)
        assert ladder.next() is None
        assert (ladder.finished, ladder.ending) == (True, "epoch_limit")

    def test_waiting_for_a_report_is_not_the_limit(self, make):
        ladder = make(2, epoch_limit=2)
        jobs = start(ladder, 2)
        assert ladder.next() is None
        report(ladder, jobs, [0.0, 0.0])
        assert ladder.ending == "finished"

    @pytest.mark.parametrize("workers", [1, 5])
    @pytest.mark.parametrize("algorithm", ["ash", "sh", "random"])
    def test_epochs_never_exceed_the_limit(self, make, algorithm, workers):
        for limit in range(1, 120, 7):
            ladder = make(32, algorithm=algorithm, epoch_limit=limit)
            draw = random.Random(limit)
            running, spent = [], 0
            while not ladder.finished:
                while len(running) < workers and (job := ladder.next()) is not None:
                    running.append(job)
                    spent += job.epochs
                assert spent <= limit
                ladder.report(running.pop(draw.randrange(len(running))), draw.choice([NAN, 0.1, 0.2]), 0.0)
            assert ladder.ending in ("epoch_limit", "finished")

    def test_the_target_ends_it_while_others_run(self, make):
        ladder = make(8, target=0.9)
        jobs = start(ladder, 4)
        report(ladder, jobs[:2], [0.89, 0.9])
        assert (ladder.finished, ladder.ending, ladder.has_job()) == (True, "target", False)
        assert ladder.next() is None
        report(ladder, jobs[2:], [0.1, NAN])
        rung = ladder.rungs[0]
        assert (rung["running"], rung["finished"], rung["diverged"], rung["promoted"]) == (0, 4, 1, 0)
        assert ladder.ending == "target"
        assert ladder.next() is None

    @pytest.mark.parametrize(("score", "loss"), [(math.inf, 0.0), (0.9, NAN)])
    def test_who_diverged_has_not_reached_the_target(self, make, score, loss):
        ladder = make(8, target=0.9)
        ladder.report(ladder.next(), score, loss)
        assert ladder.ending is None
        assert ladder.has_job()

    def test_the_target_in_a_higher_rung(self, make):
        ladder = make(4, target=0.5)
        report(ladder, start(ladder, 2), [0.4, 0.3])
        ladder.report(ladder.next(), 0.5, 0.0)
        assert ladder.ending == "target"

    def test_the_target_goes_before_the_limit(self, make):
        ladder = make(4, target=0.5, epoch_limit=2)
        report(ladder, start(ladder, 2), [0.4, 0.6])
        assert ladder.ending == "target"

"""The public ladder, `ash.Ladder`: what it adds to the core: values for jobs, and sentences for mistakes."""

import math
import pickle
import random
import threading

import numpy as np
import pytest

from ash import SettingError
from ash.ladder import Job, Ladder

pytestmark = pytest.mark.core


def test_jobs_are_values():
    ladder = Ladder(2)
    job = ladder.next()
    assert job == Job(candidate=0, rung=0, epochs=1)
    ladder.report(pickle.loads(pickle.dumps(job)), 0.5)
    assert ladder.rungs[0]["finished"] == 1
    assert repr(ladder) == "<ash.Ladder finished 1/2>"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"candidates": 0}, r"candidates=0 is out of range; give an integer from 1 to"),
        ({"candidates": 10.0}, r"candidates=10\.0 is not an integer"),
        ({"candidates": True}, r"candidates=True is not an integer"),
        ({"eta": 1}, r"eta=1 is out of range; give an integer from 2"),
        ({"eta": 2.5}, r"eta=2\.5 is not an integer"),
        ({"min_epochs": 0}, r"min_epochs=0 is out of range"),
        ({"max_rungs": 0}, r"max_rungs=0 is out of range"),
        ({"min_epochs": 2**60}, r"min_epochs=\d+ is too large: the last rung, 4,"),
        ({"algorithm": "asha"}, r"algorithm='asha' is not known; choose one of 'ash', 'sh', 'random'"),
        ({"promotion": None}, r"promotion=None is not known; choose one of 'capped', 'paper', 'improving'"),
        ({"epoch_limit": 0}, r"epoch_limit=0 is out of range; give an integer from 1 to"),
        ({"epoch_limit": 1e6}, r"epoch_limit=1000000\.0 is not an integer"),
        ({"epoch_limit": 9, "min_epochs": 10}, r"epoch_limit=9 allows no job at all; give at least min_epochs.* 10"),
        ({"target": "0.9"}, r"target='0\.9' is not a number; give a finite float"),
        ({"target": True}, r"target=True is not a number"),
        ({"target": math.nan}, r"target=nan is not finite"),
        ({"target": 10**400}, r"target=1\d+ is not finite"),
    ],
)
def test_refuses_in_a_sentence(arguments, sentence):
    with pytest.raises(SettingError, match=sentence):
        Ladder(**{"candidates": 32, **arguments})


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (Job(1, 0, 1), "reported before, or is not one of its jobs"),
        *((job, "is not running in this ladder") for job in (Job(3, 0, 1), Job(0, 1, 1), Job(0, 0, 7), Job(-1, 0, 1))),
        *((job, "is not a Job") for job in (None, 0, (0, 0, 1))),
    ],
)
def test_what_is_not_one_of_its_running_jobs(job, sentence):
    ladder = Ladder(4)
    jobs = [ladder.next() for _ in range(2)]
    ladder.report(jobs[1], 1.0)
    with pytest.raises(SettingError, match=sentence):
        ladder.report(job, 1.0)


@pytest.mark.parametrize("value", [None, "0.5", True, [0.5], 1j])
@pytest.mark.parametrize("name", ["score", "loss"])
def test_what_is_not_a_number_leaves_the_job_running(name, value):
    ladder = Ladder(4)
    job = ladder.next()
    with pytest.raises(SettingError, match=f"{name}=.* is not a number"):
        ladder.report(job, **{"score": 1.0, name: value})
    ladder.report(job, 1.0)


def test_numbers_of_other_kinds():
    ladder = Ladder(4)
    for score in (1, np.float32(0.5), np.int64(2), 10**400):
        ladder.report(ladder.next(), score)
    assert ladder.rungs[0] == {"places": 4, "epochs": 1, "running": 0, "finished": 3, "promoted": 1, "diverged": 1}


def test_threads_may_share_a_ladder():
    """Every job goes to one thread, and all places are filled."""
    ladder = Ladder(500)

    def work(seed):
        draw = random.Random(seed)
        while not ladder.finished:
            job = ladder.next()
            if job is not None:
                ladder.report(job, draw.random())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [rung["finished"] for rung in ladder.rungs] == [500, 250, 125, 62, 31, 15, 7, 3]


def test_checkpoints_of_the_retired_can_be_deleted():
    """What is kept between jobs is there when a job needs it, and gone when nothing is left to do."""
    ladder = Ladder(100, eta=3)
    draw = random.Random(5)
    checkpoints = {}
    most = 0
    while (job := ladder.next()) is not None:
        assert (job.candidate in checkpoints) == (job.rung > 0)
        checkpoints[job.candidate] = job.rung
        ladder.report(job, draw.random())
        for candidate in ladder.take_retired():
            del checkpoints[candidate]
        most = max(most, len(checkpoints))
    assert not checkpoints
    assert most < 40


def test_ends_at_the_target_while_a_job_runs():
    ladder = Ladder(8, target=np.float32(0.5))
    first, second = ladder.next(), ladder.next()
    ladder.report(first, 0.5)
    assert (ladder.ending, ladder.finished, ladder.next()) == ("target", True, None)
    ladder.report(second, 0.7)
    assert ladder.rungs[0]["finished"] == 2

"""The public ladder, `ash.Ladder`: what it adds to the core: values for jobs, and sentences for mistakes."""

import math
import pickle
import random
import threading

import numpy as np
import pytest

from ash import SettingError
from ash.ladder import Job, Ladder


def test_finds_the_best():
    ladder = Ladder(64, algorithm="sh")
    history = []
    while (job := ladder.next()) is not None:
        ladder.report(job, job.candidate)
        history.append((job.candidate, job.rung, job.epochs))
    assert history[-2:] == [(63, 5, 32), (62, 5, 32)]
    assert ladder.finished


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
        ({"promotion": None}, r"promotion=None is not known; choose one of 'capped', 'paper'"),
    ],
)
def test_refuses_in_a_sentence(arguments, sentence):
    with pytest.raises(SettingError, match=sentence):
        Ladder(**{"candidates": 32, **arguments})


def test_a_job_reported_twice():
    ladder = Ladder(4)
    job = ladder.next()
    ladder.report(job, 1.0)
    with pytest.raises(SettingError, match="reported before, or is not one of its jobs"):
        ladder.report(job, 1.0)


@pytest.mark.parametrize("job", [Job(3, 0, 1), Job(0, 1, 1), Job(0, 0, 7), Job(-1, 0, 1)])
def test_a_foreign_job(job):
    ladder = Ladder(4)
    ladder.next()
    with pytest.raises(SettingError, match="is not running in this ladder"):
        ladder.report(job, 1.0)


@pytest.mark.parametrize("job", [None, 0, (0, 0, 1)])
def test_what_is_not_a_job(job):
    with pytest.raises(SettingError, match="is not a Job"):
        Ladder(4).report(job, 1.0)


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
    assert ladder.rungs[0] == {
        "places": 4,
        "epochs": 1,
        "running": 0,
        "finished": 3,
        "promoted": 1,
        "diverged": 1,
    }


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


def test_not_finite_is_diverged():
    ladder = Ladder(4)
    for score, loss in [(math.nan, 0.0), (1.0, math.inf), (-math.inf, 0.0), (1.0, 0.0)]:
        ladder.report(ladder.next(), score, loss)
    assert (ladder.rungs[0]["diverged"], ladder.next().candidate) == (3, 3)

"""Tests `candidates=None`: an endless stream of candidates from the space, drawn when the core asks for more."""

import itertools

import pytest
from sklearn.datasets import load_wine

import ash
from config_help import configured, split_once

WINE = load_wine(return_X_y=True)
SPACE = ash.Space(hidden=ash.choice((4,), ()), learning_rate=ash.loguniform(1e-3, 1e-1), l2=ash.loguniform(1e-6, 1e-2))


def endless(space=SPACE, **settings):
    settings = split_once({"candidates": None, "n_jobs": 2, "verbose": 0, "random_state": 5, **settings})
    return ash.tune(*WINE, space, **configured(settings))


def test_candidates_match_the_stream_of_the_space():
    result = endless(max_total_epochs=200)
    assert result.ended == "max_total_epochs" and result.epochs <= 200
    entered = {job.candidate for job in result.jobs}
    assert result.params == tuple(itertools.islice(SPACE.stream(5), len(result.params)))
    assert entered <= set(range(len(result.params))) and len(result.params) <= 200
    assert len(result.candidates) == len(result.params)


def test_an_endless_stream_promotes_by_the_rule_of_the_paper():
    result = endless(max_total_epochs=100)
    assert result.settings["promotion"] == "paper" and result.settings["candidates"] is None
    assert endless(max_total_epochs=100, promotion="capped").settings["promotion"] == "capped"
    assert ash.tune(*WINE, SPACE, candidates=2, verbose=0, validation=0.2).settings["promotion"] == "capped"


def test_the_ladder_has_the_rungs_that_were_reached():
    result = endless(max_total_epochs=300)
    reached = {job.rung for job in result.jobs}
    assert 3 <= len(result.rungs) < 10 and set(range(len(result.rungs))) >= reached
    assert [rung["epochs"] for rung in result.rungs] == [2**number for number in range(len(result.rungs))]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_candidates_drawn_at_once_changes_nothing(threads, monkeypatch):
    expected = endless(max_total_epochs=150, n_jobs=1)
    for chunk in (1, 3, 5000):
        monkeypatch.setattr("ash.engine.candidates.CHUNK", chunk)
        result = endless(max_total_epochs=150, n_jobs=threads)
        assert result.digest == expected.digest and result.params == expected.params


def test_greedy_streams_keep_drawing_candidates(monkeypatch):
    monkeypatch.setattr("ash.engine.candidates.CHUNK", 2)
    result = endless(max_total_epochs=150, schedule="greedy")
    assert result.ended == "max_total_epochs" and 10 < len(result.params) <= 150
    assert result.params == tuple(itertools.islice(SPACE.stream(5), len(result.params)))


def test_a_small_space_is_searched_completely_and_ends_the_run():
    space = ash.Space(learning_rate=ash.loguniform(1e-3, 1e-1, levels=6), hidden=ash.choice((3,), ()))
    result = endless(space, time_limit=100)
    assert result.ended == "finished" and len(result.params) == space.size == 12
    assert {job.candidate for job in result.jobs} == set(range(12))


def test_a_stream_ends_at_the_largest_candidate_number(monkeypatch):
    monkeypatch.setattr("ash.sampling.LARGEST", 10)
    monkeypatch.setattr("ash.engine.candidates.CHUNK", 4)
    result = endless(time_limit=100)
    assert result.ended == "finished" and len(result.params) == 10


def test_random_search_can_run_endlessly():
    result = endless(algorithm="random", max_rungs=2, max_total_epochs=90)
    assert {job.epochs for job in result.jobs} == {1, 2}
    assert result.rungs[0]["finished"] - result.rungs[1]["finished"] <= 32

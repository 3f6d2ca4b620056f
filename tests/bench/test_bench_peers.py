"""The bench `peers`: what it plans, what a line keeps of the searches, and what its tables say."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from bench import peers
from bench.figures import Picture, Table
from bench.peers.page import reached, readme, sections, summary
from bench.peers.task import SPACES, as_scikit_learn, improvements


def search(seconds: float, test: float) -> dict[str, Any]:
    path = [[seconds / 4, 0.94], [seconds / 2, 0.96]]
    return {"seconds": seconds, "validation": 0.96, "test": test, "epochs": 896, "path": path, "peak_bytes": 5e6}


def line(name: str, searches: list[dict[str, Any]], required: float | None = None) -> dict[str, Any]:
    ours = [search(2.0, 0.97), search(4.0, 0.98)][: len(searches)]
    whose = {"space": "s", "name": name, "setting": "one", "required": required}
    return {**whose, **summary(searches, ours)}


def test_what_is_planned() -> None:
    keys = [case.key for case in peers.cases(Namespace(quick=False, data=None))]
    assert len(set(keys)) == len(keys) and sum("small networks" in key for key in keys) == 4
    assert all("default" in key for key in keys if "small networks" not in key)
    assert len(peers.cases(Namespace(quick=True, data=None))) == 3


def test_each_search_has_one_of_ash_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, int]] = []

    def run(peer: str, task: dict[str, Any], threads: int | None) -> dict[str, Any]:
        called.append((peer, task["seed"]))
        return search(1.0 if peer == "ash" else 8.0, 0.9)

    monkeypatch.setattr(peers, "in_child", run)
    way = next(way for way in peers.ways(2) if way.module == "sklearn")
    found = peers._run(way, {"space": "small networks", "data": None, "workers": 2, "candidates": 16}, 2)
    assert called == [("ash", 0), ("sklearn", 0), ("sklearn", 1), ("ash", 1)]
    assert found["seeds"] == 2 and found["times_ash"]["median"] == 8 and found["required"] == 40


def test_what_is_missing_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda module: None)
    way = next(way for way in peers.ways(2) if way.module == "ray")
    found = peers._run(way, {"space": "small networks"}, 1)
    assert found["skipped"].startswith("ray[tune] is not installed")
    [totals, moments] = sections({"ray": found})
    assert isinstance(totals, Table) and isinstance(moments, Table)
    assert totals.rows[0][2] == found["skipped"] and moments.rows == [] and found["skipped"] in readme({"": found})[-1]


def test_a_score_is_reached_when_the_first_candidate_has_it() -> None:
    path = improvements(
        {"time": time, "score": score} for time, score in ((2.0, 0.97), (0.5, 0.9), (1.0, 0.95), (3.0, None))
    )
    assert path == [(0.5, 0.9), (1.0, 0.95), (2.0, 0.97)]
    assert (reached(path, 0.95), reached(path, 0.951), reached(path, 0.98)) == (1.0, 2.0, None)


def test_peers_are_compared_with_ash_for_the_same_seeds() -> None:
    slow = line("slow", [search(90.0, 0.98), search(200.0, 0.98)], 40)
    assert slow["times_ash"] == {"min": 45, "median": 47.5, "max": 50} and slow["test_ash"] == pytest.approx(-0.005)
    assert slow["reached"]["ash to theirs"] == (1.5, 2) and slow["reached"]["0.97"] == (None, 0)
    ours = line("ash", [search(2.0, 0.97), search(4.0, 0.98)])
    totals, moments, picture = sections({"ash": ours, "slow": slow})
    assert isinstance(totals, Table) and isinstance(moments, Table) and isinstance(picture, Picture)
    assert totals.rows[1][3:5] == ["47.5", ">= 40 yes, worse test"] and moments.rows[1][2] == "never"
    assert [each.label for each in picture.plots[0].lines] == ["ash", "slow"]
    assert readme({"ash": ours, "slow": slow})[-2:] == [
        "| ash | 2 | 3 s | 1 | 0.970 .. 0.980 | 896 | 5 MB |",
        "| slow, one | 2 | 145 s | 47.5 x | 0.980 .. 0.980 | 896 | 5 MB |",
    ]


@pytest.mark.parametrize("space", SPACES)
def test_a_candidate_is_the_same_for_scikit_learn(space: str) -> None:
    from sklearn.neural_network import MLPClassifier

    for params in SPACES[space].ours().sample(32, 0):
        theirs = MLPClassifier(**as_scikit_learn(params))
        assert theirs.hidden_layer_sizes == params["hidden"] and theirs.learning_rate_init == params["learning_rate"]
        assert theirs.alpha == pytest.approx(params["l2"] * params["batch_size"])

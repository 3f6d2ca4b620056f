"""The memory of waiting candidates: its default, and that a limit costs time but changes no outcome."""

import pytest
from sklearn.datasets import load_diabetes, load_wine

import ash
from ash._utils import machine

pytestmark = pytest.mark.core

WINE = load_wine(return_X_y=True)


def quick(X=WINE[0], y=WINE[1], **settings):
    space = ash.Space(hidden=ash.choice((32,), (16, 8)), learning_rate=ash.log(1e-3, 1e-1))
    return ash.tune(X, y, space, **{"candidates": 32, "threads": 2, "keep": 1, "progress": False, **settings})


@pytest.mark.parametrize(("left", "limit"), [(1001, 500), (1, 1), (0, 1), (None, None)])
def test_the_default_is_half_of_what_is_left(left, limit, monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: left)
    assert machine.default_limit() == limit


def test_the_limit_of_the_run_is_in_the_result(monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: 10**9)
    assert quick().settings["memory_limit"] == 500_000_000 == quick().memory["limit"]
    assert quick(memory_limit=12_345).settings["memory_limit"] == 12_345
    monkeypatch.setattr(machine, "available_bytes", lambda: None)
    assert quick().settings["memory_limit"] is None and quick().memory["limit"] == 0


@pytest.mark.parametrize("data", [WINE, load_diabetes(return_X_y=True)], ids=["classes", "targets"])
def test_a_tight_limit_retrains_to_the_same_outcome(data):
    loose = quick(*data, threads=1)
    assert loose.memory["dropped"] == loose.memory["retrained_epochs"] == 0 < loose.memory["peak_bytes"]
    for threads in (1, 2):
        tight = quick(*data, threads=threads, memory_limit=1)
        assert tight.digest == loose.digest and tight.best_params == loose.best_params
        assert tight.memory["dropped"] > 0 and tight.memory["retrained_epochs"] > 0
        # On more threads, a result may wait for the decision before it, its state still at work: the peak is timing's.
        assert threads > 1 or tight.memory["peak_bytes"] < loose.memory["peak_bytes"]


def test_what_is_kept_for_an_ensemble_is_counted_and_never_dropped():
    few, many = (quick(threads=1, memory_limit=1, keep=keep) for keep in (1, 32))
    assert few.digest == many.digest
    assert many.memory["dropped"] < few.memory["dropped"] and many.memory["peak_bytes"] > few.memory["peak_bytes"]
    arenas = sum(part.nbytes for network in many.kept.networks for part in network.core.weights)
    assert many.memory["peak_bytes"] > arenas


def test_epochs_trained_again_do_not_count():
    assert quick(memory_limit=1).epochs == quick().epochs == quick(memory_limit=1, epoch_limit=10**6).epochs


def test_restarted_training_keeps_nothing_to_drop():
    assert quick(training="restart", memory_limit=1).memory["retrained_epochs"] == 0


def test_a_limit_of_an_endless_stream():
    free, tight = (quick(candidates=None, epoch_limit=300, memory_limit=limit) for limit in (None, 10_000))
    assert free.digest == tight.digest and tight.memory["dropped"] > 0

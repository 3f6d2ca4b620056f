"""Tests that the bindings of the core refuse invalid arguments and never crash.

The Python side checks users' arguments first, and the core checks them again before it reads or writes memory. So only
a bug on the Python side or an altered pickle could cause the cases tested here. tests/cpp tests the checks within the
core, and the fuzz target `core` tries other arguments.
"""

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ash import _core
from ash.metrics import METRICS

pytestmark = pytest.mark.core

NAN, INFINITY = math.nan, math.inf
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40.0).reshape(-1, 1) % 2
ROWS = np.arange(30), np.arange(30, 40)
COUNTS = (0, 2**16 + 1, 2**31 - 1)
"""Impossible numbers of threads, of virtual workers and of letters."""
FEW = np.zeros(3, np.float32)


def data(x: Any = X, y: Any = Y, classes: int = 2) -> _core.Data:
    return _core.Data(x, y, classes, *ROWS)


def settings(**values: Any) -> _core.Settings:
    made = _core.Settings()
    for name, value in {"hidden": [4], "activations": ["relu"], **values}.items():
        setattr(made, name, value)
    return made


def tuner(folds: Any = None, candidates: Any = None, **options: Any) -> _core.Tuner:
    return _core.Tuner([data()] if folds is None else folds, candidates or [settings()] * 8, **options)


def finished(made: _core.Tuner) -> _core.Tuner:
    made.start()
    assert made.wait(60.0)
    return made


def clock(**options: Any) -> _core.Search:
    return _core.Search(8, **{"schedule": "reproducible", "known": 8} | options)


def job(**changed: Any) -> Any:
    usual = {"candidate": 0, "rung": 0, "epochs": 1, "min_epochs": 1, "eta": 2, "training": "resume", "seed": 0}
    return _core.train_job(**{"data": [data()], "settings": settings(), "metric": "accuracy", **usual} | changed)


def score(y: tuple[int, ...] = (4, 1), predictions: tuple[int, ...] = (4, 1), classes: int = 0, **more: Any) -> float:
    return _core.score("accuracy" if classes else "r2", np.zeros(y), np.zeros(predictions, np.float32), classes, **more)


def network(**changed: Any) -> _core.Network:
    parts: dict[str, Any] = {"weights": [np.ones((3, 2), np.float32)], "biases": [np.zeros(2, np.float32)]}
    parts |= {"activations": [], "classes": 2, "input_center": np.zeros(3), "input_scale": np.ones(3)}
    parts |= {"input_limit": np.zeros(3), "target_mean": np.zeros(2), "target_scale": np.ones(2)}
    return _core.Network(**parts | changed)


def simulate(**changed: Any) -> Any:
    return _core.simulate(**{"candidates": 8, "costs": np.ones(1)} | changed)


def bytes_of(features: int = 3, outputs: int = 2, numbers: int = 3, **changed: Any) -> int:
    shape, own = (features, outputs, numbers), settings(embedding="periodic", batch_size=0)
    rows = {"training_rows": 2**32 - 1, "epoch_rows": 0, "validation_rows": 2**32 - 1}
    return _core.workspace_bytes([own], *shape, metric="accuracy", weighted=False, **rows | changed)


def refuses(match: str | None, call: Callable[..., Any], *given: Any, **named: Any) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError), match=match):
        call(*given, **named)
        pytest.fail(f"{given} {named} are not refused")


WRONG = settings(dropout=1.0)
TIMING = {"steps": 1, "repeats": 1, "threads": 2}
REFUSED: list[tuple[Callable[..., Any], str, dict[str, tuple[Any, ...]]]] = [
    (lambda **given: _core.Ladder(16, **given), "unknown name|eta", {"eta": (1,), "promotion": ("x",)}),
    (settings, "none of", {"optimizer": ("x",), "activations": (["relu", ""],), "initialization": ("x",)}),
    (settings, "none of", {"learning_rate_schedule": ("x",), "parametrization": ("x",), "embedding": ("x",)}),
    (clock, "", {"virtual_workers": COUNTS, "known": (-1, 9, 2**62)}),
    (clock, "cost|Unable to cast", {"cost": tuple(lambda *_, cost=cost: cost for cost in (0.0, NAN, None, "x"))}),
    (_core.Mailbox, "", {"capacity": COUNTS}),
    (data, "x", {"x": (np.zeros((40, 0)), X[0], X[1:])}),
    (lambda y: data(y=y, classes=0), "y", {"y": (Y[:, 0], Y[:, :0], Y[:0])}),
    (lambda columns: data(np.zeros((0, columns)), np.zeros((0, 1))), "x|y", {"columns": (2**31, 2**32 + 1)}),
    (data, "class", {"y": (np.full((40, 1), NAN),), "classes": (1, 41, 2**31 - 1)}),
    (_core.row_digests, "column", {"x": (np.zeros((2**40, 0)),)}),
    (lambda cells: _core.DataBuilder([True] * 3, Y, 2, *ROWS, sparse_cells=cells), "sparse_cells", {"cells": (-1,)}),
    (lambda x: _core.DataBuilder([True] * 3, Y, 2, *ROWS).observe(x), "x", {"x": (X[:, :2].copy(), X[0])}),
    (tuner, "", {"threads": COUNTS, "virtual_workers": COUNTS, "scorers": ([print, print],)}),
    (tuner, "candidates", {"count": (-1, 7, 2**31, 2**32 + 8)}),
    (tuner, "none is None", {"folds": ([], [None], [data(), None])}),
    (tuner, "score this task|instruction set", {"metric": ("r2",), "instruction_set": ("x",)}),
    (job, "data|candidate|rung|unknown", {"data": ([], [None]), "candidate": (-1,), "epochs": (-1,), "rung": (-1, 63)}),
    (job, "unknown|one per fold", {"training": ("",), "metric": ("r3",), "states": ([(FEW,) * 3 + (1, 1, 0, 0)] * 2,)}),
    (lambda **given: _core.train(data(), settings(), **given), "epochs", {"epochs": (-1, 2**62, 2**24 + 1)}),
    (lambda **given: _core.train(data(), settings(), 1, **given), "cycles", {"cycles": (0, 2**31 - 1)}),
    (lambda growth: _core.train(data(), settings(), 1, 0, 0, 64, growth), "growth|cycles", {"growth": (-1, 2, 2**62)}),
    (lambda epochs: _core.train(data(), settings(), epochs, 0, 0, 17), "all cycles", {"epochs": (2**20,)}),
    (lambda steps: _core.time_steps(data(), settings(), steps, 1), "", {"steps": (0, -1, 2**63 - 1)}),
    (lambda repeats: _core.time_steps(data(), settings(), 1, repeats), "", {"repeats": (0, -1, 2**31 - 1)}),
    (lambda **given: _core.time_team(data(), settings(), **TIMING | given), "", {"threads": (-1, 0, 1, 2**31 - 1)}),
    (lambda seconds: _core.fma_peak("", seconds), "", {"seconds": (NAN,)}),
    (lambda seconds: _core.Mailbox(1).take(seconds), "", {"seconds": (NAN,)}),
    (lambda seconds: finished(tuner()).wait(seconds), "", {"seconds": (NAN,)}),
    (simulate, "out of range", dict.fromkeys(("costs", "seconds", "state_bytes", "team_limits"), (np.array([NAN]),))),
    (simulate, "out of range", {"costs": tuple(np.array([wrong]) for wrong in (INFINITY, -1.0, 1e308))}),
    (simulate, "table", {"costs": tuple(map(np.ones, (7, 0, (8, 2), (1, 3)))), "scores": (np.ones((8, 3, 1)),)}),
    (simulate, "", {"threads": COUNTS, "virtual_workers": COUNTS, "noise": (NAN, INFINITY, -1.0, 11.0)}),
    (bytes_of, "", {"features": (0, -1, 2**31 - 1), "outputs": (0, 2**31 - 1), "numbers": (4, -1)}),
    (bytes_of, "", {"training_rows": (-1, 0, 2**32), "epoch_rows": (-1,), "validation_rows": (-1, 2**63 - 1)}),
    (network, "", {"weights": ([], [np.ones((3, 3), FEW.dtype)], [np.ones((0, 2**32 + 2), FEW.dtype)], [None])}),
    (lambda x: network(weights=[x], biases=[FEW[:0]]), "inputs", {"x": (np.ones((2**32 + 3, 0), FEW.dtype),)}),
    (network, "dimensions|shares|a column", {"biases": ([FEW[:2, None]],), "shares": ([FEW],), "numbers": ([0],)}),
    (lambda x: network().predict(x), "x|arguments", {"x": (X[:, :2].copy(), X[0], X.T, X.astype(np.int64))}),
    (lambda threads: network().predict(X, threads), "threads", {"threads": (0, -1)}),
    (lambda name: network().predict(X, 1, name), "instruction set", {"name": ("x",)}),
    (score, "shapes", {"y": ((5, 1), (4, 2), (4, 0)), "predictions": ((5, 1), (4, 3))}),
    (lambda y: score(y, (4, 2), 2), "shapes", {"y": ((4, 2), (4, 0))}),
    (lambda classes: score((4, 1), (4, 3), classes), "shapes|classes", {"classes": (2, 1, 0, -1)}),
    (score, "weights", {"weights": ([1.0],)}),
    (lambda outputs: _core.training_cost(settings(), 1, outputs, 1), "outputs", {"outputs": (0, 2**31 - 1)}),
    (lambda outputs: _core.state_bytes(settings(), 1, outputs, 1), "outputs", {"outputs": (0, 2**31 - 1)}),
    # Each function that takes settings checks them.
    (job, "dropout", {"settings": (WRONG,)}),
    (tuner, "dropout", {"candidates": ([WRONG],)}),
    (lambda wrong: tuner(count=9).provide([wrong]), "dropout", {"wrong": (WRONG,)}),
    (lambda wrong: _core.train(data(), wrong, 1), "dropout", {"wrong": (WRONG,)}),
    (lambda wrong: _core.training_cost(wrong, 3, 2, 3), "dropout", {"wrong": (WRONG,)}),
    (lambda wrong: _core.time_steps(data(), wrong, 1, 1), "dropout", {"wrong": (WRONG,)}),
    (lambda wrong: _core.time_team(data(), wrong, **TIMING), "dropout", {"wrong": (WRONG,)}),
]


@pytest.mark.parametrize(("call", "match", "wrong"), REFUSED)
def test_invalid_arguments_are_refused(call: Callable[..., Any], match: str, wrong: dict[str, tuple[Any, ...]]) -> None:
    for name, values in wrong.items():
        for value in values:
            refuses(match or name, call, **{name: value})


@pytest.mark.parametrize("metric", METRICS["classification"])
def test_labels_that_are_no_class_are_not_scored(metric: str) -> None:
    for label in (3.0, -1.0, 0.5, 1e300, NAN):
        refuses("class number", _core.score, metric, np.array([[0.0], [label]]), np.ones((2, 3), np.float32), 3)


def test_extreme_arguments_are_accepted() -> None:
    assert _core.fma_peak("", -INFINITY) == 0.0
    mailbox = _core.Mailbox(1)
    assert mailbox.take(-1e300) == ([], [])
    for number in (-1, 0, 2**62):
        assert not mailbox.answer(number, (NAN, NAN, NAN, 0, []), [], 0, 0.0)
    mailbox.close()
    assert mailbox.take(INFINITY) == ([], [])
    assert simulate(scores=np.full(8, NAN), losses=np.full(8, INFINITY))[0]["jobs"] == 8
    assert bytes_of() > 2**32 and network().predict(X).shape == (40, 2)


@pytest.mark.parametrize(
    "name",
    ["Cluster", "Data", "DataBuilder", "Job", "Ladder", "Mailbox", "Network", "Search", "Settings", "Task", "Tuner"],
)
def test_objects_whose_constructor_has_not_run(name: str) -> None:
    kind = getattr(_core, name)
    made = kind.__new__(kind)
    for attribute in dir(kind):
        if isinstance(getattr(kind, attribute), property):
            with pytest.raises(TypeError, match="__init__"):
                getattr(made, attribute)
    for method in {"Ladder": ["next"], "Tuner": ["start"], "Search": ["next"], "Mailbox": ["wake"]}.get(name, []):
        refuses(None, getattr(made, method))


def test_arrays_that_are_not_aligned_are_copied() -> None:
    """Check unaligned arrays, which other processes may send. Sanitizers report any read of them in place."""

    def unaligned(values: Any) -> Any:
        made = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
        made[...] = values
        assert not made.flags.aligned
        return made

    assert data(unaligned(X), unaligned(Y)).digests() == data().digests()
    assert (_core.row_digests(unaligned(X)) == _core.row_digests(X)).all()
    state = data().__getstate__()
    rows = tuple(unaligned(each) if isinstance(each, np.ndarray) and each.size else each for each in state[6])
    made = _core.Data.__new__(_core.Data)
    made.__setstate__((*state[:6], rows, *state[7:]))
    assert made.digests() == data().digests()
    assert (network().predict(unaligned(X)) == network().predict(X)).all()


def test_altered_pickles_of_data() -> None:
    numbers = [-1, 0, 1, 2**31 - 1, 2**63 - 1, -(2**63)]
    changes: list[Any] = [None, [], (), "", NAN, *numbers, np.zeros(0), np.zeros(10**3), np.zeros((2, 2)), [5, -1]]

    def variants(whole: Any) -> list[Any]:
        """Return copies of a nested tuple; each copy has one part replaced by another value."""
        if not isinstance(whole, tuple):
            return changes
        return [
            (*whole[:place], changed, *whole[place + 1 :])
            for place in range(len(whole))
            for changed in variants(whole[place])
        ]

    refused = 0
    for changed in variants(data().__getstate__()):
        made = _core.Data.__new__(_core.Data)
        try:
            made.__setstate__(changed)
        except (ValueError, TypeError, IndexError, OverflowError, RuntimeError, MemoryError):
            refused += 1
        else:
            _core.train(made, settings(embedding="periodic"), 1)
    assert refused > 300
    assert pickle.loads(pickle.dumps(data())).digests() == data().digests()


@pytest.mark.parametrize(
    ("scores", "states", "match"),
    [([0.5] * 2, [], "per fold"), ([0.5] * 10**5, [], "per fold"), ([0.5], [(FEW,) * 3 + (1, 1, 0.0, 0.0)], "sizes")],
    ids=["two scores", "many scores", "sizes"],
)
def test_answers_to_letters_that_do_not_fit(scores: list[float], states: list[Any], match: str) -> None:
    mailbox = _core.Mailbox(1)
    made = tuner(mailbox=mailbox)
    made.start()
    _, [letter] = mailbox.take(60.0)
    assert mailbox.answer(letter[0], (0.5, 0.1, 0.1, 1, scores), states, -7, -INFINITY)
    refuses(match, made.wait, 60.0)
    assert len(made.fold_scores()["scores"]) == 0


@pytest.fixture(scope="module")
def ran() -> _core.Tuner:
    """Return a finished tuner that no test changes."""
    return finished(tuner(keep=3))


def test_states_that_do_not_fit(ran: _core.Tuner) -> None:
    _, [state], _ = job()
    for wrong in ((state[0][:-1], *state[1:]), (state[0].reshape(1, -1), *state[1:]), (*state[:2], FEW, *state[3:])):
        refuses("sizes|dimension", job, rung=1, epochs=2, states=[wrong])
        refuses("sizes|dimension", tuner().restore_state, 0, 0, [wrong])
    for candidate, rung in ((-1, 0), (8, 0), (0, -1), (0, 63), (2**31 - 1, 2**31 - 1)):
        refuses(None, tuner().restore_state, candidate, rung, [state])
        ran.fill_state(candidate, rung, [state])  # no effect, since this job is not kept
        assert ran.states(candidate, rung) == []
    refuses("most", ran.complete, -1)


def test_recorded_tables_that_do_not_fit(ran: _core.Tuner) -> None:
    jobs, scores, steps = ran.jobs(), ran.fold_scores()["scores"], ran.steps()
    assists = {name: np.zeros(1, np.int64) for name in ("candidate", "rung", "thread")}
    assists |= {name: np.zeros(1) for name in ("start", "end", "busy")}

    def restore(jobs: Any = jobs, scores: Any = scores, steps: Any = steps, assists: Any = assists) -> None:
        tuner().restore(jobs, scores, steps, assists, 0.0)

    def first(columns: Any, name: str, number: int) -> Any:
        return columns | {name: np.concatenate([[number], columns[name][1:]])}

    for number in (2**32, -(2**32), 2**31, 2**63 - 1):
        for name in ("candidate", "rung", "thread", "team", "team_limit"):
            refuses("out of range", restore, first(jobs, name, number))
        for name in ("candidate", "rung", "thread"):
            refuses("out of range", restore, assists=first(assists, name, number))
        for row in ([number, 0], [0, number]):  # candidate and rung
            refuses("out of range", restore, steps=np.array([[*row, *steps[0, 2:]]]))
    for wrong in (scores[:-1], np.hstack([scores, scores]), scores[:, 0].copy()):
        refuses("candidate|fold", restore, scores=wrong)
    refuses("score", restore, jobs | {"score": jobs["score"][:1]})
    refuses("loss", restore, jobs | {"loss": jobs["loss"].reshape(1, -1)})
    refuses("three columns", restore, steps=steps[:, :2].copy())
    refuses("busy", restore, assists=assists | {"busy": np.zeros(2)})
    with pytest.raises(KeyError):
        restore({})
    with pytest.raises(RuntimeError, match="started before"):
        ran.restore(jobs, scores, steps, assists, 0.0)


def test_refits_of_other_networks(ran: _core.Tuner) -> None:
    plain, best, two = settings(), ran.kept_jobs()[0][0], {"hidden": [2, 4], "activations": ["relu", "relu"]}
    three = data(y=np.arange(40.0).reshape(-1, 1) % 3, classes=3)

    def refit(rows: Any = None, which: Any = (best,), own: Any = plain, epochs: int = 1, seconds: float = 10.0) -> Any:
        return ran.refit(rows or data(), list(which), [own], [epochs], 0, seconds)

    for changed in ({"hidden": [5]}, {"optimizer": "sgd"}, {"dropout": NAN}, two):
        refuses("sizes|dropout", refit, own=settings(**changed))
    refuses("epochs", refit, epochs=-1)
    refuses("one length", refit, which=(best, best))
    refuses("other features or outputs", refit, three)
    refuses("seconds", refit, seconds=NAN)
    refuses("candidate 99 has no network that is kept", refit, which=(99,))
    refuses("candidate 99 has no network that is kept", ran.retrain, data(), [99], 10.0)
    assert refit(data(np.hstack([X[:, :2], np.ones((40, 1))]))) == ([None], [False])
    (made,), stopped = refit(seconds=INFINITY)
    assert type(made) is _core.Network and stopped == [False]
    assert refit(epochs=10**6, seconds=0.0) == ([None], [True])


@pytest.mark.parametrize("scorer", [None, lambda network, predictions: "x", lambda: 1.0])
def test_scorers_that_fail(scorer: Any) -> None:
    made = tuner(scorers=[scorer], threads=2)
    made.start()
    with pytest.raises((TypeError, RuntimeError)):
        made.wait(60.0)

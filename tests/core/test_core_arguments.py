"""Tests that the private functions of the core refuse invalid arguments and never crash.

The Python side checks users' arguments first, and the core checks them again before it reads or writes memory. So only
a bug on the Python side or an altered pickle could cause the cases tested here. The fuzz target `core` tries others.
"""

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ash import _core
from ash.metrics import METRICS

pytestmark = pytest.mark.core

NAN, INFINITY = math.nan, math.inf
REFUSALS = (ValueError, TypeError, IndexError, OverflowError, RuntimeError, MemoryError)
RULES = {"min_epochs": 1, "eta": 2, "training": "resume", "metric": "accuracy", "seed": 0}
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40.0).reshape(-1, 1) % 2
ROWS = np.arange(30), np.arange(30, 40)
COUNTS = (0, 2**16 + 1, 2**31 - 1)
"""Impossible numbers of threads, of virtual workers and of letters."""


def data(x: Any = X, y: Any = Y, classes: int = 2) -> _core.Data:
    return _core.Data(x, y, classes, *ROWS)


def settings(**values: Any) -> _core.Settings:
    made = _core.Settings()
    for name, value in {"hidden": [4], "activations": ["relu"], **values}.items():
        setattr(made, name, value)
    return made


def tuner(candidates: int = 8, **options: Any) -> _core.Tuner:
    return _core.Tuner([data()], [settings()] * candidates, **options)


def finished(made: _core.Tuner) -> _core.Tuner:
    made.start()
    assert made.wait(60.0)
    return made


def each(**options: Any) -> Iterator[dict[str, Any]]:
    """Return each value as the only changed argument of a call."""
    return ({name: value} for name, values in options.items() for value in values)


def refuses(match: str | None, call: Callable[..., Any], *given: Any, **named: Any) -> None:
    with pytest.raises(ValueError, match=match):
        call(*given, **named)
        pytest.fail(f"{given} {named} are not refused")


def state_of(**more: Any) -> Any:
    return _core.train_job([data()], settings(), 0, 0, 1, **RULES, **more)[1][0]


@pytest.fixture(scope="module")
def ran() -> _core.Tuner:
    """Return a finished tuner that no test changes."""
    return finished(tuner(keep=3))


def test_scores():
    for metric in METRICS["classification"]:
        for label in (3.0, -1.0, 0.5, 1e300, NAN):
            refuses("class number", _core.score, metric, np.array([[0.0], [label]]), np.ones((2, 3), np.float32), 3)
    for metric in ("accuracy", "r2"):
        # The numbers of outputs and of classes or targets, of columns of labels, of rows, and of classes are wrong.
        wrong = [
            ((4, 1), (4, 3), 2),
            ((4, 2), (4, 2), 2),
            ((4, 0), (4, 2), 2),
            ((4, 1), (4, 2), 0),
            ((4, 2), (4, 1), 0),
        ]
        for y, predictions, classes in [*wrong, ((4, 1), (5, 1), 0), ((4, 1), (4, 1), 1), ((4, 1), (4, 1), -1)]:
            refuses("shapes|classes", _core.score, metric, np.zeros(y), np.zeros(predictions, np.float32), classes)
    y, predictions = np.zeros((4, 1)), np.zeros((4, 1), np.float32)
    refuses("unknown metric", _core.score, "", y, predictions, 0)
    refuses("classification|regression", _core.score, "r2", y, np.zeros((4, 2), np.float32), 2)
    refuses("weights", _core.score, "r2", y, predictions, 0, [1.0])


@pytest.mark.parametrize(
    "name",
    ["Cluster", "Data", "DataBuilder", "Job", "Ladder", "Mailbox", "Network", "Search", "Settings", "Task", "Tuner"],
)
def test_objects_whose_constructor_has_not_run(name):
    kind = getattr(_core, name)
    made = kind.__new__(kind)
    for attribute in dir(kind):
        if isinstance(getattr(kind, attribute), property):
            with pytest.raises(TypeError, match="__init__"):
                getattr(made, attribute)
    for method in {"Ladder": ["next"], "Tuner": ["start"], "Search": ["next"], "Mailbox": ["wake"]}.get(name, []):
        with pytest.raises(TypeError):
            getattr(made, method)()


def test_tables():
    for x in (np.zeros((40, 0)), X[0]):
        refuses("x", data, x)
    for y, classes in ((Y[:, 0], 2), (np.zeros((40, 0)), 0), (np.full((40, 1), NAN), 2)):
        refuses("y", data, X, y, classes)
    for columns in (3, 2**31, 2**32 + 1):
        refuses("x|y", data, np.zeros((0, columns)), np.zeros((0, 1)))
    for classes in (1, -5, 41, 2**31 - 1):
        refuses("class", data, X, Y, classes)
    for rows in ([-1], [40], [2**40], []):
        refuses("row", _core.Data, X, Y, 2, np.array(rows, np.int64), ROWS[1])
    refuses("sparse_cells: must be at least 0", _core.DataBuilder, [True] * 3, Y, 2, *ROWS, sparse_cells=-1)
    refuses("column", _core.row_digests, np.zeros((2**40, 0)))


def test_arrays_that_are_not_aligned_are_copied():
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
    network, _ = _core.train(data(), settings(), 1)
    assert (network.predict(unaligned(X)) == network.predict(X)).all()


def test_a_builder_returns_its_data_only_once():
    builder = _core.DataBuilder([True] * 3, Y, 2, *ROWS)
    refuses("rows", builder.finish)
    builder.observe(X)
    refuses("rows", builder.observe, X[:1])
    builder.fill(X)
    assert builder.finish().features == 3
    refuses("rows", builder.finish)
    for again in (X[:0], X):
        refuses("rows", builder.fill, again)


def test_altered_pickles_of_data():
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
        except REFUSALS:
            refused += 1
        else:
            _core.train(made, settings(embedding="periodic"), 1)
    assert refused > 300
    assert pickle.loads(pickle.dumps(data())).digests() == data().digests()


def test_parts_of_networks():
    parts: dict[str, Any] = {"weights": [np.ones((3, 2), np.float32)], "biases": [np.zeros(2, np.float32)]}
    parts |= {"activations": [], "classes": 2, "input_center": np.zeros(3), "input_scale": np.ones(3)}
    parts |= {"input_limit": np.zeros(3), "target_mean": np.zeros(2), "target_scale": np.ones(2)}
    network = _core.Network(**parts)
    assert network.predict(X).shape == (40, 2)
    assert [each.shape for each in network.weights] == [(3, 2)]
    wide = np.ones((0, 2**32 + 2), np.float32)
    for change in (
        *each(weights=([], [np.ones((3, 3), np.float32)], [wide], [np.full((3, 2), NAN, np.float32)], [None])),
        {"weights": [np.ones((2**32 + 3, 0), np.float32)], "biases": [np.zeros(0, np.float32)]},
        *each(biases=[[np.zeros((2, 1), np.float32)]], activations=[["relu"]], classes=(3, -2)),
        *each(input_center=[np.zeros(4)], input_scale=[np.array([1.0, wrong, 1.0]) for wrong in (0.0, 5e-324)]),
        *each(input_limit=[np.full(3, NAN)], target_scale=[np.full(2, INFINITY)], numbers=[[0]]),
        {"numbers": [0, 0], "embedding": np.zeros((99, 2), np.float32)},
        {"shares": [np.zeros(2, np.float32)]},
    ):
        with pytest.raises((ValueError, TypeError)):
            _core.Network(**parts | change)
    for x, threads in ((X[:, :2], 1), (X[0], 1), (X, 0), (X, -1), (X.T, 1), (X.astype(np.int64), 1)):
        with pytest.raises((ValueError, TypeError)):
            network.predict(x, threads)
    refuses("no such", network.predict, X, 1, "no such set")


def test_epochs():
    for change in (
        *each(epochs=(-1, 2**62, 2**24 + 1)),
        *({"epochs": epochs, "cycles": cycles} for epochs, cycles in ((2**20, 17), (0, 2**31 - 1), (1, 0))),
        *({"epochs": 1, "cycles": 2, "growth": growth} for growth in (-1, 2**62)),
        {"epochs": 1, "cycles": 64, "growth": 2},
        {"epochs": 1, "instruction_set": "x"},
    ):
        refuses(None, _core.train, data(), settings(), **change)


@pytest.mark.parametrize(
    "changed",
    [
        *each(hidden=([], [0], [-1], [2**31 - 1]), batch_size=(-1,), dropout=(NAN, 1.0), epsilon=(NAN, 0.0)),
        *each(**dict.fromkeys(("learning_rate", "beta1", "beta2", "l2", "momentum"), (NAN,))),
        *each(**dict.fromkeys(("learning_rate", "weight_decay", "embedding_frequency"), (INFINITY,))),
    ],
    ids=str,
)
def test_settings_out_of_range(changed):
    wrong, (name,) = settings(**changed), changed
    refuses(name, _core.train, data(), wrong, 1)
    refuses(name, _core.train_job, [data()], wrong, 0, 0, 1, **RULES)
    refuses(name, _core.training_cost, wrong, 3, 2, 3)
    refuses(name, _core.time_steps, data(), wrong, 1, 1)
    refuses(name, _core.time_team, data(), wrong, steps=1, repeats=1, threads=2)
    refuses(name, _core.Tuner, [data()], [wrong])
    refuses(name, tuner(count=9).provide, [wrong])


def test_names_that_do_not_exist():
    for name in ("optimizer", "learning_rate_schedule", "initialization", "parametrization", "embedding"):
        refuses("none of", setattr, settings(), name, "x")
    refuses("none of", setattr, settings(), "activations", ["relu", ""])


def test_jobs(ran):
    usual = {"data": [data()], "settings": settings(), "candidate": 0, "rung": 0, "epochs": 1} | RULES
    for changed in (
        *each(data=([], [None]), candidate=(-1,), epochs=(-1,), rung=(-1, 63), training=("",), metric=("r3",)),
        *({"rung": 3, "eta": eta} for eta in (0, 2**40)),
        *({"rung": 1, "min_epochs": epochs} for epochs in (0, 2**63 - 1)),
    ):
        refuses(None, _core.train_job, **usual | changed)
    state = state_of()
    weights, first, second, epochs, updates, *powers = state
    for wrong in (
        (weights[:-1], first, second, epochs, updates, *powers),
        (weights, first[:0], second, epochs, updates, *powers),
        (weights, first, second[:0], epochs, updates, *powers),
        (weights.reshape(1, -1), first, second, epochs, updates, *powers),
        *((weights, first, second, many, updates, *powers) for many in (2**62, -1)),
        *((weights, first, second, epochs, many, *powers) for many in (2**63 - 1, -1)),
    ):
        refuses(None, _core.train_job, **usual | {"rung": 1, "epochs": 2}, states=[wrong])
        refuses(None, tuner().restore_state, 0, 0, [wrong])
    refuses("one per fold", _core.train_job, **usual | {"rung": 1, "epochs": 2}, states=[state, state])
    made = finished(tuner())
    for candidate, rung in ((-1, 0), (8, 0), (0, -1), (0, 63), (2**31 - 1, 2**31 - 1)):
        refuses(None, tuner().restore_state, candidate, rung, [state])
        made.fill_state(candidate, rung, [state])  # no effect, since this job is not kept
        assert made.states(candidate, rung) == []


def test_timings():
    for steps, repeats in ((0, 1), (-1, 1), (2**63 - 1, 1), (1, 0), (1, -1), (1, 2**31 - 1)):
        refuses("steps|repeats", _core.time_steps, data(), settings(), steps, repeats)
        refuses("steps|repeats", _core.time_team, data(), settings(), steps=steps, repeats=repeats, threads=2)
    for threads in (-1, 0, 1, 2**31 - 1):
        refuses("threads", _core.time_team, data(), settings(), steps=1, repeats=1, threads=threads)
    refuses("seconds", _core.fma_peak, "", NAN)
    refuses("seconds", _core.Mailbox(1).take, NAN)
    refuses("seconds", finished(tuner()).wait, NAN)
    assert _core.fma_peak("", -INFINITY) == 0.0
    assert _core.Mailbox(1).take(-1e300) == ([], [])


def test_ladders():
    changes = each(candidates=(0, -1, 2**31, 2**32 + 8), eta=(1, -(2**63)), min_epochs=(0, 2**63 - 1), max_rungs=(-1,))
    for changed in (*changes, *each(epoch_limit=(-1,), algorithm=("",), promotion=("x",))):
        count = changed.pop("candidates", 16)
        refuses(None, _core.Ladder, count, **changed)
        refuses(None, _core.Search, count, known=0, **changed)
        refuses(None, _core.simulate, count, np.ones(1), **changed)


def clock(**options: Any) -> _core.Search:
    return _core.Search(8, **{"schedule": "reproducible", "workers": 2, "known": 8} | options)


@pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
@pytest.mark.parametrize("released", [False, True])
def test_tasks_that_are_not_running(schedule, released):
    made, other = clock(schedule=schedule), clock(workers=50)
    task = made.next()
    strange = [other.next() for _ in range(8)][-1]
    made.finish(task, 1.0, 0.0)
    last = made.next()
    if released:
        made.release()
    for wrong in (task, strange):
        refuses("not running", made.finish, wrong, 1.0, 0.0)
    made.finish(last, 1.0, 0.0)
    refuses("not running", made.finish, last, 1.0, 0.0)
    ahead, behind = clock(), clock()
    ahead.next()
    task = ahead.next()  # `behind` would hand out this task second, but hands out only one task
    behind.next()
    refuses("not running", behind.finish, task, 1.0, 0.0)


def test_clocks():
    for schedule in ("greedy", "reproducible"):
        for known in (-1, 9, 2**62):
            refuses("known", clock, schedule=schedule, known=known)
            refuses("known", clock(schedule=schedule, known=4).provide, known)
        refuses("known", clock(schedule=schedule, known=4).provide, 3)
    for workers in COUNTS:
        refuses("workers", clock, workers=workers)
    for cost in (0.0, -1.0, NAN, INFINITY, None, "x"):
        with pytest.raises((ValueError, RuntimeError)):
            clock(cost=lambda candidate, epochs, cost=cost: cost)
    for rungs in ([(7, 1)], [(8, -1)], [(8, 1), (9, 1)], [(8, 1), (0, 1)], [(8, 1)] * 64):
        refuses(None, clock, rungs=rungs)


FEW = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (((0.5, 0.1, 0.1, 1, [0.5] * 100_000), [], 0, NAN), "one per fold"),
        (((0.5, 0.1, 0.1, 1, [0.5, 0.5]), [], 0, NAN), "one per fold"),
        (((0.5, 0.1, 0.1, 1, [0.5]), [(FEW, FEW, FEW, 1, 1, 0.0, 0.0)], -7, -INFINITY), "sizes"),
    ],
    ids=["many scores", "two scores", "sizes"],
)
def test_answers_to_letters(answer, match):
    mailbox = _core.Mailbox(1)
    made = tuner(mailbox=mailbox)
    made.start()
    _, [letter] = mailbox.take(60.0)
    assert mailbox.answer(letter[0], *answer)
    refuses(match, made.wait, 60.0)
    assert len(made.fold_scores()["scores"]) == 0


def test_mailboxes():
    for capacity in COUNTS:
        refuses("capacity", _core.Mailbox, capacity)
    mailbox = _core.Mailbox(1)
    for number in (-1, 0, 2**62):
        assert not mailbox.answer(number, (NAN, NAN, NAN, 0, []), [], 0, 0.0)
    mailbox.close()
    assert mailbox.take(INFINITY) == ([], [])


def test_tuners():
    sizes = each(keep=(0, -1), count=(-1, 7, 2**31, 2**32 + 8), memory_limit=(-1,), epoch_limit=(-1,))
    names = each(metric=("r2",), scorers=([print, print],), instruction_set=("x",))
    for options in (*each(threads=COUNTS, workers=COUNTS), *sizes, *names):
        refuses(None, tuner, **options)
    three = data(y=np.arange(40.0).reshape(-1, 1) % 3, classes=3)
    for other in (None, data(X[:, :2].copy()), three, data(classes=0)):
        refuses("fold|task", _core.Tuner, [data(), other], [settings()])
    for folds in ([], [None]):
        refuses("fold|task", _core.Tuner, folds, [settings()])


def test_calls_at_the_wrong_time(ran):
    made = tuner()
    with pytest.raises(RuntimeError, match="not started"):
        made.wait(0.0)
    finished(made)
    table = ran.jobs(), ran.fold_scores()["scores"], ran.steps(), ran.assists(), 0.0
    late = [made.start, lambda: made.restore(*table), lambda: made.restore_state(0, 0, [state_of()])]
    for call in late:
        with pytest.raises(RuntimeError, match="started before"):
            call()
    refuses("candidates", made.provide, [settings()])
    refuses("most", ran.complete, -1)
    assert made.states(2**31 - 1, -1) == []


@pytest.mark.parametrize("number", [2**32, -(2**32), 2**31, 2**63 - 1])
def test_recorded_numbers_that_are_too_large(ran, number):
    def changed(columns: dict[str, Any], name: str) -> dict[str, Any]:
        return columns | {name: np.concatenate([[number], columns[name][1:]])}

    jobs, steps, scores = ran.jobs(), ran.steps(), ran.fold_scores()["scores"]
    assists = {name: np.zeros(1, np.int64) for name in ("candidate", "rung", "thread")}
    assists |= {name: np.zeros(1) for name in ("start", "end", "busy")}
    wrong = [(changed(jobs, name), steps, assists) for name in ("candidate", "rung", "thread", "team", "team_limit")]
    wrong += [(jobs, steps, changed(assists, name)) for name in ("candidate", "rung", "thread")]
    for column in (0, 1):  # candidate and rung
        other = steps.copy()
        other[0, column] = number
        wrong.append((jobs, other, assists))
    for columns, rows, help_columns in wrong:
        refuses("out of range", tuner().restore, columns, scores, rows, help_columns, 0.0)


def test_recorded_tables_that_do_not_fit(ran):
    jobs, steps, assists, scores = ran.jobs(), ran.steps(), ran.assists(), ran.fold_scores()["scores"]
    for wrong in (scores[:-1], np.hstack([scores, scores]), scores[:, 0].copy()):
        refuses(None, tuner().restore, jobs, wrong, steps, assists, 0.0)
    for name, column in (("score", jobs["score"][:1]), ("loss", jobs["loss"].reshape(1, -1))):
        refuses(None, tuner().restore, jobs | {name: column}, scores, steps, assists, 0.0)
    refuses(None, tuner().restore, jobs, scores, steps[:, :2].copy(), assists, 0.0)
    refuses(None, tuner().restore, jobs, scores, steps, assists | {"busy": np.zeros(2)}, 0.0)
    with pytest.raises(KeyError):
        tuner().restore({}, scores, steps, assists, 0.0)


def test_refits_of_other_networks(ran):
    plain, best = settings(), ran.kept_jobs()[0][0]
    two = {"hidden": [2, 4], "activations": ["relu", "relu"]}
    for change in (*each(hidden=[[5]], optimizer=["sgd"], dropout=[NAN]), two):
        refuses(None, ran.refit, data(), [best], [settings(**change)], [1], 0, 10.0)
    three = data(y=np.arange(40.0).reshape(-1, 1) % 3, classes=3)
    for rows, which, epochs in ((data(), [best], [-1]), (data(), [best, best], [1]), (three, [best], [1])):
        refuses(None, ran.refit, rows, which, [plain], epochs, 0, 10.0)
    refuses("candidate 99 has no network that is kept", ran.refit, data(), [99], [plain], [1], 0, 10.0)
    refuses("candidate 99 has no network that is kept", ran.retrain, data(), [99], 10.0)
    refuses("seconds", ran.refit, data(), [best], [plain], [1], 0, NAN)
    constant = np.hstack([X[:, :2], np.ones((40, 1))])
    assert ran.refit(data(constant), [best], [plain], [1], 0, 10.0) == ([None], [False])
    (network,), stopped = ran.refit(data(), [best], [plain], [1], 0, INFINITY)
    assert type(network) is _core.Network and stopped == [False]
    assert ran.refit(data(), [best], [plain], [10**6], 0, 0.0) == ([None], [True])


@pytest.mark.parametrize("scorer", [None, lambda network, predictions: "x", lambda: 1.0])
def test_scorers_that_fail(scorer):
    made = tuner(scorers=[scorer], threads=2)
    made.start()
    with pytest.raises((TypeError, RuntimeError)):
        made.wait(60.0)


def test_simulations():
    for name in ("costs", "seconds", "state_bytes", "team_limits"):
        for value in (NAN, INFINITY, -1.0, 1e308):
            tables = {"costs": np.ones(1)} | {name: np.array([value])}
            refuses("out of range", _core.simulate, 8, **tables)
    ratios = {"noise": (NAN, INFINITY, -1.0, 11.0), "team_efficiency": (NAN, INFINITY, -0.5, 1.5)}
    shapes = {"costs": [np.ones(shape) for shape in (7, 0, (8, 2), (1, 3))], "scores": [np.ones((8, 3, 1))]}
    for changed in each(threads=COUNTS, workers=COUNTS, order=("x",), **ratios, **shapes):
        refuses(None, _core.simulate, 8, **{"costs": np.ones(1)} | changed)
    usual = {"threads_per_process": 2, "in_flight": 1, "states_stay": True, "latency": 0.0, "data_bytes": 0.0}
    usual |= {"bandwidth": INFINITY, "process_bandwidth": INFINITY, "decision_seconds": 0.0}
    rates = {"bandwidth": (NAN, 0.0, -1.0), "latency": (NAN, INFINITY, -1.0)}
    for changed in each(threads_per_process=(0,), in_flight=(0, 2**31 - 1), **rates):
        with pytest.raises(ValueError):
            _core.simulate(8, np.ones(1), threads=4, teams=False, cluster=_core.Cluster(**usual | changed))
    totals, _, _ = _core.simulate(8, np.ones(1), scores=np.full(8, NAN), losses=np.full(8, INFINITY))
    assert totals["jobs"] == 8


def test_sizes_of_impossible_networks():
    own = settings(embedding="periodic")
    rows = {"training_rows": 2**32 - 1, "epoch_rows": 0, "validation_rows": 2**32 - 1}
    usual = {"metric": "accuracy", "weighted": False} | rows
    for shape in ((0, 1, 0), (1, 0, 0), (-1, 1, 0), (1, 1, 2), (1, 1, -1), (2**31 - 1, 1, 2**31 - 1)):
        refuses(None, _core.training_cost, own, *shape)
        refuses(None, _core.state_bytes, own, *shape)
        refuses(None, _core.workspace_bytes, [own], *shape, **usual)
    for changed in each(training_rows=(-1, 0, 2**32, 2**63 - 1), epoch_rows=(-1,), validation_rows=(-1, 2**63 - 1)):
        refuses(next(iter(changed)), _core.workspace_bytes, [own], 3, 2, 3, **usual | changed)
    assert _core.workspace_bytes([settings(batch_size=0)], 3, 2, 3, **usual) > 2**32

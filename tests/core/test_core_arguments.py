"""Tests that the private functions of the core refuse invalid arguments and never crash.

The Python side checks users' arguments first, and the core checks them again before it reads or writes memory. So only
a bug on the Python side or an altered pickle could cause the cases tested here.
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
REFUSALS = (ValueError, TypeError, IndexError, OverflowError, RuntimeError, MemoryError)
RULES = {"min_epochs": 1, "eta": 2, "training": "resume", "metric": "accuracy", "seed": 0}
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40.0).reshape(-1, 1) % 2
ROWS = np.arange(30), np.arange(30, 40)


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


@pytest.fixture(scope="module")
def ran() -> _core.Tuner:
    """Return a finished tuner that no test changes."""
    return finished(tuner(keep=3))


class TestScore:
    @pytest.mark.parametrize("metric", METRICS["classification"])
    @pytest.mark.parametrize("label", [3.0, 5.0, -1.0, 0.5, 1e300, -1e300, NAN, INFINITY])
    def test_labels_outside_the_classes(self, metric, label):
        with pytest.raises(ValueError, match="class number"):
            _core.score(metric, np.array([[0.0], [label]]), np.full((2, 3), 1 / 3, np.float32), 3)

    @pytest.mark.parametrize("metric", ["accuracy", "r2", "neg_mean_absolute_error"])
    @pytest.mark.parametrize(
        ("y", "predictions", "classes"),
        [
            ((4, 1), (4, 3), 2),  # the number of outputs is not the number of classes
            ((4, 1), (4, 1), 2),
            ((4, 2), (4, 2), 2),  # not exactly one column of labels
            ((4, 0), (4, 2), 2),
            ((4, 1), (4, 2), 0),  # the number of outputs is not the number of targets
            ((4, 2), (4, 1), 0),
            ((4, 1), (5, 1), 0),  # different numbers of rows
            ((4, 1), (4, 1), 1),
            ((4, 1), (4, 1), -1),
        ],
    )
    def test_shapes_that_do_not_fit(self, metric, y, predictions, classes):
        with pytest.raises(ValueError, match=r"shapes|classes"):
            _core.score(metric, np.zeros(y), np.zeros(predictions, np.float32), classes)

    def test_metrics_and_weights_that_do_not_fit(self):
        y, predictions = np.zeros((4, 1)), np.zeros((4, 1), np.float32)
        with pytest.raises(ValueError, match="unknown metric"):
            _core.score("", y, predictions, 0)
        with pytest.raises(ValueError, match=r"classification|regression"):
            _core.score("r2", y, np.zeros((4, 2), np.float32), 2)
        with pytest.raises(ValueError, match="weights"):
            _core.score("r2", y, predictions, 0, [1.0])


@pytest.mark.parametrize(
    "name",
    ["Clock", "Cluster", "Data", "DataBuilder", "Job", "Ladder", "Mailbox", "Network", "Settings", "Task", "Tuner"],
)
def test_objects_whose_constructor_has_not_run(name):
    kind = getattr(_core, name)
    made = kind.__new__(kind)
    for attribute in dir(kind):
        member = getattr(kind, attribute)
        if isinstance(member, property):
            with pytest.raises(TypeError, match="__init__"):
                getattr(made, attribute)


def test_methods_of_objects_whose_constructor_has_not_run():
    for kind, method in (
        (_core.Ladder, "next"),
        (_core.Tuner, "start"),
        (_core.Clock, "next"),
        (_core.Mailbox, "wake"),
    ):
        with pytest.raises(TypeError):
            getattr(kind.__new__(kind), method)()


class TestData:
    @pytest.mark.parametrize(
        ("x", "y", "classes"),
        [
            (np.zeros((0, 3)), np.zeros((0, 1)), 2),
            (np.zeros((40, 0)), Y, 2),
            (np.zeros((0, 2**31)), np.zeros((0, 1)), 2),
            (np.zeros((0, 2**32 + 1)), np.zeros((0, 1)), 2),
            (X[0], Y, 2),
            (X, Y[:, 0], 2),
            (X, np.zeros((40, 0)), 0),
            (X, np.full((40, 1), NAN), 2),
            (X, Y, 1),
            (X, Y, -5),
            (X, Y, 41),
            (X, Y, 2**31 - 1),
        ],
    )
    def test_invalid_tables(self, x, y, classes):
        with pytest.raises(ValueError, match=r"x|y|class"):
            data(x, y, classes)

    @pytest.mark.parametrize("rows", [[-1], [40], [2**40], []])
    def test_rows_that_do_not_exist(self, rows):
        with pytest.raises(ValueError, match="row"):
            _core.Data(X, Y, 2, np.array(rows, np.int64), ROWS[1])

    def test_arrays_that_are_not_aligned_are_copied(self):
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

    def test_a_builder_returns_its_data_only_once(self):
        builder = _core.DataBuilder([True] * 3, Y, 2, *ROWS)
        with pytest.raises(ValueError, match="rows"):
            builder.finish()
        builder.observe(X)
        with pytest.raises(ValueError, match="rows"):
            builder.observe(X[:1])
        builder.fill(X)
        assert builder.finish().features == 3
        for again in (builder.finish, lambda: builder.fill(X[:0]), lambda: builder.fill(X)):
            with pytest.raises(ValueError, match="rows"):
                again()

    def test_a_negative_number_of_sparse_cells_is_refused(self):
        with pytest.raises(ValueError, match="sparse_cells: must be at least 0"):
            _core.DataBuilder([True] * 3, Y, 2, *ROWS, sparse_cells=-1)

    def test_rows_without_columns_have_no_digest(self):
        with pytest.raises(ValueError, match="column"):
            _core.row_digests(np.zeros((2**40, 0)))

    def test_altered_pickles(self):
        state = data().__getstate__()
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
        for changed in variants(state):
            made = _core.Data.__new__(_core.Data)
            try:
                made.__setstate__(changed)
            except REFUSALS:
                refused += 1
            else:
                _core.train(made, settings(embedding="periodic"), 1)
        assert refused > 300
        assert pickle.loads(pickle.dumps(data())).digests() == data().digests()


PARTS = {
    "weights": [np.ones((3, 2), np.float32)],
    "biases": [np.zeros(2, np.float32)],
    "activations": [],
    "classes": 2,
    "input_center": np.zeros(3),
    "input_scale": np.ones(3),
    "input_limit": np.zeros(3),
    "target_mean": np.zeros(2),
    "target_scale": np.ones(2),
}


class TestNetwork:
    def test_parts_that_fit(self):
        network = _core.Network(**PARTS)
        assert network.predict(X).shape == (40, 2)
        assert [each.shape for each in network.weights] == [(3, 2)]

    @pytest.mark.parametrize(
        "change",
        [
            {"weights": []},
            {"weights": [np.ones((3, 3), np.float32)]},
            {"weights": [np.ones((0, 2**32 + 2), np.float32)]},
            {"weights": [np.ones((2**32 + 3, 0), np.float32)], "biases": [np.zeros(0, np.float32)]},
            {"weights": [np.full((3, 2), NAN, np.float32)]},
            {"weights": [None]},
            {"biases": [np.zeros((2, 1), np.float32)]},
            {"activations": ["relu"]},
            {"classes": 3},
            {"classes": -2},
            {"input_center": np.zeros(4)},
            {"input_scale": np.array([1.0, 0.0, 1.0])},
            {"input_scale": np.array([1.0, 5e-324, 1.0])},
            {"input_limit": np.full(3, NAN)},
            {"target_scale": np.full(2, INFINITY)},
            {"numbers": [0]},
            {"numbers": [0, 0], "embedding": np.zeros((99, 2), np.float32)},
            {"shares": [np.zeros(2, np.float32)]},
        ],
    )
    def test_parts_that_do_not_fit(self, change):
        with pytest.raises((ValueError, TypeError)):
            _core.Network(**PARTS | change)

    def test_rows_and_threads_that_do_not_fit(self):
        network = _core.Network(**PARTS)
        for x, threads in ((X[:, :2], 1), (X[0], 1), (X, 0), (X, -1), (X.T, 1), (X.astype(np.int64), 1)):
            with pytest.raises((ValueError, TypeError)):
                network.predict(x, threads)
        with pytest.raises(ValueError, match="no such"):
            network.predict(X, 1, "no such set")


class TestTraining:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"epochs": -1},
            {"epochs": 2**62},
            {"epochs": 2**62, "cycles": 4, "growth": 4},
            {"epochs": 2**24 + 1},
            {"epochs": 2**20, "cycles": 17},
            {"epochs": 1, "cycles": 64, "growth": 2},
            {"epochs": 1, "cycles": 2, "growth": -1},
            {"epochs": 1, "cycles": 2, "growth": 2**62},
            {"epochs": 0, "cycles": 2**31 - 1},
            {"epochs": 1, "cycles": 0},
            {"epochs": 1, "instruction_set": "x"},
        ],
    )
    def test_impossible_epochs(self, arguments):
        with pytest.raises(ValueError):
            _core.train(data(), settings(), **arguments)

    @pytest.mark.parametrize(
        "changed",
        [
            {"hidden": []},
            {"hidden": [0]},
            {"hidden": [-1]},
            {"hidden": [2**31 - 1]},
            {"batch_size": -1},
            *({name: NAN} for name in ("learning_rate", "dropout", "beta1", "beta2", "epsilon", "l2", "momentum")),
            *({name: INFINITY} for name in ("learning_rate", "weight_decay", "embedding_frequency")),
            {"dropout": 1.0},
            {"epsilon": 0.0},
        ],
    )
    def test_settings_out_of_range(self, changed):
        wrong = settings(**changed)
        calls: list[Callable[[], Any]] = [
            lambda: _core.train(data(), wrong, 1),
            lambda: _core.train_job([data()], wrong, 0, 0, 1, **RULES),
            lambda: _core.training_cost(wrong, 3, 2, 3),
            lambda: _core.time_steps(data(), wrong, 1, 1),
            lambda: _core.time_team(data(), wrong, steps=1, repeats=1, threads=2),
            lambda: _core.Tuner([data()], [wrong]),
            lambda: tuner(count=9).provide([wrong]),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=next(iter({**changed, "hidden": "hidden"}.keys() & changed))):
                call()

    def test_names_that_do_not_exist(self):
        for name in ("optimizer", "learning_rate_schedule", "initialization", "parametrization", "embedding"):
            with pytest.raises(ValueError, match="none of"):
                setattr(settings(), name, "x")
        with pytest.raises(ValueError, match="none of"):
            settings().activations = ["relu", ""]

    @pytest.mark.parametrize(
        "changed",
        [
            {"data": []},
            {"data": [None]},
            {"candidate": -1},
            {"epochs": -1},
            {"rung": -1},
            {"rung": 63},
            {"rung": 2**31 - 1},
            {"rung": 3, "eta": 0},
            {"rung": 3, "eta": 2**40},
            {"rung": 1, "min_epochs": 0},
            {"rung": 1, "min_epochs": 2**63 - 1},
            {"training": ""},
            {"metric": "r3"},
        ],
    )
    def test_impossible_jobs(self, changed):
        arguments = {"data": [data()], "candidate": 0, "rung": 0, "epochs": 1} | RULES | changed
        with pytest.raises(ValueError):
            _core.train_job(settings=settings(), **arguments)

    def test_states_that_do_not_fit_a_job(self):
        _, (state,), _ = _core.train_job([data()], settings(), 0, 0, 1, **RULES)
        weights, first, second, epochs, updates, *powers = state
        wrong = [
            (weights[:-1], first, second, epochs, updates, *powers),
            (weights, first[:0], second, epochs, updates, *powers),
            (weights, first, second[:0], epochs, updates, *powers),
            (weights.reshape(1, -1), first, second, epochs, updates, *powers),
            (weights, first, second, 2**62, updates, *powers),
            (weights, first, second, -1, updates, *powers),
            (weights, first, second, epochs, -1, *powers),
            (weights, first, second, epochs, 2**63 - 1, *powers),
        ]
        for each in wrong:
            with pytest.raises(ValueError):
                _core.train_job([data()], settings(), 0, 1, 2, states=[each], **RULES)
            with pytest.raises(ValueError):
                tuner().restore_state(0, 0, [each])
        with pytest.raises(ValueError, match="one per fold"):
            _core.train_job([data()], settings(), 0, 1, 2, states=[state, state], **RULES)

    @pytest.mark.parametrize(("steps", "repeats"), [(0, 1), (-1, 1), (2**63 - 1, 1), (1, 0), (1, -1), (1, 2**31 - 1)])
    def test_endless_timings(self, steps, repeats):
        with pytest.raises(ValueError, match=r"steps|repeats"):
            _core.time_steps(data(), settings(), steps, repeats)
        with pytest.raises(ValueError, match=r"steps|repeats"):
            _core.time_team(data(), settings(), steps=steps, repeats=repeats, threads=2)

    def test_seconds_that_are_not_a_number(self):
        for call in (
            lambda: _core.fma_peak("", NAN),
            lambda: _core.Mailbox(1).take(NAN),
            lambda: finished(tuner()).wait(NAN),
        ):
            with pytest.raises(ValueError, match="seconds"):
                call()
        assert _core.fma_peak("", -INFINITY) == 0.0
        assert _core.Mailbox(1).take(-1e300) == ([], [])

    def test_teams_without_threads(self):
        for threads in (-1, 0, 1, 2**31 - 1):
            with pytest.raises(ValueError, match="threads"):
                _core.time_team(data(), settings(), steps=1, repeats=1, threads=threads)


class TestLadder:
    def test_jobs_that_are_not_running(self):
        ladder, other = _core.Ladder(4), _core.Ladder(40)
        job = ladder.next()
        strange = [other.next() for _ in range(20)][-1]
        ladder.report(job, 1.0, 0.0)
        for wrong in (job, strange):
            with pytest.raises(ValueError, match="not running"):
                ladder.report(wrong, 1.0, 0.0)
        assert ladder.rungs[0]["finished"] == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"candidates": 0},
            {"candidates": -1},
            {"candidates": 2**31},
            {"candidates": 2**32 + 8},
            {"eta": 1},
            {"eta": -(2**63)},
            {"min_epochs": 0},
            {"min_epochs": 2**63 - 1},
            {"max_rungs": -1},
            {"epoch_limit": -1},
            {"algorithm": ""},
            {"promotion": "x"},
        ],
    )
    def test_impossible_ladders(self, wrong):
        arguments = {"candidates": 16} | wrong
        count = arguments.pop("candidates")
        with pytest.raises(ValueError):
            _core.Ladder(count, **arguments)
        with pytest.raises(ValueError):
            _core.Clock(count, known=0, **arguments)
        with pytest.raises(ValueError):
            _core.simulate(count, np.ones(1), **arguments)


class TestClock:
    @staticmethod
    def clock(**options: Any) -> _core.Clock:
        return _core.Clock(8, **{"schedule": "reproducible", "workers": 2, "known": 8} | options)

    @pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
    @pytest.mark.parametrize("released", [False, True])
    def test_tasks_that_are_not_running(self, schedule, released):
        clock, other = self.clock(schedule=schedule), self.clock(workers=50)
        task = clock.next()
        strange = [other.next() for _ in range(8)][-1]
        clock.finish(task, 1.0, 0.0)
        last = clock.next()
        if released:
            clock.release()
        for wrong in (task, strange):
            with pytest.raises(ValueError, match="not running"):
                clock.finish(wrong, 1.0, 0.0)
        clock.finish(last, 1.0, 0.0)
        with pytest.raises(ValueError, match="not running"):
            clock.finish(last, 1.0, 0.0)

    def test_tasks_that_were_not_handed_out(self):
        ahead, behind = self.clock(), self.clock()
        ahead.next()
        task = ahead.next()  # `behind` would hand out this task second, but hands out only one task
        behind.next()
        with pytest.raises(ValueError, match="not running"):
            behind.finish(task, 1.0, 0.0)

    @pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
    @pytest.mark.parametrize("known", [-1, 9, 2**62])
    def test_impossible_numbers_of_known_candidates(self, schedule, known):
        with pytest.raises(ValueError, match="known"):
            self.clock(schedule=schedule, known=known)
        clock = self.clock(schedule=schedule, known=4)
        for wrong in (known, 3):
            with pytest.raises(ValueError, match="known"):
                clock.provide(wrong)

    @pytest.mark.parametrize("workers", [0, -1, 2**16 + 1, 2**31 - 1])
    def test_impossible_numbers_of_workers(self, workers):
        with pytest.raises(ValueError, match="workers"):
            self.clock(workers=workers)

    @pytest.mark.parametrize("cost", [0.0, -1.0, NAN, INFINITY, None, "x"])
    def test_invalid_costs(self, cost):
        with pytest.raises((ValueError, RuntimeError)):
            self.clock(cost=lambda candidate, epochs: cost)

    @pytest.mark.parametrize("rungs", [[(7, 1)], [(8, -1)], [(8, 1), (9, 1)], [(8, 1), (0, 1)], [(8, 1)] * 64])
    def test_impossible_rungs(self, rungs):
        with pytest.raises(ValueError):
            self.clock(rungs=rungs)


class TestMailbox:
    @pytest.mark.parametrize("capacity", [0, -1, 2**16 + 1, 2**31 - 1])
    def test_impossible_capacities(self, capacity):
        with pytest.raises(ValueError, match="capacity"):
            _core.Mailbox(capacity)

    @pytest.mark.parametrize("scores", [[0.5] * 100_000, [0.5, 0.5]])
    def test_more_scores_than_folds(self, scores):
        mailbox = _core.Mailbox(1)
        made = tuner(mailbox=mailbox)
        made.start()
        _, [letter] = mailbox.take(60.0)
        assert mailbox.answer(letter[0], (0.5, 0.1, 0.1, 1, scores), [], 0, NAN)
        with pytest.raises(ValueError, match="one per fold"):
            made.wait(60.0)
        assert len(made.fold_scores()["scores"]) == 0

    def test_states_of_other_networks(self):
        mailbox = _core.Mailbox(1)
        made = tuner(mailbox=mailbox)
        made.start()
        _, [letter] = mailbox.take(60.0)
        few = np.zeros(3, np.float32)
        assert mailbox.answer(letter[0], (0.5, 0.1, 0.1, 1, [0.5]), [(few, few, few, 1, 1, 0.0, 0.0)], -7, -INFINITY)
        with pytest.raises(ValueError, match="sizes"):
            made.wait(60.0)

    def test_unknown_letters(self):
        mailbox = _core.Mailbox(1)
        for number in (-1, 0, 2**62):
            assert not mailbox.answer(number, (NAN, NAN, NAN, 0, []), [], 0, 0.0)
        mailbox.close()
        assert mailbox.take(INFINITY) == ([], [])


class TestTuner:
    @pytest.mark.parametrize(
        "options",
        [
            *({name: value} for name in ("threads", "workers") for value in (0, -1, 2**16 + 1, 2**31 - 1)),
            {"keep": 0},
            {"keep": -1},
            {"count": -1},
            {"count": 7},
            {"count": 2**31},
            {"count": 2**32 + 8},
            {"memory_limit": -1},
            {"epoch_limit": -1},
            {"metric": "r2"},
            {"scorers": [print, print]},
            {"instruction_set": "x"},
        ],
    )
    def test_impossible_options(self, options):
        with pytest.raises(ValueError):
            tuner(**options)

    @pytest.mark.parametrize(
        "folds",
        [
            [],
            [None],
            [data(), None],
            [data(), data(X[:, :2].copy())],
            [data(), data(y=np.arange(40.0).reshape(-1, 1) % 3, classes=3)],
            [data(), data(classes=0)],
        ],
    )
    def test_folds_that_do_not_fit_each_other(self, folds):
        with pytest.raises(ValueError, match=r"fold|task"):
            _core.Tuner(folds, [settings()])

    def test_calls_at_the_wrong_time(self, ran):
        made = tuner()
        with pytest.raises(RuntimeError, match="not started"):
            made.wait(0.0)
        jobs, scores, assists = ran.jobs(), ran.fold_scores()["scores"], ran.assists()
        _, (state,), _ = _core.train_job([data()], settings(), 0, 0, 1, **RULES)
        finished(made)
        for late in (
            made.start,
            lambda: made.restore(jobs, scores, ran.steps(), assists, 0.0),
            lambda: made.restore_state(0, 0, [state]),
        ):
            with pytest.raises(RuntimeError, match="started before"):
                late()
        with pytest.raises(ValueError, match="candidates"):
            made.provide([settings()])
        assert made.states(2**31 - 1, -1) == []

    @pytest.mark.parametrize("name", ["candidate", "rung", "thread", "team", "team_limit"])
    @pytest.mark.parametrize("number", [2**32, -(2**32), 2**31, 2**63 - 1])
    def test_recorded_numbers_that_are_too_large(self, ran, name, number):
        def changed(columns: dict[str, Any]) -> dict[str, Any]:
            column = columns[name].copy()
            column[0] = number
            return columns | {name: column}

        jobs, steps, scores = ran.jobs(), ran.steps(), ran.fold_scores()["scores"]
        assists = {
            **{each: np.zeros(1, np.int64) for each in ("candidate", "rung", "thread")},
            **{each: np.zeros(1) for each in ("start", "end", "busy")},
        }
        wrong = [(changed(jobs), steps, assists)]
        if name in assists:
            wrong.append((jobs, steps, changed(assists)))
        if name in ("candidate", "rung"):
            other = steps.copy()
            other[0, ["candidate", "rung"].index(name)] = number
            wrong.append((jobs, other, assists))
        for columns, rows, help_columns in wrong:
            with pytest.raises(ValueError, match="out of range"):
                tuner().restore(columns, scores, rows, help_columns, 0.0)

    def test_recorded_tables_that_do_not_fit(self, ran):
        jobs, steps, assists, scores = ran.jobs(), ran.steps(), ran.assists(), ran.fold_scores()["scores"]
        for wrong in (
            (jobs, scores[:-1], steps, assists),
            (jobs, np.hstack([scores, scores]), steps, assists),
            (jobs, scores[:, 0].copy(), steps, assists),
            (jobs, scores, steps[:, :2].copy(), assists),
            (jobs | {"score": jobs["score"][:1]}, scores, steps, assists),
            (jobs | {"loss": jobs["loss"].reshape(1, -1)}, scores, steps, assists),
            (jobs, scores, steps, assists | {"busy": np.zeros(2)}),
        ):
            with pytest.raises(ValueError):
                tuner().restore(*wrong, 0.0)
        with pytest.raises(KeyError):
            tuner().restore({}, scores, steps, assists, 0.0)

    @pytest.mark.parametrize(("candidate", "rung"), [(-1, 0), (8, 0), (0, -1), (0, 63), (2**31 - 1, 2**31 - 1)])
    def test_states_of_impossible_jobs(self, candidate, rung):
        _, (state,), _ = _core.train_job([data()], settings(), 0, 0, 1, **RULES)
        with pytest.raises(ValueError):
            tuner().restore_state(candidate, rung, [state])
        made = finished(tuner())
        made.fill_state(candidate, rung, [state])  # no effect, since this job is not kept
        assert made.states(candidate, rung) == []

    def test_refits_of_other_networks(self, ran):
        plain, best = settings(), ran.kept_jobs()[0][0]
        wrong: list[tuple[Any, ...]] = [
            (data(), [best], [settings(hidden=[5])], [1]),
            (data(), [best], [settings(hidden=[2, 4], activations=["relu", "relu"])], [1]),
            (data(), [best], [settings(optimizer="sgd")], [1]),
            (data(), [best], [settings(dropout=NAN)], [1]),
            (data(), [best], [plain], [-1]),
            (data(), [best, best], [plain], [1]),
            (data(y=np.arange(40.0).reshape(-1, 1) % 3, classes=3), [best], [plain], [1]),
        ]
        for arguments in wrong:
            with pytest.raises(ValueError):
                ran.refit(*arguments, 0, 10.0)
        with pytest.raises(ValueError, match="candidate 99 has no network that is kept"):
            ran.refit(data(), [99], [plain], [1], 0, 10.0)
        with pytest.raises(ValueError, match="candidate 99 has no network that is kept"):
            ran.retrain(data(), [99], 10.0)
        with pytest.raises(ValueError, match="seconds"):
            ran.refit(data(), [best], [plain], [1], 0, NAN)
        constant = np.hstack([X[:, :2], np.ones((40, 1))])
        assert ran.refit(data(constant), [best], [plain], [1], 0, 10.0) == ([None], [False])
        (network,), stopped = ran.refit(data(), [best], [plain], [1], 0, INFINITY)
        assert type(network) is _core.Network and stopped == [False]
        assert ran.refit(data(), [best], [plain], [10**6], 0, 0.0) == ([None], [True])

    def test_a_negative_number_of_networks_to_complete(self, ran):
        with pytest.raises(ValueError, match="most"):
            ran.complete(-1)

    @pytest.mark.parametrize("scorer", [None, lambda network, predictions: "x", lambda: 1.0])
    def test_scorers_that_fail(self, scorer):
        made = tuner(scorers=[scorer], threads=2)
        made.start()
        with pytest.raises((TypeError, RuntimeError)):
            made.wait(60.0)


class TestSimulate:
    @pytest.mark.parametrize("name", ["costs", "seconds", "state_bytes", "team_limits"])
    @pytest.mark.parametrize("number", [NAN, INFINITY, -1.0, 1e308])
    def test_numbers_of_jobs_out_of_range(self, name, number):
        tables = {"costs": np.ones(1)} | {name: np.array([number])}
        with pytest.raises(ValueError, match="out of range"):
            _core.simulate(8, **tables)

    @pytest.mark.parametrize(
        "options",
        [
            *({name: value} for name in ("threads", "workers") for value in (0, -1, 2**16 + 1, 2**31 - 1)),
            *({"noise": value} for value in (NAN, INFINITY, -1.0, 11.0)),
            *({"team_efficiency": value} for value in (NAN, INFINITY, -0.5, 1.5)),
            {"costs": np.ones(7)},
            {"costs": np.ones(0)},
            {"costs": np.ones((8, 2))},
            {"costs": np.ones((1, 3))},
            {"scores": np.ones((8, 3, 1))},
            {"order": "x"},
        ],
    )
    def test_impossible_options(self, options):
        with pytest.raises(ValueError):
            _core.simulate(8, **{"costs": np.ones(1)} | options)

    @pytest.mark.parametrize(
        "changed",
        [
            {"threads_per_process": 0},
            {"in_flight": 0},
            {"in_flight": 2**31 - 1},
            *({"bandwidth": value} for value in (NAN, 0.0, -1.0)),
            *({"latency": value} for value in (NAN, INFINITY, -1.0)),
        ],
    )
    def test_impossible_clusters(self, changed):
        usual = {"threads_per_process": 2, "in_flight": 1, "states_stay": True, "latency": 0.0, "data_bytes": 0.0}
        usual |= {"bandwidth": INFINITY, "process_bandwidth": INFINITY, "decision_seconds": 0.0}
        with pytest.raises(ValueError):
            _core.simulate(8, np.ones(1), threads=4, teams=False, cluster=_core.Cluster(**usual | changed))

    def test_results_that_diverge(self):
        totals, _, _ = _core.simulate(8, np.ones(1), scores=np.full(8, NAN), losses=np.full(8, INFINITY))
        assert totals["jobs"] == 8


@pytest.mark.parametrize("shape", [(0, 1, 0), (1, 0, 0), (-1, 1, 0), (1, 1, 2), (1, 1, -1), (2**31 - 1, 1, 2**31 - 1)])
def test_costs_of_impossible_networks(shape):
    own = settings(embedding="periodic")
    rows = {"training_rows": 2**32 - 1, "epoch_rows": 0, "validation_rows": 2**32 - 1}
    usual = {"metric": "accuracy", "weighted": False} | rows
    with pytest.raises(ValueError):
        _core.training_cost(own, *shape)
    with pytest.raises(ValueError):
        _core.state_bytes(own, *shape)
    with pytest.raises(ValueError):
        _core.workspace_bytes([own], *shape, **usual)
    for name in rows:
        for wrong in (-1, 2**63 - 1):
            if (name, wrong) != ("epoch_rows", 2**63 - 1):
                with pytest.raises(ValueError):
                    _core.workspace_bytes([own], 3, 2, 3, **usual | {name: wrong})
    assert _core.workspace_bytes([settings(batch_size=0)], 3, 2, 3, **usual) > 2**32

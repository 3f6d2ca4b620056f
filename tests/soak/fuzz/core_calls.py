"""Calls of the core's private functions, decoded from bytes: each call succeeds or is refused, whatever its arguments.

    bytes   ->   calls and their arguments; a call's result may be an argument of a later call

Arguments are drawn from a few values, most of which are edge cases: sizes that do not match, numbers around 2**31
and 2**32, NaN, None. Valid arguments are small, so that no call takes long.
"""

import contextlib
import math
import pickle
from typing import Any

import numpy as np
from words import Words

from ash import _core

REFUSALS = (ValueError, TypeError, IndexError, KeyError, OverflowError, RuntimeError, MemoryError, AttributeError)
"""Allowed errors. AttributeError is allowed because an object of a wrong type may fail in Python, before the core."""
NUMBERS = (0, 1, 2, 3, 5, 8, -1, 63, 64, 2**16 + 1, 2**31 - 1, 2**31, 2**32, 2**32 + 2, 2**63 - 1, -(2**63), 2**64 - 1)
SMALL = (1, 2, 1, 3)
WRONG = (0, -1)
DOUBLES = (0.0, 1.0, 0.5, -1.0, 1e-320, 1e300, math.nan, math.inf, -math.inf)
SECONDS = (0.0, 1e-3, 0.02)
NO_SECONDS = (-1.0, math.nan, -math.inf)
SIZES = (1, 2, 3, 0, 16, 40)
METRICS = tuple(name for name, classifies, *_ in _core.metrics() if classifies)
OTHER_METRICS = (*(name for name, classifies, *_ in _core.metrics() if not classifies), "")
NAMES = {
    "optimizer": ("adam", "sgd", "momentum", "nesterov", "adamw"),
    "learning_rate_schedule": ("cycle", "constant"),
    "initialization": ("auto", "he", "xavier"),
    "parametrization": ("standard", "ntk"),
    "embedding": ("none", "periodic"),
}
RATES = ("learning_rate", "momentum", "beta1", "beta2", "epsilon", "l2", "weight_decay", "dropout", "label_smoothing")
ACTIVATIONS = ("relu", "selu", "identity", "mish")
ROWS = 24  # the number of rows of most tables


def core(content: bytes) -> None:
    """Make up to twenty calls of the core, which the bytes select."""
    calls = Calls(Words(content))
    for _ in range(1 + content[0] % 20 if content else 0):
        with contextlib.suppress(*REFUSALS):
            calls.one()


class Calls:
    """The objects made by the calls so far, by kind. Later calls get them as arguments, sometimes of a wrong kind."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.made: dict[str, list[Any]] = {}
        self.makers = {
            "settings": self.settings,
            "data": self.data,
            "builder": self.builder,
            "ladder": self.ladder,
            "clock": self.clock,
            "mailbox": self.mailbox,
            "tuner": self.tuner,
            "network": self.network,
            "state": self.trained,
        }
        self.users = (
            *self.makers.values(),
            self.train,
            self.use_builder,
            self.use_data,
            self.use_ladder,
            self.use_clock,
            self.use_mailbox,
            self.use_tuner,
            self.use_tuner,
            self.restore,
            self.use_states,
            self.refit,
            self.predict,
            self.simulate,
            self.score,
            self.measure,
            self.unmade,
        )

    def one(self) -> None:
        self.words.pick(self.users)()

    # Arguments

    def rarely(self) -> bool:
        return self.words.byte() % 64 == 63

    def pick(self, usual: Any, strange: Any) -> Any:
        return self.words.pick(strange if self.rarely() else usual)

    def number(self) -> int:
        return self.words.pick(NUMBERS)

    def small(self) -> int:
        return self.pick(SMALL, WRONG)

    def seconds(self) -> float:
        return self.pick(SECONDS, NO_SECONDS)

    def double(self) -> float:
        return self.words.pick(DOUBLES)

    def some(self, kind: str) -> Any:
        """Return an existing object or a new one of this kind, rarely a value of another kind."""
        made = self.made.get(kind, [])
        if self.rarely():
            return self.words.pick((None, 1, "", [], *(each for others in self.made.values() for each in others)))
        if not made or self.words.byte() % 4 == 0:
            return self.makers[kind]()
        return self.words.pick(made)

    def keep(self, kind: str, made: Any) -> Any:
        self.made.setdefault(kind, []).append(made)
        return made

    def array(self, *shape: int, kind: Any = np.float64) -> Any:
        """Return random values of this shape. Rarely the shape or kind differs, or some values are unusual."""
        if self.rarely():
            shape = tuple(self.words.pick(SIZES) for _ in range(self.words.byte() % 4))
        if self.rarely():
            kind = self.words.pick((np.float64, np.float32, np.int64, np.int32, np.uint64, np.bool_, np.complex128))
        with np.errstate(all="ignore"):
            values = np.random.default_rng(self.words.byte()).normal(size=shape).astype(kind)
            if self.rarely() and values.size and values.dtype.kind == "f":
                values.flat[self.words.byte() % values.size] = self.double()
        if self.rarely():
            values = np.asfortranarray(values)
        return values[::2] if values.ndim and self.rarely() else values

    def integers(self, size: int, below: int) -> Any:
        values = np.random.default_rng(self.words.byte()).integers(below, size=size)
        if size and self.rarely():
            values[self.words.byte() % size] = self.words.pick(NUMBERS[:-1])
        return values.astype(np.int32) if self.rarely() else values

    def targets(self, classes: int) -> Any:
        if self.rarely():
            return self.array(ROWS, 1)
        if classes <= 0:
            return self.array(ROWS, 1 + self.words.byte() % 2)
        labels = (np.arange(ROWS) % min(classes, 4)).astype(np.float64).reshape(-1, 1)
        if self.rarely():
            labels[self.words.byte() % ROWS] = self.double()
        return labels

    def classes(self) -> int:
        return self.pick((2, 2, 3, 0), NUMBERS)

    def ladder_options(self) -> dict[str, Any]:
        words = self.words
        options = {
            "eta": lambda: self.pick((2, 3, 2**40), (1, 0, -1)),
            "min_epochs": self.small,
            "max_rungs": self.small,
            "algorithm": lambda: self.pick(("ash", "sh", "random"), ("",)),
            "promotion": lambda: self.pick(("capped", "paper", "improving"), ("",)),
            "max_total_epochs": lambda: self.pick((0, 10, 2**63 - 1), (1, -1)),
            "stop_score": self.double,
        }
        return {name: value() for name, value in options.items() if words.byte() % 4 == 0}

    # Objects

    def settings(self) -> Any:
        words, made = self.words, _core.Settings()
        layers = words.byte() % 3
        made.hidden = [self.pick((1, 3, 17), NUMBERS) for _ in range(layers)]
        made.activations = [words.pick(ACTIVATIONS) for _ in range(layers + self.rarely())]
        self.keep("settings", made)
        for name, options in NAMES.items():
            setattr(made, name, words.pick(options))
        made.batch_size = self.pick((0, 5, 32), NUMBERS)
        made.input_scaling, made.parametric_activation = bool(words.byte() % 2), bool(words.byte() % 2)
        if self.rarely():
            setattr(made, words.pick(RATES), self.double())
        return made

    def data(self) -> Any:
        classes = self.classes()
        x, y = self.array(ROWS, self.words.pick((3, 3, 3, 20))), self.targets(classes)
        rows = self.integers(18, ROWS), self.integers(6, ROWS)
        return self.keep("data", _core.Data(x, y, classes, *rows, self.words.byte() % 2 == 0))

    def builder(self) -> Any:
        classes, rows = self.classes(), (self.integers(18, ROWS), self.integers(6, ROWS))
        weights = [None if self.words.byte() % 2 else np.abs(self.array(len(each))) for each in rows]
        standardized = [self.words.byte() % 4 > 0 for _ in range(self.pick((3,), SIZES))]
        epoch_rows = self.pick((0, 7, 2**63 - 1), WRONG)
        return self.keep(
            "builder", _core.DataBuilder(standardized, self.targets(classes), classes, *rows, *weights, epoch_rows)
        )

    def ladder(self) -> Any:
        count = self.number() if self.rarely() else 1 + self.words.byte() % 40
        return self.keep("ladder", _core.Ladder(count, **self.ladder_options()))

    def clock(self) -> Any:
        words, count = self.words, 1 + self.words.byte() % 40
        options = self.ladder_options()
        if words.byte() % 4 == 0:
            options["cost"] = lambda candidate, epochs: self.pick((1.0, 0.5, 1e300), (*DOUBLES, None))
        if words.byte() % 4 == 0:
            options["rungs"] = [(count, self.small()), (self.pick((1, count), SIZES), self.small())]
        options["known"] = self.pick((count, count - words.byte() % 4), NUMBERS)
        options["virtual_workers"] = self.pick((1, 2, 40), NUMBERS)
        options["schedule"] = words.pick(("greedy", "reproducible"))
        return self.keep("clock", _core.Search(count, **options))

    def mailbox(self) -> Any:
        return self.keep("mailbox", _core.Mailbox(self.pick((1, 2), NUMBERS)))

    def network(self) -> Any:
        """Make a network from parts that may not match."""
        features, hidden, outputs = (self.words.pick((3, 3, 17)) for _ in range(3))
        weights = [self.array(features, hidden, kind=np.float32), self.array(hidden, outputs, kind=np.float32)]
        biases = [self.array(each, kind=np.float32) for each in (hidden, outputs)]
        scale = [np.abs(self.array(each)) for each in (features, outputs)]
        centers = [self.array(each) for each in (features, outputs)]
        limit = np.full(features, self.pick((3.0, 0.0), DOUBLES))
        more: dict[str, Any] = {}
        if self.rarely():
            more["shares"] = [self.array(hidden, kind=np.float32)]
        if self.rarely():
            more |= {"numbers": [self.number()], "embedding": self.array(99, 1, kind=np.float32)}
        classes = self.pick((0,), (outputs, 2, -1))
        parts = weights, biases, ["relu"], classes, centers[0], scale[0], limit, centers[1], scale[1]
        return self.keep("network", _core.Network(*parts, **more))

    def tuner(self) -> Any:
        words = self.words
        options = self.ladder_options()
        more = {
            "count": lambda: self.pick((0, 8), NUMBERS),
            "training": lambda: words.pick(("resume", "restart")),
            "threads": lambda: self.pick((1, 2, 3), (0, 2**31 - 1)),
            "virtual_workers": lambda: self.pick((32, 1), (0, 2**31 - 1)),
            "cores": lambda: words.pick((0, 1, -1, 2**31 - 1)),
            "teams": lambda: words.byte() % 2 == 0,
            "schedule": lambda: words.pick(("greedy", "reproducible")),
            "memory_limit": lambda: self.pick((0, 1, 5000, 2**63 - 1), (-1,)),
            "keep": lambda: self.pick((1, 3, 2**31 - 1), WRONG),
            "seed": lambda: self.pick((0, 2**64 - 1), (-1,)),
            "mailbox": lambda: self.some("mailbox"),
            "scorers": lambda: [self.pick((lambda network, predictions: self.double(),), (None, repr))],
            "instruction_set": lambda: words.pick(("baseline", "")),
        }
        options |= {name: value() for name, value in more.items() if words.byte() % 4 == 0}
        options["metric"] = self.pick(METRICS, OTHER_METRICS)
        folds = [self.some("data")] * (1 + self.rarely())
        if self.rarely():
            folds.append(self.some("data"))
        candidates = [self.some("settings") for _ in range(1 + words.byte() % 5)]
        return self.keep("tuner", _core.Tuner(folds, candidates, **options))

    def trained(self) -> Any:
        """Return the state of a network after a job; sometimes one part of the state is changed."""
        words = self.words
        settings, data = self.some("settings"), self.some("data")
        rung = self.pick((0, 1, 2), (-1, 63, 2**31 - 1))
        rules = {"min_epochs": self.pick((1,), (2, 0, -1)), "eta": self.pick((2,), (3, 0, -1)), "seed": 0}
        rules |= {"training": words.pick(("resume", "restart")), "metric": self.pick(METRICS, OTHER_METRICS)}
        states = [self.some("state")] if self.made.get("state") and words.byte() % 2 else []
        epochs = self.pick((2 ** max(0, min(rung, 2)),), (3, 0, -1))
        result = _core.train_job([data], settings, words.byte() % 8, rung, epochs, **rules, states=states)
        (state,) = result[1]
        return self.keep("state", self.changed(state))

    def changed(self, state: Any) -> Any:
        if not self.rarely():
            return state
        place = self.words.byte() % len(state)
        other = self.words.pick((self.array(3, kind=np.float32), self.number(), self.double(), None))
        return (*state[:place], other, *state[place + 1 :])

    # Uses of the objects

    def train(self) -> None:
        epochs = self.pick((1, 2, 0), (-1, 2**40, 2**62))
        cycles, growth = (1, 1) if epochs > 2 or self.rarely() else (self.small(), self.small())
        made = _core.train(self.some("data"), self.some("settings"), epochs, 0, self.words.byte(), cycles, growth)
        self.keep("network", made[0])

    def use_builder(self) -> None:
        builder = self.some("builder")
        for _ in range(1 + self.words.byte() % 4):
            use = self.words.pick((builder.observe, builder.fill, builder.finish))
            if use == builder.finish:
                self.keep("data", use())
            else:
                use(self.array(self.pick((ROWS, ROWS // 2), SIZES), 3))

    def use_data(self) -> None:
        data = self.some("data")
        data.digests()
        parts = list(data.__getstate__())
        for _ in range(self.words.byte() % 3):
            place = self.words.byte() % len(parts)
            if isinstance(parts[place], tuple):
                inner = list(parts[place])
                inner[self.words.byte() % len(inner)] = self.words.pick((self.number(), self.array(3), [self.double()]))
                parts[place] = tuple(inner)
            else:
                parts[place] = self.words.pick((self.number(), [self.number()], None))
        made = _core.Data.__new__(_core.Data)
        made.__setstate__(tuple(parts))
        self.keep("data", pickle.loads(pickle.dumps(made)))

    def use_ladder(self) -> None:
        ladder = self.some("ladder")
        for _ in range(self.words.byte() % 40):
            if self.words.byte() % 2:
                job = ladder.next()
                if job is not None:
                    self.keep("job", job)
            elif self.made.get("job"):
                with contextlib.suppress(ValueError):
                    ladder.report(self.words.pick(self.made["job"]), self.double(), self.double())
        ladder.take_retired(), ladder.rungs, ladder.ending, ladder.has_job()

    def use_clock(self) -> None:
        clock = self.some("clock")
        for _ in range(self.words.byte() % 40):
            choice = self.words.byte() % 16
            if choice == 0:
                clock.release()
            elif choice == 1:
                with contextlib.suppress(ValueError):
                    clock.provide(self.number() if self.rarely() else self.words.byte() % 41)
            elif choice < 9:
                task = clock.next()
                if task is not None:
                    self.keep("task", task)
            elif self.made.get("task"):
                with contextlib.suppress(ValueError):
                    clock.finish(self.words.pick(self.made["task"]), self.double(), self.double())
        clock.retired(), clock.rungs, clock.ended, clock.starved, clock.finished, clock.held(), clock.decided(0)

    def use_mailbox(self) -> None:
        mailbox = self.some("mailbox")
        _, letters = mailbox.take(self.seconds())
        numbers = [letter[0] for letter in letters] or [self.number()]
        for number in numbers:
            scores = [self.double() for _ in range(self.pick((1, 0), (2, 400)))]
            states = [self.some("state") for _ in range(self.pick((0, 1), (2,)))]
            result = (self.double(), self.double(), self.double(), self.words.byte(), scores)
            mailbox.answer(number, result, states, self.words.pick(SMALL), self.double())
        self.words.pick((mailbox.wake, mailbox.close, lambda: None))()

    def use_tuner(self) -> None:
        tuner = self.some("tuner")
        uses = {
            "start": tuner.start,
            "stop": tuner.stop,
            "provide": lambda: tuner.provide([self.some("settings") for _ in range(self.words.byte() % 3)]),
            "wait": lambda: tuner.wait(self.seconds()),
            "complete": lambda: tuner.complete(self.small()),
            "look": lambda: (
                tuner.jobs(self.small()),
                tuner.steps(),
                tuner.assists(),
                tuner.fold_scores(),
                tuner.events(),
            ),
            "see": lambda: (tuner.memory, tuner.ended, tuner.rungs, tuner.wanted, tuner.retired(), tuner.kept_jobs()),
            "kept": tuner.kept,
            "clear": lambda: self.made.clear(),
        }
        for name in ("start", "wait") if self.words.byte() % 2 else ():
            uses[name]()
        for _ in range(self.words.byte() % 6):
            self.words.pick(tuple(uses.values()))()

    def restore(self) -> None:
        """Give a tuner the results of another tuner, with a change."""
        source, target = self.some("tuner"), self.some("tuner")
        jobs, assists = dict(source.jobs()), dict(source.assists())
        scores, steps = source.fold_scores()["scores"], source.steps()
        columns = self.words.pick((jobs, assists))
        name = self.words.pick(tuple(columns))
        if self.words.byte() % 2 and len(columns[name]):
            changed = columns[name].copy()
            changed[self.words.byte() % len(changed)] = self.words.pick((0, 1, 2**32, -1, 2**63 - 1))
            columns[name] = self.words.pick((changed, changed[:-1]))
        if self.rarely():
            steps = self.array(3, 3, kind=np.int64)
        target.restore(jobs, scores, steps, assists, self.double())

    def use_states(self) -> None:
        tuner = self.some("tuner")
        numbers = self.words.byte() % 8, self.pick((0, 1, 2), (62, 63, -1, 2**31 - 1))
        folds = [self.some("state") for _ in range(self.pick((1,), SIZES))]
        use = self.words.pick((tuner.restore_state, tuner.fill_state, tuner.states))
        if use == tuner.states:
            for state in use(*numbers):
                self.keep("state", self.changed(state))
        else:
            use(*numbers, folds)

    def refit(self) -> None:
        tuner, many = self.some("tuner"), 1 + self.words.byte() % 2
        which = [self.words.byte() % 4 for _ in range(many)]
        settings = [self.some("settings") for _ in range(many)]
        epochs = [self.small() for _ in range(many - self.rarely())]
        for made in tuner.refit(self.some("data"), which, settings, epochs, 0, self.seconds())[0]:
            if made is not None:
                self.keep("network", made)

    def predict(self) -> None:
        network = self.some("network")
        kind = self.words.pick((np.float64, np.float32))
        network.predict(self.array(self.words.pick(SIZES), self.words.pick((3, 3, 3, 17, 20)), kind=kind), self.small())
        for name in ("weights", "biases", "shares", "embedding", "activations"):
            getattr(network, name)

    def simulate(self) -> None:
        words, candidates = self.words, 1 + self.words.byte() % 40
        options = self.ladder_options()
        tables = ("seconds", "scores", "losses", "team_limits", "state_bytes")
        for name in tables:
            if words.byte() % 4 == 0:
                options[name] = np.abs(self.array(words.pick((candidates, 1)))) + self.pick((1.0,), DOUBLES)
        if words.byte() % 4 == 0:
            cluster = {name: self.small() for name in ("threads_per_process", "in_flight")}
            names = ("latency", "bandwidth", "process_bandwidth", "data_bytes", "decision_seconds")
            cluster |= {name: self.pick((1.0, 0.5, 1e300), DOUBLES) for name in names}
            options |= {"teams": False, "cluster": _core.Cluster(states_stay=words.byte() % 2 == 0, **cluster)}
        options["threads"] = self.pick((1, 3, 70), NUMBERS)
        options["noise"] = self.pick((0.0, 1.0, 10.0), DOUBLES)
        options["team_efficiency"] = self.pick((1.0, 0.5, 0.0), DOUBLES)
        options["order"], options["schedule"] = words.pick(("finish", "rung")), words.pick(("greedy", "reproducible"))
        _core.simulate(candidates, np.abs(self.array(words.pick((candidates, 1)))) + 0.1, **options)

    def score(self) -> None:
        classes = self.classes()
        predictions = self.array(ROWS, max(classes, 1) if classes < 9 else 3, kind=np.float32)
        weights = self.pick(([], [1.0] * ROWS), ([self.double()] * ROWS, [1.0]))
        _core.score(self.words.pick(METRICS + OTHER_METRICS), self.targets(classes), predictions, classes, weights)

    def measure(self) -> None:
        words = self.words
        settings, shape = self.some("settings"), [self.pick((3,), (0, -1, 2**28, 2**31 - 1)) for _ in range(3)]
        rows = {f"{name}_rows": self.pick((20, 1), NUMBERS) for name in ("training", "epoch", "validation")}
        _core.training_cost(settings, *shape)
        _core.state_bytes(settings, *shape)
        _core.workspace_bytes([settings], *shape, metric=words.pick(METRICS), weighted=words.byte() % 2 == 0, **rows)
        _core.evaluate_elementary(self.pick(("exp", "log", "tanh"), ("",)), self.array(5, kind=np.float32), "")
        _core.row_digests(self.array(words.pick(SIZES), words.pick(SIZES)))
        _core.robust_scaling(self.array(words.pick(SIZES), words.pick(SIZES)))
        _core.time_steps(self.some("data"), self.some("settings"), self.small(), self.small())
        _core.fma_peak(self.pick(("",), ("x",)), self.pick((0.0, 1e-6), NO_SECONDS))

    def unmade(self) -> None:
        """Use an object made by `__new__`, so that its constructor has not run."""
        kind = self.words.pick((_core.Ladder, _core.Search, _core.Data, _core.Tuner, _core.Network, _core.Settings))
        made = kind.__new__(kind)
        getattr(made, self.words.pick([name for name in dir(kind) if not name.startswith("__")]))

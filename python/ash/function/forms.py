"""Converts every form of `train` to a `Tunable`, a function of parameters, epochs and state.

    function     train(params, epochs, state) returns a score, (score, state) or an Outcome
    whole        train(params) trains completely and returns one of these; it is called once per candidate
    reports      train(params, report) calls report(score) after each epoch (reports.py); becomes a generator
    generator    train(params) yields a score, (score, state) or an Outcome after each epoch; is paused between jobs
    objective    an Optuna objective (objective.py); becomes a generator
    class        train(params) creates an object with the methods fit_more(epochs) and score(); this object is the state

A paused generator cannot be copied or pickled, so a copy of the state holds only the number of epochs and the last
outcome. A job that gets such a copy starts a new generator, and first advances it by that number of epochs.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ash._utils.aliases import Facts
from ash._utils.checks import takes
from ash.errors import SettingError
from ash.function.answers import WRONG, Answer, Outcome, Tunable, outcome_of
from ash.function.objective import Objective, steps_of
from ash.function.reports import reporting
from ash.options import FunctionOptions

METHODS = ("fit_more", "score")
REPORT, EPOCHS = "report", "epochs"
KNOWN = ("params", REPORT, EPOCHS, "state")
"""The usual names of `train`'s parameters."""


def read_train(train: Any, options: FunctionOptions) -> Tunable:
    """Return the argument `train` as a function of parameters, epochs and state.

    Raises
    ------
    SettingError
        `train` has none of the forms in the module's docstring, or does not accept the arguments of its form.
    """
    if isinstance(train, Objective):
        return GeneratorTrainer(steps_of(train, options), train.function, is_objective=True)
    if inspect.isclass(train):
        if not all(callable(getattr(train, name, None)) for name in METHODS):
            raise SettingError(f"train is the class {train.__name__}, which needs the methods {' and '.join(METHODS)}")
        _check_call(train, "(params)", {})
        return ClassTrainer(train)
    if inspect.isgeneratorfunction(train):
        _check_call(train, "(params)", {})
        return GeneratorTrainer(train, train)
    names = _parameters(train)
    if names == ["trial"]:
        raise SettingError(f"train={train!r} looks like an Optuna objective: pass ash.from_optuna(train)")
    if names[1:] == [REPORT]:
        return GeneratorTrainer(reporting(train, options.max_epochs), train)
    if _is_whole(train, names):
        return WholeTrainer(train)
    if not callable(train):
        raise SettingError(f"train must be a function of parameters, or of parameters, epochs and state, got {train!r}")
    _check_call(train, "(params), (params, report) or (params, epochs, state)", {}, 1, None)
    return train if isinstance(train, Tunable) else Tunable(train)


def _parameters(train: Any) -> list[str]:
    """Return the names of a function's parameters; an empty list if it has no signature."""
    try:
        return list(inspect.signature(train).parameters)
    except (TypeError, ValueError):
        return []


def _is_whole(train: Any, names: Sequence[str]) -> bool:
    """Return whether a function can be called with only params, and has no `*args` and no second parameter `epochs`."""
    if not names or names[1:2] == [EPOCHS]:
        return False
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in inspect.signature(train).parameters.values())
    return takes(train, {}) and not takes_any


def _check_call(train: Any, forms: str, *arguments: Any) -> None:
    """Raise SettingError if the signature of `train` shows that it cannot be called with these `arguments`."""
    if not takes(train, *arguments):
        signature = inspect.signature(train)
        names = signature.parameters.keys()
        advice = "; hyperparameters are passed together in one dict" if names and not names & set(KNOWN) else ""
        shown = signature.replace(return_annotation=inspect.Signature.empty)
        raise SettingError(f"train takes {shown}, but must take {forms}{advice}")


class WholeTrainer(Tunable):
    """Wraps a function of only parameters, so that it can be called with parameters, epochs and state.

    The function trains a candidate completely, so the ladder has one rung of one epoch.
    """

    def __call__(self, params: dict[str, Any], epochs: int, state: Any) -> Any:
        """Train a candidate from start to end."""
        return self._train(params)

    def identity(self) -> Facts:
        """Return a fact by which a journal distinguishes scores of complete trainings from scores after one epoch."""
        return {"form": "train(params)"}


class Paused:
    """A generator that is paused between two jobs, with the number of its epochs and its last outcome.

    `generator` is None in a copy. The memory of a generator cannot be measured, so it counts as much as the state in
    its last outcome, but at least `nominal_bytes`. If the memory limit is exceeded, or a GPU is nearly full, the least
    promising generators are dropped, and started again when they are needed.
    """

    nominal_bytes = 2**20

    def __init__(self, generator: Iterator[Any] | None, epochs: int, outcome: Outcome) -> None:
        self.generator, self.epochs, self.outcome = generator, epochs, outcome

    def __deepcopy__(self, memo: dict[int, Any]) -> "Paused":
        return Paused(None, self.epochs, copy.deepcopy(self.outcome, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the state for pickle, without the generator."""
        return Paused, (None, self.epochs, self.outcome)

    def drop(self) -> "Paused":
        """Drop the generator; return a copy without the user's state, which a new generator recomputes."""
        self.generator = None
        return Paused(None, self.epochs, replace(self.outcome, state=None))


class GeneratorTrainer(Tunable):
    """Wraps a generator function, so that it can be called with parameters, epochs and state, which is a `Paused`.

    After a generator has ended, its last outcome is returned in all further jobs.
    """

    def __init__(
        self, train: Callable[[dict[str, Any]], Iterator[Any]], original: Any, *, is_objective: bool = False
    ) -> None:
        super().__init__(train, original)
        self.is_objective = is_objective
        self._verb = "yield" if inspect.isgeneratorfunction(original) else "return"

    def __call__(self, params: dict[str, Any], epochs: int, state: Paused | None) -> Any:
        """Train for `epochs` more epochs. If the state has no generator, a new one first repeats the state's epochs."""
        done, generator, found = (0, None, None) if state is None else (state.epochs, state.generator, state.outcome)
        steps = epochs
        if generator is None:
            generator, steps = self._train(params), epochs + done
        for step in range(steps):
            try:
                yielded = next(generator)
            except StopIteration:
                ended = done + epochs - steps + step, done + epochs
                self.ended = min(self.ended or ended, ended)
                break
            given = outcome_of(yielded, self._verb)
            if isinstance(given, Answer):
                return yielded if self.is_objective else given
            found = given
        if found is None:
            return Answer(WRONG, text="train yielded nothing, but must yield a score after each epoch")
        return replace(found, state=Paused(generator, done + epochs, found))


class ClassTrainer(Tunable):
    """Wraps a class, so that it can be called with parameters, epochs and state, which is an object of the class."""

    def __call__(self, params: dict[str, Any], epochs: int, state: Any) -> Any:
        """Train the object further, and score it."""
        trained = self._train(params) if state is None else state
        trained.fit_more(epochs)
        scored = trained.score()
        found = outcome_of(scored)
        return scored if isinstance(found, Answer) else replace(found, state=trained)


def final_state(state: Any) -> Any:
    """Return the user's state; for a paused generator, the state in its last outcome."""
    return state.outcome.state if isinstance(state, Paused) else state

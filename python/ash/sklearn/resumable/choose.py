"""Chooses an estimator's resource and the way to resume its training.

Classes are recognized by name, so no library has to be imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from ash._utils.checks import is_integer
from ash.errors import SettingError
from ash.sklearn.resumable.ensembles import CatBoost, ContinuedBoosting, LightGBM, WarmStarted, XGBoost, is_forest
from ash.sklearn.resumable.partial_fit import FurtherRows, Nets, Passes, can_pass, rows_in_order
from ash.sklearn.resumable.protocol import EPOCHS, N_SAMPLES, Resumable, Rows, is_a
from ash.sklearn.resumable.steps import Steps

AUTO = "auto"
USUAL_PASSES = 64
LIBRARIES: dict[tuple[str, str], tuple[type[Resumable], str, int]] = {
    ("LGBMModel", "lightgbm"): (LightGBM, "n_estimators", 100),
    ("XGBModel", "xgboost"): (XGBoost, "n_estimators", 100),
    ("CatBoost", "catboost"): (CatBoost, "iterations", 1000),
    ("NeuralNet", "skorch"): (Nets, "max_epochs", 10),
}
"""For each class and package: the class that resumes training, the parameter that counts epochs, and its default."""


@dataclass(frozen=True)
class Way:
    """The resource of an estimator, and the way in which its training is resumed.

    An epoch is one unit of the resource.
    """

    resource: str
    """The resource as users name it: "clf__n_estimators", "epochs" or "n_samples"."""
    parameter: str | None  # the parameter (of the estimator or of a pipeline's last step) that sets the epochs
    usual: int | None  # the epochs of an ordinary fit; None if unknown, or if epochs are rows
    kind: type[Resumable] | None  # the class that resumes training; None if the estimator is retrained

    def wants_process(self, estimator: Any) -> bool:
        """Return whether concurrent jobs should run in processes rather than in threads."""
        return self.kind is not None and self.kind.wants_process(_last_of(estimator))

    def is_on_gpu(self, estimator: Any) -> bool:
        """Return whether an estimator is trained on a GPU, which concurrent jobs would share."""
        return self.kind is not None and self.kind.is_on_gpu(_last_of(estimator))

    def law_of(self, estimator: Any) -> str:
        """Return the law of the estimator's score as a function of the epochs; see `Resumable.law`."""
        return "" if self.kind is None else self.kind.law_of(_last_of(estimator))

    def begin(self, estimator: Any, seed: int = 0) -> Resumable:
        """Wrap an unfitted estimator in a `Resumable` for its first job."""
        if self.kind is not None and _is_pipeline(estimator):
            last = estimator.steps[-1][1]
            return Steps(estimator, _natural(last).begin(last, seed))
        if self.kind is None:
            what = "rows" if self.resource == N_SAMPLES else self.resource
            return FromScratch(
                estimator, self.resource, f"{_name(estimator)} cannot be trained further with more {what}"
            )
        why = self.kind.refuses(estimator)
        if why and self.parameter is None and self.resource != N_SAMPLES:
            raise SettingError(f"resource={self.resource!r}: {why}")
        if why:
            return FromScratch(estimator, self.resource.rpartition("__")[2], why)
        return Nets(estimator, self.parameter, seed) if self.kind is Nets else self.kind(estimator, self.parameter)


def way_of(estimator: Any, resource: Any = AUTO) -> Way:
    """Return how an estimator's training is resumed; raise SettingError if the estimator does not support the resource.

    Parameters
    ----------
    estimator : estimator
    resource : str
        "auto", "n_samples", "epochs" (passes by `partial_fit`), or the name of a parameter that counts something.
    """
    if not isinstance(resource, str):
        raise SettingError(f"resource must be {AUTO!r}, {N_SAMPLES!r} or the name of a parameter, got {resource!r}")
    natural = _natural(estimator)
    if resource in (AUTO, natural.resource):
        return natural
    if resource == N_SAMPLES:
        return Way(N_SAMPLES, None, None, FurtherRows if can_pass(estimator) and not _is_pipeline(estimator) else None)
    if resource == EPOCHS:
        if not can_pass(estimator):
            raise SettingError(
                f"resource={EPOCHS!r} needs an estimator with partial_fit, which {_name(estimator)} does not have"
            )
        return Way(EPOCHS, None, USUAL_PASSES, Passes)
    return _by_parameter(estimator, resource)


def way_of_all(estimators: Sequence[Any], resource: Any) -> Way:
    """Return one `Way` for all estimators; its epochs are rows if the estimators' "auto" resources differ.

    Its `usual` is the largest `usual` of the estimators' own ways.
    """
    ways = [way_of(each, resource) for each in estimators]
    if len({way.resource for way in ways}) > 1:
        ways = [way_of(each, N_SAMPLES) for each in estimators]
    usual = [way.usual for way in ways if way.usual is not None]
    return replace(ways[0], usual=max(usual, default=None))


class FromScratch(Resumable):
    """An estimator that cannot resume training, so each job trains it from scratch for all earlier and new epochs."""

    def __init__(self, estimator: Any, parameter: str | None, why: str) -> None:
        super().__init__(estimator, parameter)
        self._fresh = estimator
        self.why = why
        found = _boosting(estimator)
        self.stops = found is not None and found[1].can_stop(found[0].get_params())
        self._counts_rounds = found is not None and parameter == _natural(estimator).resource
        self._once: Resumable | None = None  # the last job's boosting estimator, if it may stop early

    @property
    def rounds(self) -> int | None:
        """Return the best number of rounds in the last job, or None without early stopping."""
        return None if self._once is None else self._once.rounds

    @property
    def kept(self) -> int:
        """Return the total epochs, or the best number of rounds if epochs are rounds and training may stop early."""
        return self.rounds if self._counts_rounds and self.rounds is not None else self.done

    @property
    def predictor(self) -> Any:
        """Return the estimator; with early stopping, it predicts with the best number of rounds."""
        return self.estimator if self._once is None else self._once.predictor

    def more(self, rows: Rows, epochs: int) -> None:
        """Train from scratch for all earlier epochs plus `epochs` more.

        If epochs are rows, the total is at most the number of rows.
        """
        if self.stopped:
            return
        self.done += epochs
        self.estimator = clone(self._fresh)
        if self.parameter == N_SAMPLES:
            self.done = min(self.done, rows.count)
            held = rows.held
            rows = replace(rows.at(np.sort(rows_in_order(rows)[: self.done])), held=held)
        else:
            self.estimator.set_params(**{str(self.parameter): self.done})
        found = _boosting(self.estimator)
        if found is not None and self.stops:  # with the early stopping of the boosting library
            last, kind = found
            natural = _natural(last)
            self._once = _in_steps(self.estimator, kind(last, natural.parameter))
            self._once.more(rows, natural.usual or 0)
            self.estimator = self._once.estimator
            if self._counts_rounds:
                self.done, self.stopped = self._once.done, self._once.stopped
        else:
            if found is not None:  # the library writes nothing, unless the user has asked for output
                found[0].set_params(**found[1].quiet(found[0].get_params()))
            rows.fit(self.estimator)
        # A forest predicts on one thread; ensembles.py explains why.
        last = self.estimator
        while steps := getattr(last, "steps", None):
            last = steps[-1][1]
        if is_forest(last):
            last.set_params(n_jobs=1)

    def rest(self) -> None:
        """Drop the fitted estimator, unless it has stopped early."""
        if not self.stopped:
            self.estimator, self._once = self._fresh, None


def set_for_refit(estimator: Any, rounds: int | None) -> None:
    """Set the parameters of boosting for a refit on all rows, without held-out rows for early stopping.

    They silence the library's output, turn off early stopping, and set the number of rounds unless `rounds` is None.
    """
    if found := _boosting(estimator):
        last, kind = found
        given, count = last.get_params(), {} if rounds is None else {str(_natural(last).parameter): rounds}
        last.set_params(**kind.quiet(given) | kind.unstopped(given) | count)


def _boosting(estimator: Any) -> tuple[Any, type[ContinuedBoosting]] | None:
    """Return the boosting estimator, which may be a pipeline's last step, and its class here; None without one."""
    last = _last_of(estimator)
    kind = _library_of(last)[0]
    return (last, kind) if issubclass(kind, ContinuedBoosting) else None


def _in_steps(estimator: Any, last: Resumable) -> Resumable:
    """Return `last`, the training of an estimator's last step, within all pipelines around that step."""
    return Steps(estimator, _in_steps(estimator.steps[-1][1], last)) if _is_pipeline(estimator) else last


def own_threads(estimator: Any) -> str | None:
    """Return the name of the estimator's parameter for the number of threads, or None if there is none."""
    return "n_jobs" if is_forest(estimator) else _library_of(estimator)[0].THREADS


def _by_parameter(estimator: Any, resource: str) -> Way:
    params = estimator.get_params(deep=True)
    if resource not in params:
        known = [name for name, value in params.items() if is_integer(value)]
        text = ", ".join(map(repr, [AUTO, N_SAMPLES, *known]))
        raise SettingError(f"resource={resource!r} is not a parameter of {_name(estimator)}: give one of {text}")
    value = params[resource]
    if value is not None and not is_integer(value):
        raise SettingError(
            f"resource={resource!r} must name a parameter that counts, but it is {value!r} in {_name(estimator)}"
        )
    return Way(resource, resource, int(value) if is_integer(value) and value > 0 else None, None)


def _natural(estimator: Any) -> Way:
    """Return the way for `resource="auto"`."""
    if _is_pipeline(estimator):
        return _of_pipeline(estimator)
    kind, parameter, usual = _library_of(estimator)
    if parameter:
        return _counted(estimator, kind, parameter, usual)
    params = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    if "warm_start" in params and "n_estimators" in params:
        return _counted(estimator, WarmStarted, "n_estimators", 100)
    if is_a(estimator, "BaseHistGradientBoosting", "sklearn"):
        return _counted(estimator, WarmStarted, "max_iter", 100)
    if can_pass(estimator):
        counts = is_a(estimator, "_BaseNB", "sklearn")
        return Way(N_SAMPLES, None, None, FurtherRows) if counts else Way(EPOCHS, None, USUAL_PASSES, Passes)
    return Way(N_SAMPLES, None, None, None)


def _library_of(estimator: Any) -> tuple[type[Resumable], str, int]:
    """Return the entry of LIBRARIES for an estimator; its parameter is "" if there is none."""
    return next((own for found, own in LIBRARIES.items() if is_a(estimator, *found)), (Resumable, "", 0))


def _counted(estimator: Any, kind: type[Resumable], parameter: str, usual: int) -> Way:
    params = estimator.get_params(deep=False)
    parameter = next((name for name in kind.ALIASES if name in params), parameter)
    value = params.get(parameter)
    return Way(parameter, parameter, int(value) if is_integer(value) and value > 0 else usual, kind)


def _of_pipeline(pipeline: Any) -> Way:
    name, last = pipeline.steps[-1]
    inner = Way(N_SAMPLES, None, None, None) if isinstance(last, str) or last is None else _natural(last)
    if inner.resource == N_SAMPLES:
        return Way(N_SAMPLES, None, None, None)
    resource = inner.resource if inner.parameter is None else f"{name}__{inner.resource}"
    return Way(resource, inner.parameter, inner.usual, inner.kind)


def _is_pipeline(estimator: Any) -> bool:
    """Return whether this is scikit-learn's Pipeline. Pipelines of other packages may change the number of rows."""
    kind = type(estimator)
    return kind.__name__ == "Pipeline" and kind.__module__.startswith("sklearn.") and bool(estimator.steps)


def _last_of(estimator: Any) -> Any:
    """Return the last step of a pipeline, also of nested ones; return any other estimator itself."""
    return _last_of(estimator.steps[-1][1]) if _is_pipeline(estimator) else estimator


def _name(estimator: Any) -> str:
    return type(estimator).__name__

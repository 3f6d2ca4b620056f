"""Resumes the training of pipelines: a candidate's first job fits the transformers, and each job trains the last step.

    rows -> transformers, fitted once -> transformed rows -> last step, resumed in the way of its library

The parameters of transformers and the rows do not change between the jobs of a candidate, so fitted transformers are
kept. Other candidates with the same transformers reuse the fitted transformers as long as these are cached
(`TransformerCache`). They also reuse the transformed rows, unless the rows were too large for the cache.

The `fit_transform` of some transformers differs from `fit().transform()`. For example, `TargetEncoder.fit_transform`
excludes a row's own target from the row's code. Such transformers are detected in the first job and refitted in each
job. The check compares all rows exactly. Timing decides whether transformers are still cached, and thus which of the
two methods provides a job's rows, but it must not affect scores.
"""

import copy
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.metadata_routing import process_routing

from ash.sklearn.resumable.protocol import Resumable, Rows, TransformerCache, key_of_transformers


class Steps(Resumable):
    """A scikit-learn pipeline whose last step is an estimator in training."""

    def __init__(self, pipeline: Any, last: Resumable) -> None:
        self.parameter, self.done, self.law = last.parameter, 0, last.law
        self._pipeline, self._last = pipeline, last
        self._transformers: Any = None  # set once they are fitted
        self._key: str | None = None  # the transformers' key in the cache
        self._is_plain = True  # whether the transformers' `fit_transform` equals `transform`
        self.why, self.stops = last.why, last.stops

    def more(self, rows: Rows, epochs: int) -> None:
        """Train the last step further."""
        first, last = split_params(self._pipeline, rows.params)
        X = self._transformed(rows, first)
        held = rows.held
        if held is not None and self.stops:
            _, own = split_params(self._pipeline, held.params)
            held = Rows(held.X if self._transformers is None else self._transformers.transform(held.X), held.y, own)
        self._last.more(Rows(X, rows.y, last, rows.classes, held=held), epochs)
        self.done, self.why, self.stopped = self._last.done, self._last.why, self._last.stopped

    def rest(self) -> None:
        """Free memory of the last step that is not needed until the next job."""
        self._last.rest()

    def _transformed(self, rows: Rows, params: dict[str, Any]) -> Any:
        """Return the transformed rows; fit the transformers first if they are not fitted, or must be refitted."""
        if len(self._pipeline.steps) == 1:
            return rows.X
        cache = TransformerCache() if rows.cache is None else rows.cache
        if self._transformers is None:
            self._key = key_of_transformers(self._pipeline[:-1])
        found = cache.find(self._key)
        if self._transformers is None and found is not None:
            self._transformers = found.transformers
        begun = self._transformers is None
        if not begun and self._is_plain:
            return self._transformers.transform(rows.X) if found is None else found.transformed(rows.X)
        self._transformers = clone(self._pipeline[:-1])
        made = self._transformers.fit_transform(rows.X, rows.y, **params)
        if begun:
            self._is_plain = _are_equal(made, self._transformers.transform(rows.X))
        if self._is_plain:
            cache.keep(self._key, self._transformers, made)
        return made

    @property
    def estimator(self) -> Any:
        """Return the pipeline of the fitted transformers and the last step, as trained so far."""
        return self._with(self._last.estimator)

    @property
    def rounds(self) -> int | None:
        """Return the best number of rounds of the last step, or None without early stopping."""
        return self._last.rounds

    @property
    def kept(self) -> int:
        """Return the number of epochs after which the last step is scored."""
        return self._last.kept

    @property
    def predictor(self) -> Any:
        """Return the pipeline with the predictor of the last step."""
        return self._with(self._last.predictor)

    def at(self, epochs: int) -> Any:
        """Return the pipeline with the last step as it was after its first `epochs` epochs, or None if impossible."""
        last = self._last.at(epochs)
        return None if last is None else self._with(last)

    def _with(self, last: Any) -> Any:
        made = copy.copy(self._pipeline)
        first = [] if self._transformers is None else self._transformers.steps
        made.steps = [*first, (self._pipeline.steps[-1][0], last)]
        return made


def split_params(pipeline: Any, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the parameters of `fit`: for the transformers (named as in the pipeline), and for the last step."""
    if not params:
        return {}, {}
    name = pipeline.steps[-1][0]
    if not get_config()["enable_metadata_routing"]:
        prefix = f"{name}__"
        last = {key.removeprefix(prefix): value for key, value in params.items() if key.startswith(prefix)}
        return {key: value for key, value in params.items() if not key.startswith(prefix)}, last
    routed = process_routing(pipeline, "fit", **params)
    requested = {key for step, _ in pipeline.steps[:-1] for asks in routed[step].values() for key in asks}
    return {key: value for key, value in params.items() if key in requested}, dict(routed[name].fit)


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether two tables are equal; False if they cannot be compared."""
    try:
        if hasattr(one, "tocsr"):  # a SciPy sparse matrix, which may be far too large to become dense
            return bool(one.shape == other.shape and (one != other).nnz == 0)
        first, second = np.asarray(one), np.asarray(other)
        same = first.shape == second.shape and (first == second) | ((first != first) & (second != second))
        return bool(np.all(same))
    except Exception:  # cells that cannot be compared
        return False

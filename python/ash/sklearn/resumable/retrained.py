"""What cannot be trained on: trained from scratch each time, for all the epochs so far and the new ones."""

from typing import Any

import numpy as np
from sklearn.base import clone

from ash.sklearn.resumable.partial_fit import rows_in_order
from ash.sklearn.resumable.protocol import N_SAMPLES, Continued, Rows
from ash.sklearn.resumable.trees import is_forest


def predict_alone(estimator: Any) -> None:
    """Let a forest, or one that is the last step, predict on one thread; trees.py says why."""
    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else estimator
    if is_forest(last):
        last.set_params(n_jobs=1)


class Retrained(Continued):
    """From scratch, for more epochs or on more rows."""

    def __init__(self, estimator: Any, parameter: str | None, why: str) -> None:
        super().__init__(estimator, parameter)
        self._fresh = estimator
        self.why = why

    def more(self, rows: Rows, epochs: int) -> None:
        """Train it anew for all its epochs; of rows no more than there are."""
        self.done += epochs
        self.estimator = clone(self._fresh)
        if self.parameter == N_SAMPLES:
            self.done = min(self.done, rows.count)
            rows = rows.at(np.sort(rows_in_order(rows)[: self.done]))
        else:
            self.estimator.set_params(**{str(self.parameter): self.done})
        rows.fit(self.estimator)
        predict_alone(self.estimator)

    def rest(self) -> None:
        """Let go of what was fitted."""
        self.estimator = self._fresh

"""Estimators with `partial_fit`: an epoch is a pass over all rows, in another order each time; or rows that are new.

A call of `partial_fit` with all rows is a pass, of SGDClassifier row by row, of MLPClassifier in its batches. With a
`random_state` that is a number they shuffle alike in each call, so rows are given in an order of the epoch's own, that
depends on `random_state` and epoch alone; none with ``shuffle=False``.
Naive Bayes counts: a second pass would count all rows twice. Its resource is rows, and further ones are added.
"""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import is_integer
from ash.sklearn.resumable.protocol import Continued, Rows


def can_pass(estimator: Any) -> bool:
    """Return whether its `partial_fit` can be used."""
    return hasattr(estimator, "partial_fit") and not getattr(estimator, "early_stopping", False)


class Passes(Continued):
    """Passes over all rows."""

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why `partial_fit` cannot be used."""
        return "" if can_pass(estimator) else f"{type(estimator).__name__} with these parameters has no partial_fit"

    def more(self, rows: Rows, epochs: int) -> None:
        """Make so many passes."""
        for _ in range(epochs):
            shuffled = getattr(self.estimator, "shuffle", True)
            learn(self.estimator, rows.at(self._order(rows.count)) if shuffled else rows, first=not self.done)
            self.done += 1

    def _order(self, count: int) -> NDArray[np.int64]:
        seed = getattr(self.estimator, "random_state", None)
        key = [int(seed) if is_integer(seed) else 0, self.done]
        return np.random.default_rng(key).permutation(count)


class FurtherRows(Continued):
    """Rows that are new, in the order of `rows_in_order`."""

    def more(self, rows: Rows, epochs: int) -> None:
        """Add so many rows, as far as there are some."""
        order = rows_in_order(rows)[self.done : self.done + epochs]
        if len(order):
            learn(self.estimator, rows.at(order), first=not self.done)
        self.done += len(order)


def learn(estimator: Any, rows: Rows, first: bool) -> None:
    """Call `partial_fit` once; the first time with all classes, where it takes them."""
    given = dict(rows.params)
    if first and rows.classes is not None and "classes" in inspect.signature(estimator.partial_fit).parameters:
        given["classes"] = rows.classes
    estimator.partial_fit(rows.X, rows.y, **given)


def rows_in_order(rows: Rows) -> NDArray[np.int64]:
    """Return the places of rows in an order drawn once, a row of each class first: any part has all classes."""
    order = np.random.default_rng(0).permutation(rows.count)
    if rows.classes is None or np.ndim(rows.y) != 1:
        return order
    _, firsts = np.unique(np.asarray(rows.y)[order], return_index=True)
    return np.concatenate([order[firsts], np.delete(order, firsts)])

"""Computes the ladder of a search. After the top rung, a candidate has as many epochs as after an ordinary fit.

With training="resume" rung k trains min_epochs * eta^k more epochs, so that after R rungs a candidate has

    min_epochs * (1 + eta + ... + eta^(R-1)) = min_epochs * (eta^R - 1) / (eta - 1)

epochs. By default the ladder has as many rungs as possible, provided that the first rung has at least 1/21 of this
total, and that at least eta candidates reach the top rung. If the first rung were shorter, scores would decide too
early: the score after a single tree or round says little about the score after a hundred. `min_epochs` is rounded down,
so the formula may give fewer epochs than an ordinary fit. A job in the top rung therefore trains all epochs that are
still missing. With 100 epochs and eta 2, the totals after the rungs are 6, 18, 42 and 100.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from ash._utils.checks import whole
from ash.errors import SettingError
from ash.options import LARGEST
from ash.sklearn.resumable.choose import Way
from ash.sklearn.resumable.protocol import N_SAMPLES

MOST_RATIO = 21
LEAST_ROWS = 20
ROWS_OF_A_CLASS = 5


@dataclass(frozen=True)
class Rungs:
    """The ladder: the epochs of the first rung, and the maximum number of rungs.

    `top_epochs` is the number of epochs of a top-rung job according to the core's ladder. `max_epochs` is the total
    number of epochs of a candidate after the top rung. Both are None if the user gave `min_epochs`, or if `given` is
    set. `given` has the number of candidates and the epochs of a job for each rung, if these do not follow from
    `min_epochs` and eta.
    """

    min_epochs: int
    max_rungs: int
    top_epochs: int | None = None
    max_epochs: int | None = None
    given: tuple[tuple[int, int], ...] = ()

    def is_top(self, epochs: int, eta: int) -> bool:
        """Return whether a job is in the top rung, given its `epochs` in the core's ladder."""
        return bool(epochs >= self.min_epochs * eta ** (self.max_rungs - 1))

    def missing(self, epochs: int, done: int) -> int:
        """Return how many epochs a job trains: `epochs` or, in the top rung, all from `done` up to `max_epochs`."""
        return epochs if self.max_epochs is None or epochs != self.top_epochs else self.max_epochs - done


def rungs_of(
    way: Way,
    eta: int,
    min_epochs: Any,
    max_epochs: Any,
    max_rungs: Any,
    *,
    candidates: int | None,
    restart: bool,
    rows: int,
    classes: int,
) -> Rungs:
    """Return the ladder for the user's `min_epochs`, `max_epochs` and `max_rungs`.

    `candidates` is None for an endless stream. With `restart` each rung trains from scratch, so a candidate's total is
    the number of epochs in its last rung. `rows` is the number of training rows of the smallest fold; `classes` is 1
    for regression. Raises SettingError if one of the three values is invalid, if all three are given, or if nothing
    determines the number of epochs.
    """
    if min_epochs is not None:
        min_epochs = whole("min_epochs", min_epochs, 1, LARGEST)
    if max_rungs is not None:
        max_rungs = whole("max_rungs", max_rungs, 1, 63)
    if min_epochs is not None and max_rungs is not None:
        if max_epochs is not None:
            contradicts = "contradicts min_epochs and max_rungs: leave one of the three out"
            raise SettingError(f"max_epochs={max_epochs!r} {contradicts}")
        return Rungs(min_epochs, max_rungs)
    most = _most(way, max_epochs, rows)
    # `filled` is the largest number of rungs with which at least eta candidates reach the top rung.
    filled = 63 if candidates is None else _count(candidates // eta, eta, restart=True)
    least = min(rows, max(LEAST_ROWS, ROWS_OF_A_CLASS * classes)) if way.resource == N_SAMPLES else 1
    if min_epochs is not None:
        if max_epochs is not None and min_epochs > max_epochs:
            raise SettingError(f"min_epochs={min_epochs} must be at most max_epochs={max_epochs}: change one of them")
        return Rungs(min_epochs, _count(most // min_epochs, eta, restart))
    ratio = most if max_rungs else min(MOST_RATIO, max(1, most // least))
    count = min(filled, max_rungs or filled, _count(ratio, eta, restart))
    while count > 1 and most // _ratio(count, eta, restart) < least and max_rungs is None:
        count -= 1
    first = max(1, most // _ratio(count, eta, restart))
    return Rungs(first, count, first * eta ** (count - 1), most)


def _most(way: Way, max_epochs: Any, rows: int) -> int:
    if way.resource == N_SAMPLES:
        return rows if max_epochs is None else min(rows, whole("max_epochs", max_epochs, 1, LARGEST))
    if max_epochs is not None:
        return whole("max_epochs", max_epochs, 1, LARGEST)
    if way.usual is None:
        raise SettingError(
            f"resource={way.resource!r} has no value in the estimator that says how far to train: give max_epochs="
        )
    return way.usual


def _ratio(count: int, eta: int, restart: bool) -> int:
    """Return the total epochs after `count` rungs, divided by the epochs of the first rung."""
    return eta ** (count - 1) if restart else sum(eta**rung for rung in range(count))


def _count(most: int, eta: int, restart: bool) -> int:
    """Return the largest number of rungs, at least 1, whose `_ratio` is at most `most`."""
    return next(count for count in itertools.count(1) if _ratio(count + 1, eta, restart) > most)

"""When training ends: as late as what follows it has the time that it needs.

    |<------------------------------- time_limit ------------------------------->|
    | training, at least until here     | ... and until here | refit      | rest |
                                        ^ asked: how long would a refit take now?

How many networks will predict, and so how long they are trained on, is known only in the end. So the most that a refit
may take is kept free first; once that is all there is left, it is asked what the refit would take, and the training
goes on for what is not needed, some times over.
"""

import math
from collections.abc import Callable
from time import monotonic

REST, LONGEST_REST = 0.02, 1.0
"""Of the time limit, and seconds at most: kept for the ensemble and whatever else is to be done."""
REFIT = 0.15
"""Of the time limit: the most that is kept for a refit."""
WORTH = 0.03
"""Of the time limit: for less it is not looked again, since a look predicts with all networks that are kept."""


class Deadline:
    """The time at which training ends, on the monotonic clock.

    Parameters
    ----------
    started : float
        When the call began.
    time_limit : float or None
        Seconds; None: training is not limited.
    refit : bool
        Whether a refit follows.

    Attributes
    ----------
    end : float
        When all but the rest must be done.
    """

    def __init__(self, started: float, time_limit: float | None, refit: bool) -> None:
        self._limit = math.inf if time_limit is None else time_limit
        self.end = started + self._limit
        self._most = 0.0
        if time_limit is not None:
            self.end -= min(LONGEST_REST, REST * time_limit)
            self._most = REFIT * time_limit if refit else 0.0
        self._at = self.end - self._most

    def left(self, needed: Callable[[], float] | None = None) -> float:
        """Return the seconds of training that are left, 0 or less at its end.

        Parameters
        ----------
        needed : callable, optional
            Says how many seconds the refit would take; called when there is no more left than the most it may take.
        """
        left = self._at - monotonic()
        if left > 0 or needed is None or self._most == 0:
            return left
        later = self.end - min(self._most, needed())
        if later - monotonic() < WORTH * self._limit:
            self._most = 0.0  # this was the last look
            return left
        self._at = later
        return self._at - monotonic()

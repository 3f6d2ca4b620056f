"""The deadline of a run: when training must end so that selection and refit still fit into the time limit.

    |<-------------------------------- time_limit -------------------------------->|
    | training, at least until here     | ... and until here | selection, refit | rest |
                                        ^ how long would these take now?

The number of networks to select from and to refit, and so the time this takes, is known only at the end. So at first
the longest time is reserved. When only that is left, or less than the next job takes, the deadline asks how long
selection and refit would take now, and gives the rest of the reserve back to training. It asks again when that is used
up, until too little can be gained.
"""

import math
from collections.abc import Callable
from time import monotonic

REST, LONGEST_REST = 0.02, 1.0
"""Reserved for everything except selection and refit: a share of the time limit, and the most seconds."""
RESERVE = 0.15
"""The most that is reserved for selection and refit, as a share of the time limit."""
SELECTION = 0.04
"""The most that is reserved for selection alone; a planned run keeps as many networks as can predict in that time."""
WORTH = 0.03
"""The least gain for which the deadline asks again, as a share of the time limit: an answer needs a prediction by all
kept networks."""


class Deadline:
    """The time at which training ends, on the monotonic clock.

    Parameters
    ----------
    started : float
        When the call began.
    time_limit : float or None
        Seconds; None: training is not limited.
    reserve : float
        The most that is reserved, as a share of the time limit.

    Attributes
    ----------
    end : float
        When training, selection and refit must be done.
    """

    def __init__(self, started: float, time_limit: float | None, reserve: float = RESERVE) -> None:
        self._limit = math.inf if time_limit is None else time_limit
        self.end = started + self._limit
        self._most = 0.0
        if time_limit is not None:
            self.end -= min(LONGEST_REST, REST * time_limit)
            self._most = reserve * time_limit
        self._at = self.end - self._most

    def left(self, needed: Callable[[], float] | None = None, is_short: bool = False) -> float:
        """Return the seconds of training that are left, 0 or less at its end.

        Parameters
        ----------
        needed : callable, optional
            Returns the seconds that selection and refit would take now; called when only the reserve is left.
        is_short : bool
            Whether the next job takes longer than the time that is left.
        """
        left = self._at - monotonic()
        if (left > 0 and not is_short) or needed is None or self._most == 0:
            return left
        later = self.end - min(self._most, needed())
        if later - max(self._at, monotonic()) < WORTH * self._limit:
            self._most = 0.0  # this was the last look
            return left
        self._at = later
        return self._at - monotonic()

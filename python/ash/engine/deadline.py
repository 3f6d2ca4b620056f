"""Computes when training must end so that selection and refit still fit into the time limit.

    |<-------------------------------- time_limit -------------------------------->|
    | training                          | more training      | selection, refit | rest |
                                        ^ how long would selection and refit take now?

The number of networks to select from and to refit, and the time that both steps take, are known only at the end. So a
maximum time is reserved at first. When only this reserve is left, or the next job would reach into it, the deadline
asks how long selection and refit would take now, and returns the surplus to training. It asks again when training has
used the surplus, until the surplus is too small to be useful.
"""

import math
from collections.abc import Callable
from time import monotonic

REST, LONGEST_REST = 0.02, 1.0
"""The time reserved for steps other than training, selection and refit, as a share of the time limit, and its maximum
in seconds."""
RESERVE = 0.15
"""The maximum time reserved for selection and refit, as a share of the time limit."""
RESERVE_FROM_SCRATCH = 0.3
"""The same maximum if several models are trained on all rows from scratch."""
SELECTION = 0.04
"""The maximum time reserved for selection without a refit, as a share of the time limit. By default, a planned run
keeps at most as many networks as can predict the validation rows in that time."""
WORTH = 0.03
"""The deadline stops asking once an answer gains less than this share of the time limit. Each answer is expensive,
since all kept networks must predict."""


class Deadline:
    """The time at which training ends, on the monotonic clock.

    Parameters
    ----------
    started : float
        When the call began, on the monotonic clock.
    time_limit : float or None
        Seconds; None if training is not limited.
    reserve : float
        The maximum time reserved, as a share of the time limit.

    Attributes
    ----------
    end : float
        The time by which training, selection and refit must be done.
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
        """Return the seconds left for training; 0 or less if training must end now.

        Parameters
        ----------
        needed : callable, optional
            Returns the seconds that selection and refit would take now. It is called only if `is_short`, or if no more
            than the reserve is left.
        is_short : bool
            Whether the next job would take longer than the remaining time.
        """
        left = self._at - monotonic()
        if (left > 0 and not is_short) or needed is None or self._most == 0:
            return left
        later = self.end - min(self._most, needed())
        if later - max(self._at, monotonic()) < WORTH * self._limit:
            self._most = 0.0  # so that the deadline never calls `needed` again
            return left
        self._at = later
        return self._at - monotonic()

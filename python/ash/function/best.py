"""The best job of a run of a function, and what it has left."""

import warnings
from typing import Any, NamedTuple

from ash.function.answers import FINISHED
from ash.function.retraining import Again
from ash.function.state_store import LOST

FROM_OUTSIDE = ("interrupted", "stopped", "time_limit", "failures")
"""Ends behind which nothing more is trained."""


class Best(NamedTuple):
    """The best job so far: higher scores first, then lower candidates, then lower rungs."""

    score: float
    candidate: int
    rung: int
    state: Any

    def is_behind(self, score: float, candidate: int, rung: int) -> bool:
        """Return whether another job is better."""
        if score != self.score:
            return score > self.score
        return (candidate, rung) < (self.candidate, self.rung)


def state_of(best: Best, again: Again, ended: str, training: str) -> Any:
    """Return the state of the best job; one of an earlier process is trained again, or None with a warning."""
    if best.state is not LOST:
        return best.state
    why = f"a run that was ended by {ended!r} does not train it again"
    if ended not in FROM_OUTSIDE:
        try:
            answer = again.complete((best.candidate, best.rung), training)
        except KeyboardInterrupt:
            why = "its training was interrupted"
        else:
            if answer is not None and answer.kind == FINISHED:
                return answer.state
            why = "all threads hang" if answer is None else f"to train it again has failed: {answer.text}"
    warnings.warn(f"best_state is None: that of an earlier call is gone, and {why}", UserWarning, stacklevel=6)
    return None

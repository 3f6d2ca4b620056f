"""Learning curves of a run: epochs and scores of each candidate."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ash.course import Course


def score_curves(result: "Course") -> dict[int, NDArray[np.float64]]:
    """Return [(epochs, score), ...] of each candidate that has a job which did not diverge.

    Epochs are those a network of the candidate has behind it: added up over its rungs when training was resumed, those
    of the rung when it was restarted.
    """
    curves: dict[int, list[tuple[float, float]]] = {}
    behind: dict[int, int] = {}
    for job in result.jobs:
        before = behind.get(job.candidate, 0) if result.options.training == "resume" else 0
        behind[job.candidate] = before + job.epochs
        if not job.diverged:
            curves.setdefault(job.candidate, []).append((before + job.epochs, job.score))
    return {candidate: np.array(curve) for candidate, curve in curves.items()}

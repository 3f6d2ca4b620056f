"""Forecasts the score of forests and boosting after the next rung, by the laws that their learning curves follow.

A ladder ranks candidates by scores after a few trees or rounds, but the best candidates so far need not be the best in
the end. Deep trees pay off only when many trees are averaged, and low learning rates only after many rounds. The scores
so far allow a forecast:

    law       known epochs           the score after T epochs
    average   t, u (u > t)           s(u) + (s(u) - s(t)) (1/u - 1/T) / (1/t - 1/u)
    rounds    0, t, u                s(u) + (s(u) - s(t)) (r^u - r^T) / (r^t - r^u),
                                     where (s(u) - s(t)) / (s(t) - s(0)) = (r^t - r^u) / (1 - r^t)
    rounds    t, u (t > 0)           s(u) + (s(u) - s(t)) log(T/u) / log(u/t)

Here s(t) is the score after t epochs, and r is the share of the gap to the final score that remains after a round.

Law "average": apart from errors that all trees have in common, the mean of t trees has 1/t of the variance of a single
tree (Breiman, Random Forests, 2001).

Law "rounds": each round first closes a constant share of the gap to the final score. So the early gains form a
geometric sequence, counted from the score of a constant prediction. Later this share falls, and the score grows by a
constant amount whenever the epochs grow by a constant factor.

In the first rung, the score after half of the epochs is also measured, but only in one fold. In later rungs, the score
in the previous rung is known. Forecasts are used only for ranking, and do not change any score.
"""

import math
from collections.abc import Sequence

from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS

HALVINGS = 60
"""The number of bisection steps in the search for the rate, enough to determine the rate to its last bit."""

Point = tuple[int, float]
"""A number of epochs, and a candidate's score after this number."""


def forecast(law: str, points: Sequence[Point], epochs: int) -> float:
    """Return the score that is expected after `epochs` epochs.

    Parameters
    ----------
    law : str
        "average" or "rounds"; for any other law the last score is returned.
    points : sequence of (epochs, score)
        The known scores, in increasing order of epochs. For "rounds", the first point may be at 0 epochs, with the
        score of a constant prediction.
    epochs : int
        The total epochs at which to forecast the score.

    Returns
    -------
    float
        The forecast; the last score if fewer than two points have epochs above 0, or if the points do not fit the law.
    """
    known = [point for point in points if point[0] > 0]
    score = points[-1][1]
    if len(known) < 2 or law not in (AVERAGE, ROUNDS):
        return score
    (t, before), (u, _) = known[-2:]
    gain = score - before
    if law == AVERAGE:
        return score + gain * (1 / u - 1 / epochs) / (1 / t - 1 / u)
    if len(known) < len(points):
        return score + _geometric(t, u, before - points[0][1], gain, epochs)
    return score + gain * math.log(epochs / u) / math.log(u / t)


def _geometric(t: int, u: int, first: float, second: float, epochs: int) -> float:
    """Return the gain from u to `epochs`, given the gains `first` (from 0 to t) and `second` (from t to u).

    Return 0 if the gains do not shrink as the law requires. For example, accuracy does not change in the first rounds,
    while all rows still get the most frequent label.
    """
    if first <= 0 or second <= 0 or second / first >= (u - t) / t:
        return 0.0
    low, high = 0.0, 1.0  # with a rate of 1, all rounds have the same gain
    for _ in range(HALVINGS):
        rate = (low + high) / 2
        is_low = _sum(rate, t, u) / _sum(rate, 0, t) < second / first
        low, high = (rate, high) if is_low else (low, rate)
    return second * _sum(high, u, epochs) / _sum(high, t, u)


def _sum(rate: float, first: int, last: int) -> float:
    """Return rate^first + ... + rate^(last - 1)."""
    return float(last - first) if rate == 1 else (rate**first - rate**last) / (1 - rate)

"""How sure networks are made to be: a factor of their logits, by the rows of validation.

    probabilities of validation rows --> factor s of the lowest cross-entropy of softmax(s logits) --> last layer * s

Temperature scaling (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 4.2),
1 / s being their temperature. What is ranked by labels (`LABEL_METRICS`) may be as unsure as it likes: smoothed labels,
dropout and weight decay each make probabilities too even, one network's more than another's. Then they would mean
little, and in a mean of several networks those would decide that happen to be the surest. No label of a single network
changes, and no score of labels.

Few rows that are all right would ask for an infinite factor, so it has a prior: normal, around 1, SPREAD wide.
Order:   rows are summed up by NumPy on one thread, and factors are rounded to a GRAIN, so that they depend on the
         predictions alone, and not on whether a row is repeated or counts twice.
Cost:    the exponentials of the predictions, once a step of Newton's.
"""

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.models.file import core_parts

LABEL_METRICS = ("accuracy", "balanced_accuracy")
"""That read labels and no probabilities."""
SPREAD = 0.5
"""Standard deviation of the prior of a factor."""
LOWEST, HIGHEST = 0.125, 8.0
"""Of a factor."""
GRAIN = 2.0**-10
_STEPS = 32
_ENOUGH = 1e-9  # of a step
_TINY = np.finfo(np.float32).tiny

Numbers = NDArray[np.float64]


def sharpness(predictions: NDArray[np.float32], labels: NDArray[np.int64], weights: Numbers | None) -> float:
    """Return the factor of a network's logits.

    Parameters
    ----------
    predictions : array [rows, classes]
        Its probabilities.
    labels : array [rows]
        Class numbers.
    weights : array [rows] or None
        How often each row counts.
    """
    logits = _logits(predictions)
    counts = np.ones(len(labels)) if weights is None else weights
    own = logits[np.arange(len(labels)), labels]
    factor = 1.0
    for _ in range(_STEPS):  # Newton's; the loss is convex, and its prior strictly so
        slope, curvature = _derivatives(logits, own, counts, factor)
        after = float(np.clip(factor - slope / curvature, max(LOWEST, factor / 2), min(HIGHEST, factor * 2)))
        if abs(after - factor) < _ENOUGH:
            break
        factor = after
    return round(factor / GRAIN) * GRAIN


def sharpened(predictions: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Return what a network predicts whose logits have been multiplied; as predictions of `sharpness`."""
    return np.asarray(_softmax(factor * _logits(predictions)), np.float32)


def sharpen(core: _core.Network, factor: float) -> _core.Network:
    """Return a network with its logits multiplied."""
    if factor == 1:
        return core
    parts = core_parts(core)
    for name in ("weights", "biases"):
        *before, last = parts[name]
        parts[name] = [*before, last * np.float32(factor)]
    return _core.Network(**parts)


def _logits(predictions: NDArray[np.float32]) -> Numbers:
    return np.log(np.maximum(predictions, _TINY).astype(np.float64))


def _softmax(logits: Numbers) -> Numbers:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def _derivatives(logits: Numbers, own: Numbers, counts: Numbers, factor: float) -> tuple[float, float]:
    """Return the first and the second derivative, by the factor, of the loss and of the prior, negated logarithms."""
    probabilities = _softmax(factor * logits)
    mean = (probabilities * logits).sum(axis=1)
    variance = (probabilities * np.square(logits - mean[:, None])).sum(axis=1)
    precision = 1 / SPREAD**2
    return (
        float((counts * (mean - own)).sum()) + precision * (factor - 1),
        float((counts * variance).sum()) + precision,
    )

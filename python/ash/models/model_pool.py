"""`Kept`: the best networks of a run, calibrated, with their validation predictions.

An ensemble is selected out of them (ensemble.py) whenever it is asked for, without the data of the run.

Networks of classes are calibrated first: how sure each is made to be. Those that a function of the user's has scored
stay as they were scored.

    probabilities of validation rows --> factor s of the lowest cross-entropy of softmax(s logits) --> last layer * s

Temperature scaling (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 4.2),
1 / s being their temperature. Smoothed labels, dropout and weight decay each make probabilities too even, one network's
more than another's. Then they would mean little, and in a mean of several networks those that happen to be the surest
would decide. No label of a single network changes, and no score of labels.

Few rows that are all right would ask for an infinite factor, so it has a prior: normal, around 1, SPREAD wide.

The mean of calibrated probabilities is less sure than it should be, so an ensemble has one more factor that all of its
members share (`shared_sharpness`): the one with the lowest cross-entropy of the mean, with the same prior.
Order:   rows are summed up by NumPy on one thread, and factors are rounded to a GRAIN, so that they depend on the
         predictions alone, and not on whether a row is repeated or counts twice.
Cost:    the exponentials of the predictions, once a step of Newton's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.encoding.data_split import Fold
from ash.metrics import METRICS
from ash.models.ensemble import (
    Ensemble,
    Numbers,
    average,
    class_errors,
    label_probabilities,
    mean_loss,
    row_losses,
    select,
    target_errors,
)
from ash.models.file import core_parts
from ash.models.model import Model
from ash.models.network import Network
from ash.options import Options
from ash.space.hyperparameters import Params

KEEP = 32
"""Networks that a run keeps unless told otherwise."""
KEPT_OF_FOLDS = 12
"""Candidates of which a cross-validated run keeps the networks of all folds: more are seldom drawn."""
MOST_DRAWS = 1024
"""The most draws of an ensemble: each takes a pass over the predictions of all networks kept."""
PREDICTION_BYTES = 2**28
"""The most memory for the predictions of the networks kept by default; beyond it fewer are kept."""

_LOSSES = {"classification": "neg_log_loss", "regression": "neg_root_mean_squared_error"}
"""By task: the metric of an ensemble whose run a function of the user's has scored."""

SPREAD = 0.5
"""Standard deviation of the prior of a factor."""
LOWEST, HIGHEST = 0.125, 8.0
"""The bounds of a factor."""
GRAIN = 2.0**-10
"""What factors are rounded to a multiple of."""
STRIDE = 2.0**0.5
"""The ratio of the shared factors that are tried, out to `HIGHEST` and `LOWEST`, until one has worse neighbors."""
_MOST_STEPS = 32
_TOLERANCE = 1e-9  # of a step
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, eq=False)
class Kept:
    """The best candidates of a run, the best first (ties: lower loss, candidate, rung), each at its best rung.

    Attributes
    ----------
    networks : tuple of Network
        At least one; their `validation_score` is that of the job.
    candidates, rungs : tuple of int
        Whose they are, and after which rung.
    factors : tuple of float
        Of their logits, by which they are calibrated.
    predictions : float32 array [networks, rows, outputs]
        Of the validation rows: probabilities of classes, or targets in the units of y.
    targets : float64 array [rows, 1] or [rows, outputs]
        What is true there: class numbers, or targets.
    weights : float64 array [rows] or None
        How often each row counts.
    """

    networks: tuple[Network, ...]
    candidates: tuple[int, ...]
    rungs: tuple[int, ...]
    factors: tuple[float, ...]
    predictions: NDArray[np.float32]
    targets: Numbers
    weights: Numbers | None

    def ensemble(self, size: int) -> Ensemble:
        """Return the ensemble of at most `size` draws."""
        return self._average(self.best_counts(size))

    def best_counts(self, size: int) -> NDArray[np.int64]:
        """Return how often each network is drawn; with a size of 1 the best one alone."""
        return select(self._terms(), self.weights, size)

    def model_of(self, counts: NDArray[np.int64]) -> Model:
        """Return the ensemble of networks drawn so often, or the first if it is alone."""
        return self.networks[0] if counts[0] == counts.sum() else self._average(counts)

    def _terms(self) -> Numbers:
        """Return what `select` reads; not kept, since a pickled result would carry it."""
        best = self.networks[0]
        if best.classes_ is None:
            return target_errors(self.predictions, self.targets, np.asarray(best.core.target_scale))
        labels = self.targets[:, 0].astype(np.int64)
        terms_of = label_probabilities if best.metric == "neg_log_loss" else class_errors
        return terms_of(self.predictions, labels)

    def _average(self, counts: NDArray[np.int64]) -> Ensemble:
        drawn = np.flatnonzero(counts)
        shares = counts[drawn] / counts.sum()
        best = self.networks[0]
        metric = best.metric if best.metric in METRICS[best.task] else _LOSSES[best.task]
        members, predictions = [self.networks[index] for index in drawn.tolist()], self.predictions[drawn]
        classes = 0 if best.classes_ is None else len(best.classes_)
        if classes and best.metric == metric and len(members) > 1:
            factor = shared_sharpness(predictions, shares, self.targets[:, 0].astype(np.int64), self.weights)
            members = [_sharper(member, factor) for member in members]
            predictions = np.stack([sharpened(each, factor) for each in predictions])
        outputs = average(predictions, shares)
        weights = [] if self.weights is None else self.weights.tolist()
        score = _core.score(metric, self.targets, outputs, classes, weights)
        return Ensemble(members, shares, metric=metric, validation_score=score)


def networks_to_keep(keep: int | None, rows: int, outputs: int) -> int:
    """Return how many networks a run keeps, with predictions [rows, outputs]: `keep`, or as PREDICTION_BYTES says."""
    if keep is not None:
        return keep
    return int(np.clip(PREDICTION_BYTES // (4 * rows * outputs), 1, KEEP))


def prediction_bytes(kept: int, cells: int) -> int:
    """Return the bytes that the predictions of `kept` networks take until an ensemble is selected by them.

    `cells` are the validation rows, times outputs. All networks: float32, and their errors in double. One of them, and
    what `sharpness` or `select` make of it meanwhile: five arrays in double.
    """
    return (12 * kept + 40) * cells


def read_kept(
    tuner: _core.Tuner, folds: Sequence[Fold], params: Sequence[Params], options: Options, work: float = math.inf
) -> Kept | None:
    """Return the best networks that the core has kept so far, None for nothing.

    There are as many as predict the validation rows with `work` multiply-adds, and one at least.
    The networks are those of the first fold, the predictions those of the validation rows of all folds, one after the
    other; both calibrated where a metric of the core has scored them.
    """
    networks, predictions = tuner.kept(work)
    if not networks:
        return None
    candidates, rungs, scores, cores = zip(*networks, strict=True)
    targets, weights = np.concatenate([fold.y[fold.validation] for fold in folds]), _weights(folds)
    factors = (1.0,) * len(cores)
    if options.metric in METRICS["classification"]:
        labels = targets[:, 0].astype(np.int64)
        factors = tuple(sharpness(each, labels, weights) for each in predictions)
        for each, factor in zip(predictions, factors, strict=True):
            each[...] = sharpened(each, factor)
    return Kept(
        networks=tuple(
            network_of(sharpen(core, factor), folds[0], params[candidate], options, score)
            for candidate, score, core, factor in zip(candidates, scores, cores, factors, strict=True)
        ),
        candidates=candidates,
        rungs=rungs,
        factors=factors,
        predictions=predictions,
        targets=targets,
        weights=weights,
    )


def _weights(folds: Sequence[Fold]) -> NDArray[np.float64] | None:
    weights = [fold.weights[fold.validation] for fold in folds if fold.weights is not None]
    return np.concatenate(weights) if weights else None


def network_of(core: _core.Network, fold: Fold, params: Params, options: Options, score: float) -> Network:
    """Return a network of the core as its user sees it."""
    return Network(
        core,
        encoding=fold.encoding.predicting,
        classes=fold.table.classes_,
        target_names=fold.table.target_names,
        params=params,
        metric=str(options.metric),
        validation_score=score,
    )


def sharpness(predictions: NDArray[np.float32], labels: NDArray[np.int64], weights: Numbers | None) -> float:
    """Return the factor of the logits of a network that predicts these probabilities: [rows, classes].

    `labels` [rows] are class numbers, and `weights` [rows] say how often each row counts.
    """
    logits = _logits(predictions)
    counts = np.ones(len(labels)) if weights is None else weights
    label_logits = logits[np.arange(len(labels)), labels]
    factor = 1.0
    for _ in range(_MOST_STEPS):  # Newton's; the loss is convex, and its prior strictly so
        slope, curvature = _derivatives(logits, label_logits, counts, factor)
        updated = float(np.clip(factor - slope / curvature, max(LOWEST, factor / 2), min(HIGHEST, factor * 2)))
        if abs(updated - factor) < _TOLERANCE:
            break
        factor = updated
    return round(factor / GRAIN) * GRAIN


def shared_sharpness(
    predictions: NDArray[np.float32], shares: Numbers, labels: NDArray[np.int64], weights: Numbers | None
) -> float:
    """Return the factor of the logits of all networks with which their mean has the lowest cross-entropy.

    `predictions` [networks, rows, classes] are averaged by `shares` [networks]; labels and weights as of `sharpness`.
    """
    losses: dict[int, float] = {}
    count = len(labels) if weights is None else float(weights.sum())

    def loss(step: int) -> float:
        if step not in losses:
            factor = STRIDE**step
            own = (label_probabilities(sharpened(each, factor)[None], labels)[0] for each in predictions)
            mean = np.sum([share * each for share, each in zip(shares, own, strict=True)], axis=0)
            losses[step] = mean_loss(row_losses(mean), weights) + ((factor - 1) / SPREAD) ** 2 / (2 * count)
        return losses[step]

    furthest = round(math.log(HIGHEST, STRIDE))
    best = 0
    while abs(best) < furthest:
        nearest = min(best - 1, best + 1, key=loss)
        if loss(nearest) >= loss(best):
            break
        best = nearest
    below, at, above = loss(best - 1), loss(best), loss(best + 1)
    curvature = below - 2 * at + above
    vertex = best + (0.5 * (below - above) / curvature if curvature > 0 else 0.0)
    return float(round(STRIDE ** float(np.clip(vertex, best - 1, best + 1)) / GRAIN) * GRAIN)


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


def _sharper(network: Network, factor: float) -> Network:
    return Network(
        sharpen(network.core, factor),
        encoding=network.encoding,
        classes=network.classes_,
        target_names=network.target_names,
        params=network.params,
        metric=network.metric,
        validation_score=network.validation_score,
    )


def _logits(predictions: NDArray[np.float32]) -> Numbers:
    return np.log(np.maximum(predictions, _TINY).astype(np.float64))


def _softmax(logits: Numbers) -> Numbers:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _derivatives(logits: Numbers, label_logits: Numbers, counts: Numbers, factor: float) -> tuple[float, float]:
    """Return the first and the second derivative, by the factor, of the loss and of the prior, negated logarithms."""
    probabilities = _softmax(factor * logits)
    mean = (probabilities * logits).sum(axis=1)
    variance = (probabilities * np.square(logits - mean[:, None])).sum(axis=1)
    precision = 1 / SPREAD**2
    return (
        float((counts * (mean - label_logits)).sum()) + precision * (factor - 1),
        float((counts * variance).sum()) + precision,
    )

r"""Defines ensembles of networks and boosted trees of one run, and selects their members.

    block of rows --encoded-------> member 0 -> outputs * weight 0  \
                                    member 1 -> outputs * weight 1   + -> float64, in order of members -> mean
                                    ...                             /

A block of rows is encoded once per distinct encoding. Members of different folds have different encodings if a column
has target statistics, which are those of the fold's training rows. Levels are looked up only once.

Outputs are probabilities or targets. They are bit-identical on any number of threads, since this is true of each
member's outputs, and the order of summation is fixed. Prediction time is the sum over the members.

Selection is greedy, with replacement, by the predictions for the validation rows:

    first draws: the best model, the next four models, and the best model of the other type (network or trees), except
                 those that are clearly worse than the best model
    draw t + 1: the model whose average with the first t draws has the lowest loss
    after `size` draws: all draws after the one with the lowest loss (ties: the earliest) are undone, but never the
                 first draws; the weight of a model is its share of the remaining draws

Source: Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble Selection from Libraries of Models, ICML 2004. Selection
starts with several models, as their section 2.2 proposes. Otherwise, with few validation rows, a single model
might be drawn that is the best only by luck. If there are more trees than networks, lucky trees are more likely than
lucky networks, so both the best network and the best trees are tried first. A model is clearly worse if the mean of the
loss differences per row is more than two standard errors above 0. Unlike in the paper, there is no bagging.

Loss:        the weighted mean of the rows' losses. A row's loss is the squared error of probabilities (Brier score) or
             of standardized targets, averaged over outputs. For the metric log_loss, it is the negated logarithm of the
             label's probability. For models trained with the pinball loss or Poisson deviance, it is that loss.
             The Brier score is also used if the metric is accuracy or AUC. These metrics depend only on labels or
             ranks, so with few rows many averages would have equal scores.
Order:       among models with equal losses, the first is drawn. Rows are summed in NumPy's fixed order on one thread,
             so the outcome depends only on the predictions.
Cost:        size * models passes over the rows. Memory: 8 bytes per model, row and output (for log_loss, per model
             and row).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash._utils.display import counted
from ash.encoding.encoding import Encoding
from ash.models.file import FileParts, ensemble_parts
from ash.models.model import Model, Outputs, elementary
from ash.models.network import Network
from ash.models.trees import Trees
from ash.run_record import RunRecord

RowLosses: TypeAlias = Callable[[Numbers], Numbers]
Member: TypeAlias = Network | Trees

MOST_FIRST = 5
"""The maximum number of best-ranked models that the first draws try, in addition to `others`."""
CLEARLY = 2.0
"""A model is clearly worse than another if it is worse by more than this number of standard errors."""
_LEAST_PROBABILITY = np.finfo(np.float32).tiny
"""The lower bound of probabilities, as in the core's log_loss: a probability of 0 adds 87 to the loss, not infinity."""


class Ensemble(Model):
    """A weighted mean of trained networks and boosted trees.

    It is returned by `Result.ensemble` or `ash.load`; do not construct it yourself. It predicts and scores like a
    network, and can be saved and pickled. Probabilities are averaged directly, and targets in the units of y.

    Attributes
    ----------
    members : tuple of Network or Trees
        The members, best first. All are from one run, so they have the same features. Members of several folds have the
        target statistics of their own fold.
    weights : ndarray of shape (members,), float64
        The share of each member, above 0; they sum to 1. Read-only.
    task, classes_, feature_names, target_names, n_features_in_, n_outputs_, positive
        As in each member; all members have the same values.
    encoding : ash.encoding.encoding.Encoding
        The encoding of the first member, with level numbers if any member has them.
    decision_weights : ndarray of shape (classes,), float64, or None
        The weights of the classes in the decision (see `decision_threshold`); None if the most probable class wins.
    metric : str
        The metric of the run. It is "neg_log_loss" or "neg_root_mean_squared_error" instead if a user's scorer scored
        the run, or if the metric is the Poisson deviance and predictions may be 0 or negative.
    estimated_score, estimated_score_std_error : float
        An estimate of the ensemble's score in that metric on new rows, and its standard error; higher is better. NaN
        if unknown: for files of older versions, or if a user's scorer scored the run. `Result.estimated_score`
        describes the method.
    validation_score : float
        The ensemble's score in that metric on the rows by which it was selected. It is optimistic, like the best score
        of a run. After cross-validation it is the score of the folds' networks, each on the rows held out from its
        training.
    record : RunRecord or None
        The record of the run, by which the ensemble can be trained again; None for files of older versions.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> ensemble = ash.tune(X, y, candidates=8).ensemble(size=4)
    >>> len(ensemble.members) % 5  # each member candidate has a network per fold
    0
    >>> labels = ensemble.predict(X)
    """

    _called = "the ensemble"

    def __init__(self, members: Sequence[Member], weights: Numbers, *, metric: str, validation_score: float) -> None:
        self.members = tuple(members)
        self.weights = np.array(weights, np.float64)
        self.weights.setflags(write=False)
        self.metric = metric
        self.validation_score = validation_score
        first = self.members[0]
        self.classes_, self.encoding, self.target_names = first.classes_, self.encodings[0], first.target_names
        self.quantile, self.positive = first.quantile, first.positive

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """Return the distinct encodings of the members, in the order of the first members that have them.

        If any member has level numbers, all encodings have them; they are the last features, so that the features of
        other members are the first features of their encoding.
        """
        bases = dict.fromkeys(member.encoding.base for member in self.members)
        if not any(member.encoding.has_level_numbers for member in self.members):
            return tuple(bases)
        return tuple(base.with_level_numbers for base in bases)

    @property
    def n_outputs_(self) -> int:
        """Return the number of columns of y."""
        return self.members[0].n_outputs_

    @property
    def is_exponential(self) -> bool:
        """Return whether every member predicts targets that are exponentials of its raw outputs."""
        return all(member.is_exponential for member in self.members)

    def weighted_members(self) -> list[tuple[Member, float]]:
        """Return a list of (member, weight)."""
        return list(zip(self.members, self.weights.tolist(), strict=True))

    def file_parts(self) -> FileParts:
        """Return the metadata entries and the tensors that represent the ensemble in a file."""
        members = [member.file_parts() for member in self.members]
        return ensemble_parts(members, self.weights, self._places, self.metric, self.validation_score)

    @property
    def _places(self) -> list[int]:
        """The index of each member's encoding in `encodings`."""
        bases = [encoding.base for encoding in self.encodings]
        return [bases.index(member.encoding.base) for member in self.members]

    def _predict_rows(self, rows: NDArray[Any], threads: int) -> Outputs:
        return self._predict_blocks([rows] * len(self.encodings), threads)

    def _predict_blocks(self, blocks: Sequence[NDArray[Any]], threads: int) -> Outputs:
        widths = [member.encoding.features for member in self.members]
        keys = list(zip(self._places, widths, strict=True))
        parts = {(place, width): np.ascontiguousarray(blocks[place][:, :width]) for place, width in keys}
        outputs = (member.core.predict(parts[key], threads) for member, key in zip(self.members, keys, strict=True))
        return average(outputs, self.weights)

    def __repr__(self) -> str:
        """Return one line with the number of members of each kind, the task and the score."""
        trees = sum(isinstance(member, Trees) for member in self.members)
        kinds = {"network": len(self.members) - trees, "boosted-tree model": trees}
        counts = [counted(number, kind) for kind, number in kinds.items() if number]
        return f"Ensemble({', '.join(counts)}, {self._about()})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the state for pickle and copy."""
        own = (self.members, self.weights, self.metric, self.validation_score, self.record, self.decision_weights)
        return _rebuild, (*own, (self.estimated_score, self.estimated_score_std_error))


def average(outputs: Any, weights: Numbers) -> Outputs:
    """Return the weighted mean of arrays of equal shape, summed in order in float64; weights must sum to 1.

    The result has the dtype of the arrays.
    """
    total, dtype = 0.0, None
    for each, weight in zip(outputs, weights.tolist(), strict=True):
        total, dtype = total + weight * each.astype(np.float64), each.dtype
    return np.asarray(total, dtype)


def _rebuild(
    members: tuple[Member, ...],
    weights: Numbers,
    metric: str,
    validation_score: float,
    record: RunRecord | None,
    decision_weights: Numbers | None = None,  # absent in pickles of earlier versions
    estimate: tuple[float, float] = (math.nan, math.nan),
) -> Ensemble:
    ensemble = Ensemble(members, weights, metric=metric, validation_score=validation_score)
    ensemble = ensemble.with_decision(decision_weights)
    ensemble.record = record
    ensemble.estimated_score, ensemble.estimated_score_std_error = estimate
    return ensemble


def label_probabilities(predictions: Outputs, labels: NDArray[np.int64]) -> Numbers:
    """Return the probability that each model gives to the label of each row: [models, rows].

    Here and in the functions below, `predictions` [models, rows, classes] are probabilities, and `labels` [rows] are
    class numbers.
    """
    return predictions[:, np.arange(len(labels)), labels].astype(np.float64)


def class_errors(predictions: Outputs, labels: NDArray[np.int64]) -> Numbers:
    """Return the errors [models, rows, classes]: the probabilities, minus 1 for the true class."""
    errors = predictions.astype(np.float64)
    errors[:, np.arange(len(labels)), labels] -= 1
    return errors


def target_errors(predictions: Outputs, targets: Numbers, scale: Numbers) -> Numbers:
    """Return the errors [models, rows, outputs] of each model, divided by the `scale` [outputs]."""
    errors = predictions - targets
    errors /= scale
    return errors


def row_losses(averaged: Numbers) -> Numbers:
    """Return the loss of each row.

    It is the log loss if `averaged` are label probabilities [rows], or the mean squared error if they are errors [rows,
    outputs].
    """
    if averaged.ndim == 1:
        return -elementary("log", np.maximum(averaged, _LEAST_PROBABILITY))
    return np.asarray(np.square(averaged).mean(axis=1))


def mean_loss(losses: Numbers, weights: Numbers | None) -> float:
    """Return the mean of the rows' losses, weighted unless `weights` is None."""
    return float(losses.mean() if weights is None else (weights * losses).sum() / weights.sum())


def pinball_losses(level: float) -> RowLosses:
    """Return a function that maps averaged errors [rows, outputs] to the pinball loss of each row."""
    return lambda errors: np.asarray(np.where(errors > 0, (1 - level) * errors, -level * errors).mean(axis=1))


def poisson_losses(targets: Numbers) -> RowLosses:
    """Return a function that maps averaged predictions [rows, 1] to half of each row's Poisson deviance.

    Terms that depend only on the targets are left out.
    """

    def losses(averaged: Numbers) -> Numbers:
        logarithms = elementary("log", np.maximum(averaged, _LEAST_PROBABILITY))
        return np.asarray((averaged - targets * logarithms)[:, 0])

    return losses


def select(
    terms: Numbers, weights: Numbers | None, size: int, losses_of: RowLosses = row_losses, others: Sequence[int] = ()
) -> NDArray[np.int64]:
    """Return how often each model was drawn in at most `size` draws: int64 [models].

    The first model is drawn at least once. `terms` [models, rows, ...] are the values to average:
    `label_probabilities`, `class_errors`, `target_errors` or predictions, with the best model first. `weights` [rows]
    are the weights of the rows, and `losses_of` returns the loss of each row for an average of the terms. `others` are
    the indices of the best models of the other type, which the first draws try before the rest.
    """
    tried = [*others, *range(1, min(MOST_FIRST, size, len(terms)))]
    first = sorted(_first_draws(terms, weights, losses_of, tried)[:size])
    total = terms[0].copy()
    for network in first[1:]:
        total += terms[network]
    counts = np.zeros(len(terms), np.int64)
    counts[first] = 1
    best, lowest = counts.copy(), mean_loss(losses_of(total / len(first)), weights)
    for draws in range(len(first) + 1, size + 1):
        losses = [mean_loss(losses_of((total + each) / draws), weights) for each in terms]
        chosen = int(np.argmin(losses))
        total += terms[chosen]
        counts[chosen] += 1
        if losses[chosen] < lowest:
            best, lowest = counts.copy(), losses[chosen]
    return best


def _first_draws(terms: Numbers, weights: Numbers | None, losses_of: RowLosses, tried: Sequence[int]) -> list[int]:
    """Return index 0 (the best model) and those indices in `tried` whose models are not clearly worse than model 0."""
    best = losses_of(terms[0])
    count = len(best) if weights is None else float(weights.sum())
    first = [0]
    for network in dict.fromkeys(tried):
        excess = losses_of(terms[network]) - best
        mean = mean_loss(excess, weights)
        error = math.sqrt(mean_loss(np.square(excess - mean), weights) / count)
        if mean <= CLEARLY * error:
            first.append(network)
    return first

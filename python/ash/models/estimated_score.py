r"""Estimates the score of the final model on new rows, from the kept candidates' predictions of held-out rows.

    rows of part p --> predicted by the ensemble that is selected, weighted and calibrated on the other parts
    all rows, so predicted --> score - gain of the search = estimated score; jackknife = its standard error

Whatever is decided on the held-out rows is decided again without a part before this part is scored (cross-fitting): the
rank of the candidates, the members and weights of the ensemble, its calibration and its decision. The parts are the
folds. With one fold, they are five parts of its validation rows, stratified by the target.

The candidates were kept because of their scores on all held-out rows. With several folds, the scores of all jobs in
each fold show how much this gains: for each part, the best candidates by the other parts are found, once among the kept
ones and once among all, and scored in this part. The mean difference is subtracted. With one fold there are no such
scores. Then the gain is taken to be as large as that of selection among the kept candidates: the score of the final
model on the rows by which it was selected, less the cross-fitted score. On few rows this is too little if many
candidates are right on all of them; folds are better. A score from 0 to 1 is not estimated to be below 0.

The estimate is slightly pessimistic, since the predictions are from models that were trained on fewer rows than the
final model: the models of single folds, or those before the refit on all rows.

Sources: as in Tsamardinos, Greasidou and Borboudakis, Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation, Machine Learning 107, 2018, the search is judged by predictions that exist already, on other
rows than it selects by; these are the other parts here, and bootstrap samples there. Tibshirani and Tibshirani, A bias
correction for the minimum error rate in cross-validation, Annals of Applied Statistics 3, 2009, also compare scores of
folds, but select by the fold itself.

The standard error has two parts. That of the cross-fitted score is a jackknife over blocks of groups (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11); for scores of labels or ranks, it is at least the
effect of one wrong group, since few rows may all be right by luck. That of the gain is taken to be the gain itself.

Order:  all sums are in a fixed order, so the estimate depends only on the predictions and the decided jobs.
Cost:   PARTS selections and BLOCKS scores, on at most MOST_ROWS rows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash.metrics import LOSSES, OF_LABELS
from ash.models.ensemble import Member
from ash.models.model import Outputs, normalized
from ash.models.model_pool import Kept

PARTS = 5
"""The maximum number of parts of the held-out rows."""
BLOCKS = 50
"""The maximum number of blocks of the jackknife."""
MOST_ROWS = 50_000
"""The maximum number of held-out rows that the estimate uses: an evenly spaced sample."""

Rows: TypeAlias = NDArray[np.int64]
FoldScores: TypeAlias = Mapping[str, NDArray[Any]]
Scorer: TypeAlias = Callable[[Member, Outputs], float]


class Estimate(NamedTuple):
    """An estimated score and its standard error; NaN if unknown."""

    score: float = math.nan
    std_error: float = math.nan


def estimate(kept: Kept, size: int, fold_scores: FoldScores, scorers: Sequence[Scorer] = ()) -> Estimate:
    """Return the estimated score, in the metric of the run, of the ensemble of at most `size` draws from `kept`.

    `fold_scores` are the scores of the decided jobs in each fold, as in `Result`. If a user's function scored the run,
    `scorers` has a function per fold, which takes a model and predictions of the fold's validation rows. Then the
    estimate is the mean over the folds, and its standard error follows from the differences between folds; with one
    fold it is NaN. The score is unknown if all rows are of one group, or if such functions are needed but not given.
    """
    if not scorers and kept.native_metric != kept.networks[0].metric:
        return Estimate()
    count = len(kept.targets)
    if count > MOST_ROWS and not scorers:
        kept = kept.restricted(range(len(kept.candidates)), np.linspace(0, count - 1, MOST_ROWS).astype(np.int64))
    fitted = cross_fitted(kept, size, fold_scores)
    if fitted is None:
        return Estimate()

    def scores(outputs: Outputs) -> list[float]:
        if not scorers:
            return [kept.native_score(outputs)]
        # The decision of a user's metric follows from the weights of the classes, not from the rows.
        return [score(kept.best(), outputs[kept.folds == fold]) for fold, score in enumerate(scorers)]

    outputs, gain = fitted
    mean = _mean(found := scores(outputs))
    if gain is None:
        gain = _mean(scores(predicted(kept, kept, kept.best_counts(size)))) - mean
    error = _error_of_mean(found) if scorers else std_error(kept, outputs)
    least = 0.0 if _is_share(kept) and not scorers else -math.inf
    return Estimate(max(mean - gain, least), math.hypot(error, gain))


def held_out_prediction(kept: Kept, size: int, rows: Rows, count: int) -> NDArray[np.float64]:
    """Return the predictions for held-out rows by the ensemble of at most `size` draws, as `Result.oof_prediction`.

    The user's table has `count` rows. `rows` are the indices of the held-out rows in it, or empty if they are not from
    this table.
    """
    counts = kept.best_counts(size)
    outputs = kept.outputs_of(counts, kept.factor_of(counts))[: len(rows)]
    values = normalized(outputs) if kept.classes else outputs.astype(np.float64)
    times = np.bincount(rows, minlength=count).astype(np.float64)
    times[times == 0] = np.nan
    means = [np.bincount(rows, column, count) / times for column in values.T]
    return np.stack(means, axis=1) if kept.classes or len(means) > 1 else means[0]


def cross_fitted(kept: Kept, size: int, fold_scores: FoldScores) -> tuple[Outputs, float | None] | None:
    """Return the predictions of each part's rows by an ensemble selected on the other parts; None for a single part.

    With several folds, the gain is returned too: by how much the score of these predictions is too high, since the
    candidates were kept for their scores on these rows.
    """
    parts, has_folds = parts_of(kept), kept.folds.max() > 0
    outputs, gains = np.empty(kept.predictions.shape[1:], kept.predictions.dtype), []
    numbers = np.unique(parts).tolist()
    if len(numbers) < 2:
        return None
    for part in numbers:
        rows = np.flatnonzero(parts == part)
        is_known = np.isin(kept.units, kept.units[rows])
        others = np.flatnonzero(parts != part if is_known.all() else ~is_known)
        jobs = _Jobs(kept, fold_scores, rows, is_known) if has_folds else None
        ranked = jobs.ranked() if jobs else _ranked([kept.native_score(each, others) for each in kept.predictions])
        selected, held_out = (kept.restricted(ranked.tolist(), each) for each in (others, rows))
        counts = selected.best_counts(size)
        outputs[rows] = predicted(selected, held_out, counts)
        if jobs:
            gains.append(jobs.gain(int(np.count_nonzero(counts))))
    return outputs, _mean(gains) if has_folds else None


def predicted(selected: Kept, held_out: Kept, counts: Rows) -> Outputs:
    """Return the predictions for `held_out` of the ensemble that `counts` draws, fitted to the rows of `selected`.

    For a metric of labels, probabilities are multiplied by the weights of the decision.
    """
    factor = selected.factor_of(counts)
    outputs = held_out.outputs_of(counts, factor)
    decision = selected.decision(selected.outputs_of(counts, factor)) if selected.native_metric in OF_LABELS else None
    return outputs if decision is None else np.asarray(outputs * decision, np.float32)


def parts_of(kept: Kept) -> Rows:
    """Return the part of each held-out row: by folds, or with one fold by groups, stratified by the target."""
    if kept.folds.max() > 0:
        return kept.folds % PARTS
    units, first, inverse = np.unique(kept.units, return_index=True, return_inverse=True)
    parts = np.empty(len(units), np.int64)
    parts[np.argsort(kept.targets[first, 0], kind="stable")] = np.arange(len(units)) % PARTS
    return parts[inverse]


def std_error(kept: Kept, outputs: Outputs) -> float:
    """Return the standard error of the score of these predictions, by leaving out one block of groups at a time."""
    units, inverse = np.unique(kept.units, return_inverse=True)
    count = min(BLOCKS, len(units))
    blocks = (np.random.default_rng(0).permutation(len(units)) % count)[inverse]
    scores = [kept.native_score(outputs, np.flatnonzero(blocks != block)) for block in range(count)]
    error = (count - 1) * _error_of_mean(scores)
    return max(error, 1 / len(units)) if _is_share(kept) else error


def _is_share(kept: Kept) -> bool:
    """Return whether scores are from 0 to 1, as those of labels and ranks are."""
    return kept.classes > 0 and kept.native_metric != LOSSES["classification"]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _error_of_mean(values: Sequence[float]) -> float:
    """Return the standard error of the mean of these values; NaN for a single value."""
    mean, count = _mean(values), len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return math.sqrt(squares / (count * (count - 1))) if count > 1 else math.nan


def _ranked(scores: Any) -> Rows:
    """Return indices from the highest score to the lowest; NaN comes last."""
    return np.argsort(-np.asarray(scores), kind="stable")


class _Jobs:
    """The mean scores of all jobs, in the folds of one part and in the folds by which candidates are selected."""

    def __init__(self, kept: Kept, fold_scores: FoldScores, rows: Rows, is_known: NDArray[np.bool_]) -> None:
        scores, within = fold_scores["scores"], np.unique(kept.folds[rows])
        by = np.setdiff1d(kept.folds, kept.folds[is_known])
        by = by if len(by) else np.setdiff1d(kept.folds, within)
        self.within, self.by = scores[:, within].mean(axis=1), scores[:, by].mean(axis=1)
        self.candidates = fold_scores["candidate"]
        jobs = zip(fold_scores["candidate"].tolist(), fold_scores["rung"].tolist(), strict=True)
        places = {job: place for place, job in enumerate(jobs)}
        self.own = np.array([places[job] for job in zip(kept.candidates, kept.rungs, strict=True)])

    def ranked(self) -> Rows:
        """Return the indices of the kept candidates, the best by the other parts first."""
        return _ranked(self.by[self.own])

    def gain(self, count: int) -> float:
        """Return how much higher the part's score is for the best `count` kept candidates than for the best of all."""
        kept = self.own[self.ranked()[:count]]
        order = _ranked(self.by)
        first = np.sort(np.unique(self.candidates[order], return_index=True)[1])  # the best job of each candidate
        return float(self.within[kept].mean() - self.within[order[first[:count]]].mean())

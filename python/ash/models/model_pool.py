"""Contains `Kept`, the best models of a run with their validation predictions, and calibrates classifiers.

An ensemble can be selected from these models (ensemble.py) at any time, without the data of the run.

Label smoothing makes probabilities too uniform. So a classification network that was trained with it is calibrated:

    probabilities of validation rows --> factor s with the lowest cross-entropy of softmax(s logits) --> last layer * s

This is temperature scaling (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017,
section 4.2), whose temperature is 1 / s. Predicted labels do not change. Networks that a user's function has scored are
not calibrated. Networks trained without label smoothing are not calibrated either: if they are overconfident, they are
overfitted, and the selection should take this into account.

The mean of several networks is not confident enough. So if several candidates are drawn for an ensemble, and no user's
function has scored them, all members are calibrated again, by the common factor for which their mean has the lowest
cross-entropy.

If all rows are predicted correctly, which is likely for few rows, the best factor would be infinite. So factors have a
prior: their logarithm is normally distributed around 0. For the metric log_loss, cpp/ash/train/evaluation.cpp
calibrates networks in the same way before it scores them.

Order:   rows are summed by NumPy on one thread, so factors depend only on the predictions. A row that occurs twice has
         the same effect as a row with weight 2.
Cost:    for each factor that is tried, one exponential per prediction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.aliases import Numbers
from ash.data.table import Table, numbered
from ash.encoding.data_split import Fold, Split
from ash.encoding.encoding import Encoding
from ash.metrics import METRICS, NEED_ALL_CLASSES, OF_LABELS, native_or_loss
from ash.models.decision import AUTO, decision_of
from ash.models.ensemble import (
    Ensemble,
    Member,
    RowLosses,
    average,
    class_errors,
    label_probabilities,
    mean_loss,
    pinball_losses,
    poisson_losses,
    row_losses,
    select,
    target_errors,
)
from ash.models.model import Model, Outputs, elementary
from ash.models.network import Network
from ash.models.trees import Boosted, Trees
from ash.options import RunPlan, core_loss
from ash.space.hyperparameters import Params, to_settings

KEEP = 32
"""The number of models that a run keeps by default."""
KEPT_OF_FOLDS = 12
"""The number of candidates whose fold models a cross-validated run keeps. An ensemble rarely has more candidates."""
MOST_DRAWS = 1024
"""The maximum number of draws of an ensemble. Each draw takes a pass over the predictions of all kept models."""
PREDICTION_CELLS = 2**26
"""The maximum number of predictions of kept models. By default, a run keeps at most as many models as fit."""

ROOTS = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)
"""Powers of 2^(1/4), stored as constants, because the powers that Python computes differ between platforms."""
STEPS = len(ROOTS)
"""The number of factors per octave that can be tried."""
LOWEST, HIGHEST = -2, 3
"""The bounds of a factor, in octaves."""
SPREAD = 0.5
"""Standard deviation of the prior of a factor, in octaves."""
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, eq=False)
class Kept:
    """The best candidates of a run, each in its best rung, from best to worst.

    Ties are broken by lower loss, then by lower candidate number, then by lower rung.

    Attributes
    ----------
    members : tuple of tuple of (Network or Trees)
        For each candidate (at least one), the models of all folds. Their `validation_score` is the score of the job.
    candidates, rungs : tuple of int
        The number of each candidate, and its best rung.
    factors : tuple of float
        The calibration factor of each candidate's logits; 1 if it is not calibrated.
    predictions : array [candidates, rows, outputs]
        For the validation rows: probabilities of classes in float32, or targets in the units of y in float64.
    targets : float64 array [rows, 1] or [rows, outputs]
        The true values: class numbers, or targets.
    weights : float64 array [rows] or None
        The weight of each row.
    folds : int64 array [rows]
        The fold that held out each row. A row that several folds held out occurs several times.
    units : int64 array [rows]
        The group of each row; copies of a row have the same group, and independent rows have different groups.
    loss : str
        The core's name for the training loss.
    class_factors : float64 array [classes] or None
        The weights of the classes (`class_weight`), which `weights` includes. The predictions are probabilities for
        rows without them.
    threshold : "auto", float or None
        How the models decide, as `decision_threshold` of `ASHClassifier`.
    tiled : bool
        `Split.is_tiled`. If False, the models of the folds have not seen similar rows, so their mean must not predict.
    """

    members: tuple[tuple[Member, ...], ...]
    candidates: tuple[int, ...]
    rungs: tuple[int, ...]
    factors: tuple[float, ...]
    predictions: Outputs
    targets: Numbers
    weights: Numbers | None
    folds: NDArray[np.int64]
    units: NDArray[np.int64]
    loss: str = "squared_error"
    class_factors: Numbers | None = None
    threshold: str | float | None = AUTO
    tiled: bool = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; in one of an earlier version, there is one fold and each row is independent."""
        rows = np.arange(len(state["targets"]))
        vars(self).update({"folds": np.zeros_like(rows), "units": rows} | state)

    @property
    def networks(self) -> tuple[Member, ...]:
        """Return the model of each candidate in the first fold: a network or boosted trees."""
        return tuple(each[0] for each in self.members)

    def of(self, candidates: Sequence[int]) -> "Kept":
        """Return a copy with only these candidates, in their current order; if none of them is kept, return all."""
        places = [place for place, candidate in enumerate(self.candidates) if candidate in candidates]
        return self.restricted(places, np.arange(len(self.targets))) if places else self

    def of_fold(self, fold: int) -> "Kept":
        """Return a copy with the models of only one fold, given by its index."""
        return replace(self, members=tuple((own[fold],) for own in self.members))

    def restricted(self, places: Sequence[int], rows: NDArray[np.int64]) -> "Kept":
        """Return a copy with only the candidates at these indices, in this order, and only these validation rows."""
        return replace(
            self,
            members=tuple(self.members[place] for place in places),
            candidates=tuple(self.candidates[place] for place in places),
            rungs=tuple(self.rungs[place] for place in places),
            factors=tuple(self.factors[place] for place in places),
            predictions=self.predictions[np.ix_(np.asarray(places, np.int64), rows)],
            targets=self.targets[rows],
            weights=None if self.weights is None else self.weights[rows],
            folds=self.folds[rows],
            units=self.units[rows],
        )

    def ensemble(self, size: int) -> Ensemble:
        """Return the ensemble of the candidates that at most `size` draws select."""
        return self._average(self.best_counts(size))

    def best_counts(self, size: int) -> NDArray[np.int64]:
        """Return how often each candidate is drawn in at most `size` draws; for size 1, only the best is drawn."""
        terms, losses = self._terms()
        others = [place for place, each in enumerate(self.networks) if type(each) is not type(self.networks[0])][:1]
        return select(terms, self.data_weights, size, losses, others)

    def model_of(self, counts: NDArray[np.int64]) -> Model:
        """Return the ensemble of candidates weighted by `counts`, or the best model if it is the only member."""
        is_alone = counts[0] == counts.sum() and len(self.members[0]) == 1
        return self.best() if is_alone else self._average(counts)

    def best(self) -> Member:
        """Return the model of the best candidate in the first fold, with its decision."""
        return self.networks[0].with_decision(self.decision(self.predictions[0]))

    def decision(self, predictions: Outputs) -> Numbers | None:
        """Return the weights of the decision for these predictions [rows, classes] of a model for all rows."""
        best = self.networks[0]
        about = (self.weights, best.positive, self.class_factors)
        return decision_of(self.threshold, best.metric, predictions, self.labels, *about) if self.classes else None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the class number of each row."""
        return self.targets[:, 0].astype(np.int64)

    @property
    def data_weights(self) -> Numbers | None:
        """Return the weights of the rows without those of the classes."""
        if self.weights is None or self.class_factors is None:
            return self.weights
        return np.asarray(self.weights / self.class_factors[self.labels])

    def _terms(self) -> tuple[Numbers, RowLosses]:
        """Return the arguments `terms` and `losses_of` of `select`.

        They are not cached, since a pickled result would include them.
        """
        best = self.networks[0]
        if self.loss == "poisson":
            return self.predictions.astype(np.float64), poisson_losses(self.targets)
        if best.classes_ is None:
            losses = pinball_losses(best.quantile or 0.5) if self.loss == "pinball" else row_losses
            # A single target needs no scaling relative to other targets.
            scale = np.ones(1) if self.targets.shape[1] == 1 else np.asarray(best.core.target_scale)
            return target_errors(self.predictions, self.targets, scale), losses
        terms_of = label_probabilities if best.metric == "neg_log_loss" else class_errors
        return terms_of(self.predictions, self.labels), row_losses

    def _average(self, counts: NDArray[np.int64]) -> Ensemble:
        drawn, folds, factor = np.flatnonzero(counts), len(self.members[0]), self.factor_of(counts)
        members = [network.sharper(factor) for index in drawn.tolist() for network in self.members[index]]
        outputs = self.outputs_of(counts, factor)
        weights, metric = np.repeat(counts[drawn] / counts.sum() / folds, folds), self.native_metric
        alone = Ensemble(members, weights, metric=metric, validation_score=math.nan)
        ensemble = alone.with_decision(self.decision(outputs))
        ensemble.validation_score = self._score_of(ensemble, outputs)
        return ensemble

    @property
    def native_metric(self) -> str:
        """The metric of the run if the core can compute it, else the loss metric of the task."""
        are_positive = all(network.core.exponential for network in self.networks)
        return native_or_loss(self.networks[0].metric, self.networks[0].task, are_positive=are_positive)

    @property
    def classes(self) -> int:
        """The number of classes; 0 for regression."""
        labels = self.networks[0].classes_
        return 0 if labels is None else len(labels)

    def native_score(self, outputs: Outputs, rows: NDArray[np.int64] | None = None) -> float:
        """Return the score in `native_metric` of predictions [all rows, outputs], for all or some validation rows.

        Metrics of ranks are computed per fold and averaged, weighted by the folds' rows: the predictions of different
        folds are not on one scale, since the shares of the classes differ between their training rows.
        """
        rows = np.arange(len(outputs)) if rows is None else rows
        folds = self.folds[rows]
        parts = [rows[folds == each] for each in np.unique(folds)] if self.native_metric in NEED_ALL_CLASSES else [rows]
        scores = [self._score_of(self.networks[0], outputs, part) for part in parts]
        known = [(score, len(part)) for score, part in zip(scores, parts, strict=True) if not math.isnan(score)]
        total = sum(count for _, count in known)
        return math.fsum(score * count for score, count in known) / total if known else math.nan

    def _score_of(self, model: Model, outputs: Outputs, rows: NDArray[np.int64] | slice = slice(None)) -> float:
        """Return the score in `native_metric` of a model's predictions [all rows, outputs] for some of the rows."""
        metric = self.native_metric
        weights = self.weights if metric in OF_LABELS else self.data_weights
        own = None if weights is None else weights[rows]
        return model.score_outputs(metric, self.targets[rows], outputs[rows], own)

    def factor_of(self, counts: NDArray[np.int64]) -> float:
        """Return the factor that calibrates the members of an ensemble together; 1 if they are not calibrated."""
        drawn = np.flatnonzero(counts)
        if not self.classes or self.networks[0].metric != self.native_metric or len(drawn) == 1:
            return 1.0
        return sharpness(self.predictions[drawn], counts[drawn] / counts.sum(), self.labels, self.data_weights)

    def outputs_of(self, counts: NDArray[np.int64], factor: float) -> Outputs:
        """Return the predictions [rows, outputs] of the ensemble with these counts, calibrated by a factor."""
        drawn = np.flatnonzero(counts)
        predictions = (sharpened(self.predictions[place], factor) for place in drawn.tolist())
        return average(predictions, counts[drawn] / counts.sum())


def networks_to_keep(keep: int | None, rows: int, outputs: int) -> int:
    """Return the number of networks to keep: `keep`, or as many as fit in PREDICTION_CELLS, between 1 and KEEP."""
    return int(np.clip(PREDICTION_CELLS // (rows * outputs), 1, KEEP)) if keep is None else keep


def prediction_bytes(kept: int, cells: int, classifies: bool) -> int:
    """Return the bytes that the predictions of `kept` networks take until the score of an ensemble is estimated.

    `cells` is the number of validation rows times outputs. For each network there are predictions (float32 if the
    run `classifies`, else float64), a copy of them in parts (`cross_fitted`), and float64 errors. In addition,
    `sharpness` or `select` temporarily needs five float64 arrays for one network.
    """
    return ((16 if classifies else 24) * kept + 40) * cells


class KeptTrees(Protocol):
    """The part of the interface of `ash.engine.tree_trainer.TreeTrainer` that gives access to results."""

    def job(self, candidate: int, rung: int) -> Any:
        """Return a job's result (score, trees of each fold, predictions), or None if the job ran in an earlier call."""


def read_kept(
    tuner: _core.Tuner,
    split: Split,
    params: Sequence[Params],
    options: RunPlan,
    trees: KeptTrees,
    work: float = math.inf,
) -> Kept | None:
    """Return the best models that have been kept so far, or None if nothing was kept.

    The number of networks is limited so that predicting the validation rows takes at most `work` multiply-adds, but at
    least one network is returned if any was kept. Boosted trees are not limited, since their predictions already exist.
    Predictions are for the validation rows of all folds, one fold after the other. Networks and predictions are
    calibrated. The models of each fold predict with the encoding of their fold (`Split.predicting`).
    """
    networks, predictions = tuner.kept(work)
    if len(networks) < len(tuner.kept_jobs()):
        networks, predictions = _with_trees(tuner, networks, predictions, trees)
    if not networks:
        return None
    folds, table = split.folds, split.table
    if table.factors is not None:  # the probabilities for rows without the weights of the classes
        shares = predictions / table.factors
        predictions = np.asarray(shares / shares.sum(axis=2, keepdims=True), np.float32)
    candidates, rungs, scores, cores = zip(*networks, strict=True)
    targets = np.concatenate([fold.y[fold.validation] for fold in folds])
    row_weights = [fold.weights[fold.validation] for fold in folds if fold.weights is not None]
    weights = np.concatenate(row_weights) if row_weights else None
    factors = [1.0] * len(cores)
    for place, candidate in enumerate(candidates):
        if options.metric in METRICS["classification"] and to_settings(params[candidate]).label_smoothing > 0:
            own = predictions[place : place + 1]
            labels = targets[:, 0].astype(np.int64)
            equal = weights if weights is None or table.factors is None else weights / table.factors[labels]
            factors[place] = sharpness(own, np.ones(1), labels, equal)
            own[0] = sharpened(own[0], factors[place])
    return Kept(
        members=tuple(
            tuple(
                of_data(member_of(core, folds[0], params[candidate], options, score, encoding), table).sharper(factor)
                for core, encoding in zip(own, split.predicting, strict=True)
            )
            for candidate, score, own, factor in zip(candidates, scores, cores, factors, strict=True)
        ),
        candidates=candidates,
        rungs=rungs,
        factors=tuple(factors),
        predictions=predictions,
        targets=targets,
        weights=weights,
        folds=np.repeat(np.arange(len(folds)), [len(fold.validation) for fold in folds]),
        units=np.concatenate([_units(fold) for fold in folds]),
        loss=core_loss(options)[0],
        class_factors=table.factors,
        tiled=split.is_tiled,
    )


def _with_trees(
    tuner: _core.Tuner, networks: list[Any], predictions: Outputs, trees: KeptTrees
) -> tuple[list[Any], Outputs]:
    """Return the kept networks and boosted trees, best first, and their predictions."""
    places = {(candidate, rung): place for place, (candidate, rung, *_) in enumerate(networks)}
    found, rows = [], []
    for candidate, rung, _ in tuner.kept_jobs():
        place, job = places.get((candidate, rung)), trees.job(candidate, rung)
        if place is not None:
            found.append(networks[place])
            rows.append(predictions[place])
        elif job is not None:
            found.append((candidate, rung, job.score, job.folds))
            rows.append(job.predictions)
    return found, np.stack(rows) if rows else predictions


def _units(fold: Fold) -> NDArray[np.int64]:
    """Return the group of each validation row; without groups, copies of a row of the user's table are a group.

    Groups are numbered in the order of the table's rows, which for estimators does not depend on the user's order.
    """
    table, rows = fold.table, fold.validation
    if fold.held_out is not None:
        return rows
    return numbered(table.frame.numbers_of(np.arange(table.rows)) if table.groups is None else table.groups)[rows]


def of_data(member: Member, table: Table) -> Member:
    """Return a model with the probabilities of the data: those of training, without the weights of the classes.

    Training on rows whose weights were multiplied by the factor f of their class multiplies the odds of the class by f.
    """
    return member if table.factors is None else member.shifted(-elementary("log", table.factors))


def member_of(
    core: _core.Network | Boosted,
    fold: Fold,
    params: Params,
    options: RunPlan,
    score: float,
    encoding: Encoding | None = None,
) -> Member:
    """Wrap a core network or boosted trees in the public model; by default it predicts with the fold's own encoding."""
    encoding = encoding or fold.encoding.predicting
    if isinstance(core, Boosted) and core.has_level_numbers:
        encoding = encoding.with_level_numbers
    table = fold.table
    about: dict[str, Any] = {"encoding": encoding, "classes": table.classes_, "target_names": table.target_names}
    about |= {"params": params, "metric": options.metric, "validation_score": score, "quantile": options.quantile}
    member = Network(core, **about) if isinstance(core, _core.Network) else Trees(core.core, core.text, **about)
    member.positive = table.positive
    return member


def sharpness(predictions: Outputs, shares: Numbers, labels: NDArray[np.int64], weights: Numbers | None) -> float:
    """Return the factor on all logits that minimizes a prior plus the cross-entropy of the models' mean prediction.

    `predictions` [models, rows, classes] are averaged with the weights `shares` [models]. `labels` [rows] are class
    numbers, and `weights` [rows] are the weights of the rows. The search starts at 1 and moves in steps of 1 / `STEPS`
    octave until neither neighbor is better. The prior is the factor's negative log density, divided by the number of
    rows or the sum of their weights.
    """
    count = len(labels) if weights is None else float(weights.sum())

    logits = [_logits(each) for each in predictions]

    @cache
    def loss(step: int) -> float:
        found = predictions if step == 0 else [_softmax(factor_of(step) * each) for each in logits]
        own = [label_probabilities(each[None], labels)[0] for each in found]
        mean = np.sum([share * each for share, each in zip(shares, own, strict=True)], axis=0)
        return mean_loss(row_losses(mean), weights) + (step / STEPS / SPREAD) ** 2 / (2 * count)

    best = 0
    while nearer := [s for s in (best - 1, best + 1) if LOWEST <= s / STEPS <= HIGHEST and loss(s) < loss(best)]:
        best = min(nearer, key=loss)
    return factor_of(best)


def factor_of(step: int) -> float:
    """Return 2^(step / STEPS)."""
    return math.ldexp(ROOTS[step % STEPS], step // STEPS)


def sharpened(predictions: Outputs, factor: float) -> Outputs:
    """Return a network's predictions [rows, classes] after its logits are multiplied by a factor."""
    return predictions if factor == 1 else _softmax(factor * _logits(predictions))


def _logits(predictions: Outputs) -> Numbers:
    return elementary("log", np.maximum(predictions, _TINY))


def _softmax(logits: Numbers) -> NDArray[np.float32]:
    exponentials = elementary("exp", logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)

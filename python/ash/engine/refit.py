"""Makes the final model: a network or boosted trees, or an ensemble of these, trained on all rows where possible.

    one fold         kept networks -> greedy selection -> a short learning-rate cycle on all rows -> model
    several folds    kept candidates -> greedy selection by their predictions of all validation rows
                     -> the mean of the selected candidates' networks of all folds
                     or, if one network is requested: the best candidate, trained from scratch on all rows
    other splits     kept candidates -> greedy selection by their predictions of all validation rows
                     -> the selected candidates, trained from scratch on all rows

With one fold, the cycle on all rows is half as long as the network's last job, and starts at 0.3 of that job's learning
rate. Weights, moments and random stream continue from the end of that job. Boosted trees are trained on all rows from
scratch, for the epochs of their last job. `python -m bench ablation` compares models with and without this refit. An
earlier benchmark (variant "final", commit 9abf357) also compared it with a whole cycle at the full rate, and with
training from scratch on all rows, which costs four times as much.

With several folds, a network per fold already exists when the search ends. The mean of these networks has a lower error
than one network trained on all rows, since the mean is a form of bagging (Breiman, Machine Learning 24, 1996). This
holds only if each fold trains on all rows but its validation part (`Split.is_tiled`). The folds of TimeSeriesSplit or a
single pair of `cv` leave out the newest rows or whole categories, so there each selected candidate is trained on all
rows, through the same rungs as in the search. So is the best candidate if a single network is requested.

After training on all rows, no rows are left for scoring. So an ensemble keeps the weights and the score that were found
on the validation rows.

With one fold, a network is left unchanged if its cycle on all rows diverges or no time is left for this cycle. With
other splits, an ensemble leaves out the candidates whose training on all rows diverges or gets no time. If none is
left, the networks of one fold predict (`Split.stand_in`), and a warning says so. The order of training has no effect: a
network depends only on its candidate, its rung, its number of epochs on all rows, and the data.

Threads: the core's threads train the networks, the most costly first (from scratch: the best first). A thread without
a network joins another thread's team.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.user_warnings import warn_user
from ash.data.arrays import check_memory
from ash.encoding.data_split import Fold, Split
from ash.engine.core_data import prepare
from ash.engine.planning import rows_of_epoch
from ash.engine.tree_trainer import TreeTrainer
from ash.errors import DataError
from ash.history.records import Columns
from ash.models.decision import AUTO
from ash.models.ensemble import Member
from ash.models.estimated_score import PARTS
from ash.models.model import Model
from ash.models.model_pool import Kept, member_of, of_data, read_kept
from ash.models.trees import Boosted, Trees
from ash.options import RunPlan
from ash.space.boosters import is_boosted
from ash.space.hyperparameters import Params, to_settings

SHARE, LEAST_SHARE = 0.5, 0.2
"""The length of the last cycle (on all rows) and its minimum, as shares of the epochs of the network's last job."""
RATE = 0.3
"""The learning rate of the last cycle, as a share of the network's own learning rate."""
HASTE = 0.9
"""The share of the remaining time that the refit is planned to use."""
SECONDS_OF_INTERRUPTED = 0.25
"""After Ctrl-C, candidates are trained from scratch on all rows only if this is estimated to take at most this many
seconds. With one fold, no model is trained on all rows after Ctrl-C."""
LATE = 1.0
"""The seconds by which training from scratch on all rows may exceed the deadline."""
SELECTIONS = 1 + PARTS
"""After the selection of the final model, as many selections predict held-out rows and estimate the score."""
LONGEST = 1e9
"""The number of seconds that means "no limit" to the core."""
Trained = tuple[list[_core.Network | None], list[bool]]
"""Networks, None for those that diverged or got no time, and whether each got no time."""


@dataclass(frozen=True)
class Final:
    """The way in which an estimator's final model is made.

    Attributes
    ----------
    ensemble : int
        The maximum number of draws (with replacement) from the kept networks for the ensemble; 1 for a single network.
    refit : bool
        Whether the selected models are also trained on all rows. It has no effect with folds that tile the table (see
        `refits`).
    threshold : "auto", float or None
        How a classifier decides, as `decision_threshold` of `ASHClassifier`.
    """

    ensemble: int
    refit: bool
    threshold: str | float | None = AUTO


class Finished(NamedTuple):
    """The models at the end of a run.

    Attributes
    ----------
    best : Member
        The model of the best candidate: trained from scratch on all rows if that was done, else as it was scored.
    model : Model
        The final model.
    epochs : tuple of int
        The epochs of each network's training on all rows; 0 for a network without such training. A training that
        diverged counts, although the model then has the earlier network. Empty if no training on all rows was
        requested.
    interrupted : bool
        Whether Ctrl-C ended the training on all rows.
    """

    best: Member
    model: Model
    epochs: tuple[int, ...]
    interrupted: bool = False


def refits(final: Final | None, split: Split) -> bool:
    """Return whether networks are trained on all rows.

    With one fold, this is done if it is requested and the validation rows were not given as a separate table. With
    several folds, it is done for a single network, and if it is requested and the folds do not tile the table.
    """
    if split.whole is not None:
        return final is None or final.ensemble == 1 or (final.refit and not split.is_tiled)
    return final is not None and final.refit and split.folds[0].held_out is None


def finish(
    tuner: _core.Tuner,
    kept: Kept,
    split: Split,
    plan: RunPlan,
    final: Final,
    *,
    interrupted: bool = False,
    trees: TreeTrainer,
    deadline: float = math.inf,
    recorded: Sequence[int] | None = None,
) -> Finished:
    """Select the networks of the final model, and train them on all rows if requested.

    If Ctrl-C ends that training, the model consists of the networks from the search.

    Parameters
    ----------
    tuner : Tuner
        The core's run, whose threads have ended.
    interrupted : bool
        Whether Ctrl-C ended the run; if so, optional training is skipped.
    deadline : float
        When the refit must be done, on the monotonic clock; infinite for no limit. If time is short, fewer networks are
        trained, their cycles are shorter, or no network is trained.
    recorded : sequence of int, optional
        The epochs of each refit in the recorded run, if a run is repeated.
    trees : TreeTrainer
        The trainer of the boosted trees.
    """
    refit = Refit(kept, tuner.jobs(), split, plan, trees, deadline)
    counts = kept.best_counts(final.ensemble)
    drawn = int(np.count_nonzero(counts))
    if recorded is not None and len(recorded) != drawn:
        recorded = None  # for a different selection of networks, the record is not used
    if not refits(final, split):
        return Finished(kept.best(), kept.model_of(counts), ())
    if split.whole is not None:
        refit = replace(refit, kept=kept.of_fold(split.stand_in))
        return _from_scratch(refit, counts, tuner, recorded, interrupted=interrupted)
    if interrupted:
        recorded = (0,) * drawn
    try:
        trained, epochs = refit.with_last_cycle(counts, tuner, recorded)
    except KeyboardInterrupt:
        return Finished(kept.best(), kept.model_of(counts), (0,) * drawn, interrupted=True)
    return Finished(kept.best(), trained.model_of(counts), epochs)


def _from_scratch(
    refit: "Refit", counts: NDArray[np.int64], tuner: _core.Tuner, recorded: Sequence[int] | None, *, interrupted: bool
) -> Finished:
    """Return the final model of the drawn candidates (`counts` above 0) that could be trained on all rows.

    If there are none, their models of one fold, which are those of `refit.kept`, make up the final model.
    """
    kept, drawn, fold = refit.kept, np.flatnonzero(counts), refit.split.stand_in
    untrained, reason = (0,) * len(drawn), ""
    which = f"the model is that of {f'fold {fold}, which has the most training rows' if fold else 'the first fold'}"
    seconds = LONGEST
    if recorded is None and interrupted:
        chosen = refit.fitting(drawn, SECONDS_OF_INTERRUPTED)
        reason = f"the run was interrupted: {which}"
    elif recorded is None:
        left = min(refit.deadline + LATE - time.monotonic(), LONGEST)
        chosen = refit.fitting(drawn, left)
        seconds = left if len(drawn) > 1 else LONGEST
        network = "the best network" if len(drawn) == 1 else "any network"
        reason = f"no time is left to train {network} on all rows: {which}; raise time_limit"
    else:
        chosen = np.array(recorded) > 0
    if not chosen.any():
        if recorded is None:
            warn_user(reason)
        return Finished(kept.best(), kept.model_of(counts), untrained)
    try:
        trained, epochs, are_trained = refit.from_scratch(drawn[chosen], tuner, seconds)
    except KeyboardInterrupt:
        warn_user(f"training on all rows was interrupted: {which}")
        return Finished(kept.best(), kept.model_of(counts), untrained, interrupted=True)
    lengths = np.zeros(len(drawn), np.int64)
    lengths[chosen] = epochs
    if not are_trained.any():
        warn_user(f"training on all rows diverged, though no fold did: {which}" if any(epochs) else reason)
        return Finished(kept.best(), kept.model_of(counts), tuple(lengths.tolist()))
    left_out = drawn[~chosen].tolist() + drawn[chosen][~are_trained].tolist()
    counts = counts.copy()
    counts[left_out] = 0
    return Finished(trained.best(), trained.model_of(counts), tuple(lengths.tolist()))


def final_seconds(
    tuner: _core.Tuner, split: Split, params: Sequence[Params], plan: RunPlan, final: Final | None, trees: TreeTrainer
) -> float:
    """Return the estimated seconds for selection and refit if the run ended now.

    The selection is run to measure its time.
    """
    began = time.monotonic()
    kept = read_kept(tuner, split, params, plan, trees)
    if kept is None:
        return 0.0
    read = time.monotonic()
    counts = kept.best_counts(1 if final is None else final.ensemble)
    kept.decision(kept.predictions[0])
    done = time.monotonic()
    seconds = done - began + SELECTIONS * (done - read)
    return seconds + (
        Refit(kept, tuner.jobs(), split, plan, trees).wall_seconds(counts) if refits(final, split) else 0.0
    )


@dataclass(frozen=True, eq=False)
class Refit:
    """Trains the kept networks of a run on all rows.

    In the methods, `counts` is an int64 array [networks] that says how often each network is drawn for the ensemble,
    and `drawn` are the indices of the networks that are drawn at least once.

    Attributes
    ----------
    kept : Kept
    columns : Columns
        The jobs of the run.
    split, plan
        The split and the plan of the run; `plan.threads` is the number of threads in this process.
    trees : TreeTrainer
        The trainer of the boosted trees.
    deadline : float
        The time on the monotonic clock by which the refit must be done; infinite for no deadline.
    """

    kept: Kept
    columns: Columns
    split: Split
    plan: RunPlan
    trees: TreeTrainer
    deadline: float = math.inf

    def wall_seconds(self, counts: NDArray[np.int64]) -> float:
        """Return the estimated wall-clock seconds for training all drawn models (`counts` above 0) on all rows."""
        drawn = np.flatnonzero(counts)
        return self._shared_out(self.seconds(drawn), self._are_trees(drawn))

    def with_last_cycle(
        self, counts: NDArray[np.int64], tuner: _core.Tuner, recorded: Sequence[int] | None = None
    ) -> tuple[Kept, tuple[int, ...]]:
        """Train the drawn networks for their last cycle; return all kept networks, and the drawn networks' epochs.

        Networks that diverge or get no time are unchanged. Each network gets its `recorded` epochs or, without a
        record, as many as there is time for.
        """
        kept, plan, fold = self.kept, self.plan, self.split.folds[0]
        drawn = np.flatnonzero(counts)
        untrained = kept, (0,) * len(drawn)
        seconds = self.seconds(drawn)
        are_trees = self._are_trees(drawn)
        if self._share(seconds, are_trees) == 0 or (recorded is not None and not any(recorded)):
            return untrained
        rows = np.concatenate([fold.training, fold.validation])
        try:
            check_memory(len(rows), fold.encoding.features, "X", fold.table.frame.stored)
        except DataError as error:
            warn_user(f"the model is not refitted on all rows: {error}")
            return untrained
        whole = replace(fold, training=rows, validation=fold.validation[:1])
        data = prepare(whole, options=plan)
        share = self._share(seconds, are_trees)  # computed again, since preparing the data took time
        if share == 0:
            return untrained
        epochs = np.array([self.columns["epochs"][self._jobs(place)].item() for place in drawn.tolist()])
        lengths = np.maximum(1, (share * np.where(are_trees, 1.0, SHARE) * epochs).astype(np.int64))
        if recorded is not None:  # a forged record must not make this endless
            lengths = np.minimum(lengths, recorded)
        order = np.argsort(-seconds, kind="stable")
        order = order[lengths[order] > 0]

        def last_cycle(places: NDArray[np.int64], epochs: NDArray[np.int64], left: float) -> Trained:
            settings = [to_settings(self.kept.networks[place].params) for place in places.tolist()]
            for each in settings:
                each.learning_rate *= RATE
            return tuner.refit(data, self._candidates(places), settings, epochs.tolist(), plan.seed, left)

        cores, lengths[order] = self._trained(last_cycle, whole, data, drawn[order], lengths[order], self.deadline)
        return self._with_cores(drawn[order].tolist(), cores, fold), tuple(lengths.tolist())

    def _candidates(self, places: NDArray[np.int64]) -> list[int]:
        return [self.kept.candidates[place] for place in places.tolist()]

    def _trained(
        self,
        train: Callable[[NDArray[np.int64], NDArray[np.int64], float], Trained],
        fold: Fold,
        data: _core.Data,
        places: NDArray[np.int64],
        epochs: NDArray[np.int64],
        deadline: float,
    ) -> tuple[list[_core.Network | Boosted | None], NDArray[np.int64]]:
        """Train the models at these indices on a fold's training rows until the deadline.

        `train` trains networks, given their indices, epochs and the seconds that are left. Returns the new models, or
        None for a model that diverged or got no time, and the epochs, which are 0 for a model that got no time.
        """
        cores: list[_core.Network | Boosted | None] = [None] * len(places)
        epochs, are_trees = epochs.copy(), self._are_trees(places)
        networks, trees = np.flatnonzero(~are_trees), np.flatnonzero(are_trees)
        left = max(0.0, min(deadline - time.monotonic(), LONGEST))
        found, stopped = train(places[networks], epochs[networks], left)
        jobs = list(zip(self._candidates(places[trees]), epochs[trees].tolist(), strict=True))
        boosted = self.trees.refit(fold, data, jobs, self.plan.threads, deadline) if jobs else []
        for place, core in zip([*networks.tolist(), *trees.tolist()], [*found, *boosted], strict=True):
            cores[place] = core
        epochs[networks[np.array(stopped, bool)]] = 0
        epochs[trees[[each is None for each in boosted]]] = 0
        return cores, epochs

    def fitting(self, drawn: NDArray[np.int64], limit: float) -> NDArray[np.bool_]:
        """Return which drawn models can be trained on all rows within `limit` seconds together, preferring the best."""
        seconds, are_trees = self.seconds(drawn), self._are_trees(drawn)
        chosen = np.zeros(len(drawn), bool)
        for place in range(len(drawn)):
            chosen[place] = True
            chosen[place] = self._shared_out(seconds[chosen], are_trees[chosen]) <= limit
        return chosen

    def from_scratch(
        self, places: NDArray[np.int64], tuner: _core.Tuner, seconds: float
    ) -> tuple[Kept, list[int], NDArray[np.bool_]]:
        """Train the candidates at these indices on all rows, through the same rungs as in the search.

        Returns all kept models, and for each index the epochs (0 if the time of `seconds` did not suffice) and whether
        there is a new model, which is not the case if its training diverged or took too long.
        """
        whole = self.split.whole
        assert whole is not None
        deadline = time.monotonic() + seconds
        data = prepare(whole, options=self.plan)
        epochs = np.array([self.columns["epochs"][self._jobs(place)].sum() for place in places.tolist()], np.int64)
        cores, epochs = self._trained(
            lambda own, _, left: tuner.retrain(data, self._candidates(own), left), whole, data, places, epochs, deadline
        )
        are_trained = np.array([core is not None for core in cores])
        return self._with_cores(places.tolist(), cores, whole), epochs.tolist(), are_trained

    def seconds(self, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the thread seconds for training each of these networks on all rows, estimated from its jobs."""
        growth = [self.growth(self.kept.networks[place].params) for place in drawn.tolist()]
        spent = [float(self.columns["core_seconds"][self._jobs(place)].sum()) for place in drawn.tolist()]
        return np.asarray(np.array(growth) * np.array(spent), np.float64)

    def growth(self, params: Params) -> float:
        """Return the rows that the refit processes, divided by the rows of the jobs that it repeats or extends."""
        most, folds, whole = self.plan.epoch_rows, self.split.folds, self.split.whole
        if is_boosted(params):
            trained = sum(len(fold.training) for fold in folds)
            return len(folds[0].y if whole is None else whole.training) / trained
        if whole is not None:
            rows = [rows_of_epoch(len(fold.training), most) for fold in folds]
            return rows_of_epoch(len(whole.training), most) / sum(rows)
        most = None if params.get("batch_size") == "full" else most
        training = len(folds[0].training)
        return SHARE * rows_of_epoch(training + len(folds[0].validation), most) / rows_of_epoch(training, most)

    def _jobs(self, place: int) -> NDArray[np.bool_]:
        """Return a mask of those jobs of the candidate at index `place` that the refit repeats or extends.

        The refit always includes the candidate's job in its best rung. If it trains from scratch, it also includes the
        jobs in all lower rungs if each job resumed the previous one.
        """
        rung = self.kept.rungs[place]
        resumes = self.plan.training == "resume" and not self._is_trees(place)
        lowest = 0 if self.split.whole is not None and resumes else rung
        of_rungs = (lowest <= self.columns["rung"]) & (self.columns["rung"] <= rung)
        return np.asarray(of_rungs & (self.columns["candidate"] == self.kept.candidates[place]))

    def _share(self, seconds: NDArray[np.float64], are_trees: NDArray[np.bool_]) -> float:
        """Return the share of the last cycles that fits into the remaining time; 0 if it is too small to be useful."""
        share = min(1.0, (self.deadline - time.monotonic()) / max(self._shared_out(seconds, are_trees), 1e-9))
        return share if share * SHARE >= LEAST_SHARE else 0.0

    def _shared_out(self, seconds: NDArray[np.float64], are_trees: NDArray[np.bool_]) -> float:
        """Return the wall-clock time for training models that take these thread seconds: all networks, then all trees.

        The speed-up by teams is ignored.
        """
        parts = [seconds[~are_trees], seconds[are_trees]]
        return sum(max(float(each.sum()) / self.plan.threads, float(each.max(initial=0))) for each in parts) / HASTE

    def _is_trees(self, place: int) -> bool:
        return isinstance(self.kept.networks[place], Trees)

    def _are_trees(self, drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([self._is_trees(place) for place in drawn.tolist()], bool)

    def _with_cores(self, places: Sequence[int], cores: Sequence[_core.Network | Boosted | None], fold: Fold) -> Kept:
        """Return the kept networks, with those at the indices `places` replaced by `cores`; None keeps the old network.

        A new network is calibrated in the same way as the network that it replaces.
        """
        networks = list(self.kept.networks)
        for place, core in zip(places, cores, strict=True):
            if core is not None:
                old = networks[place]
                found = member_of(core, fold, old.params, self.plan, old.validation_score)
                networks[place] = of_data(found, fold.table).sharper(self.kept.factors[place])
        return replace(self.kept, members=tuple((network,) for network in networks))

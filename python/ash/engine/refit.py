"""What predicts in the end: networks trained on all rows, alone or as an ensemble.

    a split      kept networks -> greedy selection -> members -> a short cycle more over all rows -> model
    folds        kept candidates --their predictions of the validation rows of all folds--> greedy selection --> drawn
                 --where these rows are few--> the best five, in equal shares ----------------------------> drawn
                 drawn --trained from scratch on all rows, as far as there is time--> model

After a split the cycle is half as long as the member's last job and starts at less than a third of its rate. `python
-m bench ablation` compares it with none; at commit 9abf357, its variant "final" also compares it with a whole cycle at
the full rate and with training from scratch on all rows, which costs four times as much. Weights, moments and random
stream continue from where the job ended.

After folds the networks are trained through the rungs that their candidates took, the best first, then by their shares.
Of few rows a selection fits the noise, and so does the choice of a single network: in trials outside of `bench` the
mean of the best five erred less than either on two of three tables each.

Nothing is left to be scored by, so the shares of an ensemble and its score stay those that the validation rows have
given.

Order:   of no account: a network is a function of its candidate, rung and data. Networks that diverge or come too late
         stay as they were, or are left out after folds; without the best, the network of the first fold stands for it.
Threads: after a split the most costly members first, and a thread without one joins another; after folds one network
         each.
"""

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.encoding.data_split import FEW_ROWS, Parts
from ash.engine.core_data import prepare
from ash.engine.planning import rows_of_epoch
from ash.errors import DataError
from ash.history.records import Columns
from ash.models.model import Model
from ash.models.pool import Kept, network_of, read_kept, sharpen
from ash.options import Options
from ash.space.hyperparameters import Params, to_settings

HASTE = 0.9
"""Of the time that is left: what the training at the end of a run is planned for."""
BEST_OF_FEW = 5
"""Networks that predict together where the rows are few."""


@dataclass(frozen=True)
class Folds:
    """The parts of each fold, and all rows to train on."""

    folds: Sequence[Parts]
    whole: Parts


def on_all_rows(
    kept: Kept, counts: NDArray[np.int64], columns: Columns, data: Folds, options: Options, deadline: float
) -> tuple[Kept, NDArray[np.int64]]:
    """Return the same with the drawn networks trained on all rows, the best of them in any case, and the draws left.

    Parameters
    ----------
    kept : Kept
        With the networks of the first fold.
    counts : int64 array [networks]
        How often each was drawn.
    columns : Columns
        Of the jobs of the run.
    deadline : float
        On the monotonic clock, infinite for none.

    Warns
    -----
    UserWarning
        The best has diverged, which it did in none of the folds.
    """
    drawn = _in_time(kept, counts, columns, data, options, deadline)
    cores = _train(kept, drawn, data.whole, options)
    left = np.zeros_like(counts)
    trained = [place for place, core in zip(drawn, cores, strict=True) if core is not None]
    left[trained] = counts[trained]
    if cores[0] is None:
        text = "training on all rows has diverged, which no fold did: the model is the network of the first fold"
        warnings.warn(text, UserWarning, stacklevel=4)
        left[:] = 0
    left[0] = max(1, left[0])
    return _with_cores(kept, drawn, cores, data.whole, options), left


def drawn_of(kept: Kept, size: int) -> NDArray[np.int64]:
    """Return how often each network is drawn for an ensemble of at most `size` draws: int64 [networks]."""
    if len(kept.targets) >= FEW_ROWS:
        return kept.best_counts(size)
    counts = np.zeros(len(kept.networks), np.int64)
    counts[: min(size, BEST_OF_FEW)] = 1
    return counts


def wall_seconds(kept: Kept, counts: NDArray[np.int64], columns: Columns, data: Folds, options: Options) -> float:
    """Return how long the training of the drawn networks would take."""
    return shared_out(_seconds(kept, np.flatnonzero(counts), columns, data, options), options.threads)


def shared_out(seconds: NDArray[np.float64], threads: int) -> float:
    """Return how long networks take that have so many seconds each; whether others help with one is not sure."""
    return max(float(seconds.sum()) / threads, float(seconds.max())) / HASTE


def train_through(
    data: _core.Data, params: Params, candidate: int, rung: int, options: Options
) -> _core.Network | None:
    """Return a network of these hyperparameters, trained up to a rung as the run does; None if it diverges."""
    cycles, epochs = (rung + 1, options.min_epochs)
    if options.training == "restart":
        cycles, epochs = 1, options.min_epochs * options.eta**rung
    network, losses = _core.train(data, to_settings(params), epochs, options.seed, candidate, cycles, options.eta)
    return network if np.isfinite(losses).all() else None


def _in_time(
    kept: Kept, counts: NDArray[np.int64], columns: Columns, data: Folds, options: Options, deadline: float
) -> list[int]:
    """Return the places of those that there is time for: the best, then those that were drawn most often."""
    drawn = np.flatnonzero(counts)
    drawn = drawn[np.lexsort((drawn, -counts[drawn], drawn != 0))]
    seconds = _seconds(kept, drawn, columns, data, options)
    left = deadline - time.monotonic()
    fitting = [n for n in range(1, len(drawn) + 1) if shared_out(seconds[:n], options.threads) <= left]
    return [int(place) for place in drawn[: max(fitting, default=1)]]


def _train(kept: Kept, drawn: Sequence[int], whole: Parts, options: Options) -> list[_core.Network | None]:
    data = prepare(whole, epoch_rows=options.epoch_rows)

    def train(place: int) -> _core.Network | None:
        params = kept.networks[place].params
        return train_through(data, params, kept.candidates[place], kept.rungs[place], options)

    if len(drawn) == 1:
        return [train(drawn[0])]
    with ThreadPoolExecutor(min(options.threads, len(drawn))) as pool:
        return list(pool.map(train, drawn))


def _seconds(
    kept: Kept, drawn: NDArray[np.int64], columns: Columns, data: Folds, options: Options
) -> NDArray[np.float64]:
    """Return the seconds of one thread that each takes: those of its jobs, for the rows of all folds together."""
    rows = [rows_of_epoch(len(part.training), options.epoch_rows) for part in data.folds]
    growth = rows_of_epoch(len(data.whole.training), options.epoch_rows) / sum(rows)
    found = []
    for place in drawn.tolist():
        rung = kept.rungs[place]
        lowest = 0 if options.training == "resume" else rung
        own = (columns["candidate"] == kept.candidates[place]) & (lowest <= columns["rung"]) & (columns["rung"] <= rung)
        found.append(growth * float(columns["core_seconds"][own].sum()))
    return np.array(found)


SHARE, LEAST_SHARE = 0.5, 0.2
"""Of the epochs of a member's last job: its last cycle, and what is too short to be worth it."""
RATE = 0.3
"""Of a member's learning rate: that of its last cycle."""
LONGEST = 1e9
"""Seconds that stand for no limit."""


@dataclass(frozen=True)
class Final:
    """What is to become of the best networks.

    Attributes
    ----------
    ensemble : int
        Most draws; 1: a single network.
    refit : bool
        Whether they are trained on with all rows.
    """

    ensemble: int
    refit: bool


def refits(final: Final | None, folds: Sequence[Parts], whole: Parts | None) -> bool:
    """Return whether networks will be trained in the end: with cv always, never with a validation table of its own."""
    if whole is not None:
        return True
    return final is not None and final.refit and folds[0].held_out is None


def finish(
    tuner: _core.Tuner,
    kept: Kept,
    folds: Sequence[Parts],
    whole: Parts | None,
    options: Options,
    final: Final,
    *,
    interrupted: bool,
    deadline: float,
) -> tuple[Kept, Model]:
    """Return what is kept, the winner first, and what predicts.

    Parameters
    ----------
    tuner : Tuner
        Whose threads have ended.
    whole : Parts or None
        All rows of a cross-validated run, on which the networks that predict are trained.
    interrupted : bool
        Whether somebody waits: then nothing is trained that need not be.
    deadline : float
        On the monotonic clock, infinite for none: by then it is done, with fewer networks, or shorter cycles or none.
    """
    if whole is not None:
        counts = drawn_of(kept, 1 if interrupted else final.ensemble)
        kept, counts = on_all_rows(kept, counts, tuner.jobs(), Folds(folds, whole), options, deadline)
        return kept, kept.model_of(counts)
    counts = kept.best_counts(final.ensemble)
    if interrupted or not refits(final, folds, whole):
        return kept, kept.model_of(counts)
    trained = _refit(tuner, kept, np.flatnonzero(counts), folds[0], options, deadline)
    return kept, trained.model_of(counts)


def refit_seconds(
    tuner: _core.Tuner,
    folds: Sequence[Parts],
    whole: Parts | None,
    params: Sequence[Params],
    options: Options,
    ensemble: int,
) -> float:
    """Return how long the training in the end would take if the run ended now.

    Parameters
    ----------
    tuner : Tuner
        That may be running.
    params : sequence
        Of the candidates so far, by number.
    ensemble : int
        Most draws.
    """
    kept = read_kept(tuner, folds, params, options)
    if kept is None:
        return 0.0
    if whole is not None:
        return wall_seconds(kept, drawn_of(kept, ensemble), tuner.jobs(), Folds(folds, whole), options)
    seconds, _ = _cycles(tuner.jobs(), kept, np.flatnonzero(kept.best_counts(ensemble)), folds[0], options)
    return shared_out(seconds, options.threads)


def _refit(
    tuner: _core.Tuner,
    kept: Kept,
    drawn: NDArray[np.int64],
    parts: Parts,
    options: Options,
    deadline: float,
) -> Kept:
    """Return the same with the drawn networks trained on; those that diverge or come too late stay as they are."""
    seconds, epochs = _cycles(tuner.jobs(), kept, drawn, parts, options)
    order = np.argsort(-seconds, kind="stable")
    if _share(seconds, options, deadline) == 0:
        return kept
    rows = np.concatenate([parts.training, parts.validation])
    try:
        data = prepare(replace(parts, training=rows, validation=parts.validation[:1]), epoch_rows=options.epoch_rows)
    except DataError as error:
        warnings.warn(f"there is no refit on all rows: {error}", UserWarning, stacklevel=2)
        return kept
    share = _share(seconds, options, deadline)  # less than before by the time that the data took
    if share == 0:
        return kept
    places = drawn[order].tolist()
    settings = [_last_settings(kept.networks[place].params) for place in places]
    lengths = np.maximum(1, (share * epochs[order]).astype(np.int64)).tolist()
    left = deadline - time.monotonic()
    try:
        cores = tuner.refit(data, places, settings, lengths, options.seed, min(left, LONGEST))
    except KeyboardInterrupt:  # the networks are there; who wants to wait no longer has them
        return kept
    return _with_cores(kept, places, cores, parts, options)


def _last_settings(params: Params) -> _core.Settings:
    settings = to_settings(params)
    settings.learning_rate *= RATE
    return settings


def _share(seconds: NDArray[np.float64], options: Options, deadline: float) -> float:
    """Return which part of the cycles there is time for; 0 where it is too little."""
    share = min(1.0, (deadline - time.monotonic()) / max(shared_out(seconds, options.threads), 1e-9))
    return share if share * SHARE >= LEAST_SHARE else 0.0


def _growth(parts: Parts, options: Options, params: Params) -> float:
    """Return how many times as many rows an epoch takes of all rows as of those that were trained on."""
    most = None if params.get("batch_size") == "full" else options.epoch_rows
    training = len(parts.training)
    return rows_of_epoch(training + len(parts.validation), most) / rows_of_epoch(training, most)


def _cycles(
    columns: Columns, kept: Kept, drawn: NDArray[np.int64], parts: Parts, options: Options
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return seconds of one thread, and epochs, of the last cycles of the drawn networks, from the jobs they are of."""
    found = []
    for place in drawn.tolist():
        of_job = (columns["candidate"] == kept.candidates[place]) & (columns["rung"] == kept.rungs[place])
        found.append((float(columns["core_seconds"][of_job].item()), int(columns["epochs"][of_job].item())))
    seconds, epochs = zip(*found, strict=True)
    growth = [_growth(parts, options, kept.networks[place].params) for place in drawn.tolist()]
    return SHARE * np.array(growth) * np.array(seconds), SHARE * np.array(epochs, np.float64)


def _with_cores(
    kept: Kept, places: Sequence[int], cores: Sequence[_core.Network | None], parts: Parts, options: Options
) -> Kept:
    """Return the same with other networks at these places, calibrated as those before; None: as it was."""
    networks = list(kept.networks)
    for place, core in zip(places, cores, strict=True):
        if core is not None:
            old = networks[place]
            sharp = sharpen(core, kept.factors[place])
            networks[place] = network_of(sharp, parts, old.params, options, old.validation_score)
    return replace(kept, networks=tuple(networks))

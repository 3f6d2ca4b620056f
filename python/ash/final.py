"""What an estimator predicts with in the end: an ensemble where it is better, and trained on with all rows.

    kept networks -> greedy selection -> members -> a short cycle more over training and validation rows -> model

The cycle is half as long as the member's last job and starts at less than a third of its rate. `python -m bench
ablation` compares it with none; at commit 9abf357, its variant "final" also compares it with a whole cycle at the full
rate and with training from scratch on all rows, which costs four times as much. The members are spread over the
threads, the most costly first; a thread without one joins another. Weights, moments and random stream go on from where
the job ended. Nothing is left to be scored by, so the shares of the ensemble and its score stay those that the
validation rows have given.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.all_rows import Folds, drawn_of, on_all_rows, shared_out, wall_seconds
from ash.calibration import sharpen
from ash.epoch_rows import rows_of_epoch
from ash.errors import DataError
from ash.kept import Kept
from ash.model import Model
from ash.options import Options
from ash.outcome import network_of, read_kept
from ash.parts import Parts
from ash.preparation import prepare
from ash.records import Columns
from ash.settings import Params, to_settings

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
        All rows of a cross-validated run, on which those that predict are trained: all_rows.py.
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
    networks = list(kept.networks)
    for place, core in zip(places, cores, strict=True):
        if core is not None:
            old = networks[place]
            networks[place] = network_of(
                sharpen(core, kept.factors[place]), parts, old.params, options, old.validation_score
            )
    return replace(kept, networks=tuple(networks))


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

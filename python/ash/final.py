"""What an estimator predicts with in the end: an ensemble where it is better, and trained on with all rows.

    kept networks -> greedy selection -> members -> one cycle more over training and validation rows -> model

The cycle is as long as the member's last job, so it costs as much as a rung with these candidates, and a quarter of
rows more where an epoch takes all rows; the members are spread over the threads, the most costly first. Weights,
moments and random stream go on from where the job ended. Nothing is left to be scored by, so the shares of the ensemble
and its score stay those that the validation rows have given.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.epoch_rows import rows_of_epoch
from ash.errors import DataError
from ash.kept import Kept
from ash.model import Model
from ash.options import Options
from ash.outcome import network_of
from ash.parts import Parts
from ash.preparation import prepare
from ash.result import Result
from ash.settings import Params, to_settings

LEAST_SHARE = 0.25
"""Of a member's last cycle: a shorter one would rather disturb than teach it."""
LONGEST = 1e9
"""Seconds that stand for no limit."""
HASTE = 0.9
"""Of the time that is left: what the cycles are planned for."""


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


def refits(final: Final, folds: Sequence[Parts], whole: Parts | None) -> bool:
    """Return whether networks will be trained on: not with cv, nor where the validation rows are a table of its own."""
    return final.refit and whole is None and folds[0].held_out is None


def final_model(
    tuner: _core.Tuner,
    result: Result,
    parts: Parts,
    options: Options,
    *,
    ensemble: int,
    refit: bool,
    deadline: float,
) -> Model:
    """Return the model of a run.

    Parameters
    ----------
    tuner : Tuner
        Whose threads have ended.
    parts : Parts
        Of its one fold.
    ensemble, refit
        Most draws, and whether the drawn are trained on: `refits`.
    deadline : float
        On the monotonic clock, infinite for none: by then it is done, with shorter cycles or none where it must be.
    """
    kept = result.kept
    if kept is None:
        return result.model
    counts = kept.best_counts(ensemble)
    if refit and result.ended != "interrupted":
        kept = _refit(tuner, result, kept, np.flatnonzero(counts), parts, options, deadline)
    return kept.model_of(counts)


def _refit(
    tuner: _core.Tuner,
    result: Result,
    kept: Kept,
    drawn: NDArray[np.int64],
    parts: Parts,
    options: Options,
    deadline: float,
) -> Kept:
    """Return the same with the drawn networks trained on; those that diverge or come too late stay as they are."""
    rows = np.concatenate([parts.training, parts.validation])
    try:
        data = prepare(replace(parts, training=rows, validation=parts.validation[:1]), epoch_rows=options.epoch_rows)
    except DataError as error:
        warnings.warn(f"there is no refit on all rows: {error}", UserWarning, stacklevel=2)
        return kept
    seconds, epochs = _last_jobs(result, kept, drawn)
    seconds *= [_growth(parts, len(rows), options, kept.networks[place].params) for place in drawn.tolist()]
    order = np.argsort(-seconds, kind="stable")
    left = deadline - time.monotonic()
    share = min(1.0, HASTE * left * options.threads / max(float(seconds.sum()), 1e-9), HASTE * left / seconds.max())
    if share < LEAST_SHARE:
        return kept
    places = drawn[order].tolist()
    settings = [to_settings(kept.networks[place].params) for place in places]
    lengths = np.maximum(1, (share * epochs[order]).astype(np.int64)).tolist()
    try:
        cores = tuner.refit(data, places, settings, lengths, options.seed, min(left, LONGEST))
    except KeyboardInterrupt:  # the networks are there; who wants to wait no longer has them
        return kept
    networks = list(kept.networks)
    for place, core in zip(places, cores, strict=True):
        if core is not None:
            old = networks[place]
            networks[place] = network_of(core, parts, old.params, options, old.validation_score)
    return replace(kept, networks=tuple(networks))


def _growth(parts: Parts, rows: int, options: Options, params: Params) -> float:
    """Return how many times as many rows an epoch takes of all rows as of those that were trained on."""
    most = None if params.get("batch_size") == "full" else options.epoch_rows
    return rows_of_epoch(rows, most) / rows_of_epoch(len(parts.training), most)


def _last_jobs(result: Result, kept: Kept, drawn: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return seconds of one thread and epochs of the jobs that the drawn networks come from."""
    columns = result.columns
    found = []
    for place in drawn.tolist():
        of_job = (columns["candidate"] == kept.candidates[place]) & (columns["rung"] == kept.rungs[place])
        found.append((float(columns["core_seconds"][of_job].item()), int(columns["epochs"][of_job].item())))
    seconds, epochs = zip(*found, strict=True)
    return np.array(seconds), np.array(epochs, np.int64)

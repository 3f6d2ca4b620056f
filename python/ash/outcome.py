"""From the core's records to a Result, or to the error that says why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.calibration import LABEL_METRICS, sharpen, sharpened, sharpness
from ash.errors import AllDiverged, NothingFinished
from ash.kept import Kept
from ash.network import Network
from ash.options import Options
from ash.parts import Candidates, Parts
from ash.records import job_rows
from ash.result import Result
from ash.settings import Params, check_params
from ash.space import Space
from ash.text_table import format_table

CAUSES_SHOWN = 10
BEFORE_ANY = "before the first job ended"


@dataclass(frozen=True)
class Ending:
    """How a run ended (see `Result.ended`), when it was started, and the seconds that it took."""

    ended: str
    started: datetime
    wall_seconds: float


def read_result(
    tuner: _core.Tuner,
    kept: Kept,
    cross_validated: bool,
    candidates: Candidates,
    options: Options,
    space: Space,
    ending: Ending,
) -> Result:
    """Return the Result of a run whose threads have ended.

    Parameters
    ----------
    kept : Kept
        What it has kept, the model first; of a cross-validated run nothing else of it is in the result.
    """
    params = candidates.params
    ladder = tuner.rungs
    if options.candidates is None:  # of a stream, only those that have entered
        params = params[: ladder[0]["running"] + ladder[0]["finished"]]
    return Result(
        model=kept.networks[0],
        kept=None if cross_validated else kept,
        best_candidate=kept.candidates[0],
        best_rung=kept.rungs[0],
        params=tuple(params),
        columns=tuner.jobs(),
        assists=tuner.assists(),
        ladder=ladder,
        memory=tuner.memory,
        fold_scores=tuner.fold_scores(),
        options=options,
        space=space,
        ended=ending.ended,
        started=ending.started,
        wall_seconds=ending.wall_seconds,
    )


def read_kept(tuner: _core.Tuner, folds: Sequence[Parts], params: Sequence[Params], options: Options) -> Kept | None:
    """Return what the core has kept so far, None for nothing.

    The networks are those of the first fold, the predictions those of the validation rows of all folds, one after the
    other; both calibrated where labels alone were scored (calibration.py).
    """
    found, predictions = tuner.kept()
    if not found:
        return None
    candidates, rungs, scores, cores = zip(*found, strict=True)
    targets, weights = np.concatenate([parts.y[parts.validation] for parts in folds]), _weights(folds)
    factors = (1.0,) * len(cores)
    if options.metric in LABEL_METRICS:
        labels = targets[:, 0].astype(np.int64)
        factors = tuple(sharpness(each, labels, weights) for each in predictions)
        predictions = np.stack([sharpened(each, factor) for each, factor in zip(predictions, factors, strict=True)])
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


def _weights(folds: Sequence[Parts]) -> NDArray[np.float64] | None:
    given = [parts.weights[parts.validation] for parts in folds if parts.weights is not None]
    return np.concatenate(given) if given else None


def network_of(core: _core.Network, parts: Parts, params: Params, options: Options, score: float) -> Network:
    """Return a network of the core as its user sees it."""
    return Network(
        core,
        encoding=parts.encoding.predicting,
        classes=parts.table.classes_,
        target_names=parts.table.target_names,
        params=params,
        metric=str(options.metric),
        validation_score=score,
    )


def no_model(tuner: _core.Tuner, candidates: Sequence[Params], ending: Ending) -> BaseException:
    """Return why no job has left a network: the time was over, all have diverged, or it was interrupted."""
    jobs = job_rows(tuner.jobs())
    if ending.ended == "interrupted":
        return KeyboardInterrupt()
    if not jobs and ending.ended == "stopped":
        return NothingFinished(f"a callback has stopped the run after {ending.wall_seconds:.3g} s, {BEFORE_ANY}")
    if not jobs:
        return NothingFinished(f"the time limit was over after {ending.wall_seconds:.3g} s, {BEFORE_ANY}")
    causes = []
    for job in jobs[:CAUSES_SHOWN]:
        params = check_params(candidates[job.candidate])
        causes.append((job.candidate, params["learning_rate"], params["optimizer"], job.epochs, job.loss))
    lines = format_table(["candidate", "learning_rate", "optimizer", "epochs", "loss"], causes)
    if len(jobs) > CAUSES_SHOWN:
        lines.append(f"and {len(jobs) - CAUSES_SHOWN} more")
    advice = "lower the learning rates of the space, or look for extreme values in y"
    return AllDiverged("\n".join([f"all {len(jobs)} candidates that finished have diverged; {advice}:", *lines]))

"""From the core's records to a Result, or to the error that says why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ash import _core
from ash.errors import AllDiverged, NothingFinished
from ash.folds import refit
from ash.kept import Kept
from ash.network import Network
from ash.options import Options
from ash.parts import Candidates, Parts
from ash.records import JobRecord, job_rows
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
    parts: Parts,
    whole: Parts | None,
    candidates: Candidates,
    options: Options,
    space: Space,
    ending: Ending,
) -> Result:
    """Return the Result of a run whose threads have ended.

    Parameters
    ----------
    parts : Parts
        Of the first fold.
    whole : Parts or None
        All rows, on which the best hyperparameters are trained once more; None: the best network is the model.

    Raises
    ------
    NothingFinished, AllDiverged, KeyboardInterrupt
        No job has left a network: the time was over, all have diverged, or it was interrupted.
    """
    jobs = tuner.jobs()
    params = candidates.params
    kept: Kept | None = read_kept(tuner, parts, params, options)
    if kept is None:
        raise _no_model(job_rows(jobs), params, ending)
    candidate, rung, model = kept.candidates[0], kept.rungs[0], kept.networks[0]
    if whole is not None:
        core = refit(whole, params[candidate], candidate, rung, options, model.core)
        model, kept = network_of(core, whole, params[candidate], options, model.validation_score), None
    ladder = tuner.rungs
    if options.candidates is None:  # of a stream, only those that have entered
        params = params[: ladder[0]["running"] + ladder[0]["finished"]]
    return Result(
        model=model,
        kept=kept,
        best_candidate=candidate,
        best_rung=rung,
        params=tuple(params),
        columns=jobs,
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


def read_kept(tuner: _core.Tuner, parts: Parts, params: Sequence[Params], options: Options) -> Kept | None:
    """Return the networks that the core has kept so far, and what they predict for the validation rows; None: none."""
    found, predictions = tuner.kept()
    if not found:
        return None
    candidates, rungs, scores, cores = zip(*found, strict=True)
    return Kept(
        networks=tuple(
            network_of(core, parts, params[candidate], options, score)
            for candidate, score, core in zip(candidates, scores, cores, strict=True)
        ),
        candidates=candidates,
        rungs=rungs,
        predictions=predictions,
        targets=parts.y[parts.validation],
        weights=None if parts.weights is None else parts.weights[parts.validation],
    )


def network_of(core: _core.Network, parts: Parts, params: Params, options: Options, score: float) -> Network:
    """Return a network of the core as its user sees it."""
    return Network(
        core,
        encoding=parts.encoding.encoding,
        classes=parts.table.classes_,
        target_names=parts.table.target_names,
        params=params,
        metric=str(options.metric),
        validation_score=score,
    )


def _no_model(jobs: list[JobRecord], candidates: Sequence[dict[str, Any]], ending: Ending) -> BaseException:
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

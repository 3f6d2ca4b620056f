"""From the core's records to a Result, or to the error that says why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ash import _core
from ash._utils.display import format_table
from ash.engine.candidates import Candidates
from ash.errors import AllDiverged, NothingFinished
from ash.history.records import job_rows
from ash.models.pool import Kept
from ash.options import Options
from ash.result import Result
from ash.space.hyperparameters import Params, check_params
from ash.space.space import Space

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

"""The history of a run that still goes on, out of what a callback is told of it."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ash.callbacks.base import Run
from ash.history.history import RUNNING, History
from ash.history.records import Columns, JobRecord
from ash.space.hyperparameters import Params

TYPES = {"diverged": np.bool_, "weights_hash": np.uint64}
"""Of columns whose type does not follow from what is in them."""


def history_so_far(run: Run, jobs: Sequence[JobRecord], params: Sequence[Params], started: datetime) -> History | None:
    """Return the history up to these jobs, None while all of them have diverged.

    Who helped whom is not known yet. Who has been promoted is, where the job in the next rung has finished; recall is
    not.

    Parameters
    ----------
    params : sequence of dict
        The hyperparameters of the candidates, up to the highest number that has a job.
    """
    kept = [job for job in jobs if not job.diverged]
    if not kept:
        return None
    best = min(kept, key=lambda job: (-job.score, job.loss, job.candidate, job.rung))
    return History(
        best_candidate=best.candidate,
        best_rung=best.rung,
        params=tuple(params),
        columns=_columns(jobs),
        assists={name: np.zeros(0, np.int64) for name in ("candidate", "rung", "thread", "start", "end")},
        ladder=_ladder(run, jobs),
        options=run.options,
        space=run.space,
        ended=RUNNING,
        started=started,
        wall_seconds=max(job.end for job in jobs),
    )


def _columns(jobs: Sequence[JobRecord]) -> Columns:
    fields = zip(*jobs, strict=True)
    return {name: np.array(values, TYPES.get(name)) for name, values in zip(JobRecord._fields, fields, strict=True)}


def _ladder(run: Run, jobs: Sequence[JobRecord]) -> list[dict[str, int]]:
    """Return the counts of each rung as the core would; `running` is 1 wherever somebody may be."""
    finished = np.bincount([job.rung for job in jobs], minlength=len(run.rungs) + 1).tolist()
    diverged = np.bincount([job.rung for job in jobs if job.diverged], minlength=len(run.rungs)).tolist()
    return [
        {
            "epochs": plan.epochs,
            "places": plan.places or 0,
            "running": int(plan.rung == 0 or finished[plan.rung - 1] > 0),
            "finished": finished[plan.rung],
            "promoted": finished[plan.rung + 1],
            "diverged": diverged[plan.rung],
        }
        for plan in run.rungs
    ]

"""Estimates the memory that a run needs before anything is allocated.

    table         the core's float32 copies: one per fold, and with several folds one of all rows. If the space has
                  trees, also their tables of bins
    scratch       memory per thread, for the largest candidate; a refit needs the same amount again
    states        those of kept networks, and of candidates that are being trained or whose result is not decided yet
    predictions   the kept networks' predictions for the validation rows

The states of waiting candidates are only a cache: a candidate whose state was dropped is trained again. So these states
are not counted, but `memory_limit` is lowered to the memory that the other parts leave. If more candidates can be drawn
during the run, the estimate is based on candidates drawn at its start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ash import _core
from ash._utils import machine
from ash._utils.user_warnings import warn_user
from ash.encoding.data_split import Fold, Split
from ash.engine.tree_table import job_bytes_of_trees, table_bytes_of_trees
from ash.errors import DataError
from ash.metrics import METRICS
from ash.models.model_pool import prediction_bytes
from ash.options import RunPlan

ADVICE = {
    "table": "pass fewer rows or columns",
    "scratch": "give a space with narrower layers or smaller batches, or pass fewer rows or classes",
    "states": "give a space with narrower layers, or keep fewer networks (keep= of the config)",
    "predictions": "validate on fewer rows (validation=), or keep fewer networks (keep= of the config)",
}
"""The advice for the user, keyed by the part that needs the most memory."""


@dataclass(frozen=True)
class Needs:
    """The memory needs of a run, in bytes.

    Attributes
    ----------
    table, predictions : int
        Bytes in total.
    scratch : int
        Bytes per thread.
    states : tuple of int
        Bytes per candidate for the states of all folds, the largest first.
    kept : int
        Number of kept networks.
    at_work : int or None
        Maximum number of candidates that need their states at the same time; None for one per thread.
    candidates : int
        Number of candidates.
    """

    table: int
    scratch: int
    states: tuple[int, ...]
    kept: int
    at_work: int | None
    predictions: int
    candidates: int

    def parts(self, threads: int) -> dict[str, int]:
        """Return the bytes of each part, for a run on `threads` threads."""
        states = sum(self.states[: self.kept]) + sum(self.states[: self.at_work or threads])
        # If there are more threads than candidates, the additional threads only join teams, which need no more scratch.
        scratch = min(threads, self.candidates) * self.scratch
        return {"table": self.table, "scratch": scratch, "states": states, "predictions": self.predictions}

    def total(self, threads: int) -> int:
        """Return the total bytes of a run on `threads` threads."""
        return sum(self.parts(threads).values())


def needs_of(
    split: Split,
    candidates: Sequence[_core.Settings],
    plan: RunPlan,
    *,
    kept: int,
    refit: bool,
    scored: bool,
    leaves: int,
    count: int,
) -> Needs:
    """Return the memory needs of a run that trains these candidates.

    `kept` is the number of networks that the run keeps. `refit` says whether the run ends with a refit, and `scored`
    whether a user's function scores the candidates. `leaves` is the maximum number of leaves of a boosted tree, or 0 if
    the run has no trees. `count` is the total number of candidates.
    """
    folds = split.folds
    tables = folds if split.whole is None else (*folds, split.whole)
    cells = sum(len(fold.validation) * fold.shape[1] for fold in folds)
    scratch = max(_scratch(fold, candidates, plan, scored) for fold in folds)
    states = sorted((len(folds) * _core.state_bytes(each, *folds[0].shape) for each in candidates), reverse=True)
    of_trees = sum(table_bytes_of_trees(fold) for fold in tables) * (1 + refit) if leaves else 0
    of_job = max(job_bytes_of_trees(fold, leaves) for fold in tables) if leaves else 0
    return Needs(
        table=of_trees + sum(fold.core_bytes(len(fold.y)) for fold in tables),
        scratch=max(scratch * (1 + refit), of_job),
        states=tuple(states),
        kept=kept,
        at_work=plan.virtual_workers if plan.schedule == "reproducible" else None,
        predictions=prediction_bytes(kept * (1 + (leaves > 0)), cells, folds[0].table.classes > 0),
        candidates=count,
    )


def fitted(needs: Needs, threads: int, memory_limit: int | None) -> tuple[int, int | None]:
    """Return the number of threads and the `memory_limit` with which a run fits into the available memory.

    Neither result exceeds the argument of the same name. Lower values do not change the outcome of a reproducible run.

    Raises
    ------
    DataError
        The run does not fit even on one thread.

    Warns
    -----
    UserWarning
        The run fits only on fewer threads.
    """
    left = machine.available_bytes()
    if left is None:
        return threads, memory_limit
    fitting = next((count for count in range(threads, 0, -1) if needs.total(count) <= left), 0)
    if not fitting:
        parts = needs.parts(1)
        listed = ", ".join(f"{name} {_gib(size)}" for name, size in parts.items())
        raise DataError(
            f"the run needs about {_gib(needs.total(1))} of memory on one thread ({listed}), but only {_gib(left)} are "
            f"left: {ADVICE[max(parts, key=parts.__getitem__)]}"
        )
    if fitting < threads:
        needed = _gib(needs.total(threads))
        warn_user(f"n_jobs={threads} would need about {needed} of memory, but {_gib(left)} are left; using {fitting}")
    parts = needs.parts(fitting)
    others = sum(parts.values()) - parts["states"]
    return fitting, None if memory_limit is None else min(memory_limit, left - others)


def _scratch(fold: Fold, candidates: Sequence[_core.Settings], plan: RunPlan, scored: bool) -> int:
    """Return the scratch bytes per thread, including copies of the predictions for a user's scoring function."""
    scratch = _core.workspace_bytes(
        candidates,
        *fold.shape,
        metric=METRICS[plan.task][0] if scored else plan.metric,
        weighted=fold.weights is not None,
        training_rows=len(fold.training),
        epoch_rows=plan.epoch_rows or 0,
        validation_rows=len(fold.validation),
    )
    return scratch + (2 * 8 * len(fold.validation) * fold.shape[1] if scored else 0)


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"

"""The jobs of a run as tables of cost and score, a row a candidate and a column a rung, for `Result.simulate`."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns

Table = NDArray[np.float64]

_SHORTEST = 1e-9  # seconds; what the clock cannot tell from nothing is not free


class JobTables(TypedDict):
    """Tables as `_core.simulate` takes them: virtual costs, real seconds, scores and losses [candidates, rungs].

    `team_limits` [candidates]: the most threads that share a job.
    """

    costs: Table
    seconds: Table
    scores: Table
    losses: Table
    team_limits: Table


def recorded_jobs(columns: Columns, candidates: int, epochs: Sequence[int]) -> JobTables:
    """Return what each job took and yielded, also of those that are not on record.

    A job on record costs, in virtual time, what it did in the run (after a greedy run: its seconds) and takes its
    `core_seconds`. A job that is not takes the seconds an epoch of the candidate's other jobs, or the median over the
    candidates, times its epochs, and yields the candidate's latest score and loss, or the medians of these. A
    candidate without any job on record has teams of the median limit.

    Parameters
    ----------
    columns : dict of str to ndarray
        `Result.columns`: candidate, rung, epochs, core_seconds, virtual_start, virtual_end, score, loss, diverged,
        team_limit.
    candidates : int
        How many rows.
    epochs : sequence of int
        Those of a job of each rung, a column each. Records of higher rungs only tell of the candidate.
    """
    seconds = np.maximum(columns["core_seconds"], _SHORTEST)
    virtual = columns["virtual_end"] - columns["virtual_start"]
    costs = virtual if (virtual > 0).all() else seconds
    diverged = columns["diverged"].astype(bool)
    return JobTables(
        costs=_durations(columns, costs, candidates, epochs),
        seconds=_durations(columns, seconds, candidates, epochs),
        scores=_results(columns, np.where(diverged, np.nan, columns["score"]), candidates, len(epochs)),
        losses=_results(columns, np.where(diverged, np.nan, columns["loss"]), candidates, len(epochs)),
        team_limits=_limits(columns, candidates),
    )


def _durations(columns: Columns, values: Table, candidates: int, epochs: Sequence[int]) -> Table:
    total = np.bincount(columns["candidate"], values, candidates)
    trained = np.bincount(columns["candidate"], columns["epochs"], candidates)
    known = trained > 0
    an_epoch = np.full(candidates, np.median(total[known] / trained[known]))
    an_epoch[known] = total[known] / trained[known]
    table = an_epoch[:, None] * np.asarray(epochs, np.float64)
    _put(table, columns, values)
    return table


def _results(columns: Columns, values: Table, candidates: int, rungs: int) -> Table:
    latest = np.full(candidates, np.nan)
    upwards = np.argsort(columns["rung"], kind="stable")  # so that the highest rung is written last
    latest[columns["candidate"][upwards]] = values[upwards]
    finite = latest[np.isfinite(latest)]
    unknown = np.ones(candidates, bool)
    unknown[columns["candidate"]] = False
    latest[unknown] = np.median(finite) if len(finite) else 0.0
    table = np.repeat(latest[:, None], rungs, axis=1)
    _put(table, columns, values)
    return table


def _limits(columns: Columns, candidates: int) -> Table:
    limits = np.full(candidates, np.floor(np.median(columns["team_limit"])))
    limits[columns["candidate"]] = columns["team_limit"]
    return limits


def _put(table: Table, columns: Columns, values: Table) -> None:
    """Write the jobs on record where the table has their rung."""
    here = columns["rung"] < table.shape[1]
    table[columns["candidate"][here], columns["rung"][here]] = values[here]

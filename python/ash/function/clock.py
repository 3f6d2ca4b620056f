"""Creates the search of a function's run (cpp/ash/search/search.hpp), with its ladder and the costs of its jobs."""

import inspect
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from ash import _core
from ash._utils.checks import is_number, takes
from ash._utils.display import counted
from ash.errors import SettingError
from ash.options import LARGEST, FunctionPlan
from ash.result import FunctionResult
from ash.sampling import Source
from ash.space.hyperparameters import Params

Cost = Callable[[Params, int], float]
"""A function of parameters and epochs that returns the duration of a job on the virtual clock."""
FIRST_FAILURES, MOST_FAILURES = 10, 100
"""A run that has no score yet is ended by FIRST_FAILURES consecutive failures in this call, any other run by
MOST_FAILURES in all calls. The option `max_failures` replaces both numbers."""


def search_of(
    options: FunctionPlan,
    source: Source,
    cost: Cost | None,
    rungs: Sequence[tuple[int, int]] = (),
    decisions: int = 0,
    *,
    by_rung: bool = False,
) -> _core.Search:
    """Return the search with the ladder of the options.

    `rungs` replaces the ladder of the options. It has a pair for each rung: the number of candidates and the epochs of
    a job. If `rungs` is empty and the options have `max_epochs`, the rungs are those of `rungs_below`. A run that
    repeats a record ends after its `decisions`, and not because of failures; 0 means any other run. `by_rung` says that
    scores in different rungs are not comparable: a score in a higher rung is always better, and only a score in the
    last rung can end the run.
    """
    if options.max_epochs is not None and not rungs:
        rungs = rungs_below(options, source.count)
    params = source.params
    failures = (options.max_failures or MOST_FAILURES, 0 if options.max_failures else FIRST_FAILURES)
    return _core.Search(
        source.count,
        **{name: getattr(options, name) for name in ("eta", "min_epochs", "algorithm", "promotion")},
        max_rungs=options.max_rungs or 0,
        max_total_epochs=options.max_total_epochs or 0,
        stop_score=math.nan if options.least_score is None else options.least_score,
        schedule=options.schedule,
        virtual_workers=options.virtual_workers,
        known=len(params),
        cost=None if cost is None else lambda candidate, epochs: cost(dict(params[candidate]), epochs),
        rungs=rungs,
        report_limit=decisions,
        patience=options.patience or 0,
        max_failures=0 if decisions else failures[0],
        first_failures=0 if decisions else failures[1],
        by_rung=by_rung,
    )


def rungs_below(options: FunctionPlan, count: int) -> list[tuple[int, int]]:
    """Return the number of candidates and the epochs of a job in each rung of a ladder planned from the top down.

    After the k-th rung from the top (k = 0 is the top), a candidate has been trained for ``max_epochs // eta**k``
    epochs in total. The lowest rung has at least `min_epochs` epochs. There are at most `max_rungs` rungs, and at most
    as many as `count` candidates can fill.
    """
    assert options.max_epochs is not None
    totals: list[int] = []
    total, most = options.max_epochs, options.max_rungs or LARGEST
    while total >= options.min_epochs and len(totals) < most and count >= options.eta ** len(totals):
        totals.insert(0, total)
        total //= options.eta
    trained = [0, *totals] if options.training == "resume" else [0] * len(totals)
    return [
        (count // options.eta**rung, total - before)
        for rung, (total, before) in enumerate(zip(totals, trained, strict=False))
    ]


def read_costs(costs: Any) -> Cost | None:
    """Return the argument `costs` of `ash.tune_function` as a function that returns positive numbers, or None.

    Raises
    ------
    SettingError
        `costs` is neither a result nor a function that takes parameters and epochs. The returned function raises
        SettingError for a cost that is not positive.
    """
    if costs is None:
        return None
    if isinstance(costs, FunctionResult):
        return _recorded(costs)
    if not callable(costs):
        raise SettingError(
            f"costs must be a function of parameters and epochs, or the result of an earlier run, got {costs!r}"
        )
    if not takes(costs, {}, 1):
        raise SettingError(f"costs takes {inspect.signature(costs)}, but must take (params, epochs)")

    def cost(params: Params, epochs: int) -> float:
        value = costs(params, epochs)
        if not is_number(value) or not value > 0:
            raise SettingError(
                f"costs must return a positive number, got {value!r} for {params} and {counted(epochs, 'epoch')}"
            )
        return float(value)

    return cost


def _recorded(result: FunctionResult) -> Cost:
    """Return a cost function: the epochs of a job times the mean seconds per epoch of jobs in the result.

    The mean is over the jobs with equal parameters or, if there are no such jobs, over all jobs.
    """
    seconds: dict[str, float] = {}
    epochs: dict[str, int] = {}
    for job in result.jobs:
        key = _text_of(result.params[job.candidate])
        seconds[key] = seconds.get(key, 0.0) + job.end - job.start
        epochs[key] = epochs.get(key, 0) + job.epochs
    usual = max(sum(seconds.values()) / sum(epochs.values()), 1e-9)
    rates = {key: max(seconds[key] / epochs[key], 1e-9) for key in seconds}
    return lambda params, count: count * rates.get(_text_of(params), usual)


def _text_of(params: Params) -> str:
    return json.dumps(params, sort_keys=True)

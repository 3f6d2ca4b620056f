"""Creates the clock of a function's run (cpp/ash/search/clock.hpp), and replays the journal on it.

A run continues from its journal as if the recorded jobs had just finished:

    virtual clock   asks for the same jobs whatever the order of results, so a table of results is enough
    greedy clock    decides in the order in which jobs end, so the recorded steps are retraced one by one

Jobs that were handed out but have no recorded result run first. If the clock asks for a different job than the
next recorded one, the ladder has changed. From then on, each recorded result is used when the clock asks for its job.
"""

import inspect
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from ash import _core
from ash._utils.checks import is_number, takes
from ash._utils.display import counted
from ash.errors import SettingError
from ash.function.job_runners import Key
from ash.function.sources import Source
from ash.journal.journal import NullJournal
from ash.options import LARGEST, FunctionOptions, virtual_workers
from ash.result import FunctionResult
from ash.space.hyperparameters import Params

Cost = Callable[[Params, int], float]
"""A function of parameters and epochs that returns the duration of a job on the virtual clock."""
Next = Callable[[], _core.Task | None]
Start = Callable[[_core.Task], None]


def clock_of(
    options: FunctionOptions,
    source: Source,
    cost: Cost | None,
    rungs: Sequence[tuple[int, int]] = (),
    decisions: int = 0,
) -> _core.Clock:
    """Return the clock with the ladder of the options.

    `rungs` replaces the ladder of the options. It has a pair for each rung: the number of candidates and the epochs of
    a job. If `rungs` is empty and the options have `max_epochs`, the rungs are those of `rungs_below`. The run ends
    after `decisions` decisions; 0 means no such limit.
    """
    if options.max_epochs is not None and not rungs:
        rungs = rungs_below(options, source.count)
    params = source.params
    return _core.Clock(
        source.count,
        **{name: getattr(options, name) for name in ("eta", "min_epochs", "algorithm", "promotion")},
        max_rungs=options.max_rungs or 0,
        epoch_limit=options.epoch_limit or 0,
        stop_score=math.nan if options.least_score is None else options.least_score,
        schedule=options.schedule,
        workers=virtual_workers(options),
        known=len(params),
        cost=None if cost is None else lambda candidate, epochs: cost(dict(params[candidate]), epochs),
        rungs=rungs,
        report_limit=decisions,
    )


def rungs_below(options: FunctionOptions, count: int) -> list[tuple[int, int]]:
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


def catch_up(journal: NullJournal, following: Next, start: Start, is_over: Callable[[], bool]) -> list[_core.Task]:
    """Replay the recorded results on a virtual clock; return the tasks without a recorded result, which must be run.

    `following` returns the clock's next task, or None. `start` starts a task with a recorded result, so the task ends
    at once. `is_over` returns whether the run has ended, which a replayed result may cause.
    """
    unknown = []
    while not is_over() and (task := following()) is not None:
        if journal.knows(_key(task)):
            start(task)
        else:
            unknown.append(task)
    journal.retraced(exactly=True)
    return unknown


def retrace(journal: NullJournal, following: Next, start: Start, is_over: Callable[[], bool]) -> list[_core.Task]:
    """Replay the recorded steps until a greedy clock takes a different step.

    Return the tasks that were handed out, but whose end was not replayed. They must still be run.
    """
    given: dict[Key, _core.Task] = {}
    exactly = True
    for candidate, rung, has_ended in journal.steps:
        key = candidate, rung
        if is_over():
            break
        if has_ended:
            exactly = key in given and journal.knows(key)
            if exactly:
                start(given.pop(key))
        else:
            task = following()
            exactly = task is not None and _key(task) == key
            if task is not None:
                given[_key(task)] = task
        if not exactly:
            break
    journal.retraced(exactly)
    return list(given.values())


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


def _key(task: _core.Task) -> Key:
    return task.candidate, task.rung

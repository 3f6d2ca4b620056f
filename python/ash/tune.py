"""`ash.tune`: from a table to the best of many networks.

    check arguments -> read X, y -> split -> draw candidates -> core trains them up the ladder -> Result
                                                                   |  ^
                            events, every 50 ms; candidates wanted v  | more of them; stop (time is over, Ctrl-C)
                                                              calling thread

Threads: the core's threads train and never touch Python. The calling thread sleeps in the core without the GIL, wakes
every 50 ms to look at the clock, to let Python deliver signals (in the main thread) and to draw the progress, and
sooner when an endless stream has to be drawn further. No signal handler is installed, so it runs as well in any other
thread.
"""

import math
import time
from dataclasses import replace
from typing import Any

from ash import _core
from ash.errors import SettingError
from ash.options import Options, read_options
from ash.outcome import Ending, read_result
from ash.parts import Candidates, Parts, draw, read_parts, usable_metric
from ash.progress import View, open_view
from ash.result import Result
from ash.space import Space

WAKE_SECONDS = 0.05
"""How long the calling thread sleeps in the core: the delay of Ctrl-C and of the time limit."""


def tune(
    X: Any,
    y: Any,
    space: Space | None = None,
    *,
    candidates: int | None = 128,
    eta: int = 2,
    min_epochs: int = 1,
    max_rungs: int | None = None,
    algorithm: str = "ash",
    promotion: str | None = None,
    training: str = "resume",
    schedule: str = "reproducible",
    workers: int = 32,
    teams: bool = True,
    threads: int | None = None,
    memory_limit: int | None = None,
    validation: float | int | tuple[Any, Any] = 0.2,
    metric: str | None = None,
    task: str | None = None,
    time_limit: float | None = None,
    epoch_limit: int | None = None,
    target: float | None = None,
    seed: int | None = 0,
    progress: bool | None = None,
) -> Result:
    """Train many networks on a table by asynchronous successive halving and return the best one.

    Parameters
    ----------
    X : array-like or DataFrame of shape (rows, features)
        Numbers, finite.
    y : array-like of shape (rows,) or (rows, outputs)
        Class labels of any dtype, or targets; several columns for regression only.
    space : Space, optional
        Where the candidates are drawn from; a space that suits the size of the table by default. Candidate 0 is its
        default configuration.
    candidates : int or None
        How many; fewer when the space holds fewer. None: an endless stream, until the whole space (at most 2**31 - 1
        configurations) is drawn; it needs `time_limit`, `epoch_limit` or `target`, and takes no algorithm "sh".
    eta : int
        The reduction factor: of each rung the best 1/eta go on, with eta times the epochs.
    min_epochs : int
        Epochs of a job in the lowest rung.
    max_rungs : int, optional
        No more rungs than that.
    algorithm : {"ash", "sh", "random"}
        Asynchronous halving; halving with a barrier between rungs; every candidate up to the last rung.
    promotion : {"capped", "paper"}, optional
        "capped" never promotes more than floor(finished / eta); "paper" is Algorithm 2 of the source. By default
        "capped", and "paper" for an endless stream.
    training : {"resume", "restart"}
        Whether a promoted candidate goes on from where it stands, or starts anew.
    schedule : {"reproducible", "greedy"}
        "reproducible": same data, space, arguments and seed, same outcome bit for bit (who was promoted when, every
        score, every weight) on any number of threads, with or without teams, whatever else the machine does, on every
        instruction set with fused multiply-add. `Result.digest` is a hash of that outcome, for two people to compare.
        Decisions are taken on a virtual clock, on which a job lasts as long as its multiply-adds, so a thread may
        have to wait for a result that really comes later. "greedy": decisions are taken as jobs really end, so with
        several threads two runs may differ; nothing ever waits. A run that `time_limit` or Ctrl-C has ended stops
        where it stands: what had finished by then depends on timing in both.
    workers : int
        Of the virtual clock: how many jobs run at the same virtual time, 1 to 65536. It is part of what determines
        the outcome; the number of threads is not. Threads beyond it find no job of their own and can only help
        others, in teams. "greedy" has none.
    teams : bool
        Whether threads without a job join running ones. Never changes the outcome of a reproducible run.
    threads : int, optional
        OMP_NUM_THREADS if set, else the CPUs that this process may use; -1 means all of them, -2 all but one.
    memory_limit : int, optional
        Bytes for the states (weights and moments) of waiting candidates; half of what the machine or cgroup has left
        by default. Beyond it the least promising ones are dropped, and trained again from scratch if they go up after
        all: that costs time and never changes the outcome of a reproducible run.
    validation : float, int or (X, y)
        The share or number of rows that score the candidates and are not trained on, or a table of its own.
    metric : str, optional
        accuracy (default), balanced_accuracy, log_loss or auc; r2 (default), rmse or mae. Higher is better: errors
        are negated.
    task : {"classification", "regression"}, optional
        Told from y when not given.
    time_limit : float, optional
        Seconds, from the start of the training, after which the run stops with what has finished.
    epoch_limit : int, optional
        Most epochs of all jobs together; the first job that would exceed it ends the run, after those that run.
    target : float, optional
        The score, in `metric`, that ends the run once a candidate reaches it. Errors are negated: -0.1 for a log_loss
        of 0.1.
    seed : int or None
        Of the split, the candidates and the training; None draws one, to be found in `Result.seed`.
    progress : bool, optional
        None: a live view on stderr when that is a terminal. True: plain lines when it is not. False: silent.

    Returns
    -------
    Result
        Its `ended` says why it ended: "finished", "time_limit", "epoch_limit", "target" or "interrupted". After Ctrl-C
        there is one too, if a job had finished; a second Ctrl-C raises at once.

    Raises
    ------
    SettingError
        An argument or the space is not allowed.
    DataError
        X or y cannot be learned from.
    NothingFinished
        The time was over before the first job ended.
    AllDiverged
        No candidate kept a finite loss.
    KeyboardInterrupt
        Ctrl-C before the first job ended.

    References
    ----------
    Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv:1810.05934.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> result = ash.tune(*load_wine(return_X_y=True), candidates=32, seed=0)
    >>> labels = result.model.predict(load_wine().data)
    """
    options = read_options(
        candidates=candidates,
        eta=eta,
        min_epochs=min_epochs,
        max_rungs=max_rungs,
        algorithm=algorithm,
        promotion=promotion,
        training=training,
        schedule=schedule,
        workers=workers,
        teams=teams,
        threads=threads,
        memory_limit=memory_limit,
        metric=metric,
        task=task,
        time_limit=time_limit,
        epoch_limit=epoch_limit,
        target=target,
        seed=seed,
        progress=progress,
    )
    if space is not None and not isinstance(space, Space):
        raise SettingError(f"space={space!r} is not allowed; it must be an ash.Space or None")
    parts = read_parts(X, y, validation, options)
    options = replace(options, metric=usable_metric(parts, options), task=parts.table.task)
    return _run(parts, draw(space, parts, options), options)


def _run(parts: Parts, candidates: Candidates, options: Options) -> Result:
    table = parts.table
    data = _core.Data(table.x, table.y, table.classes, parts.training, parts.validation)
    tuner = _core.Tuner(
        data,
        candidates.first(),
        count=candidates.count,
        eta=options.eta,
        min_epochs=options.min_epochs,
        max_rungs=options.max_rungs or 0,
        algorithm=options.algorithm,
        promotion=options.promotion,
        training=options.training,
        metric=str(options.metric),
        threads=options.threads,
        seed=options.seed,
        schedule=options.schedule,
        workers=options.workers,
        teams=options.teams,
        memory_limit=options.memory_limit or 0,
        epoch_limit=options.epoch_limit or 0,
        target=math.nan if options.target is None else options.target,
    )
    ending = _wait(tuner, candidates, options)
    return read_result(tuner, parts, candidates, options, ending)


def _wait(tuner: _core.Tuner, candidates: Candidates, options: Options) -> Ending:
    """Let the core run to its end, to the time limit or to the first Ctrl-C; the threads have ended on return."""
    ladder = tuner.rungs
    started = time.monotonic()
    if options.time_limit == 0:
        tuner.stop()  # beforehand: not even a short job ends
    tuner.start()  # before the view, so that they train while rich is imported
    try:
        with open_view(options, ladder) as view:
            stopped_by = _watch(tuner, candidates, view, started, options.time_limit)
            tuner.stop()
            while not tuner.wait(WAKE_SECONDS):
                continue
            wall_seconds = time.monotonic() - started
            view.update(tuner.events())
    finally:
        tuner.stop()  # whatever was raised: nobody trains on behind it
    return Ending(stopped_by or tuner.ended, wall_seconds)


def _watch(
    tuner: _core.Tuner, candidates: Candidates, view: View, started: float, time_limit: float | None
) -> str | None:
    """Return what ended the run from outside, None if it came to its own end."""
    limit = float("inf") if time_limit is None else time_limit
    try:
        while (left := limit - (time.monotonic() - started)) > 0:
            if tuner.wait(min(WAKE_SECONDS, left)):
                return None
            if wanted := tuner.wanted:
                tuner.provide(candidates.more(wanted))
            view.update(tuner.events())
    except KeyboardInterrupt:
        return "interrupted"
    return "time_limit"

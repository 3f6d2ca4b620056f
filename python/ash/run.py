"""The engine under `ash.tune` and the estimators: read, draw, let the core train, collect the result.

    read X, y -> split, encode -> draw candidates -> core trains them up the ladder -> Result
                                                            |  ^
                     events, every 50 ms; candidates wanted v  | more of them; stop (time is over, Ctrl-C)
                                                       calling thread

Threads: the core's threads train and never touch Python, unless the candidates are scored by a function of the user.
The calling thread sleeps in the core without the GIL, wakes every 50 ms to look at the clock, to let Python deliver
signals (in the main thread), to draw the progress and to call the user's callbacks, and sooner when an endless stream
has to be drawn further. No signal handler is installed, so it runs as well in any other thread.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ash import _core
from ash.callback import Run, RungPlan
from ash.closing import Closing
from ash.errors import AllDiverged, SettingError
from ash.final import Final, final_model, refit_seconds, refits
from ash.folds import read_folds
from ash.kept import networks_to_keep
from ash.metrics import METRICS
from ash.model import Model
from ash.options import Options
from ash.outcome import Ending, network_of, read_result
from ash.parts import Candidates, Parts, draw, planned, read_parts, space_of, usable_metric
from ash.preparation import prepare_all
from ash.progress import View, open_view
from ash.reporting import Reporter
from ash.result import Result
from ash.space import Space

if TYPE_CHECKING:
    from ash.scoring import ValidationScorer

WAKE_SECONDS = 0.05
"""How long the calling thread sleeps in the core: the delay of Ctrl-C and of the time limit."""


@dataclass(frozen=True)
class Scoring:
    """A function of the user's that scores in place of a metric of the core, and what it is called."""

    name: str
    scorer: Callable[..., Any]


@dataclass(frozen=True)
class Given:
    """The data of a run as the user gives them: arguments of `ash.tune`."""

    X: Any
    y: Any
    sample_weight: Any = None
    validation: Any = 0.2
    cv: Any = None
    groups: Any = None


def run(
    given: Given,
    space: Space | None,
    options: Options,
    *,
    sort: bool = False,
    scoring: Scoring | None = None,
    final: Final | None = None,
    callbacks: tuple[Any, ...] = (),
) -> tuple[Result, Model]:
    """Return the result of a run and what predicts: the model of the result, or what `final` makes of the best.

    Arguments and errors as of `ash.tune`, `sort` as of `read_parts`; `callbacks` are checked.
    """
    started = time.monotonic()
    if space is not None and not isinstance(space, Space):
        raise SettingError(
            f"space={space!r} is not allowed; give an ash.Space(name=domain, ...), or None for the default one"
        )
    if given.cv is None and given.groups is not None:
        raise SettingError("groups are given, but nothing that splits by them: pass cv=, for example GroupKFold()")
    folds, whole = _read(given, options, sort)
    options = replace(options, metric=_metric(folds, options, scoring), task=folds[0].table.task)
    lock = Lock()
    scorers = [] if scoring is None else [_validation_scorer(scoring, given, fold, options, lock) for fold in folds]
    space = space_of(folds[0], options) if space is None else space
    refit = final is not None and refits(final, folds, whole)
    closing = Closing(started, options.time_limit, refit)
    options = planned(options, space, folds, closing.left())
    candidates = draw(space, options)
    with Reporter(callbacks) as reporter:
        tuner = _tuner(folds, whole, candidates, options, scorers)
        reporter.start(_described(folds, space, candidates, options, tuner))
        needed = None
        if final is not None:
            needed = partial(refit_seconds, tuner, folds[0], candidates.params, options, final.ensemble)
        ending = _wait(tuner, candidates, options, scorers, lambda: closing.left(needed), reporter)
        for scorer in scorers:
            _check_scorer(scorer, options, ending)
        result = read_result(tuner, folds[0], whole, candidates, options, space, ending)
        model: Model = result.model
        if final is not None:
            size = final.ensemble
            model = final_model(tuner, result, folds[0], options, ensemble=size, refit=refit, deadline=closing.end)
        reporter.end(result, model)
    return result, model


def _read(given: Given, options: Options, sort: bool) -> tuple[list[Parts], Parts | None]:
    """Return the parts of each fold, and all rows if there are folds."""
    if given.cv is None:
        return [read_parts(given.X, given.y, given.validation, options, given.sample_weight, sort)], None
    return read_folds(given.X, given.y, given.cv, given.groups, options, given.sample_weight, sort)


def _metric(folds: Sequence[Parts], options: Options, scoring: Scoring | None) -> str:
    if scoring is not None:
        return scoring.name
    found = {usable_metric(fold, options) for fold in folds}
    return found.pop() if len(found) == 1 else "rmse"  # a default that gave way in some of the folds


def _validation_scorer(
    scoring: Scoring, given: Given, parts: Parts, options: Options, lock: Lock
) -> "ValidationScorer":
    """Return what scores a fold by the user's function, no two at once under one lock."""
    from sklearn.utils import _safe_indexing

    from ash.scoring import ValidationScorer

    own = parts.held_out is not None
    frame = parts.table.frame if parts.held_out is None else parts.held_out
    rows = frame.numbers_of(parts.validation - (parts.table.rows if own else 0))
    targets = parts.y[parts.validation]
    classes = parts.table.classes_
    known = targets if classes is None else classes[targets[:, 0].astype(np.int64)]
    y = known[:, 0] if known.ndim == 2 and known.shape[1] == 1 else known
    weights = None if parts.weights is None else parts.weights[parts.validation]
    X = _safe_indexing(given.validation[0] if own else given.X, rows)
    return ValidationScorer(
        scoring.scorer, X, y, weights, lambda core: network_of(core, parts, {}, options, math.nan), lock
    )


def _tuner(
    folds: Sequence[Parts],
    whole: Parts | None,
    candidates: Candidates,
    options: Options,
    scorers: Sequence["ValidationScorer"],
) -> _core.Tuner:
    return _core.Tuner(
        prepare_all(folds, options),
        candidates.first(),
        count=candidates.count,
        eta=options.eta,
        min_epochs=options.min_epochs,
        max_rungs=options.max_rungs or 0,
        algorithm=options.algorithm,
        promotion=options.promotion,
        training=options.training,
        metric=METRICS[folds[0].table.task][0] if scorers else str(options.metric),
        threads=options.threads,
        seed=options.seed,
        schedule=options.schedule,
        workers=options.workers,
        teams=options.teams,
        memory_limit=options.memory_limit or 0,
        epoch_limit=options.epoch_limit or 0,
        target=math.nan if options.target is None else options.target,
        scorers=scorers,
        keep=1 if whole is not None else _keep(folds[0], options),
    )


def _described(
    folds: Sequence[Parts], space: Space, candidates: Candidates, options: Options, tuner: _core.Tuner
) -> Run:
    """Return what callbacks are told in the beginning."""
    table, endless = folds[0].table, options.candidates is None
    return Run(
        options=options,
        space=space,
        candidates=None if endless else candidates.count,
        rungs=tuple(
            RungPlan(number, rung["epochs"], None if endless else rung["places"])
            for number, rung in enumerate(tuner.rungs)
        ),
        feature_names=table.frame.names,
        classes=None if table.classes_ is None else table.classes_.tolist(),
        training_rows=len(folds[0].training),
        validation_rows=len(folds[0].validation),
        folds=len(folds),
    )


def _keep(parts: Parts, options: Options) -> int:
    return networks_to_keep(options.keep, len(parts.validation), parts.table.classes or parts.y.shape[1])


def _check_scorer(scorer: "ValidationScorer", options: Options, ending: Ending) -> None:
    """Raise what the user's function has raised, and say so where it never gave a number."""
    if scorer.error is not None:
        raise scorer.error
    if scorer.has_scored is False and ending.ended != "interrupted":
        raise AllDiverged(f"scoring={options.metric!r} has returned no finite number for any of the candidates")


def _wait(
    tuner: _core.Tuner,
    candidates: Candidates,
    options: Options,
    scorers: Sequence["ValidationScorer"],
    seconds_left: Callable[[], float],
    reporter: Reporter,
) -> Ending:
    """Let the core run to its end, to the time limit, a callback's stop or the first Ctrl-C; its threads have ended."""
    ladder = tuner.rungs
    started, now = time.monotonic(), datetime.now(UTC)
    if options.time_limit == 0 or reporter.stopped:
        tuner.stop()  # beforehand: not even a short job ends
    tuner.start()  # before the view, so that they train while rich is imported
    try:
        with open_view(options, ladder) as view:
            stopped_by = _watch(tuner, candidates, view, seconds_left, scorers, reporter)
            _end(tuner)
            wall_seconds = time.monotonic() - started
            view.update(tuner.events())
        reporter.finish(tuner, candidates.params)
    except Exception as error:
        _end_behind(error, tuner)
        raise
    finally:
        tuner.stop()  # a second Ctrl-C too: nobody trains on behind it
    return Ending(stopped_by or tuner.ended, now, wall_seconds)


def _end(tuner: _core.Tuner) -> None:
    """Return once the threads have ended, within a block of rows."""
    tuner.stop()
    while not tuner.wait(WAKE_SECONDS):
        continue


def _end_behind(error: Exception, tuner: _core.Tuner) -> None:
    """Return once the threads have ended; what they have raised besides is a note of the error."""
    try:
        _end(tuner)
    except Exception as other:
        if (type(other), other.args) != (type(error), error.args):  # the core raises its own error again
            error.add_note(f"the threads have raised {type(other).__name__}: {other}")


def _watch(
    tuner: _core.Tuner,
    candidates: Candidates,
    view: View,
    seconds_left: Callable[[], float],
    scorers: Sequence["ValidationScorer"],
    reporter: Reporter,
) -> str | None:
    """Return what ended the run from outside, None if it came to its own end."""
    try:
        while (left := seconds_left()) > 0:
            if tuner.wait(min(WAKE_SECONDS, left)):
                return None
            if wanted := tuner.wanted:
                tuner.provide(candidates.more(wanted))
            events = tuner.events()
            view.update(events)
            reporter.look(tuner, candidates.params, events)
            if reporter.stopped or any(scorer.error is not None for scorer in scorers):
                return None
    except KeyboardInterrupt:
        return "interrupted"
    return "time_limit"

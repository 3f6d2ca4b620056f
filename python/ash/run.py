"""The engine under `ash.tune` and the estimators: read, draw, let the core train, collect the result.

    read X, y -> split, encode -> draw candidates -> core trains them up the ladder -> Result
                                                            |  ^
                     events, every 50 ms; candidates wanted v  | more of them; stop (time is over, Ctrl-C)
                                                       calling thread <-> journal, if there is one

Threads: the calling thread's; what it does while the core trains is in waiting.py.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ash import _core
from ash.callback import Run, RungPlan
from ash.closing import Closing
from ash.errors import SettingError
from ash.executor.carrier import Elsewhere, carrier_of
from ash.final import Final, finish, refit_seconds, refits
from ash.fold_scoring import Scoring, check_scorers, fold_scorers
from ash.folds import FOLDS, has_folds, read_folds
from ash.journal.argument import Journal
from ash.journal.identity import identity_of
from ash.journal.opening import open_recorder
from ash.journal.recorder import Recorder
from ash.kept import KEPT_OF_FOLDS, networks_to_keep
from ash.metrics import METRICS
from ash.model import Model
from ash.options import Options
from ash.outcome import no_model, read_kept, read_result
from ash.parts import Candidates, Parts, draw, planned, read_parts, read_table, space_of, usable_metric
from ash.preparation import prepare_all
from ash.reporting import Reporter
from ash.result import Result
from ash.space import Space
from ash.waiting import Told, wait

if TYPE_CHECKING:
    from ash.scoring import ValidationScorer

VALIDATION = 0.2
"""The share of the rows that score the candidates where nobody says."""


@dataclass(frozen=True)
class Given:
    """The data of a run as the user gives them: arguments of `ash.tune`; validation None: as suits the table."""

    X: Any
    y: Any
    sample_weight: Any = None
    validation: Any = VALIDATION
    cv: Any = None
    groups: Any = None


def run(
    given: Given,
    space: Space | None,
    options: Options,
    *,
    asked: dict[str, Any],
    sort: bool = False,
    scoring: Scoring | None = None,
    final: Final | None = None,
    callbacks: tuple[Any, ...] = (),
    journal: Journal | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[Result, Model]:
    """Return the result of a run and what predicts: the model of the result, or what `final` makes of the best.

    Arguments and errors as of `ash.tune`, `sort` as of `read_parts`; `callbacks`, `journal` and `elsewhere` are
    checked, `asked` is who calls, for the journal.
    """
    started = time.monotonic()
    here, options = options, _checked(given, space, options, scoring, elsewhere)
    with open_recorder(journal) as recorder:
        folds, whole = _read(given, options, sort)
        options = replace(options, metric=_metric(folds, options, scoring), task=folds[0].table.task)
        scorers = fold_scorers(scoring, given.X, given.validation, folds, options)
        space = space_of(folds[0], options) if space is None else space
        closing = Closing(started - recorder.seconds, options.time_limit, refits(final, folds, whole))
        options = recorder.planned(options) or planned(options, space, folds, closing.left())
        candidates = draw(space, options, 1 + max((candidate for candidate, _ in recorder.restored), default=-1))
        data = prepare_all(folds, options)
        if journal is not None:
            identity = identity_of(options, space, folds, data, None if scoring is None else scoring.identity)
            recorder.agree(identity, options, asked)
        here = replace(options, threads=here.threads)
        carrier = carrier_of(elsewhere, data, candidates.params, options)
        with Reporter(callbacks) as reporter, carrier:
            tuner = _tuner(data, folds, candidates, here, scorers, _keep(folds, options, final), carrier.mailbox)
            recorder.restore(tuner, candidates.params, options, len(folds), lambda: any(each.error for each in scorers))
            reporter.start(_described(folds, space, candidates, options, tuner, recorder), recorder.restored)
            size = 1 if final is None else final.ensemble

            def needed() -> float:
                carrier.fetch(tuner)
                return refit_seconds(tuner, folds, whole, candidates.params, here, size)

            told = Told(recorder, reporter, carrier, scorers)
            ending = wait(tuner, candidates, options, lambda: closing.left(needed), told)
            check_scorers(scorers, options, ending.ended, bool(recorder.restored))
            kept = read_kept(tuner, folds, candidates.params, options)
            if kept is None:
                raise no_model(tuner, candidates.params, ending)
            kept, model = finish(
                tuner,
                kept,
                folds,
                whole,
                here,
                final or Final(1, refit=False),
                interrupted=ending.ended == "interrupted",
                deadline=closing.end,
            )
            result = read_result(tuner, kept, whole is not None, candidates, options, space, ending)
            reporter.end(result, model)
    return result, model


def _checked(
    given: Given, space: Any, options: Options, scoring: Scoring | None, elsewhere: Elsewhere | None
) -> Options:
    """Return the options with as many threads as do jobs, or raise SettingError where arguments do not go together."""
    if space is not None and not isinstance(space, Space):
        raise SettingError(
            f"space={space!r} is not allowed; give an ash.Space(name=domain, ...), or None for the default one"
        )
    if given.cv is None and given.groups is not None:
        raise SettingError("groups are given, but nothing that splits by them: pass cv=, for example GroupKFold()")
    if elsewhere is not None and scoring is not None:
        raise SettingError(
            f"scoring={scoring.name!r} cannot be sent to the workers of an executor; give a metric of ash"
        )
    return options if elsewhere is None else replace(options, threads=elsewhere.pool.workers)


def _read(given: Given, options: Options, sort: bool) -> tuple[list[Parts], Parts | None]:
    """Return the parts of each fold, and all rows if there are folds."""
    table, schema = read_table(given.X, given.y, options, given.sample_weight, sort)
    cv = given.cv
    if cv is None and given.validation is None and options.planned and has_folds(table):
        cv = FOLDS
    if cv is None:
        return [read_parts(table, schema, VALIDATION if given.validation is None else given.validation, options)], None
    return read_folds(table, schema, given.X, given.y, cv, given.groups, options)


def _metric(folds: Sequence[Parts], options: Options, scoring: Scoring | None) -> str:
    if scoring is not None:
        return scoring.name
    found = {usable_metric(fold, options) for fold in folds}
    return found.pop() if len(found) == 1 else "rmse"  # a default that gave way in some of the folds


def _tuner(
    data: Sequence[_core.Data],
    folds: Sequence[Parts],
    candidates: Candidates,
    options: Options,
    scorers: Sequence["ValidationScorer"],
    keep: int,
    mailbox: _core.Mailbox | None,
) -> _core.Tuner:
    return _core.Tuner(
        data,
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
        keep=keep,
        mailbox=mailbox,
    )


def _described(
    folds: Sequence[Parts],
    space: Space,
    candidates: Candidates,
    options: Options,
    tuner: _core.Tuner,
    recorder: Recorder,
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
        resumed=len(recorder.restored),
    )


def _keep(folds: Sequence[Parts], options: Options, final: Final | None) -> int:
    """Return how many candidates have their networks kept; of folds none but those that an ensemble is drawn from."""
    parts, rows = folds[0], sum(len(fold.validation) for fold in folds)
    most = networks_to_keep(options.keep, rows, parts.table.classes or parts.y.shape[1])
    if len(folds) == 1:
        return most
    return 1 if final is None else min(most, KEPT_OF_FOLDS)

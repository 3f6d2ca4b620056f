"""Runs `ash.tune` and the estimators: reads the table, draws candidates, trains them in the core, collects the result.

    read X, y -> split, encode -> draw candidates -> core trains them up the ladder -> Result
                                                            |  ^
                     events, every 50 ms; candidates wanted v  | more candidates; stop (time is over, Ctrl-C)
                                                       calling thread <-> journal, if there is one

Everything here runs in the calling thread. event_loop.py contains the loop that this thread runs while the core trains.
"""

import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.aliases import Facts
from ash._utils.display import format_table, show_seconds
from ash._utils.threads import ContextsOfProcess
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Run, rung_plans
from ash.callbacks.dispatch import Reporter
from ash.data.row_split import user_numbers
from ash.encoding.data_split import Split, read_table, split_table, warn_of_time_order
from ash.encoding.table_summary import summary_of, warn_of_suspects
from ash.engine.candidates import CHUNK, draw
from ash.engine.core_data import prepare_all
from ash.engine.deadline import RESERVE, RESERVE_FROM_SCRATCH, REST, SELECTION, Deadline
from ash.engine.event_loop import REPORT_LIMIT, Ending, EventLoop, completion_seconds
from ash.engine.needed_memory import fitted, needs_of
from ash.engine.planning import (
    default_work,
    epoch_cost,
    first_job_seconds,
    planned,
    space_of,
    without_logarithms,
    without_trees,
)
from ash.engine.portfolio import portfolio
from ash.engine.refit import Final, Finished, final_seconds, finish, refits
from ash.engine.repeat import check_same, earlier_of, plan_of, record_of
from ash.engine.stages import Asked, Planned, Prepared
from ash.engine.tree_trainer import TreeFolds, TreeTrainer
from ash.errors import AllDivergedError, NothingFinishedError, SettingError
from ash.executors.dispatcher import NoDispatcher, dispatcher_of
from ash.executors.job_pool import Pool
from ash.history.records import Columns, job_rows, keys_of
from ash.journal.first import read_first
from ash.journal.identity import FIRST, facts_of_data, identity_of
from ash.journal.journal import Journal, NullNetworkJournal
from ash.metrics import METRICS
from ash.models.decision import AUTO
from ash.models.ensemble import Member
from ash.models.estimated_score import Estimate, estimate, held_out_prediction
from ash.models.inspection import sample_of
from ash.models.model import Model
from ash.models.model_pool import KEPT_OF_FOLDS, Kept, networks_to_keep, read_kept
from ash.options import LARGEST, Options, RunPlan, decided_workers
from ash.progress.views import announce
from ash.result import CAUSES_SHOWN, Result, no_score
from ash.run_record import TUNE, RunRecord, warn_of_difference
from ash.scoring.fold_scoring import check_scorers, check_threshold, fold_scorers, usable_metric
from ash.space.boosters import BOOSTERS, MODELS, require_booster
from ash.space.domains import joined_levels
from ash.space.hyperparameters import HYPERPARAMETERS, Params, check_params, to_settings
from ash.space.space import Space, read_space

AS_THEY_ARE = (
    "eta",
    "min_epochs",
    "algorithm",
    "promotion",
    "training",
    "seed",
    "schedule",
    "virtual_workers",
    "teams",
)
"""Options that the core accepts under the same name, and that are never None."""
ZERO_IF_NONE = ("max_rungs", "memory_limit", "max_total_epochs", "work_limit", "patience")
"""Options that the core accepts under the same name, with 0 in place of None."""
WORK_OF_INTERRUPTED = 5e9
"""Maximum multiply-adds for predicting the validation rows after Ctrl-C; they take a tenth of a second on one core."""


def run_table(
    X: Any,
    y: Any,
    asked: Asked,
    *,
    sample_weight: Any = None,
    groups: Any = None,
    callbacks: tuple[Any, ...] = (),
    journal: Journal | None = None,
    pool: Pool | None = None,
) -> tuple[Result, Model]:
    """Execute a run on a table, and return the result and the final model.

    Parameters
    ----------
    X, y, sample_weight, groups
        As for `ash.tune`.
    asked : Asked
        All other arguments; with `asked.final`, the final model may differ from the result's model.
    callbacks, journal, pool
        The checked arguments; `pool` runs the jobs. It is None if this process runs the jobs.

    Raises
    ------
    Exception
        As for `ash.tune`.
    """
    started = time.monotonic()
    if pool is not None and asked.scoring is not None:
        raise SettingError(
            f"{asked.scoring} cannot be sent to the workers of an executor: give a metric that ash computes itself"
        )
    with _opened(journal) as log:
        prepared = _prepared(X, y, asked, sample_weight, groups, log, pool)
        run = _planned(X, prepared, log, started, pool)
        data = prepare_all(prepared.split.folds, run.plan)
        identity = _identity(run, data)
        if asked.record is not None:
            check_same(asked.record, {part: identity[part] for part in ("data", "version")})
        by = asked.call["by"] if asked.record is None else f"{asked.call['by']} with record="
        log.agree(identity, run.plan, {**asked.call, "by": by})
        return _ended(run, data, identity, started, callbacks, pool)


def _ended(
    run: Planned,
    data: Sequence[_core.Data],
    identity: Facts,
    started: float,
    callbacks: tuple[Any, ...],
    pool: Pool | None,
) -> tuple[Result, Model]:
    """Let the core train the candidates on the encoded `data`, and return the result and the final model."""
    plan, candidates, log, asked = run.plan, run.candidates, run.journal, run.prepared.asked
    tree_folds = TreeFolds(run.prepared.split.folds, data, plan, candidates.epoch_cost)
    trees = TreeTrainer(tree_folds, candidates.params, run.scorers)
    dispatcher = dispatcher_of(pool, data, candidates.params, plan, trees)
    with Reporter(callbacks) as reporter, ContextsOfProcess() as contexts:
        contexts.enter_context(dispatcher)
        tuner = _tuner(run, data, trees, dispatcher.mailbox)
        log.watch(lambda: run.has_failed)
        log.restore(tuner, candidates.params, plan)
        with log.replaying():
            while tuner.wanted and len(candidates.params) < log.begun:
                tuner.provide(candidates.more(tuner.wanted, tuner.jobs))
        reporter.start(_description(run, tuner), log)
        loop = EventLoop(tuner, candidates, plan, log, reporter, dispatcher, run.scorers, trees, asked.record)
        begun = time.monotonic()
        try:
            ending = loop.run(
                lambda is_short: run.deadline.left(lambda: _seconds_after(run, tuner, dispatcher, trees), is_short)
            )
            check_scorers(asked.scoring, run.scorers, ending.ended, bool(log.restored))
            if ending.ended == "time_limit" and not len(tuner.jobs()["rung"]):
                raise _too_short(run.prepared, plan, log, begun - started, is_encoded=True)
            result, model = _collected(run, tuner, trees, identity, ending)
            log.sign(result.record)
            if ending.ended == REPORT_LIMIT and asked.record is not None:
                warn_of_difference(asked.record, result.record)
        except Exception as error:
            # If a scorer has failed, unscored jobs count as diverged. A forked child cannot read the parent's run.
            if asked.record is None and not run.has_failed and not contexts.is_forked:
                seconds = time.monotonic() - begun
                cut = Ending("interrupted", datetime.now(UTC) - timedelta(seconds=seconds), seconds)
                # Nothing is attached if no job has finished, or if the error's cause is also in the way of a model.
                with suppress(Exception, KeyboardInterrupt):
                    error.result = _collected(run, tuner, trees, identity, cut)[0]  # type: ignore[attr-defined]
            raise
        reporter.end(result, model)
    return result, model


def table_identity(X: Any, y: Any, asked: Asked, *, sample_weight: Any = None, groups: Any = None) -> Facts:
    """Return the facts that identify the run of `run_table` with these arguments, without training anything."""
    with _opened(None) as log:
        prepared = _prepared(X, y, asked, sample_weight, groups, log, None)
        run = _planned(X, prepared, log, time.monotonic(), None)
        return _identity(run, prepare_all(prepared.split.folds, run.plan))


def _identity(run: Planned, data: Sequence[_core.Data]) -> Facts:
    scoring, prepared = run.prepared.asked.scoring, run.prepared
    own: Facts = {"scoring": None if scoring is None else scoring.identity}
    if run.first:  # in full, so that a record and `ash.resume` do not need the argument again
        own[FIRST] = list(run.first)
    return identity_of(run.plan, prepared.space, own, facts_of_data(prepared.split.folds, data))


def _prepared(
    X: Any, y: Any, asked: Asked, weight: Any, groups: Any, log: NullNetworkJournal, pool: Pool | None
) -> Prepared:
    """Read the table and split it, and decide what follows from it."""
    space = None if asked.space is None else read_space(asked.space, Space)
    threads = asked.options.threads if pool is None else pool.workers
    workers, folds = asked.options.virtual_workers or log.virtual_workers(), asked.options.folds or log.folds()
    options = replace(asked.options, threads=threads, virtual_workers=workers, folds=folds)
    table, schema = read_table(X, y, options, weight, asked.sort, groups)
    announce(options, lambda: summary_of(table, schema).lines())
    if asked.validation is asked.cv is groups is asked.record is None:  # the user leaves the split to ash
        warn_of_time_order(table, schema)
    warn_of_suspects(table, schema)
    needs_all = asked.scoring is not None and asked.scoring.needs_all_classes
    given = {"X": X, "y": y, "groups": groups, "needs_all_classes": needs_all}
    split = split_table(table, schema, options, asked.validation, asked.cv, **given)
    about = {"virtual_workers": decided_workers(options), "metric": _metric(split, asked), "task": table.task}
    draft = RunPlan(**{**vars(options), **about, "folds": len(split.folds)})
    if _has_default_work(options):
        draft = replace(draft, work_limit=default_work(table.rows))
    check_threshold(_threshold(asked), table)
    space = space_of(split.folds, draft) if space is None else space
    draft = replace(draft, models=tuple(each for each in MODELS if each in space.models))
    _check_space(space, split, draft)
    held_out = np.empty(0, np.int64)  # rows of a separate validation table are not rows of X
    if split.folds[0].held_out is None:
        held_out = user_numbers(table, X)[np.concatenate([fold.validation for fold in split.folds])]
    return Prepared(asked, draft, split, space, sample_of(split), len(np.asarray(y)), held_out)


def _has_default_work(options: Options) -> bool:
    """Return whether the user has set no size of the search, so that it gets the default work."""
    return options.planned and options.time_limit is options.work_limit is None


def _threshold(asked: Asked) -> str | float | None:
    """Return how a classifier decides, as `decision_threshold` of `ASHClassifier`."""
    return AUTO if asked.final is None else asked.final.threshold


def _metric(split: Split, asked: Asked) -> str:
    if asked.scoring is not None:
        return asked.scoring.name
    found = {usable_metric(fold, asked.options) for fold in split.folds}
    # If the default metric is undefined in some folds, the folds' metrics differ.
    return found.pop() if len(found) == 1 else "neg_root_mean_squared_error"


def _check_space(space: Space, split: Split, draft: RunPlan) -> None:
    """Raise SettingError if the space has a value that cannot be used with this table."""

    def has(name: str, value: str) -> bool:
        return any(domain.has(value) for domain in space.domains.get(name, ()))

    if split.table.frame.stored is not None and has("batch_size", "full"):
        raise SettingError("batch_size='full' needs a dense table: pass X.toarray(), or leave 'full' out of the space")
    if not space.models.isdisjoint(BOOSTERS):
        announce(draft, lambda: [f"models: {', '.join(draft.models)}"])
        for model in BOOSTERS:
            if model in space.models:
                require_booster(f"model={model!r}", model)
                _import(model)
        if (reason := without_trees(split.folds[0])) is not None:
            trees = " and ".join(f"model={model!r}" for model in BOOSTERS if model in space.models)
            raise SettingError(f"boosted trees {reason}: leave {trees} out of the space")
    if has("target_transform", "log") and (reason := without_logarithms(split.folds, draft)):
        raise SettingError(f"target_transform='log' {reason}: leave 'log' out of the space")


def _planned(X: Any, prepared: Prepared, log: NullNetworkJournal, started: float, pool: Pool | None) -> Planned:
    """Draw the candidates, check that the run fits into memory, and plan the ladder and the deadline.

    `started` is when the call began, on the monotonic clock. The threads and the memory limit are lowered until the run
    fits into the available memory.
    """
    asked, split, space, draft = prepared.asked, prepared.split, prepared.space, prepared.draft
    if asked.record is not None:
        log.before, log.began = earlier_of(asked.record)
    log.grow(space)
    begin = portfolio(draft.task, len(split.folds[0].training))
    first = read_first(asked.first, space, draft.candidates)
    candidates = draw(space, draft, begin, log.begun, partial(log.drawn, space), first, log.before, asked.sampler)
    refit = refits(asked.final, split)
    drawn = candidates.settings()
    if candidates.ahead == 0:  # guided draws: only few are drawn so far, so add random ones
        drawn += map(to_settings, islice(space.stream(draft.seed), CHUNK))
    needs = needs_of(
        split,
        [each for each in drawn if not each.external_cost] or [to_settings({})],
        draft,
        kept=_keep(prepared, draft),
        refit=refit,
        scored=asked.scoring is not None,
        leaves=_most_leaves(space),
        count=candidates.count,
    )
    threads, limit = fitted(needs, asked.options.threads, draft.memory_limit)
    draft = replace(draft, threads=threads if pool is None else draft.threads, memory_limit=limit)
    scorers = fold_scorers(asked.scoring, X, asked.validation, split.folds, draft)
    # A short reserve is enough for a planned run, since it keeps few networks. The exception is a run that must train
    # networks again or on all rows.
    trains_again = refit or pool is not None or bool(log.restored)
    reserve = SELECTION if draft.planned and not trains_again else RESERVE
    if refit and not split.is_tiled and asked.final is not None and asked.final.ensemble > 1:
        reserve = RESERVE_FROM_SCRATCH
    deadline = Deadline(started - log.seconds, draft.time_limit, reserve)
    if deadline.left() <= 0 and not log.restored:
        raise _too_short(prepared, draft, log, time.monotonic() - started)
    plan = log.planned(draft) or planned(draft, space, split, deadline.left())
    if prepared.has_trees:
        # Recorded trees keep their numbers of rounds, so an epoch must cost the same as before the space grew.
        candidates.epoch_cost = epoch_cost(plan, log.began or space, split)
    return Planned(prepared, plan, threads, first, candidates, _keep(prepared, plan), scorers, deadline, log)


def _keep(prepared: Prepared, plan: RunPlan) -> int:
    """Return the number of networks to keep.

    With several folds, it is at most KEPT_OF_FOLDS. It is 1 if no ensemble can be made of the folds' models.
    """
    split = prepared.split
    rows = sum(len(fold.validation) for fold in split.folds)
    most = networks_to_keep(plan.keep, rows, split.folds[0].shape[1])
    if len(split.folds) == 1:
        return most
    return 1 if prepared.asked.final is None and not split.is_tiled else min(most, KEPT_OF_FOLDS)


def _most_leaves(space: Space) -> int:
    """Return the maximum number of leaves of a boosted tree in the space; 0 if the space has no trees."""
    most, levels = 0, joined_levels(space.domains)
    for model, booster in BOOSTERS.items():
        if model in space.models:
            default = int(HYPERPARAMETERS[booster.size].default)
            size = max(map(int, levels.get(booster.size, ())), default=default)
            most = max(most, booster.leaves(size, LARGEST))
    return most


def _too_short(
    prepared: Prepared, plan: RunPlan, log: NullNetworkJournal, seconds: float, *, is_encoded: bool = False
) -> NothingFinishedError:
    """Return an error that suggests a longer time limit, since the limit passed before the first job ended.

    `seconds` is the time spent so far, until training began if the table `is_encoded`.
    """
    job = first_job_seconds(plan, prepared.space, prepared.split)
    what = "reading and encoding" if is_encoded else "reading"
    spent = f"{what} {prepared.split.table.rows:,} rows took {show_seconds(seconds)}"
    if log.seconds > 0:
        spent = f"earlier calls with this journal took {show_seconds(log.seconds)}, {spent}"
    # If the encoding has not finished, the rest of it is assumed to take half the time spent so far.
    encoding = 0.0 if is_encoded else seconds / 2
    needed = (log.seconds + seconds + encoding + job) / (1 - REST - RESERVE)
    return NothingFinishedError(
        f"time_limit={plan.time_limit:g} was over before the first job ended: {spent}, and a job takes "
        f"about {show_seconds(job)}; give a time_limit of at least {math.ceil(10 * needed) / 10:g}"
    )


def _tuner(run: Planned, data: Sequence[_core.Data], trees: TreeTrainer, mailbox: _core.Mailbox | None) -> _core.Tuner:
    plan, scorers, record = run.plan, run.scorers, run.prepared.asked.record
    limits: dict[str, Any] = {name: getattr(plan, name) or 0 for name in ZERO_IF_NONE}
    return _core.Tuner(
        data,
        run.candidates.settings(),
        count=run.candidates.count,
        **{name: getattr(plan, name) for name in AS_THEY_ARE},
        **limits,
        metric=METRICS[plan.task][0] if scorers else plan.metric,
        threads=run.threads,
        stop_score=math.nan if plan.stop_score is None else plan.stop_score,
        report_limit=0 if record is None else len(record.decisions),
        scorers=scorers,
        keep=run.kept,
        ahead=run.candidates.ahead,
        mailbox=mailbox,
        external=trees,
    )


def _description(run: Planned, tuner: _core.Tuner) -> Run:
    """Return the description of the run that callbacks receive when the run starts."""
    parts, endless = run.prepared.split.folds[0], run.plan.candidates is None
    classes = parts.table.classes_
    return Run(
        options=run.plan,
        space=run.prepared.space,
        candidates=None if endless else run.candidates.count,
        rungs=rung_plans(tuner.rungs, endless),
        feature_names=parts.table.frame.names,
        classes=None if classes is None else classes.tolist(),
        training_rows=len(parts.training),
        validation_rows=len(parts.validation),
        folds=run.plan.folds,
    )


def _seconds_after(run: Planned, tuner: _core.Tuner, dispatcher: NoDispatcher, trees: TreeTrainer) -> float:
    """Return the estimated seconds for retraining missing models, selection and refit if the run ended now."""
    dispatcher.fetch(tuner)
    split, final, here = run.prepared.split, run.prepared.asked.final, replace(run.plan, threads=run.threads)
    seconds = final_seconds(tuner, split, run.candidates.params, here, final, trees)
    return seconds + completion_seconds(tuner, run.threads, trees)


def _collected(
    run: Planned, tuner: _core.Tuner, trees: TreeTrainer, identity: Facts, ending: Ending
) -> tuple[Result, Model]:
    """Return the result and the final model, or raise an error that explains why there is no model."""
    prepared, plan, asked, split = run.prepared, run.plan, run.prepared.asked, run.prepared.split
    is_interrupted, params = ending.ended == "interrupted", run.candidates.params
    _refuse_part(asked, is_interrupted)
    work = WORK_OF_INTERRUPTED if is_interrupted else math.inf
    kept = read_kept(tuner, split, params, plan, trees, work)
    if kept is None:
        raise no_model(tuner, params, ending)
    recorded = asked.record if ending.ended == REPORT_LIMIT else None
    if recorded is not None:
        kept, ending = kept.of(recorded.kept), replace(ending, ended=recorded.ended)
    kept = replace(kept, threshold=_threshold(asked))
    here = replace(plan, threads=run.threads)
    last: dict[str, Any] = {"interrupted": is_interrupted, "deadline": run.deadline.end, "trees": trees}
    of_record = None if recorded is None else recorded.refit
    finished = finish(tuner, kept, split, here, asked.final or Final(1, refit=False), recorded=of_record, **last)
    _refuse_part(asked, finished.interrupted)
    if finished.interrupted:
        ending = replace(ending, ended="interrupted")
    columns, model = tuner.jobs(), finished.model
    fold_scores = _in_order(tuner.fold_scores(), columns)
    held_out, estimated = _honest(run, kept, fold_scores)
    if model.metric == plan.metric:
        model.estimated_score, model.estimated_score_std_error = estimated
    model.record = _record(run, identity, columns, kept, finished, ending.ended)
    best = model if isinstance(model, Member) else finished.best
    if asked.call["by"] == TUNE and asked.final is not None and split.whole is not None:
        # The record is that of an ensemble of the folds' models, but `Result.model` is trained on all rows.
        best = finish(tuner, kept, split, here, Final(1, refit=False), **last).best
    ladder = tuner.rungs
    if plan.candidates is None:  # list only candidates that have entered the first rung
        params = params[: ladder[0]["running"] + ladder[0]["finished"]]
    result = Result(
        model=best,
        kept=kept,
        sample=prepared.sample,
        best_candidate=kept.candidates[0],
        best_rung=kept.rungs[0],
        params=tuple(params),
        columns=columns,
        assists=tuner.assists(),
        ladder=ladder,
        memory=tuner.memory,
        fold_scores=fold_scores,
        options=plan,
        space=prepared.space,
        ended=ending.ended,
        started=ending.started,
        wall_seconds=ending.wall_seconds,
        record=model.record,
        oof_prediction=held_out,
        estimated_score=estimated.score,
        estimated_score_std_error=estimated.std_error,
        decision_weights=model.decision_weights,
    )
    return result, model


def _record(run: Planned, identity: Facts, columns: Columns, kept: Kept, finished: Finished, ended: str) -> RunRecord:
    """Return the record of the run, whose final model was selected from `kept`."""
    asked, final = run.prepared.asked, run.prepared.asked.final
    made: Facts = {"sort": asked.sort, "ensemble": final and final.ensemble, "refit": final is not None and final.refit}
    made["decision_threshold"] = kept.threshold
    about: dict[str, Any] = {"before": run.journal.before, "began": run.journal.began, "ended": ended}
    about |= {"params": run.candidates.params, "columns": columns, "best": (kept.candidates[0], kept.rungs[0])}
    about |= {"kept": kept.candidates, "refit": finished.epochs, "model": finished.model.digest}
    return record_of(asked.call, identity, plan_of(run.plan), made, **about)


def _honest(run: Planned, kept: Kept, fold_scores: Columns) -> tuple[NDArray[np.float64], Estimate]:
    """Return the held-out predictions and the estimated score of the final model, selected from `kept`."""
    prepared, asked = run.prepared, run.prepared.asked
    size = 1 if asked.final is None else asked.final.ensemble
    prediction = held_out_prediction(kept, size, prepared.held_out, prepared.rows)
    estimated = estimate(kept, size, fold_scores, [scorer.score_of for scorer in run.scorers])
    if run.has_failed:
        warn_user(f"{asked.scoring} failed for the final model, so its score is not estimated")
    return prediction, estimated


def _refuse_part(asked: Asked, is_interrupted: bool) -> None:
    """Raise KeyboardInterrupt if Ctrl-C ended a run that repeats a recorded run."""
    if is_interrupted and asked.record is not None:
        raise KeyboardInterrupt("the run was interrupted before it had repeated the recorded one")


def _opened(journal: Journal | None) -> NullNetworkJournal:
    """Return the open journal of the run; it records nothing if `journal` is None."""
    if journal is None:
        return NullNetworkJournal()
    from ash.journal.network_journal import NetworkJournal  # here, since it imports sqlite3 and safetensors

    return NetworkJournal(journal)


def _in_order(fold_scores: Columns, columns: Columns) -> Columns:
    """Return the fold scores in the order of decisions; the core has them in the order in which jobs ended."""
    places = {key: place for place, key in enumerate(keys_of(fold_scores))}
    order = [places[key] for key in keys_of(columns) if key in places]  # a job that diverged has no fold scores
    return {name: values[order] for name, values in fold_scores.items()}


def no_model(tuner: _core.Tuner, candidates: Sequence[Params], ending: Ending) -> BaseException:
    """Return the error for a run without a model: no job finished in time, all diverged, or Ctrl-C ended the run."""
    jobs = job_rows(tuner.jobs())
    if ending.ended == "interrupted" or not jobs:
        return no_score(ending.ended, (), ending.wall_seconds)
    causes = []
    for job in jobs[:CAUSES_SHOWN]:
        params = check_params(candidates[job.candidate])
        own = params.get("learning_rate", "-"), params.get("optimizer", params.get("model"))
        causes.append((job.candidate, *own, job.epochs, str(job.loss)))
    lines = format_table(["candidate", "learning_rate", "optimizer", "epochs", "loss"], causes)
    if len(jobs) > CAUSES_SHOWN:
        lines.append(f"and {len(jobs) - CAUSES_SHOWN} more")
    advice = "lower the learning rates of the space, or look for extreme values in y"
    which = "the only finished candidate" if len(jobs) == 1 else f"all {len(jobs)} finished candidates"
    return AllDivergedError("\n".join([f"{which} diverged; {advice}:", *lines]))


def _import(model: str) -> None:
    """Import the package that trains a kind of model, so that import errors are raised before anything is trained."""
    try:
        import_module(model)
    except Exception as error:  # LightGBM reads docstrings as it is imported, which python -OO removes
        todo = "run Python without -OO" if sys.flags.optimize > 1 else "repair it"
        raise SettingError(
            f"{model} is installed but cannot be imported ({error}): {todo}, or search without it by "
            "models=['network'] in the config"
        ) from error

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
from ash._utils.display import format_table, show_seconds
from ash._utils.installation import require_extra
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Run, rung_plans
from ash.callbacks.dispatch import Reporter
from ash.encoding.data_split import read_table, split_table, user_numbers, warn_of_time_order
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
from ash.engine.refit import Final, final_seconds, finish, refits
from ash.engine.repeat import check_rows, earlier_of, record_of
from ash.engine.tree_trainer import TreeTrainer
from ash.errors import AllDiverged, NothingFinished, SettingError
from ash.executors.dispatcher import Elsewhere, NoDispatcher, dispatcher_of
from ash.history.records import Columns, job_rows
from ash.journal.first import read_first
from ash.journal.identity import identity_of
from ash.journal.journal import Facts, Journal, NullJournal
from ash.metrics import METRICS
from ash.models.decision import AUTO
from ash.models.ensemble import Member
from ash.models.estimated_score import Estimate, estimate, held_out_prediction
from ash.models.inspection import sample_of
from ash.models.model import Model
from ash.models.model_pool import KEPT_OF_FOLDS, Kept, networks_to_keep, read_kept
from ash.options import CATBOOST, EXTRAS, LIGHTGBM, MODELS, TREES, Options, virtual_workers, warn_of_one_rung
from ash.progress.views import announce
from ash.result import CAUSES_SHOWN, Result, no_score
from ash.run_record import TUNE, RunRecord, warn_of_difference
from ash.scoring.fold_scoring import Scoring, check_scorers, check_threshold, fold_scorers, usable_metric
from ash.space.domains import joined_levels
from ash.space.hyperparameters import Params, check_params, to_settings
from ash.space.space import Space, read_space

AS_THEY_ARE = ("eta", "min_epochs", "algorithm", "promotion", "training", "seed", "schedule", "workers", "teams")
"""Options that the core accepts under the same name, and that are never None."""
WORK_OF_INTERRUPTED = 5e9
"""Maximum multiply-adds for predicting the validation rows after Ctrl-C; they take a tenth of a second on one core."""


class TuningRun:
    """One run of `ash.tune` or of an estimator, from the table to the final model. `run` may be called only once.

    Parameters
    ----------
    X, y, space, options, sample_weight, validation, cv, groups
        As for `ash.tune`, with checked options. If `validation` is None, the default for the table is used.
    first
        As for `ash.tune`, not checked yet.
    asked : dict
        The entry point and its arguments, for the journal and the record.
    sort : bool
        As for `read_table`.
    scoring : Scoring, optional
        The user's scoring function.
    final : Final, optional
        How the final model is made from the best networks. By default it is the best network, which is unchanged with
        one fold, and trained on all rows with several folds.
    callbacks, journal, elsewhere
        The checked arguments; `elsewhere` holds the pool that runs the jobs. It is None if this process runs the jobs.
    record : RunRecord, optional
        The record of the run to repeat. With a record, the other arguments must be those that `repeated` returns.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        space: Any,
        options: Options,
        *,
        sample_weight: Any = None,
        validation: Any = None,
        cv: Any = None,
        groups: Any = None,
        first: Any = None,
        asked: dict[str, Any],
        sort: bool = False,
        scoring: Scoring | None = None,
        final: Final | None = None,
        callbacks: tuple[Any, ...] = (),
        journal: Journal | None = None,
        elsewhere: Elsewhere | None = None,
        record: RunRecord | None = None,
    ) -> None:
        self._started = time.monotonic()
        self._prepared: float | None = None  # seconds until training began
        self._X, self._y, self._weight = X, y, sample_weight
        self._validation, self._cv, self._groups = validation, cv, groups
        self._asked_space, self._asked_first, self._sort = space, first, sort
        # The threads of this process. With an executor, `_options.threads` is its number of workers instead.
        self._threads = options.threads
        self._options = options if elsewhere is None else replace(options, threads=elsewhere.pool.workers)
        self._asked, self._scoring, self._final = asked, scoring, final
        self._asked_rungs = options.max_rungs
        self._has_default_work = options.planned and options.time_limit is options.work_limit is None
        self._callbacks, self._path, self._elsewhere, self._record = callbacks, journal, elsewhere, record
        self._check()

    def run(self) -> tuple[Result, Model]:
        """Execute the run, and return the result and the final model.

        With `final`, the final model may differ from the result's model.

        Raises
        ------
        Exception
            As for `ash.tune`.
        """
        with _opened(self._path) as self._journal:
            self._read()
            self._plan()
            data = prepare_all(self._split.folds, self._options)
            self._agree(data)
            self._trees = self._tree_trainer(data)
            dispatcher = dispatcher_of(self._elsewhere, data, self._candidates.params, self._options)
            with Reporter(self._callbacks) as reporter, dispatcher:
                tuner = self._tuner(data, dispatcher.mailbox)
                params, folds = self._candidates.params, len(self._split.folds)
                keeps_drawn = self._candidates.ahead == 0
                self._journal.restore(tuner, params, self._options, folds, self._has_failed, keeps_drawn=keeps_drawn)
                self._warn_of_one_rung(tuner)
                reporter.start(self._description(tuner), self._journal)
                loop = EventLoop(
                    tuner=tuner,
                    candidates=self._candidates,
                    options=self._options,
                    journal=self._journal,
                    reporter=reporter,
                    dispatcher=dispatcher,
                    scorers=self._scorers,
                    trees=self._trees,
                    recorded=self._record,
                )
                self._prepared = time.monotonic() - self._started
                try:
                    ending = loop.run(
                        lambda is_short: self._deadline.left(lambda: self._seconds_after(tuner, dispatcher), is_short)
                    )
                    check_scorers(self._scoring, self._scorers, ending.ended, bool(self._journal.restored))
                    result, model = self._collected(tuner, ending)
                except Exception as error:
                    self._attach_result(error, tuner)
                    raise
                reporter.end(result, model)
        return result, model

    def identity(self) -> Facts:
        """Return the facts that identify the run (`identity_of`), without training anything."""
        with _opened(None) as self._journal:
            self._read()
            self._plan()
            return self._identity_of(prepare_all(self._split.folds, self._options))

    def _identity_of(self, data: Sequence[_core.Data]) -> Facts:
        scoring = None if self._scoring is None else self._scoring.identity
        return identity_of(self._options, self._space, self._split.folds, data, scoring, self._first)

    def _check(self) -> None:
        """Raise SettingError if arguments contradict each other."""
        scoring = self._scoring
        if self._asked_space is not None:
            self._asked_space = read_space(self._asked_space, Space)
        if self._elsewhere is not None and scoring is not None:
            raise SettingError(
                f"{scoring} cannot be sent to the workers of an executor: give a metric that ash computes itself"
            )

    def _read(self) -> None:
        """Read the table and split it."""
        workers, folds = self._options.workers or self._journal.workers(), self._options.folds or self._journal.folds()
        options = replace(self._options, workers=workers, folds=folds)
        self._options = replace(options, workers=virtual_workers(options))
        table, schema = read_table(self._X, self._y, self._options, self._weight, self._sort, self._groups)
        announce(self._options, lambda: summary_of(table, schema).lines())
        if self._validation is self._cv is self._groups is self._record is None:  # the user leaves the split to ash
            warn_of_time_order(table, schema)
        warn_of_suspects(table, schema)
        needs_all = self._scoring is not None and self._scoring.needs_all_classes
        given = {"X": self._X, "y": self._y, "groups": self._groups, "needs_all_classes": needs_all}
        self._split = split_table(table, schema, self._options, self._validation, self._cv, **given)
        self._sample = sample_of(self._split)
        folds = len(self._split.folds)
        self._options = replace(self._options, metric=self._metric(), task=table.task, folds=folds)
        if self._has_default_work:
            self._options = replace(self._options, work_limit=default_work(table.rows))
        check_threshold(self._threshold, table)

    @property
    def _threshold(self) -> str | float | None:
        """Return how a classifier decides, as `decision_threshold` of `ASHClassifier`."""
        return AUTO if self._final is None else self._final.threshold

    def _metric(self) -> str:
        if self._scoring is not None:
            return self._scoring.name
        found = {usable_metric(fold, self._options) for fold in self._split.folds}
        return (
            found.pop() if len(found) == 1 else "neg_root_mean_squared_error"
        )  # used if the default metric is undefined in some folds, so that the folds' metrics differ

    def _plan(self) -> None:
        """Draw the candidates, check that the run fits into memory, and plan the ladder and the deadline."""
        self._space = space_of(self._split.folds, self._options) if self._asked_space is None else self._asked_space
        self._options = replace(self._options, models=tuple(each for each in MODELS if each in self._space.models))
        if self._has_trees:
            announce(self._options, lambda: [f"models: {', '.join(self._options.models)}"])
        self._check_space()
        if self._record is not None:
            self._journal.before, self._journal.began = earlier_of(self._record)
        self._journal.grow(self._space)
        begin = portfolio(str(self._options.task), len(self._split.folds[0].training))
        self._first = read_first(self._asked_first, self._space, self._options.candidates)
        drawn = partial(self._journal.drawn, self._space)
        known, before = self._journal.begun, self._journal.before
        self._candidates = draw(self._space, self._options, begin, known, drawn, self._first, before)
        refit = refits(self._final, self._split)
        self._fit_into_memory(refit)
        self._scorers = fold_scorers(self._scoring, self._X, self._validation, self._split.folds, self._options)
        # A short reserve is enough for a planned run, since it keeps few networks. The exception is a run that must
        # train networks again or on all rows.
        trains_again = refit or self._elsewhere is not None or bool(self._journal.restored)
        reserve = SELECTION if self._options.planned and not trains_again else RESERVE
        if refit and not self._split.is_tiled and self._final is not None and self._final.ensemble > 1:
            reserve = RESERVE_FROM_SCRATCH
        self._deadline = Deadline(self._started - self._journal.seconds, self._options.time_limit, reserve)
        if self._deadline.left() <= 0 and not self._journal.restored:
            raise self._too_short()
        self._options = self._journal.planned(self._options) or planned(
            self._options, self._space, self._split, self._deadline.left()
        )
        if self._has_trees:
            # Recorded trees keep their numbers of rounds, so an epoch must cost the same as before the space grew.
            self._candidates.epoch_cost = epoch_cost(self._options, self._journal.began or self._space, self._split)

    def _check_space(self) -> None:
        """Raise SettingError if the space has a value that cannot be used with this table or executor."""

        def has(name: str, value: str) -> bool:
            return any(domain.has(value) for domain in self._space.domains.get(name, ()))

        if self._split.folds[0].table.frame.stored is not None and has("batch_size", "full"):
            raise SettingError(
                "batch_size='full' needs a dense table: pass X.toarray(), or leave 'full' out of the space"
            )
        if self._has_trees:
            for model, extra in EXTRAS.items():
                if model in self._space.models:
                    require_extra(f"model={model!r}", model, extra)
                    _import(model)
            if self._elsewhere is not None:
                raise SettingError(
                    "boosted trees cannot be trained by an executor: remove executor=, or search networks only"
                )
            if (reason := without_trees(self._split.folds[0])) is not None:
                trees = " and ".join(f"model={model!r}" for model in TREES if model in self._space.models)
                raise SettingError(f"boosted trees {reason}: leave {trees} out of the space")
        if has("target_transform", "log") and (reason := without_logarithms(self._split.folds, self._options)):
            raise SettingError(f"target_transform='log' {reason}: leave 'log' out of the space")

    def _fit_into_memory(self, refit: bool) -> None:
        """Lower the threads and the memory limit until the run fits into the available memory, or raise DataError."""
        scored, kept = self._scoring is not None, self._keep()
        drawn = self._candidates.settings()
        if self._candidates.ahead == 0:  # guided draws: only few are drawn so far, so add random ones
            drawn += map(to_settings, islice(self._space.stream(self._options.seed), CHUNK))
        networks = [each for each in drawn if not each.external_cost]
        about: dict[str, Any] = {"refit": refit, "scored": scored, "leaves": self._most_leaves()}
        about |= {"kept": kept, "count": self._candidates.count}
        needs = needs_of(self._split, networks or [to_settings({})], self._options, **about)
        self._threads, limit = fitted(needs, self._threads, self._options.memory_limit)
        threads = self._threads if self._elsewhere is None else self._options.threads
        self._options = replace(self._options, threads=threads, memory_limit=limit)

    def _agree(self, data: Sequence[_core.Data]) -> None:
        """Write the run's identity to the journal; raise if the journal or the record belongs to another run."""
        self._identity = self._identity_of(data)
        if self._record is not None:
            check_rows(self._record, self._identity)
        by = self._asked["by"] if self._record is None else f"{self._asked['by']} with record="
        self._journal.agree(self._identity, self._options, {**self._asked, "by": by})

    def _tuner(self, data: Sequence[_core.Data], mailbox: _core.Mailbox | None) -> _core.Tuner:
        options = self._options
        return _core.Tuner(
            data,
            self._candidates.settings(),
            count=self._candidates.count,
            **{name: getattr(options, name) for name in AS_THEY_ARE},
            max_rungs=options.max_rungs or 0,
            metric=METRICS[str(options.task)][0] if self._scorers else str(options.metric),
            threads=self._threads,
            memory_limit=options.memory_limit or 0,
            epoch_limit=options.epoch_limit or 0,
            work_limit=options.work_limit or 0.0,
            stop_score=math.nan if options.stop_score is None else options.stop_score,
            patience=options.patience or 0,
            report_limit=0 if self._record is None else len(self._record.decisions),
            scorers=self._scorers,
            keep=self._keep(),
            ahead=self._candidates.ahead,
            mailbox=mailbox,
            external=self._trees,
        )

    def _tree_trainer(self, data: Sequence[_core.Data]) -> TreeTrainer | None:
        """Return the trainer of boosted-tree candidates, or None if the space has no trees."""
        if not self._has_trees:
            return None
        folds, candidates = self._split.folds, self._candidates
        return TreeTrainer(folds, data, candidates.params, self._options, self._scorers, candidates.epoch_cost)

    def _most_leaves(self) -> int:
        """Return the maximum number of leaves of a boosted tree in the space; 0 if the space has no trees."""
        most, levels = 0, joined_levels(self._space.domains)
        for model, name in ((LIGHTGBM, "num_leaves"), (CATBOOST, "depth")):
            if model in self._space.models:
                default = int(check_params({"model": model})[name])
                own = max(map(int, levels.get(name, ())), default=default)
                most = max(most, 2**own if name == "depth" else own)
        return most

    @property
    def _has_trees(self) -> bool:
        return not self._space.models.isdisjoint(TREES)

    def _keep(self) -> int:
        """Return the number of networks to keep.

        With several folds, it is at most KEPT_OF_FOLDS. It is 1 if no ensemble can be made of the folds' models.
        """
        parts, rows = self._split.folds[0], sum(len(fold.validation) for fold in self._split.folds)
        most = networks_to_keep(self._options.keep, rows, parts.table.classes or parts.y.shape[1])
        if len(self._split.folds) == 1:
            return most
        return 1 if self._final is None and not self._split.is_tiled else min(most, KEPT_OF_FOLDS)

    def _has_failed(self) -> bool:
        """Return whether the user's scoring function has raised an exception."""
        return any(scorer.error is not None for scorer in self._scorers)

    def _description(self, tuner: _core.Tuner) -> Run:
        """Return the description of the run that callbacks receive when the run starts."""
        parts, endless = self._split.folds[0], self._options.candidates is None
        classes = parts.table.classes_
        return Run(
            options=self._options,
            space=self._space,
            candidates=None if endless else self._candidates.count,
            rungs=rung_plans(tuner.rungs, endless),
            feature_names=parts.table.frame.names,
            classes=None if classes is None else classes.tolist(),
            training_rows=len(parts.training),
            validation_rows=len(parts.validation),
            folds=len(self._split.folds),
        )

    @property
    def _here(self) -> Options:
        """Return the options with the number of threads of this process, even if the jobs run in an executor."""
        return replace(self._options, threads=self._threads)

    def _seconds_after(self, tuner: _core.Tuner, dispatcher: NoDispatcher) -> float:
        """Return the estimated seconds for retraining missing models, selection and refit if the run ended now."""
        dispatcher.fetch(tuner)
        seconds = final_seconds(tuner, self._split, self._candidates.params, self._here, self._final, self._trees)
        return seconds + completion_seconds(tuner, self._threads, self._trees)

    def _warn_of_one_rung(self, tuner: _core.Tuner) -> None:
        """Warn if the ladder has only one rung although the user did not ask for one rung."""
        options, count = self._options, self._candidates.count
        if len(tuner.rungs) > 1 or count == 1 or self._asked_rungs == 1 or options.algorithm == "random":
            return
        if self._has_default_work:  # the user has set no size that could be changed
            return
        little = f"time_limit={options.time_limit} holds no more", "give more time"
        if options.work_limit is not None:
            little = f"work_limit={options.work_limit} holds no more", "raise work_limit"
        warn_of_one_rung(tuner.rungs[0]["epochs"], options.candidates and count, options.eta, self._space.size, *little)

    def _attach_result(self, error: Exception, tuner: _core.Tuner) -> None:
        """Give an error that ends the run the attribute `result`: the result so far, unless there is none.

        An error of the user's scoring function has none, since the core records the unscored jobs as diverged.
        """
        if self._record is not None or self._prepared is None or self._has_failed():
            return
        seconds = time.monotonic() - self._started - self._prepared
        ending = Ending("interrupted", datetime.now(UTC) - timedelta(seconds=seconds), seconds)
        # Nothing is attached if no job has finished, or if the cause of the error is also in the way of a model.
        with suppress(Exception, KeyboardInterrupt):
            error.result = self._collected(tuner, ending, is_partial=True)[0]  # type: ignore[attr-defined]

    def _collected(self, tuner: _core.Tuner, ending: Ending, *, is_partial: bool = False) -> tuple[Result, Model]:
        """Return the result and the final model, or raise an error that explains why there is no model.

        With `is_partial`, an error has ended the run, perhaps an error of the journal.
        """
        is_interrupted = ending.ended == "interrupted"
        self._refuse_part(is_interrupted)
        work = WORK_OF_INTERRUPTED if is_interrupted else math.inf
        kept = read_kept(tuner, self._split, self._candidates.params, self._options, work, self._trees)
        if kept is None and ending.ended == "time_limit" and not len(tuner.jobs()["rung"]):
            raise self._too_short()
        if kept is None:
            raise no_model(tuner, self._candidates.params, ending)
        recorded = self._record if ending.ended == REPORT_LIMIT else None
        if recorded is not None:
            kept, ending = kept.of(recorded.kept), replace(ending, ended=recorded.ended)
        kept = replace(kept, threshold=self._threshold)
        last: dict[str, Any] = {"interrupted": is_interrupted, "deadline": self._deadline.end, "trees": self._trees}
        finished = finish(
            tuner,
            kept,
            self._split,
            self._here,
            self._final or Final(1, refit=False),
            recorded=None if recorded is None else recorded.refit,
            **last,
        )
        self._refuse_part(finished.interrupted)
        if finished.interrupted:
            ending = replace(ending, ended="interrupted")
        columns, model = tuner.jobs(), finished.model
        held_out, estimated = self._honest(kept, _in_order(tuner.fold_scores(), columns))
        if model.metric == self._options.metric:
            model.estimated_score, model.estimated_score_std_error = estimated
        model.record = record_of(
            asked=self._asked,
            options=self._options,
            identity=self._identity,
            final=self._final,
            sort=self._sort,
            before=self._journal.before,
            began=self._journal.began,
            params=self._candidates.params,
            columns=columns,
            kept=kept,
            refit=finished.epochs,
            ended=ending.ended,
            model=model,
        )
        if not is_partial:
            self._journal.sign(model.record)
        if recorded is not None:
            warn_of_difference(recorded, model.record)
        best = model if isinstance(model, Member) else finished.best
        if self._asked["by"] == TUNE and self._final is not None and self._split.whole is not None:
            # The record is that of an ensemble of the folds' models, but `Result.model` is trained on all rows.
            best = finish(tuner, kept, self._split, self._here, Final(1, refit=False), **last).best
        result = self._result(tuner, columns, kept, best, ending, model.record, held_out, estimated)
        return replace(result, decision_weights=model.decision_weights), model

    def _honest(self, kept: Kept, fold_scores: Columns) -> tuple[NDArray[np.float64], Estimate]:
        """Return the held-out predictions and the estimated score of the final model, selected from `kept`."""
        size = 1 if self._final is None else self._final.ensemble
        folds, count = self._split.folds, len(np.asarray(self._y))
        oof = np.empty(0, np.int64)  # rows of a separate validation table are not rows of X
        if folds[0].held_out is None:
            oof = user_numbers(self._split.table, self._X)[np.concatenate([fold.validation for fold in folds])]
        prediction = held_out_prediction(kept, size, oof, count)
        estimated = estimate(kept, size, fold_scores, [scorer.score_of for scorer in self._scorers])
        if self._has_failed():
            warn_user(f"{self._scoring} failed for the final model, so its score is not estimated")
        return prediction, estimated

    def _refuse_part(self, is_interrupted: bool) -> None:
        """Raise KeyboardInterrupt if Ctrl-C ended a run that repeats a recorded run."""
        if is_interrupted and self._record is not None:
            raise KeyboardInterrupt("the run was interrupted before it had repeated the recorded one")

    def _too_short(self) -> NothingFinished:
        """Return an error that suggests a longer time limit, since the limit passed before the first job ended."""
        job = first_job_seconds(self._options, self._space, self._split)
        prepared = time.monotonic() - self._started if self._prepared is None else self._prepared
        what = "reading" if self._prepared is None else "reading and encoding"
        spent = f"{what} {self._split.table.rows:,} rows took {show_seconds(prepared)}"
        if self._journal.seconds > 0:
            spent = f"earlier calls with this journal took {show_seconds(self._journal.seconds)}, {spent}"
        # If the encoding has not finished, the rest of it is assumed to take half the time spent so far.
        encoding = prepared / 2 if self._prepared is None else 0.0
        needed = (self._journal.seconds + prepared + encoding + job) / (1 - REST - RESERVE)
        return NothingFinished(
            f"time_limit={self._options.time_limit:g} was over before the first job ended: {spent}, and a job takes "
            f"about {show_seconds(job)}; give a time_limit of at least {math.ceil(10 * needed) / 10:g}"
        )

    def _result(
        self,
        tuner: _core.Tuner,
        columns: Columns,
        kept: Kept,
        best: Member,
        ending: Ending,
        record: RunRecord,
        held_out: NDArray[np.float64],
        estimated: Estimate,
    ) -> Result:
        """Return the result, with the kept models as they were scored, and the model of the best candidate."""
        params, ladder = self._candidates.params, tuner.rungs
        if self._options.candidates is None:  # list only candidates that have entered the first rung
            params = params[: ladder[0]["running"] + ladder[0]["finished"]]
        return Result(
            model=best,
            kept=kept,
            sample=self._sample,
            best_candidate=kept.candidates[0],
            best_rung=kept.rungs[0],
            params=tuple(params),
            columns=columns,
            assists=tuner.assists(),
            ladder=ladder,
            memory=tuner.memory,
            fold_scores=_in_order(tuner.fold_scores(), columns),
            options=self._options,
            space=self._space,
            ended=ending.ended,
            started=ending.started,
            wall_seconds=ending.wall_seconds,
            record=record,
            oof_prediction=held_out,
            estimated_score=estimated.score,
            estimated_score_std_error=estimated.std_error,
        )


def _opened(journal: Journal | None) -> NullJournal:
    """Return the open journal of the run; it records nothing if `journal` is None."""
    if journal is None:
        return NullJournal()
    from ash.journal.network_journal import NetworkJournal  # here, since it imports sqlite3 and safetensors

    return NetworkJournal(journal)


def _in_order(fold_scores: Columns, columns: Columns) -> Columns:
    """Return the fold scores in the order of decisions; the core has them in the order in which jobs ended."""
    ended, decided = (
        zip(each["candidate"].tolist(), each["rung"].tolist(), strict=True) for each in (fold_scores, columns)
    )
    places = {key: place for place, key in enumerate(ended)}
    order = [places[key] for key in decided if key in places]  # a job that diverged has no fold scores
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
    return AllDiverged("\n".join([f"{which} diverged; {advice}:", *lines]))


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

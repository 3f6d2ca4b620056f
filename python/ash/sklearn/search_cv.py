"""`ash.ASHSearchCV`: a hyperparameter search for any scikit-learn estimator, which resumes training where possible.

fit -> `ash.tune_function` tunes the function in trainer.py -> result_ -> best_estimator_, refitted on all rows
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold
from sklearn.utils import get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from ash._utils.arguments import explained
from ash._utils.checks import is_integer, whole, yes_or_no
from ash._utils.threads import at_work
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Callback
from ash.data.group_split import read_groups
from ash.entry_points.tune_function import PROCESSES, tune_function
from ash.errors import AllFailed, DataError, FitsFailed, JobFailed, SettingError
from ash.executors.executor_argument import workers_of
from ash.function.answers import can_pack
from ash.function.function_repeat import repeat_of
from ash.function.sources import count_of, read_sampler
from ash.journal.journal import Journal, read_journal
from ash.options import CONFIG_FIELDS, LARGEST, LARGEST_SEED, MOST_WORKERS, SearchConfig, read_config, warn_of_one_rung
from ash.result import FunctionResult, interruption
from ash.run_record import RunRecord
from ash.sklearn.cv_results import JobInfo, ResultRow, best_columns, best_rows, read_info, search_results
from ash.sklearn.estimator_docs import documented_search
from ash.sklearn.estimator_parameters import Configured, jobs_of, progress_of, seed_of, set_parameters, threads_of
from ash.sklearn.estimator_space import examples_of, read_estimator_space
from ash.sklearn.resumable.choose import Way, refit_params, way_of, way_of_all
from ash.sklearn.resumable.ensembles import WARNING
from ash.sklearn.resumable.protocol import N_SAMPLES, ROUNDS, Rows, TransformerCache
from ash.sklearn.search_arguments import (
    SCORE,
    Scorers,
    SearchPlan,
    check_arguments,
    is_on,
    labels_of,
    read_scorers,
    routed,
    splits_of,
)
from ash.sklearn.search_ladder import Rungs, rungs_of
from ash.sklearn.search_threads import IdleThreads, capped, ignored, process_limited
from ash.sklearn.trainer import SearchTable, Trainer, constant_score
from ash.space.hyperparameters import Params

ETA = 2
"""The default reduction factor. In equal time it gives better results than 4, the factor in the ASHA paper, since
early scores say little and each new candidate costs time."""


def _has(name: str) -> Callable[[Any], bool]:
    """Return a function that raises AttributeError if a search has `refit` off, or its estimator lacks `name`."""

    def check(search: Any) -> bool:
        if not search.refit:
            raise AttributeError(
                f"This {type(search).__name__} instance was initialized with `refit={search.refit!r}`: {name} is "
                "available only after refitting on the best parameters; fit an estimator with `best_params_` yourself"
            )
        getattr(search.best_estimator_ if hasattr(search, "best_estimator_") else search.estimator, name)
        return True

    return check


def _warn_of_few_epochs(result: FunctionResult, rungs: Rungs, resource: str, best: int) -> None:
    """Warn if the best candidate has not been trained in the last rung, so that the refit has fewer epochs, too."""
    if result.best_rung + 1 < min(rungs.max_rungs, len(result.ladder)):
        full = "in the last rung" if rungs.max_epochs is None else f"with {resource}={rungs.max_epochs}"
        advice = f": raise {result.ended}, or shorten the ladder" if hasattr(result.options, result.ended) else ""
        warn_user(
            f"the search ended ({result.ended}) before a candidate had been trained {full}; the best one, and so the "
            f"refit, has {best}{advice}"
        )


def _delegated(name: str, what: str) -> Any:
    """Return method `name` for a search, available only if the estimator has it; `what` describes the return value."""

    def method(self: Any, X: Any) -> Any:
        check_is_fitted(self, "best_estimator_")
        return getattr(self.best_estimator_, name)(X)

    method.__name__ = name
    method.__doc__ = f"""Return {what}, computed by the best estimator.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Any input that the estimator accepts.

        Returns
        -------
        ndarray or DataFrame
            The return value of the same method of `best_estimator_`. The search has this method only with `refit`, and
            only if its estimator has it.
        """
    return available_if(_has(name))(method)


@documented_search
class ASHSearchCV(MetaEstimatorMixin, Configured):  # type: ignore[misc]
    """Hyperparameter search for any scikit-learn estimator, by asynchronous halving with cross-validation."""

    @explained(CONFIG_FIELDS)
    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        candidates: int | None = 64,
        time_limit: float | None = None,
        resource: str = "auto",
        max_epochs: int | None = None,
        scoring: Any = None,
        cv: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        forecast: bool = True,
        costs: Any = None,
        sampler: Any = None,
        first: Any = None,
        n_jobs: int | None = -1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
        journal: str | PathLike[str] | Journal | None = None,
        executor: Any = None,
        record: RunRecord | None = None,
        config: SearchConfig | None = None,
    ) -> None:
        set_parameters(self, locals())

    _space_argument = "space"

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Run the search, and fit the best estimator to all rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Any input that the estimator accepts.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
            Labels or targets.
        **params
            Parameters for the estimator's `fit`, such as `sample_weight`. Values with one entry per row are split like
            the rows. `groups` keeps rows with the same label together in all folds. With metadata routing, each
            parameter is passed to the objects that requested it.

        Returns
        -------
        self

        Raises
        ------
        SettingError, DataError
            A parameter or y is invalid. Nothing has been trained.
        FitsFailed
            All fits failed; the message contains a table of causes. With ``error_score="raise"``, the error of the
            first failed fit is raised instead.
        NothingFinished
            A limit or a callback ended the search before the first job finished.
        KeyboardInterrupt
            Ctrl-C ended the search. If a job had finished, the attributes hold the results so far, without a refit.
        """
        trainer, plan = self._prepared(X, y, params)
        result = self._run(trainer, plan)
        for cache in trainer.caches:
            cache.clear()
        scorer = trainer.scorers.scorer
        self.n_splits_, self.scorer_ = len(trainer.splits), getattr(scorer, "_scorers", scorer)
        best = self._keep(result, trainer)
        if result.interrupted and self.record is None:  # returning would let cross_val_score continue
            for name in ("best_estimator_", "refit_time_", "feature_names_in_"):  # attributes of an earlier fit
                self.__dict__.pop(name, None)
            held = "the results so far are in result_, cv_results_ and best_params_"
            raise KeyboardInterrupt(f"{type(self).__name__}.fit was {interruption(result, self.journal)}; {held}")
        if self.record is None:  # the recorded search has warned
            _warn_of_few_epochs(result, trainer.rungs, self.resource_, best.resource)
        if self.refit:
            self._fit_best(trainer, result.params[best.candidate], best.info)
        return self

    predict = _delegated("predict", "predictions")
    predict_proba = _delegated("predict_proba", "the probability of each class")
    predict_log_proba = _delegated("predict_log_proba", "the logarithm of the probability of each class")
    decision_function = _delegated("decision_function", "the values of the decision function")
    score_samples = _delegated("score_samples", "a score of each row")
    transform = _delegated("transform", "transformed rows")
    inverse_transform = _delegated("inverse_transform", "the rows that `transform` would map to X")

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the best estimator's score by `scoring`; of several scores, return the one that `refit` names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
        **params
            Parameters for the scorer. They require metadata routing.

        Returns
        -------
        float
        """
        _has("score" if self.scoring is None else "fit")(self)
        check_is_fitted(self, "best_estimator_")
        if params and not is_on():
            raise ValueError(
                f"score got {sorted(params)}, which need metadata routing: "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        given = dict(process_routing(self, "score", **params).scorer.score) if is_on() else {}
        scorers = read_scorers(self.best_estimator_, self.scoring, self.refit)
        return scorers.measure(self.best_estimator_, X, y, given)[scorers.ranks]

    @property
    def n_features_in_(self) -> int:
        """Return the number of columns of X in `fit`, as the best estimator reports it."""
        try:
            check_is_fitted(self, "best_estimator_")
        except NotFittedError as error:
            raise AttributeError(f"{type(self).__name__} object has no n_features_in_ attribute.") from error
        return int(self.best_estimator_.n_features_in_)

    @property
    def classes_(self) -> Any:
        """Return the class labels of the best estimator, which must be a classifier."""
        _has("classes_")(self)
        return self.best_estimator_.classes_

    def get_metadata_routing(self) -> Any:
        """Return a MetadataRouter that routes parameters of `fit` and `score` to the estimator, scorer and splitter."""
        router = MetadataRouter(owner=self)
        router.add(estimator=self.estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
        scoring = MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score")
        example = examples_of(self._given_space(), self.estimator, self._space_argument)[0]
        router.add(scorer=read_scorers(example, self.scoring, self.refit).scorer, method_mapping=scoring)
        by_number = self.cv is None or is_integer(self.cv)  # then `splits_of` keeps groups together, too
        splitter = GroupKFold() if by_number else self.cv
        router.add(splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        return router

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = copy.deepcopy(inner.classifier_tags)
        tags.regressor_tags = copy.deepcopy(inner.regressor_tags)
        tags.target_tags = copy.deepcopy(inner.target_tags)
        tags.input_tags = copy.deepcopy(inner.input_tags)
        return tags

    def _prepared(self, X: Any, y: Any, params: dict[str, Any]) -> tuple[Trainer, SearchPlan]:
        """Check all arguments; return the trainer for these rows, and the plan of the search."""
        check_arguments(self.estimator, self.refit, self.error_score)
        try:
            X, y = indexable(X, y)
        except ValueError as error:
            raise DataError(f"{error}; pass one y per row") from None
        examples = examples_of(self._given_space(), self.estimator, self._space_argument)
        scorers = read_scorers(examples[0], self.scoring, self.refit)  # self.estimator may have placeholder steps
        given = routed(self, scorers.scorer, params)
        splits = splits_of(self.cv, X, y, given.split, classifies=is_classifier(examples[0]))
        groups = read_groups(given.split.get("groups"), _num_samples(X))
        table = SearchTable(X, y, given.fit, given.score, labels_of(examples[0], y), groups)
        plan = self._plan(table, splits, way_of_all(examples, self.resource))
        if plan.way.resource in plan.space.space.domains:
            has = f"{self._space_argument} has {plan.way.resource!r}"
            raise SettingError(f"{has}, which the ladder sets: leave it out, or give another resource=")
        return self._trainer(table, plan, splits, scorers, examples), plan

    def _given_space(self) -> Any:
        return self.space

    def _plan(self, table: SearchTable, splits: list[Any], way: Way) -> SearchPlan:
        space = read_estimator_space(self.space, self.estimator)
        candidates = None if self.candidates is None else whole("candidates", self.candidates, 1, LARGEST)
        first = space.read_first(self.first, candidates, "candidates")
        count = None if candidates is None else count_of(first, space.space, candidates, read_sampler(self.sampler))
        rungs = self._rungs(table, way, splits, count, space.space.size)
        return SearchPlan(space, way, candidates, first, rungs, self._seed())

    def _trainer(
        self, table: SearchTable, plan: SearchPlan, splits: list[Any], scorers: Scorers, examples: list[Any]
    ) -> Trainer:
        way = plan.way
        ways = [(way_of(each, way.resource), each) for each in examples]
        jobs = self._jobs(any(own.is_on_gpu(each) for own, each in ways))
        executor = self._executor(jobs > 1 and any(own.wants_process(each) for own, each in ways), scorers)
        # The learning curve of boosting begins at the score of a constant prediction.
        begins = self.forecast and any(own.law_of(each) == ROUNDS for own, each in ways)
        return Trainer(
            caller=type(self).__name__,
            estimator=clone(self.estimator),
            objects=plan.space.objects,
            way=way,
            rungs=plan.rungs,
            table=table,
            splits=splits,
            scorers=scorers,
            inner=self._inner(jobs),
            jobs=jobs,
            seed=plan.seed,
            restart=self._config().training == "restart",
            refits=bool(self.refit),
            with_train=yes_or_no("return_train_score", self.return_train_score),
            config=get_config(),
            caches=[TransformerCache() for _ in range(2 * len(splits))],
            executor=executor,
            idle_threads=IdleThreads(jobs if executor is None else 1),
            eta=self._config().eta or ETA,
            forecasts=yes_or_no("forecast", self.forecast),
            constant=constant_score(examples[0], table, splits[0], scorers) if begins else None,
        )

    def _seed(self) -> int:
        """Return the seed of `random_state`; if that is None, the seed of the record, or else of the journal's run."""
        if self.record is None or self.random_state is not None:
            return seed_of(self.random_state, read_journal(self.journal))
        repeat_of(self.record)
        return whole("seed of the record", self.record.settings.get("seed"), 0, LARGEST_SEED)

    def _inner(self, jobs: int) -> int:
        """Return the number of threads that libraries may start in a job; results may depend on this number."""
        if self.record is None:
            return max(1, threads_of(-1) // jobs)
        repeat_of(self.record)
        return whole("threads of a job in the record", self.record.plan.get("threads of a job"), 1, MOST_WORKERS)

    def _rungs(self, table: SearchTable, way: Way, splits: list[Any], count: int | None, size: int) -> Rungs:
        """Return the ladder for `count` candidates (None for an endless stream).

        The space has `size` configurations.
        """
        config = self._config()
        rungs = rungs_of(
            *(way, whole("eta", config.eta or ETA, 2, 1024), config.min_epochs, self.max_epochs, config.max_rungs),
            candidates=count,
            restart=config.training == "restart",
            rows=min(len(train) for train, _ in splits),
            classes=1 if table.classes is None else len(table.classes),
        )
        is_wanted = self.max_epochs is not None and self.max_epochs in (1, config.min_epochs)
        is_wanted |= config.max_rungs is not None or config.algorithm == "random"
        if rungs.max_rungs == 1 and count != 1 and not is_wanted:
            little = "max_epochs is too small for more", "raise max_epochs, or lower min_epochs in the config"
            warn_of_one_rung(rungs.max_epochs or rungs.min_epochs, count, config.eta or ETA, size, *little)
        return rungs

    def _config(self) -> SearchConfig:
        return read_config("search", self.config)

    def _executor(self, wants_process: bool, scorers: Scorers) -> Any:
        """Return the given executor.

        Without an executor, return PROCESSES if jobs run better in processes and can be pickled, otherwise None.
        """
        if self.executor is not None or not wants_process:
            return self.executor
        return PROCESSES if can_pack([self.estimator, scorers.scorer]) else None

    def _jobs(self, is_on_gpu: bool) -> int:
        """Return the number of concurrent jobs: the number of threads or, with an executor, of its workers.

        Nets on this machine's GPU are trained one at a time, unless `n_jobs` is positive.
        """
        if self.executor is None or isinstance(self.executor, str):
            threads = threads_of(self.n_jobs)
            return 1 if is_on_gpu and jobs_of(self.n_jobs) is None else threads
        return workers_of(self.executor, jobs_of(self.n_jobs))

    def _run(self, trainer: Trainer, plan: SearchPlan) -> FunctionResult:
        settings = {name: getattr(self, name) for name in ("time_limit", "sampler", "callbacks", "journal", "record")}
        settings |= {"candidates": plan.candidates, "first": plan.first}
        settings |= {"threads": trainer.jobs, "seed": trainer.seed, "progress": progress_of(self.verbose)}
        settings["executor"] = trainer.executor
        config = self._config()
        settings["config"] = replace(
            config,
            eta=trainer.eta,
            min_epochs=trainer.rungs.min_epochs,
            max_rungs=trainer.rungs.max_rungs,
        )
        settings["error"] = "raise" if isinstance(self.error_score, str) else "record"
        costs = (lambda _, epochs: max(epochs, 1)) if self.costs is None and config.schedule != "greedy" else self.costs
        try:
            # `fit` raises KeyboardInterrupt instead of a warning.
            with process_limited(trainer.inner), ignored(WARNING, "the run was interrupted"):
                return tune_function(trainer, plan.space.space, costs=costs, **settings)
        except JobFailed as error:
            cause = error.__cause__ or FitsFailed(str(error))
            cause.result = getattr(error, "result", None)  # type: ignore[attr-defined]
            raise cause from None
        except AllFailed as error:
            raise FitsFailed(str(error)) from None

    def _keep(self, result: FunctionResult, trainer: Trainer) -> ResultRow:
        """Set the fitted attributes from a result, and return the best candidate's row."""
        way = trainer.way
        self.result_, self.resource_ = result, way.resource
        all_infos = [read_info(info) for info in result.infos]
        jobs = zip(all_infos, result.columns["diverged"].tolist(), strict=True)
        infos = [info for info, failed in jobs if info is not None and not failed]
        self.retrained_ = {why: sum(info.why == why for info in infos) for why in {i.why: 0 for i in infos} if why}
        self.continued_ = not self.retrained_ and not trainer.restart
        self.trained_ = sum(info.trained for info in infos) + result.memory["retrained_epochs"]
        counts = way.resource if way.parameter is not None else None
        missing = np.nan if isinstance(self.error_score, str) else float(self.error_score)
        rows = [
            row._replace(params=trainer.objects.values(row.params))
            for row in self._rows(result, all_infos, trainer.rungs)
        ]
        self.cv_results_ = search_results(rows, counts, missing, len(trainer.splits)) | self._own_columns(rows, result)
        means = [name for name in self.cv_results_ if name.startswith("mean_test_")]
        self.multimetric_ = means != [f"mean_test_{SCORE}"]  # one of several scores may be called "score", too
        if callable(self.refit):
            self.best_index_ = self.refit(self.cv_results_)
            if not is_integer(self.best_index_) or not 0 <= self.best_index_ < len(rows):
                raise SettingError(f"refit must return a row from 0 to {len(rows) - 1}, got {self.best_index_!r}")
        else:
            scores = self.cv_results_[f"mean_test_{trainer.scorers.ranks if self.multimetric_ else SCORE}"]
            best_job = result.best_candidate, result.best_rung
            self.best_index_ = [(row.candidate, row.rung) for row in rows].index(best_job)
            self.best_score_ = float(scores[self.best_index_])
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        best: ResultRow = rows[self.best_index_]
        self.best_epochs_ = best.resource
        return best

    def _rows(self, result: FunctionResult, infos: list[JobInfo | None], _: Rungs) -> list[ResultRow]:
        return best_rows(result, infos)

    def _own_columns(self, rows: list[ResultRow], result: FunctionResult) -> dict[str, Any]:
        return best_columns(rows, result, restart=self._config().training == "restart")

    def _fit_best(self, trainer: Trainer, params: Params, info: JobInfo | None) -> None:
        began, table = time.perf_counter(), trainer.table
        made = trainer.prepared(params)
        way = way_of(made, trainer.way.resource)
        rows, threads = Rows(table.X, table.y, table.fit, table.classes), threads_of(self.n_jobs)
        own = {name: value for name, value in capped(made, threads).items() if not name.endswith("thread_count")}
        before = {name: made.get_params(deep=True)[name] for name in own}
        made.set_params(**own)
        with at_work(), process_limited(threads), ignored(WARNING):
            if way.resource == N_SAMPLES or (way.parameter is not None and way.parameter != "max_epochs"):
                made.set_params(**({} if way.parameter is None else {way.resource: self.best_epochs_}))
                made.set_params(**refit_params(made, None if info is None else info.rounds))
                rows.fit(made)
            else:
                under = way.begin(made, trainer.seed_of(params))
                under.more(rows, self.best_epochs_)
                made = under.estimator
        self.best_estimator_ = made.set_params(**before) if before else made
        self.refit_time_ = time.perf_counter() - began
        if hasattr(made, "feature_names_in_"):
            self.feature_names_in_ = made.feature_names_in_

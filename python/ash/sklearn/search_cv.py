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
from sklearn.utils.validation import check_is_fitted

from ash._utils.arguments import explained
from ash._utils.checks import is_integer, whole, yes_or_no
from ash._utils.machine import threads_of
from ash._utils.threads import at_work
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Callback
from ash.engine.repeat import repeat_of
from ash.entry_points.tune_function import PROCESSES, tune_function
from ash.errors import AllFailedError, DataError, FitsFailedError, JobFailedError, SettingError
from ash.executors.executor_argument import workers_of
from ash.function.answers import can_pack
from ash.journal.identity import seed_of
from ash.journal.journal import Journal, read_journal
from ash.options import (
    CONFIG_FIELDS,
    LARGEST,
    LARGEST_SEED,
    MOST_WORKERS,
    WORKER_TIMEOUT,
    SearchConfig,
    read_config,
    read_sampler,
    read_seed,
)
from ash.result import FunctionResult, interruption
from ash.run_record import RunRecord
from ash.sampling import count_of
from ash.sklearn.cv_results import JobInfo, ResultRow, ResultTable, best_rows, read_info, search_results
from ash.sklearn.estimator_parameters import Configured
from ash.sklearn.estimator_space import examples_of, read_estimator_space
from ash.sklearn.resumable.choose import Way, set_for_refit, way_of, way_of_all
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
from ash.sklearn.trainer import JobSettings, SearchTable, Trainer, constant_score
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


class ASHSearchCV(MetaEstimatorMixin, Configured):  # type: ignore[misc]
    """Hyperparameter search for any scikit-learn estimator, by asynchronous halving with cross-validation.

    All candidates are trained briefly. The best half of those finished so far is trained further, and so on up the
    ladder of `ash.tune_function`. In each fold, promoted candidates continue from their existing trees, rounds or
    weights, if their library allows it. Otherwise they are trained from scratch, and `retrained_` says why.

    Parameters
    ----------
    estimator : estimator
        An estimator with scikit-learn's interface: forests, boosting (scikit-learn, LightGBM, XGBoost or CatBoost),
        anything with `partial_fit`, skorch nets (PyTorch), a Pipeline that ends in one of these, or anything with
        `fit`.
    space : FunctionSpace, dict or list of dicts
        Domains of the estimator's parameters by name, as for `ash.tune_function`: lists, `ash.loguniform`, scipy.stats
        distributions. Options may be objects, such as alternative estimators of a pipeline:
        ``{"clf": [forest, svc], "clf__C": ...}``. A nested parameter is searched only with the options that have it;
        ``.when(clf=svc)`` restricts a domain further. Each dict in a list of dicts is a separate space, and each
        candidate is drawn from one of them.
    candidates : int or None, default=64
        The number of candidates to try. None: an endless stream, which must be ended by `time_limit`, or by
        `max_total_epochs`, `stop_score` or `patience` in the config.
    time_limit : float, optional
        Seconds for search and refit. No job is started once only the expected time of the refit is left.
    resource : str, default="auto"
        What an epoch is. "auto": `n_estimators`, `max_iter`, `iterations` or `max_epochs` for estimators that can
        resume training; "epochs" (passes over the rows) for those with `partial_fit`; "n_samples" (rows in a fixed
        order) for all others, and for alternative estimators without a common resource. It can also be the name of any
        parameter that counts something; an estimator that cannot resume training by this parameter is trained from
        scratch in each rung, for all its epochs so far.
    max_epochs : int or None, default=None
        Total epochs of a candidate after the top rung. None: as many as an ordinary fit takes (the estimator's own
        value of the resource, 64 passes, or all rows). The first rung has at least 1/21 of this total, rounded down:
        for 100 epochs the totals are 6, 18, 42 and 100. With `min_epochs` in the config, the first rung has that many
        epochs, and there are as many rungs as `max_epochs` allows.
    scoring : str, callable, list, dict or None, default=None
        As in scikit-learn's searches. If there are several scores, `refit` names the score that ranks candidates.
    cv : int, splitter, iterable of (training rows, test rows) or None, default=None
        As in scikit-learn's searches: None is 5 folds. One job trains all folds of a candidate. Splits are made once.
    refit : bool, str or callable, default=True
        Whether the best candidate is fitted to all rows, for as many epochs as it had. A str or a function also means
        True. A str is the name of the score that ranks the candidates; a function takes `cv_results_` and returns
        `best_index_`.
    error_score : "raise" or number, default=nan
        The score in `cv_results_` of a fold that failed; the other folds keep theirs. A candidate with a failed fold is
        not promoted, and ranks last even if `error_score` is a number. "raise": the first error ends the search.
    return_train_score : bool, default=False
        Whether training rows are scored too.
    forecast : bool, default=True
        Whether forests and boosting are promoted by their forecast score in the next rung, since deep trees pay off
        only when many are averaged, and low learning rates only after many rounds. For this, one fold is also scored
        after half of the epochs of the first rung.
    costs, sampler, first
        As for `ash.tune_function`; `first` may be the `result_` of an earlier search.
    n_jobs : int or None, default=None
        The number of concurrent jobs, as for `ash.ASHClassifier`. Libraries may start ``CPUs // jobs`` threads in each
        job. skorch nets on a GPU (``device="cuda"`` or ``"mps"``) are trained one at a time, unless `n_jobs` is
        positive.
    random_state : int, RandomState or None, default=None
        Seeds the candidates, and the estimator if its own `random_state` is None.
    verbose : int, default=0
        1: show the progress on stderr, if that is a terminal. 2: in notebooks and logs too.
    callbacks : ash.Callback, sequence of them or None, default=None
        Objects that are notified of the start, each finished job and the end; each can end the search.
    journal : str, path-like, ash.Journal or None, default=None
        A file to which each result is written within 50 ms. Calling `fit` again with the same rows, estimator and
        parameters resumes the search, if `random_state` is an int or None (None: the journal's seed is used). The file
        does not contain estimators, so promoted candidates are trained again.
    executor : None, "processes", or an object with `submit`, default=None
        Where jobs run, as for `ash.tune_function`. None: in threads, which also share the folds of a job if there are
        fewer jobs than threads. The exceptions are `HistGradientBoosting` and skorch nets on a CPU, for which threads
        would wait for the GIL. For these, None means processes if the estimator and the scorer can be pickled.
    record : ash.RunRecord or None, default=None
        ``result_.record`` of an earlier fit. With this record and the same rows, the same search repeats that fit,
        independently of the clock, on any number of threads. The libraries get as many threads per job as in that fit.
    config : ash.SearchConfig or None, default=None
        All other options: the ladder, the schedule, limits. Its fields are parameters too:
        ``set_params(config__eta=3)``.

    Attributes
    ----------
    best_params_, best_score_, best_index_, best_estimator_, cv_results_, scorer_, n_splits_, refit_time_, multimetric_
        As in scikit-learn's searches. `cv_results_` has one row per candidate, for its job in the highest rung, with
        this `rung` and the total epochs (`resource`) of that job. A parameter that counts epochs is in `params` too.
        The best candidate has the best score in the highest rung that any candidate has finished.
    best_epochs_ : int
        Epochs of the best candidate; with early stopping, the mean over the folds of the best number of rounds.
    resource_ : str
        What an epoch is.
    continued_ : bool
        Whether all promoted candidates were trained further from their state.
    retrained_ : dict of str to int
        The reasons why jobs trained from scratch, and the number of jobs for each.
    trained_ : int
        Total epochs trained, including repeated ones. An epoch counts once, although it trains all folds.
    result_ : ash.FunctionResult
        The whole run: jobs, rungs, plots, report. `result_.best_state` has the estimators of the folds.
    classes_, n_features_in_, feature_names_in_
        As in the best estimator.

    See Also
    --------
    ash.HalvingRandomSearchCV : The same search with the names of scikit-learn's `HalvingRandomSearchCV`.
    ash.tune_function : The same ladder for any function.
    ash.ASHClassifier : Networks of the native core.

    Notes
    -----
    LightGBM, XGBoost and CatBoost with `early_stopping_rounds` hold out a tenth of the training rows of each fold: by
    class, in whole groups, or the last rows if the test rows follow the training rows. Each round is scored on these
    rows by the metric of the library (`eval_metric`). The model with the best number of rounds is scored by `scoring`
    on the test rows. The refit has this number of rounds and does not stop early. scikit-learn's estimators that hold
    out their own rows for early stopping (`early_stopping`, `n_iter_no_change`) do so within each rung.

    Forecasts assume that the error of the mean of t trees shrinks as 1/t. The score of boosting starts at the score of
    a constant prediction, and each of the first rounds closes a constant share of the gap to the final score. Later the
    score grows by a constant amount whenever the rounds grow by the same factor. The `loss` of a job in `result_` is
    its negated forecast, or its negated score if there is no forecast. The `loss` ranks the candidates and guides a
    `sampler`, but does not decide which candidate is the best.

    References
    ----------
    Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv:1810.05934.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> space = {"max_features": [1, 2, 4], "min_samples_leaf": [1, 2, 5]}
    >>> search = ash.ASHSearchCV(RandomForestClassifier(n_estimators=15), space, candidates=4, cv=2)
    >>> search.fit(X, y).resource_, search.continued_
    ('n_estimators', True)
    """

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
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
        journal: str | PathLike[str] | Journal | None = None,
        executor: Any = None,
        record: RunRecord | None = None,
        config: SearchConfig | None = None,
    ) -> None:
        self.estimator, self.space, self.candidates, self.time_limit = estimator, space, candidates, time_limit
        self.resource, self.max_epochs, self.scoring, self.cv = resource, max_epochs, scoring, cv
        self.refit, self.error_score, self.return_train_score = refit, error_score, return_train_score
        self.forecast, self.costs, self.sampler, self.first = forecast, costs, sampler, first
        self.n_jobs, self.random_state, self.verbose, self.callbacks = n_jobs, random_state, verbose, callbacks
        self.journal, self.executor, self.record, self.config = journal, executor, record, config

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
        FitsFailedError
            All fits failed; the message contains a table of causes. With ``error_score="raise"``, the error of the
            first failed fit is raised instead.
        NothingFinishedError
            A limit or a callback ended the search before the first job finished.
        KeyboardInterrupt
            Ctrl-C ended the search. If a job had finished, the attributes hold the results so far, without a refit.
        """
        trainer, decided = self._prepared(X, y, params)
        result = self._run(trainer, decided)
        for cache in trainer.caches:
            cache.clear()
        scorer = trainer.scorers.scorer
        self.n_splits_, self.scorer_ = len(trainer.table.splits), getattr(scorer, "_scorers", scorer)
        best = self._keep(result, trainer)
        if result.interrupted and self.record is None:  # returning would let cross_val_score continue
            for name in ("best_estimator_", "refit_time_", "feature_names_in_"):  # attributes of an earlier fit
                self.__dict__.pop(name, None)
            held = "the results so far are in result_, cv_results_ and best_params_"
            raise KeyboardInterrupt(f"{type(self).__name__}.fit was {interruption(result, self.journal)}; {held}")
        if self.record is None:  # the recorded search has warned
            _warn_of_few_epochs(result, trainer.search.rungs, self.resource_, best.resource)
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
        # For a number of folds, `splits_of` keeps groups together, too.
        splitter = GroupKFold() if self.cv is None or is_integer(self.cv) else self.cv
        router.add(splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        return router

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        for name in ("estimator_type", "classifier_tags", "regressor_tags", "target_tags", "input_tags"):
            setattr(tags, name, copy.deepcopy(getattr(inner, name)))
        return tags

    def _prepared(self, X: Any, y: Any, params: dict[str, Any]) -> tuple[Trainer, dict[str, Any]]:
        """Check all arguments; return the trainer for these rows, and the arguments of the run that were decided."""
        check_arguments(self.estimator, self.refit, self.error_score)
        try:
            X, y = indexable(X, y)
        except ValueError as error:
            raise DataError(f"{error}; pass one y per row") from None
        examples = examples_of(self._given_space(), self.estimator, self._space_argument)
        scorers = read_scorers(examples[0], self.scoring, self.refit)  # self.estimator may have placeholder steps
        given = routed(self, scorers.scorer, params)
        splits, groups = splits_of(self.cv, X, y, given.split, classifies=is_classifier(examples[0]))
        table = SearchTable(Rows(X, y, given.fit, labels_of(examples[0], y)), splits, groups, given.score)
        plan = self._plan(table, way_of_all(examples, self.resource))
        if plan.way.resource in plan.space.space.domains:
            has = f"{self._space_argument} has {plan.way.resource!r}"
            raise SettingError(f"{has}, which the ladder sets: leave it out, or give another resource=")
        return self._trainer(table, plan, scorers, examples)

    def _given_space(self) -> Any:
        return self.space

    def _plan(self, table: SearchTable, way: Way) -> SearchPlan:
        space = read_estimator_space(self.space, self.estimator)
        candidates = None if self.candidates is None else whole("candidates", self.candidates, 1, LARGEST)
        first = space.read_first(self.first, candidates, "candidates")
        count = None if candidates is None else count_of(first, space.space, candidates, read_sampler(self.sampler))
        rungs = self._rungs(table, way, count, space.space.size)
        return SearchPlan(space, way, candidates, first, rungs, self._seed())

    def _trainer(
        self, table: SearchTable, plan: SearchPlan, scorers: Scorers, examples: list[Any]
    ) -> tuple[Trainer, dict[str, Any]]:
        ways = [(way_of(each, plan.way.resource), each) for each in examples]
        if self.executor is None or isinstance(self.executor, str):
            jobs = threads_of("n_jobs", self.n_jobs)
            if (self.n_jobs is None or self.n_jobs < 0) and any(own.is_on_gpu(each) for own, each in ways):
                jobs = 1  # nets on this machine's GPU are trained one at a time, unless `n_jobs` is positive
        else:
            timeout = self._config().worker_timeout
            jobs = workers_of(self.executor, self.n_jobs, WORKER_TIMEOUT if timeout is None else timeout)
        executor, wants_process = self.executor, any(own.wants_process(each) for own, each in ways)
        if executor is None and jobs > 1 and wants_process and can_pack([self.estimator, scorers.scorer]):
            executor = PROCESSES
        # The learning curve of boosting begins at the score of a constant prediction.
        begins = self.forecast and any(own.law_of(each) == ROUNDS for own, each in ways)
        settings = JobSettings(
            eta=self._config().eta or ETA,
            restart=self._config().training == "restart",
            forecasts=yes_or_no("forecast", self.forecast),
            with_train=yes_or_no("return_train_score", self.return_train_score),
            refits=bool(self.refit),
            inner=self._inner(jobs),
            config=get_config(),
        )
        trainer = Trainer(
            by=type(self).__name__,
            estimator=clone(self.estimator),
            search=plan,
            settings=settings,
            table=table,
            scorers=scorers,
            constant=constant_score(examples[0], table, scorers) if begins else None,
            idle_threads=IdleThreads(jobs if executor is None else 1),
            caches=[TransformerCache() for _ in range(2 * len(table.splits))],
        )
        run = {"space": plan.space.space, "candidates": plan.candidates, "first": plan.first}
        return trainer, {**run, "random_state": plan.seed, "n_jobs": jobs, "executor": executor}

    def _seed(self) -> int:
        """Return the seed of `random_state`; if that is None, the seed of the record, or else of the journal's run."""
        if self.record is None or self.random_state is not None:
            seed = seed_of(read_journal(self.journal)) if self.random_state is None else self.random_state
            return read_seed("random_state", seed)
        repeat_of(self.record)
        return whole("seed of the record", self.record.settings.get("seed"), 0, LARGEST_SEED)

    def _inner(self, jobs: int) -> int:
        """Return the number of threads that libraries may start in a job; results may depend on this number."""
        if self.record is None:
            return max(1, threads_of("n_jobs", -1) // jobs)
        repeat_of(self.record)
        return whole("threads of a job in the record", self.record.plan.get("threads of a job"), 1, MOST_WORKERS)

    def _rungs(self, table: SearchTable, way: Way, count: int | None, size: int) -> Rungs:
        """Return the ladder for `count` candidates (None for an endless stream).

        The space has `size` configurations.
        """
        config = self._config()
        return rungs_of(
            *(way, whole("eta", config.eta or ETA, 2, 1024), config.min_epochs, self.max_epochs, config.max_rungs),
            candidates=count,
            restart=config.training == "restart",
            rows=table.training_rows,
            classes=table.class_count,
        )

    def _config(self) -> SearchConfig:
        return read_config("search", self.config, type(self))

    def _run(self, trainer: Trainer, decided: dict[str, Any]) -> FunctionResult:
        given = ("time_limit", "costs", "sampler", "callbacks", "journal", "record", "verbose")
        settings = {**{name: getattr(self, name) for name in given}, **decided}
        rungs, eta = trainer.search.rungs, trainer.settings.eta
        settings["config"] = replace(self._config(), eta=eta, min_epochs=rungs.min_epochs, max_rungs=rungs.max_rungs)
        settings["error"] = "raise" if isinstance(self.error_score, str) else "record"
        try:
            # `fit` raises KeyboardInterrupt instead of a warning.
            with process_limited(trainer.settings.inner), ignored(WARNING, "the run was interrupted"):
                return tune_function(trainer, **settings)
        except JobFailedError as error:
            cause = error.__cause__ or FitsFailedError(str(error))
            cause.result = getattr(error, "result", None)  # type: ignore[attr-defined]
            raise cause from None
        except AllFailedError as error:
            raise FitsFailedError(str(error)) from None

    def _keep(self, result: FunctionResult, trainer: Trainer) -> ResultRow:
        """Set the fitted attributes from a result, and return the best candidate's row."""
        way = trainer.search.way
        self.result_, self.resource_ = result, way.resource
        all_infos = [read_info(info) for info in result.infos]
        jobs = zip(all_infos, result.columns["diverged"].tolist(), strict=True)
        infos = [info for info, failed in jobs if info is not None and not failed]
        self.retrained_ = {why: sum(info.why == why for info in infos) for why in {i.why: 0 for i in infos} if why}
        self.continued_ = not self.retrained_ and not trainer.settings.restart
        self.trained_ = sum(info.trained for info in infos) + result.memory["retrained_epochs"]
        counts = way.resource if way.parameter is not None else None
        missing = np.nan if isinstance(self.error_score, str) else float(self.error_score)
        found, own_columns = self._rows(result, all_infos, trainer)
        rows = [row._replace(params=trainer.search.space.objects.values(row.params)) for row in found]
        self.cv_results_ = search_results(rows, counts, missing, len(trainer.table.splits)) | own_columns
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

    def _rows(self, result: FunctionResult, infos: list[JobInfo | None], trainer: Trainer) -> ResultTable:
        return best_rows(result, infos, trainer.settings.restart)

    def _fit_best(self, trainer: Trainer, params: Params, info: JobInfo | None) -> None:
        began = time.perf_counter()
        made = trainer.prepared(params)
        way = way_of(made, trainer.search.way.resource)
        rows, threads = trainer.table.rows, threads_of("n_jobs", self.n_jobs)
        own = {name: value for name, value in capped(made, threads).items() if not name.endswith("thread_count")}
        before = {name: made.get_params(deep=True)[name] for name in own}
        made.set_params(**own)
        with at_work(), process_limited(threads), ignored(WARNING):
            if way.resource == N_SAMPLES or (way.parameter is not None and way.parameter != "max_epochs"):
                made.set_params(**({} if way.parameter is None else {way.resource: self.best_epochs_}))
                set_for_refit(made, None if info is None else info.rounds)
                rows.fit(made)
            else:
                under = way.begin(made, trainer.seed_of(params))
                under.more(rows, self.best_epochs_)
                made = under.estimator
        self.best_estimator_ = made.set_params(**before) if before else made
        self.refit_time_ = time.perf_counter() - began
        if hasattr(made, "feature_names_in_"):
            self.feature_names_in_ = made.feature_names_in_

"""Estimators with scikit-learn's conventions: `ASHClassifier` and `ASHRegressor`.

    fit -> the run of `ash.tune` -> result_ -> model_ (the best network or an ensemble), which predicts

Unlike `ash.tune`, the estimators sort the rows by their contents (ash/encoding/equal_rows.py). So a fit does not
depend on the order of the rows, and a row that occurs k times has the same effect as one row with weight k.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ash._utils.arguments import explained
from ash._utils.checks import whole, yes_or_no
from ash._utils.machine import threads_of
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Callback
from ash.callbacks.dispatch import read_callbacks
from ash.data.frames import read_frame
from ash.encoding.schema import names_differ
from ash.engine.refit import Final
from ash.engine.repeat import repeated
from ash.engine.run import run_table
from ash.engine.stages import Asked
from ash.errors import DataError
from ash.executors.executor_argument import pool_of
from ash.journal.identity import asked_of, seed_of
from ash.journal.journal import Journal, read_journal
from ash.metrics import Task
from ash.models.decision import AUTO, read_threshold
from ash.models.model import Model, Outputs, normalized
from ash.models.model_pool import MOST_DRAWS
from ash.options import CONFIG_FIELDS, SearchConfig, optuna_sampler_of, read_options
from ash.result import Result, interruption
from ash.run_record import RunRecord
from ash.scoring.fold_scoring import read_scoring
from ash.sklearn.cv_results import tuning_results
from ash.sklearn.estimator_docs import documented
from ash.sklearn.estimator_parameters import Configured
from ash.space.space import Space


class _Estimator(Configured):
    """The base class of both estimators."""

    _task: ClassVar[Task]

    def __sklearn_clone__(self) -> Self:
        """Return a clone that shares the executor, since an executor's connection to its workers cannot be copied."""
        alone = copy.copy(self)
        alone.executor = None
        twin: Self = super(_Estimator, alone).__sklearn_clone__()
        twin.executor = self.executor
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without the parts that only methods of `result_` need: kept networks and rows."""
        state = dict(super().__getstate__())
        if "result_" in state:
            state["result_"] = replace(state["result_"], kept=None, sample=None)
        return state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Tune models on a table; keep the best model, or an ensemble of the best models.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            A table of numbers, booleans, text and categories; cells may be missing. It may be an array, a list, a
            pandas or polars DataFrame, a pyarrow table, or a SciPy sparse matrix.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any dtype, or numeric targets. Only regression allows more than one column.
        sample_weight : array-like of shape (n_samples,), optional
            In training and in the score, a row with integer weight k counts as k equal rows; weight 0 excludes a row.
        groups : array-like of shape (n_samples,), optional
            A label for each row, such as a person. Rows with the same label are never on both sides of a split, with
            any `cv` and `validation`; they cannot be given with a validation table.

        Returns
        -------
        self

        Raises
        ------
        DataError, SettingError
            X, y or a parameter is invalid. Both errors are subclasses of ValueError. Nothing has been trained.
        AllDivergedError, NothingFinishedError
            No candidate has a score; see `ash.tune`.
        JournalError
            See `ash.tune`.
        KeyboardInterrupt
            Ctrl-C ended the run. If a job had finished, the estimator is fitted with the results so far.
        """
        journal = read_journal(self.journal)
        asked = self._asked(journal)
        rows = {"sample_weight": sample_weight, "groups": groups}
        callbacks = read_callbacks(self.callbacks)
        timeout = asked.options.worker_timeout
        pool = None if self.executor is None else pool_of(self.executor, self.n_jobs, timeout)
        result, model = run_table(X, y, asked, **rows, callbacks=callbacks, journal=journal, pool=pool)
        self._keep(result, model)
        if result.interrupted and self.record is None:  # returning would let cross_val_score continue
            held = "the results so far are in result_ and model_"
            raise KeyboardInterrupt(f"{type(self).__name__}.fit was {interruption(result, self.journal)}; {held}")
        return self

    def _asked(self, journal: Journal | None) -> Asked:
        """Return the arguments of the run: the estimator's parameters, or those in the record."""
        given = {name: getattr(self, name) for name in inspect.signature(self._kind).parameters}
        if self.record is not None:
            return repeated("estimators", self._kind, given, self.record, self._task)
        about = {"loss": given.get("loss", ""), "pos_label": given.get("pos_label")}
        metric, scoring = read_scoring(self.scoring, self._task, **about)
        size = whole("ensemble", self.ensemble, 1, MOST_DRAWS)
        threshold = read_threshold("decision_threshold", given.get("decision_threshold", AUTO))
        seed = seed_of(journal) if self.random_state is None else self.random_state
        plain = {**given, "scoring": metric, "task": self._task, "random_state": seed}
        options = read_options("estimators", plain)
        return Asked(
            options=options,
            call=asked_of(type(self).__name__, given, options),
            space=self.space,
            first=self.first,
            validation=self.validation,
            cv=self.cv,
            sort=True,
            scoring=scoring,
            final=Final(size, yes_or_no("refit", self.refit), threshold),
            sampler=optuna_sampler_of(self.config),
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return labels, or targets in the units of y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Columns with the same names, order and kinds as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        DataError
            The columns do not match; the message lists the differences.
        NotFittedError
            `fit` was not called.
        """
        outputs = self._outputs(X)  # raises NotFittedError before `model_` is read
        return self.model_.decide(outputs)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted model to a safetensors file. `ash.load` returns a model with the same predictions.

        Parameters
        ----------
        path : path-like
            The file, usually named `*.safetensors`. An existing file is replaced. Only the file's owner can read it.

        Raises
        ------
        NotFittedError
            `fit` was not called.
        ModelFormatError, OSError
            As for `Network.save`.
        """
        check_is_fitted(self)
        self.model_.save(path)

    def _outputs(self, X: Any) -> Outputs:
        """Predict; like scikit-learn, raise DataError if column names or their order differ from those in `fit`.

        Warn if only one of the two tables has column names.
        """
        check_is_fitted(self)
        frame, name = read_frame(X), type(self).__name__
        names, fitted = self.model_.feature_names, hasattr(self, "feature_names_in_")
        if frame.names is not None and names is not None and frame.names != names:
            todo = f"{name}.model_.predict finds columns by name, in any order and among others."
            raise DataError(names_differ(frame.names, names) + todo)
        if frame.names is not None and not fitted:
            warn_user(f"X has feature names, but {name} was fitted without feature names")
        elif fitted and frame.names is None:
            warn_user(f"X does not have valid feature names, but {name} was fitted with feature names")
        return self.model_.predict_frame(frame, threads_of("n_jobs", self.n_jobs), name)

    @property
    def _kind(self) -> type[Self]:
        """The class whose parameters the estimator has; a user's subclass may have further parameters."""
        return next(each for each in type(self).__mro__ if _Estimator in each.__bases__)

    def _keep(self, result: Result, model: Model) -> None:
        self.result_, self.model_ = result, model
        self.n_features_in_ = result.model.n_features_in_
        self.__dict__.pop("feature_names_in_", None)  # of an earlier fit
        if (names := result.model.feature_names) is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        for name in ("best_params", "best_score", "estimated_score", "estimated_score_std_error", "oof_prediction"):
            setattr(self, f"{name}_", getattr(result, name))
        self.cv_results_ = tuning_results(result)
        columns = result.columns
        jobs = (columns["candidate"] == result.best_candidate) & (columns["rung"] <= result.best_rung)
        epochs = columns["epochs"][jobs]
        self.n_iter_ = int(epochs.sum() if result.options.training == "resume" else epochs.max())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.config is None or self.config.missing != "error"
        tags.input_tags.sparse = tags.input_tags.string = tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags


@documented
class ASHClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A tuned neural network for classification."""

    _task: ClassVar[Task] = "classification"

    @explained(CONFIG_FIELDS)
    def __init__(
        self,
        space: Space | Mapping[str, Any] | None = None,
        *,
        candidates: int | str | None = "auto",
        time_limit: float | None = None,
        first: Any = None,
        scoring: Any = None,
        categorical_features: Any = None,
        class_weight: str | Mapping[Any, float] | None = None,
        pos_label: Any = None,
        decision_threshold: str | float | None = "auto",
        validation: float | int | tuple[Any, ...] | None = None,
        cv: Any = None,
        ensemble: int = 16,
        refit: bool = True,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
        journal: str | PathLike[str] | Journal | None = None,
        executor: Any = None,
        config: SearchConfig | None = None,
        record: RunRecord | None = None,
    ) -> None:
        self.space, self.candidates, self.time_limit, self.first = space, candidates, time_limit, first
        self.scoring, self.categorical_features, self.validation = scoring, categorical_features, validation
        self.cv, self.ensemble, self.refit, self.n_jobs = cv, ensemble, refit, n_jobs
        self.random_state, self.verbose, self.callbacks = random_state, verbose, callbacks
        self.journal, self.executor, self.config, self.record = journal, executor, config, record
        self.class_weight, self.pos_label, self.decision_threshold = class_weight, pos_label, decision_threshold

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            As for `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to 1.

        Raises
        ------
        DataError, NotFittedError
            As for `predict`.
        """
        return normalized(self._outputs(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithm of `predict_proba`, of the same shape; -inf for a probability of 0.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            As for `predict`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _keep(self, result: Result, model: Model) -> None:
        super()._keep(result, model)
        self.classes_ = result.model.classes_
        self.decision_threshold_ = model.decision_threshold


@documented
class ASHRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A tuned neural network for regression, with one or more targets."""

    _task: ClassVar[Task] = "regression"

    @explained(CONFIG_FIELDS)
    def __init__(
        self,
        space: Space | Mapping[str, Any] | None = None,
        *,
        loss: str = "squared_error",
        quantile: float | None = None,
        candidates: int | str | None = "auto",
        time_limit: float | None = None,
        first: Any = None,
        scoring: Any = None,
        categorical_features: Any = None,
        validation: float | int | tuple[Any, ...] | None = None,
        cv: Any = None,
        ensemble: int = 16,
        refit: bool = True,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
        journal: str | PathLike[str] | Journal | None = None,
        executor: Any = None,
        config: SearchConfig | None = None,
        record: RunRecord | None = None,
    ) -> None:
        self.space, self.candidates, self.time_limit, self.first = space, candidates, time_limit, first
        self.scoring, self.categorical_features, self.validation = scoring, categorical_features, validation
        self.cv, self.ensemble, self.refit, self.n_jobs = cv, ensemble, refit, n_jobs
        self.random_state, self.verbose, self.callbacks = random_state, verbose, callbacks
        self.journal, self.executor, self.config, self.record = journal, executor, config, record
        self.loss, self.quantile = loss, quantile

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

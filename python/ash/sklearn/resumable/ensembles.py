"""Resumes the training of ensembles by adding trees or rounds of boosting.

    WarmStarted                        scikit-learn's forests, bagging and boosting, by `warm_start`
    LightGBM, XGBoost, CatBoost  by the argument of `fit` that accepts an earlier model

A forecast needs to know how much the latest trees or rounds have improved the score. So an ensemble can also be scored
as it was after its first trees or rounds. This needs no training and leaves the ensemble unchanged. The score is taken
from:

    forests, GradientBoosting     a copy with only the first `estimators_`
    HistGradientBoosting          scikit-learn's stages: staged_predict, staged_predict_proba, ...
    LightGBM, XGBoost, CatBoost   the argument of `predict` that limits the rounds

If this score is unavailable, `at` returns None, or the scorer raises an AttributeError. Measuring this score costs one
prediction with the first trees or rounds.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import accuracy_score, r2_score

from ash._utils.checks import is_integer
from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS, Resumable, Rows, is_a

WARNING = "class_weight presets"
"""Start of the forests' warning that class weights should be computed on all rows. The warning does not apply,
since all fits of an estimator get the same rows."""
HISTOGRAMS = "BaseHistGradientBoosting"
SEEDS = 2**31
VOICES = {"verbose", "verbosity", "silent", "logging_level"}
METHODS = ("predict", "predict_proba", "decision_function")
HIGHER = ("auc", "aucpr", "map", "ndcg", "pre")
"""Prefixes of the XGBoost metrics for which higher is better. Although mape begins with map, lower is better for it."""
SCORES_USUALLY = ("sklearn.base", "catboost.core")
"""Modules whose estimators have a `score` method that returns accuracy or R2."""


class WarmStarted(Resumable):
    """A scikit-learn ensemble, to which trees are added by `warm_start`.

    The epochs of forests, extra trees, bagging, isolation forests and GradientBoosting are their `n_estimators`; the
    epochs of HistGradientBoosting are its `max_iter`. In each fit, forests draw the seeds of all trees from the random
    state again, and skip the seeds of existing trees; boosting keeps its random state. So with a `random_state` the
    trees are the same as in a single fit. Early stopping (`n_iter_no_change`, `early_stopping`) works as the user has
    set it: an estimator that has stopped trains one or a few more rounds when it is resumed, and stops again. Forests
    grow on several threads but predict on one thread. On several threads, probabilities would be summed in the order in
    which threads finish, so ties between classes would be broken at random. Source: scikit-learn, "Fitting additional
    trees", User Guide 1.11.2.
    """

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        super().__init__(estimator, parameter)
        self._jobs = {"n_jobs": estimator.n_jobs} if is_forest(estimator) else {}

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why bagging with `oob_score` cannot be trained further; "" for all other estimators."""
        bagging = is_a(estimator, "BaseBagging")
        return "bagging with oob_score does not support warm_start" if bagging and estimator.oob_score else ""

    @staticmethod
    def law_of(estimator: Any) -> str:
        """Return AVERAGE for forests, ROUNDS for boosting, "" for other estimators."""
        is_boosting = is_a(estimator, HISTOGRAMS) or is_a(estimator, "BaseGradientBoosting")
        return AVERAGE if is_forest(estimator) else ROUNDS if is_boosting else ""

    @staticmethod
    def wants_process(estimator: Any) -> bool:
        """Return whether Python code grows the trees leaf by leaf, so that threads would wait for the GIL."""
        return is_a(estimator, HISTOGRAMS)

    def more(self, rows: Rows, epochs: int) -> None:
        """Add `epochs` trees, or rounds of trees."""
        self.done += epochs
        self.estimator.set_params(**{str(self.parameter): self.done, "warm_start": True, **self._jobs})
        rows.fit(self.estimator)
        self.estimator.set_params(**dict.fromkeys(self._jobs, 1))

    def at(self, epochs: int) -> Any:
        """Return the ensemble with only its first `epochs` trees or rounds, or None if that is impossible."""
        if not self.law:
            return None
        if self.parameter == "max_iter":
            return _stage(self.estimator, epochs)
        made = copy.copy(self.estimator)
        made.estimators_ = made.estimators_[:epochs]
        return made.set_params(n_estimators=epochs)


class ContinuedBoosting(Resumable):
    """Boosting that adds rounds to an earlier model, which is passed to `fit`.

                  argument      parameter                        retrained from scratch instead
        LightGBM  init_model    n_estimators = the new rounds    dart (drops earlier trees), rf (averages trees)
        XGBoost   xgb_model     n_estimators = the new rounds    dart, XGBRF* (its trees form one round)
        CatBoost  init_model    iterations = the new rounds      on a GPU; without a learning_rate, which then depends
                                                                 on the number of rounds; if CatBoost raises an error

    These libraries restart their random number generator in each fit, so each job would draw the same rows and columns
    as the first job. Therefore, an integer `random_state` is increased by the number of rounds so far.

    An estimator with one of the parameters in STOPPING stops early: after each new round the library evaluates its own
    metric on rows that are held out of the training rows. The estimator is scored, and later refitted, with the best
    number of rounds so far. Once the library has ended a job early, the estimator is not trained further. All jobs use
    the same metric: the metric by which the library stops, or LightGBM's first metric.
    """

    THREADS: ClassVar[str | None] = "n_jobs"
    ARGUMENT: ClassVar[str]
    FIRST: ClassVar[str]
    """The argument of `predict` that limits predictions to the first rounds."""
    HELD_WEIGHTS: ClassVar[str | None] = None
    """The argument of `fit` for the weights of the held-out rows; None if they are passed in another way."""
    QUIET: ClassVar[dict[str, Any]] = {}
    """Parameters that keep a library from writing to the terminal and to files, unless the user has set them."""
    STOPPING: ClassVar[dict[str, Any]] = {"early_stopping_rounds": None}
    """Parameters that make an estimator stop early, each with the value that turns early stopping off."""

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        super().__init__(estimator, parameter)
        params = estimator.get_params()  # called once, since the call takes a millisecond
        estimator.set_params(**self.quiet(params))
        self.stops = self.can_stop(params)
        self._seeds = {"random_state": params["random_state"]} if "random_state" in params else {}
        self._metric: tuple[str, bool] | None = None  # the metric's name and whether higher is better, once known
        self._history: list[float] = []  # the metric after each round of the model

    @classmethod
    def quiet(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters in QUIET that the user has not set; `params` are the estimator's parameters."""
        said = {name for name, value in params.items() if value is not None}
        said |= VOICES if said & VOICES else set()
        return {name: value for name, value in cls.QUIET.items() if name not in said}

    @classmethod
    def can_stop(cls, params: Mapping[str, Any]) -> bool:
        """Return whether an estimator with these parameters stops early."""
        return any(params.get(name) for name in cls.STOPPING)

    @classmethod
    def unstopped(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters to change so that an estimator does not stop early."""
        return {name: value for name, value in cls.STOPPING.items() if params.get(name)}

    @property
    def rounds(self) -> int | None:
        """Return the best number of rounds, or None without early stopping."""
        if not self._history:
            return None
        if self._metric is None:  # the direction is unknown as long as each fit had one round or equal values
            return len(self._history)
        best = max(self._history) if self._metric[1] else min(self._history)
        return self._history.index(best) + 1

    @property
    def kept(self) -> int:
        """Return the number of all rounds, or with early stopping the best number of rounds."""
        return self.done if self.rounds is None else self.rounds

    @property
    def predictor(self) -> Any:
        """Return the estimator limited to `kept` rounds, or with all rounds if its class defines its own `score`."""
        stage = None if self.rounds is None else _stage(self.estimator, self.kept, self.FIRST)
        return stage or self.estimator

    def more(self, rows: Rows, epochs: int) -> None:
        """Train `epochs` more rounds, or fewer if the library stops early."""
        if self.stopped:
            return
        changed = {str(self.parameter): epochs}
        if self.done and is_integer(seed := self._seeds.get("random_state")):
            changed["random_state"] = (int(seed) + self.done) % SEEDS
        given = {self.ARGUMENT: self._model()} if self.done else {}
        if self.stops:
            given |= self._validation(self._with_known_labels(rows))
        self.estimator = rows.fit(clone(self.estimator).set_params(**changed), **given)
        if self.stops:
            ran = self._remember()
            self.stopped, epochs = ran < epochs, ran
        self.done += epochs
        self._set_as_one_fit()

    def _with_known_labels(self, rows: Rows) -> Rows:
        """Drop held-out rows whose label no training row has, which the libraries reject or encode wrongly.

        If none is left, hold out the training rows, on which training hardly ever stops early.
        """
        held = rows.held
        if held is None or not is_classifier(self.estimator) or np.ndim(rows.y) != 1:
            return rows
        known = np.flatnonzero(np.isin(np.asarray(held.y), np.asarray(rows.y)))
        return rows if 0 < len(known) == held.count else replace(rows, held=held.at(known) if len(known) else rows)

    def _validation(self, rows: Rows) -> dict[str, Any]:
        """Return `fit`'s arguments for early stopping on the held-out rows; {} if the user passed their own rows."""
        held = rows.held
        if held is None:
            return {}
        weights = None if self.HELD_WEIGHTS is None else held.params.get("sample_weight")
        return {"eval_set": [(held.X, held.y)]} | ({} if weights is None else {str(self.HELD_WEIGHTS): [weights]})

    def _results(self) -> tuple[Mapping[str, Sequence[float]], int]:
        """Return each metric's values after each round of the last fit, and the index of the best of these rounds."""
        raise NotImplementedError

    def _is_higher_better(self, name: str, values: Sequence[float], best: int) -> bool | None:
        """Infer, from the library's best round, whether higher values of a metric are better.

        Return None if this cannot be inferred. The first metric with an inferred direction is used in all later jobs.
        """
        if max(values) == min(values):
            return None
        places = {True: values.index(max(values)), False: values.index(min(values))}
        return next((is_higher for is_higher, place in places.items() if place == best), None)

    def _remember(self) -> int:
        """Append the metric after each round of the last fit to the history, and return the number of these rounds."""
        metrics, best = self._results()
        if self._metric is None:
            told = ((name, self._is_higher_better(name, list(values), best)) for name, values in metrics.items())
            self._metric = next(((name, is_higher) for name, is_higher in told if is_higher is not None), None)
        name = next(iter(metrics)) if self._metric is None else self._metric[0]
        self._history += metrics[name]
        return len(metrics[name])

    @staticmethod
    def law_of(estimator: Any) -> str:
        """Return ROUNDS."""
        return ROUNDS

    def at(self, epochs: int) -> Any:
        """Return a view of the estimator that predicts only with its first `epochs` rounds."""
        return _stage(self.estimator, epochs, self.FIRST)

    def _model(self) -> Any:
        """Return the model so far, in the form that `fit` accepts."""
        return self.estimator

    def _set_as_one_fit(self) -> None:
        """Set the estimator's parameters to those of a single fit with all rounds."""
        self.estimator.set_params(**{str(self.parameter): self.done}, **self._seeds)


class LightGBM(ContinuedBoosting):
    """Resumes LGBMClassifier, LGBMRegressor and LGBMRanker."""

    ALIASES: ClassVar[tuple[str, ...]] = (
        *("num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds"),
        *("num_boost_round", "max_iter"),
    )
    ARGUMENT: ClassVar[str] = "init_model"
    FIRST: ClassVar[str] = "num_iteration"
    HELD_WEIGHTS: ClassVar[str | None] = "eval_sample_weight"
    QUIET: ClassVar[dict[str, Any]] = {"verbose": -1}
    STOPPING = dict.fromkeys(("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change"), 0)

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why this kind of boosting cannot be trained further; "" if it can."""
        params = estimator.get_params()
        kind = str(params.get("boosting") or params.get("boost") or params.get("boosting_type"))
        return f"LightGBM's {kind} reweights earlier trees" if kind in ("dart", "rf", "random_forest") else ""

    def _model(self) -> Any:
        return self.estimator.booster_

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        super().__init__(estimator, parameter)
        self._directions: dict[str, bool] = {}  # for each metric, whether higher is better

    def _validation(self, rows: Rows) -> dict[str, Any]:
        def note(state: Any) -> None:
            self._directions.update({name: is_higher for _, name, _, is_higher in state.evaluation_result_list})

        given = super()._validation(rows)
        given["callbacks"] = [*(rows.params.get("callbacks") or ()), note]
        if "eval_set" in given and "eval_X" in inspect.signature(self.estimator.fit).parameters:  # since LightGBM 4.7
            ((X, y),) = given.pop("eval_set")
            if is_classifier(self.estimator):  # LightGBM encodes y, but not eval_y
                y = np.searchsorted(np.unique(np.asarray(rows.y)), np.asarray(y))
            given |= {"eval_X": X, "eval_y": y}
        return given

    def _results(self) -> tuple[Mapping[str, Sequence[float]], int]:
        """Return each metric's values and the best round's index; the fitted model ends with the best round."""
        before = len(self._history)
        return list(self.estimator.evals_result_.values())[-1], self.estimator.best_iteration_ - 1 - before

    def _is_higher_better(self, name: str, values: Sequence[float], best: int) -> bool | None:
        # The first metric is used in all jobs. If the user has named a metric, LightGBM lists this metric first.
        return self._directions.get(name)

    def _remember(self) -> int:
        ran = super()._remember()
        del self._history[self._model().current_iteration() :]
        return ran


class XGBoost(ContinuedBoosting):
    """Resumes XGBClassifier, XGBRegressor and XGBRanker."""

    ARGUMENT: ClassVar[str] = "xgb_model"
    FIRST: ClassVar[str] = "iteration_range"
    HELD_WEIGHTS: ClassVar[str | None] = "sample_weight_eval_set"

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why this kind of boosting cannot be trained further; "" if it can."""
        if "XGBRF" in type(estimator).__name__:
            return "the trees of XGBoost's random forests are not boosting rounds"
        return "XGBoost's dart reweights earlier trees" if estimator.get_params().get("booster") == "dart" else ""

    def _model(self) -> Any:
        return self.estimator.get_booster()

    def _validation(self, rows: Rows) -> dict[str, Any]:
        given = super()._validation(rows)
        return {"verbose": False, **given} if given and "verbose" not in rows.params else given

    def _results(self) -> tuple[Mapping[str, Sequence[float]], int]:
        name, values = list(list(self.estimator.evals_result().values())[-1].items())[-1]  # the stopping metric
        return {name: values}, self.estimator.best_iteration - len(self._history)

    def _is_higher_better(self, name: str, values: Sequence[float], best: int) -> bool | None:
        told = super()._is_higher_better(name, values, best)
        return name.startswith(HIGHER) and not name.startswith("mape") if told is None else told


class CatBoost(ContinuedBoosting):
    """Resumes CatBoostClassifier and CatBoostRegressor."""

    THREADS: ClassVar[str | None] = "thread_count"
    ALIASES: ClassVar[tuple[str, ...]] = ("n_estimators", "num_boost_round", "num_trees")
    ARGUMENT: ClassVar[str] = "init_model"
    FIRST: ClassVar[str] = "ntree_end"
    QUIET: ClassVar[dict[str, Any]] = {"verbose": False, "allow_writing_files": False}
    STOPPING = dict.fromkeys(("early_stopping_rounds", "od_type", "od_wait", "od_pval")) | {"use_best_model": False}

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why an estimator with these parameters cannot be trained further; "" if it can."""
        params = estimator.get_params()
        if params.get("task_type") == "GPU":
            return "CatBoost cannot continue training on a GPU"
        if params.get("learning_rate") is None and params.get("eta") is None:
            return "CatBoost derives the learning rate from the number of rounds if none is given"
        return ""

    def more(self, rows: Rows, epochs: int) -> None:
        """Train `epochs` more rounds, or train all rounds from scratch if CatBoost cannot resume training."""
        if not self.why:
            try:
                return super().more(rows, epochs)
            except Exception as error:
                if not self.done or type(error).__name__ != "CatBoostError":
                    raise
                self.why = f"CatBoost says: {str(error).strip().splitlines()[0][-120:]}"
        self.done += epochs
        self.estimator = rows.fit(clone(self.estimator).set_params(**{str(self.parameter): self.done}))

    def _set_as_one_fit(self) -> None:
        """Do nothing, since CatBoost does not allow the parameters of a fitted model to be changed."""

    def _validation(self, rows: Rows) -> dict[str, Any]:
        given = {**super()._validation(rows), "use_best_model": False}  # True would drop the rounds after the best
        held = rows.held
        if held is not None and (weights := held.params.get("sample_weight")) is not None:
            from catboost import Pool

            columns = rows.params.get("cat_features", self.estimator.get_params().get("cat_features"))
            given["eval_set"] = Pool(held.X, held.y, weight=weights, cat_features=columns)
        return given

    def _results(self) -> tuple[Mapping[str, Sequence[float]], int]:
        return list(self.estimator.evals_result_.values())[-1], self.estimator.get_best_iteration()


class Stage:
    """A view of a fitted estimator that predicts only with its first rounds; all other attributes are the same.

    The estimator itself is not changed. `argument` is the parameter of the estimator's methods that limits the rounds,
    or None if the estimator has staged methods instead.
    """

    def __init__(self, estimator: Any, count: int, argument: str | None) -> None:
        self._estimator, self._count, self._argument = estimator, count, argument

    def __getattr__(self, name: str) -> Any:
        if name == "_estimator":  # not yet set while a copy is made
            raise AttributeError(name)
        if name in METHODS or (name.startswith("predict_") and self._argument is not None):
            return self._limited(name)
        if name.startswith("predict"):
            raise AttributeError(f"{name} is not available for an earlier stage")
        return getattr(self._estimator, name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Any:
        """Raise NotImplementedError; scorers require that `fit` exists."""
        raise NotImplementedError("an earlier stage cannot be fitted again")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of a classifier, or the R2 of another estimator, like the estimator's own method."""
        metric = accuracy_score if is_classifier(self) else r2_score
        return float(metric(y, self.predict(X), sample_weight=sample_weight))

    def _limited(self, name: str) -> Any:
        """Return the method `name`, limited to the first rounds. Its `__name__` is also `name`, which scorers check."""
        if self._argument is None:
            staged = getattr(self._estimator, f"staged_{name}")

            def method(X: Any, **given: Any) -> Any:
                *_, last = islice(staged(X, **given), self._count)
                return last

        else:
            found = getattr(self._estimator, name)
            limit = {self._argument: (0, self._count) if "range" in self._argument else self._count}

            def method(X: Any, **given: Any) -> Any:
                return found(X, **limit, **given)

        method.__name__ = name
        return method


def is_forest(estimator: Any) -> bool:
    """Return whether this is a scikit-learn forest. Forests grow in threads, whereas bagging would start processes."""
    return is_a(estimator, "BaseForest")


def _stage(estimator: Any, count: int, argument: str | None = None) -> Any:
    """Return a `Stage`, or None if the estimator's class defines its own `score`."""
    usual = getattr(getattr(type(estimator), "score", None), "__module__", "") in SCORES_USUALLY
    return Stage(estimator, count, argument) if usual else None

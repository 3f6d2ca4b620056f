"""The contenders of the bench `quality`: one fit with each, as its users would write it.

A fit takes the task, features and target, and returns a fitted model with `predict` and, for classes, `predict_proba`.
The model is saved by its method `save` if it has one, else by pickle. Its method `persist`, if any, is called before
predictions are timed. All contenders are told the metric: AUC for two classes, log loss for more, squared error for
numeric targets. Each function imports its own packages, so no contender needs the packages of the others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.tables import BINARY, REGRESSION

FEW_CANDIDATES, KINDS = 2, ("network", "lightgbm")
VALIDATION = 0.2  # share of the rows for validation when trees are tuned
MOST_TREES, PATIENCE = 5_000, 50


@dataclass(frozen=True)
class Task:
    """The task of a contender. `few` marks the first fit, on few rows, which only serves to load code."""

    kind: str  # kind of target: BINARY, CLASSES or REGRESSION
    seed: int
    limit: float  # seconds, for contenders with a time limit
    threads: int
    few: bool = False

    @property
    def classes(self) -> bool:
        """Whether the targets are classes."""
        return self.kind != REGRESSION

    def metric(self, of_binary: str, of_classes: str, of_numbers: str) -> str:
        """Return one of the three arguments: the one for the kind of this task's target."""
        return of_numbers if not self.classes else of_binary if self.kind == BINARY else of_classes


def ash(task: Task, x: Any, y: Any, **others: Any) -> Any:
    """Search until the limit with all defaults; if `task.few`, only train a few candidates per kind of model."""
    from ash import ASHClassifier, ASHRegressor, SearchConfig

    estimator = partial(ASHClassifier if task.classes else ASHRegressor, random_state=task.seed, **others)
    scoring = task.metric("roc_auc", "neg_log_loss", "neg_root_mean_squared_error")
    for kind in KINDS if task.few else ():
        estimator(candidates=FEW_CANDIDATES, config=SearchConfig(models=kind)).fit(x, y)
    return None if task.few else estimator(time_limit=task.limit, scoring=scoring).fit(x, y)


def _lightgbm(task: Task, **params: Any) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    estimator = LGBMClassifier if task.classes else LGBMRegressor
    return estimator(n_jobs=task.threads, random_state=task.seed, verbose=-1, **params)


def catboost(task: Task, x: Any, y: Any) -> Any:
    """Grow CatBoost's trees with its defaults, which have no time limit."""
    from catboost import CatBoostClassifier, CatBoostRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    estimator = CatBoostClassifier if task.classes else CatBoostRegressor
    model = estimator(
        iterations=1 if task.few else None,
        cat_features=list(x.select_dtypes("category")),
        random_seed=task.seed,
        thread_count=task.threads,
        verbose=0,
        allow_writing_files=False,
    )
    return _Flat(make_pipeline(FunctionTransformer(_with_category_missing), model).fit(x, y))


def flaml(task: Task, x: Any, y: Any) -> Any:
    """Let FLAML search its models until the limit."""
    from flaml import AutoML

    model = AutoML()
    model.fit(
        *(x, y),
        task="classification" if task.classes else "regression",
        metric=task.metric("roc_auc", "log_loss", "rmse"),
        time_budget=task.limit,
        n_jobs=task.threads,
        seed=task.seed,
        verbose=0,
    )
    return model


def autogluon(task: Task, x: Any, y: Any, presets: str) -> Any:
    """Let AutoGluon train, bag and stack its models until the limit; if `task.few`, only load its packages."""
    from autogluon.tabular import TabularPredictor

    if task.few:
        for module in _OF_AUTOGLUON:
            import_module(module)
        return None
    model = TabularPredictor(
        _TARGET,
        problem_type=task.metric("binary", "multiclass", "regression"),
        eval_metric=task.metric("roc_auc", "log_loss", "root_mean_squared_error"),
        path=tempfile.mkdtemp(prefix="autogluon"),
        verbosity=0,
    )
    table = x.assign(**{_TARGET: y})
    model.fit(table, presets=presets, time_limit=task.limit, num_cpus=task.threads, num_gpus=0)
    return _Predictor(model)


_TARGET = "target of the bench"
_OF_AUTOGLUON = ("autogluon", "catboost", "lightgbm", "xgboost", "pytabkit", "torch")


# LightGBM tuned by Optuna


def tuned(task: Task, x: Any, y: Any) -> Any:
    """Tune LightGBM by Optuna until the limit, then fit the best hyperparameters on all rows.

    The first trial has LightGBM's defaults. A trial that is still running at the limit is stopped and scored with its
    trees so far. The last fit has as many trees as the best trial. It exceeds the limit, and its time counts.
    """
    import optuna

    deadline = time.perf_counter() + task.limit
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=task.seed))
    small = 1e-8  # practically no penalty; a logarithmic scale has no zero
    defaults = {"num_leaves": 31, "learning_rate": 0.1, "min_child_samples": 20, "subsample": 1.0}
    study.enqueue_trial({**defaults, "colsample_bytree": 1.0, "reg_alpha": small, "reg_lambda": small})
    study.optimize(_objective(task, x, y, deadline), timeout=task.limit)
    best = study.best_trial
    return _lightgbm(task, n_estimators=best.user_attrs["trees"], subsample_freq=1, **best.params).fit(x, y)


def _objective(task: Task, x: Any, y: Any, deadline: float) -> Callable[[Any], float]:
    """Return the objective to minimize, which is the compared error on the validation rows."""
    from lightgbm import early_stopping
    from sklearn.model_selection import train_test_split

    stratify = y if task.classes else None
    x, x_held, y, y_held = train_test_split(x, y, test_size=VALIDATION, random_state=task.seed, stratify=stratify)
    metric = task.metric("auc", "multi_logloss", "l2")

    def objective(trial: Any) -> float:
        params = {
            "num_leaves": trial.suggest_int("num_leaves", 4, 256, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-8, 10.0, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-8, 10.0, log=True),
        }
        model = _lightgbm(task, n_estimators=MOST_TREES, subsample_freq=1, **params)
        callbacks = [early_stopping(PATIENCE, first_metric_only=True, verbose=False), stopping_at(deadline)]
        model.fit(x, y, eval_set=[(x_held, y_held)], eval_metric=metric, callbacks=callbacks)
        trees = max(1, model.best_iteration_)
        trial.set_user_attr("trees", trees)
        found = float(model.best_score_["valid_0"][metric]) if model.best_score_ else float("inf")
        return -found if metric == "auc" else found

    return objective


def stopping_at(deadline: float) -> Callable[[Any], None]:
    """Return a callback that stops a fit at this deadline and keeps the trees grown so far."""
    from lightgbm import EarlyStopException

    def callback(grown: Any) -> None:
        if time.perf_counter() > deadline:
            raise EarlyStopException(grown.iteration, grown.evaluation_result_list)

    return callback


def realmlp(task: Task, x: Any, y: Any) -> Any:
    """Train pytabkit's RealMLP-TD-S for the number of epochs in its recipe.

    RealMLP holds out a fifth of the rows and keeps its best epoch. Its authors advise against label smoothing if
    probabilities are compared. It does not accept missing numbers.
    """
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    told: dict[str, Any] = {"device": "cpu", "random_state": task.seed, "n_threads": task.threads}
    told["n_epochs"] = 1 if task.few else None
    if task.classes:
        told |= {"use_ls": False, "val_metric_name": task.metric("1-auc_ovr", "cross_entropy", "")}
    imputed = make_column_transformer(
        (SimpleImputer(strategy="median", keep_empty_features=True), make_column_selector(dtype_include="number")),
        remainder=FunctionTransformer(_with_category_missing),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    estimator = RealMLP_TD_S_Classifier if task.classes else RealMLP_TD_S_Regressor
    return make_pipeline(imputed, estimator(**told)).fit(x, y)


def _with_category_missing(x: Any) -> Any:
    """Return a frame in which missing cells are a separate category."""
    text = x.select_dtypes(exclude="number")
    return x.assign(
        **{name: text[name].astype(object).fillna("missing").astype(str).astype("category") for name in text}
    )


class _Flat:
    """A model whose predictions are converted to arrays of the usual shapes."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, x: Any) -> Any:
        """Return the predictions, array [rows]."""
        return np.asarray(self._model.predict(x)).reshape(len(x))

    def predict_proba(self, x: Any) -> Any:
        """Return the probabilities, array [rows, classes]."""
        return np.asarray(self._model.predict_proba(x))


class _Predictor(_Flat):
    """AutoGluon's model. Each call reads the model from its folder, unless `persist` was called."""

    def persist(self) -> None:
        """Keep the model in memory."""
        self._model.persist()

    def save(self, path: Path) -> None:
        """Write only the part of the folder that prediction needs."""
        self._model.clone_for_deployment(str(path))


@dataclass(frozen=True)
class Contender:
    """A contender: its name, its fit and its requirements."""

    name: str  # name in the printed tables
    fit: Callable[[Task, Any, Any], Any]
    modules: tuple[str, ...] = ()  # required modules except ash and scikit-learn; their packages have the same names
    limited: bool = True  # whether it has a time limit
    categories: bool = True  # whether text is passed as pandas categories
    seeds: tuple[int, ...] = (0,)

    def missing(self) -> str | None:
        """Return which package is missing, in a few words; None if nothing is missing."""
        absent = [module for module in self.modules if find_spec(module) is None]
        return f"{absent[0]} is not installed (pip install '.[peers]')" if absent else None

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages whose versions affect the results, by their names in the package index."""
        return tuple(module.replace("autogluon", "autogluon.tabular") for module in self.modules)


OURS, TUNED, REALMLP, AUTOGLUON = "ash", "lightgbm-tuned", "realmlp", "autogluon-best"
CONTENDERS = {
    OURS: Contender("ash", ash, ("lightgbm",), categories=False, seeds=(0, 1, 2)),
    TUNED: Contender("LightGBM, tuned", tuned, ("lightgbm", "optuna")),
    "catboost": Contender("CatBoost", catboost, ("catboost",), limited=False),
    REALMLP: Contender("RealMLP-TD-S", realmlp, ("pytabkit", "torch"), limited=False),
    "flaml": Contender("FLAML", flaml, ("flaml", "lightgbm", "xgboost")),
    "autogluon-medium": Contender("AutoGluon, medium", partial(autogluon, presets="medium_quality"), _OF_AUTOGLUON),
    AUTOGLUON: Contender("AutoGluon, best", partial(autogluon, presets="best_quality"), _OF_AUTOGLUON),
}

"""The contenders of the bench `quality`: one fit of each, as its users would write it.

A fit takes the task, features and target, and returns a fitted model with `predict` and, for classes, `predict_proba`.
Packages are imported within, so that each contender can be measured without the packages of the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from bench.figures import timed

FEW_CANDIDATES = 4
VALIDATION = 0.2  # of the rows, for trees that are tuned
MOST_TREES, PATIENCE = 5_000, 50
TABM_ROWS, TABM_LIMITS = 1_000, 3  # an epoch of so many rows is timed; it may take so many time limits


@dataclass(frozen=True)
class Task:
    """What a contender is told; few: a fit on few rows, which only loads what is loaded once."""

    classes: bool
    seed: int
    limit: float  # seconds, for contenders that take a limit
    threads: int
    few: bool = False


def ash(task: Task, x: Any, y: Any) -> Any:
    """Tune networks until the limit, all else by default; text is read as it is. A few networks need no limit."""
    from ash import ASHClassifier, ASHRegressor

    estimator = ASHClassifier if task.classes else ASHRegressor
    budget = {"candidates": FEW_CANDIDATES} if task.few else {"time_limit": task.limit}
    return estimator(**budget, random_state=task.seed).fit(x, y)


def perceptron(task: Task, x: Any, y: Any) -> Any:
    """Fit scikit-learn's network at its defaults, on standardized numbers and one-hot encoded text."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    scaled: Any = StandardScaler()  # arrays hold numbers only, frames text too
    if not isinstance(x, np.ndarray):
        scaled = make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
        )
    estimator = MLPClassifier if task.classes else MLPRegressor
    return make_pipeline(scaled, estimator(random_state=task.seed)).fit(x, y)


def boosting(task: Task, x: Any, y: Any) -> Any:
    """Grow LightGBM's trees at their defaults."""
    return _lightgbm(task).fit(x, y)


def _lightgbm(task: Task, **params: Any) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    estimator = LGBMClassifier if task.classes else LGBMRegressor
    return estimator(n_jobs=task.threads, random_state=task.seed, verbose=-1, **params)


def flaml(task: Task, x: Any, y: Any) -> Any:
    """Let FLAML search its models until the limit, for what is compared here: accuracy, or the squared error."""
    from flaml import AutoML

    model = AutoML()
    model.fit(
        *(x, y),
        task="classification" if task.classes else "regression",
        metric="accuracy" if task.classes else "rmse",
        time_budget=task.limit,
        n_jobs=task.threads,
        seed=task.seed,
        verbose=0,
    )
    return model


# LightGBM tuned by Optuna


def tuned(task: Task, x: Any, y: Any) -> Any:
    """Tune LightGBM by Optuna until the limit, then fit the best hyperparameters on all rows.

    The first trial has LightGBM's defaults. A trial that still runs at the limit stops there and counts with the trees
    it has. The last fit has as many trees as the best trial kept; it comes on top of the limit and is in the seconds.
    """
    import optuna

    deadline = time.perf_counter() + task.limit
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=task.seed))
    small = 1e-8  # no penalty, on a logarithmic scale
    defaults = {"num_leaves": 31, "learning_rate": 0.1, "min_child_samples": 20, "subsample": 1.0}
    study.enqueue_trial({**defaults, "colsample_bytree": 1.0, "reg_alpha": small, "reg_lambda": small})
    study.optimize(_objective(task, x, y, deadline), timeout=task.limit)
    best = study.best_trial
    return _lightgbm(task, n_estimators=best.user_attrs["trees"], subsample_freq=1, **best.params).fit(x, y)


def _objective(task: Task, x: Any, y: Any, deadline: float) -> Callable[[Any], float]:
    """Return what is minimized: the error, or the squared error, on the validation rows."""
    from lightgbm import early_stopping
    from sklearn.model_selection import train_test_split

    stratify = y if task.classes else None
    x, x_held, y, y_held = train_test_split(x, y, test_size=VALIDATION, random_state=task.seed, stratify=stratify)

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
        callbacks = [early_stopping(PATIENCE, verbose=False), stopping_at(deadline)]
        model.fit(x, y, eval_set=[(x_held, y_held)], callbacks=callbacks)
        trial.set_user_attr("trees", max(1, model.best_iteration_))
        predicted = model.predict(x_held)
        return float(np.mean(predicted != y_held) if task.classes else np.mean((predicted - y_held) ** 2))

    return objective


def stopping_at(deadline: float) -> Callable[[Any], None]:
    """Return a callback that stops a fit at this moment of the clock, with the trees it has by then."""
    from lightgbm import EarlyStopException

    def callback(grown: Any) -> None:
        if time.perf_counter() > deadline:
            raise EarlyStopException(grown.iteration, grown.evaluation_result_list)

    return callback


# Published recipes as pytabkit has them, on the CPU: both hold a fifth of the rows out and keep their best epoch


def realmlp(task: Task, x: Any, y: Any) -> Any:
    """Train RealMLP-TD-S for the epochs of its recipe."""
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    estimator = RealMLP_TD_S_Classifier if task.classes else RealMLP_TD_S_Regressor
    return estimator(n_epochs=1 if task.few else None, **_of_pytabkit(task)).fit(x, y)


def tabm(task: Task, x: Any, y: Any) -> Any:
    """Train TabM-mini for the epochs that fit into three time limits, by what an epoch of few rows takes.

    By itself it stops when 16 epochs have brought nothing, which takes many minutes on two cores.
    """
    if task.few:
        return _tabm(task, 1).fit(x, y)
    seconds, _ = timed(lambda: _tabm(task, 1).fit(x[:TABM_ROWS], y[:TABM_ROWS]))
    return _tabm(task, epochs_within(TABM_LIMITS * task.limit, seconds, len(x))).fit(x, y)


def _tabm(task: Task, epochs: int) -> Any:
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    estimator = TabM_D_Classifier if task.classes else TabM_D_Regressor
    return estimator(arch_type="tabm-mini", n_epochs=epochs, **_of_pytabkit(task))


def _of_pytabkit(task: Task) -> dict[str, Any]:
    return {"device": "cpu", "random_state": task.seed, "n_threads": task.threads}


def epochs_within(limit: float, seconds: float, rows: int) -> int:
    """Return how many epochs of so many rows fit into the limit, if one of few rows takes these seconds; at least 1."""
    return max(1, int(limit / (seconds * max(1.0, rows / TABM_ROWS))))


@dataclass(frozen=True)
class Contender:
    """A way to a model."""

    name: str  # in tables
    fit: Callable[[Task, Any, Any], Any]
    modules: tuple[str, ...] = ()  # beside ash and scikit-learn; their packages have the same names
    limited: bool = False  # runs until the time limit
    categories: bool = True  # takes text as pandas' categories
    seeds: int = 5

    def missing(self) -> str | None:
        """Return which package is not there, in a few words."""
        absent = [module for module in self.modules if find_spec(module) is None]
        return f"{absent[0]} is not installed (pip install '.[peers]')" if absent else None


OURS, PERCEPTRON, TUNED, REALMLP = "ash", "mlp", "lightgbm-tuned", "realmlp"
CONTENDERS = {
    OURS: Contender("ash", ash, limited=True, categories=False),
    PERCEPTRON: Contender("scikit-learn MLP", perceptron),
    "lightgbm": Contender("LightGBM", boosting, ("lightgbm",)),
    TUNED: Contender("LightGBM, tuned", tuned, ("lightgbm", "optuna"), limited=True),
    REALMLP: Contender("RealMLP-TD-S", realmlp, ("pytabkit", "torch")),
    "tabm": Contender("TabM-mini", tabm, ("pytabkit", "torch"), seeds=1),
    "flaml": Contender("FLAML", flaml, ("flaml", "lightgbm"), limited=True, seeds=1),
}

"""LightGBM tuned by Optuna, as is usual: the tree-structured Parzen estimator, early stopping, then all rows.

The first trial has LightGBM's defaults. The study ends at the limit: a trial that still runs stops there and counts
with the trees it has. The best trial is then fitted once more on all rows, with as many trees as it has kept; that
comes on top of the limit and is counted in its seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.quality_fits import Task

VALIDATION = 0.2
MOST_TREES, PATIENCE = 5_000, 50
DEFAULTS = {
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_child_samples": 20,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_alpha": 1e-8,
    "reg_lambda": 1e-8,
}


def tuned(task: Task, x: Any, y: Any) -> Any:
    """Return LightGBM's model of the best hyperparameters, fitted on all rows."""
    import optuna

    deadline = time.perf_counter() + task.limit
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=task.seed))
    study.enqueue_trial(DEFAULTS)
    study.optimize(_objective(task, x, y, deadline), timeout=task.limit)
    best = study.best_trial
    return _model(task, best.params, best.user_attrs["trees"]).fit(x, y)


def _objective(task: Task, x: Any, y: Any, deadline: float) -> Callable[[Any], float]:
    """Return what is minimized: the error, or the squared error, on the validation rows."""
    import numpy as np
    from lightgbm import early_stopping
    from sklearn.model_selection import train_test_split

    stratify = y if task.classes else None
    x, x_held, y, y_held = train_test_split(x, y, test_size=VALIDATION, random_state=task.seed, stratify=stratify)

    def objective(trial: Any) -> float:
        model = _model(task, suggested(trial), MOST_TREES)
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


def suggested(trial: Any) -> dict[str, Any]:
    """Return a point of the space."""
    return {
        "num_leaves": trial.suggest_int("num_leaves", 4, 256, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "reg_alpha": trial.suggest_float("reg_alpha", 1e-8, 10.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-8, 10.0, log=True),
    }


def _model(task: Task, params: dict[str, Any], trees: int) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    estimator = LGBMClassifier if task.classes else LGBMRegressor
    told: dict[str, Any] = {"n_jobs": task.threads, "random_state": task.seed, "verbose": -1, "subsample_freq": 1}
    return estimator(n_estimators=trees, **told, **params)

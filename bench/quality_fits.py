"""One fit of each contender of the bench `quality`, as its users would write it.

A function takes the task, features and target, and returns a fitted model with `predict` and, for classes,
`predict_proba`. Packages are imported within, since none of them must be installed for the others to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FEW_CANDIDATES = 4


@dataclass(frozen=True)
class Task:
    """What a contender is told; few: of a fit on few rows, which only loads what is loaded once."""

    classes: bool
    seed: int
    limit: float  # seconds, for those who can be given a limit
    threads: int
    few: bool = False


def ash(task: Task, x: Any, y: Any) -> Any:
    """Tune networks until the limit, all else by default; text is read as it is. A few networks need no limit."""
    from ash import ASHClassifier, ASHRegressor

    estimator = ASHClassifier if task.classes else ASHRegressor
    budget = {"candidates": FEW_CANDIDATES} if task.few else {"time_limit": task.limit}
    return estimator(**budget, random_state=task.seed).fit(x, y)


def perceptron(task: Task, x: Any, y: Any) -> Any:
    """Fit scikit-learn's network at its defaults, on standardized numbers and one-hot text."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline

    estimator = MLPClassifier if task.classes else MLPRegressor
    return make_pipeline(_scaled(x), estimator(random_state=task.seed)).fit(x, y)


def _scaled(x: Any) -> Any:
    """Return the transformer of a table: arrays hold numbers only, frames text too."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if isinstance(x, np.ndarray):
        return StandardScaler()
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
    )


def boosting(task: Task, x: Any, y: Any) -> Any:
    """Grow LightGBM's trees at their defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    estimator = LGBMClassifier if task.classes else LGBMRegressor
    return estimator(n_jobs=task.threads, random_state=task.seed, verbose=-1).fit(x, y)


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

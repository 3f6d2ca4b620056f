"""Tune XGBoost on the breast cancer table: trees, linear models and dart, each with its own hyperparameters.

A generator yields the accuracy after each round. The conditions are part of the space.
"""

from collections.abc import Iterator
from typing import Any

import xgboost as xgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import ash

X, y = load_breast_cancer(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.25, random_state=0)
ROUNDS = 10
TREES = ("gbtree", "dart")
SPACE = {
    "booster": ["gbtree", "gblinear", "dart"],
    "lambda": ash.loguniform(1e-8, 1.0),
    "alpha": ash.loguniform(1e-8, 1.0),
    "subsample": ash.uniform(0.2, 1.0).when(booster=TREES),
    "colsample_bytree": ash.uniform(0.2, 1.0).when(booster=TREES),
    "max_depth": ash.integers(3, 9, step=2).when(booster=TREES),
    "min_child_weight": ash.integers(2, 10).when(booster=TREES),
    "eta": ash.loguniform(1e-8, 1.0).when(booster=TREES),
    "gamma": ash.loguniform(1e-8, 1.0).when(booster=TREES),
    "grow_policy": ash.choice("depthwise", "lossguide").when(booster=TREES),
    "sample_type": ash.choice("uniform", "weighted").when(booster="dart"),
    "normalize_type": ash.choice("tree", "forest").when(booster="dart"),
    "rate_drop": ash.loguniform(1e-8, 1.0).when(booster="dart"),
    "skip_drop": ash.loguniform(1e-8, 1.0).when(booster="dart"),
}


def train(params: dict[str, Any]) -> Iterator[tuple[float, xgb.Booster]]:
    """Add trees round by round, and yield the accuracy and the model after each round."""
    settings = {"objective": "binary:logistic", "verbosity": 0, "nthread": 1, "seed": 0}
    rows, held_out = xgb.DMatrix(X_train, y_train), xgb.DMatrix(X_valid)
    booster = xgb.Booster(settings | params, [rows])
    for number in range(ROUNDS):
        booster.update(rows, number)
        yield ((booster.predict(held_out) > 0.5) == y_valid).mean(), booster


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        train, SPACE, candidates=candidates, time_limit=time_limit, max_epochs=ROUNDS, n_jobs=1, random_state=seed
    )


if __name__ == "__main__":
    print(tune())

"""Tune CatBoost on the breast cancer table: a callback reports the accuracy after each tree.

CatBoost stops when a callback returns False. `report` returns False once the candidate will not be trained further.
"""

from typing import Any

from catboost import CatBoostClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import ash

X, y = load_breast_cancer(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.3, random_state=0)
TREES = 256
SPACE = {
    "objective": ["Logloss", "CrossEntropy"],
    "colsample_bylevel": ash.uniform(0.01, 0.1),
    "depth": ash.integers(1, 12),
    "boosting_type": ["Ordered", "Plain"],
    "bootstrap_type": ["Bayesian", "Bernoulli", "MVS"],
    "bagging_temperature": ash.uniform(0, 10).when(bootstrap_type="Bayesian"),
    "subsample": ash.uniform(0.1, 1).when(bootstrap_type="Bernoulli"),
}


def train(params: dict[str, Any], report: Any) -> None:
    """Train with CatBoost, and report the accuracy after each tree."""

    class Report:
        def after_iteration(self, info: Any) -> bool:
            return bool(report(info.metrics["validation"]["Accuracy"][-1]))

    settings = {"eval_metric": "Accuracy", "thread_count": 1, "allow_writing_files": False, "random_seed": 0}
    model = CatBoostClassifier(iterations=TREES, **settings, **params)
    model.fit(X_train, y_train, eval_set=(X_valid, y_valid), verbose=0, callbacks=[Report()])


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        train, SPACE, candidates=candidates, time_limit=time_limit, max_epochs=TREES, n_jobs=1, random_state=seed
    )


if __name__ == "__main__":
    print(tune())

"""Runs Optuna's objective unchanged.

The objective is a callable object that holds its table. It never reports, so each trial runs to its end.
"""

from dataclasses import dataclass
from typing import Any

import optuna
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

import ash


@dataclass
class Objective:
    """An objective: the mean accuracy of a classifier on a table, over three folds."""

    table: Any

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the mean accuracy of a trial."""
        if trial.suggest_categorical("classifier", ["SVC", "RandomForest"]) == "SVC":
            model = SVC(C=trial.suggest_float("svc_c", 1e-10, 1e10, log=True), gamma="auto")
        else:
            depth = trial.suggest_int("rf_max_depth", 2, 32, log=True)
            model = RandomForestClassifier(max_depth=depth, n_estimators=10, random_state=0)
        return cross_val_score(model, self.table.data, self.table.target, cv=3).mean()


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    objective = ash.from_optuna(Objective(load_iris()))
    return ash.tune_function(objective, candidates=candidates, time_limit=time_limit, n_jobs=1, random_state=seed)


if __name__ == "__main__":
    print(tune())

"""Runs Optuna's objective unchanged.

Trials wait in `report`, and continue once they are promoted. In Optuna, a pruned trial never continues.
"""

import numpy as np
import optuna
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import ash

X, y = load_iris(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.25, random_state=0)
PASSES = 100


def objective(trial: optuna.Trial) -> float:
    """Return the accuracy of a linear model, and report it after each pass over the rows."""
    alpha = trial.suggest_float("alpha", 1e-5, 1e-1, log=True)
    model = SGDClassifier(alpha=alpha, random_state=np.random.RandomState(trial.number))
    for step in range(PASSES):
        model.partial_fit(X_train, y_train, classes=[0, 1, 2])
        score = model.score(X_valid, y_valid)
        trial.report(score, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return score


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        ash.from_optuna(objective),
        candidates=candidates,
        time_limit=time_limit,
        max_epochs=PASSES,
        n_jobs=1,
        random_state=seed,
    )


if __name__ == "__main__":
    print(tune())

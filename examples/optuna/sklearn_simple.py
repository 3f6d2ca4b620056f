"""Choose between a support vector machine and a forest on the irises, with a conditional space.

Neither model can be trained further, so an epoch is a fold of the cross-validation. Poor candidates are fitted only in
the first fold.
"""

from collections.abc import Iterator
from typing import Any

from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

import ash

X, y = load_iris(return_X_y=True)
FOLDS = list(StratifiedKFold(3).split(X, y))
SPACE = {
    "classifier": ["SVC", "RandomForest"],
    "svc_c": ash.loguniform(1e-10, 1e10).when(classifier="SVC"),
    "rf_max_depth": ash.integers(2, 32, log=True).when(classifier="RandomForest"),
}


def train(params: dict[str, Any]) -> Iterator[float]:
    """Yield the mean accuracy after each fold. Missing folds count as 0, so the best candidate has run all folds."""
    if params["classifier"] == "SVC":
        model = SVC(C=params["svc_c"], gamma="auto")
    else:
        model = RandomForestClassifier(n_estimators=10, max_depth=params["rf_max_depth"], random_state=0)
    score = 0.0
    for rows, held_out in FOLDS:
        score += clone(model).fit(X[rows], y[rows]).score(X[held_out], y[held_out]) / len(FOLDS)
        yield score


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        train, SPACE, candidates=candidates, time_limit=time_limit, max_epochs=len(FOLDS), n_jobs=1, random_state=seed
    )


if __name__ == "__main__":
    print(tune())

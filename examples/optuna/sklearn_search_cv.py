"""Tune a support vector machine on the irises with `ash.ASHSearchCV` instead of `OptunaSearchCV`.

The space still consists of Optuna's distributions. Poor candidates are fitted only to a part of the rows.
"""

from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.datasets import load_iris
from sklearn.svm import SVC

import ash

X, y = load_iris(return_X_y=True)
SPACE = {"C": FloatDistribution(1e-10, 1e10, log=True), "degree": IntDistribution(1, 5)}


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    search = ash.ASHSearchCV(
        SVC(gamma="auto"), SPACE, candidates=candidates, time_limit=time_limit, cv=5, n_jobs=1, random_state=seed
    )
    return search.fit(X, y).result_


if __name__ == "__main__":
    print(tune())

"""Tune LightGBM on the breast cancer table with `ash.ASHSearchCV`.

Promoted candidates keep their trees and add further ones.
"""

from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import ShuffleSplit

import ash

X, y = load_breast_cancer(return_X_y=True)
SPACE = {
    "reg_alpha": ash.loguniform(1e-8, 10.0),
    "reg_lambda": ash.loguniform(1e-8, 10.0),
    "num_leaves": ash.integers(2, 256),
    "colsample_bytree": ash.uniform(0.4, 1.0),
    "subsample": ash.uniform(0.4, 1.0),
    "subsample_freq": ash.integers(1, 7),
    "min_child_samples": ash.integers(5, 100),
}


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    search = ash.ASHSearchCV(
        LGBMClassifier(verbose=-1),
        SPACE,
        candidates=candidates,
        time_limit=time_limit,
        cv=ShuffleSplit(1, test_size=0.25, random_state=0),
        n_jobs=1,
        random_state=seed,
    )
    return search.fit(X, y).result_


if __name__ == "__main__":
    print(tune())

"""Tune a linear model on the irises in your own loop, which asks `ash.Ladder` for jobs and tells it their scores."""

import math
import time
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import ash

X, y = load_iris(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, random_state=0)


class Best(NamedTuple):
    """The best candidate of a search."""

    best_score: float
    alpha: float


def tune(candidates: int = 20, time_limit: float = math.inf, seed: int = 0) -> Best:
    """Search, and return the best candidate."""
    end = time.monotonic() + time_limit
    drawn = ash.FunctionSpace(alpha=ash.uniform(0, 1)).sample(candidates, random_state=seed)
    models = {}
    for number, params in enumerate(drawn):
        models[number] = SGDClassifier(random_state=np.random.RandomState(number), **params)
    ladder = ash.Ladder(len(drawn), eta=3, min_epochs=8, max_rungs=3)  # 8, 32 and 104 passes in total
    best = Best(-math.inf, math.nan)
    while time.monotonic() < end and (job := ladder.ask()) is not None:
        model = models[job.candidate]
        for _ in range(job.epochs):
            model.partial_fit(X_train, y_train, classes=[0, 1, 2])
        score = model.score(X_valid, y_valid)
        ladder.tell(job, score)
        best = max(best, Best(score, model.alpha))
        for retired in ladder.take_retired():
            del models[retired]
    return best


if __name__ == "__main__":
    print(tune())

"""scikit-learn's searches over MLPClassifier: HalvingRandomSearchCV, and RandomizedSearchCV as the baseline.

Halving trains every candidate from scratch in each rung. In scikit-learn's favor: it has the same candidates as `ash`
and rows in single precision, and its early stopping is left on (a training ends after 10 epochs without a better loss).
Halving retrains the winner on all training and validation rows, and that model is tested. Random search has as many
epochs as a ladder and spends them on a few fully trained candidates.

Settings: "one split" (that of `ash`) or "5 folds" (scikit-learn's default), on joblib's worker processes or with
n_jobs=None.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier

from bench.peers.task import Found, Tables, Task, as_scikit_learn, note


class LoggedClassifier(MLPClassifier):
    """An MLPClassifier that logs the epochs of each training, and its scores on rows outside its training rows."""

    def fit(self, x: Any, y: Any) -> LoggedClassifier:
        """Train, and log the number of epochs even if the training diverges."""
        self.rows_ = len(x)
        try:
            super().fit(x, y)
        finally:
            note(epochs=int(getattr(self, "n_iter_", 0)))
        return self

    def partial_fit(self, x: Any, y: Any, classes: Any = None) -> LoggedClassifier:
        """Train an epoch and log it. A diverged network raises no error, and is scored with the weights it has then."""
        self.rows_ = len(x)
        with contextlib.suppress(ValueError):  # raised if "Solver produced non-finite parameter weights"
            super().partial_fit(x, y, classes=classes)
        note(epochs=1)
        return self

    def score(self, x: Any, y: Any) -> float:
        """Return the accuracy, and log it unless these are the training rows, which the searches also score."""
        value = float(super().score(x, y))
        if len(x) < self.rows_:
            note(score=value)
        return value


def warm_up(tables: Tables) -> None:
    """Train a throwaway network for one epoch."""
    MLPClassifier(max_iter=1).fit(tables.x[:100], tables.y[:100])


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Scale the rows, start joblib's workers and load their modules, which takes longer than a search by ash."""
    scaled = tables.scaled()
    warm_up(scaled)
    if "default" not in task.setting:
        Parallel(n_jobs=task.workers)(delayed(warm_up)(scaled) for _ in range(4 * task.workers))
    yield lambda: _run(task, scaled)


def _run(task: Task, tables: Tables) -> Found:
    x, y, fold = tables.together()
    search = _search(task, fold).fit(x, y)
    return Found(float(search.best_score_), lambda: search.predict(tables.x_test))


def _search(task: Task, fold: Any) -> Any:
    listed = [{name: [value] for name, value in as_scikit_learn(one).items()} for one in task.configurations]
    common: dict[str, Any] = {
        "cv": None if "5 folds" in task.setting else PredefinedSplit(fold),
        "random_state": task.seed,
        "n_jobs": None if "default" in task.setting else task.workers,
    }
    if "random" in task.setting:
        classifier = LoggedClassifier(max_iter=task.most_epochs, random_state=task.seed)
        return RandomizedSearchCV(classifier, listed, n_iter=random_candidates(task.candidates), **common)
    return HalvingRandomSearchCV(
        LoggedClassifier(random_state=task.seed),
        listed,  # draws from lists are without repetition, so all candidates are used, in another order
        n_candidates=task.candidates,
        factor=2,
        resource="max_iter",
        min_resources=1,
        max_resources=task.most_epochs,
        **common,
    )


def random_candidates(candidates: int) -> int:
    """Return how many fully trained candidates take as many epochs as a ladder of this many candidates."""
    return int(2 * np.log2(candidates))

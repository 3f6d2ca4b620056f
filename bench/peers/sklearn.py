"""scikit-learn over MLPClassifier: HalvingRandomSearchCV, and RandomizedSearchCV as the floor.

Halving trains every candidate from scratch in each rung. In its favour: the same candidates as `ash`, rows in single
precision, and its early stopping is left on (no better loss in 10 epochs ends a training). It trains the winner once
more on all rows, validation rows too, and that model is tested. Random search has as many epochs as a ladder takes and
spends them on a few candidates at full length.

Settings: "one split" (that of `ash`) or "5 folds" (its default), on worker processes of joblib or with n_jobs=None.
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
    """MLPClassifier that logs when and for how long it was trained, and its scores on rows it was not trained on."""

    def fit(self, x: Any, y: Any) -> LoggedClassifier:
        """Train, and log the epochs, also those of a training that diverges."""
        self.rows_ = len(x)
        try:
            super().fit(x, y)
        finally:
            note(epochs=int(getattr(self, "n_iter_", 0)))
        return self

    def partial_fit(self, x: Any, y: Any, classes: Any = None) -> LoggedClassifier:
        """Train an epoch and log it; a network that diverges keeps the score of its weights and ends no search."""
        self.rows_ = len(x)
        with contextlib.suppress(ValueError):  # "Solver produced non-finite parameter weights"
            super().partial_fit(x, y, classes=classes)
        note(epochs=1)
        return self

    def score(self, x: Any, y: Any) -> float:
        """Return the accuracy, and log it unless it is that of the training rows, which the searches also ask for."""
        value = float(super().score(x, y))
        if len(x) < self.rows_:
            note(score=value)
        return value


def warm_up(tables: Tables) -> None:
    """Train a throw-away network for an epoch."""
    MLPClassifier(max_iter=1).fit(tables.x[:100], tables.y[:100])


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Scale the rows, start joblib's workers and load their modules, which takes longer than a search of ash."""
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
        listed,  # a list of lists is drawn without repetition: all of them, in another order
        n_candidates=task.candidates,
        factor=2,
        resource="max_iter",
        min_resources=1,
        max_resources=task.most_epochs,
        **common,
    )


def random_candidates(candidates: int) -> int:
    """Return how many candidates at full length take the epochs of a ladder of this many candidates."""
    return int(2 * np.log2(candidates))

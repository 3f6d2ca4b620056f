"""scikit-learn over MLPClassifier: HalvingRandomSearchCV, and RandomizedSearchCV as the floor.

Halving trains every candidate anew in each rung. In its favour: the very candidates of `ash`, rows in single precision,
and its early stopping is left on (no better loss in 10 epochs ends a training). It trains the winner once more on all
rows, validation rows too, and that model is the one tested. Random search has as many epochs as a ladder takes and
spends them on a few candidates at full length.

Settings: "one split" (the one of `ash`) or "5 folds" (its default), on worker processes of joblib or with n_jobs=None.
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
    """MLPClassifier that notes when it was trained for how long, and how it scored rows it was not trained on."""

    def fit(self, x: Any, y: Any) -> LoggedClassifier:
        """Train, and note the epochs, those of a training that diverges too."""
        self.rows_ = len(x)
        try:
            super().fit(x, y)
        finally:
            note(epochs=int(getattr(self, "n_iter_", 0)))
        return self

    def partial_fit(self, x: Any, y: Any, classes: Any = None) -> LoggedClassifier:
        """Train an epoch, and note it; what diverges keeps the score of its weights and does not end the search."""
        self.rows_ = len(x)
        with contextlib.suppress(ValueError):  # "Solver produced non-finite parameter weights"
            super().partial_fit(x, y, classes=classes)
        note(epochs=1)
        return self

    def score(self, x: Any, y: Any) -> float:
        """Return the accuracy, and note it unless it is that of the training rows, which the searches also ask."""
        value = float(super().score(x, y))
        if len(x) < self.rows_:
            note(score=value)
        return value


def warm_up(tables: Tables) -> None:
    """Train a throw-away network for an epoch."""
    MLPClassifier(max_iter=1).fit(tables.x[:100], tables.y[:100])


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Scale the rows, and have joblib's workers up and their modules loaded: that takes longer than all of ash."""
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
    """Return how many candidates at full length take the epochs of a ladder of so many."""
    return int(2 * np.log2(candidates))

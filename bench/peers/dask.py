"""Dask-ML's HyperbandSearchCV over `partial_fit` of MLPClassifier, on the same space.

Dask-ML does not accept a split. It holds out 20 % of all rows except the test rows, without stratification. So its
scores and those of the other peers are computed on different rows. Its brackets determine the number of models (163 if
a ladder of 128 candidates ends at 64 epochs). The models are drawn from the same stream of candidates, but Dask-ML gets
POOL times as many as the other peers. A model resumes where it stopped. While a worker is idle, the next epoch of each
model is trained in advance; these epochs also count.

dask-ml 2025.1 fails on tuples of widths with different lengths, and on hyperparameters that only some candidates have.
This is why `Candidate` has a single text parameter. With newer releases of dask, it also fails unless a scheduler is
named, so the scheduler is set.

Settings: "1 thread x N workers" (N processes), or "default" (LocalCluster chooses; the same on up to 4 CPUs). The
client starts before the clock.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
from dask_ml.model_selection import HyperbandSearchCV
from distributed import Client, LocalCluster
from sklearn.base import BaseEstimator, ClassifierMixin

from bench.peers.sklearn import LoggedClassifier, warm_up
from bench.peers.task import VALIDATION, Found, Tables, Task, as_scikit_learn

POOL = 8


class Candidate(ClassifierMixin, BaseEstimator):
    """An MLPClassifier whose hyperparameters are passed as one JSON text."""

    def __init__(self, settings: str = "{}", seed: int = 0) -> None:
        self.settings, self.seed = settings, seed

    def partial_fit(self, x: Any, y: Any, classes: Any = None) -> Candidate:
        """Train an epoch."""
        if not hasattr(self, "network_"):
            self.network_ = LoggedClassifier(random_state=self.seed, **json.loads(self.settings))
        self.network_.partial_fit(x, y, classes=classes)
        return self

    def fit(self, x: Any, y: Any) -> Candidate:
        """Train an epoch; scikit-learn accepts no estimator without this method."""
        return self.partial_fit(x, y, np.unique(y))

    def score(self, x: Any, y: Any) -> float:
        """Return the accuracy."""
        return self.network_.score(x, y)

    def predict(self, x: Any) -> Any:
        """Return labels."""
        return self.network_.predict(x)


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Scale the rows and start a cluster with its files in the folder; yield the function to time."""
    scaled = tables.scaled()
    shape: dict[str, Any] = {} if "default" in task.setting else {"n_workers": task.workers, "threads_per_worker": 1}
    dask.config.set({"temporary-directory": str(folder)})
    with (
        LocalCluster(dashboard_address=None, silence_logs=logging.CRITICAL, **shape) as cluster,
        Client(cluster) as client,
    ):
        client.run(warm_up, scaled)
        with dask.config.set(scheduler=client.get):
            yield lambda: _run(task, scaled)


def _run(task: Task, tables: Tables) -> Found:
    x, y, _ = tables.together()
    pool = task.shared.ours().sample(POOL * task.candidates, task.seed)
    search = HyperbandSearchCV(
        Candidate(seed=task.seed),
        {"settings": [json.dumps(as_scikit_learn(one)) for one in pool]},
        max_iter=task.most_epochs,
        aggressiveness=2,
        test_size=VALIDATION,
        random_state=task.seed,
    )
    search.fit(x, y, classes=np.unique(y))
    return Found(float(search.best_score_), lambda: search.best_estimator_.predict(tables.x_test))

"""Helpers for tests of ensembles: noisy tables on which averaging improves a model, and runs on these tables."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from config_help import configured, split_once

RANDOM = np.random.default_rng(5)
ROWS, FEATURES = 360, 6
X: NDArray[np.float64] = RANDOM.normal(size=(ROWS, FEATURES))
NOISE: NDArray[np.float64] = RANDOM.normal(size=(ROWS, 2))
Y = np.digitize(X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + 0.7 * NOISE[:, 0], [-0.6, 0.6])
"""A target with three classes, partly random."""
YR = np.column_stack([X[:, 0] * X[:, 1] + NOISE[:, 0], 40 + 10 * (np.sin(2 * X[:, 2]) + NOISE[:, 1])])
"""Two targets in different units, partly random."""
WEIGHTS: NDArray[np.float64] = RANDOM.uniform(0.1, 3.0, ROWS)


def space() -> ash.Space:
    return ash.Space(
        hidden=ash.choice((8,), (16,), (12, 8)),
        learning_rate=ash.loguniform(1e-2, 1e-1, levels=11),
        activation=ash.choice("relu", "tanh"),
    )


def tune(y: NDArray[Any] = Y, **changes: Any) -> ash.Result:
    """Run a search of 24 small networks and return the result."""
    settings = {"candidates": 24, "min_epochs": 4, "n_jobs": 1, "random_state": 2, "verbose": 0, **changes}
    return ash.tune(X, y, space(), **configured(split_once(settings)))

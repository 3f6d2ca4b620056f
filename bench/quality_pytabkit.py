"""Published recipes for tables as `pytabkit` has them, on the CPU: RealMLP-TD-S and TabM-mini.

Both hold a fifth of the rows out, train on the others and keep their best epoch, by default. RealMLP takes the epochs
of its recipe. TabM goes on until 16 epochs have brought nothing, for many minutes on two cores, and takes no limit but
a number of epochs: it gets those that fit into three time limits, by what an epoch of few rows takes.
"""

from __future__ import annotations

from typing import Any

from bench.figures import timed
from bench.quality_fits import Task

FEW_ROWS = 1_000
TABM_LIMITS = 3  # time limits that TabM may take


def _told(task: Task) -> dict[str, Any]:
    return {"device": "cpu", "random_state": task.seed, "n_threads": task.threads}


def realmlp(task: Task, x: Any, y: Any) -> Any:
    """Train RealMLP-TD-S."""
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    estimator = RealMLP_TD_S_Classifier if task.classes else RealMLP_TD_S_Regressor
    return estimator(n_epochs=1 if task.few else None, **_told(task)).fit(x, y)


def tabm(task: Task, x: Any, y: Any) -> Any:
    """Train TabM-mini."""
    if task.few:
        return _tabm(task, 1).fit(x, y)
    seconds, _ = timed(lambda: _tabm(task, 1).fit(x[:FEW_ROWS], y[:FEW_ROWS]))
    return _tabm(task, epochs_within(TABM_LIMITS * task.limit, seconds, len(x))).fit(x, y)


def _tabm(task: Task, epochs: int) -> Any:
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    estimator = TabM_D_Classifier if task.classes else TabM_D_Regressor
    return estimator(arch_type="tabm-mini", n_epochs=epochs, **_told(task))


def epochs_within(limit: float, seconds: float, rows: int) -> int:
    """Return how many epochs of so many rows fit into the limit, if one of few rows takes these seconds; at least 1."""
    return max(1, int(limit / (seconds * max(1.0, rows / FEW_ROWS))))

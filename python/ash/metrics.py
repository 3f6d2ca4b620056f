"""The metrics that the core scores natively, and which of them fits which task.

A score is always "higher is better": the errors (log_loss, rmse, mae) come negated, as scikit-learn's `neg_*` scorers
give them.
"""

import difflib
from typing import Literal, TypeAlias

from ash.errors import SettingError

Task: TypeAlias = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")

METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "log_loss", "auc"),
    "regression": ("r2", "rmse", "mae"),
}
"""Names by task; the first of each is the default."""

_PEERS = {
    "acc": "accuracy",
    "roc_auc": "auc",
    "logloss": "log_loss",
    "neg_log_loss": "log_loss",
    "mse": "rmse",
    "neg_mean_squared_error": "rmse",
    "neg_root_mean_squared_error": "rmse",
    "neg_mean_absolute_error": "mae",
}
"""What others call them, or what ranks alike."""


def check_metric(metric: str | None) -> None:
    """Raise SettingError, with the nearest names, unless `metric` is None or one that the core knows."""
    known = [name for names in METRICS.values() for name in names]
    if metric is None or metric in known:
        return
    near = [_PEERS[metric]] if metric in _PEERS else difflib.get_close_matches(str(metric), known)
    hint = f"did you mean {' or '.join(near)}? There are" if near else "choose one of"
    others = "" if near else "; any scorer of scikit-learn's is the argument scoring of ASHClassifier and ASHRegressor"
    raise SettingError(f"metric={metric!r} is not known; {hint} {', '.join(known)}{others}")


def metric_of(task: str, metric: str | None) -> str:
    """Return the metric for a task, its default for None; raise SettingError when it belongs to the other task."""
    names = METRICS[task]
    if metric is None:
        return names[0]
    check_metric(metric)
    if metric not in names:
        raise SettingError(f"metric={metric!r} does not fit {task}; allowed: {', '.join(names)}")
    return metric

"""Reads the core's table of metrics (cpp/ash/train/metrics.cpp): their names, tasks and needs.

Higher scores are always better. Errors are negated, and are named like scikit-learn's scorers. The pinball loss, for
which scikit-learn has no scorer, is named in the same way.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from ash import _core
from ash._utils.checks import near_names
from ash.errors import SettingError

Task: TypeAlias = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")

_TABLE = _core.metrics()
METRICS: dict[str, tuple[str, ...]] = {
    "classification": tuple(name for name, classifies, *_ in _TABLE if classifies),
    "regression": tuple(name for name, classifies, *_ in _TABLE if not classifies),
}
"""Metric names by task; the first name of each task is the default."""
LOSSES = {"classification": "neg_log_loss", "regression": "neg_root_mean_squared_error"}
"""The metric that is used for each task if the run's metric is a user's function or undefined."""
METRIC_OF_LOSS = {
    "absolute_error": "neg_mean_absolute_error",
    "quantile": "neg_mean_pinball_loss",
    "poisson": "neg_mean_poisson_deviance",
}
"""The default metric of each loss of a regression; r2 for the losses that are not listed."""
POSITIVE = tuple(name for name, _, _, of_positive, _ in _TABLE if of_positive)
"""Metrics of the positive class of two classes."""
OF_LABELS = tuple(name for name, _, of_labels, _, _ in _TABLE if of_labels)
"""Metrics of predicted labels; the other metrics of a classification score probabilities."""
NEED_ALL_CLASSES = tuple(name for name, *_, all_classes in _TABLE if all_classes)
"""The metrics that are undefined on rows without one of the classes."""
ALIASES = {
    "log_loss": "neg_log_loss",
    "auc": "roc_auc",
    "roc_auc_ovr": "roc_auc",
    "rmse": "neg_root_mean_squared_error",
    "mae": "neg_mean_absolute_error",
}
"""Other accepted names of metrics, and the metrics that they stand for."""

_PEERS = {
    "acc": "accuracy",
    "logloss": "neg_log_loss",
    "mse": "neg_root_mean_squared_error",
    "l1": "neg_mean_absolute_error",
    "l2": "neg_root_mean_squared_error",
}
"""Names that other libraries use for these metrics or for metrics that rank candidates in the same order."""


def native_metric(name: object) -> str | None:
    """Return the core's metric with this name or alias, or None if the core has no such metric."""
    found = ALIASES.get(name, name) if isinstance(name, str) else None
    return found if any(found in names for names in METRICS.values()) else None


def native_or_loss(metric: str, task: str, *, are_positive: bool) -> str:
    """Return the metric if the core can compute it, else the metric in `LOSSES`.

    The Poisson deviance cannot be computed unless all predictions are positive.
    """
    is_native = metric in METRICS[task] and (are_positive or metric != METRIC_OF_LOSS["poisson"])
    return metric if is_native else LOSSES[task]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a hint for an unknown metric: the metric that other libraries call `name`, or similar names, or ""."""
    peers = ALIASES | _PEERS
    near = [peers[name]] if name in peers else near_names(name, names)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def metric_of(task: str, metric: str | None) -> str:
    """Return `metric`, or the task's default metric if it is None; raise SettingError if the task lacks the metric."""
    names = METRICS[task]
    if metric is None:
        return names[0]
    if metric not in names:
        why = "is not known" if native_metric(metric) is None else f"does not fit {task}"
        raise SettingError(f"scoring={metric!r} {why}; give one of {', '.join(names)}")
    return metric

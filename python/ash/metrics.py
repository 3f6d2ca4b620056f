"""The metrics that the core scores natively, and which of them fits which task.

A score is always "higher is better": the errors (log_loss, rmse, mae) come negated, as scikit-learn's `neg_*` scorers
give them.
"""

import difflib

from ash.errors import SettingError

METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "log_loss", "auc"),
    "regression": ("r2", "rmse", "mae"),
}
"""Names by task; the first of each is the default."""


def check_metric(metric: str | None) -> None:
    """Raise SettingError, with the nearest names, unless `metric` is None or one that the core knows."""
    known = [name for names in METRICS.values() for name in names]
    if metric is None or metric in known:
        return
    near = difflib.get_close_matches(str(metric), known) or known
    raise SettingError(f"metric={metric!r} is not known; nearest: {', '.join(near)}; all: {', '.join(known)}")


def metric_of(task: str, metric: str | None) -> str:
    """Return the metric for a task, its default for None; raise SettingError when it belongs to the other task."""
    names = METRICS[task]
    if metric is None:
        return names[0]
    check_metric(metric)
    if metric not in names:
        raise SettingError(f"metric={metric!r} does not fit {task}; allowed: {', '.join(names)}")
    return metric

"""What scores the candidates of a run: a metric that is defined on the validation rows, or the user's function.

Of a function there is one scorer a fold; no two of them run at once.
"""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ash import _core
from ash._utils.user_warnings import warn_user
from ash.encoding.data_split import Fold
from ash.errors import AllDiverged, SettingError
from ash.metrics import metric_of
from ash.models.model_pool import network_of
from ash.options import Options

if TYPE_CHECKING:
    from ash.scoring.scorers import ValidationScorer


@dataclass(frozen=True)
class Scoring:
    """A function of the user's that scores in place of a metric of the core, and what it is called."""

    name: str
    scorer: Callable[..., Any]

    @property
    def identity(self) -> str:
        """Return a text that differs between functions, as far as can be seen: by their code, or their repr."""
        code = getattr(self.scorer, "__code__", None)
        if code is None:
            return re.sub(r" at 0x[0-9a-f]+", "", repr(self.scorer))
        constants = [each for each in code.co_consts if not hasattr(each, "co_code")]
        text = repr((code.co_code, code.co_names, constants))
        qualified_name = f"{self.scorer.__module__}.{getattr(self.scorer, '__qualname__', self.name)}"
        return f"{qualified_name} {hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def fold_scorers(
    scoring: Scoring | None, X: Any, validation: Any, folds: Sequence[Fold], options: Options
) -> "list[ValidationScorer]":
    """Return what scores each fold by the user's function, which sees rows of X or validation as the user gave them."""
    if scoring is None:
        return []
    lock = Lock()
    return [_fold_scorer(scoring, X, validation, fold, options, lock) for fold in folds]


def _fold_scorer(
    scoring: Scoring, X: Any, validation: Any, fold: Fold, options: Options, lock: Lock
) -> "ValidationScorer":
    from sklearn.utils import _safe_indexing

    from ash.scoring.scorers import ValidationScorer

    frame = fold.table.frame if fold.held_out is None else fold.held_out
    rows = frame.numbers_of(fold.validation - (0 if fold.held_out is None else fold.table.rows))
    targets = fold.y[fold.validation]
    classes = fold.table.classes_
    y = targets if classes is None else classes[targets[:, 0].astype(np.int64)]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    weights = None if fold.weights is None else fold.weights[fold.validation]
    X_validation = _safe_indexing(X if fold.held_out is None else validation[0], rows)
    return ValidationScorer(
        scoring.scorer, X_validation, y, weights, lambda core: network_of(core, fold, {}, options, math.nan), lock
    )


def check_scorers(scorers: "Sequence[ValidationScorer]", options: Options, ended: str, restored: bool) -> None:
    """Raise what the user's function has raised, or AllDiverged where neither it nor an earlier run gave a number."""
    for scorer in scorers:
        if scorer.error is not None:
            raise scorer.error
        if scorer.has_scored is False and not restored and ended != "interrupted":
            raise AllDiverged(f"scoring={options.metric!r} has returned no finite number for any of the candidates")


def usable_metric(fold: Fold, options: Options) -> str:
    """Return the metric; where it is undefined on the validation rows, a default is replaced, a given one refused."""
    table = fold.table
    metric = metric_of(table.task, options.metric)
    classes = table.classes
    targets = fold.y[fold.validation]
    predictions = np.full((len(targets), classes), 1 / classes) if classes else targets
    constant = metric == "r2" and bool((targets == targets[0]).all())  # all candidates would score 0, or 1
    if not constant and not np.isnan(_core.score(metric, targets, predictions.astype(np.float32), classes)):
        return metric
    why = f"metric {metric!r} is undefined on the {len(targets)} validation rows (all of one class or value)"
    if options.metric is not None or options.target is not None:  # a target is meant for this metric
        raise SettingError(f"{why}; choose another metric or a larger validation part")
    warn_user(f"{why}; candidates are ranked by 'rmse' instead")
    return "rmse"

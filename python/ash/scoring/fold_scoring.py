"""Chooses how candidates are scored: by a metric that is defined on the validation rows, or by a user's function.

For a user's function there is one scorer per fold. Only one scorer runs at a time.
"""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Number
from threading import Lock
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import takes
from ash._utils.hashes import hash_of
from ash._utils.user_warnings import warn_user
from ash.data.arrays import is_sparse
from ash.data.frames import Frame
from ash.data.table import Table
from ash.data.targets import no_positive_class
from ash.encoding.data_split import Fold
from ash.errors import AllDivergedError, SettingError
from ash.metrics import (
    ALIASES,
    METRIC_OF_LOSS,
    METRICS,
    NEED_ALL_CLASSES,
    POSITIVE,
    did_you_mean,
    metric_of,
    native_metric,
)
from ash.models.model_pool import member_of
from ash.options import Options, RunPlan

if TYPE_CHECKING:
    from ash.scoring.scorers import ValidationScorer


@dataclass(frozen=True)
class Scoring:
    """A scorer of scikit-learn, or a user's function, that scores candidates instead of a metric of the core."""

    name: str
    scorer: Callable[..., Any]

    def __str__(self) -> str:
        """Return the argument with the scorer's name, for messages."""
        return f"scoring={self.name!r}"

    @property
    def needs_all_classes(self) -> bool:
        """Whether it scores probabilities by scikit-learn, which refuses most such scores if a class has no row."""
        return getattr(self.scorer, "_response_method", "predict") != "predict"

    @property
    def identity(self) -> str:
        """Return a text by which the scoring function is recognized.

        It differs if the function's code, defaults or enclosed variables do; without code, if the scorer's repr does.
        """
        scorer: Any = self.scorer
        code = getattr(scorer, "__code__", None)
        if code is None:
            return re.sub(r" at 0x[0-9a-f]+", "", repr(scorer))
        named = tuple(sorted((getattr(scorer, "__kwdefaults__", None) or {}).items()))
        cells = getattr(scorer, "__closure__", None) or ()
        enclosed = tuple(cell.cell_contents for cell in cells if cell != CellType())  # without empty ones
        text = repr(_facts((code, getattr(scorer, "__defaults__", None), named, enclosed)))
        qualified_name = f"{scorer.__module__}.{getattr(scorer, '__qualname__', self.name)}"
        return f"{qualified_name} {hash_of(text.encode())}"


def _facts(value: Any) -> Any:
    """Return facts that differ if two values of a function do; their repr is the same in all processes.

    Code includes the functions and comprehensions in it. Lists and other objects, which may be a scorer's state, have
    only the name of their class, or their own name.
    """
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, _facts(value.co_consts)
    if isinstance(value, tuple):
        return [_facts(each) for each in value]
    if isinstance(value, frozenset):  # its order depends on PYTHONHASHSEED
        return sorted(repr(_facts(each)) for each in value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.dtype.str, value.shape, hash_of(value.tobytes())
    if isinstance(value, Number | str | bytes | slice):
        return value
    return getattr(value, "__qualname__", type(value).__qualname__)


def read_scoring(
    value: Any, task: str | None = None, loss: str = "", pos_label: Any = None
) -> tuple[str | None, Scoring | None]:
    """Return the core's metric (None for the default) and the `Scoring` that replaces this metric, if any.

    Parameters
    ----------
    value : str, callable or None
        The argument `scoring`: the name of a metric of the core or of a scorer of scikit-learn, or
        ``scorer(estimator, X, y)``.
    task, loss : str, optional
        The task and the loss, if they are known.
    pos_label : label, optional
        The positive class of scikit-learn's scorers of one class, such as "recall".

    Raises
    ------
    SettingError
        `value` is none of these, or a metric of the other task.
    """
    if value is None:
        return None, None
    metric = native_metric(value)
    # With other losses, predictions may be 0 or below. scikit-learn's scorer raises an error for such predictions.
    if metric is not None and (metric != METRIC_OF_LOSS["poisson"] or loss == "poisson"):
        return metric if task is None else metric_of(task, metric), None
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        if not takes(value, None, None, None):
            raise SettingError(
                f"scoring must be a function of estimator, X and y, got {name}{inspect.signature(value)}: wrap a "
                "metric of true and predicted values by sklearn.metrics.make_scorer"
            )
        if native_metric(name) is not None:
            name += "()"  # the function may score differently from the core's metric of the same name
        return None, Scoring(name, value)
    hint, native = "", [name for each in METRICS.values() for name in each]
    if isinstance(value, str):
        from sklearn.metrics import get_scorer_names

        from ash.scoring.scorers import scorer_of

        if value in get_scorer_names():
            return None, Scoring(value, scorer_of(value, pos_label))
        hint = did_you_mean(value, dict.fromkeys([*native, *ALIASES, *get_scorer_names()]))
    raise SettingError(
        f"scoring must be one of {', '.join(native)}, another scikit-learn scorer, or a function of estimator, X "
        f"and y, got {value!r}{hint}"
    )


def fold_scorers(
    scoring: Scoring | None, X: Any, validation: Any, folds: Sequence[Fold], plan: RunPlan
) -> "list[ValidationScorer]":
    """Return one scorer per fold; it passes the fold's validation rows to the function, in the user's form."""
    if scoring is None:
        return []
    lock = Lock()
    return [_fold_scorer(scoring, X, validation, fold, plan, lock) for fold in folds]


def _fold_scorer(
    scoring: Scoring, X: Any, validation: Any, fold: Fold, plan: RunPlan, lock: Lock
) -> "ValidationScorer":
    from sklearn.utils import _safe_indexing

    from ash.scoring.scorers import ValidationScorer

    frame = fold.table.frame if fold.held_out is None else fold.held_out
    rows = frame.numbers_of(fold.validation - (0 if fold.held_out is None else fold.table.rows))
    y = _targets(fold, fold.validation)
    weights = None if fold.weights is None else fold.weights[fold.validation]
    if isinstance(X, Frame) and fold.held_out is None:  # a table from a file
        X_validation: Any = frame.take(fold.validation)
    else:
        given = X if fold.held_out is None else validation[0]
        X_validation = _safe_indexing(given.tocsr() if is_sparse(given) else given, rows)
    network = partial(member_of, fold=fold, params={}, options=plan, score=math.nan)
    scorer = ValidationScorer(scoring.scorer, X_validation, y, weights, network, lock)
    scorer.try_out(_targets(fold, slice(None)), plan.task, str(scoring))
    return scorer


def _targets(fold: Fold, rows: Any) -> NDArray[Any]:
    """Return the targets of the given rows of a fold in the user's form; a single column as a vector."""
    targets, classes = fold.y[rows], fold.table.classes_
    y: NDArray[Any] = targets if classes is None else classes[targets[:, 0].astype(np.int64)]
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def check_scorers(scoring: Scoring | None, scorers: "Sequence[ValidationScorer]", ended: str, restored: bool) -> None:
    """Raise the error of the user's function, if any.

    Raise AllDivergedError if all scores of a fold were NaN or infinite, unless jobs were restored or the run
    interrupted.
    """
    for scorer in scorers:
        if isinstance(scorer.error, Exception) and scorer.is_of_sklearn:
            raise SettingError(f"{scoring} failed: {scorer.error}") from scorer.error
        if scorer.error is not None:
            raise scorer.error
        if scorer.has_scored is False and not restored and ended != "interrupted":
            raise AllDivergedError(f"{scoring} returned no finite number for any of the candidates")


def usable_metric(fold: Fold, options: Options) -> str:
    """Return the metric, or another metric if the default metric is undefined on the validation rows.

    An undefined metric is refused if the user chose it or set a stop score.
    """
    metric = metric_of(fold.table.task, options.metric or METRIC_OF_LOSS.get(options.loss))
    _check_positive(metric, fold.table)
    targets = fold.y[fold.validation]
    if metric in NEED_ALL_CLASSES:
        is_defined = len(np.unique(targets)) == fold.table.classes
    else:  # with constant targets, r2 is always 0 or 1
        is_defined = metric != "r2" or bool((targets != targets[0]).any())
    if is_defined:
        return metric
    why = f"metric {metric!r} is undefined on the {len(targets)} validation rows (all of one class or value)"
    if options.metric is not None or options.stop_score is not None:  # a stop score is a value of this metric
        raise SettingError(f"{why}; choose another metric or a larger validation part")
    warn_user(f"{why}; candidates are ranked by 'neg_root_mean_squared_error' instead")
    return "neg_root_mean_squared_error"


def _check_positive(metric: str, table: Table) -> None:
    """Raise SettingError if the metric needs a positive class and it is unclear which class that is."""
    classes = table.classes_
    if metric not in POSITIVE or classes is None:
        return
    if metric == "f1" and len(classes) > 2:
        raise SettingError(f"metric 'f1' is for 2 classes, but y has {len(classes)}; give 'f1_macro' or 'f1_weighted'")
    if len(classes) == 2 and table.positive is None:
        raise no_positive_class(f"metric {metric!r}", classes)


def check_threshold(threshold: str | float | None, table: Table) -> None:
    """Raise SettingError if `decision_threshold` is a number, but the table has no positive class."""
    if not isinstance(threshold, float) or table.classes_ is None or table.positive is not None:
        return
    if len(table.classes_) == 2:
        raise no_positive_class(f"decision_threshold={threshold}", table.classes_)
    raise SettingError(
        f"decision_threshold={threshold} is the probability of one of two classes, but y has {len(table.classes_)} "
        "classes: pass 'auto' or None"
    )

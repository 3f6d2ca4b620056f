"""The rows of a fold as boosted-tree libraries need them, with what is prepared of them once for all jobs.

Threads: any thread may use these objects. A lock guards what is prepared of a fold.
Memory:  per fold, the encoded validation rows in float64, and a table of bins (one byte per cell) for each combination
         of library, target transform and encoding of categories in use. Pickled, a fold has all its encoded rows in
         float64.
"""

from collections.abc import Callable
from threading import RLock
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.encoding.data_split import Fold
from ash.engine.core_data import BLOCK_CELLS
from ash.models.model import Outputs
from ash.options import RunPlan, core_loss
from ash.space.boosters import BOOSTERS
from ash.space.hyperparameters import Params, model_of

BINS = 255
"""The maximum number of bins of a feature."""
MOST_OBLIVIOUS = 1_024
"""Maximum number of leaves of an oblivious tree, which may have more leaves than there are rows."""
NATIVE = "native"
"""The value of the hyperparameter `categories` with which trees split sets of levels."""
OBJECTIVES = {
    "squared_error": "regression",
    "absolute_error": "regression_l1",
    "quantile": "quantile",
    "poisson": "poisson",
}
"""LightGBM's name for each regression loss."""

Made = TypeVar("Made")


class Once:
    """Values that are prepared once, by key. Thread-safe; a pickle has none of them."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._values: dict[tuple[Any, ...], Any] = {}

    def __reduce__(self) -> tuple[type["Once"], tuple[()]]:
        return Once, ()

    def get(self, key: tuple[Any, ...], prepare: Callable[[], Made]) -> Made:
        """Return what was prepared under a key; prepare it if this is the first call."""
        with self._lock:
            if key not in self._values:
                self._values[key] = prepare()
            found: Made = self._values[key]
        return found


class ScoredRows(NamedTuple):
    """What the validation rows are scored by."""

    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    positive: int


class TreeTable:
    """The rows of a fold, on which a run boosts as its plan says.

    A pickle has the encoded rows in place of the fold, whose columns may be of a library that a worker lacks.

    Attributes
    ----------
    plan : RunPlan
    rows : int
        Number of training rows.
    classes : int
        Number of classes; 0 for regression.
    features : int
        Number of encoded features. Rows with level numbers have `categories` more.
    categories : int
        Number of columns that are categories.
    of_categories : list of int
        The features of categories, which level numbers replace.
    about_bins : int
        The approximate number of bins of all features.
    trees_a_round : int
        Number of trees that a boosting round adds.
    prepared : Once
        What the libraries prepare of the rows.
    """

    def __init__(self, fold: Fold, data: _core.Data, plan: RunPlan) -> None:
        encoding, places, weights = fold.encoding, fold.encoding.categories, fold.weights
        self._data, self.plan = data, plan
        self._rows: Fold | NDArray[np.float64] = fold  # in a worker: all encoded rows, with the level numbers
        self._training_rows, self._validation_rows = fold.training, fold.validation
        self.rows, self.features, self.categories = len(fold.training), encoding.features, len(places)
        self.classes = fold.table.classes
        self.trees_a_round = self.classes if self.classes > 2 else 1
        self.of_categories = [feature for place in places for feature in encoding.features_of(place)]
        positive = 1 if fold.table.positive is None else fold.table.positive
        row_weights = np.empty(0) if weights is None else weights[fold.validation]
        self._scored = ScoredRows(fold.y[fold.validation], row_weights, positive)
        self.about_bins = bins_of(fold)
        self.prepared = Once()

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes to pickle."""
        return {**vars(self), "_rows": self._all_rows(True)}

    def validation(self, native: bool) -> NDArray[np.float64]:
        """Return the encoded validation rows; if `native`, with the level numbers of the categories."""
        return self.prepared.get(("validation", native), lambda: self._all_rows(native)[self._validation_rows])

    def score(self, outputs: Outputs) -> float:
        """Return the score of predictions for the validation rows, by the metric of the run."""
        metric, level = self.plan.metric, core_loss(self.plan)[1]
        targets, weights, positive = self._scored
        return _core.score(metric, targets, outputs, self.classes, weights.tolist(), level, positive)

    def loss(self, outputs: Outputs) -> float:
        """Return the log loss of predicted probabilities, or the root mean squared error of predicted targets.

        The loss ranks candidates with equal scores.
        """
        metric = "neg_log_loss" if self.classes else "neg_root_mean_squared_error"
        return -_core.score(metric, self._scored.targets, outputs, self.classes, self._scored.weights.tolist())

    def leaves(self, params: Params) -> int:
        """Return the maximum number of leaves that a round adds."""
        booster = BOOSTERS[model_of(params)]
        return self.trees_a_round * booster.leaves(params[booster.size], self.rows // params.get("min_data_in_leaf", 1))

    def is_native(self, params: Params) -> bool:
        """Return whether a candidate's trees split the categories themselves."""
        return params.get("categories") == NATIVE and self.categories > 0

    def output_units(self, log: bool) -> dict[str, Any]:
        """Return how the scores of trees become targets, as arguments of `_core.Trees`; nothing for classes."""
        return {} if self.classes else self._data.output_units(log)

    def training(
        self, log: bool, native: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the encoded training rows, their targets (logarithms if `log`), and their weights."""
        weights = self._data.training_weights()
        label = self._data.training_targets(log).ravel()
        everything = self._all_rows(native)
        # So that none is encoded twice.
        self.prepared.get(("validation", native), lambda: everything[self._validation_rows])
        rows = everything[self._training_rows]
        if native:
            rows[:, self.of_categories] = 0.0  # constant features are ignored
        return rows, label, weights if len(weights) else None

    def _all_rows(self, native: bool) -> NDArray[np.float64]:
        """Return all encoded rows; if `native`, with level numbers."""
        if not isinstance(self._rows, Fold):
            return self._rows if native else self._rows[:, : self.features]
        fold = self._rows
        rows = np.concatenate(list(fold.blocks(BLOCK_CELLS)))
        if native:
            frames = [fold.table.frame, *([] if fold.held_out is None else [fold.held_out])]
            places = fold.encoding.categories
            parts = [[fold.encoding.level_codes(frame, place) for frame in frames] for place in places]
            rows = np.column_stack([rows, *map(np.concatenate, parts)])
        return rows


def table_bytes_of_trees(fold: Fold) -> int:
    """Return the approximate peak memory, in bytes, of a fold's table while its bins are created."""
    encoding = fold.encoding
    native = encoding.features + 17 * len(encoding.categories) if encoding.categories else 0
    return len(fold.y) * (17 * encoding.features + native)


def job_bytes_of_trees(fold: Fold, leaves: int) -> int:
    """Return the approximate bytes of a job: its leaves' histograms, and the scores and gradients of all rows."""
    rows, encoding = len(fold.y), fold.encoding
    levels = sum(len(encoding.schema.columns[place].levels) for place in encoding.categories)
    bins = bins_of(fold) + min(levels, rows)
    return 16 * min(leaves, max(rows, MOST_OBLIVIOUS)) * bins + 24 * rows * max(1, fold.table.classes)


def bins_of(fold: Fold) -> int:
    """Return the approximate total number of bins of all features."""
    numbers = int(fold.encoding.scaled.sum())
    return numbers * min(BINS, len(fold.y)) + 3 * (fold.encoding.features - numbers)


def objective_of(classes: int, loss: str) -> str:
    """Return the objective in LightGBM's text format that says what raw scores mean; `classes` is 0 for regression."""
    if classes == 2:
        return "binary sigmoid:1"
    return f"multiclass num_class:{classes}" if classes else OBJECTIVES[loss]


def takes_logarithms(params: Params) -> bool:
    """Return whether a candidate predicts the logarithm of the target."""
    return bool(params["target_transform"] == "log")

"""Contains trees that CatBoost trained on its own categories. CatBoost predicts with them, not the core.

CatBoost replaces a category, and combinations of categories, by statistics of the target that it computes in an order
of the rows. Such splits have no counterpart in LightGBM's text format, so the model stays in CatBoost's own format.

    rows [rows, features] --> Pool: numbers, and level numbers as text --> raw scores --> probabilities, or targets

Threads: one thread per call, and one call of CatBoost at a time (`IN_TURN`): CatBoost's logger is not thread-safe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash._utils.cached import cached_property
from ash._utils.installation import require_extra
from ash.models.file import MalformedError, check_format
from ash.models.lightgbm_text import ABSENT
from ash.models.model import elementary

IN_TURN = Lock()
"""The lock that is held while CatBoost trains, predicts, or creates a pool."""
CHANGING = ("train_finish_time", "model_guid")
"""Entries of CatBoost's metadata that differ between two equal models."""
LEAST = -1000.0
"""The lower bound of logits, as in the core."""


def with_units(content: bytes, features: int, classes: int, units: Mapping[str, Any]) -> "CatBoostTrees":
    """Return trees with these units of their targets; units that are absent or empty have no effect."""
    defaults = {"target_mean": 0.0, "target_scale": 1.0, "target_least": -np.inf, "target_most": np.inf}
    arrays = {
        name: np.array(units[name], np.float64) if len(units.get(name, ())) else np.full(max(classes, 1), default)
        for name, default in defaults.items()
    }
    return CatBoostTrees(content, features, classes, exponential=units.get("exponential", False), **arrays)


def pool_of(rows: NDArray[Any], categories: int, label: Any = None, weights: Any = None) -> Any:
    """Return CatBoost's Pool of rows [rows, features] whose last `categories` features are level numbers."""
    from catboost import FeaturesData, Pool

    numbers = np.ascontiguousarray(rows[:, : rows.shape[1] - categories], np.float32)
    levels = rows[:, rows.shape[1] - categories :].astype(np.int64)
    texts = np.array([str(level).encode() for level in range(int(levels.max(initial=0)) + 1)], object)
    data = FeaturesData(num_feature_data=numbers, cat_feature_data=texts[levels])
    return Pool(data, label, weight=weights, thread_count=1)


def content_of(model: Any) -> bytes:
    """Return a trained CatBoost model as bytes that are equal for equal models."""
    about = model.get_metadata()
    for name in CHANGING:
        about[name] = ""
    return bytes(model._serialize_model())


@dataclass(frozen=True, eq=False)
class CatBoostTrees:
    """Trees in CatBoost's own format, with the attributes of `ash._core.Trees` that ash needs of each model.

    Attributes
    ----------
    content : bytes
        The model in CatBoost's format.
    features : int
        The number of features; the last ones are level numbers of categories.
    classes : int
        Number of classes; 0 for regression.
    target_mean, target_scale, target_least, target_most : float64 array [outputs]
    exponential : bool
        As in `ash._core.Trees`.
    """

    content: bytes
    features: int
    classes: int
    target_mean: Numbers
    target_scale: Numbers
    exponential: bool
    target_least: Numbers
    target_most: Numbers

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, for pickle, without the loaded model."""
        return {name: value for name, value in vars(self).items() if name in self.__dataclass_fields__}

    @cached_property
    def _model(self) -> Any:
        return loaded(self.content)

    @property
    def categories(self) -> int:
        """Return the number of features that are level numbers."""
        return len(self._model.get_cat_feature_indices())

    @property
    def leaf_starts(self) -> NDArray[np.int64]:
        """Return the index of each tree's first leaf, then the number of leaves."""
        return np.cumsum([0, *self._model.get_tree_leaf_counts()])

    @property
    def leaf_values(self) -> Numbers:
        """Return the values of all leaves."""
        return np.asarray(self._model.get_leaf_values())

    def check(self) -> None:
        """Raise MalformedError unless the content is a CatBoost model of these features and classes."""
        names, levels = self._model.feature_names_, self._model.get_cat_feature_indices()
        check_format(len(names) == self.features, f"the CatBoost model has {len(names)} features, not {self.features}")
        fits = levels == list(range(self.features - len(levels), self.features))
        check_format(fits, "the categories of the CatBoost model are not its last features")
        present, outputs = self._classes, 1 if self.classes <= 2 else len(self._classes)
        known = bool(np.isin(present, np.arange(max(self.classes, 2))).all())
        check_format(known, f"the CatBoost model has other classes than {self.classes}")
        has_scores = len(self.leaf_values) == outputs * self.leaf_starts[-1]
        check_format(has_scores, "the CatBoost model has another number of scores")

    @property
    def _classes(self) -> NDArray[np.int64]:
        """Return the class number of each score, of more than two classes."""
        return np.asarray(self._model.classes_, np.float64).astype(np.int64)

    def predict(self, x: NDArray[Any], threads: int = 1) -> NDArray[np.float32] | NDArray[np.float64]:
        """Return probabilities [rows, classes], or targets [rows, 1] in the units of y, as `_core.Trees.predict`."""
        if not len(x):
            nothing = np.zeros((0, len(self.target_mean)))
            return nothing.astype(np.float32) if self.classes else nothing
        model, categories = self._model, self.categories
        with IN_TURN:
            pool = pool_of(x, categories)
            raw = model.predict(pool, prediction_type="RawFormulaVal", thread_count=1)
        scores = np.asarray(raw, np.float64).reshape(len(x), -1)
        if not self.classes:
            scaled = self.target_scale * scores
            targets = self.target_mean * elementary("exp", scaled) if self.exponential else self.target_mean + scaled
            return np.asarray(np.clip(targets, self.target_least, self.target_most), np.float64)
        logits = np.full((len(x), self.classes), 0.0 if self.classes == 2 else ABSENT)
        logits[:, [1] if self.classes == 2 else self._classes] = scores
        logits += self.target_mean
        logits = np.maximum(self.target_scale[0] * (logits - logits.max(axis=1, keepdims=True)), LEAST)
        shares = elementary("exp", logits)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=8)
def loaded(content: bytes) -> Any:
    """Return the CatBoost model with this content; raise MalformedError if CatBoost cannot read it."""
    require_extra("A model that CatBoost trained on its own categories", "catboost", "catboost")
    from catboost import CatBoost, CatBoostError

    model = CatBoost()
    try:
        with IN_TURN:
            model.load_model(blob=content)
    except CatBoostError as error:
        raise MalformedError(f"CatBoost cannot read its model: {str(error)[:100]}") from error
    return model

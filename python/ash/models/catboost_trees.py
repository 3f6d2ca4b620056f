"""Converts CatBoost's boosted trees to LightGBM's text format. CatBoost is not needed.

    CatBoost's model as JSON ---> the bias: one single-leaf tree per score         ---> text for lightgbm_text.py
                                  an oblivious tree: a full binary tree per score

An oblivious tree of depth d has the same d splits on every path. Bit k of a leaf's number is the result of split k. The
split of the highest bit becomes the root, so that the leaves keep their order.

CatBoost rounds a cell to float32 and tests whether it is above a border. LightGBM tests whether a double is at most a
threshold. The threshold written here is the largest double that rounds to a float32 of at most the border. So both
libraries send each cell to the same side, except that the core, like LightGBM, treats cells within 1e-35 of 0 as 0.
Both send missing cells left.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash.models.file import MalformedError, check_format
from ash.models.lightgbm_text import ABSENT, NAN_LEFT, splits_of, structure_of, thresholds_of, write_trees

Splits: TypeAlias = list[tuple[int, float]]
"""The features and borders of an oblivious tree, root first."""


def lightgbm_text(
    model: Mapping[str, Any], *, features: int, objective: str, dimensions: Sequence[int | None] = (0,)
) -> str:
    """Return CatBoost's trees in LightGBM's text format.

    Parameters
    ----------
    model : dict
        The JSON that CatBoost's ``save_model(..., format="json")`` writes.
    features : int
        Number of columns on which the model was trained, all of them numeric.
    objective : str
        The LightGBM objective whose raw scores have the same meaning as the model's.
    dimensions : sequence of (int or None)
        For each score in the text, its index in CatBoost's model; None for a class without training rows.

    Raises
    ------
    MalformedError
        The model is malformed, or not all its trees are oblivious trees on numeric features.
    """
    try:
        columns = [_column(each, features) for each in model["features_info"]["float_features"]]
        scale, biases = model["scale_and_bias"]
        trees: list[tuple[Splits, NDArray[np.float64]]] = [([], np.array([biases], np.float64))]
        for tree in model["oblivious_trees"]:
            splits, leaves = _read_tree(tree, columns, len(biases))
            trees.append((splits, scale * leaves))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MalformedError(f"the CatBoost model is malformed: {type(error).__name__}: {error}") from error
    written: list[tuple[str, list[float]]] = []
    for place, (splits, leaves) in enumerate(trees):
        entries = _entries(splits)
        for dimension in dimensions:
            absent = [0.0 if place else ABSENT] * len(leaves)
            written.append((entries, absent if dimension is None else leaves[:, dimension].tolist()))
    return write_trees(written, features=features, objective=objective, trees_a_round=len(dimensions))


def _column(feature: Mapping[str, Any], features: int) -> int:
    """Return the table column of a numeric feature."""
    place = feature["flat_feature_index"]
    check_format(isinstance(place, int) and 0 <= place < features, f"the CatBoost model has no feature {place}")
    check_format(feature["nan_value_treatment"] != "AsTrue", "the CatBoost model sends missing values right")
    return int(place)


def _read_tree(tree: Mapping[str, Any], columns: Sequence[int], dimensions: int) -> tuple[Splits, NDArray[np.float64]]:
    """Return the splits of an oblivious tree and its leaf values [leaves, dimensions]."""
    splits: Splits = []
    for split in reversed(tree["splits"] or []):
        check_format(split["split_type"] == "FloatFeature", f"the CatBoost model splits by {split['split_type']}")
        splits.append((columns[split["float_feature_index"]], float(split["border"])))
    leaves = np.array(tree["leaf_values"], np.float64).reshape(2 ** len(splits), dimensions)
    return splits, leaves


@cache
def _structure(depth: int) -> str:
    """Return the text of those entries of a full binary tree that depend only on its depth."""
    nodes = 2**depth - 1
    children = [2 * node + side for node in range(nodes) for side in (1, 2)]
    numbers = [child if child < nodes else nodes - 1 - child for child in children]
    return structure_of([NAN_LEFT] * nodes, numbers[::2], numbers[1::2])


def _entries(splits: Splits) -> str:
    """Return the text of a full binary tree with one split per level, without its number and leaves."""
    thresholds = thresholds_of([border for _, border in splits])
    features = [feature for level, (feature, _) in enumerate(splits) for _ in range(2**level)]
    repeated = [threshold for level, threshold in enumerate(thresholds) for _ in range(2**level)]
    return _structure(len(splits)) + splits_of(features, repeated)

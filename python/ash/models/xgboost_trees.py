"""Converts XGBoost's boosted trees to LightGBM's text format. XGBoost is not needed.

    XGBoost's model as JSON ---> the start: one single-leaf tree per score ---> text for lightgbm_text.py
                                 its trees, in the order of rounds and scores

XGBoost rounds a cell to float32, and sends it left if it is below the split's value. LightGBM tests whether a double is
at most a threshold. The threshold written here is the largest double that rounds to a float32 below the value. So both
libraries send each cell to the same side, except that the core, like LightGBM, treats cells within 1e-35 of 0 as 0.
Each node says where missing cells go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ash.models.file import MalformedError, check_format
from ash.models.lightgbm_text import NAN_LEFT, NAN_RIGHT, splits_of, structure_of, thresholds_of, write_trees


def lightgbm_text(model: Mapping[str, Any], *, features: int, objective: str, start: Sequence[float]) -> str:
    """Return XGBoost's trees in LightGBM's text format.

    Parameters
    ----------
    model : dict
        The JSON that ``Booster.save_raw("json")`` returns, of a model with a neutral ``base_score``.
    features : int
        Number of columns on which the model was trained, all of them numeric.
    objective : str
        The LightGBM objective whose raw scores have the same meaning as the model's.
    start : sequence of float
        The raw scores from which boosting started (`base_margin`), one per score.

    Raises
    ------
    MalformedError
        The model is malformed, or has trees of another kind.
    """
    try:
        body = model["learner"]["gradient_booster"]["model"]
        scores = [place % len(start) for place in range(len(body["trees"]))]
        check_format(body["tree_info"] == scores, "the trees of the XGBoost model are not in the order of its scores")
        written = [(structure_of([], [], []) + splits_of([], []), [value]) for value in start]
        written += map(_read_tree, body["trees"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MalformedError(f"the XGBoost model is malformed: {type(error).__name__}: {error}") from error
    return write_trees(written, features=features, objective=objective, trees_a_round=len(start))


def _read_tree(tree: Mapping[str, Any]) -> tuple[str, list[float]]:
    """Return the text of a tree's structure and splits, and the values of its leaves."""
    check_format(not any(tree["split_type"]), "the XGBoost model splits by categories")
    check_format(tree["tree_param"]["num_deleted"] == "0", "the XGBoost model has pruned trees")
    left, right = (np.array(tree[name], np.int64) for name in ("left_children", "right_children"))
    values = np.array(tree["split_conditions"], np.float32)
    is_leaf = left < 0
    # A node's number among the inner nodes, or -1 minus a leaf's number among the leaves.
    numbers = np.where(is_leaf, -1 * np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    goes_left = np.array(tree["default_left"], bool)[~is_leaf]
    structure = structure_of(
        np.where(goes_left, NAN_LEFT, NAN_RIGHT).tolist(),
        numbers[left[~is_leaf]].tolist(),
        numbers[right[~is_leaf]].tolist(),
    )
    below = np.nextafter(values[~is_leaf], np.float32(-np.inf))
    splits = splits_of(np.array(tree["split_indices"])[~is_leaf].tolist(), thresholds_of(below.tolist()))
    return structure + splits, values[is_leaf].astype(np.float64).tolist()

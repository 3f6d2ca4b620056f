"""Helpers for tests of boosted trees: write models in LightGBM's text format without LightGBM, and load them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash.data.frames import read_frame
from ash.models.trees import Trees, core_of

Entries = dict[str, str]

HEADER: Entries = {
    **{"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "label_index": "0", "max_feature_idx": "1"},
    **{"objective": "regression", "feature_names": "a b", "feature_infos": "[-3:3] none"},
}
TREE: Entries = {
    **{"num_leaves": "3", "num_cat": "0", "split_feature": "1 0", "split_gain": "2 1", "threshold": "0.5 -1.25e-1"},
    **{"decision_type": "2 8", "left_child": "1 -1", "right_child": "-2 -3", "leaf_value": "0.5 -0.25 1.5"},
    **{"leaf_weight": "9 9 9", "leaf_count": "9 9 9", "internal_value": "0 0", "internal_weight": "27 18"},
    **{"internal_count": "27 18", "is_linear": "0", "shrinkage": "0.1"},
}
"""A tree: the root's right child is leaf 1; its left child splits feature 0 into leaves 0 and 2."""
LEAF: Entries = {**dict.fromkeys(TREE, ""), "num_leaves": "1", "num_cat": "0", "leaf_value": "4", "is_linear": "0"}
END = "end of trees\n"
REST = "\nfeature_importances:\na=1\n\nparameters:\n[num_threads: 7]\n\nend of parameters\n\npandas_categorical:null\n"


def lines(entries: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in entries.items())


def text_of(trees: Sequence[Entries], **header: str) -> str:
    """Return the text of a model with these trees; its `tree_sizes` are correct unless `header` changes them."""
    written = [f"Tree={number}\n{lines(tree)}\n\n" for number, tree in enumerate(trees)]
    sizes = " ".join(str(len(tree)) for tree in written)
    return f"tree\n{lines({**HEADER, 'tree_sizes': sizes, **header})}\n{''.join(written)}{END}{REST}"


def grown(leaves: int, features: int, random: np.random.Generator) -> Entries:
    """Return a random tree whose nodes and leaves are numbered as by LightGBM."""
    left, right, parents = [], [], [(None, 0)]
    for node in range(leaves - 1):
        leaf = int(random.integers(len(parents)))
        side, at = parents[leaf]
        if side is not None:
            side[at] = node
        left.append(-leaf - 1)
        right.append(-node - 2)
        parents[leaf] = (left, node)
        parents.append((right, node))
    numbers = {
        "split_feature": random.integers(features, size=leaves - 1),
        "threshold": random.normal(size=leaves - 1),
        "decision_type": random.choice([0, 2, 8, 10], leaves - 1),
        "left_child": left,
        "right_child": right,
        "leaf_value": random.normal(size=leaves),
    }
    return {**TREE, "num_leaves": str(leaves), **{key: " ".join(map(str, each)) for key, each in numbers.items()}}


def random_text(features: int, classes: int, trees: int = 12, seed: int = 0) -> str:
    """Return the text of a model with random trees; 0 classes mean regression."""
    random = np.random.default_rng(seed)
    objective = {0: "regression", 2: "binary sigmoid:1"}.get(classes, f"multiclass num_class:{classes}")
    scores = str(classes if classes > 2 else 1)
    return text_of(
        [grown(int(random.integers(1, 9)), features, random) for _ in range(trees)],
        num_class=scores,
        num_tree_per_iteration=scores,
        objective=objective,
        max_feature_idx=str(features - 1),
        feature_names=" ".join(f"Column_{place}" for place in range(features)),
        feature_infos=" ".join(["none"] * features),
    )


def trees_beside(network: ash.Network, text: str | None = None, **units: Any) -> Trees:
    """Return boosted trees with the columns and labels of a network; without a `text`, the trees are random."""
    classes = 0 if network.classes_ is None else len(network.classes_)
    text = random_text(network.encoding.features, classes) if text is None else text
    return Trees(
        core_of(text, classes=classes, **units),
        text,
        encoding=network.encoding,
        classes=network.classes_,
        target_names=network.target_names,
        params={"num_leaves": 8, "learning_rate": 0.25},
        metric=network.metric,
        validation_score=0.75,
    )


def encoded(network: ash.Network, X: Any) -> NDArray[np.float64]:
    """Return the encoded rows on which trees are trained."""
    schema = network.encoding.schema
    frame = schema.checked(schema.read(read_frame(X, wanted=schema.names), "the test"))
    return network.encoding.block(frame, slice(0, frame.rows))

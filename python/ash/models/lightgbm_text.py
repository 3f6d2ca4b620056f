"""Reads and writes boosted trees in LightGBM's text format. LightGBM is not needed.

    header         "tree", version=v4, num_class=1, objective=..., tree_sizes=<characters of each tree>, a blank line
    each tree      Tree=0, num_leaves=31, split_feature=..., threshold=..., two blank lines
                   a node of categories has the number of a set as its threshold; cat_boundaries and cat_threshold hold
                   the sets of the tree
    end of trees   the rest of the text (importances, training settings) does not affect predictions

`read_trees` returns the tables that the core accepts. `write_trees` writes the trees of other libraries.

A text may be from an untrusted source. It is only split, and its numbers are converted, so memory is proportional to
its length. The core checks the structure of the trees (cpp/ash/train/trees.hpp). MalformedError is raised if a text is
malformed or uses prediction rules that the core does not support.
"""

import itertools
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.models.file import MalformedError, check_format

END = "end of trees\n"
REGRESSIONS = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie")
LOGARITHMS = ("poisson", "gamma", "tweedie")
"""Objectives whose raw scores are logarithms of the target."""
HEADER = (
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
    *("feature_names", "feature_infos", "tree_sizes"),
)
NODE_KEYS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
TREE_KEYS = {
    *("num_leaves", "num_cat", *NODE_KEYS, "split_gain", "leaf_value", "leaf_weight", "leaf_count"),
    *("internal_value", "internal_weight", "internal_count", "is_linear", "shrinkage"),
}
SET_KEYS = ("cat_boundaries", "cat_threshold")
"""Additional entries of a tree that has nodes of categories."""
MOST = repr(sys.float_info.max)
"""Replaces a threshold of "inf": every finite number is at most MOST, so only missing cells can take the other
branch."""
MISSING = {0: 0, 2: 0, 8: 2, 10: 1, 1: 3, 9: 3}
"""The side to which NaN goes (the core's NanGoes), for each decision_type of a node. The bits of decision_type mean: 1:
the node splits categories; 2: missing values go left; 4: zeros are missing; 8: NaN is missing. Without bits 4 and 8,
NaN counts as zero. In a node of categories, NaN always goes right."""
NAN_LEFT, NAN_RIGHT = 10, 8
"""The decision_type of a node for which NaN is a missing value and goes left, or right."""
ABSENT = math.log(1e-15)
"""The raw score of a class without training rows, as in LightGBM."""
CATEGORY = 3
"""The core's NanGoes of a node of categories."""


@dataclass(frozen=True, eq=False)
class TreesText:
    """The contents of a model in LightGBM's text format."""

    objective: str
    classes: int
    """The number of classes; 0 for regression."""
    features: int
    tables: dict[str, NDArray[Any]]
    """leaf_starts, feature, threshold, left, right, missing, leaf_values, set_starts and set_words, as `_core.Trees`
    accepts them."""


def structure_of(decision_types: Sequence[int], left: Sequence[int], right: Sequence[int]) -> str:
    """Return the text of the entries of a tree that do not depend on its splits and leaf values.

    Each node has its decision_type and its children: the number of a node, or -1 minus the number of a leaf.
    """
    nodes = len(decision_types)
    entries = {
        **{"decision_type": decision_types, "left_child": left, "right_child": right},
        **dict.fromkeys(("split_gain", "internal_value", "internal_weight", "internal_count"), [0] * nodes),
        **dict.fromkeys(("leaf_weight", "leaf_count"), [0] * (nodes + 1)),
    }
    lines = "".join(f"{key}={' '.join(map(str, each))}\n" for key, each in entries.items())
    return f"num_leaves={nodes + 1}\nnum_cat=0\n{lines}is_linear=0\nshrinkage=1\n"


def splits_of(features: Iterable[int], thresholds: Iterable[float]) -> str:
    """Return the text of the splits of a tree's nodes."""
    return f"split_feature={' '.join(map(str, features))}\nthreshold={' '.join(map(repr, thresholds))}\n"


def thresholds_of(borders: Sequence[float]) -> list[float]:
    """Return, for each float32 border, the largest double that rounds to a float32 of at most the border."""
    lower = np.array(borders, np.float32)
    check_format(bool((lower == np.array(borders)).all()), "a threshold of the trees is not a float32")
    with np.errstate(over="ignore"):  # the largest float32 has no successor
        upper = np.nextafter(lower, np.float32(np.inf))
        middle = (lower.astype(np.float64) + upper) / 2  # exact; as float32 it rounds to `lower` or `upper`
        rounds_down = middle.astype(np.float32) == lower
    thresholds: list[float] = np.where(rounds_down, middle, np.nextafter(middle, -np.inf)).tolist()
    return thresholds


def write_trees(
    trees: Sequence[tuple[str, Iterable[float]]], *, features: int, objective: str, trees_a_round: int
) -> str:
    """Return a text in LightGBM's format.

    Parameters
    ----------
    trees : sequence of (str, leaf values)
        Each tree: the texts of `structure_of` and `splits_of`, joined, and the values of its leaves.
    features : int
        Number of features.
    objective : str
        The LightGBM objective whose raw scores have the same meaning.
    trees_a_round : int
        Number of trees per round, one for each score.
    """
    texts = [
        f"Tree={place}\n{entries}leaf_value={' '.join(map(repr, values))}\n\n\n"
        for place, (entries, values) in enumerate(trees)
    ]
    names, infos = (f"Column_{place}" for place in range(features)), ["none"] * features
    lists = (" ".join(each) for each in (names, infos, (str(len(text)) for text in texts)))
    entries = zip(HEADER, ("v4", trees_a_round, trees_a_round, 0, features - 1, objective, *lists), strict=True)
    header = "".join(f"{key}={value}\n" for key, value in entries)
    return f"tree\n{header}\n{''.join(texts)}{END}"


def predicting_part(text: str) -> str:
    """Return a text without the part after its trees, which does not affect predictions."""
    trees, end, _ = text.partition("\n" + END)
    return trees + end


def read_trees(text: str) -> TreesText:
    """Return the contents of a text in LightGBM's format; raise MalformedError if it is malformed or not supported."""
    head, blank, rest = text.partition("\n\n")
    check_format(head.startswith("tree\n") and bool(blank), "it does not start like a LightGBM model")
    header = _entries(head.split("\n")[1:], "its header")
    check_format("average_output" not in header, "it averages its trees (boosting=rf), which is not supported")
    header.pop("monotone_constraints", None)
    check_format(tuple(header) == HEADER, f"its header has the entries {', '.join(header)}")
    check_format(header["version"] == "v4", f"it has version {header['version']!r} instead of 'v4'")
    features = _count(header["max_feature_idx"], "max_feature_idx") + 1
    for names in ("feature_names", "feature_infos"):
        check_format(len(header[names].split(" ")) == features, f"{names} are not those of {features} feature(s)")
    classes = _classes(header)
    columns: dict[str, list[str]] = {name: [] for name in (*NODE_KEYS, "leaf_value", *SET_KEYS)}
    leaf_starts, set_counts, place = [0], [], 0
    for number, size in enumerate(map(_count, header["tree_sizes"].split(" "), itertools.repeat("tree_sizes"))):
        leaves, sets = _read_tree(rest[place : place + size], number, columns)
        leaf_starts.append(leaf_starts[-1] + leaves)
        set_counts.append(sets)
        place += size
    check_format(rest.startswith(END, place), f"{END.strip()!r} is missing after {len(leaf_starts) - 1} tree(s)")
    return TreesText(header["objective"], classes, features, _tables(columns, leaf_starts, set_counts))


def _classes(header: dict[str, str]) -> int:
    """Return the number of classes, 0 for regression; raise MalformedError if it contradicts the objective."""
    objective = header["objective"]
    classes, trees = (_count(header[name], name) for name in ("num_class", "num_tree_per_iteration"))
    if objective in REGRESSIONS or objective == "binary sigmoid:1":
        counts = f"num_class and num_tree_per_iteration are {(classes, trees)}"
        check_format(classes == trees == 1, f"{counts}, but there is one score")
        return 2 if objective.startswith("binary") else 0
    is_known = objective == f"multiclass num_class:{classes}" and trees == classes > 2
    what = f"objective {objective!r} with {classes} class(es) and {trees} tree(s) per iteration"
    check_format(is_known, f"{what} is not supported")
    return classes


def _read_tree(tree: str, number: int, columns: dict[str, list[str]]) -> tuple[int, int]:
    """Append a tree's numbers, still as text, to the columns; return the numbers of leaves and of sets."""
    name = f"tree {number}"
    is_whole = tree.startswith(f"Tree={number}\n") and tree.endswith("\n\n\n")
    check_format(is_whole, f"{name} does not begin or end where tree_sizes says")
    entries = _entries(tree[:-3].split("\n")[1:], name)
    sets = _count(entries.get("num_cat", ""), f"num_cat of {name}")
    check_format(entries.get("is_linear") == "0", f"{name} has linear leaves, which are not supported")
    keys = TREE_KEYS.union(SET_KEYS) if sets else TREE_KEYS
    check_format(entries.keys() == keys, f"{name} has the entries {', '.join(entries)}")
    leaves = _count(entries["num_leaves"], f"num_leaves of {name}")
    for key in (*NODE_KEYS, "leaf_value"):
        values = entries[key].split(" ") if entries[key] else []
        wanted = leaves if key == "leaf_value" else leaves - 1
        check_format(len(values) == wanted, f"{key} of {name} has {len(values)} numbers instead of {wanted}")
        columns[key] += values
    if sets:  # the columns get the words of the sets, and the end of each set in the words of all trees
        ends, words = (entries[key].split(" ") for key in SET_KEYS)
        numbers = [_count(end, f"cat_boundaries of {name}") for end in ends]
        fits = len(numbers) == sets + 1 and numbers[0] == 0 and numbers[-1] == len(words)
        check_format(fits, f"cat_boundaries of {name} do not match num_cat and cat_threshold")
        before = len(columns["cat_threshold"])
        columns["cat_boundaries"] += [str(before + number) for number in numbers[1:]]
        columns["cat_threshold"] += words
    return leaves, sets


def _tables(columns: dict[str, list[str]], leaf_starts: list[int], set_counts: list[int]) -> dict[str, NDArray[Any]]:
    kinds, places = np.unique(_integers(columns["decision_type"], "decision_type"), return_inverse=True)
    for kind in kinds.tolist():
        check_format(kind & 12 != 4, "it treats zeros as missing (zero_as_missing), which is not supported")
        check_format(kind in MISSING, f"decision_type {kind} is unknown")
    missing = np.array([MISSING[kind] for kind in kinds.tolist()], np.uint8)[places]
    threshold = _floats(columns["threshold"], "threshold", {"inf": MOST})
    of_sets = missing == CATEGORY
    threshold[of_sets] += np.repeat(np.cumsum([0, *set_counts[:-1]]), np.diff(leaf_starts) - 1)[of_sets]
    return {
        "leaf_starts": np.array(leaf_starts, np.int64),
        "feature": _integers(columns["split_feature"], "split_feature"),
        "threshold": threshold,
        "left": _integers(columns["left_child"], "left_child"),
        "right": _integers(columns["right_child"], "right_child"),
        "missing": missing,
        "leaf_values": _floats(columns["leaf_value"], "leaf_value"),
        "set_starts": np.array([0, *map(int, columns["cat_boundaries"])], np.int64),
        "set_words": _integers(columns["cat_threshold"], "cat_threshold", np.uint32),
    }


def _entries(lines: Sequence[str], what: str) -> dict[str, str]:
    """Return lines of the form "key=value" as a dict."""
    entries = dict(line.partition("=")[::2] for line in lines)
    check_format(len(entries) == len(lines), f"{what} has an entry twice")
    return entries


def _count(value: str, what: str) -> int:
    is_count = value.isascii() and value.isdigit() and len(value) < 10
    check_format(is_count, f"{what} is {value[:20]!r}, which is not a count")
    return int(value)


def _integers(values: list[str], name: str, dtype: type[np.integer[Any]] = np.int32) -> NDArray[Any]:
    _check_characters(values, name, "-0123456789")
    try:
        return np.array(list(map(int, values)), dtype)
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"{name} holds a value that is not a 32-bit integer") from error


def _floats(values: list[str], name: str, words: Mapping[str, str] = MappingProxyType({})) -> NDArray[np.float64]:
    """Convert texts to finite numbers, after replacing the keys of `words` by their values."""
    values = [words.get(value, value) for value in values]
    _check_characters(values, name, "-+.e0123456789")  # excludes nan, inf and 1_000
    try:
        numbers = np.array(list(map(float, values)), np.float64)
    except ValueError as error:
        raise MalformedError(f"{name} holds a value that is not a number") from error
    check_format(bool(np.isfinite(numbers).all()), f"{name} holds infinity")
    return numbers


def _check_characters(values: list[str], name: str, allowed: str) -> None:
    others = set("".join(values)).difference(allowed)
    check_format(not others, f"{name} holds {min(others, default='')!r}, which no number contains")

"""Tests models in LightGBM's text format: what is read, and that malformed or unsupported texts are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import needs
from ash.models.file import MalformedError
from ash.models.lightgbm_text import predicting_part, read_trees
from ash.models.trees import core_of
from trees_help import END, LEAF, REST, TREE, Entries, random_text, text_of

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(300, 4))
Y = X[:, 0] * X[:, 1] + np.sin(X[:, 2])


def trained(y: Any = Y, data: dict[str, Any] | None = None, **params: Any) -> str:
    lightgbm = needs.package("lightgbm")
    params = {"verbose": -1, "num_leaves": 6, "num_threads": 1, **params}
    return lightgbm.train(params, lightgbm.Dataset(X, y, **(data or {})), 5).model_to_string()


# Reading


def test_the_tables_match_the_text() -> None:
    read = read_trees(text_of([TREE, LEAF, {**TREE, "decision_type": "10 0", "threshold": "inf +1e3"}]))
    assert (read.objective, read.classes, read.features) == ("regression", 0, 2)
    expected = {
        "leaf_starts": [0, 3, 4, 7],
        "feature": [1, 0, 1, 0],
        "threshold": [0.5, -0.125, np.finfo(float).max, 1000.0],
        "left": [1, -1, 1, -1],
        "right": [-2, -3, -2, -3],
        "missing": [0, 2, 1, 0],
        "leaf_values": [0.5, -0.25, 1.5, 4.0, 0.5, -0.25, 1.5],
        "set_starts": [0],
        "set_words": [],
    }
    assert {name: table.tolist() for name, table in read.tables.items()} == expected


@pytest.mark.parametrize("classes", [0, 2, 3, 10])
def test_the_number_of_classes_is_read(classes: int) -> None:
    assert read_trees(random_text(4, classes, trees=20)).classes == classes


def test_monotone_constraints_do_not_affect_predictions() -> None:
    text = text_of([TREE])
    constrained = text.replace("feature_infos", "monotone_constraints=1 0\nfeature_infos")
    assert read_trees(constrained).tables.keys() == read_trees(text).tables.keys()


def test_text_after_the_trees_is_removed() -> None:
    text = text_of([TREE, LEAF])
    assert text.endswith(END + REST) and predicting_part(text) == text.removesuffix(REST)
    assert predicting_part(predicting_part(text)) == predicting_part(text)
    assert read_trees(predicting_part(text)).tables["leaf_starts"].tolist() == [0, 3, 4]


def test_lightgbm_reads_the_remaining_text() -> None:
    lightgbm = needs.package("lightgbm")
    text = trained(objective="regression")
    whole, part = (lightgbm.Booster(model_str=each).predict(X) for each in (text, predicting_part(text)))
    assert np.array_equal(whole, part)
    by_hand = lightgbm.Booster(model_str=text_of([TREE, LEAF])).predict(X[:, :2], raw_score=True)
    assert np.array_equal(by_hand, core_of(text_of([TREE, LEAF]), classes=0).raw_scores(X[:, :2].copy())[:, 0])


# Models that LightGBM can train but the core cannot evaluate


@pytest.mark.parametrize(
    ("complaint", "params"),
    [
        ("averages its trees", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}),
        ("linear leaves", {"linear_tree": True}),
        ("zero_as_missing", {"zero_as_missing": True}),
        ("objective 'regression sqrt' with 1 class", {"reg_sqrt": True}),
        ("objective 'multiclassova", {"objective": "multiclassova", "num_class": 3}),
        ("objective 'multiclass num_class:2'", {"objective": "multiclass", "num_class": 2}),
        ("objective 'binary sigmoid:2'", {"objective": "binary", "sigmoid": 2}),
        ("objective 'cross_entropy'", {"objective": "cross_entropy"}),
        ("its header has the entries", {"objective": lambda *_: (np.ones(300), np.ones(300))}),
    ],
)
def test_unsupported_models_are_refused(complaint: str, params: dict[str, Any]) -> None:
    labels = Y if params.get("reg_sqrt") or "objective" not in params else (Y > 0).astype(float)
    with pytest.raises(MalformedError, match=complaint):
        read_trees(trained(labels, **params))


def test_the_sets_of_categories_of_all_trees_are_read() -> None:
    sets = {"num_cat": "2", "cat_boundaries": "0 1 3", "cat_threshold": "5 0 2147483648"}
    split = {**TREE, **sets, "decision_type": "1 9", "threshold": "1 0"}
    read = read_trees(text_of([split, LEAF, {**split, "decision_type": "2 1"}]))
    tables = {name: table.tolist() for name, table in read.tables.items()}
    assert tables["threshold"] == [1, 0, 1, 2] and tables["missing"] == [3, 3, 0, 3]
    assert tables["set_starts"] == [0, 1, 3, 4, 6] and tables["set_words"] == [5, 0, 2**31] * 2


# Malformed texts


def of_tree(**changes: str) -> str:
    """Return a text of two trees. The second tree has the entries `changes`, and the stated sizes are correct."""
    return text_of([TREE, {**TREE, **changes}])


def without(entries: Entries, key: str) -> Entries:
    return {name: value for name, value in entries.items() if name != key}


GOOD = text_of([TREE, LEAF])
MALFORMED = [
    ("", "does not start like a LightGBM model"),
    ("tree", "does not start like a LightGBM model"),
    ("tree\n\n", "does not start like a LightGBM model"),
    (GOOD[1:], "does not start like a LightGBM model"),
    (GOOD.replace("\n", "\r\n"), "does not start like a LightGBM model"),
    (GOOD.replace("version=v4\n", ""), "its header has the entries num_class"),
    (GOOD.replace("version=v4\n", "version=v4\nversion=v4\n"), "its header has an entry twice"),
    (GOOD.replace("label_index=0", "label_index=0\nmore=1"), "its header has the entries"),
    (text_of([TREE], version="v3"), "version 'v3' instead of 'v4'"),
    (text_of([TREE], max_feature_idx="-1"), "max_feature_idx is '-1'"),
    (text_of([TREE], max_feature_idx="1.0"), "max_feature_idx is '1.0'"),
    (text_of([TREE], max_feature_idx="9" * 5000), "max_feature_idx is '9"),
    (text_of([TREE], max_feature_idx="²"), "max_feature_idx is '²'"),
    (text_of([TREE], max_feature_idx="2"), "feature_names are not those of 3 feature"),
    (text_of([TREE], feature_infos="none"), "feature_infos are not those of 2 feature"),
    (text_of([TREE], objective="magic"), "objective 'magic' with 1 class"),
    (text_of([TREE], objective=""), "objective '' with 1 class"),
    (text_of([TREE], num_class="2"), r"num_class and num_tree_per_iteration are \(2, 1\)"),
    (text_of([TREE], num_tree_per_iteration="2"), r"are \(1, 2\)"),
    (text_of([TREE], num_tree_per_iteration="x"), "num_tree_per_iteration is 'x'"),
    (text_of([TREE], objective="multiclass num_class:3", num_class="3"), "1 tree"),
    (text_of([TREE], objective="multiclass num_class:4", num_class="3", num_tree_per_iteration="3"), "3 class"),
    (text_of([TREE], tree_sizes=""), "tree_sizes is ''"),
    (text_of([TREE], tree_sizes="0"), "tree 0 does not begin or end"),
    (text_of([TREE], tree_sizes="-5"), "tree_sizes is '-5'"),
    (text_of([TREE], tree_sizes="999999999"), "tree 0 does not begin or end"),
    (text_of([TREE], tree_sizes="9" * 30), "tree_sizes is '9"),
    (text_of([]), "tree_sizes is ''"),
    (GOOD.replace("tree_sizes=", "tree_sizes=1 "), "tree 0 does not begin or end"),
    (GOOD.replace("Tree=1", "Tree=7"), "tree 1 does not begin or end"),
    (GOOD.replace("num_leaves=3", "num_leaves=30"), "tree 0 does not begin or end"),
    (GOOD.replace(END, ""), "after 2 tree"),
    (GOOD.replace(END, "end of tree\n"), "after 2 tree"),
    (GOOD[: GOOD.index("end of")], "after 2 tree"),
    (GOOD.replace(END, "Tree=2\n" + END), "after 2 tree"),
    (text_of([TREE, without(TREE, "threshold")]), "tree 1 has the entries num_leaves, num_cat, split_feature, split_g"),
    (text_of([TREE, {**TREE, "leaf_const": "1 2 3"}]), "tree 1 has the entries"),
    (GOOD.replace("shrinkage=0.1", "num_cat=000.0"), "tree 0 has an entry twice"),
    (of_tree(num_cat="1"), "tree 1 has the entries"),
    (of_tree(cat_boundaries="0 1", cat_threshold="1"), "tree 1 has the entries"),
    (of_tree(num_cat="1", cat_boundaries="0 2", cat_threshold="1"), "cat_boundaries of tree 1 do not match"),
    (of_tree(num_cat="1", cat_boundaries="1 1", cat_threshold="1"), "cat_boundaries of tree 1 do not match"),
    (of_tree(num_cat="2", cat_boundaries="0 1", cat_threshold="1"), "cat_boundaries of tree 1 do not match"),
    (of_tree(num_cat="1", cat_boundaries="0 -1", cat_threshold="1"), "cat_boundaries of tree 1 is '-1'"),
    (of_tree(num_cat="1", cat_boundaries="0 1", cat_threshold="-1"), "cat_threshold holds a value that is not"),
    (text_of([without(TREE, "num_cat")]), "num_cat of tree 0 is ''"),
    (of_tree(is_linear="1"), "tree 1 has linear leaves"),
    (text_of([without(TREE, "is_linear")]), "tree 0 has linear leaves"),
    (of_tree(num_leaves="4"), "split_feature of tree 1 has 2 numbers instead of 3"),
    (of_tree(num_leaves="0"), "split_feature of tree 1 has 2 numbers instead of -1"),
    (text_of([{**LEAF, "num_leaves": "0", "leaf_value": ""}]), "split_feature of tree 0 has 0 numbers instead of -1"),
    (of_tree(num_leaves=""), "num_leaves of tree 1 is ''"),
    (of_tree(num_leaves="999999999"), "has 2 numbers instead of 999999998"),
    (of_tree(leaf_value="1 2"), "leaf_value of tree 1 has 2 numbers instead of 3"),
    (of_tree(threshold="1 2 3"), "threshold of tree 1 has 3 numbers instead of 2"),
    (of_tree(threshold="1  2"), "threshold of tree 1 has 3 numbers instead of 2"),
    (of_tree(threshold="1 "), "threshold holds a value that is not a number"),
    (of_tree(threshold="1 nan"), "threshold holds 'a', which no number contains"),
    (of_tree(threshold="1 -inf"), "threshold holds 'f'"),
    (of_tree(threshold="1 infinity"), "threshold holds 'f'"),
    (of_tree(threshold="1 1e999"), "threshold holds infinity"),
    (of_tree(threshold="1 1_0"), "threshold holds '_'"),
    (of_tree(threshold="1 0x1p3"), "threshold holds 'p'"),
    (of_tree(threshold="1 1e"), "threshold holds a value that is not a number"),
    (of_tree(threshold="1 ٣"), "threshold holds '٣'"),
    (of_tree(threshold="1\t2 3"), r"threshold holds '\\t'"),
    (of_tree(leaf_value="1 2 inf"), "leaf_value holds 'f'"),
    (of_tree(leaf_value="1 2 -1e400"), "leaf_value holds infinity"),
    (of_tree(leaf_value="1 2 --1"), "leaf_value holds a value that is not a number"),
    (of_tree(split_feature="0 1.0"), "split_feature holds '.'"),
    (of_tree(split_feature="0 99999999999"), "split_feature holds a value that is not a 32-bit integer"),
    (of_tree(split_feature=f"0 {'9' * 5000}"), "split_feature holds a value that is not a 32-bit integer"),
    (of_tree(left_child="1 -"), "left_child holds a value that is not a 32-bit integer"),
    (of_tree(left_child="1 1e0"), "left_child holds 'e'"),
    (of_tree(right_child="-2 "), "right_child holds a value that is not a 32-bit integer"),
    (of_tree(decision_type="2 3"), "decision_type 3 is unknown"),
    (of_tree(decision_type="2 4"), "zero_as_missing"),
    (of_tree(decision_type="2 6"), "zero_as_missing"),
    (of_tree(decision_type="2 12"), "decision_type 12 is unknown"),
    (of_tree(decision_type="2 16"), "decision_type 16 is unknown"),
    (of_tree(decision_type="2 -2"), "decision_type -2 is unknown"),
]


@pytest.mark.parametrize(("text", "complaint"), MALFORMED)
def test_malformed_texts_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(MalformedError, match=complaint):
        read_trees(text)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"split_feature": "0 2"}, "a feature that does not exist"),
        ({"split_feature": "0 -1"}, "a feature that does not exist"),
        ({"left_child": "0 -1"}, "a child before its parent"),
        ({"left_child": "1 1"}, "a child before its parent"),
        ({"left_child": "1 0"}, "a child before its parent"),
        ({"left_child": "2 -1"}, "a child that does not exist"),
        ({"left_child": "1 -4"}, "a child that does not exist"),
        ({"left_child": "1 -2147483648"}, "a child that does not exist"),
        ({"left_child": "1 -3"}, "a child of two parents"),
        ({"right_child": "1 -3"}, "a child of two parents"),
    ],
)
def test_the_core_refuses_invalid_trees(changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(MalformedError, match=f"the core rejects the trees: .*{complaint}"):
        core_of(of_tree(**changes), classes=0)


@pytest.mark.parametrize(
    ("text", "settings", "complaint"),
    [
        (GOOD, {"classes": 2}, "objective 'regression' of the trees does not fit 2 classes"),
        (random_text(2, 2), {"classes": 0}, "does not fit no classes"),
        (random_text(2, 3), {"classes": 4}, "does not fit 4 classes"),
        (random_text(2, 3, trees=4), {"classes": 3}, "a positive multiple of the number of scores"),
        (text_of([TREE], objective="poisson"), {"classes": 0}, "'poisson' of the trees needs exponential targets"),
        (GOOD, {"classes": 0, "target_scale": [0.0]}, "the core rejects"),
        (
            GOOD,
            {"classes": 0, "target_mean": [0.0, 0.0], "target_scale": [1.0, 1.0]},
            "target_mean has 2 numbers",
        ),
        (GOOD, {"classes": 0, "exponential": True, "target_mean": [-1.0]}, "the core rejects"),
    ],
)
def test_texts_that_do_not_match_the_target_are_refused(text: str, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MalformedError, match=complaint):
        core_of(text, **settings)


def cut(text: str, place: int, _: np.random.Generator) -> str:
    return text[:place]


def changed(text: str, place: int, random: np.random.Generator) -> str:
    return text[:place] + random.choice(list("0123456789-+.e= \nTtnaif_é")) + text[place + 1 :]


def moved(text: str, place: int, random: np.random.Generator) -> str:
    end = place + int(random.integers(1, 30))
    other = int(random.integers(len(text)))
    return text[:place] + text[other : other + end - place] + text[end:]


@pytest.mark.parametrize("damage", [cut, changed, moved])
def test_damaged_texts_are_refused_or_predict(damage: Callable[..., str]) -> None:
    random = np.random.default_rng(0)
    text = predicting_part(random_text(3, 3, trees=6))
    rows, refused = random.normal(size=(5, 3)), 0
    for place in random.integers(0, len(text) - 1, 1000).tolist():
        try:
            core = core_of(damage(text, place, random), classes=3)
        except MalformedError:
            refused += 1
        else:
            assert np.isfinite(core.predict(rows)).all()
    assert refused > (900 if damage is cut else 100)

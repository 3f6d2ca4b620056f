"""Tests that only similar names are suggested for a misspelt name, and that sharing letters is not enough."""

import pytest

from ash._utils.checks import near_names


@pytest.mark.parametrize(
    ("name", "names", "near"),
    [
        ("target", ["age", "sex", "bmi", "bp"], []),
        ("traget", ["age", "target"], ["target"]),
        ("sol", ["size", "color", "sold"], ["sold"]),
        ("x3", ["x1", "x2"], []),
        ("epoch", ["depth", "dropout"], []),
        ("auc_roc", ["accuracy", "roc_auc"], ["roc_auc"]),
        ("AGE", ["age", "wage"], ["age", "wage"]),
        ("batch", ["hidden", "batch_size"], ["batch_size"]),
        ("hidden_layers", ["hidden", "label_smoothing"], ["hidden"]),
    ],
)
def test_only_near_names_are_suggested(name: str, names: list[str], near: list[str]) -> None:
    assert near_names(name, names) == near

"""Tests the table of libraries of boosted trees: a new library takes four files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ash
from ash.engine.tree_trainer import BOOSTING
from ash.space.boosters import BOOSTERS, MODELS, OF_TREES
from ash.space.hyperparameters import HYPERPARAMETERS

pytestmark = pytest.mark.core

MODULE = '''
"""Boosts trees with the boosting of scikit-learn, for a test."""

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from ash.engine.tree_table import takes_logarithms
from ash.models.lightgbm_text import splits_of, structure_of, write_trees


def boost(table, params, rounds, seed, is_stopped):
    rows, label, weights = table.training(takes_logarithms(params), False)
    rows, left = np.nan_to_num(rows), label.astype(float)
    trees = [(structure_of([], [], []) + splits_of([], []), [0.0])]
    for number in range(rounds):
        if is_stopped():
            return None
        fitted = DecisionTreeRegressor(max_depth=params["depth"], random_state=seed + number).fit(rows, left, weights)
        left -= params["learning_rate"] * fitted.predict(rows)
        trees.append(_read(fitted.tree_, params["learning_rate"]))
    return write_trees(trees, features=table.features, objective="regression", trees_a_round=1)


def _read(tree, rate):
    is_leaf = tree.children_left < 0
    numbers = np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    inner = ~is_leaf
    children = [numbers[side[inner]].tolist() for side in (tree.children_left, tree.children_right)]
    splits = splits_of(tree.feature[inner].tolist(), tree.threshold[inner].tolist())
    return structure_of([0] * int(inner.sum()), *children) + splits, (rate * tree.value[is_leaf, 0, 0]).tolist()


def round_cost(table, params):
    return 1e6 + 100.0 * table.rows * table.features * params["depth"]
'''
ROW = """    "sklearn": Booster(
        title="scikit-learn",
        extra=None,
        hyperparameters=("shrinkage", "depth"),
        size="depth",
        leaves=lambda size, most: max(2, min(2**size, most)),
        domains=lambda rows, has_categories: {"depth": integers(2, 5)},
    ),
}
\"\"\"The libraries of boosted trees"""
SCRIPT = """
import ash
from sklearn.datasets import load_diabetes

X, y = load_diabetes(return_X_y=True)
given = {"candidates": 6, "random_state": 0, "verbose": 0}
models = ash.SearchConfig(models=["network", "sklearn"])
first, second = (ash.ASHRegressor(config=models, n_jobs=n, **given).fit(X, y) for n in (1, 2))
assert first.result_.digest == second.result_.digest
kinds = {params.get("model") for params in first.result_.params}
assert kinds == {"network", "sklearn"}, kinds
assert first.score(X, y) > 0.3, first.score(X, y)
assert '"sklearn"' in ash.SearchConfig.__doc__ and "scikit-learn" in ash.SearchConfig.__doc__
only = ash.ASHRegressor(config=ash.SearchConfig(models=["sklearn"]), **given).fit(X, y)
assert type(only.model_).__name__ in ("Trees", "Ensemble") and only.score(X, y) > 0.3
print("trained")
"""


def test_a_sample_library_is_added_by_three_files(tmp_path: Path) -> None:
    """The fourth file is pyproject.toml, which this library does not need, because ash requires scikit-learn."""
    package = Path(ash.__file__).parent
    shutil.copytree(package, tmp_path / "ash", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "ash/engine/sklearn_boosting.py").write_text(MODULE)
    for name, old, new in (
        ("space/boosters.py", '}\n"""The libraries of boosted trees', ROW),
        (
            "engine/tree_trainer.py",
            "    XGBOOST: xgboost_boosting,\n",
            '    XGBOOST: xgboost_boosting,\n    "sklearn": sklearn_boosting,\n',
        ),
        ("engine/tree_trainer.py", "import catboost_boosting,", "import sklearn_boosting, catboost_boosting,"),
    ):
        path = tmp_path / "ash" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} has changed: {old!r}"
        path.write_text(text.replace(old, new))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert found.stdout == "trained\n", found.stderr


def test_each_library_has_a_module_an_extra_and_hyperparameters() -> None:
    assert BOOSTING.keys() == BOOSTERS.keys() and ("network", *BOOSTERS) == MODELS
    assert {name for booster in BOOSTERS.values() for name in booster.hyperparameters} == OF_TREES.keys()
    for model, booster in BOOSTERS.items():
        assert (
            booster.size in booster.hyperparameters and booster.leaves(HYPERPARAMETERS[booster.size].default, 10) >= 2
        )
        domains = booster.domains(1000, True)
        assert domains.keys() <= set(booster.hyperparameters)
        assert re.search(rf"\b{booster.title}\b", ash.SearchConfig.__doc__ or ""), model

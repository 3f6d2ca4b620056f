"""Tests trees that XGBoost trained: they predict as XGBoost does, and depend only on the data, candidate and seed."""

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import needs
from ash.encoding.data_split import Fold
from ash.engine import tree_table, xgboost_boosting
from ash.engine.core_data import prepare
from ash.engine.tree_table import TreeTable
from ash.models import xgboost_trees
from ash.models.file import MalformedError
from ash.models.lightgbm_text import read_trees
from ash.models.trees import core_of
from ash.space.boosters import BOOSTERS, XGBOOST
from ash.space.hyperparameters import check_params
from data_help import options, parts_from

pytestmark = pytest.mark.core
xgboost = needs.package("xgboost")

RANDOM = np.random.default_rng(0)
X = np.where(RANDOM.random((400, 6)) < 0.1, np.nan, RANDOM.normal(size=(400, 6)))
X[:, 4] = np.round(X[:, 4])
X[:, 5] = 1
SIGNAL = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1] * X[:, 2]) + 0.3 * RANDOM.normal(size=400)
WEIGHTS = RANDOM.random(400)
LOSSES: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "squared errors": (SIGNAL, {}),
    "absolute errors": (SIGNAL, {"loss": "absolute_error"}),
    "a quantile": (SIGNAL, {"loss": "quantile", "quantile": 0.9}),
    "counts": (np.floor(np.exp(SIGNAL)), {"loss": "poisson"}),
    "two classes": (SIGNAL > 0, {}),
    "four classes": (np.digitize(SIGNAL, [-1, 0, 1]), {}),
}


def table_of(loss: str, weights: NDArray[Any] | None = None) -> TreeTable:
    y, given = LOSSES[loss]
    task = "classification" if "classes" in loss else "regression"
    return made(parts_from(X, y, task=task, sample_weight=weights), task=task, **given)


def made(fold: Fold, **given: Any) -> TreeTable:
    return TreeTable(fold, prepare(fold, options=options(**given)), options(**given))


def boosted(table: TreeTable, seed: int = 0, rounds: int = 20, **params: Any) -> str:
    """Return the text of trees that XGBoost boosted."""
    given = {**check_params({"model": "xgboost", **params}), "learning_rate": 0.2}
    found = xgboost_boosting.boost(table, given, rounds, seed, lambda: False)
    assert found is not None
    return found


def cells_around(table: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return thresholds of trees, the doubles and the float32 beside them, and some special values."""
    at = np.unique(table["threshold"])
    at = at[np.abs(at) < 1e30]
    single = at.astype(np.float32)
    beside = [np.nextafter(at, end) for end in (np.inf, -np.inf)]
    beside += [np.nextafter(single, np.float32(end)).astype(np.float64) for end in (np.inf, -np.inf)]
    cells = np.concatenate([at, single.astype(np.float64), *beside])
    return np.concatenate([cells[np.abs(cells) > 1e-35], [np.nan, 0.0, -0.0, 3e37, -3e37]])


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("loss", LOSSES)
def test_raw_scores_match_those_of_xgboost(loss: str, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[dict[str, Any]] = []
    convert = xgboost_trees.lightgbm_text
    monkeypatch.setattr(
        xgboost_boosting, "lightgbm_text", lambda model, **given: models.append(model) or convert(model, **given)
    )
    table = table_of(loss, weights)
    text = boosted(table, feature_fraction=0.7, bagging_fraction=0.8, min_child_weight=0.01)
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(models[0]).encode()))
    core, tables = core_of(text, classes=table.classes, exponential=loss == "counts"), read_trees(text).tables
    assert len(core.leaf_starts) - 1 == (20 + 1) * table.trees_a_round
    start = tables["leaf_values"][: table.trees_a_round].astype(np.float32)
    rows = np.random.default_rng(1).choice(cells_around(tables), (3000, table.features))
    for each in (table.validation(False), rows):
        matrix = xgboost.DMatrix(each.astype(np.float32), base_margin=np.tile(start, (len(each), 1)))
        expected = booster.predict(matrix, output_margin=True).reshape(len(each), -1)
        difference = np.abs(core.raw_scores(each) - expected).max()
        assert difference <= 1e-5 * np.abs(expected).max()  # XGBoost sums in float32


@pytest.mark.parametrize("loss", LOSSES)
def test_boosting_starts_from_the_best_constant(loss: str) -> None:
    """Other constants, near and far, have a larger loss on the training rows."""
    table = table_of(loss, WEIGHTS)
    _, label, weights = table.training(False, False)
    start = read_trees(boosted(table, rounds=1)).tables["leaf_values"][: table.trees_a_round]
    y = label.astype(np.float64)

    def total(scores: NDArray[np.float64]) -> float:
        """Return the loss on all rows, written down from its definition."""
        [score, *others] = scores
        if others:
            each = np.log(np.exp(scores).sum()) - scores[label.astype(int)]
        elif table.classes:
            each = np.log1p(np.exp(score)) - y * score
        else:
            level, off = LOSSES[loss][1].get("quantile", 0.5), y - score
            of_losses = {"squared errors": off**2, "counts": np.exp(score) - y * score}
            each = of_losses.get(loss, np.maximum(level * off, (level - 1) * off))
        return float(np.average(each, weights=weights))

    best = total(start)
    for place in range(len(start)):
        for step in (1e-2, -1e-2, 0.3, -0.3):
            assert best < total(start + step * (np.arange(len(start)) == place)) + 1e-9


@pytest.mark.parametrize("loss", ["a quantile", "four classes"])
def test_trees_after_the_constant_add_nothing_where_no_feature_differs(loss: str) -> None:
    y, given = LOSSES[loss]
    task = "classification" if "classes" in loss else "regression"
    table = made(parts_from(np.ones((400, 1)), y, task=task, sample_weight=WEIGHTS), task=task, **given)
    leaves = read_trees(boosted(table)).tables["leaf_values"]
    start, added = np.split(leaves, [table.trees_a_round])
    assert np.abs(start).max() > 0.3 and np.abs(added).sum() < 0.03


def test_trees_depend_on_the_seed_and_not_on_other_jobs() -> None:
    table, params = table_of("four classes"), {"bagging_fraction": 0.6, "feature_fraction": 0.5}
    alone = [boosted(table_of("four classes"), seed, **params) for seed in range(4)]
    assert len(set(alone)) == 4
    started = threading.Barrier(4)

    def beside(seed: int) -> str:
        started.wait()
        return boosted(table, seed, **params)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(beside, range(4))) == alone


def test_huge_numbers_and_a_class_without_rows_are_trained() -> None:
    rows = X.copy()
    rows[:50, 0], rows[50:100, 0] = 3.3e38, -3.3e38
    fold = parts_from(rows, np.digitize(SIGNAL, [-1, 0, 1]), task="classification")
    table = made(replace(fold, training=fold.training[fold.y[fold.training].ravel() != 3]), task="classification")
    core = core_of(boosted(table), classes=4)
    outputs = core.predict(table.validation(False))
    assert np.isfinite(outputs).all() and np.allclose(outputs.sum(axis=1), 1)


def test_a_stopped_job_has_no_trees() -> None:
    asked: list[None] = []
    given = {**check_params({"model": "xgboost"}), "learning_rate": 0.1}
    is_stopped = lambda: asked.append(None) or len(asked) > 5  # noqa: E731
    assert xgboost_boosting.boost(table_of("two classes"), given, 1000, 0, is_stopped) is None
    assert len(asked) == 6


@pytest.mark.parametrize("size", [1, 6, 10])
def test_a_round_has_a_cost_and_as_many_leaves_as_its_trees_can_have(size: int) -> None:
    table = table_of("four classes")
    params = check_params({"model": "xgboost", "depth": size, "min_child_weight": 0})
    assert table.leaves(params) == 4 * min(2**size, table.rows)
    counts = np.diff(read_trees(boosted(table, depth=size, min_child_weight=0)).tables["leaf_starts"])
    assert counts.max() <= table.leaves(params) // 4
    assert math.isfinite(xgboost_boosting.round_cost(table, params)) and xgboost_boosting.round_cost(table, params) > 0


def test_the_memory_of_a_job_counts() -> None:
    fold = parts_from(X, SIGNAL, task="regression")
    leaves = BOOSTERS[XGBOOST].leaves(6, len(fold.training))
    assert tree_table.job_bytes_of_trees(fold, leaves) > 16 * leaves * 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.pop("tree_info"), "malformed: KeyError: 'tree_info'"),
        (lambda model: model["tree_info"].reverse(), "not in the order of its scores"),
        (lambda model: model["trees"][0]["split_type"].__setitem__(0, 1), "splits by categories"),
        (lambda model: model["trees"][0]["tree_param"].update(num_deleted="2"), "has pruned trees"),
        (lambda model: model["trees"][0]["split_indices"].clear(), "malformed: IndexError"),
    ],
)
def test_a_malformed_model_is_refused(change: Any, message: str) -> None:
    data = xgboost.DMatrix(X, np.digitize(SIGNAL, [-1, 0, 1]))
    model = json.loads(xgboost.train({"objective": "multi:softprob", "num_class": 4}, data, 2).save_raw("json"))
    change(model["learner"]["gradient_booster"]["model"])
    with pytest.raises(MalformedError, match=message):
        xgboost_trees.lightgbm_text(model, features=6, objective="multiclass num_class:4", start=[0.0] * 4)

"""Tests CatBoost trees in LightGBM's format: rows reach CatBoost's leaves, and invalid models are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import needs
from ash.models.catboost_trees import lightgbm_text
from ash.models.file import MalformedError
from ash.models.lightgbm_text import ABSENT, read_trees, thresholds_of
from ash.models.trees import core_of

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(0)
X = np.where(RANDOM.random((400, 6)) < 0.1, np.nan, RANDOM.normal(size=(400, 6))).astype(np.float32)
X[:, 5] = 1
SIGNAL = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1] * X[:, 2])
WEIGHTS = RANDOM.random(400)
LOSSES: dict[str, tuple[str, NDArray[Any], int]] = {
    "RMSE": ("regression", SIGNAL, 0),
    "MAE": ("regression_l1", SIGNAL, 0),
    "Quantile:alpha=0.9": ("quantile", SIGNAL, 0),
    "Poisson": ("poisson", np.floor(np.exp(SIGNAL)), 0),
    "Logloss": ("binary sigmoid:1", SIGNAL > 0, 2),
    "CrossEntropy": ("binary sigmoid:1", SIGNAL > 0, 2),
    "MultiClass": ("multiclass num_class:4", np.digitize(SIGNAL, [-1, 0, 1]), 4),
}


def trained(loss: str, folder: Path, **given: Any) -> tuple[Any, dict[str, Any]]:
    """Return a CatBoost model and its JSON."""
    catboost = needs.package("catboost")
    params = {"loss_function": loss, "iterations": 40, "thread_count": 1, "logging_level": "Silent", **given}
    pool = catboost.Pool(X, LOSSES[loss][1].astype(float), weight=WEIGHTS)
    model = catboost.CatBoost({**params, "allow_writing_files": False}).fit(pool)
    model.save_model(str(folder / "model.json"), format="json")
    return model, json.loads((folder / "model.json").read_text())


def cells_around(borders: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return doubles: each border, its neighbors, points half a step away, and some special values."""
    borders = borders[borders > -3e38]  # leave out the border that only separates missing cells
    upper, lower = (np.nextafter(borders, np.float32(end)) for end in (np.inf, -np.inf))
    doubles = borders.astype(np.float64)
    halves = [(doubles + upper) / 2, (doubles + lower) / 2]
    around = [np.nextafter(each, end) for each in (doubles, *halves) for end in (np.inf, -np.inf)]
    odd = [np.nan, 0.0, -0.0, 3e38, -3e38, 1e-30, -1e-30, np.finfo(np.float32).max, np.finfo(np.float32).min]
    return np.concatenate([doubles, upper, lower, *halves, *around, odd])


@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize("loss", LOSSES)
def test_raw_scores_match_catboost(loss: str, depth: int, tmp_path: Path) -> None:
    model, content = trained(loss, tmp_path, depth=depth)
    objective, _, classes = LOSSES[loss]
    scores = max(1, classes if classes > 2 else 1)
    text = lightgbm_text(content, features=6, objective=objective, dimensions=range(scores))
    core = core_of(text, classes=classes, exponential=loss == "Poisson")
    borders = [split["border"] for tree in content["oblivious_trees"] for split in tree["splits"]]
    cells = cells_around(np.unique(np.array(borders, np.float32)))
    rows = np.random.default_rng(1).choice(cells, (5000, 6))
    for each in (X, rows, rows.astype(np.float32)):
        expected = model.predict(each, prediction_type="RawFormulaVal").reshape(len(each), -1)
        assert np.abs(core.raw_scores(each) - expected).max() <= 1e-12 * np.abs(expected).max()
    booster = needs.package("lightgbm").Booster(model_str=text)
    assert booster.predict(rows, raw_score=True).reshape(len(rows), -1).tobytes() == core.raw_scores(rows).tobytes()


def test_a_threshold_is_the_largest_double_that_rounds_to_at_most_the_border() -> None:
    largest = np.finfo(np.float32).max
    borders = np.array([0, 1, -1, 1.1, -0.3, 1e-38, 1e-45, -largest, np.nextafter(largest, np.float32(0))], np.float32)
    thresholds = np.array(thresholds_of(borders.tolist()))
    assert np.array_equal(thresholds.astype(np.float32), borders)
    with np.errstate(over="ignore"):
        assert (np.nextafter(thresholds, np.inf).astype(np.float32) > borders).all()
    assert thresholds_of([float(largest)])[0] >= float(largest)
    with pytest.raises(MalformedError, match="not a float32"):
        thresholds_of([0.1])


def test_leaves_keep_their_order_and_the_bias_comes_first() -> None:
    core = core_of(lightgbm_text(model_of_two_scores(), features=3, objective="regression"), classes=0)
    assert core.leaf_values.tolist() == [5.0, 2.0, 4.0, 6.0, 8.0]
    assert core.leaf_starts.tolist() == [0, 1, 5]
    # in CatBoost's format, the first split decides the lowest bit of a leaf's number
    rows = np.array([[0.0, 0, 0], [0, 0, 2], [2, 0, 0], [2, 0, 2], [np.nan, 0, np.nan]])
    assert core.raw_scores(rows)[:, 0].tolist() == [7.0, 9.0, 11.0, 13.0, 7.0]


def test_a_class_without_rows_has_the_lowest_score() -> None:
    objective = "multiclass num_class:3"
    text = lightgbm_text(model_of_two_scores(), features=3, objective=objective, dimensions=[0, None, 1])
    assert read_trees(text).classes == 3
    scores = core_of(text, classes=3).raw_scores(np.array([[0.0, 0, 0], [2, 0, 2]]))
    assert scores.tolist() == [[7.0, ABSENT, 7.0], [13.0, ABSENT, 13.0]]


def model_of_two_scores() -> dict[str, Any]:
    """Return the JSON of a handwritten tree of depth 2 with two equal scores."""
    column = {"nan_value_treatment": "AsIs", "borders": [1]}
    splits = [
        {"split_type": "FloatFeature", "float_feature_index": 1, "border": 1},
        {"split_type": "FloatFeature", "float_feature_index": 0, "border": 1},
    ]
    return {
        "features_info": {"float_features": [{**column, "flat_feature_index": place} for place in (0, 2)]},
        "scale_and_bias": [2, [5, 5]],
        "oblivious_trees": [{"leaf_values": [1, 1, 2, 2, 3, 3, 4, 4], "splits": splits}],
    }


def changed(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        part: Any = model
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


TREE, COLUMN = ("oblivious_trees", 0), ("features_info", "float_features", 0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda model: model.pop("oblivious_trees"), "malformed: KeyError: 'oblivious_trees'"),
        (lambda model: model.pop("scale_and_bias"), "malformed: KeyError"),
        (changed("oblivious_trees", value=None), "malformed: TypeError"),
        (changed("scale_and_bias", value=[1]), "malformed: ValueError"),
        (changed("scale_and_bias", value=[1, [0, 0, 0]]), "malformed: ValueError"),
        (changed(*TREE, "leaf_values", value=[1, 2, 3]), "malformed: ValueError"),
        (changed(*TREE, "leaf_values", 0, value="one"), "malformed: ValueError"),
        (changed(*TREE, "splits", 0, "split_type", value="OneHotFeature"), "splits by OneHotFeature"),
        (changed(*TREE, "splits", 0, "float_feature_index", value=2), "malformed: IndexError"),
        (changed(*TREE, "splits", 0, "border", value=0.1), "not a float32"),
        (changed(*COLUMN, "flat_feature_index", value=3), "has no feature 3"),
        (changed(*COLUMN, "flat_feature_index", value=-1), "has no feature -1"),
        (changed(*COLUMN, "nan_value_treatment", value="AsTrue"), "sends missing values right"),
    ],
)
def test_invalid_models_are_refused(change: Callable[[dict[str, Any]], Any], complaint: str) -> None:
    model = model_of_two_scores()
    change(model)
    with pytest.raises(MalformedError, match=complaint):
        lightgbm_text(model, features=3, objective="regression")


def test_trees_that_are_not_oblivious_are_refused(tmp_path: Path) -> None:
    _, content = trained("RMSE", tmp_path, grow_policy="Depthwise")
    with pytest.raises(MalformedError, match="oblivious_trees"):
        lightgbm_text(content, features=6, objective="regression")


def test_non_finite_numbers_are_refused() -> None:
    model = model_of_two_scores()
    model["oblivious_trees"][0]["leaf_values"][0] = float("nan")
    text = lightgbm_text(model, features=3, objective="regression")
    with pytest.raises(MalformedError, match="leaf_value"):
        core_of(text, classes=0)

"""Tests boosted trees as models: outputs bit-identical to LightGBM's, files, ensembles, and refused input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import ash
import needs
from ash import _core
from ash.cli.command import main
from ash.models.trees import Trees, core_of
from model_file_help import changed, check_refused, dropped, edited, of_member, poisoned, read, replaced
from trees_help import LEAF, TREE, encoded, random_text, text_of, trees_beside

pytestmark = pytest.mark.core

X, Y = load_wine(return_X_y=True)
TABLES = {
    "wine": (load_wine, {"objective": "multiclass", "num_class": 3}, 3),
    "breast cancer": (load_breast_cancer, {"objective": "binary"}, 2),
    "diabetes": (load_diabetes, {"objective": "regression"}, 0),
    "diabetes, L1": (load_diabetes, {"objective": "regression_l1", "num_leaves": 4}, 0),
    "diabetes, dart": (load_diabetes, {"objective": "regression", "boosting": "dart"}, 0),
    "diabetes, NaN as zero": (load_diabetes, {"objective": "regression", "use_missing": False}, 0),
    "diabetes, no split": (load_diabetes, {"objective": "regression", "min_data_in_leaf": 400}, 0),
}
Booster = Any


def with_gaps(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    random = np.random.default_rng(1)
    return np.where(random.random(rows.shape) < 0.1, np.nan, rows)


def odd(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace some cells by special values: missing cells, zeros of both signs, and denormal, tiny or huge numbers."""
    random = np.random.default_rng(2)
    zero = float(np.float32(1e-35))
    cells = [np.nan, 0.0, -0.0, 5e-324, -5e-324, 1e-40, zero, -zero, np.nextafter(zero, 1), -1e-34, 3e38, -3e38]
    return np.where(random.random(rows.shape) < 0.3, random.choice(cells, rows.shape), rows)


def booster(table: str, gaps: bool) -> tuple[Booster, NDArray[np.float64], int]:
    load, params, classes = TABLES[table]
    lightgbm = needs.package("lightgbm")
    rows, target = load(return_X_y=True)
    rows = with_gaps(rows) if gaps else rows
    params = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "learning_rate": 0.3, **params}
    return lightgbm.train(params, lightgbm.Dataset(rows, target), 40), rows, classes


@pytest.fixture(scope="module")
def network() -> ash.Network:
    return ash.tune(X, Y, candidates=2, verbose=0, validation=0.2).model


@pytest.fixture(scope="module")
def regression() -> ash.Network:
    return ash.tune(X, X[:, 0] ** 2, candidates=2, verbose=0, validation=0.2).model


def mixed(network: ash.Network, weights: Any = (0.25, 0.75)) -> ash.Ensemble:
    return ash.Ensemble([network, trees_beside(network)], np.array(weights), metric="accuracy", validation_score=0.5)


# Outputs bit-identical to LightGBM's


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("table", TABLES)
def test_raw_scores_have_the_bits_of_lightgbm(table: str, gaps: bool) -> None:
    model, rows, classes = booster(table, gaps)
    core = core_of(model.model_to_string(), classes=classes)
    for each in (rows, odd(rows), rows.astype(np.float32)):
        expected = model.predict(each, raw_score=True).reshape(len(rows), -1)
        assert core.raw_scores(each).tobytes() == expected.tobytes()


@pytest.mark.parametrize("table", TABLES)
def test_predictions_match_lightgbm(table: str) -> None:
    model, rows, classes = booster(table, gaps=True)
    found, expected = core_of(model.model_to_string(), classes=classes).predict(rows), model.predict(rows)
    if classes:
        assert np.abs(found.sum(axis=1) - 1).max() < 1e-6
        assert np.abs((found[:, 1] if classes == 2 else found) - expected).max() < 1e-6
    else:
        assert np.array_equal(found[:, 0], expected)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "tweedie"])
def test_log_link_scores_are_exponentiated(objective: str) -> None:
    lightgbm = needs.package("lightgbm")
    model = lightgbm.train({"objective": objective, "verbose": -1}, lightgbm.Dataset(X[:, 1:], X[:, 0]), 20)
    found = core_of(model.model_to_string(), classes=0, exponential=True).predict(X[:, 1:].copy())
    assert found[:, 0] == pytest.approx(model.predict(X[:, 1:]), rel=1e-6)


def test_trees_of_a_run_predict_like_lightgbm_on_encoded_rows(network: ash.Network) -> None:
    lightgbm = needs.package("lightgbm")
    rows = encoded(network, X)
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    model = lightgbm.train(params, lightgbm.Dataset(rows, Y), 10)
    trees = trees_beside(network, model.model_to_string())
    assert trees.predict_proba(X) == pytest.approx(model.predict(rows), abs=1e-6)
    assert trees.score(X, Y) > 0.95


# The core


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_bits_do_not_depend_on_threads_or_on_how_rows_are_divided(classes: int) -> None:
    core = core_of(random_text(5, classes, trees=30), classes=classes)
    rows = odd(np.random.default_rng(0).normal(size=(1500, 5)))
    expected = core.predict(rows)
    for threads in (2, 3):
        assert core.predict(rows, threads).tobytes() == expected.tobytes()
    for cuts in ([1], [7, 8, 300], [256, 512], [1499]):
        parts = [core.predict(np.ascontiguousarray(part)) for part in np.split(rows, cuts)]
        assert np.concatenate(parts).tobytes() == expected.tobytes()


@pytest.mark.parametrize("levels", [3, 40, 2000])
def test_scores_of_splits_by_category_have_the_bits_of_lightgbm(levels: int) -> None:
    lightgbm, random = needs.package("lightgbm"), np.random.default_rng(levels)
    rows = np.column_stack([random.integers(0, levels, (3000, 2)).astype(float), random.normal(size=3000)])
    target = random.normal(size=levels)[rows[:, 0].astype(int)] + (rows[:, 1] < levels / 2) * rows[:, 2]
    params = {"objective": "regression", "verbose": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1.0}
    model = lightgbm.train(params, lightgbm.Dataset(rows, target, categorical_feature=[0, 1]), 20)
    core = core_of(model.model_to_string(), classes=0)
    assert (core.missing == 3).any() and (core.missing < 3).any() and len(core.set_words) >= len(core.set_starts) - 1
    odd_cells = [np.nan, -1.0, -0.5, 0.5, levels - 0.5, levels, levels + 64.0, 1e6]  # gaps, and levels never seen
    for each in (rows, np.where(random.random(rows.shape) < 0.3, random.choice(odd_cells, rows.shape), rows)):
        assert core.raw_scores(each)[:, 0].tobytes() == model.predict(each, raw_score=True).tobytes()


def test_predictions_are_in_the_units_of_y() -> None:
    text, rows = text_of([TREE, LEAF]), np.array([[0.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])
    units = {"target_mean": [10.0], "target_scale": [2.0]}
    assert core_of(text, classes=0).raw_scores(rows)[:, 0].tolist() == [5.5, 4.5, 3.75, 5.5]
    assert core_of(text, classes=0, **units).predict(rows)[:, 0].tolist() == [21.0, 19.0, 17.5, 21.0]
    bounded = core_of(text, classes=0, **units, target_least=[18.0], target_most=[20.0])
    assert bounded.predict(rows)[:, 0].tolist() == [20.0, 19.0, 18.0, 20.0]
    powers = core_of(text, classes=0, **units, exponential=True).predict(rows)[:, 0]
    assert powers == pytest.approx(10 * np.exp(2 * np.array([5.5, 4.5, 3.75, 5.5])), rel=1e-6)


def test_the_core_refuses_invalid_rows() -> None:
    core = core_of(text_of([TREE]), classes=0)
    for cell in (np.inf, -np.inf, 1e39):
        for call in (core.predict, core.raw_scores):
            with pytest.raises(ValueError, match="x: infinite, or beyond the range of float32"):
                call(np.array([[0.0, cell]]))
    with pytest.raises(ValueError, match="a column a feature"):
        core.predict(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="threads"):
        core.raw_scores(np.zeros((2, 2)), 0)
    with pytest.raises(TypeError):
        core.predict(np.zeros((2, 2), np.int64))
    assert core.predict(np.zeros((0, 2))).shape == (0, 1)


def test_the_tables_of_a_model_make_the_same_trees() -> None:
    core = core_of(random_text(5, 0), classes=0)
    tables = ("features", "leaf_starts", "feature", "threshold", "left", "right", "missing", "leaf_values", "classes")
    sets = {"set_starts": [0, 1], "set_words": [6]}
    for wrong in ({"set_starts": [0, 2]}, {"set_starts": [1, 1]}, {"set_starts": []}, {"set_words": [0]}):
        with pytest.raises(ValueError, match="sets: "):
            _core.Trees(*(getattr(core, name) for name in tables), [0.0], [1.0], **{**sets, **wrong})
    twin = _core.Trees(
        *(getattr(core, name) for name in tables), target_mean=core.target_mean, target_scale=core.target_scale
    )
    for name in tables:
        assert np.array_equal(getattr(twin, name), getattr(core, name))
    assert set(core.missing.tolist()) == {1, 2}
    with pytest.raises(ValueError, match=r"nodes: .* must have the same length"):
        _core.Trees(
            2, [0, 2], np.zeros(1, np.int32), np.zeros(1), np.array([-1], np.int32), np.zeros(0, np.int32),
            np.zeros(1, np.uint8), [1.0, 2.0], 0, [0.0], [1.0],
        )  # fmt: skip


# The model


def test_trees_are_a_complete_model(network: ash.Network, regression: ash.Network) -> None:
    trees = trees_beside(network)
    assert isinstance(trees, Trees) and trees.task == "classification" and trees.n_outputs_ == 1
    assert np.abs(trees.predict_proba(X).sum(axis=1) - 1).max() < 1e-15
    assert np.array_equal(trees.predict(X), trees.predict_proba(X).argmax(axis=1))
    assert repr(trees) == "Trees(12 trees, 3 classes, validation accuracy 0.75)"
    assert trees.text.endswith("end of trees\n") and trees.params == {"num_leaves": 8, "learning_rate": 0.25}
    of_targets = trees_beside(regression, target_mean=[3.0], target_scale=[0.5])
    raw = of_targets.core.raw_scores(encoded(regression, X))[:, 0]
    assert np.array_equal(of_targets.predict(X), 0.5 * raw + 3.0)
    assert "12 trees, regression, validation r2" in repr(of_targets)
    with pytest.raises(AttributeError, match="no predict_proba"):
        of_targets.predict_proba(X)
    with pytest.raises(ash.DataError, match="X has 2 features, but the model is expecting 13 features"):
        trees.predict(X[:, :2])
    with pytest.raises(ash.DataError, match="infinity"):
        trees.predict(np.full((2, 13), np.inf))


def test_an_ensemble_averages_networks_and_trees(network: ash.Network) -> None:
    ensemble = mixed(network)
    parts = [member.predict_proba(X) for member in ensemble.members]
    assert ensemble.predict_proba(X) == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], abs=1e-6)
    assert repr(ensemble) == "Ensemble(1 network, 1 boosted-tree model, 3 classes, validation accuracy 0.5)"
    several = ash.Ensemble([trees_beside(network)] * 2, np.array([0.5, 0.5]), metric="auc", validation_score=0.5)
    assert repr(several).startswith("Ensemble(2 boosted-tree models, 3 classes")
    assert np.array_equal(several.predict_proba(X), trees_beside(network).predict_proba(X))


def test_columns_without_splits_have_no_importance() -> None:
    result = ash.tune((X - X.mean(axis=0)) / X.std(axis=0), Y, candidates=2, verbose=0, validation=0.2)
    trees = trees_beside(result.model, random_text(13, 3, trees=6))
    falls = result.feature_importance(trees)
    split = {f"x{feature}" for feature in trees.core.feature}
    assert len(split) < len(falls) == 13
    assert any(falls.values()) and not any(fall for name, fall in falls.items() if name not in split)


# Files. test_model_file.py tests the properties common to all kinds of models


def saved(model: ash.Ensemble | Trees, folder: Path) -> Path:
    path = folder / "model.safetensors"
    model.save(path)
    return path


def test_a_file_holds_the_text_of_the_trees(network: ash.Network, tmp_path: Path) -> None:
    trees = trees_beside(network)
    tensors, about = read(saved(trees, tmp_path))
    assert tensors["trees"].tobytes().decode() == trees.text
    assert tensors.keys() == {"trees", "target_mean", "target_scale"}
    assert (about["format"], about["version"]) == ("ash-trees", 3)
    tensors, about = read(saved(mixed(network), tmp_path))
    assert about["version"] == 3 and "1.trees" in tensors and "0.trees" not in tensors
    assert about["members"][1].keys() == {"params", "metric", "validation_score"}
    assert ash.load(tmp_path / "model.safetensors").digest == mixed(network).digest != trees.digest


def test_quantiles_exponentials_and_bounds_are_restored(regression: ash.Network, tmp_path: Path) -> None:
    units = {"target_mean": [3.0], "target_scale": [0.25], "target_least": [0.5], "target_most": [3.5]}
    for exponential in (False, True):
        trees = trees_beside(regression, **units, exponential=exponential)
        trees.quantile = 0.9
        for model in (trees, ash.Ensemble([trees], np.ones(1), metric="r2", validation_score=0.5)):
            twin = ash.load(saved(model, tmp_path))
            assert twin.quantile == 0.9 and twin.is_exponential == exponential
            assert np.array_equal(twin.predict(X), model.predict(X)) and twin.digest == model.digest
            assert twin.predict(X).min() >= 0.5 and twin.predict(X).max() <= 3.5


def text_edited(old: str, new: str) -> Callable[..., Any]:
    return edited("trees", lambda text: np.frombuffer(text.tobytes().replace(old.encode(), new.encode()), np.uint8))


def as_text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("version", 2), "boosted trees need version 3"),
        (changed("format", "ash-network"), "activations is not a list"),
        (changed("format", "ash-ensemble"), "not a list of networks and trees"),
        (changed("classes", None), "does not fit"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1]}), "does not fit 2 classes"),
        (changed("exponential", True), "a classifier cannot have an exponential"),
        (changed("target_names", ["a", "b"]), "target_names do not match the outputs"),
        (changed("params", None), "params is not a JSON object"),
        (changed("metric", "r2"), "metric"),
        (dropped("trees"), "not those of boosted trees"),
        (dropped("target_scale"), "not those of boosted trees"),
        (replaced("bias.0", np.zeros(3, np.float32)), "not those of boosted trees"),
        (replaced("target_least", np.zeros(3)), "not those of boosted trees"),
        (replaced("target_mean", np.zeros(2)), "target_scale does not match target_mean"),
        (replaced("target_mean", np.zeros(3, np.float32)), "target_mean is float32"),
        (replaced("target_mean", np.zeros(3, np.uint8)), "target_mean' has dtype U8"),
        (replaced("target_scale", np.zeros(3)), "a scale is not positive"),
        (poisoned("target_mean", 1), "target_mean holds NaN"),
        (replaced("trees", np.zeros(9, np.float32)), "trees' has dtype F32"),
        (replaced("trees", np.zeros((2, 3), np.uint8)), r"trees is uint8 of shape \(2, 3\)"),
        (replaced("trees", np.zeros(0, np.uint8)), "trees is empty"),
        (replaced("trees", np.full(9, 255, np.uint8)), "not UTF-8 text"),
        (replaced("trees", as_text("import os")), "does not start like a LightGBM model"),
        (replaced("trees", as_text(random_text(13, 4))), "does not fit 3 classes"),
        (replaced("trees", as_text(random_text(12, 3))), "12 inputs, but its columns give 13"),
        (text_edited("end of trees", "end of threes"), "'end of trees' is missing after"),
        (text_edited("num_cat=0", "num_cat=1"), "tree 0 has the entries"),
        (changed("level_numbers", True), "level numbers need version 4"),
        (text_edited("left_child=", "left_child=0 "), "does not begin or end"),
        (text_edited("max_feature_idx=12", "max_feature_idx=11"), "feature_names"),
    ],
)
def test_invalid_contents_are_refused(
    network: ash.Network, change: Callable[..., Any], complaint: str, tmp_path: Path
) -> None:
    check_refused(saved(trees_beside(network), tmp_path), change, complaint)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("version", 2), "boosted trees need version 3"),
        (of_member("activations", []), "a member has missing or unexpected entries"),
        (of_member("params", 3), "params is not a JSON object"),
        (dropped("1.trees"), "a member has missing or unexpected entries"),
        (replaced("0.trees", as_text(random_text(13, 3))), "a member has missing or unexpected entries"),
        (replaced("2.trees", as_text(random_text(13, 3))), "belongs to none of 2"),
        (replaced("trees", as_text(random_text(13, 3))), "belongs to none of 2"),
        (replaced("1.bias.0", np.zeros(3, np.float32)), "not those of boosted trees"),
        (replaced("1.trees", as_text(random_text(13, 2))), "does not fit 3 classes"),
        (replaced("1.trees", as_text(random_text(9, 3))), "9 inputs, but its columns give 13"),
        (replaced("weights", np.zeros(2, np.uint8)), "weights' has dtype U8"),
    ],
)
def test_invalid_ensembles_are_refused(
    network: ash.Network, change: Callable[..., Any], complaint: str, tmp_path: Path
) -> None:
    check_refused(saved(mixed(network), tmp_path), change, complaint)


def test_a_log_link_is_required(regression: ash.Network, tmp_path: Path) -> None:
    path = saved(trees_beside(regression), tmp_path)
    check_refused(path, text_edited("objective=regression", "objective=poisson"), "needs exponential targets")


# The command line


def test_the_command_shows_trees(network: ash.Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trees = trees_beside(network)
    leaves = len(trees.core.leaf_values)
    assert main(["show", str(saved(trees, tmp_path))]) == 0
    shown = capsys.readouterr().out
    assert "12 boosted trees" in shown and f"{leaves} leaves of trees, " in shown and "num_leaves" in shown
    assert main(["show", str(saved(mixed(network), tmp_path))]) == 0
    shown = capsys.readouterr().out
    assert "those of 2 members, see below" in shown and f"weights and biases, {leaves} leaves of trees" in shown
    assert "  12 boosted trees\n" in shown

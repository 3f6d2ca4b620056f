"""Tests exports of models that were tuned on real tables: all formats agree with the model on new rows."""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from conftest import SAMPLES
from sklearn import datasets

import ash
import needs
from config_help import configured, split_once
from export_help import MISSING, check_labels, check_outputs, compile_header, feeds, run_program

PLAIN = ash.Space(hidden=ash.choice((16,), (12, 8), ()), activation="relu", learning_rate=ash.loguniform(1e-3, 1e-1))

pytestmark = pytest.mark.filterwarnings("ignore:.*rows are equal to other rows")  # winequality has copies


def sample(name: str) -> tuple[Any, Any]:
    table = pandas.read_csv(SAMPLES / f"{name}.csv.gz")
    return table.drop(columns="target"), table["target"]


def adult() -> tuple[Any, Any]:
    X, y = sample("adult")
    X.loc[::5, "age"] = np.nan
    return X.assign(is_old=X["age"] > 60, hr_per_week=X["hr_per_week"].astype("float32")), y


def iris() -> tuple[Any, Any]:
    bunch = datasets.load_iris(as_frame=True)
    return bunch.data, bunch.target_names[bunch.target]


def two_targets() -> tuple[Any, Any]:
    X, y = sample("california")
    return X.drop(columns="MedInc"), np.column_stack([y, 1e4 * X["MedInc"]])


def cancer() -> tuple[Any, Any]:
    X, y = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    return X.mask(np.random.default_rng(0).random(X.shape) < 0.1), y


def gaps_in_wine() -> tuple[Any, Any]:
    X, y = datasets.load_wine(return_X_y=True, as_frame=True)
    return X.mask(np.random.default_rng(0).random(X.shape) < 0.1), y


def graded_wine() -> tuple[Any, Any]:
    X, y = sample("winequality_white")
    return X, y.astype(float)


def diabetes() -> tuple[Any, Any]:
    return datasets.load_diabetes(return_X_y=True)


TREES = {"models": ["lightgbm"]}
CATBOOST = {"models": ["catboost"]}
TABLES: dict[str, tuple[Callable[[], tuple[Any, Any]], dict[str, Any]]] = {
    "adult": (adult, {}),
    "adult, plain": (adult, {"space": PLAIN}),
    "california": (lambda: sample("california"), {}),
    "california, two targets, plain": (two_targets, {"space": PLAIN}),
    "winequality": (graded_wine, {"task": "regression"}),
    "california, plain": (lambda: sample("california"), {"space": PLAIN}),
    "digits": (lambda: datasets.load_digits(return_X_y=True), {}),
    "iris": (iris, {}),
}
TABLES_OF_TREES: dict[str, tuple[Callable[[], tuple[Any, Any]], dict[str, Any]]] = {
    "wine, trees": (lambda: datasets.load_wine(return_X_y=True), TREES),
    "diabetes, trees": (diabetes, TREES),
    "cancer, trees": (cancer, TREES),
    "california, networks and trees": (
        lambda: sample("california"),
        {"models": ["network", "lightgbm"], "candidates": 8, "min_epochs": 16},
    ),
    "winequality, trees": (graded_wine, TREES | {"task": "regression"}),
    "adult, trees": (adult, TREES),
    "wine, catboost": (lambda: datasets.load_wine(return_X_y=True), CATBOOST),
    "cancer, catboost": (cancer, CATBOOST),
    "diabetes, catboost": (diabetes, CATBOOST),
}


@cache
def tuned(name: str) -> tuple[tuple[Any, ...], Any]:
    """Run a short search on most rows of a table. Return its best network, its ensemble and the remaining rows."""
    read, settings = (TABLES | TABLES_OF_TREES)[name]
    if settings is CATBOOST:
        needs.installed("catboost")
    X, y = read()
    new = np.arange(len(X)) % 7 == 3
    run = {"candidates": 3, "max_rungs": 1, "epoch_rows": 1000, "n_jobs": 1, "verbose": 0, "random_state": 1}
    result = ash.tune(X[~new], y[~new], **configured(split_once(run | settings)))
    return (result.model, result.ensemble(3)), X[new]


@pytest.mark.parametrize("table", [*TABLES, *TABLES_OF_TREES])
def test_onnx_matches_the_model(table: str, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    models, X = tuned(table)
    for model in models:
        model.to_onnx(tmp_path / "model.onnx", missing=MISSING)
        onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
        outputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, feeds(model, X))
        check_outputs(model, outputs[-1], X)
        if model.classes_ is not None:
            check_labels(model, outputs[0], X)


@cache
def folded(table: str, models: tuple[str, ...]) -> tuple[Any, Any]:
    """Return the model of an estimator trained with folds on some rows of a table, and the remaining rows."""
    X, y = {"wine": gaps_in_wine, "diabetes": diabetes, "adult": adult, "winequality": graded_wine}[table]()
    X, y = X[:1000], y[:1000]
    new = np.arange(len(X)) % 7 == 3
    estimator = ash.ASHRegressor if table in ("diabetes", "winequality") else ash.ASHClassifier
    config = ash.SearchConfig(models=list(models), max_rungs=1, epoch_rows=1000)
    return estimator(candidates=4, cv=3, ensemble=4, random_state=1, config=config).fit(X[~new], y[~new]).model_, X[new]


def check_exports(model: Any, X: Any, folder: Path) -> None:
    """Check that a model's exports to ONNX and C++ have the same outputs as the model."""
    import onnxruntime

    model.to_onnx(folder / "model.onnx", missing=MISSING)
    outputs = onnxruntime.InferenceSession(folder / "model.onnx").run(None, feeds(model, X))
    check_outputs(model, outputs[-1], X)
    model.to_cpp(folder / "model.hpp")
    printed = np.array(run_program(compile_header(folder, "g++", "-O1"), X))
    check_outputs(model, printed[:, :-1], X)


@pytest.mark.parametrize("models", [("network",), ("network", "lightgbm")], ids=["networks", "networks and trees"])
@pytest.mark.parametrize("table", ["wine", "diabetes", "adult", "winequality"])
def test_networks_from_several_folds_are_exported(table: str, models: tuple[str, ...], tmp_path: Path) -> None:
    """Use three folds: each scales the inputs by its own training rows, so the networks have three scalings."""
    model, X = folded(table, models)
    assert len({each.core.input_center.tobytes() for each in model.members if isinstance(each, ash.Network)}) == 3
    assert (model.encoding.neighbors is not None) == (table == "winequality")
    check_exports(model, X, tmp_path)


def test_networks_with_few_neighbors_are_saved_and_exported(tmp_path: Path) -> None:
    """Use a second column that varies too little for float32, so that all distinct rows merge into 15 neighbors."""
    rows = np.arange(600) % 500
    X = pandas.DataFrame({"a": rows % 15, "b": 1e-50 * rows}, dtype=float)
    model = ash.tune(
        X, X["a"] + 0.1 * (rows % 4), candidates=2, verbose=0, n_jobs=1, random_state=0, validation=0.2
    ).model
    assert model.encoding.neighbors is not None and len(model.encoding.neighbors.rows) == 15
    model.save(tmp_path / "model.safetensors")
    assert np.array_equal(ash.load(tmp_path / "model.safetensors").predict(X), model.predict(X))
    check_exports(model, X, tmp_path)


@pytest.mark.parametrize("table", TABLES)
def test_torch_matches_the_model(table: str) -> None:
    torch = needs.package("torch")
    models, X = tuned(table)
    for model in models:
        with torch.no_grad():
            outputs = model.to_torch()(torch.from_numpy(model.encode(X)))
        check_outputs(model, outputs if model.classes_ is None else outputs.softmax(dim=1), X)


@pytest.mark.parametrize("table", [*TABLES, *TABLES_OF_TREES])
def test_cpp_matches_the_model(table: str, tmp_path: Path) -> None:
    models, X = tuned(table)
    model = models[-1]
    model.to_cpp(tmp_path / "model.hpp")
    printed = np.array(run_program(compile_header(tmp_path, "g++", "-O1"), X))
    check_outputs(model, printed[:, :-1], X)


@pytest.mark.parametrize("table", [table for table in TABLES if TABLES[table][1].get("space") is PLAIN])
def test_sklearn_matches_the_model(table: str) -> None:
    models, X = tuned(table)
    for model in models if models[0].n_outputs_ == 1 else models[:1]:
        pipeline = model.to_sklearn()
        is_regression = model.classes_ is None
        outputs = pipeline.predict(X).reshape(len(X), -1) if is_regression else pipeline.predict_proba(X)
        check_outputs(model, outputs, X)


def test_sklearn_refuses_neighbor_features() -> None:
    for model in tuned("winequality")[0]:
        with pytest.raises(ash.SettingError, match=r"cannot express neighbors, .*: use to_onnx"):
            model.to_sklearn()


def test_the_tables_have_the_properties_that_exports_need() -> None:
    """Check that the tables have the kinds of columns without which the tests above would prove little."""
    (model, _), X = tuned("adult")
    columns = model.encoding.schema.columns
    assert {(column.kind, bool(column.levels)) for column in columns} == {
        ("number", False),
        ("number", True),
        ("category", True),
    }
    assert any(column.missing for column in columns)
    assert any(table is not None for table in model.encoding.statistics)
    assert X.isna().any(axis=None)
    assert tuned("california")[0][0].core.numbers  # the network embeds numbers
    assert tuned("winequality")[0][0].encoding.neighbors is not None
    for table, (_, settings) in TABLES_OF_TREES.items():
        if settings is CATBOOST and importlib.util.find_spec("catboost") is None:
            continue
        kinds = {type(member) for member in tuned(table)[0][1].members}
        assert kinds == ({ash.Network, ash.Trees} if "networks" in table else {ash.Trees})
    assert tuned("winequality, trees")[0][0].encoding.neighbors is not None
    assert tuned("cancer, trees")[1].isna().any(axis=None)

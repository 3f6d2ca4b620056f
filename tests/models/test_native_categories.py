"""Tests boosted trees that get categories as level numbers: their bits, files, exports, and runs that search them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash
import needs
from ash.models.catboost_model import loaded, pool_of
from ash.models.trees import Trees
from config_help import configured
from export_help import MISSING, check_outputs, compile_header, feeds, run_program
from model_file_help import changed, check_refused, read, replaced
from trees_help import encoded

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(0)
ROWS = 1000
TABLE = pd.DataFrame(
    {
        "color": RANDOM.choice(["red", "green", "blue", "pink", None], ROWS),
        "size": RANDOM.normal(size=ROWS),
        "city": RANDOM.choice([f"city {number}" for number in range(40)], ROWS),
    }
)
NUMBER = TABLE["city"].str[5:].astype(int)
SIGNAL = TABLE["size"] + 2.0 * TABLE["color"].isin(["red", "pink"]) + 4.0 * (NUMBER * 7 % 5 < 2)
ODD = TABLE.assign(
    color=TABLE["color"].where(TABLE.index % 3 > 0, "never seen"), city=TABLE["city"].where(TABLE.index % 5 > 0, None)
)
"""The table with unknown levels and more missing cells."""
BOTH: dict[str, Any] = {"categories": ["native", "encoded"], "shrinkage": ash.loguniform(6.0, 24.0)}
SPACE = {**BOTH, "model": "lightgbm", "num_leaves": [4, 8, 16]}
OF_CATBOOST = {**BOTH, "model": "catboost", "depth": [3, 4]}
RUN: dict[str, Any] = {"candidates": 8, "validation": 0.3, "min_epochs": 4, "verbose": 0}


def tuned(y: Any = SIGNAL, **given: Any) -> ash.Result:
    needs.package("lightgbm")
    return ash.tune(TABLE, y, **configured({**RUN, "models": ["lightgbm"], "space": SPACE, **given}))


def outputs(model: Any, table: Any) -> Any:
    return model.predict(table) if model.task == "regression" else model.predict_proba(table)


@pytest.fixture(scope="module")
def native() -> Trees:
    """Return trees that split sets of levels."""
    model = tuned(space={**SPACE, "categories": "native"}).model
    assert isinstance(model, Trees) and model.encoding.has_level_numbers
    return model


@pytest.fixture(scope="module")
def mixture(native: Trees) -> ash.Ensemble:
    """Return an ensemble of a network, of trees on encoded categories, and of trees that split levels."""
    network = ash.tune(TABLE, SIGNAL, candidates=2, **configured({"validation": 0.3, "verbose": 0})).model
    others = tuned(space={**SPACE, "categories": "encoded"}).model
    members = [network, native, others]
    assert [len(member.encoding.names) for member in members] == [8, 10, 8]
    return ash.Ensemble(members, np.array([0.25, 0.5, 0.25]), metric="r2", validation_score=0.5)


def test_a_model_predicts_like_lightgbm_on_level_numbers(native: Trees) -> None:
    lightgbm = needs.package("lightgbm")
    booster = lightgbm.Booster(model_str=native.text)
    assert native.encoding.names[-2:] == ("color: level", "city: level")
    for table in (TABLE, ODD):
        rows = encoded(native, table)
        assert set(rows[:, -2]) <= set(range(6)) and np.isfinite(rows[:, -2:]).all()
        raw = booster.predict(rows, raw_score=True)
        assert native.core.raw_scores(rows)[:, 0].tobytes() == raw.tobytes()
        assert np.array_equal(native.predict(table), native.core.predict(rows)[:, 0])
    split = {native.encoding.names[feature] for feature in native.core.feature}
    assert split == {"size", "color: level", "city: level"}, "level numbers replace the encoded features"


@pytest.fixture(scope="module", params=["targets", "weighted classes"])
def folded(request: pytest.FixtureRequest) -> ash.Ensemble:
    """Return an ensemble of networks and of trees that split levels, of three folds."""
    noisy = SIGNAL + 2.0 * np.random.default_rng(1).normal(size=ROWS)
    models = ["network", "lightgbm"]
    space = {**SPACE, "model": models, "categories": "native"}
    given: dict[str, Any] = {"candidates": 8, "cv": 3, "ensemble": 6, "random_state": 0, "space": space}
    given["config"] = ash.SearchConfig(models=models, min_epochs=8)
    if request.param == "targets":
        return ash.ASHRegressor(**given).fit(TABLE, noisy).model_
    return ash.ASHClassifier(**given, class_weight="balanced").fit(TABLE, noisy > 3).model_


def test_members_of_folds_have_the_statistics_of_their_fold_beside_level_numbers(
    folded: ash.Ensemble, tmp_path: Path
) -> None:
    onnxruntime, model, path = needs.package("onnxruntime"), folded, tmp_path / "model.safetensors"
    widths = {type(member): member.encoding.features for member in model.members}
    assert widths == {ash.Network: 8, ash.Trees: 10} and len(model.encodings) == 3
    assert [encoding.features for encoding in model.encodings] == [10] * 3
    parts = [member.core.predict(encoded(member, ODD)) for member in model.members]
    expected = np.average(parts, axis=0, weights=model.weights)
    assert outputs(model, ODD) == pytest.approx(expected.squeeze(1) if model.task == "regression" else expected)
    model.save(path)
    for twin in (ash.load(path), pickle.loads(pickle.dumps(model))):
        assert twin.digest == model.digest and len(twin.encodings) == 3
        assert np.array_equal(outputs(twin, ODD), outputs(model, ODD))
        assert np.array_equal(twin.predict(ODD), model.predict(ODD))
    model.to_onnx(tmp_path / "model.onnx", missing=MISSING)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    check_outputs(model, session.run(None, feeds(model, ODD))[-1], ODD)
    model.to_cpp(tmp_path / "model.hpp")
    printed = run_program(compile_header(tmp_path, "g++", "-O1"), ODD)
    check_outputs(model, np.array(printed)[:, :-1], ODD)


def test_an_ensemble_gives_each_member_its_features(mixture: ash.Ensemble) -> None:
    parts = [member.predict(ODD) for member in mixture.members]
    assert mixture.predict(ODD) == pytest.approx(np.average(parts, axis=0, weights=[0.25, 0.5, 0.25]), rel=1e-6)


@pytest.mark.parametrize("alone", [True, False])
def test_files_and_pickles_predict_the_same(native: Trees, mixture: ash.Ensemble, alone: bool, tmp_path: Path) -> None:
    model, path = native if alone else mixture, tmp_path / "model.safetensors"
    model.save(path)
    for twin in (ash.load(path), pickle.loads(pickle.dumps(model))):
        assert twin.digest == model.digest and np.array_equal(twin.predict(ODD), model.predict(ODD))
    tensors, about = read(path)
    assert about["version"] == 4 and not any(name.endswith("level") for name in tensors)
    check_refused(path, changed("version", 3), "need version 4")
    if alone:
        check_refused(path, changed("level_numbers", False), "level_numbers is not true")
        check_refused(path, lambda tensors, about: about.pop("level_numbers"), "the model has 10 inputs")


def test_onnx_and_cpp_predict_the_same(mixture: ash.Ensemble, tmp_path: Path) -> None:
    onnxruntime = needs.package("onnxruntime")
    mixture.to_onnx(tmp_path / "model.onnx", missing=MISSING)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    check_outputs(mixture, session.run(["target"], feeds(mixture, ODD))[0], ODD)
    mixture.to_cpp(tmp_path / "model.hpp")
    printed = run_program(compile_header(tmp_path, "g++", "-O1"), ODD)
    check_outputs(mixture, np.array(printed)[:, :-1], ODD)


def test_shuffling_a_category_affects_trees_that_split_its_levels(native: Trees) -> None:
    falls = tuned(space={**SPACE, "categories": "native"}).feature_importance(native)
    assert min(falls["color"], falls["city"]) > 0.1


@pytest.mark.parametrize("y", [SIGNAL, np.digitize(SIGNAL, [0.5, 2.5])], ids=["targets", "classes"])
@pytest.mark.parametrize("folds", [{}, {"validation": None, "cv": 3}], ids=["split", "folds"])
@pytest.mark.parametrize("space", [SPACE, OF_CATBOOST], ids=["lightgbm", "catboost"])
def test_a_run_that_searches_both_is_the_same_on_any_number_of_threads(
    space: dict[str, Any], y: Any, folds: dict[str, Any]
) -> None:
    needs.package(space["model"])
    first, second = (tuned(y, space=space, models=[space["model"]], n_jobs=each, **folds) for each in (1, 2))
    assert {params["categories"] for params in first.params} == {"native", "encoded"}
    assert first.digest == second.digest and first.model.digest == second.model.digest
    repeated = ash.tune(TABLE, y, record=first.record, verbose=0)
    assert repeated.digest == first.digest and repeated.model.digest == first.model.digest


# CatBoost


@pytest.fixture(scope="module", params=["targets", "two classes", "classes"])
def own(request: pytest.FixtureRequest) -> ash.Result:
    """Return a run in which CatBoost computes statistics of the categories itself."""
    needs.package("catboost")
    y = {"targets": SIGNAL, "two classes": SIGNAL > 1, "classes": np.digitize(SIGNAL, [0.5, 2.5])}[request.param]
    return tuned(y, models=["catboost"], space={**OF_CATBOOST, "categories": "native"}, candidates=4)


def test_a_model_in_the_format_of_catboost_predicts_like_catboost(own: ash.Result, tmp_path: Path) -> None:
    model, path = own.model, tmp_path / "model.safetensors"
    assert isinstance(model.text, bytes) and model.params["categories"] == "native"
    rows = encoded(model, ODD)
    reference = needs.package("catboost").CatBoost().load_model(blob=model.text)
    kind = "RawFormulaVal" if model.task == "regression" else "Probability"
    expected = reference.predict(pool_of(rows, 2), prediction_type=kind)
    if model.task == "regression":
        expected = model.core.target_mean + model.core.target_scale * expected
    assert outputs(model, ODD) == pytest.approx(expected, abs=1e-5)
    model.save(path)
    for twin in (ash.load(path), pickle.loads(pickle.dumps(model))):
        assert twin.digest == model.digest and np.array_equal(outputs(twin, ODD), outputs(model, ODD))


def test_outputs_of_catboost_are_those_of_the_core(own: ash.Result, tmp_path: Path) -> None:
    model, path = own.model, tmp_path / "model.safetensors"
    if model.task == "regression":
        assert model.core.predict(encoded(model, ODD)).dtype == np.float64
        return
    odds = np.arange(1.0, 1.0 + len(model.classes_))
    shifted = model.shifted(np.log(odds)).sharper(2.0)
    expected = np.square(model.predict_proba(ODD) * odds)
    expected /= expected.sum(axis=1, keepdims=True)
    assert shifted.predict_proba(ODD) == pytest.approx(expected, abs=1e-5)
    shifted.save(path)
    assert np.array_equal(ash.load(path).predict_proba(ODD), shifted.predict_proba(ODD))


def test_files_in_the_format_of_catboost_are_checked(own: ash.Result, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    own.model.save(path)
    content = np.frombuffer(own.model.text, np.uint8)
    for change, complaint in (
        (changed("version", 3), "level numbers need version 4"),
        (changed("catboost_format", 1), "catboost_format is not true"),
        (lambda tensors, about: about.pop("level_numbers"), "lacks level_numbers"),
        (lambda tensors, about: about.pop("catboost_format"), "not UTF-8 text|does not start like a LightGBM model"),
        (replaced("trees", content[:100]), "CatBoost cannot read its model"),
        (replaced("target_scale", np.ones(7)), "target_scale does not match"),
    ):
        own.model.save(path)
        check_refused(path, change, complaint)


def test_only_catboost_predicts_with_a_model_in_its_format(
    own: ash.Result, mixture: ash.Ensemble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = own.model
    members = [model, mixture.members[0]] if model.task == "regression" else [model]
    ensemble = ash.Ensemble(members, np.full(len(members), 1 / len(members)), metric=model.metric, validation_score=0.5)
    for each in (model, ensemble):
        for export in (each.to_onnx, each.to_cpp):
            with pytest.raises(ash.SettingError, match="categories='native' cannot be exported, since only CatBoost"):
                export(tmp_path / "model")
    ensemble.save(tmp_path / "model.safetensors")
    assert np.array_equal(outputs(ash.load(tmp_path / "model.safetensors"), ODD), outputs(ensemble, ODD))
    loaded.cache_clear()
    monkeypatch.setattr("ash._utils.installation.is_installed", lambda module: module != "catboost")
    with pytest.raises(ash.MissingExtraError, match="needs catboost; install it"):
        ash.load(tmp_path / "model.safetensors")


def test_the_default_space_has_the_choice_if_there_are_categories() -> None:
    for table, expected in ((TABLE, {"encoded", "native"}), (TABLE[["size"]], {"encoded"})):
        run = ash.tune(table, SIGNAL, **configured({**RUN, "candidates": 12, "models": ["lightgbm"]}))
        assert {params.get("categories", "encoded") for params in run.params} == expected

"""Tests models exported as ONNX: checked by onnx, run by onnxruntime, and compared with the model's own predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import ash
from ash.encoding.encoding import Encoding
from ash.encoding.schema import ColumnSchema, Schema
from export_help import MISSING, cells, check_labels, check_outputs, feeds, mixed_frame, mixed_y, odd_rows
from export_random import (
    LABELS,
    around,
    decided,
    random_encoding,
    random_ensemble,
    random_mixture,
    random_network,
    random_rows,
    random_trees,
    two_leaves,
)

pytestmark = pytest.mark.filterwarnings("ignore:X holds infinite numbers")


def session(model: Any, path: Path, missing: str = MISSING) -> Any:
    """Export a model, check the file with onnx, and load it in onnxruntime."""
    model.to_onnx(path / "model.onnx", missing=missing)
    onnx.checker.check_model(onnx.load(path / "model.onnx"), full_check=True)
    return onnxruntime.InferenceSession(path / "model.onnx")


def without_nul(X: Any) -> Any:
    """Return the rows whose text contains no NUL character, since NUL ends text in both runtimes."""
    return X[["\0" not in "".join(map(str, row)) for row in cells(X)]]


def run(model: Any, path: Path, X: Any) -> dict[str, NDArray[Any]]:
    loaded = session(model, path)
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(names, feeds(model, X)), strict=True))


def check(model: Any, path: Path, X: Any) -> dict[str, NDArray[Any]]:
    X = without_nul(X)
    outputs = run(model, path, X)
    if model.classes_ is None:
        assert outputs.keys() == {"target"} and outputs["target"].dtype == np.float64
        check_outputs(model, outputs["target"], X)
        return outputs
    assert list(outputs) == ["label", "probabilities"] and outputs["probabilities"].dtype == np.float32
    check_outputs(model, outputs["probabilities"], X)
    check_labels(model, outputs["label"], X)
    return outputs


@given(seed=st.integers(0, 2**32))
def test_networks_of_every_kind_are_exported(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    random = np.random.default_rng(seed)
    several = {"classes": [None, 0, 5][seed % 3], "scalings": 1 + seed // 4 % 3, "folds": True}
    model = random_ensemble(random, **several) if seed % 4 == 0 else random_network(random)
    check(model, tmp_path_factory.mktemp("onnx"), random_rows(random, model))


@given(seed=st.integers(0, 2**32))
def test_trees_of_every_kind_are_exported(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    random = np.random.default_rng(seed)
    several = {"classes": [None, 0, 5][seed % 3], "scalings": 1 + seed // 4 % 2, "folds": True}
    model = random_mixture(random, **several) if seed % 4 == 0 else random_trees(random)
    check(model, tmp_path_factory.mktemp("onnx"), random_rows(random, model))


@pytest.mark.parametrize("classes", [0, 3, 5])
def test_a_tuned_decision_and_shifted_scores_are_exported(classes: int, tmp_path: Path) -> None:
    model = decided(random_mixture(np.random.default_rng(2), classes=classes))
    check(model, tmp_path, random_rows(np.random.default_rng(3), model))


@pytest.mark.parametrize("missing", ["as zero", "left", "right"])
def test_thresholds_are_compared_in_double(missing: str, tmp_path: Path) -> None:
    """Compare cells that are on different sides of a threshold in double, but equal in float."""
    trees, X = two_leaves(0.1, missing), around(0.1)
    assert (run(trees, tmp_path, X)["target"][:, 0] == trees.predict(X)).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_onnx_reference_evaluator_agrees(seed: int, tmp_path: Path) -> None:
    """Compare with onnx's reference evaluator, which implements the specification independently of any runtime."""
    from onnx.reference import ReferenceEvaluator

    random = np.random.default_rng(seed)
    model = random_network(random) if seed % 2 else random_ensemble(random, scalings=2)
    X = without_nul(random_rows(random, model))
    model.to_onnx(tmp_path / "model.onnx", missing=MISSING)
    with np.errstate(over="ignore"):
        outputs = ReferenceEvaluator(str(tmp_path / "model.onnx")).run(None, feeds(model, X))
    check_outputs(model, outputs[-1], X)


@pytest.mark.parametrize("labels", range(len(LABELS)))
def test_labels_of_every_type_are_exported(labels: int, tmp_path: Path) -> None:
    random = np.random.default_rng(labels)
    network = random_network(random, classes=labels)
    label = check(network, tmp_path, random_rows(random, network))["label"]
    assert label.dtype == (network.classes_.dtype if network.classes_.dtype.kind != "U" else object)


def test_a_trained_network_and_ensemble_are_exported_directly_and_from_files(tmp_path: Path) -> None:
    frame = mixed_frame(300)
    result = ash.tune(
        frame,
        mixed_y(frame),
        candidates=4,
        n_jobs=1,
        verbose=0,
        config=ash.SearchConfig(max_rungs=1),
        validation=0.2,
    )
    for model in (result.model, result.ensemble(4)):
        check(model, tmp_path, frame)
        check(model, tmp_path, odd_rows())
        before = (tmp_path / "model.onnx").read_bytes()
        model.save(tmp_path / "model.safetensors")
        ash.load(tmp_path / "model.safetensors").to_onnx(tmp_path / "model.onnx", missing=MISSING)
        assert (tmp_path / "model.onnx").read_bytes() == before


def numbers(count: int, **policies: Any) -> Encoding:
    names = tuple(f"n{place}" for place in range(count))
    return Encoding(Schema((ColumnSchema("number", "float64"),) * count, names, **policies), (None,) * count, ())


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_zero_and_one_row_are_predicted(rows: int, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    given = {"classes": 1, "plain": False, "activations": ["selu"]}
    for encoding, make in ((numbers(3), random_network), (random_encoding(random), random_mixture)):
        model = make(random, encoding=encoding, **given)
        X = random_rows(random, model, max(rows, 1))
        outputs = check(model, tmp_path, X) if rows else run(model, tmp_path, X[:0])
        assert outputs["probabilities"].shape == (rows, 4) and outputs["label"].shape == (rows,)


def test_a_table_of_only_numbers_is_one_input(tmp_path: Path) -> None:
    network = random_network(np.random.default_rng(4), encoding=numbers(5))
    [given] = session(network, tmp_path).get_inputs()
    assert (given.name, given.type, given.shape) == ("X", "tensor(double)", ["rows", 5])


def test_inputs_have_the_names_of_the_columns(tmp_path: Path) -> None:
    names = ("label", "", "probabilities", "probabilities_", "_", "__constant0", "x\n")
    columns = (*[ColumnSchema("number", "float64")] * 6, ColumnSchema("category", "str", ("a", "b")))
    encoding = Encoding(Schema(columns, names), (None,) * 7, ())
    random = np.random.default_rng(4)
    network = random_network(random, encoding=encoding, classes=0)
    given = session(network, tmp_path).get_inputs()
    inputs = ["label_", "__", "probabilities__", "probabilities_", "_", "__constant0", "x\n"]
    assert [one.name for one in given] == inputs
    assert [one.type for one in given] == [*["tensor(double)"] * 6, "tensor(string)"]
    assert all(one.shape == ["rows", 1] for one in given)
    check(network, tmp_path, random_rows(random, network))
    about = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert [(c["input"], c["name"]) for c in json.loads(about["columns"])] == list(zip(inputs, names, strict=True))
    assert about["missing"] == MISSING and about["ash_version"] == ash.__version__


@pytest.mark.parametrize("make", [random_network, random_trees, random_mixture])
@pytest.mark.parametrize("classes", [None, 0])
def test_rows_that_predict_refuses_give_nan(classes: int | None, make: Any, tmp_path: Path) -> None:
    columns = (ColumnSchema("number", "float64"), ColumnSchema("category", "str", ("a", "b")))
    encoding = Encoding(Schema(columns, None, missing="error", unknown="error"), (None, None), ())
    network = make(np.random.default_rng(5), encoding=encoding, classes=classes)
    rows = np.array([[1.0, "a"], [None, "a"], [1.0, None], [1.0, "c"], [np.inf, "a"], [-1e39, "b"], [9.0, "b"]], object)
    [*_, values] = run(network, tmp_path, rows).values()
    assert np.isnan(values).any(axis=1).tolist() == [False, True, True, True, True, True, False]
    for row in range(len(rows)):
        if row in (0, 6):
            check(network, tmp_path, rows[row : row + 1])
            continue
        with pytest.raises(ash.DataError):
            network.predict(rows[row : row + 1])


def test_the_text_for_missing_cells_must_not_be_a_level(tmp_path: Path) -> None:
    columns = (ColumnSchema("category", "str", ("", "b"), True),)
    network = random_network(
        np.random.default_rng(6), encoding=Encoding(Schema(columns, ("c",)), (None,), ()), classes=0
    )
    path = tmp_path / "model.onnx"
    with pytest.raises(ash.SettingError, match=r"missing='' is a level of column 0 \('c'\): choose text that is not"):
        network.to_onnx(path)
    for missing in (None, 7, "\ud800"):
        with pytest.raises(ash.SettingError, match="missing"):
            network.to_onnx(path, missing=missing)
    assert not path.exists()
    check(network, tmp_path, np.array([[""], ["b"], [None], ["?"]], object))


@pytest.mark.parametrize("where", ["level", "name", "label"])
def test_text_that_is_not_unicode_is_refused(where: str, tmp_path: Path) -> None:
    bad = {one: "ok" if one != where else "\udcff" for one in ("level", "name", "label")}
    encoding = Encoding(Schema((ColumnSchema("category", "str", (bad["level"],)),), (bad["name"],)), (None,), ())
    labels = np.array(["a", bad["label"]], object)
    network = random_network(np.random.default_rng(7), encoding=encoding, classes=labels)
    with pytest.raises(ash.SettingError, match=f"{where}.*is not Unicode .'.udcff'., which ONNX cannot hold"):
        network.to_onnx(tmp_path / "model.onnx")


def test_a_model_too_large_for_the_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ash.export.onnx.MOST_BYTES", 100)
    with pytest.raises(
        ash.SettingError,
        match=r"the model has 5\.\d\de-06 GiB, but an ONNX file holds less than 2 GiB: export a smaller one",
    ):
        random_network(np.random.default_rng(8)).to_onnx(tmp_path / "model.onnx", missing=MISSING)

"""Tests ensembles of several folds: each member predicts with the target statistics of its own fold."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from numpy.typing import NDArray

import ash
from ash.data.frames import read_frame
from ash.encoding.data_split import Split
from ash.engine import run
from ash.models.inspection import _Cells
from ash.models.model import normalized
from data_help import cities
from export_help import MISSING, check_outputs, feeds
from model_file_help import check_refused

pytestmark = [pytest.mark.core, pytest.mark.filterwarnings("ignore:X holds infinite numbers")]

ROWS, FOLDS = 360, 3


def table(rows: int = ROWS) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Return a category of many levels, mostly zeros with recurring other values, and labels that depend on both."""
    random = np.random.default_rng(0)
    city, size = cities(1, rows), random.normal(size=rows)
    amounts = np.cumsum(random.integers(100, 999, 40))
    amount = np.where(random.random(rows) < 0.8, 0, random.choice(amounts, rows))
    y = np.array([len(each or "") > 6 for each in city]) ^ (size + (amount > amounts[20]) > 0.5)
    return pd.DataFrame({"city": city, "size": size, "amount": amount}), y.astype(int)


def fitted(monkeypatch: pytest.MonkeyPatch, **given: Any) -> tuple[Any, Split]:
    """Return an estimator fitted with folds, and the split of its run."""
    splits: list[Split] = []
    split_table = run.split_table

    def watched(*arguments: Any, **keywords: Any) -> Split:
        splits.append(split_table(*arguments, **keywords))
        return splits[-1]

    monkeypatch.setattr(run, "split_table", watched)
    config = ash.SearchConfig(models=["network", "lightgbm"], max_rungs=1, min_epochs=16)
    arguments = {"candidates": 6, "cv": FOLDS, "ensemble": 4, "random_state": 1, "config": config, "n_jobs": 1} | given
    return ash.ASHClassifier(**arguments).fit(*table()), splits[-1]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ash.Ensemble:
    found = fitted(monkeypatch)[0].model_
    assert {type(member) for member in found.members} == {ash.Network, ash.Trees}
    return found


def new_rows() -> pd.DataFrame:
    X = table(2 * ROWS)[0]
    X.loc[::7, "city"] = "nowhere"
    X.loc[::11, ["city", "amount"]] = None
    return X


def test_each_member_predicts_with_the_statistics_of_its_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, split = fitted(monkeypatch)
    model, X = estimator.model_, new_rows()
    assert len(model.encodings) == FOLDS and len(model.members) % FOLDS == 0
    total = np.zeros((len(X), 2))
    for place, (member, weight) in enumerate(model.weighted_members()):
        fold = split.folds[place % FOLDS]
        assert member.encoding.base is model.encodings[place % FOLDS].base
        for own, learned in zip(member.encoding.statistics, fold.encoding.statistics, strict=True):
            assert own is learned
        block = member.encoding.block(read_frame(X), slice(0, len(X)))
        total += weight * member.core.predict(block, 1).astype(np.float64)
    assert np.array_equal(model.predict_proba(X), normalized(total.astype(np.float32)))


def test_folds_without_statistics_share_one_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table()
    monkeypatch.setattr("test_fold_encodings.table", lambda: (X[["size"]], y))
    estimator, _ = fitted(monkeypatch)
    assert len(estimator.model_.members) >= FOLDS and len(estimator.model_.encodings) == 1


def test_one_network_on_all_rows_has_the_statistics_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, split = fitted(monkeypatch, ensemble=1)
    assert split.whole is not None
    assert estimator.model_.encoding is split.whole.encoding.predicting


def test_saved_and_pickled_ensembles_predict_the_same(model: ash.Ensemble, tmp_path: Path) -> None:
    X, path = new_rows(), tmp_path / "model.safetensors"
    model.save(path)
    for twin in (ash.load(path), pickle.loads(pickle.dumps(model))):
        assert isinstance(twin, ash.Ensemble) and len(twin.encodings) == FOLDS
        assert np.array_equal(twin.predict_proba(X), model.predict_proba(X)) and twin.digest == model.digest
    ash.load(path).save(tmp_path / "twin.safetensors")
    assert (tmp_path / "twin.safetensors").read_bytes() == path.read_bytes()


def test_a_digest_depends_on_the_statistics_of_every_fold(model: ash.Ensemble) -> None:
    before = model.digest
    for encoding in model.encodings:
        table = encoding.statistics[0]
        assert table is not None
        kept = table[0, 0]
        table[0, 0] += 0.5
        assert model.digest != before
        table[0, 0] = kept
    assert model.digest == before


def test_the_export_to_onnx_predicts_the_same(model: ash.Ensemble, tmp_path: Path) -> None:
    X = new_rows()
    model.to_onnx(tmp_path / "model.onnx", missing=MISSING)
    outputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, feeds(model, X))
    check_outputs(model, outputs[-1], X)


def test_inspection_shuffles_the_statistics_of_every_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, _ = fitted(monkeypatch)
    sample, model = estimator.result_.sample, estimator.model_
    assert sample is not None
    cells = _Cells(model, sample, 1)
    order = np.random.default_rng(0).permutation(sample.frame.rows)
    for place, column in enumerate(sample.frame.columns):
        changed = sample.frame.with_column(place, column.with_order(order))
        assert np.array_equal(cells.outputs(place, order), model.predict_frame(changed))
    assert np.array_equal(cells.outputs(), model.predict_frame(sample.frame))


def test_invalid_statistics_of_folds_are_refused(model: ash.Ensemble, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"

    def changed(change: Any, complaint: str) -> None:
        model.save(path)
        check_refused(path, change, complaint)

    changed(lambda tensors, about: about.update(version=3), "need version 4")
    changed(lambda tensors, about: about.update(folds=7), "folds is not a list")
    changed(lambda tensors, about: about["folds"][0].update(more=1), "invalid statistics of fold 1")
    changed(lambda tensors, about: about["folds"][1].update(targets=[1, 2]), "invalid statistics of fold 2")
    changed(lambda tensors, about: about["folds"].pop(), "belongs to none")
    changed(lambda tensors, about: tensors.pop("fold.1.statistics.0"), "invalid statistics of fold 1")
    changed(lambda tensors, about: tensors["fold.2.statistics.0"].fill(np.nan), "invalid statistics of fold 2")
    changed(lambda tensors, about: about["members"][1].update(fold=FOLDS), "a member is of fold 3")
    changed(lambda tensors, about: about["members"][1].update(fold=True), "a member is of fold True")

"""Tests columns of free text: how they are recognized, their features, the model file, and the end of a run."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash
from ash.data.frames import read_frame
from ash.encoding.data_split import Fold, read_table, split_table
from ash.encoding.schema import learn_schema
from ash.encoding.text_features import COMPONENTS, LEARNED_ROWS, MOST_GRAMS, count_grams, learn_text, text_block
from data_help import options
from model_file_help import changed, check_refused, dropped, read, replaced
from text_help import reviews, sentences

pytestmark = pytest.mark.core

TEXT = sentences(np.arange(60) % 2)
FAST: dict[str, Any] = {"candidates": 4, "n_jobs": 1, "verbose": 0, "random_state": 0}


def kind_of(cells: Any) -> str:
    return learn_schema(read_frame(pd.DataFrame({"cell": cells})), missing="indicator")[1].columns[0].kind


def fold_of(X: Any, y: Any, rows: int = 100) -> Fold:
    """Return a fold that trains on the first `rows` rows and validates on the others."""
    table, schema = read_table(X, y, options(), None, sort=False)
    return split_table(
        table, schema, options(), None, [(np.arange(rows), np.arange(rows, len(y)))], X=X, y=y, groups=None
    ).folds[0]


# Recognition


@pytest.mark.parametrize(
    "cells",
    [
        TEXT,
        [text.upper() for text in TEXT],
        [*TEXT, None, "", "?"],
        [*TEXT, *(f"n{number}" for number in range(20))],
        [text for text in TEXT for _ in range(10)],
        [
            f"Das {text.split()[1]} ist an Tag {place} nicht {text.split()[2]} gewesen"
            for place, text in enumerate(TEXT)
        ],
    ],
)
def test_sentences_are_text(cells: list[Any]) -> None:
    assert kind_of(cells) == "text"


@pytest.mark.parametrize(
    "cells",
    [
        [f"Braund, Mr. Owen {name.title()}" for name in "abcdefghijklmnopqrstuvwxyz"] * 2,
        [
            f"Cumings, Mrs. John {chr(97 + n // 26)}{chr(97 + n % 26)} (Florence Briggs Thayer)".title()
            for n in range(99)
        ],
        [f"{number} Main Street, Springfield, IL {number + 60000}" for number in range(99)],
        [f"Order {number} was sent to the customer today" for number in range(99)],
        [f"AB-{number:04d}" for number in range(99)],
        [f"https://example.org/the/page/of/item/{number}" for number in range(99)],
        [text for text in TEXT for _ in range(11)],
        TEXT[:32],
        [*TEXT, *(f"n{number}" for number in range(61))],
        ["red wine", "dry white wine", "sparkling wine from Italy"] * 40,
    ],
)
def test_names_ids_and_categories_are_not_text(cells: list[Any]) -> None:
    assert kind_of(cells) == "category"


def test_a_declared_category_is_not_text() -> None:
    X, y = reviews(100)
    for given in (X, X.astype({"review": "category"})):
        kinds = {column.name: column.kind for column in ash.describe(given, y, categorical_features=["review"]).columns}
        assert kinds == {"number": "number", "review": "category"}
    assert ash.describe(X.astype({"review": "category"})).columns[1].kind == "category"


def test_the_summary_says_what_text_becomes() -> None:
    X, y = reviews(100)
    X.loc[3, "review"] = None
    column = ash.describe(X, y).columns[1]
    assert (column.kind, column.missing, column.features, column.levels) == ("text", 1, COMPONENTS + 1, None)
    assert "different sentences" in column.why and not column.notes


# Features


def test_grams_are_words_pairs_of_words_and_parts_of_words() -> None:
    one, other, none, missing = count_grams(["ab cd", "Ab, ab; ab!", "", None]).counts.toarray()
    # " ab", "ab ", " ab ", the same of cd, and "ab", "cd" and the pair
    assert sorted(one[one > 0].tolist()) == [1.0] * 9
    assert sorted(other[other > 0].tolist()) == [2.0, 3.0, 3.0, 3.0, 3.0]
    assert not none.any() and not missing.any()


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    texts = sentences(np.arange(400) % 2)
    learned = learn_text(texts)
    components = learned["components"].astype(np.float64)
    assert components.shape[1] == COMPONENTS and len(learned["keys"]) <= MOST_GRAMS
    assert components.T @ components == pytest.approx(np.eye(COMPONENTS), abs=1e-5)
    identity = {**learned, "components": np.eye(len(learned["keys"]), dtype=np.float32)}
    rows = text_block(count_grams(texts), identity)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(400))
    best = np.linalg.svd(rows, compute_uv=False)[:COMPONENTS]
    assert 0.9 < (text_block(count_grams(texts), learned) ** 2).sum() / (best**2).sum() <= 1.0001


def test_text_without_known_grams_is_zero() -> None:
    learned = learn_text(TEXT)
    assert not text_block(count_grams([None, "", "!?", "\N{PILE OF POO}"]), learned).any()
    for texts in ([None] * 40, [f"{place}" for place in range(5)], [""]):
        assert not text_block(count_grams(TEXT), learn_text(texts)).any()
    assert text_block(count_grams(["\ud800 phone " + "x" * 10_000]), learned).any()


def test_no_bit_depends_on_the_processor_or_on_threads() -> None:
    code = """
        import hashlib, numpy as np
        from ash.encoding.text_features import count_grams, learn_text, text_block
        from text_help import sentences
        texts = sentences(np.arange(3000) % 2)
        learned = learn_text(texts)
        arrays = (*learned.values(), text_block(count_grams(texts), learned))
        print(hashlib.sha256(b"".join(each.tobytes() for each in arrays)).hexdigest())
    """
    weak = {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX", "PYTHONWARNINGS": "ignore"}
    helpers = os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), os.environ.get("PYTHONPATH", "")])
    found = set()
    for more in ({"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "4", **weak}):
        given = {**os.environ, "PYTHONPATH": helpers, **more}
        run = [sys.executable, "-c", textwrap.dedent(code)]
        found.add(subprocess.run(run, env=given, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1


def test_a_fold_learns_nothing_from_its_validation_rows() -> None:
    X, y = reviews(150)
    other = X.assign(review=[*X["review"][:100], *sentences(1 - y, 7)[100:]])
    one, changed_rows = fold_of(X, y), fold_of(other, y)
    assert one.encoding.learned is not None and changed_rows.encoding.learned is not None
    for name, array in one.encoding.learned[1].items():
        assert np.array_equal(array, changed_rows.encoding.learned[1][name])
    first = slice(0, 100)
    assert np.array_equal(one.encoding.fitting_block(first), changed_rows.encoding.fitting_block(first))
    assert not np.array_equal(one.encoding.fitting_block(slice(100, 150)), one.encoding.fitting_block(slice(0, 50)))


def test_few_rows_of_a_large_table_are_learned_from() -> None:
    rows = 2 * LEARNED_ROWS
    X = pd.DataFrame({"review": sentences(np.arange(rows) % 2)})
    same = X.copy()
    same.loc[2, "review"] = "Quite another sentence that is not among those rows"  # row 1 is one of them
    one, other = (fold_of(each, np.arange(rows) % 2, rows - 10).encoding for each in (X, same))
    assert one.learned is not None and other.learned is not None
    assert all(np.array_equal(array, other.learned[0][name]) for name, array in one.learned[0].items())


# Runs


@pytest.mark.parametrize("model", ["network", "lightgbm"])
def test_words_that_tell_the_class_are_found(model: str) -> None:
    X, y = reviews(700)
    config = ash.SearchConfig(models=[model])
    given: dict[str, Any] = {**FAST, "candidates": 8, "config": config}
    found = ash.ASHClassifier(**given).fit(X[:400], y[:400])
    assert found.score(X[400:], y[400:]) > 0.9
    as_category = ash.ASHClassifier(**given, categorical_features=["review"])
    with pytest.warns(UserWarning, match="different text in each row"):
        as_category.fit(X[:400], y[:400])
    assert as_category.score(X[400:], y[400:]) < 0.65


def test_a_run_is_the_same_on_any_threads_in_any_order_and_in_an_executor() -> None:
    X, y = reviews(200)
    X.loc[::9, "review"] = None
    order = np.random.default_rng(1).permutation(200)
    one = ash.ASHClassifier(**FAST).fit(X, y)
    for found in (
        ash.ASHClassifier(**{**FAST, "n_jobs": 2}).fit(X, y),
        ash.ASHClassifier(**FAST).fit(X.iloc[order], y[order]),
    ):
        assert found.result_.digest == one.result_.digest
        assert np.array_equal(found.predict_proba(X), one.predict_proba(X))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert ash.ASHClassifier(**FAST, executor=pool).fit(X, y).result_.digest == one.result_.digest


def test_weights_repeat_rows_and_rows_of_weight_0_have_no_effect() -> None:
    X, y = reviews(120)
    weights = np.arange(120) % 4
    one = ash.ASHClassifier(**FAST).fit(X, y, weights)
    other = X.assign(review=np.where(weights > 0, X["review"], "Something else that never occurs in other rows"))
    assert np.array_equal(ash.ASHClassifier(**FAST).fit(other, y, weights).predict_proba(X), one.predict_proba(X))


def test_missing_text_is_flagged_or_refused() -> None:
    X, y = reviews(150)
    X["review"] = X["review"].where(y == 1)  # a missing cell tells the class
    assert ash.ASHClassifier(**FAST).fit(X[:100], y[:100]).score(X[100:], y[100:]) > 0.95
    config = ash.SearchConfig(missing="error")
    with pytest.raises(ash.DataError, match="NaN in column 1"):
        ash.ASHClassifier(**FAST, config=config).fit(X, y)
    full, _ = reviews(150)
    strict = ash.ASHClassifier(**FAST, config=config).fit(full, y)
    with pytest.raises(ash.DataError, match="NaN in column 1"):
        strict.predict(X)
    with pytest.raises(ash.DataError, match=r"has dtype float64 \(number\), but was text"):
        strict.predict(full.assign(review=1.5))


# The model file and exports


@pytest.fixture(scope="module")
def model() -> ash.Network:
    X, y = reviews(150)
    return ash.tune(X, y, **FAST, validation=0.2, config=ash.SearchConfig(models=["network"])).model


def test_a_loaded_model_predicts_the_same(model: ash.Network, tmp_path: Path) -> None:
    X, _ = reviews(60, 3)
    ensemble = ash.ASHClassifier(**FAST, cv=3).fit(*reviews(150)).model_
    for each in (model, ensemble):
        each.save(tmp_path / "model")
        loaded = ash.load(tmp_path / "model")
        assert np.array_equal(loaded.predict_proba(X), each.predict_proba(X))
        assert np.array_equal(loaded.predict_proba(X[7:8]), each.predict_proba(X)[7:8])
        assert read(tmp_path / "model")[1]["version"] == 5
    assert len(ensemble.encodings) == 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("version", 4), "columns of text need version 5"),
        (dropped("learned.1.keys"), "column 1 lacks arrays"),
        (replaced("learned.1.keys", np.zeros(3)), "components are"),
        (replaced("learned.1.components", np.zeros((2, 2), np.float32)), "components are"),
        (replaced("learned.1.idf", np.zeros((0,))), "not vectors"),
        (lambda tensors, about: tensors["learned.1.keys"].__setitem__(0, -1.0), "impossible"),
        (lambda tensors, about: tensors["learned.1.idf"].__setitem__(0, np.inf), "NaN or infinity"),
        (lambda tensors, about: tensors["learned.1.components"].__setitem__(0, np.nan), "NaN or infinity"),
        (
            lambda tensors, about: about["encoding"]["schema"]["columns"][1].update(kind="sound"),
            "unknown kind: 'sound'",
        ),
        (lambda tensors, about: about["encoding"]["schema"]["columns"][1].update(levels=["a"]), "levels"),
    ],
)
def test_damaged_text_is_refused(model: ash.Network, tmp_path: Path, change: Any, complaint: str) -> None:
    model.save(tmp_path / "model")
    check_refused(tmp_path / "model", change, complaint)


def test_exports_that_read_cells_refuse_text(model: ash.Network, tmp_path: Path) -> None:
    refusal = r"column 1 \('review'\) holds free text, whose features exports cannot compute: drop the column"
    for export in (
        lambda: model.to_onnx(tmp_path / "model.onnx"),
        lambda: model.to_cpp(tmp_path / "model.hpp"),
        model.to_sklearn,
    ):
        with pytest.raises(ash.SettingError, match=refusal):
            export()


def test_pytorch_takes_the_features_of_text(model: ash.Network) -> None:
    torch = pytest.importorskip("torch")
    X, _ = reviews(20, 5)
    logits = model.to_torch()(torch.from_numpy(model.encode(X)))
    assert logits.softmax(1).detach().numpy() == pytest.approx(model.predict_proba(X), abs=1e-5)

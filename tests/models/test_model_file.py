"""Tests models in files: loaded models are bit-identical, and damaged files and files of other programs are refused."""

import json
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_diabetes, load_wine

import ash
from ash.models.load import PARAMETERS
from config_help import configured, split_once
from data_help import mixed_columns, mixed_target
from estimator_help import COPIES
from model_file_help import changed, check_refused, content, dropped, edited, poisoned, read, replaced, write
from trees_help import random_text, trees_beside

pytestmark = pytest.mark.core

X, Y = load_wine(return_X_y=True)
COLUMNS = mixed_columns(200)
MIXED = np.array(list(zip(*COLUMNS.values(), [2.5] * 200, strict=True)), object)
TARGET = mixed_target(COLUMNS)
RATES = ash.choice(0.003, 0.01)
SPACE = ash.Space(hidden=(4, 3), learning_rate=RATES)
PLAIN = {"hidden": (6,), "input_scaling": True, "parametrization": "ntk", "learning_rate": RATES}
EMBEDDING = ash.Space(**PLAIN, embedding="periodic")
PARAMETRIC = ash.Space(hidden=(6, 4), activation="selu", parametric_activation=True, learning_rate=RATES)
MANY = ash.Space(
    hidden=ash.choice((6,), ()),
    embedding=ash.choice("periodic", "none"),
    parametric_activation=ash.choice(True, False),
    learning_rate=ash.loguniform(1e-3, 1e-1, levels=21),
)


def run(y=Y, X=X, space=SPACE, candidates=1, **settings):
    return ash.tune(X, y, space, candidates=candidates, verbose=0, **configured(split_once(settings)))


def train(*data, **settings):
    return run(*data, **settings).model


MODELS = {
    "network": lambda: (train(), X),
    "embedding": lambda: (train(TARGET, MIXED, EMBEDDING), MIXED),
    "parametric activations": lambda: (train(space=PARAMETRIC), X),
    "columns": lambda: (train(TARGET, pandas.DataFrame(COLUMNS, dtype=object)), pandas.DataFrame(COLUMNS)),
    "ensemble": lambda: (run(space=MANY, candidates=12).ensemble(), X),
    "ensemble of columns": lambda: (run(TARGET, MIXED, MANY, 12).ensemble(), MIXED),
    "trees": lambda: (trees_beside(train()), X),
    "trees of columns": lambda: (trees_beside(train(TARGET, MIXED), target_most=[1.5]), MIXED),
    "ensemble with trees": lambda: (with_trees(run(space=MANY, candidates=12).ensemble()), X),
}
"""Maps each kind of model to a function that returns a model and rows for it."""


def with_trees(ensemble):
    """Return the ensemble with two new members, which are boosted trees: its second and its last member."""
    first, *others = ensemble.members
    members = [first, trees_beside(first), *others, trees_beside(first, random_text(13, 3, seed=1))]
    shares = np.full(len(members), 1 / len(members))
    return ash.Ensemble(members, shares, metric=ensemble.metric, validation_score=0.5)


@cache
def trained(kind):
    return MODELS[kind]()


@pytest.fixture
def path(tmp_path):
    """Return the path of a plain network's file."""
    return saved("network", tmp_path)


def saved(kind, folder):
    path = folder / "model.safetensors"
    trained(kind)[0].save(path)
    return path


def outputs(model, rows):
    """Return a model's probabilities if it has classes, else its predictions."""
    return model.predict(rows) if model.classes_ is None else model.predict_proba(rows)


# All kinds of models


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_restored_bit_for_bit(kind, tmp_path):
    (model, rows), path = trained(kind), saved(kind, tmp_path)
    twin = ash.load(str(path))
    assert "ensemble" not in kind or len(twin.members) > 1
    assert np.array_equal(outputs(twin, rows), outputs(model, rows))
    assert type(twin) is type(model) and repr(twin) == repr(model)
    assert (twin.metric, twin.validation_score) == (model.metric, model.validation_score)
    assert (twin.encoding.schema, twin.encoding.names) == (model.encoding.schema.without_dtypes, model.encoding.names)
    for one, other in zip(getattr(twin, "members", [twin]), getattr(model, "members", [model]), strict=True):
        assert one.params == other.params and one.encoding is twin.encoding
        assert np.array_equal(one.predict(rows), other.predict(rows))
    twin.save(tmp_path / "again")
    assert content(tmp_path / "again") == content(path)


@pytest.mark.parametrize("kind", ["network", "ensemble"])
def test_a_model_is_restored_in_another_process(kind, tmp_path):
    code = (
        "import ash, sys; from sklearn.datasets import load_wine;"
        "print(ash.load(sys.argv[1]).predict_proba(load_wine().data).tobytes().hex())"
    )
    command = [sys.executable, "-c", code, str(saved(kind, tmp_path))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == trained(kind)[0].predict_proba(X).tobytes().hex()


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", MODELS)
def test_copies_are_the_same_model(kind, way, tmp_path):
    model, rows = trained(kind)
    twin = COPIES[way](model, tmp_path)
    assert np.array_equal(outputs(twin, rows), outputs(model, rows)) and repr(twin) == repr(model)
    assert twin.digest == model.digest
    if "ensemble" in kind:
        assert not twin.weights.flags.writeable and all(each.encoding is twin.encoding for each in twin.members)
    twin.save(tmp_path / "twin")
    assert content(tmp_path / "twin") == content(saved(kind, tmp_path))


@pytest.mark.parametrize("kind", MODELS)
def test_f107_truncations_are_detected(kind, tmp_path):
    content, cut = saved(kind, tmp_path).read_bytes(), tmp_path / "cut"
    for length in [*range(0, len(content), max(37, len(content) // 100)), len(content) - 1]:
        cut.write_bytes(content[:length])
        with pytest.raises(ash.ModelFormatError, match="cut"):
            ash.load(cut)
    cut.write_bytes(content + b"\0")
    with pytest.raises(ash.ModelFormatError, match="cut"):
        ash.load(cut)


@pytest.mark.parametrize("kind", MODELS)
def test_f107_flipped_bits_are_detected(kind, tmp_path):
    content, random, refused = saved(kind, tmp_path).read_bytes(), np.random.default_rng(0), 0
    model, rows = trained(kind)
    for place in random.integers(0, len(content), 200):
        flipped = bytearray(content)
        flipped[place] ^= 1 << random.integers(8)
        (tmp_path / "flipped").write_bytes(flipped)
        try:
            twin = ash.load(tmp_path / "flipped")
        except ash.ModelFormatError:
            refused += 1
        else:
            assert np.array_equal(outputs(twin, rows), outputs(model, rows)) and repr(twin) == repr(model)
    assert refused > 190


# Labels and names


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["é", "b", "naïve \U0001f600"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([1, 2, 2**53], dtype=np.int64),
        np.array([0, 7, 255], dtype=np.uint8),
        np.array([-0.0, 1.0, 3.0], dtype=np.float32),
        np.array([True, False, True]),
    ],
    ids=lambda labels: labels.dtype.str,
)
def test_labels_survive_with_their_dtype(labels, tmp_path):
    model = train(labels[Y], task="classification")
    model.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert twin.classes_.dtype == model.classes_.dtype
    assert twin.classes_.tolist() == model.classes_.tolist()
    assert twin.predict(X).tolist() == model.predict(X).tolist()


def test_regression_with_names_is_restored(tmp_path):
    data = load_diabetes(as_frame=True)
    model = train(data.target, data.data)
    model.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert twin.classes_ is None and twin.task == "regression"
    assert twin.feature_names == tuple(data.data.columns) and twin.target_names == model.target_names
    assert (twin.predict(data.data) == model.predict(data.data)).all()


def test_labels_that_the_format_cannot_hold_are_refused(tmp_path):
    odd = pickle.loads(pickle.dumps(trained("network")[0]))
    odd.classes_ = np.array([1, "two", None], dtype=object)
    with pytest.raises(ash.ModelFormatError, match="labels of dtype object"):
        odd.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


# Files that are not models


def test_missing_and_unreadable_files_raise_system_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        ash.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        ash.load(tmp_path)


class Canary:
    def __reduce__(self):
        return Path.touch, (Path("canary"),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"\x02" + b"\0" * 7 + b"{}",
        b"\xff" * 1000,
        np.random.default_rng(0).bytes(4096),
        pickle.dumps(Canary()),
        b'{"format": "ash-network"}',
        (2**40).to_bytes(8, "little") + b"{}",
    ],
    ids=["empty", "zeros", "no tensors", "ones", "random", "pickle", "json", "huge header"],
)
def test_foreign_files_are_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ash.ModelFormatError, match=r"model\.safetensors"):
        ash.load("model.safetensors")
    assert not (tmp_path / "canary").exists()


def test_safetensors_files_of_other_programs_are_refused(tmp_path):
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "other")
    with pytest.raises(ash.ModelFormatError, match=r".*: not an ash model"):
        ash.load(tmp_path / "other")


# Invalid contents


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("format", "other"), "format"),
        (changed("version", 6), "reads up to 5: update ash"),
        (changed("version", 0), "version"),
        (changed("activations", "relu"), "activations"),
        (changed("activations", ["relu"]), "1 layer|2 layer"),
        (changed("activations", ["relu", "exec"]), "unknown activation"),
        (changed("classes", None), "does not fit"),
        (changed("classes", [0, 1, 2]), "not labels"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1]}), "another number of classes"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1, "2"]}), "not labels of dtype"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1, 2**70]}), "do not fit"),
        (changed("classes", {"dtype": "<i8", "values": [2, 1, 0]}), "not sorted"),
        (changed("classes", {"dtype": "i4,i4", "values": [0, 1, 2]}), "have the unsupported dtype"),
        (changed("classes", {"dtype": "<U400000000", "values": ["a", "b", "c"]}), "too large"),
        (changed("target_names", "abc"), "not a list of names"),
        (changed("target_names", ["a", "b"]), "target_names"),
        (changed("params", []), "params"),
        (changed("metric", "r2"), "metric"),
        (changed("validation_score", "high"), "validation_score"),
        (changed("estimated_score", [0.5]), "estimated_score"),
        (replaced("weight.0", np.zeros((13, 5), np.float32)), "weight.0 has shape"),
        (replaced("weight.2", np.zeros((3, 3), np.float64)), "weight.2 is float64"),
        (replaced("bias.2", np.zeros((1, 3), np.float32)), "bias.2 is"),
        (replaced("bias.2", np.zeros(0, np.float32)), "bias.2 is empty"),
        (replaced("bias.2", np.zeros(3, np.float16)), "bias.2.* has dtype F16"),
        (replaced("bias.3", np.zeros(3, np.float32)), "not those of"),
        (replaced("input_scale", np.ones(12)), "input_scale"),
        (replaced("input_scale", np.zeros(13)), "not positive"),
        (replaced("input_center", np.full(13, np.inf)), "NaN or infinity"),
        (replaced("input_limit", np.full(12, 3.0)), "input_limit does not match"),
        (replaced("input_limit", np.full(13, 2.0)), "a value other than 0 and 3"),
        (replaced("input_limit", np.full(13, np.nan)), "NaN or infinity"),
        (replaced("input_limit", np.full(13, 3.0, np.float32)), "input_limit is float32"),
        (dropped("input_limit"), "not those of"),
        (replaced("input_scale", np.full(13, 5e-324)), "rejected by the core: standardization"),
        (poisoned("weight.1", (2, 1)), "weight.1 holds NaN"),
        (dropped("bias.0"), "not those of"),
        (lambda tensors, about: about.clear(), "format"),
    ],
)
def test_f106_invalid_contents_are_refused(path, change, complaint):
    check_refused(path, change, complaint)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"format": NaN}', "[]", "1e400", "null"])
def test_metadata_other_than_a_json_object_is_refused(path, text):
    write(path, read(path)[0], text)
    with pytest.raises(ash.ModelFormatError, match="metadata"):
        ash.load(path)


def test_a_well_formed_file_with_other_numbers_is_detected_by_its_checksum(path):
    tensors, about = read(path)
    tensors["bias.0"] += 1
    save_file(tensors, path, metadata={"ash": json.dumps(about), "sha256": "0" * 64})
    with pytest.raises(ash.ModelFormatError, match="checksum"):
        ash.load(path)


# Embeddings


def test_only_numbers_are_embedded():
    """Check that target statistics are embedded, but neither constants nor 0/1 features of levels and missing cells."""
    model = trained("embedding")[0]
    core, names = model.core, model.encoding.names
    assert [names[feature] for feature in core.numbers] == ["x0", "x1", "x2", "x4: target mean", "x4: log count"]
    assert [name for feature, name in enumerate(names) if feature not in core.numbers] == [
        *("x0 is missing", "x1 is missing", "x2 is missing"),
        *("x3=blue", "x3=green", "x3=red", "x3 is missing", "x5"),
    ]
    assert core.embedding.shape == (PARAMETERS, 5)
    assert core.weights[0].shape == (len(names) + 3 * 5, 6)
    assert not core.weights[0][-16].any()  # the constant column, the last one before the embedding


def test_without_numbers_there_is_no_embedding():
    x = MIXED[:, 3:4]
    with_it, plain = (train(TARGET, x, space) for space in (EMBEDDING, ash.Space(**PLAIN)))
    assert with_it.core.numbers == [] and with_it.core.embedding.shape == (PARAMETERS, 0)
    assert np.array_equal(plain.predict(x), with_it.predict(x))


def test_a_file_from_before_embeddings_is_read(path):
    tensors, about = read(path)
    assert about.pop("numbers") == [] and "embedding" not in tensors
    write(path, tensors, about)
    assert np.array_equal(ash.load(path).predict_proba(X), trained("network")[0].predict_proba(X))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("numbers", [0, 0, 2, 10, 11]), "numbers are not ascending feature numbers"),
        (changed("numbers", [0, 2, 4, 10, 13]), "a feature in numbers is not one of"),
        (changed("numbers", [0, 2, 4, 10]), "embedding has shape"),
        (changed("numbers", []), "not those of"),
        (changed("numbers", {"0": 1}), "numbers is not a list of features"),
        (changed("numbers", [0, 1.0]), "numbers is not a list of features"),
        (changed("numbers", [0, 2, 4, 10, 10**400]), "a feature in numbers is not one of"),
        (lambda tensors, about: about.pop("numbers"), "not those of"),
        (dropped("embedding"), "not those of"),
        (edited("embedding", np.transpose), "embedding has shape"),
        (poisoned("embedding", (7, 1)), "embedding holds NaN or infinity"),
        (edited("weight.0", lambda weights: weights[:13]), "weight.0 has shape"),
        (replaced("embedding", np.zeros((PARAMETERS, 0), np.float32)), "embedding is empty"),
        (replaced("embedding", np.zeros(PARAMETERS * 3, np.float32)), "embedding is float32"),
        (replaced("embedding", np.zeros((PARAMETERS, 3), np.float64)), "embedding is float64"),
        (replaced("embedding.1", np.zeros((PARAMETERS, 3), np.float32)), "not those of"),
    ],
)
def test_an_invalid_embedding_is_refused(change, complaint, tmp_path):
    check_refused(saved("embedding", tmp_path), change, complaint)


# Parametric activations


def test_each_hidden_neuron_has_a_separate_share():
    shares = trained("parametric activations")[0].core.shares
    assert [len(share) for share in shares] == [6, 4] and len(set(np.concatenate(shares).tolist())) == 10


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_file_without_shares_has_plain_activations(hidden, tmp_path):
    model = train(space=ash.Space(hidden=hidden, parametric_activation=not hidden))
    model.save(tmp_path / "plain")
    tensors, about = read(tmp_path / "plain")
    assert not any(name.startswith("share") for name in tensors)
    about["params"].pop("parametric_activation")
    write(tmp_path / "plain", tensors, about)
    assert (ash.load(tmp_path / "plain").predict_proba(X) == model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (dropped("share.1"), "not those of"),
        (replaced("share.2", np.ones(3, np.float32)), "not those of"),
        (edited("share.1", lambda shares: shares[:3]), "share.1 has 3 numbers instead of 4"),
        (edited("share.0", lambda shares: shares[None]), "share.0 is float32"),
        (poisoned("share.0", 2, np.inf), "share.0 holds NaN or infinity"),
    ],
)
def test_invalid_shares_are_refused(change, complaint, tmp_path):
    check_refused(saved("parametric activations", tmp_path), change, complaint)


# Saving


def test_f109_saving_replaces_a_link_and_not_its_target(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "model"
    link.symlink_to(victim)
    trained("network")[0].save(link)
    assert victim.read_text() == "precious" and not link.is_symlink()

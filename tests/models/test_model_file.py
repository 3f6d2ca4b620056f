"""Models on disk: they come back bit for bit, and no damaged or foreign file gets any further than an error."""

import json
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_diabetes, load_wine

import ash
from ash._utils import atomic_file
from model_file_help import check_refused, read, write

pytestmark = pytest.mark.core

X, Y = load_wine(return_X_y=True)
SPACE = ash.Space(hidden=(4, 3), learning_rate=ash.choice(0.003, 0.01))


def train(y, X=X, **settings):
    return ash.tune(X, y, SPACE, candidates=1, progress=False, **settings).model


@pytest.fixture(scope="module")
def model():
    return train(Y)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def test_it_comes_back_bit_for_bit(model, path):
    twin = ash.load(path)
    assert (twin.predict_proba(X) == model.predict_proba(X)).all()
    assert twin.params == model.params and twin.params["hidden"] == (4, 3)
    assert twin.metric == "accuracy" and twin.validation_score == model.validation_score
    assert twin.classes_.dtype == model.classes_.dtype and repr(twin) == repr(model)
    assert ash.load(str(path)).score(X, Y) == model.score(X, Y)


def test_it_comes_back_in_another_process(model, path):
    code = (
        "import ash, sys; from sklearn.datasets import load_wine;"
        "print(ash.load(sys.argv[1]).predict_proba(load_wine().data).tobytes().hex())"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == model.predict_proba(X).tobytes().hex()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["é", "b", "naïve \U0001f600"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([1, 2, 2**53], dtype=np.int64),
        np.array([0, 7, 255], dtype=np.uint8),
        np.array([-0.0, 1.0, 3.0], dtype=np.float32),
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


def test_two_boolean_classes(tmp_path):
    model = train(Y == 1)
    model.save(tmp_path / "model")
    assert ash.load(tmp_path / "model").predict(X).dtype == bool


def test_regression_with_names(tmp_path):
    data = load_diabetes(as_frame=True)
    model = train(data.target, data.data)
    model.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert twin.classes_ is None and twin.task == "regression"
    assert twin.feature_names == tuple(data.data.columns) and twin.target_names == model.target_names
    assert (twin.predict(data.data) == model.predict(data.data)).all()


def test_labels_that_the_format_does_not_hold(model, tmp_path):
    odd = pickle.loads(pickle.dumps(model))
    odd.classes_ = np.array([1, "two", None], dtype=object)
    with pytest.raises(ash.ModelFormatError, match="labels of dtype object"):
        odd.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_missing_and_unreadable_files_are_errors_of_the_system(tmp_path):
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
def test_foreign_files(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ash.ModelFormatError, match=r"model\.safetensors"):
        ash.load("model.safetensors")
    assert not (tmp_path / "canary").exists()


def test_safetensors_of_others(tmp_path):
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "other")
    with pytest.raises(ash.ModelFormatError, match="no model of ash"):
        ash.load(tmp_path / "other")


def test_every_truncation(path, tmp_path):
    content = path.read_bytes()
    cut = tmp_path / "cut"
    for length in [*range(0, len(content), 37), len(content) - 1]:
        cut.write_bytes(content[:length])
        with pytest.raises(ash.ModelFormatError, match="cut"):
            ash.load(cut)
    cut.write_bytes(content + b"\0")
    with pytest.raises(ash.ModelFormatError, match="cut"):
        ash.load(cut)


def test_flipped_bits_are_found(model, path, tmp_path):
    content = path.read_bytes()
    expected = model.predict_proba(X)
    random = np.random.default_rng(0)
    refused = 0
    for place in random.integers(0, len(content), 400):
        flipped = bytearray(content)
        flipped[place] ^= 1 << random.integers(8)
        (tmp_path / "flipped").write_bytes(flipped)
        try:
            twin = ash.load(tmp_path / "flipped")
        except ash.ModelFormatError:
            refused += 1
        else:
            assert (twin.predict_proba(X) == expected).all() and twin.classes_.tolist() == model.classes_.tolist()
    assert refused > 390


def changed(key, value):
    return lambda tensors, about: about.__setitem__(key, value)


def replaced(name, tensor):
    return lambda tensors, about: tensors.__setitem__(name, tensor)


def poisoned(tensors, about):
    tensors["weight.1"][2, 1] = np.nan


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("format", "other"), "format"),
        (changed("version", 2), "reads 1: update ash"),
        (changed("version", "1"), "version"),
        (changed("version", 0), "version"),
        (changed("activations", "relu"), "activations"),
        (changed("activations", ["relu"]), "1 layer|2 layer"),
        (changed("activations", ["relu", "exec"]), "unknown activation"),
        (changed("classes", None), "does not fit"),
        (changed("classes", [0, 1, 2]), "no labels"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1]}), "other classes"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1, "2"]}), "no labels of dtype"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1, 2**70]}), "do not fit"),
        (changed("classes", {"dtype": "|u1", "values": [0, 1, 300]}), "do not fit"),
        (changed("classes", {"dtype": "<i8", "values": [2, 1, 0]}), "not sorted"),
        (changed("classes", {"dtype": "<i8", "values": [1, 1, 2]}), "not sorted"),
        (changed("classes", {"dtype": "i4,i4", "values": [0, 1, 2]}), "have dtype"),
        (changed("classes", {"dtype": "nonsense", "values": [0, 1, 2]}), "have dtype"),
        (changed("classes", {"dtype": "<U400000000", "values": ["a", "b", "c"]}), "too large"),
        (changed("classes", {"dtype": 7, "values": [0, 1, 2]}), "have dtype"),
        (changed("target_names", "abc"), "no list of names"),
        (changed("target_names", ["a", "b"]), "target_names"),
        (changed("params", []), "params"),
        (changed("metric", "r2"), "metric"),
        (changed("metric", ["accuracy"]), "metric"),
        (changed("validation_score", "high"), "validation_score"),
        (changed("validation_score", 10**400), "validation_score"),
        (replaced("weight.0", np.zeros((13, 5), np.float32)), "weight.0 has shape"),
        (replaced("weight.1", np.zeros((3, 4), np.float32)), "weight.1 has shape"),
        (replaced("weight.2", np.zeros((3, 3), np.float64)), "weight.2 is float64"),
        (replaced("bias.2", np.zeros((1, 3), np.float32)), "bias.2 is"),
        (replaced("bias.2", np.zeros(0, np.float32)), "bias.2 is empty"),
        (replaced("bias.2", np.zeros(3, np.float16)), "bias.2.* has dtype F16"),
        (replaced("bias.3", np.zeros(3, np.float32)), "not those of"),
        (replaced("input_scale", np.ones(12)), "input_scale"),
        (replaced("input_scale", np.zeros(13)), "not positive"),
        (replaced("input_center", np.full(13, np.inf)), "NaN or infinity"),
        (replaced("input_limit", np.full(12, 3.0)), "input_limit does not fit"),
        (replaced("input_limit", np.full(13, 2.0)), "neither 0 nor 3"),
        (replaced("input_limit", np.full(13, -3.0)), "neither 0 nor 3"),
        (replaced("input_limit", np.full(13, np.nan)), "NaN or infinity"),
        (replaced("input_limit", np.full(13, 3.0, np.float32)), "input_limit is float32"),
        (lambda tensors, about: tensors.pop("input_limit"), "not those of"),
        (replaced("input_scale", np.full(13, 5e-324)), "core refuses it: standardization"),
        (poisoned, "weight.1 holds NaN"),
        (lambda tensors, about: tensors.pop("bias.0"), "not those of"),
        (lambda tensors, about: about.clear(), "format"),
    ],
)
def test_f106_contents_that_do_not_fit(path, change, complaint):
    check_refused(path, change, complaint)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"format": NaN}', "[]", "1e400", "null"])
def test_metadata_that_is_no_table(path, text):
    write(path, read(path)[0], text)
    with pytest.raises(ash.ModelFormatError, match="metadata"):
        ash.load(path)


def test_a_sound_file_with_other_numbers_is_found_by_its_checksum(path):
    tensors, about = read(path)
    tensors["bias.0"] += 1
    save_file(tensors, path, metadata={"ash": json.dumps(about), "sha256": "0" * 64})
    with pytest.raises(ash.ModelFormatError, match="checksum"):
        ash.load(path)


def test_a_crash_while_saving_leaves_the_old_file(model, path, monkeypatch):
    before = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is gone")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(atomic_file.os, name, fail)
            with pytest.raises(OSError, match="disk is gone"):
                train(Y == 1).save(path)
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_saving_replaces_a_link_and_not_what_it_points_to(model, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "model"
    link.symlink_to(victim)
    model.save(link)
    assert victim.read_text() == "precious" and not link.is_symlink()
    assert stat.S_IMODE(os.stat(link).st_mode) == 0o600


def test_saving_into_a_folder_that_is_not_there(model, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        model.save(tmp_path / "none" / "model")
    assert error.value.filename == str(tmp_path / "none" / "model") and error.value.filename2 is None


def test_saving_where_a_folder_is(model, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        model.save(tmp_path / "model")
    assert error.value.filename == str(tmp_path / "model") and error.value.filename2 is None
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

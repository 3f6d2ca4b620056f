"""Networks with an embedding as their user sees them: what is embedded, copies, and files that do not fit."""

import copy
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest

import ash
from ash import _core
from ash.models.load import PARAMETERS
from data_help import mixed_columns, mixed_target
from model_file_help import check_refused, read, write
from test_model_file import changed, replaced

pytestmark = pytest.mark.core

COLUMNS = mixed_columns(200)
X = np.array(list(zip(*COLUMNS.values(), [2.5] * 200, strict=True)), object)
Y = mixed_target(COLUMNS)
SPACE = ash.Space(
    hidden=(6,), embedding="periodic", input_scaling=True, parametrization="ntk", learning_rate=ash.choice(0.01, 0.03)
)


@pytest.fixture(scope="module")
def model():
    return ash.tune(X, Y, SPACE, candidates=2, progress=False).model


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def test_numbers_are_embedded_and_nothing_else_is(model):
    """Not what is constant, and not the 0 and 1 of levels and gaps; the statistics of many levels are numbers."""
    core, names = model.core, model.encoding.names
    assert [names[feature] for feature in core.numbers] == ["x0", "x1", "x2", "x4: target mean", "x4: log count"]
    assert [name for feature, name in enumerate(names) if feature not in core.numbers] == [
        *("x0 is missing", "x1 is missing", "x2 is missing"),
        *("x3=blue", "x3=green", "x3=red", "x3 is missing", "x5"),
    ]
    assert core.embedding.shape == (PARAMETERS, 5)
    assert core.weights[0].shape == (len(names) + 3 * 5, 6)
    assert not core.weights[0][-16].any()  # of the constant column, the last before what the embedding makes


def test_without_numbers_there_is_no_embedding():
    x = X[:, 3:4]
    with_it = ash.tune(x, Y, SPACE, candidates=2, progress=False).model
    assert with_it.core.numbers == [] and with_it.core.embedding.shape == (PARAMETERS, 0)
    plain = ash.Space(hidden=(6,), input_scaling=True, parametrization="ntk", learning_rate=ash.choice(0.01, 0.03))
    assert (ash.tune(x, Y, plain, candidates=2, progress=False).model.predict(x) == with_it.predict(x)).all()


def test_it_comes_back_bit_for_bit(model, path):
    twin = ash.load(path)
    assert (twin.predict(X) == model.predict(X)).all()
    assert twin.core.numbers == model.core.numbers and (twin.core.embedding == model.core.embedding).all()
    assert twin.params == model.params and twin.params["input_scaling"] is True
    assert twin.params["embedding"] == "periodic" and repr(twin) == repr(model)
    path.unlink()
    twin.save(path)
    assert (ash.load(path).predict(X) == model.predict(X)).all()


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: pickle.loads(cloudpickle.dumps(model)),
    ],
    ids=["copy", "deepcopy", "pickle", "cloudpickle"],
)
def test_copies_predict_the_same(model, copied):
    twin = copied(model)
    assert (twin.predict(X) == model.predict(X)).all()
    assert twin.core.numbers == model.core.numbers and (twin.core.embedding == model.core.embedding).all()


def test_joblib_brings_it_back(model, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    assert (joblib.load(tmp_path / "model.joblib").predict(X) == model.predict(X)).all()


def test_a_file_from_before_embeddings_is_read(tmp_path):
    plain = ash.tune(X, Y, ash.Space(hidden=(6,)), candidates=1, progress=False).model
    plain.save(tmp_path / "old")
    tensors, about = read(tmp_path / "old")
    assert about.pop("numbers") == [] and "embedding" not in tensors
    write(tmp_path / "old", tensors, about)
    assert (ash.load(tmp_path / "old").predict(X) == plain.predict(X)).all()


def swapped(tensors, about):
    about["numbers"][:2] = about["numbers"][1::-1]


def twice(tensors, about):
    about["numbers"][1] = about["numbers"][0]


def beyond(tensors, about):
    about["numbers"][-1] = len(tensors["input_center"])


def dropped(tensors, about):
    about["numbers"].pop()


def transposed(tensors, about):
    tensors["embedding"] = np.ascontiguousarray(tensors["embedding"].T)


def poisoned(tensors, about):
    tensors["embedding"][7, 1] = np.nan


def narrow(tensors, about):
    tensors["weight.0"] = tensors["weight.0"][: len(tensors["input_center"])].copy()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (swapped, "numbers are no features in order"),
        (twice, "numbers are no features in order"),
        (beyond, "a number is none of"),
        (dropped, "embedding has shape"),
        (changed("numbers", []), "not those of"),
        (changed("numbers", None), "numbers are no list of features"),
        (changed("numbers", "01"), "numbers are no list of features"),
        (changed("numbers", {"0": 1}), "numbers are no list of features"),
        (changed("numbers", 2), "numbers are no list of features"),
        (changed("numbers", [0, 1.0]), "numbers are no list of features"),
        (changed("numbers", [False, True]), "numbers are no list of features"),
        (changed("numbers", [0, "1"]), "numbers are no list of features"),
        (changed("numbers", [-1, 2, 4, 10, 11]), "numbers are no features in order"),
        (changed("numbers", [0, 2, 4, 10, 10**400]), "a number is none of"),
        (changed("numbers", [0, 2, 4, 10, 2**31]), "a number is none of"),
        (changed("numbers", [-(2**63), 2, 4, 10, 11]), "numbers are no features in order"),
        (changed("numbers", list(range(10_000))), "a number is none of"),
        (lambda tensors, about: about.pop("numbers"), "not those of"),
        (lambda tensors, about: tensors.pop("embedding"), "not those of"),
        (transposed, "embedding has shape"),
        (poisoned, "embedding holds NaN or infinity"),
        (narrow, "weight.0 has shape"),
        (replaced("embedding", np.zeros((PARAMETERS, 1), np.float32)), "embedding has shape"),
        (replaced("embedding", np.zeros((PARAMETERS, 0), np.float32)), "embedding is empty"),
        (replaced("embedding", np.zeros(PARAMETERS * 3, np.float32)), "embedding is float32"),
        (replaced("embedding", np.zeros((PARAMETERS, 3), np.float64)), "embedding is float64"),
        (replaced("embedding.1", np.zeros((PARAMETERS, 3), np.float32)), "not those of"),
    ],
)
def test_contents_that_do_not_fit(path, change, complaint):
    check_refused(path, change, complaint)


def test_flipped_bits_of_the_embedding_are_found(model, path, tmp_path):
    content = bytearray(path.read_bytes())
    place = bytes(content).index(model.core.embedding.tobytes())
    for offset in np.random.default_rng(0).integers(0, model.core.embedding.nbytes, 50):
        flipped = content.copy()
        flipped[place + offset] ^= 4
        (tmp_path / "flipped").write_bytes(flipped)
        with pytest.raises(ash.ModelFormatError, match="checksum"):
            ash.load(tmp_path / "flipped")


@pytest.mark.parametrize(
    ("numbers", "shape"),
    [([0], (PARAMETERS * 2,)), ([0, 1], (2, PARAMETERS)), ([0, 1], (PARAMETERS, 1)), ([], (PARAMETERS, 1))],
)
def test_the_core_takes_a_column_a_number(numbers, shape):
    zeros, ones = np.zeros(2), np.ones(2)
    weights = np.zeros((2 + 3 * len(numbers), 1), np.float32)
    about = ([weights], [np.zeros(1, np.float32)], [], 0, zeros, ones, zeros, zeros[:1], ones[:1])
    assert _core.Network(*about, numbers, np.zeros((PARAMETERS, len(numbers)), np.float32)).numbers == numbers
    with pytest.raises(ValueError, match="embedding"):
        _core.Network(*about, numbers, np.zeros(shape, np.float32))

"""Networks with parametric activations as their user sees them: copies, and files that do not fit."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_wine

import ash
from ash import _core
from model_file_help import check_refused, read, write

pytestmark = pytest.mark.core

X, Y = load_wine(return_X_y=True)
SPACE = ash.Space(hidden=(6, 4), activation="selu", parametric_activation=True, learning_rate=ash.choice(0.01, 0.03))


@pytest.fixture(scope="module")
def result():
    return ash.tune(X, Y, SPACE, candidates=2, progress=False)


@pytest.fixture
def path(result, tmp_path):
    path = tmp_path / "model.safetensors"
    result.model.save(path)
    return path


def shares_of(model):
    return [share.tolist() for share in model.core.shares]


def test_each_hidden_neuron_has_a_share_of_its_own(result):
    assert [len(share) for share in result.model.core.shares] == [6, 4]
    assert len({value for share in shares_of(result.model) for value in share}) == 10


def test_it_comes_back_bit_for_bit(result, path):
    twin, model = ash.load(path), result.model
    assert (twin.predict_proba(X) == model.predict_proba(X)).all() and shares_of(twin) == shares_of(model)
    assert twin.params["parametric_activation"] is True


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_predict_the_same(result, copied):
    twin = copied(result.model)
    assert (twin.predict_proba(X) == result.model.predict_proba(X)).all()
    assert shares_of(twin) == shares_of(result.model)


def test_an_ensemble_of_them_comes_back(tmp_path):
    mixed = ash.Space(hidden=ash.choice((6,), ()), parametric_activation=ash.choice(True, False))
    ensemble = ash.tune(X, Y, mixed, candidates=4, progress=False).ensemble(size=4)
    ensemble.save(tmp_path / "ensemble")
    assert (ash.load(tmp_path / "ensemble").predict_proba(X) == ensemble.predict_proba(X)).all()


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_file_without_shares_is_that_of_plain_activations(hidden, tmp_path):
    space = ash.Space(hidden=hidden, parametric_activation=not hidden)
    model = ash.tune(X, Y, space, candidates=1, progress=False).model
    model.save(tmp_path / "plain")
    tensors, about = read(tmp_path / "plain")
    assert not any(name.startswith("share") for name in tensors)
    about["params"].pop("parametric_activation")
    write(tmp_path / "plain", tensors, about)
    assert (ash.load(tmp_path / "plain").predict_proba(X) == model.predict_proba(X)).all()


def shorter(tensors, about):
    tensors["share.1"] = tensors["share.1"][:3].copy()


def flat(tensors, about):
    tensors["share.0"] = tensors["share.0"][None].copy()


def poisoned(tensors, about):
    tensors["share.0"][2] = np.inf


def of_the_last(tensors, about):
    tensors["share.2"] = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda tensors, about: tensors.pop("share.1"), "not those of"),
        (lambda tensors, about: tensors.pop("share.0"), "not those of"),
        (of_the_last, "not those of"),
        (shorter, "share.1 has 3 numbers instead of 4"),
        (flat, "share.0 is float32"),
        (poisoned, "share.0 holds NaN or infinity"),
    ],
)
def test_contents_that_do_not_fit(path, change, complaint):
    check_refused(path, change, complaint)


@pytest.mark.parametrize("shapes", [[(3,)], [(2,), (1,)], [(1, 2)], [(2,), (2,)]])
def test_the_core_takes_a_share_for_each_output_of_a_hidden_layer(shapes):
    zeros, ones = np.zeros(2), np.ones(2)
    weights = [np.zeros((2, 2), np.float32), np.zeros((2, 1), np.float32)]
    biases = [np.zeros(2, np.float32), np.zeros(1, np.float32)]
    about = (weights, biases, ["relu"], 0, zeros, ones, zeros, zeros[:1], ones[:1])
    assert len(_core.Network(*about, shares=[np.ones(2, np.float32)]).shares) == 1
    with pytest.raises(ValueError, match="shares"):
        _core.Network(*about, shares=[np.ones(shape, np.float32) for shape in shapes])

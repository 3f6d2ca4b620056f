"""Ensembles on disk: they come back bit for bit, and no damaged or foreign file gets any further than an error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash
from ash.cli.cli import main
from ash.space.hyperparameters import ACTIVATIONS
from ensemble_help import YR, X, Y, tune
from model_file_help import check_refused, read, write

pytestmark = pytest.mark.core

Tensors, About = dict[str, Any], dict[str, Any]
NAMES = [*"abcdef"]


@pytest.fixture(scope="module")
def ensemble() -> ash.Ensemble:
    found = tune(seed=1).ensemble()
    assert len(found.members) > 2
    return found


@pytest.fixture
def path(ensemble: ash.Ensemble, tmp_path: Path) -> Path:
    path = tmp_path / "ensemble.safetensors"
    ensemble.save(path)
    return path


def same(twin: Any, ensemble: ash.Ensemble, rows: Any) -> bool:
    return (
        isinstance(twin, ash.Ensemble)
        and np.array_equal(twin.weights, ensemble.weights)
        and np.array_equal(twin.predict(rows), ensemble.predict(rows))
        and all(np.array_equal(a.predict(rows), b.predict(rows)) for a, b in zip(twin.members, ensemble.members))  # noqa: B905
    )


def test_it_comes_back_bit_for_bit(ensemble: ash.Ensemble, path: Path) -> None:
    twin = ash.load(path)
    assert same(twin, ensemble, X) and np.array_equal(twin.predict_proba(X), ensemble.predict_proba(X))
    assert repr(twin) == repr(ensemble) and twin.score(X, Y) == ensemble.score(X, Y)
    assert twin.metric == ensemble.metric and twin.validation_score == ensemble.validation_score
    assert [member.params for member in twin.members] == [member.params for member in ensemble.members]
    assert [repr(member) for member in twin.members] == [repr(member) for member in ensemble.members]
    assert all(member.encoding is twin.encoding for member in twin.members)


def test_it_comes_back_in_another_process(ensemble: ash.Ensemble, path: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    code = "import ash, sys, numpy; print(ash.load(sys.argv[1]).predict_proba(numpy.load(sys.argv[2])).tobytes().hex())"
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "X.npy")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ensemble.predict_proba(X).tobytes().hex()


def test_two_targets_and_columns_of_many_levels(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=NAMES)
    frame["city"] = [f"city {number % 60}" for number in range(len(X))]
    result = ash.tune(frame, pd.DataFrame(YR, columns=["u", "v"]), candidates=12, progress=False)
    ensemble = result.ensemble()
    ensemble.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert same(twin, ensemble, frame) and twin.classes_ is None and twin.n_outputs_ == 2
    assert twin.target_names == ("u", "v") and twin.feature_names == (*NAMES, "city")
    assert twin.encoding.statistics[-1] is not None


def test_of_one_member(tmp_path: Path) -> None:
    tune().ensemble(1).save(tmp_path / "model")
    assert repr(ash.load(tmp_path / "model")).startswith("Ensemble(1 network,")


def test_a_network_is_saved_as_a_network(ensemble: ash.Ensemble, tmp_path: Path) -> None:
    ensemble.members[1].save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert isinstance(twin, ash.Network) and np.array_equal(twin.predict(X), ensemble.members[1].predict(X))
    tensors, about = read(tmp_path / "model")
    assert about["format"] == "ash-network" and about["version"] == 1 and "0.bias.0" not in tensors


def test_a_model_that_a_users_scorer_has_scored_comes_back(tmp_path: Path) -> None:
    fitted = ash.ASHClassifier(candidates=8, scoring="f1_macro", random_state=0).fit(X, Y)
    network, ensemble = fitted.result_.model, fitted.result_.ensemble()
    assert network.metric == "f1_macro" and ensemble.metric == "log_loss"
    assert ensemble.validation_score < 0
    for model in (network, ensemble):
        model.save(tmp_path / "model")
        assert repr(ash.load(tmp_path / "model")) == repr(model)


def test_flipped_bits_and_truncations_are_found(ensemble: ash.Ensemble, path: Path, tmp_path: Path) -> None:
    content, random, refused = path.read_bytes(), np.random.default_rng(0), 0
    damaged = tmp_path / "damaged"
    for place in random.integers(0, len(content), 200):
        flipped = bytearray(content)
        flipped[place] ^= 1 << random.integers(8)
        damaged.write_bytes(flipped)
        try:
            twin = ash.load(damaged)
        except ash.ModelFormatError:
            refused += 1
        else:
            assert same(twin, ensemble, X)
    assert refused > 190
    for length in [*range(0, len(content), 397), len(content) - 1]:
        damaged.write_bytes(content[:length])
        with pytest.raises(ash.ModelFormatError, match="damaged"):
            ash.load(damaged)


def changed(key: str, value: Any) -> Callable[[Tensors, About], Any]:
    return lambda tensors, about: about.__setitem__(key, value)


def of_member(key: str, value: Any) -> Callable[[Tensors, About], Any]:
    return lambda tensors, about: about["members"][1].__setitem__(key, value)


def replaced(name: str, tensor: Any) -> Callable[[Tensors, About], Any]:
    return lambda tensors, about: tensors.__setitem__(name, tensor)


def shares(change: Callable[[Any], Any]) -> Callable[[Tensors, About], Any]:
    return lambda tensors, about: tensors.__setitem__("weights", change(tensors["weights"]))


def renamed(old: str, new: str) -> Callable[[Tensors, About], Any]:
    return lambda tensors, about: tensors.__setitem__(new, tensors.pop(old))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("format", "ash-network"), "activations are no list"),
        (changed("version", 2), "reads 1: update ash"),
        (changed("members", None), "no list of networks"),
        (changed("members", []), "no list of networks"),
        (changed("members", {"0": {}}), "no list of networks"),
        (changed("members", [1, 2, 3]), "a member has other entries"),
        (lambda tensors, about: about["members"].pop(), "belongs to none of"),
        (lambda tensors, about: about["members"].append(about["members"][0]), "are not those of"),
        (lambda tensors, about: about["members"][0].pop("params"), "other entries"),
        (of_member("encoding", {}), "other entries"),
        (of_member("activations", ["relu", "exec"]), "unknown activation"),
        (of_member("activations", []), "are not those of"),
        (of_member("params", []), "params"),
        (of_member("metric", "r2"), "metric"),
        (of_member("validation_score", "high"), "validation_score"),
        (changed("metric", "rmse"), "metric"),
        (changed("metric", 3), "metric"),
        (changed("validation_score", [1.0]), "validation_score"),
        (changed("classes", {"dtype": "<i8", "values": [0, 1]}), "other classes"),
        (changed("classes", None), "does not fit"),
        (changed("encoding", {}), "encoding"),
        (changed("target_names", ["a", "b"]), "target_names"),
        (lambda tensors, about: tensors.pop("weights"), "no tensor 'weights'"),
        (shares(lambda weights: weights[:-1]), "weights are float64"),
        (shares(lambda weights: weights.astype(np.float32)), "weights are float32"),
        (shares(lambda weights: weights[:, None]), "weights are float64"),
        (shares(lambda weights: weights * 1.01), "no shares"),
        (shares(lambda weights: np.r_[0.0, weights[0] + weights[1], weights[2:]]), "no shares"),
        (shares(lambda weights: weights * np.nan), "no shares"),
        (shares(lambda weights: np.r_[-1.0, weights[0] + weights[1] + 1, weights[2:]]), "no shares"),
        (renamed("0.bias.0", "00.bias.0"), "belongs to none of"),
        (renamed("0.bias.0", "bias.0"), "belongs to none of"),
        (renamed("0.bias.0", "-1.bias.0"), "belongs to none of"),
        (renamed("1.bias.0", "1.bias.7"), "are not those of"),
        (replaced("1.bias.0", np.zeros(2, np.float32)), "weight.0 has shape"),
        (replaced("1.input_scale", np.zeros(6)), "not positive"),
        (replaced("1.input_center", np.full(6, np.nan)), "NaN or infinity"),
        (replaced("statistics.0", np.zeros((3, 2))), "encoding"),
        (lambda tensors, about: about.clear(), "format"),
    ],
)
def test_contents_that_do_not_fit(path: Path, change: Callable[[Tensors, About], Any], complaint: str) -> None:
    check_refused(path, change, complaint)


def test_networks_of_other_outputs_do_not_go_together(tmp_path: Path) -> None:
    one, two = (tune(y, candidates=4).ensemble(1) for y in (YR[:, 0], YR))
    one.save(tmp_path / "one")
    two.save(tmp_path / "two")
    (tensors, about), (others, other) = read(tmp_path / "one"), read(tmp_path / "two")
    tensors |= {f"1{name[1:]}": tensor for name, tensor in others.items() if name != "weights"}
    about["members"] += other["members"]
    write(tmp_path / "both", tensors | {"weights": np.array([0.5, 0.5])}, json.loads(json.dumps(about)))
    with pytest.raises(ash.ModelFormatError, match=r"its networks have \[1, 2\] outputs"):
        ash.load(tmp_path / "both")


# The command line


@pytest.fixture
def table(tmp_path: Path) -> str:
    frame = pd.DataFrame(X, columns=NAMES)
    frame.assign(target=Y).to_csv(tmp_path / "data.csv", index=False)
    ash.tune(frame, pd.Series(Y, name="target"), candidates=12, progress=False).ensemble().save(tmp_path / "model")
    return str(tmp_path / "data.csv")


def test_the_command_predicts_with_an_ensemble(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(table).parent / "model"
    assert main(["predict", str(path), table, "--proba"]) == 0
    out, err = capsys.readouterr()
    rows = out.splitlines()
    assert rows[0] == "target,probability_0,probability_1,probability_2" and len(rows) == 1 + len(X)
    model = ash.load(path)
    assert [int(row.split(",")[0]) for row in rows[1:]] == model.predict(pd.DataFrame(X, columns=NAMES)).tolist()
    assert err.startswith("accuracy ") and f"on {len(X)} rows" in err


def test_the_command_shows_an_ensemble(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(table).parent / "model"
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    model = ash.load(path)
    assert isinstance(model, ash.Ensemble)
    assert f"those of {len(model.members)} networks" in out and "classification of 'target', 3 classes" in out
    shown = [line.split() for line in out.splitlines() if line.rstrip().endswith((*ACTIVATIONS, "linear"))]
    assert [int(words[0]) for words in shown] == list(range(len(model.members)))
    assert [float(words[1]) for words in shown] == pytest.approx(model.weights.tolist(), rel=1e-3)

"""Tests a run's ensemble: its members, its predictions on any number of threads, its file, and the command line."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error

import ash
from ash import _core
from ash.cli.command import main
from ash.metrics import METRICS
from ash.models.ensemble import mean_loss, row_losses
from ash.models.model_pool import KEEP, PREDICTION_CELLS, networks_to_keep, sharpened
from ash.space.hyperparameters import ACTIVATIONS
from ensemble_help import WEIGHTS, YR, X, Y, tune
from model_file_help import changed, check_refused, dropped, edited, of_member, read, replaced, write

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def result() -> ash.Result:
    return tune()


@pytest.fixture(scope="module")
def regression() -> ash.Result:
    return tune(YR)


def bits(ensemble: ash.Ensemble) -> bytes:
    """Return all parts of an ensemble as bytes."""
    layers = [part.tobytes() for one in ensemble.members for part in (*one.core.weights, *one.core.biases)]
    return b"".join(
        [ensemble.weights.tobytes(), *layers, ensemble.predict_frame(ash.data.frames.read_frame(X)).tobytes()]
    )


# Kept networks


@pytest.mark.parametrize("keep", [1, 5, 1024])
@pytest.mark.parametrize("y", [Y, YR], ids=["classes", "targets"])
def test_kept_networks_match_a_brute_force_search_over_the_jobs(y: Any, keep: int) -> None:
    result = tune(y, config=ash.SearchConfig(keep=keep))
    best: dict[int, tuple[float, float, int, int]] = {}
    for job in result.jobs:
        rank = (-job.score, job.loss, job.candidate, job.rung)
        best[job.candidate] = min(rank, best.get(job.candidate, rank))
    expected = sorted(best.values())[:keep]
    assert result.kept is not None and len(expected) == min(keep, 24)
    assert list(zip(result.kept.candidates, result.kept.rungs, strict=True)) == [rank[2:] for rank in expected]
    assert [network.validation_score for network in result.kept.networks] == [-rank[0] for rank in expected]
    assert [network.params for network in result.kept.networks] == [result.params[rank[2]] for rank in expected]
    assert result.kept.networks[0] is result.model


def test_kept_predictions_match_the_networks_on_the_validation_rows() -> None:
    held_out = slice(280, 360)
    for y in (Y, YR):
        result = ash.tune(X[:280], y[:280], validation=(X[held_out], y[held_out]), candidates=8, verbose=0)
        assert result.kept is not None
        assert np.array_equal(result.kept.targets.reshape(y[held_out].shape), y[held_out])
        kept = result.kept
        for network, predictions, factor in zip(kept.networks, kept.predictions, kept.factors, strict=True):
            again = network.predict_frame(ash.data.frames.read_frame(X[held_out]))
            if factor == 1:
                assert np.array_equal(again, predictions)
            else:  # scaling the weights and scaling the kept logits round differently
                assert np.allclose(again, predictions, rtol=1e-5, atol=1e-6)
        assert y.ndim == 1 or set(kept.factors) == {1.0}


@pytest.mark.parametrize("changes", [{"keep": 1}, {"keep": 7}, {"n_jobs": 2}, {"memory_limit": 1}])
def test_the_number_of_kept_networks_does_not_change_the_outcome(result: ash.Result, changes: dict[str, Any]) -> None:
    assert tune(**changes).digest == result.digest


def test_fewer_networks_are_kept_by_default_if_predictions_are_large() -> None:
    assert networks_to_keep(None, 1000, 10) == KEEP == 32
    assert networks_to_keep(None, PREDICTION_CELLS // 10, 1) == 10
    assert networks_to_keep(None, PREDICTION_CELLS, 3) == 1
    assert networks_to_keep(100, PREDICTION_CELLS, 3) == 100


# The ensemble


def test_an_ensemble_averages_probabilities(result: ash.Result) -> None:
    ensemble = result.ensemble()
    assert len(ensemble.members) > 1 and ensemble.members[0].params == result.model.params
    shares = zip(ensemble.weights, (member.predict_proba(X) for member in ensemble.members), strict=True)
    expected = sum(weight * probabilities for weight, probabilities in shares)
    assert ensemble.predict_proba(X) == pytest.approx(expected, abs=1e-6)
    assert ensemble.predict_proba(X).dtype == np.float64
    assert np.abs(ensemble.predict_proba(X).sum(axis=1) - 1).max() < 1e-15
    assert np.array_equal(ensemble.predict(X), ensemble.predict_proba(X).argmax(axis=1))
    assert ensemble.score(X, Y) == accuracy_score(Y, ensemble.predict(X))
    assert ensemble.score(X, Y, "log_loss") == pytest.approx(-log_loss(Y, ensemble.predict_proba(X)), abs=1e-5)


def test_an_ensemble_averages_regression_predictions(regression: ash.Result) -> None:
    ensemble = regression.ensemble()
    assert len(ensemble.members) > 1 and ensemble.n_outputs_ == 2
    shares = zip(ensemble.weights, (member.predict(X) for member in ensemble.members), strict=True)
    assert ensemble.predict(X) == pytest.approx(sum(weight * targets for weight, targets in shares), rel=1e-5, abs=1e-5)
    rmse = np.sqrt(mean_squared_error(YR, ensemble.predict(X), multioutput="raw_values")).mean()
    assert ensemble.score(X, YR, "rmse") == pytest.approx(-rmse, rel=1e-5)
    with pytest.raises(AttributeError, match="a regression model has no predict_proba"):
        ensemble.predict_proba(X)


def test_an_ensemble_describes_itself(result: ash.Result, regression: ash.Result) -> None:
    ensemble = result.ensemble(8)
    assert ensemble.task == "classification" and ensemble.classes_.tolist() == [0, 1, 2] and ensemble.n_outputs_ == 1
    assert ensemble.metric == "accuracy" and ensemble.encoding is result.model.encoding
    assert ensemble.n_features_in_ == X.shape[1] and ensemble.feature_names is None and ensemble.target_names is None
    assert ensemble.weights.sum() == pytest.approx(1) and (ensemble.weights > 0).all()
    count, estimate = len(ensemble.members), (ensemble.estimated_score, ensemble.estimated_score_std_error)
    shown = f"estimated accuracy {estimate[0]:.4f} (standard error {estimate[1]:.2g})"
    assert repr(ensemble) == f"Ensemble({count} networks, 3 classes, {shown})"
    assert repr(result.ensemble(1)).startswith("Ensemble(1 network, 3 classes")
    assert ", regression, estimated r2" in repr(regression.ensemble())
    with pytest.raises(ValueError, match="read-only"):
        ensemble.weights[0] = 1


@pytest.mark.parametrize("metric", [name for name in METRICS["classification"] if name != "f1"])
def test_the_validation_score_uses_the_metric_of_the_run(metric: str) -> None:
    split = slice(280, 360)
    validation = (X[split], Y[split])
    result = ash.tune(X[:280], Y[:280], scoring=metric, validation=validation, candidates=8, verbose=0)
    ensemble = result.ensemble()
    assert ensemble.metric == metric
    assert ensemble.validation_score == pytest.approx(ensemble.score(*validation, metric), abs=1e-6)
    alone = replace(result.kept, threshold=None).ensemble(1).validation_score
    # with more than two classes, calibration changes these two metrics, so compare uncalibrated predictions
    if metric in ("roc_auc", "average_precision"):
        plain = sharpened(result.kept.predictions[0], 1 / result.kept.factors[0])
        alone = _core.score(metric, result.kept.targets, plain, len(np.unique(Y)), [])
    assert alone == pytest.approx(result.best_score, abs=1e-6)


@pytest.mark.parametrize("y", [Y, YR], ids=["classes", "targets"])
def test_more_draws_lower_the_weighted_validation_loss(y: Any) -> None:
    result = tune(y, sample_weight=WEIGHTS)
    kept = result.kept
    assert kept is not None and kept.weights is not None and len(np.unique(kept.weights)) > 10
    parts, _ = kept._terms()

    def loss(size: int) -> float:
        chosen = result.ensemble(size)
        places = [
            next(at for at, one in enumerate(kept.networks) if one.params == member.params) for member in chosen.members
        ]
        averaged = sum(weight * parts[place] for weight, place in zip(chosen.weights, places, strict=True))
        return mean_loss(row_losses(np.asarray(averaged)), kept.weights)

    losses = [loss(size) for size in (1, 2, 4, 8, 16, 64)]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_weights_are_used_in_the_selection() -> None:
    kept = tune(sample_weight=WEIGHTS).kept
    assert kept is not None
    other = copy.copy(kept)
    object.__setattr__(other, "weights", np.where(kept.targets[:, 0] == 0, 1000.0, 1.0))
    assert bits(kept.ensemble(16)) != bits(other.ensemble(16))


@pytest.mark.parametrize("y", [Y, YR], ids=["classes", "targets"])
def test_the_bits_do_not_depend_on_the_number_of_threads(y: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use some networks large enough for teams, more threads than CPUs, and enough rows for two threads."""
    core = _core.Tuner
    wide = ash.Space(
        hidden=ash.choice((256, 256), (16,), (128, 128)), learning_rate=ash.loguniform(1e-3, 1e-1), batch_size=128
    )
    runs = []
    for threads in (1, 2, 3, 7):
        monkeypatch.setattr(_core, "Tuner", lambda *given, **named: core(*given, **{**named, "threads": threads}))  # noqa: B023
        runs.append(ash.tune(X, y, wide, candidates=12, random_state=1, verbose=0, validation=0.2))
    first, rows = runs[0].ensemble(), np.repeat(X, 8, axis=0)
    assert len(first.members) > 1 and any(job.team_limit > 1 for job in runs[0].jobs)
    for run in runs:
        ensemble = run.ensemble()
        assert run.digest == runs[0].digest and bits(ensemble) == bits(first)
        assert np.array_equal(ensemble.predict(rows), first.predict(rows, n_jobs=1))


def test_invalid_input_is_refused(result: ash.Result) -> None:
    ensemble = result.ensemble()
    with pytest.raises(ash.DataError, match="X has 2 features, but the ensemble is expecting 6 features"):
        ensemble.predict(X[:, :2])
    with pytest.raises(ash.DataError, match=r"infinity|infinite"):
        ensemble.predict(np.full((2, X.shape[1]), np.inf))
    with pytest.raises(ash.SettingError, match="'r2' does not fit classification"):
        ensemble.score(X, Y, "r2")


def test_a_pickled_result_gives_the_same_ensemble(result: ash.Result) -> None:
    ensemble = result.ensemble()
    assert result.kept is not None
    networks, predictions = len(pickle.dumps(result.kept.networks)), result.kept.predictions.nbytes
    assert len(pickle.dumps(result.kept)) < networks + predictions + 8 * len(result.kept.targets) + 2000
    twin = pickle.loads(pickle.dumps(result))
    assert bits(twin.ensemble()) == bits(ensemble)
    assert twin.kept.networks[0] is twin.model


# Edge cases


@pytest.mark.parametrize("count", [0, -1, 1025, 1.5, True, "16"])
def test_invalid_sizes_are_refused(result: ash.Result, count: Any) -> None:
    for name, call in (("size", result.ensemble), ("keep", lambda keep: tune(config=ash.SearchConfig(keep=keep)))):
        with pytest.raises(ash.SettingError, match=f"{name} must be an integer from 1 to 1024, got "):
            call(count)


def test_a_result_without_kept_networks_says_what_to_do() -> None:
    result = dataclasses.replace(tune(cv=3, candidates=4), kept=None)
    with pytest.raises(ash.SettingError, match=r"ensemble\(\) needs .*: call it before pickling$") as refusal:
        result.ensemble()
    assert "\n" not in str(refusal.value)


def test_an_ensemble_of_a_single_kept_network_is_that_network() -> None:
    result = tune(config=ash.SearchConfig(keep=1))
    ensemble = result.ensemble()
    assert ensemble.members == (result.model,) and ensemble.weights.tolist() == [1.0]
    assert np.array_equal(ensemble.predict_proba(X), result.model.predict_proba(X))


# Files. test_model_file.py tests the properties common to all kinds of models

Tensors, About = dict[str, Any], dict[str, Any]
NAMES = [*"abcdef"]


@pytest.fixture(scope="module")
def ensemble() -> ash.Ensemble:
    found = tune(random_state=1).ensemble()
    assert len(found.members) > 2
    return found


@pytest.fixture
def path(ensemble: ash.Ensemble, tmp_path: Path) -> Path:
    path = tmp_path / "ensemble.safetensors"
    ensemble.save(path)
    return path


def test_an_ensemble_with_two_targets_and_many_levels_is_restored(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=NAMES)
    frame["city"] = [f"city {number % 60}" for number in range(len(X))]
    result = ash.tune(frame, pd.DataFrame(YR, columns=["u", "v"]), candidates=12, verbose=0, validation=0.2)
    ensemble = result.ensemble()
    ensemble.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert np.array_equal(twin.predict(frame), ensemble.predict(frame))
    assert twin.classes_ is None and twin.n_outputs_ == 2
    assert twin.target_names == ("u", "v") and twin.feature_names == (*NAMES, "city")
    assert twin.encoding.statistics[-1] is not None


def test_a_member_is_saved_as_a_network(ensemble: ash.Ensemble, tmp_path: Path) -> None:
    ensemble.members[1].save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert isinstance(twin, ash.Network) and np.array_equal(twin.predict(X), ensemble.members[1].predict(X))
    tensors, about = read(tmp_path / "model")
    assert about["format"] == "ash-network" and about["version"] == 1 and "0.bias.0" not in tensors


def test_models_scored_by_a_users_scorer_are_restored(tmp_path: Path) -> None:
    fitted = ash.ASHClassifier(candidates=8, scoring="f1_micro", random_state=0).fit(X, Y)
    network, ensemble = fitted.result_.model, fitted.result_.ensemble()
    assert network.metric == "f1_micro" and ensemble.metric == "neg_log_loss"
    assert ensemble.validation_score < 0
    for model in (network, ensemble):
        model.save(tmp_path / "model")
        assert repr(ash.load(tmp_path / "model")) == repr(model)


def renamed(old: str, new: str) -> Callable[[Tensors, About], Any]:
    return lambda tensors, about: tensors.__setitem__(new, tensors.pop(old))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("format", "ash-network"), "activations is not a list"),
        (changed("version", 6), "reads up to 5: update ash"),
        (changed("members", None), "not a list of networks"),
        (changed("members", []), "not a list of networks"),
        (changed("members", [1, 2, 3]), "not a list of networks"),
        (lambda tensors, about: about["members"].pop(), "belongs to none of"),
        (lambda tensors, about: about["members"].append(about["members"][0]), "are not those of"),
        (lambda tensors, about: about["members"][0].pop("params"), "missing or unexpected entries"),
        (of_member("encoding", {}), "missing or unexpected entries"),
        (of_member("activations", []), "are not those of"),
        (of_member("metric", "r2"), "metric"),
        (changed("metric", "rmse"), "metric"),
        (changed("validation_score", [1.0]), "validation_score"),
        (changed("classes", None), "does not fit"),
        (changed("encoding", {}), "encoding"),
        (dropped("weights"), "no tensor 'weights'"),
        (edited("weights", lambda weights: weights[:-1]), "weights are float64"),
        (edited("weights", lambda weights: weights.astype(np.float32)), "weights are float32"),
        (edited("weights", lambda weights: weights[:, None]), "weights are float64"),
        (edited("weights", lambda weights: weights * 1.01), "not positive shares"),
        (edited("weights", lambda weights: np.r_[0.0, weights[0] + weights[1], weights[2:]]), "not positive shares"),
        (edited("weights", lambda weights: weights * np.nan), "not positive shares"),
        (
            edited("weights", lambda weights: np.r_[-1.0, weights[0] + weights[1] + 1, weights[2:]]),
            "not positive shares",
        ),
        (renamed("0.bias.0", "00.bias.0"), "belongs to none of"),
        (renamed("0.bias.0", "bias.0"), "belongs to none of"),
        (renamed("0.bias.0", "-1.bias.0"), "belongs to none of"),
        (renamed("1.bias.0", "1.bias.7"), "are not those of"),
        (replaced("1.bias.0", np.zeros(2, np.float32)), "weight.0 has shape"),
        (replaced("1.input_center", np.full(6, np.nan)), "NaN or infinity"),
        (replaced("statistics.0", np.zeros((3, 2))), "encoding"),
        (lambda tensors, about: about.clear(), "format"),
    ],
)
def test_invalid_contents_are_refused(path: Path, change: Callable[[Tensors, About], Any], complaint: str) -> None:
    check_refused(path, change, complaint)


def test_members_must_have_the_same_outputs(tmp_path: Path) -> None:
    one, two = (tune(y, candidates=4).ensemble(1) for y in (YR[:, 0], YR))
    one.save(tmp_path / "one")
    two.save(tmp_path / "two")
    (tensors, about), (others, other) = read(tmp_path / "one"), read(tmp_path / "two")
    tensors |= {f"1{name[1:]}": tensor for name, tensor in others.items() if name != "weights"}
    about["members"] += other["members"]
    about["version"] = 2
    write(tmp_path / "both", tensors | {"weights": np.array([0.5, 0.5])}, json.loads(json.dumps(about)))
    with pytest.raises(ash.ModelFormatError, match=r"its members have \[1, 2\] outputs"):
        ash.load(tmp_path / "both")


# The command line


def test_the_command_shows_an_ensemble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame, target = pd.DataFrame(X, columns=NAMES), pd.Series(Y, name="target")
    model = ash.tune(frame, target, candidates=12, verbose=0, validation=0.2).ensemble()
    model.save(tmp_path / "model")
    assert main(["show", str(tmp_path / "model")]) == 0
    out = capsys.readouterr().out
    assert f"those of {len(model.members)} networks" in out and "classification of 'target', 3 classes" in out
    shown = [line.split() for line in out.splitlines() if line.rstrip().endswith((*ACTIVATIONS, "linear"))]
    assert [int(words[0]) for words in shown] == list(range(len(model.members)))
    assert [float(words[1]) for words in shown] == pytest.approx(model.weights.tolist(), rel=1e-3)

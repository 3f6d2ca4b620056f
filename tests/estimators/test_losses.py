"""Tests networks trained with the absolute error, a quantile loss or the Poisson loss."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_poisson_deviance, mean_squared_error

import ash
import needs
from ash import _core
from ash.errors import DataError, SettingError
from ash.models.ensemble import pinball_losses, poisson_losses, select
from config_help import split_once
from export_help import check_outputs, compile_header, feeds, run_program
from model_file_help import read

ROWS = 1200
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, 3)).astype(np.float64)
NOISE = RANDOM.exponential(size=ROWS) - 1.0
SKEWED = X[:, 0] + (0.5 + 0.5 * (X[:, 1] > 0)) * NOISE
RATE = np.exp(0.7 * X[:, 0] + 0.3 * X[:, 1] - 0.5)
COUNT = RANDOM.poisson(RATE).astype(np.float64)
TRAIN, TEST = slice(0, 800), slice(800, ROWS)
LOSSES: dict[str, dict[str, Any]] = {
    "absolute_error": {"loss": "absolute_error"},
    "quantile": {"loss": "quantile", "quantile": 0.9},
    "poisson": {"loss": "poisson"},
}


def fitted(y: Any = SKEWED, **given: Any) -> ash.ASHRegressor:
    return ash.ASHRegressor(**split_once({"candidates": 32, "random_state": 0, **given})).fit(X[TRAIN], y[TRAIN])


# Metrics


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_match_scikit_learn(weighted: bool) -> None:
    weights = RANDOM.uniform(0.5, 2.0, ROWS) if weighted else None
    given = [] if weights is None else weights.tolist()
    p = RATE.astype(np.float32)[:, None]
    y = COUNT[:, None]
    for level in (0.1, 0.5, 0.9):
        own = _core.score("neg_mean_pinball_loss", y, p, 0, given, level)
        assert own == pytest.approx(-mean_pinball_loss(y, p, alpha=level, sample_weight=weights), rel=1e-5)
    own = _core.score("neg_mean_poisson_deviance", y, p, 0, given)
    assert own == pytest.approx(-mean_poisson_deviance(y[:, 0], p[:, 0], sample_weight=weights), rel=1e-5)
    both = np.hstack([y, 2 * y])
    own = _core.score("neg_mean_pinball_loss", both, np.hstack([p, p]), 0, given, 0.9)
    assert own == pytest.approx(-mean_pinball_loss(both, np.hstack([p, p]), alpha=0.9, sample_weight=weights), rel=1e-5)


def test_the_deviance_of_a_zero_prediction_is_nan() -> None:
    assert np.isnan(_core.score("neg_mean_poisson_deviance", np.ones((2, 1)), np.float32([[1], [0]]), 0))
    with pytest.raises(ValueError, match="poisson: one target"):
        _core.score("neg_mean_poisson_deviance", np.ones((2, 2)), np.ones((2, 2), np.float32), 0)


# Predictions


def test_the_absolute_error_predicts_the_median() -> None:
    by_mean, by_median = fitted(), fitted(loss="absolute_error")
    errors = [mean_absolute_error(SKEWED[TEST], each.predict(X[TEST])) for each in (by_mean, by_median)]
    assert errors[1] < errors[0]
    assert by_median.result_.metric == "neg_mean_absolute_error"
    assert np.mean(by_median.predict(X[TEST]) > SKEWED[TEST]) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_a_quantile_prediction_lies_above_its_share_of_the_targets(quantile: float) -> None:
    fit = fitted(loss="quantile", quantile=quantile)
    predicted = fit.predict(X[TEST])
    assert np.mean(predicted >= SKEWED[TEST]) == pytest.approx(quantile, abs=0.06)
    boosted = HistGradientBoostingRegressor(loss="quantile", quantile=quantile, random_state=0)
    theirs = boosted.fit(X[TRAIN], SKEWED[TRAIN]).predict(X[TEST])
    own, other = (mean_pinball_loss(SKEWED[TEST], each, alpha=quantile) for each in (predicted, theirs))
    assert own < other
    assert fit.best_score_ < 0 and fit.result_.metric == "neg_mean_pinball_loss"
    score = fit.model_.score(X[TEST], SKEWED[TEST], "neg_mean_pinball_loss")
    assert score == pytest.approx(-own, rel=1e-4)
    network = fit.result_.model
    own = mean_pinball_loss(SKEWED[TEST], network.predict(X[TEST]), alpha=quantile)
    assert network.score(X[TEST], SKEWED[TEST], "neg_mean_pinball_loss") == pytest.approx(-own, rel=1e-4)


def test_poisson_predicts_means_above_zero() -> None:
    fit = fitted(COUNT, loss="poisson")
    predicted = fit.predict(X[TEST])
    assert (predicted > 0).all()
    boosted = HistGradientBoostingRegressor(loss="poisson", random_state=0).fit(X[TRAIN], COUNT[TRAIN])
    own, other, best = (
        mean_poisson_deviance(COUNT[TEST], each) for each in (predicted, boosted.predict(X[TEST]), RATE[TEST])
    )
    assert own < other and own < 1.05 * best
    assert fit.model_.score(X[TEST], COUNT[TEST], "neg_mean_poisson_deviance") == pytest.approx(-own, rel=1e-4)
    assert mean_squared_error(RATE[TEST], predicted) < np.var(RATE[TEST])


# Other properties are the same as with the squared error


@pytest.mark.parametrize("name", LOSSES)
def test_the_model_is_the_same_on_any_number_of_threads_and_in_a_repetition(name: str) -> None:
    y = COUNT if name == "poisson" else SKEWED
    one, two = (fitted(y, n_jobs=threads, cv=3, **LOSSES[name]) for threads in (1, 2))
    assert one.result_.digest == two.result_.digest and one.model_.digest == two.model_.digest
    again = ash.ASHRegressor(record=one.result_.record).fit(X[TRAIN], y[TRAIN])
    assert again.result_.record == one.result_.record
    plain = fitted(y, cv=3)
    assert plain.result_.digest != one.result_.digest


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("ensemble", [1, 8])
def test_files_pickles_and_exports_predict_the_same(name: str, ensemble: int, tmp_path: Path) -> None:
    import onnxruntime

    fit = fitted(COUNT if name == "poisson" else SKEWED, ensemble=ensemble, **LOSSES[name])
    model, predicted = fit.model_, fit.predict(X[TEST])
    fit.save(tmp_path / "model.safetensors")
    for other in (ash.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other.predict(X[TEST]), predicted) and other.digest == model.digest
    model.to_onnx(tmp_path / "model.onnx")
    outputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, feeds(model, X[TEST]))
    check_outputs(model, outputs[0], X[TEST])
    model.to_cpp(tmp_path / "model.hpp")
    printed = np.array(run_program(compile_header(tmp_path, "g++", "-O1"), X[TEST][:50]))
    check_outputs(model, printed[:, :-1], X[TEST][:50])


@pytest.mark.parametrize("name", LOSSES)
def test_the_torch_export_matches_the_model(name: str) -> None:
    torch = needs.package("torch")
    model = fitted(COUNT if name == "poisson" else SKEWED, **LOSSES[name]).model_
    with torch.no_grad():
        check_outputs(model, model.to_torch()(torch.from_numpy(model.encode(X[TEST]))), X[TEST])


@pytest.mark.parametrize("ensemble", [1, 8])
def test_the_scikit_learn_export_applies_the_exponential(ensemble: int) -> None:
    space = ash.Space(hidden=(16,), activation="relu", learning_rate=ash.loguniform(0.003, 0.03))
    model = fitted(COUNT, loss="poisson", ensemble=ensemble, candidates=8, space=space).model_
    outputs = pickle.loads(pickle.dumps(model.to_sklearn())).predict(X[TEST])
    check_outputs(model, outputs[:, None], X[TEST])


def test_the_quantile_is_saved_in_the_file(tmp_path: Path) -> None:
    model = fitted(ensemble=4, **LOSSES["quantile"]).model_
    model.save(tmp_path / "model")
    again = ash.load(tmp_path / "model")
    for one, other in zip([model, *model.members], [again, *again.members], strict=True):
        scores = [each.score(X[TEST], SKEWED[TEST], "neg_mean_pinball_loss") for each in (one, other)]
        assert scores[0] == scores[1] and other.quantile == 0.9


def test_the_deviance_supports_only_one_target() -> None:
    model = fitted(np.column_stack([COUNT, COUNT]), candidates=2).model_
    with pytest.raises(SettingError, match="'neg_mean_poisson_deviance' takes one target, but the model has 2"):
        model.score(X[TEST], np.column_stack([COUNT, COUNT])[TEST], "neg_mean_poisson_deviance")
    model = fitted(COUNT, candidates=2, loss="poisson").model_
    with pytest.warns(UserWarning, match="neg_mean_poisson_deviance is undefined"):
        assert np.isnan(model.score(X[TEST], -COUNT[TEST], "neg_mean_poisson_deviance"))


# For each loss: targets, predictions that the loss prefers, and predictions that the squared error prefers.
AVERAGED: dict[str, tuple[list[float], list[float], list[float]]] = {
    "absolute_error": ([0, 0, 0, 10], [0, 0, 0, 0], [2.5, 2.5, 2.5, 2.5]),
    "quantile": ([0, 0, 0, 10], [10, 10, 10, 10], [2.5, 2.5, 2.5, 2.5]),
    "poisson": ([1, 1, 100, 100], [1, 1, 90, 90], [5, 5, 100, 100]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_members_are_selected_by_the_loss(name: str) -> None:
    targets, *predictions = (np.tile(values, 50)[:, None].astype(float) for values in AVERAGED[name])
    if name == "poisson":
        terms, losses = np.stack(predictions), poisson_losses(targets)
    else:
        terms, losses = np.stack(predictions) - targets, pinball_losses(LOSSES[name].get("quantile", 0.5))
    theirs = {
        "absolute_error": lambda p: mean_pinball_loss(targets, p),
        "quantile": lambda p: mean_pinball_loss(targets, p, alpha=0.9),
        "poisson": lambda p: mean_poisson_deviance(targets, p) / 2,
    }[name]
    own = [float(losses(each).mean()) for each in terms]
    assert own[0] - own[1] == pytest.approx(theirs(predictions[0]) - theirs(predictions[1]), abs=1e-5)
    better, worse = select(terms[::-1], None, 8, losses)[::-1]
    assert better > worse
    errors = np.stack(predictions) - targets
    better, worse = select(errors, None, 8)
    assert better < worse, "the squared error draws the other one"


@pytest.mark.parametrize("name", LOSSES)
def test_a_run_selects_by_its_loss(name: str) -> None:
    kept = fitted(COUNT if name == "poisson" else SKEWED, refit=False, **LOSSES[name]).result_.kept
    assert kept is not None
    terms, losses = kept._terms()
    own = np.array([losses(each).mean() for each in terms])
    level = LOSSES[name].get("quantile", 0.5)
    theirs = np.array(
        [
            mean_poisson_deviance(kept.targets, each) / 2
            if name == "poisson"
            else mean_pinball_loss(kept.targets, each, alpha=level)
            for each in kept.predictions
        ]
    )
    assert np.ptp(own) > 0.01
    np.testing.assert_allclose(own - own[0], theirs - theirs[0], atol=1e-5)


def test_files_with_exponentials_have_a_newer_version(tmp_path: Path) -> None:
    versions = {}
    for name in LOSSES:
        fitted(COUNT if name == "poisson" else SKEWED, candidates=2, **LOSSES[name]).save(tmp_path / name)
        versions[name] = read(tmp_path / name)[1]["version"]
    assert versions == {"absolute_error": 1, "quantile": 2, "poisson": 2}


def test_several_targets_are_predicted_at_a_quantile() -> None:
    both = np.column_stack([SKEWED, 10 * SKEWED])
    fit = fitted(both, loss="quantile", quantile=0.9)
    shares = np.mean(fit.predict(X[TEST]) >= both[TEST], axis=0)
    np.testing.assert_allclose(shares, 0.9, atol=0.07)


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
def test_integer_weights_equal_repeated_rows() -> None:
    times = np.arange(800) % 3
    given = {"candidates": 4, "random_state": 0, **LOSSES["poisson"]}
    weighted = ash.ASHRegressor(**given).fit(X[TRAIN], COUNT[TRAIN], sample_weight=times)
    repeated = ash.ASHRegressor(**given).fit(X[TRAIN].repeat(times, 0), COUNT[TRAIN].repeat(times))
    assert weighted.result_.digest == repeated.result_.digest


# Refused input


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "quantile"}, "loss='quantile' and quantile=None do not fit together: pass quantile="),
        ({"quantile": 0.5}, "loss='squared_error' and quantile=0.5 do not fit together: set loss='quantile'"),
        ({"loss": "quantile", "quantile": 1.0}, "quantile must be a number from 0.000001 to 0.999999, got 1.0"),
        ({"loss": "gamma"}, "loss must be one of 'squared_error', 'absolute_error', .*, got 'gamma'"),
    ],
)
def test_invalid_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        fitted(**given)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (SKEWED, "takes targets of at least 0, but y has -.* in row"),
        (np.zeros(ROWS), "needs a target above 0, but all targets of the training part are 0"),
        (np.column_stack([COUNT, COUNT]), "takes one target, but y has 2 columns"),
    ],
)
def test_targets_that_are_not_counts_are_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"loss='poisson' {message}"):
        fitted(y, loss="poisson")


def test_a_fold_without_a_positive_count_is_refused() -> None:
    rare = np.where(np.arange(ROWS) == 7, 3.0, 0.0)
    pairs = [(np.arange(0, 400), np.arange(400, 800)), (np.arange(400, 800), np.arange(0, 400))]
    with pytest.raises(DataError, match="all targets of the training part of fold 1 are 0"):
        fitted(rare, loss="poisson", cv=pairs)


def test_a_record_holds_the_loss() -> None:
    record = fitted(COUNT, loss="poisson", scoring="neg_mean_poisson_deviance", candidates=4).result_.record
    again = ash.ASHRegressor(record=record).fit(X[TRAIN], COUNT[TRAIN])
    assert again.result_.record == record
    with pytest.raises(SettingError, match="loss cannot be given with record="):
        ash.ASHRegressor(record=record, loss="poisson").fit(X[TRAIN], COUNT[TRAIN])


def test_validation_targets_that_are_not_counts_are_refused() -> None:
    with pytest.raises(DataError, match="targets of at least 0, but validation y has"):
        fitted(COUNT, loss="poisson", validation=(X[TEST], SKEWED[TEST]))


def test_the_deviance_of_networks_with_other_losses_is_computed_by_scikit_learn() -> None:
    """Use networks that may predict negative numbers. For these, scikit-learn's scorer raises an error."""
    with pytest.raises(SettingError, match="scoring='neg_mean_poisson_deviance' cannot score these rows"):
        fitted(COUNT - COUNT.mean(), scoring="neg_mean_poisson_deviance", candidates=2)
    given = {"loss": "poisson", "scoring": "r2", "candidates": 4}
    assert fitted(COUNT, **given).result_.metric == "r2"

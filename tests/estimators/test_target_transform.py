"""Tests networks trained on the logarithms of positive targets, and the bounds of their predictions."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
import needs
from ash import _core
from ash.engine.planning import _is_skewed
from ash.errors import SettingError
from ash.space.defaults import default_space
from callback_help import TimeIsUp
from config_help import split_once
from export_help import check_outputs, compile_header, feeds, run_program
from fault_help import HANG_SECONDS
from training_help import core_data, reference, robust, settings, standardized, table

ROWS = 1200
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, 3))
PRICE = np.exp(X @ [1.0, 0.5, 0.0] + 0.3 * RANDOM.normal(size=ROWS)) + 0.01
TRAIN, TEST = slice(0, 800), slice(800, ROWS)
FAR = np.vstack([50 * X[TEST], -50 * X[TEST]])
"""Rows beyond the range of all training rows."""
LOG: dict[str, Any] = {"hidden": (32,), "target_transform": "log", "learning_rate": ash.loguniform(0.003, 0.1)}


def fitted(y: Any = PRICE, **given: Any) -> ash.ASHRegressor:
    return ash.ASHRegressor(**split_once({"candidates": 16, "random_state": 0, **given})).fit(X[TRAIN], y[TRAIN])


def networks(model: Any) -> list[Any]:
    return [network.core for network, _ in model.weighted_members()]


# Training


@pytest.mark.parametrize("batch_size", [0, 16])
def test_a_network_trained_on_logarithms_matches_the_oracle(batch_size: int) -> None:
    x, y = table(60, 4, 1, 0)
    y = np.exp(y / 4)
    data = core_data(x, y, 0)
    chosen = settings(hidden=(8,), activations=("tanh",), target_transform="log", batch_size=batch_size)
    network, losses = _core.train(data, chosen, 5)
    assert network.exponential
    if batch_size:
        plain = core_data(x, np.log(y), 0)
        chosen.target_transform = "none"
        expected, _ = _core.train(plain, chosen, 5)
        pairs = zip(network.weights, expected.weights, strict=True)
        assert all(np.allclose(own, other, atol=2e-6) for own, other in pairs)
        return
    oracle, oracle_losses = reference(data, chosen, robust(x), standardized(np.log(y)), 0, [5])
    np.testing.assert_allclose(losses, oracle_losses, rtol=1e-5)
    for own, layer in zip(network.weights, oracle.dense, strict=True):
        np.testing.assert_allclose(own, layer.weights, atol=1e-5)
    logarithms = np.log(y)
    predicted = np.exp(oracle.forward(robust(x)) * logarithms.std() + logarithms.mean())
    np.testing.assert_allclose(network.predict(x), np.clip(predicted, y.min(), 2 * y.max()), rtol=1e-4)


def test_scores_match_the_predictions() -> None:
    """Compare with scikit-learn's score of the predictions, since the core scores standardized logarithms."""
    fit = fitted(space=LOG, ensemble=1, refit=False, validation=(X[TEST], PRICE[TEST]))
    assert networks(fit.model_)[0].exponential
    assert fit.best_score_ == pytest.approx(fit.score(X[TEST], PRICE[TEST]), abs=1e-5)


# Choice of the transform


def test_the_transform_is_chosen_by_the_validation_score() -> None:
    space = ash.Space(**{**LOG, "target_transform": ["none", "log"]})
    wide, line = np.exp(3 * X[:, 0]), X[:, 0] - X[:, 0].min() + 0.01
    for y, winner in ((wide, "log"), (line, "none")):
        fit = fitted(y, space=space, ensemble=1)
        assert {each["target_transform"] for each in fit.result_.params} == {"none", "log"}
        assert fit.result_.best_params["target_transform"] == winner
        assert networks(fit.model_)[0].exponential == (winner == "log")


def test_the_default_space_has_the_logarithm_for_skewed_positive_targets() -> None:
    def has(y: Any, **given: Any) -> bool:
        params = ash.ASHRegressor(candidates=2, random_state=0, **given).fit(X[TRAIN], y[TRAIN]).result_.params
        return any("target_transform" in each for each in params)

    assert has(PRICE)
    assert has(PRICE, loss="quantile", quantile=0.9) and not has(PRICE, loss="poisson")
    for y in (np.log(PRICE), -PRICE, PRICE - PRICE.min(), RANDOM.random(ROWS) + 5, np.column_stack([PRICE, PRICE])):
        assert not has(y)
    many = RANDOM.gamma(shape=4.5, size=50_000)  # its skewness, 2 / sqrt(shape), is just below 1
    assert not _is_skewed(many) and _is_skewed(RANDOM.gamma(shape=3.0, size=50_000)) and not _is_skewed(np.ones(9))
    space = default_space(2000, 5, 1, 0, numbers=5, metric="r2", skewed=True)
    assert space.default["target_transform"] == "none"


@pytest.mark.parametrize(
    ("y", "given", "reason"),
    [
        (PRICE - PRICE.min(), {}, "needs targets above 0 within the range of float32, but y ranges from 0 to"),
        (-PRICE, {}, "needs targets above 0 within the range of float32, but y ranges from -"),
        (np.where(np.arange(ROWS) == 3, 1e-40, PRICE), {}, "needs targets above 0 within the range of float32"),
        (np.where(np.arange(ROWS) % 2, 1e-30 * PRICE, 1e30), {}, "needs targets above 0 within the range of float32"),
        (np.column_stack([PRICE, PRICE]), {}, "takes one target, but y has 2 columns"),
        (PRICE, {"loss": "poisson"}, "cannot be combined with loss='poisson'"),
    ],
)
def test_targets_without_logarithms_are_refused(y: Any, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingError, match=f"target_transform='log' {reason}.*: leave 'log' out of the space"):
        fitted(y, space=LOG, **given)


def test_logarithms_of_classes_are_refused() -> None:
    with pytest.raises(SettingError, match="target_transform='log' is for regression, but y has classes"):
        ash.ASHClassifier(LOG, candidates=2).fit(X[TRAIN], X[TRAIN, 0] > 0)


def test_the_core_refuses_targets_without_logarithms() -> None:
    x, y = table(40, 3, 1, 0)
    for data in (core_data(x, y - y.min(), 0), core_data(x, (y > y.mean()).astype(float), 2)):
        with pytest.raises(ValueError, match="target_transform: log takes one target"):
            _core.train(data, settings(target_transform="log"), 1)


def test_a_zero_found_only_in_the_validation_rows_is_refused() -> None:
    """Check the refusal. The search alone could succeed, but the refit trains on the validation rows too."""
    y = np.where(np.arange(800) == 799, 0.0, PRICE[TRAIN])
    with pytest.raises(SettingError, match="needs targets above 0 within the range of float32, but y ranges from 0 to"):
        ash.ASHRegressor(LOG, candidates=2, cv=[(np.arange(600), np.arange(600, 800))]).fit(X[TRAIN], y)


# Bounds


@pytest.mark.parametrize("transform", ["none", "log"])
def test_predictions_for_positive_targets_are_bounded_below(transform: str) -> None:
    model = fitted(space={**LOG, "target_transform": transform}, ensemble=4).model_
    predicted = model.predict(FAR)
    least = PRICE[TRAIN].min()
    assert predicted.min() >= least and np.isfinite(predicted).all()
    if transform == "log":
        assert predicted.max() <= 2 * PRICE[TRAIN].max() * (1 + 1e-6)
    assert (predicted == least).any() or transform == "log"


def test_other_targets_have_no_bounds() -> None:
    line = 3 * X[:, 0] - 1
    predicted = fitted(line, space={"hidden": (), "learning_rate": ash.loguniform(0.01, 0.3)}).predict(FAR)
    assert predicted.min() < line.min() - 1 and predicted.max() > line.max() + 1


def test_extrapolated_counts_are_bounded() -> None:
    counts = RANDOM.poisson(np.exp(X[:, 0])).astype(np.float64)
    predicted = fitted(counts, loss="poisson").predict(FAR)
    assert predicted.max() <= 2 * counts[TRAIN].max() and predicted.min() >= 0 and np.isfinite(predicted).all()


def test_each_target_has_its_own_bound() -> None:
    both = np.column_stack([PRICE, X[:, 0] + 0.1 * X[:, 1]])
    predicted = fitted(both, ensemble=2).predict(FAR)
    assert predicted[:, 0].min() >= PRICE[TRAIN].min() and predicted[:, 1].min() < -1


# Other properties are the same as for other networks


@pytest.mark.parametrize(
    "given", [{}, {"cv": 3}, {"loss": "absolute_error"}, {"time_limit": HANG_SECONDS, "candidates": "auto"}]
)
def test_the_model_is_the_same_on_any_number_of_threads_and_in_a_repetition(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {"callbacks": TimeIsUp(monkeypatch, HANG_SECONDS, 5)} if "time_limit" in given else {}
    one = fitted(n_jobs=1, **ended, **given)
    again = ash.ASHRegressor(record=one.result_.record, n_jobs=2).fit(X[TRAIN], PRICE[TRAIN])
    assert again.result_.record == one.result_.record and again.model_.digest == one.model_.digest
    assert any(each["target_transform"] == "log" for each in one.result_.params)


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
def test_integer_weights_equal_repeated_rows() -> None:
    times = np.arange(800) % 3
    given: dict[str, Any] = {"space": LOG, "candidates": 4, "random_state": 0}
    weighted = ash.ASHRegressor(**given).fit(X[TRAIN], PRICE[TRAIN], sample_weight=times)
    repeated = ash.ASHRegressor(**given).fit(X[TRAIN].repeat(times, 0), PRICE[TRAIN].repeat(times))
    assert weighted.result_.digest == repeated.result_.digest


@pytest.mark.parametrize("ensemble", [1, 8])
@pytest.mark.parametrize("transform", ["none", "log"])
def test_files_pickles_and_exports_predict_the_same(transform: str, ensemble: int, tmp_path: Path) -> None:
    import onnxruntime

    rows = np.vstack([X[TEST], FAR])
    space = {**LOG, "target_transform": transform, "activation": "relu"}
    fit = fitted(space=space, ensemble=ensemble)
    model, predicted = fit.model_, fit.predict(rows)
    fit.save(tmp_path / "model.safetensors")
    for other in (ash.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other.predict(rows), predicted) and other.digest == model.digest
    model.to_onnx(tmp_path / "model.onnx")
    outputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, feeds(model, rows))
    check_outputs(model, outputs[0], rows)
    model.to_cpp(tmp_path / "model.hpp")
    printed = np.array(run_program(compile_header(tmp_path, "g++", "-O1"), rows[350:450]))
    check_outputs(model, printed[:, :-1], rows[350:450])
    pipeline = pickle.loads(pickle.dumps(model.to_sklearn()))
    check_outputs(model, pipeline.predict(rows)[:, None], rows)


@pytest.mark.parametrize("transform", ["none", "log"])
def test_the_torch_export_matches_the_model(transform: str) -> None:
    torch = needs.package("torch")
    model = fitted(space={**LOG, "target_transform": transform}).model_
    rows = np.vstack([X[TEST], FAR])
    with torch.no_grad():
        check_outputs(model, model.to_torch()(torch.from_numpy(model.encode(rows))), rows)


def test_an_ensemble_can_mix_networks_with_and_without_logarithms(tmp_path: Path) -> None:
    import onnxruntime

    space = {"hidden": (32,), "activation": "relu", "learning_rate": ash.loguniform(0.003, 0.1)}
    result = fitted(space={**space, "target_transform": ["none", "log"]}).result_
    kept = result.kept
    assert kept is not None
    kinds = [network.core.exponential for network in kept.networks]
    counts = np.zeros(len(kinds), np.int64)
    counts[[0, kinds.index(not kinds[0])]] = 1
    model, rows = kept.model_of(counts), np.vstack([X[TEST], FAR])
    assert {core.exponential for core in networks(model)} == {False, True}
    expected = np.mean([kept.networks[place].predict(rows) for place in np.flatnonzero(counts)], axis=0)
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-6)
    model.save(tmp_path / "model.safetensors")
    assert np.array_equal(ash.load(tmp_path / "model.safetensors").predict(rows), model.predict(rows))
    model.to_onnx(tmp_path / "model.onnx")
    outputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, feeds(model, rows))
    model.to_cpp(tmp_path / "model.hpp")
    printed = np.array(run_program(compile_header(tmp_path, "g++", "-O1"), rows[350:450]))
    for found, of in ((outputs[0], rows), (printed[:, :-1], rows[350:450]), (model.to_sklearn().predict(rows), rows)):
        np.testing.assert_allclose(np.ravel(found), model.predict(of), rtol=1e-4)


def test_kept_predictions_match_those_of_the_networks() -> None:
    """Use skewed targets, most of which are far smaller than their standard deviation."""
    y = np.exp(3 * X[:, 0])
    kept = fitted(y, space=LOG, validation=(X[TEST], y[TEST]), refit=False).result_.kept
    assert kept is not None
    for network, predictions in zip(kept.networks, kept.predictions, strict=True):
        assert np.array_equal(network.predict(X[TEST]), predictions[:, 0])


def test_logarithms_of_large_similar_targets_are_precise() -> None:
    """Use targets whose logarithms differ little; the differences must not be lost to rounding."""
    y = 1e6 + RANDOM.lognormal(size=ROWS)[:, None]
    data = core_data(X, y, 0)
    logarithms = data.__getstate__()[6][6]  # type: ignore[attr-defined]
    np.testing.assert_allclose(logarithms, standardized(np.log(y))[:, 0], atol=0.05)
    assert len(np.unique(logarithms)) > 50


def test_the_report_mentions_the_logarithm(tmp_path: Path) -> None:
    result = fitted(space=LOG).result_
    result.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The winner was trained on the logarithm of the target." in page

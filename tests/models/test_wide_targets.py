"""Tests targets far from 0 compared to their spread: predictions keep 64 bits, from training to the exports."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ash
import needs
from ash import _core
from ash.models.ensemble import average
from ash.models.model import Model
from export_help import compile_header, run_program

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 3))
SIGNAL = X[:, 0] + np.abs(X[:, 1])
TARGETS = {"seconds since 1970": 1.7e9 + 86_400 * SIGNAL, "a small spread": 1e9 + 0.001 * SIGNAL}
MODELS = {"networks": ["network"], "trees": ["lightgbm"], "both": None}


def error_of(model: Any, y: NDArray[np.float64]) -> float:
    """Return the root mean squared error in standard deviations of the target."""
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)) / y.std())


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("models", MODELS.values(), ids=MODELS)
def test_predictions_of_numbers_keep_64_bits(models: list[str] | None, y: NDArray[np.float64]) -> None:
    if models != ["network"]:
        needs.package("lightgbm")

    config = ash.SearchConfig(models=models)
    fitted = ash.ASHRegressor(candidates=12, random_state=0, n_jobs=1, verbose=False, config=config).fit(X, y)
    predicted = fitted.predict(X)
    assert error_of(fitted, y) < 0.5 and fitted.best_score_ > 0.7 and fitted.score(X, y) > 0.75
    assert fitted.result_.ensemble(4).validation_score > 0.7
    assert (np.float32(predicted) != predicted).mean() > 0.9


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_saved_and_exported_models_keep_64_bits(y: NDArray[np.float64], tmp_path: Path) -> None:
    model = ash.tune(X, y, candidates=8, random_state=0, verbose=0, n_jobs=1, validation=0.2).ensemble(3)
    assert isinstance(model, Model) and error_of(model, y) < 0.5
    model.save(tmp_path / "m.safetensors")
    expected = model.predict(X)
    assert np.array_equal(ash.load(tmp_path / "m.safetensors").predict(X), expected)
    tolerance = 1e-5 * y.std()
    onnxruntime = needs.package("onnxruntime")
    model.to_onnx(tmp_path / "m.onnx")
    [targets] = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(["target"], {"X": X})
    assert np.abs(targets[:, 0] - expected).max() < tolerance
    model.to_cpp(tmp_path / "model.hpp")
    printed = run_program(compile_header(tmp_path, "g++"), X)
    assert np.abs(np.array(printed)[:, 0] - expected).max() < tolerance


def test_scores_of_targets_far_from_zero_are_those_of_the_same_targets_near_zero() -> None:
    y = SIGNAL[:, None]
    predictions = y + RANDOM.normal(size=y.shape)
    for metric in ("r2", "neg_root_mean_squared_error", "neg_mean_absolute_error", "neg_mean_pinball_loss"):
        near = _core.score(metric, y, predictions, 0)
        assert _core.score(metric, y + 2.0**40, predictions + 2.0**40, 0) == pytest.approx(near, rel=1e-3)
        assert _core.score(metric, y - 2.0**40, predictions - 2.0**40, 0) == pytest.approx(near, rel=1e-3)


def test_a_mean_of_outputs_keeps_their_dtype() -> None:
    for dtype in (np.float32, np.float64):
        outputs = [np.full((2, 1), value, dtype) for value in (1e9, 1e9 + 1)]
        assert average(outputs, np.array([0.5, 0.5])).dtype == dtype
    assert average(outputs, np.array([0.5, 0.5]))[0, 0] == 1e9 + 0.5


def test_a_scoring_function_gets_64_bits() -> None:
    seen = []

    def score(estimator: Any, X: Any, y: Any) -> float:
        seen.append(np.abs(estimator.predict(X) - y).max())
        return -float(seen[-1])

    y = TARGETS["a small spread"]
    ash.tune(X, y, candidates=2, verbose=0, n_jobs=1, scoring=score, validation=0.2)
    assert 0 < min(seen) < 0.02

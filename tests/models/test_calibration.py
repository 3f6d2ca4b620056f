"""Factors of logits against scipy's minimum of the same loss, and what calibration leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import ash
from ash.models.pool import GRAIN, HIGHEST, LOWEST, SPREAD, sharpen, sharpened, sharpness

pytestmark = pytest.mark.core

ROWS, CLASSES = 400, 4


def drawn(seed: int, evenness: float) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """Probabilities that are right but for a power of them, labels drawn by the right ones, and weights."""
    random = np.random.default_rng(seed)
    right = random.dirichlet([0.4] * CLASSES, ROWS)
    labels = np.array([random.choice(CLASSES, p=p) for p in right])
    even = right**evenness
    return (even / even.sum(axis=1, keepdims=True)).astype(np.float32), labels, random.uniform(0, 3, ROWS)


def loss(factor: float, predictions: Any, labels: Any, weights: Any) -> float:
    powers = np.maximum(predictions, np.finfo(np.float32).tiny).astype(np.float64) ** factor
    own = powers[np.arange(len(labels)), labels] / powers.sum(axis=1)
    return float(-(weights * np.log(own)).sum() + (factor - 1) ** 2 / (2 * SPREAD**2))


@pytest.mark.parametrize("evenness", [0.3, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_factor_is_the_minimum(evenness: float, weighted: bool) -> None:
    for seed in range(5):
        predictions, labels, weights = drawn(seed, evenness)
        counts = weights if weighted else np.ones(ROWS)
        found = sharpness(predictions, labels, weights if weighted else None)
        least = minimize_scalar(
            loss,
            bounds=(LOWEST, HIGHEST),
            args=(predictions, labels, counts),
            options={"xatol": 1e-6},
            method="bounded",
        )
        assert found == pytest.approx(least.x, abs=GRAIN)
        assert 0.7 < found * evenness < 1.4  # what was too even by a power comes back


def test_whole_weights_are_repeated_rows() -> None:
    predictions, labels, weights = drawn(7, 0.5)
    times = np.round(weights).astype(np.int64)
    repeated = sharpness(np.repeat(predictions, times, axis=0), np.repeat(labels, times), None)
    assert sharpness(predictions, labels, times.astype(np.float64)) == repeated


def test_few_rows_that_are_all_right_ask_for_little() -> None:
    for rows, most in ((1, 1.2), (10, 2.0)):
        predictions = np.tile(np.array([[0.8, 0.1, 0.1]], np.float32), (rows, 1))
        assert 1 < sharpness(predictions, np.zeros(rows, np.int64), None) < most


def test_sure_and_wrong_stays_finite() -> None:
    predictions = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    assert LOWEST <= sharpness(predictions, np.array([1, 1]), None) < 1
    assert sharpness(predictions, np.array([0, 0]), None) == 1


@pytest.fixture(scope="module")
def digits() -> tuple[Any, ...]:
    return tuple(train_test_split(*load_digits(return_X_y=True), test_size=0.5, random_state=0))


def run(digits: tuple[Any, ...], **changes: Any) -> ash.Result:
    x, _, y, _ = digits
    space = ash.Space(hidden=ash.choice((32,), (64,)), label_smoothing=ash.choice(0.0, 0.1, 0.3), optimizer="adamw")
    return ash.tune(x, y, space, candidates=6, min_epochs=8, max_rungs=2, progress=False, **changes)


def test_no_label_changes_and_unseen_probabilities_are_better(digits: tuple[Any, ...]) -> None:
    _, x_test, _, y_test = digits
    kept = run(digits).kept
    assert kept is not None and len(set(kept.factors)) > 1
    for network, factor in zip(kept.networks, kept.factors, strict=True):
        before = sharpen(network.core, 1 / factor).predict(np.asarray(x_test, np.float64), 1)
        after = network.predict_proba(x_test)
        assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
        assert np.allclose(sharpened(before, factor), after, rtol=1e-3, atol=1e-5)
        assert network.params["label_smoothing"] == 0 or log_loss(y_test, after) < log_loss(y_test, before)
    smoothed = [f for f, network in zip(kept.factors, kept.networks, strict=True) if network.params["label_smoothing"]]
    assert min(smoothed) > 1


def test_what_is_scored_by_probabilities_is_left_as_it_was_trained(digits: tuple[Any, ...]) -> None:
    for metric in ("log_loss", "auc"):
        kept = run(digits, metric=metric).kept
        assert kept is not None and set(kept.factors) == {1.0}
    assert set(run(digits, metric="balanced_accuracy").kept.factors) != {1.0}  # type: ignore[union-attr]


def test_one_thread_or_two_the_same_bits(digits: tuple[Any, ...]) -> None:
    one, two = (run(digits, threads=threads).kept for threads in (1, 2))
    assert one is not None and two is not None and one.factors == two.factors
    assert one.predictions.tobytes() == two.predictions.tobytes()


def test_a_refit_keeps_the_factor(digits: tuple[Any, ...]) -> None:
    x, x_test, y, y_test = digits
    space = ash.Space(hidden=(64,), label_smoothing=0.3, optimizer="adamw")
    settings: dict[str, Any] = {"space": space, "candidates": 1, "min_epochs": 8, "random_state": 0}
    found = [ash.ASHClassifier(refit=refit, **settings).fit(x, y).predict_proba(x_test) for refit in (False, True)]
    assert not np.array_equal(*found)
    even = ash.ASHClassifier(refit=False, scoring="neg_log_loss", **settings).fit(x, y).predict_proba(x_test)
    assert max(log_loss(y_test, each) for each in found) < log_loss(y_test, even)

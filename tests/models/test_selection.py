"""Which networks predict, against a selection in plain Python, and factors of logits, against scipy's minimum."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import ash
from ash.models.ensemble import class_errors, label_probabilities, row_losses, select, target_errors
from ash.models.model import normalized
from ash.models.model_pool import (
    GRAIN,
    HIGHEST,
    LOWEST,
    SPREAD,
    shared_sharpness,
    sharpen,
    sharpened,
    sharpness,
)

pytestmark = pytest.mark.core

ROWS = 23


def probabilities(networks: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Predictions [networks, rows, 3] and labels."""
    random = np.random.default_rng(seed)
    raw = random.gamma(0.7, size=(networks, ROWS, 3))
    return (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32), random.integers(0, 3, ROWS)


def oracle_loss(rows: list[list[float]], truth: list[list[float]], weights: list[float], scale: list[float]) -> float:
    """The mean loss of predictions; truth holds a label or targets."""
    total = 0.0
    for row, true, weight in zip(rows, truth, weights, strict=True):
        if not scale:
            total += weight * -math.log(max(row[int(true[0])], np.finfo(np.float32).tiny))
        else:
            errors = [(p - t) / s for p, t, s in zip(row, true, scale, strict=True)]
            total += weight * sum(error * error for error in errors) / len(errors)
    return total / sum(weights)


def oracle(
    predictions: list[list[list[float]]], truth: list[list[float]], weights: list[float], scale: list[float], size: int
) -> list[int]:
    """How often each network is drawn, by the rules in words of ensemble.py."""

    def averaged(draws: list[int]) -> list[list[float]]:
        rows = range(len(truth))
        outputs = range(len(predictions[0][0]))
        return [[sum(predictions[d][row][o] for d in draws) / len(draws) for o in outputs] for row in rows]

    draws = [0]
    losses = [oracle_loss(averaged(draws), truth, weights, scale)]
    while len(draws) < size:
        each = [oracle_loss(averaged([*draws, k]), truth, weights, scale) for k in range(len(predictions))]
        draws.append(each.index(min(each)))
        losses.append(min(each))
    kept = draws[: losses.index(min(losses)) + 1]
    return [kept.count(k) for k in range(len(predictions))]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_as_in_plain_python(seed: int, weighted: bool) -> None:
    predictions, labels = probabilities(2 + seed % 6, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 4, ROWS) if weighted else None
    counts = select(label_probabilities(predictions, labels), weights, 1 + 2 * seed)
    plain = [1.0] * ROWS if weights is None else weights.tolist()
    assert counts.tolist() == oracle(predictions.tolist(), labels[:, None].tolist(), plain, [], 1 + 2 * seed)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_two_targets_as_in_plain_python(seed: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    targets, scale = random.normal(size=(ROWS, 2)) * [1, 50], np.array([1.0, 50.0])
    predictions = (targets + random.normal(size=(2 + seed % 6, ROWS, 2)) * scale).astype(np.float32)
    weights = random.uniform(0.1, 4, ROWS) if weighted else None
    counts = select(target_errors(predictions, targets, scale), weights, 1 + 2 * seed)
    plain = [1.0] * ROWS if weights is None else weights.tolist()
    assert counts.tolist() == oracle(predictions.tolist(), targets.tolist(), plain, scale.tolist(), 1 + 2 * seed)


@pytest.mark.parametrize("seed", range(12))
def test_probabilities_by_their_squared_errors(seed: int) -> None:
    predictions, labels = probabilities(2 + seed % 6, seed)
    counts = select(class_errors(predictions, labels), None, 1 + 2 * seed)
    known = np.eye(3)[labels].tolist()
    assert counts.tolist() == oracle(predictions.tolist(), known, [1.0] * ROWS, [1.0] * 3, 1 + 2 * seed)


def test_of_equal_networks_the_first_is_drawn() -> None:
    predictions, labels = probabilities(3, 1)
    twice = np.concatenate([predictions, predictions[1:], predictions[1:]])
    counts = select(label_probabilities(twice, labels), None, 9)
    assert counts.sum() > 1 and counts[3:].tolist() == [0, 0, 0, 0]


def test_one_draw_is_the_best_network() -> None:
    predictions, labels = probabilities(5, 2)
    assert select(label_probabilities(predictions, labels), None, 1).tolist() == [1, 0, 0, 0, 0]


def test_more_draws_are_never_worse_and_a_prefix_that_is_worse_is_taken_back() -> None:
    for seed in range(20):
        predictions, labels = probabilities(4, seed)
        parts = label_probabilities(predictions, labels)
        counts = [select(parts, None, size) for size in range(1, 12)]
        losses = [float(row_losses(np.average(parts, axis=0, weights=each)).mean()) for each in counts]
        assert all(after <= before + 1e-12 for before, after in pairwise(losses))
    same = np.repeat(parts[:1], 3, axis=0)
    assert (select(same, None, 8) > 0).tolist() == [True, False, False]


def test_whole_weights_are_repeated_rows() -> None:
    predictions, labels = probabilities(6, 7)
    times = np.random.default_rng(3).integers(1, 4, ROWS)
    parts = label_probabilities(predictions, labels)
    repeated = np.repeat(parts, times, axis=1)
    assert select(parts, times.astype(np.float64), 16).tolist() == select(repeated, None, 16).tolist()


def test_a_probability_of_zero_costs_a_finite_loss() -> None:
    losses = row_losses(np.array([0.0, 1.0]))
    assert losses[0] == pytest.approx(87.34, abs=0.01) and losses[1] == 0


# Calibration

DRAWN, CLASSES = 400, 4


def drawn(seed: int, evenness: float) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """Probabilities that are right but for a power of them, labels drawn by the right ones, and weights."""
    random = np.random.default_rng(seed)
    right = random.dirichlet([0.4] * CLASSES, DRAWN)
    labels = np.array([random.choice(CLASSES, p=p) for p in right])
    even = right**evenness
    return (even / even.sum(axis=1, keepdims=True)).astype(np.float32), labels, random.uniform(0, 3, DRAWN)


def loss(factor: float, predictions: Any, labels: Any, weights: Any) -> float:
    powers = np.maximum(predictions, np.finfo(np.float32).tiny).astype(np.float64) ** factor
    own = powers[np.arange(len(labels)), labels] / powers.sum(axis=1)
    return float(-(weights * np.log(own)).sum() + (factor - 1) ** 2 / (2 * SPREAD**2))


@pytest.mark.parametrize("evenness", [0.3, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_factor_is_the_minimum(evenness: float, weighted: bool) -> None:
    for seed in range(5):
        predictions, labels, weights = drawn(seed, evenness)
        counts = weights if weighted else np.ones(DRAWN)
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


def test_whole_weights_are_repeated_rows_for_the_factor() -> None:
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
    return ash.tune(
        x, y, space, candidates=6, progress=False, config=ash.SearchConfig(min_epochs=8, max_rungs=2), **changes
    )


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


def test_what_a_function_scores_is_left_as_it_was_scored(digits: tuple[Any, ...]) -> None:
    for metric, factors in (("log_loss", False), ("auc", False), ("balanced_accuracy", False), ("f1_macro", True)):
        kept = run(digits, metric=metric).kept
        assert kept is not None and (set(kept.factors) == {1.0}) is factors


def test_the_log_loss_that_ranks_candidates_is_that_of_calibrated_probabilities(digits: tuple[Any, ...]) -> None:
    result = run(digits, metric="log_loss")
    kept = result.kept
    assert kept is not None
    labels = kept.targets[:, 0].astype(int)
    for network, predictions, factor in zip(kept.networks, kept.predictions, kept.factors, strict=True):
        own, uncalibrated = (log_loss(labels, normalized(sharpened(predictions, f))) for f in (1, 1 / factor))
        assert -network.validation_score == pytest.approx(own, abs=2e-3)
        assert own < uncalibrated - 0.01 or not network.params["label_smoothing"]


def test_members_share_the_factor_of_the_lowest_loss_of_their_mean() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 2000)
    logits = 2 * np.eye(3)[labels] + random.normal(0, 1.5, (4, 2000, 3))
    predictions = (np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(np.float32)
    shares = np.array([0.4, 0.3, 0.2, 0.1])

    def loss(power: float) -> float:
        mean = np.tensordot(shares, np.stack([sharpened(each, 2.0**power) for each in predictions]), 1)
        return float(log_loss(labels, normalized(mean))) + ((2.0**power - 1) / SPREAD) ** 2 / (2 * len(labels))

    found = shared_sharpness(predictions, shares, labels, None)
    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    assert found == pytest.approx(2**best.x, rel=0.03) and loss(math.log2(found)) < loss(0) - 0.01
    twice = shared_sharpness(np.tile(predictions, (1, 2, 1)), shares, np.tile(labels, 2), None)
    assert twice == shared_sharpness(predictions, shares, labels, np.full(2000, 2.0)) >= found, "the prior counts less"


def test_few_rows_that_are_all_right_do_not_make_an_ensemble_certain() -> None:
    right = np.full((2, 10, 2), [0.9, 0.1], np.float32)
    assert 1 < shared_sharpness(right, np.array([0.5, 0.5]), np.zeros(10, int), None) < 1.5


def test_a_refit_keeps_the_factor(digits: tuple[Any, ...]) -> None:
    x, x_test, y, y_test = digits
    space = ash.Space(hidden=(64,), label_smoothing=0.3, optimizer="adamw")
    config = ash.SearchConfig(min_epochs=8)
    settings: dict[str, Any] = {"space": space, "candidates": 1, "config": config, "random_state": 0}
    found = [ash.ASHClassifier(refit=refit, **settings).fit(x, y).predict_proba(x_test) for refit in (False, True)]
    assert not np.array_equal(*found)
    even = ash.ASHClassifier(refit=False, scoring="f1_macro", **settings).fit(x, y).predict_proba(x_test)
    assert max(log_loss(y_test, each) for each in found) < log_loss(y_test, even)

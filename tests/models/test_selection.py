"""Compares the selection of networks with plain Python code, and calibration factors with an exhaustive search."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import ash
from ash.models.ensemble import class_errors, label_probabilities, row_losses, select, target_errors
from ash.models.model import normalized
from ash.models.model_pool import HIGHEST, LOWEST, SPREAD, STEPS, sharpened, sharpness
from ash.models.network import sharpen
from config_help import split_once

pytestmark = pytest.mark.core

ROWS = 23


def probabilities(networks: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return predictions [networks, rows, 3] and labels."""
    random = np.random.default_rng(seed)
    raw = random.gamma(0.7, size=(networks, ROWS, 3))
    return (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32), random.integers(0, 3, ROWS)


def oracle_losses(rows: list[list[float]], truth: list[list[float]], scale: list[float]) -> list[float]:
    """Return the loss of each row. `truth` holds labels or targets."""
    losses = []
    for row, true in zip(rows, truth, strict=True):
        if not scale:
            losses.append(-math.log(max(row[int(true[0])], np.finfo(np.float32).tiny)))
        else:
            errors = [(p - t) / s for p, t, s in zip(row, true, scale, strict=True)]
            losses.append(sum(error * error for error in errors) / len(errors))
    return losses


def oracle(
    predictions: list[list[list[float]]], truth: list[list[float]], weights: list[float], scale: list[float], size: int
) -> list[int]:
    """Return how often each network is selected, by the rules described in ensemble.py."""

    def mean(values: list[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)

    def losses_of(draws: list[int]) -> list[float]:
        rows, outputs = range(len(truth)), range(len(predictions[0][0]))
        averaged = [[sum(predictions[d][row][o] for d in draws) / len(draws) for o in outputs] for row in rows]
        return oracle_losses(averaged, truth, scale)

    def clearly_worse(network: int) -> bool:
        excess = [own - best for own, best in zip(losses_of([network]), losses_of([0]), strict=True)]
        variance = mean([(value - mean(excess)) ** 2 for value in excess])
        return mean(excess) > 2 * math.sqrt(variance / sum(weights))

    draws = [0, *(network for network in range(1, min(5, size, len(predictions))) if not clearly_worse(network))]
    first, losses = len(draws), [mean(losses_of(draws))]
    while len(draws) < size:
        each = [mean(losses_of([*draws, network])) for network in range(len(predictions))]
        draws.append(each.index(min(each)))
        losses.append(min(each))
    kept = draws[: first + losses.index(min(losses))]
    return [kept.count(network) for network in range(len(predictions))]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_selection_for_classes_matches_plain_python(seed: int, weighted: bool) -> None:
    predictions, labels = probabilities(2 + seed % 6, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 4, ROWS) if weighted else None
    counts = select(label_probabilities(predictions, labels), weights, 1 + 2 * seed)
    plain = [1.0] * ROWS if weights is None else weights.tolist()
    assert counts.tolist() == oracle(predictions.tolist(), labels[:, None].tolist(), plain, [], 1 + 2 * seed)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_selection_for_two_targets_matches_plain_python(seed: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    targets, scale = random.normal(size=(ROWS, 2)) * [1, 50], np.array([1.0, 50.0])
    predictions = (targets + random.normal(size=(2 + seed % 6, ROWS, 2)) * scale).astype(np.float32)
    weights = random.uniform(0.1, 4, ROWS) if weighted else None
    counts = select(target_errors(predictions, targets, scale), weights, 1 + 2 * seed)
    plain = [1.0] * ROWS if weights is None else weights.tolist()
    assert counts.tolist() == oracle(predictions.tolist(), targets.tolist(), plain, scale.tolist(), 1 + 2 * seed)


@pytest.mark.parametrize("seed", range(12))
def test_selection_by_squared_errors_of_probabilities_matches_plain_python(seed: int) -> None:
    predictions, labels = probabilities(2 + seed % 6, seed)
    counts = select(class_errors(predictions, labels), None, 1 + 2 * seed)
    known = np.eye(3)[labels].tolist()
    assert counts.tolist() == oracle(predictions.tolist(), known, [1.0] * ROWS, [1.0] * 3, 1 + 2 * seed)


def test_the_first_of_equal_networks_is_drawn() -> None:
    predictions, labels = probabilities(6, 1)
    twice = np.concatenate([predictions, predictions[1:], predictions[1:]])
    counts = select(label_probabilities(twice, labels), None, 30)
    assert counts.sum() > 5 and counts[6:].tolist() == [0] * 10


def test_clearly_worse_networks_are_not_in_the_first_draws() -> None:
    errors = np.random.default_rng(0).normal(size=(6, 200, 1))
    errors = errors[np.argsort(np.square(errors).mean(axis=(1, 2)))]
    assert select(errors, None, 5)[:5].tolist() == [1] * 5, "all are about as good"
    errors[2] += 10
    counts = select(errors, None, 5)
    assert counts[2] == 0 and counts[[0, 1, 3, 4]].min() == 1


def test_the_best_of_the_other_kind_of_model_is_in_the_first_draws() -> None:
    errors = np.random.default_rng(1).normal(size=(9, 200, 1))
    errors = errors[np.argsort(np.square(errors).mean(axis=(1, 2)))]
    assert select(errors, None, 5).tolist() == [1] * 5 + [0] * 4
    assert select(errors, None, 6, others=[5]).tolist() == [1] * 6 + [0] * 3
    assert select(errors, None, 5, others=[3]).tolist() == [1] * 5 + [0] * 4
    assert select(errors, None, 1, others=[5]).tolist() == [1] + [0] * 8
    for size in range(2, 6):
        assert select(errors, None, size, others=[5]).tolist() == [1] * (size - 1) + [0] * (6 - size) + [1] + [0] * 3
    errors[5] += 10
    assert select(errors, None, 6, others=[5])[5] == 0


def test_one_draw_is_the_best_network() -> None:
    predictions, labels = probabilities(5, 2)
    assert select(label_probabilities(predictions, labels), None, 1).tolist() == [1, 0, 0, 0, 0]


def test_more_draws_never_increase_the_loss_and_draws_that_do_not_lower_it_are_dropped() -> None:
    for seed in range(20):
        predictions, labels = probabilities(8, seed)
        parts = label_probabilities(predictions, labels)
        counts = [select(parts, None, size) for size in range(5, 16)]
        losses = [float(row_losses(np.average(parts, axis=0, weights=each)).mean()) for each in counts]
        assert all(after <= before + 1e-12 for before, after in pairwise(losses))
    same = np.repeat(parts[:1], 7, axis=0)
    assert select(same, None, 16).tolist() == [1] * 5 + [0, 0]


def test_integer_weights_equal_repeated_rows() -> None:
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
    """Return miscalibrated predictions, labels and weights.

    Labels are drawn from true probabilities. The predictions are their powers `evenness`, normalized.
    """
    random = np.random.default_rng(seed)
    right = random.dirichlet([0.4] * CLASSES, DRAWN)
    labels = np.array([random.choice(CLASSES, p=p) for p in right])
    even = right**evenness
    return (even / even.sum(axis=1, keepdims=True)).astype(np.float32), labels, random.uniform(0, 3, DRAWN)


TRIED = [2.0 ** (step / STEPS) for step in range(LOWEST * STEPS, HIGHEST * STEPS + 1)]


def best_factor(predictions: Any, shares: Any, labels: Any, weights: Any) -> float:
    """Return the factor in `TRIED` for which the loss of the averaged predictions plus the prior's term is lowest."""

    def loss(factor: float) -> float:
        powers = np.maximum(predictions, np.finfo(np.float32).tiny).astype(np.float64) ** factor
        own = powers[:, np.arange(len(labels)), labels] / powers.sum(axis=2)
        return float(-(weights * np.log(shares @ own)).sum() + (math.log2(factor) / SPREAD) ** 2 / 2)

    return min(TRIED, key=loss)


ALONE = np.ones(1)


@pytest.mark.parametrize("evenness", [0.3, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_calibration_factor_has_the_lowest_loss_of_all_tried(evenness: float, weighted: bool) -> None:
    for seed in range(5):
        predictions, labels, weights = drawn(seed, evenness)
        counts = weights if weighted else np.ones(DRAWN)
        found = sharpness(predictions[None], ALONE, labels, weights if weighted else None)
        assert found == best_factor(predictions[None], ALONE, labels, counts)
        assert 0.7 < found * evenness < 1.4  # the factor undoes the power `evenness`


def test_integer_weights_equal_repeated_rows_in_calibration() -> None:
    predictions, labels, weights = drawn(7, 0.5)
    times = np.round(weights).astype(np.int64)
    repeated = sharpness(np.repeat(predictions, times, axis=0)[None], ALONE, np.repeat(labels, times), None)
    assert sharpness(predictions[None], ALONE, labels, times.astype(np.float64)) == repeated


def test_few_correct_rows_need_little_calibration() -> None:
    for rows, least, most in ((1, 1, 1.2), (10, 1.1, 2), (1000, 3, 4)):
        predictions = np.tile(np.array([[[0.8, 0.1, 0.1]]], np.float32), (1, rows, 1))
        assert least <= sharpness(predictions, ALONE, np.zeros(rows, np.int64), None) <= most


def test_calibration_of_certain_but_wrong_predictions_is_finite() -> None:
    predictions = np.array([[[1.0, 0.0], [1.0, 0.0]]], np.float32)
    assert sharpness(predictions, ALONE, np.array([1, 1]), None) == min(TRIED)
    assert sharpness(predictions, ALONE, np.array([0, 0]), None) == 1


@pytest.fixture(scope="module")
def digits() -> tuple[Any, ...]:
    return tuple(train_test_split(*load_digits(return_X_y=True), test_size=0.5, random_state=0))


def run(digits: tuple[Any, ...], **changes: Any) -> ash.Result:
    x, _, y, _ = digits
    space = ash.Space(hidden=ash.choice((32,), (64,)), label_smoothing=ash.choice(0.0, 0.1, 0.3), optimizer="adamw")
    return ash.tune(
        x,
        y,
        space,
        candidates=6,
        verbose=0,
        config=ash.SearchConfig(min_epochs=8, max_rungs=2),
        **split_once(changes),
    )


def test_calibration_changes_no_label_and_improves_unseen_probabilities(digits: tuple[Any, ...]) -> None:
    _, x_test, _, y_test = digits
    kept = run(digits).kept
    assert kept is not None and len(set(kept.factors)) > 1
    for network, factor in zip(kept.networks, kept.factors, strict=True):
        before = sharpen(network.core, 1 / factor).predict(np.asarray(x_test, np.float64), 1)
        after = network.predict_proba(x_test)
        assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
        assert np.allclose(sharpened(before, factor), after, rtol=1e-3, atol=1e-5)
        if network.params["label_smoothing"]:
            assert factor > 1 and log_loss(y_test, after) < log_loss(y_test, before)
        else:
            assert factor == 1


def test_networks_scored_by_a_function_are_not_calibrated(digits: tuple[Any, ...]) -> None:
    for metric, factors in (("log_loss", False), ("auc", False), ("balanced_accuracy", False), ("f1_micro", True)):
        kept = run(digits, scoring=metric).kept
        assert kept is not None and (set(kept.factors) == {1.0}) is factors


def test_candidates_are_ranked_by_the_log_loss_of_calibrated_probabilities(digits: tuple[Any, ...]) -> None:
    kept = run(digits, scoring="log_loss").kept
    assert kept is not None and {network.params["label_smoothing"] for network in kept.networks} > {0.0}
    labels = kept.targets[:, 0].astype(int)
    for network, predictions, factor in zip(kept.networks, kept.predictions, kept.factors, strict=True):
        own, uncalibrated = (log_loss(labels, normalized(sharpened(predictions, f))) for f in (1, 1 / factor))
        assert -network.validation_score == pytest.approx(own, abs=1e-6)
        assert own < uncalibrated - 0.01 or not network.params["label_smoothing"]


def test_members_share_the_factor_with_the_lowest_loss_of_their_average() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 2000)
    logits = 2 * np.eye(3)[labels] + random.normal(0, 1.5, (4, 2000, 3))
    predictions = (np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(np.float32)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    found = sharpness(predictions, shares, labels, None)
    assert found == best_factor(predictions, shares, labels, np.ones(2000)) > 1
    twice = sharpness(np.tile(predictions, (1, 2, 1)), shares, np.tile(labels, 2), None)
    assert twice == sharpness(predictions, shares, labels, np.full(2000, 2.0)) >= found, "the prior counts less"


def test_a_refit_keeps_the_calibration_factor(digits: tuple[Any, ...]) -> None:
    x, x_test, y, y_test = digits
    space = ash.Space(hidden=(64,), label_smoothing=0.3, optimizer="adamw")
    config = ash.SearchConfig(min_epochs=8)
    settings: dict[str, Any] = {"space": space, "candidates": 1, "config": config, "random_state": 0}
    settings["validation"] = 0.2
    found = [ash.ASHClassifier(refit=refit, **settings).fit(x, y).predict_proba(x_test) for refit in (False, True)]
    assert not np.array_equal(*found)
    even = ash.ASHClassifier(refit=False, scoring="f1_micro", **settings).fit(x, y).predict_proba(x_test)
    assert max(log_loss(y_test, each) for each in found) < log_loss(y_test, even)

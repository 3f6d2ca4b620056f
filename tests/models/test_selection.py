"""The greedy selection against one in plain Python."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from ash.models.selection import class_errors, label_probabilities, mean_parts, row_losses, select, target_errors

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
    """How often each network is drawn, by the rules in words of selection.py."""

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
        losses = [float(row_losses(mean_parts(parts, select(parts, None, size))).mean()) for size in range(1, 12)]
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

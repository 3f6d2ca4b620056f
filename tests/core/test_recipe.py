"""The recipe of RealMLP in the native trainer against the oracle, in every mix of its parts.

Initial parameters of an embedding and of the layers are the core's own; factors and shares of activations begin at 1. A
network has the factors multiplied into its first layer, so that is what is compared. Tolerance and epsilon:
test_training.py; less than 2e-6 is seen here.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ash import _core
from reference_network import Network
from training_help import (
    ACTIVATIONS,
    FMA_SETS,
    OPTIMIZERS,
    core_data,
    parameters,
    reference,
    robust,
    same_bits,
    settings,
    standardized,
    table,
)

pytestmark = pytest.mark.core

TOLERANCE = 5e-6
TASKS = {"regression": (2, 0), "classes": (3, 3)}
PARTS: dict[str, dict[str, Any]] = {
    "embedding": {"embedding": "periodic", "embedding_frequency": 0.2},
    "scaling": {"input_scaling": True},
    "ntk": {"parametrization": "ntk"},
    "parametric": {"parametric_activation": True},
}
COMBINATIONS = {
    "+".join(names): {key: value for name in names for key, value in PARTS[name].items()}
    for count in range(1, len(PARTS) + 1)
    for names in itertools.combinations(PARTS, count)
}
ALL = COMBINATIONS["+".join(PARTS)]


def assert_equal(network: _core.Network, expected: Network, tolerance: float) -> None:
    """Weights with the factors in them, biases, shares and parameters of the embedding."""
    weights = [layer.weights for layer in expected.dense]
    if expected.scaling is not None:
        weights[0] = weights[0] * expected.scaling.factors[:, None]
    pairs = [*zip(network.weights, weights, strict=True)]
    pairs += zip(network.biases, [layer.biases for layer in expected.dense], strict=True)
    shares = [layer.shares for layer in expected.activations if layer.shares is not None]
    pairs += zip(network.shares, shares, strict=True)
    if expected.embedding is not None:
        pairs.append((network.embedding, expected.embedding.parameters()))
    for number, (mine, theirs) in enumerate(pairs):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance, err_msg=f"array {number}")


def compare(chosen: _core.Settings, task: str, jobs: list[int], tolerance: float = TOLERANCE) -> _core.Network:
    outputs, classes = TASKS[task]
    x, y = table(60, 6, outputs, classes, seed=3)
    data = core_data(x, y, classes)
    network, losses = _core.train(data, chosen, jobs[0], cycles=len(jobs))
    target = y if classes else standardized(y)
    expected, expected_losses = reference(data, chosen, robust(x), target, classes, jobs)
    assert_equal(network, expected, tolerance)
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance, atol=tolerance)
    logits = expected.forward(robust(x))
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) if classes else logits * y.std(0) + y.mean(0)
    np.testing.assert_allclose(network.predict(x), wanted, rtol=5 * tolerance, atol=5 * tolerance)
    return network


def chosen_for(optimizer: str, task: str, depth: int = 2, **changes: Any) -> _core.Settings:
    values = {
        "hidden": (8, 16, 5)[:depth],
        "activations": ("mish", "selu", "tanh")[:depth],
        "optimizer": optimizer,
        "learning_rate": 0.02 if optimizer.startswith("adam") else 0.05,
        "epsilon": 1e-2,
        "l2": 0.0 if optimizer == "adamw" else 0.01,
        "weight_decay": 0.0 if optimizer == "adam" else 0.05,
        "label_smoothing": 0.1 if task == "classes" else 0.0,
    }
    return settings(**{**values, **changes})


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("parts", COMBINATIONS)
def test_equals_the_oracle(parts: str, optimizer: str, task: str) -> None:
    for depth in (0, 1, 3):
        compare(chosen_for(optimizer, task, depth, **COMBINATIONS[parts]), task, [1 + depth])


@pytest.mark.parametrize("parts", COMBINATIONS)
def test_a_constant_column_is_neither_embedded_nor_learned(parts: str) -> None:
    x, y = table(60, 6, 3, 3, seed=3)
    x[:, 2] = 5
    data = core_data(x, y, 3)
    chosen = chosen_for("adam", "classes", **COMBINATIONS[parts])
    network, _ = _core.train(data, chosen, 4)
    assert network.numbers == ([0, 1, 3, 4, 5] if "embedding" in parts else [])
    assert not network.weights[0][2].any()
    expected, _ = reference(data, chosen, robust(x), y, 3, [4])
    assert_equal(network, expected, TOLERANCE)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_under_ntk(activation: str) -> None:
    for task in TASKS:
        compare(chosen_for("adamw", task, 2, activations=(activation,) * 2, **ALL), task, [5])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_jobs_are_two_cycles_with_one_optimizer_state(optimizer: str) -> None:
    compare(chosen_for(optimizer, "classes", **ALL), "classes", [3, 3])
    compare(chosen_for(optimizer, "regression", learning_rate_schedule="constant", **ALL), "regression", [2, 2])


@pytest.mark.parametrize("parts", COMBINATIONS)
def test_each_part_is_felt_and_learned(parts: str) -> None:
    """What is given differs from what is not; and an embedding and factors move away from where they began."""
    outputs, classes = TASKS["classes"]
    data = core_data(*table(60, 6, outputs, classes, seed=3), classes)
    chosen = chosen_for("adamw", "classes", **COMBINATIONS[parts])
    network, losses = _core.train(data, chosen, 6)
    plain, plain_losses = _core.train(data, chosen_for("adamw", "classes"), 6)
    assert not np.array_equal(losses, plain_losses)
    assert network.weights[0].shape == (24 if "embedding" in parts else 6, 8)
    assert plain.numbers == [] and network.numbers == (list(range(6)) if "embedding" in parts else [])
    before, _ = _core.train(data, chosen, 0)
    moved = np.abs(network.embedding - before.embedding)
    for rows in (slice(0, 16), slice(16, 32), slice(32, 80), slice(80, 83)) if "embedding" in parts else ():
        assert (moved[rows] > 1e-6).mean() > 0.9


@pytest.mark.parametrize("batch_size", [0, 16])
@pytest.mark.parametrize("parts", COMBINATIONS)
def test_instruction_sets_agree_bit_for_bit(parts: str, batch_size: int) -> None:
    data = core_data(*table(75, 17, 3, 3), 3)
    chosen = chosen_for("adamw", "classes", batch_size=batch_size, dropout=0.2, **COMBINATIONS[parts])
    best, losses = _core.train(data, chosen, 3, cycles=2)
    x = table(75, 17, 3, 3)[0]
    for name in FMA_SETS:
        network, own = _core.train(data, chosen, 3, cycles=2, instruction_set=name)
        assert same_bits(parameters(network), parameters(best)) and same_bits(own, losses), name
        assert same_bits(network.predict(x, 1, name), best.predict(x, 2)), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_equals_uninterrupted(optimizer: str) -> None:
    data = core_data(*table(75, 6, 3, 3), 3)
    changes = {"learning_rate_schedule": "constant", "batch_size": 16, "dropout": 0.3}
    chosen = chosen_for(optimizer, "classes", **changes, **ALL)
    once, once_losses = _core.train(data, chosen, 6)
    for cycles in (2, 3, 6):
        resumed, losses = _core.train(data, chosen, 6 // cycles, cycles=cycles)
        assert same_bits(parameters(once), parameters(resumed))
        assert same_bits(once_losses, losses)


def test_the_frequency_has_no_effect_without_an_embedding() -> None:
    data = core_data(*table(60, 6, 3, 3), 3)
    found = [parameters(_core.train(data, settings(embedding_frequency=value), 3)[0]) for value in (0.0, 0.1, 1e6)]
    assert same_bits(found[0], found[1]) and same_bits(found[0], found[2])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_parametric_activations_begin_as_plain_ones_and_move(activation: str) -> None:
    """Those of the identity have no gradient, and l2 and decay leave shares alone."""
    x, y = table(60, 6, 3, 3)
    data = core_data(x, y, 3)
    chosen = {"hidden": (9, 5), "activations": (activation,) * 2, "l2": 0.5, "weight_decay": 0.5}
    plain, _ = _core.train(data, settings(**chosen), 0)
    begun, _ = _core.train(data, settings(parametric_activation=True, **chosen), 0)
    assert plain.shares == [] and [share.tolist() for share in begun.shares] == [[1.0] * 9, [1.0] * 5]
    np.testing.assert_array_equal(begun.predict(x), plain.predict(x))
    moved, _ = _core.train(data, settings(parametric_activation=True, **chosen), 3)
    still = [bool((share == 1).all()) for share in moved.shares]
    assert still == [activation == "identity"] * 2


@pytest.mark.parametrize("frequency", [0.0, 1e6])
def test_the_largest_and_the_smallest_frequency_train(frequency: float) -> None:
    data = core_data(*table(60, 6, 3, 3), 3)
    chosen = chosen_for("adamw", "classes", **{**ALL, "embedding_frequency": frequency})
    network, losses = _core.train(data, chosen, 5)
    assert np.isfinite(losses).all() and np.isfinite(parameters(network)).all()


def test_an_embedding_finds_a_wave_that_a_plain_network_does_not() -> None:
    """Eight waves over the range of x, for a linear model: without an embedding there is nothing to be found."""
    x = np.linspace(-1, 1, 400)[:, None]
    data = core_data(x, np.sin(8 * np.pi * x), 0)
    changes = {"optimizer": "adamw", "learning_rate": 0.03, "batch_size": 20, "parametrization": "ntk"}
    _, plain = _core.train(data, settings(**changes), 60)
    _, embedded = _core.train(data, settings(**changes, embedding="periodic", embedding_frequency=2.0), 60)
    assert plain[-1] > 0.9
    assert embedded[-1] < 0.1


@pytest.mark.parametrize("initialization", ["auto", "he", "xavier"])
def test_ntk_begins_with_variance_one_a_row_and_zeros_at_the_end(initialization: str) -> None:
    """Where the initialization is not named; one that is named is meant."""
    data = core_data(*table(20, 400, 1, 0), 0)
    chosen = {"hidden": (300,), "activations": ("relu",), "initialization": initialization}
    network, _ = _core.train(data, settings(**chosen, parametrization="ntk"), 0)
    plain, _ = _core.train(data, settings(**chosen), 0)
    if initialization == "auto":
        assert network.weights[0].var() == pytest.approx(1 / 400, rel=0.013)
        assert np.abs(network.weights[0]).max() <= np.sqrt(3 / 400) * (1 + 1e-6)
        assert not network.weights[1].any()
    else:
        assert same_bits(parameters(network), parameters(plain))


@pytest.mark.parametrize("frequency", [0.1, 3.0])
def test_an_embedding_begins_as_documented(frequency: float) -> None:
    """Normal frequencies; phases in a turn, mixes and biases of a layer with 16 inputs, uniform.

    16 * 2000 frequencies: their variance errs by sqrt(2 / 32,000) = 0.8 %, of which five are allowed.
    """
    data = core_data(np.random.default_rng(0).normal(size=(8, 2000)), np.arange(8.0)[:, None], 0)
    chosen = settings(embedding="periodic", embedding_frequency=frequency)
    network, _ = _core.train(data, chosen, 0)
    frequencies, phases, mixes, biases = np.split(network.embedding.astype(np.float64), [16, 32, 80])
    assert network.embedding.shape == (83, 2000)
    scaled = frequencies / frequency
    assert scaled.var() == pytest.approx(1, rel=0.04)
    assert abs(scaled.mean()) < 5 / np.sqrt(scaled.size)
    assert (scaled**4).mean() == pytest.approx(3, rel=0.1)  # of twelve uniform numbers 2.9
    for part, bound in ((phases, 0.5), (mixes, 0.25), (biases, 0.25)):
        assert 0.99 * bound < np.abs(part).max() <= bound
        assert part.var() == pytest.approx(bound**2 / 3, rel=0.05)
        assert abs(part.mean()) < 5 * bound / np.sqrt(3 * part.size)
    rows = np.corrcoef(network.embedding)
    assert np.abs(rows - np.eye(83)).max() < 6 / np.sqrt(2000)
    other, _ = _core.train(data, chosen, 0, candidate=1)
    assert (other.embedding == network.embedding).mean() < 1e-4
    assert abs(np.corrcoef(other.embedding.ravel(), network.embedding.ravel())[0, 1]) < 5 / np.sqrt(83 * 2000)

"""Compares the native trainer with the oracle in double precision, step by step from the same initial weights.

Tolerance: the core computes in float32 (unit roundoff u = 6e-8). A sum of K products errs by at most K u times the sum
of their magnitudes. Here K is at most 60 (rows) or 16 (inputs) and magnitudes are near 1, so one step errs by at most
about 1e-6. Later steps hardly increase the error, so it is below 2e-5 after five steps. The largest error observed is
1.7e-6, relative to 1 + |value|; three times this error is allowed.

Adam divides by sqrt(second moment) + epsilon. With the usual epsilon 1e-8, a rounding error in a gradient near 0 can
cause a step of any size up to the rate. These tests use epsilon 1e-2, which is at least every rate here, so that no
error grows. Only one test below uses 1e-8.

A pre-activation within 1e-6 of 0, the corner of relu, could get either sign. The fixed seeds give no such value.
"""

from typing import Any

import numpy as np
import pytest

from ash import _core
from reference_layers import softmax
from reference_network import Network
from training_help import (
    ACTIVATIONS,
    ALL,
    COMBINATIONS,
    FMA_SETS,
    OPTIMIZERS,
    chosen_for,
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
TASKS = {
    "regression-1": (1, 0),
    "regression-2": (2, 0),
    "regression-3": (3, 0),
    "regression-10": (10, 0),
    "classes-2": (2, 2),
    "classes-3": (3, 3),
    "classes-10": (10, 10),
}


def assert_equal(network: _core.Network, expected: Network, tolerance: float = TOLERANCE) -> None:
    """Check that the core's network has the oracle's parameters; its weights include the input factors."""
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


def compare(chosen: _core.Settings, task: str, jobs: list[int], tolerance: float = TOLERANCE) -> None:
    """Train the core's network and the oracle for jobs of these epochs; compare parameters, losses and predictions."""
    outputs, classes = TASKS[task]
    x, y = table(60, 6, outputs, classes, seed=3)
    data = core_data(x, y, classes)
    network, losses = _core.train(data, chosen, jobs[0], cycles=len(jobs))
    target = y if classes else standardized(y)
    expected, expected_losses = reference(data, chosen, robust(x), target, classes, jobs)
    assert_equal(network, expected, tolerance)
    assert losses.shape == (sum(jobs),)
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance, atol=tolerance)
    new, _ = table(37, 6, outputs, classes, seed=4)
    for layer in expected.dense:
        layer.rounded = False  # predictions are computed in float32, without rounding to bfloat16
    logits = expected.forward(robust(new, network.input_center, network.input_scale))
    wanted = softmax(logits) if classes else logits * y.std(axis=0) + y.mean(axis=0)
    found = network.predict(np.ascontiguousarray(new))
    assert found.dtype == (np.float32 if classes else np.float64)
    np.testing.assert_allclose(found, wanted, rtol=5 * tolerance, atol=5 * tolerance)


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_the_oracle(activation: str, depth: int) -> None:
    """Compare with the oracle after 1 to 5 full-batch epochs. Activation, depth and optimizer determine the task."""
    for number, optimizer in enumerate(OPTIMIZERS):
        task = list(TASKS)[(ACTIVATIONS.index(activation) + 5 * depth + number) % len(TASKS)]
        compare(chosen_for(optimizer, task, depth, activations=(activation,) * depth), task, [1 + number])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("parts", ["", *COMBINATIONS])
def test_the_recipe_equals_the_oracle(parts: str, optimizer: str) -> None:
    for task in ("regression-2", "classes-3"):
        for depth in (0, 1, 3):
            compare(chosen_for(optimizer, task, depth, **COMBINATIONS.get(parts, {})), task, [1 + depth])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("parts", [{}, ALL], ids=["plain", "recipe"])
def test_two_jobs_are_two_cycles_with_one_optimizer_state(parts: dict[str, Any], optimizer: str) -> None:
    chosen = chosen_for(optimizer, "classes-3", **parts)
    compare(chosen, "classes-3", [3, 3])
    compare(chosen_for(optimizer, "regression-2", learning_rate_schedule="constant", **parts), "regression-2", [2, 2])
    data = core_data(*table(60, 6, 3, 3), 3)
    one, two = (_core.train(data, chosen, 6 // cycles, cycles=cycles)[0] for cycles in (1, 2))
    assert not np.array_equal(parameters(two), parameters(one)), "a second cycle starts at the full rate again"


@pytest.mark.parametrize("name", ["momentum", "beta1", "beta2", "epsilon", "l2", "weight_decay", "label_smoothing"])
def test_each_hyperparameter_is_used_as_written(name: str) -> None:
    """Check that training with a value far from the default agrees with the oracle, and gives other weights."""
    value = {"momentum": 0.5, "beta1": 0.5, "beta2": 0.8, "epsilon": 0.1, "l2": 0.5}.get(name, 0.4)
    common = {"hidden": (8,), "activations": ("tanh",), "learning_rate": 0.05, "epsilon": 1e-2}
    optimizer = "momentum" if name == "momentum" else "adamw"
    changed = settings(**{**common, "optimizer": optimizer, name: value})
    compare(changed, "classes-3", [4])
    data = core_data(*table(60, 6, 3, 3, seed=3), 3)
    plain, _ = _core.train(data, settings(**common, optimizer=optimizer), 4)
    other, _ = _core.train(data, changed, 4)
    assert np.abs(parameters(plain) - parameters(other)).max() > 1e-4


def test_activations_differ_layer_by_layer() -> None:
    compare(settings(hidden=(5, 6, 7), activations=("relu", "tanh", "gelu")), "classes-3", [5])
    compare(settings(hidden=(5, 6, 7), activations=("silu", "identity", "sigmoid")), "regression-3", [5])


@pytest.mark.parametrize("hidden", [(1,), (1, 1), (4096,), (4096, 1), (1, 4096), (33, 65)])
@pytest.mark.parametrize("task", ["regression-1", "classes-10"])
def test_narrow_and_wide_layers(task: str, hidden: tuple[int, ...]) -> None:
    """F55: compare with the oracle for widths 1 and 4096. Sums of 4096 products need five times the usual tolerance."""
    chosen = settings(hidden=hidden, activations=("tanh",) * len(hidden), learning_rate=0.01)
    compare(chosen, task, [3], tolerance=5 * TOLERANCE)


def test_adam_with_its_usual_epsilon() -> None:
    """Check the first step. It is rate * sign(gradient), so rounding matters only if a gradient is tiny."""
    x, y = table(60, 6, 3, 3, seed=3)
    data = core_data(x, y, 3)
    chosen = settings(hidden=(8,), activations=("tanh",), optimizer="adam", learning_rate=0.01)
    network, _ = _core.train(data, chosen, 1)
    initial, _ = _core.train(data, chosen, 0)
    expected, _ = reference(data, chosen, robust(x), y, 3, [1])
    for number, layer in enumerate(expected.dense):
        steady = np.abs(layer.weight_gradient) > 1e-4
        assert steady.mean() > 0.9
        moved = network.weights[number].astype(np.float64) - initial.weights[number]
        wanted = -0.01 * np.sign(layer.weight_gradient)
        np.testing.assert_allclose(moved[steady], wanted[steady], atol=2e-5)


def test_unscaled_features_stay_unchanged() -> None:
    """Check that without standardized features only the target is standardized."""
    x, y = np.random.default_rng(5).normal(size=(40, 4)), np.random.default_rng(6).normal(size=(40, 2))
    x = x.astype(np.float32).astype(np.float64)
    data = core_data(x, y, 0, standardize=False)
    chosen = settings(hidden=(7,), activations=("tanh",))
    network, _ = _core.train(data, chosen, 3)
    expected, _ = reference(data, chosen, x, standardized(y), 0, [3])
    assert_equal(network, expected)
    assert network.input_center.tolist() == network.input_limit.tolist() == [0] * 4
    assert network.input_scale.tolist() == [1] * 4


@pytest.mark.parametrize("parts", COMBINATIONS)
def test_a_constant_column_is_neither_embedded_nor_learned(parts: str) -> None:
    x, y = table(60, 6, 3, 3, seed=3)
    x[:, 2] = 5
    data = core_data(x, y, 3)
    chosen = chosen_for("adam", "classes-3", **COMBINATIONS[parts])
    network, _ = _core.train(data, chosen, 4)
    assert network.numbers == ([0, 1, 3, 4, 5] if "embedding" in parts else [])
    assert not network.weights[0][2].any()
    expected, _ = reference(data, chosen, robust(x), y, 3, [4])
    assert_equal(network, expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_under_ntk(activation: str) -> None:
    for task in ("regression-2", "classes-3"):
        compare(chosen_for("adamw", task, 2, activations=(activation,) * 2, **ALL), task, [5])


@pytest.mark.parametrize("parts", [{}, ALL], ids=["plain", "recipe"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_factors_of_products_are_rounded_to_bfloat16(optimizer: str, parts: dict[str, Any]) -> None:
    """Train only one or two epochs: float32's errors can move a factor across a tie, which changes it by 1/256."""
    changes = {**parts, "learning_rate": 0.05 if optimizer.startswith("adam") else 0.5}
    for task, epochs in (("regression-2", 1), ("classes-3", 2)):
        chosen = chosen_for(optimizer, task, 3, precision="bf16", **changes)
        compare(chosen, task, [epochs])
        data = core_data(*table(60, 6, *TASKS[task], seed=3), TASKS[task][1])
        rounded, _ = _core.train(data, chosen, epochs)
        plain, _ = _core.train(data, chosen_for(optimizer, task, 3, **changes), epochs)
        assert np.abs(parameters(rounded) - parameters(plain)).max() > 3 * TOLERANCE
        for name in FMA_SETS:
            again, _ = _core.train(data, chosen, epochs, instruction_set=name)
            assert same_bits(parameters(again), parameters(rounded)), name


def test_the_first_layer_is_rounded_where_no_column_is_a_number() -> None:
    x = np.random.default_rng(0).normal(size=(60, 6))
    y = np.arange(60.0)[:, None] % 3
    found = {}
    for standardize in (True, False):
        data = core_data(x, y, 3, standardize=standardize)
        for precision in ("fp32", "bf16"):
            found[standardize, precision] = parameters(_core.train(data, settings(precision=precision), 3)[0])
    assert same_bits(found[True, "fp32"], found[True, "bf16"])
    assert not np.array_equal(found[False, "fp32"], found[False, "bf16"])

"""The native trainer against the oracle in double precision, step by step from the same initial weights.

Tolerance: the core computes in float32 (unit roundoff u = 6e-8). A sum of K products errs by at most K u times the sum
of magnitudes; here K <= 60 rows or 16 inputs and magnitudes near 1, so one step errs by some 1e-6 at most and five
steps, each a smooth map of the weights with a rate that expands little, by less than 2e-5. Seen is 1.7e-6 (of 1 +
|value|); three times that is allowed. Adam divides by sqrt(second moment) + epsilon; with the usual epsilon 1e-8 that
turns rounding of a gradient near 0 into a step of any size up to the rate, so these tests take epsilon 1e-2, which no
rate here exceeds: no error grows; one test below takes 1e-8.
Corners of relu: a pre-activation within 1e-6 of 0 could fall on either side; the fixed seeds have none.
"""

from __future__ import annotations

import numpy as np
import pytest

from ash import _core
from training_help import (
    ACTIVATIONS,
    OPTIMIZERS,
    core_data,
    parameters,
    reference,
    robust,
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
DEPTHS: dict[int, tuple[int, ...]] = {0: (), 1: (9,), 2: (8, 16), 3: (5, 7, 6)}


def compare(
    chosen: _core.Settings, task: str, jobs: int, epochs: int, rows: int = 60, tolerance: float = TOLERANCE
) -> None:
    """Trains both for so many jobs of so many epochs; weights, biases, losses and predictions must agree."""
    outputs, classes = TASKS[task]
    x, y = table(rows, 6, outputs, classes, seed=3)
    data = core_data(x, y, classes)
    network, losses = _core.train(data, chosen, epochs, cycles=jobs)
    expected, expected_losses = reference(
        data, chosen, robust(x), y if classes else standardized(y), classes, [epochs] * jobs
    )
    for number, layer in enumerate(expected.dense):
        note = f"layer {number} of {task}"
        np.testing.assert_allclose(network.weights[number], layer.weights, rtol=tolerance, atol=tolerance, err_msg=note)
        np.testing.assert_allclose(network.biases[number], layer.biases, rtol=tolerance, atol=tolerance, err_msg=note)
    assert losses.shape == (epochs * jobs,)
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("depth", sorted(DEPTHS))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_the_oracle(activation: str, optimizer: str, depth: int) -> None:
    """Every task and 1 to 5 full-batch epochs for each activation, optimizer and depth."""
    for number, (task, (_, classes)) in enumerate(TASKS.items()):
        chosen = settings(
            hidden=DEPTHS[depth],
            activations=(activation,) * depth,
            optimizer=optimizer,
            learning_rate=0.02 if optimizer.startswith("adam") else 0.1,
            epsilon=1e-2,
            l2=0.01,
            weight_decay=0.0 if optimizer == "adam" else 0.05,
            label_smoothing=0.1 if classes else 0.0,
        )
        compare(chosen, task, jobs=1, epochs=1 + number % 5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("task", ["regression-2", "classes-3"])
def test_two_jobs_are_two_cycles_with_one_optimizer_state(task: str, optimizer: str) -> None:
    chosen = settings(hidden=(8,), activations=("tanh",), optimizer=optimizer, learning_rate=0.05, epsilon=1e-2)
    compare(chosen, task, jobs=2, epochs=3)
    two, _ = _core.train(core_data(*table(60, 6, 2, 0), 0), chosen, 3, cycles=2)
    one, _ = _core.train(core_data(*table(60, 6, 2, 0), 0), chosen, 6, cycles=1)
    assert not np.array_equal(parameters(two), parameters(one)), "a second cycle starts at the full rate again"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_constant_learning_rate(optimizer: str) -> None:
    chosen = settings(
        hidden=(8,),
        activations=("silu",),
        optimizer=optimizer,
        learning_rate=0.02,
        learning_rate_schedule="constant",
        epsilon=1e-2,
    )
    compare(chosen, "classes-3", jobs=2, epochs=2)


@pytest.mark.parametrize("name", ["momentum", "beta1", "beta2", "epsilon", "l2", "weight_decay", "label_smoothing"])
def test_each_hyperparameter_is_used_as_written(name: str) -> None:
    """A value far from the default agrees with the oracle and changes the weights."""
    value = {"momentum": 0.5, "beta1": 0.5, "beta2": 0.8, "epsilon": 0.1, "l2": 0.5}.get(name, 0.4)
    common = {"hidden": (8,), "activations": ("tanh",), "learning_rate": 0.05, "epsilon": 1e-2}
    optimizer = "momentum" if name == "momentum" else "adamw"
    changed = settings(**{**common, "optimizer": optimizer, name: value})
    compare(changed, "classes-3", jobs=1, epochs=4)
    data = core_data(*table(60, 6, 3, 3, seed=3), 3)
    plain, _ = _core.train(data, settings(**common, optimizer=optimizer), 4)
    other, _ = _core.train(data, changed, 4)
    assert np.abs(parameters(plain) - parameters(other)).max() > 1e-4


def test_activations_differ_layer_by_layer() -> None:
    compare(settings(hidden=(5, 6, 7), activations=("relu", "tanh", "gelu")), "classes-3", jobs=1, epochs=5)
    compare(settings(hidden=(5, 6, 7), activations=("silu", "identity", "sigmoid")), "regression-3", jobs=1, epochs=5)


@pytest.mark.parametrize("hidden", [(1,), (1, 1), (4096,), (4096, 1), (1, 4096), (33, 65)])
@pytest.mark.parametrize("task", ["regression-1", "classes-10"])
def test_narrow_and_wide_layers(task: str, hidden: tuple[int, ...]) -> None:
    """F55: width 1, and 4096: sums of 4096 products, so the tolerance is five times as wide."""
    chosen = settings(hidden=hidden, activations=("tanh",) * len(hidden), learning_rate=0.01)
    compare(chosen, task, jobs=1, epochs=3, tolerance=5 * TOLERANCE)


def test_adam_with_its_usual_epsilon() -> None:
    """Where a gradient is not tiny the first step is rate * sign(gradient), whatever the gradient's rounding."""
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


def test_unscaled_features_are_taken_as_they_are() -> None:
    """Only the target is standardized then."""
    x, y = np.random.default_rng(5).normal(size=(40, 4)), np.random.default_rng(6).normal(size=(40, 2))
    x = x.astype(np.float32).astype(np.float64)
    data = core_data(x, y, 0, standardize=False)
    chosen = settings(hidden=(7,), activations=("tanh",))
    network, _ = _core.train(data, chosen, 3)
    expected, _ = reference(data, chosen, x, standardized(y), 0, [3])
    for number, layer in enumerate(expected.dense):
        np.testing.assert_allclose(network.weights[number], layer.weights, rtol=TOLERANCE, atol=TOLERANCE)
    np.testing.assert_array_equal(network.input_center, np.zeros(4))
    np.testing.assert_array_equal(network.input_scale, np.ones(4))
    np.testing.assert_array_equal(network.input_limit, np.zeros(4))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_predictions_equal_the_oracle(task: str) -> None:
    """Of new rows, in the target's own units or as probabilities."""
    outputs, classes = TASKS[task]
    x, y = table(60, 6, outputs, classes, seed=3)
    data = core_data(x, y, classes)
    chosen = settings(hidden=(8, 5), activations=("gelu", "tanh"), learning_rate=0.2)
    network, _ = _core.train(data, chosen, 5)
    expected, _ = reference(data, chosen, robust(x), y if classes else standardized(y), classes, [5])
    new, _ = table(37, 6, outputs, classes, seed=4)
    lower, center, upper = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    outputs_of_new = expected.forward(robust(new, center, upper - lower))
    if classes:
        powers = np.exp(outputs_of_new - outputs_of_new.max(axis=1, keepdims=True))
        wanted = powers / powers.sum(axis=1, keepdims=True)
    else:
        wanted = outputs_of_new * y.std(axis=0) + y.mean(axis=0)
    got = network.predict(np.ascontiguousarray(new))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=5 * TOLERANCE, atol=5 * TOLERANCE)
    np.testing.assert_allclose(network.input_center, center, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.input_scale, upper - lower, rtol=1e-12)
    np.testing.assert_array_equal(network.input_limit, np.full(6, 3.0))

"""Implements a multilayer perceptron and its trainer in plain NumPy and float64, as the oracle for the core's network.

The code follows the formulas as naively as possible: no fusing, no reuse of buffers, one class per layer
(`reference_layers.py`). It shares no code with the core. `test_reference_network.py` compares both files with
numerical differences, scikit-learn and PyTorch.

    x [rows, features] -> (Embedding) -> (Scaling) -> Dense -> Activation -> ... -> Dense -> loss

An update first computes the gradient g of the loss. Then it adds l2 * W to g (only for weights), and the optimizer
computes the direction u from g. Finally W -= rate * (share * u + weight_decay * W), where both terms use W from before
the update, and only weights decay. The share is 1, except for phases, which are in turns: their share is 1 / (2 pi).
Parametrization "ntk" multiplies the share by 1 / sqrt(inputs) for weights, by 0.1 for biases, activations' shares and
an embedding's parameters, and by 6 for input factors (Holzmueller et al., arXiv 2407.04491, A.1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from reference_layers import Activation, Array, CrossEntropy, Dense, Embedding, Scaling, SquaredError


@dataclass
class Hyperparameters:
    """The hyperparameters of a candidate, named as in `ash`; dropout is left out, since it is random."""

    hidden: tuple[int, ...] = ()
    activations: tuple[str, ...] = ()
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    learning_rate_schedule: str = "cycle"
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    batch_size: int = 0
    parametrization: str = "standard"
    parametric_activation: bool = False
    precision: str = "fp32"


class Optimizer:
    """Turns the gradient of one parameter into the direction of its update, and keeps the optimizer state.

    momentum and nesterov: Sutskever et al. 2013, in PyTorch's form; adam: Kingma and Ba 2015, Algorithm 1.
    """

    def __init__(self, settings: Hyperparameters) -> None:
        self.settings = settings
        self.velocity: Array | float = 0.0
        self.first: Array | float = 0.0
        self.second: Array | float = 0.0
        self.steps = 0

    def direction(self, gradient: Array) -> Array:
        name = self.settings.optimizer
        if name == "sgd":
            return gradient
        if name == "momentum":
            self.velocity = self.settings.momentum * self.velocity + gradient
            return np.asarray(self.velocity)
        if name == "nesterov":
            self.velocity = self.settings.momentum * self.velocity + gradient
            return gradient + self.settings.momentum * self.velocity
        return self.adam(gradient)

    def adam(self, gradient: Array) -> Array:
        self.steps += 1
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        self.first = beta1 * self.first + (1 - beta1) * gradient
        self.second = beta2 * self.second + (1 - beta2) * gradient**2
        mean = self.first / (1 - beta1**self.steps)
        square = self.second / (1 - beta2**self.steps)
        return np.asarray(mean / (np.sqrt(square) + self.settings.epsilon))


class Network:
    """An optional embedding and scaling, dense layers with activations between them, and a loss."""

    def __init__(
        self,
        weights: Sequence[Array],
        biases: Sequence[Array],
        settings: Hyperparameters,
        classes: int,
        embedding: Embedding | None = None,
        scaling: Scaling | None = None,
    ) -> None:
        self.embedding, self.scaling = embedding, scaling
        self.dense = [Dense(w, b) for w, b in zip(weights, biases, strict=True)]
        for layer in self.dense[1:]:  # the first layer reads the table's numbers, which need more bits
            layer.rounded = settings.precision == "bf16"
        self.layers: list[Any] = [layer for layer in (embedding, scaling) if layer is not None]
        for number, layer in enumerate(self.dense):
            self.layers.append(layer)
            if number + 1 < len(self.dense):
                shares = np.ones(len(layer.biases)) if settings.parametric_activation else None
                self.layers.append(Activation(settings.activations[number], shares))
        self.activations = [layer for layer in self.layers if isinstance(layer, Activation)]
        self.loss = CrossEntropy(classes, settings.label_smoothing) if classes else SquaredError()

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def gradients(self, x: Array, y: Array) -> float:
        """Return the loss of the batch, and store each layer's gradients in the layer."""
        loss = self.loss.forward(self.forward(x), y)
        slope = self.loss.backward()
        for layer in reversed(self.layers):
            slope = layer.backward(slope)
        return loss


class Parameter(NamedTuple):
    """Names a learned attribute of a layer and the attribute that holds its gradient, and says how to update it."""

    layer: Any
    name: str
    gradient: str
    share: float
    shrinks: bool = False


def parameters_of(network: Network, ntk: bool) -> list[Parameter]:
    """Return all learned parameters, each with its share of the learning rate."""
    found = []
    for dense in network.dense:
        share = 1 / math.sqrt(len(dense.weights)) if ntk else 1.0
        found.append(Parameter(dense, "weights", "weight_gradient", share, shrinks=True))
        found.append(Parameter(dense, "biases", "bias_gradient", 0.1 if ntk else 1.0))
    for activation in network.activations:
        if activation.shares is not None:
            found.append(Parameter(activation, "shares", "shares_gradient", 0.1 if ntk else 1.0))
    if network.scaling is not None:
        found.append(Parameter(network.scaling, "factors", "factors_gradient", 6.0 if ntk else 1.0))
    for name in ("frequency", "phase", "mix", "bias") if network.embedding is not None else ():
        share = (0.1 if ntk else 1.0) / (2 * math.pi if name == "phase" else 1)
        found.append(Parameter(network.embedding, name, f"{name}_gradient", share))
    return found


class Trainer:
    """Trains a network job by job; the state of the optimizer is kept between jobs."""

    def __init__(self, network: Network, settings: Hyperparameters) -> None:
        self.network, self.settings = network, settings
        parameters = parameters_of(network, settings.parametrization == "ntk")
        self.learned = [(parameter, Optimizer(settings)) for parameter in parameters]

    def rate(self, step: int, steps: int) -> float:
        if self.settings.learning_rate_schedule == "constant":
            return self.settings.learning_rate
        return self.settings.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2

    def update(self, rate: float) -> None:
        """Update all parameters; all gradients are from the same batch, so the order does not matter."""
        for (layer, name, gradient_name, share, shrinks), optimizer in self.learned:
            value, gradient = getattr(layer, name), getattr(layer, gradient_name)
            l2, decay = (self.settings.l2, self.settings.weight_decay) if shrinks else (0.0, 0.0)
            direction = optimizer.direction(gradient + l2 * value)
            setattr(layer, name, value - rate * (share * direction + decay * value))

    def job(self, x: Array, y: Array, epochs: int, orders: Sequence[Sequence[int]] | None = None) -> list[float]:
        """Train and return the loss of each epoch: the mean over rows, each scored just before its batch's update.

        `orders` contains the rows of each epoch in order. All epochs have equally many rows; by default, all rows in
        their given order.
        """
        rows = len(x) if orders is None else len(orders[0])
        batch = min(self.settings.batch_size or rows, rows)
        steps, step, losses = epochs * math.ceil(rows / batch), 0, []
        for epoch in range(epochs):
            order = np.arange(rows) if orders is None else np.asarray(orders[epoch])
            total = 0.0
            for start in range(0, rows, batch):
                chosen = order[start : start + batch]
                total += self.network.gradients(x[chosen], y[chosen]) * len(chosen)
                self.update(self.rate(step, steps))
                step += 1
            losses.append(total / rows)
        return losses


def random_parameters(sizes: Sequence[int], seed: int) -> tuple[list[Array], list[Array]]:
    """Return random weights and biases for layers of these sizes, for tests of the oracle only."""
    random = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    return [random.normal(size=p) / math.sqrt(p[0]) for p in pairs], [random.normal(size=p[1]) * 0.1 for p in pairs]

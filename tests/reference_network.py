"""A multilayer perceptron and its trainer in plain numpy, all in float64: the oracle for the native ones.

Written from the formulas, as naively as possible: no fusing, no reuse of buffers, one class a layer with `forward` and
`backward`. Nothing here is shared with the native core, and `test_reference_network.py` checks this file itself
against numerical differences, scikit-learn and PyTorch.

    x [rows, features] -> Dense -> Activation -> ... -> Dense -> loss

Letters: n rows of a batch, i inputs of a layer, o outputs of a layer.
Order of one update: gradient g of the loss; g += l2 * W (weights only); direction u of the optimizer from g;
W -= rate * (u + weight_decay * W) (decay on weights only, both on the W before the update).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class Hyperparameters:
    """What a candidate is trained with; names and meaning as in `ash`, dropout left out (it is random)."""

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


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow: exp is only taken of numbers that are not positive."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def gelu(x: Array) -> Array:
    """The tanh form of Hendrycks and Gimpel (arXiv 1606.08415, section 2)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x: Array) -> Array:
    """The derivative of `gelu`, by the product rule."""
    inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    inner_slope = (1 - inner**2) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    return 0.5 * (1 + inner) + 0.5 * x * inner_slope


FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "gelu": (gelu, gelu_slope),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "identity": (lambda x: x, lambda x: np.ones_like(x)),
}


class Dense:
    """y = x W + b with W [i, o] and b [o]."""

    def __init__(self, weights: Array, biases: Array) -> None:
        self.weights = np.array(weights, dtype=np.float64)
        self.biases = np.array(biases, dtype=np.float64)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights + self.biases

    def backward(self, slope: Array) -> Array:
        self.weight_gradient = self.x.T @ slope
        self.bias_gradient = slope.sum(axis=0)
        return slope @ self.weights.T


class Activation:
    """A function applied to each element."""

    def __init__(self, name: str) -> None:
        self.function, self.derivative = FUNCTIONS[name]

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.function(x)

    def backward(self, slope: Array) -> Array:
        return slope * self.derivative(self.x)


def softmax(logits: Array) -> Array:
    """Probabilities a row; the largest logit is subtracted first, which changes nothing but the overflow."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class CrossEntropy:
    """Mean over rows of -sum(target * log softmax); target (1 - eps) onehot + eps / classes."""

    def __init__(self, classes: int, label_smoothing: float) -> None:
        self.classes, self.label_smoothing = classes, label_smoothing

    def forward(self, logits: Array, y: Array) -> float:
        onehot = np.eye(self.classes)[y[:, 0].astype(int)]
        self.target = (1 - self.label_smoothing) * onehot + self.label_smoothing / self.classes
        self.probabilities = softmax(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(-(self.target * log_probabilities).sum(axis=1).mean())

    def backward(self) -> Array:
        return (self.probabilities - self.target) / len(self.target)


class SquaredError:
    """Mean over rows and outputs of the squared difference."""

    def forward(self, predictions: Array, y: Array) -> float:
        self.difference = predictions - y
        return float((self.difference**2).mean())

    def backward(self) -> Array:
        return 2 * self.difference / self.difference.size


class Optimizer:
    """Turns the gradient of one parameter into the direction of its update; keeps that parameter's state.

    momentum and nesterov: Sutskever et al. 2013 in the form of PyTorch; adam: Kingma and Ba 2015, Algorithm 1.
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
    """Dense layers with an activation after each but the last, and a loss."""

    def __init__(
        self, weights: Sequence[Array], biases: Sequence[Array], settings: Hyperparameters, classes: int
    ) -> None:
        self.dense = [Dense(w, b) for w, b in zip(weights, biases, strict=True)]
        self.layers: list[Dense | Activation] = []
        for number, layer in enumerate(self.dense):
            self.layers.append(layer)
            if number + 1 < len(self.dense):
                self.layers.append(Activation(settings.activations[number]))
        self.loss = CrossEntropy(classes, settings.label_smoothing) if classes else SquaredError()

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def gradients(self, x: Array, y: Array) -> float:
        """Loss of the batch; leaves each layer's gradients in the layer."""
        loss = self.loss.forward(self.forward(x), y)
        slope = self.loss.backward()
        for layer in reversed(self.layers):
            slope = layer.backward(slope)
        return loss


class Trainer:
    """Trains a network job after job; the state of the optimizer lives on from job to job."""

    def __init__(self, network: Network, settings: Hyperparameters) -> None:
        self.network, self.settings = network, settings
        self.weight_optimizers = [Optimizer(settings) for _ in network.dense]
        self.bias_optimizers = [Optimizer(settings) for _ in network.dense]

    def rate(self, step: int, steps: int) -> float:
        if self.settings.learning_rate_schedule == "constant":
            return self.settings.learning_rate
        return self.settings.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2

    def update(self, rate: float) -> None:
        for number, layer in enumerate(self.network.dense):
            gradient = layer.weight_gradient + self.settings.l2 * layer.weights
            direction = self.weight_optimizers[number].direction(gradient)
            layer.weights = layer.weights - rate * (direction + self.settings.weight_decay * layer.weights)
            layer.biases = layer.biases - rate * self.bias_optimizers[number].direction(layer.bias_gradient)

    def job(self, x: Array, y: Array, epochs: int, orders: Sequence[Sequence[int]] | None = None) -> list[float]:
        """Mean training loss of each epoch (mean over rows of the loss before their update).

        `orders` has the order of rows of each epoch; by default 0, 1, 2, ...
        """
        rows = len(x)
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
    """Weights and biases for layers of these sizes, for the tests of this file alone."""
    random = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    return [random.normal(size=p) / math.sqrt(p[0]) for p in pairs], [random.normal(size=p[1]) * 0.1 for p in pairs]

"""Implements the layers and losses of the oracle (`reference_network.py`) directly by their formulas, in float64.

A layer has `forward`, and `backward`, which stores the gradients of its parameters in the layer. Letters: n rows of a
batch, i inputs and o outputs of a layer, k frequencies per number, d embedded values per number.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)); exp is computed only for arguments of at most 0, so it cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def gelu(x: Array) -> Array:
    """Return gelu in the tanh form of Hendrycks and Gimpel (arXiv 1606.08415, section 2)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x: Array) -> Array:
    """Return the derivative of `gelu`, by the product rule."""
    inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    inner_slope = (1 - inner**2) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    return 0.5 * (1 + inner) + 0.5 * x * inner_slope


def selu(x: Array) -> Array:
    """Return selu (Klambauer et al., arXiv 1706.02515, section 2); as in `sigmoid`, exp cannot overflow."""
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def mish(x: Array) -> Array:
    """Return x tanh(softplus(x)) (Misra, arXiv 1908.08681, section 2)."""
    return x * np.tanh(np.logaddexp(0, x))


def mish_slope(x: Array) -> Array:
    """Return the derivative of `mish`; the derivative of softplus is the sigmoid."""
    inner = np.tanh(np.logaddexp(0, x))
    return inner + x * (1 - inner**2) * sigmoid(x)


FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "gelu": (gelu, gelu_slope),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "selu": (selu, lambda x: SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(x, 0)))),
    "mish": (mish, mish_slope),
    "identity": (lambda x: x, lambda x: np.ones_like(x)),
}


class Dense:
    """y = x W + b with W [i, o] and b [o]; with `rounded`, all factors of products are rounded to bfloat16."""

    def __init__(self, weights: Array, biases: Array) -> None:
        self.weights = np.array(weights, dtype=np.float64)
        self.biases = np.array(biases, dtype=np.float64)
        self.rounded = False

    def forward(self, x: Array) -> Array:
        self.x = self.factor(x)
        return self.x @ self.factor(self.weights) + self.biases

    def backward(self, slope: Array) -> Array:
        self.weight_gradient = self.x.T @ self.factor(slope)
        self.bias_gradient = slope.sum(axis=0)
        return self.factor(slope) @ self.factor(self.weights).T

    def factor(self, x: Array) -> Array:
        return to_bfloat16(x) if self.rounded else x


def to_bfloat16(x: Array) -> Array:
    """Round to eight significant bits, ties to even."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8)


class Embedding:
    """Appends to each row an embedding of its numbers: "PBLD" (Holzmueller et al., arXiv 2407.04491, section 3.1).

    x -> bias[d] + sum over k of mix[k, d] cos(2 pi (frequency[k] x + phase[k])) for each number x, ordered by d and
    then by number. `parameters` has one row per parameter and one column per number. The rows are, in order: all
    frequencies, all phases, the mixing weights of the first frequency, those of the second frequency and so on, and the
    biases.
    """

    frequencies, dimensions = 16, 3

    def __init__(self, numbers: Sequence[int], parameters: Array) -> None:
        self.numbers = list(numbers)
        frequency, phase, mix, bias = np.split(np.array(parameters, dtype=np.float64), [16, 32, 80])
        self.frequency, self.phase, self.bias = frequency, phase, bias
        self.mix = mix.reshape(self.frequencies, self.dimensions, -1)

    def parameters(self) -> Array:
        flat = self.mix.reshape(self.frequencies * self.dimensions, -1)
        return np.concatenate([self.frequency, self.phase, flat, self.bias])

    def forward(self, x: Array) -> Array:
        self.x = x
        self.angle = 2 * math.pi * (x[:, None, self.numbers] * self.frequency + self.phase)  # [n, k, numbers]
        values = self.bias + np.einsum("nkj,kdj->ndj", np.cos(self.angle), self.mix)
        return np.concatenate([x, values.reshape(len(x), -1)], axis=1)

    def backward(self, slope: Array) -> Array:
        features = self.x.shape[1]
        values = slope[:, features:].reshape(len(slope), self.dimensions, -1)
        self.bias_gradient = values.sum(axis=0)
        self.mix_gradient = np.einsum("ndj,nkj->kdj", values, np.cos(self.angle))
        turn = -2 * math.pi * np.sin(self.angle) * np.einsum("ndj,kdj->nkj", values, self.mix)
        self.phase_gradient = turn.sum(axis=0)
        self.frequency_gradient = (turn * self.x[:, None, self.numbers]).sum(axis=0)
        below = slope[:, :features].copy()
        below[:, self.numbers] += (turn * self.frequency).sum(axis=1)
        return below


class Scaling:
    """Multiplies each input by a learned factor."""

    def __init__(self, factors: Array) -> None:
        self.factors = np.array(factors, dtype=np.float64)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.factors

    def backward(self, slope: Array) -> Array:
        self.factors_gradient = (slope * self.x).sum(axis=0)
        return slope * self.factors


class Activation:
    """Applies f to each element, or computes x + a (f(x) - x) with a learned share a [o] per column."""

    def __init__(self, name: str, shares: Array | None = None) -> None:
        self.function, self.derivative = FUNCTIONS[name]
        self.shares = None if shares is None else np.array(shares, dtype=np.float64)

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.function(x) if self.shares is None else x + self.shares * (self.function(x) - x)

    def backward(self, slope: Array) -> Array:
        derivative = self.derivative(self.x)
        if self.shares is None:
            return slope * derivative
        self.shares_gradient = (slope * (self.function(self.x) - self.x)).sum(axis=0)
        return slope * (1 + self.shares * (derivative - 1))


def softmax(logits: Array) -> Array:
    """Return probabilities per row. The largest logit is subtracted first, only to prevent overflow."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class CrossEntropy:
    """Mean over rows of -sum(target * log softmax), where target = (1 - eps) onehot + eps / classes."""

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

"""The oracle checked by others: numerical differences, scikit-learn and PyTorch, all in double precision."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import needs
from reference_layers import FUNCTIONS, Activation, Array, CrossEntropy, Dense, SquaredError
from reference_network import Hyperparameters, Network, Trainer, random_parameters

# A central difference with step h errs by about h^2/6 times the third derivative plus 1e-16/h: 1e-5 balances both.
STEP = 1e-5
TOLERANCE = 1e-7
ACTIVATIONS = sorted(FUNCTIONS)
OPTIMIZERS = ["sgd", "momentum", "nesterov", "adam", "adamw"]


def numerical_gradient(function: Callable[[], float], parameter: Array) -> Array:
    """Central differences of function() by each element of parameter, which is changed in place and put back."""
    gradient = np.zeros_like(parameter)
    for index in np.ndindex(parameter.shape):
        middle = parameter[index]
        parameter[index] = middle + STEP
        above = function()
        parameter[index] = middle - STEP
        below = function()
        parameter[index] = middle
        gradient[index] = (above - below) / (2 * STEP)
    return gradient


def table(rows: int, features: int, outputs: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features))
    y = random.integers(0, classes, size=(rows, 1)).astype(float) if classes else random.normal(size=(rows, outputs))
    return x, y


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_slope_is_the_numerical_one(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(5, 7)) * 3
    x[np.abs(x) < 0.01] = 0.5  # a difference across the corner of relu would measure the corner
    direction = np.random.default_rng(2).normal(size=x.shape)
    layer = Activation(name)
    layer.forward(x)
    slope = layer.backward(direction)
    expected = numerical_gradient(lambda: float((layer.forward(x) * direction).sum()), x)
    np.testing.assert_allclose(slope, expected, atol=TOLERANCE)


def test_dense_gradients_are_the_numerical_ones() -> None:
    (weights,), (biases,) = random_parameters([4, 3], seed=3)
    x = np.random.default_rng(4).normal(size=(6, 4))
    direction = np.random.default_rng(5).normal(size=(6, 3))
    layer = Dense(weights, biases)

    def total() -> float:
        return float((layer.forward(x) * direction).sum())

    layer.forward(x)
    input_gradient = layer.backward(direction)
    np.testing.assert_allclose(layer.weight_gradient, numerical_gradient(total, layer.weights), atol=TOLERANCE)
    np.testing.assert_allclose(layer.bias_gradient, numerical_gradient(total, layer.biases), atol=TOLERANCE)
    np.testing.assert_allclose(input_gradient, numerical_gradient(total, x), atol=TOLERANCE)


@pytest.mark.parametrize(("classes", "smoothing"), [(2, 0.0), (2, 0.1), (5, 0.0), (5, 0.2), (1, 0.0)])
def test_cross_entropy_gradient_is_the_numerical_one(classes: int, smoothing: float) -> None:
    _, y = table(6, 1, 1, classes)
    logits = np.random.default_rng(6).normal(size=(6, classes)) * 2
    loss = CrossEntropy(classes, smoothing)
    loss.forward(logits, y)
    expected = numerical_gradient(lambda: loss.forward(logits, y), logits)
    loss.forward(logits, y)
    np.testing.assert_allclose(loss.backward(), expected, atol=TOLERANCE)


@pytest.mark.parametrize("outputs", [1, 4])
def test_squared_error_gradient_is_the_numerical_one(outputs: int) -> None:
    predictions, y = table(6, outputs, outputs, 0)
    loss = SquaredError()
    loss.forward(predictions, y)
    gradient = loss.backward()
    np.testing.assert_allclose(
        gradient, numerical_gradient(lambda: loss.forward(predictions, y), predictions), atol=TOLERANCE
    )


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3), (3, 4, 2)])
def test_network_gradients_are_the_numerical_ones(hidden: tuple[int, ...], activation: str, classes: int) -> None:
    settings = Hyperparameters(hidden=hidden, activations=(activation,) * len(hidden), label_smoothing=0.1)
    x, y = table(7, 3, 2, classes, seed=7)
    network = Network(*random_parameters([3, *hidden, classes or 2], seed=8), settings, classes)
    network.gradients(x, y)
    gradients = [(layer.weight_gradient, layer.bias_gradient) for layer in network.dense]

    def total() -> float:
        return network.loss.forward(network.forward(x), y)

    for layer, (weight_gradient, bias_gradient) in zip(network.dense, gradients, strict=True):
        np.testing.assert_allclose(weight_gradient, numerical_gradient(total, layer.weights), atol=TOLERANCE)
        np.testing.assert_allclose(bias_gradient, numerical_gradient(total, layer.biases), atol=TOLERANCE)


SKLEARN_SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam"},
}


def sklearn_steps(
    settings: Hyperparameters, classes: int, x: Array, y: Array, weights: list[Array], biases: list[Array], steps: int
) -> Any:
    """A scikit-learn perceptron after so many full-batch steps from the given weights."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    activation = {"sigmoid": "logistic"}.get(settings.activations[0], settings.activations[0])
    model = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=settings.hidden,
        activation=activation,
        alpha=settings.l2 * len(x),  # it divides the penalty by the rows of the batch
        batch_size=len(x),
        learning_rate_init=settings.learning_rate,
        shuffle=False,
        epsilon=settings.epsilon,
        **SKLEARN_SOLVERS[settings.optimizer],
    )
    target = y[:, 0].astype(int) if classes else y[:, 0]
    first = {"classes": np.arange(classes)} if classes else {}
    model.partial_fit(x, target, **first)
    for mine, theirs in zip([*weights, *biases], [*model.coefs_, *model.intercepts_], strict=True):
        theirs[...] = mine
    del model._optimizer  # partial_fit makes a fresh one over the weights just set
    for _ in range(steps):
        model.partial_fit(x, target)
    return model


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("optimizer", sorted(SKLEARN_SOLVERS))
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "identity"])
def test_training_equals_scikit_learn(activation: str, optimizer: str, classes: int) -> None:
    # epsilon: scikit-learn adds it before the correction of the bias, PyTorch and we after it: no matter at 1e-30
    settings = Hyperparameters(
        hidden=(5, 4),
        activations=(activation, activation),
        optimizer=optimizer,
        learning_rate=0.02,
        learning_rate_schedule="constant",
        l2=0.01,
        epsilon=1e-30,
    )
    x, y = table(30, 6, 1, classes, seed=9)
    weights, biases = random_parameters([6, 5, 4, classes or 1], seed=10)
    theirs = sklearn_steps(settings, classes, x, y, weights, biases, steps=5)
    if not classes:  # its squared error is halved: twice the penalty and half the rate give the same steps
        factor = 1.0 if optimizer == "adam" else 0.5
        settings.learning_rate, settings.l2 = settings.learning_rate * factor, settings.l2 * 2
    network = Network(weights, biases, settings, classes)
    Trainer(network, settings).job(x, y, epochs=5)
    for layer, coef, intercept in zip(network.dense, theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(layer.weights, coef, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(layer.biases, intercept, rtol=1e-9, atol=1e-11)


def torch_network(torch: Any, settings: Hyperparameters, weights: list[Array], biases: list[Array]) -> Any:
    makers = {
        "relu": torch.nn.ReLU,
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "gelu": lambda: torch.nn.GELU(approximate="tanh"),
        "silu": torch.nn.SiLU,
        "selu": torch.nn.SELU,
        "mish": torch.nn.Mish,
        "identity": torch.nn.Identity,
    }
    layers: list[Any] = []
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        dense = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        dense.weight.data = torch.tensor(weight.T.copy())
        dense.bias.data = torch.tensor(bias)
        layers.append(dense)
        if number + 1 < len(weights):
            layers.append(makers[settings.activations[number]]())
    return torch.nn.Sequential(*layers)


def torch_optimizer(torch: Any, settings: Hyperparameters, model: Any) -> Any:
    decay = settings.weight_decay if settings.optimizer == "adamw" else settings.l2
    groups = [
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    rate, betas = settings.learning_rate, (settings.beta1, settings.beta2)
    return {
        "sgd": lambda: torch.optim.SGD(groups, lr=rate),
        "momentum": lambda: torch.optim.SGD(groups, lr=rate, momentum=settings.momentum),
        "nesterov": lambda: torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=True),
        "adam": lambda: torch.optim.Adam(groups, lr=rate, betas=betas, eps=settings.epsilon),
        "adamw": lambda: torch.optim.AdamW(groups, lr=rate, betas=betas, eps=settings.epsilon),
    }[settings.optimizer]()


@pytest.mark.parametrize(
    ("activation", "optimizer", "classes"), list(itertools.product(ACTIVATIONS, OPTIMIZERS, [0, 2, 3]))
)
def test_training_equals_torch(activation: str, optimizer: str, classes: int) -> None:
    torch = needs.package("torch")
    settings = Hyperparameters(
        hidden=(5, 4),
        activations=(activation, "tanh"),
        optimizer=optimizer,
        learning_rate=0.05,
        label_smoothing=0.1 if classes else 0.0,
        l2=0.0 if optimizer == "adamw" else 0.02,
        weight_decay=0.3 if optimizer == "adamw" else 0.0,
        batch_size=11,
    )
    x, y = table(30, 6, 2, classes, seed=11)
    weights, biases = random_parameters([6, 5, 4, classes or 2], seed=12)
    model = torch_network(torch, settings, weights, biases)
    optimizer_state = torch_optimizer(torch, settings, model)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing) if classes else torch.nn.MSELoss()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer_state, T_max=2 * 3)
    losses = []
    for _ in range(2):
        total = 0.0
        for start in range(0, 30, 11):
            batch = torch.tensor(x[start : start + 11])
            target = torch.tensor(y[start : start + 11])
            optimizer_state.zero_grad()
            loss = criterion(model(batch), target[:, 0].long() if classes else target)
            loss.backward()
            optimizer_state.step()
            scheduler.step()
            total += loss.item() * len(batch)
        losses.append(total / 30)
    network = Network(weights, biases, settings, classes)
    np.testing.assert_allclose(Trainer(network, settings).job(x, y, epochs=2), losses, rtol=1e-10)
    for layer, theirs in zip(network.dense, [m for m in model if hasattr(m, "weight")], strict=True):
        np.testing.assert_allclose(layer.weights, theirs.weight.detach().numpy().T, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(layer.biases, theirs.bias.detach().numpy(), rtol=1e-8, atol=1e-10)


def test_orders_decide_which_rows_share_a_batch() -> None:
    """Two epochs of a linear model, by hand: y = w x, loss (w x - y)^2, so w -= rate * 2 x (w x - y)."""
    settings = Hyperparameters(learning_rate=0.1, learning_rate_schedule="constant", batch_size=1)
    x, y = np.array([[1.0], [2.0]]), np.array([[1.0], [0.0]])
    network = Network([np.array([[1.0]])], [np.array([0.0])], settings, 0)
    losses = Trainer(network, settings).job(x, y, epochs=1, orders=[[1, 0]])
    # row 1: prediction 2, w = 1 - 0.1 * 2 * 2 * 2 = 0.2, b = -0.4; row 0: prediction -0.2, w = 0.2 + 0.24, b = -0.16
    assert losses == pytest.approx([(4 + 1.44) / 2])
    assert network.dense[0].weights[0, 0] == pytest.approx(0.44)
    assert network.dense[0].biases[0] == pytest.approx(-0.16)

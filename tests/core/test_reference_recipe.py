"""The oracle's parts of the recipe, checked by numerical differences, by hand and by PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import needs
from reference_layers import Embedding, Scaling
from reference_network import Hyperparameters, Network, Trainer, parameters_of, random_parameters
from test_reference_network import OPTIMIZERS, TOLERANCE, numerical_gradient, table

pytestmark = pytest.mark.core

NUMBERS = [0, 2, 3]
FEATURES = 5
INPUTS = FEATURES + 3 * len(NUMBERS)


def random_embedding(seed: int = 1) -> Embedding:
    return Embedding(NUMBERS, np.random.default_rng(seed).normal(size=(83, len(NUMBERS))) * 0.3)


def recipe(settings: Hyperparameters, outputs: int, classes: int) -> Network:
    sizes = [INPUTS, *settings.hidden, outputs]
    factors = np.random.default_rng(2).uniform(0.5, 2, INPUTS)
    network = Network(*random_parameters(sizes, seed=3), settings, classes, random_embedding(), Scaling(factors))
    for layer in network.activations:
        if layer.shares is not None:
            layer.shares = np.random.default_rng(8).uniform(-0.5, 1.5, len(layer.shares))
    return network


def test_an_embedding_is_its_formula_loop_by_loop() -> None:
    layer = random_embedding()
    parameters = layer.parameters()
    x = np.random.default_rng(4).normal(size=(4, FEATURES))
    found = layer.forward(x)
    assert found.shape == (4, INPUTS)
    np.testing.assert_array_equal(found[:, :FEATURES], x)
    for row in range(4):
        for place, number in enumerate(NUMBERS):
            column = parameters[:, place]
            for d in range(3):
                value = column[80 + d]
                for k in range(16):
                    turns = column[k] * x[row, number] + column[16 + k]
                    value += column[32 + 3 * k + d] * math.cos(2 * math.pi * turns)
                assert found[row, FEATURES + d * len(NUMBERS) + place] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("activation", ["selu", "mish"])
def test_all_gradients_are_the_numerical_ones(activation: str, classes: int) -> None:
    settings = Hyperparameters((4, 3), (activation,) * 2, label_smoothing=0.1, parametric_activation=True)
    x, y = table(7, FEATURES, 2, classes, seed=7)
    network = recipe(settings, classes or 2, classes)
    network.gradients(x, y)
    learned = parameters_of(network, ntk=False)
    assert len(learned) == 6 + 2 + 1 + 4
    found = [getattr(parameter.layer, parameter.gradient).copy() for parameter in learned]

    def total() -> float:
        return network.loss.forward(network.forward(x), y)

    for parameter, gradient in zip(learned, found, strict=True):
        value = getattr(parameter.layer, parameter.name)
        np.testing.assert_allclose(gradient, numerical_gradient(total, value), atol=TOLERANCE, err_msg=parameter.name)


def test_the_gradient_of_the_input_is_the_numerical_one() -> None:
    x = np.random.default_rng(5).normal(size=(4, FEATURES))
    direction = np.random.default_rng(6).normal(size=(4, INPUTS))
    for layer in (random_embedding(), Scaling(np.arange(1.0, FEATURES + 1))):
        slope = direction[:, : layer.forward(x).shape[1]]
        layer.forward(x)
        below = layer.backward(slope)
        expected = numerical_gradient(lambda layer=layer, slope=slope: float((layer.forward(x) * slope).sum()), x)
        np.testing.assert_allclose(below, expected, atol=TOLERANCE)


def test_an_update_by_hand() -> None:
    """x = 2, f x w = 3 * 2 * 0.5 = 3, y = 1: loss 4, so 2 * 2 * x w for f, 2 * 2 * f x for w, 4 for b; ntk shares."""
    settings = Hyperparameters(learning_rate=0.1, learning_rate_schedule="constant", parametrization="ntk", l2=0.5)
    network = Network([np.array([[0.5]])], [np.zeros(1)], settings, 0, scaling=Scaling(np.array([3.0])))
    assert Trainer(network, settings).job(np.array([[2.0]]), np.array([[1.0]]), epochs=1) == [4.0]
    assert network.scaling is not None
    assert network.scaling.factors[0] == pytest.approx(3 - 0.1 * 6 * 4 * 1)
    assert network.dense[0].weights[0, 0] == pytest.approx(0.5 - 0.1 * (24 + 0.5 * 0.5))
    assert network.dense[0].biases[0] == pytest.approx(-0.1 * 0.1 * 4)


def test_shares_of_ntk() -> None:
    network = recipe(Hyperparameters(hidden=(4,), activations=("relu",), parametric_activation=True), 2, 0)
    shares = {
        (type(p.layer).__name__, p.name, len(getattr(p.layer, p.name))): p.share for p in parameters_of(network, True)
    }
    assert shares == {
        ("Dense", "weights", INPUTS): pytest.approx(1 / math.sqrt(INPUTS)),
        ("Dense", "weights", 4): 0.5,
        ("Dense", "biases", 4): 0.1,
        ("Dense", "biases", 2): 0.1,
        ("Activation", "shares", 4): 0.1,
        ("Scaling", "factors", INPUTS): 6.0,
        ("Embedding", "frequency", 16): 0.1,
        ("Embedding", "phase", 16): pytest.approx(0.1 / (2 * math.pi)),
        ("Embedding", "mix", 16): 0.1,
        ("Embedding", "bias", 3): 0.1,
    }
    plain = {p.name: p.share for p in parameters_of(network, False)}
    assert plain.pop("phase") == pytest.approx(1 / (2 * math.pi))
    assert set(plain.values()) == {1.0}


def torch_forward(torch: Any, learned: dict[str, Any], x: Any, depth: int, scaled: bool) -> Any:
    """The same network as torch would have it; scaled: weights divided by sqrt(inputs), as ntk is defined."""
    numbers = x[:, NUMBERS]
    angle = 2 * math.pi * numbers[:, None, :] * learned["frequency"] + learned["phase"]  # in radians
    values = learned["bias"] + (torch.cos(angle)[:, :, None, :] * learned["mix"]).sum(dim=1)
    x = torch.cat([x, values.reshape(len(x), -1)], dim=1) * learned["factors"]
    for layer in range(depth):
        weights = learned[f"weights.{layer}"]
        x = x @ (weights / math.sqrt(len(weights)) if scaled else weights) + learned[f"biases.{layer}"]
        if layer + 1 < depth:
            x = x + learned["shares"] * (torch.nn.functional.mish(x) - x)
    return x


def torch_parameters(torch: Any, network: Network, scaled: bool) -> dict[str, Any]:
    found = {}
    for number, dense in enumerate(network.dense):
        found[f"weights.{number}"] = dense.weights * (math.sqrt(len(dense.weights)) if scaled else 1)
        found[f"biases.{number}"] = dense.biases
    assert network.scaling is not None and network.embedding is not None
    found["factors"] = network.scaling.factors
    found["shares"] = network.activations[0].shares
    for name in ("frequency", "phase", "mix", "bias"):
        found[name] = getattr(network.embedding, name) * (2 * math.pi if name == "phase" else 1)
    return {name: torch.tensor(value, requires_grad=True) for name, value in found.items()}


def torch_optimizer(torch: Any, settings: Hyperparameters, learned: dict[str, Any], scaled: bool) -> Any:
    """Groups whose rate is a share; decay is by the whole rate, so its factor is divided by the share.

    Without Adam, phases in radians go 2 pi times as far as those in turns at 1 / (2 pi) of the rate.
    """
    groups = []
    for name, value in learned.items():
        kind = name.partition(".")[0]
        weights = 1.0 if scaled else 1 / math.sqrt(len(value))
        share = {"weights": weights, "biases": 0.1, "factors": 6.0}.get(kind, 0.1)
        rate = settings.learning_rate * share * (2 * math.pi if kind == "phase" and not scaled else 1)
        decay = settings.weight_decay / share if kind == "weights" else 0.0
        groups.append({"params": [value], "lr": rate, "weight_decay": decay})
    return {
        "sgd": lambda: torch.optim.SGD(groups),
        "momentum": lambda: torch.optim.SGD(groups, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
        "adam": lambda: torch.optim.Adam(groups, eps=settings.epsilon),
        "adamw": lambda: torch.optim.AdamW(groups, eps=settings.epsilon),
    }[settings.optimizer]()


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_equals_torch(optimizer: str, classes: int) -> None:
    """Under Adam, whose direction does not depend on the size of a gradient, torch has ntk as it is defined."""
    torch = needs.package("torch")
    settings = Hyperparameters(
        hidden=(4,),
        activations=("mish",),
        optimizer=optimizer,
        learning_rate=0.01,
        learning_rate_schedule="constant",
        weight_decay=0.3 if optimizer == "adamw" else 0.0,
        epsilon=1e-30,
        parametrization="ntk",
        parametric_activation=True,
    )
    x, y = table(30, FEATURES, 2, classes, seed=11)
    network = recipe(settings, classes or 2, classes)
    scaled = optimizer.startswith("adam")
    learned = torch_parameters(torch, network, scaled)
    theirs = torch_optimizer(torch, settings, learned, scaled)
    criterion = torch.nn.CrossEntropyLoss() if classes else torch.nn.MSELoss()
    target = torch.tensor(y[:, 0]).long() if classes else torch.tensor(y)
    for _ in range(5):
        theirs.zero_grad()
        criterion(torch_forward(torch, learned, torch.tensor(x), 2, scaled), target).backward()
        theirs.step()
    Trainer(network, settings).job(x, y, epochs=5)
    for name, mine in torch_parameters(torch, network, scaled).items():
        mine, other = mine.detach().numpy(), learned[name].detach().numpy()
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9, err_msg=name)

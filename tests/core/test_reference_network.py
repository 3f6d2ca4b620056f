"""Compares the network oracle with numerical differences, scikit-learn and PyTorch, all in double precision."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import needs
from reference_layers import Activation, Array, CrossEntropy, Dense, Embedding, Scaling, SquaredError
from reference_network import Hyperparameters, Network, Trainer, parameters_of, random_parameters
from training_help import ACTIVATIONS, OPTIMIZERS

pytestmark = pytest.mark.core

# The error of a central difference with step h is about h^2/6 times the third derivative, plus 1e-16/h. Both terms are
# small for h = 1e-5.
STEP = 1e-5
TOLERANCE = 1e-7
FEATURES = 5
NUMBERS = [0, 2, 3]
"""The features that are embedded."""
INPUTS = FEATURES + 3 * len(NUMBERS)


def numerical_gradient(function: Callable[[], float], parameter: Array) -> Array:
    """Return central differences of function() for each element of `parameter`, which is changed and restored."""
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


LAYERS: dict[str, Any] = {
    **{name: lambda name=name: Activation(name) for name in ACTIVATIONS},
    "shares": lambda: Activation("mish", np.random.default_rng(1).uniform(-0.5, 1.5, FEATURES)),
    "dense": lambda: Dense(*(part[0] for part in random_parameters([FEATURES, 3], seed=3))),
    "embedding": lambda: random_embedding(),
    "scaling": lambda: Scaling(np.arange(1.0, FEATURES + 1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_of_the_input_of_a_layer_is_the_numerical_one(name: str) -> None:
    layer, x = LAYERS[name](), np.random.default_rng(1).normal(size=(6, FEATURES)) * 3
    x[np.abs(x) < 0.01] = 0.5  # relu has no derivative at 0
    direction = np.random.default_rng(2).normal(size=layer.forward(x).shape)
    below = layer.backward(direction)
    expected = numerical_gradient(lambda: float((layer.forward(x) * direction).sum()), x)
    np.testing.assert_allclose(below, expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("loss", "classes", "outputs"),
    [
        *((CrossEntropy(classes, share), classes, classes) for classes, share in ((1, 0), (2, 0), (2, 0.1), (5, 0.2))),
        (SquaredError(), 0, 1),
        (SquaredError(), 0, 4),
    ],
)
def test_the_gradient_of_a_loss_is_the_numerical_one(loss: Any, classes: int, outputs: int) -> None:
    _, y = table(6, 1, outputs, classes)
    predictions = np.random.default_rng(6).normal(size=(6, outputs)) * 2
    loss.forward(predictions, y)
    gradient = loss.backward()
    expected = numerical_gradient(lambda: loss.forward(predictions, y), predictions)
    np.testing.assert_allclose(gradient, expected, atol=TOLERANCE)


def check_gradients(network: Network, x: Array, y: Array, parameters: int) -> None:
    """Compare the gradients of all learned parameters with numerical ones."""
    network.gradients(x, y)
    learned = parameters_of(network, ntk=False)
    assert len(learned) == parameters
    found = [getattr(parameter.layer, parameter.gradient).copy() for parameter in learned]

    def total() -> float:
        return network.loss.forward(network.forward(x), y)

    for parameter, gradient in zip(learned, found, strict=True):
        value = getattr(parameter.layer, parameter.name)
        np.testing.assert_allclose(gradient, numerical_gradient(total, value), atol=TOLERANCE, err_msg=parameter.name)


@pytest.mark.parametrize(
    ("hidden", "activation", "classes"),
    [
        *(((4, 3), activation, 3) for activation in ACTIVATIONS),
        *((hidden, "tanh", classes) for hidden in ((), (4,), (3, 4, 2)) for classes in (0, 2)),
    ],
)
def test_gradients_of_a_network_are_the_numerical_ones(hidden: tuple[int, ...], activation: str, classes: int) -> None:
    settings = Hyperparameters(hidden=hidden, activations=(activation,) * len(hidden), label_smoothing=0.1)
    x, y = table(7, 3, 2, classes, seed=7)
    network = Network(*random_parameters([3, *hidden, classes or 2], seed=8), settings, classes)
    check_gradients(network, x, y, 2 + 2 * len(hidden))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("activation", ["selu", "mish"])
def test_gradients_of_the_recipe_are_the_numerical_ones(activation: str, classes: int) -> None:
    settings = Hyperparameters((4, 3), (activation,) * 2, label_smoothing=0.1, parametric_activation=True)
    x, y = table(7, FEATURES, 2, classes, seed=7)
    check_gradients(recipe(settings, classes or 2, classes), x, y, 6 + 2 + 1 + 4)


SKLEARN_SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam"},
}


def sklearn_steps(
    settings: Hyperparameters, classes: int, x: Array, y: Array, weights: list[Array], biases: list[Array], steps: int
) -> Any:
    """Return a scikit-learn perceptron after `steps` full-batch steps from the given weights."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    activation = {"sigmoid": "logistic"}.get(settings.activations[0], settings.activations[0])
    model = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=settings.hidden,
        activation=activation,
        alpha=settings.l2 * len(x),  # scikit-learn divides the penalty by the batch size
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
    del model._optimizer  # so that partial_fit creates a new optimizer for the given weights
    for _ in range(steps):
        model.partial_fit(x, target)
    return model


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("optimizer", sorted(SKLEARN_SOLVERS))
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_training_equals_scikit_learn(activation: str, optimizer: str, classes: int) -> None:
    # scikit-learn adds epsilon before the bias correction, PyTorch and ash after it. An epsilon of 1e-30 has no effect.
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
    if not classes:  # scikit-learn halves the squared error, so here the penalty is doubled and the rate is halved
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
    ("activation", "optimizer", "classes"),
    [
        *((activation, "sgd", 3) for activation in ACTIVATIONS),
        *(("gelu", optimizer, classes) for optimizer in OPTIMIZERS for classes in (0, 2)),
    ],
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
    """Compare a linear model with two epochs by hand: the loss is (w x + b - y)^2, so w -= rate * 2 x (w x + b - y)."""
    settings = Hyperparameters(learning_rate=0.1, learning_rate_schedule="constant", batch_size=1)
    x, y = np.array([[1.0], [2.0]]), np.array([[1.0], [0.0]])
    network = Network([np.array([[1.0]])], [np.array([0.0])], settings, 0)
    losses = Trainer(network, settings).job(x, y, epochs=1, orders=[[1, 0]])
    # row 1: prediction 2, w = 1 - 0.1 * 2 * 2 * 2 = 0.2, b = -0.4; row 0: prediction -0.2, w = 0.2 + 0.24, b = -0.16
    assert losses == pytest.approx([(4 + 1.44) / 2])
    assert network.dense[0].weights[0, 0] == pytest.approx(0.44)
    assert network.dense[0].biases[0] == pytest.approx(-0.16)


# RealMLP's recipe: embedding, input factors, parametric activations, ntk


def test_an_embedding_equals_its_formula_written_as_loops() -> None:
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


def test_an_update_by_hand() -> None:
    """Check one update by hand, in parametrization "ntk".

    With x = 2, factor f = 3, w = 0.5, b = 0 and y = 1, the loss (f x w + b - y)^2 is 4. The gradients are 4 x w = 4
    for f, 4 f x = 24 for w, and 4 for b.
    """
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


def recipe_forward(torch: Any, learned: dict[str, Any], x: Any, depth: int, scaled: bool) -> Any:
    """Return the output of the same network in torch. If `scaled`, divide sums by sqrt(inputs), as defined for ntk."""
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


def recipe_parameters(torch: Any, network: Network, scaled: bool) -> dict[str, Any]:
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


def recipe_optimizer(torch: Any, settings: Hyperparameters, learned: dict[str, Any], scaled: bool) -> Any:
    """Return torch's optimizer, in which each group of parameters has a share of the learning rate.

    The weight decay of a group is divided by its share, so that decay uses the full rate. Phases in ash are in turns
    and have 1 / (2 pi) of the rate. Phases in torch are in radians, so without Adam they need 2 pi times the rate.
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
def test_training_by_the_recipe_equals_torch(optimizer: str, classes: int) -> None:
    """Compare parametrization "ntk" with torch, with Adam by its definition: sums are divided by sqrt(inputs).

    This works with Adam, whose direction does not depend on the size of a gradient. With other optimizers, torch's
    network does not divide sums, and its weights have 1 / sqrt(inputs) of the rate instead.
    """
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
    learned = recipe_parameters(torch, network, scaled)
    theirs = recipe_optimizer(torch, settings, learned, scaled)
    criterion = torch.nn.CrossEntropyLoss() if classes else torch.nn.MSELoss()
    target = torch.tensor(y[:, 0]).long() if classes else torch.tensor(y)
    for _ in range(5):
        theirs.zero_grad()
        criterion(recipe_forward(torch, learned, torch.tensor(x), 2, scaled), target).backward()
        theirs.step()
    Trainer(network, settings).job(x, y, epochs=5)
    for name, mine in recipe_parameters(torch, network, scaled).items():
        mine, other = mine.detach().numpy(), learned[name].detach().numpy()
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9, err_msg=name)

"""The training step of bench/kernels/step.py in other libraries, with the same weights, rows and optimizer.

The code is written as users of each library write it. Each class trains for a number of steps and returns its weights.
`stretch` is a suitable number of steps to time: whole epochs if the library is called once per epoch. All classes use
single precision and a new order of the rows in each epoch, except the oracle, which checks answers and is not timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.core import oracle

SHORT = 10  # steps of a stretch if the library is called once per step

Pair = tuple[NDArray[Any], NDArray[Any]]  # a layer's weights [inputs, outputs] and biases [outputs]


@dataclass(frozen=True)
class Problem:
    """The network, its initial weights and the rows to train on."""

    sizes: Sequence[int]
    batch: int
    rate: float
    momentum: float
    initial: Sequence[Pair]
    x: NDArray[np.float64]  # features [rows, inputs]; the number of rows is a multiple of `batch`
    y: NDArray[np.int64]  # classes [rows]

    @property
    def epoch(self) -> int:
        """The number of steps in an epoch."""
        return len(self.x) // self.batch


class Steps:
    """A library's network for a problem. run(steps) trains until the last step is done; weights() returns copies."""

    package: ClassVar[str]  # the package that must be importable
    rounded: ClassVar[bool] = False  # whether products are in bfloat16; the weights are then not compared
    stretch = SHORT

    def __init__(self, problem: Problem) -> None:
        raise NotImplementedError

    def run(self, steps: int) -> None:  # noqa: D102
        raise NotImplementedError

    def weights(self) -> list[Pair]:  # noqa: D102
        raise NotImplementedError


class Oracle(Steps):
    """The oracle tests/oracles/reference_network.py, in plain numpy and double precision."""

    package = "numpy"

    def __init__(self, problem: Problem) -> None:
        module = oracle()
        hidden = tuple(problem.sizes[1:-1])
        chosen = module.Hyperparameters(
            hidden=hidden,
            activations=("relu",) * len(hidden),
            optimizer="momentum",
            momentum=problem.momentum,
            learning_rate=problem.rate,
            learning_rate_schedule="constant",
            batch_size=problem.batch,
        )
        weights, biases = zip(*problem.initial, strict=True)
        self.network = module.Network(weights, biases, chosen, problem.sizes[-1])
        self.trainer = module.Trainer(self.network, chosen)
        self.x, self.y, self.epoch = problem.x, problem.y[:, None], problem.epoch

    def run(self, steps: int) -> None:
        """Train for `steps` steps, in whole epochs."""
        self.trainer.job(self.x, self.y, steps // self.epoch)

    def weights(self) -> list[Pair]:
        """Return the weights."""
        return [(layer.weights, layer.biases) for layer in self.network.dense]


class Torch(Steps):
    """PyTorch's usual eager loop over shuffled rows, on one thread."""

    package = "torch"

    def __init__(self, problem: Problem) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, self.batch = torch, problem.batch
        layers: list[Any] = []
        for weight, bias in problem.initial:
            dense = torch.nn.Linear(*weight.shape)
            dense.weight.data = torch.tensor(weight.T.copy())
            dense.bias.data = torch.tensor(bias)
            layers += [dense, torch.nn.ReLU()]
        self.dense = layers[::2]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=problem.rate, momentum=problem.momentum)
        self.x, self.y = torch.tensor(problem.x, dtype=torch.float32), torch.tensor(problem.y)
        self.criterion = torch.nn.CrossEntropyLoss()
        self.order, self.next = torch.randperm(len(self.x)), 0

    def run(self, steps: int) -> None:
        """Train for `steps` batches."""
        for _ in range(steps):
            if self.next + self.batch > len(self.order):
                self.order, self.next = self.torch.randperm(len(self.order)), 0
            chosen = self.order[self.next : self.next + self.batch]
            self.next += self.batch
            self.optimizer.zero_grad()
            self.criterion(self.model(self.x[chosen]), self.y[chosen]).backward()
            self.optimizer.step()

    def weights(self) -> list[Pair]:
        """Return copies of the weights."""
        return [(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in self.dense]


class TorchCompiled(Torch):
    """The loop of `Torch` with a model compiled by `torch.compile`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.model = self.torch.compile(self.model)


class TorchRounded(Torch):
    """The loop of `Torch` under `torch.autocast`, with products in bfloat16."""

    rounded = True

    def run(self, steps: int) -> None:
        """Train for `steps` batches."""
        with self.torch.autocast("cpu", self.torch.bfloat16):
            super().run(steps)


class Sklearn(Steps):
    """scikit-learn's `MLPClassifier.partial_fit`, which trains one epoch of batches.

    A call also checks its arguments and binarizes the labels. All steps of an epoch share this cost, as in `fit`. For
    two classes the model has one output, while those of the other libraries have two.
    """

    package = "sklearn"

    def __init__(self, problem: Problem) -> None:
        from sklearn.neural_network import MLPClassifier

        self.epoch = self.stretch = problem.epoch
        self.x, self.y = problem.x.astype(np.float32), problem.y
        self.model = MLPClassifier(
            problem.sizes[1:-1],
            solver="sgd",
            alpha=0.0,
            batch_size=problem.batch,
            learning_rate_init=problem.rate,
            momentum=problem.momentum,
            nesterovs_momentum=False,
            random_state=0,
        )
        self.model.partial_fit(self.x, self.y, classes=np.arange(problem.sizes[-1]))  # creates the weights to set
        for number, pair in enumerate(problem.initial):
            if pair[0].shape == self.model.coefs_[number].shape:
                self.model.coefs_[number][...], self.model.intercepts_[number][...] = pair
        optimizer = self.model._optimizer
        optimizer.velocities = [np.zeros_like(velocity) for velocity in optimizer.velocities]

    def run(self, steps: int) -> None:
        """Train for `steps` steps, in whole epochs."""
        for _ in range(steps // self.epoch):
            self.model.partial_fit(self.x, self.y)

    def weights(self) -> list[Pair]:
        """Return the weights."""
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))


class Jax(Steps):
    """JAX with one compiled function per epoch, a `lax.scan` over the batches; no Python runs between steps."""

    package = "jax"

    def __init__(self, problem: Problem) -> None:
        import jax

        jax.config.update("jax_cpu_enable_async_dispatch", False)  # calls are synchronous, without a second thread
        self.jax, self.batch, self.rows = jax, problem.batch, len(problem.x)
        self.rate, self.momentum = problem.rate, problem.momentum
        self.epoch = self.stretch = problem.epoch
        self.x = jax.numpy.asarray(problem.x, dtype=np.float32)
        self.y = jax.numpy.asarray(problem.y, dtype=np.int32)
        layers = [tuple(jax.numpy.array(part) for part in pair) for pair in problem.initial]
        self.state = (layers, jax.tree.map(jax.numpy.zeros_like, layers))
        self.random = np.random.default_rng(0)
        self.train = jax.jit(self._epoch, donate_argnums=0)

    def _loss(self, layers: list[Any], chosen: Any) -> Any:
        numpy = self.jax.numpy
        values = self.x.at[chosen].get(mode="promise_in_bounds")
        for number, (weight, bias) in enumerate(layers):
            values = (self.jax.nn.relu(values) if number else values) @ weight + bias
        labels = self.y.at[chosen].get(mode="promise_in_bounds")[:, None]
        right = numpy.take_along_axis(values, labels, axis=1, mode="promise_in_bounds")[:, 0]
        return (self.jax.nn.logsumexp(values, axis=1) - right).mean()

    def _step(self, state: Any, chosen: Any) -> Any:
        layers, velocity = state
        gradient = self.jax.grad(self._loss)(layers, chosen)
        velocity = self.jax.tree.map(lambda v, g: self.momentum * v + g, velocity, gradient)
        return (self.jax.tree.map(lambda w, v: w - self.rate * v, layers, velocity), velocity), None

    def _epoch(self, state: Any, order: Any) -> Any:
        return self.jax.lax.scan(self._step, state, order.reshape(-1, self.batch))[0]

    def run(self, steps: int) -> None:
        """Train for `steps` steps, in whole epochs."""
        for _ in range(steps // self.epoch):
            order = self.random.permutation(self.rows).astype(np.int32)
            self.state = self.train(self.state, self.jax.numpy.asarray(order))
        self.jax.block_until_ready(self.state)

    def weights(self) -> list[Pair]:
        """Return copies of the weights."""
        return [(np.array(weight), np.array(bias)) for weight, bias in self.state[0]]


# The peers by their keys in the results, in the order of the table.
PEERS: dict[str, type[Steps]] = {
    **{"torch": Torch, "torch_compiled": TorchCompiled, "sklearn": Sklearn, "jax": Jax},
    "torch_bf16": TorchRounded,
}

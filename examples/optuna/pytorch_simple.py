"""Tune a PyTorch network on the digits: layers, units, dropout and optimizer.

The training loop is a generator. It yields the accuracy after each epoch, and the model to keep.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import ash

X, y = load_digits(return_X_y=True)
x, x_valid, target, target_valid = map(
    torch.from_numpy, train_test_split((X / 16).astype(np.float32), y, random_state=0)
)
EPOCHS = 10
AT_LEAST = [(1, 2, 3), (2, 3), (3,)]
SPACE = {
    "n_layers": ash.integers(1, 3),
    **{f"n_units_l{i}": ash.integers(4, 128).when(n_layers=AT_LEAST[i]) for i in range(3)},
    **{f"dropout_l{i}": ash.uniform(0.2, 0.5).when(n_layers=AT_LEAST[i]) for i in range(3)},
    "optimizer": ["Adam", "RMSprop", "SGD"],
    "lr": ash.loguniform(1e-5, 1e-1),
}


def network(params: dict[str, Any]) -> nn.Sequential:
    """Return a network with the layers that `params` specifies."""
    layers: list[nn.Module] = []
    width = x.shape[1]
    for i in range(params["n_layers"]):
        units = params[f"n_units_l{i}"]
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(params[f"dropout_l{i}"])]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 10))


def train(params: dict[str, Any]) -> Iterator[tuple[float, nn.Module]]:
    """Train for `EPOCHS` epochs, and yield the accuracy and the model after each epoch."""
    torch.manual_seed(0)
    model = network(params)
    optimizer = getattr(torch.optim, params["optimizer"])(model.parameters(), lr=params["lr"])
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), target[rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x_valid).argmax(1) == target_valid).float().mean()
        yield accuracy, model  # outside of no_grad, which would stay active while other candidates train


def tune(candidates: int | None = 100, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        train, SPACE, candidates=candidates, time_limit=time_limit, max_epochs=EPOCHS, n_jobs=1, random_state=seed
    )


if __name__ == "__main__":
    print(tune())

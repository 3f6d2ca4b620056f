"""Tune a PyTorch module on the digits: skorch turns it into an estimator for `ash.ASHSearchCV`."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import ShuffleSplit
from skorch import NeuralNetClassifier
from torch import nn

import ash

X, y = load_digits(return_X_y=True)
SPACE = {
    "module__n_layers": ash.integers(1, 3),
    "module__dropout": ash.uniform(0.2, 0.5),
    "module__l0": ash.integers(4, 128, log=True),
    "module__l1": ash.integers(4, 128, log=True).when(module__n_layers=(2, 3)),
    "module__l2": ash.integers(4, 128, log=True).when(module__n_layers=3),
}


class Net(nn.Module):
    """A network with one to three hidden layers of `l0`, `l1` and `l2` units."""

    def __init__(self, n_layers: int = 1, dropout: float = 0.2, l0: int = 32, l1: int = 32, l2: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = X.shape[1]
        for units in (l0, l1, l2)[:n_layers]:
            layers += [nn.Linear(width, units), nn.Dropout(dropout), nn.ReLU()]
            width = units
        self.model = nn.Sequential(*layers, nn.Linear(width, 10), nn.Softmax(dim=-1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the probability of each digit."""
        return self.model(rows)


def tune(candidates: int | None = 32, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    search = ash.ASHSearchCV(
        NeuralNetClassifier(Net, max_epochs=20, lr=0.1, train_split=None, verbose=0),
        SPACE,
        candidates=candidates,
        time_limit=time_limit,
        cv=ShuffleSplit(1, test_size=0.25, random_state=0),
        n_jobs=1,
        random_state=seed,
    )
    return search.fit((X / 16).astype(np.float32), y).result_


if __name__ == "__main__":
    print(tune())

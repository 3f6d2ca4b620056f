"""Trains one candidate in PyTorch, as users would write it; Optuna and Ray run this code.

Rows are in-memory tensors that are indexed directly, without a DataLoader. Optimizers are fused (twice as fast here as
unfused ones), L2 is `weight_decay`, the learning rate is constant, and nothing is compiled. Scores are reported only at
the ends of rungs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.peers.task import Tables, note

CLASSES = 10
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True)
class Tensors:
    """The rows as PyTorch tensors."""

    x: torch.Tensor
    y: torch.Tensor
    x_validation: torch.Tensor
    y_validation: torch.Tensor


def tensors(tables: Tables) -> Tensors:
    """Return scaled rows as tensors."""
    arrays = (tables.x, tables.y, tables.x_validation, tables.y_validation)
    return Tensors(*map(torch.from_numpy, arrays))


def network(params: Mapping[str, Any], features: int) -> nn.Sequential:
    """Return the untrained network of a candidate."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([features, *params["hidden"]]):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[params["activation"]]()]
    return nn.Sequential(*layers, nn.Linear(params["hidden"][-1], CLASSES))


def optimizer(params: Mapping[str, Any], model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of a candidate."""
    common: dict[str, Any] = {"lr": params["learning_rate"], "weight_decay": params["l2"], "fused": True}
    if params["optimizer"] == "adam":
        return torch.optim.Adam(model.parameters(), betas=(0.9, params["beta2"]), **common)
    return torch.optim.SGD(model.parameters(), momentum=params["momentum"], nesterov=True, **common)


def train(
    params: Mapping[str, Any], data: Tensors, most_epochs: int, seed: int, kept: Path
) -> Iterator[tuple[int, float]]:
    """Yield (epochs, validation accuracy) after 1, 2, 4, ... epochs; save the weights in the file `kept`."""
    torch.manual_seed(seed)
    model = network(params, data.x.shape[1])
    steps = optimizer(params, model)
    loss = nn.CrossEntropyLoss()
    done, rung = 0, 1
    while rung <= most_epochs:
        for _ in range(rung - done):
            for rows in torch.randperm(len(data.x)).split(params["batch_size"]):
                steps.zero_grad()
                loss(model(data.x[rows]), data.y[rows]).backward()
                steps.step()
        with torch.no_grad():
            score = (model(data.x_validation).argmax(1) == data.y_validation).double().mean().item()
        note(epochs=rung - done, score=score)
        torch.save(model.state_dict(), kept)
        yield rung, score
        done, rung = rung, 2 * rung


def predicted(params: Mapping[str, Any], tables: Tables, kept: Path) -> Any:
    """Return the labels that a saved network predicts for the test rows."""
    model = network(params, tables.x_test.shape[1])
    model.load_state_dict(torch.load(kept))
    with torch.no_grad():
        return model(torch.from_numpy(tables.x_test)).argmax(1).numpy()

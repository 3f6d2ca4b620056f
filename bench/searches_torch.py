"""The PyTorch module of the searches: a plain network with dropout."""

from __future__ import annotations

from typing import Any

import torch


class Net(torch.nn.Module):
    """Layers of one width; outputs are logits of classes, or a column of targets."""

    def __init__(self, columns: int, outputs: int, width: int = 64, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        parts: list[torch.nn.Module] = []
        for place in range(layers):
            parts += [
                torch.nn.Linear(columns if place == 0 else width, width),
                torch.nn.ReLU(),
                torch.nn.Dropout(dropout),
            ]
        self.layers = torch.nn.Sequential(*parts, torch.nn.Linear(width, outputs))

    def forward(self, X: Any) -> Any:
        """Return the outputs of rows."""
        return self.layers(X)

"""Tune a Lightning network on the digits: a callback reports the accuracy after each epoch."""

import logging
from typing import Any

import lightning
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ash

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
X, y = load_digits(return_X_y=True)
x, x_valid, target, target_valid = map(
    torch.from_numpy, train_test_split((X / 16).astype(np.float32), y, random_state=0)
)
EPOCHS = 10
SPACE = {
    "n_layers": ash.integers(1, 3),
    "dropout": ash.uniform(0.2, 0.5),
    "n_units_l0": ash.integers(4, 128, log=True),
    "n_units_l1": ash.integers(4, 128, log=True).when(n_layers=(2, 3)),
    "n_units_l2": ash.integers(4, 128, log=True).when(n_layers=3),
}


class Net(lightning.LightningModule):
    """A network with the layers that `params` specifies."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = x.shape[1]
        for i in range(params["n_layers"]):
            units = params[f"n_units_l{i}"]
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(params["dropout"])]
            width = units
        self.model = nn.Sequential(*layers, nn.Linear(width, 10))

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch: Any, _: int) -> None:
        """Log the accuracy on a batch."""
        self.log("accuracy", (self.model(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(self.parameters())


def train(params: dict[str, Any], report: Any) -> None:
    """Train with Lightning, and report the accuracy after each epoch."""

    class Report(lightning.Callback):
        def on_validation_end(self, trainer: lightning.Trainer, _: Any) -> None:
            report(trainer.callback_metrics["accuracy"])

    torch.manual_seed(0)
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, num_sanity_val_steps=0, accelerator="cpu", callbacks=[Report()], **quiet
    )
    rows = DataLoader(TensorDataset(x, target), batch_size=128, shuffle=True)
    trainer.fit(Net(params), rows, DataLoader(TensorDataset(x_valid, target_valid), batch_size=len(x_valid)))


def tune(candidates: int | None = 20, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        train, SPACE, candidates=candidates, time_limit=time_limit, max_epochs=EPOCHS, n_jobs=1, random_state=seed
    )


if __name__ == "__main__":
    print(tune())

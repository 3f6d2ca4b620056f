"""The spaces that `ash`, scikit-learn and PyTorch can all express, and one candidate in the words of each.

Two spaces: small networks, and the default space of `ash` for such a table less what MLPClassifier lacks (silu, gelu,
dropout, label smoothing, decoupled weight decay). The candidates of a seed are those of `ash.Space.sample`, for
every peer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ash

PENALTIES = (0.0, 1e-5, 1e-4, 1e-3)
ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}  # ours: scikit-learn's
Params = dict[str, Any]


@dataclass(frozen=True)
class Shared:
    """A space that all can express. Rates are (low, high, levels), equal ratios apart."""

    hidden: tuple[tuple[int, ...], ...]
    activations: tuple[str, ...]
    batches: tuple[int, ...]
    adam_rates: tuple[float, float, int]
    nesterov_rates: tuple[float, float, int]
    beta2: tuple[float, ...]
    momentum: tuple[float, ...]

    def ours(self) -> ash.Space:
        """Return it in our words."""
        return ash.Space(
            hidden=ash.choice(*self.hidden),
            activation=ash.choice(*self.activations),
            optimizer=ash.choice("adam", "nesterov"),
            learning_rate=[
                ash.log(*self.adam_rates).when(optimizer="adam"),
                ash.log(*self.nesterov_rates).when(optimizer="nesterov"),
            ],
            beta2=ash.choice(*self.beta2).when(optimizer="adam"),
            momentum=ash.choice(*self.momentum).when(optimizer="nesterov"),
            l2=ash.choice(*PENALTIES),
            batch_size=ash.choice(*self.batches),
        )


def _alpha(l2: float, batch: int) -> float:
    """Return scikit-learn's penalty, which it divides by the rows of a batch."""
    return l2 * batch


def as_scikit_learn(params: Mapping[str, Any]) -> Params:
    """Return one of our candidates as arguments of MLPClassifier."""
    adam = params["optimizer"] == "adam"
    return {
        "hidden_layer_sizes": params["hidden"],
        "activation": ACTIVATIONS[params["activation"]],
        "solver": "adam" if adam else "sgd",
        "learning_rate_init": params["learning_rate"],
        "batch_size": params["batch_size"],
        "alpha": _alpha(params["l2"], params["batch_size"]),
        **({"beta_2": params["beta2"]} if adam else {"momentum": params["momentum"]}),
    }


SPACES = {
    "default, as far as shared": Shared(
        hidden=(
            *((128, 64), (128,), (64,), (32,), (128, 128), (64, 64), (32, 32), (128, 32), (64, 32)),
            *((32, 32, 32), (64, 64, 64), (128, 128, 128)),
        ),
        activations=("relu", "tanh"),
        batches=(32, 16, 64),
        adam_rates=(5e-4, 2e-2, 17),
        nesterov_rates=(1e-2, 3e-1, 16),
        beta2=(0.95, 0.99, 0.999),
        momentum=(0.9, 0.95),
    ),
    "small networks": Shared(
        hidden=((64,), (16,), (32,), (32, 16), (32, 32), (64, 32)),
        activations=("relu", "tanh", "sigmoid"),
        batches=(32, 16, 64),
        adam_rates=(1e-3, 2e-2, 14),
        nesterov_rates=(1e-2, 3e-1, 16),
        beta2=(0.999,),
        momentum=(0.9,),
    ),
}

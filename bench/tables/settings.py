"""The two settings of the runs, with their spaces and candidates, on scikit-learn's or the full optical digits.

    full-batch    the student project's: 64-64-10 and similar networks, one activation per layer, L2, plain gradient
                  descent at a constant rate, one update per epoch; a job of rung k trains 2^k epochs from scratch
    mini-batch    networks with 0 to 3 hidden layers, optimizers such as Adam, dropout; jobs resume from the last rung

The candidates are those that `ash.tune` draws with seed 0. Its draw of k candidates is a prefix of any larger draw, so
one list serves all numbers of models.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import ash
from ash.space.hyperparameters import Params
from bench.datasets import Digits, digits

SETTINGS = ("full-batch", "mini-batch")
MOST_MODELS = 2048
SEED = 0
WIDTHS = (32, 64, 128)
ONE_LAYER = ((64,), (32,), (128,))
TWO_LAYERS = ((32, 32), (64, 32), (64, 64), (128, 64))
ACTIVATIONS = ("relu", "sigmoid", "tanh")


@cache
def read(folder: str | None) -> Digits:
    """Return the table in this folder; without a folder, scikit-learn's digits."""
    return digits(folder)


def space(setting: str) -> ash.Space:
    """Return the space of a setting, which has more than 2,048 configurations."""
    if setting == "mini-batch":
        return mini_batch_space()
    return ash.Space(
        hidden=ash.choice(*ONE_LAYER, *TWO_LAYERS),
        activation=[
            ash.choice(*((one,) for one in ACTIVATIONS)).when(hidden=ONE_LAYER),
            ash.choice(*product(ACTIVATIONS, repeat=2)).when(hidden=TWO_LAYERS),
        ],
        optimizer="sgd",
        learning_rate=ash.loguniform(0.03, 1.0, levels=16),
        learning_rate_schedule="constant",
        l2=ash.choice(0.0, 1e-4, 1e-3, 1e-2),
        batch_size="full",
    )


def mini_batch_space() -> ash.Space:
    """Return a space with 0, 1, 2 (the second not wider) or 3 (equal) hidden layers, and rates by optimizer."""
    shapes: list[tuple[int, ...]] = [(), *((width,) for width in WIDTHS)]
    shapes += [pair for pair in product(WIDTHS, repeat=2) if pair[0] >= pair[1] and pair[1] < WIDTHS[-1]]
    shapes += [(width,) * 3 for width in WIDTHS[:-1]]
    return ash.Space(
        hidden=ash.choice(*shapes, default=(64, 64)),
        activation=ash.choice("relu", "silu", "gelu", "tanh"),
        optimizer=ash.choice("adamw", "adam", "nesterov"),
        learning_rate=[
            ash.loguniform(3e-3, 3e-1, levels=17).when(optimizer="nesterov"),
            ash.loguniform(3e-4, 3e-2, levels=17),
        ],
        momentum=ash.choice(0.9, 0.95).when(optimizer="nesterov"),
        beta2=ash.choice(0.95, 0.99, 0.999).when(optimizer=("adam", "adamw")),
        weight_decay=ash.choice(0.0, 0.001, 0.01, 0.03, 0.1, 0.3).when(optimizer="adamw"),
        l2=ash.choice(0.0, 1e-5, 1e-4, 1e-3).when(optimizer=("adam", "nesterov")),
        dropout=ash.uniform(0.0, 0.3, levels=7, default=0.0),
        batch_size=ash.choice(16, 32, 64, default=32),
        label_smoothing=ash.choice(0.0, 0.03, 0.1),
    )


def training(setting: str) -> str:
    """Return the setting's value for `training` of `ash.tune`; other arguments keep their defaults."""
    return "restart" if setting == "full-batch" else "resume"


def candidates(setting: str, count: int) -> list[Params]:
    """Return the first `count` candidates of a setting, as `ash.tune` draws them."""
    return space(setting).sample(count, SEED)


def tune(
    setting: str, models: int, folder: str | None, *, seed: int = SEED, threads: int | None = None, **fields: Any
) -> ash.Result:
    """Run a setting in this process, by default on OMP_NUM_THREADS threads.

    `fields` are fields of `ash.SearchConfig`.
    """
    table, config = read(folder), ash.SearchConfig(training=training(setting), **fields)
    given = {"candidates": models, "validation": 0.2, "random_state": seed, "n_jobs": threads, "verbose": 0}
    return ash.tune(table.x, table.y, space(setting), config=config, **given)

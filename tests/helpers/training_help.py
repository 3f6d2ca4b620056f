"""Helpers for tests of training: small tables, core settings, and the oracle with the core's initial weights."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from reference_layers import Array, Embedding, Scaling
from reference_network import Hyperparameters, Network, Trainer

ACTIVATIONS = ["relu", "sigmoid", "tanh", "gelu", "silu", "selu", "mish", "identity"]
OPTIMIZERS = ["sgd", "momentum", "nesterov", "adam", "adamw"]
PARTS: dict[str, dict[str, Any]] = {
    "embedding": {"embedding": "periodic", "embedding_frequency": 0.2},
    "scaling": {"input_scaling": True},
    "ntk": {"parametrization": "ntk"},
    "parametric": {"parametric_activation": True},
}
"""The parts of the RealMLP recipe, with their settings."""
COMBINATIONS = {
    "+".join(names): {key: value for name in names for key, value in PARTS[name].items()}
    for count in range(1, len(PARTS) + 1)
    for names in itertools.combinations(PARTS, count)
}
ALL = COMBINATIONS["+".join(PARTS)]
FMA_SETS = [name for name in _core.instruction_sets() if name != "baseline"]


def settings(**changes: Any) -> _core.Settings:
    """Return core settings: plain full-batch gradient descent except for `changes`."""
    values: dict[str, Any] = {
        "hidden": [],
        "activations": [],
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "learning_rate_schedule": "cycle",
        "momentum": 0.9,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "l2": 0.0,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "batch_size": 0,
        "initialization": "auto",
        "parametrization": "standard",
        "input_scaling": False,
        "parametric_activation": False,
        "embedding": "none",
        "embedding_frequency": 0.1,
        "target_transform": "none",
        "precision": "fp32",
    }
    unknown = set(changes) - set(values)
    if unknown:
        raise ValueError(f"unknown settings {sorted(unknown)}")
    result = _core.Settings()
    for name, value in {**values, **changes}.items():
        setattr(result, name, list(value) if isinstance(value, tuple) else value)
    return result


def chosen_for(optimizer: str, task: str, depth: int = 2, **changes: Any) -> _core.Settings:
    """Return settings for comparisons with the oracle: rounding errors stay small, and decays affect updates."""
    values = {
        "hidden": (8, 16, 5)[:depth],
        "activations": ("mish", "selu", "tanh")[:depth],
        "optimizer": optimizer,
        "learning_rate": 0.02 if optimizer.startswith("adam") else 0.05,
        "epsilon": 1e-2,
        "l2": 0.0 if optimizer == "adamw" else 0.01,
        "weight_decay": 0.0 if optimizer == "adam" else 0.05,
        "label_smoothing": 0.1 if task.startswith("classes") else 0.0,
    }
    return settings(**{**values, **changes})


def table(rows: int, features: int, outputs: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Return normal features on different scales, and targets that depend on them (labels or negative numbers)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)) * random.uniform(0.5, 20, features) + random.uniform(-5, 5, features)
    signal = np.tanh((x - x.mean(0)) / x.std(0) @ random.normal(size=(features, classes or outputs)))
    if classes:
        return x, signal.argmax(axis=1).astype(float)[:, None]
    return x, 3 * signal + 0.1 * random.normal(size=signal.shape) - 7


def core_data(x: Array, y: Array, classes: int, validation: int = 0, standardize: bool = True) -> _core.Data:
    """Return core data whose last `validation` rows are for validation; with 0, all rows train and validate."""
    numbers = np.arange(len(x), dtype=np.int64)
    training, held = (numbers[:-validation], numbers[-validation:]) if validation else (numbers, numbers)
    return _core.Data(
        np.ascontiguousarray(x, dtype=np.float64),
        np.ascontiguousarray(y, dtype=np.float64),
        classes,
        training.copy(),
        held.copy(),
        standardize,
    )


def standardized(values: Array) -> Array:
    """Scale targets to mean 0 and standard deviation 1 per column (constant columns to 0), rounded to float32."""
    scale = values.std(axis=0)
    shifted = (values - values.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return shifted.astype(np.float32).astype(np.float64)


def robust(values: Array, center: Array | None = None, scale: Array | None = None) -> Array:
    """Scale features to median 0 and interquartile range 1, clip them smoothly, replace gaps by 0, round to float32.

    By default, center and scale are computed from the columns. If a column's quartiles are equal, its scale is the
    median distance of its other values from them.
    """
    if center is None or scale is None:
        lower, center, upper = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
        distances = np.where(values == center, np.nan, abs(values - center))
        distances[:, np.isnan(distances).all(axis=0)] = 1.0  # only constant columns and missing cells
        scale = np.where(upper > lower, upper - lower, np.nanmedian(distances, axis=0))
    z = np.nan_to_num((values - center) / scale)
    return (z / np.sqrt(1 + (z / 3) ** 2)).astype(np.float32).astype(np.float64)


def reference(
    data: _core.Data,
    chosen: _core.Settings,
    x: Array,
    y: Array,
    classes: int,
    jobs: list[int],
    orders: Sequence[Sequence[int]] | None = None,
) -> tuple[Network, list[float]]:
    """Train the oracle from the core's initial weights, `jobs[i]` epochs in job i; return the network and its losses.

    `x` and `y` are the scaled rows as the core uses them. `orders` lists the rows of each epoch over all jobs; by
    default each epoch uses all rows in their given order.
    """
    initial, _ = _core.train(data, chosen, 0)
    hyperparameters = Hyperparameters(
        hidden=tuple(chosen.hidden),
        activations=tuple(chosen.activations),
        **{
            name: getattr(chosen, name)
            for name in Hyperparameters.__dataclass_fields__
            if name not in ("hidden", "activations")
        },
    )
    weights = [w.astype(np.float64) for w in initial.weights]
    biases = [b.astype(np.float64) for b in initial.biases]
    embedding = Embedding(initial.numbers, initial.embedding.astype(np.float64)) if initial.numbers else None
    scaling = Scaling(np.ones(len(weights[0]))) if chosen.input_scaling else None
    network = Network(weights, biases, hyperparameters, classes, embedding, scaling)
    trainer = Trainer(network, hyperparameters)
    losses: list[float] = []
    for epochs in jobs:
        done = len(losses)
        losses += trainer.job(x, y, epochs, None if orders is None else orders[done : done + epochs])
    return network, losses


def parameters(network: _core.Network) -> NDArray[np.float32]:
    """Return all weights, biases, shares and the embedding as one vector, for bit-for-bit comparisons."""
    parts = (*network.weights, *network.biases, *network.shares, network.embedding)
    return np.concatenate([part.ravel() for part in parts])


def same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Return whether shape, dtype and bytes are equal, so that NaN equals NaN and 0.0 differs from -0.0."""
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def run_tuner(data: _core.Data, candidates: list[_core.Settings], **arguments: Any) -> _core.Tuner:
    """Run a tuner and return it when it has finished."""
    tuner = _core.Tuner([data], candidates, **arguments)
    tuner.start()
    if not tuner.wait(120):
        tuner.stop()
        raise TimeoutError("the tuner did not finish within 120 s")
    return tuner


def scores(tuner: _core.Tuner) -> dict[tuple[int, int], tuple[bytes, ...]]:
    """Return the bits of score, loss and training loss of each finished job, by (candidate, rung)."""
    jobs = tuner.jobs()
    columns = [np.asarray(jobs[name], dtype=np.float64) for name in ("score", "loss", "training_loss")]
    keys = zip(jobs["candidate"].tolist(), jobs["rung"].tolist(), strict=True)
    return {key: tuple(c[row].tobytes() for c in columns) for row, key in enumerate(keys)}


def quantile(values: Array, weights: Array, share: float) -> float:
    """Return the weighted quantile at `share`: the mean over a window of weight 1 (the mean weight if that is less)."""
    order = np.argsort(values)
    used = np.concatenate([[0], np.cumsum(weights[order])])
    unit = min(1.0, used[-1] / len(values))
    start = share * (used[-1] - unit)
    shares = np.clip(used[1:], start, start + unit) - np.clip(used[:-1], start, start + unit)
    return float(np.average(values[order], weights=shares))


def quartiles(x: Array, weights: Array) -> tuple[Array, Array]:
    """Return each column's center and scale from its weighted known cells; a constant column has scale 1."""
    found = []
    for column in x.T:
        known = ~np.isnan(column)
        values = column[known]
        lower, median, upper = (quantile(values, weights[known], share) for share in (0.25, 0.5, 0.75))
        scale, other = upper - lower, abs(values - median) > 1e-12 * np.ptp(values)
        if scale <= 1e-12 * np.ptp(values):
            distances = abs(values[other] - median)
            scale = quantile(distances, weights[known][other], 0.5) if other.any() else 1.0
        found.append((median, scale))
    center, scale = np.array(found).T
    return center, scale

"""Tests a model's description, from which all exports are made: its plain steps have the same outputs as the core."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ash
import needs
from ash import _core
from ash.encoding.date_parts import PARTS
from ash.export.description import Description, NetworkMember, describe
from export_help import cells, check_outputs, mixed_frame
from export_random import (
    random_ensemble,
    random_mixture,
    random_network,
    random_rows,
    random_trees,
)
from reference_layers import Activation, Dense, Embedding

pytestmark = pytest.mark.filterwarnings("ignore:X holds infinite numbers")

SEEDS = range(25)


def looked_up(description: Description, row: list[str | float | None]) -> list[float]:
    """Return a row's features, column by column.

    Number columns first add the unscaled number (NaN if missing). All columns add the cell's row of `scaled_table`.
    """
    features: list[float] = []
    for column in description.columns:
        cell = row[column.source]
        if description.infinite_is_missing and cell in (math.inf, -math.inf):
            cell = None
        if column.part and isinstance(cell, float):
            days = np.array([cell])
            cell = float(PARTS[column.part](days if column.zone is None else column.zone.local(days))[0])
        codes: dict[str | float | None, int] = {level: code for code, level in enumerate(column.levels)}
        codes |= dict.fromkeys([None, *column.gaps], len(column.levels))
        if column.is_number:
            features.append(math.nan if cell is None else float(cell))
        table = column.scaled_table(description.scalings[0])
        features += table[codes.get(cell, len(column.levels) + 1)].tolist()
    return features


def outputs_of(member: NetworkMember, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the output of a member's last layer, computed by the oracle's layers in double precision."""
    x = features.astype(np.float64)
    if member.embedding is not None:
        e = member.embedding
        flat = np.concatenate([e.frequency, e.phase, e.mix.reshape(-1, len(e.numbers)), e.bias])
        x = Embedding(e.numbers.tolist(), flat).forward(x)
    for layer in member.layers:
        x = Activation(layer.activation, layer.shares).forward(Dense(layer.weights, layer.biases).forward(x))
    return x


@pytest.mark.parametrize("seed", SEEDS)
def test_features_are_scaled_bit_for_bit_like_the_core(seed: int) -> None:
    network = random_network(np.random.default_rng(seed))
    core, count = network.core, network.encoding.features
    rows = 100 * np.random.default_rng(seed).normal(size=(50, count))
    rows[3, 0], rows[4, -1], rows[5, :], rows[6, 0] = math.nan, 3.4e38, -3.4e38, 0.0
    scaling = (core.input_center, core.input_scale, core.input_limit)
    identity = _core.Network(
        [np.eye(count, dtype=np.float32)],
        [np.zeros(count, np.float32)],
        [],
        0,
        *scaling,
        np.zeros(count),
        np.ones(count),
    )
    own = describe(network).scalings[0].apply(rows)
    is_finite = np.isfinite(own).all(axis=1)  # infinity times zero would be NaN
    assert is_finite.sum() >= 48 and (own == identity.predict(rows))[is_finite].all()


@pytest.mark.parametrize("seed", SEEDS)
def test_encode_matches_a_lookup_of_every_cell(seed: int) -> None:
    random = np.random.default_rng(seed)
    network = random_network(random)
    X, description = random_rows(random, network), describe(network)
    features = np.array([looked_up(description, row) for row in cells(X)])
    numbers = [column.first for column in description.columns if column.is_number]
    with np.errstate(over="ignore"):
        features[:, numbers] = description.scalings[0].part(np.array(numbers, int)).apply(features[:, numbers])
    encoded = network.encode(X)
    assert encoded.dtype == np.float32 and encoded.flags.c_contiguous and encoded.shape == features.shape
    assert (encoded == features).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_described_members_predict_like_the_model(seed: int) -> None:
    random = np.random.default_rng(seed)
    model = random_network(random) if seed % 2 else random_ensemble(random, scalings=1 + seed // 2 % 3, folds=True)
    X, description = random_rows(random, model), describe(model)
    total = np.zeros((len(X), description.outputs))
    for (own, _), member in zip(model.weighted_members(), description.networks, strict=True):
        assert (description.scalings[member.scaling].center == own.core.input_center).all()
        outputs = outputs_of(member, own.encode(X))
        if model.classes_ is not None:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            total += member.weight * outputs / outputs.sum(axis=1, keepdims=True)
        else:
            total += member.weight * (outputs * member.target_scale + member.target_mean)
    check_outputs(model, total, X)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (random_trees, "boosted trees have no {}: use to_onnx or to_cpp, or take the networks"),
        (partial(random_mixture, scalings=2), "boosted trees have no {}: use to_onnx or to_cpp, or take the networks"),
        (partial(random_ensemble, scalings=2), "networks of several folds .* have no common {}: use to_onnx or to_cpp"),
    ],
)
def test_exports_that_need_a_common_scaling_are_refused(make: Any, complaint: str) -> None:
    model = make(np.random.default_rng(0))
    exports = {
        "scaled features": lambda: model.encode([]),
        "scikit-learn form": model.to_sklearn,
        "PyTorch form": lambda: needs.package("torch") and model.to_torch(),
    }
    for what, export in exports.items():
        with pytest.raises(ash.SettingError, match=complaint.format(what)):
            export()


def test_encode_checks_the_table() -> None:
    frame = mixed_frame(60)
    model = ash.tune(frame, frame["gain"] > 0, ash.Space(hidden=(4,)), candidates=1, verbose=0, validation=0.2).model
    assert model.encode(frame.head(1)).shape == (1, len(model.encoding.names))
    with pytest.raises(ash.DataError, match="6 features, but the network is expecting 7"):
        model.encode(frame.to_numpy(object)[:, 1:])
    with pytest.raises(ash.DataError, match="infinity"):
        model.encode(frame.assign(age=math.inf))
    with pytest.raises(ash.DataError, match="0 sample"):
        model.encode(frame.head(0))

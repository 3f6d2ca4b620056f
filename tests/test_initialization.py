"""`initialization="data"` against the oracle, by what it promises, and not dependent on how it is run.

Weights of float32 are compared within 1e-5; less than 2e-6 is seen here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ash
from ash import _core
from reference_initialization import chosen_rows, fitted
from reference_layers import FUNCTIONS, Array, Embedding
from training_help import (
    ACTIVATIONS,
    FMA_SETS,
    core_data,
    parameters,
    robust,
    run_tuner,
    same_bits,
    scores,
    settings,
    table,
)

TOLERANCE = 1e-5
WIDTHS = (40, 25)
PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ntk": {"parametrization": "ntk"},
    "scaling": {"input_scaling": True},
    "embedding": {"embedding": "periodic", "embedding_frequency": 0.3},
    "all": {"parametrization": "ntk", "input_scaling": True, "embedding": "periodic", "dropout": 0.3},
}


def by_data(activations: tuple[str, ...] = ("selu", "mish"), **changes: Any) -> _core.Settings:
    chosen = {"hidden": WIDTHS[: len(activations)], "activations": activations, "initialization": "data"}
    return settings(**{**chosen, **changes})


def first_inputs(network: _core.Network, x: Array, seed: int, candidate: int) -> Array:
    """What layer 0 reads of the rows that are looked at, in their order."""
    rows = robust(x)[chosen_rows(seed, candidate, len(x))]
    return Embedding(network.numbers, network.embedding.astype(np.float64)).forward(rows) if network.numbers else rows


def hidden_sums(network: _core.Network, x: Array) -> list[Array]:
    """What each hidden layer makes of rows, without biases."""
    sums = []
    for w, b, activation in zip(network.weights, network.biases, network.activations, strict=False):
        sums.append(x @ w.astype(np.float64))
        x = FUNCTIONS[activation][0](sums[-1] + b)
    return sums


@pytest.mark.parametrize("rows", [30, 1024, 3000])
@pytest.mark.parametrize("parts", PARTS)
def test_equals_the_oracle(parts: str, rows: int) -> None:
    x, y = table(rows, 7, 3, 3, seed=4)
    for seed, candidate in ((0, 0), (2**40 + 7, 5)):
        network, _ = _core.train(core_data(x, y, 3), by_data(**PARTS[parts]), 0, seed, candidate)
        inputs = first_inputs(network, x, seed, candidate)
        assert len(inputs) == min(rows, 1024)
        weights, biases = fitted(inputs, WIDTHS, ("selu", "mish"), seed, candidate)
        for layer in range(2):
            np.testing.assert_allclose(network.weights[layer], weights[layer], rtol=TOLERANCE, atol=TOLERANCE)
            np.testing.assert_allclose(network.biases[layer], biases[layer], rtol=TOLERANCE, atol=TOLERANCE)
        assert not network.weights[2].any() and not network.biases[2].any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("classes", [0, 3])
def test_neurons_have_variance_one_and_their_zero_between_rows(activation: str, classes: int) -> None:
    x, y = table(200, 6, classes or 2, classes)
    network, _ = _core.train(core_data(x, y, classes), by_data((activation,) * 2), 0)
    for sums, bias in zip(hidden_sums(network, first_inputs(network, x, 0, 0)), network.biases, strict=False):
        np.testing.assert_allclose(sums.var(axis=0), 1, atol=TOLERANCE)
        assert (sums.min(axis=0) < -bias).all() and (-bias < sums.max(axis=0)).all()
        assert len(np.unique(bias)) == len(bias)


def test_a_neuron_that_is_the_same_for_all_rows_keeps_its_weights() -> None:
    """No row differs from another in what layer 0 reads: the features are constant, and so are all neurons."""
    x, y = np.full((50, 4), 3.0), np.arange(50.0)[:, None]
    for standardize in (True, False):
        network, losses = _core.train(core_data(x, y, 0, standardize=standardize), by_data(learning_rate=0.01), 3)
        assert np.isfinite(parameters(network)).all() and np.isfinite(losses).all()
    network, _ = _core.train(core_data(x, y, 0, standardize=False), by_data(), 0)
    [first, second], biases = fitted(x, WIDTHS, ("selu", "mish"), 0, 0)
    np.testing.assert_allclose(network.weights[0], first, atol=TOLERANCE)
    np.testing.assert_allclose(network.weights[1], second, atol=TOLERANCE)
    np.testing.assert_allclose(network.biases[0], biases[0], atol=1e-3)


def test_a_linear_model_begins_at_zero() -> None:
    network, _ = _core.train(core_data(*table(40, 5, 2, 0), 0), by_data(()), 0)
    assert not parameters(network).any()


@pytest.mark.parametrize("other", [{"seed": 1}, {"candidate": 1}])
def test_seeds_and_candidates_begin_differently(other: dict[str, int]) -> None:
    data = core_data(*table(40, 5, 2, 0), 0)
    first, second = (_core.train(data, by_data(), 0, **which)[0] for which in ({}, other))
    for mine, theirs in zip(first.weights[:2] + first.biases[:2], second.weights[:2] + second.biases[:2], strict=True):
        assert not np.isin(mine, theirs).any()


def test_validation_rows_and_targets_have_no_part() -> None:
    x, y = table(100, 5, 2, 0)
    first, _ = _core.train(core_data(x, y, 0, validation=20), by_data(), 0)
    second, _ = _core.train(core_data(np.concatenate([x[:80], x[:20] * 2]), y[::-1], 0, validation=20), by_data(), 0)
    assert same_bits(parameters(first), parameters(second))


@pytest.mark.parametrize("parts", PARTS)
def test_every_instruction_set_with_fma_has_the_same_bits(parts: str) -> None:
    data = core_data(*table(1500, 9, 3, 3), 3)
    chosen = by_data(**PARTS[parts], batch_size=50)
    for epochs in (0, 2):
        found = [_core.train(data, chosen, epochs, instruction_set=name)[0] for name in FMA_SETS]
        assert all(same_bits(parameters(network), parameters(found[0])) for network in found)


def test_two_jobs_go_on_and_do_not_begin_again() -> None:
    data = core_data(*table(80, 5, 3, 3), 3)
    chosen = by_data(optimizer="adam", learning_rate_schedule="constant", batch_size=16)
    once, twice = (_core.train(data, chosen, 6 // cycles, cycles=cycles)[0] for cycles in (1, 2))
    assert same_bits(parameters(once), parameters(twice))


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_the_tuner_has_the_same_scores_for_any_threads_and_memory(training: str) -> None:
    data = core_data(*table(160, 5, 3, 3), 3, validation=40)
    candidates = [by_data(**parts, optimizer="adam", batch_size=20) for parts in [*PARTS.values()] * 2]
    expected = scores(run_tuner(data, candidates, training=training, threads=1, teams=False))
    for threads, limit in ((2, 0), (4, 1), (7, 0)):
        assert scores(run_tuner(data, candidates, training=training, threads=threads, memory_limit=limit)) == expected


def test_it_is_searched_like_any_other_value() -> None:
    x, y = table(120, 5, 3, 3)
    space = ash.Space(initialization=ash.choice("auto", "data"), hidden=ash.choice((8,), (16,)))
    runs = [
        ash.tune(x, y[:, 0].astype(int), space, candidates=4, threads=threads, progress=False, cv=cv)
        for threads, cv in ((1, None), (2, None), (1, 3), (2, 3))
    ]
    assert runs[0].digest == runs[1].digest != runs[2].digest == runs[3].digest
    with pytest.raises(ash.SettingError, match=r"initialization='lsuv' is not allowed: one of auto, he, xavier, data"):
        ash.Space(initialization="lsuv")

"""Tests properties of training other than its formulas, such as rows of batches, seeds, dropout and initialization."""

import math
from typing import Any

import numpy as np
import pytest

from ash import _core
from training_help import (
    ACTIVATIONS,
    ALL,
    COMBINATIONS,
    FMA_SETS,
    OPTIMIZERS,
    chosen_for,
    core_data,
    parameters,
    robust,
    same_bits,
    settings,
    standardized,
    table,
)

pytestmark = pytest.mark.core

RATE = 3e-4  # so small that the step of a row hardly changes the residuals of other rows


def uses_of_rows(rows: int, batch: int, epochs: int = 1, seed: int = 0, candidate: int = 0) -> np.ndarray:
    """Return, for each row, the sum of 1 / (batch size) over all batches that contained the row.

    The model is linear and the rows are one-hot, so only row i changes weight i, by 2 * rate * residual / (batch size).
    """
    x, y = np.eye(rows), (-1.0) ** np.arange(rows)[:, None]
    data = core_data(x, y, 0, standardize=False)
    chosen = settings(learning_rate=RATE, learning_rate_schedule="constant", batch_size=batch)
    before, _ = _core.train(data, chosen, 0, seed, candidate)
    after, _ = _core.train(data, chosen, epochs, seed, candidate)
    moved = after.weights[0][:, 0].astype(np.float64) - before.weights[0][:, 0]
    residual = standardized(y)[:, 0] - before.weights[0][:, 0]
    return np.asarray(moved / (2 * RATE * residual))


@pytest.mark.parametrize(("rows", "batch"), [(40, 40), (40, 8), (40, 7), (41, 8), (13, 1), (130, 64), (70, 69), (1, 1)])
def test_an_epoch_uses_each_row_once(rows: int, batch: int) -> None:
    """Include partial last batches, even of one row (F55). The loss of such a batch is the mean over its own rows."""
    uses = uses_of_rows(rows, batch)
    partial = rows % batch
    expected = np.sort([1 / batch] * (rows - partial) + [1 / partial] * partial if partial else [1 / batch] * rows)
    np.testing.assert_allclose(np.sort(uses), expected, rtol=0.03)


@pytest.mark.parametrize("batch", [50, 51, 1000])
def test_a_batch_of_all_rows_or_more_is_the_full_batch(batch: int) -> None:
    """Compare with the full batch, with a tolerance, since sums add the shuffled rows in another order."""
    data = core_data(*table(50, 5, 3, 3), 3)
    chosen = {"hidden": (9,), "activations": ("relu",), "optimizer": "momentum"}
    full, full_losses = _core.train(data, settings(**chosen, batch_size=0), 4)
    other, losses = _core.train(data, settings(**chosen, batch_size=batch), 4)
    np.testing.assert_allclose(parameters(other), parameters(full), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(losses, full_losses, rtol=2e-6)


def last_batch(seed: int = 0, candidate: int = 0, epochs: int = 1) -> tuple[int, ...]:
    """Return the rows of the last batches of all epochs. Of 40 rows, 32 are in the first batch and 8 in the last."""
    return tuple(np.flatnonzero(uses_of_rows(40, 32, epochs, seed, candidate) > 1.5 * epochs / 32))


def test_the_order_depends_on_seed_candidate_and_epoch() -> None:
    assert last_batch() == last_batch()
    assert len({last_batch(seed=seed) for seed in range(6)}) == 6
    assert len({last_batch(candidate=candidate) for candidate in range(6)}) == 6
    two_epochs = uses_of_rows(40, 32, epochs=2) - uses_of_rows(40, 32, epochs=1)
    second = tuple(np.flatnonzero(two_epochs > 1.5 / 32))
    assert len(second) == 8 and second != last_batch()


def test_every_row_is_equally_often_in_the_last_batch() -> None:
    """Use 200 seeds: each row is in the last batch 40 times on average (binomial, 5 standard deviations = 28)."""
    counts = np.zeros(40)
    for seed in range(200):
        counts[list(last_batch(seed=seed))] += 1
    assert counts.sum() == 1600
    assert np.abs(counts - 40).max() < 5 * math.sqrt(200 * 0.2 * 0.8)


def train_bits(seed: int = 0, candidate: int = 0, instruction_set: str = "", **changes: object) -> np.ndarray:
    data = core_data(*table(75, 6, 3, 3), 3)
    chosen = {
        "hidden": (33, 10),
        "activations": ("gelu", "tanh"),
        "optimizer": "adam",
        "learning_rate": 0.01,
        "batch_size": 16,
        "dropout": 0.2,
        **changes,
    }
    network, losses = _core.train(data, settings(**chosen), 6, seed, candidate, instruction_set=instruction_set)
    return np.concatenate([parameters(network).astype(np.float64), losses])


def test_same_seed_same_bits() -> None:
    assert same_bits(train_bits(), train_bits())
    assert not same_bits(train_bits(), train_bits(seed=1))
    assert not same_bits(train_bits(), train_bits(candidate=1))
    assert not same_bits(train_bits(), train_bits(seed=2**63))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_instruction_sets_agree_bit_for_bit(activation: str, optimizer: str) -> None:
    """F57: all sets with fused multiply-add must give equal bits. The baseline set lacks it and also rounds products.

    On the baseline, 30 updates at rate 0.01 with sums of at most 33 terms err by up to 30 * 33 * 6e-8 = 6e-5 relative
    to sums near 1. Adam amplifies this error if a gradient is near 0, so epsilon is 1e-3.
    """
    chosen = {"activations": (activation, "tanh"), "optimizer": optimizer, "epsilon": 1e-3}
    best = train_bits(**chosen)
    for name in FMA_SETS:
        assert same_bits(best, train_bits(instruction_set=name, **chosen)), name
    if "baseline" in _core.instruction_sets():
        np.testing.assert_allclose(train_bits(instruction_set="baseline", **chosen), best, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("parts", [{}, ALL], ids=["plain", "recipe"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_equals_uninterrupted(optimizer: str, parts: dict[str, Any]) -> None:
    """Compare 2 jobs of 3 epochs with 1 job of 6 epochs; the rate is constant, and random streams continue."""
    data = core_data(*table(75, 6, 3, 3), 3)
    changes = {"learning_rate_schedule": "constant", "batch_size": 16, "dropout": 0.3}
    chosen = chosen_for(optimizer, "classes", **changes, **parts)
    once, once_losses = _core.train(data, chosen, 6)
    for cycles in (2, 3, 6):
        resumed, losses = _core.train(data, chosen, 6 // cycles, cycles=cycles)
        assert same_bits(parameters(once), parameters(resumed))
        assert same_bits(once_losses, losses)


def test_no_dropout_without_hidden_layers() -> None:
    data = core_data(*table(50, 5, 1, 0), 0)
    plain, _ = _core.train(data, settings(), 3)
    dropped, _ = _core.train(data, settings(dropout=0.5), 3)
    assert same_bits(parameters(plain), parameters(dropped))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_expectation(rate: float) -> None:
    """Test dropout on a frozen identity layer. With dropout, a term h w has the variance h^2 w^2 p / (1 - p).

    The term's mean is h w, so the mean loss over random masks is (prediction - y)^2 + p / (1 - p) * sum((h w)^2). 400
    epochs of 50 rows estimate this mean; five standard errors, estimated from the epochs, are allowed.
    """
    x, y = table(50, 5, 1, 0)
    data = core_data(x, y, 0)
    frozen = {"hidden": (40,), "activations": ("identity",), "learning_rate": 1e-30, "batch_size": 10}
    network, losses = _core.train(data, settings(**frozen, dropout=rate), 400)
    initial, exact = _core.train(data, settings(**frozen), 1)
    assert same_bits(network.weights[0], initial.weights[0]) and same_bits(network.weights[1], initial.weights[1])
    hidden = robust(x) @ initial.weights[0].astype(np.float64) + initial.biases[0]
    terms = hidden * initial.weights[1][:, 0].astype(np.float64)
    residual = terms.sum(axis=1) + float(initial.biases[1][0]) - standardized(y)[:, 0]
    assert exact[0] == pytest.approx((residual**2).mean(), rel=1e-5)
    expected = (residual**2).mean() + rate / (1 - rate) * (terms**2).sum(axis=1).mean()
    error = losses.std(ddof=1) / math.sqrt(len(losses))
    assert 0 < error < 0.05 * expected
    assert abs(losses.mean() - expected) < 5 * error
    assert len(np.unique(losses)) == len(losses), "every epoch has masks of its own"


def test_dropout_is_off_in_prediction() -> None:
    x, y = table(50, 5, 3, 3)
    network, _ = _core.train(core_data(x, y, 3), settings(hidden=(30,), activations=("relu",), dropout=0.5), 3)
    first = network.predict(x)
    hidden = np.maximum(robust(x) @ network.weights[0].astype(np.float64) + network.biases[0], 0)
    logits = hidden @ network.weights[1].astype(np.float64) + network.biases[1]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(first, powers / powers.sum(axis=1, keepdims=True), atol=2e-6)
    assert same_bits(first, network.predict(x))


GAINS = {
    **dict.fromkeys(("relu", "gelu", "silu", "mish"), "he"),
    **dict.fromkeys(("tanh", "sigmoid", "identity"), "xavier"),
    "selu": "lecun",
}
VARIANCES = {"he": 2 / 400, "xavier": 2 / 700, "lecun": 1 / 400}


@pytest.mark.parametrize("initialization", ["he", "xavier", "auto"])
@pytest.mark.parametrize("activation", sorted(GAINS))
def test_initialization_has_its_variance_and_its_bound(activation: str, initialization: str) -> None:
    """Compare the variance of weights with the papers' formulas.

    It is 2 / inputs (He et al. 2015), 2 / (inputs + outputs) (Glorot and Bengio 2010) or 1 / inputs (LeCun 1998).
    Weights are uniform within sqrt(3 variance). The variance of 400 * 300 uniform weights has a standard error of
    sqrt(0.8 / 120,000) = 0.26 %; five of these are allowed.
    """
    data = core_data(*table(20, 400, 1, 0), 0)
    chosen = settings(hidden=(300,), activations=(activation,), initialization=initialization)
    network, losses = _core.train(data, chosen, 0)
    weights = network.weights[0].astype(np.float64)
    kind = GAINS[activation] if initialization == "auto" else initialization
    variance = VARIANCES[kind]
    assert losses.shape == (0,)
    assert weights.shape == (400, 300) and network.weights[1].shape == (300, 1)
    assert weights.var() == pytest.approx(variance, rel=0.013)
    assert abs(weights.mean()) < 5 * math.sqrt(variance / weights.size)
    assert 0.99 * math.sqrt(3 * variance) < np.abs(weights).max() <= math.sqrt(3 * variance) * (1 + 1e-6)
    assert all(not b.any() for b in network.biases)
    correlation = np.corrcoef(weights[:-1].ravel(), weights[1:].ravel())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(weights.size)


def test_layers_and_candidates_start_differently() -> None:
    data = core_data(*table(20, 30, 1, 0), 0)
    chosen = settings(hidden=(30, 30), activations=("relu", "relu"), initialization="he")
    first, _ = _core.train(data, chosen, 0)
    second, _ = _core.train(data, chosen, 0, candidate=1)
    reseeded, _ = _core.train(data, chosen, 0, seed=1)
    assert len(np.intersect1d(first.weights[0], first.weights[1])) < 10
    assert len(np.intersect1d(first.weights[0], second.weights[0])) < 10
    assert len(np.intersect1d(first.weights[0], reseeded.weights[0])) < 10


# RealMLP's recipe: embedding, input factors, ntk, parametric activations


@pytest.mark.parametrize("batch_size", [0, 16])
@pytest.mark.parametrize("parts", COMBINATIONS)
def test_instruction_sets_agree_bit_for_bit_on_the_recipe(parts: str, batch_size: int) -> None:
    data = core_data(*table(75, 17, 3, 3), 3)
    chosen = chosen_for("adamw", "classes", batch_size=batch_size, dropout=0.2, **COMBINATIONS[parts])
    best, losses = _core.train(data, chosen, 3, cycles=2)
    x = table(75, 17, 3, 3)[0]
    for name in FMA_SETS:
        network, own = _core.train(data, chosen, 3, cycles=2, instruction_set=name)
        assert same_bits(parameters(network), parameters(best)) and same_bits(own, losses), name
        assert same_bits(network.predict(x, 1, name), best.predict(x, 2)), name


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_parametric_activations_start_as_plain_ones_and_are_learned(activation: str) -> None:
    """Check that the identity's shares are not learned, and that l2 and weight decay do not apply to shares."""
    x, y = table(60, 6, 3, 3)
    data = core_data(x, y, 3)
    chosen = {"hidden": (9, 5), "activations": (activation,) * 2, "l2": 0.5, "weight_decay": 0.5}
    plain, _ = _core.train(data, settings(**chosen), 0)
    begun, _ = _core.train(data, settings(parametric_activation=True, **chosen), 0)
    assert plain.shares == [] and [share.tolist() for share in begun.shares] == [[1.0] * 9, [1.0] * 5]
    np.testing.assert_array_equal(begun.predict(x), plain.predict(x))
    moved, _ = _core.train(data, settings(parametric_activation=True, **chosen), 3)
    still = [bool((share == 1).all()) for share in moved.shares]
    assert still == [activation == "identity"] * 2


@pytest.mark.parametrize("frequency", [0.0, 1e6])
def test_the_largest_and_the_smallest_frequency_train(frequency: float) -> None:
    data = core_data(*table(60, 6, 3, 3), 3)
    chosen = chosen_for("adamw", "classes", **{**ALL, "embedding_frequency": frequency})
    network, losses = _core.train(data, chosen, 5)
    assert np.isfinite(losses).all() and np.isfinite(parameters(network)).all()


@pytest.mark.parametrize("initialization", ["auto", "he", "xavier"])
def test_ntk_starts_with_unit_variance_and_zero_output_weights(initialization: str) -> None:
    """Check that only initialization `"auto"` does this; an explicitly chosen initialization is used unchanged."""
    data = core_data(*table(20, 400, 1, 0), 0)
    chosen = {"hidden": (300,), "activations": ("relu",), "initialization": initialization}
    network, _ = _core.train(data, settings(**chosen, parametrization="ntk"), 0)
    plain, _ = _core.train(data, settings(**chosen), 0)
    if initialization == "auto":
        assert network.weights[0].var() == pytest.approx(1 / 400, rel=0.013)
        assert np.abs(network.weights[0]).max() <= np.sqrt(3 / 400) * (1 + 1e-6)
        assert not network.weights[1].any()
    else:
        assert same_bits(parameters(network), parameters(plain))


@pytest.mark.parametrize("frequency", [0.1, 3.0])
def test_an_embedding_starts_as_documented(frequency: float) -> None:
    """Check that frequencies are normally distributed, and that all other parameters are uniform.

    Phases cover one turn. Mixing weights and biases have the bound of a layer with 16 inputs. The variance of 16 * 2000
    frequencies has a standard error of sqrt(2 / 32,000) = 0.8 %; five of these are allowed.
    """
    data = core_data(np.random.default_rng(0).normal(size=(8, 2000)), np.arange(8.0)[:, None], 0)
    chosen = settings(embedding="periodic", embedding_frequency=frequency)
    network, _ = _core.train(data, chosen, 0)
    frequencies, phases, mixes, biases = np.split(network.embedding.astype(np.float64), [16, 32, 80])
    assert network.embedding.shape == (83, 2000)
    scaled = frequencies / frequency
    assert scaled.var() == pytest.approx(1, rel=0.04)
    assert abs(scaled.mean()) < 5 / np.sqrt(scaled.size)
    assert (scaled**4).mean() == pytest.approx(3, rel=0.1)  # a sum of twelve uniform numbers would give 2.9
    for part, bound in ((phases, 0.5), (mixes, 0.25), (biases, 0.25)):
        assert 0.99 * bound < np.abs(part).max() <= bound
        assert part.var() == pytest.approx(bound**2 / 3, rel=0.05)
        assert abs(part.mean()) < 5 * bound / np.sqrt(3 * part.size)
    rows = np.corrcoef(network.embedding)
    assert np.abs(rows - np.eye(83)).max() < 6 / np.sqrt(2000)
    other, _ = _core.train(data, chosen, 0, candidate=1)
    assert (other.embedding == network.embedding).mean() < 1e-4
    assert abs(np.corrcoef(other.embedding.ravel(), network.embedding.ravel())[0, 1]) < 5 / np.sqrt(83 * 2000)

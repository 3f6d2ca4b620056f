"""Compares scaling by quartiles with a smooth clip (Holzmueller et al., arXiv 2407.04491, section 3) with NumPy."""

import numpy as np
import pytest

from ash import _core
from reference_network import Array
from training_help import FMA_SETS, quartiles, robust, same_bits, settings

NAN = float("nan")
RANDOM = np.random.default_rng(11)
ROWS = 400
COLUMNS = {
    "normal": 5 + 3 * RANDOM.normal(size=ROWS),
    "skewed": RANDOM.lognormal(sigma=2, size=ROWS),
    "far tails": RANDOM.standard_cauchy(size=ROWS) ** 3,
    "whole": RANDOM.integers(0, 5, ROWS).astype(float),
    "mostly 0": np.where(RANDOM.uniform(size=ROWS) < 0.1, RANDOM.normal(size=ROWS), 0),
    "two values": RANDOM.integers(0, 2, ROWS) * 8.0 - 3,
    "two values, one rare": (np.arange(ROWS) % 20 == 3) * 2.0,
    "one other": (np.arange(ROWS) == 77) * 2.0**-50 + 0.25,
    "gaps": np.where(RANDOM.uniform(size=ROWS) < 0.3, NAN, RANDOM.normal(size=ROWS)),
    "mostly gaps": np.where(RANDOM.uniform(size=ROWS) < 0.99, NAN, RANDOM.normal(size=ROWS)),
}
X = np.column_stack(list(COLUMNS.values()))
RULED = ("mostly 0", "two values, one rare", "one other")
"""Columns whose quartiles are equal, so that the distances of other values from the mode are used instead."""


def built(x: Array, weights: Array | None = None) -> _core.Data:
    """Return data with standardized features and constant targets; all rows are both for training and validation."""
    rows = np.arange(len(x), dtype=np.int64)
    y = np.zeros((len(x), 1))
    builder = _core.DataBuilder([True] * x.shape[1], y, 0, rows, rows, weights)
    builder.observe(x)
    builder.fill(x)
    return builder.finish()


def scaling(data: _core.Data) -> tuple[Array, Array]:
    network, _ = _core.train(data, settings(), 0)
    assert network.input_limit.tolist() == [3.0] * data.features
    return network.input_center, network.input_scale


def inputs_of(data: _core.Data) -> _core.Network:
    """Return a network whose predictions are its inputs, scaled by the data's center and scale and clipped."""
    width = data.features
    center, scale = scaling(data)
    identity, zeros = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
    limit = np.full(width, 3.0)
    return _core.Network([identity], [zeros], [], 0, center, scale, limit, np.zeros(width), np.ones(width))


def test_center_and_scale_are_those_of_numpy() -> None:
    center, scale = scaling(built(X))
    lower, median, upper = np.nanquantile(X, [0.25, 0.5, 0.75], axis=0)
    assert center == pytest.approx(median, rel=1e-12)
    ruled = np.isin(list(COLUMNS), RULED)
    assert (upper == lower).tolist() == ruled.tolist()
    distances = np.where(median == X, NAN, abs(X - median))
    assert scale == pytest.approx(np.where(ruled, np.nanmedian(distances, axis=0), upper - lower), rel=1e-12)


def test_values_are_scaled_and_then_clipped_smoothly() -> None:
    z = inputs_of(built(X)).predict(X).astype(np.float64)
    np.testing.assert_allclose(z, robust(X), rtol=4e-7)
    assert np.abs(z).max() <= 3 and (z[np.isnan(X)] == 0).all()
    far = list(COLUMNS).index("far tails")
    assert np.abs(z[:, far]).max() > 2.99
    order = np.argsort(X[:, 0])
    assert (np.diff(z[order, 0]) >= 0).all()


def test_new_outliers_stay_within_the_clip() -> None:
    network = inputs_of(built(X))
    new = np.concatenate([np.full((1, X.shape[1]), value) for value in (3e38, -3e38, 1e-300, NAN)])
    z = network.predict(new)
    assert (z[0] == 3).all() and (z[1] == -3).all() and (z[3] == 0).all()
    for bad in (np.inf, -np.inf, 1e39):
        new[2, 1] = bad
        with pytest.raises(ValueError, match="infinite, or beyond the range of float32"):
            network.predict(new)


@pytest.mark.parametrize("instruction_set", FMA_SETS)
def test_prediction_has_the_same_bits_for_every_type_thread_and_instruction_set(instruction_set: str) -> None:
    network, x = inputs_of(built(X)), np.tile(X.astype(np.float32), (7, 1))
    expected = network.predict(x.astype(np.float64))
    for threads in (1, 2):
        for given in (x, x.astype(np.float64)):
            assert same_bits(network.predict(given, threads, instruction_set), expected)


@pytest.mark.parametrize("least", [0.01, 1e-6])
def test_weights_of_any_kind(least: float) -> None:
    weights = RANDOM.uniform(least, 1000 * least, ROWS)
    center, scale = scaling(built(X, weights))
    expected = quartiles(X, weights)
    assert center == pytest.approx(expected[0], rel=1e-9)
    assert scale == pytest.approx(expected[1], rel=1e-9)


def test_constant_columns_are_dropped_exactly_where_they_are_constant() -> None:
    x = np.column_stack([np.full(ROWS, 0.1), X[:, 8], np.full(ROWS, NAN), np.full(ROWS, 0.1), np.full(ROWS, 1e300)])
    x[5, 0], x[6, 3] = NAN, np.nextafter(0.1, 1)
    data = built(x)
    assert data.constant_features == [0, 2, 4]
    center, scale = scaling(data)
    assert center.tolist() == [0.1, np.nanmedian(X[:, 8]), 0, 0.1, 1e300]
    assert scale[[0, 2, 4]].tolist() == [1, 1, 1] and scale[3] == np.nextafter(0.1, 1) - 0.1
    assert _core.robust_scaling(x)[1].tolist() == [0, scale[1], 0, scale[3], 0]

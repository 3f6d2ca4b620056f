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


def built(x: Array, weights: Array | None = None, block: int | None = None) -> _core.Data:
    """Return data with standardized features and constant targets; all rows are both for training and validation."""
    rows = np.arange(len(x), dtype=np.int64)
    y = np.zeros((len(x), 1))
    builder = _core.DataBuilder([True] * x.shape[1], y, 0, rows, rows, weights)
    for take in (builder.observe, builder.fill):
        for first in range(0, len(x), block or len(x)):
            take(np.ascontiguousarray(x[first : first + (block or len(x))]))
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


def test_a_huge_value_does_not_change_the_scale_of_a_column_with_equal_quartiles() -> None:
    counts = np.array([1.0] * 1816 + [0.0] * 171)
    rows = np.arange(len(counts))
    x = np.stack([counts, 3 * counts, np.where(rows % 9 == 0, rows % 7, 2.0)], axis=1)
    center, scale = scaling(built(x))
    assert center.tolist() == [1, 3, 2] and scale.tolist() == [1, 3, 2]
    for far in (666.0, -9999.0, 3e38):
        others = scaling(built(np.vstack([x, np.full((1, 3), far)])))
        assert same_bits(others[0], center) and same_bits(others[1], scale)
    others = scaling(built(1000 * x))
    assert same_bits(others[0], 1000 * center) and same_bits(others[1], 1000 * scale)
    found = _core.robust_scaling(x)
    assert same_bits(found[0], center) and same_bits(found[1], scale)


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


def test_features_that_are_not_standardized_stay_unchanged() -> None:
    x = np.column_stack([X[:, 0], X[:, 5] > 0, X[:, 3] + 0.1])
    rows = np.arange(ROWS, dtype=np.int64)
    builder = _core.DataBuilder([True, False, False], np.zeros((ROWS, 1)), 0, rows, rows)
    builder.observe(x)
    builder.fill(x)
    network, _ = _core.train(builder.finish(), settings(), 0)
    assert network.input_center.tolist()[1:] == [0, 0] and network.input_scale.tolist()[1:] == [1, 1]
    assert network.input_limit.tolist() == [3, 0, 0]


def test_integer_weights_equal_repeated_rows() -> None:
    weights = RANDOM.integers(1, 6, ROWS)
    center, scale = scaling(built(X, weights.astype(float)))
    repeated = np.repeat(X, weights, axis=0)
    assert center == pytest.approx(np.nanmedian(repeated, axis=0), rel=1e-12)
    expected = scaling(built(repeated))
    assert center == pytest.approx(expected[0], rel=1e-12)
    assert scale == pytest.approx(expected[1], rel=1e-12)


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


def test_quartiles_of_many_rows_come_from_a_sample_that_is_the_same_for_any_block() -> None:
    """Allow rank errors of four standard deviations, each at most 0.39 % of all rows (for 2^14 sampled rows)."""
    rows = 60_000
    x = np.column_stack([np.arange(rows), RANDOM.standard_cauchy(rows), np.sin(np.arange(rows)), np.zeros(rows)])
    x[rows // 3 + 1, 3] = -2  # not in the sample
    center, scale = scaling(built(x))
    off = 4 * np.sqrt(0.25 / 2**14)
    shares = np.array([0.25, 0.5, 0.75])
    least, most = (np.quantile(x[:, :3], shares + step, axis=0) for step in (-off, off))
    assert ((least[1] <= center[:3]) & (center[:3] <= most[1])).all()
    assert ((least[2] - most[0] <= scale[:3]) & (scale[:3] <= most[2] - least[0])).all()
    assert not np.array_equal(center[:3], np.median(x[:, :3], axis=0))
    assert (center[3], scale[3]) == (0, 1), "minimum and maximum are those of all rows"
    for block in (1, 999):
        other = scaling(built(x, block=block))
        assert same_bits(other[0], center) and same_bits(other[1], scale)

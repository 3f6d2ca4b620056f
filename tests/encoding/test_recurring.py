"""Tests number columns whose values are also treated as levels: which columns these are, and their features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ash
from ash.data.frames import Frame, read_frame
from ash.encoding.encoding import TrainingEncoding
from ash.encoding.schema import (
    MOST_SPIKED,
    ONE_HOT_LEVELS,
    SEEN_ROWS,
    Schema,
    learn_schema,
    schema_from_json,
    with_recurring,
)
from ash.errors import DataError
from config_help import configured
from data_help import learned_with

NAN = float("nan")
ROWS = 1000


def gains(rows: int = ROWS, values: int = 40, seed: int = 0) -> NDArray[np.float64]:
    """Return a column of mostly zeros. The other cells have `values` distinct values, which are unevenly spaced."""
    random = np.random.default_rng(seed)
    others = np.concatenate([[1, 2], 2 + np.cumsum(random.integers(100, 999, values - 2))])
    return np.where(random.random(rows) < 0.8, 0, random.choice(others, rows)).astype(float)


def learned_schema(frame: Frame) -> Schema:
    return with_recurring(learn_schema(frame, missing="indicator")[1], frame)


def encoded(frame: Frame, targets: NDArray[np.float64], schema: Schema | None = None) -> TrainingEncoding:
    order = np.random.default_rng(1).permutation(frame.rows)[: frame.rows * 4 // 5]
    return learned_with(schema or learned_schema(frame), frame, targets, training=order)


def levels_of(values: Any) -> tuple[Any, ...]:
    return learned_schema(read_frame(np.asarray(values, float).reshape(-1, 1))).columns[0].levels


def test_levels_are_the_values_that_occur_at_least_twice() -> None:
    values = gains()
    found, counts = np.unique(values, return_counts=True)
    assert len(found) > ONE_HOT_LEVELS and counts.min() >= 1
    assert levels_of(values) == tuple(found[counts > 1])
    values[:3] = 0.5, 0.5, 0.25
    assert 0.5 in levels_of(values) and 0.25 not in levels_of(values)
    values[values == 0] = -0.0
    assert str(next(level for level in levels_of(values) if level == 0)) == "0.0"


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("quartiles that differ", np.random.default_rng(2).integers(0, 99, ROWS)),
        ("no more values than a category has ones and zeros for", gains(values=ONE_HOT_LEVELS - 1)),
        ("grey levels", np.maximum(0, np.random.default_rng(13).integers(-600, 256, ROWS))),
        ("values that occur once", np.where(np.arange(ROWS) % 5 == 0, np.arange(ROWS), 0)),
        ("one value", np.ones(ROWS)),
        ("no value", np.full(ROWS, NAN)),
        ("one row", [3.0]),
    ],
)
def test_other_number_columns_have_no_levels(what: str, values: Any) -> None:
    assert levels_of(values) == (), what


def test_a_table_with_too_many_such_columns_has_no_levels() -> None:
    columns = np.stack([gains(seed=seed) for seed in range(MOST_SPIKED + 1)], axis=1)
    assert all(column.levels for column in learned_schema(read_frame(columns[:, 1:])).columns)
    assert not any(column.levels for column in learned_schema(read_frame(columns)).columns)


def test_quartiles_ignore_missing_cells() -> None:
    missing = np.random.default_rng(3).random(3 * ROWS) < 0.6
    assert levels_of(np.where(missing, NAN, gains(3 * ROWS)))
    assert not levels_of(np.where(missing, 0.0, NAN))


def test_levels_do_not_depend_on_the_library_or_the_shape_of_the_table() -> None:
    values = gains(3 * SEEN_ROWS)
    expected = levels_of(values)
    wide = np.random.default_rng(4).normal(size=(len(values), 300))
    wide[:, 7] = wide[:, 299] = values
    objects = wide[:, :8].astype(object)
    objects[:, 0] = [f"{value:.0f} a" for value in wide[:, 0]]
    for table, places in (
        (wide, (7, 299)),
        (np.asfortranarray(wide), (7, 299)),
        (wide.astype(np.float32), (7, 299)),
        (objects, (7,)),
    ):
        columns = learned_schema(read_frame(table)).columns
        found = tuple(place for place, column in enumerate(columns) if column.kind == "number" and column.levels)
        assert found == places
        assert all(columns[place].levels == expected for place in places)


def test_features_are_the_number_and_the_statistics_of_its_level() -> None:
    values, targets = gains(), np.random.default_rng(5).normal(size=(ROWS, 2))
    values[:100] = NAN
    other = np.arange(ROWS, dtype=float)
    numbers = encoded(read_frame(np.column_stack([values, other])), targets)
    names = ("x0", "x0 is missing", "x0: target mean 0", "x0: target mean 1", "x0: log count", "x1")
    assert numbers.names == names
    assert numbers.scaled.tolist() == [True, False, True, True, True, True]
    levels = set(numbers.schema.columns[0].levels)
    cells = [None if value != value else f"v{value}" for value in values.tolist()]
    twin = read_frame(np.array([cells, [0.0] * ROWS], object).T)
    kept = learn_schema(twin, missing="indicator", most_levels=len(levels))[1]
    frequent = {float(str(level)[1:]) for level in kept.columns[0].levels}
    assert frequent == levels, "those that occur twice"
    category = encoded(twin, targets, kept)
    for block, expected in (
        (numbers.fitting_block(slice(3, ROWS)), category.fitting_block(slice(3, ROWS))),
        (numbers.block(numbers.frame, slice(3, ROWS)), category.block(twin, slice(3, ROWS))),
    ):
        # sums are added in the order of the levels, which differs between the columns, so the last bits may differ
        assert block[:, 2:5] == pytest.approx(expected[:, :3], rel=1e-12, abs=1e-14)
        assert np.array_equal(block[:, 0], values[3:], equal_nan=True)
        assert np.array_equal(block[:, 1], np.isnan(values[3:]))
        assert np.array_equal(block[:, 5], other[3:])


def test_new_numbers_are_accepted_and_get_the_priors() -> None:
    fitted = encoded(
        read_frame(np.column_stack([gains(), np.arange(ROWS)])), np.random.default_rng(6).normal(size=(ROWS, 1))
    )
    table = fitted.statistics[0]
    assert table is not None
    later = read_frame(np.array([[-1.0, 0], [0.0, 0], [1e9, 0], [0.3, 0], [NAN, 0]]))
    block = fitted.block(later, slice(0, 5), "error")
    assert block[:, :1].tolist()[:4] == [[-1.0], [0.0], [1e9], [0.3]]
    place = fitted.schema.columns[0].levels.index(0.0)
    unknown, missing = table[-1], table[-2]
    assert np.array_equal(block[:, 1:3], [unknown, table[place], unknown, unknown, missing])


def test_a_matrix_has_the_same_features_as_its_separate_columns() -> None:
    plain = np.random.default_rng(8).normal(size=(ROWS, 3))
    gaps = np.where(np.random.default_rng(9).random((ROWS, 2)) < 0.1, NAN, plain[:, :2])
    for columns in (
        (gains(), plain, gaps, gains(seed=1)),
        (plain, gains(), gains(seed=1), gaps),
        (gaps, np.where(np.isnan(gaps[:, :1]), NAN, gains()[:, None]), plain),
    ):
        matrix, targets = np.column_stack(columns), np.random.default_rng(10).normal(size=(ROWS, 1))
        schema = learned_schema(read_frame(matrix))
        whole, single = (encoded(read_frame(x), targets, schema) for x in (matrix, matrix.astype(object)))
        assert whole.frame.matrix is not None and single.frame.matrix is None
        assert sum(table is not None for table in whole.statistics) >= 1
        for part in (slice(0, ROWS), slice(5, 6), slice(7, 7)):
            assert np.array_equal(whole.block(whole.frame, part), single.block(single.frame, part), equal_nan=True)


def test_tiny_and_huge_numbers_have_levels() -> None:
    for factor in (np.finfo(float).smallest_subnormal, 1e-300, 1e30):
        assert len(levels_of(gains() * factor)) == len(levels_of(gains()))


MANY = [float(level) for level in range(ONE_HOT_LEVELS + 1)]


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        (MANY[:-1], f"is a number with {ONE_HOT_LEVELS} levels"),
        ([*MANY[:-1], NAN], "levels that are not numbers"),
        ([*MANY[:-1], float("inf")], "levels that are not numbers"),
        ([*MANY[:-1], "33"], "levels that are not numbers"),
        ([*MANY[:-1], 33], "levels that are not numbers"),
        ([*MANY[:-1], True], "levels that are not numbers"),
        ([*MANY, 3.0], "not sorted and unique"),
        (MANY[::-1], "not sorted and unique"),
        (dict.fromkeys(MANY), "levels that are not numbers"),
    ],
)
def test_invalid_levels_in_a_file_are_refused(levels: Any, reason: str) -> None:
    schema = learned_schema(read_frame(gains()[:, None])).to_json()
    schema["columns"][0]["levels"] = MANY
    assert schema_from_json(schema).columns[0].levels == tuple(MANY)
    schema["columns"][0]["levels"] = levels
    with pytest.raises(ValueError, match=reason):
        schema_from_json(schema)


def lumpy_table(rows: int = ROWS, seed: int = 8) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return features and classes. Each frequent value of the first feature decides the class."""
    random = np.random.default_rng(seed)
    values = gains(rows, seed=9)
    meaning = {value: random.random() < 0.5 for value in np.unique(values).tolist()}
    x = np.column_stack([values, random.normal(size=(rows, 2))])
    return x, np.array([meaning[value] if value else x[row, 1] > 0 for row, value in enumerate(values)]).astype(int)


def test_a_network_learns_the_meaning_of_the_values(tmp_path: Path) -> None:
    x, y = lumpy_table(3 * ROWS)
    given: dict[str, Any] = {"candidates": 4, "min_epochs": 16, "max_rungs": 1, "random_state": 0, "validation": 0.2}
    fitted = ash.ASHClassifier(**configured(given)).fit(x[:2000], y[:2000])
    later, labels = x[2000:], y[2000:]
    rare = later[:, 0] > 0
    assert fitted.score(later[rare], labels[rare]) > 0.9
    spread = x.copy()
    spread[:, 0] = np.where(x[:, 0] > 0, x[:, 0] + np.random.default_rng(10).normal(size=len(x)) / 1000, 0)
    blind = ash.ASHClassifier(**configured(given)).fit(spread[:2000], y[:2000])
    assert blind.score(spread[2000:][rare], labels[rare]) < fitted.score(later[rare], labels[rare])
    fitted.result_.model.save(tmp_path / "model")
    loaded = ash.load(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(later), fitted.result_.model.predict_proba(later))
    with pytest.raises(DataError, match="infinity"):
        loaded.predict(np.full((1, 3), np.inf))


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
def test_estimators_do_not_depend_on_row_order_or_on_weights_versus_repetition() -> None:
    x, y = lumpy_table()
    order = np.random.default_rng(11).permutation(ROWS)
    weights = np.random.default_rng(12).integers(0, 3, ROWS)
    given: dict[str, Any] = {"candidates": 2, "min_epochs": 2, "max_rungs": 1, "random_state": 0}

    def digest(x: Any, y: Any, sample_weight: Any = None) -> str:
        fitted = ash.ASHClassifier(**configured(given)).fit(x, y, sample_weight=sample_weight)
        assert fitted.result_.model.encoding.schema.columns[0].levels
        return fitted.result_.digest

    assert digest(x, y) == digest(x[order], y[order])
    repeated = np.repeat(np.arange(ROWS), weights)
    assert digest(x, y, weights) == digest(x[repeated], y[repeated])

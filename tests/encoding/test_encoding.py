"""Tests the encoding, in memory and from a file: features of columns, and target statistics, checked row by row."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray

from ash.data.frames import Frame, read_frame
from ash.encoding.data_split import read_table, split_table
from ash.encoding.encoding import Encoding, encoding_from_parts, encoding_parts
from ash.encoding.schema import ONE_HOT_LEVELS, learn_schema
from ash.encoding.target_statistics import MASKED, MOST_STATISTICS
from ash.errors import DataError
from data_help import ROWS, cities, learned, learned_with, mixed, options

pytestmark = pytest.mark.core

NAN = float("nan")


def test_features_are_ordered_by_column() -> None:
    frame = mixed([[1.5, "red", 1, "u"], [NAN, "blue", 2, None], [2.0, "red", 3, "v"]])
    encoding = learned(frame)
    names = ("x0", "x0 is missing", "x1=blue", "x1=red", "x2", "x3=u", "x3=v", "x3 is missing")
    assert (encoding.names, encoding.features) == (names, 8)
    assert encoding.scaled.tolist() == [True, False, False, False, True, False, False, False]
    expected = np.array([[1.5, 0, 0, 1, 1, 1, 0, 0], [NAN, 1, 1, 0, 2, 0, 0, 1], [2, 0, 0, 1, 3, 0, 1, 0]])
    block = encoding.block(frame, slice(0, 3))
    assert np.array_equal(block, expected, equal_nan=True)
    assert (block.dtype, block.flags.c_contiguous, block.flags.writeable) == (np.dtype(float), True, True)
    for first, stop in ((0, 0), (0, 1), (1, 3), (2, 3)):
        assert np.array_equal(encoding.block(frame, slice(first, stop)), expected[first:stop], equal_nan=True)


def test_level_numbers_of_categories_come_last() -> None:
    frame = mixed([[1.5, "red", 1, "u"], [NAN, "blue", 2, None], [2.0, "red", 3, "v"]])
    encoding = learned(frame).predicting
    longer = encoding.with_level_numbers
    assert longer.names == (*encoding.names, "x1: level", "x3: level") and longer.columns_end == encoding.features
    assert not longer.scaled[-2:].any() and longer.features_of(3) == [5, 6, 7, 9]
    others = mixed([[1.0, "red", 1, "v"], [2.0, "green", 2, None], [3.0, None, 3, "w"]])
    block = longer.block(others, slice(0, 3))
    assert np.array_equal(block[:, :-2], encoding.block(others, slice(0, 3)))
    assert block[:, -2:].tolist() == [[1, 1], [3, 2], [2, 3]], "a missing cell has the number after the levels"
    assert longer.with_level_numbers is longer is encoding.with_level_numbers
    numeric = learned(mixed([[1.0], [2.0], [3.0]])).predicting
    assert numeric.with_level_numbers is numeric


def test_feature_names_contain_column_names() -> None:
    frame = read_frame(pandas.DataFrame({"age": [1.0, None], "color": ["red", "blue"]}))
    assert learned(frame).names == ("age", "age is missing", "color=blue", "color=red")


def test_unseen_levels_and_new_missing_cells_are_zeros() -> None:
    encoding = learned(mixed([["u", "p", 1.0], ["v", None, 2.0]]))
    assert encoding.names == ("x0=u", "x0=v", "x1=p", "x1 is missing", "x2")
    later = mixed([["w", "q", 3.0], [None, None, None], ["v", "p", "4"]])
    expected = [[0, 0, 0, 0, 3], [0, 0, 0, 1, NAN], [0, 1, 1, 0, 4]]
    assert np.array_equal(encoding.block(later, slice(0, 3)), expected, equal_nan=True)
    message = r"X in column 1, row 3: level 'qqq' was not seen in training; replace it by"
    later = mixed([["u", "p", 3.0]] * 2 + [["v", None, 3.0], ["u", "qqq", 3.0]])
    with pytest.raises(DataError, match=message):
        encoding.block(later, slice(1, 4), unknown="error")
    assert encoding.block(later, slice(1, 3), unknown="error").shape == (2, 5)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i1", "u8", "?"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_matrix_is_encoded_like_its_separate_columns(dtype: str, layout: Any) -> None:
    x = np.random.default_rng(0).integers(0, 9, (50, 7)).astype(dtype).copy(layout)
    if x.dtype.kind == "f":
        x[3, 0] = x[4, 3] = x[5, 4] = x[:, 5] = NAN
    frame = read_frame(x)
    encoding = learned(frame)
    columns = Frame(frame.rows, None, frame.columns, None)
    block = encoding.block(frame, slice(2, 40))
    assert block.flags.c_contiguous
    assert not np.shares_memory(block, x)
    assert np.array_equal(block, encoding.block(columns, slice(2, 40)), equal_nan=True)
    assert encoding.features == (11 if x.dtype.kind == "f" else 7)
    assert np.array_equal(block[:, encoding.starts], x[2:40], equal_nan=True)


def test_up_to_32_levels_are_one_hot_encoded() -> None:
    levels = [f"{number:02d}a" for number in range(ONE_HOT_LEVELS + 1)]
    few, many = learned(mixed([[level] for level in levels[:-1]])), learned(mixed([[level] for level in levels]))
    assert few.names == tuple(f"x0={level}" for level in levels[:-1])
    assert np.array_equal(few.fitting_block(slice(0, ONE_HOT_LEVELS)), np.eye(ONE_HOT_LEVELS))
    assert many.names == ("x0: target mean", "x0: log count")
    assert many.scaled.all()


def test_taken_rows_are_encoded_like_a_table_of_these_rows() -> None:
    x = np.random.default_rng(1).normal(size=(9, 3))
    x[4, 1] = NAN
    rows = np.array([8, 4, 4, 0])
    for make in (
        lambda x: x,
        lambda x: x.astype(object),
        lambda x: np.column_stack([x.astype(object), list("abcabcabc")]),
    ):
        frame = read_frame(make(x))
        taken, encoding = frame.take(rows), learned(frame)
        assert np.array_equal(
            encoding.block(taken, slice(0, 4)), encoding.block(frame, slice(0, 9))[rows], equal_nan=True
        )
        assert np.array_equal(
            learned(taken).fitting_block(slice(1, 3)), encoding.block(taken, slice(1, 3)), equal_nan=True
        )


# Target statistics: no training row sees its own target


Columns = list[str | None]


def statistics_by_loops(
    cells: Columns,
    values: NDArray[np.float64],
    order: list[int],
    weights: list[float],
    groups: list[int] | None = None,
) -> NDArray[np.float64]:
    """Return statistics and log counts [rows, k + 1] by definition, for the first column of a table.

    A training row uses the training rows of the other parts, and every 64th uses none; other rows use all of them.
    """
    turns: dict[int, int] = {}
    for row in order:
        turns.setdefault(row if groups is None else groups[row], len(turns))
    parts = {row: turns[row if groups is None else groups[row]] % 5 for row in order}
    total = sum(weights[row] for row in order)
    prior = sum(weights[row] * values[row] for row in order) / total
    result = np.empty((len(cells), values.shape[1] + 1))
    for row, cell in enumerate(cells):
        rest = [each for each in order if row not in parts or parts[each] != parts[row]]
        factor = total / sum(weights[each] for each in rest) if rest else 1.0
        if row in parts and order.index(row) % 64 == 63:
            rest = []
        own = [each for each in rest if cells[each] == cell]
        count = factor * sum(weights[each] for each in own)
        result[row, :-1] = (factor * sum(weights[each] * values[each] for each in own) + prior) / (count + 1)
        result[row, -1] = math.log1p(count)
    return result


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_regression_statistics_match_their_definition(weighted: bool, grouped: bool, outputs: int) -> None:
    random = np.random.default_rng(1)
    cells, y = cities(), random.normal(5.0, 2.0, (ROWS, outputs))
    weights = random.integers(0, 4, ROWS).astype(float) if weighted else None
    groups = random.integers(0, 90, ROWS) if grouped else None
    training = random.permutation(ROWS)[:300]
    frame = mixed([[cell, 1.0] for cell in cells])
    fitted = learned(frame, y, training=training, weights=weights, groups=groups)
    given = [1.0] * ROWS if weights is None else weights.tolist()
    expected = statistics_by_loops(cells, y, training.tolist(), given, None if groups is None else groups.tolist())
    block = fitted.fitting_block(slice(0, ROWS))
    assert np.allclose(block[:, : outputs + 1], expected, rtol=1e-12)
    assert np.array_equal(fitted.fitting_block(slice(7, 90)), block[7:90])
    rest = sorted(set(range(ROWS)) - set(training.tolist()))
    assert np.array_equal(block[rest], fitted.block(frame, slice(0, ROWS))[rest])
    numbers = "" if outputs == 1 else " 0"
    assert fitted.names[0] == f"x0: target mean{numbers}"
    assert fitted.features == outputs + 2


@pytest.mark.parametrize("classes", [2, 4])
def test_classification_statistics_match_their_definition(classes: int) -> None:
    random = np.random.default_rng(2)
    cells, labels = cities(), random.integers(0, classes, ROWS)
    training = random.permutation(ROWS)[:350]
    fitted = learned(
        mixed([[cell] for cell in cells]), labels[:, None].astype(float), classes=classes, training=training
    )
    shares = (labels[:, None] == np.arange(1, classes)).astype(float)
    expected = statistics_by_loops(cells, shares, training.tolist(), [1.0] * ROWS)
    assert np.allclose(fitted.fitting_block(slice(0, ROWS)), expected, rtol=1e-12)
    assert fitted.targets == tuple(range(1, classes))


def test_predictions_use_all_training_rows_and_the_prior_for_unseen_levels() -> None:
    cells, y = cities(), np.random.default_rng(3).normal(size=(ROWS, 1))
    encoding = learned(mixed([[cell] for cell in cells]), y)
    later = mixed([["nowhere"], [None], ["city 1"]])
    prior = y.mean()
    expected = [[prior, 0.0]]
    for level in (None, "city 1"):
        own = y[[row for row in range(ROWS) if cells[row] == level], 0]
        expected.append([(own.sum() + prior) / (len(own) + 1), math.log1p(len(own))])
    assert np.allclose(encoding.block(later, slice(0, 3)), expected, rtol=1e-12)
    with pytest.raises(DataError, match=r"column 0, row 0: level 'nowhere' was not seen in training"):
        encoding.block(later, slice(0, 3), unknown="error")


def test_a_missing_cell_gets_the_prior_if_training_had_none() -> None:
    cells, y = [cell or "city 3" for cell in cities()], np.random.default_rng(3).normal(size=(ROWS, 1))
    encoding = learned(mixed([[cell] for cell in cells]), y)
    assert np.allclose(encoding.block(mixed([[None]]), slice(0, 1)), [[y.mean(), 0.0]], rtol=1e-12)


@pytest.mark.parametrize("grouped", [False, True])
def test_no_training_row_sees_its_own_target_or_that_of_its_group(grouped: bool) -> None:
    random = np.random.default_rng(5)
    cells, labels = cities(), random.integers(0, 2, (ROWS, 1)).astype(float)
    frame, training = mixed([[cell] for cell in cells]), random.permutation(ROWS)[:300]
    groups = random.integers(0, 60, ROWS) if grouped else np.arange(ROWS)
    given: dict[str, Any] = {"classes": 2, "training": training, "groups": groups}
    before = learned(frame, labels, **given).fitting_block(slice(0, ROWS))
    seen = 0
    for first, second in random.choice(training, (200, 2)).tolist():
        if labels[first] == labels[second] or cells[first] == cells[second]:
            continue
        changed = labels.copy()
        changed[[first, second]] = labels[[second, first]]  # the prior, the share of class 1, stays the same
        after = learned(frame, changed, **given).fitting_block(slice(0, ROWS))
        for row, other in ((first, second), (second, first)):
            own = (groups == groups[row]) & np.isin(np.arange(ROWS), training)
            same = np.array([cells[each] not in (cells[row], cells[other]) for each in range(ROWS)])
            untouched = own & (groups != groups[other]) & [cell != cells[other] for cell in cells]
            assert np.array_equal(after[untouched | same], before[untouched | same])
        seen += int((after != before).any(axis=1).sum())
    assert seen > 300


def test_the_count_of_a_training_row_is_on_average_that_of_a_new_row() -> None:
    random = np.random.default_rng(9)
    drawn, shares, columns = [], [], 30
    for _ in range(columns):
        cells = [f"city {number}" for number in random.geometric(0.04, 2 * ROWS).tolist()]
        frame = mixed([[cell] for cell in cells])
        fitted = learned(frame, training=np.arange(ROWS))
        counts = fitted.fitting_block(slice(0, 2 * ROWS))[:, -1]
        drawn.append([np.expm1(counts[:ROWS]).mean(), np.expm1(counts[ROWS:]).mean()])
        shares.append([(counts[:ROWS] == 0).mean(), (counts[ROWS:] == 0).mean()])
    training, later = np.mean(drawn, axis=0)
    assert training == pytest.approx(later * (1 - 1 / MASKED), rel=0.03)
    unseen, unseen_later = np.mean(shares, axis=0)
    assert unseen_later < unseen < 1.5 * unseen_later + 1 / MASKED


def test_some_training_rows_see_even_a_frequent_level_as_unseen() -> None:
    cells = [[f"a{row % 40}", f"b{row % 50}"] for row in range(2000)]
    y = np.random.default_rng(6).normal(size=(2000, 1))
    order = np.random.default_rng(8).permutation(2000)
    block = learned(mixed(cells), y, training=order).fitting_block(slice(0, 2000))
    unseen = block[:, [1, 3]] == 0
    assert unseen.sum(axis=0).tolist() == [2000 // MASKED, 2000 // MASKED]
    assert not unseen.all(axis=1).any()
    assert np.allclose(block[:, [0, 2]][unseen], y.mean(), rtol=1e-12)


def test_a_level_whose_rows_are_one_group_is_unseen_in_training() -> None:
    cells = [f"person {row // 4}" for row in range(ROWS)]
    y = np.random.default_rng(7).normal(size=(ROWS, 1))
    fitted = learned(mixed([[cell] for cell in cells]), y, groups=np.arange(ROWS) // 4)
    assert np.allclose(fitted.fitting_block(slice(0, ROWS)), [y.mean(), 0.0], rtol=1e-12)
    fitted = learned(mixed([[cell] for cell in cells]), y, groups=np.zeros(ROWS, np.int64))
    assert np.allclose(fitted.fitting_block(slice(0, ROWS)), [y.mean(), 0.0], rtol=1e-12)


def test_the_groups_of_a_table_are_kept_in_one_part() -> None:
    people = np.array([f"person {row // 4}" for row in range(ROWS)], object)
    given, groups = options(task="regression"), np.arange(ROWS) // 4
    table, schema = read_table(people[:, None], np.random.default_rng(8).normal(size=ROWS), given, None, sort=False)
    alone, grouped = (
        split_table(each, schema, given, 0.25).folds[0] for each in (table, replace(table, groups=groups))
    )
    assert (alone.encoding.fitting_block(slice(0, ROWS))[alone.training, -1] > 0).mean() > 0.8
    count = grouped.encoding.fitting_block(slice(0, ROWS))[grouped.training, -1]
    assert not count.any()


@pytest.mark.parametrize("cv", [None, 3])
def test_no_feature_of_a_fold_depends_on_the_targets_of_its_validation_rows(cv: int | None) -> None:
    random, given = np.random.default_rng(10), options(task="regression")
    drawn = random.integers(0, 60, (ROWS, 2)).tolist()
    X = np.array([[f"a{number}", f"b{number % 7}{other}"] for number, other in drawn], object)
    y = random.normal(size=ROWS)

    def folds(y: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        split = split_table(*read_table(X, y, given, None, sort=False), given, None if cv else 0.25, cv)
        return [(fold.validation, np.concatenate(list(fold.blocks(2**20)))) for fold in split.folds]

    for place, (validation, block) in enumerate(folds(y)):
        changed = y.copy()
        changed[validation] = random.normal(size=len(validation))
        rows, features = folds(changed)[place]
        assert np.array_equal(rows, validation) and np.array_equal(features, block)
        assert np.ptp(block[:, 0]) > 0


def test_levels_that_are_not_kept_are_treated_as_unseen_in_training_too() -> None:
    cells, y = [*cities(), "rare"], np.random.default_rng(6).normal(size=(ROWS + 1, 1))
    frame = mixed([[cell] for cell in cells])
    few = learn_schema(frame, missing="indicator", most_levels=40)[1]
    fitted = learned_with(few, frame, y)
    kept = set(few.columns[0].levels)
    assert len(kept) == 40
    unknown = [row for row, cell in enumerate(cells) if cell is not None and cell not in kept]
    assert len(unknown) > 1
    assert np.allclose(fitted.fitting_block(slice(0, ROWS + 1))[unknown], [y.mean(), 0.0], rtol=1e-12)


def test_at_most_16_outputs_or_frequent_classes_have_statistics() -> None:
    frame = mixed([[cell] for cell in cities()])
    y = np.random.default_rng(7).normal(size=(ROWS, 20))
    assert learned(frame, y).targets == tuple(range(MOST_STATISTICS))
    labels = np.arange(ROWS) % 40 % 21
    encoding = learned(frame, labels[:, None].astype(float), classes=21)
    frequent = sorted(range(1, 21), key=lambda label: (-np.count_nonzero(labels == label), label))[:MOST_STATISTICS]
    assert encoding.targets == tuple(sorted(frequent))
    assert encoding.features == MOST_STATISTICS + 1


def test_zero_total_weight_gives_finite_statistics() -> None:
    fitted = learned(mixed([[cell] for cell in cities()]), np.ones((ROWS, 1)), weights=np.zeros(ROWS))
    assert not fitted.fitting_block(slice(0, ROWS)).any()


# Encodings in files


def saved() -> tuple[Encoding, Frame, dict[str, Any], dict[str, NDArray[np.float64]]]:
    frame = mixed([[1.0, cell, "few"] for cell in cities()])
    encoding = learned(frame, np.random.default_rng(11).normal(size=(ROWS, 2)))
    data, arrays = encoding_parts(encoding)
    return encoding, frame, json.loads(json.dumps(data)), arrays


def test_an_encoding_is_restored_from_its_parts() -> None:
    encoding, frame, data, arrays = saved()
    assert set(arrays) == {"statistics.1"}
    read = encoding_from_parts(data, arrays)
    schema = encoding.schema.without_dtypes
    assert (read.names, read.schema, read.targets) == (encoding.names, schema, encoding.targets)
    assert np.array_equal(read.scaled, encoding.scaled)
    assert np.array_equal(read.block(frame, slice(0, ROWS)), encoding.block(frame, slice(0, ROWS)))
    numbers = learned(read_frame(np.eye(3)))
    assert encoding_from_parts(*encoding_parts(numbers)).names == ("x0", "x1", "x2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"more": 1}, "missing or unexpected entries"),
        ({"schema": None}, "the schema has missing or unexpected entries"),
        ({"targets": None}, "no list of targets"),
        ({"targets": list(range(17))}, "no list of targets"),
        ({"targets": [0, True]}, "target index out of range"),
        ({"targets": [-1, 0]}, "target index out of range"),
        ({"targets": [1, 0]}, "not sorted and unique"),
        ({"targets": [0, 0]}, "not sorted and unique"),
        ({"targets": []}, "targets do not match the columns"),
        ({"targets": [0]}, "statistics.1 is float64 of shape"),
    ],
)
def test_invalid_encodings_are_refused(changes: dict[str, Any], reason: str) -> None:
    _, _, data, arrays = saved()
    with pytest.raises(ValueError, match=reason):
        encoding_from_parts(data | changes, arrays)

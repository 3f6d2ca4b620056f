"""The split into training and validation rows: shares, seeds, rare classes and impossible parts (F11)."""

import warnings
from typing import Any

import numpy as np
import pytest

from ash.data.table import Table, read_training, split
from ash.errors import SettingError

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
Y = np.array([0, 1, 0, 1, 0, 1])


def table_of(labels: Any, task: str | None = None) -> Table:
    labels = np.asarray(labels)
    return read_training(np.arange(len(labels), dtype=float)[:, None], labels, task)


def assert_split(table: Table, training: np.ndarray, validating: np.ndarray) -> None:
    assert training.dtype == validating.dtype == np.int64
    assert np.array_equal(np.sort(np.concatenate([training, validating])), np.arange(table.rows))
    assert np.all(np.diff(training) > 0)
    assert np.all(np.diff(validating) > 0)


def test_split_by_class_keeps_the_shares() -> None:
    table = table_of(np.repeat(["a", "b", "c"], [100, 50, 10]))
    training, validating = split(table, 0.2, 0)
    assert_split(table, training, validating)
    assert np.bincount(table.y[validating, 0].astype(int)).tolist() == [20, 10, 2]


def test_split_of_numbers() -> None:
    table = table_of(np.linspace(0.5, 9.7, 103))
    for validation, count in ((0.2, 21), (np.float32(0.5), 52), (7, 7), (np.int64(102), 102), (1e-9, 1), (0.9999, 102)):
        training, validating = split(table, validation, 1)  # type: ignore[arg-type]
        assert_split(table, training, validating)
        assert len(validating) == count


def test_same_seed_same_split() -> None:
    for table in (table_of(np.arange(200) % 4), table_of(np.linspace(0.5, 9, 200))):
        first = split(table, 0.25, 2**80)
        assert all(np.array_equal(one, other) for one, other in zip(first, split(table, 0.25, 2**80), strict=True))
        assert not np.array_equal(first[1], split(table, 0.25, 1)[1])


def test_a_class_with_one_row_trains() -> None:
    table = table_of(["a"] * 10 + ["b"] * 9 + ["c"])
    with pytest.warns(UserWarning, match="1 classes have one row only"):
        training, validating = split(table, 0.3, 0)
    assert_split(table, training, validating)
    assert 19 in training
    assert len(validating) == 6


def test_few_validation_rows_may_miss_classes_but_training_never_does() -> None:
    table = table_of(np.arange(40) % 20)
    for validation in (1, 5, 19, 20):
        for seed in range(5):
            training, validating = split(table, validation, seed)
            assert_split(table, training, validating)
            assert len(validating) == validation
            assert len(np.unique(table.y[training])) == 20
    table = table_of([0] * 95 + [1] * 2 + [2] * 3)
    for seed in range(20):
        assert len(np.unique(table.y[split(table, 0.9, seed)[0]])) == 3


@pytest.mark.parametrize("validation", [0, -1, 6, 7, 0.0, 1.0, 1.5, -0.1, float("nan"), "0.2", True, None])
def test_parts_that_cannot_be(validation: Any) -> None:
    with pytest.raises(SettingError, match="validation"):
        split(read_training(X, Y), validation, 0)


def test_too_few_rows_to_train_every_class() -> None:
    with pytest.raises(SettingError, match="leaves 1 rows to train, fewer than the 2 classes"):
        split(read_training(X, Y), 5, 0)
    with (
        pytest.raises(SettingError, match="leaves 4 rows to train, fewer than the 6 classes"),
        pytest.warns(UserWarning, match="6 classes have one row only"),
    ):
        split(table_of(list("abcdef")), 2, 0)
    for seed in (-1, 1.5, "a", None):
        with pytest.raises(SettingError, match="seed="):
            split(read_training(X, Y), 2, seed)  # type: ignore[arg-type]


def test_nothing_warns_on_ordinary_data() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split(read_training(X, Y), 2, 0)

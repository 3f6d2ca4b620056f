"""Tests targets: labels and numbers of any kind, the inferred task, and the split of the rows (F04, F08-F12, F30)."""

import warnings
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.exceptions import DataConversionWarning

from ash.data.row_split import split
from ash.data.table import Table, read_training
from ash.data.targets import read_targets
from ash.errors import DataError, SettingError
from data_help import values

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (["b", "a", "b", "a", "c", "c"], ["a", "b", "c"]),
        (np.array(["b", "a", "b", "a", "c", "c"], object), ["a", "b", "c"]),
        ([True, False, True, False, True, True], [False, True]),
        (np.array([True, False, True, False, True, True], object), [False, True]),
        ([10, -3, 10, -3, 7, 7], [-3, 7, 10]),
        (np.array([10, -3, 10, -3, 7, 7], object), [-3, 7, 10]),
        ([-1, 1, -1, 1, 1, 1], [-1, 1]),
        (np.array([2.0, 0.0, 2.0, 0.0, 2.0, 0.0]), [0.0, 2.0]),
        (np.array([2, 0, 2, 0, 2, 0], ">u2"), [0, 2]),
    ],
)
def test_labels_of_any_kind_are_read(y: Any, labels: list[Any]) -> None:
    table = read_training(X, y)
    assert table.task == "classification"
    assert table.classes_ is not None
    assert table.classes_.tolist() == labels
    assert table.classes == len(labels)
    assert table.classes_[table.y[:, 0].astype(int)].tolist() == list(np.asarray(y).tolist())
    assert (table.y.dtype, table.y.shape) == (np.dtype(np.float64), (6, 1))


def test_labels_of_frames_are_read() -> None:
    for y in (
        pandas.Series(list("babacc"), dtype="category"),
        pandas.Series(list("babacc"), dtype="string"),
        pandas.Series(list("babacc"), dtype=object),
    ):
        assert read_training(X, y).classes_.tolist() == ["a", "b", "c"]
    assert read_training(X, pandas.Series([1, 2, 1, 2, 1, 2], dtype="Int64")).classes_.tolist() == [1, 2]
    with pytest.raises(DataError, match=r"Label contains NaN: y is (missing|nan) in row 1"):
        read_training(X, pandas.Series([1, None, 1, 2, 1, 2], dtype="Int64"))


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no StringDType")
def test_text_in_the_string_dtype_of_numpy_is_read_like_other_text() -> None:
    texts = np.dtypes.StringDType(na_object=np.nan)
    labels = np.array(list("babacc"), texts)
    classes = read_training(X, labels).classes_
    assert classes is not None and (classes.dtype.kind, classes.tolist()) == ("U", ["a", "b", "c"])
    assert read_targets(labels, 6, classes, 1)[:, 0].tolist() == [1, 0, 1, 0, 2, 2]
    with pytest.warns(UserWarning, match="y holds text that is read as numbers"):
        assert read_training(X, np.array(["0.5", "1", "2", "3", "4", "5"], texts)).task == "regression"
    with pytest.raises(DataError, match="Label contains NaN: y is missing in row 1"):
        read_training(X, np.array(["a", np.nan, *"abab"], texts))


def test_the_task_is_inferred_as_documented() -> None:
    def task(y: Any) -> str:
        y = np.asarray(y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for example, the warning that floats are treated as classes
            return read_training(np.arange(len(y), dtype=float)[:, None], y).task

    assert task([0.5, 1, 2, 3]) == "regression"
    assert task([1, 2, 3, 4, 5, 6]) == "regression"
    assert task([1, 2, 3, 1, 2, 3]) == "classification"
    assert task([1, 2]) == "classification"
    assert task(np.arange(400) % 20) == "classification"
    assert task(np.arange(400) % 21) == "regression"
    assert task(np.arange(20_000) % 26) == "classification"
    assert task(np.arange(100_000) % 90) == "regression"
    assert task(list("abcdef")) == "classification"
    assert task(np.arange(40, dtype=float) % 4) == "classification"
    assert read_training(X, [True, 2, True, 2, True, 3.5]).task == "regression"


def test_the_task_can_be_given() -> None:
    assert read_training(X, Y, "regression").classes_ is None
    assert read_training(X, [1, 2, 3, 4, 5, 6], "classification").classes == 6
    assert read_training(X, list("123456"), "regression").y[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    for wrong in ("classify", "", 1):
        with pytest.raises(
            SettingError,
            match="task must be one of 'classification', 'regression', or None to decide by y, got ",
        ):
            read_training(X, Y, wrong)  # type: ignore[arg-type]


def test_a_target_with_several_columns_is_regression() -> None:
    y = X[:, :2] + 0.5
    table = read_training(X, y)
    assert (table.task, table.classes, table.y.shape) == ("regression", 0, (6, 2))
    assert not np.shares_memory(table.y, y)
    assert read_training(X, pandas.DataFrame(y, columns=["u", "v"])).target_names == ("u", "v")


def test_a_two_dimensional_target_with_one_column_causes_a_warning() -> None:
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array was expected"):
        table = read_training(X, Y[:, None])
    assert table.task == "classification"
    assert table.y[:, 0].tolist() == Y.tolist()


def test_one_hot_targets_cause_a_warning() -> None:
    with pytest.warns(UserWarning, match="one-hot"):
        assert read_training(X, np.eye(2)[Y]).task == "regression"


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (None, None, "requires y to be passed, but the target y is None"),
        (Y[:5], None, r"inconsistent numbers of samples: \[6, 5\]"),
        (0, None, "y should be a 1d array"),
        (np.zeros((6, 2, 2)), None, "y should be a 1d array"),
        (np.zeros((6, 0)), None, "y should be a 1d array"),
        ([0, 1, np.nan, 1, 0, 1], None, "Label contains NaN: y is nan in row 2"),
        ([0, 1, None, 1, 0, 1], None, "Label contains NaN: y is missing in row 2"),
        (["a", None, "b", "a", "b", "a"], None, "Label contains NaN"),
        (["a", "b", float("nan"), "a", "b", "a"], None, "Label contains NaN: y is missing in row 2"),
        ([0, 1, np.inf, 1, 0, 1], "classification", "Label contains infinity"),
        ([0.5, np.nan, 1, 1, 0, 1], None, "Input y contains NaN in column 0"),
        ([0.5, np.inf, 1, 1, 0, 1], None, "Input y contains infinity"),
        ([0.5, 1e39, 1, 1, 0, 1], None, "too large for dtype"),
        ([0.5, 1.5, 0.5, 1.5, 0.5, 1.5], "classification", "Unknown label type: continuous"),
        (np.eye(2)[Y], "classification", "Unknown label type: y has 2 columns"),
        (["a", 1, "b", 2, "a", 1], None, "Unknown label type: y holds objects of type int, str"),
        (np.array([True, "a", 1, 2, 3, 4], object), None, "Unknown label type"),
        ([{"a": 1}] * 6, None, "Unknown label type"),
        ([b"a", b"b"] * 3, None, "decode the labels"),
        (Y + 1j, None, "Complex data not supported"),
        (Y.astype("M8[s]"), None, "y has dtype datetime64"),
        ([0] * 6, None, r"only one class \(0, n_samples=6\); .* at least 2 classes"),
        (["a"] * 6, None, "only one class"),
        (
            list("abcabc"),
            "regression",
            r"y holds text that is not a number \(could not convert string to float: np\.str_\('a'\)\): pass numbers\. "
            r"To predict classes, use ash\.ASHClassifier, or task='classification' in ash\.tune$",
        ),
        (
            [0.5, 1.5, 2.5] * 2,
            "classification",
            r"y holds 0\.5, which is not a class: pass whole labels\. "
            r"To predict numbers, use ash\.ASHRegressor, or task='regression' in ash\.tune$",
        ),
        ("target.csv", None, "y is text or a path"),
        (iter(Y), None, "y is a .*iterator"),
        (np.ma.masked_equal(Y, 1), None, "y is a masked array"),
    ],
)
def test_targets_that_cannot_be_learned_are_refused(y: Any, task: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_training(X, y, task)


def test_a_single_sample_is_refused_and_a_single_feature_is_accepted() -> None:
    with pytest.raises(DataError, match="n_samples=1"):
        read_training(X[:1], [0.5])
    with pytest.raises(DataError, match="n_samples=1"):
        read_training(X, Y.astype(float), "regression", [0, 0, 1, 0, 0, 0])
    assert values(read_training(X[:, :1], Y).frame).tolist() == X[:, :1].tolist()


# The split into training and validation rows


def test_floats_treated_as_classes_are_announced() -> None:
    rows, few = np.arange(60.0)[:, None], np.arange(60) % 5
    for y in (few * 1.0, [float(label) for label in few], pandas.Series(few * 1.0), np.array(few * 1.0, object)):
        told = r"^the 5 whole floats in y are treated as classes: pass task='regression' to predict numbers, or task="
        with pytest.warns(UserWarning, match=told):
            assert read_training(rows, y).task == "classification"
    for y in (few, few.tolist(), pandas.Series(few), few.astype("U"), few > 2, (few > 2) * 1.0, rows[:, 0], few + 0.5):
        read_training(rows, y)
    for task in ("classification", "regression"):
        read_training(rows, few * 1.0, task)


def table_of(labels: Any, task: str | None = None) -> Table:
    labels = np.asarray(labels)
    return read_training(np.arange(len(labels), dtype=float)[:, None], labels, task)


def assert_split(table: Table, training: np.ndarray, validating: np.ndarray) -> None:
    assert training.dtype == validating.dtype == np.int64
    assert np.array_equal(np.sort(np.concatenate([training, validating])), np.arange(table.rows))
    assert np.all(np.diff(training) > 0)
    assert np.all(np.diff(validating) > 0)


def test_a_split_by_class_keeps_the_shares() -> None:
    table = table_of(np.repeat(["a", "b", "c"], [100, 50, 10]))
    training, validating = split(table, 0.2, 0)
    assert_split(table, training, validating)
    assert np.bincount(table.y[validating, 0].astype(int)).tolist() == [20, 10, 2]


def test_a_regression_split_has_the_requested_size() -> None:
    table = table_of(np.linspace(0.5, 9.7, 103))
    for validation, count in ((0.2, 21), (np.float32(0.5), 52), (7, 7), (np.int64(102), 102), (1e-9, 1), (0.9999, 102)):
        training, validating = split(table, validation, 1)  # type: ignore[arg-type]
        assert_split(table, training, validating)
        assert len(validating) == count


def test_the_same_seed_gives_the_same_split() -> None:
    for table in (table_of(np.arange(200) % 4), table_of(np.linspace(0.5, 9, 200))):
        first = split(table, 0.25, 2**80)
        assert all(np.array_equal(one, other) for one, other in zip(first, split(table, 0.25, 2**80), strict=True))
        assert not np.array_equal(first[1], split(table, 0.25, 1)[1])


def test_a_class_with_one_row_is_used_for_training_only() -> None:
    table = table_of(["a"] * 10 + ["b"] * 9 + ["c"])
    with pytest.warns(UserWarning, match="^class 'c' has a single row, which is used for training only$"):
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
def test_impossible_validation_sizes_are_refused(validation: Any) -> None:
    with pytest.raises(SettingError, match="validation"):
        split(read_training(X, Y), validation, 0)


def test_too_few_training_rows_for_every_class_are_refused() -> None:
    with pytest.raises(SettingError, match="leaves 1 rows to train, fewer than the 2 classes"):
        split(read_training(X, Y), 5, 0)
    with pytest.raises(SettingError, match="leaves 4 rows to train, fewer than the 6 classes"):
        split(table_of(list("abcdef")), 2, 0)
    with pytest.warns(UserWarning, match=r"^6 classes \('a', 'b', 'c', 'd', 'e', ...\) have a single row each"):
        split(table_of(list("abcdefgggggg")), 2, 0)
    for seed in (-1, 1.5, "a", None):
        with pytest.raises(SettingError, match=r"seed must be an integer of at least 0, got "):
            split(read_training(X, Y), 2, seed)  # type: ignore[arg-type]


def test_ordinary_data_causes_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split(read_training(X, Y), 2, 0)

"""Tests features for training and prediction, and features that are refused (F01-F03, F05, F06, F13-F16, F29)."""

import threading
from typing import Any

import numpy as np
import pandas
import polars
import pytest

import ash
from ash import _core
from ash._utils import machine
from ash.data.arrays import check_memory
from ash.data.table import read_training
from ash.engine.core_data import prepare
from ash.errors import DataError
from data_help import bits, parts_from, start, values
from fault_help import quick

pytestmark = pytest.mark.core

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
Y = np.array([0, 1, 0, 1, 0, 1])
NAN = float("nan")
TUNER = _core.Tuner
INFINITIES = [("inf", "U9"), (-np.inf, "f2"), (10**400, object)]


def with_cell(value: Any, dtype: Any = float) -> np.ndarray:
    changed = X.astype(dtype)
    changed[3, 1] = value
    return changed


# Valid features


def test_column_names_are_read_from_frames() -> None:
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=[7, 7, 7, 1, 2, 3])
    frame["b"] = frame["b"].astype("int8")
    frame["c"] = frame["c"] > 2
    table = read_training(frame, pandas.Series(Y, name="label", index=range(10, 16)))
    assert (table.frame.names, table.target_names) == (("a", "b", "c"), ("label",))
    assert np.array_equal(values(table.frame), np.column_stack([X[:, :2], X[:, 2] > 2]))
    assert read_training(pandas.DataFrame(X), Y).frame.names is None
    polar = read_training(polars.DataFrame(X, schema=["a", "b", "c"]), polars.Series("label", Y))
    assert (polar.frame.names, polar.target_names) == (table.frame.names, table.target_names)


def test_missing_cells_are_imputed_or_refused() -> None:
    for given in (with_cell(NAN), with_cell(None, object), with_cell("nan", "U9"), pandas.DataFrame(with_cell(NAN))):
        parts = parts_from(given, Y, validation=(X, Y))
        assert parts.encoding.names == ("x0", "x1", "x1 is missing", "x2")
        known = [np.median(X[:, 0]), np.median(X[[0, 1, 2, 4, 5], 1]), 0, np.median(X[:, 2])]
        assert start(parts).input_center.tolist() == known
        assert start(parts).input_limit.tolist() == [3, 3, 0, 3]
        with pytest.raises(DataError, match=r"Input X contains NaN in column 1 \(1 of 6 rows, first row 3\): fill or"):
            parts_from(given, Y, missing="error")


class Overwriter:
    """A replacement for the core's tuner. Its thread overwrites the user's arrays once the core has the data."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays, self.over = arrays, threading.Event()
        self.thread = threading.Thread(target=self.overwrite)

    def __call__(self, *arguments: Any, **keywords: Any) -> _core.Tuner:
        self.thread.start()
        return TUNER(*arguments, **keywords)

    def overwrite(self) -> None:
        while True:
            for array in self.arrays:
                array[:] = 99.0
            if self.over.wait(0.001):
                return


@pytest.mark.parametrize("kind", ["numbers", "text"])
def test_overwriting_the_input_during_training_has_no_effect(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).normal(size=(60, 3))
    weights, y = np.linspace(0.5, 2, 60), table[:, 0] + table[:, 1]
    if kind == "text":
        table = np.column_stack([table.astype(object), list("uvw") * 20])
    running: dict[str, Any] = {"candidates": 32, "min_epochs": 8, "n_jobs": 2}
    expected = quick(table, y, sample_weight=weights, validation=(table, y), **running)
    given = [table.copy(), y.copy(), weights.copy(), table.copy(), y.copy()]
    overwriter = Overwriter(given)
    monkeypatch.setattr("ash._core.Tuner", overwriter)
    arguments: dict[str, Any] = {"sample_weight": given[2], "validation": tuple(given[3:])}
    result = quick(*given[:2], **arguments, **running)
    overwriter.over.set()
    overwriter.thread.join()
    assert all((array == 99.0).all() for array in given)
    assert result.digest == expected.digest
    assert np.array_equal(result.model.predict(table), expected.model.predict(table))


def test_constant_missing_and_duplicate_columns_are_harmless() -> None:
    x = np.column_stack([X[:, 0], np.full(6, 5.0), X[:, 0], np.array([0.0, -0.0] * 3), np.full(6, NAN)])
    parts = parts_from(x, Y)
    assert parts.encoding.names == ("x0", "x1", "x2", "x3", "x4", "x4 is missing")
    assert list(prepare(parts).constant_features) == [1, 3, 4]
    assert bits(parts)
    assert np.isfinite(start(parts).predict(parts.encoding.block(parts.table.frame, slice(0, 6)))).all()


def test_very_large_and_very_small_numbers_are_accepted() -> None:
    for factor in (1e30, 1e-300):
        parts = parts_from(X * factor, Y, validation=(X, Y))
        assert np.allclose(start(parts).input_center, np.median(X, axis=0) * factor, rtol=1e-12, atol=0)
        lower, upper = np.quantile(X, [0.25, 0.75], axis=0)
        assert np.allclose(start(parts).input_scale, (upper - lower) * factor, rtol=1e-12, atol=0)
        assert bits(parts)


# Features for prediction


def test_prediction_accepts_all_forms_of_features() -> None:
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model, named = (quick(given, Y, candidates=1, validation=2).model for given in (X, frame))
    expected = model.predict_proba(X)
    for network in (model, named):
        for given in (X, frame, X.tolist(), X.astype("f4"), X.astype(object), np.asfortranarray(X)):
            assert np.array_equal(network.predict_proba(given), expected)
        assert np.array_equal(network.predict_proba(X[:1]), expected[:1])
        with pytest.raises(DataError, match="X has 2 features, but the network is expecting 3 features"):
            network.predict(X[:, :2])
    for given in (frame[["b", "a", "c"]], frame.assign(d=[[1]] * len(X))[["d", "c", "a", "b"]]):
        assert np.array_equal(named.predict_proba(given), expected)
    with pytest.raises(DataError, match=r"feature names should match .*\n.*yet now missing:\n- c"):
        named.predict(frame[["b", "a"]])


# Refused features


@pytest.fixture(scope="module")
def model() -> ash.Network:
    return quick(X, Y, candidates=1, validation=2).model


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1"),
        (X[:, 0], "Expected 2D array, got 1D array instead. Reshape your data"),
        (with_cell({"a": 1}, object), r"column 1, row 3: argument must be a string or a real number, not 'dict'"),
        (with_cell(np.inf), r"Input X contains infinity .* in column 1 \(1 of 6 rows, first row 3\)"),
        (np.where(X == 1, np.inf, np.where(X == 2, NAN, X)), r"infinity .* in column 1 \(2 of 6 rows, first row 0\)"),
        *((with_cell(cell, dtype), "Input X contains infinity") for cell, dtype in INFINITIES),
        (with_cell(-1e300), r"a value too large for dtype\('float32'\) in column 1 .*: rescale"),
        ("table.csv", "X is text or a path"),
    ],
)
def test_invalid_features_are_refused_in_training_and_prediction(model: ash.Network, bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parts_from(bad, Y)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(DataError, match=message):
        model.predict(bad)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, np.inf, 3, 4, 5, 6], r"infinity .* in column 1 \('b'\) \(1 of 6 rows, first row 1\)"),
        ([1, None, 3, 4, 5, 6], r"NaN in column 1 \('b'\) \(1 of 6 rows, first row 1\)"),
        (pandas.array([1, None, 3, 4, 5, 6], dtype="Int64"), r"NaN in column 1 \('b'\)"),
        (pandas.Categorical(["u", None, "v"] * 2), r"NaN in column 1 \('b'\) \(2 of 6 rows, first row 1\)"),
    ],
)
def test_invalid_columns_of_frames_are_named(column: Any, message: str) -> None:
    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(b=column)
    with pytest.raises(DataError, match=message):
        parts_from(frame, Y, missing="error")


def test_a_table_larger_than_memory_is_refused_with_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.tile(X, (2**15, 1)), np.tile(Y, 2**15)
    needed = len(x) * 64  # each row is padded to a cache line
    monkeypatch.setattr(machine, "available_bytes", lambda: needed - 2**16)
    for given in (x, x.tolist(), pandas.DataFrame(x)):
        with pytest.raises(DataError, match=r"X of shape \(196608, 3\) needs about 0.0117 GiB .* only 0.0117 GiB are"):
            read_training(given, y)
    monkeypatch.setattr(machine, "available_bytes", lambda: needed)
    assert read_training(x, y).rows == len(x)
    monkeypatch.setattr(machine, "available_bytes", lambda: None)
    assert read_training(x, y).rows == len(x)


def test_memory_limits_are_not_read_for_a_small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda: 1 / 0)
    for given in (X, X.tolist(), pandas.DataFrame(X)):
        assert read_training(given, Y).rows == len(X)
    with pytest.raises(ZeroDivisionError):
        check_memory(2**14, 3, "X")


def test_size_estimates_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda: 2**50)
    rows, columns = np.int32(2**30), np.int32(2**30)
    with pytest.raises(DataError, match=r"needs about 4.29e\+09 GiB"):
        check_memory(rows, columns, "X")  # type: ignore[arg-type]
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (2**36, 2**20), (0, 0))
    with pytest.raises(DataError, match=r"X of shape \(68719476736, 1048576\) needs about"):
        read_training(huge, Y)

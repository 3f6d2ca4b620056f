"""Features that are trained on: numbers of any kind and layout, gaps, text (F05, F07, F14, F15, F21, F29)."""

import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from ash import _core
from ash.data.table import read_training
from ash.engine.core_data import prepare
from ash.errors import DataError
from data_help import LAYOUTS, bits, parts_from, start, values
from fault_help import quick

pytestmark = pytest.mark.core

X = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
Y = np.array([0, 1, 0, 1, 0, 1])
NAN = float("nan")
TUNER = _core.Tuner


def with_cell(value: Any, dtype: Any = float) -> np.ndarray:
    changed = X.astype(dtype)
    changed[3, 1] = value
    return changed


# Features that can be read


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i2", ">f8", "O", "U9"]
)
@pytest.mark.parametrize("layout", [*LAYOUTS, "read-only"])
def test_dtype_order_and_stride_make_no_difference(dtype: str, layout: str) -> None:
    given = LAYOUTS.get(layout, np.copy)(X.astype(dtype))
    given.flags.writeable = layout != "read-only"
    before = given.copy()
    parts = parts_from(given, Y)
    assert np.array_equal(values(parts.table.frame), X)
    assert bits(parts) == bits(parts_from(X, Y))
    assert np.array_equal(given, before)


def test_bool_longdouble_and_memmap(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    for given, expected in [
        (X > 2, (X > 2).astype(float)),
        (X.astype(np.longdouble), X),
        (np.load(tmp_path / "x.npy", mmap_mode="r"), X),
    ]:
        assert np.array_equal(values(read_training(given, Y).frame), expected)
        assert bits(parts_from(given, Y)) == bits(parts_from(expected, Y))


def test_lists_and_objects_of_numbers() -> None:
    mixed = X.astype(object)
    mixed[0, 0], mixed[1, 1], mixed[2, 2] = "0.0", Decimal(4), np.float32(8)
    for given in (X.tolist(), [[str(cell) for cell in row] for row in X], mixed):
        assert np.array_equal(values(read_training(given, Y.tolist()).frame), X)
        assert bits(parts_from(given, Y)) == bits(parts_from(X, Y))


def test_array_protocol() -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return X

    assert bits(parts_from(Wrapped(), Y)) == bits(parts_from(X, Y))


def test_frames_give_their_column_names() -> None:
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=[7, 7, 7, 1, 2, 3])
    frame["b"] = frame["b"].astype("int8")
    frame["c"] = frame["c"] > 2
    table = read_training(frame, pandas.Series(Y, name="label", index=range(10, 16)))
    assert (table.frame.names, table.target_names) == (("a", "b", "c"), ("label",))
    assert np.array_equal(values(table.frame), np.column_stack([X[:, :2], X[:, 2] > 2]))
    assert read_training(pandas.DataFrame(X), Y).frame.names is None
    assert values(read_training(pandas.DataFrame(X).convert_dtypes(), Y).frame).tolist() == X.tolist()


def test_frames_of_polars() -> None:
    import polars

    table = read_training(polars.DataFrame(X, schema=["a", "b", "c"]), polars.Series("label", Y))
    assert (table.frame.names, table.target_names) == (("a", "b", "c"), ("label",))
    assert np.array_equal(values(table.frame), X)


def test_missing_cells_are_learned_from_or_refused() -> None:
    for given in (with_cell(NAN), with_cell(None, object), with_cell("nan", "U9"), pandas.DataFrame(with_cell(NAN))):
        parts = parts_from(given, Y, validation=(X, Y))
        assert parts.encoding.names == ("x0", "x1", "x1 is missing", "x2")
        known = [np.median(X[:, 0]), np.median(X[[0, 1, 2, 4, 5], 1]), 0, np.median(X[:, 2])]
        assert start(parts).input_center.tolist() == known
        assert start(parts).input_limit.tolist() == [3, 3, 0, 3]
        with pytest.raises(DataError, match=r"Input X contains NaN in column 1 \(1 of 6 rows, first row 3\): fill or"):
            parts_from(given, Y, missing="error")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (with_cell("abc", object), {f"x1={text}" for text in ("0.0", "1.0", "2.0", "4.0", "7.0", "abc")}),
        (np.array([[cell, 1] for cell in ["u", "v", None] * 2], object), {"x0=u", "x0=v", "x0 is missing"}),
        ([["u", 0.5], ["v", 1]] * 3, {"x0=u", "x0=v"}),
        (X.astype("U9").astype(object)[:, :1] + "x", {f"x0={number}.0x" for number in (0, 2, 3, 5, 6, 9)}),
    ],
)
def test_text_becomes_categories(given: Any, names: set[str]) -> None:
    parts = parts_from(given, Y)
    assert {name for name in parts.encoding.names if "=" in name or "missing" in name} == names
    assert bits(parts)


class Overwriter:
    """In place of the core's tuner: a thread overwrites arrays from the moment on that the core has its data."""

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
def test_a_change_during_training_changes_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).normal(size=(60, 3))
    weights, y = np.linspace(0.5, 2, 60), table[:, 0] + table[:, 1]
    if kind == "text":
        table = np.column_stack([table.astype(object), list("uvw") * 20])
    running: dict[str, Any] = {"candidates": 32, "min_epochs": 8, "threads": 2}
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


def test_constant_missing_and_duplicate_columns_do_no_harm() -> None:
    x = np.column_stack([X[:, 0], np.full(6, 5.0), X[:, 0], np.array([0.0, -0.0] * 3), np.full(6, NAN)])
    parts = parts_from(x, Y)
    assert parts.encoding.names == ("x0", "x1", "x2", "x3", "x4", "x4 is missing")
    assert list(prepare(parts).constant_features) == [1, 3, 4]
    assert bits(parts)
    assert np.isfinite(start(parts).predict(parts.encoding.block(parts.table.frame, slice(0, 6)))).all()


def test_large_and_small_numbers_within_float32_are_fine() -> None:
    for factor in (1e30, 1e-300):
        parts = parts_from(X * factor, Y, validation=(X, Y))
        assert np.allclose(start(parts).input_center, np.median(X, axis=0) * factor, rtol=1e-12, atol=0)
        lower, upper = np.quantile(X, [0.25, 0.75], axis=0)
        assert np.allclose(start(parts).input_scale, (upper - lower) * factor, rtol=1e-12, atol=0)
        assert bits(parts)


# Features to predict from


def test_features_to_predict_from() -> None:
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model, named = (quick(given, Y, candidates=1, validation=2).model for given in (X, frame))
    expected = model.predict_proba(X)
    for network in (model, named):
        for given in (X, frame, X.tolist(), X.astype("f4"), X.astype(object), np.asfortranarray(X)):
            assert np.array_equal(network.predict_proba(given), expected)
        assert np.array_equal(network.predict_proba(X[:1]), expected[:1])
        with pytest.raises(DataError, match="X has 2 features, but the network is expecting 3 features"):
            network.predict(X[:, :2])
    with pytest.raises(DataError, match=r"feature names should match .*\n.*in the same order"):
        named.predict(frame[["b", "a", "c"]])

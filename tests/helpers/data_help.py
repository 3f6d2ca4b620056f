"""Helpers for tests of data: options, tables, encodings, and the steps from a table to a network."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from ash.data.frames import Frame, read_frame
from ash.data.table import Table
from ash.encoding.data_split import Fold, read_table, split_table
from ash.encoding.encoding import Encoding, TrainingEncoding, learn_encoding
from ash.encoding.schema import ColumnSchema, Schema, learn_schema
from ash.engine.core_data import prepare
from ash.options import Options, read_options
from config_help import configured
from training_help import parameters, settings

ROWS = 400


def learned(frame: Frame, y: NDArray[np.float64] | None = None, **options: Any) -> TrainingEncoding:
    targets = np.zeros((frame.rows, 1)) if y is None else y
    return learned_with(learn_schema(frame, missing="indicator")[1], frame, targets, **options)


def learned_with(
    schema: Schema,
    frame: Frame,
    y: NDArray[np.float64],
    *,
    classes: int = 0,
    training: NDArray[np.int64] | None = None,
    validation: NDArray[np.int64] | None = None,
    **options: Any,
) -> TrainingEncoding:
    """Return the encoding that is learned from rows of a table with this schema; by default from all rows."""
    labels = np.arange(classes) if classes else None
    table = Table(frame, y, labels, "classification" if classes else "regression", **options)
    return learn_encoding(table, schema, np.arange(frame.rows) if training is None else training, validation)


def mixed(rows: list[list[Any]]) -> Frame:
    return read_frame(np.array(rows, object))


def cities(seed: int = 0, rows: int = ROWS) -> list[str | None]:
    """Return city names, some missing, with unequal frequencies and too many levels for one-hot encoding."""
    drawn = np.random.default_rng(seed).geometric(0.04, rows)
    return [None if number == 3 else f"city {number}" for number in drawn.tolist()]


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "slice": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "transposed": lambda x: x.T.copy().T,
}
"""Functions that return the same table with another memory order and other strides."""


def options(**changes: Any) -> Options:
    """Return checked arguments of a run: the defaults of `ash.tune` except for `changes`."""
    arguments = inspect.signature(ash.tune).parameters.values()
    defaults = {each.name: each.default for each in arguments if each.name not in ("X", "y")}
    return read_options("tune", defaults | configured(changes))


def numbers(features: int) -> Encoding:
    """Return the encoding for `features` numeric columns that have no names and no missing cells."""
    return Encoding(Schema((ColumnSchema("number", "float64"),) * features), (None,) * features, ())


def values(frame: Frame) -> NDArray[np.float64]:
    """Return the columns of a numeric frame as an array [rows, columns], with NaN for missing cells."""
    return np.column_stack([column.numbers(slice(0, frame.rows)) for column in frame.columns])


def parts_from(
    X: Any, y: Any, *, validation: Any = 2, sample_weight: Any = None, sort: bool = False, **changes: Any
) -> Fold:
    given = options(**changes)
    return split_table(*read_table(X, y, given, sample_weight, sort), given, validation).folds[0]


def start(parts: Fold) -> _core.Network:
    """Return an untrained network without hidden layers, with the centers and scales of the fold's rows."""
    return _core.train(prepare(parts), settings(), 0)[0]


def bits(parts: Fold) -> bytes:
    """Train two epochs on the fold's rows; return the bytes of the weights, centers and scales."""
    network, losses = _core.train(prepare(parts), settings(hidden=(3,), activations=("tanh",), batch_size=4), 2)
    assert np.isfinite(losses).all()
    scaling = (network.input_center, network.input_scale, network.target_mean, network.target_scale)
    return parameters(network).tobytes() + b"".join(array.tobytes() for array in scaling)


def mixed_columns(rows: int = ROWS) -> dict[str, list[Any]]:
    """Return columns of floats, integers, booleans, and text with few and with many levels, each with missing cells."""
    random = np.random.default_rng(3)
    drawn = random.integers(0, 40, rows).tolist()
    return {
        "size": [None if number == 7 else number / 8 for number in random.integers(-40, 40, rows).tolist()],
        "count": [None if number == 9 else number for number in drawn],
        "flag": [None if number == 11 else number > 20 for number in drawn],
        "color": [("red", "green", "blue", None)[number] for number in random.integers(0, 4, rows)],
        "city": cities(5, rows),
    }


def mixed_target(columns: dict[str, list[Any]]) -> NDArray[np.float64]:
    """Return a regression target that depends on all columns."""
    noise = np.random.default_rng(4).normal(size=len(columns["size"]))
    rows = zip(*columns.values(), strict=True)
    known = [(s or 0) + (c or 0) / 9 + (f or 0) + 2 * (k == "red") + len(t or "") for s, c, f, k, t in rows]
    return np.array(known) + noise

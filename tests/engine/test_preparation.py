"""Tests the preparation of tables: scales equal NumPy's and depend neither on block sizes nor on libraries."""

from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest

import ash
from ash import _core
from ash._utils import machine
from ash.engine import core_data
from ash.engine.core_data import prepare
from ash.errors import DataError
from config_help import configured, split_once
from data_help import LAYOUTS, ROWS, mixed_columns, mixed_target, parts_from, start
from fault_help import small_space
from training_help import quartiles, reference, robust, settings

NAN = float("nan")
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(90, 5)) * [1, 1e6, 1e-6, 3, 1] + [0, 1e7, 0, -4, 0]
NUMBERS[:, 4] = 2.5
NUMBERS[[3, 8, 70], 0] = NUMBERS[5:60, 3] = NAN
TARGETS = RANDOM.normal(size=(90, 2)) * [1, 30] + [0, 7]
WEIGHTS = RANDOM.uniform(0.1, 4, 90)


def moments(targets: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of each column, computed in long doubles."""
    y, shares = targets.astype(np.longdouble), weights[:, None].astype(np.longdouble) / weights.sum()
    mean = (y * shares).sum(axis=0)
    deviation = np.sqrt(((y - mean) ** 2 * shares).sum(axis=0))
    return mean.astype(float), deviation.astype(float)


def sheet(columns: dict[str, list[Any]]) -> np.ndarray:
    return np.array(list(zip(*columns.values(), strict=True)), object)


def quick(X: Any, y: Any, **changes: Any) -> ash.Result:
    given = split_once({"candidates": 4, "n_jobs": 1, "verbose": 0, **changes})
    return ash.tune(X, y, small_space(), **configured(given))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("own", [False, True], ids=["share", "table of its own"])
def test_scales_are_computed_from_the_training_rows(weights: np.ndarray | None, own: bool) -> None:
    held_out = (NUMBERS * 100, TARGETS * 100)
    parts = parts_from(NUMBERS, TARGETS, sample_weight=weights, validation=held_out if own else 0.3)
    rows, counts = parts.training, np.ones(90) if weights is None else weights
    network = start(parts)
    encoding = parts.encoding
    assert encoding.names == ("x0", "x0 is missing", "x1", "x2", "x3", "x3 is missing", "x4")
    center, scale = quartiles(NUMBERS[rows], counts[rows] / counts.mean())
    assert network.input_center[encoding.scaled] == pytest.approx(center, rel=1e-9, abs=1e-15)
    assert network.input_scale[encoding.scaled] == pytest.approx(scale, rel=1e-9)
    assert network.input_limit[encoding.scaled].tolist() == [3] * 5
    assert network.input_center[~encoding.scaled].tolist() == [0, 0]
    assert network.input_scale[~encoding.scaled].tolist() == [1, 1]
    assert network.input_limit[~encoding.scaled].tolist() == [0, 0]
    mean, scale = moments(TARGETS[rows], counts[rows])
    assert network.target_mean == pytest.approx(mean, rel=1e-12)
    assert network.target_scale == pytest.approx(scale, rel=1e-12)
    assert list(prepare(parts).constant_features) == [6]


def test_target_statistics_are_scaled_as_in_training() -> None:
    columns = mixed_columns()
    parts = parts_from(sheet(columns), mixed_target(columns), validation=0.25)
    encoding = parts.encoding
    trained = parts.encoding.fitting_block(slice(0, ROWS))[parts.training]
    predicted = encoding.block(parts.table.frame, slice(0, ROWS))[parts.training]
    place = encoding.names.index("x4: target mean")
    assert not np.allclose(trained[:, place], predicted[:, place])
    center, scale = quartiles(trained[:, encoding.scaled], np.ones(len(trained)))
    assert start(parts).input_center[encoding.scaled] == pytest.approx(center, rel=1e-12)
    assert start(parts).input_scale[encoding.scaled] == pytest.approx(scale, rel=1e-10)


def test_the_core_trains_on_the_encoded_rows() -> None:
    """Compare with NumPy training on rows with scaled numbers, zeros for missing cells, and unchanged 0/1 features."""
    columns = mixed_columns(120)
    parts = parts_from(sheet(columns), mixed_target(columns), validation=20)
    rows = parts.training
    block = parts.encoding.fitting_block(slice(0, 120))[rows]
    x = np.where(parts.encoding.scaled, robust(block), block)
    y = (parts.y[rows] - parts.y[rows].mean()) / parts.y[rows].std()
    chosen = settings(hidden=(5,), activations=("tanh",))
    network, losses = _core.train(prepare(parts), chosen, 20)
    expected, expected_losses = reference(prepare(parts), chosen, x, y, 0, [20])
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    for ours, layer in zip((*network.weights, *network.biases), (*expected.dense, *expected.dense), strict=True):
        theirs = layer.weights if ours.ndim == 2 else layer.biases
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
@pytest.mark.parametrize("cells", [1, 50, 999])
def test_blocks_of_any_size_give_the_same_bits(kind: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = mixed_columns()
    x, y = (NUMBERS, TARGETS) if kind == "numbers" else (sheet(columns), mixed_target(columns))
    for validation in (0.25, (x[:31], y[:31])):
        with monkeypatch.context() as patch:
            expected = quick(x, y, validation=validation)
            patch.setattr(core_data, "BLOCK_CELLS", cells)
            result = quick(x, y, validation=validation)
        assert result.digest == expected.digest
        assert np.array_equal(result.model.core.input_center, expected.model.core.input_center)
        assert np.array_equal(result.model.core.input_scale, expected.model.core.input_scale)


def test_progress_is_reported_as_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_data, "BLOCK_CELLS", 70)
    shares: list[float] = []
    prepare(parts_from(NUMBERS, TARGETS, validation=(NUMBERS[:35], TARGETS[:35])), shares.append)
    expected = np.cumsum([10] * 9 + [10, 10, 10, 5] + [10] * 9 + [10, 10, 10, 5]) / 250
    assert shares == pytest.approx(expected.tolist())


def test_the_encoded_text_must_fit_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.array([[f"level {row % 30}"] for row in range(9000)], object)
    y = np.arange(9000) % 90 / 2
    monkeypatch.setattr(machine, "available_bytes", lambda: 9000 * 64)  # only the column itself fits
    with pytest.raises(DataError, match=r"the run needs about .* GiB of memory on one thread \(table 0.00107 GiB"):
        quick(X, y)


# Libraries


def test_numbers_in_any_layout_give_the_same_result() -> None:
    x = np.round(np.random.default_rng(1).normal(size=(90, 4)) * 64) / 64
    x[[2, 7], 1] = NAN
    y = TARGETS[:, 0]
    names = list("abcd")
    expected = quick(x, y).digest
    for given in (
        *(layout(x) for layout in LAYOUTS.values()),
        *(x.astype(dtype) for dtype in ("f4", ">f8", np.longdouble, object, "U24")),
        x.tolist(),
        pandas.DataFrame(x, columns=names),
        pandas.DataFrame(x.astype("f4"), columns=names).convert_dtypes(),
        pandas.DataFrame({name: column for name, column in zip(names, x.T, strict=True)}),
        polars.DataFrame(x, schema=names),
        polars.DataFrame(x, schema=names).fill_nan(None),
        pyarrow.table({name: column for name, column in zip(names, x.T, strict=True)}),
    ):
        assert quick(given, y).digest == expected


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_mixed_columns_of_every_library_give_the_same_result(task: str) -> None:
    columns = mixed_columns()
    y = mixed_target(columns)
    if task == "classification":
        y = np.array(["low", "middle", "high"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]
    frame, arrow = pandas.DataFrame(columns), pyarrow.table(columns)
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    levels = sorted(set(columns["city"]) - {None})
    tables = [
        sheet(columns),
        np.asfortranarray(sheet(columns)),
        rows,
        frame,
        frame.astype(object),
        frame.convert_dtypes(),
        frame.astype({"color": "category", "city": "category"}).set_index(pandas.Index([1] * ROWS)),
        arrow.to_pandas(types_mapper=pandas.ArrowDtype),
        polars.DataFrame(columns),
        polars.DataFrame(columns, schema_overrides={"color": polars.Categorical, "city": polars.Enum(levels)}),
        arrow,
        pyarrow.concat_tables([arrow.slice(0, 99), arrow.slice(99)]),
    ]
    results = [quick(table, y) for table in tables]
    model = results[0].model
    assert model.encoding.features == (12 if task == "regression" else 13)
    assert {result.digest for result in results} == {results[0].digest}
    expected = (model.predict if task == "regression" else model.predict_proba)(tables[0])
    for result, table in zip(results, reversed(tables), strict=True):
        predict = result.model.predict if task == "regression" else result.model.predict_proba
        assert np.array_equal(predict(table), expected)

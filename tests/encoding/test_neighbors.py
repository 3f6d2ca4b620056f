"""Tests neighbor features: which tables have them, their values, models that store them, and invalid files."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

import ash
from ash.cli.command import main
from ash.data.frames import Frame, read_frame
from ash.data.table import Table
from ash.encoding.encoding import Encoding, TrainingEncoding, encoding_from_parts, encoding_parts
from ash.encoding.neighbors import FEWEST_ROWS, LIMIT, NEAREST, SOFT, with_neighbors
from ash.encoding.schema import Schema, learn_schema, schema_from_json
from config_help import split_once
from data_help import learned_with

Doubles = NDArray[np.float64]
ROWS = 600


def recurring(rows: int = ROWS, share: float = 0.2, columns: int = 3, seed: int = 0) -> tuple[Doubles, Doubles]:
    """Return rows, a `share` of which are copies, and targets: a sine plus noise, most of which copies share."""
    random = np.random.default_rng(seed)
    fresh = rows - int(share * rows)
    x = random.normal(size=(fresh, columns)).round(3)
    y = np.sin(2 * x[:, 0]) + random.normal(size=fresh)
    chosen = np.concatenate([np.arange(fresh), random.choice(fresh, rows - fresh)])
    order = random.permutation(rows)
    return x[chosen][order], (y[chosen] + 0.1 * random.normal(size=rows))[order]


def schema_of(x: Any, y: Any) -> Schema:
    """Return the schema that ash learns from a table."""
    frame = read_frame(x)
    schema = learn_schema(frame, missing="indicator")[1]
    return with_neighbors(schema, table_of(frame, y))


def table_of(frame: Frame, y: Any, classes: int = 0) -> Table:
    targets = np.reshape(np.asarray(y, float), (len(y), -1))
    return Table(frame, targets, np.arange(classes) if classes else None, "classification" if classes else "regression")


def learned(x: Any, y: Any, training: Any = None, **options: Any) -> TrainingEncoding:
    order = np.random.default_rng(1).permutation(len(x)) if training is None else training
    targets = np.reshape(np.asarray(y, float), (len(y), -1))
    return learned_with(schema_of(x, y), read_frame(x), targets, training=order, **options)


NAN = float("nan")


# Which tables have neighbor features


def test_a_table_with_recurring_rows_has_neighbors() -> None:
    x, y = recurring()
    assert schema_of(x, y).neighbors
    assert schema_of(x, np.column_stack([y, -y])).neighbors
    for seed in range(3):
        assert not schema_of(*recurring(share=0.0, seed=seed)).neighbors


@pytest.mark.parametrize(
    ("what", "table"),
    [
        ("too few rows recur", recurring(share=0.02)),
        ("a table twice", tuple(np.concatenate([part, part]) for part in recurring(share=0.0))),
        ("a sample with replacement", tuple(p[np.random.default_rng(3).integers(0, 999, 999)] for p in recurring(999))),
        ("few rows", recurring(FEWEST_ROWS)),
        ("a few settings", (np.random.default_rng(4).integers(0, 3, (ROWS, 3)).astype(float), np.arange(float(ROWS)))),
        ("targets of their own", (recurring()[0], np.random.default_rng(5).normal(size=ROWS))),
        ("one of two targets of their own", (recurring()[0], np.column_stack([recurring()[1], np.arange(ROWS)]))),
    ],
)
def test_other_tables_have_no_neighbors(what: str, table: Any) -> None:
    assert not schema_of(*table).neighbors, what


def test_rows_with_equal_missing_cells_are_equal() -> None:
    x, y = recurring()
    holes = np.where((x > 0.5) & (np.arange(3) == 0), NAN, x)
    assert schema_of(holes, y).neighbors


def test_only_numeric_regressions_of_limited_size_have_neighbors(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = recurring()
    frame = read_frame(x)
    schema = learn_schema(frame, missing="indicator")[1]
    assert not with_neighbors(schema, table_of(frame, y, classes=2)).neighbors
    mixed = read_frame(np.column_stack([x, np.full(ROWS, "a", object)]))
    assert not with_neighbors(learn_schema(mixed, missing="indicator")[1], table_of(mixed, y)).neighbors
    monkeypatch.setattr("ash.encoding.neighbors.MOST_CELLS", x.size)
    assert schema_of(x, y).neighbors
    monkeypatch.setattr("ash.encoding.neighbors.MOST_CELLS", x.size - 1)
    assert not schema_of(x, y).neighbors


def test_tables_with_weights_have_no_neighbors() -> None:
    x, y = recurring(share=0.0)
    weights = np.where(np.arange(ROWS) < 0.2 * ROWS, 2.0, 1.0)
    for fit in (
        ash.ASHRegressor(candidates=2, random_state=0).fit(x, y, sample_weight=weights).result_,
        ash.ASHRegressor(candidates=2, random_state=0).fit(*recurring(), sample_weight=weights).result_,
        ash.tune(*recurring(), candidates=2, sample_weight=weights, verbose=0, validation=0.2),
    ):
        assert not fit.model.encoding.schema.neighbors
    estimator = ash.ASHRegressor(candidates=2, random_state=0)
    plain, ones = (clone(estimator).fit(*recurring(), sample_weight=given) for given in (None, np.ones(ROWS)))
    assert ones.result_.model.encoding.schema.neighbors and plain.result_.digest == ones.result_.digest


# The values of the features


def places(x: Doubles, by: Doubles) -> list[tuple[float, ...]]:
    """Scale the rows of `x` by the quartiles of `by` in plain Python, and return each row as a tuple."""
    low, middle, high = np.nanquantile(by, [0.25, 0.5, 0.75], axis=0).tolist()

    def scaled(value: float, column: int) -> float:
        z = (value - middle[column]) / (high[column] - low[column])
        return 0.0 if math.isnan(value) else z / math.sqrt(1 + (z / LIMIT) ** 2)

    return [tuple(scaled(value, column) for column, value in enumerate(row)) for row in x.tolist()]


def naive(where: list[tuple[float, ...]], y: Doubles, weights: Doubles, known: list[int], row: int) -> list[float]:
    """Return a row's features, computed in plain Python from all rows in `known` except the row itself."""
    prior = np.average(y[known], axis=0, weights=weights[known]).tolist()
    groups: dict[tuple[float, ...], list[int]] = {}
    for other in known:
        groups.setdefault(where[other], []).append(other)
    distances = sorted((math.dist(where[row], place), members) for place, members in groups.items())[:NEAREST]
    total, sums, nearest = 1.0, [0.0] * len(prior), math.inf
    for distance, members in distances:
        others = [other for other in members if other != row]
        share = (distances[-1][0] ** 2 + SOFT**2) / (distance**2 + SOFT**2) - 1
        for other in others:
            total += share * weights[other]
            sums = [s + share * weights[other] * (t - p) for s, t, p in zip(sums, y[other], prior, strict=True)]
        if others:
            nearest = min(nearest, distance)
    return [p + s / total for p, s in zip(prior, sums, strict=True)] + [1 / (1 + math.sqrt(nearest))]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("holes", [False, True])
def test_features_match_plain_python(outputs: int, weighted: bool, holes: bool) -> None:
    x, y = recurring(400)
    y = np.column_stack([y, 3 - 2 * y])[:, :outputs]
    if holes:
        x = np.where(np.arange(3) == (100 * x[:, :1]) % 7, NAN, x)
    weights = np.random.default_rng(8).integers(1, 4, 400).astype(float) if weighted else np.ones(400)
    order = np.random.default_rng(9).permutation(400)
    training, validation = order[:320], order[320:]
    found = learned(x, y, training, validation=validation, weights=weights if weighted else None)
    names = ["neighbors: target mean"] if outputs == 1 else [f"neighbors: target mean {k}" for k in range(2)]
    assert found.names[-outputs - 1 :] == (*names, "neighbors: closeness")
    assert found.scaled[-outputs - 1 :].all()
    fitting = found.fitting_block(slice(0, 400))[:, -outputs - 1 :]
    where = places(np.concatenate([x, x + 0.01]), x[training])
    for row in [*training[:30], *validation[:15]]:
        assert fitting[row] == pytest.approx(naive(where, y, weights, training.tolist(), row), rel=1e-9)
    predicting = found.predicting.block(read_frame(np.concatenate([x, x + 0.01])), slice(0, 800))[:, -outputs - 1 :]
    for row in range(400, 415):
        assert predicting[row] == pytest.approx(naive(where, y, weights, order.tolist(), row), rel=1e-9)
    assert (predicting[:400, -1] == 1).all(), "a row of training is its own neighbor when it comes again"


def test_all_training_rows_are_compared_if_they_are_few() -> None:
    x, y = recurring()
    training = np.arange(NEAREST - 5)
    fitting = learned(x, y, training).fitting_block(slice(0, ROWS))[:, -2:]
    where, ones = places(x, x[training]), np.ones(ROWS)
    for row in range(NEAREST):
        assert fitting[row] == pytest.approx(naive(where, y[:, None], ones, training.tolist(), row), rel=1e-9)
    assert np.isfinite(learned(x, y, training[:1]).fitting_block(slice(0, ROWS))).all()


def test_features_are_the_same_in_blocks_and_from_a_frame() -> None:
    x, y = recurring()
    matrix = learned(x, y)
    frame = learned(pandas.DataFrame(x, columns=["a", "b", "c"]).astype({"a": "float32"}).astype({"a": float}), y)
    assert matrix.names[3:] == frame.names[3:]
    whole = matrix.predicting.block(matrix.frame, slice(0, ROWS))
    for part in (slice(0, 0), slice(7, 8), slice(100, ROWS)):
        assert np.array_equal(matrix.predicting.block(matrix.frame, part), whole[part])
        assert np.array_equal(matrix.fitting_block(part), matrix.fitting_block(slice(0, ROWS))[part])
    assert not matrix.takes_rows_as_they_are(matrix.frame)


def test_rows_with_distances_too_small_to_square_are_handled() -> None:
    """Use more than NEAREST rows at distance 0, so that a row need not be among its own nearest neighbors."""
    x, y = recurring()
    x[: 3 * NEAREST, 0] = np.arange(3 * NEAREST) * 1e-200
    x[: 3 * NEAREST, 1:] = 0.25
    block = learned(x, y).fitting_block(slice(0, ROWS))
    assert np.isfinite(block).all() and (block[: 3 * NEAREST, -1] == 1).all()


def test_huge_numbers_and_constant_columns_give_finite_features() -> None:
    x, y = recurring()
    x[:, 1], x[0, 2], x[1, 2] = 7.0, 3e38, -3e38
    assert np.isfinite(learned(x, y).fitting_block(slice(0, ROWS))).all()


# In models


def fitted(**settings: Any) -> ash.Result:
    x, y = recurring()
    return ash.tune(
        x, y, candidates=8, verbose=0, random_state=0, config=ash.SearchConfig(max_rungs=2), **split_once(settings)
    )


def test_known_rows_are_predicted_better_with_neighbors(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = recurring(1200, columns=6, seed=2)
    train, test = slice(0, 900), slice(900, 1200)
    known = (x[test, None] == x[None, train]).all(axis=2).any(axis=1)
    assert 40 < known.sum() < 200

    def error(rows: NDArray[np.bool_]) -> float:
        model = ash.tune(x[train], y[train], candidates=16, verbose=0, random_state=0, validation=0.2).model
        return float(np.mean((model.predict(x[test])[rows] - y[test][rows]) ** 2))

    told = error(known)
    monkeypatch.setattr("ash.encoding.data_split.with_neighbors", lambda schema, *table: schema)
    assert told < 0.5 * error(known)


def test_the_result_is_the_same_on_any_number_of_threads_and_with_folds() -> None:
    for settings in ({}, {"cv": 3}):
        one, two = fitted(n_jobs=1, **settings), fitted(n_jobs=2, **settings)
        assert one.digest == two.digest
        x, _ = recurring()
        assert np.array_equal(one.model.predict(x), two.model.predict(x))
        neighbors = one.model.encoding.neighbors
        assert neighbors is not None and neighbors.weights.sum() == ROWS


def test_rows_of_a_validation_table_are_not_neighbors() -> None:
    x, y = recurring()
    result = ash.tune(x[:500], y[:500], candidates=4, validation=(x[500:] + 1e-3, y[500:]), verbose=0, random_state=0)
    neighbors = result.model.encoding.neighbors
    assert neighbors is not None and neighbors.weights.sum() == 500


def test_models_are_restored_from_files_and_pickles(tmp_path: Path) -> None:
    x, _ = recurring()
    result = fitted()
    assert all(member.encoding is result.model.encoding for member in result.ensemble(3).members)
    for model in (result.model, result.ensemble(3)):
        model.save(tmp_path / "model.safetensors")
        for twin in (ash.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
            assert twin.encoding.names == model.encoding.names
            assert np.array_equal(twin.predict(x + 0.01), model.predict(x + 0.01))


# Files


def saved() -> tuple[Encoding, dict[str, Any], dict[str, NDArray[np.float64]]]:
    encoding = learned(*recurring())
    data, arrays = encoding_parts(encoding)
    return encoding, json.loads(json.dumps(data)), arrays


def test_show_says_that_training_rows_are_in_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ash.tune(*recurring(), candidates=2, verbose=0, validation=0.2).model
    model.save(tmp_path / "model.safetensors")
    assert main(["show", str(tmp_path / "model.safetensors")]) == 0
    assert model.encoding.neighbors is not None
    rows = len(model.encoding.neighbors.rows)
    assert capsys.readouterr().out.endswith(f"rows recur: the model holds {rows} distinct training rows\n")


def test_arrays_that_are_not_neighbors_are_refused() -> None:
    _, data, arrays = saved()
    none = {name: array[:0] if len(array) > 3 else array for name, array in arrays.items()}
    changes: list[tuple[dict[str, Any], str]] = [
        (none, "neighbors have no rows"),
        ({**arrays, "statistics.0": np.zeros((9, 2))}, r"arrays \['statistics.0'\] are not those"),
    ]
    for name, array in arrays.items():
        without = {key: value for key, value in arrays.items() if key != name}
        changes.append((without, "no rows|is not finite"))
        changes.append(({**arrays, name: array.astype("f4")}, "is not finite float64"))
        changes.append(({**arrays, name: np.where(array == array.flat[0], NAN, array)}, "is not finite float64"))
    for name in ("neighbors.weights", "neighbors.inverse"):
        changes.append(({**arrays, name: -arrays[name]}, "negative weights or scales"))
    changes.append(({**arrays, "neighbors.rows": 9 * arrays["neighbors.rows"]}, "exceed the limit"))
    for bad, reason in changes:
        with pytest.raises(ValueError, match=reason):
            encoding_from_parts(data, bad)


def test_a_schema_that_does_not_match_its_neighbors_is_refused() -> None:
    _, data, arrays = saved()
    text = [{"kind": "category", "dtype": "str", "levels": ["a"], "missing": False}]
    with pytest.raises(ValueError, match="does not say whether rows have neighbors"):
        schema_from_json(data["schema"] | {"neighbors": 1})
    with pytest.raises(ValueError, match="not numeric"):
        schema_from_json(data["schema"] | {"columns": text})
    assert schema_from_json({key: value for key, value in data["schema"].items() if key != "neighbors"})
    with pytest.raises(ValueError, match=r"targets do not match|are not those"):
        encoding_from_parts(data | {"schema": data["schema"] | {"neighbors": False}}, arrays)

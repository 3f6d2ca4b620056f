"""Tests files of models with text, missing cells and many levels: equal predictions, and damaged encodings refused.

test_schema.py and test_encoding.py test files without a valid schema or encoding.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import ash
from config_help import configured
from data_help import ROWS, mixed_columns, mixed_target
from fault_help import small_space
from model_file_help import changed, check_refused, dropped, edited, poisoned, read, write

pytestmark = pytest.mark.core

COLUMNS = mixed_columns()
NAMES = tuple(COLUMNS)
TARGET = mixed_target(COLUMNS)
ODD = ["-", "nul\0byte", "\N{PILE OF POO}", "\ud800", "x" * 10_000, "nan ", " ?", "1", '"', "\n", "<script>", "../a"]
CITY = "statistics.4"
Tensors, About = dict[str, np.ndarray], dict[str, Any]
Change = Callable[[Tensors, About], Any]


def frame(columns: dict[str, list[Any]] = COLUMNS) -> Any:
    return pandas.DataFrame(columns, dtype=object)


def train(X: Any, y: Any, **settings: Any) -> ash.Network:
    given = {"candidates": 2, "validation": 0.2, "n_jobs": 1, "verbose": 0, **settings}
    return ash.tune(X, y, small_space(), **configured(given)).model


@pytest.fixture(scope="module")
def model() -> ash.Network:
    return train(frame(), TARGET)


@pytest.fixture
def path(model: ash.Network, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def later() -> Any:
    """Return rows with levels and missing cells, both those seen in training and new ones."""
    cells = {name: [*column[:50], None, column[0]] for name, column in COLUMNS.items()}
    return frame(
        cells | {"color": [*cells["color"][:50], "violet", None], "city": [*ODD, *cells["city"][:38], None, ""]}
    )


# Restored encodings


@pytest.mark.parametrize("labels", [None, ["low", "middle", "high"], [False, True]], ids=["numbers", "3", "2"])
def test_a_restored_model_predicts_the_same_bits(labels: Any, tmp_path: Path) -> None:
    y = TARGET
    if labels is not None:
        cuts = np.quantile(TARGET, np.arange(1, len(labels)) / len(labels))
        y = np.array(labels)[np.digitize(TARGET, cuts)]
    model = train(frame(), y)
    model.save(tmp_path / "model")
    for twin in (ash.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        for X in (frame(), later(), later().to_numpy()):
            predict = [network.predict if labels is None else network.predict_proba for network in (model, twin)]
            assert np.array_equal(predict[0](X), predict[1](X))
        assert (twin.encoding.names, twin.encoding.targets) == (model.encoding.names, model.encoding.targets)
        assert (twin.feature_names, twin.n_features_in_) == (NAMES, 5)
        with pytest.raises(ash.DataError, match="data type doesn't match"):
            twin.predict(np.zeros((3, 5)))


@pytest.mark.parametrize("few", [True, False])
def test_unusual_levels_are_restored(few: bool, tmp_path: Path) -> None:
    cells = np.array((ODD if few else [*ODD, *(f"level {number}" for number in range(40))]) * 5, object)[:, None]
    model = train(cells, np.random.default_rng(0).normal(size=len(cells)))
    model.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert set(ODD) <= set(twin.encoding.schema.columns[0].levels)
    assert np.array_equal(twin.predict(cells), model.predict(cells))


def test_policies_for_missing_cells_and_unseen_levels_are_restored(tmp_path: Path) -> None:
    whole = {name: [column[0] if cell is None else cell for cell in column] for name, column in COLUMNS.items()}
    strict = train(frame(whole), TARGET, unknown="error", missing="error")
    strict.save(tmp_path / "model")
    for network in (strict, ash.load(tmp_path / "model"), pickle.loads(pickle.dumps(strict))):
        assert np.array_equal(network.predict(frame(whole)), strict.predict(frame(whole)))
        with pytest.raises(ash.DataError, match=r"X in column 3 \('color'\), row 0: level 'violet' was not seen"):
            network.predict(frame(whole | {"color": ["violet"] * ROWS}))
        for name, label in (("size", "column 0"), ("city", "column 4")):
            with pytest.raises(ash.DataError, match=f"Input X contains NaN in {label}"):
                network.predict(frame(whole | {name: COLUMNS[name]}))


def test_statistics_of_several_targets_are_restored(tmp_path: Path) -> None:
    model = train(frame(), np.stack([TARGET, -TARGET, TARGET**2], axis=1))
    model.save(tmp_path / "model")
    assert ash.load(tmp_path / "model").encoding.statistics[4].shape[1] == 4
    assert np.array_equal(ash.load(tmp_path / "model").predict(later()), model.predict(later()))


# Invalid encodings


def schema_of(about: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an encoding, to be changed in place."""
    return about["encoding"]["schema"]


def column(place: int, **changes: Any) -> Change:
    return lambda tensors, about: schema_of(about)["columns"][place].update(changes)


def without_city(tensors: Tensors, about: About) -> None:
    schema_of(about)["columns"].pop()
    schema_of(about)["names"].pop()
    about["encoding"]["targets"] = []
    tensors.pop(CITY)


def as_statistics_of(name: str) -> Change:
    return lambda tensors, about: tensors.__setitem__(name, tensors[CITY])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda tensors, about: about.pop("encoding"),
            "invalid encoding: the encoding has missing or unexpected entries",
        ),
        (changed("encoding", []), "invalid encoding: the encoding has missing or unexpected entries"),
        (lambda tensors, about: schema_of(about).pop("unknown"), "the schema has missing or unexpected entries"),
        (lambda tensors, about: schema_of(about).update(names=["a"]), "the schema has no name for each column"),
        (column(0, missing=False), "12 inputs, but its columns give 11"),
        (column(3, levels=["red"]), "12 inputs, but its columns give 10"),
        (column(3, levels=[f"{n:03}" for n in range(99)]), r"arrays \['statistics.4'\] are not those of the columns"),
        (column(4, levels=["red"]), "targets do not match the columns"),
        (without_city, "12 inputs, but its columns give 10"),
        (dropped(CITY), r"arrays \[\] are not those of the columns with many levels"),
        (edited(CITY, lambda table: table[:-1]), "statistics.4 is float64 of shape"),
        (edited(CITY, lambda table: table[:, :1]), "statistics.4 is float64 of shape"),
        (edited(CITY, lambda table: table[None]), "statistics.4 is float64 of shape"),
        (edited(CITY, lambda table: table[:0]), "statistics.4 is float64 of shape"),
        (edited(CITY, lambda table: table.astype("f4")), "statistics.4 is float32 of shape"),
        (edited(CITY, lambda table: table.astype("i8")), "tensor 'statistics.4' has dtype I64"),
        (as_statistics_of("statistics.0"), "are not those of the columns with many levels"),
        (as_statistics_of("statistics.04"), "are not those of the columns with many levels"),
        (as_statistics_of("statistics."), "are not those of the columns with many levels"),
        (as_statistics_of("other.4"), "not those of"),
        (poisoned(CITY, (0, 0)), "statistics.4 holds NaN or infinity"),
        (poisoned(CITY, (3, 1), -np.inf), "statistics.4 holds NaN or infinity"),
        (poisoned(CITY, (3, 1), -1.0), "statistics.4 holds a negative count"),
    ],
)
def test_an_invalid_encoding_is_refused(path: Path, change: Change, complaint: str) -> None:
    check_refused(path, change, complaint)


def test_an_unchanged_file_is_accepted(model: ash.Network, path: Path) -> None:
    """Check the undamaged file, which shows that the files above are refused because of their damage."""
    write(path, *read(path))
    assert np.array_equal(ash.load(path).predict(later()), model.predict(later()))

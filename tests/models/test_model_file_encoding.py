"""Models of text, gaps and many levels on disk: they predict the same bits, and no damaged encoding is taken."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from safetensors import numpy as serialization

import ash
from ash.models.file import digest
from data_help import mixed_columns, mixed_target
from encoding_help import ROWS
from fault_help import small_space

pytestmark = pytest.mark.core

COLUMNS = mixed_columns()
NAMES = tuple(COLUMNS)
TARGET = mixed_target(COLUMNS)
ODD = ["", "nul\0byte", "\N{PILE OF POO}", "\ud800", "x" * 10_000, "nan", "None", "1", '"', "\n", "<script>", "../a"]
CITY = "statistics.4"


def frame(columns: dict[str, list[Any]] = COLUMNS) -> Any:
    return pandas.DataFrame(columns, dtype=object)


def train(X: Any, y: Any, **settings: Any) -> ash.Network:
    return ash.tune(X, y, small_space(), candidates=2, threads=1, progress=False, **settings).model


@pytest.fixture(scope="module")
def model() -> ash.Network:
    return train(frame(), TARGET)


@pytest.fixture
def path(model: ash.Network, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def later() -> Any:
    """Rows with levels and gaps that training had not, and those that it had."""
    cells = {name: [*column[:50], None, column[0]] for name, column in COLUMNS.items()}
    return frame(
        cells | {"color": [*cells["color"][:50], "violet", None], "city": [*ODD, *cells["city"][:38], None, ""]}
    )


# What comes back


@pytest.mark.parametrize("labels", [None, ["low", "middle", "high"], [False, True]], ids=["numbers", "3", "2"])
def test_it_predicts_the_same_bits(labels: Any, tmp_path: Path) -> None:
    y = TARGET
    if labels is not None:
        cuts = np.quantile(TARGET, np.arange(1, len(labels)) / len(labels))
        y = np.array(labels)[np.digitize(TARGET, cuts)]
    model = train(frame(), y)
    model.save(tmp_path / "model")
    twins = [ash.load(tmp_path / "model"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for twin in twins:
        for X in (frame(), later(), later().to_numpy()):
            predict = [network.predict if labels is None else network.predict_proba for network in (model, twin)]
            assert np.array_equal(predict[0](X), predict[1](X))
        assert twin.encoding.schema == model.encoding.schema
        assert (twin.encoding.names, twin.encoding.targets) == (model.encoding.names, model.encoding.targets)
        assert (twin.feature_names, twin.n_features_in_) == (NAMES, 5)
        with pytest.raises(ash.DataError, match="data type doesn't match"):
            twin.predict(np.zeros((3, 5)))
    twins[0].save(tmp_path / "again")
    (tensors, about), (again, about_again) = read(tmp_path / "model"), read(tmp_path / "again")
    assert about_again == about
    assert {name: tensor.tobytes() for name, tensor in again.items()} == {
        name: tensor.tobytes() for name, tensor in tensors.items()
    }


@pytest.mark.parametrize("few", [True, False])
def test_odd_levels_come_back(few: bool, tmp_path: Path) -> None:
    cells = np.array((ODD if few else [*ODD, *(f"level {number}" for number in range(40))]) * 5, object)[:, None]
    model = train(cells, np.random.default_rng(0).normal(size=len(cells)))
    model.save(tmp_path / "model")
    twin = ash.load(tmp_path / "model")
    assert set(ODD) <= set(twin.encoding.schema.columns[0].levels)
    assert np.array_equal(twin.predict(cells), model.predict(cells))


def test_what_is_refused_stays_refused(tmp_path: Path) -> None:
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


def test_several_targets_have_statistics_of_each(tmp_path: Path) -> None:
    model = train(frame(), np.stack([TARGET, -TARGET, TARGET**2], axis=1))
    model.save(tmp_path / "model")
    assert ash.load(tmp_path / "model").encoding.statistics[4].shape[1] == 4
    assert np.array_equal(ash.load(tmp_path / "model").predict(later()), model.predict(later()))


def test_a_network_of_numbers_has_no_statistics(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    x[3, 1] = np.nan
    model = train(x, TARGET)
    model.save(tmp_path / "model")
    tensors, about = read(tmp_path / "model")
    assert not [name for name in tensors if name.startswith("statistics")]
    assert about["encoding"]["targets"] == []
    assert np.array_equal(ash.load(tmp_path / "model").predict(x), model.predict(x))


# What does not


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["ash"])  # noqa: SIM118


def write(path: Path, tensors: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Write a file that is sound but for its content."""
    text = json.dumps(about)
    serialization.save_file(tensors, path, metadata={"ash": text, "sha256": digest(text, tensors)})


Change = Callable[[dict[str, np.ndarray], dict[str, Any]], Any]


def column(place: int, **changes: Any) -> Change:
    return lambda tensors, about: about["encoding"]["schema"]["columns"][place].update(changes)


def encoding(**changes: Any) -> Change:
    return lambda tensors, about: about["encoding"].update(changes)


def schema(**changes: Any) -> Change:
    return lambda tensors, about: about["encoding"]["schema"].update(changes)


def about(**changes: Any) -> Change:
    return lambda tensors, about: about.update(changes)


def statistics(change: Callable[[np.ndarray], np.ndarray], name: str = CITY) -> Change:
    return lambda tensors, about: tensors.__setitem__(name, np.ascontiguousarray(change(tensors[CITY])))


def poisoned(value: float, place: tuple[int, int] = (0, 0)) -> Change:
    return lambda tensors, about: tensors[CITY].__setitem__(place, value)


def without_city(tensors: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    about["encoding"]["schema"]["columns"].pop()
    about["encoding"]["schema"]["names"].pop()
    about["encoding"]["targets"] = []
    tensors.pop(CITY)


DAMAGES: list[tuple[Change, str]] = [
    (lambda tensors, about: about.pop("encoding"), "its encoding is none: the encoding has other entries"),
    (about(encoding=None), "its encoding is none: the encoding has other entries"),
    (about(encoding=[]), "its encoding is none: the encoding has other entries"),
    (about(encoding={"schema": None, "targets": []}), "the schema has other entries"),
    (lambda tensors, about: about["encoding"]["schema"].pop("unknown"), "the schema has other entries"),
    (schema(unknown="guess"), "what to do with unknown levels is not said"),
    (schema(unknown=["bucket"]), "what to do with unknown levels is not said"),
    (schema(missing="drop"), "what to do with missing cells is not said"),
    (schema(missing=None), "what to do with missing cells is not said"),
    (encoding(targets=None), "the encoding has no list of targets"),
    (encoding(targets=[]), "targets do not fit the columns"),
    (encoding(targets=["0"]), "a target is no number of one"),
    (encoding(targets=[-1]), "a target is no number of one"),
    (encoding(targets=[0, 1]), "statistics.4 is float64 of shape"),
    (encoding(more=1), "the encoding has other entries"),
    (schema(columns=[]), "the schema has no list of columns"),
    (schema(columns={}), "the schema has no list of columns"),
    (schema(names=["a"]), "the schema has no name for each column"),
    (schema(names=["a"] * 5), "the schema has a name twice"),
    (schema(names="abcde"), "the schema has no name for each column"),
    (column(0, kind="date"), "column 0 of the schema is of no known kind"),
    (column(0, kind=["number"]), "column 0 of the schema is of no known kind"),
    (column(0, missing=1), "column 0 of the schema does not say whether cells were missing"),
    (column(0, missing=False), "12 inputs, but columns for 11"),
    (column(0, levels=[0.5]), "column 0 of the schema is a number with 1 levels"),
    (column(0, levels=["a"]), "column 0 of the schema has levels that are no numbers, or too many"),
    (column(1, dtype=None), "column 1 of the schema has no dtype"),
    (column(1, more=1), "column 1 of the schema has other entries"),
    (column(3, levels=[]), "column 3 of the schema is a category with 0 levels"),
    (column(3, levels=["red"]), "12 inputs, but columns for 10"),
    (column(3, levels=["red", "blue", "green"]), "column 3 of the schema has levels that are not sorted and unique"),
    (column(3, levels=["red", "red"]), "not sorted and unique"),
    (column(3, levels=["red", 1]), "column 3 of the schema has levels that are no texts, or too many"),
    (column(3, levels=[f"{n:03}" for n in range(99)]), r"arrays \['statistics.4'\] are not those of the columns with"),
    (column(4, levels=["red"]), "targets do not fit the columns"),
    (column(4, levels=[f"{n:06}" for n in range(2**16 + 1)]), "no texts, or too many"),
    (without_city, "12 inputs, but columns for 10"),
    (lambda tensors, about: tensors.pop(CITY), r"arrays \[\] are not those of the columns with many levels"),
    (statistics(lambda table: table[:-1]), "statistics.4 is float64 of shape"),
    (statistics(lambda table: table[:, :1]), "statistics.4 is float64 of shape"),
    (statistics(lambda table: table.T), "statistics.4 is float64 of shape"),
    (statistics(lambda table: table[None]), "statistics.4 is float64 of shape"),
    (statistics(lambda table: table.ravel()), "statistics.4 is float64 of shape"),
    (statistics(lambda table: table[:0]), "statistics.4 is float64 of shape"),
    (statistics(lambda table: table.astype("f4")), "statistics.4 is float32 of shape"),
    (statistics(lambda table: table.astype("i8")), "tensor 'statistics.4' has dtype I64"),
    (statistics(lambda table: table, "statistics.0"), "are not those of the columns with many levels"),
    (statistics(lambda table: table, "statistics.04"), "are not those of the columns with many levels"),
    (statistics(lambda table: table, "statistics."), "are not those of the columns with many levels"),
    (statistics(lambda table: table, "other.4"), "not those of"),
    (poisoned(np.nan), "statistics.4 holds NaN or infinity"),
    (poisoned(-np.inf, (3, 1)), "statistics.4 holds NaN or infinity"),
    (poisoned(-1.0, (3, 1)), "statistics.4 holds a negative count"),
]


@pytest.mark.parametrize(("change", "complaint"), DAMAGES, ids=[complaint for _, complaint in DAMAGES])
def test_an_encoding_that_does_not_fit(path: Path, change: Change, complaint: str) -> None:
    tensors, table = read(path)
    change(tensors, table)
    write(path, tensors, table)
    with pytest.raises(ash.ModelFormatError, match=complaint) as refusal:
        ash.load(path)
    assert str(refusal.value).startswith(f"{path}: ")


def test_an_unchanged_file_is_taken(model: ash.Network, path: Path) -> None:
    """So that what is refused above is refused for its damage."""
    write(path, *read(path))
    assert np.array_equal(ash.load(path).predict(later()), model.predict(later()))


def test_flipped_bits_of_levels_and_statistics_are_found(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    statistics = content.index(read(path)[0][CITY].tobytes())
    levels = content.index(b"city 1")
    for place in (*range(statistics, statistics + 200, 13), *range(levels, levels + 100, 13)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        (tmp_path / "flipped").write_bytes(flipped)
        with pytest.raises(ash.ModelFormatError):
            ash.load(tmp_path / "flipped")

"""Neighbors in a model file, which may come from anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ash
from ash.cli.cli import main
from ash.data.frames import read_frame
from ash.encoding.encoding import Encoding
from ash.encoding.neighbors import NEAREST
from ash.encoding.schema import schema_from_json
from ash.encoding.serialize import encoding_from_parts, encoding_parts
from neighbors_help import ROWS, learned, recurring

NAN = float("nan")


def saved() -> tuple[Encoding, dict[str, Any], dict[str, NDArray[np.float64]]]:
    encoding = learned(*recurring())
    data, arrays = encoding_parts(encoding)
    return encoding, json.loads(json.dumps(data)), arrays


def test_an_encoding_comes_back_from_its_parts() -> None:
    encoding, data, arrays = saved()
    read = encoding_from_parts(data, arrays)
    assert (read.names, read.schema, read.targets) == (encoding.names, encoding.schema, encoding.targets)
    frame = read_frame(recurring(seed=1)[0])
    assert np.array_equal(read.block(frame, slice(0, ROWS)), encoding.block(frame, slice(0, ROWS)))


def test_the_command_says_that_rows_are_in_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ash.tune(*recurring(), candidates=2, progress=False).model
    model.save(tmp_path / "model.safetensors")
    assert main(["show", str(tmp_path / "model.safetensors")]) == 0
    assert model.encoding.neighbors is not None
    rows = len(model.encoding.neighbors.rows)
    assert capsys.readouterr().out.endswith(f"rows recur: {rows} distinct rows of training are in the model\n")


def test_arrays_that_are_no_neighbors() -> None:
    _, data, arrays = saved()
    few = {name: array[: NEAREST - 1] if len(array) > 3 else array for name, array in arrays.items()}
    changes: list[tuple[dict[str, Any], str]] = [
        (few, f"there are {NEAREST - 1} distinct rows"),
        ({**arrays, "statistics.0": np.zeros((9, 2))}, r"arrays \['statistics.0'\] are not those"),
    ]
    for name, array in arrays.items():
        without = {key: value for key, value in arrays.items() if key != name}
        changes.append((without, "distinct rows|is not finite"))
        changes.append(({**arrays, name: array.astype("f4")}, "is not finite float64"))
        changes.append(({**arrays, name: np.where(array == array.flat[0], NAN, array)}, "is not finite float64"))
    for name in ("neighbors.weights", "neighbors.inverse"):
        changes.append(({**arrays, name: -arrays[name]}, "negative weights or scales"))
    changes.append(({**arrays, "neighbors.rows": 9 * arrays["neighbors.rows"]}, "further out"))
    for bad, reason in changes:
        with pytest.raises(ValueError, match=reason):
            encoding_from_parts(data, bad)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"neighbors": 1}, "does not say whether rows have neighbors"),
        (
            {"neighbors": True, "columns": [{"kind": "category", "dtype": "str", "levels": ["a"], "missing": False}]},
            "text",
        ),
    ],
)
def test_a_schema_that_is_none(changes: dict[str, Any], reason: str) -> None:
    _, data, _ = saved()
    with pytest.raises(ValueError, match=reason):
        schema_from_json(data["schema"] | changes)
    assert schema_from_json({key: value for key, value in data["schema"].items() if key != "neighbors"})
    with pytest.raises(ValueError, match=r"targets do not fit|are not those"):
        encoding_from_parts(data | {"schema": data["schema"] | {"neighbors": False}}, saved()[2])

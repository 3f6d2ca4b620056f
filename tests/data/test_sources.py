"""Tests that sources are equivalent: a model makes equal predictions for equal tables of any library or file."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

import ash
from ash.cli.command import main

ROWS = 240
RANDOM = np.random.default_rng(0)
SOURCES = ("pandas", "polars", "pyarrow", "numpy", "csv", "parquet")


def gaps(values: Any, share: float = 0.1) -> list[Any]:
    """Replace a random share of the values by None, which stands for a missing cell."""
    return [None if RANDOM.random() < share else value for value in list(values)]


START = datetime.datetime(2024, 1, 1)
COLUMNS: dict[str, list[Any]] = {
    "number": gaps(RANDOM.normal(size=ROWS).tolist()),
    "whole": RANDOM.integers(-9, 9, ROWS).tolist(),
    "count": gaps(RANDOM.integers(0, 100, ROWS).tolist()),
    "flag": (RANDOM.random(ROWS) < 0.5).tolist(),
    "answer": gaps((RANDOM.random(ROWS) < 0.5).tolist()),
    "text": gaps(RANDOM.choice(["red", "blue", "1", "2.5", "true"], ROWS).tolist()),
    "city": gaps([f"city {number}" for number in RANDOM.geometric(0.04, ROWS)]),
    "price": [f"{number:,.2f} \u20ac" for number in RANDOM.normal(1e4, 3e3, ROWS)],
    "share": [f"{number:.1f}".replace(".", ",") for number in RANDOM.random(ROWS) * 100],
    "marked": ["?" if number < 10 else str(number) for number in RANDOM.integers(0, 100, ROWS)],
    "day": gaps([(START + datetime.timedelta(days=int(each))).date() for each in RANDOM.integers(0, 900, ROWS)]),
    "moment": gaps([START + datetime.timedelta(seconds=int(each)) for each in RANDOM.integers(0, 10**8, ROWS)]),
    "german": [
        f"{day:02}.{month:02}.2023"
        for day, month in zip(RANDOM.integers(1, 29, ROWS), RANDOM.integers(1, 13, ROWS), strict=True)
    ],
    "code": RANDOM.integers(1, 6, ROWS).tolist(),
}
TARGET = [
    "yes" if (a or 0) + (b or 0) / 50 + c > 1 else "no"
    for a, b, c in zip(COLUMNS["number"], COLUMNS["count"], COLUMNS["flag"], strict=True)
]
ARROW = pyarrow.table(COLUMNS)


def written(folder: Path) -> dict[str, Path]:
    """Write the table without its target to files named "new", and with its target to files named "old"."""
    for name, table in {"new": ARROW, "old": ARROW.append_column("target", pyarrow.array(TARGET))}.items():
        parquet.write_table(table, folder / f"{name}.parquet")
        polars.from_arrow(table).write_csv(folder / f"{name}.csv")  # type: ignore[union-attr]
    return {"csv": folder / "new.csv", "parquet": folder / "new.parquet"}


def table_of(source: str) -> Any:
    frame = pd.DataFrame(COLUMNS).astype({"flag": bool, "whole": "int64", "code": "int64"})
    frame["answer"] = frame["answer"].astype("boolean")
    frame["moment"] = pd.to_datetime(frame["moment"])
    if source == "pandas":
        return frame
    if source == "numpy":
        return np.array(list(zip(*COLUMNS.values(), strict=True)), object)
    return polars.DataFrame(COLUMNS) if source == "polars" else ARROW


def trained(source: str, files: dict[str, Path], folder: Path, declared: bool) -> Path:
    """Train on the table from `source` (a file format or a library), and return the path of the model."""
    path = folder / f"{source}.safetensors"
    if source in files:
        more = ["--categorical", "code"] if declared else []
        words = [str(folder / f"old.{source}"), "--candidates", "2", "--quiet", "--out", str(folder / source), *more]
        assert main(words) == 0
        return folder / source / "model.safetensors"
    categorical = [len(COLUMNS) - 1] if declared else None
    fit = ash.ASHClassifier(candidates=2, random_state=0, n_jobs=1, categorical_features=categorical)
    fit.fit(table_of(source), TARGET).save(path)
    return path


def predicted(source: str, model: Path, files: dict[str, Path], folder: Path) -> NDArray[np.float64]:
    if source not in files:
        return ash.load(model).predict_proba(table_of(source))
    assert main(["predict", str(model), str(files[source]), "--proba", "--out", str(folder / "p.parquet")]) == 0
    return pd.read_parquet(folder / "p.parquet").iloc[:, 1:].to_numpy()


@pytest.mark.filterwarnings("ignore:.*holds text that")
@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_a_model_from_one_source_predicts_the_same_from_all_sources(
    source: str, declared: bool, tmp_path: Path
) -> None:
    files = written(tmp_path)
    model = trained(source, files, tmp_path, declared)
    kinds = [column.kind for column in ash.load(model).encoding.schema.columns]
    assert kinds == ["number"] * 5 + ["category"] * 2 + ["number"] * 3 + ["date"] * 3 + [
        "category" if declared else "number"
    ]
    expected = predicted("pandas", model, files, tmp_path)
    assert len(np.unique(expected[:, 0])) > ROWS / 2
    for other in SOURCES:
        assert np.array_equal(predicted(other, model, files, tmp_path), expected), other


@pytest.mark.filterwarnings("ignore:.*holds text that")
def test_every_source_gives_the_same_model() -> None:
    """Compare only models of tables in memory. Models of files lack the rows that the command holds out."""
    models = [
        ash.ASHClassifier(candidates=2, random_state=0, n_jobs=1).fit(table_of(source), TARGET).model_
        for source in ("pandas", "polars", "pyarrow", "numpy")
    ]
    first = models[0].weighted_members()[0][0]
    for model in models[1:]:
        network = model.weighted_members()[0][0]
        assert all(np.array_equal(a, b) for a, b in zip(network.core.weights, first.core.weights, strict=True))

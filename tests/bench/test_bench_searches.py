"""The bench `searches`: what it plans, that all contenders draw from one grid, and what its tables say."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import needs
from bench import searches
from bench.figures import Table
from bench.machine import CORE
from bench.searches import measure
from bench.searches.models import MODELS, TABLES, levels, rows_for


def options(**changes: Any) -> Namespace:
    chosen = dict.fromkeys(("data", "tables", "models", "contenders"))
    return Namespace(**{"quick": False, "seeds": 1, **chosen, **changes})


def test_what_is_planned() -> None:
    cases = searches.cases(options())
    assert len(cases) == len(TABLES) * len(MODELS) * len(measure.CONTENDERS)
    assert cases[0].key == "adult, random forest, ash, seed 0" and tuple(cases[0].measures or ()) == CORE
    [own] = searches.cases(options(tables=("adult",), models=("PyTorch module",), contenders=("Optuna",)))
    assert own.measures == () and own.packages == ("optuna", "scikit-learn", "skorch", "torch")
    searches.check(options())


def test_what_is_missing_is_a_row(tmp_path: Path) -> None:
    found = searches._run(options(data=tmp_path), "adult", "random forest", "ash", 0)
    assert found["skipped"].startswith("no file adult.csv.gz") or "not installed" in found["skipped"]
    table = searches.sections({"one": found})[0]
    assert isinstance(table, Table) and table.rows[0][:3] == ["random forest, ash", "0", found["skipped"]]


@pytest.mark.parametrize("model", MODELS)
def test_a_space_is_of_its_model(model: str) -> None:
    for package in (MODELS[model].package, *(["torch"] if model == "PyTorch module" else [])):
        needs.installed(package)
    for classifies in (True, False):
        estimator = MODELS[model].make(classifies, 4, 1)
        first = {name: values[0] for name, values in levels(MODELS[model].space).items()}
        assert estimator.set_params(**first) is estimator and MODELS[model].counts in estimator.get_params()


def test_rows_as_models_take_them() -> None:
    frame = pandas.DataFrame({"number": [1.0, 2.0, 4.0], "text": ["b", "a", "b"]})
    np.testing.assert_array_equal(rows_for("codes", frame), [[1, 1], [2, 0], [4, 1]])
    assert str(rows_for("categories", frame)["text"].dtype) == "category" and rows_for("raw", frame) is frame
    assert rows_for("features", frame).shape == (3, 3)


@pytest.mark.parametrize("contender", measure.CONTENDERS)
def test_a_search_of_each(contender: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    frame = pandas.DataFrame(generator.normal(size=(700, 3)), columns=["a", "b", "c"])
    frame["target"] = frame["a"] * 2 + generator.normal(size=700)
    path = tmp_path / "california.csv.gz"
    frame.to_csv(path, index=False)
    limits: list[int] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cpus: limits.append(len(cpus)))
    found = measure.measure(str(path), "california", "random forest", contender, seed=0, candidates=3, threads=1)
    assert limits == [1] and found["epochs"] > 0 and -3 < found["test"] < 0 and -3 < found["score"] < 0


def run(contender: str, **changes: Any) -> dict[str, Any]:
    known = {"table": "adult", "model": "LightGBM", "contender": contender, "seed": 0}
    return {**known, "seconds": 10.0, "score": 0.87, "test": 0.88, "epochs": 1536, **changes}


def test_what_a_table_requires() -> None:
    runs = [run("ash"), run("a", seconds=20.0), run("b", seconds=5.0), run("c", seconds=20.0, score=0.9)]
    [table] = searches.sections({each["contender"]: each for each in runs})
    assert isinstance(table, Table)
    assert [row[-1] for row in table.rows] == ["-", "yes", "NO", "NO"]
    assert table.rows[1] == ["LightGBM, a", "0", "0.8800", "0.8700", "20.0", "2.00", "1,536", "yes"]

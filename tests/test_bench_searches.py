"""The bench of searches: what it plans, that all contenders draw from one grid, and what its tables say."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench import searches, searches_run
from bench.searches_models import MODELS, TABLES, levels, rows_for
from bench_help import options


def test_what_is_planned(tmp_path: Path) -> None:
    cases = searches.bench(replace(options(tmp_path), quick=False)).cases
    assert (
        len(cases) == len(TABLES) * len(MODELS) * len(searches_run.CONTENDERS)
        and "searches" in bench.COMMANDS["models"]
    )
    assert [case.key for case in cases[:2]] == [
        "adult, random forest, ash, seed 0",
        "adult, random forest, scikit-learn halving, seed 0",
    ]
    searches.check()


def test_what_is_missing_is_a_row(tmp_path: Path) -> None:
    case = searches._case(tmp_path / "adult.csv.gz", "adult", "random forest", "ash", 0, 4)
    found = case.run()
    assert not case.holds(found)
    assert found["skipped"].startswith("no file") or "not installed" in found["skipped"]
    [table, _] = searches.sections({"one": found})
    assert table.rows[0][:2] == ["random forest, ash", "0"] and table.rows[0][2] == found["skipped"]


def test_a_search_counts_while_what_it_depends_on_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = (
        searches._case(Path("adult.csv.gz"), "adult", "PyTorch module", contender, 0, 4)
        for contender in (searches_run.OURS, "Optuna")
    )
    of_own, of_other = (searches.depends_on("PyTorch module", each) for each in (searches_run.OURS, "Optuna"))
    assert set(of_other) == {"processor", "scikit-learn", "skorch", "torch", "optuna"} and "ash" in of_own
    assert own.holds({"of": of_own}) and other.holds({"of": of_other})
    assert not own.holds({"of": {**of_own, "ash": "abc"}}) and not other.holds({"of": {**of_other, "torch": "0"}})
    assert set(searches.depends_on("random forest", "scikit-learn halving")) == {"processor", "scikit-learn"}


@pytest.mark.parametrize("model", MODELS)
def test_a_space_is_of_its_model(model: str) -> None:
    pytest.importorskip(MODELS[model].package, reason=f"{MODELS[model].package} is not installed")
    if model == "PyTorch module":
        pytest.importorskip("torch", reason="torch is not installed")
    for classifies in (True, False):
        estimator = MODELS[model].make(classifies, 4, 1)
        first = {name: values[0] for name, values in levels(MODELS[model].space).items()}
        assert estimator.set_params(**first) is estimator and MODELS[model].counts in estimator.get_params()


def test_rows_as_models_take_them() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"number": [1.0, 2.0, 4.0], "text": ["b", "a", "b"]})
    np.testing.assert_array_equal(rows_for("codes", frame), [[1, 1], [2, 0], [4, 1]])
    assert str(rows_for("categories", frame)["text"].dtype) == "category" and rows_for("raw", frame) is frame
    assert rows_for("features", frame).shape == (3, 3)


@pytest.mark.parametrize("contender", searches_run.CONTENDERS)
def test_a_search_of_each(contender: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip(searches_run.NEEDS.get(contender, "sklearn"), reason="optuna is not installed")
    generator = np.random.default_rng(0)
    frame = pandas.DataFrame(generator.normal(size=(700, 3)), columns=["a", "b", "c"])
    frame["target"] = frame["a"] * 2 + generator.normal(size=700)
    path = tmp_path / "california.csv.gz"
    frame.to_csv(path, index=False)
    limits: list[int] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cpus: limits.append(len(cpus)))
    found = searches_run.measure(str(path), "california", "random forest", contender, seed=0, candidates=3, threads=1)
    assert (
        limits == [1]
        and found["rows"] == 525
        and found["epochs"] > 0
        and -2 < found["test"] < 0
        and -2 < found["score"] < 0
    )


def run(contender: str, **changes: Any) -> dict[str, Any]:
    known = {"table": "adult", "model": "LightGBM", "contender": contender, "seed": 0}
    return {**known, "seconds": 10.0, "score": 0.87, "test": 0.88, "epochs": 1536, "rows": 22_621, **changes}


def test_what_a_table_requires() -> None:
    runs = [run("ash"), run("a", seconds=20.0), run("b", seconds=5.0), run("c", seconds=20.0, score=0.9)]
    [table, other] = searches.sections({each["contender"]: each for each in runs})
    assert [row[-1] for row in table.rows] == ["-", "yes", "NO", "NO"] and other.rows == []
    assert table.rows[1] == ["LightGBM, a", "0", "0.8800", "0.8700", "20.0", "2.00", "1,536", "yes"]
    assert "22,621 rows to search on" in table.note

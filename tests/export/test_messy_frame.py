"""Tests one messy frame in fit, predict, save, load, the exports to ONNX and C++, and the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash
from export_help import MISSING, check_outputs, compile_header, feeds, run_program

NAMES = ["area", "area", "district", "heating", "garden", "sold", "price per room", "agent"]


def messy(rows: int, seed: int) -> tuple[Any, Any]:
    """Return a table with duplicate names, missing cells, infinities, booleans, dates, levels, and a skewed target."""
    random = np.random.default_rng(seed)
    area, rooms = random.gamma(4, 30, rows), random.integers(0, 6, rows)
    agents = np.array([f"agent {number}" for number in random.geometric(0.05, rows)], object)
    with np.errstate(divide="ignore"):
        columns = [
            area,
            np.where(random.random(rows) < 0.1, np.nan, area * random.uniform(0.5, 1.5, rows)),
            random.choice(np.array(["north", "south", None, "old town"], object), rows),
            pd.Categorical(random.choice(["gas", "oil", "heat pump"], rows)),
            random.random(rows) < 0.4,
            pd.Timestamp("2015-03-01") + pd.to_timedelta(random.integers(0, 3000, rows), unit="D"),
            np.where(random.random(rows) < 0.05, -1.0, 1.0) * 100 / rooms,
            agents,
        ]
    frame = pd.concat([pd.Series(column) for column in columns], axis=1)
    frame.columns = pd.Index(NAMES)
    noise = random.normal(scale=0.2, size=rows)
    return frame, np.exp(7 + 0.006 * area + 0.2 * columns[4] + 0.05 * rooms + noise).round(2)


@pytest.mark.filterwarnings("ignore:X has repeated column names:UserWarning")
@pytest.mark.filterwarnings("ignore:X holds infinite numbers:UserWarning")
@pytest.mark.parametrize("cv", [None, 3])
def test_a_messy_frame_passes_through_all_entry_points(cv: int | None, tmp_path: Path) -> None:
    import onnxruntime

    X, y = messy(600, seed=0)
    new, _ = messy(200, seed=1)
    assert np.isinf(X["price per room"]).any() and np.isinf(new["price per room"]).any()
    config = ash.SearchConfig(infinite="missing")
    fit = ash.ASHRegressor(candidates=8, cv=cv, random_state=0, config=config).fit(X, y)
    model, predictions = fit.model_, fit.predict(new)
    assert np.isfinite(predictions).all()

    fit.save(tmp_path / "model.safetensors")
    assert np.array_equal(ash.load(tmp_path / "model.safetensors").predict(new), predictions)

    model.to_onnx(tmp_path / "model.onnx", missing=MISSING)
    outputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, feeds(model, new))
    check_outputs(model, outputs[0], new)

    model.to_cpp(tmp_path / "model.hpp")
    printed = np.array(run_program(compile_header(tmp_path, "g++", "-O1"), new))
    check_outputs(model, printed[:, :-1], new)

    page = fit.result_.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Permutation importance of columns" in page
    assert all(f'<th scope="row">{name}</th>' in page for name in ("area", "area.1", *NAMES[2:]))

"""The bench of forecasts: halving as it is played on learning curves, and what its table says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import forecasts
from bench.forecasts_run import curve_of, drawn, halved, played
from bench_help import options

KEYS = np.array([[0.1, 0.9, 0.5], [0.2, 0.1, 0.9], [0.3, 0.2, 0.1], [0.4, 0.3, 0.2]] * 4)
KEYS[:, 0] += np.arange(16) / 1000


def test_what_is_planned(tmp_path: Path) -> None:
    cases = forecasts.bench(replace(options(tmp_path), quick=False)).cases
    assert len(cases) == len(forecasts.TABLES) * len(forecasts.FAMILIES) and bench.COMMANDS["forecasts"] == (
        "forecasts",
    )
    forecasts.check()


def test_halving_keeps_the_best_quarter_of_each_rung() -> None:
    top = halved(KEYS, np.arange(16))
    best = [place for place in np.argsort(-KEYS[:, 0])[:4]]
    assert top.tolist() == [best[int(np.argmax(KEYS[best, 1]))]]
    assert halved(KEYS, np.arange(3)).tolist() == [2], "one is always left"


def test_regret_is_what_the_best_of_a_draw_would_have_had_more() -> None:
    top = KEYS[:, 2]
    found, regret = played(
        top, {"top": np.stack([top, top, top], axis=1), "worst": np.stack([-top, -top, top], axis=1)}
    )
    assert regret["top"] == 0 and found == pytest.approx(0.9, abs=0.05)
    assert regret["worst"] == pytest.approx(100 * (found - 0.1) / found, rel=0.1)


def test_a_curve_has_a_score_for_each_rung() -> None:
    from ash.function.answers import Scored

    class Trainer:
        rungs = type("Rungs", (), {"max_rungs": 3, "min_epochs": 4})
        eta = 4

        def __call__(self, params: object, epochs: int, state: int | None) -> Scored:
            done = epochs + (state or 0)
            return Scored(done / 100, done, None, None if done == 84 else 0.5)

    assert curve_of(Trainer(), {}) == ([0.04, 0.2, 0.84], [0.5, 0.5, 0.84])
    assert drawn("LightGBM", 5) == drawn("LightGBM", 9)[:5]


def test_what_is_missing_is_a_row(tmp_path: Path) -> None:
    case = forecasts.bench(replace(options(tmp_path), data=tmp_path)).cases[0]
    found = case.run()
    [table] = forecasts.sections({"one": found, "two": {**RUN, "table": "wine", "model": "LightGBM"}})
    assert "no file" in table.rows[0][1] or "not installed" in table.rows[0][1]
    assert table.rows[1] == ["wine, LightGBM", "0.9000", "1.500", "0.250", "0.10", "0.60", "0.70", "0.95"]
    assert "1.500 % by score, 0.250 % by forecast" in table.note


RUN = {
    "best": 0.9,
    "regret": {"score": 1.5, "forecast": 0.25},
    "ranks": [{"score": 0.1, "forecast": 0.6}, {"score": 0.7, "forecast": 0.95}],
    "seconds": 1.0,
}

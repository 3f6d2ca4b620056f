"""The bench of selections: what is averaged, by plain arithmetic, and its tables."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
from ash.calibration import sharpen
from bench import ablation
from bench.ablation_selection import (
    BEST,
    CAUTIOUS,
    GREEDY,
    RAW,
    TABLES,
    is_beyond_noise,
    losses,
    measure,
    selection_sections,
    selections,
)
from bench.quality_data import split
from bench.quality_run import log_loss
from bench.suite import Options


def test_a_search_is_planned_on_every_table() -> None:
    planned = list(selections(quick=False))
    assert [search.key for search in planned] == [f"selection, {table}" for table in TABLES]
    assert {search.seeds for search in planned} == {4} and {s.seeds for s in selections(quick=False, seeds=2)} == {2}
    [quick] = selections(quick=True)
    assert quick.seeds == 1 and quick.candidates < planned[0].candidates


def test_a_case_is_measured_in_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "call", lambda module, _, given, __: {"module": module, "given": given})
    options = Options(quick=False, results=Path())
    case = next(case for case in ablation.bench(options).cases if case.key == "selection, digits")
    value = case.run()
    assert value["module"] == "bench.ablation_selection" and case.holds(value)
    assert not case.holds({**value, "kinds": "none"})
    search = next(search for search in selections(quick=False) if search.table == "digits")
    assert value["given"] == {**{k: v for k, v in asdict(search).items() if k != "part"}, "folder": None}


def test_each_kind_of_a_search_of_classes() -> None:
    data = split("digits", None, 0, categories=False)
    told: dict[str, Any] = {"candidates": 8, "min_epochs": 2, "max_rungs": 2, "n_jobs": 1, "random_state": 0}
    fitted = ash.ASHClassifier(refit=False, **told).fit(data.x, data.y)
    kept = fitted.result_.kept
    assert kept is not None
    found = losses(kept, data, 16)
    assert set(found) == {BEST, CAUTIOUS, RAW, GREEDY}
    own = fitted.predict_proba(data.x_test)
    assert found[GREEDY]["log_loss"] == pytest.approx(log_loss(own, data.y_test, 10), rel=1e-5)
    assert found[GREEDY]["error"] == np.mean(own.argmax(axis=1) != data.y_test)
    alone = kept.networks[0].predict_proba(data.x_test)
    assert found[BEST]["log_loss"] == pytest.approx(log_loss(alone, data.y_test, 10), rel=1e-5)
    rows, size = np.asarray(data.x_test, np.float64), len(kept.networks)
    trained = [
        sharpen(network.core, 1 / factor).predict(rows, 1)
        for network, factor in zip(kept.networks, kept.factors, strict=True)
    ]
    every = [log_loss(np.mean(trained[:n], axis=0, dtype=np.float64), data.y_test, 10) for n in range(1, size + 1)]
    assert min(every) * 0.8 < found[RAW]["log_loss"] < max(every), "an average of those as trained"
    assert found[GREEDY]["log_loss"] < found[RAW]["log_loss"], "smoothed labels"


def test_of_numbers_nothing_is_calibrated() -> None:
    value = measure("diabetes", 1, 8, 2, 2, 16, None)
    [search] = value["searches"]
    assert set(search["losses"]) == {BEST, CAUTIOUS, RAW} and search["test_rows"] == 111
    assert all(set(found) == {"error"} and found["error"] > 0 for found in search["losses"].values())


def case(table: str, *pairs: tuple[float, float], classes: bool = True) -> dict[str, Any]:
    """A case whose seeds have these errors as trained and by what ash does."""
    searches = []
    for seed, (raw, own) in enumerate(pairs):
        both = {RAW: raw, CAUTIOUS: own, BEST: raw, **({GREEDY: own} if classes else {})}
        told = {kind: {"error": e, **({"log_loss": 2 * e} if classes else {})} for kind, e in both.items()}
        searches.append({"seed": seed, "test_rows": 10**9, "losses": told})
    return {"part": "selection", "table": table, "of": "abc", "searches": searches}


def test_the_tables_show_ratios() -> None:
    errors, logs = selection_sections(
        [case("digits", (0.2, 0.1), (0.4, 0.2)), case("diabetes", (50.0, 50.0), (60.0, 60.0), classes=False)]
    )
    assert errors.header == ["selection", "digits", "diabetes", "all"] and logs.header == ["selection", "digits", "all"]
    own = errors.rows[1]
    assert own[0].startswith("the same") and own[1].startswith("0.500") and own[2].startswith("1.000")
    assert own[3].startswith(f"{math.sqrt(0.5):.3f}") and errors.rows[0][2] == "-"
    assert logs.rows[1][1].startswith("0.500") and "abc" in errors.note and "digits 2" in errors.note
    assert selection_sections([{"part": "selection", "table": "digits", "skipped": "no file"}]) == []


def test_noise() -> None:
    """One standard error: of n gains their deviation (n - 1) over the root of n."""
    gains = np.array([1.0, -0.5, 0.7, 0.2, -0.1])
    shift = gains.mean() - gains.std(ddof=1) / math.sqrt(5)  # then the mean is one error exactly
    assert not is_beyond_noise(gains - shift - 1e-9) and is_beyond_noise(gains - shift + 1e-9)

"""Variants of the bench `ablation` that read a table in another way: without levels of numbers, without neighbors."""

from __future__ import annotations

import numpy as np
import pytest

from bench import ablation_run
from bench.ablation_run import measure
from bench.ablation_variants import RECIPE
from bench.quality_data import Split


def test_numbers_are_bare_where_they_have_levels_and_only_in_that_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).normal(size=(400, 2)), np.arange(400) % 2
    x[:, 1] = np.where(np.arange(400) % 5 == 0, (np.arange(400) % 200) ** 2, 0)
    lumpy, plain = Split(x, y, x[:40], y[:40], 2), Split(x[:, :1], y, x[:40, :1], y[:40], 2)
    features = {}
    for variant in (RECIPE, "number-levels", RECIPE):
        seen: list[int] = []
        monkeypatch.setattr(
            ablation_run, "scores", lambda model, data, seen=seen: seen.append(model.encoding.features) or {}
        )
        monkeypatch.setattr(ablation_run, "split", lambda *_, **__: lumpy)
        assert len(measure("wine", variant, None, seeds=1, epochs=1)["fits"]) == 1
        features[variant] = seen
    assert features == {RECIPE: [4], "number-levels": [2]}
    monkeypatch.setattr(ablation_run, "split", lambda *_, **__: plain)
    assert measure("wine", "number-levels", None, seeds=1, epochs=1)["fits"] == []


def test_a_table_whose_rows_recur_is_read_without_neighbors_in_that_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).normal(size=(400, 2)), np.random.default_rng(1).normal(size=400)
    x[320:], y[320:] = x[:80], y[:80]
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(ablation_run, "scores", lambda model, data: seen.append(model.encoding.names) or {})
    monkeypatch.setattr(ablation_run, "split", lambda *_, **__: Split(x, y, x[:40], y[:40], 0))
    for variant in (RECIPE, "neighbors"):
        assert len(measure("diabetes", variant, None, seeds=1, epochs=1)["fits"]) == 1
    assert seen == [("x0", "x1", "neighbors: target mean", "neighbors: closeness"), ("x0", "x1")]
    monkeypatch.undo()
    for variant in ("neighbors", "neighbors-brief", "brief"):
        assert measure("diabetes", variant, None, seeds=1, epochs=1)["fits"] == []


def test_a_variant_may_have_epochs_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).normal(size=(400, 2)), np.random.default_rng(1).normal(size=400)
    x[320:], y[320:] = x[:80], y[:80]
    monkeypatch.setattr(ablation_run, "split", lambda *_, **__: Split(x, y, x[:40], y[:40], 0))
    found = {
        name: measure("diabetes", name, None, seeds=1, epochs=None) for name in (RECIPE, "neighbors-brief", "brief")
    }
    assert {name: each["epochs"] for name, each in found.items()} == {RECIPE: 64, "neighbors-brief": 8, "brief": 8}
    work = {name: each["fits"][0][0]["work"] for name, each in found.items()}
    assert work["brief"] < work["neighbors-brief"] < work[RECIPE] / 7

"""The bench of ladders: rungs and candidates at equal epochs, what is measured, and its tables."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from bench.ablation_rungs import FULL, QUICK, ladder_of, measure, rung_sections, rungs_of, settings
from bench.sections import Table


@pytest.mark.parametrize(
    ("candidates", "eta", "first", "rungs"),
    [(64, 2, 1, 6), (64, 2, 4, 5), (64, 2, 16, 3), (64, 3, 1, 3), (64, 4, 16, 2), (128, 2, 1, 7), (1, 2, 1, 1)],
)
def test_rungs_end_with_eta_places_or_with_the_longest(candidates: int, eta: int, first: int, rungs: int) -> None:
    assert rungs_of(candidates, eta, first, longest=64) == rungs


def test_searches_have_equal_epochs_in_all() -> None:
    for setting in settings(FULL):
        count, rungs = ladder_of(setting.eta, setting.first, FULL.longest, FULL.epochs)
        assert rungs <= rungs_of(count, setting.eta, setting.first, FULL.longest)
        assert rungs >= 2 and FULL.epochs - rungs * setting.first < count * rungs * setting.first <= FULL.epochs
    assert ladder_of(2, 4, FULL.longest, FULL.epochs) == (64, 5)
    assert ladder_of(2, 1, 4, epochs=18) == (9, 2), "on 3 rungs there were 6, too few to fill them"
    assert ladder_of(2, 16, 64, epochs=8) == (1, 1), "one at least"


def test_settings_are_all_of_each_table() -> None:
    keys = [setting.key for setting in settings(FULL)]
    assert len(set(keys)) == len(keys) == 2 * 9 and len(list(settings(QUICK))) == 4


def test_a_ladder_is_measured_over_all_candidates() -> None:
    scope = replace(QUICK, tables=("wine",), candidates=6, longest=4, epochs=18)
    found = measure("wine", 2, 1, None, asdict(scope))
    assert [epochs for epochs, _ in found["correlations"]] == [1, 2] and found["correlations"][-1][1] is None
    assert -1 <= found["correlations"][0][1] <= 1, "of six, none of which was left behind"
    [search] = found["searches"]
    assert search["rungs"] == [1, 2] and search["candidates"] == 9 and search["classes"] == 3
    assert search["epochs"] <= 18 and 0 <= search["ensemble"] <= 1


def ladder(eta: int, first: int, *ensembles: float, **changes: Any) -> dict[str, Any]:
    searches = [
        {"seed": seed, "candidates": 64, "epochs": 1280, "rungs": [first, first * eta], "model": 0.5, "ensemble": error}
        | {"test_rows": 100, "classes": 0}
        for seed, error in enumerate(ensembles)
    ]
    whose = {"part": "rungs", "table": "diabetes", "eta": eta, "first": first, "of": "abc"}
    return {**whose, "correlations": [[first, 0.5], [first * eta, None]], "searches": searches, **changes}


def test_ladders_are_compared_with_the_usual_one() -> None:
    cases = [ladder(2, 1, 0.4, 0.1), ladder(3, 4, 0.2, 0.2, correlations=[[4, None], [12, 0.25], [36, None]])]
    correlations, errors = rung_sections(cases)
    assert isinstance(correlations, Table) and isinstance(errors, Table)
    assert list(correlations.rows[0]) == ["diabetes, eta 2, 1", "1: 0.50", "2: last", ""]
    assert list(correlations.rows[1]) == ["diabetes, eta 3, 4", "4: -", "12: 0.25", "36: last"]
    usual, other = (dict(zip(errors.header, cells, strict=True)) for cells in errors.rows)
    assert (usual["by eta 2, 1"], other["by eta 2, 1"]) == ("1.000", "1.000") and other["last rung"] == "12"
    assert usual["ensemble"] == "0.1 / 0.25 / 0.4"


def test_without_the_usual_ladder_there_is_no_ratio_and_of_nothing_no_table() -> None:
    [_, errors] = rung_sections([ladder(3, 4, 0.2)])
    assert isinstance(errors, Table) and errors.rows[0][-1] == "-"
    assert rung_sections([{"part": "rungs", "table": "optdigits", "skipped": "no file"}]) == []

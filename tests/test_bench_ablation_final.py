"""The bench of the refit on all rows: what it plans and keeps, what a search ends in, and its tables."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
from ash import final
from bench import ablation
from bench.ablation_final import (
    ENSEMBLE,
    KINDS,
    NETWORK,
    NONE,
    OWN,
    SCRATCH,
    TABLES,
    WHOLE,
    final_sections,
    loss,
    measure,
    searches,
)
from bench.quality_data import Split, split
from bench.sections import Table
from bench.suite import Case, Options

# What is planned


def test_a_search_is_planned_on_every_table() -> None:
    planned = list(searches(quick=False))
    assert [search.table for search in planned] == list(TABLES) and {search.seeds for search in planned} == {4}
    assert {search.seeds for search in searches(quick=False, seeds=2)} == {2}
    assert {search.seeds for search in searches(quick=False, seeds=9)} == {4}, "there are no more"
    [quick] = searches(quick=True)
    assert quick.seeds == 1 and quick.candidates < planned[0].candidates


def case_of(key: str, **changes: Any) -> Case:
    options = Options(**{"quick": False, "results": Path(), **changes})
    return next(case for case in ablation.bench(options).cases if case.key == key)


def test_a_case_counts_for_the_same_code_search_and_as_many_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "package_commit", lambda: "new")
    monkeypatch.setattr(ablation, "call", lambda *_: {"share": 0.5, "rate": 0.3, "searches": []})
    whole, first = case_of("final, diabetes"), case_of("final, diabetes", seeds=1)
    value, fewer = whole.run(), first.run()
    assert (value["part"], value["seeds"], fewer["seeds"]) == ("final", 4, 1)
    assert whole.holds(value) and first.holds(value) and first.holds(fewer) and not whole.holds(fewer)
    for other in ({"of": "old"}, {"candidates": 8}, {"kinds": "none"}, {"skipped": "no file"}):
        assert not whole.holds({**value, **other})


def test_a_case_is_a_process_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(module: str, function: str, given: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        assert (module, function, environment["OMP_NUM_THREADS"]) == ("bench.ablation_final", "measure", "1")
        return {"given": given}

    monkeypatch.setattr(ablation, "call", answers)
    [search] = (each for each in searches(quick=False) if each.table == "digits")
    assert case_of("final, digits").run()["given"] == {
        **{k: v for k, v in asdict(search).items() if k != "part"},
        "folder": None,
    }


def test_a_table_that_is_not_there_is_skipped_in_words(tmp_path: Path) -> None:
    found = case_of("final, optdigits", data=tmp_path)
    value = found.run()
    assert value["skipped"].startswith(("no file ", "pandas is not")) and not found.holds(value)


# What is measured


class Guess:
    """Predicts the same whatever it is given."""

    def __init__(self, answer: list[Any]) -> None:
        self.answer = np.array(answer)

    def predict(self, _: Any) -> Any:
        """Return numbers."""
        return self.answer

    def predict_proba(self, _: Any) -> Any:
        """Return probabilities."""
        return self.answer


def test_the_loss_is_the_score_of_brier_or_the_root_of_the_mean_square() -> None:
    x = np.zeros((2, 1))
    classes, numbers = Split(x, x, x, np.array([0, 1]), 2), Split(x, x, x, np.array([1.0, 2.0]), 0)
    assert loss(Guess([[1.0, 0.0], [0.5, 0.5]]), classes) == pytest.approx((0 + 0.5) / 2)
    assert loss(Guess([4.0, -2.0]), numbers) == pytest.approx(math.sqrt((9 + 16) / 2))


@pytest.mark.parametrize("table", ["diabetes", "wine"])
def test_a_search_ends_in_every_kind_of_refit(table: str) -> None:
    constants = final.SHARE, final.RATE
    found = measure(table, seeds=1, candidates=8, first=2, rungs=2, draws=16, folder=None)
    assert (found["share"], found["rate"]) == constants == (final.SHARE, final.RATE), "as they were"
    [search] = found["searches"]
    assert search["seed"] == 0 and 1 < search["members"] <= 8
    losses = search["losses"]
    assert list(losses) == [NONE, *KINDS] and all(math.isfinite(each[ENSEMBLE]) for each in losses.values())
    assert len({each[NETWORK] for each in losses.values()}) == len(losses), "each is another network"


def test_none_and_the_own_are_what_an_estimator_returns() -> None:
    told = {"candidates": 6, "min_epochs": 2, "max_rungs": 2, "n_jobs": 1, "random_state": 0}
    data = split("diabetes", None, 0, categories=False)
    [search] = measure("diabetes", seeds=1, candidates=6, first=2, rungs=2, draws=16, folder=None)["searches"]
    for kind, refit in ((NONE, False), (OWN, True)):
        model = ash.ASHRegressor(**told, ensemble=1, refit=refit).fit(data.x, data.y).model_
        assert loss(model, data) == search["losses"][kind][NETWORK]


def test_the_whole_cycle_is_the_own_refit_with_other_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {"seeds": 1, "candidates": 4, "first": 2, "rungs": 1, "draws": 1, "folder": None}
    [before] = measure("wine", **told)["searches"]
    monkeypatch.setattr(final, "SHARE", 1.0)
    monkeypatch.setattr(final, "RATE", 1.0)
    [after] = measure("wine", **told)["searches"]
    assert before["losses"][OWN] != before["losses"][WHOLE] == after["losses"][WHOLE] == after["losses"][OWN]
    assert before["losses"][SCRATCH] == after["losses"][SCRATCH]
    assert before["losses"][NONE][NETWORK] == pytest.approx(before["losses"][NONE][ENSEMBLE]), "of one draw"


# What is made of it


def case(table: str, *own: tuple[float, float], **changes: Any) -> dict[str, Any]:
    """Return a case whose refit has these losses of network and ensemble, a pair a seed; without it 1 and 2."""
    found = [
        {
            "seed": seed,
            "members": 3 + seed,
            "losses": {NONE: {NETWORK: 1.0, ENSEMBLE: 2.0}, OWN: {NETWORK: a, ENSEMBLE: b}},
        }
        for seed, (a, b) in enumerate(own)
    ]
    return {"part": "final", "table": table, "of": "abc", "share": 0.5, "rate": 0.3, "searches": found, **changes}


def test_losses_are_shown_by_those_without_a_refit() -> None:
    skipped = {"part": "final", "table": "optdigits", "skipped": "no file"}
    networks, ensembles = final_sections([case("digits", (0.5, 2.0), (0.5, 2.0)), case("wine", (2.0, 8.0)), skipped])
    assert isinstance(networks, Table) and isinstance(ensembles, Table)
    assert list(networks.header) == ["refit", "digits", "wine", "all"]
    own, whole, _ = networks.rows
    assert list(own) == [KINDS[OWN], "0.500 (0.500 to 0.500)", "2.000", "1.000"], "all: of the seeds that all have"
    assert list(whole) == [KINDS[WHOLE], "-", "-", "-"], "not measured"
    assert ensembles.rows[0][2:] == ["4.000", "2.000"] and ensembles.title.endswith("ensemble")
    for words in ("0.5 of a cycle at 0.3 of the rate", "drawn: 3 to 4.", "digits 2, wine 1."):
        assert words in networks.note


def test_an_interval_is_over_the_seeds() -> None:
    [networks, _] = final_sections([case("digits", (0.5, 1.0), (0.8, 1.0))])
    assert isinstance(networks, Table)
    half = 12.7062047 * math.log(0.8 / 0.5) / 2  # t of one degree of freedom by the standard error of two
    low, mean, high = (math.sqrt(0.4) * math.exp(sign * half) for sign in (-1, 0, 1))
    assert networks.rows[0][1] == f"{mean:.3f} ({low:.3f} to {high:.3f})" == networks.rows[0][-1]


def test_of_nothing_there_is_no_table() -> None:
    assert final_sections([{"part": "final", "table": "digits", "skipped": "no file"}]) == [] == final_sections([])

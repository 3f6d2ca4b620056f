"""The bench of models: what it plans, what it keeps, and what its tables make of known errors."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import quality
from bench.quality_contenders import CONTENDERS, OURS, TUNED
from bench.quality_curves import curve_sections
from bench.quality_data import LARGER, SMALL, TABLES, Source, split
from bench.quality_figures import curves, duel, fits_of, mean_ranks, ranked
from bench.quality_fits import Task
from bench.quality_optuna import stopping_at, tuned
from bench.quality_pytabkit import epochs_within
from bench.quality_reference import COLUMNS, REFERENCE
from bench.quality_run import LEAST_PROBABILITY, log_loss, measure, root_mean_square
from bench.quality_sections import sections
from bench.sections import Plot, Section, Table
from bench.suite import Options


def options(**changes: Any) -> Options:
    return Options(**{"quick": False, "results": Path(), **changes})


def run(table: str, contender: str, seed: int, error: float, **changes: Any) -> dict[str, Any]:
    """Return a fit as the bench keeps it."""
    whose = {"part": "fits", "contender": contender, "table": table, "seed": seed, "limit": 60.0}
    found = {"of": {"ash": "abc"}, "error": error, "seconds": 50.0, "utilization": 0.97, "rows": 75, "test_rows": 25}
    return {**whose, **found, **({"log_loss": 0.5} if TABLES[table].classes else {}), **changes}


def named(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(number): each for number, each in enumerate(runs)}


def table(shown: list[Section], begins: str) -> Table:
    return next(each for each in shown if isinstance(each, Table) and each.title.startswith(begins))


def row(found: Table, name: str) -> dict[str, str]:
    return next(dict(zip(found.header, cells, strict=True)) for cells in found.rows if cells[0] == name)


# What is planned


def test_every_contender_fits_every_table_and_curves_share_the_usual_limit() -> None:
    planned = list(quality.fits(quick=False))
    assert len({fit.key for fit in planned}) == len(planned), "a case is planned once"
    usual = [fit for fit in planned if fit.part == "fits"]
    assert len(usual) == len(TABLES) * len(CONTENDERS) * 5 and {fit.limit for fit in usual} == {60.0}
    curved = [fit for fit in planned if fit.part == "curves"]
    assert {fit.table for fit in curved} == set(LARGER) and {fit.limit for fit in curved} == {5.0, 15.0, 240.0}
    assert planned.index(curved[0]) == len(usual), "the curves come last"


def test_a_quick_run_has_small_tables_and_short_limits() -> None:
    planned = list(quality.fits(quick=True))
    assert {fit.table for fit in planned} == set(SMALL) and max(fit.limit for fit in planned) == 5.0
    assert {fit.seed for fit in planned} == {0} and all(TABLES[fit.table].file is None for fit in planned)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"tables": ("letter",), "contenders": (OURS,)}, 5 + 3 * 3),
        ({"tables": ("wine", "adult"), "contenders": ("flaml",), "seeds": 2}, 2 * 2),
        ({"contenders": (TUNED,), "seeds": 1}, len(TABLES) + 3 * len(LARGER)),
    ],
)
def test_what_is_chosen_is_a_part_of_the_same_cases(changes: dict[str, Any], count: int) -> None:
    whole, part = quality.bench(options()), quality.bench(options(**changes))
    assert [case.key for case in whole.cases] == [case.key for case in part.cases]
    chosen = [case.key for case in part.cases if part.chosen(case.key)]
    assert len(chosen) == count and all(whole.chosen(key) for key in chosen)


def test_a_fit_counts_while_what_it_depends_on_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "package_commit", lambda: "new")
    [ours, theirs] = [
        next(case for case in quality.bench(options()).cases if f", {CONTENDERS[each].name}" in case.key)
        for each in (OURS, "mlp")
    ]
    value = run("optdigits", OURS, 0, 0.1)
    assert ours.holds({**value, "of": {"ash": "new"}}) and not ours.holds({**value, "of": {"ash": "old"}})
    assert theirs.holds({**value, "of": quality.versions("mlp")})
    assert not theirs.holds({**value, "of": quality.versions("mlp"), "skipped": "pandas is not installed"})


def test_what_is_not_there_is_skipped_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.quality_contenders.find_spec", lambda name: None)
    cases = {case.key: case for case in quality.bench(options(data=tmp_path)).cases}
    assert cases["wine, FLAML, 60 s, seed 0"].run()["skipped"] == "flaml is not installed"
    assert cases["letter, scikit-learn MLP, seed 0"].run()["skipped"].startswith(("no file ", "pandas is not"))


def test_a_peer_may_fail_and_ours_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(module: str, function: str, given: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        assert (module, function, given["limit"]) == ("bench.quality_run", "measure", 60.0) and "part" not in given
        raise SystemExit("ValueError: out of luck")

    monkeypatch.setattr(quality, "call", fails)
    cases = {case.key: case for case in quality.bench(options()).cases}
    assert cases["wine, scikit-learn MLP, seed 0"].run()["failed"] == "ValueError: out of luck"
    with pytest.raises(SystemExit, match="out of luck"):
        cases["wine, ash, 60 s, seed 0"].run()


# What is measured


def test_a_fit_is_measured_on_rows_held_out() -> None:
    found = measure("mlp", "wine", None, seed=0, limit=1.0, threads=1)
    assert (found["rows"], found["test_rows"]) == (133, 45)
    assert found["error"] <= 0.1 and 0 < found["log_loss"] < 0.5 and found["seconds"] > 0 and found["utilization"] > 0


def test_ours_of_a_number_is_measured_in_the_units_of_the_target() -> None:
    found = measure("ash", "diabetes", None, seed=0, limit=2.0, threads=1)
    assert 40 < found["error"] < 70 and "log_loss" not in found


def test_a_split_is_by_seed_and_by_class() -> None:
    first, again, other = (split("wine", None, seed, categories=False) for seed in (0, 0, 1))
    assert np.array_equal(first.x, again.x) and not np.array_equal(first.x, other.x)
    assert first.classes == 3 and abs(np.bincount(first.y) / len(first.y) - np.bincount(other.y) / 133).max() < 1e-12
    assert split("diabetes", None, 0, categories=False).classes == 0


@pytest.mark.parametrize("categories", [False, True])
def test_text_stays_text_or_becomes_categories(
    categories: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    lines = [f"{number % 7},{'red' if number % 3 else 'blue'},{'yes' if number % 2 else 'no'}" for number in range(40)]
    (tmp_path / "colours.csv").write_text("\n".join(["size,colour,target", *lines]))
    monkeypatch.setitem(TABLES, "colours", Source(True, "colours.csv"))
    rows = split("colours", tmp_path, 0, categories)
    assert (len(rows.y), len(rows.y_test), rows.classes) == (30, 10, 2) and set(rows.y) == {0, 1}
    assert (str(rows.x["colour"].dtype) == "category") is categories and str(rows.x["size"].dtype) == "int64"


def test_the_log_loss_is_that_of_rows_that_sum_to_one() -> None:
    halves = np.array([[0.25, 0.25], [0.2, 0.6]], dtype=np.float32)
    assert log_loss(halves, np.array([0, 1]), 2) == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 2)
    certain = np.array([[1.0, 0.0]])
    assert log_loss(certain, np.array([1]), 2) == pytest.approx(-math.log(LEAST_PROBABILITY))
    for wrong in (np.array([[1.0]]), np.array([[math.nan, 1.0]])):
        with pytest.raises(SystemExit, match="no table of finite probabilities of 2 classes"):
            log_loss(wrong, np.array([0]), 2)


def test_what_is_not_finite_has_no_error() -> None:
    assert root_mean_square(np.array([3.0, -4.0])) == pytest.approx(math.sqrt(12.5))
    with pytest.raises(SystemExit, match="not finite"):
        root_mean_square(np.array([1.0, math.inf]))


def test_epochs_fit_into_the_limit() -> None:
    assert epochs_within(limit=100.0, seconds=0.5, rows=4_000) == 50
    assert epochs_within(limit=100.0, seconds=0.5, rows=133) == 200, "few rows have epochs of no less overhead"
    assert epochs_within(limit=1.0, seconds=2.0, rows=1_000) == 1


def test_a_trial_stops_at_the_limit_with_the_trees_it_has() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    callback = stopping_at(time.perf_counter())
    with pytest.raises(lightgbm.EarlyStopException) as stopped:
        callback(SimpleNamespace(iteration=7, evaluation_result_list=[("held", "l2", 0.5, False)]))
    assert stopped.value.best_iteration == 7
    stopping_at(math.inf)(None)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # its successor is not in lightgbm 4.0
@pytest.mark.parametrize("classes", [False, True])
def test_tuned_trees_are_fitted_on_all_rows(classes: bool) -> None:
    pytest.importorskip("lightgbm")
    pytest.importorskip("optuna")
    rows = split("breast_cancer" if classes else "diabetes", None, 0, categories=False)
    model = tuned(Task(classes, seed=0, limit=0.5, threads=1), rows.x, rows.y)
    assert model.booster_.num_trees() >= 1 and len(model.predict(rows.x_test)) == len(rows.y_test)


# What the tables make of it


def test_contenders_are_compared_over_the_seeds_that_both_have() -> None:
    runs = [run("letter", OURS, seed, error) for seed, error in enumerate((0.02, 0.04, 0.09))]
    runs += [run("letter", TUNED, seed, error, seconds=70.0) for seed, error in enumerate((0.03, 0.05))]
    runs += [run("wine", each, 0, 0.0) for each in (OURS, TUNED)] + [run("digits", OURS, 0, 0.01)]
    runs += [run("letter", OURS, 0, 0.5, part="curves", limit=5.0)]
    found = duel(fits_of(runs), OURS, TUNED)
    assert found.errors == {"letter": (0.03, 0.04), "wine": (0.0, 0.0)}, "0.09 has no partner, digits none at all"
    assert (found.better, found.equal, found.worse, found.no_slower) == (1, 1, 0, 2)
    assert found.ratio == pytest.approx(0.75) and found.among(["wine"]).better == 0


def test_ranks_are_shared_by_equals_and_taken_where_all_have_fitted() -> None:
    assert ranked([0.3, 0.1, 0.2, 0.1]) == [4, 1.5, 3, 1.5]
    runs = [run("wine", OURS, 0, 0.1), run("wine", "mlp", 0, 0.2), run("digits", OURS, 0, 0.3)]
    assert mean_ranks(fits_of(runs), [OURS, "mlp"]) == ({OURS: 1.0, "mlp": 2.0}, 1)
    assert mean_ranks(fits_of(runs[:1]), [OURS, "mlp"]) == ({}, 0)


def five_tables(ours: float, tuned: list[float]) -> list[dict[str, Any]]:
    runs = [run(name, OURS, 0, ours) for name in LARGER]
    return runs + [run(name, TUNED, 0, error) for name, error in zip(LARGER, tuned, strict=True)]


@pytest.mark.parametrize(("wins", "held"), [(3, "yes"), (2, "NO")])
def test_three_of_five_are_required_against_the_tuned_trees(wins: int, held: str) -> None:
    runs = five_tables(0.2, [0.3] * wins + [0.1] * (5 - wins))
    found = row(table(sections(named(runs)), "Wins and losses"), "LightGBM, tuned")
    assert found["required"] == f">= 3 of the 5 larger: {held}"
    counts = {"tables": "5", "better": str(wins), "worse": str(5 - wins), "no slower": "5 of 5"}
    assert counts.items() <= found.items()
    assert found["mean rank"] == f"{1 + wins / 5:.2f}"


def test_a_network_that_errs_less_or_ends_sooner_breaks_the_promise() -> None:
    ours, theirs = run("wine", OURS, 0, 0.1), run("wine", "realmlp", 0, 0.2, seconds=40.0)
    found = row(table(sections(named([ours, theirs])), "Wins and losses"), "RealMLP-TD-S")
    assert found["required"] == "better on all, no slower: NO" and found["no slower"] == "0 of 1"
    slower = {**theirs, "seconds": 60.0}
    found = row(table(sections(named([ours, slower])), "Wins and losses"), "RealMLP-TD-S")
    assert found["required"] == "better on all, no slower: yes" and found["by theirs"] == "0.500"
    found = row(table(sections(named([ours, run("wine", "mlp", 0, 0.1)])), "Wins and losses"), "scikit-learn MLP")
    assert found["required"] == "never worse: yes" and found["equal"] == "1"


def test_errors_stand_beside_the_reference() -> None:
    runs = [run("letter", OURS, seed, error) for seed, error in enumerate((0.05, 0.03, 0.02))]
    runs += [run("california", OURS, 0, 0.51234)]
    found = table(sections(named(runs)), "Error on the rows held out")
    letter, california = row(found, "letter"), row(found, "california, RMSE")
    assert (letter["ash"], letter["FLAML"], letter["reference: RealMLP-TD-S"]) == ("0.0300", "-", ".0196")
    assert (california["ash"], california["reference: LightGBM, tuned"]) == ("0.5123", ".422")
    assert found.note.endswith("Seeds: 1-3. ash: commit abc.")
    assert row(table(sections(named(runs)), "Seconds"), "letter")["reference: RealMLP-TD-S"] == "71"
    assert [cells[0] for cells in table(sections(named(runs)), "Log loss").rows] == ["letter"]


def test_what_was_skipped_or_failed_is_said() -> None:
    runs = [run("wine", OURS, 0, 0.1), run("wine", "mlp", 0, 0.2), run("digits", "mlp", 0, 0.2)]
    runs[2]["failed"] = "ValueError"
    missing = run("letter", OURS, 0, 0.1, skipped="no file letter.csv.gz")
    for each in (runs[2], missing):
        del each["error"]
    absent = {**missing, "contender": "flaml", "table": "wine", "skipped": "flaml is not installed"}
    shown = sections(named([*runs, missing, absent]))
    wins = table(shown, "Wins and losses")
    assert row(wins, "FLAML")["tables"] == "skipped: flaml is not installed"
    assert row(wins, "TabM-mini")["tables"] == "not measured"
    assert wins.note.endswith("Failed: scikit-learn MLP on digits.") and row(wins, "scikit-learn MLP")["tables"] == "1"
    assert row(table(shown, "Error on"), "letter")["ash"] == "skipped: no file letter.csv.gz"


def test_a_minute_is_a_minute_and_uses_the_cores() -> None:
    runs = [run("wine", OURS, 0, 0.1, seconds=60.5), run("digits", OURS, 0, 0.1, seconds=61.5, utilization=0.5)]
    found = table(sections(named(runs)), "A minute")
    assert list(row(found, "wine").values())[2::2] == ["<= 61 yes", ">= 0.95 yes"]
    assert list(row(found, "digits").values())[2::2] == ["<= 61 NO", ">= 0.95 NO"]


def curve(contender: str, errors: dict[float, float], seed: int = 0) -> list[dict[str, Any]]:
    return [
        run("letter", contender, seed, error, limit=limit, part="fits" if limit == 60 else "curves")
        for limit, error in errors.items()
    ]


def test_a_curve_is_of_the_seeds_that_have_all_its_limits() -> None:
    runs = curve(OURS, {5.0: 0.4, 60.0: 0.2}) + curve(OURS, {60.0: 0.1}, seed=1)
    assert curves(runs) == {"letter": {OURS: {5.0: 0.4, 60.0: 0.2}}}
    assert curves(curve(OURS, {60.0: 0.2})) == {} and curve_sections([], fits_of([])) == []


def test_pictures_have_the_curves_and_their_ratio() -> None:
    runs = curve(OURS, {5.0: 0.4, 60.0: 0.2, 240.0: 0.1}) + curve(TUNED, {5.0: 0.2, 60.0: 0.2, 240.0: 0.0})
    runs.append(run("letter", "realmlp", 0, 0.15, seconds=71.0))
    found, ratios, letter = curve_sections(runs, fits_of(runs))
    assert isinstance(found, Table) and isinstance(ratios, Plot) and isinstance(letter, Plot)
    assert found.header[1:] == ["5 s", "60 s", "240 s"] and found.rows[0] == ["letter, ash", "0.4", "0.2", "0.1"]
    assert [dict(line.points) for line in ratios.lines] == [{5.0: 2.0, 60.0: 1.0}], "no ratio to an error of 0"
    assert {line.label: line.kind for line in letter.lines} == {
        "ash": "measured",
        "LightGBM, tuned": "measured",
        "RealMLP-TD-S, 71 s": "bound",
    }
    assert dict(letter.lines[2].points) == {5.0: 0.15, 240.0: 0.15} and letter.name == "quality-letter"


def test_the_reference_is_of_the_larger_tables() -> None:
    assert set(REFERENCE) == set(LARGER) and all(set(own) == set(COLUMNS) for own in REFERENCE.values())
    assert set(COLUMNS) <= set(CONTENDERS)

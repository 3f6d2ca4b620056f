"""What the bench of models makes of known errors: comparisons, ranks, verdicts, tables and pictures."""

from __future__ import annotations

from typing import Any

import pytest

from bench.quality_contenders import CONTENDERS, OURS, TUNED
from bench.quality_curves import curve_sections
from bench.quality_data import LARGER, TABLES
from bench.quality_figures import curves, duel, fits_of, mean_ranks, ranked
from bench.quality_reference import COLUMNS, REFERENCE
from bench.quality_sections import sections
from bench.sections import Plot, Section, Table


def run(table: str, contender: str, seed: int, error: float, **changes: Any) -> dict[str, Any]:
    """Return a fit as the bench keeps it."""
    whose = {"part": "fits", "contender": contender, "table": table, "seed": seed, "limit": 60.0}
    found = {
        "of": {"processor": "one", "ash": "abc"},
        "error": error,
        "seconds": 50.0,
        "utilization": 0.97,
        "rows": 75,
        "test_rows": 25,
    }
    return {**whose, **found, **({"log_loss": 0.5} if TABLES[table].classes else {}), **changes}


def named(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(number): each for number, each in enumerate(runs)}


def table(shown: list[Section], begins: str) -> Table:
    return next(each for each in shown if isinstance(each, Table) and each.title.startswith(begins))


def row(found: Table, name: str) -> dict[str, str]:
    return next(dict(zip(found.header, cells, strict=True)) for cells in found.rows if cells[0] == name)


def test_contenders_are_compared_over_the_seeds_that_both_have() -> None:
    runs = [run("letter", OURS, seed, error) for seed, error in enumerate((0.02, 0.04, 0.09))]
    runs += [run("letter", TUNED, seed, error, seconds=70.0) for seed, error in enumerate((0.03, 0.05))]
    runs += [run("wine", each, 0, 0.0) for each in (OURS, TUNED)] + [run("digits", OURS, 0, 0.01)]
    runs += [run("letter", OURS, 0, 0.5, part="curves", limit=5.0)]
    found = duel(fits_of(runs), OURS, TUNED)
    assert found.errors == {"letter": (0.03, 0.04), "wine": (0.0, 0.0)}, "0.09 has no partner, digits none at all"
    assert (found.better, found.equal, found.worse, found.no_slower) == (1, 1, 0, 2)
    assert found.ratio == pytest.approx(0.75) and found.among(["wine"]).better == 0


def test_seed_by_seed_is_the_mean_ratio_with_its_error() -> None:
    runs = [run("letter", OURS, seed, error) for seed, error in enumerate((0.02, 0.06, 0.09))]
    runs += [run("letter", TUNED, seed, error) for seed, error in enumerate((0.04, 0.05))]
    runs += [run("wine", each, seed, 0.1 * seed) for each in (OURS, TUNED) for seed in (0, 1)]
    found = table(sections(named(runs)), "Seed by seed")
    # 0.5 and 1.2: their mean, and 0.7 / sqrt(2) / sqrt(2).
    assert row(found, "letter")[CONTENDERS[TUNED].name] == "0.850 ± 0.350, 1 of 2"
    assert row(found, "wine")[CONTENDERS[TUNED].name] == "-", "an error of 0 has no ratio"
    assert {cells[0] for cells in found.rows} == {"letter", "wine"} and OURS not in found.header[1:]


def test_what_another_processor_has_fitted_is_not_beside_ours() -> None:
    there = {"processor": "another", "lightgbm": "1"}
    runs = [run("wine", OURS, 0, 0.1), run("wine", TUNED, 0, 0.2, of=there), run("wine", TUNED, 1, 0.3, of=there)]
    assert duel(fits_of(runs), OURS, TUNED).errors == {} and list(fits_of(runs).of("wine", TUNED)) == [1]
    runs += [run("digits", OURS, 0, 0.1, of=there), run("digits", TUNED, 0, 0.2, of=there)]
    assert duel(fits_of(runs), OURS, TUNED).errors == {"digits": (0.1, 0.2)}
    found = table(sections(named([run for run in runs if "ash" in run["of"]])), "Error on the rows held out")
    assert found.note.endswith("ash: commit abc. Processors: one: wine.")


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
    found = row(table(sections(named([{**ours, "error": 0.2}, slower])), "Wins and losses"), "RealMLP-TD-S")
    assert found["required"] == "better on all, no slower: NO" and found["equal"] == "1"
    found = row(table(sections(named([ours, run("wine", "mlp", 0, 0.1)])), "Wins and losses"), "scikit-learn MLP")
    assert found["required"] == "never worse: yes" and found["equal"] == "1"


def test_in_no_more_time_is_the_largest_limit_that_theirs_exceeds() -> None:
    theirs = [run("letter", "realmlp", seed, 0.2, seconds=seconds) for seed, seconds in enumerate((14.0, 16.0, 90.0))]
    ours = [
        run("letter", OURS, seed, error, limit=15.0, seconds=14.5, part="curves")
        for seed, error in ((0, 0.1), (1, 0.3))
    ]
    others = [run("letter", OURS, 0, 0.05), run("letter", OURS, 0, 0.4, limit=5.0, seconds=4.9, part="curves")]
    unmatched = [run("letter", OURS, 7, 0.9, limit=15.0, part="curves"), run("wine", "realmlp", 0, 0.2, seconds=3.0)]
    found = table(sections(named([*theirs, *ours, *others, *unmatched])), "In no more time")
    assert [cells[0] for cells in found.rows] == ["letter"], "wine has no fit of ours as short"
    assert found.rows[0][1:] == ["2", "15", "15", "14.5", "0.2000", "0.2000", "NO"]
    better = named([*theirs, *(dict(each, error=0.1) for each in ours)])
    assert table(sections(better), "In no more time").rows[0][-2:] == ["0.1000", "yes"]


def test_a_curve_of_other_code_than_the_fits_is_not_shown() -> None:
    theirs = run("letter", "realmlp", 0, 0.2, seconds=16.0)
    short = run("letter", OURS, 0, 0.1, limit=15.0, part="curves", of={"processor": "one", "ash": "old"})
    for fits, lines in (
        ([], 1),
        ([run("letter", OURS, 0, 0.3)], 0),
        ([run("letter", OURS, 0, 0.3, of={"processor": "one", "ash": "old"})], 1),
    ):
        shown = sections(named([theirs, short, *fits]))
        assert len(table(shown, "In no more time").rows) == lines
        assert any(isinstance(each, Table) and each.title == "Error against time" for each in shown) == bool(lines)


def test_errors_stand_beside_the_reference() -> None:
    runs = [run("letter", OURS, seed, error) for seed, error in enumerate((0.05, 0.03, 0.02))]
    runs += [run("california", OURS, 0, 0.51234)]
    found = table(sections(named(runs)), "Error on the rows held out")
    letter, california = row(found, "letter"), row(found, "california, RMSE")
    assert (letter["ash"], letter["FLAML"], letter["reference: RealMLP-TD-S"]) == ("0.0300", "-", ".0196")
    assert (california["ash"], california["reference: LightGBM, tuned"]) == ("0.5123", ".422")
    assert found.note.endswith("Seeds: 1-3. ash: commit abc. Processors: one: letter, california.")
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

"""The bench `quality`: what it plans, how a fit is measured, and what its page makes of known errors."""

import math
import time
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pytest
from conftest import SAMPLES

import needs
from bench import quality
from bench.figures import Picture, Table
from bench.machine import CORE
from bench.quality.contenders import CONTENDERS, OURS, TUNED, Task, epochs_within, stopping_at, tuned
from bench.quality.measure import LEAST_PROBABILITY, log_loss, measure, root_mean_square
from bench.quality.page import Fits, curves, mean_ranks, ranked, readme, sections
from bench.quality.plan import Fit, fits
from bench.quality.tables import FILE, FILES, SMALL, TABLES, Source, split
from bench_help import row, table


def options(**changes: Any) -> Namespace:
    chosen = dict.fromkeys(("data", "tables", "contenders", "limits", "seeds"))
    return Namespace(**{"quick": False, **chosen, **changes})


# What is planned


def test_contenders_fit_all_tables_and_two_of_them_with_other_limits() -> None:
    planned = list(fits())
    assert len({fit.key for fit in planned}) == len(planned), "a case is planned once"
    usual = [fit for fit in planned if fit.limit == 60]
    assert {(fit.table, fit.contender) for fit in usual} == {(table, each) for table in TABLES for each in CONTENDERS}
    others = [fit for fit in planned if fit.limit != 60]
    assert {fit.table for fit in others} == set(FILES) and {fit.limit for fit in others} == {5.0, 15.0, 240.0}
    assert {fit.contender for fit in others} == {OURS, TUNED} and planned.index(others[0]) == len(usual)


def test_a_quick_run_has_small_tables_and_short_limits() -> None:
    planned = list(fits(quick=True))
    assert {fit.table for fit in planned} < set(SMALL) and {(fit.limit, fit.seed) for fit in planned} == {(5.0, 0)}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"tables": ("letter",), "contenders": (OURS,)}, 5 + 3 * 3),
        ({"tables": ("wine", "adult"), "contenders": ("flaml", "lightgbm"), "seeds": 2}, 2 + 4),
        ({"contenders": (TUNED,), "limits": ("5", "15"), "seeds": 2}, 2 * 2 * len(FILES)),
    ],
)
def test_what_is_chosen_is_a_part_of_the_same_cases(changes: dict[str, Any], count: int) -> None:
    keys = [case.key for case in quality.cases(options(**changes))]
    assert len(keys) == count and set(keys) <= {case.key for case in quality.cases(options())}


def test_only_our_fits_depend_on_our_code() -> None:
    cases = {case.key: case for case in quality.cases(options())}
    assert tuple(cases["wine, ash, 60 s, seed 0"].measures or ()) == CORE
    theirs = cases["wine, scikit-learn MLP, seed 0"]
    assert theirs.measures == () and theirs.packages == ("scikit-learn",)


def test_what_is_not_there_is_skipped_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.quality.contenders.find_spec", lambda name: None)
    cases = {case.key: case for case in quality.cases(options(data=tmp_path))}
    assert cases["wine, FLAML, 60 s, seed 0"].run()["skipped"].startswith("flaml is not installed")
    assert cases["letter, scikit-learn MLP, seed 0"].run()["skipped"].startswith(("no file ", "pandas is not"))


def test_a_peer_may_fail_and_ours_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(module: str, function: str, given: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        assert (module, function, given["limit"]) == ("bench.quality.measure", "measure", 60.0)
        raise SystemExit("ValueError: out of luck")

    monkeypatch.setattr(quality, "call", fails)
    cases = {case.key: case for case in quality.cases(options())}
    assert cases["wine, scikit-learn MLP, seed 0"].run()["failed"] == "ValueError: out of luck"
    with pytest.raises(SystemExit, match="out of luck"):
        cases["wine, ash, 60 s, seed 0"].run()


# What is measured


def test_a_fit_is_measured_on_held_out_rows() -> None:
    found = measure("mlp", "wine", None, seed=0, limit=1.0, threads=1)
    assert found["error"] <= 0.1 and 0 < found["log_loss"] < 0.5 and found["seconds"] > 0 and found["utilization"] > 0


def test_ours_of_a_number_is_measured_in_the_units_of_the_target() -> None:
    found = measure("ash", "diabetes", None, seed=0, limit=4.0, threads=1)
    assert 40 < found["error"] < 80 and "log_loss" not in found


def test_a_split_is_by_seed_and_by_class() -> None:
    first, again, other = (split("wine", None, seed, categories=False) for seed in (0, 0, 1))
    assert np.array_equal(first.x, again.x) and not np.array_equal(first.x, other.x)
    assert first.classes == 3 and abs(np.bincount(first.y) / len(first.y) - np.bincount(other.y) / 133).max() < 1e-12
    assert split("diabetes", None, 0, categories=False).classes == 0


@pytest.mark.parametrize("categories", [False, True])
def test_text_stays_text_or_becomes_categories(
    categories: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{number % 7},{'red' if number % 3 else 'blue'},{'yes' if number % 2 else 'no'}" for number in range(40)]
    (tmp_path / "colours.csv").write_text("\n".join(["size,colour,target", *lines]))
    monkeypatch.setitem(TABLES, "colours", Source(FILE, "colours.csv", True))
    rows = split("colours", tmp_path, 0, categories)
    assert (len(rows.y), len(rows.y_test), rows.classes) == (30, 10, 2) and set(rows.y) == {0, 1}
    assert (str(rows.x["colour"].dtype) == "category") is categories and str(rows.x["size"].dtype) == "int64"


@pytest.mark.parametrize("name", ["saratoga", "cps1988", "orange_juice", "magic", "satimage"])
def test_tables_of_packages_are_read(name: str) -> None:
    needs.package(TABLES[name].of)
    rows = split(name, None, 0, categories=True)
    assert len(rows.x) == len(rows.y) > 700 and not rows.x.isna().any().any()
    assert (rows.classes > 1) is TABLES[name].classes and "rownames" not in rows.x


def test_the_log_loss_is_that_of_rows_that_sum_to_one() -> None:
    halves = np.array([[0.25, 0.25], [0.2, 0.6]], dtype=np.float32)
    assert log_loss(halves, np.array([0, 1]), 2) == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 2)
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1]), 2) == pytest.approx(-math.log(LEAST_PROBABILITY))
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
    callback = stopping_at(time.perf_counter())
    with pytest.raises(lightgbm.EarlyStopException) as stopped:
        callback(SimpleNamespace(iteration=7, evaluation_result_list=[("held", "l2", 0.5, False)]))
    assert stopped.value.best_iteration == 7
    stopping_at(math.inf)(None)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # its successor is not in lightgbm 4.0
@pytest.mark.parametrize("classes", [False, True])
def test_tuned_trees_are_fitted_on_all_rows(classes: bool) -> None:
    rows = split("breast_cancer" if classes else "diabetes", None, 0, categories=False)
    model = tuned(Task(classes, seed=0, limit=0.5, threads=1), rows.x, rows.y)
    assert model.booster_.num_trees() >= 1 and len(model.predict(rows.x_test)) == len(rows.y_test)


# What the page makes of it


def made(table: str, contender: str, errors: Iterable[float], limit: float = 60.0, **changes: Any) -> dict[str, Any]:
    """Return fits as they are on record, one per seed."""
    value = {"on": "one", "seconds": 50.0, "utilization": 0.97, **({"log_loss": 0.5} if TABLES[table].classes else {})}
    return {
        Fit(table, contender, limit, seed).key: {**value, "error": error, **changes}
        for seed, error in enumerate(errors)
    }


def test_contenders_are_compared_over_the_seeds_that_both_have() -> None:
    values = made("letter", OURS, (0.02, 0.04, 0.09)) | made("letter", TUNED, (0.03, 0.05), seconds=70.0)
    values |= made("wine", OURS, (0.0,)) | made("wine", TUNED, (0.0,)) | made("digits", OURS, (0.01,))
    values |= made("letter", OURS, (0.5,), limit=5.0) | {"of another plan": {"error": 0.0}}
    found = row(table(sections(values), "Wins and losses"), "LightGBM, tuned")
    assert [found[name] for name in ("tables", "better", "equal", "worse")] == ["2", "1", "1", "0"]
    assert found["by theirs"] == "0.750" and found["no slower"] == "2 of 2", "0.09 has no partner, digits none at all"


def test_seed_by_seed_is_the_mean_ratio_with_its_error() -> None:
    values = made("letter", OURS, (0.02, 0.06, 0.09)) | made("letter", TUNED, (0.04, 0.05))
    values |= made("wine", OURS, (0.0, 0.1)) | made("wine", TUNED, (0.0, 0.1))
    found = table(sections(values), "Seed by seed")
    # 0.5 and 1.2: their mean, and 0.7 / sqrt(2) / sqrt(2).
    assert row(found, "letter")[CONTENDERS[TUNED].name] == "0.850 ± 0.350, 1 of 2"
    assert row(found, "wine")[CONTENDERS[TUNED].name] == "-", "an error of 0 has no ratio"


def test_what_another_processor_has_fitted_is_not_beside_ours() -> None:
    values = made("wine", OURS, (0.1,)) | made("wine", TUNED, (0.2, 0.3), on="another")
    assert list(Fits(values).of("wine", TUNED)) == [1], "of seed 1 there is no fit of ours"


def test_ranks_are_shared_by_equals_and_taken_where_all_have_fitted() -> None:
    assert ranked([0.3, 0.1, 0.2, 0.1]) == [4, 1.5, 3, 1.5]
    values = made("wine", OURS, (0.1,)) | made("wine", "mlp", (0.2,)) | made("digits", OURS, (0.3,))
    assert mean_ranks(Fits(values)) == ({OURS: 1.0, "mlp": 2.0}, 1) and mean_ranks(Fits({})) == ({}, 0)


def test_in_no_more_time_is_the_largest_limit_that_theirs_exceeds() -> None:
    values = made("letter", "realmlp", (0.2, 0.2, 0.2), seconds=16.0) | made("wine", "realmlp", (0.2,), seconds=3.0)
    values |= made("letter", OURS, (0.1, 0.3), limit=15.0, seconds=14.5) | made("letter", OURS, (0.4,), limit=5.0)
    found = table(sections(values), "In no more time")
    assert found.rows == [["letter", "2", "16", "15", "14.5", "0.2000", "0.2000"]], "wine has no fit of ours as short"


def test_what_was_skipped_or_failed_is_said() -> None:
    values = made("wine", OURS, (0.1,)) | made("wine", "mlp", (0.2,))
    values |= {Fit("digits", "mlp", 60.0, 0).key: {"failed": "ValueError"}}
    values |= {Fit("wine", "flaml", 60.0, 0).key: {"skipped": "flaml is not installed"}}
    wins = table(sections(values), "Wins and losses")
    assert (
        row(wins, "FLAML")["tables"] == "flaml is not installed" and row(wins, "TabM-mini")["tables"] == "not measured"
    )
    assert wins.note.endswith("Failed: scikit-learn MLP on digits.") and row(wins, "scikit-learn MLP")["tables"] == "1"


def test_curves_are_of_the_seeds_that_all_have_and_a_picture_has_their_ratio() -> None:
    values = made("letter", OURS, (0.2, 0.1)) | made("letter", OURS, (0.4,), limit=5.0)
    values |= made("letter", TUNED, (0.0, 0.3)) | made("letter", TUNED, (0.2, 0.3), limit=5.0)
    assert curves(Fits(values), "letter")[0][OURS, 60.0] == 0.2, "of seed 1 there is no fit of ours within 5 seconds"
    *_, errors, picture = sections(values)
    assert isinstance(errors, Table) and errors.header[1:] == ["seeds", "5 s", "60 s"] and isinstance(picture, Picture)
    assert errors.rows[0] == ["letter, ash", "1", "0.4000", "0.2000"]
    assert [dict(line.points) for line in picture.plots[0].lines] == [{5.0: 2.0}], "no ratio to an error of 0"
    assert not any(isinstance(each, Picture) for each in sections(made("letter", OURS, (0.2,))))


def test_the_readme_has_the_larger_tables() -> None:
    values = made("letter", OURS, (0.01, 0.02, 0.05)) | made("letter", TUNED, (0.03, 0.05), seconds=70.0)
    assert readme(values)[-1] == "| letter | 2 | 0.0150 in 50 s | 0.0400 in 70 s | - | - |"
    errors = table(sections(values | made("diabetes", OURS, (55.55,))), "Error on the held-out rows")
    assert row(errors, "letter")["ash"] == "0.0200 in 50 s" and row(errors, "diabetes, RMSE")["ash"] == "55.55 in 50 s"


def test_rows_recur_in_one_table_as_its_page_says() -> None:
    known = {}
    for name in ("winequality_white", "california"):
        rows = split(name, SAMPLES, 0, categories=False)
        before = {(*each, y) for each, y in zip(rows.x.to_numpy().tolist(), rows.y, strict=True)}
        held = zip(rows.x_test.to_numpy().tolist(), rows.y_test, strict=True)
        known[name] = np.mean([(*each, y) in before for each, y in held])
    assert 0.2 < known["winequality_white"] < 0.3 and known["california"] == 0

"""The bench of models: what it plans, what it keeps, and how a fit is measured."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import quality
from bench.machine import processor
from bench.quality_contenders import CONTENDERS, OURS, TUNED
from bench.quality_data import LARGER, SMALL, TABLES, Source, split
from bench.quality_fits import Task
from bench.quality_optuna import stopping_at, tuned
from bench.quality_pytabkit import epochs_within
from bench.quality_run import LEAST_PROBABILITY, log_loss, measure, root_mean_square
from bench.suite import Options


def options(**changes: Any) -> Options:
    return Options(**{"quick": False, "results": Path(), **changes})


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


def test_rows_recur_in_one_table_as_its_docs_say() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: pip install 'ash-tune[tables]'")
    known = {}
    for table in ("winequality_white", "california"):
        if (missing := TABLES[table].missing(None)) is not None:
            pytest.skip(missing)
        rows = split(table, None, 0, categories=False)
        before = {(*row, y) for row, y in zip(rows.x.to_numpy().tolist(), rows.y, strict=True)}
        told = zip(rows.x_test.to_numpy().tolist(), rows.y_test, strict=True)
        known[table] = np.mean([(*row, y) in before for row, y in told])
    assert 0.2 < known["winequality_white"] < 0.3 and known["california"] == 0


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"tables": ("letter",), "contenders": (OURS,)}, 5 + 3 * 3),
        ({"tables": ("wine", "adult"), "contenders": ("flaml",), "seeds": 2}, 2 * 2),
        ({"contenders": (TUNED,), "seeds": 1}, len(TABLES) + 3 * len(LARGER)),
        ({"contenders": (TUNED,), "limits": ("5", "15"), "seeds": 2}, 2 * 2 * len(LARGER)),
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
    value, here = {"error": 0.1, "seconds": 50.0}, {"processor": processor()}
    assert ours.holds({**value, "of": {**here, "ash": "new"}})
    for other in ({**here, "ash": "old"}, {"processor": "another", "ash": "new"}):
        assert not ours.holds({**value, "of": other})
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
    found = measure("ash", "diabetes", None, seed=0, limit=8.0, threads=1)
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

"""Tests the bench `quality`: the planned cases, the measurement of a fit, and a page of invented errors."""

import math
import os
import pickle
import time
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from conftest import SAMPLES
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

import needs
from ash import ASHRegressor
from bench import honest, quality
from bench.figures import Picture
from bench.machine import CORE
from bench.quality.compare import main as compare
from bench.quality.contenders import AUTOGLUON, CONTENDERS, OURS, TUNED, Task, stopping_at, tuned
from bench.quality.measure import (
    LEAST_PROBABILITY,
    auc_error,
    facts,
    log_losses,
    measure,
    prediction_ms,
    root_mean_square,
    saved_bytes,
    scores,
)
from bench.quality.page import Fits, geometric_mean, largest_rise, lowest, readme, sections
from bench.quality.plan import Fit, fits
from bench.quality.tables import BINARY, CLASSES, FILE, REGRESSION, SKLEARN, SMALL, TABLES, Source, Split, split
from bench.record import Record
from bench_help import row, table

pytestmark = pytest.mark.slow


def options(**changes: Any) -> Namespace:
    chosen = dict.fromkeys(("data", "tables", "contenders", "limits", "seeds"))
    return Namespace(**{"quick": False, **chosen, **changes})


# Planned cases


def test_contenders_fit_all_tables_and_two_contenders_have_other_limits() -> None:
    planned = list(fits())
    assert len({fit.key for fit in planned}) == len(planned), "a case is planned once"
    usual = [fit for fit in planned if fit.limit == 60]
    pairs = {(table, each) for table in TABLES for each in CONTENDERS}
    assert {(fit.table, fit.contender) for fit in usual} == pairs
    assert {fit.seed for fit in usual if fit.contender == OURS} == {0, 1, 2}
    others = {(fit.contender, fit.limit, fit.seed) for fit in planned if fit.limit != 60}
    assert others == {(AUTOGLUON, 300.0, 0), *((OURS, limit, 0) for limit in (2.0, 5.0, 15.0, 300.0))}
    assert sum(fit.limit == 300 for fit in planned) == 2 * -(-len(TABLES) // 3), "two fits on a third of the tables"


def test_a_quick_run_uses_small_tables_and_short_limits() -> None:
    planned = list(fits(quick=True))
    assert {fit.table for fit in planned} < set(SMALL) and {(fit.limit, fit.seed) for fit in planned} == {(5.0, 0)}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"tables": ("letter",), "contenders": (OURS,)}, 3 + 3),
        ({"tables": ("wine", "adult"), "contenders": ("flaml", "catboost"), "seeds": 2}, 4),
        ({"contenders": (OURS,), "limits": ("5", "15"), "seeds": 2}, 2 * len(TABLES)),
    ],
)
def test_a_selection_is_a_subset_of_the_same_cases(changes: dict[str, Any], count: int) -> None:
    keys = [case.key for case in quality.cases(options(**changes))]
    assert len(keys) == count and set(keys) <= {case.key for case in quality.cases(options())}


def test_only_our_fits_depend_on_our_code() -> None:
    cases = {case.key: case for case in quality.cases(options())}
    assert tuple(cases["wine, ash, 60 s, seed 0"].measures or ()) == CORE
    theirs = cases["wine, CatBoost, seed 0"]
    assert theirs.measures == () and theirs.packages == ("catboost",)
    assert "autogluon.tabular" in cases["wine, AutoGluon, best, 60 s, seed 0"].packages


def test_missing_tables_and_packages_are_skipped_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {case.key: case for case in quality.cases(options(data=tmp_path))}
    assert cases["letter, ash, 60 s, seed 0"].run()["skipped"].startswith(("no file ", "pandas is not"))
    monkeypatch.setattr("bench.quality.contenders.find_spec", lambda name: None)
    assert cases["wine, FLAML, 60 s, seed 0"].run()["skipped"].startswith("flaml is not installed")


def test_a_peer_may_fail_but_ash_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(module: str, function: str, given: dict[str, Any], *others: Any) -> dict[str, Any]:
        assert (module, function, given["limit"]) == ("bench.quality.measure", "measure", 60.0)
        assert len(os.sched_getaffinity(0)) == 1, "a fit has a core of its own"
        raise SystemExit("ValueError: out of luck")

    monkeypatch.setattr(quality, "call", fails)
    monkeypatch.setattr("bench.quality.contenders.find_spec", lambda name: True)
    before = os.sched_getaffinity(0)
    cases = {case.key: case for case in quality.cases(options())}
    assert cases["wine, CatBoost, seed 0"].run()["failed"] == "ValueError: out of luck"
    with pytest.raises(SystemExit, match="out of luck"):
        cases["wine, ash, 60 s, seed 0"].run()
    assert os.sched_getaffinity(0) == before


# Measurements


def test_our_classification_fits_are_measured_on_held_out_rows() -> None:
    found = measure(OURS, "wine", None, seed=0, limit=3.0, threads=1)
    assert found["error"] <= 0.1 and 0 < found["log_loss"] < 0.5 and found["seconds"] > 0 and found["utilization"] > 0
    assert (found["rows"], found["text"], found["skew"]) == (178, 0, 0) and found["deviation"] > 0
    assert 0 < found["ms"] < 1e4 and 1e4 < found["bytes"] < 1e7


def test_regression_errors_are_in_units_of_the_target() -> None:
    rows = split("diabetes", None, 0, categories=False)
    found = scores(ASHRegressor(candidates=8, random_state=0).fit(rows.x, rows.y), rows)
    assert 40 < found["error"] < 80 and "log_loss" not in found and 0.3 < facts(rows)["skew"] < 0.6


class Known:
    """A model with known predictions."""

    def __init__(self, answers: Any) -> None:
        self.answers = np.asarray(answers, float)

    def predict(self, x: Any) -> Any:
        return self.answers if self.answers.ndim == 1 else self.answers.argmax(axis=1)

    def predict_proba(self, x: Any) -> Any:
        return self.answers


class Calls:
    """A model that records the number of rows of each call. The first call takes 200 ms of `now`, later ones 2 ms."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.now = 0.0

    def predict(self, x: Any) -> None:
        self._note("predict", x)

    def predict_proba(self, x: Any) -> None:
        self._note("predict_proba", x)

    def _note(self, name: str, x: Any) -> None:
        assert list(x.index) == list(range(len(x)))
        self.calls.append((name, len(x)))
        self.now += 0.002 if len(self.calls) > 1 else 0.2


class Persisted(Calls):
    """A model that is saved in a folder, as AutoGluon's models are."""

    def persist(self) -> None:
        self.calls.append(("persist", 0))

    def save(self, path: Path) -> None:
        path.mkdir()
        (path / "weights").write_bytes(b"1" * 70)
        (path / "names").write_bytes(b"2" * 7)


def split_of(frame: Any, classes: int) -> Split:
    return Split(None, np.zeros(0), frame, np.zeros(0), classes)


def test_the_median_call_with_exactly_1000_rows_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    held = pd.DataFrame({"x": np.arange(45.0)})
    model, persisted = Calls(), Persisted()
    monkeypatch.setattr("bench.figures.time", SimpleNamespace(perf_counter=lambda: model.now + persisted.now))
    assert prediction_ms(model, split_of(held, 3)) == 2, "the first call is not timed"
    assert model.calls == [("predict_proba", 1000)] * 6
    assert prediction_ms(persisted, split_of(pd.concat([held] * 40, ignore_index=True), 0)) == 2
    assert persisted.calls == [("persist", 0), *[("predict", 1000)] * 6]


def test_the_size_covers_all_files_of_a_model() -> None:
    model = Known([1.0, 2.0])
    assert saved_bytes(model) == len(pickle.dumps(model, pickle.HIGHEST_PROTOCOL))
    assert saved_bytes(Persisted()) == 77


def test_regression_scores_have_the_standard_error_of_the_mean_square() -> None:
    found = scores(Known([0.0, 0.0, 0.0, 0.0]), Split(None, None, np.zeros(4), np.array([1.0, 1.0, 1.0, 3.0]), 0))
    assert found["error"] == pytest.approx(math.sqrt(3))
    assert found["deviation"] == pytest.approx(np.std([1, 1, 1, 9], ddof=1) / 2 / (2 * math.sqrt(3)))


def test_errors_are_computed_without_each_tenth_of_the_rows_too() -> None:
    random = np.random.default_rng(0)
    for classes, answers in ((0, random.normal(size=60)), (2, random.random((60, 2))), (3, random.random((60, 3)))):
        y = random.integers(0, classes or 9, 60)
        found = scores(Known(answers), Split(None, None, np.zeros(60), y, classes))["without"]
        for part in range(10):
            rest = [row for row in range(60) if row % 10 != part]
            other = scores(Known(answers[rest]), Split(None, None, np.zeros(54), y[rest], classes))
            assert found[part] == other[{0: "error", 2: "auc_error", 3: "log_loss"}[classes]]
        assert len(set(found)) == 10


def test_scores_of_two_classes_match_scikit_learn() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 500)
    ones = np.clip(0.5 + 0.2 * (y - 0.5) + random.normal(0, 0.2, 500), 0.01, 0.99).round(2)
    found = scores(Known(np.column_stack([1 - ones, ones])), Split(None, None, np.zeros(500), y, 2))
    assert found["auc_error"] == pytest.approx(1 - roc_auc_score(y, ones))
    assert found["log_loss"] == pytest.approx(sklearn_log_loss(y, ones))
    samples = [random.integers(0, 500, 500) for _ in range(2000)]
    assert found["deviation"] == pytest.approx(np.std([auc_error(ones[s], y[s])[0] for s in samples]), rel=0.1)


def test_a_split_depends_on_the_seed_and_keeps_class_shares() -> None:
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
    monkeypatch.setitem(TABLES, "colours", Source(FILE, "colours.csv", BINARY))
    rows = split("colours", tmp_path, 0, categories)
    assert (len(rows.y), len(rows.y_test), rows.classes) == (30, 10, 2) and set(rows.y) == {0, 1}
    assert (str(rows.x["colour"].dtype) == "category") is categories and str(rows.x["size"].dtype) == "int64"


@pytest.mark.parametrize("name", sorted(name for name, source in TABLES.items() if source.of != FILE))
def test_tables_from_packages_are_read(name: str) -> None:
    source = TABLES[name]
    if source.of != SKLEARN:
        needs.package(source.of)
    rows = split(name, None, 0, categories=True)
    kind = REGRESSION if not rows.classes else BINARY if rows.classes == 2 else CLASSES
    assert len(rows.x) == len(rows.y) > 100 and kind == source.kind
    assert not {"rownames", source.target, *source.dropped} & set(rows.x)


def test_the_log_loss_normalizes_rows_to_one() -> None:
    halves = np.array([[0.25, 0.25], [0.2, 0.6]], dtype=np.float32)
    assert log_losses(halves, np.array([0, 1]), 2) == pytest.approx([-math.log(0.5), -math.log(0.75)])
    assert log_losses(np.array([[1.0, 0.0]]), np.array([1]), 2) == pytest.approx(-math.log(LEAST_PROBABILITY))
    for wrong in (np.array([[1.0]]), np.array([[math.nan, 1.0]])):
        with pytest.raises(SystemExit, match="no table of finite probabilities of 2 classes"):
            log_losses(wrong, np.array([0]), 2)


def test_non_finite_predictions_are_refused() -> None:
    assert root_mean_square(np.array([3.0, -4.0])) == pytest.approx(math.sqrt(12.5))
    with pytest.raises(SystemExit, match="not finite"):
        root_mean_square(np.array([1.0, math.inf]))


def test_a_trial_stops_at_the_limit_and_keeps_its_trees() -> None:
    callback = stopping_at(time.perf_counter())
    with pytest.raises(lightgbm.EarlyStopException) as stopped:
        callback(SimpleNamespace(iteration=7, evaluation_result_list=[("held", "l2", 0.5, False)]))
    assert stopped.value.best_iteration == 7
    stopping_at(math.inf)(None)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # LightGBM 4.0 has only this
@pytest.mark.parametrize(("name", "kind"), [("breast_cancer", BINARY), ("wine", CLASSES), ("diabetes", REGRESSION)])
def test_tuned_trees_are_fitted_on_all_rows(name: str, kind: str) -> None:
    rows = split(name, None, 0, categories=False)
    model = tuned(Task(kind, seed=0, limit=0.5, threads=1), rows.x, rows.y)
    assert model.booster_.num_trees() >= 1 and len(model.predict(rows.x_test)) == len(rows.y_test)


def test_a_fit_that_takes_far_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MOST_SECONDS", 0.5)
    monkeypatch.setattr("bench.quality.contenders.find_spec", lambda name: True)
    case = next(case for case in quality.cases(options()) if case.key == "wine, CatBoost, seed 0")
    assert case.run()["failed"].endswith("not done in 0.5 seconds")


# The page


def made(
    table: str, contender: str, errors: Iterable[float], limit: float = 60.0, first: int = 0, **changes: Any
) -> dict[str, Any]:
    """Return records of fits with these errors, one fit per seed. The first seed is `first`."""
    names = {BINARY: ("error", "log_loss", "auc_error"), CLASSES: ("error", "log_loss"), REGRESSION: ("error",)}
    value = {
        "on": "one",
        "seconds": 50.0,
        "utilization": 0.97,
        "deviation": 0.0,
        "rows": 10**12,
        "text": 0.0,
        "skew": 0.0,
    }
    return {
        Fit(table, contender, limit, seed).key: {**value, **dict.fromkeys(names[TABLES[table].kind], error), **changes}
        for seed, error in enumerate(errors, first)
    }


def on_record(path: Path, errors: dict[str, tuple[float, ...]]) -> str:
    """Write a record of ash's fits, which have the given errors for each table. Return the record's path."""
    record = Record(path)
    for name, values in errors.items():
        for key, value in made(name, OURS, values).items():
            record.add(key, value, 60.0, {}, {"commit": "1", "machine": {}, "packages": {}, "trees": {}})
    return str(path)


@pytest.mark.parametrize(("second", "words"), [(0.03, "Better"), (0.04, "Not better")])
def test_a_change_is_better_only_if_it_is_better_on_both_halves(
    second: float, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = list(TABLES)[:2]
    before = on_record(tmp_path / "before.json", {first: (0.1, 0.3), other: (0.04,), "wine": (0.1,)})
    after = on_record(tmp_path / "after.json", {first: (0.05, 0.3, 0.9), other: (second,)})
    compare([before, after])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:4]] == [
        [other, "1", "0.04", f"{second:g}", f"{second / 0.04:.3f}"],
        [first, "2", "0.2", "0.175", "0.750"],
    ]
    assert f" {words} on both halves." in lines[4] and "every other table 0.750 (0.750 to 0.750); the rest " in lines[4]


def test_a_loss_counts_if_the_interval_paired_by_rows_is_above_two_percent() -> None:
    random = np.random.default_rng(0)

    def runs(factor: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a fit by ash and one by a peer. Per row, ash's loss is `factor` times the peer's, apart from noise."""
        theirs = random.gamma(2.0, size=500)
        ours = factor * theirs * random.uniform(0.8, 1.2, 500)
        kept = [np.arange(500) % 10 != part for part in range(10)]
        own, their = ({"log_loss": each.mean(), "without": [each[k].mean() for k in kept]} for each in (ours, theirs))
        return {**own, "deviation": 0.0, "rows": 10**12}, {**their, "deviation": 0.0, "rows": 10**12}

    above = np.mean([lowest("letter", *runs(1.0)) > 1 for _ in range(600)])
    assert 0.02 < above < 0.08, "the lower end of an interval of 90 % is above the truth in 5 % of all cases"
    values = {}
    for name, factor in (("letter", 1.04), ("digits", 1.0), ("vowel", 0.9)):
        own, their = runs(factor)
        values |= made(name, OURS, (own["log_loss"],), without=own["without"])
        values |= made(name, TUNED, (their["log_loss"],), without=their["without"])
    values |= made("wine", OURS, (0.2,)) | made("wine", TUNED, (0.1,), without=[0.1] * 10)
    found = row(table(sections(values), "ash by each peer"), "LightGBM, tuned")
    assert found["ash worse"] == "1 of 3" and found["tables"] == "4", "wine has no parts of ours"


def test_the_interval_comes_from_resampling_the_tables() -> None:
    mean, low, high = geometric_mean([0.5, 2.0] * 50)
    assert mean == pytest.approx(1)
    assert math.log(high) == pytest.approx(1.645 * math.log(2) / 10, rel=0.1) and low == pytest.approx(1 / high, 0.1)


def test_fits_from_another_processor_are_not_compared_with_ours() -> None:
    values = made("wine", OURS, (0.1,)) | made("wine", "catboost", (0.2,), on="another")
    values |= made("digits", "catboost", (0.3,), on="another")
    assert not Fits(values).of("wine", "catboost")
    assert Fits(values).of("digits", "catboost"), "there is no fit of ours"


def test_skipped_and_failed_fits_are_reported() -> None:
    values = made("wine", OURS, (0.1,)) | made("wine", TUNED, (0.2,))
    values |= {Fit("digits", TUNED, 60.0, 0).key: {"failed": "ValueError"}}
    values |= {Fit("wine", "flaml", 60.0, 0).key: {"skipped": "flaml is not installed"}}
    peers = table(sections(values), "ash by each peer")
    assert row(peers, "FLAML")["by theirs"] == "flaml is not installed"
    assert row(peers, "RealMLP-TD-S")["by theirs"] == "not measured"
    assert table(sections(values), "Losses first").note.endswith("Failed: LightGBM, tuned on digits.")
    assert sections({})[0].as_text() == "No fit of ash is on record."


def test_curves_show_the_largest_rise() -> None:
    values = made("letter", OURS, (0.1, 0.2), deviation=0.05)
    values |= made("letter", OURS, (0.04,), limit=5.0, deviation=0.024)
    *_, errors, picture = sections(values)
    assert isinstance(picture, Picture) and row(errors, "letter")["largest rise"] == "+2.50"
    assert row(errors, "letter")["5 s"] == "0.04" and "above 2 on 1 of 1 tables" in errors.note
    points = {x: {"log_loss": error, "deviation": 0.1} for x, error in ((2.0, 0.5), (5.0, 0.3), (60.0, 0.4))}
    assert largest_rise("letter", points) == pytest.approx(1.0)
    assert not any(isinstance(each, Picture) for each in sections(made("letter", OURS, (0.2,))))


def test_the_readme_lists_the_peers() -> None:
    values = made("letter", OURS, (0.01,)) | made("letter", TUNED, (0.02,))
    assert "| LightGBM, tuned | 1 | 0.500 (0.500 to 0.500) | 1 of 1 | 0 of 0 |" in readme(values)
    assert readme({})[-1].startswith("|---")


def test_rows_recur_in_one_table_as_its_page_states() -> None:
    known = {}
    for name in ("winequality_white", "california"):
        rows = split(name, SAMPLES, 0, categories=False)
        before = {(*each, y) for each, y in zip(rows.x.to_numpy().tolist(), rows.y, strict=True)}
        held = zip(rows.x_test.to_numpy().tolist(), rows.y_test, strict=True)
        known[name] = np.mean([(*each, y) in before for each, y in held])
    assert 0.2 < known["winequality_white"] < 0.3 and known["california"] == 0


# The estimated score


def test_estimated_scores_are_compared_with_held_out_ones_in_standard_errors() -> None:
    run = {"rows": 300, "held out": -2.0, "estimated": -2.2, "best": -1.5, "std_error": 0.5}
    values = {f"diabetes, seed {seed}": {**run, "held out": -2.0 - 0.5 * seed} for seed in (0, 1, 2)}
    summary, each = honest.sections({**values, "wine, seed 0": {"skipped": "sklearn"}})
    assert [*row(summary, "estimated score").values()] == ["estimated score", "+0.60", "1.00", "NO"]
    assert [*row(each, "diabetes").values()] == ["diabetes", "300", "-2.2", "-1.5", "-2.5", "+0.60", "+2.00"]
    assert honest.sections({})[0].as_text() == "Fewer than two fits are on record."


def test_an_estimated_score_is_measured_beside_the_held_out_one() -> None:
    found = honest.measure("wine", 0, honest.QUICK_WORK, None)
    assert found["rows"] == 133 and -1 < found["estimated"] < 0 and -1 < found["held out"] < 0
    assert 0 < found["std_error"] < 0.5
    assert {case.key for case in honest.cases(Namespace(quick=True, tables=None, seeds=None, data=None))} == {
        "wine, seed 0", "diabetes, seed 0"
    }  # fmt: skip

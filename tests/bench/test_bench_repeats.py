"""Tests the bench `repeats`: the planned cases, their measurement, and the tables on its page."""

from argparse import Namespace
from typing import Any

import numpy as np
import pytest

from bench import repeats
from bench.repeats import VARIANTS, decided, price, prove, sections
from bench_help import row, table
from callback_help import TimeIsUp
from fault_help import HANG_SECONDS

pytestmark = pytest.mark.slow


def options(**changes: Any) -> Namespace:
    return Namespace(**{"quick": False, "parts": None, "data": None, "tables": None, **changes})


def test_all_cases_are_planned() -> None:
    keys = [case.key for case in repeats.cases(options())]
    assert len(set(keys)) == len(keys)
    parts = [key.partition(":")[0] for key in keys]
    assert (parts.count("proof"), parts.count("places")) == (40, 20)
    assert sum("loaded" in key for key in keys) == 20
    prices = [case.key for case in repeats.cases(options(parts=("price",), tables=("letter",)))]
    assert prices == [
        f"price: letter, {schedule}, seed {seed}" for seed in range(3) for schedule in ("greedy", "reproducible")
    ]
    assert len(repeats.cases(options(quick=True))) == 3


def test_a_case_without_its_package_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "find_spec", lambda name: None)
    case = next(case for case in repeats.cases(options()) if case.key.startswith("places: Dask, folds, regression"))
    assert case.run() == {"skipped": "distributed is not installed"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    """Add a variant on a table that is always available, and return the variant's name."""
    monkeypatch.setitem(VARIANTS, "small", repeats.Variant("wine", {"validation": 0.3}, weighted=True))
    return "small"


@pytest.fixture
def after_20_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """End timed fits after 20 jobs, however long these take."""
    timed = repeats.Fitting.timed

    def fitted(fit: repeats.Fitting, limit: float, threads: int) -> Any:
        return timed(fit, limit, threads, callbacks=TimeIsUp(monkeypatch, limit, 20))

    monkeypatch.setattr(repeats.Fitting, "timed", fitted)


@pytest.mark.usefixtures("after_20_jobs")
def test_a_fit_is_repeated(small: str) -> None:
    found = prove(small, HANG_SECONDS, 2, loaded=False, data=None)
    assert found["equal"] and found["ended"] == "time_limit" and found["decisions"] > 0
    assert set(found["seconds"]) == {"2", "again on 1", "again on 2"}


@pytest.mark.usefixtures("after_20_jobs")
def test_a_fit_on_busy_cores_is_repeated(small: str) -> None:
    found = prove(small, HANG_SECONDS, 1, loaded=True, data=None)
    assert found["equal"] and set(found["seconds"]) == {"1", "again on 2"}


def test_different_models_are_not_equal(small: str) -> None:
    fit = repeats.Fitting(small, None)
    first, second = fit.timed(5.0, 1, candidates=4), fit.timed(5.0, 1, candidates=4, random_state=1)
    assert not repeats.is_equal(first, second)


def test_a_killed_fit_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "PLACE_LIMIT", 1.0)
    monkeypatch.setattr("tempfile.tempdir", "/dev/shm")  # in memory, since a slow disk would use up the time
    found = repeats.prove_killed("folds, regression", 0, None)
    assert found["equal"] and found["decisions"] > 0


def test_the_cost_of_reproducibility_is_measured() -> None:
    found = price("wine", "reproducible", 0, 3.0, None)
    assert 0 < found["decided"] <= 1 and 0 < found["busy"] < 1.5 and found["rows"] == 178 and found["error"] < 0.2


class Run:
    def __init__(self, ended: list[tuple[int, int]], known: int) -> None:
        def columns(jobs: list[tuple[int, int]]) -> dict[str, Any]:
            return {"candidate": np.array([job[0] for job in jobs]), "rung": np.array([job[1] for job in jobs])}

        self.rungs = [{"rung": 0, "epochs": 1}, {"rung": 1, "epochs": 4}]
        self.fold_scores, self.columns = columns(ended), columns(ended[:known])


def test_the_decided_share_is_measured_in_epochs() -> None:
    assert decided(Run([(0, 0), (1, 0), (0, 1)], 2)) == pytest.approx(2 / 6)
    assert decided(Run([(0, 0), (1, 0), (0, 1)], 3)) == 1


# Contents of the page


def proved(equal: bool, again: float) -> dict[str, Any]:
    return {"equal": equal, "decisions": 9, "seconds": {"2": 5.0, "again on 1": 8.0, "again on 2": again}}


def test_unequal_fits_are_counted() -> None:
    values = {"proof: a": proved(True, 5.0), "proof: b": proved(False, 6.0), "proof: c": {"skipped": "no file"}}
    found = table(list(sections(values)), "Timed fits")
    assert row(found, "a")["equal"] == "yes" and row(found, "b")["equal"] == "NO"
    assert "1 of 2 are equal" in found.note and "median 1.10, <= 1.02 NO" in found.note

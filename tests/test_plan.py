"""The ladder for a given time: its arithmetic, that it follows from this machine, and that it fills the time."""

import time
from typing import Any

import pytest
from sklearn.datasets import load_digits, load_wine

import ash
from ash import _core
from ash import planning as plans
from ash.default_space import default_space
from ash.errors import SettingError
from ash.settings import to_settings

SPACE = default_space(2_000, 10, 1, 3, numbers=10, metric="accuracy")
DRAWN = SPACE.sample(8, 0)


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("updates", [1, 40, 3_000])
@pytest.mark.parametrize("epochs", [0.0, 0.5, 10, 300, 5_000, 1e7])
def test_the_ladder_keeps_its_promises(epochs: float, updates: float, eta: int) -> None:
    first, rungs = plans.ladder(epochs, updates, eta)
    least = max(1, -(-plans.LEAST_UPDATES // int(updates)))
    assert first >= 1 and 1 <= rungs <= plans.MOST_RUNGS
    if rungs == 1:
        assert first <= least
        return
    highest = first * eta ** (rungs - 1)
    assert first >= least and highest <= plans.MOST_EPOCHS
    assert plans.FINISHERS * rungs * highest <= epochs  # so many candidates come to its end in time
    more = min(plans.MOST_EPOCHS, epochs / (plans.FINISHERS * (rungs + 1))) / eta**rungs
    assert rungs == plans.MOST_RUNGS or more < least  # one rung more would begin too low


def test_more_time_never_makes_the_ladder_lower() -> None:
    heights = [first * 2 ** (rungs - 1) for first, rungs in (plans.ladder(e, 50, 2) for e in (1, 50, 500, 5e3, 5e4))]
    assert heights == sorted(heights) and heights[0] < heights[-1]


def test_a_plan_follows_from_the_cost_of_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_seconds_a_cost", lambda *_: 1e-9)
    found = ash.plan(2_000, 10, DRAWN, time_limit=10, threads=2, classes=3)
    twice = ash.plan(4_000, 10, DRAWN, time_limit=10, threads=2, classes=3)
    assert twice.epoch_seconds == pytest.approx(2 * found.epoch_seconds)
    assert found.epochs == pytest.approx(20 / found.epoch_seconds)
    assert found.eta == 2
    assert ash.plan(2_000, 10, DRAWN, time_limit=0, threads=1, classes=3).max_rungs == 1


def test_a_step_is_timed_here() -> None:
    found = ash.plan(2_000, 10, DRAWN, time_limit=10, threads=1, classes=3)
    assert 1e-6 < found.epoch_seconds < 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rows", 0), ("features", 0), ("candidates", []), ("time_limit", "60"), ("threads", 0), ("outputs", 0)),
        *(("classes", -1), ("numbers", 11), ("eta", 1)),
    ],
)
def test_its_arguments_are_checked(name: str, value: Any) -> None:
    given = {"rows": 100, "features": 10, "candidates": DRAWN, "time_limit": 1, "threads": 1, name: value}
    with pytest.raises(SettingError, match=f"{name}=.* is not allowed"):
        ash.plan(**given)


def test_the_table_that_is_timed_has_as_many_numbers_and_not_too_many_cells() -> None:
    """Each number that is embedded costs some 600 multiply-adds a row; features that are 0 or 1 have no part in it."""
    data = plans._random_table(50, (12, 3, 5), 3)
    assert (data.features, data.outputs, list(data.constant_features)) == (12, 3, [])
    params = {**SPACE.default, "embedding": "periodic"}
    network, _ = _core.train(data, to_settings(params), 0)
    assert network.numbers == [0, 1, 2, 3, 4]
    assert ash.plan(1_000, 200_000, [{"hidden": (4,)}], time_limit=10, threads=1, numbers=0).epochs > 0


def test_a_time_limit_alone_is_filled() -> None:
    started = time.monotonic()
    result = ash.tune(*load_wine(return_X_y=True), time_limit=2.0, threads=2, progress=False)
    assert result.ended == "time_limit" and time.monotonic() - started < 4.0
    options = result.options
    assert options.planned and options.candidates is None
    assert (options.min_epochs > 1) and len(result.rungs) <= (options.max_rungs or 0)
    assert options.schedule == "greedy"


@pytest.mark.parametrize("given", [{"candidates": 8}, {"min_epochs": 2}, {"max_rungs": 2}, {"algorithm": "sh"}])
def test_who_says_how_is_not_planned_for(given: dict[str, object]) -> None:
    result = ash.tune(*load_digits(return_X_y=True), time_limit=60, epoch_limit=4, progress=False, **given)  # type: ignore[arg-type]
    assert not result.options.planned
    assert result.options.candidates == given.get("candidates", 128)


def test_without_a_time_auto_is_a_number() -> None:
    space = ash.Space(hidden=(4,), learning_rate=ash.log(1e-3, 1e-1, levels=200))
    result = ash.tune(*load_wine(return_X_y=True), space, progress=False)
    assert result.options.candidates == 128 and result.options.min_epochs == 1

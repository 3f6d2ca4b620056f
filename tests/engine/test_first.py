"""Tests `first=` of `ash.tune` and of the estimators: configurations that are trained before all others."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine

import ash
from ash.engine.candidates import AdaptiveCandidates

X, Y = load_wine(return_X_y=True)
SPACE = ash.Space(hidden=[(4,), (8,)], learning_rate=ash.loguniform(1e-3, 1e-1))
FIRST: list[dict[str, Any]] = [
    {"hidden": (8,), "learning_rate": 0.0123456},
    {"hidden": [4], "learning_rate": 0.05},
    {"hidden": (8,), "learning_rate": 0.0123456},
]
READ = [{"hidden": (8,), "learning_rate": 0.0123456}, {"hidden": (4,), "learning_rate": 0.05}]
GIVEN: dict[str, Any] = {"candidates": 8, "validation": 0.2, "n_jobs": 1, "verbose": 0}


def test_given_configurations_come_first_and_only_once() -> None:
    drawn = ash.tune(X, Y, SPACE, **GIVEN)
    found = ash.tune(X, Y, SPACE, **GIVEN, first=FIRST)
    assert list(found.params) == [*READ, *drawn.params[:6]] and found.digest != drawn.digest
    small = ash.Space(hidden=[(4,), (8,)])
    with pytest.warns(UserWarning, match="candidates=3 exceeds the 2 configurations of the space"):
        both = ash.tune(X, Y, small, **{**GIVEN, "candidates": 3}, first=[{"hidden": 8}])
    assert [params["hidden"] for params in both.params] == [(8,), (4,)]


def test_an_adaptive_stream_starts_with_the_given_configurations() -> None:
    begin = [SPACE.default, {"hidden": (8,), "learning_rate": 0.002}]
    usual = AdaptiveCandidates(SPACE, 0, begin, (), 6).params
    found = AdaptiveCandidates(SPACE, 0, begin, (), 8, READ)
    assert found.params == [*READ, *usual]
    again = AdaptiveCandidates(SPACE, 0, begin, found.params[:5], 8, READ)
    again.draw(3)
    assert again.params == found.params
    tight = ash.Space(hidden=(4,), learning_rate=ash.loguniform(1e-3, 1e-1, levels=3))
    all_of_it = AdaptiveCandidates(tight, 0, (), (), 9, [{"hidden": (4,), "learning_rate": 0.002}])
    assert len(all_of_it.params) == all_of_it.count == 4


@pytest.mark.parametrize("kind", ["result", "journal", "study"])
def test_the_best_configurations_of_an_earlier_run_come_first(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    earlier = ash.tune(X, Y, SPACE, **{**GIVEN, "candidates": 16}, journal=path)
    first = {"result": earlier, "journal": path, "study": earlier.to_optuna()}[kind]
    model = ash.ASHClassifier(SPACE, candidates=12, first=first, random_state=9, n_jobs=1)
    found = model.fit(X, Y).result_
    rows = sorted(earlier.candidates, key=lambda row: (-row["score"], row["loss"]))
    if kind == "study":  # a study does not store the loss
        assert found.params[0] in [row["params"] for row in rows if row["score"] == earlier.best_score]
    else:
        assert list(found.params[:10]) == [row["params"] for row in rows[:10]]
    assert clone(model).fit(X, Y).result_.digest == found.digest


def test_an_endless_stream_starts_with_the_given_configurations() -> None:
    limited = ash.SearchConfig(max_total_epochs=20)
    found = ash.tune(X, Y, SPACE, **{**GIVEN, "candidates": None}, first=FIRST, config=limited)
    assert list(found.params[:2]) == READ


def test_given_configurations_are_part_of_the_journal_and_the_record(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    found = ash.tune(X, Y, SPACE, **GIVEN, first=FIRST, journal=path)
    longer = ash.tune(X, Y, SPACE, **{**GIVEN, "candidates": 16}, first=FIRST)
    assert ash.resume(path, X, Y, candidates=16, n_jobs=1, verbose=0).digest == longer.digest
    with pytest.raises(ash.JournalError, match=r"first: .* in the journal, None in this call"):
        ash.tune(X, Y, SPACE, **{**GIVEN, "candidates": 16}, journal=path)
    assert ash.tune(X, Y, record=found.record, n_jobs=1, verbose=0).record == found.record
    with pytest.raises(ash.SettingError, match="first cannot be given with record="):
        ash.tune(X, Y, record=found.record, first=FIRST)


OUTSIDE: dict[str, tuple[Any, str]] = {
    "missing": ([{"hidden": (4,)}], r"first\[0\]: learning_rate is missing"),
    "unknown": ([{"hiden": (4,)}], r"first\[0\]: unknown hyperparameter 'hiden': did you mean hidden\?"),
    "not of the space": ([{"hidden": (4,), "learning_rate": 0.02, "l2": 0.1}], "'l2' is not in the space"),
    "out of range": ([{"hidden": (4,), "learning_rate": 1.0}], "learning_rate=1.0 is not in the space"),
    "too many": (FIRST, "first has 2 configurations, more than candidates=1"),
    "no list": (3, "first must be a list of dicts .*, got 3"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_configurations_outside_the_space_are_refused(name: str) -> None:
    first, message = OUTSIDE[name]
    with pytest.raises(ash.SettingError, match=message):
        ash.tune(X, Y, SPACE, **{**GIVEN, "candidates": 1}, first=first)

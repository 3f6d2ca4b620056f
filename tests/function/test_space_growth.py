"""Tests a function's journal that is continued with a larger space."""

import json
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest

import ash
from ash.space.growth import misfit
from callback_help import Diary
from function_journal_help import GREEDY, broken, keys, looked_at, outcome, tune
from journal_help import copy, rows
from search_help import X, Y, search

SMALL: dict[str, Any] = {"x": ash.uniform(0.2, 0.4), "depth": [1, 2], "kind": "a"}
LARGE: dict[str, Any] = {"x": ash.uniform(0, 1), "depth": [3, 2, 1], "kind": ["b", "a"]}
KINDS: dict[str, dict[str, Any]] = {
    "virtual": {},
    "greedy": GREEDY,
    "sobol": {"sampler": "sobol"},
    "first": {"first": [{"x": 0.31, "depth": 2, "kind": "a"}]},
    "stream": {"candidates": None, "max_total_epochs": 120},
}


@pytest.fixture(autouse=True)
def every_job_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at(monkeypatch)


def continued(path: Path, *callbacks: Any, **changes: Any) -> ash.FunctionResult:
    """Continue the run with the large space, and ignore the warning that the space has grown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* the space has grown: ")
        result: ash.FunctionResult = tune(path, *callbacks, **{"space": LARGE, **changes})
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_continued_with_a_larger_space(kind: str, tmp_path: Path) -> None:
    """Check that recorded candidates stay, and that new ones are drawn reproducibly from the whole space, each once."""
    changes, path = KINDS[kind], tmp_path / "run.ash"
    broken(path, 9, space=SMALL, **changes)
    twin, space, diary = copy(path, tmp_path / "twin.ash"), ash.FunctionSpace(**LARGE), Diary()
    before = {number: json.loads(text) for number, text, *_ in rows(path, "SELECT * FROM candidates")}
    with pytest.warns(UserWarning, match=r"run\.ash: the space has grown: \d+ candidates on record are kept") as told:
        found = tune(path, diary, space=LARGE, **changes)
    assert str(told[0].message).split(": ")[2].startswith(f"{len(before)} candidates")
    whole = tune(None, space=SMALL, **changes)
    for number, params in enumerate(found.params):
        assert params == before.get(number, params)
        assert space.read(params) and (number not in before or params == whole.params[number])
    assert len({*map(str, found.params)}) == len(found.params)
    assert any(params["kind"] == "b" for params in found.params)
    told_before = [(job.candidate, job.rung) for job in whole.jobs[:9]]
    assert list(keys(found.jobs))[:9] == told_before and not {*told_before} & {*keys(job for job, _ in diary.jobs)}
    assert outcome(continued(twin, **changes)) == outcome(found), "the same call from the same journal"
    assert outcome(tune(path, space=LARGE, **changes)) == outcome(found), "and a call that finds all of it"


def test_a_sampler_is_told_the_earlier_candidates(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"

    def changes() -> dict[str, Any]:
        return {"sampler": optuna.samplers.TPESampler(seed=0)}

    broken(path, 9, space=SMALL, **changes())
    twin = copy(path, tmp_path / "twin.ash")
    found = continued(path, **changes())
    assert continued(twin, **changes()).digest == found.digest == continued(path, **changes()).digest
    assert any(params["kind"] == "b" for params in found.params)


def test_the_space_of_a_search_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    small, large = (
        {"max_features": [1, 2, 4], "min_samples_leaf": [1, 2, 5]},
        {"max_features": [1, 2, 4, 8], "min_samples_leaf": [1, 2, 5]},
    )
    earlier = search(space=small, journal=path).fit(X, Y).result_
    with pytest.warns(UserWarning, match="the space has grown: 8 candidates"):
        later = search(space=large, journal=path, candidates=12).fit(X, Y).result_
    assert later.params[:8] == earlier.params and len(later.params) == 12


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "level": ([1, 2], [2, 3], "has 1 in the journal, which is not in 2, 3 in this call"),
    "none": ([None, 1], [1, 2], "has None in the journal, which is not in 1, 2 in this call"),
    "type": ([1, 2], [True, 2], "has 1 in the journal"),
    "bounds": (ash.uniform(0, 1), ash.uniform(0.5, 2), r"is uniform: 0\.0 to 1\.0 in the journal, which is not within"),
    "kind": (ash.uniform(1, 2), ash.loguniform(0.1, 3), "is uniform: .* in the journal, which is not within log: "),
    "number": (0.5, ash.loguniform(1, 3), r"has 0\.5 in the journal, which is not in 1\.0 to 3\.0 in this call"),
    "step": (ash.integers(0, 4000), ash.integers(0, 9000, step=2), "0 to 4000 in the journal, .* in steps of 2"),
    "conditions": (ash.choice(1).when(y=1), ash.choice(1, 2), "has other conditions"),
}
CONTAINED: dict[str, tuple[Any, Any]] = {
    "levels": ([1, 2], [3, 2, 1]),
    "bounds": (ash.loguniform(0.1, 1), ash.loguniform(0.1, 2)),
    "single value": (0.5, ash.loguniform(0.1, 1)),
    "grid": (ash.uniform(0, 1, levels=5), ash.uniform(0, 1)),
    "steps": (ash.integers(0, 4000, step=2), ash.integers(-2, 9000)),
    "whole numbers": ([3, 5], ash.integers(1, 9)),
    "default": (ash.choice(1, 2), ash.choice(1, 2, default=2)),
    "conditions": (ash.choice(1).when(y=1), ash.choice(1, 2).when(y=1)),
}


def domains_of(given: Any) -> tuple[Any, ...]:
    return ash.FunctionSpace(x=given, y=[1, 2]).domains["x"]


@pytest.mark.parametrize("name", REFUSED)
def test_domains_that_lack_earlier_values_are_refused(name: str) -> None:
    there, here, message = REFUSED[name]
    with pytest.raises(AssertionError, match=message):
        assert not (why := misfit(domains_of(there), domains_of(here))), why


@pytest.mark.parametrize("name", CONTAINED)
def test_domains_that_contain_the_earlier_one_are_accepted(name: str) -> None:
    there, here = map(domains_of, CONTAINED[name])
    assert misfit(there, here) is None and misfit(there, there) is None

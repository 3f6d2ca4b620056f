"""Tests the argument `space` of the entry points, and runs with domains whose levels are not listed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier

import ash

X, Y = load_wine(return_X_y=True)
DOMAINS: dict[str, Any] = {
    "hidden": [(4,), ()],
    "learning_rate": ash.loguniform(1e-3, 1e-1),
    "optimizer": ["adamw", "momentum"],
    "momentum": ash.uniform(0.8, 0.99).when(optimizer="momentum"),
    "batch_size": ash.integers(16, 5000),
    "embedding": "periodic",
    "l2": [ash.uniform(0, 0.01, levels=3)],
}
SETTINGS: dict[str, Any] = {"candidates": 8, "random_state": 1, "n_jobs": 1, "verbose": 0}


def train(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, int]:
    done = epochs + (state or 0)
    return -abs(params["x"] - 0.3) - 1 / params.get("n", 1) / done, done


SPACE = {
    "x": ash.uniform(0, 1),
    "n": ash.integers(1, 10**6),
    "k": ash.integers(1, 512, log=True),
    "grid": ash.integers(1, 1000, levels=4, log=True),
    "kind": ["a", "b"],
    "rate": [ash.loguniform(1e-4, 1).when(kind="a"), 0.5],
}


def tuned(space: Any = SPACE, **changes: Any) -> ash.FunctionResult:
    return ash.tune_function(train, space, **{**SETTINGS, **changes})


def test_networks_accept_spaces_and_dicts() -> None:
    expected = ash.tune(X, Y, ash.Space(**DOMAINS), validation=0.2, **SETTINGS)
    for space in (DOMAINS, ash.FunctionSpace(**DOMAINS)):
        result = ash.tune(X, Y, space, validation=0.2, **SETTINGS)
        assert type(result.space) is ash.Space and result.digest == expected.digest
    settings = {"candidates": 8, "random_state": 1}
    one = ash.ASHClassifier(DOMAINS, **settings).fit(X, Y)
    assert one.result_.digest == ash.ASHClassifier(ash.Space(**DOMAINS), **settings).fit(X, Y).result_.digest
    assert one.space is DOMAINS


def test_functions_accept_spaces_of_networks() -> None:
    space = ash.Space(learning_rate=ash.loguniform(1e-3, 1), batch_size=[16, 32])

    def train(params: dict[str, Any], epochs: int, state: Any) -> float:
        return -params["learning_rate"] * params["batch_size"]

    result = ash.tune_function(train, space, **SETTINGS)
    assert type(result.space) is ash.FunctionSpace and list(result.params) == space.sample(8, 1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (3, r"space must be ash\.Space\(name=domain, \.\.\.\) or a dict of domains that is not empty, got 3"),
        ({}, r"space must be ash\.Space\(.*, got {}"),
        ([("hidden", (4,))], r"space must be ash\.Space\(.*, got \["),
        ({3: [1, 2]}, "the name of a hyperparameter must be text, got 3"),
        ({"alpha": ash.loguniform(1e-3, 1)}, "unknown hyperparameter 'alpha': did you mean l2?"),
        (ash.FunctionSpace(max_depth=[1, 2]), "unknown hyperparameter 'max_depth'"),
        (ash.FunctionSpace(hidden=["wide", "deep"]), "hidden must be a tuple of widths .*, got 'wide'"),
    ],
)
def test_invalid_spaces_of_networks_are_refused(space: Any, message: str) -> None:
    with pytest.raises(ash.SettingError, match=message):
        ash.tune(X, Y, space, **SETTINGS)
    with pytest.raises(ash.SettingError, match=message):
        ash.ASHClassifier(space).fit(X, Y)


def test_invalid_spaces_of_a_function_are_refused() -> None:
    with pytest.raises(ash.SettingError, match=r"space must be ash\.FunctionSpace\(.*, got None"):
        tuned(None)
    with pytest.raises(ash.SettingError, match=r"space\[0\] must be ash\.FunctionSpace\(.*, got 3"):
        ash.ASHSearchCV(SGDClassifier(), [3]).fit(X, Y)


# Runs with levels that are not listed


def test_json_holds_bounds_instead_of_levels() -> None:
    result = tuned()
    story = json.loads(result.to_json())["space"]
    assert story["x"] == [
        {"kind": "uniform", "levels": None, "default": 0.5, "when": [], "low": 0, "high": 1, "step": None}
    ]
    assert story["n"][0]["step"] == 1 and (story["n"][0]["low"], story["n"][0]["high"]) == (1, 10**6)
    assert (story["k"][0]["kind"], story["k"][0]["levels"]) == ("log integers", None)
    assert story["grid"][0]["levels"] == [1, 10, 100, 1000] and story["rate"][0]["when"] == [["kind", "a"]]
    assert len(result.to_json()) < 20_000


def test_a_run_with_unlisted_levels_is_resumed_from_its_journal(tmp_path: Path) -> None:
    whole = tuned(journal=tmp_path / "whole.ash")
    tuned(journal=tmp_path / "run.ash", candidates=3)
    assert tuned(journal=tmp_path / "run.ash").params == whole.params
    with pytest.raises(ash.JournalError, match=r"x is uniform: 0\.0 to 1\.0 in the journal, which is not .* 0\.5"):
        tuned({**SPACE, "x": ash.uniform(0, 0.5)}, journal=tmp_path / "run.ash")
    path = tmp_path / "network.ash"
    first = ash.tune(X, Y, DOMAINS, validation=0.2, journal=path, **SETTINGS)
    again = ash.resume(path, X, Y, verbose=0)
    assert again.digest == first.digest and repr(again.space) == repr(first.space)
    for name, domains in first.space.domains.items():
        assert again.space.domains[name] == domains


def test_samplers_and_studies_receive_the_ranges() -> None:
    import optuna

    of = optuna.distributions
    result = tuned(sampler=optuna.samplers.RandomSampler(seed=0), candidates=40)
    assert len({params["x"] for params in result.params}) == 40
    assert np.median([params["k"] for params in result.params]) < 100
    study = result.to_optuna()
    spans: dict[str, Any] = {}
    for trial in study.trials:
        spans |= trial.distributions
    assert spans["x"] == of.FloatDistribution(0, 1) and spans["rate"] == of.FloatDistribution(1e-4, 1, log=True)
    assert spans["n"] == of.IntDistribution(1, 10**6) and spans["k"] == of.IntDistribution(1, 512, log=True)
    assert spans["grid"] == of.IntDistribution(1, 1000, log=True)


def test_plots_and_reports_use_the_values_that_occur(tmp_path: Path) -> None:
    result = tuned(candidates=40)
    assert set(result.hyperparameter_importance()) == set(SPACE)
    result.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    assert ", log;" in result.plot_parameter("k").description and ", linear;" in result.plot_parameter("n").description


def test_given_values_between_levels_come_first() -> None:
    known = {"x": 1 / 3, "n": 7, "k": 500, "grid": 10, "kind": "a", "rate": 0.12345678901234}
    assert tuned(first=[known]).params[0] == known


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ((1e-4, 1e-1), r"ash.uniform\(0.0001, 0.1\) or ash.loguniform\(0.0001, 0.1\)$"),
        ((-1.5, 2), r"ash.uniform\(-1.5, 2\)$"),
        ((3, 9), r"ash.integers\(3, 9\)$"),
    ],
    ids=str,
)
def test_a_pair_of_numbers_that_makes_the_space_small_is_explained(value: tuple[float, float], advice: str) -> None:
    with pytest.warns(UserWarning, match=f"all of them are used. x=.* is a single value; for an interval use {advice}"):
        assert ash.FunctionSpace(x=value, kind=["a", "b"]).sample(9) == [{"x": value, "kind": kind} for kind in "ab"]


@pytest.mark.parametrize("value", [(64, 64), (64, 32), (1, 2, 3), (True, 2), ("a", "b"), [(3, 9), (3, 8)]], ids=str)
def test_other_tuples_are_taken_for_values(value: Any) -> None:
    with pytest.warns(UserWarning, match="used$"):
        ash.FunctionSpace(x=value).sample(9)


def test_one_configuration_is_written_in_the_singular() -> None:
    with pytest.warns(UserWarning, match="candidates=9 exceeds the 1 configuration of the space; it is used$"):
        ash.FunctionSpace(x=1).sample(9)


def test_a_run_of_one_job_is_described_in_the_singular() -> None:
    def fails(params: dict[str, Any]) -> float:
        raise KeyError("x")

    result = ash.tune_function(lambda params: params["x"], {"x": [1, 2]}, **{**SETTINGS, "candidates": 1})
    assert "after 1 epoch, in" in repr(result) and "1 candidate, 1 job, 1 epoch in " in repr(result)
    with pytest.warns(UserWarning), pytest.raises(ash.AllFailedError, match="the only job failed:"):
        ash.tune_function(fails, {"x": [1, 2]}, **{**SETTINGS, "candidates": 1})

"""Tests that signatures, docstrings, journal and command line agree with the table of options (ash/options.py)."""

import inspect
import pickle
import pydoc
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV

import ash
from ash.cli import command
from ash.journal.identity import OPEN, REPEATED
from ash.options import ARGUMENTS, CONFIG_FIELDS, FunctionOptions, Options, decided_workers, option_names, option_table
from config_help import configured
from data_help import options
from docstring_help import documented_types

pytestmark = pytest.mark.core

CALLERS = {
    "tune": (ash.tune, Options),
    "estimators": (ash.ASHClassifier, Options),
    "tune_function": (ash.tune_function, FunctionOptions),
    "search": (ash.ASHSearchCV, FunctionOptions),
}
OTHER_DEFAULTS = {
    ("search", "candidates"): 64,
    **{
        (caller, name): value
        for caller in ("estimators", "search")
        for name, value in {"seed": None, "verbose": 0}.items()
    },
}
TABLE = {**option_table(FunctionOptions), **option_table()}
TAKEN = [
    (caller, name)
    for caller, (_, kind) in CALLERS.items()
    for name in option_names(kind, caller=caller)
    if name not in CONFIG_FIELDS
]
X, Y = load_wine(return_X_y=True)


def parameters_of(caller):
    """Return the parameters of an entry point. The parameters of both estimators are merged."""
    functions = [CALLERS[caller][0], *([ash.ASHRegressor] if caller == "estimators" else [])]
    return {name: each for function in functions for name, each in inspect.signature(function).parameters.items()}


# Signatures and docstrings


@pytest.mark.parametrize(("caller", "name"), TAKEN)
def test_entry_points_have_the_options_of_the_table_with_its_defaults_and_types(caller, name):
    function, kind = CALLERS[caller]
    argument = ARGUMENTS.get(name, name)
    if argument not in inspect.signature(function).parameters:
        function = ash.ASHRegressor
    option = option_table(kind)[name]
    default = OTHER_DEFAULTS.get((caller, name), option.default)
    assert parameters_of(caller)[argument].default == default
    told = documented_types(inspect.getdoc(function)).get(argument)
    assert told in (None, option.check.type.removesuffix(" or None"))


@pytest.mark.parametrize("caller", CALLERS)
def test_entry_points_have_no_other_options(caller):
    _, kind = CALLERS[caller]
    arguments = {ARGUMENTS.get(name, name) for name in option_names(kind, caller=caller) if name not in CONFIG_FIELDS}
    everything = {ARGUMENTS.get(name, name) for name, option in option_table(kind).items() if option.callers}
    assert everything & parameters_of(caller).keys() == arguments


@pytest.mark.parametrize("name", CONFIG_FIELDS)
def test_a_config_field_is_an_option_with_its_type(name):
    told = documented_types(inspect.getdoc(ash.SearchConfig))
    assert told[name] == TABLE[name].check.type.removesuffix(" or None")
    assert inspect.signature(ash.SearchConfig).parameters[name].default is None


@pytest.mark.parametrize("call", [each for each, _ in CALLERS.values()])
def test_entry_points_accept_no_arbitrary_arguments(call):
    kinds = {parameter.kind for parameter in inspect.signature(call).parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


def test_resume_accepts_only_limits_and_options_that_decide_nothing():
    parameters = inspect.signature(ash.resume).parameters
    for name, option in option_table().items():
        # a metric may be a function, which must be passed again
        if name in CONFIG_FIELDS or name == "metric" or not option.callers:
            continue
        if option.decides == "end":
            assert parameters[name].default == "unchanged"
        elif option.decides is None:
            assert parameters[ARGUMENTS.get(name, name)].default == option.default
        else:
            assert ARGUMENTS.get(name, name) not in parameters
    decides = {name for name, option in option_table().items() if option.decides}
    assert {*OPEN, *REPEATED} == {*decides, "validation", "cv", "keep"}


def test_the_command_line_has_the_defaults_of_the_table():
    given = command._parser().parse_args(["table.csv"])
    for name in option_names(caller="command"):
        assert getattr(given, name) == (None if name in CONFIG_FIELDS else option_table()[name].default)


@pytest.mark.parametrize("kind", [Options, FunctionOptions])
def test_a_default_of_the_table_passes_its_check(kind):
    for name, option in option_table(kind).items():
        option.check.read(name, option.default)


# The config


def test_a_config_shows_its_given_fields():
    config = ash.SearchConfig(eta=np.int64(3), virtual_workers=4)
    assert repr(config) == f"SearchConfig(eta={np.int64(3)!r}, virtual_workers=4)" and config == replace(config, eta=3)
    assert (
        hash(config) == hash(ash.SearchConfig(eta=3, virtual_workers=4))
        and pickle.loads(pickle.dumps(config)) == config
    )


@pytest.mark.parametrize("config", [{"eta": 3}, 3, ash.SearchConfig])
def test_other_types_of_config_are_refused(config):
    with pytest.raises(ash.SettingError, match=r"config must be an ash\.SearchConfig\(\.\.\.\), or None, got"):
        ash.tune(X, Y, config=config)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda config: ash.tune(X, Y, config=config), "job_limit"),
        (lambda config: ash.ASHClassifier(config=config).fit(X, Y), "keep"),
        (lambda config: ash.tune_function(lambda p, e, s: 0.0, {"x": [1, 2]}, config=config), "missing"),
        (lambda config: ash.ASHSearchCV(SGDClassifier(), {"alpha": [1, 2]}, config=config).fit(X, Y), "teams"),
    ],
)
def test_a_config_field_unused_by_an_entry_point_is_refused(call, field):
    value = {"missing": "error", "teams": True}.get(field, 3)
    with pytest.raises(
        ash.SettingError, match=rf"config has {field}={value!r}, which has no effect in .*: leave it out"
    ):
        call(ash.SearchConfig(**{field: value}))


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (
            lambda **given: ash.tune_function(lambda p, e, s: 0.0, {"x": [1, 2]}, **given),
            "ash.tune_function: pass sampler= to ash.tune_function, not in the config",
        ),
        (
            lambda **given: ash.ASHSearchCV(SGDClassifier(), {"alpha": [1, 2]}, **given).fit(X, Y),
            "ASHSearchCV: pass sampler= to ASHSearchCV, not in the config",
        ),
        (
            lambda **given: ash.HalvingRandomSearchCV(SGDClassifier(), {"alpha": [1, 2]}, **given).fit(X, Y),
            "HalvingRandomSearchCV: leave it out",
        ),
    ],
)
def test_a_sampler_in_the_config_of_functions_is_refused_with_the_argument_to_pass(call, advice):
    with pytest.raises(ash.SettingError, match=f"config has sampler='sobol', which has no effect in {advice}$"):
        call(config=ash.SearchConfig(sampler="sobol"))


@pytest.mark.parametrize("wrong", ["tpe", np.random.default_rng(0)])
def test_a_config_names_the_samplers_that_it_takes(wrong):
    with pytest.raises(ash.SettingError, match=r"sampler must be 'adaptive', .* or an Optuna sampler such as .*, got"):
        ash.SearchConfig(sampler=wrong)


SEARCH = ash.ASHSearchCV(SGDClassifier(random_state=0), {"alpha": [1e-4, 1e-3]}, candidates=2, cv=2, random_state=0)
ESTIMATORS = {
    "classifier": ash.ASHClassifier(ash.Space(hidden=(4,)), candidates=1, random_state=0),
    "search": SEARCH,
}


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_config_fields_are_parameters_of_an_estimator(estimator):
    changed = clone(estimator).set_params(config__eta=3, random_state=5)
    assert (changed.config, changed.random_state) == (ash.SearchConfig(eta=3), 5)
    assert changed.set_params(config__min_epochs=2).config == ash.SearchConfig(eta=3, min_epochs=2)
    assert changed.set_params(config=ash.SearchConfig(virtual_workers=4), config__eta=2).config.given() == {
        "virtual_workers": 4,
        "eta": 2,
    }
    names = {f"config__{name}" for name in CONFIG_FIELDS}
    assert names <= changed.get_params().keys() and not names & changed.get_params(deep=False).keys()
    assert changed.get_params()["config__eta"] == 2 and estimator.get_params()["config__eta"] is None
    for twin in (clone(changed), pickle.loads(pickle.dumps(changed))):
        assert twin.config == changed.config and twin.get_params()["config__virtual_workers"] == 4


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_set_params_refuses_other_fields_and_invalid_values(estimator):
    with pytest.raises(ash.SettingError, match="SearchConfig has no argument 'etaa'; did you mean eta"):
        clone(estimator).set_params(config__etaa=3)
    with pytest.raises(ash.SettingError, match="eta must be an integer from 2 to 2147483647, got 1"):
        clone(estimator).set_params(config__eta=1)
    with pytest.raises(ValueError, match="Invalid parameter 'eta'"):
        clone(estimator).set_params(eta=3)


def test_a_grid_search_can_vary_config_fields():
    space = ash.Space(hidden=(4,), learning_rate=ash.loguniform(1e-3, 1e-1, levels=9))
    model = ash.ASHClassifier(space, candidates=9, ensemble=1, refit=False, random_state=0, n_jobs=1)
    found = GridSearchCV(model, {"config__eta": [2, 3]}, cv=2).fit(X, Y)
    assert found.best_params_ == {"config__eta": found.best_estimator_.config.eta}
    assert {len(clone(model).set_params(config__eta=eta).fit(X, Y).result_.rungs) for eta in (2, 3)} == {2, 3}


# Misspelled arguments


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: ash.tune(X, Y, seed=0), "tune has no argument 'seed'; did you mean random_state?"),
        (lambda: ash.tune(X, Y, metric="r2"), "did you mean scoring?"),
        (lambda: ash.tune(X, Y, threads=2), "did you mean n_jobs?"),
        (lambda: ash.tune(X, Y, timeout=2), "did you mean time_limit?"),
        (lambda: ash.tune(X, Y, candidate=2), "did you mean candidates?"),
        (lambda: ash.tune(X, Y, eta=3), r"pass config=ash.SearchConfig\(eta=...\)"),
        (lambda: ash.tune(X, Y, target=0.9), r"pass config=ash.SearchConfig\(stop_score=...\)"),
        (lambda: ash.tune(X, Y, max_rung=3), r"did you mean config=ash.SearchConfig\(max_rungs=...\)?"),
        (
            lambda: ash.tune(X, Y, something=3),
            "it has X, y, space, .*; other options are fields of config=ash\\.SearchConfig",
        ),
        (lambda: ash.ASHRegressor(seed=1), "ASHRegressor has no argument 'seed'; did you mean random_state?"),
        (lambda: ash.ASHClassifier(metric="auc"), "did you mean scoring?"),
        (lambda: ash.ASHClassifier(threads=1), "did you mean n_jobs?"),
        (lambda: ash.ASHSearchCV(SGDClassifier(), param_distributions={}), "did you mean space?"),
        (lambda: ash.ASHSearchCV(SGDClassifier(), {}, factor=3), r"pass config=ash.SearchConfig\(eta=...\)"),
        (lambda: ash.tune_function(None, {}, n_trials=3), "did you mean candidates?"),
        (lambda: ash.tune_function(None, {}, mode="max"), "did you mean direction?"),
        (lambda: ash.tune_function(None, {}, grace_period=2), r"pass config=ash.SearchConfig\(min_epochs=...\)"),
        (lambda: ash.tune_function(None, {}, max_t=9), "did you mean max_epochs?"),
        (lambda: ash.tune_function(None, {}, search_alg="random"), "did you mean sampler?"),
        (lambda: ash.tune_function(None, {}, max_concurrent_trials=2), "did you mean n_jobs?"),
        (lambda: ash.tune_function(None, {}, catch=()), "did you mean error?"),
        (lambda: ash.tune_function(None, {}, pruner=3), "'pruner'; leave it out: the ladder prunes"),
        (lambda: ash.tune(X, Y, scheduler=3), "'scheduler'; leave it out: the ladder prunes"),
        (lambda: ash.resume("x", X, Y, threads=3), "did you mean n_jobs?"),
        (lambda: ash.SearchConfig(target=3), "did you mean stop_score?"),
        (
            lambda: ash.plan(100, 4, [{}], time_limit=1, n_threads=1),
            "plan has no .* 'n_threads'; did you mean threads?",
        ),
        (lambda: ash.simulate(64, factor=3), "simulate has no argument 'factor'; did you mean eta?"),
        (lambda: ash.Ladder(64, target=3), "Ladder has no argument 'target'; did you mean stop_score?"),
        (lambda: ash.Ladder(64, max_epochs=3), "the epochs of the last rung follow from min_epochs, eta and max_rungs"),
        (lambda: ash.Ladder(64, max_t=3), "the epochs of the last rung follow from min_epochs, eta and max_rungs"),
        (lambda: ash.uniform(0, 1, step=0.1), "uniform has no argument 'step'; did you mean levels?"),
        (lambda: ash.loguniform(1, 9, step=0.1), "loguniform has no argument 'step'; did you mean levels?"),
        (lambda: ash.uniform(1, 9, log=True), r"for a logarithmic scale use ash.loguniform\(low, high\)"),
    ],
)
def test_a_misspelled_argument_is_refused_with_a_suggestion(call, hint):
    with pytest.raises(ash.UnknownArgumentError, match=hint) as raised:
        call()
    assert isinstance(raised.value, TypeError) and isinstance(raised.value, ash.SettingError)


# Conflicting arguments


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"validation": 0.2, "cv": 3}, "validation= and cv="),
        ({"virtual_workers": 4, "schedule": "greedy"}, "workers=4 .*schedule='greedy'"),
        ({"virtual_workers": 4, "time_limit": 1.0, "schedule": "greedy"}, "workers=4 .*schedule='greedy'"),
        ({"promotion": "paper", "algorithm": "sh"}, "promotion='paper' .*algorithm='sh'"),
        ({"worker_timeout": 3.0}, "worker_timeout=3.0 .*executor="),
        ({"max_total_epochs": 2, "min_epochs": 3}, "max_total_epochs=2 .*min_epochs=3"),
        ({"groups": Y, "validation": (X, Y)}, r"groups have no effect with validation=\(X, y\)"),
    ],
)
def test_conflicting_arguments_are_refused_by_name(arguments, names):
    with pytest.raises(ash.SettingError, match=names):
        ash.tune(X, Y, **configured(arguments))


def test_costs_conflict_with_the_greedy_schedule():
    with pytest.raises(ash.SettingError, match=r"costs= .*schedule='greedy'"):
        ash.tune_function(lambda p, e, s: 0.0, {"x": [1]}, costs=len, config=ash.SearchConfig(schedule="greedy"))


def test_an_explicit_schedule_is_kept_in_a_planned_run():
    space = ash.Space(hidden=(4,), learning_rate=ash.loguniform(1e-3, 1e-1, levels=99))
    arguments = {"time_limit": 60, "max_total_epochs": 4, "n_jobs": 1, "verbose": 0}
    kept, own, usual = (
        ash.tune(X, Y, space, validation=0.2, **configured({**arguments, **given}))
        for given in ({"schedule": "greedy"}, {"virtual_workers": 2}, {})
    )
    assert [each.options.schedule for each in (kept, own, usual)] == ["greedy", "reproducible", "reproducible"]
    assert (own.options.virtual_workers, usual.options.virtual_workers) == (2, 4)
    assert all(each.options.planned for each in (kept, own, usual))


def test_ladders_with_one_rung_cause_no_warning():
    def step(params, epochs, state):
        return params["x"] * epochs, 0

    tuned = ash.tune(X, Y, ash.Space(hidden=(4,), batch_size=[16, 32, 64]), candidates=3, verbose=0)
    found = ash.tune_function(step, {"x": [1, 2, 3]}, candidates=3, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = ash.ASHSearchCV(SGDClassifier(), {"alpha": [1, 2, 3]}, candidates=3, cv=2).fit(X, Y)
    assert [len(each.rungs) for each in (tuned, found, search.result_)] == [1, 1, 1]


@pytest.mark.parametrize(("limit", "told"), [({"time_limit": 1000.0}, "min"), ({"work_limit": 1e3}, "times as long")])
def test_progress_says_how_long_a_search_with_promotions_takes(limit, told, monkeypatch, capsys):
    monkeypatch.setattr("ash.engine.planning._seconds_a_cost", lambda *_: 1e-3)
    space, given = ash.Space(hidden=(64, 64), l2=[0.0, 1e-3, 1e-2, 0.1]), {"keep": 1, "max_total_epochs": 4, **limit}
    result = ash.tune(X, Y, space, validation=0.2, verbose=2, **configured(given))
    assert len(result.rungs) == 1 and result.options.fuller > 1
    assert re.search(f"a search with promotions takes about .*{told}", capsys.readouterr().err)


def test_the_help_of_tune_fits_on_three_screens():
    assert len(pydoc.plain(pydoc.render_doc(ash.tune)).splitlines()) <= 3 * 24


# Virtual workers


@pytest.mark.parametrize("threads", [1, 2])
def test_virtual_workers_depend_on_the_threads_in_a_planned_run(threads: int) -> None:
    planned = options(time_limit=60, n_jobs=threads)
    assert planned.planned and planned.schedule == "reproducible"
    assert planned.virtual_workers is None and decided_workers(planned) == 4 * threads
    assert decided_workers(options(time_limit=60, n_jobs=threads, virtual_workers=5)) == 5
    assert decided_workers(options(time_limit=60, n_jobs=threads, schedule="greedy")) == 32, "which has none"
    for given in ({"candidates": 64}, {"candidates": 64, "time_limit": 60}, {"candidates": None, "work_limit": 1e9}):
        assert decided_workers(options(n_jobs=threads, **given)) == 32
    for given in ({}, {"work_limit": 1e9}):
        assert decided_workers(options(n_jobs=threads, **given)) == 8


def test_a_planned_function_search_takes_its_virtual_workers_from_the_threads(tmp_path: Path) -> None:
    def train(params: dict[str, Any], epochs: int, state: Any) -> float:
        return float(params["x"])

    given: dict[str, Any] = {"candidates": 4, "costs": lambda params, epochs: epochs, "journal": tmp_path / "run.ash"}
    space = {"x": ash.uniform(0, 1)}
    assert ash.tune_function(train, space, time_limit=60, n_jobs=1, **given).settings["virtual_workers"] == 4
    again = ash.tune_function(train, space, time_limit=60, n_jobs=2, **given)
    assert again.settings["virtual_workers"] == 4, "as the journal was begun"
    assert ash.tune_function(train, space, n_jobs=2, **{**given, "journal": None}).settings["virtual_workers"] == 8


def test_a_warning_names_threads_without_a_virtual_worker() -> None:
    def train(params: dict[str, Any], epochs: int, state: Any) -> float:
        return float(params["x"])

    given: dict[str, Any] = {"candidates": 4, "random_state": 0, "verbose": 0}
    space = {"x": ash.uniform(0, 1)}
    with ThreadPoolExecutor(9) as executor:
        with pytest.warns(UserWarning, match=r"at most 8 of 9 threads .*ash\.SearchConfig\(virtual_workers=9\)"):
            ash.tune_function(train, space, executor=executor, **given)
        for config in (ash.SearchConfig(virtual_workers=8), ash.SearchConfig(schedule="greedy")):
            ash.tune_function(train, space, executor=executor, config=config, **given)

"""Tests a run written as an Optuna study and read by Optuna: trials, storages, plots, importances and the dashboard."""

import ast
import dataclasses
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_wine

import ash
import needs
from ash.errors import SettingError
from result_help import make_result

States = optuna.trial.TrialState
SPACE = ash.Space(
    hidden=ash.choice((32,), (16, 8), ()),
    optimizer=ash.choice("adamw", "momentum"),
    learning_rate=[ash.loguniform(1e-3, 1e-1).when(optimizer="momentum"), ash.loguniform(1e-4, 1e-2)],
    momentum=[ash.uniform(0.8, 0.99).when(optimizer="momentum"), ash.choice(0.5).when(optimizer="adamw")],
    batch_size=ash.integers(16, 64, step=16),
    dropout=ash.uniform(0.0, 0.3, levels=4).when(hidden=((32,), (16, 8))),
    activation="relu",
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture(scope="module")
def result() -> ash.Result:
    return ash.tune(*load_wine(return_X_y=True), SPACE, candidates=32, verbose=0, validation=0.2)


@pytest.fixture(scope="module")
def study(result: ash.Result) -> Any:
    return result.to_optuna()


def test_every_candidate_is_a_trial(result: ash.Result, study: Any) -> None:
    assert [trial.user_attrs["candidate"] for trial in study.trials] == list(range(32))
    for trial, params, row in zip(study.trials, result.params, result.candidates, strict=True):
        read = {name: ast.literal_eval(value) if name == "hidden" else value for name, value in trial.params.items()}
        assert read | {"activation": "relu"} == params
        assert trial.distributions.keys() == trial.params.keys()
        assert (trial.value, trial.user_attrs["loss"]) == (row["score"], row["loss"])
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    assert study.best_value == result.best_score
    assert study.user_attrs["fixed"] == {"activation": "relu"} and study.user_attrs["digest"] == result.digest
    assert study.user_attrs["best_candidate"] == result.best_candidate
    assert study.user_attrs["settings"]["seed"] == result.seed == study.user_attrs["seed"]


def test_scores_and_times_of_jobs_are_in_the_trials(result: ash.Result, study: Any) -> None:
    for trial in study.trials:
        jobs = [job for job in result.jobs if job.candidate == trial.number]
        assert list(trial.intermediate_values.values()) == [job.score for job in jobs]
        assert list(trial.intermediate_values) == np.cumsum([job.epochs for job in jobs]).tolist()
        assert trial.user_attrs["digest"] == f"{jobs[-1].weights_hash:016x}"
        began = (trial.datetime_start.astimezone() - result.started).total_seconds()
        ended = (trial.datetime_complete.astimezone() - result.started).total_seconds()
        assert began == pytest.approx(jobs[0].start, abs=1e-5) and ended == pytest.approx(jobs[-1].end, abs=1e-5)


def test_restarted_jobs_count_only_their_own_epochs() -> None:
    result = make_result(training="restart")
    assert {epochs for trial in result.to_optuna().trials for epochs in trial.intermediate_values} == {1, 2, 4, 8}


def test_trials_have_the_right_states(result: ash.Result, study: Any) -> None:
    top = max(job.rung for job in result.jobs)
    complete = {job.candidate for job in result.jobs if job.rung == top} | {result.best_candidate}
    assert {trial.number for trial in study.trials if trial.state is States.COMPLETE} == complete
    assert {trial.state for trial in study.trials} == {States.COMPLETE, States.PRUNED}
    assert {trial.state for trial in result.to_optuna(pruned=False).trials} == {States.COMPLETE}


def test_diverged_candidates_are_failed_trials() -> None:
    result = make_result(diverge=0.4)
    gone = {job.candidate for job in result.jobs if job.diverged}
    trials = result.to_optuna().trials
    assert gone == {trial.number for trial in trials if trial.state is States.FAIL} != set()
    assert all(trials[number].values is None and trials[number].intermediate_values == {} for number in gone)
    assert all(trials[number].user_attrs["loss"] is None for number in gone)


def test_the_best_trial_is_complete_even_if_it_diverged_later() -> None:
    result = make_result()
    jobs = np.flatnonzero(result.columns["candidate"] == result.best_candidate)
    columns = {name: column.copy() for name, column in result.columns.items()}
    columns["diverged"][jobs[-1]], columns["score"][jobs[-1]] = True, np.nan
    trial = dataclasses.replace(result, columns=columns).to_optuna().trials[result.best_candidate]
    assert trial.state is States.COMPLETE and trial.value == columns["score"][jobs[-2]]
    assert len(trial.intermediate_values) == len(jobs) - 1


def test_candidates_that_never_ran_are_left_out() -> None:
    result = ash.tune(
        *load_wine(return_X_y=True),
        SPACE,
        candidates=32,
        verbose=0,
        config=ash.SearchConfig(max_total_epochs=8),
        validation=0.2,
    )
    ran = {job.candidate for job in result.jobs}
    assert len(ran) < 32 and {trial.user_attrs["candidate"] for trial in result.to_optuna().trials} == ran


def test_distributions_cover_the_domains(study: Any) -> None:
    kinds = optuna.distributions
    found = {name: trial.distributions[name] for trial in study.trials for name in trial.params}
    assert found == {
        "hidden": kinds.CategoricalDistribution(("(32,)", "(16, 8)", "()")),
        "optimizer": kinds.CategoricalDistribution(("adamw", "momentum")),
        "learning_rate": kinds.FloatDistribution(1e-4, 1e-1, log=True),
        "momentum": kinds.FloatDistribution(0.5, 0.99),
        "batch_size": kinds.IntDistribution(16, 64, step=16),
        "dropout": kinds.FloatDistribution(0.0, 0.3),
    }
    without = [trial for trial in study.trials if trial.params["hidden"] == "()"]
    assert without and all("dropout" not in trial.params for trial in without)


def test_domains_without_a_common_range_are_categorical() -> None:
    domains = [ash.integers(8, 32, step=8).when(hidden=(32,)), ash.choice("full", 64)]
    space = ash.Space(
        hidden=ash.choice((32,), (8,)), batch_size=domains, l2=[ash.loguniform(1e-3, 1.0).when(hidden=(8,)), 0.0]
    )
    trial = ash.tune(*load_wine(return_X_y=True), space, candidates=2, verbose=0, validation=0.2).to_optuna().trials[0]
    assert trial.distributions["batch_size"].choices == (8, 16, 24, 32, "full", 64)
    assert trial.distributions["l2"] == optuna.distributions.FloatDistribution(0.0, 1.0)


# Storages


def storages(folder: Path) -> dict[str, Any]:
    backend = importlib.import_module("optuna.storages.journal").JournalFileBackend
    return {
        "sqlite": f"sqlite:///{folder}/study.db",
        "journal": optuna.storages.JournalStorage(backend(f"{folder}/log")),
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # SQLAlchemy's connections are closed by the garbage collector
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_study_is_written_to_a_storage_and_read_back(
    kind: str, result: ash.Result, study: Any, tmp_path: Path
) -> None:
    result.to_optuna(storages(tmp_path)[kind], "wine")
    again = optuna.load_study(storage=storages(tmp_path)[kind], study_name="wine")
    names = ("number", "state", "value", "params", "distributions", "user_attrs", "intermediate_values")
    for ours, theirs in zip(study.trials, again.trials, strict=True):
        assert all(getattr(ours, name) == getattr(theirs, name) for name in (*names, "datetime_start"))
    assert again.user_attrs == study.user_attrs
    with pytest.raises(SettingError, match="study_name='wine' already exists in the storage"):
        result.to_optuna(storages(tmp_path)[kind], "wine")
    assert len(optuna.load_study(storage=storages(tmp_path)[kind], study_name="wine").trials) == 32


def test_a_study_that_cannot_be_written_leaves_nothing_behind(
    result: ash.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("disk full")

    storage = optuna.storages.InMemoryStorage()
    monkeypatch.setattr(optuna.Study, "add_trials", full)
    with pytest.raises(OSError, match="disk full"):
        result.to_optuna(storage, "wine")
    assert optuna.get_all_study_names(storage) == []


def test_optuna_can_continue_the_search(result: ash.Result) -> None:
    study = result.to_optuna(pruned=False)
    study.sampler = optuna.samplers.TPESampler(seed=0, multivariate=False)
    trial = study.ask(dict(study.trials[0].distributions))
    study.tell(trial, 0.5)
    assert len(study.trials) == 33 and 1e-4 <= trial.params["learning_rate"] <= 1e-1


# Optuna's use of the study

SEVERAL_OBJECTIVES = ("plot_hypervolume_history", "plot_pareto_front")
"""Plots that need a study with several objectives."""


def plots(module: str) -> list[Any]:
    names = importlib.import_module(module).__all__ if importlib.util.find_spec(module) else []
    return [(module, name) for name in names if name.startswith("plot_") and name not in SEVERAL_OBJECTIVES]


@pytest.fixture(scope="module")
def small() -> ash.Result:
    """Return a run with few candidates, since one plot fits a Gaussian process to each prefix of the study."""
    space = ash.Space(
        hidden=ash.choice((8,), ()),
        optimizer=ash.choice("adamw", "momentum"),
        learning_rate=ash.loguniform(1e-3, 1e-1),
        momentum=ash.uniform(0.8, 0.99).when(optimizer="momentum"),
    )
    return ash.tune(*load_wine(return_X_y=True), space, candidates=10, verbose=0, validation=0.2)


def draw(module: str, name: str, study: Any) -> None:
    if name == "plot_terminator_improvement":
        needs.package("torch")
    drawn = getattr(importlib.import_module(module), name)(study)
    if module.endswith("matplotlib"):
        assert any(axes.has_data() for axes in np.ravel(drawn))
        importlib.import_module("matplotlib.pyplot").close("all")
    else:
        assert json.loads(drawn.to_json())["data"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")  # warnings about axes whose values are all equal
@pytest.mark.parametrize(("module", "name"), plots("optuna.visualization") + plots("optuna.visualization.matplotlib"))
def test_every_plot_draws_a_study(module: str, name: str, small: ash.Result) -> None:
    draw(module, name, small.to_optuna(pruned=False))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")  # warnings about plots with few trials left
@pytest.mark.parametrize("name", ["plot_intermediate_values", "plot_timeline", "plot_slice", "plot_param_importances"])
def test_plots_accept_a_study_with_pruned_trials(name: str, small: ash.Result) -> None:
    draw("optuna.visualization", name, small.to_optuna())


def test_importances_can_be_computed(result: ash.Result) -> None:
    found = optuna.importance.get_param_importances(result.to_optuna(pruned=False))
    assert {"hidden", "learning_rate"} <= found.keys() <= SPACE.domains.keys() - {"activation"}
    assert sum(found.values()) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_dashboard_shows_a_study(result: ash.Result, tmp_path: Path) -> None:
    import optuna_dashboard

    result.to_optuna(storages(tmp_path)["sqlite"], "wine")
    answer = optuna_dashboard.wsgi(storages(tmp_path)["sqlite"])

    def ask(path: str, query: str = "") -> Any:
        request = {"PATH_INFO": path, "QUERY_STRING": query}
        setup_testing_defaults(request)
        return json.loads(b"".join(answer(request, lambda *_: None)))

    (summary,) = ask("/api/studies")["study_summaries"]
    detail = ask(f"/api/studies/{summary['study_id']}", "after=0")
    assert summary["study_name"] == "wine" and summary["directions"] == ["maximize"]
    assert len(detail["trials"]) == 32 and detail["best_trials"][0]["values"] == [result.best_score]
    assert {trial["state"] for trial in detail["trials"]} == {"Complete", "Pruned"}
    assert all(trial["intermediate_values"] for trial in detail["trials"])


@pytest.mark.parametrize("storage", [3, "study.db", object])
def test_invalid_storages_are_refused(storage: Any, result: ash.Result) -> None:
    with pytest.raises(SettingError, match=r"storage must be a URL such as 'sqlite:///study\.db', an Optuna storage"):
        result.to_optuna(storage)

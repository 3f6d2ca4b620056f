"""Tests runs on tables whose candidates an Optuna sampler proposes, as `SearchConfig.sampler`."""

import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.base import clone

import ash
from ash.errors import JournalCorruptError
from callback_help import TimeIsUp, X, Y
from estimator_help import classifier
from fault_help import small_space
from journal_help import JOBS, change, outcome, rows, run, stopped, with_states

SPACE = small_space(
    learning_rate=ash.loguniform(1e-3, 1e-1, levels=50), dropout=ash.uniform(0, 0.5), batch_size=[16, 32]
)


def tpe(**fields: Any) -> ash.SearchConfig:
    """Return a config with a new TPE sampler, which begins to learn after four candidates."""
    workers = {} if "schedule" in fields else {"virtual_workers": 4}
    return ash.SearchConfig(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=4), **workers, **fields)


def proposed(journal: Path | None = None, *callbacks: Any, **changes: Any) -> ash.Result:
    """Do a run of 16 candidates that TPE proposes."""
    return run(journal, *callbacks, **{"space": SPACE, "config": tpe(), **changes})


def test_proposals_are_the_same_on_any_number_of_threads_and_on_an_executor() -> None:
    expected = proposed(n_jobs=1)
    rates = [params["learning_rate"] for params in expected.params]
    levels = {level for domain in SPACE.domains["learning_rate"] for level in domain.levels}
    assert (
        len(expected.params) == 16
        and not levels.issuperset(rates)
        and not any(SPACE.read(params)[1] for params in expected.params)
    )
    drawn = run(None, space=SPACE, config=ash.SearchConfig(virtual_workers=4))
    assert expected.params != drawn.params
    assert proposed(n_jobs=2).digest == expected.digest
    with ThreadPoolExecutor(2) as pool:
        assert proposed(n_jobs=2, executor=pool).digest == expected.digest


@pytest.mark.parametrize("schedule", ["reproducible", "greedy"])
def test_the_sampler_is_told_the_results_before_it_proposes(schedule: str) -> None:
    seen: list[dict[int, float]] = []

    class Sampler(optuna.samplers.RandomSampler):
        def before_trial(self, study: Any, trial: Any) -> None:
            done = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
            seen.append({each.number: each.value for each in done})

    fields = {"virtual_workers": 1} if schedule == "reproducible" else {"schedule": schedule}
    space = small_space(
        learning_rate=ash.choice(1e-3, 1e-2, 1e6, 1e7), optimizer="sgd", hidden=(6,), dropout=[0.0, 0.1]
    )
    config = ash.SearchConfig(sampler=Sampler(seed=0), promotion="paper", **fields)
    result = run(None, space=space, candidates=8, n_jobs=1, config=config)
    finished = {job.candidate for job in result.jobs if not job.diverged}
    assert 0 < len(finished) < 8  # the others have diverged: they count as failed trials
    assert len(seen[0]) == 0 and len(seen[-1]) > 1 and set(map(len, seen)) > {0, 1}
    best = max(seen[-1], key=lambda number: (seen[-1][number], number))
    assert seen[-1][best] == 1 and all(0 < share <= 1 for share in seen[-1].values())


def test_configurations_given_first_come_before_the_proposals() -> None:
    first = [dict(params) for params in proposed().params[3:5]]
    assert list(proposed(first=first).params[:2]) == first


def test_a_space_without_ranges_is_searched_once() -> None:
    space = small_space(learning_rate=[1e-3, 1e-2, 1e-1], hidden=[(4,), (6,)])
    with pytest.warns(UserWarning, match="candidates=16 exceeds the 6 configurations of the space"):
        result = run(None, space=space, config=tpe())
    assert len(result.params) == 6 == len({str(params) for params in result.params})


def test_a_stopped_run_is_resumed_with_the_same_proposals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    expected = proposed(n_jobs=1)
    for jobs in (1, 7, len(expected.jobs) - 3):
        path = tmp_path / f"{jobs}.ash"
        first = proposed(path, config=tpe(max_total_epochs=8 * jobs))
        assert first.ended == "max_total_epochs" and len(first.jobs) < len(expected.jobs)
        again = proposed(path)
        assert outcome(again) == outcome(expected)
        assert again.memory["retrained_epochs"] == 0  # the recorded states are those of candidates proposed again


@pytest.mark.filterwarnings("ignore:the sampler proposes other candidates")
def test_a_greedy_run_keeps_its_jobs_when_it_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = proposed(path, config=tpe(schedule="greedy", max_total_epochs=8 * 12))
    again = proposed(path, config=tpe(schedule="greedy"))
    assert again.jobs[: len(first.jobs)] == first.jobs and len(again.params) == 16
    begun = 1 + max(job.candidate for job in first.jobs)
    assert again.params[:begun] == first.params[:begun]


def test_a_finished_run_is_read_again_without_training(tmp_path: Path) -> None:
    limits = {"candidates": None, "time_limit": 600.0}
    first = proposed(tmp_path / "run.ash", config=tpe(max_total_epochs=200), **limits)
    again = proposed(tmp_path / "run.ash", config=tpe(max_total_epochs=200), **limits)
    assert first.ended == "max_total_epochs" and outcome(again) == outcome(first)


def test_a_resumed_run_without_time_left_has_all_recorded_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"candidates": None, "time_limit": 100}
    first = proposed(tmp_path / "run.ash", TimeIsUp(monkeypatch, 100), **limits)
    again = proposed(tmp_path / "run.ash", **limits)
    assert first.ended == again.ended == "time_limit" and again.jobs == first.jobs


def test_a_sampler_without_a_seed_keeps_the_recorded_candidates(tmp_path: Path) -> None:
    def config(**fields: Any) -> ash.SearchConfig:
        return ash.SearchConfig(sampler=optuna.samplers.RandomSampler(), virtual_workers=4, **fields)

    first = proposed(tmp_path / "run.ash", config=config(max_total_epochs=8 * 12))
    with pytest.warns(UserWarning, match="the sampler proposes other candidates than those on record"):
        again = proposed(tmp_path / "run.ash", config=config())
    begun = 1 + max(job.candidate for job in first.jobs)
    assert len(again.jobs) >= JOBS and again.params[:begun] == first.params[:begun]


def test_resume_needs_the_sampler_again(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    stopped(path, 4, space=SPACE, config=tpe())
    with pytest.raises(ash.SettingError, match="sampler=None: pass an Optuna sampler in the config, equal to the one"):
        ash.resume(path, X, Y)
    with pytest.raises(ash.JournalError, match="sampler: 'TPESampler' in the journal, 'RandomSampler' in this call"):
        ash.resume(path, X, Y, config=ash.SearchConfig(sampler=optuna.samplers.RandomSampler(seed=0)))
    with pytest.raises(ash.JournalError, match="sampler: 'TPESampler' in the journal, 'random' in this call"):
        run(path, space=SPACE, config=ash.SearchConfig(virtual_workers=4))
    config = ash.SearchConfig(sampler=tpe().sampler, max_total_epochs=2**40)
    assert outcome(ash.resume(path, X, Y, config=config)) == outcome(proposed())


def test_a_larger_space_keeps_the_candidates_on_record(tmp_path: Path) -> None:
    first = proposed(tmp_path / "run.ash", candidates=6)
    larger = small_space(learning_rate=ash.loguniform(1e-3, 1e-1), dropout=ash.uniform(0, 0.5), batch_size=[16, 32, 64])
    with pytest.warns(UserWarning, match="the space has grown: 6 candidates on record are kept"):
        again = proposed(tmp_path / "run.ash", space=larger)
    assert again.params[:6] == first.params and len(again.params) == 16


def test_numbers_between_listed_levels_can_be_resumed(tmp_path: Path) -> None:
    few = {"space": small_space(learning_rate=ash.loguniform(1e-3, 1e-1, levels=5))}
    expected = proposed(**few, config=tpe())
    proposed(tmp_path / "run.ash", **few, config=tpe(max_total_epochs=8 * 9))
    assert outcome(proposed(tmp_path / "run.ash", **few, config=tpe())) == outcome(expected)


def test_a_recorded_state_that_does_not_fit_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange the states for those of larger networks. Only candidate 0 has the same network in both runs."""
    with_states(monkeypatch)
    first = {name: levels[0].levels[0] for name, levels in small_space(hidden=(4,)).domains.items()}
    for name, hidden in (("run.ash", (5,)), ("other.ash", (9,))):
        space = small_space(hidden=[(4,), hidden])
        begun = proposed(tmp_path / name, space=space, first=[first], config=tpe(max_total_epochs=8 * 4))
        assert {params["hidden"] for params in begun.params} == {(4,), hidden} and len(begun.jobs) == 4
    shutil.rmtree(tmp_path / "run.ash-states")
    shutil.move(tmp_path / "other.ash-states", tmp_path / "run.ash-states")
    change(tmp_path / "run.ash", "DELETE FROM states")
    for row in rows(tmp_path / "other.ash", "SELECT * FROM states"):
        change(tmp_path / "run.ash", f"INSERT INTO states VALUES ({', '.join('?' * len(row))})", *row)
    with pytest.raises(JournalCorruptError, match="is damaged: ValueError: "):
        proposed(tmp_path / "run.ash", space=small_space(hidden=[(4,), (5,)]), first=[first])


def test_a_recorded_run_is_repeated_with_the_same_sampler() -> None:
    record = proposed().record
    assert record.settings["sampler"] == "TPESampler"
    assert ash.tune(X, Y, record=record, config=ash.SearchConfig(sampler=tpe().sampler)).record == record
    for given in ({}, {"sampler": optuna.samplers.RandomSampler(seed=0)}, {"sampler": "random"}):
        with pytest.raises(ash.SettingError, match="pass the TPESampler of the run in the config"):
            ash.tune(X, Y, record=record, config=ash.SearchConfig(**given))
    drawn = run(None).record
    with pytest.raises(ash.SettingError, match="config has sampler, which cannot be given with record="):
        ash.tune(X, Y, record=drawn, config=ash.SearchConfig(sampler=tpe().sampler))


def test_estimators_take_samplers_and_clones_have_their_own() -> None:
    estimator = classifier(space=SPACE, config=tpe())
    other = clone(estimator)
    assert other.config.sampler is not estimator.config.sampler
    digests = [each.fit(X, Y).result_.digest for each in (estimator, other, estimator)]
    assert len(set(digests)) == 1  # also of a second fit with the same sampler
    assert estimator.result_.settings["sampler"] == "TPESampler"


def test_a_sampler_learns_from_the_scores_of_networks() -> None:
    """TPE draws most learning rates near the good ones, once it knows some."""
    space = small_space(learning_rate=ash.loguniform(1e-5, 1e-1), hidden=(16,))
    config = ash.SearchConfig(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=10), virtual_workers=2)
    rates = [params["learning_rate"] for params in run(None, space=space, candidates=60, config=config).params]
    low = [sum(math.log10(rate) < -3 for rate in part) for part in (rates[:10], rates[-30:])]
    assert low[0] >= 3 and low[1] <= 6

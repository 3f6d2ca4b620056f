"""Tests `ash.from_optuna`: Optuna objectives run unchanged on the ladder."""

import logging
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import ash
from ash._utils.display import show_params
from ash.cli.show import journal_lines
from ash.history.records import PRUNED
from fault_help import wait_until
from function_help import FAILURES

REPORTS = 8


def descend(trial: optuna.Trial) -> float:
    """Return the error of a weight that approaches 1. Later suggestions depend on earlier ones."""
    rate = trial.suggest_float("rate", 1e-2, 1.0, log=True)
    kind = trial.suggest_categorical("kind", ["plain", "damped", None])
    damping = trial.suggest_int("damping", 1, 9) if kind == "damped" else 0
    weight = 0.0
    for epoch in range(REPORTS):
        weight += rate * (1 - weight) / (1 + damping)
        trial.report(abs(1 - weight), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("weight", weight)
    return abs(1 - weight)


def run(objective: Any = descend, **changes: Any) -> ash.FunctionResult:
    given = {"candidates": 16, "direction": "minimize", "max_epochs": REPORTS, "n_jobs": 1, "verbose": 0}
    return ash.tune_function(ash.from_optuna(objective), **{**given, **changes})


def by_hand(params: dict[str, Any], reports: int) -> float:
    return float((1 - params["rate"] / (1 + params.get("damping", 0))) ** reports)


def test_an_objective_runs_unchanged() -> None:
    found = run(sampler="random")
    assert [row["places"] for row in found.rungs] == [16, 8, 4, 2]
    for job in found.jobs:
        reports = sum(row["epochs"] for row in found.rungs[: job.rung + 1])
        assert -job.score == pytest.approx(by_hand(found.params[job.candidate], reports))
    assert found.best_epochs == REPORTS and found.best_state == {"weight": pytest.approx(1 - found.best_value)}
    assert set(found.space.domains) == {"rate", "kind", "damping"}
    assert {"damping" in params for params in found.params} == {True, False}
    assert all(("damping" in params) == (params["kind"] == "damped") for params in found.params)


def test_ash_tune_show_prints_the_suggestions_of_the_best_trial(tmp_path: Path) -> None:
    found = run(journal=tmp_path / "run.ash")
    lines = list(journal_lines(str(tmp_path / "run.ash")))
    names = [line.split()[0] for line in lines if line]
    assert set(found.best_params) <= set(names) and "trial" not in names
    assert show_params(found.best_params)[0] in lines


def test_numeric_user_attributes_are_metrics_of_every_job(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_user_attr("twice", np.float32(2))
        trial.set_user_attr("good", x < 0.5)
        trial.set_user_attr("text", "t")
        trial.set_user_attr("far", math.inf)
        return x

    found = run(objective, journal=tmp_path / "run.ash")
    assert set(found.to_pandas()["metrics.twice"]) == {2.0} and found.best_metrics == {"twice": 2.0}
    assert found.best_state["text"] == "t" and set(found.best_state) == {"twice", "good", "text", "far"}
    assert {trial.user_attrs["twice"] for trial in found.to_optuna().trials} == {2.0}
    assert run(objective, journal=tmp_path / "run.ash").metrics == found.metrics


def test_a_run_is_repeated_on_other_workers_and_resumed(tmp_path: Path) -> None:
    expected = run(costs=cost_of, n_jobs=1)
    journal = tmp_path / "run.ash"
    for places in ({"n_jobs": 2}, {"n_jobs": 2, "executor": "processes"}, {"n_jobs": 1, "journal": journal}):
        found = run(costs=cost_of, **places)
        assert found.digest == expected.digest and found.params == expected.params
    assert run(costs=cost_of, journal=journal).digest == expected.digest
    more = run(costs=cost_of, journal=journal, candidates=32)
    assert more.digest == run(costs=cost_of, candidates=32).digest and more.params[:16] == expected.params
    assert run(costs=cost_of, record=found.record).digest == expected.digest
    assert run(random_state=1).params != expected.params


def cost_of(params: dict[str, Any], epochs: int) -> float:
    return float(epochs)


def test_suggestions_depend_only_on_number_seed_and_name() -> None:
    few, many = run(candidates=4), run(candidates=16, n_jobs=2)
    assert many.params[:4] == few.params

    def more(trial: optuna.Trial) -> float:
        trial.suggest_float("another", 0, 1)
        return descend(trial)

    assert [{**params, "another": 0} for params in few.params] == [
        {**params, "another": 0} for params in run(more, candidates=4).params
    ]


def test_a_trial_learns_that_it_is_retired() -> None:
    """Check that TrialPruned ends trials that do not reach the last rung, and that no thread is left running."""
    ends: list[tuple[int, int, str]] = []

    def objective(trial: optuna.Trial) -> float:
        value, epoch = trial.suggest_float("value", 0, 1), 0
        try:
            for epoch in range(REPORTS):
                trial.report(value, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
        except optuna.TrialPruned:
            ends.append((trial.number, epoch, "pruned"))
            raise
        ends.append((trial.number, epoch, "returned"))
        return value

    def silent(trial: optuna.Trial) -> float:
        value, epoch = trial.suggest_float("value", 0, 1), 0
        try:
            for epoch in range(REPORTS):
                trial.report(value, epoch)
        except optuna.TrialPruned:
            ends.append((trial.number, epoch, "pruned"))
            raise
        ends.append((trial.number, epoch, "returned"))
        return value

    before = {*threading.enumerate()}
    for function, later in ((objective, 0), (silent, 1)):
        ends.clear()
        found = run(function)
        wait_until(lambda: len(ends) == 16)
        reached = {row["candidate"]: row["epochs"] for row in found.candidates}
        returned = {number for number, _, end in ends if end == "returned"}
        assert returned == {candidate for candidate, epochs in reached.items() if epochs == REPORTS}
        pruned = {number: epoch for number, epoch, end in ends if end == "pruned"}
        assert pruned == {number: reached[number] - 1 + later for number in pruned}, "at once, or in the next report"
        wait_until(lambda: {*threading.enumerate()} <= before)


def test_an_objective_without_reports_runs_once_to_its_end() -> None:
    calls: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        calls.append(trial.number)
        return trial.suggest_float("x", 0, 1)

    found = run(objective)
    assert sorted(calls) == list(range(16)) and found.best_value == min(params["x"] for params in found.params)


def test_a_loop_longer_than_max_epochs_is_cut_off() -> None:
    """Check that the first report beyond max_epochs ends the loop, and that its value does not count."""
    reports: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        for epoch in range(100):
            reports.append(epoch)
            trial.report(value - epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    found = run(objective)
    assert max(reports) == REPORTS and found.best_value == pytest.approx(found.best_params["x"] - (REPORTS - 1))


def test_an_objective_may_prune_itself() -> None:
    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        trial.report(value, 0)
        if value > 0.5:
            raise optuna.TrialPruned
        trial.report(value - 1, 1)
        return value - 1

    found = run(objective, max_epochs=2)
    best = {row["candidate"]: row["score"] for row in found.candidates}
    for candidate, params in enumerate(found.params):
        assert best[candidate] in (-params["x"], 1 - params["x"])
        assert params["x"] <= 0.5 or best[candidate] == -params["x"]


@pytest.mark.filterwarnings(*FAILURES)
def test_errors_of_an_objective_are_reported() -> None:
    def raises(trial: optuna.Trial) -> float:
        if trial.suggest_int("x", 0, 1):
            raise ValueError("x is 1")
        return 0.0

    found = run(raises)
    assert found.failures and all("ValueError: x is 1" in failure.text for failure in found.failures)
    assert {found.params[failure.candidate]["x"] for failure in found.failures} == {1}
    with pytest.raises(ash.SettingError, match="the objective returned None, but must return one number"):
        run(lambda trial: None)
    with pytest.raises(ash.SettingError, match=r"the objective returned \(0\.1, 0\.2\), but must return one number"):
        run(lambda trial: (0.1, 0.2))
    with pytest.raises(ash.AllFailedError, match="TrialPruned"):
        run(_pruned)


def faulty(trial: optuna.Trial) -> Any:
    """Fail in four different ways, depending on the trial number. Suggest `x` first, and `late` after a report."""
    kind = trial.number % 4
    trial.suggest_float("x", 0, 1)
    if kind == 0:
        raise ValueError("at once")
    if kind == 1:
        return float("nan")
    if kind == 2:
        raise optuna.TrialPruned
    trial.report(-1.0, 0)
    trial.suggest_int("late", 1, 9)
    if trial.number == 3:
        raise ValueError("late")
    trial.report(-2.0, 1)
    return -2.0


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.parametrize("places", [{"n_jobs": 1}, {"n_jobs": 2, "executor": "processes"}], ids=str)
def test_a_failed_trial_keeps_its_suggestions(places: dict[str, Any], tmp_path: Path) -> None:
    """Check that suggested values are in the result, its table, its Optuna study, and the reread journal."""
    given = {"costs": cost_of, "max_epochs": 2, "candidates": 16}
    found = run(faulty, **given, **places, journal=tmp_path / "run.ash")
    assert len(found.failures) == 13 and (3, 1) in {(each.candidate, each.rung) for each in found.failures}
    assert all(params.keys() == ({"x", "late"} if n % 4 == 3 else {"x"}) for n, params in enumerate(found.params))
    assert [row["params"] for row in found.candidates] == list(found.params)
    assert [trial.params for trial in found.to_optuna().trials] == list(found.params)
    again = run(faulty, **given, n_jobs=1, journal=tmp_path / "run.ash")
    assert again.params == found.params and again.digest == found.digest
    assert run(faulty, **given, n_jobs=1, record=found.record).digest == found.digest


def test_an_error_names_the_suggestions_of_the_failed_trial() -> None:
    def raises(trial: optuna.Trial) -> float:
        trial.suggest_categorical("x", [5])
        raise ValueError("always")

    with pytest.raises(ash.JobFailedError, match=r"rung 0, with \{'x': 5\}:\n(?s:.)*ValueError") as raised:
        run(raises, error="raise")
    assert isinstance(raised.value.__cause__, ValueError)
    with pytest.raises(ash.SettingError, match="the objective returned 'text', but must return one number"):
        run(lambda trial: "text")
    with pytest.warns(UserWarning, match=r"with \{'x': 5\}"), pytest.raises(ash.AllFailedError):
        run(raises)


def _pruned(trial: optuna.Trial) -> float:
    raise optuna.TrialPruned


def test_arguments_that_do_not_apply_to_an_objective_are_refused() -> None:
    with pytest.raises(ash.SettingError, match=r"space must be left out with ash\.from_optuna"):
        run(space={"x": [1]})


def folds(trial: optuna.Trial) -> float:
    """Report the mean of noisy scores after each of five folds."""
    x, scores = trial.suggest_float("x", 0, 1), list[float]()
    noise = [(x * 10.0**place) % 1 - 0.5 for place in range(1, 6)]
    for fold in range(5):
        scores.append(x + noise[fold])
        trial.report(sum(scores) / len(scores), fold)
    return sum(scores) / len(scores)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_trial_comes_from_the_highest_rung(seed: int, tmp_path: Path) -> None:
    """Use noisy values: means of fewer folds vary more, so the highest value overall often comes from a single fold."""
    journal = tmp_path / "run.ash"
    given: dict[str, Any] = {"direction": "maximize", "max_epochs": 5, "candidates": 24, "random_state": seed}
    found = run(folds, costs=cost_of, **given, journal=journal)
    complete = {job.candidate: job.score for job in found.jobs if job.rung == len(found.rungs) - 1}
    assert found.best_value == max(complete.values()) == folds(optuna.trial.FixedTrial(found.best_params))
    assert found.best_epochs == 5
    assert found.best_value < max(job.score for job in found.jobs), "no value of fewer folds is higher"
    study = found.to_optuna()
    assert study.best_value == found.best_value and study.best_params == pytest.approx(found.best_params)
    for again in ({"journal": journal}, {"record": found.record}):
        assert run(folds, costs=cost_of, **given, **again).digest == found.digest


def test_an_objective_with_reports_needs_max_epochs() -> None:
    with pytest.raises(ash.SettingError, match="the objective reports values, so its run needs max_epochs, the number"):
        run(max_epochs=None)
    words = "max_rungs=3 has no effect with an objective without max_epochs, .*: leave it out, or give max_epochs, the"
    with pytest.raises(ash.SettingError, match=words):
        run(max_epochs=None, config=ash.SearchConfig(max_rungs=3))


def test_an_objective_without_reports_runs_once_without_max_epochs(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    numbers: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        numbers.append(trial.number)
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 5:
            raise optuna.TrialPruned
        return (x - 0.3) ** 2

    journal = tmp_path / "run.ash"
    found = run(objective, max_epochs=None, journal=journal)
    assert numbers == list(range(16)) and len(found.jobs) == 16 and len(found.rungs) == 1
    assert not [str(each.message) for each in recwarn], "nothing to warn of, the pruned trial included"
    (failure,) = found.failures
    assert failure.candidate == 5 and failure.text == PRUNED
    states = [trial.state.name for trial in found.to_optuna().trials]
    assert states.count("COMPLETE") == 15
    more = run(objective, max_epochs=None, journal=journal, candidates=20)
    again = numbers[16:-4] + numbers[20:]  # the best trial runs once more, since its attributes are not in the journal
    assert numbers[:16] == list(range(16)) and set(numbers[16:]) - set(range(16)) == set(range(16, 20))
    assert len(numbers) == 21 and more.best_candidate in again and more.params[:16] == found.params


def test_a_changed_objective_does_not_continue_a_journal(tmp_path: Path) -> None:
    def made(is_new: bool) -> Any:
        def objective(trial: optuna.Trial) -> float:
            return trial.suggest_float("x", 0, 1)

        def other(trial: optuna.Trial) -> float:
            return trial.suggest_float("x", 0, 1) + trial.suggest_int("count", 0, 3)

        other.__qualname__ = objective.__qualname__
        return other if is_new else objective

    given: dict[str, Any] = {"max_epochs": None, "journal": tmp_path / "run.ash"}
    run(made(False), **given)
    for _ in range(2):
        with pytest.raises(ash.JournalError, match="the objective has changed, and may suggest other hyperparameters"):
            run(made(True), **given, candidates=24)
    assert len(run(made(False), **given, candidates=20).jobs) == 20
    begun = run(made(True), first=given["journal"], max_epochs=None)
    assert begun.params[0]["x"] < 0.2 and "count" in begun.params[0]
    allowed = ash.Journal(given["journal"], allow_change=["function"])
    assert len(run(made(True), **{**given, "journal": allowed}, candidates=24).jobs) == 24


def test_a_trial_that_prunes_itself_is_not_trained_further() -> None:
    """Use a trial whose first value is the highest of all. Even this trial must not be continued in higher rungs."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(REPORTS):
            trial.report(x if step == 0 else x / 2, step)
            if x > 0.9:
                raise optuna.TrialPruned
        return x / 2

    given: dict[str, Any] = {"direction": "maximize", "candidates": 64}
    found = run(objective, **given)
    assert found.best_params["x"] <= 0.9 and found.best_value == found.best_params["x"] / 2
    assert found.best_epochs == REPORTS
    pruned = [number for number, params in enumerate(found.params) if params["x"] > 0.9]
    assert {each.candidate for each in found.failures} <= set(pruned) and {each.text for each in found.failures} == {
        PRUNED
    }
    assert all(job.rung == 0 for job in found.jobs if job.candidate in pruned and not job.diverged)
    reached = run(objective, **given, config=ash.SearchConfig(stop_score=0.43))
    assert reached.ended == "stop_score" and reached.best_value >= 0.43 and reached.best_epochs == REPORTS


def test_partial_first_values_are_the_same_after_an_interruption(tmp_path: Path) -> None:
    """Use dicts in `first` that lack values, which each trial draws. A later proposal may equal such a dict."""
    given: dict[str, Any] = {"first": [{"kind": "plain"}, {}], "costs": cost_of, "direction": "maximize"}

    def objective(trial: optuna.Trial) -> float:
        kind, x = trial.suggest_categorical("kind", ["plain", "b", "c"]), trial.suggest_float("x", 0, 1)
        return (kind == "plain") - abs(x - 0.3)

    whole = run(objective, **given, max_epochs=None, candidates=60)
    for count in range(10, 60, 7):
        journal = tmp_path / f"{count}.ash"
        run(objective, **given, max_epochs=None, candidates=count, journal=journal)
        assert run(objective, **given, max_epochs=None, candidates=60, journal=journal).digest == whole.digest


def test_bounds_that_depend_on_other_values_cause_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    def objective(trial: optuna.Trial) -> float:
        most = trial.suggest_categorical("most", [0.01, 1.0])
        rate, count = trial.suggest_float("rate", 1e-5, most, log=True), trial.suggest_int("count", 1, 5)
        return abs(rate - 0.5) + trial.suggest_categorical("option", list(range(count)))

    found = run(objective, max_epochs=None, candidates=80)
    assert found.best_params["most"] == 1.0 and not [str(each.message) for each in recwarn]


@pytest.mark.parametrize("kind", ["result", "journal"])
def test_the_best_trials_of_an_earlier_run_come_from_the_highest_rung(kind: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    given: dict[str, Any] = {"direction": "maximize", "max_epochs": 5, "candidates": 64, "journal": journal}
    earlier = run(folds, **given)
    tops = {job.candidate: (job.rung, job.score) for job in sorted(earlier.jobs, key=lambda job: job.rung)}
    best = sorted(tops, key=lambda each: (-tops[each][0], -tops[each][1], each))[:10]
    later = run(folds, direction="maximize", candidates=10, first=earlier if kind == "result" else journal)
    assert later.params == tuple(earlier.params[number] for number in best)
    assert earlier.params[earlier.best_candidate] == later.params[0]
    shown = "\n".join(journal_lines(str(journal)))
    assert f"by candidate {earlier.best_candidate} in rung {earlier.best_rung}" in shown


@pytest.mark.filterwarnings(*FAILURES)
def test_a_run_ends_if_its_first_jobs_all_fail(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(ash.AllFailedError, match=r"all 10 jobs failed(.|\n)*no attribute 'suggest'"):
        run(lambda trial: trial.suggest("x"), max_epochs=None, candidates=64)


FIRST: list[dict[str, Any]] = [{"rate": 0.3, "kind": "damped", "damping": 4}, {"kind": "plain"}]


@pytest.mark.parametrize("places", [{"n_jobs": 2}, {"n_jobs": 1, "executor": "processes"}], ids=str)
def test_given_values_are_suggested_first(places: dict[str, Any]) -> None:
    """Check that parameters missing from a dict are drawn as in the same trial of a run without `first`."""
    found, drawn = run(sampler="random", first=FIRST, **places), run(sampler="random")
    assert found.params[0] == FIRST[0]
    assert found.params[1] == {"rate": drawn.params[1]["rate"], "kind": "plain"}
    assert found.params[2:] == drawn.params[2:]


def test_given_values_are_part_of_the_run(tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    found = run(costs=cost_of, first=FIRST, journal=journal)
    assert run(costs=cost_of, first=FIRST, journal=journal).digest == found.digest != run(costs=cost_of).digest
    assert run(costs=cost_of, first=FIRST, record=found.record).digest == found.digest
    with pytest.raises(ash.JournalError, match=r"first: '2 configurations, .*' in the journal, None in this call"):
        run(costs=cost_of, journal=journal)
    with pytest.raises(ash.SettingError, match=r"first\[0\]: a configuration must be a dict of values by name, got 3"):
        run(first=[3])


@pytest.mark.parametrize("kind", ["result", "study", "journal"])
def test_an_earlier_run_of_an_objective_comes_first(kind: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    earlier = run(journal=journal)
    first = {"result": earlier, "study": earlier.to_optuna(), "journal": journal}[kind]
    found = run(first=first, random_state=7)
    assert found.params[0] == earlier.best_params
    tops = {job.candidate: (job.rung, job.score) for job in sorted(earlier.jobs, key=lambda job: job.rung)}
    best = sorted(tops, key=lambda each: (-tops[each][0], -tops[each][1], each))
    assert kind == "study" or list(found.params[:10]) == [earlier.params[number] for number in best[:10]]


def test_a_given_value_out_of_range_is_drawn_with_a_warning() -> None:
    given = [{"rate": 5.0, "kind": "none of these", "other": 1}]
    with pytest.warns(UserWarning, match="first: .* is not in .*Distribution.*; a value is drawn instead") as warned:
        found = run(first=given)
    assert {str(each.message).split(" is not")[0] for each in warned} == {
        "first: rate=5.0",
        "first: kind='none of these'",
    }
    assert found.params[0] == run().params[0]


def test_an_unwrapped_objective_is_refused_with_advice() -> None:
    with pytest.raises(ash.SettingError, match=r"an Optuna objective: pass ash\.from_optuna\("):
        ash.tune_function(descend, {"rate": [0.1, 0.2]})


def test_dynamic_bounds_and_unusual_choices_are_shown() -> None:
    def objective(trial: optuna.Trial) -> float:
        most = trial.suggest_int("most", 1, 3)
        trial.suggest_int("layers", 1, most)
        trial.suggest_float("fixed", 0.5, 0.5)
        trial.suggest_float("stepped", 0, 1, step=0.25)
        with pytest.warns(UserWarning, match="Choices for a categorical distribution"):
            trial.suggest_categorical("shape", [(1, 2), (3,)])
        return float(most)

    found = run(objective)
    assert set(found.space.domains) == {"most", "layers", "fixed", "stepped", "shape"}
    assert {params["shape"] for params in found.params} == {"(1, 2)", "(3,)"}
    study = found.to_optuna()
    assert study.best_value == 1.0 and len(study.trials) == 16


def test_optuna_logs_nothing_during_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a run on two threads logs nothing, and that the user's own studies are logged as before."""
    logged: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: logged.append(record.getMessage()))
    logger, before = logging.getLogger("optuna"), optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logger.addHandler(handler)
    try:
        run(n_jobs=2, candidates=64).to_optuna()
        assert not logged
        optuna.create_study()
        assert len(logged) == 1 and logged[0].startswith("A new study created")
    finally:
        logger.removeHandler(handler)
        optuna.logging.set_verbosity(before)


def test_one_thread_runs_one_objective_at_a_time() -> None:
    running: list[int] = []
    most: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        for epoch in range(REPORTS):
            running.append(trial.number)
            most.append(len(running))
            time.sleep(0.001)
            running.remove(trial.number)
            trial.report(value, epoch)
        return value

    before = {*threading.enumerate()}  # of earlier runs
    run(objective)
    assert max(most) == 1 and not running
    own = {*threading.enumerate()} - before
    assert not [each for each in own if each.name.startswith("ash reports")], "all have ended"


def test_attributes_of_a_cut_off_trial_are_those_of_its_last_report() -> None:
    """Let the objective set more attributes while those of the last report are read."""

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        for epoch in range(2 * REPORTS):
            trial.set_user_attr("epoch", epoch)
            trial.report(value, epoch)
        return value

    assert run(objective).best_state == {"epoch": REPORTS - 1}, "the best score is of the highest rung"


def test_a_callback_receives_the_suggestions() -> None:
    told: list[dict[str, Any]] = []

    class Told(ash.Callback):
        def on_job(self, job: Any, params: dict[str, Any]) -> None:
            told.append(params)

    found = run(callbacks=Told())
    assert told == [found.params[job.candidate] for job in found.jobs]

"""Tests forms of `train` (functions, generators, classes), directions, `max_epochs`, and further metrics."""

import copy
import json
import math
import pickle
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

import ash
import needs
from ash._utils.display import show
from ash.cli.show import journal_lines
from ash.function import reports, state_store
from ash.function.forms import GeneratorTrainer, Paused
from ash.function.state_store import States
from fault_help import python, wait_until
from function_help import FAILURES, SPACE, cost, run, train

FORMS = r"\(params\), \(params, report\) or \(params, epochs, state\)"
begun: list[float] = []


def yielding(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the scores of `train` epoch by epoch. The state is a dict with the number of finished epochs."""
    begun.append(params["x"])
    done = 0
    while True:
        done += 1
        yield 1 - (params["x"] - 0.3) ** 2 - 0.1 * params["depth"] / done, {"done": done}


class Trained:
    """A class with `fit_more` and `score`, whose scores are those of `train`."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params, self.done = params, 0

    def fit_more(self, epochs: int) -> None:
        self.done += epochs

    def score(self) -> Any:
        score = 1 - (self.params["x"] - 0.3) ** 2 - 0.1 * self.params["depth"] / self.done
        return ash.Outcome(score, metrics={"done": self.done})


def reporting(params: dict[str, Any], report: Any) -> None:
    """Report the scores of `train` epoch by epoch through the callback `report`."""
    for done in range(1, 65):
        report(1 - (params["x"] - 0.3) ** 2 - 0.1 * params["depth"] / done, state={"done": done})


@pytest.mark.parametrize("form", [yielding, reporting, Trained])
@pytest.mark.parametrize("places", [{"n_jobs": 1}, {"n_jobs": 2}, {"executor": "processes", "n_jobs": 2}])
def test_all_forms_of_a_function_give_its_scores(form: Any, places: dict[str, Any]) -> None:
    expected, found = run(train, costs=cost, n_jobs=1), run(form, costs=cost, **places)
    assert found.digest == expected.digest
    done = found.best_state.done if form is Trained else found.best_state["done"]
    assert done == expected.best_state


class Net:
    """A model that goes on training: its only copies are those that ash makes."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params, self.done = params, 0

    def fit_more(self, epochs: int = 1) -> None:
        self.done += epochs

    def score(self) -> float:
        return 1 - (self.params["x"] - 0.3) ** 2 - 0.1 * self.params["depth"] / self.done


def ignores(params: dict[str, Any], report: Any) -> None:
    net = Net(params)
    for _ in range(100):
        net.fit_more()
        report(net.score(), state=net)


def obeys(params: dict[str, Any], report: Any) -> None:
    net, goes_on = Net(params), True
    while goes_on:
        net.fit_more()
        goes_on = report(net.score(), state=net)
    net.fit_more()  # such as a last step that only a deployed model would need


def yields(params: dict[str, Any]) -> Iterator[Any]:
    net = Net(params)
    try:
        while True:
            net.fit_more()
            yield net.score(), net
    except GeneratorExit:
        return


def returns(params: dict[str, Any], epochs: int, state: Any) -> Any:
    net = state or Net(params)
    net.fit_more(epochs)
    return net.score(), net


@pytest.mark.parametrize(
    "places",
    [
        {"n_jobs": 1},
        {"n_jobs": 2, "max_epochs": 8},
        {"n_jobs": 1, "max_epochs": 8},
        {"executor": "processes", "n_jobs": 2, "max_epochs": 8},
    ],
)
@pytest.mark.parametrize("form", [ignores, obeys, yields, returns, Net])
def test_the_best_state_of_a_model_that_goes_on_training_is_that_of_its_score(
    form: Any, places: dict[str, Any]
) -> None:
    found = run(form, costs=cost, **places)
    assert found.best_state.done == found.best_epochs and found.best_state.score() == found.best_score
    time.sleep(0.05)
    assert found.best_state.done == found.best_epochs, "a loop that has ended goes on"


def test_a_booster_that_goes_on_is_the_best_state_with_the_rounds_that_scored() -> None:
    lightgbm = needs.package("lightgbm")
    x, y = load_digits(return_X_y=True)
    data = lightgbm.Dataset(x[:900], y[:900], free_raw_data=False).construct()
    held_out = lightgbm.Dataset(x[900:], y[900:], reference=data, free_raw_data=False).construct()

    def boost(params: dict[str, Any], report: Any) -> None:
        def callback(env: Any) -> None:
            report(env.evaluation_result_list[0][2], state=env.model)

        own = {"objective": "multiclass", "num_class": 10, "verbose": -1, "num_threads": 1, "seed": 0, **params}
        lightgbm.train(own, data, num_boost_round=64, valid_sets=[held_out], callbacks=[callback])

    space = {"learning_rate": ash.loguniform(0.05, 0.5), "num_leaves": ash.integers(4, 31, log=True)}
    found = ash.tune_function(boost, space, candidates=6, direction="minimize", max_epochs=8, n_jobs=1, verbose=0)
    assert found.best_state.current_iteration() == found.best_epochs
    assert log_loss(y[900:], found.best_state.predict(x[900:])) == pytest.approx(found.best_value)


def test_a_generator_is_paused_and_resumed() -> None:
    begun.clear()
    found = run(yielding, n_jobs=2)
    assert len(begun) == len(found.params), "each begins once"
    restarted = run(yielding, n_jobs=1, training="restart")
    assert len(begun) == len(found.params) + len(restarted.jobs), "and once per job, if the user wants that"


def test_a_lost_generator_is_restarted_and_advanced() -> None:
    train_further = GeneratorTrainer(yielding, yielding)
    params = {"x": 0.5, "depth": 1}
    whole = train_further(params, 8, None)
    kept = train_further(params, 5, None).state
    for paused in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept)), kept):
        assert isinstance(paused, Paused) and paused.epochs == 5
        begun.clear()
        more = train_further(params, 3, paused)
        assert (more.score, more.state.epochs, more.state.outcome.state) == (whole.score, 8, {"done": 8})
        assert len(begun) == (0 if paused is kept else 1)


def test_a_report_returns_whether_the_candidate_is_trained_further() -> None:
    """Check that a function can end at once by the returned value. Otherwise the next report raises an exception."""
    ends: dict[float, str] = {}

    def asks(params: dict[str, Any], report: Any) -> None:
        ends[params["x"]] = "runs"
        for epoch in range(8):
            if not report(params["x"] + epoch):
                ends[params["x"]] = f"asked in {epoch}"
                return
        ends[params["x"]] = "all"

    def ignores(params: dict[str, Any], report: Any) -> None:
        ends[params["x"]] = "runs"
        for epoch in range(8):
            try:
                report(params["x"] + epoch)
            except Exception as error:  # Retired is not caught here; else the last assertion would show this text
                ends[params["x"]] = f"an error: {error}"
            except ash.Retired:
                ends[params["x"]] = f"retired in {epoch}"
                raise
        ends[params["x"]] = "all"

    for form, word, later in ((asks, "asked", 0), (ignores, "retired", 1)):
        ends.clear()
        found = run(form, n_jobs=1, max_epochs=8)
        wait_until(lambda: "runs" not in ends.values())
        epochs = {found.params[row["candidate"]]["x"]: row["epochs"] for row in found.candidates}
        assert ends == {x: "all" if done == 8 else f"{word} in {done - 1 + later}" for x, done in epochs.items()}


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.parametrize("most", [None, 8])
def test_reports_are_the_scores_whatever_the_function_returns(most: int | None) -> None:
    def returns(params: dict[str, Any], report: Any) -> Any:
        for epoch in range(most or 64):  # if `most` is given, the function ends by itself, at the last epoch
            report(params["x"] + epoch)
        return {"history": [1, 2]}

    found = run(returns, n_jobs=1, max_epochs=most)
    assert not found.failures
    totals = {row["candidate"]: row["epochs"] for row in found.candidates}
    assert max(totals.values()) == (8 if most else 31)
    scores = {row["candidate"]: row["score"] for row in found.candidates}
    assert scores == pytest.approx({each: found.params[each]["x"] + total - 1 for each, total in totals.items()})
    alone = run(lambda params, report: params["x"], n_jobs=1, max_epochs=most or 1)  # this function never reports
    assert alone.best_score == alone.best_params["x"]


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.filterwarnings("ignore:train ended after")
def test_a_function_may_give_up() -> None:
    def gives_up(params: dict[str, Any], report: Any) -> None:
        if params["depth"] == 2:
            raise ash.Retired
        report(params["x"], metrics={"depth": params["depth"]})
        raise ash.Retired

    with pytest.warns(UserWarning, match="the function has ended before its first report"):
        found = run(gives_up, n_jobs=1)
    assert {found.params[failure.candidate]["depth"] for failure in found.failures} == {2}
    assert found.best_score == found.best_params["x"] and found.best_metrics == {"depth": found.best_params["depth"]}


@pytest.mark.filterwarnings(*FAILURES)
def test_the_best_state_belongs_to_the_best_score() -> None:
    """Use a generator that changes its yielded state in place."""

    def worse(params: dict[str, Any]) -> Iterator[Any]:
        state = {"epochs": 0}
        while True:
            state["epochs"] += 1
            yield -state["epochs"] - params["x"] if state["epochs"] < 2 else math.nan, state

    found = run(worse, n_jobs=1)
    assert found.best_rung == 0 and found.best_state == {"epochs": 1} and found.best_epochs == 1


def test_a_generator_that_ends_keeps_its_last_score() -> None:
    def short(params: dict[str, Any]) -> Iterator[float]:
        yield params["x"]
        yield params["x"] + 1

    with pytest.warns(UserWarning, match=r"train ended after 2 epochs.* pass max_epochs=2") as told:
        found = run(short, n_jobs=1)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(short, n_jobs=1, max_epochs=8)  # this loop stops early
    assert {round(job.score - found.params[job.candidate]["x"], 9) for job in found.jobs if job.rung} == {1.0}
    assert found.best_state is None


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (lambda params, epochs: 0.5, rf"train takes \(params, epochs\), but must take {FORMS}$"),
        (lambda params, epochs=9: 0.5, rf"train takes \(params, epochs=9\), but must take {FORMS}$"),
        (lambda: 0.5, rf"train takes \(\), but must take {FORMS}$"),
        (lambda x, y: 0.5, rf"train takes \(x, y\), but must take {FORMS}; hyperparameters are passed together in one"),
        (lambda **names: 0.5, r"train takes \(\*\*names\), .*; hyperparameters are passed together in one dict$"),
        (int, "train is the class int, which needs the methods fit_more and score"),
        (type("Two", (Trained,), {"__init__": lambda self, a, b: None}), r"takes \(a, b\), but must take \(params\)"),
    ],
)
def test_other_forms_are_refused(train: Any, message: str) -> None:
    with pytest.raises(ash.SettingError, match=message):
        run(train)


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((0.5, 1), {}, r'got report\(0.5, 1\): call report\(score, state=..., metrics={"accuracy": ...}\)$'),
        ((0.5,), {"step": 1}, r"got report\(0.5, step=1\): call report\(score"),
        ((), {"accuracy": 0.5}, r"got report\(accuracy=0.5\): call report\(score"),
        (("a",), {}, "train reported 'a', but must report a number; further numbers are passed as metrics={...}$"),
        ((0.5,), {"metrics": [0.3]}, r"train reported metrics=\[0.3\]; metrics must be a dict of numbers by name$"),
    ],
)
@pytest.mark.parametrize("places", [{"n_jobs": 1}, {"executor": "processes", "n_jobs": 1}], ids=str)
def test_wrong_reports_are_explained(
    places: dict[str, Any], given: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    def wrong(params: dict[str, Any], report: Any) -> None:
        report(*given, **named)

    with pytest.raises(ash.SettingError, match=message):
        run(wrong, **places)


@pytest.mark.filterwarnings(*FAILURES)
def test_a_wrong_report_of_a_later_epoch_is_a_failure() -> None:
    def wrong(params: dict[str, Any], report: Any) -> None:
        report(score=0.5)
        report("a")

    found = run(wrong, n_jobs=1)
    assert {failure.rung for failure in found.failures} == {1} and "train reported 'a'" in found.failures[0].text


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.filterwarnings("ignore:train ended after")
def test_errors_of_generators_and_objects_are_reported() -> None:
    def nothing(params: dict[str, Any]) -> Iterator[float]:
        yield from ()

    def text(params: dict[str, Any]) -> Iterator[Any]:
        yield "0.9"

    class Two(Trained):
        def score(self) -> Any:
            return 0.9, 0.1

    for form, said in ((nothing, "train yielded nothing"), (text, "train yielded '0.9'"), (Two, "two numbers")):
        with pytest.raises(ash.SettingError, match=said):
            run(form, n_jobs=1)

    def fails(params: dict[str, Any]) -> Iterator[float]:
        yield 0.5
        if params["depth"] == 1:
            raise ValueError("in epoch 2")
        yield 1.0

    found = run(fails, n_jobs=1)
    assert {failure.rung for failure in found.failures} == {1} and "in epoch 2" in found.failures[0].text


class Callable_:
    """An object that can be called like a function."""

    def __init__(self, add: float) -> None:
        self.add = add

    def __call__(self, params: dict[str, Any], report: Any) -> None:
        report(params["x"] + self.add)


class Another(Callable_):
    pass


@pytest.mark.filterwarnings("ignore:train ended after")
def test_a_journal_belongs_to_one_function(tmp_path: Path) -> None:
    """Check functions, objects and partial functions."""
    run(Callable_(0), n_jobs=1, costs=cost, journal=tmp_path / "object.ash")
    with pytest.raises(ash.JournalError, match="function: 'Callable_' in the journal, 'Another' in this call"):
        run(Another(100), n_jobs=1, costs=cost, journal=tmp_path / "object.ash")
    run(partial(yielding), n_jobs=1, costs=cost, journal=tmp_path / "partial.ash")
    with pytest.raises(ash.JournalError, match="function: 'yielding' in the journal, 'Trained' in this call"):
        run(Trained, n_jobs=1, costs=cost, journal=tmp_path / "partial.ash")


@pytest.mark.filterwarnings(*FAILURES)
def test_a_refused_thread_is_not_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the run ends with an error, and that the same call continues it."""
    path, start, started = tmp_path / "run.ash", reports.start_thread, []

    def refuse(*given: Any) -> Any:
        started.append(given)
        if len(started) > 10:
            raise ash.ThreadRefusedError("no more")
        return start(*given)

    monkeypatch.setattr(reports, "start_thread", refuse)
    with pytest.raises(ash.ThreadRefusedError, match="no more"):
        run(reporting, n_jobs=1, costs=cost, journal=path)
    monkeypatch.undo()
    found = run(reporting, n_jobs=1, costs=cost, journal=path)
    assert not found.failures and found.digest == run(reporting, n_jobs=1, costs=cost).digest


def test_all_functions_that_wait_at_the_end_of_a_run_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = [0.0], []

    class TakesAllSeconds(reports.Reports):
        def drop(self, seconds: float) -> None:
            now[0] += seconds
            waits.append(seconds)
            super().drop(0.0)

    monkeypatch.setattr(reports, "Reports", TakesAllSeconds)  # functions of earlier tests may be dropped meanwhile
    for module in (reports, state_store):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    trainer = GeneratorTrainer(reports.reporting(reporting, None), reporting)
    with States(None, None, packed=False) as states:
        for candidate in range(3):
            states.keep(candidate, 0, 0.5, trainer({"x": 0.3, "depth": 1}, 1, None).state)
    assert waits == [reports.END_SECONDS, 0.0, 0.0]


def test_the_interpreter_can_exit_while_a_retired_function_computes() -> None:
    """Check that ash does not end the thread during a call, because that would abort the process."""
    code = """
import numpy as np, scipy.fft
import ash
from ash.function import reports

reports.END_SECONDS = 0.0  # it is not waited for when its candidate is retired
waves = np.random.default_rng(0).normal(size=400_000)

def train(params, report):
    for _ in range(8):
        report(params["x"])
        for _ in range(20):
            scipy.fft.fft(waves)

limit = ash.SearchConfig(max_total_epochs=8)
given = {"candidates": 8, "max_epochs": 8, "n_jobs": 1, "verbose": 0, "config": limit}
ash.tune_function(train, {"x": ash.uniform(0, 1)}, **given)
print("ends", flush=True)
"""
    done = python(code)
    assert done.stdout == "ends\n" and done.returncode == 0, done.stderr


# Functions with only parameters


def whole(params: dict[str, Any]) -> Any:
    """Return the score of `train` after one epoch."""
    score, _ = train(params, 1, None)
    return ash.Outcome(score, {"depth": params["depth"]}, {"depth": params["depth"]})


@pytest.mark.parametrize("places", [{"n_jobs": 1}, {"n_jobs": 2}, {"executor": "processes", "n_jobs": 2}])
def test_a_function_with_only_params_is_called_once_per_candidate(
    places: dict[str, Any], recwarn: pytest.WarningsRecorder
) -> None:
    expected = run(train, costs=cost, n_jobs=1, max_rungs=1)
    found = run(whole, costs=cost, **places)
    assert found.digest == expected.digest and len(found.jobs) == len(found.params) == 40
    assert found.best_epochs == 1 and [row["places"] for row in found.rungs] == [40]
    assert found.best_state == found.best_metrics == {"depth": found.best_params["depth"]}
    assert not [str(each.message) for each in recwarn if "rung" in str(each.message)]


def test_arguments_with_defaults_are_not_mistaken_for_epochs_and_state() -> None:
    def folds(params: dict[str, Any], number: int = 5, seed: Any = 7) -> float:
        assert (number, seed) == (5, 7)
        return float(params["x"])

    def steps(params: dict[str, Any], epochs: int = 1, state: Any = None) -> Any:
        return params["x"] * epochs, epochs

    assert len(run(folds, n_jobs=1).rungs) == 1
    assert len(run(steps, n_jobs=1, max_rungs=3).rungs) == 3


def test_a_function_with_only_params_may_have_other_arguments_and_be_minimized() -> None:
    def value(params: dict[str, Any], shift: float = 0.0, *, sign: int = 1) -> Any:
        return sign * params["x"] + shift

    for form in (value, partial(value, shift=0.0), lambda params: value(params)):
        found = run(form, direction="minimize", n_jobs=1)
        assert found.best_value == min(params["x"] for params in found.params)
    assert run(value, candidates=None, max_total_epochs=300, n_jobs=1).epochs == 300
    assert run(value, candidates=None, patience=50, n_jobs=1).ended == "patience"
    assert run(value, candidates=None, time_limit=0.2, n_jobs=1).ended == "time_limit"


def test_a_run_of_a_function_with_only_params_is_continued_and_repeated(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    given = {"n_jobs": 1, "costs": cost}
    expected = run(whole, **given)
    run(whole, **given | {"candidates": 10}, journal=path)
    calls: list[float] = []

    def count(params: dict[str, Any]) -> Any:
        calls.append(params["x"])
        return whole(params)

    count.__qualname__ = whole.__qualname__
    with pytest.warns(UserWarning, match="function"):
        found = run(count, **given, journal=path)
    assert found.digest == expected.digest and len(calls) == 30
    again = run(whole, **given, record=found.record)
    assert again.digest == expected.digest and again.record == found.record


def test_a_journal_of_complete_trainings_is_not_continued_in_steps(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    run(whole, n_jobs=1, journal=path)

    def steps(params: dict[str, Any], epochs: int, state: Any) -> Any:
        return train(params, epochs, state)

    steps.__qualname__ = whole.__qualname__
    with pytest.raises(ash.JournalError, match=r"form: 'train\(params\)' "):
        run(steps, n_jobs=1, journal=path)


@pytest.mark.parametrize(
    "given", [{"max_epochs": 8}, {"min_epochs": 2}, {"max_rungs": 3}, {"eta": 3}, {"promotion": "paper"}]
)
def test_ladder_options_are_refused_for_a_function_with_only_params(given: dict[str, Any]) -> None:
    name, value = next(iter(given.items()))
    message = rf"{name}={value!r} has no effect with train\(params\).*write train\(params, epochs, state\)"
    with pytest.raises(ash.SettingError, match=message):
        run(whole, n_jobs=1, **given)
    assert run(whole, n_jobs=1, max_epochs=1, min_epochs=1, max_rungs=1).best_epochs == 1


def test_errors_of_a_function_with_only_params_are_explained() -> None:
    with pytest.raises(ash.SettingError, match="train returned <tuple_iterator"):
        run(lambda params: iter(()), n_jobs=1)
    with pytest.raises(ash.JobFailedError, match="ZeroDivisionError"):
        run(lambda params: 1 / 0, n_jobs=1, error="raise")


# Direction


def loss(params: dict[str, Any], epochs: int, state: Any) -> Any:
    score, done = train(params, epochs, state)
    return 1 - score, done


def test_minimizing_a_loss_equals_maximizing_its_negation(tmp_path: Path) -> None:
    def negated(params: dict[str, Any], epochs: int, state: Any) -> Any:
        value, done = loss(params, epochs, state)
        return -value, done

    path = tmp_path / "run.ash"
    expected = run(negated, costs=cost, n_jobs=1)
    for places in ({"n_jobs": 1, "journal": path}, {"n_jobs": 2}, {"executor": "processes", "n_jobs": 2}):
        found = run(loss, costs=cost, direction="minimize", **places)
        assert found.digest == expected.digest and found.best_score == expected.best_score < 0
        assert found.best_value == -found.best_score
    assert run(loss, costs=cost, direction="minimize", n_jobs=1, journal=path).digest == expected.digest
    shown = next(line for line in journal_lines(str(path)) if line.startswith("best "))
    assert shown.split()[1:3] == ["neg_value", show(found.best_score)]
    with pytest.raises(ash.JournalError, match="direction: 'minimize' in the journal, 'maximize' in this call"):
        run(loss, costs=cost, n_jobs=1, journal=path)
    again = run(loss, costs=cost, direction="minimize", n_jobs=1, record=found.record)
    assert again.digest == expected.digest
    assert repr(found).startswith(f"value {show(found.best_value)} by candidate {found.best_candidate} after ")
    assert "neg_value" in found.report(tmp_path / "report.html").read_text(encoding="utf-8")


def test_minimized_values_are_printed_without_negation(capsys: pytest.CaptureFixture[str]) -> None:
    found = ash.tune_function(
        lambda params, *_: params["x"],
        {"x": [2, 1, 0, 3]},
        n_jobs=1,
        direction="minimize",
        candidates=4,
        verbose=2,
    )
    table = repr(found).splitlines()
    assert table[0].startswith("value 0 by candidate ")
    header = next(line for line in table if "best_value" in line)
    assert "-" not in table[table.index(header) + 1] and "best_score" not in repr(found)
    assert found.best_score == 0 and {job.score for job in found.jobs} == {-3, -2, -1, 0}
    told = capsys.readouterr().err
    assert "best value 0" in told and "neg_value" not in told


def test_the_stop_score_has_the_sign_of_the_returned_values(tmp_path: Path) -> None:
    path, given = tmp_path / "run.ash", {"costs": cost, "direction": "minimize", "stop_score": 0.02, "n_jobs": 1}
    assert run(loss, **given, journal=path, max_total_epochs=9).ended == "max_total_epochs"
    assert run(loss, **given | {"stop_score": -0.02}).ended == "finished"
    found = run(loss, **given, journal=path)
    assert found.ended == "stop_score" and 0 < found.best_value <= 0.02 < min(-job.score for job in found.jobs[:-1])
    assert found.settings["stop_score"] == found.record.plan["stop_score"] == 0.02
    for again in (run(loss, **given, journal=path), run(loss, **given, record=found.record)):
        assert (again.ended, again.digest) == ("stop_score", found.digest)
    assert "until neg_value -0.02" in found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert found.simulate(1).rows[0]["jobs"] < found.simulate(1, stop_score=-0.02).rows[0]["jobs"]


# The ladder


@pytest.mark.parametrize("most", [2, 16, 27, 100])
@pytest.mark.parametrize("eta", [2, 3])
@pytest.mark.parametrize(("least", "rungs"), [(1, 63), (2, 63), (1, 2)])
@pytest.mark.parametrize("training", ["resume", "restart"])
def test_a_ladder_is_computed_down_from_max_epochs(most: int, eta: int, least: int, rungs: int, training: str) -> None:
    totals: list[int] = []

    def counted(params: dict[str, Any], epochs: int, state: Any) -> Any:
        totals.append(epochs + (state or 0))
        return params["x"] + totals[-1], totals[-1]

    config = ash.SearchConfig(eta=eta, min_epochs=least, max_rungs=None if rungs == 63 else rungs, training=training)
    found = ash.tune_function(counted, SPACE, candidates=40, max_epochs=most, n_jobs=1, config=config)
    expected = [most // eta**k for k in range(rungs) if most // eta**k >= least and 40 // eta**k >= 1]
    assert sorted(set(totals)) == sorted(expected)
    assert [row["places"] for row in found.rungs] == [40 // eta**k for k in range(len(expected))]
    assert found.best_epochs == found.best_state == most
    shown = f"score {show(found.best_score)} by candidate {found.best_candidate} after {most} epochs, in rung "
    assert repr(found).startswith(shown)


def test_a_ladder_from_max_epochs_is_simulated_correctly() -> None:
    for given in ({"candidates": 16}, {"candidates": None, "max_total_epochs": 200}):
        found = run(train, max_epochs=4, n_jobs=1, costs=cost, **given)
        simulated = found.simulate([1, 2])
        assert simulated.rows[0]["jobs"] == len(found.jobs) or given["candidates"] is None
        assert simulated.rows[0]["epochs"] == found.epochs or given["candidates"] is None
        assert simulated.rows[0]["jobs"] == simulated.rows[1]["jobs"] >= len(found.jobs)
    assert found.simulate([1], max_rungs=1).rows[0]["epochs"] == len(found.params)


def test_a_stream_can_have_a_ladder_from_max_epochs() -> None:
    found = run(train, candidates=None, max_epochs=8, max_total_epochs=500, n_jobs=1)
    assert [row["epochs"] for row in found.rungs] == [1, 1, 2, 4] and found.best_state == 8


def test_a_run_whose_ladder_would_change_is_not_extended(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    first = run(candidates=4, max_epochs=8, n_jobs=1, costs=cost, journal=path)
    assert [row["epochs"] for row in first.rungs] == [2, 2, 4]
    told = r"epochs of the rungs: \[2, 2, 4\] in the journal, \[1, 1, 2, 4\] in this call"
    with pytest.raises(ash.JournalError, match=told):
        run(candidates=16, max_epochs=8, n_jobs=1, costs=cost, journal=path)
    run(candidates=8, max_epochs=8, n_jobs=1, costs=cost, journal=tmp_path / "more.ash")
    more = run(candidates=16, max_epochs=8, n_jobs=1, costs=cost, journal=tmp_path / "more.ash")
    assert more.digest == run(candidates=16, max_epochs=8, n_jobs=1, costs=cost).digest


def test_limits_that_allow_no_rung_are_refused() -> None:
    with pytest.raises(ash.NothingFinishedError, match="max_total_epochs allows no job: raise it, or lower max_epochs"):
        run(max_epochs=100, candidates=4, max_total_epochs=5, n_jobs=1)
    assert run(max_epochs=8, candidates=None, algorithm="random", max_total_epochs=80, n_jobs=1).best_epochs == 8
    with pytest.raises(ash.SettingError, match="max_epochs=3 is below min_epochs=4, the epochs of the first rung"):
        run(max_epochs=3, min_epochs=4)


# Further metrics


def measured(params: dict[str, Any], epochs: int, state: Any) -> Any:
    score, done = train(params, epochs, state)
    metrics = {"latency": np.float32(0.5), **({"deep": done} if params["depth"] == 3 else {})}
    return ash.Outcome(score, done, metrics)


def test_a_metric_may_have_any_name() -> None:
    names = {"suggested": 1.0, "metrics": 2.0, "score": 3.0}
    found = run(lambda params, epochs, state: ash.Outcome(params["x"], metrics=names), n_jobs=1)
    assert found.best_metrics == names and "metrics.suggested" in found.to_pandas("jobs")


def test_further_metrics_are_in_all_outputs(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    plain, found = run(train, costs=cost, n_jobs=1), run(measured, costs=cost, n_jobs=2, journal=path)
    assert found.digest == plain.digest and found.best_state == plain.best_state
    assert found.best_metrics["latency"] == 0.5 and plain.best_metrics == {} and not any(plain.metrics)
    table = found.to_pandas("jobs")
    depth = [found.params[candidate]["depth"] for candidate in table["candidate"]]
    assert (table["metrics.latency"] == 0.5).all() and (table["metrics.deep"].notna() == (np.array(depth) == 3)).all()
    assert found.to_polars("jobs").columns == list(table.columns)
    assert "metrics.latency" not in found.to_pandas("rungs") and "metrics.latency" not in plain.to_pandas("jobs")
    assert "metrics.latency" not in plain.to_pandas()
    story = json.loads(str(found.to_json()))
    assert story["metrics"] == list(found.metrics) and "metrics" not in json.loads(str(plain.to_json()))
    assert "latency" in found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    again = run(measured, costs=cost, n_jobs=1, journal=path)
    assert again.metrics == found.metrics, "out of the journal"
    assert run(measured, costs=cost, n_jobs=2, executor="processes").metrics == found.metrics


@pytest.mark.filterwarnings(*FAILURES)
def test_candidates_and_trials_have_the_metrics_of_their_best_job() -> None:
    def first_is_best(params: dict[str, Any], epochs: int, state: Any) -> Any:
        done = epochs + (state or 0)
        metrics = {"done": done, "loss": math.nan} if params["x"] != 4 else {}
        return ash.Outcome(params["x"] / done if params["x"] else math.nan, done, metrics)

    found = ash.tune_function(first_is_best, {"x": [0, 1, 2, 3, 4]}, candidates=5, n_jobs=1)
    assert max(job.rung for job in found.jobs) == 1, "where scores are lower"
    table = found.to_pandas().set_index("x")
    assert table["metrics.done"].fillna(0).to_dict() == {0: 0, 1: 1, 2: 1, 3: 1, 4: 0} and found.best_metrics == {}
    attributes = {trial.params["x"]: trial.user_attrs for trial in found.to_optuna().trials}
    assert {x: each.get("done") for x, each in attributes.items()} == {0: None, 1: 1, 2: 1, 3: 1, 4: None}
    assert (attributes[2]["loss"], attributes[2]["metrics.loss"]) == (-2, None), "the names of ash stay"


def test_a_non_finite_metric_is_recorded() -> None:
    found = run(lambda params, epochs, state: ash.Outcome(params["x"], metrics={"loss": math.nan}), n_jobs=1)
    assert math.isnan(found.best_metrics["loss"]) and json.loads(str(found.to_json()))["metrics"][0] == {"loss": None}

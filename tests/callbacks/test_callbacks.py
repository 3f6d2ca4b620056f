"""Tests callbacks: the events that they receive, their order and thread, how they end a run, and errors in them."""

import copy
import pickle
import re
import threading
from types import SimpleNamespace
from typing import Any

import pandas
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV

import ash
from ash.callbacks.dispatch import Reporter
from ash.engine.event_loop import _end_behind
from ash.errors import AllDivergedError, NothingFinishedError, SettingError
from ash.history.records import JobRecord
from callback_help import INTERRUPTED, After, Diary, Failing, Stopper, X, Y, decided, endless, press_ctrl_c, tune
from estimator_help import classifier
from fault_help import HANG_SECONDS, small_space, table
from result_help import make_result

pytestmark = pytest.mark.core


def tune_function(*callbacks: Any) -> ash.FunctionResult:
    return ash.tune_function(
        lambda params, epochs, state: params["a"] - 1 / epochs,
        {"a": ash.uniform(0, 1)},
        costs=lambda params, epochs: epochs,
        candidates=16,
        verbose=0,
        callbacks=callbacks,
    )


# Events


@pytest.mark.parametrize("schedule", ["reproducible", "greedy"])
def test_callbacks_receive_the_start_every_job_in_order_and_the_end(schedule: str) -> None:
    diary = Diary()
    result = tune(diary, config=ash.SearchConfig(schedule=schedule))
    assert diary.kinds == ["start", *["job"] * len(result.jobs), "end"] and len(result.jobs) > 16
    assert [decided(job) for job, _ in diary.jobs] == [decided(job) for job in result.jobs]
    assert all(params == result.params[job.candidate] for job, params in diary.jobs)
    assert diary.pages[-1][1] is result and diary.threads == {threading.get_ident()}


@pytest.mark.filterwarnings("ignore:n_jobs=3")
def test_the_order_of_events_does_not_depend_on_threads() -> None:
    diaries = [Diary() for _ in range(3)]
    digests = {tune(diary, n_jobs=threads).digest for threads, diary in enumerate(diaries, 1)}
    orders = {tuple(decided(job) for job, _ in diary.jobs) for diary in diaries}
    assert len(digests) == len(orders) == 1
    assert tune().digest in digests


def test_on_start_receives_a_description_of_the_run() -> None:
    diary, wine = Diary(), load_wine()
    frame = pandas.DataFrame(wine.data, columns=wine.feature_names)
    result = ash.tune(frame, Y, candidates=16, random_state=None, callbacks=[diary], validation=0.2)
    run = diary.pages[0][1]
    assert isinstance(run, ash.Run) and not run.stopped
    assert (run.task, run.metric, run.seed) == ("classification", "accuracy", result.seed)
    assert run.settings == result.settings and run.options == result.options
    assert run.feature_names == tuple(wine.feature_names) and run.classes == [0, 1, 2]
    assert (run.training_rows, run.validation_rows, run.folds) == (142, 36, 1)
    assert run.candidates == 16 and run.space.sample(16, run.seed) == list(result.params)
    assert run.rungs == ((0, 1, 16), (1, 2, 8), (2, 4, 4), (3, 8, 2)) and run.rungs[1].epochs == 2
    assert run.model is result.model


def test_a_stream_has_neither_a_candidate_count_nor_places() -> None:
    diary = Diary()
    tune(diary, space=None, candidates=None, cv=2, config=ash.SearchConfig(max_total_epochs=40))
    run = diary.pages[0][1]
    assert run.candidates is None and {rung.places for rung in run.rungs} == {None} and run.folds == 2
    assert [rung.epochs for rung in run.rungs[:4]] == [1, 2, 4, 8]


def test_any_object_with_a_single_callback_method_is_accepted() -> None:
    class Counter:
        jobs = 0

        def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
            self.jobs += 1
            params.clear()  # `params` is a copy, so the run does not change

    counter, diary = Counter(), Diary()
    result = tune(ash.Callback(), counter, diary)
    assert counter.jobs == len(result.jobs) and all(params for _, params in diary.jobs) and all(result.params)


SHORT = SimpleNamespace(on_job=lambda job: None)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (ash.Callback, "callbacks must be an object, got the class Callback: pass Callback()"),
        ("abc", "callbacks must be a callback, with at least one of on_start, on_job, on_end, on_error, got 'abc'"),
        ([ash.Callback], "callbacks[0] must be an object, got the class Callback: pass Callback()"),
        ([ash.Callback(), 3], "callbacks[1] must be a callback, with at least one of .*, got 3"),
        (SHORT, "callbacks.on_job takes (job), but must take (job, params)"),
        ([ash.Callback(), SHORT], "callbacks[1].on_job takes (job), but must take (job, params)"),
    ],
)
def test_objects_without_callback_methods_are_refused(callbacks: Any, message: str) -> None:
    pattern = re.escape(message).replace(re.escape(".*"), ".*")
    with pytest.raises(SettingError, match=pattern):
        ash.tune(X, Y, callbacks=callbacks)
    with pytest.raises(SettingError, match=pattern):
        classifier(callbacks=callbacks).fit(X, Y)


# End of a run


def test_a_callback_stops_the_run() -> None:
    stopper, diary = Stopper(5), Diary()
    result = endless(stopper, diary)
    assert result.ended == "stopped" and not result.interrupted and "stopped by a callback" in repr(result)
    assert len(result.jobs) == len(stopper.jobs) == len(diary.jobs) >= 5
    assert stopper.kinds[-1] == diary.kinds[-1] == "end" and diary.pages[0][1].stopped
    assert result.model.predict(X).shape == Y.shape


def test_any_thread_may_stop_the_run() -> None:
    class Elsewhere(ash.Callback):
        def __init__(self) -> None:
            self.has_job = threading.Event()

        def on_start(self, run: ash.Run) -> None:
            self.thread = threading.Thread(target=lambda: self.has_job.wait(HANG_SECONDS) and run.stop())
            self.thread.start()

        def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
            self.has_job.set()

    callback = Elsewhere()
    assert endless(callback).ended == "stopped"
    callback.thread.join()


def test_a_run_stopped_before_its_first_job_is_an_error() -> None:
    stopper = Stopper(0)
    with pytest.raises(
        NothingFinishedError, match=r"a callback stopped the run after .* s, before the first job ended"
    ):
        tune(stopper)
    assert stopper.kinds == ["start", "error"] and isinstance(stopper.pages[-1][1], NothingFinishedError)


def test_stopping_a_finished_run_changes_nothing() -> None:
    class Late(Stopper):
        def on_end(self, result: ash.Result) -> None:
            self.run.stop()

    assert tune(Late(-1)).ended == "finished"


# Cost


class Records:
    """A stand-in for a running tuner: its columns of finished jobs grow, and it counts how often they are read."""

    def __init__(self) -> None:
        self.columns, self.asked, self.finished = make_result().columns, 0, 0

    def more(self, jobs: int) -> list[tuple[str, int, int, float, float]]:
        self.finished += jobs
        return [("finished", 0, 0, 0.0, 0.5)] * jobs + [("started", 0, 0, 0.0, 0.5)]

    def jobs(self, first: int = 0) -> dict[str, Any]:
        self.asked += 1
        return {name: column[first : self.finished] for name, column in self.columns.items()}


def reporter(*callbacks: ash.Callback) -> tuple[Reporter, Any, list[dict[str, Any]]]:
    return Reporter(callbacks), Records(), [{}] * 16


def test_records_are_read_only_when_a_job_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ash.callbacks.dispatch.LOOK_SECONDS", HANG_SECONDS)
    diary = Diary()
    told, tuner, params = reporter(diary)
    for finished, asked, jobs in ((0, 0, 0), (3, 1, 3), (0, 1, 3), (2, 2, 5)):
        told.look(tuner, params, tuner.more(finished))
        assert (tuner.asked, len(diary.jobs)) == (asked, jobs)
    told.finish(tuner, params)
    assert [job for job, _ in diary.jobs] == make_result().jobs[:5]


def test_records_are_never_read_without_callbacks() -> None:
    told, tuner, params = reporter()
    told.look(tuner, params, tuner.more(3))
    told.finish(tuner, params)
    assert tuner.asked == 0


def test_dispatch_stops_at_its_time_limit_and_continues_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ash.callbacks.dispatch.LOOK_SECONDS", 0.0)
    diary = Diary()
    told, tuner, params = reporter(diary)
    told.look(tuner, params, tuner.more(5))
    assert diary.jobs == []
    monkeypatch.setattr("ash.callbacks.dispatch.LOOK_SECONDS", 60.0)
    told.look(tuner, params, [])
    assert len(diary.jobs) == 5 and tuner.asked == 1


# Errors


@pytest.mark.parametrize(("method", "error"), [("on_start", LookupError("no experiment")), ("on_job", SystemExit(3))])
def test_an_error_in_on_start_or_an_exit_in_on_job_is_raised_unchanged(method: str, error: BaseException) -> None:
    before, after = Diary(), Diary()
    with pytest.raises(type(error)) as raised:
        tune(before, Failing(method, error), after)
    assert raised.value is error and error.__cause__ is None and error.__context__ is None
    assert before.kinds[-1] == "error"
    assert after.kinds[-1:] == ([] if method == "on_start" else ["error"])
    assert all(what is error for kind, what in before.pages + after.pages if kind == "error")


@pytest.mark.parametrize("tuned", [tune, tune_function])
def test_an_error_in_on_job_costs_neither_the_run_nor_the_other_callbacks(tuned: Any) -> None:
    class Broken(Diary):
        def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
            super().on_job(job, params)
            if len(self.jobs) == 3:
                raise ConnectionError("the server is down")

    before, broken, after = Diary(), Broken(), Diary()
    with pytest.warns(UserWarning) as warned:
        result = tuned(before, broken, after)
    text = "Broken.on_job raised ConnectionError: the server is down; the run continues without this callback"
    assert [str(each.message) for each in warned] == [text]
    for diary in (before, after):
        assert diary.kinds == ["start", *["job"] * len(result.jobs), "end"]
    assert broken.kinds == ["start", "job", "job", "job", "error"] and result.digest == tuned().digest
    assert isinstance(broken.pages[-1][1], ConnectionError)


@pytest.mark.parametrize("tuned", [tune, tune_function])
@pytest.mark.parametrize("error", [OSError("no such host"), KeyboardInterrupt()])
def test_an_error_or_ctrl_c_in_on_end_does_not_lose_the_result(error: BaseException, tuned: Any) -> None:
    before, after = Diary(), Diary()
    text = rf"Failing.on_end raised {type(error).__name__}: {error}; the result is complete"
    with pytest.warns(UserWarning, match=text):
        result = tuned(before, Failing("on_end", error), after)
    assert before.pages[-1] == after.pages[-1] == ("end", result)


@pytest.mark.parametrize(
    ("of_the_threads", "notes"),
    [
        (None, []),
        (MemoryError("no room"), ["the threads raised MemoryError: no room"]),
        (LookupError("no such experiment"), []),  # no note is added, since this is the error raised
    ],
)
def test_a_later_error_of_the_threads_is_added_as_a_note(of_the_threads: Exception | None, notes: list[str]) -> None:
    class Ending:
        stopped = False

        def stop(self) -> None:
            self.stopped = True

        def wait(self, seconds: float) -> bool:
            if of_the_threads is not None:
                raise of_the_threads
            return True

    error, tuner = LookupError("no such experiment"), Ending()
    _end_behind(error, tuner)  # type: ignore[arg-type]
    assert tuner.stopped and getattr(error, "__notes__", []) == notes


def test_an_error_in_on_error_is_added_as_a_note() -> None:
    error = SystemExit("no such experiment")
    with pytest.raises(SystemExit) as raised:
        tune(Failing("on_error", OSError("disk full")), Failing("on_job", error))
    assert raised.value is error and error.__notes__ == ["Failing.on_error raised OSError: disk full"]


def test_an_error_in_on_error_is_added_to_the_warning_of_on_job() -> None:
    twice = Failing("on_job", LookupError("no such experiment"))
    twice.on_error = twice.fail  # type: ignore[method-assign]
    text = "on_job raised LookupError: no such experiment, and Failing.on_error raised LookupError: no such experiment;"
    with pytest.warns(UserWarning, match=text):
        tune(twice)


def test_started_callbacks_receive_on_error_if_there_is_no_result() -> None:
    diary = Diary()
    with pytest.raises(AllDivergedError):
        tune(diary, space=ash.Space(learning_rate=1e30, optimizer="sgd", hidden=ash.choice((8,), (16,))), candidates=2)
    assert diary.kinds[0] == "start" and diary.kinds[-1] == "error" and len(diary.jobs) == 2
    assert all(job.diverged for job, _ in diary.jobs)


def test_ctrl_c_in_a_callback_interrupts_the_run() -> None:
    diary = Diary()

    def interrupt(run: ash.Run) -> None:
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=INTERRUPTED):
        result = endless(After(1, interrupt), diary)
    assert result.ended == "interrupted" and diary.kinds[-1] == "end"
    assert len(diary.jobs) == len(result.jobs)  # including the first job, in whose callback Ctrl-C arrived


def test_ctrl_c_during_the_callbacks_for_the_last_jobs_interrupts_the_run() -> None:
    def constant(params: dict[str, Any], epochs: int, state: Any) -> float:
        return params["a"]

    of_table, of_function = Diary(), Diary()
    with pytest.warns(UserWarning, match=f"^the run was {INTERRUPTED}$"):
        first = tune(After(len(tune().jobs), press_ctrl_c), of_table)
    given = {"candidates": 3, "config": ash.SearchConfig(max_rungs=1), "n_jobs": 1, "verbose": 0}
    with pytest.warns(UserWarning, match=f"^the run was {INTERRUPTED}$"):
        second = ash.tune_function(constant, {"a": [1, 2, 3]}, **given, callbacks=[After(3, press_ctrl_c), of_function])
    for diary, result in ((of_table, first), (of_function, second)):
        assert result.ended == "interrupted" and diary.kinds == ["start", *["job"] * len(result.jobs), "end"]
    assert first.digest == tune().digest and len(second.jobs) == 3


def test_a_single_callback_needs_no_list() -> None:
    x, y = table(200)
    diaries = [Diary() for _ in range(3)]
    result = ash.tune(x, y, small_space(), candidates=2, verbose=0, callbacks=diaries[0], validation=0.2)
    fitted = classifier(callbacks=diaries[1]).fit(x, y)
    found = ash.tune_function(
        lambda params, epochs, state: params["a"], {"a": [1, 2]}, candidates=2, verbose=0, callbacks=diaries[2]
    )
    for diary, outcome in zip(diaries, (result, fitted.result_, found), strict=True):
        assert diary.kinds[0] == "start" and diary.pages[-1] == ("end", outcome)
        assert len(diary.jobs) == len(outcome.jobs)


# Estimators


def test_clones_get_separate_callbacks() -> None:
    x, y = table(90)
    diary = Diary()
    estimator = classifier(callbacks=[diary])
    cloned = clone(estimator)
    assert cloned.callbacks[0] is not diary and type(cloned.callbacks[0]) is Diary
    search = GridSearchCV(estimator, {"config__eta": [2, 3]}, cv=2).fit(x, y)
    assert diary.pages == [] and search.best_estimator_.callbacks[0].kinds[-1] == "end"


def test_a_callback_can_be_copied_and_pickled_after_a_run() -> None:
    x, y = table(90)
    fitted = classifier(callbacks=[Stopper(2)]).fit(x, y)
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert twin.callbacks[0].kinds == fitted.callbacks[0].kinds
        assert (twin.predict(x) == fitted.predict(x)).all()

"""What becomes of the errors of callbacks, and callbacks of estimators."""

from __future__ import annotations

import contextlib
import copy
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import ash
from ash.engine.event_loop import _end_behind
from ash.errors import AllDiverged
from ash.history.records import JobRecord
from callback_help import Diary, Failing, Stopper, endless, tune
from estimator_help import classifier
from fault_help import table

# Errors


def ticks_of_threads() -> dict[int, int]:
    """Return for how many ticks of the clock each thread of this process has run."""
    ticks = {}
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            words = (task / "stat").read_text().rpartition(")")[2].split()
            ticks[int(task.name)] = int(words[11]) + int(words[12])
    return ticks


@pytest.mark.parametrize("method", ["on_start", "on_job"])
def test_an_error_comes_out_as_it_is(method: str) -> None:
    before, after, error = Diary(), Diary(), LookupError("no such experiment")
    with pytest.raises(LookupError) as raised:
        tune(before, Failing(method, error), after)
    assert raised.value is error and error.__cause__ is None and error.__context__ is None
    assert before.kinds[-1] == "error"
    assert after.kinds[-1:] == ([] if method == "on_start" else ["error"])
    assert all(what is error for kind, what in before.pages + after.pages if kind == "error")


def test_a_result_is_not_lost_for_a_report_of_it() -> None:
    before, after = Diary(), Diary()
    with pytest.warns(UserWarning, match=r"Failing.on_end raised OSError: no such host; the result is whole"):
        result = tune(before, Failing("on_end", OSError("no such host")), after)
    assert before.pages[-1] == after.pages[-1] == ("end", result)


def test_nobody_trains_on_behind_an_error() -> None:
    tune()  # the threads that OpenMP keeps for the next run are there now
    ours = ticks_of_threads().keys()
    with pytest.raises(LookupError):
        endless(Failing("on_job", LookupError()))
    before = ticks_of_threads()
    time.sleep(1)  # in which one that trains runs for a hundred ticks; some library may have begun one that waits
    now = ticks_of_threads()
    assert {thread: ran for thread, ran in now.items() if thread not in ours and ran > before.get(thread, 0) + 2} == {}


@pytest.mark.parametrize(
    ("of_the_threads", "notes"),
    [
        (None, []),
        (MemoryError("no room"), ["the threads have raised MemoryError: no room"]),
        (LookupError("no such experiment"), []),  # the core raises its own error again
    ],
)
def test_what_the_threads_raise_behind_an_error_is_a_note(of_the_threads: Exception | None, notes: list[str]) -> None:
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


def test_an_error_of_on_error_is_a_note() -> None:
    error = LookupError("no such experiment")
    with pytest.raises(LookupError) as raised:
        tune(Failing("on_error", OSError("disk full")), Failing("on_job", error))
    assert raised.value is error and error.__notes__ == ["Failing.on_error raised OSError: disk full"]


def test_who_was_told_of_the_start_is_told_that_there_is_no_result() -> None:
    diary = Diary()
    with pytest.raises(AllDiverged):
        tune(diary, space=ash.Space(learning_rate=1e30, optimizer="sgd", hidden=ash.choice((8,), (16,))), candidates=2)
    assert diary.kinds[0] == "start" and diary.kinds[-1] == "error" and len(diary.jobs) == 2
    assert all(job.diverged for job, _ in diary.jobs)


def test_ctrl_c_in_a_callback_is_ctrl_c_in_the_run() -> None:
    diary = Diary()

    class Once(ash.Callback):
        def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
            if not diary.jobs:
                raise KeyboardInterrupt

    result = endless(Once(), diary)
    assert result.ended == "interrupted" and diary.kinds[-1] == "end"
    assert len(diary.jobs) == len(result.jobs)  # the first one too, whose telling was interrupted


# Estimators


def test_an_estimator_tells_its_callbacks() -> None:
    x, y = table(200)
    diary = Diary()
    fitted = classifier(callbacks=[diary]).fit(x, y)
    run = diary.pages[0][1]
    assert diary.pages[-1] == ("end", fitted.result_) and run.model is fitted.model_
    assert len(diary.jobs) == len(fitted.result_.jobs)
    assert fitted.result_.digest == classifier().fit(x, y).result_.digest


def test_a_callback_stops_an_estimator() -> None:
    x, y = table(200)
    fitted = classifier(space=None, candidates=None, target=2.0, callbacks=[Stopper(3)]).fit(x, y)
    assert fitted.result_.ended == "stopped" and fitted.predict(x).shape == y.shape


def test_clones_have_callbacks_of_their_own() -> None:
    x, y = table(90)
    diary = Diary()
    estimator = classifier(callbacks=[diary])
    cloned = clone(estimator)
    assert cloned.callbacks[0] is not diary and type(cloned.callbacks[0]) is Diary
    search = GridSearchCV(estimator, {"eta": [2, 3]}, cv=2).fit(x, y)
    assert diary.pages == [] and search.best_estimator_.callbacks[0].kinds[-1] == "end"


def test_a_callback_is_copied_and_pickled_after_a_run() -> None:
    x, y = table(90)
    fitted = classifier(callbacks=[Stopper(2)]).fit(x, y)
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert twin.callbacks[0].kinds == fitted.callbacks[0].kinds
        assert (twin.predict(x) == fitted.predict(x)).all()

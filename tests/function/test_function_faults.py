"""Tests faults of the user's function: it raises, returns invalid values, hangs or dies, and the run continues."""

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib.externals import loky

import ash
from ash.errors import AllFailedError, NothingFinishedError
from ash.function.answers import attempt
from fault_help import HANG_SECONDS, python, wait_until
from function_help import FAILURES, job_of, pass_limit_of_last_job, run, train

pytestmark = pytest.mark.filterwarnings(*FAILURES)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


BAD: dict[str, Any] = {
    "none": None,
    "text": "0.9",
    "complex": 1j,
    "three": (1.0, None, None),
    "two numbers": (0.9, 0.013),
    "metrics": ash.Outcome(0.9, metrics={"latency": "fast"}),
    "score of an outcome": ash.Outcome("0.9"),
    "bool": True,
    "nan": math.nan,
    "inf": -math.inf,
    "two": np.zeros(2),
    "decimal": Decimal("0.5"),
    "huge": 10**400,
    "unshowable": Unshowable(),
    "nested": ((1.0, 2.0), None),
}
GOOD: dict[str, Any] = {
    "int": 1,
    "float32": np.float32(1),
    "array": np.ones(1),
    "zero-d": np.array(1.0),
    "fraction": Fraction(1),
    "pair": (1, "state"),
    "count as a state": (1.0, 3),
    "array as a state": (1.0, np.ones(1)),
    "outcome": ash.Outcome(np.ones(1), 0.5, {"latency": np.float32(2)}),
}


@pytest.mark.parametrize("name", BAD, ids=lambda name: f"F41-{name}")
def test_an_invalid_score_is_a_failure_with_a_reason(name: str) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        return BAD[name] if params["depth"] == 2 else train(params, epochs, state)

    with pytest.warns(UserWarning, match="failed"):
        result = run(function, n_jobs=1)
    bad = [number for number, params in enumerate(result.params) if params["depth"] == 2]
    assert [failure.candidate for failure in result.failures] == sorted(bad)
    for failure in result.failures:
        assert failure.kind == "failed" and failure.rung == 0 and failure.text
    assert all(job.diverged == (job.candidate in bad) for job in result.jobs)


WRONG = [name for name in BAD if name not in ("nan", "inf", "huge")]


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_score_in_the_first_job_ends_the_run(name: str) -> None:
    with pytest.raises(ash.SettingError, match="train returned") as caught:
        run(lambda params, epochs, state: BAD[name], n_jobs=1)
    said = str(caught.value)
    assert "ash.Outcome(score" in said or "metrics must be a dict of numbers" in said


def test_the_first_job_is_checked_on_any_number_of_threads(tmp_path: Path) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        return None if params == wrong else train(params, epochs, state)

    wrong = run(n_jobs=1).params[0]
    for number, places in enumerate([{"n_jobs": 1}, {"n_jobs": 2}, {"executor": "processes", "n_jobs": 2}]):
        journal = tmp_path / f"{number}.ash"
        with pytest.raises(ash.SettingError, match="train returned None, but must return a number"):
            run(function, **places, journal=journal)
    wrong = {}
    assert not run(function, n_jobs=1, journal=journal).failures, "the wrong answer is not on record"


def test_the_first_traceback_is_shown_at_once_and_all_reasons_at_the_end() -> None:
    shown: list[int] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        shown.append(len(caught))
        if params["depth"] == 2:
            raise KeyError("depth")
        return train(params, epochs, state)

    with pytest.warns(UserWarning) as caught:
        result = run(function, n_jobs=1)
    first, last = [str(warning.message) for warning in caught if "failed" in str(warning.message)]
    number = result.failures[0].candidate
    assert first.startswith(f"candidate {number} failed in rung 0, with {{") and "in function\n" in first
    assert "KeyError: 'depth'\nThe run continues" in first
    assert last.startswith(f"{len(result.failures)} of {len(result.jobs)} jobs failed:") and "KeyError" in last
    assert shown.index(1) == [job.diverged for job in result.jobs].index(True) + 1, "before the next job begins"
    assert shown[-1] == 1


def test_an_error_is_raised_if_the_user_asks_for_it() -> None:
    class Odd(Exception):
        pass

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if params["depth"] == 2:
            raise Odd("no depth of 2")
        return train(params, epochs, state)

    for places in ({"n_jobs": 1}, {"n_jobs": 2}, {"executor": "processes", "n_jobs": 1}):
        with pytest.raises(
            ash.JobFailedError, match=r"(?s)failed in rung 0, with .*'depth': 2.*Odd: no depth"
        ) as caught:
            run(function, **places, error="raise")
        assert isinstance(caught.value.__cause__, Odd)
        partial = caught.value.result
        assert partial.interrupted and {partial.params[job.candidate]["depth"] for job in partial.jobs} <= {1, 3}
        assert partial.best_score == max(job.score for job in partial.jobs) and partial.best_state is not None
    with pytest.raises(ash.JobFailedError, match="the score is nan"):
        run(lambda params, epochs, state: math.nan, error="raise")
    with pytest.raises(ash.SettingError, match="error must be one of"):
        run(error="ignore")


@pytest.mark.parametrize("name", GOOD, ids=lambda name: f"F41-{name}")
def test_numbers_of_any_kind_are_scores(name: str) -> None:
    result = run(lambda params, epochs, state: GOOD[name], n_jobs=1)
    assert {job.score for job in result.jobs} == {1.0} and not result.failures
    assert result.best_candidate == 0 and result.best_rung == 4


def shallow(params: dict[str, Any]) -> float:
    if params["depth"] == 2:
        raise ValueError("too deep")
    return 0.5


def returning(params: dict[str, Any], epochs: int, state: Any) -> float:
    return shallow(params)


def yielding(params: dict[str, Any]) -> Iterator[float]:
    yield shallow(params)


def reporting(params: dict[str, Any], report: Any) -> None:
    report(shallow(params))


@pytest.mark.parametrize("function", [returning, yielding, reporting])
@pytest.mark.parametrize("places", [{"n_jobs": 1}, {"executor": "processes", "n_jobs": 1}], ids=["here", "process"])
@pytest.mark.filterwarnings("ignore:train ended after")
def test_f43_a_traceback_starts_with_the_users_function(function: Any, places: dict[str, Any]) -> None:
    lines = run(function, **places, candidates=9).failures[0].text.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "ValueError: too deep"
    assert __file__ in lines[1] and lines[1].endswith(f"in {function.__name__}") and len(lines) <= 8


def test_f43_a_traceback_without_user_code_is_complete() -> None:
    answer = attempt(ash.uniform, job_of(), {}, None)  # `ash.uniform` is called with a dict as its lower bound
    assert "in attempt" in answer.text.splitlines()[1] and "both bounds must be" in answer.text


def test_f43_a_traceback_is_recorded() -> None:
    class Odd(Exception):
        def __init__(self, first: Any, second: Any) -> None:  # this exception cannot be unpickled
            super().__init__("odd")
            self.lock = threading.Lock()

    def helper() -> None:
        raise Odd(1, 2)

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if params["depth"] == 2:
            helper()
        return train(params, epochs, state)

    for places in ({"n_jobs": 1}, {"n_jobs": 2}, {"executor": "processes", "n_jobs": 1}):
        result = run(function, **places)
        assert result.failures and not any(failure.rung for failure in result.failures)
        for failure in result.failures:
            assert "in helper" in failure.text and "Odd: odd" in failure.text and "attempt" not in failure.text
        assert "Odd: odd" in repr(result)


def test_f49_complete_failure_is_an_error_with_reasons() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        raise KeyError(params["kind"])

    with pytest.raises(AllFailedError, match=r"all 40 jobs failed:(.|\n)*failed +KeyError: 'a'"):
        run(function, n_jobs=1, max_failures=100)
    with pytest.raises(AllFailedError, match=r"all 10 jobs failed, which ended the run \(max_failures in the config"):
        run(function, n_jobs=1)
    with pytest.raises(AllFailedError, match="all 3 jobs"):
        run(function, n_jobs=1, max_failures=3)
    release = threading.Event()
    text = "candidate 0 in rung 0 and candidate 1 in rung 0: training goes on in the background"
    with pytest.raises(NothingFinishedError, match=r"time_limit was over after .*; give a larger time_limit") as raised:
        run(lambda params, epochs, state: release.wait(HANG_SECONDS), n_jobs=2, time_limit=0.05)
    assert any(text in note for note in raised.value.__notes__)
    release.set()


@pytest.mark.filterwarnings(*FAILURES)
def test_f49_a_run_with_a_corrected_function_continues_with_other_candidates(tmp_path: Path) -> None:
    is_wrong = [True]

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if is_wrong:
            raise KeyError("typo")
        return train(params, epochs, state)

    for _ in range(2):
        with pytest.raises(AllFailedError, match=r"all \d+ jobs failed, which ended the run"):
            run(function, n_jobs=1, journal=tmp_path / "run.ash")
    is_wrong.clear()
    result = run(function, n_jobs=1, journal=tmp_path / "run.ash")
    # a call ends after ten decided failures; by then all jobs of the 8 virtual workers have been run twice
    assert len(result.failures) == 2 * 16 and len({job.candidate for job in result.jobs}) == 40


def test_f44_side_effects_of_a_function_do_not_change_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        answer = train(params, epochs, state)
        params.clear()
        os.chdir("/")
        np.random.seed(1)
        random.seed(1)
        threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start()
        return answer

    assert run(function, n_jobs=1).digest == run(train, n_jobs=1).digest


def test_f47_a_hanging_job_in_a_thread_occupies_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), itertools.count()
    hung: list[Any] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if next(calls) == 0:
            hung.append(params)
            release.wait(HANG_SECONDS)
        return train(params, epochs, state)

    pass_limit_of_last_job(monkeypatch, lambda: hung)
    with pytest.warns(UserWarning, match="a thread cannot be stopped"):
        result = run(function, n_jobs=2, job_limit=HANG_SECONDS)
    release.set()
    assert [failure.kind for failure in result.failures] == ["late"] and result.ended == "finished"
    assert result.params[result.failures[0].candidate] == hung[0]
    assert len({job.candidate for job in result.jobs}) == 40
    others = sorted((job for job in result.jobs if not job.diverged), key=lambda job: job.start)
    assert all(one.end <= other.start for one, other in itertools.pairwise(others))  # one thread ran all other jobs


def test_f47_the_run_ends_if_every_thread_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    release, hung = threading.Event(), []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if params["depth"] == 3:
            hung.append(params)
            release.wait(HANG_SECONDS)
        return train(params, epochs, state)

    pass_limit_of_last_job(monkeypatch, lambda: hung)
    with pytest.warns(UserWarning) as warned:
        result = run(function, n_jobs=1, job_limit=HANG_SECONDS)
    release.set()
    assert result.ended == "failures" and result.failures[0].kind == "late" and len(result.jobs) > 1
    told = [str(each.message) for each in warned]
    assert any("all threads exceeded job_limit" in each for each in told)
    assert [each.endswith('executor="processes" kills jobs that exceed job_limit') for each in told].count(True) == 1
    assert result.failures[0].text == f"the job took longer than job_limit={HANG_SECONDS:g} seconds"


def test_an_unpicklable_state_fails_only_its_job() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        return 1.0, threading.Lock() if params["depth"] == 1 else params["depth"]

    result = run(function, executor="processes", n_jobs=1)
    assert {failure.text.split(":")[0] for failure in result.failures} == {"the state cannot be pickled"}
    assert len(result.failures) == sum(params["depth"] == 1 for params in result.params)


def test_a_dead_worker_ends_the_run_of_a_pool_and_fails_its_job_in_processes() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if params["depth"] == 2 and epochs == 1:
            os._exit(3)
        return train(params, epochs, state)

    words = "the executor is broken and accepts no more jobs: BrokenProcessPool"
    with ProcessPoolExecutor(1) as pool, pytest.raises(ash.ExecutorFailedError, match=words) as ended:
        run(function, executor=pool)
    assert len(ended.value.result.jobs) > 0 and ended.value.result.failures == ()
    result = run(function, executor="processes", n_jobs=1)
    assert {failure.text for failure in result.failures} == {"the process of the job ended with exit status 3"}
    executor = loky.get_reusable_executor(1)
    assert len(run(train, executor=executor).jobs) > 40


class Stop(BaseException):
    """An exception that is not an error, like those of Python that end a program."""


@pytest.mark.parametrize("places", [{"n_jobs": 1}, {"n_jobs": 2}, {"n_jobs": 1, "executor": "processes"}])
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), GeneratorExit(), KeyboardInterrupt(), Stop(2)],
    ids=lambda each: f"F86-{type(each).__name__}",
)
def test_exceptions_that_end_the_process_are_raised(error: BaseException, places: dict[str, Any]) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as raised:
        run(function, **places)
    assert raised.value.args[:1] == error.args or not error.args


def test_f87_functions_may_import_log_and_call_ash() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        import logging

        logging.getLogger("function").info("%s", params)
        if state is None and params["depth"] == 1:
            return run(train, n_jobs=1, candidates=2).best_score, 1
        return train(params, epochs, state)

    assert len(run(function, n_jobs=2).jobs) > 40


def test_f88_the_interpreter_can_exit_while_threads_hang() -> None:
    code = """
import time, warnings
import ash
warnings.simplefilter("ignore")
def train(params, epochs, state):
    if params["x"] > 0.5:
        time.sleep(1000)
    return params["x"]
result = ash.tune_function(train, {"x": [0.1, 0.9]}, candidates=2, n_jobs=2, verbose=0,
    config=ash.SearchConfig(job_limit=2))
print(result.failures[0].kind)
"""
    done = python(code)
    assert done.returncode == 0 and done.stdout == "late\n", done.stderr


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    code = """
import os, sys, threading, time, ash
from pathlib import Path
folder = Path(sys.argv[1])
def train(params, epochs, state):
    (folder / str(os.getpid())).touch()
    time.sleep(1000)
def end():
    while not list(folder.iterdir()):
        time.sleep(0.01)
    os._exit(0)
threading.Thread(target=end).start()
ash.tune_function(train, {"x": [0.1, 0.9]}, candidates=2, n_jobs=1, executor="processes", verbose=0)
"""
    python(code, str(tmp_path))
    (child,) = tmp_path.iterdir()
    wait_until(lambda: not Path(f"/proc/{child.name}").exists())

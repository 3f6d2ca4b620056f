"""Tests `ash.tune_function`: the rules of the ladder for a user's function, on one thread and on many."""

import copy
import itertools
import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

import ash
from config_help import configured
from fault_help import HANG_SECONDS, python
from function_help import FAILURES, SETTINGS, SPACE, by_hand, cost, decided, run, train, wait

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    "settings",
    [{}, {"eta": 3, "min_epochs": 2}, {"promotion": "paper"}, {"algorithm": "sh"}, {"max_rungs": 2}],
    ids=lambda settings: "-".join(map(str, settings.values())) or "default",
)
def test_one_thread_follows_the_rules(settings: dict[str, Any]) -> None:
    result = run(n_jobs=1, schedule="greedy", **settings)
    assert decided(result) == by_hand(list(result.params), **settings)
    assert result.schedule == "greedy" and result.ended == "finished" and not result.failures
    best = max(result.jobs, key=lambda job: (job.score, -job.candidate, -job.rung))
    assert (result.best_candidate, result.best_rung, result.best_score) == (best.candidate, best.rung, best.score)
    assert result.best_state == sum(job.epochs for job in result.jobs if job.candidate == best.candidate)
    assert result.best_params == result.params[best.candidate]


def test_restarted_training_gets_no_state() -> None:
    seen: list[Any] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        seen.append(state)
        return train(params, epochs, state)

    result = run(function, n_jobs=1, training="restart")
    assert set(seen) == {None} and result.best_state == 2**result.best_rung


EXECUTORS = {
    "calling thread": lambda: {"n_jobs": 1},
    "threads": lambda: {"n_jobs": 2},
    "watched thread": lambda: {"n_jobs": 1, "job_limit": 60},
    "processes": lambda: {"executor": "processes", "n_jobs": 2},
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_reproducible_run_is_the_same_on_all_workers(name: str) -> None:
    places = EXECUTORS[name]()
    result = run(wait, costs=cost, virtual_workers=8, **places)
    expected = run(costs=cost, virtual_workers=8, n_jobs=1)
    assert result.digest == expected.digest and decided(result) == decided(expected)
    assert result.best_state == expected.best_state and result.schedule == "reproducible"
    assert [(job.worker, job.virtual_start, job.virtual_end) for job in result.jobs] == [
        (job.worker, job.virtual_start, job.virtual_end) for job in expected.jobs
    ]


def test_costs_can_be_an_earlier_run() -> None:
    first = run(wait, n_jobs=2)
    results = [run(wait, n_jobs=threads, costs=first, virtual_workers=8) for threads in (1, 2)]
    assert results[0].digest == results[1].digest


def test_virtual_durations_are_the_given_costs() -> None:
    result = run(costs=cost, virtual_workers=4, n_jobs=1)
    for job in result.jobs:
        assert job.virtual_end - job.virtual_start == cost(result.params[job.candidate], job.epochs)
    assert [job.virtual_end for job in result.jobs] == sorted(job.virtual_end for job in result.jobs)


def test_a_stream_is_ended_by_a_limit() -> None:
    result = run(candidates=None, max_total_epochs=1000, n_jobs=1, sampler="random")
    assert result.ended == "max_total_epochs" and 900 < result.epochs <= 1000 and len(result.params) > 50
    virtual = [run(candidates=None, max_total_epochs=1000, n_jobs=n, costs=cost).digest for n in (1, 2)]
    assert virtual[0] == virtual[1]
    assert run(candidates=None, stop_score=0.9, n_jobs=1).ended == "stop_score"


@pytest.mark.filterwarnings(*FAILURES)
def test_changing_a_state_in_place_does_not_change_the_best_state() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        state = [] if state is None else state
        state.append(epochs)
        return (1.0 if len(state) == 1 else math.nan), state  # higher rungs fail, so the best score is in the first one

    result = run(function, n_jobs=1)
    assert result.best_rung == 0 and result.best_state == [1]


def test_the_best_candidate_has_the_best_score_in_the_highest_rung() -> None:
    """Use scores that get worse: lower rungs have better scores, of less training and more candidates."""

    def function(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        done = epochs + (state or 0)
        return -float(params["x"]) * done, done

    space = {"x": list(range(1, 41))}
    result = ash.tune_function(function, space, candidates=40, n_jobs=1, costs=lambda params, epochs: epochs)
    tops = [job for job in result.jobs if job.rung == 4]
    assert len(tops) == 2 and result.best_score == max(job.score for job in tops)
    assert result.best_rung == 4 and result.best_state == result.best_epochs == 31
    assert max(job.score for job in result.jobs) > result.best_score
    # `patience` and `stop_score` are about the best score of all jobs, as before.
    config = ash.SearchConfig(stop_score=-3.0)
    stopped = ash.tune_function(function, space, candidates=40, n_jobs=1, config=config)
    assert stopped.ended == "stop_score" and stopped.best_score >= -3.0


@pytest.mark.filterwarnings(*FAILURES)
def test_a_best_state_that_cannot_be_copied_is_trained_again() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        done, _ = state or (0, None)
        score = math.nan if done else 1.0  # higher rungs fail, so the best score is in the first one
        return score, (done + epochs, threading.Lock())

    with pytest.warns(UserWarning, match=r"a state cannot be copied \(TypeError: cannot pickle .*lock.*trained again"):
        result = run(function, n_jobs=1)
    assert result.best_rung == 0 and result.best_state[0] == 1
    assert result.memory["retrained_epochs"] == 1


def test_states_of_retired_candidates_are_freed() -> None:
    alive: list[int] = [0]

    class State:
        def __init__(self, epochs: int) -> None:
            self.epochs = epochs
            alive[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

        def __deepcopy__(self, memo: Any) -> Self:
            return State(self.epochs)

    most = [0]

    def function(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        most[0] = max(most[0], alive[0])
        score, done = train(params, epochs, None if state is None else state.epochs)
        return score, State(done)

    result = run(function, candidates=256, n_jobs=1, algorithm="sh")
    assert most[0] < 256 + 3  # 256 states of the first rung, the best state and one in training
    del result
    assert alive[0] == 0


def test_a_result_is_shown_as_tables_and_text() -> None:
    result = run(n_jobs=1)
    assert list(result.to_pandas().columns[-3:]) == ["x", "depth", "kind"]
    assert len(result.to_pandas("jobs")) == len(result.jobs) and len(result.to_pandas("failures")) == 0
    text = repr(result)
    assert "score 0.9" in text and "schedule reproducible" in text and result.digest[:16] in text
    again = pickle.loads(pickle.dumps(result))
    assert again.digest == result.digest and again.best_state == result.best_state


def test_a_hyperparameter_named_like_a_column_does_not_replace_it() -> None:
    result = ash.tune_function(lambda params: -params["score"], {"score": [1, 2, 3]}, candidates=3)
    for table in (result.to_pandas(), result.to_polars()):
        assert list(table["score"]) == [row["score"] for row in result.candidates]
        assert list(table["params.score"]) == [params["score"] for params in result.params]


def test_jobs_run_in_parallel_but_never_in_more_threads_than_given() -> None:
    """Let the first two jobs wait for each other."""
    running, most, lock, calls, meeting = [0], [0], threading.Lock(), itertools.count(), threading.Barrier(2)

    def function(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        if next(calls) < 2:
            meeting.wait(HANG_SECONDS)
        with lock:
            running[0] -= 1
        return train(params, epochs, state)

    before = {*threading.enumerate()}
    run(function, n_jobs=2)
    assert most[0] == 2
    for thread in {*threading.enumerate()} - before:
        thread.join(HANG_SECONDS)
        assert not thread.is_alive()


def test_ctrl_c_returns_the_partial_result() -> None:
    code = """
import _thread, itertools, time
import ash
calls = itertools.count()
def train(params, epochs, state):
    time.sleep(0.01)
    if next(calls) in (20, 100):
        _thread.interrupt_main()
    return params["x"], None
for threads in (1, 2):
    result = ash.tune_function(train, {"x": list(range(5000))}, candidates=5000, n_jobs=threads, verbose=0)
    print(result.ended, 0 < len(result.jobs) < 5000)
    calls = itertools.count(50)
"""
    done = python("if __name__ == '__main__':\n    " + code.strip().replace("\n", "\n    "))
    assert done.stdout.split("\n")[:2] == ["interrupted True"] * 2, done.stderr
    assert done.stderr.count("UserWarning: the run was interrupted after") == 2


WRONG = {
    "train": ({"train": 3}, "train must be a function of parameters, or of parameters, epochs and state, got 3"),
    "two arguments": ({"train": lambda params, epochs: 1.0}, r"train takes \(params, epochs\), but must"),
    "space": ({"space": {}}, r"space must be ash\.FunctionSpace\(name=domain, \.\.\.\) or a dict of domains that is"),
    "value": ({"space": {"x": [object]}}, r"x=\[<class 'object'>\]: an option must be text, a number or a tuple"),
    "nan": ({"space": {"x": [1.0, float("nan")]}}, "x=nan: a number must be finite"),
    "empty": ({"space": {"x": []}}, "x=\\[\\]: it is empty"),
    "name": ({"space": {3: [1]}}, "the name of a hyperparameter must be text, got 3"),
    "costs": ({"costs": 3}, "costs must be a function of parameters and epochs, or the result of .*, got 3"),
    "costs of parameters": (
        {"costs": lambda params: 1},
        r"costs takes \(params\), but must take \(params, epochs\)",
    ),
    "cost": ({"costs": lambda params, epochs: 0}, r"costs must return a positive number, got 0 for .* and 1"),
    "executor": ({"executor": "loky"}, "executor must be 'processes', an object with submit, or None, got 'loky'"),
    "object": ({"executor": 3}, r"executor must be a distributed\.Client, an executor of concurrent\.futures, loky"),
    "threads": ({"n_jobs": 0}, "n_jobs must be"),
    "in flight": ({"n_jobs": 0, "executor": ThreadPoolExecutor(1)}, "n_jobs must be"),
    "limit": ({"job_limit": 0}, "job_limit must be more than 0 seconds, got 0"),
    "failures": ({"max_failures": 0}, "max_failures must be an integer from 1 to 2147483647, got 0"),
    "candidates": ({"candidates": "auto"}, "candidates must be an integer from 1 to 2147483647, got 'auto'"),
    "sampler": ({"sampler": "tpe"}, r"sampler must be 'adaptive', 'random', 'sobol', or an Optuna sampler"),
    "no sampler": ({"sampler": 3}, r"sampler must be 'adaptive', 'random', 'sobol', or an Optuna sampler"),
    "endless": ({"candidates": None}, "candidates=None never ends by itself: give time_limit, or max_total_epochs"),
    "lambda": ({"train": copy, "executor": None}, "train must be a function .*, got <module 'copy'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_are_checked(name: str) -> None:
    changes, message = WRONG[name]
    arguments: dict[str, Any] = {"train": train, "space": SPACE, **SETTINGS, **changes}
    with pytest.raises(ash.SettingError, match=message):
        ash.tune_function(arguments.pop("train"), arguments.pop("space"), **configured(arguments))


def test_the_warning_about_many_threads_names_an_executor_for_jobs_that_wait() -> None:
    with pytest.warns(UserWarning, match=r"=1000000 exceeds .* executor=ThreadPoolExecutor\(1000000\)$"):
        run(candidates=2, n_jobs=10**6)


def test_conditions_are_respected() -> None:
    space = ash.FunctionSpace(
        model=["tree", "linear"],
        depth=ash.integers(1, 9).when(model="tree"),
        c=ash.loguniform(0.1, 10).when(model="linear"),
    )
    result = ash.tune_function(lambda params, epochs, state: len(params), space, candidates=20, n_jobs=1, verbose=0)
    for params in result.params:
        assert ("depth" in params) == (params["model"] == "tree") != ("c" in params)

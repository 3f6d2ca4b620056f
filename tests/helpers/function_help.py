"""Cheap functions to tune in tests, with known outcomes, and helpers for runs with failing functions."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ash
from ash.function.current_job import Job
from ash.function.job_runners import ConcurrentRunners
from ash.function.processes import Child
from config_help import configured
from fault_help import HANG_SECONDS, wait_until
from reference import ReferenceLadder

FAILURES = (r"ignore:candidate \d+ failed in rung", r"ignore:\d+ of \d+ jobs failed")
"""Filters for the warnings of a run with failures."""
SETTINGS: dict[str, Any] = {"candidates": 40, "random_state": 3, "verbose": 0}
SPACE = {"x": ash.uniform(0, 1, levels=1001), "depth": [1, 2, 3], "kind": ["a", "b", None]}


def train(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    """Return a score that grows with the epochs and is higher for x closer to 0.3; the state is the epochs so far."""
    done = epochs + (state or 0)
    return 1 - (params["x"] - 0.3) ** 2 - 0.1 * params["depth"] / done, done


def run(function: Any = train, **changes: Any) -> ash.FunctionResult:
    return ash.tune_function(function, SPACE, **configured({**SETTINGS, **changes}))


def cost(params: dict[str, Any], epochs: int) -> float:
    return float(epochs * params["depth"])


def job_of(candidate: int = 0, rung: int = 0, epochs: int = 1) -> Job:
    """Return a job, without a directory, for tests that pass jobs to a function themselves."""
    return candidate, rung, epochs, epochs, ""


def limit_what_hangs(patch: pytest.MonkeyPatch, hangs: Callable[[dict[str, Any]], bool]) -> None:
    """Apply the time limit of jobs in processes only to jobs that hang, since a busy machine may slow the rest."""
    do = Child.do
    patch.setattr(Child, "do", lambda self, given, limit: do(self, given, limit if hangs(given[1]) else None))


def pass_limit_of_last_job(patch: pytest.MonkeyPatch, hangs: Callable[[], Any]) -> None:
    """Let `job_limit`, at most HANG_SECONDS, pass once `hangs()` is true and no other job is running in a thread."""
    wait, clock, passed = ConcurrentRunners.wait, time.monotonic, [0.0]

    def look(runners: Any, seconds: float) -> Any:
        if hangs() and len(runners.running) == 1:
            passed[0] = 2 * HANG_SECONDS
        return wait(runners, seconds)

    patch.setattr(ConcurrentRunners, "wait", look)
    patch.setattr(
        "ash.function.job_runners.time", SimpleNamespace(monotonic=lambda: clock() + passed[0], sleep=time.sleep)
    )


def meet(folder: Path, count: int) -> None:
    """Wait until `count` processes have called this function, so that at least `count` processes get jobs."""
    (folder / f"process {os.getpid()}").touch()
    wait_until(lambda: len([*folder.glob("process *")]) >= count)


def by_hand(params: list[dict[str, Any]], function: Callable[..., Any] = train, **settings: Any) -> list[Any]:
    """Return the jobs (candidate, rung, epochs, score) of a greedy run on one thread, computed with the oracle."""
    ladder = ReferenceLadder(len(params), **settings)
    states: dict[int, Any] = {}
    jobs = []
    while (job := ladder.next()) is not None:
        score, states[job.candidate] = function(params[job.candidate], job.epochs, states.get(job.candidate))
        ladder.report(job, score, -score)
        jobs.append((job.candidate, job.rung, job.epochs, score))
    return jobs


def decided(result: ash.FunctionResult) -> list[Any]:
    return [(job.candidate, job.rung, job.epochs, job.score) for job in result.jobs]


def wait(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    time.sleep(0.002 * params["depth"])
    return train(params, epochs, state)

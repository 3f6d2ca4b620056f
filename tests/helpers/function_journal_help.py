"""Test runs of functions with a journal: whole and interrupted runs, and the parts of a result that must be equal."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ash
from callback_help import After, Diary
from config_help import configured
from function_help import SETTINGS, SPACE, cost, train

VIRTUAL: dict[str, Any] = {"costs": cost, "virtual_workers": 4}
GREEDY: dict[str, Any] = {"costs": None, "schedule": "greedy", "virtual_workers": None}


def looked_at(patch: Any) -> None:
    """Call callbacks after each job, so that even a run of a few milliseconds can be interrupted halfway."""
    patch.setattr("ash.function.run.WAKE_SECONDS", 0.0)


class Counted:
    """A callable that calls the function `train` and records the arguments of all calls in a list."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, int, Any]] = []

    def __call__(self, params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
        self.calls.append((tuple(params.values()), epochs, state))
        return train(params, epochs, state)


def tune(journal: Path | ash.Journal | None, *callbacks: Any, function: Any = train, **changes: Any) -> Any:
    settings = {**SETTINGS, **VIRTUAL, "n_jobs": 1, **changes}
    if isinstance(journal, Path):  # let the run be resumed by a function with another name
        journal = ash.Journal(journal, allow_change=["function"])
    return ash.tune_function(
        function, settings.pop("space", SPACE), callbacks=callbacks, journal=journal, **configured(settings)
    )


def outcome(result: ash.FunctionResult) -> list[Any]:
    """Return what must be equal in interrupted and uninterrupted runs: the decisions, without times and threads."""
    jobs = [
        (job.candidate, job.rung, job.epochs, repr(job.score), job.worker, job.virtual_start, job.virtual_end)
        for job in result.jobs
    ]
    failures = [each._replace(text="") for each in result.failures]
    return [jobs, failures, result.digest, result.params, result.best_state, result.ended]


def broken(journal: Path, jobs: int, **changes: Any) -> list[Any]:
    """Start a run, interrupt it after `jobs` jobs, and return the reported jobs."""
    diary = Diary()
    try:
        tune(journal, diary, After(jobs, sys.exit), **changes)
    except SystemExit:
        return [job for job, _ in diary.jobs]
    raise AssertionError("it came to its end")


def keys(jobs: Any) -> Iterator[tuple[int, int]]:
    return ((job.candidate, job.rung) for job in jobs)

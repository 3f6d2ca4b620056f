"""Callbacks for tests, and short runs with callbacks."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.datasets import load_wine

import ash
from ash.history.records import JobRecord
from config_help import configured, split_once
from fault_help import small_space

X, Y = load_wine(return_X_y=True)
INTERRUPTED = r"interrupted after [\d,]+ jobs?"


def press_ctrl_c(_: ash.Run) -> None:
    """Interrupt the process as Ctrl-C does; can be passed to `After`."""
    signal.raise_signal(signal.SIGINT)


def press_ctrl_c_until(noticed: Callable[[], bool]) -> None:
    """Press Ctrl-C in a thread of a job, and every ten seconds again until `noticed` returns true.

    CPython does not notice a signal that comes just before the main thread starts to wait for a lock.
    """
    while not noticed():
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 10
        while not noticed() and time.monotonic() < until:
            time.sleep(0.001)


def shifted_clock(patch: pytest.MonkeyPatch) -> list[float]:
    """Set this process's clock ahead by the seconds in the returned list, at first 0."""
    clock, ahead = time.monotonic, [0.0]
    for name in ("time.monotonic", "ash.engine.deadline.monotonic"):
        patch.setattr(name, lambda: clock() + ahead[0])
    return ahead


class TimeIsUp(ash.Callback):
    """Advances this process's clock by `seconds` after `jobs` jobs, so that tests of time limits need not wait."""

    def __init__(self, patch: pytest.MonkeyPatch, seconds: float, jobs: int = 5) -> None:
        self._seconds, self._left, self._ahead = seconds, jobs, shifted_clock(patch)

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        self._left -= 1
        if self._left == 0:
            self._ahead[0] = self._seconds


class Diary(ash.Callback):
    """Records each call of its methods, and the thread that made the call."""

    def __init__(self) -> None:
        self.pages: list[tuple[str, Any]] = []
        self.threads: set[int] = set()

    def write(self, kind: str, what: Any) -> None:
        self.pages.append((kind, what))
        self.threads.add(threading.get_ident())

    def on_start(self, run: ash.Run) -> None:
        self.write("start", run)

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        self.write("job", (job, params))

    def on_end(self, result: ash.Result) -> None:
        self.write("end", result)

    def on_error(self, error: BaseException) -> None:
        self.write("error", error)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.pages]

    @property
    def jobs(self) -> list[tuple[JobRecord, dict[str, Any]]]:
        return [what for kind, what in self.pages if kind == "job"]


def tune(*callbacks: Any, **changes: Any) -> ash.Result:
    given = split_once({"space": small_space(), "candidates": 16, "callbacks": callbacks, **changes})
    return ash.tune(X, Y, **configured(given))


def endless(*callbacks: Any, **changes: Any) -> ash.Result:
    """Start a run that ends only when a callback or a limit ends it."""
    return tune(*callbacks, **{"space": None, "candidates": None, "stop_score": 2.0, **changes})


def decided(job: JobRecord) -> tuple[Any, ...]:
    return job.candidate, job.rung, job.epochs, repr(job.score), repr(job.loss), job.diverged, job.weights_hash


class Stopper(Diary):
    """Ends the run after `jobs` jobs; with 0, before the first job."""

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self.most = jobs

    def on_start(self, run: ash.Run) -> None:
        super().on_start(run)
        self.run = run
        if self.most == 0:
            run.stop()

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        super().on_job(job, params)
        if len(self.jobs) == self.most:
            self.run.stop()


class After(ash.Callback):
    """Calls a function once, with the run as its argument, after `jobs` jobs."""

    def __init__(self, jobs: int, call: Callable[[ash.Run], Any]) -> None:
        self.left, self.call = jobs, call

    def on_start(self, run: ash.Run) -> None:
        self.run = run

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        self.left -= 1
        if self.left == 0:
            self.call(self.run)


class Failing(ash.Callback):
    def __init__(self, method: str, error: BaseException) -> None:
        self.error = error
        setattr(self, method, self.fail)

    def fail(self, *_: Any) -> None:
        raise self.error

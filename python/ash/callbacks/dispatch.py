"""Checks the argument `callbacks`, and calls the callbacks of a run (`Reporter`).

    events of the core: has a job finished? -> new rows of its records -> on_job, for at most 50 ms per look

Threads: only the calling thread, but `Run.stop` may be called from any. Invariants: each callback gets each finished
job once, in order of decision, between its `on_start` and its `on_end`; each callback whose `on_start` has returned
gets exactly one of `on_end` and `on_error`. Cost: the core's records are read only when a job has finished, and then
only the new ones.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Run
from ash.errors import SettingError
from ash.history.history import History
from ash.history.records import Columns, JobRecord, job_rows
from ash.journal.journal import Restored
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    from ash.models.model import Model
    from ash.progress.board import Event


class Jobs(Protocol):
    """Has the records of a run: a tuner of the core, or the run of a function."""

    def jobs(self, first: int = 0) -> Columns:
        """Return the jobs from number `first` on, in order of decision."""


METHODS = ("on_start", "on_job", "on_end", "on_error")
LOOK_SECONDS = 0.05
"""How long callbacks are called for jobs before the time limit, Ctrl-C and the stream are checked again."""


def read_callbacks(value: Any) -> tuple[Any, ...]:
    """Return the argument `callbacks`, None, a callback or a sequence of them, as a tuple.

    Raises
    ------
    SettingError
        It is none of these, or a class instead of an instance.
    """
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(_checked(f"callbacks[{place}]", callback) for place, callback in enumerate(value))
    return (_checked("callbacks", value),)


def _checked(name: str, callback: Any) -> Any:
    if isinstance(callback, type):
        raise SettingError(f"{name} must be an object, got the class {callback.__name__}: call it to make one")
    if not any(callable(getattr(callback, method, None)) for method in METHODS):
        raise SettingError(f"{name} must be a callback, with one of {', '.join(METHODS)}, got {callback!r}")
    return callback


class Reporter:
    """Calls the callbacks of one run for its start, its jobs and its end. A context manager.

    Parameters
    ----------
    callbacks : tuple
        Checked callbacks; if there are none, nothing is done.
    """

    def __init__(self, callbacks: tuple[Any, ...]) -> None:
        self._callbacks = callbacks
        self._told: list[Any] = []  # those that got the start, but not yet the end
        self._run: Run | None = None
        self._before: Restored = frozenset()
        self._finished = self._read = 0  # jobs that finished according to the events, and jobs that were read
        self._waiting: deque[JobRecord] = deque()
        self._place = 0  # index of the callback that gets the first waiting job next

    def __enter__(self) -> Self:
        """Return the reporter."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Call `on_error` of the callbacks that got the start."""
        if error is None:
            return
        for callback in self._told:
            try:
                _call(callback, "on_error", error)
            except Exception as other:
                error.add_note(f"{type(callback).__name__}.on_error raised {type(other).__name__}: {other}")

    @property
    def stopped(self) -> bool:
        """Return whether a callback has asked the run to end."""
        return self._run is not None and self._run.stopped

    def start(self, run: Run, told: Restored = frozenset()) -> None:
        """Report the start.

        Parameters
        ----------
        told : frozenset of (candidate, rung)
            Jobs of earlier runs, which are not reported again.
        """
        self._run, self._before = run, told
        for callback in self._callbacks:
            _call(callback, "on_start", run)
            self._told.append(callback)

    def look(self, tuner: Jobs, params: Sequence[Params], events: "Iterable[Event]", most: int | None = None) -> None:
        """Report jobs that have finished, for at most LOOK_SECONDS.

        Parameters
        ----------
        tuner : Jobs
            May be running.
        params : sequence
            Hyperparameters of the candidates so far, by number.
        events : iterable
            The events since the last look.
        most : int, optional
            How many jobs may be reported by now, in order of decision; the others must be in the journal first.
        """
        if not self._callbacks:
            return
        self._finished += sum(kind in ("finished", "diverged") for kind, *_ in events)
        if self._finished > self._read:
            self._read_jobs(tuner, most)
        self._tell(params, time.monotonic() + LOOK_SECONDS)

    def finish(self, tuner: Jobs, params: Sequence[Params]) -> bool:
        """Report all remaining jobs after the threads have ended; return whether Ctrl-C was pressed meanwhile.

        A second Ctrl-C ends this at once.
        """
        if not self._callbacks:
            return False
        self._read_jobs(tuner)
        try:
            self._tell(params, None)
        except KeyboardInterrupt:
            self._tell(params, None)
            return True
        return False

    def end(self, result: History, model: "Model | None") -> None:
        """Report the end; an error of a callback becomes a warning.

        Parameters
        ----------
        model : Model
            The final model: that of the result or of an estimator; None if there is none.
        """
        if self._run is not None:
            self._run.model = model
        while self._told:
            callback = self._told.pop(0)
            try:
                _call(callback, "on_end", result)
            except Exception as error:  # an error in a callback must not lose the result
                raised = f"{type(callback).__name__}.on_end raised {type(error).__name__}: {error}"
                warn_user(f"{raised}; the result is complete")

    def _read_jobs(self, tuner: Jobs, most: int | None = None) -> None:
        columns = tuner.jobs(self._read)
        if most is not None:
            columns = {name: column[: most - self._read] for name, column in columns.items()}
        self._waiting.extend(job for job in job_rows(columns) if (job.candidate, job.rung) not in self._before)
        self._read += len(columns["rung"])

    def _tell(self, params: Sequence[Params], until: float | None) -> None:
        while self._waiting and (until is None or time.monotonic() < until):
            job = self._waiting[0]
            while self._place < len(self._callbacks):
                self._place += 1  # before the call, so an interrupted callback does not get the job again
                _call(self._callbacks[self._place - 1], "on_job", job, dict(params[job.candidate]))
            self._waiting.popleft()
            self._place = 0


def _call(callback: Any, name: str, *arguments: Any) -> None:
    method = getattr(callback, name, None)
    if method is not None:
        method(*arguments)

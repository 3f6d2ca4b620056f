"""Checks the argument `callbacks` (`read_callbacks`), and calls the callbacks of a run (`Reporter`).

When the core's events show that a job has finished, `Reporter.look` reads the new records and passes them to `on_job`.
After 50 ms it leaves the remaining records for the next call.

Threads: used only by the calling thread, but `Run.stop` may be called from any thread.
Invariants: each callback gets each finished job once, in order of decision, between its `on_start` and its `on_end`,
unless its `on_job` raises. Each callback whose `on_start` has returned gets exactly one of `on_end` and `on_error`.
Errors: a callback whose `on_job` raises an exception gets that exception in `on_error`, and no further calls. The run
continues, and there is one warning.
Cost: the core's records are read only when a job has finished, and then only the new records.
"""

import inspect
import math
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from ash._utils.checks import takes
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Run
from ash.errors import SettingError
from ash.history.history import History
from ash.history.records import Columns, JobRecord, job_rows
from ash.journal.journal import NullJournal
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    from ash.models.model import Model
    from ash.progress.board import Event


class Jobs(Protocol):
    """An object that returns the job records of a run: the core's tuner, or the run of a function."""

    def jobs(self, first: int = 0) -> Columns:
        """Return the jobs from number `first` on, in order of decision."""


METHODS = {"on_start": ["run"], "on_job": ["job", "params"], "on_end": ["result"], "on_error": ["error"]}
"""The methods that a callback may have, and the names of their arguments."""
LOOK_SECONDS = 0.05
"""The time after which one `look` reports no further job, so that the time limit, Ctrl-C and the stream are checked
often."""


def read_callbacks(value: Any) -> tuple[Any, ...]:
    """Return the argument `callbacks` (None, one callback or a sequence of callbacks) as a tuple.

    Raises
    ------
    SettingError
        A callback is a class instead of an instance, has none of METHODS, or has a method that does not take the
        arguments listed there.
    """
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(_checked(f"callbacks[{place}]", callback) for place, callback in enumerate(value))
    return (_checked("callbacks", value),)


def _checked(name: str, callback: Any) -> Any:
    if isinstance(callback, type):
        raise SettingError(f"{name} must be an object, got the class {callback.__name__}: pass {callback.__name__}()")
    if not any(callable(getattr(callback, method, None)) for method in METHODS):
        raise SettingError(f"{name} must be a callback, with at least one of {', '.join(METHODS)}, got {callback!r}")
    for method, arguments in METHODS.items():
        call = getattr(callback, method, None)
        if callable(call) and not takes(call, *arguments):
            its = ", ".join(arguments)
            raise SettingError(f"{name}.{method} takes {inspect.signature(call)}, but must take ({its})")
    return callback


class Reporter:
    """Calls the callbacks of one run at its start, for its jobs and at its end; a context manager.

    Parameters
    ----------
    callbacks : tuple
        The checked callbacks; without callbacks every method is a no-op.
    """

    def __init__(self, callbacks: tuple[Any, ...]) -> None:
        self._callbacks = callbacks
        self._told: list[Any] = []  # callbacks notified of the start but not yet of the end
        self._failed: list[Any] = []  # callbacks that get no more calls
        self._run: Run | None = None
        self._before: Collection[tuple[int, int]] = ()  # candidate and rung of the jobs that earlier calls reported
        self._finished = self._read = 0  # number of jobs finished according to the events, and number of jobs read
        self._waiting: deque[JobRecord] = deque()
        self._place = 0  # index of the callback that receives the first waiting job next

    def __enter__(self) -> Self:
        """Return the reporter."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """After an error, call `on_error` of each callback that was notified of the start but not yet of the end."""
        if error is None:
            return
        for callback in self._told:
            try:
                _call(callback, "on_error", error)
            except Exception as other:
                error.add_note(_raised(callback, "on_error", other))

    @property
    def stopped(self) -> bool:
        """Return whether a callback has asked the run to end."""
        return self._run is not None and self._run.stopped

    def start(self, run: Run, journal: NullJournal) -> None:
        """Report the start of the run.

        Parameters
        ----------
        run : Run
            The description of the run; its facts about earlier calls are set here.
        journal : NullJournal
            The journal with the jobs that earlier calls reported; they are not reported again.
        """
        self._run, before = run, journal.restored
        self._before, run.key, run.resumed = before, journal.key, len(before)
        run.resumed_epochs = sum(epochs for epochs, _ in before.values())
        run.resumed_score = max((score for _, score in before.values() if math.isfinite(score)), default=-math.inf)
        for callback in self._callbacks:
            _call(callback, "on_start", run)
            self._told.append(callback)

    def look(self, tuner: Jobs, params: Sequence[Params], events: "Iterable[Event]", most: int | None = None) -> None:
        """Report jobs that have finished; after LOOK_SECONDS, leave the remaining jobs for the next call.

        Parameters
        ----------
        tuner : Jobs
            The source of the job records; it may be running.
        params : sequence
            Hyperparameters of the candidates drawn so far, by number.
        events : iterable
            The events since the last look.
        most : int, optional
            The number of jobs, in order of decision, that are already in the journal and so may be reported; by default
            all jobs may be reported.
        """
        if not self._callbacks:
            return
        self._finished += sum(kind in ("finished", "diverged") for kind, *_ in events)
        if self._finished > self._read:
            self._read_jobs(tuner, most)
        self._tell(params, time.monotonic() + LOOK_SECONDS)

    def finish(self, tuner: Jobs, params: Sequence[Params]) -> bool:
        """Report all remaining jobs after the threads have ended; return whether Ctrl-C was pressed meanwhile.

        A second Ctrl-C stops the reporting at once.
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
        """Report the end of the run; a callback's exception becomes a warning.

        Parameters
        ----------
        result : History
            The result of the run.
        model : Model or None
            The final model of the result or the estimator; None if there is none.
        """
        if self._run is not None:
            self._run.model = model
        while self._told:
            callback = self._told.pop(0)
            try:
                _call(callback, "on_end", result)
            except (Exception, KeyboardInterrupt) as error:  # neither may lose the result
                warn_user(f"{_raised(callback, 'on_end', error)}; the result is complete")

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
                callback = self._callbacks[self._place]
                self._place += 1  # counted before the call, so that an interrupted callback does not get the job again
                if any(each is callback for each in self._failed):
                    continue
                try:
                    _call(callback, "on_job", job, dict(params[job.candidate]))
                except Exception as error:
                    self._drop(callback, error)
            self._waiting.popleft()
            self._place = 0

    def _drop(self, callback: Any, error: Exception) -> None:
        """Call no method of a callback again, after its `on_error`."""
        self._failed.append(callback)
        self._told = [each for each in self._told if each is not callback]
        text = _raised(callback, "on_job", error)
        try:
            _call(callback, "on_error", error)
        except Exception as other:
            text += f", and {_raised(callback, 'on_error', other)}"
        warn_user(f"{text}; the run continues without this callback")


def _raised(callback: Any, method: str, error: BaseException) -> str:
    """Return words that say which method has raised which error."""
    return f"{type(callback).__name__}.{method} raised {type(error).__name__}: {error}"


def _call(callback: Any, name: str, *arguments: Any) -> None:
    method = getattr(callback, name, None)
    if method is not None:
        method(*arguments)

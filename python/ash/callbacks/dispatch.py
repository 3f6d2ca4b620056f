"""How callbacks are told of a run: at the border their check, then `Reporter`, which calls them.

    events of the core: has a job finished? -> new rows of its records -> on_job, for at most 50 ms a look

Threads: the calling thread alone, but `Run.stop` may be called from any. Invariants: each callback is told of each
finished job once, in order of decision, between its `on_start` and its `on_end`; whose `on_start` has returned is told
of one end, `on_end` or `on_error`. Cost: the core is asked for its records only when a job has finished, and then for
the new ones.
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
    """Who has the records of a run: a tuner of the core, or the run of a function."""

    def jobs(self, first: int = 0) -> Columns:
        """Return those from the first on, in order of decision."""


METHODS = ("on_start", "on_job", "on_end", "on_error")
LOOK_SECONDS = 0.05
"""How long callbacks are told of jobs before the time limit, Ctrl-C and the stream are looked at again."""


def read_callbacks(value: Any) -> tuple[Any, ...]:
    """Return the argument `callbacks` as a tuple: of none, of a single callback, or of a sequence of them.

    Raises
    ------
    SettingError
        It is neither, or a class in place of an object of it.
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
    """The callbacks of one run: a context manager, in which they are told of its start, its jobs and its end.

    Parameters
    ----------
    callbacks : tuple
        Checked; where there are none, nothing is done.
    """

    def __init__(self, callbacks: tuple[Any, ...]) -> None:
        self._callbacks = callbacks
        self._told: list[Any] = []  # of the start, and not yet of the end
        self._run: Run | None = None
        self._before: Restored = frozenset()
        self._finished = self._read = 0  # jobs: by the events, and asked for
        self._waiting: deque[JobRecord] = deque()
        self._place = 0  # in the callbacks: who is next to be told of the first that waits

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell of an error those that were told of the start."""
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
        """Tell of the start.

        Parameters
        ----------
        told : frozenset of (candidate, rung)
            Jobs of earlier runs, which are not told again.
        """
        self._run, self._before = run, told
        for callback in self._callbacks:
            _call(callback, "on_start", run)
            self._told.append(callback)

    def look(self, tuner: Jobs, params: Sequence[Params], events: "Iterable[Event]", most: int | None = None) -> None:
        """Tell of jobs that have finished, as far as the time of a look goes.

        Parameters
        ----------
        tuner : Jobs
            That may be running.
        params : sequence
            Of the candidates so far, by number.
        events : iterable
            Those since the last look.
        most : int, optional
            How many jobs may be told by now, in order of decision; the others end up in a journal first.
        """
        if not self._callbacks:
            return
        self._finished += sum(kind in ("finished", "diverged") for kind, *_ in events)
        if self._finished > self._read:
            self._read_jobs(tuner, most)
        self._tell(params, time.monotonic() + LOOK_SECONDS)

    def finish(self, tuner: Jobs, params: Sequence[Params]) -> bool:
        """Tell of all jobs that are left, once the threads have ended; return whether Ctrl-C was pressed meanwhile.

        The second Ctrl-C ends this at once.
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
        """Tell of the end; an error of a callback becomes a warning.

        Parameters
        ----------
        model : Model
            What predicts: that of the result, or what an estimator has made of it; None where nothing does.
        """
        if self._run is not None:
            self._run.model = model
        while self._told:
            callback = self._told.pop(0)
            try:
                _call(callback, "on_end", result)
            except Exception as error:  # what the run has found is not lost for a report of it
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
                self._place += 1  # before the call: who is interrupted has been told
                _call(self._callbacks[self._place - 1], "on_job", job, dict(params[job.candidate]))
            self._waiting.popleft()
            self._place = 0


def _call(callback: Any, name: str, *arguments: Any) -> None:
    method = getattr(callback, name, None)
    if method is not None:
        method(*arguments)

"""Turns a function that reports its scores into a generator, by running the function in a separate thread.

    ladder thread:   next(generator) -> lets the function run -> yields its next report
    function:        report(...) -> waits until its candidate is trained further or retired

The function needs a thread because it waits in the middle of a call. When a candidate is retired, its generator is
dropped. `report` then raises `Retired` if it was given a state, since a loop that went on would change this state. If
it was given none, it returns False, and raises `Retired` if it is called again. The generator waits up to END_SECONDS
for the function to end. At the end of a run, this is the limit for all waiting functions together.
Threads: the function and the thread that receives its reports never run at the same time, unless the function does not
end within END_SECONDS, or Ctrl-C interrupts the run.
"""

import contextvars
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ash._utils.threads import at_work, start_thread
from ash.errors import Retired, SettingError
from ash.function.answers import WRONG, Answer, Report
from ash.function.current_job import CURRENT, Job

END_SECONDS = 5.0
"""The maximum number of seconds to wait for a retired function to end."""
WAIT_UNTIL = contextvars.ContextVar("WAIT_UNTIL", default=math.inf)
"""The time on the monotonic clock until which a run that is ending waits for all its retired functions."""
NO_FURTHER = "the candidate is trained no further"
MISSING = object()
"""The sentinel for the score if `report` is called without a score."""


class WrongReport(SettingError):
    """Raised by `report` if it is called with arguments that it does not accept."""


class Reports:
    """Iterates over the reports of a function.

    Parameters
    ----------
    function : callable
        A function that is called with this object, and reports by calling the object's method `send`.
    most : int or None
        Number of reports after which the candidate has been trained for all its epochs. If the last one has no state,
        the function then continues without waiting, until it ends or reports once more.
    """

    def __init__(self, function: Callable[["Reports"], Any], most: int | None) -> None:
        self.retired = False
        self.reported: list[Any] = []
        self._job: Job | None = None  # the job for which the function is now running
        self._function, self._most = function, most
        self._sent: queue.SimpleQueue[tuple[Any, BaseException | None, bool]] = queue.SimpleQueue()
        self._go = threading.Semaphore(0)
        self._work = at_work()  # a context that is entered while the function is running
        context = contextvars.copy_context()
        self._thread = start_thread(context.run, "ash reports", [self._run])

    def __iter__(self) -> Iterator[Any]:
        """Yield each report, and finally the return value, or the last report again if None was returned.

        If report number `most` has no state, it is not yielded at once, since the function continues without waiting.
        If the function reports once more instead of returning, report number `most` is the final value.
        """
        reported = self.reported
        is_end = False
        while not is_end:
            self._job = CURRENT.get()
            self._go.release()
            value, error, is_end = self._sent.get()
            if isinstance(error, Retired):
                if not reported:
                    raise error.__cause__ or ValueError("the function has ended before its first report")
                value = reported[-1]
            elif error is not None:
                raise error
            elif not is_end:
                reported.append(value)
                if len(reported) == self._most and not _has_state(value):
                    continue
                if self._most is not None and len(reported) > self._most:
                    value, is_end = reported[self._most - 1], True
                    self.retire()
            elif value is None and reported:
                value = reported[-1]
            yield value

    def send(self, value: Any) -> bool:
        """Report a value from the function's thread.

        Wait for a decision, and return whether the candidate is trained further.

        Raises
        ------
        Retired
            The candidate was already retired, or is retired and the value has a state.
        """
        if self.retired:
            raise Retired(NO_FURTHER)
        self._work.__exit__(None, None, None)
        self._sent.put((value, None, False))
        self._wait()
        return self._goes_on(value)

    def _goes_on(self, value: Any) -> bool:
        """Return whether the candidate is trained further; raise Retired if not, and if the value has a state."""
        if self.retired and _has_state(value):
            raise Retired(NO_FURTHER)
        return not self.retired

    def retire(self, seconds: float = END_SECONDS) -> None:
        """Let the function run to its end, and wait at most `seconds` until it has ended."""
        self.retired = True
        self._go.release()
        if threading.current_thread() is not self._thread:  # the garbage collector may run in the function's thread
            self._thread.join(seconds)

    def drop(self, seconds: float) -> None:
        """Retire the function; from then on, it has no current job."""
        self._job = None
        self.retire(seconds)

    def _run(self) -> None:
        self._wait()
        if not self.retired:
            try:
                end: tuple[Any, BaseException | None, bool] = (self._function(self), None, True)
            except BaseException as error:  # to be raised in the thread that waits for the value
                end = None, error, True
            self._sent.put(end)
        self._work.__exit__(None, None, None)

    def _wait(self) -> None:
        self._go.acquire()
        self._work = at_work()
        self._work.__enter__()
        CURRENT.set(self._job)


def _has_state(value: Any) -> bool:
    return isinstance(value, Report) and value.state is not None


def reporting(train: Callable[..., Any], most: int | None) -> Callable[[dict[str, Any]], Iterator[Any]]:
    """Return ``train(params, report)`` as a generator function of params.

    If `train` has reported, its return value is ignored, since training loops return histories or results, not scores.
    """

    def steps(params: dict[str, Any]) -> Iterator[Any]:
        def call(reports: Reports) -> Any:
            def report(
                score: Any = MISSING,
                *more: Any,
                state: Any = None,
                metrics: Mapping[str, Any] | None = None,
                **others: Any,
            ) -> bool:
                if score is MISSING or more or others:
                    values = [repr(value) for value in (score, *more) if value is not MISSING]
                    given = ", ".join([*values, *(f"{name}={value!r}" for name, value in others.items())])
                    raise WrongReport(
                        f"report takes a score, state= and metrics=, got report({given}): call "
                        'report(score, state=..., metrics={"accuracy": ...})'
                    )
                return reports.send(Report(score, state, metrics))

            try:
                value = train(params, report)
            except WrongReport as error:
                return Answer(WRONG, text=str(error))
            return None if reports.reported else value

        return reported_by(call, most)

    return steps


def reported_by(function: Callable[[Reports], Any], most: int | None) -> Iterator[Any]:
    """Yield the reports of a function; when this generator is dropped, let the function run to its end (`retire`)."""
    reports, seconds = Reports(function, most), END_SECONDS
    try:
        yield from reports
    except KeyboardInterrupt:  # the function is still running; the run does not wait for it
        seconds = 0.0
        raise
    finally:
        reports.drop(max(0.0, min(seconds, WAIT_UNTIL.get() - time.monotonic())))

"""Starts Python threads, and lets their jobs finish before the interpreter ends.

The system may refuse a thread because of a process limit, a control group or too little memory.

Before 3.14, CPython unwinds a daemon thread that asks for the GIL after the interpreter has ended. If the thread is in
C++ code that must not throw, such as NumPy's, this aborts the process. Therefore jobs that call other libraries run
inside the context manager `at_work`. At exit the interpreter waits for the running jobs, and no further job starts.
"""

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ash._utils.user_warnings import warn_user
from ash.errors import ThreadRefusedError


def start_thread(target: Callable[..., None], name: str, arguments: Iterable[Any] = ()) -> threading.Thread:
    """Start a daemon thread.

    Raises
    ------
    ThreadRefusedError
        The system refuses the thread, or the interpreter is ending.
    """
    if _jobs.ended:
        raise ThreadRefusedError("no thread can be started: the interpreter is shutting down")
    thread = threading.Thread(target=target, name=name, args=tuple(arguments), daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        raise refused(error) from error
    return thread


def start_threads(count: int, target: Callable[[int], None], name: str) -> list[threading.Thread]:
    """Start `count` daemon threads, or as many as the system grants; each thread calls `target` with its index.

    Raises
    ------
    ThreadRefusedError
        The system refuses even the first thread.
    """
    threads = [start_thread(target, f"{name}-0", (0,))]
    try:
        threads.extend(start_thread(target, f"{name}-{number}", (number,)) for number in range(1, count))
    except ThreadRefusedError:
        warn_of_fewer(len(threads), count)
    return threads


@contextmanager
def at_work() -> Iterator[None]:
    """Let the interpreter wait at exit for the job in this context, for at most `END_SECONDS`.

    Once the exit has begun, entering the context blocks forever, except in the main thread.
    """
    if threading.current_thread() is threading.main_thread():
        yield  # not counted as running, since the main thread cannot begin the exit during this job
        return
    jobs = _jobs
    with jobs.changed:
        while jobs.ended:
            jobs.changed.wait()
        jobs.running += 1
    try:
        yield
    finally:
        with jobs.changed:
            jobs.running -= 1
            jobs.changed.notify_all()


def is_ending() -> bool:
    """Return whether the interpreter is ending, so that jobs should end early."""
    return _jobs.ended


def end_jobs() -> None:
    """Prevent further jobs from starting and wait for the running jobs, since the interpreter is ending."""
    with _jobs.changed:
        _jobs.ended = True
        _jobs.changed.wait_for(lambda: not _jobs.running, END_SECONDS)


class _Jobs:
    """The jobs in `at_work`. Any thread that holds the lock of `changed` may use this object."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.running = 0
        self.ended = False


_jobs = _Jobs()


def _begin_child() -> None:
    """Forget the parent's jobs, since a forked child does not have the parent's threads."""
    global _jobs
    _jobs = _Jobs()


os.register_at_fork(after_in_child=_begin_child)


class ContextsOfProcess(ExitStack[bool | None]):
    """An ExitStack that does nothing at exit in a forked child.

    A child has none of the parent's threads: a lock that one of them held at the fork stays locked, and the jobs and
    temporary files belong to the parent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def __exit__(self, *error: Any) -> None:
        """Exit the contexts, unless this process is a forked child."""
        if not self.is_forked:
            super().__exit__(*error)

    @property
    def is_forked(self) -> bool:
        """Return whether this process was forked from the one that has entered the contexts."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raise RuntimeError in a forked child, in which no thread would ever answer."""
        if self.is_forked:
            raise RuntimeError("the run belongs to the process that this one was forked from")


atexit.register(end_jobs)


def refused(reason: object) -> ThreadRefusedError:
    """Return an error that explains why the system refused a thread, and what to do."""
    return ThreadRefusedError(f"the system refused to start a thread ({reason}): {ADVICE}")


def warn_of_fewer(count: int, wanted: int) -> None:
    """Warn if a run has fewer threads than requested."""
    if count < wanted:
        warn_user(f"the system allows only {count} of {wanted} threads; using {count}: {ADVICE}")


ADVICE = "allow this process more threads (ulimit -u, pids.max of its control group) or more memory"
"""Advice in messages about refused threads."""

END_SECONDS = 5.0
"""How long the interpreter waits at exit for running jobs, in seconds."""

"""Start threads of Python. The system may refuse one: a limit of processes, a control group or too little memory."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from ash._utils.user_warnings import warn_user
from ash.errors import ThreadRefused


def start_thread(target: Callable[..., None], name: str, arguments: Iterable[Any] = ()) -> threading.Thread:
    """Start a daemon thread.

    Raises
    ------
    ThreadRefused
        The system refuses it.
    """
    thread = threading.Thread(target=target, name=name, args=tuple(arguments), daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        raise refused(error) from error
    return thread


def start_threads(count: int, target: Callable[[int], None], name: str) -> list[threading.Thread]:
    """Start up to `count` daemon threads, as many as the system grants; `target` gets their numbers.

    Raises
    ------
    ThreadRefused
        The system refuses even the first.
    """
    threads = [start_thread(target, f"{name}-0", (0,))]
    try:
        threads.extend(start_thread(target, f"{name}-{number}", (number,)) for number in range(1, count))
    except ThreadRefused:
        warn_of_fewer(len(threads), count)
    return threads


def refused(reason: object) -> ThreadRefused:
    """Return the error that says so, and what to do."""
    return ThreadRefused(f"the system refuses to start a thread ({reason}): {ADVICE}")


def warn_of_fewer(count: int, wanted: int) -> None:
    """Warn if a run has fewer threads than were asked for."""
    if count < wanted:
        warn_user(f"the system grants {count} of {wanted} threads; using {count}: {ADVICE}")


ADVICE = "allow this process more threads (ulimit -u, pids.max of its control group) or more memory"
"""What to do about threads that are refused."""

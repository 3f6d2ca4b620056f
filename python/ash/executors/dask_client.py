"""Calls to a `distributed.Client`, none of which waits for a client that somebody closes, or that Dask closes itself.

    caller --ask--> a thread of its own --call--> the client's loop          None is waited for whose client is closed

A client that is called while its loop ends never answers: Dask waits for a loop that no longer runs.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Any

from ash.errors import ExecutorFailed
from ash.executors.job_pool import border, no_worker

CLOSED = ("closing", "closed")
LOOK_SECONDS = 0.1


def is_closed(client: Any) -> bool:
    """Return whether a client is closed for good; Dask closes one itself when its scheduler does not answer."""
    return client.status in CLOSED


def closed(client: Any) -> str:
    """Return what is told of a client that is closed."""
    return (
        f"executor={client!r} is closed, by its close() or because its scheduler does not answer; connect a new one "
        "and make the same call again: a journal goes on from here"
    )


def ask(client: Any, call: Callable[..., Any], *given: Any, **keywords: Any) -> Any:
    """Call a method of a client, or of a future of its, that waits for the scheduler, and return what it returns.

    Raises
    ------
    ExecutorFailed
        The client is closed, or is so before there is an answer.
    Exception
        What the method raises.
    """
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(call(*given, **keywords))
        except BaseException as error:
            answer.set_exception(error)

    if is_closed(client):
        raise ExecutorFailed(closed(client))
    threading.Thread(target=work, name="ash-ask", daemon=True).start()
    while not wait([answer], LOOK_SECONDS).done:
        if is_closed(client):
            raise ExecutorFailed(closed(client))
    return answer.result()


def cancel_all(client: Any, futures: Sequence[Any]) -> None:
    """Cancel futures whose results are no longer wanted."""
    if futures:
        with contextlib.suppress(Exception):  # a scheduler that cannot be told has lost them anyway
            ask(client, client.cancel, list(futures))


def wait_for_workers(client: Any, timeout: float) -> dict[str, int]:
    """Return how many threads each worker has, as soon as there is one; ExecutorFailed where none comes."""
    until = time.monotonic() + timeout
    while True:
        with border("the workers cannot be asked"):
            found = dict(ask(client, client.nthreads))
        if found:
            return found
        if time.monotonic() >= until:
            raise ExecutorFailed(no_worker(client, timeout))
        time.sleep(LOOK_SECONDS)

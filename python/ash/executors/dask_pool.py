"""Runs jobs on a Dask cluster (`distributed.Client`). States of networks stay on the workers that computed them.

    scatter, once per worker          data
    job       train(data, before) --> trained: answer and states       stays on its worker
              tell(trained)       --> answer                           is returned
    next job  train(data, trained) -> ...                              on the worker with the state, if free

The states of functions are returned with the answers, since the store of states may need them (`Shared.stays`).

Dask's scheduler sends a job to the worker that has the candidate's state, and moves the state if necessary. If a worker
is lost, Dask repeats its jobs and computes lost results again. If all workers that had the data are lost, the data are
sent again. Candidates whose state is lost are trained from scratch, with bit-identical results.

A call that waits for the scheduler never returns if the client's event loop ends meanwhile. So `ask` makes each
such call in a separate thread, and gives up once the client is closed.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from ash._utils.aliases import Key
from ash._utils.threads import start_thread
from ash.errors import ExecutorFailedError
from ash.executors.job_pool import Pool, answer_of, border, no_worker
from ash.executors.jobs import JobAnswer, Order, Where, differs, do, versions
from ash.space.boosters import is_boosted

CLOSED = ("closing", "closed")
FINISHED = "finished"
LOOK_SECONDS = 0.1


class DaskPool(Pool):
    """A pool for a Dask client. It waits at most `timeout` seconds for a worker that accepts the data."""

    def __init__(self, executor: Any, workers: int, timeout: float) -> None:
        super().__init__(executor, workers, timeout)
        self._data: Any = None
        self._trained: dict[str, Any] = {}  # futures of `_train`, keyed by the key of the answer's future
        self._latest: dict[int, tuple[int, Any]] = {}  # rung and future of each candidate's last job
        self._states: dict[Key, Any] = {}  # futures of the states to keep
        self._submitted = 0
        self._seen: set[str] = set()  # addresses of all workers seen in this run

    def bring(self, shared: Any) -> str | None:
        """Check the workers, and scatter the data.

        Raises ExecutorFailedError if a worker cannot run ash or has other versions, or if no worker accepts the data in
        time.
        """
        with border("the workers cannot be queried"):
            found = ask(self.executor, self.executor.run, differs, versions(), on_error="return").values()
        for each in found:
            if isinstance(each, str):
                raise ExecutorFailedError(each)
            # An OSError means that the worker was lost during the check.
            if isinstance(each, Exception) and not isinstance(each, OSError):
                raise ExecutorFailedError(f"the workers cannot run ash: {type(each).__name__}: {each}") from each
        _first(self.count, self.executor, self.timeout)
        return None

    def submit(self, order: Any, *, is_retry: bool = False, attach: bool = False) -> Any:
        """Submit a job, and return the future of its answer."""
        before = self._before(order, is_retry) if self._shared.stays else None
        name = f"ash-{self._where.token}-{order.candidate}-{order.rung}-{self._submitted}"
        self._submitted += 1
        trained = self.executor.submit(_train, self._where, self._data, before, order, key=name, pure=False)
        if not self._shared.stays:
            return trained
        answer = self.executor.submit(_tell, trained, key=f"{name}-told", pure=False)
        self._trained[answer.key] = trained
        return answer

    def answers(self, futures: Sequence[Any]) -> list[Any]:
        """Return the results or errors of completed futures. All results are fetched in one call."""
        sound = [future for future in futures if future.status == FINISHED]
        try:
            found = dict(
                zip([each.key for each in sound], ask(self.executor, self.executor.gather, sound), strict=True)
            )
        except ExecutorFailedError:
            raise
        except Exception:  # a result was lost meanwhile
            found = {}
        answers = [found.get(future.key) or answer_of(partial(ask, self.executor, future.result)) for future in futures]
        for future, answer in zip(futures, answers, strict=True):
            if isinstance(answer, BaseException):
                self._trained.pop(future.key, None)
        return answers

    def count(self) -> int | None:
        """Return the current number of workers. If no worker has the data any more, first send the data again.

        Raises ExecutorFailedError if the client is closed.
        """
        client = self.executor
        try:
            present = set(ask(client, client.nthreads))
            if present and not self._has_data():
                self._data = ask(client, client.scatter, self._shared, broadcast=True, hash=False)
        except ExecutorFailedError:
            raise
        except Exception:  # there is no scheduler, or no worker that accepts the data
            return 0
        self._seen |= present
        self.lost = len(self._seen) - len(present)
        return len(present)

    def done(self, order: Any, future: Any) -> None:
        """Keep the state from a job until the candidate's next job is done; boosted trees have no state."""
        trained = self._trained.pop(future.key, None)
        if trained is not None and not is_boosted(order.params):
            self._latest[order.candidate] = order.rung, trained

    def keep(self, candidate: int) -> None:
        """Keep the state from the candidate's last job until the run ends."""
        if candidate in self._latest:
            rung, trained = self._latest[candidate]
            self._states[candidate, rung] = trained

    def drop(self, candidate: int) -> None:
        """Drop the state from the candidate's last job, unless `keep` was called for this state."""
        self._latest.pop(candidate, None)

    def states(self, wanted: Sequence[Key]) -> dict[Key, Any]:
        """Return the wanted states that are available."""
        wanted_states = {key: self._states[key] for key in wanted if key in self._states}
        found = {}
        with contextlib.suppress(Exception):  # the scheduler is lost; all wanted candidates will be trained again
            parts = {key: self.executor.submit(_states, trained, pure=False) for key, trained in wanted_states.items()}
            for key, future in parts.items():
                with contextlib.suppress(Exception):  # this state is lost; its candidate will be trained again
                    found[key] = ask(self.executor, future.result)
        return found

    def cancel(self, futures: Sequence[Any]) -> None:
        """Cancel jobs whose results are no longer wanted."""
        if futures:
            with contextlib.suppress(Exception):  # a scheduler that does not answer has lost the futures anyway
                ask(self.executor, self.executor.cancel, list(futures))

    def close(self) -> None:
        """Drop data and states."""
        self._latest.clear()
        self._states.clear()
        self._trained.clear()
        self._data = None
        super().close()

    def _has_data(self) -> bool:
        """Return whether a worker has the data.

        The scheduler is asked, since it does not tell the client of every loss of the data.
        """
        if self._data is None or self._data.status != FINISHED:
            return False
        return any(ask(self.executor, self.executor.who_has, [self._data]).values())

    def _before(self, order: Order, is_retry: bool) -> Any:
        """Return the future of the candidate's last job, or None if its state is lost or not needed."""
        if self._shared.rules["training"] == "restart":
            return None
        _, trained = self._latest.get(order.candidate, (0, None))
        if is_retry and trained is not None and trained.status != FINISHED:
            return None
        return trained


def is_closed(client: Any) -> bool:
    """Return whether a client was closed by the user, or by Dask because its scheduler did not answer."""
    return client.status in CLOSED


def closed(client: Any) -> str:
    """Return the error message for a closed client."""
    return (
        f"executor={client!r} is closed, by its close() or because its scheduler does not answer; connect a new one "
        "and repeat the call; with a journal, the run resumes from here"
    )


def ask(client: Any, call: Callable[..., Any], *given: Any, **keywords: Any) -> Any:
    """Call a client's or future's method, which may wait for the scheduler, and return its result.

    Raises
    ------
    ExecutorFailedError
        The client was already closed, or is closed before the call returns.
    Exception
        The error that the method raises.
    """
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(call(*given, **keywords))
        except BaseException as error:
            answer.set_exception(error)

    if is_closed(client):
        raise ExecutorFailedError(closed(client))
    start_thread(work, "ash-ask")
    while not wait([answer], LOOK_SECONDS).done:
        if is_closed(client):
            raise ExecutorFailedError(closed(client))
    return answer.result()


def wait_for_workers(client: Any, timeout: float) -> dict[str, int]:
    """Wait for the first worker, and return the threads per worker; raise ExecutorFailedError after `timeout` s."""
    with border("the workers cannot be queried"):
        return dict(_first(lambda: ask(client, client.nthreads), client, timeout))


def _first(look: Callable[[], Any], client: Any, timeout: float) -> Any:
    """Call `look` until its result is not empty; raise ExecutorFailedError after `timeout` seconds."""
    until = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() >= until:
            raise ExecutorFailedError(no_worker(client, timeout))
        time.sleep(LOOK_SECONDS)
    return found


def _train(where: Where, shared: Any, before: Any, order: Any) -> Any:
    if before is not None and not order.states:
        order = order._replace(states=before.states)
    return do(where, shared, order)


def _tell(trained: JobAnswer) -> JobAnswer:
    """Return the answer of a finished job without the states, which stay on the worker."""
    return trained._replace(states=())


def _states(trained: JobAnswer) -> Any:
    return list(trained.states)

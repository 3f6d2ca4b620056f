"""Carries jobs from the core's mailbox to an executor, and the answers back to the mailbox, in a separate thread.

    mailbox --letters--> submit ----------------> future --done--> queue --> answer --> mailbox
              notes ---> keep or drop a state        | if it failed: submit again, while attempts are left
                                                     | if the worker lacks the data: submit again with the data

Invariants: (1) a job runs again only if its future has failed, for example because its worker was lost; (2) each job
gets one answer, since a job is submitted again only after its previous future has completed; (3) the dispatcher's
thread raises nothing. It stores its error in `error`, and the calling thread raises that error. The error ends the run
like any other error, with all finished jobs in the journal.
Threads: the calling thread opens and closes the dispatcher, and uses `start`, `fetch`, `finish` and `status`. A future
may complete in any thread; that thread puts the future's number into the queue. Everything else runs in the
dispatcher's thread. While that thread runs, only it writes the values that `status` reads.
"""

import queue
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Self

from ash import _core
from ash._utils.threads import start_thread
from ash.errors import ExecutorFailed
from ash.executors.job_pool import Pool, border, is_broken, no_worker
from ash.executors.jobs import DONE, LACKS, REFUSED, JobAnswer, Order, Shared
from ash.options import MOST_WORKERS, Options, virtual_workers
from ash.space.hyperparameters import Params

MOST_ATTEMPTS = 3
"""Maximum number of attempts to run a job. If the last attempt fails, the run fails."""
MOST_LOST = 20
"""Maximum number of attempts if the job was cancelled. Dask cancels jobs whose data were lost, which is rarely the
job's fault."""
AHEAD = 2
"""The maximum number of submitted jobs, as a multiple of the number of jobs that can run at the same time. It is above
1, so that an idle worker always finds another job."""
LOOK_SECONDS = 0.05
COUNT_SECONDS = 1.0
"""Seconds between checks of the number of workers while jobs are submitted and unanswered."""


class Status(NamedTuple):
    """The status of an executor's workers, and of the jobs submitted to them."""

    workers: int  # number of Dask worker processes; for other executors, the maximum number of concurrent jobs
    lost: int  # number of workers that no longer exist
    underway: int  # number of submitted jobs without an answer
    moved: int  # bytes of all networks' states that were sent with jobs or received with results


class NoDispatcher(AbstractContextManager["NoDispatcher"]):
    """The dispatcher of a run without an executor: jobs run in the core's own threads."""

    mailbox: _core.Mailbox | None = None
    error: BaseException | None = None

    def __exit__(self, *error: object) -> None:
        """Do nothing."""

    @property
    def status(self) -> Status | None:
        """Return the status of the workers of an executor, or None without an executor."""
        return None

    def start(self) -> None:
        """Do nothing."""

    def fetch(self, tuner: _core.Tuner) -> None:
        """Do nothing, since the core itself has the states of the kept candidates."""

    def finish(self, tuner: _core.Tuner, *, is_interrupted: bool) -> None:
        """Do nothing; a `Dispatcher` raises its error here if it has one, and otherwise fetches the kept states."""


class Elsewhere(NamedTuple):
    """The pool that runs the jobs of a run, and for how many seconds the run waits if there is no worker."""

    pool: Pool
    worker_timeout: float


def dispatcher_of(
    elsewhere: Elsewhere | None, data: Sequence[_core.Data], params: list[Params], options: Options, trees: Any
) -> NoDispatcher:
    """Return the dispatcher for the jobs of a run. If `elsewhere` is None, this is a plain `NoDispatcher`.

    `trees` is the TreeTrainer of the run.
    """
    if elsewhere is None:
        return NoDispatcher()
    names = ("min_epochs", "eta", "training", "metric", "seed")
    rules = {name: getattr(options, name) for name in names}
    shared = Shared(secrets.token_hex(8), data, rules, trees.folds)
    capacity = min(AHEAD * elsewhere.pool.workers, MOST_WORKERS)
    if options.schedule == "reproducible":
        capacity = min(capacity, virtual_workers(options))  # at most one unfinished job per virtual worker
    return Dispatcher(elsewhere, shared, params, capacity, trees)


class Flight(NamedTuple):
    """A job submitted to the executor, with its number in the mailbox."""

    number: int
    order: Order
    attempt: int
    attached: bool
    future: Any


class Dispatcher(NoDispatcher):
    """A context manager that sends the data to the workers, carries jobs while it is open, and drops the data at exit.

    `params` lists the hyperparameters in order of candidate number, and may grow. `capacity` is the maximum number of
    jobs without an answer. `trees`, the TreeTrainer of the run, gets the models of boosted-tree jobs.
    """

    def __init__(self, elsewhere: Elsewhere, shared: Shared, params: list[Params], capacity: int, trees: Any) -> None:
        self._pool, self._timeout = elsewhere
        self._shared, self._params, self._trees = shared, params, trees
        self._mailbox = self.mailbox = _core.Mailbox(capacity)
        self._flights: dict[int, Flight] = {}
        self._failed: list[Flight] = []  # failed jobs, to be submitted again when there is a worker
        self._next = 0
        self._landed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._threads: dict[str, int] = {}  # numbers of worker threads, in order of appearance
        self._over = False
        self._looked = time.monotonic()
        self._workers, self._moved = self._pool.workers, 0
        self._alone: float | None = None  # when a check first found no worker; None if the last check found a worker
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._pool.open(self._shared)
        self._count()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._pool.close()

    @property
    def status(self) -> Status:
        """Return the status of the workers."""
        return Status(self._workers, self._pool.lost, len(self._flights), self._moved)

    def start(self) -> None:
        """Start the thread."""
        self._thread = start_thread(self._run, "ash-dispatcher")

    def fetch(self, tuner: _core.Tuner) -> None:
        """Give the core the state of each kept candidate if the core lacks the state and a worker has it."""
        wanted = [(candidate, rung) for candidate, rung, there in tuner.kept_jobs() if not there]
        for (candidate, rung), states in self._pool.states(wanted).items():
            tuner.fill_state(candidate, rung, states)

    def finish(self, tuner: _core.Tuner, *, is_interrupted: bool) -> None:
        """Raise the error that ended the run, or fetch the kept states. The tuner's threads must have ended.

        After Ctrl-C an error is ignored, since Ctrl-C on a terminal reaches the processes of an executor, too.
        """
        self._end()
        if self.error is not None and not is_interrupted:
            raise self.error
        self._note(self._mailbox.take(0)[0])
        self.fetch(tuner)

    def _end(self) -> None:
        self._over = True
        self._mailbox.wake()
        if self._thread is not None:
            self._thread.join()
        self._pool.cancel([flight.future for flight in self._flights.values()])
        self._flights.clear()

    def _run(self) -> None:
        try:
            while not self._over:
                notes, letters = self._mailbox.take(LOOK_SECONDS)
                self._note(notes)
                for number, candidate, rung, epochs, states in letters:
                    self._submit(number, Order(candidate, rung, epochs, self._params[candidate], states))
                self._land()
                if self._has_worker():
                    self._submit_failed()
        except BaseException as error:
            self.error = error

    def _note(self, notes: Sequence[tuple[str, int]]) -> None:
        for kind, candidate in notes:
            (self._pool.keep if kind == "kept" else self._pool.drop)(candidate)

    def _submit(self, number: int, order: Order, attempt: int = 1, attach: bool = False) -> None:
        own = self._next
        self._next += 1
        with border("the executor accepts no more jobs"):
            future = self._pool.submit(order, is_retry=attempt > 1, attach=attach)
            self._flights[own] = Flight(number, order, attempt, attach, future)
            future.add_done_callback(lambda _: self._tell(own))
        self._moved += _bytes(order.states)

    def _tell(self, own: int) -> None:
        self._landed.put(own)
        self._mailbox.wake()

    def _land(self) -> None:
        landed = []
        while not self._landed.empty():
            landed.append(self._flights.pop(self._landed.get()))
        if landed:
            with border("the executor does not return the results of its jobs"):
                answers = self._pool.answers([flight.future for flight in landed])
            for flight, answer in zip(landed, answers, strict=True):
                self._take(flight, answer)

    def _take(self, flight: Flight, answer: JobAnswer | BaseException) -> None:
        if isinstance(answer, BaseException):
            self._fail(flight, answer)
        elif answer.kind == REFUSED:
            raise ExecutorFailed(answer.text)
        elif answer.kind == LACKS:
            self._submit(flight.number, flight.order, flight.attempt, attach=True)
        elif answer.kind == DONE:
            self._pool.done(flight.order, flight.future)
            self._moved += _bytes(answer.states)
            if answer.trees is not None:
                self._trees.put(flight.order.candidate, flight.order.rung, answer.trees)
            thread = self._threads.setdefault(answer.worker, len(self._threads))
            self._mailbox.answer(flight.number, answer.result, answer.states, thread, answer.seconds)

    def _fail(self, flight: Flight, error: BaseException) -> None:
        cause = f"{type(error).__name__}: {error}"
        if is_broken(error):
            raise ExecutorFailed(f"the executor is broken and accepts no more jobs: {cause}") from error
        if flight.attempt >= (MOST_LOST if isinstance(error, CancelledError) else MOST_ATTEMPTS):
            order = flight.order
            raise ExecutorFailed(
                f"candidate {order.candidate} failed in rung {order.rung} on {flight.attempt} workers: {cause}"
            ) from error
        self._failed.append(flight)

    def _submit_failed(self) -> None:
        failed, self._failed = self._failed, []
        for flight in failed:
            self._submit(flight.number, flight.order, flight.attempt + 1, flight.attached)

    def _has_worker(self) -> bool:
        """Check for workers if a check is due; return True only if the check found a worker.

        Raises ExecutorFailed if there has been no worker for `worker_timeout` seconds.
        """
        waited = time.monotonic() - self._looked
        if waited < LOOK_SECONDS or (not self._failed and (waited < COUNT_SECONDS or not self._flights)):
            return False
        if self._count() != 0:
            self._alone = None
            return True
        self._alone = self._looked if self._alone is None else self._alone
        if self._looked - self._alone >= self._timeout:
            raise ExecutorFailed(no_worker(self._pool.executor, self._timeout))
        return False

    def _count(self) -> int:
        """Ask the executor for its number of workers, and return it."""
        found = self._pool.count()
        self._looked = time.monotonic()
        self._workers = self._pool.workers if found is None else found
        return self._workers


def _bytes(states: Sequence[Any]) -> int:
    """Return the bytes of the weights and moments in these states."""
    return sum(part.nbytes for state in states for part in state[:3])

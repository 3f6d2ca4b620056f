"""Carries jobs from the core's mailbox to an executor, and the answers back to the mailbox, in a separate thread.

    mailbox --letters--> flights.submit ... flights.land --> answer --> mailbox
              notes ---> keep or drop a state

Invariant: the dispatcher's thread raises nothing. It stores its error in `error`, and the calling thread raises that
error. The error ends the run like any other error, with all finished jobs in the journal.
Threads: the calling thread opens and closes the dispatcher, and uses `start`, `fetch`, `finish` and `status`.
Everything else runs in the dispatcher's thread. While that thread runs, only it writes the values that `status` reads.
"""

import secrets
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

from ash import _core
from ash._utils.threads import start_thread
from ash.errors import ExecutorFailedError
from ash.executors.flights import LOOK_SECONDS, Flight, Flights, Status
from ash.executors.job_pool import Pool
from ash.executors.jobs import JobAnswer, Order, Shared
from ash.options import MOST_WORKERS, Options, decided_workers
from ash.space.hyperparameters import Params

MOST_ATTEMPTS = 3
"""Maximum number of attempts to run a job. If the last attempt fails, the run fails."""
AHEAD = 2
"""The maximum number of submitted jobs, as a multiple of the number of jobs that can run at the same time. It is above
1, so that an idle worker always finds another job."""


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


def dispatcher_of(
    pool: Pool | None, data: Sequence[_core.Data], params: list[Params], options: Options, trees: Any
) -> NoDispatcher:
    """Return the dispatcher for the jobs of a run. If `pool` is None, this is a plain `NoDispatcher`.

    `trees` is the TreeTrainer of the run.
    """
    if pool is None:
        return NoDispatcher()
    names = ("min_epochs", "eta", "training", "metric", "seed")
    rules = {name: getattr(options, name) for name in names}
    shared = Shared(secrets.token_hex(8), data, rules, trees.folds)
    capacity = min(AHEAD * pool.workers, MOST_WORKERS)
    if options.schedule == "reproducible":
        capacity = min(capacity, decided_workers(options))  # at most one unfinished job per virtual worker
    return Dispatcher(pool, shared, params, capacity, trees)


class Dispatcher(NoDispatcher):
    """A context manager that sends the data to the workers, carries jobs while it is open, and drops the data at exit.

    `params` lists the hyperparameters in order of candidate number, and may grow. `capacity` is the maximum number of
    jobs without an answer. `trees`, the TreeTrainer of the run, gets the models of boosted-tree jobs.
    """

    def __init__(self, pool: Pool, shared: Shared, params: list[Params], capacity: int, trees: Any) -> None:
        self._shared, self._params, self._trees = shared, params, trees
        self._mailbox = self.mailbox = _core.Mailbox(capacity)
        self._flights = Flights(pool, MOST_ATTEMPTS, self._mailbox.wake)
        self._workers: dict[str, int] = {}  # numbers of worker threads, in order of appearance
        self._over = False
        self._moved = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._flights.open(self._shared)
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._flights.close()

    @property
    def status(self) -> Status:
        """Return the status of the workers."""
        return self._flights.status._replace(moved=self._moved)

    def start(self) -> None:
        """Start the thread."""
        self._thread = start_thread(self._run, "ash-dispatcher")

    def fetch(self, tuner: _core.Tuner) -> None:
        """Give the core the state of each kept candidate if the core lacks the state and a worker has it."""
        wanted = [(candidate, rung) for candidate, rung, there in tuner.kept_jobs() if not there]
        for (candidate, rung), states in self._flights.pool.states(wanted).items():
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
        self._flights.cancel_all()

    def _run(self) -> None:
        try:
            while not self._over:
                notes, letters = self._mailbox.take(LOOK_SECONDS)
                self._note(notes)
                for number, candidate, rung, epochs, states in letters:
                    self._flights.submit(number, Order(candidate, rung, epochs, self._params[candidate], states))
                    self._moved += _bytes(states)
                for flight, answer in self._flights.land():
                    self._take(flight, answer)
        except BaseException as error:
            self.error = error

    def _note(self, notes: Sequence[tuple[str, int]]) -> None:
        for kind, candidate in notes:
            (self._flights.pool.keep if kind == "kept" else self._flights.pool.drop)(candidate)

    def _take(self, flight: Flight, answer: JobAnswer | BaseException) -> None:
        order = flight.order
        if isinstance(answer, BaseException):
            cause = f"{type(answer).__name__}: {answer}"
            where = f"candidate {order.candidate} failed in rung {order.rung} on {flight.attempt} workers"
            raise ExecutorFailedError(f"{where}: {cause}") from answer
        self._moved += _bytes(answer.states)
        if answer.trees is not None:
            self._trees.put(order.candidate, order.rung, answer.trees)
        thread = self._workers.setdefault(answer.worker, len(self._workers))
        self._mailbox.answer(flight.key, answer.result, answer.states, thread, answer.seconds)


def _bytes(states: Sequence[Any]) -> int:
    """Return the bytes of the weights and moments in these states."""
    return sum(part.nbytes for state in states for part in state[:3])

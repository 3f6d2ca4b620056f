"""Processes of ours, one a place: who dies costs its job, and who hangs is killed.

    place (a thread of this process) --params, epochs, state--> child.py --answer--> queue

A child is forked from a new interpreter (fork_server.py), not from this one: nothing is copied of threads and locks,
and the user's script is not run again, as multiprocessing would. It has the module path of the parent, and the
function as bytes.
Invariants: (1) a child does one job at a time, so it is known whose job it was that it has died of; (2) no child
outlives the run, nor the parent.
Threads: a place is used by its own thread; `kill` may be called by another.
"""

import queue
import threading
import time
from types import TracebackType
from typing import Any

from ash.function.answers import DIED, FAILED, LATE, Answer, Train
from ash.function.fork_server import Nursery
from ash.function.job_runners import Beside, Key
from ash.function.packing import pack_function, unpack

START_SECONDS = 300.0
"""How long a child may take to import what the function needs."""


class Child:
    """One process. It is started with the first job."""

    def __init__(self, nursery: Nursery, packed: bytes) -> None:
        self._nursery = nursery
        self._number, self._connection = nursery.child()
        self._is_ready = self._has_ended = False
        self._connection.send_bytes(packed)

    def do(self, arguments: tuple[Any, ...], limit: float | None) -> Answer:
        """Let it do a job, and return the answer; one that is late is killed."""
        try:
            if not self._is_ready:  # to start, and to import what the function needs, is not the job's time
                if not self._connection.poll(START_SECONDS):
                    self.kill()
                    return Answer(LATE, text=f"its process took longer than {START_SECONDS:g} seconds to start")
                self._is_ready = self._connection.recv()
            self._connection.send(arguments)
            if not self._connection.poll(limit):
                self.kill()
                return Answer(LATE, text=f"the job took longer than job_limit={limit:g} seconds; its process is killed")
            return Answer(*self._connection.recv())
        except (EOFError, OSError):
            return Answer(DIED, text=f"the process of the job has ended {self._end()}")

    def kill(self) -> None:
        """End it at once."""
        self._nursery.kill(self._number)

    def close(self) -> None:
        """Let it end, or end it."""
        self._connection.close()
        if not self._has_ended:
            self._end()

    @property
    def alive(self) -> bool:
        """Return whether it can do another job: between jobs it says nothing, unless it is no more."""
        return not (self._is_ready and self._connection.poll(0))

    def _end(self) -> str:
        self._has_ended = True
        return self._nursery.ended(self._number)


class Processes(Beside):
    """Processes of ours: see the module."""

    packed = True

    def __init__(self, train: Train, count: int, limit: float | None) -> None:
        super().__init__(count, None)  # here a place watches over its own
        self._packed = pack_function(train, "processes")
        self._nursery = Nursery()
        self._limit_of_child = limit
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._children: list[Child | None] = [None] * count
        self._over = False
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"ash-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        for _ in self._threads:
            self._tasks.put(None)
        for child in self._children:
            if child is not None and self._begun:  # only where a job still runs is there something to be cut short
                child.kill()
        for thread in self._threads:
            thread.join()
        self._nursery.close()

    def hand_out(self, job: Key, params: dict[str, Any], epochs: int, state: Any) -> None:
        """Put it where the next place that is free takes it."""
        self._tasks.put((job, params, epochs, state))

    def open(self, state: Any) -> Any:
        """Return the state of its bytes."""
        return unpack(state)

    def _work(self, number: int) -> None:
        while (task := self._tasks.get()) is not None and not self._over:
            job, *arguments = task
            try:
                answer = self._do(number, tuple(arguments))
            except Exception as error:  # no process can be started, say
                answer = Answer(FAILED, text=f"{type(error).__name__}: {error}")
            self._done.put((job, answer._replace(place=number, end=time.monotonic())))
        self._end(number)

    def _do(self, number: int, arguments: tuple[Any, ...]) -> Answer:
        child = self._children[number]
        if child is None or not child.alive:
            self._end(number)
            child = self._children[number] = Child(self._nursery, self._packed)
        answer = child.do(arguments, self._limit_of_child)
        if answer.kind in (LATE, DIED):
            self._end(number)
        return answer

    def _end(self, number: int) -> None:
        child, self._children[number] = self._children[number], None
        if child is not None:
            child.close()

"""Runs jobs in child processes, one per thread. If a child dies, only its job is lost. A child that hangs is killed.

    thread of this process --job, params, state--> child (runs child.py) --answer--> queue

A child is forked from a new interpreter, not from this process. So no threads or locks are copied, and the user's
script does not run again, as it would with multiprocessing. The new interpreter gets the parent's module path, and
reads the function from a file (ash/executors/jobs.py). All children share the memory of its data.
Invariants: (1) a child runs one job at a time, so if it dies, it is known which job failed; (2) no child outlives the
run or the parent.
Threads: each child is used by its own thread; only `kill` may be called by another thread.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import IO, Any

from ash.executors.job_pool import Pool
from ash.executors.jobs import Where
from ash.function.answers import DIED, FAILED, LATE, Answer, SharedFunction, Train, unpack
from ash.function.child import GONE, RUNNING
from ash.function.job_runners import RunnerThreads

CODE = "import sys; sys.path[:] = {path!r}; from ash.function.child import serve_forks; serve_forks({handle})"
LOOK_SECONDS = 0.01
START_SECONDS = 300.0
"""The maximum number of seconds that a child may take to start and to import the function's modules."""


class ForkServer:
    """Starts and controls a process that forks children.

    The process is started when the first child is requested, and restarted if it was killed.

    Threads: `child`, `ended` and `kill` may be called by any thread. One lock guards the connection and the
    children's process ids. Each request gets one reply. A child whose exit status has been read is never killed,
    since its id may then belong to another process.
    """

    def __init__(self, where: Where) -> None:
        self._lock = threading.Lock()
        self._where = where
        self._reads = True  # whether the server reads the function; otherwise each child does
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: Connection[Any, Any] | None = None  # to the process
        self._living: set[int] = set()
        self._inputs: list[IO[bytes]] = []  # the servers' standard inputs; children end when these are closed

    def child(self) -> tuple[int, "Connection[Any, Any]"]:
        """Start a child; return its process id and this process's end of the connection.

        Raises
        ------
        OSError
            No process can be started.
        """
        with self._lock:
            try:
                number, connection = self._born()
            except OSError:
                self._end()
                number, connection = self._born()
            self._living.add(number)
        return number, connection

    def ended(self, child: int) -> str:
        """Wait for a child that is ending or was killed, and return words for how it ended, such as "by SIGKILL"."""
        while (status := self._status(child)) == RUNNING:  # other threads may use the server meanwhile
            time.sleep(LOOK_SECONDS)
        if status == GONE:
            return "for an unknown reason"
        return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"

    def kill(self, child: int) -> None:
        """Kill a child at once."""
        with self._lock:
            if child in self._living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    def close(self) -> None:
        """End the server and all its children; the connections to the children must have been closed."""
        with self._lock:
            self._end()
            for each in self._inputs:
                each.close()

    def _status(self, child: int) -> Any:
        with self._lock:
            status: Any = GONE
            with contextlib.suppress(EOFError, OSError):
                status = self._ask(child)
            if status != RUNNING:
                self._living.discard(child)
            return status

    def _born(self) -> tuple[int, "Connection[Any, Any]"]:
        ours, theirs = Pipe()
        with theirs:
            try:
                if self._process is None:
                    self._begin()
                return self._ask(None, theirs.fileno()), ours
            except (EOFError, OSError) as error:
                ours.close()  # so that the child ends if it was forked but no valid reply arrived
                raise OSError("no process can be started") from error

    def _ask(self, request: int | None, *handles: int) -> Any:
        if self._process is None or self._requests is None:
            raise OSError("there is no such process")
        self._requests.send(request)
        for each in handles:
            send_handle(self._requests, each, self._process.pid)
        return self._requests.recv()

    def _begin(self) -> None:
        ours, theirs = Pipe()
        with theirs:
            code = CODE.format(path=sys.path, handle=theirs.fileno())
            words = [sys.executable, "-c", code]
            # Ctrl-C on a terminal reaches the processes of its group. The parent handles it, even during the start.
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(words, stdin=pipe, pass_fds=[theirs.fileno()], process_group=0)
            if self._process.stdin is not None:
                self._inputs.append(self._process.stdin)
        self._requests = ours
        ours.send((self._where, self._reads))
        if not ours.poll(START_SECONDS):
            raise TimeoutError(f"the process takes longer than {START_SECONDS:g} seconds to start")
        try:
            is_safe = ours.recv()
        except (EOFError, OSError):  # the server has died
            is_safe = False
        if not is_safe and self._reads:
            self._reads = False
            self._end()
            self._begin()

    def _end(self) -> None:
        process, requests, self._process, self._requests = self._process, self._requests, None, None
        if requests is not None:
            requests.close()
        if process is not None:
            process.wait()


class Child:
    """One child process. It is started when this object is created."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._number, self._connection = server.child()
        self._is_ready = self._has_ended = False

    def do(self, arguments: tuple[Any, ...], limit: float | None) -> Answer:
        """Run a job in the process, and return the answer; kill the process if the job exceeds `limit` seconds."""
        try:
            if not self._is_ready:  # starting and importing do not count as the job's time
                if not self._connection.poll(START_SECONDS):
                    self.kill()
                    return Answer(LATE, text=f"its process took longer than {START_SECONDS:g} seconds to start")
                self._is_ready = self._connection.recv()
            self._connection.send(arguments)
            if not self._connection.poll(limit):
                self.kill()
                return Answer(
                    LATE, text=f"the job took longer than job_limit={limit:g} seconds; its process was killed"
                )
            answer = self._connection.recv()
        except (EOFError, OSError):
            self.kill()  # in case the job closed the connection; a process that is ending keeps its exit status
            return Answer(DIED, text=f"the process of the job ended {self._end()}")
        if isinstance(answer, bytes):
            raise unpack(answer)
        return answer if isinstance(answer, Answer) else Answer(DIED, text="its process cannot read the function")

    def kill(self) -> None:
        """Kill the process at once."""
        self._server.kill(self._number)

    def close(self) -> None:
        """Close the connection, and wait until the process has ended or was killed."""
        self._connection.close()
        if not self._has_ended:
            self._end()

    @property
    def alive(self) -> bool:
        """Return whether the child can run another job. A living child sends nothing between jobs."""
        return not (self._is_ready and self._connection.poll(0))

    def _end(self) -> str:
        self._has_ended = True
        return self._server.ended(self._number)


class Processes(RunnerThreads):
    """Runs jobs in child processes, each controlled by one thread of this process."""

    packed = True

    def __init__(self, train: Train, count: int, limit: float | None) -> None:
        self._pool = Pool(None, count)
        self._server = ForkServer(self._pool.open(SharedFunction(train, "'processes'")))
        self._limit_of_child = limit
        self._children: list[Child | None] = [None] * count
        super().__init__(train, count, None)  # each thread enforces the limit for its own child

    def __exit__(self, *error: object) -> None:
        self.end_threads()
        for child in self._children:
            if child is not None and self.running:  # kill children only if a job is still running
                child.kill()
        for thread in self._threads:
            thread.join()
        self._server.close()
        self._pool.close()

    def open(self, state: Any) -> Any:
        """Return the state, unpacked from its bytes."""
        return unpack(state)

    def _work(self, number: int) -> None:
        while (task := self._tasks.get()) is not None and not self._over:
            key = task[0][:2]
            done: Answer | BaseException
            try:
                done = self._do(number, task)
            except Exception as error:  # for example, no process can be started
                done = Answer(FAILED, text=f"{type(error).__name__}: {error}")
            except BaseException as error:  # for example SystemExit, to be raised in the calling thread
                done = error
            if isinstance(done, Answer):
                done = done._replace(thread=number, end=time.monotonic())
            self._done.put((key, done))
        self._end(number)

    def _do(self, number: int, arguments: tuple[Any, ...]) -> Answer:
        child = self._children[number]
        if child is None or not child.alive:
            self._end(number)
            child = self._children[number] = Child(self._server)
            if self._over:  # the run has ended while the child was started, so `__exit__` may not have killed it
                child.kill()
        answer = child.do(arguments, self._limit_of_child)
        if answer.kind in (LATE, DIED):
            self._end(number)
        return answer

    def _end(self, number: int) -> None:
        child, self._children[number] = self._children[number], None
        if child is not None:
            child.close()

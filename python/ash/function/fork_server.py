"""Where child processes come from, as the parent sees it: `child.py` is what runs there.

Threads: `child`, `ended` and `kill` may be called by any; one lock guards the socket, over which a question has one
answer, and the numbers of children: none is killed that was asked for, as its number may be another's by then.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from ash.function.child import GONE

CODE = "import sys; sys.path[:] = {path!r}; from ash.function.child import breed; breed({handle})"
MESSAGE = 32


class Nursery:
    """A process that forks others. It is started with the first child, and again should it have been killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._living: set[int] = set()
        self._inputs: list[IO[bytes]] = []  # while these are open, children live

    def child(self) -> tuple[int, "Connection[Any, Any]"]:
        """Return a new child, which waits for the function: its number, and our end of the connection to it.

        Raises
        ------
        OSError
            There can be none.
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
        """Return how a child that ends by itself, or was killed, has ended; it is no more after that."""
        with self._lock:
            self._living.discard(child)
            try:
                answer = self._ask(b"%d" % child)
            except OSError:
                answer = GONE
        if answer in (GONE, ""):
            return "in a way that nobody knows"
        status = int(answer)
        return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"

    def kill(self, child: int) -> None:
        """End a child at once."""
        with self._lock:
            if child in self._living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    def close(self) -> None:
        """Let it end with all its children, whose connections are closed."""
        with self._lock:
            self._end()
            for each in self._inputs:
                each.close()

    def _born(self) -> tuple[int, "Connection[Any, Any]"]:
        ours, theirs = Pipe()
        with theirs:
            try:
                return self._fork(theirs.fileno()), ours
            except OSError:
                ours.close()  # a child that was forked all the same, by a process that could not say so, ends by that
                raise

    def _fork(self, handle: int) -> int:
        if self._socket is None:
            self._begin()
        answer = self._ask(b"child", handle)
        if not answer.isdecimal():
            raise OSError("no process can be started")
        return int(answer)

    def _ask(self, message: bytes, *handles: int) -> str:
        if self._socket is None:
            raise OSError("there is no such process")
        if handles:
            socket.send_fds(self._socket, [message], handles)
        else:
            self._socket.sendall(message)
        return self._socket.recv(MESSAGE).decode()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            code = CODE.format(path=sys.path, handle=theirs.fileno())
            words = [sys.executable, "-c", code]
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])
            if self._process.stdin is not None:
                self._inputs.append(self._process.stdin)
        self._socket = ours

    def _end(self) -> None:
        process, asked, self._process, self._socket = self._process, self._socket, None, None
        if asked is not None:
            asked.close()
        if process is not None:
            process.wait()

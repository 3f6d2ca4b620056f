"""Dask clusters for fault tests: a scheduler and workers in separate processes, and connections that can be paused.

    this process ──┐
    worker ────────┼── Wire ──> scheduler         a held wire passes no data in either direction,
    worker ────────┘                              and neither end is told

Threads: one per direction of each connection; any thread may call `hold`.
"""

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fault_help import environment_of_tests

CHUNK = 1 << 16
QUIET = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "DASK_LOGGING__DISTRIBUTED": "critical"}
ONE_THREAD = ("--no-nanny", "--nthreads", "1", "--death-timeout", "60")
"""Options of a Dask worker that does one job at a time."""


class Wire:
    """A local port whose connections are forwarded to a port of a host, and can be paused."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._open = threading.Event()
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        host, port = self._server.getsockname()
        return f"tcp://{host}:{port}"

    def hold(self, seconds: float) -> None:
        self._open.clear()
        threading.Timer(seconds, self._open.set).start()

    def close(self) -> None:
        self._open.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                inner, _ = self._server.accept()
                outer = socket.create_connection(self._to)
                self._sockets += [inner, outer]
                for source, sink in ((inner, outer), (outer, inner)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._open.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def dask(program: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard", *words]


def environment() -> dict[str, str]:
    """Return environment variables with which Python finds the test modules and Dask's log stays short."""
    return environment_of_tests() | QUIET


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _address_in(file: Path, scheduler: subprocess.Popen[bytes], seconds: float = 60) -> tuple[str, int]:
    until = time.monotonic() + seconds
    while time.monotonic() < until and scheduler.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            host, port = json.loads(file.read_text(encoding="utf-8"))["address"].removeprefix("tcp://").split(":")
            return host, int(port)
        time.sleep(0.05)
    raise AssertionError("the scheduler has not begun")


class Cluster:
    """A running cluster: the scheduler process, the worker processes, and the wire to the scheduler."""

    def __init__(self, scheduler: subprocess.Popen[bytes], wire: Wire) -> None:
        self.scheduler, self.wire = scheduler, wire
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self) -> None:
        self.workers.append(_start(*dask("worker", self.wire.address, *ONE_THREAD)))


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    scheduler = _start(*dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)))
    started = None
    try:
        started = Cluster(scheduler, Wire(*_address_in(file, scheduler)))
        for _ in range(workers):
            started.add_worker()
        yield started
    finally:
        for process in [*(started.workers if started else []), scheduler]:
            process.kill()
            process.wait()
        if started:
            started.wire.close()


def jobs_in(journal: Path) -> list[Any]:
    """Return a journal's jobs in order of decision, without the fields that depend on where a job was done."""
    query = "SELECT candidate, rung, epochs, score, loss, training_loss, weights_hash FROM jobs ORDER BY number"
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        return connection.execute(query).fetchall()

"""A cluster of Dask on hosts, and a run on it.

    host 0            scheduler, and the run: hosts_run.py
    host 1, 2, ...    a worker each

All are processes of this machine, with its files: the journal that the run writes is read here.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cluster_help import ONE_THREAD, dask, environment
from hosts_help import Hosts, address

PORT = "8786"
SCHEDULER = f"tcp://{address(0)}:{PORT}"
RUN = Path(__file__).with_name("hosts_run.py")
LIMIT_SECONDS = "250"
AFTER = 9
"""Jobs, after which it is the middle of a run."""


class HostCluster:
    """A cluster that is there.

    Parameters
    ----------
    hosts : Hosts
    patience : int
        Seconds without an answer after which the other end of a connection is taken for lost; Dask wants 11 or more.
    """

    def __init__(self, hosts: Hosts, patience: int) -> None:
        self._hosts = hosts
        self._environment = {**environment(), "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": f"{patience}s"}
        self.scheduler = self._start(0, *dask("scheduler", "--host", address(0), "--port", PORT))
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, host: int) -> None:
        """Start a worker on a host."""
        words = (SCHEDULER, "--host", address(host), *ONE_THREAD)
        self.workers.append(self._start(host, *dask("worker", *words)))

    def run(self, journal: Path, call: Callable[[], None] = lambda: None, **settings: Any) -> str:
        """Make a run of digit networks, in the middle of which something is called once.

        Returns
        -------
        str
            The digest of the run, or why it has none.
        """
        words = (SCHEDULER, str(len(self.workers)), str(journal), json.dumps(settings))
        command = ("timeout", LIMIT_SECONDS, sys.executable, str(RUN), *words)
        with self._start(0, *command, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            lines = []
            for line in run.stdout:
                lines.append(line.decode().strip())
                if len(lines) == AFTER:
                    call()
                    assert run.poll() is None, "it has ended in the meantime"
        assert run.returncode == 0 and len(lines) > AFTER, lines[-1:]
        return lines[-1]

    def end(self) -> None:
        """End it, without a word to anybody."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, host: int, *command: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._hosts.inside(host), *command], env=self._environment, stdout=stdout)


@contextlib.contextmanager
def cluster_on(hosts: Hosts, workers: Sequence[int], patience: int = 30) -> Iterator[HostCluster]:
    """Start a cluster with workers on these hosts, and end it."""
    started = HostCluster(hosts, patience)
    try:
        for host in workers:
            started.add_worker(host)
        yield started
    finally:
        started.end()

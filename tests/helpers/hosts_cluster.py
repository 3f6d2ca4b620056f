"""A Dask cluster on the hosts of hosts_help.py, and a run on the cluster.

    host 0            the scheduler, and the run (a process that executes this file)
    host 1, 2, ...    one worker per host

All of them are processes on this machine and share its files, so tests can read the journal of the run.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import distributed

import ash
from cluster_help import ONE_THREAD, dask, environment
from executor_help import tuned
from hosts_help import Hosts, address

PORT = "8786"
SCHEDULER = f"tcp://{address(0)}:{PORT}"
LIMIT_SECONDS = "250"
AFTER = 9
"""The number of jobs after which a run is about half done."""


class HostCluster:
    """A cluster in which a connection counts as lost after `patience` seconds (at least 11) without an answer."""

    def __init__(self, hosts: Hosts, patience: int) -> None:
        self._hosts = hosts
        self._environment = {**environment(), "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": f"{patience}s"}
        self.scheduler = self._start(0, *dask("scheduler", "--host", address(0), "--port", PORT))
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, host: int) -> None:
        words = (SCHEDULER, "--host", address(host), *ONE_THREAD)
        self.workers.append(self._start(host, *dask("worker", *words)))

    def run(self, journal: Path, call: Callable[[], None] = lambda: None, **settings: Any) -> str:
        """Run on the digits table, and call `call` once, about halfway; return the digest or the error."""
        words = (SCHEDULER, str(len(self.workers)), str(journal), json.dumps(settings))
        command = ("timeout", LIMIT_SECONDS, sys.executable, __file__, *words)
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
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, host: int, *command: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._hosts.inside(host), *command], env=self._environment, stdout=stdout)


@contextlib.contextmanager
def cluster_on(hosts: Hosts, workers: Sequence[int], patience: int = 30) -> Iterator[HostCluster]:
    started = HostCluster(hosts, patience)
    try:
        for host in workers:
            started.add_worker(host)
        yield started
    finally:
        started.end()


class Tell(ash.Callback):
    def on_job(self, job: Any, params: Any) -> None:
        print("job", flush=True)


def main() -> None:
    """Do a run on a cluster: hosts_cluster.py SCHEDULER WORKERS JOURNAL SETTINGS (as JSON)."""
    scheduler, workers, journal, settings = sys.argv[1:]
    with distributed.Client(scheduler, set_as_default=False, timeout=60) as client:
        client.wait_for_workers(int(workers), timeout=60)
        try:
            print(tuned(executor=client, journal=journal, callbacks=[Tell()], **json.loads(settings)).digest)
        except ash.ExecutorFailedError as error:
            print(error)


if __name__ == "__main__":
    main()

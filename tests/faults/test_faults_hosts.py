"""Tests faults of many machines on simulated hosts (F95, F102): delayed or lost frames, hosts cut off or added.

The outcome must equal that of threads on this machine: the same digest and the same rows of the journal.
test_faults_machines.py cuts the whole connection to a scheduler, and needs no simulated hosts.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster_help import environment, jobs_in
from executor_help import expected, tuned
from hosts_cluster import AFTER, LIMIT_SECONDS, cluster_on
from hosts_help import Hosts, address, hosts, missing
from mpi_help import under_mpi

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
COUNT, DELAY, LOSS = 3, 0.02, 0.01
LONG: dict[str, Any] = {"min_epochs": 8}
"""Settings that make a run long enough for a failure during it."""
PATIENCE = 11
"""Seconds without an answer after which Dask gives up on a host. Dask accepts no smaller value."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Any]]:
    path = tmp_path_factory.mktemp("undisturbed") / "run.ash"
    return tuned(n_jobs=2, journal=path, **LONG).digest, jobs_in(path)


@pytest.fixture
def made() -> Iterator[Hosts]:
    with hosts(COUNT, DELAY, LOSS) as made:
        yield made


def test_f102_late_and_lost_frames_and_a_short_disconnection_do_not_change_the_result(
    made: Hosts, undisturbed: Any, tmp_path: Path
) -> None:
    path = tmp_path / "cut.ash"
    with cluster_on(made, [1, 2]) as started:
        assert started.run(tmp_path / "late.ash") == expected()
        assert (started.run(path, partial(made.cut_for, 3, 1), **LONG), jobs_in(path)) == undisturbed


def test_f95_a_run_that_loses_all_hosts_can_be_continued_in_threads(
    made: Hosts, undisturbed: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run.ash"
    with cluster_on(made, [1, 2], PATIENCE) as started:
        told = started.run(path, partial(made.cut, 1, 2), worker_timeout=2, **LONG)
    assert "has had no worker for worker_timeout=2 seconds; start some" in told
    there = jobs_in(path)
    assert AFTER <= len(there) < len(undisturbed[1])
    digest, jobs = undisturbed
    assert set(there) <= set(jobs)
    assert tuned(n_jobs=2, journal=path, **LONG).digest == digest
    assert sorted(jobs_in(path)) == sorted(jobs), "what had to wait for others when all were lost stands before these"


def test_f95_another_host_can_replace_the_only_one(made: Hosts, undisturbed: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    with cluster_on(made, [1], PATIENCE) as started:

        def change() -> None:
            made.cut(1)
            started.add_worker(2)

        assert (started.run(path, change, **LONG), jobs_in(path)) == undisturbed


RANKS = """
import os, sys
from mpi4py.futures import MPIPoolExecutor
from executor_help import tuned

print(os.readlink("/proc/self/ns/net"), flush=True)
if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        print(tuned(executor=executor, journal=sys.argv[1], min_epochs=8).digest)
"""


def test_f102_late_and_lost_frames_do_not_change_an_mpi_run(made: Hosts, undisturbed: Any, tmp_path: Path) -> None:
    """Use one rank per host. mpiexec starts ranks by a substitute for ssh, which it calls with -x HOST COMMAND."""
    journal, script, launch = tmp_path / "run.ash", tmp_path / "script.py", tmp_path / "launch"
    script.write_text(RANKS, encoding="utf-8")
    cases = "\n".join(f"{address(host)}) inside='{' '.join(made.inside(host))}' ;;" for host in range(COUNT))
    launch.write_text(f'#!/bin/sh\ncase $2 in\n{cases}\nesac\nshift 2\nexec $inside sh -c "$*"\n', encoding="utf-8")
    launch.chmod(0o700)
    mpiexec, *ranks = under_mpi(COUNT, str(script), str(journal))
    options = ["-launcher", "ssh", "-launcher-exec", str(launch), "-localhost", address(0)]
    places = ["-hosts", ",".join(map(address, range(COUNT)))]
    # Use TCP, since UCX would find the networks of the real machine in /sys.
    sockets = {"MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
    done = subprocess.run(
        [*made.inside(0), "timeout", LIMIT_SECONDS, mpiexec, *options, *places, *ranks],
        env={**environment(), **sockets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *spaces, digest = re.findall(r"net:\[\d+\]|[0-9a-f]{16,}", done.stdout)  # two ranks may print on the same line
    assert len(spaces) == len(set(spaces)) == COUNT
    assert (digest, jobs_in(journal)) == undisturbed


# The simulated hosts: their network has the requested delay and loss, and can be cut

LOSSY, SENT = 0.1, 1000
ANSWER = """
import socket
answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answering.bind(("0.0.0.0", 7000))
print("ready", flush=True)
while True:
    answering.sendto(*answering.recvfrom(100))
"""
ASK = """
import json, socket, sys, time
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.connect((sys.argv[1], 7000))
asking.settimeout(0.002)
took = []
def hear():
    try:
        took.append(-float(asking.recv(100)) + time.monotonic())
    except OSError:
        pass
for _ in range(int(sys.argv[2])):
    asking.send(str(time.monotonic()).encode())
    hear()
until = time.monotonic() + 2.0
while time.monotonic() < until:
    hear()
print(json.dumps([len(took), min(took, default=0)]))
"""


@pytest.fixture(scope="module")
def answering() -> Iterator[Hosts]:
    """Yield three hosts; the first host sends each datagram that it receives back."""
    with hosts(3, DELAY, LOSSY) as made:
        command = [*made.inside(0), sys.executable, "-c", ANSWER]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline()
            for host in (1, 2):
                while asked(made, host, 1)[0] == 0:  # the kernel looks up an unknown host again after a second
                    pass
            yield made
            process.kill()


def asked(made: Hosts, host: int, datagrams: int = SENT) -> tuple[int, float]:
    """Return how many datagrams came back to a host, and the shortest round-trip time."""
    command = [*made.inside(host), sys.executable, "-c", ASK, address(0), str(datagrams)]
    count, shortest = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return count, shortest


def test_frames_are_delayed_and_some_are_lost(answering: Hosts) -> None:
    """Expect 810 of 1000 datagrams (standard deviation 12.4), since each may be lost on its way out or back."""
    count, shortest = asked(answering, 1)
    assert shortest >= 2 * DELAY
    assert abs(count - SENT * (1 - LOSSY) ** 2) < 6 * 12.4


def test_a_cut_off_host_receives_nothing(answering: Hosts) -> None:
    answering.cut(1)
    try:
        assert asked(answering, 1, 100)[0] == 0
        assert asked(answering, 2, 100)[0] > 50
    finally:
        answering.cut()
    assert asked(answering, 1, 100)[0] > 50


def test_hosts_can_only_reach_each_other(answering: Hosts) -> None:
    routes = subprocess.run([*answering.inside(1), "ip", "route"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[:3] for line in routes.splitlines()] == [["10.77.0.0/24", "dev", "cable"]]

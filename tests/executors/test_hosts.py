"""Hosts that tests make: what is between them is as late and as lossy as it was asked to be, and can be cut."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts_help import Hosts, address, hosts, missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
DELAY, LOSS, SENT = 0.02, 0.1, 1000
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
until = time.monotonic() + 0.5
while time.monotonic() < until:
    hear()
print(json.dumps([len(took), min(took, default=0)]))
"""

KILLED = """
import os, signal
from hosts_help import hosts
with hosts(2) as made:
    print(*(made.inside(host)[2] for host in range(2)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def answering() -> Iterator[Hosts]:
    """Three hosts, of which the first answers each datagram with itself."""
    with hosts(3, DELAY, LOSS) as made:
        command = [*made.inside(0), sys.executable, "-c", ANSWER]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline()
            for host in (1, 2):
                while asked(made, host, 1)[0] == 0:  # a host that was not found is asked for again after a second
                    pass
            yield made
            process.kill()


def asked(made: Hosts, host: int, datagrams: int = SENT) -> tuple[int, float]:
    """Return how many datagrams have come back to a host, and the shortest time that one took."""
    command = [*made.inside(host), sys.executable, "-c", ASK, address(0), str(datagrams)]
    count, shortest = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return count, shortest


def test_frames_are_late_and_some_are_lost(answering: Hosts) -> None:
    """Each datagram is lost on its way out or back, which of a thousand leaves 810, give or take 12.4."""
    count, shortest = asked(answering, 1)
    assert shortest >= 2 * DELAY
    assert abs(count - SENT * (1 - LOSS) ** 2) < 6 * 12.4


def test_who_is_cut_off_hears_nothing_and_others_do(answering: Hosts) -> None:
    answering.cut(1)
    try:
        assert asked(answering, 1, 100)[0] == 0
        assert asked(answering, 2, 100)[0] > 50
    finally:
        answering.cut()
    assert asked(answering, 1, 100)[0] > 50


def test_hosts_reach_nothing_but_each_other(answering: Hosts) -> None:
    routes = subprocess.run([*answering.inside(1), "ip", "route"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[:3] for line in routes.splitlines()] == [["10.77.0.0/24", "dev", "cable"]]


def test_hosts_end_with_who_made_them_even_if_that_is_killed() -> None:
    command = [sys.executable, "-c", KILLED]
    killed = subprocess.run(
        command, cwd=Path(__file__).parents[1] / "helpers", capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = [Path("/proc", pid, "ns") for pid in killed.stdout.split()]
    until = time.monotonic() + 60
    while any(each.exists() for each in left) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(left) == 2 and not any(each.exists() for each in left)

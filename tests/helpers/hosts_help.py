"""Simulated hosts on this machine for fault tests, each with its own network, connected by a faulty switch.

    host 0  10.77.0.100 ─┐
    host 1  10.77.0.101 ─┼─ hosts_switch.py       delays frames, loses some, and can cut hosts off
    host 2  10.77.0.102 ─┘

A host is a network namespace. The switch has a separate namespace, so that no frame reaches the machine's network. The
namespaces have no names: each exists as long as a process runs in it. The first process of each always ends with this
process. Hosts share the machine's files, process list and host name. test_faults_hosts.py measures the effects of delay
and loss.
"""

import contextlib
import functools
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import needs

SWITCH = Path(__file__).with_name("hosts_switch.py")
PROGRAMS = ("ip", "nsenter", "unshare")
LINK_SECONDS = 60.0
SEED = 0


@functools.cache
def missing() -> str | None:
    """Return why hosts cannot be simulated on this machine; None if they can."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            return needs.lacking(program)
    made = _run("unshare", "--net", "ip", "link", "add", "type", "veth")
    if made.returncode == 0:
        return None
    return f"{needs.NOT_HERE}hosts need network namespaces and veth, as root: {made.stderr.strip()}"


class Hosts:
    """Running hosts: one process in the namespace of each host, and the switch."""

    def __init__(self, spaces: Sequence[int], switch: subprocess.Popen[bytes]) -> None:
        self._spaces, self._switch = spaces, switch

    def inside(self, host: int) -> list[str]:
        """Return the command prefix that runs a command on a host."""
        return _inside(self._spaces[host])

    def cut(self, *hosts: int) -> None:
        """Disconnect each of these hosts from all other hosts, and reconnect the hosts that are not listed."""
        assert self._switch.stdin is not None
        self._switch.stdin.write(" ".join(map(str, hosts)).encode() + b"\n")

    def cut_for(self, seconds: float, *hosts: int) -> None:
        self.cut(*hosts)
        time.sleep(seconds)
        self.cut()


def address(host: int) -> str:
    return f"10.77.0.{100 + host}"


@contextlib.contextmanager
def hosts(count: int, delay: float = 0.0, loss: float = 0.0) -> Iterator[Hosts]:
    """Yield running hosts; frames between hosts take `delay` seconds, and the share `loss` of them is lost."""
    with contextlib.ExitStack() as stack:
        *spaces, middle = [stack.enter_context(_held("unshare", "--net", "cat")).pid for _ in range(count + 1)]
        for host, space in enumerate(spaces):
            _join(host, space, middle)
        for space in spaces:
            _wait_for_link(space)
        words = [sys.executable, str(SWITCH), *map(str, (count, delay, loss, SEED))]
        yield Hosts(spaces, stack.enter_context(_held(*_inside(middle), *words)))


@contextlib.contextmanager
def _held(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that ends at the end of its input, and wait for its first output (`cat` echoes the newline)."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(b"\n")
            assert process.stdout.read(1), f"{command} has ended"
            yield process
        finally:
            process.kill()


def _run(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def _inside(space: int) -> list[str]:
    return ["nsenter", "--target", str(space), "--net"]


def _join(host: int, space: int, middle: int) -> None:
    """Connect a host to the switch by a virtual cable, on which frames are no longer than on a real cable."""
    lines = {
        middle: f"link add cable netns {space} gso_max_segs 1 type veth peer port{host}\nlink set port{host} up\n",
        space: f"address add {address(host)}/24 dev cable\nlink set lo up\nlink set cable up\n",
    }
    for each, text in lines.items():
        done = _run(*_inside(each), "ip", "-batch", "-", text=text)
        assert done.returncode == 0, done.stderr


def _wait_for_link(space: int) -> None:
    """Wait until the kernel reports that a host's link is up, which may take up to a second."""
    until = time.monotonic() + LINK_SECONDS
    while " state UP " not in (told := _run(*_inside(space), "ip", "link", "show", "cable").stdout):
        assert time.monotonic() < until, told
        time.sleep(0.05)

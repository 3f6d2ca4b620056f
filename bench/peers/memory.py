"""The most memory that a search and all processes it started have had at once.

    with Peak() as peak:  ->  a thread reads /proc every 50 ms, less often where that would cost over 2 %
        search()
    peak.bytes

Counted: the proportional set size (shared pages by the number of processes that share them) of this process and all its
descendants, resident memory where the system tells no other. A peak between two samples is missed.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from pathlib import Path

INTERVAL, SHARE = 0.05, 0.02  # seconds between samples; most of the time that sampling may take
PROC = Path("/proc")


def process_bytes(pid: int) -> int:
    """Return the memory of a process; 0 if it has ended."""
    for file, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = (PROC / str(pid) / file).read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
            children[int(stat.rpartition(")")[2].split()[1])].append(int(folder.name))
    found = [pid]
    for one in found:  # grows while it is read
        found.extend(children[one])
    return found


class Peak:
    """Samples from entering to leaving; `bytes` is the peak."""

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak", daemon=True)

    def __enter__(self) -> Peak:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def _sample(self) -> None:
        self.bytes = max(self.bytes, sum(map(process_bytes, family(os.getpid()))))

    def _watch(self) -> None:
        cost = 0.0
        while not self._ended.wait(max(INTERVAL, cost / SHARE)):
            start = time.perf_counter()
            self._sample()
            cost = time.perf_counter() - start

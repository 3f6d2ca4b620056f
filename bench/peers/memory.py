"""Measures the peak memory of a search and of all processes that it starts.

    with Peak() as peak:  ->  a thread samples every 50 ms, less often if that would take more than 2 % of the time
        search()
    peak.bytes

The memory is the proportional set size (shared pages are divided among the processes that share them) of this process
and all its descendants. A peak between two samples is missed.
"""

from __future__ import annotations

import threading
import time

import psutil

INTERVAL, SHARE = 0.05, 0.02  # seconds between samples, and the maximum share of the time for sampling


def process_bytes(process: psutil.Process) -> int:
    """Return the memory of a process; 0 if it has ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


class Peak:
    """A context that samples the memory until it is left; `bytes` is the peak."""

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
        own = psutil.Process()
        self.bytes = max(self.bytes, sum(map(process_bytes, [own, *own.children(recursive=True)])))

    def _watch(self) -> None:
        cost = 0.0
        while not self._ended.wait(max(INTERVAL, cost / SHARE)):
            start = time.perf_counter()
            self._sample()
            cost = time.perf_counter() - start

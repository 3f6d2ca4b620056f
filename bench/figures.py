"""Repeats and their figures, and other processes that keep the cores busy."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def shown(line: Mapping[str, float], form: str = ".3f") -> str:
    """Return minimum / median / maximum as text."""
    return " / ".join(format(line[name], form) for name in ("min", "median", "max"))


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Return the spread of the ratios of pairs."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def verdict(value: float, relation: str, required: float | None) -> str:
    """Return what is required, and whether the value is so; relation: ">=" or "<="."""
    if required is None:
        return "-"
    held = value >= required if relation == ">=" else value <= required
    return f"{relation} {required:g} {'yes' if held else 'NO'}"


def one_round(functions: Mapping[str, Callable[[], Any]], number: int) -> dict[str, Any]:
    """Call each once, in rounds of odd numbers backwards, so that none is always first; what they returned, by name."""
    return {name: functions[name]() for name in list(functions)[:: -1 if number % 2 else 1]}


def interleaved(functions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Call all functions in turn, so many rounds, each other one backwards; what they returned, by name."""
    results = [one_round(functions, number) for number in range(rounds)]
    return {name: [result[name] for result in results] for name in functions}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many other processes running, which do nothing but use a core, and end them."""
    script = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**5))"
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(count)]
    try:
        time.sleep(0.5)  # until all have started
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that one call took, and what it returned."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result

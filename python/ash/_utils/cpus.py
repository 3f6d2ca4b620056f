"""How many CPUs this process may use, why, and what ``threads`` means.

    allowed = min(CPUs of the affinity mask, ceil(quota) of every cgroup level, OMP_THREAD_LIMIT), at least 1

A quota of 1.5 CPUs allows two threads: one would leave half a CPU idle, and the kernel slows two down fairly. The
environment is read, never written, and no thread count of OpenMP is changed.
"""

import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ash._utils.cgroups import PROC, ROOT, cgroup_folders, read_text
from ash._utils.checks import is_integer
from ash.errors import SettingError

_USUAL_PERIOD = 100_000.0  # microseconds, where cpu.max names no period


@dataclass(frozen=True)
class CpuLimit:
    """A number of CPUs (or threads) and which limit decided it."""

    count: int
    reason: str


def allowed_cpus(affinity: int | None = None, proc: Path = PROC, root: Path = ROOT) -> CpuLimit:
    """Return how many CPUs this process may use and which limit decided.

    Parameters
    ----------
    affinity : int, optional
        CPUs of the affinity mask; asked from the system if None.
    proc, root : Path
        Where the kernel's files are; other places only in tests.

    Returns
    -------
    CpuLimit
        The smallest limit, at least 1. On a tie affinity is named, then the deepest cgroup.
    """
    count = _affinity() if affinity is None else affinity
    limits = [CpuLimit(max(1, count), f"affinity mask of {max(1, count)} CPUs")]
    for version, folder in cgroup_folders("cpu", proc, root):
        quota = _quota(version, folder)
        if quota is not None:
            limits.append(CpuLimit(max(1, math.ceil(quota)), f"cgroup quota of {quota:g} CPUs in {folder}"))
    return min(limits, key=lambda limit: limit.count)


def default_threads(limit: CpuLimit | None = None, environment: Mapping[str, str] | None = None) -> CpuLimit:
    """Return the number of threads used for ``threads=None``: OMP_NUM_THREADS if valid, never more than allowed."""
    environment = os.environ if environment is None else environment
    limit = _with_thread_limit(allowed_cpus() if limit is None else limit, environment)
    wanted = _positive(environment.get("OMP_NUM_THREADS", ""))
    if wanted is not None and wanted < limit.count:
        return CpuLimit(wanted, f"OMP_NUM_THREADS={environment['OMP_NUM_THREADS']}")
    return limit


def resolve_threads(
    threads: int | None, limit: CpuLimit | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Return the number of threads to use.

    Parameters
    ----------
    threads : int or None
        None: OMP_NUM_THREADS (of a list such as ``4,2`` the first) if it is a positive number, else all CPUs
        allowed. Negative as in joblib: -1 all allowed, -2 all but one, and so on down to 1.
    limit, environment
        What is allowed and the environment variables; asked from the system if None.

    Raises
    ------
    SettingError
        ``threads`` is 0 or not an integer.

    Warns
    -----
    UserWarning
        More than allowed was asked for; the number allowed is used.
    """
    environment = os.environ if environment is None else environment
    if threads is None:
        return default_threads(limit, environment).count
    if not is_integer(threads) or threads == 0:
        raise SettingError(
            f"threads={threads!r} is not allowed: give a positive number, None for all CPUs allowed, "
            "or -1 for all, -2 for all but one."
        )
    limit = _with_thread_limit(allowed_cpus() if limit is None else limit, environment)
    if threads < 0:
        return max(1, limit.count + 1 + int(threads))
    if threads > limit.count:
        text = f"threads={threads} is more than this process may use; {limit.count} used ({limit.reason})."
        warnings.warn(text, UserWarning, stacklevel=2)
    return min(int(threads), limit.count)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_thread_limit(limit: CpuLimit, environment: Mapping[str, str]) -> CpuLimit:
    """OpenMP never starts more threads than OMP_THREAD_LIMIT, so to ask for more would only mislead."""
    most = _positive(environment.get("OMP_THREAD_LIMIT", ""))
    return limit if most is None or most >= limit.count else CpuLimit(most, f"OMP_THREAD_LIMIT={most}")


def _positive(text: str) -> int | None:
    """Return the first number of an OpenMP list, or None where it is not a positive integer."""
    first = text.split(",")[0].strip()
    return int(first) if first.isascii() and first.isdecimal() and len(first) < 10 and int(first) > 0 else None


def _quota(version: int, folder: Path) -> float | None:
    """Return the CPUs that one level allows, None where it sets no (readable) limit."""
    if version == 2:
        words = read_text(folder / "cpu.max").split()
    else:
        words = [read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")]
    quota = _number(words[0]) if words else None
    period = _number(words[1]) if len(words) > 1 else _USUAL_PERIOD
    return quota / period if quota and period else None


def _number(word: str) -> float | None:
    """Return a positive number of microseconds; None for "max", -1, 0, nothing or what is no number."""
    return float(word) if word.isascii() and word.isdecimal() and int(word) > 0 else None

"""Finds the CPUs and memory that this process may use, from its affinity mask, control groups and environment.

    CPUs      min(affinity mask, ceil(quota) of every cgroup level, OMP_THREAD_LIMIT), at least 1
    memory    min(available memory, remaining memory of every cgroup level, RLIMIT_AS minus the address space in use)

A quota of 1.5 CPUs allows two threads. One thread would leave half a CPU idle, and the kernel throttles two threads
evenly. This module reads the environment. It changes neither the environment nor OpenMP's thread counts.

A limit of a control group (cgroup) applies to everything below it, so every level up to the mounted root counts:

    /proc/self/cgroup      0::/user/job          -> version 2, path /user/job
    /proc/self/mountinfo   ... / /sys/fs/cgroup ... - cgroup2 ...
    folders                /sys/fs/cgroup/user/job, /sys/fs/cgroup/user, /sys/fs/cgroup

Inside a container the mount often shows only a part of the hierarchy (field 4 of mountinfo). In this case the path is
taken relative to that part. A limit that is missing or cannot be read counts as no limit.

Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; proc(5), "/proc/pid/mountinfo".
"""

import math
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ash._utils.checks import is_integer
from ash._utils.user_warnings import warn_user
from ash.errors import SettingError

PROC = Path("/proc/self")
ROOT = Path("/sys/fs/cgroup")

_USUAL_PERIOD = 100_000.0  # microseconds, used if cpu.max names no period
_MEMORY_FILES = {2: ("memory.max", "memory.current"), 1: ("memory.limit_in_bytes", "memory.usage_in_bytes")}
_FILE_CACHE = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)  # counted as used, but reclaimable

STATES_SHARE = 0.5
"""The share of the remaining memory that the states of waiting candidates may take. The other half is for the core's
copy of the table, the scratch memory of the threads, the returned models and other programs. The limit is cautious:
states dropped because of it can be trained again, but if the system kills the process for its memory use, the run is
lost."""


@dataclass(frozen=True)
class CpuLimit:
    """A number of CPUs (or threads), and the limit that decided it."""

    count: int
    reason: str


def allowed_cpus(affinity: int | None = None, proc: Path = PROC, root: Path = ROOT) -> CpuLimit:
    """Return how many CPUs this process may use, at least 1, and which limit decided.

    If several limits are equally low, the affinity mask is reported if it is one of them, otherwise the deepest cgroup.
    `affinity` is the number of CPUs in the affinity mask; by default it is read from the system. In all
    functions of this module, `proc` and `root` are the folders of the kernel's files. Only tests pass these arguments.
    """
    count = affinity
    if count is None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [CpuLimit(max(1, count), f"affinity mask of {max(1, count)} CPUs")]
    for version, folder in cgroup_folders("cpu", proc, root):
        quota = _quota(version, folder)
        if quota is not None:
            limits.append(CpuLimit(max(1, math.ceil(quota)), f"cgroup quota of {quota:g} CPUs in {folder}"))
    return min(limits, key=lambda limit: limit.count)


def default_threads(limit: CpuLimit | None = None, environment: Mapping[str, str] | None = None) -> CpuLimit:
    """Return the thread count for ``n_jobs=None``: the number of allowed CPUs, or OMP_NUM_THREADS if it is less."""
    environment = os.environ if environment is None else environment
    limit = _with_thread_limit(allowed_cpus() if limit is None else limit, environment)
    wanted = _first_positive(environment.get("OMP_NUM_THREADS", ""))
    if wanted is not None and wanted < limit.count:
        return CpuLimit(wanted, f"OMP_NUM_THREADS={environment['OMP_NUM_THREADS']}")
    return limit


def threads_of(
    name: str,
    n_jobs: int | None,
    advice: str = "",
    limit: CpuLimit | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Return the number of threads for an argument `n_jobs`; it never exceeds OMP_NUM_THREADS.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    n_jobs : int or None
        The number of threads. None and -1: all allowed CPUs; -2: all but one, and so on; at least one is used. Within
        joblib or Dask, None and negative numbers refer to the calling thread's share of the CPUs.
    advice : str
        Text that is appended to the warning.
    limit, environment
        The number of CPUs allowed and the environment variables; by default those of the system.

    Raises
    ------
    SettingError
        `n_jobs` is 0 or not an integer.

    Warns
    -----
    UserWarning
        More threads than there are allowed CPUs were requested; the allowed number is used.
    """
    check_n_jobs(name, n_jobs)
    environment = os.environ if environment is None else environment
    limit = _with_thread_limit(allowed_cpus() if limit is None else limit, environment)
    most = default_threads(limit, environment).count
    if n_jobs is not None and n_jobs > limit.count:
        cpus = "1 CPU" if limit.count == 1 else f"{limit.count} CPUs"
        warn_user(
            f"{name}={n_jobs} exceeds the {cpus} available to this process ({limit.reason}); using {most}{advice}"
        )
    joblib = sys.modules.get("joblib")
    if joblib is not None and n_jobs is None and (configured := joblib.effective_n_jobs(None)) > 1:
        return min(int(configured), most)  # the number of `joblib.parallel_config`
    if joblib is not None and joblib.effective_n_jobs(2) == 1:
        return 1  # joblib runs the calling thread or process beside others
    if n_jobs is not None and n_jobs > 0:
        return min(int(n_jobs), most)
    return min(max(1, limit.count + 1 + int(n_jobs or -1)), _share(most))


def check_n_jobs(name: str, n_jobs: Any) -> None:
    """Raise SettingError unless the argument `n_jobs` is None or an integer other than 0."""
    if n_jobs is not None and (not is_integer(n_jobs) or n_jobs == 0):
        raise SettingError(
            f"{name} must be a positive integer, None or -1 for all allowed CPUs, or -2 for all but one, got {n_jobs!r}"
        )


def _share(threads: int) -> int:
    """Return the calling thread's share of `threads`, if joblib or Dask runs several threads in this process.

    joblib does not report how many threads it runs. By default it starts one thread per CPU, so 1 is returned within
    joblib.
    """
    parallel = sys.modules.get("joblib.parallel")
    if parallel is not None and threading.current_thread() is not threading.main_thread():
        backend, _ = parallel.get_active_backend()
        if backend.nesting_level:
            return 1
    distributed = sys.modules.get("distributed.worker")
    try:
        return threads if distributed is None else max(1, threads // int(distributed.get_worker().state.nthreads))
    except ValueError:  # this thread runs no Dask task
        return threads


def _with_thread_limit(limit: CpuLimit, environment: Mapping[str, str]) -> CpuLimit:
    """Return the limit lowered to OMP_THREAD_LIMIT, since OpenMP never starts more threads."""
    most = _first_positive(environment.get("OMP_THREAD_LIMIT", ""))
    return limit if most is None or most >= limit.count else CpuLimit(most, f"OMP_THREAD_LIMIT={most}")


def _first_positive(text: str) -> int | None:
    """Return the first entry of an OpenMP list such as "4,2", or None if that entry is not a positive integer."""
    first = text.split(",")[0].strip()
    return int(first) if first.isascii() and first.isdecimal() and len(first) < 10 and int(first) > 0 else None


def _quota(version: int, folder: Path) -> float | None:
    """Return the number of CPUs that one cgroup level allows, or None if it sets no readable limit."""
    if version == 2:
        words = read_text(folder / "cpu.max").split()
    else:
        words = [read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")]
    quota = _microseconds(words[0]) if words else None
    period = _microseconds(words[1]) if len(words) > 1 else _USUAL_PERIOD
    return quota / period if quota and period else None


def _microseconds(word: str) -> float | None:
    """Return a positive number of microseconds, or None for any other text ("max", -1, 0, empty)."""
    return float(word) if word.isascii() and word.isdecimal() and int(word) > 0 else None


def available_bytes(meminfo: Path = Path("/proc/meminfo"), proc: Path = PROC, root: Path = ROOT) -> int | None:
    """Return the bytes that can still be allocated; None if unknown."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", read_text(meminfo), re.MULTILINE)
    left = [int(found[1]) * 1024] if found else []
    for version, folder in cgroup_folders("memory", proc, root):
        most, used = (read_text(folder / name) for name in _MEMORY_FILES[version])
        if most.isdecimal() and used.isdecimal():
            cached = max(map(int, _FILE_CACHE.findall(read_text(folder / "memory.stat"))), default=0)
            left.append(max(0, int(most) - int(used) + cached))
    return min([*left, *_address_space(proc)], default=None)


def _address_space(proc: Path) -> list[int]:
    """Return the bytes that RLIMIT_AS leaves, as a list that is empty if there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    most, pages = resource.getrlimit(resource.RLIMIT_AS)[0], read_text(proc / "statm").split()
    if most == resource.RLIM_INFINITY or not pages:
        return []
    return [max(0, most - int(pages[0]) * resource.getpagesize())]


def check_room(name: str, count: int, each: int, advice: str) -> None:
    """Raise SettingError, with an estimate, if `count` items of at least `each` bytes cannot fit into memory."""
    left = available_bytes()
    needed = count * each
    if left is not None and needed > left:
        raise SettingError(
            f"{name}={count} needs at least {needed / 2**30:.3g} GiB of memory, but only {left / 2**30:.3g} GiB are "
            f"left: {advice}"
        )


def default_limit() -> int | None:
    """Return the bytes that the states of waiting candidates may take; None if unknown."""
    left = available_bytes()
    return None if left is None else max(1, int(left * STATES_SHARE))


class Mount(NamedTuple):
    """A mounted cgroup hierarchy: its version, its visible part and its mount point."""

    version: int
    visible: PurePosixPath
    point: Path


def read_text(path: Path) -> str:
    """Return the stripped text of a kernel file; empty if the file is missing, unreadable or not text."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def cgroup_folders(controller: str, proc: Path = PROC, root: Path = ROOT) -> list[tuple[int, Path]]:
    """Return (version, folder) for each existing cgroup level that may limit this process, the deepest first.

    `controller` is "cpu" or "memory"; in version 1 each controller has its own hierarchy.
    """
    mounts = _mounts(controller, proc) or _usual_mounts(controller, root)
    folders: list[tuple[int, Path]] = []
    for line in read_text(proc / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 2 if not controllers else 1
        if version == 2 or controller in controllers.split(","):
            folders += [
                (version, folder)
                for mount in mounts
                if mount.version == version
                for folder in _levels(mount, PurePosixPath(path))
                if (version, folder) not in folders
            ]
    return folders


def _levels(mount: Mount, path: PurePosixPath) -> list[Path]:
    """Return all existing folders from the path up to the mount point, or the mount point if the path is invisible."""
    inside = path.relative_to(mount.visible) if path.is_relative_to(mount.visible) else path.relative_to(path.anchor)
    if ".." in inside.parts:  # the process is outside the visible part of the hierarchy
        inside = PurePosixPath()
    folders = [mount.point / level for level in (inside, *inside.parents)]
    return [folder for folder in folders if folder.is_dir()]


@cache
def _mounts(controller: str, proc: Path) -> list[Mount]:
    """Return the hierarchies in mountinfo.

    Its lines have the form ``id parent dev visible point options [fields] - type source options``.
    """
    mounts = []
    for line in read_text(proc / "mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        point = Path(fields[4].replace("\\040", " "))
        visible = PurePosixPath(fields[3].replace("\\040", " "))
        if kind[0] == "cgroup2":
            mounts.append(Mount(2, visible, point))
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            mounts.append(Mount(1, visible, point))
    return mounts


def _usual_mounts(controller: str, root: Path) -> list[Mount]:
    """Return the usual mount points of Linux distributions, for a system without mountinfo."""
    top = PurePosixPath("/")
    version1 = [Mount(1, top, folder) for folder in sorted(root.glob("*")) if controller in folder.name.split(",")]
    return [Mount(2, top, root), Mount(2, top, root / "unified"), *version1]

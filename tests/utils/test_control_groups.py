"""F84 in control groups that the kernel itself has made: a quota of a level above counts, in both versions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import needs
from ash._utils.machine import cgroup_folders
from fault_help import python

ALLOWED = """
import os, sys
with open(sys.argv[1], "w") as members:
    members.write(str(os.getpid()))
from ash._utils.machine import allowed_cpus
limit = allowed_cpus()
import numpy as np, ash
x = np.random.default_rng(0).normal(size=(100, 3))
result = ash.tune(x, (x[:, 0] > 0).astype(int), candidates=8, progress=False)
print(limit.count, result.threads, len({job.thread for job in result.jobs}), limit.reason)
"""


@contextmanager
def group(within: Path) -> Iterator[Path]:
    """A group that is gone in the end."""
    folder = within / f"ash-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        folder.rmdir()


def hierarchy(version: int) -> Path:
    """The folder in which groups with quotas can be made, or skip."""
    for found, folder in reversed(cgroup_folders("cpu")):
        controllers = folder / "cgroup.subtree_control"
        if (
            found == version
            and os.access(folder, os.W_OK)
            and (version == 1 or "cpu" in controllers.read_text().split())
        ):
            return folder
    needs.not_here(f"no control groups of version {version} with quotas that this user may make")


@pytest.mark.parametrize("version", [1, 2], ids=lambda version: f"F84-version-{version}")
def test_a_quota_of_the_kernel_two_levels_up(version: int) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        needs.not_here("one CPU only")
    with group(hierarchy(version)) as outer, group(outer) as inner:
        if version == 1:
            (outer / "cpu.cfs_quota_us").write_text("50000")
        else:
            (outer / "cpu.max").write_text("50000 100000")
        done = python(ALLOWED, str(inner / "cgroup.procs"), OMP_NUM_THREADS="")
        assert done.returncode == 0, done.stderr
        count, threads, used, reason = done.stdout.strip().split(" ", 3)
        assert (count, threads, used) == ("1", "1", "1")
        assert reason == f"cgroup quota of 0.5 CPUs in {outer}"

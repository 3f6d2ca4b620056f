"""Tests the number of allowed CPUs: affinity, both cgroup versions (simulated and in the kernel), OpenMP."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import needs
from ash._utils.machine import CpuLimit, allowed_cpus, available_bytes, cgroup_folders, default_threads, threads_of
from ash.errors import SettingError
from fault_help import python

EIGHT = CpuLimit(8, "affinity mask of 8 CPUs")


class Machine:
    """A copy of the kernel's files in a folder: /proc/self and the mounted cgroup hierarchies."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.root = folder / "cgroup"
        self.proc.mkdir()
        self.root.mkdir()

    def belongs_to(self, *lines: str) -> None:
        (self.proc / "cgroup").write_text("\n".join(lines) + "\n")

    def mounts(self, *lines: str) -> None:
        (self.proc / "mountinfo").write_text("\n".join(lines) + "\n")

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def allowed(self, affinity: int = 8) -> CpuLimit:
        return allowed_cpus(affinity, self.proc, self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_affinity_is_the_only_limit_without_cgroups(machine: Machine) -> None:
    assert machine.allowed(3) == CpuLimit(3, "affinity mask of 3 CPUs")


def test_affinity_is_read_from_the_system(machine: Machine) -> None:
    assert allowed_cpus(proc=machine.proc, root=machine.root).count == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("150000 100000", 2),
        ("100000 100000", 1),
        ("1000 100000", 1),
        ("400001 100000", 5),
        ("250000", 3),
        ("max 100000", 8),
        ("", 8),
        ("nonsense 100000", 8),
        ("-1 100000", 8),
        ("0 100000", 8),
        ("100000 0", 8),
        ("1600000 100000", 8),
    ],
)
def test_f84_version_2_quota_is_rounded_up(machine: Machine, text: str, count: int) -> None:
    machine.belongs_to("0::/job")
    machine.write("job/cpu.max", text)
    assert machine.allowed().count == count


def test_the_lowest_quota_of_all_levels_counts_and_is_named(machine: Machine) -> None:
    machine.belongs_to("0::/user/session/job")
    machine.write("user/session/job/cpu.max", "max 100000")
    machine.write("user/session/cpu.max", "600000 100000")
    machine.write("user/cpu.max", "250000 100000")
    machine.write("cpu.max", "700000 100000")
    assert machine.allowed() == CpuLimit(3, f"cgroup quota of 2.5 CPUs in {machine.root / 'user'}")


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_quotas_of_version_1_are_read(machine: Machine, controllers: str) -> None:
    machine.belongs_to("5:memory:/elsewhere", f"4:{controllers}:/docker/abc", "0::/")
    machine.write(f"{controllers}/docker/abc/cpu.cfs_quota_us", "-1")
    machine.write(f"{controllers}/docker/abc/cpu.cfs_period_us", "100000")
    machine.write(f"{controllers}/docker/cpu.cfs_quota_us", "120000")
    machine.write(f"{controllers}/docker/cpu.cfs_period_us", "50000")
    machine.write("memory/elsewhere/cpu.cfs_quota_us", "1000")
    machine.write("memory/elsewhere/cpu.cfs_period_us", "100000")
    assert machine.allowed().count == 3


def test_a_version_1_quota_without_a_period_is_ignored(machine: Machine) -> None:
    machine.belongs_to("4:cpu:/")
    machine.write("cpu/cpu.cfs_quota_us", "100000")
    assert machine.allowed().count == 8


def test_quotas_of_both_versions_are_combined(machine: Machine) -> None:
    machine.belongs_to("4:cpu:/a", "0::/b")
    machine.write("cpu/a/cpu.cfs_quota_us", "500000")
    machine.write("cpu/a/cpu.cfs_period_us", "100000")
    machine.write("unified/b/cpu.max", "400000 100000")
    assert machine.allowed().count == 4


def test_a_path_outside_of_the_mount_is_read_at_the_mount(machine: Machine) -> None:
    machine.belongs_to("0::/../../host/job")
    machine.write("cpu.max", "200000 100000")
    assert machine.allowed().count == 2


def test_mountinfo_determines_which_part_is_visible(machine: Machine, tmp_path: Path) -> None:
    point = tmp_path / "other place"
    machine.belongs_to("0::/docker/abc/inner")
    machine.mounts(
        "not a line of mountinfo",
        "29 1 0:5 / /proc rw - proc proc rw",
        f"30 29 0:26 /docker/abc {str(point).replace(' ', chr(92) + '040')} ro,nosuid shared:4 - cgroup2 cgroup2 rw",
    )
    (point / "inner").mkdir(parents=True)
    (point / "inner" / "cpu.max").write_text("300000 100000")
    assert machine.allowed() == CpuLimit(3, f"cgroup quota of 3 CPUs in {point / 'inner'}")


def test_mountinfo_of_version_1_needs_the_controller(machine: Machine, tmp_path: Path) -> None:
    machine.belongs_to("4:cpu,cpuacct:/", "3:memory:/")
    for name, quota in (("one", "200000"), ("two", "100000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cpu.cfs_quota_us").write_text(quota)
        (tmp_path / name / "cpu.cfs_period_us").write_text("100000")
    machine.mounts(
        f"30 29 0:26 / {tmp_path / 'one'} rw - cgroup cgroup rw,cpu,cpuacct",
        f"31 29 0:27 / {tmp_path / 'two'} rw - cgroup cgroup rw,memory",
    )
    assert machine.allowed().count == 2


def test_unreadable_cgroup_files_are_ignored(machine: Machine) -> None:
    machine.belongs_to("0::/job")
    (machine.root / "job" / "cpu.max").mkdir(parents=True)  # a folder cannot be read as a file, even by root
    machine.write("cpu.max", "500000 100000").write_bytes(b"\xff\xfe\x00")
    assert machine.allowed().count == 8


def test_malformed_cgroup_lines_are_ignored(machine: Machine) -> None:
    machine.belongs_to("", "garbage", "1:2", "::", "0::")
    machine.write("cpu.max", "500000 100000")
    assert machine.allowed().count == 5


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 8),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": " 3 "}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": "0"}, 8),
        ({"OMP_NUM_THREADS": "abc"}, 8),
        ({"OMP_NUM_THREADS": "-2"}, 8),
        ({"OMP_NUM_THREADS": ""}, 8),
        ({"OMP_NUM_THREADS": "99999999999999999999"}, 8),
        ({"OMP_NUM_THREADS": "64"}, 8),
        ({"OMP_THREAD_LIMIT": "1"}, 1),
        ({"OMP_THREAD_LIMIT": "2", "OMP_NUM_THREADS": "6"}, 2),
        ({"OMP_THREAD_LIMIT": "none"}, 8),
    ],
)
def test_threads_none_follows_openmp(environment: dict[str, str], count: int) -> None:
    assert threads_of("n_jobs", None, limit=EIGHT, environment=environment) == count


def test_the_reason_names_the_environment_variable() -> None:
    assert default_threads(EIGHT, {"OMP_NUM_THREADS": "4,2"}).reason == "OMP_NUM_THREADS=4,2"
    assert default_threads(EIGHT, {"OMP_THREAD_LIMIT": "1"}).reason == "OMP_THREAD_LIMIT=1"
    assert default_threads(EIGHT, {}) == EIGHT


@pytest.mark.parametrize(("threads", "count"), [(1, 1), (8, 8), (-1, 8), (-2, 7), (-8, 1), (-100, 1)])
def test_negative_numbers_are_interpreted_as_in_joblib(threads: int, count: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert threads_of("n_jobs", threads, limit=EIGHT, environment={}) == count
        least = min(count, 2)
        assert threads_of("n_jobs", threads, limit=EIGHT, environment={"OMP_NUM_THREADS": "2"}) == least


def test_too_many_threads_are_capped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"n_jobs=9 .*\(affinity mask of 8 CPUs\); using 8"):
        assert threads_of("n_jobs", 9, limit=EIGHT, environment={}) == 8
    with pytest.warns(UserWarning, match="OMP_THREAD_LIMIT=1"):
        assert threads_of("n_jobs", 2, limit=EIGHT, environment={"OMP_THREAD_LIMIT": "1"}) == 1


@pytest.mark.parametrize("threads", [0, 1.0, "2", True, (1,), float("nan")])
def test_invalid_numbers_of_threads_are_refused(threads: object) -> None:
    with pytest.raises(SettingError, match="n_jobs must be a positive integer"):
        threads_of("n_jobs", threads, limit=EIGHT, environment={})  # type: ignore[arg-type]


def test_available_memory_is_the_smallest_of_machine_and_cgroups(machine: Machine, tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert available_bytes(meminfo, machine.proc, machine.root) is None
    meminfo.write_text("MemTotal:       99 kB\nMemAvailable:   64 kB\n")
    assert available_bytes(meminfo, machine.proc, machine.root) == 65_536
    machine.belongs_to("0::/job")
    machine.write("job/memory.max", "50000\n")
    machine.write("job/memory.current", "30000\n")
    machine.write("memory.max", "max\n")
    assert available_bytes(meminfo, machine.proc, machine.root) == 20_000
    machine.write("job/memory.stat", "anon 1\ninactive_file 5000\n")
    assert available_bytes(meminfo, machine.proc, machine.root) == 25_000


def test_available_memory_is_limited_by_the_address_space(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    page, unlimited = resource.getpagesize(), resource.RLIM_INFINITY
    limits = {resource.RLIMIT_AS: (10 * page, unlimited)}
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    paths = tmp_path / "meminfo", machine.proc, machine.root
    assert available_bytes(*paths) is None  # the system does not say how much is in use
    (machine.proc / "statm").write_text("4 3 2 1 0 2 0\n")
    assert available_bytes(*paths) == 6 * page
    (machine.proc / "statm").write_text("11 3 2 1 0 2 0\n")
    assert available_bytes(*paths) == 0
    paths[0].write_text("MemAvailable:   1 kB\n")
    (machine.proc / "statm").write_text("1 1 1 1 0 1 0\n")
    assert available_bytes(*paths) == 1024
    limits[resource.RLIMIT_AS] = (unlimited, unlimited)
    assert available_bytes(*paths) == 1024


ALLOWED = """
import os, sys
with open(sys.argv[1], "w") as members:
    members.write(str(os.getpid()))
from ash._utils.machine import allowed_cpus
limit = allowed_cpus()
import numpy as np, ash
x = np.random.default_rng(0).normal(size=(100, 3))
result = ash.tune(x, (x[:, 0] > 0).astype(int), candidates=8, validation=0.2, verbose=0)
print(limit.count, result.threads, len({job.thread for job in result.jobs}), limit.reason)
"""


@contextmanager
def group(within: Path) -> Iterator[Path]:
    folder = within / f"ash-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        folder.rmdir()


def hierarchy(version: int) -> Path:
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
def test_a_quota_two_levels_up_is_respected_by_the_kernel(version: int) -> None:
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


RUN = """
import sys, warnings
import numpy as np
import ash
x = np.random.default_rng(0).normal(size=(100, 3))
y = (x[:, 0] > 0).astype(int)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    result = ash.tune(x, y, candidates=8, validation=0.2, verbose=0, n_jobs=eval(sys.argv[1]))
print(result.threads, len({job.thread for job in result.jobs}))
"""


@pytest.mark.parametrize(
    ("environment", "threads", "most"),
    [
        pytest.param({"OMP_NUM_THREADS": "1"}, 2, 2, id="F83-argument-wins"),
        pytest.param({"OMP_NUM_THREADS": "abc"}, None, None, id="F83-text"),
        pytest.param({"OMP_NUM_THREADS": "1,2"}, None, 1, id="F83-list"),
        pytest.param({"OMP_DYNAMIC": "true"}, None, None, id="F83-dynamic"),
        pytest.param({"OMP_PROC_BIND": "close"}, None, None, id="F83-bound"),
        pytest.param({"OMP_THREAD_LIMIT": "1"}, 2, 1, id="F83-limit"),
    ],
)
def test_openmp_variables_are_respected(environment: dict[str, str], threads: int | None, most: int | None) -> None:
    done = python(RUN, repr(threads), **environment)
    assert done.returncode == 0, done.stderr
    resolved, used = map(int, done.stdout.split())
    assert 1 <= used <= resolved <= min(most or 10**6, len(os.sched_getaffinity(0)))


def test_f84_one_processor_gives_one_thread() -> None:
    pin = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    done = python(pin + RUN, "None", OMP_NUM_THREADS="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1"]

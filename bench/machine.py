"""The machine in words: what a figure is worth nothing without."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ash import _core
from ash.cpus import allowed_cpus

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ("CMakeLists.txt", "cmake", "cpp", "python", ":!*.md")  # what a fit of ours depends on
CODE = (".", ":!bench/results", ":!bench/plots", ":!bench/REPORT.md", ":!README.md")  # what figures depend on


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def commit() -> str:
    """Return the commit of this working tree, with a + where it has changes other than figures."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        state = subprocess.run([*git, "status", "--porcelain", "--", *CODE], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")


def package_commit() -> str:
    """Return the last commit that changed the package itself, with a + where it has changes since."""
    git = ["git", "-C", str(ROOT)]
    try:
        told = [
            subprocess.run([*git, *words, "--", *PACKAGE], capture_output=True, text=True, check=True).stdout.strip()
            for words in (["log", "-1", "--format=%h"], ["status", "--porcelain"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told[0] + ("+" if told[1] else "")


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Return what a figure depends on besides its code: the processor, and versions of packages."""
    found = {"processor": processor()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return machine, processors, build and versions: what a figure is worth nothing without."""
    facts = {
        "processor": processor(),
        "processors": f"{len(os.sched_getaffinity(0))} allowed of {os.cpu_count()}",
        "system": f"{platform.system()} {platform.release()}",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
    }
    facts.update({f"core {name}": value for name, value in _core.build_info().items()})
    for package in ("numpy", *packages):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def show(facts: Mapping[str, str]) -> None:
    """Print the facts, one a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
    print()


def cpus() -> int:
    """Return how many CPUs this process may use, as ash counts them."""
    return allowed_cpus().count

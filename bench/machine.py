"""Stamps that say what a figure was measured on: machine, build, packages, commit, and the code that it depends on.

Its `trees` are git's hashes of the folders and files that were measured, with a + if the working tree had uncommitted
changes. A figure is stale once one of them has changed.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from ash import _core
from ash._utils.machine import allowed_cpus

ROOT = Path(__file__).resolve().parent.parent
CORE = ("cpp/ash", "python/ash")  # what most benches measure
COMPARED = ("machine", "trees", "packages")  # must be equal for a case on record to be valid
Stamp = Mapping[str, Any]


def git(*words: str) -> str | None:
    """Return what git prints; None if it fails, as outside of a clone."""
    try:
        found = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def cpus() -> int:
    """Return how many CPUs this process may use, as ash counts them."""
    return allowed_cpus().count


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of packages by their names in the index."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@cache
def _tree(path: str) -> str | None:
    """Return the hash of a folder or file at HEAD, with a + if it has uncommitted changes."""
    found = git("rev-parse", f"HEAD:{path}")
    return None if found is None else found + ("+" if git("status", "--porcelain", "--", path) else "")


@cache
def stamp(measures: tuple[str, ...], packages: tuple[str, ...]) -> dict[str, Any]:
    """Return what a case measured now depends on, and commit, date and load."""
    build = _core.build_info()
    return {
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "machine": {
            "processor": processor(),
            "cpus": f"{cpus()} of {os.cpu_count()}",
            **{name: build[name] for name in ("compiler", "flags", "instruction_set")},
        },
        "packages": {"python": platform.python_version(), **versions(("numpy", *packages))},
        "trees": {path: _tree(path) for path in measures},
    }


def check_build() -> None:
    """End unless the ash that is imported was built from the code of this checkout's commit."""
    built = _core.build_info()["commit"]
    if git("cat-file", "-e", f"{built}^{{commit}}") is None:
        return  # no clone, or one that is too shallow to tell
    if git("diff", "--quiet", built, "HEAD", "--", *CORE) is None:
        raise SystemExit(
            f"the ash that is installed was built from commit {built[:12]}, and its code has changed since: "
            "install it again (pip install .), or add --quick to try a bench"
        )


class Age(NamedTuple):
    """The age of the code that a figure measures."""

    changed: tuple[str, ...]  # folders and files that have changed
    commits: int | None  # that touched them since; None if the clone does not know the commit
    days: int


def age(found: Stamp) -> Age | None:
    """Return how old the measured code is; None if it has not changed, or outside of a clone."""
    now = git("log", "-1", "--format=%cI")
    changed = tuple(path for path, tree in found["trees"].items() if git("rev-parse", f"HEAD:{path}") != tree)
    if now is None or not changed:
        return None
    count = git("rev-list", "--count", f"{found['commit']}..HEAD", "--", *changed) if found["commit"] else None
    days = (datetime.fromisoformat(now) - datetime.fromisoformat(found["date"])).days
    return Age(changed, None if count is None else int(count), max(days, 0))

"""Stamps of figures: the machine, build, packages, commit and code with which a figure was measured.

`trees` has git's hashes of the measured folders and files, with a + if the working tree had uncommitted changes. A
figure is outdated once one of these hashes has changed.
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
CORE = ("cpp/ash", "python/ash")  # the code that most benches measure
COMPARED = ("machine", "trees", "packages")  # parts of a stamp that must be equal for a recorded case to be valid
Stamp = Mapping[str, Any]


def git(*words: str) -> str | None:
    """Run git and return its output; None if it fails, for example outside of a clone."""
    try:
        found = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def processor() -> str:
    """Return the processor's name as reported by the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def cpus() -> int:
    """Return the number of CPUs that this process may use, as ash counts them."""
    return allowed_cpus().count


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of packages by their names in the package index."""
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
    """Return the stamp of a case measured now: all that its figures depend on, and the commit, date and load."""
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
    """End the bench unless the imported ash was built from the code of this checkout's commit."""
    built = _core.build_info()["commit"]
    if git("cat-file", "-e", f"{built}^{{commit}}") is None:
        return  # cannot be checked: this is not a clone, or the clone is too shallow
    if git("diff", "--quiet", built, "HEAD", "--", *CORE) is None:
        raise SystemExit(
            f"the ash that is installed was built from commit {built[:12]}, and its code has changed since: "
            "install it again (pip install .), or add --quick to try a bench"
        )


class Age(NamedTuple):
    """How much the measured code of a figure has changed since the measurement."""

    changed: tuple[str, ...]  # folders and files that have changed since the measurement
    commits: int | None  # number of commits that changed them; None if the clone lacks the measured commit
    days: int


def age(found: Stamp) -> Age | None:
    """Return the age of the measured code; None if the code has not changed, or outside of a clone."""
    now = git("log", "-1", "--format=%cI")
    changed = tuple(path for path, tree in found["trees"].items() if git("rev-parse", f"HEAD:{path}") != tree)
    if now is None or not changed:
        return None
    count = git("rev-list", "--count", f"{found['commit']}..HEAD", "--", *changed) if found["commit"] else None
    days = (datetime.fromisoformat(now) - datetime.fromisoformat(found["date"])).days
    return Age(changed, None if count is None else int(count), max(days, 0))

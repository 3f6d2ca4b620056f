"""The control groups (cgroups) that this process lives in: the folders whose limits hold for it.

    /proc/self/cgroup      0::/user/job          -> version 2, path /user/job
    /proc/self/mountinfo   ... / /sys/fs/cgroup ... - cgroup2 ...
    folders                /sys/fs/cgroup/user/job, /sys/fs/cgroup/user, /sys/fs/cgroup

A limit holds for everything below it, so every level up to the mounted root counts, not the root or the leaf
alone. Inside a container the mount often shows only a part of the hierarchy (field 4 of mountinfo); the path is then
taken relative to that part. Whatever is missing or unreadable is left out: a limit that cannot be read is no limit.

Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; proc(5), "/proc/pid/mountinfo".
"""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

PROC = Path("/proc/self")
ROOT = Path("/sys/fs/cgroup")


class Mount(NamedTuple):
    """A mounted hierarchy: the part of it that is visible, and where."""

    version: int
    visible: PurePosixPath
    point: Path


def read_text(path: Path) -> str:
    """Return the text of a file of the kernel, stripped; empty where it is missing, unreadable or no text."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def cgroup_folders(controller: str, proc: Path = PROC, root: Path = ROOT) -> list[tuple[int, Path]]:
    """Return (version, folder) for each existing level that may limit this process, the deepest first.

    Parameters
    ----------
    controller : str
        ``"cpu"`` or ``"memory"``; version 1 has a hierarchy for each.
    proc, root : Path
        Where the kernel's files are; other places only in tests.
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
    """Return all existing folders from the path up to the mount point; that one alone if the path is not visible."""
    inside = path.relative_to(mount.visible) if path.is_relative_to(mount.visible) else path.relative_to(path.anchor)
    if ".." in inside.parts:  # the process sits outside of what its cgroup namespace shows
        inside = PurePosixPath()
    folders = [mount.point / level for level in (inside, *inside.parents)]
    return [folder for folder in folders if folder.is_dir()]


def _mounts(controller: str, proc: Path) -> list[Mount]:
    """Read the hierarchies from mountinfo: ``id parent dev visible point options [fields] - type source options``."""
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
    """Return the places that distributions agree on, for a system without mountinfo."""
    top = PurePosixPath("/")
    version1 = [Mount(1, top, folder) for folder in sorted(root.glob("*")) if controller in folder.name.split(",")]
    return [Mount(2, top, root), Mount(2, top, root / "unified"), *version1]

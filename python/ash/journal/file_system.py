"""Which file system a path lies on, as far as a journal has to care.

The write-ahead log of SQLite is shared memory between processes, which a file system of the network does not give
(sqlite.org/wal.html); and its locks are not to be trusted there.
"""

import os
import re
import warnings
from pathlib import Path

NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|glusterfs|lustre|beegfs|ncpfs|fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs)"
)
"""Names of file systems over a network, whole."""
MOUNTS = Path("/proc/self/mountinfo")


def log_works(path: Path) -> bool:
    """Return whether a write-ahead log can be used beside a path; warn where it cannot."""
    found = file_system(path)
    if found is None or not NETWORK.fullmatch(found):
        return True
    text = f"{path} lies on a file system of the network ({found}), whose locks may fail; a local disk is safer"
    warnings.warn(text, UserWarning, stacklevel=2)
    return False


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the file system that a path lies on, as Linux calls it; None where it does not say.

    Parameters
    ----------
    mounts : str, optional
        The text of /proc/self/mountinfo (proc(5)), by default as it is.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(errors="surrogateescape")
        except OSError:
            return None
    folder = os.path.realpath(path.parent)
    best, kind = "", None
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        fields = head.split(" ")
        if len(fields) < 5 or not tail:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of several on one point, the last
            best, kind = point, tail.split(" ", 1)[0]
    return kind

"""How much memory this process may still take: what the machine has left, and what every cgroup level leaves.

The states of waiting candidates may take half of it unless the user says otherwise.
"""

import re
from pathlib import Path

from ash._utils.cgroups import PROC, ROOT, cgroup_folders, read_text

_FILES = {2: ("memory.max", "memory.current"), 1: ("memory.limit_in_bytes", "memory.usage_in_bytes")}
_CACHE = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)  # counted as used, but given back when needed

STATES_SHARE = 0.5
"""Of what is left, for waiting candidates: the other half is for the core's copy of the table, the scratch of the
threads, the returned models and whatever else starts meanwhile, as beyond the limit states can be trained again,
but a process that the system kills for its memory cannot."""


def available_bytes(meminfo: Path = Path("/proc/meminfo"), proc: Path = PROC, root: Path = ROOT) -> int | None:
    """Return the bytes that may still be taken, None where the system does not say.

    Parameters
    ----------
    meminfo, proc, root : Path
        Where the kernel's files are; other places only in tests.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", read_text(meminfo), re.MULTILINE)
    left = [int(found[1]) * 1024] if found else []
    for version, folder in cgroup_folders("memory", proc, root):
        most, used = (read_text(folder / name) for name in _FILES[version])
        if most.isdecimal() and used.isdecimal():
            cached = max(map(int, _CACHE.findall(read_text(folder / "memory.stat"))), default=0)
            left.append(max(0, int(most) - int(used) + cached))
    return min(left, default=None)


def default_limit() -> int | None:
    """Return the bytes that the states of waiting candidates may take, None where the system does not say."""
    left = available_bytes()
    return None if left is None else max(1, int(left * STATES_SHARE))

"""A lock that lets only one process at a time write a journal; the system releases it when the holding process dies.

The lock is a POSIX lock on a separate file next to the journal. The file is never deleted, and contains the holder's
process id and host. SQLite's own locks are not enough, since they are held only during a transaction. POSIX locks
belong to a process and are released when *any* handle of the file is closed. Therefore the table `_held` lists the
paths that this process has locked, and those files are not opened a second time. A forked child does not inherit the
lock. So a journal is free once its process was killed, even if a child lives on that a C library has forked. With
flock, which the package `filelock` uses, such a child would hold the lock.
"""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

from ash.errors import JournalError, JournalLockedError, JournalUnwritableError

try:
    import fcntl
except ModuleNotFoundError as error:  # on Windows
    raise JournalError("a journal needs POSIX file locks, and this system has none: run without a journal") from error

LOOKS, LOOK_SECONDS = 4, 0.05
"""Number of retries for a held lock, and seconds between them; `holder` in another process may hold a lock briefly."""
_held: dict[str, int] = {}
"""The process id that holds each lock, by the lock's real path; a forked child sees its parent's entries."""
_guard = threading.Lock()  # guards `_held`


class Lock:
    """The lock of `journal`, held from construction until `release`; its file is created if it does not exist.

    Raises
    ------
    JournalLockedError
        Another process, or another run in this process, holds the lock.
    JournalUnwritableError
        The lock file cannot be created or locked.
    """

    def __init__(self, path: Path, journal: Path) -> None:
        self._name = os.path.realpath(path)
        with _guard:
            if _held.get(self._name) == os.getpid():
                raise JournalLockedError(
                    f"{journal} is in use by another run of this process, {os.getpid()}: give this run another journal"
                )
            self._handle = _locked(path, journal)
            _held[self._name] = os.getpid()

    def release(self) -> None:
        """Release the lock if this process holds it."""
        with _guard:
            if _held.get(self._name) == os.getpid():
                del _held[self._name]
                os.close(self._handle)


def holder(path: Path) -> str | None:
    """Return the holder of a lock, for example "process 7 on host", or None if the lock is free."""
    with _guard:
        if _held.get(os.path.realpath(path)) == os.getpid():
            return f"process {os.getpid()}, this one"  # do not open the file: closing it would release the lock
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _named(handle)
    finally:
        os.close(handle)
    return None


def _locked(path: Path, journal: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnwritableError(f"{journal} cannot be locked: {path.name}: {error.strerror}") from error
    try:
        _take(handle)
    except BlockingIOError as error:
        name = _named(handle)
        os.close(handle)
        raise JournalLockedError(
            f"{journal} is in use by {name}: wait for it, or give this run another journal"
        ) from error
    except OSError as error:
        os.close(handle)
        raise JournalUnwritableError(f"{journal} cannot be locked: {path.name}: {error.strerror}") from error
    with contextlib.suppress(OSError):  # if the disk is full, the lock is held without its holder's name
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    return handle


def _take(handle: int) -> None:
    """Take the lock; retry a few times, since another process may hold it briefly in `holder`."""
    for _ in range(LOOKS):
        with contextlib.suppress(BlockingIOError):
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOOK_SECONDS)
    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _named(handle: int) -> str:
    text = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = os.pread(handle, 200, 0).decode()
    return text if text.isprintable() and text else "another process"

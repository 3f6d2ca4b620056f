"""One process at a time writes a journal: a lock that the system lets go of when its holder dies, however it does.

A POSIX lock on a file of its own beside the journal, which is never deleted; in it stand the holder's process id and
host, for others to read. A lock of SQLite would not do: it is held for a transaction only. The system counts such locks
by process and drops them when *any* handle of the file is closed, so within a process the paths held are kept in a
table, and the file is not opened a second time. A child of fork does not inherit the lock.
"""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

from ash.errors import JournalError, JournalLocked, JournalUnwritable

try:
    import fcntl
except ModuleNotFoundError as error:  # on Windows
    raise JournalError("a journal needs POSIX file locks, and this system has none: run without a journal") from error

LOOKS, LOOK_SECONDS = 4, 0.05
"""How often, and how long apart, a lock that is held is tried again: `holder` takes it for a moment."""
_held: dict[str, int] = {}
"""Real paths of locks, and the process that holds them: a child of fork finds those of its parent here."""
_guard = threading.Lock()  # of the table


class Lock:
    """Held from its making until `release`; its file is made where there is none, and stands for `journal`.

    Raises
    ------
    JournalLocked
        Another process, or another run in this one, holds it.
    JournalUnwritable
        There can be no such file.
    """

    def __init__(self, path: Path, journal: Path) -> None:
        self._name = os.path.realpath(path)
        with _guard:
            if _held.get(self._name) == os.getpid():
                raise JournalLocked(
                    f"{journal} is in use by another run of this process, {os.getpid()}: give this run another journal"
                )
            self._handle = _locked(path, journal)
            _held[self._name] = os.getpid()

    def release(self) -> None:
        """Let go of it, if this is the process that has taken it."""
        with _guard:
            if _held.get(self._name) == os.getpid():
                del _held[self._name]
                os.close(self._handle)


def holder(path: Path) -> str | None:
    """Return who holds a lock, as "process 7 on host", or None."""
    with _guard:
        if _held.get(os.path.realpath(path)) == os.getpid():
            return f"process {os.getpid()}, this one"  # the file is not opened: closing it would let go of the lock
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
        raise JournalUnwritable(f"{journal} cannot be locked: {path.name}: {error.strerror}") from error
    try:
        _take(handle)
    except BlockingIOError as error:
        name = _named(handle)
        os.close(handle)
        raise JournalLocked(f"{journal} is in use by {name}: wait for it, or give this run another journal") from error
    except OSError as error:
        os.close(handle)
        raise JournalUnwritable(f"{journal} cannot be locked: {path.name}: {error.strerror}") from error
    with contextlib.suppress(OSError):  # it is held, though a full disk does not take the name of who holds it
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    return handle


def _take(handle: int) -> None:
    """Take the lock; somebody may hold it for a moment, only to see whether anybody does."""
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

"""Temporary folders that a later run deletes if this process is killed.

    <temporary folder>/ash-<random>/lock     locked by the process that has made the folder, as long as it lives

Threads: `make` may be called by any thread, everything else by one.
Cost: making a folder lists the system's temporary folder once.
"""

import contextlib
import importlib
import os
import secrets
import shutil
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

fcntl: Any = None
with contextlib.suppress(ModuleNotFoundError):  # on Windows, where folders of killed processes stay
    fcntl = importlib.import_module("fcntl")

PREFIX = "ash-"
LOCK = "lock"


class Scratch(contextlib.AbstractContextManager["Scratch"]):
    """A temporary folder, which `make` creates and the end of the context deletes; only this user can access it."""

    def __init__(self) -> None:
        try:
            parent = tempfile.gettempdir()
        except OSError:  # no folder is writable, which matters only if `make` is called
            parent = os.curdir
        self.path = Path(parent, f"{PREFIX}{secrets.token_hex(8)}").absolute()
        self._is_made = False
        self._handle: int | None = None
        self._guard = threading.Lock()

    def __exit__(self, *error: object) -> None:
        if self._is_made:
            shutil.rmtree(self.path, ignore_errors=True)
            self._is_made = False
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def make(self) -> Path:
        """Create the folder if it does not exist, delete the folders of killed processes, and return the path.

        Raises
        ------
        OSError
            The folder cannot be created.
        """
        with self._guard:
            if not self._is_made:
                self.path.mkdir(mode=0o700)
                self._handle = _locked(self.path / LOCK)
                self._is_made = True
                _sweep(self.path.parent)
        return self.path


def _locked(path: Path) -> int | None:
    """Create a locked file, and return its handle; None if the file system has no locks.

    The file gets its name when it is locked, so it is never seen unlocked.
    """
    if fcntl is None:
        return None
    unlocked = path.with_name(f"{path.name}-new")
    handle = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        os.close(handle)
        return None
    unlocked.rename(path)
    return handle


def _sweep(parent: Path) -> None:
    """Delete this user's folders in `parent` whose locks are free, since their processes have been killed."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if fcntl is not None and entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):  # it is in use, of another user, or deleted by another process
                    _delete_free(entry)


def _delete_free(entry: "os.DirEntry[str]") -> None:
    found = entry.stat(follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    handle = os.open(os.path.join(entry.path, LOCK), os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(entry.path, ignore_errors=True)
    finally:
        os.close(handle)

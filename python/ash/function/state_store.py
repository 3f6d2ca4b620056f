"""What functions gave back as states, of candidates that wait: in memory up to a limit of bytes, else in files.

                  keep                      bytes > limit: the least promising first
    (at work) ------------> in memory ------------------------------------------------> in a file
         ^  <-----------------  |                                                         |  |
         |        take  <-------|---------------------------------------------------------+  | disk full, file changed,
         |                      | drop: the candidate has retired                            v cannot be pickled
         |                      +-----------------------------------------------------> lost: LOST is taken, and the
         |                                                                              candidate is trained again
A file is a pickle, which runs code when it is loaded: so only what this process has written is, and it is known by a
checksum that is kept here, with a key that nobody else has. The folder is for this process and its user alone, and goes
with the run.

Order:       of spilling: lower rung, then lower score, then higher candidate.
Invariants:  (1) a candidate has one state, or none; (2) bytes in memory <= limit after each `keep`, as far as they can
             be measured; (3) a file whose bytes have changed is not unpickled.
Threads:     the calling one. Cost: for numbers, text and arrays a fraction of a microsecond; what else there is, is
             pickled to know its size, as far as that takes MEASURING of the time.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import sys
import tempfile
import time
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ash._utils.user_warnings import warn_user
from ash.function.answers import pack, unpack

WAITING = "waiting-"
"""How the name of a folder begins."""
EASED = 0.8
"""Of the limit: how much stays in memory once it is exceeded, so that the states are not put in order for each one."""
MEASURING = 0.01
"""Of the time: what pickling for the sake of the size may take; of a type in a rung the first one is always."""
PLAIN = frozenset((bool, int, float, complex, str, bytes))
PARTS = 64
"""Parts of a tuple, list or dict that are looked at one by one."""
HEADER = 128
"""Bytes of an array beside its numbers, or so."""


class Lost(Enum):
    """What stands for a state that there was, and is no more: one object, copies of it too."""

    LOST = "lost"


LOST = Lost.LOST


class Spilled(NamedTuple):
    """A state in a file."""

    path: Path
    checksum: bytes


class States(contextlib.AbstractContextManager["States"]):
    """The states of one run: a context manager that deletes their files.

    Parameters
    ----------
    limit : int or None
        Most bytes in memory.
    folder : Path or None
        Where a folder for the files may be made, the folder of the journal; None: where temporary files lie.
    packed : bool
        Whether states are bytes that `pack` has made, in another process.
    """

    def __init__(self, limit: int | None, folder: Path | None, *, packed: bool) -> None:
        self._limit, self._parent, self._packed = limit, folder, packed
        self._key = secrets.token_bytes(32)
        self._waiting: dict[int, tuple[int, float, int, Any]] = {}  # rung, score, bytes, state
        self._files: dict[int, Spilled] = {}
        self._lost: set[int] = set()
        self._folder: Path | None = None
        self._bytes = self._peak = self._spilled = self._dropped = self._number = 0
        self._sizes: dict[tuple[type, int], int] = {}  # of the last one of a type in a rung that was pickled
        self._began, self._measuring = time.monotonic(), 0.0
        self._full = False
        self.retrained_epochs = 0

    def __exit__(self, *error: object) -> None:
        self._waiting.clear()  # which ends the threads of functions that wait in a report
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            if self._parent is not None:
                with contextlib.suppress(OSError):  # there is something else in it
                    self._parent.rmdir()

    @property
    def memory(self) -> dict[str, int]:
        """Return what `FunctionResult.memory` says."""
        return {
            "limit": self._limit or 0,
            "peak_bytes": self._peak,
            "spilled": self._spilled,
            "dropped": self._dropped,
            "retrained_epochs": self.retrained_epochs,
        }

    def keep(self, candidate: int, rung: int, score: float, state: Any) -> None:
        """Keep what a job has left, in place of what there was."""
        if state is LOST:
            self._lost.add(candidate)
            return
        size = sys.getsizeof(state) if type(state) in PLAIN else self._size(state, rung)
        self._waiting[candidate] = rung, score, size, state
        self._bytes += size
        if self._limit is not None and self._bytes > self._limit:
            self._ease(self._limit)
        if self._bytes > self._peak:
            self._peak = self._bytes

    def take(self, candidate: int) -> Any:
        """Return a state and forget it: None where there was none, LOST where it is no more."""
        found = self._waiting.pop(candidate, None)
        if found is not None:
            self._bytes -= found[2]
            return found[3]
        if candidate in self._files:
            return self._read(self._files.pop(candidate))
        if candidate in self._lost:
            self._lost.remove(candidate)
            return LOST
        return None

    def drop(self, candidate: int) -> None:
        """Let go of a state that nobody needs any more."""
        found = self._waiting.pop(candidate, None)
        if found is not None:
            self._bytes -= found[2]
        elif candidate in self._files:
            _delete(self._files.pop(candidate).path)
        else:
            self._lost.discard(candidate)

    def _ease(self, limit: int) -> None:
        order = sorted(self._waiting, key=lambda each: (*self._waiting[each][:2], -each))
        for candidate in order:
            if self._bytes <= EASED * limit:
                return
            _, _, size, state = self._waiting.pop(candidate)
            self._bytes -= size
            found = self._write(state)
            if found is None:
                self._lost.add(candidate)
                self._dropped += 1
            else:
                self._files[candidate] = found
                self._spilled += 1

    def _write(self, state: Any) -> Spilled | None:
        """Write a state to a file of its own; None where it cannot be pickled, or the disk does not take it."""
        try:
            content = state if self._packed else pack(state)
        except Exception:  # of the user's class: it is trained again
            return None
        path = None
        try:
            path = self._next_path()
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError as error:
            if path is not None:
                _delete(path)
            self._warn(error)
            return None
        return Spilled(path, self._checksum(content))

    def _next_path(self) -> Path:
        if self._folder is None:
            if self._parent is not None:
                if self._parent.is_symlink():
                    raise OSError(f"{self._parent} is a link")
                self._parent.mkdir(mode=0o700, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=WAITING, dir=self._parent))  # with mode 0700
        self._number += 1
        return self._folder / f"{self._number:06d}"

    def _read(self, spilled: Spilled) -> Any:
        try:
            content = spilled.path.read_bytes()
        except OSError:
            return LOST
        _delete(spilled.path)
        if not hmac.compare_digest(self._checksum(content), spilled.checksum):
            return LOST
        try:
            return content if self._packed else unpack(content)
        except Exception:  # of the user's class, which can be pickled but not unpickled
            return LOST

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, key=self._key, digest_size=32).digest()

    def _warn(self, error: OSError) -> None:
        if not self._full:
            self._full = True
            why = error.strerror or error
            warn_user(f"waiting states cannot be written ({why}); they are dropped, and trained again when needed")

    def _size(self, state: Any, rung: int) -> int:
        """Return how many bytes a state takes: as it is, or as those of its type in this rung that were pickled."""
        found = getattr(state, "nominal_bytes", None) or size_of(state)
        if found is not None:
            return found
        key = type(state), rung
        known = self._sizes.get(key)
        began = time.monotonic()
        if known is not None and self._measuring > MEASURING * (began - self._began):
            return known
        try:
            size = len(pack(state))
        except Exception:  # a lock, say
            size = sys.getsizeof(state)
        self._measuring += time.monotonic() - began
        self._sizes[key] = size
        return size


def size_of(state: Any, depth: int = 2) -> int | None:
    """Return the bytes of plain values and arrays, and of tuples, lists and dicts of such; None of anything else."""
    kind = type(state)
    if kind in PLAIN:
        return sys.getsizeof(state)
    if state is None:
        return 0
    if isinstance(state, np.ndarray) and not state.dtype.hasobject:
        return HEADER + state.nbytes
    if kind not in (tuple, list, dict) or depth == 0 or len(state) > PARTS:
        return None
    parts = [size_of(part, depth - 1) for part in (state.values() if kind is dict else state)]
    return None if None in parts else sys.getsizeof(state) + sum(filter(None, parts))


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # the folder goes with the run
        path.unlink()

"""Stores the states of a function's waiting candidates: in memory up to a limit of bytes, otherwise in files.

    keep             after a job: the state is in memory
    bytes > limit    the least promising states move from memory to files
    GPU nearly full  the same, as long as this frees memory of the GPU
    take             before the next job: the state is removed from memory or its file, and returned
    drop             the candidate has retired: the state is deleted

A state that moves to a file is lost if it cannot be pickled or unpickled, if the file cannot be written or read, or if
the file has changed. `take` then returns LOST, and the candidate is trained again.
A paused generator cannot be written. Its file holds only the number of its epochs, and a new generator repeats them.
This also frees its model and optimizer, which nothing but the generator may refer to.
A file is a pickle, which runs code when it is loaded. So only files written by this process are loaded. They are
authenticated by a checksum with a random key, which is kept only in memory. Only this user can access the folder, which
is deleted at the end of the run.

Order:       states of lower rungs are spilled (moved to files) first. Within a rung, lower scores come first. Among
             equal scores, higher candidate numbers come first.
Invariants:  (1) a candidate has at most one state; (2) bytes in memory, as estimated by `Sizes`, <= limit after each
             `keep`; (3) a file whose bytes have changed is not unpickled.
Threads:     only the calling thread.
Cost:        a fraction of a microsecond for numbers, text and arrays. Small tuples, lists and dicts of these are
             measured part by part. Other states are pickled to measure their size (`Sizes`).
"""

import contextlib
import gc
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

from ash._utils.scratch import Scratch
from ash._utils.user_warnings import warn_user
from ash.function.answers import pack, unpack
from ash.function.forms import Paused, final_state
from ash.function.reports import END_SECONDS, WAIT_UNTIL

WAITING = "waiting-"
"""Prefix of the names of folders with states."""
EASED = 0.8
"""When the limit is exceeded, states are spilled until the rest take this share of the limit, so that sorting states
is rarely needed."""
MEASURING = 0.01
"""Maximum share of the time spent on pickling states to measure their size. The first state of a type in a rung
is always measured."""
SPARE = 0.25
"""A GPU is nearly full if less than this share of its memory is left for the running jobs and the next ones."""
PLAIN = frozenset((bool, int, float, complex, str, bytes))
PARTS = 64
"""Maximum number of parts of a tuple, list or dict that are measured one by one."""
HEADER = 128
"""Approximate bytes of an array's header."""


class Lost(Enum):
    """The type of `LOST`, the sentinel for a lost state. `LOST` is a singleton, even if it is copied."""

    LOST = "lost"


LOST = Lost.LOST


class Spilled(NamedTuple):
    """A state in a file."""

    path: Path
    checksum: bytes


class Files:
    """The files of one run's states, in a folder that is created when needed and deleted by `close`.

    Parameters
    ----------
    parent : Path or None
        The folder in which that folder is created; None for the system's temporary folder.
    """

    def __init__(self, parent: Path | None) -> None:
        self._parent = parent
        self._key = secrets.token_bytes(32)
        self._scratch = Scratch()
        self._folder: Path | None = None
        self._number = 0  # of the last file
        self._has_failed = False

    def close(self) -> None:
        """Delete all files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            if self._parent is not None:
                with contextlib.suppress(OSError):  # the folder is not empty
                    self._parent.rmdir()
        self._scratch.__exit__()

    def write(self, content: bytes) -> Spilled | None:
        """Write a new file; return None if it cannot be written, and warn the first time."""
        path = None
        try:
            path = self._next_path()
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError as error:
            if path is not None:
                delete(path)
            if not self._has_failed:
                self._has_failed = True
                why = error.strerror or error
                warn_user(f"waiting states cannot be written ({why}); they are dropped, and trained again when needed")
            return None
        return Spilled(path, self._checksum(content))

    def _next_path(self) -> Path:
        if self._folder is None:
            parent = self._scratch.make() if self._parent is None else self._parent
            if parent.is_symlink():
                raise OSError(f"{parent} is a link")
            parent.mkdir(mode=0o700, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=WAITING, dir=parent))  # with mode 0700
        self._number += 1
        return self._folder / f"{self._number:06d}"

    def read(self, spilled: Spilled) -> bytes | None:
        """Return the content of a file and delete it; return None if it cannot be read or has changed."""
        try:
            content = spilled.path.read_bytes()
        except OSError:
            return None
        delete(spilled.path)
        return content if hmac.compare_digest(self._checksum(content), spilled.checksum) else None

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, key=self._key, digest_size=32).digest()


class Sizes:
    """Measures states; it pickles those that it does not know, which takes at most the share MEASURING of the time."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, int], int] = {}  # size of the last pickled state of a type in a rung
        self._began, self._measuring = time.monotonic(), 0.0

    def of(self, state: Any, rung: int) -> int:
        """Return the bytes of a state.

        To save time, this may be the size of the last pickled state of its type in this rung.
        """
        if isinstance(state, Paused):
            return max(Paused.nominal_bytes, self.of(final_state(state), rung))
        found = size_of(state)
        if found is not None:
            return found
        key = type(state), rung
        known = self._known.get(key)
        began = time.monotonic()
        if known is not None and self._measuring > MEASURING * (began - self._began):
            return known
        try:
            size = len(pack(state))
        except Exception:  # the state cannot be pickled, for example a lock
            size = sys.getsizeof(state)
        self._measuring += time.monotonic() - began
        self._known[key] = size
        return size


class States(contextlib.AbstractContextManager["States"]):
    """The states of one run: a context manager that deletes the files of states at exit.

    Parameters
    ----------
    limit : int or None
        Maximum number of bytes in memory; None for no limit.
    folder : Path or None
        The folder next to the journal, such as ``run.ash-states``. A folder for the files is created in it when needed.
        If None, the system's temporary folder is used.
    packed : bool
        Whether states are bytes that `pack` returned in another process.
    """

    def __init__(self, limit: int | None, folder: Path | None, *, packed: bool) -> None:
        self._limit, self._packed = limit, packed
        self._files, self._sizes = Files(folder), Sizes()
        self._waiting: dict[int, tuple[int, float, int, Any]] = {}  # rung, score, bytes, state
        self._in_files: dict[int, Spilled] = {}
        self._lost: set[int] = set()
        self._bytes = self._peak = self._spilled = self._dropped = 0
        self.retrained_epochs = 0

    def __exit__(self, *error: object) -> None:
        before = WAIT_UNTIL.set(time.monotonic() + END_SECONDS)
        self._waiting.clear()  # this ends the threads of functions that wait in a report
        WAIT_UNTIL.reset(before)
        self._files.close()

    @property
    def memory(self) -> dict[str, int]:
        """Return the value of `FunctionResult.memory`."""
        return {
            "limit": self._limit or 0,
            "peak_bytes": self._peak,
            "spilled": self._spilled,
            "dropped": self._dropped,
            "retrained_epochs": self.retrained_epochs,
        }

    def keep(self, candidate: int, rung: int, score: float, state: Any) -> None:
        """Keep the state that a job returned; the candidate's previous state must have been taken before."""
        if state is LOST:
            self._lost.add(candidate)
            return
        size = self._sizes.of(state, rung)
        self._waiting[candidate] = rung, score, size, state
        self._bytes += size
        if self._limit is not None and self._bytes > self._limit:
            self._ease(self._limit)
        if not self._packed:
            self._ease_gpus()
        if self._bytes > self._peak:
            self._peak = self._bytes

    def take(self, candidate: int) -> Any:
        """Remove and return a candidate's state: None if there is none, LOST if it is lost."""
        found = self._waiting.pop(candidate, None)
        if found is not None:
            self._bytes -= found[2]
            return found[3]
        if candidate in self._in_files:
            return self._read(self._in_files.pop(candidate))
        if candidate in self._lost:
            self._lost.remove(candidate)
            return LOST
        return None

    def drop(self, candidate: int) -> None:
        """Drop a state that is no longer needed."""
        found = self._waiting.pop(candidate, None)
        if found is not None:
            self._bytes -= found[2]
        elif candidate in self._in_files:
            delete(self._in_files.pop(candidate).path)
        else:
            self._lost.discard(candidate)

    def _ease(self, limit: int) -> None:
        for candidate in self._in_order():
            if self._bytes <= EASED * limit:
                return
            self._spill(candidate)

    def _ease_gpus(self) -> None:
        """Spill states while a GPU is nearly full, but stop at one that frees no memory of a GPU."""
        used, is_full = gpu_memory()
        for candidate in self._in_order() if is_full else []:
            self._spill(candidate)
            before, (used, is_full) = used, gpu_memory()
            if used >= before:
                gc.collect()  # the state may have been part of a reference cycle
                used, is_full = gpu_memory()
            if used >= before or not is_full:
                return

    def _in_order(self) -> list[int]:
        """Return the candidates with a state in memory, the least promising first."""
        return sorted(self._waiting, key=lambda each: (*self._waiting[each][:2], -each))

    def _spill(self, candidate: int) -> None:
        _, _, size, state = self._waiting.pop(candidate)
        self._bytes -= size
        found = self._write(state)
        if found is None:
            self._lost.add(candidate)
            self._dropped += 1
        else:
            self._in_files[candidate] = found
            self._spilled += 1

    def _write(self, state: Any) -> Spilled | None:
        """Write a state to a new file; return None if the state cannot be pickled or written."""
        if isinstance(state, Paused):
            state = state.drop()
        try:
            content = state if self._packed else pack(state)
        except Exception:  # raised by the user's class; the candidate will be trained again
            return None
        return self._files.write(content)

    def _read(self, spilled: Spilled) -> Any:
        content = self._files.read(spilled)
        if content is None:
            return LOST
        try:
            state = content if self._packed else unpack(content)
        except Exception:  # raised by the user's class, which can be pickled but not unpickled
            return LOST
        if isinstance(state, Paused):
            self.retrained_epochs += state.epochs
        return state


def size_of(state: Any, depth: int = 2) -> int | None:
    """Return the bytes of a plain value or array, or of a small tuple, list or dict of these; otherwise None.

    PyTorch's tensors count as arrays, and its modules as all of their parameters and buffers, on any device.
    """
    kind = type(state)
    if kind in PLAIN:
        return sys.getsizeof(state)
    if state is None:
        return 0
    if isinstance(state, np.ndarray) and not state.dtype.hasobject:
        return HEADER + state.nbytes
    torch: Any = sys.modules.get("torch")
    with contextlib.suppress(AttributeError, ValueError):  # another thread imports torch; or a layer was never used
        if torch is not None and isinstance(state, torch.nn.Module):
            return HEADER + sum(int(each.nbytes) for each in (*state.parameters(), *state.buffers()))
        if torch is not None and isinstance(state, torch.Tensor):
            return HEADER + int(state.nbytes)
    if kind not in (tuple, list, dict) or depth == 0 or len(state) > PARTS:
        return None
    parts = [size_of(part, depth - 1) for part in (state.values() if kind is dict else state)]
    return None if None in parts else sys.getsizeof(state) + sum(filter(None, parts))


def gpu_memory() -> tuple[int, bool]:
    """Return the bytes of PyTorch's tensors on all CUDA devices, and whether a device with tensors is nearly full."""
    torch: Any = sys.modules.get("torch")
    used, is_full = 0, False
    try:
        if torch is None or not torch.cuda.is_initialized():
            return 0, False
        for device in range(torch.cuda.device_count()):
            own = torch.cuda.memory_allocated(device)
            used += own
            if own:  # asking about another device would start CUDA on it
                free, total = torch.cuda.mem_get_info(device)
                reusable = torch.cuda.memory_reserved(device) - own
                is_full |= free + reusable < SPARE * total
    except Exception:  # another thread imports torch, or a device has failed, which the next job on it will report
        return 0, False
    return used, is_full


def delete(path: Path) -> None:
    """Delete a state's file, if possible."""
    with contextlib.suppress(OSError):  # the file is deleted with its folder at the end of the run
        path.unlink()

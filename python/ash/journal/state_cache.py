"""Caches states that a run may need again, in files next to its journal; training can always reproduce the states.

    run.ash-states/000017.safetensors        states of some candidates: weights, moments and counters of each fold

A file is written atomically (under another name, then synced and renamed). The journal names it only after that. Files
that the journal does not name are left over from a crash, and are deleted when the journal is opened. The journal
stores a hash of each file. A file whose hash does not match is not used; its candidates are trained again, with
bit-identical results.

A resumed run need not train a candidate again if its state is stored. So the states that were most costly to train are
written first, and writing takes only a small share of the training time. During the run, a state is not stored if it
was trained in less than WORTH times the time of writing a file, since that would save too little. At the end, the
networks that the result holds are written, as many as time allows.

Invariants: (1) during the run, writing takes at most about SHARE of the time that the jobs of this call have taken; a
file is started only if writing is expected to stay within that share. (2) During the run, no state is written that
would raise the total size of the files above `limit` bytes; `write_kept` does not check this limit. (3) A file is named
in the journal only after it exists, and deleted only after a commit has removed its name.
"""

import contextlib
import heapq
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ash import _core
from ash._utils.aliases import Key
from ash._utils.atomic_file import replace_file
from ash._utils.hashes import hash_of
from ash._utils.user_warnings import warn_user
from ash.errors import JournalError
from ash.journal.database import Changes, Row

Parts = tuple[Any, ...]
"""The trained parts of a network, as `_core.Tuner.states` returns them."""
ARRAYS = ("weights", "first_moment", "second_moment")
COUNTERS, POWERS = "epochs_and_updates", "powers_of_betas"
ENDING = ".safetensors"
NAMED = re.compile(r"(\d{6,18})\.safetensors", re.ASCII)
"""Pattern for the names of state files."""
WRITTEN = re.compile(r"\.\d{6,18}\.safetensors-.*", re.ASCII | re.DOTALL)
"""Pattern for the names of files that are still being written."""

SHARE = 0.0025
"""The time that writing states may take, as a share of the seconds spent in jobs (summed over threads)."""
END_SHARE = 0.0025
"""The additional share at the end of the run, for writing the networks that the result holds."""
MOST_AT_END = 0.2
"""The maximum number of seconds for writing at the end, since the user may be waiting, for example after Ctrl-C."""
WORTH = 10.0
"""During the run, a state is written only if its training took at least this many times as long as writing a file."""
FIRST_SECONDS, FIRST_SPEED = 0.005, 2e8
"""Estimates used before the first file is written: seconds per file, and bytes per second."""
SMALL = 1 << 20
"""Files below this many bytes update the estimated seconds per file; larger files update the bytes per second."""
AT_ONCE = 1 << 24
"""During the run, a file that has this many bytes gets no more states, so that Ctrl-C is checked between files."""


class StateFolder:
    """The folder of a journal's state files, created when the first file is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0

    def tidy(self, named: Iterable[str]) -> None:
        """Delete state files that are not among `named`; new files get higher numbers than all named files."""
        if self.path.is_symlink() or not self.path.is_dir():
            return
        known = set(named)
        for file in self.path.iterdir():
            if (NAMED.fullmatch(file.name) or WRITTEN.fullmatch(file.name)) and file.name not in known:
                with contextlib.suppress(OSError):  # a file that cannot be deleted does no harm
                    file.unlink()
        numbers = [int(found[1]) for found in map(NAMED.fullmatch, known) if found]
        self._next = max(numbers, default=-1) + 1

    def write(self, states: dict[Key, list[Parts]]) -> tuple[str, int, str]:
        """Write states into one file and return its name, size in bytes and hash; raise JournalError on failure."""
        content = save(
            {
                f"{candidate}.{rung}.{fold}.{name}": array
                for (candidate, rung), folds in states.items()
                for fold, parts in enumerate(folds)
                for name, array in _arrays(parts).items()
            }
        )
        name = f"{self._next:06d}{ENDING}"
        try:
            if self.path.is_symlink():
                raise JournalError(f"{self.path} is a link: replace it by a folder, or use another journal")
            self.path.mkdir(mode=0o700, exist_ok=True)
            replace_file(self.path / name, content, private=True)
        except OSError as error:
            raise JournalError(
                f"the states of the journal cannot be written to {self.path}: {error.strerror}"
            ) from error
        self._next += 1
        return name, len(content), hash_of(content, 16)

    def read(self, name: str, size: int, expected: str) -> dict[Key, list[Parts]] | None:
        """Return the states in a file, or None if the file is missing or its content has changed."""
        path = self.path / name
        try:
            if Path(name).name != name or path.is_symlink() or path.stat().st_size != size:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        if hash_of(content, 16) != expected:
            return None
        try:
            return _states(content)
        except MemoryError:
            raise
        except Exception:  # even a file whose hash matches is not trusted
            return None

    def delete(self, name: str) -> None:
        """Delete a file that the journal no longer names."""
        with contextlib.suppress(OSError):  # the next call that opens the journal tries again
            (self.path / name).unlink()


def _arrays(parts: Parts) -> dict[str, Any]:
    """Return a state as arrays by name: its three arrays, an array of its integers and an array of its floats."""
    weights, first, second, epochs, updates, beta1_power, beta2_power = parts
    own = dict(zip(ARRAYS, (weights, first, second), strict=True))
    return {**own, COUNTERS: np.array([epochs, updates]), POWERS: np.array([beta1_power, beta2_power])}


def _states(content: bytes) -> dict[Key, list[Parts]]:
    tensors = load(content)
    found: dict[Key, dict[int, Parts]] = {}
    for place in sorted({name.rpartition(".")[0] for name in tensors}):
        candidate, rung, fold = (int(part) for part in place.split("."))
        arrays = [np.ascontiguousarray(tensors[f"{place}.{name}"], np.float32) for name in ARRAYS]
        numbers = [*tensors[f"{place}.{COUNTERS}"].tolist(), *tensors[f"{place}.{POWERS}"].tolist()]
        found.setdefault((candidate, rung), {})[fold] = (*arrays, *numbers)
    return {key: [folds[fold] for fold in sorted(folds)] for key, folds in found.items()}


def _bytes_of(folds: list[Parts]) -> int:
    """Return how many bytes the weights and moments of a state, which has one part per fold, take in a file."""
    return sum(int(array.nbytes) for parts in folds for array in parts[: len(ARRAYS)])


class Allowance:
    """The seconds that are left for writing states, and estimates of how long a file takes."""

    def __init__(self) -> None:
        self._left = 0.0
        self._core_seconds = 0.0  # thread seconds spent in jobs during this call
        self.per_file, self._speed = FIRST_SECONDS, FIRST_SPEED  # seconds; bytes per second of large files

    def earn(self, core_seconds: float) -> None:
        """Allow a share of the thread seconds of further jobs."""
        self._core_seconds += core_seconds
        self._left += SHARE * core_seconds

    def end(self) -> None:
        """Allow more at the end of the run."""
        self._left = min(self._left + END_SHARE * self._core_seconds, MOST_AT_END)

    def covers(self, size: int) -> bool:
        """Return whether a file of this many bytes can be written in the time left."""
        return self.per_file + size / self._speed <= self._left

    def spend(self, size: int, seconds: float) -> None:
        """Account for a file that was written in this many seconds."""
        self._left -= seconds
        if size < SMALL:
            self.per_file = seconds
        else:
            self._speed = size / seconds


class StateCache:
    """The stored states of one run. `limit` is in bytes; `rows` are the rows of the journal's table `states`."""

    def __init__(self, folder: StateFolder, rows: Iterable[Row]) -> None:
        self._folder = folder
        self.limit: int | None = None
        self._file_of: dict[Key, str] = {}
        self._bytes: dict[str, int] = {}  # size of each file, by name
        for candidate, rung, name, size, _ in rows:
            self._file_of[candidate, rung] = name
            self._bytes[name] = size
        self._broken = False
        self._retired: set[int] = set()
        self._staged: tuple[str, int, list[Key]] | None = None  # a file that exists but is not yet in the journal
        self._dropped: list[Key] = []  # states removed from the journal by an uncommitted change
        self._worth: list[tuple[float, Key]] = []  # unwritten states: a heap keyed by negative training seconds
        self._trained: dict[int, float] = {}  # training seconds, by candidate
        self._sizes: dict[int, int] = {}  # bytes of a state, by candidate; 0 for a candidate without a state
        self._allowance = Allowance()

    def note(self, columns: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Account for the decided jobs, given as the core's columns; `new` has those that were not restored."""
        self._allowance.earn(float(new["core_seconds"].sum()))
        names = ("candidate", "rung", "core_seconds", "diverged")
        for candidate, rung, seconds, diverged in zip(*(columns[name].tolist() for name in names), strict=True):
            self._trained[candidate] = self._trained.get(candidate, 0.0) + seconds
            if not diverged and (candidate, rung) not in self._file_of:
                heapq.heappush(self._worth, (-self._trained[candidate], (candidate, rung)))

    def write_some(self, tuner: _core.Tuner, changes: Changes) -> None:
        """Write the states that were most costly to train into one file, as many as time and space allow."""
        chosen: dict[Key, list[Parts]] = {}
        size = 0
        while self._worth and size < AT_ONCE and not self._broken:
            seconds, key = self._worth[0]
            expected = size + self._sizes.get(key[0], 0)
            if -seconds < WORTH * self._allowance.per_file or not self._allowance.covers(expected):
                break
            heapq.heappop(self._worth)
            folds = tuner.states(*key)
            more = self._sizes[key[0]] = _bytes_of(folds)
            is_full = self.limit is not None and sum(self._bytes.values()) + size + more > self.limit
            if not folds or is_full:
                continue
            if not self._allowance.covers(size + more):  # check the limit again with the actual size
                heapq.heappush(self._worth, (seconds, key))
                break
            chosen[key] = folds
            size += more
        self._write(chosen, changes)

    def write_kept(self, tuner: _core.Tuner, changes: Changes) -> None:
        """Write the networks that the result holds into one file, best first, as many as time allows."""
        self._allowance.end()
        chosen: dict[Key, list[Parts]] = {}
        size = 0
        for candidate, rung, there in tuner.kept_jobs():
            if not there or (candidate, rung) in self._file_of:
                continue
            folds = tuner.states(candidate, rung)
            size += _bytes_of(folds)
            if not folds or not self._allowance.covers(size):
                break
            chosen[candidate, rung] = folds
        self._write(chosen, changes)

    def drop(self, tuner: _core.Tuner, changes: Changes) -> None:
        """Remove states from the journal that can no longer be needed."""
        self._retired.update(tuner.retired().tolist())
        latest: dict[int, int] = {}
        for candidate, rung in self._file_of:
            latest[candidate] = max(rung, latest.get(candidate, 0))
        self._dropped = []
        old = [key for key in self._file_of if key[0] in self._retired or key[1] < latest[key[0]]]
        kept = {(candidate, rung) for candidate, rung, _ in tuner.kept_jobs()} if old else set()
        self._forget([key for key in old if key not in kept], changes)

    def forget(self, name: str, changes: Changes) -> None:
        """Remove an unreadable state file from the journal."""
        self._forget([key for key, file in self._file_of.items() if file == name], changes)

    def committed(self) -> None:
        """Update the cache after a commit, and delete files that the journal no longer names."""
        if self._staged is not None:
            name, size, keys = self._staged
            self._bytes[name] = size
            self._file_of.update(dict.fromkeys(keys, name))
        for key in self._dropped:
            self._file_of.pop(key, None)
        self._staged, self._dropped = None, []
        for name in self._bytes.keys() - set(self._file_of.values()):
            del self._bytes[name]
            self._folder.delete(name)

    def _forget(self, keys: list[Key], changes: Changes) -> None:
        self._dropped += keys
        for key in keys:
            changes.delete("states", "candidate = ? AND rung = ?", key)

    def _write(self, chosen: dict[Key, list[Parts]], changes: Changes) -> None:
        self._staged = None
        if not chosen or self._broken:
            return
        started = time.monotonic()
        try:
            name, size, text = self._folder.write(chosen)
        except JournalError as error:
            self._broken = True
            warn_user(f"{error}; the run continues without writing more states, and trains them again if it is resumed")
            return
        self._allowance.spend(size, time.monotonic() - started)
        self._staged = (name, size, list(chosen))
        changes.add("states", [(*key, name, size, text) for key in chosen])

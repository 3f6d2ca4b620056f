"""Which states of a run are written beside its journal, and when they are no longer needed.

A state spares whoever goes on its training from the beginning, so the costly ones are written first, and only as many
as take a small share of the time that has gone into training. A cheap network is trained again sooner than it is read.

Invariants: (1) writing takes about SHARE of the time that the jobs of this session have taken: a file is begun when it
may be expected not to take more; (2) files take at most `limit` bytes; (3) a file is deleted only after the commit that
no longer names it, and named only after it is there.
"""

import heapq
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ash import _core
from ash.errors import JournalError
from ash.journal.database import Changes
from ash.journal.rows import Row
from ash.journal.state_files import Key, Parts, StateFolder, bytes_of

SHARE = 0.0025
"""Of the seconds of all threads in jobs: what writing states may take."""
END_SHARE = 0.0025
"""The same of the networks that the result holds, at the end."""
MOST_AT_END = 0.2
"""Seconds: whoever has set a time limit, or pressed Ctrl-C, waits for them."""
WORTH = 10.0
"""Times as long as it is written: how long a state must have been trained to be written at all."""
FIRST_SECONDS, FIRST_SPEED = 0.005, 2e8
"""Guesses until a file has been written: seconds a file, and bytes a second."""
SMALL = 1 << 20
"""Bytes of a file whose time tells what one takes; that of a larger one tells what a byte does."""
AT_ONCE = 1 << 24
"""Bytes of a file that is not a single state: so that Ctrl-C is looked at in between."""


class Upkeep:
    """The states of one run.

    Parameters
    ----------
    folder : StateFolder
    limit : int or None
        Most bytes of all files.
    rows : iterable of tuple
        Of the table `states`: what is there already.
    """

    def __init__(self, folder: StateFolder, limit: int | None, rows: Iterable[Row] = ()) -> None:
        self._folder = folder
        self._limit = limit
        self._file_of: dict[Key, str] = {}
        self._bytes: dict[str, int] = {}  # of each file
        for candidate, rung, name, size, _ in rows:
            self._file_of[candidate, rung] = name
            self._bytes[name] = size
        self._broken = False
        self._retired: set[int] = set()
        self._staged: tuple[str, int, list[Key]] | None = None  # a file that is there and not yet named
        self._dropped: list[Key] = []  # not yet out of the journal
        self._worth: list[tuple[float, Key]] = []  # heap, the most costly first: negative seconds to train it
        self._trained: dict[int, float] = {}  # seconds, by candidate
        self._sizes: dict[int, int] = {}  # bytes of a state, by candidate; 0 when it had none
        self._allowed = 0.0  # seconds that writing may still take
        self._core_seconds = 0.0  # of the jobs of this session
        self._seconds, self._speed = FIRST_SECONDS, FIRST_SPEED  # of a small file, and bytes a second of a large one

    def note(self, columns: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Take notice of jobs that were decided, and of those of them that were not restored: columns of the core."""
        core_seconds = float(new["core_seconds"].sum())
        self._core_seconds += core_seconds
        self._allowed += SHARE * core_seconds
        names = ("candidate", "rung", "core_seconds", "diverged")
        for candidate, rung, seconds, diverged in zip(*(columns[name].tolist() for name in names), strict=True):
            self._trained[candidate] = self._trained.get(candidate, 0.0) + seconds
            if not diverged and (candidate, rung) not in self._file_of:
                heapq.heappush(self._worth, (-self._trained[candidate], (candidate, rung)))

    def write_some(self, tuner: _core.Tuner, changes: Changes) -> None:
        """Write the most costly states, as far as time and place go, into one file."""
        chosen: dict[Key, list[Parts]] = {}
        size = 0
        while self._worth and size < AT_ONCE and not self._broken:
            seconds, key = self._worth[0]
            expected = size + self._sizes.get(key[0], 0)
            if -seconds < WORTH * self._seconds or self._takes(expected) > self._allowed:
                break
            heapq.heappop(self._worth)
            folds = tuner.states(*key)
            more = self._sizes[key[0]] = bytes_of(folds)
            if not folds or self._is_full(size + more):
                continue
            if self._takes(size + more) > self._allowed:  # now that its size is known
                heapq.heappush(self._worth, (seconds, key))
                break
            chosen[key] = folds
            size += more
        self._write(chosen, changes)

    def write_kept(self, tuner: _core.Tuner, changes: Changes) -> None:
        """Write the networks that the result holds, the best first, as far as time goes."""
        self._allowed = min(self._allowed + END_SHARE * self._core_seconds, MOST_AT_END)
        chosen: dict[Key, list[Parts]] = {}
        size = 0
        for candidate, rung, there in tuner.kept_jobs():
            if not there or (candidate, rung) in self._file_of:
                continue
            folds = tuner.states(candidate, rung)
            size += bytes_of(folds)
            if not folds or self._takes(size) > self._allowed:
                break
            chosen[candidate, rung] = folds
        self._write(chosen, changes)

    def drop(self, tuner: _core.Tuner, changes: Changes) -> None:
        """Let the journal forget states that nobody can need."""
        self._retired.update(tuner.retired().tolist())
        latest: dict[int, int] = {}
        for candidate, rung in self._file_of:
            latest[candidate] = max(rung, latest.get(candidate, 0))
        self._dropped = []
        old = [key for key in self._file_of if key[0] in self._retired or key[1] < latest[key[0]]]
        kept = {(candidate, rung) for candidate, rung, _ in tuner.kept_jobs()} if old else set()
        self._forget([key for key in old if key not in kept], changes)

    def forget(self, name: str, changes: Changes) -> None:
        """Let the journal forget a file that could not be read."""
        self._forget([key for key, file in self._file_of.items() if file == name], changes)

    def committed(self) -> None:
        """Take notice that the changes are in the journal: files that it no longer names can go."""
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
            warnings.warn(f"{error}; the run goes on without more of them", UserWarning, stacklevel=2)
            return
        seconds = time.monotonic() - started
        self._allowed -= seconds
        if size < SMALL:
            self._seconds = seconds
        else:
            self._speed = size / seconds
        self._staged = (name, size, list(chosen))
        changes.add("states", [(*key, name, size, text) for key in chosen])

    def _takes(self, size: int) -> float:
        return self._seconds + size / self._speed

    def _is_full(self, more: int) -> bool:
        return self._limit is not None and sum(self._bytes.values()) + more > self._limit

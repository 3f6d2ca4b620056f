"""Defines the messages between the calling process and an executor's workers, and the code that a worker runs.

    once per process   Shared: the data of each fold, and facts that all jobs share     identified by its token
    per job            Where, Order -> JobAnswer

A worker trains with the core, without the GIL, in the thread in which the executor calls it. Workers in one process
share the data. A worker that lacks the data answers LACKS; a worker with other versions of ash or numpy answers
REFUSED. The same holds for jobs of functions, whose data are the function, and whose orders and answers are defined in
ash/function/answers.py.

A file of data consists of the lengths of its parts, a pickle, and the arrays that the pickle refers to. Processes on
one machine map the file into memory, so they share the arrays until they change them.
Threads: a lock guards `_known`. It is held while data are read, so that each process reads the data at most once.
"""

import functools
import mmap
import os
import pickle
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ash import _core
from ash._utils.installation import installed_version
from ash.space.boosters import is_boosted
from ash.space.hyperparameters import Params, to_settings

DONE, LACKS, REFUSED = "done", "lacks", "refused"
MOST_KNOWN = 2
"""Maximum number of runs whose data a process keeps if it is not notified when these runs end."""
ALIGNED = 64
"""Each part of a file of data begins at a multiple of this number of bytes."""


class Versions(NamedTuple):
    """The versions that must be the same in all processes, so that a job has bit-identical results in each."""

    ash: str
    numpy: str
    fused: bool
    """Whether the processor has fused multiply-add."""


@functools.cache
def versions() -> Versions:
    """Return the versions in use in this process."""
    build = _core.build_info()
    return Versions(build["version"], np.__version__, build["instruction_set"] != "baseline")


@dataclass(frozen=True, eq=False)
class Shared:
    """The data and facts that all jobs of a run on a table share."""

    stays: ClassVar[bool] = True
    """Whether the states of jobs stay on Dask's workers; they are returned otherwise."""
    token: str  # random text that identifies the run
    data: Sequence[_core.Data]  # the data of each fold
    rules: dict[str, Any]  # keyword arguments of `_core.train_job`
    trees: Any = None  # the TreeFolds that train boosted trees

    def do(self, order: "Order") -> "JobAnswer":
        """Run a job on these data."""
        worker = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        if not is_boosted(order.params):
            result, states, seconds = _core.train_job(
                self.data, to_settings(order.params), *order[:3], **self.rules, states=order.states
            )
            return JobAnswer(DONE, result, states, seconds, worker)
        for package, version in self.trees.versions.items():
            if (own := installed_version(package)) != version:
                text = f"the worker {socket.gethostname()} has {package} {own}, this process {package} {version}"
                return JobAnswer(REFUSED, text=f"{text}; install the same version there")
        began = time.perf_counter()
        result, job = self.trees.train(order.candidate, order.params, order.epochs)
        return JobAnswer(DONE, result, (), time.perf_counter() - began, worker, trees=job)


class Where(NamedTuple):
    """Where a worker finds the data of a run."""

    token: str
    versions: Versions
    path: str | None
    """A file with the data, on the calling process's machine; None if the data are not passed in a file."""


class Order(NamedTuple):
    """A job to run."""

    candidate: int
    rung: int
    epochs: int
    params: Params
    states: Any
    """One state per fold, as `_core.train_job` accepts them; empty to train from scratch."""


class JobAnswer(NamedTuple):
    """The outcome of a job."""

    kind: str
    result: Any = None
    states: Any = ()
    seconds: float = 0.0
    worker: str = ""
    """Host, process and thread that ran the job."""
    text: str = ""
    trees: Any = None
    """The models of a boosted-tree job."""


class Known(NamedTuple):
    """What the jobs of a run share, as kept by a process."""

    shared: Any  # has the attribute `token`
    path: str | None
    """The file from which the data were read."""
    notified: bool
    """Whether this process is notified when the run ends."""


_known: dict[str, Known] = {}  # data of runs, keyed by `Shared.token`
_lock = threading.RLock()


def do(where: Where, given: Any, order: Any) -> Any:
    """Run a job in a worker, and return its answer.

    `given` is what the jobs share if Dask provides it. It is the bytes of the file if the previous answer to this job
    was LACKS, and otherwise None.
    """
    if (difference := differs(where.versions)) is not None:
        return JobAnswer(REFUSED, text=difference)
    shared = find(where, given) if given is None or isinstance(given, bytes) else given
    return JobAnswer(LACKS) if shared is None else shared.do(order)


def differs(expected: Versions) -> str | None:
    """Return a message that says how this process's versions differ from `expected`; None if they are equal."""
    own = versions()
    if own == expected:
        return None
    if own[:2] == expected[:2]:
        return f"the worker {socket.gethostname()} and this process must both have fused multiply-add, or both lack it"
    return (
        f"the worker {socket.gethostname()} has ash {own.ash} and numpy {own.numpy}, this process ash {expected.ash} "
        f"and numpy {expected.numpy}; install the same versions there"
    )


def write_data(path: Path, shared: Any) -> None:
    """Write what the jobs of a run share into a new file that only this user can read."""
    arrays: list[pickle.PickleBuffer] = []
    parts: list[Any] = [pickle.dumps(shared, protocol=5, buffer_callback=arrays.append)]
    parts += (array.raw() for array in arrays)
    head = struct.pack(f"<{1 + len(parts)}Q", len(parts), *(len(part) for part in parts))
    path.touch(0o600)
    with path.open("wb") as file:
        for part in (head, *parts):
            file.write(part)
            file.write(bytes(-len(part) % ALIGNED))


def read_data(content: Any) -> Any:
    """Return what `write_data` has written; arrays use the memory of `content`, a writable buffer."""
    view = memoryview(content)
    (count,) = struct.unpack_from("<Q", view)
    place = 8 * (1 + count)
    parts = []
    for length in struct.unpack_from(f"<{count}Q", view, 8):
        place += -place % ALIGNED
        parts.append(view[place : place + length])
        place += length
    return pickle.loads(parts[0], buffers=parts[1:])


def know(shared: Any, path: str | None = None, *, notified: bool = False) -> None:
    """Keep the data of a run for the jobs in this process, and drop the data of runs that have ended.

    `path` is the file from which the data were read. It is deleted when its run ends, so a missing file means that the
    run has ended. `notified` says that `forget` will be called when the run ends. Otherwise the data may be dropped
    earlier, to make room for the data of later runs.
    """
    with _lock:
        for token, known in list(_known.items()):
            if known.path is not None and not Path(known.path).exists():
                del _known[token]
        unnotified = [token for token, known in _known.items() if not known.notified]
        for token in unnotified[: max(0, len(unnotified) + 1 - MOST_KNOWN)]:
            del _known[token]
        _known[shared.token] = Known(shared, path, notified)


def forget(token: str) -> None:
    """Drop the data of a run."""
    with _lock:
        _known.pop(token, None)


def find(where: Where, packed: bytes | None) -> Any:
    """Return what the jobs of a run share, or None if this process lacks it; `packed` are the bytes of the file."""
    with _lock:
        if where.token not in _known:
            found = None
            if packed is not None:
                found = read_data(bytearray(packed))
            elif where.path is not None and Path(where.path).is_file():
                with Path(where.path).open("rb") as file:
                    found = read_data(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
            if found is None:
                return None
            know(found, where.path)
        return _known[where.token].shared

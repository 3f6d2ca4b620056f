"""What travels to the workers of an executor and back, and what a worker does.

    once a process   Shared: the data of each fold, and what all jobs have in common     known by its token
    a job            Where, Order -> JobAnswer

A worker trains with the core, on the thread that the executor calls it in and without the GIL: several of one process
read the same data. Whoever has no data, or other versions, says so.
Threads: `_known` is guarded by a lock, under which data are read at most once a process.
"""

import os
import pickle
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ash import _core
from ash.options import FP32
from ash.space.hyperparameters import Params, to_settings

DONE, LACKS, REFUSED = "done", "lacks", "refused"
MOST_KNOWN = 2
"""Runs whose data a process keeps that is not told when they end."""


class Versions(NamedTuple):
    """What must be the same everywhere for a job to leave the same bits."""

    ash: str
    numpy: str
    fused: bool
    """Whether the processor has fused multiply-add."""


def versions() -> Versions:
    """Return those of this process."""
    build = _core.build_info()
    return Versions(build["version"], np.__version__, build["instruction_set"] != "baseline")


@dataclass(frozen=True, eq=False)
class Shared:
    """What all jobs of a run have in common."""

    token: str  # of the run
    data: Sequence[_core.Data]  # of each fold
    rules: dict[str, Any]  # keywords of `_core.train_job`, and the precision of products


class Where(NamedTuple):
    """How a worker comes to the data of a run."""

    token: str
    versions: Versions
    path: str | None
    """Of a file that has them, on the machine of whoever decides."""


class Order(NamedTuple):
    """A job."""

    candidate: int
    rung: int
    epochs: int
    params: Params
    states: Any
    """Of each fold, as `_core.train_job` takes them; empty: there is none to go on from."""


class JobAnswer(NamedTuple):
    """What has come of a job."""

    kind: str
    result: Any = None
    states: Any = ()
    seconds: float = 0.0
    worker: str = ""
    """Host, process and thread."""
    text: str = ""


class Known(NamedTuple):
    """Data that a process has."""

    shared: Shared
    path: str | None
    """Of the file that they came from."""
    notified: bool
    """Whether this process is told when the run ends."""


_known: dict[str, Known] = {}  # by token
_lock = threading.RLock()


def do(where: Where, packed: bytes | None, order: Order) -> JobAnswer:
    """Do a job in a worker; `packed` are the data, where it was found to lack them."""
    if (difference := differs(where.versions)) is not None:
        return JobAnswer(REFUSED, text=difference)
    shared = _find(where, packed)
    return JobAnswer(LACKS) if shared is None else train(shared, order)


def train(shared: Shared, order: Order) -> JobAnswer:
    """Do a job on these data."""
    rules = dict(shared.rules)
    settings = to_settings(order.params, precision=rules.pop("precision", FP32))
    result, states, seconds = _core.train_job(shared.data, settings, *order[:3], **rules, states=order.states)
    return JobAnswer(DONE, result, states, seconds, f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}")


def differs(expected: Versions) -> str | None:
    """Return in one sentence why this process would not leave the same bits as whoever decides, None if it would."""
    own = versions()
    if own == expected:
        return None
    if own[:2] == expected[:2]:
        return f"the worker {socket.gethostname()} differs from this process in having fused multiply-add"
    return (
        f"the worker {socket.gethostname()} has ash {own.ash} and numpy {own.numpy}, this process ash {expected.ash} "
        f"and numpy {expected.numpy}; install the same there"
    )


def know(shared: Shared, path: str | None = None, *, notified: bool = False) -> None:
    """Keep the data of a run for the jobs of this process, and drop those of runs that have ended.

    The file at `path`, which they came from, goes with the run. `notified`: `forget` will be called when the run ends;
    else they make room for later ones.
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


def _find(where: Where, packed: bytes | None) -> Shared | None:
    with _lock:
        if where.token not in _known:
            found = None
            if packed is not None:
                found = pickle.loads(packed)
            elif where.path is not None and Path(where.path).is_file():
                found = pickle.loads(Path(where.path).read_bytes())
            if found is None:
                return None
            know(found, where.path)
        return _known[where.token].shared

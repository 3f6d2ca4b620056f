"""Runs with a journal in which one system call of a kind fails: the n-th, for n = 1, 1 + STEP, ... (F62).

    LD_PRELOAD=/usr/lib/fiu/fiu_posix_preload.so python tests/helpers/fail_calls.py POINT ERRNO STEP FOLDER

libfiu stands between all libraries and the system, so SQLite's own calls fail here as on a bad disk. Before each call
that has a point of failure, its preloaded library asks whether the call must fail: posix/io/rw/pwrite is a
write that fails, posix/io/rw/pwrite/reduce one that writes less than requested. After each failure the journal
must hold all reported results, and the same run again must end as if nothing had happened.
It prints one JSON object: the calls that failed, and how many of them ended the run with a JournalError.
Source: libfiu, fiu-control.h and its documentation of the POSIX preload library.
"""

import contextlib
import ctypes
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class _Without:
    """A finder of modules that hides pyarrow: under libfiu's malloc, loading it may wait for a thread of its own."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, _Without)  # type: ignore[arg-type]

from ash.errors import JournalError  # noqa: E402
from callback_help import Diary  # noqa: E402
from journal_help import outcome, rows, run, with_states  # noqa: E402

MOST = 400  # calls of a run; it ends well before
DECIDES = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_int),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_uint),
)
"""The callback of libfiu: name of the point, and what it may change; a non-zero result makes the call fail."""


@contextlib.contextmanager
def failing(point: str, number: int, code: int) -> Iterator[list[int]]:
    """Let the n-th call fail with an error code of the system; the list grows by one with each call."""
    library = ctypes.CDLL("libfiu.so.0")
    calls: list[int] = []

    def decide(*_: Any) -> int:
        calls.append(len(calls) + 1)
        return int(calls[-1] == number)

    callback = DECIDES(decide)
    if library.fiu_enable_external(point.encode(), 1, ctypes.c_void_p(code), 0, callback) != 0:
        raise SystemExit(f"libfiu knows no point of failure {point}")
    try:
        yield calls
    finally:
        library.fiu_disable(point.encode())


def one(path: Path, point: str, number: int, code: int, expected: list[Any]) -> tuple[bool, bool]:
    """Return whether a call failed and whether that ended the run, whose journal is then tried."""
    diary, ended = Diary(), False
    with failing(point, number, code) as calls:
        try:
            assert outcome(run(path, diary)) == expected
        except JournalError as error:
            assert str(path.parent) in str(error), error
            ended = True
    told = {(job.candidate, job.rung) for job, _ in diary.jobs}
    kept = set(rows(path, "SELECT candidate, rung FROM jobs")) if told else set()
    assert told <= kept, sorted(told - kept)
    assert outcome(run(path)) == expected
    return len(calls) >= number, ended


def main(point: str, code: int, step: int, folder: Path) -> dict[str, int]:
    """Return how many calls failed, and how many of them ended their run."""
    expected = outcome(run(None))
    run(folder / "first.ash")  # loads what is loaded only once
    failed = ended = 0
    for number in range(1, MOST, step):
        there, stopped = one(folder / f"{number}.ash", point, number, code, expected)
        if not there:
            return {"failed": failed, "ended": ended}
        failed, ended = failed + 1, ended + stopped
    raise SystemExit(f"more than {MOST} calls: the run is too long for this test")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # states are done without
    with pytest.MonkeyPatch.context() as patch:
        with_states(patch)
        print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))

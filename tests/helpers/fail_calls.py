"""Runs searches with a journal; in each run, the n-th system call of a kind fails, for n = 1, 1 + STEP, ... (F62).

    LD_PRELOAD=/usr/lib/fiu/fiu_posix_preload.so python tests/helpers/fail_calls.py POINT ERRNO STEP FOLDER

libfiu's preloaded library intercepts the system calls of all libraries, so SQLite's calls fail as they would on a bad
disk. Before each system call that has a point of failure, libfiu asks a callback whether the call must fail. For
example, at posix/io/rw/pwrite a write fails, and at posix/io/rw/pwrite/reduce it writes fewer bytes than requested.
After each failure the journal must contain all reported results, and repeating the run must give the expected outcome.

Prints one JSON object: the number of failed calls, and how many of them ended the run with a JournalError.
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
    """A module finder that hides pyarrow, whose import may wait forever for its own thread under libfiu's malloc."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, _Without)  # type: ignore[arg-type]

from ash.errors import JournalError  # noqa: E402
from callback_help import Diary  # noqa: E402
from journal_help import outcome, rows, run, with_states  # noqa: E402

MOST = 400  # upper bound on the calls of one run; a run makes far fewer
DECIDES = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_int),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_uint),
)
"""Type of libfiu's callback: it gets the point's name, and values that it may set. A non-zero result means failure."""


@contextlib.contextmanager
def failing(point: str, number: int, code: int) -> Iterator[list[int]]:
    """Let the call of this number to `point` fail with the system error `code`; the yielded list grows at each call."""
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
    """Check the journal of a run with one failing call; return whether the call was made, and whether it ended the run.

    The call is that of this number to `point`, and fails with the system error `code`.
    """
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
    """Do one run per failing call; return the number of failed calls, and how many of them ended their run."""
    expected = outcome(run(None))
    run(folder / "first.ash")  # warm-up: loads code that is loaded only once
    failed = ended = 0
    for number in range(1, MOST, step):
        there, stopped = one(folder / f"{number}.ash", point, number, code, expected)
        if not there:
            return {"failed": failed, "ended": ended}
        failed, ended = failed + 1, ended + stopped
    raise SystemExit(f"more than {MOST} calls: the run is too long for this test")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # such as warnings that states could not be written
    with pytest.MonkeyPatch.context() as patch:
        with_states(patch)
        print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))

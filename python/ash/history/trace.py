"""A run in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

    process 1  ash              a row a thread: its jobs, and in category "team" when it helped another's job
    process 2  virtual workers  a row a worker, in virtual time; for the reproducible schedule only

Source: Trace Event Format, Google. Jobs are complete events ("ph": "X"); ts and dur are microseconds, whole nanoseconds
here, so that what follows without a gap in the run does not overlap in the file. What is no number there is null.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ash._utils.atomic_file import replace_file
from ash.history.records import Columns, finite

if TYPE_CHECKING:
    from ash.history.history import History

THREADS, WORKERS = 1, 2
"""The numbers of the two processes."""

Event = dict[str, Any]


def write_trace(result: "History", path: str | os.PathLike[str]) -> None:
    """Write the run to a file; see `Result.trace`."""
    about = {"digest": result.digest, "ended": result.ended, "schedule": result.options.schedule}
    args = _job_args(result)
    events = _rows(THREADS, "ash", "thread", range(result.threads))
    events += _bars(result.columns, args, "job", THREADS, "thread")
    events += _bars(result.assists, [{}] * len(result.assists["candidate"]), "team", THREADS, "thread")
    last = float(result.columns["virtual_end"].max())
    if last > 0.0:
        scale = result.wall_seconds / last
        about["virtual_time"] = f"1 unit of virtual time, a multiply-add, is {scale:.6g} s: its end is that of the run"
        events += _rows(WORKERS, "virtual workers", "worker", sorted(set(result.columns["worker"].tolist())))
        events += _bars(_virtual(result.columns, scale), args, "job", WORKERS, "worker")
    content = {"displayTimeUnit": "ms", "otherData": about, "traceEvents": events}
    replace_file(Path(path), json.dumps(content, allow_nan=False).encode("ascii"))


def _rows(process: int, title: str, row: str, numbers: Iterable[int]) -> list[Event]:
    """Return the events that name a process and its rows."""
    events = [{"ph": "M", "pid": process, "tid": 0, "name": "process_name", "args": {"name": title}}]
    for number in numbers:
        about = {"ph": "M", "pid": process, "tid": number}
        events.append({**about, "name": "thread_name", "args": {"name": f"{row} {number}"}})
        events.append({**about, "name": "thread_sort_index", "args": {"sort_index": number}})
    return events


def _job_args(result: "History") -> list[dict[str, Any]]:
    """Return what is shown when a job is clicked on."""
    names = ("candidate", "rung", "epochs", "score", "loss", "team")
    columns = zip(*(result.columns[name].tolist() for name in names), strict=True)
    rows = [dict(zip(names, row, strict=True)) for row in columns]
    return [finite({**row, "params": result.params[row["candidate"]]}) for row in rows]


def _bars(table: Columns, args: Sequence[dict[str, Any]], category: str, process: int, row: str) -> list[Event]:
    """Return a complete event for each row of a table with candidate, rung, start and end in seconds."""
    start, end = (np.rint(table[name] * 1e9).astype(np.int64) for name in ("start", "end"))
    names = ("candidate", "rung", row)
    columns = zip(*(table[name].tolist() for name in names), start.tolist(), end.tolist(), args, strict=True)
    return [
        {
            "ph": "X",
            "cat": category,
            "name": f"rung {rung}, candidate {candidate}",
            "pid": process,
            "tid": number,
            "ts": begin / 1000,
            "dur": (finish - begin) / 1000,
            "args": own,
        }
        for candidate, rung, number, begin, finish, own in columns
    ]


def _virtual(columns: Columns, scale: float) -> Columns:
    return columns | {"start": columns["virtual_start"] * scale, "end": columns["virtual_end"] * scale}

"""Writes a run as JSON: the document of `Result.to_json`, and the trace of `Result.trace`.

The document:

    {
      "format": "ash run",  "version": 1,
      "task", "metric", "ended",              text; `ended` as in `Result`
      "digest",                               64 hexadecimal digits
      "best":        {"candidate", "rung", "score", "params"},
      "estimated":   for tables: {"score", "std_error"} of the model that the run returned, for new rows,
      "settings":    the checked arguments of the run by name,
      "space":       {name: [{"kind", "levels", "default", "when": [[name, value or values], ...]}, ...]};
                     if levels are not listed, "levels" is null, and "low", "high" and "step" (null for floats) follow,
      "candidates":  [{"candidate", "rungs", "epochs", "score", "loss", "diverged", "params"}, ...]  by number,
      "rungs":       [the rows of `Result.rungs`, ...]  lowest first,
      "jobs":        [the fields of `JobRecord`, ...]  in order of decision,
      "record":      `Result.record`,
      "memory":      `Result.memory`,
      "failures":    for functions, instead of "memory": [the fields of `FailureRecord`, ...],
      "metrics":     for functions that return further metrics: [{name: value} of each job, ...],
      "epochs", "wall_seconds", "core_seconds", "utilization",    numbers
      "started":     ISO 8601, UTC; the origin of the jobs' "start" and "end",
      "versions":    `ash.versions()` on the machine that writes, at the time of writing
    }

NaN, infinity and values that are not set are null. Tuples are lists. `weights_hash` is a text of 16 hexadecimal digits,
since many JSON readers keep only 53 bits of a number. A new version may drop or change a key; within a version, keys
are only added.

The trace is in Google's Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open:

    process 1  ash              one row per thread: its own jobs, and in category "team" the jobs that it helped with
    process 2  virtual workers  one row per worker, in virtual time; only for the reproducible schedule

Jobs are complete events ("ph": "X"). ts and dur are microseconds, rounded to nanoseconds so that adjacent jobs do not
overlap in the file. NaN and infinity are null.
"""

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ash._utils.atomic_file import replace_file
from ash._utils.installation import versions
from ash.history.records import Columns
from ash.space.domains import Domain
from ash.space.space import Space

if TYPE_CHECKING:
    from ash.history.history import History

FORMAT, VERSION = "ash run", 1

THREADS, WORKERS = 1, 2
"""Process numbers in a trace."""

Event = dict[str, Any]


def run_document(result: "History") -> dict[str, Any]:
    """Return the document as plain dicts, lists, text and numbers."""
    texts, numbers = ("task", "metric", "ended"), ("digest", "epochs", "wall_seconds", "core_seconds", "utilization")
    document = {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(result, name) for name in texts},
        "best": {name: getattr(result, f"best_{name}") for name in ("candidate", "rung", "score", "params")},
        "settings": result.settings,
        "space": space_story(result.space),
        "candidates": result.candidates,
        "rungs": result.rungs,
        "jobs": [{**job._asdict(), "weights_hash": f"{job.weights_hash:016x}"} for job in result.jobs],
        **{name: getattr(result, name) for name in numbers},
        **result.own_story(),
        "started": result.started.isoformat(),
        "versions": versions(),
    }
    return dict(finite(document))


def to_json(result: "History", path: str | os.PathLike[str] | None) -> str | None:
    """Return the document as text, or write it to a file; see `Result.to_json`."""
    text = json.dumps(run_document(result), allow_nan=False) + "\n"
    if path is None:
        return text
    replace_file(Path(path), text.encode("ascii"))
    return None


def space_story(space: Space) -> dict[str, list[dict[str, Any]]]:
    """Return the domains of each name in a form that JSON can represent."""
    return {name: list(map(_domain, domains)) for name, domains in space.domains.items()}


def _domain(domain: Domain) -> dict[str, Any]:
    about = {"kind": domain.kind, "levels": domain.levels, "default": domain.default, "when": domain.conditions}
    if domain.has_list:
        return about
    low, high, step = domain.levels[0], domain.levels[-1], getattr(domain.levels, "step", None)
    return {**about, "levels": None, "low": low, "high": high, "step": step}


def write_trace(result: "History", path: str | os.PathLike[str]) -> None:
    """Write the trace of a run to a file; see `Result.trace`."""
    about = {"digest": result.digest, "ended": result.ended, "schedule": result.options.schedule}
    names = ("candidate", "rung", "epochs", "score", "loss", "team")
    jobs = zip(*(result.columns[name].tolist() for name in names), strict=True)
    rows = [dict(zip(names, job, strict=True)) for job in jobs]
    args = [finite({**row, "params": result.params[row["candidate"]]}) for row in rows]
    events = _rows(THREADS, "ash", "thread", range(result.threads))
    events += _bars(result.columns, args, "job", THREADS, "thread")
    events += _bars(result.assists, [{}] * len(result.assists["candidate"]), "team", THREADS, "thread")
    last = float(result.columns["virtual_end"].max())
    if last > 0.0:
        scale = result.wall_seconds / last
        about["virtual_time"] = f"1 unit of virtual time, a multiply-add, is {scale:.6g} s: its end is that of the run"
        events += _rows(WORKERS, "virtual workers", "worker", sorted(set(result.columns["worker"].tolist())))
        times = {name: result.columns[f"virtual_{name}"] * scale for name in ("start", "end")}
        events += _bars(result.columns | times, args, "job", WORKERS, "worker")
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


def _bars(table: Columns, args: Sequence[dict[str, Any]], category: str, process: int, row: str) -> list[Event]:
    """Return one complete event per row of a table, whose columns `start` and `end` are in seconds.

    `row` is "thread" or "worker", the name of the column that gives the number of the event's row in the trace.
    """
    start, end = (np.rint(table[name] * 1e9).astype(np.int64) for name in ("start", "end"))
    columns = [*(table[name] for name in ("candidate", "rung", row)), start / 1000, (end - start) / 1000]
    events = []
    for candidate, rung, number, ts, dur, own in zip(*(each.tolist() for each in columns), args, strict=True):
        about = {"ph": "X", "cat": category, "name": f"rung {rung}, candidate {candidate}", "pid": process}
        events.append({**about, "tid": number, "ts": ts, "dur": dur, "args": own})
    return events


def finite(value: Any) -> Any:
    """Return a value with NaN and infinity replaced by None, including inside dicts and sequences."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Functions that fail, hang and die at random in child processes: whether all is accounted for, and what it takes.

    faults   10,000 candidates through `tune_function` in two processes, with a journal. Of a thousand, ten kill their
             process, five hang until job_limit, two hundred fail; the others go up the ladder. Then the same call
             again, which finds all on record

Required: every candidate has its outcome, the one that it must have; each job is on record once; no process is left;
the second call has the same digest; the memory of the calling process grows by what the records take, and no more. What
favours us: the faults are of the kinds that we know of, and the function imports nothing, which each new process would.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ash
from bench.figures import timed, verdict
from bench.peers_memory import family
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

CANDIDATES, QUICK_CANDIDATES = 10_000, 200
JOB_LIMIT = 0.3
DIE, HANG, FAIL = 10, 15, 215
"""Of a thousand: below the first they die, below the second they hang, below the third they fail."""
MOST_BYTES = 2_000
"""A job: what the calling process may grow by."""
LOOK_JOBS = 200
SPACE = ash.FunctionSpace(what=list(range(1000)), x=ash.uniform(0, 1, levels=1001))


def faulty() -> Callable[..., Any]:
    """Return a function that does what the number says; a local one, so that no process imports this module for it."""

    def train(params: dict[str, Any], epochs: int, state: int | None) -> tuple[float, int]:
        what = params["what"]
        if what < DIE:
            os.kill(os.getpid(), signal.SIGKILL if what % 2 else signal.SIGSEGV)
        if what < HANG:
            time.sleep(1000)
        if what < FAIL:
            raise ValueError(f"what is {what}")
        return params["x"], epochs + (state or 0)

    return train


def outcome(what: int) -> str | None:
    """Return the failure that there must be."""
    return "died" if what < DIE else "late" if what < HANG else "failed" if what < FAIL else None


class Looks(ash.Callback):
    """Looks at memory and processes now and then."""

    def __init__(self) -> None:
        self.bytes: list[tuple[int, int]] = []  # jobs so far, of this process
        self.processes = self.jobs = 0

    def on_job(self, job: Any, params: Any) -> None:
        """Look."""
        self.jobs += 1
        if self.jobs % LOOK_JOBS == 0:
            self.bytes.append((self.jobs, resident()))
            self.processes = max(self.processes, len(descendants()))


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descendants() -> set[int]:
    """Return the numbers of all processes that come from this one."""
    return set(family(os.getpid())) - {os.getpid()}


def tuned(candidates: int, journal: Path, *callbacks: ash.Callback) -> ash.FunctionResult:
    """Run it."""
    settings = {"executor": "processes", "threads": 2, "job_limit": JOB_LIMIT, "most_failures": None, "seed": 0}
    return ash.tune_function(
        faulty(), SPACE, candidates=candidates, journal=journal, callbacks=callbacks, progress=False, **settings
    )


def faults(candidates: int) -> dict[str, Any]:
    """Run it twice and count."""
    looks, began = Looks(), len(descendants())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.ash"
        seconds, result = timed(lambda: tuned(candidates, path, looks))
        left = len(descendants()) - began
        again_seconds, again = timed(lambda: tuned(candidates, path))
    kinds = {failure.candidate: failure.kind for failure in result.failures}
    entered = Counter(job.candidate for job in result.jobs if job.rung == 0)
    jobs = Counter((job.candidate, job.rung) for job in result.jobs)
    middle = looks.bytes[len(looks.bytes) // 2 :] if looks.bytes else [(0, resident())]
    grown = (middle[-1][1] - middle[0][1]) / max(1, middle[-1][0] - middle[0][0])
    return {
        "candidates": candidates,
        "jobs": sum(jobs.values()),
        **{kind: sum(found == kind for found in kinds.values()) for kind in ("failed", "late", "died")},
        "missing": sum(entered[number] == 0 for number in range(candidates)),
        "wrong": sum(kinds.get(number) != outcome(params["what"]) for number, params in enumerate(result.params)),
        "twice": sum(count > 1 for count in jobs.values()),
        "left": left,
        "unlike": int(again.digest != result.digest or again.failures != result.failures),
        "processes": looks.processes,
        "bytes_a_job": grown,
        "seconds": seconds,
        "again_seconds": again_seconds,
    }


def bench(options: Options) -> Bench:
    """Make the one case."""
    candidates = QUICK_CANDIDATES if options.quick else CANDIDATES
    return Bench([Case(f"{candidates} candidates", partial(faults, candidates))], sections)


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return the table."""
    header = ["candidates", "jobs", "failed", "hung", "died", "missing", "wrong", "twice", "processes left"]
    header += ["unlike on record", "most processes", "bytes a job", "required", "seconds", "again"]
    rows = []
    for value in results.values():
        counts = [str(value[name]) for name in ("candidates", "jobs", "failed", "late", "died")]
        zeros = [str(value[name]) for name in ("missing", "wrong", "twice", "left", "unlike")]
        required = MOST_BYTES if value["candidates"] == CANDIDATES else None
        memory = [f"{value['bytes_a_job']:.0f}", verdict(value["bytes_a_job"], "<=", required)]
        seconds = [f"{value['seconds']:.1f}", f"{value['again_seconds']:.2f}"]
        rows.append([*counts, *zeros, str(value["processes"]), *memory, *seconds])
    note = (
        "'missing' to 'unlike on record' must be 0: candidates without an outcome or with another than they must have, "
        "jobs on record twice, processes behind the run, another digest of the same call again. 'most processes': of "
        "two places, and the one that they are forked from. Each that hangs costs "
        f"job_limit={JOB_LIMIT:g} seconds of a place."
    )
    return [Table("Candidates of a function that fail, hang and die at random", header, rows, note)]

"""Draws the page of a run in progress: collects what the run reports, draws it on request, and finds changed parts.

    calling thread: start, job, job, ..., end | fail   ->   facts   <-   page(), updates(since): threads of a server
                    (only appends to a list)                             (draw, compare, number the changes)

Threads: there are two locks. The lock of the facts is held only for an append or a copy. The calling thread never takes
the lock of the drawing. During a run, each drawing is followed by a pause. The pause lasts at least ten times as long
as the drawing, and at least a second. So drawing takes at most a tenth of one core, and only while a page is open. The
slow sections (importance, scaling) are computed only after the run has ended.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ash.callbacks.base import Run
from ash.history.history import RUNNING, History
from ash.history.records import JobRecord
from ash.report.candidates import data_block, nothing_known, selection_data
from ash.report.markup import Markup, asset, tag
from ash.report.overview import headline
from ash.report.page import SECTIONS, fill, render
from ash.report.story import Section, Story
from ash.result import FunctionResult
from ash.run_record import FUNCTION
from ash.space.hyperparameters import Params

REST, LEAST_REST = 10.0, 1.0
"""The pause until the next drawing, as a multiple of the last drawing's duration, and its minimum in seconds."""

TYPES = {"diverged": np.bool_, "weights_hash": np.uint64}
"""The dtypes of the columns whose dtype NumPy cannot infer from their contents."""


@dataclass(eq=False)
class _Told:
    """The facts known about a run, written by the thread that called `ash.tune` or `ash.tune_function`."""

    run: Run | None = None
    jobs: list[JobRecord] = field(default_factory=list)
    params: dict[int, Params] = field(default_factory=dict)  # the hyperparameters of each candidate with a job
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    result: History | None = None  # until it is drawn
    ended: bool = False  # whether there is, or was, a result
    error: str | None = None

    @property
    def running(self) -> bool:
        """Return whether further reports from the run are possible."""
        return not self.ended and self.error is None


@dataclass(frozen=True)
class _Drawing:
    """One drawing of the page, made from `told` with its first `jobs` jobs.

    `data` and each value of `sections` are pairs (version of the drawing in which the content last changed, content).
    """

    told: _Told
    jobs: int
    running: bool
    version: int
    head: str
    titles: list[tuple[str, str]]
    sections: dict[str, tuple[int, str]]
    data: tuple[int, dict[str, Any]]


class LivePage:
    """The page of a run, or of several runs one after another."""

    def __init__(self) -> None:
        self._facts, self._drawing = threading.Lock(), threading.Lock()
        self._told = _Told()
        self._last: _Drawing | None = None
        self._next_drawing = 0.0

    def start(self, run: Run) -> None:
        """Begin to show a run."""
        with self._facts:
            self._told = _Told(run)

    def job(self, job: JobRecord, params: Params) -> None:
        """Add a finished job and the hyperparameters of its candidate."""
        with self._facts:
            self._told.jobs.append(job)
            self._told.params[job.candidate] = params

    def end(self, result: History) -> None:
        """Add the result at the end of the run. It is kept until it is drawn; the user's best state is not kept."""
        if isinstance(result, FunctionResult):
            result = replace(result, best_state=None)
        with self._facts:
            self._told.result, self._told.ended = result, True

    def fail(self, error: BaseException) -> None:
        """Record that the run ended without a result."""
        with self._facts:
            self._told.error = f"{type(error).__name__}: {error}"

    @property
    def running(self) -> bool:
        """Return whether further reports from the run are possible."""
        return self._told.running

    def page(self) -> str:
        """Return the current page; once the run has ended with a result, this is its report."""
        with self._drawing:
            now = self._draw()
        body = Markup("".join(html for _, html in now.sections.values()))
        live = None if now.told.ended else now.version
        script = "" if live is None else asset("live.js", "ash.dashboard")
        return fill(now.head, now.titles, body, data_block(now.data[1]), live, script)

    def updates(self, since: int) -> dict[str, Any]:
        """Return the head and titles as text, and those sections (HTML) and data that changed since version `since`."""
        with self._drawing:
            now = self._draw()
        version, data = now.data
        return {
            "version": now.version,
            "running": now.running,
            "head": now.head,
            "titles": now.titles,
            "sections": {name: html for name, (own, html) in now.sections.items() if own > since},
            "data": data if version > since else None,
        }

    def _draw(self) -> _Drawing:
        """Return a new drawing if the run has news, otherwise the latest drawing.

        During a run, the latest drawing is also returned until the pause between drawings is over.
        """
        with self._facts:
            told, jobs, running = self._told, list(self._told.jobs), self._told.running
            params = dict(self._told.params)
        before, began = self._last, time.monotonic()
        if before is not None:
            same = (told, len(jobs), running) == (before.told, before.jobs, before.running)
            if same or (told is before.told and running and began < self._next_drawing):
                return before
        head, sections, data = self._parts(told, jobs, params)
        version = 1 if before is None else before.version + 1
        drawn: dict[str, tuple[int, str]] = {}
        for section in sections:
            html = str(render(section))
            since, old = (0, "") if before is None else before.sections.get(section.name, (0, ""))
            drawn[section.name] = (since if html == old else version, html)
        kept = None if before is None or before.data[1] != data else before.data
        titles = [(section.name, section.title) for section in sections]
        if told.ended and not running:
            told.result = None
        self._last = _Drawing(told, len(jobs), running, version, head, titles, drawn, kept or (version, data))
        ended = time.monotonic()
        self._next_drawing = ended + max(LEAST_REST, REST * (ended - began))
        return self._last

    def _parts(
        self, told: _Told, jobs: list[JobRecord], params: dict[int, Params]
    ) -> tuple[str, list[Section], dict[str, Any]]:
        history = told.result
        if history is None and told.run is not None:
            history = history_so_far(told.run, jobs, params, told.started)
        if history is None or told.error is not None:
            return "No score yet" if told.running else "No result", [_waiting(told, jobs)], nothing_known()
        story = Story(history)
        return headline(story), [section(story) for section in SECTIONS], selection_data(story)


def _waiting(told: _Told, jobs: list[JobRecord]) -> Section:
    if told.error is not None:
        text = f"The run ended without a result. {told.error}"
    elif told.run is None:
        text = "No run has started yet."
    else:
        text = f"All {len(jobs):,} jobs so far have diverged." if jobs else "No job has finished yet."
    return Section("overview", "Overview", tag("p", text, class_="lead"))


def history_so_far(run: Run, jobs: Sequence[JobRecord], params: dict[int, Params], started: datetime) -> History | None:
    """Return the history up to these jobs, or None if all of them have diverged.

    During a run two facts are unknown: which threads helped with jobs, and the recall of the rungs. A promotion is
    known once the job in the next rung has finished. `params` are the hyperparameters of each candidate with a job.
    Candidates without a job are shown without hyperparameters.
    """
    kept = [job for job in jobs if not job.diverged]
    if not kept:
        return None
    fields = zip(*jobs, strict=True)
    of_function = run.options.task == FUNCTION  # whose best job is in the highest rung
    best = min(kept, key=lambda job: (-job.rung * of_function, -job.score, job.loss, job.candidate, job.rung))
    return History(
        best_candidate=best.candidate,
        best_rung=best.rung,
        params=tuple(params.get(number, {}) for number in range(1 + max(params))),
        columns={
            name: np.array(values, TYPES.get(name)) for name, values in zip(JobRecord._fields, fields, strict=True)
        },
        assists={name: np.zeros(0, np.int64) for name in ("candidate", "rung", "thread", "start", "end")},
        ladder=_ladder(run, jobs),
        options=run.options,
        space=run.space,
        ended=RUNNING,
        started=started,
        wall_seconds=max(job.end for job in jobs),
    )


def _ladder(run: Run, jobs: Sequence[JobRecord]) -> list[dict[str, int]]:
    """Return each rung's counts in the core's form; `running` is 1 for rungs in which jobs may be running, else 0."""
    finished = np.bincount([job.rung for job in jobs], minlength=len(run.rungs) + 1).tolist()
    diverged = np.bincount([job.rung for job in jobs if job.diverged], minlength=len(run.rungs)).tolist()
    return [
        {
            "epochs": plan.epochs,
            "places": plan.places or 0,
            "running": int(plan.rung == 0 or finished[plan.rung - 1] > 0),
            "finished": finished[plan.rung],
            "promoted": finished[plan.rung + 1],
            "diverged": diverged[plan.rung],
        }
        for plan in run.rungs
    ]

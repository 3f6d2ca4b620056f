"""Draws the report's two sections on threads: each thread's jobs over time, and the speed-up with more threads."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import counted, show, show_seconds
from ash.history.records import Columns
from ash.report.chart import STAR, Canvas, Chart, Key, Scale, axes, circle, polyline, square, star, triangle
from ash.report.markup import Markup, table, tag
from ash.report.story import Section, Story
from ash.simulation.simulate import TEAM_EFFICIENCY, speedups_of

TIMELINE = Canvas(width=880.0, height=72.0, left=56.0, right=16.0, top=26.0, bottom=46.0)
"""The size of the picture before the height of its rows is added."""
ROW, LEAST_ROW, MOST_HEIGHT = 26.0, 6.0, 640.0
MOST_BARS = 6000
MOST_TICKS = 16

_STROKES = tag("path", d="M-1 1L1 -1M0 6L6 0M5 7L7 5", class_="hatch")
HATCH = tag("defs", tag("pattern", _STROKES, id="hatch", width="6", height="6", patternUnits="userSpaceOnUse"))

SCALING = Canvas(width=640.0, height=420.0, left=56.0, right=16.0, top=34.0, bottom=50.0)


def timeline(story: Story) -> Section:
    """Return the section on the threads, with one bar per job."""
    return Section("timeline", "Threads", timeline_chart(story).figure())


def timeline_chart(story: Story) -> Chart:
    """Return the chart of the jobs of each thread over time; see `Result.plot_timeline`."""
    history = story.history
    jobs, assists = (_shown(rows, story.known) for rows in (history.columns, history.assists))
    left_out = len(history.columns["rung"]) - len(jobs["rung"]) + len(history.assists["rung"]) - len(assists["rung"])
    threads = f"{counted(history.threads, 'thread')} {'was' if history.threads == 1 else 'were'}"
    teams = " Hatched bars show a thread that helped with a job of another one." if len(assists["rung"]) else ""
    shorter = f" {left_out:,} bars, the shortest ones and those of candidates that are not shown, are left out."
    caption = (
        f"Each bar is a job on its thread, stronger the higher its rung.{teams} {threads} busy for "
        f"{history.utilization:.0%} of {show_seconds(history.wall_seconds)}.{shorter if left_out else ''}"
    )
    keys = []
    for rung in history.rungs:
        mark = tag("rect", x="-8", y="-5", width="16", height="10", class_=story.shade(rung["rung"]))
        keys.append((tag("g", mark, class_="bars"), f"rung {rung['rung']}"))
    row = float(np.clip(MOST_HEIGHT / history.threads, LEAST_ROW, ROW))
    canvas = replace(TIMELINE, height=TIMELINE.height + row * history.threads)
    x = canvas.across(0.0, max(history.wall_seconds, float(history.columns["end"].max())))
    y = canvas.upwards(history.threads - 0.5, -0.5)
    every = 1 + (history.threads - 1) // MOST_TICKS
    ticks = [(float(thread), str(thread)) for thread in range(0, history.threads, every)]
    frame = axes(x, y, "seconds", "thread", None, ticks)
    groups = _bars(story, jobs, x, y, row * 0.8, "bars") + _bars(story, assists, x, y, row * 0.8, "bars team")
    description = (
        f"{len(history.columns['rung']):,} jobs and {len(history.assists['rung']):,} times of help on "
        f"{history.threads} threads, {history.utilization:.0%} busy"
    )
    marks = [HATCH, frame, *groups]
    return Chart("timeline-chart", canvas, "Jobs by thread and time", description, marks, caption, keys, "wide")


def _bars(story: Story, rows: Columns, x: Scale, y: Scale, height: float, kind: str) -> list[Markup]:
    """Return one SVG group per rung, with one bar per row."""
    groups = []
    for rung in np.unique(rows["rung"]).tolist():
        own = {name: rows[name][rows["rung"] == rung] for name in ("start", "end", "thread", "candidate")}
        starts, ends, tops = x(own["start"]), x(own["end"]), y(own["thread"]) - height / 2
        places = zip(starts.tolist(), ends.tolist(), tops.tolist(), own["candidate"].tolist(), strict=True)
        bars = [
            tag("rect", x=start, y=top, width=max(end - start, 0.3), height=height, data_c=candidate)
            for start, end, top, candidate in places
        ]
        groups.append(tag("g", *bars, class_=f"{kind} {story.shade(rung)}"))
    return groups


def _shown(rows: Columns, candidates: NDArray[np.int64]) -> Columns:
    """Return the rows of these candidates, at most the MOST_BARS longest ones, in their order."""
    chosen = np.flatnonzero(np.isin(rows["candidate"], candidates))
    if len(chosen) > MOST_BARS:
        shortest_last = np.argsort((rows["start"] - rows["end"])[chosen], kind="stable")
        chosen = np.sort(chosen[shortest_last[:MOST_BARS]])
    return {name: column[chosen] for name, column in rows.items()}


def scaling(story: Story) -> Section:
    """Return the section on scaling: speed-up by number of threads, simulated from the costs of the run."""
    if not story.over:
        return Section("scaling", "Scaling", tag("p", "Scaling is simulated once the run has ended."))
    return Section("scaling", "Scaling", scaling_chart(story).figure())


def scaling_chart(story: Story, threads: int | Sequence[int] | None = None) -> Chart:
    """Return the chart of the speed-up on these threads, and on those of the run; see `Result.plot_scaling`."""
    history = story.history
    found = speedups_of(history, threads)
    gains = dict(zip(found.threads, found.alone if found.shared is None else found.shared, strict=True))
    seconds = {count: history.wall_seconds * gains[history.threads] / gain for count, gain in gains.items()}
    told = [f"{show_seconds(seconds[more])} on {more}" for more in (8, 64) if history.threads < more in seconds]
    simulated = f"; by simulation the same jobs take {' and '.join(told)}" if told else ""
    caption = (
        "Speed-up by number of threads, simulated with the ladder and schedule of this run and the measured time of "
        f"each job. This run reached {show(found.measured)} on {history.threads} and took "
        f"{show_seconds(history.wall_seconds)}{simulated}. No schedule without teams can beat the dash-dotted line, "
        "since the jobs of one candidate run one after another. The line with barriers "
        "assumes that all jobs of a rung take equally long."
    )
    lines = [
        ("even", "bound with teams, W/p", [float(count) for count in found.threads]),
        ("bound", "bound without teams, max(W/p, D)", found.bound),
        ("barriers", "SH with barriers, equal jobs", found.halving),
        ("alone", "simulated, without teams", found.alone),
    ]
    if found.shared is not None:
        lines.append(("shared", f"simulated, teams of {TEAM_EFFICIENCY:.0%}", found.shared))
    top = max(found.threads)
    x = SCALING.across(1.0, top, room=0.03, log=True)
    y = SCALING.upwards(min(1.0, found.measured, *found.alone), top, room=0.03, log=True)
    ticks = [(float(2**power), str(2**power)) for power in range(top.bit_length()) if 2**power <= top]
    marks = [axes(x, y, "threads p", "speed-up", ticks, ticks)]
    for name, _, values in lines:
        places = [(x.at(count), y.at(value)) for count, value in zip(found.threads, values, strict=True)]
        marks.append(tag("g", polyline(places), *(_mark(name, *place) for place in places), class_=f"scaling {name}"))
    marks.append(tag("g", star(x.at(history.threads), y.at(found.measured), 10), class_="winner"))
    line = tag("line", x1="-9", x2="9", y1="0", y2="0")
    keys: list[Key] = [(tag("g", line, _mark(name, 0, 0), class_=f"scaling {name}"), text) for name, text, _ in lines]
    keys.append((STAR, f"this run, measured on {history.threads}"))
    description = "without teams: " + ", ".join(
        f"{gain:.2f} on {count}" for count, gain in zip(found.threads, found.alone, strict=True)
    )
    rows = [
        [str(count), show_seconds(seconds[count]), *(f"{values[place]:.2f}" for _, _, values in lines)]
        for place, count in enumerate(found.threads)
    ]
    head = ["threads", "time of the same jobs", *(text for _, text, _ in lines)]
    title = "Speed-up by threads"
    more = table(head, rows, title, "numbers")
    return Chart("scaling-chart", SCALING, title, description, marks, caption, keys, "medium", more)


def _mark(name: str, x: float, y: float) -> Markup | None:
    if name == "barriers":
        return square(x, y, 3)
    if name == "shared":
        return triangle(x, y, 4)
    return circle(x, y, 4) if name == "alone" else None

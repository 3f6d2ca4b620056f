"""Draws the report's two sections on threads: each thread's jobs over time, and the speed-up with more threads."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import counted, show, show_seconds
from ash.history.records import Columns
from ash.report.chart import STAR, Canvas, Scale, axes, circle, figure, legend, polyline, square, star, svg, triangle
from ash.report.facts import Facts, Section
from ash.report.markup import Markup, join, table, tag
from ash.simulation.simulate import TEAM_EFFICIENCY, THREADS, Speedups, speedups_of

TIMELINE = Canvas(width=880.0, height=72.0, left=56.0, right=16.0, top=26.0, bottom=46.0)
"""The size of the picture before the height of its rows is added."""
ROW, LEAST_ROW, MOST_HEIGHT = 26.0, 6.0, 640.0
MOST_BARS = 6000
MOST_TICKS = 16

HATCH = tag(
    "defs",
    tag(
        "pattern",
        tag("path", d="M-1 1L1 -1M0 6L6 0M5 7L7 5", class_="hatch"),
        id="hatch",
        width="6",
        height="6",
        patternUnits="userSpaceOnUse",
    ),
)

SCALING = Canvas(width=640.0, height=420.0, left=56.0, right=16.0, top=34.0, bottom=50.0)


def timeline(facts: Facts) -> Section:
    """Return the section on the threads, with one bar per job."""
    history = facts.history
    jobs, assists = (_longest(_of(rows, facts.known)) for rows in (history.columns, history.assists))
    left_out = len(history.columns["rung"]) - len(jobs["rung"]) + len(history.assists["rung"]) - len(assists["rung"])
    threads = f"{counted(history.threads, 'thread')} {'was' if history.threads == 1 else 'were'}"
    teams = " Hatched bars show a thread that helped with a job of another one." if len(assists["rung"]) else ""
    shorter = f" {left_out:,} bars, the shortest ones and those of candidates that are not shown, are left out."
    caption = (
        f"Each bar is a job on its thread, stronger the higher its rung.{teams} {threads} busy for "
        f"{history.utilization:.0%} of {show_seconds(history.wall_seconds)}.{shorter if left_out else ''}"
    )
    entries = []
    for row in history.rungs:
        mark = tag("rect", x="-8", y="-5", width="16", height="10", class_=f"bar-{facts.shade(row['rung'])}")
        entries.append((mark, f"rung {row['rung']}"))
    picture = _timeline_picture(facts, jobs, assists)
    drawn = figure(picture, caption, legend(entries), kind="wide", label="Timeline of the threads")
    return Section("timeline", "Threads", drawn)


def _timeline_picture(facts: Facts, jobs: Columns, assists: Columns) -> Markup:
    history = facts.history
    row = float(np.clip(MOST_HEIGHT / history.threads, LEAST_ROW, ROW))
    canvas = replace(TIMELINE, height=TIMELINE.height + row * history.threads)
    x = canvas.across(0.0, max(history.wall_seconds, float(history.columns["end"].max())))
    y = canvas.upwards(history.threads - 0.5, -0.5)
    every = 1 + (history.threads - 1) // MOST_TICKS
    ticks = [(float(thread), str(thread)) for thread in range(0, history.threads, every)]
    frame = axes(x, y, "seconds", "thread", None, ticks)
    groups = _bars(facts, jobs, x, y, row * 0.8, "bars") + _bars(facts, assists, x, y, row * 0.8, "bars team")
    description = (
        f"{len(history.columns['rung']):,} jobs and {len(history.assists['rung']):,} times of help on "
        f"{history.threads} threads, {history.utilization:.0%} busy"
    )
    return svg("timeline-chart", canvas, "Jobs by thread and time", description, HATCH, frame, *groups)


def _bars(facts: Facts, rows: Columns, x: Scale, y: Scale, height: float, kind: str) -> list[Markup]:
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
        groups.append(tag("g", *bars, class_=f"{kind} bar-{facts.shade(rung)}"))
    return groups


def _of(rows: Columns, candidates: NDArray[np.int64]) -> Columns:
    """Return the rows whose candidate is in `candidates`."""
    chosen = np.isin(rows["candidate"], candidates)
    return rows if chosen.all() else {name: column[chosen] for name, column in rows.items()}


def _longest(rows: Columns) -> Columns:
    """Return the rows in order; if there are too many to draw, return only those with the longest durations."""
    if len(rows["start"]) <= MOST_BARS:
        return rows
    longest = np.sort(np.argsort(rows["start"] - rows["end"], kind="stable")[:MOST_BARS])
    return {name: column[longest] for name, column in rows.items()}


def scaling(facts: Facts) -> Section:
    """Return the section on scaling: speed-up by number of threads, simulated from the costs of the run."""
    if not facts.over:
        return Section("scaling", "Scaling", tag("p", "Scaling is simulated once the run has ended."))
    history = facts.history
    found = speedups_of(history, sorted({*THREADS, history.threads}))
    gains = dict(zip(found.threads, found.alone if found.shared is None else found.shared, strict=True))
    seconds = {threads: history.wall_seconds * gains[history.threads] / gain for threads, gain in gains.items()}
    told = [f"{show_seconds(seconds[threads])} on {threads}" for threads in (8, 64) if threads > history.threads]
    simulated = f"; by simulation the same jobs take {' and '.join(told)}" if told else ""
    caption = (
        "Speed-up by number of threads, simulated with the ladder and schedule of this run and the measured time of "
        f"each job. This run reached {show(found.measured)} on {history.threads} and took "
        f"{show_seconds(history.wall_seconds)}{simulated}. No schedule without teams can beat the dash-dotted line, "
        "since the jobs of one candidate run one after another. The line with barriers "
        "assumes that all jobs of a rung take equally long."
    )
    keys = _scaling_legend(found, history.threads)
    drawn = figure(_scaling_picture(facts, found), caption, keys, kind="medium", label="Scaling")
    return Section("scaling", "Scaling", join(drawn, _speedup_table(found, seconds)))


def _lines(found: Speedups) -> list[tuple[str, str, list[float]]]:
    """Return the CSS class, the name and the speed-ups (one per number of threads) of each line."""
    lines = [
        ("even", "bound with teams, W/p", [float(count) for count in found.threads]),
        ("bound", "bound without teams, max(W/p, D)", found.bound),
        ("barriers", "SH with barriers, equal jobs", found.halving),
        ("alone", "simulated, without teams", found.alone),
    ]
    shared = [] if found.shared is None else [("shared", f"simulated, teams of {TEAM_EFFICIENCY:.0%}", found.shared)]
    return lines + shared


def _scaling_picture(facts: Facts, found: Speedups) -> Markup:
    top = max(found.threads)
    x = SCALING.across(1.0, top, room=0.03, log=True)
    y = SCALING.upwards(min(1.0, found.measured, *found.alone), top, room=0.03, log=True)
    ticks = [(float(2**power), str(2**power)) for power in range(top.bit_length()) if 2**power <= top]
    frame = axes(x, y, "threads p", "speed-up", ticks, ticks)
    drawn = []
    for name, _, values in _lines(found):
        places = [(x.at(count), y.at(value)) for count, value in zip(found.threads, values, strict=True)]
        marks = [_mark(name, *place) for place in places]
        drawn.append(tag("g", polyline(places), *marks, class_=f"scaling {name}"))
    here = tag("g", star(x.at(facts.history.threads), y.at(found.measured), 10), class_="winner")
    gains = zip(found.threads, found.alone, strict=True)
    description = "without teams: " + ", ".join(f"{gain:.2f} on {count}" for count, gain in gains)
    return svg("scaling-chart", SCALING, "Speed-up by threads", description, frame, *drawn, here)


def _mark(name: str, x: float, y: float) -> Markup | None:
    if name == "barriers":
        return square(x, y, 3)
    if name == "shared":
        return triangle(x, y, 4)
    return circle(x, y, 4) if name == "alone" else None


def _scaling_legend(found: Speedups, threads: int) -> Markup:
    line = tag("line", x1="-9", x2="9", y1="0", y2="0")
    entries = [(tag("g", line, _mark(name, 0, 0), class_=f"scaling {name}"), text) for name, text, _ in _lines(found)]
    return legend([*entries, (STAR, f"this run, measured on {threads}")])


def _speedup_table(found: Speedups, seconds: Mapping[int, float]) -> Markup:
    lines = _lines(found)
    rows = [
        [str(count), show_seconds(seconds[count]), *(f"{values[place]:.2f}" for _, _, values in lines)]
        for place, count in enumerate(found.threads)
    ]
    head = ["threads", "time of the same jobs", *(text for _, text, _ in lines)]
    return table(head, rows, "Speed-up by threads", "numbers")

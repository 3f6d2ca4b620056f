"""The section of the threads: which of them trained which rung when, and who helped whom."""

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import show_seconds
from ash.history.records import Columns
from ash.report.chart import axes, counted, figure, legend, svg
from ash.report.facts import Facts, Section
from ash.report.marks import shade
from ash.report.markup import Markup, join, num, tag
from ash.report.scale import Scale

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 880.0, 56.0, 16.0, 26.0, 46.0
ROW, LEAST_ROW, MOST_HEIGHT = 26.0, 6.0, 640.0
MOST_BARS = 6000
MOST_TICKS = 16

HATCH = join(
    tag(
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
)


def timeline(facts: Facts) -> Section:
    """Return the section."""
    history = facts.history
    jobs, assists = (_longest(_of(table, facts.known)) for table in (history.columns, history.assists))
    left_out = len(history.columns["rung"]) - len(jobs["rung"]) + len(history.assists["rung"]) - len(assists["rung"])
    threads = f"{counted(history.threads, 'thread')} {'was' if history.threads == 1 else 'were'}"
    teams = " Hatched bars are a thread that helped in a job of another." if len(assists["rung"]) else ""
    shorter = (
        f" {left_out:,} bars, the shortest and those of candidates that are not shown, are left out."
        if left_out
        else ""
    )
    caption = (
        f"A bar is a job on its thread, stronger the higher its rung.{teams} {threads} busy for "
        f"{history.utilization:.0%} of {show_seconds(history.wall_seconds)}.{shorter}"
    )
    entries = [
        (
            tag("rect", x="-8", y="-5", width="16", height="10", class_=f"bar-{shade(row['rung'], facts.rungs)}"),
            f"rung {row['rung']}",
        )
        for row in history.rungs
    ]
    drawn = figure(
        _picture(facts, jobs, assists), caption, legend(entries), kind="wide", label="Timeline of the threads"
    )
    return Section("timeline", "Threads", drawn)


def _picture(facts: Facts, jobs: Columns, assists: Columns) -> Markup:
    history = facts.history
    row = float(np.clip(MOST_HEIGHT / history.threads, LEAST_ROW, ROW))
    height = TOP + row * history.threads + BOTTOM
    x = Scale(0.0, max(history.wall_seconds, float(history.columns["end"].max())), LEFT, WIDTH - RIGHT)
    y = Scale(-0.5, history.threads - 0.5, TOP, TOP + row * history.threads)
    every = 1 + (history.threads - 1) // MOST_TICKS
    ticks = [(float(thread), str(thread)) for thread in range(0, history.threads, every)]
    frame = axes(x, Scale(y.high, y.low, y.stop, y.start), "seconds", "thread", None, ticks)
    groups = [
        *_bars(facts, jobs, x, y, row * 0.8, "bars"),
        *_bars(facts, assists, x, y, row * 0.8, "bars team"),
    ]
    description = (
        f"{len(history.columns['rung']):,} jobs and {len(history.assists['rung']):,} times of help on "
        f"{history.threads} threads, {history.utilization:.0%} busy"
    )
    return svg("timeline-chart", WIDTH, height, "Jobs by thread and time", description, HATCH, frame, *groups)


def _bars(facts: Facts, table: Columns, x: Scale, y: Scale, height: float, kind: str) -> list[Markup]:
    """Return a group of bars for each rung."""
    groups = []
    for rung in np.unique(table["rung"]).tolist():
        rows = np.flatnonzero(table["rung"] == rung)
        starts, ends, middles = x(table["start"][rows]), x(table["end"][rows]), y(table["thread"][rows])
        bars = []
        for start, end, middle, number in zip(
            starts.tolist(), ends.tolist(), middles.tolist(), table["candidate"][rows].tolist(), strict=True
        ):
            box = {
                "x": num(start),
                "y": num(middle - height / 2),
                "width": num(max(end - start, 0.3)),
                "height": num(height),
            }
            bars.append(tag("rect", **box, data_c=number))
        groups.append(tag("g", *bars, class_=f"{kind} bar-{shade(rung, facts.rungs)}"))
    return groups


def _of(table: Columns, candidates: NDArray[np.int64]) -> Columns:
    """Return the rows of these candidates."""
    rows = np.isin(table["candidate"], candidates)
    return table if rows.all() else {name: column[rows] for name, column in table.items()}


def _longest(table: Columns) -> Columns:
    """Return the longest rows of a table with start and end, in their order, if there are too many to draw."""
    if len(table["start"]) <= MOST_BARS:
        return table
    rows = np.sort(np.argsort(table["start"] - table["end"], kind="stable")[:MOST_BARS])
    return {name: column[rows] for name, column in table.items()}

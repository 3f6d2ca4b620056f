"""Summarizes the searches of each peer in one recorded row, and generates the page and README table from these rows.

A row has spreads over the seeds. `times_ash` is the spread of the ratios of the peer's seconds to those of the paired
search by ash. `test_ash` is the median of ash's test accuracy minus the peer's. `reached` has the seconds until a
candidate had at least a certain score: any score, TARGET, ash's final score and, for ash, the peer's final score. Each
is the median over the seeds that reached the score, with the number of these seeds. `path` has the best score so far by
time, for the first seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import Dots, Line, Picture, Plot, Section, Table, item_lines, ratios, shown, spread, verdict

OURS = "ash"
TARGET = 0.97  # validation accuracy
MB = 1e6
Search = Mapping[str, Any]  # the result of a search, as bench/peers/task.py returns it
Row = Mapping[str, Any]  # the recorded summary of a peer in one setting


def summary(searches: Sequence[Search], ours: Sequence[Search]) -> dict[str, Any]:
    """Summarize a peer's searches as a row; `searches` and `ours` have one search per seed, in the same order."""
    pairs = list(zip(searches, ours, strict=True))
    moments = {
        "any score": [reached(own["path"], 0.0) for own in searches],
        f"{TARGET:g}": [reached(own["path"], TARGET) for own in searches],
        "ash's final": [reached(own["path"], other["validation"]) for own, other in pairs],
        "ash to theirs": [reached(other["path"], own["validation"]) for own, other in pairs],
    }
    return {
        "seeds": len(searches),
        **{name: spread([own[name] for own in searches]) for name in ("seconds", "validation", "test")},
        **{name: statistics.median(own[name] for own in searches) for name in ("epochs", "peak_bytes")},
        "times_ash": ratios([own["seconds"] for own in searches], [other["seconds"] for other in ours]),
        "test_ash": statistics.median(other["test"] - own["test"] for own, other in pairs),
        "reached": {name: _median(values) for name, values in moments.items()},
        "path": searches[0]["path"],
    }


def reached(path: Sequence[Sequence[float]], score: float) -> float | None:
    """Return the seconds until a candidate had at least this score; None if no candidate had."""
    return next((seconds for seconds, best in path if best >= score), None)


def _median(values: Sequence[float | None]) -> tuple[float | None, int]:
    found = [value for value in values if value is not None]
    return (statistics.median(found) if found else None), len(found)


def spaces(values: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the rows by space."""
    found: dict[str, list[Row]] = {}
    for row in values.values():
        found.setdefault(row["space"], []).append(row)
    return found


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return two tables per space, and the pictures."""
    found = spaces(values)
    plots = [_plot(space, rows) for space, rows in found.items() if any("path" in row for row in rows)]
    tables = [table for space, rows in found.items() for table in (_totals(space, rows), _moments(space, rows))]
    bars = [Picture("tuners", [_dots(next(iter(found.values())))], columns=1)] if plots else []
    return [*tables, *([Picture("peers", plots)] if plots else []), *bars]


def _best_settings(rows: Sequence[Row]) -> dict[str, Row]:
    """Return the row of each tuner's first measured setting, which is its best."""
    first = {row["name"]: row for row in reversed(rows) if "seconds" in row}
    return {name: first[name] for name in dict.fromkeys(row["name"] for row in rows) if name in first}


def _dots(rows: Sequence[Row]) -> Dots:
    """Return the plot of each tuner's seconds in its best setting."""
    best = _best_settings(rows)
    seconds = {name: row["seconds"]["median"] for name, row in best.items()}
    seconds = dict(sorted(seconds.items(), key=lambda item: item[1]))
    notes = {name: f"{each:.3g} s, test accuracy {best[name]['test']['median']:.3f}" for name, each in seconds.items()}
    return Dots("128 candidates on digits, on two cores", "seconds of the whole search", seconds, notes)


def _label(row: Row) -> str:
    return str(row["name"]) if row["name"] == OURS else f"{row['name']}: {row['setting']}"


def _totals(space: str, rows: Sequence[Row]) -> Table:
    header = ["search", "seeds", "seconds", "by ash", "required", "validation", "test accuracy", "ash - theirs"]
    return Table(
        f"Space: {space}",
        [*header, "epochs", "peak MB"],
        [_total(row) for row in rows],
        "Minimum / median / maximum over the seeds. By ash: the median ratio of the seconds to those of ash for the "
        "same seed. ash - theirs: test accuracy in points, median over the seeds; below 0 the model of ash is worse.",
    )


def _total(row: Row) -> list[str]:
    if "skipped" in row:
        return [_label(row), "0", row["skipped"], *["-"] * 7]
    ours, times = row["name"] == OURS, row["times_ash"]["median"]
    losing = row["required"] is not None and row["test_ash"] < 0
    return [
        _label(row),
        str(row["seeds"]),
        shown(row["seconds"], ".2f"),
        "1" if ours else f"{times:.1f}",
        verdict(times, ">=", row["required"]) + (", worse test" if losing else ""),
        f"{row['validation']['median']:.4f}",
        f"{row['test']['min']:.4f} .. {row['test']['max']:.4f}",
        "-" if ours else f"{100 * row['test_ash']:+.2f}",
        f"{row['epochs']:.0f}",
        f"{row['peak_bytes'] / MB:.1f}",
    ]


def _moments(space: str, rows: Sequence[Row]) -> Table:
    found = [row for row in rows if "reached" in row]
    names = list(found[0]["reached"]) if found else []
    return Table(
        f"Space: {space}; seconds until a candidate has a validation accuracy",
        ["search", *names],
        [[_label(row), *(_moment(row["reached"][name], row["seeds"]) for name in names)] for row in found],
        "Medians over the seeds that reached it, and how many did where not all. Any score: what starting takes is "
        "before it. ash's final: until it has the final score of ash for the same seed. ash to theirs: until ash has "
        "theirs. Dask-ML scores by other rows than the others, and 5 folds by the rows of any fold.",
    )


def _moment(reached: Sequence[Any], seeds: int) -> str:
    seconds, count = reached
    if seconds is None:
        return "never"
    return f"{seconds:.2f}" if count == seeds else f"{seconds:.2f} ({count} of {seeds})"


def _plot(space: str, rows: Sequence[Row]) -> Plot:
    """Return the plot of each peer's best score over time in its first setting, which is its best."""
    first = {row["name"]: Line(row["name"], dict(row["path"])) for row in reversed(rows) if row.get("path")}
    lines = [first[name] for name in dict.fromkeys(row["name"] for row in rows) if name in first]
    return Plot(f"Best validation accuracy so far, {space}", "seconds", "validation accuracy", lines, ("x",))


def readme(values: Mapping[str, Any]) -> list[str]:
    """Return the README's lines: the other tuners' times divided by ash's in the first space, and test accuracies."""
    others = _best_settings(next(iter(spaces(values).values())))
    if OURS not in others:
        return ["  Searches have not been measured."]
    ours = others.pop(OURS)
    times = [row["times_ash"]["median"] for row in others.values()]
    tests = [row["test"]["median"] for row in others.values()]
    return item_lines(
        f"128 candidates on digits, in one search space, take {ours['seconds']['median']:.3g} s, for a test accuracy "
        f"of {ours['test']['median']:.3f}. {len(times)} other tools take {min(times):.0f} to {max(times):.0f} times as "
        f"long (medians of ratios), for a test accuracy of {min(tests):.3f} to {max(tests):.3f}."
    )

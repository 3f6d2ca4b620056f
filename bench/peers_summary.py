"""From the cases of bench/peers.py to one line for each peer and setting, and from these to tables and a plot."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import shown, spread, verdict
from bench.sections import Line, Plot, Section, Table

OURS = "ash"
TARGETS = (0.95, 0.97)  # validation accuracies
MB = 1e6
Row = dict[str, Any]


def summary(results: Mapping[str, Any]) -> list[Row]:
    """Return a line for each space, peer and setting, in the order of the cases.

    space, name, setting, required; skipped: why there is nothing else. seeds; seconds, validation, test, epochs,
    peak_bytes: spreads over seeds; times_ash: the median of seconds by that of `ash` over the same seeds; test_ash: the
    median of the differences of `ash`'s test accuracy and theirs, seed by seed; to_first: the seconds to the first
    score, a list over seeds; to_target: the same to each of TARGETS, None where it was not reached; ash_to_theirs: the
    same of `ash` to their final score, and to_ash: theirs to that of `ash`; path: (seconds, best score) of a seed.
    """
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for value in results.values():
        groups[value["space"], value["name"], value["setting"]].append(value)
    ours = {(row["space"], row["seed"]): row for key, runs in groups.items() if key[1] == OURS for row in merged(runs)}
    return [_line(runs, ours) for runs in groups.values()]


def merged(runs: Sequence[Row]) -> list[Row]:
    """Return one run for each seed: of several the one of median time, which all come to the same."""
    seeds: dict[int, list[Row]] = defaultdict(list)
    for run in runs:
        if "skipped" not in run:
            seeds[run["seed"]].append(run)
    return [sorted(several, key=lambda run: float(run["seconds"]))[len(several) // 2] for several in seeds.values()]


def reached(path: Sequence[Sequence[float]], score: float) -> float | None:
    """Return the seconds after which a candidate scored at least that."""
    return next((seconds for seconds, best in path if best >= score), None)


def _line(runs: Sequence[Row], ours: Mapping[tuple[str, int], Row]) -> Row:
    line: Row = {name: runs[0][name] for name in ("space", "name", "setting", "required")}
    mine = merged(runs)
    if not mine:
        return {**line, "skipped": runs[0]["skipped"]}
    pairs = [(run, ours[run["space"], run["seed"]]) for run in mine]
    median = statistics.median(other["seconds"] for _, other in pairs)
    for name in ("validation", "test", "epochs", "peak_bytes"):
        line[name] = spread([run[name] for run in mine])
    return {
        **line,
        "skipped": None,
        "seeds": len(mine),
        "seconds": spread([run["seconds"] for run in (runs if line["name"] == OURS else mine)]),
        "times_ash": statistics.median(run["seconds"] for run in mine) / median,
        "test_ash": statistics.median(other["test"] - run["test"] for run, other in pairs),
        "to_first": [reached(run["path"], 0.0) for run in mine],
        "to_target": {f"{target:g}": [reached(run["path"], target) for run in mine] for target in TARGETS},
        "ash_to_theirs": [reached(other["path"], run["validation"]) for run, other in pairs],
        "to_ash": [reached(run["path"], other["validation"]) for run, other in pairs],
        "path": mine[0]["path"],
    }


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return two tables and a plot for each space."""
    rows = summary(results)
    made: list[Section] = []
    for number, space in enumerate(dict.fromkeys(row["space"] for row in rows)):
        lines = [row for row in rows if row["space"] == space]
        made += [_totals(space, lines), _targets(space, lines)]
        made += [_plot(space, number, lines)] if any(not row["skipped"] for row in lines) else []
    return made


def _label(row: Row) -> str:
    return row["name"] if row["name"] == OURS else f"{row['name']}: {row['setting']}"


def _totals(space: str, rows: Sequence[Row]) -> Table:
    header = ["whole searches", "seeds", "seconds", "by ash", "required", "validation", "test accuracy"]
    return Table(
        f"Peers, {space}: the same rows, split and space, as many candidates",
        [*header, "ash - theirs", "epochs", "peak MB"],
        [_total(row) for row in rows],
        "Spreads are minimum / median / maximum over seeds. by ash: the median of seconds by that of ash for the same "
        "seeds. ash - theirs: of the test accuracy, in points, median over seeds; below 0 ash's model is worse. "
        "What is not installed comes with pip install '.[bench]'.",
    )


def _total(row: Row) -> list[str]:
    if row["skipped"]:
        return [_label(row), "0", row["skipped"].split(":")[0], *["-"] * 7]
    ours = row["name"] == OURS
    losing = row["required"] is not None and row["test_ash"] < 0
    return [
        _label(row),
        str(row["seeds"]),
        shown(row["seconds"], ".2f"),
        "1" if ours else f"{row['times_ash']:.1f}",
        verdict(row["times_ash"], ">=", row["required"]) + (", worse test" if losing else ""),
        f"{row['validation']['median']:.4f}",
        f"{row['test']['min']:.4f} .. {row['test']['max']:.4f}",
        "-" if ours else f"{100 * row['test_ash']:+.2f}",
        f"{row['epochs']['median']:.0f}",
        f"{row['peak_bytes']['median'] / MB:.1f}",
    ]


def _targets(space: str, rows: Sequence[Row]) -> Table:
    return Table(
        f"Peers, {space}: seconds to a validation accuracy",
        [
            "until a candidate has it",
            "any score",
            *(f"{target:g}" for target in TARGETS),
            "ash's final",
            "ash to theirs",
            "theirs",
        ],
        [
            [
                _label(row),
                _seconds(row["to_first"]),
                *(_seconds(row["to_target"][f"{target:g}"]) for target in TARGETS),
                _seconds(row["to_ash"]),
                _seconds(row["ash_to_theirs"]),
                f"{row['seconds']['median']:.2f}",
            ]
            for row in rows
            if not row["skipped"]
        ],
        "Medians over the seeds that reached it, whose number stands behind where it is not all. "
        "any score: what starting takes is before it. ash's final: until "
        "it has the final score of ash for the same seed. ash to theirs: until ash has theirs; theirs: their whole "
        "search. Dask-ML scores by other rows than the others, and 5 folds by the rows of any fold.",
    )


def _seconds(values: Sequence[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "never"
    text = f"{statistics.median(found):.2f}"
    return text if len(found) == len(values) else f"{text} ({len(found)} of {len(values)})"


def _plot(space: str, number: int, rows: Sequence[Row]) -> Plot:
    """Draw the best score so far of the first seed."""
    lines = [Line(_label(row), dict(row["path"])) for row in rows if not row["skipped"] and row["path"]]
    name = "peers" if number == 0 else f"peers_{number + 1}"
    return Plot(name, f"Best validation accuracy so far, {space}", "seconds", "validation accuracy", lines, ("x",))

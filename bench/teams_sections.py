"""The tables of teams.py, from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.figures import ratios, shown, spread, verdict
from bench.schedule_places import ALONE, TOGETHER
from bench.sections import Section, Table
from bench.teams_networks import OPTIMIZERS, WIDE

WIDE_NAMES = {replace(WIDE, optimizer=optimizer).name for optimizer in OPTIMIZERS}
REQUIRED_SPEEDUP, REQUIRED_WORK, REQUIRED_SPEED, REQUIRED_MANY = 1.7, 1.1, 0.98, 1.1


def wide_speedup(results: Mapping[str, Any]) -> dict[str, float]:
    """Return minimum, median and maximum of what a team of 2 brings to a step of 64-256-256-10 @ 128, momentum."""
    found: dict[str, float] = results[f"step, {WIDE.name}, 2 threads"]["speedup"]
    return found


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return steps, whole runs, never slower and oversubscribed."""
    return [
        _steps(_of(results, "step")),
        _whole(_of(results, "run")),
        _never_slower([*_of(results, "idle"), *_of(results, "loaded")]),
        _oversubscribed(_of(results, "oversubscribed")),
    ]


def _of(results: Mapping[str, Any], part: str) -> list[Any]:
    return [value for key, value in results.items() if key.startswith(f"{part}, ")]


def _steps(found: Sequence[Mapping[str, Any]]) -> Table:
    header = ["step", "threads", "M multiply-adds", "tuner", "round trip ns", "quiet us", "alone us", "shared us"]
    return Table(
        "A training step alone and shared by a team",
        [*header, "speed-up min/med/max", "required"],
        [_step_row(each) for each in found],
        "Below 1 the team costs time. The tuner forms none where a step is too small, as 'tuner' says.",
    )


def _step_row(found: Mapping[str, Any]) -> list[str]:
    required = REQUIRED_SPEEDUP if found["network"] in WIDE_NAMES and found["threads"] == 2 else None
    return [
        found["network"],
        str(found["threads"]),
        f"{found['multiply_adds'] / 1e6:.2f}",
        f"team of {found['formed_by_tuner']}" if found["formed_by_tuner"] > 1 else "no team",
        f"{found['round_trip_ns']:.0f}",
        *(f"{found[name]['median']:.1f}" for name in ("quiet_us", "alone_us", "shared_us")),
        shown(found["speedup"], ".2f"),
        verdict(found["speedup"]["median"], ">=", required),
    ]


def _whole(found: Sequence[Mapping[str, Any]]) -> Table:
    rounds = [each["runs"] for each in found]
    works = [each[ALONE.name]["work"] for each in rounds]
    rows = []
    for name in rounds[0]:
        walls, threads = [each[name]["wall"] for each in rounds], 1 if name == ALONE.name else TOGETHER.threads
        ratio = ratios(walls, [work / threads for work in works])
        required = REQUIRED_WORK if name == TOGETHER.name else None
        rows.append([name, shown(spread(walls)), shown(ratio), verdict(ratio["median"], "<=", required)])
    return Table(
        f"Whole runs: {found[0]['candidates']} candidates of {WIDE.name}; one thread's work W {shown(spread(works))} s",
        ["", "seconds min/med/max", "by W/p", "required"],
        rows,
        "1 would be a run in which no thread is ever idle and nothing is lost by sharing memory.",
    )


def _never_slower(found: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            each["network"],
            "all cores busy" if each["loaded"] else "idle",
            f"{1e3 * each['alone']['median']:.1f}",
            shown(each["speed"], ".2f"),
            f"{each['speed_of_sums']:.3f}",
            shown(each["control"], ".2f"),
            verdict(each["speed"]["median"], ">=", REQUIRED_SPEED),
        ]
        for each in found
    ]
    return Table(
        f"Never slower: one candidate with a team against without, on {found[0]['threads']} threads",
        ["run", "machine", "alone ms", "speed min/med/max", "of sums", "control", "required"],
        rows,
        "Speed is the time without a team by that with one; control the same of two runs without, so its distance from "
        "1 is noise.",
    )


def _oversubscribed(found: Sequence[Mapping[str, Any]]) -> Table:
    rounds = [each["runs"] for each in found]
    base, *_ = rounds[0]
    rows = []
    for name in rounds[0]:
        wall, cpu = ([each[name][column] for each in rounds] for column in ("wall", "cpu"))
        wall_ratio = ratios(wall, [each[base]["wall"] for each in rounds])
        cpu_ratio = ratios(cpu, [each[base]["cpu"] for each in rounds])
        required = verdict(wall_ratio["median"], "<=", None if name == base else REQUIRED_MANY)
        rows.append([name, shown(spread(wall)), shown(spread(cpu)), shown(wall_ratio, ".2f"), required])
        rows[-1].append(shown(cpu_ratio, ".2f"))
    return Table(
        f"Oversubscribed: {found[0]['candidates']} candidates of the plain space with four threads a CPU",
        ["", "seconds min/med/max", "CPU seconds", "seconds, ratio", "required", "CPU, ratio"],
        rows,
        f"Ratios are to {base}, one a CPU.",
    )

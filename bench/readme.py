"""The README's figures, between its two marks, out of bench/results; `python -m bench report` fills them in.

A test compares them, so the README cannot say what no bench has measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import median
from typing import Any

from bench import peers, published, schedule, teams
from bench.machine import ROOT
from bench.quality_contenders import CONTENDERS, OURS, PERCEPTRON, REALMLP, TUNED
from bench.quality_data import LARGER
from bench.quality_figures import Fits, fits_of
from bench.quality_sections import shown_error
from bench.tables_data import Runs, Variant, from_rounds

BEGIN, END = "<!-- figures: python -m bench report -->\n", "<!-- end of figures -->"
WIDE = "64-256-256-10 @ 128"
MODELS = 128
THREADS = (2, 4, 8, 16, 32)
QUALITY = (OURS, TUNED, REALMLP, PERCEPTRON)


def fill(readme: str) -> str:
    """Return the README with the figures of bench/results."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + figures() + END + after


def figures() -> str:
    """Return the text between the marks."""
    parts = (quality_lines(), peer_lines(), step_lines(), table_lines(), schedule_lines())
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def load(name: str) -> Any:
    """Return the results of a bench."""
    return json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text(encoding="utf-8"))["results"]


def quality_lines() -> list[str]:
    """Return the errors on the larger tables: ours and those who come close, with their seconds, as far as measured."""
    fits = fits_of(load("quality").values())
    names = ["table", "seeds", *(CONTENDERS[each].name for each in QUALITY)]
    return [
        "Errors on a quarter of the rows, held out, of a fit on two cores: shares of wrong classes, or roots of mean",
        "squared errors; medians over the seeds that all in a line have (`python -m bench quality`):",
        "",
        f"| {' | '.join(names)} |",
        "|---|" + "--:|" * (len(names) - 1),
        *(f"| {' | '.join([table, *_quality_cells(fits, table)])} |" for table in LARGER if table in fits.runs),
    ]


def _quality_cells(fits: Fits, table: str) -> list[str]:
    """Return how many seeds there are, and what each contender has over them."""
    runs = {each: fits.of(table, each) for each in QUALITY}
    present = [set(own) for own in runs.values() if own]
    seeds = set.intersection(*present) if present else set()

    def cell(own: Mapping[int, Any]) -> str:
        if not own or not seeds:
            return "-"
        error, seconds = (median(own[seed][what] for seed in seeds) for what in ("error", "seconds"))
        return f"{shown_error(table, error)} in {seconds:.3g} s"

    return [str(len(seeds)), *(cell(own) for own in runs.values())]


def peer_lines() -> list[str]:
    """Return the table of peers, space by space, those that were skipped included."""
    header = ["tuner", "seeds", "time", "by ash", "test accuracy", "epochs", "peak memory"]
    lines = [f"| {' | '.join(header)} |", "|---|" + "--:|" * (len(header) - 1)]
    space = None
    for row in peers.summary(load("peers")):
        if row["space"] != space:
            space = row["space"]
            lines.append(f"| **space: {space}** |" + " |" * (len(header) - 1))
        lines.append(f"| {' | '.join(_peer_cells(row))} |")
    return lines


def _peer_cells(row: dict[str, Any]) -> list[str]:
    ours = row["name"] == "ash"
    name = row["name"] if ours else f"{row['name']}, {row['setting']}"
    if row["skipped"]:
        return [name, row["skipped"], *[""] * 5]
    seconds, test = f"{row['seconds']['median']:.3g} s", row["test"]
    accuracy = f"{test['min']:.3f} .. {test['max']:.3f}" if row["seeds"] > 1 else f"{test['median']:.3f}"
    memory = f"{row['peak_bytes']['median'] / 1e6:.0f} MB"
    times = "1" if ours else f"{row['times_ash']:.3g} x"
    return [name, str(row["seeds"]), seconds, times, accuracy, f"{row['epochs']['median']:.0f}", memory]


def step_lines() -> list[str]:
    """Return what a framework's overhead is worth, where there is least of it."""
    wide = load("step")[WIDE]
    lines = [
        "The smaller the networks, the more of a framework's time is overhead; with wide layers the gap closes to that"
    ]
    if wide["times_torch"] is None:
        return [*lines, "of the matrix products (`python -m bench kernels`)."]
    return [
        *lines,
        f"of the matrix products: a step of 64-256-256-10 at batch 128 takes PyTorch on one thread "
        f"{wide['times_torch']['median']:.1f} times",
        "as long as ours (`python -m bench kernels`).",
    ]


def table_lines() -> list[str]:
    """Return the speed-ups of 128 models in both settings, beside those that the student project has published."""
    runs = from_rounds(load("tables")).runs
    lines = [
        f"{MODELS} models, ASH by SH on one thread (`python -m bench tables`; * simulated, from what the jobs on one",
        "thread took):",
        "",
        "| threads | " + " | ".join(map(str, THREADS)) + " |",
        "|---|" + "--:|" * len(THREADS),
    ]
    for setting, title in (("seed", "the student project's setting"), ("default", "the defaults")):
        own = runs[setting, MODELS]
        for shared, words in ((False, "without teams"), (True, "with teams")):
            cells = [_speedup(own, Variant("ash", shared, threads)) for threads in THREADS]
            lines.append(f"| {title}, {words} | {' | '.join(cells)} |")
    theirs = [published.speedup(MODELS, threads) for threads in THREADS]
    return [*lines, "| published | " + " | ".join("" if t is None else f"{t:.2f}" for t in theirs) + " |"]


def _speedup(own: Runs, variant: Variant) -> str:
    alone = Variant("sh", False, 1)
    if variant in own.walls:
        return f"{own.speedup(variant, alone)['median']:.2f}"
    seconds = own.simulated("teams" if variant.teams else "no teams", variant.threads)
    return "" if seconds is None else f"{own.wall(alone) / seconds:.2f} *"


def schedule_lines() -> list[str]:
    """Return what the virtual clock costs and what a team brings, on 2 threads."""
    both, team = schedule.summary(load("schedule"))["2 threads, teams"], teams.wide_speedup(load("teams"))
    return [
        "On 2 threads the reproducible schedule takes "
        f"{both['wall_ratio']['median']:.2f} times as long as the greedy one,",
        f"{both['wall_a_work_ratio']['median']:.2f} times for the same multiply-adds (`python -m bench scaling`). That "
        "step of 64-256-256-10, shared by",
        f"a team of two, is {team['median']:.2f} times as fast as alone, {team['min']:.2f} to {team['max']:.2f}: it "
        "depends on how far apart the cores are.",
    ]
